/* elementwise.cu: functions of one, two or three numbers, element by element, with numpy's broadcasting, and
 * Cast between all types. Two forms:
 *
 *   packed  all operands f32, all f16 or all bf16; the output dense; each input dense, repeated as a row, or
 *           the same for 16 bytes side by side. A thread takes 16 bytes: 4 or 8 elements.
 *   any     any types and any broadcast, one element a thread; where an input lies is reckoned by k_walk.
 *
 * Shapes: whatever the walk says; at most INT32_MAX elements. Threads: 256 a block, no shared memory, nothing
 * kept between elements, so an element's result cannot depend on another.
 *
 * Bytes an element: one read for each dense input and one write (f16 Add: 6 bytes); a repeated input comes
 * from the caches. FLOPs: 1 to some 30 (Gelu, Tanh), so every operator is bound by memory. Floats are
 * computed in float and rounded once, f64 in double, integers in 64 bits with wrap-around.
 *
 * The operator is an argument, not a template parameter: one switch a thread, the same for all threads, costs
 * nothing beside the memory, and there are three packed kernels instead of a hundred. */
#include "infer/cuda/kernels/k_element.cuh"

static const uint32_t THREADS = 256;

/* ---- packed ---- */

template <typename T> SL_KERNEL void element_packed(const k_element e) {
    const int V = 16 / sizeof(T);
    uint32_t i = (blockIdx.x * blockDim.x + threadIdx.x) * V;
    if (i >= e.walk.count)
        return;
    float x[V], y[V];
    k_read_pack((const T *)e.in[0], e.reach[0], e.inner[0], e.period[0], i, x);
#pragma unroll
    for (int v = 0; v < V; v++)
        y[v] = 0;
    if (e.in_count > 1)
        k_read_pack((const T *)e.in[1], e.reach[1], e.inner[1], e.period[1], i, y);
    k_apply_pack(e.op, x, y, e.a, e.b);
    k_pack<T> pack;
#pragma unroll
    for (int v = 0; v < V; v++)
        pack.v[v] = sl_from_float<T>(x[v]);
    *(k_pack<T> *)((T *)e.y + i) = pack;
}

/* ---- any ---- */

#define ANY_CASE(op, result)                                                                                 \
    case op:                                                                                                 \
        return (result);

/* What every kind of number has: comparisons, logic and choice. False: not one of these. */
template <typename C> SL_DEVICE bool apply_common(int op, C x, C y, C z, C *result) {
    switch (op) {
    case K_EQUAL:
        *result = (C)(x == y);
        return true;
    case K_LESS:
        *result = (C)(x < y);
        return true;
    case K_GREATER:
        *result = (C)(x > y);
        return true;
    case K_LESS_EQUAL:
        *result = (C)(x <= y);
        return true;
    case K_GREATER_EQUAL:
        *result = (C)(x >= y);
        return true;
    case K_WHERE:
        *result = x != (C)0 ? y : z;
        return true;
    case K_CLIP_BOUNDS:
        *result = clamp(x, y, z);
        return true;
    default:
        return false;
    }
}

template <typename C> SL_DEVICE C apply_real(int op, C x, C y, C a, C b) {
    switch (op) {
        PACKED_OPS(ANY_CASE)
        OTHER_OPS(ANY_CASE)
    default:
        return x;
    }
}

SL_DEVICE float apply_kind(const k_element &e, float x, float y) {
    return apply_real<float>(e.op, x, y, e.a, e.b);
}
SL_DEVICE double apply_kind(const k_element &e, double x, double y) {
    return apply_real<double>(e.op, x, y, (double)e.a, (double)e.b);
}

template <typename C> SL_DEVICE C power(C base, uint64_t exponent) {
    uint64_t result = 1, square = (uint64_t)base;
    for (; exponent; exponent >>= 1, square *= square)
        if (exponent & 1)
            result *= square;
    return (C)result;
}

/* Where signed and unsigned differ. A division by zero gives zero, a shift by too much only copies of the
 * sign. */
SL_DEVICE int64_t divide(int64_t x, int64_t y) {
    return y == 0 ? 0 : y == -1 ? (int64_t)(0 - (uint64_t)x) : x / y;
}
SL_DEVICE uint64_t divide(uint64_t x, uint64_t y) {
    return y ? x / y : 0;
}
SL_DEVICE int64_t rest_of(int64_t x, int64_t y, bool python) {
    if (y == 0 || y == -1)
        return 0;
    int64_t rest = x % y;
    return python && rest && (rest < 0) != (y < 0) ? rest + y : rest;
}
SL_DEVICE uint64_t rest_of(uint64_t x, uint64_t y, bool) {
    return y ? x % y : 0;
}
SL_DEVICE int64_t shift_right(int64_t x, int64_t y) {
    return y < 0 || y > 63 ? (x < 0 ? -1 : 0) : x >> y;
}
SL_DEVICE uint64_t shift_right(uint64_t x, uint64_t y) {
    return y > 63 ? 0 : x >> y;
}

