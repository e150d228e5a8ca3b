/* Filters: whole streams, streams that follow one another, padding, junk, every cut and every flipped bit.
 * Bytes come from a file through windows of all sizes. */
#include "filter_rig.h"

static const struct {
    const struct filter_ops *ops;
    void (*encode)(struct buf *out, const void *data, size_t nbytes);
} coders[] = {{&filter_gzip, rig_gzip}, {&filter_zstd, rig_zstd}};
enum { CODERS = 2, ROOMS = 4 };
/* for whole members: none; too little for most; enough for some; for all */
static const size_t rooms[ROOMS] = {0, 4096, 20000, 4u << 20};

START_TEST(plain_bytes) {
    struct buf text = text_of(100000, 1), none = {0};
    expect(&filter_none, &text, &text, text.size, NULL);
    expect(&filter_none, &none, &none, 0, NULL);
    buf_clear(&text);
}
END_TEST

START_TEST(whole_streams) {
    rig_room = rooms[_i];
    static const size_t sizes[] = {0, 1, 31, 32, 33, 9973, 300000};
    for (int c = 0; c < CODERS; c++)
        for (size_t i = 0; i < 7; i++) {
            struct buf text = text_of(sizes[i], i), stored;
            buf_init(&stored);
            coders[c].encode(&stored, text.data, text.size);
            ck_assert(coders[c].ops->matches((unsigned char *)stored.data, stored.size));
            ck_assert(!coders[c].ops->matches((unsigned char *)stored.data, 2));
            expect(coders[c].ops, &stored, &text, text.size, NULL);
            buf_clear(&stored);
            buf_clear(&text);
        }
}
END_TEST

START_TEST(streams_that_follow) {
    rig_room = rooms[_i];
    for (int c = 0; c < CODERS; c++) {
        struct buf text = text_of(5000, 3), stored;
        buf_init(&stored);
        coders[c].encode(&stored, text.data, 3000);
        coders[c].encode(&stored, text.data, 0);
        coders[c].encode(&stored, text.data + 3000, text.size - 3000);
        expect(coders[c].ops, &stored, &text, text.size, NULL);
        for (int i = 0; i < 700; i++)
            buf_putc(&stored, 0);
        expect(coders[c].ops, &stored, &text, text.size, NULL);
        buf_puts(&stored, "x");
        expect(coders[c].ops, &stored, &text, text.size, "bytes follow");
        stored.size -= 701;
        size_t end = stored.size;
        buf_puts(&stored, "junk");
        expect(coders[c].ops, &stored, &text, text.size, "bytes follow");
        struct run run = decode(coders[c].ops, stored.data, stored.size, 4096, 4096);
        ck_assert(!run.cut_off);
        char at[32];
        snprintf(at, sizeof at, "at byte %zu", end);
        if (c == 0)
            ck_assert_msg(strstr(run.err.text, at), "'%s' does not say '%s'", run.err.text, at);
        buf_clear(&run.out);
        buf_clear(&stored);
        buf_clear(&text);
    }
}
END_TEST

START_TEST(skippable_frames) {
    struct buf text = text_of(5000, 4), stored;
    buf_init(&stored);
    buf_append(&stored, "\x5a\x2a\x4d\x18\x05\0\0\0hello", 13);
    ck_assert(filter_zstd.matches((unsigned char *)stored.data, stored.size));
    rig_zstd(&stored, text.data, text.size);
    buf_append(&stored, "\x50\x2a\x4d\x18\0\0\0\0", 8);
    expect(&filter_zstd, &stored, &text, text.size, NULL);
    stored.size -= 2;
    expect(&filter_zstd, &stored, &text, text.size, "cut off");
    buf_clear(&stored);
    buf_clear(&text);
}
END_TEST

