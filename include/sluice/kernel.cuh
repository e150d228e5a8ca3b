/* sluice/kernel.cuh: the one header a kernel includes, and the one place that knows what a GPU has beyond C.
 *
 * The same .cu file is compiled twice. nvcc makes GPU code of it: every name below is then a PTX instruction
 * or two. The host's C++ compiler makes a test of it (-DSL_SIMT): the names are then calls into a model of a
 * GPU (tests/kernels/simt), which runs each CUDA thread as a fiber and checks what a GPU lets pass. So
 * kernels are plain C apart from templates, and whatever is not goes through here: raw asm, shuffles,
 * barriers and launches elsewhere fail tests/lint.sh.
 *
 * For who comes from C: a kernel is a function that a launch runs once for every thread of a grid of blocks.
 * The threads of a block (at most 1024) share fast memory and can wait for each other; 32 of them in a row
 * are a warp, whose threads (lanes) run in step and can hand each other registers. Blocks know nothing of
 * each other. threadIdx, blockIdx, blockDim and gridDim tell a thread where it stands. "Collective" below
 * means: all 32 lanes of the warp call it together, from the same place.
 *
 * Targets: sm_75 (Turing) to sm_90 (Hopper) and PTX for later ones; CUDA 11.8 to 13. Where a GPU lacks an
 * instruction the wrapper does the same work by others; what sm_75 cannot do at all is said at the name. */
#ifndef SLUICE_KERNEL_CUH
#define SLUICE_KERNEL_CUH

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#if defined(SL_SIMT)
#include <simt_kernel.h>
#else
#include "sluice/kernel_cuda.cuh"
#endif

/* ---- numbers ---- */

/* sl_half and sl_bfloat16 only store; sums are made in float. Rounding is to nearest, ties to even. */
SL_DEVICE float sl_to_float(float x) {
    return x;
}

template <typename T> SL_DEVICE T sl_from_float(float x);
template <> SL_DEVICE float sl_from_float<float>(float x) {
    return x;
}
template <> SL_DEVICE sl_half sl_from_float<sl_half>(float x) {
    return sl_float_to_half(x);
}
template <> SL_DEVICE sl_bfloat16 sl_from_float<sl_bfloat16>(float x) {
    return sl_float_to_bfloat16(x);
}

/* Two of T in one register, the first in the low half: what a fragment of sl_mma holds. */
template <typename T> SL_DEVICE uint32_t sl_pack2(float low, float high) {
    return (uint32_t)sl_bits(sl_from_float<T>(low)) | (uint32_t)sl_bits(sl_from_float<T>(high)) << 16;
}
template <typename T> SL_DEVICE void sl_unpack2(uint32_t pair, float *low, float *high) {
    *low = sl_to_float(sl_from_bits<T>((uint16_t)(pair & 0xffff)));
    *high = sl_to_float(sl_from_bits<T>((uint16_t)(pair >> 16)));
}

/* e^x by the GPU's fast 2^x; relative error some 2^-21 for |x| < 16, growing with |x|. */
SL_DEVICE float sl_exp(float x) {
    return sl_ex2(x * 1.4426950408889634f);
}

SL_DEVICE int32_t sl_min(int32_t x, int32_t y) {
    return x < y ? x : y;
}
SL_DEVICE int32_t sl_max(int32_t x, int32_t y) {
    return x > y ? x : y;
}

/* Which lane of its warp a thread is. The x dimension of a block is a multiple of 32 in all our kernels. */
SL_DEVICE uint32_t sl_lane() {
    return threadIdx.x & 31;
}
SL_DEVICE uint32_t sl_warp() {
    return threadIdx.x >> 5;
}

#endif
