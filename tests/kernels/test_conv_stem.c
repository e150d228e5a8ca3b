/* test_conv_stem.c: first layers: few channels, and pixels that a sluice.Affine scales before the
 * convolution, which does that on its way. */
#include <string.h>

#include "harness.h"
#include "ops/rules.h"
#include "step_rig.h"

enum { MOST_VALUES = 64 };

/* Both steps in one plan, the second reading what the first writes. */
struct two_steps {
    struct plan_value values[MOST_VALUES];
    void *data[MOST_VALUES];
    struct plan_step steps[3];
    uint32_t in[3][MOST_VALUES];
    struct plan plan;
};

/* Step k's values behind those there are. */
static void add_step(struct two_steps *t, struct text_step *text) {
    const struct plan *plan = step_plan(text);
    size_t k = t->plan.step_count++, first = t->plan.value_count;
    memcpy(t->values + first, plan->values, plan->value_count * sizeof *t->values);
    memcpy(t->data + first, step_data(text), plan->value_count * sizeof *t->data);
    t->steps[k] = plan->steps[0];
    t->steps[k].in = t->in[k];
    t->steps[k].out = t->in[k] + plan->steps[0].in_count;
    for (size_t i = 0; i < plan->steps[0].in_count; i++)
        t->in[k][i] = plan->steps[0].in[i] == PLAN_NONE ? PLAN_NONE : plan->steps[0].in[i] + (uint32_t)first;
    t->steps[k].out[0] = plan->steps[0].out[0] + (uint32_t)first;
    t->plan.value_count += plan->value_count;
}

static void join(struct two_steps *t, struct text_step *affine, struct text_step *conv) {
    *t = (struct two_steps){0};
    t->plan = (struct plan){.values = t->values, .steps = t->steps, .batch = 1};
    add_step(t, affine);
    add_step(t, conv);
    t->steps[1].in[0] = t->steps[0].out[0];
    t->values[t->steps[0].in[0]].place = PLAN_INPUT;
}

static enum step_result check(struct two_steps *t, enum k_type type) {
    char why[512] = "";
    enum step_result result = step_check(&t->plan, 1, t->data, type, false, true, why, sizeof why);
    ck_assert_msg(result != STEP_REFUSED, "%s", why);
    return result;
}

/* The convolution reads the pixels, not what the reference made of them: with other pixels it differs. */
static void scaled(const char *affine_attrs, const char *pixels, const char *attrs, const char *inputs) {
    static const enum k_type types[] = {K_F32, K_F16, K_BF16};
    struct text_step *affine = step_read("sluice:Affine", affine_attrs, pixels),
                     *conv = step_read("sluice:Conv", attrs, inputs);
    struct two_steps t;
    for (int i = 0; i < 3; i++) {
        char why[512] = "";
        ck_assert_msg(step_check(step_plan(affine), 0, step_data(affine), types[i], false, false, why,
                                 sizeof why) == STEP_SAME,
                      "%s", why);
        join(&t, affine, conv);
        ck_assert_msg(check(&t, types[i]) == STEP_SAME, "%s of %s, type %d", attrs, pixels, (int)types[i]);
        const sl_tensor *x = &t.values[t.steps[0].in[0]].tensor;
        for (int64_t k = 0; k < rule_count(x); k++)
            ((uint8_t *)t.data[t.steps[0].in[0]])[k] ^= 0x55;
        ck_assert(check(&t, types[i]) == STEP_DIFFERS);
    }
    step_clear(affine);
    step_clear(conv);
}

