/* block_pool.c: the blocks, all mapped at start. A reader that finds none waits: that is how the front of the
 * pipeline is bounded. */
#include "job/job.h"
#include "support/mem.h"
#include "support/thread.h"

#define BLOCK_RECORDS 8192u /* most records of a block: 512 KiB of 64-byte lines */
#define BLOCK_FIELDS 4096u

size_t block_pool_block_nbytes(const struct job_widths *widths) {
    return widths->block_nbytes + BLOCK_RECORDS * sizeof(struct cut);
}

sl_status block_pool_open(struct block_pool *pool, const struct job_widths *widths,
                          uint64_t max_record_nbytes, sl_error *err) {
    pthread_mutex_init(&pool->mutex, NULL);
    thread_cond_init(&pool->freed);
    pool->blocks = mem_alloc(widths->blocks, sizeof *pool->blocks);
    pool->free = mem_alloc(widths->blocks, sizeof *pool->free);
    if (!pool->blocks || !pool->free)
        return error_set(err, SL_E_MEMORY, "out of memory for %u blocks", widths->blocks);
    /* a whole record of the largest size, and the start of the next, must fit */
    size_t cap = widths->block_nbytes + (size_t)max_record_nbytes + 4096;
    for (; pool->count < widths->blocks; pool->count++) {
        struct block *block = &pool->blocks[pool->count];
        sl_status st = block_open(block, widths->block_nbytes, cap, BLOCK_RECORDS, BLOCK_FIELDS, err);
        if (st != SL_OK)
            return st;
        pool->free[pool->free_count++] = block;
    }
    return SL_OK;
}

void block_pool_close(struct block_pool *pool) {
    if (!pool->blocks)
        return;
    for (unsigned i = 0; i < pool->count; i++)
        block_close(&pool->blocks[i]);
    mem_free(pool->blocks);
    mem_free(pool->free);
    pthread_cond_destroy(&pool->freed);
    pthread_mutex_destroy(&pool->mutex);
    *pool = (struct block_pool){0};
}

struct block *block_pool_take(struct block_pool *pool) {
    struct block *block = NULL;
    pthread_mutex_lock(&pool->mutex);
    while (!pool->free_count && !pool->stopped)
        pthread_cond_wait(&pool->freed, &pool->mutex);
    if (!pool->stopped)
        block = pool->free[--pool->free_count];
    pthread_mutex_unlock(&pool->mutex);
    return block;
}

void block_pool_give(struct block_pool *pool, struct block *block) {
    block_reset(block);
    pthread_mutex_lock(&pool->mutex);
    pool->free[pool->free_count++] = block;
    pthread_cond_signal(&pool->freed);
    pthread_mutex_unlock(&pool->mutex);
}

void block_pool_stop(struct block_pool *pool) {
    pthread_mutex_lock(&pool->mutex);
    pool->stopped = true;
    pthread_cond_broadcast(&pool->freed);
    pthread_mutex_unlock(&pool->mutex);
}
