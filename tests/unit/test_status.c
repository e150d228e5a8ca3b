/* Statuses, the texts of errors, and the sizes of tensors. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "harness.h"
#include "sluice/tensor.h"
#include "support/error.h"
#include "support/text.h"

START_TEST(statuses_have_names) {
    static const sl_status all[] = {SL_OK,        SL_REJECTS,  SL_E_USAGE,       SL_E_DATA,
                                    SL_E_NOINPUT, SL_E_DEVICE, SL_E_INTERNAL,    SL_E_MEMORY,
                                    SL_E_OUTPUT,  SL_E_IO,     SL_E_INTERRUPTED, SL_E_PERMISSION,
                                    SL_E_MODEL,   SL_E_GPU,    SL_E_STALL};
    enum { COUNT = sizeof all / sizeof *all };
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(strncmp(sl_status_name(all[i]), "SL_", 3), 0);
        ck_assert_str_ne(sl_status_meaning(all[i]), "unknown");
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(sl_status_name(all[i]), sl_status_name(all[j]));
    }
    ck_assert_str_eq(sl_status_name(SL_E_DATA), "SL_E_DATA");
    ck_assert_str_eq(sl_status_name((sl_status)1), "unknown");
    ck_assert_str_eq(sl_status_meaning((sl_status)79), "unknown");
}
END_TEST

START_TEST(errors) {
    sl_error err = {0};
    ck_assert_int_eq(error_set(&err, SL_E_DATA, "cannot decode record '%s'", "x"), SL_E_DATA);
    ck_assert_int_eq(err.status, SL_E_DATA);
    error_append(&err, " (shard '%s', offset %d)", "p.tar", 12);
    ck_assert_str_eq(err.text, "cannot decode record 'x' (shard 'p.tar', offset 12)");
    ck_assert_int_eq(error_set(NULL, SL_E_IO, "%s", "x"), SL_E_IO);
    error_append(NULL, "x");
    static const struct {
        sl_status in;
        int errnum;
        sl_status out;
    } cases[] = {{SL_E_IO, ENOSPC, SL_E_IO},          {SL_E_IO, EACCES, SL_E_PERMISSION},
                 {SL_E_IO, EPERM, SL_E_PERMISSION},   {SL_E_NOINPUT, EACCES, SL_E_NOINPUT},
                 {SL_E_IO, ENOMEM, SL_E_MEMORY},      {SL_E_OUTPUT, EMFILE, SL_E_MEMORY},
                 {SL_E_NOINPUT, ENFILE, SL_E_MEMORY}, {SL_E_IO, EAGAIN, SL_E_MEMORY}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_int_eq(error_errno(&err, cases[i].in, cases[i].errnum, "cannot open '%s'", "f"),
                         cases[i].out);
        ck_assert_int_eq(err.status, cases[i].out);
        ck_assert_int_eq(strncmp(err.text, "cannot open 'f': ", 17), 0);
        ck_assert_str_eq(err.text + 17, strerror(cases[i].errnum));
    }
}
END_TEST

/* However long: NUL-ended, inside its room, and no character is cut in half. */
START_TEST(errors_are_cut_whole) {
    static const char *const letters[] = {"x", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (int kind = 0; kind < 4; kind++)
        for (int shift = 0; shift < 4; shift++) {
            sl_error err = {0};
            error_set(&err, SL_E_DATA, "%.*s", shift, "abcd");
            for (int i = 0; i < SL_ERROR_NBYTES; i++)
                error_append(&err, "%s", letters[kind]);
            size_t n = strlen(err.text);
            ck_assert_uint_lt(n, SL_ERROR_NBYTES);
            ck_assert_uint_gt(n, SL_ERROR_NBYTES - 5);
            ck_assert_msg(text_is_utf8(err.text, n), "letter %d after %d", kind, shift);
            char whole[2 * SL_ERROR_NBYTES];
            size_t used = 0;
            for (; used < SL_ERROR_NBYTES + 8; used += strlen(letters[kind]))
                strcpy(whole + used, letters[kind]);
            error_set(&err, SL_E_DATA, "%.*s%s", shift, "abcd", whole);
            ck_assert(text_is_utf8(err.text, strlen(err.text)));
            ck_assert_uint_gt(strlen(err.text), SL_ERROR_NBYTES - 5);
        }
}
END_TEST

START_TEST(dtypes) {
    static const struct {
        sl_dtype dtype;
        unsigned nbits;
        const char *name;
    } cases[] = {{SL_FLOAT, 32, "float"},
                 {SL_UINT8, 8, "uint8"},
                 {SL_INT64, 64, "int64"},
                 {SL_BOOL, 8, "bool"},
                 {SL_FLOAT16, 16, "float16"},
                 {SL_DOUBLE, 64, "double"},
                 {SL_BFLOAT16, 16, "bfloat16"},
                 {SL_FLOAT8E8M0, 8, "float8e8m0"},
                 {SL_UINT2, 2, "uint2"},
                 {SL_INT4, 4, "int4"},
                 {SL_COMPLEX128, 128, "complex128"},
                 {SL_UNDEFINED, 0, "undefined"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_uint_eq(sl_dtype_nbits(cases[i].dtype), cases[i].nbits);
        ck_assert_str_eq(sl_dtype_name(cases[i].dtype), cases[i].name);
    }
    static const int unknown[] = {27, 28, 31, 1000, -1, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        ck_assert_uint_eq(sl_dtype_nbits((sl_dtype)unknown[i]), 0);
        ck_assert_str_eq(sl_dtype_name((sl_dtype)unknown[i]), "undefined");
    }
}
END_TEST

START_TEST(shapes) {
    int64_t count;
    size_t nbytes;
    ck_assert(sl_shape_count(0, NULL, &count) && count == 1);
    ck_assert(sl_shape_count(3, (int64_t[]){2, 3, 4}, &count) && count == 24);
    ck_assert(sl_shape_count(2, (int64_t[]){0, INT64_MAX}, &count) && count == 0);
    ck_assert(sl_shape_count(3, (int64_t[]){INT64_MAX, INT64_MAX, 0}, &count) && count == 0);
    ck_assert(sl_shape_count(1, (int64_t[]){INT64_MAX}, &count) && count == INT64_MAX);
    ck_assert(!sl_shape_count(2, (int64_t[]){INT64_MAX, 2}, &count));
    ck_assert(!sl_shape_count(2, (int64_t[]){0, -1}, &count));
    ck_assert(!sl_shape_count(-1, NULL, &count));
    ck_assert(!sl_shape_count(SL_MAX_RANK + 1, (int64_t[SL_MAX_RANK + 1]){0}, &count));
    ck_assert(sl_shape_nbytes(SL_FLOAT, 2, (int64_t[]){3, 5}, &nbytes) && nbytes == 60);
    ck_assert(sl_shape_nbytes(SL_INT4, 1, (int64_t[]){3}, &nbytes) && nbytes == 2);
    ck_assert(sl_shape_nbytes(SL_INT4, 1, (int64_t[]){0}, &nbytes) && nbytes == 0);
    ck_assert(sl_shape_nbytes(SL_INT4, 1, (int64_t[]){INT64_MAX}, &nbytes) && nbytes == (size_t)1 << 62);
    ck_assert(sl_shape_nbytes(SL_STRING, 0, NULL, &nbytes) && nbytes == sizeof(sl_string));
    ck_assert(sl_shape_nbytes(SL_UINT8, 1, (int64_t[]){INT64_MAX}, &nbytes) && nbytes == INT64_MAX);
    ck_assert(!sl_shape_nbytes(SL_UINT16, 1, (int64_t[]){INT64_MAX / 2 + 1}, &nbytes));
    ck_assert(!sl_shape_nbytes(SL_UNDEFINED, 0, NULL, &nbytes));
    ck_assert(!sl_shape_nbytes(SL_FLOAT, 1, (int64_t[]){-1}, &nbytes));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("status");
    TCase *tc = tcase_create("status");
    tcase_add_test(tc, statuses_have_names);
    tcase_add_test(tc, errors);
    tcase_add_test(tc, errors_are_cut_whole);
    tcase_add_test(tc, dtypes);
    tcase_add_test(tc, shapes);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
