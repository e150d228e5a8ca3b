/* test_decode_csv.c: fields of a CSV row, and that the two ways through a row agree on random ones. */
#include "tests/unit/chain_rig.h"

#include <math.h>

static sl_spec csv_spec(const char *const *columns, size_t count) {
    return chain_source_spec(SL_RECORD_CSV, columns, count, RIG_MAX_RECORD);
}

static sl_spec row_of(int64_t n) {
    return rig_tensor(SL_FLOAT, 1, &n);
}

START_TEST(all_columns) {
    struct rig rig;
    sl_spec want = row_of(4);
    RIG_OK(rig_open(&rig, "[]", csv_spec(NULL, 0), &want));
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "1,-2.5,+3e2,0"));
    const float *x = rig_floats(&rig);
    ck_assert(x[0] == 1.0f && x[1] == -2.5f && x[2] == 300.0f && x[3] == 0.0f);
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "\"1\",-2.5,\"+3e2\",0"));
    x = rig_floats(&rig);
    ck_assert(x[0] == 1.0f && x[1] == -2.5f && x[2] == 300.0f && x[3] == 0.0f);
    rig_close(&rig);
}
END_TEST

START_TEST(rejects) {
    struct rig rig;
    sl_spec want = row_of(3);
    RIG_OK(rig_open(&rig, "[]", csv_spec(NULL, 0), &want));
    static const struct {
        const char *row, *code, *reason;
    } cases[] = {
        {"1,2", "ragged-row", "row has 2 fields, expected 3"},
        {"1,2,3,4", "ragged-row", "row has 4 fields, expected 3"},
        {"1,2,3,", "ragged-row", "row has 4 fields, expected 3"},
        {"", "ragged-row", "row has 1 field, expected 3"},
        {"1,,3", "missing-value", "column 1 is empty"},
        {"1,2,", "missing-value", "column 2 is empty"},
        {",2,3", "missing-value", "column 0 is empty"},
        {"\"\",2,3", "missing-value", "column 0 is empty"},
        {"1,abc,3", "not-a-number", "column 1: 'abc' is not a number"},
        {"1, 2,3", "not-a-number", "column 1: ' 2' is not a number"},
        {"1,2 ,3", "not-a-number", "column 1: '2 ' is not a number"},
        {"1,\" 2\",3", "not-a-number", "column 1: ' 2' is not a number"},
        {"1,0x10,3", "not-a-number", "column 1: '0x10' is not a number"},
        {"1,2.,3", "not-a-number", "column 1: '2.' is not a number"},
        {"1,.5,3", "not-a-number", "column 1: '.5' is not a number"},
        {"1,1;2,3", "not-a-number", "column 1: '1;2' is not a number"},
        {"1,2,3\r", "not-a-number", "column 2: '3\\x0d' is not a number"},
        {"1,\x1b[31m,3", "not-a-number", "column 1: '\\x1b[31m' is not a number"},
        {"1,nan,3", "not-finite", "column 1: 'nan' is not a finite number"},
        {"1,1e39,3", "not-finite", "column 1: '1e39' is not a finite number"},
        {"1,\"2,3", "bad-quotes", "row ends inside a quoted field"},
        {"1,2\"2\",3", "bad-quotes", "row has a quote where RFC 4180 allows none"},
        {"1, \"2\",3", "bad-quotes", "row has a quote where RFC 4180 allows none"},
        {"1,\"2\" ,3", "bad-quotes", "row has a quote where RFC 4180 allows none"},
        {"1,\"2\"x,3", "bad-quotes", "row has a quote where RFC 4180 allows none"},
        {"1,aaaaaaaaaabbbbbbbbbbccccccccccddddddddddX,3", "not-a-number",
         "column 1: 'aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd...' is not a number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        RIG_REJECT(rig_line(&rig, SL_KIND_CSV, cases[i].row), cases[i].code, cases[i].reason);
        ck_assert_str_eq(rig.reject.stage, "decode");
        /* A bad row leaves nothing behind. */
        RIG_OK(rig_line(&rig, SL_KIND_CSV, "7,\"8\",9"));
        ck_assert(rig_floats(&rig)[1] == 8.0f);
    }
    rig_close(&rig);
}
END_TEST

START_TEST(chosen_columns) {
    static const char *const names[] = {"id", "age", "name", "height", "note"};
    struct rig rig;
    RIG_OK(rig_open(&rig, "[{\"columns\": [\"height\", \"age\"]}]", csv_spec(names, 5), NULL));
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "7,41,Ann,1.75,x"));
    ck_assert(rig_floats(&rig)[0] == 1.75f && rig_floats(&rig)[1] == 41.0f);
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "7,41,\"A, \"\"n\"\"\nn\",1.75,"));
    ck_assert(rig_floats(&rig)[0] == 1.75f && rig_floats(&rig)[1] == 41.0f);
    RIG_REJECT(rig_line(&rig, SL_KIND_CSV, "7,x,Ann,1.75,x"), "not-a-number",
               "column 'age': 'x' is not a number");
    RIG_REJECT(rig_line(&rig, SL_KIND_CSV, "7,41,Ann,1.75"), "ragged-row", "row has 4 fields, expected 5");
    rig_close(&rig);

    RIG_OK(rig_open(&rig, "[{\"columns\": [1, 3]}]", csv_spec(names, 5), NULL));
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "7,41,Ann,1.75,x"));
    ck_assert(rig_floats(&rig)[0] == 41.0f && rig_floats(&rig)[1] == 1.75f);
    RIG_REJECT(rig_line(&rig, SL_KIND_CSV, "7,41,Ann,1.75,x,"), "ragged-row", "row has 6 fields, expected 5");
    rig_close(&rig);

    /* Without a header a row only has to reach the last column asked for. */
    RIG_OK(rig_open(&rig, "[{\"columns\": [0, 3, 3]}]", csv_spec(NULL, 0), NULL));
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "7,41,Ann,1.75,x"));
    ck_assert(rig_floats(&rig)[0] == 7.0f && rig_floats(&rig)[1] == 1.75f && rig_floats(&rig)[2] == 1.75f);
    RIG_REJECT(rig_line(&rig, SL_KIND_CSV, "7,41"), "ragged-row", "row has 2 fields, expected at least 4");
    rig_close(&rig);
}
END_TEST

