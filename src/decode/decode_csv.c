/* decode_csv.c: a CSV row's fields as floats. See decode_csv.h for the two ways and why. */
#include "decode/decode_csv.h"

#include <csv.h>
#include <math.h>
#include <string.h>

#include "decode/chain_steps.h"
#include "decode/worker_ctx.h"
#include "support/mem.h"
#include "support/number.h"
#include "support/text.h"

#define SHOWN_NBYTES 40 /* of a field's text in a reject */

sl_status csv_reader_open(struct csv_reader *csv, const struct chain_options *options, size_t max_row_nbytes,
                          sl_error *err) {
    *csv = (struct csv_reader){.delimiter = options->csv_delimiter ? options->csv_delimiter : ',',
                               .quote = options->csv_quote ? options->csv_quote : '"',
                               .nonfinite = options->csv_nonfinite,
                               .empty_is_nan = options->csv_empty_is_nan,
                               .max_row_nbytes = max_row_nbytes};
    csv->entry = mem_map(CSV_MAX_FIELD_NBYTES);
    csv->text = mem_map(max_row_nbytes + 1);
    csv->fields = mem_map(CSV_MAX_FIELDS * sizeof *csv->fields);
    if (csv->entry && csv->text && csv->fields)
        return SL_OK;
    csv_reader_close(csv);
    return error_set(err, SL_E_MEMORY, "cannot reserve room for CSV rows: out of memory");
}

void csv_reader_close(struct csv_reader *csv) {
    if (csv->entry)
        mem_unmap(csv->entry, CSV_MAX_FIELD_NBYTES);
    if (csv->text)
        mem_unmap(csv->text, csv->max_row_nbytes + 1);
    if (csv->fields)
        mem_unmap(csv->fields, CSV_MAX_FIELDS * sizeof *csv->fields);
    *csv = (struct csv_reader){.entry = NULL};
}

/* --- the fast way: numbers scanned where they stand --- */

static bool scan_all(const char *p, const char *end, char delimiter, size_t count, float *out) {
    return number_scan_list_f32(&p, end, delimiter, false, out, count) == count && p == end;
}

/* The byte after the next delimiter, or NULL when the row ends before. */
static const char *next_field(const char *p, const char *end, char delimiter) {
    p = memchr(p, delimiter, (size_t)(end - p));
    return p ? p + 1 : NULL;
}

/* Columns must ascend; anything else goes the slow way. */
static bool scan_some(const char *p, const char *end, char delimiter, char quote, size_t expected,
                      const uint32_t *columns, size_t count, float *out) {
    size_t field = 0; /* the one that begins at p, while p is not NULL */
    if (memchr(p, quote, (size_t)(end - p)))
        return false;
    for (size_t i = 0; i < count; i++) {
        for (; p && field < columns[i]; field++)
            p = next_field(p, end, delimiter);
        if (!p || field != columns[i])
            return false;
        p = number_scan_f32(p, end, &out[i]);
        if (!p || (p != end && *p != delimiter))
            return false;
        p = p == end ? NULL : p + 1;
        field++;
    }
    if (!expected)
        return true;
    for (; p; field++)
        p = next_field(p, end, delimiter);
    return field == expected;
}

bool csv_fast_floats(const struct csv_reader *csv, sl_slice row, size_t expected, const uint32_t *columns,
                     size_t count, float *out) {
    if (row.nbytes == 0)
        return false;
    const char *end = row.data + row.nbytes;
    if (!columns)
        return scan_all(row.data, end, csv->delimiter, count, out);
    return scan_some(row.data, end, csv->delimiter, csv->quote, expected, columns, count, out);
}

/* --- the slow way: a split into texts --- */

static bool too_many(struct csv_reader *csv) {
    csv->fault_code = "too-many-fields";
    csv->fault = "row has more than 65536 fields";
    return false;
}

static bool split_plain(struct csv_reader *csv, sl_slice row) {
    const char *p = row.data, *end = row.data + row.nbytes;
    csv->base = row.data;
    for (;;) {
        const char *stop = row.nbytes ? memchr(p, csv->delimiter, (size_t)(end - p)) : NULL;
        if (csv->field_count == CSV_MAX_FIELDS)
            return too_many(csv);
        csv->fields[csv->field_count++] = (struct csv_span){.start = (uint32_t)(p - row.data),
                                                            .nbytes = (uint32_t)((stop ? stop : end) - p)};
        if (!stop)
            return true;
        p = stop + 1;
    }
}

/* libcsv must not trim, must not end the row early, and must not allocate: the row is already cut. */
static int never(unsigned char c) {
    (void)c;
    return 0;
}

static void *refuse(void *p, size_t nbytes) {
    (void)p;
    (void)nbytes;
    return NULL;
}

static void take_field(void *data, size_t nbytes, void *user) {
    struct csv_reader *csv = user;
    if (csv->field_count == CSV_MAX_FIELDS || nbytes > csv->max_row_nbytes - csv->text_nbytes) {
        too_many(csv);
        return;
    }
    csv->fields[csv->field_count++] =
        (struct csv_span){.start = (uint32_t)csv->text_nbytes, .nbytes = (uint32_t)nbytes};
    if (nbytes)
        memcpy(csv->text + csv->text_nbytes, data, nbytes);
    csv->text_nbytes += nbytes;
}

