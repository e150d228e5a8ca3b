/* attend.c: the attention of attend.h. All in double, in the order of the keys; a head's keys and values are
 * read once and serve all its queries. */
#include "ops/attend.h"

#include <math.h>

#include "ops/element.h"

OPS_INLINE void load(sl_dtype dtype, const void *p, int64_t from, int64_t step, int64_t n, double *row) {
    for (int64_t i = 0; i < n; i++)
        row[i] = element_real(dtype, p, from + i * step);
}

void attend_load(const sl_tensor *t, int64_t from, int64_t step, int64_t n, double *row) {
    ELEMENT_DISPATCH_REAL(t->dtype, load, t->data, from, step, n, row);
}

OPS_INLINE void add(sl_dtype dtype, const void *p, int64_t from, int64_t n, double *row) {
    for (int64_t i = 0; i < n; i++)
        row[i] += element_real(dtype, p, from + i);
}

void attend_add(const sl_tensor *t, int64_t from, int64_t n, double *row) {
    ELEMENT_DISPATCH_REAL(t->dtype, add, t->data, from, n, row);
}

OPS_INLINE void save(sl_dtype dtype, void *p, int64_t to, int64_t n, const double *row) {
    for (int64_t i = 0; i < n; i++)
        element_set_real(dtype, p, to + i, row[i]);
}

void attend_save(const sl_tensor *t, int64_t to, int64_t n, const double *row) {
    ELEMENT_DISPATCH_REAL(t->dtype, save, t->data, to, n, row);
}

int64_t attend_mask_at(const sl_tensor *t, int64_t b, int64_t head, int64_t i, int64_t j) {
    const int64_t at[4] = {b, head, i, j};
    int64_t index = 0;
    for (int d = 0; d < t->rank; d++)
        index = index * t->dims[d] + (t->dims[d] == 1 ? 0 : at[4 - t->rank + d]);
    return index;
}

size_t attend_nbytes(int64_t keys, int64_t size, int64_t v_size) {
    return ((size_t)keys * (size_t)(size + v_size + 1) + (size_t)(size + v_size)) * sizeof(double);
}

struct room {
    double *keys, *values, *scores, *query, *sums;
};

static void score(const struct attend *a, const struct room *r, int64_t b, int64_t head, int64_t i) {
    bool raw = a->recorded == ATTEND_RAW;
    for (int64_t j = 0; j < a->keys; j++) {
        double bias = a->bias ? a->bias(a->owner, b, head, i, j) : 0, sum = 0;
        if (bias == -(double)INFINITY && a->recorded != ATTEND_RAW && a->recorded != ATTEND_CAPPED) {
            r->scores[j] = bias;
            continue;
        }
        for (int64_t d = 0; d < a->size; d++)
            sum += r->query[d] * r->keys[j * a->size + d];
        r->scores[j] = sum * a->scale;
    }
    if (raw)
        a->record(a->owner, b, head, i, r->scores);
    for (int64_t j = 0; a->softcap > 0 && j < a->keys; j++)
        if (r->scores[j] != -(double)INFINITY)
            r->scores[j] = a->softcap * tanh(r->scores[j] / a->softcap);
    if (a->recorded == ATTEND_CAPPED)
        a->record(a->owner, b, head, i, r->scores);
    for (int64_t j = 0; a->bias && j < a->keys; j++) {
        double bias = a->bias(a->owner, b, head, i, j);
        r->scores[j] = bias == -(double)INFINITY ? bias : r->scores[j] + bias;
    }
    if (a->recorded == ATTEND_BIASED)
        a->record(a->owner, b, head, i, r->scores);
}

/* Scores become weights. */
static void weigh(const struct attend *a, double *scores, int64_t head) {
    double sink = a->sink ? a->sink(a->owner, head) : -(double)INFINITY, largest = sink, sum = 0;
    for (int64_t j = 0; j < a->keys; j++)
        if (scores[j] > largest || isnan(scores[j]))
            largest = scores[j];
    for (int64_t j = 0; j < a->keys; j++) {
        scores[j] = largest == -(double)INFINITY ? 0 : exp(scores[j] - largest);
        sum += scores[j];
    }
    sum += sink == -(double)INFINITY ? 0 : exp(sink - largest);
    for (int64_t j = 0; sum != 0 && j < a->keys; j++)
        scores[j] /= sum;
}

static void attend_query(const struct attend *a, const struct room *r, int64_t b, int64_t head, int64_t i) {
    a->query(a->owner, b, head, i, r->query);
    score(a, r, b, head, i);
    weigh(a, r->scores, head);
    if (a->recorded == ATTEND_WEIGHTS)
        a->record(a->owner, b, head, i, r->scores);
    for (int64_t d = 0; d < a->v_size; d++)
        r->sums[d] = 0;
    for (int64_t j = 0; j < a->keys; j++)
        for (int64_t d = 0; r->scores[j] != 0 && d < a->v_size; d++)
            r->sums[d] += r->scores[j] * r->values[j * a->v_size + d];
    a->store(a->owner, b, head, i, r->sums);
}

void attend_run(const struct attend *a, void *scratch) {
    struct room r = {.keys = scratch};
    r.values = r.keys + a->keys * a->size;
    r.scores = r.values + a->keys * a->v_size;
    r.query = r.scores + a->keys;
    r.sums = r.query + a->size;
    int64_t group = a->kv_heads ? a->heads / a->kv_heads : 0;
    for (int64_t b = 0; b < a->batch; b++)
        for (int64_t kv = 0; kv < a->kv_heads; kv++) {
            for (int64_t j = 0; j < a->keys; j++) {
                a->key(a->owner, b, kv, j, r.keys + j * a->size);
                a->value(a->owner, b, kv, j, r.values + j * a->v_size);
            }
            for (int64_t head = kv * group; head < (kv + 1) * group; head++)
                for (int64_t i = 0; i < a->queries; i++)
                    attend_query(a, &r, b, head, i);
        }
}
