/* JSON Lines: quotes mean nothing to the cutter, blank lines (spaces too) are no records. */
#include "archive_rig.h"

static const struct container_options plain = {.max_record_nbytes = 4096};

static void expect(const char *text, size_t nbytes, const char *const *expected) {
    static const struct rig_shape shapes[] = {{0}, {1, 1, 64}, {10, 2, 64}};
    for (size_t i = 0; i < 3; i++) {
        struct rig_stream stream = rig_stream(text, nbytes);
        struct rig_cuts cuts;
        stream.most = i ? 0 : 1u << 30;
        rig_cut_stream(&cuts, &container_jsonl, &plain, shapes[i], &stream, 0);
        ck_assert_msg(cuts.status == SL_OK, "%s", cuts.err.text);
        rig_expect(&cuts, expected);
        rig_cuts_clear(&cuts);
    }
}

#define EXPECT(text, ...)                                                                                    \
    do {                                                                                                     \
        static const char *const expected[] = {__VA_ARGS__};                                                 \
        expect(text, sizeof(text) - 1, expected);                                                            \
    } while (0)

START_TEST(lines) {
    EXPECT("", NULL);
    EXPECT("{}", "{}", NULL);
    EXPECT("{\"a\": \"x\"}\n[1, 2]\r\n3", "{\"a\": \"x\"}", "[1, 2]", "3", NULL);
    EXPECT("{}\n\n \t \r\n{}\n", "{}", "{}", NULL);
    EXPECT("\xef\xbb\xbf{}\n", "{}", NULL);
    EXPECT("{\"a\": \"\n{}\n\"\n", "{\"a\": \"", "{}", "\"", NULL); /* a quote opens nothing */
    EXPECT("{\0}\n{}", "!nul-byte", "{}", NULL);
    EXPECT(" {} \n", " {} ", NULL);
}
END_TEST

START_TEST(a_header_is_none_of_its_business) {
    struct container_options options = plain;
    options.csv_header = true;
    struct rig_stream stream = rig_stream("1\n2\n", 4);
    struct rig_cuts cuts;
    rig_cut_stream(&cuts, &container_jsonl, &options, (struct rig_shape){0}, &stream, 0);
    ck_assert_uint_eq(cuts.count, 2);
    rig_cuts_clear(&cuts);
}
END_TEST

START_TEST(too_long_and_resumed) {
    struct container_options options = plain;
    options.max_record_nbytes = 5;
    static const char text[] = "12345\n123456\n1234567890\n5\n     \n      \n\"23\"5\n\"\n";
    static const char *const expected[] = {"12345",     "!too-long", "!too-long", "5",
                                           "!too-long", "\"23\"5",   "\"",        NULL};
    for (uint64_t skip = 0; skip <= 7; skip++) {
        struct rig_stream stream = rig_stream(text, sizeof text - 1);
        struct rig_cuts cuts;
        stream.most = 3;
        rig_cut_stream(&cuts, &container_jsonl, &options, (struct rig_shape){8, 2, 64}, &stream, skip);
        rig_expect(&cuts, expected + skip);
        if (skip == 2) {
            ck_assert_uint_eq(cuts.items[0].offset, 13);
            ck_assert_uint_eq(cuts.items[0].length, 10);
        }
        rig_cuts_clear(&cuts);
    }
}
END_TEST

START_TEST(what_it_takes_for_json_lines) {
    static const struct {
        const char *text;
        bool is;
    } cases[] = {{"{\"a\": 1}\n{\"a\": 2}\n", true},
                 {"[1]\r\n", true},
                 {"\n {} \n", true},
                 {"\xef\xbb\xbf{}\n", true},
                 {"{\n  \"a\": 1\n}", false},
                 {"1,2\n", false},
                 {"", false},
                 {"  \n", false},
                 {"{\"a\"", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(container_jsonl.matches((const unsigned char *)cases[i].text, strlen(cases[i].text)) ==
                          cases[i].is,
                      "case %zu", i);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("container_jsonl");
    TCase *tcase = tcase_create("jsonl");
    tcase_add_test(tcase, lines);
    tcase_add_test(tcase, a_header_is_none_of_its_business);
    tcase_add_test(tcase, too_long_and_resumed);
    tcase_add_test(tcase, what_it_takes_for_json_lines);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
