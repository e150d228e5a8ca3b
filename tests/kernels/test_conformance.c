/* test_conformance.c: what every name of sluice/kernel.cuh gives, against its definition in the PTX ISA
 * manual, reckoned here without any of the model's code. The same program linked with nvcc's objects (make
 * gpu-tests) says whether a GPU agrees: then model, definition and GPU are one.
 *
 * Exact but for sums on tensor cores (a GPU adds in its own order) and the approximate functions. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"
#include "kernel_rig.h"
#include "ops/half.h"

enum { ROUNDS = 4, THREADS = CONFORMANCE_THREADS };
enum feed { WORDS, HALVES, BFLOATS, FLOATS, SMALL }; /* what the random words are */

static float as_float(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t as_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static uint32_t random_word(void) {
    return (uint32_t)rig_uniform(0, 65536) << 16 | (uint32_t)rig_uniform(0, 65536);
}

static uint32_t feed_word(enum feed feed) {
    float x = (float)rig_uniform(-2, 2), y = (float)rig_uniform(-2, 2);
    switch (feed) {
    case HALVES:
        return (uint32_t)half_from_float(x) | (uint32_t)half_from_float(y) << 16;
    case BFLOATS:
        return as_bits(x) >> 16 | (as_bits(y) & 0xffff0000u);
    case FLOATS: /* every other one lies in the middle of two tf32, or of two halves */
        return y < -1 ? (as_bits(x * 4) & 0xffffe000u) | 0x1000u : as_bits(x * 4);
    default:
        return random_word();
    }
}

/* ---- what must come out: `want` for the words, `slack` for how far a float may be from it ---- */

static void want_shuffles(const uint32_t *in, uint32_t *want) {
    for (int t = 0; t < THREADS; t++) {
        const uint32_t *warp = in + t / 32 * 32;
        int lane = t % 32;
        uint32_t *w = want + t * 8;
        w[0] = warp[lane ^ 1];
        w[1] = warp[lane ^ 16];
        w[2] = warp[lane ^ 21];
        w[3] = warp[lane + 1 < 32 ? lane + 1 : lane];
        w[4] = warp[lane + 13 < 32 ? lane + 13 : lane];
        w[5] = warp[7];
        w[6] = warp[in[t + 64] % 32];
        w[7] = warp[lane ^ 2];
    }
}

static void want_wide(const uint32_t *in, uint32_t *want) {
    for (int t = 0; t < THREADS; t++) {
        want[t * 2] = in[t ^ 5];
        want[t * 2 + 1] = in[(t ^ 5) + 64];
    }
}

static void want_ballot(const uint32_t *in, uint32_t *want) {
    for (int t = 0; t < THREADS; t++) {
        want[t] = 0;
        for (int lane = 0; lane < 32; lane++)
            want[t] |= (uint32_t)(in[t / 32 * 32 + lane] % 3 == 0) << lane;
    }
}

/* Matrix m of a warp: row r is the 16 bytes that lane m * 8 + r points at. */
static uint16_t matrix(const uint32_t *in, int warp, int m, int row, int column) {
    return ((const uint16_t *)in)[((warp * 32 + m * 8 + row) * 16 + column * 2) / 2];
}

static void ldsm_words(const uint32_t *in, uint32_t *want, bool trans) {
    static const int of_word[7] = {0, 0, 1, 0, 1, 2, 3}; /* x1, x2, x4 one after the other */
    for (int t = 0; t < THREADS; t++)
        for (int i = 0; i < 7; i++) {
            int lane = t % 32, line = lane / 4, first = lane % 4 * 2, m = of_word[i];
            uint32_t low = trans ? matrix(in, t / 32, m, first, line) : matrix(in, t / 32, m, line, first);
            uint32_t high =
                trans ? matrix(in, t / 32, m, first + 1, line) : matrix(in, t / 32, m, line, first + 1);
            want[t * 7 + i] = low | high << 16;
        }
}

static void want_ldsm(const uint32_t *in, uint32_t *want) {
    ldsm_words(in, want, false);
}

static void want_ldsm_trans(const uint32_t *in, uint32_t *want) {
    ldsm_words(in, want, true);
}

/* Element `e` of operand `of` ('a' or 'b') of a lane, counted as in the manual: a0, a1, ... */
static double fragment(const uint32_t *lane, char of, int e, char kind) {
    const uint32_t *regs = lane + (of == 'a' ? 0 : 4);
    switch (kind) {
    case 'h':
        return (double)half_to_float((uint16_t)(regs[e / 2] >> (e % 2 * 16)));
    case 'b':
        return (double)as_float((regs[e / 2] >> (e % 2 * 16)) << 16);
    case 't':
        return (double)as_float(regs[e] & 0xffffe000u);
    case 'u':
        if (of == 'a')
            return (double)(uint8_t)(regs[e / 4] >> (e % 4 * 8));
        return (double)(int8_t)(uint8_t)(regs[e / 4] >> (e % 4 * 8));
    default:
        return (double)(int8_t)(uint8_t)(regs[e / 4] >> (e % 4 * 8));
    }
}

/* The manual's sentences on rows and columns, one for each shape. groupID = lane / 4, in_group = lane % 4. */
static void place_a(char kind, int k, int group, int in_group, int e, int *row, int *column) {
    if (kind == 't') { /* m16n8k8 .tf32 */
        *row = e == 0 || e == 2 ? group : group + 8;
        *column = e == 0 || e == 1 ? in_group : in_group + 4;
    } else if (kind == 's' || kind == 'u') { /* m16n8k32 */
        *row = (e < 4) || (e >= 8 && e < 12) ? group : group + 8;
        *column = e < 8 ? in_group * 4 + (e & 3) : in_group * 4 + (e & 3) + 16;
    } else if (k == 8) { /* m16n8k8 .f16 */
        *row = e == 0 || e == 1 ? group : group + 8;
        *column = in_group * 2 + (e & 1);
    } else { /* m16n8k16 */
        *row = (e < 2) || (e >= 4 && e < 6) ? group : group + 8;
        *column = e < 4 ? in_group * 2 + (e & 1) : in_group * 2 + (e & 1) + 8;
    }
}

static void place_b(char kind, int group, int in_group, int e, int *row, int *column) {
    *column = group;
    if (kind == 't')
        *row = e == 0 ? in_group : in_group + 4;
    else if (kind == 's' || kind == 'u')
        *row = e < 4 ? in_group * 4 + (e & 3) : in_group * 4 + (e & 3) + 16;
    else
        *row = e < 2 ? in_group * 2 + (e & 1) : in_group * 2 + (e & 1) + 8;
}

static void product(const uint32_t *in, uint32_t *want, double *slack, char kind, int k) {
    for (int warp = 0; warp < 2; warp++) {
        double a[16][32], b[32][8];
        int row, column;
        for (int lane = 0; lane < 32; lane++) {
            const uint32_t *from = in + (warp * 32 + lane) * 16;
            for (int e = 0; e < 16 * k / 32; e++) {
                place_a(kind, k, lane / 4, lane % 4, e, &row, &column);
                a[row][column] = fragment(from, 'a', e, kind);
            }
            for (int e = 0; e < 8 * k / 32; e++) {
                place_b(kind, lane / 4, lane % 4, e, &row, &column);
                b[row][column] = fragment(from, 'b', e, kind);
            }
        }
        for (int t = warp * 32; t < warp * 32 + 32; t++)
            for (int i = 0; i < 4; i++) {
                row = i < 2 ? t % 32 / 4 : t % 32 / 4 + 8;
                column = t % 4 * 2 + (i & 1);
                bool whole = kind == 's' || kind == 'u';
                double sum =
                    whole ? (double)(int32_t)in[t * 16 + 8 + i] : (double)(float)(int32_t)in[t * 16 + 8 + i];
                double size = fabs(sum);
                for (int j = 0; j < k; j++) {
                    sum += a[row][j] * b[j][column];
                    size += fabs(a[row][j] * b[j][column]);
                }
                want[t * 4 + i] = whole ? (uint32_t)(int64_t)sum : as_bits((float)sum);
                slack[t * 4 + i] = whole ? 0 : size * 0x1p-21;
            }
    }
}

#define PRODUCT(name, kind, k)                                                                               \
    static void want_##name(const uint32_t *in, uint32_t *want, double *slack) {                             \
        product(in, want, slack, kind, k);                                                                   \
    }
