/* tar_sample.h: tar members into samples, as WebDataset has it: members that follow one another and share a
 * key are one sample. The key is the path up to the first dot of its last part; what comes after that dot
 * names the field, in lower case. */
#ifndef ARCHIVE_TAR_SAMPLE_H
#define ARCHIVE_TAR_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "archive/block.h"

#define TAR_MAX_NAME 1024u /* bytes of a path; a longer one is refused */

struct tar_member {
    const char *name; /* without a leading "./"; not owned */
    size_t key_nbytes;
    const char *field;            /* the rest of the name after the key's dot */
    bool hidden;                  /* its last part begins with a dot */
    const char *hostile;          /* why the name cannot be a key, or NULL */
    uint64_t offset, end, nbytes; /* in the shard: of its first header, behind its data; of its data */
    bool sparse;
};

/* What the name says. NULL: the name cannot be told. */
void tar_member_init(struct tar_member *member, const char *name);

/* The sample at the end of a block. One for a block: each begins where the last one ended. */
struct tar_sample {
    struct block *block;
    size_t max_record;
    size_t used; /* of block->data */
    struct cut cut;
    size_t start;
    bool keep; /* false: before the point where the shard is resumed */
};

void tar_sample_init(struct tar_sample *sample, struct block *block, size_t max_record);
/* Whether the block takes one more. */
bool tar_sample_has_room(const struct tar_sample *sample);
void tar_sample_begin(struct tar_sample *sample, const struct tar_member *member, bool keep);
bool tar_sample_matches(const struct tar_sample *sample, const struct tar_member *member);
/* Where the member's bytes go; NULL when nobody wants them. The sample is rejected when it cannot be whole.
 */
char *tar_sample_add(struct tar_sample *sample, const struct tar_member *member);
/* The first reason stays. Both are static texts. */
void tar_sample_reject(struct tar_sample *sample, const char *code, const char *reason);
/* Into the block's cuts; a sample that is not kept, and all but the key of a rejected one, is forgotten. */
void tar_sample_end(struct tar_sample *sample);
void tar_sample_abandon(struct tar_sample *sample);

#endif
