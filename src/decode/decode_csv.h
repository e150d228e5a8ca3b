/* decode_csv.h: the fields of one CSV row that is already cut.
 *
 * Two ways through a row, and a test holds them equal: numbers scanned where they stand, for rows without
 * quotes; and a split into texts (by libcsv in strict mode where there are quotes), which also finds the
 * words for a reject. Numbers stand alone in their field: no blanks around them. */
#ifndef DECODE_DECODE_CSV_H
#define DECODE_DECODE_CSV_H

#include <stdbool.h>
#include <stdint.h>

#include "decode/chain.h"
#include "sluice/transform.h"

#define CSV_MAX_FIELDS 65536u
#define CSV_MAX_FIELD_NBYTES ((size_t)1 << 20)

/* One field: where its text begins in `base`. */
struct csv_span {
    uint32_t start, nbytes;
};

/* One worker's. */
struct csv_reader {
    char delimiter, quote;
    bool nonfinite;    /* nan and inf are numbers */
    bool empty_is_nan; /* where numbers are wanted */
    size_t max_row_nbytes;
    char *entry;             /* CSV_MAX_FIELD_NBYTES: where libcsv puts a field together */
    char *text;              /* max_row_nbytes: the fields of a row with quotes, one after the other */
    struct csv_span *fields; /* CSV_MAX_FIELDS */
    /* of the row that was split last; chains that follow on the same record find it split (is_split). Whoever
     * begins a record clears that: its bytes may stand where another's stood. */
    bool is_split;
    sl_slice row;
    const char *base;
    uint32_t field_count;
    size_t text_nbytes;
    const char *fault; /* why a row could not be split, static */
    const char *fault_code;
};

/* SL_E_MEMORY when there is no memory. Rows are at most max_row_nbytes long. */
sl_status csv_reader_open(struct csv_reader *csv, const struct chain_options *options, size_t max_row_nbytes,
                          sl_error *err);
void csv_reader_close(struct csv_reader *csv);

/* The columns, in the order asked for, as floats. `expected`: fields the row must have, 0 for any. SL_OK, or
 * the record is rejected. */
sl_status csv_read_floats(sl_ctx *ctx, sl_slice row, size_t expected, const uint32_t *columns, size_t count,
                          float *out);
/* All fields, which must be `count`. */
sl_status csv_read_all_floats(sl_ctx *ctx, sl_slice row, size_t count, float *out);
/* The columns (NULL: all) as SL_INT64, SL_INT32 or SL_DOUBLE, exactly. */
sl_status csv_read_numbers(sl_ctx *ctx, sl_slice row, size_t expected, const uint32_t *columns, size_t count,
                           sl_dtype dtype, void *out);
/* The columns (NULL: all) as texts, quotes undone; they live until the reader's next call. */
sl_status csv_read_texts(sl_ctx *ctx, sl_slice row, size_t expected, const uint32_t *columns, size_t count,
                         sl_string *out);
/* One field as text, quotes undone; lives until the reader's next call. */
sl_status csv_read_field(sl_ctx *ctx, sl_slice row, uint32_t column, sl_slice *field);

/* The two ways, for the test that holds them equal. Columns NULL means all. The fast way answers false for
 * any row it cannot do or that must be rejected. */
bool csv_fast_floats(const struct csv_reader *csv, sl_slice row, size_t expected, const uint32_t *columns,
                     size_t count, float *out);
sl_status csv_slow_floats(sl_ctx *ctx, sl_slice row, size_t expected, const uint32_t *columns, size_t count,
                          float *out);

#endif
