/* error.h: filling an sl_error. The first failure wins: callers that get a status pass it on as it is. */
#ifndef SUPPORT_ERROR_H
#define SUPPORT_ERROR_H

#include <stdarg.h>

#include "sluice/status.h"

/* Writes status and text into `err` (may be NULL) and returns `status`. The text is a message in DESIGN's
 * grammar; %s arguments that come from outside go through text_quote first. Any thread. */
sl_status error_set(sl_error *err, sl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
sl_status error_setv(sl_error *err, sl_status status, const char *format, va_list args);

/* Same, and adds ": " and the text of `errnum`. EACCES and EPERM turn SL_E_IO into SL_E_PERMISSION; ENOMEM,
 * EMFILE, ENFILE and EAGAIN into SL_E_MEMORY. */
sl_status error_errno(sl_error *err, sl_status status, int errnum, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Appends the place, as in " (shard 'x', offset 12)". No-op on NULL. */
void error_append(sl_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
