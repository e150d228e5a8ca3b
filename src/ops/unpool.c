/* unpool.c: MaxUnpool, which writes what MaxPool kept back to where it was, and Col2Im, which adds up the
 * columns that a sliding window was laid out in. */
#include <string.h>

#include "ops/index.h"
#include "ops/ops.h"
#include "ops/window.h"

/* MaxUnpool: the inferred size is the pool's smallest input; output_shape may ask for a larger one, and then
 * the indices still count in the inferred one. */
struct unpool {
    int64_t inferred[SL_MAX_RANK];
    int64_t out[SL_MAX_RANK];
};

static sl_status read_unpool(const struct op_call *call, struct unpool *u, sl_error *err) {
    const sl_tensor *x = call->in[0];
    int64_t kernel[WINDOW_DIMS], strides[WINDOW_DIMS], pads[2 * WINDOW_DIMS];
    int n = x->rank - 2, kernels, given_strides, given_pads, given;
    if (n < 1 || n > WINDOW_DIMS)
        return error_set(err, SL_E_MODEL, "input 0 has %d dims, expected 3 to 5", x->rank);
    sl_status st = rule_ints(call, SIZE_MAX, "kernel_shape", kernel, WINDOW_DIMS, &kernels, err);
    if (st == SL_OK)
        st = rule_ints(call, SIZE_MAX, "strides", strides, WINDOW_DIMS, &given_strides, err);
    if (st == SL_OK)
        st = rule_ints(call, SIZE_MAX, "pads", pads, 2 * WINDOW_DIMS, &given_pads, err);
    if (st == SL_OK)
        st = rule_ints(call, 2, NULL, u->out, SL_MAX_RANK, &given, err);
    if (st == SL_OK && (kernels != n || (given_strides > 0 && given_strides != n) ||
                        (given_pads > 0 && given_pads != 2 * n) || (given >= 0 && given != x->rank)))
        st = error_set(err, SL_E_MODEL, "kernel_shape, strides, pads and output_shape do not fit %d dims", n);
    if (st != SL_OK)
        return st;
    for (int d = 0; d < x->rank; d++) {
        u->inferred[d] = x->dims[d];
        if (d >= 2)
            u->inferred[d] = (x->dims[d] - 1) * (given_strides > 0 ? strides[d - 2] : 1) + kernel[d - 2] -
                             (given_pads > 0 ? pads[d - 2] + pads[d - 2 + n] : 0);
        u->out[d] = given >= 0 ? u->out[d] : u->inferred[d];
        if (u->out[d] < 0 || u->inferred[d] < 0 || u->inferred[d] > INT32_MAX || u->out[d] > INT32_MAX)
            return error_set(err, SL_E_MODEL, "dim %d of the output would be %lld", d, (long long)u->out[d]);
    }
    return SL_OK;
}

static sl_status infer_unpool(const struct op_call *call, sl_error *err) {
    struct unpool u;
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    if (st == SL_OK)
        st = rule_dtype(call, 1, OPS_BIT(SL_INT64), err);
    if (st == SL_OK)
        st = rule_rank(call, 1, call->in[0]->rank, err);
    for (int d = 0; st == SL_OK && d < call->in[0]->rank; d++)
        if (call->in[0]->dims[d] != call->in[1]->dims[d])
            st = error_set(err, SL_E_MODEL, "dim %d of the values and of the indices differ", d);
    if (st == SL_OK)
        st = read_unpool(call, &u, err);
    if (st == SL_OK)
        rule_set(call->out[0], call->in[0]->dtype, call->in[0]->rank, u.out);
    return st;
}

/* Where the indices' place lies in the output, or -1 when it has none. */
static int64_t place(const struct unpool *u, int rank, int64_t at) {
    int64_t to = 0, step = 1;
    for (int d = rank - 1; d >= 0; d--) {
        int64_t i = at % u->inferred[d];
        if (i >= u->out[d])
            return -1;
        to += i * step;
        at /= u->inferred[d];
        step *= u->out[d];
    }
    return to;
}

static void run_unpool(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    sl_tensor *y = call->out[0];
    struct unpool u;
    size_t nbytes = sl_dtype_nbits(x->dtype) / 8;
    if (read_unpool(call, &u, NULL) != SL_OK || !rule_count(y))
        return;
    memset(y->data, 0, rule_nbytes(y));
    int64_t size = 1;
    for (int d = 0; d < x->rank; d++)
        size *= u.inferred[d];
    for (int64_t i = 0, n = size ? rule_count(x) : 0; i < n; i++) {
        int64_t to = place(&u, x->rank, index_at(call->in[1], i, size));
        if (to >= 0)
            memcpy((char *)y->data + (size_t)to * nbytes, (const char *)x->data + (size_t)i * nbytes, nbytes);
    }
}

const struct op op_max_unpool = {.domain = "",
                                 .name = "MaxUnpool",
                                 .since = 9,
                                 .min_in = 2,
                                 .max_in = 3,
                                 .min_out = 1,
                                 .max_out = 1,
                                 .attrs = "kernel_shape pads strides",
                                 .infer = infer_unpool,
                                 .run = run_unpool};

/* Col2Im: [batch, channels * block, positions] to [batch, channels, image...]. Any number of spatial dims. */
struct columns {
    int dims;
    int64_t image[SL_MAX_RANK], block[SL_MAX_RANK], stride[SL_MAX_RANK], dilation[SL_MAX_RANK],
        pad[2 * SL_MAX_RANK], steps[SL_MAX_RANK]; /* steps: positions of the window */
    int64_t block_size, positions;
};

