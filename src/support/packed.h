/* packed.h: named arrays laid out in the bytes of one record: how the archive stage hands rows of .npy and
 * .npz files to the decoders, without looking at a single element.
 *
 * A record is arrays one behind another, each a struct packed_head, its dims, its name and its elements,
 * without gaps; nothing is aligned. */
#ifndef SUPPORT_PACKED_H
#define SUPPORT_PACKED_H

#include <stdint.h>

#include "sluice/tensor.h"

struct packed_head {
    uint32_t name_nbytes, data_nbytes;
    uint8_t dtype;      /* sl_dtype */
    uint8_t big_endian; /* its elements are */
    uint8_t rank;
    uint8_t unused[5];
};
_Static_assert(sizeof(struct packed_head) == 16, "a head is 16 bytes");

#define PACKED_MAX_NAME 1024u
#define PACKED_MAX_PREFIX (sizeof(struct packed_head) + SL_MAX_RANK * sizeof(int64_t) + PACKED_MAX_NAME)

#endif
