/* test_transform_image_resize.c: sizes and pixels of image.resize against Pillow's, byte for byte
 * (tests/golden/images/images.txt). */
/* The passes themselves, to hold the fast ones against the plain ones (before Check, whose macro `fail` it
 * does not know). */
#define transform_image_resize transform_image_resize_inside
#include "transforms/image_resize.c"

#include "tests/unit/chain_rig.h"

static sl_spec image(int64_t h, int64_t w, int64_t c) {
    return rig_tensor(SL_UINT8, 3, (int64_t[]){h, w, c});
}

static sl_spec any_image(int64_t c) {
    sl_spec spec = image(1, 1, c);
    spec.dims[0] = spec.dims[1] = -1;
    spec.max_nbytes = RIG_MAX_PIXELS * (size_t)c;
    return spec;
}

/* The pixels of a golden file; the rig's room holds them. */
static void load(struct rig *out, const char *name, const char *mode) {
    struct rig rig;
    char steps[64];
    size_t nbytes;
    snprintf(steps, sizeof steps, "[{\"image.decode\": {\"mode\": \"%s\"}}]", mode);
    RIG_OK(rig_open(&rig, steps, chain_source_spec(SL_RECORD_BYTES, NULL, 0, 1 << 20), NULL));
    char *data = rig_file(name, &nbytes);
    sl_value in = {.kind = SL_KIND_BYTES, .bytes = {data, nbytes}};
    RIG_OK(rig_apply(&rig, &in));
    free(data);
    *out = rig;
}

static void one_line(const char *line) {
    char name[64], mode[8], filter[16], steps[128];
    int height, width;
    unsigned crc;
    struct rig rig, source;
    ck_assert_int_eq(sscanf(line, "resize %63s %7s %15s %d %d %x", name, mode, filter, &height, &width, &crc),
                     6);
    load(&source, name, mode);
    snprintf(steps, sizeof steps, "[{\"image.resize\": {\"size\": [%d, %d], \"filter\": \"%s\"}}]", height,
             width, filter);
    RIG_OK(rig_open(&rig, steps, any_image(source.out.tensor.dims[2]), NULL));
    for (int again = 0; again < 2; again++) { /* with coefficients made and kept */
        RIG_OK(rig_apply(&rig, &source.out));
        ck_assert_int_eq(rig.out.tensor.dims[0], height);
        ck_assert_int_eq(rig.out.tensor.dims[1], width);
        ck_assert_msg(rig_crc(&rig) == crc, "%s: differs from Pillow", line);
    }
    rig_close(&rig);
    rig_close(&source);
}

START_TEST(as_pillow) {
    size_t nbytes;
    int count = 0;
    char *text = rig_file("images.txt", &nbytes), *save = NULL;
    text[nbytes] = '\0';
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "resize ", 7) != 0)
            continue;
        one_line(line);
        count++;
    }
    ck_assert_int_eq(count, 135);
    free(text);
}
END_TEST

