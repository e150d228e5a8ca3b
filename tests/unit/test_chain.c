/* test_chain.c: opening chains, what they begin with and end in, and the words for what does not fit. */
#include "tests/unit/chain_rig.h"

#include <math.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static sl_spec csv_spec(void) {
    return chain_source_spec(SL_RECORD_CSV, NULL, 0, RIG_MAX_RECORD);
}

static sl_spec image_spec(void) {
    return chain_source_spec(SL_RECORD_BYTES, NULL, 0, RIG_MAX_RECORD);
}

static sl_spec floats(int64_t a, int64_t b, int64_t c) {
    int64_t dims[3] = {a, b, c};
    return rig_tensor(SL_FLOAT, c ? 3 : b ? 2 : 1, dims);
}

START_TEST(sources) {
    static const struct {
        sl_record_kind record;
        sl_kind value;
    } kinds[] = {{SL_RECORD_CSV, SL_KIND_CSV},
                 {SL_RECORD_JSON, SL_KIND_JSON},
                 {SL_RECORD_BYTES, SL_KIND_BYTES},
                 {SL_RECORD_FIELDS, SL_KIND_FIELDS}};
    for (size_t i = 0; i < 4; i++) {
        sl_field field = {{"json", 4}, {"1", 1}};
        sl_record record = {.kind = kinds[i].record, .bytes = {"abc", 3}, .fields = &field, .field_count = 1};
        sl_value value;
        chain_source(&record, &value);
        sl_spec spec = chain_source_spec(kinds[i].record, NULL, 3, 99);
        ck_assert_int_eq(value.kind, kinds[i].value);
        ck_assert_int_eq(spec.kind, kinds[i].value);
        ck_assert_uint_eq(spec.max_nbytes, 99);
        ck_assert_uint_eq(spec.column_count, 0);
        if (value.kind == SL_KIND_FIELDS)
            ck_assert_ptr_eq(value.fields, &field);
        else
            ck_assert_ptr_eq(value.bytes.data, record.bytes.data);
    }
}
END_TEST

START_TEST(obvious_source) {
    struct rig rig;
    sl_spec want = floats(1, 2, 2);
    /* All columns, in the model's own shape. */
    RIG_OK(rig_open(&rig, "[]", csv_spec(), &want));
    ck_assert_int_eq(chain_spec(rig.chain)->rank, 3);
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "1,2,3,4"));
    ck_assert_int_eq(rig.out.tensor.rank, 3);
    ck_assert(rig_floats(&rig)[3] == 4.0f);
    rig_close(&rig);
    /* In front of a step that takes tensors. */
    want = floats(2, 0, 0);
    RIG_OK(rig_open(&rig, "[{\"tensor.normalize\": {\"mean\": [1, 2], \"std\": 2}}]", csv_spec(), &want));
    sl_affine affine;
    ck_assert_msg(!chain_affine(rig.chain, &affine), "columns are normalised here, in double");
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "7,8"));
    ck_assert(rig_floats(&rig)[0] == 3.0f && rig_floats(&rig)[1] == 3.0f);
    rig_close(&rig);
    /* The image of a file, but images vary. */
    want = floats(3, 224, 224);
    RIG_REFUSED(rig_open(&rig, "[]", image_spec(), &want),
                "cannot feed 'x': it takes float [3,224,224], its transforms give uint8 [?,?,3]: images keep "
                "their own "
                "sizes, add \"image.resize\" or \"image.center_crop\" (transforms of 'x')");
    RIG_OK(rig_open(&rig, "[{\"image.center_crop\": {\"size\": 224}}, \"tensor.normalize\"]", image_spec(),
                    &want));
    ck_assert(chain_affine(rig.chain, &affine));
    ck_assert(affine.chw);
    ck_assert_int_eq(chain_spec(rig.chain)->dtype, SL_UINT8);
    ck_assert_uint_eq(chain_spec(rig.chain)->max_nbytes, 224 * 224 * 3);
    rig_close(&rig);
    /* A member of a JSON object, then its numbers. */
    want = floats(2, 0, 0);
    RIG_OK(rig_open(&rig, "[{\"field\": \"f\"}]", chain_source_spec(SL_RECORD_JSON, NULL, 0, 100), &want));
    RIG_OK(rig_line(&rig, SL_KIND_JSON, "{\"f\": [5, 6]}"));
    rig_close(&rig);
    /* No target, no source. */
    RIG_OK(rig_open(&rig, "[]", csv_spec(), NULL));
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "a"));
    ck_assert_int_eq(rig.out.kind, SL_KIND_CSV);
    rig_close(&rig);
}
END_TEST

