/* simt_schedule.c: which fiber of a block runs next, and its barriers.
 *
 * Forward: the lowest warp runs as far as it gets, then the next: so one warp is far ahead of the others,
 * which is what a missing barrier does not survive. Reverse: from the last warp and lane down. Random: warps
 * and lanes in the seed's order, a warp going on for a while before another one takes over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simt_block.h"

/* splitmix64 */
uint64_t worker_random(struct worker *w) {
    uint64_t z = w->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void thread_ready(struct worker *w, struct thread *thread) {
    (void)w;
    thread->state = THREAD_READY;
    thread->warp->ready++;
}

void thread_wait(struct worker *w, struct thread *thread, enum thread_state how, struct simt_site site) {
    thread->state = how;
    thread->site = site;
    fiber_yield(w, thread);
}

/* ---- barriers ---- */

static bool same_place(struct simt_site a, struct simt_site b) {
    return a.line == b.line && strcmp(a.file, b.file) == 0;
}

static uint32_t all_warps(const struct worker *w) {
    return w->warp_count == 32 ? UINT32_MAX : (1u << w->warp_count) - 1;
}

static void release(struct worker *w, enum thread_state how, struct simt_site site,
                    const struct thread *last) {
    for (unsigned i = 0; i < w->thread_count; i++) {
        struct thread *t = &w->threads[i];
        if (t != last && t->state == how && same_place(t->site, site))
            thread_ready(w, t);
    }
}

/* Those that have not ended have all come: on, unless some have ended, for whom nobody may wait. */
static void block_complete(struct worker *w, const struct thread *last) {
    if (w->ended) {
        block_fail(last, w->block.site, "is reached by %u of %u threads; the others have ended",
                   w->block.arrived, w->thread_count);
        return;
    }
    w->block.arrived = 0;
    w->counts.barriers++;
    clock_join(w, all_warps(w));
    release(w, WAIT_BLOCK, w->block.site, last);
}

void simt_sync(struct simt_site site) {
    struct worker *w = simt_worker;
    struct thread *t = running();
    if (w->block.arrived++ == 0)
        w->block.site = site;
    else if (!same_place(w->block.site, site))
        block_fail(t, site, "is a divergent barrier: other threads of the block wait at %s:%d",
                   w->block.site.file, w->block.site.line);
    if (w->block.arrived + w->ended == w->thread_count)
        block_complete(w, t);
    else
        thread_wait(w, t, WAIT_BLOCK, site);
}

void simt_bar_sync(int id, int threads, struct simt_site site) {
    struct worker *w = simt_worker;
    struct thread *t = running();
    if (id < 1 || id >= MAX_BARRIERS)
        block_fail(t, site, "has barrier %d; 1 to %d can be named, 0 is sl_sync's", id, MAX_BARRIERS - 1);
    if (threads < LANES || threads % LANES || (unsigned)threads > w->thread_count)
        block_fail(t, site, "waits for %d threads: not whole warps of this block", threads);
    struct barrier *b = &w->named[id];
    if (b->arrived++ == 0)
        b->expected = (unsigned)threads;
    else if (b->expected != (unsigned)threads)
        block_fail(t, site, "waits for %d threads at barrier %d where others wait for %u", threads, id,
                   b->expected);
    if (b->arrived < b->expected) {
        t->at_barrier = b;
        thread_wait(w, t, WAIT_NAMED, site);
        return;
    }
    uint32_t met = 1u << t->warp->index;
    b->arrived = 0;
    w->counts.barriers++;
    for (unsigned i = 0; i < w->thread_count; i++) {
        struct thread *other = &w->threads[i];
        if (other->state == WAIT_NAMED && other->at_barrier == b) {
            met |= 1u << other->warp->index;
            thread_ready(w, other);
        }
    }
    clock_join(w, met);
}

/* ---- running ---- */

static void thread_ended(struct worker *w, struct thread *t) {
    w->ended++;
    t->warp->ended++;
    warp_thread_ended(w, t->warp);
    if (!w->failed && w->block.arrived && w->block.arrived + w->ended == w->thread_count)
        block_complete(w, NULL);
}

static void resume(struct worker *w, struct thread *t) {
    t->warp->ready--;
    fiber_resume(w, t);
    if (!w->failed && t->state == THREAD_ENDED)
        thread_ended(w, t);
}

/* Each lane that can run does so once. */
static void warp_pass(struct worker *w, struct warp *warp) {
    unsigned order[LANES], n = warp->count;
    for (unsigned i = 0; i < n; i++)
        order[i] = simt_options.order == SIMT_REVERSE ? n - 1 - i : i;
    if (simt_options.order == SIMT_RANDOM)
        for (unsigned i = n - 1; i > 0; i--) {
            unsigned k = (unsigned)(worker_random(w) % (i + 1)), swap = order[i];
            order[i] = order[k];
            order[k] = swap;
        }
    for (unsigned i = 0; i < n && !w->failed; i++) {
        struct thread *t = &w->threads[warp->first + order[i]];
        if (t->state == THREAD_NEW || t->state == THREAD_READY)
            resume(w, t);
    }
}

static struct warp *next_warp(struct worker *w) {
    unsigned n = w->warp_count, first = 0;
    if (simt_options.order == SIMT_RANDOM)
        first = (unsigned)(worker_random(w) % n);
    for (unsigned i = 0; i < n; i++) {
        unsigned k = simt_options.order == SIMT_REVERSE ? n - 1 - i : (first + i) % n;
        if (w->warps[k].ready)
            return &w->warps[k];
    }
    return NULL;
}

/* Nobody can go on: who waits where. */
static void report_stuck(struct worker *w) {
    static const char *const how[] = {
        [WAIT_WARP] = "its warp", [WAIT_BLOCK] = "the block", [WAIT_NAMED] = "a named barrier"};
    char text[1024];
    size_t used = 0;
    const struct thread *one = NULL;
    for (unsigned i = 0, first = 0; i < w->thread_count; i++) {
        const struct thread *t = &w->threads[i], *next = i + 1 < w->thread_count ? t + 1 : NULL;
        if (next && next->state == t->state && (t->state == THREAD_ENDED || same_place(next->site, t->site)))
            continue;
        if (t->state != THREAD_ENDED && !one)
            one = t;
        int n = t->state == THREAD_ENDED
                    ? snprintf(text + used, sizeof text - used, "; threads %u-%u have ended", first, i)
                    : snprintf(text + used, sizeof text - used, "; threads %u-%u wait for %s at %s:%d", first,
                               i, how[t->state], t->site.file, t->site.line);
        used = used + (size_t)n < sizeof text ? used + (size_t)n : sizeof text - 1;
        first = i + 1;
    }
    block_fail(one, one->site, "waits for ever%s", text);
}

static void block_init(struct worker *w) {
    const struct simt_dim d = w->launch->block;
    w->thread_count = d.x * d.y * d.z;
    w->warp_count = (w->thread_count + LANES - 1) / LANES;
    w->ended = 0;
    w->failed = false;
    memset(&w->block, 0, sizeof w->block);
    memset(w->named, 0, sizeof w->named);
    for (unsigned i = 0; i < w->warp_count; i++) {
        unsigned first = i * LANES, rest = w->thread_count - first, count = rest < LANES ? rest : LANES;
        w->warps[i] = (struct warp){.index = i, .first = first, .count = count, .ready = count};
    }
    for (unsigned i = 0; i < w->thread_count; i++) {
        struct thread *t = &w->threads[i];
        t->self = (struct simt_self){
            .thread = {i % d.x, i / d.x % d.y, i / d.x / d.y},
            .block = w->at,
            .block_dim = d,
            .grid_dim = w->launch->grid,
        };
        t->index = i;
        t->lane = i % LANES;
        t->warp = &w->warps[i / LANES];
        t->state = THREAD_NEW;
        t->op = NULL;
        t->copy_count = 0;
        t->groups = 0;
    }
    clock_reset(w);
    shared_begin(w);
}

void block_run(struct worker *w) {
    block_init(w);
    simt_worker = w;
    while (!w->failed && w->ended < w->thread_count) {
        struct warp *warp = next_warp(w);
        if (!warp) {
            report_stuck(w);
            break;
        }
        /* random: other warps get a turn in between */
        unsigned passes =
            simt_options.order == SIMT_RANDOM ? 1 + (unsigned)(worker_random(w) % 4) : UINT32_MAX;
        while (passes-- && warp->ready && !w->failed)
            warp_pass(w, warp);
    }
    if (w->failed)
        for (unsigned i = 0; i < w->thread_count; i++)
            fiber_drop(w, &w->threads[i]);
    simt_worker = NULL;
    shared_end(w);
    banks_end(w);
}
