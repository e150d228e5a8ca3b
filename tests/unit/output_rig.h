/* output_rig.h: a made-up job for the tests of the writer: shards whose lines and rejects follow from their numbers, read
 * by a few readers side by side into slots as the ring would fill them, and a hash of what the job left. */
#ifndef TESTS_OUTPUT_RIG_H
#define TESTS_OUTPUT_RIG_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/output.h"
#include "support/hash.h"
#include "tests/unit/harness.h"

#define RIG_TEXT 96 /* bytes of a row's cell */
#define RIG_READERS 3

/* ---- directories ---- */

/* In memory where there is such a place: what is tested here is order and content, not the disk. */
static inline void rig_temp_dir(char dir[256]) {
    const char *base = getenv("TMPDIR");
    snprintf(dir, 256, "%.200s/sluice-test-XXXXXX", base ? base : "/dev/shm");
    if (mkdtemp(dir))
        return;
    snprintf(dir, 256, "/tmp/sluice-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static inline int rig_remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline void rig_remove(const char *dir) {
    nftw(dir, rig_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline bool rig_exists(const char *dir, const char *name) {
    char path[4400];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return lstat(path, &st) == 0;
}

/* A whole file, NUL-ended; NULL when it is not there. */
static inline char *rig_read(const char *dir, const char *name, size_t *nbytes) {
    char path[4400];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *in = fopen(path, "rb");
    if (!in)
        return NULL;
    fseek(in, 0, SEEK_END);
    *nbytes = (size_t)ftell(in);
    rewind(in);
    char *text = malloc(*nbytes + 1);
    ck_assert_uint_eq(fread(text, 1, *nbytes, in), *nbytes);
    text[*nbytes] = 0;
    fclose(in);
    return text;
}

static inline void rig_write(const char *dir, const char *name, const void *data, size_t nbytes) {
    char path[4400];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *out = fopen(path, "wb");
    ck_assert_ptr_nonnull(out);
    ck_assert_uint_eq(fwrite(data, 1, nbytes, out), nbytes);
    fclose(out);
}

static inline bool rig_varies(const char *name) {
    return !strcmp(name, "_sluice/journal") || !strcmp(name, "_sluice/lock") ||
           !strcmp(name, "_sluice/summary.json");
}

static inline int rig_not_dots(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

static inline void rig_hash_into(struct hash *hash, const char *root, const char *below) {
    char path[4400], name[4400];
    struct dirent **entries;
    snprintf(path, sizeof path, "%.1000s/%.3000s", root, below);
    int count = scandir(path, &entries, rig_not_dots, alphasort);
    for (int i = 0; i < count; i++) {
        struct stat st;
        snprintf(name, sizeof name, "%.2000s%s%s", below, *below ? "/" : "", entries[i]->d_name);
        snprintf(path, sizeof path, "%.1000s/%.3000s", root, name);
        ck_assert_int_eq(lstat(path, &st), 0);
        if (S_ISDIR(st.st_mode)) {
            hash_add(hash, name, strlen(name) + 1);
            rig_hash_into(hash, root, name);
        } else if (!rig_varies(name)) {
            size_t nbytes;
            char *text = rig_read(root, name, &nbytes);
            hash_add(hash, name, strlen(name) + 1);
            hash_add(hash, &nbytes, sizeof nbytes);
            hash_add(hash, text, nbytes);
            free(text);
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

/* Of the whole tree, but for what may differ from run to run. */
static inline void rig_hash_tree(const char *dir, char hex[HASH_HEX]) {
    struct hash *hash = hash_open();
    rig_hash_into(hash, dir, "");
    hash_finish(hash, hex);
    hash_close(hash);
}

/* ---- the job ---- */

struct rig_job {
    struct output_shard *shards;
    uint64_t *records;
    bool *broken; /* cannot be read past its half */
    size_t count; /* a test may lower it */
    size_t made;
};

/* Shard i has `records(i)` records: none, one, a few, many. */
static inline struct rig_job rig_job(size_t count, uint64_t most) {
    struct rig_job job = {.count = count, .made = count};
    job.shards = calloc(count + 1, sizeof *job.shards);
    job.records = calloc(count + 1, sizeof *job.records);
    job.broken = calloc(count + 1, sizeof *job.broken);
    for (size_t i = 0; i < count; i++) {
        char *name = malloc(64);
        snprintf(name, 64, i % 4 == 3 ? "sub%zu/deep/part-%04zu.csv" : "part-%04zu.csv", i % 4 == 3 ? i / 8 : i, i);
        job.shards[i] = (struct output_shard){name, 1000 + i, 1700000000000000000 + (int64_t)i};
        job.records[i] = i % 5 == 0 ? most : i % 7 == 0 ? 0 : (i * 2654435761u >> 8) % (most / 4 + 2);
    }
    return job;
}

static inline void rig_job_free(struct rig_job *job) {
    for (size_t i = 0; i < job->made; i++)
        free((char *)(uintptr_t)job->shards[i].name);
    free(job->shards);
    free(job->records);
    free(job->broken);
}

static inline bool rig_is_reject(size_t shard, uint64_t record) {
    return shard % 3 != 1 && (record * 31 + shard) % 13 == 0;
}

/* The line of a record, '\n' included. */
static inline size_t rig_line(char *text, size_t shard, uint64_t record) {
    if (rig_is_reject(shard, record))
        return (size_t)snprintf(text, RIG_TEXT, "ERROR\n");
    return (size_t)snprintf(text, RIG_TEXT, "%zu,%" PRIu64 ",%.*s\n", shard, record, (int)(record * 7 % 60),
                            "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl");
}

struct rig_slot {
    struct slot slot;
    uint32_t row_cap;
};

static inline struct slot *rig_slot(uint32_t row_cap) {
    struct slot *slot = calloc(1, sizeof *slot);
    slot->row_cap = row_cap;
    slot->span_cap = 3 * row_cap + 64;
    slot->text_row_nbytes = RIG_TEXT;
    slot->rows = calloc(row_cap, sizeof *slot->rows);
    slot->rejects = calloc(row_cap, sizeof *slot->rejects);
    slot->text = calloc(row_cap, RIG_TEXT);
    slot->spans = calloc(slot->span_cap, sizeof *slot->spans);
    return slot;
}

static inline void rig_slot_free(struct slot *slot) {
    free(slot->rows);
    free(slot->rejects);
    free(slot->text);
    free(slot->spans);
    free(slot);
}

static inline void rig_fill_row(struct slot *slot, uint32_t row, size_t shard, uint64_t record) {
    slot->rows[row] = (struct row){.offset = record * 10, .length = 9, .state = ROW_GOOD};
    slot->rows[row].text_nbytes = (uint32_t)rig_line(slot->text + row * slot->text_row_nbytes, shard, record);
    if (!rig_is_reject(shard, record))
        return;
    slot->rows[row].state = ROW_REJECTED;
    slot->rejects[row] = (struct row_reject){.stage = "decode", .code = "not-a-number"};
    snprintf(slot->rejects[row].reason, sizeof slot->rejects[row].reason, "field 3 is '\"x\\%" PRIu64 "'", record);
    snprintf(slot->rejects[row].key, sizeof slot->rejects[row].key, "key %" PRIu64, record);
}

/* Readers that each go through shards of their own, a few rows at a time in an order that `seed` decides. */
struct rig_readers {
    const struct rig_job *job;
    const struct output *output;
    unsigned seed;
    size_t next;
    struct {
        bool busy;
        size_t shard;
        uint64_t record;
    } reader[RIG_READERS];
};

static inline bool rig_take_shard(struct rig_readers *r, int k) {
    while (r->next < r->job->count) {
        size_t shard = r->next++;
        const struct shard_progress *p = output_shard_progress(r->output, shard);
        if (p->state == SHARD_DONE)
            continue;
        r->reader[k].busy = true;
        r->reader[k].shard = shard;
        r->reader[k].record = p->records;
        return true;
    }
    return false;
}

static inline void rig_add_span(struct slot *slot, struct span span) {
    ck_assert_uint_lt(slot->span_count, slot->span_cap);
    slot->spans[slot->span_count++] = span;
}

/* Fills the slot; false when there is nothing more to come. */
static inline bool rig_fill(struct rig_readers *r, struct slot *slot) {
    slot->row_count = slot->span_count = 0;
    while (slot->row_count < slot->row_cap && slot->span_count + 2 < slot->span_cap) {
        int k = (int)(rand_r(&r->seed) % RIG_READERS), tries = 0;
        while (!r->reader[k].busy && !rig_take_shard(r, k) && tries++ < RIG_READERS)
            k = (k + 1) % RIG_READERS;
        if (!r->reader[k].busy)
            break;
        size_t shard = r->reader[k].shard;
        uint64_t first = r->reader[k].record, records = r->job->records[shard];
        uint64_t end = r->job->broken[shard] ? records / 2 : records;
        uint32_t count = 1 + (uint32_t)(rand_r(&r->seed) % 17);
        if (count > slot->row_cap - slot->row_count)
            count = slot->row_cap - slot->row_count;
        if (count > end - first)
            count = (uint32_t)(end - first);
        if (count)
            rig_add_span(slot, (struct span){.shard = (uint32_t)shard,
                                             .row = slot->row_count,
                                             .count = count,
                                             .kind = SPAN_ROWS,
                                             .first_record = first});
        for (uint32_t i = 0; i < count; i++)
            rig_fill_row(slot, slot->row_count++, shard, first + i);
        r->reader[k].record += count;
        if (r->reader[k].record < end)
            continue;
        r->reader[k].busy = false;
        rig_add_span(slot, (struct span){.shard = (uint32_t)shard,
                                         .row = slot->row_count,
                                         .kind = r->job->broken[shard] ? SPAN_FAILED : SPAN_END,
                                         .first_record = end,
                                         .error = "made up"});
    }
    return slot->span_count > 0;
}

static inline struct output_options rig_options(const struct rig_job *job, const char *dir) {
    static const struct output_fact facts[] = {{"sluice", "0.1.0"}, {"model_sha256", "abc"}, {"accept", "text/csv"}};
    return (struct output_options){.dir = dir,
                                   .shards = job->shards,
                                   .shard_count = job->count,
                                   .facts = facts,
                                   .fact_count = 3,
                                   .checkpoint_ns = 0, /* after every slot */
                                   .open_max = RIG_READERS};
}

/* Runs the job to its end or through at most `slots` slots (0: all). */
static inline sl_status rig_run(const struct rig_job *job, const struct output_options *options, unsigned seed,
                                uint32_t row_cap, unsigned slots, sl_error *err) {
    struct output *output;
    bool finished;
    sl_status st = output_open(&output, options, &finished, err);
    if (st != SL_OK)
        return st;
    if (finished) {
        output_close(output);
        return SL_OK;
    }
    struct slot *slot = rig_slot(row_cap);
    struct rig_readers readers = {.job = job, .output = output, .seed = seed};
    unsigned written = 0;
    while (st == SL_OK && (!slots || written++ < slots) && rig_fill(&readers, slot))
        st = output_write_slot(output, slot, err);
    if (st == SL_OK && !slots)
        st = output_finish(output, "{}\n", 3, err);
    rig_slot_free(slot);
    output_close(output);
    return st;
}

/* What the tree of an undisturbed run is. */
static inline void rig_want(const struct rig_job *job, char hex[HASH_HEX]) {
    char dir[256];
    sl_error err = {0};
    rig_temp_dir(dir);
    struct output_options options = rig_options(job, dir);
    sl_status st = rig_run(job, &options, 1, 64, 0, &err);
    ck_assert_msg(st == SL_OK, "%s", err.text);
    rig_hash_tree(dir, hex);
    rig_remove(dir);
}

#endif