START_TEST(lowering) {
    struct rig rig;
    sl_affine affine;
    sl_spec in = rig_tensor(SL_UINT8, 3, (int64_t[]){2, 2, 3});
    /* Without a target nothing is left to a device. */
    RIG_OK(rig_open(&rig, "[\"tensor.normalize\"]", in, NULL));
    ck_assert(!chain_affine(rig.chain, &affine));
    rig_close(&rig);
    /* A chain that is only lowered hands its input on as it is. */
    sl_spec want = floats(3, 2, 2);
    RIG_OK(rig_open(&rig, "[\"tensor.normalize\"]", in, &want));
    ck_assert(chain_affine(rig.chain, &affine));
    uint8_t pixels[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255};
    sl_value value = rig_value(&in, pixels);
    RIG_OK(rig_apply(&rig, &value));
    ck_assert_ptr_eq(rig.out.tensor.data, rig.room);
    ck_assert_mem_eq(rig.room, pixels, 12);
    struct buf b;
    buf_init(&b);
    chain_print(rig.chain, &b);
    ck_assert_str_eq(b.data, "uint8 [2,2,3]\ntensor.normalize     -> float [3,2,2]  (on the device)\n");
    buf_clear(&b);
    rig_close(&rig);
    /* Another dtype at the end keeps it here. */
    want.dtype = SL_DOUBLE;
    RIG_OK(rig_open(&rig, "[\"tensor.normalize\"]", in, &want));
    ck_assert(!chain_affine(rig.chain, &affine));
    ck_assert_int_eq(chain_spec(rig.chain)->dtype, SL_DOUBLE);
    RIG_OK(rig_apply(&rig, &value));
    ck_assert(((double *)rig.room)[11] == 1.0);
    rig_close(&rig);
}
END_TEST

START_TEST(misfits) {
    struct rig rig;
    sl_spec want = floats(30, 0, 0);
    static const char *const names[] = {"a", "b", "c"};
    RIG_REFUSED(
        rig_open(&rig, "[]", chain_source_spec(SL_RECORD_CSV, names, 3, 100), &want),
        "cannot feed 'x': it takes float [30], its transforms give float [3]: choose the columns with "
        "{\"columns\": [...]} (transforms of 'x')");
    const char *steps = "[\"image.decode\", {\"image.resize\": {\"size\": [8, 8]}}]";
    want = floats(3, 8, 8);
    RIG_REFUSED(rig_open(&rig, steps, image_spec(), &want),
                "cannot feed 'x': it takes float [3,8,8], its transforms give uint8 [8,8,3]: add "
                "\"tensor.normalize\" (transforms of 'x')");
    want = floats(8, 8, 3);
    RIG_REFUSED(rig_open(&rig, steps, image_spec(), &want),
                "cannot feed 'x': it takes float [8,8,3], its transforms give uint8 [8,8,3]: add "
                "{\"tensor.normalize\": {\"layout\": \"nhwc\"}} (transforms of 'x')");
    want = floats(1, 8, 8);
    RIG_REFUSED(rig_open(&rig, steps, image_spec(), &want),
                "cannot feed 'x': it takes float [1,8,8], its transforms give uint8 [8,8,3]: decode with "
                "{\"image.decode\": {\"mode\": \"L\"}} (transforms of 'x')");
    want = floats(3, 9, 9);
    RIG_REFUSED(
        rig_open(&rig, "[{\"image.resize\": {\"size\": [8, 8]}}, \"tensor.normalize\"]", image_spec(), &want),
        "cannot feed 'x': it takes float [3,9,9], its transforms give float [3,8,8]: change the size in "
        "\"image.resize\" or \"image.center_crop\", or the layout (transforms of 'x')");
    want = rig_tensor(SL_UINT8, 3, (int64_t[]){8, 8, 3});
    RIG_OK(rig_open(&rig, steps, image_spec(), &want));
    rig_close(&rig);
    /* An open dim of the model takes any size, an open size of ours fits nothing. */
    want = floats(3, -1, -1);
    RIG_OK(rig_open(&rig, "[{\"image.resize\": {\"size\": [8, 9]}}, \"tensor.normalize\"]", image_spec(),
                    &want));
    rig_close(&rig);
    ck_assert_int_eq(rig_open(&rig, "[\"tensor.normalize\"]", image_spec(), &want), SL_E_MODEL);
}
END_TEST

