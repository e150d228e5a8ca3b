/* match.h: what passes that look for patterns share: who makes and who reads each value, constants, and how a
 * node becomes another one. Patterns are found from their last node backwards; that node is rewritten where
 * it stands, so the running order stays right, and nodes whose results nobody reads any more go at once. */
#ifndef GRAPH_PASSES_MATCH_H
#define GRAPH_PASSES_MATCH_H

#include "graph/work.h"

struct match {
    struct work *w;
    uint32_t *uses, *makers;
    uint32_t *readers; /* one of them; only a hint */
    size_t cap;        /* values there is room for */
    sl_error *err;
    sl_status status; /* the first failure: always for want of memory */
};

/* False when out of memory; the status says so. */
bool match_open(struct match *m, struct work *w, sl_error *err);
/* The status of it all. */
sl_status match_close(struct match *m);

const sl_tensor *match_tensor(const struct match *m, uint32_t value);
bool match_same_shape(const struct match *m, uint32_t a, uint32_t b); /* dtype too */
bool match_is_constant(const struct match *m, uint32_t value);
/* A constant of one element, whatever its rank. */
bool match_number(const struct match *m, uint32_t value, double *x);
/* That, and within 1e-5 of `x` (exporters write sqrt(2) in many ways). */
bool match_equals(const struct match *m, uint32_t value, double x);
/* A constant's integers, at most `max`; -1 when it is none. */
int match_ints(const struct match *m, uint32_t value, int64_t *values, int max);

bool match_is(const struct work_node *node, const char *name); /* of ai.onnx, and alive */
/* The node of that name that makes the value, or NULL; `name` NULL: any. */
struct work_node *match_maker(const struct match *m, uint32_t value, const char *name);
/* The same for a value that nobody else reads. */
struct work_node *match_single(const struct match *m, uint32_t value, const char *name);
/* The only reader of a value that has one and is no output, or NULL. */
struct work_node *match_reader(const struct match *m, uint32_t value);
uint32_t match_in(const struct work_node *node, size_t i); /* GRAPH_NONE when left out */
/* For two inputs in either order: the one that is not `value`; GRAPH_NONE when none of them is. */
uint32_t match_other(const struct work_node *node, uint32_t value);
/* Of two inputs in either order, the constant number; *rest gets the other one. */
bool match_with_number(const struct match *m, const struct work_node *node, uint32_t *rest, double *x);

/* A product taken apart: Mul, Div by a constant, Pow by 2 or 3; inner ones only where nobody else reads them.
 */
#define MATCH_FACTORS 6
struct match_product {
    double number; /* of all constants */
    uint32_t values[MATCH_FACTORS];
    int count; /* -1: too many */
};
void match_product(const struct match *m, const struct work_node *node, struct match_product *p);
/* The same for a value: itself when it is no product. */
void match_product_of(const struct match *m, uint32_t value, struct match_product *p);
/* Within 1e-5, relative. */
bool match_near(double x, double expected);

int64_t match_attr_int(const struct work_node *node, const char *name, int64_t fallback);
float match_attr_float(const struct work_node *node, const char *name, float fallback);
bool match_attr_is(const struct work_node *node, const char *name, const char *text, const char *fallback);

/* A new float constant; *data is to be filled. GRAPH_NONE when out of memory. */
uint32_t match_add_floats(struct match *m, const char *name, int rank, const int64_t *dims, float **data);
uint32_t match_add_ints(struct match *m, const char *name, size_t count, const int64_t *values);
/* A new value of that shape. */
uint32_t match_add_value(struct match *m, const char *name, sl_dtype dtype, int rank, const int64_t *dims);

/* Another operator with other inputs in the node's place; its outputs and attributes stay. */
bool match_rewrite(struct match *m, struct work_node *node, const char *domain, const char *op, int64_t opset,
                   const uint32_t *in, size_t in_count);
/* A node of ai.onnx behind all others (work_sort is due) that makes `out`. It moves the nodes: pointers to
 * them are void afterwards. */
bool match_add_node(struct match *m, const char *op, int64_t opset, const char *name, const uint32_t *in,
                    size_t in_count, uint32_t out);
/* Out of memory: the status says so; returns GRAPH_NONE. */
uint32_t match_fail(struct match *m);
/* Attributes: those of `from` (NULL: none) and the new ones. */
bool match_set_attrs(struct match *m, struct work_node *node, const struct work_node *from,
                     const struct attr *more, size_t more_count);
struct attr match_int(const char *name, int64_t x);
struct attr match_float(const char *name, float x);
struct attr match_text(const char *name, const char *text); /* the text is not copied */

/* Readers of output 0 read `instead`; the node goes. */
void match_bypass(struct match *m, struct work_node *node, uint32_t instead);

#endif
