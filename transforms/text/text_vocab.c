/* text_vocab.c: filling the tables. They are at most half full, so a search for what is not there is short.
 */
#include "transforms/text/text_vocab.h"

#include <string.h>

static uint32_t slots_for(size_t count) {
    uint32_t slots = 16;
    while (slots < 2 * count && slots < 1u << 30)
        slots *= 2;
    return slots;
}

bool vocab_init(struct vocab *vocab, const sl_host *host, size_t count) {
    uint32_t slots = slots_for(count);
    *vocab = (struct vocab){.mask = slots - 1};
    vocab->entries = host->alloc(slots * sizeof *vocab->entries);
    return vocab->entries != NULL;
}

void vocab_clear(struct vocab *vocab, const sl_host *host) {
    host->free(vocab->entries);
    vocab->entries = NULL;
}

void vocab_add(struct vocab *vocab, const char *data, size_t nbytes, int32_t id) {
    uint32_t hash = text_hash(data, nbytes), at = (hash ^ hash >> 15) & vocab->mask;
    for (; vocab->entries[at].data; at = (at + 1) & vocab->mask) {
        struct vocab_entry *e = &vocab->entries[at];
        if (e->hash == hash && e->nbytes == nbytes && memcmp(e->data, data, nbytes) == 0) {
            e->id = id;
            return;
        }
    }
    vocab->entries[at] =
        (struct vocab_entry){.data = data, .nbytes = (uint32_t)nbytes, .hash = hash, .id = id};
    vocab->count++;
    if (nbytes > vocab->longest)
        vocab->longest = nbytes;
}

bool merges_init(struct merges *merges, const sl_host *host, size_t count) {
    uint32_t slots = slots_for(count);
    *merges = (struct merges){.mask = slots - 1};
    merges->entries = host->alloc(slots * sizeof *merges->entries);
    return merges->entries != NULL;
}

void merges_clear(struct merges *merges, const sl_host *host) {
    host->free(merges->entries);
    merges->entries = NULL;
}

void merges_add(struct merges *merges, int32_t left, int32_t right, int32_t rank, int32_t id) {
    uint64_t pair = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) + 1;
    uint32_t at = merges_slot(pair) & merges->mask;
    while (merges->entries[at].pair && merges->entries[at].pair != pair)
        at = (at + 1) & merges->mask;
    merges->entries[at] = (struct merge){.pair = pair, .rank = rank, .id = id};
}
