/* decode_array.c: see decode_array.h. */
#include "decode/decode_array.h"

#include <string.h>

#include "decode/chain_steps.h"
#include "decode/worker_ctx.h"
#include "support/npy.h"
#include "support/packed.h"
#include "support/text.h"

/* ---- which arrays there are
 * -------------------------------------------------------------------------------------------------- */

static bool malformed(struct array_cursor *c, const char *why) {
    c->bad = why;
    return false;
}

void array_cursor_begin(struct array_cursor *c, const sl_value *arrays) {
    *c = (struct array_cursor){
        .arrays = arrays, .at = arrays->bytes.data, .end = arrays->bytes.data + arrays->bytes.nbytes};
    if (arrays->encoding != ARRAYS_PACKED) {
        c->outer = wire_over(arrays->bytes.data, arrays->bytes.nbytes);
        c->left = 1;
        return;
    }
    if (arrays->bytes.nbytes < sizeof c->left) {
        malformed(c, "the row is cut off");
        return;
    }
    memcpy(&c->left, c->at, sizeof c->left);
    c->at += sizeof c->left;
}

static bool next_packed(struct array_cursor *c, sl_slice *name, sl_value *array) {
    struct packed_head head;
    if (!c->left)
        return false;
    if ((size_t)(c->end - c->at) < sizeof head)
        return malformed(c, "the row is cut off");
    memcpy(&head, c->at, sizeof head);
    c->at += sizeof head;
    uint64_t dims = head.rank * sizeof(int64_t);
    if (head.rank > SL_MAX_RANK || dims + head.name_nbytes + head.data_nbytes > (uint64_t)(c->end - c->at))
        return malformed(c, "the row is cut off");
    *array = (sl_value){.kind = SL_KIND_ARRAY, .encoding = head.big_endian ? ARRAY_BIG : ARRAY_LITTLE};
    array->tensor.dtype = (sl_dtype)head.dtype;
    array->tensor.rank = head.rank;
    memcpy(array->tensor.dims, c->at, dims);
    c->at += dims;
    *name = (sl_slice){c->at, head.name_nbytes};
    c->at += head.name_nbytes;
    array->bytes = (sl_slice){c->at, head.data_nbytes};
    c->at += head.data_nbytes;
    c->left--;
    return true;
}

bool array_cursor_next(struct array_cursor *c, sl_slice *name, sl_value *array) {
    if (c->bad)
        return false;
    if (c->arrays->encoding == ARRAYS_LIBSVM) { /* one array without a name: the whole line */
        *name = (sl_slice){"", 0};
        *array = (sl_value){.kind = SL_KIND_ARRAY, .bytes = c->arrays->bytes, .encoding = ARRAY_LIBSVM};
        array->tensor.dtype = SL_FLOAT;
        return c->left-- == 1;
    }
    return c->arrays->encoding == ARRAYS_PACKED ? next_packed(c, name, array)
                                                : proto_cursor_next(c, name, array);
}

sl_status array_find(sl_ctx *ctx, const sl_value *arrays, const char *name, bool only, sl_value *array) {
    struct array_cursor c;
    sl_slice at;
    sl_value one, last = {0};
    size_t count = 0, hits = 0, nbytes = name ? strlen(name) : 0;
    array_cursor_begin(&c, arrays);
    while (array_cursor_next(&c, &at, &one)) {
        bool hit = name && at.nbytes == nbytes && !memcmp(at.data, name, nbytes);
        if (hit || !hits)
            last = one;
        hits += hit;
        count++;
    }
    if (c.bad)
        return reject_set(ctx, "decode", "malformed-record", "%s", c.bad);
    if (hits > 1)
        return reject_set(ctx, "decode", "duplicate-key", "the record has '%s' twice", text_quote(name));
    if (!hits && !(count == 1 && (only || !name))) {
        if (name)
            return reject_set(ctx, "decode", "missing-value", "the record has no '%s'", text_quote(name));
        return reject_set(ctx, "decode", count ? "several-arrays" : "missing-value",
                          "the record has %zu arrays, choose one with {\"field\": name}", count);
    }
    *array = last;
    return SL_OK;
}

/* ---- numbers
 * -------------------------------------------------------------------------------------------------- */

/* Dims of one do not count; an array of one dimension takes any shape. */
static bool same_shape(const sl_tensor *have, const sl_spec *want) {
    int h = 0, w = 0;
    if (have->rank <= 1)
        return true;
    for (;; h++, w++) {
        while (h < have->rank && have->dims[h] == 1)
            h++;
        while (w < want->rank && want->dims[w] == 1)
            w++;
        if (h == have->rank || w == want->rank)
            return h == have->rank && w == want->rank;
        if (have->dims[h] != want->dims[w])
            return false;
    }
}

