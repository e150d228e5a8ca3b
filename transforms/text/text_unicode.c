/* text_unicode.c: look-ups in the tables, and normalisation. */
#include "transforms/text/text_unicode.h"

#include <string.h>
#include <utf8proc.h>

#include "transforms/text/text_unicode_data.h"

#define RUNS (sizeof unicode_runs / sizeof *unicode_runs)
#define CAPITALS (sizeof unicode_capitals / sizeof *unicode_capitals)
#define FLAG_MASK 0x7ffu

unsigned unicode_far_flags(uint32_t c) {
    size_t low = 0, high = RUNS;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (unicode_runs[middle] >> 11 <= c)
            low = middle;
        else
            high = middle;
    }
    return unicode_runs[low] & FLAG_MASK;
}

static uint32_t find_lower(uint32_t c) {
    size_t low = 0, high = CAPITALS;
    while (low < high) { /* the first run that does not end before c */
        size_t middle = (low + high) / 2;
        if (unicode_capitals[middle].last < c)
            low = middle + 1;
        else
            high = middle;
    }
    /* Runs of every second letter interlock with others: look at the few that may hold c. */
    for (size_t i = low; i < CAPITALS && i < low + 4; i++)
        if (unicode_capitals[i].first <= c && c <= unicode_capitals[i].last &&
            (c - unicode_capitals[i].first) % unicode_capitals[i].step == 0)
            return (uint32_t)((int64_t)c + unicode_capitals[i].distance);
    return c == 0x130 ? 'i' : c;
}

void unicode_init(struct unicode *unicode) {
    for (size_t i = 0; i < RUNS; i++) {
        uint32_t first = unicode_runs[i] >> 11;
        uint32_t end = i + 1 < RUNS ? unicode_runs[i + 1] >> 11 : 0x110000;
        for (uint32_t c = first; c < end && c < UNI_FLAT; c++)
            unicode->flat[c] = unicode_runs[i] & FLAG_MASK;
    }
    for (uint32_t c = 0; c < sizeof unicode->lower / sizeof *unicode->lower; c++)
        unicode->lower[c] = unicode->flat[c] & UNI_UPPER ? find_lower(c) : c;
}

uint32_t unicode_lower(const struct unicode *unicode, uint32_t c) {
    if (c < sizeof unicode->lower / sizeof *unicode->lower)
        return unicode->lower[c];
    return unicode_flags(unicode, c) & UNI_UPPER ? find_lower(c) : c;
}

bool unicode_is_cjk(uint32_t c) {
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
           (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) ||
           (c >= 0x2b920 && c <= 0x2ceaf) || (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

unsigned unicode_class(const struct unicode *unicode, uint32_t c) {
    if (c < 0x300 || !(unicode_flags(unicode, c) & UNI_NORMAL))
        return 0;
    return (unsigned)utf8proc_get_property((utf8proc_int32_t)c)->combining_class;
}

#define FEW_MARKS 16

static void insert_marks(const struct unicode *unicode, uint32_t *c, size_t count) {
    for (size_t i = 1; i < count; i++) {
        uint32_t moved = c[i];
        unsigned mine = unicode_class(unicode, moved);
        size_t at = i;
        for (; at > 0 && unicode_class(unicode, c[at - 1]) > mine; at--)
            c[at] = c[at - 1];
        c[at] = moved;
    }
}

/* By counting the classes: a text of nothing but marks costs no more than its length. */
static void count_marks(const struct unicode *unicode, uint32_t *c, size_t count, uint32_t *room) {
    size_t begin[257] = {0};
    for (size_t i = 0; i < count; i++)
        begin[unicode_class(unicode, c[i]) + 1]++;
    for (size_t k = 1; k < 257; k++)
        begin[k] += begin[k - 1];
    for (size_t i = 0; i < count; i++)
        room[begin[unicode_class(unicode, c[i])]++] = c[i];
    memcpy(c, room, count * sizeof *c);
}

/* Marks behind a letter come in the order of their classes; equal ones stay as they are. False without room
 * for a long run of them. */
static bool order_marks(const struct unicode *unicode, uint32_t *c, size_t count, size_t cap) {
    for (size_t i = 0; i < count;) {
        size_t end = i;
        while (end < count && unicode_class(unicode, c[end]))
            end++;
        if (end - i > FEW_MARKS) {
            if (end - i > cap - count)
                return false;
            count_marks(unicode, c + i, end - i, c + count);
        } else if (end - i > 1) {
            insert_marks(unicode, c + i, end - i);
        }
        i = end > i ? end : i + 1;
    }
    return true;
}

size_t unicode_normalize(const struct unicode *unicode, const uint32_t *in, size_t count, bool compat,
                         bool compose, uint32_t *out, size_t cap) {
    utf8proc_option_t how = UTF8PROC_DECOMPOSE | (compat ? UTF8PROC_COMPAT : 0);
    size_t n = 0;
    bool changed = false;
    for (size_t i = 0; i < count; i++) {
        if (n == cap)
            return SIZE_MAX;
        if (in[i] < 0xa0 || !(unicode_flags(unicode, in[i]) & UNI_NORMAL)) {
            out[n++] = in[i];
            continue;
        }
        utf8proc_int32_t parts[24];
        utf8proc_ssize_t made = utf8proc_decompose_char((utf8proc_int32_t)in[i], parts, 24, how, NULL);
        if (made < 0 || made > 24 || (size_t)made > cap - n)
            return SIZE_MAX;
        changed = true;
        for (utf8proc_ssize_t k = 0; k < made; k++)
            out[n++] = (uint32_t)parts[k];
    }
    if (!changed && !compose)
        return n;
    if (changed && !order_marks(unicode, out, n, cap))
        return SIZE_MAX;
    if (compose) { /* utf8proc takes int32; code points are the same bits */
        utf8proc_ssize_t left = utf8proc_normalize_utf32((utf8proc_int32_t *)out, (utf8proc_ssize_t)n,
                                                         UTF8PROC_STABLE | UTF8PROC_COMPOSE);
        if (left < 0)
            return SIZE_MAX;
        n = (size_t)left;
    }
    return n;
}
