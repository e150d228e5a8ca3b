/* test_decode_json.c: the pull scanner over one JSON record: what it takes, what it refuses and how it says
 * so. */
#include "tests/unit/chain_rig.h"

static sl_spec json_spec(void) {
    return chain_source_spec(SL_RECORD_JSON, NULL, 0, RIG_MAX_RECORD);
}

static void open_row(struct rig *out, int64_t n) {
    struct rig rig;
    sl_spec want = rig_tensor(SL_FLOAT, 1, &n);
    RIG_OK(rig_open(&rig, "[]", json_spec(), &want));
    *out = rig;
}

START_TEST(arrays) {
    struct rig rig;
    open_row(&rig, 4);
    static const char *const good[] = {"[1,2,3,4]",     " [ 1 , 2.0 ,3e0,\t4\r\n] ",
                                       "[[1,2],[3,4]]", "[[[1],[2]],[[3],[4]]]",
                                       "[[1,2,3,4]]",   "[[1],[2],[3],[4]]"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        RIG_OK(rig_line(&rig, SL_KIND_JSON, good[i]));
        for (int k = 0; k < 4; k++)
            ck_assert_msg(rig_floats(&rig)[k] == (float)(k + 1), "%s", good[i]);
    }
    rig_close(&rig);
    open_row(&rig, 1);
    RIG_OK(rig_line(&rig, SL_KIND_JSON, " -2.5e-1 "));
    ck_assert(rig_floats(&rig)[0] == -0.25f);
    rig_close(&rig);
}
END_TEST

