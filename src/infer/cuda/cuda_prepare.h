/* cuda_prepare.h: a model's own preprocessing as one launch of prepare.cu. Resize takes over the steps that
 * bring pixels to it (Cast, Transpose, Slice, CenterCropPad, factors and offsets a channel); elementwise
 * steps and a Transpose behind it take over the launch. */
#ifndef INFER_CUDA_CUDA_PREPARE_H
#define INFER_CUDA_CUDA_PREPARE_H

#include "infer/cuda/cuda_bound.h"
#include "ops/resize.h"

/* Each says in *done whether it has made the step's launches; false: a reason why the step cannot run. */

/* A Resize of images of up to 4 channels that come from pixels, or from an input of the model. */
bool prepare_resize(struct cuda_match *m, const struct resize_tables *t, bool *done);
/* y = op(x), or op(x, constants of one number or one a channel). */
bool prepare_element(struct cuda_match *m, const struct k_element *e, bool *done);
bool prepare_transpose(struct cuda_match *m, const int *perm, bool *done);

/* cuda_prepare_links.c: what happens to numbers. */

/* The operator with the constant that is the step's input `other` (SIZE_MAX: none) behind those there are;
 * false: it is none of prepare.cu's. `axis`: which dim of x holds channels. */
bool prepare_link(struct k_prepare *p, const struct k_element *e, const sl_tensor *x, const sl_tensor *other,
                  int axis);
/* The same as one of Cast, Mul, Div, Add, Sub or sluice.Affine that stands before Resize: its links come
 * before those there are, since they are met from the last to the first. */
bool prepare_link_before(struct cuda_match *at, struct k_prepare *p, int axis);

#endif
