/* test_place.c: the arena of real graphs is at most 1.1 times what is alive at once.
 * tests/golden/plans/blocks.txt has the blocks of exported models: "model NAME COUNT", then a line a block:
 * its size in units of 64 bytes, and the first and last step that need it. Residual chains, squeeze and
 * excite, dense concatenations, inception, U-Net skips, windows, transformers. */
#include <stdio.h>
#include <stdlib.h>

#include "graph/work.h"
#include "harness.h"
#include "support/mem.h"

#define MOST 4096

static struct place_block blocks[MOST];

static void check_apart(size_t count, size_t total) {
    for (size_t i = 0; i < count; i++) {
        const struct place_block *a = &blocks[i];
        ck_assert_uint_eq(a->offset % PLAN_ALIGN, 0);
        ck_assert_uint_le(a->offset + a->nbytes, total);
        for (size_t k = 0; k < i; k++) {
            const struct place_block *b = &blocks[k];
            bool time = a->first <= b->last && b->first <= a->last;
            ck_assert(!time || a->offset >= b->offset + b->nbytes || b->offset >= a->offset + a->nbytes);
        }
    }
}

START_TEST(real_graphs_are_placed_tightly) {
    char name[64];
    size_t count, graphs = 0;
    FILE *f = fopen("tests/golden/plans/blocks.txt", "r");
    ck_assert_ptr_nonnull(f);
    while (fscanf(f, "model %63s %zu\n", name, &count) == 2) {
        ck_assert_uint_le(count, MOST);
        for (size_t i = 0; i < count; i++) {
            size_t units;
            ck_assert_int_eq(fscanf(f, "%zu %u %u\n", &units, &blocks[i].first, &blocks[i].last), 3);
            blocks[i].nbytes = units * PLAN_ALIGN;
        }
        size_t total = place_blocks(blocks, count), least = place_peak(blocks, count);
        check_apart(count, total);
        ck_assert_msg(total >= least && total * 10 <= least * 11, "%s: %zu bytes, %zu are alive at once",
                      name, total, least);
        graphs++;
    }
    ck_assert_uint_ge(graphs, 10);
    fclose(f);
}
END_TEST

START_TEST(nothing_needs_nothing) {
    ck_assert_uint_eq(place_blocks(blocks, 0), 0);
    blocks[0] = (struct place_block){.nbytes = 0, .first = 0, .last = 3};
    blocks[1] = (struct place_block){.nbytes = 64, .first = 1, .last = 1};
    ck_assert_uint_eq(place_blocks(blocks, 2), 64);
}
END_TEST

/* Many blocks: one order has to do, and it does not take long. */
START_TEST(a_long_chain_is_quick) {
    enum { LONG = 30000 };
    struct place_block *chain = mem_alloc(LONG, sizeof *chain);
    for (uint32_t i = 0; i < LONG; i++)
        chain[i] = (struct place_block){.nbytes = (1 + i % 7) * PLAN_ALIGN, .first = i, .last = i + 1};
    ck_assert_uint_le(place_blocks(chain, LONG), 14 * PLAN_ALIGN);
    mem_free(chain);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("place");
    TCase *t = tcase_create("place");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, real_graphs_are_placed_tightly);
    tcase_add_test(t, nothing_needs_nothing);
    tcase_add_test(t, a_long_chain_is_quick);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
