/* onnx_tensor.c: TensorProto. Weights stay where they are in the file when they are aligned there; typed
 * lists are decoded. What a tensor claims to hold and what it holds must agree to the byte. */
#include <string.h>

#include "graph/onnx_import.h"
#include "support/mem.h"
#include "support/text.h"

/* What the fields say, before it is looked at together. */
struct parts {
    sl_tensor tensor;
    sl_string name, raw, location;
    bool has_raw, external;
    uint64_t offset, length;
    bool has_length;
    uint32_t list; /* field number of the typed list that is filled; 0: none */
    size_t list_count;
    const uint8_t *chunk; /* the list's bytes when it is one packed chunk */
    size_t chunk_nbytes;
    unsigned chunks;
};

enum { FLOAT_DATA = 4, INT32_DATA = 5, STRING_DATA = 6, INT64_DATA = 7, DOUBLE_DATA = 10, UINT64_DATA = 11 };

/* Bytes of one number of a typed list on the wire; 0 for varints. */
static size_t fixed_size(uint32_t list) {
    return list == FLOAT_DATA ? 4 : list == DOUBLE_DATA ? 8 : 0;
}

/* The typed list that holds a dtype. */
static uint32_t list_of(sl_dtype dtype) {
    switch ((int)dtype) {
    case SL_FLOAT:
    case SL_COMPLEX64:
        return FLOAT_DATA;
    case SL_DOUBLE:
    case SL_COMPLEX128:
        return DOUBLE_DATA;
    case SL_INT64:
        return INT64_DATA;
    case SL_UINT32:
    case SL_UINT64:
        return UINT64_DATA;
    case SL_STRING:
        return STRING_DATA;
    default:
        return INT32_DATA;
    }
}

static sl_status add_dims(struct parts *p, struct wire *w, const struct wire_field *f, sl_error *err) {
    size_t count;
    if (!wire_count(w, f, 0, &count))
        return SL_OK; /* w is bad: the caller sees it */
    if (count > SL_MAX_RANK - (size_t)p->tensor.rank)
        return error_set(err, SL_E_MODEL, "tensor '%s' has more than %d dims",
                         text_quote_n(p->name.data, p->name.nbytes), SL_MAX_RANK);
    if (f->type == WIRE_VARINT) {
        p->tensor.dims[p->tensor.rank++] = (int64_t)f->value;
        return SL_OK;
    }
    struct wire packed = wire_inside(f);
    for (uint64_t value; packed.at < packed.end && wire_varint(&packed, &value);)
        p->tensor.dims[p->tensor.rank++] = (int64_t)value;
    return SL_OK;
}

static bool text_is(sl_string text, const char *word) {
    return text.nbytes == strlen(word) && !memcmp(text.data, word, text.nbytes);
}

static sl_status add_external(struct parts *p, struct wire w, sl_error *err) {
    struct wire_field f;
    sl_string key = {0}, value = {0};
    char number[24] = "";
    while (wire_next(&w, &f))
        if (f.type == WIRE_BYTES && f.number <= 2)
            *(f.number == 1 ? &key : &value) = wire_text(&f);
    if (value.nbytes && value.nbytes < sizeof number)
        memcpy(number, value.data, value.nbytes);
    uint64_t x = 0;
    bool is_number = text_parse_u64(number, &x);
    if (text_is(key, "location")) {
        p->location = value;
    } else if (text_is(key, "offset") && is_number) {
        p->offset = x;
    } else if (text_is(key, "length") && is_number) {
        p->length = x;
        p->has_length = true;
    } else if (!text_is(key, "checksum") && !text_is(key, "basepath")) {
        return error_set(err, SL_E_MODEL, "external data has the key '%s' with value '%s'",
                         text_quote_n(key.data, key.nbytes), text_quote_n(value.data, value.nbytes));
    }
    return w.bad ? error_set(err, SL_E_MODEL, "external data is damaged") : SL_OK;
}

