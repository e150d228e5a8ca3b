/* kernels.h: THE KERNELS, as the CUDA device sees them: for each a struct of arguments and a launcher. All of
 * this is plain C; it and include/ are all that nvcc and the rest of the project have in common.
 *
 * A launcher puts one or more kernels on the stream and returns 0 or the cudaError. It checks nothing that
 * the step's matcher has checked, allocates nothing, and reads its arguments before it returns. Pointers
 * inside are the GPU's. Tensors are dense and row-major unless said otherwise; 16-byte aligned where said. */
#ifndef INFER_CUDA_KERNELS_H
#define INFER_CUDA_KERNELS_H

#include "infer/cuda/kernels/k_attention.h"
#include "infer/cuda/kernels/k_conv.h"
#include "infer/cuda/kernels/k_einsum.h"
#include "infer/cuda/kernels/k_embed.h"
#include "infer/cuda/kernels/k_features.h"
#include "infer/cuda/kernels/k_fourier.h"
#include "infer/cuda/kernels/k_gemm.h"
#include "infer/cuda/kernels/k_gemm_int8.h"
#include "infer/cuda/kernels/k_heads.h"
#include "infer/cuda/kernels/k_move.h"
#include "infer/cuda/kernels/k_place.h"
#include "infer/cuda/kernels/k_pool.h"
#include "infer/cuda/kernels/k_prepare.h"
#include "infer/cuda/kernels/k_quant.h"
#include "infer/cuda/kernels/k_recurrent.h"
#include "infer/cuda/kernels/k_rows.h"
#include "infer/cuda/kernels/k_softmax.h"
#include "infer/cuda/kernels/k_tree.h"
#include "infer/cuda/kernels/k_types.h"

#endif
