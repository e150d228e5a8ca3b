/* zip shards: samples of members by their keys, what is wrong with one member costs its sample, lies of the
 * directory end the shard; resumed at every sample, cut off at every byte. */
#include "zip_rig.h"

static const struct container_options plain = {.max_record_nbytes = 4096};

static struct rig_entry text(const char *name, const char *body, bool deflated) {
    struct rig_entry e = {.name = name, .deflated = deflated};
    buf_init(&e.data);
    buf_puts(&e.data, body);
    return e;
}

static void clear(struct rig_entry *e, size_t count) {
    for (size_t i = 0; i < count; i++)
        buf_clear(&e[i].data);
}

static void cut(struct rig_cuts *cuts, const void *data, size_t nbytes,
                const struct container_options *options, uint64_t skip, bool small) {
    struct container *container = NULL;
    struct block block;
    struct rig_stream stream = rig_stream(data, nbytes);
    *cuts = (struct rig_cuts){0};
    stream.most = small ? 0 : 1u << 30;
    buf_init(&cuts->text);
    rig_block_open(&block, small ? (struct rig_shape){10, 2, 70} : (struct rig_shape){0},
                   options->max_record_nbytes);
    ck_assert(container_zip.open(&container, options, &cuts->err) == SL_OK);
    cuts->status = container_zip.start(container, &stream.stream, "shard", skip, &cuts->err);
    while (cuts->status == SL_OK) {
        block_reset(&block);
        block.kind = SL_RECORD_FIELDS;
        cuts->status = container_zip.next(container, &block, &cuts->err);
        if (cuts->status != SL_OK || !block.cut_count)
            break;
        rig_add_block(cuts, &block);
    }
    container_zip.close(container);
    block_close(&block);
}

/* All members deflated or not, zip64 or not, from every record on. The list ends with NULL. */
static void expect(struct rig_entry *entries, size_t count, const struct container_options *options,
                   const char *said, const char *const *expected) {
    struct buf file;
    size_t records = 0;
    while (expected[records])
        records++;
    buf_init(&file);
    for (int way = 0; way < 4; way++) {
        for (size_t i = 0; i < count && way < 2; i++)
            entries[i].deflated = way & 1;
        bool honest = true;
        for (size_t i = 0; i < count; i++)
            honest = honest && !entries[i].offset_plus;
        rig_zip(&file, entries, count, (way & 2) && honest);
        for (size_t skip = 0; skip <= records; skip++) {
            struct rig_cuts cuts;
            cut(&cuts, file.data, file.size, options, skip, way & 1);
            if (said)
                ck_assert_msg(cuts.status == SL_E_DATA && strstr(cuts.err.text, said), "%s", cuts.err.text);
            else
                ck_assert_msg(cuts.status == SL_OK, "%s", cuts.err.text);
            rig_expect(&cuts, expected + skip);
            rig_cuts_clear(&cuts);
        }
    }
    buf_clear(&file);
}

#define EXPECT(entries, options, said, ...)                                                                  \
    do {                                                                                                     \
        static const char *const expected[] = {__VA_ARGS__};                                                 \
        expect(entries, sizeof(entries) / sizeof *(entries), options, said, expected);                       \
    } while (0)

START_TEST(samples) {
    struct rig_entry e[] = {text("d/", "", false),          text("d/a.jpg", "JJJJJJJJJJJJJJJJJJJJ", false),
                            text("d/a.CLS", "1", false),    text("d/.hidden", "x", false),
                            text("d/a.b.txt", "t", false),  text("d/b.jpg", "", false),
                            text("d/a.jpg", "again", false)};
    EXPECT(e, &plain, NULL, "jpg=JJJJJJJJJJJJJJJJJJJJ;cls=1;b.txt=t;", "jpg=;", "jpg=again;", NULL);
    struct buf file;
    struct rig_cuts cuts;
    buf_init(&file);
    rig_zip(&file, e, 7, false);
    cut(&cuts, file.data, file.size, &plain, 0, false);
    ck_assert(rig_key_is(&cuts, 0, "d/a") && rig_key_is(&cuts, 1, "d/b"));
    ck_assert(!memcmp(file.data + cuts.items[2].offset, "PK\3\4", 4));
    ck_assert_uint_eq(cuts.items[2].length, 30 + 7 + 3 + 5 + (e[6].deflated ? 2u : 0u));
    rig_cuts_clear(&cuts);
    buf_clear(&file);
    clear(e, 7);
}
END_TEST

