/* part.c: the files a shard's lines and rejects go to until it is finished: OUTPUT/_sluice/parts/NAME.out and
 * .rej. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "output/writer.h"
#include "support/file.h"
#include "support/text.h"

sl_status part_path(const struct output *o, uint32_t shard, const char *suffix, char path[4096],
                    sl_error *err) {
    int n = snprintf(path, 4096, "_sluice/parts/%s%s", o->shards[shard].name, suffix);
    return n < 4096 ? SL_OK
                    : error_set(err, SL_E_OUTPUT, "output path of '%s' is too long",
                                text_quote(o->shards[shard].name));
}

static sl_status open_file(const struct output *o, const char *path, uint64_t keep, int *fd, sl_error *err) {
    int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (keep ? 0 : O_TRUNC);
    *fd = openat(o->dir_fd, path, flags, 0666);
    if (*fd < 0 && errno == ENOENT && file_make_dirs(o->dir_fd, path, false) == 0)
        *fd = openat(o->dir_fd, path, flags, 0666);
    if (*fd < 0)
        return output_failed(o, "create", path, err);
    /* what was written after the checkpoint counts for nothing */
    if (keep && (ftruncate(*fd, (off_t)keep) != 0 || lseek(*fd, 0, SEEK_END) < 0))
        return output_failed(o, "cut back", path, err);
    return SL_OK;
}

/* The hash of a resumed part goes over what it has already. */
static sl_status rehash(struct output *o, struct part *part, const char *path, sl_error *err) {
    hash_reset(part->hash);
    for (uint64_t at = 0; at < part->out_nbytes;) {
        size_t want = part->out_nbytes - at < o->stage.cap ? (size_t)(part->out_nbytes - at) : o->stage.cap;
        if (file_pread(part->fd, o->stage.data, want, at) != (ssize_t)want)
            return output_failed(o, "read back", path, err);
        hash_add(part->hash, o->stage.data, want);
        at += want;
    }
    return SL_OK;
}

static struct part *free_part(struct output *o) {
    for (size_t i = 0; i < o->part_count; i++)
        if (!o->parts[i].used)
            return &o->parts[i];
    return NULL;
}

sl_status part_open(struct output *o, uint32_t shard, struct part **out, sl_error *err) {
    struct shard_entry *e = &o->entries[shard];
    char path[4096];
    if (e->part >= 0) {
        *out = &o->parts[e->part];
        return SL_OK;
    }
    struct part *part = free_part(o);
    if (!part)
        return error_set(err, SL_E_INTERNAL, "more shards are open than was planned");
    sl_status st = part_path(o, shard, ".out", path, err);
    if (st == SL_OK)
        st = open_file(o, path, e->progress.out_nbytes, &part->fd, err);
    if (st != SL_OK)
        return st;
    part->used = true;
    part->shard = shard;
    part->dirty = false;
    part->records = e->progress.records;
    part->scored = e->progress.scored;
    part->rejected = e->progress.rejected;
    part->out_nbytes = e->progress.out_nbytes;
    part->reject_nbytes = e->reject_nbytes;
    e->part = (int32_t)(part - o->parts);
    *out = part;
    st = rehash(o, part, path, err);
    if (st == SL_OK && part->reject_nbytes && (st = part_path(o, shard, ".rej", path, err)) == SL_OK)
        st = open_file(o, path, part->reject_nbytes, &part->reject_fd, err);
    return st;
}

void part_close(struct output *o, struct part *part) {
    if (part->fd >= 0)
        close(part->fd);
    if (part->reject_fd >= 0)
        close(part->reject_fd);
    part->fd = part->reject_fd = -1;
    if (part->used)
        o->entries[part->shard].part = -1;
    part->used = false;
}

sl_status part_abandon(struct output *o, uint32_t shard, sl_error *err) {
    struct shard_entry *e = &o->entries[shard];
    char path[4096];
    struct shard_progress gone = e->progress;
    if (e->part >= 0) {
        const struct part *part = &o->parts[e->part];
        gone = (struct shard_progress){.records = part->records,
                                       .scored = part->scored,
                                       .rejected = part->rejected,
                                       .out_nbytes = part->out_nbytes};
        part_close(o, &o->parts[e->part]);
    }
    static const char *const suffixes[] = {".out", ".rej"};
    for (int i = 0; i < 2; i++) {
        sl_status st = part_path(o, shard, suffixes[i], path, err);
        if (st != SL_OK)
            return st;
        if (unlinkat(o->dir_fd, path, 0) != 0 && errno != ENOENT && errno != ENOTDIR)
            return output_failed(o, "remove", path, err);
    }
    *e = (struct shard_entry){.progress = {.state = SHARD_BROKEN}, .part = -1};
    pthread_mutex_lock(&o->mutex);
    o->totals.records -= gone.records;
    o->totals.scored -= gone.scored;
    o->totals.rejected -= gone.rejected;
    o->totals.out_nbytes -= gone.out_nbytes;
    o->totals.shards_broken++;
    pthread_mutex_unlock(&o->mutex);
    return SL_OK;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
    (void)st;
    (void)kind;
    (void)ftw;
    remove(path);
    return 0;
}

void remove_parts(const struct output *o) {
    char path[4096 + 32];
    snprintf(path, sizeof path, "%s/_sluice/parts", o->dir);
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
