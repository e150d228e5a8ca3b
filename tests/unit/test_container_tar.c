/* Tar shards: samples, slices, hostile names, and every way in which an archive can lack its end. The headers
 * are written by hand, so nothing that made them can hide what is wrong. */
#include "archive_rig.h"

static const struct container_options plain = {.max_record_nbytes = 1u << 20};

static void cut(struct rig_cuts *cuts, const struct buf *tar, const struct container_options *options,
                struct rig_shape shape, uint64_t skip) {
    struct rig_stream stream = rig_stream(tar->data, tar->size);
    stream.most = shape.target == 1 ? 0 : 1u << 30;
    rig_cut_stream(cuts, &container_tar, options, shape, &stream, skip);
}

/* Whatever the blocks and wherever it is resumed. */
static void expect(const struct buf *tar, const struct container_options *options, sl_status ends,
                   const char *const *expected) {
    static const struct rig_shape shapes[] = {{0}, {1, 1, 64}, {100, 2, 130}, {3000, 100, 64}};
    struct rig_cuts all, cuts;
    cut(&all, tar, options, shapes[0], 0);
    ck_assert_msg(all.status == ends, "ends with %d: %s", all.status, all.err.text);
    rig_expect(&all, expected);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (uint64_t skip = 0; skip <= all.count; skip++) {
            cut(&cuts, tar, options, shapes[i], skip);
            rig_expect_same(&cuts, &all, skip);
            rig_cuts_clear(&cuts);
        }
    rig_cuts_clear(&all);
}

#define EXPECT(tar, options, ends, ...)                                                                      \
    do {                                                                                                     \
        static const char *const expected_[] = {__VA_ARGS__};                                                \
        expect(tar, options, ends, expected_);                                                               \
    } while (0)

static struct buf new_tar(void) {
    struct buf tar;
    buf_init(&tar);
    return tar;
}

START_TEST(samples) {
    struct buf tar = new_tar();
    rig_tar_file(&tar, "a.jpg", "A");
    rig_tar_file(&tar, "a.json", "{}");
    rig_tar_file(&tar, "b.JPG", "B");
    rig_tar_file(&tar, "dir.x/b.seg.png", "S");
    rig_tar_file(&tar, "dir.x/b.jpg", "");
    rig_tar_file(&tar, "README", "text");
    rig_tar_file(&tar, "./c.jpg", "C");
    rig_tar_file(&tar, "a.jpg", "again");
    rig_tar_file(&tar, "aj.jpg", "a longer key");
    rig_tar_end(&tar);
    EXPECT(&tar, &plain, SL_OK, "jpg=A;json={};", "jpg=B;", "seg.png=S;jpg=;", "=text;", "jpg=C;",
           "jpg=again;", "jpg=a longer key;", NULL);
    struct rig_cuts cuts;
    cut(&cuts, &tar, &plain, (struct rig_shape){0}, 0);
    static const char *const keys[] = {"a", "b", "dir.x/b", "README", "c", "a"};
    static const size_t members[] = {2, 1, 2, 1, 1, 1};
    for (size_t i = 0; i < 6; i++) {
        ck_assert(rig_key_is(&cuts, i, keys[i]));
        ck_assert_uint_eq(cuts.items[i].field_count, members[i]);
    }
    rig_cuts_clear(&cuts);
    buf_clear(&tar);
}
END_TEST

