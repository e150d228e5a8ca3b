/* block.h: bytes on their way from a reader to the workers, cut into records. The archive stage's public
 * header together with archive.h.
 *
 * A block is filled by one reader, then read by workers until the last of them lets go. Its memory is mapped
 * once, with room for the largest record allowed; usually only `target` bytes of it are ever touched. */
#ifndef ARCHIVE_BLOCK_H
#define ARCHIVE_BLOCK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/record.h"
#include "support/error.h"

/* One record in a block. A record that the container itself must refuse (too long, quote never closed, name
 * that climbs) is cut all the same, with reject_code set, so that it keeps its place. */
struct cut {
    uint64_t offset, length; /* of its slice in the decompressed shard */
    uint32_t start, nbytes;  /* in block->data; for samples all payloads */
    uint32_t key_start;      /* in block->data */
    uint16_t key_nbytes;
    uint16_t field_count;
    uint32_t first_field;
    const char *reject_code;   /* static text or NULL */
    const char *reject_reason; /* static text */
};

struct block_field {
    uint32_t name_start, data_start, data_nbytes; /* in block->data */
    uint16_t name_nbytes;
};

struct block {
    /* set once */
    char *data;
    size_t cap, target; /* mapped bytes; fill aim */
    struct cut *cuts;
    uint32_t max_cuts;
    struct block_field *fields;
    uint32_t max_fields;
    /* owned by the reader while it fills, read-only after */
    size_t size;
    uint32_t cut_count, field_count;
    sl_record_kind kind;
    uint32_t shard;        /* index in the shard list */
    uint64_t first_record; /* index in the shard of cuts[0] */
    /* readers of the block that have not let go */
    _Atomic uint32_t users;
};

/* Maps memory: `target` usual bytes, `cap` at most (< 4 GiB), room for max_cuts records and max_fields
 * fields. */
sl_status block_open(struct block *block, size_t target, size_t cap, uint32_t max_cuts, uint32_t max_fields,
                     sl_error *err);
void block_close(struct block *block);
void block_reset(struct block *block); /* empty again; gives pages past target back */

/* Record i of the block. `fields` is room for cuts[i].field_count entries (at most BLOCK_MAX_SAMPLE_FIELDS).
 */
#define BLOCK_MAX_SAMPLE_FIELDS 64
void block_record(const struct block *block, uint32_t i, sl_field fields[BLOCK_MAX_SAMPLE_FIELDS],
                  sl_record *record);

#endif
