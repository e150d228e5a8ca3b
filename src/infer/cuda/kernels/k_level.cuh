/* k_level.cuh: from numbers to levels, as all kernels over quantised tensors do it. */
#ifndef INFER_CUDA_K_LEVEL_CUH
#define INFER_CUDA_K_LEVEL_CUH

#include "infer/cuda/kernels/k_device.cuh"

/* The level of a number already divided by its scale: rounded to even, moved by the zero, to the ends of the
 * type where it does not fit; NaN to the low one. Types of 8 and 16 bits. */
SL_DEVICE void k_write_level(void *y, int type, int64_t i, float real, int64_t zero) {
    const bool is_signed = type == K_I8 || type == K_I16;
    const int bits = type == K_I8 || type == K_U8 ? 8 : 16;
    const int32_t low = is_signed ? -(1 << (bits - 1)) : 0,
                  high = is_signed ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
    double level = rint((double)real) + (double)zero;
    int32_t whole = !(level > (double)low) ? low : level > (double)high ? high : (int32_t)level;
    if (bits == 8)
        ((uint8_t *)y)[i] = (uint8_t)whole;
    else
        ((uint16_t *)y)[i] = (uint16_t)whole;
}

SL_DEVICE int64_t k_zero_at(const void *zero, int type, int64_t i) {
    return zero ? k_load<int64_t>(zero, type, i) : 0;
}

#endif
