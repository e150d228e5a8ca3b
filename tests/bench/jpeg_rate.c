/* jpeg_rate.c FILE...: JPEG files through TurboJPEG alone (RGB, its defaults; a handle for all, a buffer for
 * all) and through the chains of classifiers (decode and resize to 224; resize the shorter side to 256 and
 * crop 224; a scaled decode and resize to 224), one after another in each round, on one core. Prints JSON:
 * how far the scaled pixels are from the others, then medians in pictures a second of CPU time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "decode/worker_ctx.h"
#include "support/clock.h"
#include "support/mem.h"

enum { ROUNDS = 7, WAYS = 4, MOST = 4096, SIDE = 224, PIXELS = 50000000 };
static const char *const ways[WAYS] = {"tjDecompress", "resize_224", "shorter_256_crop_224",
                                       "scaled_resize_224"};
static const char *const steps[WAYS] = {
    NULL, "[\"image.decode\", {\"image.resize\": {\"size\": [224, 224]}}]",
    "[\"image.decode\", {\"image.resize\": {\"shorter\": 256}}, {\"image.center_crop\": {\"size\": 224}}]",
    "[{\"image.decode\": {\"scale_to\": 224}}, {\"image.resize\": {\"size\": [224, 224]}}]"};
static struct {
    unsigned char *data;
    size_t nbytes;
} files[MOST];
static struct chain *chains[WAYS];
static struct worker_ctx *ctx;

static void die(const char *what) {
    fprintf(stderr, "jpeg_rate: %s\n", what);
    exit(1);
}

static void load(const char *path, int i) {
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0)
        die("cannot open a file");
    files[i].nbytes = (size_t)ftell(f);
    rewind(f);
    files[i].data = malloc(files[i].nbytes);
    if (!files[i].data || fread(files[i].data, 1, files[i].nbytes, f) != files[i].nbytes)
        die("cannot read a file");
    fclose(f);
}

static void open_chains(void) {
    sl_error err = {0};
    struct chain_options options = {.model_dir = ".", .max_pixels = PIXELS};
    sl_spec in = chain_source_spec(SL_RECORD_BYTES, NULL, 0, 1u << 26);
    for (int w = 1; w < WAYS; w++) {
        json_t *list = json_loads(steps[w], 0, NULL);
        if (chain_open(&chains[w - 1], list, &in, NULL, "x", &options, &err) != SL_OK)
            die(err.text);
        json_decref(list);
    }
    if (worker_ctx_open(&ctx, chains, WAYS - 1, &options, &err) != SL_OK)
        die(err.text);
}

static void decode_alone(tjhandle handle, int i, unsigned char *pixels) {
    int w, h, subsampling, space;
    if (tjDecompressHeader3(handle, files[i].data, files[i].nbytes, &w, &h, &subsampling, &space) != 0 ||
        tjDecompress2(handle, files[i].data, files[i].nbytes, pixels, w, 0, h, TJPF_RGB, 0) != 0)
        die(tjGetErrorStr2(handle));
}

static void run_chain(int way, int i, unsigned char *row) {
    struct chain_reject reject;
    sl_record record = {.kind = SL_RECORD_BYTES, .bytes = {(char *)files[i].data, files[i].nbytes}};
    sl_value in, out = {.tensor.data = row};
    chain_source(&record, &in);
    if (chain_apply(ctx, (size_t)way - 1, &in, &out, &reject) != SL_OK)
        die(reject.reason);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    static unsigned char row[SIDE * SIDE * 3];
    tjhandle handle = tjInitDecompress();
    unsigned char *pixels = mem_map((size_t)PIXELS * 3);
    double rates[WAYS][ROUNDS];
    int count = argc - 1;
    if (count < 1 || count > MOST || !handle || !pixels)
        die("give files");
    for (int i = 0; i < count; i++)
        load(argv[i + 1], i);
    open_chains();
    for (int r = 0; r < ROUNDS; r++)
        for (int w = 0; w < WAYS; w++) {
            uint64_t begun = clock_thread_ns();
            for (int i = 0; i < count; i++)
                if (w)
                    run_chain(w, i, row);
                else
                    decode_alone(handle, i, pixels);
            rates[w][r] = count / ((double)(clock_thread_ns() - begun) / 1e9);
        }
    static unsigned char whole[SIDE * SIDE * 3];
    double sum = 0;
    int most = 0;
    for (int i = 0; i < count; i++) {
        run_chain(1, i, whole);
        run_chain(3, i, row);
        for (size_t k = 0; k < sizeof row; k++) {
            int d = abs(row[k] - whole[k]);
            sum += d;
            most = d > most ? d : most;
        }
    }
    printf("{\"scaled_mean_levels\": %.3f, \"scaled_most_levels\": %d", sum / (double)sizeof row / count,
           most);
    for (int w = 0; w < WAYS; w++) {
        qsort(rates[w], ROUNDS, sizeof **rates, by_value);
        printf(", \"%s\": %.1f", ways[w], rates[w][ROUNDS / 2]);
    }
    printf("}\n");
    return 0;
}
