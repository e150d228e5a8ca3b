/* output_open.c: takes the lock, reads the journal, and brings memory to where the last run stood. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "output/writer.h"
#include "support/clock.h"
#include "support/file.h"
#include "support/mem.h"
#include "support/text.h"

#define STAGE_NBYTES (1u << 20)
#define REJECT_LINE_NBYTES (64u << 10)

size_t output_nbytes(const struct output_options *options) {
    return options->shard_count * sizeof(struct shard_entry) + (options->open_max + COMMIT_GROUP) * 1024 +
           STAGE_NBYTES + 2 * REJECT_LINE_NBYTES;
}

sl_status output_failed(const struct output *o, const char *what, const char *path, sl_error *err) {
    int errnum = errno;
    sl_status st = errnum == ENOSPC || errnum == EDQUOT || errnum == EROFS ? SL_E_OUTPUT : SL_E_IO;
    return error_errno(err, st, errnum, "cannot %s output '%s/%s'", what, text_quote(o->dir),
                       text_quote(path));
}

/* ---- the directory and its lock
 * ------------------------------------------------------------------------------- */

static sl_status open_dir(struct output *o, sl_error *err) {
    if (file_make_dirs(AT_FDCWD, o->dir, true) != 0)
        return error_errno(err, errno == EACCES ? SL_E_PERMISSION : SL_E_OUTPUT, errno,
                           "cannot create output directory '%s'", text_quote(o->dir));
    o->dir_fd = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (o->dir_fd < 0 || (mkdirat(o->dir_fd, "_sluice", 0777) != 0 && errno != EEXIST))
        return error_errno(err, errno == EACCES ? SL_E_PERMISSION : SL_E_OUTPUT, errno,
                           "cannot write in output directory '%s'", text_quote(o->dir));
    return SL_OK;
}

