/* worker_ctx.h: what one worker owns while it decodes. Everything a record needs is reserved here before the
 * first one comes: decoder handles, room for split rows, room for pictures. Nothing here is shared. */
#ifndef DECODE_WORKER_CTX_H
#define DECODE_WORKER_CTX_H

#include "decode/chain.h"
#include "decode/decode_csv.h"
#include "decode/decode_image.h"
#include "decode/decode_json.h"

/* An area is mapped for the largest value allowed. What a rare huge value touched past KEEP bytes goes back
 * to the system once this many records after it were not huge; a stream of large ones keeps its pages. */
#define WORKER_KEEP_NBYTES ((size_t)8 << 20)
#define WORKER_QUIET_RECORDS 256u

/* Where a transform is at the moment: the sl_ctx it is handed. */
struct sl_ctx {
    struct worker_ctx *worker;
    const struct chain *chain;
    void *scratch; /* of the step that runs */
    struct chain_reject *reject;
    const void *const *inputs; /* rows of the model's inputs, for chains of results */
};

/* A worker's memory for one chain: per step its scratch, and its output unless it is the last. */
struct worker_room {
    const struct chain *chain;
    void **scratch;
    void **values;
    sl_value *made; /* what each step gave, for chains that share it */
    const struct worker_room *shared;
    struct swell swell;
};

struct worker_ctx {
    struct sl_ctx now;
    struct csv_reader csv;
    struct json_reader json;
    struct image_decoder image;
    size_t room_count;
    struct worker_room *rooms;
};

/* Fills the reject at hand and returns SL_E_DATA. Stage is static text. */
sl_status reject_set(struct sl_ctx *ctx, const char *stage, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
sl_status reject_setv(struct sl_ctx *ctx, const char *stage, const char *code, const char *format,
                      va_list args) __attribute__((format(printf, 4, 0)));

#endif
