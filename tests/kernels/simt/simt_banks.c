/* simt_banks.c: bank conflicts. Shared memory has 32 banks of 4 bytes; a warp's access costs one pass for
 * each distinct word that one bank has to give. Accesses of 16 bytes go 8 lanes at a time, of 8 bytes 16
 * lanes, smaller ones the whole warp.
 *
 * Lanes run one after the other here, so an access of a warp is put together from what its lanes do at the
 * same place in the code for the same time: the n-th time of each lane. (Lanes whose loops run differently
 * often are put together wrongly; the tests use it on kernels where they do not.) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simt_block.h"

enum { SLOTS = 1 << 12, VISITS = 1 << 15, BANKS = 32 };

struct gathered { /* an access of a warp */
    const void *place;
    struct simt_site site;
    unsigned warp, visit, count;
    size_t nbytes;
    uint32_t offsets[LANES];
    uint8_t lanes[LANES];
};

struct visit {
    const void *place;
    unsigned thread, count;
};

struct conflicts {
    struct gathered slots[SLOTS];
    struct visit visits[VISITS];
};

static unsigned passes(const uint32_t *words, unsigned count) {
    uint32_t seen[BANKS][LANES * 4];
    unsigned n[BANKS] = {0}, worst = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned bank = words[i] % BANKS, k = 0;
        while (k < n[bank] && seen[bank][k] != words[i])
            k++;
        if (k == n[bank])
            seen[bank][n[bank]++] = words[i];
        worst = n[bank] > worst ? n[bank] : worst;
    }
    return worst;
}

unsigned banks_of_rows(const void *const *rows, unsigned count) {
    uint32_t words[LANES * 4];
    for (unsigned i = 0; i < count * 4; i++)
        words[i] = (uint32_t)((uintptr_t)rows[i / 4] / 4 + i % 4);
    return passes(words, count * 4) - 1;
}

void banks_note(uint32_t *worst, char where[SITE_NBYTES], unsigned degree, const char *text) {
    *worst = degree;
    snprintf(where, SITE_NBYTES, "%.*s", SITE_NBYTES - 1, text);
}

static void finish(struct worker *w, struct gathered *g) {
    unsigned at_once = g->nbytes >= 16 ? 8 : g->nbytes == 8 ? 16 : 32, worst = 0;
    for (unsigned first = 0; first < LANES; first += at_once) {
        uint32_t words[LANES * 4];
        unsigned n = 0;
        for (unsigned i = 0; i < g->count; i++)
            for (size_t k = 0; g->lanes[i] / at_once == first / at_once && k < (g->nbytes + 3) / 4; k++)
                words[n++] = (uint32_t)(g->offsets[i] / 4 + k);
        unsigned p = n ? passes(words, n) - 1 : 0;
        worst = p > worst ? p : worst;
    }
    if (worst > w->counts.access_conflict) {
        char place[sizeof w->counts.access_site];
        if (g->site.file)
            snprintf(place, sizeof place, "%s:%d", site_base(g->site.file), g->site.line);
        else
            site_of_pc(g->place, place, sizeof place);
        banks_note(&w->counts.access_conflict, w->counts.access_site, worst, place);
    }
    g->count = 0;
}

static size_t hash(const void *place, unsigned a, unsigned b) {
    uint64_t h = ((uint64_t)(uintptr_t)place * 31 + a) * 1000003 + b;
    h *= 0x9e3779b97f4a7c15u;
    return (size_t)(h >> 40);
}

/* How often this thread has been at this place. */
static unsigned visit_count(struct conflicts *c, const struct thread *t, const void *place) {
    for (size_t i = hash(place, t->index, 1);; i++) {
        struct visit *v = &c->visits[i % VISITS];
        if (!v->place)
            *v = (struct visit){place, t->index, 0};
        if (v->place == place && v->thread == t->index)
            return v->count++;
    }
}

void banks_access(struct worker *w, const struct thread *t, const void *p, size_t nbytes, const void *pc,
                  struct simt_site site) {
    if (!w->conflicts)
        w->conflicts = calloc(1, sizeof *w->conflicts);
    if (!w->conflicts)
        abort();
    /* a wrapper's place is its caller's line */
    const void *place = pc ? pc : site.file + site.line;
    unsigned visit = visit_count(w->conflicts, t, place), warp = t->warp->index;
    struct gathered *g = &w->conflicts->slots[hash(place, warp, visit) % SLOTS];
    if (g->count && (g->place != place || g->warp != warp || g->visit != visit || g->nbytes != nbytes))
        finish(w, g); /* two shared a slot: what has come so far is judged by itself */
    if (!g->count)
        *g = (struct gathered){.place = place, .site = site, .warp = warp, .visit = visit, .nbytes = nbytes};
    g->lanes[g->count] = (uint8_t)t->lane;
    g->offsets[g->count++] = (uint32_t)((const unsigned char *)p - w->arena);
    if (g->count == t->warp->count)
        finish(w, g);
}

void banks_end(struct worker *w) {
    if (!w->conflicts)
        return;
    for (int i = 0; i < SLOTS; i++)
        if (w->conflicts->slots[i].count)
            finish(w, &w->conflicts->slots[i]);
    memset(w->conflicts->visits, 0, sizeof w->conflicts->visits);
}
