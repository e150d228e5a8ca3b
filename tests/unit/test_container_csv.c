/* CSV rows are cut where RFC 4180 ends them, whatever the blocks and reads are like; a cutter that walks one
 * byte at a time over the whole shard says what is right. */
#include "archive_rig.h"

static const struct container_options plain = {.csv_delimiter = ',', .max_record_nbytes = 4096};

static const struct rig_shape shapes[] = {{0},         {1, 1, 64},   {1, 3, 64},
                                          {64, 2, 64}, {700, 0, 64}, {5000, 7, 64}};

/* The same of every shape of block and read. */
static void expect_all(const char *text, size_t nbytes, const struct container_options *options,
                       const char *const *expected) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (size_t most = 0; most < 3; most++) {
            struct rig_stream stream = rig_stream(text, nbytes);
            struct rig_cuts cuts;
            stream.most = most == 2 ? 1u << 30 : most;
            stream.random = i;
            rig_cut_stream(&cuts, &container_csv, options, shapes[i], &stream, 0);
            ck_assert_msg(cuts.status == SL_OK, "%s", cuts.err.text);
            rig_expect(&cuts, expected);
            for (size_t k = 0; k < cuts.count; k++) { /* good records slice back */
                const struct rig_cut *cut = &cuts.items[k];
                ck_assert_uint_le(cut->offset + cut->length, nbytes);
                if (!*cut->code)
                    ck_assert(!memcmp(text + cut->offset, cuts.text.data + cut->start, cut->nbytes));
            }
            rig_cuts_clear(&cuts);
        }
    }
}

#define EXPECT(text, ...)                                                                                    \
    do {                                                                                                     \
        static const char *const expected[] = {__VA_ARGS__};                                                 \
        expect_all(text, sizeof(text) - 1, &plain, expected);                                                \
    } while (0)

START_TEST(lines) {
    EXPECT("", NULL);
    EXPECT("\n", NULL);
    EXPECT("1,2", "1,2", NULL);
    EXPECT("1,2\n", "1,2", NULL);
    EXPECT("1,2\r\n3,4\r\n", "1,2", "3,4", NULL);
    EXPECT("1,2\r\n3,4\n5,6", "1,2", "3,4", "5,6", NULL);
    EXPECT("1\r2\n\r\r\n", "1\r2", "\r", NULL); /* a lone CR ends nothing */
    EXPECT("1,2\n\n\r\n\n3,4\n\n", "1,2", "3,4", NULL);
    EXPECT(" \n,\n", " ", ",", NULL);
}
END_TEST

START_TEST(byte_order_mark) {
    EXPECT("\xef\xbb\xbf", NULL);
    EXPECT("\xef\xbb\xbf"
           "1,2\n",
           "1,2", NULL);
    EXPECT("\xef\xbb\xbf\xef\xbb\xbf"
           "1\n\xef\xbb\xbf"
           "2\n",
           "\xef\xbb\xbf"
           "1",
           "\xef\xbb\xbf"
           "2",
           NULL); /* once */
    EXPECT("\xef\xbb", "\xef\xbb", NULL);
    EXPECT("\xef\xbb\xbf\"a\nb\",1\n2\n", "\"a\nb\",1", "2", NULL);
}
END_TEST

START_TEST(quotes) {
    EXPECT("\"a\nb\",2\n3,4\n", "\"a\nb\",2", "3,4", NULL);
    EXPECT("1,\"a\r\nb\"\r\n3,4\n", "1,\"a\r\nb\"", "3,4", NULL);
    EXPECT("\"a\"\"\n\"\"b\"\nc\n", "\"a\"\"\n\"\"b\"", "c", NULL);
    EXPECT("\"\"\n\"\"\"\"\nx\n", "\"\"", "\"\"\"\"", "x", NULL);
    EXPECT("5\" disk,1\n6,2\n", "5\" disk,1", "6,2", NULL);     /* not at a field's start */
    EXPECT("1, \"x\n2,3\n", "1, \"x", "2,3", NULL);             /* nor is this */
    EXPECT("\"a\"b\nc,\"d\n\"\n", "\"a\"b", "c,\"d\n\"", NULL); /* bad, but over at its line end */
    EXPECT("\"\n\"", "\"\n\"", NULL);
}
END_TEST

