/* gzip_member.c: see gzip_member.h. */
#include "archive/gzip_member.h"

#include <libdeflate.h>
#include <string.h>

#include "support/file.h"
#include "support/mem.h"

/* Of the room a fifth is for stored bytes: text packs by three to five. */
sl_status gzip_member_open(struct gzip_member *m, size_t room_nbytes, sl_error *err) {
    *m = (struct gzip_member){.stored_cap = room_nbytes / 5};
    m->bytes_cap = room_nbytes - m->stored_cap;
    m->stored = mem_map(m->stored_cap);
    m->bytes = mem_map(m->bytes_cap);
    m->decompressor = m->stored && m->bytes ? libdeflate_alloc_decompressor() : NULL;
    if (m->decompressor)
        return SL_OK;
    gzip_member_close(m);
    return error_set(err, SL_E_MEMORY, "out of memory for the gzip filter");
}

void gzip_member_close(struct gzip_member *m) {
    if (m->decompressor)
        libdeflate_free_decompressor(m->decompressor);
    mem_unmap(m->stored, m->stored_cap);
    mem_unmap(m->bytes, m->bytes_cap);
    *m = (struct gzip_member){.start = 0};
}

void gzip_member_start(struct gzip_member *m) {
    m->stored_nbytes = m->start = m->end = 0;
    m->stored_at = 0;
    m->stored_last = m->useless = false;
}

/* Stored bytes from the position on, as many as there is room for. What is there already is not read again.
 */
static bool refill(struct gzip_member *m, const struct source *source, uint64_t at) {
    size_t keep = 0;
    if (at >= m->stored_at && at < m->stored_at + m->stored_nbytes) {
        keep = (size_t)(m->stored_at + m->stored_nbytes - at);
        memmove(m->stored, m->stored + (at - m->stored_at), keep);
    }
    m->stored_at = at;
    ssize_t n = file_pread(source->fd, m->stored + keep, m->stored_cap - keep, at + keep);
    m->stored_nbytes = keep + (n > 0 ? (size_t)n : 0);
    m->stored_last = m->stored_nbytes < m->stored_cap;
    return n >= 0;
}

/* The last four bytes of a file are the size of its last member: where that does not fit, nor would a try. */
static bool says_too_large(const struct gzip_member *m) {
    const unsigned char *tail = m->stored + m->stored_nbytes - 4;
    uint32_t size =
        (uint32_t)tail[0] | (uint32_t)tail[1] << 8 | (uint32_t)tail[2] << 16 | (uint32_t)tail[3] << 24;
    return m->stored_last && size > m->bytes_cap;
}

static bool decode(struct gzip_member *m, struct source *source, uint64_t at) {
    size_t from = (size_t)(at - m->stored_at), used = 0, made = 0;
    enum libdeflate_result result = libdeflate_gzip_decompress_ex(
        m->decompressor, m->stored + from, m->stored_nbytes - from, m->bytes, m->bytes_cap, &used, &made);
    if (result != LIBDEFLATE_SUCCESS || !source_seek(source, at + used))
        return false;
    m->start = 0;
    m->end = made;
    return true;
}

bool gzip_member_next(struct gzip_member *m, struct source *source) {
    uint64_t at = source_position(source);
    bool here = at >= m->stored_at && at < m->stored_at + m->stored_nbytes;
    if (!m->decompressor || m->useless)
        return false;
    if (here && decode(m, source, at))
        return true;
    /* a member that was cut by the room has another chance; one that had all of it has not */
    bool again = !here || (!m->stored_last && at > m->stored_at);
    if (again && refill(m, source, at) && m->stored_nbytes >= 18 && !says_too_large(m) &&
        decode(m, source, at))
        return true;
    m->useless = true;
    return false;
}
