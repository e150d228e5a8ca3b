/* test_journal.c: what is written is read back; whatever happens to the bytes, what is read is what was
 * written or a beginning of it, or the journal is refused. */
#include "output/journal.h"
#include "support/log.h"
#include "tests/unit/output_rig.h"

static const struct output_fact facts[] = {
    {"model_sha256", "ab12"}, {"csv", "header=1 delimiter=44"}, {"empty", ""}};
#define FACTS 3

struct seen {
    struct journal_entry entries[16];
    size_t count;
};

static char dir[256];
static int dir_fd;
static struct seen seen;
static sl_error err;

static sl_status visit(void *ctx, const struct journal_entry *entry, sl_error *e) {
    struct seen *s = ctx;
    (void)e;
    ck_assert_uint_lt(s->count, 16);
    s->entries[s->count++] = *entry;
    return SL_OK;
}

static void setup(void) {
    log_set_level(LOG_QUIET);
    rig_temp_dir(dir);
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(mkdirat(dir_fd, "_sluice", 0777), 0);
    err = (sl_error){0};
}

static void teardown(void) {
    close(dir_fd);
    rig_remove(dir);
}

static sl_status open_with(struct journal **journal, const struct output_fact *with, size_t count,
                           bool *found) {
    seen.count = 0;
    *journal = NULL;
    return journal_open(journal, dir_fd, with, count, visit, &seen, found, &err);
}

static struct journal *begin(void) {
    struct journal *journal;
    bool found;
    ck_assert_int_eq(open_with(&journal, facts, FACTS, &found), SL_OK);
    ck_assert(!found);
    ck_assert(!rig_exists(dir, JOURNAL_PATH));
    ck_assert_int_eq(journal_begin(journal, dir_fd, facts, FACTS, &err), SL_OK);
    return journal;
}

static struct journal_entry entry(int i) {
    static const char *const names[] = {"a.csv", "b c%d\n.csv", "\xff\x01 \x7f.tar", "\303\244/\344\270\255"};
    struct journal_entry e = {
        .kind = (enum journal_kind)(i % 3), .in_nbytes = 77 + (uint64_t)i, .in_mtime_ns = -5 + i};
    if (e.kind != JOURNAL_BROKEN) {
        e.records = 10 + (uint64_t)i;
        e.rejected = (uint64_t)i;
        e.scored = 10;
        e.out_nbytes = UINT64_MAX - (uint64_t)i;
        e.reject_nbytes = 3;
    }
    memset(e.sha256, 0, sizeof e.sha256);
    memset(e.sha256, e.kind == JOURNAL_DONE ? 'a' + i : '-', e.kind == JOURNAL_DONE ? 64 : 1);
    snprintf(e.shard, sizeof e.shard, "%s", names[i % 4]);
    return e;
}

static void check_entry(const struct journal_entry *got, const struct journal_entry *want) {
    ck_assert_int_eq(got->kind, want->kind);
    ck_assert_uint_eq(got->records, want->records);
    ck_assert_uint_eq(got->scored, want->scored);
    ck_assert_uint_eq(got->rejected, want->rejected);
    ck_assert_uint_eq(got->out_nbytes, want->out_nbytes);
    ck_assert_uint_eq(got->reject_nbytes, want->reject_nbytes);
    ck_assert_uint_eq(got->in_nbytes, want->in_nbytes);
    ck_assert_int_eq(got->in_mtime_ns, want->in_mtime_ns);
    ck_assert_str_eq(got->sha256, want->sha256);
    ck_assert_str_eq(got->shard, want->shard);
}

/* Batches of one, two, three and one entries. */
#define ENTRIES 7
static void write_all(void) {
    struct journal *journal = begin();
    for (int i = 0; i < ENTRIES; i++) {
        struct journal_entry e = entry(i);
        ck_assert_int_eq(journal_add(journal, &e, &err), SL_OK);
        if (i == 0 || i == 2 || i == 5 || i == 6)
            ck_assert_int_eq(journal_sync(journal, &err), SL_OK);
    }
    journal_close(journal);
}

