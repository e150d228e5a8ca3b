/* text_bpe.c: byte pair encoding: of all neighbours the pair whose merge was learned first is merged, the
 * leftmost of equals, until none is left. Short words look at all their pairs each time; long ones keep a
 * heap, so that a text without spaces does not cost its length squared. */
#include <string.h>

#include "transforms/text/text_tokenizer.h"

#define SHORT_WORD 24

static void add_symbol(struct text_run *run, size_t *n, int32_t id) {
    struct text_symbol *s = &run->room.symbols[*n];
    *s = (struct text_symbol){.id = id, .prev = (int32_t)*n - 1, .next = (int32_t)*n + 1};
    ++*n;
}

/* One character of a model that is not of bytes: its own token, or its bytes', or the unknown one. */
static void add_character(struct text_run *run, const char *text, size_t nbytes, bool first, bool last,
                          size_t *n, bool *after_unk) {
    const struct text_model *m = &run->t->model;
    char key[128];
    size_t have = 0;
    if (!first) {
        memcpy(key, m->prefix, m->prefix_nbytes);
        have = m->prefix_nbytes;
    }
    memcpy(key + have, text, nbytes);
    have += nbytes;
    if (last) {
        memcpy(key + have, m->suffix, m->suffix_nbytes);
        have += m->suffix_nbytes;
    }
    int32_t id = vocab_get(&m->vocab, key, have);
    bool was_unk = *after_unk;
    *after_unk = false;
    if (id >= 0) {
        add_symbol(run, n, id);
        return;
    }
    bool all = m->byte_fallback;
    for (size_t i = 0; all && i < have; i++)
        all = m->bytes[(unsigned char)key[i]] >= 0;
    for (size_t i = 0; all && i < have; i++)
        add_symbol(run, n, m->bytes[(unsigned char)key[i]]);
    if (all || m->unk == TEXT_NONE)
        return;
    if (!(was_unk && m->fuse_unk))
        add_symbol(run, n, m->unk);
    *after_unk = true;
}

/* The word as the symbols it begins with; SIZE_MAX without room. */
static size_t begin_word(struct text_run *run, const uint32_t *c, size_t count) {
    const struct text_model *m = &run->t->model;
    size_t n = 0;
    bool after_unk = false;
    for (size_t i = 0; i < count; i++) {
        char bytes[4];
        unsigned nbytes = text_utf8_write(bytes, c[i]);
        if (n + 4 + m->suffix_nbytes + m->prefix_nbytes > run->room.cap)
            return SIZE_MAX;
        if (!m->byte_level) {
            add_character(run, bytes, nbytes, i == 0, i + 1 == count, &n, &after_unk);
            continue;
        }
        for (unsigned b = 0; b < nbytes; b++) {
            bool last = i + 1 == count && b + 1 == nbytes;
            int32_t id = (last ? m->last_bytes : m->bytes)[(unsigned char)bytes[b]];
            bool unknown = id < 0;
            if (unknown && (m->unk == TEXT_NONE || (after_unk && m->fuse_unk)))
                continue;
            add_symbol(run, &n, unknown ? m->unk : id);
            after_unk = unknown;
        }
    }
    if (n)
        run->room.symbols[n - 1].next = -1;
    return n;
}

static void join(struct text_symbol *s, int32_t at, int32_t id) {
    int32_t gone = s[at].next;
    s[at].id = id;
    s[at].next = s[gone].next;
    if (s[at].next >= 0)
        s[s[at].next].prev = at;
    s[gone].id = -1;
}

static void merge_short(struct text_run *run) {
    const struct merges *merges = &run->t->model.merges;
    struct text_symbol *s = run->room.symbols;
    for (;;) {
        const struct merge *best = NULL;
        int32_t where = 0;
        for (int32_t at = 0; s[at].next >= 0; at = s[at].next) {
            const struct merge *m = merges_find(merges, s[at].id, s[s[at].next].id);
            if (m && (!best || m->rank < best->rank)) {
                best = m;
                where = at;
            }
        }
        if (!best)
            return;
        join(s, where, best->id);
    }
}