static bool split_quoted(struct csv_reader *csv, sl_slice row) {
    struct csv_parser parser;
    csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI);
    csv_set_delim(&parser, (unsigned char)csv->delimiter);
    csv_set_quote(&parser, (unsigned char)csv->quote);
    csv_set_space_func(&parser, never);
    csv_set_term_func(&parser, never);
    csv_set_realloc_func(&parser, refuse);
    /* The buffer is ours and is not freed through the parser: a field past it is an error of the row. */
    parser.entry_buf = (unsigned char *)csv->entry;
    parser.entry_size = CSV_MAX_FIELD_NBYTES;

    csv->base = csv->text;
    csv->text_nbytes = 0;
    size_t done = csv_parse(&parser, row.data, row.nbytes, take_field, NULL, csv);
    if (done == row.nbytes && csv_fini(&parser, take_field, NULL, csv) == 0)
        return csv->fault == NULL;
    if (csv_error(&parser) == CSV_ENOMEM) {
        csv->fault_code = "field-too-long";
        csv->fault = "row has a field of more than 1 MiB";
    } else {
        csv->fault_code = "bad-quotes";
        csv->fault = done == row.nbytes ? "row ends inside a quoted field"
                                        : "row has a quote where RFC 4180 allows none";
    }
    return false;
}

static sl_status split(sl_ctx *ctx, sl_slice row) {
    struct csv_reader *csv = &ctx->worker->csv;
    if (csv->is_split && csv->row.data == row.data && csv->row.nbytes == row.nbytes)
        return SL_OK;
    csv->is_split = false;
    csv->field_count = 0;
    csv->fault = csv->fault_code = NULL;
    if (row.nbytes > csv->max_row_nbytes)
        return reject_set(ctx, "decode", "row-too-long", "row has %zu bytes, at most %zu are allowed",
                          row.nbytes, csv->max_row_nbytes);
    bool quoted = row.nbytes && memchr(row.data, csv->quote, row.nbytes);
    if (quoted ? split_quoted(csv, row) : split_plain(csv, row)) {
        csv->is_split = true;
        csv->row = row;
        return SL_OK;
    }
    return reject_set(ctx, "decode", csv->fault_code, "%s", csv->fault);
}

static sl_slice field_text(const struct csv_reader *csv, uint32_t column) {
    struct csv_span span = csv->fields[column];
    return (sl_slice){.data = csv->base + span.start, .nbytes = span.nbytes};
}

/* "column 'age'", or "column 3" where there are no names. */
static void column_text(const sl_ctx *ctx, uint32_t column, char *text, size_t cap) {
    const sl_spec *source = &ctx->chain->source;
    struct buf b;
    buf_init_fixed(&b, text, cap);
    if (source->columns && column < source->column_count)
        buf_printf(&b, "column '%.60s'", text_quote(source->columns[column]));
    else
        buf_printf(&b, "column %u", (unsigned)column);
}

static sl_status reject_number(sl_ctx *ctx, uint32_t column, sl_slice text, enum number_error why) {
    char name[80];
    column_text(ctx, column, name, sizeof name);
    if (why == NUMBER_EMPTY)
        return reject_set(ctx, "decode", "missing-value", "%s is empty", name);
    size_t shown = text.nbytes < SHOWN_NBYTES ? text.nbytes : SHOWN_NBYTES;
    const char *more = shown < text.nbytes ? "..." : "";
    const char *quoted = text_quote_n(text.data, shown);
    if (why == NUMBER_NONFINITE)
        return reject_set(ctx, "decode", "not-finite", "%s: '%s%s' is not a finite number", name, quoted,
                          more);
    return reject_set(ctx, "decode", "not-a-number", "%s: '%s%s' is not a number", name, quoted, more);
}

static sl_status ragged(sl_ctx *ctx, size_t expected, const char *least) {
    size_t have = ctx->worker->csv.field_count;
    return reject_set(ctx, "decode", "ragged-row", "row has %zu field%s, expected %s%zu", have,
                      have == 1 ? "" : "s", least, expected);
}

sl_status csv_slow_floats(sl_ctx *ctx, sl_slice row, size_t expected, const uint32_t *columns, size_t count,
                          float *out) {
    struct csv_reader *csv = &ctx->worker->csv;
    sl_status status = split(ctx, row);
    if (status != SL_OK)
        return status;
    if (!columns)
        expected = count;
    if (expected && csv->field_count != expected)
        return ragged(ctx, expected, "");
    for (size_t i = 0; i < count; i++) {
        uint32_t column = columns ? columns[i] : (uint32_t)i;
        if (column >= csv->field_count)
            return ragged(ctx, (size_t)column + 1, "at least ");
        sl_slice text = field_text(csv, column);
        enum number_error why = number_read_f32(text.data, text.nbytes, csv->nonfinite, &out[i]);
        if (why == NUMBER_EMPTY && csv->empty_is_nan) {
            out[i] = NAN;
            continue;
        }
        if (why != NUMBER_OK)
            return reject_number(ctx, column, text, why);
    }
    return SL_OK;
}

