/* join.h: SageMaker's DataProcessing on the way out: a result joined with its input, and OutputFilter. */
#ifndef OUTPUT_JOIN_H
#define OUTPUT_JOIN_H

#include "output/output.h"

struct joining {
    const struct format_join *how;
    bool json;
    struct buf room; /* fixed; a joined line before it is filtered */
};

/* A result (its line without the line end) under the input that it belongs to (0 bytes: alone), and of that
 * what the filter takes, as a line into `out`, which is empty and may be where the input stands. */
bool join_line(struct joining *joining, sl_slice input, sl_slice result, struct buf *out,
               struct json_path_miss *miss);

#define JOIN_WORDS_NBYTES 64 /* what is written around both */

#endif
