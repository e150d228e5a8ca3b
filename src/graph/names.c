/* names.c: a hash table of byte strings. */
#include "graph/names.h"

#include <string.h>

#include "support/clock.h"
#include "support/mem.h"

void names_init(struct names *names) {
    *names = (struct names){.seed = clock_ns() * 0x9e3779b97f4a7c15u};
}

void names_clear(struct names *names) {
    mem_free(names->entries);
    *names = (struct names){0};
}

static uint64_t mix(uint64_t x) {
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

static uint64_t hash(const struct names *names, const char *data, size_t nbytes) {
    uint64_t h = names->seed ^ nbytes;
    for (; nbytes >= 8; data += 8, nbytes -= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        h = mix(h ^ word);
    }
    uint64_t rest = 0;
    if (nbytes)
        memcpy(&rest, data, nbytes);
    return mix(h ^ rest);
}

static struct names_entry *find(const struct names *names, const char *data, size_t nbytes) {
    size_t at = (size_t)hash(names, data, nbytes) & (names->cap - 1);
    while (names->entries[at].name &&
           (names->entries[at].nbytes != nbytes || memcmp(names->entries[at].name, data, nbytes) != 0))
        at = (at + 1) & (names->cap - 1);
    return &names->entries[at];
}

static bool grow(struct names *names) {
    struct names larger = {.cap = names->cap ? names->cap * 2 : 256, .seed = names->seed};
    larger.entries = mem_alloc(larger.cap, sizeof *larger.entries);
    if (!larger.entries)
        return false;
    for (size_t i = 0; i < names->cap; i++)
        if (names->entries[i].name)
            *find(&larger, names->entries[i].name, names->entries[i].nbytes) = names->entries[i];
    larger.count = names->count;
    mem_free(names->entries);
    *names = larger;
    return true;
}

struct names_entry *names_get(struct names *names, sl_string name) {
    if (names->count * 2 >= names->cap && !grow(names))
        return NULL;
    struct names_entry *entry = find(names, name.data, name.nbytes);
    if (!entry->name) {
        *entry = (struct names_entry){name.data, name.nbytes, UINT32_MAX};
        names->count++;
    }
    return entry;
}
