/* lines.c: the record scanner. Where there is no quote it is memchr for '\n' and nothing else; the first
 * quote and the first NUL ahead are remembered, so every byte is looked at three times by memchr at most. */
#include "archive/lines.h"

#include <string.h>

#include "archive/content.h"
#include "support/mem.h"

#define CHUNK_NBYTES (64u << 10) /* read at a time: stays in the cache between read and scan */
#define HEAD_NBYTES 512u         /* enough to tell what is no text */
#define LINE_END_NBYTES 2u

/* The next one of a certain byte, remembered. */
struct finder {
    size_t at, searched; /* none between what was searched before and `searched`, but at `at` when found */
    bool found;
};

/* One call's view of its block. */
struct scan {
    struct block *block;
    char *data;
    size_t size;            /* bytes in data */
    size_t pos;             /* where the unfinished record begins */
    size_t looked;          /* no end of it before this */
    enum quote_state state; /* at `looked` */
    uint64_t base;          /* offset in the shard of data[0], as seen from pos on */
    struct finder quote, nul;
};

sl_status lines_open(struct lines *l, const struct container_options *options, bool quotes, bool spaces_blank,
                     sl_error *err) {
    *l = (struct lines){.max_record = options->max_record_nbytes,
                        .allow_truncated = options->allow_truncated,
                        .with_header = options->csv_header,
                        .quotes = quotes,
                        .spaces_blank = spaces_blank,
                        .comment = options->csv_comment,
                        .quote = options->csv_quote ? options->csv_quote : '"',
                        .delimiter = options->csv_delimiter ? options->csv_delimiter : ',',
                        .tail_cap = options->max_record_nbytes + CHUNK_NBYTES + 2 * HEAD_NBYTES};
    l->tail = mem_map(l->tail_cap);
    l->header = mem_map(LINES_HEADER_NBYTES);
    if (l->tail && l->header)
        return SL_OK;
    lines_close(l);
    return error_set(err, SL_E_MEMORY, "out of memory for the record scanner");
}

void lines_close(struct lines *l) {
    mem_unmap(l->tail, l->tail_cap);
    mem_unmap(l->header, LINES_HEADER_NBYTES);
    l->tail = l->header = NULL;
}

void lines_start(struct lines *l, struct stream *stream, uint64_t skip_records) {
    l->stream = stream;
    l->tail_start = l->tail_end = l->header_nbytes = 0;
    l->offset = 0;
    l->skip = skip_records;
    l->header_due = l->with_header;
    l->begun = l->at_end = l->refused = l->dropping = false;
    l->damage.status = SL_OK;
}

/* ---- where a record ends
 * -------------------------------------------------------------------------------------------------- */

static size_t find_byte(struct finder *f, char byte, const struct scan *s, size_t from) {
    if (f->found && f->at >= from)
        return f->at;
    size_t start = f->searched > from ? f->searched : from;
    const char *p = start < s->size ? memchr(s->data + start, byte, s->size - start) : NULL;
    f->found = p != NULL;
    f->at = p ? (size_t)(p - s->data) : s->size;
    f->searched = p ? f->at + 1 : s->size;
    return f->at;
}

/* Walks field by field from `looked`. Only a quote that is the first byte of a field opens it: an inch mark
 * or a stray quote elsewhere costs its own row, not the rest of the shard. */
static bool walk(const struct lines *l, struct scan *s, size_t *end) {
    const char *data = s->data;
    enum quote_state state = s->state;
    size_t i = s->looked;
    for (; i < s->size; i++) {
        char c = data[i];
        if (state == FIELD_QUOTED) {
            const char *quote = memchr(data + i, l->quote, s->size - i);
            i = quote ? (size_t)(quote - data) : s->size - 1;
            state = quote ? QUOTE_IN_QUOTED : FIELD_QUOTED;
        } else if (c == '\n') {
            break;
        } else if (c == l->delimiter) {
            state = FIELD_START;
        } else {
            state = c == l->quote && state != FIELD_BARE ? FIELD_QUOTED : FIELD_BARE;
        }
    }
    s->state = state;
    s->looked = *end = i;
    return i < s->size;
}

/* Whether the unfinished record is a comment, where quotes mean nothing. */
static bool is_comment(const struct lines *l, const struct scan *s) {
    if (!l->comment)
        return false;
    return l->dropping ? l->drop_comment : s->pos < s->size && s->data[s->pos] == l->comment;
}

