/* ring.c: the slots and their order. One mutex guards states and spans; the counts of rows are atomics, so a
 * worker takes the mutex only when it finishes the last row of a slot. */
#include "feed/ring.h"

#include <pthread.h>
#include <string.h>

#include "support/clock.h"
#include "support/mem.h"
#include "support/thread.h"

enum slot_state {
    SLOT_FREE,
    SLOT_FILLING,
    SLOT_READY,
    SLOT_COMPUTING,
    SLOT_COMPUTED,
    SLOT_FORMATTED,
    SLOT_STATES
};

struct ring {
    struct ring_options options; /* set once */
    struct slot *slots;          /* set once; slot of sequence s is slots[s % slot_count] */
    pthread_mutex_t mutex;
    pthread_cond_t freed, ready, formatted;
    /* under mutex */
    unsigned in_state[SLOT_STATES];
    struct slot *open;  /* the one that fills, or NULL */
    uint64_t next_open; /* sequence numbers */
    uint64_t next_ready;
    uint64_t next_formatted;
    bool finished, stopped;
    uint64_t reserve_wait_ns, ready_wait_ns, formatted_wait_ns, slots_computed;
};

/* Spans of a slot: every row its own in the worst case, and room for shards that end or are empty. */
static uint32_t span_room(uint32_t row_count) {
    return row_count + row_count / 2 + 16;
}

static size_t row_arrays_nbytes(const struct ring_options *options) {
    return options->row_count * (sizeof(struct row) + options->text_row_nbytes) +
           span_room(options->row_count) * sizeof(struct span);
}

size_t ring_slot_nbytes(const struct ring_options *options) {
    /* rejects are mapped but touched only for rejected rows */
    return options->input_nbytes + options->output_nbytes + row_arrays_nbytes(options) +
           options->row_count * options->string_row_nbytes;
}

static bool slot_open(struct slot *slot, const struct ring_options *options) {
    uint32_t rows = options->row_count;
    slot->row_cap = rows;
    slot->span_cap = span_room(rows);
    slot->text_row_nbytes = options->text_row_nbytes;
    slot->input = options->slot_alloc(options->ctx, options->input_nbytes);
    slot->output = options->slot_alloc(options->ctx, options->output_nbytes);
    slot->rows = mem_alloc(rows, sizeof *slot->rows);
    slot->rejects = mem_map(rows * sizeof *slot->rejects);
    slot->text = mem_map(rows * options->text_row_nbytes);
    slot->string_row_nbytes = options->string_row_nbytes;
    slot->strings = mem_map(rows * options->string_row_nbytes);
    slot->spans = mem_alloc(slot->span_cap, sizeof *slot->spans);
    return slot->strings && slot->input && slot->output && slot->rows && slot->rejects && slot->text &&
           slot->spans;
}

static void slot_close(struct slot *slot, const struct ring_options *options) {
    if (slot->input)
        options->slot_free(options->ctx, slot->input, options->input_nbytes);
    if (slot->output)
        options->slot_free(options->ctx, slot->output, options->output_nbytes);
    if (slot->rejects)
        mem_unmap(slot->rejects, slot->row_cap * sizeof *slot->rejects);
    if (slot->text)
        mem_unmap(slot->text, slot->row_cap * options->text_row_nbytes);
    mem_unmap(slot->strings, slot->row_cap * options->string_row_nbytes);
    mem_free(slot->rows);
    mem_free(slot->spans);
}

bool slot_keep_texts(struct slot *slot, sl_string *texts, size_t count, size_t *row_nbytes) {
    size_t nbytes = 0, left = slot->string_row_nbytes - *row_nbytes;
    for (size_t i = 0; i < count; i++) {
        if (texts[i].nbytes > left - nbytes)
            return false;
        nbytes += texts[i].nbytes;
    }
    char *at = slot->strings + atomic_fetch_add_explicit(&slot->strings_used, nbytes, memory_order_relaxed);
    for (size_t i = 0; i < count; i++) {
        if (texts[i].nbytes)
            memcpy(at, texts[i].data, texts[i].nbytes);
        texts[i].data = at;
        at += texts[i].nbytes;
    }
    *row_nbytes += nbytes;
    return true;
}

sl_status ring_open(struct ring **out, const struct ring_options *options, sl_error *err) {
    struct ring *ring = mem_alloc(1, sizeof *ring);
    if (!ring)
        return error_set(err, SL_E_MEMORY, "out of memory for the ring");
    ring->options = *options;
    pthread_mutex_init(&ring->mutex, NULL);
    thread_cond_init(&ring->freed);
    thread_cond_init(&ring->ready);
    thread_cond_init(&ring->formatted);
    ring->slots = mem_alloc(options->slot_count, sizeof *ring->slots);
    ring->in_state[SLOT_FREE] = options->slot_count;
    for (unsigned i = 0; ring->slots && i < options->slot_count; i++)
        if (!slot_open(&ring->slots[i], options)) {
            ring_close(ring);
            return error_set(err, SL_E_MEMORY, "cannot reserve slot %u of %u (%zu bytes each)", i + 1,
                             options->slot_count, ring_slot_nbytes(options));
        }
    if (!ring->slots) {
        ring_close(ring);
        return error_set(err, SL_E_MEMORY, "out of memory for the ring");
    }
    *out = ring;
    return SL_OK;
}

