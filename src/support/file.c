/* file.c: system calls that finish what they began. */
#include "support/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/text.h"

ssize_t file_read(int fd, void *data, size_t nbytes) {
    ssize_t n;
    do
        n = read(fd, data, nbytes);
    while (n < 0 && errno == EINTR);
    return n;
}

ssize_t file_pread(int fd, void *data, size_t nbytes, uint64_t offset) {
    size_t done = 0;
    while (done < nbytes) {
        ssize_t n = pread(fd, (char *)data + done, nbytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int file_write_all(int fd, const void *data, size_t nbytes) {
    const char *p = data;
    while (nbytes) {
        ssize_t n = write(fd, p, nbytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        nbytes -= (size_t)n;
    }
    return 0;
}

int file_open_regular(int dir_fd, const char *path) {
    struct stat st;
    int fd;
    do
        fd = openat(dir_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        if (errno == ENXIO) /* a socket */
            errno = EINVAL;
        return -1;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        errno = EINVAL;
        return -1;
    }
    return fd;
}

int file_make_dirs(int dir_fd, const char *path, bool all) {
    char part[4096];
    size_t n = strlen(path);
    if (n >= sizeof part) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(part, path, n + 1);
    if (!all) {
        char *slash = strrchr(part, '/');
        n = slash ? (size_t)(slash - part) : 0;
        part[n] = 0;
        if (!n) /* the directory we stand in, or the root */
            return 0;
    }
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != 0)
            continue;
        char kept = part[i];
        part[i] = 0;
        if (mkdirat(dir_fd, part, 0777) != 0 && errno != EEXIST)
            return -1;
        part[i] = kept;
    }
    struct stat st; /* EEXIST also where a file is in the way */
    if (fstatat(dir_fd, part, &st, 0) != 0)
        return -1;
    if (!S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        return -1;
    }
    return 0;
}

int file_sync_parent(int dir_fd, const char *path) {
    char dir[4096];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (n >= sizeof dir) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(dir, n ? path : ".", n ? n : 1);
    dir[n ? n : 1] = 0;
    if (slash == path)
        memcpy(dir, "/", 2);
    int fd = openat(dir_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    int kept = errno;
    close(fd);
    errno = kept;
    return rc;
}

sl_status file_replace(int dir_fd, const char *path, const void *data, size_t nbytes, sl_error *err) {
    char temp[4096 + 8];
    if (snprintf(temp, sizeof temp, "%s.tmp", path) >= (int)sizeof temp)
        return error_set(err, SL_E_OUTPUT, "path '%s' is too long", text_quote(path));
    int fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return error_errno(err, SL_E_IO, errno, "cannot create '%s'", text_quote(temp));
    int rc = file_write_all(fd, data, nbytes);
    if (rc == 0)
        rc = fsync(fd);
    int kept = errno;
    if (close(fd) != 0 && rc == 0) {
        rc = -1;
        kept = errno;
    }
    if (rc == 0 && (renameat(dir_fd, temp, dir_fd, path) != 0 || file_sync_parent(dir_fd, path) != 0)) {
        rc = -1;
        kept = errno;
    }
    if (rc == 0)
        return SL_OK;
    unlinkat(dir_fd, temp, 0);
    return error_errno(err, SL_E_IO, kept, "cannot write '%s'", text_quote(path));
}

sl_status file_map(const char *path, const void **data, size_t *nbytes, sl_error *err) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_errno(err, errno == EACCES ? SL_E_PERMISSION : SL_E_NOINPUT, errno, "cannot open '%s'",
                           text_quote(path));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return error_set(err, SL_E_NOINPUT, "cannot open '%s': not a regular file", text_quote(path));
    }
    *nbytes = (size_t)st.st_size;
    *data = NULL;
    if (*nbytes) {
        void *p = mmap(NULL, *nbytes, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            int kept = errno;
            close(fd);
            return error_errno(err, SL_E_IO, kept, "cannot map '%s'", text_quote(path));
        }
        *data = p;
    }
    close(fd);
    return SL_OK;
}

void file_unmap(const void *data, size_t nbytes) {
    if (data)
        munmap((void *)(uintptr_t)data, nbytes);
}