/* The slice of a sample is an archive of its own but for the end. */
START_TEST(slices) {
    struct buf tar = new_tar(), slice = new_tar();
    char big[3000];
    memset(big, 'x', sizeof big);
    rig_tar_file(&tar, "a.txt", "A");
    size_t start = tar.size;
    rig_tar_pax(&tar, "path", "bb/b.txt", 8);
    rig_tar_member(&tar, "cut-short", '0', big, sizeof big);
    rig_tar_member(&tar, "a-directory/", '5', NULL, 0);
    rig_tar_file(&tar, "bb/b.cls", "7");
    size_t end = tar.size - 511;
    size_t last = tar.size;
    rig_tar_file(&tar, "c.txt", "C");
    rig_tar_end(&tar);
    struct rig_cuts cuts;
    cut(&cuts, &tar, &plain, (struct rig_shape){0}, 0);
    ck_assert_uint_eq(cuts.count, 3);
    ck_assert_uint_eq(cuts.items[0].offset, 0);
    ck_assert_uint_eq(cuts.items[0].length, 513);
    ck_assert(rig_key_is(&cuts, 1, "bb/b"));
    ck_assert_uint_eq(cuts.items[1].offset, start);
    ck_assert_uint_eq(cuts.items[1].length, end - start);
    ck_assert_uint_eq(cuts.items[2].offset, last);
    rig_tar_data(&slice, tar.data + start, end - start);
    rig_tar_end(&slice);
    struct rig_cuts again;
    cut(&again, &slice, &plain, (struct rig_shape){0}, 0);
    ck_assert_uint_eq(again.count, 1);
    ck_assert_uint_eq(again.items[0].nbytes, cuts.items[1].nbytes);
    ck_assert(!memcmp(again.text.data, cuts.text.data + cuts.items[1].start, again.items[0].nbytes));
    rig_cuts_clear(&again);
    rig_cuts_clear(&cuts);
    buf_clear(&slice);
    buf_clear(&tar);
}
END_TEST

START_TEST(long_names) {
    struct buf tar = new_tar();
    char name[400];
    memset(name, 'n', sizeof name);
    memcpy(name + 300, ".jpg", 5);
    rig_tar_member(&tar, "././@LongLink", 'L', name, strlen(name) + 1);
    rig_tar_file(&tar, "nnnn", "gnu");
    rig_tar_pax(&tar, "path", name, strlen(name));
    rig_tar_file(&tar, "nnnn", "pax"); /* the same name: the same sample */
    rig_tar_pax(&tar, "path",
                "gr\xc3\xbc\xc3\x9f"
                "e.txt",
                11);
    rig_tar_file(&tar, "?", "utf-8");
    rig_tar_end(&tar);
    EXPECT(&tar, &plain, SL_OK, "!duplicate-member", "txt=utf-8;", NULL);
    struct rig_cuts cuts;
    cut(&cuts, &tar, &plain, (struct rig_shape){0}, 0);
    ck_assert_uint_eq(cuts.items[0].key_nbytes, 300);
    ck_assert(rig_key_is(&cuts, 1,
                         "gr\xc3\xbc\xc3\x9f"
                         "e"));
    rig_cuts_clear(&cuts);
    buf_clear(&tar);
}
END_TEST

START_TEST(hostile_names) {
    static const char *const names[] = {"/etc/passwd", "../up.jpg", "a/../b.jpg",   "..",
                                        "a/..",        "..\\w.jpg", "bell\a.jpg",   "del\x7f.jpg",
                                        "caf\xe9.jpg", "x.j\npg",   "\xed\xa0\x80", "\\\\host\\x"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buf tar = new_tar();
        rig_tar_file(&tar, "a.jpg", "A");
        rig_tar_file(&tar, names[i], "evil");
        rig_tar_file(&tar, "b.jpg", "B");
        rig_tar_end(&tar);
        EXPECT(&tar, &plain, SL_OK, "jpg=A;", "!hostile-name", "jpg=B;", NULL);
        buf_clear(&tar);
    }
    struct buf tar = new_tar();
    char name[1200];
    memset(name, 'n', sizeof name);
    rig_tar_pax(&tar, "path", "caf\xe9.jpg", 8); /* not the UTF-8 that pax promises */
    rig_tar_file(&tar, "x", "evil");
    rig_tar_pax(&tar, "path", name, sizeof name);
    rig_tar_file(&tar, "x", "evil");
    rig_tar_file(&tar, "fine..jpg", "..");
    rig_tar_file(&tar, "a.b/...c/d.jpg", "D");
    rig_tar_end(&tar);
    EXPECT(&tar, &plain, SL_OK, "!hostile-name", "!hostile-name", ".jpg=..;", "jpg=D;", NULL);
    buf_clear(&tar);
}
END_TEST