/* Cut at every byte: a prefix of the text, and the words for it. */
START_TEST(cut_streams) {
    rig_room = rooms[_i];
    for (int c = 0; c < CODERS; c++) {
        struct buf text = text_of(2000, 5), stored;
        buf_init(&stored);
        coders[c].encode(&stored, text.data, text.size);
        size_t first = stored.size;
        coders[c].encode(&stored, text.data, text.size);
        for (size_t cut = 0; cut < stored.size; cut++) {
            struct run run = decode(coders[c].ops, stored.data, cut, 64, 700);
            bool clean = cut == 0 || cut == first;
            ck_assert_msg((run.status == SL_OK) == clean, "cut at %zu: %s", cut, run.err.text);
            ck_assert_int_eq(run.cut_off, !clean);
            if (!clean) {
                char said[64];
                snprintf(said, sizeof said, "is cut off at byte %zu", cut);
                ck_assert_msg(strstr(run.err.text, said), "'%s' does not say '%s'", run.err.text, said);
                ck_assert_int_eq(run.status, SL_E_DATA);
            }
            for (size_t i = 0; i < run.out.size; i++)
                ck_assert(run.out.data[i] == text.data[i % text.size]);
            ck_assert(cut < first || run.out.size >= text.size);
            if (cut % 16 == 0 ||
                (cut < first && cut + 8 > first)) { /* all of it comes out, however little at a time */
                struct run slow = decode(coders[c].ops, stored.data, cut, 64, 5);
                ck_assert_uint_eq(slow.out.size, run.out.size);
                buf_clear(&slow.out);
            }
            buf_clear(&run.out);
        }
        buf_clear(&stored);
        buf_clear(&text);
    }
}
END_TEST

/* One flipped bit is found (but for the bits that mean nothing: gzip's time, flags and system). */
START_TEST(flipped_bits) {
    rig_room = rooms[_i];
    for (int c = 0; c < CODERS; c++) {
        struct buf text = text_of(500, 6), stored;
        buf_init(&stored);
        coders[c].encode(&stored, text.data, text.size);
        for (size_t bit = 0; bit < 8 * stored.size; bit += 1 + bit % 5) {
            stored.data[bit / 8] ^= (char)(1 << bit % 8);
            struct run run = decode(coders[c].ops, stored.data, stored.size, 4096, 4096);
            bool same = run.out.size == text.size && !memcmp(run.out.data, text.data, text.size);
            ck_assert_msg(run.status != SL_OK || same, "bit %zu was not noticed", bit);
            ck_assert(run.status == SL_OK || run.status == SL_E_DATA || run.status == SL_E_MEMORY);
            stored.data[bit / 8] ^= (char)(1 << bit % 8);
            buf_clear(&run.out);
        }
        buf_clear(&stored);
        buf_clear(&text);
    }
}
END_TEST

/* What was decoded before the damage is delivered: a good part of a large stream. */
START_TEST(damage_comes_last) {
    rig_room = rooms[_i];
    for (int c = 0; c < CODERS; c++) {
        struct buf text = text_of(3000000, 7), stored;
        buf_init(&stored);
        coders[c].encode(&stored, text.data, text.size);
        memset(stored.data + stored.size * 3 / 4, 0xff, 64);
        struct run run = decode(coders[c].ops, stored.data, stored.size, 1u << 18, 1u << 20);
        ck_assert_int_eq(run.status, SL_E_DATA);
        ck_assert(!run.cut_off);
        ck_assert_msg(strstr(run.err.text, "is damaged at byte"), "%s", run.err.text);
        ck_assert_uint_gt(run.out.size, text.size / 2);
        /* gzip's own check of lengths and checksums comes at its end: the last few bytes may be wrong */
        ck_assert(!memcmp(run.out.data, text.data, text.size / 2));
        buf_clear(&run.out);
        buf_clear(&stored);
        buf_clear(&text);
    }
}
END_TEST

/* A wrong checksum is found behind the last byte: all of them are delivered, however little at a time. */
START_TEST(wrong_checksum) {
    rig_room = rooms[_i];
    for (int c = 0; c < CODERS; c++) {
        struct buf text = text_of(9000, 8), stored;
        buf_init(&stored);
        coders[c].encode(&stored, text.data, text.size);
        stored.data[stored.size - (c ? 1 : 5)] ^= 1;
        expect(coders[c].ops, &stored, &text, text.size, "is damaged at byte");
        buf_clear(&stored);
        buf_clear(&text);
    }
}
END_TEST

