/* mem.h: the only door to the heap for our own code (a test greps for malloc elsewhere).
 *
 * Everything is allocated before the first shard is opened. mem_freeze() marks that moment: from then on a
 * debug build (SLUICE_DEBUG) aborts on any call here, naming file and line; a release build counts them.
 * mem_thaw() marks the end of steady state. Libraries we call (libpng, libarchive, ...) are not covered;
 * their bytes stand in the plan as an allowance. */
#ifndef SUPPORT_MEM_H
#define SUPPORT_MEM_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed memory, or NULL when there is none (or count * size overflows). Free with mem_free. Any thread. */
#define mem_alloc(count, size) mem_alloc_at((count), (size), __FILE__, __LINE__)
#define mem_grow(old, count, size) mem_grow_at((old), (count), (size), __FILE__, __LINE__)
#define mem_strdup(text) mem_strdup_at((text), __FILE__, __LINE__)
#define mem_strndup(text, nbytes) mem_strndup_at((text), (nbytes), __FILE__, __LINE__)

/* mem_strndup copies exactly nbytes bytes (all must be there) and adds a NUL. */
void *mem_alloc_at(size_t count, size_t size, const char *file, int line);
/* As realloc of an array; new bytes are not zeroed; on failure returns NULL and `old` stays. */
void *mem_grow_at(void *old, size_t count, size_t size, const char *file, int line);
char *mem_strdup_at(const char *text, const char *file, int line);
char *mem_strndup_at(const char *text, size_t nbytes, const char *file, int line);
void mem_free(void *p); /* NULL is fine */

/* Page-aligned (64 B at least), zeroed on first touch, so untouched pages cost nothing; unmap with the same
 * nbytes. Used for slots, arenas, block buffers with a large bound and a small usual size. */
#define mem_map(nbytes) mem_map_at((nbytes), __FILE__, __LINE__)
void *mem_map_at(size_t nbytes, const char *file, int line);
void mem_unmap(void *p, size_t nbytes);
/* Gives the pages of [p + keep, p + nbytes) back to the system; they read as zero afterwards. */
void mem_trim(void *p, size_t keep, size_t nbytes);
/* Gives back the whole pages within bytes that nobody will read again: of a read-only map of a file they come
 * back when somebody does, of other memory as zeros. */
void mem_discard(const void *p, size_t nbytes);

void mem_freeze(void);
void mem_thaw(void);
bool mem_is_frozen(void);
size_t mem_frozen_calls(void); /* calls since mem_freeze in a release build */

/* Test hook: the n-th allocation from now on fails (0: off), once or for ever after. */
void mem_fail_nth(size_t n, bool forever);

#endif
