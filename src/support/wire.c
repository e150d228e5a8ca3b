/* wire.c: the wire format of protobuf (encoding page of its documentation), as far as ONNX and the records of
 * TensorFlow and SageMaker use it. */
#include "support/wire.h"

#include <string.h>

bool wire_varint(struct wire *w, uint64_t *value) {
    uint64_t x = 0;
    if (w->at < w->end && *w->at < 128) { /* nearly all of them */
        *value = *w->at++;
        return true;
    }
    for (unsigned shift = 0; shift < 70 && w->at < w->end; shift += 7) {
        uint8_t byte = *w->at++;
        if (shift == 63 && byte > 1)
            break;
        x |= (uint64_t)(byte & 127u) << shift;
        if (byte < 128) {
            *value = x;
            return true;
        }
    }
    w->bad = true;
    return false;
}

static inline bool read_fixed(struct wire *w, size_t nbytes, uint64_t *value) {
    if ((size_t)(w->end - w->at) < nbytes) {
        w->bad = true;
        return false;
    }
    *value = 0;
    memcpy(value, w->at, nbytes); /* little-endian, as our machines are */
    w->at += nbytes;
    return true;
}

bool wire_next(struct wire *w, struct wire_field *field) {
    uint64_t tag, nbytes;
    if (w->bad || w->at == w->end || !wire_varint(w, &tag))
        return false;
    *field = (struct wire_field){.number = (uint32_t)(tag >> 3), .type = (enum wire_type)(tag & 7u)};
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) {
        w->bad = true;
        return false;
    }
    switch (tag & 7u) {
    case WIRE_VARINT:
        return wire_varint(w, &field->value);
    case WIRE_FIXED64:
        return read_fixed(w, 8, &field->value);
    case WIRE_FIXED32:
        return read_fixed(w, 4, &field->value);
    case WIRE_BYTES:
        if (!wire_varint(w, &nbytes))
            return false;
        if (nbytes <= (uint64_t)(w->end - w->at)) {
            field->data = w->at;
            field->nbytes = (size_t)nbytes;
            w->at += nbytes;
            return true;
        }
        break;
    default:
        break;
    }
    w->bad = true;
    return false;
}

bool wire_expect(struct wire *w, const struct wire_field *field, enum wire_type type) {
    if (field->type != type)
        w->bad = true;
    return field->type == type;
}

bool wire_count(struct wire *w, const struct wire_field *field, size_t size, size_t *count) {
    enum wire_type single = size == 4 ? WIRE_FIXED32 : size == 8 ? WIRE_FIXED64 : WIRE_VARINT;
    *count = 1;
    if (field->type == single)
        return true;
    if (!wire_expect(w, field, WIRE_BYTES))
        return false;
    if (size) {
        *count = field->nbytes / size;
        w->bad = w->bad || field->nbytes % size;
        return !w->bad;
    }
    *count = 0;
    for (size_t i = 0; i < field->nbytes; i++) /* each number ends with its only byte below 128 */
        *count += field->data[i] < 128;
    w->bad = w->bad || (field->nbytes && field->data[field->nbytes - 1] >= 128);
    return !w->bad;
}
