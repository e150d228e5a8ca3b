/* tasks.c: two FIFOs of ranges under one mutex; a worker takes a piece off the front one.
 *
 * Waking is dear (on a virtual machine an interrupt to another core), so nobody is woken for nothing: adding
 * a range wakes one sleeper, and a worker that leaves work behind wakes the next. Workers sent to rest sleep
 * elsewhere. */
#include "feed/tasks.h"

#include <pthread.h>

#include "support/clock.h"
#include "support/mem.h"
#include "support/thread.h"

struct fifo {
    struct task *items;
    unsigned room, first, count;
};

struct tasks {
    struct tasks_options options; /* set once */
    pthread_mutex_t mutex;
    pthread_cond_t wake, rest;
    /* under mutex */
    unsigned sleepers; /* active workers that wait on `wake` and were not signalled yet */
    struct fifo decode, format;
    unsigned active;
    bool finished, stopped;
    uint64_t idle_ns;
};

size_t tasks_nbytes(const struct tasks_options *options) {
    return (options->decode_room + options->format_room) * sizeof(struct task);
}

static bool fifo_open(struct fifo *fifo, unsigned room) {
    fifo->room = room;
    fifo->items = mem_alloc(room, sizeof *fifo->items);
    return fifo->items != NULL;
}

sl_status tasks_open(struct tasks **out, const struct tasks_options *options, sl_error *err) {
    struct tasks *tasks = mem_alloc(1, sizeof *tasks);
    if (!tasks)
        return error_set(err, SL_E_MEMORY, "out of memory for the task queues");
    tasks->options = *options;
    tasks->active = options->active;
    pthread_mutex_init(&tasks->mutex, NULL);
    thread_cond_init(&tasks->wake);
    thread_cond_init(&tasks->rest);
    if (!fifo_open(&tasks->decode, options->decode_room) ||
        !fifo_open(&tasks->format, options->format_room)) {
        tasks_close(tasks);
        return error_set(err, SL_E_MEMORY, "out of memory for the task queues");
    }
    *out = tasks;
    return SL_OK;
}

void tasks_close(struct tasks *tasks) {
    if (!tasks)
        return;
    mem_free(tasks->decode.items);
    mem_free(tasks->format.items);
    pthread_cond_destroy(&tasks->rest);
    pthread_cond_destroy(&tasks->wake);
    pthread_mutex_destroy(&tasks->mutex);
    mem_free(tasks);
}

/* Under the mutex. */
static void wake_one(struct tasks *tasks) {
    if (!tasks->sleepers)
        return;
    tasks->sleepers--;
    pthread_cond_signal(&tasks->wake);
}

/* Under the mutex: everybody looks again. */
static void wake_all(struct tasks *tasks) {
    tasks->sleepers = 0;
    pthread_cond_broadcast(&tasks->wake);
    pthread_cond_broadcast(&tasks->rest);
}

bool tasks_add(struct tasks *tasks, const struct task *task) {
    pthread_mutex_lock(&tasks->mutex);
    struct fifo *fifo = task->kind == TASK_FORMAT ? &tasks->format : &tasks->decode;
    bool room = fifo->count < fifo->room; /* rooms count every block and slot, so it holds */
    if (room)
        fifo->items[(fifo->first + fifo->count++) % fifo->room] = *task;
    wake_one(tasks);
    pthread_mutex_unlock(&tasks->mutex);
    return room;
}

/* Under the mutex: up to `most` of the front range. */
static void take_front(struct fifo *fifo, uint32_t most, struct task *task) {
    struct task *front = &fifo->items[fifo->first];
    *task = *front;
    if (front->count <= most) {
        fifo->first = (fifo->first + 1) % fifo->room;
        fifo->count--;
        return;
    }
    task->count = most;
    front->first += most;
    front->row += most;
    front->count -= most;
}

/* Under the mutex. */
static void wait_for_work(struct tasks *tasks, bool active) {
    if (!active) {
        pthread_cond_wait(&tasks->rest, &tasks->mutex);
        return;
    }
    uint64_t before = clock_ns();
    tasks->sleepers++;
    pthread_cond_wait(&tasks->wake, &tasks->mutex);
    tasks->idle_ns += clock_ns() - before;
}

bool tasks_take(struct tasks *tasks, unsigned worker, struct task *task) {
    bool got = false;
    pthread_mutex_lock(&tasks->mutex);
    while (!tasks->stopped && !got) {
        /* a worker that was sent to rest comes back to help when the end is near */
        bool active = worker < tasks->active || tasks->finished;
        if (active && tasks->format.count) {
            take_front(&tasks->format, tasks->options.take_format, task);
            got = true;
        } else if (active && tasks->decode.count) {
            take_front(&tasks->decode, tasks->options.take_decode, task);
            got = true;
        } else if (tasks->finished) {
            break;
        } else {
            wait_for_work(tasks, active);
        }
    }
    if (got && (tasks->format.count || tasks->decode.count))
        wake_one(tasks);
    pthread_mutex_unlock(&tasks->mutex);
    return got;
}

void tasks_finish(struct tasks *tasks) {
    pthread_mutex_lock(&tasks->mutex);
    tasks->finished = true;
    wake_all(tasks);
    pthread_mutex_unlock(&tasks->mutex);
}

void tasks_stop(struct tasks *tasks) {
    pthread_mutex_lock(&tasks->mutex);
    tasks->stopped = true;
    wake_all(tasks);
    pthread_mutex_unlock(&tasks->mutex);
}

void tasks_set_active(struct tasks *tasks, unsigned active) {
    pthread_mutex_lock(&tasks->mutex);
    tasks->active = active;
    wake_all(tasks);
    pthread_mutex_unlock(&tasks->mutex);
}

void tasks_look(struct tasks *tasks, struct tasks_look *look) {
    pthread_mutex_lock(&tasks->mutex);
    *look = (struct tasks_look){.active = tasks->active,
                                .decode_waiting = tasks->decode.count,
                                .format_waiting = tasks->format.count,
                                .idle_ns = tasks->idle_ns};
    pthread_mutex_unlock(&tasks->mutex);
}