/* SL_OK with a beginning of what was written (the count), or -1 when it was refused. */
static int read_back(void) {
    struct journal *journal;
    bool found;
    err = (sl_error){0};
    sl_status st = open_with(&journal, facts, FACTS, &found);
    if (st != SL_OK) {
        ck_assert_int_eq(st, SL_E_MODEL);
        ck_assert_ptr_nonnull(strstr(err.text, "cannot resume: "));
        ck_assert_ptr_nonnull(strstr(err.text, "--overwrite"));
        return -1;
    }
    ck_assert(found);
    ck_assert_uint_le(seen.count, ENTRIES);
    for (size_t i = 0; i < seen.count; i++) {
        struct journal_entry want = entry((int)i);
        check_entry(&seen.entries[i], &want);
    }
    journal_close(journal);
    return (int)seen.count;
}

START_TEST(round_trip) {
    write_all();
    ck_assert_int_eq(read_back(), ENTRIES);
    ck_assert_int_eq(read_back(), ENTRIES); /* reading changes nothing */
}
END_TEST

START_TEST(empty_journal_goes_on) {
    journal_close(begin());
    ck_assert_int_eq(read_back(), 0);
}
END_TEST

START_TEST(keeps_its_identity) {
    struct journal *journal = begin();
    struct output_identity first = *journal_identity(journal);
    bool found;
    journal_close(journal);
    ck_assert_int_eq(open_with(&journal, facts, FACTS, &found), SL_OK);
    ck_assert_str_eq(journal_identity(journal)->id, first.id);
    ck_assert_str_eq(journal_identity(journal)->begun, first.begun);
    ck_assert_uint_eq(strlen(first.id), 36);
    ck_assert_uint_eq(strlen(first.begun), 20);
    ck_assert_int_eq(first.id[14], '4');
    journal_close(journal);
}
END_TEST

START_TEST(not_synced_is_not_there) {
    struct journal *journal = begin();
    struct journal_entry e = entry(0);
    ck_assert_int_eq(journal_add(journal, &e, &err), SL_OK);
    ck_assert_int_eq(journal_sync(journal, &err), SL_OK);
    ck_assert_int_eq(journal_add(journal, &e, &err), SL_OK);
    journal_close(journal);
    ck_assert_int_eq(read_back(), 1);
}
END_TEST

START_TEST(longest_name) {
    struct journal *journal = begin();
    struct journal_entry e = entry(0), second = entry(1);
    memset(e.shard, '%', sizeof e.shard - 1);
    e.shard[sizeof e.shard - 1] = 0;
    for (int i = 0; i < 300; i++) /* more than waits at once: some of it is written on the way */
        ck_assert_int_eq(journal_add(journal, i == 150 ? &second : &e, &err), SL_OK);
    ck_assert_int_eq(journal_sync(journal, &err), SL_OK);
    journal_close(journal);
    size_t nbytes = 0;
    char *text = rig_read(dir, JOURNAL_PATH, &nbytes);
    ck_assert_uint_gt(nbytes, 299 * 3 * 4095);
    free(text);
}
END_TEST

static void refused_for(const struct output_fact *with, size_t count, const char *word, const char *other) {
    struct journal *journal;
    bool found;
    err = (sl_error){0};
    ck_assert_int_eq(open_with(&journal, with, count, &found), SL_E_MODEL);
    ck_assert_msg(strstr(err.text, word) && strstr(err.text, other), "%s", err.text);
    ck_assert_int_eq(read_back(), ENTRIES); /* and nothing was changed */
}

START_TEST(facts_that_differ) {
    write_all();
    struct output_fact other[4];
    for (int i = 0; i < FACTS; i++) {
        memcpy(other, facts, sizeof facts);
        other[i].value = "another";
        refused_for(other, FACTS, facts[i].key, "'another'");
    }
    memcpy(other, facts, sizeof facts);
    other[3] = (struct output_fact){"new", "1"};
    refused_for(other, 4, "3 of 4 facts", "--overwrite");
    refused_for(facts, 2, "'empty'", "--overwrite");
}
END_TEST

