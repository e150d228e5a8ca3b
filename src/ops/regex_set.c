/* regex_set.c: sets of characters in a pattern: a character, an escape, a class, [...]. */
#include <string.h>

#include "ops/regex_parse.h"
#include "ops/utf8.h"

#define MOST_SETS 4000

bool regex_set_has(const struct regex_set *set, uint32_t c) {
    if (c < 128)
        return set->ascii[c / 64] >> (c % 64) & 1;
    for (size_t i = 0; i < set->count; i++)
        if (c >= set->low[i] && c <= set->high[i])
            return !set->inverted;
    return set->inverted;
}

static bool add_range(struct regex_compiler *c, struct regex_set *set, uint32_t low, uint32_t high) {
    if (low > high)
        return regex_fail(c, "a range goes backwards");
    if (set->count == REGEX_RANGES)
        return regex_fail(c, "a set has too many ranges");
    set->low[set->count] = low;
    set->high[set->count++] = high;
    return true;
}

/* The two letters that differ by case only: ASCII, which is what exporters write. */
static bool fold_set(struct regex_compiler *c, struct regex_set *set) {
    for (size_t i = 0, n = set->count; i < n; i++)
        for (uint32_t x = 'A'; x <= 'Z'; x++) {
            bool upper = x >= set->low[i] && x <= set->high[i];
            bool lower = x + 32 >= set->low[i] && x + 32 <= set->high[i];
            if (upper != lower && !add_range(c, set, upper ? x + 32 : x, upper ? x + 32 : x))
                return false;
        }
    return true;
}

bool regex_emit_set(struct regex_compiler *c, struct regex_set *set) {
    if (c->fold && !fold_set(c, set))
        return false;
    for (uint32_t x = 0; x < 128; x++) {
        bool hit = false;
        for (size_t i = 0; i < set->count && !hit; i++)
            hit = x >= set->low[i] && x <= set->high[i];
        if (hit != set->inverted)
            set->ascii[x / 64] |= (uint64_t)1 << (x % 64);
    }
    size_t i = 0;
    while (i < c->set_count && memcmp(&c->sets[i], set, sizeof *set) != 0)
        i++;
    if (i == MOST_SETS)
        return regex_fail(c, "it has too many sets of characters");
    if (i == c->set_count) {
        if (c->set_count == c->set_cap) {
            size_t cap = c->set_cap * 2 + 8;
            struct regex_set *sets = arena_alloc(c->arena, cap, sizeof *sets);
            if (!sets)
                return regex_fail(c, "out of memory");
            if (c->set_count)
                memcpy(sets, c->sets, c->set_count * sizeof *sets);
            c->sets = sets;
            c->set_cap = cap;
        }
        c->sets[c->set_count++] = *set;
    }
    return regex_emit(c, REGEX_SET, (int32_t)i, 0);
}

/* A set's name after a backslash or between [: and :]; adds what it holds, or what it does not. */
bool regex_add_named(struct regex_compiler *c, struct regex_set *set, const char *pairs, bool inverted) {
    uint32_t from = 0;
    for (const char *p = pairs; *p; p += 2) {
        uint32_t low = (unsigned char)p[0], high = (unsigned char)p[1];
        if (!inverted && !add_range(c, set, low, high))
            return false;
        if (inverted && low > from && !add_range(c, set, from, low - 1))
            return false;
        from = high + 1;
    }
    return !inverted || add_range(c, set, from, 0x10ffff);
}

/* \d \s \w and their opposites; pairs ascend. */
const char *regex_class(char name) {
    switch (name) {
    case 'd':
    case 'D':
        return "09";
    case 's':
    case 'S':
        return "\t\n\f\r  ";
    case 'w':
    case 'W':
        return "09AZ__az";
    default:
        return NULL;
    }
}

