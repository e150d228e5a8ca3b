/* simt_mma.c: d += a b on tensor cores: which lane's register holds which element, as the PTX ISA manual has
 * it
 * ("Matrix Fragments for mma.m16n8k8", "...k16", "...k32"), and the product itself.
 *
 * With g = lane / 4 and t = lane % 4, for elements of 4 / PER bytes, PER to a register:
 *   a[16][k]   register i: row g + (i odd ? 8 : 0), columns t * PER ... + PER - 1, + 4 * PER for i >= 2
 *   b[k][8]    register i: rows t * PER ... + PER - 1, + 4 * PER for i = 1; column g
 *   d[16][8]   register i: row g + (i >= 2 ? 8 : 0), column t * 2 + i % 2
 * which covers f16 and bf16 (PER 2), s8 (PER 4) and tf32 (PER 1) alike; m16n8k8 of f16 has the first half of
 * the registers.
 *
 * Products are exact; their sum is made in double and rounded once to float. A GPU adds in an order and with
 * a truncation of its own, so results agree within a tolerance, never to the bit. Integers are exact. */
#include <math.h>
#include <string.h>

#include "simt_block.h"

struct form {
    int k, per, a_count, b_count;
    bool integer;
};

static const struct form forms[] = {
    [SIMT_1688_F16] = {8, 2, 2, 1, false},    [SIMT_16816_F16] = {16, 2, 4, 2, false},
    [SIMT_16816_BF16] = {16, 2, 4, 2, false}, [SIMT_1688_TF32] = {8, 1, 4, 2, false},
    [SIMT_16832_S8] = {32, 4, 4, 2, true},    [SIMT_16832_U8S8] = {32, 4, 4, 2, true},
};

static float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float half_of(uint32_t h) {
    uint32_t sign = (h & 0x8000) << 16, rest = h & 0x7fff;
    float x = rest >= 0x7c00 ? float_of(0x7f800000u | (rest & 0x3ff) << 13) : float_of(rest << 13) * 0x1p112f;
    return sign ? -x : x;
}

/* Element e of a register. */
static float element(enum simt_mma kind, uint32_t reg, int e, bool of_a) {
    uint32_t half = reg >> (16 * (e & 1)) & 0xffff, byte = reg >> (8 * e) & 0xff;
    switch (kind) {
    case SIMT_1688_F16:
    case SIMT_16816_F16:
        return half_of(half);
    case SIMT_16816_BF16:
        return float_of(half << 16);
    case SIMT_1688_TF32:
        return float_of(reg & ~0x1fffu); /* the rest is not looked at */
    case SIMT_16832_U8S8:
        if (of_a)
            return (float)byte;
        return (float)(int8_t)byte;
    default:
        return (float)(int8_t)byte;
    }
}

void mma_compute(struct op *const *ops) {
    const enum simt_mma kind = (enum simt_mma)ops[0]->detail;
    const struct form *f = &forms[kind];
    float a[16][32], b[32][8];
    for (int lane = 0; lane < LANES; lane++) {
        const int g = lane / 4, t = lane % 4;
        for (int i = 0; i < f->a_count; i++)
            for (int e = 0; e < f->per; e++)
                a[g + i % 2 * 8][t * f->per + e + i / 2 * 4 * f->per] =
                    element(kind, ((const uint32_t *)ops[lane]->a)[i], e, true);
        for (int i = 0; i < f->b_count; i++)
            for (int e = 0; e < f->per; e++)
                b[t * f->per + e + i * 4 * f->per][g] =
                    element(kind, ((const uint32_t *)ops[lane]->b)[i], e, false);
    }
    double sums[16][8];
    for (int row = 0; row < 16; row++) {
        double s[8] = {0};
        for (int k = 0; k < f->k; k++)
            for (int column = 0; column < 8; column++)
                s[column] += (double)a[row][k] * (double)b[k][column];
        memcpy(sums[row], s, sizeof s);
    }
    for (int lane = 0; lane < LANES; lane++)
        for (int i = 0; i < 4; i++) {
            double s = sums[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
            if (f->integer) {
                int32_t *d = &((int32_t *)ops[lane]->out)[i];
                *d = (int32_t)((uint32_t)*d + (uint32_t)(int32_t)s);
            } else {
                float *d = &((float *)ops[lane]->out)[i];
                *d = (float)((double)*d + s);
            }
        }
}
