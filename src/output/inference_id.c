/* inference_id.c: ids behind results. */
#include "output/inference_id.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void inference_id(struct hash *hash, const char *job_id, const char *shard, uint64_t record, char id[37]) {
    char number[24], hex[HASH_HEX];
    int n = snprintf(number, sizeof number, "/%" PRIu64, record);
    hash_add(hash, job_id, strlen(job_id));
    hash_add(hash, "/", 1);
    hash_add(hash, shard, strlen(shard));
    hash_add(hash, number, (size_t)n);
    hash_finish(hash, hex);
    int variant = hex[16] <= '9' ? hex[16] - '0' : hex[16] - 'a' + 10;
    hex[12] = '8'; /* version */
    hex[16] = "89ab"[variant & 3];
    snprintf(id, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

void inference_id_append(struct buf *line, bool json, const char *id, const char *begun) {
    static const char around[] = "{\"SageMakerOutput\": ";
    line->size--; /* its '\n' */
    if (!json) {
        buf_printf(line, ",%s,%s\n", id, begun);
        return;
    }
    if (line->data[0] == '{') {
        line->size--;
    } else {
        memmove(line->data + sizeof around - 1, line->data, line->size);
        memcpy(line->data, around, sizeof around - 1);
        line->size += sizeof around - 1;
    }
    buf_printf(line, "%s\"" INFERENCE_ID_KEY "\": \"%s\", \"" INFERENCE_TIME_KEY "\": \"%s\"}\n",
               line->data[line->size - 1] == '{' ? "" : ", ", id, begun);
}
