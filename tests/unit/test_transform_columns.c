/* test_transform_columns.c: what columns and field refuse when the plan is made. What they do to records
 * stands in test_decode_csv.c and test_decode_json.c. */
#include "tests/unit/chain_rig.h"

static const char *const names[] = {"id", "age", "name", "age"};

static sl_spec named(void) {
    return chain_source_spec(SL_RECORD_CSV, names, 4, 100);
}

static sl_spec plain(sl_record_kind kind) {
    return chain_source_spec(kind, NULL, 0, 100);
}

static void refused(const char *steps, sl_spec in, const char *transform, const char *why, const char *gets) {
    struct rig rig;
    char text[400];
    snprintf(text, sizeof text, "cannot use transform '%s': %s (step 1, which gets %s)", transform, why,
             gets);
    RIG_REFUSED(rig_open(&rig, steps, in, NULL), text);
}

START_TEST(columns) {
    const char *t = "columns", *row = "a csv row";
    refused("[{\"columns\": [\"nam\"]}]", named(), t,
            "the header has no 'nam', its 4 columns begin with 'id', 'age', 'name', 'age'", row);
    refused("[{\"columns\": [\"age\"]}]", named(), t, "the header has 'age' 2 times", row);
    refused("[{\"columns\": [4]}]", named(), t, "there is no column 4, the header has 4", row);
    refused("[{\"columns\": [-1]}]", plain(SL_RECORD_CSV), t, "-1 is no column index", row);
    refused("[{\"columns\": [65536]}]", plain(SL_RECORD_CSV), t, "65536 is no column index", row);
    refused("[{\"columns\": [\"age\"]}]", plain(SL_RECORD_CSV), t,
            "column 'age' is asked for by name, the csv has no header", row);
    refused("[{\"columns\": \"all\"}]", plain(SL_RECORD_CSV), t,
            "how many \"all\" are is not known, list them", row);
    refused("[{\"columns\": \"some\"}]", named(), t, "expected a list of columns or \"all\", not \"some\"",
            row);
    refused("[\"columns\"]", named(), t, "expected a list of columns or \"all\", not \"\"", row);
    refused("[{\"columns\": []}]", named(), t, "its value is a list, expected a text", row);
    refused("[{\"columns\": [1.5]}]", named(), t,
            "its value is a number, expected a list of texts and integers", row);
    refused("[{\"columns\": [0]}]", plain(SL_RECORD_JSON), t, "json members have names, 0 is a number",
            "a json value");
    refused("[{\"columns\": [0]}]", plain(SL_RECORD_BYTES), t, "it takes a csv row or a json value",
            "a file");
}
END_TEST

START_TEST(all_of_a_header) {
    struct rig rig;
    RIG_OK(rig_open(&rig, "[{\"columns\": \"all\"}]", named(), NULL));
    ck_assert_int_eq(chain_spec(rig.chain)->dims[0], 4);
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "1,2,3,4"));
    RIG_REJECT(rig_line(&rig, SL_KIND_CSV, "1,2,3"), "ragged-row", "row has 3 fields, expected 4");
    RIG_REJECT(rig_line(&rig, SL_KIND_CSV, "1,2,,4"), "missing-value", "column 'name' is empty");
    rig_close(&rig);
}
END_TEST

START_TEST(most_columns) {
    struct rig rig;
    size_t used = 0, most = 65536;
    char *steps = malloc(most * 8 + 64);
    used += (size_t)sprintf(steps, "[{\"columns\": [");
    for (size_t i = 0; i < most; i++)
        used += (size_t)sprintf(steps + used, "%s%zu", i ? "," : "", i);
    strcpy(steps + used, "]}]");
    RIG_OK(rig_open(&rig, steps, plain(SL_RECORD_CSV), NULL));
    rig_close(&rig);
    strcpy(steps + used, ",0]}]");
    refused(steps, plain(SL_RECORD_CSV), "columns", "more than 65536 columns", "a csv row");
    free(steps);
}
END_TEST

START_TEST(field) {
    const char *t = "field";
    refused("[{\"field\": \"a\"}]", named(), t, "a csv row has columns, use {\"columns\": [...]}",
            "a csv row");
    refused("[{\"field\": \"a\"}]", plain(SL_RECORD_BYTES), t, "it takes a json value or a sample", "a file");
    refused("[\"field\"]", plain(SL_RECORD_JSON), t,
            "expected the name of a part, as in {\"field\": \"jpg\"}", "a json value");
    refused("[{\"field\": 3}]", plain(SL_RECORD_JSON), t, "its value is an integer, expected a text",
            "a json value");
}
END_TEST

