/* filters.h: the filters there are, for the table. */
#ifndef ARCHIVE_FILTERS_H
#define ARCHIVE_FILTERS_H

#include "archive/filter.h"

extern const struct filter_ops filter_none, filter_gzip, filter_zstd;

/* err for a source whose read failed. Returns its status. */
sl_status source_failed(const struct source *source, sl_error *err);

#endif
