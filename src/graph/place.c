/* place.c: where blocks that live for some steps stand in one arena. Largest first, each into the smallest
 * gap it fits between those that live at the same time; a second try goes by the time they begin, and the
 * better of both is taken. */
#include <stdlib.h>

#include "graph/work.h"
#include "support/mem.h"

#define SECOND_TRY 20000 /* with more blocks than this one try has to do */

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

size_t place_blocks(struct place_block *blocks, size_t count) {
    struct place_block **order = mem_alloc(2 * count, sizeof *order), **placed = order + count;
    if (!order)
        return SIZE_MAX;
    for (size_t i = 0; i < count; i++)
        order[i] = &blocks[i];
    qsort(order, count, sizeof *order, by_size);
    size_t total = place_all(order, placed, count);
    if (count <= SECOND_TRY) {
        qsort(order, count, sizeof *order, by_time);
        size_t other = place_all(order, placed, count);
        if (other < total) {
            total = other;
        } else {
            qsort(order, count, sizeof *order, by_size);
            total = place_all(order, placed, count);
        }
    }
    mem_free(order);
    return total;
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
