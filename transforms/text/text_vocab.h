/* text_vocab.h: texts and their numbers, in one table without links. */
#ifndef TEXT_VOCAB_H
#define TEXT_VOCAB_H

#include "sluice/transform.h"

#define TEXT_HASH_BEGIN 0x811c9dc5u
/* FNV-1a: the hash of a text is that of its beginning, gone on. */
static inline uint32_t text_hash_add(uint32_t hash, unsigned char byte) {
    return (hash ^ byte) * 0x01000193u;
}
static inline uint32_t text_hash(const char *data, size_t nbytes) {
    uint32_t hash = TEXT_HASH_BEGIN;
    for (size_t i = 0; i < nbytes; i++)
        hash = text_hash_add(hash, (unsigned char)data[i]);
    return hash;
}

struct vocab_entry {
    const char *data; /* NULL: free */
    uint32_t nbytes, hash;
    int32_t id;
};

struct vocab {
    struct vocab_entry *entries;
    uint32_t mask;
    size_t count;
    size_t longest; /* bytes of the longest text */
};

/* Room for `count` texts; false without memory. The texts are the caller's, and stay where they are. */
bool vocab_init(struct vocab *vocab, const sl_host *host, size_t count);
void vocab_clear(struct vocab *vocab, const sl_host *host);
/* The same text again takes the later number, as a map that is filled in order does. */
void vocab_add(struct vocab *vocab, const char *data, size_t nbytes, int32_t id);

/* The number, or -1. */
static inline int32_t vocab_find(const struct vocab *vocab, const char *data, size_t nbytes, uint32_t hash) {
    if (nbytes > vocab->longest)
        return -1;
    for (uint32_t at = (hash ^ hash >> 15) & vocab->mask;; at = (at + 1) & vocab->mask) {
        const struct vocab_entry *e = &vocab->entries[at];
        if (!e->data)
            return -1;
        if (e->hash == hash && e->nbytes == nbytes && __builtin_memcmp(e->data, data, nbytes) == 0)
            return e->id;
    }
}
static inline int32_t vocab_get(const struct vocab *vocab, const char *data, size_t nbytes) {
    return vocab_find(vocab, data, nbytes, text_hash(data, nbytes));
}

/* Pairs of numbers and what they merge into, in the order of the merges. */
struct merge {
    uint64_t pair; /* left << 32 | right, plus 1 (0: free) */
    int32_t rank, id;
};

struct merges {
    struct merge *entries;
    uint32_t mask;
};

bool merges_init(struct merges *merges, const sl_host *host, size_t count);
void merges_clear(struct merges *merges, const sl_host *host);
/* The same pair again takes the later rank, as a map that is filled in order does. */
void merges_add(struct merges *merges, int32_t left, int32_t right, int32_t rank, int32_t id);

static inline uint32_t merges_slot(uint64_t pair) {
    pair *= 0x9e3779b97f4a7c15u;
    return (uint32_t)(pair >> 32);
}
static inline const struct merge *merges_find(const struct merges *merges, int32_t left, int32_t right) {
    uint64_t pair = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) + 1;
    for (uint32_t at = merges_slot(pair) & merges->mask;; at = (at + 1) & merges->mask) {
        const struct merge *m = &merges->entries[at];
        if (m->pair == pair)
            return m;
        if (!m->pair)
            return NULL;
    }
}

#endif