START_TEST(other_delimiter_and_nonfinite) {
    struct rig rig;
    struct chain_options options = rig_options();
    sl_spec want = row_of(3);
    options.csv_delimiter = ';';
    options.csv_nonfinite = true;
    RIG_OK(rig_open_with(&rig, "[]", csv_spec(NULL, 0), &want, &options));
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "NaN;-inf;\"3\""));
    ck_assert(isnan(rig_floats(&rig)[0]) && rig_floats(&rig)[1] == -INFINITY && rig_floats(&rig)[2] == 3.0f);
    RIG_REJECT(rig_line(&rig, SL_KIND_CSV, "1,2,3"), "ragged-row", "row has 1 field, expected 3");
    rig_close(&rig);
}
END_TEST

START_TEST(many_fields) {
    struct rig rig;
    size_t most = CSV_MAX_FIELDS;
    char *row = malloc(2 * most + 8);
    int64_t n = (int64_t)most;
    sl_spec want = rig_tensor(SL_FLOAT, 1, &n);
    RIG_OK(rig_open(&rig, "[]", csv_spec(NULL, 0), &want));
    for (size_t i = 0; i < most + 1; i++)
        memcpy(row + 2 * i, i % 2 ? "1," : "2,", 2);
    sl_value in = {.kind = SL_KIND_CSV, .bytes = {row, 2 * most - 1}};
    RIG_OK(rig_apply(&rig, &in));
    ck_assert(rig_floats(&rig)[most - 1] == 1.0f);
    in.bytes.nbytes = 2 * most + 1;
    RIG_REJECT(rig_apply(&rig, &in), "too-many-fields", "row has more than 65536 fields");
    memcpy(row, "\"1\",", 4);
    in.bytes.nbytes = 2 * most - 1;
    RIG_REJECT(rig_apply(&rig, &in), "ragged-row", "row has 65535 fields, expected 65536");
    in.bytes.nbytes = 2 * most + 3;
    in.bytes.data = row;
    memcpy(row + 2 * most + 2, "1", 1);
    RIG_REJECT(rig_apply(&rig, &in), "too-many-fields", "row has more than 65536 fields");
    free(row);
    rig_close(&rig);
}
END_TEST

START_TEST(long_field_and_row) {
    struct rig rig;
    sl_spec want = row_of(2);
    size_t room = CSV_MAX_FIELD_NBYTES + 16;
    char *row = malloc(RIG_MAX_RECORD + 2);
    RIG_OK(rig_open(&rig, "[]", csv_spec(NULL, 0), &want));
    memset(row, '5', RIG_MAX_RECORD + 1);
    memcpy(row, "1,\"", 3);
    row[room - 1] = '"';
    sl_value in = {.kind = SL_KIND_CSV, .bytes = {row, room}};
    RIG_REJECT(rig_apply(&rig, &in), "field-too-long", "row has a field of more than 1 MiB");
    in.bytes.nbytes = RIG_MAX_RECORD + 1;
    ck_assert_int_eq(rig_apply(&rig, &in), SL_E_DATA);
    ck_assert_str_eq(rig.reject.code, "row-too-long");
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "1,\"2\""));
    free(row);
    rig_close(&rig);
}
END_TEST

