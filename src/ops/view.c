/* view.c: operators that keep the bytes and at most change the shape: Identity, Reshape, Flatten, Squeeze,
 * Unsqueeze, Dropout (inference), ZipMap. A plan drops them where it can; where one runs, it copies. */
#include <string.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

static void run_copy(const struct op_call *call) {
    if (call->out[0]->data != call->in[0]->data)
        memcpy(call->out[0]->data, call->in[0]->data, rule_nbytes(call->out[0]));
}

#define VIEW(id, op_domain, op_name, in_most, out_most, op_attrs, op_infer, op_run, op_sized)                \
    const struct op op_##id = {.domain = op_domain,                                                          \
                               .name = op_name,                                                              \
                               .since = 1,                                                                   \
                               .min_in = 1,                                                                  \
                               .max_in = in_most,                                                            \
                               .min_out = 1,                                                                 \
                               .max_out = out_most,                                                          \
                               .attrs = op_attrs,                                                            \
                               .infer = op_infer,                                                            \
                               .run = op_run,                                                                \
                               .sized = op_sized,                                                            \
                               .grows = op_sized,                                                            \
                               .elementwise = true,                                                          \
                               .view = true};

static sl_status infer_same(const struct op_call *call, sl_error *err) {
    if (!op_has_in(call, 0))
        return error_set(err, SL_E_MODEL, "input 0 is missing");
    rule_like(call, 0);
    return SL_OK;
}

VIEW(identity, "", "Identity", 1, 1, NULL, infer_same, run_copy, 0)

static sl_status infer_reshape(const struct op_call *call, sl_error *err) {
    int64_t dims[SL_MAX_RANK], count, known = 1;
    int rank, open = -1;
    char text[RULE_TEXT];
    const sl_tensor *x = call->in[0];
    sl_status st = rule_ints(call, 1, "shape", dims, SL_MAX_RANK, &rank, err);
    if (st == SL_OK && rank < 0)
        st = error_set(err, SL_E_MODEL, "the new shape is missing");
    if (st != SL_OK)
        return st;
    for (int i = 0; i < rank; i++) {
        if (dims[i] == 0 && !op_attr_int(call, "allowzero", 0)) {
            if (i >= x->rank)
                return error_set(err, SL_E_MODEL, "dim %d of the new shape is 0, but input 0 is %s", i,
                                 rule_text(text, x));
            dims[i] = x->dims[i];
        }
        if (dims[i] == -1 && open < 0)
            open = i;
        else if (dims[i] < 0 || __builtin_mul_overflow(known, dims[i], &known))
            return error_set(err, SL_E_MODEL, "dim %d of the new shape is %lld", i, (long long)dims[i]);
    }
    count = rule_count(x);
    if (open >= 0 && known == 0 && count == 0) { /* nothing: as it would be if there were one of each */
        known = count = 1;
        for (int i = 0; i < rank; i++)
            known *= dims[i] > 0 ? dims[i] : 1;
        for (int i = 0; i < x->rank; i++)
            count *= x->dims[i] > 0 ? x->dims[i] : 1;
    }
    if (open >= 0 && (known == 0 || (count % known && !call->loose)))
        return error_set(err, SL_E_MODEL, "%s does not reshape into rows of %lld", rule_text(text, x),
                         (long long)known);
    if (open >= 0)
        dims[open] = count / known;
    else if (known != count && !call->loose)
        return error_set(err, SL_E_MODEL, "%s does not reshape into %lld elements", rule_text(text, x),
                         (long long)known);
    rule_set(call->out[0], x->dtype, rank, dims);
    return SL_OK;
}

VIEW(reshape, "", "Reshape", 2, 1, "allowzero shape consumed_inputs", infer_reshape, run_copy, 2)

static sl_status infer_flatten(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0];
    int64_t axis = op_attr_int(call, "axis", 1);
    axis = axis < 0 ? axis + x->rank : axis;
    if (axis < 0 || axis > x->rank)
        return error_set(err, SL_E_MODEL, "axis %lld does not exist in %d dims",
                         (long long)op_attr_int(call, "axis", 1), x->rank);
    rule_set(call->out[0], x->dtype, 2,
             (int64_t[]){rule_product(x, 0, (int)axis), rule_product(x, (int)axis, x->rank)});
    return SL_OK;
}

