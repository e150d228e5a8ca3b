/* cuda_arena.c: the arena of a program, laid out anew. The plan's is for values of their own types and for
 * steps that each do their own work; here floats may have half the bytes, and what a later launch has taken
 * into itself needs no memory at all. How long a value lives is what launches point at it. What the plan made
 * one piece of memory (a view with what it looks at, a result over its input) stays one. */
#include <string.h>

#include "infer/cuda/cuda_program.h"
#include "support/mem.h"

/* Values of one memory that are in one region. */
struct piece {
    enum cuda_region region;
    struct place_block block;
    bool used;
};

struct layout {
    struct cuda_code *code;
    struct piece *pieces; /* [value_count]; that of a value is at its plan's `memory`, halves behind them */
    uint32_t step;
};

static bool is_arena(enum cuda_region region) {
    return region == REGION_ARENA || region == REGION_HALF_ARENA;
}

static struct piece *piece_of(const struct layout *l, uint32_t value) {
    const struct cuda_value *v = &l->code->values[value];
    size_t half = v->region == REGION_HALF_ARENA ? l->code->plan->value_count : 0;
    return &l->pieces[half + l->code->plan->values[value].memory];
}

static void touch(void *self, uint32_t value) {
    struct layout *l = self;
    const struct cuda_value *v = &l->code->values[value];
    size_t nbytes = l->code->plan->values[value].nbytes / (v->region == REGION_HALF_ARENA ? 2 : 1);
    if (!is_arena(v->region))
        return;
    struct piece *piece = piece_of(l, value);
    nbytes = (nbytes + CUDA_ALIGN - 1) / CUDA_ALIGN * CUDA_ALIGN;
    if (!piece->used)
        *piece = (struct piece){v->region, {.first = l->step}, true};
    piece->block.last = l->step;
    piece->block.nbytes = nbytes > piece->block.nbytes ? nbytes : piece->block.nbytes;
}

/* Places the pieces of a region; SIZE_MAX: out of memory. */
static size_t place_region(struct layout *l, enum cuda_region region, struct place_block *blocks) {
    size_t count = 0, pieces = 2 * l->code->plan->value_count;
    for (size_t i = 0; i < pieces; i++)
        if (l->pieces[i].used && l->pieces[i].region == region)
            blocks[count++] = l->pieces[i].block;
    size_t nbytes = count ? place_blocks(blocks, count) : 0;
    for (size_t i = 0, k = 0; i < pieces; i++)
        if (l->pieces[i].used && l->pieces[i].region == region)
            l->pieces[i].block = blocks[k++];
    return nbytes;
}

sl_status cuda_place_arena(struct cuda_code *code, sl_error *err) {
    const struct plan *plan = code->plan;
    struct layout l = {.code = code, .pieces = mem_alloc(2 * plan->value_count + 1, sizeof *l.pieces)};
    struct place_block *blocks = mem_alloc(2 * plan->value_count + 1, sizeof *blocks);
    size_t whole = SIZE_MAX, half = SIZE_MAX;
    if (l.pieces && blocks) {
        for (; l.step < plan->step_count; l.step++) {
            bound_values(code->steps[l.step].chain, touch, &l);
            bound_values(code->steps[l.step].other, touch, &l);
        }
        whole = place_region(&l, REGION_ARENA, blocks);
        half = place_region(&l, REGION_HALF_ARENA, blocks);
    }
    bool placed = whole != SIZE_MAX && half != SIZE_MAX;
    code->region_nbytes[REGION_ARENA] = whole;
    code->region_nbytes[REGION_HALF_ARENA] = half;
    for (uint32_t i = 0; placed && i < plan->value_count; i++)
        if (is_arena(code->values[i].region))
            code->values[i].offset = piece_of(&l, i)->block.offset;
    mem_free(blocks);
    mem_free(l.pieces);
    return placed ? SL_OK : error_set(err, SL_E_MEMORY, "out of memory for the program");
}