static bool take_hex(struct regex_compiler *c, uint32_t *x) {
    bool braces = regex_take(c, "{");
    size_t digits = 0;
    *x = 0;
    for (; !regex_at_end(c) && digits < (braces ? 6u : 2u); c->at++, digits++) {
        char d = c->pattern.data[c->at];
        int value = d >= '0' && d <= '9'   ? d - '0'
                    : d >= 'a' && d <= 'f' ? d - 'a' + 10
                    : d >= 'A' && d <= 'F' ? d - 'A' + 10
                                           : -1;
        if (value < 0)
            break;
        *x = *x * 16 + (uint32_t)value;
    }
    if (!digits || (!braces && digits != 2) || (braces && !regex_take(c, "}")) || *x > 0x10ffff)
        return regex_fail(c, "a \\x is no character");
    return true;
}

/* A character as it stands, or after a backslash that was taken. */
bool regex_take_char(struct regex_compiler *c, bool escaped, uint32_t *x) {
    static const char names[] = "ntrfva", values[] = "\n\t\r\f\v\a";
    size_t used;
    if (regex_at_end(c))
        return regex_fail(c, "it ends too early");
    *x = utf8_read(c->pattern.data + c->at, c->pattern.nbytes - c->at, &used);
    if (*x == UTF8_BAD)
        return regex_fail(c, "it is not UTF-8");
    c->at += used;
    if (!escaped)
        return true;
    if (*x == 'x')
        return take_hex(c, x);
    const char *hit = *x && *x < 128 ? strchr(names, (int)*x) : NULL;
    if (hit)
        *x = (uint32_t)values[hit - names];
    else if ((*x >= '0' && *x <= '9') || (*x >= 'a' && *x <= 'z') || (*x >= 'A' && *x <= 'Z'))
        return regex_fail(c, "an escape is not known here");
    return true;
}

static bool take_posix(struct regex_compiler *c, struct regex_set *set) {
    static const struct {
        const char *name, *pairs;
    } classes[] = {{"alnum", "09AZaz"},
                   {"alpha", "AZaz"},
                   {"digit", "09"},
                   {"lower", "az"},
                   {"upper", "AZ"},
                   {"space", "\t\r  "},
                   {"blank", "\t\t  "},
                   {"punct", "!/:@[`{~"},
                   {"word", "09AZ__az"},
                   {"xdigit", "09AFaf"},
                   {"print", " ~"},
                   {"graph", "!~"},
                   {"cntrl", "\x01\x1f\x7f\x7f"},
                   {"ascii", "\x01\x7f"}};
    bool inverted = regex_take(c, "^");
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        size_t before = c->at;
        if (regex_take(c, classes[i].name) && regex_take(c, ":]"))
            return regex_add_named(c, set, classes[i].pairs, inverted);
        c->at = before;
    }
    return regex_fail(c, "a [:name:] is not known");
}

/* One element of [...]: a named set, a character, or a range. */
static bool take_element(struct regex_compiler *c, struct regex_set *set) {
    uint32_t low, high;
    if (regex_take(c, "[:"))
        return take_posix(c, set);
    bool escaped = regex_take(c, "\\");
    if (escaped && !regex_at_end(c) && regex_class(c->pattern.data[c->at])) {
        char name = c->pattern.data[c->at++];
        return regex_add_named(c, set, regex_class(name), name < 'a');
    }
    if (!regex_take_char(c, escaped, &low))
        return false;
    high = low;
    if (regex_next_is(c, '-') && c->at + 1 < c->pattern.nbytes && c->pattern.data[c->at + 1] != ']') {
        c->at++;
        if (!regex_take_char(c, regex_take(c, "\\"), &high))
            return false;
    }
    return add_range(c, set, low, high);
}

bool regex_take_set(struct regex_compiler *c) {
    struct regex_set set;
    memset(&set, 0, sizeof set); /* padding too: sets are compared as bytes */
    set.inverted = regex_take(c, "^");
    for (bool first = true; first || !regex_next_is(c, ']'); first = false) {
        if (regex_at_end(c))
            return regex_fail(c, "a [ is not closed");
        if (!take_element(c, &set))
            return false;
    }
    c->at++;
    return regex_emit_set(c, &set);
}

bool regex_emit_char(struct regex_compiler *c, uint32_t low, uint32_t high, bool inverted) {
    struct regex_set set;
    memset(&set, 0, sizeof set);
    set.inverted = inverted;
    return add_range(c, &set, low, high) && regex_emit_set(c, &set);
}