/* --- what the host offers --- */

sl_status csv_read_floats(sl_ctx *ctx, sl_slice row, size_t expected, const uint32_t *columns, size_t count,
                          float *out) {
    const struct csv_reader *csv = &ctx->worker->csv;
    bool split_before = csv->is_split && csv->row.data == row.data &&
                        csv->row.nbytes == row.nbytes; /* then its fields are at hand */
    if (!split_before && csv_fast_floats(csv, row, expected, columns, count, out))
        return SL_OK;
    return csv_slow_floats(ctx, row, expected, columns, count, out);
}

sl_status csv_read_all_floats(sl_ctx *ctx, sl_slice row, size_t count, float *out) {
    return csv_read_floats(ctx, row, count, NULL, count, out);
}

/* A whole number, also as "3.0" or "1e3". */
static bool read_whole(sl_slice text, int64_t least, int64_t most, int64_t *x) {
    double real;
    if (number_read_i64(text.data, text.nbytes, x) != NUMBER_OK) {
        if (number_read_f64(text.data, text.nbytes, false, &real) != NUMBER_OK || real != trunc(real) ||
            fabs(real) > 0x1p53)
            return false;
        *x = (int64_t)real;
    }
    return *x >= least && *x <= most;
}

/* One field as a number of the dtype; false where it is none. */
static bool read_number(const struct csv_reader *csv, sl_slice text, sl_dtype dtype, size_t i, void *out) {
    int64_t whole = 0;
    if (dtype == SL_DOUBLE) {
        double *x = (double *)out + i;
        enum number_error why = number_read_f64(text.data, text.nbytes, csv->nonfinite, x);
        if (why == NUMBER_EMPTY && csv->empty_is_nan)
            *x = (double)NAN;
        return why == NUMBER_OK || (why == NUMBER_EMPTY && csv->empty_is_nan);
    }
    if (dtype == SL_INT64)
        return read_whole(text, INT64_MIN, INT64_MAX, (int64_t *)out + i);
    if (!read_whole(text, INT32_MIN, INT32_MAX, &whole))
        return false;
    ((int32_t *)out)[i] = (int32_t)whole;
    return true;
}

static sl_status reject_exact(sl_ctx *ctx, uint32_t column, sl_slice text, sl_dtype dtype) {
    char name[80];
    double real;
    enum number_error why = number_read_f64(text.data, text.nbytes, ctx->worker->csv.nonfinite, &real);
    if (why != NUMBER_OK)
        return reject_number(ctx, column, text, why);
    column_text(ctx, column, name, sizeof name);
    size_t shown = text.nbytes < SHOWN_NBYTES ? text.nbytes : SHOWN_NBYTES;
    return reject_set(ctx, "decode", "not-an-integer", "%s: '%s' is not a whole number that fits %s", name,
                      text_quote_n(text.data, shown), sl_dtype_name(dtype));
}

sl_status csv_read_numbers(sl_ctx *ctx, sl_slice row, size_t expected, const uint32_t *columns, size_t count,
                           sl_dtype dtype, void *out) {
    struct csv_reader *csv = &ctx->worker->csv;
    sl_status status = split(ctx, row);
    if (status != SL_OK)
        return status;
    if (!columns)
        expected = count;
    if (expected && csv->field_count != expected)
        return ragged(ctx, expected, "");
    for (size_t i = 0; i < count; i++) {
        uint32_t column = columns ? columns[i] : (uint32_t)i;
        if (column >= csv->field_count)
            return ragged(ctx, (size_t)column + 1, "at least ");
        if (!read_number(csv, field_text(csv, column), dtype, i, out))
            return reject_exact(ctx, column, field_text(csv, column), dtype);
    }
    return SL_OK;
}

sl_status csv_read_texts(sl_ctx *ctx, sl_slice row, size_t expected, const uint32_t *columns, size_t count,
                         sl_string *out) {
    struct csv_reader *csv = &ctx->worker->csv;
    sl_status status = split(ctx, row);
    if (status != SL_OK)
        return status;
    if (!columns)
        expected = count;
    if (expected && csv->field_count != expected)
        return ragged(ctx, expected, "");
    for (size_t i = 0; i < count; i++) {
        uint32_t column = columns ? columns[i] : (uint32_t)i;
        if (column >= csv->field_count)
            return ragged(ctx, (size_t)column + 1, "at least ");
        sl_slice text = field_text(csv, column);
        out[i] = (sl_string){text.data, text.nbytes};
    }
    return SL_OK;
}

sl_status csv_read_field(sl_ctx *ctx, sl_slice row, uint32_t column, sl_slice *field) {
    sl_status status = split(ctx, row);
    if (status != SL_OK)
        return status;
    if (column >= ctx->worker->csv.field_count)
        return ragged(ctx, (size_t)column + 1, "at least ");
    *field = field_text(&ctx->worker->csv, column);
    return SL_OK;
}
