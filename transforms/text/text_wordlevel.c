/* text_wordlevel.c: a word is a token, or the unknown one. */
#include "transforms/text/text_tokenizer.h"

void text_wordlevel(struct text_run *run, const uint32_t *c, size_t count) {
    const struct text_model *m = &run->t->model;
    char *word = run->room.bytes;
    size_t nbytes = 0;
    uint32_t hash = TEXT_HASH_BEGIN;
    for (size_t i = 0; i < count; i++) {
        if (nbytes > m->vocab.longest) {
            text_put(run, m->unk);
            return;
        }
        if (nbytes + 4 > run->room.cap) {
            run->overflow = run->done = true;
            return;
        }
        size_t n = text_utf8_write(word + nbytes, c[i]);
        for (; n > 0; n--)
            hash = text_hash_add(hash, (unsigned char)word[nbytes++]);
    }
    int32_t id = vocab_find(&m->vocab, word, nbytes, hash);
    text_put(run, id >= 0 ? id : m->unk);
}
