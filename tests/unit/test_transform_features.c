/* test_transform_features.c: what the transform `features` makes of a row, what it rejects and what it
 * refuses. Whole tables stand beside scikit-learn and pandas in tests/golden/features/compare.py. */
#include "tests/unit/chain_rig.h"
#include "transforms/features/features.h"

static const char *const names[] = {"age", "sex", "city", "day"};

static sl_spec named(void) {
    return chain_source_spec(SL_RECORD_CSV, names, 4, 100);
}

/* One row through the steps: the numbers, or the reject. */
static void gives(const char *columns, const char *row, const float *want, size_t count) {
    struct rig rig;
    char steps[600];
    snprintf(steps, sizeof steps, "[{\"features\": %s}]", columns);
    RIG_OK(rig_open(&rig, steps, named(), NULL));
    ck_assert_int_eq(chain_spec(rig.chain)->dims[0], (int64_t)count);
    RIG_OK(rig_line(&rig, SL_KIND_CSV, row));
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(((const float *)rig.out.tensor.data)[i] == want[i],
                      "%s of %s: number %zu is %g, not %g", columns, row, i,
                      (double)((const float *)rig.out.tensor.data)[i], (double)want[i]);
    rig_close(&rig);
}
#define GIVES(columns, row, ...)                                                                             \
    gives(columns, row, (const float[]){__VA_ARGS__}, sizeof((const float[]){__VA_ARGS__}) / sizeof(float))

static void rejects(const char *columns, const char *row, const char *code, const char *why) {
    struct rig rig;
    char steps[600];
    snprintf(steps, sizeof steps, "[{\"features\": %s}]", columns);
    RIG_OK(rig_open(&rig, steps, named(), NULL));
    RIG_REJECT(rig_line(&rig, SL_KIND_CSV, row), code, why);
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "1,a,b,2000-01-01")); /* nothing is left of it */
    rig_close(&rig);
}

static void refused(const char *columns, const char *why) {
    struct rig rig;
    char steps[600], text[700];
    snprintf(steps, sizeof steps, "[{\"features\": %s}]", columns);
    snprintf(text, sizeof text, "cannot use transform 'features': %s (step 1, which gets a csv row)", why);
    RIG_REFUSED(rig_open(&rig, steps, named(), NULL), text);
}

START_TEST(numbers) {
    GIVES("[\"age\"]", "1.5,a,b,c", 1.5f);
    GIVES("[0]", " +2e1 ,a,b,c", 20);
    GIVES("[{\"column\": \"age\", \"standardize\": [10, 4]}]", "12,a,b,c", 0.5f);
    GIVES("[{\"column\": \"age\", \"min_max\": [10, 20]}]", "12,a,b,c", 0.2f);
    GIVES("[{\"column\": \"age\", \"impute\": 12, \"standardize\": [10, 4], \"indicator\": 1}]", ",a,b,c",
          0.5f, 1);
    GIVES("{\"take\": [{\"column\": \"age\", \"impute\": -1}], \"missing\": [\"NA\", \"?\"]}", "?,a,b,c", -1);
    rejects("[\"age\"]", ",a,b,c", "missing-value", "column 'age' has no value, and nothing to impute");
    rejects("[\"age\"]", "0x10,a,b,c", "bad-number", "column 'age': '0x10' is no number");
    rejects("[\"age\"]", "nan,a,b,c", "bad-number", "column 'age': 'nan' is no number");
    rejects("[\"age\"]", "1e999,a,b,c", "bad-number", "column 'age': '1e999' is no number");
    rejects("[\"age\"]", "1.,a.b,b,c,d", "ragged-row", "row has 5 fields, expected 4");
}
END_TEST

START_TEST(categories) {
    GIVES("[{\"column\": \"sex\", \"one_hot\": [\"m\", \"f\", \"\"]}]", "1,f,b,c", 0, 1, 0);
    GIVES("[{\"column\": \"sex\", \"one_hot\": [\"m\", \"f\"]}]", "1,x,b,c", 0, 0);
    GIVES("[{\"column\": \"sex\", \"one_hot\": [\"m\", \"f\"]}]", "1,,b,c", 0, 0);
    GIVES("[{\"column\": \"sex\", \"one_hot\": [\"m\", \"f\"], \"impute\": \"m\", \"indicator\": 1}]",
          "1,,b,c", 1, 0, 1);
    GIVES("[{\"column\": \"sex\", \"ordinal\": [\"z\", \"a\"]}]", "1,a,b,c", 1);
    GIVES("[{\"column\": \"sex\", \"ordinal\": [\"z\", \"a\"], \"unknown\": -7}]", "1,q,b,c", -7);
    const char *strict = "[{\"column\": \"sex\", \"ordinal\": [\"z\", \"a\"]}]";
    rejects(strict, "1,q,b,c", "unknown-category", "column 'sex': 'q' is none of its 2 categories");
    rejects("[{\"column\": \"sex\", \"one_hot\": [\"a\"], \"unknown\": \"reject\"}]", "1,q,b,c",
            "unknown-category", "column 'sex': 'q' is none of its 1 categories");
}
END_TEST

