/* decode_json.h: numbers and members of one JSON value that is already cut, read where it stands.
 *
 * A pull scanner of our own: no allocation, depth at most JSON_MAX_DEPTH, strict UTF-8, finite numbers, a key
 * that is asked for at most once, nothing after the value. Every call checks the whole value, so a record
 * that is not JSON is never half used. */
#ifndef DECODE_DECODE_JSON_H
#define DECODE_DECODE_JSON_H

#include <stdint.h>

#include "sluice/transform.h"
#include "support/json_scan.h"

#define JSON_MAX_KEYS 65536u

/* One worker's: which of the keys asked for were seen. */
struct json_reader {
    uint64_t *seen; /* JSON_MAX_KEYS bits */
    char *text;     /* text_nbytes: strings with their escapes undone, of the record at hand */
    size_t text_nbytes;
};

/* Records whose texts are wanted are at most max_nbytes long. */
sl_status json_reader_open(struct json_reader *reader, size_t max_nbytes, sl_error *err);
void json_reader_close(struct json_reader *reader);

/* SL_OK, or the record is rejected. */
sl_status json_read_member(sl_ctx *ctx, sl_slice json, const char *key, sl_slice *member);
/* Members of an object as numbers, in the order of the keys (at most JSON_MAX_KEYS). */
sl_status json_read_members_floats(sl_ctx *ctx, sl_slice json, const char *const *keys, size_t count,
                                   float *out);
/* An array, nested or not but regular, of exactly `count` numbers; a bare number is an array of one. */
sl_status json_read_floats(sl_ctx *ctx, sl_slice json, size_t count, float *out);

/* ---- decode_json_text.c: the same as texts, which live until the next call. A number is its own text. ----
 */
sl_status json_read_members_texts(sl_ctx *ctx, sl_slice json, const char *const *keys, size_t count,
                                  sl_string *out);
sl_status json_read_texts(sl_ctx *ctx, sl_slice json, size_t count, sl_string *out);

/* ---- for decode_json_text.c ---- */
sl_status json_reject_scan(sl_ctx *ctx, const struct json_scan *s);
const char *json_value_name(char first);
/* The key's number, tried from `guess` on; `count` where it is none. */
size_t json_find_key(sl_slice name, bool escaped, const char *const *keys, size_t count, size_t guess);
/* The value begins with `open`; SL_E_DATA when it does not, or is no JSON. */
sl_status json_expect(sl_ctx *ctx, sl_slice json, char open, const char *expected);

#endif
