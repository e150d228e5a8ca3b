/* cuda_products.c: products of matrices: MatMul, Gemm, sluice.Linear as launches. */
#include "infer/cuda/cuda_bound.h"

const struct bound_operator bound_products[] = {{NULL, NULL, NULL, 0, false}};
