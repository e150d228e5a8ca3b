/* test_decode_image.c: JPEG and PNG against the pixels Pillow makes of them (tests/golden/images/images.txt),
 * and that a bad file never harms the next good one. */
#include <turbojpeg.h>

#include "tests/unit/chain_rig.h"

static sl_spec file_spec(void) {
    return chain_source_spec(SL_RECORD_BYTES, NULL, 0, RIG_MAX_RECORD);
}

static void open_modes(struct rig rigs[2]) {
    struct rig rig;
    RIG_OK(rig_open(&rig, "[{\"image.decode\": {\"mode\": \"RGB\"}}]", file_spec(), NULL));
    rigs[0] = rig;
    RIG_OK(rig_open(&rig, "[{\"image.decode\": {\"mode\": \"L\"}}]", file_spec(), NULL));
    rigs[1] = rig;
}

static sl_status decode_file(struct rig *rig, const char *name) {
    size_t nbytes;
    char *data = rig_file(name, &nbytes);
    sl_value in = {.kind = SL_KIND_BYTES, .bytes = {data, nbytes}};
    sl_status status = rig_apply(rig, &in);
    free(data);
    return status;
}

static void check_golden(struct rig *rig, const char *name, const char *mode, int height, int width,
                         uint32_t crc) {
    ck_assert_msg(decode_file(rig, name) == SL_OK, "%s as %s: %s", name, mode, rig->reject.reason);
    ck_assert_int_eq(rig->out.tensor.dtype, SL_UINT8);
    ck_assert_int_eq(rig->out.tensor.rank, 3);
    ck_assert_int_eq(rig->out.tensor.dims[0], height);
    ck_assert_int_eq(rig->out.tensor.dims[1], width);
    ck_assert_int_eq(rig->out.tensor.dims[2], strcmp(mode, "L") == 0 ? 1 : 3);
    ck_assert_msg(rig_crc(rig) == crc, "%s as %s: pixels differ from Pillow's", name, mode);
}

/* Calls back for every line of the table that begins with `kind`. Returns how many. */
static int each_line(const char *kind, void (*call)(struct rig *rigs, char *rest), struct rig *rigs) {
    size_t nbytes;
    int count = 0;
    char *text = rig_file("images.txt", &nbytes), *save = NULL;
    text[nbytes] = '\0';
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, kind, strlen(kind)) != 0)
            continue;
        call(rigs, line + strlen(kind) + 1);
        count++;
    }
    free(text);
    return count;
}

static void one_golden(struct rig *rigs, char *rest) {
    char name[64], mode[8];
    int height, width;
    unsigned crc;
    ck_assert_int_eq(sscanf(rest, "%63s %7s %d %d %x", name, mode, &height, &width, &crc), 5);
    check_golden(&rigs[strcmp(mode, "L") == 0], name, mode, height, width, crc);
}

START_TEST(as_pillow) {
    struct rig rigs[2];
    open_modes(rigs);
    ck_assert_int_ge(each_line("decode", one_golden, rigs), 60);
    rig_close(&rigs[0]);
    rig_close(&rigs[1]);
}
END_TEST

START_TEST(turned_by_exif) {
    struct rig rigs[2];
    ck_assert_int_eq(rig_open(&rigs[0], "[{\"image.decode\": {\"orient\": 1}}]", file_spec(), NULL), SL_OK);
    ck_assert_int_eq(
        rig_open(&rigs[1], "[{\"image.decode\": {\"mode\": \"L\", \"orient\": 1}}]", file_spec(), NULL),
        SL_OK);
    ck_assert_int_eq(each_line("orient", one_golden, rigs), 20);
    rig_close(&rigs[0]);
    rig_close(&rigs[1]);
}
END_TEST

/* Damage in the EXIF data is as if there were none: the pixels are whole. */
START_TEST(damaged_exif) {
    static const size_t exif = 30; /* bytes of it, from the segment's length on */
    struct rig rig;
    size_t nbytes;
    char *data = rig_file("turned_3.jpg", &nbytes), *at = memmem(data, nbytes, "Exif\0\0", 6);
    ck_assert_ptr_nonnull(at);
    RIG_OK(rig_open(&rig, "[{\"image.decode\": {\"orient\": 1}}]", file_spec(), NULL));
    for (size_t i = 0; i < exif; i++)
        for (int bit = 0; bit < 8; bit++) {
            at[i] = (char)(at[i] ^ 1 << bit);
            sl_value in = {.kind = SL_KIND_BYTES, .bytes = {data, nbytes}};
            RIG_OK(rig_apply(&rig, &in));
            at[i] = (char)(at[i] ^ 1 << bit);
        }
    rig_close(&rig);
    free(data);
}
END_TEST

