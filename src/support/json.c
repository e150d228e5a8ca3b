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
    sl_status st = file_map(path, &data, &nbytes, err);
    if (st == SL_E_NOINPUT && err)
        err->status = status;
    if (st != SL_OK)
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

static bool is_plain(char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* One byte or character that does not go out as it is, or not without a look. */
static size_t put_special(struct buf *b, const char *p, size_t left) {
    static const char digits[] = "0123456789abcdef";
    unsigned char c = (unsigned char)*p;
    char escape[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    size_t n = sequence_nbytes(p, left);
    if (c == '"' || c == '\\' || c == '\n' || c == '\t') {
        escape[1] = c == '\n' ? 'n' : c == '\t' ? 't' : (char)c;
        buf_append(b, escape, 2);
    } else if (c < 0x20 || c == 0x7f) {
        buf_append(b, escape, 6);
    } else if (n) {
        buf_append(b, p, n);
    } else {
        buf_puts(b, "\xef\xbf\xbd"); /* U+FFFD */
    }
    return n ? n : 1;
}

bool json_put_string(struct buf *b, const char *text, size_t nbytes) {
    buf_putc(b, '"');
    for (size_t i = 0, run; i < nbytes;) {
        for (run = 0; i + run < nbytes && is_plain(text[i + run]); run++) {
        }
        if (run)
            buf_append(b, text + i, run);
        i += run;
        if (i < nbytes)
            i += put_special(b, text + i, nbytes - i);
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
