/* format.h: results into lines. One const struct each in format_table. */
#ifndef OUTPUT_FORMAT_H
#define OUTPUT_FORMAT_H

#include "feed/slot.h"
#include "output/output.h"
#include "sluice/transform.h"
#include "support/buf.h"

/* One result of a row: what it is called, what it is, and its value. */
struct result {
    const char *name;
    const sl_spec *spec;
    sl_value value;
};

struct format_ops {
    const char *name;
    const char *const *accepts; /* {"text/csv", NULL} */
    /* The most bytes a line or a placeholder can have, '\n' included. Only names and specs are looked at. */
    size_t (*line_nbytes)(const struct result *results, size_t count);
    /* Appends one line to a fixed buf of line_nbytes. What does not fit all the same leaves it `failed`. */
    void (*line)(struct buf *out, const struct result *results, size_t count);
    /* The placeholder of a rejected row; always fits. */
    void (*reject)(struct buf *out, const struct row_reject *reject, const struct result *results,
                   size_t count);
    /* Whether such results can be written; NULL: any. SL_E_MODEL. */
    sl_status (*check)(const struct result *results, size_t count, sl_error *err);
    /* What stands around the lines; NULL: nothing. */
    void (*frame)(struct output_frame *frame, const struct result *results);
};

extern const struct format_ops format_csv, format_json, format_jsonl, format_npy;
extern const struct format_ops *const format_table[];

/* By --accept, parameters after ';' ignored; NULL when nobody writes it. */
const struct format_ops *format_by_accept(const char *accept);

/* ---- shared by the formats ---- */

size_t format_count(const sl_value *value);              /* elements, or pairs of a ranked value */
size_t format_most(const sl_spec *spec);                 /* the most there can be */
size_t format_number_nbytes(sl_dtype dtype);             /* the longest text of one element */
size_t format_label_nbytes(const sl_spec *spec);         /* the longest label; 0 without labels */
int64_t format_class(const sl_tensor *tensor, size_t i); /* element of an integer tensor */
/* Labels name the columns of a result of numbers, not the classes that its numbers are. */
bool format_has_columns(const sl_spec *spec);
/* The label of class `index`, or NULL when the spec has none for it. */
const char *format_label(const sl_spec *spec, int64_t index);
/* Elements [first, first + count) with `between` between them; what is not finite as `nonfinite` unless that
 * is NULL. */
void format_numbers(struct buf *out, const sl_tensor *tensor, size_t first, size_t count, const char *between,
                    const char *nonfinite);
void format_i64(struct buf *out, int64_t x);
void format_f32(struct buf *out, float x, const char *nonfinite);

#endif
