/* text.h: text from outside made safe to print, sizes and durations for people, and UTF-8. C locale always.
 */
#ifndef SUPPORT_TEXT_H
#define SUPPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/buf.h"

/* Copies at most cap-1 bytes of `text` to `out` with control bytes, DEL and invalid UTF-8 as \xNN; cuts at a
 * whole character and ends with "..." when it did not fit. Always NUL-ends. Returns `out`. */
char *text_escape(char *out, size_t cap, const char *text, size_t nbytes);

/* text_escape into a small ring of per-thread buffers: for use as a %s argument, at most 8 alive at once. */
const char *text_quote(const char *text);
const char *text_quote_n(const char *text, size_t nbytes);

bool text_is_utf8(const char *text, size_t nbytes);
bool text_ends_with(const char *text, const char *suffix);

/* "1.5 GiB", "312 B", "64.0 MiB". Returns `out`. */
char *text_nbytes(char *out, size_t cap, uint64_t nbytes);
/* "1234567" as "1,234,567". */
char *text_count(char *out, size_t cap, uint64_t count);
/* "4.20 s", "42.0 s", "3 min 20 s", "2 h 05 min". */
char *text_seconds(char *out, size_t cap, double seconds);

/* "64M", "1.5GiB", "4096": bytes, suffixes K M G T (powers of 1024, optional iB or B). False when malformed,
 * a part of a byte, or more than INT64_MAX. */
bool text_parse_nbytes(const char *text, uint64_t *nbytes);
bool text_parse_u64(const char *text, uint64_t *value); /* decimal digits only, no overflow */

/* The entry of `names` (NULL-ended) nearest to `word` by edit distance, or NULL when none is near. */
const char *text_nearest(const char *word, const char *const *names);

#endif