START_TEST(bad_arrays) {
    struct rig rig;
    open_row(&rig, 3);
    static const struct {
        const char *json, *code, *reason;
    } cases[] = {
        {"[1,2]", "ragged-row", "array has 2 numbers, expected 3"},
        {"[1,2,3,4]", "ragged-row", "array has 4 numbers, expected 3"},
        {"[]", "ragged-row", "array has 0 numbers, expected 3"},
        {"7", "ragged-row", "array has 1 number, expected 3"},
        {"[[1],[2,3]]", "ragged-array", "lists side by side differ in length at byte 10 of the JSON"},
        {"[1,[2],3]", "ragged-array", "lists and numbers stand side by side at byte 3 of the JSON"},
        {"[[1],2,3]", "ragged-array", "lists and numbers stand side by side at byte 6 of the JSON"},
        {"[[],1,2,3]", "ragged-array", "lists and numbers stand side by side at byte 5 of the JSON"},
        {"[1,\"2\",3]", "not-a-number", "a number was expected at byte 3 of the JSON"},
        {"[1,null,3]", "not-a-number", "a number was expected at byte 3 of the JSON"},
        {"[1,1e39,3]", "not-finite", "a number does not fit a float at byte 7 of the JSON"},
        {"[1,1e999,3]", "bad-json", "malformed JSON at byte 3: a number is malformed or does not fit"},
        {"[1,NaN,3]", "bad-json", "malformed JSON at byte 3: a value is missing"},
        {"[1,+2,3]", "bad-json", "malformed JSON at byte 3: a value is missing"},
        {"[1,02,3]", "bad-json", "malformed JSON at byte 3: a number is malformed or does not fit"},
        {"[1,2.,3]", "bad-json", "malformed JSON at byte 4: a number is malformed or does not fit"},
        {"[1,2,3,]", "bad-json", "malformed JSON at byte 7: an element is missing after ','"},
        {"[1,2,3", "bad-json", "malformed JSON at byte 6: the text ends too early"},
        {"[1 2,3]", "bad-json", "malformed JSON at byte 3: ',' or ']' is missing"},
        {"[1,2,3]]", "bad-json", "malformed JSON at byte 7: something stands after the value"},
        {"[1,2,3] x", "bad-json", "malformed JSON at byte 8: something stands after the value"},
        {"", "bad-json", "malformed JSON at byte 0: the text ends too early"},
        {"  ", "bad-json", "malformed JSON at byte 2: the text ends too early"},
        {"\xef\xbb\xbf[1,2,3]", "bad-json", "malformed JSON at byte 0: a value is missing"},
        {"{\"a\":1}", "wrong-json", "expected an array of numbers, found an object"},
        {"{\"a\":}", "bad-json", "malformed JSON at byte 5: a value is missing"},
        {"\"abc\"", "wrong-json", "expected an array of numbers, found a text"},
        {"null", "wrong-json", "expected an array of numbers, found null"},
        {"true", "wrong-json", "expected an array of numbers, found a boolean"},
        {"nul", "bad-json", "malformed JSON at byte 0: a value is malformed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(rig_line(&rig, SL_KIND_JSON, cases[i].json) == SL_E_DATA, "%s", cases[i].json);
        ck_assert_msg(strcmp(rig.reject.code, cases[i].code) == 0, "%s: %s", cases[i].json, rig.reject.code);
        ck_assert_str_eq(rig.reject.reason, cases[i].reason);
        ck_assert_str_eq(rig.reject.stage, "decode");
        RIG_OK(rig_line(&rig, SL_KIND_JSON, "[1,2,3]"));
    }
    sl_value nul = {.kind = SL_KIND_JSON, .bytes = {"[1,\0,3]", 7}};
    RIG_REJECT(rig_apply(&rig, &nul), "bad-json", "malformed JSON at byte 3: a value is missing");
    rig_close(&rig);
}
END_TEST

START_TEST(members) {
    struct rig rig;
    RIG_OK(rig_open(&rig, "[{\"columns\": [\"b\", \"a\", \"\xc3\xa9t\xc3\xa9\"]}]", json_spec(), NULL));
    static const char *const good[] = {
        "{\"a\":1,\"b\":2,\"\xc3\xa9t\xc3\xa9\":3}",
        "{\"b\":2,\"a\":1,\"\\u00e9t\\u00E9\":3}",
        (" { \"x\" : [ {\"a\":9} , null, true, false, \"\\ud83d\\ude00\\n\" ] , \"\\u00e9t\xc3\xa9\" : 3 , "
         "\"\\u0061\" : 1 , \"b\" : 2 } "),
        "{\"b\":2,\"bb\":7,\"\":8,\"a\":1,\"\xc3\xa9t\xc3\xa9\":3,\"aa\":{},\"x\":\"\xf0\x9f\x98\x80\"}",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        RIG_OK(rig_line(&rig, SL_KIND_JSON, good[i]));
        ck_assert(rig_floats(&rig)[0] == 2.0f && rig_floats(&rig)[1] == 1.0f && rig_floats(&rig)[2] == 3.0f);
    }
    rig_close(&rig);
}
END_TEST

START_TEST(bad_members) {
    struct rig rig;
    RIG_OK(rig_open(&rig, "[{\"columns\": [\"b\", \"a\"]}]", json_spec(), NULL));
    static const struct {
        const char *json, *code, *reason;
    } cases[] = {
        {"{\"a\":1}", "missing-value", "the object has no 'b'"},
        {"{}", "missing-value", "the object has no 'b'"},
        {"{\"b\":1,\"B\":2}", "missing-value", "the object has no 'a'"},
        {"{\"a\":1,\"b\":null}", "missing-value", "'b' is null"},
        {"{\"a\":1,\"b\":2,\"a\":1}", "duplicate-key", "'a' appears twice"},
        {"{\"a\":1,\"b\":2,\"\\u0061\":1}", "duplicate-key", "'a' appears twice"},
        {"{\"a\":\"x\",\"b\":2}", "not-a-number", "'a': the text 'x' is not a number"},
        {"{\"a\":[1],\"b\":2}", "not-a-number", "'a' is an array, expected a number"},
        {"{\"a\":true,\"b\":2}", "not-a-number", "'a' is a boolean, expected a number"},
        {"{\"a\":-1e39,\"b\":2}", "not-finite", "a number does not fit a float at byte 10 of the JSON"},
        {"[1,2]", "wrong-json", "expected an object, found an array"},
        {"{\"a\" 1}", "bad-json", "malformed JSON at byte 5: ':' is missing"},
        {"{\"a\":1,}", "bad-json", "malformed JSON at byte 7: an element is missing after ','"},
        {"{\"a\":1 \"b\":2}", "bad-json", "malformed JSON at byte 7: ',' or '}' is missing"},
        {"{a:1}", "bad-json", "malformed JSON at byte 1: a string is missing"},
        {"{\"a\":1,\"b\":2}{", "bad-json", "malformed JSON at byte 13: something stands after the value"},
        {"{\"a\":1,\"b\":2,\"c\":\"\\x\"}", "bad-json",
         "malformed JSON at byte 18: a string has a bad escape"},
        {"{\"a\":1,\"b\":2,\"c\":\"\\ud800\"}", "bad-json",
         "malformed JSON at byte 18: a string has a bad escape"},
        {"{\"a\":1,\"b\":2,\"c\":\"\\udc00\"}", "bad-json",
         "malformed JSON at byte 18: a string has a bad escape"},
        {"{\"a\":1,\"b\":2,\"c\":\"\\u0000\"}", "bad-json",
         "malformed JSON at byte 18: a string has a bad escape"},
        {"{\"a\":1,\"b\":2,\"c\":\"\\u12\"}", "bad-json",
         "malformed JSON at byte 18: a string has a bad escape"},
        {"{\"a\":1,\"b\":2,\"c\":\"\t\"}", "bad-json",
         "malformed JSON at byte 18: a string has a control byte"},
        {"{\"a\":1,\"b\":2,\"c\":\"\xff\"}", "bad-json", "malformed JSON at byte 19: a string is not UTF-8"},
        {"{\"a\":1,\"b\":2,\"c\":\"\xed\xa0\x80\"}", "bad-json",
         "malformed JSON at byte 21: a string is not UTF-8"},
        {"{\"a\":1,\"b\":2,\"c\":\"", "bad-json", "malformed JSON at byte 18: the text ends too early"},
        {"{\"a\":1,\"b\":2,\"c\":01}", "bad-json",
         "malformed JSON at byte 17: a number is malformed or does not fit"},
        {"{\"a\":1,\"b\":2,\"c\":tru}", "bad-json", "malformed JSON at byte 17: a value is malformed"},
        {"{\"a\":1,\"b\":2,\"c\":nullx}", "bad-json", "malformed JSON at byte 21: a value is malformed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(rig_line(&rig, SL_KIND_JSON, cases[i].json) == SL_E_DATA, "%s", cases[i].json);
        ck_assert_msg(strcmp(rig.reject.code, cases[i].code) == 0, "%s: %s", cases[i].json, rig.reject.code);
        ck_assert_str_eq(rig.reject.reason, cases[i].reason);
        RIG_OK(rig_line(&rig, SL_KIND_JSON, "{\"a\":1,\"b\":2}"));
    }
    rig_close(&rig);
}
END_TEST

static void nested(char *text, int depth) {
    memset(text, '[', (size_t)depth);
    text[depth] = '1';
    memset(text + depth + 1, ']', (size_t)depth);
    text[2 * depth + 1] = '\0';
}

START_TEST(depth) {
    struct rig rig;
    char text[400], object[500];
    open_row(&rig, 1);
    nested(text, JSON_MAX_DEPTH);
    RIG_OK(rig_line(&rig, SL_KIND_JSON, text));
    nested(text, JSON_MAX_DEPTH + 1);
    RIG_REJECT(rig_line(&rig, SL_KIND_JSON, text), "bad-json",
               "malformed JSON at byte 65: it is nested deeper than 64");
    rig_close(&rig);
    RIG_OK(rig_open(&rig, "[{\"columns\": [\"a\"]}]", json_spec(), NULL));
    nested(text, JSON_MAX_DEPTH - 1);
    snprintf(object, sizeof object, "{\"a\":1,\"b\":%s}", text);
    RIG_OK(rig_line(&rig, SL_KIND_JSON, object));
    nested(text, JSON_MAX_DEPTH);
    snprintf(object, sizeof object, "{\"a\":1,\"b\":%s}", text);
    ck_assert_int_eq(rig_line(&rig, SL_KIND_JSON, object), SL_E_DATA);
    rig_close(&rig);
    /* A quarter of a million openings must end at once. */
    char *deep = malloc(250001);
    for (int i = 0; i < 250000; i++)
        deep[i] = "[{\"\":"[i % 5];
    deep[250000] = '\0';
    open_row(&rig, 1);
    ck_assert_int_eq(rig_line(&rig, SL_KIND_JSON, deep), SL_E_DATA);
    rig_close(&rig);
    free(deep);
}
END_TEST

START_TEST(many_keys) {
    struct rig rig;
    char steps[4000] = "[{\"columns\": [", object[4000] = "{";
    for (int i = 0; i < 130; i++) {
        sprintf(steps + strlen(steps), "%s\"k%d\"", i ? "," : "", i);
        sprintf(object + strlen(object), "%s\"k%d\":%d", i ? "," : "", 129 - i, 129 - i);
    }
    strcat(steps, "]}]");
    RIG_OK(rig_open(&rig, steps, json_spec(), NULL));
    size_t nbytes = strlen(object);
    strcat(object, "}");
    RIG_OK(rig_line(&rig, SL_KIND_JSON, object));
    for (int i = 0; i < 130; i++)
        ck_assert(rig_floats(&rig)[i] == (float)i);
    strcpy(object + nbytes, ",\"k128\":1}");
    RIG_REJECT(rig_line(&rig, SL_KIND_JSON, object), "duplicate-key", "'k128' appears twice");
    rig_close(&rig);
}
END_TEST

START_TEST(fields) {
    struct rig rig;
    int64_t n = 2;
    sl_spec want = rig_tensor(SL_FLOAT, 1, &n);
    RIG_OK(rig_open(&rig, "[{\"field\": \"data\"}, {\"field\": \"x\"}]", json_spec(), &want));
    RIG_OK(rig_line(&rig, SL_KIND_JSON, "{\"id\":7,\"data\":{\"y\":\"[\",\"x\": [1, 2] }}"));
    ck_assert(rig_floats(&rig)[0] == 1.0f && rig_floats(&rig)[1] == 2.0f);
    RIG_REJECT(rig_line(&rig, SL_KIND_JSON, "{\"data\":{\"y\":1}}"), "missing-value",
               "the object has no 'x'");
    RIG_REJECT(rig_line(&rig, SL_KIND_JSON, "{\"data\":[1,2]}"), "wrong-json",
               "expected an object, found an array");
    RIG_REJECT(rig_line(&rig, SL_KIND_JSON, "{\"data\":{\"x\":[1,2]},\"data\":{}}"), "duplicate-key",
               "'data' appears twice");
    /* The whole record is read, not only what stands before the member. */
    ck_assert_int_eq(rig_line(&rig, SL_KIND_JSON, "{\"data\":{\"x\":[1,2]},\"z\":}"), SL_E_DATA);
    rig_close(&rig);
}
END_TEST

/* Every prefix of a good record is refused without reading past it. */
START_TEST(prefixes) {
    struct rig rig;
    static const char text[] =
        "{\"a\":1.5e0,\"q\":[true,null,{\"s\":\"\\u00e9\\ud83d\\ude00\xc3\xa9\"}],\"b\":-2}";
    RIG_OK(rig_open(&rig, "[{\"columns\": [\"b\", \"a\"]}]", json_spec(), NULL));
    for (size_t n = 0; n < sizeof text; n++) {
        char *copy = malloc(n + 1);
        memcpy(copy, text, n);
        sl_value in = {.kind = SL_KIND_JSON, .bytes = {copy, n}};
        ck_assert_int_eq(rig_apply(&rig, &in), n + 1 == sizeof text ? SL_OK : SL_E_DATA);
        free(copy);
    }
    rig_close(&rig);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("decode_json");
    TCase *tc = tcase_create("decode_json");
    tcase_add_test(tc, arrays);
    tcase_add_test(tc, bad_arrays);
    tcase_add_test(tc, members);
    tcase_add_test(tc, bad_members);
    tcase_add_test(tc, depth);
    tcase_add_test(tc, many_keys);
    tcase_add_test(tc, fields);
    tcase_add_test(tc, prefixes);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
