/* container_libsvm.c: lines of LIBSVM and SVMlight: "label index:value index:value # comment". Lines that
 * begin with '#' are no records; what is in a line is the decoder's business. */
#include <string.h>

#include "archive/container.h"
#include "archive/content.h"
#include "archive/lines.h"
#include "support/mem.h"

struct container {
    struct lines lines;
};

static sl_status open_libsvm(struct container **out, const struct container_options *options, sl_error *err) {
    struct container_options plain = *options;
    struct container *c = mem_alloc(1, sizeof *c);
    if (!c)
        return error_set(err, SL_E_MEMORY, "out of memory for the libsvm container");
    plain.csv_header = false;
    plain.csv_comment = '#';
    sl_status st = lines_open(&c->lines, &plain, false, true, err);
    if (st != SL_OK)
        mem_free(c);
    else
        *out = c;
    return st;
}

static sl_status start_libsvm(struct container *c, struct stream *stream, const char *shard_name,
                              uint64_t skip_records, sl_error *err) {
    (void)shard_name;
    (void)err;
    lines_start(&c->lines, stream, skip_records);
    return SL_OK;
}

static sl_status next_libsvm(struct container *c, struct block *block, sl_error *err) {
    return lines_next(&c->lines, block, err);
}

static sl_slice no_header(const struct container *c) {
    (void)c;
    return (sl_slice){NULL, 0};
}

static void close_libsvm(struct container *c) {
    if (c)
        lines_close(&c->lines);
    mem_free(c);
}

static size_t digits(const unsigned char *p, size_t nbytes) {
    size_t n = 0;
    while (n < nbytes && p[n] >= '0' && p[n] <= '9')
        n++;
    return n;
}

/* A number, blanks, digits and a colon. */
static bool matches(const unsigned char *head, size_t nbytes) {
    size_t at = 0, first = 0;
    while (at < nbytes && head[at] && strchr("+-.0123456789eE,", head[at]))
        at++;
    first = at;
    while (at < nbytes && (head[at] == ' ' || head[at] == '\t'))
        at++;
    size_t n = digits(head + at, nbytes - at);
    return first && at > first && n && at + n < nbytes && head[at + n] == ':' &&
           content_is_text(head, nbytes);
}

static const char *const types[] = {"text/libsvm", "text/x-libsvm", NULL};
static const char *const suffixes[] = {".libsvm", ".svm", ".svmlight", NULL};

const struct container_ops container_libsvm = {.name = "libsvm",
                                               .content_types = types,
                                               .suffixes = suffixes,
                                               .matches = matches,
                                               .kind = SL_RECORD_LIBSVM,
                                               .take_records = 128,
                                               .open = open_libsvm,
                                               .start = start_libsvm,
                                               .next = next_libsvm,
                                               .header = no_header,
                                               .close = close_libsvm};
