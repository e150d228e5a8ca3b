/* gpu_time.h: how gpu_bench times what it launches, and what the card can do at best. */
#ifndef TESTS_GPU_TIME_H
#define TESTS_GPU_TIME_H

#include <cuda_runtime_api.h>
#include <stddef.h>

enum { TIME_PARTS = 9 };

/* Puts one round on the stream: `round` counts up, so that a caller with several sets of buffers can go
 * through them. Returns 0 or the cudaError. */
typedef int time_round(void *ctx, unsigned round, cudaStream_t stream);

struct time_result {
    double median_us, least_us, spread; /* of one round; spread: (highest - least) / median of the parts */
    cudaError_t err;
};

/* Rounds as a captured graph, replayed until they fill some milliseconds: warmed up first, then the median of
 * TIME_PARTS parts. `rounds` is how many the graph holds. */
struct time_result time_rounds(time_round *run, void *ctx, unsigned rounds);

/* What to measure shares against. flops is 0 where no cuBLAS was found. */
struct peak {
    double copy_bytes_per_s;                 /* device to device, read and written */
    double f16, bf16, tf32, f32;             /* products of 8192 x 8192 by cuBLAS, FLOP/s */
    double h2d_bytes_per_s, d2h_bytes_per_s; /* pinned */
};
struct peak peak_measure(void);
/* One product through cuBLAS, milliseconds of one call at best and in the median; 0: no cuBLAS. `type`: 'h'
 * f16, 'b' bf16, 't' tf32, 'f' f32. */
double cublas_us(char type, int m, int n, int k);

#endif
