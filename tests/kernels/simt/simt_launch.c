/* simt_launch.c: launches: blocks over a few OS threads, what they counted, and what went wrong first. */
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "simt_block.h"

enum { WORKERS = 2, WORKERS_MOST = 8 };

struct simt_options simt_options;
int (*simt_stream)(const struct simt_launch *launch, struct CUstream_st *stream);
__thread struct simt_self *simt_self;
__thread struct worker *simt_worker;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
/* under mutex */
static struct worker *idle;
static struct simt_counts counts;
static char failure[2048];

/* ---- what went wrong ---- */

void site_of_pc(const void *pc, char *text, size_t text_nbytes) {
    char path[4096], command[4200], line[512] = "";
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    extern const char __executable_start[];
    /* one back: the call, not what comes after it */
    size_t at = (size_t)((const char *)pc - __executable_start) - 1;
    snprintf(command, sizeof command, "addr2line -e '%s' 0x%zx 2>/dev/null", path, at);
    FILE *pipe = n > 0 ? popen(command, "r") : NULL; /* NOLINT: a test's own path */
    if (pipe) {
        if (!fgets(line, sizeof line, pipe))
            line[0] = '\0';
        pclose(pipe);
    }
    line[strcspn(line, " \n")] = '\0';
    if (line[0] && line[0] != '?')
        snprintf(text, text_nbytes, "%s", site_base(line));
    else
        snprintf(text, text_nbytes, "instruction 0x%zx", at);
}

const char *site_base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void describe(const struct worker *w, const struct thread *t, struct simt_site site, const char *what,
                     char *text, size_t text_nbytes) {
    char who[96] = "", line[16] = "";
    if (t)
        snprintf(who, sizeof who, " thread (%u,%u,%u)", t->self.thread.x, t->self.thread.y, t->self.thread.z);
    if (site.line)
        snprintf(line, sizeof line, ":%d", site.line);
    snprintf(text, text_nbytes, "%s: block (%u,%u,%u)%s: %s at %s%s %s", w->launch->kernel, w->at.x, w->at.y,
             w->at.z, who, site.what, site_base(site.file), line, what);
}

