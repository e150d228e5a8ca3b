/* NaN and infinities are found at every place of a row of any length, in every type of floats, and nothing
 * else is. */
#include <check.h>
#include <string.h>

#include "job/job.h"
#include "tests/unit/harness.h"

static const struct {
    sl_dtype dtype;
    size_t nbytes;
    uint64_t large, infinite, nan; /* bits: the largest number, minus infinity, a NaN */
} types[] = {{SL_FLOAT, 4, 0x7f7fffff, 0xff800000, 0x7f800001},
             {SL_DOUBLE, 8, 0x7fefffffffffffff, 0xfff0000000000000, 0x7ff8000000000000},
             {SL_FLOAT16, 2, 0x7bff, 0xfc00, 0x7e01},
             {SL_BFLOAT16, 2, 0x7f7f, 0xff80, 0x7fc0}};

START_TEST(every_place) {
    static const size_t sizes[] = {1, 2, 31, 32, 33, 64, 97};
    char row[97 * 8];
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            size_t n = sizes[s], each = types[t].nbytes;
            for (size_t i = 0; i < n; i++)
                memcpy(row + i * each, &types[t].large, each);
            ck_assert(job_is_finite(types[t].dtype, row, n * each));
            for (size_t i = 0; i < n; i++) {
                memcpy(row + i * each, i % 2 ? &types[t].nan : &types[t].infinite, each);
                ck_assert_msg(!job_is_finite(types[t].dtype, row, n * each), "type %zu: %zu of %zu", t, i, n);
                memcpy(row + i * each, &types[t].large, each);
            }
        }
}
END_TEST

START_TEST(others_are_finite) {
    unsigned char row[64];
    memset(row, 0xff, sizeof row);
    ck_assert(job_is_finite(SL_INT32, row, sizeof row));
    ck_assert(job_is_finite(SL_STRING, row, sizeof row));
    ck_assert(job_is_finite(SL_FLOAT, row, 0));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("finite");
    TCase *tc = tcase_create("finite");
    tcase_add_test(tc, every_place);
    tcase_add_test(tc, others_are_finite);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
