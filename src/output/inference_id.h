/* inference_id.h: SageMaker's GenerateInferenceId: an id and the job's time behind every result, by which
 * what became true can be matched with what was said. */
#ifndef OUTPUT_INFERENCE_ID_H
#define OUTPUT_INFERENCE_ID_H

#include "output/output.h"
#include "support/hash.h"

#define INFERENCE_ID_NBYTES 160 /* the most that is added to a line */
#define INFERENCE_ID_KEY "SageMakerInferenceId"
#define INFERENCE_TIME_KEY "SageMakerInferenceTime"

/* The id of a record as text: a UUID of version 8 (RFC 9562) from the first half of the SHA-256 of
 * "JOB/SHARD/RECORD", so a job that goes on writes what it would have written. */
void inference_id(struct hash *hash, const char *job_id, const char *shard, uint64_t record, char id[37]);

/* Two more columns, or members, of a finished line, '\n' included. A JSON value that is no object becomes the
 * member SageMakerOutput of one. The line must have room for INFERENCE_ID_NBYTES. */
void inference_id_append(struct buf *line, bool json, const char *id, const char *begun);

#endif
