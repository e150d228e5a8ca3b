/* level_kernels_body.h: the level kernels, sixteen at a time. Included once for each instruction set with
 * LEVEL_KERNELS and LEVEL_NAME defined. */
#include "infer/cpu/level_kernels.h"
#include "infer/cpu/vec.h"

typedef uint8_t vec_u8 __attribute__((vector_size(16)));
typedef int8_t vec_s8 __attribute__((vector_size(16)));
typedef int16_t vec_s16 __attribute__((vector_size(32)));

/* By way of 16 bits: the compiler has no single step, and would take one number at a time. */
VEC_INLINE veci widen(const void *p, bool is_signed) {
    vec_u8 u;
    vec_s8 s;
    memcpy(&u, p, sizeof u);
    memcpy(&s, p, sizeof s);
    vec_s16 half = is_signed ? __builtin_convertvector(s, vec_s16) : __builtin_convertvector(u, vec_s16);
    return __builtin_convertvector(half, veci);
}

/* Whole numbers of a byte's range: the low bits are right for both dtypes. */
VEC_INLINE void narrow(void *p, veci v) {
    vec_s8 s = __builtin_convertvector(__builtin_convertvector(v, vec_s16), vec_s8);
    memcpy(p, &s, sizeof s);
}

/* To the dtype's range, where adding 1.5 * 2^23 leaves no bits behind the point: rounded to even. */
VEC_INLINE veci level(vec v, bool is_signed) {
    vec low = vec_all(is_signed ? -128 : 0), high = vec_all(is_signed ? 127 : 255);
    v = vec_select(v > low, v, low); /* NaN too */
    v = vec_select(v < high, v, high);
    vec magic = vec_all(12582912.0f);
    v = v + magic;
    v = v - magic;
    return __builtin_convertvector(v, veci);
}

VEC_INLINE void add_16(const void *a, const void *b, void *y, bool is_signed, const struct level_sum *sum) {
    vec x = __builtin_convertvector(widen(a, is_signed), vec) * vec_all(sum->scale[0]);
    vec z = __builtin_convertvector(widen(b, is_signed), vec) * vec_all(sum->scale[1]);
    narrow(y, level(x + z + vec_all(sum->offset), is_signed));
}

VEC_INLINE void add_all(const char *a, const char *b, char *y, size_t n, bool is_signed,
                        const struct level_sum *sum) {
    char last[3][VEC] = {{0}};
    size_t i = 0;
    for (; i + VEC <= n; i += VEC)
        add_16(a + i, b + i, y + i, is_signed, sum);
    memcpy(last[0], a + i, n - i);
    memcpy(last[1], b + i, n - i);
    add_16(last[0], last[1], last[2], is_signed, sum);
    memcpy(y + i, last[2], n - i);
}

static void add(const void *a, const void *b, void *y, size_t n, const struct level_sum *sum) {
    if (sum->is_signed)
        add_all(a, b, y, n, true, sum);
    else
        add_all(a, b, y, n, false, sum);
}

VEC_INLINE void quantize_all(const float *x, char *y, size_t n, bool is_signed, float scale, float zero) {
    vec s = vec_all(scale), z = vec_all(zero), magic = vec_all(12582912.0f), far = vec_all(4000000);
    char last[VEC];
    for (size_t i = 0; i < n; i += VEC) {
        vec v = (i + VEC <= n ? vec_load(x + i) : vec_load_part(x + i, n - i, 0)) / s;
        v = vec_select(v > -far, v, -far);
        v = vec_select(v < far, v, far);
        v = v + magic; /* rounded before the zero is added, which may turn a tie round */
        v = v - magic;
        narrow(last, level(v + z, is_signed));
        memcpy(y + i, last, i + VEC <= n ? VEC : n - i);
    }
}

static void quantize(const float *x, void *y, size_t n, bool is_signed, float scale, float zero) {
    if (is_signed)
        quantize_all(x, y, n, true, scale, zero);
    else
        quantize_all(x, y, n, false, scale, zero);
}

static void gather(const void *a, int32_t *sums, size_t n, bool is_signed) {
    const uint8_t *u = a;
    const int8_t *s = a;
    for (size_t i = 0; i < n; i++)
        sums[i] += is_signed ? s[i] : u[i];
}

const struct level_kernels LEVEL_KERNELS = {
    .name = LEVEL_NAME, .add = add, .quantize = quantize, .gather = gather};
