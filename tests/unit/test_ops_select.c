/* test_ops_select.c: NonZero, Compress, Unique and NonMaxSuppression against the plainest ways to say what
 * they mean: counting, and taking the best box again and again. Random data with many equal elements. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "ops/op.h"
#include "ops/rules.h"

enum { MOST = 4096 };

static char scratch[3 * MOST * sizeof(int64_t)];

/* Runs `name` at opset 17; outputs have room for MOST elements of 8 bytes. */
static void run(const char *name, const struct attr *attrs, size_t attr_count, const sl_tensor *const *in,
                size_t in_count, sl_tensor *const *out, size_t out_count) {
    const struct op *op = op_find("", name, 17);
    struct op_prepared prepared = {0};
    struct op_least least[4] = {{0}};
    sl_error err = {0};
    struct op_call call = {.attrs = attrs,
                           .attr_count = attr_count,
                           .opset = 17,
                           .in = in,
                           .in_count = in_count,
                           .out = out,
                           .out_count = out_count,
                           .least = least,
                           .scratch = scratch};
    sl_tensor most[4];
    ck_assert_msg(op->infer(&call, &err) == SL_OK, "%s", err.text);
    for (size_t i = 0; i < out_count; i++)
        most[i] = *out[i];
    if (op->prepare)
        ck_assert_int_eq(op->prepare(&call, NULL, &prepared, &err), SL_OK);
    ck_assert_uint_le(prepared.scratch_nbytes, sizeof scratch);
    op->run(&call);
    for (size_t i = 0; i < out_count; i++)
        for (int d = 0; d < most[i].rank; d++) {
            bool bound = least[i].bounds >> d & 1u;
            ck_assert(bound ? out[i]->dims[d] >= least[i].dims[d] && out[i]->dims[d] <= most[i].dims[d]
                            : out[i]->dims[d] == most[i].dims[d]);
        }
}

START_TEST(nonzero_gives_places_in_order) {
    static float data[3 * 5 * 7];
    static int64_t places[MOST];
    for (int round = 0; round < 30; round++) {
        sl_tensor x = {.dtype = SL_FLOAT, .rank = 3, .dims = {3, 5, 7}, .data = data}, y = {.data = places};
        int64_t count = 0;
        for (int i = 0; i < 105; i++)
            data[i] = rand() % 30 < round ? (i % 2 ? 0.0f : -0.0f) : 0.5f;
        run("NonZero", NULL, 0, (const sl_tensor *[]){&x}, 1, (sl_tensor *[]){&y}, 1);
        for (int i = 0; i < 105; i++) {
            if (data[i] == 0)
                continue;
            ck_assert_int_lt(count, y.dims[1]);
            ck_assert_int_eq(places[count], i / 35);
            ck_assert_int_eq(places[y.dims[1] + count], i / 7 % 5);
            ck_assert_int_eq(places[2 * y.dims[1] + count], i % 7);
            count++;
        }
        ck_assert_int_eq(count, y.dims[1]);
    }
}
END_TEST

START_TEST(nonzero_of_a_scalar_has_no_rows) {
    int64_t one = 1, places[1];
    sl_tensor x = {.dtype = SL_INT64, .data = &one}, y = {.data = places};
    run("NonZero", NULL, 0, (const sl_tensor *[]){&x}, 1, (sl_tensor *[]){&y}, 1);
    ck_assert(y.rank == 2 && y.dims[0] == 0 && y.dims[1] == 1);
    one = 0;
    run("NonZero", NULL, 0, (const sl_tensor *[]){&x}, 1, (sl_tensor *[]){&y}, 1);
    ck_assert(y.dims[0] == 0 && y.dims[1] == 0);
}
END_TEST

START_TEST(compress_takes_what_holds) {
    static int64_t data[4 * 6 * 5], out[MOST];
    bool holds[8];
    for (int i = 0; i < 120; i++)
        data[i] = i;
    for (int round = 0; round < 60; round++) {
        int axis = round % 3, n = (int[]){4, 6, 5}[axis];
        int64_t length = 1 + rand() % n, at = 0;
        struct attr attr = {.name = "axis", .type = ATTR_INT, .i = axis - (round % 2 ? 3 : 0)};
        for (int i = 0; i < 8; i++)
            holds[i] = i < length && rand() % 2;
        sl_tensor x = {.dtype = SL_INT64, .rank = 3, .dims = {4, 6, 5}, .data = data}, y = {.data = out};
        sl_tensor condition = {.dtype = SL_BOOL, .rank = 1, .dims = {length}, .data = holds};
        run("Compress", &attr, 1, (const sl_tensor *[]){&x, &condition}, 2, (sl_tensor *[]){&y}, 1);
        for (int i = 0; i < 120; i++)
            if (holds[(int[]){i / 30, i / 5 % 6, i % 5}[axis]])
                ck_assert_int_eq(out[at++], i);
        ck_assert_int_eq(at, rule_count(&y));
    }
}
END_TEST

