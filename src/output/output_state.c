/* output_state.c: what the output directory holds and what it means: a new job, one to go on with, one that
 * is finished, or something that is not ours. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/writer.h"
#include "support/mem.h"
#include "support/text.h"

#define ADVICE "use another output directory, or --overwrite to begin anew"

/* ---- names ---- */

static int by_name(const void *a, const void *b, void *ctx) {
    const struct output *o = ctx;
    return strcmp(o->shards[*(const uint32_t *)a].name, o->shards[*(const uint32_t *)b].name);
}

/* The shard of that name, or SIZE_MAX. */
static size_t find_shard(const struct output *o, const char *name, size_t nbytes) {
    size_t low = 0, high = o->shard_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *other = o->shards[o->by_name[middle]].name;
        int order = strncmp(name, other, nbytes);
        if (!order && !other[nbytes])
            return o->by_name[middle];
        if (order <= 0) /* a longer name with this beginning comes later too */
            high = middle;
        else
            low = middle + 1;
    }
    return SIZE_MAX;
}

static sl_status bad_name(const char *name, const char *why, sl_error *err) {
    return error_set(err, SL_E_OUTPUT, "cannot name an output after input '%s': %s", text_quote(name), why);
}

/* The output of 'a' is the file 'a.out'; with an input 'a.out/b' that is a directory, too. */
static sl_status check_name(const struct output *o, const char *name, sl_error *err) {
    size_t n = strlen(name), suffix = strlen(SUFFIX);
    const char *slash = strrchr(name, '/'), *last = slash ? slash + 1 : name;
    if (!*last || *name == '/' || !strcmp(name, "..") || !strncmp(name, "../", 3) || strstr(name, "/../"))
        return bad_name(name, "not a path below the input", err);
    if (!strncmp(name, "_sluice/", 8) || !strncmp(name, "_SUCCESS/", 9))
        return bad_name(name, "the job keeps its own files there", err);
    if (n + sizeof LONGEST_PREFIX > PATH_NBYTES || strlen(last) + suffix > NAME_MAX)
        return bad_name(name, "it would be too long", err);
    for (size_t i = 0; i < n; i++)
        if (name[i] == '/' && i > suffix && !memcmp(name + i - suffix, SUFFIX, suffix) &&
            find_shard(o, name, i - suffix) != SIZE_MAX)
            return bad_name(name, "its directory has the name of another output", err);
    return SL_OK;
}

static sl_status check_names(struct output *o, sl_error *err) {
    o->by_name = mem_alloc(o->shard_count, sizeof *o->by_name);
    if (!o->by_name)
        return error_set(err, SL_E_MEMORY, "out of memory for %zu outputs", o->shard_count);
    for (size_t i = 0; i < o->shard_count; i++)
        o->by_name[i] = (uint32_t)i;
    qsort_r(o->by_name, o->shard_count, sizeof *o->by_name, by_name, o);
    for (size_t i = 1; i < o->shard_count; i++)
        if (!by_name(&o->by_name[i - 1], &o->by_name[i], o))
            return bad_name(o->shards[o->by_name[i]].name, "it is there twice", err);
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < o->shard_count; i++)
        st = check_name(o, o->shards[i].name, err);
    return st;
}

/* ---- the journal ---- */

static void parse_hex(const char *hex, unsigned char out[32]) {
    for (int i = 0; i < 64; i++) {
        unsigned char digit = (unsigned char)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
        out[i / 2] = (unsigned char)(out[i / 2] << 4 | digit);
    }
}

