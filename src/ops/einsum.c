/* einsum.c: Einsum, all forms: implicit and explicit, ellipsis, repeated letters (a diagonal), any number of
 * inputs. Each output sums products in double (integers wrap) over the letters it does not name, in the order
 * they first appear. */
#include "ops/einsum.h"

#include <string.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* One term as labels, with `rank` dims (or as many as it names, when -1); returns how many, or -1. */
static int read_term(const char *text, size_t nbytes, int rank, int ellipsis, uint8_t *labels) {
    int letters = 0, count = 0, dots = 0;
    for (size_t i = 0; i < nbytes; i++)
        letters += is_letter(text[i]);
    int hidden = rank < 0 ? ellipsis : rank - letters; /* dims of "..." here */
    for (size_t i = 0; i < nbytes; i++) {
        if (text[i] == ' ')
            continue;
        if (is_letter(text[i]) && count < SL_MAX_RANK) {
            labels[count++] = (uint8_t)text[i];
        } else if (text[i] == '.' && !dots && nbytes - i >= 3 && !memcmp(text + i, "...", 3)) {
            dots = 1;
            i += 2;
            if (hidden < 0 || count + hidden > SL_MAX_RANK)
                return -1;
            for (int k = hidden - 1; k >= 0; k--)
                labels[count++] = (uint8_t)(EINSUM_ELLIPSIS + k);
        } else {
            return -1;
        }
    }
    return rank < 0 || count == rank ? count : -1;
}

static sl_status add_input(struct einsum *e, const sl_tensor *t, size_t input, const char *text,
                           size_t nbytes, sl_error *err) {
    uint8_t labels[SL_MAX_RANK];
    char shown[RULE_TEXT];
    int64_t step = 1;
    if (read_term(text, nbytes, t->rank, 0, labels) < 0)
        return error_set(err, SL_E_MODEL, "term '%.*s' of the equation does not fit input %zu, %s",
                         (int)(nbytes < 40 ? nbytes : 40), text, input, rule_text(shown, t));
    for (int d = 0; d < t->rank; d++) {
        uint8_t label = labels[d];
        if (!e->uses[label]++) {
            e->order[e->label_count++] = label;
            e->size[label] = t->dims[d];
        } else if (e->size[label] == 1) {
            e->size[label] = t->dims[d];
        } else if (t->dims[d] != e->size[label] && t->dims[d] != 1) {
            return error_set(err, SL_E_MODEL, "dim %d of input %zu is %lld, but was %lld before", d, input,
                             (long long)t->dims[d], (long long)e->size[label]);
        }
    }
    for (int d = t->rank - 1; d >= 0; d--) {
        e->stride[input][labels[d]] += t->dims[d] == 1 ? 0 : step;
        step *= t->dims[d];
    }
    return SL_OK;
}

/* Without "->": the dims of "...", then the letters that appear once, in the order of ASCII. */
static sl_status imply_output(struct einsum *e, sl_error *err) {
    for (int k = SL_MAX_RANK - 1; k >= 0; k--)
        if (e->uses[EINSUM_ELLIPSIS + k])
            e->out[e->out_rank++] = (uint8_t)(EINSUM_ELLIPSIS + k);
    for (int label = 0; label < EINSUM_ELLIPSIS; label++) {
        if (e->uses[label] != 1)
            continue;
        if (e->out_rank == SL_MAX_RANK)
            return error_set(err, SL_E_MODEL, "the result would have more than %d dims", SL_MAX_RANK);
        e->out[e->out_rank++] = (uint8_t)label;
    }
    return SL_OK;
}

static sl_status name_output(struct einsum *e, const char *text, size_t nbytes, sl_error *err) {
    int hidden = 0;
    while (hidden < SL_MAX_RANK && e->uses[EINSUM_ELLIPSIS + hidden])
        hidden++;
    e->out_rank = read_term(text, nbytes, -1, hidden, e->out);
    bool seen[EINSUM_LABELS] = {false};
    for (int d = 0; d < e->out_rank; d++) {
        if (!e->uses[e->out[d]] || seen[e->out[d]])
            e->out_rank = -1;
        else
            seen[e->out[d]] = true;
    }
    if (e->out_rank < 0)
        return error_set(err, SL_E_MODEL, "the equation's right-hand side does not follow from the left");
    return SL_OK;
}

static const char *find_arrow(const char *text, size_t nbytes) {
    for (size_t i = 0; i + 1 < nbytes; i++)
        if (text[i] == '-' && text[i + 1] == '>')
            return text + i;
    return NULL;
}

