/* simt_kernel.h: kernel.cuh's names for the host's C++ compiler: each a call into the model, with the place
 * it is called from (the default arguments are evaluated at the caller). The twin of sluice/kernel_cuda.cuh.
 */
#ifndef TESTS_SIMT_KERNEL_H
#define TESTS_SIMT_KERNEL_H

#include <string.h>

#include "simt.h"

#ifndef SL_ARCH
#define SL_ARCH 900
#endif

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))

#define SL_KERNEL static
#define SL_KERNEL_BOUNDS(threads, blocks) static
/* Always inlined: functions of the same name in two .cu files must not become one when they are linked. */
#define SL_DEVICE inline __attribute__((always_inline))

#define SL_SITE(what) (simt_site{what, file, line})
#define SL_FROM const char *file = __builtin_FILE(), int line = __builtin_LINE()
#define SL_HERE(what) (simt_site{what, __FILE__, __LINE__})

#define SL_SHARED(type, name, count)                                                                         \
    static const char name##_tag = 0;                                                                        \
    type(&name)[count] = *(type(*)[count])simt_shared(&name##_tag, sizeof(type) * (count), SL_HERE(#name))
#define SL_SHARED_DYNAMIC(type, name) type *name = (type *)simt_shared_dynamic(alignof(type), SL_HERE(#name))
#define SL_LAUNCH(kernel, grid, block, shared_nbytes, stream, ...)                                           \
    sl_launch(#kernel, kernel, grid, block, shared_nbytes, stream, __VA_ARGS__)

struct dim3 {
    uint32_t x, y, z;
    dim3(uint32_t x_ = 1, uint32_t y_ = 1, uint32_t z_ = 1) : x(x_), y(y_), z(z_) {
    }
};
struct uint2 {
    uint32_t x, y;
};
struct alignas(16) uint4 {
    uint32_t x, y, z, w;
};
struct float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
SL_DEVICE uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w) {
    return uint4{x, y, z, w};
}
SL_DEVICE float4 make_float4(float x, float y, float z, float w) {
    return float4{x, y, z, w};
}

#define threadIdx (simt_self->thread)
#define blockIdx (simt_self->block)
#define blockDim (simt_self->block_dim)
#define gridDim (simt_self->grid_dim)

template <typename T> struct sl_same { typedef T type; };

template <typename... P>
static inline int sl_launch(const char *name, void (*kernel)(P...), dim3 grid, dim3 block,
                            size_t shared_nbytes, CUstream_st *stream, typename sl_same<P>::type... args) {
    auto body = [=] { kernel(args...); };
    typedef decltype(body) body_t;
    static_assert(__is_trivially_copyable(body_t), "a kernel's arguments are plain data");
    struct simt_launch launch = {};
    launch.kernel = name;
    launch.grid = simt_dim{grid.x, grid.y, grid.z};
    launch.block = simt_dim{block.x, block.y, block.z};
    launch.shared_nbytes = shared_nbytes;
    launch.body = [](const void *closure) { (*(const body_t *)closure)(); };
    launch.args = &body;
    launch.args_nbytes = sizeof body;
    return ::simt_launch(&launch, stream);
}

/* ---- numbers ---- */

struct sl_half {
    uint16_t bits;
};
struct sl_bfloat16 {
    uint16_t bits;
};

SL_DEVICE uint32_t sl_float_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
SL_DEVICE float sl_float_from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
SL_DEVICE float sl_to_float(sl_half h) {
    uint32_t sign = (uint32_t)(h.bits & 0x8000) << 16, rest = h.bits & 0x7fffu;
    if (rest >= 0x7c00)
        return sl_float_from_bits(sign | 0x7f800000u | (rest & 0x3ff) << 13);
    /* as if the exponent were a float's, then scaled by 2^112: right for subnormals too */
    float x = sl_float_from_bits(rest << 13) * 0x1p112f;
    return sl_float_from_bits(sign | sl_float_bits(x));
}
SL_DEVICE float sl_to_float(sl_bfloat16 h) {
    return sl_float_from_bits((uint32_t)h.bits << 16);
}
SL_DEVICE sl_half sl_float_to_half(float f) {
    uint32_t bits = sl_float_bits(f), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu, half;
    if (rest > 0x7f800000u)
        half = 0x7fff;
    else if (rest >= 0x477ff000u) /* from 65520 on: infinity */
        half = 0x7c00;
    else if (rest < 0x38800000u) /* subnormal: the addition rounds at the place of 2^-24 */
        half = sl_float_bits(sl_float_from_bits(rest) + 0.5f) - 0x3f000000u;
    else
        half = (rest + 0xfffu + (rest >> 13 & 1) - 0x38000000u) >> 13;
    return sl_half{(uint16_t)(sign | half)};
}
SL_DEVICE sl_bfloat16 sl_float_to_bfloat16(float f) {
    uint32_t bits = sl_float_bits(f);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return sl_bfloat16{0x7fff};
    return sl_bfloat16{(uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
}
SL_DEVICE uint16_t sl_bits(sl_half x) {
    return x.bits;
}
SL_DEVICE uint16_t sl_bits(sl_bfloat16 x) {
    return x.bits;
}
template <typename T> SL_DEVICE T sl_from_bits(uint16_t bits) {
    return T{bits};
}
SL_DEVICE uint32_t sl_to_tf32(float x) { /* to nearest, ties away from zero */
    uint32_t bits = sl_float_bits(x);
    return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & ~0x1fffu;
}
/* Approximations on a GPU, exact to half a bit here; denormals become 0 as there. */
SL_DEVICE float sl_ex2(float x) {
    float y = exp2f(x);
    return y < 0x1p-126f ? 0 : y;
}
SL_DEVICE float sl_rsqrt(float x) {
    return (float)(1 / sqrt((double)x));
}
SL_DEVICE float sl_mul_rn(float x, float y) {
    return x * y;
}
SL_DEVICE float sl_add_rn(float x, float y) {
    return x + y;
}
SL_DEVICE float sl_fma(float x, float y, float z) {
    return fmaf(x, y, z);
}

/* ---- waiting for each other ---- */

SL_DEVICE void sl_sync(SL_FROM) {
    simt_sync(SL_SITE("sl_sync"));
}
SL_DEVICE void sl_bar_sync(int id, int threads, SL_FROM) {
    simt_bar_sync(id, threads, SL_SITE("sl_bar_sync"));
}
SL_DEVICE void sl_warp_sync(SL_FROM) {
    simt_warp_sync(SL_SITE("sl_warp_sync"));
}

/* ---- a warp's registers ---- */

template <typename T> SL_DEVICE T sl_shfl_xor(T v, int mask, SL_FROM) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
    simt_shuffle(&v, sizeof v, 'x', mask, SL_SITE("sl_shfl_xor"));
    return v;
}
template <typename T> SL_DEVICE T sl_shfl_down(T v, int by, SL_FROM) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
    simt_shuffle(&v, sizeof v, 'd', by, SL_SITE("sl_shfl_down"));
    return v;
}
template <typename T> SL_DEVICE T sl_shfl_idx(T v, int lane, SL_FROM) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
    simt_shuffle(&v, sizeof v, 'i', lane, SL_SITE("sl_shfl_idx"));
    return v;
}
SL_DEVICE uint32_t sl_ballot(bool p, SL_FROM) {
    return simt_ballot(p, SL_SITE("sl_ballot"));
}

