/* tf.train.Example and SageMaker's Record byte by byte: packed and not, sparse, malformed; after each bad one
 * a good one decodes as before. */
#include "chain_rig.h"
#include "decode/decode_array.h"

static sl_status apply(struct rig *rig, enum arrays_encoding encoding, const char *bytes, size_t nbytes) {
    char *exact = malloc(nbytes + 1);
    memcpy(exact, bytes, nbytes);
    sl_value in = {.kind = SL_KIND_ARRAYS, .bytes = {exact, nbytes}, .encoding = encoding};
    sl_status st = rig_apply(rig, &in);
    free(exact);
    return st;
}
#define APPLY(encoding, bytes) apply(&rig, encoding, bytes, sizeof(bytes) - 1)

START_TEST(examples) {
    struct rig rig;
    const int64_t two = 2, three = 3;
    sl_spec target = rig_tensor(SL_FLOAT, 1, &two), whole = rig_tensor(SL_INT64, 1, &three);
    RIG_OK(rig_open(&rig, "[]", chain_source_spec(SL_RECORD_EXAMPLE, NULL, 0, 4096), &target));
    RIG_OK(APPLY(ARRAYS_EXAMPLE, "\x0a\x13\x0a\x11\x0a\x01x\x12\x0c\x12\x0a\x0a\x08\0\0\x80\x3f\0\0\0\x40"));
    ck_assert(rig_floats(&rig)[0] == 1 && rig_floats(&rig)[1] == 2);
    RIG_OK(APPLY(ARRAYS_EXAMPLE,
                 "\x0a\x13\x0a\x11\x0a\x01x\x12\x0c\x12\x0a\x0d\0\0\0\x40\x0d\0\0\x80\x3f")); /* not packed */
    ck_assert(rig_floats(&rig)[0] == 2 && rig_floats(&rig)[1] == 1);
    RIG_REJECT(APPLY(ARRAYS_EXAMPLE, "\x0a\x0e\x0a\x0c\x0a\x01x\x12\x07\x12\x05\x0d\0\0\0\x40"),
               "wrong-shape", "the array is [1], expected [2]");
    ck_assert_int_eq(APPLY(ARRAYS_EXAMPLE, "\x0a\x0d\x0a\x0b\x0a\x01x\x12\x06\x0a\x04\x0a\0\x0a\0"),
                     SL_E_DATA);
    ck_assert_str_eq(rig.reject.code, "wrong-dtype");
    rig_close(&rig);
    RIG_OK(rig_open(&rig, "[]", chain_source_spec(SL_RECORD_EXAMPLE, NULL, 0, 4096), &whole));
    RIG_OK(APPLY(ARRAYS_EXAMPLE, "\x0a\x18\x0a\x16\x0a\x01x\x12\x11\x1a\x0f\x0a\x0d\xff\xff\xff\xff\xff\xff"
                                 "\xff\xff\xff\x01\x07\x80\x01"));
    ck_assert(((int64_t *)rig.room)[0] == -1 && ((int64_t *)rig.room)[1] == 7 &&
              ((int64_t *)rig.room)[2] == 128);
    rig_close(&rig);
}
END_TEST

START_TEST(malformed_examples) {
    static const char good[] = "\x0a\x13\x0a\x11\x0a\x01x\x12\x0c\x12\x0a\x0a\x08\0\0\x80\x3f\0\0\0\x40";
    const int64_t two = 2;
    struct rig rig;
    sl_spec target = rig_tensor(SL_FLOAT, 1, &two);
    RIG_OK(rig_open(&rig, "[]", chain_source_spec(SL_RECORD_EXAMPLE, NULL, 0, 4096), &target));
    for (size_t n = 0; n < sizeof good - 1; n++) {
        ck_assert_int_eq(apply(&rig, ARRAYS_EXAMPLE, good, n), SL_E_DATA);
        RIG_OK(apply(&rig, ARRAYS_EXAMPLE, good, sizeof good - 1));
        ck_assert(rig_floats(&rig)[0] == 1 && rig_floats(&rig)[1] == 2);
    }
    RIG_REJECT(APPLY(ARRAYS_EXAMPLE, "hello"), "malformed-record", "it is no tf.train.Example");
    RIG_REJECT(APPLY(ARRAYS_EXAMPLE, ""), "missing-value",
               "the record has 0 arrays, choose one with {\"field\": name}");
    rig_close(&rig);
}
END_TEST

/* values: a tensor of float32. */
#define TENSOR(length, body) "\x0a" length "\x0a\x06values\x12" body

START_TEST(records) {
    struct rig rig;
    const int64_t four = 4;
    sl_spec target = rig_tensor(SL_FLOAT, 1, &four);
    RIG_OK(rig_open(&rig, "[]", chain_source_spec(SL_RECORD_PROTOBUF, NULL, 0, 4096), &target));
    /* values 1, 2 at keys 3, 1 of 4 */
    RIG_OK(APPLY(ARRAYS_PROTOBUF,
                 TENSOR("\x1d", "\x13\x12\x11\x0a\x08\0\0\x80\x3f\0\0\0\x40\x12\x02\x03\x01\x1a\x01\x04")));
    static const float want[] = {0, 2, 0, 1};
    ck_assert(!memcmp(rig.room, want, sizeof want));
    RIG_REJECT(
        APPLY(ARRAYS_PROTOBUF,
              TENSOR("\x1d", "\x13\x12\x11\x0a\x08\0\0\x80\x3f\0\0\0\x40\x12\x02\x03\x03\x1a\x01\x04")),
        "bad-key", "key 3 appears twice");
    RIG_REJECT(
        APPLY(ARRAYS_PROTOBUF,
              TENSOR("\x1d", "\x13\x12\x11\x0a\x08\0\0\x80\x3f\0\0\0\x40\x12\x02\x03\x04\x1a\x01\x04")),
        "bad-key", "key 4 is not below 4");
    RIG_REJECT(
        APPLY(ARRAYS_PROTOBUF,
              TENSOR("\x1d", "\x13\x12\x11\x0a\x08\0\0\x80\x3f\0\0\0\x40\x12\x02\x03\x01\x1a\x01\x05")),
        "wrong-shape", "the array is [5], expected [4]");
    RIG_REJECT(APPLY(ARRAYS_PROTOBUF,
                     TENSOR("\x1c", "\x12\x12\x10\x0a\x08\0\0\x80\x3f\0\0\0\x40\x12\x01\x03\x1a\x01\x04")),
               "malformed-record", "the values of the array are malformed");
    rig_close(&rig);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("decode_proto");
    TCase *tcase = tcase_create("proto");
    tcase_add_test(tcase, examples);
    tcase_add_test(tcase, malformed_examples);
    tcase_add_test(tcase, records);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
