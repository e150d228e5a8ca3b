/* reduce.cu: ReduceSum, -Mean, -Max, -Min, -Prod, -L1, -L2, -LogSum, -LogSumExp, -SumSquare over any axes,
 * and the global pools, which are reductions of the pixels. What stays and what goes are walks: after
 * joining, most reductions have one or two dims on either side.
 *
 * Bytes: every element of x read once (twice by LogSumExp), one write a result. FLOPs: 1 or 2 an element.
 * Bound by memory.
 *
 * Two layouts of the threads, chosen by what lies side by side in x:
 *   rows     the elements that go are contiguous: a warp a result, or a block of 8 warps where there are
 * 1,024 of them and more. Lane l takes elements l, l + G, ... columns  the results are contiguous: a block is
 * 32 results by 8 slices; slice s takes elements s, s + 8, ... Each thread adds its own in order, then lanes
 * and slices are put together in one fixed order: a result depends on how many elements there are and never
 * on which result it is. Sums of floats in float. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_rows.h"

static const uint32_t THREADS = 256;

template <typename C> SL_DEVICE C lowest();
template <> SL_DEVICE float lowest<float>() {
    return -INFINITY;
}
template <> SL_DEVICE double lowest<double>() {
    return -INFINITY;
}
template <> SL_DEVICE int64_t lowest<int64_t>() {
    return INT64_MIN;
}
template <> SL_DEVICE uint64_t lowest<uint64_t>() {
    return 0;
}
template <typename C> SL_DEVICE C highest();
template <> SL_DEVICE float highest<float>() {
    return INFINITY;
}
template <> SL_DEVICE double highest<double>() {
    return INFINITY;
}
template <> SL_DEVICE int64_t highest<int64_t>() {
    return INT64_MAX;
}
template <> SL_DEVICE uint64_t highest<uint64_t>() {
    return UINT64_MAX;
}

SL_DEVICE bool below_zero(uint64_t) {
    return false;
}
template <typename C> SL_DEVICE bool below_zero(C x) {
    return x < 0;
}

template <typename C> SL_DEVICE C neutral(int how) {
    return how == K_REDUCE_MAX    ? lowest<C>()
           : how == K_REDUCE_MIN  ? highest<C>()
           : how == K_REDUCE_PROD ? (C)1
                                  : (C)0;
}

/* What an element brings to its sum; `shift` is LogSumExp's largest. */
template <typename C> SL_DEVICE C prepare(int how, C x, C) {
    if (how == K_REDUCE_L1)
        return below_zero(x) ? (C)0 - x : x;
    return how == K_REDUCE_L2 || how == K_REDUCE_SUM_SQUARE ? x * x : x;
}
template <> SL_DEVICE float prepare<float>(int how, float x, float shift) {
    if (how == K_REDUCE_LOG_SUM_EXP)
        return exp(x - shift);
    return how == K_REDUCE_L1 ? fabs(x) : how == K_REDUCE_L2 || how == K_REDUCE_SUM_SQUARE ? x * x : x;
}
template <> SL_DEVICE double prepare<double>(int how, double x, double shift) {
    if (how == K_REDUCE_LOG_SUM_EXP)
        return exp(x - shift);
    return how == K_REDUCE_L1 ? fabs(x) : how == K_REDUCE_L2 || how == K_REDUCE_SUM_SQUARE ? x * x : x;
}

/* Two partial results into one. NaN wins in Max and Min. */
template <typename C> SL_DEVICE C join(int how, C a, C b) {
    if (how == K_REDUCE_MAX)
        return a != a || a > b ? a : b;
    if (how == K_REDUCE_MIN)
        return a != a || a < b ? a : b;
    return how == K_REDUCE_PROD ? a * b : a + b;
}