/* --- long words --- */

static bool comes_first(const struct text_candidate *a, const struct text_candidate *b) {
    return a->rank < b->rank || (a->rank == b->rank && a->at < b->at);
}

static void heap_push(struct text_candidate *heap, size_t *size, struct text_candidate x) {
    size_t at = (*size)++;
    while (at > 0 && comes_first(&x, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = x;
}

static struct text_candidate heap_pop(struct text_candidate *heap, size_t *size) {
    struct text_candidate top = heap[0], x = heap[--*size];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= *size)
            break;
        if (child + 1 < *size && comes_first(&heap[child + 1], &heap[child]))
            child++;
        if (!comes_first(&heap[child], &x))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = x;
    return top;
}

static void consider(struct text_run *run, int32_t at, size_t *size) {
    const struct text_symbol *s = run->room.symbols;
    if (at < 0 || s[at].next < 0)
        return;
    int32_t right = s[s[at].next].id;
    const struct merge *m = merges_find(&run->t->model.merges, s[at].id, right);
    if (m)
        heap_push(run->room.heap, size,
                  (struct text_candidate){
                      .rank = m->rank, .at = at, .left = s[at].id, .right = right, .id = m->id});
}

static void merge_long(struct text_run *run, size_t n) {
    struct text_symbol *s = run->room.symbols;
    size_t size = 0;
    for (size_t i = 0; i + 1 < n; i++)
        consider(run, (int32_t)i, &size);
    while (size) { /* n - 1 at first, and each of at most n - 1 merges adds two: room for 3 n */
        struct text_candidate x = heap_pop(run->room.heap, &size);
        if (s[x.at].id != x.left || s[x.at].next < 0 || s[s[x.at].next].id != x.right)
            continue; /* one of the two was merged meanwhile */
        join(s, x.at, x.id);
        consider(run, s[x.at].prev, &size);
        consider(run, x.at, &size);
    }
}

/* The whole word, as the vocabulary writes it. */
static int32_t whole_word(const struct text_run *run, const uint32_t *c, size_t count) {
    const struct text_model *m = &run->t->model;
    char word[512];
    size_t n = 0;
    if (count > 120)
        return -1;
    for (size_t i = 0; i < count; i++) {
        char bytes[4];
        unsigned nbytes = text_utf8_write(bytes, c[i]);
        for (unsigned b = 0; m->byte_level && b < nbytes; b++) {
            if (n + 2 > sizeof word)
                return -1;
            n += text_utf8_write(word + n, text_byte_letter((unsigned char)bytes[b]));
        }
        if (m->byte_level)
            continue;
        memcpy(word + n, bytes, nbytes);
        n += nbytes;
    }
    return vocab_get(&m->vocab, word, n);
}

uint32_t text_byte_letter(unsigned char byte) {
    bool itself = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    if (itself)
        return byte;
    /* The others, in order, are the letters from U+0100 on. */
    return 0x100u + (byte <= 0x20 ? byte : byte < 0xad ? byte - 0x7fu + 0x21u : 0x43u);
}

void text_bpe(struct text_run *run, const uint32_t *c, size_t count) {
    const struct text_model *m = &run->t->model;
    if (m->ignore_merges) {
        int32_t id = whole_word(run, c, count);
        if (id >= 0) {
            text_put(run, id);
            return;
        }
    }
    size_t n = begin_word(run, c, count);
    if (n == SIZE_MAX) {
        run->overflow = run->done = true;
        return;
    }
    if (n == 0)
        return;
    if (n <= SHORT_WORD)
        merge_short(run);
    else
        merge_long(run, n);
    for (int32_t at = 0; at >= 0 && !run->done; at = run->room.symbols[at].next)
        text_put(run, run->room.symbols[at].id);
}
