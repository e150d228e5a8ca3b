/* compose.c: batches that are made of rows, copied there and back. */
#include "infer/compose.h"

#include <string.h>

#include "support/mem.h"

struct composer {
    struct composer_options options;
    struct composed *batches;
    size_t input_nbytes, output_nbytes, rows; /* of the largest bucket */
    pthread_mutex_t mutex;
    pthread_cond_t freed;
    /* under mutex */
    struct composed *free;
    bool stopped;
};

static void measure(const struct composer_options *o, size_t *input, size_t *output, size_t *rows) {
    *input = *output = *rows = 0;
    for (unsigned i = 0; i < o->bucket_count; i++) {
        const struct plan *plan = o->buckets[i].plan;
        *input = plan->input_nbytes > *input ? plan->input_nbytes : *input;
        *output = plan->output_nbytes > *output ? plan->output_nbytes : *output;
        *rows = (size_t)plan->batch > *rows ? (size_t)plan->batch : *rows;
    }
}

size_t composer_batch_nbytes(const struct composer_options *options) {
    size_t input, output, rows;
    measure(options, &input, &output, &rows);
    return input + output + rows * sizeof(struct composed_row);
}

sl_status composer_open(struct composer **out, const struct composer_options *options, sl_error *err) {
    struct composer *c = mem_alloc(1, sizeof *c);
    if (!c)
        return error_set(err, SL_E_MEMORY, "out of memory for the batches");
    c->options = *options;
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->freed, NULL);
    measure(options, &c->input_nbytes, &c->output_nbytes, &c->rows);
    c->batches = mem_alloc(options->batch_count, sizeof *c->batches);
    for (unsigned i = 0; c->batches && i < options->batch_count; i++) {
        struct composed *b = &c->batches[i];
        b->batch.input = options->alloc(options->ctx, c->input_nbytes);
        b->batch.output = options->alloc(options->ctx, c->output_nbytes);
        b->rows = mem_alloc(c->rows, sizeof *b->rows);
        if (!b->batch.input || !b->batch.output || !b->rows) {
            composer_close(c);
            return error_set(err, SL_E_MEMORY, "cannot reserve batch %u of %u (%zu bytes each)", i + 1,
                             options->batch_count, c->input_nbytes + c->output_nbytes);
        }
        b->next = c->free;
        c->free = b;
    }
    if (!c->batches) {
        composer_close(c);
        return error_set(err, SL_E_MEMORY, "out of memory for the batches");
    }
    *out = c;
    return SL_OK;
}

void composer_close(struct composer *c) {
    if (!c)
        return;
    for (unsigned i = 0; c->batches && i < c->options.batch_count; i++) {
        struct composed *b = &c->batches[i];
        if (b->batch.input)
            c->options.free(c->options.ctx, b->batch.input, c->input_nbytes);
        if (b->batch.output)
            c->options.free(c->options.ctx, b->batch.output, c->output_nbytes);
        mem_free(b->rows);
    }
    pthread_cond_destroy(&c->freed);
    pthread_mutex_destroy(&c->mutex);
    mem_free(c->batches);
    mem_free(c);
}

unsigned bucket_of(const struct bucket *buckets, unsigned count, const void *mask, size_t length,
                   size_t each) {
    const unsigned char *bytes = mask;
    size_t end = length * each;
    unsigned bucket = 0;
    while (end && !bytes[end - 1])
        end--;
    end = (end + each - 1) / each;
    while (bucket + 1 < count && (size_t)buckets[bucket].length < end)
        bucket++;
    return bucket;
}

/* ---- who has which ---- */

struct composed *composer_take(struct composer *c, unsigned bucket) {
    pthread_mutex_lock(&c->mutex);
    while (!c->free && !c->stopped)
        pthread_cond_wait(&c->freed, &c->mutex);
    struct composed *b = c->stopped ? NULL : c->free;
    if (b)
        c->free = b->next;
    pthread_mutex_unlock(&c->mutex);
    if (b) {
        b->bucket = bucket;
        b->count = 0;
    }
    return b;
}

void composer_give(struct composer *c, struct composed *b) {
    pthread_mutex_lock(&c->mutex);
    b->next = c->free;
    c->free = b;
    pthread_cond_signal(&c->freed);
    pthread_mutex_unlock(&c->mutex);
}

void composer_stop(struct composer *c) {
    pthread_mutex_lock(&c->mutex);
    c->stopped = true;
    pthread_cond_broadcast(&c->freed);
    pthread_mutex_unlock(&c->mutex);
}

/* ---- rows ---- */

static char *row_at(const struct plan *plan, const struct plan_port *port, void *block, size_t row) {
    return (char *)block + plan->values[port->value].offset + row * port->row_nbytes;
}

/* The first elements of every line of a row: they begin alike, and differ in one dim at most. */
static void copy_row(const struct plan *to_plan, const struct plan_port *to, char *y,
                     const struct plan *from_plan, const struct plan_port *from, const char *x) {
    const sl_tensor *a = &to_plan->values[to->value].tensor, *b = &from_plan->values[from->value].tensor;
    size_t lines = 1;
    int d = 1;
    for (; d < a->rank && a->dims[d] == b->dims[d]; d++)
        lines *= (size_t)a->dims[d];
    if (d == a->rank) {
        memcpy(y, x, to->row_nbytes);
        return;
    }
    size_t y_line = to->row_nbytes / lines, x_line = from->row_nbytes / lines;
    size_t nbytes = y_line < x_line ? y_line : x_line;
    for (size_t i = 0; i < lines; i++) {
        memcpy(y + i * y_line, x + i * x_line, nbytes);
        memset(y + i * y_line + nbytes, 0, y_line - nbytes);
    }
}

bool composer_add(struct composer *c, struct composed *b, struct slot *slot, uint32_t row) {
    const struct plan *plan = c->options.plan, *own = c->options.buckets[b->bucket].plan;
    for (size_t i = 0; i < plan->input_count; i++)
        copy_row(own, &own->inputs[i], row_at(own, &own->inputs[i], b->batch.input, b->count), plan,
                 &plan->inputs[i], row_at(plan, &plan->inputs[i], slot->input, row));
    b->rows[b->count++] = (struct composed_row){slot, row};
    return b->count == (uint64_t)own->batch;
}

void composer_pad(struct composer *c, struct composed *b) {
    const struct plan *own = c->options.buckets[b->bucket].plan;
    for (size_t i = 0; i < own->input_count; i++)
        memset(row_at(own, &own->inputs[i], b->batch.input, b->count), 0,
               ((size_t)own->batch - b->count) * own->inputs[i].row_nbytes);
}

void composer_scatter(struct composer *c, const struct composed *b) {
    const struct plan *plan = c->options.plan, *own = c->options.buckets[b->bucket].plan;
    for (size_t i = 0; i < plan->output_count; i++)
        for (uint32_t r = 0; r < b->count; r++)
            copy_row(plan, &plan->outputs[i],
                     row_at(plan, &plan->outputs[i], b->rows[r].slot->output, b->rows[r].row), own,
                     &own->outputs[i], row_at(own, &own->outputs[i], b->batch.output, r));
}
