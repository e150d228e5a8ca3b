/* cuda_share.c: weights of all programs on one GPU. What has the same bytes is there once: plans of one model
 * for several batch sizes or lengths have most of theirs in common, whether they come from the file, were
 * folded or were packed by a matcher, so what counts is their content, as 128 bits of hash.
 *
 * Memory is taken in chunks. The first program's is one chunk of just its size; what later ones add goes into
 * smaller ones. A chunk lives as long as a program that uses any of it. */
#include <string.h>

#include "infer/cuda/cuda_program.h"
#include "ops/half.h"
#include "support/mem.h"

#define LATER_NBYTES (4u << 20)  /* a chunk of a program that is not the first, at most */
#define UPLOAD_NBYTES (4u << 20) /* floats are narrowed in pieces of this */

struct share_item {
    uint64_t hash[2];
    size_t nbytes;
    enum share_form form;
    char *at;
};

struct cuda_chunk {
    struct cuda_chunk *next;
    char *memory;
    size_t nbytes, used;
    unsigned users;
    struct share_item *items;
    size_t item_count, item_cap;
};

/* ---- content ---- */

__extension__ typedef unsigned __int128 wide;

static uint64_t fold(uint64_t a, uint64_t b) {
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Two multiplicative hashes of the words, with constants of their own; bytes at the end as a word. */
static void hash_content(const void *data, size_t nbytes, uint64_t hash[2]) {
    const unsigned char *p = data;
    uint64_t a = 0x9e3779b97f4a7c15u ^ nbytes, b = 0xc2b2ae3d27d4eb4fu + nbytes, word;
    for (size_t left = nbytes; left; p += sizeof word) {
        size_t n = left < sizeof word ? left : sizeof word;
        word = 0;
        memcpy(&word, p, n);
        left -= n;
        a = fold(a ^ word, 0xa0761d6478bd642fu) + 0xe7037ed1a0b428dbu;
        b = fold(b + word, 0x8ebc6af09c88c6e3u) ^ (b >> 29);
    }
    hash[0] = a;
    hash[1] = b;
}

static cudaError_t upload_narrowed(char *to, const float *from, size_t count, enum share_form form) {
    const size_t most = UPLOAD_NBYTES / sizeof(uint16_t);
    uint16_t *piece = mem_alloc(count < most ? count : most, sizeof *piece);
    cudaError_t error = piece ? cudaSuccess : cudaErrorMemoryAllocation;
    for (size_t done = 0; error == cudaSuccess && done < count;) {
        size_t n = count - done < most ? count - done : most;
        for (size_t i = 0; i < n; i++)
            piece[i] =
                form == SHARE_F16 ? half_from_finite(from[done + i]) : bfloat_from_finite(from[done + i]);
        error = cudaMemcpy(to + 2 * done, piece, 2 * n, cudaMemcpyHostToDevice);
        done += n;
    }
    mem_free(piece);
    return error;
}

static cudaError_t upload(char *to, const void *data, size_t nbytes, enum share_form form) {
    if (!nbytes)
        return cudaSuccess;
    return form == SHARE_AS_IT_IS ? cudaMemcpy(to, data, nbytes, cudaMemcpyHostToDevice)
                                  : upload_narrowed(to, data, nbytes / sizeof(float), form);
}

/* ---- chunks ---- */

static size_t size_of(size_t nbytes, enum share_form form) {
    nbytes = form == SHARE_AS_IT_IS ? nbytes : nbytes / 2;
    return (nbytes / CUDA_ALIGN + (nbytes % CUDA_ALIGN != 0)) * CUDA_ALIGN;
}

static cudaError_t use_chunk(struct cuda_refs *refs, struct cuda_chunk *chunk) {
    for (size_t i = 0; i < refs->count; i++)
        if (refs->chunks[i] == chunk)
            return cudaSuccess;
    if (refs->count == refs->cap) {
        size_t cap = refs->cap ? 2 * refs->cap : 8;
        struct cuda_chunk **chunks = mem_alloc(cap, sizeof(struct cuda_chunk *));
        if (!chunks)
            return cudaErrorMemoryAllocation;
        if (refs->count)
            memcpy(chunks, refs->chunks, refs->count * sizeof(struct cuda_chunk *));
        mem_free(refs->chunks);
        refs->chunks = chunks;
        refs->cap = cap;
    }
    refs->chunks[refs->count++] = chunk;
    chunk->users++;
    return cudaSuccess;
}

static cudaError_t add_chunk(struct cuda_share *share, struct cuda_refs *refs, size_t nbytes) {
    size_t size =
        share->chunks && refs->expected_nbytes > LATER_NBYTES ? LATER_NBYTES : refs->expected_nbytes;
    struct cuda_chunk *chunk = mem_alloc(1, sizeof *chunk);
    if (!chunk)
        return cudaErrorMemoryAllocation;
    chunk->nbytes = size > nbytes ? size : nbytes;
    cudaError_t error = use_chunk(refs, chunk);
    if (error == cudaSuccess)
        error = cudaMalloc((void **)&chunk->memory, chunk->nbytes);
    if (error != cudaSuccess) {
        refs->count -= refs->count && refs->chunks[refs->count - 1] == chunk;
        mem_free(chunk);
        return error;
    }
    refs->expected_nbytes -= refs->expected_nbytes < chunk->nbytes ? refs->expected_nbytes : chunk->nbytes;
    chunk->next = share->chunks;
    share->chunks = refs->open = chunk;
    return cudaSuccess;
}

static struct share_item *add_item(struct cuda_chunk *chunk) {
    if (chunk->item_count == chunk->item_cap) {
        size_t cap = chunk->item_cap ? 2 * chunk->item_cap : 64;
        struct share_item *items = mem_alloc(cap, sizeof *items);
        if (!items)
            return NULL;
        if (chunk->item_count)
            memcpy(items, chunk->items, chunk->item_count * sizeof *items);
        mem_free(chunk->items);
        chunk->items = items;
        chunk->item_cap = cap;
    }
    return &chunk->items[chunk->item_count++];
}

static bool find(struct cuda_share *share, const struct share_item *want, struct cuda_chunk **chunk,
                 char **at) {
    for (*chunk = share->chunks; *chunk; *chunk = (*chunk)->next)
        for (size_t i = 0; i < (*chunk)->item_count; i++) {
            const struct share_item *have = &(*chunk)->items[i];
            *at = have->at;
            if (have->hash[0] == want->hash[0] && have->hash[1] == want->hash[1] &&
                have->nbytes == want->nbytes && have->form == want->form)
                return true;
        }
    return false;
}

cudaError_t share_put(struct cuda_share *share, struct cuda_refs *refs, const void *data, size_t nbytes,
                      enum share_form form, char **at) {
    struct share_item want = {.nbytes = nbytes, .form = form};
    struct cuda_chunk *chunk;
    size_t size = size_of(nbytes ? nbytes : 1, SHARE_AS_IT_IS);
    size = nbytes ? size_of(nbytes, form) : size;
    hash_content(data, nbytes, want.hash);
    if (find(share, &want, &chunk, at))
        return use_chunk(refs, chunk);
    cudaError_t error = cudaSuccess;
    if (!refs->open || refs->open->nbytes - refs->open->used < size)
        error = add_chunk(share, refs, size);
    if (error != cudaSuccess)
        return error;
    chunk = refs->open;
    *at = want.at = chunk->memory + chunk->used;
    chunk->used += size;
    error = upload(*at, data, nbytes, form);
    if (error != cudaSuccess)
        return error;
    struct share_item *item = add_item(chunk);
    if (item)
        *item = want;
    return item ? cudaSuccess : cudaErrorMemoryAllocation;
}

static void free_chunk(struct cuda_share *share, struct cuda_chunk *chunk) {
    struct cuda_chunk **link = &share->chunks;
    while (*link != chunk)
        link = &(*link)->next;
    *link = chunk->next;
    (void)cudaFree(chunk->memory);
    mem_free(chunk->items);
    mem_free(chunk);
}

void share_release(struct cuda_share *share, struct cuda_refs *refs) {
    for (size_t i = 0; i < refs->count; i++)
        if (!--refs->chunks[i]->users)
            free_chunk(share, refs->chunks[i]);
    mem_free(refs->chunks);
    *refs = (struct cuda_refs){0};
}
