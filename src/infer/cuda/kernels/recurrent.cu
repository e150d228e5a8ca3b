/* recurrent.cu: LSTM, GRU and RNN, one launch for all steps of all rows and directions.
 *
 * Shapes: k_recurrent.h. Each step of a row costs 2 * gates * hidden * (input + hidden) FLOPs, and reads all
 * weights of the direction: from the second cache, where those of common models stay. So a block takes
 * several rows (4, or 1 where their states do not fit shared memory) and uses each weight it reads for all of
 * them. Bytes: x read and y written once; the weights once a block and step from the caches.
 *
 * Threads: a block of 256 is ROWS rows of one direction; its states, gates and the step's x lie in shared
 * memory. Thread t sums up units t, t + 256, ... of the gates, the products in the order of x and then of the
 * state: weights are turned round, so that neighbouring threads read neighbouring numbers. Then each thread
 * finishes some of the states. Sums and states in float. A row shorter than the others stops there, as in the
 * reference: no row looks at another. */
#include "infer/cuda/kernels/k_device.cuh"
#include "infer/cuda/kernels/k_recurrent.h"

static const uint32_t THREADS = 256;
enum { SHARED_NBYTES = 48 << 10 };

SL_DEVICE float activate(const k_recurrent_activation &a, float x) {
    switch (a.curve) {
    case K_CURVE_SIGMOID:
        return 1 / (1 + exp(-x));
    case K_CURVE_TANH:
        return tanh(x);
    case K_CURVE_RELU:
        return x < 0 ? 0 : x;
    case K_CURVE_AFFINE:
        return a.alpha * x + a.beta;
    case K_CURVE_LEAKY_RELU:
        return x < 0 ? a.alpha * x : x;
    case K_CURVE_THRESHOLDED_RELU:
        return x < a.alpha ? 0 : x;
    case K_CURVE_SCALED_TANH:
        return a.alpha * tanh(a.beta * x);
    case K_CURVE_HARD_SIGMOID:
        x = a.alpha * x + a.beta;
        return x < 0 ? 0 : x > 1 ? 1 : x;
    case K_CURVE_ELU:
        return x < 0 ? a.alpha * expm1(x) : x;
    case K_CURVE_SOFTSIGN:
        return x / (1 + fabs(x));
    default:
        return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
    }
}

/* What a block works on; [ROWS, ...] in shared memory. */
struct recurrent_room {
    float *x, *h, *c, *gates, *reset; /* reset: GRU's state times r, and its x part apart */
};

SL_DEVICE float gate(const k_recurrent &a, int direction, int activation, float x) {
    x = x < -a.clip ? -a.clip : x > a.clip ? a.clip : x;
    return activate(a.activations[direction][activation], x);
}

SL_DEVICE float read_or_zero(const void *p, int type, int64_t i) {
    return p ? k_load<float>(p, type, i) : 0;
}

/* sums[row] += values[row, :] times the unit's column of the weights. */
template <typename T, int ROWS>
SL_DEVICE void add_products(const T *weights, int32_t units, int32_t unit, const float *values, int32_t n,
                            float (&sums)[ROWS]) {
    for (int32_t i = 0; i < n; i++) {
        float w = sl_to_float(weights[(int64_t)i * units + unit]);
#pragma unroll
        for (int row = 0; row < ROWS; row++)
            sums[row] += w * values[row * n + i];
    }
}

/* Units [from, to) of the gates: x and the state times their weights, and both biases. */
template <typename T, int ROWS>
SL_DEVICE void sum_gates(const k_recurrent &a, const recurrent_room &m, int direction, int32_t from,
                         int32_t to, const float *state, float *state_part) {
    const int32_t units = a.gates * a.hidden;
    const T *w = (const T *)a.w + (int64_t)direction * a.input * units;
    const T *r = (const T *)a.r + (int64_t)direction * a.hidden * units;
    for (int32_t u = from + (int32_t)threadIdx.x; u < to; u += (int32_t)THREADS) {
        float in[ROWS], back[ROWS];
        const float b = read_or_zero(a.bias, a.type, (int64_t)direction * 2 * units + u);
        const float rb = read_or_zero(a.bias, a.type, (int64_t)(direction * 2 + 1) * units + u);
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
            in[row] = b;
            back[row] = rb;
        }
        add_products<T, ROWS>(w, units, u, m.x, a.input, in);
        add_products<T, ROWS>(r, units, u, state, a.hidden, back);
#pragma unroll
        for (int row = 0; row < ROWS; row++)
            if (state_part) {
                m.gates[row * units + u] = in[row];
                state_part[row * a.hidden + u - from] = back[row];
            } else {
                m.gates[row * units + u] = in[row] + back[row];
            }
    }
}

