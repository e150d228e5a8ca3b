/* Known answers (FIPS 180-4's examples, RFC 3720 B.4), and the same however the bytes come. */
#include "support/crc32c.h"
#include "support/hash.h"
#include "support/mem.h"
#include "support_rig.h"

static const char *sha(struct hash *h, const char *text, size_t nbytes, size_t step) {
    static char hex[HASH_HEX];
    for (size_t i = 0; i < nbytes; i += step)
        hash_add(h, text + i, nbytes - i < step ? nbytes - i : step);
    hash_finish(h, hex);
    return hex;
}

START_TEST(sha256_known) {
    struct hash *h = hash_open();
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    ck_assert_str_eq(sha(h, "", 0, 1), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    ck_assert_str_eq(sha(h, "abc", 3, 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for (size_t step = 1; step <= 56; step++)
        ck_assert_str_eq(sha(h, two_blocks, 56, step),
                         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    hash_add(h, "forgotten", 9);
    hash_reset(h);
    ck_assert_str_eq(sha(h, "abc", 3, 1), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hash_close(h);
    hash_close(NULL);
}
END_TEST

START_TEST(files) {
    char hex[HASH_HEX];
    sl_error err = {0};
    ck_assert_int_eq(hash_file(rig_puts("empty", ""), hex, &err), SL_OK);
    ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    char *million = mem_alloc(1000000, 1); /* more than one read of it */
    memset(million, 'a', 1000000);
    ck_assert_int_eq(hash_file(rig_write("million", million, 1000000), hex, &err), SL_OK);
    ck_assert_str_eq(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    mem_free(million);
    ck_assert_int_eq(hash_file(rig_path("none"), hex, &err), SL_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "none"));
    ck_assert_int_eq(hash_file(rig_dir, hex, &err), SL_E_IO); /* a directory cannot be read */
    const char *path = rig_puts("abc", "abc");
    for (size_t n = 1; n <= 2; n++) {
        mem_fail_nth(n, false);
        ck_assert_int_eq(hash_file(path, hex, &err), SL_E_MEMORY);
    }
    mem_fail_nth(1, false);
    ck_assert_ptr_null(hash_open());
}
END_TEST

START_TEST(crc32c_known) {
    unsigned char bytes[32];
    ck_assert_uint_eq(crc32c(0, "", 0), 0);
    ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xe3069283);
    memset(bytes, 0, 32);
    ck_assert_uint_eq(crc32c(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, 32);
    ck_assert_uint_eq(crc32c(0, bytes, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (unsigned char)i;
    ck_assert_uint_eq(crc32c(0, bytes, 32), 0x46dd794e);
    for (size_t cut = 0; cut <= 32; cut++)
        ck_assert_uint_eq(crc32c(crc32c(0, bytes, cut), bytes + cut, 32 - cut), 0x46dd794e);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("hash");
    TCase *tc = tcase_create("hash");
    tcase_add_checked_fixture(tc, rig_make_dir, rig_remove_dir);
    tcase_add_test(tc, sha256_known);
    tcase_add_test(tc, files);
    tcase_add_test(tc, crc32c_known);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
