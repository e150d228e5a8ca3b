/* unroll.h: what unrolling a Loop and a Scan have in common. */
#ifndef GRAPH_UNROLL_H
#define GRAPH_UNROLL_H

#include "graph/work.h"

#define UNROLL_FEW_TRIPS 8 /* which are unrolled whatever is in them */

/* A node while its graph takes its place. */
struct unroll {
    struct work *w;
    struct work_node node; /* a copy: the nodes may move */
    const struct graph *body;
    const struct attr *attr;
    size_t own; /* inputs of the graph that are not taken from outside */
    uint32_t *in, *out;
    uint32_t *gathered; /* of each gathered output one after the other: the trips' values */
    size_t trips, gathered_count;
};

/* The attribute that is a graph, or NULL. */
const struct attr *unroll_graph(const struct work_node *node, const char *name);
/* Sets the node's graph and makes room; false when out of memory. */
bool unroll_begin(struct unroll *u, const struct attr *attr, size_t trips, size_t gathered);
/* Few enough trips of few enough nodes; u->attr is set. */
bool unroll_is_small(const struct unroll *u, const struct graph *g, uint64_t trips);
/* One step does it, at sizes that are known, and nothing in it is worth more. The node has its bodies then.
 */
bool unroll_is_good_as_step(struct unroll *u, size_t at);

/* A constant of one number; GRAPH_NONE when out of memory. */
uint32_t unroll_constant(struct work *w, sl_dtype dtype, int rank, int64_t x);
/* An attribute of one integer, or of a list of one; NULL when out of memory. */
const struct attr *unroll_ints(struct work *w, const char *name, bool list, int64_t x);
/* What goes before the names of a trip's nodes; NULL when out of memory. */
const char *unroll_trip_name(struct unroll *u, size_t trip);
/* The node's output is `from`. */
sl_status unroll_give(struct unroll *u, size_t output, uint32_t from, sl_error *err);
/* A gathered output: the trips' values along an axis, those of `backward` from the last to the first. */
sl_status unroll_gather(struct unroll *u, size_t at, size_t output, int64_t axis, bool backward,
                        sl_error *err);

/* Scan; *done says that its steps are there. unroll_scan.c */
sl_status unroll_scan(struct unroll *u, size_t at, bool *done, sl_error *err);

#endif
