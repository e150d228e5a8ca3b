/* number.h: numbers to text and back, correctly rounded, in the C locale, without allocation. Any thread. */
#ifndef SUPPORT_NUMBER_H
#define SUPPORT_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NUMBER_MAX_CHARS 32 /* enough for any of the writers below, without NUL */

/* Writes the shortest decimal that reads back as exactly `x` ("0.1", "1e-07", "-3", "nan", "inf", "-inf"; an
 * integral value has no ".0"; exponent form below 1e-4 and from 1e16 on, two digits of exponent at least, as
 * C's %g writes it; JSON-valid for finite x). Among the shortest the nearest to x. `out` must hold
 * NUMBER_MAX_CHARS: bytes after the text may be overwritten. Returns the number of bytes, no NUL. */
size_t number_write_f32(char *out, float x);
size_t number_write_f64(char *out, double x);
size_t number_write_i64(char *out, int64_t x);

/* How a text is not a number. */
enum number_error { NUMBER_OK, NUMBER_EMPTY, NUMBER_SYNTAX, NUMBER_NONFINITE };

/* Reads a decimal number: JSON's grammar plus a leading '+', a bare ".5" or "5." refused, no hexadecimal,
 * surrounded by nothing. Correctly rounded (nearest, ties to even). "nan", "inf", "infinity" in any case,
 * with a sign, only when `nonfinite` (else NUMBER_NONFINITE). Overflow of a finite text is NUMBER_NONFINITE.
 * Reads no byte at or after text + nbytes. */
enum number_error number_read_f32(const char *text, size_t nbytes, bool nonfinite, float *x);
enum number_error number_read_f64(const char *text, size_t nbytes, bool nonfinite, double *x);
enum number_error number_read_i64(const char *text, size_t nbytes, int64_t *x);

/* Reads the longest prefix of [p, end) that is a number of the grammar above; returns the byte after it, or
 * NULL when there is none, it has a leading zero ("01"), or it overflows. The hot call of the CSV and JSON
 * decoders. */
const char *number_scan_f32(const char *p, const char *end, float *x);
/* Numbers with a delimiter between them, in JSON also blanks and no leading '+': how many were read into out,
 * at most `room`. *at is then the byte after the last of them; a number is only taken where it ends at a
 * delimiter, at the end, or in JSON at a blank or a bracket. The same numbers as number_scan_f32 gives. */
size_t number_scan_list_f32(const char **at, const char *end, char delimiter, bool json, float *out,
                            size_t room);
const char *number_scan_f64(const char *p, const char *end, double *x);

#endif
