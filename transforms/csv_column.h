/* csv_column.h: the columns of a CSV row by name or number, for transforms that take some of them. */
#ifndef TRANSFORMS_CSV_COLUMN_H
#define TRANSFORMS_CSV_COLUMN_H

#include "sluice/transform.h"

#define CSV_COLUMN_MOST 65536u

/* Plan time. The index of the column called `name`, or (name NULL) column `number`; SL_E_MODEL, naming the
 * transform, where there is none, or several of the name. */
sl_status csv_column_find(const sl_host *host, const char *transform, const sl_spec *in, const char *name,
                          int64_t number, uint32_t *index, sl_error *err);

#endif
