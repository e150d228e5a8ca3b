/* shard.c: walks the input once and sorts by the bytes of the names, so every run on every machine sees one
 * order. */
#include "archive/shard_list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/file.h"
#include "support/mem.h"
#include "support/text.h"

#define MAX_DEPTH 64

sl_status shard_no_memory(sl_error *err) {
    return error_set(err, SL_E_MEMORY, "out of memory for the list of shards");
}

sl_status shard_list_add(struct shard_list *list, const char *name, const struct stat *st, sl_error *err) {
    struct shard_list_store *store = list->store;
    if (list->count == store->cap) {
        size_t cap = store->cap ? 2 * store->cap : 64;
        struct shard *grown = mem_grow(list->items, cap, sizeof *grown);
        if (!grown)
            return shard_no_memory(err);
        list->items = grown;
        store->cap = cap;
    }
    char *copy = arena_strdup(&store->names, name);
    if (!copy)
        return shard_no_memory(err);
    list->items[list->count++] =
        (struct shard){.name = copy,
                       .nbytes = (uint64_t)st->st_size,
                       .inode = st->st_ino,
                       .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec};
    list->total_nbytes += (uint64_t)st->st_size;
    return SL_OK;
}

/* What the job itself leaves in a directory is never its input. */
static bool is_ours(const char *name) {
    return !strcmp(name, "_sluice") || !strcmp(name, "_SUCCESS");
}

static sl_status cannot_list(const struct shard_list *list, const char *path, int errnum, sl_error *err) {
    return error_errno(err, SL_E_NOINPUT, errnum, "cannot list input directory '%s%s%s'",
                       text_quote(list->root), *path ? "/" : "", text_quote(path));
}

static sl_status walk(struct shard_list *list, int dir_fd, char *path, size_t used, int depth, sl_error *err);

static sl_status walk_entry(struct shard_list *list, int dir_fd, char *path, size_t used, const char *name,
                            int depth, sl_error *err) {
    struct stat st;
    size_t n = strlen(name);
    if (used + n + 2 > PATH_MAX)
        return error_set(err, SL_E_NOINPUT, "path below input '%s' is too long: '%s'", text_quote(list->root),
                         text_quote(name));
    memcpy(path + used, name, n + 1);
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? SL_OK /* gone since we read its name */
                               : error_errno(err, SL_E_NOINPUT, errno, "cannot look at input '%s/%s'",
                                             text_quote(list->root), text_quote(path));
    if (S_ISREG(st.st_mode))
        return shard_list_add(list, path, &st, err);
    if (S_ISLNK(st.st_mode)) {
        list->links++;
        return SL_OK;
    }
    if (!S_ISDIR(st.st_mode)) {
        list->special++;
        return SL_OK;
    }
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return cannot_list(list, path, errno, err);
    path[used + n] = '/';
    path[used + n + 1] = 0;
    return walk(list, fd, path, used + n + 1, depth + 1, err);
}

/* Owns dir_fd. `path` holds the part below the root, `used` bytes of it. */
static sl_status walk(struct shard_list *list, int dir_fd, char *path, size_t used, int depth,
                      sl_error *err) {
    errno = ELOOP;
    DIR *dir = depth < MAX_DEPTH ? fdopendir(dir_fd) : NULL;
    if (!dir) {
        int errnum = errno;
        close(dir_fd);
        return depth < MAX_DEPTH ? cannot_list(list, path, errnum, err)
                                 : error_set(err, SL_E_NOINPUT,
                                             "cannot list input directory '%s/%s': more than %d levels deep",
                                             text_quote(list->root), text_quote(path), MAX_DEPTH);
    }
    sl_status status = SL_OK;
    bool any = false;
    struct dirent *entry;
    while (status == SL_OK && (errno = 0, entry = readdir(dir)) != NULL) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        any = true;
        if (!depth && list->store->prefix &&
            strncmp(entry->d_name, list->store->prefix, strlen(list->store->prefix)))
            continue;
        if (entry->d_name[0] == '.')
            list->hidden++;
        else if (!is_ours(entry->d_name))
            status = walk_entry(list, dirfd(dir), path, used, entry->d_name, depth, err);
    }
    if (status == SL_OK && errno) {
        path[used] = 0;
        status = cannot_list(list, path, errno, err);
    }
    list->empty_dirs += !any;
    closedir(dir);
    return status;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct shard *)a)->name, ((const struct shard *)b)->name);
}

