/* json_scan.c: see json_scan.h. RFC 8259, and stricter where a record could be read in two ways. */
#include "support/json_scan.h"

#include <string.h>

#include "support/number.h"
#include "support/text.h"

bool json_fail(struct json_scan *s, const char *code, const char *what) {
    if (!s->code) {
        s->code = code;
        s->what = what;
    }
    return false;
}

static bool bad(struct json_scan *s, const char *what) {
    return json_fail(s, "bad-json", s->p == s->end ? "the text ends too early" : what);
}

static void skip_blank(struct json_scan *s) {
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        s->p++;
}

char json_peek(struct json_scan *s) {
    skip_blank(s);
    return s->p < s->end ? *s->p : '\0';
}

bool json_take(struct json_scan *s, char c) {
    if (json_peek(s) != c)
        return false;
    s->p++;
    return true;
}

/* --- strings --- */

static int hex4(const char *p, const char *end) {
    int code = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        code = code << 4 | digit;
    }
    return code;
}

/* Reads the escape at *p (its backslash) as UTF-8 into out[4]; returns its bytes, 0 when it is malformed. NUL
 * and lone surrogates are refused: no text of ours can carry them. */
static int read_escape(const char **p, const char *end, char out[4]) {
    static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *q = *p + 1;
    if (q >= end)
        return 0;
    if (*q != 'u') {
        const char *at = *q ? strchr(plain, *q) : NULL;
        if (!at)
            return 0;
        out[0] = meant[at - plain];
        *p = q + 1;
        return 1;
    }
    int code = hex4(q + 1, end);
    q += 5;
    if (code >= 0xd800 && code < 0xdc00) {
        int low = end - q >= 6 && q[0] == '\\' && q[1] == 'u' ? hex4(q + 2, end) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return 0;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        q += 6;
    } else if (code <= 0 || (code >= 0xdc00 && code <= 0xdfff)) {
        return 0;
    }
    *p = q;
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    int nbytes = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const int lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (int i = nbytes - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(lead[nbytes] | code);
    return nbytes;
}

/* Takes a string; *text is what stands between its quotes, escapes and all. */
bool json_take_string(struct json_scan *s, sl_slice *text, bool *escaped) {
    unsigned char high = 0;
    *escaped = false;
    if (!json_take(s, '"'))
        return bad(s, "a string is missing");
    const char *start = s->p;
    while (s->p < s->end && *s->p != '"') {
        unsigned char c = (unsigned char)*s->p;
        high |= c;
        if (c == '\\') {
            char utf8[4];
            *escaped = true;
            if (read_escape(&s->p, s->end, utf8) == 0)
                return json_fail(s, "bad-json", "a string has a bad escape");
            continue;
        }
        if (c < 0x20)
            return json_fail(s, "bad-json", "a string has a control byte");
        s->p++;
    }
    if (s->p == s->end)
        return bad(s, "");
    *text = (sl_slice){.data = start, .nbytes = (size_t)(s->p - start)};
    if (high >= 0x80 && !text_is_utf8(start, text->nbytes))
        return json_fail(s, "bad-json", "a string is not UTF-8");
    s->p++;
    return true;
}

size_t json_unescape(sl_slice text, char *out) {
    const char *p = text.data, *end = text.data + text.nbytes;
    size_t used = 0;
    while (p < end) {
        char utf8[4] = {*p};
        int nbytes = 1;
        if (*p == '\\')
            nbytes = read_escape(&p, end, utf8);
        else
            p++;
        memcpy(out + used, utf8, (size_t)nbytes);
        used += (size_t)nbytes;
    }
    return used;
}

/* Whether a scanned string means `key`. */
bool json_string_is(sl_slice text, bool escaped, const char *key, size_t key_nbytes) {
    if (!escaped)
        return text.nbytes == key_nbytes && memcmp(text.data, key, key_nbytes) == 0;
    const char *p = text.data, *end = text.data + text.nbytes;
    while (p < end) {
        char utf8[4] = {*p};
        int nbytes = 1;
        if (*p == '\\')
            nbytes = read_escape(&p, end, utf8);
        else
            p++;
        if ((size_t)nbytes > key_nbytes || memcmp(utf8, key, (size_t)nbytes) != 0)
            return false;
        key += nbytes;
        key_nbytes -= (size_t)nbytes;
    }
    return key_nbytes == 0;
}

/* --- values --- */

bool json_one_of(char c, const char *set) {
    return c && strchr(set, c);
}

static bool ends_token(const struct json_scan *s) {
    return s->p == s->end || json_one_of(*s->p, " \t\r\n,]}");
}

/* A number as JSON has it: no plus sign (the CSV grammar allows one). */
bool json_take_number(struct json_scan *s, float *x) {
    char c = json_peek(s);
    if (c != '-' && (c < '0' || c > '9'))
        return bad(s, "a value is missing");
    const char *next = number_scan_f32(s->p, s->end, x);
    if (next) {
        s->p = next;
        return ends_token(s) ? true : bad(s, "a number is malformed or does not fit");
    }
    double wide;
    next = number_scan_f64(s->p, s->end, &wide);
    if (next)
        s->p = next;
    return next && ends_token(s) ? json_fail(s, "not-finite", "a number does not fit a float")
                                 : bad(s, "a number is malformed or does not fit");
}

/* A number nobody asked for only has to fit a double. */
static bool skip_number(struct json_scan *s) {
    double x;
    if (*s->p != '-' && (*s->p < '0' || *s->p > '9'))
        return bad(s, "a value is missing");
    const char *next = number_scan_f64(s->p, s->end, &x);
    if (!next)
        return bad(s, "a number is malformed or does not fit");
    s->p = next;
    return ends_token(s) ? true : bad(s, "a number is malformed or does not fit");
}

static bool skip_word(struct json_scan *s, const char *word) {
    size_t nbytes = strlen(word);
    if ((size_t)(s->end - s->p) < nbytes || memcmp(s->p, word, nbytes) != 0)
        return json_fail(s, "bad-json", "a value is malformed");
    s->p += nbytes;
    return ends_token(s) ? true : bad(s, "a value is malformed");
}

bool json_enter(struct json_scan *s, char open) {
    if (!json_take(s, open))
        return bad(s, open == '{' ? "an object is missing" : "an array is missing");
    if (s->depth == JSON_MAX_DEPTH)
        return json_fail(s, "bad-json", "it is nested deeper than 64");
    s->depth++;
    return true;
}

/* Before each element after `enter`: false at the end of the list, or with s->code set. */
bool json_next(struct json_scan *s, char close, bool *first) {
    if (json_take(s, close)) {
        s->depth--;
        return false;
    }
    if (!*first && !json_take(s, ','))
        return bad(s, close == '}' ? "',' or '}' is missing" : "',' or ']' is missing");
    if (!*first && json_peek(s) == close)
        return bad(s, "an element is missing after ','");
    *first = false;
    return true;
}

bool json_take_key(struct json_scan *s, sl_slice *key, bool *escaped) {
    if (!json_take_string(s, key, escaped))
        return false;
    return json_take(s, ':') ? true : bad(s, "':' is missing");
}

bool json_skip(struct json_scan *s) {
    sl_slice text;
    bool escaped, first = true;
    switch (json_peek(s)) {
    case '{':
        if (!json_enter(s, '{'))
            return false;
        while (json_next(s, '}', &first))
            if (!json_take_key(s, &text, &escaped) || !json_skip(s))
                return false;
        return !s->code;
    case '[':
        if (!json_enter(s, '['))
            return false;
        while (json_next(s, ']', &first))
            if (!json_skip(s))
                return false;
        return !s->code;
    case '"':
        return json_take_string(s, &text, &escaped);
    case 't':
        return skip_word(s, "true");
    case 'f':
        return skip_word(s, "false");
    case 'n':
        return skip_word(s, "null");
    case '\0':
        return bad(s, "a value is missing");
    default:
        return skip_number(s);
    }
}

bool json_at_end(struct json_scan *s) {
    skip_blank(s);
    return s->p == s->end ? true : json_fail(s, "bad-json", "something stands after the value");
}
