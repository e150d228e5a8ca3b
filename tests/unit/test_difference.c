/* test_difference.c: what counts as the same answer. */
#include <math.h>

#include "harness.h"
#include "ops/difference.h"

static sl_tensor floats(float *data, int64_t rows, int64_t columns) {
    return (sl_tensor){.dtype = SL_FLOAT, .rank = 2, .dims = {rows, columns}, .data = data};
}

START_TEST(relative_to_the_largest) {
    float want[] = {100, 1e-6F, -50, 0}, got[] = {100.005F, 2e-6F, -50, 0};
    struct difference d;
    sl_tensor a = floats(got, 1, 4), b = floats(want, 1, 4);
    difference_measure(&a, &b, 1e-4, &d);
    ck_assert(d.same_shape && d.outside == 0 && d.first == -1 && d.count == 4);
    ck_assert_double_eq_tol(d.max_abs, 0.005, 1e-5);
    ck_assert_double_eq_tol(d.max_rel, 5e-5, 1e-7);
    difference_measure(&a, &b, 1e-5, &d);
    ck_assert(d.outside == 1 && d.first == 0 && d.want == 100);
}
END_TEST

START_TEST(not_a_number_and_infinity) {
    float want[] = {NAN, INFINITY, -INFINITY, 1}, same[] = {NAN, INFINITY, -INFINITY, 1};
    float other[] = {0, -INFINITY, 1, NAN};
    struct difference d;
    sl_tensor a = floats(same, 2, 2), b = floats(want, 2, 2);
    difference_measure(&a, &b, 1e-4, &d);
    ck_assert_int_eq(d.outside, 0);
    a.data = other;
    difference_measure(&a, &b, 1, &d);
    ck_assert_int_eq(d.outside, 4);
    ck_assert(isfinite(d.max_abs));
}
END_TEST

/* Numbers that come of ones about 1 are no better than those. */
START_TEST(next_to_nothing) {
    float want[] = {0, 2e-8F}, got[] = {1e-7F, 0};
    struct difference d;
    sl_tensor a = floats(got, 1, 2), b = floats(want, 1, 2);
    difference_measure(&a, &b, 1e-4, &d);
    ck_assert_int_eq(d.outside, 0);
    got[0] = 5e-7F;
    difference_measure(&a, &b, 1e-4, &d);
    ck_assert(d.outside == 1 && d.first == 0);
    ck_assert_double_eq_tol(d.max_rel, 5e-7 * 256, 1e-9);
}
END_TEST

START_TEST(ranking) {
    float want[] = {1, 2, 3, 9, 8, 7, 5, 5, 4}, got[] = {1, 2, 3, 8, 9, 7, 5, 5, 4};
    struct difference d;
    sl_tensor a = floats(got, 3, 3), b = floats(want, 3, 3);
    difference_measure(&a, &b, 1, &d);
    ck_assert(d.rows == 3 && d.top1_same == 2);
    a = floats(got, 9, 1), b = floats(want, 9, 1); /* one column ranks nothing */
    difference_measure(&a, &b, 1, &d);
    ck_assert_int_eq(d.rows, 0);
}
END_TEST

START_TEST(shapes_and_dtypes) {
    float x[] = {1, 2};
    double y[] = {1, 2};
    struct difference d;
    sl_tensor a = floats(x, 1, 2), b = floats(x, 2, 1);
    difference_measure(&a, &b, 1, &d);
    ck_assert(!d.same_shape);
    b = (sl_tensor){.dtype = SL_DOUBLE, .rank = 2, .dims = {1, 2}, .data = y};
    difference_measure(&a, &b, 1, &d);
    ck_assert(!d.same_shape);
    b = (sl_tensor){.dtype = SL_FLOAT, .rank = 1, .dims = {2}, .data = x};
    difference_measure(&a, &b, 1, &d);
    ck_assert(!d.same_shape);
    a = b = floats(x, 0, 2);
    difference_measure(&a, &b, 0, &d);
    ck_assert(d.same_shape && d.count == 0 && d.outside == 0);
}
END_TEST

START_TEST(integers_and_text_are_equal_or_not) {
    int64_t i[] = {1, 2, 3}, j[] = {1, 2, 4};
    sl_string s[] = {{"a", 1}, {NULL, 0}}, t[] = {{"b", 1}, {"", 0}};
    struct difference d;
    sl_tensor a = {.dtype = SL_INT64, .rank = 1, .dims = {3}, .data = i}, b = a;
    b.data = j;
    difference_measure(&a, &b, 1, &d);
    ck_assert(d.outside == 1 && d.first == 2 && d.max_abs == 1);
    a = (sl_tensor){.dtype = SL_STRING, .rank = 1, .dims = {2}, .data = s}, b = a;
    difference_measure(&a, &b, 0, &d);
    ck_assert_int_eq(d.outside, 0);
    b.data = t;
    difference_measure(&a, &b, 1, &d);
    ck_assert(d.outside == 1 && d.first == 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("difference");
    TCase *c = tcase_create("difference");
    tcase_add_test(c, relative_to_the_largest);
    tcase_add_test(c, not_a_number_and_infinity);
    tcase_add_test(c, next_to_nothing);
    tcase_add_test(c, ranking);
    tcase_add_test(c, shapes_and_dtypes);
    tcase_add_test(c, integers_and_text_are_equal_or_not);
    suite_add_tcase(suite, c);
    return harness_run(suite);
}
