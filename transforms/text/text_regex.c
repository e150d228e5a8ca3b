/* text_regex.c: runs a regular expression by trying and going back, the first way that matches, as Oniguruma
 * does. A repeat is of one set, so how deep it goes is bounded by the expression. */
#include "transforms/text/text_regex_node.h"

#define NO_MATCH SIZE_MAX

struct matcher {
    const struct text_regex *regex;
    const struct unicode *unicode;
    const uint32_t *c;
    size_t count;
    uint64_t *tries; /* left */
};

/* The first of each ten digits, \p{Nd}, as the library (tokenizers 0.23.3) has them. */
static const uint32_t decimals[] = {
    0x30,    0x660,   0x6f0,   0x7c0,   0x966,   0x9e6,   0xa66,   0xae6,   0xb66,   0xbe6,   0xc66,
    0xce6,   0xd66,   0xde6,   0xe50,   0xed0,   0xf20,   0x1040,  0x1090,  0x17e0,  0x1810,  0x1946,
    0x19d0,  0x1a80,  0x1a90,  0x1b50,  0x1bb0,  0x1c40,  0x1c50,  0xa620,  0xa8d0,  0xa900,  0xa9d0,
    0xa9f0,  0xaa50,  0xabf0,  0xff10,  0x104a0, 0x10d30, 0x10d40, 0x11066, 0x110f0, 0x11136, 0x111d0,
    0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da, 0x11730, 0x118e0, 0x11950, 0x11bf0,
    0x11c50, 0x11d50, 0x11da0, 0x11f50, 0x16130, 0x16a60, 0x16ac0, 0x16b50, 0x16d70, 0x1ccf0, 0x1d7ce,
    0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e5f1, 0x1e950, 0x1fbf0,
};

static bool is_decimal(uint32_t c) {
    for (size_t i = 0; i < sizeof decimals / sizeof *decimals && decimals[i] <= c; i++)
        if (c - decimals[i] < 10)
            return true;
    return false;
}

static bool is_word(const struct unicode *u, uint32_t c, bool in_set) {
    bool fraction = !in_set && (c == 0xb2 || c == 0xb3 || c == 0xb9 || (c >= 0xbc && c <= 0xbe));
    return fraction || ((unicode_flags(u, c) & UNI_WORD) && c != 0x200c && c != 0x200d);
}

static bool in_ranges(const struct matcher *m, const struct regex_node *node, uint32_t c) {
    for (size_t i = 0; i < node->range_count; i++) {
        const struct regex_range *r = &m->regex->ranges[node->range + i];
        bool hit = !r->flag                    ? c >= r->first && c <= r->last
                   : r->flag == REGEX_DECIMAL  ? is_decimal(c)
                   : r->flag == REGEX_WORD     ? is_word(m->unicode, c, false)
                   : r->flag == REGEX_SET_WORD ? is_word(m->unicode, c, true)
                                               : (unicode_flags(m->unicode, c) & r->flag) != 0;
        if (hit != r->outside)
            return true;
    }
    return false;
}

/* Where case does not matter U+017F is an s as well, U+212A a k. */
static bool in_set(const struct matcher *m, const struct regex_node *node, uint32_t c) {
    if (!*m->tries)
        return false;
    --*m->tries;
    bool hit = in_ranges(m, node, c);
    if (!hit && node->fold) {
        uint32_t small = c == 0x17f ? 's' : c == 0x212a ? 'k' : c | 0x20;
        if (small >= 'a' && small <= 'z')
            hit = in_ranges(m, node, small) || in_ranges(m, node, small - 0x20) ||
                  (small == 's' && in_ranges(m, node, 0x17f)) || (small == 'k' && in_ranges(m, node, 0x212a));
    }
    return hit != node->negated;
}

static size_t match_from(const struct matcher *m, uint16_t at_node, size_t at);

static size_t match_set(const struct matcher *m, const struct regex_node *node, size_t at) {
    size_t most = m->count - at < node->max ? m->count - at : node->max, n = 0;
    size_t want = node->lazy ? node->min : most;
    while (n < want && n < most && in_set(m, node, m->c[at + n]))
        n++;
    if (n < node->min)
        return NO_MATCH;
    if (node->possessive)
        return match_from(m, node->next, at + n);
    for (;;) {
        size_t end = match_from(m, node->next, at + n);
        if (end != NO_MATCH || (!node->lazy && n == node->min) || !*m->tries)
            return end;
        if (!node->lazy)
            n--;
        else if (n == most || !in_set(m, node, m->c[at + n++]))
            return NO_MATCH;
    }
}

static size_t match_from(const struct matcher *m, uint16_t at_node, size_t at) {
    for (;;) {
        const struct regex_node *node = &m->regex->nodes[at_node];
        size_t end;
        switch (node->kind) {
        case REGEX_SET:
            if (node->min != 1 || node->max != 1)
                return match_set(m, node, at);
            if (at == m->count || !in_set(m, node, m->c[at]))
                return NO_MATCH;
            at++;
            at_node = node->next;
            break;
        case REGEX_BRANCH:
            end = match_from(m, node->first, at);
            if (end != NO_MATCH)
                return end;
            at_node = node->other;
            if (at_node == REGEX_NONE)
                return NO_MATCH;
            break;
        case REGEX_LOOK:
            if ((match_from(m, node->first, at) != NO_MATCH) == node->negated)
                return NO_MATCH;
            at_node = node->next;
            break;
        case REGEX_JOIN:
            at_node = node->next;
            break;
        case REGEX_END:
            return at;
        }
    }
}

size_t text_regex_match(const struct text_regex *regex, const struct unicode *unicode, const uint32_t *c,
                        size_t at, size_t count, uint64_t *tries) {
    struct matcher m = {.regex = regex, .unicode = unicode, .c = c, .count = count, .tries = tries};
    size_t end = match_from(&m, regex->start, at);
    return end == NO_MATCH || !*tries ? at : end;
}
