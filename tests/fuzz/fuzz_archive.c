/* fuzz_archive.c: a stored shard through filter and container. The first byte says which: bits 0-1 and 6-7
 * (worth 4) the container, as in `containers` below, bits 2-3 the filter (none, gzip, zstd, none), bit 4
 * allow_truncated, bit 5 csv_header; the second how long a record may be.
 *
 * Whatever comes, the records must not depend on the size of blocks and reads, nor on where the shard is
 * resumed, and good lines must lie in the stream where their slice says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/container.h"
#include "archive/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

#define MAX_STREAM ((size_t)1 << 20) /* a bomb is stopped here */
#define MAX_RECORDS ((size_t)1 << 15)

static void require(bool holds, const char *what) {
    if (holds)
        return;
    fprintf(stderr, "fuzz_archive: %s\n", what);
    abort();
}

/* The filter's bytes, kept: what a slice is compared with. */
struct door {
    struct stream stream; /* first */
    const struct filter_ops *filter_ops;
    struct filter *filter;
    struct source source;
    size_t step; /* most bytes a read gives */
    unsigned char *bytes;
};

static ssize_t read_door(struct stream *stream, void *data, size_t cap, sl_error *err) {
    struct door *door = (struct door *)stream;
    size_t room = MAX_STREAM - (size_t)stream->offset;
    cap = cap < door->step ? cap : door->step;
    cap = cap < room ? cap : room;
    if (!cap)
        return 0;
    ssize_t n = door->filter_ops->read(door->filter, &door->source, data, cap, err);
    require(n <= (ssize_t)cap, "a filter gave more than was asked for");
    require(n >= 0 || err->status != SL_OK, "a filter failed without a word");
    if (n > 0) {
        memcpy(door->bytes + stream->offset, data, (size_t)n);
        stream->offset += (uint64_t)n;
    }
    stream->cut_off = n < 0 && door->source.cut_off;
    return n;
}

static ssize_t read_door_at(struct stream *stream, uint64_t at, void *data, size_t cap, sl_error *err) {
    struct door *door = (struct door *)stream;
    size_t n = at < stream->nbytes ? (size_t)(stream->nbytes - at) : 0;
    (void)err;
    n = n < cap ? n : cap;
    n = n < door->step ? n : door->step;
    memcpy(data, door->source.window + at, n);
    return (ssize_t)n;
}

/* What the first byte chooses from; a number keeps its meaning, the corpus knows it. */
static const struct container_ops *const containers[] = {&container_tar,
                                                         &container_file,
                                                         &container_jsonl,
                                                         &container_csv,
                                                         &container_npy,
                                                         &container_npz,
                                                         &container_json,
                                                         &container_text,
                                                         &container_zip,
                                                         &container_tfrecord,
                                                         &container_recordio_protobuf,
                                                         &container_libsvm};

struct result {
    uint64_t hashes[MAX_RECORDS];
    size_t count;
    sl_status status;
};

static uint64_t mix(uint64_t hash, const void *data, size_t nbytes) { /* FNV-1a */
    for (size_t i = 0; i < nbytes; i++)
        hash = (hash ^ ((const unsigned char *)data)[i]) * 1099511628211u;
    return hash;
}

static uint64_t hash_record(const struct container_ops *ops, const struct block *block, uint32_t i,
                            const struct door *door) {
    const struct cut *cut = &block->cuts[i];
    sl_field fields[BLOCK_MAX_SAMPLE_FIELDS];
    sl_record record;
    block_record(block, i, fields, &record);
    uint64_t end = door->stream.read_at ? door->stream.nbytes : door->stream.offset;
    require(record.offset + record.length <= end, "a slice lies outside the stream");
    require((size_t)cut->start + cut->nbytes <= block->size, "a record lies outside its block");
    if (!cut->reject_code && block->kind != SL_RECORD_FIELDS && block->kind != SL_RECORD_ARRAYS) {
        bool parts = ops == &container_recordio_protobuf && record.bytes.nbytes != record.length;
        require(parts || record.bytes.nbytes == record.length, "a good record is not as long as its slice");
        require(parts || !memcmp(record.bytes.data, door->bytes + record.offset, record.bytes.nbytes),
                "a good record is not its slice");
    }
    uint64_t hash = mix(14695981039346656037u, &record.offset, sizeof record.offset);
    hash = mix(hash, &record.length, sizeof record.length);
    hash = mix(hash, record.key.data, record.key.nbytes);
    if (cut->reject_code)
        return mix(hash, cut->reject_code, strlen(cut->reject_code));
    hash = mix(hash, record.bytes.data, record.bytes.nbytes);
    for (size_t k = 0; k < record.field_count; k++) {
        hash = mix(hash, fields[k].name.data, fields[k].name.nbytes);
        hash = mix(hash, fields[k].data.data, fields[k].data.nbytes);
    }
    return hash;
}

