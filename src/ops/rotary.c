/* rotary.c: RotaryEmbedding of ai.onnx and of com.microsoft: each head's pairs of numbers turned by the angle
 * of their position. The caches hold cosines and sines, a row a position and a column a pair. */
#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

/* Inputs of the two domains stand in another order. */
struct rotary {
    const sl_tensor *x, *cos, *sin, *positions; /* positions may be NULL */
    int64_t batch, heads, rows, size, turned;   /* turned: numbers of a head that are turned */
    bool interleaved;
};

static sl_status read_heads(const struct op_call *call, struct rotary *r, bool microsoft, sl_error *err) {
    const sl_tensor *x = r->x;
    int64_t heads = op_attr_int(call, "num_heads", 0), dim = op_attr_int(call, "rotary_embedding_dim", 0);
    if (x->rank != 3 && x->rank != 4)
        return error_set(err, SL_E_MODEL, "input 0 has %d dims, expected 3 or 4", x->rank);
    r->batch = x->dims[0];
    r->rows = x->dims[x->rank - 2];
    if (x->rank == 3 && heads < 1 && microsoft && dim == 0 &&
        r->cos->dims[1] > 0) /* all of a head is turned */
        heads = x->dims[2] / (2 * r->cos->dims[1]);
    if (x->rank == 3 && (heads < 1 || x->dims[2] % heads))
        return error_set(err, SL_E_MODEL, "%lld columns do not make %lld heads", (long long)x->dims[2],
                         (long long)heads);
    r->heads = x->rank == 4 ? x->dims[1] : heads;
    r->size = x->rank == 4 ? x->dims[3] : x->dims[2] / heads;
    r->turned = dim ? dim : r->size;
    if (r->turned < 0 || r->turned > r->size || r->turned % 2)
        return error_set(err, SL_E_MODEL, "%lld of %lld numbers cannot be turned", (long long)r->turned,
                         (long long)r->size);
    return SL_OK;
}

/* Caches [positions, pairs]; without positions [batch, rows, pairs]. */
static sl_status check_caches(const struct rotary *r, sl_error *err) {
    const sl_tensor *caches[] = {r->cos, r->sin};
    char text[RULE_TEXT];
    for (size_t i = 0; i < 2; i++) {
        const sl_tensor *c = caches[i];
        bool fits = c->dtype == r->x->dtype && c->rank == (r->positions ? 2 : 3) &&
                    c->dims[c->rank - 1] == r->turned / 2;
        fits = fits && (r->positions ? c->dims[0] == r->cos->dims[0]
                                     : c->dims[0] == r->batch && c->dims[1] == r->rows);
        if (!fits)
            return error_set(err, SL_E_MODEL, "cache %s does not fit %lld numbers of %lld rows",
                             rule_text(text, c), (long long)r->turned, (long long)r->rows);
    }
    return SL_OK;
}

static sl_status check_positions(const struct rotary *r, bool microsoft, sl_error *err) {
    const sl_tensor *p = r->positions;
    char text[RULE_TEXT];
    if (!p)
        return SL_OK;
    bool first = microsoft && p->rank == 1 && p->dims[0] == 1;
    if (p->dtype != SL_INT64 || !(first || (p->rank == 2 && p->dims[0] == r->batch && p->dims[1] == r->rows)))
        return error_set(err, SL_E_MODEL, "positions are %s, expected [%lld, %lld]", rule_text(text, p),
                         (long long)r->batch, (long long)r->rows);
    if (r->cos->dims[0] == 0)
        return error_set(err, SL_E_MODEL, "the caches have no position");
    return SL_OK;
}

