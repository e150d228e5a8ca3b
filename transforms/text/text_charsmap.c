/* text_charsmap.c: SentencePiece's precompiled normalisation. The blob is a little-endian length, a
 * double-array trie (darts-clone's units) and NUL-ended texts. As tokenizers applies it: a grapheme of less
 * than six bytes as a whole, else each of its characters; of several prefixes that are listed, the shortest.
 */
#include "transforms/text/text_charsmap.h"

#include <string.h>
#include <utf8proc.h>

static int base64_digit(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool decode_base64(const struct text_node *text, unsigned char *out, size_t *nbytes) {
    size_t end = text->nbytes;
    uint32_t bits = 0;
    unsigned have = 0;
    *nbytes = 0;
    while (end > 0 && text->data[end - 1] == '=')
        end--;
    for (size_t i = 0; i < end; i++) {
        int digit = base64_digit(text->data[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[(*nbytes)++] = (unsigned char)(bits >> have);
        }
    }
    return true;
}

static uint32_t unit_at(const struct text_norm *norm, size_t i) {
    const unsigned char *p = norm->charsmap + 4 * i;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

bool text_charsmap_read(struct text_tokenizer *t, struct text_norm *norm, const struct text_node *text) {
    if (!text_json_is(text, TEXT_STRING))
        return false;
    unsigned char *blob = text_keep(t, text->nbytes + 8, 1);
    size_t nbytes;
    if (!blob || !decode_base64(text, blob, &nbytes) || nbytes < 8)
        return false;
    size_t trie = (size_t)blob[0] | (size_t)blob[1] << 8 | (size_t)blob[2] << 16 | (size_t)blob[3] << 24;
    if (trie % 4 != 0 || trie < 4 || trie > nbytes - 4)
        return false;
    norm->charsmap = blob + 4;
    norm->unit_count = trie / 4;
    norm->texts = (const char *)blob + 4 + trie;
    norm->texts_nbytes = nbytes - 4 - trie; /* and a NUL behind */
    return true;
}

static size_t offset_of(uint32_t unit) {
    return (size_t)(unit >> 10) << ((unit & 512u) >> 6);
}

/* What the shortest listed prefix of the bytes becomes, or NULL. */
static const char *transform(const struct text_norm *norm, const char *bytes, size_t nbytes) {
    size_t at = offset_of(unit_at(norm, 0));
    for (size_t i = 0; i < nbytes && bytes[i]; i++) {
        at ^= (unsigned char)bytes[i];
        if (at >= norm->unit_count)
            return NULL;
        uint32_t unit = unit_at(norm, at);
        if ((unit & (0x80000000u | 0xffu)) != (unsigned char)bytes[i])
            return NULL;
        at ^= offset_of(unit);
        if (!(unit >> 8 & 1))
            continue;
        if (at >= norm->unit_count)
            return NULL;
        size_t text = unit_at(norm, at) & 0x7fffffffu;
        return text < norm->texts_nbytes ? norm->texts + text : NULL;
    }
    return NULL;
}

static bool put_text(const char *text, uint32_t *out, size_t cap, size_t *n) {
    const unsigned char *p = (const unsigned char *)text, *end = p + strlen(text);
    while (p < end) {
        uint32_t c;
        unsigned nbytes = text_utf8_read(p, end, &c);
        if (*n == cap)
            return false;
        out[(*n)++] = nbytes ? c : 0xfffd;
        p += nbytes ? nbytes : 1;
    }
    return true;
}

static bool put_grapheme(const struct text_norm *norm, const uint32_t *c, size_t count, uint32_t *out,
                         size_t cap, size_t *n) {
    char bytes[8];
    size_t nbytes = 0;
    for (size_t i = 0; i < count && nbytes < 6 && count < 6; i++) {
        char one[4];
        unsigned more = text_utf8_write(one, c[i]);
        if (nbytes + more < 6)
            memcpy(bytes + nbytes, one, more);
        nbytes += more;
    }
    if (nbytes < 6 && count < 6) {
        const char *text = transform(norm, bytes, nbytes);
        if (text)
            return put_text(text, out, cap, n);
    }
    for (size_t i = 0; i < count; i++) {
        const char *text = transform(norm, bytes, text_utf8_write(bytes, c[i]));
        if (text) {
            if (!put_text(text, out, cap, n))
                return false;
            continue;
        }
        if (*n == cap)
            return false;
        out[(*n)++] = c[i];
    }
    return true;
}

size_t text_charsmap(const struct text_norm *norm, struct text_run *run, const uint32_t *c, size_t count,
                     uint32_t *out, size_t cap) {
    size_t n = 0;
    (void)run;
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        utf8proc_int32_t state = 0;
        while (
            end < count && !((c[end - 1] < 0x300 && c[end] < 0x300) && c[end - 1] != '\r') &&
            !utf8proc_grapheme_break_stateful((utf8proc_int32_t)c[end - 1], (utf8proc_int32_t)c[end], &state))
            end++;
        if (!put_grapheme(norm, c + i, end - i, out, cap, &n))
            return SIZE_MAX;
        i = end;
    }
    return n;
}
