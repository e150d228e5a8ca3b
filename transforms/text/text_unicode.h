/* text_unicode.h: what Hugging Face tokenizers knows of code points (tests/golden/text/make_unicode.py asked
 * it), and the Unicode normalisation forms, by utf8proc. The same on every machine: utf8proc is asked only
 * for code points that the library decomposes, whatever version it has itself. */
#ifndef TEXT_UNICODE_H
#define TEXT_UNICODE_H

#include "sluice/transform.h"

enum {
    UNI_CONTROL = 1,     /* what BertNormalizer removes */
    UNI_SPACE = 2,       /* White_Space */
    UNI_PUNCT = 4,       /* what BertPreTokenizer isolates */
    UNI_MARK = 8,        /* what StripAccents removes */
    UNI_NONSPACING = 16, /* what BertNormalizer's strip_accents removes */
    UNI_LETTER = 32,     /* \p{L} */
    UNI_NUMBER = 64,     /* \p{N} */
    UNI_NUMERIC = 128,   /* what Digits splits at */
    UNI_WORD = 256,      /* \w */
    UNI_NORMAL = 512,    /* decomposes, or has a combining class */
    UNI_UPPER = 1024     /* has another lower case */
};

#define UNI_FLAT 0x20000u /* below: one look-up */

struct unicode {
    uint16_t flat[UNI_FLAT];
    uint32_t lower[0x600]; /* of the alphabets that have most of the capitals */
};

void unicode_init(struct unicode *unicode);
unsigned unicode_far_flags(uint32_t c);
static inline unsigned unicode_flags(const struct unicode *unicode, uint32_t c) {
    return c < UNI_FLAT ? unicode->flat[c] : unicode_far_flags(c);
}
/* The small letter; U+0130 alone becomes two, of which this is the first (the other is U+0307). */
uint32_t unicode_lower(const struct unicode *unicode, uint32_t c);
unsigned unicode_class(const struct unicode *unicode, uint32_t c); /* combining class */
bool unicode_is_cjk(uint32_t c); /* what BertNormalizer puts spaces around */

/* Decomposes and orders (canonically, or by compatibility), then composes where asked: count code points
 * into `out`, room for cap. The number there are, or SIZE_MAX when the room does not do. */
size_t unicode_normalize(const struct unicode *unicode, const uint32_t *in, size_t count, bool compat,
                         bool compose, uint32_t *out, size_t cap);

#endif
