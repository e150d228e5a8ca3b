/* k_attention.cuh: which keys a query sees, and the softmax that goes tile by tile: for both attentions. */
#ifndef INFER_CUDA_K_ATTENTION_CUH
#define INFER_CUDA_K_ATTENTION_CUH

#include "infer/cuda/kernels/k_attention.h"
#include "infer/cuda/kernels/k_device.cuh"

#define K_LOG2_E 1.4426950408889634f

/* What of the keys batch b, head h has. */
struct k_sight {
    int32_t batch, head, shift,
        count; /* query i stands beside key i + shift; keys from `count` on are none */
};

SL_DEVICE k_sight k_sight_of(const struct k_attention &a, int32_t batch, int32_t head) {
    k_sight s = {batch, head, a.shift, a.keys};
    if (a.count) {
        const int64_t n = a.count[batch];
        s.count = n < 0 ? 0 : n < a.keys ? (int32_t)n : a.keys;
        s.shift = (int32_t)n - a.queries;
    }
    if (a.lengths) {
        const int32_t n = a.lengths[batch] + 1;
        s.count = sl_min(sl_max(n, 0), a.keys);
        s.shift = *a.total == a.queries ? 0 : sl_min(sl_max(n - a.queries, 0), a.past);
    }
    return s;
}

/* Keys that queries [first, last] see at all: [*from, *to). */
SL_DEVICE void k_range(const struct k_attention &a, const k_sight &s, int32_t first, int32_t last,
                       int32_t *from, int32_t *to) {
    *from = a.left >= 0 ? sl_max(first + s.shift - a.left, 0) : 0;
    *to = a.right >= 0 ? sl_min(last + s.shift + a.right + 1, s.count) : s.count;
}

/* The score as the softmax takes it, or -infinity. */
SL_DEVICE float k_score(const struct k_attention &a, const k_sight &s, int32_t i, int32_t j, float score) {
    score *= a.scale;
    if (a.softcap != 0)
        score = a.softcap * tanhf(score / a.softcap);
    if (j >= s.count || (a.left >= 0 && j < i + s.shift - a.left) ||
        (a.right >= 0 && j > i + s.shift + a.right))
        return -INFINITY;
    if (!a.mask || i >= a.queries)
        return score;
    if (a.mask_columns != 1 && j >= a.mask_columns)
        return -INFINITY;
    const int64_t at =
        s.batch * a.mask_step[0] + s.head * a.mask_step[1] + i * a.mask_step[2] + j * a.mask_step[3];
    const float bias = k_load<float>(a.mask, a.mask_type, at);
    if (a.mask_type == K_BOOL)
        return bias != 0 ? score : -INFINITY;
    return bias == -INFINITY ? bias : score + bias;
}

/* Whether what is added to a score depends on its key alone, as masks of padded tokens do: then it is found
 * once for all queries of a tile. */
SL_DEVICE bool k_is_by_key(const struct k_attention &a) {
    return a.softcap == 0 && a.left < 0 && a.right < 0 && (!a.mask || a.mask_step[2] == 0);
}

/* What is added to the scores of key j, where that is so; -infinity: the key takes no part. */
SL_DEVICE float k_key_bias(const struct k_attention &a, const k_sight &s, int32_t j) {
    if (j >= s.count || (a.mask && a.mask_columns != 1 && j >= a.mask_columns))
        return -INFINITY;
    if (!a.mask)
        return 0;
    const float bias = k_load<float>(a.mask, a.mask_type,
                                     s.batch * a.mask_step[0] + s.head * a.mask_step[1] + j * a.mask_step[3]);
    return a.mask_type != K_BOOL ? bias : bias != 0 ? 0 : -INFINITY;
}

/* A row's softmax so far: largest score, sum of exponentials. When a tile brings a larger one, what was
 * summed up shrinks by exp(old - new); exp(x) is 2^(x log2 e). Nothing but -infinity so far: everything is
 * zero. */
struct k_running {
    float largest, sum;

    SL_DEVICE float raise(float tile_largest) {
        const float now = fmaxf(largest, tile_largest);
        const float shrink = now == -INFINITY ? 1 : sl_ex2((largest - now) * K_LOG2_E);
        largest = now;
        sum *= shrink;
        return shrink;
    }
    SL_DEVICE float weigh(float score) const {
        return largest == -INFINITY && score == -INFINITY ? 0 : sl_ex2((score - largest) * K_LOG2_E);
    }
    SL_DEVICE float share() const {
        return sum == 0 ? 0 : 1 / sum;
    }
};

/* Before the first tile. */
template <typename T> SL_DEVICE k_running k_running_of(const struct k_attention &a, int32_t head) {
    k_running r = {-INFINITY, 0};
    if (a.sink || a.zero_sink)
        r.largest = a.sink ? sl_to_float(((const T *)a.sink)[head]) : 0;
    r.sum = r.largest == -INFINITY ? 0 : 1;
    return r;
}

#endif
