/* quant.c: what all quantised operators are made of. */
#include "ops/quant.h"

#include <math.h>
#include <string.h>

#include "ops/element.h"

static sl_status read_alike(const sl_tensor *x, const sl_tensor *param, int axis, int64_t block,
                            const char *name, struct grain *g, sl_error *err) {
    int64_t step = 1;
    char one[RULE_TEXT], other[RULE_TEXT];
    for (int d = x->rank - 1; d >= 0; d--) {
        int64_t have = param->dims[d], want = x->dims[d];
        if (d == axis && block && have == (want + block - 1) / block)
            g->block[d] = block;
        else if (have != want && have != 1)
            return error_set(err, SL_E_MODEL, "%s is %s, which does not fit %s", name, rule_text(one, param),
                             rule_text(other, x));
        g->step[d] = have == 1 ? 0 : step;
        step *= have;
    }
    return SL_OK;
}

sl_status grain_read(const sl_tensor *x, const sl_tensor *param, int axis, int64_t block, const char *name,
                     struct grain *g, sl_error *err) {
    char one[RULE_TEXT], other[RULE_TEXT];
    *g = (struct grain){.rank = x->rank};
    for (int d = 0; d < x->rank; d++) {
        g->dims[d] = x->dims[d];
        g->block[d] = 1;
    }
    if (!param || rule_count(param) == 1)
        return SL_OK;
    axis = axis < 0 ? axis + x->rank : axis;
    if (param->rank == x->rank && (x->rank != 1 || block))
        return read_alike(x, param, axis, block, name, g, err);
    if (param->rank != 1 || axis < 0 || axis >= x->rank || param->dims[0] != x->dims[axis])
        return error_set(err, SL_E_MODEL, "%s is %s, which does not fit %s", name, rule_text(one, param),
                         rule_text(other, x));
    g->step[axis] = 1;
    return SL_OK;
}

int64_t grain_line(const struct grain *g, int64_t line) {
    int64_t at = 0;
    for (int d = g->rank - 2; d >= 0; d--) {
        at += line % g->dims[d] / g->block[d] * g->step[d];
        line /= g->dims[d];
    }
    return at;
}

int64_t grain_width(const struct grain *g) {
    return g->rank ? g->dims[g->rank - 1] : 1;
}

int64_t grain_alike(const struct grain *g) {
    int64_t count = 1;
    for (int d = g->rank - 1; d >= 0 && !g->step[d]; d--)
        count *= g->dims[d];
    return count;
}

int64_t grain_at(const struct grain *g, int64_t at) {
    int64_t width = grain_width(g);
    return grain_line(g, at / width) + grain_in(g, at % width);
}

float quant_scale(const sl_tensor *t, int64_t i) {
    return (float)element_real(t->dtype, t->data, i);
}

int64_t quant_zero(const sl_tensor *t, int64_t i) {
    return t ? element_index(t->dtype, t->data, i) : 0;
}

static void limits(sl_dtype dtype, int64_t *low, int64_t *high) {
    unsigned nbits = sl_dtype_nbits(dtype);
    bool is_signed = element_kind(dtype) == ELEMENT_SIGNED;
    *low = is_signed ? -((int64_t)1 << (nbits - 1)) : 0;
    *high = is_signed ? ((int64_t)1 << (nbits - 1)) - 1 : ((int64_t)1 << nbits) - 1;
}

int64_t quant_level(sl_dtype dtype, float x, int64_t zero) {
    int64_t low, high;
    limits(dtype, &low, &high);
    double level = rint((double)x) + (double)zero;
    if (!(level > (double)low))
        return low;
    return level > (double)high ? high : (int64_t)level;
}

void quant_write(sl_dtype dtype, void *y, int64_t i, float x, int64_t zero) {
    element_set_signed(dtype, y, i, quant_level(dtype, x, zero));
}

size_t quant_shadow_nbytes(const sl_tensor *x, sl_dtype dtype) {
    sl_tensor shadow = *x;
    shadow.dtype = dtype;
    return (rule_nbytes(&shadow) + 63) / 64 * 64;
}

sl_tensor quant_shadow(const sl_tensor *x, sl_dtype dtype, char **room) {
    sl_tensor shadow = *x;
    shadow.dtype = dtype;
    shadow.data = *room;
    if (*room)
        *room += quant_shadow_nbytes(x, dtype);
    return shadow;
}

OPS_INLINE void take_levels(sl_dtype dtype, const sl_tensor *x, const sl_tensor *zero, const struct grain *g,
                            double *y) {
    int64_t width = grain_width(g), count = rule_count(x);
    for (int64_t at = 0; at < count; at += width) {
        int64_t base = grain_line(g, at / width);
        for (int64_t i = 0; i < width; i++)
            y[at + i] = element_number(dtype, x->data, at + i) -
                        (double)(zero ? quant_zero(zero, base + grain_in(g, i)) : 0);
    }
}

void quant_levels(const sl_tensor *x, const sl_tensor *zero, const struct grain *g, const sl_tensor *shadow) {
    if (x->dtype == SL_INT8)
        take_levels(SL_INT8, x, zero, g, shadow->data);
    else if (x->dtype == SL_UINT8)
        take_levels(SL_UINT8, x, zero, g, shadow->data);
    else
        take_levels(x->dtype, x, zero, g, shadow->data);
}

void quant_reals(const sl_tensor *x, const sl_tensor *scale, const sl_tensor *zero, const sl_tensor *shadow) {
    float *y = shadow->data, s = quant_scale(scale, 0);
    int64_t z = quant_zero(zero, 0);
    for (int64_t i = 0, n = rule_count(x); i < n; i++)
        y[i] = (float)(element_index(x->dtype, x->data, i) - z) * s;
}

void quant_levels_of(const sl_tensor *shadow, const sl_tensor *scale, const sl_tensor *zero,
                     const sl_tensor *y) {
    const float *x = shadow->data;
    float s = quant_scale(scale, 0);
    int64_t z = quant_zero(zero, 0);
    for (int64_t i = 0, n = rule_count(y); i < n; i++)
        quant_write(y->dtype, y->data, i, x[i] / s, z);
}

sl_status quant_params(const struct op_call *call, size_t scale, size_t zero, sl_dtype dtype, bool one,
                       sl_error *err) {
    sl_status st = rule_dtype(call, scale, OPS_REALS, err);
    bool has_zero = op_has_in(call, zero);
    if (st == SL_OK && has_zero && call->in[zero]->dtype != dtype)
        st = error_set(err, SL_E_MODEL, "input %zu is %s, its tensor has %s", zero,
                       sl_dtype_name(call->in[zero]->dtype), sl_dtype_name(dtype));
    if (st == SL_OK && one && rule_count(call->in[scale]) != 1)
        st = error_set(err, SL_E_MODEL, "input %zu must be one number", scale);
    if (st == SL_OK && one && has_zero && rule_count(call->in[zero]) != 1)
        st = error_set(err, SL_E_MODEL, "input %zu must be one number", zero);
    return st;
}