START_TEST(what_is_no_record) {
    struct buf tar = new_tar();
    struct rig_tar_header link = rig_tar_header("l.jpg", '2', 0);
    strcpy(link.link, "/etc/passwd");
    rig_tar_finish(&link);
    rig_tar_file(&tar, "a.jpg", "A");
    buf_append(&tar, &link, sizeof link);
    link = rig_tar_header("h.jpg", '1', 0);
    strcpy(link.link, "a.jpg");
    rig_tar_finish(&link);
    buf_append(&tar, &link, sizeof link);
    rig_tar_member(&tar, "dev", '3', NULL, 0);
    rig_tar_member(&tar, "fifo", '6', NULL, 0);
    rig_tar_member(&tar, "d/", '5', NULL, 0);
    rig_tar_file(&tar, "._a.jpg", "what a Mac adds");
    rig_tar_file(&tar, "a.txt", "T"); /* what is left out parts no sample */
    rig_tar_end(&tar);
    EXPECT(&tar, &plain, SL_OK, "jpg=A;txt=T;", NULL);
    struct container *container;
    struct block block;
    sl_error err;
    struct rig_stream stream = rig_stream(tar.data, tar.size);
    rig_block_open(&block, (struct rig_shape){0}, plain.max_record_nbytes);
    ck_assert(container_tar.open(&container, &plain, &err) == SL_OK);
    ck_assert(container_tar.start(container, &stream.stream, "shard", 0, &err) == SL_OK);
    ck_assert(container_tar.next(container, &block, &err) == SL_OK);
    ck_assert_uint_eq(container_tar.left_out(container), 5);
    container_tar.close(container);
    block_close(&block);
    buf_clear(&tar);
}
END_TEST

START_TEST(rejects_keep_their_place) {
    struct container_options options = plain;
    options.max_record_nbytes = 1000;
    struct buf tar = new_tar();
    char big[1001];
    memset(big, 'x', sizeof big);
    rig_tar_file(&tar, "a.jpg", "A");
    rig_tar_member(&tar, "b.jpg", '0', big, sizeof big);
    rig_tar_file(&tar, "b.txt", "B");
    rig_tar_member(&tar, "c.jpg", '0', big, 600);
    rig_tar_member(&tar, "c.txt", '0', big, 600);
    rig_tar_file(&tar, "d.jpg", "D");
    for (int i = 0; i < 65; i++) {
        char name[32];
        snprintf(name, sizeof name, "e.%d", i);
        rig_tar_file(&tar, name, "E");
    }
    rig_tar_member(&tar, "f.jpg", '0', big, 1000 - 4); /* with its names it just fits */
    rig_tar_member(&tar, "g.jpg", '0', big, 1000 - 3);
    rig_tar_end(&tar);
    struct rig_cuts cuts;
    cut(&cuts, &tar, &options, (struct rig_shape){0}, 0);
    ck_assert_int_eq(cuts.status, SL_OK);
    static const char *const codes[] = {"", "too-long", "too-long", "", "too-many-members", "", "too-long"};
    ck_assert_uint_eq(cuts.count, 7);
    for (size_t i = 0; i < 7; i++)
        ck_assert_str_eq(cuts.items[i].code, codes[i]);
    ck_assert_uint_eq(cuts.items[1].length, 512 + 1024 + 512 + 1);
    rig_cuts_clear(&cuts);
    buf_clear(&tar);
}
END_TEST

/* A block ends where the fields of one more sample might not fit. */
START_TEST(many_fields) {
    struct buf tar = new_tar();
    char name[32];
    for (int i = 0; i < 400; i++) {
        snprintf(name, sizeof name, "%d.%d", i / 40, i % 40);
        rig_tar_file(&tar, name, "x");
    }
    rig_tar_end(&tar);
    for (uint32_t max_fields = 64; max_fields < 200; max_fields += 13) {
        struct rig_cuts cuts;
        cut(&cuts, &tar, &plain, (struct rig_shape){.max_fields = max_fields}, 0);
        ck_assert_int_eq(cuts.status, SL_OK);
        ck_assert_uint_eq(cuts.count, 10);
        for (size_t i = 0; i < 10; i++)
            ck_assert_uint_eq(cuts.items[i].field_count, 40);
        rig_cuts_clear(&cuts);
    }
    buf_clear(&tar);
}
END_TEST

