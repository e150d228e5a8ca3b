/* simt_warp.c: collectives: the lanes of a warp come one by one, each leaving what it brings; the last one
 * does the work for all. All must come to the same place with the same kind of operation, and none may have
 * ended: a GPU would take an ended lane's register for whatever it holds. */
#include <stdio.h>
#include <string.h>

#include "simt_block.h"

static struct op **warp_ops(struct worker *w, const struct warp *warp, struct op **ops) {
    for (unsigned i = 0; i < LANES; i++)
        ops[i] = i < warp->count ? w->threads[warp->first + i].op : NULL;
    return ops;
}

static void shuffle(struct op *const *ops) {
    for (int i = 0; i < LANES; i++) {
        const struct op *o = ops[i];
        int from = o->detail == 'x' ? i ^ o->arg : o->detail == 'd' ? i + o->arg : o->arg & (LANES - 1);
        ops[i]->result = ops[from >= 0 && from < LANES ? from : i]->in;
    }
}

static void ballot(struct op *const *ops) {
    uint32_t bits = 0;
    for (unsigned i = 0; i < LANES; i++)
        bits |= (ops[i]->in ? 1u : 0u) << i;
    for (int i = 0; i < LANES; i++)
        ops[i]->result = bits;
}

/* Lane l gives the address of row l % 8 of matrix l / 8; each lane gets two neighbours of row l / 4 (or, with
 * trans, of column l / 4) of each matrix. A matrix is read in one pass over the banks if they allow. */
static void ldmatrix(struct worker *w, const struct warp *warp, struct op *const *ops) {
    for (int m = 0; m < ops[0]->detail; m++) {
        const void *rows[8];
        for (int r = 0; r < 8; r++) {
            const struct thread *t = &w->threads[warp->first + (unsigned)(m * 8 + r)];
            const struct op *o = ops[m * 8 + r];
            rows[r] = o->a;
            if ((uintptr_t)o->a % 16)
                block_fail(t, o->site, "gives a row that is not 16-byte aligned");
            if (!shared_find(w, o->a, 16))
                block_fail(t, o->site, "gives a row that is not in the block's shared memory");
            shadow_access(w, t, o->a, 16, false, o->site, NULL);
        }
        unsigned degree = banks_of_rows(rows, 8);
        if (degree > w->counts.ldmatrix_conflict) {
            char place[SITE_NBYTES];
            snprintf(place, sizeof place, "%s:%d", site_base(ops[0]->site.file), ops[0]->site.line);
            banks_note(&w->counts.ldmatrix_conflict, w->counts.ldmatrix_site, degree, place);
        }
        for (int i = 0; i < LANES; i++) {
            uint16_t pair[2];
            for (int k = 0; k < 2; k++) {
                int row = ops[i]->arg ? i % 4 * 2 + k : i / 4, column = ops[i]->arg ? i / 4 : i % 4 * 2 + k;
                memcpy(&pair[k], (const char *)rows[row] + column * 2, 2);
            }
            ((uint32_t *)ops[i]->out)[m] = (uint32_t)pair[0] | (uint32_t)pair[1] << 16;
        }
    }
    w->counts.ldmatrix++;
}

static void complete(struct worker *w, struct warp *warp) {
    struct op *room[LANES], **ops = warp_ops(w, warp, room);
    switch (ops[0]->kind) {
    case OP_WARP_SYNC:
        clock_warp(w, warp);
        break;
    case OP_SHUFFLE:
        shuffle(ops);
        break;
    case OP_BALLOT:
        ballot(ops);
        break;
    case OP_LDMATRIX:
        ldmatrix(w, warp, ops);
        break;
    case OP_MMA:
        mma_compute(ops);
        w->counts.mma++;
        break;
    }
    w->counts.collectives++;
    warp->arrived = 0;
}

/* Some lane waits, and one that it waits for has ended or does not exist. */
static void report_missing(struct worker *w, struct warp *warp) {
    const struct thread *waits = NULL;
    for (unsigned i = 0; i < warp->count && !waits; i++)
        if (w->threads[warp->first + i].op)
            waits = &w->threads[warp->first + i];
    block_fail(waits, waits->op->site, "needs all 32 lanes of warp %u, and %u have ended or do not exist",
               warp->index, LANES - (warp->count - warp->ended));
}

void warp_thread_ended(struct worker *w, struct warp *warp) {
    if (warp->arrived && warp->arrived + warp->ended == warp->count)
        report_missing(w, warp);
}

static const struct op *any_waiting(const struct worker *w, const struct warp *warp) {
    for (unsigned i = 0; i < warp->count; i++)
        if (w->threads[warp->first + i].op)
            return w->threads[warp->first + i].op;
    return NULL;
}

static void collective(struct op *op) {
    struct worker *w = simt_worker;
    struct thread *t = running();
    struct warp *warp = t->warp;
    const struct op *first = any_waiting(w, warp);
    if (first && (first->kind != op->kind || first->detail != op->detail ||
                  first->site.line != op->site.line || strcmp(first->site.file, op->site.file) != 0))
        block_fail(t, op->site, "meets %s at %s:%d of another lane of its warp", first->site.what,
                   first->site.file, first->site.line);
    t->op = op;
    warp->arrived++;
    if (warp->arrived + warp->ended < warp->count) {
        thread_wait(w, t, WAIT_WARP, op->site);
        return;
    }
    if (warp->count != LANES || warp->ended)
        report_missing(w, warp);
    complete(w, warp);
    for (unsigned i = 0; i < warp->count; i++) {
        struct thread *other = &w->threads[warp->first + i];
        other->op = NULL;
        if (other != t)
            thread_ready(w, other);
    }
}

void simt_warp_sync(struct simt_site site) {
    struct op op = {.kind = OP_WARP_SYNC, .site = site};
    collective(&op);
}

void simt_shuffle(void *v, size_t nbytes, char kind, int arg, struct simt_site site) {
    struct op op = {.kind = OP_SHUFFLE, .site = site, .detail = kind, .arg = arg, .nbytes = nbytes};
    memcpy(&op.in, v, nbytes);
    collective(&op);
    memcpy(v, &op.result, nbytes);
}

uint32_t simt_ballot(bool p, struct simt_site site) {
    struct op op = {.kind = OP_BALLOT, .site = site, .in = p};
    collective(&op);
    return (uint32_t)op.result;
}

void simt_ldmatrix(uint32_t *r, int count, bool trans, const void *p, struct simt_site site) {
    struct op op = {.kind = OP_LDMATRIX, .site = site, .detail = count, .arg = trans, .out = r, .a = p};
    collective(&op);
}

void simt_mma(enum simt_mma kind, void *d, const uint32_t *a, const uint32_t *b, struct simt_site site) {
    struct op op = {.kind = OP_MMA, .site = site, .detail = (int)kind, .out = d, .a = a, .b = b};
    collective(&op);
}