/* Where the '\n' is that ends the unfinished record; false when it is not here yet. */
static bool find_end(const struct lines *l, struct scan *s, size_t *end) {
    if (s->state == LINE) {
        const char *feed = memchr(s->data + s->looked, '\n', s->size - s->looked);
        size_t stop = feed ? (size_t)(feed - s->data) : s->size;
        if (!l->quotes || is_comment(l, s) || find_byte(&s->quote, l->quote, s, s->pos) >= stop) {
            s->looked = *end = stop;
            return feed != NULL;
        }
        s->state = FIELD_START;
        s->looked = s->pos;
    }
    return walk(l, s, end);
}

/* ---- what becomes of it
 * -------------------------------------------------------------------------------------------------- */

static void take_header(struct lines *l, const struct scan *s, size_t nbytes, const char *reason) {
    l->header_due = false;
    if (!reason && nbytes <= LINES_HEADER_NBYTES) {
        memcpy(l->header, s->data + s->pos, nbytes);
        l->header_nbytes = nbytes;
        return;
    }
    l->refused = true;
    error_set(&l->damage, SL_E_DATA, "its header row cannot be used: %s",
              reason ? reason : "it is longer than 1 MiB");
}

/* `nbytes` from pos on are held of a record of `length` bytes. */
static void deliver(struct lines *l, struct scan *s, uint64_t offset, uint64_t length, size_t nbytes,
                    const char *code, const char *reason) {
    if (l->header_due) {
        take_header(l, s, nbytes, reason);
        return;
    }
    if (l->skip) {
        l->skip--;
        return;
    }
    s->block->cuts[s->block->cut_count++] = (struct cut){.offset = offset,
                                                         .length = length,
                                                         .start = (uint32_t)s->pos,
                                                         .nbytes = (uint32_t)nbytes,
                                                         .reject_code = code,
                                                         .reject_reason = reason};
}

static void deliver_dropped(struct lines *l, struct scan *s, size_t end, const char *code,
                            const char *reason) {
    bool cr = end > s->pos ? s->data[end - 1] == '\r' : l->drop_cr;
    l->dropping = false;
    deliver(l, s, l->drop_offset, s->base + end - l->drop_offset - cr, 0, code, reason);
}

static bool is_blank(const struct lines *l, const char *p, size_t nbytes) {
    if (!l->spaces_blank)
        return nbytes == 0;
    while (nbytes && (*p == ' ' || *p == '\t')) {
        p++;
        nbytes--;
    }
    return nbytes == 0;
}

static const char too_long[] = "record is longer than is allowed (--max-record-size)";

static void finish_record(struct lines *l, struct scan *s, size_t end) {
    if (l->dropping) {
        deliver_dropped(l, s, end, "too-long", too_long);
        return;
    }
    size_t stop = end > s->pos && s->data[end - 1] == '\r' ? end - 1 : end, nbytes = stop - s->pos;
    if (nbytes > l->max_record) /* even of blanks: whether it was seen whole depends on the block */
        deliver(l, s, s->base + s->pos, nbytes, 0, "too-long", too_long);
    else if (is_blank(l, s->data + s->pos, nbytes) || is_comment(l, s))
        return;
    else if (find_byte(&s->nul, 0, s, s->pos) < stop)
        deliver(l, s, s->base + s->pos, nbytes, nbytes, "nul-byte", "record holds a NUL byte");
    else
        deliver(l, s, s->base + s->pos, nbytes, nbytes, NULL, NULL);
}

static void cut_records(struct lines *l, struct scan *s) {
    size_t end;
    while (s->block->cut_count < s->block->max_cuts && !l->refused && find_end(l, s, &end)) {
        finish_record(l, s, end);
        s->pos = s->looked = end + 1;
        s->state = LINE;
    }
}

/* What the shard ends with: a record without a line end, or one that can never end. */
static void finish_shard(struct lines *l, struct scan *s) {
    bool any = l->dropping || s->size > s->pos;
    if (l->damage.status != SL_OK) {
        if (!l->refused && l->stream->cut_off && l->allow_truncated) {
            l->damage.status = SL_OK;
            if (l->dropping)
                deliver_dropped(l, s, s->size, "truncated", "the shard is cut off inside this record");
            else if (any)
                deliver(l, s, s->base + s->pos, s->size - s->pos, 0, "truncated",
                        "the shard is cut off inside this record");
        }
    } else if (any && s->state == FIELD_QUOTED) {
        uint64_t offset = l->dropping ? l->drop_offset : s->base + s->pos;
        l->dropping = false;
        deliver(l, s, offset, s->base + s->size - offset, 0, "unclosed-quote",
                "a quoted field is never closed: the rest of the shard is in it");
    } else if (any) {
        finish_record(l, s, s->size);
    }
    l->at_end = true;
    l->dropping = false;
    s->pos = s->size;
}

