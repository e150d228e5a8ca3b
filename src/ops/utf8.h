/* utf8.h: one character of UTF-8 (RFC 3629) at a time. */
#ifndef OPS_UTF8_H
#define OPS_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define UTF8_BAD UINT32_MAX

/* The character at `text`, of `nbytes` > 0 bytes, and how many it has. UTF8_BAD: no character; one byte. */
static inline uint32_t utf8_read(const char *text, size_t nbytes, size_t *used) {
    const unsigned char *p = (const unsigned char *)text;
    size_t need = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    *used = 1;
    if (need == 1)
        return p[0];
    if (!need || need > nbytes)
        return UTF8_BAD;
    uint32_t point = p[0] & (0xffu >> (need + 1));
    for (size_t i = 1; i < need; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return UTF8_BAD;
        point = point << 6 | (p[i] & 0x3fu);
    }
    if ((need == 3 && point < 0x800) || (need == 4 && point < 0x10000) || point > 0x10ffff ||
        (point >= 0xd800 && point < 0xe000))
        return UTF8_BAD;
    *used = need;
    return point;
}

/* At most four bytes; returns their number. */
static inline size_t utf8_write(char *out, uint32_t point) {
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    size_t n = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3f));
    out[0] = (char)((n == 2 ? 0xc0u : n == 3 ? 0xe0u : 0xf0u) | point);
    return n;
}

#endif
