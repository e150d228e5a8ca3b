/* k_lines.cuh: the lines of matrices that lie in memory, for the loop of k_mainloop.cuh: of gemm.cu and
 * gemm_int8.cu. */
#ifndef INFER_CUDA_K_LINES_CUH
#define INFER_CUDA_K_LINES_CUH

#include "infer/cuda/kernels/k_mainloop.cuh"

/* ---- where a tile's lines come from: k_packed_lines of k_mainloop.cuh, or number by number ---- */

template <typename T> SL_DEVICE T k_nothing() {
    return sl_from_float<T>(0);
}
template <> SL_DEVICE int8_t k_nothing<int8_t>() {
    return 0;
}

template <typename T> struct k_loose_lines {
    const T *from;
    int64_t stride, k_stride; /* from line to line, along k */
    int32_t lines, k;

    SL_DEVICE void chunk(unsigned char *to, int, int32_t line, int32_t q) const {
        const int EACH = 16 / sizeof(T);
        k_pack<T> pack;
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            const int32_t at = q * EACH + i;
            pack.v[i] = line < lines && at < k ? from[line * stride + at * k_stride] : k_nothing<T>();
        }
        *(k_pack<T> *)to = pack;
    }
};

template <typename T, bool PACKED> struct k_lines_of {
    typedef k_packed_lines lines;
    static SL_DEVICE lines make(const T *from, int64_t stride, int64_t, int32_t first, int32_t count,
                                int32_t k) {
        lines l = {(const unsigned char *)(from + first * stride), stride * (int64_t)sizeof(T), count - first,
                   k * (int32_t)sizeof(T)};
        return l;
    }
};
template <typename T> struct k_lines_of<T, false> {
    typedef k_loose_lines<T> lines;
    static SL_DEVICE lines make(const T *from, int64_t stride, int64_t k_stride, int32_t first, int32_t count,
                                int32_t k) {
        lines l = {from + first * stride, stride, k_stride, count - first, k};
        return l;
    }
};

/* ---- which way they go: for launchers ---- */

/* Fewer tiles leave multiprocessors of a large GPU without work. */
enum { K_ENOUGH_TILES = 120 };

static inline bool k_is_packed(const void *p, int64_t k_step, int64_t stride, int32_t k, int64_t nbytes) {
    return k_step == 1 && (uintptr_t)p % 16 == 0 && stride * nbytes % 16 == 0 && k * nbytes % 16 == 0;
}

/* Batches keep what is aligned aligned. */
static inline bool k_keeps(uint32_t batches, const struct k_walk *batch, int operand, int64_t nbytes) {
    for (int d = 0; batches > 1 && d < batch->rank; d++)
        if (batch->steps[operand][d] * nbytes % 16 != 0)
            return false;
    return true;
}

#endif
