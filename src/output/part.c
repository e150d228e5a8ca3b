/* part.c: the files a shard's lines and rejects go to until it is finished. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "output/writer.h"
#include "support/file.h"

/* A new file, whatever stood there; never through a link, and never into a file that has another name. */
static int create_file(const struct output *o, const char *path) {
    int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    int fd = openat(o->dir_fd, path, flags, 0666);
    if (fd < 0 && errno == EEXIST && unlinkat(o->dir_fd, path, 0) == 0)
        fd = openat(o->dir_fd, path, flags, 0666);
    else if (fd < 0 && errno == ENOENT && file_make_dirs(o->dir_fd, path, false) == 0)
        fd = openat(o->dir_fd, path, flags, 0666);
    return fd;
}

/* Opens a part file at `keep` bytes. What was written after the checkpoint counts for nothing. */
static sl_status open_file(const struct output *o, uint32_t shard, enum place place, uint64_t keep, int *fd,
                           sl_error *err) {
    char path[PATH_NBYTES];
    output_path(o, shard, place, path);
    if (!keep) {
        *fd = create_file(o, path);
        return *fd >= 0 ? SL_OK : output_failed(o, "create", path, err);
    }
    *fd = openat(o->dir_fd, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (*fd < 0 || ftruncate(*fd, (off_t)keep) != 0 || lseek(*fd, 0, SEEK_END) != (off_t)keep)
        return output_failed(o, "cut back", path, err);
    return SL_OK;
}

/* The hash of a resumed part goes over what it has already. */
static sl_status rehash(struct output *o, struct part *part, sl_error *err) {
    hash_reset(part->hash);
    for (uint64_t at = 0, end = part->out_nbytes; at < end;) {
        size_t want = end - at < STAGE_NBYTES ? (size_t)(end - at) : STAGE_NBYTES;
        errno = EIO; /* shorter than it was when it was cut back */
        if (file_pread(part->fd, o->stage.data, want, at) != (ssize_t)want) {
            char path[PATH_NBYTES];
            int errnum = errno;
            output_path(o, part->shard, PLACE_LINES, path);
            errno = errnum;
            return output_failed(o, "read back", path, err);
        }
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
    if (e->part >= 0) {
        *out = &o->parts[e->part];
        return SL_OK;
    }
    if (e->progress.state == SHARD_DONE || e->progress.state == SHARD_BROKEN)
        return error_set(err, SL_E_INTERNAL, "rows of '%s' came after its end", o->shards[shard].name);
    struct part *part = free_part(o);
    if (!part)
        return error_set(err, SL_E_INTERNAL, "more than %zu shards are open at once", o->part_count);
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
    sl_status st = open_file(o, shard, PLACE_LINES, part->out_nbytes, &part->fd, err);
    if (st == SL_OK)
        st = rehash(o, part, err);
    if (st == SL_OK && part->reject_nbytes)
        st = open_file(o, shard, PLACE_REJECTS, part->reject_nbytes, &part->reject_fd, err);
    return st;
}

static sl_status put(struct output *o, uint32_t shard, enum place place, int fd, const void *data,
                     size_t nbytes, sl_error *err) {
    if (file_write_all(fd, data, nbytes) == 0)
        return SL_OK;
    char path[PATH_NBYTES];
    int errnum = errno;
    output_path(o, shard, place, path);
    errno = errnum;
    return output_failed(o, "write", path, err);
}

sl_status part_put_lines(struct output *o, struct part *part, const void *data, size_t nbytes,
                         sl_error *err) {
    if (!nbytes)
        return SL_OK;
    part->dirty = true;
    hash_add(part->hash, data, nbytes);
    part->out_nbytes += nbytes;
    return put(o, part->shard, PLACE_LINES, part->fd, data, nbytes, err);
}

sl_status part_put_count(struct output *o, struct part *part, sl_error *err) {
    char text[32];
    const struct output_frame *f = o->frame;
    int n = snprintf(text, sizeof text, "%*llu", (int)f->count_nbytes, (unsigned long long)part->records);
    if (n != (int)f->count_nbytes)
        return error_set(err, SL_E_INTERNAL, "no room for the number of records of '%s'",
                         o->shards[part->shard].name);
    part->dirty = true;
    errno = EIO; /* a short write: not of so few bytes */
    if (pwrite(part->fd, text, f->count_nbytes, (off_t)f->count_at) != (ssize_t)f->count_nbytes) {
        char path[PATH_NBYTES];
        int errnum = errno;
        output_path(o, part->shard, PLACE_LINES, path);
        errno = errnum;
        return output_failed(o, "write", path, err);
    }
    return rehash(o, part, err);
}

sl_status part_put_rejects(struct output *o, struct part *part, sl_error *err) {
    sl_status st = SL_OK;
    size_t nbytes = o->rejects.size;
    if (!nbytes)
        return SL_OK;
    if (part->reject_fd < 0)
        st = open_file(o, part->shard, PLACE_REJECTS, 0, &part->reject_fd, err);
    part->dirty = true;
    part->reject_nbytes += nbytes;
    buf_reset(&o->rejects);
    return st == SL_OK ? put(o, part->shard, PLACE_REJECTS, part->reject_fd, o->rejects.data, nbytes, err)
                       : st;
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
    char path[PATH_NBYTES];
    struct shard_progress gone = e->progress;
    if (e->part >= 0) {
        struct part *part = &o->parts[e->part];
        gone = (struct shard_progress){.records = part->records,
                                       .scored = part->scored,
                                       .rejected = part->rejected,
                                       .out_nbytes = part->out_nbytes};
        part_close(o, part);
    }
    for (enum place place = PLACE_LINES; place <= PLACE_REJECTS; place++) {
        output_path(o, shard, place, path);
        if (unlinkat(o->dir_fd, path, 0) != 0 && errno != ENOENT)
            return output_failed(o, "remove", path, err);
    }
    *e = (struct shard_entry){.progress = {.state = SHARD_BROKEN}, .part = -1, .stands = e->stands};
    pthread_mutex_lock(&o->mutex);
    o->totals.records -= gone.records;
    o->totals.scored -= gone.scored;
    o->totals.rejected -= gone.rejected;
    o->totals.out_nbytes -= gone.out_nbytes;
    o->totals.shards_broken++;
    pthread_mutex_unlock(&o->mutex);
    return SL_OK;
}