START_TEST(words) {
    struct rig rig;
    sl_spec want = floats(2, 0, 0);
    RIG_REFUSED(
        rig_open(&rig, "[\"tensor.softmx\"]", csv_spec(), &want),
        "cannot use transform 'tensor.softmx': there is no such transform, did you mean 'tensor.softmax'? "
        "(transforms of 'x')");
    RIG_REFUSED(rig_open(&rig, "[\"qqqqqqqqqqqqqqq\"]", csv_spec(), NULL),
                "cannot use transform 'qqqqqqqqqqqqqqq': there is no such transform");
    RIG_REFUSED(rig_open(&rig, "[7]", csv_spec(), NULL),
                "cannot use transform number 1 of the list: expected \"name\" or {\"name\": parameters}");
    RIG_REFUSED(rig_open(&rig, "[{\"a\": 1, \"b\": 2}]", csv_spec(), NULL),
                "cannot use transform number 1 of the list: expected \"name\" or {\"name\": parameters}");
    RIG_REFUSED(rig_open(&rig, "{}", csv_spec(), NULL),
                "cannot use a chain of transforms: expected a list of steps");
    RIG_REFUSED(
        rig_open(&rig, "[{\"tensor.normalize\": {\"meen\": 1}}]", csv_spec(), &want),
        "cannot use transform 'tensor.normalize': it has no parameter 'meen', did you mean 'mean'? (step 2, "
        "which gets float [2]) (transforms of 'x')");
    RIG_REFUSED(
        rig_open(&rig, "[{\"tensor.normalize\": {\"scale\": \"a\"}}]", csv_spec(), &want),
        "cannot use transform 'tensor.normalize': 'scale' is a text, expected a number (step 2, which gets "
        "float [2]) (transforms of 'x')");
    RIG_REFUSED(
        rig_open(&rig, "[{\"tensor.normalize\": 7}]", csv_spec(), &want),
        "cannot use transform 'tensor.normalize': its value is an integer, expected an object of parameters "
        "(step 2, which gets float [2]) (transforms of 'x')");
    RIG_REFUSED(rig_open(&rig, "[{\"image.resize\": {\"shorter\": 8}}]", csv_spec(), &want),
                "cannot use transform 'image.resize': it takes an image, uint8 [h,w,c] (step 2, which gets "
                "float [2]) "
                "(transforms of 'x')");
}
END_TEST