START_TEST(sparse_members) {
    struct buf tar = new_tar();
    struct rig_tar_header sparse = rig_tar_header("s.bin", 'S', 512);
    /* the old GNU form: the map lies over the fields behind 'minor' */
    char *map = (char *)&sparse + 386;
    memcpy(map, "00000000000", 12);
    memcpy(map + 12, "00000001000", 12);
    memcpy(map + 24, "00777777000", 12);
    memcpy(map + 36, "00000000000", 12);
    memcpy((char *)&sparse + 483, "00777777000", 12);
    memcpy(sparse.magic, "ustar  ", 8);
    rig_tar_finish(&sparse);
    char data[512] = {1};
    rig_tar_file(&tar, "a.jpg", "A");
    buf_append(&tar, &sparse, sizeof sparse);
    buf_append(&tar, data, sizeof data);
    rig_tar_file(&tar, "b.jpg", "B");
    rig_tar_end(&tar);
    EXPECT(&tar, &plain, SL_OK, "jpg=A;", "!sparse-member", "jpg=B;", NULL);
    struct rig_cuts cuts;
    cut(&cuts, &tar, &plain, (struct rig_shape){0}, 0);
    ck_assert_uint_eq(cuts.items[1].length, 1024); /* as it is stored */
    rig_cuts_clear(&cuts);
    buf_clear(&tar);
    tar = new_tar();
    rig_tar_pax(&tar, "GNU.sparse.major", "1", 1);
    rig_tar_pax(&tar, "GNU.sparse.size", "99999999999", 11);
    rig_tar_file(&tar, "s.bin", "1\n99999999990\n9\n");
    rig_tar_end(&tar);
    /* refused one way or the other, never blown up */
    cut(&cuts, &tar, &plain, (struct rig_shape){0}, 0);
    for (size_t i = 0; i < cuts.count; i++)
        ck_assert_uint_le(cuts.items[i].nbytes, 64);
    rig_cuts_clear(&cuts);
    buf_clear(&tar);
}
END_TEST

START_TEST(the_end) {
    struct container_options allow = plain;
    allow.allow_truncated = true;
    struct buf tar = new_tar();
    EXPECT(&tar, &plain, SL_OK, NULL); /* no bytes: no records */
    rig_tar_end(&tar);
    EXPECT(&tar, &plain, SL_OK, NULL);
    tar.size = 0;
    rig_tar_file(&tar, "a.jpg", "A");
    rig_tar_file(&tar, "b.jpg", "B");
    size_t whole = tar.size;
    EXPECT(&tar, &plain, SL_E_DATA, "jpg=A;", NULL); /* more of b may have followed */
    EXPECT(&tar, &allow, SL_OK, "jpg=A;", "!truncated", NULL);
    rig_tar_end(&tar);
    tar.size = whole + 512; /* one block of zeros is an end, too */
    EXPECT(&tar, &plain, SL_OK, "jpg=A;", "jpg=B;", NULL);
    tar.size = whole + 511;
    EXPECT(&tar, &plain, SL_E_DATA, "jpg=A;", NULL);
    tar.size = whole + 700; /* zeros that fill no block */
    EXPECT(&tar, &plain, SL_OK, "jpg=A;", "jpg=B;", NULL);
    tar.size = whole + 1024;
    for (int i = 0; i < 18; i++)
        rig_tar_end(&tar);
    EXPECT(&tar, &plain, SL_OK, "jpg=A;", "jpg=B;", NULL);
    rig_tar_file(&tar, "c.jpg", "C"); /* an archive behind an archive */
    rig_tar_end(&tar);
    EXPECT(&tar, &plain, SL_OK, "jpg=A;", "jpg=B;", "jpg=C;", NULL);
    buf_puts(&tar, "and then some text that is no tar at all");
    EXPECT(&tar, &plain, SL_E_DATA, "jpg=A;", "jpg=B;", NULL);
    buf_clear(&tar);
}
END_TEST

