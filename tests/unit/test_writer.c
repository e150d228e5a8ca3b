/* test_writer.c: what a job leaves, what a resumed one leaves, and what is refused. Kills are in
 * tests/fault/test_writer_crash.c. */
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "support/file.h"
#include "support/json.h"
#include "support/log.h"
#include "support/mem.h"
#include "tests/unit/output_rig.h"

static char dir[256];
static struct rig_job job;
static struct output_options options;
static sl_error err;

static void setup(void) {
    log_set_level(LOG_QUIET);
    rig_temp_dir(dir);
    job = rig_job(23, 400);
    options = rig_options(&job, dir);
    err = (sl_error){0};
}

static void teardown(void) {
    rig_remove(dir);
    rig_job_free(&job);
}

static void run_ok(unsigned seed, unsigned slots) {
    sl_status st = rig_run(&job, &options, seed, 64, slots, &err);
    ck_assert_msg(st == SL_OK, "%s", err.text);
}

static void refused(sl_status want, const char *word) {
    struct output *output;
    bool finished;
    err = (sl_error){0};
    ck_assert_int_eq(output_open(&output, &options, &finished, &err), want);
    ck_assert_int_eq(err.status, want);
    ck_assert_msg(strstr(err.text, word) != NULL, "'%s' does not say '%s'", err.text, word);
}

/* ---- what is left ---- */

static void check_rejects(void) {
    size_t nbytes;
    char *text = rig_read(dir, "_sluice/rejects.jsonl", &nbytes), *line = text;
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < job.count; i++)
        for (uint64_t r = 0; r < job.records[i]; r++) {
            if (!rig_is_reject(i, r))
                continue;
            char want[512];
            snprintf(want, sizeof want,
                     "{\"shard\": \"%s\", \"record\": %" PRIu64 ", \"offset\": %" PRIu64
                     ", \"length\": 9, \"key\": \"key %" PRIu64 "\", \"stage\": \"decode\", "
                     "\"code\": \"not-a-number\", \"reason\": \"field 3 is '\\\"x\\\\%" PRIu64 "'\"}\n",
                     job.shards[i].name, r, r * 10, r, r);
            ck_assert_msg(!strncmp(line, want, strlen(want)), "got %.200s want %s", line, want);
            line += strlen(want);
        }
    ck_assert_int_eq(*line, 0);
    free(text);
}

static void check_success(const struct output_totals *totals) {
    size_t nbytes;
    char *text = rig_read(dir, "_SUCCESS", &nbytes), path[4400], hex[HASH_HEX];
    ck_assert_ptr_nonnull(text);
    json_t *all = json_loadb(text, nbytes, 0, NULL), *files = json_object_get(all, "files");
    ck_assert_ptr_nonnull(all);
    ck_assert_str_eq(json_string_value(json_object_get(all, "model_sha256")), "abc");
    ck_assert_int_eq(json_integer_value(json_object_get(all, "records")), (json_int_t)totals->records);
    ck_assert_int_eq(json_integer_value(json_object_get(all, "rejected")), (json_int_t)totals->rejected);
    ck_assert_uint_eq(json_array_size(files), job.count);
    for (size_t i = 0; i < job.count; i++) {
        const json_t *file = json_array_get(files, i);
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", dir, json_string_value(json_object_get(file, "name")));
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_int_eq(json_integer_value(json_object_get(file, "bytes")), st.st_size);
        ck_assert_int_eq(json_integer_value(json_object_get(file, "records")), (json_int_t)job.records[i]);
        ck_assert_int_eq(hash_file(path, hex, &err), SL_OK);
        ck_assert_str_eq(json_string_value(json_object_get(file, "sha256")), hex);
    }
    json_decref(all);
    free(text);
}

START_TEST(a_whole_job) {
    struct output *output;
    struct output_totals totals;
    bool finished;
    char name[128], want[RIG_TEXT];
    run_ok(3, 0);
    for (size_t i = 0; i < job.count; i++) {
        size_t nbytes, at = 0;
        snprintf(name, sizeof name, "%s.out", job.shards[i].name);
        char *text = rig_read(dir, name, &nbytes);
        ck_assert_ptr_nonnull(text);
        for (uint64_t r = 0; r < job.records[i]; r++) {
            size_t n = rig_line(want, i, r);
            ck_assert_msg(at + n <= nbytes && !memcmp(text + at, want, n), "%s, record %" PRIu64, name, r);
            at += n;
        }
        ck_assert_uint_eq(at, nbytes);
        free(text);
    }
    check_rejects();
    ck_assert(rig_exists(dir, "_sluice/summary.json"));
    ck_assert(!rig_exists(dir, "_sluice/parts"));
    ck_assert(!rig_exists(dir, "_SUCCESS.tmp"));
    ck_assert_int_eq(output_open(&output, &options, &finished, &err), SL_OK);
    ck_assert(finished);
    output_totals(output, &totals);
    ck_assert_uint_eq(totals.shards_done, job.count);
    ck_assert_uint_eq(totals.records, totals.scored + totals.rejected);
    ck_assert_uint_eq(totals.records_resumed, totals.records);
    ck_assert_uint_gt(totals.rejected, 0);
    output_close(output);
    check_success(&totals);
}
END_TEST

