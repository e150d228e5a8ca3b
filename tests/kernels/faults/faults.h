/* faults.h: kernels with one fault each, and the same kernel without it (wrong = false). x: f32 [1024]; y:
 * f32 [256]; all of y is written. tests/kernels/test_faults.c runs them and must see each fault. */
#ifndef TESTS_FAULTS_H
#define TESTS_FAULTS_H

#include "infer/cuda/kernels/k_types.h"

#ifdef __cplusplus
extern "C" {
#endif

int fault_missing_barrier(bool wrong, const float *x, float *y);
int fault_missing_second_barrier(bool wrong, const float *x, float *y);
int fault_missing_warp_sync(bool wrong, const float *x, float *y);
int fault_divergent_barrier(bool wrong, const float *x, float *y);
int fault_barrier_after_return(bool wrong, const float *x, float *y);
int fault_divergent_shuffle(bool wrong, const float *x, float *y);
int fault_wrong_barrier_count(bool wrong, const float *x, float *y);
int fault_off_by_one(bool wrong, const float *x, float *y);
int fault_write_beyond(bool wrong, const float *x, float *y);
int fault_unwritten_global(bool wrong, const float *x, float *y);
int fault_misaligned(bool wrong, const float *x, float *y);
int fault_misaligned_row(bool wrong, const float *x, float *y);
int fault_shared_overrun(bool wrong, const float *x, float *y);
int fault_static_overrun(bool wrong, const float *x, float *y);
int fault_unwritten_shared(bool wrong, const float *x, float *y);
int fault_not_landed(bool wrong, const float *x, float *y);
int fault_stage_reused(bool wrong, const float *x, float *y);
int fault_wrong_fragment(bool wrong, const float *x, float *y);
int fault_bank_conflict(bool wrong, const float *x, float *y);
int fault_bank_conflict_rows(bool wrong, const float *x, float *y);

#ifdef __cplusplus
}
#endif

#endif
