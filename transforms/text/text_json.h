/* text_json.h: reading a tokenizer's JSON. A vocabulary has a quarter of a million members, so the document
 * becomes a flat list of nodes over the file's own bytes, its texts unescaped in place. */
#ifndef TEXT_JSON_H
#define TEXT_JSON_H

#include "sluice/transform.h"

#ifdef __cplusplus
extern "C" {
#endif

enum text_json_kind { TEXT_NULL, TEXT_FALSE, TEXT_TRUE, TEXT_NUMBER, TEXT_STRING, TEXT_ARRAY, TEXT_OBJECT };

/* An object's children are key, value, key, value, ...; a container's children follow it. */
struct text_node {
    const char *data;       /* text: its bytes, ended by NUL; number: its digits */
    uint32_t nbytes, count; /* of a text or number; of children: elements, or members */
    uint32_t next;          /* index of the node behind this one and its children */
    enum text_json_kind kind;
};

struct text_json {
    struct text_node *nodes; /* [0] is the document */
    size_t count;
    char *bytes;
};

/* Takes `bytes` (of host->alloc, with room for one more byte), which it changes, and frees them with the
 * document. `name` is for the message. Depth 64, no byte after the document, UTF-8 only. */
sl_status text_json_read(struct text_json *json, const sl_host *host, char *bytes, size_t nbytes,
                         const char *name, sl_error *err);
void text_json_clear(struct text_json *json, const sl_host *host);

/* The member of an object, or NULL (also when it is null, or `object` is no object). */
const struct text_node *text_json_get(const struct text_json *json, const struct text_node *object,
                                      const char *key);
/* The first child and the one after: `for (n = first; i < of->count; i++, n = next(n))`. */
static inline const struct text_node *text_json_first(const struct text_node *of) {
    return of + 1;
}
static inline const struct text_node *text_json_next(const struct text_json *json,
                                                     const struct text_node *node) {
    return json->nodes + node->next;
}
static inline bool text_json_is(const struct text_node *node, enum text_json_kind kind) {
    return node && node->kind == kind;
}
bool text_json_equals(const struct text_node *node, const char *text);
/* A whole number of 0 to INT32_MAX. */
bool text_json_int(const struct text_node *node, int32_t *value);
bool text_json_double(const struct text_node *node, double *value);

/* Length of the character that begins at p, 0 when it is not UTF-8; *c is the code point. */
unsigned text_utf8_read(const unsigned char *p, const unsigned char *end, uint32_t *c);
unsigned text_utf8_write(char *out, uint32_t c); /* 1 to 4 bytes */

#ifdef __cplusplus
}
#endif
#endif
