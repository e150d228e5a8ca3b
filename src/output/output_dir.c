/* output_dir.c: the output directory: its paths, its lock, its own durability. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "output/fresh.h"
#include "output/writer.h"
#include "support/clock.h"
#include "support/file.h"
#include "support/text.h"

#define LOCK_PATH "_sluice/lock"

/* Lines and rejects stand in trees of their own that are shaped like the input, so no two names can meet. */
void output_path(const struct output *o, uint32_t shard, enum place place, char path[PATH_NBYTES]) {
    static const char *const formats[] = {"%s" SUFFIX, PARTS_PATH "/lines/%s", PARTS_PATH "/rejects/%s"};
    snprintf(path, PATH_NBYTES, formats[place], o->shards[shard].name);
}

sl_status output_failed(const struct output *o, const char *what, const char *path, sl_error *err) {
    return error_errno(err, fresh_status(errno), errno, "cannot %s '%s/%s'", what, text_quote(o->dir),
                       text_quote(path));
}

bool output_exists(const struct output *o, const char *path) {
    return faccessat(o->dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A kernel lock, which ends with its process however that ends. The file stays: it is never taken away from
 * under another process that waits for it. */
static sl_status take_lock(struct output *o, sl_error *err) {
    char text[256] = "";
    o->lock_fd = openat(o->dir_fd, LOCK_PATH, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (o->lock_fd < 0)
        return output_failed(o, "open", LOCK_PATH, err);
    if (flock(o->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return SL_OK;
    if (errno != EWOULDBLOCK)
        return output_failed(o, "lock", LOCK_PATH, err);
    if (file_pread(o->lock_fd, text, sizeof text - 1, 0) <= 0)
        snprintf(text, sizeof text, "another job");
    text[strcspn(text, "\n")] = 0;
    return error_set(err, SL_E_INTERRUPTED, "output '%s' is in use by %s", text_quote(o->dir),
                     text_quote(text));
}

sl_status output_open_dir(struct output *o, sl_error *err) {
    if (file_make_dirs(AT_FDCWD, o->dir, true) != 0)
        return error_errno(err, fresh_status(errno), errno, "cannot create output directory '%s'",
                           text_quote(o->dir));
    o->dir_fd = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (o->dir_fd < 0 || (mkdirat(o->dir_fd, "_sluice", 0777) != 0 && errno != EEXIST))
        return error_errno(err, fresh_status(errno), errno, "cannot write in output directory '%s'",
                           text_quote(o->dir));
    return take_lock(o, err);
}

sl_status output_sign(struct output *o, sl_error *err) {
    char text[256], host[64] = "", utc[32];
    gethostname(host, sizeof host - 1);
    clock_utc(utc);
    int n = snprintf(text, sizeof text, "process %ld on host '%s' since %s\n", (long)getpid(), host, utc);
    if (ftruncate(o->lock_fd, 0) != 0 || pwrite(o->lock_fd, text, (size_t)n, 0) != n)
        return output_failed(o, "write", LOCK_PATH, err);
    return SL_OK;
}

sl_status output_sync_dir(const struct output *o, sl_error *err) {
    char path[PATH_NBYTES];
    if (fsync(o->dir_fd) != 0)
        return output_failed(o, "make durable", "", err);
    /* every directory above may have been made for us; what we may not read was there before */
    snprintf(path, sizeof path, "%s", o->dir);
    for (;;) {
        if (file_sync_parent(AT_FDCWD, path) != 0 && errno != EACCES && errno != EINVAL && errno != EROFS)
            return error_errno(err, SL_E_IO, errno, "cannot make output directory '%s' durable",
                               text_quote(o->dir));
        char *slash = strrchr(path, '/');
        if (!slash || slash == path)
            return SL_OK;
        *slash = 0;
    }
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
    (void)st;
    (void)kind;
    (void)ftw;
    remove(path);
    return 0;
}

void remove_parts(const struct output *o) {
    char path[PATH_NBYTES + sizeof PARTS_PATH + 1];
    snprintf(path, sizeof path, "%s/" PARTS_PATH, o->dir);
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
