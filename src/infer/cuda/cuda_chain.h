/* cuda_chain.h: elementwise steps that follow each other as one launch of chain.cu. */
#ifndef INFER_CUDA_CHAIN_H
#define INFER_CUDA_CHAIN_H

#include "infer/cuda/cuda_bound.h"

/* An elementwise launch that is about to be made, y = e(input 0, input 1) of the step; where it goes on from
 * an earlier step's launch, both become one, and *done is set. */
bool chain_extend(struct cuda_match *m, const struct k_element *e, bool *done);

#endif
