/* Programs of one model on one GPU have their weights in common, and each its own where they differ. */
#include <stdlib.h>
#include <string.h>

#include "conformance.h"
#include "infer/cuda/cuda_program.h"
#include "tests/device/mock/mock_cudart.h"
#include "tests/unit/harness.h"

struct one {
    struct loaded loaded;
    struct program *program;
    struct device_memory memory; /* what it takes, and what was free before it */
    size_t took;
};

static struct device *open_device(enum precision precision) {
    struct mock_options options = mock_defaults();
    struct device_options how = {.threads = 1, .precision = precision};
    struct device *device;
    sl_error err = {0};
    mock_reset(&options);
    ck_assert_msg(device_cuda.open(&device, 0, &how, &err) == SL_OK, "%s", err.text);
    return device;
}

static void load(struct one *one, struct device *device, const char *model, int64_t batch) {
    struct device_memory after;
    sl_error err = {0};
    conformance_plan(&one->loaded, model, batch);
    device_cuda.memory(device, one->loaded.plan, &one->memory);
    ck_assert_msg(device_cuda.load(device, one->loaded.plan, &one->program, &err) == SL_OK, "%s", err.text);
    device_cuda.memory(device, one->loaded.plan, &after);
    one->took = (size_t)(one->memory.free_nbytes - after.free_nbytes);
}

/* The outputs of a batch, freed by the caller. */
static float *compute(struct one *one, struct device *device, size_t *nbytes) {
    const struct plan *plan = one->loaded.plan;
    struct device_batch batch = {.row_count = plan->batch}, *back;
    sl_error err = {0};
    batch.input = device_cuda.slot_alloc(device, plan->input_nbytes);
    batch.output = device_cuda.slot_alloc(device, plan->output_nbytes);
    conformance_fill(plan, batch.input, 5);
    ck_assert_int_eq(device_cuda.submit(one->program, &batch, &err), SL_OK);
    ck_assert_int_eq(device_cuda.collect(one->program, &back, &err), SL_OK);
    ck_assert_msg(batch.error.status == SL_OK, "%s", batch.error.text);
    *nbytes = (size_t)plan->batch * plan->outputs[0].row_nbytes;
    float *copy = malloc(*nbytes);
    memcpy(copy, (char *)batch.output + plan->values[plan->outputs[0].value].offset, *nbytes);
    device_cuda.slot_free(device, batch.input, plan->input_nbytes);
    device_cuda.slot_free(device, batch.output, plan->output_nbytes);
    return copy;
}

static void unload(struct one *one) {
    device_cuda.unload(one->program);
    conformance_unplan(&one->loaded);
}

static void close_device(struct device *device) {
    device_cuda.close(device);
    ck_assert_msg(!mock_misuse(), "%s", mock_misuse());
    ck_assert_uint_eq(mock_leaks(), 0);
}

#define MODEL "golden/bench/mlp28"

/* Two sizes of batches: the second takes none of the weights; each outlives the other. */
START_TEST(one_model_twice) {
    const enum precision precision = _i ? PRECISION_FP16 : PRECISION_FP32;
    for (int first = 0; first < 2; first++) {
        struct device *device = open_device(precision);
        struct one one, two;
        size_t n, m;
        load(&one, device, MODEL, 8);
        load(&two, device, MODEL, 4);
        ck_assert_uint_gt(one.memory.weights_nbytes, 5000);
        ck_assert_uint_ge(one.took, one.memory.weights_nbytes);
        ck_assert_uint_le(two.took, two.memory.arena_nbytes + two.memory.slots_nbytes + 2 * CUDA_ALIGN);
        float *large = compute(&one, device, &n), *small = compute(&two, device, &m);
        ck_assert_uint_eq(n, 2 * m);
        ck_assert(!memcmp(large, small, m));
        unload(first ? &two : &one);
        float *left = compute(first ? &one : &two, device, &n);
        ck_assert(!memcmp(left, first ? large : small, n));
        unload(first ? &one : &two);
        free(large);
        free(small);
        free(left);
        close_device(device);
    }
}
END_TEST

/* Models that have nothing in common. */
START_TEST(two_models) {
    struct device *device = open_device(PRECISION_FP32);
    struct one one, two;
    size_t n, m;
    load(&one, device, MODEL, 4);
    load(&two, device, "../samples/01-tabular-mlp/model", 4);
    ck_assert_uint_ge(two.took, two.memory.arena_nbytes + two.memory.slots_nbytes + 2000);
    float *before = compute(&two, device, &n);
    unload(&one);
    float *after = compute(&two, device, &m);
    ck_assert(n == m && !memcmp(before, after, n));
    unload(&two);
    free(before);
    free(after);
    close_device(device);
}
END_TEST

/* The same bytes are there once, in each form; others, and others of the same beginning, are not the same. */
START_TEST(content) {
    struct device *device = open_device(PRECISION_FP32);
    struct cuda_share *share = &device->share;
    struct cuda_refs refs = {.expected_nbytes = 1 << 20}, others = {.expected_nbytes = 1 << 20};
    float data[100], twin[100];
    char *a, *b, *half, *part, *other;
    for (int i = 0; i < 100; i++)
        data[i] = twin[i] = (float)i;
    ck_assert_int_eq(share_put(share, &refs, data, sizeof data, SHARE_AS_IT_IS, &a), cudaSuccess);
    ck_assert_int_eq(share_put(share, &others, twin, sizeof twin, SHARE_AS_IT_IS, &b), cudaSuccess);
    ck_assert_ptr_eq(a, b);
    ck_assert_int_eq(share_put(share, &refs, data, sizeof data, SHARE_F16, &half), cudaSuccess);
    ck_assert_int_eq(share_put(share, &refs, data, sizeof data - 1, SHARE_AS_IT_IS, &part), cudaSuccess);
    ck_assert(half != a && part != a && part != half);
    for (size_t i = 0; i < sizeof data; i++) { /* every byte counts */
        ((char *)twin)[i] ^= 1;
        ck_assert_int_eq(share_put(share, &refs, twin, sizeof twin, SHARE_AS_IT_IS, &other), cudaSuccess);
        ck_assert_ptr_ne(other, a);
        ((char *)twin)[i] ^= 1;
    }
    ck_assert_uint_eq((uintptr_t)other % CUDA_ALIGN, (uintptr_t)a % CUDA_ALIGN);
    share_release(share, &refs);
    ck_assert_ptr_nonnull(share->chunks); /* the other still has it */
    share_release(share, &others);
    ck_assert_ptr_null(share->chunks);
    close_device(device);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("weights on one GPU");
    TCase *tc = tcase_create("share");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, one_model_twice, 0, 2);
    tcase_add_test(tc, two_models);
    tcase_add_test(tc, content);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
