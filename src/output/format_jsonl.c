/* format_jsonl.c: one JSON object a line, a member for each result: a number when the result is one number,
 * nested arrays as its shape has them, [{"label": ..., "score": ...}, ...] when it is ranked, as {"label":
 * ..., ...} when its columns have names. JSON has no nan and no inf: both are null. */
#include <string.h>

#include "output/format.h"
#include "support/json.h"
#include "support/number.h"

#define ESCAPED 6 /* a byte as \u00XX */
#define PLACEHOLDER_NBYTES (16 + ESCAPED * sizeof(((struct row_reject *)0)->code))
#define LINE_LEAST 320 /* so that most reasons fit into the placeholder */

/* Brackets and separators around the elements of a shape. */
static size_t frame_nbytes(const sl_spec *spec) {
    size_t arrays = 1, nbytes = 0;
    for (int d = 0; d < spec->rank; d++) {
        nbytes += 4 * arrays;
        /* where a dim varies there is no saying; few have more arrays than numbers */
        arrays = spec->dims[d] < 0 ? format_most(spec) + 1 : arrays * (size_t)spec->dims[d];
    }
    return nbytes;
}

static size_t result_nbytes(const struct result *r) {
    const sl_spec *spec = r->spec;
    bool ranked = spec->kind == SL_KIND_RANKED;
    size_t number = format_number_nbytes(ranked ? SL_INT32 : spec->dtype);
    size_t label = spec->labels ? 2 + ESCAPED * format_label_nbytes(spec) : 0;
    if (!ranked && spec->dtype == SL_STRING)
        label = 2 + ESCAPED * spec->text_nbytes;
    size_t each = 2 + (label > number ? label : number);
    if (format_has_columns(spec))
        each = number + label + 4;
    if (ranked)
        each += strlen("{\"label\": , \"score\": }") + format_number_nbytes(SL_FLOAT);
    return ESCAPED * strlen(r->name) + 6 + frame_nbytes(spec) + each * format_most(spec);
}

static size_t line_nbytes(const struct result *results, size_t count) {
    size_t nbytes = NUMBER_MAX_CHARS + 4;
    for (size_t i = 0; i < count; i++)
        nbytes += result_nbytes(&results[i]);
    return nbytes > LINE_LEAST ? nbytes : LINE_LEAST;
}

static void put_class(struct buf *out, const sl_spec *spec, int64_t index) {
    const char *label = format_label(spec, index);
    if (label)
        json_put_string(out, label, strlen(label));
    else
        format_i64(out, index);
}

static void put_ranked(struct buf *out, const struct result *r) {
    const sl_ranked *ranked = r->value.tensor.data;
    size_t count = format_count(&r->value);
    buf_putc(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, i ? ", {\"label\": " : "{\"label\": ");
        put_class(out, r->spec, ranked[i].index);
        buf_puts(out, ", \"score\": ");
        format_f32(out, ranked[i].score, "null");
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

static void put_elements(struct buf *out, const struct result *r, size_t first, size_t count) {
    const sl_tensor *t = &r->value.tensor;
    if (t->dtype == SL_STRING) {
        const sl_string *texts = t->data;
        for (size_t i = first; i < first + count; i++) {
            if (i > first)
                buf_append(out, ", ", 2);
            json_put_string(out, texts[i].nbytes ? texts[i].data : "", texts[i].nbytes);
        }
        return;
    }
    if ((!r->spec->labels || format_has_columns(r->spec)) && t->dtype != SL_BOOL) {
        format_numbers(out, t, first, count, ", ", "null");
        return;
    }
    for (size_t i = first; i < first + count; i++) {
        if (i > first)
            buf_append(out, ", ", 2);
        if (r->spec->labels)
            put_class(out, r->spec, format_class(t, i));
        else
            buf_puts(out, format_class(t, i) ? "true" : "false");
    }
}

/* {"yes": 0.9, "no": 0.1}: the columns by their names. */
static void put_columns(struct buf *out, const struct result *r) {
    buf_putc(out, '{');
    for (size_t i = 0; i < r->spec->label_count; i++) {
        if (i)
            buf_append(out, ", ", 2);
        json_put_string(out, r->spec->labels[i], strlen(r->spec->labels[i]));
        buf_append(out, ": ", 2);
        put_elements(out, r, i, 1);
    }
    buf_putc(out, '}');
}

/* Nested arrays, as the shape has it. Returns the next element. */
static size_t put_array(struct buf *out, const struct result *r, int dim, size_t i) {
    const sl_tensor *t = &r->value.tensor;
    size_t count = (size_t)t->dims[dim];
    buf_putc(out, '[');
    if (dim == t->rank - 1) {
        put_elements(out, r, i, count);
        i += count;
    } else {
        for (size_t k = 0; k < count; k++) {
            if (k)
                buf_append(out, ", ", 2);
            i = put_array(out, r, dim + 1, i);
        }
    }
    buf_putc(out, ']');
    return i;
}

/* A shape of one element that is always one is a bare number, whatever its rank. */
static bool is_single(const struct result *r) {
    for (int d = 0; d < r->spec->rank; d++)
        if (r->spec->dims[d] != 1)
            return false;
    return true;
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
        else if (format_has_columns(r->spec) && format_count(&r->value) == r->spec->label_count)
            put_columns(out, r);
        else if (is_single(r))
            put_elements(out, r, 0, 1);
        else
            put_array(out, r, 0, 0);
    }
    buf_append(out, "}\n", 2);
}

static void put_error(struct buf *out, const char *text) {
    buf_append(out, "{\"error\": ", 10);
    json_put_string(out, text, strlen(text));
    buf_append(out, "}\n", 2);
}

/* The reason; its code where the reason is too long when escaped (rejects.jsonl has it whole). */
static void reject(struct buf *out, const struct row_reject *why, const struct result *results,
                   size_t count) {
    (void)results;
    (void)count;
    _Static_assert(PLACEHOLDER_NBYTES <= LINE_LEAST, "a code always fits");
    put_error(out, why->reason);
    if (!out->failed)
        return;
    buf_reset(out);
    put_error(out, why->code);
}

static const char *const accepts[] = {"application/jsonlines", "application/jsonl", "application/x-ndjson",
                                      NULL};

const struct format_ops format_jsonl = {
    .name = "jsonlines", .accepts = accepts, .line_nbytes = line_nbytes, .line = line, .reject = reject};

/* ---- the same as one document: an array, still a record a line
 * -------------------------------------------------------------------------------------------------- */

static void frame(struct output_frame *f, const struct result *results) {
    (void)results;
    f->begin[0] = '[';
    f->begin_nbytes = 1;
    f->between = ",";
    f->end = "]\n";
}

static const char *const json_accepts[] = {"application/json", NULL};

const struct format_ops format_json = {.name = "json",
                                       .accepts = json_accepts,
                                       .frame = frame,
                                       .line_nbytes = line_nbytes,
                                       .line = line,
                                       .reject = reject};
