/* buf.c: bytes that grow, or that do not. */
#include "support/buf.h"

#include <stdio.h>
#include <string.h>

#include "support/mem.h"

void buf_init(struct buf *b) {
    *b = (struct buf){0};
}

void buf_init_fixed(struct buf *b, void *data, size_t cap) {
    *b = (struct buf){.data = data, .cap = cap, .fixed = true};
}

void buf_clear(struct buf *b) {
    if (!b->fixed)
        mem_free(b->data);
    *b = (struct buf){0};
}

void buf_reset(struct buf *b) {
    b->size = 0;
    b->failed = false;
}

bool buf_reserve(struct buf *b, size_t more) {
    if (b->failed || more <= b->cap - b->size)
        return !b->failed;
    size_t want = b->cap < 256 ? 256 : b->cap;
    while (want - b->size < more && want <= SIZE_MAX / 2)
        want *= 2;
    char *grown = b->fixed || want - b->size < more ? NULL : mem_grow(b->data, want, 1);
    if (!grown) {
        b->failed = true;
        return false;
    }
    b->data = grown;
    b->cap = want;
    return true;
}

bool buf_append(struct buf *b, const void *data, size_t nbytes) {
    /* a growing buf keeps room for the NUL; a fixed one puts it where it fits */
    if (!buf_reserve(b, b->fixed || nbytes == SIZE_MAX ? nbytes : nbytes + 1))
        return false;
    if (nbytes)
        memcpy(b->data + b->size, data, nbytes);
    b->size += nbytes;
    if (b->size < b->cap)
        b->data[b->size] = 0;
    return true;
}

bool buf_puts(struct buf *b, const char *text) {
    return buf_append(b, text, strlen(text));
}

bool buf_putc(struct buf *b, char c) {
    return buf_append(b, &c, 1);
}

bool buf_vprintf(struct buf *b, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    bool fits = n >= 0 && buf_reserve(b, (size_t)n + 1);
    if (fits) {
        vsnprintf(b->data + b->size, (size_t)n + 1, format, again);
        b->size += (size_t)n;
    }
    va_end(again);
    return fits;
}

bool buf_printf(struct buf *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    bool fits = buf_vprintf(b, format, args);
    va_end(args);
    return fits;
}
