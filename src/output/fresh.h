/* fresh.h: a file that stands under its name whole or not at all, written through a buf that the caller
 * lends; and what status it is when the file system refuses. */
#ifndef OUTPUT_FRESH_H
#define OUTPUT_FRESH_H

#include "support/buf.h"
#include "support/error.h"

struct fresh {
    int dir_fd, fd;
    const char *name;  /* below dir_fd */
    char temp[64];     /* where it is written first */
    struct buf *stage; /* append to it, and flush it before it has to grow */
};

sl_status fresh_open(struct fresh *f, int dir_fd, const char *name, struct buf *stage, sl_error *err);
sl_status fresh_flush(struct fresh *f, sl_error *err);
/* Puts it in its place, durably, when `st` is SL_OK; otherwise what was there before stays. */
sl_status fresh_close(struct fresh *f, sl_status st, sl_error *err);

/* SL_E_OUTPUT where somebody has to act before another try can succeed, SL_E_IO where the machine failed or
 * (see error_errno) the errno says more by itself. */
sl_status fresh_status(int errnum);

#endif