/* ---- memory ---- */

SL_DEVICE uint4 sl_ld_nc16(const void *p, SL_FROM) {
    uint4 v;
    simt_load16(&v, p, SL_SITE("sl_ld_nc16"));
    return v;
}
SL_DEVICE uint4 sl_ld16(const void *p, SL_FROM) {
    uint4 v;
    simt_load16(&v, p, SL_SITE("sl_ld16"));
    return v;
}
SL_DEVICE void sl_st16(void *p, uint4 v, SL_FROM) {
    simt_store16(p, &v, SL_SITE("sl_st16"));
}
SL_DEVICE void sl_cp_async16(void *shared, const void *global, int src_nbytes, SL_FROM) {
    simt_cp_async(shared, global, src_nbytes, SL_SITE("sl_cp_async16"));
}
SL_DEVICE void sl_cp_commit() {
    simt_cp_commit();
}
template <int N> SL_DEVICE void sl_cp_wait(SL_FROM) {
    simt_cp_wait(N, SL_SITE("sl_cp_wait"));
}
SL_DEVICE int32_t sl_atomic_add(int32_t *p, int32_t v, SL_FROM) {
    return (int32_t)simt_atomic('+', p, 4, true, v, SL_SITE("sl_atomic_add"));
}
SL_DEVICE uint32_t sl_atomic_add(uint32_t *p, uint32_t v, SL_FROM) {
    return (uint32_t)simt_atomic('+', p, 4, false, v, SL_SITE("sl_atomic_add"));
}
SL_DEVICE int32_t sl_atomic_max(int32_t *p, int32_t v, SL_FROM) {
    return (int32_t)simt_atomic('m', p, 4, true, v, SL_SITE("sl_atomic_max"));
}
SL_DEVICE uint32_t sl_atomic_max(uint32_t *p, uint32_t v, SL_FROM) {
    return (uint32_t)simt_atomic('m', p, 4, false, v, SL_SITE("sl_atomic_max"));
}

/* ---- tensor cores: fragments as the PTX manual lays them over the lanes; see simt_mma.c ---- */

#define SL_LDSM(name, count, trans)                                                                          \
    SL_DEVICE void name(uint32_t *r, const void *p, SL_FROM) {                                               \
        simt_ldmatrix(r, count, trans, p, SL_SITE(#name));                                                   \
    }
SL_LDSM(sl_ldsm_x1, 1, false)
SL_LDSM(sl_ldsm_x2, 2, false)
SL_LDSM(sl_ldsm_x4, 4, false)
SL_LDSM(sl_ldsm_x1_trans, 1, true)
SL_LDSM(sl_ldsm_x2_trans, 2, true)
SL_LDSM(sl_ldsm_x4_trans, 4, true)

/* d += a b */
#define SL_MMA(name, type, kind)                                                                             \
    SL_DEVICE void name(type *d, const uint32_t *a, const uint32_t *b, SL_FROM) {                            \
        simt_mma(kind, d, a, b, SL_SITE(#name));                                                             \
    }
SL_MMA(sl_mma_1688_f16, float, SIMT_1688_F16)
SL_MMA(sl_mma_16816_f16, float, SIMT_16816_F16)
SL_MMA(sl_mma_16816_bf16, float, SIMT_16816_BF16)
SL_MMA(sl_mma_1688_tf32, float, SIMT_1688_TF32)
SL_MMA(sl_mma_16832_s8, int32_t, SIMT_16832_S8)
SL_MMA(sl_mma_16832_u8s8, int32_t, SIMT_16832_U8S8)

#endif