SL_DEVICE float finish(int how, float x, uint32_t n, float shift) {
    return how == K_REDUCE_MEAN          ? x / (float)n
           : how == K_REDUCE_L2          ? sqrt(x)
           : how == K_REDUCE_LOG_SUM     ? log(x)
           : how == K_REDUCE_LOG_SUM_EXP ? log(x) + shift
                                         : x;
}
SL_DEVICE double finish(int how, double x, uint32_t n, double shift) {
    return how == K_REDUCE_MEAN          ? x / (double)n
           : how == K_REDUCE_L2          ? sqrt(x)
           : how == K_REDUCE_LOG_SUM     ? log(x)
           : how == K_REDUCE_LOG_SUM_EXP ? log(x) + shift
                                         : x;
}
SL_DEVICE int64_t finish(int how, int64_t x, uint32_t n, int64_t) {
    return how == K_REDUCE_MEAN ? (n ? x / (int64_t)n : 0) : x;
}
SL_DEVICE uint64_t finish(int how, uint64_t x, uint32_t n, uint64_t) {
    return how == K_REDUCE_MEAN ? (n ? x / n : 0) : x;
}

/* LogSumExp takes nothing off an infinite largest. */
template <typename C> SL_DEVICE C shift_of(C largest) {
    return largest - largest == 0 ? largest : (C)0;
}

/* One thread's share: elements from, from + by, ... */
template <typename C>
SL_DEVICE C share(const k_reduce &r, int how, int64_t base, uint32_t from, uint32_t by, C shift) {
    C sum = neutral<C>(how);
    const bool one = r.gone.rank == 1; /* most are: no division then */
    for (uint32_t k = from; k < r.gone.count; k += by) {
        int32_t at[1] = {(int32_t)k * r.gone.steps[0][0]};
        if (!one)
            k_walk_to<1>(r.gone, k, at);
        C x = k_load<C>(r.x, r.x_type, base + at[0]);
        sum = join(how, sum, prepare<C>(how, x, shift));
    }
    return sum;
}

/* A group of LANES threads side by side joins its shares; all of them get the result. `room` has one C a
 * thread. */
template <typename C> SL_DEVICE C gather(int how, C sum, uint32_t lanes, uint32_t step, C *room) {
    uint32_t me = threadIdx.x, rank = step == 1 ? me % lanes : me / step;
    room[me] = sum;
    for (uint32_t half = lanes / 2; half; half /= 2) {
        sl_sync();
        if (rank < half)
            room[me] = join(how, room[me], room[me + half * step]);
    }
    sl_sync();
    C all = room[step == 1 ? me - rank : me % step];
    sl_sync();
    return all;
}

/* The result that this thread has a share of: `lanes` threads share it, `step` apart in the block. */
template <typename C>
SL_DEVICE void reduce_one(const k_reduce &r, uint32_t result, uint32_t lane, uint32_t lanes, uint32_t step,
                          C *room) {
    const bool there = result < r.stay.count;
    int32_t at[2] = {0, 0};
    C shift = 0;
    if (there)
        k_walk_to<2>(r.stay, result, at);
    const uint32_t from = there ? lane : r.gone.count;
    if (r.how == K_REDUCE_LOG_SUM_EXP)
        shift = shift_of(
            gather(K_REDUCE_MAX, share<C>(r, K_REDUCE_MAX, at[1], from, lanes, (C)0), lanes, step, room));
    C sum = gather(r.how, share<C>(r, r.how, at[1], from, lanes, shift), lanes, step, room);
    if (there && lane == 0)
        k_store(r.y, r.y_type, at[0], finish(r.how, sum, r.gone.count, shift));
}

template <typename C, int LANES> SL_KERNEL void reduce_rows(const k_reduce r) {
    SL_SHARED(C, room, 256);
    reduce_one<C>(r, blockIdx.x * (256 / LANES) + threadIdx.x / LANES, threadIdx.x % LANES, LANES, 1, room);
}

template <typename C> SL_KERNEL void reduce_columns(const k_reduce r) {
    SL_SHARED(C, room, 256);
    reduce_one<C>(r, blockIdx.x * 32 + threadIdx.x % 32, threadIdx.x / 32, 8, 32, room);
}

