/* lookup.c: a hash table over the keys of an attribute, made once when a model is loaded. */
#include "ops/lookup.h"

#include <string.h>

#include "ops/element.h"
#include "ops/rules.h"

bool text_same(sl_string a, sl_string b) {
    return a.nbytes == b.nbytes && (!a.nbytes || !memcmp(a.data, b.data, a.nbytes));
}

bool lookup_list(const struct op_call *call, const char *name, sl_tensor *list) {
    const struct attr *attr = op_attr(call, name);
    if (!attr)
        return false;
    if (attr->type == ATTR_TENSOR) {
        *list = *attr->tensor;
        return rule_count(list) > 0;
    }
    *list = (sl_tensor){.rank = 1, .dims = {(int64_t)attr->count}};
    if (attr->type == ATTR_FLOATS) {
        list->dtype = SL_FLOAT;
        list->data = (void *)(uintptr_t)attr->floats;
    } else if (attr->type == ATTR_INTS) {
        list->dtype = SL_INT64;
        list->data = (void *)(uintptr_t)attr->ints;
    } else if (attr->type == ATTR_STRINGS) {
        list->dtype = SL_STRING;
        list->data = (void *)(uintptr_t)attr->strings;
    }
    return list->dtype != SL_UNDEFINED && attr->count > 0;
}

static uint64_t mix(uint64_t x) {
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

/* FNV-1a, eight bytes at a time. */
static uint64_t hash_text(sl_string text) {
    uint64_t hash = 0xcbf29ce484222325u ^ text.nbytes;
    for (size_t i = 0; i < text.nbytes; i += 8) {
        uint64_t word = 0;
        memcpy(&word, text.data + i, text.nbytes - i < 8 ? text.nbytes - i : 8);
        hash = (hash ^ word) * 0x100000001b3u;
        hash ^= hash >> 29;
    }
    return mix(hash);
}

static uint64_t hash_of(const sl_tensor *x, int64_t i) {
    if (x->dtype == SL_STRING)
        return hash_text(((const sl_string *)x->data)[i]);
    if (element_kind(x->dtype) != ELEMENT_REAL)
        return mix((uint64_t)element_index(x->dtype, x->data, i));
    double value = element_real(x->dtype, x->data, i);
    uint64_t bits = 0x7ff8000000000000u; /* every NaN is one key */
    value = value == 0 ? 0 : value;
    if (!isnan(value))
        memcpy(&bits, &value, sizeof bits);
    return mix(bits);
}

static bool same(const sl_tensor *a, int64_t i, const sl_tensor *b, int64_t j) {
    if (a->dtype == SL_STRING)
        return text_same(((const sl_string *)a->data)[i], ((const sl_string *)b->data)[j]);
    if (element_kind(a->dtype) != ELEMENT_REAL)
        return element_index(a->dtype, a->data, i) == element_index(b->dtype, b->data, j);
    double x = element_real(a->dtype, a->data, i), y = element_real(b->dtype, b->data, j);
    return x == y || (isnan(x) && isnan(y));
}

/* The slot of a key, or the empty one where it would be. */
static size_t find_slot(const struct lookup *lookup, const sl_tensor *x, int64_t i) {
    size_t at = hash_of(x, i) & lookup->mask;
    while (lookup->slots[at] && !same(x, i, &lookup->keys, (int64_t)lookup->slots[at] - 1))
        at = (at + 1) & lookup->mask;
    return at;
}

sl_status lookup_make(struct lookup *lookup, struct arena *arena, const sl_tensor *keys, sl_error *err) {
    int64_t count = rule_count(keys);
    size_t room = 16;
    if (count > INT32_MAX / 4)
        return error_set(err, SL_E_MODEL, "more than %d keys", INT32_MAX / 4);
    while (room < 2 * (size_t)count)
        room *= 2;
    *lookup =
        (struct lookup){.keys = *keys, .slots = arena_alloc(arena, room, sizeof(uint32_t)), .mask = room - 1};
    if (!lookup->slots)
        return error_set(err, SL_E_MEMORY, "out of memory for a table of %lld keys", (long long)count);
    for (int64_t i = 0; i < count; i++)
        lookup->slots[find_slot(lookup, keys, i)] = (uint32_t)i + 1;
    return SL_OK;
}

int64_t lookup_find(const struct lookup *lookup, const sl_tensor *x, int64_t i) {
    return (int64_t)lookup->slots[find_slot(lookup, x, i)] - 1;
}
