/* Lines of LIBSVM: labels, queries, comments and bases; what is wrong with a line is said. */
#include "chain_rig.h"
#include "decode/decode_array.h"

static sl_status apply(struct rig *rig, const char *line) {
    sl_value in = {.kind = SL_KIND_ARRAYS, .bytes = {line, strlen(line)}, .encoding = ARRAYS_LIBSVM};
    return rig_apply(rig, &in);
}

static void open_three(struct rig *rig, int64_t base, bool nan) {
    const int64_t three = 3;
    sl_spec target = rig_tensor(SL_FLOAT, 1, &three);
    struct chain_options options = rig_options();
    options.libsvm_base = base;
    options.libsvm_missing_is_nan = nan;
    ck_assert_int_eq(
        rig_open_with(rig, "[]", chain_source_spec(SL_RECORD_LIBSVM, NULL, 0, 4096), &target, &options),
        SL_OK);
}

static void expect(struct rig *rig, const char *line, float a, float b, float c) {
    ck_assert_msg(apply(rig, line) == SL_OK, "%s: %s", line, rig->reject.reason);
    const float *x = rig_floats(rig);
    ck_assert_msg(x[0] == a && x[1] == b && x[2] == c, "%s", line);
}

START_TEST(lines) {
    struct rig rig;
    open_three(&rig, 0, false);
    expect(&rig, "1 0:0.1 2:-3e2", 0.1f, 0, -300);
    expect(&rig, "0:1 1:2 2:3", 1, 2, 3);
    expect(&rig, "-1.5\t2:1  0:2 # 1:9", 2, 0, 1);
    expect(&rig, "1,3,5 qid:12 1:4#c", 0, 4, 0);
    expect(&rig, "7", 0, 0, 0);
    RIG_REJECT(apply(&rig, "1 3:1"), "bad-key",
               "index 3 is not below 3: indexes from 1 on are read with --content-type 'text/libsvm;base=1'");
    RIG_REJECT(apply(&rig, "1 4:1"), "bad-key", "index 4 is not below 3");
    RIG_REJECT(apply(&rig, "1 1:1 1:1"), "bad-key", "key 1 appears twice");
    RIG_REJECT(apply(&rig, "1 1:nan"), "bad-libsvm", "'nan' is not index:value");
    RIG_REJECT(apply(&rig, "1 1:"), "bad-libsvm", "'' is not index:value");
    RIG_REJECT(apply(&rig, "1 x:1"), "bad-libsvm", "'x:1' is not index:value");
    RIG_REJECT(apply(&rig, "1 2 1:1"), "bad-libsvm", "'2' is not index:value");
    RIG_REJECT(apply(&rig, "1 -1:1"), "bad-libsvm", "'-1:1' is not index:value");
    expect(&rig, "1 0:0.1 2:-3e2", 0.1f, 0, -300);
    rig_close(&rig);
    open_three(&rig, 1, false);
    expect(&rig, "1 1:1 3:2", 1, 0, 2);
    RIG_REJECT(apply(&rig, "1 0:1"), "bad-key", "index 0 where indexes begin with 1 (text/libsvm;base=0)");
    rig_close(&rig);
    open_three(&rig, 0, true);
    ck_assert_int_eq(apply(&rig, "1 1:5"), SL_OK);
    ck_assert(rig_floats(&rig)[0] != rig_floats(&rig)[0] && rig_floats(&rig)[1] == 5);
    rig_close(&rig);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("decode_libsvm");
    TCase *tcase = tcase_create("libsvm");
    tcase_add_test(tcase, lines);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
