/* format_jsonl.c: one JSON object a line, a member for each result. */
#include <math.h>
#include <string.h>

#include "output/format.h"
#include "support/json.h"
#include "support/number.h"

static int64_t count_of(const sl_value *value) {
    int64_t count = 0;
    return sl_shape_count(value->tensor.rank, value->tensor.dims, &count) ? count : 0;
}

static size_t line_nbytes(const struct result *results, size_t count) {
    size_t nbytes = 8;
    for (size_t i = 0; i < count; i++) {
        /* an escaped byte takes six; a ranked entry has two keys */
        size_t each =
            NUMBER_MAX_CHARS + 4 + (results[i].spec->labels ? 6 * format_longest_label(results[i].spec) : 0);
        if (results[i].spec->kind == SL_KIND_RANKED)
            each += NUMBER_MAX_CHARS + 32;
        nbytes +=
            6 * strlen(results[i].name) + 8 + 2 * SL_MAX_RANK + each * (size_t)count_of(&results[i].value);
    }
    return nbytes > FORMAT_REJECT_NBYTES ? nbytes : FORMAT_REJECT_NBYTES;
}

static void put_class(struct buf *out, const sl_spec *spec, int64_t index) {
    char text[NUMBER_MAX_CHARS];
    const char *label = format_label(spec, index);
    if (label)
        json_put_string(out, label, strlen(label));
    else
        buf_append(out, text, number_write_i64(text, index));
}

static void put_ranked(struct buf *out, const struct result *r) {
    char text[NUMBER_MAX_CHARS];
    const sl_ranked *ranked = r->value.tensor.data;
    buf_putc(out, '[');
    for (int64_t i = 0; i < r->value.tensor.dims[0]; i++) {
        buf_append(out, i ? ", {\"label\": " : "{\"label\": ", i ? 12 : 10);
        put_class(out, r->spec, ranked[i].index);
        buf_append(out, ", \"score\": ", 11);
        if (isfinite(ranked[i].score))
            buf_append(out, text, number_write_f32(text, ranked[i].score));
        else
            buf_append(out, "null", 4);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

static void put_element(struct buf *out, const struct result *r, int64_t i) {
    char text[NUMBER_MAX_CHARS];
    if (r->spec->labels)
        put_class(out, r->spec, format_class(&r->value.tensor, i));
    else if (r->value.tensor.dtype == SL_BOOL)
        buf_puts(out, format_class(&r->value.tensor, i) ? "true" : "false");
    else
        buf_append(out, text, format_element(text, &r->value.tensor, i, "null"));
}

/* Nested arrays, as the shape has it. Returns the next element. */
static int64_t put_array(struct buf *out, const struct result *r, int dim, int64_t i) {
    const sl_tensor *t = &r->value.tensor;
    if (dim == t->rank) {
        put_element(out, r, i);
        return i + 1;
    }
    buf_putc(out, '[');
    for (int64_t k = 0; k < t->dims[dim]; k++) {
        if (k)
            buf_append(out, ", ", 2);
        i = put_array(out, r, dim + 1, i);
    }
    buf_putc(out, ']');
    return i;
}

static void line(struct buf *out, const struct result *results, size_t count) {
    buf_putc(out, '{');
    for (size_t i = 0; i < count; i++) {
        const struct result *r = &results[i];
        if (i)
            buf_append(out, ", ", 2);
        json_put_string(out, r->name, strlen(r->name));
        buf_append(out, ": ", 2);
        if (r->spec->kind == SL_KIND_RANKED)
            put_ranked(out, r);
        else if (count_of(&r->value) == 1)
            put_element(out, r, 0);
        else
            put_array(out, r, 0, 0);
    }
    buf_append(out, "}\n", 2);
}

/* The whole reason is in rejects.jsonl. */
static void reject(struct buf *out, const struct row_reject *why) {
    size_t n = strlen(why->reason);
    buf_append(out, "{\"error\": ", 10);
    json_put_string(out, why->reason, n < 200 ? n : 200);
    buf_append(out, "}\n", 2);
}

static const char *const accepts[] = {"application/jsonlines", "application/jsonl", "application/x-ndjson",
                                      "application/json", NULL};

const struct format_ops format_jsonl = {
    .name = "jsonlines", .accepts = accepts, .line_nbytes = line_nbytes, .line = line, .reject = reject};
