/* header.h: the names in a CSV header row. */
#ifndef ARCHIVE_HEADER_H
#define ARCHIVE_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "sluice/record.h"
#include "support/error.h"

struct reader;

/* Splits a row; *names and its texts are one mem_alloc block (mem_free(*names)). An empty row has no names.
 */
sl_status header_names(sl_slice row, char delimiter, char ***names, size_t *count, sl_error *err);
/* "a\nb\n" of names; mem_alloc'ed; NULL when out of memory. */
char *header_join(const char *const *names, size_t count);
/* Whether the row's names are those of header_join. Allocates nothing. */
bool header_equals(sl_slice row, char delimiter, const char *joined);

/* The header row of the shard a reader is at. */
sl_slice reader_header(const struct reader *reader);

#endif
