/* JSON documents: records wherever they stand, cut where they end whatever their strings hold; nothing but
 * records between the brackets; resumed and cut off anywhere. */
#include "archive_rig.h"

static const struct container_options plain = {.max_record_nbytes = 4096};

static void expect(const char *text, size_t nbytes, const char *said, const char *const *expected) {
    static const struct rig_shape shapes[] = {{0}, {1, 1, 64}, {10, 2, 64}};
    size_t count = 0;
    while (expected[count])
        count++;
    for (size_t skip = 0; skip <= count; skip++)
        for (size_t i = 0; i < 6; i++) {
            struct rig_stream stream = rig_stream(text, nbytes);
            struct rig_cuts cuts;
            stream.most = i % 3 ? 0 : 1u << 30;
            if (i > 2)
                stream.stream.read_at = NULL; /* as behind a filter */
            rig_cut_stream(&cuts, &container_json, &plain, shapes[i % 3], &stream, skip);
            if (said)
                ck_assert_msg(cuts.status == SL_E_DATA && strstr(cuts.err.text, said), "%s: %s", text,
                              cuts.err.text);
            else
                ck_assert_msg(cuts.status == SL_OK, "%s: %s", text, cuts.err.text);
            rig_expect(&cuts, expected + skip);
            for (size_t k = 0; k < cuts.count; k++)
                if (!*cuts.items[k].code)
                    ck_assert(!memcmp(text + cuts.items[k].offset, cuts.text.data + cuts.items[k].start,
                                      cuts.items[k].length));
            rig_cuts_clear(&cuts);
        }
}

#define GOOD(text, ...)                                                                                      \
    do {                                                                                                     \
        static const char *const expected[] = {__VA_ARGS__};                                                 \
        expect(text, sizeof(text) - 1, NULL, expected);                                                      \
    } while (0)
#define BAD(text, said, ...)                                                                                 \
    do {                                                                                                     \
        static const char *const expected[] = {__VA_ARGS__};                                                 \
        expect(text, sizeof(text) - 1, said, expected);                                                      \
    } while (0)

START_TEST(arrays) {
    GOOD("", NULL);
    GOOD(" \n", NULL);
    GOOD("[]", NULL);
    GOOD("[ ] \n", NULL);
    GOOD("[{}]", "{}", NULL);
    GOOD("\xef\xbb\xbf[1,-2.5e3 , true,null\n,\"a\"]", "1", "-2.5e3", "true", "null", "\"a\"", NULL);
    GOOD("[[1,2],[3,[4]]\t,{\"a\":[{}]} ]\n", "[1,2]", "[3,[4]]", "{\"a\":[{}]}", NULL);
    GOOD("[\"]\",\"\\\"\",\"\\\\\",\"\\\\\\\"[\"]", "\"]\"", "\"\\\"\"", "\"\\\\\"", "\"\\\\\\\"[\"", NULL);
    GOOD("[{\"a\":\"}\\\\\"},{\"b\":\"\\\"}\"}]", "{\"a\":\"}\\\\\"}", "{\"b\":\"\\\"}\"}", NULL);
    GOOD("[{1 2},[}]", "{1 2}", "[}", NULL); /* the decoder's business */
}
END_TEST

START_TEST(objects) {
    GOOD("{}", "{}", NULL);
    GOOD("{\"a\":1}\n{\"a\":[2,{\"instances\":[3]}]}", "{\"a\":1}", "{\"a\":[2,{\"instances\":[3]}]}", NULL);
    GOOD("{\"instances\":[1,2]}", "1", "2", NULL);
    GOOD("{ \"signature_name\" : \"[{x\" , \"inputs\"\n:\n[ [1], [2] ] , \"z\": {\"inputs\": [5]} } ", "[1]",
         "[2]", NULL);
    GOOD("{\"instances\":[]}{\"instances\":[7]}", "7", NULL);
    GOOD("{\"instances\":{\"a\":[1]}}", "{\"instances\":{\"a\":[1]}}", NULL);
    GOOD("{\"instances\":5,\"b\":[1]}", "{\"instances\":5,\"b\":[1]}", NULL);
    GOOD("{\"a\":\"instances\",\"b\":[1]}", "{\"a\":\"instances\",\"b\":[1]}", NULL);
    GOOD("{\"a\":\"\\\"instances\\\":[\"}", "{\"a\":\"\\\"instances\\\":[\"}", NULL);
    GOOD("{\"instances2\":[1]}", "{\"instances2\":[1]}", NULL);
    GOOD("{\"instances_and_more\":[1]}", "{\"instances_and_more\":[1]}", NULL);
}
END_TEST

