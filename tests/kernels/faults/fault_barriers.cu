/* fault_barriers.cu: threads that do not wait for each other, or wait where others do not come. */
#include "sluice/kernel.cuh"

#include "faults.h"

enum { THREADS = 256, WARP = 32 };

SL_KERNEL void missing_barrier(bool wrong, const float *x, float *y) {
    SL_SHARED(float, room, THREADS);
    room[threadIdx.x] = x[threadIdx.x];
    if (!wrong)
        sl_sync();
    y[threadIdx.x] = room[THREADS - 1 - threadIdx.x];
}

/* Two rounds through the same room: the second must not begin while somebody reads the first. */
SL_KERNEL void missing_second_barrier(bool wrong, const float *x, float *y) {
    SL_SHARED(float, room, THREADS);
    float sum = 0;
    for (uint32_t round = 0; round < 2; round++) {
        room[threadIdx.x] = x[threadIdx.x + round * THREADS];
        sl_sync();
        sum += room[THREADS - 1 - threadIdx.x];
        if (!wrong)
            sl_sync();
    }
    y[threadIdx.x] = sum;
}

/* Within a warp: lanes run in step on old GPUs only. */
SL_KERNEL void missing_warp_sync(bool wrong, const float *x, float *y) {
    SL_SHARED(float, room, THREADS);
    room[threadIdx.x] = x[threadIdx.x];
    if (!wrong)
        sl_warp_sync();
    y[threadIdx.x] = room[threadIdx.x ^ 1];
}

SL_KERNEL void divergent_barrier(bool wrong, const float *x, float *y) {
    if (wrong && threadIdx.x < WARP / 2)
        sl_sync();
    else
        sl_sync();
    y[threadIdx.x] = x[threadIdx.x];
}

SL_KERNEL void barrier_after_return(bool wrong, const float *x, float *y) {
    y[threadIdx.x] = x[threadIdx.x];
    if (wrong && threadIdx.x >= THREADS / 2 + 3)
        return;
    sl_sync();
}

SL_KERNEL void divergent_shuffle(bool wrong, const float *x, float *y) {
    float v = x[threadIdx.x];
    if (!wrong || threadIdx.x % 2 == 0)
        v += sl_shfl_xor(v, 2);
    y[threadIdx.x] = v;
}

/* Four warps meet at barrier 1; the fault waits for five. */
SL_KERNEL void wrong_barrier_count(bool wrong, const float *x, float *y) {
    SL_SHARED(float, room, THREADS);
    uint32_t half = threadIdx.x / (THREADS / 2), i = threadIdx.x % (THREADS / 2);
    room[threadIdx.x] = x[threadIdx.x];
    sl_bar_sync((int)half + 1, wrong ? 5 * WARP : 4 * WARP);
    y[threadIdx.x] = room[half * (THREADS / 2) + THREADS / 2 - 1 - i];
}

#define FAULT(name)                                                                                          \
    extern "C" int fault_##name(bool wrong, const float *x, float *y) {                                      \
        return SL_LAUNCH(name, 1, THREADS, 0, (k_stream)0, wrong, x, y);                                     \
    }
FAULT(missing_barrier)
FAULT(missing_second_barrier)
FAULT(missing_warp_sync)
FAULT(divergent_barrier)
FAULT(barrier_after_return)
FAULT(divergent_shuffle)
FAULT(wrong_barrier_count)