void ring_close(struct ring *ring) {
    if (!ring)
        return;
    for (unsigned i = 0; ring->slots && i < ring->options.slot_count; i++)
        slot_close(&ring->slots[i], &ring->options);
    mem_free(ring->slots);
    pthread_cond_destroy(&ring->formatted);
    pthread_cond_destroy(&ring->ready);
    pthread_cond_destroy(&ring->freed);
    pthread_mutex_destroy(&ring->mutex);
    mem_free(ring);
}

static struct slot *slot_at(struct ring *ring, uint64_t sequence) {
    return &ring->slots[sequence % ring->options.slot_count];
}

static void set_state(struct ring *ring, struct slot *slot, enum slot_state state) {
    ring->in_state[slot->state]--;
    ring->in_state[state]++;
    slot->state = (int)state;
}

/* Under the mutex. */
static void mark_ready(struct ring *ring, struct slot *slot) {
    set_state(ring, slot, SLOT_READY);
    pthread_cond_signal(&ring->ready);
}

/* Under the mutex: no more rows go into the open slot. */
static void seal(struct ring *ring) {
    struct slot *slot = ring->open;
    ring->open = NULL;
    slot->sealed = true;
    if (atomic_fetch_sub_explicit(&slot->undecoded, 1, memory_order_acq_rel) == 1)
        mark_ready(ring, slot);
}

/* Under the mutex: makes sure a slot is open, waiting for a free one. */
static bool open_slot(struct ring *ring) {
    while (!ring->open && !ring->stopped) {
        struct slot *slot = slot_at(ring, ring->next_open);
        if (slot->state == SLOT_FREE) {
            slot->sequence = ring->next_open++;
            slot->row_count = slot->span_count = 0;
            slot->sealed = false;
            atomic_store_explicit(&slot->strings_used, 0, memory_order_relaxed);
            atomic_store_explicit(&slot->undecoded, 1, memory_order_relaxed);
            atomic_store_explicit(&slot->unformatted, 0, memory_order_relaxed);
            set_state(ring, slot, SLOT_FILLING);
            ring->open = slot;
            break;
        }
        uint64_t before = clock_ns();
        pthread_cond_wait(&ring->freed, &ring->mutex);
        ring->reserve_wait_ns += clock_ns() - before;
    }
    return !ring->stopped;
}

/* Under the mutex: rows that follow on the slot's last span lengthen it. */
static void add_rows(struct slot *slot, uint32_t shard, uint64_t first_record, uint32_t count) {
    struct span *last = slot->span_count ? &slot->spans[slot->span_count - 1] : NULL;
    if (last && last->kind == SPAN_ROWS && last->shard == shard) {
        last->count += count;
    } else {
        slot->spans[slot->span_count++] = (struct span){.shard = shard,
                                                        .row = slot->row_count,
                                                        .count = count,
                                                        .kind = SPAN_ROWS,
                                                        .first_record = first_record};
    }
    slot->row_count += count;
}

bool ring_reserve(struct ring *ring, uint32_t shard, uint64_t first_record, uint32_t want,
                  struct lease *lease) {
    pthread_mutex_lock(&ring->mutex);
    if (!open_slot(ring)) {
        pthread_mutex_unlock(&ring->mutex);
        return false;
    }
    struct slot *slot = ring->open;
    uint32_t room = slot->row_cap - slot->row_count;
    lease->slot = slot;
    lease->row = slot->row_count;
    lease->count = want < room ? want : room;
    atomic_fetch_add_explicit(&slot->undecoded, lease->count, memory_order_relaxed);
    add_rows(slot, shard, first_record, lease->count);
    if (slot->row_count == slot->row_cap || slot->span_count == slot->span_cap)
        seal(ring);
    pthread_mutex_unlock(&ring->mutex);
    return true;
}

bool ring_end_shard(struct ring *ring, uint32_t shard, uint64_t records, const char *error) {
    pthread_mutex_lock(&ring->mutex);
    bool open = open_slot(ring);
    if (open) {
        struct slot *slot = ring->open;
        slot->spans[slot->span_count++] = (struct span){.shard = shard,
                                                        .row = slot->row_count,
                                                        .kind = error ? SPAN_FAILED : SPAN_END,
                                                        .first_record = records,
                                                        .error = error};
        if (slot->span_count == slot->span_cap)
            seal(ring);
    }
    pthread_mutex_unlock(&ring->mutex);
    return open;
}

