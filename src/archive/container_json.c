/* container_json.c: JSON documents as people send them to models: an array of records, or an object whose
 * "instances" or "inputs" is such an array; the object's other members are passed over. An object without
 * such a member is a record itself, and more of them may follow. Cut as the bytes come, whatever the
 * document's size: what is between the brackets of a record is the decoder's business, here only strings and
 * brackets count. */
#include <string.h>

#include "archive/content.h"
#include "archive/range.h"
#include "support/mem.h"

#define WINDOW_NBYTES (64u << 10)
#define HEAD_NBYTES 512u /* enough to tell what is no text */
#define KEY_NBYTES 10u   /* longer than any key that matters */

enum where {
    BEFORE,     /* a document */
    IN_OBJECT,  /* which may be a record, or hold records */
    IN_REST,    /* of an object that held records: nothing in it is one */
    LIST_BEGIN, /* behind '[' */
    LIST_NEXT,  /* behind ',' */
    IN_VALUE,   /* a record with brackets or quotes */
    IN_SCALAR,  /* a record without */
    LIST_AFTER, /* behind a record: ',' or ']' */
    AFTER_ARRAY /* nothing may follow */
};

struct container {
    struct container_options options;
    struct range in;
    /* of the shard at hand */
    enum where where;
    uint64_t skip;
    bool begun, any_document, at_end;
    bool in_document; /* the list at hand is a member of an object */
    sl_error damage;
    /* of the value at hand */
    uint64_t depth;
    bool in_string, escaped;
    bool key_due, in_key, list_due; /* of an object, at its own level */
    char key[KEY_NBYTES];
    size_t key_nbytes;
    uint64_t value_at;
    size_t start; /* in the block */
    bool held;    /* its bytes are kept: not passed over, not too long */
};

static sl_status open_json(struct container **out, const struct container_options *options, sl_error *err) {
    struct container *c = mem_alloc(1, sizeof *c);
    if (c)
        c->in.window = mem_map(WINDOW_NBYTES);
    if (!c || !c->in.window) {
        mem_free(c);
        return error_set(err, SL_E_MEMORY, "out of memory for the JSON container");
    }
    c->in.cap = WINDOW_NBYTES;
    c->options = *options;
    *out = c;
    return SL_OK;
}

static void close_json(struct container *c) {
    if (c)
        mem_unmap(c->in.window, WINDOW_NBYTES);
    mem_free(c);
}

static sl_status start_json(struct container *c, struct stream *stream, const char *shard_name,
                            uint64_t skip_records, sl_error *err) {
    (void)shard_name;
    (void)err;
    *c = (struct container){.options = c->options, .in = c->in, .skip = skip_records};
    range_begin(&c->in, stream, 0, stream->read_at ? stream->nbytes : RANGE_OPEN_END);
    return SL_OK;
}

/* ---- records
 * -------------------------------------------------------------------------------------------------- */

/* A record, or what may be one, begins where the range is. */
static void begin_value(struct container *c, const struct block *block) {
    c->value_at = range_position(&c->in);
    c->start = block->size;
    c->held = c->skip == 0;
    c->depth = 0;
    c->in_string = c->escaped = false;
}

static void hold(struct container *c, struct block *block, const unsigned char *data, size_t nbytes) {
    if (!c->held)
        return;
    size_t used = block->size - c->start;
    if (nbytes > c->options.max_record_nbytes - used || nbytes > block->cap - block->size) {
        c->held = false;
        block->size = c->start;
        return;
    }
    memcpy(block->data + block->size, data, nbytes);
    block->size += nbytes;
}

/* The value ends where the range is. */
static void end_value(struct container *c, struct block *block, const char *code, const char *reason) {
    if (c->skip) {
        c->skip--;
        return;
    }
    if (!c->held && !code) {
        code = "too-long";
        reason = "record is longer than is allowed (--max-record-size)";
    }
    if (code)
        block->size = c->start;
    block->cuts[block->cut_count++] = (struct cut){.offset = c->value_at,
                                                   .length = range_position(&c->in) - c->value_at,
                                                   .start = (uint32_t)c->start,
                                                   .nbytes = (uint32_t)(block->size - c->start),
                                                   .reject_code = code,
                                                   .reject_reason = reason};
}

/* ---- bytes
 * -------------------------------------------------------------------------------------------------- */

