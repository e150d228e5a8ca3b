/* k_rows.h: kernels over elements and rows: elementwise.cu, affine.cu, norm.cu, reduce.cu, lines.cu.
 * Launchers check nothing that the matchers checked, allocate nothing, and return 0 or the cudaError. */
#ifndef INFER_CUDA_K_ROWS_H
#define INFER_CUDA_K_ROWS_H

#include <stdbool.h>

#include "infer/cuda/kernels/k_types.h"
#include "infer/cuda/kernels/k_walk.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- elementwise.cu ---- */

/* x, y, z are the inputs; a, b the parameters. Comparisons and tests give 0 or 1. */
enum k_op {
    /* those that elementwise.cu also has for 16 bytes at once */
    K_COPY,
    K_ABS,
    K_NEG,
    K_RELU,
    K_LEAKY_RELU, /* a */
    K_CLIP,       /* to [a, b] */
    K_SIGMOID,
    K_HARD_SIGMOID, /* a x + b, to [0, 1] */
    K_HARD_SWISH,
    K_SWISH, /* x * sigmoid(a x) */
    K_TANH,
    K_GELU,
    K_GELU_TANH,
    K_ERF,
    K_EXP,
    K_SQRT,
    K_RECIPROCAL,
    K_SCALE, /* a x */
    K_SQUARE,
    K_MISH,
    K_ELU, /* a */
    K_ADD,
    K_SUB,
    K_MUL,
    K_DIV,
    K_MIN,
    K_MAX,
    K_PRELU, /* y: the slope */
    K_PACKED_OPS,
    /* the rest, one element a thread */
    K_SIGN = K_PACKED_OPS,
    K_FLOOR,
    K_CEIL,
    K_ROUND,
    K_LOG,
    K_SIN,
    K_COS,
    K_TAN,
    K_ASIN,
    K_ACOS,
    K_ATAN,
    K_SINH,
    K_COSH,
    K_ASINH,
    K_ACOSH,
    K_ATANH,
    K_IS_NAN,
    K_IS_INF, /* a: not 0 for -infinity, b: for +infinity */
    K_CELU,   /* a */
    K_SELU,   /* a, b */
    K_SOFTPLUS,
    K_SOFTSIGN,
    K_THRESHOLDED_RELU, /* a */
    K_SHRINK,           /* a, b */
    K_OVER,             /* x / a */
    K_NOT,
    K_BIT_NOT,
    K_POW,
    K_MOD,  /* the sign of y */
    K_FMOD, /* the sign of x */
    K_BIT_AND,
    K_BIT_OR,
    K_BIT_XOR,
    K_SHIFT_LEFT,
    K_SHIFT_RIGHT,
    K_EQUAL,
    K_LESS,
    K_GREATER,
    K_LESS_EQUAL,
    K_GREATER_EQUAL,
    K_AND,
    K_OR,
    K_XOR,
    K_WHERE,       /* x ? y : z */
    K_CLIP_BOUNDS, /* x to [y, z] */
    K_OPS
};

/* How an input goes with a dense output when 16 bytes are taken at once: element i of the output reads
 * element (i / inner) % period of it. */
enum k_reach {
    K_REACH_ALL,    /* dense, as the output */
    K_REACH_ROW,    /* inner 1: repeated, as a bias over the last dims */
    K_REACH_CHANNEL /* the same for `inner` outputs side by side, as a scale of channels, or one number */
};

struct k_element {
    const void *in[3];
    void *y;
    enum k_type in_type[3], y_type;
    enum k_op op;
    int32_t in_count;
    float a, b;
    int64_t low, high;  /* of K_CLIP over integers */
    struct k_walk walk; /* operand 0: y */
    /* The packed form, where `packed`: all types are y_type, one of f32, f16, bf16. */
    bool packed;
    enum k_reach reach[3];
    struct k_divide inner[3], period[3];
};
int k_element_launch(const struct k_element *args, k_stream stream);

/* ---- chain.cu ---- */

#define K_CHAIN_LINKS 8
#define K_CHAIN_INPUTS 6

/* acc = op(acc, input), or op(input, acc) where `swapped`; operators of one number have input -1. */
struct k_link {
    enum k_op op;
    int32_t input;
    bool swapped;
    float a, b;
};

/* acc begins as input 0 and becomes y after the last link. All of one type, f32, f16 or bf16; as the packed
 * form of k_element, with operators below K_PACKED_OPS. */