/* Names, sizes and times of everything. */
static void snapshot(char hex[HASH_HEX]) {
    struct hash *hash = hash_open();
    char path[4400];
    static const char *const names[] = {
        "",         "_sluice",           "_sluice/lock",         "_sluice/journal",
        "_SUCCESS", "part-0000.csv.out", "_sluice/summary.json", "_sluice/rejects.jsonl"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        ck_assert_int_eq(stat(path, &st), 0);
        hash_add(hash, &st.st_size, sizeof st.st_size);
        hash_add(hash, &st.st_mtim, sizeof st.st_mtim);
        hash_add(hash, &st.st_ino, sizeof st.st_ino);
    }
    hash_finish(hash, hex);
    hash_close(hash);
}

START_TEST(a_finished_job_is_left_alone) {
    char before[HASH_HEX], after[HASH_HEX];
    run_ok(3, 0);
    snapshot(before);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    run_ok(4, 0);
    snapshot(after);
    ck_assert_str_eq(before, after);
}
END_TEST

/* The same bytes whatever the slots, the interleaving and the number of interruptions. */
START_TEST(interrupted_and_resumed) {
    char want[HASH_HEX], got[HASH_HEX];
    rig_want(&job, want);
    for (unsigned seed = 1; seed <= 40; seed++) {
        rig_remove(dir);
        options.checkpoint_ns = seed % 3 == 0 ? 1000000000 : 0;
        for (unsigned slots = seed % 4; slots > 0; slots--)
            ck_assert_int_eq(rig_run(&job, &options, seed * 7 + slots, 5 + seed * 3, slots * seed, &err),
                             SL_OK);
        ck_assert_int_eq(rig_run(&job, &options, seed, 1 + seed * 9, 0, &err), SL_OK);
        rig_hash_tree(dir, got);
        ck_assert_msg(!strcmp(want, got), "seed %u", seed);
    }
}
END_TEST

/* What stands after a checkpoint is what the next run begins with. */
START_TEST(progress_after_a_stop) {
    struct output *output;
    struct output_totals totals;
    bool finished;
    uint64_t records = 0, partial = 0;
    run_ok(5, 9);
    ck_assert_int_eq(output_open(&output, &options, &finished, &err), SL_OK);
    ck_assert(!finished);
    for (size_t i = 0; i < job.count; i++) {
        const struct shard_progress *p = output_shard_progress(output, i);
        records += p->records;
        partial += p->state == SHARD_PARTIAL;
        ck_assert_uint_eq(p->records, p->scored + p->rejected);
        ck_assert(p->state != SHARD_DONE || p->records == job.records[i]);
    }
    output_totals(output, &totals);
    ck_assert_uint_eq(totals.records_resumed, records);
    ck_assert_uint_eq(records, 9 * 64); /* a checkpoint after every slot */
    ck_assert_uint_gt(partial, 0);
    output_close(output);
}
END_TEST

