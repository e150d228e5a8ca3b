/* lines.c: the record scanner. Where a stretch holds no quote, it is memchr for '\n' and nothing else. */
#include "archive/lines.h"

#include <string.h>

#include "support/mem.h"

/* A cutter never holds more than a block's worth and the longest record. */
#define READ_AHEAD (1u << 20)

sl_status lines_open(struct lines *l, const struct container_options *options, bool quotes, sl_error *err) {
    *l = (struct lines){
        .options = *options, .quotes = quotes, .tail_cap = options->max_record_nbytes + READ_AHEAD};
    l->tail = mem_map(l->tail_cap);
    l->header = mem_map(HEADER_NBYTES);
    if (l->tail && l->header)
        return SL_OK;
    lines_close(l);
    return error_set(err, SL_E_MEMORY, "out of memory for the record scanner");
}

void lines_close(struct lines *l) {
    mem_unmap(l->tail, l->tail_cap);
    mem_unmap(l->header, HEADER_NBYTES);
    l->tail = l->header = NULL;
}

void lines_start(struct lines *l, struct stream *stream, uint64_t skip_records) {
    l->stream = stream;
    l->tail_nbytes = l->scanned = l->header_nbytes = 0;
    l->offset = l->index = l->skipped_nbytes = 0;
    l->skip = skip_records;
    l->want_header = l->options.csv_header;
    l->started = l->at_end = l->skipping = false;
    l->field = FIELD_START;
    l->damage.status = SL_OK;
}

/* The '\n' that ends the record that began at `p`, or NULL; remembers how far it looked. */
static char *find_end(struct lines *l, char *p, char *end) {
    char *q = p + l->scanned;
    bool plain = !l->quotes || (l->field != FIELD_QUOTED && l->field != FIELD_QUOTE);
    if (plain) {
        char *found = memchr(q, '\n', (size_t)(end - q));
        char *stop = found ? found : end;
        if (!l->quotes || !memchr(q, '"', (size_t)(stop - q))) {
            if (stop > q) /* only whether a field begins matters later */
                l->field = stop[-1] == l->options.csv_delimiter ? FIELD_START : FIELD_PLAIN;
            l->scanned = (size_t)(stop - p);
            return found;
        }
    }
    for (; q < end; q++) {
        if (*q == '\n' && l->field != FIELD_QUOTED)
            break;
        switch (l->field) {
        case FIELD_START:
            l->field = *q == '"' ? FIELD_QUOTED : *q == l->options.csv_delimiter ? FIELD_START : FIELD_PLAIN;
            break;
        case FIELD_PLAIN:
            if (*q == l->options.csv_delimiter)
                l->field = FIELD_START;
            break;
        case FIELD_QUOTED:
            if (*q == '"')
                l->field = FIELD_QUOTE; /* its end, or the first of two */
            break;
        case FIELD_QUOTE:
            l->field = *q == '"' ? FIELD_QUOTED : *q == l->options.csv_delimiter ? FIELD_START : FIELD_PLAIN;
            break;
        }
    }
    l->scanned = (size_t)(q - p);
    return q < end ? q : NULL;
}

static void begin_record(struct lines *l) {
    l->scanned = 0;
    l->field = FIELD_START;
    l->skipping = false;
    l->skipped_nbytes = 0;
}

/* One record of `nbytes` bytes at block->data + start (or dropped), first byte at `offset`. */
static void add_record(struct lines *l, struct block *block, size_t start, size_t nbytes, uint64_t offset,
                       const char *code, const char *reason) {
    uint64_t length = l->skipped_nbytes + nbytes;
    if (l->want_header && !code) {
        l->want_header = false;
        l->header_nbytes = nbytes < HEADER_NBYTES ? nbytes : HEADER_NBYTES;
        memcpy(l->header, block->data + start, l->header_nbytes);
        return;
    }
    if (l->index++ < l->skip)
        return;
    if (!block->cut_count)
        block->first_record = l->index - 1;
    block->cuts[block->cut_count++] = (struct cut){.offset = offset,
                                                   .length = length,
                                                   .start = (uint32_t)start,
                                                   .nbytes = code ? 0 : (uint32_t)nbytes,
                                                   .reject_code = code,
                                                   .reject_reason = reason};
}