/* scikit-learn's FeatureHasher(8) of {"city": "Rome"}, and of the reference vectors of MurmurHash3. */
START_TEST(hashes) {
    ck_assert_int_eq(feature_hash("", 0, (sl_string){"", 0}), 0);
    ck_assert_int_eq(feature_hash("", 0, (sl_string){"a", 1}), 1009084850);
    ck_assert_int_eq(feature_hash("ab", 2, (sl_string){"c", 1}), feature_hash("", 0, (sl_string){"abc", 3}));
    ck_assert_int_eq(feature_hash("", 0, (sl_string){"abcd", 4}), 1139631978);
    GIVES("[{\"column\": \"city\", \"hash\": 1}]", "1,a,,c", 0);
    GIVES("[{\"column\": \"city\", \"hash\": 4, \"prefix\": \"\"}]", "1,a,a,c", 0, 0, 1, 0);
}
END_TEST

START_TEST(buckets) {
    const char
        *left = "[{\"column\": \"age\", \"bucket\": [1, 2]}]",
        *right = "[{\"column\": \"age\", \"bucket\": [1, 2], \"side\": \"right\", \"encode\": \"one_hot\"}]";
    GIVES(left, "0.5,a,b,c", 0);
    GIVES(left, "1,a,b,c", 1);
    GIVES(left, "2,a,b,c", 2);
    GIVES(right, "1,a,b,c", 1, 0, 0);
    GIVES(right, "3,a,b,c", 0, 0, 1);
}
END_TEST

START_TEST(dates) {
    const char *all =
        "[{\"column\": \"day\", \"date\": \"iso\", \"parts\": [\"year\", \"month\", \"day\", \"weekday\", "
        "\"day_of_year\", \"hour\", \"minute\", \"second\", \"days\"]}]";
    GIVES(all, "1,a,b,2024-02-29", 2024, 2, 29, 3, 60, 0, 0, 0, 19782);
    GIVES(all, "1,a,b,1969-12-31T12:00:00Z", 1969, 12, 31, 2, 365, 12, 0, 0, -0.5f);
    GIVES(all, "1,a,b,2000-01-01 12:00:00.5+06:00", 2000, 1, 1, 5, 1, 12, 0, 0.5f, 10957.25f);
    GIVES("[{\"column\": \"day\", \"date\": \"%d.%m.%y\", \"parts\": [\"year\"]}]", "1,a,b,1.2.68", 2068);
    const char *year = "[{\"column\": \"day\", \"date\": \"iso\", \"parts\": [\"year\"]}]";
    static const char *const bad[] = {"2023-02-29",        "2024-13-01", "2024-1-1", "2024-01-01T25:00",
                                      "2024-01-01x",       "24-01-01",   "today",    "2024-01-0",
                                      "2024-01-01T10:00+2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char row[80], why[120];
        snprintf(row, sizeof row, "1,a,b,%s", bad[i]);
        snprintf(why, sizeof why, "column 'day': '%s' is no date as 'YYYY-MM-DD' has it", bad[i]);
        rejects(year, row, "bad-date", why);
    }
}
END_TEST

START_TEST(json) {
    struct rig rig;
    sl_spec in = chain_source_spec(SL_RECORD_JSON, NULL, 0, 100);
    RIG_OK(rig_open(&rig,
                    "[{\"features\": [{\"column\": \"a\", \"impute\": 9}, {\"column\": \"b\", \"one_hot\": "
                    "[\"x\", \"y\"]}]}]",
                    in, NULL));
    RIG_OK(rig_line(&rig, SL_KIND_JSON, "{\"b\": \"y\", \"a\": null}"));
    const float *x = rig.out.tensor.data;
    ck_assert(x[0] == 9 && x[1] == 0 && x[2] == 1);
    ck_assert_int_ne(rig_line(&rig, SL_KIND_JSON, "{\"b\": \"y\"}"), SL_OK);
    rig_close(&rig);
}
END_TEST

START_TEST(refusals) {
    refused("[]", "expected a list of columns");
    refused("[\"nobody\"]",
            "the header has no 'nobody', its 4 columns begin with 'age', 'sex', 'city', 'day'");
    refused("[{\"one_hot\": [\"a\"]}]", "a column has no 'column'");
    refused("[{\"column\": \"age\", \"hot\": 1}]", "it has no parameter 'hot'");
    refused("[{\"column\": \"age\", \"hash\": 3, \"bucket\": [1]}]",
            "column 'age': one of one_hot, ordinal, hash, bucket and date will do");
    refused("[{\"column\": \"age\", \"standardize\": [1, 0]}]", "column 'age': it would be divided by zero");
    refused("[{\"column\": \"sex\", \"one_hot\": [\"a\", \"b\", \"a\"]}]",
            "column 'sex': a category is listed twice");
    refused("[{\"column\": \"sex\", \"one_hot\": []}]", "column 'sex': it needs a list of categories");
    refused("[{\"column\": \"age\", \"bucket\": [2, 1]}]",
            "column 'age': the edges of 'bucket' do not ascend");
    refused("[{\"column\": \"city\", \"hash\": 0}]",
            "column 'city': 'hash' is the number of features, up to 1048576");
    refused("[{\"column\": \"day\", \"date\": \"%Q\", \"parts\": [\"year\"]}]",
            "column 'day': 'date' is \"iso\", or has %Y %y %m %d %H %M %S %f %z and plain text");
    refused("[{\"column\": \"day\", \"date\": \"iso\"}]",
            "column 'day': 'parts' lists what of the date is wanted");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("transform features");
    TCase *t = tcase_create("features");
    tcase_add_test(t, numbers);
    tcase_add_test(t, categories);
    tcase_add_test(t, hashes);
    tcase_add_test(t, buckets);
    tcase_add_test(t, dates);
    tcase_add_test(t, json);
    tcase_add_test(t, refusals);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
