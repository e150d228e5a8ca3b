/* csv_column.c: columns by name or number. */
#include "transforms/csv_column.h"

#include <stdio.h>
#include <string.h>

#define SHOWN 8 /* names listed when one is not found */

/* A few of the header's names, for the message about one that is not there. */
static void list_names(const sl_spec *in, char text[200]) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < in->column_count && i < SHOWN && used < 200; i++) {
        int nbytes = snprintf(text + used, 200 - used, "%s'%.30s'", i ? ", " : "", in->columns[i]);
        used += nbytes > 0 ? (size_t)nbytes : 0;
    }
}

static sl_status find_name(const sl_host *host, const char *transform, const sl_spec *in, const char *name,
                           uint32_t *index, sl_error *err) {
    size_t hits = 0;
    if (!in->columns)
        return host->fail(
            err, SL_E_MODEL,
            "cannot use transform '%s': column '%s' is asked for by name, the csv has no header", transform,
            name);
    for (size_t i = 0; i < in->column_count; i++) {
        if (strcmp(in->columns[i], name) == 0) {
            *index = (uint32_t)i;
            hits++;
        }
    }
    if (hits == 1)
        return SL_OK;
    if (hits > 1)
        return host->fail(err, SL_E_MODEL, "cannot use transform '%s': the header has '%s' %zu times",
                          transform, name, hits);
    char names[200];
    list_names(in, names);
    return host->fail(err, SL_E_MODEL,
                      "cannot use transform '%s': the header has no '%s', its %zu columns begin with %s",
                      transform, name, in->column_count, names);
}

sl_status csv_column_find(const sl_host *host, const char *transform, const sl_spec *in, const char *name,
                          int64_t number, uint32_t *index, sl_error *err) {
    if (name)
        return find_name(host, transform, in, name, index, err);
    if (number < 0 || number >= (int64_t)CSV_COLUMN_MOST)
        return host->fail(err, SL_E_MODEL, "cannot use transform '%s': %lld is no column index", transform,
                          (long long)number);
    if (in->columns && (uint64_t)number >= in->column_count)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform '%s': there is no column %lld, the header has %zu", transform,
                          (long long)number, in->column_count);
    *index = (uint32_t)number;
    return SL_OK;
}
