/* filter_gzip.c: RFC 1952 through zlib, which checks CRC and length of every member, or member by member
 * through libdeflate where there is room for them, which checks both too and is two to three times as fast.
 * Members follow one another; zeros after the last one are padding (tapes, block devices), anything else is
 * damage. */
#include <string.h>
#include <zlib.h>

#include "archive/gzip_member.h"
#include "support/mem.h"

#define GZIP_ONLY (15 + 16) /* windowBits: the largest window, and the gzip wrapper */

struct filter {
    z_stream z;
    bool in_member;  /* between a member's first byte and its trailer */
    bool had_member; /* at least one was read to its end */
    bool padding;    /* zeros after the last member */
    struct gzip_member member;
    const char *why; /* damage that was met after bytes that were delivered first */
};

static bool matches(const unsigned char *head, size_t nbytes) {
    return nbytes >= 3 && head[0] == 0x1f && head[1] == 0x8b && head[2] == 8;
}

static sl_status open_gzip(struct filter **out, sl_error *err) {
    struct filter *f = mem_alloc(1, sizeof *f);
    if (!f || inflateInit2(&f->z, GZIP_ONLY) != Z_OK) {
        mem_free(f);
        return error_set(err, SL_E_MEMORY, "out of memory for the gzip filter");
    }
    *out = f;
    return SL_OK;
}

static sl_status start_gzip(struct filter *f, sl_error *err) {
    (void)err;
    inflateReset(&f->z);
    gzip_member_start(&f->member);
    f->in_member = f->had_member = f->padding = false;
    f->why = NULL;
    return SL_OK;
}

static int damaged(struct filter *f, const struct source *source, sl_error *err) {
    if (!f->why)
        f->why = f->z.msg ? f->z.msg : "invalid data";
    error_set(err, SL_E_DATA, "gzip stream is damaged at byte %llu: %s",
              (unsigned long long)source_position(source), f->why);
    return -1;
}

static int cut_off(struct source *source, sl_error *err) {
    if (source->error) {
        source_failed(source, err);
        return -1;
    }
    source->cut_off = true;
    error_set(err, SL_E_DATA, "gzip stream is cut off at byte %llu", (unsigned long long)source->offset);
    return -1;
}

/* Between members: 1 when one begins, 0 at the clean end, -1 with err. */
static int next_member(struct filter *f, struct source *source, sl_error *err) {
    while (source_fill(source)) {
        unsigned char c = source->window[source->start];
        if (c == 0 && f->had_member) {
            f->padding = true;
            source->start++;
        } else if (f->padding || (f->had_member && c != 0x1f)) {
            f->why = "bytes follow that are not gzip";
            return damaged(f, source, err);
        } else {
            f->in_member = true;
            return 1;
        }
    }
    return source->error ? cut_off(source, err) : 0;
}

/* Between a member's first byte, which was seen, and any that zlib took. */
static bool begins(const struct filter *f) {
    return f->z.total_in == 0;
}

static ssize_t take_whole(struct gzip_member *m, void *data, size_t room) {
    size_t n = m->end - m->start;
    n = n < room ? n : room;
    memcpy(data, m->bytes + m->start, n);
    m->start += n;
    return (ssize_t)n;
}

static ssize_t read_gzip(struct filter *f, struct source *source, void *data, size_t cap, sl_error *err) {
    const uInt room = cap > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uInt)cap;
    f->z.next_out = data;
    f->z.avail_out = room;
    if (f->why)
        return damaged(f, source, err);
    while (f->z.avail_out == room) {
        if (f->member.start < f->member.end)
            return take_whole(&f->member, data, room);
        int member = f->in_member ? 1 : next_member(f, source, err);
        if (member <= 0)
            return member;
        if (begins(f) && gzip_member_next(&f->member, source)) {
            f->in_member = false;
            f->had_member = true;
            continue;
        }
        bool any = source_fill(source);
        f->z.next_in = source->window + source->start;
        f->z.avail_in = (uInt)(source->end - source->start);
        int rc = inflate(&f->z, Z_NO_FLUSH);
        source->start = source->end - f->z.avail_in;
        if (rc == Z_STREAM_END) {
            f->in_member = false;
            f->had_member = true;
            inflateReset(&f->z);
        } else if (rc == Z_MEM_ERROR) {
            error_set(err, SL_E_MEMORY, "out of memory for the gzip filter");
            return -1;
        } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
            int said = damaged(f, source, err);
            if (f->z.avail_out == room) /* otherwise what was decoded comes first */
                return said;
        } else if (!any && f->z.avail_out == room) {
            return cut_off(source, err); /* nor did zlib hold output that found no room before */
        }
    }
    return (ssize_t)(room - f->z.avail_out);
}

static sl_status give_room(struct filter *f, size_t nbytes, sl_error *err) {
    return gzip_member_open(&f->member, nbytes, err);
}

static void close_gzip(struct filter *f) {
    if (f) {
        inflateEnd(&f->z);
        gzip_member_close(&f->member);
    }
    mem_free(f);
}

static const char *const suffixes[] = {".gz", ".gzip", ".tgz", NULL};

const struct filter_ops filter_gzip = {.name = "gzip",
                                       .suffixes = suffixes,
                                       .state_nbytes = 48u << 10,
                                       .matches = matches,
                                       .open = open_gzip,
                                       .start = start_gzip,
                                       .read = read_gzip,
                                       .close = close_gzip,
                                       .give_room = give_room};
