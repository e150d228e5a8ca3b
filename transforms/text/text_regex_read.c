/* text_regex_read.c: a regular expression as nodes; one that is not wholly understood is none. */
#include <string.h>

#include "transforms/text/text_regex_node.h"
#include "transforms/text/text_tokenizer.h"

#define MOST_DEPTH 8
#define MOST_CHARS 512 /* how deep a match goes is bounded by them */

struct reader {
    struct text_regex *regex;
    const uint32_t *p, *end;
    size_t cap;
    bool bad, fold;
    unsigned depth;
};

/* Part of the expression: how it is entered, its last node, the fewest characters it takes. */
struct part {
    uint16_t in, out;
    uint32_t least;
};

static uint16_t add_node(struct reader *r, enum regex_kind kind) {
    struct text_regex *regex = r->regex;
    if (regex->node_count == r->cap) {
        r->bad = true;
        return 0;
    }
    regex->nodes[regex->node_count] = (struct regex_node){
        .kind = kind, .next = REGEX_NONE, .first = REGEX_NONE, .other = REGEX_NONE, .min = 1, .max = 1};
    return regex->node_count++;
}

static void add_range(struct reader *r, struct regex_node *set, struct regex_range range) {
    if (r->regex->range_count == r->cap) {
        r->bad = true;
        return;
    }
    r->regex->ranges[r->regex->range_count++] = range;
    set->range_count++;
}

