/* pool.cu: MaxPool, AveragePool and LpPool in one to three dims, images plain or channels-last. (Global pools
 * are reductions: reduce.cu.)
 *
 * Bytes: an element of x is read once for each window it is in, from the caches but for the first time; y
 * written once. FLOPs an output: the size of the window. Bound by memory: 3 x 3 with stride 2 reads 4 and
 * writes 1.
 *
 * Threads: one an output, in the output's order: neighbours read neighbouring windows; or, where 16 bytes of
 * channels lie side by side, one for all of these. Sums in float, in the order of the window. NaN in a window
 * is the largest. */
#include "infer/cuda/kernels/k_level.cuh"
#include "infer/cuda/kernels/k_pool.h"

static const uint32_t THREADS = 256;

/* What one window holds so far. */
struct window_sum {
    float value;
    int32_t at, count; /* of the largest; positions inside the image */
};

SL_DEVICE void look(const k_pool &p, float x, int32_t at, window_sum &s) {
    s.count++;
    if (p.kind == K_POOL_AVERAGE) {
        s.value += x;
    } else if (p.kind == K_POOL_LP) {
        s.value += p.p == 2 ? x * x : pow(fabs(x), (float)p.p);
    } else if (x > s.value || s.at < 0 || (x != x && s.value == s.value)) {
        s.value = x;
        s.at = at;
    }
}

/* How many positions of the window lie in the padded image: what count_include_pad divides by. */
SL_DEVICE int32_t count_padded(const k_pool &p, const int32_t (&first)[3]) {
    int32_t count = 1;
#pragma unroll
    for (int d = 0; d < 3; d++) {
        int32_t room = (p.in[d] + p.pad_end[d] - first[d] + p.dilation[d] - 1) / p.dilation[d];
        count *= room < p.kernel[d] ? room : p.kernel[d];
    }
    return count;
}

SL_DEVICE int64_t flat_index(const k_pool &p, int64_t image, int32_t at) {
    if (!p.column_major)
        return image + at;
    int64_t x = at % p.in[2], y = at / p.in[2] % p.in[1], z = at / p.in[2] / p.in[1];
    return p.spatial == 3 ? image + (x * p.in[1] + y) * p.in[0] + z : image + x * p.in[1] + y;
}

template <typename T> SL_KERNEL void pool(const k_pool p) {
    const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= p.total)
        return;
    uint32_t rest = k_quotient(i, p.inner), inner = i - rest * p.inner.by;
    int32_t first[3];
#pragma unroll
    for (int d = 2; d >= 0; d--) {
        uint32_t up = k_quotient(rest, p.out[d]);
        first[d] = (int32_t)(rest - up * p.out[d].by) * p.stride[d] - p.pad[d];
        rest = up;
    }
    const int64_t image = (int64_t)rest * p.in[0] * p.in[1] * p.in[2];
    window_sum s = {p.kind == K_POOL_MAX ? -INFINITY : 0.0f, -1, 0};
    for (int32_t kz = 0; kz < p.kernel[0]; kz++) {
        int32_t z = first[0] + kz * p.dilation[0];
        if (z < 0 || z >= p.in[0])
            continue;
        for (int32_t ky = 0; ky < p.kernel[1]; ky++) {
            int32_t y = first[1] + ky * p.dilation[1];
            if (y < 0 || y >= p.in[1])
                continue;
            for (int32_t kx = 0; kx < p.kernel[2]; kx++) {
                int32_t x = first[2] + kx * p.dilation[2], at = (z * p.in[1] + y) * p.in[2] + x;
                if (x >= 0 && x < p.in[2])
                    look(p, k_element_of<float, T>::load(p.x, p.x_type, (image + at) * p.inner.by + inner),
                         at, s);
            }
        }
    }
    if (p.kind == K_POOL_AVERAGE)
        s.value /= (float)(p.padded ? count_padded(p, first) : s.count);
    if (p.kind == K_POOL_LP)
        s.value = p.p == 2 ? sqrt(s.value) : pow(s.value, 1.0f / (float)p.p);
    k_store(p.y, p.y_type, i, s.value);
    if (p.indices)
        p.indices[i] = flat_index(p, image, s.at < 0 ? 0 : s.at);
}

/* ---- channels-last: 16 bytes of channels a thread ---- */

template <typename T, int V> SL_DEVICE void look_packed(const k_pool &p, const T *x, float (&value)[V]) {
    const k_pack<T> pack = *(const k_pack<T> *)x;
#pragma unroll
    for (int v = 0; v < V; v++) {
        const float here = sl_to_float(pack.v[v]);
        if (p.kind == K_POOL_AVERAGE)
            value[v] += here;
        else
            value[v] = here > value[v] || here != here ? here : value[v];
    }
}

