/* container.c: the containers there are. A new one is a file and a line here. */
#include "archive/container.h"

#include <string.h>
#include <strings.h>

#define EXPANSION_FREE_NBYTES (10u << 20)

/* By content the surest come first: a CSV row is recognised by little. */
const struct container_ops *const container_table[] = {&container_npy,      &container_npz,
                                                       &container_zip,      &container_recordio_protobuf,
                                                       &container_recordio, &container_tfrecord,
                                                       &container_tar,      &container_file,
                                                       &container_json,     &container_jsonl,
                                                       &container_libsvm,   &container_csv,
                                                       &container_text,     NULL};

bool container_expands(const struct container_options *options, uint64_t unpacked_nbytes,
                       uint64_t packed_nbytes) {
    return options->max_expansion && unpacked_nbytes > EXPANSION_FREE_NBYTES &&
           unpacked_nbytes / options->max_expansion > packed_nbytes;
}

const struct container_ops *container_by_name(const char *name) {
    for (const struct container_ops *const *c = container_table; *c; c++)
        if (!strcmp((*c)->name, name))
            return *c;
    return NULL;
}

/* "text/csv; charset=utf-8" is text/csv. */
const struct container_ops *container_by_content_type(const char *content_type) {
    size_t n = strcspn(content_type, "; \t");
    for (const struct container_ops *const *c = container_table; *c; c++)
        for (const char *const *type = (*c)->content_types; *type; type++)
            if (strlen(*type) == n && !strncasecmp(*type, content_type, n))
                return *c;
    return NULL;
}
