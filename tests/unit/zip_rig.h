/* zip_rig.h: zip archives byte by byte, with lies where a test wants them. */
#ifndef TESTS_ZIP_RIG_H
#define TESTS_ZIP_RIG_H

#include "archive_rig.h"

struct rig_entry {
    const char *name;
    struct buf data;
    bool deflated;
    /* lies */
    unsigned flags, method_plus, local_name_plus;
    int nbytes_plus, offset_plus, crc_plus;
};

static inline void rig_put(struct buf *out, uint64_t x, int nbytes) {
    for (int i = 0; i < nbytes; i++)
        buf_putc(out, (char)(i < 8 ? x >> 8 * i : 0));
}

static inline void rig_zip(struct buf *out, const struct rig_entry *entries, size_t count, bool zip64) {
    uint64_t offsets[8], packed[8], begin;
    buf_reset(out);
    for (size_t i = 0; i < count; i++) {
        const struct rig_entry *e = &entries[i];
        struct buf body;
        buf_init(&body);
        if (e->deflated) {
            rig_gzip(&body, e->data.data,
                     e->data.size); /* a header of 10 bytes and a trailer of 8 around it */
            memmove(body.data, body.data + 10, body.size - 18);
            body.size -= 18;
        } else {
            buf_append(&body, e->data.data, e->data.size);
        }
        offsets[i] = out->size;
        packed[i] = body.size;
        buf_append(out, "PK\3\4", 4);
        rig_put(out, 20, 2), rig_put(out, e->flags, 2),
            rig_put(out, (e->deflated ? 8 : 0) + e->method_plus, 2), rig_put(out, 0, 4);
        rig_put(out, 0, 12);
        rig_put(out, strlen(e->name), 2), rig_put(out, 3, 2);
        buf_puts(out, e->name);
        out->data[out->size - 1] = (char)(out->data[out->size - 1] + (int)e->local_name_plus);
        buf_append(out, "xyz", 3);
        buf_append(out, body.data, body.size);
        buf_clear(&body);
    }
    begin = out->size;
    for (size_t i = 0; i < count; i++) {
        const struct rig_entry *e = &entries[i];
        uint32_t crc = (uint32_t)crc32(0, (const unsigned char *)e->data.data, (uInt)e->data.size);
        uint64_t nbytes = e->data.size + (uint64_t)(int64_t)e->nbytes_plus;
        buf_append(out, "PK\1\2", 4);
        rig_put(out, 20, 2), rig_put(out, 20, 2), rig_put(out, e->flags, 2),
            rig_put(out, (e->deflated ? 8 : 0) + e->method_plus, 2);
        rig_put(out, 0, 4), rig_put(out, crc + (uint32_t)e->crc_plus, 4);
        rig_put(out, zip64 ? UINT32_MAX : packed[i], 4), rig_put(out, zip64 ? UINT32_MAX : nbytes, 4);
        rig_put(out, strlen(e->name), 2), rig_put(out, zip64 ? 4 + 5 + 28 : 5, 2), rig_put(out, 2, 2),
            rig_put(out, 0, 2), rig_put(out, 0, 6);
        rig_put(out, zip64 ? UINT32_MAX : offsets[i] + (uint64_t)(int64_t)e->offset_plus, 4);
        buf_puts(out, e->name);
        rig_put(out, 7, 2), rig_put(out, 1, 2), rig_put(out, 0, 1);
        if (zip64)
            rig_put(out, 1, 2), rig_put(out, 24, 2), rig_put(out, nbytes, 8), rig_put(out, packed[i], 8),
                rig_put(out, offsets[i], 8), rig_put(out, 0, 4);
        buf_puts(out, "hi");
    }
    uint64_t end = out->size;
    if (zip64) {
        buf_append(out, "PK\6\6", 4);
        rig_put(out, 44, 8), rig_put(out, 45, 2), rig_put(out, 45, 2), rig_put(out, 0, 8);
        rig_put(out, count, 8), rig_put(out, count, 8), rig_put(out, end - begin, 8), rig_put(out, begin, 8);
        buf_append(out, "PK\6\7", 4);
        rig_put(out, 0, 4), rig_put(out, end, 8), rig_put(out, 1, 4);
    }
    buf_append(out, "PK\5\6", 4);
    rig_put(out, 0, 4), rig_put(out, zip64 ? UINT16_MAX : count, 2),
        rig_put(out, zip64 ? UINT16_MAX : count, 2);
    rig_put(out, zip64 ? UINT32_MAX : end - begin, 4), rig_put(out, zip64 ? UINT32_MAX : begin, 4),
        rig_put(out, 4, 2);
    buf_puts(out, "note");
}

#endif