void ring_finish(struct ring *ring) {
    pthread_mutex_lock(&ring->mutex);
    if (ring->open)
        seal(ring);
    ring->finished = true;
    pthread_cond_broadcast(&ring->ready);
    pthread_cond_broadcast(&ring->formatted);
    pthread_mutex_unlock(&ring->mutex);
}

void ring_stop(struct ring *ring) {
    pthread_mutex_lock(&ring->mutex);
    ring->stopped = true;
    pthread_cond_broadcast(&ring->freed);
    pthread_cond_broadcast(&ring->ready);
    pthread_cond_broadcast(&ring->formatted);
    pthread_mutex_unlock(&ring->mutex);
}

void ring_rows_decoded(struct ring *ring, struct slot *slot, uint32_t count) {
    if (atomic_fetch_sub_explicit(&slot->undecoded, count, memory_order_acq_rel) != count)
        return;
    pthread_mutex_lock(&ring->mutex); /* the last row of a sealed slot */
    mark_ready(ring, slot);
    pthread_mutex_unlock(&ring->mutex);
}

struct slot *ring_next_ready(struct ring *ring) {
    struct slot *slot = NULL;
    pthread_mutex_lock(&ring->mutex);
    while (!ring->stopped && !slot) {
        struct slot *next = slot_at(ring, ring->next_ready);
        if (next->state == SLOT_READY && next->sequence == ring->next_ready) {
            slot = next;
        } else if (ring->finished && ring->next_ready == ring->next_open) {
            break;
        } else {
            uint64_t before = clock_ns();
            pthread_cond_wait(&ring->ready, &ring->mutex);
            ring->ready_wait_ns += clock_ns() - before;
        }
    }
    if (slot) {
        ring->next_ready++;
        set_state(ring, slot, SLOT_COMPUTING);
    }
    pthread_mutex_unlock(&ring->mutex);
    return slot;
}

void ring_computed(struct ring *ring, struct slot *slot) {
    atomic_store_explicit(&slot->unformatted, slot->row_count, memory_order_release);
    pthread_mutex_lock(&ring->mutex);
    ring->slots_computed++;
    set_state(ring, slot, slot->row_count ? SLOT_COMPUTED : SLOT_FORMATTED);
    if (!slot->row_count)
        pthread_cond_signal(&ring->formatted);
    pthread_mutex_unlock(&ring->mutex);
}

void ring_rows_formatted(struct ring *ring, struct slot *slot, uint32_t count) {
    if (atomic_fetch_sub_explicit(&slot->unformatted, count, memory_order_acq_rel) != count)
        return;
    pthread_mutex_lock(&ring->mutex);
    set_state(ring, slot, SLOT_FORMATTED);
    pthread_cond_signal(&ring->formatted);
    pthread_mutex_unlock(&ring->mutex);
}

struct slot *ring_next_formatted(struct ring *ring, uint64_t timeout_ns, bool *idle) {
    struct slot *slot = NULL;
    *idle = false;
    pthread_mutex_lock(&ring->mutex);
    while (!ring->stopped && !slot && !*idle) {
        struct slot *next = slot_at(ring, ring->next_formatted);
        if (next->state == SLOT_FORMATTED && next->sequence == ring->next_formatted)
            slot = next;
        else if (ring->finished && ring->next_formatted == ring->next_open)
            break;
        else {
            uint64_t before = clock_ns();
            *idle = thread_cond_wait_ns(&ring->formatted, &ring->mutex, timeout_ns) != 0;
            ring->formatted_wait_ns += clock_ns() - before;
        }
    }
    if (slot)
        ring->next_formatted++;
    pthread_mutex_unlock(&ring->mutex);
    return slot;
}

void ring_release(struct ring *ring, struct slot *slot) {
    pthread_mutex_lock(&ring->mutex);
    set_state(ring, slot, SLOT_FREE);
    pthread_cond_broadcast(&ring->freed);
    pthread_mutex_unlock(&ring->mutex);
}

void ring_look(struct ring *ring, struct ring_look *look) {
    pthread_mutex_lock(&ring->mutex);
    *look = (struct ring_look){.slot_count = ring->options.slot_count,
                               .filling = ring->in_state[SLOT_FILLING],
                               .ready = ring->in_state[SLOT_READY],
                               .computing = ring->in_state[SLOT_COMPUTING],
                               .formatting = ring->in_state[SLOT_COMPUTED] + ring->in_state[SLOT_FORMATTED],
                               .free = ring->in_state[SLOT_FREE],
                               .reserve_wait_ns = ring->reserve_wait_ns,
                               .ready_wait_ns = ring->ready_wait_ns,
                               .formatted_wait_ns = ring->formatted_wait_ns,
                               .slots_computed = ring->slots_computed};
    pthread_mutex_unlock(&ring->mutex);
}