START_TEST(quote_that_is_never_closed) {
    EXPECT("1,2\n\"3,4\n5,6\n", "1,2", "!unclosed-quote", NULL);
    EXPECT("\"", "!unclosed-quote", NULL);
    EXPECT("a,\"", "!unclosed-quote", NULL);
    struct rig_stream stream = rig_stream("1,2\n\"3,4\n5,6\n", 13);
    struct rig_cuts cuts;
    rig_cut_stream(&cuts, &container_csv, &plain, shapes[0], &stream, 0);
    ck_assert_uint_eq(cuts.items[1].offset, 4);
    ck_assert_uint_eq(cuts.items[1].length, 9);
    rig_cuts_clear(&cuts);
}
END_TEST

START_TEST(nul_bytes) {
    static const char text[] = "1,2\n3,\0004\n5,6\n\0\n7\n";
    static const char *const expected[] = {"1,2", "!nul-byte", "5,6", "!nul-byte", "7", NULL};
    expect_all(text, sizeof text - 1, &plain, expected);
}
END_TEST

/* A record of `nbytes` x's between two short ones. */
static void expect_long(size_t nbytes, const char *end, bool quoted, const char *expected) {
    struct container_options options = plain;
    struct buf text;
    options.max_record_nbytes = 1000;
    buf_init(&text);
    buf_puts(&text, "first\n");
    for (size_t i = 0; i < nbytes; i++)
        buf_putc(&text, quoted && (i == 0 || i + 1 == nbytes) ? '"' : quoted && i % 50 == 7 ? '\n' : 'x');
    buf_printf(&text, "%s\"la\nst\"", end); /* the scanner must be itself again */
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct rig_stream stream = rig_stream(text.data, text.size);
        struct rig_cuts cuts;
        stream.most = i % 2 ? 0 : 1u << 30;
        rig_cut_stream(&cuts, &container_csv, &options, shapes[i], &stream, 0);
        ck_assert_uint_eq(cuts.count, 3);
        ck_assert(rig_is(&cuts, 0, "first") && rig_is(&cuts, 2, "\"la\nst\""));
        ck_assert_str_eq(cuts.items[1].code, expected);
        ck_assert_uint_eq(cuts.items[1].offset, 6);
        ck_assert_uint_eq(cuts.items[1].length, nbytes);
        ck_assert_uint_eq(cuts.items[2].offset, 6 + nbytes + strlen(end));
        rig_cuts_clear(&cuts);
    }
    buf_clear(&text);
}

START_TEST(records_too_long) {
    for (int quoted = 0; quoted < 2; quoted++)
        for (int crlf = 0; crlf < 2; crlf++) {
            const char *end = crlf ? "\r\n" : "\n";
            expect_long(999, end, quoted, "");
            expect_long(1000, end, quoted, "");
            expect_long(1001, end, quoted, "too-long");
            expect_long(1002, end, quoted, "too-long");
            expect_long(70000, end, quoted, "too-long");
            expect_long(300001, end, quoted, "too-long");
        }
}
END_TEST

START_TEST(header_row) {
    struct container_options options = plain;
    options.csv_header = true;
    static const char text[] = "\xef\xbb\xbf\n\"a\nb\",c\r\n1,2\n3,4\n";
    struct rig_stream stream = rig_stream(text, sizeof text - 1);
    struct container *container;
    struct block block;
    sl_error err;
    rig_block_open(&block, shapes[0], 4096);
    ck_assert(container_csv.open(&container, &options, &err) == SL_OK);
    ck_assert(container_csv.start(container, &stream.stream, "shard", 0, &err) == SL_OK);
    ck_assert(container_csv.next(container, &block, &err) == SL_OK);
    ck_assert_uint_eq(block.cut_count, 2);
    ck_assert_uint_eq(block.cuts[0].offset, 13);
    sl_slice header = container_csv.header(container);
    ck_assert_uint_eq(header.nbytes, 7);
    ck_assert(!memcmp(header.data, "\"a\nb\",c", 7));
    block_reset(&block); /* a shard without a row: no header of the one before */
    stream = rig_stream("\n", 1);
    ck_assert(container_csv.start(container, &stream.stream, "shard", 0, &err) == SL_OK);
    ck_assert(container_csv.next(container, &block, &err) == SL_OK);
    ck_assert_uint_eq(block.cut_count, 0);
    ck_assert_uint_eq(container_csv.header(container).nbytes, 0);
    container_csv.close(container);
    block_close(&block);
    struct rig_cuts cuts;
    stream = rig_stream("a,\0\n1,2\n", 8);
    rig_cut_stream(&cuts, &container_csv, &options, shapes[0], &stream, 0);
    ck_assert_int_eq(cuts.status, SL_E_DATA);
    ck_assert_ptr_nonnull(strstr(cuts.err.text, "header row"));
    ck_assert_uint_eq(cuts.count, 0);
    rig_cuts_clear(&cuts);
}
END_TEST