struct k_chain {
    const void *in[K_CHAIN_INPUTS];
    void *y;
    enum k_type type;
    uint32_t count;
    int32_t in_count, link_count;
    enum k_reach reach[K_CHAIN_INPUTS];
    struct k_divide inner[K_CHAIN_INPUTS], period[K_CHAIN_INPUTS];
    struct k_link links[K_CHAIN_LINKS];
};
int k_chain_launch(const struct k_chain *args, k_stream stream);

/* ---- affine.cu ---- */

/* y = (float)x * scale[c] + offset[c], rounded twice, c the last dim of x; channels of 1: one for all. With
 * `chw` x [rows, pixels, channels] becomes y [rows, channels, pixels]. */
struct k_affine {
    const void *x;
    void *y;
    const float *scale, *offset; /* [channels], or [1] */
    enum k_type x_type, y_type;
    bool chw, one;
    uint32_t count;
    struct k_divide channels, pixels;
};
int k_affine_launch(const struct k_affine *args, k_stream stream);

/* ---- norm.cu ---- */

/* y = (s - mean) * inverse * gamma[p] + beta[p] with s = x + skip + bias over rows of n, where element i of
 * row r goes with parameter p = (r % groups) * (n / inner) + i / inner: LayerNormalization has one group and
 * inner 1, a norm of channels has as many groups as an image has and inner the pixels of a channel. */
struct k_norm {
    const void *x, *skip, *bias, *gamma, *beta; /* skip, bias, beta may be NULL */
    void *y, *sum;                              /* sum: where s goes, or NULL */
    void *mean, *inverse;                       /* [rows], or NULL */
    enum k_type type, y_type, param_type,
        stat_type; /* of x, skip and sum; of y; of bias, gamma and beta; of mean and inverse */
    int64_t rows;
    int32_t n, groups;
    struct k_divide inner;
    int64_t skip_rows; /* rows of the skip, repeated */
    float epsilon;
    bool centre; /* false: by the root mean square, no mean is taken off */
    bool silu;   /* y * sigmoid(y) at the end */
};
int k_norm_launch(const struct k_norm *args, k_stream stream);

/* y = (x - mean[c]) / sqrt(variance[c] + epsilon) * scale[c] + offset[c], c = (i / inner) % channels. */
struct k_batch_norm {
    const void *x, *scale, *offset, *mean, *variance;
    void *y;
    enum k_type type, scale_type, mean_type; /* of x and y; of scale and offset; of mean and variance */
    uint32_t count;
    struct k_divide inner, channels;
    float epsilon;
};
int k_batch_norm_launch(const struct k_batch_norm *args, k_stream stream);

/* ---- reduce.cu ---- */

enum k_reduction {
    K_REDUCE_SUM,
    K_REDUCE_MEAN,
    K_REDUCE_MAX,
    K_REDUCE_MIN,
    K_REDUCE_PROD,
    K_REDUCE_L1,
    K_REDUCE_L2,
    K_REDUCE_LOG_SUM,
    K_REDUCE_LOG_SUM_EXP,
    K_REDUCE_SUM_SQUARE
};

struct k_reduce {
    const void *x;
    void *y;
    enum k_type x_type, y_type;
    enum k_reduction how;
    struct k_walk stay; /* operand 0: y, dense; operand 1: x */
    struct k_walk gone; /* operand 0: x */
};
int k_reduce_launch(const struct k_reduce *args, k_stream stream);

/* ---- lines.cu: along one axis: line l begins at l / step * n * step + l % step ---- */

struct k_line {
    const void *x;
    void *y;
    enum k_type x_type, y_type;
    uint32_t lines;
    int32_t n;
    struct k_divide step;
};

enum k_soft { K_SOFT_MAX, K_SOFT_LOG, K_SOFT_HARD };
struct k_softmax_line {
    struct k_line line;
    enum k_soft form;
};
int k_softmax_line_launch(const struct k_softmax_line *args, k_stream stream);

struct k_arg { /* y: int64 */
    struct k_line line;
    bool most, last;
};
int k_arg_launch(const struct k_arg *args, k_stream stream);

struct k_top { /* y: values (or NULL), places: int64 (or NULL); k of each line */
    struct k_line line;
    int64_t *places;
    int32_t k;
    bool largest;
};
int k_top_launch(const struct k_top *args, k_stream stream);

struct k_cumulate {
    struct k_line line;
    bool product, exclusive, reverse;
};
int k_cumulate_launch(const struct k_cumulate *args, k_stream stream);

struct k_lp_norm { /* y = x / norm of its line: p 1 or 2, or 0: the largest, and a line of none stays */
    struct k_line line;
    int32_t p;
};
int k_lp_norm_launch(const struct k_lp_norm *args, k_stream stream);

#ifdef __cplusplus
}
#endif
#endif
