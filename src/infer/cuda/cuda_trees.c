/* cuda_trees.c: tree ensembles: the tables that ops/tree.h prepares, on the device. */
#include "infer/cuda/cuda_bound.h"
#include "ops/ml_scores.h"
#include "ops/rules.h"
#include "ops/tree.h"

BOUND_LAUNCH(trees)

#define AT(field) offsetof(struct k_trees, field)

_Static_assert(sizeof(struct tree_node) == sizeof(struct k_tree_node) && (int)TREE_LEAF == (int)K_TREE_LEAF &&
                   (int)TREE_MEMBER == (int)K_TREE_MEMBER && (int)TREE_NEQ == (int)K_TREE_NEQ,
               "nodes are taken over as they are");
_Static_assert(sizeof(struct tree_weight) == sizeof(struct k_tree_weight) &&
                   (int)TREE_MAX == (int)K_TREE_MAX && (int)TREE_AVERAGE == (int)K_TREE_AVERAGE,
               "and so are weights");
_Static_assert((int)POST_SOFTMAX_ZERO == (int)K_POST_SOFTMAX_ZERO && (int)POST_PROBIT == (int)K_POST_PROBIT,
               "and the names of what comes after");

static bool bind_sets(struct cuda_match *m, struct cuda_bound *b, const struct tree_ensemble *e) {
    size_t count = 0, members = 0;
    for (size_t i = 0; i < e->node_count; i++)
        count += e->nodes[i].mode == TREE_MEMBER;
    struct k_tree_set *sets = bound_room(m, count, sizeof *sets);
    if (!sets)
        return false;
    for (size_t i = 0; i < count; i++) {
        sets[i] = (struct k_tree_set){(uint32_t)e->sets[i].first, (uint32_t)e->sets[i].count};
        members =
            e->sets[i].first + e->sets[i].count > members ? e->sets[i].first + e->sets[i].count : members;
    }
    return bound_table(m, b, AT(sets), sets, count * sizeof *sets) &&
           bound_table(m, b, AT(members), e->members, members * sizeof *e->members);
}

static bool bind_tables(struct cuda_match *m, struct cuda_bound *b, const struct tree_ensemble *e,
                        const struct labels *labels) {
    bool ok = bound_table(m, b, AT(nodes), e->nodes, e->node_count * sizeof *e->nodes) &&
              bound_table(m, b, AT(weights), e->weights, e->weight_count * sizeof *e->weights) &&
              bound_table(m, b, AT(roots), e->roots, e->tree_count * sizeof *e->roots);
    if (ok && e->thresholds)
        ok = bound_table(m, b, AT(thresholds), e->thresholds, e->node_count * sizeof *e->thresholds);
    if (ok && e->weights_f64)
        ok = bound_table(m, b, AT(weights_f64), e->weights_f64, e->weight_count * sizeof *e->weights_f64);
    if (ok && e->base_count)
        ok = bound_table(m, b, AT(base), e->base, e->base_count * sizeof *e->base);
    if (ok && e->sets)
        ok = bind_sets(m, b, e);
    if (ok && labels->attr)
        ok = bound_table(m, b, AT(labels), labels->attr->ints, labels->count * sizeof *labels->attr->ints);
    return ok;
}

/* `classes`: outputs are labels and scores; else scores alone. */
static bool match_trees(struct cuda_match *m, int classes) {
    const struct op_prepared *prepared = bound_prepare(m);
    const sl_tensor *x = m->call.in[0];
    struct labels labels = {0};
    enum post_transform post = POST_NONE;
    size_t score = classes ? 1 : 0;
    if (!prepared)
        return false;
    const struct tree_ensemble *e = prepared->state;
    const struct attr *given =
        op_attr(&m->call, "post_transform"); /* a number in TreeEnsemble, else a name */
    if (given && given->type == ATTR_INT)
        post = (enum post_transform)given->i;
    else
        (void)post_read(&m->call, &post, NULL);
    if (classes)
        (void)labels_read(&m->call, &labels, NULL);
    if (labels.strings && bound_has_out(m, 0))
        return bound_refuse(m, "labels that are texts");
    if (e->node_count > INT32_MAX || e->weight_count > INT32_MAX || !k_trees_rows((uint32_t)e->target_count))
        return bound_refuse(m, "%zu targets", e->target_count);
    struct k_trees t = {.x_type = bound_in_type(m, 0),
                        .rows = (uint32_t)(x->rank == 1 ? 1 : x->dims[0]),
                        .features = (uint32_t)x->dims[x->rank - 1],
                        .tree_count = (uint32_t)e->tree_count,
                        .target_count = (uint32_t)e->target_count,
                        .base_count = (uint32_t)e->base_count,
                        .aggregate = (enum k_tree_aggregate)e->aggregate,
                        .post = (enum k_tree_post)post,
                        .classes = classes != 0,
                        .add_up = e->one_target && e->all_positive,
                        .single = bound_in_type(m, 0) == K_F32 && !e->thresholds};
    if (bound_has_out(m, score))
        t.score_type = bound_out_type(m, score);
    struct cuda_bound *b = bound_add(m, launch_trees, &t, sizeof t);
    return bound_in(m, b, AT(x), 0, 0) && bind_tables(m, b, e, &labels) &&
           (!bound_has_out(m, score) || bound_out(m, b, AT(scores), score, 0)) &&
           (!classes || !bound_has_out(m, 0) || bound_out(m, b, AT(best), 0, 0));
}

const struct bound_operator bound_trees[] = {{"ai.onnx.ml", "TreeEnsembleClassifier", match_trees, 1, false},
                                             {"ai.onnx.ml", "TreeEnsembleRegressor", match_trees, 0, false},
                                             {"ai.onnx.ml", "TreeEnsemble", match_trees, 0, false},
                                             {NULL, NULL, NULL, 0, false}};
