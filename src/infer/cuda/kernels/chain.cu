/* chain.cu: several elementwise operators after each other in one launch, y = f3(f2(f1(x0, x1), x2)): what
 * lies between them stays in registers.
 *
 * Shapes: y [count], dense; inputs dense, repeated as rows, or by channels (k_element.cuh). A thread takes 16
 * bytes: 4 or 8 elements. A short program is an argument: for each link its operator, its other operand, and
 * the side that stands on. All threads take the same way through it, so the switches cost little beside the
 * memory.
 *
 * Bytes an element: one read for each dense input and one write; of a chain of n operators 2 (n - 1) passes
 * over memory are saved. Floats are rounded once, at the end, where operators by themselves round n times. */
#include "infer/cuda/kernels/k_element.cuh"

static const uint32_t THREADS = 256;

template <typename T> SL_KERNEL void chain(const k_chain c) {
    const int V = 16 / sizeof(T);
    const uint32_t i = (blockIdx.x * THREADS + threadIdx.x) * V;
    if (i >= c.count)
        return;
    float x[V], y[V];
    k_read_pack((const T *)c.in[0], c.reach[0], c.inner[0], c.period[0], i, x);
#pragma unroll
    for (int v = 0; v < V; v++)
        y[v] = 0;
    for (int32_t l = 0; l < c.link_count; l++) {
        const int32_t k = c.links[l].input;
        if (k >= 0)
            k_read_pack((const T *)c.in[k], c.reach[k], c.inner[k], c.period[k], i, y);
        if (c.links[l].swapped) {
#pragma unroll
            for (int v = 0; v < V; v++) {
                const float other = y[v];
                y[v] = x[v];
                x[v] = other;
            }
        }
        k_apply_pack(c.links[l].op, x, y, c.links[l].a, c.links[l].b);
    }
    k_pack<T> pack;
#pragma unroll
    for (int v = 0; v < V; v++)
        pack.v[v] = sl_from_float<T>(x[v]);
    *(k_pack<T> *)((T *)c.y + i) = pack;
}

extern "C" int k_chain_launch(const struct k_chain *c, k_stream stream) {
    const uint32_t width = c->type == K_F32 ? 4 : 8, blocks = (c->count / width + THREADS - 1) / THREADS;
    return c->type == K_F16    ? SL_LAUNCH((chain<sl_half>), blocks, THREADS, 0, stream, *c)
           : c->type == K_BF16 ? SL_LAUNCH((chain<sl_bfloat16>), blocks, THREADS, 0, stream, *c)
                               : SL_LAUNCH((chain<float>), blocks, THREADS, 0, stream, *c);
}