START_TEST(parts_of_a_sample) {
    struct rig rig;
    sl_field fields[] = {{{"txt", 3}, {"abc", 3}}, {{"json", 4}, {"{\"x\": 5}", 8}}, {{"txt2", 4}, {"d", 1}}};
    sl_value in = {.kind = SL_KIND_FIELDS, .fields = fields, .field_count = 3};
    RIG_OK(rig_open(&rig, "[{\"field\": \"txt\"}]", plain(SL_RECORD_FIELDS), NULL));
    RIG_OK(rig_apply(&rig, &in));
    ck_assert_int_eq(rig.out.kind, SL_KIND_BYTES);
    ck_assert_ptr_eq(rig.out.bytes.data, fields[0].data.data);
    fields[2].name = fields[0].name;
    RIG_REJECT(rig_apply(&rig, &in), "duplicate-key", "the sample has 'txt' twice");
    in.field_count = 0;
    RIG_REJECT(rig_apply(&rig, &in), "missing-value", "the sample has no 'txt'");
    rig_close(&rig);
    in.field_count = 3;
    RIG_OK(rig_open(&rig, "[{\"field\": \"json\"}, {\"columns\": [\"x\"]}]", plain(SL_RECORD_FIELDS), NULL));
    RIG_OK(rig_apply(&rig, &in));
    ck_assert(rig_floats(&rig)[0] == 5.0f);
    rig_close(&rig);
}
END_TEST

static const sl_string *texts_of(const struct rig *rig) {
    ck_assert_int_eq(rig->out.tensor.dtype, SL_STRING);
    return rig->out.tensor.data;
}

static void is_text(sl_string have, const char *want) {
    ck_assert_msg(have.nbytes == strlen(want) && !memcmp(have.data, want, have.nbytes), "'%.*s', not '%s'",
                  (int)have.nbytes, have.data, want);
}

START_TEST(texts_of_a_row) {
    struct rig rig;
    sl_spec two = rig_tensor(SL_STRING, 1, (int64_t[]){2});
    RIG_OK(rig_open(&rig, "[{\"columns\": [2, 0]}]", plain(SL_RECORD_CSV), &two));
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "one,2,three"));
    is_text(texts_of(&rig)[0], "three");
    is_text(texts_of(&rig)[1], "one");
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "\"a, \"\"b\"\"\",2,"));
    is_text(texts_of(&rig)[0], "");
    is_text(texts_of(&rig)[1], "a, \"b\"");
    RIG_REJECT(rig_line(&rig, SL_KIND_CSV, "one,2"), "ragged-row", "row has 2 fields, expected at least 3");
    rig_close(&rig);
    RIG_OK(rig_open(&rig, "[]", plain(SL_RECORD_CSV), &two));
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "x,y"));
    is_text(texts_of(&rig)[1], "y");
    RIG_REJECT(rig_line(&rig, SL_KIND_CSV, "x,y,z"), "ragged-row", "row has 3 fields, expected 2");
    rig_close(&rig);
    RIG_OK(rig_open(&rig, "[{\"columns\": {\"take\": [0, 1], \"of\": 4}}]", plain(SL_RECORD_CSV), &two));
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "x,y,,"));
    RIG_REJECT(rig_line(&rig, SL_KIND_CSV, "x,y,z"), "ragged-row", "row has 3 fields, expected 4");
    rig_close(&rig);
}
END_TEST

