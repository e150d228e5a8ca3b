/* test_transform_tensor.c: tensor.normalize, softmax, argmax and top_k. */
#include "tests/unit/chain_rig.h"

#include <math.h>
#include <unistd.h>

static char dir[] = "/tmp/sluice-test-XXXXXX";

static void write_labels(const char *text) {
    char path[64];
    snprintf(path, sizeof path, "%s/labels.txt", dir);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static void make_dir(void) {
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void drop_dir(void) {
    char path[64];
    snprintf(path, sizeof path, "%s/labels.txt", dir);
    unlink(path);
    rmdir(dir);
}

static struct chain_options with_dir(void) {
    struct chain_options options = rig_options();
    options.model_dir = dir;
    return options;
}

static sl_spec row(int64_t n) {
    return rig_tensor(SL_FLOAT, 1, &n);
}

/* --- tensor.normalize --- */

/* What the device is told to do, done here: one multiply, one add, each rounded. */
static void reference(const sl_affine *affine, const sl_value *in, float *y) {
    const sl_tensor *t = &in->tensor;
    int64_t count;
    ck_assert(sl_shape_count(t->rank, t->dims, &count));
    int64_t channels = t->dims[t->rank - 1], pixels = count / channels;
    for (int64_t i = 0; i < count; i++) {
        int64_t c = i % channels, p = i / channels;
        size_t k = affine->count == 1 ? 0 : (size_t)c;
        volatile float x = t->dtype == SL_UINT8 ? (float)((uint8_t *)t->data)[i] : ((float *)t->data)[i];
        volatile float product = x * affine->scale[k];
        y[affine->chw ? c * pixels + p : i] = product + affine->offset[k];
    }
}

/* Number i of the list (or the one number) under `key`. */
static double number_of(const char *params, const char *key, int64_t i, double missing) {
    json_t *value = json_loads(params, 0, NULL), *item = json_object_get(value, key);
    double x = json_is_array(item) ? json_number_value(json_array_get(item, (size_t)i))
               : item              ? json_number_value(item)
                                   : missing;
    json_decref(value);
    return x;
}

/* (x * scale - mean) / std in double, rounded once. */
static void reference_wide(const char *params, const sl_value *in, bool chw, float *y) {
    const sl_tensor *t = &in->tensor;
    int64_t count;
    ck_assert(sl_shape_count(t->rank, t->dims, &count));
    int64_t channels = t->dims[t->rank - 1], pixels = count / channels;
    for (int64_t i = 0; i < count; i++) {
        int64_t c = i % channels, p = i / channels;
        double std = number_of(params, "std", c, 1);
        volatile double product = (double)((float *)t->data)[i] * (number_of(params, "scale", c, 1) / std);
        y[chw ? c * pixels + p : i] = (float)(product + -number_of(params, "mean", c, 0) / std);
    }
}

static void check_normalize(const char *params, sl_spec in, const sl_spec *target) {
    struct rig rig, staged;
    char steps[200];
    static uint8_t data[4096];
    static float want[1024];
    sl_affine affine;
    uint64_t seed = 7;
    size_t n = in.max_nbytes / (in.dtype == SL_FLOAT ? 4 : 1);
    for (size_t i = 0; i < n; i++) {
        if (in.dtype == SL_FLOAT)
            ((float *)(void *)data)[i] = (float)rig_random(&seed) / 1e6f - 1e3f;
        else
            data[i] = (uint8_t)rig_random(&seed);
    }
    sl_value value = rig_value(&in, data);
    snprintf(steps, sizeof steps, "[{\"tensor.normalize\": %s}]", params);
    RIG_OK(rig_open(&rig, steps, in, NULL));
    ck_assert_int_eq(rig_open(&staged, steps, in, target), SL_OK);
    /* pixels are left to the device; columns are not */
    ck_assert(chain_affine(staged.chain, &affine) == (in.dtype == SL_UINT8));
    RIG_OK(rig_apply(&rig, &value));
    if (in.dtype == SL_UINT8)
        reference(&affine, &value, want);
    else
        reference_wide(params, &value, target->dims[0] != in.dims[0], want);
    ck_assert_int_eq(rig.out.tensor.rank, target->rank);
    for (int d = 0; d < target->rank; d++)
        ck_assert_int_eq(rig.out.tensor.dims[d], target->dims[d]);
    ck_assert_mem_eq(rig.room, want, n * sizeof(float));
    rig_close(&rig);
    rig_close(&staged);
}

START_TEST(normalize_is_what_it_lowers_to) {
    sl_spec chw = rig_tensor(SL_FLOAT, 3, (int64_t[]){3, 5, 7}),
            hwc = rig_tensor(SL_FLOAT, 3, (int64_t[]){5, 7, 3});
    sl_spec pixels = rig_tensor(SL_UINT8, 3, (int64_t[]){5, 7, 3}), ten = row(10);
    const char *imagenet = "{\"mean\": [0.485, 0.456, 0.406], \"std\": [0.229, 0.224, 0.225]}";
    check_normalize("{}", pixels, &chw);
    check_normalize(imagenet, pixels, &chw);
    check_normalize("{\"layout\": \"nhwc\", \"mean\": [1, 2, 3]}", pixels, &hwc);
    check_normalize("{\"layout\": \"nhwc\", \"scale\": 2}", hwc, &hwc);
    check_normalize(imagenet, hwc, &chw);
    check_normalize("{\"mean\": 0.3, \"std\": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}", ten, &ten);
    check_normalize("{\"mean\": 0.3}", ten, &ten);
    check_normalize("{\"mean\": [1, 2, 3, 4, 5, 6, 7]}", rig_tensor(SL_FLOAT, 2, (int64_t[]){3, 7}),
                    &(sl_spec){.kind = SL_KIND_TENSOR, .dtype = SL_FLOAT, .rank = 2, .dims = {3, 7}});
}
END_TEST

START_TEST(normalize_values) {
    struct rig rig;
    sl_spec in = rig_tensor(SL_UINT8, 3, (int64_t[]){1, 2, 3});
    uint8_t pixels[6] = {0, 128, 255, 255, 51, 0};
    sl_value value = rig_value(&in, pixels);
    RIG_OK(rig_open(&rig, "[{\"tensor.normalize\": {\"mean\": [0.5, 0, 0.25], \"std\": [0.5, 1, 2]}}]", in,
                    NULL));
    RIG_OK(rig_apply(&rig, &value));
    static const double want[6] = {-1, 1, 128 / 255.0, 0.2, 0.375, -0.125};
    for (int i = 0; i < 6; i++)
        ck_assert_double_eq_tol(rig_floats(&rig)[i], want[i], 1e-6);
    rig_close(&rig);
}
END_TEST

START_TEST(normalize_refusals) {
    struct rig rig;
    sl_spec in = rig_tensor(SL_UINT8, 3, (int64_t[]){1, 2, 3});
    static const struct {
        const char *params, *why;
    } cases[] = {
        {"{\"mean\": [1, 2]}", "'mean' has 2 and 'std' 1 numbers, the input has 3 channels"},
        {"{\"mean\": [1, 2, 3], \"std\": [1, 2]}",
         "'mean' has 3 and 'std' 2 numbers, the input has 3 channels"},
        {"{\"std\": []}", "'mean' has 1 and 'std' 0 numbers, the input has 3 channels"},
        {"{\"std\": 0}", "'scale', 'mean' and 'std' must give finite factors, and 'std' not 0"},
        {"{\"layout\": \"chw\"}", "'layout' must be \"nchw\" or \"nhwc\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char steps[100], text[300];
        snprintf(steps, sizeof steps, "[{\"tensor.normalize\": %s}]", cases[i].params);
        snprintf(text, sizeof text,
                 "cannot use transform 'tensor.normalize': %s (step 1, which gets uint8 [1,2,3])",
                 cases[i].why);
        RIG_REFUSED(rig_open(&rig, steps, in, NULL), text);
    }
    RIG_REFUSED(
        rig_open(&rig, "[{\"tensor.normalize\": {\"layout\": \"nchw\"}}]", row(3), NULL),
        "cannot use transform 'tensor.normalize': 'layout' is for images, [h,w,c] (step 1, which gets float "
        "[3])");
}
END_TEST

/* --- tensor.softmax --- */

START_TEST(softmax) {
    struct rig rig;
    sl_spec in = rig_tensor(SL_FLOAT, 2, (int64_t[]){3, 3});
    float x[9] = {1, 2, 3, 1000, 1000, -INFINITY, 0, NAN, 1};
    sl_value value = rig_value(&in, x);
    RIG_OK(rig_open(&rig, "[\"tensor.softmax\"]", in, NULL));
    RIG_OK(rig_apply(&rig, &value));
    const float *y = rig_floats(&rig);
    double sum = exp(-2) + exp(-1) + 1;
    ck_assert(y[0] == (float)(exp(-2) / sum) && y[1] == (float)(exp(-1) / sum) && y[2] == (float)(1 / sum));
    ck_assert(y[3] == 0.5f && y[4] == 0.5f && y[5] == 0.0f);
    ck_assert(isnan(y[6]) && isnan(y[7]) && isnan(y[8]));
    rig_close(&rig);
    ck_assert_int_eq(rig_open(&rig, "[{\"tensor.softmax\": {\"axis\": 1}}]", in, NULL), SL_E_MODEL);
    in.dtype = SL_INT64;
    ck_assert_int_eq(rig_open(&rig, "[\"tensor.softmax\"]", in, NULL), SL_E_MODEL);
}
END_TEST

/* --- tensor.argmax --- */

START_TEST(argmax) {
    struct rig rig;
    static const struct {
        float x[4];
        int64_t best;
    } cases[] = {{{1, 5, 2, 3}, 1},    {{5, 5, 5, 5}, 0},           {{-1, -2, -1, -1}, 0},
                 {{0, 1, 2, 3}, 3},    {{NAN, -INFINITY, 1, 1}, 2}, {{NAN, NAN, NAN, NAN}, 0},
                 {{1, NAN, 2, NAN}, 2}};
    RIG_OK(rig_open(&rig, "[\"tensor.argmax\"]", row(4), NULL));
    ck_assert_int_eq(chain_spec(rig.chain)->dtype, SL_INT64);
    ck_assert_ptr_null(chain_spec(rig.chain)->labels);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sl_spec in = row(4);
        sl_value value = rig_value(&in, (void *)(uintptr_t)cases[i].x);
        RIG_OK(rig_apply(&rig, &value));
        ck_assert_int_eq(rig.out.tensor.rank, 1);
        ck_assert_int_eq(rig.out.tensor.dims[0], 1);
        ck_assert_int_eq(*(int64_t *)rig.room, cases[i].best);
    }
    rig_close(&rig);
    sl_spec in = rig_tensor(SL_FLOAT, 2, (int64_t[]){2, 3});
    float x[6] = {1, 3, 2, 9, 8, 7};
    sl_value value = rig_value(&in, x);
    RIG_OK(rig_open(&rig, "[\"tensor.argmax\"]", in, NULL));
    RIG_OK(rig_apply(&rig, &value));
    ck_assert_int_eq(rig.out.tensor.dims[0], 2);
    ck_assert_int_eq(((int64_t *)rig.room)[0], 1);
    ck_assert_int_eq(((int64_t *)rig.room)[1], 0);
    rig_close(&rig);
}
END_TEST

START_TEST(labels) {
    struct rig rig;
    struct chain_options options = with_dir();
    write_labels("cat\r\ndog\n\nlast one");
    RIG_OK(
        rig_open_with(&rig, "[{\"tensor.argmax\": {\"labels\": \"labels.txt\"}}]", row(4), NULL, &options));
    const sl_spec *spec = chain_spec(rig.chain);
    ck_assert_uint_eq(spec->label_count, 4);
    ck_assert_str_eq(spec->labels[0], "cat");
    ck_assert_str_eq(spec->labels[1], "dog");
    ck_assert_str_eq(spec->labels[2], "");
    ck_assert_str_eq(spec->labels[3], "last one");
    rig_close(&rig);
    RIG_REFUSED(
        rig_open_with(&rig, "[{\"tensor.argmax\": {\"labels\": \"labels.txt\"}}]", row(5), NULL, &options),
        "cannot use transform 'tensor.argmax': 'labels.txt' has 4 labels, the model has 5 classes (step 1, "
        "which gets float [5])");
    RIG_REFUSED(
        rig_open_with(&rig, "[{\"tensor.top_k\": {\"k\": 1, \"labels\": \"labels.txt\"}}]", row(3), NULL,
                      &options),
        "cannot use transform 'tensor.top_k': 'labels.txt' has 4 labels, the model has 3 classes (step 1, "
        "which gets float [3])");
    RIG_REFUSED(
        rig_open_with(&rig, "[{\"tensor.argmax\": {\"labels\": \"a/../../b\"}}]", row(3), NULL, &options),
        "cannot use transform 'tensor.argmax': 'a/../../b' is not inside the model directory (step 1, which "
        "gets float [3])");
    ck_assert_int_eq(
        rig_open_with(&rig, "[{\"tensor.argmax\": {\"labels\": \"none.txt\"}}]", row(3), NULL, &options),
        SL_E_MODEL);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "none.txt"));
    write_labels("");
    ck_assert_int_eq(
        rig_open_with(&rig, "[{\"tensor.argmax\": {\"labels\": \"labels.txt\"}}]", row(3), NULL, &options),
        SL_E_MODEL);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "'labels.txt' has 0 labels, the model has 3 classes"));
}
END_TEST

