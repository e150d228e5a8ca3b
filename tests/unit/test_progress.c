/* test_progress.c: the bar in any width, the lines and when they are due, and the ten lines of the end. */
#include <string.h>

#include "cli/progress.h"
#include "harness.h"
#include "support/json.h"

static sl_job_progress half(void) {
    return (sl_job_progress){.seconds = 20,
                             .records = 1500000,
                             .scored = 1499990,
                             .rejected = 10,
                             .records_resumed = 500000,
                             .nbytes = 60000000,
                             .total_nbytes = 120000000,
                             .nbytes_resumed = 20000000,
                             .shards = 1,
                             .total_shards = 2,
                             .slots_full = 3,
                             .slot_count = 9,
                             .workers = 4};
}

START_TEST(bar_tells_all) {
    char row[400];
    sl_job_progress p = half();
    progress_bar(row, sizeof row, &p, 200, false);
    ck_assert_str_eq(
        row, " 50 % [##########..........]  1,500,000 records  10 rejected  30.0 s left  50,000/s  2.0 MB/s  "
             "ring 3/9");
}
END_TEST

/* The columns that a terminal would use: escape sequences take none. */
static unsigned columns(const char *row) {
    unsigned n = 0;
    for (; *row; row++)
        if (*row == '\033')
            row += strcspn(row, "m");
        else
            n++;
    return n;
}

START_TEST(bar_fits_any_width) {
    char row[400];
    sl_job_progress p = half();
    for (unsigned width = 1; width < 150; width++) {
        for (int color = 0; color < 2; color++) {
            progress_bar(row, sizeof row, &p, width, color != 0);
            ck_assert_uint_lt(columns(row), width);
            ck_assert(!color == !strchr(row, '\033') || !strstr(row, "rejected"));
        }
    }
}
END_TEST

START_TEST(bar_at_the_edges) {
    char row[400];
    sl_job_progress p = {0}; /* nothing known at all */
    progress_bar(row, sizeof row, &p, 200, false);
    ck_assert_str_eq(row, "  0 % [....................]  0 records  0/s  0.0 MB/s  ring 0/0");
    p = half();
    p.nbytes = p.total_nbytes;
    p.rejected = 0;
    progress_bar(row, sizeof row, &p, 200, true);
    ck_assert_ptr_nonnull(strstr(row, "100 % [####################]"));
    ck_assert_ptr_null(strchr(row, '\033'));
}
END_TEST

START_TEST(line_forms) {
    char line[400];
    sl_job_progress p = half();
    sl_error err = {0};
    progress_line(line, sizeof line, &p, false);
    ck_assert_str_eq(
        line, "progress seconds=20.0 percent=50.0 records=1500000 scored=1499990 rejected=10 "
              "records_per_second=50000 bytes_per_second=2000000 seconds_left=30 shards=1 shards_total=2 "
              "ring_full=3 ring_slots=9 workers=4\n");
    progress_line(line, sizeof line, &p, true);
    json_t *root = json_read_text(line, strlen(line), "line", SL_E_DATA, &err);
    ck_assert_msg(root != NULL, "%s", err.text);
    ck_assert_int_eq(json_integer_value(json_object_get(root, "records")), 1500000);
    ck_assert_double_eq(json_number_value(json_object_get(root, "percent")), 50);
    json_decref(root);
    p.nbytes = p.nbytes_resumed; /* no rate, no time left: the key is left out, not guessed */
    progress_line(line, sizeof line, &p, false);
    ck_assert_ptr_null(strstr(line, "seconds_left"));
    p.records = p.scored = UINT64_MAX / 2; /* the longest line fits */
    p.records_resumed = 0;
    p.total_nbytes = UINT64_MAX / 2;
    progress_line(line, sizeof line, &p, true);
    ck_assert_str_eq(line + strlen(line) - 2, "}\n");
}
END_TEST