START_TEST(print_and_bytes) {
    struct rig rig;
    sl_spec want = floats(3, 4, 4);
    RIG_OK(rig_open(&rig,
                    "[{\"image.resize\": {\"shorter\": 8}}, {\"image.center_crop\": {\"size\": 4}}, "
                    "\"tensor.normalize\"]",
                    image_spec(), &want));
    struct buf b;
    buf_init(&b);
    chain_print(rig.chain, &b);
    ck_assert_str_eq(b.data, "a file\n"
                             "image.decode         -> uint8 [?,?,3]\n"
                             "image.resize         -> uint8 [?,?,3]  {\"shorter\":8}\n"
                             "image.center_crop    -> uint8 [4,4,3]  {\"size\":4}\n"
                             "tensor.normalize     -> float [3,4,4]  (on the device)\n");
    buf_clear(&b);
    /* Two pictures and the scratch of resizing, none counted past what a worker keeps. */
    ck_assert_uint_gt(chain_nbytes(rig.chain), 2 * WORKER_KEEP_NBYTES);
    ck_assert_uint_le(chain_nbytes(rig.chain), 3 * WORKER_KEEP_NBYTES);
    rig_close(&rig);
}
END_TEST

START_TEST(casts) {
    struct rig rig;
    sl_spec want = rig_tensor(SL_INT64, 1, (int64_t[]){3});
    RIG_OK(rig_open(&rig, "[]", csv_spec(), &want));
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "-3,16777215,1e3"));
    const int64_t *whole = rig.out.tensor.data;
    ck_assert_int_eq(whole[0], -3);
    ck_assert_int_eq(whole[1], 16777215);
    ck_assert_int_eq(whole[2], 1000);
    RIG_REJECT(rig_line(&rig, SL_KIND_CSV, "1,2.5,3"), "not-an-integer",
               "column 1: '2.5' is not a whole number that fits int64");
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "1,16777217,-9223372036854775808"));
    ck_assert(whole[1] == 16777217 && whole[2] == INT64_MIN);
    RIG_REJECT(rig_line(&rig, SL_KIND_CSV, "1,2,9223372036854775808"), "not-an-integer",
               "column 2: '9223372036854775808' is not a whole number that fits int64");
    RIG_REJECT(rig_line(&rig, SL_KIND_CSV, "1,,2"), "missing-value", "column 1 is empty");
    RIG_REJECT(rig_line(&rig, SL_KIND_CSV, "1,x,2"), "not-a-number", "column 1: 'x' is not a number");
    rig_close(&rig);
    RIG_OK(rig_open(&rig, "[]", chain_source_spec(SL_RECORD_JSON, NULL, 0, 100), &want));
    RIG_REJECT(rig_line(&rig, SL_KIND_JSON, "[1,2.5,3]"), "not-an-integer",
               "value 1 is 2.5, the model wants whole numbers");
    RIG_REJECT(rig_line(&rig, SL_KIND_JSON, "[1,2,16777217]"), "inexact-integer",
               "value 2 is 16777216, whole numbers are exact below 16777216 only");
    rig_close(&rig);
    want = rig_tensor(SL_INT32, 1, (int64_t[]){1});
    RIG_OK(rig_open(&rig, "[]", csv_spec(), &want));
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "-7"));
    ck_assert_int_eq(*(int32_t *)rig.out.tensor.data, -7);
    RIG_REJECT(rig_line(&rig, SL_KIND_CSV, "2147483648"), "not-an-integer",
               "column 0: '2147483648' is not a whole number that fits int32");
    rig_close(&rig);
    want = rig_tensor(SL_DOUBLE, 1, (int64_t[]){1});
    RIG_OK(rig_open(&rig, "[]", csv_spec(), &want));
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "0.1"));
    ck_assert(*(double *)rig.out.tensor.data == 0.1);
    rig_close(&rig);
    want = rig_tensor(SL_BOOL, 1, (int64_t[]){1});
    ck_assert_int_eq(rig_open(&rig, "[]", csv_spec(), &want), SL_E_MODEL);
}
END_TEST

/* What a half means, in double. */
static double half_value(uint16_t h) {
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    double size = exponent == 31 ? (mantissa ? NAN : INFINITY)
                  : exponent     ? ldexp(1024 + mantissa, exponent - 25)
                                 : ldexp(mantissa, -24);
    return h & 0x8000 ? -size : size;
}

