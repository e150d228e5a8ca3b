/* containers.h: the containers there are, for the table. */
#ifndef ARCHIVE_CONTAINERS_H
#define ARCHIVE_CONTAINERS_H

#include "archive/container.h"

extern const struct container_ops container_csv, container_jsonl, container_tar, container_file;

#endif
