/* tasks.h: what the workers have to do: decode records into reserved rows, and format rows that came back.
 * Formatting goes first, because it frees slots. The queues are bounded by the blocks and slots that exist,
 * so adding never waits.
 *
 * The engine knows nothing of the work: it hands out ranges. */
#ifndef FEED_TASKS_H
#define FEED_TASKS_H

#include "feed/ring.h"
#include "support/error.h"

enum task_kind { TASK_DECODE, TASK_FORMAT };

struct task {
    enum task_kind kind;
    void *block;    /* decode: where the records are */
    uint32_t first; /* decode: the first record in the block */
    struct slot *slot;
    uint32_t row, count; /* rows of the slot */
};

struct tasks;

/* decode_room, format_room: most tasks that can be waiting. take_decode, take_format: how many records or
 * rows a worker takes at a time. */
struct tasks_options {
    unsigned decode_room, format_room;
    uint32_t take_decode, take_format;
    unsigned active; /* workers that may work at first */
};

sl_status tasks_open(struct tasks **tasks, const struct tasks_options *options, sl_error *err);
void tasks_close(struct tasks *tasks);
size_t tasks_nbytes(const struct tasks_options *options);

/* Any thread. Never waits. False when the room was counted wrong (a fault of ours). */
bool tasks_add(struct tasks *tasks, const struct task *task);
/* The next piece of work for worker number `worker`; waits, also while that worker is not among the active
 * ones. False when tasks_finish was called and nothing is left, or after tasks_stop. */
bool tasks_take(struct tasks *tasks, unsigned worker, struct task *task);
/* No more tasks will be added. */
void tasks_finish(struct tasks *tasks);
void tasks_stop(struct tasks *tasks);

/* Workers 0 .. active-1 may work from now on. */
void tasks_set_active(struct tasks *tasks, unsigned active);

struct tasks_look {
    unsigned active, decode_waiting, format_waiting;
    uint64_t idle_ns; /* active workers waited for something to do, all together */
};
void tasks_look(struct tasks *tasks, struct tasks_look *look);

#endif