START_TEST(halves) {
    struct rig rig;
    struct chain_options options = rig_options();
    options.csv_nonfinite = true;
    sl_spec want = rig_tensor(SL_FLOAT16, 1, (int64_t[]){1});
    RIG_OK(rig_open_with(&rig, "[]", csv_spec(), &want, &options));
    const uint16_t *half = rig.room;
    char text[64];
    /* Every half comes back as itself, and the middle of two goes to the even one. */
    for (unsigned h = 0; h < 0x7c00; h++) {
        snprintf(text, sizeof text, "%.17g", half_value((uint16_t)h));
        RIG_OK(rig_line(&rig, SL_KIND_CSV, text));
        ck_assert_uint_eq(*half, h);
        if (h + 1 == 0x7c00)
            continue;
        double middle = (half_value((uint16_t)h) + half_value((uint16_t)(h + 1))) / 2;
        snprintf(text, sizeof text, "-%.17g", middle);
        RIG_OK(rig_line(&rig, SL_KIND_CSV, text));
        ck_assert_uint_eq(*half, 0x8000u | (h + (h & 1)));
        snprintf(text, sizeof text, "%.17g", nextafterf((float)middle, INFINITY));
        RIG_OK(rig_line(&rig, SL_KIND_CSV, text));
        ck_assert_uint_eq(*half, h + 1);
    }
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "65519"));
    ck_assert_uint_eq(*half, 0x7bff);
    RIG_REJECT(rig_line(&rig, SL_KIND_CSV, "65520"), "out-of-range",
               "value 0 is 65520, too large for float16");
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "-inf"));
    ck_assert_uint_eq(*half, 0xfc00);
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "nan"));
    ck_assert(isnan(half_value(*half)));
    rig_close(&rig);
}
END_TEST

/* The shared objects stand beside this program; without them there is nothing to test. */
static bool plugin_dir(char *dir, size_t cap) {
    char path[4200];
    ssize_t n = readlink("/proc/self/exe", dir, cap - 1);
    ck_assert_int_gt(n, 0);
    dir[n] = '\0';
    *strrchr(dir, '/') = '\0';
    snprintf(path, sizeof path, "%s/test_transform.so", dir);
    return access(path, R_OK) == 0;
}

START_TEST(plugin) {
    struct rig rig;
    char dir[4096], text[256];
    struct chain_options options = rig_options();
    ck_assert_msg(plugin_dir(dir, sizeof dir), "test_transform.so is not beside the test");
    options.model_dir = dir;
    sl_spec want = floats(1, 0, 0);
    RIG_OK(rig_open_with(&rig, "[{\"test_transform.so\": {\"add\": 100}}]", image_spec(), &want, &options));
    RIG_OK(rig_line(&rig, SL_KIND_BYTES, "abc"));
    ck_assert(rig_floats(&rig)[0] == 103.0f);
    RIG_REJECT(rig_line(&rig, SL_KIND_BYTES, "1234567890123"), "unlucky", "a record of 13 bytes");
    ck_assert_str_eq(rig.reject.stage, "transform");
    RIG_REJECT(rig_line(&rig, SL_KIND_BYTES, "12345678901234"), "transform-failed",
               "a transform failed without a reason");
    rig_close(&rig);
    /* It is asked first, before a source step is put in front. */
    RIG_OK(rig_open_with(&rig, "[\"./test_transform.so\"]", csv_spec(), &want, &options));
    RIG_OK(rig_line(&rig, SL_KIND_CSV, "1,2"));
    ck_assert(rig_floats(&rig)[0] == 3.0f);
    rig_close(&rig);
    RIG_REFUSED(
        rig_open_with(&rig, "[\"test_transform.so\"]", chain_source_spec(SL_RECORD_JSON, NULL, 0, 9), &want,
                      &options),
        "cannot use transform 'lengths': it takes bytes (step 1, which gets a json value) (transforms of "
        "'x')");
    RIG_REFUSED(rig_open_with(&rig, "[\"../x.so\"]", image_spec(), NULL, &options),
                "cannot load transform '../x.so': it is not inside the model directory");
    RIG_REFUSED(rig_open_with(&rig, "[\"/x.so\"]", image_spec(), NULL, &options),
                "cannot load transform '/x.so': it is not inside the model directory");
    ck_assert_int_eq(rig_open_with(&rig, "[\"none.so\"]", image_spec(), NULL, &options), SL_E_MODEL);
    ck_assert_ptr_nonnull(strstr(rig.err.text, "cannot load transform 'none.so': "));
    snprintf(
        text, sizeof text,
        "cannot load transform 'test_transform_abi.so': it was built for transform ABI 99 (%zu bytes), this "
        "program has %u (%zu bytes): build it again with this version's headers",
        sizeof(sl_transform), SL_TRANSFORM_ABI, sizeof(sl_transform));
    RIG_REFUSED(rig_open_with(&rig, "[\"test_transform_abi.so\"]", image_spec(), NULL, &options), text);
    snprintf(text, sizeof text, "%.200s/test_transform.so", dir);
    ck_assert_ptr_nonnull(transform_find(text));
    ck_assert_ptr_null(transform_find("none"));
    ck_assert_str_eq(transform_find("columns")->name, "columns");
}
END_TEST

