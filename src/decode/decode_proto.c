/* decode_proto.c: the arrays of two protobuf records, by the bounded reader of support/wire.h.
 *
 * tf.train.Example (example.proto, feature.proto): field 1 of Example is Features, whose field 1 are entries
 * of name (1) and Feature (2): a list of bytes (1), floats (2) or int64 (3), its values in field 1. Record
 * (aialgs.data): entries of name and Value in field 1 (features); labels and the rest are left out. A Value
 * is a tensor of float32 (2), float64 (3) or int32 (7), or bytes (9); a tensor has values (1), keys (2) and a
 * shape (3). */
#include <string.h>

#include "decode/decode_array.h"
#include "decode/decode_sparse.h"
#include "decode/worker_ctx.h"

/* Which field of a Feature or Value says what. */
struct member {
    uint32_t number;
    sl_dtype dtype;
    enum array_encoding encoding;
};

static const struct member feature_members[] = {
    {1, SL_STRING, ARRAY_TEXTS}, {2, SL_FLOAT, ARRAY_LIST}, {3, SL_INT64, ARRAY_LIST}, {0, 0, 0}};
static const struct member value_members[] = {{2, SL_FLOAT, ARRAY_TENSOR},
                                              {3, SL_DOUBLE, ARRAY_TENSOR},
                                              {7, SL_INT32, ARRAY_TENSOR},
                                              {9, SL_STRING, ARRAY_TEXTS},
                                              {0, 0, 0}};

/* One text alone is the bytes themselves: what an image decoder takes. */
static void unwrap_text(sl_value *array) {
    struct wire w = wire_over(array->bytes.data, array->bytes.nbytes);
    struct wire_field field;
    sl_slice text = {NULL, 0};
    size_t count = 0;
    while (wire_next(&w, &field))
        if (field.number == 1 && field.type == WIRE_BYTES) {
            text = (sl_slice){(const char *)field.data, field.nbytes};
            count++;
        }
    if (w.bad || count != 1)
        return;
    array->bytes = text;
    array->encoding = ARRAY_TEXT;
}

/* The last member that is set counts, as for every oneof. */
static bool take_value(struct wire w, const struct member *members, sl_value *array) {
    struct wire_field field;
    *array = (sl_value){.kind = SL_KIND_ARRAY, .encoding = ARRAY_LIST, .bytes = {"", 0}}; /* of no kind */
    while (wire_next(&w, &field))
        for (const struct member *m = members; m->number; m++)
            if (m->number == field.number) {
                if (field.type != WIRE_BYTES)
                    return false;
                array->bytes = (sl_slice){(const char *)field.data, field.nbytes};
                array->encoding = m->encoding;
                array->tensor.dtype = m->dtype;
                array->tensor.rank = 1;
            }
    if (array->encoding == ARRAY_TEXTS)
        unwrap_text(array);
    return !w.bad;
}

static bool take_entry(struct wire w, const struct member *members, sl_slice *name, sl_value *array) {
    struct wire_field field;
    struct wire value = wire_over("", 0);
    *name = (sl_slice){"", 0};
    while (wire_next(&w, &field)) {
        if (field.number != 1 && field.number != 2)
            continue;
        if (field.type != WIRE_BYTES)
            return false;
        if (field.number == 1)
            *name = (sl_slice){(const char *)field.data, field.nbytes};
        else
            value = wire_inside(&field);
    }
    return !w.bad && take_value(value, members, array);
}

bool proto_cursor_next(struct array_cursor *c, sl_slice *name, sl_value *array) {
    const bool example = c->arrays->encoding == ARRAYS_EXAMPLE;
    const struct member *members = example ? feature_members : value_members;
    struct wire *entries = example ? &c->inner : &c->outer;
    struct wire_field field;
    for (;;) {
        while (wire_next(entries, &field)) {
            if (field.number != 1)
                continue;
            if (field.type == WIRE_BYTES && take_entry(wire_inside(&field), members, name, array))
                return true;
            entries->bad = true;
        }
        bool more = !entries->bad && example && wire_next(&c->outer, &field);
        if (entries->bad || c->outer.bad)
            c->bad = example ? "it is no tf.train.Example" : "it is no Record of SageMaker's protobuf";
        if (!more || c->bad)
            return false;
        c->inner = field.number == 1 && field.type == WIRE_BYTES ? wire_inside(&field) : wire_over("", 0);
    }
}

