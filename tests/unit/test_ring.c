/* The ring under many readers and workers at random speeds: slots come out in order, every row once, shards
 * in order, and a stop wakes everybody. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "feed/ring.h"
#include "feed/tasks.h"
#include "harness.h"
#include "support/mem.h"

#define SLOTS 3u
#define READERS 3u
#define WORKERS 3u

static void *plain_alloc(void *ctx, size_t nbytes) {
    (void)ctx;
    return mem_map(nbytes);
}

static void plain_free(void *ctx, void *p, size_t nbytes) {
    (void)ctx;
    mem_unmap(p, nbytes);
}

static struct ring *open_ring(uint32_t rows) {
    struct ring_options options = {.slot_count = SLOTS,
                                   .row_count = rows,
                                   .input_nbytes = rows * sizeof(uint64_t),
                                   .output_nbytes = rows * sizeof(uint64_t),
                                   .text_row_nbytes = 8,
                                   .string_row_nbytes = 10,
                                   .slot_alloc = plain_alloc,
                                   .slot_free = plain_free};
    struct ring *ring = NULL;
    sl_error err = {0};
    ck_assert_msg(ring_open(&ring, &options, &err) == SL_OK, "%s", err.text);
    return ring;
}

START_TEST(one_row_comes_through) {
    struct ring *ring = open_ring(4);
    struct lease lease;
    ck_assert(ring_reserve(ring, 7, 0, 1, &lease));
    ck_assert_uint_eq(lease.row, 0);
    ck_assert_uint_eq(lease.count, 1);
    ck_assert(ring_end_shard(ring, 7, 1, NULL));
    ring_finish(ring);
    ring_rows_decoded(ring, lease.slot, 1);
    struct slot *slot = ring_next_ready(ring);
    ck_assert_ptr_eq(slot, lease.slot);
    ck_assert_ptr_null(ring_next_ready(ring));
    ring_computed(ring, slot);
    bool idle;
    ck_assert_ptr_null(ring_next_formatted(ring, 1000, &idle));
    ck_assert(idle);
    ring_rows_formatted(ring, slot, 1);
    ck_assert_ptr_eq(ring_next_formatted(ring, 1000, &idle), slot);
    ck_assert_uint_eq(slot->span_count, 2);
    ck_assert_int_eq(slot->spans[0].kind, SPAN_ROWS);
    ck_assert_int_eq(slot->spans[1].kind, SPAN_END);
    ck_assert_uint_eq(slot->spans[1].first_record, 1);
    ring_release(ring, slot);
    ck_assert_ptr_null(ring_next_formatted(ring, 1000, &idle));
    ck_assert(!idle);
    ring_close(ring);
}
END_TEST

START_TEST(empty_job_ends) {
    struct ring *ring = open_ring(4);
    bool idle;
    ring_finish(ring);
    ck_assert_ptr_null(ring_next_ready(ring));
    ck_assert_ptr_null(ring_next_formatted(ring, 1000, &idle));
    ck_assert(!idle);
    ring_close(ring);
}
END_TEST

/* More empty shards than a slot has spans: the slot is sealed early, nothing is lost. */
START_TEST(many_empty_shards) {
    struct ring *ring = open_ring(2);
    unsigned ends = 0, shard = 0;
    bool idle;
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned i = 0; i < 7; i++)
            ck_assert(ring_end_shard(ring, shard++, 0, i == 3 ? "broken" : NULL));
        if (round == 39)
            ring_finish(ring);
        struct ring_look look;
        for (ring_look(ring, &look); look.ready; ring_look(ring, &look)) {
            struct slot *slot = ring_next_ready(ring);
            ring_computed(ring, slot);
            ck_assert_ptr_eq(ring_next_formatted(ring, 1000, &idle), slot);
            for (uint32_t i = 0; i < slot->span_count; i++)
                ck_assert_uint_eq(slot->spans[i].shard, ends++);
            ring_release(ring, slot);
        }
    }
    ck_assert_uint_eq(ends, shard);
    ring_close(ring);
}
END_TEST

struct stress {
    struct ring *ring;
    struct tasks *tasks;
    _Atomic unsigned readers, decoded;
    uint32_t records;
};

struct stress_reader {
    struct stress *s;
    uint32_t shard;
};