static bool is_blank(unsigned char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Bytes that neither open nor close anything. In a string only its end and the escape do. */
static size_t plain_run(const unsigned char *p, size_t nbytes, bool in_string) {
    static const bool special[2][256] = {
        {['"'] = true, ['['] = true, [']'] = true, ['{'] = true, ['}'] = true},
        {['"'] = true, ['\\'] = true}};
    const bool *stop = special[in_string];
    size_t n = 0;
    for (; n + 4 <= nbytes; n += 4)
        if (stop[p[n]] | stop[p[n + 1]] | stop[p[n + 2]] | stop[p[n + 3]])
            break;
    while (n < nbytes && !stop[p[n]])
        n++;
    return n;
}

/* One byte of a value with brackets or quotes; true when it was its last. */
static bool step(struct container *c, unsigned char byte) {
    if (c->in_string) {
        c->in_string = c->escaped || byte != '"';
        c->escaped = !c->escaped && byte == '\\';
        return !c->in_string && c->depth == 0;
    }
    if (byte == '"')
        c->in_string = true;
    else if (byte == '{' || byte == '[')
        c->depth++;
    else if (byte == '}' || byte == ']')
        c->depth--;
    return c->depth == 0 && !c->in_string;
}

/* Where a record stands: up to its end, or the window's. */
static void take_value(struct container *c, struct block *block) {
    const unsigned char *p = c->in.window + c->in.start;
    size_t nbytes = c->in.stop - c->in.start, n = 0;
    bool ends = false;
    while (n < nbytes && !ends) {
        if (!c->escaped)
            n += plain_run(p + n, nbytes - n, c->in_string);
        if (n < nbytes)
            ends = step(c, p[n++]);
    }
    hold(c, block, p, n);
    c->in.start += n;
    if (!ends)
        return;
    c->where = LIST_AFTER;
    end_value(c, block, NULL, NULL);
}

static void take_scalar(struct container *c, struct block *block) {
    const unsigned char *p = c->in.window + c->in.start;
    size_t nbytes = c->in.stop - c->in.start, n = 0;
    while (n < nbytes && !is_blank(p[n]) && p[n] != ',' && p[n] != ']' && p[n] != '}')
        n++;
    hold(c, block, p, n);
    c->in.start += n;
    if (n == nbytes)
        return;
    c->where = LIST_AFTER;
    end_value(c, block, NULL, NULL);
}

static bool holds_records(const struct container *c) {
    return (c->key_nbytes == 9 && !memcmp(c->key, "instances", 9)) ||
           (c->key_nbytes == 6 && !memcmp(c->key, "inputs", 6));
}

/* The members of the object itself: which key stands in front of which value. True when its records begin. */
static bool watch(struct container *c, unsigned char byte) {
    if (c->in_key) {
        c->in_key = c->in_string;
        if (c->in_key && c->key_nbytes < KEY_NBYTES)
            c->key[c->key_nbytes++] = (char)byte;
        return false;
    }
    if (c->depth == 2 && c->list_due && byte == '[' && !c->in_string)
        return true;
    if (c->depth > 1 || is_blank(byte))
        return false;
    if (byte == '"' && c->key_due) {
        c->in_key = true;
        c->key_nbytes = 0;
    }
    c->list_due = byte == ':' && !c->in_string && c->key_due == false && holds_records(c);
    c->key_due = byte == '{' || byte == ',';
    return false;
}

/* An object that is no element of a list. */
static void take_object(struct container *c, struct block *block) {
    const unsigned char *p = c->in.window + c->in.start;
    size_t nbytes = c->in.stop - c->in.start, n = 0;
    bool ends = false, list = false;
    while (n < nbytes && !ends && !list) {
        bool was_string = c->in_string;
        ends = step(c, p[n]);
        if (!was_string || c->in_key)
            list = watch(c, p[n]);
        n++;
    }
    if (!list && c->where == IN_OBJECT)
        hold(c, block, p, n);
    c->in.start += n;
    if (list) {
        block->size = c->where == IN_OBJECT ? c->start : block->size;
        c->where = LIST_BEGIN;
        c->in_document = true;
    } else if (ends) {
        if (c->where == IN_OBJECT)
            end_value(c, block, NULL, NULL);
        c->where = BEFORE;
    }
}

/* ---- between records
 * -------------------------------------------------------------------------------------------------- */

static void bad(struct container *c, const char *what) {
    error_set(&c->damage, SL_E_DATA, "%s at byte %llu of the JSON", what,
              (unsigned long long)range_position(&c->in));
}

/* A document. The byte stays where it is when a value begins with it. */
static void begin_document(struct container *c, const struct block *block, unsigned char byte) {
    if (byte == '{') {
        c->where = IN_OBJECT;
        begin_value(c, block);
        c->key_due = c->in_key = c->list_due = false;
        c->key_nbytes = 0;
    } else if (byte == '[' && !c->any_document) {
        c->where = LIST_BEGIN;
        c->in_document = false;
        c->in.start++;
    } else {
        bad(c, byte == '[' ? "an array follows an object" : "neither an array nor an object begins");
    }
    c->any_document = true;
}

static void end_list(struct container *c) {
    c->in.start++;
    c->where = c->in_document ? IN_REST : AFTER_ARRAY;
    c->depth = 1;
    c->in_string = c->escaped = c->key_due = c->in_key = c->list_due = false;
}

static void between(struct container *c, const struct block *block) {
    unsigned char byte = c->in.window[c->in.start];
    if (is_blank(byte)) {
        c->in.start++;
    } else if (c->where == BEFORE) {
        begin_document(c, block, byte);
    } else if (c->where == AFTER_ARRAY) {
        bad(c, byte == '[' || byte == '{'
                   ? "another document follows (JSON Lines are read with --content-type "
                     "application/jsonlines)"
                   : "something follows the array");
    } else if (byte == ']' && c->where != LIST_NEXT) {
        end_list(c);
    } else if (c->where == LIST_AFTER) {
        c->where = LIST_NEXT;
        if (byte != ',')
            bad(c, "',' or ']' is missing");
        else
            c->in.start++;
    } else if (byte == ',' || byte == ']' || byte == '}' || byte == ':') {
        bad(c, "a record is missing");
    } else {
        begin_value(c, block);
        c->where = byte == '{' || byte == '[' || byte == '"' ? IN_VALUE : IN_SCALAR;
    }
}

/* The first bytes: no mark of byte order, no archive, no picture. */
static void begin(struct container *c) {
    size_t nbytes = range_ensure(&c->in, HEAD_NBYTES);
    const unsigned char *head = c->in.window + c->in.start;
    const char *what = content_refused(head, nbytes);
    c->begun = true;
    if (what)
        error_set(&c->damage, SL_E_DATA, "it is %s", what);
    if (nbytes >= 3 && !memcmp(head, "\xef\xbb\xbf", 3))
        c->in.start += 3;
}

/* The stream has ended, or broken. */
static void finish(struct container *c, struct block *block, bool broken) {
    bool clean = c->where == BEFORE || c->where == AFTER_ARRAY;
    bool inside = c->where == IN_OBJECT || c->where == IN_VALUE || c->where == IN_SCALAR;
    c->at_end = true;
    if (!broken && clean)
        return;
    if (!broken)
        error_set(&c->damage, SL_E_DATA, "the JSON is cut off at byte %llu",
                  (unsigned long long)range_position(&c->in));
    if (!c->options.allow_truncated || (broken && !c->in.stream->cut_off)) {
        block->size = inside ? c->start : block->size;
        return;
    }
    c->damage.status = SL_OK;
    if (inside)
        end_value(c, block, "truncated", "the shard is cut off inside this record");
}

static void advance(struct container *c, struct block *block) {
    switch (c->where) {
    case IN_OBJECT:
    case IN_REST:
        take_object(c, block);
        break;
    case IN_VALUE:
        take_value(c, block);
        break;
    case IN_SCALAR:
        take_scalar(c, block);
        break;
    default:
        between(c, block);
    }
}

static bool is_inside(const struct container *c) {
    return c->where == IN_OBJECT || c->where == IN_VALUE || c->where == IN_SCALAR;
}

static sl_status next_json(struct container *c, struct block *block, sl_error *err) {
    while (!c->at_end && c->damage.status == SL_OK) {
        bool full = block->cut_count && (block->cut_count == block->max_cuts || block->size >= block->target);
        if (full && !is_inside(c))
            break;
        ssize_t held = range_fill(&c->in, &c->damage);
        if (held <= 0) {
            finish(c, block, held < 0);
            break;
        }
        if (!c->begun)
            begin(c);
        if (c->damage.status == SL_OK && c->in.start < c->in.stop)
            advance(c, block);
    }
    if (block->cut_count || c->damage.status == SL_OK)
        return SL_OK;
    if (err)
        *err = c->damage;
    return c->damage.status;
}

static sl_slice header(const struct container *c) {
    (void)c;
    return (sl_slice){NULL, 0};
}

/* An array of objects, an object that begins with its records, or a document of several lines. */
static bool matches(const unsigned char *head, size_t nbytes) {
    size_t at = nbytes >= 3 && !memcmp(head, "\xef\xbb\xbf", 3) ? 3 : 0;
    while (at < nbytes && is_blank(head[at]))
        at++;
    if (at == nbytes || (head[at] != '{' && head[at] != '[') || !content_is_text(head, nbytes))
        return false;
    unsigned char open = head[at++];
    const unsigned char *feed = memchr(head + at, '\n', nbytes - at);
    size_t end = feed ? (size_t)(feed - head) : nbytes;
    while (end > at && is_blank(head[end - 1]))
        end--;
    bool whole_line = head[end - 1] == (open == '{' ? '}' : ']') && end > at;
    while (at < nbytes && is_blank(head[at]))
        at++;
    const char *rest = (const char *)head + at;
    size_t left = nbytes - at;
    if (open == '[')
        return (left && *rest == '{') || (feed && !whole_line);
    return (left > 11 && !memcmp(rest, "\"instances\"", 11)) ||
           (left > 8 && !memcmp(rest, "\"inputs\"", 8)) || (feed && !whole_line);
}

static const char *const types[] = {"application/json", NULL};
static const char *const suffixes[] = {".json", NULL};

const struct container_ops container_json = {.name = "json",
                                             .content_types = types,
                                             .suffixes = suffixes,
                                             .matches = matches,
                                             .kind = SL_RECORD_JSON,
                                             .state_nbytes = WINDOW_NBYTES,
                                             .take_records = 128,
                                             .open = open_json,
                                             .start = start_json,
                                             .next = next_json,
                                             .header = header,
                                             .close = close_json};
