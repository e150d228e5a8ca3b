/* lines.cu: what goes along one axis: Softmax over any axis, LogSoftmax, Hardmax, LpNormalization, ArgMax and
 * ArgMin, TopK, CumSum and CumProd. Line l of n elements begins at l / step * n * step + l % step; its
 * elements are `step` apart. (Softmax over the last axis has softmax.cu.)
 *
 * Bytes an element: softmax three reads, of which two come from the caches, and one write; arg one read; top
 * k reads; cumulate one read and one write. FLOPs: a few. Bound by memory, or by latency where there are few
 * lines.
 *
 * Threads: where the elements of a line are contiguous, a warp (TopK: a block of 128) a line; else a thread a
 * line, so that neighbouring threads read neighbouring elements. Sums: each lane its own in order, then a
 * butterfly; CumSum in the order of the axis, in double. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_rows.h"

static const uint32_t THREADS = 128;

SL_DEVICE int64_t line_begin(const k_line &l, uint32_t line) {
    uint32_t outer = k_quotient(line, l.step);
    return (int64_t)outer * l.n * l.step.by + (line - outer * l.step.by);
}

static bool is_signed(int type) {
    return type == K_I8 || type == K_I16 || type == K_I32 || type == K_I64;
}
static bool is_float(int type) {
    return type == K_F32 || type == K_F16 || type == K_BF16;
}

/* ---- softmax and norms ---- */

template <typename C, int LANES> SL_DEVICE C line_sum(C x) {
    return x;
}
template <> SL_DEVICE float line_sum<float, 32>(float x) {
    return k_warp_sum(x);
}

template <typename C, int LANES> SL_DEVICE C line_most(C x) {
    return x;
}
template <> SL_DEVICE float line_most<float, 32>(float x) {
#pragma unroll
    for (int step = 16; step; step >>= 1) {
        float other = sl_shfl_xor(x, step);
        x = other > x ? other : x;
    }
    return x;
}

/* A NaN in the line makes the sum, and so the whole line, NaN. */
template <typename C, int LANES> SL_KERNEL void softmax_line(const k_softmax_line s) {
    const k_line &l = s.line;
    const uint32_t line = (blockIdx.x * blockDim.x + threadIdx.x) / LANES;
    const int32_t lane = (int32_t)threadIdx.x % LANES;
    if (line >= l.lines)
        return;
    const int64_t first = line_begin(l, line), step = l.step.by;
    C most = -INFINITY, sum = 0;
    for (int32_t i = lane; i < l.n; i += LANES) {
        C x = k_load<C>(l.x, l.x_type, first + i * step);
        most = x > most ? x : most;
    }
    most = line_most<C, LANES>(most);
    for (int32_t i = lane; i < l.n; i += LANES)
        sum += exp(k_load<C>(l.x, l.x_type, first + i * step) - most);
    sum = line_sum<C, LANES>(sum);
    const C log_sum = log(sum), over = 1 / sum;
    for (int32_t i = lane; i < l.n; i += LANES) {
        C shifted = k_load<C>(l.x, l.x_type, first + i * step) - most;
        k_store(l.y, l.y_type, first + i * step,
                s.form == K_SOFT_LOG ? shifted - log_sum : exp(shifted) * over);
    }
}

/* 1 where the first of the largest stands; NaN counts as the largest. */
SL_KERNEL void hardmax_line(const k_softmax_line s) {
    const k_line &l = s.line;
    const uint32_t line = blockIdx.x * blockDim.x + threadIdx.x;
    if (line >= l.lines)
        return;
    const int64_t first = line_begin(l, line), step = l.step.by;
    double most = -INFINITY;
    int32_t best = 0;
    for (int32_t i = 0; i < l.n; i++) {
        double x = k_load<double>(l.x, l.x_type, first + i * step);
        if (x > most || x != x) {
            most = x;
            best = i;
        }
        if (x != x)
            break;
    }
    for (int32_t i = 0; i < l.n; i++)
        k_store(l.y, l.y_type, first + i * step, i == best ? 1.0f : 0.0f);
}

extern "C" int k_softmax_line_launch(const struct k_softmax_line *s, k_stream stream) {
    uint32_t one = (s->line.lines + THREADS - 1) / THREADS,
             warp = (s->line.lines + THREADS / 32 - 1) / (THREADS / 32);
    if (s->form == K_SOFT_HARD)
        return SL_LAUNCH(hardmax_line, one, THREADS, 0, stream, *s);
    if (s->line.x_type == K_F64)
        return SL_LAUNCH((softmax_line<double, 1>), one, THREADS, 0, stream, *s);
    if (s->line.step.by == 1)
        return SL_LAUNCH((softmax_line<float, 32>), warp, THREADS, 0, stream, *s);
    return SL_LAUNCH((softmax_line<float, 1>), one, THREADS, 0, stream, *s);
}

