/* test_ops_sequence.c: what a shape rule of the sequence operators lets pass, its reference runs within its
 * tensors. Good calls are bent at random: a dim, a rank, a dtype, an attribute, an input left out; each input
 * and output has a block of its own with a guard behind it, which the sanitizers watch, too. */
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "ops/op.h"
#include "ops/rules.h"
#include "support/arena.h"
#include "support/mem.h"

enum { INPUTS = 12, ATTRS = 8, OUTPUTS = 4, ROUNDS = 4000, MOST_NBYTES = 1 << 16 };

/* Inputs separated by ';': dtype (f, i, l for int64, b for bool, "-" for none) and dims. Attributes:
 * name=int. */
static const struct base {
    const char *domain, *op, *in, *attrs;
    int64_t opset;
} bases[] = {
    {"", "Attention", "f2,4,6;f2,4,6;f2,4,6;f4,4", "q_num_heads=2 kv_num_heads=2 is_causal=1", 25},
    {"", "Attention", "f2,4,3,2;f2,2,5,2;f2,2,5,3;b2,1,3,8;f2,2,3,2;f2,2,3,3", "left_window_size=2", 25},
    {"", "Attention", "f2,4,3,2;f2,2,5,2;f2,2,5,3;f3,5;-;-;l2", "is_causal=1 qk_matmul_output_mode=2", 25},
    {"", "LinearAttention", "f2,3,8;f2,3,4;f2,3,6;f2,2,2,3;f2,3,2;f2,3,1", "q_num_heads=4 kv_num_heads=2",
     27},
    {"", "CausalConvWithState", "f2,3,5;f3,1,4;f3;f2,3,3", "", 27},
    {"", "RotaryEmbedding", "f2,3,12;f9,2;f9,2;l2,3", "num_heads=3", 23},
    {"", "RotaryEmbedding", "f2,3,4,6;f2,4,3;f2,4,3", "interleaved=1", 23},
    {"", "LSTM", "f3,2,4;f1,12,4;f1,12,3;f1,24;i2;f1,2,3;f1,2,3;f1,9", "hidden_size=3", 22},
    {"", "GRU", "f2,3,4;f1,9,4;f1,9,3;f1,18;i2;f2,1,3", "hidden_size=3 layout=1 linear_before_reset=1", 22},
    {"", "RNN", "f3,2,4;f1,3,4;f1,3,3;f1,6;i2;f1,2,3", "hidden_size=3", 22},
    {"", "SwiGLU", "f2,3;f2,3", "", 28},
    {"", "SimplifiedLayerNormalization", "f2,3,4;f4", "axis=-1", 17},
    {"com.microsoft", "Attention", "f2,4,5;f5,18;f18;i2,7;f2,2,2,3,3;f2,2,4,7", "num_heads=2", 1},
    {"com.microsoft", "Attention", "f2,4,5;f5,18;f18;i2", "num_heads=2 unidirectional=1", 1},
    {"com.microsoft", "Attention", "f2,4,5;f5,18;f18;i2,1,9,9", "num_heads=3", 1},
    {"com.microsoft", "MultiHeadAttention", "f2,4,6;f2,5,6;f2,5,8;f20;i2,5;f1,2,4,5", "num_heads=2", 1},
    {"com.microsoft", "MultiHeadAttention", "f2,4,6;f2,4,6;f2,4,6;f18;i8;-;f2,2,3,3;f2,2,3,3", "num_heads=2",
     1},
    {"com.microsoft", "MultiHeadAttention", "f2,4,2,3,3;-;-;f18", "num_heads=2", 1},
    {"com.microsoft", "GroupQueryAttention",
     "f2,3,8;f2,3,4;f2,3,4;f2,2,4,2;f2,2,4,2;i2;i;f9,1;f9,1;l2,3;f1,1,3,7;f4",
     "num_heads=4 kv_num_heads=2 do_rotary=1 local_window_size=2", 1},
    {"com.microsoft", "GroupQueryAttention", "f2,3,16;-;-;f2,2,0,2;f2,2,0,2;i2;i",
     "num_heads=4 kv_num_heads=2", 1},
    {"com.microsoft", "RotaryEmbedding", "f2,3,12;l2,3;f9,2;f9,2", "", 1},
    {"com.microsoft", "SkipLayerNormalization", "f2,3,4;f3,4;f4;f4;f4", "", 1},
    {"com.microsoft", "SkipSimplifiedLayerNormalization", "f2,3,4;f1,3,4;f4;f4", "", 1},
    {"com.microsoft", "EmbedLayerNormalization", "i2,3;i2,3;f9,4;f5,4;f2,4;f4;f4;i2,3;i1,3", "", 1},
    {"com.microsoft", "GroupNorm", "f2,3,2,4;f4;f4", "groups=2", 1},
    {"com.microsoft", "SkipGroupNorm", "f2,4,3,2;f4;f4;f2,4;f4", "groups=2 channels_last=0", 1},
    {"com.microsoft", "FastGelu", "f2,3;f3", "", 1},
    {"com.microsoft", "BiasSplitGelu", "f2,3,6;f6", "", 1},
    {"com.microsoft", "BiasAdd", "f2,3,6;f6;f2,3,6", "", 1},
    {"com.microsoft", "BiasSoftmax", "f2,3,4,5;f2,1,1,5", "axis=3 is_inner_broadcast=1", 1},
    {"com.microsoft", "FusedMatMul", "f2,4,3;f2,5,3", "transB=1", 1},
    {"com.microsoft", "FusedMatMul", "f4,2,3;f3,2,5", "transBatchA=1 transBatchB=1", 1},
    {"com.microsoft", "FusedGemm", "f4,3;f3,5;f5", "", 1},
    {"com.microsoft", "FusedConv", "f2,4,5,5;f6,2,3,3;f6;f2,6,3,3", "group=2", 1},
    {"com.microsoft", "Inverse", "f2,3,3", "", 1},
    {"com.microsoft", "ReduceSumInteger", "c2,3,4", "keepdims=0", 1}};
