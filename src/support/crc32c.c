/* crc32c.c: by tables, eight bytes at a step; crc32c_avx2.c uses the instruction. */
#include "support/crc32c.h"

#include <pthread.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* reflected */

static uint32_t tables[8][256]; /* set once */

static void make_tables(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
        tables[0][i] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (uint32_t i = 0; i < 256; i++)
            tables[k][i] = tables[k - 1][i] >> 8 ^ tables[0][tables[k - 1][i] & 255];
}

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t nbytes) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const unsigned char *p = data;
    pthread_once(&once, make_tables);
    crc = ~crc;
    for (; nbytes >= 8; nbytes -= 8, p += 8) {
        crc ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        crc = tables[7][crc & 255] ^ tables[6][crc >> 8 & 255] ^ tables[5][crc >> 16 & 255] ^
              tables[4][crc >> 24] ^ tables[3][p[4]] ^ tables[2][p[5]] ^ tables[1][p[6]] ^ tables[0][p[7]];
    }
    for (; nbytes; nbytes--, p++)
        crc = crc >> 8 ^ tables[0][(crc ^ *p) & 255];
    return ~crc;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t nbytes) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return crc32c_avx2(crc, data, nbytes);
#endif
    return crc32c_portable(crc, data, nbytes);
}
