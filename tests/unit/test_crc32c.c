/* CRC-32C: the check value of the catalogue, RFC 3720's examples, and the two ways equal at every length and
 * start. */
#include <string.h>

#include "harness.h"
#include "support/crc32c.h"

START_TEST(known_values) {
    unsigned char bytes[32];
    ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xe3069283u);
    ck_assert_uint_eq(crc32c(0, "", 0), 0);
    memset(bytes, 0, sizeof bytes);
    ck_assert_uint_eq(crc32c(0, bytes, 32), 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    ck_assert_uint_eq(crc32c(0, bytes, 32), 0x62a8ab43u);
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (unsigned char)i;
    ck_assert_uint_eq(crc32c_portable(0, bytes, 32), 0x46dd794eu);
}
END_TEST

START_TEST(two_ways_and_pieces) {
    unsigned char bytes[97];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 37 + 11);
    for (size_t start = 0; start < 9; start++)
        for (size_t n = 0; start + n <= sizeof bytes; n++) {
            uint32_t whole = crc32c_portable(0, bytes + start, n);
            ck_assert_uint_eq(crc32c(0, bytes + start, n), whole);
            ck_assert_uint_eq(crc32c(crc32c(0, bytes + start, n / 3), bytes + start + n / 3, n - n / 3),
                              whole);
        }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("crc32c");
    TCase *tcase = tcase_create("crc32c");
    tcase_add_test(tcase, known_values);
    tcase_add_test(tcase, two_ways_and_pieces);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