/* ---- numbers
 * -------------------------------------------------------------------------------------------------- */

static sl_status malformed(sl_ctx *ctx) {
    return reject_set(ctx, "decode", "malformed-record", "the values of the array are malformed");
}

/* Field `number` of a message, repeated and packed in any mixture: one run of values after another. */
struct runs {
    struct wire w;
    uint32_t number;
    size_t item;     /* 4 or 8 bytes; 0: varints */
    struct wire run; /* of the values not taken yet */
    uint8_t one[10]; /* a value that stands alone, as it would be packed */
};

static struct runs runs_of(sl_slice message, uint32_t number, size_t item) {
    return (struct runs){.w = wire_over(message.data, message.nbytes), .number = number, .item = item};
}

/* The next run; false at the end, or with r->w.bad. */
static bool next_run(struct runs *r) {
    struct wire_field field;
    size_t count, nbytes = 0;
    do {
        if (!wire_next(&r->w, &field))
            return false;
    } while (field.number != r->number);
    if (!wire_count(&r->w, &field, r->item, &count))
        return false;
    if (field.type == WIRE_BYTES) {
        r->run = wire_inside(&field);
        return true;
    }
    for (uint64_t x = field.value; nbytes < r->item; x >>= 8)
        r->one[nbytes++] = (uint8_t)x;
    if (!r->item)
        for (uint64_t x = field.value, more = 1; more; x >>= 7) {
            more = x >= 128;
            r->one[nbytes++] = (uint8_t)((x & 127) | more << 7);
        }
    r->run = wire_over(r->one, nbytes);
    return true;
}

/* One value, from whatever run it stands in; false at the end, or with r->w.bad. */
static bool next_value(struct runs *r, uint64_t *x) {
    while (r->run.at == r->run.end)
        if (!next_run(r))
            return false;
    if (r->item) {
        *x = 0;
        for (size_t k = 0; k < r->item; k++)
            *x |= (uint64_t)*r->run.at++ << 8 * k;
        return true;
    }
    if (!wire_varint(&r->run, x))
        r->w.bad = true;
    return !r->w.bad;
}

static size_t item_nbytes(sl_dtype dtype) {
    return dtype == SL_FLOAT ? 4 : dtype == SL_DOUBLE ? 8 : 0;
}

/* One value as an element of what is wanted. */
static sl_status convert_one(sl_ctx *ctx, sl_dtype dtype, uint64_t x, sl_dtype to, void *out) {
    unsigned char bytes[8];
    for (int k = 0; k < 8; k++)
        bytes[k] = (unsigned char)(x >> 8 * k);
    return array_convert(ctx, dtype, false, bytes, 1, to, out);
}

/* All values into out[0..count), converted. *total: how many there are, also beyond. */
static sl_status read_values(sl_ctx *ctx, const sl_value *array, sl_dtype to, size_t count, char *out,
                             size_t *total) {
    const sl_dtype dtype = array->tensor.dtype;
    const size_t item = item_nbytes(dtype), to_item = sl_dtype_nbits(to) / 8;
    struct runs r = runs_of(array->bytes, 1, item);
    sl_status st = SL_OK;
    uint64_t x;
    *total = 0;
    while (st == SL_OK && item && next_run(&r)) { /* as many at once as stand together */
        size_t n = (size_t)(r.run.end - r.run.at) / item, room = *total < count ? count - *total : 0;
        st = array_convert(ctx, dtype, false, r.run.at, n < room ? n : room, to, out + *total * to_item);
        *total += n;
    }
    while (st == SL_OK && !item && next_value(&r, &x)) {
        if (*total < count)
            st = convert_one(ctx, dtype, x, to, out + *total * to_item);
        ++*total;
    }
    return st == SL_OK && r.w.bad ? malformed(ctx) : st;
}

