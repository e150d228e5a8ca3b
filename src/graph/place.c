/* place.c: where blocks that live for some steps stand in one arena. One after the other, each into the
 * smallest gap it fits between those that live at the same time. No one order is best for all graphs, so a
 * few are tried until one needs no more than what is alive at once, and the best is taken. */
#include <stdlib.h>

#include "graph/work.h"
#include "support/mem.h"

#define MORE_TRIES 20000   /* with more blocks than this one try has to do */
#define MOST_WORK 50000000 /* comparisons that may go into bettering it: a tenth of a second */
#define MOST_MOVES 200

typedef int order_fn(const void *, const void *);

static int by_size(const void *a, const void *b) {
    const struct place_block *x = *(struct place_block *const *)a, *y = *(struct place_block *const *)b;
    if (x->nbytes != y->nbytes)
        return x->nbytes > y->nbytes ? -1 : 1;
    return x->first != y->first ? (x->first < y->first ? -1 : 1) : (x > y) - (x < y);
}

static int by_time(const void *a, const void *b) {
    const struct place_block *x = *(struct place_block *const *)a, *y = *(struct place_block *const *)b;
    return x->first != y->first ? (x->first < y->first ? -1 : 1) : by_size(a, b);
}

static int by_end(const void *a, const void *b) {
    const struct place_block *x = *(struct place_block *const *)a, *y = *(struct place_block *const *)b;
    return x->last != y->last ? (x->last > y->last ? -1 : 1) : by_size(a, b);
}

static int by_life(const void *a, const void *b) {
    const struct place_block *x = *(struct place_block *const *)a, *y = *(struct place_block *const *)b;
    uint32_t one = x->last - x->first, other = y->last - y->first;
    return one != other ? (one > other ? -1 : 1) : by_size(a, b);
}

/* Bytes times the steps they are held. */
static int by_area(const void *a, const void *b) {
    const struct place_block *x = *(struct place_block *const *)a, *y = *(struct place_block *const *)b;
    double one = (double)x->nbytes * ((double)(x->last - x->first) + 1);
    double other = (double)y->nbytes * ((double)(y->last - y->first) + 1);
    return one < other || one > other ? (one > other ? -1 : 1) : by_size(a, b);
}

/* `placed` is sorted by offset: the smallest gap among those that live together with `block`. */
static size_t find_gap(struct place_block *const *placed, size_t count, const struct place_block *block) {
    size_t end = 0, best = SIZE_MAX, best_size = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct place_block *other = placed[i];
        if (other->last < block->first || other->first > block->last)
            continue;
        size_t gap = other->offset > end ? other->offset - end : 0;
        if (gap >= block->nbytes && gap < best_size) {
            best = end;
            best_size = gap;
        }
        if (other->offset + other->nbytes > end)
            end = other->offset + other->nbytes;
    }
    return best == SIZE_MAX ? end : best;
}

static void insert(struct place_block **placed, size_t count, struct place_block *block) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (placed[middle]->offset <= block->offset)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t i = count; i > low; i--)
        placed[i] = placed[i - 1];
    placed[low] = block;
}

/* Places all in the given order; returns the bytes needed. */
static size_t place_all(struct place_block **order, struct place_block **placed, size_t count) {
    size_t total = 0, done = 0;
    for (size_t i = 0; i < count; i++) {
        order[i]->offset = 0;
        if (!order[i]->nbytes)
            continue;
        order[i]->offset = find_gap(placed, done, order[i]);
        insert(placed, done++, order[i]);
        if (order[i]->offset + order[i]->nbytes > total)
            total = order[i]->offset + order[i]->nbytes;
    }
    return total;
}

/* The best placement so far. */
struct search {
    struct place_block *blocks, **order, **placed;
    size_t count, best;
    size_t *offsets; /* of the best */
};

static void try_order(struct search *s) {
    size_t total = place_all(s->order, s->placed, s->count);
    if (total >= s->best)
        return;
    s->best = total;
    for (size_t i = 0; i < s->count; i++)
        s->offsets[i] = s->blocks[i].offset;
}

/* The block whose end is the highest goes first; false when it is there already. */
static bool move_highest(struct search *s) {
    size_t highest = 0;
    for (size_t i = 1; i < s->count; i++)
        if (s->order[i]->nbytes &&
            s->order[i]->offset + s->order[i]->nbytes > s->order[highest]->offset + s->order[highest]->nbytes)
            highest = i;
    struct place_block *block = s->order[highest];
    for (size_t i = highest; i > 0; i--)
        s->order[i] = s->order[i - 1];
    s->order[0] = block;
    return highest > 0;
}

static void search(struct search *s, size_t least) {
    static order_fn *const orders[] = {by_size, by_time, by_life, by_area, by_end};
    size_t tries = s->count > MORE_TRIES ? 1 : sizeof orders / sizeof *orders;
    size_t moves = s->count > MORE_TRIES ? 0 : MOST_WORK / (s->count * s->count + 1) / tries;
    for (size_t i = 0; i < tries && s->best > least; i++) {
        qsort(s->order, s->count, sizeof *s->order, orders[i]);
        try_order(s);
    }
    for (size_t i = 0; i < tries && s->best > least + least / 50; i++) {
        qsort(s->order, s->count, sizeof *s->order, orders[i]);
        try_order(s);
        for (size_t k = 0; k < moves && k < MOST_MOVES && s->best > least && move_highest(s); k++)
            try_order(s);
    }
}

size_t place_blocks(struct place_block *blocks, size_t count) {
    struct search s = {.blocks = blocks, .count = count, .best = SIZE_MAX};
    size_t least = place_peak(blocks, count);
    s.order = mem_alloc(2 * count + 1, sizeof *s.order);
    s.offsets = mem_alloc(count + 1, sizeof *s.offsets);
    if (s.order && s.offsets && least != SIZE_MAX) {
        s.placed = s.order + count;
        for (size_t i = 0; i < count; i++)
            s.order[i] = &blocks[i];
        search(&s, least);
        for (size_t i = 0; i < count; i++)
            blocks[i].offset = s.offsets[i];
    }
    mem_free(s.order);
    mem_free(s.offsets);
    return s.best;
}

size_t place_peak(const struct place_block *blocks, size_t count) {
    uint32_t steps = 0;
    for (size_t i = 0; i < count; i++)
        if (blocks[i].last != UINT32_MAX && blocks[i].last >= steps)
            steps = blocks[i].last + 1;
    int64_t *change = mem_alloc((size_t)steps + 2, sizeof *change); /* by how much the live bytes change */
    if (!change)
        return SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        change[blocks[i].first] += (int64_t)blocks[i].nbytes;
        if (blocks[i].last < steps)
            change[blocks[i].last + 1] -= (int64_t)blocks[i].nbytes;
    }
    int64_t live = 0, peak = 0;
    for (uint32_t i = 0; i <= steps; i++) {
        live += change[i];
        peak = live > peak ? live : peak;
    }
    mem_free(change);
    return (size_t)peak;
}