START_TEST(broken_between_records) {
    BAD("[1 2]", "',' or ']' is missing at byte 3", "1", NULL);
    BAD("[1,]", "a record is missing at byte 3", "1", NULL);
    BAD("[,1]", "a record is missing at byte 1", NULL);
    BAD("[1}", "',' or ']' is missing at byte 2", "1", NULL);
    BAD("[1]\n[2]", "application/jsonlines", "1", NULL);
    BAD("[1]x", "something follows", "1", NULL);
    BAD("x", "neither an array nor an object begins at byte 0", NULL);
    BAD("{}[1]", "an array follows an object", "{}", NULL);
    BAD("[1,[2,3]", "cut off at byte 8", "1", "[2,3]", NULL);
    BAD("[1,[2,3", "cut off at byte 7", "1", NULL);
    BAD("[12", "cut off at byte 3", NULL);
    BAD("{\"a\":1", "cut off at byte 6", NULL);
    BAD("{\"instances\":[1],", "cut off", "1", NULL);
    BAD("\x1f\x8b\x08 and so on", "compressed twice", NULL);
}
END_TEST

START_TEST(too_long) {
    struct container_options options = plain;
    static const char text[] = "[12345,123456,\"1234\",[1,2,3,4],{\"instances\":1},5]";
    static const char *const expected[] = {"12345",     "!too-long", "!too-long", "!too-long",
                                           "!too-long", "5",         NULL};
    options.max_record_nbytes = 5;
    for (uint64_t skip = 0; skip <= 6; skip++) {
        struct rig_stream stream = rig_stream(text, sizeof text - 1);
        struct rig_cuts cuts;
        stream.most = 3;
        rig_cut_stream(&cuts, &container_json, &options, (struct rig_shape){8, 2, 64}, &stream, skip);
        rig_expect(&cuts, expected + skip);
        rig_cuts_clear(&cuts);
    }
    struct rig_stream stream = rig_stream("{\"note\": \"long\", \"instances\":[1]}{\"note\": \"long\"}", 50);
    struct rig_cuts cuts;
    rig_cut_stream(&cuts, &container_json, &options, (struct rig_shape){0}, &stream, 0);
    rig_expect(&cuts, (const char *const[]){"1", "!too-long", NULL});
    rig_cuts_clear(&cuts);
}
END_TEST

/* What there is of a document that is cut off, and its torn record in place. */
START_TEST(truncated) {
    struct container_options options = plain;
    static const char text[] = "{\"p\": 1, \"instances\": [{\"a\": 1}, {\"a\": \"]\"}, 3 ], \"q\": 2} ";
    options.allow_truncated = true;
    for (size_t n = 0; n < sizeof text; n++) {
        struct rig_stream stream = rig_stream(text, n);
        struct rig_cuts cuts;
        rig_cut_stream(&cuts, &container_json, &options, (struct rig_shape){10, 2, 64}, &stream, 0);
        ck_assert_int_eq(cuts.status, SL_OK);
        size_t whole = (n >= 31) + (n >= 43) + (n >= 47),
               torn = n && (n < 23 || (n > 23 && n < 31) || (n > 33 && n < 43) || n == 46);
        ck_assert_msg(cuts.count == whole + torn, "%zu bytes: %zu records, expected %zu", n, cuts.count,
                      whole + torn);
        if (torn)
            ck_assert_str_eq(cuts.items[whole].code, "truncated");
        rig_cuts_clear(&cuts);
    }
}
END_TEST

START_TEST(what_it_takes_for_json) {
#define LOOKS(text) container_json.matches((const unsigned char *)(text), sizeof(text) - 1)
    ck_assert(LOOKS("[{\"a\": 1}]") && LOOKS("[ \n{\"a\": 1},") && LOOKS("[\n[1],\n[2]]"));
    ck_assert(LOOKS("{\"instances\": [[1]]}") && LOOKS(" {\n \"inputs\": [") && LOOKS("{\n\"a\": 1\n}"));
    ck_assert(!LOOKS("[1,2]\n[3,4]\n") && !LOOKS("{\"a\": 1}\n{\"a\": 2}\n") && !LOOKS("{\"a\": 1}"));
    ck_assert(!LOOKS("") && !LOOKS("1,2") && !LOOKS("[{\x01}]") && !LOOKS("{"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("container_json");
    TCase *tcase = tcase_create("json");
    tcase_add_test(tcase, arrays);
    tcase_add_test(tcase, objects);
    tcase_add_test(tcase, broken_between_records);
    tcase_add_test(tcase, too_long);
    tcase_add_test(tcase, truncated);
    tcase_add_test(tcase, what_it_takes_for_json);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
