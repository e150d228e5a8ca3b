/* gzip_rate.c FILE...: gzip files through zlib alone, libdeflate alone, and our filter with and without room
 * for whole members, one after another in each round, on one core. Prints JSON: medians in MB of unpacked
 * bytes a second. */
#include <fcntl.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "archive/filter.h"
#include "support/clock.h"
#include "support/mem.h"

enum { ROUNDS = 7, WAYS = 4, PIECE = 256 << 10, ROOM = 64 << 20 };
static const char *const ways[WAYS] = {"zlib", "libdeflate", "sluice_streaming", "sluice_whole_members"};
static unsigned char *stored, *whole;
static size_t stored_nbytes;
static char piece[PIECE];

static void die(const char *what) {
    fprintf(stderr, "gzip_rate: %s\n", what);
    exit(1);
}

static void load(const char *path) {
    struct stat st;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) != 0)
        die("cannot open a file");
    free(stored);
    stored = malloc((size_t)st.st_size);
    if (!stored || read(fd, stored, (size_t)st.st_size) != st.st_size)
        die("cannot read a file");
    stored_nbytes = (size_t)st.st_size;
    close(fd);
}

static size_t by_zlib(void) {
    z_stream z = {.next_in = stored, .avail_in = (uInt)stored_nbytes};
    if (inflateInit2(&z, 15 + 16) != Z_OK)
        die("no zlib");
    int rc;
    do {
        z.next_out = (unsigned char *)piece;
        z.avail_out = PIECE;
        rc = inflate(&z, Z_NO_FLUSH);
    } while (rc == Z_OK);
    inflateEnd(&z);
    return rc == Z_STREAM_END ? z.total_out : 0;
}

static size_t by_libdeflate(void) {
    size_t made = 0;
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    if (libdeflate_gzip_decompress(d, stored, stored_nbytes, whole, ROOM, &made) != LIBDEFLATE_SUCCESS)
        made = 0;
    libdeflate_free_decompressor(d);
    return made;
}

static size_t by_filter(const char *path, struct filter *filter) {
    static unsigned char window[PIECE];
    struct source source = {.fd = open(path, O_RDONLY), .window = window, .window_cap = PIECE};
    sl_error err = {0};
    size_t made = 0;
    ssize_t n;
    filter_gzip.start(filter, &err);
    while ((n = filter_gzip.read(filter, &source, piece, PIECE, &err)) > 0)
        made += (size_t)n;
    close(source.fd);
    return n < 0 ? 0 : made;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    struct filter *plain, *roomy;
    sl_error err = {0};
    if (argc < 2)
        die("give files");
    whole = mem_map(ROOM);
    if (!whole || filter_gzip.open(&plain, &err) != SL_OK || filter_gzip.open(&roomy, &err) != SL_OK ||
        filter_gzip.give_room(roomy, ROOM, &err) != SL_OK)
        die("no memory");
    double rates[WAYS][ROUNDS];
    for (int r = 0; r < ROUNDS; r++) {
        size_t made[WAYS] = {0};
        double seconds[WAYS] = {0};
        for (int i = 1; i < argc; i++) {
            load(argv[i]);
            for (int w = 0; w < WAYS; w++) {
                uint64_t begun = clock_thread_ns();
                size_t n = w == 0   ? by_zlib()
                           : w == 1 ? by_libdeflate()
                                    : by_filter(argv[i], w == 2 ? plain : roomy);
                seconds[w] += (double)(clock_thread_ns() - begun) / 1e9;
                made[w] += n;
                if (!n || made[w] != made[0])
                    die("a way gave other bytes, or a member larger than the room");
            }
        }
        for (int w = 0; w < WAYS; w++)
            rates[w][r] = (double)made[w] / 1e6 / seconds[w];
    }
    printf("{");
    for (int w = 0; w < WAYS; w++) {
        qsort(rates[w], ROUNDS, sizeof **rates, by_value);
        printf("%s\"%s\": %.0f", w ? ", " : "", ways[w], rates[w][ROUNDS / 2]);
    }
    printf("}\n");
    filter_gzip.close(plain);
    filter_gzip.close(roomy);
    return 0;
}