enum { BASES = sizeof bases / sizeof *bases };

struct trial {
    const struct op *op;
    sl_tensor in[INPUTS], out[OUTPUTS];
    const sl_tensor *ins[INPUTS];
    sl_tensor *outs[OUTPUTS];
    struct attr attrs[ATTRS];
    char names[ATTRS][40];
    struct op_call call;
};

static int pick(int low, int high) {
    return low + rand() % (high - low + 1);
}

static void read_base(const struct base *b, struct trial *t) {
    memset(t, 0, sizeof *t);
    t->op = op_find(b->domain, b->op, b->opset);
    ck_assert_msg(t->op != NULL, "there is no %s", b->op);
    size_t n = 0;
    for (const char *p = b->in; *p; n++) {
        sl_tensor *x = &t->in[n];
        char kind = *p++;
        x->dtype = kind == 'f'   ? SL_FLOAT
                   : kind == 'i' ? SL_INT32
                   : kind == 'l' ? SL_INT64
                   : kind == 'c' ? SL_INT8
                                 : SL_BOOL;
        t->ins[n] = kind == '-' ? NULL : x;
        while (*p && *p != ';') {
            x->dims[x->rank++] = strtoll(p, (char **)&p, 10);
            p += *p == ',';
        }
        p += *p == ';';
    }
    size_t a = 0;
    for (const char *p = b->attrs; *p; a++) {
        size_t length = strcspn(p, "=");
        memcpy(t->names[a], p, length);
        t->attrs[a] = (struct attr){.name = t->names[a], .type = ATTR_INT};
        t->attrs[a].i = strtoll(p + length + 1, (char **)&p, 10);
        p += *p == ' ';
    }
    t->call =
        (struct op_call){.attrs = t->attrs, .attr_count = a, .opset = b->opset, .in = t->ins, .in_count = n};
    t->call.out = t->outs;
    t->call.out_count = (size_t)t->op->max_out;
    for (size_t i = 0; i < t->call.out_count; i++)
        t->outs[i] = i == 0 || rand() % 3 ? &t->out[i] : NULL;
}

