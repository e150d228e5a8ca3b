/* trees.cu: TreeEnsembleClassifier, TreeEnsembleRegressor and TreeEnsemble: every row goes through every
 * tree, the weights of the leaves it reaches are added up in double in the order of the trees, and then come
 * base values and post_transform: the same decisions and sums as ops/tree_score.c, bit for bit;
 * post_transform within the last digit of float.
 *
 * Shapes: x [rows, features], scores [rows, targets]. Bytes a row: its features once from memory; the nodes,
 * 16 bytes for each step down, from the caches. FLOPs: one comparison a step, one sum a tree. Bound by the
 * latency of the caches: what helps is many walks at once.
 *
 * Threads: a block of 256 is R rows by 256 / R trees (R = 32, fewer where there are many targets). Each
 * thread walks its row through one tree and leaves the number of the leaf in shared memory; then the threads
 * of a row share its targets among them and add those leaves in order, into sums in shared memory; then the
 * next trees. So the order of the sums is the model's, whatever R is. At the end one thread a row writes its
 * scores. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_post.cuh"
#include "infer/cuda/kernels/k_tree.h"

static const uint32_t THREADS = 256;
enum { SHARED_NBYTES = 40 << 10 };

/* ---- the walk ---- */

template <typename C> SL_DEVICE bool compare(int mode, C x, C threshold) {
    switch (mode) {
    case K_TREE_LEQ:
        return x <= threshold;
    case K_TREE_LT:
        return x < threshold;
    case K_TREE_GTE:
        return x >= threshold;
    case K_TREE_GT:
        return x > threshold;
    case K_TREE_EQ:
        return x == threshold;
    default:
        return x != threshold;
    }
}

SL_DEVICE bool is_member(const k_trees &t, float which, double x) {
    union {
        float f;
        uint32_t bits;
    } set = {which};
    const k_tree_set s = t.sets[set.bits];
    for (uint32_t i = 0; i < s.count; i++)
        if (t.members[s.first + i] == x)
            return true;
    return false;
}

/* The leaf that a row reaches. NaN fails every comparison but NEQ's, and holds where the model tracks it. */
template <typename C> SL_DEVICE uint32_t leaf_of(const k_trees &t, uint32_t root, int64_t row) {
    uint32_t at = root;
    for (;;) {
        const k_tree_node n = t.nodes[at];
        if (n.mode == K_TREE_LEAF)
            return at;
        C x = k_load<C>(t.x, t.x_type, row * t.features + n.feature);
        C threshold = t.thresholds ? (C)t.thresholds[at] : (C)n.threshold;
        bool yes =
            n.mode == K_TREE_MEMBER ? is_member(t, n.threshold, (double)x) : compare<C>(n.mode, x, threshold);
        at = n.child + (yes || (n.missing_true && x != x) ? 0 : 1);
    }
}

/* ---- the sums ---- */

/* The weights of a leaf for targets first, first + step, ... */
SL_DEVICE void add_leaf(const k_trees &t, uint32_t leaf, uint32_t first, uint32_t step, double *scores,
                        uint8_t *found) {
    const k_tree_node n = t.nodes[leaf];
    for (uint32_t i = n.child; i < n.child + n.feature; i++) {
        const uint32_t target = t.weights[i].target;
        if (target % step != first)
            continue;
        double weight = t.weights_f64 ? t.weights_f64[i] : (double)t.weights[i].weight;
        bool sums = t.aggregate == K_TREE_SUM || t.aggregate == K_TREE_AVERAGE;
        if (sums)
            scores[target] += weight;
        else if (!found[target] ||
                 (t.aggregate == K_TREE_MIN ? weight < scores[target] : weight > scores[target]))
            scores[target] = weight;
        found[target] = 1;
    }
}

/* ---- the end of a row: its scores lie in the room of its sums, as floats in doubles ---- */

/* Three classes and more: the largest that got any weight. */
SL_DEVICE uint32_t finish_many(const k_trees &t, double *scores, const uint8_t *found) {
    uint32_t best = 0, n = t.target_count;
    bool any = false, based = t.base_count == n;
    for (uint32_t i = 0; i < n; i++) {
        scores[i] = (double)(float)(scores[i] + (based ? t.base[i] : 0));
        if ((found[i] || based) && (!any || scores[i] > scores[best])) {
            best = i;
            any = true;
        }
    }
    k_post_apply(t.post, scores, n);
    return best;
}

