/* skip_norm.c: the normalisations that ONNX Runtime writes: SkipLayerNormalization and
 * SkipSimplifiedLayerNormalization (a residual, a bias and the norm in one), SimplifiedLayerNormalization,
 * and EmbedLayerNormalization, which adds up embeddings before. "Simplified": by the root mean square,
 * without a mean. */
#include <math.h>

#include "ops/attend.h"
#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

/* One line in place: y = (x - mean) / deviation * gamma + beta. */
struct norm {
    const sl_tensor *gamma, *beta; /* beta may be NULL */
    double epsilon;
    bool simplified;
    double mean, inverse; /* of the last line */
};

static void normalise(struct norm *n, double *line, int64_t size) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; !n->simplified && i < size; i++)
        sum += line[i];
    n->mean = sum / (double)size;
    for (int64_t i = 0; i < size; i++)
        squares += (line[i] - n->mean) * (line[i] - n->mean);
    n->inverse = 1 / sqrt(squares / (double)size + n->epsilon);
    for (int64_t i = 0; i < size; i++) {
        line[i] = (line[i] - n->mean) * n->inverse * element_real(n->gamma->dtype, n->gamma->data, i);
        if (n->beta)
            line[i] += element_real(n->beta->dtype, n->beta->data, i);
    }
}

static sl_status check_reals(const struct op_call *call, size_t from, size_t to, sl_error *err) {
    sl_status st = SL_OK;
    for (size_t i = from; st == SL_OK && i < to; i++)
        if (op_has_in(call, i))
            st = rule_dtype(call, i, OPS_REALS, err);
    return st;
}

/* Scratch: one line. */
static sl_status prepare(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                         sl_error *err) {
    (void)arena;
    (void)err;
    const sl_tensor *y = call->out[0];
    prepared->scratch_nbytes = (size_t)y->dims[y->rank - 1] * sizeof(double);
    return SL_OK;
}

/* The skip has the input's shape, or lacks the batch, or has one of 1. */
static sl_status infer_skip(const struct op_call *call, bool simplified, sl_error *err) {
    sl_status st = check_reals(call, 0, call->in_count, err);
    if (st == SL_OK)
        st = rule_min_rank(call, 0, 2, err);
    if (st != SL_OK)
        return st;
    const sl_tensor *x = call->in[0], *skip = call->in[1];
    sl_tensor shape = *x;
    char one[RULE_TEXT], other[RULE_TEXT];
    if (rule_broadcast(x, skip, &shape, err) != SL_OK || rule_count(&shape) != rule_count(x) ||
        shape.rank != x->rank || rule_count(skip) < rule_product(x, x->rank - 2, x->rank) ||
        rule_count(x) % (rule_count(skip) ? rule_count(skip) : 1))
        return error_set(err, SL_E_MODEL, "input %s and skip %s do not fit", rule_text(one, x),
                         rule_text(other, skip));
    for (size_t i = 2; st == SL_OK && i < call->in_count; i++)
        if (op_has_in(call, i))
            st = rule_vector(call, i, x->dims[x->rank - 1], err);
    if (st == SL_OK && !simplified && call->in_count > 5)
        st = error_set(err, SL_E_MODEL, "too many inputs");
    if (st != SL_OK)
        return st;
    rule_like(call, 0);
    for (size_t i = 1; i < 3; i++)
        if (op_has_out(call, i)) {
            rule_set(call->out[i], SL_FLOAT, x->rank, x->dims);
            call->out[i]->dims[x->rank - 1] = 1;
        }
    if (op_has_out(call, 3))
        rule_like(call, 3);
    return SL_OK;
}

static void run_skip(const struct op_call *call, bool simplified) {
    const sl_tensor *x = call->in[0], *skip = call->in[1];
    size_t bias = simplified ? 3 : 4;
    struct norm n = {.gamma = call->in[2],
                     .beta = !simplified && op_has_in(call, 3) ? call->in[3] : NULL,
                     .epsilon = (double)op_attr_float(call, "epsilon", 1e-12f),
                     .simplified = simplified};
    int64_t size = x->dims[x->rank - 1], skipped = rule_count(skip);
    double *line = call->scratch;
    for (int64_t row = 0, rows = rule_product(x, 0, x->rank - 1); size && row < rows; row++) {
        attend_load(x, row * size, 1, size, line);
        attend_add(skip, row * size % skipped, size, line);
        if (op_has_in(call, bias))
            attend_add(call->in[bias], 0, size, line);
        if (op_has_out(call, 3))
            attend_save(call->out[3], row * size, size, line);
        normalise(&n, line, size);
        attend_save(call->out[0], row * size, size, line);
        if (op_has_out(call, 1))
            ((float *)call->out[1]->data)[row] = (float)n.mean;
        if (op_has_out(call, 2))
            ((float *)call->out[2]->data)[row] = (float)n.inverse;
    }
}

