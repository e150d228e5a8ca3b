/* quantize.c: QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear: one scale for a tensor, for each
 * index of an axis, or for each block of one. The quotient and the product are taken in float, whatever dtype
 * the scale has, as ONNX Runtime does. */
#include <math.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/quant.h"

#define LEVELS                                                                                               \
    (QUANT_BYTES | OPS_BIT(SL_INT16) | OPS_BIT(SL_UINT16) | OPS_SMALL_INTS | OPS_FLOAT8 |                    \
     OPS_BIT(SL_FLOAT4E2M1))

static sl_status read_grain(const struct op_call *call, struct grain *g, sl_error *err) {
    int64_t axis = op_attr_int(call, "axis", 1), block = op_attr_int(call, "block_size", 0);
    if (axis < -SL_MAX_RANK || axis > SL_MAX_RANK || block < 0)
        return error_set(err, SL_E_MODEL, "axis %lld in blocks of %lld is none", (long long)axis,
                         (long long)block);
    return grain_read(call->in[0], call->in[1], (int)axis, block, "the scale", g, err);
}

static sl_status check_params(const struct op_call *call, sl_dtype levels, sl_error *err) {
    struct grain g;
    sl_status st = quant_params(call, 1, 2, levels, false, err);
    if (st == SL_OK)
        st = read_grain(call, &g, err);
    if (st == SL_OK && op_has_in(call, 2) && rule_count(call->in[2]) != rule_count(call->in[1]))
        st = error_set(err, SL_E_MODEL, "there are %lld zero points for %lld scales",
                       (long long)rule_count(call->in[2]), (long long)rule_count(call->in[1]));
    return st;
}

static sl_status infer_quantize(const struct op_call *call, sl_error *err) {
    int64_t wish = op_attr_int(call, "output_dtype", 0);
    sl_dtype dtype = op_has_in(call, 2) ? call->in[2]->dtype : wish ? (sl_dtype)wish : SL_UINT8;
    sl_status st = rule_dtype(call, 0, OPS_REALS | OPS_BIT(SL_INT32), err);
    if (st == SL_OK && (wish < 0 || wish >= SL_DTYPE_END || !(LEVELS & OPS_BIT(dtype))))
        st = error_set(err, SL_E_MODEL, "cannot quantise to %s",
                       dtype > 0 && dtype < SL_DTYPE_END ? sl_dtype_name(dtype) : "an unknown dtype");
    if (st == SL_OK)
        st = check_params(call, dtype, err);
    if (st == SL_OK)
        rule_set(call->out[0], dtype, call->in[0]->rank, call->in[0]->dims);
    return st;
}

/* One line of the last dim. */
static void quantize_line(const struct op_call *call, const struct grain *g, int64_t at, int64_t width) {
    const sl_tensor *x = call->in[0], *zero = op_has_in(call, 2) ? call->in[2] : NULL;
    sl_tensor *y = call->out[0];
    int64_t base = grain_line(g, at / width);
    bool saturate = op_attr_int(call, "saturate", 1) != 0, small = small_float_is(y->dtype);
    for (int64_t i = 0; i < width; i++) {
        int64_t param = base + grain_in(g, i);
        float real = (float)element_number(x->dtype, x->data, at + i) / quant_scale(call->in[1], param);
        if (small)
            element_set_bits(y->dtype, y->data, at + i,
                             small_float_bits(y->dtype, (double)real, saturate, SMALL_NEAREST));
        else
            quant_write(y->dtype, y->data, at + i, real, quant_zero(zero, param));
    }
}

static void run_quantize(const struct op_call *call) {
    struct grain g;
    if (read_grain(call, &g, NULL) != SL_OK)
        return;
    int64_t width = grain_width(&g);
    for (int64_t at = 0, n = rule_count(call->in[0]); at < n; at += width)
        quantize_line(call, &g, at, width);
}

static sl_status infer_dequantize(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, LEVELS | OPS_BIT(SL_INT32), err);
    if (st == SL_OK)
        st = check_params(call, call->in[0]->dtype, err);
    if (st != SL_OK)
        return st;
    int64_t wish = op_attr_int(call, "output_dtype", 0);
    sl_dtype dtype = wish ? (sl_dtype)wish : call->in[1]->dtype;
    if (wish < 0 || wish >= SL_DTYPE_END || !(OPS_REALS & OPS_BIT(dtype)))
        return error_set(err, SL_E_MODEL, "attribute 'output_dtype' is no real dtype");
    rule_set(call->out[0], dtype, call->in[0]->rank, call->in[0]->dims);
    return SL_OK;
}