/* The first place of each slab, and the order of those that are first, by comparing all with all. */
START_TEST(unique_is_what_counting_gives) {
    static float data[40 * 3], out[MOST];
    static int64_t first[MOST], inverse[MOST], counts[MOST];
    for (int round = 0; round < 80; round++) {
        bool sorted = round % 2, nan = round % 5 == 0;
        int64_t n = 1 + rand() % 40, width = 1 + round % 3;
        struct attr attrs[] = {{.name = "sorted", .type = ATTR_INT, .i = sorted},
                               {.name = "axis", .type = ATTR_INT, .i = 0}};
        for (int64_t i = 0; i < n * width; i++)
            data[i] = nan && rand() % 5 == 0 ? NAN : (float)(rand() % 4) / 2;
        sl_tensor x = {.dtype = SL_FLOAT, .rank = 2, .dims = {n, width}, .data = data};
        sl_tensor y = {.data = out}, f = {.data = first}, v = {.data = inverse}, c = {.data = counts};
        run("Unique", attrs, 2, (const sl_tensor *[]){&x}, 1, (sl_tensor *[]){&y, &f, &v, &c}, 4);
        int64_t different = 0;
        for (int64_t i = 0; i < n; i++) {
            int64_t before = 0, same = 0, lower = 0;
            for (int64_t k = 0; k < n; k++) {
                int order = 0; /* of slab k against slab i */
                for (int64_t e = 0; !order && e < width; e++) {
                    float a = data[k * width + e], b = data[i * width + e];
                    order = isnan(a) || isnan(b) ? (int)isnan(a) - (int)isnan(b) : (a > b) - (a < b);
                }
                bool is_first = first[inverse[k]] == k;
                before += !order && k < i;
                same += !order;
                lower += is_first && (sorted ? order < 0 : k < i);
                ck_assert_int_eq(!order, inverse[k] == inverse[i]);
            }
            ck_assert_int_eq(counts[inverse[i]], same);
            if (before)
                continue;
            different++;
            ck_assert_int_eq(first[inverse[i]], i);
            ck_assert_int_eq(inverse[i], lower);
            ck_assert_int_eq(memcmp(out + inverse[i] * width, data + i * width, (size_t)width * sizeof *out),
                             0);
        }
        ck_assert(y.dims[0] == different && c.dims[0] == different && f.dims[0] == different);
    }
}
END_TEST

START_TEST(unique_texts) {
    sl_string texts[] = {{"b", 1}, {"ab", 2}, {"a", 1}, {"b", 1}, {NULL, 0}}, out[5];
    sl_tensor x = {.dtype = SL_STRING, .rank = 1, .dims = {5}, .data = texts}, y = {.data = out};
    run("Unique", NULL, 0, (const sl_tensor *[]){&x}, 1, (sl_tensor *[]){&y}, 1);
    ck_assert_int_eq(y.dims[0], 4);
    ck_assert(!out[0].nbytes && out[1].nbytes == 1 && !memcmp(out[1].data, "a", 1) && out[2].nbytes == 2 &&
              !memcmp(out[3].data, "b", 1));
}
END_TEST

/* [top, left, bottom, right] on a grid, so that overlaps often stand exactly at the threshold. */
static double overlap(const float *a, const float *b) {
    double height = fmin(fmax((double)a[0], (double)a[2]), fmax((double)b[0], (double)b[2])) -
                    fmax(fmin((double)a[0], (double)a[2]), fmin((double)b[0], (double)b[2]));
    double width = fmin(fmax((double)a[1], (double)a[3]), fmax((double)b[1], (double)b[3])) -
                   fmax(fmin((double)a[1], (double)a[3]), fmin((double)b[1], (double)b[3]));
    double one = fabs((double)((a[2] - a[0]) * (a[3] - a[1]))),
           two = fabs((double)((b[2] - b[0]) * (b[3] - b[1])));
    double both = fmax(height, 0) * fmax(width, 0);
    return one > 0 && two > 0 ? both / (one + two - both) : 0;
}

