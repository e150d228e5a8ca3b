/* filter_rig.h: runs a filter over bytes from a file, through windows and steps of all sizes. */
#ifndef TESTS_FILTER_RIG_H
#define TESTS_FILTER_RIG_H

#include <sys/mman.h>

#include "archive/filter.h"
#include "archive_rig.h"

struct run {
    struct buf out;
    int status; /* SL_OK at a clean end */
    bool cut_off;
    sl_error err;
};

static size_t rig_room; /* given to filters that take any */

/* Everything a filter makes of the bytes. */
static inline struct run decode(const struct filter_ops *ops, const void *data, size_t nbytes, size_t window,
                                size_t step) {
    struct run run = {0};
    struct filter *filter = NULL;
    struct source source = {.fd = memfd_create("stored", MFD_CLOEXEC), .window_cap = window};
    char *piece = mem_alloc(step, 1);
    source.window = mem_alloc(window, 1);
    buf_init(&run.out);
    ck_assert_int_eq(write(source.fd, data, nbytes), nbytes);
    lseek(source.fd, 0, SEEK_SET);
    ck_assert(ops->open(&filter, &run.err) == SL_OK);
    if (rig_room && ops->give_room)
        ck_assert(ops->give_room(filter, rig_room, &run.err) == SL_OK);
    for (int round = 0; round < 2; round++) { /* a filter is used again, whatever the last shard was like */
        ssize_t n;
        lseek(source.fd, 0, SEEK_SET);
        source = (struct source){.fd = source.fd, .window = source.window, .window_cap = window};
        buf_reset(&run.out);
        ck_assert(ops->start(filter, &run.err) == SL_OK);
        while ((n = ops->read(filter, &source, piece, step, &run.err)) > 0) {
            ck_assert_uint_le(n, step);
            buf_append(&run.out, piece, (size_t)n);
        }
        run.status = n < 0 ? (int)run.err.status : SL_OK;
        run.cut_off = source.cut_off;
        sl_error again = {0};
        ck_assert_int_eq(ops->read(filter, &source, piece, step, &again), n); /* an end stays an end */
        ck_assert_int_eq(again.status, n < 0 ? run.err.status : SL_OK);
        if (n == 0)
            ck_assert_uint_eq(source_position(&source), nbytes);
    }
    ops->close(filter);
    close(source.fd);
    mem_free(source.window);
    mem_free(piece);
    return run;
}

static inline struct buf text_of(size_t nbytes, uint64_t seed) {
    struct buf text;
    buf_init(&text);
    while (text.size < nbytes) {
        uint32_t x = rig_random(&seed);
        buf_printf(&text, "%u,%u.%u\n", x % 1000, x >> 24, x >> 16 & 255);
    }
    return text;
}

static inline void expect(const struct filter_ops *ops, const struct buf *stored, const struct buf *text,
                          size_t text_nbytes, const char *said) {
    static const size_t windows[] = {1, 7, 4096, 1u << 18}, steps[] = {1, 100, 65536, 1u << 20};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 4; k++) {
            if ((i < 1 || k < 1) && text_nbytes > 10000)
                continue;
            struct run run = decode(ops, stored->data, stored->size, windows[i], steps[k]);
            ck_assert_msg((run.status == SL_OK) == !said, "%s", run.err.text);
            ck_assert_msg(!said || strstr(run.err.text, said), "'%s' does not say '%s'", run.err.text, said);
            ck_assert_uint_eq(run.out.size, text_nbytes);
            ck_assert(!text_nbytes || !memcmp(run.out.data, text->data, text_nbytes));
            buf_clear(&run.out);
        }
}

#endif