template <typename C, int LANES> SL_KERNEL void lp_norm_line(const k_lp_norm s) {
    const k_line &l = s.line;
    const uint32_t line = (blockIdx.x * blockDim.x + threadIdx.x) / LANES;
    const int32_t lane = (int32_t)threadIdx.x % LANES;
    if (line >= l.lines)
        return;
    const int64_t first = line_begin(l, line), step = l.step.by;
    C norm = 0;
    if (s.p == 0)
        norm = -INFINITY;
    for (int32_t i = lane; i < l.n; i += LANES) {
        C x = k_load<C>(l.x, l.x_type, first + i * step);
        norm = s.p == 2 ? norm + x * x : s.p == 1 ? norm + fabs(x) : x > norm ? x : norm;
    }
    norm = s.p == 0 ? line_most<C, LANES>(norm) : line_sum<C, LANES>(norm);
    norm = s.p == 2 ? sqrt(norm) : norm;
    for (int32_t i = lane; i < l.n; i += LANES) {
        C x = k_load<C>(l.x, l.x_type, first + i * step);
        k_store(l.y, l.y_type, first + i * step, fabs(norm) > 0 ? x / norm : s.p == 0 ? x : (C)0);
    }
}

extern "C" int k_lp_norm_launch(const struct k_lp_norm *s, k_stream stream) {
    uint32_t one = (s->line.lines + THREADS - 1) / THREADS,
             warp = (s->line.lines + THREADS / 32 - 1) / (THREADS / 32);
    if (s->line.x_type == K_F64)
        return SL_LAUNCH((lp_norm_line<double, 1>), one, THREADS, 0, stream, *s);
    if (s->line.step.by == 1)
        return SL_LAUNCH((lp_norm_line<float, 32>), warp, THREADS, 0, stream, *s);
    return SL_LAUNCH((lp_norm_line<float, 1>), one, THREADS, 0, stream, *s);
}

/* ---- the best of a line ---- */

/* NaN is larger than every number. */
template <typename C> SL_DEVICE int compare(C a, C b) {
    if (a != a || b != b)
        return (int)(a != a) - (int)(b != b);
    return (int)(a > b) - (int)(a < b);
}

/* A place of -1 is none. Of equal ones the first goes before, or the last. */
template <typename C>
SL_DEVICE bool goes_before(C a, int32_t place, C b, int32_t than, bool most, bool last) {
    if (place < 0 || than < 0)
        return place >= 0;
    int order = compare(a, b);
    if (order == 0)
        return last ? place > than : place < than;
    return (order > 0) == most;
}

/* The best of `lanes` threads side by side, in `room` and `places`, which have one entry a thread. */
template <typename C>
SL_DEVICE void best_of(C *room, int32_t *places, uint32_t lanes, bool most, bool last, C *best,
                       int32_t *place) {
    uint32_t me = threadIdx.x, rank = me % lanes;
    room[me] = *best;
    places[me] = *place;
    for (uint32_t half = lanes / 2; half; half /= 2) {
        sl_sync();
        if (rank < half &&
            goes_before(room[me + half], places[me + half], room[me], places[me], most, last)) {
            room[me] = room[me + half];
            places[me] = places[me + half];
        }
    }
    sl_sync();
    *best = room[me - rank];
    *place = places[me - rank];
    sl_sync();
}

/* NaN is the best there is for ArgMax and for ArgMin. */
template <typename C> SL_DEVICE bool is_better(C value, C than, bool most, bool last) {
    if (than != than)
        return last && value != value;
    return value != value || (most ? value > than : value < than) || (last && value == than);
}

template <typename C> SL_KERNEL void arg_line(const k_arg a) {
    const k_line &l = a.line;
    const uint32_t line = blockIdx.x * blockDim.x + threadIdx.x;
    if (line >= l.lines)
        return;
    const int64_t first = line_begin(l, line), step = l.step.by;
    C best = k_load<C>(l.x, l.x_type, first);
    int32_t place = 0;
    for (int32_t i = 1; i < l.n; i++) {
        C x = k_load<C>(l.x, l.x_type, first + i * step);
        if (is_better(x, best, a.most, a.last)) {
            best = x;
            place = i;
        }
    }
    ((int64_t *)l.y)[line] = place;
}