/* How much comes before the damage does not depend on how much is asked for at a time. */
START_TEST(damage_between_blocks) {
    static const size_t steps[] = {100, 4099, 1u << 17, 1u << 20};
    struct buf text = text_of(900000, 9), stored;
    buf_init(&stored);
    rig_zstd(&stored, text.data, text.size);
    for (size_t at = stored.size / 3; at < stored.size / 3 + 40; at++) {
        size_t first = 0;
        stored.data[at] ^= 0x15;
        for (size_t i = 0; i < 4; i++) {
            struct run run = decode(&filter_zstd, stored.data, stored.size, 1u << 18, steps[i]);
            ck_assert_int_eq(run.status, SL_E_DATA);
            first = i ? first : run.out.size;
            ck_assert_uint_eq(run.out.size, first);
            buf_clear(&run.out);
        }
        ck_assert_uint_ge(first, 128u << 10);
        stored.data[at] ^= 0x15;
    }
    buf_clear(&stored);
    buf_clear(&text);
}
END_TEST

/* Members that the room cuts, in a file that it does not hold, one of which it never can: whoever decodes
 * them. */
START_TEST(members_of_all_sizes) {
    static const size_t sizes[] = {100, 9000, 40000, 3, 0, 250000, 77, 30000, 12000};
    rig_room = rooms[_i];
    struct buf text = text_of(400000, 11), stored;
    buf_init(&stored);
    size_t at = 0;
    for (size_t i = 0; i < 9; at += sizes[i++])
        rig_gzip(&stored, text.data + at, sizes[i]);
    text.size = at;
    expect(&filter_gzip, &stored, &text, text.size, NULL);
    stored.data[stored.size - 6] ^= 1;
    expect(&filter_gzip, &stored, &text, text.size, "is damaged at byte");
    buf_clear(&stored);
    buf_clear(&text);
}
END_TEST

START_TEST(failing_reads) {
    for (size_t i = 0; filter_table[i]; i++) {
        struct filter *filter;
        sl_error err = {0};
        unsigned char window[64];
        char out[64];
        struct source source = {
            .fd = open("/tmp", O_RDONLY | O_DIRECTORY), .window = window, .window_cap = 64};
        ck_assert(filter_table[i]->open(&filter, &err) == SL_OK);
        ck_assert(filter_table[i]->start(filter, &err) == SL_OK);
        ck_assert_int_eq(filter_table[i]->read(filter, &source, out, sizeof out, &err), -1);
        ck_assert_int_eq(err.status, SL_E_IO);
        ck_assert(!source.cut_off);
        ck_assert_msg(strstr(err.text, "read failed at byte 0"), "%s", err.text);
        filter_table[i]->close(filter);
        close(source.fd);
    }
}
END_TEST

START_TEST(no_memory) {
    for (size_t i = 0; filter_table[i]; i++) {
        struct filter *filter = NULL;
        sl_error err = {0};
        mem_fail_nth(1, false);
        ck_assert_int_eq(filter_table[i]->open(&filter, &err), SL_E_MEMORY);
        mem_fail_nth(0, false);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("filter");
    TCase *tcase = tcase_create("filters");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, plain_bytes);
    tcase_add_loop_test(tcase, whole_streams, 0, ROOMS);
    tcase_add_loop_test(tcase, streams_that_follow, 0, ROOMS);
    tcase_add_test(tcase, skippable_frames);
    tcase_add_loop_test(tcase, cut_streams, 0, ROOMS);
    tcase_add_loop_test(tcase, flipped_bits, 0, ROOMS);
    tcase_add_loop_test(tcase, damage_comes_last, 0, ROOMS);
    tcase_add_loop_test(tcase, wrong_checksum, 0, ROOMS);
    tcase_add_test(tcase, damage_between_blocks);
    tcase_add_loop_test(tcase, members_of_all_sizes, 0, ROOMS);
    tcase_add_test(tcase, failing_reads);
    tcase_add_test(tcase, no_memory);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