/* ---- sums and means of contiguous elements, 16 bytes at once: pooled images, norms written out ---- */

template <typename T, int WARPS> SL_KERNEL void sum_packed(const k_reduce r) {
    const int V = 16 / sizeof(T), LANES = 32 * WARPS;
    SL_SHARED(float, room, WARPS);
    const uint32_t result = blockIdx.x * (THREADS / LANES) + threadIdx.x / LANES;
    if (result >= r.stay.count) /* whole warps leave: with 8 warps a block is one result */
        return;
    int32_t at[2];
    float sum = 0;
    k_walk_to<2>(r.stay, result, at);
    const T *x = (const T *)r.x + at[1];
    for (uint32_t i = threadIdx.x % LANES * V; i < r.gone.count; i += LANES * V) {
        const k_pack<T> pack = *(const k_pack<T> *)(x + i);
#pragma unroll
        for (int v = 0; v < V; v++)
            sum += sl_to_float(pack.v[v]);
    }
    sum = k_block_sum<WARPS>(sum, room);
    if (threadIdx.x % LANES == 0)
        k_store(r.y, r.y_type, at[0], finish(r.how, sum, r.gone.count, 0.0f));
}

/* Every result's elements begin at a multiple of 16 bytes, and end at one. */
static bool is_packed(const struct k_reduce *r, int32_t width) {
    bool fits = (r->how == K_REDUCE_SUM || r->how == K_REDUCE_MEAN) && r->gone.rank == 1 &&
                r->gone.steps[0][0] == 1 && r->gone.count % (uint32_t)width == 0;
    for (int d = 0; fits && d < r->stay.rank; d++)
        fits = r->stay.steps[1][d] % width == 0;
    return fits;
}

template <typename T> static int launch_packed(const struct k_reduce *r, k_stream stream) {
    if (r->gone.count < 2048)
        return SL_LAUNCH((sum_packed<T, 1>), (r->stay.count + 7) / 8, THREADS, 0, stream, *r);
    return SL_LAUNCH((sum_packed<T, 8>), r->stay.count, THREADS, 0, stream, *r);
}

/* ---- launchers ---- */

template <typename C> static int launch(const struct k_reduce *r, k_stream stream) {
    const struct k_walk *gone = &r->gone;
    bool rows = gone->rank == 0 || gone->steps[0][gone->rank - 1] == 1;
    if (!rows)
        return SL_LAUNCH((reduce_columns<C>), (r->stay.count + 31) / 32, THREADS, 0, stream, *r);
    if (gone->count < 1024)
        return SL_LAUNCH((reduce_rows<C, 32>), (r->stay.count + 7) / 8, THREADS, 0, stream, *r);
    return SL_LAUNCH((reduce_rows<C, 256>), r->stay.count, THREADS, 0, stream, *r);
}

extern "C" int k_reduce_launch(const struct k_reduce *r, k_stream stream) {
    int type = r->x_type;
    bool root = r->how == K_REDUCE_L2 || r->how == K_REDUCE_LOG_SUM || r->how == K_REDUCE_LOG_SUM_EXP;
    if (type == K_F32)
        return is_packed(r, 4) ? launch_packed<float>(r, stream) : launch<float>(r, stream);
    if (type == K_F16)
        return is_packed(r, 8) ? launch_packed<sl_half>(r, stream) : launch<float>(r, stream);
    if (type == K_BF16)
        return is_packed(r, 8) ? launch_packed<sl_bfloat16>(r, stream) : launch<float>(r, stream);
    if (type == K_F64 || root) /* roots and logarithms of integers go through double */
        return launch<double>(r, stream);
    if (type == K_I8 || type == K_I16 || type == K_I32 || type == K_I64)
        return launch<int64_t>(r, stream);
    return launch<uint64_t>(r, stream);
}