START_TEST(due) {
    sl_job_progress p = {.seconds = 0.5, .nbytes = 15, .total_nbytes = 100};
    ck_assert(!progress_is_due(&p, 0, 0)); /* a short job is left alone */
    p.seconds = 1;
    ck_assert(progress_is_due(&p, 0, 0));
    ck_assert(!progress_is_due(&p, 0, 1)); /* this tenth was told */
    p.seconds = 29.9;
    ck_assert(!progress_is_due(&p, 0, 1));
    p.seconds = 30;
    ck_assert(progress_is_due(&p, 0, 1));
    ck_assert(!progress_is_due(&p, 30, 1));
    p.last = true;
    ck_assert(progress_is_due(&p, 30, 1));
}
END_TEST

static sl_job_result result(void) {
    sl_job_result r = {.status = SL_REJECTS,
                       .records = 1000,
                       .scored = 990,
                       .rejected = 10,
                       .shards_done = 2,
                       .shard_count = 2,
                       .seconds = 2,
                       .load_seconds = 0.5,
                       .bottleneck = "decoding is the limit",
                       .batch_size = 64,
                       .workers = 4,
                       .workers_reason = "a \"reason\"",
                       .device = "cpu",
                       .output = "out\033[31m"};
    static const char *const names[] = {"read", "decode", "model", "format", "write"};
    for (int i = 0; i < SL_STAGE_COUNT; i++)
        r.stages[i] = (sl_job_stage){.name = names[i], .cpu_seconds = 1, .threads = 1};
    return r;
}

START_TEST(ten_lines) {
    struct buf text;
    sl_job_result r = result();
    int lines = 0;
    buf_init(&text);
    result_text(&text, &r);
    for (const char *c = text.data; *c; c++)
        lines += *c == '\n';
    ck_assert_int_eq(lines, 10);
    ck_assert_ptr_nonnull(strstr(text.data, "  records     1,000 = 990 scored + 10 rejected\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "after 0.50 s to load; 500 records/s\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "read 1.00 s (20 %), decode"));
    ck_assert_ptr_nonnull(strstr(text.data, "  status      3: finished, some records rejected"));
    ck_assert_ptr_null(strchr(text.data, '\033'));
    buf_reset(&text);
    r.records_resumed = 400;
    r.shards_broken = 1;
    result_text(&text, &r);
    ck_assert_ptr_nonnull(strstr(text.data, "(400 of them by earlier runs)\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "2 of 2 done, 1 broken\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "; 300 records/s\n"));
    buf_clear(&text);
}
END_TEST

START_TEST(nothing_to_do) {
    struct buf text;
    sl_job_result r = {.already_finished = true, .records = 12, .output = "out"};
    buf_init(&text);
    result_text(&text, &r);
    ck_assert_str_eq(text.data, "already finished: 12 records in 'out', nothing to do\n");
    buf_clear(&text);
}
END_TEST

START_TEST(json) {
    struct buf text;
    sl_job_result r = result(), none = {.status = SL_E_NOINPUT};
    sl_error err = {0};
    buf_init(&text);
    result_json(&text, &r, NULL);
    json_t *root = json_read_text(text.data, text.size, "result", SL_E_DATA, &err);
    ck_assert_msg(root != NULL, "%s", err.text);
    ck_assert_int_eq(json_integer_value(json_object_get(root, "scored")), 990);
    ck_assert_str_eq(json_string_value(json_object_get(root, "workers_reason")), "a \"reason\"");
    ck_assert_uint_eq(json_array_size(json_object_get(root, "stages")), SL_STAGE_COUNT);
    ck_assert_ptr_null(json_object_get(root, "error"));
    json_decref(root);
    buf_reset(&text);
    result_json(&text, &none, "no 'input'\n");
    root = json_read_text(text.data, text.size, "result", SL_E_DATA, &err);
    ck_assert_msg(root != NULL, "%s", err.text);
    ck_assert_str_eq(json_string_value(json_object_get(root, "error")), "no 'input'\n");
    ck_assert_int_eq(json_integer_value(json_object_get(root, "status")), SL_E_NOINPUT);
    json_decref(root);
    buf_clear(&text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("progress");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, bar_tells_all);
    tcase_add_test(tc, bar_fits_any_width);
    tcase_add_test(tc, bar_at_the_edges);
    tcase_add_test(tc, line_forms);
    tcase_add_test(tc, due);
    tcase_add_test(tc, ten_lines);
    tcase_add_test(tc, nothing_to_do);
    tcase_add_test(tc, json);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
