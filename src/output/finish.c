/* finish.c: the end of a job: rejects gathered in shard order, the summary, and _SUCCESS, last. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "output/fresh.h"
#include "output/writer.h"
#include "support/file.h"
#include "support/json.h"

static sl_status copy_rejects(struct output *o, struct fresh *f, uint32_t shard, sl_error *err) {
    char path[PATH_NBYTES];
    output_path(o, shard, PLACE_REJECTS, path);
    int from = openat(o->dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (from < 0)
        return output_failed(o, "read back", path, err);
    sl_status st = fresh_flush(f, err);
    for (uint64_t at = 0, end = o->entries[shard].reject_nbytes; st == SL_OK && at < end;) {
        size_t want = end - at < STAGE_NBYTES ? (size_t)(end - at) : STAGE_NBYTES;
        errno = EIO; /* shorter than the journal says */
        if (file_pread(from, o->stage.data, want, at) != (ssize_t)want)
            st = output_failed(o, "read back", path, err);
        o->stage.size = want;
        if (st == SL_OK)
            st = fresh_flush(f, err);
        at += want;
    }
    close(from);
    return st;
}

static sl_status gather_rejects(struct output *o, sl_error *err) {
    struct fresh f;
    sl_status st = fresh_open(&f, o->dir_fd, "_sluice/rejects.jsonl", &o->stage, err);
    if (st != SL_OK)
        return st;
    for (uint32_t i = 0; st == SL_OK && i < o->shard_count; i++)
        if (o->entries[i].reject_nbytes)
            st = copy_rejects(o, &f, i, err);
    return fresh_close(&f, st, err);
}

static void put_file(struct buf *out, const char *name, const struct shard_entry *e) {
    buf_puts(out, "    {\"name\": ");
    json_put_string(out, name, strlen(name));
    buf_printf(out, ", \"bytes\": %" PRIu64 ", \"sha256\": \"", e->progress.out_nbytes);
    for (int i = 0; i < 32; i++)
        buf_printf(out, "%02x", e->sha256[i]);
    buf_printf(out, "\", \"records\": %" PRIu64 ", \"rejected\": %" PRIu64 "}", e->progress.records,
               e->progress.rejected);
}

/* Everything that stands, with sizes and hashes; no times, so that every run of the job writes the same. */
static sl_status write_success(struct output *o, sl_error *err) {
    struct fresh f;
    struct buf *out = &o->stage;
    char path[PATH_NBYTES];
    sl_status st = fresh_open(&f, o->dir_fd, "_SUCCESS", &o->stage, err);
    if (st != SL_OK)
        return st;
    buf_puts(out, "{\n");
    for (size_t i = 0; i < o->fact_count; i++) {
        buf_puts(out, "  ");
        json_put_string(out, o->facts[i].key, strlen(o->facts[i].key));
        buf_puts(out, ": ");
        json_put_string(out, o->facts[i].value, strlen(o->facts[i].value));
        buf_puts(out, ",\n");
    }
    buf_printf(out, "  \"records\": %" PRIu64 ",\n  \"scored\": %" PRIu64 ",\n  \"rejected\": %" PRIu64 ",\n",
               o->totals.records, o->totals.scored, o->totals.rejected);
    buf_puts(out, "  \"files\": [\n");
    for (uint32_t i = 0; st == SL_OK && i < o->shard_count; i++) {
        output_path(o, i, PLACE_FINAL, path);
        put_file(out, path, &o->entries[i]);
        buf_puts(out, i + 1 < o->shard_count ? ",\n" : "\n");
        if (out->size > STAGE_NBYTES / 2)
            st = fresh_flush(&f, err);
    }
    buf_puts(out, "  ]\n}\n");
    return fresh_close(&f, st, err);
}

static sl_status write_summary(struct output *o, const char *summary, size_t nbytes, sl_error *err) {
    struct fresh f;
    sl_status st = fresh_open(&f, o->dir_fd, "_sluice/summary.json", &o->stage, err);
    if (st != SL_OK)
        return st;
    buf_append(&o->stage, summary, nbytes);
    return fresh_close(&f, st, err);
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

static sl_status finish(struct output *o, const char *summary, size_t summary_nbytes, sl_error *err) {
    bool all_done = true;
    sl_status st = output_check(o, err);
    if (st == SL_OK)
        st = commit_checkpoint(o, err);
    for (size_t i = 0; i < o->shard_count; i++)
        all_done = all_done && o->entries[i].progress.state == SHARD_DONE;
    if (st == SL_OK && all_done)
        st = check_counts(o, err);
    if (st == SL_OK && all_done)
        st = gather_rejects(o, err);
    if (st == SL_OK)
        st = write_summary(o, summary, summary_nbytes, err);
    if (st == SL_OK && all_done)
        st = write_success(o, err);
    if (st == SL_OK && all_done)
        remove_parts(o);
    return st;
}

sl_status output_finish(struct output *o, const char *summary, size_t summary_nbytes, sl_error *err) {
    return output_keep(o, finish(o, summary, summary_nbytes, err), err);
}