PRODUCT(1688_f16, 'h', 8)
PRODUCT(16816_f16, 'h', 16)
PRODUCT(16816_bf16, 'b', 16)
PRODUCT(1688_tf32, 't', 8)
PRODUCT(16832_s8, 's', 32)
PRODUCT(16832_u8s8, 'u', 32)

static void want_tile(const uint32_t *in, uint32_t *want, double *slack) {
    const uint16_t *a = (const uint16_t *)in, *b = (const uint16_t *)(in + 128);
    for (int i = 0; i < 128; i++) {
        double sum = 0, size = 0;
        for (int k = 0; k < 16; k++) {
            double one = (double)half_to_float(a[i / 8 * 16 + k]) * (double)half_to_float(b[k * 8 + i % 8]);
            sum += one;
            size += fabs(one);
        }
        want[i] = as_bits((float)sum);
        slack[i] = size * 0x1p-21;
    }
}

static void want_cp_async(const uint32_t *in, uint32_t *want) {
    memset(want, 0, THREADS * 16);
    for (int t = 0; t < THREADS; t++)
        memcpy((char *)want + (63 - t) * 16, (const char *)in + t * 16, (size_t)(t % 17));
}

static void want_memory16(const uint32_t *in, uint32_t *want) {
    for (int i = 0; i < THREADS * 4; i++)
        want[i] = in[i] ^ in[256 + i / 4 * 4 + 3 - i % 4];
}

