/* sluice/record.h: one record as the archive stage cut it. Everything points into memory of the block it was
 * cut from and lives as long as the call that got it. */
#ifndef SLUICE_RECORD_H
#define SLUICE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that belong to somebody else. */
typedef struct sl_slice {
    const char *data;
    size_t nbytes;
} sl_slice;

/* A named part of a record: a member of a tar sample, named by its extension ("jpg", "json"). */
typedef struct sl_field {
    sl_slice name;
    sl_slice data;
} sl_field;

/* What the parts of a record are. One job has one kind. */
typedef enum sl_record_kind {
    SL_RECORD_CSV = 1,  /* bytes: one row without its line end */
    SL_RECORD_JSON,     /* bytes: one JSON value */
    SL_RECORD_BYTES,    /* bytes: one whole file */
    SL_RECORD_FIELDS,   /* fields: the members of one sample */
    SL_RECORD_ARRAYS,   /* bytes: named arrays, one row of each */
    SL_RECORD_TEXT,     /* bytes: one text */
    SL_RECORD_EXAMPLE,  /* bytes: a tf.train.Example */
    SL_RECORD_PROTOBUF, /* bytes: a Record of SageMaker's protobuf */
    SL_RECORD_LIBSVM    /* bytes: a line of LIBSVM */
} sl_record_kind;

typedef struct sl_record {
    sl_record_kind kind;
    sl_slice bytes;
    const sl_field *fields;
    size_t field_count;
    sl_slice key;    /* file or sample name; empty for lines */
    uint64_t index;  /* in its shard, from 0 */
    uint64_t offset; /* in the decompressed shard */
    uint64_t length; /* of the slice of the decompressed shard that is this record */
} sl_record;

#ifdef __cplusplus
}
#endif
#endif