/* Data that ends in zeros is no end of the archive. */
START_TEST(zeros_that_are_data) {
    struct buf tar = new_tar();
    char zeros[4096] = {0};
    rig_tar_file(&tar, "a.jpg", "A");
    rig_tar_member(&tar, "b.bin", '0', zeros, sizeof zeros);
    EXPECT(&tar, &plain, SL_E_DATA, "jpg=A;", NULL);
    buf_clear(&tar);
}
END_TEST

/* Cut at every byte: what is delivered is always a prefix, and never a torn sample. */
START_TEST(cut_at_every_byte) {
    struct container_options allow = plain;
    allow.allow_truncated = true;
    static const char *const good[] = {"jpg=A;json={};", "jpg=B;", "jpg=C;"};
    struct buf tar = new_tar();
    rig_tar_file(&tar, "a.jpg", "A");
    rig_tar_file(&tar, "a.json", "{}");
    rig_tar_pax(&tar, "path", "b.jpg", 5);
    rig_tar_file(&tar, "x", "B");
    rig_tar_file(&tar, "c.jpg", "C");
    rig_tar_end(&tar);
    size_t whole = tar.size, data_end = whole - 1024;
    for (tar.size = 1; tar.size < whole; tar.size += tar.size % 64 == 3 ? 61 : 1) {
        for (int allowed = 0; allowed < 2; allowed++) {
            struct rig_cuts cuts;
            cut(&cuts, &tar, allowed ? &allow : &plain, (struct rig_shape){0}, 0);
            bool ended = tar.size >= data_end + 512;
            ck_assert_msg(cuts.status == (ended || allowed ? SL_OK : SL_E_DATA), "at %zu: %s", tar.size,
                          cuts.err.text);
            size_t count = cuts.count - (allowed && !ended);
            ck_assert_uint_eq(count, tar.size >= data_end + 512    ? 3u
                                     : tar.size >= data_end - 512  ? 2u
                                     : tar.size >= data_end - 1024 ? 1u
                                     : tar.size >= 2048 + 3 * 512u ? 1u
                                                                   : 0u);
            for (size_t i = 0; i < count; i++)
                ck_assert(rig_is(&cuts, i, good[i]));
            if (allowed && !ended) {
                ck_assert_str_eq(cuts.items[count].code, "truncated");
                ck_assert_uint_eq(cuts.items[count].offset + cuts.items[count].length, tar.size);
            }
            if (cuts.status != SL_OK)
                ck_assert_msg(strstr(cuts.err.text, "cut off at byte"), "at %zu: %s", tar.size,
                              cuts.err.text);
            rig_cuts_clear(&cuts);
        }
    }
    buf_clear(&tar);
}
END_TEST

START_TEST(damage) {
    struct container_options allow = plain;
    allow.allow_truncated = true;
    struct buf tar = new_tar();
    rig_tar_file(&tar, "a.jpg", "A");
    rig_tar_file(&tar, "b.jpg", "B");
    rig_tar_file(&tar, "c.jpg", "C");
    rig_tar_end(&tar);
    tar.data[2048 + 3] ^= 1; /* c's header: its sum is wrong */
    EXPECT(&tar, &plain, SL_E_DATA, "jpg=A;", NULL);
    EXPECT(&tar, &allow, SL_E_DATA, "jpg=A;", NULL); /* damage is not a missing end */
    struct rig_cuts cuts;
    cut(&cuts, &tar, &plain, (struct rig_shape){0}, 0);
    ck_assert_msg(strstr(cuts.err.text, "2048"), "%s", cuts.err.text);
    rig_cuts_clear(&cuts);
    buf_clear(&tar);
    tar = new_tar();
    for (int i = 0; i < 1000; i++)
        buf_puts(&tar, "1,2,3\n");
    cut(&cuts, &tar, &plain, (struct rig_shape){0}, 0);
    ck_assert_int_eq(cuts.status, SL_E_DATA);
    ck_assert_msg(strstr(cuts.err.text, "not a tar archive"), "%s", cuts.err.text);
    rig_cuts_clear(&cuts);
    buf_clear(&tar);
}
END_TEST