static sl_status wrong_count(sl_ctx *ctx, const sl_spec *want, size_t have) {
    sl_tensor t = {.dtype = want->dtype, .rank = 1, .dims = {(int64_t)have}};
    return array_check_shape(ctx, &t, want, -1);
}

/* ---- tensors, which may be sparse
 * -------------------------------------------------------------------------------------------------- */

/* The shape that the tensor says it has; rank 0 where it says none. */
static bool take_shape(const sl_value *array, sl_tensor *shape) {
    struct runs r = runs_of(array->bytes, 3, 0);
    uint64_t x;
    shape->rank = 0;
    while (next_value(&r, &x)) {
        if (shape->rank == SL_MAX_RANK || x > INT64_MAX)
            return false;
        shape->dims[shape->rank++] = (int64_t)x;
    }
    return !r.w.bad;
}

/* Zeros, but where the keys say. */
static sl_status read_sparse(sl_ctx *ctx, const sl_value *array, sl_dtype to, size_t count, char *out) {
    const sl_dtype dtype = array->tensor.dtype;
    const size_t to_item = sl_dtype_nbits(to) / 8;
    struct runs keys = runs_of(array->bytes, 2, 0), values = runs_of(array->bytes, 1, item_nbytes(dtype));
    struct sparse sparse;
    uint64_t key, x;
    sl_status st = SL_OK;
    memset(out, 0, count * to_item);
    sparse_begin(&sparse, ctx, count);
    while (st == SL_OK && next_value(&keys, &key)) {
        if (!next_value(&values, &x))
            return malformed(ctx);
        st = sparse_take(&sparse, ctx, key);
        if (st == SL_OK)
            st = convert_one(ctx, dtype, x, to, out + key * to_item);
    }
    return st == SL_OK && (keys.w.bad || next_value(&values, &x) || values.w.bad) ? malformed(ctx) : st;
}

sl_status proto_read(sl_ctx *ctx, const sl_value *array, const sl_spec *want, void *out) {
    struct runs keys = runs_of(array->bytes, 2, 0);
    sl_tensor shape = {.dtype = array->tensor.dtype};
    const bool tensor = array->encoding == ARRAY_TENSOR;
    int64_t count;
    size_t have;
    uint64_t key;
    if (!sl_shape_count(want->rank, want->dims, &count) || (tensor && !take_shape(array, &shape)))
        return malformed(ctx);
    bool sparse = tensor && next_value(&keys, &key);
    if (keys.w.bad)
        return malformed(ctx);
    sl_status st = shape.rank ? array_check_shape(ctx, &shape, want, count) : SL_OK;
    if (st != SL_OK)
        return st;
    if (sparse)
        return read_sparse(ctx, array, want->dtype, (size_t)count, out);
    st = read_values(ctx, array, want->dtype, (size_t)count, out, &have);
    if (st == SL_OK && !have && shape.rank) { /* a sparse row of zeros has no keys either */
        memset(out, 0, (size_t)count * (sl_dtype_nbits(want->dtype) / 8));
        return SL_OK;
    }
    return st == SL_OK && have != (size_t)count ? wrong_count(ctx, want, have) : st;
}

/* ---- texts
 * -------------------------------------------------------------------------------------------------- */

sl_status proto_texts(sl_ctx *ctx, const sl_value *array, size_t count, sl_string *out) {
    struct wire w = wire_over(array->bytes.data, array->bytes.nbytes);
    struct wire_field field;
    size_t have = 0;
    while (wire_next(&w, &field)) {
        if (field.number != 1 || field.type != WIRE_BYTES)
            continue;
        if (have < count) {
            sl_slice text = {(const char *)field.data, field.nbytes};
            sl_status st = array_check_text(ctx, text);
            if (st != SL_OK)
                return st;
            out[have] = (sl_string){text.data, text.nbytes};
        }
        have++;
    }
    if (w.bad)
        return malformed(ctx);
    if (have != count)
        return reject_set(ctx, "decode", "wrong-shape", "there are %zu texts, expected %zu", have, count);
    return SL_OK;
}
