/* text_wordpiece.c: the longest piece that fits, again and again; a word that cannot be made of pieces is one
 * unknown token, and so is one of too many characters. */
#include "transforms/text/text_tokenizer.h"

#define MOST_BYTES 4096

/* The longest text of the vocabulary that begins at word[0]; its length in *nbytes. */
static int32_t longest_piece(const struct vocab *vocab, const char *word, size_t count, size_t *nbytes) {
    uint32_t hashes[MOST_BYTES];
    size_t most = count < vocab->longest ? count : vocab->longest;
    uint32_t hash = TEXT_HASH_BEGIN;
    for (size_t i = 0; i < most; i++)
        hashes[i] = hash = text_hash_add(hash, (unsigned char)word[i]);
    for (size_t n = most; n > 0; n--) {
        if (n < count && ((unsigned char)word[n] & 0xc0) == 0x80)
            continue; /* not in the middle of a character */
        int32_t id = vocab_find(vocab, word, n, hashes[n - 1]);
        if (id >= 0) {
            *nbytes = n;
            return id;
        }
    }
    return -1;
}

void text_wordpiece(struct text_run *run, const uint32_t *c, size_t count) {
    const struct text_model *m = &run->t->model;
    char word[MOST_BYTES];
    int32_t pieces[MOST_BYTES / 4];
    size_t nbytes = 0, made = 0;
    if (count > m->most_chars || count > MOST_BYTES / 4) {
        text_put(run, m->unk);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (c[i] < 0x80)
            word[nbytes++] = (char)c[i];
        else
            nbytes += text_utf8_write(word + nbytes, c[i]);
    }
    for (size_t at = 0, n = 0; at < nbytes; at += n) {
        int32_t id = longest_piece(at ? &m->rest : &m->vocab, word + at, nbytes - at, &n);
        if (id < 0) {
            text_put(run, m->unk);
            return;
        }
        pieces[made++] = id;
    }
    for (size_t i = 0; i < made; i++)
        text_put(run, pieces[i]);
}
