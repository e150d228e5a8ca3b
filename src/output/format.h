/* format.h: results into lines. One const struct each in format_table. */
#ifndef OUTPUT_FORMAT_H
#define OUTPUT_FORMAT_H

#include "feed/slot.h"
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
    /* The most bytes a line can have, '\n' included. */
    size_t (*line_nbytes)(const struct result *results, size_t count);
    /* Appends one line. The buf is fixed and large enough. */
    void (*line)(struct buf *out, const struct result *results, size_t count);
    /* The placeholder of a rejected row. */
    void (*reject)(struct buf *out, const struct row_reject *reject);
};

#define FORMAT_REJECT_NBYTES 512 /* a placeholder is never longer */

extern const struct format_ops format_csv, format_jsonl;
extern const struct format_ops *const format_table[];

/* By --accept; NULL when nobody writes it. */
const struct format_ops *format_by_accept(const char *accept);

/* Shared by the formats: element i of a tensor as text; class labels as they are. Bytes written. */
size_t format_element(char *out, const sl_tensor *tensor, int64_t i, const char *nonfinite);
/* The label of class `index`, or NULL when the spec has none for it. */
const char *format_label(const sl_spec *spec, int64_t index);
int64_t format_class(const sl_tensor *tensor, int64_t i); /* of an integer tensor */
size_t format_longest_label(const sl_spec *spec);

#endif