START_TEST(longer_side) {
    static const struct {
        int64_t h, w, n, out_h, out_w;
    } cases[] = {{375, 500, 640, 480, 640},
                 {500, 375, 64, 64, 48},
                 {3, 200, 20, 1, 20},
                 {1, 200, 20, 1, 20},
                 {7, 10, 5, 4, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig rig;
        char steps[64];
        sl_spec in = image(cases[i].h, cases[i].w, 3);
        uint8_t *pixels = calloc(1, in.max_nbytes);
        sl_value value = rig_value(&in, pixels);
        snprintf(steps, sizeof steps, "[{\"image.resize\": {\"longer\": %d}}]", (int)cases[i].n);
        RIG_OK(rig_open(&rig, steps, any_image(3), NULL));
        RIG_OK(rig_apply(&rig, &value));
        ck_assert_int_eq(rig.out.tensor.dims[0], cases[i].out_h);
        ck_assert_int_eq(rig.out.tensor.dims[1], cases[i].out_w);
        rig_close(&rig);
        free(pixels);
    }
}
END_TEST

START_TEST(shorter_side) {
    static const struct {
        int64_t h, w, n, out_h, out_w;
    } cases[] = {
        {375, 500, 256, 256, 341}, {500, 375, 256, 341, 256}, {100, 100, 30, 30, 30}, {7, 3, 1, 2, 1},
        {1, 9, 5, 5, 45},          {256, 999, 256, 256, 999}, {3, 2, 3, 4, 3},
    };
    struct rig rig;
    uint8_t *pixels = calloc(1, (size_t)256 * 999 * 3);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char steps[64];
        sl_spec in = image(cases[i].h, cases[i].w, 3);
        sl_value value = rig_value(&in, pixels);
        snprintf(steps, sizeof steps, "[{\"image.resize\": {\"shorter\": %d}}]", (int)cases[i].n);
        /* The plan knows the size when the input's is known; else the record shows it. */
        for (int known = 0; known < 2; known++) {
            RIG_OK(rig_open(&rig, steps, known ? in : any_image(3), NULL));
            ck_assert_int_eq(chain_spec(rig.chain)->dims[0], known ? cases[i].out_h : -1);
            RIG_OK(rig_apply(&rig, &value));
            ck_assert_int_eq(rig.out.tensor.dims[0], cases[i].out_h);
            ck_assert_int_eq(rig.out.tensor.dims[1], cases[i].out_w);
            rig_close(&rig);
        }
    }
    free(pixels);
}
END_TEST

#define LINES 13 /* eight, four and one of them go together */

static void compare_passes(enum filter filter, int32_t in, int32_t out, int channels, uint64_t *seed) {
    static double weights[4096];
    size_t nbytes = axis_room(filter), line = (size_t)in * (size_t)channels,
           made = (size_t)out * (size_t)channels;
    char *room = mem_map(nbytes);
    /* Buffers of the exact size, so that sanitizers see a read past them; canaries behind the results. */
    uint8_t *source = malloc(line * LINES), *plain = malloc(made * LINES + 16),
            *fast = malloc(made * LINES + 16);
    struct axis axis = {.in = 0};
    for (size_t i = 0; i < line * LINES; i++)
        source[i] = (uint8_t)(rig_random(seed) % 3 ? rig_random(seed) : rig_random(seed) % 2 ? 255 : 0);
    use_axis(&axis, room, filter, in, out, weights);
    for (int k = 1; resize_passes(k); k++) {
        const struct resize_passes *first = resize_passes(0), *other = resize_passes(k);
        memset(plain, 0xaa, made * LINES + 16);
        memset(fast, 0xaa, made * LINES + 16);
        first->rows(&axis, source, plain, LINES, channels);
        other->rows(&axis, source, fast, LINES, channels);
        ck_assert_msg(!memcmp(plain, fast, made * LINES + 16), "rows, %s: %d to %d", other->name, in, out);
        /* The same bytes as `in` rows of LINES * channels columns. */
        first->columns(&axis, source, 0, plain, LINES * (size_t)channels);
        other->columns(&axis, source, 0, fast, LINES * (size_t)channels);
        ck_assert_msg(!memcmp(plain, fast, made * LINES + 16), "columns, %s: %d to %d", other->name, in, out);
    }
    free(source);
    free(plain);
    free(fast);
    mem_unmap(room, nbytes);
}

START_TEST(fast_equals_plain) {
    static const int32_t sides[] = {1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 64, 97, 640};
    uint64_t seed = 11;
    size_t n = sizeof sides / sizeof *sides;
    for (int filter = BOX; filter <= LANCZOS; filter++)
        for (size_t i = 0; i < n; i++)
            for (size_t o = 0; o < n; o++)
                for (int channels = 1; channels <= 4; channels++)
                    compare_passes((enum filter)filter, sides[i], sides[o], channels, &seed);
}
END_TEST

