/* text_ids.c: text_ids DIR FILE [ids|time] [LENGTH]: the tokenizer in DIR over every line of FILE, by the
 * same chain as a job's. `ids` writes the numbers of each text, one line a line, for
 * tests/golden/text/compare.py; `time` the best of five rounds, on one thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode/chain.h"
#include "support/clock.h"
#include "support/file.h"
#include "support/mem.h"

struct lab {
    struct chain *chain;
    struct worker_ctx *ctx;
    int64_t length;
    int32_t *out;
};

static bool open_chain(struct lab *lab, const char *dir, int64_t length) {
    struct chain_options options = {.model_dir = dir, .max_pixels = 1, .csv_delimiter = ','};
    sl_error err = {.status = SL_OK};
    json_t *steps = json_pack("[{s:{s:I, s:i}}]", "text.tokenize", "max_length", (json_int_t)length,
                              "max_bytes", 1 << 20);
    sl_spec in = chain_source_spec(SL_RECORD_BYTES, NULL, 0, 1 << 20);
    lab->length = length;
    if (chain_open(&lab->chain, steps, &in, NULL, NULL, &options, &err) != SL_OK ||
        worker_ctx_open(&lab->ctx, &lab->chain, 1, &options, &err) != SL_OK) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    json_decref(steps);
    lab->out = mem_alloc((size_t)length * 4, sizeof *lab->out);
    return lab->out != NULL;
}

static bool one(struct lab *lab, const char *line, size_t nbytes, struct chain_reject *why) {
    sl_value in = {.kind = SL_KIND_BYTES, .bytes = {line, nbytes}}, out = {.tensor.data = lab->out};
    return chain_apply(lab->ctx, 0, &in, &out, why) == SL_OK;
}

static void print_ids(const struct lab *lab, char *line) {
    size_t n = 0;
    for (int64_t i = 0; i < lab->length; i++)
        if (lab->out[lab->length + i])
            n += (size_t)sprintf(line + n, n ? " %d" : "%d", lab->out[i]);
    line[n++] = '\n';
    fwrite(line, 1, n, stdout);
}

static void each_line(struct lab *lab, const char *data, size_t nbytes, bool print, char *room, size_t *lines,
                      size_t *tokens) {
    struct chain_reject why;
    for (const char *at = data, *end = data + nbytes; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        bool ok = one(lab, at, (size_t)(stop - at), &why);
        if (print && ok)
            print_ids(lab, room);
        else if (print)
            printf("reject %s: %s\n", why.code, why.reason);
        for (int64_t i = 0; !print && ok && i < lab->length && lab->out[lab->length + i]; i++)
            ++*tokens;
        ++*lines;
        at = stop + 1;
    }
}

int main(int argc, char **argv) {
    struct lab lab;
    const void *data;
    size_t nbytes;
    sl_error err = {.status = SL_OK};
    if (argc < 3) {
        fprintf(stderr, "text_ids DIR FILE [ids|time] [LENGTH]\n");
        return argc < 2 ? 0 : 64; /* alone, as `make bench` calls it, there is nothing to do */
    }
    bool print = argc < 4 || strcmp(argv[3], "time") != 0;
    if (!open_chain(&lab, argv[1], argc > 4 ? atol(argv[4]) : 512))
        return 78;
    if (file_map(argv[2], &data, &nbytes, &err) != SL_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 66;
    }
    char *room = mem_alloc((size_t)lab.length, 12);
    uint64_t best = UINT64_MAX;
    size_t lines = 0, tokens = 0;
    for (int round = 0; round < (print ? 1 : 5); round++) {
        uint64_t begun = clock_ns();
        lines = tokens = 0;
        each_line(&lab, data, nbytes, print, room, &lines, &tokens);
        uint64_t took = clock_ns() - begun;
        best = took < best ? took : best;
    }
    if (!print)
        printf("%zu lines, %zu tokens, %.3f s, %.1f MB/s\n", lines, tokens, (double)best / 1e9,
               (double)nbytes / 1e6 / ((double)best / 1e9));
    return 0;
}