/* A row of mostly numbers with everything that goes wrong now and then. */
static size_t random_row(uint64_t *seed, char *row, int fields, int trouble) {
    static const char *const odd[] = {"",      "abc",     "\"1\"", "\"\"",       " 1",  "1 ", "nan",
                                      "1e39",  "\"a,b\"", "0x1",   "+7",         "-0",  "01", "1.5e",
                                      "\"1",   "1\"2",    "--1",   "\"1\"\"2\"", "inf", "1.", ".1",
                                      "1e-60", "\"-3\"",  "\r",    "+-1"};
    size_t n = 0;
    for (int i = 0; i < fields; i++) {
        if (i)
            row[n++] = ',';
        if (trouble && rig_random(seed) % 100 < (uint32_t)trouble) {
            n += (size_t)sprintf(row + n, "%s", odd[rig_random(seed) % (sizeof odd / sizeof *odd)]);
            continue;
        }
        double x = ((double)rig_random(seed) - 1e9) / (double)(1 + rig_random(seed) % 100000);
        n += (size_t)sprintf(row + n, rig_random(seed) % 2 ? "%.*g" : "%.*e",
                             1 + (int)(rig_random(seed) % 12), x);
    }
    return n;
}

/* Whenever the fast way answers, the slow one gives the same bits; when it does not, the slow one decides. */
static void compare(struct rig *rig, sl_slice row, size_t expected, const uint32_t *columns, size_t count,
                    int tally[2]) {
    float fast[16], slow[16];
    struct sl_ctx *ctx = &rig->ctx->now;
    memset(fast, 0xcc, sizeof fast);
    memset(slow, 0xcc, sizeof slow);
    rig->reject.code[0] = '\0';
    bool done = csv_fast_floats(&rig->ctx->csv, row, expected, columns, count, fast);
    ctx->worker->csv.is_split = false; /* another record */
    sl_status status = csv_slow_floats(ctx, row, expected, columns, count, slow);
    tally[done]++;
    if (!done)
        return;
    ck_assert_msg(status == SL_OK, "fast took what slow rejects: '%.*s' (%s)", (int)row.nbytes, row.data,
                  rig->reject.reason);
    ck_assert_mem_eq(fast, slow, count * sizeof *fast);
}

START_TEST(fast_equals_slow) {
    struct rig rig;
    sl_spec want = row_of(7);
    RIG_OK(rig_open(&rig, "[]", csv_spec(NULL, 0), &want));
    rig.ctx->now.chain = rig.chain;
    rig.ctx->now.reject = &rig.reject;
    static const uint32_t ascending[] = {0, 2, 3, 6}, backwards[] = {3, 1}, last[] = {6};
    uint64_t seed = 20240229;
    int tally[2] = {0, 0};
    char row[4096];
    for (int round = 0; round < 30000; round++) {
        int fields = 7 + (round % 11 == 0) - (round % 13 == 0);
        size_t nbytes = random_row(&seed, row, fields, round % 3 * 4);
        sl_slice slice = {row, nbytes};
        compare(&rig, slice, 7, NULL, 7, tally);
        compare(&rig, slice, 7, ascending, 4, tally);
        compare(&rig, slice, 0, ascending, 4, tally);
        compare(&rig, slice, 0, backwards, 2, tally);
        compare(&rig, slice, 0, last, 1, tally);
    }
    /* Both ways were really tried, and plain rows go the fast one. */
    ck_assert_int_gt(tally[1], 60000);
    ck_assert_int_gt(tally[0], 10000);
    sl_slice plain = {"1,2,3,4,5,6,7", 13};
    float x[7];
    ck_assert(csv_fast_floats(&rig.ctx->csv, plain, 7, NULL, 7, x));
    ck_assert(csv_fast_floats(&rig.ctx->csv, plain, 7, ascending, 4, x));
    ck_assert(!csv_fast_floats(&rig.ctx->csv, plain, 8, ascending, 4, x));
    rig_close(&rig);
}
END_TEST

START_TEST(text_fields) {
    struct rig rig;
    sl_slice field;
    sl_spec want = row_of(1);
    RIG_OK(rig_open(&rig, "[]", csv_spec(NULL, 0), &want));
    rig.ctx->now.chain = rig.chain;
    rig.ctx->now.reject = &rig.reject;
    sl_value row = rig_text(SL_KIND_CSV, "a,\"b \"\"c\"\", d\", e ");
    RIG_OK(chain_host.csv_field(&rig.ctx->now, &row, 1, &field));
    ck_assert_uint_eq(field.nbytes, 8);
    ck_assert_mem_eq(field.data, "b \"c\", d", 8);
    RIG_OK(chain_host.csv_field(&rig.ctx->now, &row, 2, &field));
    ck_assert_uint_eq(field.nbytes, 3);
    ck_assert_mem_eq(field.data, " e ", 3);
    RIG_REJECT(chain_host.csv_field(&rig.ctx->now, &row, 3, &field), "ragged-row",
               "row has 3 fields, expected at least 4");
    rig_close(&rig);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("decode_csv");
    TCase *tc = tcase_create("decode_csv");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, all_columns);
    tcase_add_test(tc, rejects);
    tcase_add_test(tc, chosen_columns);
    tcase_add_test(tc, other_delimiter_and_nonfinite);
    tcase_add_test(tc, many_fields);
    tcase_add_test(tc, long_field_and_row);
    tcase_add_test(tc, fast_equals_slow);
    tcase_add_test(tc, text_fields);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
