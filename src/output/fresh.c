/* fresh.c: write under another name, fsync, rename, fsync of the directory. */
#include "output/fresh.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "support/file.h"
#include "support/text.h"

sl_status fresh_status(int errnum) {
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
    case EROFS:
    case EFBIG:
    case EEXIST:
    case EISDIR:
    case ENOTDIR:
    case ENOTEMPTY:
    case ENAMETOOLONG:
    case ELOOP:
        return SL_E_OUTPUT;
    default:
        return SL_E_IO;
    }
}

static sl_status failed(const char *what, const char *path, sl_error *err) {
    return error_errno(err, fresh_status(errno), errno, "cannot %s '%s'", what, text_quote(path));
}

sl_status fresh_open(struct fresh *f, int dir_fd, const char *name, struct buf *stage, sl_error *err) {
    *f = (struct fresh){.dir_fd = dir_fd, .name = name, .stage = stage};
    snprintf(f->temp, sizeof f->temp, "%s.tmp", name);
    buf_reset(stage);
    f->fd = openat(dir_fd, f->temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    return f->fd >= 0 ? SL_OK : failed("create", f->temp, err);
}

sl_status fresh_flush(struct fresh *f, sl_error *err) {
    if (f->stage->failed)
        return error_set(err, SL_E_MEMORY, "out of memory for '%s'", f->name);
    if (file_write_all(f->fd, f->stage->data, f->stage->size) != 0)
        return failed("write", f->temp, err);
    buf_reset(f->stage);
    return SL_OK;
}

sl_status fresh_close(struct fresh *f, sl_status st, sl_error *err) {
    if (st == SL_OK)
        st = fresh_flush(f, err);
    if (st == SL_OK && fsync(f->fd) != 0)
        st = failed("make durable", f->temp, err);
    if (close(f->fd) != 0 && st == SL_OK)
        st = failed("write", f->temp, err);
    if (st == SL_OK && renameat(f->dir_fd, f->temp, f->dir_fd, f->name) != 0)
        st = failed("put in place", f->name, err);
    if (st != SL_OK)
        unlinkat(f->dir_fd, f->temp, 0);
    else if (file_sync_parent(f->dir_fd, f->name) != 0)
        st = failed("make durable", f->name, err);
    buf_reset(f->stage);
    return st;
}