/* Elements from `at` that share a scale and a zero. */
static void dequantize_alike(const struct op_call *call, int64_t at, int64_t count, float scale,
                             int64_t zero) {
    const sl_tensor *x = call->in[0];
    sl_tensor *y = call->out[0];
    float *to = y->dtype == SL_FLOAT ? y->data : NULL;
    if (to && x->dtype == SL_INT8) {
        const int8_t *from = x->data;
        for (int64_t i = at; i < at + count; i++)
            to[i] = (float)(from[i] - zero) * scale;
    } else if (to && x->dtype == SL_UINT8) {
        const uint8_t *from = x->data;
        for (int64_t i = at; i < at + count; i++)
            to[i] = (float)(from[i] - zero) * scale;
    } else {
        bool real = element_kind(x->dtype) == ELEMENT_REAL;
        for (int64_t i = at; i < at + count; i++) {
            float level = real ? (float)element_real(x->dtype, x->data, i)
                               : (float)(element_index(x->dtype, x->data, i) - zero);
            element_set_real(y->dtype, y->data, i, (double)(level * scale));
        }
    }
}

static void run_dequantize(const struct op_call *call) {
    const sl_tensor *zero = op_has_in(call, 2) ? call->in[2] : NULL;
    struct grain g;
    if (read_grain(call, &g, NULL) != SL_OK)
        return;
    int64_t width = grain_alike(&g);
    for (int64_t at = 0, n = rule_count(call->in[0]); at < n; at += width) {
        int64_t param = grain_at(&g, at);
        dequantize_alike(call, at, width, quant_scale(call->in[1], param), quant_zero(zero, param));
    }
}

#define QUANTIZE(id, op_domain, op_name, op_since, op_attrs, op_infer, op_run)                               \
    const struct op op_##id = {.domain = op_domain,                                                          \
                               .name = op_name,                                                              \
                               .since = op_since,                                                            \
                               .min_in = 2,                                                                  \
                               .max_in = 3,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = op_attrs,                                                            \
                               .infer = op_infer,                                                            \
                               .run = op_run};

#define QUANTIZE_ATTRS "axis block_size output_dtype precision saturate"
QUANTIZE(quantize, "", "QuantizeLinear", 10, QUANTIZE_ATTRS, infer_quantize, run_quantize)
QUANTIZE(ms_quantize, "com.microsoft", "QuantizeLinear", 1, QUANTIZE_ATTRS, infer_quantize, run_quantize)
#define DEQUANTIZE_ATTRS "axis block_size output_dtype"
QUANTIZE(dequantize, "", "DequantizeLinear", 10, DEQUANTIZE_ATTRS, infer_dequantize, run_dequantize)
QUANTIZE(ms_dequantize, "com.microsoft", "DequantizeLinear", 1, DEQUANTIZE_ATTRS, infer_dequantize,
         run_dequantize)

static sl_status infer_dynamic(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_BIT(SL_FLOAT), err);
    if (st != SL_OK)
        return st;
    rule_set(call->out[0], SL_UINT8, call->in[0]->rank, call->in[0]->dims);
    if (op_has_out(call, 1))
        rule_set(call->out[1], SL_FLOAT, 0, NULL);
    if (op_has_out(call, 2))
        rule_set(call->out[2], SL_UINT8, 0, NULL);
    return SL_OK;
}

void quant_choose(const float *x, int64_t count, float *scale, int64_t *zero) {
    float low = 0, high = 0; /* 0 must be a level */
    for (int64_t i = 0; i < count; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    *scale = low == high ? 1 : (high - low) / 255;
    *zero = quant_level(SL_UINT8, -low / *scale, 0);
}

static void run_dynamic(const struct op_call *call) {
    int64_t n = rule_count(call->in[0]), zero;
    const float *x = call->in[0]->data;
    float scale;
    quant_choose(x, n, &scale, &zero);
    for (int64_t i = 0; i < n; i++)
        quant_write(SL_UINT8, call->out[0]->data, i, x[i] / scale, zero);
    if (op_has_out(call, 1))
        *(float *)call->out[1]->data = scale;
    if (op_has_out(call, 2))
        *(uint8_t *)call->out[2]->data = (uint8_t)zero;
}

const struct op op_dynamic_quantize = {.domain = "",
                                       .name = "DynamicQuantizeLinear",
                                       .since = 11,
                                       .min_in = 1,
                                       .max_in = 1,
                                       .min_out = 1,
                                       .max_out = 3,
                                       .infer = infer_dynamic,
                                       .run = run_dynamic};
