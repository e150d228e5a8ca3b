/* error.c: one place that formats failures. */
#include "support/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/text.h"

/* A text that filled its room may end within a character: that piece goes. */
static void end_whole(sl_error *err) {
    size_t n = strnlen(err->text, sizeof err->text - 1), start = n;
    if (n < sizeof err->text - 1)
        return;
    while (start > n - 4 && ((unsigned char)err->text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start > n - 4)
        start--; /* the byte that leads them, or a whole one */
    if (!text_is_utf8(err->text + start, n - start))
        err->text[start] = 0;
}

sl_status error_setv(sl_error *err, sl_status status, const char *format, va_list args) {
    if (err) {
        err->status = status;
        vsnprintf(err->text, sizeof err->text, format, args);
        end_whole(err);
    }
    return status;
}

sl_status error_set(sl_error *err, sl_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    error_setv(err, status, format, args);
    va_end(args);
    return status;
}

static sl_status status_of(sl_status status, int errnum) {
    switch (errnum) {
    case EACCES:
    case EPERM:
        return status == SL_E_IO ? SL_E_PERMISSION : status;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case EAGAIN:
        return SL_E_MEMORY;
    default:
        return status;
    }
}

sl_status error_errno(sl_error *err, sl_status status, int errnum, const char *format, ...) {
    va_list args;
    status = status_of(status, errnum);
    va_start(args, format);
    error_setv(err, status, format, args);
    va_end(args);
    error_append(err, ": %s", strerror(errnum));
    return status;
}

void error_append(sl_error *err, const char *format, ...) {
    if (!err)
        return;
    size_t used = strnlen(err->text, sizeof err->text - 1);
    va_list args;
    va_start(args, format);
    vsnprintf(err->text + used, sizeof err->text - used, format, args);
    va_end(args);
    end_whole(err);
}
