/* decode_json.h: numbers and members of one JSON value that is already cut, read where it stands.
 *
 * A pull scanner of our own: no allocation, depth at most JSON_MAX_DEPTH, strict UTF-8, finite numbers, a key
 * that is asked for at most once, nothing after the value. Every call checks the whole value, so a record
 * that is not JSON is never half used. */
#ifndef DECODE_DECODE_JSON_H
#define DECODE_DECODE_JSON_H

#include <stdint.h>

#include "decode/json_scan.h"
#include "sluice/transform.h"

#define JSON_MAX_KEYS 65536u

/* One worker's: which of the keys asked for were seen. */
struct json_reader {
    uint64_t *seen; /* JSON_MAX_KEYS bits */
};

sl_status json_reader_open(struct json_reader *reader, sl_error *err);
void json_reader_close(struct json_reader *reader);

/* SL_OK, or the record is rejected. */
sl_status json_read_member(sl_ctx *ctx, sl_slice json, const char *key, sl_slice *member);
/* Members of an object as numbers, in the order of the keys (at most JSON_MAX_KEYS). */
sl_status json_read_members_floats(sl_ctx *ctx, sl_slice json, const char *const *keys, size_t count,
                                   float *out);
/* An array, nested or not but regular, of exactly `count` numbers; a bare number is an array of one. */
sl_status json_read_floats(sl_ctx *ctx, sl_slice json, size_t count, float *out);

#endif
