/* test_cuda_walk.c: division by multiplication, and walks whose dims are joined. */
#include "harness.h"
#include "infer/cuda/cuda_walk.h"

static uint32_t quotient(uint32_t n, struct k_divide d) { /* as k_quotient of k_device.cuh */
    return d.multiplier ? (uint32_t)((uint64_t)n * d.multiplier >> 32) >> d.shift : n;
}

START_TEST(divides_like_a_division) {
    static const uint32_t divisors[] = {1,          2,          3,          5,         7,       10,
                                        49,         127,        128,        129,       1000,    3136,
                                        12544,      65535,      65536,      65537,     1000003, 0x3fffffff,
                                        0x40000000, 0x40000001, 0x7ffffffe, 0x7fffffff};
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof divisors / sizeof *divisors; i++) {
        struct k_divide d = k_divide_by(divisors[i]);
        for (uint32_t k = 0; k < 20000; k++) {
            random = random * 1664525u + 1013904223u;
            uint32_t multiple = random % (0x7fffffffu / divisors[i] + 1) * divisors[i];
            uint32_t tries[] = {k, random >> 1, multiple, multiple ? multiple - 1 : 0, 0x7fffffffu - k};
            for (int t = 0; t < 5; t++)
                ck_assert_uint_eq(quotient(tries[t], d), tries[t] / divisors[i]);
        }
    }
}
END_TEST

static sl_tensor shape(int rank, const int64_t *dims) {
    sl_tensor t = {.dtype = SL_FLOAT, .rank = rank};
    for (int d = 0; d < rank; d++)
        t.dims[d] = dims[d];
    return t;
}

START_TEST(joins_what_all_take_as_one) {
    struct walk_plan w;
    struct k_walk k;
    sl_tensor y = shape(4, (int64_t[]){2, 3, 4, 5}), bias = shape(1, (int64_t[]){5});
    sl_tensor channels = shape(3, (int64_t[]){3, 1, 1}), one = shape(0, NULL);
    struct walk_value image = {&y, false}, turned = {&y, true};
    struct walk_value same[] = {image, image, {&one, false}}, row[] = {image, {&bias, false}};
    struct walk_value channel[] = {image, {&channels, false}},
                      last[] = {turned, turned, {&channels, false}, image};
    walk_over(&w, image, same, 3);
    ck_assert(walk_make(&w, &k));
    ck_assert_int_eq(k.rank, 1);
    ck_assert_uint_eq(k.count, 120);
    ck_assert(k.steps[0][0] == 1 && k.steps[1][0] == 1 && k.steps[2][0] == 0);
    walk_over(&w, image, row, 2);
    ck_assert(walk_make(&w, &k));
    ck_assert(k.rank == 2 && k.dims[0].by == 24 && k.steps[1][0] == 0 && k.steps[1][1] == 1);
    walk_over(&w, image, channel, 2);
    ck_assert(walk_make(&w, &k));
    ck_assert(k.rank == 3 && k.dims[1].by == 3 && k.dims[2].by == 20 && k.steps[1][1] == 1 &&
              k.steps[1][2] == 0);
    walk_over(&w, turned, last, 4);
    ck_assert(walk_make(&w, &k)); /* [n, hw, c] */
    ck_assert(k.rank == 3 && k.dims[1].by == 20 && k.dims[2].by == 3);
    ck_assert(k.steps[0][2] == 1 && k.steps[1][1] == 3 && k.steps[2][1] == 0 && k.steps[2][2] == 1);
    ck_assert(k.steps[3][1] == 1 && k.steps[3][2] == 20);
}
END_TEST

START_TEST(refuses_what_32_bits_do_not_hold) {
    struct k_walk k;
    struct walk_plan w = {.operands = 1};
    walk_add(&w, INT64_C(1) << 31, (int64_t[]){1});
    ck_assert(!walk_make(&w, &k));
    w = (struct walk_plan){.operands = 1};
    walk_add(&w, INT32_MAX, (int64_t[]){1});
    ck_assert(walk_make(&w, &k));
    w = (struct walk_plan){.operands = 1}; /* few elements, far apart */
    walk_add(&w, 3, (int64_t[]){INT64_C(1) << 30});
    ck_assert(!walk_make(&w, &k));
    w = (struct walk_plan){.operands = 1};
    walk_add(&w, INT64_C(1) << 40, (int64_t[]){INT64_C(1) << 40});
    ck_assert(!walk_make(&w, &k));
    w = (struct walk_plan){.operands = 2}; /* dims that do not join */
    for (int d = 0; d < K_WALK_RANK + 1; d++)
        walk_add(&w, 2, (int64_t[]){INT64_C(2) << (2 * d), d});
    ck_assert(!walk_make(&w, &k));
    w = (struct walk_plan){.operands = 1};
    ck_assert(walk_make(&w, &k));
    ck_assert(k.count == 1 && k.rank == 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cuda_walk");
    TCase *t = tcase_create("walk");
    tcase_add_test(t, divides_like_a_division);
    tcase_add_test(t, joins_what_all_take_as_one);
    tcase_add_test(t, refuses_what_32_bits_do_not_hold);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