/* Columns in tiles and one by one give the same. */
START_TEST(tiles_equal_single_columns) {
    static double weights[4096];
    static uint8_t source[40 * 200], whole[17 * 200], part[17];
    char *room = mem_map(axis_room(BICUBIC));
    struct axis axis = {.in = 0};
    uint64_t seed = 5;
    for (size_t i = 0; i < sizeof source; i++)
        source[i] = (uint8_t)rig_random(&seed);
    use_axis(&axis, room, BICUBIC, 40, 17, weights);
    for (size_t width = 1; width <= 200; width++) {
        resize_passes(0)->columns(&axis, source, 0, whole, width);
        for (size_t x = 0; x<width; x += width> 66 ? 13 : 1) {
            uint8_t line[40];
            for (size_t y = 0; y < 40; y++)
                line[y] = source[y * width + x];
            resize_passes(0)->columns(&axis, line, 0, part, 1);
            for (size_t y = 0; y < 17; y++)
                ck_assert_int_eq(whole[y * width + x], part[y]);
        }
    }
    mem_unmap(room, axis_room(BICUBIC));
}
END_TEST

/* A worker gives memory back some time after a huge picture, and the kept coefficients with it when they are
 * many: they must be made again. */
START_TEST(after_a_huge_one) {
    struct rig rig;
    size_t nbytes = (size_t)RIG_MAX_PIXELS * 3;
    uint8_t *pixels = malloc(nbytes);
    for (size_t i = 0; i < nbytes; i++)
        pixels[i] = (uint8_t)(i * 2654435761u >> 13);
    RIG_OK(rig_open(&rig, "[{\"image.resize\": {\"size\": [64000, 4], \"filter\": \"lanczos\"}}]",
                    any_image(3), NULL));
    sl_spec huge = image(1000, 4, 3), tiny = image(2, 2, 3), tall = image(65500, 9, 3);
    sl_value in = rig_value(&huge, pixels), small = rig_value(&tiny, pixels), many = rig_value(&tall, pixels);
    RIG_OK(rig_apply(&rig, &many));
    uint32_t crc = rig_crc(&rig);
    /* Whatever was huge, the worker only has to believe so. */
    RIG_OK(rig_apply(&rig, &in));
    ck_assert(!rig.ctx->rooms[0].swell.swollen);
    rig.ctx->rooms[0].swell = (struct swell){.swollen = true, .quiet = 0};
    for (unsigned i = 0; i + 2 < WORKER_QUIET_RECORDS; i++)
        RIG_OK(rig_apply(&rig, &small));
    RIG_OK(rig_apply(&rig, &many));
    ck_assert_uint_eq(rig_crc(&rig), crc);
    ck_assert(rig.ctx->rooms[0].swell.swollen);
    RIG_OK(rig_apply(&rig, &many)); /* from kept coefficients, which then go */
    ck_assert_uint_eq(rig_crc(&rig), crc);
    ck_assert(!rig.ctx->rooms[0].swell.swollen);
    RIG_OK(rig_apply(&rig, &many));
    ck_assert_uint_eq(rig_crc(&rig), crc);
    rig_close(&rig);
    free(pixels);
}
END_TEST

START_TEST(huge_ones_are_noticed) {
    struct rig rig;
    sl_spec in = image(1700, 1700, 3);
    uint8_t *pixels = calloc(1, in.max_nbytes);
    sl_value value = rig_value(&in, pixels);
    RIG_OK(rig_open(&rig, "[{\"image.resize\": {\"shorter\": 1900, \"filter\": \"nearest\"}}]", any_image(3),
                    NULL));
    RIG_OK(rig_apply(&rig, &value));
    ck_assert(rig.ctx->rooms[0].swell.swollen);
    rig_close(&rig);
    free(pixels);
}
END_TEST

