/* grid.cu: GridSample, linear, nearest and cubic, of images of one to three dims: positions are data.
 *
 * Bytes: a position read once, its pixels of every channel gathered from the caches (4 of a linear one in two
 * dims), one write a channel. FLOPs: some 40 a position, 2 a pixel. Threads: one a position, which finds its
 * pixels and weights once and then goes through the channels: neighbours write neighbouring outputs.
 *
 * Coordinates are computed in float with every operation rounded, as the reference and other runtimes do:
 * which pixel is nearest depends on it. Values are put together in float. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_pool.h"

static const uint32_t THREADS = 256;

/* The pixels of one axis that a position reads; -1: none there. */
template <int TAPS> struct grid_taps {
    int32_t from[TAPS];
    float weight[TAPS];
};

/* From [-1, 1] to pixels; what is far away is as good as farther. */
SL_DEVICE float to_pixels(float x, int32_t size, bool corners) {
    const float n = (float)size;
    x = sl_add_rn(x, 1);
    x = corners ? sl_mul_rn(x / 2, n - 1) : sl_add_rn(sl_mul_rn(x, n), -1) / 2;
    x = x < -2147483648.0f ? -2147483648.0f : x > 2147483648.0f ? 2147483648.0f : x;
    return x != x ? -1 : x;
}

/* Folds x back at the borders until it lies between them. */
SL_DEVICE double reflect(double x, double least, double most) {
    const double range = most - least, distance = x < least ? least - x : x - most;
    if (x >= least && x <= most)
        return x;
    if (!(range > 0))
        return least;
    const double turns = floor(distance / range), rest = distance - turns * range;
    const bool back = fmod(turns, 2.0) == 0;
    return (x < least) == back ? least + rest : most - rest;
}

SL_DEVICE int32_t pixel_at(const k_grid &g, double at, int32_t size) {
    const double most = (double)(size - 1);
    if (g.padding == K_GRID_ZEROS && !(at >= 0 && at <= most))
        return -1;
    if (g.padding == K_GRID_REFLECTION)
        at = reflect(at, g.corners ? 0 : -0.5, g.corners ? most : most + 0.5);
    return at < 0 ? 0 : at > most ? size - 1 : (int32_t)at;
}

/* Weights of 1, 2 or 4 pixels at a fraction `part` behind the first (of 4: the second). */
SL_DEVICE void weigh(float, grid_taps<1> &t) {
    t.weight[0] = 1;
}
SL_DEVICE void weigh(float part, grid_taps<2> &t) {
    t.weight[0] = 1 - part;
    t.weight[1] = part;
}
SL_DEVICE void weigh(float x, grid_taps<4> &t) {
    const float a = -0.75f, y = 1 - x;
    t.weight[0] = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a;
    t.weight[1] = ((a + 2) * x - (a + 3)) * x * x + 1;
    t.weight[2] = ((a + 2) * y - (a + 3)) * y * y + 1;
    t.weight[3] = ((a * (y + 1) - 5 * a) * (y + 1) + 8 * a) * (y + 1) - 4 * a;
}

template <int TAPS> SL_DEVICE grid_taps<TAPS> find_taps(const k_grid &g, float at, int32_t size) {
    grid_taps<TAPS> t;
    const double least = g.corners ? 0 : -0.5, most = (double)(size - 1) - least;
    double x = (double)to_pixels(at, size, g.corners);
    x = TAPS == 1 ? rint(x) : x;
    /* the border holds positions back, but of a cubic only its pixels */
    if (TAPS < 4 && g.padding == K_GRID_BORDER && (x < least || x > most))
        x = x < 0 ? 0 : (double)(size - 1);
    else if (g.padding == K_GRID_REFLECTION)
        x = (double)(float)reflect(x, least, most);
    const double whole = floor(x), first = TAPS == 1 ? trunc(x) : TAPS == 2 ? whole : whole - 1;
    weigh((float)(x - whole), t);
#pragma unroll
    for (int k = 0; k < TAPS; k++)
        t.from[k] = pixel_at(g, first + k, size);
    return t;
}

/* Axes that are not there have one pixel. */
template <int TAPS, int DIMS> SL_KERNEL void grid_sample(const k_grid g) {
    const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= g.total)
        return;
    grid_taps<TAPS> taps[3];
#pragma unroll
    for (int d = 3 - DIMS; d < 3; d++)
        taps[d] = find_taps<TAPS>(g, k_load<float>(g.grid, g.grid_type, (int64_t)i * DIMS + 2 - d), g.in[d]);
    const uint32_t image = k_quotient(i, g.positions), position = i - image * g.positions.by;
    for (int32_t c = 0; c < g.channels; c++) {
        const int64_t plane = (int64_t)image * g.channels + c;
        float sum = 0;
#pragma unroll
        for (int z = 0; z < (DIMS > 2 ? TAPS : 1); z++)
#pragma unroll
            for (int y = 0; y < (DIMS > 1 ? TAPS : 1); y++)
#pragma unroll
                for (int x = 0; x < TAPS; x++) {
                    const int32_t at_z = DIMS > 2 ? taps[0].from[z] : 0,
                                  at_y = DIMS > 1 ? taps[1].from[y] : 0;
                    if (at_z < 0 || at_y < 0 || taps[2].from[x] < 0)
                        continue;
                    const float weight = (DIMS > 2 ? taps[0].weight[z] : 1) *
                                         (DIMS > 1 ? taps[1].weight[y] : 1) * taps[2].weight[x];
                    const int64_t at =
                        ((plane * g.in[0] + at_z) * g.in[1] + at_y) * g.in[2] + taps[2].from[x];
                    sum += weight * k_load<float>(g.x, g.type, at);
                }
        k_store(g.y, g.type, plane * g.positions.by + position, sum);
    }
}

template <int TAPS> static int launch(const struct k_grid *g, k_stream stream) {
    const uint32_t blocks = (g->total + THREADS - 1) / THREADS;
    return g->dims == 1   ? SL_LAUNCH((grid_sample<TAPS, 1>), blocks, THREADS, 0, stream, *g)
           : g->dims == 2 ? SL_LAUNCH((grid_sample<TAPS, 2>), blocks, THREADS, 0, stream, *g)
                          : SL_LAUNCH((grid_sample<TAPS, 3>), blocks, THREADS, 0, stream, *g);
}

extern "C" int k_grid_launch(const struct k_grid *g, k_stream stream) {
    return g->mode == K_GRID_NEAREST  ? launch<1>(g, stream)
           : g->mode == K_GRID_LINEAR ? launch<2>(g, stream)
                                      : launch<4>(g, stream);
}