START_TEST(texts_of_json) {
    struct rig rig;
    sl_spec two = rig_tensor(SL_STRING, 1, (int64_t[]){2}), one = rig_tensor(SL_STRING, 1, (int64_t[]){1});
    RIG_OK(rig_open(&rig, "[{\"columns\": [\"a\", \"b\"]}]", plain(SL_RECORD_JSON), &two));
    RIG_OK(rig_line(&rig, SL_KIND_JSON, "{\"b\": 1.50, \"x\": [], \"a\": \"K\\u00f6ln \\\"\\n\"}"));
    is_text(texts_of(&rig)[0], "K\xc3\xb6ln \"\n");
    is_text(texts_of(&rig)[1], "1.50");
    RIG_REJECT(rig_line(&rig, SL_KIND_JSON, "{\"a\": \"\"}"), "missing-value", "the object has no 'b'");
    RIG_REJECT(rig_line(&rig, SL_KIND_JSON, "{\"a\": null, \"b\": 1}"), "missing-value", "'a' is null");
    RIG_REJECT(rig_line(&rig, SL_KIND_JSON, "{\"a\": [1], \"b\": 1}"), "not-a-text",
               "'a' is an array, expected a text");
    RIG_REJECT(rig_line(&rig, SL_KIND_JSON, "{\"a\": \"\", \"a\": \"\", \"b\": 1}"), "duplicate-key",
               "'a' appears twice");
    rig_close(&rig);
    RIG_OK(rig_open(&rig, "[]", plain(SL_RECORD_JSON), &two));
    RIG_OK(rig_line(&rig, SL_KIND_JSON, "[\"\\t\", \"\\t\\t\"]"));
    is_text(texts_of(&rig)[0], "\t");
    is_text(texts_of(&rig)[1], "\t\t");
    RIG_REJECT(rig_line(&rig, SL_KIND_JSON, "[\"a\"]"), "ragged-row", "array has 1 text, expected 2");
    rig_close(&rig);
    RIG_OK(rig_open(&rig, "[{\"field\": \"text\"}]", plain(SL_RECORD_JSON), &one));
    RIG_OK(rig_line(&rig, SL_KIND_JSON, "{\"text\": \"a b\"}"));
    is_text(texts_of(&rig)[0], "a b");
    rig_close(&rig);
}
END_TEST

START_TEST(empty_fields_as_nan) {
    struct rig rig;
    struct chain_options options = rig_options();
    sl_spec two = rig_tensor(SL_FLOAT, 1, (int64_t[]){2});
    options.csv_empty_is_nan = true;
    RIG_OK(rig_open_with(&rig, "[]", plain(SL_RECORD_CSV), &two, &options));
    RIG_OK(rig_line(&rig, SL_KIND_CSV, ",2"));
    ck_assert(rig_floats(&rig)[0] != rig_floats(&rig)[0] && rig_floats(&rig)[1] == 2);
    RIG_REJECT(rig_line(&rig, SL_KIND_CSV, " ,2"), "not-a-number", "column 0: ' ' is not a number");
    rig_close(&rig);
}
END_TEST

/* Chains on the same record share its split; a record that stands where another stood is split anew. */
START_TEST(one_split_a_record) {
    struct chain *chains[2] = {NULL};
    struct worker_ctx *ctx = NULL;
    struct chain_options options = rig_options();
    struct rig rig = {.chain = NULL};
    sl_spec in = plain(SL_RECORD_CSV), text = rig_tensor(SL_STRING, 1, (int64_t[]){1}),
            number = rig_tensor(SL_FLOAT, 1, (int64_t[]){1});
    json_t *steps[] = {json_loads("[{\"columns\": [0]}]", 0, NULL),
                       json_loads("[{\"columns\": [1]}]", 0, NULL)};
    RIG_OK(chain_open(&chains[0], steps[0], &in, &text, "a", &options, &rig.err));
    RIG_OK(chain_open(&chains[1], steps[1], &in, &number, "b", &options, &rig.err));
    RIG_OK(worker_ctx_open(&ctx, chains, 2, &options, &rig.err));
    static const char *const rows[] = {"ab,7", "yz,8", "x,12", "\"\",4", "\",\","};
    static const char *const texts[] = {"ab", "yz", "x", "", ","};
    static const float numbers[] = {7, 8, 12, 4, -1}; /* -1: rejected */
    char row[8];
    for (int i = 0; i < 5; i++) {
        sl_string a;
        float b = -1;
        sl_value from, out = {.tensor.data = &a};
        strcpy(row, rows[i]);
        from = rig_text(SL_KIND_CSV, row);
        RIG_OK(chain_apply(ctx, 0, &from, &out, &rig.reject));
        is_text(a, texts[i]);
        out = (sl_value){.tensor.data = &b};
        ck_assert_int_eq(chain_apply(ctx, 1, &from, &out, &rig.reject), numbers[i] < 0 ? SL_E_DATA : SL_OK);
        ck_assert(b == numbers[i]);
    }
    worker_ctx_close(ctx);
    for (int i = 0; i < 2; i++) {
        chain_close(chains[i]);
        json_decref(steps[i]);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("transform_columns");
    TCase *tc = tcase_create("transform_columns");
    tcase_add_test(tc, columns);
    tcase_add_test(tc, all_of_a_header);
    tcase_add_test(tc, most_columns);
    tcase_add_test(tc, field);
    tcase_add_test(tc, parts_of_a_sample);
    tcase_add_test(tc, texts_of_a_row);
    tcase_add_test(tc, texts_of_json);
    tcase_add_test(tc, empty_fields_as_nan);
    tcase_add_test(tc, one_split_a_record);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