static void want_numbers(const uint32_t *in, uint32_t *want) {
    for (int t = 0; t < THREADS; t++) {
        float x = as_float(in[t]);
        uint32_t *w = want + t * 6, half = half_from_float(x), bits = in[t];
        w[0] = half;
        w[1] = (bits + 0x7fff + (bits >> 16 & 1)) >> 16; /* the feed has no NaN */
        w[2] = as_bits((float)copysign(
            ldexp(floor(ldexp(fabs((double)x), 10 - ilogb((double)x)) + 0.5), ilogb((double)x) - 10),
            (double)x));
        w[3] = half | (half ^ 0x8000u) << 16;
        w[4] = as_bits(half_to_float((uint16_t)in[t + 64]));
        w[5] = in[t + 64] & 0xffff0000u;
    }
}

static void want_functions(const uint32_t *in, uint32_t *want, double *slack) {
    for (int t = 0; t < THREADS; t++) {
        double x = (double)as_float(in[t]), y = (double)as_float(in[t + 64]);
        const double value[6] = {exp2(x),
                                 1 / sqrt(fabs(x)),
                                 exp(x),
                                 (double)(float)(x * y),
                                 (double)((float)(x * y) + (float)x),
                                 (double)fmaf((float)x, (float)y, (float)x)};
        const double relative[6] = {0x1p-21, 0x1p-21, 0x1p-19, 0, 0, 0};
        for (int i = 0; i < 6; i++) {
            want[t * 6 + i] = as_bits((float)value[i]);
            slack[t * 6 + i] = fabs(value[i]) * relative[i];
        }
    }
}

static void want_atomics(const uint32_t *in, uint32_t *want) {
    uint32_t sum = 0, most = 0;
    int32_t largest = 0;
    for (int t = 0; t < THREADS; t++) {
        sum += in[t];
        most = in[t] > most ? in[t] : most;
        largest = (int32_t)in[t] > largest ? (int32_t)in[t] : largest;
    }
    want[0] = want[1] = sum;
    want[2] = most;
    want[3] = (uint32_t)largest;
}

