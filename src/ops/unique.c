/* unique.c: Unique: every element (or slab along an axis) once, in ascending order or in that of their first
 * places, with where the first stood, which one each was, and how many there were. Slabs compare element by
 * element, as words do; NaN comes after every number and equals itself. */
#include <string.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/strided.h"

static bool read_axis(const struct op_call *call, int *axis, sl_error *err, sl_status *st) {
    const struct attr *attr = op_attr(call, "axis");
    *axis = 0;
    *st = attr ? rule_axis(attr->i, call->in[0]->rank, axis, err) : SL_OK;
    return attr != NULL;
}

static sl_status infer(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0];
    int axis;
    sl_status st = rule_dtype(call, 0, OPS_NUMBERS | OPS_BIT(SL_BOOL) | OPS_BIT(SL_STRING), err);
    bool slabs = st == SL_OK && read_axis(call, &axis, err, &st);
    if (st != SL_OK)
        return st;
    int64_t n = slabs ? x->dims[axis] : rule_count(x);
    for (size_t i = 0; i < 4; i++) {
        if (!op_has_out(call, i))
            continue;
        rule_set(call->out[i], i ? SL_INT64 : x->dtype, 1, &n);
        if (i == 0 && slabs)
            rule_like(call, 0);
        if (i != 2)
            rule_at_most(call, i, i == 0 ? axis : 0, n > 0);
    }
    return SL_OK;
}

/* What there is to sort. */
struct slabs {
    const sl_tensor *x;
    int64_t n, outer, inner;        /* x is [outer, n, inner] */
    int64_t *order, *first, *spare; /* n each */
};

static struct slabs find_slabs(const struct op_call *call) {
    struct slabs s = {.x = call->in[0], .outer = 1, .inner = 1};
    int axis;
    sl_status st;
    bool slabs = read_axis(call, &axis, NULL, &st);
    s.n = slabs ? s.x->dims[axis] : rule_count(s.x);
    if (slabs) {
        s.outer = rule_product(s.x, 0, axis);
        s.inner = rule_product(s.x, axis + 1, s.x->rank);
    }
    return s;
}

static sl_status prepare(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                         sl_error *err) {
    (void)arena, (void)err;
    prepared->scratch_nbytes = (size_t)find_slabs(call).n * 3 * sizeof(int64_t);
    return SL_OK;
}

static int compare_elements(const sl_tensor *x, int64_t a, int64_t b) {
    if (x->dtype == SL_STRING) {
        const sl_string *texts = x->data;
        size_t one = texts[a].nbytes, two = texts[b].nbytes, both = one < two ? one : two;
        int order = both ? memcmp(texts[a].data, texts[b].data, both) : 0;
        return order ? order : (one > two) - (one < two);
    }
    if (element_kind(x->dtype) == ELEMENT_REAL) {
        double one = element_real(x->dtype, x->data, a), two = element_real(x->dtype, x->data, b);
        if (isnan(one) || isnan(two))
            return (int)isnan(one) - (int)isnan(two);
        return (one > two) - (one < two);
    }
    if (element_kind(x->dtype) == ELEMENT_UNSIGNED) {
        uint64_t one = element_unsigned(x->dtype, x->data, a), two = element_unsigned(x->dtype, x->data, b);
        return (one > two) - (one < two);
    }
    int64_t one = element_signed(x->dtype, x->data, a), two = element_signed(x->dtype, x->data, b);
    return (one > two) - (one < two);
}

static int compare(const struct slabs *s, int64_t a, int64_t b) {
    int order = 0;
    for (int64_t o = 0; !order && o < s->outer; o++)
        for (int64_t i = 0; !order && i < s->inner; i++)
            order = compare_elements(s->x, (o * s->n + a) * s->inner + i, (o * s->n + b) * s->inner + i);
    return order;
}

/* Merges runs of one, two, four, ...: what is equal stays in the order of its places. */
static void sort(struct slabs *s) {
    for (int64_t i = 0; i < s->n; i++)
        s->order[i] = i;
    for (int64_t run = 1; run < s->n; run *= 2) {
        for (int64_t from = 0; from < s->n; from += 2 * run) {
            int64_t middle = from + run < s->n ? from + run : s->n;
            int64_t end = from + 2 * run < s->n ? from + 2 * run : s->n;
            for (int64_t a = from, b = middle, to = from; to < end; to++)
                s->spare[to] = a < middle && (b == end || compare(s, s->order[a], s->order[b]) <= 0)
                                   ? s->order[a++]
                                   : s->order[b++];
        }
        int64_t *sorted = s->spare;
        s->spare = s->order;
        s->order = sorted;
    }
}

/* Numbers the different slabs; a slab's number stands in spare[its first place]. */
static int64_t number_slabs(struct slabs *s, bool sorted) {
    int64_t count = 0;
    for (int64_t i = 0; i < s->n; i++)
        s->first[s->order[i]] =
            i && !compare(s, s->order[i - 1], s->order[i]) ? s->first[s->order[i - 1]] : s->order[i];
    for (int64_t i = 0; i < s->n; i++) {
        int64_t at = sorted ? s->order[i] : i;
        if (s->first[at] == at)
            s->spare[at] = count++;
    }
    return count;
}

static void write_slabs(const struct slabs *s, int64_t count, sl_tensor *y) {
    size_t slab = (size_t)s->inner * strided_nbytes(s->x);
    for (int64_t i = 0; slab && i < s->n; i++)
        for (int64_t o = 0; s->first[i] == i && o < s->outer; o++)
            memcpy((char *)y->data + (size_t)(o * count + s->spare[i]) * slab,
                   (const char *)s->x->data + (size_t)(o * s->n + i) * slab, slab);
}

static void run(const struct op_call *call) {
    struct slabs s = find_slabs(call);
    int axis;
    sl_status st;
    s.order = call->scratch;
    s.first = s.order + s.n;
    s.spare = s.first + s.n;
    (void)read_axis(call, &axis, NULL, &st);
    sort(&s);
    int64_t count = number_slabs(&s, op_attr_int(call, "sorted", 1) != 0);
    for (size_t i = 0; i < 4; i++)
        if (op_has_out(call, i) && i != 2)
            call->out[i]->dims[i == 0 ? axis : 0] = count;
    if (op_has_out(call, 0))
        write_slabs(&s, count, call->out[0]);
    if (op_has_out(call, 3) && count)
        memset(call->out[3]->data, 0, (size_t)count * sizeof(int64_t));
    for (int64_t i = 0; i < s.n; i++) {
        int64_t number = s.spare[s.first[i]];
        if (op_has_out(call, 1) && s.first[i] == i)
            ((int64_t *)call->out[1]->data)[number] = i;
        if (op_has_out(call, 2))
            ((int64_t *)call->out[2]->data)[i] = number;
        if (op_has_out(call, 3))
            ((int64_t *)call->out[3]->data)[number]++;
    }
}

const struct op op_unique = {.domain = "",
                             .name = "Unique",
                             .since = 11,
                             .min_in = 1,
                             .max_in = 1,
                             .min_out = 1,
                             .max_out = 4,
                             .attrs = "axis sorted",
                             .infer = infer,
                             .prepare = prepare,
                             .run = run,
                             .bounded = true};