START_TEST(lines_longer_than_the_stage) {
    size_t long_nbytes = (3u << 20) + 5, nbytes;
    struct output *output;
    bool finished;
    job.count = options.shard_count = 1;
    struct slot *slot = rig_slot(3);
    free(slot->text);
    slot->text_row_nbytes = long_nbytes;
    slot->text = malloc(3 * long_nbytes);
    for (size_t i = 0; i < 3 * long_nbytes; i++)
        slot->text[i] = (char)('a' + i % 25);
    for (uint32_t r = 0; r < 3; r++)
        slot->rows[r] = (struct row){.text_nbytes = r == 1 ? (uint32_t)long_nbytes : 10, .state = ROW_GOOD};
    slot->row_count = 3;
    slot->spans[0] = (struct span){.count = 3};
    slot->spans[1] = (struct span){.kind = SPAN_END, .first_record = 3};
    slot->span_count = 2;
    ck_assert_int_eq(output_open(&output, &options, &finished, &err), SL_OK);
    ck_assert_int_eq(output_write_slot(output, slot, &err), SL_OK);
    ck_assert_int_eq(output_finish(output, "{}", 2, &err), SL_OK);
    output_close(output);
    char *text = rig_read(dir, "part-0000.csv.out", &nbytes);
    ck_assert_uint_eq(nbytes, long_nbytes + 20);
    ck_assert_int_eq(memcmp(text, slot->text, 10), 0);
    ck_assert_int_eq(memcmp(text + 10, slot->text + long_nbytes, long_nbytes), 0);
    ck_assert_int_eq(memcmp(text + 10 + long_nbytes, slot->text + 2 * long_nbytes, 10), 0);
    free(text);
    rig_slot_free(slot);
}
END_TEST

/* More rejects in one span than their stage holds. */
START_TEST(many_rejects) {
    size_t nbytes, lines = 0;
    struct output *output;
    bool finished;
    enum { ROWS = 5000 };
    job.count = options.shard_count = 1;
    struct slot *slot = rig_slot(ROWS);
    for (uint32_t r = 0; r < ROWS; r++) {
        rig_fill_row(slot, r, 0, 0); /* record 0 of shard 0 is one */
        memset(slot->rejects[r].reason, '"', 199);
    }
    slot->row_count = ROWS;
    slot->spans[0] = (struct span){.count = ROWS};
    slot->spans[1] = (struct span){.kind = SPAN_END, .first_record = ROWS};
    slot->span_count = 2;
    ck_assert_int_eq(output_open(&output, &options, &finished, &err), SL_OK);
    ck_assert_int_eq(output_write_slot(output, slot, &err), SL_OK);
    ck_assert_int_eq(output_finish(output, "{}", 2, &err), SL_OK);
    output_close(output);
    char *text = rig_read(dir, "_sluice/rejects.jsonl", &nbytes);
    ck_assert_uint_gt(nbytes, 2u << 20);
    for (char *p = text; (p = strchr(p, '\n')) != NULL; p++) {
        char want[32];
        int n = snprintf(want, sizeof want, "\"record\": %zu,", lines++);
        ck_assert(lines == ROWS || !p[1] || strncmp(strstr(p, "\"record\""), want, (size_t)n) != 0);
    }
    ck_assert_uint_eq(lines, ROWS);
    free(text);
    rig_slot_free(slot);
}
END_TEST

START_TEST(no_allocation_while_it_streams) {
    struct output *output;
    bool finished;
    ck_assert_int_eq(output_open(&output, &options, &finished, &err), SL_OK);
    struct slot *slot = rig_slot(64);
    struct rig_readers readers = {.job = &job, .output = output, .seed = 1};
    mem_freeze(); /* a debug build aborts from here on */
    while (rig_fill(&readers, slot))
        ck_assert_int_eq(output_write_slot(output, slot, &err), SL_OK);
    ck_assert_int_eq(output_finish(output, "{}", 2, &err), SL_OK);
    size_t calls = mem_frozen_calls();
    mem_thaw();
    ck_assert_uint_eq(calls, 0);
    rig_slot_free(slot);
    output_close(output);
}
END_TEST

START_TEST(out_of_memory) {
    struct output *output;
    bool finished;
    for (size_t n = 1; n < 10000; n++) {
        err = (sl_error){0};
        mem_fail_nth(n, n % 2);
        sl_status st = output_open(&output, &options, &finished, &err);
        mem_fail_nth(0, false);
        if (st == SL_OK) {
            ck_assert_uint_gt(n, 20);
            output_close(output);
            return;
        }
        ck_assert_int_eq(st, SL_E_MEMORY);
    }
    ck_abort_msg("every allocation failed");
}
END_TEST

/* ---- shards that break ---- */

