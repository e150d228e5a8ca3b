/* fuzz_path.c: a path, a line end, and the document it is asked of: 'j' JSON, 'r' a row of CSV, 'q' a job
 * file. What is taken of JSON is JSON again, and what is taken of a row a row. Then a known good pair must
 * still give its bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sluice/job.h"
#include "support/json_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

static char room[1 << 16], again[1 << 16];

static void need(bool ok, const char *what) {
    if (ok)
        return;
    fprintf(stderr, "fuzz_path: %s\n", what);
    abort();
}

static bool take(const struct json_path *path, bool json, sl_slice in, char *to, struct buf *out) {
    struct json_path_miss miss = {NULL, NULL};
    buf_init_fixed(out, to, sizeof room);
    bool taken =
        json ? json_path_take(path, in, out, &miss) : json_path_take_row(path, in, ',', '"', out, &miss);
    need(taken || (miss.code && miss.reason), "a refusal without words");
    return taken;
}

static void ask(const char *text, bool json, sl_slice in) {
    struct json_path path, all;
    sl_error err = {0};
    struct buf out, twice;
    if (json_path_parse(&path, text, "InputFilter", &err) != SL_OK) {
        need(err.text[0], "a refusal without words");
        return;
    }
    if (!json && !json_path_fits_rows(&path))
        return;
    need(json_path_parse(&all, "$", "InputFilter", &err) == SL_OK, "no root");
    if (take(&path, json, in, room, &out) && (json || out.size))
        need(take(&all, json, (sl_slice){out.data, out.size}, again, &twice) && twice.size == out.size &&
                 !memcmp(room, again, out.size),
             "what was taken cannot be read");
}

static void read_request(sl_slice in) {
    char name[] = "/tmp/fuzz_path_XXXXXX";
    sl_job_options options;
    sl_job_request *request = NULL;
    sl_error err = {0};
    int fd = mkstemp(name);
    need(fd >= 0 && write(fd, in.data, in.nbytes) == (ssize_t)in.nbytes, "no file");
    close(fd);
    sl_job_defaults(&options);
    if (sl_job_request_open(&request, name, &options, &err) != SL_OK)
        need(err.text[0], "a refusal without words");
    else
        need(options.input && options.output && options.model, "a request without places");
    sl_job_request_close(request);
    unlink(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes) {
    const uint8_t *feed = nbytes > 1 ? memchr(data + 1, '\n', nbytes - 1) : NULL;
    struct json_path path;
    struct buf out;
    if (!feed || nbytes > sizeof room / 2)
        return 0;
    size_t n = (size_t)(feed - data) - 1, rest = nbytes - n - 2;
    char text[128] = "",
         *copy = malloc(rest ? rest : 1); /* of the exact size, so that a read past it is seen */
    need(copy != NULL, "out of memory");
    memcpy(text, data + 1, n < sizeof text ? n : sizeof text - 1);
    memcpy(copy, feed + 1, rest);
    if (*data == 'q')
        read_request((sl_slice){copy, rest});
    else if (*data == 'j' || *data == 'r')
        ask(text, *data == 'j', (sl_slice){copy, rest});
    free(copy);
    need(json_path_parse(&path, "$.a[0,-1]", "InputFilter", NULL) == SL_OK &&
             take(&path, true, (sl_slice){"{\"a\":[1,2,3]}", 13}, room, &out) && out.size == 5 &&
             !memcmp(room, "[1,3]", 5),
         "a good path gives something else after a bad one");
    return 0;
}
