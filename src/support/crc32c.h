/* crc32c.h: the Castagnoli checksum (RFC 3720, appendix B.4), of TFRecord and of our own lines. Any
 * thread. */
#ifndef SUPPORT_CRC32C_H
#define SUPPORT_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of `nbytes` more bytes behind those that gave `crc` (0 at the beginning). */
uint32_t crc32c(uint32_t crc, const void *data, size_t nbytes);

/* The two ways there are; a test holds them equal. The second needs a CPU with AVX2. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t nbytes);
uint32_t crc32c_avx2(uint32_t crc, const void *data, size_t nbytes);

#endif