/* Two classes, as ops/ml_tree.c has them. */
SL_DEVICE uint32_t finish_two(const k_trees &t, double *scores, const uint8_t *found) {
    bool single = !found[1] && t.base_count != 2;
    if (t.base_count == 1) {
        scores[0] += t.base[0];
    } else if (t.base_count == 2 && found[1]) {
        scores[1] = scores[0] + t.base[1];
        scores[0] = -scores[1];
    } else if (t.base_count == 2) {
        scores[0] += t.base[0];
    }
    scores[0] = found[0] || single ? (double)(float)scores[0] : 0;
    scores[1] = found[1] ? (double)(float)scores[1] : 0;
    float decides = (float)(found[1] ? scores[1] : scores[0]);
    if (!single) {
        k_post_apply(t.post, scores, 2);
    } else if (t.post == K_POST_PROBIT) {
        scores[0] = (double)k_post_probit(decides);
    } else if (t.post == K_POST_LOGISTIC) {
        scores[0] = (double)k_post_logistic(-decides);
        scores[1] = (double)k_post_logistic(decides);
    } else {
        scores[0] = (double)(t.add_up ? 1 - decides : -decides);
        scores[1] = (double)decides;
    }
    return decides > (t.add_up ? 0.5f : 0.0f);
}

SL_DEVICE void finish_targets(const k_trees &t, double *scores) {
    uint32_t n = t.target_count;
    bool changes = t.post != K_POST_NONE && (n > 1 || t.post == K_POST_PROBIT);
    for (uint32_t i = 0; i < n; i++) {
        double score = t.aggregate == K_TREE_AVERAGE ? scores[i] / (double)t.tree_count : scores[i];
        score = t.base_count == n ? score + t.base[i] : score;
        scores[i] = changes ? (double)(float)score : score;
    }
    if (changes)
        k_post_apply(t.post, scores, n);
}

/* ---- the kernel ---- */

template <typename C> SL_KERNEL void trees(const k_trees t, uint32_t rows) {
    SL_SHARED(uint32_t, leaves, 256);
    SL_SHARED_DYNAMIC(double, sums); /* [rows, targets], and behind them a byte each: found */
    uint8_t *found = (uint8_t *)(sums + rows * t.target_count);
    const uint32_t in = threadIdx.x % rows, lane = threadIdx.x / rows, lanes = THREADS / rows;
    const int64_t row = (int64_t)blockIdx.x * rows + in;
    for (uint32_t i = threadIdx.x; i < rows * t.target_count; i += THREADS) {
        sums[i] = 0;
        found[i] = 0;
    }
    sl_sync();
    double *own = sums + in * t.target_count;
    uint8_t *own_found = found + in * t.target_count;
    for (uint32_t tree = 0; tree < t.tree_count; tree += lanes) {
        const uint32_t unit = t.tree_count - tree < lanes ? t.tree_count - tree : lanes;
        if (row < t.rows && lane < unit)
            leaves[lane * rows + in] = leaf_of<C>(t, t.roots[tree + lane], row);
        sl_sync();
        for (uint32_t k = 0; row < t.rows && lane < t.target_count && k < unit; k++)
            add_leaf(t, leaves[k * rows + in], lane, lanes, own, own_found);
        sl_sync();
    }
    if (lane > 0 || row >= t.rows)
        return;
    if (t.classes) {
        uint32_t best = t.target_count > 2 ? finish_many(t, own, own_found) : finish_two(t, own, own_found);
        if (t.best)
            t.best[row] = t.labels ? t.labels[best] : (int64_t)best;
    } else {
        finish_targets(t, own);
    }
    for (uint32_t i = 0; t.scores && i < t.target_count; i++)
        k_store(t.scores, t.score_type, row * t.target_count + i, own[i]);
}

extern "C" uint32_t k_trees_rows(uint32_t target_count) {
    uint32_t rows = 32;
    while (rows && (uint64_t)rows * target_count * 9 > SHARED_NBYTES)
        rows /= 2;
    return rows;
}

extern "C" int k_trees_launch(const struct k_trees *t, k_stream stream) {
    uint32_t rows = k_trees_rows(t->target_count), blocks = (t->rows + rows - 1) / rows;
    uint32_t shared = (rows * t->target_count * 9 + 15) / 16 * 16;
    return t->single ? SL_LAUNCH((trees<float>), blocks, THREADS, shared, stream, *t, rows)
                     : SL_LAUNCH((trees<double>), blocks, THREADS, shared, stream, *t, rows);
}