static void break_at(const char *text, sl_status status, bool cut_off, bool allow,
                     const char *const *expected, sl_status ends) {
    struct container_options options = plain;
    options.allow_truncated = allow;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct rig_stream stream = rig_stream(text, strlen(text));
        struct rig_cuts cuts;
        stream.fails = status;
        stream.cut_off = cut_off;
        rig_cut_stream(&cuts, &container_csv, &options, shapes[i], &stream, 0);
        ck_assert_int_eq(cuts.status, ends);
        rig_expect(&cuts, expected);
        rig_cuts_clear(&cuts);
    }
}

START_TEST(broken_streams) {
    static const char *const whole[] = {"1", "2", NULL}, *const torn[] = {"1", "2", "!truncated", NULL},
                             *const none[] = {NULL};
    break_at("1\n2\n3", SL_E_DATA, true, false, whole, SL_E_DATA);
    break_at("1\n2\n3", SL_E_DATA, true, true, torn, SL_OK);
    break_at("1\n2\n\"3\n", SL_E_DATA, true, true, torn, SL_OK);
    break_at("1\n2\n", SL_E_DATA, true, true, whole, SL_OK);
    break_at("1\n2\n3", SL_E_DATA, false, true, whole, SL_E_DATA); /* damage is not a missing end */
    break_at("1\n2\n3", SL_E_IO, false, true, whole, SL_E_IO);
    break_at("1,2", SL_E_DATA, true, false, none, SL_E_DATA);
    break_at("", SL_E_DATA, true, false, none, SL_E_DATA);
    break_at("", SL_E_DATA, true, true, none, SL_OK);
}
END_TEST

START_TEST(what_is_no_text_is_refused) {
    static const char *const files[] = {"PK\x03\x04 and so on",
                                        "\xff\xfe"
                                        "1\0",
                                        "version https://git-lfs.github.com/spec/v1\n"};
    static const char *const said[] = {"zip", "UTF-16", "git lfs pull"};
    for (size_t i = 0; i < 3; i++) {
        struct rig_stream stream = rig_stream(files[i], strlen(files[i]));
        struct rig_cuts cuts;
        rig_cut_stream(&cuts, &container_csv, &plain, shapes[0], &stream, 0);
        ck_assert_int_eq(cuts.status, SL_E_DATA);
        ck_assert_msg(strstr(cuts.err.text, said[i]), "%s", cuts.err.text);
        ck_assert_uint_eq(cuts.count, 0);
        rig_cuts_clear(&cuts);
    }
}
END_TEST

/* ---- against a cutter that knows no blocks
 * -------------------------------------------------------------------------------------------------- */

static void cut_plainly(struct rig_cuts *cuts, const char *text, size_t nbytes, size_t max_record) {
    *cuts = (struct rig_cuts){.status = SL_OK};
    buf_init(&cuts->text);
    cuts->items = mem_alloc(nbytes + 1, sizeof *cuts->items);
    size_t at = nbytes >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
    while (at < nbytes) {
        bool field_start = true, quoted = false;
        size_t i = at;
        for (; i < nbytes; i++) {
            if (quoted) {
                if (text[i] != '"')
                    continue;
                if (i + 1 < nbytes && text[i + 1] == '"')
                    i++;
                else
                    quoted = false;
                field_start = false;
            } else if (text[i] == '\n') {
                break;
            } else {
                quoted = field_start && text[i] == '"';
                field_start = text[i] == ',';
            }
        }
        size_t end = i > at && text[i - 1] == '\r' && !quoted ? i - 1 : i;
        struct rig_cut cut = {.offset = at, .length = end - at, .code = "", .start = cuts->text.size};
        if (quoted)
            cut.code = "unclosed-quote";
        else if (end - at > max_record)
            cut.code = "too-long";
        else if (memchr(text + at, 0, end - at))
            cut.code = "nul-byte";
        else
            buf_append(&cuts->text, text + at, end - at);
        cut.nbytes = cuts->text.size - cut.start;
        cut.key_start = cuts->text.size;
        if (end > at)
            cuts->items[cuts->count++] = cut;
        at = i + 1;
    }
}

