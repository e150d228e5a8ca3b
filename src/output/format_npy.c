/* format_npy.c: the one result of a job as a NumPy array, a row a record. Rows are bytes as the model gave
 * them; a rejected one is NaN, of integers 0 (rejects.jsonl says which). The number of rows is known at the
 * end: the header keeps 20 columns for it, blanks in front, which Python reads as it reads any tuple. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "output/format.h"
#include "support/text.h"

#define COUNT_NBYTES 20 /* the longest 64-bit number */

static const char *descr(sl_dtype dtype) {
    static const char *const names[SL_DTYPE_END] = {
        [SL_FLOAT] = "<f4", [SL_DOUBLE] = "<f8", [SL_FLOAT16] = "<f2", [SL_BOOL] = "|b1",
        [SL_INT8] = "|i1",  [SL_INT16] = "<i2",  [SL_INT32] = "<i4",   [SL_INT64] = "<i8",
        [SL_UINT8] = "|u1", [SL_UINT16] = "<u2", [SL_UINT32] = "<u4",  [SL_UINT64] = "<u8"};
    return dtype < SL_DTYPE_END ? names[dtype] : NULL;
}

/* Bytes of a row; false where rows have none that are known. */
static bool row_nbytes(const sl_spec *spec, size_t *nbytes) {
    return spec->kind == SL_KIND_TENSOR && descr(spec->dtype) &&
           sl_shape_nbytes(spec->dtype, spec->rank, spec->dims, nbytes);
}

static sl_status check(const struct result *results, size_t count, sl_error *err) {
    size_t nbytes;
    if (count != 1)
        return error_set(err, SL_E_MODEL,
                         "an npy file has one result, there are %zu: choose one in transform.json's outputs",
                         count);
    if (!row_nbytes(results[0].spec, &nbytes) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
        return error_set(err, SL_E_MODEL,
                         "cannot write result '%s' as npy: it has no rows of fixed length of numbers",
                         text_quote(results[0].name));
    return SL_OK;
}

static size_t line_nbytes(const struct result *results, size_t count) {
    size_t nbytes = 0;
    return count == 1 && row_nbytes(results[0].spec, &nbytes) ? nbytes : 0;
}

static void line(struct buf *out, const struct result *results, size_t count) {
    (void)count;
    buf_append(out, results[0].value.tensor.data, line_nbytes(results, 1));
}

static void reject(struct buf *out, const struct row_reject *why, const struct result *results,
                   size_t count) {
    static const float nan32 = NAN;
    static const double nan64 = (double)NAN;
    static const uint16_t nan16 = 0x7e00;
    static const char zero;
    const sl_dtype dtype = results[0].spec->dtype;
    const void *item = dtype == SL_FLOAT     ? (const void *)&nan32
                       : dtype == SL_DOUBLE  ? (const void *)&nan64
                       : dtype == SL_FLOAT16 ? (const void *)&nan16
                                             : &zero;
    const size_t each = item == &zero ? 1 : sl_dtype_nbits(dtype) / 8;
    (void)why;
    (void)count;
    for (size_t n = line_nbytes(results, 1); n; n -= each)
        buf_append(out, item, each);
}

/* NEP 1: magic, version 1, the header's length, a literal padded to a multiple of 64. */
static void frame(struct output_frame *f, const struct result *results) {
    const sl_spec *spec = results[0].spec;
    struct buf b;
    char *p = f->begin;
    memset(f->begin, ' ', sizeof f->begin);
    memcpy(p, "\x93NUMPY\x01\x00", 8);
    buf_init_fixed(&b, p + 10, sizeof f->begin - 10);
    buf_printf(&b, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr(spec->dtype));
    f->count_at = 10 + b.size;
    f->count_nbytes = COUNT_NBYTES;
    buf_printf(&b, "%*d,", COUNT_NBYTES, 0);
    for (int d = 0; d < spec->rank; d++)
        buf_printf(&b, " %" PRId64 ",", spec->dims[d]);
    buf_puts(&b, "), }");
    f->begin_nbytes = (10 + b.size + 1 + 63) / 64 * 64;
    p[10 + b.size] = ' '; /* the text's NUL */
    p[f->begin_nbytes - 1] = '\n';
    p[8] = (char)((f->begin_nbytes - 10) & 255);
    p[9] = (char)((f->begin_nbytes - 10) >> 8);
}

static const char *const accepts[] = {"application/x-npy", NULL};

const struct format_ops format_npy = {.name = "npy",
                                      .accepts = accepts,
                                      .check = check,
                                      .frame = frame,
                                      .line_nbytes = line_nbytes,
                                      .line = line,
                                      .reject = reject};