/* A record of bytes [start, end) that ended in '\n' or at the end of the stream. */
static void end_record(struct lines *l, struct block *block, size_t start, size_t end, uint64_t offset) {
    size_t nbytes = end - start;
    if (nbytes && block->data[end - 1] == '\r')
        nbytes--;
    if (!nbytes && !l->skipping) /* a blank line */
        return;
    if (l->skipping || nbytes > l->options.max_record_nbytes) {
        add_record(l, block, start, nbytes, offset - l->skipped_nbytes, "too-long",
                   "record is longer than --max-record-size");
        return;
    }
    add_record(l, block, start, nbytes, offset, NULL, NULL);
}

/* Cuts what is whole in [pos, size); returns where the unfinished rest begins. */
static size_t cut_records(struct lines *l, struct block *block, size_t pos) {
    char *data = block->data, *found;
    while (block->cut_count < block->max_cuts &&
           (found = find_end(l, data + pos, data + block->size)) != NULL) {
        size_t end = (size_t)(found - data);
        end_record(l, block, pos, end, l->offset);
        begin_record(l);
        l->offset += end + 1 - pos;
        pos = end + 1;
    }
    return pos;
}

/* The stream's first bytes: a byte order mark belongs to no record. */
static size_t drop_mark(struct lines *l, const struct block *block, size_t pos) {
    if (l->started || block->size - pos < 3)
        return pos;
    l->started = true;
    if (memcmp(block->data + pos, "\xef\xbb\xbf", 3))
        return pos;
    l->offset += 3;
    return pos + 3;
}

/* The rest of a stream that ended well: a last record without line end. */
static void end_stream(struct lines *l, struct block *block, size_t pos) {
    size_t end = block->size;
    if (l->quotes && l->field == FIELD_QUOTED && !l->skipping)
        add_record(l, block, pos, end - pos, l->offset, "unclosed-quote", "a quoted field is never closed");
    else if (end > pos || l->skipping)
        end_record(l, block, pos, end, l->offset);
    l->tail_nbytes = 0;
    l->at_end = true;
}

/* A stream that broke: the torn record is never delivered as a good one. */
static void break_stream(struct lines *l, struct block *block, size_t pos) {
    if (l->options.allow_truncated) {
        if (block->size > pos || l->skipping)
            add_record(l, block, pos, block->size - pos, l->offset - l->skipped_nbytes, "truncated",
                       "the shard is cut off inside this record");
        l->damage.status = SL_OK;
    }
    l->tail_nbytes = 0;
    l->at_end = true;
}

/* The record at hand outgrew the limit: forget its bytes, keep count. The last byte stays, for a '\r'. */
static size_t drop_long(struct lines *l, struct block *block, size_t pos) {
    size_t held = block->size - pos;
    if (held <= l->options.max_record_nbytes + 2)
        return pos;
    l->skipping = true;
    size_t drop = held - 1;
    l->skipped_nbytes += drop;
    l->offset += drop;
    l->scanned -= drop;
    block->data[pos] = block->data[block->size - 1];
    block->size = pos + 1;
    return pos;
}

static void keep_tail(struct lines *l, const struct block *block, size_t pos) {
    l->tail_nbytes = block->size - pos;
    memcpy(l->tail, block->data + pos, l->tail_nbytes);
}

sl_status lines_next(struct lines *l, struct block *block, sl_error *err) {
    size_t pos = 0;
    if (l->damage.status != SL_OK && l->at_end) {
        *err = l->damage;
        return l->damage.status;
    }
    if (l->at_end)
        return SL_OK;
    memcpy(block->data, l->tail, l->tail_nbytes);
    block->size = l->tail_nbytes;
    for (;;) {
        pos = drop_mark(l, block, pos);
        if (l->started || l->at_end)
            pos = cut_records(l, block, pos);
        if (block->cut_count == block->max_cuts || (block->cut_count && block->size >= block->target)) {
            keep_tail(l, block, pos);
            return SL_OK;
        }
        if (!block->cut_count && pos) { /* nothing delivered yet: what was cut was skipped */
            memmove(block->data, block->data + pos, block->size - pos);
            block->size -= pos;
            pos = 0;
        }
        pos = drop_long(l, block, pos);
        size_t room = block->target > block->size ? block->target - block->size : READ_AHEAD / 4;
        if (room > block->cap - block->size)
            room = block->cap - block->size;
        ssize_t n = room ? l->stream->read(l->stream, block->data + block->size, room, &l->damage) : 0;
        if (n > 0) {
            block->size += (size_t)n;
            continue;
        }
        l->started = true;
        pos = cut_records(l, block, pos);
        if (n < 0)
            break_stream(l, block, pos);
        else
            end_stream(l, block, pos);
        if (!block->cut_count && l->damage.status != SL_OK) {
            *err = l->damage;
            return l->damage.status;
        }
        return SL_OK;
    }
}