#define SKIP(id, op_name, simplified, op_max_in)                                                             \
    static sl_status infer_##id(const struct op_call *call, sl_error *err) {                                 \
        return infer_skip(call, simplified, err);                                                            \
    }                                                                                                        \
    static void run_##id(const struct op_call *call) {                                                       \
        run_skip(call, simplified);                                                                          \
    }                                                                                                        \
    const struct op op_##id = {.domain = "com.microsoft",                                                    \
                               .name = op_name,                                                              \
                               .since = 1,                                                                   \
                               .min_in = 3,                                                                  \
                               .max_in = op_max_in,                                                          \
                               .min_out = 1,                                                                 \
                               .max_out = 4,                                                                 \
                               .attrs = "epsilon",                                                           \
                               .infer = infer_##id,                                                          \
                               .prepare = prepare,                                                           \
                               .run = run_##id};

SKIP(skip_layer_normalization, "SkipLayerNormalization", false, 5)
SKIP(skip_simplified, "SkipSimplifiedLayerNormalization", true, 4)

/* SimplifiedLayerNormalization: over the dims from `axis` on; ONNX Runtime writes it in ONNX's own domain. */
static sl_status infer_simplified(const struct op_call *call, sl_error *err) {
    int axis;
    sl_status st = check_reals(call, 0, 2, err);
    if (st == SL_OK)
        st = rule_axis(op_attr_int(call, "axis", -1), call->in[0]->rank, &axis, err);
    if (st != SL_OK)
        return st;
    const sl_tensor *x = call->in[0];
    if (rule_count(call->in[1]) != rule_product(x, axis, x->rank))
        return error_set(err, SL_E_MODEL, "input 1 has %lld elements, expected %lld",
                         (long long)rule_count(call->in[1]), (long long)rule_product(x, axis, x->rank));
    rule_set(call->out[0], call->in[1]->dtype, x->rank, x->dims);
    if (op_has_out(call, 1)) {
        rule_set(call->out[1], SL_FLOAT, x->rank, x->dims);
        for (int d = axis; d < x->rank; d++)
            call->out[1]->dims[d] = 1;
    }
    return SL_OK;
}

static sl_status prepare_simplified(const struct op_call *call, struct arena *arena,
                                    struct op_prepared *prepared, sl_error *err) {
    (void)arena;
    (void)err;
    prepared->scratch_nbytes = (size_t)rule_count(call->in[1]) * sizeof(double);
    return SL_OK;
}

static void run_simplified(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    struct norm n = {
        .gamma = call->in[1], .epsilon = (double)op_attr_float(call, "epsilon", 1e-5f), .simplified = true};
    int64_t size = rule_count(call->in[1]);
    for (int64_t row = 0; size && row < rule_count(x) / size; row++) {
        attend_load(x, row * size, 1, size, call->scratch);
        normalise(&n, call->scratch, size);
        attend_save(call->out[0], row * size, size, call->scratch);
        if (op_has_out(call, 1))
            ((float *)call->out[1]->data)[row] = (float)n.inverse;
    }
}

const struct op op_simplified = {.domain = "",
                                 .name = "SimplifiedLayerNormalization",
                                 .since = 1,
                                 .min_in = 2,
                                 .max_in = 2,
                                 .min_out = 1,
                                 .max_out = 2,
                                 .attrs = "axis epsilon stash_type",
                                 .infer = infer_simplified,
                                 .prepare = prepare_simplified,
                                 .run = run_simplified};

enum { IN_IDS, IN_SEGMENTS, IN_WORDS, IN_PLACES, IN_KINDS, IN_GAMMA, IN_BETA, IN_MASK, IN_POSITIONS };

static sl_status check_table(const struct op_call *call, size_t i, int64_t size, sl_error *err) {
    char text[RULE_TEXT];
    const sl_tensor *t = call->in[i];
    if (t->rank != 2 || t->dims[1] != size || t->dims[0] < 1)
        return error_set(err, SL_E_MODEL, "input %zu is %s, expected rows of %lld", i, rule_text(text, t),
                         (long long)size);
    return SL_OK;
}

