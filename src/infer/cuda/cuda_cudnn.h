/* cuda_cudnn.h: cuDNN as another provider of steps: opened when the program runs, where it is installed;
 * absent is normal. It takes convolutions of images in two dims, and is only ever used where asked for
 * (--kernels). */
#ifndef INFER_CUDA_CUDNN_H
#define INFER_CUDA_CUDNN_H

#include <stdbool.h>
#include <stddef.h>

struct cudnn;

/* For the device that is set; false: `why` says what is missing. Looks for libcudnn.so.9, then .8; or for the
 * file that SLUICE_CUDNN names. */
bool cudnn_open(struct cudnn **cudnn, char *why, size_t why_nbytes);
void cudnn_close(struct cudnn *cudnn);
/* "9.19.0" */
void cudnn_describe(const struct cudnn *cudnn, char *text, size_t text_nbytes);

#endif
