/* decode_json.c: numbers and members of a JSON record, by the scanner of json_scan.h, with the words for what
 * is not what was asked for. */
#include "decode/decode_json.h"

#include <string.h>

#include "decode/worker_ctx.h"
#include "support/json_scan.h"
#include "support/mem.h"
#include "support/number.h"
#include "support/text.h"

/* --- rejects --- */

const char *json_value_name(char c) {
    switch (c) {
    case '{':
        return "an object";
    case '[':
        return "an array";
    case '"':
        return "a text";
    case 't':
    case 'f':
        return "a boolean";
    case 'n':
        return "null";
    default:
        return "a number";
    }
}

sl_status json_reject_scan(sl_ctx *ctx, const struct json_scan *s) {
    size_t at = (size_t)(s->p - s->begin);
    if (strcmp(s->code, "bad-json") == 0)
        return reject_set(ctx, "decode", s->code, "malformed JSON at byte %zu: %s", at, s->what);
    return reject_set(ctx, "decode", s->code, "%s at byte %zu of the JSON", s->what, at);
}

static struct json_scan scan_begin(sl_slice json) {
    return (struct json_scan){.begin = json.data, .p = json.data, .end = json.data + json.nbytes};
}

/* The value must be well-formed before we complain about its kind: what is not JSON is said to be so. */
sl_status json_expect(sl_ctx *ctx, sl_slice json, char open, const char *expected) {
    struct json_scan s = scan_begin(json);
    char c = json_peek(&s);
    if (c == open)
        return SL_OK;
    if (!json_skip(&s) || !json_at_end(&s))
        return json_reject_scan(ctx, &s);
    return reject_set(ctx, "decode", "wrong-json", "expected %s, found %s", expected, json_value_name(c));
}

/* A member that should be a number and is something else (well-formed). */
static sl_status reject_member(sl_ctx *ctx, const char *key, struct json_scan *s) {
    char c = json_peek(s);
    const char *start = s->p;
    if (!json_skip(s))
        return json_reject_scan(ctx, s);
    if (c == 'n')
        return reject_set(ctx, "decode", "missing-value", "'%s' is null", text_quote(key));
    if (c != '"')
        return reject_set(ctx, "decode", "not-a-number", "'%s' is %s, expected a number", text_quote(key),
                          json_value_name(c));
    size_t nbytes = (size_t)(s->p - start) - 2;
    return reject_set(ctx, "decode", "not-a-number", "'%s': the text '%s%s' is not a number", text_quote(key),
                      text_quote_n(start + 1, nbytes < 40 ? nbytes : 40), nbytes < 40 ? "" : "...");
}

/* --- what the host offers --- */

sl_status json_reader_open(struct json_reader *reader, size_t max_nbytes, sl_error *err) {
    reader->seen = mem_alloc(JSON_MAX_KEYS / 64, sizeof *reader->seen);
    reader->text = mem_map(max_nbytes);
    reader->text_nbytes = max_nbytes;
    return reader->seen && reader->text
               ? SL_OK
               : error_set(err, SL_E_MEMORY, "cannot reserve room for JSON keys: out of memory");
}

void json_reader_close(struct json_reader *reader) {
    mem_free(reader->seen);
    mem_unmap(reader->text, reader->text_nbytes);
    *reader = (struct json_reader){.seen = NULL};
}

sl_status json_read_member(sl_ctx *ctx, sl_slice json, const char *key, sl_slice *member) {
    sl_status status = json_expect(ctx, json, '{', "an object");
    if (status != SL_OK)
        return status;
    struct json_scan s = scan_begin(json);
    size_t key_nbytes = strlen(key);
    bool escaped, first = true, found = false;
    sl_slice name;
    if (!json_enter(&s, '{'))
        return json_reject_scan(ctx, &s);
    while (json_next(&s, '}', &first)) {
        if (!json_take_key(&s, &name, &escaped))
            return json_reject_scan(ctx, &s);
        bool wanted = json_string_is(name, escaped, key, key_nbytes);
        if (wanted && found)
            return reject_set(ctx, "decode", "duplicate-key", "'%s' appears twice", text_quote(key));
        (void)json_peek(&s);
        const char *start = s.p;
        if (!json_skip(&s))
            return json_reject_scan(ctx, &s);
        if (wanted) {
            *member = (sl_slice){.data = start, .nbytes = (size_t)(s.p - start)};
            found = true;
        }
    }
    if (s.code || !json_at_end(&s))
        return json_reject_scan(ctx, &s);
    return found ? SL_OK
                 : reject_set(ctx, "decode", "missing-value", "the object has no '%s'", text_quote(key));
}

/* Records mostly name their members in one order: the key after the last hit is tried first. */
size_t json_find_key(sl_slice name, bool escaped, const char *const *keys, size_t count, size_t guess) {
    for (size_t i = 0; i < count; i++) {
        size_t k = guess + i < count ? guess + i : guess + i - count;
        if (json_string_is(name, escaped, keys[k], strlen(keys[k])))
            return k;
    }
    return count;
}