START_TEST(pixels) {
    const char *imagenet = "scale=[0.017f,0.018f,0.0174f] offset=[-2.1f,-2.0f,-1.8f] chw=1";
    scaled(imagenet, "u8:2,13,12,3", "strides=[2,2] pads=[3,3,3,3] activation='Relu'",
           "f:2,3,13,12 cf:16,3,7,7 cf:16");
    scaled(imagenet, "u8:1,8,9,3", "strides=[2,2] pads=[1,1,1,1] activation='HardSwish'",
           "f:1,3,8,9 cf:8,3,3,3 cf:8");
    scaled(imagenet, "u8:2,6,7,3", "pads=[1,1,1,1]", "f:2,3,6,7 cf:7,3,3,3");
    scaled("scale=[0.003921f] offset=[0.0f] chw=1", "u8:3,7,5,1", "", "f:3,1,7,5 cf:6,1,5,5 cf:6");
}
END_TEST

/* What nobody may take over: a result that others read, that is seen under another shape, or whose pixels
 * may be gone by then; a chain that does not turn the image; a convolution that reads it as it is. */
START_TEST(left_alone) {
    struct text_step *affine = step_read("sluice:Affine", "scale=[0.1f] offset=[1.0f] chw=1", "u8:2,6,5,3"),
                     *conv = step_read("sluice:Conv", "", "f:2,3,6,5 cf:8,3,3,3");
    struct two_steps t;
    char why[512] = "";
    ck_assert(step_check(step_plan(affine), 0, step_data(affine), K_F32, false, false, why, sizeof why) ==
              STEP_SAME);
    join(&t, affine, conv);
    for (int way = 0; way < 4; way++) {
        join(&t, affine, conv);
        struct plan_value *between = &t.values[t.steps[0].out[0]], *first = &t.values[t.steps[0].in[0]];
        if (way == 0)
            add_step(&t, conv), t.steps[2].in[0] = t.steps[0].out[0];
        if (way == 1)
            between->viewed = true;
        if (way == 2)
            between->place = PLAN_OUTPUT;
        if (way == 3)
            first->place = PLAN_ARENA;
        memset(t.data[t.steps[0].in[0]], way, (size_t)rule_count(&first->tensor));
        ck_assert_msg(check(&t, K_F32) == STEP_SAME, "%d", way);
    }
    step_clear(affine);
    step_clear(conv);
}
END_TEST

/* Floats: channels filled up, pairs of pixels where the stride along w is even. */
START_TEST(few_channels) {
    static const char *const attrs[] = {"strides=[2,2] pads=[3,3,3,3]",
                                        "strides=[2,2] pads=[0,0,1,1]",
                                        "strides=[1,2] pads=[1,2,0,1]",
                                        "strides=[3,4] pads=[2,5,2,4]",
                                        "strides=[2,2] dilations=[2,1]",
                                        "strides=[2,2] dilations=[1,2]",
                                        "strides=[2,6] auto_pad='SAME_UPPER'",
                                        "strides=[2,2] auto_pad='SAME_LOWER'",
                                        "pads=[1,1,1,1]"};
    static const char *const inputs[] = {"f:2,3,11,12 cf:8,3,3,3 cf:8", "f:1,4,9,11 cf:5,4,4,5",
                                         "f:1,1,12,9 cf:3,1,5,4 cf:3", "f:2,2,8,13 cf:9,2,1,7"};
    char last[200];
    for (size_t i = 0; i < sizeof attrs / sizeof *attrs; i++)
        for (size_t k = 0; k < sizeof inputs / sizeof *inputs; k++) {
            snprintf(last, sizeof last, "#last %s", attrs[i]);
            step_text("Conv", i % 2 ? attrs[i] : last, inputs[k]);
        }
    step_text("Conv", "strides=[2] pads=[3,2]", "f:2,3,21 cf:8,3,6");
    step_text("Conv", "strides=[2,2,2] pads=[1,1,1,1,1,1]", "f:1,3,4,5,6 cf:8,3,3,3,3");
    step_text("Conv", "#rows strides=[2,2]", "f:5,3,7,7 cf:8,3,3,3");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("conv_stem");
    TCase *t = tcase_create("conv_stem");
    tcase_set_timeout(t, 240);
    tcase_add_test(t, pixels);
    tcase_add_test(t, left_alone);
    tcase_add_test(t, few_channels);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
