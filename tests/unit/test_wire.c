/* test_wire.c: the wire reader on good, cut and hostile bytes. */
#include <string.h>

#include "support/wire.h"
#include "harness.h"

static struct wire over(const char *bytes, size_t nbytes) {
    return wire_over(bytes, nbytes);
}
#define OVER(bytes) over(bytes, sizeof bytes - 1)

START_TEST(nothing_is_a_message_without_fields) {
    struct wire w = over("", 0);
    struct wire_field f;
    ck_assert(!wire_next(&w, &f));
    ck_assert(!w.bad);
}
END_TEST

START_TEST(each_type_is_read) {
    struct wire w = OVER("\x08\x96\x01"                         /* 1: varint 150 */
                         "\x11\x01\x02\x03\x04\x05\x06\x07\x08" /* 2: fixed64 */
                         "\x1a\x02hi"                           /* 3: bytes */
                         "\x25\x00\x00\x80\x3f"                 /* 4: fixed32 */
                         "\x2a\x00");                           /* 5: no bytes */
    struct wire_field f;
    ck_assert(wire_next(&w, &f) && f.number == 1 && f.type == WIRE_VARINT && f.value == 150);
    ck_assert(wire_next(&w, &f) && f.number == 2 && f.value == 0x0807060504030201u);
    ck_assert(wire_next(&w, &f) && f.number == 3 && f.nbytes == 2 && !memcmp(f.data, "hi", 2));
    ck_assert(wire_next(&w, &f) && f.number == 4 && f.value == 0x3f800000u);
    ck_assert(wire_next(&w, &f) && f.number == 5 && f.nbytes == 0);
    ck_assert(!wire_next(&w, &f));
    ck_assert(!w.bad);
}
END_TEST

START_TEST(every_cut_is_seen) {
    static const char good[] =
        "\x08\x96\x01\x11\x01\x02\x03\x04\x05\x06\x07\x08\x1a\x02hi\x25\x00\x00\x80\x3f";
    static const size_t ends[] = {0, 3, 12, 16, 21}; /* where a field ends */
    for (size_t n = 0; n < sizeof good; n++) {
        struct wire w = over(good, n);
        struct wire_field f;
        bool whole = false;
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
            whole = whole || ends[i] == n;
        while (wire_next(&w, &f)) {
        }
        ck_assert_msg(w.bad == !whole, "cut at %zu", n);
    }
}
END_TEST

static bool is_bad(const char *bytes, size_t nbytes) {
    struct wire w = over(bytes, nbytes);
    struct wire_field f;
    while (wire_next(&w, &f)) {
    }
    return w.bad;
}

START_TEST(hostile_bytes_are_bad) {
    ck_assert(is_bad("\x00\x00", 2));                                          /* field 0 */
    ck_assert(is_bad("\x0b\x0c", 2));                                          /* a group */
    ck_assert(is_bad("\x0e", 1));                                              /* type 6 */
    ck_assert(is_bad("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11));     /* 65 bits */
    ck_assert(is_bad("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 12)); /* 11 bytes */
    ck_assert(is_bad("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11));     /* length 2^64 - 1 */
    ck_assert(is_bad("\xf8\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 11));     /* a huge field number */
    ck_assert(!is_bad("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11));    /* 2^64 - 1 itself is fine */
}
END_TEST

START_TEST(lists_are_counted) {
    struct wire w = OVER("\x0a\x04\x01\x96\x01\x02"                 /* packed varints: 1, 150, 2 */
                         "\x12\x08\x00\x00\x00\x00\x00\x00\x00\x00" /* packed: 8 bytes */
                         "\x18\x05");                               /* one varint */
    struct wire_field f;
    size_t count;
    ck_assert(wire_next(&w, &f) && wire_count(&w, &f, 0, &count));
    ck_assert_uint_eq(count, 3);
    ck_assert(wire_next(&w, &f) && wire_count(&w, &f, 4, &count));
    ck_assert_uint_eq(count, 2);
    ck_assert(wire_count(&w, &f, 8, &count));
    ck_assert_uint_eq(count, 1);
    ck_assert(wire_next(&w, &f) && wire_count(&w, &f, 0, &count));
    ck_assert_uint_eq(count, 1);
}
END_TEST

START_TEST(broken_lists_are_bad) {
    struct wire_field f;
    size_t count;
    struct wire w = OVER("\x0a\x03\x01\x02\x03");
    ck_assert(wire_next(&w, &f) && !wire_count(&w, &f, 4, &count) && w.bad);
    w = OVER("\x0a\x02\x01\x80");
    ck_assert(wire_next(&w, &f) && !wire_count(&w, &f, 0, &count) && w.bad);
    w = OVER("\x0d\x01\x02\x03\x04"); /* fixed32 where varints are expected */
    ck_assert(wire_next(&w, &f) && !wire_count(&w, &f, 0, &count) && w.bad);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("wire");
    TCase *t = tcase_create("wire");
    tcase_add_test(t, nothing_is_a_message_without_fields);
    tcase_add_test(t, each_type_is_read);
    tcase_add_test(t, every_cut_is_seen);
    tcase_add_test(t, hostile_bytes_are_bad);
    tcase_add_test(t, lists_are_counted);
    tcase_add_test(t, broken_lists_are_bad);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