static sl_status read_list(const struct op_call *call, const char *name, int count, int64_t least,
                           int64_t fallback, int64_t *values, sl_error *err) {
    int given;
    sl_status st = rule_ints(call, SIZE_MAX, name, values, count, &given, err);
    if (st == SL_OK && given > 0 && given != count)
        st = error_set(err, SL_E_MODEL, "attribute '%s' has %d numbers, expected %d", name, given, count);
    for (int i = 0; st == SL_OK && i < count; i++) {
        values[i] = given > 0 ? values[i] : fallback;
        if (values[i] < least || values[i] > INT32_MAX)
            st = error_set(err, SL_E_MODEL, "attribute '%s' has the number %lld", name, (long long)values[i]);
    }
    return st;
}

static sl_status read_columns(const struct op_call *call, struct columns *c, sl_error *err) {
    int blocks;
    sl_status st = rule_ints(call, 1, NULL, c->image, SL_MAX_RANK - 2, &c->dims, err);
    if (st == SL_OK)
        st = rule_ints(call, 2, NULL, c->block, SL_MAX_RANK - 2, &blocks, err);
    if (st == SL_OK && (c->dims < 1 || blocks != c->dims))
        st = error_set(err, SL_E_MODEL, "the image has %d dims, the block %d", c->dims, blocks);
    if (st == SL_OK)
        st = read_list(call, "strides", c->dims, 1, 1, c->stride, err);
    if (st == SL_OK)
        st = read_list(call, "dilations", c->dims, 1, 1, c->dilation, err);
    if (st == SL_OK)
        st = read_list(call, "pads", 2 * c->dims, 0, 0, c->pad, err);
    c->block_size = c->positions = 1;
    for (int d = 0; st == SL_OK && d < c->dims; d++) {
        int64_t room = -1;
        if (c->image[d] >= 1 && c->image[d] <= INT32_MAX && c->block[d] >= 1 && c->block[d] <= INT32_MAX)
            room = c->image[d] + c->pad[d] + c->pad[d + c->dims] - (c->block[d] - 1) * c->dilation[d] - 1;
        c->steps[d] = room < 0 ? 0 : room / c->stride[d] + 1;
        if (room < 0 || __builtin_mul_overflow(c->block_size, c->block[d], &c->block_size) ||
            __builtin_mul_overflow(c->positions, c->steps[d], &c->positions))
            st = error_set(err, SL_E_MODEL, "a block of %lld does not fit an image of %lld",
                           (long long)c->block[d], (long long)c->image[d]);
    }
    return st;
}

static sl_status infer_columns(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0];
    struct columns c;
    char text[RULE_TEXT];
    sl_status st = rule_dtype(call, 0, OPS_NUMBERS, err);
    if (st == SL_OK)
        st = rule_rank(call, 0, 3, err);
    if (st == SL_OK)
        st = read_columns(call, &c, err);
    if (st == SL_OK && (x->dims[1] % c.block_size || x->dims[2] != c.positions))
        st = error_set(err, SL_E_MODEL, "input 0 is %s, expected blocks of %lld at %lld positions",
                       rule_text(text, x), (long long)c.block_size, (long long)c.positions);
    if (st != SL_OK)
        return st;
    int64_t dims[SL_MAX_RANK] = {x->dims[0], x->dims[1] / c.block_size};
    for (int d = 0; d < c.dims; d++)
        dims[d + 2] = c.image[d];
    rule_set(call->out[0], x->dtype, c.dims + 2, dims);
    return SL_OK;
}

/* The column element that lies on image element `at` through block element `k`, or -1. */
static int64_t column_at(const struct columns *c, int64_t at, int64_t k) {
    int64_t from = 0, step = 1;
    for (int d = c->dims - 1; d >= 0; d--) {
        int64_t i = at % c->image[d] + c->pad[d] - k % c->block[d] * c->dilation[d];
        if (i < 0 || i % c->stride[d] || i / c->stride[d] >= c->steps[d])
            return -1;
        from += i / c->stride[d] * step;
        step *= c->steps[d];
        at /= c->image[d];
        k /= c->block[d];
    }
    return from;
}

static void run_columns(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    sl_tensor *y = call->out[0];
    struct columns c;
    if (read_columns(call, &c, NULL) != SL_OK)
        return;
    int64_t size = rule_product(y, 2, y->rank);
    bool real = element_kind(x->dtype) == ELEMENT_REAL;
    for (int64_t i = 0, n = rule_count(y); i < n; i++) {
        double sum = 0;
        uint64_t whole = 0;
        for (int64_t k = 0; k < c.block_size; k++) {
            int64_t from = column_at(&c, i % size, k);
            if (from < 0)
                continue;
            from += (i / size * c.block_size + k) * c.positions;
            if (real)
                sum += element_real(x->dtype, x->data, from);
            else
                whole += (uint64_t)element_index(x->dtype, x->data, from);
        }
        if (real)
            element_set_real(y->dtype, y->data, i, sum);
        else
            element_set_unsigned(y->dtype, y->data, i, whole);
    }
}

const struct op op_col2im = {.domain = "",
                             .name = "Col2Im",
                             .since = 18,
                             .min_in = 3,
                             .max_in = 3,
                             .min_out = 1,
                             .max_out = 1,
                             .attrs = "dilations pads strides",
                             .infer = infer_columns,
                             .run = run_columns};
