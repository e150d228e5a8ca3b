/* header.c: one row, RFC 4180, quotes taken off. */
#include "archive/header.h"

#include <string.h>

#include "support/mem.h"

/* One field from p on: writes its text to out (at least end - p bytes), returns where the next field begins,
 * or NULL after the last. */
static const char *next_field(const char *p, const char *end, char delimiter, char *out, size_t *nbytes) {
    size_t n = 0;
    if (p < end && *p == '"') {
        for (p++; p < end; p++) {
            if (*p == '"' && !(p + 1 < end && p[1] == '"'))
                break;
            p += *p == '"';
            out[n++] = *p;
        }
        p += p < end;
    }
    for (; p < end && *p != delimiter; p++)
        out[n++] = *p;
    *nbytes = n;
    return p < end ? p + 1 : NULL;
}

sl_status header_names(sl_slice row, char delimiter, char ***names, size_t *count, sl_error *err) {
    size_t most = 1;
    for (size_t i = 0; i < row.nbytes; i++)
        most += row.data[i] == delimiter;
    *count = 0;
    *names = mem_alloc(1, most * sizeof **names + row.nbytes + most + 1);
    if (!*names)
        return error_set(err, SL_E_MEMORY, "out of memory for %zu column names", most);
    char *text = (char *)(*names + most);
    for (const char *p = row.nbytes ? row.data : NULL, *end = row.data + row.nbytes; p;) {
        size_t n;
        p = next_field(p, end, delimiter, text, &n);
        text[n] = 0;
        (*names)[(*count)++] = text;
        text += n + 1;
    }
    return SL_OK;
}

char *header_join(const char *const *names, size_t count) {
    size_t nbytes = 1;
    for (size_t i = 0; i < count; i++)
        nbytes += strlen(names[i]) + 1;
    char *joined = mem_alloc(nbytes, 1), *p = joined;
    for (size_t i = 0; joined && i < count; i++) {
        size_t n = strlen(names[i]);
        memcpy(p, names[i], n);
        p[n] = '\n';
        p += n + 1;
    }
    return joined;
}

bool header_equals(sl_slice row, char delimiter, const char *joined) {
    char field[4096];
    const char *p = row.nbytes ? row.data : NULL, *end = row.data + row.nbytes;
    while (p) {
        size_t n, left = strlen(joined);
        if ((size_t)(end - p) > sizeof field && memchr(p, delimiter, sizeof field) == NULL)
            return false; /* a name of 4 KiB is nobody's column */
        const char *stop = (size_t)(end - p) > sizeof field ? p + sizeof field : end;
        const char *next = next_field(p, stop, delimiter, field, &n);
        if (n >= left || memcmp(field, joined, n) || joined[n] != '\n')
            return false;
        joined += n + 1;
        p = next;
    }
    return !*joined;
}
