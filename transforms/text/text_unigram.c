/* text_unigram.c: the pieces whose scores add up to the most (Viterbi over the places where a piece may end);
 * what no piece covers is unknown, and neighbours that are unknown are one. */
#include <string.h>

#include "transforms/text/text_tokenizer.h"

static bool is_middle(const char *text, size_t at, size_t nbytes) {
    return at < nbytes && ((unsigned char)text[at] & 0xc0) == 0x80;
}

/* symbols[at]: the best way that ends at byte `at`: id and length of its last piece, its score. */
static void reach(struct text_symbol *ways, size_t from, size_t to, int32_t id, double score) {
    if (ways[to].id != TEXT_NONE && !(score > ways[to].score))
        return;
    ways[to] = (struct text_symbol){.id = id, .nbytes = (int32_t)(to - from), .score = score};
}

static void find_ways(const struct text_model *m, const char *text, size_t nbytes, struct text_symbol *ways) {
    for (size_t i = 0; i <= nbytes; i++)
        ways[i].id = TEXT_NONE;
    ways[0].score = 0.0;
    for (size_t at = 0; at < nbytes;) {
        size_t character = 1;
        while (is_middle(text, at + character, nbytes))
            character++;
        bool alone = false;
        uint32_t hash = TEXT_HASH_BEGIN;
        size_t most = nbytes - at < m->vocab.longest ? nbytes - at : m->vocab.longest;
        for (size_t n = 1; n <= most; n++) {
            hash = text_hash_add(hash, (unsigned char)text[at + n - 1]);
            if (is_middle(text, at + n, nbytes))
                continue;
            int32_t id = vocab_find(&m->vocab, text + at, n, hash);
            if (id < 0)
                continue;
            reach(ways, at, at + n, id, ways[at].score + m->scores[id]);
            alone = alone || n == character;
        }
        if (!alone)
            reach(ways, at, at + character, m->unk, ways[at].score + m->unk_score);
        at += character;
    }
}

/* An unknown stretch as its bytes, where all of them have a token. */
static bool put_bytes(struct text_run *run, const char *text, size_t nbytes) {
    const struct text_model *m = &run->t->model;
    for (size_t i = 0; i < nbytes; i++)
        if (!m->byte_fallback || m->bytes[(unsigned char)text[i]] < 0)
            return false;
    for (size_t i = 0; i < nbytes; i++)
        text_put(run, m->bytes[(unsigned char)text[i]]);
    return true;
}

void text_unigram(struct text_run *run, const uint32_t *c, size_t count) {
    const struct text_model *m = &run->t->model;
    struct text_symbol *ways = run->room.symbols;
    char *text = run->room.bytes;
    size_t nbytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (nbytes + 5 > run->room.cap) {
            run->overflow = run->done = true;
            return;
        }
        nbytes += text_utf8_write(text + nbytes, c[i]);
    }
    find_ways(m, text, nbytes, ways);
    for (size_t at = nbytes; at > 0; at -= (size_t)ways[at].nbytes) /* turned around: next is the way on */
        ways[at - (size_t)ways[at].nbytes].next = (int32_t)at;
    for (size_t at = 0; at < nbytes && !run->done;) {
        size_t end = (size_t)ways[at].next;
        int32_t id = ways[end].id;
        if (id == m->unk) /* a stretch, whatever made it unknown */
            while (end < nbytes && ways[ways[end].next].id == m->unk)
                end = (size_t)ways[end].next;
        if (id != m->unk || !put_bytes(run, text + at, end - at))
            text_put(run, id);
        at = end;
    }
}
