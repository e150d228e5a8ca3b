/* cpu_crew.c: threads that take tasks in turn. */
#include "infer/cpu/cpu_crew.h"

#include <omp.h>
#include <pthread.h>
#include <stdio.h>

#include "support/mem.h"
#include "support/thread.h"

struct crew_thread {
    struct crew *crew;
    unsigned number;
    pthread_t thread;
};

struct crew {
    struct crew_thread *threads;
    unsigned started;
    pthread_mutex_t mutex;
    pthread_cond_t work, done;
    /* under mutex */
    struct crew_task *first, *last;
    bool stop;
};

static void *crew_run(void *arg) {
    struct crew_thread *self = arg;
    struct crew *crew = self->crew;
    omp_set_num_threads(1); /* oneDNN starts no team in this thread */
    pthread_mutex_lock(&crew->mutex);
    for (;;) {
        while (!crew->first && !crew->stop)
            pthread_cond_wait(&crew->work, &crew->mutex);
        struct crew_task *task = crew->first;
        if (!task)
            break;
        crew->first = task->next;
        pthread_mutex_unlock(&crew->mutex);
        task->run(task, self->number);
        pthread_mutex_lock(&crew->mutex);
        task->done = true;
        pthread_cond_broadcast(&crew->done);
    }
    pthread_mutex_unlock(&crew->mutex);
    return NULL;
}

sl_status crew_open(struct crew **out, unsigned threads, sl_error *err) {
    struct crew *crew = mem_alloc(1, sizeof *crew);
    if (!crew)
        return error_set(err, SL_E_MEMORY, "out of memory for the compute threads");
    pthread_mutex_init(&crew->mutex, NULL);
    pthread_cond_init(&crew->work, NULL);
    pthread_cond_init(&crew->done, NULL);
    crew->threads = mem_alloc(threads, sizeof *crew->threads);
    sl_status st =
        crew->threads ? SL_OK : error_set(err, SL_E_MEMORY, "out of memory for the compute threads");
    for (unsigned i = 0; st == SL_OK && i < threads; i++) {
        char name[16];
        snprintf(name, sizeof name, "compute-%u", i % 1000u);
        crew->threads[i] = (struct crew_thread){.crew = crew, .number = i};
        st = thread_start(&crew->threads[i].thread, name, crew_run, &crew->threads[i], err);
        crew->started += st == SL_OK;
    }
    if (st != SL_OK) {
        crew_close(crew);
        return st;
    }
    *out = crew;
    return SL_OK;
}

void crew_close(struct crew *crew) {
    if (!crew)
        return;
    pthread_mutex_lock(&crew->mutex);
    crew->stop = true;
    pthread_cond_broadcast(&crew->work);
    pthread_mutex_unlock(&crew->mutex);
    for (unsigned i = 0; i < crew->started; i++)
        pthread_join(crew->threads[i].thread, NULL);
    pthread_cond_destroy(&crew->done);
    pthread_cond_destroy(&crew->work);
    pthread_mutex_destroy(&crew->mutex);
    mem_free(crew->threads);
    mem_free(crew);
}

void crew_give(struct crew *crew, struct crew_task *task) {
    task->next = NULL;
    pthread_mutex_lock(&crew->mutex);
    task->done = false;
    if (crew->first)
        crew->last->next = task;
    else
        crew->first = task;
    crew->last = task;
    pthread_cond_signal(&crew->work);
    pthread_mutex_unlock(&crew->mutex);
}

void crew_wait(struct crew *crew, const struct crew_task *task) {
    pthread_mutex_lock(&crew->mutex);
    while (!task->done)
        pthread_cond_wait(&crew->done, &crew->mutex);
    pthread_mutex_unlock(&crew->mutex);
}
