/* cuda_heads.c: RotaryEmbedding of ai.onnx and of com.microsoft, by heads.cu. */
#include "infer/cuda/cuda_bound.h"
#include "ops/rules.h"

BOUND_LAUNCH(heads)

#define AT(type, field) offsetof(struct type, field)

/* Inputs of the two domains stand in another order. */
struct places {
    size_t positions, cos, sin;
};

/* [batch, heads, rows, size], or [batch, rows, heads * size]. */
static void take_heads(const struct cuda_match *m, struct k_heads *h, const struct places *p) {
    const sl_tensor *x = m->call.in[0], *cos = m->call.in[p->cos];
    int64_t heads = op_attr_int(&m->call, "num_heads", 0);
    if (x->rank == 4)
        heads = x->dims[1];
    else if (heads < 1) /* com.microsoft's: all of a head is turned */
        heads = x->dims[2] / (2 * cos->dims[1]);
    int64_t rows = x->dims[x->rank - 2], size = x->rank == 4 ? x->dims[3] : x->dims[2] / heads;
    h->batches = (int32_t)x->dims[0];
    h->heads = (int32_t)heads;
    h->rows = h->fresh = (int32_t)rows;
    h->size = (int32_t)size;
    h->pairs = (int32_t)cos->dims[cos->rank - 1];
    h->cache_rows = (int32_t)(rule_count(cos) / h->pairs);
    h->at_x = x->rank == 4 ? (struct k_rows_at){heads * rows * size, rows * size, size}
                           : (struct k_rows_at){heads * rows * size, size, heads * size};
    h->at_y = h->at_x;
}

static bool match_rotary(struct cuda_match *m, int microsoft) {
    const struct places p = microsoft ? (struct places){1, 2, 3} : (struct places){3, 1, 2};
    bool positions = bound_has_in(m, p.positions);
    struct k_heads h = {.type = bound_in_type(m, 0),
                        .interleaved = op_attr_int(&m->call, "interleaved", 0) != 0,
                        .cache_is_own = !positions,
                        .one_position = positions && m->call.in[p.positions]->rank == 1};
    if (!bound_is_real(h.type) || h.type == K_F64 || bound_in_type(m, p.cos) != h.type ||
        bound_in_type(m, p.sin) != h.type || bound_out_type(m, 0) != h.type)
        return bound_refuse(m, "a rotation of this dtype");
    if (rule_count(m->call.in[0]) > INT32_MAX || rule_count(m->call.in[p.cos]) > INT32_MAX)
        return bound_refuse(m, "a value of more than 2^31 elements");
    if (!rule_count(m->call.in[p.cos]))
        return bound_refuse(m, "a rotation of no numbers");
    take_heads(m, &h, &p);
    struct cuda_bound *b = bound_add(m, launch_heads, &h, sizeof h);
    return bound_in(m, b, AT(k_heads, x), 0, 0) && bound_out(m, b, AT(k_heads, y), 0, 0) &&
           bound_in(m, b, AT(k_heads, cos), p.cos, 0) && bound_in(m, b, AT(k_heads, sin), p.sin, 0) &&
           (!positions || bound_in(m, b, AT(k_heads, positions), p.positions, 0));
}

const struct bound_operator bound_heads[] = {{"", "RotaryEmbedding", match_rotary, 0, false},
                                             {"com.microsoft", "RotaryEmbedding", match_rotary, 1, false},
                                             {NULL, NULL, NULL, 0, false}};
