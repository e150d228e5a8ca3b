/* conformance.h: every name of sluice/kernel.cuh, used once in a kernel of its own. in: 4096 words; out: 1024
 * words of which `words` are written by 64 threads. test_conformance.c knows what must come out. */
#ifndef TESTS_CONFORMANCE_H
#define TESTS_CONFORMANCE_H

#include "infer/cuda/kernels/k_types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CONFORMANCE_IN = 4096, CONFORMANCE_OUT = 1024, CONFORMANCE_THREADS = 64 };

int conformance_shuffles(const uint32_t *in, uint32_t *out);   /* 8 words a thread */
int conformance_wide(const uint32_t *in, uint32_t *out);       /* 2: a shuffle of 8 bytes */
int conformance_ballot(const uint32_t *in, uint32_t *out);     /* 1 */
int conformance_ldsm(const uint32_t *in, uint32_t *out);       /* 7: x1, x2, x4 */
int conformance_ldsm_trans(const uint32_t *in, uint32_t *out); /* 7 */
int conformance_1688_f16(const uint32_t *in, uint32_t *out);   /* 4, as all mma */
int conformance_16816_f16(const uint32_t *in, uint32_t *out);
int conformance_16816_bf16(const uint32_t *in, uint32_t *out);
int conformance_1688_tf32(const uint32_t *in, uint32_t *out);
int conformance_16832_s8(const uint32_t *in, uint32_t *out);
int conformance_16832_u8s8(const uint32_t *in, uint32_t *out);
int conformance_tile(const uint32_t *in, uint32_t *out);      /* 2: a product through ldsm, row-major */
int conformance_cp_async(const uint32_t *in, uint32_t *out);  /* 4: thread t copies t % 17 bytes */
int conformance_memory16(const uint32_t *in, uint32_t *out);  /* 4 */
int conformance_numbers(const uint32_t *in, uint32_t *out);   /* 6: half, bfloat16, tf32 and back */
int conformance_functions(const uint32_t *in, uint32_t *out); /* 6: ex2 rsqrt exp mul add fma */
int conformance_atomics(const uint32_t *in, uint32_t *out);   /* 4 words in all */
int conformance_barriers(const uint32_t *in, uint32_t *out);  /* 2 */

#ifdef __cplusplus
}
#endif

#endif