static sl_status read_rotary(const struct op_call *call, struct rotary *r, bool microsoft, sl_error *err) {
    const sl_tensor *third = op_has_in(call, 3) ? call->in[3] : NULL;
    *r = (struct rotary){.x = call->in[0],
                         .cos = microsoft ? call->in[2] : call->in[1],
                         .sin = microsoft ? third : call->in[2],
                         .positions = microsoft ? call->in[1] : third,
                         .interleaved = op_attr_int(call, "interleaved", 0) != 0};
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    if (st == SL_OK && (r->cos->rank < 2 || r->cos->rank > 3))
        st = error_set(err, SL_E_MODEL, "the cache of cosines has %d dims, expected 2 or 3", r->cos->rank);
    if (st == SL_OK && (op_attr_int(call, "is_packed_batching", 0) || op_attr_float(call, "scale", 1) != 1))
        st = error_set(err, SL_E_MODEL, "attributes 'is_packed_batching' and 'scale' are not known here");
    if (st == SL_OK)
        st = read_heads(call, r, microsoft, err);
    if (st == SL_OK)
        st = check_caches(r, err);
    return st == SL_OK ? check_positions(r, microsoft, err) : st;
}

static sl_status infer(const struct op_call *call, bool microsoft, sl_error *err) {
    struct rotary r;
    sl_status st = read_rotary(call, &r, microsoft, err);
    if (st == SL_OK)
        rule_like(call, 0);
    return st;
}

/* Row of the caches; positions outside are brought inside, so that no record reads what is not there. */
static int64_t cache_row(const struct rotary *r, int64_t b, int64_t row) {
    if (!r->positions)
        return b * r->rows + row;
    const int64_t *p = r->positions->data;
    int64_t most = r->cos->dims[0] - 1, at = r->positions->rank == 1 ? p[0] + row : p[b * r->rows + row];
    return at < 0 ? 0 : at > most ? most : at;
}

OPS_INLINE void turn(sl_dtype dtype, const struct rotary *r, void *out, int64_t from, int64_t cache) {
    const void *x = r->x->data;
    int64_t half = r->turned / 2;
    for (int64_t i = 0; i < half; i++) {
        int64_t a = from + (r->interleaved ? 2 * i : i), b = from + (r->interleaved ? 2 * i + 1 : half + i);
        double c = element_real(dtype, r->cos->data, cache * half + i);
        double s = element_real(dtype, r->sin->data, cache * half + i);
        double one = element_real(dtype, x, a), other = element_real(dtype, x, b);
        element_set_real(dtype, out, a, c * one - s * other);
        element_set_real(dtype, out, b, s * one + c * other);
    }
    for (int64_t i = r->turned; i < r->size; i++)
        element_set_real(dtype, out, from + i, element_real(dtype, x, from + i));
}

static void run(const struct op_call *call, bool microsoft) {
    struct rotary r;
    if (read_rotary(call, &r, microsoft, NULL) != SL_OK)
        return;
    for (int64_t b = 0; b < r.batch; b++)
        for (int64_t row = 0; row < r.rows; row++)
            for (int64_t head = 0; head < r.heads; head++) {
                int64_t at = r.x->rank == 4 ? (b * r.heads + head) * r.rows + row
                                            : (b * r.rows + row) * r.heads + head;
                ELEMENT_DISPATCH_REAL(r.x->dtype, turn, &r, call->out[0]->data, at * r.size,
                                      cache_row(&r, b, row));
            }
}

#define ROTARY(id, op_domain, op_since, microsoft, op_min_in, op_attrs)                                      \
    static sl_status infer_##id(const struct op_call *call, sl_error *err) {                                 \
        return infer(call, microsoft, err);                                                                  \
    }                                                                                                        \
    static void run_##id(const struct op_call *call) {                                                       \
        run(call, microsoft);                                                                                \
    }                                                                                                        \
    const struct op op_##id = {.domain = op_domain,                                                          \
                               .name = "RotaryEmbedding",                                                    \
                               .since = op_since,                                                            \
                               .min_in = op_min_in,                                                          \
                               .max_in = 4,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = "interleaved num_heads rotary_embedding_dim" op_attrs,               \
                               .infer = infer_##id,                                                          \
                               .run = run_##id};

ROTARY(rotary, "", 23, false, 3, "")
ROTARY(ms_rotary, "com.microsoft", 1, true, 4, " is_packed_batching scale")
