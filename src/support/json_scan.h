/* json_scan.h: a pull scanner over the bytes of one JSON value. Skipping a value and reading one go through
 * the same few calls, so there is one idea of what is valid. No allocation; recursion ends at JSON_MAX_DEPTH.
 */
#ifndef SUPPORT_JSON_SCAN_H
#define SUPPORT_JSON_SCAN_H

#include <stdbool.h>

#include "sluice/record.h"

#define JSON_MAX_DEPTH 64

/* Where the scan stands. After a call that failed, `code` and `what` (static) say why, at `p`. */
struct json_scan {
    const char *begin, *p, *end;
    int depth;
    const char *code;
    const char *what;
};

/* Notes the first failure; always false. */
bool json_fail(struct json_scan *s, const char *code, const char *what);

/* The next byte that is not blank, or NUL at the end. */
char json_peek(struct json_scan *s);
bool json_take(struct json_scan *s, char c);
bool json_one_of(char c, const char *set); /* NUL is in no set */

/* A string; *text is what stands between its quotes, escapes and all. */
bool json_take_string(struct json_scan *s, sl_slice *text, bool *escaped);
/* Whether such a string means `key`. */
bool json_string_is(sl_slice text, bool escaped, const char *key, size_t key_nbytes);
/* The text that such a string means; at most its own bytes. Returns their number. */
size_t json_unescape(sl_slice text, char *out);
/* A number that a float can hold. */
bool json_take_number(struct json_scan *s, float *x);

/* Into an object ('{') or array ('['); then json_next before each element, with *first true at the first:
 * false after the last one, or with s->code set. */
bool json_enter(struct json_scan *s, char open);
bool json_next(struct json_scan *s, char close, bool *first);
bool json_take_key(struct json_scan *s, sl_slice *key, bool *escaped);

/* Past one value of any kind, all of it checked. */
bool json_skip(struct json_scan *s);
/* Nothing but blanks may follow. */
bool json_at_end(struct json_scan *s);

#endif
