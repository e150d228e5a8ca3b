/* Bytes that grow and bytes that do not: full, one more, and what stays after a failure. */
#include <string.h>

#include "harness.h"
#include "support/buf.h"
#include "support/mem.h"

START_TEST(grows_byte_by_byte) {
    struct buf b;
    buf_init(&b);
    for (int i = 0; i < 5000; i++) {
        ck_assert(buf_putc(&b, (char)('a' + i % 26)));
        ck_assert_uint_eq(b.size, i + 1);
        ck_assert_uint_lt(b.size, b.cap);
        ck_assert_int_eq(b.data[b.size], 0);
    }
    for (int i = 0; i < 5000; i++)
        ck_assert_int_eq(b.data[i], 'a' + i % 26);
    buf_clear(&b);
    ck_assert_ptr_null(b.data);
    ck_assert(buf_puts(&b, "again"));
    ck_assert_str_eq(b.data, "again");
    buf_clear(&b);
}
END_TEST

START_TEST(empty_appends) {
    struct buf b;
    buf_init(&b);
    ck_assert(buf_append(&b, NULL, 0));
    ck_assert(buf_puts(&b, ""));
    ck_assert(buf_printf(&b, "%s", ""));
    ck_assert(buf_reserve(&b, 0));
    ck_assert_uint_eq(b.size, 0);
    ck_assert_str_eq(b.data, "");
    buf_clear(&b);
}
END_TEST

START_TEST(prints) {
    struct buf b;
    buf_init(&b);
    for (int i = 0; i < 300; i++)
        ck_assert(buf_printf(&b, "%03d,", i));
    ck_assert_uint_eq(b.size, 1200);
    ck_assert_str_eq(b.data + 1196, "299,");
    ck_assert(buf_printf(&b, "%5000d", 7));
    ck_assert_uint_eq(b.size, 6200);
    ck_assert_int_eq(b.data[6199], '7');
    buf_reset(&b);
    ck_assert_uint_eq(b.size, 0);
    ck_assert_uint_gt(b.cap, 6200);
    buf_clear(&b);
}
END_TEST

START_TEST(fixed_full_and_one_more) {
    char room[9];
    struct buf b;
    memset(room, '#', sizeof room);
    buf_init_fixed(&b, room, 8);
    ck_assert(buf_puts(&b, "1234567"));
    ck_assert_str_eq(room, "1234567");
    ck_assert(buf_putc(&b, '8')); /* full: no NUL any more */
    ck_assert_int_eq(room[7], '8');
    ck_assert(!b.failed);
    ck_assert(!buf_putc(&b, '9'));
    ck_assert(b.failed);
    ck_assert_mem_eq(room, "12345678#", 9);
    ck_assert_uint_eq(b.size, 8);
    buf_reset(&b);
    ck_assert(!b.failed);
    ck_assert(buf_printf(&b, "%d", 1234567));
    ck_assert(!buf_printf(&b, "%d", 1));
    ck_assert_str_eq(room, "1234567");
    buf_clear(&b);
    ck_assert_int_eq(room[8], '#');

    buf_init_fixed(&b, NULL, 0);
    ck_assert(buf_append(&b, "", 0));
    ck_assert(!buf_putc(&b, 'x'));
}
END_TEST

START_TEST(failure_stays_and_content_too) {
    struct buf b;
    buf_init(&b);
    ck_assert(buf_puts(&b, "so far"));
    size_t room = b.cap - b.size;
    mem_fail_nth(1, false);
    ck_assert(!buf_reserve(&b, room + 1));
    ck_assert(b.failed);
    ck_assert(!buf_putc(&b, 'x')); /* there would be room */
    ck_assert(!buf_printf(&b, "x"));
    ck_assert_str_eq(b.data, "so far");
    buf_reset(&b);
    ck_assert(buf_puts(&b, "new"));
    ck_assert_str_eq(b.data, "new");
    ck_assert(!buf_reserve(&b, SIZE_MAX));
    buf_reset(&b);
    ck_assert(buf_puts(&b, "x"));
    ck_assert(!buf_append(&b, "", SIZE_MAX));
    ck_assert_str_eq(b.data, "x");
    buf_clear(&b);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("buf");
    TCase *tc = tcase_create("buf");
    tcase_add_test(tc, grows_byte_by_byte);
    tcase_add_test(tc, empty_appends);
    tcase_add_test(tc, prints);
    tcase_add_test(tc, fixed_full_and_one_more);
    tcase_add_test(tc, failure_stays_and_content_too);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
