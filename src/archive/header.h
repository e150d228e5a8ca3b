/* header.h: the names in a CSV header row, split by libcsv as strict RFC 4180. */
#ifndef ARCHIVE_HEADER_H
#define ARCHIVE_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "sluice/record.h"
#include "support/error.h"

struct reader;

/* Splits a row; *names and its texts are one mem_alloc block (mem_free(*names)). An empty row has no names:
 * NULL and 0. SL_E_DATA for quotes that RFC 4180 does not allow. */
sl_status header_names(sl_slice row, char delimiter, char quote, char ***names, size_t *count, sl_error *err);
/* The names behind one another, each with its NUL; mem_alloc'ed; NULL when out of memory. */
char *header_join(const char *const *names, size_t count);
/* Whether the row's names are those of header_join (`count` of them); SL_E_DATA saying which is not.
 * Allocates nothing: `room` is at least row.nbytes + 1 bytes. */
sl_status header_check(sl_slice row, char delimiter, char quote, const char *joined, size_t count, char *room,
                       sl_error *err);

/* The header row of the shard a reader is at. */
sl_slice reader_header(const struct reader *reader);

#endif
