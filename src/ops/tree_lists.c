/* tree_lists.c: the attribute lists of trees, each of the length and type it must have. */
#include "ops/tree_lists.h"

#include <string.h>

#include "ops/rules.h"

static sl_status read_ints(const struct op_call *call, const char *name, size_t count, const int64_t **list,
                           sl_error *err) {
    const struct attr *attr = op_attr(call, name);
    if (!attr || attr->type != ATTR_INTS || attr->count != count)
        return error_set(err, SL_E_MODEL, "attribute '%s' is not a list of %zu integers", name, count);
    *list = attr->ints;
    return SL_OK;
}

/* Floats, or with "_as_tensor" doubles. */
static sl_status read_reals(const struct op_call *call, const char *name, size_t count, const float **list,
                            const double **list_f64, sl_error *err) {
    char tensor_name[64] = "";
    strncat(tensor_name, name, 40);
    strncat(tensor_name, "_as_tensor", 12);
    const struct attr *attr = op_attr(call, name), *exact = op_attr(call, tensor_name);
    if (exact && exact->type == ATTR_TENSOR && rule_count(exact->tensor) == (int64_t)count) {
        if (exact->tensor->dtype == SL_DOUBLE) {
            *list_f64 = exact->tensor->data;
            return SL_OK;
        }
        if (exact->tensor->dtype == SL_FLOAT) {
            *list = exact->tensor->data;
            return SL_OK;
        }
    }
    if (!attr || attr->type != ATTR_FLOATS || attr->count != count)
        return error_set(err, SL_E_MODEL, "attribute '%s' is not a list of %zu numbers", name, count);
    *list = attr->floats;
    return SL_OK;
}

static const char *prefixed(char name[48], const char *prefix, const char *rest) {
    name[0] = 0;
    strncat(name, prefix, 16);
    strncat(name, rest, 24);
    return name;
}

sl_status tree_lists_read(const struct op_call *call, const char *prefix, struct tree_lists *l,
                          sl_error *err) {
    char name[48];
    const struct attr *ids = op_attr(call, "nodes_nodeids"), *modes = op_attr(call, "nodes_modes");
    const struct attr *weights = op_attr(call, prefixed(name, prefix, "_ids"));
    *l = (struct tree_lists){.count = ids ? ids->count : 0, .weight_count = weights ? weights->count : 0};
    if (!l->count || l->count > UINT32_MAX / 4 || l->weight_count > UINT32_MAX / 4)
        return error_set(err, SL_E_MODEL, "attribute 'nodes_nodeids' has no nodes");
    if (!modes || modes->type != ATTR_STRINGS || modes->count != l->count)
        return error_set(err, SL_E_MODEL, "attribute 'nodes_modes' is not a list of %zu texts", l->count);
    l->modes = modes->strings;
    sl_status st = read_ints(call, "nodes_nodeids", l->count, &l->ids, err);
    if (st == SL_OK)
        st = read_ints(call, "nodes_treeids", l->count, &l->trees, err);
    if (st == SL_OK)
        st = read_ints(call, "nodes_featureids", l->count, &l->features, err);
    if (st == SL_OK)
        st = read_ints(call, "nodes_truenodeids", l->count, &l->yes, err);
    if (st == SL_OK)
        st = read_ints(call, "nodes_falsenodeids", l->count, &l->no, err);
    if (st == SL_OK && op_attr(call, "nodes_missing_value_tracks_true") &&
        op_attr(call, "nodes_missing_value_tracks_true")->count)
        st = read_ints(call, "nodes_missing_value_tracks_true", l->count, &l->missing, err);
    if (st == SL_OK)
        st = read_reals(call, "nodes_values", l->count, &l->values, &l->values_f64, err);
    if (st == SL_OK)
        st = read_ints(call, prefixed(name, prefix, "_ids"), l->weight_count, &l->weight_targets, err);
    if (st == SL_OK)
        st = read_ints(call, prefixed(name, prefix, "_treeids"), l->weight_count, &l->weight_trees, err);
    if (st == SL_OK)
        st = read_ints(call, prefixed(name, prefix, "_nodeids"), l->weight_count, &l->weight_ids, err);
    if (st == SL_OK)
        st = read_reals(call, prefixed(name, prefix, "_weights"), l->weight_count, &l->weights,
                        &l->weights_f64, err);
    return st;
}