/* --- tensor.top_k --- */

START_TEST(top_k) {
    struct rig rig;
    struct chain_options options = with_dir();
    write_labels("a\nb\nc\nd\ne\nf\n");
    float x[6] = {0.5f, NAN, 2, 0.5f, 2, -INFINITY};
    static const int32_t order[6] = {2, 4, 0, 3, 5, 1};
    for (int k = 1; k <= 6; k++) {
        char steps[100];
        sl_spec in = rig_tensor(SL_FLOAT, 2, (int64_t[]){1, 6});
        sl_value value = rig_value(&in, x);
        snprintf(steps, sizeof steps, "[{\"tensor.top_k\": {\"k\": %d, \"labels\": \"labels.txt\"}}]", k);
        RIG_OK(rig_open_with(&rig, steps, in, NULL, &options));
        ck_assert_int_eq(chain_spec(rig.chain)->kind, SL_KIND_RANKED);
        ck_assert_str_eq(chain_spec(rig.chain)->labels[5], "f");
        ck_assert_uint_eq(chain_spec(rig.chain)->max_nbytes, (size_t)k * sizeof(sl_ranked));
        RIG_OK(rig_apply(&rig, &value));
        ck_assert_int_eq(rig.out.kind, SL_KIND_RANKED);
        ck_assert_int_eq(rig.out.tensor.dims[0], k);
        const sl_ranked *best = rig.out.tensor.data;
        for (int i = 0; i < k; i++) {
            ck_assert_int_eq(best[i].index, order[i]);
            ck_assert_mem_eq(&best[i].score, &x[order[i]], sizeof(float));
        }
        rig_close(&rig);
    }
    RIG_REFUSED(rig_open(&rig, "[{\"tensor.top_k\": {\"k\": 7}}]", row(6), NULL),
                "cannot use transform 'tensor.top_k': 'k' is 7, expected 1 to the 6 classes (step 1, which "
                "gets float "
                "[6])");
    ck_assert_int_eq(rig_open(&rig, "[\"tensor.top_k\"]", row(6), NULL), SL_E_MODEL);
    ck_assert_int_eq(
        rig_open(&rig, "[{\"tensor.top_k\": {\"k\": 1}}]", rig_tensor(SL_FLOAT, 2, (int64_t[]){2, 6}), NULL),
        SL_E_MODEL);
}
END_TEST

