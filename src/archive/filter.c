/* filter.c: the filters there are. A new one is a file and a line here. */
#include "archive/filter.h"

const struct filter_ops *const filter_table[FILTER_COUNT + 1] = {
    &filter_none, &filter_gzip, &filter_zstd, &filter_bzip2, &filter_xz, &filter_lz4, NULL};
