/* format_csv.c: every number of every result, comma separated; a ranked result as label,score,label,score. */
#include <string.h>

#include "output/format.h"
#include "support/number.h"

static const char placeholder[] =
    "ERROR\n"; /* one word, as SageMaker suggests; rejects.jsonl has the reason */

static size_t line_nbytes(const struct result *results, size_t count) {
    size_t nbytes = NUMBER_MAX_CHARS + sizeof placeholder; /* room for the number writer at the end */
    for (size_t i = 0; i < count; i++) {
        const sl_spec *spec = results[i].spec;
        bool ranked = spec->kind == SL_KIND_RANKED;
        size_t number = format_number_nbytes(ranked ? SL_INT32 : spec->dtype);
        /* a quoted label may double every byte; a class without a label is its number */
        size_t label = spec->labels && !format_has_columns(spec) ? 2 + 2 * format_label_nbytes(spec) : 0;
        if (!ranked && spec->dtype == SL_STRING)
            label = 2 + 2 * spec->text_nbytes;
        size_t each = 1 + (label > number ? label : number);
        nbytes += (each + (ranked ? 1 + format_number_nbytes(SL_FLOAT) : 0)) * format_most(spec);
    }
    return nbytes;
}

/* RFC 4180: quoted when it holds a comma, a quote or a line end; and when it is empty, lest the line be
 * blank. */
static void put_text(struct buf *out, const char *text, size_t nbytes) {
    bool plain = nbytes > 0;
    for (size_t i = 0; plain && i < nbytes; i++)
        plain = text[i] != ',' && text[i] != '"' && text[i] != '\r' && text[i] != '\n';
    if (plain) {
        buf_append(out, text, nbytes);
        return;
    }
    buf_putc(out, '"');
    for (size_t i = 0; i < nbytes; i++) {
        if (text[i] == '"')
            buf_putc(out, '"');
        buf_putc(out, text[i]);
    }
    buf_putc(out, '"');
}

static void put_class(struct buf *out, const sl_spec *spec, int64_t index) {
    const char *label = format_label(spec, index);
    if (label)
        put_text(out, label, strlen(label));
    else
        format_i64(out, index);
}

static void put_result(struct buf *out, const struct result *r) {
    const sl_ranked *ranked = r->spec->kind == SL_KIND_RANKED ? r->value.tensor.data : NULL;
    size_t count = format_count(&r->value);
    if (!ranked && r->spec->dtype == SL_STRING) {
        const sl_string *texts = r->value.tensor.data;
        for (size_t i = 0; i < count; i++) {
            if (i)
                buf_putc(out, ',');
            put_text(out, texts[i].data, texts[i].nbytes);
        }
        return;
    }
    if (!ranked && (!r->spec->labels || format_has_columns(r->spec))) {
        format_numbers(out, &r->value.tensor, 0, count, ",", NULL);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_putc(out, ',');
        put_class(out, r->spec, ranked ? ranked[i].index : format_class(&r->value.tensor, i));
        if (ranked) {
            buf_putc(out, ',');
            format_f32(out, ranked[i].score, NULL);
        }
    }
}

/* An empty result is "", lest the line be blank. */
static void line(struct buf *out, const struct result *results, size_t count) {
    size_t before = out->size;
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_putc(out, ',');
        put_result(out, &results[i]);
    }
    if (out->size == before)
        buf_puts(out, "\"\"");
    buf_putc(out, '\n');
}

static void reject(struct buf *out, const struct row_reject *why, const struct result *results,
                   size_t count) {
    (void)results;
    (void)count;
    (void)why;
    buf_append(out, placeholder, sizeof placeholder - 1);
}

static const char *const accepts[] = {"text/csv", NULL};

const struct format_ops format_csv = {
    .name = "csv", .accepts = accepts, .line_nbytes = line_nbytes, .line = line, .reject = reject};