static sl_status list_dir(struct shard_list *list, const char *input, sl_error *err) {
    char path[PATH_MAX] = "";
    int fd = open(input, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return cannot_list(list, path, errno, err);
    list->dir_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (list->dir_fd < 0) {
        int errnum = errno;
        close(fd);
        return error_errno(err, SL_E_MEMORY, errnum, "cannot keep input directory '%s' open",
                           text_quote(input));
    }
    return walk(list, fd, path, 0, 0, err);
}

static sl_status list_file(struct shard_list *list, const char *input, const struct stat *st, sl_error *err) {
    const char *slash = strrchr(input, '/');
    char dir[PATH_MAX] = ".";
    if (slash) {
        memcpy(dir, input, (size_t)(slash - input) + 1);
        dir[slash - input + 1] = 0;
    }
    list->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (list->dir_fd < 0)
        return error_errno(err, SL_E_NOINPUT, errno, "cannot open '%s'", text_quote(dir));
    return shard_list_add(list, slash ? slash + 1 : input, st, err);
}

sl_status shard_list_begin(struct shard_list *list, const char *root, sl_error *err) {
    *list = (struct shard_list){.dir_fd = -1};
    list->store = mem_alloc(1, sizeof *list->store);
    list->root = mem_strdup(root);
    if (!list->store || !list->root)
        return shard_no_memory(err);
    arena_init(&list->store->names);
    return SL_OK;
}

sl_status shard_list_end(struct shard_list *list, sl_status status, sl_error *err) {
    if (status == SL_OK && !list->count)
        status = error_set(
            err, SL_E_NOINPUT,
            "input directory '%s' holds no files to score (%zu hidden, %zu links, %zu special left out)",
            text_quote(list->root), list->hidden, list->links, list->special);
    if (status == SL_OK)
        qsort(list->items, list->count, sizeof *list->items, by_name);
    else
        shard_list_close(list);
    return status;
}

sl_status shard_list_open(struct shard_list *list, const char *input, sl_error *err) {
    struct stat st, link;
    *list = (struct shard_list){.dir_fd = -1};
    errno = ENAMETOOLONG;
    if (strlen(input) >= PATH_MAX || stat(input, &st) != 0 || lstat(input, &link) != 0)
        return error_errno(err, SL_E_NOINPUT, errno, "cannot open input '%s'", text_quote(input));
    if (S_ISREG(st.st_mode) && S_ISLNK(link.st_mode))
        return error_set(err, SL_E_NOINPUT, "cannot read input '%s': it is a link; name the file it leads to",
                         text_quote(input));
    sl_status status = shard_list_begin(list, input, err);
    if (status == SL_OK && S_ISDIR(st.st_mode))
        status = list_dir(list, input, err);
    else if (status == SL_OK && S_ISREG(st.st_mode))
        status = list_file(list, input, &st, err);
    else if (status == SL_OK)
        status =
            error_set(err, SL_E_NOINPUT, "cannot read input '%s': neither a directory nor a regular file",
                      text_quote(input));
    return shard_list_end(list, status, err);
}

sl_status shard_list_open_prefix(struct shard_list *list, const char *dir, const char *prefix,
                                 sl_error *err) {
    sl_status status = shard_list_begin(list, dir, err);
    if (status == SL_OK) {
        list->store->prefix = prefix;
        status = list_dir(list, dir, err);
        list->store->prefix = NULL;
    }
    if (status == SL_OK && !list->count)
        status = error_set(err, SL_E_NOINPUT, "nothing in '%s' begins with '%s'", text_quote(dir),
                           text_quote(prefix));
    return shard_list_end(list, status, err);
}

void shard_list_close(struct shard_list *list) {
    if (list->dir_fd >= 0)
        close(list->dir_fd);
    if (list->store)
        arena_clear(&list->store->names);
    mem_free(list->store);
    mem_free(list->root);
    mem_free(list->items);
    *list = (struct shard_list){.dir_fd = -1};
}
