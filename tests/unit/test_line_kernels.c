/* test_line_kernels.c: the line kernels of every instruction set that this machine has against plain loops,
 * to the bit, at every length around the lanes' widths, from unaligned places, and without touching what lies
 * behind. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "infer/cpu/line_kernels.h"
#include "support/machine.h"

enum { MOST = 80, ROOM = 2 * MOST + 3 };

static const struct line_kernels *tables[3];
static size_t table_count;

static void find_tables(void) {
    struct machine machine;
    machine_read(&machine);
    table_count = 0;
    tables[table_count++] = &line_kernels_portable;
    if (machine.avx2)
        tables[table_count++] = &line_kernels_avx2;
    if (machine.avx512)
        tables[table_count++] = &line_kernels_avx512;
}

/* Inputs with some NaN and infinities where `odd`. */
static void fill(float *x, bool odd) {
    for (int i = 0; i < ROOM; i++) {
        x[i] = (float)(rand() % 4001 - 2000) / 333;
        if (odd && rand() % 9 == 0)
            x[i] = rand() % 2 ? NAN : -INFINITY;
    }
}

static void compare(const float *got, const float *want, const char *kernel, const char *table, size_t n) {
    for (int i = 0; i < ROOM; i++)
        ck_assert_msg((isnan(got[i]) && isnan(want[i])) || !memcmp(&got[i], &want[i], sizeof *got),
                      "%s of %s at %zu: element %d is %.9g, expected %.9g", kernel, table, n, i,
                      (double)got[i], (double)want[i]);
}

/* One kernel: `call` uses `to`, `loop` does the same to `want`. */
#define CHECK(kernel, call, loop)                                                                            \
    do {                                                                                                     \
        float to[ROOM], want[ROOM];                                                                          \
        memcpy(to, z, sizeof to);                                                                            \
        memcpy(want, z, sizeof want);                                                                        \
        k->call;                                                                                             \
        for (size_t i = 0; i < n; i++) {                                                                     \
            loop;                                                                                            \
        }                                                                                                    \
        compare(to, want, kernel, k->name, n);                                                               \
    } while (0)

static void check_all(const struct line_kernels *k, size_t n, bool odd) {
    float x[ROOM], y[ROOM], z[ROOM], a = 1.37F, b = -0.61F;
    int32_t at[ROOM], bt[ROOM];
    fill(x, odd);
    fill(y, odd);
    fill(z, odd);
    for (int i = 0; i < ROOM; i++) {
        at[i] = rand() % ROOM;
        bt[i] = rand() % ROOM;
    }
    CHECK("add", add(to + 1, x + 1, n), want[i + 1] += x[i + 1]);
    CHECK("most", most(to + 1, x + 1, n),
          want[i + 1] = x[i + 1] > want[i + 1] || isnan(x[i + 1]) ? x[i + 1] : want[i + 1]);
    CHECK("scale", scale(to + 1, x, a, n), want[i + 1] = a * x[i]);
    CHECK("add_scaled", add_scaled(to + 1, x, a, n), want[i + 1] += a * x[i]);
    CHECK("blend", blend(to + 1, x, y + 1, a, b, n), want[i + 1] = a * x[i] + b * y[i + 1]);
    CHECK("offset", offset(to, x + 1, a, n), want[i] = x[i + 1] + a);
    CHECK("divide", divide(to, x, y + 1, a, n), want[i] = x[i] / (a * y[i + 1]));
    CHECK("weave", weave(to + 1, x + 1, y, a, n), want[2 * i + 1] = x[i + 1] + a; want[2 * i + 2] = y[i] + a);
    CHECK("split", split(to, to + MOST + 1, x + 1, n), want[i] = x[2 * i + 1];
          want[MOST + 1 + i] = x[2 * i + 2]);
    CHECK("pick", pick(to + 1, x, at, n), want[i + 1] = x[at[i]]);
    CHECK("pick_two", pick_two(to + 1, x, at, bt, y, z + 1, n),
          want[i + 1] = y[i] * x[at[i]] + z[i + 1] * x[bt[i]]);
}

START_TEST(kernels_are_plain_loops) {
    find_tables();
    srand(7);
    for (size_t t = 0; t < table_count; t++)
        for (size_t n = 0; n <= MOST; n++) {
            check_all(tables[t], n, false);
            check_all(tables[t], n, true);
        }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("line_kernels");
    TCase *t = tcase_create("line_kernels");
    tcase_add_test(t, kernels_are_plain_loops);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
