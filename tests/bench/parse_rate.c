/* parse_rate.c: bytes a second that one core turns from rows of numbers into floats: CSV and JSON, digits as
 * models are fed with; beside them strtof over the same fields. Best of several rounds; the machine is noisy.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode/worker_ctx.h"
#include "support/clock.h"
#include "support/mem.h"
#include "support/number.h"

#define COLUMNS 100
#define ROWS 4000
#define ROUNDS 9

struct rows {
    char *text;
    size_t starts[ROWS + 1];
};

static uint32_t next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* One number of a style: 0 the shortest text of a float, 1 four decimals, 2 small integers. */
static int put_number(char *out, int style, uint64_t *state) {
    double x = (double)next(state) / 2147483648.0 * 200 - 100;
    if (style == 0)
        return (int)number_write_f32(out, (float)x);
    return style == 1 ? sprintf(out, "%.4f", x) : sprintf(out, "%d", (int)x);
}

static void make(struct rows *r, int style, bool json) {
    uint64_t state = 1;
    size_t used = 0;
    r->text = malloc((size_t)ROWS * COLUMNS * 34);
    for (int i = 0; i < ROWS; i++) {
        r->starts[i] = used;
        used += (size_t)sprintf(r->text + used, "%s", json ? "[" : "");
        for (int c = 0; c < COLUMNS; c++) {
            used += (size_t)sprintf(r->text + used, "%s", !c ? "" : json ? ", " : ",");
            used += (size_t)put_number(r->text + used, style, &state);
        }
        used += (size_t)sprintf(r->text + used, "%s", json ? "]" : "");
    }
    r->starts[ROWS] = used;
}

static double rate_of_chain(const struct rows *r, sl_record_kind kind) {
    const int64_t columns = COLUMNS;
    struct chain_options options = {.model_dir = ".", .max_pixels = 1, .csv_delimiter = ','};
    sl_spec in = chain_source_spec(kind, NULL, 0, 1 << 20),
            target = {.kind = SL_KIND_TENSOR, .dtype = SL_FLOAT, .rank = 1};
    struct chain *chain = NULL;
    struct worker_ctx *ctx = NULL;
    sl_error err = {0};
    float out[COLUMNS];
    uint64_t best = UINT64_MAX;
    target.dims[0] = columns;
    target.max_nbytes = sizeof out;
    if (chain_open(&chain, NULL, &in, &target, "x", &options, &err) != SL_OK ||
        worker_ctx_open(&ctx, &chain, 1, &options, &err) != SL_OK) {
        fprintf(stderr, "parse_rate: %s\n", err.text);
        exit(70);
    }
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begun = clock_ns();
        for (int i = 0; i < ROWS; i++) {
            struct chain_reject reject;
            sl_record record = {.kind = kind,
                                .bytes = {r->text + r->starts[i], r->starts[i + 1] - r->starts[i]}};
            sl_value source, value = {.tensor.data = out};
            chain_source(&record, &source);
            if (chain_apply(ctx, 0, &source, &value, &reject) != SL_OK) {
                fprintf(stderr, "parse_rate: %s\n", reject.reason);
                exit(70);
            }
        }
        uint64_t took = clock_ns() - begun;
        best = took < best ? took : best;
    }
    worker_ctx_close(ctx);
    chain_close(chain);
    return (double)r->starts[ROWS] / (double)best;
}

static double rate_of_strtof(const struct rows *r) {
    uint64_t best = UINT64_MAX;
    volatile float sink = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begun = clock_ns();
        for (int i = 0; i < ROWS; i++) {
            char *p = r->text + r->starts[i];
            for (int c = 0; c < COLUMNS; c++) {
                char *end;
                sink = strtof(p, &end);
                p = end + 1;
            }
        }
        uint64_t took = clock_ns() - begun;
        best = took < best ? took : best;
    }
    (void)sink;
    return (double)r->starts[ROWS] / (double)best;
}

/* With an argument the same as JSON, for data_rates.py. */
int main(int argc, char **argv) {
    static const char *const styles[] = {"shortest float", "four decimals", "integers"};
    (void)argv;
    for (int style = 0; style < 3; style++) {
        struct rows csv, json;
        make(&csv, style, false);
        make(&json, style, true);
        printf(argc > 1
                   ? "%s\"%s\": {\"bytes\": %.1f, \"csv\": %.3f, \"json\": %.3f, \"strtof\": %.3f}"
                   : "%s%-15s %5.1f bytes a number   csv %5.2f GB/s   json %5.2f GB/s   strtof %5.2f GB/s\n",
               argc < 2 ? ""
               : style  ? ", "
                        : "{",
               styles[style], (double)csv.starts[ROWS] / ROWS / COLUMNS, rate_of_chain(&csv, SL_RECORD_CSV),
               rate_of_chain(&json, SL_RECORD_JSON), rate_of_strtof(&csv));
        free(csv.text);
        free(json.text);
    }
    if (argc > 1)
        puts("}");
    return 0;
}