template <typename T> SL_KERNEL void pool_packed(const k_pool p) {
    const int V = 16 / sizeof(T);
    const uint32_t i = (blockIdx.x * blockDim.x + threadIdx.x) * V;
    if (i >= p.total)
        return;
    uint32_t rest = k_quotient(i, p.inner), inner = i - rest * p.inner.by;
    int32_t first[3], count = 0;
    float value[V];
#pragma unroll
    for (int d = 2; d >= 0; d--) {
        uint32_t up = k_quotient(rest, p.out[d]);
        first[d] = (int32_t)(rest - up * p.out[d].by) * p.stride[d] - p.pad[d];
        rest = up;
    }
#pragma unroll
    for (int v = 0; v < V; v++)
        value[v] = p.kind == K_POOL_MAX ? -INFINITY : 0.0f;
    const T *image = (const T *)p.x + (int64_t)rest * p.in[0] * p.in[1] * p.in[2] * p.inner.by + inner;
    for (int32_t kz = 0; kz < p.kernel[0]; kz++) {
        const int32_t z = first[0] + kz * p.dilation[0];
        if (z < 0 || z >= p.in[0])
            continue;
        for (int32_t ky = 0; ky < p.kernel[1]; ky++) {
            const int32_t y = first[1] + ky * p.dilation[1];
            if (y < 0 || y >= p.in[1])
                continue;
            for (int32_t kx = 0; kx < p.kernel[2]; kx++) {
                const int32_t x = first[2] + kx * p.dilation[2];
                if (x < 0 || x >= p.in[2])
                    continue;
                look_packed<T>(p, image + (int64_t)((z * p.in[1] + y) * p.in[2] + x) * p.inner.by, value);
                count++;
            }
        }
    }
    const float over = (float)(p.padded ? count_padded(p, first) : count);
    k_pack<T> pack;
#pragma unroll
    for (int v = 0; v < V; v++)
        pack.v[v] = sl_from_float<T>(p.kind == K_POOL_AVERAGE ? value[v] / over : value[v]);
    *(k_pack<T> *)((T *)p.y + i) = pack;
}

/* ---- the launcher ---- */

static bool is_packed(const struct k_pool *p) {
    const uint32_t width = p->x_type == K_F32 ? 4 : 8;
    return (p->x_type == K_F32 || p->x_type == K_F16 || p->x_type == K_BF16) && p->y_type == p->x_type &&
           p->inner.by % width == 0 && p->kind != K_POOL_LP && !p->indices;
}

extern "C" int k_pool_launch(const struct k_pool *p, k_stream stream) {
    const uint32_t width = !is_packed(p) ? 1 : p->x_type == K_F32 ? 4 : 8;
    const uint32_t blocks = (p->total / width + THREADS - 1) / THREADS;
    if (is_packed(p))
        return p->x_type == K_F32   ? SL_LAUNCH((pool_packed<float>), blocks, THREADS, 0, stream, *p)
               : p->x_type == K_F16 ? SL_LAUNCH((pool_packed<sl_half>), blocks, THREADS, 0, stream, *p)
                                    : SL_LAUNCH((pool_packed<sl_bfloat16>), blocks, THREADS, 0, stream, *p);
    return p->x_type == K_F32    ? SL_LAUNCH((pool<float>), blocks, THREADS, 0, stream, *p)
           : p->x_type == K_F16  ? SL_LAUNCH((pool<sl_half>), blocks, THREADS, 0, stream, *p)
           : p->x_type == K_BF16 ? SL_LAUNCH((pool<sl_bfloat16>), blocks, THREADS, 0, stream, *p)
                                 : SL_LAUNCH((pool<void>), blocks, THREADS, 0, stream, *p);
}

/* ---- levels ---- */

SL_KERNEL void level_pool(const k_level_pool l) {
    const k_pool &p = l.pool;
    const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= p.total)
        return;
    uint32_t rest = k_quotient(i, p.inner), inner = i - rest * p.inner.by;
    int32_t first[3], count = 0;
#pragma unroll
    for (int d = 2; d >= 0; d--) {
        uint32_t up = k_quotient(rest, p.out[d]);
        first[d] = (int32_t)(rest - up * p.out[d].by) * p.stride[d] - p.pad[d];
        rest = up;
    }
    const int64_t image = (int64_t)rest * p.in[0] * p.in[1] * p.in[2],
                  zero = k_zero_at(l.zero[0], p.x_type, 0);
    const float scale = k_load<float>(l.scale[0], l.scale_type[0], 0);
    double sum = 0;
    for (int32_t kz = 0; kz < p.kernel[0]; kz++)
        for (int32_t ky = 0; ky < p.kernel[1]; ky++)
            for (int32_t kx = 0; kx < p.kernel[2]; kx++) {
                const int32_t z = first[0] + kz * p.dilation[0], y = first[1] + ky * p.dilation[1];
                const int32_t x = first[2] + kx * p.dilation[2];
                if (z < 0 || z >= p.in[0] || y < 0 || y >= p.in[1] || x < 0 || x >= p.in[2])
                    continue;
                const int64_t at = (image + (z * p.in[1] + y) * p.in[2] + x) * p.inner.by + inner;
                sum += (double)((float)(k_load<int64_t>(p.x, p.x_type, at) - zero) * scale);
                count++;
            }
    const float mean = (float)(sum / (double)(p.padded ? count_padded(p, first) : count));
    k_write_level(p.y, p.y_type, i, mean / k_load<float>(l.scale[1], l.scale_type[1], 0),
                  k_zero_at(l.zero[1], p.y_type, 0));
}

extern "C" int k_level_pool_launch(const struct k_level_pool *l, k_stream stream) {
    return SL_LAUNCH(level_pool, (l->pool.total + THREADS - 1) / THREADS, THREADS, 0, stream, *l);
}
