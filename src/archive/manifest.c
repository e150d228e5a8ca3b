/* manifest.c: an input that is a list of names, as SageMaker's S3DataType ManifestFile and its data capture
 * have it: a JSON array, the first element an object with the prefix, the others keys behind it. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "archive/shard_list.h"
#include "support/file.h"
#include "support/json.h"
#include "support/mem.h"
#include "support/text.h"

#define MANIFEST_NBYTES ((off_t)16 << 20) /* as json_read_file takes */

static bool is_head(const json_t *head) {
    return json_is_object(head) && json_object_size(head) == 1 &&
           json_is_string(json_object_get(head, "prefix"));
}

static bool is_manifest(const json_t *root) {
    size_t i, n = json_array_size(root);
    for (i = 1; i < n && json_is_string(json_array_get(root, i)); i++)
        ;
    return n > 1 && i == n && is_head(json_array_get(root, 0));
}

bool manifest_is(const char *path) {
    char head[64];
    struct stat st;
    sl_error err = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0)
        return false;
    ssize_t n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= MANIFEST_NBYTES
                    ? file_read(fd, head, sizeof head - 1)
                    : -1;
    close(fd);
    head[n > 0 ? n : 0] = 0;
    const char *p = head + strspn(head, " \t\r\n");
    if (*p++ != '[' || p[strspn(p, " \t\r\n")] != '{')
        return false;
    json_t *root = json_read_file(path, SL_E_DATA, &err);
    bool is = is_manifest(root);
    json_decref(root);
    return is;
}

sl_status manifest_open(struct manifest *m, const char *path, sl_error *err) {
    *m = (struct manifest){.count = 0};
    json_t *root = json_read_file(path, SL_E_DATA, err);
    if (!root)
        return err ? err->status : SL_E_DATA;
    size_t n = json_array_size(root);
    if (!is_manifest(root)) {
        json_decref(root);
        return error_set(
            err, SL_E_DATA,
            "'%s' is no manifest: expected [{\"prefix\": \"s3://bucket/prefix/\"}, \"key\", ...]",
            text_quote(path));
    }
    m->store = mem_alloc(1, sizeof *m->store);
    m->keys = mem_alloc(n, sizeof *m->keys);
    bool room = m->store && m->keys;
    if (m->store)
        arena_init(&m->store->names);
    if (room)
        m->prefix = arena_strdup(&m->store->names,
                                 json_string_value(json_object_get(json_array_get(root, 0), "prefix")));
    room = room && m->prefix;
    for (size_t i = 1; room && i < n; i++) {
        m->keys[m->count] = arena_strdup(&m->store->names, json_string_value(json_array_get(root, i)));
        room = m->keys[m->count++] != NULL;
    }
    json_decref(root);
    if (room)
        return SL_OK;
    manifest_close(m);
    return shard_no_memory(err);
}

void manifest_close(struct manifest *m) {
    if (m->store)
        arena_clear(&m->store->names);
    mem_free(m->store);
    mem_free(m->keys);
    *m = (struct manifest){.count = 0};
}

/* A key names what is below the directory: no empty part, no "." or "..", and the output can have it too. */
static bool is_plain(const char *name) {
    for (const char *p = name;; p++) {
        size_t n = strcspn(p, "/");
        if (!n || (n <= 2 && !strncmp(p, "..", n)))
            return false;
        p += n;
        if (!*p)
            return p - name < 4000;
    }
}

static sl_status add_key(struct shard_list *list, const char *lead, const char *key, sl_error *err) {
    char name[4096];
    struct stat st;
    size_t n = strlen(lead), k = strlen(key);
    if (n + k >= sizeof name)
        return error_set(err, SL_E_NOINPUT, "manifest names '%s', which is too long", text_quote(key));
    memcpy(name, lead, n);
    memcpy(name + n, key, k + 1);
    if (!is_plain(name))
        return error_set(err, SL_E_NOINPUT, "manifest names '%s', which is no path below its prefix",
                         text_quote(name));
    if (fstatat(list->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return error_errno(err, SL_E_NOINPUT, errno, "cannot open '%s' of the manifest in '%s'",
                           text_quote(name), text_quote(list->root));
    if (!S_ISREG(st.st_mode))
        return error_set(err, SL_E_NOINPUT, "manifest names '%s', which is not a regular file",
                         text_quote(name));
    return shard_list_add(list, name, &st, err);
}

sl_status shard_list_open_manifest(struct shard_list *list, const char *dir, const char *lead,
                                   const struct manifest *m, sl_error *err) {
    sl_status status = shard_list_begin(list, dir, err);
    if (status == SL_OK && (list->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        status =
            error_errno(err, SL_E_NOINPUT, errno, "cannot open '%s', the manifest's prefix", text_quote(dir));
    for (size_t i = 0; status == SL_OK && i < m->count; i++)
        status = add_key(list, lead, m->keys[i], err);
    status = shard_list_end(list, status, err);
    for (size_t i = 1; status == SL_OK && i < list->count; i++)
        if (!strcmp(list->items[i - 1].name, list->items[i].name)) {
            status =
                error_set(err, SL_E_NOINPUT, "manifest names '%s' twice", text_quote(list->items[i].name));
            shard_list_close(list);
        }
    return status;
}
