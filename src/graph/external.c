/* external.c: opening the files of external data. The kernel is asked to keep below the directory and follow
 * no link (openat2); where it is too old, every part of the path is opened on its own without following. */
#include "graph/external.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/file.h"
#include "support/text.h"

#define PATH_NBYTES 4096

/* Relative, no empty, "." or ".." part. */
static bool is_plain(const char *path) {
    if (!*path || *path == '/' || strchr(path, '\\'))
        return false;
    for (const char *part = path; part;) {
        const char *slash = strchr(part, '/');
        size_t nbytes = slash ? (size_t)(slash - part) : strlen(part);
        if (nbytes == 0 || (nbytes <= 2 && !memcmp(part, "..", nbytes)))
            return false;
        part = slash ? slash + 1 : NULL;
    }
    return true;
}

/* One part after the other, never through a link. */
static int walk_open(int dir_fd, const char *path) {
    char part[PATH_NBYTES];
    int fd = dup(dir_fd);
    while (fd >= 0) {
        const char *slash = strchr(path, '/');
        size_t nbytes = slash ? (size_t)(slash - path) : strlen(path);
        if (nbytes >= sizeof part)
            break;
        memcpy(part, path, nbytes);
        part[nbytes] = 0;
        int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (slash ? O_DIRECTORY : 0);
        int next = openat(fd, part, flags);
        int errnum = errno;
        close(fd);
        errno = errnum;
        if (!slash || next < 0)
            return next;
        fd = next;
        path = slash + 1;
    }
    if (fd >= 0)
        close(fd);
    errno = ENAMETOOLONG;
    return -1;
}

static int open_beneath(int dir_fd, const char *path) {
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM || errno == E2BIG || errno == EINVAL))
        return walk_open(dir_fd, path);
    return fd;
}

static int open_model_dir(const char *model_path) {
    char dir[PATH_NBYTES];
    const char *slash = strrchr(model_path, '/');
    size_t nbytes = slash ? (size_t)(slash - model_path) : 1;
    if (nbytes >= sizeof dir) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(dir, slash ? model_path : ".", nbytes);
    dir[nbytes] = 0;
    return open(slash == model_path ? "/" : dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static sl_status map_file(int fd, struct external_file *file, sl_error *err) {
    struct stat st;
    const char *name = text_quote(file->name);
    if (fstat(fd, &st) != 0)
        return error_errno(err, SL_E_IO, errno, "cannot read external data '%s'", name);
    if (!S_ISREG(st.st_mode))
        return error_set(err, SL_E_MODEL, "external data '%s' is not a regular file", name);
    if (st.st_nlink != 1)
        return error_set(err, SL_E_MODEL, "external data '%s' has %lu names, expected 1 (a hard link)", name,
                         (unsigned long)st.st_nlink);
    file->nbytes = (size_t)st.st_size;
    if (!file->nbytes)
        return SL_OK;
    void *p = mmap(NULL, file->nbytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return error_errno(err, SL_E_IO, errno, "cannot map external data '%s'", name);
    file->data = p;
    return SL_OK;
}

static sl_status open_file(struct external *external, struct external_file *file, sl_error *err) {
    const char *name = text_quote(file->name);
    if (!is_plain(file->name))
        return error_set(err, SL_E_MODEL,
                         "external data '%s' is not a plain path below the model's directory", name);
    int dir_fd = open_model_dir(external->model_path);
    int fd = dir_fd < 0 ? -1 : open_beneath(dir_fd, file->name);
    int errnum = errno;
    if (dir_fd >= 0)
        close(dir_fd);
    if (fd < 0 && (errnum == ELOOP || errnum == EXDEV || errnum == ENOTDIR))
        return error_set(err, SL_E_MODEL, "external data '%s' is reached through a link", name);
    if (fd < 0)
        return error_errno(err, errnum == ENOENT ? SL_E_MODEL : SL_E_IO, errnum,
                           "cannot open external data '%s'", name);
    sl_status st = map_file(fd, file, err);
    close(fd);
    return st;
}

sl_status external_bytes(struct external *external, struct arena *arena, sl_string location, uint64_t offset,
                         uint64_t nbytes, const void **data, sl_error *err) {
    struct external_file *file = external->files;
    while (file &&
           (strlen(file->name) != location.nbytes || memcmp(file->name, location.data, location.nbytes) != 0))
        file = file->next;
    if (!file) {
        if (external->count == EXTERNAL_MAX_FILES)
            return error_set(err, SL_E_MODEL, "external data is in more than %u files", EXTERNAL_MAX_FILES);
        file = arena_alloc(arena, 1, sizeof *file);
        char *name = arena_strndup(arena, location.data, location.nbytes);
        if (!file || !name)
            return error_set(err, SL_E_MEMORY, "out of memory for external data");
        if (memchr(name, 0, location.nbytes))
            return error_set(err, SL_E_MODEL, "external data '%s' has a NUL in its name", text_quote(name));
        file->name = name;
        sl_status st = open_file(external, file, err);
        if (st != SL_OK)
            return st;
        file->next = external->files;
        external->files = file;
        external->count++;
    }
    if (offset > file->nbytes || nbytes > file->nbytes - offset)
        return error_set(err, SL_E_MODEL, "external data '%s' has %zu bytes, bytes %llu to %llu are wanted",
                         text_quote(file->name), file->nbytes, (unsigned long long)offset,
                         (unsigned long long)(offset + nbytes));
    *data = nbytes ? (const char *)file->data + offset : NULL;
    return SL_OK;
}

void external_close(struct external *external) {
    for (struct external_file *file = external->files; file; file = file->next)
        if (file->data)
            file_unmap(file->data, file->nbytes);
    external->files = NULL;
}