/* A warp a line. */
template <typename C> SL_KERNEL void arg_warp(const k_arg a) {
    SL_SHARED(C, room, 128);
    SL_SHARED(int32_t, places, 128);
    const k_line &l = a.line;
    const uint32_t line = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
    const int64_t first = (int64_t)line * l.n;
    C best = 0;
    int32_t place = -1;
    for (int32_t i = (int32_t)threadIdx.x % 32; line < l.lines && i < l.n; i += 32) {
        C x = k_load<C>(l.x, l.x_type, first + i);
        if (place < 0 || is_better(x, best, a.most, a.last)) {
            best = x;
            place = i;
        }
    }
    room[threadIdx.x] = best;
    places[threadIdx.x] = place;
    for (uint32_t half = 16; half; half /= 2) {
        sl_sync();
        if (threadIdx.x % 32 >= half || places[threadIdx.x + half] < 0)
            continue;
        C mine = room[threadIdx.x], other = room[threadIdx.x + half];
        int32_t own = places[threadIdx.x], its = places[threadIdx.x + half];
        bool equal = other == mine || (other != other && mine != mine);
        if (own < 0 || (equal ? (a.last ? its > own : its < own) : is_better(other, mine, a.most, false))) {
            room[threadIdx.x] = other;
            places[threadIdx.x] = its;
        }
    }
    if (threadIdx.x % 32 == 0 && line < l.lines)
        ((int64_t *)l.y)[line] = places[threadIdx.x];
}

template <typename C> static int launch_arg(const struct k_arg *a, k_stream stream) {
    if (a->line.step.by == 1)
        return SL_LAUNCH((arg_warp<C>), (a->line.lines + 3) / 4, THREADS, 0, stream, *a);
    return SL_LAUNCH((arg_line<C>), (a->line.lines + THREADS - 1) / THREADS, THREADS, 0, stream, *a);
}

extern "C" int k_arg_launch(const struct k_arg *a, k_stream stream) {
    return is_float(a->line.x_type)    ? launch_arg<float>(a, stream)
           : a->line.x_type == K_F64   ? launch_arg<double>(a, stream)
           : is_signed(a->line.x_type) ? launch_arg<int64_t>(a, stream)
                                       : launch_arg<uint64_t>(a, stream);
}

/* A block a line, and k rounds: each finds the best of those that come after the one found before. */
template <typename C> SL_KERNEL void top_line(const k_top t) {
    SL_SHARED(C, room, 128);
    SL_SHARED(int32_t, places, 128);
    const k_line &l = t.line;
    const int64_t first = line_begin(l, blockIdx.x), step = l.step.by;
    const uint32_t outer = k_quotient(blockIdx.x, l.step);
    int64_t to = (int64_t)outer * t.k * l.step.by + (blockIdx.x - outer * l.step.by);
    C before = 0;
    int32_t place_before = -1;
    for (int32_t j = 0; j < t.k; j++, to += step) {
        C best = 0;
        int32_t place = -1;
        for (int32_t i = (int32_t)threadIdx.x; i < l.n; i += 128) {
            C x = k_load<C>(l.x, l.x_type, first + i * step);
            bool left = place_before < 0 || goes_before(before, place_before, x, i, t.largest, false);
            if (left && i != place_before && goes_before(x, i, best, place, t.largest, false)) {
                best = x;
                place = i;
            }
        }
        best_of(room, places, 128, t.largest, false, &best, &place);
        if (threadIdx.x == 0 && l.y)
            k_store(l.y, l.y_type, to, best);
        if (threadIdx.x == 0 && t.places)
            t.places[to] = place;
        before = best;
        place_before = place;
    }
}

extern "C" int k_top_launch(const struct k_top *t, k_stream stream) {
    return is_float(t->line.x_type)  ? SL_LAUNCH((top_line<float>), t->line.lines, THREADS, 0, stream, *t)
           : t->line.x_type == K_F64 ? SL_LAUNCH((top_line<double>), t->line.lines, THREADS, 0, stream, *t)
           : is_signed(t->line.x_type)
               ? SL_LAUNCH((top_line<int64_t>), t->line.lines, THREADS, 0, stream, *t)
               : SL_LAUNCH((top_line<uint64_t>), t->line.lines, THREADS, 0, stream, *t);
}

/* ---- cumulate ---- */

template <typename C> SL_KERNEL void cumulate_line(const k_cumulate s) {
    const k_line &l = s.line;
    const uint32_t line = blockIdx.x * blockDim.x + threadIdx.x;
    if (line >= l.lines)
        return;
    const int64_t first = line_begin(l, line), step = l.step.by;
    C sum = s.product ? (C)1 : (C)0;
    for (int32_t k = 0; k < l.n; k++) {
        int64_t i = first + (s.reverse ? l.n - 1 - k : k) * step;
        C x = k_load<C>(l.x, l.x_type, i), next = s.product ? sum * x : sum + x;
        k_store(l.y, l.y_type, i, s.exclusive ? sum : next);
        sum = next;
    }
}

extern "C" int k_cumulate_launch(const struct k_cumulate *s, k_stream stream) {
    uint32_t blocks = (s->line.lines + THREADS - 1) / THREADS;
    if (is_float(s->line.x_type) || s->line.x_type == K_F64)
        return SL_LAUNCH((cumulate_line<double>), blocks, THREADS, 0, stream, *s);
    return SL_LAUNCH((cumulate_line<uint64_t>), blocks, THREADS, 0, stream,
                     *s); /* sums of signed ones are the same */
}