/* ---- bytes into the block
 * -------------------------------------------------------------------------------------------------- */

/* Forgets the bytes of an unfinished record that is too long already. */
static void drop_long(struct lines *l, struct scan *s) {
    size_t held = s->size - s->pos, end;
    if (!l->dropping && held < l->max_record + LINE_END_NBYTES)
        return;
    if (!l->dropping) {
        l->drop_comment = is_comment(l, s);
        l->dropping = true;
        l->drop_offset = s->base + s->pos;
        if (l->quotes && s->state == LINE &&
            !l->drop_comment) { /* from here on the state is all there is of it */
            s->state = FIELD_START;
            s->looked = s->pos;
            walk(l, s, &end);
        }
    }
    if (!held)
        return;
    l->drop_cr = s->data[s->size - 1] == '\r';
    s->base += held;
    s->size = s->looked = s->pos;
    s->quote = s->nul = (struct finder){0};
}

/* Nothing was cut from this block yet, so what lies before the unfinished record is of no use. */
static void compact(struct scan *s) {
    memmove(s->data, s->data + s->pos, s->size - s->pos);
    s->base += s->pos;
    s->size -= s->pos;
    s->looked -= s->pos;
    s->pos = 0;
    s->quote = s->nul = (struct finder){0};
}

/* More bytes; false at the end, or with l->damage set. */
static bool fill(struct lines *l, struct scan *s) {
    struct block *block = s->block;
    size_t room = block->target > s->size ? block->target - s->size : CHUNK_NBYTES;
    room = room < CHUNK_NBYTES ? room : CHUNK_NBYTES;
    room = room < block->cap - s->size ? room : block->cap - s->size;
    size_t held = l->tail_end - l->tail_start;
    if (held) {
        room = room < held ? room : held;
        memcpy(s->data + s->size, l->tail + l->tail_start, room);
        l->tail_start += room;
    } else {
        if (l->at_end || l->damage.status != SL_OK)
            return false;
        if (!room) {
            error_set(&l->damage, SL_E_INTERNAL, "a record does not fit a block of %zu bytes", block->cap);
            return false;
        }
        ssize_t n = l->stream->read(l->stream, s->data + s->size, room, &l->damage);
        if (n <= 0)
            return false;
        room = (size_t)n;
    }
    s->size += room;
    block->size = s->size > block->size ? s->size : block->size;
    return true;
}

/* The stream's first bytes. A mark of byte order belongs to no record; what is no text is refused at once,
 * rather than in a million rejects. */
static void begin(struct lines *l, struct scan *s) {
    l->begun = true;
    const char *what = content_refused((const unsigned char *)s->data, s->size);
    if (what && l->damage.status == SL_OK) {
        l->refused = true;
        error_set(&l->damage, SL_E_DATA, "it is %s", what);
    }
    if (s->size >= 3 && !memcmp(s->data, "\xef\xbb\xbf", 3))
        s->pos = s->looked = 3;
}

/* What was read and not cut waits for the next block. */
static void keep_tail(struct lines *l, const struct scan *s) {
    size_t rest = s->size - s->pos;
    l->offset = s->base + s->pos;
    l->drop_state = s->state;
    if (l->tail_start < l->tail_end) { /* it all came from there, and there it still is */
        l->tail_start -= rest;
        return;
    }
    memcpy(l->tail, s->data + s->pos, rest);
    l->tail_start = 0;
    l->tail_end = rest;
}

sl_status lines_next(struct lines *l, struct block *block, sl_error *err) {
    struct scan s = {.block = block, .data = block->data, .base = l->offset};
    s.state = l->dropping ? l->drop_state : LINE;
    for (;;) {
        bool more = fill(l, &s);
        if (!l->begun && (!more || s.size >= HEAD_NBYTES))
            begin(l, &s);
        if (l->begun)
            cut_records(l, &s);
        if (block->cut_count == block->max_cuts)
            break;
        if (!more || l->refused) {
            finish_shard(l, &s);
            break;
        }
        if (l->begun)
            drop_long(l, &s);
        if (block->cut_count && (s.size >= block->target || l->dropping))
            break;
        if (!block->cut_count && s.pos && l->begun)
            compact(&s);
    }
    keep_tail(l, &s);
    if (block->cut_count || l->damage.status == SL_OK)
        return SL_OK;
    if (err)
        *err = l->damage;
    return l->damage.status;
}
