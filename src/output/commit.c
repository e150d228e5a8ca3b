/* commit.c: durability, in this order and no other: file, name, directory, journal.
 *
 * Finished shards wait in a small group, so that ten thousand inputs of one record each do not cost ten
 * thousand times four syncs. Every file of a group is told to go to the disk, then each is waited for (the
 * file system commits them together then; measured on ext4: 3,000 to 6,000 files a second, 120 one by one);
 * then the renames, the directories, and one write of the journal. syncfs would be faster still, but says
 * nothing of errors before Linux 5.8, does nothing on some file systems, and waits for what others write.
 *
 * After a crash between rename and journal an output stands whole that the journal does not know. It is
 * scored again and replaced by a rename, so that at any time what stands there is whole (output_state.c). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "output/writer.h"
#include "support/clock.h"
#include "support/file.h"

#define NO_REPLACE 1u /* RENAME_NOREPLACE, which older headers lack */

sl_status journal_shard(struct output *o, uint32_t shard, enum journal_kind kind, sl_error *err) {
    static const char digits[] = "0123456789abcdef";
    const struct shard_entry *e = &o->entries[shard];
    const struct output_shard *s = &o->shards[shard];
    struct journal_entry *entry = o->entry;
    *entry = (struct journal_entry){.kind = kind,
                                    .records = e->progress.records,
                                    .scored = e->progress.scored,
                                    .rejected = e->progress.rejected,
                                    .out_nbytes = e->progress.out_nbytes,
                                    .reject_nbytes = e->reject_nbytes,
                                    .in_nbytes = s->nbytes,
                                    .in_mtime_ns = s->mtime_ns};
    snprintf(entry->shard, sizeof entry->shard, "%s", s->name);
    for (int i = 0; i < 64; i++)
        entry->sha256[i] = digits[e->sha256[i / 2] >> (i & 1 ? 0 : 4) & 15];
    return journal_add(o->journal, entry, err);
}

/* What the part has becomes what the shard has. */
static void take_over(struct output *o, const struct part *part, enum shard_state state) {
    struct shard_entry *e = &o->entries[part->shard];
    e->progress = (struct shard_progress){.state = state,
                                          .records = part->records,
                                          .scored = part->scored,
                                          .rejected = part->rejected,
                                          .out_nbytes = part->out_nbytes};
    e->reject_nbytes = part->reject_nbytes;
}

/* ---- files ---- */