SL_DEVICE float peephole(const k_recurrent &a, int direction, int which, int32_t k) {
    return read_or_zero(a.peephole, a.type, (int64_t)(direction * 3 + which) * a.hidden + k);
}

/* State k of row `row` from its gates; `live`: the row has not stopped yet. */
SL_DEVICE void finish_lstm(const k_recurrent &a, const recurrent_room &m, int direction, int row, int32_t k) {
    const int32_t h = a.hidden;
    const float *gates = m.gates + row * 4 * h;
    float c = m.c[row * h + k];
    float i = gate(a, direction, 0, gates[k] + peephole(a, direction, 0, k) * c);
    float f = a.couple ? 1 - i : gate(a, direction, 0, gates[2 * h + k] + peephole(a, direction, 2, k) * c);
    c = f * c + i * gate(a, direction, 1, gates[3 * h + k]);
    float o = gate(a, direction, 0, gates[h + k] + peephole(a, direction, 1, k) * c);
    m.c[row * h + k] = c;
    m.h[row * h + k] = o * activate(a.activations[direction][2], c);
}

template <typename T, int ROWS>
SL_DEVICE void step_gru(const k_recurrent &a, const recurrent_room &m, int direction,
                        const bool (&live)[ROWS]) {
    const int32_t h = a.hidden;
    sum_gates<T, ROWS>(a, m, direction, 0, 2 * h, m.h, (float *)0);
    sl_sync();
    for (int32_t i = (int32_t)threadIdx.x; i < ROWS * h; i += (int32_t)THREADS) {
        float *gates = m.gates + i / h * 3 * h;
        int32_t k = i % h;
        gates[k] = gate(a, direction, 0, gates[k]);
        gates[h + k] = gate(a, direction, 0, gates[h + k]);
        m.c[i] = gates[h + k] * m.h[i]; /* the state that r reset */
    }
    sl_sync();
    sum_gates<T, ROWS>(a, m, direction, 2 * h, 3 * h, a.linear_before_reset ? m.h : m.c, m.reset);
    sl_sync();
    for (int32_t i = (int32_t)threadIdx.x; i < ROWS * h; i += (int32_t)THREADS) {
        const float *gates = m.gates + i / h * 3 * h;
        int32_t k = i % h;
        float state = a.linear_before_reset ? gates[h + k] * m.reset[i] : m.reset[i];
        float hidden = gate(a, direction, 1, gates[2 * h + k] + state);
        if (live[i / h])
            m.h[i] = (1 - gates[k]) * hidden + gates[k] * m.h[i];
    }
}

template <typename T, int ROWS>
SL_DEVICE void step_other(const k_recurrent &a, const recurrent_room &m, int direction,
                          const bool (&live)[ROWS]) {
    sum_gates<T, ROWS>(a, m, direction, 0, a.gates * a.hidden, m.h, (float *)0);
    sl_sync();
    for (int32_t i = (int32_t)threadIdx.x; i < ROWS * a.hidden; i += (int32_t)THREADS) {
        if (!live[i / a.hidden])
            continue;
        if (a.gates == 4)
            finish_lstm(a, m, direction, i / a.hidden, i % a.hidden);
        else
            m.h[i] = gate(a, direction, 0, m.gates[i]);
    }
}

/* Steps of a row: its length brought into [0, steps]; 0 for a row beyond the batch. */
SL_DEVICE int32_t length_of(const k_recurrent &a, int32_t row) {
    if (row >= a.batch)
        return 0;
    int32_t n = a.lengths ? a.lengths[row] : a.steps;
    return n < 0 ? 0 : n < a.steps ? n : a.steps;
}

