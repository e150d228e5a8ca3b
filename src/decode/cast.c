/* cast.c: the last step of a chain whose model wants another dtype. Tokenizers make int32; the decoders make
 * floats, so whole numbers are exact below 2^24; a value that is not the number it was in the input is a
 * reject, never a different number. */
#include <math.h>
#include <string.h>

#include "decode/chain_steps.h"

#define EXACT_LIMIT 16777216.0f /* 2^24: from here on a float no longer tells neighbours apart */

bool cast_can(sl_dtype from, sl_dtype to) {
    if (from == SL_INT32)
        return to == SL_INT64;
    return from == SL_FLOAT && (to == SL_DOUBLE || to == SL_INT64 || to == SL_INT32 || to == SL_FLOAT16);
}

struct cast {
    sl_dtype from, to;
};

bool cast_to_half(float x, uint16_t *half) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000u;
    float size = fabsf(x);
    if (isnan(x)) {
        *half = (uint16_t)(sign | 0x7e00u);
    } else if (isinf(x)) {
        *half = (uint16_t)(sign | 0x7c00u);
    } else if (size >= 65520.0f) {
        return false;
    } else if (size < 6.103515625e-05f) { /* subnormal: units of 2^-24 */
        *half = (uint16_t)(sign | (uint32_t)lrintf(size * 16777216.0f));
    } else {
        uint32_t magnitude = bits & 0x7fffffffu;
        magnitude += 0xfffu + (magnitude >> 13 & 1u);
        *half = (uint16_t)(sign | ((magnitude >> 13) - (112u << 10)));
    }
    return true;
}

static sl_status cast_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                           void **state, size_t *scratch_nbytes, sl_error *err) {
    int64_t to = 0;
    sl_status status = host->param_int(params, "to", &to, err);
    struct cast *cast = status == SL_OK ? host->alloc(sizeof *cast) : NULL;
    if (!cast)
        return status != SL_OK ? status : host->fail(err, SL_E_MEMORY, "cannot open a cast: out of memory");
    cast->to = (sl_dtype)to;
    cast->from = in->dtype;
    *out = *in;
    out->dtype = cast->to;
    if (!sl_shape_nbytes(out->dtype, out->rank, out->dims, &out->max_nbytes)) {
        host->free(cast);
        return host->fail(err, SL_E_MODEL, "cannot cast a value whose shape varies");
    }
    *state = cast;
    *scratch_nbytes = 0;
    return SL_OK;
}

static void cast_close(const sl_host *host, void *state) {
    host->free(state);
}

static sl_status cast_whole(const struct cast *cast, const sl_host *host, sl_ctx *ctx, const float *x,
                            size_t count, void *out) {
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(x[i]) || x[i] != truncf(x[i]))
            return host->reject(ctx, "not-an-integer", "value %zu is %.9g, the model wants whole numbers", i,
                                (double)x[i]);
        if (fabsf(x[i]) >= EXACT_LIMIT)
            return host->reject(ctx, "inexact-integer",
                                "value %zu is %.9g, whole numbers are exact below 16777216 only", i,
                                (double)x[i]);
        if (cast->to == SL_INT64)
            ((int64_t *)out)[i] = (int64_t)x[i];
        else
            ((int32_t *)out)[i] = (int32_t)x[i];
    }
    return SL_OK;
}

static sl_status cast_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                            sl_value *out) {
    const struct cast *cast = state;
    const float *x = in->tensor.data;
    int64_t total;
    if (!sl_shape_count(in->tensor.rank, in->tensor.dims, &total))
        return host->reject(ctx, "bad-shape", "value has no countable shape");
    size_t count = (size_t)total;
    if (cast->from == SL_INT32) {
        for (size_t i = 0; i < count; i++)
            ((int64_t *)out->tensor.data)[i] = ((const int32_t *)in->tensor.data)[i];
        return SL_OK;
    }
    if (cast->to == SL_DOUBLE) {
        for (size_t i = 0; i < count; i++)
            ((double *)out->tensor.data)[i] = (double)x[i];
        return SL_OK;
    }
    if (cast->to != SL_FLOAT16)
        return cast_whole(cast, host, ctx, x, count, out->tensor.data);
    for (size_t i = 0; i < count; i++)
        if (!cast_to_half(x[i], (uint16_t *)out->tensor.data + i))
            return host->reject(ctx, "out-of-range", "value %zu is %.9g, too large for float16", i,
                                (double)x[i]);
    return SL_OK;
}

const sl_transform cast_transform = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "cast",
    .summary = "turns floats into the dtype the model wants",
    .shapes = "float [...] -> double, int64, int32 or float16 [...]; int32 [...] -> int64 [...]",
    .params = NULL,
    .open = cast_open,
    .close = cast_close,
    .apply = cast_apply,
};
