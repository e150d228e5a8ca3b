/* cuda_embed.c: EmbedLayerNormalization. */
#include "infer/cuda/cuda_bound.h"
#include "ops/rules.h"

BOUND_LAUNCH(embed)
BOUND_LAUNCH(count_mask)

#define AT(type, field) offsetof(struct type, field)

enum { IN_IDS, IN_SEGMENTS, IN_WORDS, IN_PLACES, IN_KINDS, IN_GAMMA, IN_BETA, IN_MASK, IN_POSITIONS };

static bool match_embed(struct cuda_match *m, int detail) {
    static const struct {
        size_t in, at;
    } inputs[] = {{IN_IDS, AT(k_embed, ids)},     {IN_SEGMENTS, AT(k_embed, segments)},
                  {IN_WORDS, AT(k_embed, words)}, {IN_PLACES, AT(k_embed, places)},
                  {IN_KINDS, AT(k_embed, kinds)}, {IN_GAMMA, AT(k_embed, gamma)},
                  {IN_BETA, AT(k_embed, beta)},   {IN_POSITIONS, AT(k_embed, positions)}};
    const struct op_call *call = &m->call;
    int64_t tokens = rule_count(call->in[IN_IDS]);
    (void)detail;
    if (tokens > INT32_MAX || rule_count(call->in[IN_WORDS]) > INT32_MAX)
        return bound_refuse(m, "%lld ids", (long long)tokens);
    struct k_embed e = {.id_type = bound_in_type(m, IN_IDS),
                        .type = bound_in_type(m, IN_WORDS),
                        .word_count = (int32_t)call->in[IN_WORDS]->dims[0],
                        .place_count = (int32_t)call->in[IN_PLACES]->dims[0],
                        .kind_count = bound_has_in(m, IN_KINDS) ? (int32_t)call->in[IN_KINDS]->dims[0] : 0,
                        .tokens = (int32_t)tokens,
                        .length = (int32_t)call->in[IN_IDS]->dims[1],
                        .n = (int32_t)call->in[IN_WORDS]->dims[1],
                        .shared_positions =
                            bound_has_in(m, IN_POSITIONS) && call->in[IN_POSITIONS]->dims[0] == 1,
                        .epsilon = op_attr_float(call, "epsilon", 1e-12f)};
    for (size_t i = IN_WORDS; i <= IN_BETA; i++)
        if (bound_has_in(m, i) && bound_in_type(m, i) != e.type)
            return bound_refuse(m, "tables of different dtypes");
    for (size_t i = 0; i < 3; i += 2)
        if (bound_has_out(m, i) && bound_out_type(m, i) != e.type)
            return bound_refuse(m, "outputs of different dtypes");
    struct cuda_bound *b = bound_add(m, launch_embed, &e, sizeof e);
    bool ok = bound_out(m, b, AT(k_embed, y), 0, 0) &&
              (!bound_has_out(m, 2) || bound_out(m, b, AT(k_embed, sum), 2, 0));
    for (size_t i = 0; ok && i < sizeof inputs / sizeof *inputs; i++)
        if (bound_has_in(m, inputs[i].in))
            ok = bound_in(m, b, inputs[i].at, inputs[i].in, 0);
    if (!ok || !bound_has_out(m, 1))
        return ok;
    struct k_count_mask c = {.rows = (int32_t)call->in[IN_IDS]->dims[0], .length = e.length};
    b = bound_add(m, launch_count_mask, &c, sizeof c);
    return bound_out(m, b, AT(k_count_mask, y), 1, 0) &&
           (!bound_has_in(m, IN_MASK) || bound_in(m, b, AT(k_count_mask, mask), IN_MASK, 0));
}

const struct bound_operator bound_embed[] = {
    {"com.microsoft", "EmbedLayerNormalization", match_embed, 0, false}, {NULL, NULL, NULL, 0, false}};