sl_status einsum_read(const struct op_call *call, struct einsum *e, sl_error *err) {
    const struct attr *attr = op_attr(call, "equation");
    memset(e, 0, sizeof *e);
    if (!attr || attr->type != ATTR_STRING)
        return error_set(err, SL_E_MODEL, "attribute 'equation' is missing");
    const char *text = attr->s.data, *end = text + attr->s.nbytes, *arrow = find_arrow(text, attr->s.nbytes);
    const char *left_end = arrow ? arrow : end;
    sl_status st = SL_OK;
    size_t input = 0;
    for (const char *at = text; st == SL_OK && at <= left_end; input++) {
        const char *comma = at;
        while (comma < left_end && *comma != ',')
            comma++;
        if (input >= call->in_count)
            return error_set(err, SL_E_MODEL, "the equation has more terms than the %zu inputs",
                             call->in_count);
        st = add_input(e, call->in[input], input, at, (size_t)(comma - at), err);
        at = comma + 1;
    }
    if (st == SL_OK && input != call->in_count)
        st = error_set(err, SL_E_MODEL, "the equation has %zu terms for %zu inputs", input, call->in_count);
    if (st == SL_OK)
        st = arrow ? name_output(e, arrow + 2, (size_t)(end - arrow - 2), err) : imply_output(e, err);
    for (int i = 0; st == SL_OK && i < e->label_count; i++)
        if (!memchr(e->out, e->order[i], (size_t)e->out_rank))
            e->sum[e->sum_count++] = e->order[i];
    return st;
}

static sl_status infer(const struct op_call *call, sl_error *err) {
    struct einsum e;
    sl_status st = SL_OK;
    if (call->in_count > EINSUM_MOST_INPUTS)
        return error_set(err, SL_E_MODEL, "%zu inputs are more than the %d we take", call->in_count,
                         EINSUM_MOST_INPUTS);
    for (size_t i = 0; st == SL_OK && i < call->in_count; i++) {
        st = rule_dtype(call, i, OPS_NUMBERS, err);
        if (st == SL_OK)
            st = rule_same_dtype(call, 0, i, err);
    }
    if (st == SL_OK)
        st = einsum_read(call, &e, err);
    if (st != SL_OK)
        return st;
    int64_t dims[SL_MAX_RANK], positions = 1;
    for (int d = 0; d < e.out_rank; d++)
        dims[d] = e.size[e.out[d]];
    for (int i = 0; i < e.label_count; i++)
        if (__builtin_mul_overflow(positions, e.size[e.order[i]], &positions))
            return error_set(err, SL_E_MODEL, "the equation has too many positions");
    rule_set(call->out[0], call->in[0]->dtype, e.out_rank, dims);
    return SL_OK;
}

/* One step of the odometer over `count` labels; false when it is back at its start. */
static bool step(const struct einsum *e, const uint8_t *labels, int count, int64_t *at, int64_t *from,
                 size_t inputs) {
    for (int i = count - 1; i >= 0; i--) {
        int64_t size = e->size[labels[i]];
        bool carry = ++at[i] == size;
        for (size_t k = 0; k < inputs; k++)
            from[k] += e->stride[k][labels[i]] * (carry ? 1 - size : 1);
        if (!carry)
            return true;
        at[i] = 0;
    }
    return false;
}

OPS_INLINE void sum_real(sl_dtype dtype, const struct op_call *call, const struct einsum *e, int64_t *from,
                         int64_t y) {
    int64_t at[EINSUM_MOST_SUMS] = {0};
    double sum = 0;
    do {
        double product = element_real(dtype, call->in[0]->data, from[0]);
        for (size_t k = 1; k < call->in_count; k++)
            product *= element_real(dtype, call->in[k]->data, from[k]);
        sum += product;
    } while (step(e, e->sum, e->sum_count, at, from, call->in_count));
    element_set_real(dtype, call->out[0]->data, y, sum);
}

static void sum_whole(const struct op_call *call, const struct einsum *e, int64_t *from, int64_t y) {
    int64_t at[EINSUM_MOST_SUMS] = {0};
    sl_dtype dtype = call->out[0]->dtype;
    uint64_t sum = 0;
    do {
        uint64_t product = 1;
        for (size_t k = 0; k < call->in_count; k++)
            product *= (uint64_t)element_index(dtype, call->in[k]->data, from[k]);
        sum += product;
    } while (step(e, e->sum, e->sum_count, at, from, call->in_count));
    element_set_unsigned(dtype, call->out[0]->data, y, sum);
}

static void run(const struct op_call *call) {
    struct einsum e;
    int64_t at[SL_MAX_RANK] = {0}, from[EINSUM_MOST_INPUTS] = {0};
    sl_tensor *y = call->out[0];
    int64_t count = rule_count(y), sums = 1;
    if (einsum_read(call, &e, NULL) != SL_OK || !count)
        return;
    for (int i = 0; i < e.sum_count; i++)
        sums *= e.size[e.sum[i]];
    if (!sums) {
        memset(y->data, 0, rule_nbytes(y));
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        if (element_kind(y->dtype) != ELEMENT_REAL)
            sum_whole(call, &e, from, i);
        ELEMENT_DISPATCH_REAL(y->dtype, sum_real, call, &e, from, i);
        step(&e, e.out, e.out_rank, at, from, call->in_count);
    }
}

const struct op op_einsum = {.domain = "",
                             .name = "Einsum",
                             .since = 12,
                             .min_in = 1,
                             .max_in = -1,
                             .min_out = 1,
                             .max_out = 1,
                             .attrs = "equation",
                             .infer = infer,
                             .run = run};