/* The stream below breaks: its own words, and all that was whole before. */
START_TEST(broken_stream) {
    struct buf tar = new_tar();
    char big[5000];
    memset(big, 'x', sizeof big);
    rig_tar_file(&tar, "a.jpg", "A");
    rig_tar_file(&tar, "b.jpg", "B");
    rig_tar_member(&tar, "c.jpg", '0', big, sizeof big);
    for (int allowed = 0; allowed < 2; allowed++)
        for (int cut_off = 0; cut_off < 2; cut_off++) {
            struct container_options options = plain;
            options.allow_truncated = allowed;
            struct rig_stream stream = rig_stream(tar.data, tar.size - 1000);
            stream.fails = SL_E_DATA;
            stream.cut_off = cut_off;
            struct rig_cuts cuts;
            rig_cut_stream(&cuts, &container_tar, &options, (struct rig_shape){1, 1, 64}, &stream, 0);
            ck_assert_int_eq(cuts.status, allowed && cut_off ? SL_OK : SL_E_DATA);
            ck_assert_uint_eq(cuts.count, allowed && cut_off ? 3 : 2);
            ck_assert(rig_is(&cuts, 0, "jpg=A;") && rig_is(&cuts, 1, "jpg=B;"));
            if (cuts.status != SL_OK)
                ck_assert_str_eq(cuts.err.text, "the stream broke");
            rig_cuts_clear(&cuts);
        }
    buf_clear(&tar);
}
END_TEST

START_TEST(headers_that_lie) {
    struct buf tar = new_tar();
    struct rig_tar_header h = rig_tar_header("a.jpg", '0', 0);
    memset(h.size, 0xff, sizeof h.size); /* base-256: -1 */
    rig_tar_finish(&h);
    buf_append(&tar, &h, sizeof h);
    rig_tar_end(&tar);
    struct rig_cuts cuts;
    cut(&cuts, &tar, &plain, (struct rig_shape){0}, 0);
    ck_assert(cuts.status == SL_E_DATA && cuts.count == 0);
    rig_cuts_clear(&cuts);
    tar.size = 0;
    h = rig_tar_header("a.jpg", '0', 0);
    memset(h.size, 0, sizeof h.size);
    h.size[0] = (char)0x80;
    h.size[4] = 0x7f; /* 9 EB */
    rig_tar_finish(&h);
    buf_append(&tar, &h, sizeof h);
    rig_tar_end(&tar);
    cut(&cuts, &tar, &plain, (struct rig_shape){0}, 0);
    ck_assert(cuts.status == SL_E_DATA && cuts.count == 0);
    rig_cuts_clear(&cuts);
    tar.size = 0;
    char *huge = mem_alloc(2u << 20, 1); /* a pax header of 2 MiB */
    memset(huge, 'p', 2u << 20);
    rig_tar_file(&tar, "a.jpg", "A");
    rig_tar_pax(&tar, "comment", huge, 2u << 20);
    rig_tar_file(&tar, "b.jpg", "B");
    rig_tar_end(&tar);
    cut(&cuts, &tar, &plain, (struct rig_shape){0}, 0);
    ck_assert_int_eq(cuts.status, SL_E_DATA);
    rig_cuts_clear(&cuts);
    mem_free(huge);
    buf_clear(&tar);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("container_tar");
    TCase *tcase = tcase_create("tar");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, samples);
    tcase_add_test(tcase, slices);
    tcase_add_test(tcase, long_names);
    tcase_add_test(tcase, hostile_names);
    tcase_add_test(tcase, what_is_no_record);
    tcase_add_test(tcase, rejects_keep_their_place);
    tcase_add_test(tcase, many_fields);
    tcase_add_test(tcase, sparse_members);
    tcase_add_test(tcase, the_end);
    tcase_add_test(tcase, zeros_that_are_data);
    tcase_add_test(tcase, cut_at_every_byte);
    tcase_add_test(tcase, damage);
    tcase_add_test(tcase, broken_stream);
    tcase_add_test(tcase, headers_that_lie);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