static char *shape_text(char text[128], int rank, const int64_t *dims) {
    sl_spec spec = {.kind = SL_KIND_TENSOR, .dtype = SL_UNDEFINED, .rank = rank};
    memcpy(spec.dims, dims, (size_t)rank * sizeof *dims);
    spec_text(text, 128, &spec);
    char *bracket = strchr(text, '[');
    return bracket ? bracket : text;
}

sl_status array_check_shape(sl_ctx *ctx, const sl_tensor *have, const sl_spec *want, int64_t count) {
    int64_t total;
    if (sl_shape_count(have->rank, have->dims, &total) && total == count && same_shape(have, want))
        return SL_OK;
    char a[128], b[128];
    return reject_set(ctx, "decode", "wrong-shape", "the array is %s, expected %s",
                      shape_text(a, have->rank, have->dims), shape_text(b, want->rank, want->dims));
}

static sl_status read_plain(sl_ctx *ctx, const sl_value *array, const sl_spec *want, void *out) {
    const sl_tensor *t = &array->tensor;
    int64_t count;
    size_t nbytes;
    if (!sl_shape_count(want->rank, want->dims, &count) ||
        !sl_shape_nbytes(t->dtype, t->rank, t->dims, &nbytes) || nbytes != array->bytes.nbytes)
        return reject_set(ctx, "decode", "malformed-record", "the array is not as long as its shape says");
    if (!array_can_convert(t->dtype, want->dtype))
        return reject_set(ctx, "decode", "wrong-dtype", "the array has %s elements, expected %s",
                          sl_dtype_name(t->dtype), sl_dtype_name(want->dtype));
    sl_status st = array_check_shape(ctx, t, want, count);
    return st == SL_OK ? array_convert(ctx, t->dtype, array->encoding == ARRAY_BIG, array->bytes.data,
                                       (size_t)count, want->dtype, out)
                       : st;
}

/* A file of its own, as samples have them. */
static sl_status read_npy(sl_ctx *ctx, sl_slice file, const sl_spec *want, void *out) {
    struct npy_header h;
    const char *why;
    if (!npy_read_header(file.data, file.nbytes, &h, &why))
        return reject_set(ctx, "decode", "bad-npy", "%s", why);
    if (h.fortran)
        return reject_set(ctx, "decode", "bad-npy", "the array is in Fortran order: save it in C order");
    sl_value array = {.kind = SL_KIND_ARRAY,
                      .bytes = {file.data + h.nbytes, file.nbytes - h.nbytes},
                      .encoding = h.big_endian ? ARRAY_BIG : ARRAY_LITTLE};
    array.tensor.dtype = h.dtype;
    array.tensor.rank = h.rank;
    memcpy(array.tensor.dims, h.dims, sizeof h.dims);
    return read_plain(ctx, &array, want, out);
}

sl_status array_read(sl_ctx *ctx, const sl_value *array, const sl_spec *want, void *out) {
    if (array->kind != SL_KIND_ARRAY || array->encoding == ARRAY_TEXT)
        return read_npy(ctx, array->bytes, want, out);
    if (array->encoding == ARRAY_LIST || array->encoding == ARRAY_TENSOR)
        return proto_read(ctx, array, want, out);
    if (array->encoding == ARRAY_LIBSVM)
        return libsvm_read(ctx, array->bytes, want, out);
    if (array->encoding == ARRAY_TEXTS)
        return reject_set(ctx, "decode", "wrong-dtype", "the array has texts, expected %s",
                          sl_dtype_name(want->dtype));
    return read_plain(ctx, array, want, out);
}

/* ---- texts
 * -------------------------------------------------------------------------------------------------- */

sl_status array_check_text(sl_ctx *ctx, sl_slice text) {
    if (text.nbytes && memchr(text.data, 0, text.nbytes))
        return reject_set(ctx, "decode", "nul-byte", "the text holds a NUL byte");
    if (!text_is_utf8(text.data, text.nbytes))
        return reject_set(ctx, "decode", "not-utf8", "the text is not UTF-8");
    return SL_OK;
}

sl_status array_texts(sl_ctx *ctx, const sl_value *array, size_t count, sl_string *out) {
    if (array->kind == SL_KIND_ARRAY && array->encoding == ARRAY_TEXTS)
        return proto_texts(ctx, array, count, out);
    if (array->kind == SL_KIND_ARRAY && array->encoding != ARRAY_TEXT)
        return reject_set(ctx, "decode", "wrong-dtype", "the array has %s elements, expected texts",
                          sl_dtype_name(array->tensor.dtype));
    if (count != 1)
        return reject_set(ctx, "decode", "wrong-shape", "there is one text, expected %zu", count);
    *out = (sl_string){array->bytes.data, array->bytes.nbytes};
    return array_check_text(ctx, array->bytes);
}