static void bend(struct trial *t) {
    static const int64_t odd[] = {0, 1, 2, 3, 5, 7, 8, 1 << 20, (int64_t)1 << 40, INT32_MAX};
    sl_tensor *x = &t->in[pick(0, (int)t->call.in_count - 1)];
    switch (pick(0, 6)) {
    case 0:
    case 1:
        if (x->rank)
            x->dims[pick(0, x->rank - 1)] = odd[pick(0, 9)];
        break;
    case 2:
        x->rank = pick(0, 5);
        for (int d = 0; d < x->rank; d++)
            x->dims[d] = x->dims[d] ? x->dims[d] : pick(0, 3);
        break;
    case 3:
        x->dtype = (sl_dtype)(rand() % 2 ? SL_INT64 : pick(1, 16));
        break;
    case 4:
        if (t->call.attr_count)
            t->attrs[pick(0, (int)t->call.attr_count - 1)].i = rand() % 2 ? pick(-3, 6) : odd[pick(0, 9)];
        break;
    case 5:
        t->call.in_count = (size_t)pick(t->op->min_in, (int)t->call.in_count);
        break;
    default: /* an optional input left out */
        for (size_t i = (size_t)t->op->min_in; i < t->call.in_count; i++)
            if (rand() % 4 == 0)
                t->ins[i] = NULL;
    }
}

static bool give_block(sl_tensor *t, bool fill) {
    size_t nbytes;
    if (!sl_shape_nbytes(t->dtype, t->rank, t->dims, &nbytes) || nbytes > MOST_NBYTES)
        return false;
    t->data = mem_alloc(1, nbytes + 8);
    memset((char *)t->data + nbytes, 0x5a, 8);
    for (size_t i = 0; fill && i < nbytes; i++)
        ((uint8_t *)t->data)[i] = (uint8_t)(rand() % 3 ? rand() % 4 : rand());
    return true;
}

static void check_guard(const sl_tensor *t, const char *op) {
    size_t nbytes = 0;
    ck_assert(sl_shape_nbytes(t->dtype, t->rank, t->dims, &nbytes));
    for (size_t i = 0; i < 8; i++)
        ck_assert_msg(((uint8_t *)t->data)[nbytes + i] == 0x5a, "%s wrote behind an output's end", op);
}

/* Whether it ran. */
static bool run(struct trial *t) {
    sl_error err = {0};
    struct arena arena;
    struct op_prepared prepared = {0};
    bool fits = true;
    size_t nbytes;
    for (size_t i = 0; i < t->call.in_count; i++) /* what cannot be counted does not come this far */
        fits = fits && (!t->ins[i] || sl_shape_nbytes(t->in[i].dtype, t->in[i].rank, t->in[i].dims, &nbytes));
    fits = fits && t->op->infer(&t->call, &err) == SL_OK;
    arena_init(&arena);
    /* as in a plan: only then there is data */
    if (fits && t->op->prepare)
        fits = t->op->prepare(&t->call, &arena, &prepared, &err) == SL_OK &&
               prepared.scratch_nbytes < MOST_NBYTES * 16;
    for (size_t i = 0; fits && i < t->call.in_count; i++)
        fits = !t->ins[i] || give_block(&t->in[i], true);
    for (size_t i = 0; fits && i < t->call.out_count; i++)
        fits = !t->outs[i] || give_block(&t->out[i], false);
    if (fits) {
        t->call.state = prepared.state;
        t->call.scratch = mem_alloc(1, prepared.scratch_nbytes + 1);
        t->op->run(&t->call);
        mem_free(t->call.scratch);
        for (size_t i = 0; i < t->call.out_count; i++)
            if (t->outs[i])
                check_guard(&t->out[i], t->op->name);
    }
    arena_clear(&arena);
    for (size_t i = 0; i < INPUTS; i++)
        mem_free(t->in[i].data);
    for (size_t i = 0; i < OUTPUTS; i++)
        mem_free(t->out[i].data);
    return fits;
}

START_TEST(bent_calls_stay_inside) {
    static struct trial t;
    size_t ran = 0;
    srand(20261123u + (unsigned)_i);
    read_base(&bases[_i], &t);
    for (size_t i = 0; i < t.call.out_count; i++)
        t.outs[i] = i == 0 ? &t.out[i] : NULL;
    ck_assert_msg(run(&t), "%s: the good call was refused", bases[_i].op);
    for (int round = 0; round < ROUNDS; round++) {
        read_base(&bases[_i], &t);
        for (int bends = pick(1, 3); bends; bends--)
            bend(&t);
        ran += run(&t);
    }
    ck_assert_msg(ran > ROUNDS / 200, "%s: only %zu of %d calls ran", bases[_i].op, ran, ROUNDS);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ops_sequence");
    TCase *c = tcase_create("ops_sequence");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, bent_calls_stay_inside, 0, BASES);
    suite_add_tcase(suite, c);
    return harness_run(suite);
}
