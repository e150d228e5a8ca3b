/* fuzz_decode.c: one record's bytes through the decoders, chosen by the first byte:
 * 'c' csv, all columns; 's' csv, some columns; 'j' json array; 'm' json members; 'r' image as RGB, resized;
 * 'l' image as L; 'e' tf.train.Example; 'p' SageMaker's Record; 't' text; 'v' libsvm. What comes out is a
 * value or a reject with words; then a known good record must still decode. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode/worker_ctx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

#define MAX_RECORD ((size_t)1 << 20)

static const struct door {
    char letter;
    sl_record_kind kind;
    int64_t count; /* of the target's numbers, 0: no target */
    const char *steps;
    const char *good; /* NULL: the picture below */
} doors[] = {
    {'c', SL_RECORD_CSV, 3, "[]", "1,2,3"},
    {'s', SL_RECORD_CSV, 0, "[{\"columns\": [1, 4, 2]}]", "0,1,\"2\",3,4"},
    {'j', SL_RECORD_JSON, 4, "[]", "[[1,2],[3,4]]"},
    {'m', SL_RECORD_JSON, 0, "[{\"field\": \"d\"}, {\"columns\": [\"a\", \"b\"]}]",
     "{\"d\":{\"b\":1,\"a\":2}}"},
    {'e', SL_RECORD_EXAMPLE, 2, "[]",
     "\x0a\x17\x0a\x15\x0a\x01x\x12\x10\x1a\x0e\x0a\x0c\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x80\x01"},
    {'p', SL_RECORD_PROTOBUF, 4, "[]",
     "\x0a\x17\x0a\x06values\x12\x0d\x3a\x0b\x0a\x02\x07\x09\x12\x02\x03\x01\x1a\x01\x04"},
    {'v', SL_RECORD_LIBSVM, 3, "[]", "1 0:2 2:-3.5e1 # note"},
    {'t', SL_RECORD_TEXT, 0, "[\"text.decode\"]", "hello"},
    {'r', SL_RECORD_BYTES, 0,
     "[\"image.decode\", {\"image.resize\": {\"shorter\": 9}}, {\"image.center_crop\": {\"size\": 8}}]",
     NULL},
    {'l', SL_RECORD_BYTES, 0,
     "[{\"image.decode\": {\"mode\": \"L\"}}, {\"image.resize\": {\"size\": [5, 7], \"filter\": "
     "\"lanczos\"}}]",
     NULL},
};
#define DOORS (sizeof doors / sizeof *doors)

/* A 2x1 RGB picture. */
static const unsigned char picture[] = {
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44,
    0x52, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00, 0x00, 0x7b,
    0x40, 0xe8, 0xdd, 0x00, 0x00, 0x00, 0x0f, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0xf8,
    0xcf, 0xc0, 0xc0, 0xf0, 0x9f, 0x01, 0x00, 0x07, 0xff, 0x01, 0xff, 0xb8, 0x04, 0x35, 0xe0,
    0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
};

static struct chain *chains[DOORS];
static struct worker_ctx *ctx;
static float room[1024];

static void need(bool ok, const char *what) {
    if (ok)
        return;
    fprintf(stderr, "fuzz_decode: %s\n", what);
    abort();
}

static void open_all(void) {
    struct chain_options options = {.model_dir = ".", .max_pixels = 1u << 20, .csv_delimiter = ','};
    for (size_t i = 0; i < DOORS; i++) {
        sl_error err = {.status = SL_OK};
        json_t *steps = json_loads(doors[i].steps, 0, NULL);
        sl_spec in = chain_source_spec(doors[i].kind, NULL, 0, MAX_RECORD);
        sl_spec target = {.kind = SL_KIND_TENSOR, .dtype = SL_FLOAT, .rank = 1, .dims = {doors[i].count}};
        need(chain_open(&chains[i], steps, &in, doors[i].count ? &target : NULL, "x", &options, &err) ==
                 SL_OK,
             err.text);
        need(chain_spec(chains[i])->max_nbytes <= sizeof room, "a result is too large for the room");
        json_decref(steps);
    }
    need(worker_ctx_open(&ctx, chains, DOORS, &options, NULL) == SL_OK, "no worker");
}

static sl_status apply(size_t door, const void *data, size_t nbytes, struct chain_reject *reject) {
    sl_record record = {.kind = doors[door].kind, .bytes = {data, nbytes}};
    sl_value in, out = {.tensor.data = room};
    chain_source(&record, &in);
    return chain_apply(ctx, door, &in, &out, reject);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes) {
    struct chain_reject reject;
    if (!ctx)
        open_all();
    if (nbytes == 0 || nbytes > MAX_RECORD)
        return 0;
    for (size_t i = 0; i < DOORS; i++) {
        if (doors[i].letter != (char)data[0])
            continue;
        /* A copy of the exact size, so that a read past it is seen. */
        uint8_t *copy = malloc(nbytes);
        need(copy != NULL, "out of memory");
        memcpy(copy, data + 1, nbytes - 1);
        if (apply(i, copy, nbytes - 1, &reject) != SL_OK)
            need(reject.stage && reject.code[0] && reject.reason[0], "a reject without words");
        free(copy);
        const char *good = doors[i].good;
        sl_status status =
            good ? apply(i, good, strlen(good), &reject) : apply(i, picture, sizeof picture, &reject);
        need(status == SL_OK, "a good record is rejected after a bad one");
    }
    return 0;
}
