/* output_open.c: opening and closing: all memory of the writer is taken here. */
#include <string.h>
#include <unistd.h>

#include "output/writer.h"
#include "support/clock.h"
#include "support/mem.h"

#define HASH_NBYTES 512u /* what libcrypto takes for one */

size_t output_nbytes(const struct output_options *options) {
    return options->shard_count * sizeof(struct shard_entry) +
           (options->open_max + COMMIT_GROUP) * (sizeof(struct part) + HASH_NBYTES) + STAGE_NBYTES +
           REJECTS_NBYTES + JOURNAL_NBYTES + sizeof(struct output) + sizeof(struct journal_entry);
}

sl_status output_keep(struct output *o, sl_status st, const sl_error *err) {
    if (st != SL_OK && o->failure.status == SL_OK) {
        if (err)
            o->failure = *err;
        o->failure.status = st;
    }
    return st;
}

sl_status output_check(const struct output *o, sl_error *err) {
    if (o->failure.status != SL_OK && err)
        *err = o->failure;
    return o->failure.status;
}

static sl_status no_memory(sl_error *err) {
    return error_set(err, SL_E_MEMORY, "out of memory for the output stage");
}

static sl_status copy_facts(struct output *o, const struct output_options *options, sl_error *err) {
    o->facts = mem_alloc(options->fact_count, sizeof *o->facts);
    if (!o->facts)
        return no_memory(err);
    for (size_t i = 0; i < options->fact_count; i++) {
        o->facts[i].key = mem_strdup(options->facts[i].key);
        o->facts[i].value = mem_strdup(options->facts[i].value);
        o->fact_count++;
        if (!o->facts[i].key || !o->facts[i].value)
            return no_memory(err);
    }
    return SL_OK;
}

static sl_status open_parts(struct output *o, size_t count, sl_error *err) {
    o->parts = mem_alloc(count, sizeof *o->parts);
    if (!o->parts)
        return no_memory(err);
    for (; o->part_count < count; o->part_count++) {
        struct part *part = &o->parts[o->part_count];
        part->fd = part->reject_fd = -1;
        part->hash = hash_open();
        if (!part->hash)
            return no_memory(err);
    }
    return SL_OK;
}

static sl_status open_memory(struct output *o, const struct output_options *options, sl_error *err) {
    o->shards = options->shards;
    o->shard_count = options->shard_count;
    o->frame = options->frame;
    o->dir = mem_strdup(options->dir);
    o->entry = mem_alloc(1, sizeof *o->entry);
    o->entries = mem_alloc(o->shard_count, sizeof *o->entries);
    if (!o->dir || !o->entry || !o->entries || !buf_reserve(&o->stage, STAGE_NBYTES) ||
        !buf_reserve(&o->rejects, REJECTS_NBYTES))
        return no_memory(err);
    for (size_t i = 0; i < o->shard_count; i++)
        o->entries[i].part = -1;
    sl_status st = open_parts(o, options->open_max + COMMIT_GROUP, err);
    return st == SL_OK ? copy_facts(o, options, err) : st;
}

sl_status output_open(struct output **out, const struct output_options *options, bool *finished,
                      sl_error *err) {
    struct output *o = mem_alloc(1, sizeof *o);
    if (!o)
        return no_memory(err);
    *finished = false;
    o->dir_fd = o->lock_fd = -1;
    o->checkpoint_ns = options->checkpoint_ns;
    o->checkpointed_ns = clock_ns();
    pthread_mutex_init(&o->mutex, NULL);
    buf_init(&o->stage);
    buf_init(&o->rejects);
    sl_status st = open_memory(o, options, err);
    if (st == SL_OK)
        st = output_open_dir(o, err);
    if (st == SL_OK)
        st = output_open_state(o, options->overwrite, finished, err);
    if (st != SL_OK) {
        output_close(o);
        return st;
    }
    *out = o;
    return SL_OK;
}

void output_close(struct output *o) {
    if (!o)
        return;
    for (size_t i = 0; i < o->part_count; i++) {
        part_close(o, &o->parts[i]);
        hash_close(o->parts[i].hash);
    }
    for (size_t i = 0; i < o->fact_count; i++) {
        mem_free((char *)(uintptr_t)o->facts[i].key);
        mem_free((char *)(uintptr_t)o->facts[i].value);
    }
    mem_free(o->facts);
    journal_close(o->journal);
    if (o->lock_fd >= 0)
        close(o->lock_fd); /* and with it the lock */
    if (o->dir_fd >= 0)
        close(o->dir_fd);
    buf_clear(&o->stage);
    buf_clear(&o->rejects);
    mem_free(o->by_name);
    mem_free(o->entry);
    mem_free(o->entries);
    mem_free(o->parts);
    mem_free(o->dir);
    pthread_mutex_destroy(&o->mutex);
    mem_free(o);
}

const struct output_identity *output_identity(const struct output *o) {
    return journal_identity(o->journal);
}

const struct shard_progress *output_shard_progress(const struct output *o, size_t shard) {
    return &o->entries[shard].progress;
}

void output_totals(const struct output *out, struct output_totals *totals) {
    struct output *o = (struct output *)(uintptr_t)out; /* the mutex is not part of what is const */
    pthread_mutex_lock(&o->mutex);
    *totals = o->totals;
    pthread_mutex_unlock(&o->mutex);
}
