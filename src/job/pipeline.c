/* pipeline.c: what the job's threads do. Readers cut records and reserve their rows; workers decode into the
 * rows, and format the rows that came back; the writer commits them. Errors of a record travel in its row,
 * errors of a shard in a span, and anything else ends the job through job_fail. */
#include <stdio.h>
#include <string.h>

#include "job/job.h"
#include "support/clock.h"
#include "support/log.h"
#include "support/text.h"

/* ---- readers
 * -------------------------------------------------------------------------------------------------- */

/* Rows for every record of the block, and the work of filling them. The block's users are its records:
 * whoever takes the last of them gives the block back. */
static bool hand_out(struct job *job, struct block *block) {
    /* the block may be gone as soon as its last record is handed out */
    const uint32_t shard = block->shard, count = block->cut_count;
    const uint64_t first_record = block->first_record;
    atomic_store_explicit(&block->users, count, memory_order_relaxed);
    for (uint32_t first = 0; first < count;) {
        struct lease lease;
        if (!ring_reserve(job->ring, shard, first_record + first, count - first, &lease))
            return false;
        struct task task = {TASK_DECODE, block, first, lease.slot, lease.row, lease.count};
        first += lease.count;
        if (!tasks_add(job->tasks, &task)) {
            sl_error err = {0};
            error_set(&err, SL_E_INTERNAL, "more decode tasks than blocks and slots allow");
            job_fail(job, &err);
            return false;
        }
    }
    return true;
}

/* With --limit: cuts off what is too much. True when the limit is reached; the shards that are left then end
 * where they stand. There is one reader then. */
static bool apply_limit(struct job *job, struct block *block) {
    if (!job->options->limit)
        return false;
    if (block->cut_count > job->limit_left)
        block->cut_count = (uint32_t)job->limit_left;
    job->limit_left -= block->cut_count;
    return job->limit_left == 0;
}

/* What is wrong with this shard alone, as against the machine or us. */
static bool is_shard_fault(sl_status status) {
    return status == SL_E_DATA || status == SL_E_NOINPUT || status == SL_E_PERMISSION;
}

static void end_broken_shard(struct job *job, size_t shard, uint64_t records, const sl_error *err) {
    if (!is_shard_fault(err->status)) {
        job_fail(job, err);
        return;
    }
    snprintf(job->shard_errors[shard], sizeof job->shard_errors[shard], "%.511s", err->text);
    log_line(LOG_ERROR, "%s", err->text);
    ring_end_shard(job->ring, (uint32_t)shard, records, job->shard_errors[shard]);
}

/* Reads one shard to its end. Leaves early when the job stops. */
static void read_shard(struct job_reader *self, size_t shard) {
    struct job *job = self->job;
    sl_error err = {0};
    uint64_t records = output_shard_progress(job->output, shard)->records;
    sl_status st = reader_start(self->reader, shard, records, &err);
    bool end = st != SL_OK;
    while (!end) {
        struct block *block = atomic_load(&job->stopping) ? NULL : block_pool_take(&job->pool);
        if (!block)
            return;
        struct stage_timer timer;
        stage_begin(&timer);
        uint64_t before = reader_stored_offset(self->reader);
        st = reader_next(self->reader, block, &err);
        atomic_store_explicit(&self->offset, reader_stored_offset(self->reader), memory_order_relaxed);
        stage_end(&job->stats[STAGE_READ], &timer, block->cut_count,
                  reader_stored_offset(self->reader) - before);
        end = st != SL_OK || !block->cut_count;
        if (end) {
            block_pool_give(&job->pool, block);
            break;
        }
        bool limited = apply_limit(job, block);
        records = block->first_record + block->cut_count;
        if (!block->cut_count)
            block_pool_give(&job->pool, block);
        else if (!hand_out(job, block))
            return;
        end = limited;
    }
    if (st != SL_OK)
        end_broken_shard(job, shard, records, &err);
    else
        ring_end_shard(job->ring, (uint32_t)shard, records, NULL);
}

void *job_reader_run(void *arg) {
    struct job_reader *self = arg;
    struct job *job = self->job;
    while (!atomic_load(&job->stopping)) {
        size_t shard = atomic_fetch_add(&job->next_shard, 1);
        if (shard >= job->shards.count)
            break;
        if (output_shard_progress(job->output, shard)->state == SHARD_DONE)
            continue;
        if (job->options->limit && !job->limit_left)
            ring_end_shard(job->ring, (uint32_t)shard, output_shard_progress(job->output, shard)->records,
                           NULL);
        else
            read_shard(self, shard);
        atomic_store(&self->offset, 0);
        if (!atomic_load(&job->stopping))
            atomic_fetch_add(&job->shard_nbytes_done, job->shards.items[shard].nbytes);
    }
    if (atomic_fetch_sub(&job->readers_at_work, 1) == 1)
        ring_finish(job->ring);
    return NULL;
}