START_TEST(too_large) {
    struct rig rig;
    uint8_t *pixels = calloc(1, (size_t)3 * 40000);
    RIG_OK(rig_open(&rig, "[{\"image.resize\": {\"shorter\": 100}}]", any_image(3), NULL));
    sl_spec in = image(1, 40000, 3);
    sl_value value = rig_value(&in, pixels);
    RIG_REJECT(rig_apply(&rig, &value), "too-many-pixels",
               "resizing 40000x1 pixels gives 4000000x100, too many");
    rig_close(&rig);
    /* Columns first, else there would be too many pixels in between. */
    RIG_OK(rig_open(&rig, "[{\"image.resize\": {\"size\": [1, 60000]}}]", any_image(3), NULL));
    in = image(40000, 1, 3);
    value = rig_value(&in, pixels);
    RIG_OK(rig_apply(&rig, &value));
    rig_close(&rig);
    RIG_OK(rig_open(&rig, "[{\"image.resize\": {\"size\": [1500, 2000]}}]", any_image(3), NULL));
    in = image(3000, 4000, 3); /* more than an image may have */
    uint8_t *many = calloc(1, in.max_nbytes);
    value = rig_value(&in, many);
    RIG_REJECT(rig_apply(&rig, &value), "too-many-pixels",
               "resizing 4000x3000 pixels to 2000x1500 needs too many");
    free(many);
    rig_close(&rig);
    /* The longest sides there are. */
    RIG_OK(rig_open(&rig, "[{\"image.resize\": {\"size\": [1, 1], \"filter\": \"lanczos\"}}]", any_image(1),
                    NULL));
    in = image(1, 65500, 1);
    memset(pixels, 77, 65500);
    value = rig_value(&in, pixels);
    RIG_OK(rig_apply(&rig, &value));
    /* So many taps of so little weight round to less: Pillow has the same. */
    ck_assert_int_le(*(uint8_t *)rig.room, 78);
    ck_assert_int_ge(*(uint8_t *)rig.room, 70);
    in = image(65500, 1, 1);
    value = rig_value(&in, pixels);
    RIG_OK(rig_apply(&rig, &value));
    rig_close(&rig);
    free(pixels);
}
END_TEST

START_TEST(refusals) {
    struct rig rig;
    static const struct {
        const char *params, *why;
    } cases[] = {
        {"{}", "give it one of 'shorter', 'longer' and 'size'"},
        {"{\"shorter\": 3, \"size\": [3, 3]}", "give it one of 'shorter', 'longer' and 'size'"},
        {"{\"size\": [3]}", "'size' must be [height, width]"},
        {"{\"shorter\": [3, 4]}", "'shorter' must be one number"},
        {"{\"shorter\": 0}", "a side must be a whole number from 1 to 65500"},
        {"{\"shorter\": 2.5}", "a side must be a whole number from 1 to 65500"},
        {"{\"size\": [1, 65501]}", "a side must be a whole number from 1 to 65500"},
        {"{\"size\": [65500, 65500]}", "the result would have more pixels than an image may have"},
        {"{\"shorter\": 3, \"filter\": \"cubic\"}",
         "'filter' is \"cubic\", expected nearest, box, bilinear, bicubic or lanczos"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char steps[200], text[300];
        snprintf(steps, sizeof steps, "[{\"image.resize\": %s}]", cases[i].params);
        snprintf(text, sizeof text,
                 "cannot use transform 'image.resize': %s (step 1, which gets uint8 [?,?,3])", cases[i].why);
        RIG_REFUSED(rig_open(&rig, steps, any_image(3), NULL), text);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("transform_image_resize");
    TCase *tc = tcase_create("transform_image_resize");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, as_pillow);
    tcase_add_test(tc, fast_equals_plain);
    tcase_add_test(tc, tiles_equal_single_columns);
    tcase_add_test(tc, shorter_side);
    tcase_add_test(tc, longer_side);
    tcase_add_test(tc, after_a_huge_one);
    tcase_add_test(tc, huge_ones_are_noticed);
    tcase_add_test(tc, too_large);
    tcase_add_test(tc, refusals);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
