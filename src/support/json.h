/* json.h: reading small trusted-size JSON documents (transform.json, job files) through jansson, and writing
 * JSON into a buf. Records are not read here: decode/decode_json.c does that without allocation. */
#ifndef SUPPORT_JSON_H
#define SUPPORT_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/buf.h"
#include "support/error.h"

/* Parses a file of at most 16 MiB, or text: UTF-8 strict, duplicate keys refused, trailing bytes refused. On
 * failure returns NULL and sets err to `status`, naming file, line and column (to SL_E_IO, SL_E_PERMISSION or
 * SL_E_MEMORY where the system refused). Free with json_decref. */
json_t *json_read_file(const char *path, sl_status status, sl_error *err);
json_t *json_read_text(const char *text, size_t nbytes, const char *name, sl_status status, sl_error *err);

/* Appends a JSON string with quotes: control bytes escaped, invalid UTF-8 bytes as U+FFFD. */
bool json_put_string(struct buf *b, const char *text, size_t nbytes);
/* Appends `"key": ` (key must be plain). */
bool json_put_key(struct buf *b, const char *key);
bool json_put_f64(struct buf *b, double x); /* non-finite as null */
bool json_put_u64(struct buf *b, uint64_t x);

#endif
