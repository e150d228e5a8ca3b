/* text_normalize.c: the normalizer's steps over code points. Each reads one buffer and writes the other. */
#include <string.h>

#include "transforms/text/text_charsmap.h"

struct target {
    uint32_t *c;
    size_t count, cap;
};

static inline bool put(struct target *to, uint32_t c) {
    if (to->count == to->cap)
        return false;
    to->c[to->count++] = c;
    return true;
}

static inline bool put_lower(struct target *to, const struct unicode *u, uint32_t c) {
    return put(to, unicode_lower(u, c)) && (c != 0x130 || put(to, 0x307));
}

/* BertNormalizer where the order of marks plays no part: one pass. *fits is false without room. Returns false
 * at a mark that is kept and may have to move: then the text is done step by step. */
static bool bert_pass(const struct text_norm *norm, const struct unicode *u, const uint32_t *c, size_t count,
                      struct target *to, bool *fits) {
    for (size_t i = 0; i < count; i++) {
        uint32_t x = c[i];
        unsigned flags = unicode_flags(u, x);
        if (x - 0x21 < 0x5e) { /* printable ASCII */
            if (!(*fits = put(to, norm->lower ? unicode_lower(u, x) : x)))
                return true;
            continue;
        }
        if (norm->clean && (flags & (UNI_CONTROL | UNI_SPACE))) {
            if (!(flags & UNI_CONTROL) && !(*fits = put(to, ' ')))
                return true;
            continue;
        }
        bool cjk = norm->cjk && x >= 0x3400 && unicode_is_cjk(x);
        if (cjk && !(*fits = put(to, ' ')))
            return true;
        if (norm->accents && (flags & UNI_NORMAL)) {
            uint32_t parts[24];
            size_t n = unicode_normalize(u, &x, 1, false, false, parts, 24);
            for (size_t k = 0; k < n && n != SIZE_MAX; k++) {
                unsigned part = unicode_flags(u, parts[k]);
                if (part & UNI_NONSPACING)
                    continue;
                if ((part & UNI_NORMAL) && unicode_class(u, parts[k]))
                    return false;
                if (!(*fits = norm->lower ? put_lower(to, u, parts[k]) : put(to, parts[k])))
                    return true;
            }
        } else if (norm->accents && (flags & UNI_NONSPACING)) {
            continue;
        } else if (!(*fits = norm->lower ? put_lower(to, u, x) : put(to, x))) {
            return true;
        }
        if (cjk && !(*fits = put(to, ' ')))
            return true;
    }
    return true;
}

/* The same in the order of the definition, for the rare text with marks that are no accents. */
static bool bert_slowly(const struct text_norm *norm, struct text_run *run, const uint32_t *c, size_t count,
                        struct target *to) {
    const struct unicode *u = &run->t->unicode;
    struct target first = {.c = to->c, .cap = to->cap};
    for (size_t i = 0; i < count; i++) {
        unsigned flags = unicode_flags(u, c[i]);
        bool cjk = norm->cjk && unicode_is_cjk(c[i]);
        if (norm->clean && (flags & UNI_CONTROL))
            continue;
        uint32_t x = norm->clean && (flags & UNI_SPACE) ? ' ' : c[i];
        if ((cjk && !put(&first, ' ')) || !put(&first, x) || (cjk && !put(&first, ' ')))
            return false;
    }
    uint32_t *other = to->c == run->room.a ? run->room.b : run->room.a;
    size_t n = unicode_normalize(u, first.c, first.count, false, false, other, to->cap);
    if (n == SIZE_MAX)
        return false;
    to->count = 0;
    for (size_t i = 0; i < n; i++) {
        if (unicode_flags(u, other[i]) & UNI_NONSPACING)
            continue;
        if (!(norm->lower ? put_lower(to, u, other[i]) : put(to, other[i])))
            return false;
    }
    return true;
}

static bool bert(const struct text_norm *norm, struct text_run *run, const uint32_t *c, size_t count,
                 struct target *to) {
    bool fits = true;
    if (bert_pass(norm, &run->t->unicode, c, count, to, &fits))
        return fits;
    to->count = 0;
    return bert_slowly(norm, run, c, count, to);
}

