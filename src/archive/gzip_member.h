/* gzip_member.h: whole members of a gzip file at once, by libdeflate, where stored and unpacked bytes fit the
 * room. What does not fit, and whatever is wrong, is left to the stream decoder, which knows the words for
 * it. */
#ifndef ARCHIVE_GZIP_MEMBER_H
#define ARCHIVE_GZIP_MEMBER_H

#include "archive/filter.h"

struct gzip_member {
    struct libdeflate_decompressor *decompressor; /* NULL: no room was given */
    unsigned char *stored;                        /* [stored_cap] */
    unsigned char *bytes;                         /* [bytes_cap]: of the member at hand */
    size_t stored_cap, bytes_cap;
    uint64_t stored_at;        /* in the file, of stored[0] */
    size_t stored_nbytes;      /* there */
    size_t start, end;         /* of bytes that nobody has yet */
    bool stored_last, useless; /* stored reaches the file's end; this shard is not for us */
};

sl_status gzip_member_open(struct gzip_member *member, size_t room_nbytes, sl_error *err);
void gzip_member_close(struct gzip_member *member);
void gzip_member_start(struct gzip_member *member); /* another shard */
/* A member begins at the source's position: true with its bytes in [start, end), and the source behind it.
 * Else nothing was moved. */
bool gzip_member_next(struct gzip_member *member, struct source *source);

#endif
