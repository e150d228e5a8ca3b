/* decode_array.h: named arrays in a record's bytes, read where they stand, whatever format they came in. */
#ifndef DECODE_DECODE_ARRAY_H
#define DECODE_DECODE_ARRAY_H

#include <stdbool.h>
#include <stdint.h>

#include "sluice/transform.h"
#include "support/wire.h"

/* How bytes hold arrays (SL_KIND_ARRAYS), and how they hold one (SL_KIND_ARRAY): sl_value.encoding. */
enum arrays_encoding { ARRAYS_PACKED = 1, ARRAYS_EXAMPLE, ARRAYS_PROTOBUF, ARRAYS_LIBSVM };
enum array_encoding {
    ARRAY_LITTLE = 1, /* elements of tensor.dtype, one behind another */
    ARRAY_BIG,        /* the same, big-endian */
    ARRAY_TEXT,       /* the bytes are one text or file */
    ARRAY_TEXTS,      /* texts as field 1 of a protobuf message */
    ARRAY_LIST,       /* numbers as field 1 of a protobuf message */
    ARRAY_LIBSVM,     /* a line of index:value */
    ARRAY_TENSOR      /* the same, with keys (field 2) where it is sparse, and a shape (field 3) */
};

/* Goes through the arrays of a record. */
struct array_cursor {
    const sl_value *arrays;
    const char *at, *end;
    uint32_t left;
    struct wire outer, inner;
    const char *bad; /* why the record is malformed, static */
};
void array_cursor_begin(struct array_cursor *c, const sl_value *arrays);
/* False at the end, or with c->bad. */
bool array_cursor_next(struct array_cursor *c, sl_slice *name, sl_value *array);

sl_status array_find(sl_ctx *ctx, const sl_value *arrays, const char *name, bool only, sl_value *array);
sl_status array_read(sl_ctx *ctx, const sl_value *array, const sl_spec *want, void *out);
sl_status array_texts(sl_ctx *ctx, const sl_value *array, size_t count, sl_string *out);

/* ---- decode_proto.c: tf.train.Example, and the Record of SageMaker's protobuf ---- */

bool proto_cursor_next(struct array_cursor *c, sl_slice *name, sl_value *array);
sl_status proto_read(sl_ctx *ctx, const sl_value *array, const sl_spec *want, void *out);
sl_status proto_texts(sl_ctx *ctx, const sl_value *array, size_t count, sl_string *out);

/* ---- decode_libsvm.c ---- */

sl_status libsvm_read(sl_ctx *ctx, sl_slice line, const sl_spec *want, void *out);

/* ---- shared ---- */

/* The array against what is wanted; `count` elements of it. */
sl_status array_check_shape(sl_ctx *ctx, const sl_tensor *have, const sl_spec *want, int64_t count);
sl_status array_check_text(sl_ctx *ctx, sl_slice text);

/* ---- array_convert.c ---- */

bool array_can_convert(sl_dtype from, sl_dtype to);
/* `count` elements; `from` need not be aligned. SL_OK, or the record is rejected: a number that does not keep
 * its value. Only a double to a float, and both to a half, may be rounded, and only to what is finite. */
sl_status array_convert(sl_ctx *ctx, sl_dtype from, bool big_endian, const void *data, size_t count,
                        sl_dtype to, void *out);

#endif
