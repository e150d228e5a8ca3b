/* array_rows.h: arrays of one length, read side by side: row i of each is record i. What .npy and .npz have
 * in common. No element is looked at: rows go into the block as they are stored, laid out as support/packed.h
 * has it. */
#ifndef ARCHIVE_ARRAY_ROWS_H
#define ARCHIVE_ARRAY_ROWS_H

#include "archive/zip.h"
#include "support/npy.h"

#define ARRAY_ROWS_MOST 64u /* arrays side by side */
#define ARRAY_WINDOW_NBYTES (64u << 10)
/* Where Fortran order has a row's elements far from each other, as many rows as fit are gathered at once. */
#define ARRAY_GATHER_NBYTES (16u << 20)

struct array_part {
    struct unzip from;
    struct npy_header head;
    size_t row_nbytes, item_nbytes;
    uint64_t elements_at;           /* in the shard; of a deflated one that of its packed bytes */
    uint64_t slice_nbytes;          /* of a record in the shard */
    bool gathered;                  /* Fortran order */
    unsigned char *prefix, *window; /* what stands before each row's elements; ours */
    size_t prefix_nbytes, name_nbytes;
    unsigned char *columns; /* gathered rows, as stored: [elements of a row][rows_held] */
};

struct array_rows {
    struct container_options options; /* set once */
    size_t part_max;
    struct array_part *parts; /* [part_max] */
    unsigned char *gather;    /* [ARRAY_GATHER_NBYTES], untouched unless there is Fortran order */
    /* of the shard at hand */
    struct stream *stream;
    size_t part_count, gathered_count;
    uint64_t row_count, row;                    /* row: the next one */
    uint64_t held_first, held_count, held_most; /* rows in `gather` */
    size_t record_nbytes;
    bool at_end;
    sl_error damage;
};

sl_status array_rows_open(struct array_rows *a, const struct container_options *options, size_t part_max,
                          sl_error *err);
void array_rows_close(struct array_rows *a);
void array_rows_begin(struct array_rows *a, struct stream *stream);
/* The part that array_rows_add takes next: begin its `from` first. NULL when there is no room for another. */
struct array_part *array_rows_next_part(struct array_rows *a);
/* Reads its header. SL_E_DATA when it cannot be read. */
sl_status array_rows_add(struct array_rows *a, const char *name, size_t name_nbytes, sl_error *err);
/* All parts are there: whether they fit each other, and on to row `skip`. */
sl_status array_rows_settle(struct array_rows *a, uint64_t skip, sl_error *err);
sl_status array_rows_next(struct array_rows *a, struct block *block, sl_error *err);

#endif
