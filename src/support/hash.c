/* hash.c: SHA-256 through libcrypto, CRC-32C by table. */
#include "support/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "support/file.h"
#include "support/mem.h"
#include "support/text.h"

struct hash {
    EVP_MD_CTX *ctx;
};

struct hash *hash_open(void) {
    struct hash *h = mem_alloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1) {
        hash_close(h);
        return NULL;
    }
    return h;
}

void hash_close(struct hash *h) {
    if (h)
        EVP_MD_CTX_free(h->ctx);
    mem_free(h);
}

void hash_reset(struct hash *h) {
    EVP_DigestInit_ex(h->ctx, NULL, NULL);
}

void hash_add(struct hash *h, const void *data, size_t nbytes) {
    EVP_DigestUpdate(h->ctx, data, nbytes);
}

void hash_finish(struct hash *h, char hex[HASH_HEX]) {
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_DigestFinal_ex(h->ctx, sum, &n);
    for (unsigned i = 0; i < 32; i++) {
        hex[2 * i] = digits[sum[i] >> 4];
        hex[2 * i + 1] = digits[sum[i] & 15];
    }
    hex[64] = 0;
    hash_reset(h);
}

sl_status hash_file(const char *path, char hex[HASH_HEX], sl_error *err) {
    enum { CHUNK = 1 << 18 };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, SL_E_IO, errno, "cannot open '%s'", text_quote(path));
    struct hash *h = hash_open();
    char *chunk = mem_alloc(CHUNK, 1);
    ssize_t n = -1;
    errno = ENOMEM;
    while (h && chunk && (n = file_read(fd, chunk, CHUNK)) > 0)
        hash_add(h, chunk, (size_t)n);
    int kept = errno;
    if (n == 0)
        hash_finish(h, hex);
    hash_close(h);
    mem_free(chunk);
    close(fd);
    return n == 0 ? SL_OK : error_errno(err, SL_E_IO, kept, "cannot read '%s'", text_quote(path));
}
