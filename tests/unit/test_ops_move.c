/* test_ops_move.c: Expand and Tile against the index of each element, over random shapes with ones, equal
 * dims and missing ones in every place. */
#include <stdlib.h>

#include "harness.h"
#include "ops/op.h"
#include "ops/rules.h"

enum { MOST = 4096 };

static int16_t data[MOST], out[MOST];

/* `sizes`: the new shape, or the repeats. */
static void check(const char *name, const sl_tensor *x, int64_t *sizes, int64_t count) {
    const struct op *op = op_find("", name, 13);
    const sl_tensor list = {.dtype = SL_INT64, .rank = 1, .dims = {count}, .data = sizes};
    sl_tensor y = {.data = out};
    sl_error err = {0};
    struct op_call call = {.opset = 13,
                           .in = (const sl_tensor *[]){x, &list},
                           .in_count = 2,
                           .out = (sl_tensor *[]){&y},
                           .out_count = 1};
    ck_assert_msg(op->infer(&call, &err) == SL_OK, "%s", err.text);
    int64_t n = rule_count(&y);
    ck_assert_int_le(n, MOST);
    op->run(&call);
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, from = 0, step = 1;
        for (int d = y.rank - 1, k = x->rank - 1; k >= 0; d--, k--) {
            from += rest % y.dims[d] % x->dims[k] * step;
            step *= x->dims[k];
            rest /= y.dims[d];
        }
        ck_assert_msg(out[i] == data[from], "%s: element %lld", name, (long long)i);
    }
}

START_TEST(expand_is_by_index) {
    for (int round = 0; round < 3000; round++) {
        sl_tensor x = {.dtype = SL_INT16, .rank = rand() % 5, .data = data};
        int64_t sizes[5], count = rand() % 6;
        for (int d = 0; d < x.rank; d++)
            x.dims[d] = rand() % 2 ? 1 : 1 + rand() % 4;
        for (int64_t d = 0; d < count; d++) {
            int64_t k = d - count + x.rank, own = k >= 0 ? x.dims[k] : 1;
            sizes[d] = own > 1 ? (rand() % 2 ? own : 1) : rand() % 30 ? 1 + rand() % 4 : 0;
        }
        check("Expand", &x, sizes, count);
    }
}
END_TEST

START_TEST(tile_is_by_index) {
    for (int round = 0; round < 3000; round++) {
        sl_tensor x = {.dtype = SL_INT16, .rank = rand() % 5, .data = data};
        int64_t repeats[5];
        for (int d = 0; d < x.rank; d++) {
            x.dims[d] = rand() % 2 ? 1 : 1 + rand() % 3;
            repeats[d] = rand() % 2 ? 1 : rand() % 30 ? 1 + rand() % 2 : 0;
        }
        check("Tile", &x, repeats, x.rank);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ops_move");
    TCase *tcase = tcase_create("ops_move");
    srand(2);
    for (int i = 0; i < MOST; i++)
        data[i] = (int16_t)(i * 7 + 1);
    tcase_add_test(tcase, expand_is_by_index);
    tcase_add_test(tcase, tile_is_by_index);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