static void *reader(void *arg) {
    struct stress_reader *r = arg;
    unsigned seed = r->shard + 1;
    uint64_t record = 0;
    while (record < r->s->records) {
        uint32_t want = 1 + (uint32_t)rand_r(&seed) % 20;
        if (want > r->s->records - record)
            want = (uint32_t)(r->s->records - record);
        struct lease lease;
        if (!ring_reserve(r->s->ring, r->shard, record, want, &lease))
            return NULL;
        /* what the row should hold, so that the decoder needs no block */
        uint64_t *in = lease.slot->input;
        for (uint32_t i = 0; i < lease.count; i++)
            in[lease.row + i] = ((uint64_t)r->shard << 32) | (record + i);
        struct task task = {TASK_DECODE, NULL, 0, lease.slot, lease.row, lease.count};
        ck_assert(tasks_add(r->s->tasks, &task));
        record += lease.count;
    }
    ring_end_shard(r->s->ring, r->shard, record, NULL);
    if (atomic_fetch_sub(&r->s->readers, 1) == 1)
        ring_finish(r->s->ring);
    return NULL;
}

static void *worker(void *arg) {
    struct stress *s = arg;
    struct task task;
    while (tasks_take(s->tasks, 0, &task)) {
        if (task.row % 3 == 0)
            sched_yield();
        if (task.kind == TASK_DECODE) {
            for (uint32_t i = 0; i < task.count; i++)
                task.slot->rows[task.row + i].state = ROW_GOOD;
            atomic_fetch_add(&s->decoded, task.count);
            ring_rows_decoded(s->ring, task.slot, task.count);
        } else {
            for (uint32_t i = 0; i < task.count; i++)
                task.slot->rows[task.row + i].text_nbytes = 1;
            ring_rows_formatted(s->ring, task.slot, task.count);
        }
    }
    return NULL;
}

static void *executor(void *arg) {
    struct stress *s = arg;
    struct slot *slot;
    while ((slot = ring_next_ready(s->ring)) != NULL) {
        uint64_t *in = slot->input, *out = slot->output;
        for (uint32_t i = 0; i < slot->row_count; i++)
            out[i] = in[i] * 2;
        struct task task = {.kind = TASK_FORMAT, .slot = slot, .count = slot->row_count};
        ring_computed(s->ring, slot);
        if (task.count)
            ck_assert(tasks_add(s->tasks, &task));
    }
    tasks_finish(s->tasks);
    return NULL;
}

