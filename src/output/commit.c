/* commit.c: durability, in this order and no other: file, name, directory, journal.
 *
 * Finished shards wait in a small group, so that ten thousand inputs of one record each do not cost ten
 * thousand times four syncs: a group of more than a few is made durable by one syncfs before the renames, and
 * the directories once after them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "output/writer.h"
#include "support/clock.h"
#include "support/file.h"
#include "support/text.h"

#define SYNC_ALL_FROM 4u /* a group of that many is synced as a whole */

void fill_entry(const struct output *o, uint32_t shard, enum journal_kind kind, struct journal_entry *entry) {
    const struct shard_entry *e = &o->entries[shard];
    const struct output_shard *s = &o->shards[shard];
    *entry = (struct journal_entry){.kind = kind, .in_nbytes = s->nbytes, .in_mtime_ns = s->mtime_ns};
    snprintf(entry->shard, sizeof entry->shard, "%s", s->name);
    if (kind == JOURNAL_BROKEN)
        return;
    entry->records = e->progress.records;
    entry->scored = e->progress.scored;
    entry->rejected = e->progress.rejected;
    entry->out_nbytes = e->progress.out_nbytes;
    entry->reject_nbytes = e->reject_nbytes;
    for (int i = 0; kind == JOURNAL_DONE && i < 32; i++)
        snprintf(entry->sha256 + 2 * i, 3, "%02x", e->sha256[i]);
}

/* What the part has becomes what the shard has. */
static void take_over(struct output *o, const struct part *part) {
    struct shard_entry *e = &o->entries[part->shard];
    e->progress = (struct shard_progress){.state = SHARD_PARTIAL,
                                          .records = part->records,
                                          .scored = part->scored,
                                          .rejected = part->rejected,
                                          .out_nbytes = part->out_nbytes};
    e->reject_nbytes = part->reject_nbytes;
}

static sl_status sync_part(const struct output *o, const struct part *part, sl_error *err) {
    char path[4096];
    if (fdatasync(part->fd) == 0 && (part->reject_fd < 0 || fdatasync(part->reject_fd) == 0))
        return SL_OK;
    int kept = errno;
    part_path(o, part->shard, ".out", path, NULL);
    errno = kept;
    return output_failed(o, "make durable", path, err);
}

static sl_status sync_group(const struct output *o, sl_error *err) {
    if (o->group_count >= SYNC_ALL_FROM)
        return syncfs(o->dir_fd) == 0 ? SL_OK : output_failed(o, "make durable", "_sluice/parts", err);
    for (unsigned i = 0; i < o->group_count; i++) {
        if (fsync(o->group[i]->fd) != 0)
            return output_failed(o, "make durable", o->shards[o->group[i]->shard].name, err);
        sl_status st = sync_part(o, o->group[i], err);
        if (st != SL_OK)
            return st;
    }
    return SL_OK;
}

static int rename_new(int dir_fd, const char *from, const char *to, bool replace) {
    if (replace)
        return renameat(dir_fd, from, dir_fd, to);
    if (syscall(SYS_renameat2, dir_fd, from, dir_fd, to, 1u /* RENAME_NOREPLACE */) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    /* a file system without it: a link fails where the name is taken */
    if (linkat(dir_fd, from, dir_fd, to, 0) != 0)
        return -1;
    return unlinkat(dir_fd, from, 0);
}

static sl_status publish(struct output *o, struct part *part, sl_error *err) {
    char from[4096], to[4096 + 8], hex[HASH_HEX];
    sl_status st = part_path(o, part->shard, ".out", from, err);
    if (st != SL_OK)
        return st;
    snprintf(to, sizeof to, "%.4090s.out", o->shards[part->shard].name);
    if (rename_new(o->dir_fd, from, to, o->replace) != 0) {
        bool made = errno == ENOENT && file_make_dirs(o->dir_fd, to, false) == 0;
        if (!made || rename_new(o->dir_fd, from, to, o->replace) != 0)
            return output_failed(o, "publish", to, err);
        /* a new directory must be durable too */
        if (file_sync_parent(o->dir_fd, to) != 0 || fsync(o->dir_fd) != 0)
            return output_failed(o, "make durable", to, err);
    }
    hash_finish(part->hash, hex);
    take_over(o, part);
    struct shard_entry *e = &o->entries[part->shard];
    e->progress.state = SHARD_DONE;
    for (int i = 0; i < 32; i++) {
        unsigned byte;
        sscanf(hex + 2 * i, "%2x", &byte);
        e->sha256[i] = (unsigned char)byte;
    }
    return SL_OK;
}

/* The directories of the group, each once where neighbours share it. */
static sl_status sync_dirs(const struct output *o, sl_error *err) {
    if (o->group_count >= SYNC_ALL_FROM)
        return syncfs(o->dir_fd) == 0 ? SL_OK : output_failed(o, "make durable", "", err);
    for (unsigned i = 0; i < o->group_count; i++) {
        char to[4096 + 8];
        snprintf(to, sizeof to, "%.4090s.out", o->shards[o->group[i]->shard].name);
        if (file_sync_parent(o->dir_fd, to) != 0)
            return output_failed(o, "make durable", to, err);
    }
    return SL_OK;
}

sl_status commit_group(struct output *o, sl_error *err) {
    if (!o->group_count)
        return SL_OK;
    sl_status st = sync_group(o, err);
    for (unsigned i = 0; st == SL_OK && i < o->group_count; i++)
        st = publish(o, o->group[i], err);
    if (st == SL_OK)
        st = sync_dirs(o, err);
    for (unsigned i = 0; st == SL_OK && i < o->group_count; i++) {
        fill_entry(o, o->group[i]->shard, JOURNAL_DONE, o->entry);
        st = journal_add(o->journal, o->entry, err);
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

sl_status output_checkpoint(struct output *o, sl_error *err) {
    sl_status st = commit_group(o, err);
    for (size_t i = 0; st == SL_OK && i < o->part_count; i++) {
        struct part *part = &o->parts[i];
        if (!part->used || !part->dirty)
            continue;
        st = sync_part(o, part, err);
        if (st != SL_OK)
            return st;
        part->dirty = false;
        take_over(o, part);
        fill_entry(o, part->shard, JOURNAL_CHECKPOINT, o->entry);
        st = journal_add(o->journal, o->entry, err);
    }
    if (st == SL_OK)
        st = journal_sync(o->journal, err);
    o->checkpointed_ns = clock_ns();
    return st;
}
