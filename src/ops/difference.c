/* difference.c: compares tensors element by element, and row by row as a ranking. Errors are taken relative
 * to the largest expected magnitude, not to each element: a sum that cancels to nearly nothing carries the
 * rounding of its large terms. */
#include "ops/difference.h"

#include <math.h>
#include <string.h>

#include "ops/element.h"
#include "ops/rules.h"

/* A sigmoid or softmax far down its slope is made of numbers about 1, and no better than those. */
#define LEAST_SCALE (1.0 / 256)

double difference_tolerance(sl_dtype dtype) {
    switch ((int)dtype) {
    case SL_DOUBLE:
        return 1e-9;
    case SL_FLOAT:
        return 1e-4;
    case SL_FLOAT16:
        return 2e-3;
    case SL_BFLOAT16:
        return 1.6e-2;
    default:
        return 0;
    }
}

static double largest(const sl_tensor *t) {
    double most = 0;
    for (int64_t i = 0; i < rule_count(t); i++) {
        double x = fabs(element_real(t->dtype, t->data, i));
        most = isfinite(x) && x > most ? x : most;
    }
    return most;
}

static bool same_text(const sl_string *a, const sl_string *b) {
    return a->nbytes == b->nbytes && (!a->nbytes || !memcmp(a->data, b->data, a->nbytes));
}

static void note_outside(struct difference *d, int64_t at, double got, double want) {
    if (d->outside++)
        return;
    d->first = at;
    d->got = got;
    d->want = want;
}

static void measure_exact(const sl_tensor *got, const sl_tensor *want, struct difference *d) {
    const sl_string *a = got->data, *b = want->data;
    for (int64_t i = 0; i < d->count; i++) {
        if (got->dtype == SL_STRING) {
            if (!same_text(&a[i], &b[i]))
                note_outside(d, i, NAN, NAN);
            continue;
        }
        double x = element_number(got->dtype, got->data, i), y = element_number(want->dtype, want->data, i);
        if (element_index(got->dtype, got->data, i) != element_index(want->dtype, want->data, i))
            note_outside(d, i, x, y);
        d->max_abs = fmax(d->max_abs, fabs(x - y));
    }
}

static void measure_real(const sl_tensor *got, const sl_tensor *want, double tolerance,
                         struct difference *d) {
    double scale = fmax(largest(want), LEAST_SCALE);
    for (int64_t i = 0; i < d->count; i++) {
        double x = element_real(got->dtype, got->data, i), y = element_real(want->dtype, want->data, i);
        double off = fabs(x - y);
        if (x == y || (isnan(x) && isnan(y)))
            continue;
        if (!(off <= tolerance * scale))
            note_outside(d, i, x, y);
        if (isfinite(off) && off > d->max_abs)
            d->max_abs = off;
    }
    d->max_rel = d->max_abs / scale;
}

static int64_t top1(const sl_tensor *t, int64_t row, int64_t width) {
    int64_t best = 0;
    for (int64_t i = 1; i < width; i++)
        if (element_real(t->dtype, t->data, row * width + i) >
            element_real(t->dtype, t->data, row * width + best))
            best = i;
    return best;
}

void difference_measure(const sl_tensor *got, const sl_tensor *want, double tolerance, struct difference *d) {
    *d = (struct difference){.first = -1, .same_shape = got->dtype == want->dtype && got->rank == want->rank};
    for (int i = 0; d->same_shape && i < got->rank; i++)
        d->same_shape = got->dims[i] == want->dims[i];
    if (!d->same_shape)
        return;
    d->count = rule_count(want);
    if (element_kind(got->dtype) != ELEMENT_REAL) {
        measure_exact(got, want, d);
        return;
    }
    measure_real(got, want, tolerance, d);
    if (got->rank == 2 && got->dims[1] > 1) {
        d->rows = got->dims[0];
        for (int64_t r = 0; r < d->rows; r++)
            d->top1_same += top1(got, r, got->dims[1]) == top1(want, r, got->dims[1]);
    }
}
