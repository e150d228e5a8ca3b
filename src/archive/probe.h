/* probe.h: what a shard is, from its name and first bytes. */
#ifndef ARCHIVE_PROBE_H
#define ARCHIVE_PROBE_H

#include "archive/archive.h"
#include "archive/filter.h"

/* Opens a shard for reading: a regular file, no link. */
sl_status probe_open(const struct shard_list *list, size_t shard, int *fd, sl_error *err);
/* The container that the name's suffix says, behind a filter's suffix; NULL when it says none. */
const struct container_ops *probe_name(const char *name, const struct reader_options *options);
/* Fills the source's window and says which filter_table entry reads it. */
sl_status probe_filter(struct source *source, const char *compression_type, int *filter, sl_error *err);

#endif
