/* names.h: from the names of values to their numbers, while a model is loaded. Keys stay where they are (in
 * the mapped file). */
#ifndef GRAPH_NAMES_H
#define GRAPH_NAMES_H

#include <stdbool.h>

#include "sluice/tensor.h"

struct names_entry {
    const char *name; /* NULL: free */
    size_t nbytes;
    uint32_t value;
};

struct names {
    struct names_entry *entries; /* open addressing; a power of two */
    size_t cap, count;
    uint64_t seed; /* differs from run to run, so that a file cannot aim at one place */
};

void names_init(struct names *names);
void names_clear(struct names *names);
/* The entry of a name, added with `value` UINT32_MAX when it is new. NULL: out of memory. It stays valid
 * until the next call. */
struct names_entry *names_get(struct names *names, sl_string name);

#endif