VIEW(flatten, "", "Flatten", 1, 1, "axis", infer_flatten, run_copy, 0)

static sl_status infer_squeeze(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0];
    int axes[SL_MAX_RANK], count;
    bool gone[SL_MAX_RANK] = {false};
    sl_status st = rule_axes(call, 1, "axes", x->rank, axes, &count, err);
    for (int i = 0; st == SL_OK && i < count; i++) {
        gone[axes[i]] = true;
        if (x->dims[axes[i]] != 1 && !call->loose)
            st = error_set(err, SL_E_MODEL, "dim %d is %lld, expected 1", axes[i],
                           (long long)x->dims[axes[i]]);
    }
    if (st != SL_OK)
        return st;
    sl_tensor shape = {.dtype = x->dtype};
    for (int i = 0; i < x->rank; i++)
        if (count < 0 ? x->dims[i] != 1 : !gone[i])
            shape.dims[shape.rank++] = x->dims[i];
    rule_set(call->out[0], shape.dtype, shape.rank, shape.dims);
    return SL_OK;
}

VIEW(squeeze, "", "Squeeze", 2, 1, "axes", infer_squeeze, run_copy, 0)

static sl_status infer_unsqueeze(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0];
    int64_t values[SL_MAX_RANK];
    int axes[SL_MAX_RANK], count;
    sl_status st = rule_ints(call, 1, "axes", values, SL_MAX_RANK - x->rank, &count, err);
    if (st == SL_OK && count < 0)
        st = error_set(err, SL_E_MODEL, "the axes are missing");
    if (st == SL_OK)
        st = rule_axes(call, 1, "axes", x->rank + count, axes, &count, err);
    if (st != SL_OK)
        return st;
    bool added[SL_MAX_RANK] = {false};
    int64_t dims[SL_MAX_RANK];
    for (int i = 0; i < count; i++)
        added[axes[i]] = true;
    for (int i = 0, from = 0; i < x->rank + count; i++)
        dims[i] = added[i] ? 1 : x->dims[from++];
    rule_set(call->out[0], x->dtype, x->rank + count, dims);
    return SL_OK;
}

VIEW(unsqueeze, "", "Unsqueeze", 2, 1, "axes", infer_unsqueeze, run_copy, 0)

/* True when nothing can be dropped: outside training, or at a ratio of zero. */
static bool drops_nothing(const struct op_call *call) {
    const sl_tensor *ratio = op_has_in(call, 1) ? call->in[1] : NULL;
    if (!op_has_in(call, 2) || (call->in[2]->data && !*(const uint8_t *)call->in[2]->data))
        return true;
    return ratio && ratio->data && rule_count(ratio) == 1 &&
           element_number(ratio->dtype, ratio->data, 0) == 0;
}

/* Dropout passes everything on outside training; the mask, where asked for, is all true. */
static sl_status infer_dropout(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    if (st != SL_OK)
        return st;
    if (!drops_nothing(call))
        return error_set(err, SL_E_MODEL, "training mode is not for inference");
    rule_like(call, 0);
    if (op_has_out(call, 1))
        rule_set(call->out[1], call->opset < 10 ? call->in[0]->dtype : SL_BOOL, call->in[0]->rank,
                 call->in[0]->dims);
    return SL_OK;
}

static void run_dropout(const struct op_call *call) {
    run_copy(call);
    if (op_has_out(call, 1))
        memset(call->out[1]->data, call->opset < 10 ? 0 : 1, rule_nbytes(call->out[1]));
}

VIEW(dropout, "", "Dropout", 3, 2, "ratio seed is_test consumed_inputs", infer_dropout, run_dropout, 0)

/* ZipMap names the columns of a score matrix; sluice writes columns, so the scores go through as they are. */
VIEW(zip_map, "ai.onnx.ml", "ZipMap", 1, 1, "classlabels_int64s classlabels_strings", infer_same, run_copy, 0)
