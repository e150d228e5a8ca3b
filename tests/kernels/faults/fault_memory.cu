/* fault_memory.cu: accesses beyond what there is, where nothing was written, and not aligned. */
#include "sluice/kernel.cuh"

#include "faults.h"

enum { THREADS = 256, INPUTS = 1024 };

/* The last thread's window ends one number behind the last. */
SL_KERNEL void off_by_one(bool wrong, const float *x, float *y) {
    uint32_t i = threadIdx.x * 4;
    float sum = 0;
    for (uint32_t k = 0; wrong ? k <= 4 : k < 4; k++)
        sum += x[i + k];
    y[threadIdx.x] = sum;
}

SL_KERNEL void write_beyond(bool wrong, const float *x, float *y) {
    y[threadIdx.x] = x[threadIdx.x];
    if (wrong && threadIdx.x == THREADS - 1)
        y[threadIdx.x + 1] = 0;
}

/* Reads of y what no thread has written. */
SL_KERNEL void unwritten_global(bool wrong, const float *x, float *y) {
    y[threadIdx.x] = wrong ? x[threadIdx.x] + y[threadIdx.x] : x[threadIdx.x];
}

SL_KERNEL void misaligned(bool wrong, const float *x, float *y) {
    if (threadIdx.x < THREADS / 4)
        sl_st16(y + threadIdx.x * 4, sl_ld16(x + threadIdx.x * 4 + (wrong ? 2 : 0)));
}

/* Rows of 72 bytes: every other one begins in the middle of 16. */
SL_KERNEL void misaligned_row(bool wrong, const float *x, float *y) {
    SL_SHARED_DYNAMIC(float, room);
    const uint32_t pitch = wrong ? 18 : 20;
    for (uint32_t i = threadIdx.x; i < 8 * pitch; i += THREADS)
        room[i] = x[i];
    sl_sync();
    uint32_t r[1];
    sl_ldsm_x1(r, room + threadIdx.x % 8 * pitch);
    y[threadIdx.x] = (float)(r[0] >> 20);
}

SL_KERNEL void shared_overrun(bool wrong, const float *x, float *y) {
    SL_SHARED_DYNAMIC(float, room);
    uint32_t i = threadIdx.x + (wrong ? 1 : 0);
    room[i] = x[threadIdx.x];
    y[threadIdx.x] = room[i];
}

SL_KERNEL void static_overrun(bool wrong, const float *x, float *y) {
    SL_SHARED(float, room, THREADS);
    SL_SHARED(float, other, THREADS);
    uint32_t i = threadIdx.x + (wrong ? 1 : 0);
    other[threadIdx.x] = 0;
    float *p = room; /* what the compiler cannot see through */
    p[i] = x[threadIdx.x];
    y[threadIdx.x] = p[i] + other[threadIdx.x];
}

SL_KERNEL void unwritten_shared(bool wrong, const float *x, float *y) {
    SL_SHARED(float, room, THREADS);
    if (!wrong || threadIdx.x != 77)
        room[threadIdx.x] = x[threadIdx.x];
    sl_sync();
    y[threadIdx.x] = room[threadIdx.x ^ 1];
}

#define FAULT(name, shared_nbytes)                                                                           \
    extern "C" int fault_##name(bool wrong, const float *x, float *y) {                                      \
        return SL_LAUNCH(name, 1, THREADS, shared_nbytes, (k_stream)0, wrong, x, y);                         \
    }
FAULT(off_by_one, 0)
FAULT(write_beyond, 0)
FAULT(unwritten_global, 0)
FAULT(misaligned, 0)
FAULT(misaligned_row, 8 * 20 * sizeof(float))
FAULT(shared_overrun, THREADS * sizeof(float))
FAULT(static_overrun, 0)
FAULT(unwritten_shared, 0)