SL_DEVICE bool negative(int64_t x) {
    return x < 0;
}
SL_DEVICE bool negative(uint64_t) {
    return false;
}

template <typename C> SL_DEVICE C apply_whole(const k_element &e, C x, C y) {
    const uint64_t m = (uint64_t)x, n = (uint64_t)y;
    switch (e.op) {
    case K_ABS:
        return negative(x) ? (C)(0 - m) : x;
    case K_NEG:
        return (C)(0 - m);
    case K_RELU:
        return negative(x) ? (C)0 : x;
    case K_SIGN:
        return (C)((x > 0) - (int)negative(x));
    case K_CLIP:
        return clamp(x, (C)e.low, (C)e.high);
    case K_SQUARE:
        return (C)(m * m);
    case K_ADD:
        return (C)(m + n);
    case K_SUB:
        return (C)(m - n);
    case K_MUL:
        return (C)(m * n);
    case K_DIV:
        return divide(x, y);
    case K_MIN:
        return x < y ? x : y;
    case K_MAX:
        return x > y ? x : y;
    case K_PRELU:
        return negative(x) ? (C)(m * n) : x;
    case K_POW:
        return power(x, n);
    case K_MOD:
        return rest_of(x, y, true);
    case K_FMOD:
        return rest_of(x, y, false);
    case K_NOT:
        return (C)(x == 0);
    case K_BIT_NOT:
        return (C)~m;
    case K_BIT_AND:
        return (C)(m & n);
    case K_BIT_OR:
        return (C)(m | n);
    case K_BIT_XOR:
        return (C)(m ^ n);
    case K_SHIFT_LEFT:
        return n > 63 ? (C)0 : (C)(m << n);
    case K_SHIFT_RIGHT:
        return shift_right(x, y);
    case K_AND:
        return (C)(x != 0 && y != 0);
    case K_OR:
        return (C)(x != 0 || y != 0);
    case K_XOR:
        return (C)((x != 0) != (y != 0));
    default: /* K_COPY */
        return x;
    }
}
SL_DEVICE int64_t apply_kind(const k_element &e, int64_t x, int64_t y) {
    return apply_whole<int64_t>(e, x, y);
}
SL_DEVICE uint64_t apply_kind(const k_element &e, uint64_t x, uint64_t y) {
    return apply_whole<uint64_t>(e, x, y);
}

template <typename C> SL_KERNEL void element_any(const k_element e) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= e.walk.count)
        return;
    int32_t at[4];
    k_walk_to<4>(e.walk, i, at);
    C x = k_load<C>(e.in[0], e.in_type[0], at[1]), y = 0, z = 0, result;
    if (e.in_count > 1)
        y = k_load<C>(e.in[1], e.in_type[1], at[2]);
    if (e.in_count > 2)
        z = k_load<C>(e.in[2], e.in_type[2], at[3]);
    if (!apply_common(e.op, x, y, z, &result))
        result = apply_kind(e, x, y);
    k_store(e.y, e.y_type, at[0], result);
}

/* ---- the launcher ---- */

static bool is_real(int type) {
    return type == K_F32 || type == K_F16 || type == K_BF16 || type == K_F64;
}

extern "C" int k_element_launch(const struct k_element *e, k_stream stream) {
    uint32_t width = !e->packed ? 1 : e->y_type == K_F32 ? 4 : 8;
    uint32_t blocks = (e->walk.count / width + THREADS - 1) / THREADS;
    int type = e->in_type[e->op == K_WHERE ? 1 : 0];
    bool power_of_whole = e->op == K_POW && !is_real(type) && is_real(e->in_type[1]);
    if (e->packed)
        return e->y_type == K_F32 ? SL_LAUNCH((element_packed<float>), blocks, THREADS, 0, stream, *e)
               : e->y_type == K_F16
                   ? SL_LAUNCH((element_packed<sl_half>), blocks, THREADS, 0, stream, *e)
                   : SL_LAUNCH((element_packed<sl_bfloat16>), blocks, THREADS, 0, stream, *e);
    if (type == K_F64 || power_of_whole)
        return SL_LAUNCH((element_any<double>), blocks, THREADS, 0, stream, *e);
    if (is_real(type))
        return SL_LAUNCH((element_any<float>), blocks, THREADS, 0, stream, *e);
    if (type == K_I8 || type == K_I16 || type == K_I32 || type == K_I64)
        return SL_LAUNCH((element_any<int64_t>), blocks, THREADS, 0, stream, *e);
    return SL_LAUNCH((element_any<uint64_t>), blocks, THREADS, 0, stream, *e);
}
