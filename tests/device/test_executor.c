/* The executor on fakes: order over several devices at random speeds, padding, and every way a device can
 * fail. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "conformance.h"
#include "device_fake.h"
#include "infer/executor.h"
#include "support/mem.h"
#include "tests/unit/harness.h"

#define BATCH 4
#define SLOTS 6

struct rig {
    struct loaded loaded;
    struct device *device;
    struct program *programs[3];
    struct ring *ring;
    struct executor *executor;
    struct stage_stats stats;
    _Atomic unsigned computed, failures, ended;
    sl_error error;
    uint64_t next, blamed; /* sequence of the slot that a failure came with; UINT64_MAX: none */
};

static void *slot_alloc(void *ctx, size_t nbytes) {
    (void)ctx;
    return mem_map(nbytes);
}

static void slot_free(void *ctx, void *p, size_t nbytes) {
    (void)ctx;
    mem_unmap(p, nbytes);
}

static void computed(void *ctx, struct slot *slot) {
    struct rig *rig = ctx;
    ck_assert_uint_eq(slot->sequence, rig->next++);
    atomic_fetch_add(&rig->computed, slot->row_count);
    ring_rows_formatted(rig->ring, slot, slot->row_count);
}

static void failed(void *ctx, const sl_error *err, const struct slot *slot) {
    struct rig *rig = ctx;
    rig->error = *err;
    rig->blamed = slot ? slot->sequence : UINT64_MAX;
    atomic_fetch_add(&rig->failures, 1);
    ring_stop(rig->ring);
}

static void ended(void *ctx) {
    struct rig *rig = ctx;
    atomic_fetch_add(&rig->ended, 1);
}

static void rig_open(struct rig *rig, unsigned programs) {
    sl_error err = {0};
    struct device_options device = {.threads = 1};
    *rig = (struct rig){0};
    conformance_plan(&rig->loaded, "golden/bench/mlp28", BATCH);
    ck_assert_int_eq(device_fake.open(&rig->device, 0, &device, &err), SL_OK);
    for (unsigned i = 0; i < programs; i++)
        ck_assert_int_eq(device_fake.load(rig->device, rig->loaded.plan, &rig->programs[i], &err), SL_OK);
    struct ring_options ring = {.slot_count = SLOTS,
                                .row_count = BATCH,
                                .input_nbytes = rig->loaded.plan->input_nbytes,
                                .output_nbytes = rig->loaded.plan->output_nbytes,
                                .text_row_nbytes = 8,
                                .slot_alloc = slot_alloc,
                                .slot_free = slot_free};
    ck_assert_int_eq(ring_open(&rig->ring, &ring, &err), SL_OK);
    struct executor_options options = {.ring = rig->ring,
                                       .plan = rig->loaded.plan,
                                       .ops = &device_fake,
                                       .programs = rig->programs,
                                       .program_count = programs,
                                       .slot_count = SLOTS,
                                       .stats = &rig->stats,
                                       .computed = computed,
                                       .failed = failed,
                                       .ended = ended,
                                       .ctx = rig};
    ck_assert_int_eq(executor_open(&rig->executor, &options, &err), SL_OK);
    ck_assert_int_eq(executor_start(rig->executor, &err), SL_OK);
}

static void rig_close(struct rig *rig) {
    executor_join(rig->executor);
    for (unsigned i = 0; i < 3; i++) /* first: batches of a lost device are its own until then */
        if (rig->programs[i])
            device_fake.unload(rig->programs[i]);
    executor_close(rig->executor);
    ring_close(rig->ring);
    device_fake.close(rig->device);
    conformance_unplan(&rig->loaded);
}