/* One entry of the journal: later ones replace earlier ones. */
static sl_status visit(void *ctx, const struct journal_entry *e, sl_error *err) {
    struct output *o = ctx;
    size_t i = find_shard(o, e->shard, strlen(e->shard));
    if (i == SIZE_MAX)
        return error_set(err, SL_E_MODEL, "cannot resume: input '%s' of the journal is gone; " ADVICE,
                         text_quote(e->shard));
    struct shard_entry *entry = &o->entries[i];
    *entry = (struct shard_entry){.part = -1};
    if (e->kind == JOURNAL_BROKEN)
        return SL_OK; /* read again from its start: it may have been replaced */
    entry->changed = o->shards[i].nbytes != e->in_nbytes || o->shards[i].mtime_ns != e->in_mtime_ns;
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

/* Looked at when all lines are read: the last one may say that the shard is read anew anyway. */
static sl_status check_inputs(const struct output *o, sl_error *err) {
    for (size_t i = 0; i < o->shard_count; i++)
        if (o->entries[i].changed)
            return error_set(err, SL_E_MODEL,
                             "cannot resume: input '%s' changed since the journal began; " ADVICE,
                             text_quote(o->shards[i].name));
    return SL_OK;
}

/* ---- the files ---- */

/* A finished output has exactly its bytes; a part at least those of its checkpoint, and no second name (a
 * crash between link and unlink leaves one: cutting it would cut a published output). */
static bool file_bears_out(const struct output *o, uint32_t shard, enum place place, uint64_t nbytes) {
    char path[PATH_NBYTES];
    struct stat st;
    output_path(o, shard, place, path);
    if (fstatat(o->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return false;
    return place == PLACE_FINAL ? (uint64_t)st.st_size == nbytes
                                : (uint64_t)st.st_size >= nbytes && st.st_nlink == 1;
}

/* The journal is believed only as far as the files bear it out; what they do not is scored again. */
static void check_files(struct output *o, bool gathered) {
    for (uint32_t i = 0; i < o->shard_count; i++) {
        struct shard_entry *e = &o->entries[i];
        const struct shard_progress *p = &e->progress;
        bool good = true;
        if (p->state == SHARD_DONE)
            good = file_bears_out(o, i, PLACE_FINAL, p->out_nbytes);
        else if (p->state == SHARD_PARTIAL)
            good = file_bears_out(o, i, PLACE_LINES, p->out_nbytes);
        if (good && e->reject_nbytes && !gathered)
            good = file_bears_out(o, i, PLACE_REJECTS, e->reject_nbytes);
        if (!good)
            *e = (struct shard_entry){.part = -1};
    }
}

/* Outputs that stand though the journal does not say so. In a job of ours they were published right before a
 * crash, whole but not yet in the journal; they are scored again and replaced. In a new job they are not
 * ours. */
static sl_status look_for_outputs(struct output *o, bool ours, sl_error *err) {
    char path[PATH_NBYTES];
    for (uint32_t i = 0; i < o->shard_count; i++) {
        if (o->entries[i].progress.state == SHARD_DONE)
            continue;
        output_path(o, i, PLACE_FINAL, path);
        if (!output_exists(o, path))
            continue;
        if (!ours)
            return error_set(err, SL_E_OUTPUT,
                             "output '%s/%s' is there already and no journal tells of it; " ADVICE,
                             text_quote(o->dir), text_quote(path));
        o->entries[i].stands = true;
    }
    return SL_OK;
}

/* Whether all is done; otherwise the first input that is not. */
static bool add_up(struct output *o, const char **missing) {
    *missing = NULL;
    for (size_t i = o->shard_count; i-- > 0;) {
        const struct shard_progress *p = &o->entries[i].progress;
        o->totals.records += p->records;
        o->totals.scored += p->scored;
        o->totals.rejected += p->rejected;
        o->totals.out_nbytes += p->out_nbytes;
        o->totals.shards_done += p->state == SHARD_DONE;
        if (p->state != SHARD_DONE)
            *missing = o->shards[i].name;
    }
    o->totals.records_resumed = o->totals.records;
    return !*missing;
}

/* --overwrite: from here on nothing of the old job counts. _SUCCESS goes first. */
static sl_status forget_old_job(struct output *o, sl_error *err) {
    static const char *const names[] = {"_SUCCESS", JOURNAL_PATH, "_sluice/rejects.jsonl",
                                        "_sluice/summary.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (unlinkat(o->dir_fd, names[i], 0) != 0 && errno != ENOENT)
            return output_failed(o, "remove", names[i], err);
    return SL_OK;
}

static sl_status begin_job(struct output *o, bool overwrite, sl_error *err) {
    sl_status st = look_for_outputs(o, overwrite, err);
    if (st == SL_OK && output_exists(o, "_SUCCESS"))
        return error_set(err, SL_E_OUTPUT,
                         "'%s/_SUCCESS' is there already and no journal tells of it; " ADVICE,
                         text_quote(o->dir));
    if (st != SL_OK)
        return st;
    remove_parts(o);
    st = output_sign(o, err);
    if (st == SL_OK)
        st = output_sync_dir(o, err);
    return st == SL_OK ? journal_begin(o->journal, o->dir_fd, o->facts, o->fact_count, err) : st;
}

static sl_status resume_job(struct output *o, bool *finished, sl_error *err) {
    const char *missing;
    bool success = output_exists(o, "_SUCCESS");
    check_files(o, success); /* where _SUCCESS stands, rejects were gathered and their parts removed */
    bool all_done = add_up(o, &missing);
    if (success && !all_done)
        return error_set(err, SL_E_MODEL,
                         "the job in '%s' is finished, but input '%s' is new or its output is gone; " ADVICE,
                         text_quote(o->dir), text_quote(missing));
    if (success) {
        remove_parts(o); /* a crash right after _SUCCESS leaves them */
        *finished = true;
        return SL_OK;
    }
    sl_status st = look_for_outputs(o, true, err);
    return st == SL_OK ? output_sign(o, err) : st;
}

sl_status output_open_state(struct output *o, bool overwrite, bool *finished, sl_error *err) {
    bool found;
    sl_status st = check_names(o, err);
    if (st == SL_OK && overwrite)
        st = forget_old_job(o, err);
    if (st == SL_OK)
        st = journal_open(&o->journal, o->dir_fd, o->facts, o->fact_count, visit, o, &found, err);
    if (st == SL_OK)
        st = check_inputs(o, err);
    if (st == SL_OK)
        st = found ? resume_job(o, finished, err) : begin_job(o, overwrite, err);
    mem_free(o->by_name);
    o->by_name = NULL;
    return st;
}