static sl_status infer_embed(const struct op_call *call, sl_error *err) {
    static const size_t needed[] = {IN_WORDS, IN_PLACES, IN_GAMMA, IN_BETA};
    sl_status st = rule_rank(call, IN_IDS, 2, err);
    for (size_t k = 0; st == SL_OK && k < 4; k++)
        st = rule_dtype(call, needed[k], OPS_REALS, err);
    if (st == SL_OK)
        st = check_reals(call, IN_KINDS, IN_KINDS + 1, err);
    if (st == SL_OK)
        st = rule_rank(call, IN_WORDS, 2, err);
    if (st != SL_OK)
        return st;
    const sl_tensor *ids = call->in[IN_IDS];
    int64_t batch = ids->dims[0], rows = ids->dims[1], size = call->in[IN_WORDS]->dims[1];
    static const size_t with_ids[] = {IN_IDS, IN_SEGMENTS, IN_MASK, IN_POSITIONS};
    for (size_t k = 0; st == SL_OK && k < 4; k++) {
        const sl_tensor *t = op_has_in(call, with_ids[k]) ? call->in[with_ids[k]] : NULL;
        bool one = with_ids[k] == IN_POSITIONS && t && t->rank == 2 && t->dims[0] == 1;
        if (t &&
            (t->dtype != SL_INT32 || t->rank != 2 || (t->dims[0] != batch && !one) || t->dims[1] != rows))
            st = error_set(err, SL_E_MODEL, "input %zu does not fit the ids", with_ids[k]);
    }
    if (st == SL_OK && op_has_in(call, IN_SEGMENTS) != op_has_in(call, IN_KINDS))
        st = error_set(err, SL_E_MODEL, "segment ids and their embeddings go together");
    for (size_t i = IN_WORDS; st == SL_OK && i <= IN_KINDS; i++)
        if (op_has_in(call, i))
            st = check_table(call, i, size, err);
    for (size_t i = IN_GAMMA; st == SL_OK && i <= IN_BETA; i++)
        st = rule_vector(call, i, size, err);
    if (st == SL_OK && !op_has_in(call, IN_POSITIONS) && call->in[IN_PLACES]->dims[0] < rows)
        st = error_set(err, SL_E_MODEL, "there are fewer positions than ids in a row");
    if (st != SL_OK)
        return st;
    rule_set(call->out[0], call->in[IN_WORDS]->dtype, 3, (int64_t[]){batch, rows, size});
    if (op_has_out(call, 1))
        rule_set(call->out[1], SL_INT32, 1, &batch);
    if (op_has_out(call, 2))
        rule_set(call->out[2], call->in[IN_WORDS]->dtype, 3, (int64_t[]){batch, rows, size});
    return SL_OK;
}

/* Adds the row that an id chooses; an id that no row has is brought inside. */
static void add_row(const struct op_call *call, size_t table, int64_t id, int64_t size, double *line) {
    const sl_tensor *t = call->in[table];
    id = id < 0 ? 0 : id >= t->dims[0] ? t->dims[0] - 1 : id;
    attend_add(t, id * size, size, line);
}

/* Words that a row's mask lets through. */
static int32_t count_words(const struct op_call *call, int64_t row, int64_t rows) {
    int32_t count = 0;
    for (int64_t i = 0; op_has_in(call, IN_MASK) && i < rows; i++)
        count += ((const int32_t *)call->in[IN_MASK]->data)[row * rows + i] == 1;
    return count;
}

static void run_embed(const struct op_call *call) {
    const int32_t *ids = call->in[IN_IDS]->data;
    const int32_t *segments = op_has_in(call, IN_SEGMENTS) ? call->in[IN_SEGMENTS]->data : NULL;
    const sl_tensor *positions = op_has_in(call, IN_POSITIONS) ? call->in[IN_POSITIONS] : NULL;
    struct norm n = {.gamma = call->in[IN_GAMMA],
                     .beta = call->in[IN_BETA],
                     .epsilon = (double)op_attr_float(call, "epsilon", 1e-12f)};
    int64_t rows = call->in[IN_IDS]->dims[1], size = call->in[IN_WORDS]->dims[1];
    double *line = call->scratch;
    for (int64_t i = 0, count = rule_count(call->in[IN_IDS]); i < count; i++) {
        int64_t place = i % rows;
        if (positions)
            place = ((const int32_t *)positions->data)[positions->dims[0] == 1 ? place : i];
        for (int64_t d = 0; d < size; d++)
            line[d] = 0;
        add_row(call, IN_WORDS, ids[i], size, line);
        add_row(call, IN_PLACES, place, size, line);
        if (segments)
            add_row(call, IN_KINDS, segments[i], size, line);
        if (op_has_out(call, 2))
            attend_save(call->out[2], i * size, size, line);
        if (size)
            normalise(&n, line, size);
        attend_save(call->out[0], i * size, size, line);
    }
    for (int64_t b = 0; op_has_out(call, 1) && b < call->out[1]->dims[0]; b++)
        ((int32_t *)call->out[1]->data)[b] = count_words(call, b, rows);
}

const struct op op_embed_layer_normalization = {.domain = "com.microsoft",
                                                .name = "EmbedLayerNormalization",
                                                .since = 1,
                                                .min_in = 1,
                                                .max_in = 9,
                                                .min_out = 1,
                                                .max_out = 3,
                                                .attrs = "epsilon mask_index_type",
                                                .infer = infer_embed,
                                                .prepare = prepare,
                                                .run = run_embed};
