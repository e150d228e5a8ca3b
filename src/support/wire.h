/* wire.h: protobuf's wire format, read field by field from memory: nothing is copied, nothing is
 * allocated, nothing recurses. A message inside a message is another struct wire over its bytes. */
#ifndef SUPPORT_WIRE_H
#define SUPPORT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/tensor.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire {
    const uint8_t *at, *end;
    bool bad; /* the bytes are not protobuf; no more fields come */
};

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;      /* varint and fixed */
    const uint8_t *data; /* bytes */
    size_t nbytes;
};

static inline struct wire wire_over(const void *data, size_t nbytes) {
    return (struct wire){.at = data, .end = (const uint8_t *)data + nbytes};
}

static inline struct wire wire_inside(const struct wire_field *field) {
    return wire_over(field->data, field->nbytes);
}

static inline sl_string wire_text(const struct wire_field *field) {
    return (sl_string){(const char *)field->data, field->nbytes};
}

/* The next field; false at the end or when `bad` is set. Groups and field number 0 are bad. */
bool wire_next(struct wire *w, struct wire_field *field);

/* A varint; false (and bad) when it does not end or is longer than ten bytes. */
bool wire_varint(struct wire *w, uint64_t *value);

/* True when the field has the wanted type; else marks w bad. */
bool wire_expect(struct wire *w, const struct wire_field *field, enum wire_type type);

/* Numbers of a repeated scalar field, packed or not: how many this field holds. `size` is 4 or 8 for fixed
 * ones, 0 for varints. False (and bad) when malformed. */
bool wire_count(struct wire *w, const struct wire_field *field, size_t size, size_t *count);

#endif
