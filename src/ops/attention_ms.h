/* attention_ms.h: what the attention operators of com.microsoft have in common: masks in many forms, a bias
 * on the scores, past rows as [batch, heads, rows, size]. */
#ifndef OPS_ATTENTION_MS_H
#define OPS_ATTENTION_MS_H

#include "ops/attend.h"
#include "ops/op.h"

struct ms_attention {
    const struct op_call *call;
    int64_t batch, heads, kv_heads, queries, past, fresh; /* keys are past rows and then fresh ones */
    int64_t size, v_size;
    const sl_tensor *mask, *score_bias; /* or NULL */
    double filter;                      /* what a masked key's score gets */
    bool causal;
};

/* The mask's and the bias's shapes; they are set in `a` already. */
sl_status ms_check_masks(const struct ms_attention *a, sl_error *err);
/* For struct attend: what mask, bias and causality add. `owner` is a struct ms_attention. */
double ms_bias(const void *owner, int64_t b, int64_t head, int64_t i, int64_t j);
/* Output 0, [batch, queries, heads * v_size]. */
void ms_store(const void *owner, int64_t b, int64_t head, int64_t i, const double *row);
/* The part of a call that all share. */
struct attend ms_attend(const struct ms_attention *a);
/* 1 / sqrt(size), unless the attribute says something else. */
double ms_scale(const struct op_call *call, int64_t size);

#endif