static bool replace(const struct text_norm *norm, const struct unicode *u, const uint32_t *c, size_t count,
                    struct target *to) {
    size_t n = norm->from_count;
    for (size_t i = 0; i < count;) {
        size_t end = i;
        if (norm->kind == NORM_REPLACE_RUN) {
            while (end < count && c[end] == norm->from[0])
                end++;
            end = end - i >= 2 ? end : i;
        } else if (norm->kind == NORM_REPLACE_SPACES) {
            while (end < count && (unicode_flags(u, c[end]) & UNI_SPACE))
                end++;
        } else if (count - i >= n && memcmp(c + i, norm->from, n * sizeof *c) == 0) {
            end = i + n;
        }
        if (end == i) {
            if (!put(to, c[i++]))
                return false;
            continue;
        }
        for (size_t k = 0; k < norm->to_count; k++)
            if (!put(to, norm->to[k]))
                return false;
        i = end;
    }
    return true;
}

static bool step(const struct text_norm *norm, struct text_run *run, const uint32_t *c, size_t count,
                 struct target *to) {
    const struct unicode *u = &run->t->unicode;
    size_t begin = 0, end = count;
    switch (norm->kind) {
    case NORM_BERT:
        return bert(norm, run, c, count, to);
    case NORM_LOWERCASE:
        for (size_t i = 0; i < count; i++)
            if (!put_lower(to, u, c[i]))
                return false;
        return true;
    case NORM_FORM:
        to->count = unicode_normalize(u, c, count, norm->compat, norm->compose, to->c, to->cap);
        return to->count != SIZE_MAX;
    case NORM_STRIP_ACCENTS:
        for (size_t i = 0; i < count; i++)
            if (!(unicode_flags(u, c[i]) & UNI_MARK) && !put(to, c[i]))
                return false;
        return true;
    case NORM_STRIP:
        while (norm->left && begin < end && (unicode_flags(u, c[begin]) & UNI_SPACE))
            begin++;
        while (norm->right && end > begin && (unicode_flags(u, c[end - 1]) & UNI_SPACE))
            end--;
        memcpy(to->c, c + begin, (end - begin) * sizeof *c);
        to->count = end - begin;
        return true;
    case NORM_REPLACE:
    case NORM_REPLACE_RUN:
    case NORM_REPLACE_SPACES:
        return replace(norm, u, c, count, to);
    case NORM_PREPEND:
        if (count == 0)
            return true;
        if (count + norm->to_count > to->cap)
            return false;
        memcpy(to->c, norm->to, norm->to_count * sizeof *c);
        memcpy(to->c + norm->to_count, c, count * sizeof *c);
        to->count = norm->to_count + count;
        return true;
    case NORM_CHARSMAP:
        to->count = text_charsmap(norm, run, c, count, to->c, to->cap);
        return to->count != SIZE_MAX;
    }
    return false;
}

/* Whether the step takes the text's beginning away. A match of several characters counts as that: the library
 * says of what replaces it that it stands where the last of them stood. */
static bool loses_start(const struct text_norm *norm, const struct unicode *u, const uint32_t *c,
                        size_t count) {
    unsigned flags = count ? unicode_flags(u, c[0]) : 0, next = count > 1 ? unicode_flags(u, c[1]) : 0;
    switch (norm->kind) {
    case NORM_BERT:
        return (norm->clean && (flags & UNI_CONTROL)) || (norm->accents && (flags & UNI_NONSPACING));
    case NORM_STRIP_ACCENTS:
        return flags & UNI_MARK;
    case NORM_STRIP:
        return norm->left && (flags & UNI_SPACE);
    case NORM_REPLACE:
        return (norm->from_count > 1 || !norm->to_count) && count >= norm->from_count &&
               memcmp(c, norm->from, norm->from_count * sizeof *c) == 0;
    case NORM_REPLACE_RUN:
        return count > 1 && c[0] == norm->from[0] && c[1] == norm->from[0];
    case NORM_REPLACE_SPACES:
        return (flags & UNI_SPACE) && ((next & UNI_SPACE) || !norm->to_count);
    case NORM_LOWERCASE:
    case NORM_FORM:
    case NORM_PREPEND:
    case NORM_CHARSMAP:
        break;
    }
    return false;
}

bool text_normalize(struct text_run *run, uint32_t **at, size_t *count) {
    const struct text_tokenizer *t = run->t;
    run->lost_start = false;
    for (size_t i = 0; i < t->norm_count; i++) {
        run->lost_start = run->lost_start || loses_start(&t->norms[i], &t->unicode, *at, *count);
        struct target to = {.c = *at == run->room.a ? run->room.b : run->room.a, .cap = run->room.cap};
        if (!step(&t->norms[i], run, *at, *count, &to))
            return false;
        *at = to.c;
        *count = to.count;
    }
    return true;
}
