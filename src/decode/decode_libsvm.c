/* decode_libsvm.c: one line of LIBSVM as a row: zeros (or NaN, as XGBoost has it) but where an index stands.
 * A label, a qid and a comment are passed over. */
#include <math.h>
#include <string.h>

#include "decode/chain_steps.h"
#include "decode/decode_array.h"
#include "decode/decode_sparse.h"
#include "decode/worker_ctx.h"
#include "support/number.h"
#include "support/text.h"

#define SHOWN_NBYTES 40

static const char *skip_blank(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

static const char *token_end(const char *p, const char *end) {
    while (p < end && *p != ' ' && *p != '\t' && *p != '#')
        p++;
    return p;
}

static sl_status bad_token(sl_ctx *ctx, const char *p, const char *end) {
    size_t nbytes = (size_t)(end - p);
    return reject_set(ctx, "decode", "bad-libsvm", "'%s%s' is not index:value",
                      text_quote_n(p, nbytes < SHOWN_NBYTES ? nbytes : SHOWN_NBYTES),
                      nbytes < SHOWN_NBYTES ? "" : "...");
}

/* The value into element `at`, correctly rounded to a float where that is wanted. */
static sl_status put_value(sl_ctx *ctx, const char *p, const char *end, sl_dtype to, void *out, uint64_t at) {
    const size_t item = sl_dtype_nbits(to) / 8;
    float x;
    double wide;
    if (to == SL_FLOAT) {
        if (number_read_f32(p, (size_t)(end - p), ctx->chain->options.csv_nonfinite, &x) != NUMBER_OK)
            return bad_token(ctx, p, end);
        memcpy((char *)out + at * item, &x, sizeof x);
        return SL_OK;
    }
    if (number_read_f64(p, (size_t)(end - p), ctx->chain->options.csv_nonfinite, &wide) != NUMBER_OK)
        return bad_token(ctx, p, end);
    return array_convert(ctx, SL_DOUBLE, __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__, &wide, 1, to,
                         (char *)out + at * item);
}

static sl_status fill(sl_ctx *ctx, sl_dtype to, size_t count, void *out) {
    memset(out, 0, count * (sl_dtype_nbits(to) / 8));
    if (!ctx->chain->options.libsvm_missing_is_nan)
        return SL_OK;
    if (to != SL_FLOAT && to != SL_DOUBLE)
        return reject_set(ctx, "decode", "wrong-dtype", "%s has no NaN for what is missing",
                          sl_dtype_name(to));
    for (size_t i = 0; i < count; i++)
        if (to == SL_FLOAT)
            ((float *)out)[i] = NAN;
        else
            ((double *)out)[i] = (double)NAN;
    return SL_OK;
}

/* One index:value. */
static sl_status take_pair(sl_ctx *ctx, struct sparse *sparse, const char *p, const char *end,
                           const sl_spec *want, void *out) {
    const int64_t base = ctx->chain->options.libsvm_base;
    const char *colon = memchr(p, ':', (size_t)(end - p));
    int64_t index;
    if (!colon || number_read_i64(p, (size_t)(colon - p), &index) != NUMBER_OK || index < 0)
        return bad_token(ctx, p, end);
    if (index < base)
        return reject_set(ctx, "decode", "bad-key",
                          "index 0 where indexes begin with 1 (text/libsvm;base=0)");
    if ((uint64_t)(index - base) >= sparse->count)
        return reject_set(ctx, "decode", "bad-key", "index %lld is not below %llu%s", (long long)index,
                          (unsigned long long)sparse->count + (uint64_t)base,
                          !base && (uint64_t)index == sparse->count
                              ? ": indexes from 1 on are read with --content-type 'text/libsvm;base=1'"
                              : "");
    sl_status st = sparse_take(sparse, ctx, (uint64_t)(index - base));
    return st == SL_OK ? put_value(ctx, colon + 1, end, want->dtype, out, (uint64_t)(index - base)) : st;
}

sl_status libsvm_read(sl_ctx *ctx, sl_slice line, const sl_spec *want, void *out) {
    const char *p = line.data, *end = line.data + line.nbytes;
    struct sparse sparse;
    int64_t count;
    if (!sl_shape_count(want->rank, want->dims, &count))
        return reject_set(ctx, "decode", "wrong-shape", "how many features are wanted is not known");
    sl_status st = fill(ctx, want->dtype, (size_t)count, out);
    sparse_begin(&sparse, ctx, (uint64_t)count);
    for (bool first = true; st == SL_OK; first = false) {
        p = skip_blank(p, end);
        const char *stop = token_end(p, end);
        if (p == stop)
            return SL_OK; /* the end, or a comment */
        bool label = first && !memchr(p, ':', (size_t)(stop - p));
        bool query = stop - p > 4 && !memcmp(p, "qid:", 4);
        if (!label && !query)
            st = take_pair(ctx, &sparse, p, stop, want, out);
        p = stop;
    }
    return st;
}