static sl_status take_lock(struct output *o, sl_error *err) {
    char text[256] = "", host[64] = "", utc[32];
    o->lock_fd = openat(o->dir_fd, "_sluice/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (o->lock_fd < 0)
        return output_failed(o, "lock", "_sluice/lock", err);
    if (flock(o->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return output_failed(o, "lock", "_sluice/lock", err);
        if (file_pread(o->lock_fd, text, sizeof text - 1, 0) <= 0)
            snprintf(text, sizeof text, "another job");
        text[strcspn(text, "\n")] = 0;
        return error_set(err, SL_E_INTERRUPTED, "output '%s' is in use by %s", text_quote(o->dir),
                         text_quote(text));
    }
    gethostname(host, sizeof host - 1);
    clock_utc(utc);
    int n = snprintf(text, sizeof text, "process %ld on host %s since %s\n", (long)getpid(), host, utc);
    if (ftruncate(o->lock_fd, 0) != 0 || pwrite(o->lock_fd, text, (size_t)n, 0) != n)
        return output_failed(o, "lock", "_sluice/lock", err);
    return SL_OK;
}

/* ---- state
 * ---------------------------------------------------------------------------------------------------- */

static int by_name(const void *key, const void *item) {
    return strcmp(key, ((const struct output_shard *)item)->name);
}

static void parse_hex(const char *hex, unsigned char out[32]) {
    for (int i = 0; i < 32; i++) {
        unsigned byte = 0;
        sscanf(hex + 2 * i, "%2x", &byte);
        out[i] = (unsigned char)byte;
    }
}

/* One entry of the journal: later ones replace earlier ones. */
static sl_status visit(void *ctx, const struct journal_entry *e, sl_error *err) {
    struct output *o = ctx;
    const struct output_shard *shard =
        bsearch(e->shard, o->shards, o->shard_count, sizeof *o->shards, by_name);
    if (!shard)
        return error_set(err, SL_E_MODEL,
                         "cannot resume: input '%s' of the journal is gone; use another output directory, or "
                         "--overwrite to begin anew",
                         text_quote(e->shard));
    struct shard_entry *entry = &o->entries[shard - o->shards];
    *entry = (struct shard_entry){.part = -1};
    if (e->kind == JOURNAL_BROKEN)
        return SL_OK; /* read again from its start: it may have been replaced */
    if (shard->nbytes != e->in_nbytes || shard->mtime_ns != e->in_mtime_ns)
        return error_set(
            err, SL_E_MODEL,
            "cannot resume: input '%s' changed since the journal began; use another output directory, or "
            "--overwrite to begin anew",
            text_quote(e->shard));
    entry->progress = (struct shard_progress){.state = e->kind == JOURNAL_DONE ? SHARD_DONE : SHARD_PARTIAL,
                                              .records = e->records,
                                              .scored = e->scored,
                                              .rejected = e->rejected,
                                              .out_nbytes = e->out_nbytes};
    entry->reject_nbytes = e->reject_nbytes;
    if (e->kind == JOURNAL_DONE)
        parse_hex(e->sha256, entry->sha256);
    return SL_OK;
}

static bool has_nbytes(const struct output *o, const char *path, uint64_t nbytes, bool at_least) {
    struct stat st;
    if (fstatat(o->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return nbytes == 0 && at_least;
    return at_least ? (uint64_t)st.st_size >= nbytes : (uint64_t)st.st_size == nbytes;
}

/* The journal is believed only as far as the files bear it out; what they do not is scored again. */
static void check_files(struct output *o) {
    char path[4096], rejects[4096], final[4096 + 8];
    bool rejects_kept = faccessat(o->dir_fd, "_SUCCESS", F_OK, 0) == 0; /* gathered, parts removed */
    for (size_t i = 0; i < o->shard_count; i++) {
        struct shard_entry *e = &o->entries[i];
        if (e->progress.state != SHARD_DONE && e->progress.state != SHARD_PARTIAL)
            continue;
        bool good = part_path(o, (uint32_t)i, ".out", path, NULL) == SL_OK &&
                    part_path(o, (uint32_t)i, ".rej", rejects, NULL) == SL_OK;
        snprintf(final, sizeof final, "%.4090s.out", o->shards[i].name);
        if (good && e->progress.state == SHARD_DONE)
            good = has_nbytes(o, final, e->progress.out_nbytes, false);
        else if (good)
            good = has_nbytes(o, path, e->progress.out_nbytes, true);
        if (good && e->reject_nbytes && !rejects_kept)
            good = has_nbytes(o, rejects, e->reject_nbytes, true);
        if (!good)
            *e = (struct shard_entry){.part = -1};
    }
}

static void add_up(struct output *o, bool *all_done) {
    *all_done = true;
    for (size_t i = 0; i < o->shard_count; i++) {
        const struct shard_progress *p = &o->entries[i].progress;
        o->totals.records += p->records;
        o->totals.scored += p->scored;
        o->totals.rejected += p->rejected;
        o->totals.out_nbytes += p->out_nbytes;
        o->totals.shards_done += p->state == SHARD_DONE;
        *all_done = *all_done && p->state == SHARD_DONE;
    }
    o->totals.records_resumed = o->totals.records;
}

/* A new job never writes over what it did not write. */
static sl_status check_foreign(const struct output *o, sl_error *err) {
    char final[4096 + 8];
    for (size_t i = 0; i < o->shard_count; i++) {
        snprintf(final, sizeof final, "%.4090s.out", o->shards[i].name);
        if (faccessat(o->dir_fd, final, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return error_set(err, SL_E_OUTPUT,
                             "output '%s/%s' is there already and no journal tells of it; use another output "
                             "directory, or --overwrite",
                             text_quote(o->dir), text_quote(final));
    }
    return SL_OK;
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

static sl_status open_memory(struct output *o, const struct output_options *options, sl_error *err) {
    o->shards = options->shards;
    o->shard_count = options->shard_count;
    o->part_count = options->open_max + COMMIT_GROUP;
    o->dir = mem_strdup(options->dir);
    o->entry = mem_alloc(1, sizeof *o->entry);
    o->entries = mem_alloc(o->shard_count, sizeof *o->entries);
    o->parts = mem_alloc(o->part_count, sizeof *o->parts);
    if (!o->dir || !o->entry || !o->entries || !o->parts || !buf_reserve(&o->stage, STAGE_NBYTES) ||
        !buf_reserve(&o->line, REJECT_LINE_NBYTES))
        return no_memory(err);
    for (size_t i = 0; i < o->shard_count; i++)
        o->entries[i].part = -1;
    for (size_t i = 0; i < o->part_count; i++) {
        o->parts[i].fd = o->parts[i].reject_fd = -1;
        o->parts[i].hash = hash_open();
        if (!o->parts[i].hash)
            return no_memory(err);
    }
    return copy_facts(o, options, err);
}

/* --overwrite: from here on nothing of the old job counts. */
static sl_status forget_old_job(struct output *o, sl_error *err) {
    static const char *const names[] = {"_SUCCESS", "_sluice/journal", "_sluice/rejects.jsonl",
                                        "_sluice/summary.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (unlinkat(o->dir_fd, names[i], 0) != 0 && errno != ENOENT)
            return output_failed(o, "replace", names[i], err);
    remove_parts(o);
    return SL_OK;
}

static sl_status look_at_finished(struct output *o, bool all_done, bool *finished, sl_error *err) {
    if (faccessat(o->dir_fd, "_SUCCESS", F_OK, 0) != 0)
        return SL_OK;
    if (all_done) {
        remove_parts(o); /* a crash right after _SUCCESS leaves them */
        *finished = true;
        return SL_OK;
    }
    for (size_t i = 0; i < o->shard_count; i++)
        if (o->entries[i].progress.state != SHARD_DONE)
            return error_set(
                err, SL_E_MODEL,
                "the job in '%s' is finished, but input '%s' is new or its output is gone; use another "
                "output directory, or --overwrite to begin anew",
                text_quote(o->dir), text_quote(o->shards[i].name));
    return SL_OK;
}

static sl_status open_state(struct output *o, const struct output_options *options, bool *finished,
                            sl_error *err) {
    bool found, all_done;
    sl_status st = open_dir(o, err);
    if (st == SL_OK)
        st = take_lock(o, err);
    if (st == SL_OK && options->overwrite)
        st = forget_old_job(o, err);
    if (st == SL_OK)
        st = journal_open(&o->journal, o->dir_fd, o->facts, o->fact_count, visit, o, &found, err);
    if (st != SL_OK)
        return st;
    o->replace = found || options->overwrite;
    if (!o->replace && (st = check_foreign(o, err)) != SL_OK) {
        unlinkat(o->dir_fd, "_sluice/journal", 0); /* it would make them ours the next time */
        return st;
    }
    check_files(o);
    add_up(o, &all_done);
    return look_at_finished(o, all_done && found, finished, err);
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
    buf_init(&o->line);
    sl_status st = open_memory(o, options, err);
    if (st == SL_OK)
        st = open_state(o, options, finished, err);
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
    for (size_t i = 0; o->parts && i < o->part_count; i++) {
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
    buf_clear(&o->line);
    mem_free(o->entry);
    mem_free(o->entries);
    mem_free(o->parts);
    mem_free(o->dir);
    pthread_mutex_destroy(&o->mutex);
    mem_free(o);
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
