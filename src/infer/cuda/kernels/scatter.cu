/* scatter.cu: ScatterND and ScatterElements: updates written into a copy of the data at positions that are
 * data themselves. What several updates do to one place must not depend on which thread comes first, so there
 * are no atomics: the first update of a place does the work for all of them, in their order, and the others
 * do nothing.
 *
 * ScatterND looks through all other positions for that, so its work grows with the square of their number
 * (the matcher refuses more than 65,536); ScatterElements only looks along its axis.
 *
 * Bytes: an update read and an element written, and the indices read again and again from the caches.
 * Threads: one an element of the updates. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_move.h"

static const uint32_t THREADS = 256;

template <typename C> SL_DEVICE C combine(int how, C a, C b) {
    switch (how) {
    case K_SCATTER_ADD:
        return a + b;
    case K_SCATTER_MUL:
        return a * b;
    case K_SCATTER_MIN:
        return a != a || a < b ? a : b;
    case K_SCATTER_MAX:
        return a != a || a > b ? a : b;
    default:
        return b;
    }
}

template <typename C>
SL_DEVICE void put(int how, void *y, int64_t to, const void *updates, int64_t from, int type) {
    C value = k_load<C>(updates, type, from);
    if (how != K_SCATTER_SET)
        value = combine(how, k_load<C>(y, type, to), value);
    k_store(y, type, to, value);
}

SL_DEVICE int64_t slab_of(const k_scatter_nd &s, uint32_t position) {
    int64_t at = 0;
    for (int d = 0; d < s.depth; d++)
        at = at * s.sizes[d] + k_index(s.indices, s.index_type, (int64_t)position * s.depth + d, s.sizes[d]);
    return at;
}

template <typename C> SL_KERNEL void scatter_nd(const k_scatter_nd s) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x, position = k_quotient(i, s.inner);
    if (position >= s.positions)
        return;
    const uint32_t in = i - position * s.inner.by;
    const int64_t slab = slab_of(s, position);
    for (uint32_t k = 0; k < position; k++)
        if (slab_of(s, k) == slab)
            return;
    for (uint32_t k = position; k < s.positions; k++)
        if (k == position || slab_of(s, k) == slab)
            put<C>(s.how, s.y, slab * s.inner.by + in, s.updates, (int64_t)k * s.inner.by + in, s.type);
}

template <typename C> SL_KERNEL void scatter_elements(const k_scatter_elements s) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x, line = i / (uint32_t)s.length;
    if (line >= s.walk.count)
        return;
    const int32_t place = (int32_t)(i % (uint32_t)s.length);
    int32_t at[2];
    k_walk_to<2>(s.walk, line, at);
    const int32_t to = k_index(s.indices, s.index_type, at[0] + (int64_t)place * s.index_step, s.size);
    for (int32_t k = 0; k < place; k++)
        if (k_index(s.indices, s.index_type, at[0] + (int64_t)k * s.index_step, s.size) == to)
            return;
    for (int32_t k = place; k < s.length; k++) {
        int64_t from = at[0] + (int64_t)k * s.index_step;
        if (k == place || k_index(s.indices, s.index_type, from, s.size) == to)
            put<C>(s.how, s.y, at[1] + (int64_t)to * s.axis_step, s.updates, from, s.type);
    }
}

#define BY_TYPE(kernel, args, count)                                                                         \
    uint32_t blocks = ((count) + THREADS - 1) / THREADS;                                                     \
    int type = (args)->type;                                                                                 \
    bool whole = type == K_I8 || type == K_I16 || type == K_I32 || type == K_I64;                            \
    return type == K_F32 || type == K_F16 || type == K_BF16                                                  \
               ? SL_LAUNCH((kernel<float>), blocks, THREADS, 0, stream, *(args))                             \
           : type == K_F64 ? SL_LAUNCH((kernel<double>), blocks, THREADS, 0, stream, *(args))                \
           : whole         ? SL_LAUNCH((kernel<int64_t>), blocks, THREADS, 0, stream, *(args))               \
                           : SL_LAUNCH((kernel<uint64_t>), blocks, THREADS, 0, stream, *(args));

extern "C" int k_scatter_nd_launch(const struct k_scatter_nd *s, k_stream stream) {
    BY_TYPE(scatter_nd, s, s->positions * s->inner.by)
}

extern "C" int k_scatter_elements_launch(const struct k_scatter_elements *s, k_stream stream) {
    BY_TYPE(scatter_elements, s, s->walk.count * (uint32_t)s->length)
}