void block_fail(const struct thread *thread, struct simt_site site, const char *format, ...) {
    struct worker *w = simt_worker;
    char what[1200], text[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    describe(w, thread, site, what, text, sizeof text);
    if (!simt_options.quiet)
        fprintf(stderr, "simt: %s\n", text);
    pthread_mutex_lock(&mutex);
    if (!failure[0])
        snprintf(failure, sizeof failure, "%s", text);
    pthread_mutex_unlock(&mutex);
    w->failed = true;
    while (simt_self) /* a fiber: never to be resumed */
        fiber_yield(w, running());
}

const char *simt_failure(void) {
    return failure[0] ? failure : NULL;
}

void simt_failure_clear(void) {
    pthread_mutex_lock(&mutex);
    failure[0] = '\0';
    pthread_mutex_unlock(&mutex);
}

/* ---- counts ---- */

static void counts_add(const struct simt_counts *c) {
    counts.blocks += c->blocks;
    counts.mma += c->mma;
    counts.ldmatrix += c->ldmatrix;
    counts.cp_async += c->cp_async;
    counts.barriers += c->barriers;
    counts.collectives += c->collectives;
    if (c->ldmatrix_conflict > counts.ldmatrix_conflict)
        banks_note(&counts.ldmatrix_conflict, counts.ldmatrix_site, c->ldmatrix_conflict, c->ldmatrix_site);
    if (c->access_conflict > counts.access_conflict)
        banks_note(&counts.access_conflict, counts.access_site, c->access_conflict, c->access_site);
}

struct simt_counts simt_counts(void) {
    pthread_mutex_lock(&mutex);
    struct simt_counts copy = counts;
    pthread_mutex_unlock(&mutex);
    return copy;
}

void simt_counts_clear(void) {
    pthread_mutex_lock(&mutex);
    counts = (struct simt_counts){0};
    pthread_mutex_unlock(&mutex);
}

/* ---- workers ---- */

static struct worker *worker_take(void) {
    pthread_mutex_lock(&mutex);
    struct worker *w = idle;
    if (w)
        idle = w->next;
    pthread_mutex_unlock(&mutex);
    if (w)
        return w;
    w = calloc(1, sizeof *w);
    void *marks = mmap(NULL, ARENA_NBYTES * sizeof *w->marks, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!w || marks == MAP_FAILED) {
        perror("simt: no memory for a block");
        abort();
    }
    w->marks = marks;
    w->arena = memory_arena(ARENA_NBYTES);
    return w;
}

static void worker_give(struct worker *w) {
    pthread_mutex_lock(&mutex);
    counts_add(&w->counts);
    w->counts = (struct simt_counts){0};
    w->next = idle;
    idle = w;
    pthread_mutex_unlock(&mutex);
}

struct job {
    const struct simt_launch *launch;
    uint64_t blocks;
    atomic_uint_fast64_t next;
    atomic_bool failed;
};

/* The i-th block to run. Random: i times a number that has no divisor in common with their count. */
static uint64_t block_at(uint64_t i, uint64_t blocks) {
    if (simt_options.order == SIMT_REVERSE)
        return blocks - 1 - i;
    if (simt_options.order == SIMT_FORWARD)
        return i;
    uint64_t step = (simt_options.seed * 2654435761u + 1) % blocks;
    for (;; step++) {
        uint64_t a = step, b = blocks;
        while (b) {
            uint64_t rest = a % b;
            a = b;
            b = rest;
        }
        if (a == 1)
            return (i * (step % blocks) + simt_options.seed) % blocks;
    }
}

static void *work(void *p) {
    struct job *job = p;
    struct worker *w = worker_take();
    const struct simt_dim g = job->launch->grid;
    w->launch = job->launch;
    for (uint64_t i; !job->failed && (i = job->next++) < job->blocks;) {
        uint64_t at = block_at(i, job->blocks);
        w->at =
            (struct simt_dim){(uint32_t)(at % g.x), (uint32_t)(at / g.x % g.y), (uint32_t)(at / g.x / g.y)};
        w->random = simt_options.seed * 1000003 + at;
        block_run(w);
        w->counts.blocks++;
        if (w->failed)
            job->failed = true;
    }
    worker_give(w);
    return NULL;
}

static int check(const struct simt_launch *l) {
    uint64_t threads = (uint64_t)l->block.x * l->block.y * l->block.z;
    if (!l->grid.x || !l->grid.y || !l->grid.z || l->grid.x > INT32_MAX || l->grid.y > 65535 ||
        l->grid.z > 65535 || !threads || threads > MAX_THREADS || l->block.z > 64)
        return CUDA_INVALID_CONFIGURATION;
    size_t limit = simt_options.shared_limit ? simt_options.shared_limit : 227 * 1024;
    return l->shared_nbytes > limit ? CUDA_INVALID_VALUE : 0;
}

int simt_run(const struct simt_launch *launch) {
    struct job job = {.launch = launch, .blocks = (uint64_t)launch->grid.x * launch->grid.y * launch->grid.z};
    unsigned most = simt_options.workers ? simt_options.workers : WORKERS, started = 0;
    pthread_t threads[WORKERS_MOST];
    int err = check(launch);
    if (err) {
        fprintf(stderr,
                "simt: %s: a grid of %ux%ux%u blocks of %ux%ux%u threads with %zu bytes cannot be launched\n",
                launch->kernel, launch->grid.x, launch->grid.y, launch->grid.z, launch->block.x,
                launch->block.y, launch->block.z, launch->shared_nbytes);
        return err;
    }
    most = most > WORKERS_MOST ? WORKERS_MOST : most;
    while (started + 1 < most && job.blocks > 8 * (started + 1) &&
           pthread_create(&threads[started], NULL, work, &job) == 0)
        started++;
    work(&job);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_lock(&mutex);
    counts.launches++;
    pthread_mutex_unlock(&mutex);
    return job.failed ? CUDA_LAUNCH_FAILURE : 0;
}

int simt_launch(const struct simt_launch *launch, struct CUstream_st *stream) {
    if (!simt_stream)
        return simt_run(launch);
    int err = check(launch);
    return err ? err : simt_stream(launch, stream);
}