START_TEST(broken_shards) {
    struct output *output;
    struct output_totals totals;
    bool finished;
    char want[HASH_HEX], got[HASH_HEX];
    rig_want(&job, want);
    job.broken[0] = job.broken[10] = job.broken[22] = true;
    run_ok(1, 0);
    ck_assert(!rig_exists(dir, "_SUCCESS"));
    ck_assert(rig_exists(dir, "_sluice/summary.json"));
    ck_assert(!rig_exists(dir, "part-0000.csv.out"));
    ck_assert(rig_exists(dir, "part-0001.csv.out"));
    ck_assert(!rig_exists(dir, "_sluice/parts/lines/part-0000.csv"));
    ck_assert_int_eq(output_open(&output, &options, &finished, &err), SL_OK);
    output_totals(output, &totals);
    ck_assert(!finished);
    ck_assert_uint_eq(totals.shards_done, job.count - 3);
    ck_assert_int_eq(output_shard_progress(output, 0)->state, SHARD_NEW);
    output_close(output);
    job.broken[0] = job.broken[10] = job.broken[22] = false; /* put right, also with another time */
    job.shards[10].mtime_ns++;
    job.shards[10].nbytes++;
    run_ok(2, 0);
    rig_hash_tree(dir, got);
    ck_assert_str_eq(want, got);
}
END_TEST

START_TEST(broken_after_a_checkpoint) {
    struct output *output;
    struct output_totals totals;
    bool finished;
    job.broken[5] = true;
    job.records[5] = 2000;
    options.shard_count = job.count = 6;
    struct slot *slot = rig_slot(50);
    ck_assert_int_eq(output_open(&output, &options, &finished, &err), SL_OK);
    struct rig_readers readers = {.job = &job, .output = output, .seed = 4};
    while (rig_fill(&readers, slot))
        ck_assert_int_eq(output_write_slot(output, slot, &err), SL_OK);
    output_totals(output, &totals);
    ck_assert_uint_eq(totals.shards_broken, 1);
    uint64_t records = 0;
    for (int i = 0; i < 5; i++)
        records += job.records[i];
    ck_assert_uint_eq(totals.records, records);
    ck_assert_int_eq(output_shard_progress(output, 5)->state, SHARD_BROKEN);
    ck_assert_int_eq(output_finish(output, "{}", 2, &err), SL_OK);
    output_close(output);
    rig_slot_free(slot);
    ck_assert(!rig_exists(dir, "_SUCCESS"));
}
END_TEST

/* ---- refusals ---- */

START_TEST(locked_twice) {
    struct output *output;
    bool finished;
    ck_assert_int_eq(output_open(&output, &options, &finished, &err), SL_OK);
    refused(SL_E_INTERRUPTED, "in use by process ");
    char pid[32], host[64] = "";
    snprintf(pid, sizeof pid, "process %ld ", (long)getpid());
    gethostname(host, sizeof host - 1);
    ck_assert_ptr_nonnull(strstr(err.text, pid));
    ck_assert_ptr_nonnull(strstr(err.text, host));
    ck_assert_ptr_nonnull(strstr(err.text, "since 20"));
    output_close(output);
    run_ok(1, 0); /* the lock went with it */
}
END_TEST

START_TEST(facts_changed) {
    static const struct output_fact other[] = {
        {"sluice", "0.1.0"}, {"model_sha256", "abd"}, {"accept", "text/csv"}};
    char want[HASH_HEX], got[HASH_HEX];
    rig_want(&job, want);
    run_ok(1, 5);
    options.facts = other;
    refused(SL_E_MODEL, "'model_sha256' was 'abc' when the journal began and is 'abd' now");
    options = rig_options(&job, dir);
    run_ok(1, 0);
    rig_hash_tree(dir, got);
    ck_assert_str_eq(want, got);
    options.facts = other;
    refused(SL_E_MODEL, "model_sha256"); /* a finished one, too */
    options.overwrite = true;
    run_ok(1, 0);
    rig_hash_tree(dir, got);
    ck_assert_str_ne(want, got); /* _SUCCESS has the facts */
}
END_TEST

START_TEST(input_changed) {
    run_ok(1, 12);
    job.shards[0].nbytes++;
    refused(SL_E_MODEL, "input 'part-0000.csv' changed");
    job.shards[0].nbytes--;
    job.shards[0].mtime_ns++;
    refused(SL_E_MODEL, "input 'part-0000.csv' changed");
    job.shards[0].mtime_ns--;
    options.shards++;
    options.shard_count--;
    refused(SL_E_MODEL, "input 'part-0000.csv' of the journal is gone");
}
END_TEST

START_TEST(input_added) {
    char want[HASH_HEX], got[HASH_HEX];
    rig_want(&job, want);
    job.count = options.shard_count = 20;
    run_ok(1, 12);
    job.count = options.shard_count = 23;
    run_ok(2, 0); /* taken in while the job is not finished */
    rig_hash_tree(dir, got);
    ck_assert_str_eq(want, got);
    job.count = options.shard_count = 22;
    refused(SL_E_MODEL, "is gone");
}
END_TEST

