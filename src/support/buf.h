/* buf.h: bytes that grow (setup, reports), or that do not (a fixed window in steady state). Not thread-safe.
 * After a failed append `failed` stays set, appends are ignored and the content so far is intact. */
#ifndef SUPPORT_BUF_H
#define SUPPORT_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data; /* NUL-ended after every successful append, when room allows */
    size_t size, cap;
    bool fixed; /* data belongs to somebody else and never moves */
    bool failed;
};

void buf_init(struct buf *b);                               /* empty, grows by mem_grow */
void buf_init_fixed(struct buf *b, void *data, size_t cap); /* never grows, never frees */
void buf_clear(struct buf *b);                              /* frees what it owns; usable again */
void buf_reset(struct buf *b);                              /* size 0, memory kept, failed cleared */
bool buf_reserve(struct buf *b, size_t more);
bool buf_append(struct buf *b, const void *data, size_t nbytes);
bool buf_puts(struct buf *b, const char *text);
bool buf_putc(struct buf *b, char c);
/* Formats twice, never into the NUL's place: a fixed buf needs one byte more than the text. */
bool buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *b, const char *format, va_list args);

#endif
