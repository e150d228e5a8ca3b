/* test_ops_topk.c: TopK against counting: of each element of a line, how many go before it says where it has
 * to stand. All axes, every k, many equal values, NaN and infinities, both directions. */
#include <math.h>
#include <stdlib.h>

#include "harness.h"
#include "ops/op.h"
#include "ops/rules.h"

enum { A = 3, N = 37, B = 4, COUNT = A * N * B };

static int64_t k_value, scratch[N];
static const sl_tensor k_in = {.dtype = SL_INT64, .rank = 1, .dims = {1}, .data = &k_value};

static sl_status top(const sl_tensor *x, int64_t axis, int64_t k, bool largest, sl_tensor *values,
                     sl_tensor *indices, sl_error *err) {
    struct attr attrs[] = {{.name = "axis", .type = ATTR_INT, .i = axis},
                           {.name = "largest", .type = ATTR_INT, .i = largest}};
    const sl_tensor *in[] = {x, &k_in};
    sl_tensor *out[] = {values, indices};
    const struct op *op = op_find("", "TopK", 24);
    struct op_call call = {.attrs = attrs,
                           .attr_count = 2,
                           .opset = 24,
                           .in = in,
                           .in_count = 2,
                           .out = out,
                           .out_count = 2,
                           .scratch = scratch};
    k_value = k;
    sl_status st = op->infer(&call, err);
    if (st == SL_OK)
        op->run(&call);
    return st;
}

/* Whether element a of a line goes before element b, said once more and in another way. */
static bool first_of(const float *x, int64_t a, int64_t b, bool largest) {
    double one = isnan(x[a]) ? INFINITY : (double)x[a], two = isnan(x[b]) ? INFINITY : (double)x[b];
    if (isnan(x[a]) != isnan(x[b]))
        return isnan(x[a]) == largest;
    return one == two ? a < b : largest ? one > two : one < two;
}

static void check_line(const float *x, int64_t n, int64_t step, const float *values, const int64_t *indices,
                       int64_t k, bool largest) {
    for (int64_t i = 0; i < n; i++) {
        int64_t rank = 0;
        for (int64_t j = 0; j < n; j++)
            rank += j != i && first_of(x, j * step, i * step, largest);
        if (rank >= k)
            continue;
        ck_assert_int_eq(indices[rank * step], i);
        ck_assert(values[rank * step] == x[i * step] || (isnan(values[rank * step]) && isnan(x[i * step])));
    }
}

START_TEST(places_are_those_that_counting_gives) {
    static const int64_t dims[] = {A, N, B};
    static float data[COUNT], out[COUNT];
    static int64_t places[COUNT];
    srand(11);
    for (int i = 0; i < COUNT; i++)
        data[i] = rand() % 9 == 0 ? NAN : rand() % 9 == 0 ? -INFINITY : (float)(rand() % 12 - 6);
    sl_tensor x = {.dtype = SL_FLOAT, .rank = 3, .dims = {A, N, B}, .data = data};
    for (int axis = 0; axis < 3; axis++) {
        for (int64_t k = 0; k <= 2 * dims[axis]; k++) {
            bool largest = k % 2 == 0;
            int64_t n = dims[axis], take = k / 2, step = rule_product(&x, axis + 1, 3);
            sl_tensor values = {.data = out}, indices = {.data = places};
            sl_error err = {0};
            ck_assert_msg(top(&x, axis - 3, take, largest, &values, &indices, &err) == SL_OK, "%s", err.text);
            ck_assert_int_eq(indices.dtype, SL_INT64);
            ck_assert_int_eq(rule_count(&values), COUNT / n * take);
            for (int64_t line = 0; line < COUNT / n; line++)
                check_line(data + line / step * n * step + line % step, n, step,
                           out + line / step * take * step + line % step,
                           places + line / step * take * step + line % step, take, largest);
        }
    }
}
END_TEST

START_TEST(whole_numbers_keep_their_last_bits) {
    uint64_t data[] = {UINT64_MAX - 1, 1, UINT64_MAX, (uint64_t)1 << 63}, out[2];
    int64_t places[2];
    sl_tensor x = {.dtype = SL_UINT64, .rank = 1, .dims = {4}, .data = data};
    sl_tensor values = {.data = out}, indices = {.data = places};
    sl_error err = {0};
    ck_assert_int_eq(top(&x, 0, 2, true, &values, &indices, &err), SL_OK);
    ck_assert(places[0] == 2 && places[1] == 0 && out[0] == UINT64_MAX && out[1] == UINT64_MAX - 1);
}
END_TEST

START_TEST(more_than_there_are_is_refused) {
    float data[4] = {0}, out[4];
    int64_t places[4];
    sl_tensor x = {.dtype = SL_FLOAT, .rank = 1, .dims = {4}, .data = data};
    sl_tensor values = {.data = out}, indices = {.data = places};
    sl_error err = {0};
    ck_assert_int_eq(top(&x, 0, 5, true, &values, &indices, &err), SL_E_MODEL);
    ck_assert_str_eq(err.text, "k is 5, but axis 0 has 4 elements");
    ck_assert_int_eq(top(&x, 0, -1, true, &values, &indices, &err), SL_E_MODEL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ops_topk");
    TCase *c = tcase_create("ops_topk");
    tcase_add_test(c, places_are_those_that_counting_gives);
    tcase_add_test(c, whole_numbers_keep_their_last_bits);
    tcase_add_test(c, more_than_there_are_is_refused);
    suite_add_tcase(suite, c);
    return harness_run(suite);
}