static void want_barriers(const uint32_t *in, uint32_t *want) {
    for (int t = 0; t < THREADS; t++) {
        want[t * 2] = in[t / 32 * 32 + 31 - t % 32];
        want[t * 2 + 1] = in[63 - t];
    }
}

/* ---- the cases ---- */

static const struct {
    const char *name;
    int (*launch)(const uint32_t *in, uint32_t *out);
    int words;
    enum feed feed;
    void (*want)(const uint32_t *in, uint32_t *want);
    void (*near)(const uint32_t *in, uint32_t *want, double *slack);
} cases[] = {
#define EXACT(name, words, feed)                                                                             \
    { #name, conformance_##name, words, feed, want_##name, NULL }
#define NEAR(name, words, feed)                                                                              \
    { #name, conformance_##name, words, feed, NULL, want_##name }
    EXACT(shuffles, 8 * THREADS, WORDS),
    EXACT(wide, 2 * THREADS, WORDS),
    EXACT(ballot, THREADS, WORDS),
    EXACT(ldsm, 7 * THREADS, WORDS),
    EXACT(ldsm_trans, 7 * THREADS, WORDS),
    NEAR(1688_f16, 4 * THREADS, HALVES),
    NEAR(16816_f16, 4 * THREADS, HALVES),
    NEAR(16816_bf16, 4 * THREADS, BFLOATS),
    NEAR(1688_tf32, 4 * THREADS, FLOATS),
    NEAR(16832_s8, 4 * THREADS, WORDS),
    NEAR(16832_u8s8, 4 * THREADS, WORDS),
    NEAR(tile, 128, HALVES),
    EXACT(cp_async, 4 * THREADS, WORDS),
    EXACT(memory16, 4 * THREADS, WORDS),
    EXACT(numbers, 6 * THREADS, FLOATS),
    NEAR(functions, 6 * THREADS, FLOATS),
    EXACT(atomics, 4, WORDS),
    EXACT(barriers, 2 * THREADS, WORDS),
};

static void fill(int c, uint32_t *in) {
    for (int i = 0; i < CONFORMANCE_IN; i++)
        in[i] = feed_word(cases[c].feed);
    for (int t = 0; cases[c].near && t < THREADS; t++) /* what mma adds to: small whole numbers */
        for (int i = 8; i < 12 && cases[c].words == 4 * THREADS; i++)
            in[t * 16 + i] = (uint32_t)(int32_t)rig_uniform(-9, 9);
}

START_TEST(is_as_defined) {
    uint32_t in[CONFORMANCE_IN], want[CONFORMANCE_OUT], got[CONFORMANCE_OUT];
    double slack[CONFORMANCE_OUT] = {0};
    rig_seed(7);
    for (int round = 0; round < ROUNDS; round++) {
        const size_t nbytes = (size_t)cases[_i].words * 4;
        fill(_i, in);
        if (cases[_i].want)
            cases[_i].want(in, want);
        else
            cases[_i].near(in, want, slack);
        uint32_t *device_in = rig_put(in, sizeof in), *out = rig_room(nbytes);
        for (int order = 0; rig_order(order); order++) {
            rig_before(out, NULL, nbytes);
            int err = cases[_i].launch(device_in, out);
            rig_after(cases[_i].name, order, err, out, nbytes);
        }
        rig_fetch(got, out, nbytes);
        for (int i = 0; i < cases[_i].words; i++) {
            double g = (double)as_float(got[i]), w = (double)as_float(want[i]);
            bool same = got[i] == want[i] || (slack[i] > 0 && fabs(g - w) <= slack[i]);
            ck_assert_msg(same, "%s: word %d of thread %d is %08x (%.9g), defined as %08x (%.9g)",
                          cases[_i].name, i % (cases[_i].words / THREADS + !(cases[_i].words / THREADS)), i,
                          got[i], g, want[i], w);
        }
        rig_clear();
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("conformance");
    TCase *tc = tcase_create("conformance");
    tcase_add_loop_test(tc, is_as_defined, 0, (int)(sizeof cases / sizeof *cases));
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
