/* json.c: jansson for reading, a buf for writing. */
#include "support/json.h"

#include <math.h>
#include <string.h>

#include "support/file.h"
#include "support/number.h"
#include "support/text.h"

#define MAX_NBYTES (16u << 20)

json_t *json_read_text(const char *text, size_t nbytes, const char *name, sl_status status, sl_error *err) {
    json_error_t where;
    json_t *value = json_loadb(text, nbytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    if (!value)
        error_set(err, status, "cannot read '%s': %s (line %d, column %d)", text_quote(name),
                  text_quote(where.text), where.line, where.column);
    return value;
}

json_t *json_read_file(const char *path, sl_status status, sl_error *err) {
    const void *data;
    size_t nbytes;
    if (file_map(path, &data, &nbytes, err) != SL_OK)
        return NULL;
    json_t *value = NULL;
    if (nbytes > MAX_NBYTES)
        error_set(err, status, "cannot read '%s': larger than 16 MiB", text_quote(path));
    else
        value = json_read_text(nbytes ? data : "", nbytes, path, status, err);
    file_unmap(data, nbytes);
    return value;
}

/* Length of the valid UTF-8 sequence at p, or 0. */
static size_t sequence_nbytes(const char *p, size_t left) {
    unsigned char c = (unsigned char)*p;
    size_t n = c < 0x80 ? 1 : (c >> 5) == 6 ? 2 : (c >> 4) == 14 ? 3 : (c >> 3) == 30 ? 4 : 0;
    return n && n <= left && text_is_utf8(p, n) ? n : 0;
}

bool json_put_string(struct buf *b, const char *text, size_t nbytes) {
    buf_putc(b, '"');
    for (size_t i = 0; i < nbytes;) {
        unsigned char c = (unsigned char)text[i];
        size_t n = sequence_nbytes(text + i, nbytes - i);
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c == '\n')
            buf_puts(b, "\\n");
        else if (c == '\t')
            buf_puts(b, "\\t");
        else if (c < 0x20 || c == 0x7f)
            buf_printf(b, "\\u%04x", c);
        else if (n)
            buf_append(b, text + i, n);
        else
            buf_puts(b, "\xef\xbf\xbd");
        i += n ? n : 1;
    }
    return buf_putc(b, '"');
}

bool json_put_key(struct buf *b, const char *key) {
    return buf_printf(b, "\"%s\": ", key);
}

bool json_put_f64(struct buf *b, double x) {
    char text[NUMBER_MAX_CHARS];
    if (!isfinite(x))
        return buf_puts(b, "null");
    return buf_append(b, text, number_write_f64(text, x));
}

bool json_put_u64(struct buf *b, uint64_t x) {
    return buf_printf(b, "%llu", (unsigned long long)x);
}