START_TEST(input_added_to_a_finished_job) {
    job.count = options.shard_count = 20;
    run_ok(1, 0);
    options.shard_count = 23;
    refused(SL_E_MODEL, "input 'part-0020.csv' is new or its output is gone");
}
END_TEST

START_TEST(an_output_of_somebody_else) {
    rig_write(dir, "part-0001.csv.out", "mine", 4);
    refused(SL_E_OUTPUT, "part-0001.csv.out' is there already");
    refused(SL_E_OUTPUT, "part-0001.csv.out' is there already"); /* and not the next time either */
    size_t nbytes;
    char *text = rig_read(dir, "part-0001.csv.out", &nbytes);
    ck_assert_str_eq(text, "mine");
    free(text);
    char want[HASH_HEX], got[HASH_HEX];
    rig_want(&job, want);
    options.overwrite = true;
    run_ok(1, 0);
    rig_hash_tree(dir, got);
    ck_assert_str_eq(want, got);
}
END_TEST

/* It appears while the job runs: it is not replaced. */
START_TEST(an_output_of_somebody_else_later) {
    struct output *output;
    bool finished;
    size_t nbytes;
    ck_assert_int_eq(output_open(&output, &options, &finished, &err), SL_OK);
    rig_write(dir, "part-0001.csv.out", "mine", 4);
    struct slot *slot = rig_slot(64);
    struct rig_readers readers = {.job = &job, .output = output, .seed = 1};
    sl_status st = SL_OK;
    while (st == SL_OK && rig_fill(&readers, slot))
        st = output_write_slot(output, slot, &err);
    ck_assert_int_eq(st, SL_E_OUTPUT);
    ck_assert_ptr_nonnull(strstr(err.text, "part-0001.csv.out"));
    sl_error again = {0}; /* nothing goes on after a failure, and it stays the first */
    ck_assert_int_eq(output_checkpoint(output, &again), SL_E_OUTPUT);
    ck_assert_str_eq(again.text, err.text);
    ck_assert_int_eq(output_finish(output, "{}", 2, &again), SL_E_OUTPUT);
    rig_slot_free(slot);
    output_close(output);
    char *text = rig_read(dir, "part-0001.csv.out", &nbytes);
    ck_assert_str_eq(text, "mine");
    free(text);
    ck_assert(!rig_exists(dir, "_SUCCESS"));
}
END_TEST

START_TEST(success_of_somebody_else) {
    rig_write(dir, "_SUCCESS", "", 0); /* as Hadoop leaves it */
    refused(SL_E_OUTPUT, "_SUCCESS' is there already");
}
END_TEST

static void refused_names(const char *const *names, const char *word) {
    struct output_shard shards[4] = {{0}};
    options.shards = shards;
    for (options.shard_count = 0; names[options.shard_count]; options.shard_count++)
        shards[options.shard_count].name = names[options.shard_count];
    refused(SL_E_OUTPUT, word);
    options = rig_options(&job, dir);
}

START_TEST(names_that_cannot_be) {
    char longest[300];
    memset(longest, 'x', 252);
    longest[252] = 0;
    refused_names((const char *const[]){"a", "a.out/b", NULL}, "has the name of another output");
    refused_names((const char *const[]){"x/y/a", "x/y/a.out/c/d", "b", NULL},
                  "has the name of another output");
    refused_names((const char *const[]){"a", "b", "a", NULL}, "'a': it is there twice");
    refused_names((const char *const[]){"_sluice/parts/x", NULL}, "its own files");
    refused_names((const char *const[]){"_SUCCESS/x", NULL}, "its own files");
    refused_names((const char *const[]){"/etc/x", NULL}, "not a path");
    refused_names((const char *const[]){"../x", NULL}, "not a path");
    refused_names((const char *const[]){"a/../x", NULL}, "not a path");
    refused_names((const char *const[]){"a/", NULL}, "not a path");
    refused_names((const char *const[]){longest, NULL}, "too long");
    ck_assert(!rig_exists(dir, "_sluice/journal"));
}
END_TEST