static void one_reject(struct rig *rigs, char *rest) {
    char name[64], code[32];
    ck_assert_int_eq(sscanf(rest, "%63s %31s", name, code), 2);
    for (int mode = 0; mode < 2; mode++) {
        ck_assert_msg(decode_file(&rigs[mode], name) == SL_E_DATA, "%s was taken", name);
        ck_assert_msg(strcmp(rigs[mode].reject.code, code) == 0, "%s: %s (%s), expected %s", name,
                      rigs[mode].reject.code, rigs[mode].reject.reason, code);
        ck_assert_str_eq(rigs[mode].reject.stage, "decode");
    }
}

/* The golden lines of four files that stand for the decoders' ways. */
static void some_golden(struct rig *rigs, char *rest) {
    static const char *const chosen[] = {"baseline_420.jpg",   "progressive_444.jpg", "cmyk.jpg",
                                         "rgb_interlaced.png", "grey_16.png",         "lossy.webp"};
    for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++)
        if (strncmp(rest, chosen[i], strlen(chosen[i])) == 0)
            one_golden(rigs, rest);
}

static void reject_then_golden(struct rig *rigs, char *rest) {
    one_reject(rigs, rest);
    each_line("decode", some_golden, rigs);
}

START_TEST(bad_then_good) {
    struct rig rigs[2];
    open_modes(rigs);
    ck_assert_int_ge(each_line("reject", reject_then_golden, rigs), 26);
    rig_close(&rigs[0]);
    rig_close(&rigs[1]);
}
END_TEST

START_TEST(words) {
    struct rig rig;
    RIG_OK(rig_open(&rig, "[\"image.decode\"]", file_spec(), NULL));
    RIG_REJECT(decode_file(&rig, "truncated_header.jpg"), "truncated-jpeg", "truncated JPEG at byte 100");
    RIG_REJECT(decode_file(&rig, "only_signature.png"), "truncated-png", "truncated PNG at byte 8");
    RIG_REJECT(decode_file(&rig, "huge.png"), "too-many-pixels",
               "PNG of 60000x60000 pixels, at most 4000000 are allowed");
    RIG_REJECT(decode_file(&rig, "wide.png"), "too-many-pixels",
               "PNG of 1000000x1 pixels, a side may have 65500");
    RIG_REJECT(decode_file(&rig, "animation.gif"), "unsupported-image",
               "GIF is not supported, only JPEG, PNG and WebP");
    RIG_REJECT(decode_file(&rig, "text.png"), "unknown-image",
               "not a JPEG, PNG or WebP file, it begins with 'this is '");
    RIG_REJECT(decode_file(&rig, "empty.jpg"), "empty-image", "image file is empty");
    rig_close(&rig);
}
END_TEST

/* Every prefix of a file, and every byte of it wrong, is a picture or a reject, and harms nothing. */
static void torture(struct rig *rigs, const char *name, const char *golden) {
    size_t nbytes;
    char *data = rig_file(name, &nbytes), *copy = malloc(nbytes);
    for (size_t n = 0; n < nbytes; n++) {
        memcpy(copy, data, n);
        sl_value in = {.kind = SL_KIND_BYTES, .bytes = {copy, n}};
        ck_assert_msg(rig_apply(&rigs[n % 2], &in) == SL_E_DATA, "the first %zu bytes of %s were taken", n,
                      name);
    }
    memcpy(copy, data, nbytes);
    for (size_t n = 0; n < nbytes; n++) {
        sl_value in = {.kind = SL_KIND_BYTES, .bytes = {copy, nbytes}};
        copy[n] = (char)(data[n] ^ (n % 3 ? 0xff : 1 << n % 8));
        (void)rig_apply(&rigs[n % 2], &in);
        copy[n] = data[n];
        if (n % 16 == 0) {
            char line[128];
            snprintf(line, sizeof line, "%s", golden);
            one_golden(rigs, line);
        }
    }
    free(copy);
    free(data);
}

static char a_line[128];
static void find_line(struct rig *rigs, char *rest) {
    (void)rigs;
    if (strncmp(rest, "baseline_422.jpg RGB", 20) == 0)
        snprintf(a_line, sizeof a_line, "%s", rest);
}

START_TEST(any_damage) {
    struct rig rigs[2];
    open_modes(rigs);
    each_line("decode", find_line, rigs);
    ck_assert(a_line[0]);
    torture(rigs, "grey_interlaced.png", a_line);
    torture(rigs, "palette.png", a_line);
    torture(rigs, "lossless.webp", a_line);
    torture(rigs, "keep_rgb.jpg", a_line);
    torture(rigs, "cmyk.jpg", a_line);
    rig_close(&rigs[0]);
    rig_close(&rigs[1]);
}
END_TEST

