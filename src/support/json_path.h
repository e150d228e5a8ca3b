/* json_path.h: the part of JSONPath that SageMaker's InputFilter and OutputFilter know, applied to the bytes
 * of one JSON value or of one CSV row, without a tree and without allocation.
 *
 *   $                      the root, at the beginning of every path
 *   .name  .*  [*]         a member; every member or element
 *   ['a'] ['a','b']        a member; several, as an object ('.' may stand before the bracket)
 *   [1] [-1] [0,2,-1]      an element, counted from the end when negative; several, as an array
 *   [1:4] [1:] [:4]        a slice without its end, as an array; both may be negative
 *
 * What a path takes is copied as it is written there. Steps behind one that takes several values go on from
 * each, and all that they find is one array. Where AWS does not say what happens, it is what json-path does,
 * to which AWS points: an index that is not there is an error, as is a member that alone is asked for; of a
 * list of members those that are there are taken, and a slice takes what there is. */
#ifndef SUPPORT_JSON_PATH_H
#define SUPPORT_JSON_PATH_H

#include <stdbool.h>

#include "sluice/record.h"
#include "support/buf.h"
#include "support/error.h"

#define JSON_PATH_NBYTES 63 /* the longest that the service takes */
#define JSON_PATH_PARTS 32  /* steps, or names or numbers in a bracket: more do not fit into so many bytes */

struct json_path_step {
    enum { PATH_NAMES, PATH_INDEXES, PATH_SLICE, PATH_ALL } kind;
    unsigned first, count; /* of the path's names or numbers */
    bool from_start, to_end;
};

struct json_path {
    struct json_path_step steps[JSON_PATH_PARTS];
    unsigned step_count; /* 0: "$", everything */
    struct {
        unsigned at, nbytes; /* in text */
    } names[JSON_PATH_PARTS];
    unsigned name_count;
    int64_t numbers[JSON_PATH_PARTS]; /* of a slice: start, end */
    unsigned number_count;
    char text[JSON_PATH_NBYTES + 1];
};

/* `what` names the path in the message: "InputFilter". SL_E_USAGE. */
sl_status json_path_parse(struct json_path *path, const char *text, const char *what, sl_error *err);

/* Whether a CSV row can be asked so: by numbers, in one step. */
bool json_path_fits_rows(const struct json_path *path);

/* Why nothing was taken; texts are static. */
struct json_path_miss {
    const char *code;   /* "filter", "bad-json", "bad-csv", "too-long" */
    const char *reason; /* as a clause: "index is out of bounds" */
};

/* Appends what the path takes of a JSON value to `out`. The value is checked to its end. */
bool json_path_take(const struct json_path *path, sl_slice json, struct buf *out,
                    struct json_path_miss *miss);
/* The same of a row of fields, which keep their quotes; the result is a row again. */
bool json_path_take_row(const struct json_path *path, sl_slice row, char delimiter, char quote,
                        struct buf *out, struct json_path_miss *miss);
/* Of `count` things in a row, which ones: their numbers into picked[cap]. False where an index is out of
 * bounds or there is no room. */
bool json_path_pick(const struct json_path *path, size_t count, uint32_t *picked, size_t cap, size_t *taken);

#endif
