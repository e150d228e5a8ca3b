/* writer.c: the lines of a slot into the part files of their shards, in order. */
#include "output/writer.h"

#include <inttypes.h>
#include <string.h>

#include "support/clock.h"
#include "support/json.h"
#include "support/text.h"

/* The longest object: a name of PATH_NBYTES and the texts of a reject, every byte escaped. */
#define REJECT_NBYTES (6 * (PATH_NBYTES + sizeof(struct row_reject)) + 1024)
_Static_assert(REJECT_NBYTES < REJECTS_NBYTES, "a reject fits its stage");

static void put_text(struct buf *out, const char *key, const char *text) {
    buf_puts(out, key);
    json_put_string(out, text, strlen(text));
}

/* One object of rejects.jsonl, as DESIGN.md section 3 has it. */
static void put_reject(struct buf *out, const char *shard, uint64_t record, const struct row *row,
                       const struct row_reject *why) {
    put_text(out, "{\"shard\": ", shard);
    buf_printf(out, ", \"record\": %" PRIu64 ", \"offset\": %" PRIu64 ", \"length\": %" PRIu64, record,
               row->offset, row->length);
    put_text(out, ", \"key\": ", why->key);
    put_text(out, ", \"stage\": ", why->stage);
    put_text(out, ", \"code\": ", why->code);
    put_text(out, ", \"reason\": ", why->reason);
    buf_puts(out, "}\n");
}

static sl_status flush_stage(struct output *o, struct part *part, sl_error *err) {
    size_t nbytes = o->stage.size;
    buf_reset(&o->stage);
    return part_put_lines(o, part, o->stage.data, nbytes, err);
}

static sl_status write_line(struct output *o, struct part *part, const char *text, size_t nbytes,
                            sl_error *err) {
    if (nbytes > STAGE_NBYTES - o->stage.size) {
        sl_status st = flush_stage(o, part, err);
        if (st != SL_OK || nbytes > STAGE_NBYTES) /* a line longer than the stage goes by itself */
            return st == SL_OK ? part_put_lines(o, part, text, nbytes, err) : st;
    }
    memcpy(o->stage.data + o->stage.size, text, nbytes);
    o->stage.size += nbytes;
    return SL_OK;
}

/* What stands in front of a record. */
static sl_status write_before(struct output *o, struct part *part, uint64_t record, sl_error *err) {
    const struct output_frame *f = o->frame;
    if (!f)
        return SL_OK;
    if (record == 0)
        return write_line(o, part, f->begin, f->begin_nbytes, err);
    return f->between ? write_line(o, part, f->between, strlen(f->between), err) : SL_OK;
}

/* What stands behind the last one. */
static sl_status write_end(struct output *o, struct part *part, sl_error *err) {
    const struct output_frame *f = o->frame;
    sl_status st = part->records == 0 ? write_before(o, part, 0, err) : SL_OK;
    if (st == SL_OK && f->end)
        st = write_line(o, part, f->end, strlen(f->end), err);
    if (st == SL_OK)
        st = flush_stage(o, part, err);
    return st == SL_OK && f->count_nbytes ? part_put_count(o, part, err) : st;
}

static sl_status write_reject(struct output *o, struct part *part, const struct slot *slot, uint32_t row,
                              uint64_t record, sl_error *err) {
    if (o->rejects.cap - o->rejects.size < REJECT_NBYTES) {
        sl_status st = part_put_rejects(o, part, err);
        if (st != SL_OK)
            return st;
    }
    put_reject(&o->rejects, o->shards[part->shard].name, record, &slot->rows[row], &slot->rejects[row]);
    return SL_OK;
}

/* Counts go into the totals once per span. */
static void count_rows(struct output *o, struct part *part, uint32_t count, uint32_t rejected,
                       uint64_t nbytes) {
    part->records += count;
    part->rejected += rejected;
    part->scored += count - rejected;
    pthread_mutex_lock(&o->mutex);
    o->totals.records += count;
    o->totals.rejected += rejected;
    o->totals.scored += count - rejected;
    o->totals.out_nbytes += nbytes;
    pthread_mutex_unlock(&o->mutex);
}

/* Rows of one shard. */
static sl_status write_rows(struct output *o, const struct slot *slot, const struct span *span,
                            sl_error *err) {
    struct part *part;
    sl_status st = part_open(o, span->shard, &part, err);
    if (st != SL_OK)
        return st;
    if (part->records != span->first_record)
        return error_set(err, SL_E_INTERNAL, "record %" PRIu64 " of '%s' came where %" PRIu64 " was due",
                         span->first_record, text_quote(o->shards[span->shard].name), part->records);
    uint32_t rejected = 0;
    uint64_t before = part->out_nbytes;
    for (uint32_t i = 0; st == SL_OK && i < span->count; i++) {
        uint32_t row = span->row + i;
        const struct row *r = &slot->rows[row];
        st = write_before(o, part, span->first_record + i, err);
        if (st == SL_OK)
            st = write_line(o, part, slot->text + (size_t)row * slot->text_row_nbytes, r->text_nbytes, err);
        if (st == SL_OK && r->state == ROW_REJECTED) {
            st = write_reject(o, part, slot, row, span->first_record + i, err);
            rejected++;
        }
    }
    if (st == SL_OK)
        st = flush_stage(o, part, err);
    if (st == SL_OK)
        st = part_put_rejects(o, part, err);
    if (st == SL_OK)
        count_rows(o, part, span->count, rejected, part->out_nbytes - before);
    return st;
}

static sl_status end_shard(struct output *o, const struct span *span, sl_error *err) {
    struct part *part;
    sl_status st = part_open(o, span->shard, &part, err); /* also for a shard without records */
    if (st != SL_OK)
        return st;
    if (part->records != span->first_record || part->records != part->scored + part->rejected)
        return error_set(err, SL_E_INTERNAL,
                         "the counts of '%s' do not add up: %" PRIu64 " records written, %" PRIu64 " read",
                         text_quote(o->shards[span->shard].name), part->records, span->first_record);
    if (o->frame) {
        uint64_t before = part->out_nbytes;
        if ((st = write_end(o, part, err)) != SL_OK)
            return st;
        count_rows(o, part, 0, 0, part->out_nbytes - before);
    }
    return commit_later(o, part, err);
}

/* No need to make its journal line durable now: without it the shard is read again, and breaks again. */
static sl_status break_shard(struct output *o, const struct span *span, sl_error *err) {
    sl_status st = part_abandon(o, span->shard, err);
    return st == SL_OK ? journal_shard(o, span->shard, JOURNAL_BROKEN, err) : st;
}

static sl_status write_slot(struct output *o, const struct slot *slot, sl_error *err) {
    sl_status st = output_check(o, err);
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
    if (st == SL_OK && o->group_count && now - o->group_ns >= COMMIT_LATE_NS)
        st = commit_group(o, err);
    if (st == SL_OK && now - o->checkpointed_ns >= o->checkpoint_ns)
        st = commit_checkpoint(o, err);
    return st;
}

sl_status output_write_slot(struct output *o, const struct slot *slot, sl_error *err) {
    return output_keep(o, write_slot(o, slot, err), err);
}
