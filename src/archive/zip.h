/* zip.h: members of a zip archive, by its central directory (APPNOTE.TXT 6.3.10), which is read as it goes
 * and never held. What the directory says is checked against the archive: a member lies behind the one before
 * and in front of the directory, its own header names it too, and it gives exactly the bytes that were
 * declared. So no byte of the archive is delivered twice, and none beyond what was declared. */
#ifndef ARCHIVE_ZIP_H
#define ARCHIVE_ZIP_H

#include <zlib.h>

#include "archive/range.h"

#define ZIP_MAX_NAME 1024u
#define ZIP_WINDOW_NBYTES (72u << 10) /* of the directory: holds the longest end of an archive */

struct zip {
    struct range directory; /* its window is the owner's: ZIP_WINDOW_NBYTES */
    uint64_t begin;         /* of the directory */
    uint64_t left;          /* members */
    uint64_t floor;         /* the end of the last member: the next one lies behind */
};

struct zip_member {
    char name[ZIP_MAX_NAME + 1]; /* cut off when name_nbytes is more */
    size_t name_nbytes;
    bool is_directory;
    bool is_link;
    const char *refused; /* why it cannot be read (encrypted, a method nobody knows), static, or NULL */
    unsigned method;     /* 0 stored, 8 deflated */
    uint32_t crc;
    uint64_t packed_nbytes, nbytes;    /* in the archive, and unpacked */
    uint64_t offset, data_offset, end; /* of its header, its data, and behind them */
};

bool zip_matches(const unsigned char *head, size_t nbytes);
/* Finds the directory. SL_E_DATA: no zip, cut off, in parts, behind a filter. */
sl_status zip_open(struct zip *zip, struct stream *stream, sl_error *err);
/* 1 with the next member, 0 at the end, -1 with err: the directory cannot be trusted from here on. */
int zip_next(struct zip *zip, struct zip_member *member, sl_error *err);

/* One member's bytes, unpacked. Opened once, then used for any number of members. */
struct unzip {
    struct range range; /* its window is the owner's */
    z_stream z;
    bool deflated, checked; /* checked: size and crc as declared */
    uint64_t left;          /* unpacked bytes to come */
    uint32_t crc, crc_due;
};

sl_status unzip_open(struct unzip *u, unsigned char *window, size_t window_nbytes, sl_error *err);
void unzip_close(struct unzip *u);
void unzip_begin(struct unzip *u, struct stream *stream, const struct zip_member *member);
/* Bytes that are no member: of the whole shard, up to its end. */
void unzip_begin_plain(struct unzip *u, struct stream *stream);
/* Exactly nbytes, or fewer at the end; -1 with err. `data` NULL: they are passed over. */
ssize_t unzip_read(struct unzip *u, void *data, size_t nbytes, sl_error *err);
/* Reads what is left; SL_E_DATA when the member is not what was declared. */
sl_status unzip_finish(struct unzip *u, sl_error *err);

#endif
