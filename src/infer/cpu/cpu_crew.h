/* cpu_crew.h: the threads of a CPU device. All its programs give their batches to the same ones, so plans of
 * one model for several lengths never compute on more threads than there are. */
#ifndef INFER_CPU_CREW_H
#define INFER_CPU_CREW_H

#include <stdbool.h>

#include "support/error.h"

struct crew;

/* A piece of work for one thread. It is the crew's from crew_give until crew_wait. */
struct crew_task {
    void (*run)(struct crew_task *task, unsigned thread);
    struct crew_task *next; /* the crew's, as is: */
    bool done;
};

sl_status crew_open(struct crew **crew, unsigned threads, sl_error *err);
/* Nothing may wait to be done. NULL is allowed. */
void crew_close(struct crew *crew);
/* Tasks begin in the order in which they were given. Never waits; any thread. */
void crew_give(struct crew *crew, struct crew_task *task);
void crew_wait(struct crew *crew, const struct crew_task *task); /* until it is done */

#endif
