/* test_softmax.c: softmax.cu against the reference: rows that fill no warp, one, some and a block, in all
 * three types; rows with infinities and NaN. */
#include <math.h>
#include <stdlib.h>

#include "infer/cuda/kernels.h"
#include "kernel_rig.h"

static const int32_t widths[] = {1, 2, 31, 32, 33, 64, 65, 127, 256, 257, 1000, 1024, 1025, 2051};
static const enum k_type types[] = {K_F32, K_F16, K_BF16};
/* what float's exp and sum lose; an ulp of the stored type, for numbers that lie between two of them */
static const double tolerance[] = {2e-6, 0x1p-10 + 2e-6, 0x1p-7 + 2e-6};

static void check(enum k_type type, double relative, int64_t rows, int32_t n, double special) {
    size_t count = (size_t)rows * (size_t)n, nbytes = count * rig_size(type);
    void *x = malloc(nbytes), *want = malloc(nbytes);
    rig_random(x, type, count, 8);
    if (special != 0)
        rig_set(type, x, (size_t)n / 2, special);
    for (int32_t i = 0; special == -INFINITY && i < n; i++) /* a whole row of it */
        rig_set(type, x, (size_t)i, special);
    const sl_tensor in = rig_tensor(type, x, 2, (int64_t[]){rows, n});
    sl_tensor out = rig_tensor(type, want, 2, (int64_t[]){rows, n});
    rig_reference("", "Softmax", 13, NULL, 0, (const sl_tensor *[]){&in}, 1, (sl_tensor *[]){&out}, 1);
    struct k_softmax args = {rig_put(x, nbytes), rig_room(nbytes), rows, n, type};
    RIG_RUN(k_softmax_launch, &args, args.y, nbytes);
    RIG_CONFLICTS(k_softmax_launch, &args, 0, 0);
    rig_close("softmax", type, args.y, want, count, 1e-7, relative);
    free(x);
    free(want);
    rig_clear();
}

START_TEST(every_width) {
    check(types[_i % 3], tolerance[_i % 3], 5, widths[_i / 3], 0);
}
END_TEST

START_TEST(special_numbers) {
    check(types[_i], tolerance[_i], 3, 40, INFINITY);
    check(types[_i], tolerance[_i], 3, 40, -INFINITY);
    check(types[_i], tolerance[_i], 3, 40, NAN);
    check(types[_i], tolerance[_i], 3, 1100, NAN);
}
END_TEST

/* The same bits in place as elsewhere. */
START_TEST(in_place) {
    float x[3 * 1100];
    rig_random(x, K_F32, 3 * 1100, 4);
    struct k_softmax args = {rig_put(x, sizeof x), rig_room(sizeof x), 3, 1100, K_F32};
    ck_assert_int_eq(k_softmax_launch(&args, NULL), 0);
    float apart[3 * 1100];
    rig_fetch(apart, args.y, sizeof apart);
    args.y = (void *)args.x;
    RIG_RUN_OVER(k_softmax_launch, &args, args.y, x, sizeof x);
    ck_assert_mem_eq(args.y, apart, sizeof apart);
    rig_clear();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("softmax");
    TCase *tc = tcase_create("softmax");
    tcase_add_loop_test(tc, every_width, 0, 3 * (int)(sizeof widths / sizeof *widths));
    tcase_add_loop_test(tc, special_numbers, 0, 3);
    tcase_add_test(tc, in_place);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