/* Names that only look like each other's outputs and parts. */
START_TEST(names_that_can_be) {
    static const char *const names[] = {"a",       "a.ou/b", "a.out",         "ab/a",
                                        "b.rej/c", "b",      "out/a.out.out", "with space\n%"};
    char want[HASH_HEX], got[HASH_HEX];
    struct output_shard shards[8] = {{0}};
    uint64_t records[8];
    bool broken[8] = {false};
    for (size_t i = 0; i < 8; i++) {
        shards[i].name = names[i];
        records[i] = 40 + i;
    }
    struct rig_job other = {.shards = shards, .records = records, .broken = broken, .count = 8};
    options = rig_options(&other, dir);
    rig_want(&other, want);
    ck_assert_int_eq(rig_run(&other, &options, 1, 16, 9, &err), SL_OK);
    ck_assert_int_eq(rig_run(&other, &options, 2, 16, 0, &err), SL_OK);
    rig_hash_tree(dir, got);
    ck_assert_str_eq(want, got);
}
END_TEST

START_TEST(output_is_a_file) {
    char path[300];
    snprintf(path, sizeof path, "%s/file", dir);
    rig_write(dir, "file", "x", 1);
    options.dir = path;
    refused(SL_E_OUTPUT, "cannot create output directory");
    snprintf(path, sizeof path, "%s/file/below", dir);
    refused(SL_E_OUTPUT, "cannot create output directory");
}
END_TEST

START_TEST(output_is_made_with_its_parents) {
    char path[300];
    snprintf(path, sizeof path, "%s/a/b/c/", dir);
    options.dir = path;
    run_ok(1, 0);
    ck_assert(rig_exists(dir, "a/b/c/_SUCCESS"));
}
END_TEST

/* Not for root, who may write anywhere: as somebody else, in a child. */
START_TEST(directory_not_writable) {
    ck_assert_int_eq(chmod(dir, 0555), 0);
    pid_t child = fork();
    if (child == 0) {
        struct output *output;
        bool finished;
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(99);
        sl_status st = output_open(&output, &options, &finished, &err);
        _exit(strstr(err.text, dir) ? (int)st : 98);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), SL_E_PERMISSION);
    ck_assert_int_eq(chmod(dir, 0755), 0);
}
END_TEST

/* ---- what is not believed ---- */

static void damaged_and_resumed(const char *name, bool cut) {
    char want[HASH_HEX], got[HASH_HEX], path[4400];
    struct stat st;
    rig_want(&job, want);
    run_ok(1, 14);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    ck_assert_msg(stat(path, &st) == 0, "%s", path);
    ck_assert_int_gt(st.st_size, 0);
    ck_assert_int_eq(cut ? truncate(path, st.st_size - 1) : unlink(path), 0);
    run_ok(2, 0);
    rig_hash_tree(dir, got);
    ck_assert_str_eq(want, got);
}

/* What the journal says of a shard counts only while its files bear it out. */
START_TEST(files_gone_or_short) {
    static const char *const names[] = {"part-0001.csv.out", "_sluice/parts/rejects/part-0000.csv",
                                        "_sluice/parts/lines/part-0005.csv",
                                        "_sluice/parts/rejects/part-0005.csv"};
    for (int i = 0; i < 8; i++) {
        rig_remove(dir);
        damaged_and_resumed(names[i / 2], i % 2);
    }
}
END_TEST

/* A crash between link and unlink: the part has the published name as well, and must not be cut. */
START_TEST(part_with_two_names) {
    char want[HASH_HEX], got[HASH_HEX], from[4400], to[4400];
    size_t nbytes, now;
    rig_want(&job, want);
    run_ok(1, 14);
    snprintf(from, sizeof from, "%s/_sluice/parts/lines/part-0005.csv", dir);
    snprintf(to, sizeof to, "%s/part-0005.csv.out", dir);
    ck_assert_int_eq(link(from, to), 0);
    free(rig_read(dir, "part-0005.csv.out", &nbytes));
    ck_assert_int_eq(rig_run(&job, &options, 1, 2, 1, &err), SL_OK); /* begins that shard anew */
    char *text = rig_read(dir, "part-0005.csv.out", &now);
    ck_assert_uint_eq(now, nbytes);
    free(text);
    run_ok(2, 0);
    rig_hash_tree(dir, got);
    ck_assert_str_eq(want, got);
}
END_TEST