static int by_score(const void *a, const void *b) {
    const sl_ranked *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score) - (x->score > y->score) : x->index - y->index;
}

START_TEST(top_k_is_a_stable_sort) {
    struct rig rig;
    float x[1000];
    sl_ranked all[1000];
    uint64_t seed = 3;
    sl_spec in = row(1000);
    RIG_OK(rig_open(&rig, "[{\"tensor.top_k\": {\"k\": 37}}]", in, NULL));
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 1000; i++) {
            x[i] = (float)(rig_random(&seed) % 100);
            all[i] = (sl_ranked){i, x[i]};
        }
        qsort(all, 1000, sizeof *all, by_score);
        sl_value value = rig_value(&in, x);
        RIG_OK(rig_apply(&rig, &value));
        ck_assert_mem_eq(rig.room, all, 37 * sizeof *all);
    }
    rig_close(&rig);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("transform_tensor");
    TCase *tc = tcase_create("transform_tensor");
    tcase_add_unchecked_fixture(tc, make_dir, drop_dir);
    tcase_add_test(tc, normalize_is_what_it_lowers_to);
    tcase_add_test(tc, normalize_values);
    tcase_add_test(tc, normalize_refusals);
    tcase_add_test(tc, softmax);
    tcase_add_test(tc, argmax);
    tcase_add_test(tc, labels);
    tcase_add_test(tc, top_k);
    tcase_add_test(tc, top_k_is_a_stable_sort);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
