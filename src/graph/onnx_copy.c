/* onnx_copy.c: weights that lie misaligned in the file (protobuf aligns nothing) are copied out of it. Large
 * ones wait until everything is read and are then copied by a few threads: what takes the time is the first
 * touch of new pages, and ResNet-50 spends a sixth of its start on it. */
#include <pthread.h>
#include <string.h>

#include "graph/onnx_import.h"
#include "support/machine.h"
#include "support/mem.h"
#include "support/thread.h"

#define AT_ONCE ((size_t)1 << 16) /* smaller ones are not worth the list */

enum { MOST_THREADS = 8 };

struct import_copy {
    struct import_copy *next;
    void *to;
    const void *from;
    size_t nbytes;
};

static void copy_one(void *to, const void *from, size_t nbytes) {
    memcpy(to, from, nbytes);
    mem_discard(from, nbytes); /* what was read from the file for it */
}

bool import_copy(struct importer *im, void *to, const void *from, size_t nbytes) {
    if (nbytes < AT_ONCE) {
        if (nbytes)
            memcpy(to, from, nbytes);
        return true;
    }
    struct import_copy *c = arena_alloc(im->arena, 1, sizeof *c);
    if (!c)
        return false;
    *c = (struct import_copy){.next = im->copies, .to = to, .from = from, .nbytes = nbytes};
    im->copies = c;
    return true;
}

/* ---- the threads: each takes the next of the list ---- */

struct copiers {
    pthread_mutex_t mutex;
    const struct import_copy *next;
};

static void *copy_run(void *arg) {
    struct copiers *all = arg;
    for (;;) {
        pthread_mutex_lock(&all->mutex);
        const struct import_copy *c = all->next;
        all->next = c ? c->next : NULL;
        pthread_mutex_unlock(&all->mutex);
        if (!c)
            return NULL;
        copy_one(c->to, c->from, c->nbytes);
    }
}

void import_copy_all(struct importer *im) {
    struct copiers all = {.mutex = PTHREAD_MUTEX_INITIALIZER, .next = im->copies};
    pthread_t threads[MOST_THREADS];
    unsigned started = 0;
    struct machine machine = {.cores = 1};
    if (im->copies && im->copies->next)
        machine_read(&machine);
    /* this thread is one of them; without the others it does it all */
    while (started + 1 < machine.cores && started < MOST_THREADS &&
           thread_start(&threads[started], "copy", copy_run, &all, NULL) == SL_OK)
        started++;
    copy_run(&all);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    im->copies = NULL;
}
