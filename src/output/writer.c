/* writer.c: the lines of a slot into the part files of their shards, in order. */
#include "output/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "support/clock.h"
#include "support/file.h"
#include "support/json.h"

/* One object of rejects.jsonl, as DESIGN.md section 3 has it. */
static void put_reject(struct buf *out, const char *shard, uint64_t record, const struct row *row,
                       const struct row_reject *why) {
    buf_reset(out);
    buf_puts(out, "{\"shard\": ");
    json_put_string(out, shard, strlen(shard));
    buf_printf(out, ", \"record\": %" PRIu64 ", \"offset\": %" PRIu64 ", \"length\": %" PRIu64 ", \"key\": ",
               record, row->offset, row->length);
    json_put_string(out, why->key, strlen(why->key));
    buf_printf(out, ", \"stage\": \"%s\", \"code\": \"%s\", \"reason\": ", why->stage, why->code);
    json_put_string(out, why->reason, strlen(why->reason));
    buf_puts(out, "}\n");
}

static sl_status write_reject(struct output *o, struct part *part, const struct slot *slot, uint32_t row,
                              uint64_t record, sl_error *err) {
    char path[4096];
    sl_status st = part_path(o, part->shard, ".rej", path, err);
    if (st != SL_OK)
        return st;
    if (part->reject_fd < 0) {
        part->reject_fd = openat(o->dir_fd, path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (part->reject_fd < 0)
            return output_failed(o, "create", path, err);
    }
    put_reject(&o->line, o->shards[part->shard].name, record, &slot->rows[row], &slot->rejects[row]);
    if (file_write_all(part->reject_fd, o->line.data, o->line.size) != 0)
        return output_failed(o, "write", path, err);
    part->reject_nbytes += o->line.size;
    return SL_OK;
}

static sl_status flush_stage(struct output *o, struct part *part, sl_error *err) {
    if (o->stage.size && file_write_all(part->fd, o->stage.data, o->stage.size) != 0) {
        char path[4096];
        int kept = errno;
        part_path(o, part->shard, ".out", path, NULL);
        errno = kept;
        return output_failed(o, "write", path, err);
    }
    hash_add(part->hash, o->stage.data, o->stage.size);
    part->out_nbytes += o->stage.size;
    buf_reset(&o->stage);
    return SL_OK;
}

/* Rows of one shard. Counts go into the totals once per span. */
static sl_status write_rows(struct output *o, const struct slot *slot, const struct span *span,
                            sl_error *err) {
    struct part *part;
    sl_status st = part_open(o, span->shard, &part, err);
    if (st != SL_OK)
        return st;
    if (part->records != span->first_record)
        return error_set(err, SL_E_INTERNAL, "record %" PRIu64 " of '%s' came where %" PRIu64 " was due",
                         span->first_record, o->shards[span->shard].name, part->records);
    uint64_t rejected = 0, before = part->out_nbytes;
    buf_reset(&o->stage);
    for (uint32_t i = 0; st == SL_OK && i < span->count; i++) {
        uint32_t row = span->row + i;
        const struct row *r = &slot->rows[row];
        if (o->stage.cap - o->stage.size <= r->text_nbytes)
            st = flush_stage(o, part, err);
        if (st == SL_OK && o->stage.cap > r->text_nbytes)
            buf_append(&o->stage, slot->text + (size_t)row * slot->text_row_nbytes, r->text_nbytes);
        else if (st == SL_OK) /* a line longer than the stage: one write of its own */
            st = error_set(err, SL_E_INTERNAL, "a line of %u bytes is longer than the stage", r->text_nbytes);
        if (st == SL_OK && r->state == ROW_REJECTED) {
            st = write_reject(o, part, slot, row, span->first_record + i, err);
            rejected++;
        }
    }
    if (st == SL_OK)
        st = flush_stage(o, part, err);
    if (st != SL_OK)
        return st;
    part->dirty = true;
    part->records += span->count;
    part->rejected += rejected;
    part->scored += span->count - rejected;
    pthread_mutex_lock(&o->mutex);
    o->totals.records += span->count;
    o->totals.rejected += rejected;
    o->totals.scored += span->count - rejected;
    o->totals.out_nbytes += part->out_nbytes - before;
    pthread_mutex_unlock(&o->mutex);
    return SL_OK;
}

static sl_status end_shard(struct output *o, const struct span *span, sl_error *err) {
    struct part *part;
    sl_status st = part_open(o, span->shard, &part, err); /* also for a shard without records */
    if (st != SL_OK)
        return st;
    if (part->records != span->first_record || part->records != part->scored + part->rejected)
        return error_set(err, SL_E_INTERNAL,
                         "the counts of '%s' do not add up: %" PRIu64 " records, %" PRIu64 " due",
                         o->shards[span->shard].name, part->records, span->first_record);
    return commit_later(o, part, err);
}

static sl_status break_shard(struct output *o, const struct span *span, sl_error *err) {
    sl_status st = part_abandon(o, span->shard, err);
    if (st != SL_OK)
        return st;
    fill_entry(o, span->shard, JOURNAL_BROKEN, o->entry);
    st = journal_add(o->journal, o->entry, err);
    return st == SL_OK ? journal_sync(o->journal, err) : st;
}

sl_status output_write_slot(struct output *o, const struct slot *slot, sl_error *err) {
    sl_status st = SL_OK;
    for (uint32_t i = 0; st == SL_OK && i < slot->span_count; i++) {
        const struct span *span = &slot->spans[i];
        if (span->kind == SPAN_ROWS)
            st = write_rows(o, slot, span, err);
        else if (span->kind == SPAN_END)
            st = end_shard(o, span, err);
        else
            st = break_shard(o, span, err);
    }
    uint64_t now = clock_ns();
    if (st == SL_OK && o->group_count && now - o->group_ns > 500000000u)
        st = commit_group(o, err);
    if (st == SL_OK && now - o->checkpointed_ns >= o->checkpoint_ns)
        st = output_checkpoint(o, err);
    return st;
}