START_TEST(samples) {
    struct rig rig;
    size_t nbytes;
    char *data = rig_file("grey.png", &nbytes);
    sl_field fields[] = {
        {{"json", 4}, {"{}", 2}}, {{"seg.PNG", 7}, {data, nbytes}}, {{"png", 3}, {data, nbytes}}};
    RIG_OK(rig_open(&rig, "[\"image.decode\"]", chain_source_spec(SL_RECORD_FIELDS, NULL, 0, 1 << 20), NULL));
    sl_value in = {.kind = SL_KIND_FIELDS, .fields = fields, .field_count = 2};
    RIG_OK(rig_apply(&rig, &in));
    ck_assert_int_eq(rig.out.tensor.dims[0], 23);
    in.field_count = 1;
    RIG_REJECT(rig_apply(&rig, &in), "missing-value", "the sample has no jpg, jpeg, png or webp");
    ck_assert_str_eq(rig.reject.stage, "transform");
    in.field_count = 3;
    RIG_REJECT(rig_apply(&rig, &in), "several-images",
               "the sample has several images, choose one with {\"field\": name}");
    rig_close(&rig);
    RIG_OK(rig_open(&rig, "[{\"field\": \"png\"}, \"image.decode\"]",
                    chain_source_spec(SL_RECORD_FIELDS, NULL, 0, 1 << 20), NULL));
    RIG_OK(rig_apply(&rig, &in));
    ck_assert_int_eq(rig.out.tensor.dims[1], 37);
    rig_close(&rig);
    free(data);
}
END_TEST

/* A smooth picture as a JPEG. */
static unsigned char *make_jpeg(int width, int height, unsigned long *nbytes) {
    unsigned char *pixels = malloc((size_t)width * (size_t)height * 3), *p = pixels, *jpeg = NULL;
    tjhandle handle = tjInitCompress();
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, p += 3) {
            p[0] = (unsigned char)(255 * x / width);
            p[1] = (unsigned char)(255 * y / height);
            p[2] = (unsigned char)(128 + 100 * ((x / 64 + y / 64) % 2));
        }
    *nbytes = 0;
    ck_assert_int_eq(
        tjCompress2(handle, pixels, width, 0, height, TJPF_RGB, &jpeg, nbytes, TJSAMP_420, 90, 0), 0);
    tjDestroy(handle);
    free(pixels);
    return jpeg;
}

static sl_status decode_bytes(const char *steps, struct rig *out, const void *data, size_t nbytes) {
    struct rig rig;
    RIG_OK(rig_open(&rig, steps, file_spec(), NULL));
    sl_value in = {.kind = SL_KIND_BYTES, .bytes = {data, nbytes}};
    sl_status st = rig_apply(&rig, &in);
    *out = rig;
    return st;
}

/* The scale is the least at which the shorter side keeps twice the target; the pixels are near the mean of
 * those that they stand for. */
START_TEST(scaled) {
    static const struct {
        int width, height, target, by;
    } cases[] = {{1000, 600, 0, 1},   {1000, 600, 301, 1}, {1000, 600, 300, 1}, {1000, 600, 150, 2},
                 {600, 1001, 151, 1}, {1000, 600, 75, 4},  {1000, 600, 37, 8},  {1000, 600, 1, 8},
                 {17, 1000, 1, 8},    {8, 1000, 1, 4},     {1001, 603, 75, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int w = cases[i].width, h = cases[i].height, by = cases[i].by;
        char steps[80];
        unsigned long nbytes;
        struct rig whole, small;
        unsigned char *jpeg = make_jpeg(w, h, &nbytes);
        snprintf(steps, sizeof steps, "[{\"image.decode\": {\"scale_to\": %d}}]", cases[i].target);
        ck_assert_int_eq(decode_bytes("[\"image.decode\"]", &whole, jpeg, nbytes), SL_OK);
        ck_assert_int_eq(decode_bytes(steps, &small, jpeg, nbytes), SL_OK);
        int to_h = (h + by - 1) / by, to_w = (w + by - 1) / by;
        ck_assert_int_eq(small.out.tensor.dims[0], to_h);
        ck_assert_int_eq(small.out.tensor.dims[1], to_w);
        const uint8_t *from = whole.room, *to = small.room;
        double off = 0;
        for (int y = 0; y < h / by; y++)
            for (int x = 0; x < w / by; x++) {
                int sum = 0;
                for (int k = 0; k < by * by; k++)
                    sum += from[((size_t)(y * by + k / by) * (size_t)w + (size_t)(x * by + k % by)) * 3];
                off += abs(to[((size_t)y * (size_t)to_w + (size_t)x) * 3] - sum / (by * by));
            }
        off /= (double)(h / by) * (w / by);
        ck_assert_msg(off < (by == 1 ? 1e-9 : 3), "case %zu: %.2f levels off", i, off);
        rig_close(&whole);
        rig_close(&small);
        tjFree(jpeg);
    }
    struct rig rig;
    ck_assert_int_eq(rig_open(&rig, "[{\"image.decode\": {\"scale_to\": -1}}]", file_spec(), NULL),
                     SL_E_MODEL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("decode_image");
    TCase *tc = tcase_create("decode_image");
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, as_pillow);
    tcase_add_test(tc, turned_by_exif);
    tcase_add_test(tc, damaged_exif);
    tcase_add_test(tc, bad_then_good);
    tcase_add_test(tc, words);
    tcase_add_test(tc, any_damage);
    tcase_add_test(tc, samples);
    tcase_add_test(tc, scaled);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
