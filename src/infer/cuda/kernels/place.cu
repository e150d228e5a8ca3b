/* place.cu: OneHot, Trilu and ReverseSequence: copies in which an element's place decides.
 *
 * Bytes: each element of the result written once, and read at most once. Threads: one an element of the
 * result, in its order. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_place.h"

static const uint32_t THREADS = 256;

SL_KERNEL void one_hot(const k_one_hot o) {
    const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= o.count)
        return;
    const uint32_t line = k_quotient(i, o.inner), outer = k_quotient(line, o.depth);
    const double wish =
        trunc(k_load<double>(o.x, o.x_type, (int64_t)outer * o.inner.by + (i - line * o.inner.by)));
    const double place = (double)(line - outer * o.depth.by), depth = (double)o.depth.by;
    const bool on = (wish < 0 ? wish + depth : wish) == place;
    if (o.y_type == K_I64 || o.y_type == K_U64) /* a double does not hold them */
        ((int64_t *)o.y)[i] = ((const int64_t *)o.values)[on];
    else
        k_store(o.y, o.y_type, i, k_load<double>(o.values, o.y_type, on));
}

extern "C" int k_one_hot_launch(const struct k_one_hot *o, k_stream stream) {
    return SL_LAUNCH(one_hot, (o->count + THREADS - 1) / THREADS, THREADS, 0, stream, *o);
}

#define BY_UNIT(kernel, args)                                                                                \
    uint32_t blocks = ((args)->count + THREADS - 1) / THREADS;                                               \
    return (args)->unit_nbytes == 1   ? SL_LAUNCH((kernel<uint8_t>), blocks, THREADS, 0, stream, *(args))    \
           : (args)->unit_nbytes == 2 ? SL_LAUNCH((kernel<uint16_t>), blocks, THREADS, 0, stream, *(args))   \
           : (args)->unit_nbytes == 4 ? SL_LAUNCH((kernel<uint32_t>), blocks, THREADS, 0, stream, *(args))   \
                                      : SL_LAUNCH((kernel<uint64_t>), blocks, THREADS, 0, stream, *(args));

template <typename U> SL_KERNEL void trilu(const k_trilu t) {
    const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= t.count)
        return;
    const uint32_t line = k_quotient(i, t.columns), row = k_remainder(line, t.rows);
    const int64_t distance = (int64_t)(i - line * t.columns.by) - (int64_t)row;
    const bool kept = t.upper ? distance >= t.k : distance <= t.k;
    ((U *)t.y)[i] = kept ? ((const U *)t.x)[i] : (U)0;
}

extern "C" int k_trilu_launch(const struct k_trilu *t, k_stream stream) {
    BY_UNIT(trilu, t)
}

template <typename U> SL_KERNEL void reverse(const k_reverse r) {
    const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= r.count)
        return;
    const uint32_t line = k_quotient(i, r.slab);
    int64_t first = k_quotient(line, r.b), second = line - (uint32_t)first * r.b.by;
    int64_t &time = r.batch_first ? second : first;
    const int64_t row = r.batch_first ? first : second;
    int64_t length = k_load<int64_t>(r.lengths, r.length_type, row);
    length = length < r.steps ? length : r.steps;
    if (time < length)
        time = length - 1 - time;
    ((U *)r.y)[i] = ((const U *)r.x)[(first * r.b.by + second) * r.slab.by + (i - line * r.slab.by)];
}

extern "C" int k_reverse_launch(const struct k_reverse *r, k_stream stream) {
    BY_UNIT(reverse, r)
}