START_TEST(random_texts) {
    uint64_t random = 20240607 + (uint64_t)_i;
    static const char letters[] = ",,,\"\"\n\n\r1234567a \0";
    for (int round = 0; round < 400; round++) {
        char text[3000];
        struct rig_cuts expected, cuts;
        size_t nbytes = rig_random(&random) % (round % 10 ? 200 : sizeof text);
        size_t kinds = round % 3 == 0   ? 4
                       : round % 3 == 1 ? 12
                                        : 18,
               shift = round % 3 == 2 ? 0 : round % 2 * 3;
        for (size_t i = 0; i < nbytes; i++)
            text[i] = letters[shift + rig_random(&random) % (kinds - (kinds + shift > 18 ? shift : 0))];
        struct container_options options = plain;
        options.max_record_nbytes = 1 + rig_random(&random) % 120;
        cut_plainly(&expected, text, nbytes, options.max_record_nbytes);
        struct rig_shape shape = {1 + rig_random(&random) % 900, 1 + rig_random(&random) % 20, 64};
        struct rig_stream stream = rig_stream(text, nbytes);
        stream.most = 0;
        stream.random = random;
        uint64_t skip = expected.count ? rig_random(&random) % (expected.count + 1) : 0;
        rig_cut_stream(&cuts, &container_csv, &options, shape, &stream, skip);
        rig_expect_same(&cuts, &expected, skip);
        rig_cuts_clear(&cuts);
        rig_cuts_clear(&expected);
    }
}
END_TEST

/* Comments are no records, and quotes mean nothing in them, however blocks fall; another quote, or none. */
START_TEST(dialects) {
    static const char text[] = "#\"a\n1,2\n#,\"open\n\"x\n#y\",3\n#0123456789\"0123456789,\"\n'4\n',5\n \n#";
    static const char *const expected[] = {"1,2", "\"x\n#y\",3", "!too-long", "'4", "',5", " ", NULL};
    static const char *const single[] = {"1,2", "\"x", "!too-long", "'4\n',5", " ", NULL};
    static const char *const none[] = {"1,2", "\"x", "!too-long", "'4", "',5", " ", NULL};
    static const struct {
        char quote;
        const char *const *expected;
    } ways[] = {{0, expected}, {'\'', single}, {CONTAINER_NO_QUOTE, none}};
    for (size_t way = 0; way < 3; way++)
        for (int small = 0; small < 2; small++) {
            struct container_options options = {
                .max_record_nbytes = 16, .csv_comment = '#', .csv_quote = ways[way].quote};
            struct rig_stream stream = rig_stream(text, sizeof text - 1);
            struct rig_cuts cuts;
            stream.most = small ? 0 : 1u << 30;
            rig_cut_stream(&cuts, &container_csv, &options,
                           small ? (struct rig_shape){8, 2, 64} : (struct rig_shape){0}, &stream, 0);
            ck_assert_msg(cuts.status == SL_OK, "%s", cuts.err.text);
            rig_expect(&cuts, ways[way].expected);
            rig_cuts_clear(&cuts);
        }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("container_csv");
    TCase *tcase = tcase_create("csv");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, lines);
    tcase_add_test(tcase, byte_order_mark);
    tcase_add_test(tcase, quotes);
    tcase_add_test(tcase, quote_that_is_never_closed);
    tcase_add_test(tcase, nul_bytes);
    tcase_add_test(tcase, records_too_long);
    tcase_add_test(tcase, header_row);
    tcase_add_test(tcase, broken_streams);
    tcase_add_test(tcase, what_is_no_text_is_refused);
    tcase_add_loop_test(tcase, random_texts, 0, 4);
    tcase_add_test(tcase, dialects);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
