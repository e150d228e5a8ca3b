/* test_transform_image_place.c: image.pad and image.crop. */
#include "tests/unit/chain_rig.h"

static uint8_t pixels[6 * 5 * 3];

static sl_value picture(int64_t h, int64_t w, sl_spec *spec) {
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(100 + i);
    *spec = rig_tensor(SL_UINT8, 3, (int64_t[]){h, w, 3});
    return rig_value(spec, pixels);
}

static sl_spec any_size(void) {
    sl_spec spec = rig_tensor(SL_UINT8, 3, (int64_t[]){6, 5, 3});
    spec.dims[0] = spec.dims[1] = -1;
    return spec;
}

/* `top` and `left`: where the picture stands on a canvas of h by w with the colour 1, 2, 3. */
static void check_pad(const char *at, int64_t in_h, int64_t in_w, int64_t h, int64_t w, int64_t top,
                      int64_t left) {
    struct rig rig;
    char steps[128];
    sl_spec spec;
    sl_value in = picture(in_h, in_w, &spec);
    snprintf(steps, sizeof steps,
             "[{\"image.pad\": {\"size\": [%d, %d], \"fill\": [1, 2, 3], \"at\": \"%s\"}}]", (int)h, (int)w,
             at);
    RIG_OK(rig_open(&rig, steps, any_size(), NULL));
    memset(rig.room, 0xee, (size_t)(h * w * 3) + 64);
    RIG_OK(rig_apply(&rig, &in));
    const uint8_t *out = rig.room;
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++)
            for (int64_t c = 0; c < 3; c++) {
                bool inside = y >= top && y < top + in_h && x >= left && x < left + in_w;
                int want = inside ? pixels[((y - top) * in_w + x - left) * 3 + c] : (int)c + 1;
                ck_assert_int_eq(out[(y * w + x) * 3 + c], want);
            }
    ck_assert_int_eq(out[h * w * 3], 0xee);
    rig_close(&rig);
}

START_TEST(pads) {
    check_pad("center", 4, 3, 9, 8, 2, 2);
    check_pad("top-left", 4, 3, 9, 8, 0, 0);
    check_pad("center", 6, 5, 6, 5, 0, 0);
    check_pad("center", 1, 5, 6, 5, 2, 0);
}
END_TEST

START_TEST(pad_rejects_what_is_larger) {
    struct rig rig;
    sl_spec spec;
    sl_value in = picture(6, 5, &spec);
    RIG_OK(rig_open(&rig, "[{\"image.pad\": {\"size\": 5}}]", any_size(), NULL));
    RIG_REJECT(rig_apply(&rig, &in), "too-large", "an image of 5x6 pixels does not fit into 5x5");
    rig_close(&rig);
}
END_TEST

START_TEST(crops) {
    struct rig rig;
    sl_spec spec;
    sl_value in = picture(6, 5, &spec);
    RIG_OK(rig_open(&rig, "[{\"image.crop\": {\"top\": 2, \"left\": 1, \"height\": 4, \"width\": 3}}]",
                    any_size(), NULL));
    RIG_OK(rig_apply(&rig, &in));
    const uint8_t *out = rig.room;
    for (int64_t y = 0; y < 4; y++)
        ck_assert_mem_eq(out + y * 9, pixels + ((y + 2) * 5 + 1) * 3, 9);
    in = picture(5, 5, &spec);
    RIG_REJECT(rig_apply(&rig, &in), "too-small", "an image of 5x5 pixels has no 3x4 at 1,2");
    rig_close(&rig);
}
END_TEST

START_TEST(refusals) {
    static const struct {
        const char *steps, *why;
    } cases[] = {
        {"[{\"image.pad\": {\"size\": 4}}]", "the image is larger than 'size'"},
        {"[{\"image.pad\": {}}]", "'size' must be n or [height, width]"},
        {"[{\"image.pad\": {\"size\": 0}}]", "a side must be a whole number"},
        {"[{\"image.pad\": {\"size\": 9, \"fill\": [1, 2]}}]", "one number, or one for each channel"},
        {"[{\"image.pad\": {\"size\": 9, \"fill\": 256}}]", "whole numbers from 0 to 255"},
        {"[{\"image.pad\": {\"size\": 9, \"at\": \"left\"}}]", "\"center\" or \"top-left\""},
        {"[{\"image.crop\": {\"top\": 2, \"left\": 1, \"height\": 5, \"width\": 3}}]", "5x6 pixels only"},
        {"[{\"image.crop\": {\"top\": 2, \"left\": 1, \"height\": 3}}]", "'width' is missing"},
        {"[{\"image.crop\": {\"top\": -2, \"left\": 1, \"height\": 3, \"width\": 1}}]",
         "'top' is -2, expected 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig rig;
        sl_spec spec = rig_tensor(SL_UINT8, 3, (int64_t[]){6, 5, 3});
        ck_assert_int_eq(rig_open(&rig, cases[i].steps, spec, NULL), SL_E_MODEL);
        ck_assert_msg(strstr(rig.err.text, cases[i].why) != NULL, "'%s', not '%s'", rig.err.text,
                      cases[i].why);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("transform_image_place");
    TCase *c = tcase_create("place");
    tcase_add_test(c, pads);
    tcase_add_test(c, pad_rejects_what_is_larger);
    tcase_add_test(c, crops);
    tcase_add_test(c, refusals);
    suite_add_tcase(suite, c);
    return harness_run(suite);
}
