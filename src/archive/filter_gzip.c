/* filter_gzip.c: RFC 1952 through zlib, which checks CRC and length of every member. Members follow one
 * another; zeros after the last one are padding, anything else is damage. */
#include <string.h>
#include <zlib.h>

#include "archive/filters.h"
#include "support/mem.h"

struct filter {
    z_stream z;
    bool in_member;  /* between a member's first byte and its trailer */
    bool had_member; /* at least one was read to its end */
    bool damaged;
};

static bool matches(const unsigned char *head, size_t nbytes) {
    return nbytes >= 3 && head[0] == 0x1f && head[1] == 0x8b && head[2] == 8;
}

static sl_status open_gzip(struct filter **out, sl_error *err) {
    struct filter *f = mem_alloc(1, sizeof *f);
    if (!f || inflateInit2(&f->z, 15 + 16) != Z_OK) {
        mem_free(f);
        return error_set(err, SL_E_MEMORY, "out of memory for the gzip filter");
    }
    *out = f;
    return SL_OK;
}

static sl_status start_gzip(struct filter *f, sl_error *err) {
    (void)err;
    inflateReset2(&f->z, 15 + 16);
    f->in_member = f->had_member = f->damaged = false;
    return SL_OK;
}

static ssize_t damage(struct filter *f, const struct source *source, sl_error *err, const char *what) {
    f->damaged = true;
    error_set(err, SL_E_DATA, "gzip stream is %s at byte %llu", what,
              (unsigned long long)(source->offset - (source->end - source->start)));
    return -1;
}

/* Before a member: 1 when one begins, 0 at the clean end, -1 with err. */
static int next_member(struct filter *f, struct source *source, sl_error *err) {
    bool padded = false;
    while (source_fill(source)) {
        unsigned char c = source->window[source->start];
        if (c == 0 && f->had_member) {
            padded = true;
            source->start++;
            continue;
        }
        if (padded || (f->had_member && c != 0x1f))
            return (int)damage(f, source, err, "followed by other bytes");
        f->in_member = true;
        return 1;
    }
    if (source->error) {
        source_failed(source, err);
        return -1;
    }
    return f->had_member ? 0 : (int)damage(f, source, err, "empty");
}

static ssize_t read_gzip(struct filter *f, struct source *source, void *data, size_t cap, sl_error *err) {
    if (f->damaged)
        return damage(f, source, err, "damaged");
    f->z.next_out = data;
    f->z.avail_out = cap > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uInt)cap;
    const uInt room = f->z.avail_out;
    while (f->z.avail_out == room) {
        int member = f->in_member ? 1 : next_member(f, source, err);
        if (member <= 0)
            return member;
        if (!source_fill(source)) {
            if (!source->error)
                return damage(f, source, err, "cut off");
            source_failed(source, err);
            return -1;
        }
        f->z.next_in = source->window + source->start;
        f->z.avail_in = (uInt)(source->end - source->start);
        int rc = inflate(&f->z, Z_NO_FLUSH);
        source->start = source->end - f->z.avail_in;
        if (rc == Z_STREAM_END) {
            f->in_member = false;
            f->had_member = true;
            inflateReset2(&f->z, 15 + 16);
        } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
            if (f->z.avail_out < room) { /* what was decoded comes first */
                f->damaged = true;
                break;
            }
            return damage(f, source, err, "damaged");
        }
    }
    return (ssize_t)(room - f->z.avail_out);
}

static void close_gzip(struct filter *f) {
    if (f)
        inflateEnd(&f->z);
    mem_free(f);
}

static const char *const suffixes[] = {".gz", ".tgz", NULL};

const struct filter_ops filter_gzip = {.name = "gzip",
                                       .suffixes = suffixes,
                                       .state_nbytes = 48u << 10,
                                       .matches = matches,
                                       .open = open_gzip,
                                       .start = start_gzip,
                                       .read = read_gzip,
                                       .close = close_gzip};
