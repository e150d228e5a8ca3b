/* hash.h: SHA-256 (libcrypto) for files people may check by hand. */
#ifndef SUPPORT_HASH_H
#define SUPPORT_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "support/error.h"

#define HASH_HEX 65 /* 64 digits and NUL */

struct hash;                  /* a running SHA-256; one thread at a time */
struct hash *hash_open(void); /* NULL when out of memory */
void hash_close(struct hash *h);
void hash_reset(struct hash *h); /* start anew, no allocation of ours */
void hash_add(struct hash *h, const void *data, size_t nbytes);
void hash_finish(struct hash *h, char hex[HASH_HEX]); /* and resets */

/* Hash of a file's bytes. */
sl_status hash_file(const char *path, char hex[HASH_HEX], sl_error *err);

#endif