START_TEST(bad_members) {
    struct rig_entry e[] = {text("a.x", "first", false),      text("../b.x", "climbs", false),
                            text("c.x", "wrong sum", false),  text("d.x", "encrypted", false),
                            text("e.x", "odd method", false), text("f.x", "too long for this", false),
                            text("g.x", "last", false)};
    struct container_options options = {.max_record_nbytes = 14};
    e[2].crc_plus = 1;
    e[3].flags = 1;
    e[4].method_plus = 12;
    static const char *const expected[] = {
        "x=first;",        "!hostile-name", "!damaged-member", "!refused-member",
        "!refused-member", "!too-long",     "x=last;",         NULL};
    expect(e, 7, &options, NULL, expected);
    clear(e, 7);
    /* what a member unpacks to is not what the directory says */
    struct rig_entry more[] = {text("a.x", "aaaaaaaaaaaaaaaaaaaa", true), text("b.x", "b", true)};
    for (int plus = -1; plus <= 1; plus += 2) {
        struct buf file;
        struct rig_cuts cuts;
        buf_init(&file);
        more[0].nbytes_plus = plus;
        rig_zip(&file, more, 2, false);
        cut(&cuts, file.data, file.size, &plain, 0, false);
        ck_assert_msg(cuts.status == SL_OK, "%s", cuts.err.text);
        rig_expect(&cuts, (const char *const[]){"!damaged-member", "x=b;", NULL});
        rig_cuts_clear(&cuts);
        buf_clear(&file);
    }
    clear(more, 2);
}
END_TEST

START_TEST(bad_directories) {
    struct rig_entry e[] = {text("a.x", "first", false), text("b.x", "second", false),
                            text("c.x", "third", false)};
    e[1].offset_plus = -4;
    EXPECT(e, &plain, "lies over another", NULL); /* the first sample may lack members */
    e[1].offset_plus = 4;
    EXPECT(e, &plain, "not what the directory says", NULL);
    e[1].offset_plus = 0;
    e[2].local_name_plus = 1;
    EXPECT(e, &plain, "not what the directory says", "x=first;", NULL);
    clear(e, 3);
}
END_TEST

START_TEST(bombs) {
    struct rig_entry e[3] = {
        text("a.x", "small", true), {.name = "b.x", .deflated = true}, text("c.x", "end", true)};
    struct container_options options = {.max_record_nbytes = 32u << 20, .max_expansion = 200};
    struct rig_cuts cuts;
    struct buf file;
    buf_init(&file);
    buf_init(&e[1].data);
    buf_reserve(&e[1].data, 12u << 20);
    memset(e[1].data.data, 0, 12u << 20);
    e[1].data.size = 12u << 20;
    rig_zip(&file, e, 3, false);
    cut(&cuts, file.data, file.size, &options, 0, false);
    ck_assert_msg(cuts.status == SL_E_DATA && strstr(cuts.err.text, "--max-expansion"), "%s", cuts.err.text);
    rig_cuts_clear(&cuts);
    options.max_record_nbytes = 1000; /* a member that is too long is not unpacked at all */
    cut(&cuts, file.data, file.size, &options, 0, false);
    rig_expect(&cuts, (const char *const[]){"x=small;", "!too-long", "x=end;", NULL});
    rig_cuts_clear(&cuts);
    clear(e, 3);
    buf_clear(&file);
}
END_TEST

START_TEST(cut_at_every_byte) {
    struct rig_entry e[] = {text("a.x", "first", true), text("b.x", "second", false)};
    struct buf file;
    buf_init(&file);
    rig_zip(&file, e, 2, false);
    for (size_t n = 0; n < file.size; n++) {
        char *less = malloc(n + 1);
        struct rig_cuts cuts;
        memcpy(less, file.data, n);
        cut(&cuts, less, n, &plain, 0, false);
        ck_assert_int_eq(cuts.status, SL_E_DATA);
        ck_assert_uint_eq(cuts.count, 0);
        rig_cuts_clear(&cuts);
        free(less);
    }
    rig_zip(&file, e, 0, false);
    struct rig_cuts cuts;
    cut(&cuts, file.data, file.size, &plain, 0, false);
    ck_assert(cuts.status == SL_OK && !cuts.count);
    rig_cuts_clear(&cuts);
    buf_clear(&file);
    clear(e, 2);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("container_zip");
    TCase *tcase = tcase_create("zip");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, samples);
    tcase_add_test(tcase, bad_members);
    tcase_add_test(tcase, bad_directories);
    tcase_add_test(tcase, bombs);
    tcase_add_test(tcase, cut_at_every_byte);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
