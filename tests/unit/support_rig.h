/* support_rig.h: a directory of files for one test, and a child process whose end and stderr are looked at.
 */
#ifndef TESTS_SUPPORT_RIG_H
#define TESTS_SUPPORT_RIG_H

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

static char rig_dir[256];

static inline void rig_make_dir(void) {
    const char *base = getenv("TMPDIR");
    snprintf(rig_dir, sizeof rig_dir, "%s/sluice-test-XXXXXX", base && *base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(rig_dir));
}

static inline int rig_remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static inline void rig_remove_dir(void) {
    nftw(rig_dir, rig_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* "<rig_dir>/name", good until the fourth call after. */
static inline const char *rig_path(const char *name) {
    static char paths[4][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_MAX, "%s/%s", rig_dir, name);
    return path;
}

/* Makes the directories before it too. */
static inline const char *rig_write(const char *name, const void *data, size_t nbytes) {
    const char *path = rig_path(name);
    char part[PATH_MAX];
    for (const char *slash = strchr(path + strlen(rig_dir) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        mkdir(part, 0755);
    }
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, nbytes, f), nbytes);
    fclose(f);
    return path;
}

static inline const char *rig_puts(const char *name, const char *text) {
    return rig_write(name, text, strlen(text));
}

/* Reads a small file whole, NUL-ended. */
static inline size_t rig_read(const char *path, char *out, size_t cap) {
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "cannot open '%s'", path);
    size_t n = fread(out, 1, cap - 1, f);
    out[n] = 0;
    fclose(f);
    return n;
}

/* Runs `body` in a child with stderr caught in `text`; its wait status. */
static inline int rig_child(void (*body)(void), char *text, size_t cap) {
    int ends[2], status;
    ck_assert_int_eq(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        body();
        _exit(0);
    }
    close(ends[1]);
    size_t used = 0;
    for (ssize_t n; used < cap - 1 && (n = read(ends[0], text + used, cap - 1 - used)) > 0;)
        used += (size_t)n;
    text[used] = 0;
    close(ends[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

#endif
