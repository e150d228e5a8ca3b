/* signal_window.c: tables for signals: HannWindow, HammingWindow, BlackmanWindow, MelWeightMatrix. Their
 * inputs are sizes, so they are constants of the model in practice and fold away. */
#include <string.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

#define PI 3.14159265358979323846

/* One number that is known when the model is loaded. */
static sl_status read_number(const struct op_call *call, size_t in, double *value, sl_error *err) {
    const sl_tensor *t = call->in[in];
    sl_status st = rule_dtype(call, in, OPS_NUMBERS, err);
    if (st == SL_OK && (!t->data || rule_count(t) != 1))
        st = error_set(err, SL_E_MODEL, "input %zu must be one number, known when the model is loaded", in);
    if (st == SL_OK)
        *value = element_number(t->dtype, t->data, 0);
    return st;
}

static sl_status read_dtype(const struct op_call *call, sl_dtype *dtype, sl_error *err) {
    int64_t wish = op_attr_int(call, "output_datatype", SL_FLOAT);
    if (wish < 1 || wish > SL_BFLOAT16 || !(OPS_NUMBERS & OPS_BIT(wish)))
        return error_set(err, SL_E_MODEL, "attribute 'output_datatype' is not a number's");
    *dtype = (sl_dtype)wish;
    return SL_OK;
}

static sl_status infer_window(const struct op_call *call, sl_error *err) {
    double size;
    sl_dtype dtype = SL_FLOAT;
    sl_status st = read_number(call, 0, &size, err);
    if (st == SL_OK)
        st = read_dtype(call, &dtype, err);
    if (st == SL_OK && !(size >= 0 && size <= INT32_MAX))
        st = error_set(err, SL_E_MODEL, "the window has a size of %g", size);
    if (st == SL_OK)
        rule_set(call->out[0], dtype, 1, (int64_t[]){(int64_t)size});
    return st;
}

/* first - second * cos(angle) + third * cos(2 angle), over one turn. */
static void fill_window(const struct op_call *call, double first, double second, double third) {
    sl_tensor *y = call->out[0];
    double turn = (double)y->dims[0] - (op_attr_int(call, "periodic", 1) ? 0 : 1);
    for (int64_t i = 0; i < y->dims[0]; i++) {
        double angle = turn > 0 ? 2 * PI * (double)i / turn : PI; /* a single point stands in the middle */
        element_set_real(y->dtype, y->data, i, first - second * cos(angle) + third * cos(2 * angle));
    }
}

static void run_hann(const struct op_call *call) {
    fill_window(call, 0.5, 0.5, 0);
}

static void run_hamming(const struct op_call *call) {
    fill_window(call, 25.0 / 46, 21.0 / 46, 0);
}

static void run_blackman(const struct op_call *call) {
    fill_window(call, 0.42, 0.5, 0.08);
}

#define WINDOW(id, op_name, op_run)                                                                          \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = op_name,                                                              \
                               .since = 17,                                                                  \
                               .min_in = 1,                                                                  \
                               .max_in = 1,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = "output_datatype periodic",                                          \
                               .infer = infer_window,                                                        \
                               .run = op_run};

WINDOW(hann_window, "HannWindow", run_hann)
WINDOW(hamming_window, "HammingWindow", run_hamming)
WINDOW(blackman_window, "BlackmanWindow", run_blackman)

/* MelWeightMatrix: [dft_length / 2 + 1, bins], a triangle over the spectrum for each bin. */
enum { BINS, LENGTH, RATE, LOWER, UPPER, MEL_INPUTS };

static sl_status infer_mel(const struct op_call *call, sl_error *err) {
    double in[MEL_INPUTS];
    sl_dtype dtype = SL_FLOAT;
    sl_status st = read_dtype(call, &dtype, err);
    for (size_t i = 0; st == SL_OK && i < MEL_INPUTS; i++)
        st = read_number(call, i, &in[i], err);
    if (st != SL_OK)
        return st;
    if (!(in[BINS] >= 1 && in[BINS] <= INT32_MAX && in[LENGTH] >= 1 && in[LENGTH] <= INT32_MAX) ||
        !(in[RATE] >= 1 && in[LOWER] >= 0 && in[UPPER] >= in[LOWER] && in[UPPER] <= 1e9))
        return error_set(err, SL_E_MODEL, "%g bins over a spectrum of %g from %g to %g Hz make no matrix",
                         in[BINS], in[LENGTH], in[LOWER], in[UPPER]);
    rule_set(call->out[0], dtype, 2, (int64_t[]){(int64_t)in[LENGTH] / 2 + 1, (int64_t)in[BINS]});
    return SL_OK;
}

/* The spectrum bin where mel point `i` lies. */
static int64_t mel_point(const double *in, double i) {
    double low = 2595 * log10(1 + in[LOWER] / 700), high = 2595 * log10(1 + in[UPPER] / 700);
    double mel = low + i * (high - low) / (in[BINS] + 2);
    double hertz = 700 * (pow(10, mel / 2595) - 1);
    return (int64_t)fmin(floor((in[LENGTH] + 1) * hertz / in[RATE]), 0x1p40);
}

static void run_mel(const struct op_call *call) {
    sl_tensor *y = call->out[0];
    double in[MEL_INPUTS] = {0};
    for (size_t i = 0; i < MEL_INPUTS; i++)
        (void)read_number(call, i, &in[i], NULL);
    memset(y->data, 0, rule_nbytes(y));
    for (int64_t bin = 0; bin < y->dims[1]; bin++) {
        int64_t left = mel_point(in, (double)bin), top = mel_point(in, (double)bin + 1);
        int64_t right = mel_point(in, (double)bin + 2);
        for (int64_t j = left; j <= right && j < y->dims[0]; j++) {
            double weight = j < top    ? (double)(j - left) / (double)(top - left)
                            : j == top ? 1
                                       : (double)(right - j) / (double)(right - top);
            element_set_real(y->dtype, y->data, j * y->dims[1] + bin, weight);
        }
    }
}

const struct op op_mel_weight_matrix = {.domain = "",
                                        .name = "MelWeightMatrix",
                                        .since = 17,
                                        .min_in = 5,
                                        .max_in = 5,
                                        .min_out = 1,
                                        .max_out = 1,
                                        .attrs = "output_datatype",
                                        .infer = infer_mel,
                                        .run = run_mel};