START_TEST(every_row_once_and_in_order) {
    struct stress s = {.records = 5000, .readers = READERS};
    struct stress_reader readers[READERS];
    pthread_t threads[READERS + WORKERS + 1];
    struct tasks_options options = {
        .decode_room = 4096, .format_room = SLOTS, .take_decode = 3, .take_format = 5, .active = 1};
    uint64_t next[READERS] = {0};
    unsigned ended = 0;
    s.ring = open_ring((uint32_t)_i);
    ck_assert_int_eq(tasks_open(&s.tasks, &options, NULL), SL_OK);
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (struct stress_reader){&s, i};
        pthread_create(&threads[i], NULL, reader, &readers[i]);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_create(&threads[READERS + i], NULL, worker, &s);
    pthread_create(&threads[READERS + WORKERS], NULL, executor, &s);
    bool idle;
    struct slot *slot;
    uint64_t sequence = 0;
    while ((slot = ring_next_formatted(s.ring, 1000000000, &idle)) != NULL || idle) {
        if (!slot)
            continue;
        ck_assert_uint_eq(slot->sequence, sequence++);
        for (uint32_t i = 0; i < slot->span_count; i++) {
            const struct span *span = &slot->spans[i];
            ck_assert_uint_eq(span->first_record, next[span->shard]);
            ended += span->kind == SPAN_END;
            for (uint32_t r = 0; r < span->count; r++) {
                uint64_t want = (((uint64_t)span->shard << 32) | next[span->shard]++) * 2;
                ck_assert_uint_eq(((uint64_t *)slot->output)[span->row + r], want);
                ck_assert_uint_eq(slot->rows[span->row + r].text_nbytes, 1);
                slot->rows[span->row + r].text_nbytes = 0;
            }
        }
        ring_release(s.ring, slot);
    }
    for (unsigned i = 0; i < READERS + WORKERS + 1; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(ended, READERS);
    for (unsigned i = 0; i < READERS; i++)
        ck_assert_uint_eq(next[i], s.records);
    ck_assert_uint_eq(atomic_load(&s.decoded), READERS * s.records);
    tasks_close(s.tasks);
    ring_close(s.ring);
}
END_TEST

static void *blocked_reader(void *arg) {
    struct lease lease;
    uint64_t record = 0;
    while (ring_reserve(arg, 0, record, 1, &lease))
        record++;
    return NULL;
}

START_TEST(stop_wakes_everybody) {
    struct ring *ring = open_ring(2);
    pthread_t thread;
    pthread_create(&thread, NULL, blocked_reader, ring);
    struct ring_look look;
    do {
        sched_yield();
        ring_look(ring, &look);
    } while (look.free);
    ring_stop(ring);
    pthread_join(thread, NULL);
    bool idle;
    ck_assert_ptr_null(ring_next_ready(ring));
    ck_assert_ptr_null(ring_next_formatted(ring, 1000, &idle));
    ck_assert(!ring_end_shard(ring, 0, 0, NULL));
    ring_close(ring);
}
END_TEST

/* Only the active workers work; taking goes in pieces; formatting goes first. */
START_TEST(tasks_pieces_and_order) {
    struct tasks_options options = {
        .decode_room = 2, .format_room = 1, .take_decode = 4, .take_format = 100, .active = 1};
    struct tasks *tasks = NULL;
    struct slot slot = {0};
    struct task task = {TASK_DECODE, NULL, 10, &slot, 20, 6}, got;
    ck_assert_int_eq(tasks_open(&tasks, &options, NULL), SL_OK);
    ck_assert(tasks_add(tasks, &task));
    ck_assert(tasks_add(tasks, &task));
    ck_assert_msg(!tasks_add(tasks, &task), "a full queue says so");
    task.kind = TASK_FORMAT;
    ck_assert(tasks_add(tasks, &task));
    ck_assert(tasks_take(tasks, 0, &got));
    ck_assert_int_eq(got.kind, TASK_FORMAT);
    ck_assert(tasks_take(tasks, 0, &got));
    ck_assert(got.kind == TASK_DECODE && got.first == 10 && got.row == 20 && got.count == 4);
    ck_assert(tasks_take(tasks, 0, &got));
    ck_assert(got.first == 14 && got.row == 24 && got.count == 2);
    ck_assert(tasks_take(tasks, 0, &got));
    tasks_finish(tasks);
    ck_assert_msg(tasks_take(tasks, 5, &got), "at the end the resting ones help");
    ck_assert(!tasks_take(tasks, 0, &got));
    tasks_close(tasks);
}
END_TEST

/* A row has its bound, whatever its neighbours bring; the slot takes all rows at their bound. */
START_TEST(texts_within_a_row) {
    struct ring *ring = open_ring(4);
    struct lease lease;
    char bytes[] = "abcdefghijk";
    ck_assert(ring_reserve(ring, 7, 0, 4, &lease));
    for (int row = 0; row < 4; row++) {
        size_t used = 0;
        sl_string texts[] = {{bytes, 4}, {NULL, 0}, {bytes + 4, 6}}, more = {bytes, 1};
        sl_string longer[] = {{bytes, 5}, {bytes, 6}};
        ck_assert(!slot_keep_texts(lease.slot, longer, 2, &used));
        ck_assert(used == 0 && longer[0].data == bytes);
        ck_assert(slot_keep_texts(lease.slot, texts, 3, &used));
        ck_assert_uint_eq(used, 10);
        ck_assert(!memcmp(texts[0].data, "abcd", 4) && !memcmp(texts[2].data, "efghij", 6));
        ck_assert(texts[2].data >= lease.slot->strings && texts[2].data + 6 <= lease.slot->strings + 40);
        ck_assert(!slot_keep_texts(lease.slot, &more, 1, &used));
    }
    ring_rows_decoded(ring, lease.slot, 4);
    ring_close(ring);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ring");
    TCase *tc = tcase_create("ring");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, one_row_comes_through);
    tcase_add_test(tc, texts_within_a_row);
    tcase_add_test(tc, empty_job_ends);
    tcase_add_test(tc, many_empty_shards);
    tcase_add_loop_test(tc, every_row_once_and_in_order, 1, 9);
    tcase_add_test(tc, stop_wakes_everybody);
    tcase_add_test(tc, tasks_pieces_and_order);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