/* ---- workers
 * -------------------------------------------------------------------------------------------------- */

static void reject_row(struct slot *slot, uint32_t row, const sl_record *record, const char *stage,
                       const char *code, const char *reason) {
    struct row_reject *reject = &slot->rejects[row];
    reject->stage = stage;
    snprintf(reject->code, sizeof reject->code, "%s", code);
    snprintf(reject->reason, sizeof reject->reason, "%s", reason);
    text_escape(reject->key, sizeof reject->key, record->key.data, record->key.nbytes);
    slot->rows[row].state = ROW_REJECTED;
}

static void *row_input(const struct job *job, const struct slot *slot, size_t input, uint32_t row) {
    const struct plan_port *port = &job->plan->inputs[input];
    return (char *)slot->input + job->plan->values[port->value].offset + row * port->row_nbytes;
}

/* A rejected row goes through the model like any other: as zeros. */
static void clear_row(const struct job *job, const struct slot *slot, uint32_t row) {
    for (size_t i = 0; i < job->plan->input_count; i++)
        memset(row_input(job, slot, i, row), 0, job->plan->inputs[i].row_nbytes);
}

/* The texts of a string input, which the chain left where they stood, move into the slot. */
static bool keep_texts(const struct job *job, struct slot *slot, size_t input, sl_string *texts,
                       size_t *row_nbytes, struct chain_reject *reject) {
    size_t limit = slot->string_row_nbytes;
    if (slot_keep_texts(slot, texts, job->plan->inputs[input].row_nbytes / sizeof *texts, row_nbytes))
        return true;
    reject->stage = "decode";
    snprintf(reject->code, sizeof reject->code, "text-too-long");
    snprintf(reject->reason, sizeof reject->reason,
             "the texts up to input '%.60s' have more than the %zu bytes planned for a record; "
             "{\"text\": {\"max_bytes\": N}} in transform.json plans for more",
             text_quote(job->plan->inputs[input].name), limit);
    return false;
}

/* What DataProcessing asks for, before a record is decoded. False: it is rejected. */
static bool keep_and_filter(struct job_worker *self, struct slot *slot, uint32_t row, sl_record *record) {
    const struct job *job = self->job;
    struct json_path_miss miss;
    char reason[200];
    if (job->processing.join && !job_keep_input(job, slot, row, record)) {
        reject_row(slot, row, record, "decode", "too-long-to-join",
                   "record is longer than can be joined with its result (--max-join-size)");
        return false;
    }
    if (!job->processing.filters || job_filter_input(job, self->filtered, record, &miss))
        return true;
    snprintf(reason, sizeof reason, "InputFilter '%s': %.120s", job->processing.input.text, miss.reason);
    reject_row(slot, row, record, "decode", miss.code, reason);
    return false;
}

static void decode_record(struct job_worker *self, const struct block *block, uint32_t index,
                          struct slot *slot, uint32_t row) {
    struct job *job = self->job;
    sl_field fields[BLOCK_MAX_SAMPLE_FIELDS];
    sl_record record;
    block_record(block, index, fields, &record);
    slot->rows[row] = (struct row){.offset = record.offset, .length = record.length, .state = ROW_GOOD};
    const struct cut *cut = &block->cuts[index];
    if (cut->reject_code) {
        reject_row(slot, row, &record, "archive", cut->reject_code, cut->reject_reason);
        clear_row(job, slot, row);
        return;
    }
    if (!keep_and_filter(self, slot, row, &record)) {
        clear_row(job, slot, row);
        return;
    }
    sl_value source;
    chain_source(&record, &source);
    size_t text_nbytes = 0;
    for (size_t i = 0; i < job->plan->input_count; i++) {
        struct chain_reject reject;
        sl_value out = {.kind = SL_KIND_TENSOR};
        out.tensor.data = row_input(job, slot, i, row);
        if (chain_apply(self->ctx, i, &source, &out, &reject) != SL_OK ||
            (chain_spec(job->chains[i])->dtype == SL_STRING &&
             !keep_texts(job, slot, i, out.tensor.data, &text_nbytes, &reject))) {
            reject_row(slot, row, &record, reject.stage, reject.code, reject.reason);
            clear_row(job, slot, row);
            return;
        }
    }
    if (job->bucket_count)
        slot->rows[row].bucket = (uint8_t)job_row_bucket(job, row_input(job, slot, job->token_mask, row));
}