/* Flip every byte of a journal in the middle of a job: the same outputs or a refusal. */
START_TEST(journal_damaged_anywhere) {
    char want[HASH_HEX], got[HASH_HEX], kept[300], command[1000];
    size_t nbytes = 0;
    int refusals = 0, recoveries = 0;
    job.count = options.shard_count = 6;
    rig_want(&job, want);
    run_ok(1, 7);
    snprintf(kept, sizeof kept, "%s.kept", dir);
    snprintf(command, sizeof command, "rm -rf %s && cp -a %s %s", kept, dir, kept);
    ck_assert_int_eq(system(command), 0);
    snprintf(command, sizeof command, "rm -rf %s && cp -a %s %s", dir, kept, dir);
    char *text = rig_read(dir, "_sluice/journal", &nbytes);
    for (size_t at = 0; at<nbytes; at += nbytes> 1500 ? 3 : 1) {
        ck_assert_int_eq(system(command), 0);
        text[at] ^= (char)(1 << at % 8);
        rig_write(dir, "_sluice/journal", text, nbytes);
        text[at] ^= (char)(1 << at % 8);
        sl_status st = rig_run(&job, &options, 3, 64, 0, &err);
        if (st == SL_OK) {
            rig_hash_tree(dir, got);
            ck_assert_msg(!strcmp(want, got), "byte %zu", at);
            recoveries++;
        } else {
            ck_assert_int_eq(st, SL_E_MODEL);
            ck_assert(!rig_exists(dir, "_SUCCESS"));
            refusals++;
        }
    }
    ck_assert_int_gt(refusals, 0);
    ck_assert_int_gt(recoveries, 0);
    free(text);
    rig_remove(kept);
}
END_TEST

/* A lost journal: what stands is not touched without --overwrite. */
START_TEST(journal_gone) {
    run_ok(1, 14);
    ck_assert_int_eq(system((snprintf(err.text, sizeof err.text, "rm %s/_sluice/journal", dir), err.text)),
                     0);
    refused(SL_E_OUTPUT, "no journal tells of it");
    options.overwrite = true;
    run_ok(1, 0);
    ck_assert(rig_exists(dir, "_SUCCESS"));
}
END_TEST

START_TEST(overwrite_begins_anew) {
    char want[HASH_HEX], got[HASH_HEX];
    struct output *output;
    bool finished;
    rig_want(&job, want);
    run_ok(1, 0);
    options.overwrite = true;
    ck_assert_int_eq(output_open(&output, &options, &finished, &err), SL_OK);
    ck_assert(!finished);
    ck_assert(!rig_exists(dir, "_SUCCESS"));
    ck_assert(rig_exists(dir, "part-0000.csv.out")); /* whole, until it is replaced by a whole one */
    for (size_t i = 0; i < job.count; i++)
        ck_assert_int_eq(output_shard_progress(output, i)->state, SHARD_NEW);
    output_close(output);
    options.overwrite = false; /* the same job goes on without it */
    run_ok(2, 5);
    run_ok(3, 0);
    rig_hash_tree(dir, got);
    ck_assert_str_eq(want, got);
}
END_TEST

/* ---- faults of ours and of the machine ---- */

static sl_status write_spans(const struct span *spans, uint32_t count, uint32_t rows) {
    struct output *output;
    bool finished;
    struct slot *slot = rig_slot(8);
    for (uint32_t r = 0; r < rows; r++)
        rig_fill_row(slot, r, 1, r);
    memcpy(slot->spans, spans, count * sizeof *spans);
    slot->span_count = count;
    slot->row_count = rows;
    ck_assert_int_eq(output_open(&output, &options, &finished, &err), SL_OK);
    sl_status st = output_write_slot(output, slot, &err);
    output_close(output);
    rig_slot_free(slot);
    rig_remove(dir);
    return st;
}

START_TEST(records_out_of_order) {
    struct span gap = {.shard = 1, .count = 2, .first_record = 1};
    ck_assert_int_eq(write_spans(&gap, 1, 2), SL_E_INTERNAL);
    struct span twice[] = {{.shard = 1, .count = 2}, {.shard = 1, .count = 2}};
    ck_assert_int_eq(write_spans(twice, 2, 2), SL_E_INTERNAL);
    struct span early[] = {{.shard = 1, .count = 2}, {.shard = 1, .kind = SPAN_END, .first_record = 3}};
    ck_assert_int_eq(write_spans(early, 2, 2), SL_E_INTERNAL);
    ck_assert_ptr_nonnull(strstr(err.text, "do not add up"));
    struct span after[] = {{.shard = 1, .kind = SPAN_FAILED}, {.shard = 1, .count = 2}};
    ck_assert_int_eq(write_spans(after, 2, 2), SL_E_INTERNAL);
    struct span open[200];
    for (uint32_t i = 0; i < 8; i++)
        open[i] = (struct span){.shard = i, .row = i, .count = 1};
    ck_assert_int_eq(write_spans(open, 8, 8), SL_OK);
}
END_TEST

