/* test_filter_library.c: bzip2, xz and lz4: whole streams, streams that follow one another, padding, junk,
 * every cut and flipped bits; and never a second layer. */
#include <archive.h>
#include <archive_entry.h>

#include "filter_rig.h"

/* One compressed stream, appended. */
static void encode(struct buf *out, int code, const void *data, size_t nbytes) {
    size_t cap = nbytes + (nbytes >> 1) + 65536, used = 0;
    struct archive *a = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    char *room = mem_alloc(cap, 1);
    ck_assert_int_eq(archive_write_add_filter(a, code), ARCHIVE_OK);
    ck_assert_int_eq(archive_write_set_format_raw(a), ARCHIVE_OK);
    archive_write_set_bytes_in_last_block(a, 1);
    ck_assert_int_eq(archive_write_open_memory(a, room, cap, &used), ARCHIVE_OK);
    archive_entry_set_pathname(entry, "data");
    archive_entry_set_filetype(entry, AE_IFREG);
    ck_assert_int_eq(archive_write_header(a, entry), ARCHIVE_OK);
    ck_assert_int_eq(archive_write_data(a, data, nbytes), (la_ssize_t)nbytes);
    ck_assert_int_eq(archive_write_close(a), ARCHIVE_OK);
    buf_append(out, room, used);
    archive_entry_free(entry);
    archive_write_free(a);
    mem_free(room);
}

static const struct {
    const struct filter_ops *ops;
    int code;
} coders[] = {{&filter_bzip2, ARCHIVE_FILTER_BZIP2},
              {&filter_xz, ARCHIVE_FILTER_XZ},
              {&filter_lz4, ARCHIVE_FILTER_LZ4}};

START_TEST(whole_streams) {
    static const size_t sizes[] = {1, 31, 32, 33, 9973, 1500000};
    for (size_t i = 0; i < 6; i++) {
        struct buf text = text_of(sizes[i], i), stored;
        buf_init(&stored);
        encode(&stored, coders[_i].code, text.data, text.size);
        ck_assert(coders[_i].ops->matches((unsigned char *)stored.data, stored.size));
        ck_assert(!coders[_i].ops->matches((unsigned char *)stored.data, 2));
        expect(coders[_i].ops, &stored, &text, text.size, NULL);
        buf_clear(&stored);
        buf_clear(&text);
    }
}
END_TEST

START_TEST(nothing_at_all) {
    struct buf none = {0};
    expect(coders[_i].ops, &none, &none, 0, NULL);
}
END_TEST

START_TEST(streams_that_follow) {
    struct buf text = text_of(5000, 3), stored;
    buf_init(&stored);
    encode(&stored, coders[_i].code, text.data, 3000);
    encode(&stored, coders[_i].code, text.data + 3000, text.size - 3000);
    expect(coders[_i].ops, &stored, &text, text.size, NULL);
    buf_puts(&stored, "junk that is nothing");
    struct run run = decode(coders[_i].ops, stored.data, stored.size, 4096, 4096);
    ck_assert_int_eq(run.status, SL_E_DATA);
    buf_clear(&run.out);
    buf_clear(&stored);
    buf_clear(&text);
}
END_TEST

/* A cut stream is never taken for a whole one, and what comes before is right. */
START_TEST(cut_streams) {
    struct buf text = text_of(3000, 5), stored;
    buf_init(&stored);
    encode(&stored, coders[_i].code, text.data, text.size);
    for (size_t cut = 1; cut < stored.size; cut++) {
        struct run run = decode(coders[_i].ops, stored.data, cut, 64, 700);
        ck_assert_msg(run.status == SL_E_DATA, "cut at %zu of %zu: status %d", cut, stored.size, run.status);
        ck_assert(run.cut_off);
        ck_assert(run.out.size <= text.size &&
                  !memcmp(run.out.data ? run.out.data : "", text.data, run.out.size));
        buf_clear(&run.out);
    }
    buf_clear(&stored);
    buf_clear(&text);
}
END_TEST

START_TEST(flipped_bits) {
    struct buf text = text_of(600, 6), stored;
    buf_init(&stored);
    encode(&stored, coders[_i].code, text.data, text.size);
    for (size_t bit = 0; bit < 8 * stored.size; bit++) {
        stored.data[bit / 8] ^= (char)(1 << bit % 8);
        struct run run = decode(coders[_i].ops, stored.data, stored.size, 4096, 4096);
        bool same = run.out.size == text.size && !memcmp(run.out.data, text.data, text.size);
        ck_assert_msg(run.status != SL_OK || same, "bit %zu was not noticed", bit);
        stored.data[bit / 8] ^= (char)(1 << bit % 8);
        buf_clear(&run.out);
    }
    buf_clear(&stored);
    buf_clear(&text);
}
END_TEST

/* What is inside stays as it is: one layer, however many there are. */
START_TEST(one_layer) {
    struct buf text = text_of(2000, 7), inner, stored;
    buf_init(&inner);
    buf_init(&stored);
    rig_gzip(&inner, text.data, text.size);
    encode(&stored, coders[_i].code, inner.data, inner.size);
    expect(coders[_i].ops, &stored, &inner, inner.size, NULL);
    buf_reset(&inner);
    buf_reset(&stored);
    encode(&inner, coders[_i].code, text.data, text.size);
    encode(&stored, coders[_i].code, inner.data, inner.size);
    expect(coders[_i].ops, &stored, &inner, inner.size, NULL);
    buf_clear(&inner);
    buf_clear(&stored);
    buf_clear(&text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("filter_library");
    TCase *c = tcase_create("filter_library");
    int count = (int)(sizeof coders / sizeof *coders);
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, whole_streams, 0, count);
    tcase_add_loop_test(c, nothing_at_all, 0, count);
    tcase_add_loop_test(c, streams_that_follow, 0, count);
    tcase_add_loop_test(c, cut_streams, 0, count);
    tcase_add_loop_test(c, flipped_bits, 0, count);
    tcase_add_loop_test(c, one_layer, 0, count);
    suite_add_tcase(suite, c);
    return harness_run(suite);
}
