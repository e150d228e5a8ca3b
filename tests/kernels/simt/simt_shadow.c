/* simt_shadow.c: who wrote and read each byte of shared memory, and when: so that a missing barrier is found
 * even where the numbers come out right.
 *
 * Time is counted for each warp. clocks[w][w] is warp w's own time, which goes on at each barrier and each
 * sl_warp_sync; clocks[w][u] is how far warp w knows of warp u: all that u did at an earlier time is before
 * whatever w does now. A barrier makes its warps' knowledge common. An access by thread a at time c of its
 * warp is before thread b's now if a is b, or c < clocks[warp of b][warp of a]; otherwise nothing orders the
 * two, and if one of them writes, the kernel is wrong. Shuffles and mma order nothing: the PTX manual gives
 * them no effect on memory.
 *
 * For each byte the last write and the last read are kept (several lanes of a warp reading at one time count
 * as one read by "several"), so of many unordered readers one is noticed, which is enough. */
#include <stdio.h>
#include <string.h>

#include "simt_block.h"

void clock_reset(struct worker *w) {
    memset(w->clocks, 0, sizeof w->clocks);
    for (int i = 0; i < MAX_WARPS; i++)
        w->clocks[i][i] = 1;
}

void clock_warp(struct worker *w, const struct warp *warp) {
    w->clocks[warp->index][warp->index]++;
}

void clock_join(struct worker *w, uint32_t warps) {
    uint32_t joint[MAX_WARPS] = {0};
    for (unsigned i = 0; i < w->warp_count; i++)
        for (unsigned k = 0; warps >> i & 1 && k < w->warp_count; k++) {
            uint32_t known = w->clocks[i][k] + (k == i);
            joint[k] = known > joint[k] ? known : joint[k];
        }
    for (unsigned i = 0; i < w->warp_count; i++)
        if (warps >> i & 1)
            memcpy(w->clocks[i], joint, sizeof joint);
}

static bool before(const struct worker *w, unsigned other, uint32_t clock, const struct thread *now) {
    return clock < w->clocks[now->warp->index][other / LANES];
}

static void report(struct worker *w, const struct thread *thread, const void *p, struct simt_site site,
                   const void *pc, const char *what, unsigned other) {
    char where[128], place[256];
    shared_describe(w, p, where, sizeof where);
    if (!site.file) {
        site_of_pc(pc, place, sizeof place);
        site = (struct simt_site){"an access", place, 0};
    }
    block_fail(thread, site, what, where, other);
}

static void check_write(struct worker *w, const struct thread *t, const unsigned char *p, struct mark *m,
                        struct simt_site site, const void *pc) {
    unsigned writer = m->write_thread & MARK_THREAD, reader = m->read_thread & MARK_THREAD;
    if (m->write_serial == w->serial && m->write_thread & MARK_IN_FLIGHT)
        report(w, t, p, site, pc, "writes %s, where a cp.async of thread %u has not landed", writer);
    if (m->write_serial == w->serial && writer != t->index && !before(w, writer, m->write_clock, t))
        report(w, t, p, site, pc, "writes %s, as thread %u did, with no barrier in between", writer);
    bool others = reader != t->index || m->read_thread & MARK_SEVERAL;
    if (m->read_serial == w->serial && others && !before(w, reader, m->read_clock, t))
        report(w, t, p, site, pc, "writes %s, which thread %u reads, with no barrier in between", reader);
}

static void check_read(struct worker *w, const struct thread *t, const unsigned char *p, struct mark *m,
                       struct simt_site site, const void *pc) {
    unsigned writer = m->write_thread & MARK_THREAD;
    if (m->write_serial != w->serial)
        report(w, t, p, site, pc, "reads %s, which nobody has written yet", 0);
    if (m->write_thread & MARK_IN_FLIGHT)
        report(w, t, p, site, pc, "reads %s, where a cp.async of thread %u has not landed", writer);
    if (writer != t->index && !before(w, writer, m->write_clock, t))
        report(w, t, p, site, pc, "reads %s, which thread %u wrote, with no barrier in between", writer);
}

static void note_read(const struct worker *w, const struct thread *t, struct mark *m) {
    uint32_t now = w->clocks[t->warp->index][t->warp->index];
    unsigned reader = m->read_thread & MARK_THREAD;
    bool same = m->read_serial == w->serial && m->read_clock == now && reader / LANES == t->index / LANES;
    bool several = same && (reader != t->index || m->read_thread & MARK_SEVERAL);
    m->read_serial = w->serial;
    m->read_clock = now;
    m->read_thread = (uint16_t)(t->index | (several ? MARK_SEVERAL : 0u));
}

static void note_write(const struct worker *w, const struct thread *t, struct mark *m, unsigned flags) {
    m->write_serial = w->serial;
    m->write_clock = w->clocks[t->warp->index][t->warp->index];
    m->write_thread = (uint16_t)(t->index | flags);
}

void shadow_access(struct worker *w, const struct thread *thread, const void *p, size_t nbytes, bool write,
                   struct simt_site site, const void *pc) {
    if (!simt_checks_accesses())
        return; /* plain stores are not seen in this build, so loads cannot be judged */
    struct mark *m = &w->marks[(const unsigned char *)p - w->arena];
    for (size_t i = 0; i < nbytes; i++) {
        if (write) {
            check_write(w, thread, (const unsigned char *)p + i, m + i, site, pc);
            note_write(w, thread, m + i, 0);
        } else {
            check_read(w, thread, (const unsigned char *)p + i, m + i, site, pc);
            note_read(w, thread, m + i);
        }
    }
}

void shadow_in_flight(struct worker *w, const struct thread *thread, const void *p, size_t nbytes,
                      struct simt_site site) {
    struct mark *m = &w->marks[(const unsigned char *)p - w->arena];
    for (size_t i = 0; simt_checks_accesses() && i < nbytes; i++) {
        check_write(w, thread, (const unsigned char *)p + i, m + i, site, NULL);
        note_write(w, thread, m + i, MARK_IN_FLIGHT);
    }
}

void shadow_landed(struct worker *w, const struct thread *thread, const void *p, size_t nbytes) {
    struct mark *m = &w->marks[(const unsigned char *)p - w->arena];
    for (size_t i = 0; simt_checks_accesses() && i < nbytes; i++)
        note_write(w, thread, m + i, 0);
}