/* A disk that is full: reported, nothing partial under a final name, and the job goes on when there is room.
 */
START_TEST(no_space) {
    char want[HASH_HEX], got[HASH_HEX], path[300];
    int met = 0;
    if (geteuid() != 0 || mount("tmpfs", dir, "tmpfs", 0, "size=64k") != 0)
        return; /* nobody may mount here: tests/fault has the same with injected errors */
    snprintf(path, sizeof path, "%s/out", dir);
    options.dir = path;
    rig_want(&job, want);
    for (int kib = 8; kib <= 512; kib += 8) {
        char size[32];
        snprintf(size, sizeof size, "size=%dk", kib);
        if (mount("tmpfs", dir, "tmpfs", MS_REMOUNT, size) != 0)
            continue;
        err = (sl_error){0};
        sl_status st = rig_run(&job, &options, 3, 64, 0, &err);
        if (st == SL_OK)
            break;
        met++;
        ck_assert_msg(st == SL_E_OUTPUT, "%d: %s", st, err.text);
        ck_assert_ptr_nonnull(strstr(err.text, "No space left"));
        ck_assert(!rig_exists(path, "_SUCCESS"));
    }
    rig_hash_tree(path, got);
    umount(dir);
    ck_assert_int_gt(met, 2);
    ck_assert_str_eq(want, got);
}
END_TEST

/* Ten thousand shards of one record: the descriptors stay few, and a finished job is known as such at once.
 */
START_TEST(many_shards) {
    enum { COUNT = 10000 };
    struct output *output;
    struct timespec from, to;
    bool finished;
    struct rig_job many = {.count = COUNT, .made = COUNT};
    many.shards = calloc(COUNT, sizeof *many.shards);
    many.records = calloc(COUNT, sizeof *many.records);
    many.broken = calloc(COUNT, sizeof *many.broken);
    for (size_t i = 0; i < COUNT; i++) {
        char *name = malloc(32);
        snprintf(name, 32, "d%02zu/image-%05zu.png", i / 200, i);
        many.shards[i] = (struct output_shard){name, 1, 1};
        many.records[i] = 1;
    }
    options = rig_options(&many, dir);
    options.checkpoint_ns = 5000000000u;
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 200;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    sl_status st = rig_run(&many, &options, 1, 256, 0, &err);
    ck_assert_msg(st == SL_OK, "%s", err.text);
    clock_gettime(CLOCK_MONOTONIC, &from);
    ck_assert_int_eq(output_open(&output, &options, &finished, &err), SL_OK);
    clock_gettime(CLOCK_MONOTONIC, &to);
    ck_assert(finished);
    ck_assert_int_lt(to.tv_sec - from.tv_sec, 2);
    output_close(output);
    rig_job_free(&many);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("writer");
    TCase *c = tcase_create("writer");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_whole_job);
    tcase_add_test(c, a_finished_job_is_left_alone);
    tcase_add_test(c, interrupted_and_resumed);
    tcase_add_test(c, progress_after_a_stop);
    tcase_add_test(c, lines_longer_than_the_stage);
    tcase_add_test(c, many_rejects);
    tcase_add_test(c, no_allocation_while_it_streams);
    tcase_add_test(c, out_of_memory);
    tcase_add_test(c, broken_shards);
    tcase_add_test(c, broken_after_a_checkpoint);
    tcase_add_test(c, locked_twice);
    tcase_add_test(c, facts_changed);
    tcase_add_test(c, input_changed);
    tcase_add_test(c, input_added);
    tcase_add_test(c, input_added_to_a_finished_job);
    tcase_add_test(c, an_output_of_somebody_else);
    tcase_add_test(c, an_output_of_somebody_else_later);
    tcase_add_test(c, success_of_somebody_else);
    tcase_add_test(c, names_that_cannot_be);
    tcase_add_test(c, names_that_can_be);
    tcase_add_test(c, output_is_a_file);
    tcase_add_test(c, output_is_made_with_its_parents);
    tcase_add_test(c, directory_not_writable);
    tcase_add_test(c, files_gone_or_short);
    tcase_add_test(c, part_with_two_names);
    tcase_add_test(c, journal_damaged_anywhere);
    tcase_add_test(c, journal_gone);
    tcase_add_test(c, overwrite_begins_anew);
    tcase_add_test(c, records_out_of_order);
    tcase_add_test(c, no_space);
    tcase_add_test(c, many_shards);
    suite_add_tcase(suite, c);
    return harness_run(suite);
}