static void run(struct result *result, const struct container_ops *ops, struct door *door,
                const struct container_options *options, struct block *block, uint64_t skip) {
    struct container *container;
    sl_error err = {0};
    result->count = 0;
    require(door->filter_ops->start(door->filter, &err) == SL_OK, err.text);
    require(ops->open(&container, options, &err) == SL_OK, err.text);
    uint64_t last = 0;
    result->status = ops->start(container, &door->stream, "dir/shard", skip, &err);
    require(result->status == err.status, "a container did not start without a word");
    while (result->status == SL_OK) {
        block_reset(block);
        block->kind = ops->kind;
        result->status = ops->next(container, block, &err);
        require(result->status == SL_OK || (err.status == result->status && !block->cut_count),
                "a container failed without a word, or with records");
        for (uint32_t i = 0; i < block->cut_count && result->count < MAX_RECORDS; i++) {
            require(block->cuts[i].offset >= last, "records are out of order");
            last = block->cuts[i].offset;
            result->hashes[result->count++] = hash_record(ops, block, i, door);
        }
        if (!block->cut_count || result->count >= MAX_RECORDS)
            break;
    }
    ops->close(container);
}

static void begin(struct door *door, const uint8_t *data, size_t nbytes, size_t step) {
    memcpy(door->source.window, data, nbytes);
    door->source = (struct source){
        .fd = -1, .offset = nbytes, .window = door->source.window, .end = nbytes, .at_end = true};
    door->stream = (struct stream){.read = read_door};
    if (door->filter_ops == &filter_none) {
        door->stream.read_at = read_door_at;
        memcpy(door->bytes, data, nbytes);
        door->stream.nbytes = nbytes;
    }
    door->step = step;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes) {
    static struct result whole, small, resumed;
    static struct block large_block, small_block;
    static struct door door;
    sl_error err = {0};
    if (nbytes < 2 || nbytes > 1u << 20)
        return 0;
    size_t which = (data[0] & 3u) + 4u * (data[0] >> 6);
    const struct container_ops *ops = containers[which % (sizeof containers / sizeof *containers)];
    struct container_options options = {.csv_header = data[0] >> 5 & 1,
                                        .csv_delimiter = ',',
                                        .max_record_nbytes = 1 + (size_t)data[1] * data[1],
                                        .allow_truncated = data[0] >> 4 & 1};
    door.filter_ops = filter_table[(data[0] >> 2 & 3) % 3];
    door.bytes = malloc(MAX_STREAM);
    door.source.window = malloc(nbytes);
    require(door.bytes && door.source.window, "out of memory");
    require(door.filter_ops->open(&door.filter, &err) == SL_OK, err.text);
    if (!large_block.data) {
        require(block_open(&large_block, 1u << 16, 1u << 20, 1u << 14, 4096, &err) == SL_OK, err.text);
        require(block_open(&small_block, 50, 1u << 20, 3, 70, &err) == SL_OK, err.text);
    }
    begin(&door, data + 2, nbytes - 2, MAX_STREAM);
    run(&whole, ops, &door, &options, &large_block, 0);
    begin(&door, data + 2, nbytes - 2, 1 + data[1] % 13);
    run(&small, ops, &door, &options, &small_block, 0);
    bool stopped = whole.count == MAX_RECORDS;
    require(whole.count == small.count && (stopped || whole.status == small.status),
            "the number of records depends on blocks and reads");
    require(!memcmp(whole.hashes, small.hashes, whole.count * sizeof *whole.hashes),
            "records depend on blocks and reads");
    size_t skip = whole.count / 2;
    begin(&door, data + 2, nbytes - 2, MAX_STREAM);
    run(&resumed, ops, &door, &options, &small_block, skip);
    require(stopped || (resumed.count == whole.count - skip && resumed.status == whole.status),
            "the number of records depends on where the shard is resumed");
    require(stopped || !memcmp(whole.hashes + skip, resumed.hashes, resumed.count * sizeof *whole.hashes),
            "records depend on where the shard is resumed");
    door.filter_ops->close(door.filter);
    free(door.source.window);
    free(door.bytes);
    return 0;
}