START_TEST(another_version) {
    write_all();
    size_t nbytes = 0;
    char *text = rig_read(dir, JOURNAL_PATH, &nbytes);
    ck_assert_ptr_nonnull(strstr(text, "sluice-journal 2 "));
    text[15] = '1';
    rig_write(dir, JOURNAL_PATH, text, nbytes);
    ck_assert_int_eq(read_back(), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "another version"));
    free(text);
}
END_TEST

/* Where the entries begin and each of them ends. */
static size_t ends_of(const char *text, size_t ends[ENTRIES + 1]) {
    const char *p = strstr(text, "\ncheckpoint ");
    ck_assert_ptr_nonnull(p);
    ends[0] = (size_t)(p + 1 - text);
    for (int i = 0; i < ENTRIES; i++)
        ends[i + 1] = (size_t)(strchr(text + ends[i], '\n') + 1 - text);
    return ends[0];
}

START_TEST(truncated_at_every_length) {
    size_t nbytes = 0, ends[ENTRIES + 1];
    write_all();
    char *text = rig_read(dir, JOURNAL_PATH, &nbytes);
    size_t head = ends_of(text, ends);
    ck_assert_uint_eq(ends[ENTRIES], nbytes);
    for (size_t n = 0; n <= nbytes; n++) {
        rig_write(dir, JOURNAL_PATH, text, n);
        int whole = 0;
        while (whole < ENTRIES && ends[whole + 1] <= n)
            whole++;
        ck_assert_int_eq(read_back(), n < head ? -1 : whole);
        if (n < head)
            continue;
        size_t now;
        char *cut = rig_read(dir, JOURNAL_PATH, &now);
        ck_assert_uint_eq(now, ends[whole]); /* what was torn is cut off */
        free(cut);
    }
    free(text);
}
END_TEST

/* Which batch an entry is in: its first entry. */
static int batch_of(int i) {
    return i == 0 ? 0 : i < 3 ? 1 : i < 6 ? 3 : 6;
}

START_TEST(every_byte_flipped) {
    size_t nbytes = 0, ends[ENTRIES + 1];
    int refused = 0, recovered = 0;
    write_all();
    char *text = rig_read(dir, JOURNAL_PATH, &nbytes);
    size_t head = ends_of(text, ends);
    for (size_t at = 0; at < nbytes; at++)
        for (int bit = 0; bit < 8; bit++) {
            text[at] = (char)(text[at] ^ 1 << bit);
            rig_write(dir, JOURNAL_PATH, text, nbytes);
            int line = 0, got = read_back();
            while (line < ENTRIES && ends[line + 1] <= at)
                line++;
            /* what was durable before a later batch began is refused; the last batch may have been torn;
             * without the '\n' before it nothing of it can be told from the damage */
            if (at < head || (batch_of(line) < 6 && at != ends[6] - 1))
                ck_assert_msg(got == -1, "byte %zu bit %d: %d entries", at, bit, got);
            else
                ck_assert_msg(got == line, "byte %zu bit %d: %d entries, %d are whole", at, bit, got, line);
            got < 0 ? refused++ : recovered++;
            if (got < 0 && at >= head) { /* the line is named; a flipped '\n' spoils the next one, too */
                char word[32];
                snprintf(word, sizeof word, "line %d ", 1 + 1 + FACTS + 1 + 1 + line);
                ck_assert_msg(strstr(err.text, word), "%s: not %s", err.text, word);
            }
            text[at] = (char)(text[at] ^ 1 << bit);
        }
    ck_assert_int_gt(refused, 0);
    ck_assert_int_gt(recovered, 0);
    free(text);
}
END_TEST

/* Lines of one batch: a power cut may keep a later page and lose an earlier one. */
START_TEST(torn_inside_the_last_batch) {
    size_t nbytes = 0, ends[ENTRIES + 1];
    write_all();
    char *text = rig_read(dir, JOURNAL_PATH, &nbytes);
    ends_of(text, ends);
    memset(text + ends[3], 0, 20); /* the first of three, as if a block had not been written */
    rig_write(dir, JOURNAL_PATH, text, ends[6]);
    ck_assert_int_eq(read_back(), 3);
    free(text);
}
END_TEST

