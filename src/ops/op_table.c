/* op_table.c: the one table of operators, and how a node finds its entry and its attributes. */
#include <string.h>

#include "ops/op.h"
#include "ops/ops.h"

#define OP(id) &op_##id,
const struct op *const op_table[] = {
#include "ops/op_list.h"
    NULL};
#undef OP

const struct op *op_find(const char *domain, const char *name, int64_t opset) {
    for (const struct op *const *op = op_table; *op; op++)
        if (!strcmp((*op)->name, name) && !strcmp((*op)->domain, domain) && opset >= (*op)->since &&
            (!(*op)->until || opset <= (*op)->until))
            return *op;
    return NULL;
}

bool op_known(const char *domain, const char *name) {
    for (const struct op *const *op = op_table; *op; op++)
        if (!strcmp((*op)->name, name) && !strcmp((*op)->domain, domain))
            return true;
    return false;
}

const struct attr *op_attr(const struct op_call *call, const char *name) {
    for (size_t i = 0; i < call->attr_count; i++)
        if (!strcmp(call->attrs[i].name, name))
            return &call->attrs[i];
    return NULL;
}

int64_t op_attr_int(const struct op_call *call, const char *name, int64_t fallback) {
    const struct attr *attr = op_attr(call, name);
    return attr && attr->type == ATTR_INT ? attr->i : fallback;
}

float op_attr_float(const struct op_call *call, const char *name, float fallback) {
    const struct attr *attr = op_attr(call, name);
    return attr && attr->type == ATTR_FLOAT ? attr->f : fallback;
}

bool op_attr_is(const struct op_call *call, const char *name, const char *text, const char *fallback) {
    const struct attr *attr = op_attr(call, name);
    if (!attr || attr->type != ATTR_STRING)
        return !strcmp(text, fallback);
    return attr->s.nbytes == strlen(text) && !memcmp(attr->s.data, text, attr->s.nbytes);
}