static void decode(struct job_worker *self, const struct task *task) {
    struct job *job = self->job;
    struct block *block = task->block;
    struct stage_timer timer;
    stage_begin(&timer);
    uint64_t nbytes = 0;
    for (uint32_t i = 0; i < task->count; i++) {
        decode_record(self, block, task->first + i, task->slot, task->row + i);
        nbytes += block->cuts[task->first + i].nbytes;
    }
    stage_end(&job->stats[STAGE_DECODE], &timer, task->count, nbytes);
    if (atomic_fetch_sub_explicit(&block->users, task->count, memory_order_acq_rel) == task->count)
        block_pool_give(&job->pool, block);
    ring_rows_decoded(job->ring, task->slot, task->count);
}

static void format(struct job_worker *self, const struct task *task) {
    struct job *job = self->job;
    struct stage_timer timer;
    stage_begin(&timer);
    format_rows(self->format, task->slot, task->row, task->count);
    job_look_for_nonfinite(self, task->slot, task->row, task->count);
    stage_end(&job->stats[STAGE_FORMAT], &timer, task->count, 0);
    ring_rows_formatted(job->ring, task->slot, task->count);
}

void *job_worker_run(void *arg) {
    struct job_worker *self = arg;
    struct task task;
    while (tasks_take(self->job->tasks, self->number, &task)) {
        if (task.kind == TASK_DECODE)
            decode(self, &task);
        else
            format(self, &task);
    }
    return NULL;
}

/* The collector hands a computed slot to the workers. */
void job_slot_computed(void *arg, struct slot *slot) {
    struct job *job = arg;
    struct task task = {.kind = TASK_FORMAT, .slot = slot, .count = slot->row_count};
    if (!tasks_add(job->tasks, &task)) {
        sl_error err = {0};
        error_set(&err, SL_E_INTERNAL, "more format tasks than slots");
        job_fail(job, &err);
    }
}

/* ---- the writer
 * ----------------------------------------------------------------------------------------------- */

/* Garbage never runs for hours: too many rejects end the job. */
static sl_status check_rejects(const struct job *job, bool at_end, sl_error *err) {
    const sl_job_options *o = job->options;
    struct output_totals totals;
    output_totals(job->output, &totals);
    if (totals.rejected > o->max_rejects)
        return error_set(err, SL_E_DATA,
                         "too many rejects: %llu of %llu records, allowed are %llu (--max-rejects)",
                         (unsigned long long)totals.rejected, (unsigned long long)totals.records,
                         (unsigned long long)o->max_rejects);
    if (o->max_rejects_percent < 0 || (totals.records < 1000 && !at_end))
        return SL_OK;
    double allowed = (double)totals.records * o->max_rejects_percent / 100;
    /* one bad record never costs a job, however small the job is */
    if (totals.rejected <= 1 || (double)totals.rejected <= allowed)
        return SL_OK;
    return error_set(
        err, SL_E_DATA, "too many rejects: %llu of %llu records, allowed are %g %% (--max-rejects)",
        (unsigned long long)totals.rejected, (unsigned long long)totals.records, o->max_rejects_percent);
}

static sl_status write_slots(struct job *job, sl_error *err) {
    bool idle;
    struct slot *slot;
    sl_status st = SL_OK;
    while (st == SL_OK && ((slot = ring_next_formatted(job->ring, 1000000000u, &idle)) != NULL || idle)) {
        struct stage_timer timer;
        stage_begin(&timer);
        if (slot)
            st = output_write_slot(job->output, slot, err);
        else
            st = output_checkpoint(job->output, err);
        stage_end(&job->stats[STAGE_WRITE], &timer, slot ? slot->row_count : 0, 0);
        if (slot)
            ring_release(job->ring, slot);
        if (st == SL_OK)
            st = check_rejects(job, false, err);
    }
    if (st == SL_OK)
        st = output_checkpoint(job->output, err); /* the last shards of a group are committed here */
    return st == SL_OK ? check_rejects(job, true, err) : st;
}

void *job_writer_run(void *arg) {
    struct job *job = arg;
    sl_error err = {0};
    if (write_slots(job, &err) != SL_OK)
        job_fail(job, &err);
    pthread_mutex_lock(&job->mutex);
    job->writer_done = true;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->mutex);
    return NULL;
}