START_TEST(goes_on_after_a_torn_tail) {
    size_t nbytes = 0;
    write_all();
    char *text = rig_read(dir, JOURNAL_PATH, &nbytes);
    rig_write(dir, JOURNAL_PATH, text, nbytes - 7);
    free(text);
    struct journal *journal;
    bool found;
    ck_assert_int_eq(open_with(&journal, facts, FACTS, &found), SL_OK);
    ck_assert_uint_eq(seen.count, ENTRIES - 1);
    struct journal_entry e = entry(ENTRIES - 1);
    ck_assert_int_eq(journal_add(journal, &e, &err), SL_OK);
    ck_assert_int_eq(journal_sync(journal, &err), SL_OK);
    journal_close(journal);
    ck_assert_int_eq(read_back(), ENTRIES);
}
END_TEST

/* Lines in another order, doubled, or of another journal have good CRCs and are still not taken. */
START_TEST(lines_moved_about) {
    size_t nbytes = 0, ends[ENTRIES + 1], other_nbytes = 0;
    write_all();
    char *other = rig_read(dir, JOURNAL_PATH, &other_nbytes);
    ck_assert_int_eq(unlinkat(dir_fd, JOURNAL_PATH, 0), 0);
    write_all();
    char *text = rig_read(dir, JOURNAL_PATH, &nbytes), *made = malloc(2 * nbytes);
    ends_of(text, ends);
    ck_assert_uint_eq(nbytes, other_nbytes);
    ck_assert_int_ne(memcmp(text, other, nbytes), 0); /* the salt */

    memcpy(made, text, nbytes); /* the last line twice */
    memcpy(made + nbytes, text + ends[6], ends[7] - ends[6]);
    rig_write(dir, JOURNAL_PATH, made, nbytes + ends[7] - ends[6]);
    ck_assert_int_eq(read_back(), ENTRIES);

    memcpy(made, text, ends[5]); /* the last but one is missing */
    memcpy(made + ends[5], text + ends[6], ends[7] - ends[6]);
    rig_write(dir, JOURNAL_PATH, made, ends[5] + ends[7] - ends[6]);
    ck_assert_int_eq(read_back(), -1);

    memcpy(made, text, nbytes); /* the last one is the other journal's */
    memcpy(made + ends[6], other + ends[6], ends[7] - ends[6]);
    rig_write(dir, JOURNAL_PATH, made, nbytes);
    ck_assert_int_eq(read_back(), ENTRIES - 1);
    free(made);
    free(text);
    free(other);
}
END_TEST

START_TEST(begins_anew) {
    write_all();
    struct journal *journal;
    bool found;
    ck_assert_int_eq(open_with(&journal, facts, FACTS, &found), SL_OK);
    ck_assert(found);
    struct output_identity old = *journal_identity(journal);
    ck_assert_int_eq(journal_begin(journal, dir_fd, facts, FACTS, &err), SL_OK);
    ck_assert_str_ne(journal_identity(journal)->id, old.id);
    struct journal_entry e = entry(0);
    ck_assert_int_eq(journal_add(journal, &e, &err), SL_OK);
    ck_assert_int_eq(journal_sync(journal, &err), SL_OK);
    journal_close(journal);
    ck_assert_int_eq(read_back(), 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("journal");
    TCase *c = tcase_create("journal");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, round_trip);
    tcase_add_test(c, empty_journal_goes_on);
    tcase_add_test(c, keeps_its_identity);
    tcase_add_test(c, not_synced_is_not_there);
    tcase_add_test(c, longest_name);
    tcase_add_test(c, facts_that_differ);
    tcase_add_test(c, another_version);
    tcase_add_test(c, truncated_at_every_length);
    tcase_add_test(c, every_byte_flipped);
    tcase_add_test(c, torn_inside_the_last_batch);
    tcase_add_test(c, goes_on_after_a_torn_tail);
    tcase_add_test(c, lines_moved_about);
    tcase_add_test(c, begins_anew);
    suite_add_tcase(suite, c);
    return harness_run(suite);
}
