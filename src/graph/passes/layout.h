/* layout.h: what a chain of Reshapes and Transposes does to the dims of the value it starts from. Dims are
 * cut into atoms that no node of the chain cuts further; the chain then is one order of the atoms, and the
 * dims are runs of them. So chains can be compared, continued, and written anew with one Transpose at most.
 */
#ifndef GRAPH_PASSES_LAYOUT_H
#define GRAPH_PASSES_LAYOUT_H

#include "graph/passes/match.h"

#define LAYOUT_ATOMS 24

struct layout {
    uint32_t root;
    int count;
    int64_t size[LAYOUT_ATOMS]; /* of the atoms, as the root has them; none is 1 */
    int order[LAYOUT_ATOMS];    /* which of them stands k-th in the value */
    int rank;
    int64_t dims[SL_MAX_RANK]; /* of the value */
    int transposes;            /* nodes on the way */
};

/* The layout of a value, from the first value up its chain that is no Reshape or Transpose. With `factor`, a
 * product with a constant number is passed as well, and multiplies it. */
void layout_find(const struct match *m, uint32_t value, double *factor, struct layout *l);
/* The value itself, as a root. */
void layout_begin(const struct match *m, uint32_t value, struct layout *l);
/* Continues; false (and no change) when the atoms do not make these dims. */
bool layout_reshape(struct layout *l, int rank, const int64_t *dims);
void layout_transpose(struct layout *l, const int64_t *perm);
/* Takes in a node of one input that is a view or a Transpose; false when it is not. */
bool layout_take(const struct match *m, const struct work_node *node, struct layout *l);
/* Atoms stand as in the root. */
bool layout_is_straight(const struct layout *l);
/* The atoms of a dim: positions in `order`. */
void layout_run(const struct layout *l, int dim, int *first, int *count);
/* Adds nodes at the end (work_sort is due) and returns the value; GRAPH_NONE when out of memory. The dtype is
 * the root's. */
uint32_t layout_build(struct match *m, const struct layout *l, const char *name);

#endif