/* Every built-in carries what `sluice transforms` prints. */
START_TEST(table) {
    for (const sl_transform *const *t = sl_transforms; *t; t++) {
        ck_assert_uint_eq((*t)->abi, SL_TRANSFORM_ABI);
        ck_assert_uint_eq((*t)->nbytes, sizeof(sl_transform));
        ck_assert((*t)->summary && (*t)->summary[0] && (*t)->shapes && (*t)->params);
        ck_assert_ptr_eq(transform_find((*t)->name), *t);
        for (const sl_param_doc *p = (*t)->params; p->name; p++)
            ck_assert(p->type && p->text);
    }
}
END_TEST

/* No allocation that fails leaves anything behind but an error. */
START_TEST(out_of_memory) {
    static const char steps[] =
        "[{\"image.resize\": {\"shorter\": 8}}, {\"image.center_crop\": {\"size\": 4}}, "
        "{\"tensor.normalize\": {\"mean\": [1, 2, 3]}}]";
    json_t *json = json_loads(steps, 0, NULL);
    sl_spec in = image_spec(), want = floats(3, 4, 4);
    struct chain_options options = rig_options();
    size_t n = 1;
    for (;; n++) {
        struct chain *chain = NULL;
        struct worker_ctx *ctx = NULL;
        sl_error err = {.status = SL_OK};
        mem_fail_nth(n, false);
        sl_status status = chain_open(&chain, json, &in, &want, "x", &options, &err);
        if (status == SL_OK)
            status = worker_ctx_open(&ctx, &chain, 1, &options, &err);
        mem_fail_nth(0, false);
        worker_ctx_close(ctx);
        chain_close(chain);
        if (status == SL_OK)
            break;
        ck_assert_int_eq(status, SL_E_MEMORY);
        ck_assert_int_eq(err.status, SL_E_MEMORY);
    }
    ck_assert_uint_gt(n, 10);
    json_decref(json);
}
END_TEST

/* Workers share a chain and nothing else. */
struct crew {
    struct chain *chain;
    struct chain_options options;
    const char *data;
    size_t nbytes;
    uint32_t crc;
};

