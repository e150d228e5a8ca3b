/* arena.c: chunks that double in size; freed all at once. */
#include "support/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "support/mem.h"

#define FIRST_CHUNK 4096u

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, cap;
    _Alignas(16) char data[];
};

void arena_init(struct arena *arena) {
    *arena = (struct arena){0};
}

void arena_clear(struct arena *arena) {
    for (struct arena_chunk *chunk = arena->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        mem_free(chunk);
    }
    *arena = (struct arena){0};
}

static struct arena_chunk *add_chunk(struct arena *arena, size_t nbytes) {
    size_t cap = arena->chunks ? arena->chunks->cap : FIRST_CHUNK / 2;
    cap = cap < (1u << 20) ? cap * 2 : cap;
    if (cap < nbytes)
        cap = nbytes;
    struct arena_chunk *chunk = mem_alloc(1, sizeof *chunk + cap);
    if (!chunk)
        return NULL;
    chunk->cap = cap;
    if (arena->chunks && nbytes == cap) { /* a large one of its own: keep filling the one before */
        chunk->next = arena->chunks->next;
        arena->chunks->next = chunk;
    } else {
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t count, size_t size) {
    size_t nbytes;
    if (__builtin_mul_overflow(count, size, &nbytes) || nbytes > SIZE_MAX / 4)
        return NULL;
    nbytes = (nbytes + 15) / 16 * 16;
    struct arena_chunk *chunk = arena->chunks;
    if (!chunk || chunk->cap - chunk->used < nbytes)
        chunk = add_chunk(arena, nbytes);
    if (!chunk)
        return NULL;
    void *p = chunk->data + chunk->used;
    chunk->used += nbytes;
    arena->used_nbytes += nbytes;
    return p;
}

char *arena_strndup(struct arena *arena, const char *text, size_t nbytes) {
    char *copy = nbytes == SIZE_MAX ? NULL : arena_alloc(arena, nbytes + 1, 1);
    if (copy && nbytes)
        memcpy(copy, text, nbytes);
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text) {
    return arena_strndup(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *text = n < 0 ? NULL : arena_alloc(arena, (size_t)n + 1, 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}