START_TEST(nms_takes_the_best_again_and_again) {
    enum { IMAGES = 2, CLASSES = 3, BOXES = 24 };
    static float boxes[IMAGES * BOXES * 4], scores[IMAGES * CLASSES * BOXES];
    static int64_t out[MOST];
    for (int round = 0; round < 60; round++) {
        int64_t most = rand() % 12, at = 0;
        float iou = (float[]){0, 0.25f, 0.5f, 1}[round % 4], least = 0.25f;
        for (int i = 0; i < IMAGES * BOXES * 4; i++)
            boxes[i] = (float)(rand() % 5);
        for (int i = 0; i < IMAGES * CLASSES * BOXES; i++)
            scores[i] = (float)(rand() % 8) / 8;
        sl_tensor b = {.dtype = SL_FLOAT, .rank = 3, .dims = {IMAGES, BOXES, 4}, .data = boxes};
        sl_tensor s = {.dtype = SL_FLOAT, .rank = 3, .dims = {IMAGES, CLASSES, BOXES}, .data = scores};
        sl_tensor m = {.dtype = SL_INT64, .rank = 1, .dims = {1}, .data = &most}, y = {.data = out};
        sl_tensor t = {.dtype = SL_FLOAT, .rank = 1, .dims = {1}, .data = &iou},
                  l = {.dtype = SL_FLOAT, .data = &least};
        run("NonMaxSuppression", NULL, 0, (const sl_tensor *[]){&b, &s, &m, &t, &l}, 5, (sl_tensor *[]){&y},
            1);
        for (int64_t i = 0; i < IMAGES * CLASSES; i++) {
            bool gone[BOXES] = {false};
            const float *row = scores + i * BOXES, *corners = boxes + i / CLASSES * BOXES * 4;
            for (int64_t kept = 0; kept < most; kept++) {
                int64_t best = -1;
                for (int64_t k = 0; k < BOXES; k++)
                    if (!gone[k] && row[k] > least && (best < 0 || row[k] > row[best]))
                        best = k;
                if (best < 0)
                    break;
                ck_assert_int_lt(at, y.dims[0]);
                ck_assert(out[3 * at] == i / CLASSES && out[3 * at + 1] == i % CLASSES &&
                          out[3 * at + 2] == best);
                at++;
                gone[best] = true;
                for (int64_t k = 0; k < BOXES; k++)
                    gone[k] = gone[k] || overlap(corners + 4 * best, corners + 4 * k) > (double)iou;
            }
        }
        ck_assert_int_eq(at, y.dims[0]);
    }
}
END_TEST

/* No order of scores that are no numbers makes it run on or read elsewhere; they come last. */
START_TEST(nms_of_no_numbers_ends) {
    float boxes[] = {0, 0, 1, 1, 0, 0, 1, 1, 5, 5, 6, 6, 8, 8, 9, 9}, scores[] = {NAN, NAN, 0.5f, NAN};
    int64_t most = 10, out[12];
    sl_tensor b = {.dtype = SL_FLOAT, .rank = 3, .dims = {1, 4, 4}, .data = boxes};
    sl_tensor s = {.dtype = SL_FLOAT, .rank = 3, .dims = {1, 1, 4}, .data = scores};
    sl_tensor m = {.dtype = SL_INT64, .rank = 1, .dims = {1}, .data = &most}, y = {.data = out};
    run("NonMaxSuppression", NULL, 0, (const sl_tensor *[]){&b, &s, &m}, 3, (sl_tensor *[]){&y}, 1);
    ck_assert(y.dims[0] == 3 && out[2] == 2 && out[5] == 0 && out[8] == 3);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ops_select");
    TCase *tcase = tcase_create("ops_select");
    srand(11);
    tcase_add_test(tcase, nonzero_gives_places_in_order);
    tcase_add_test(tcase, nonzero_of_a_scalar_has_no_rows);
    tcase_add_test(tcase, compress_takes_what_holds);
    tcase_add_test(tcase, unique_is_what_counting_gives);
    tcase_add_test(tcase, unique_texts);
    tcase_add_test(tcase, nms_takes_the_best_again_and_again);
    tcase_add_test(tcase, nms_of_no_numbers_ends);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