static bool take(struct reader *r, const char *text) {
    size_t n = strlen(text);
    if ((size_t)(r->end - r->p) < n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (r->p[i] != (unsigned char)text[i])
            return false;
    r->p += n;
    return true;
}

/* What is behind a backslash: a class, or the character itself (0 and bad when neither). */
static struct regex_range read_escape(struct reader *r) {
    static const struct {
        const char *name;
        unsigned flag;
        bool outside;
    } classes[] = {{"s", UNI_SPACE, false},     {"S", UNI_SPACE, true},         {"d", REGEX_DECIMAL, false},
                   {"D", REGEX_DECIMAL, true},  {"w", REGEX_WORD, false},       {"W", REGEX_WORD, true},
                   {"p{L}", UNI_LETTER, false}, {"P{L}", UNI_LETTER, true},     {"p{N}", UNI_NUMBER, false},
                   {"P{N}", UNI_NUMBER, true},  {"p{Nd}", REGEX_DECIMAL, false}};
    static const char letters[][2] = {{'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'f', '\f'}, {'v', '\v'}};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (take(r, classes[i].name))
            return (struct regex_range){.flag = classes[i].flag, .outside = classes[i].outside};
    uint32_t c = r->p < r->end ? *r->p++ : 0;
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (c == (unsigned char)letters[i][0])
            return (struct regex_range){.first = (unsigned char)letters[i][1],
                                        .last = (unsigned char)letters[i][1]};
    r->bad = r->bad || c == 0 || c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
             (c >= 'a' && c <= 'z');
    return (struct regex_range){.first = c, .last = c};
}

/* A set behind its '['; one inside it that is not negated adds to it. */
static void read_set(struct reader *r, struct regex_node *set, bool inner) {
    if (take(r, "^")) {
        r->bad = r->bad || inner;
        set->negated = true;
    }
    r->bad = r->bad || take(r, "]") || ++r->depth > MOST_DEPTH;
    while (!r->bad && !take(r, "]")) {
        if (take(r, "[")) {
            r->bad = take(r, ":");
            if (!r->bad)
                read_set(r, set, true);
            continue;
        }
        if (r->p == r->end || take(r, "&&")) {
            r->bad = true;
            break;
        }
        struct regex_range range = {.first = *r->p, .last = *r->p};
        r->p++;
        if (range.first == '\\')
            range = read_escape(r);
        if (range.flag == REGEX_WORD)
            range.flag = REGEX_SET_WORD;
        if (r->end - r->p >= 2 && r->p[0] == '-' && r->p[1] != ']') {
            r->p++;
            struct regex_range to = {.first = *r->p, .last = *r->p};
            r->p++;
            if (to.first == '\\')
                to = read_escape(r);
            r->bad = r->bad || range.flag || to.flag || to.first == '[' || to.first < range.first;
            range.last = to.last;
        }
        r->bad = r->bad || (r->fold && !range.flag && range.last >= 0x80);
        add_range(r, set, range);
    }
    r->depth--;
}

static uint32_t read_number(struct reader *r) {
    uint32_t n = 0;
    const uint32_t *begin = r->p;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9' && n < 10000)
        n = n * 10 + (*r->p++ - '0');
    r->bad = r->bad || begin == r->p;
    return n;
}

/* How often: true when anything is said. */
static bool read_repeat(struct reader *r, uint32_t *min, uint32_t *max, bool *lazy, bool *possessive) {
    bool braces = false;
    *min = *max = 1;
    if (take(r, "?")) {
        *min = 0;
    } else if (take(r, "*")) {
        *min = 0, *max = UINT32_MAX;
    } else if (take(r, "+")) {
        *max = UINT32_MAX;
    } else if (take(r, "{")) {
        braces = true;
        *min = *max = read_number(r);
        if (take(r, ","))
            *max = r->p < r->end && *r->p == '}' ? UINT32_MAX : read_number(r);
        r->bad = r->bad || !take(r, "}") || *max < *min || *max == 0;
    } else {
        return false;
    }
    *lazy = take(r, "?");
    *possessive = !*lazy && take(r, "+");
    r->bad = r->bad || (braces && (*lazy || *possessive)) ||
             (r->p < r->end && (*r->p == '*' || *r->p == '+' || *r->p == '?' || *r->p == '{'));
    return true;
}

static struct part read_choice(struct reader *r);

static struct part read_group(struct reader *r) {
    bool look = false, negated = false, fold = r->fold, lazy, possessive;
    uint32_t min, max;
    if (take(r, "?=") || take(r, "?!")) {
        look = true;
        negated = r->p[-1] == '!';
    } else if (take(r, "?i:")) {
        r->fold = true;
    } else if (!take(r, "?:")) {
        r->bad = r->bad || take(r, "?");
    }
    struct part part = read_choice(r);
    r->bad = r->bad || !take(r, ")");
    r->fold = fold;
    if (r->bad)
        return part;
    if (look) {
        uint16_t end = add_node(r, REGEX_END), node = add_node(r, REGEX_LOOK);
        r->regex->nodes[part.out].next = end;
        r->regex->nodes[node].first = part.in;
        r->regex->nodes[node].negated = negated;
        r->bad = r->bad || part.least == 0;
        return (struct part){node, node, 0};
    }
    if (read_repeat(r, &min, &max, &lazy, &possessive)) {
        uint16_t branch = add_node(r, REGEX_BRANCH);
        r->bad = r->bad || min != 0 || max != 1 || lazy || possessive || part.least == 0;
        r->regex->nodes[branch].first = part.in;
        r->regex->nodes[branch].other = part.out;
        part = (struct part){branch, part.out, 0};
    }
    return part;
}

static struct part read_one(struct reader *r) {
    uint32_t c = *r->p++;
    if (c == '(')
        return read_group(r);
    uint16_t at = add_node(r, REGEX_SET);
    struct regex_node *set = &r->regex->nodes[at];
    set->range = r->regex->range_count;
    set->fold = r->fold;
    r->bad = r->bad || (c < 0x80 && c && strchr("*+?{^$", (int)c)) || (r->fold && c >= 0x80);
    if (c == '[') {
        read_set(r, set, false);
    } else if (c == '.') {
        set->negated = true;
        add_range(r, set, (struct regex_range){.first = '\n', .last = '\n'});
    } else {
        add_range(r, set, c == '\\' ? read_escape(r) : (struct regex_range){.first = c, .last = c});
    }
    read_repeat(r, &set->min, &set->max, &set->lazy, &set->possessive);
    return (struct part){at, at, set->min};
}

/* Pairs of letters that are one letter somewhere, which matches them where case does not matter. */
static bool is_ligature(const struct text_regex *regex, uint16_t a, uint16_t b) {
    const struct regex_node *one = &regex->nodes[a], *two = &regex->nodes[b];
    if (one->kind != REGEX_SET || two->kind != REGEX_SET || !one->fold || !two->fold)
        return false;
    uint32_t first = regex->ranges[one->range].first | 0x20, second = regex->ranges[two->range].first | 0x20;
    return one->range_count && two->range_count && (first == 's' || first == 'f') &&
           strchr("stfil", (int)(second & 0x7f));
}

static struct part read_sequence(struct reader *r) {
    struct part all = {REGEX_NONE, REGEX_NONE, 0};
    while (!r->bad && r->p < r->end && *r->p != '|' && *r->p != ')') {
        struct part one = read_one(r);
        if (r->bad)
            return all;
        r->bad = all.out != REGEX_NONE && is_ligature(r->regex, all.out, one.in);
        if (all.out == REGEX_NONE)
            all.in = one.in;
        else
            r->regex->nodes[all.out].next = one.in;
        all.out = one.out;
        all.least = all.least + one.least < all.least ? UINT32_MAX : all.least + one.least;
    }
    r->bad = r->bad || all.out == REGEX_NONE;
    return all;
}

static struct part read_choice(struct reader *r) {
    uint16_t join = add_node(r, REGEX_JOIN), last = REGEX_NONE;
    struct part all = {REGEX_NONE, join, UINT32_MAX};
    r->bad = r->bad || ++r->depth > MOST_DEPTH;
    do {
        uint16_t branch = add_node(r, REGEX_BRANCH);
        struct part one = read_sequence(r);
        if (r->bad)
            return all;
        r->regex->nodes[branch].first = one.in;
        r->regex->nodes[one.out].next = join;
        if (last == REGEX_NONE)
            all.in = branch;
        else
            r->regex->nodes[last].other = branch;
        last = branch;
        all.least = one.least < all.least ? one.least : all.least;
    } while (take(r, "|"));
    r->depth--;
    return all;
}

const struct text_regex *text_regex_read(struct text_tokenizer *t, const uint32_t *pattern, size_t count) {
    size_t cap = 4 * count + 8;
    struct text_regex *regex = text_keep(t, 1, sizeof *regex);
    if (!regex || count > MOST_CHARS)
        return NULL;
    *regex = (struct text_regex){.nodes = text_keep(t, cap, sizeof *regex->nodes),
                                 .ranges = text_keep(t, cap, sizeof *regex->ranges)};
    struct reader r = {.regex = regex, .p = pattern, .end = pattern + count, .cap = cap};
    if (!regex->nodes || !regex->ranges)
        return NULL;
    struct part all = read_choice(&r);
    uint16_t end = add_node(&r, REGEX_END);
    if (r.bad || r.p != r.end || all.least == 0)
        return NULL;
    regex->nodes[all.out].next = end;
    regex->start = all.in;
    return regex;
}
