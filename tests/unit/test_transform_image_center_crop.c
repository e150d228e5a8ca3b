/* test_transform_image_center_crop.c: where torchvision's CenterCrop cuts, and what it pads. */
#include "tests/unit/chain_rig.h"

/* One value per pixel and channel that tells where it came from; never 0. */
static uint8_t mark(int64_t y, int64_t x, int64_t c) {
    return (uint8_t)(1 + (y * 41 + x * 7 + c * 3) % 255);
}

static const char *offset = "half-even";

/* top and left as torchvision gives them: offset into the source, negative where it pads. */
static void check(int64_t h, int64_t w, int64_t c, int64_t out_h, int64_t out_w, int64_t top, int64_t left) {
    struct rig rig;
    char steps[96];
    uint8_t *pixels = malloc((size_t)(h * w * c));
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++)
            for (int64_t i = 0; i < c; i++)
                pixels[(y * w + x) * c + i] = mark(y, x, i);
    sl_spec in = rig_tensor(SL_UINT8, 3, (int64_t[]){h, w, c});
    sl_value value = rig_value(&in, pixels);
    snprintf(steps, sizeof steps, "[{\"image.center_crop\": {\"size\": [%d, %d], \"offset\": \"%s\"}}]",
             (int)out_h, (int)out_w, offset);
    RIG_OK(rig_open(&rig, steps, in, NULL));
    memset(rig.room, 0xee, (size_t)(out_h * out_w * c) + 64);
    RIG_OK(rig_apply(&rig, &value));
    const uint8_t *out = rig.room;
    for (int64_t y = 0; y < out_h; y++)
        for (int64_t x = 0; x < out_w; x++)
            for (int64_t i = 0; i < c; i++) {
                int64_t from_y = y + top, from_x = x + left;
                bool inside = from_y >= 0 && from_y < h && from_x >= 0 && from_x < w;
                ck_assert_int_eq(out[(y * out_w + x) * c + i], inside ? mark(from_y, from_x, i) : 0);
            }
    ck_assert_int_eq(out[out_h * out_w * c], 0xee);
    rig_close(&rig);
    free(pixels);
}

/* Hugging Face's: floor((have - want) / 2), and ceil of it where it pads. */
START_TEST(places_rounded_down) {
    offset = "down";
    check(5, 7, 3, 4, 4, 0, 1);
    check(9, 11, 1, 4, 4, 2, 3);
    check(3, 2, 3, 6, 6, -2, -2);
    check(5, 9, 1, 8, 4, -2, 2);
    offset = "half-even";
}
END_TEST

START_TEST(places) {
    check(4, 4, 3, 4, 4, 0, 0);
    check(5, 7, 3, 4, 4, 0, 2);  /* 0.5 rounds to 0, 1.5 to 2 */
    check(9, 11, 1, 4, 4, 2, 4); /* 2.5 to 2, 3.5 to 4 */
    check(6, 10, 3, 2, 2, 2, 4);
    check(256, 341, 3, 224, 224, 16, 58); /* 58.5 to 58 */
    check(3, 3, 3, 1, 1, 1, 1);
    check(1, 1, 1, 1, 1, 0, 0);
}
END_TEST

START_TEST(padding) {
    check(2, 2, 3, 4, 4, -1, -1);
    check(1, 1, 1, 4, 4, -1, -1); /* 3 / 2 before, the odd one behind */
    check(3, 9, 3, 4, 4, 0, 2);   /* pads below only, cuts 2.5 to 2 */
    check(9, 2, 1, 4, 5, 2, -1);
}
END_TEST

START_TEST(refusals) {
    struct rig rig;
    sl_spec in = rig_tensor(SL_UINT8, 3, (int64_t[]){4, 4, 3});
    static const struct {
        const char *params, *why;
    } cases[] = {
        {"{}", "'size' must be n or [height, width]"},
        {"{\"size\": [1, 2, 3]}", "'size' must be n or [height, width]"},
        {"{\"size\": []}", "'size' must be n or [height, width]"},
        {"{\"size\": 0}", "'size' has 0, expected a whole number from 1 to 65500"},
        {"{\"size\": [4, 2.5]}", "'size' has 2.5, expected a whole number from 1 to 65500"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char steps[100], text[300];
        snprintf(steps, sizeof steps, "[{\"image.center_crop\": %s}]", cases[i].params);
        snprintf(text, sizeof text,
                 "cannot use transform 'image.center_crop': %s (step 1, which gets uint8 [4,4,3])",
                 cases[i].why);
        RIG_REFUSED(rig_open(&rig, steps, in, NULL), text);
    }
    in.dtype = SL_FLOAT;
    ck_assert_int_eq(rig_open(&rig, "[{\"image.center_crop\": {\"size\": 2}}]", in, NULL), SL_E_MODEL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("transform_image_center_crop");
    TCase *tc = tcase_create("transform_image_center_crop");
    tcase_add_test(tc, places);
    tcase_add_test(tc, places_rounded_down);
    tcase_add_test(tc, padding);
    tcase_add_test(tc, refusals);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
