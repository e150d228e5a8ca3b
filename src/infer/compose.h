/* compose.h: rows of slots into batches of one length, and their outputs back into the slots. A record goes
 * into the shortest bucket that holds it, by its own length alone, so its score does not depend on its
 * neighbours; a batch takes rows of several slots. */
#ifndef INFER_COMPOSE_H
#define INFER_COMPOSE_H

#include <pthread.h>

#include "feed/slot.h"
#include "infer/device.h"

#define MOST_BUCKETS 16

/* The model planned for one length: inputs and outputs are those of the slot's plan, one dim of some shorter.
 */
struct bucket {
    int64_t length;
    const struct plan *plan;
    struct program *const *programs; /* the plan loaded on each device */
};

struct composed {
    struct device_batch batch;
    struct composed_row {
        struct slot *slot;
        uint32_t row;
    } * rows; /* [the bucket's batch] */
    uint32_t count;
    unsigned bucket;
    struct composed *next; /* while it is free */
};

struct composer_options {
    const struct plan *plan; /* of the slots */
    const struct bucket *buckets;
    unsigned bucket_count, batch_count;       /* at least one batch more than buckets */
    void *(*alloc)(void *ctx, size_t nbytes); /* what devices read and write; NULL when refused */
    void (*free)(void *ctx, void *p, size_t nbytes);
    void *ctx;
};

struct composer;

sl_status composer_open(struct composer **composer, const struct composer_options *options, sl_error *err);
void composer_close(struct composer *composer);
size_t composer_batch_nbytes(const struct composer_options *options); /* of one batch, for the plan */

/* The shortest bucket for a row whose mask (of `length` elements of `each` bytes) is 0 from some place on. */
unsigned bucket_of(const struct bucket *buckets, unsigned count, const void *mask, size_t length,
                   size_t each);

/* An empty batch for the bucket; waits for one, NULL when stopped. Any thread. */
struct composed *composer_take(struct composer *composer, unsigned bucket);
void composer_give(struct composer *composer, struct composed *batch);
void composer_stop(struct composer *composer);
/* The row's inputs go into the batch; true when it is full now. */
bool composer_add(struct composer *composer, struct composed *batch, struct slot *slot, uint32_t row);
void composer_pad(struct composer *composer, struct composed *batch); /* the rest of it is zeros */
/* The outputs go back where the rows came from; what the batch is too short for is zeros there. */
void composer_scatter(struct composer *composer, const struct composed *batch);

#endif
