/* unzip.c: the bytes of one zip member, as they come: no more than were declared, and their checksum at the
 * end. */
#include "archive/zip.h"

#include <string.h>

#define RAW_DEFLATE (-15) /* windowBits: the largest window, no wrapper */
#define STEP (1u << 30)   /* zlib counts in unsigned int */

sl_status unzip_open(struct unzip *u, unsigned char *window, size_t window_nbytes, sl_error *err) {
    *u = (struct unzip){.range = {.window = window, .cap = window_nbytes}};
    if (inflateInit2(&u->z, RAW_DEFLATE) != Z_OK)
        return error_set(err, SL_E_MEMORY, "out of memory to unpack zip members");
    return SL_OK;
}

void unzip_close(struct unzip *u) {
    if (u->range.window)
        inflateEnd(&u->z);
    *u = (struct unzip){0};
}

void unzip_begin(struct unzip *u, struct stream *stream, const struct zip_member *m) {
    range_begin(&u->range, stream, m->data_offset, m->end);
    inflateReset(&u->z);
    u->deflated = m->method != 0;
    u->checked = true;
    u->left = m->nbytes;
    u->crc = 0;
    u->crc_due = m->crc;
}

void unzip_begin_plain(struct unzip *u, struct stream *stream) {
    range_begin(&u->range, stream, 0, stream->read_at ? stream->nbytes : RANGE_OPEN_END);
    u->deflated = u->checked = false;
    u->left = RANGE_OPEN_END;
}

static int damaged(const struct unzip *u, const char *what, sl_error *err) {
    error_set(err, SL_E_DATA, "zip member is damaged before byte %llu: %s",
              (unsigned long long)range_position(&u->range), what);
    return -1;
}

/* Some of the bytes, at most `cap`. 0: no more come, though more were declared. */
static ssize_t inflate_some(struct unzip *u, void *data, size_t cap, sl_error *err) {
    uInt room = cap < STEP ? (uInt)cap : STEP;
    u->z.next_out = data;
    u->z.avail_out = room;
    while (u->z.avail_out == room) {
        ssize_t held = range_fill(&u->range, err);
        if (held < 0)
            return -1;
        u->z.next_in = u->range.window + u->range.start;
        u->z.avail_in = (uInt)held;
        int rc = inflate(&u->z, Z_NO_FLUSH);
        u->range.start = u->range.stop - u->z.avail_in;
        if (rc == Z_STREAM_END)
            break;
        if (rc == Z_MEM_ERROR) {
            error_set(err, SL_E_MEMORY, "out of memory to unpack a zip member");
            return -1;
        }
        if (rc != Z_OK && rc != Z_BUF_ERROR)
            return damaged(u, u->z.msg ? u->z.msg : "invalid data", err);
        if (!held && u->z.avail_out == room)
            break;
    }
    return (ssize_t)(room - u->z.avail_out);
}

/* `data` NULL: into scratch, for the sum. */
static ssize_t read_some(struct unzip *u, void *data, size_t cap, sl_error *err) {
    unsigned char scratch[4096];
    void *to = data ? data : scratch;
    if (!data)
        cap = cap < sizeof scratch ? cap : sizeof scratch;
    ssize_t n = u->deflated ? inflate_some(u, to, cap, err) : range_read(&u->range, to, cap, err);
    if (n > 0 && u->checked)
        u->crc = (uint32_t)crc32_z(u->crc, to, (size_t)n);
    return n;
}

ssize_t unzip_read(struct unzip *u, void *data, size_t nbytes, sl_error *err) {
    size_t done = 0;
    if (nbytes > u->left)
        nbytes = (size_t)u->left;
    if (!u->checked && !data) { /* a plain file is not read where nobody looks */
        int64_t n = range_skip(&u->range, nbytes, err);
        return (ssize_t)n;
    }
    while (done < nbytes) {
        ssize_t n = read_some(u, data ? (char *)data + done : NULL, nbytes - done, err);
        if (n < 0)
            return -1;
        if (n == 0) {
            if (u->checked)
                return damaged(u, "it is shorter than declared", err);
            break;
        }
        done += (size_t)n;
        u->left -= u->checked ? (uint64_t)n : 0;
    }
    return (ssize_t)done;
}

sl_status unzip_finish(struct unzip *u, sl_error *err) {
    unsigned char more;
    if (!u->checked)
        return SL_OK;
    while (u->left)
        if (unzip_read(u, NULL, u->left < STEP ? (size_t)u->left : STEP, err) < 0)
            return err->status;
    ssize_t n = u->deflated ? inflate_some(u, &more, 1, err) : 0;
    if (n < 0)
        return err->status;
    if (n > 0)
        damaged(u, "it is longer than declared", err);
    else if (range_position(&u->range) != u->range.end)
        damaged(u, "bytes follow its end", err);
    else if (u->crc != u->crc_due)
        damaged(u, "its checksum is wrong", err);
    else
        return SL_OK;
    return SL_E_DATA;
}