template <typename T, int ROWS> SL_KERNEL void recurrent(const k_recurrent a) {
    SL_SHARED_DYNAMIC(float, room);
    const int32_t h = a.hidden, units = a.gates * h, direction = (int32_t)blockIdx.x % a.directions;
    const int32_t first = (int32_t)(blockIdx.x / a.directions) * ROWS;
    const bool reverse = direction > 0 || a.first_reverse;
    recurrent_room m;
    m.h = room;
    m.c = m.h + ROWS * h;
    m.reset = m.c + ROWS * h;
    m.gates = m.reset + ROWS * h;
    m.x = m.gates + ROWS * units;
    for (int32_t i = (int32_t)threadIdx.x; i < ROWS * h; i += (int32_t)THREADS) {
        int32_t row = first + i / h;
        int64_t at = row * a.state_row + direction * a.state_direction + i % h;
        m.h[i] = row < a.batch ? read_or_zero(a.first_h, a.type, at) : 0;
        m.c[i] = row < a.batch && a.gates == 4 ? read_or_zero(a.first_c, a.type, at) : 0;
    }
    int32_t length[ROWS];
#pragma unroll
    for (int row = 0; row < ROWS; row++)
        length[row] = length_of(a, first + row);
    for (int32_t step = 0; step < a.steps; step++) {
        bool live[ROWS];
#pragma unroll
        for (int row = 0; row < ROWS; row++)
            live[row] = step < length[row];
        sl_sync(); /* states are there, and nobody reads the last x any more */
        for (int32_t i = (int32_t)threadIdx.x; i < ROWS * a.input; i += (int32_t)THREADS) {
            int32_t row = i / a.input, end = length_of(a, first + row);
            int64_t t = reverse ? end - 1 - step : step;
            int64_t at = t * a.x_step + (first + row) * a.x_row + i % a.input;
            m.x[i] = step < end ? k_load<float>(a.x, a.x_type, at) : 0;
        }
        sl_sync();
        if (a.gates == 3)
            step_gru<T, ROWS>(a, m, direction, live);
        else
            step_other<T, ROWS>(a, m, direction, live);
        sl_sync();
        for (int32_t i = (int32_t)threadIdx.x; a.y && i < ROWS * h; i += (int32_t)THREADS) {
            int32_t row = first + i / h, end = length_of(a, row);
            int64_t t = step < end && reverse ? end - 1 - step : step;
            int64_t at = t * a.y_step + row * a.y_row + direction * a.y_direction + i % h;
            if (row < a.batch)
                k_store(a.y, a.type, at, step < end ? m.h[i] : 0.0f);
        }
    }
    sl_sync();
    for (int32_t i = (int32_t)threadIdx.x; i < ROWS * h; i += (int32_t)THREADS) {
        int32_t row = first + i / h;
        int64_t at = row * a.state_row + direction * a.state_direction + i % h;
        if (row < a.batch && a.last_h)
            k_store(a.last_h, a.type, at, m.h[i]);
        if (row < a.batch && a.last_c)
            k_store(a.last_c, a.type, at, m.c[i]);
    }
}

static uint64_t shared_nbytes(int32_t gates, int32_t hidden, int32_t input, uint32_t rows) {
    return ((uint64_t)hidden * (3 + (uint64_t)gates) + (uint64_t)input) * rows * sizeof(float);
}

extern "C" bool k_recurrent_fits(int32_t gates, int32_t hidden, int32_t input) {
    return shared_nbytes(gates, hidden, input, 1) <= SHARED_NBYTES;
}

template <typename T> static int launch(const struct k_recurrent *a, k_stream stream) {
    bool many = a->batch > 1 && shared_nbytes(a->gates, a->hidden, a->input, 4) <= SHARED_NBYTES;
    uint32_t rows = many ? 4 : 1, blocks = ((uint32_t)a->batch + rows - 1) / rows * (uint32_t)a->directions;
    uint32_t shared = (uint32_t)shared_nbytes(a->gates, a->hidden, a->input, rows);
    return many ? SL_LAUNCH((recurrent<T, 4>), blocks, THREADS, shared, stream, *a)
                : SL_LAUNCH((recurrent<T, 1>), blocks, THREADS, shared, stream, *a);
}

extern "C" int k_recurrent_launch(const struct k_recurrent *a, k_stream stream) {
    return a->type == K_F32   ? launch<float>(a, stream)
           : a->type == K_F16 ? launch<sl_half>(a, stream)
                              : launch<sl_bfloat16>(a, stream);
}