/* Puts `records` rows in, checks each slot as it comes out; stops early when the ring is stopped. */
static unsigned drive(struct rig *rig, unsigned records) {
    unsigned in = 0, out = 0;
    bool idle, finished = false;
    while (out < records) {
        struct lease lease;
        struct ring_look look;
        ring_look(rig->ring, &look);
        if (in < records && (look.free || look.filling)) {
            if (!ring_reserve(rig->ring, 0, in, 1, &lease))
                return out;
            float *row = (float *)(void *)((char *)lease.slot->input +
                                           lease.row * rig->loaded.plan->inputs[0].row_nbytes);
            for (int k = 0; k < 28; k++)
                row[k] = (float)(in + 1);
            in++;
            ring_rows_decoded(rig->ring, lease.slot, 1);
            continue;
        }
        if (in == records && !finished) {
            ring_finish(rig->ring);
            finished = true;
        }
        struct slot *slot = ring_next_formatted(rig->ring, 100000000, &idle);
        if (!slot && !idle)
            return out;
        for (uint32_t r = 0; slot && r < slot->row_cap; r++) {
            const float *row = (const float *)slot->output + r * 28; /* the fake copies input to output */
            if (r < 1)
                ck_assert(row[0] == (r < slot->row_count ? (float)(out + 1) : 0.0f));
            out += r < slot->row_count;
        }
        if (slot)
            ring_release(rig->ring, slot);
    }
    return out;
}

START_TEST(order_over_devices) {
    fake_settings = (struct fake_settings){.depth = 2, .delay_us = 300, .identity = true};
    struct rig rig;
    rig_open(&rig, (unsigned)_i);
    ck_assert_uint_eq(drive(&rig, 403), 403); /* the last batch is padded */
    executor_join(rig.executor);
    ck_assert_uint_eq(atomic_load(&rig.computed), 403);
    ck_assert_uint_eq(atomic_load(&rig.failures), 0);
    ck_assert_uint_eq(atomic_load(&rig.ended), 1);
    ck_assert_uint_eq(atomic_load(&rig.stats.records), 403);
    rig_close(&rig);
}
END_TEST

static void check_failure(struct fake_settings settings, const char *text) {
    struct rig rig;
    settings.identity = true;
    fake_settings = settings;
    rig_open(&rig, 1);
    ck_assert_uint_lt(drive(&rig, 400), 400);
    executor_join(rig.executor);
    ck_assert_uint_eq(atomic_load(&rig.failures), 1);
    ck_assert_uint_eq(atomic_load(&rig.ended), 1);
    ck_assert_int_eq(rig.error.status, SL_E_GPU);
    ck_assert_msg(strstr(rig.error.text, text) != NULL, "%s", rig.error.text);
    ck_assert_uint_eq(rig.blamed, settings.fail_batch + settings.fail_submit - 1); /* none: UINT64_MAX */
    rig_close(&rig);
}

START_TEST(a_broken_batch_ends_the_job) {
    check_failure((struct fake_settings){.depth = 3, .delay_us = 100, .fail_batch = (uint64_t)_i},
                  "broke batch");
}
END_TEST

START_TEST(a_refused_submit_ends_the_job) {
    check_failure((struct fake_settings){.depth = 2, .fail_submit = (uint64_t)_i}, "refused");
}
END_TEST

START_TEST(a_lost_device_ends_the_job) {
    check_failure((struct fake_settings){.depth = 2, .fail_collect = (uint64_t)_i}, "lost");
}
END_TEST

START_TEST(nothing_to_do) {
    fake_settings = (struct fake_settings){.depth = 1};
    struct rig rig;
    rig_open(&rig, 2);
    ring_finish(rig.ring);
    executor_join(rig.executor);
    ck_assert_uint_eq(atomic_load(&rig.ended), 1);
    rig_close(&rig);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("executor");
    TCase *tc = tcase_create("executor");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, order_over_devices, 1, 4);
    tcase_add_loop_test(tc, a_broken_batch_ends_the_job, 1, 6);
    tcase_add_loop_test(tc, a_refused_submit_ends_the_job, 1, 4);
    tcase_add_loop_test(tc, a_lost_device_ends_the_job, 1, 4);
    tcase_add_test(tc, nothing_to_do);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
