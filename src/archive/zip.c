/* zip.c: the directory of a zip archive. unzip.c has the members' bytes. */
#include "archive/zip.h"

#include <string.h>

#define END_NBYTES 22u
#define END64_NBYTES 56u
#define LOCATOR_NBYTES 20u
#define ENTRY_NBYTES 46u
#define HEADER_NBYTES 30u
#define MAX_COMMENT 65535u

static uint32_t get16(const unsigned char *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t get32(const unsigned char *p) {
    return get16(p) | get16(p + 2) << 16;
}

static uint64_t get64(const unsigned char *p) {
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static bool is_mark(const unsigned char *p, const char *mark) {
    return !memcmp(p, mark, 4);
}

bool zip_matches(const unsigned char *head, size_t nbytes) {
    return nbytes >= 4 && (is_mark(head, "PK\3\4") || is_mark(head, "PK\5\6"));
}

/* Exactly so many bytes of anywhere; false with err. */
static bool read_exact(struct stream *s, uint64_t at, void *data, size_t nbytes, sl_error *err) {
    struct range r = {0};
    range_begin(&r, s, at, s->nbytes);
    ssize_t n = range_read(&r, data, nbytes, err); /* no window: straight to data */
    if (n >= 0 && (size_t)n < nbytes)
        error_set(err, SL_E_DATA, "zip is cut off at byte %llu", (unsigned long long)(at + (uint64_t)n));
    return n == (ssize_t)nbytes;
}

/* ---- the end of the archive
 * -------------------------------------------------------------------------------------------------- */

struct end {
    uint64_t at; /* of the first record of the end: where the directory must stop */
    uint64_t count, nbytes, begin;
    bool parts;
};

static bool read_end64(struct stream *s, uint64_t locator_at, const unsigned char *locator, struct end *end,
                       sl_error *err) {
    unsigned char p[END64_NBYTES];
    end->at = get64(locator + 8);
    if (end->at > locator_at || locator_at - end->at < END64_NBYTES) {
        error_set(err, SL_E_DATA, "zip has a damaged end at byte %llu", (unsigned long long)locator_at);
        return false;
    }
    if (!read_exact(s, end->at, p, sizeof p, err))
        return false;
    end->parts = get32(p + 16) != 0 || get32(p + 20) != 0;
    end->count = get64(p + 32);
    end->nbytes = get64(p + 40);
    end->begin = get64(p + 48);
    if (is_mark(p, "PK\6\6") && get64(p + 24) == end->count)
        return true;
    error_set(err, SL_E_DATA, "zip has a damaged end at byte %llu", (unsigned long long)end->at);
    return false;
}

/* The last record is the one whose comment reaches exactly to the end of the file. */
static bool find_end(struct zip *zip, struct stream *s, struct end *end, sl_error *err) {
    size_t nbytes = s->nbytes < END_NBYTES + MAX_COMMENT + LOCATOR_NBYTES
                        ? (size_t)s->nbytes
                        : END_NBYTES + MAX_COMMENT + LOCATOR_NBYTES;
    const unsigned char *tail = zip->directory.window, *p = NULL;
    uint64_t tail_at = s->nbytes - nbytes;
    if (!read_exact(s, tail_at, zip->directory.window, nbytes, err))
        return false;
    for (size_t i = nbytes >= END_NBYTES ? nbytes - END_NBYTES + 1 : 0; !p && i-- > 0;)
        if (is_mark(tail + i, "PK\5\6") && get16(tail + i + 20) == nbytes - i - END_NBYTES)
            p = tail + i;
    if (!p) {
        error_set(err, SL_E_DATA, "zip has no directory at its end: it is cut off, or bytes follow it");
        return false;
    }
    *end = (struct end){.at = tail_at + (uint64_t)(p - tail),
                        .parts = get16(p + 4) != 0 || get16(p + 6) != 0,
                        .count = get16(p + 10),
                        .nbytes = get32(p + 12),
                        .begin = get32(p + 16)};
    const unsigned char *locator = p - LOCATOR_NBYTES;
    if (p - tail >= (ptrdiff_t)LOCATOR_NBYTES && is_mark(locator, "PK\6\7"))
        return read_end64(s, end->at - LOCATOR_NBYTES, locator, end, err);
    return true;
}

sl_status zip_open(struct zip *zip, struct stream *s, sl_error *err) {
    struct end end;
    if (!s->read_at)
        return error_set(err, SL_E_DATA,
                         "a zip archive has its directory at the end: it cannot be compressed as a whole");
    if (!find_end(zip, s, &end, err))
        return err->status;
    if (end.parts)
        return error_set(err, SL_E_DATA, "zip is one of several parts: put them together first");
    if (end.begin > end.at || end.at - end.begin != end.nbytes || end.count > end.nbytes / ENTRY_NBYTES)
        return error_set(err, SL_E_DATA, "zip has a damaged directory, or bytes in front of it (byte %llu)",
                         (unsigned long long)end.at);
    zip->begin = end.begin;
    zip->left = end.count;
    zip->floor = 0;
    range_begin(&zip->directory, s, end.begin, end.at);
    return SL_OK;
}

/* ---- members
 * -------------------------------------------------------------------------------------------------- */

static bool take(struct zip *zip, void *data, size_t nbytes, sl_error *err) {
    ssize_t n = range_read(&zip->directory, data, nbytes, err);
    if (n >= 0 && (size_t)n < nbytes)
        error_set(err, SL_E_DATA, "zip directory is cut off at byte %llu",
                  (unsigned long long)range_position(&zip->directory));
    return n == (ssize_t)nbytes;
}

/* Field 1 of the extra data has those of sizes and offset, in this order, that did not fit 32 bits. */
static bool take_extra(struct zip *zip, struct zip_member *m, size_t nbytes, sl_error *err) {
    while (nbytes >= 4) {
        unsigned char p[24];
        if (!take(zip, p, 4, err))
            return false;
        size_t id = get16(p), n = get16(p + 2), used = 0, held = 0;
        nbytes -= 4;
        n = n < nbytes ? n : nbytes;
        nbytes -= n;
        if (id == 1) {
            held = n < sizeof p ? n : sizeof p;
            if (!take(zip, p, held, err))
                return false;
        }
        uint64_t *wide[3] = {&m->nbytes, &m->packed_nbytes, &m->offset};
        for (int i = 0; i < 3; i++)
            if (*wide[i] == UINT32_MAX && held - used >= 8) {
                *wide[i] = get64(p + used);
                used += 8;
            }
        if (!take(zip, NULL, n - held, err))
            return false;
    }
    return take(zip, NULL, nbytes, err);
}

static const char *refusal(unsigned flags, unsigned method) {
    if (flags & 0x2041u)
        return "a member is encrypted";
    if (flags & 0x20u)
        return "a member is a patch";
    return method == 0 || method == 8 ? NULL : "a member is packed with a method that is not read";
}

/* What made it says what its attributes are: 3 is Unix, whose mode stands in the upper half. */
static bool is_link(const unsigned char *entry) {
    return entry[5] == 3 && (get32(entry + 38) >> 28) == 0xau;
}

/* Its own header, in front of its data. */
static bool locate(struct zip *zip, struct zip_member *m, sl_error *err) {
    unsigned char p[HEADER_NBYTES];
    char name[ZIP_MAX_NAME];
    size_t shown = m->name_nbytes < sizeof name ? m->name_nbytes : sizeof name;
    const uint64_t at = m->offset;
    if (at < zip->floor || at > zip->begin || zip->begin - at < HEADER_NBYTES) {
        error_set(err, SL_E_DATA, "zip member at byte %llu lies over another, or out of order",
                  (unsigned long long)at);
        return false;
    }
    struct stream *s = zip->directory.stream;
    if (!read_exact(s, at, p, sizeof p, err) ||
        !read_exact(s, at + HEADER_NBYTES, name, is_mark(p, "PK\3\4") ? shown : 0, err))
        return false;
    m->data_offset = at + HEADER_NBYTES + get16(p + 26) + get16(p + 28);
    m->end = m->data_offset + m->packed_nbytes;
    if (!is_mark(p, "PK\3\4") || get16(p + 26) != m->name_nbytes || memcmp(name, m->name, shown) != 0 ||
        get16(p + 8) != m->method || m->data_offset > zip->begin ||
        m->packed_nbytes > zip->begin - m->data_offset || (!m->method && m->nbytes != m->packed_nbytes)) {
        error_set(err, SL_E_DATA, "zip member at byte %llu is not what the directory says",
                  (unsigned long long)at);
        return false;
    }
    zip->floor = m->end;
    return true;
}

int zip_next(struct zip *zip, struct zip_member *m, sl_error *err) {
    unsigned char p[ENTRY_NBYTES];
    if (!zip->left) {
        if (range_position(&zip->directory) == zip->directory.end)
            return 0;
        error_set(err, SL_E_DATA, "zip directory has bytes behind its last entry (byte %llu)",
                  (unsigned long long)range_position(&zip->directory));
        return -1;
    }
    if (!take(zip, p, sizeof p, err))
        return -1;
    if (!is_mark(p, "PK\1\2")) {
        error_set(err, SL_E_DATA, "zip directory is damaged at byte %llu",
                  (unsigned long long)range_position(&zip->directory) - ENTRY_NBYTES);
        return -1;
    }
    unsigned flags = get16(p + 8);
    m->method = get16(p + 10);
    m->crc = get32(p + 16);
    m->packed_nbytes = get32(p + 20);
    m->nbytes = get32(p + 24);
    m->name_nbytes = get16(p + 28);
    m->offset = get32(p + 42);
    m->refused = refusal(flags, m->method);
    m->is_link = is_link(p);
    size_t shown = m->name_nbytes < ZIP_MAX_NAME ? m->name_nbytes : ZIP_MAX_NAME;
    if (!take(zip, m->name, shown, err) || !take(zip, NULL, m->name_nbytes - shown, err) ||
        !take_extra(zip, m, get16(p + 30), err) || !take(zip, NULL, get16(p + 32), err) ||
        !locate(zip, m, err))
        return -1;
    m->name[shown] = 0;
    m->is_directory = shown && m->name[shown - 1] == '/';
    zip->left--;
    return 1;
}