/* A hint: errors come up when the file is waited for. */
static void start_sync(const struct part *part) {
    sync_file_range(part->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    if (part->reject_fd >= 0)
        sync_file_range(part->reject_fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static sl_status wait_sync(const struct output *o, const struct part *part, sl_error *err) {
    char path[PATH_NBYTES];
    enum place place = PLACE_LINES;
    int rc = fsync(part->fd);
    if (rc == 0 && part->reject_fd >= 0) {
        place = PLACE_REJECTS;
        rc = fsync(part->reject_fd);
    }
    if (rc == 0)
        return SL_OK;
    int errnum = errno;
    output_path(o, part->shard, place, path);
    errno = errnum;
    return output_failed(o, "make durable", path, err);
}

static sl_status sync_group(const struct output *o, sl_error *err) {
    sl_status st = SL_OK;
    for (unsigned i = 0; o->group_count > 1 && i < o->group_count; i++)
        start_sync(o->group[i]);
    for (unsigned i = 0; st == SL_OK && i < o->group_count; i++)
        st = wait_sync(o, o->group[i], err);
    return st;
}

/* ---- names ---- */

/* Fails with EEXIST where the name is taken. */
static int rename_new(int dir_fd, const char *from, const char *to) {
    if (syscall(SYS_renameat2, dir_fd, from, dir_fd, to, NO_REPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    /* a file system without it: a link fails where the name is taken */
    if (linkat(dir_fd, from, dir_fd, to, 0) == 0)
        return unlinkat(dir_fd, from, 0);
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS)
        return -1;
    /* and without links: ours is the lock, so only a stranger could come in between */
    if (faccessat(dir_fd, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return renameat(dir_fd, from, dir_fd, to);
}

static int rename_part(const struct output *o, uint32_t shard, const char *from, const char *to) {
    return o->entries[shard].stands ? renameat(o->dir_fd, from, o->dir_fd, to)
                                    : rename_new(o->dir_fd, from, to);
}

static sl_status publish(struct output *o, uint32_t shard, sl_error *err) {
    char from[PATH_NBYTES], to[PATH_NBYTES];
    output_path(o, shard, PLACE_LINES, from);
    output_path(o, shard, PLACE_FINAL, to);
    int rc = rename_part(o, shard, from, to);
    if (rc != 0 && errno == ENOENT && file_make_dirs(o->dir_fd, to, false) == 0)
        rc = rename_part(o, shard, from, to);
    return rc == 0 ? SL_OK : output_failed(o, "publish", to, err);
}

/* ---- directories ---- */

/* fsync of the directory that is the first `nbytes` of the path. */
static sl_status sync_dir(const struct output *o, const char *path, size_t nbytes, sl_error *err) {
    char dir[PATH_NBYTES] = ".";
    if (nbytes) {
        memcpy(dir, path, nbytes);
        dir[nbytes] = 0;
    }
    int fd = openat(o->dir_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd), errnum = errno;
    if (fd >= 0)
        close(fd);
    errno = errnum;
    return rc == 0 ? SL_OK : output_failed(o, "make durable", dir, err);
}

/* Whether one of the group before number i has its file below the same directory. */
static bool was_synced(const struct output *o, unsigned i, enum place place, const char *path,
                       size_t nbytes) {
    char other[PATH_NBYTES];
    for (unsigned k = 0; k < i; k++) {
        if (place == PLACE_REJECTS && o->group[k]->reject_fd < 0)
            continue;
        output_path(o, o->group[k]->shard, place, other);
        if (!nbytes || !strncmp(path, other, nbytes + 1)) /* the '/', too */
            return true;
    }
    return false;
}

/* The directory of each file of the group and all above it, which may be new as well; each once. */
static sl_status sync_dirs(const struct output *o, enum place place, sl_error *err) {
    char path[PATH_NBYTES];
    for (unsigned i = 0; i < o->group_count; i++) {
        if (place == PLACE_REJECTS && o->group[i]->reject_fd < 0)
            continue;
        output_path(o, o->group[i]->shard, place, path);
        for (size_t n = strlen(path); n > 0;) {
            for (n--; n > 0 && path[n] != '/'; n--) {
            }
            if (was_synced(o, i, place, path, n))
                break; /* and so were those above */
            sl_status st = sync_dir(o, path, n, err);
            if (st != SL_OK)
                return st;
        }
    }
    return SL_OK;
}

/* ---- all of it ---- */

static void keep_hash(struct output *o, const struct part *part) {
    char hex[HASH_HEX];
    unsigned char *sum = o->entries[part->shard].sha256;
    hash_finish(part->hash, hex);
    for (int i = 0; i < 64; i++) {
        unsigned char digit = (unsigned char)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
        sum[i / 2] = (unsigned char)(sum[i / 2] << 4 | digit);
    }
}

sl_status commit_group(struct output *o, sl_error *err) {
    if (!o->group_count)
        return SL_OK;
    sl_status st = sync_group(o, err);
    for (unsigned i = 0; st == SL_OK && i < o->group_count; i++)
        st = publish(o, o->group[i]->shard, err);
    if (st == SL_OK)
        st = sync_dirs(o, PLACE_FINAL, err);
    if (st == SL_OK)
        st = sync_dirs(o, PLACE_REJECTS, err);
    for (unsigned i = 0; st == SL_OK && i < o->group_count; i++) {
        keep_hash(o, o->group[i]);
        take_over(o, o->group[i], SHARD_DONE);
        st = journal_shard(o, o->group[i]->shard, JOURNAL_DONE, err);
    }
    if (st == SL_OK)
        st = journal_sync(o->journal, err);
    if (st != SL_OK)
        return st;
    for (unsigned i = 0; i < o->group_count; i++)
        part_close(o, o->group[i]);
    pthread_mutex_lock(&o->mutex);
    o->totals.shards_done += o->group_count;
    pthread_mutex_unlock(&o->mutex);
    o->group_count = 0;
    return SL_OK;
}

sl_status commit_later(struct output *o, struct part *part, sl_error *err) {
    if (!o->group_count)
        o->group_ns = clock_ns();
    part->dirty = false; /* the group makes it durable */
    o->group[o->group_count++] = part;
    return o->group_count == COMMIT_GROUP ? commit_group(o, err) : SL_OK;
}

sl_status commit_checkpoint(struct output *o, sl_error *err) {
    sl_status st = commit_group(o, err);
    for (size_t i = 0; st == SL_OK && i < o->part_count; i++)
        if (o->parts[i].used && o->parts[i].dirty)
            start_sync(&o->parts[i]);
    for (size_t i = 0; st == SL_OK && i < o->part_count; i++) {
        struct part *part = &o->parts[i];
        if (!part->used || !part->dirty)
            continue;
        st = wait_sync(o, part, err);
        if (st != SL_OK)
            break;
        part->dirty = false;
        take_over(o, part, SHARD_PARTIAL);
        st = journal_shard(o, part->shard, JOURNAL_CHECKPOINT, err);
    }
    if (st == SL_OK)
        st = journal_sync(o->journal, err);
    o->checkpointed_ns = clock_ns();
    return st;
}

sl_status output_checkpoint(struct output *o, sl_error *err) {
    sl_status st = output_check(o, err);
    return output_keep(o, st == SL_OK ? commit_checkpoint(o, err) : st, err);
}
