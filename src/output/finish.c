/* finish.c: the end of a job: rejects gathered in shard order, the summary, and _SUCCESS, last. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "output/writer.h"
#include "support/file.h"
#include "support/json.h"

static sl_status copy_rejects(struct output *o, uint32_t shard, int to, sl_error *err) {
    char path[4096];
    sl_status st = part_path(o, shard, ".rej", path, err);
    if (st != SL_OK)
        return st;
    int from = openat(o->dir_fd, path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return output_failed(o, "read back", path, err);
    for (uint64_t at = 0, end = o->entries[shard].reject_nbytes; st == SL_OK && at < end;) {
        size_t want = end - at < o->stage.cap ? (size_t)(end - at) : o->stage.cap;
        if (file_pread(from, o->stage.data, want, at) != (ssize_t)want)
            st = output_failed(o, "read back", path, err);
        else if (file_write_all(to, o->stage.data, want) != 0)
            st = output_failed(o, "write", "_sluice/rejects.jsonl", err);
        at += want;
    }
    close(from);
    return st;
}

static sl_status gather_rejects(struct output *o, sl_error *err) {
    static const char temp[] = "_sluice/rejects.jsonl.tmp", name[] = "_sluice/rejects.jsonl";
    int fd = openat(o->dir_fd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return output_failed(o, "create", temp, err);
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < o->shard_count; i++)
        if (o->entries[i].reject_nbytes)
            st = copy_rejects(o, (uint32_t)i, fd, err);
    if (st == SL_OK && fsync(fd) != 0)
        st = output_failed(o, "make durable", temp, err);
    close(fd);
    if (st == SL_OK &&
        (renameat(o->dir_fd, temp, o->dir_fd, name) != 0 || file_sync_parent(o->dir_fd, name) != 0))
        st = output_failed(o, "publish", name, err);
    return st;
}

/* Everything that stands, with sizes and hashes; no times, so that every run of the job writes the same. */
static void put_success(const struct output *o, struct buf *out) {
    buf_puts(out, "{\n");
    for (size_t i = 0; i < o->fact_count; i++) {
        buf_puts(out, "  ");
        json_put_key(out, o->facts[i].key);
        json_put_string(out, o->facts[i].value, strlen(o->facts[i].value));
        buf_puts(out, ",\n");
    }
    buf_printf(out, "  \"records\": %" PRIu64 ",\n  \"scored\": %" PRIu64 ",\n  \"rejected\": %" PRIu64 ",\n",
               o->totals.records, o->totals.scored, o->totals.rejected);
    buf_puts(out, "  \"files\": [");
    for (size_t i = 0; i < o->shard_count; i++) {
        const struct shard_entry *e = &o->entries[i];
        char name[4096 + 8], hex[65];
        int n = snprintf(name, sizeof name, "%.4090s.out", o->shards[i].name);
        for (int k = 0; k < 32; k++)
            snprintf(hex + 2 * k, 3, "%02x", e->sha256[k]);
        buf_puts(out, i ? ",\n    {\"name\": " : "\n    {\"name\": ");
        json_put_string(out, name, (size_t)n);
        buf_printf(out,
                   ", \"bytes\": %" PRIu64 ", \"sha256\": \"%s\", \"records\": %" PRIu64
                   ", \"rejected\": %" PRIu64 "}",
                   e->progress.out_nbytes, hex, e->progress.records, e->progress.rejected);
    }
    buf_puts(out, "\n  ]\n}\n");
}

static sl_status check_counts(const struct output *o, sl_error *err) {
    uint64_t records = 0, scored = 0, rejected = 0;
    for (size_t i = 0; i < o->shard_count; i++) {
        const struct shard_progress *p = &o->entries[i].progress;
        records += p->records;
        scored += p->scored;
        rejected += p->rejected;
    }
    if (records == o->totals.records && scored == o->totals.scored && rejected == o->totals.rejected &&
        records == scored + rejected)
        return SL_OK;
    return error_set(err, SL_E_INTERNAL,
                     "the counts do not add up: %" PRIu64 " records in the shards, %" PRIu64
                     " in all, %" PRIu64 " scored, %" PRIu64 " rejected",
                     records, o->totals.records, scored, rejected);
}

sl_status output_finish(struct output *o, const char *summary, size_t summary_nbytes, sl_error *err) {
    bool all_done = true;
    sl_status st = output_checkpoint(o, err);
    for (size_t i = 0; i < o->shard_count; i++)
        all_done = all_done && o->entries[i].progress.state == SHARD_DONE;
    if (st == SL_OK && all_done)
        st = check_counts(o, err);
    if (st == SL_OK && all_done)
        st = gather_rejects(o, err);
    if (st == SL_OK)
        st = file_replace(o->dir_fd, "_sluice/summary.json", summary, summary_nbytes, err);
    if (st != SL_OK || !all_done)
        return st;
    struct buf text;
    buf_init(&text);
    put_success(o, &text);
    st = text.failed ? error_set(err, SL_E_MEMORY, "out of memory for _SUCCESS")
                     : file_replace(o->dir_fd, "_SUCCESS", text.data, text.size, err);
    buf_clear(&text);
    if (st == SL_OK)
        remove_parts(o);
    return st;
}
