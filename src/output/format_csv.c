/* format_csv.c: every number of every result, comma separated; a ranked result as label,score,label,score. */
#include <string.h>

#include "output/format.h"
#include "support/number.h"

static int64_t count_of(const sl_value *value) {
    int64_t count = 0;
    return sl_shape_count(value->tensor.rank, value->tensor.dims, &count) ? count : 0;
}

static size_t line_nbytes(const struct result *results, size_t count) {
    size_t nbytes = 1;
    for (size_t i = 0; i < count; i++) {
        /* a quoted label may double every byte */
        size_t each = 1 + NUMBER_MAX_CHARS;
        if (results[i].spec->labels)
            each += 2 + 2 * format_longest_label(results[i].spec);
        if (results[i].spec->kind == SL_KIND_RANKED)
            each += 1 + NUMBER_MAX_CHARS;
        nbytes += each * (size_t)count_of(&results[i].value);
    }
    return nbytes < FORMAT_REJECT_NBYTES / 64 ? FORMAT_REJECT_NBYTES / 64 : nbytes;
}

/* RFC 4180: quoted when it holds a comma, a quote or a line end. */
static void put_label(struct buf *out, const char *label) {
    if (!strpbrk(label, ",\"\r\n")) {
        buf_append(out, label, strlen(label));
        return;
    }
    buf_putc(out, '"');
    for (; *label; label++) {
        if (*label == '"')
            buf_putc(out, '"');
        buf_putc(out, *label);
    }
    buf_putc(out, '"');
}

static void put_class(struct buf *out, const sl_spec *spec, int64_t index) {
    char text[NUMBER_MAX_CHARS];
    const char *label = format_label(spec, index);
    if (label)
        put_label(out, label);
    else
        buf_append(out, text, number_write_i64(text, index));
}

static void put_result(struct buf *out, const struct result *r) {
    char text[NUMBER_MAX_CHARS];
    int64_t count = count_of(&r->value);
    for (int64_t i = 0; i < count; i++) {
        if (i)
            buf_putc(out, ',');
        if (r->spec->kind == SL_KIND_RANKED) {
            const sl_ranked *ranked = r->value.tensor.data;
            put_class(out, r->spec, ranked[i].index);
            buf_putc(out, ',');
            buf_append(out, text, number_write_f32(text, ranked[i].score));
        } else if (r->spec->labels) {
            put_class(out, r->spec, format_class(&r->value.tensor, i));
        } else {
            buf_append(out, text, format_element(text, &r->value.tensor, i, NULL));
        }
    }
}

static void line(struct buf *out, const struct result *results, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_putc(out, ',');
        put_result(out, &results[i]);
    }
    buf_putc(out, '\n');
}

static void reject(struct buf *out, const struct row_reject *why) {
    (void)why; /* rejects.jsonl has it; SageMaker's placeholder is one word */
    buf_append(out, "ERROR\n", 6);
}

static const char *const accepts[] = {"text/csv", NULL};

const struct format_ops format_csv = {
    .name = "csv", .accepts = accepts, .line_nbytes = line_nbytes, .line = line, .reject = reject};