/* One member of the object, after its key. */
static sl_status take_member(sl_ctx *ctx, struct json_scan *s, const char *key, uint64_t *seen, size_t k,
                             float *x) {
    if (seen[k / 64] >> (k % 64) & 1)
        return reject_set(ctx, "decode", "duplicate-key", "'%s' appears twice", text_quote(key));
    seen[k / 64] |= (uint64_t)1 << (k % 64);
    char c = json_peek(s);
    if (json_one_of(c, "{[\"tfn"))
        return reject_member(ctx, key, s);
    return json_take_number(s, x) ? SL_OK : json_reject_scan(ctx, s);
}

sl_status json_read_members_floats(sl_ctx *ctx, sl_slice json, const char *const *keys, size_t count,
                                   float *out) {
    sl_status status = json_expect(ctx, json, '{', "an object");
    if (status != SL_OK)
        return status;
    struct json_scan s = scan_begin(json);
    uint64_t *seen = ctx->worker->json.seen;
    memset(seen, 0, (count + 63) / 64 * sizeof *seen);
    size_t guess = 0, found = 0;
    bool escaped, first = true;
    sl_slice name;
    if (!json_enter(&s, '{'))
        return json_reject_scan(ctx, &s);
    while (json_next(&s, '}', &first)) {
        if (!json_take_key(&s, &name, &escaped))
            return json_reject_scan(ctx, &s);
        size_t k = json_find_key(name, escaped, keys, count, guess);
        if (k == count) {
            if (!json_skip(&s))
                return json_reject_scan(ctx, &s);
            continue;
        }
        status = take_member(ctx, &s, keys[k], seen, k, &out[k]);
        if (status != SL_OK)
            return status;
        found++;
        guess = k + 1 < count ? k + 1 : 0;
    }
    if (s.code || !json_at_end(&s))
        return json_reject_scan(ctx, &s);
    for (size_t k = 0; found < count && k < count; k++)
        if (!(seen[k / 64] >> (k % 64) & 1))
            return reject_set(ctx, "decode", "missing-value", "the object has no '%s'", text_quote(keys[k]));
    return SL_OK;
}

/* The shape of a nested array as it shows itself: the first list of a depth says how long the others are. */
struct shape {
    int leaf_depth; /* -1: no number seen yet */
    size_t length[JSON_MAX_DEPTH + 2];
    bool known[JSON_MAX_DEPTH + 2];
    size_t room, count;
    float *out;
};

static bool read_array(struct json_scan *s, struct shape *shape) {
    size_t length = 0;
    bool first = true;
    if (!json_enter(s, '['))
        return false;
    int depth = s->depth;
    while (json_next(s, ']', &first)) {
        float x;
        length++;
        if (json_peek(s) == '[') {
            if (shape->leaf_depth >= 0 && depth >= shape->leaf_depth)
                return json_fail(s, "ragged-array", "lists and numbers stand side by side");
            if (!read_array(s, shape))
                return false;
            continue;
        }
        if (json_one_of(json_peek(s), "{\"tfn"))
            return json_fail(s, "not-a-number", "a number was expected");
        bool fits = (shape->leaf_depth < 0 || shape->leaf_depth == depth) && !shape->known[depth + 1];
        size_t room = fits && shape->count < shape->room ? shape->room - shape->count : 0;
        size_t many = number_scan_list_f32(&s->p, s->end, ',', true, shape->out + shape->count, room);
        if (many) { /* but for the last, which is counted like any other */
            length += many - 1;
            shape->count += many - 1;
            x = shape->out[shape->count];
        } else if (!json_take_number(s, &x)) {
            return false;
        }
        if (shape->leaf_depth < 0)
            shape->leaf_depth = depth;
        if (shape->leaf_depth != depth || shape->known[depth + 1])
            return json_fail(s, "ragged-array", "lists and numbers stand side by side");
        if (shape->count < shape->room)
            shape->out[shape->count] = x;
        shape->count++;
    }
    if (s->code)
        return false;
    if (shape->known[depth] && shape->length[depth] != length)
        return json_fail(s, "ragged-array", "lists side by side differ in length");
    shape->known[depth] = true;
    shape->length[depth] = length;
    return true;
}

sl_status json_read_floats(sl_ctx *ctx, sl_slice json, size_t count, float *out) {
    struct json_scan s = scan_begin(json);
    struct shape shape = {.leaf_depth = -1, .room = count, .out = out};
    char c = json_peek(&s);
    if (c != '[' && c != '-' && (c < '0' || c > '9'))
        return json_expect(ctx, json, '[', "an array of numbers");
    if (c == '[') {
        if (!read_array(&s, &shape))
            return json_reject_scan(ctx, &s);
    } else {
        float x;
        if (!json_take_number(&s, &x))
            return json_reject_scan(ctx, &s);
        if (count > 0)
            out[0] = x;
        shape.count = 1;
    }
    if (!json_at_end(&s))
        return json_reject_scan(ctx, &s);
    if (shape.count != count)
        return reject_set(ctx, "decode", "ragged-row", "array has %zu number%s, expected %zu", shape.count,
                          shape.count == 1 ? "" : "s", count);
    return SL_OK;
}