static sl_status add_list(struct parts *p, struct wire *w, const struct wire_field *f, sl_error *err) {
    size_t count = 1;
    if (f->number == STRING_DATA) {
        if (!wire_expect(w, f, WIRE_BYTES))
            return SL_OK;
    } else if (!wire_count(w, f, fixed_size(f->number), &count)) {
        return SL_OK;
    }
    if (!count)
        return SL_OK;
    if (p->list && p->list != f->number)
        return error_set(err, SL_E_MODEL, "tensor '%s' has data of two types",
                         text_quote_n(p->name.data, p->name.nbytes));
    p->list = f->number;
    p->list_count += count;
    p->chunk = f->data;
    p->chunk_nbytes = f->nbytes;
    p->chunks += f->type == WIRE_BYTES ? 1 : 2; /* a lone number is no chunk to point at */
    return SL_OK;
}

static sl_status read_parts(struct wire w, struct parts *p, sl_error *err) {
    struct wire_field f;
    sl_status st = SL_OK;
    while (st == SL_OK && wire_next(&w, &f)) {
        if (f.number == 1)
            st = add_dims(p, &w, &f, err);
        else if (f.number == 2 && wire_expect(&w, &f, WIRE_VARINT))
            p->tensor.dtype = f.value < SL_DTYPE_END ? (sl_dtype)f.value : SL_UNDEFINED;
        else if (f.number == 3)
            st = error_set(err, SL_E_MODEL, "tensor '%s' comes in segments",
                           text_quote_n(p->name.data, p->name.nbytes));
        else if (f.number == 8 && wire_expect(&w, &f, WIRE_BYTES))
            p->name = wire_text(&f);
        else if (f.number == 9 && wire_expect(&w, &f, WIRE_BYTES)) {
            p->raw = wire_text(&f);
            p->has_raw = true;
        } else if (f.number == 13 && wire_expect(&w, &f, WIRE_BYTES))
            st = add_external(p, wire_inside(&f), err);
        else if (f.number == 14 && wire_expect(&w, &f, WIRE_VARINT))
            p->external = f.value == 1;
        else if ((f.number >= FLOAT_DATA && f.number <= INT64_DATA) || f.number == DOUBLE_DATA ||
                 f.number == UINT64_DATA)
            st = add_list(p, &w, &f, err);
    }
    if (st == SL_OK && w.bad)
        st = error_set(err, SL_E_MODEL, "tensor '%s' is damaged", text_quote_n(p->name.data, p->name.nbytes));
    return st;
}

static sl_status out_of_memory(sl_error *err) {
    return error_set(err, SL_E_MEMORY, "out of memory for weights");
}

/* Points at `data`, or at a copy where an element would be misaligned. */
static sl_status use_bytes(struct importer *im, const void *data, size_t nbytes, sl_tensor *t,
                           sl_error *err) {
    size_t size = sl_dtype_nbits(t->dtype) / 8;
    size_t align = size == 16 ? 8 : size ? size : 1;
    if (nbytes && (uintptr_t)data % align == 0) {
        t->data = (void *)(uintptr_t)data; /* read-only all the same: constants are never written */
        return SL_OK;
    }
    t->data = arena_alloc(im->arena, nbytes ? nbytes : 1, 1);
    return t->data && import_copy(im, t->data, data, nbytes) ? SL_OK : out_of_memory(err);
}

/* Number `i` of a typed list into the tensor. */
static void store(const sl_tensor *t, size_t i, uint64_t value) {
    unsigned nbits = sl_dtype_nbits(t->dtype);
    if (nbits <= 8) /* two numbers of 4 bits, or four of 2, come as one byte */
        ((uint8_t *)t->data)[i] = (uint8_t)value;
    else if (nbits == 16)
        ((uint16_t *)t->data)[i] = (uint16_t)value;
    else if (nbits == 32 || t->dtype == SL_COMPLEX64)
        ((uint32_t *)t->data)[i] = (uint32_t)value;
    else
        ((uint64_t *)t->data)[i] = value;
}

