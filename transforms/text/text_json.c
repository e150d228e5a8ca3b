/* text_json.c: one pass that counts the nodes and one that fills them; texts are unescaped where they stand,
 * since they never grow. */
#include "transforms/text/text_json.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 64

struct reader {
    char *at, *begin, *end;
    struct text_node *nodes;
    size_t count, cap;
    const char *why;
};

unsigned text_utf8_read(const unsigned char *p, const unsigned char *end, uint32_t *c) {
    size_t left = (size_t)(end - p);
    if (p[0] < 0x80) {
        *c = p[0];
        return 1;
    }
    if (p[0] < 0xc2 || left < 2 || (p[1] & 0xc0) != 0x80)
        return 0;
    if (p[0] < 0xe0) {
        *c = (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
        return 2;
    }
    if (left < 3 || (p[2] & 0xc0) != 0x80)
        return 0;
    if (p[0] < 0xf0) {
        *c = (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
        return *c < 0x800 || (*c >= 0xd800 && *c < 0xe000) ? 0 : 3;
    }
    if (p[0] > 0xf4 || left < 4 || (p[3] & 0xc0) != 0x80)
        return 0;
    *c = (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 | (uint32_t)(p[2] & 0x3f) << 6 |
         (p[3] & 0x3f);
    return *c < 0x10000 || *c > 0x10ffff ? 0 : 4;
}

unsigned text_utf8_write(char *out, uint32_t c) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(lead[more] | c >> (6 * more));
    for (unsigned i = 1; i <= more; i++)
        out[i] = (char)(0x80 | (c >> (6 * (more - i)) & 0x3f));
    return more + 1;
}

static bool fail(struct reader *r, const char *why) {
    if (!r->why)
        r->why = why;
    return false;
}

static void skip_space(struct reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
}

static struct text_node *add_node(struct reader *r, enum text_json_kind kind) {
    if (r->count == r->cap) {
        fail(r, "it has more values than its size allows");
        return NULL;
    }
    struct text_node *node = &r->nodes[r->count++];
    node->kind = kind;
    node->next = (uint32_t)r->count;
    return node;
}

static bool read_hex(struct reader *r, uint32_t *c) {
    *c = 0;
    if (r->end - r->at < 4)
        return fail(r, "a text ends in an escape");
    for (int i = 0; i < 4; i++) {
        char x = *r->at++;
        unsigned digit = x >= '0' && x <= '9'   ? (unsigned)(x - '0')
                         : x >= 'a' && x <= 'f' ? (unsigned)(x - 'a') + 10
                         : x >= 'A' && x <= 'F' ? (unsigned)(x - 'A') + 10
                                                : 16;
        if (digit > 15)
            return fail(r, "an escape is not hexadecimal");
        *c = *c << 4 | digit;
    }
    return true;
}

/* The escape behind a backslash, written to *to. */
static bool read_escape(struct reader *r, char **to) {
    static const char plain[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
    if (r->at == r->end)
        return fail(r, "a text does not end");
    char x = *r->at++;
    const char *known = x ? strchr(plain, x) : NULL;
    if (known) {
        *(*to)++ = means[known - plain];
        return true;
    }
    uint32_t c, low;
    if (x != 'u')
        return fail(r, "an escape is not known");
    if (!read_hex(r, &c))
        return false;
    if (c >= 0xd800 && c < 0xdc00) {
        if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u')
            return fail(r, "half of a surrogate pair");
        r->at += 2;
        if (!read_hex(r, &low))
            return false;
        if (low < 0xdc00 || low > 0xdfff)
            return fail(r, "half of a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c < 0xe000) {
        return fail(r, "half of a surrogate pair");
    }
    *to += text_utf8_write(*to, c);
    return true;
}

static bool read_string(struct reader *r) {
    struct text_node *node = add_node(r, TEXT_STRING);
    char *to = ++r->at;
    if (!node)
        return false;
    node->data = to;
    while (r->at < r->end && *r->at != '"') {
        uint32_t c;
        unsigned char byte = (unsigned char)*r->at;
        if (byte == '\\') {
            r->at++;
            if (!read_escape(r, &to))
                return false;
            continue;
        }
        unsigned n =
            byte < 0x20 ? 0 : text_utf8_read((const unsigned char *)r->at, (const unsigned char *)r->end, &c);
        if (!n)
            return fail(r, byte < 0x20 ? "a control byte in a text" : "a text is not UTF-8");
        memmove(to, r->at, n);
        to += n;
        r->at += n;
    }
    if (r->at == r->end)
        return fail(r, "a text does not end");
    r->at++;
    *to = 0; /* at the closing quote, or before it */
    node->nbytes = (uint32_t)(to - node->data);
    return true;
}

static bool read_word(struct reader *r, const char *word, enum text_json_kind kind) {
    size_t n = strlen(word);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0)
        return fail(r, "a value is no JSON");
    r->at += n;
    return add_node(r, kind) != NULL;
}

static bool read_number(struct reader *r) {
    struct text_node *node = add_node(r, TEXT_NUMBER);
    const char *begin = r->at;
    while (r->at < r->end && *r->at && strchr("+-.0123456789eE", *r->at))
        r->at++;
    if (!node || r->at == begin)
        return fail(r, "a value is no JSON");
    node->data = begin;
    node->nbytes = (uint32_t)(r->at - begin);
    return true;
}

static bool read_value(struct reader *r, unsigned depth);

static bool read_members(struct reader *r, unsigned depth, bool object) {
    size_t index = r->count;
    if (!add_node(r, object ? TEXT_OBJECT : TEXT_ARRAY))
        return false;
    if (depth == MAX_DEPTH)
        return fail(r, "it is nested more than 64 deep");
    char closing = object ? '}' : ']';
    r->at++;
    skip_space(r);
    bool more = r->at == r->end || *r->at != closing;
    while (more) {
        skip_space(r);
        if (object) {
            if (r->at == r->end || *r->at != '"')
                return fail(r, "a member has no name");
            if (!read_string(r))
                return false;
            skip_space(r);
            if (r->at == r->end || *r->at++ != ':')
                return fail(r, "a member has no value");
        }
        if (!read_value(r, depth + 1))
            return false;
        r->nodes[index].count++;
        skip_space(r);
        more = r->at < r->end && *r->at == ',';
        r->at += more;
    }
    if (r->at == r->end || *r->at != closing)
        return fail(r, object ? "an object does not end" : "a list does not end");
    r->at++;
    r->nodes[index].next = (uint32_t)r->count;
    return true;
}

static bool read_value(struct reader *r, unsigned depth) {
    skip_space(r);
    if (r->at == r->end)
        return fail(r, "it ends in the middle");
    switch (*r->at) {
    case '{':
        return read_members(r, depth, true);
    case '[':
        return read_members(r, depth, false);
    case '"':
        return read_string(r);
    case 't':
        return read_word(r, "true", TEXT_TRUE);
    case 'f':
        return read_word(r, "false", TEXT_FALSE);
    case 'n':
        return read_word(r, "null", TEXT_NULL);
    default:
        return read_number(r);
    }
}

/* No document has more values than commas, colons and brackets (and one). */
static size_t most_nodes(const char *bytes, size_t nbytes) {
    size_t n = 2;
    for (size_t i = 0; i < nbytes; i++)
        n += bytes[i] == ',' || bytes[i] == ':' || bytes[i] == '{' || bytes[i] == '[';
    return n;
}

sl_status text_json_read(struct text_json *json, const sl_host *host, char *bytes, size_t nbytes,
                         const char *name, sl_error *err) {
    *json = (struct text_json){.bytes = bytes};
    if (nbytes > UINT32_MAX / 2)
        return host->fail(err, SL_E_MODEL, "cannot read '%s': it is larger than 2 GiB", name);
    struct reader r = {.begin = bytes, .at = bytes, .end = bytes + nbytes, .cap = most_nodes(bytes, nbytes)};
    r.nodes = json->nodes = host->alloc(r.cap * sizeof *r.nodes);
    if (!r.nodes) {
        text_json_clear(json, host);
        return host->fail(err, SL_E_MEMORY, "cannot read '%s': out of memory", name);
    }
    if (nbytes >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        r.at += 3;
    bool ok = read_value(&r, 0);
    skip_space(&r);
    if (ok && r.at != r.end)
        ok = fail(&r, "something follows the document");
    if (!ok) {
        sl_status status = host->fail(err, SL_E_MODEL, "cannot read '%s' as JSON: %s at byte %zu", name,
                                      r.why, (size_t)(r.at - r.begin));
        text_json_clear(json, host);
        return status;
    }
    json->count = r.count;
    return SL_OK;
}

void text_json_clear(struct text_json *json, const sl_host *host) {
    host->free(json->nodes);
    host->free(json->bytes);
    *json = (struct text_json){.nodes = NULL};
}

bool text_json_equals(const struct text_node *node, const char *text) {
    return text_json_is(node, TEXT_STRING) && strlen(text) == node->nbytes &&
           memcmp(node->data, text, node->nbytes) == 0;
}

const struct text_node *text_json_get(const struct text_json *json, const struct text_node *object,
                                      const char *key) {
    if (!text_json_is(object, TEXT_OBJECT))
        return NULL;
    const struct text_node *name = text_json_first(object);
    for (uint32_t i = 0; i < object->count; i++) {
        const struct text_node *value = name + 1;
        if (text_json_equals(name, key))
            return value->kind == TEXT_NULL ? NULL : value;
        name = text_json_next(json, value);
    }
    return NULL;
}

bool text_json_int(const struct text_node *node, int32_t *value) {
    int64_t x = 0;
    if (!text_json_is(node, TEXT_NUMBER) || node->nbytes > 10)
        return false;
    for (uint32_t i = 0; i < node->nbytes; i++) {
        if (node->data[i] < '0' || node->data[i] > '9')
            return false;
        x = x * 10 + (node->data[i] - '0');
    }
    *value = x <= INT32_MAX ? (int32_t)x : 0;
    return x <= INT32_MAX;
}

bool text_json_double(const struct text_node *node, double *value) {
    char text[64];
    if (!text_json_is(node, TEXT_NUMBER) || node->nbytes >= sizeof text)
        return false;
    memcpy(text, node->data, node->nbytes);
    text[node->nbytes] = 0;
    char *end;
    *value = strtod(text, &end); /* nobody sets a locale */
    return *end == 0;
}
