/* test_strings.c: models that take texts and answer with texts, through the whole job, against what ONNX
 * Runtime makes of the same rows (tests/golden/strings/make.py): labels equal, probabilities within 1e-5. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "sluice/job.h"

#define LINE 256

static char work[64];
static sl_job_result result;

static const char *root(void) {
    const char *tests = getenv("SLUICE_TESTS_DIR");
    return tests ? tests : "tests";
}

static void make_work(void) {
    strcpy(work, "/tmp/sluice-strings-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(work));
}

static void remove_work(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", work);
    ck_assert_int_eq(system(command), 0);
}

static sl_job_options defaults(void) {
    sl_job_options options;
    sl_job_defaults(&options);
    return options;
}

/* Runs a model of tests/golden/strings on an input; the path of the output, which the next call reuses. */
static const char *run(const char *model, const char *input, const char *name, sl_job_options options,
                       sl_status want) {
    static char paths[3][4096], out[8192];
    static unsigned runs;
    sl_error err = {0};
    snprintf(paths[0], sizeof paths[0], "%s/golden/strings/%s", root(), model);
    snprintf(paths[1], sizeof paths[1], "%s", input);
    snprintf(paths[2], sizeof paths[2], "%s/out-%u", work, runs++);
    options.model = paths[0];
    options.input = paths[1];
    options.output = paths[2];
    sl_status st = sl_job_run(&options, &result, &err);
    ck_assert_msg(st == want, "%s: status %d, not %d: %s", name, (int)st, (int)want, err.text);
    snprintf(out, sizeof out, "%s/%s.out", paths[2], name);
    return out;
}

static const char *golden(const char *model, const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/golden/strings/%s/%s", root(), model, name);
    return path;
}

/* The two numbers at the end of a line; what stands before them is the label. */
static void cut(char *line, double scores[2]) {
    line[strcspn(line, "\n")] = 0;
    for (int i = 1; i >= 0; i--) {
        char *comma = strrchr(line, ','), *end;
        ck_assert_ptr_nonnull(comma);
        scores[i] = strtod(comma + 1, &end);
        ck_assert_msg(end > comma + 1 && !*end, "'%s' is no number", comma + 1);
        *comma = 0;
    }
}

static unsigned compare(const char *model, const char *output) {
    char got[LINE], want[LINE];
    unsigned count = 0;
    FILE *a = fopen(output, "r"), *b = fopen(golden(model, "want.csv"), "r");
    ck_assert(a && b);
    while (fgets(want, sizeof want, b)) {
        double x[2], y[2];
        ck_assert_msg(fgets(got, sizeof got, a) != NULL, "fewer lines than rows");
        cut(want, x);
        cut(got, y);
        ck_assert_msg(!strcmp(got, want), "row %u: label %s, not %s", count, got, want);
        for (int i = 0; i < 2; i++)
            ck_assert_msg(fabs(x[i] - y[i]) <= 1e-5, "row %u: %.9g, not %.9g", count, y[i], x[i]);
        count++;
    }
    ck_assert_ptr_null(fgets(got, sizeof got, a));
    fclose(a);
    fclose(b);
    return count;
}

/* Two text and two number columns, in the order of the model's inputs: missing numbers, no text, quotes,
 * commas, a line end in quotes, Unicode, categories the model does not know; CRLF at the ends. */
START_TEST(table_by_position) {
    ck_assert_uint_eq(
        compare("table", run("table", golden("table", "rows.csv"), "rows.csv", defaults(), SL_OK)), 60);
    ck_assert_uint_eq(result.rejected, 0);
}
END_TEST

/* Other order, a column more, everything in quotes: the header's names say what is what. */
START_TEST(table_by_name) {
    sl_job_options options = defaults();
    options.csv_header = 1;
    ck_assert_uint_eq(
        compare("table", run("table", golden("table", "named.csv"), "named.csv", options, SL_OK)), 60);
}
END_TEST

START_TEST(documents) {
    ck_assert_uint_eq(
        compare("text", run("text", golden("text", "rows.jsonl"), "rows.jsonl", defaults(), SL_OK)), 16);
    ck_assert_uint_eq(compare("text", run("text", golden("text", "rows.csv"), "rows.csv", defaults(), SL_OK)),
                      16);
}
END_TEST

static char *read_all(const char *path) {
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 1 << 16);
    ck_assert(f && text);
    ck_assert_uint_gt(fread(text, 1, (1 << 16) - 1, f), 0);
    fclose(f);
    return text;
}

/* A row's answer does not depend on what is beside it, whatever that brings. */
START_TEST(any_batch) {
    static const int64_t sizes[] = {1, 2, 7, 64};
    const char *models[] = {"table", "text"};
    for (int m = 0; m < 2; m++) {
        char *first = NULL;
        for (int i = 0; i < 4; i++) {
            sl_job_options options = defaults();
            options.batch_size = sizes[i];
            options.workers = 3;
            char *now = read_all(run(models[m], golden(models[m], "rows.csv"), "rows.csv", options, SL_OK));
            if (first)
                ck_assert_str_eq(now, first);
            if (first)
                free(now);
            else
                first = now;
        }
        free(first);
    }
}
END_TEST

/* What a row may bring is bounded: a longer text is a reject that says so, and its neighbours are scored. */
START_TEST(too_long) {
    enum { ROOM = 16 << 10 };
    char path[128], command[512];
    snprintf(path, sizeof path, "%s/long.csv", work);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    for (int row = 0; row < 40; row++) {
        for (int i = 0; i < (row == 20 ? ROOM + 1 : row == 21 ? ROOM : 30); i++)
            fputs(i % 6 == 5 ? " " : "w", f);
        fputs("\n", f);
    }
    fclose(f);
    const char *out = run("text", path, "long.csv", defaults(), SL_REJECTS);
    ck_assert(result.records == 40 && result.rejected == 1);
    char *lines = read_all(out), *at = lines;
    for (int row = 0; row < 20; row++)
        at = strchr(at, '\n') + 1;
    ck_assert_msg(!strncmp(at, "ERROR\nother,", 12), "row 20 is '%.20s'", at);
    free(lines);
    snprintf(
        command, sizeof command,
        "grep -q '\"record\": *20.*text-too-long.*16384 bytes.*max_bytes' %s/out-*/_sluice/rejects.jsonl",
        work);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("strings");
    TCase *tc = tcase_create("strings");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, make_work, remove_work);
    tcase_add_test(tc, table_by_position);
    tcase_add_test(tc, table_by_name);
    tcase_add_test(tc, documents);
    tcase_add_test(tc, any_batch);
    tcase_add_test(tc, too_long);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
