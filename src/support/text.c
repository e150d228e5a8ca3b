/* text.c: text made safe, numbers for people, UTF-8. */
#include "support/text.h"

#include <stdio.h>
#include <string.h>

/* Bytes of the valid UTF-8 sequence that begins at p (Unicode 15, table 3-7), or 0. */
static size_t utf8_nbytes(const unsigned char *p, size_t left) {
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        return left > 1 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
    if (p[0] >= 0xe0 && p[0] <= 0xef) {
        unsigned char low = p[0] == 0xe0 ? 0xa0 : 0x80, high = p[0] == 0xed ? 0x9f : 0xbf;
        return left > 2 && p[1] >= low && p[1] <= high && (p[2] & 0xc0) == 0x80 ? 3 : 0;
    }
    if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        unsigned char low = p[0] == 0xf0 ? 0x90 : 0x80, high = p[0] == 0xf4 ? 0x8f : 0xbf;
        return left > 3 && p[1] >= low && p[1] <= high && (p[2] & 0xc0) == 0x80 && (p[3] & 0xc0) == 0x80 ? 4
                                                                                                         : 0;
    }
    return 0;
}

bool text_is_utf8(const char *text, size_t nbytes) {
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0; i < nbytes;) {
        size_t n = utf8_nbytes(p + i, nbytes - i);
        if (!n)
            return false;
        i += n;
    }
    return true;
}

char *text_escape(char *out, size_t cap, const char *text, size_t nbytes) {
    const unsigned char *p = (const unsigned char *)text;
    size_t used = 0, safe = 0; /* safe: where "..." would still fit */
    for (size_t i = 0; i < nbytes;) {
        char piece[8];
        size_t n = utf8_nbytes(p + i, nbytes - i), width = n;
        bool plain = n > 1 || (n == 1 && p[i] >= 0x20 && p[i] != 0x7f);
        /* U+0080..U+009F are control characters to a terminal */
        if (n == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0)
            plain = false;
        if (plain)
            memcpy(piece, p + i, n);
        else
            width = (size_t)snprintf(piece, sizeof piece, "\\x%02x", p[i]);
        if (used + width + 1 > cap) {
            size_t dots = cap > 3 ? 3 : cap ? cap - 1 : 0;
            memcpy(out + safe, "...", dots);
            used = safe + dots;
            break;
        }
        memcpy(out + used, piece, width);
        if (used + width + 4 <= cap)
            safe = used + width;
        used += width;
        i += plain ? n : 1;
    }
    if (cap)
        out[used] = 0;
    return out;
}

const char *text_quote_n(const char *text, size_t nbytes) {
    static _Thread_local char ring[8][512];
    static _Thread_local unsigned next;
    return text_escape(ring[next++ % 8], sizeof ring[0], text, nbytes);
}

const char *text_quote(const char *text) {
    return text_quote_n(text, strlen(text));
}

bool text_ends_with(const char *text, const char *suffix) {
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && !memcmp(text + n - m, suffix, m);
}

char *text_nbytes(char *out, size_t cap, uint64_t nbytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double x = (double)nbytes;
    unsigned unit = 0;
    for (; x >= (unit ? 1023.95 : 1024) && unit < 6; unit++) /* what would be printed as 1024.0 is the next */
        x /= 1024;
    snprintf(out, cap, unit ? "%.1f %s" : "%.0f %s", x, units[unit]);
    return out;
}

char *text_count(char *out, size_t cap, uint64_t count) {
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    size_t used = 0;
    for (int i = 0; i < n && used + 2 < cap; i++) {
        if (i && (n - i) % 3 == 0)
            out[used++] = ',';
        out[used++] = digits[i];
    }
    if (cap)
        out[used] = 0;
    return out;
}

char *text_seconds(char *out, size_t cap, double seconds) {
    if (!(seconds >= 0))
        seconds = 0;
    long long whole = seconds < 3.6e9 ? (long long)seconds : 3600000000; /* a million hours is for ever */
    if (seconds < 9.995)
        snprintf(out, cap, "%.2f s", seconds);
    else if (seconds < 59.95)
        snprintf(out, cap, "%.1f s", seconds);
    else if (seconds < 3600)
        snprintf(out, cap, "%lld min %02lld s", whole < 60 ? 1 : whole / 60, whole % 60 * (whole >= 60));
    else
        snprintf(out, cap, "%lld h %02lld min", whole / 3600, whole / 60 % 60);
    return out;
}

bool text_parse_u64(const char *text, uint64_t *value) {
    uint64_t x = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(x, 10u, &x) ||
            __builtin_add_overflow(x, (uint64_t)(*text - '0'), &x))
            return false;
    }
    *value = x;
    return true;
}

bool text_parse_nbytes(const char *text, uint64_t *nbytes) {
    static const char letters[] = "KMGT";
    uint64_t whole = 0, unit = 1;
    double part = 0, place = 1;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(whole, 10u, &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
            return false;
    bool has_part = p > text && *p == '.';
    if (p == text || (has_part && !(p[1] >= '0' && p[1] <= '9')))
        return false;
    if (has_part)
        for (p++; *p >= '0' && *p <= '9'; p++)
            part += (*p - '0') * (place /= 10);
    const char *letter = *p ? strchr(letters, *p >= 'a' ? *p - 32 : *p) : NULL;
    if (letter) {
        unit <<= 10 * (letter - letters + 1);
        p += p[1] == 'i' ? 2 : 1;
    }
    if (*p == 'B' || *p == 'b')
        p++;
    if (*p || (has_part && !letter) || __builtin_mul_overflow(whole, unit, &whole) ||
        __builtin_add_overflow(whole, (uint64_t)(part * (double)unit), &whole) || whole > INT64_MAX)
        return false;
    *nbytes = whole;
    return true;
}

/* Levenshtein distance of two words of at most 63 bytes. */
static unsigned distance(const char *a, const char *b) {
    unsigned row[64];
    size_t n = strlen(a), m = strlen(b);
    if (n > 63 || m > 63)
        return UINT32_MAX;
    for (unsigned j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        unsigned corner = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned best = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m];
}

const char *text_nearest(const char *word, const char *const *names) {
    const char *found = NULL;
    unsigned least = (unsigned)strlen(word) / 3 + 2; /* farther than that is another word */
    for (; *names; names++) {
        unsigned d = distance(word, *names);
        if (d < least && d < strlen(word)) {
            least = d;
            found = *names;
        }
    }
    return found;
}