static void *crew_member(void *arg) {
    struct crew *crew = arg;
    struct worker_ctx *ctx = NULL;
    struct chain_reject reject;
    uint8_t room[24 * 24 * 3];
    if (worker_ctx_open(&ctx, &crew->chain, 1, &crew->options, NULL) != SL_OK)
        return NULL;
    for (int i = 0; i < 40; i++) {
        sl_value out = {.tensor.data = room};
        sl_value in = {.kind = SL_KIND_BYTES, .bytes = {crew->data, crew->nbytes - (i % 4 == 1)}};
        sl_status status = chain_apply(ctx, 0, &in, &out, &reject);
        if (status != (i % 4 == 1 ? SL_E_DATA : SL_OK) ||
            (status == SL_OK && crc32(0, room, sizeof room) != crew->crc)) {
            worker_ctx_close(ctx);
            return NULL;
        }
    }
    worker_ctx_close(ctx);
    return crew;
}

START_TEST(threads) {
    struct rig rig;
    sl_spec want = floats(3, 24, 24);
    RIG_OK(rig_open(&rig,
                    "[{\"image.resize\": {\"shorter\": 30}}, {\"image.center_crop\": {\"size\": 24}}, "
                    "\"tensor.normalize\"]",
                    image_spec(), &want));
    struct crew crew = {.chain = rig.chain, .options = rig.options};
    char *data = rig_file("progressive_420.jpg", &crew.nbytes);
    crew.data = data;
    sl_value in = {.kind = SL_KIND_BYTES, .bytes = {data, crew.nbytes}};
    RIG_OK(rig_apply(&rig, &in));
    crew.crc = rig_crc(&rig);
    pthread_t ids[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&ids[i], NULL, crew_member, &crew), 0);
    for (int i = 0; i < 4; i++) {
        void *done;
        ck_assert_int_eq(pthread_join(ids[i], &done), 0);
        ck_assert_ptr_eq(done, &crew);
    }
    free(data);
    rig_close(&rig);
}
END_TEST

/* Good and bad records, of every kind, after everything is open: no call to the heap. */
START_TEST(steady_state_allocates_nothing) {
    static const struct {
        sl_record_kind kind;
        const char *steps;
        const char *records[4]; /* texts, or names of pictures */
    } cases[] = {
        {SL_RECORD_CSV, "[{\"columns\": [0, 2]}]", {"1,2,3", "1,\"2\",\"3\"", "1,2", "1,2,x"}},
        {SL_RECORD_JSON, "[{\"columns\": [\"a\"]}]", {"{\"a\":1}", "{\"b\":1}", "{", "{\"a\":\"\xff\"}"}},
        {SL_RECORD_BYTES,
         "[\"image.decode\", {\"image.resize\": {\"shorter\": 9}}, {\"image.center_crop\": {\"size\": 8}}]",
         {"cmyk.jpg", "truncated.jpg", "rgb_interlaced.png", "bad_checksum.png"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig rig;
        RIG_OK(
            rig_open(&rig, cases[i].steps, chain_source_spec(cases[i].kind, NULL, 0, RIG_MAX_RECORD), NULL));
        for (size_t k = 0; k < 4; k++) {
            bool file = cases[i].kind == SL_RECORD_BYTES;
            size_t nbytes = strlen(cases[i].records[k]);
            char *data = file ? rig_file(cases[i].records[k], &nbytes) : NULL;
            sl_record record = {.kind = cases[i].kind, .bytes = {file ? data : cases[i].records[k], nbytes}};
            sl_value in;
            chain_source(&record, &in);
            mem_freeze();
            (void)rig_apply(&rig, &in);
            mem_thaw();
            ck_assert_uint_eq(mem_frozen_calls(), 0);
            free(data);
        }
        rig_close(&rig);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("chain");
    TCase *tc = tcase_create("chain");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, sources);
    tcase_add_test(tc, obvious_source);
    tcase_add_test(tc, lowering);
    tcase_add_test(tc, misfits);
    tcase_add_test(tc, words);
    tcase_add_test(tc, print_and_bytes);
    tcase_add_test(tc, casts);
    tcase_add_test(tc, halves);
    tcase_add_test(tc, plugin);
    tcase_add_test(tc, table);
    tcase_add_test(tc, out_of_memory);
    tcase_add_test(tc, threads);
    tcase_add_test(tc, steady_state_allocates_nothing);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
