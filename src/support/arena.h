/* arena.h: many small objects with one end of life (a graph, a plan). Not thread-safe. */
#ifndef SUPPORT_ARENA_H
#define SUPPORT_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena_chunk;
struct arena {
    struct arena_chunk *chunks;
    size_t used_nbytes; /* handed out so far */
};

void arena_init(struct arena *arena);
void arena_clear(struct arena *arena);
/* Zeroed, 16-byte aligned; NULL when out of memory or on overflow. */
void *arena_alloc(struct arena *arena, size_t count, size_t size);
char *arena_strndup(struct arena *arena, const char *text, size_t nbytes);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
