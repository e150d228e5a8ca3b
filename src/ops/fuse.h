/* fuse.h: what sluice.Conv and sluice.Linear do to a sum before it is written: y = act(sum + residual). The
 * activation is the attribute of that name, by the name of its ONNX operator; Silu is x * sigmoid(x),
 * GeluTanh is Gelu in its tanh form. */
#ifndef OPS_FUSE_H
#define OPS_FUSE_H

#include <math.h>

#include "ops/element.h"
#include "ops/op.h"

enum fuse_activation {
    FUSE_NONE,
    FUSE_RELU,
    FUSE_LEAKY_RELU, /* alpha */
    FUSE_ELU,        /* alpha */
    FUSE_CLIP,       /* to [alpha, beta] */
    FUSE_SIGMOID,
    FUSE_HARD_SIGMOID, /* alpha x + beta, to [0, 1] */
    FUSE_HARD_SWISH,
    FUSE_SILU,
    FUSE_TANH,
    FUSE_GELU,
    FUSE_GELU_TANH,
    FUSE_MISH,
    FUSE_ACTIVATIONS
};

struct fuse {
    enum fuse_activation activation;
    float alpha, beta;
};

/* "" for FUSE_NONE. */
const char *fuse_name(enum fuse_activation activation);
/* The attributes `activation`, `alpha`, `beta`, with the operator's own defaults where they are absent.
 * SL_E_MODEL for an activation that is none of these. */
sl_status fuse_read(const struct op_call *call, struct fuse *fuse, sl_error *err);
/* The activation alone. NaN goes through. */
double fuse_apply(const struct fuse *fuse, double x);

/* Writes element i: the sum, plus the residual's where there is one, through the activation, rounded once.
 * The residual may lie where the result goes. */
OPS_INLINE void fuse_write(sl_dtype dtype, const struct fuse *fuse, const sl_tensor *residual, void *y,
                           int64_t i, double sum) {
    if (residual)
        sum += element_real(dtype, residual->data, i);
    element_set_real(dtype, y, i, fuse->activation == FUSE_NONE ? sum : fuse_apply(fuse, sum));
}

/* Conv's rule and reference, for both Convs: convolve.c. `residual` may be NULL. */
sl_status convolve_infer(const struct op_call *call, sl_error *err);
sl_status convolve_prepare(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                           sl_error *err);
void convolve_run(const struct op_call *call, const struct fuse *fuse, const sl_tensor *residual);

#endif
