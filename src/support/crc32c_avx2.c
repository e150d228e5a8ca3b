/* crc32c_avx2.c: by the crc32 instruction of SSE 4.2, which every CPU with AVX2 has. */
#include "support/crc32c.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#include <string.h>

uint32_t crc32c_avx2(uint32_t crc, const void *data, size_t nbytes) {
    const unsigned char *p = data;
    uint64_t sum = ~crc;
    for (; nbytes >= 8; nbytes -= 8, p += 8) {
        uint64_t x;
        memcpy(&x, p, sizeof x);
        sum = _mm_crc32_u64(sum, x);
    }
    uint32_t rest = (uint32_t)sum;
    for (; nbytes; nbytes--, p++)
        rest = _mm_crc32_u8(rest, *p);
    return ~rest;
}
#else
uint32_t crc32c_avx2(uint32_t crc, const void *data, size_t nbytes) {
    return crc32c_portable(crc, data, nbytes);
}
#endif
