/* strided.h: copying elements with a stride for each dim, which is what moving them about comes to. */
#ifndef OPS_STRIDED_H
#define OPS_STRIDED_H

#include "sluice/tensor.h"

/* Bytes of one element of a dtype of whole bytes. */
size_t strided_nbytes(const sl_tensor *t);
/* The strides, in elements, of a dense tensor. */
void strided_dense(const sl_tensor *t, int64_t *strides);
/* Copies one element of `nbytes` for each position of `dims`; strides in elements, on both sides. */
void strided_copy(size_t nbytes, int rank, const int64_t *dims, const char *x, const int64_t *x_strides,
                  char *y, const int64_t *y_strides);

#endif
