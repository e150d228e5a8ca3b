/* attend.h: scaled dot-product attention as every operator of that name means it. An operator says how its
 * rows of queries, keys and values are read and what its masks add; attend_run does the rest. */
#ifndef OPS_ATTEND_H
#define OPS_ATTEND_H

#include <stdbool.h>
#include <stdint.h>

#include "sluice/tensor.h"

/* What of the scores is handed to `record`: ONNX Attention's qk_matmul_output_mode, and nothing. */
enum attend_record { ATTEND_RAW, ATTEND_CAPPED, ATTEND_BIASED, ATTEND_WEIGHTS, ATTEND_NOTHING };

/* Heads are counted over queries, kv heads over keys and values: heads / kv_heads of them share one. */
struct attend {
    const void *owner;
    int64_t batch, heads, kv_heads, queries, keys, size, v_size;
    double scale, softcap; /* softcap 0: none */
    /* Fill a row of `size` (values: v_size) numbers; `head` of keys and values is a kv head. Each key and
     * value is read exactly once. */
    void (*query)(const void *owner, int64_t b, int64_t head, int64_t i, double *row);
    void (*key)(const void *owner, int64_t b, int64_t head, int64_t j, double *row);
    void (*value)(const void *owner, int64_t b, int64_t head, int64_t j, double *row);
    /* What is added to a score; -infinity: the key takes no part, whatever its score. A row without keys
     * gives zeros. NULL: nothing. */
    double (*bias)(const void *owner, int64_t b, int64_t head, int64_t i, int64_t j);
    /* One more term of the softmax's sum, as if there were a key of that score with values of zero; NULL:
     * none. */
    double (*sink)(const void *owner, int64_t head);
    void (*store)(const void *owner, int64_t b, int64_t head, int64_t i, const double *row);
    enum attend_record recorded;
    void (*record)(const void *owner, int64_t b, int64_t head, int64_t i, const double *scores);
};

/* Bytes of scratch for attend_run. */
size_t attend_nbytes(int64_t keys, int64_t size, int64_t v_size);
void attend_run(const struct attend *a, void *scratch);

/* n elements of a tensor of a float dtype, `step` apart. */
void attend_load(const sl_tensor *t, int64_t from, int64_t step, int64_t n, double *row);
void attend_add(const sl_tensor *t, int64_t from, int64_t n, double *row);
void attend_save(const sl_tensor *t, int64_t to, int64_t n, const double *row);

/* Element of a mask or bias that broadcasts over [batch, heads, queries, keys], its dims aligned at the right
 * (rank 0 to 4). */
int64_t attend_mask_at(const sl_tensor *t, int64_t b, int64_t head, int64_t i, int64_t j);

#endif
