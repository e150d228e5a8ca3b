/* The arena of a program: no two values that are needed at the same time share a byte, but those that the
 * plan made one; everything stays inside of what was reckoned, and halves need about half. */
#include <stdlib.h>
#include <string.h>

#include "conformance.h"
#include "infer/cuda/cuda_program.h"
#include "support/mem.h"
#include "tests/device/mock/mock_cudart.h"
#include "tests/unit/harness.h"

static const char *const models[] = {"golden/bench/mlp28", "../samples/01-tabular-mlp/model",
                                     "../samples/03-digits-cnn/model", "../samples/04-photos-upright/model"};

struct life {
    uint32_t first, last, step;
    bool used;
};

static void touch(void *self, uint32_t value) {
    struct life *lives = self, *life = &lives[value + 1];
    uint32_t step = lives[0].step;
    if (!life->used)
        life->first = step;
    life->used = true;
    life->last = step;
}

/* Bytes of the arena. */
static size_t check(const char *model, enum precision precision) {
    struct mock_options options = mock_defaults();
    struct loaded loaded;
    struct device *device;
    struct cuda_code code = {.rehearsal = true};
    sl_error err = {0};
    mock_reset(&options);
    conformance_plan(&loaded, model, 7);
    ck_assert_int_eq(
        device_cuda.open(&device, 0, &(struct device_options){.threads = 1, .precision = precision}, &err),
        SL_OK);
    code.device = device;
    code.plan = loaded.plan;
    arena_init(&code.memory);
    arena_init(&code.room);
    ck_assert_msg(cuda_match_plan(&code, &err) == SL_OK, "%s", err.text);
    size_t count = loaded.plan->value_count;
    struct life *lives = mem_alloc(count + 1, sizeof *lives); /* the first has the step at hand */
    for (; lives[0].step < loaded.plan->step_count; lives[0].step++)
        bound_values(code.steps[lives[0].step].chain, touch, lives);
    for (size_t a = 0; a < count; a++) {
        const struct cuda_value *x = &code.values[a];
        const struct plan_value *p = &loaded.plan->values[a];
        bool half = x->region == REGION_HALF_ARENA;
        if (!lives[a + 1].used || (x->region != REGION_ARENA && !half))
            continue;
        size_t end = x->offset + p->nbytes / (half ? 2 : 1);
        ck_assert_uint_eq(x->offset % CUDA_ALIGN, 0);
        ck_assert_uint_le(end, code.region_nbytes[x->region]);
        for (size_t b = 0; b < a; b++) {
            const struct cuda_value *y = &code.values[b];
            const struct plan_value *q = &loaded.plan->values[b];
            bool together = lives[b + 1].used && lives[b + 1].first <= lives[a + 1].last &&
                            lives[a + 1].first <= lives[b + 1].last;
            if (!together || x->region != y->region)
                continue;
            if (p->memory == q->memory)
                ck_assert_uint_eq(x->offset, y->offset);
            else
                ck_assert_msg(end <= y->offset || y->offset + q->nbytes / (half ? 2 : 1) <= x->offset,
                              "%s: '%s' lies over '%s'", model, p->name, q->name);
        }
    }
    size_t nbytes = code.region_nbytes[REGION_ARENA] + code.region_nbytes[REGION_HALF_ARENA];
    mem_free(lives);
    cuda_code_clear(&code);
    device_cuda.close(device);
    conformance_unplan(&loaded);
    return nbytes;
}

START_TEST(values_keep_apart) {
    size_t whole = check(models[_i], PRECISION_FP32), half = check(models[_i], PRECISION_FP16);
    ck_assert_uint_gt(whole, 0);
    ck_assert_uint_le(half, whole / 2 + 4 * CUDA_ALIGN);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("arena of a program");
    TCase *tc = tcase_create("arena");
    tcase_add_loop_test(tc, values_keep_apart, 0, sizeof models / sizeof *models);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
