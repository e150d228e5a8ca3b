/* test_boxes_nms.c: boxes by hand, ends and refusals. Many of them stand beside torchvision in
 * tests/golden/boxes/compare.py. */
#include <math.h>

#include "tests/unit/chain_rig.h"

/* Rows of [cx, cy, w, h, a, b] through a step; the boxes that stay. */
static void gives(const char *step, const float *rows, int64_t count, const float *want, int64_t boxes) {
    struct rig rig;
    char steps[300];
    const int64_t dims[] = {count, 6};
    sl_spec in = rig_tensor(SL_FLOAT, 2, dims);
    snprintf(steps, sizeof steps, "[{\"boxes.nms\": %s}]", step);
    RIG_OK(rig_open(&rig, steps, in, NULL));
    sl_value value = rig_value(&in, (void *)(uintptr_t)rows);
    RIG_OK(rig_apply(&rig, &value));
    ck_assert_int_eq(rig.out.tensor.dims[0], boxes);
    ck_assert_int_eq(rig.out.tensor.dims[1], 6);
    for (int64_t i = 0; i < 6 * boxes; i++)
        ck_assert_msg(fabsf(rig_floats(&rig)[i] - want[i]) < 1e-5f, "%s: number %d is %g, not %g", step,
                      (int)i, (double)rig_floats(&rig)[i], (double)want[i]);
    rig_close(&rig);
}

START_TEST(suppression) {
    /* two that overlap by 9/11, one of another class there, one far away, one that is not sure */
    const float rows[] = {10, 10,   10,   10, 0.6f, 0.1f, 11, 10,   10,   10, 0.9f, 0.2f, 10, 10,   10,
                          10, 0.1f, 0.8f, 50, 50,   4,    2,  0.5f, 0.0f, 80, 80,   4,    2,  0.2f, 0.1f};
    const float three[] = {6, 5, 16, 15, 0.9f, 0, 5, 5, 15, 15, 0.8f, 1, 48, 49, 52, 51, 0.5f, 0};
    gives("{}", rows, 5, three, 3);
    const float two[] = {6, 5, 16, 15, 0.9f, 0, 48, 49, 52, 51, 0.5f, 0};
    gives("{\"across\": \"yes\"}", rows, 5, two, 2);
    gives("{\"max\": 1}", rows, 5, three, 1);
    gives("{\"score\": 0.95}", rows, 5, NULL, 0);
    const float second[] = {10, 10, 20, 30, 0.8f, 1};
    gives("{\"background\": 0, \"scale\": [2, 2], \"format\": \"xyxy\", \"max\": 1}",
          (const float[]){5, 5, 10, 15, 0.9f, 0.8f}, 1, second, 1);
    const float turned[] = {10, 5, 30, 20, 0.9f, 0};
    gives("{\"format\": \"yxyx\"}", (const float[]){5, 10, 20, 30, 0.9f, 0.8f}, 1, turned, 1);
}
END_TEST

/* No score and no box of not-a-number stays, and equal scores keep their order. */
START_TEST(odd_numbers) {
    const float rows[] = {1, 1, 2, 2, NAN, NAN, 9, 9, 2, 2, 0.5f, 0.1f, 1, 1, 2, 2, 0.5f, 0.1f};
    const float two[] = {8, 8, 10, 10, 0.5f, 0, 0, 0, 2, 2, 0.5f, 0};
    gives("{}", rows, 3, two, 2);
    const float sure[] = {1, 1, 0, 0, INFINITY, 0, 1, 1, 0, 0, 0.9f, 0};
    const float kept[] = {1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0.71094950f, 0};
    gives("{\"activation\": \"sigmoid\"}", sure, 2, kept, 2); /* boxes without area overlap nothing */
}
END_TEST

static void refused(const char *step, int64_t width, const char *why) {
    struct rig rig;
    char steps[300], text[500];
    const int64_t dims[] = {3, width};
    snprintf(steps, sizeof steps, "[{\"boxes.nms\": %s}]", step);
    snprintf(text, sizeof text, "cannot use transform 'boxes.nms': %s (step 1, which gets float [3,%d])", why,
             (int)width);
    RIG_REFUSED(rig_open(&rig, steps, rig_tensor(SL_FLOAT, 2, dims), NULL), text);
}

START_TEST(refusals) {
    refused("{}", 4, "a box has four numbers and a score for each class");
    refused("{\"objectness\": 1}", 5, "a box has four numbers and a score for each class");
    refused("{\"format\": \"xywh\"}", 6, "unknown format 'xywh'");
    refused("{\"max\": 0}", 6, "'max' is 1 to 100000, 'scale' one number or two, 'variances' two");
    refused("{\"scores\": \"s\"}", 4, "the model has no input or output 's'");
    struct rig rig;
    const int64_t dims[] = {3};
    ck_assert_int_eq(rig_open(&rig, "[{\"boxes.nms\": {}}]", rig_tensor(SL_FLOAT, 1, dims), NULL),
                     SL_E_MODEL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("boxes.nms");
    TCase *t = tcase_create("boxes");
    tcase_add_test(t, suppression);
    tcase_add_test(t, odd_numbers);
    tcase_add_test(t, refusals);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