/* Decodes the typed list of the message once more, now that there is room. */
static void decode_list(struct wire w, const struct parts *p, const sl_tensor *t) {
    struct wire_field f;
    size_t i = 0, size = fixed_size(p->list);
    while (wire_next(&w, &f)) {
        if (f.number != p->list)
            continue;
        if (p->list == STRING_DATA) {
            ((sl_string *)t->data)[i++] = wire_text(&f);
        } else if (f.type != WIRE_BYTES) {
            store(t, i++, f.value);
        } else {
            struct wire packed = wire_inside(&f);
            for (uint64_t value = 0; packed.at < packed.end; i++) {
                if (size)
                    memcpy(&value, packed.at, size);
                else if (!wire_varint(&packed, &value))
                    return;
                packed.at += size;
                store(t, i, value);
            }
        }
    }
}

/* How many numbers the typed list must have. */
static size_t list_length(const sl_tensor *t, size_t nbytes, int64_t count) {
    if (t->dtype == SL_COMPLEX64 || t->dtype == SL_COMPLEX128)
        return 2 * (size_t)count;
    return sl_dtype_nbits(t->dtype) < 8 ? nbytes : (size_t)count;
}

static sl_status use_list(struct importer *im, struct wire w, const struct parts *p, size_t nbytes,
                          int64_t count, sl_tensor *t, sl_error *err) {
    size_t wish = list_length(t, nbytes, count);
    if (p->list_count != wish || (p->list && p->list != list_of(t->dtype)))
        return error_set(err, SL_E_MODEL, "tensor '%s' holds %zu numbers, its shape needs %zu of %s",
                         text_quote_n(p->name.data, p->name.nbytes), p->list_count, wish,
                         sl_dtype_name(t->dtype));
    if (p->chunks == 1 && fixed_size(p->list))
        return use_bytes(im, p->chunk, p->chunk_nbytes, t, err);
    t->data = arena_alloc(im->arena, nbytes ? nbytes : 1, 1);
    if (!t->data)
        return out_of_memory(err);
    decode_list(w, p, t);
    return SL_OK;
}

static sl_status use_external(struct importer *im, const struct parts *p, size_t nbytes, sl_tensor *t,
                              sl_error *err) {
    const void *data = NULL;
    if (p->has_length && p->length != nbytes)
        return error_set(err, SL_E_MODEL, "tensor '%s' has %llu bytes of external data, its shape needs %zu",
                         text_quote_n(p->name.data, p->name.nbytes), (unsigned long long)p->length, nbytes);
    sl_status st = external_bytes(im->external, im->arena, p->location, p->offset, nbytes, &data, err);
    return st == SL_OK ? use_bytes(im, data, nbytes, t, err) : st;
}

sl_status import_tensor(struct importer *im, struct wire w, sl_tensor *tensor, sl_string *name,
                        sl_error *err) {
    struct parts p = {0};
    size_t nbytes;
    int64_t count;
    sl_status st = read_parts(w, &p, err);
    if (st != SL_OK)
        return st;
    const char *quoted = text_quote_n(p.name.data, p.name.nbytes);
    *tensor = p.tensor;
    *name = p.name;
    if (!sl_dtype_nbits(p.tensor.dtype))
        return error_set(err, SL_E_MODEL, "tensor '%s' has an unknown dtype", quoted);
    if (!sl_shape_count(p.tensor.rank, p.tensor.dims, &count) ||
        !sl_shape_nbytes(p.tensor.dtype, p.tensor.rank, p.tensor.dims, &nbytes))
        return error_set(err, SL_E_MODEL, "tensor '%s' has an impossible shape", quoted);
    if (p.external && im->external)
        return use_external(im, &p, nbytes, tensor, err);
    if (!p.has_raw)
        return use_list(im, w, &p, nbytes, count, tensor, err);
    if (p.tensor.dtype == SL_STRING)
        return error_set(err, SL_E_MODEL, "tensor '%s' holds text as raw bytes", quoted);
    if (p.raw.nbytes != nbytes)
        return error_set(err, SL_E_MODEL, "tensor '%s' holds %zu bytes, its shape needs %zu", quoted,
                         p.raw.nbytes, nbytes);
    return use_bytes(im, p.raw.data, nbytes, tensor, err);
}
