/* finite.c: outputs that are no numbers: NaN or infinite, as half precision that overflows makes them. Such
 * rows are scored like any other, for a model may mean it; they are counted, and the first is named. */
#include <stdio.h>
#include <string.h>

#include "job/job.h"
#include "support/text.h"

#define LANES 32

/* Whether any of the words has all bits of the mask: an exponent of ones. In lanes, for the compiler's
 * vectors. */
#define SCAN(name, type)                                                                                     \
    static bool name(const void *data, size_t count, type mask) {                                            \
        const type *x = data;                                                                                \
        type any[LANES] = {0};                                                                               \
        size_t i = 0;                                                                                        \
        for (; i + LANES <= count; i += LANES)                                                               \
            for (size_t k = 0; k < LANES; k++)                                                               \
                any[k] |= (type)((x[i + k] & mask) == mask);                                                 \
        for (; i < count; i++)                                                                               \
            any[0] |= (type)((x[i] & mask) == mask);                                                         \
        for (size_t k = 1; k < LANES; k++)                                                                   \
            any[0] |= any[k];                                                                                \
        return any[0] != 0;                                                                                  \
    }
SCAN(scan16, uint16_t)
SCAN(scan32, uint32_t)
SCAN(scan64, uint64_t)

bool job_is_finite(sl_dtype dtype, const void *data, size_t nbytes) {
    switch (dtype) {
    case SL_FLOAT:
        return !scan32(data, nbytes / 4, 0x7f800000u);
    case SL_DOUBLE:
        return !scan64(data, nbytes / 8, 0x7ff0000000000000u);
    case SL_FLOAT16:
        return !scan16(data, nbytes / 2, 0x7c00u);
    case SL_BFLOAT16:
        return !scan16(data, nbytes / 2, 0x7f80u);
    default:
        return true;
    }
}

static bool row_is_finite(const struct plan *plan, const struct slot *slot, uint32_t row) {
    bool finite = true;
    for (size_t i = 0; finite && i < plan->output_count; i++) {
        const struct plan_port *port = &plan->outputs[i];
        const struct plan_value *value = &plan->values[port->value];
        if (!port->dynamic) /* there its size is the batch's own */
            finite = job_is_finite(value->tensor.dtype,
                                   (const char *)slot->output + value->offset + row * port->row_nbytes,
                                   port->row_nbytes);
    }
    return finite;
}

void job_look_for_nonfinite(struct job_worker *self, const struct slot *slot, uint32_t row, uint32_t count) {
    struct nonfinite *n = &self->nonfinite;
    for (uint32_t r = row; r < row + count; r++) {
        if (slot->rows[r].state != ROW_GOOD || row_is_finite(self->job->plan, slot, r))
            continue;
        bool first =
            !n->rows++ || slot->sequence < n->sequence || (slot->sequence == n->sequence && r < n->row);
        for (uint32_t i = 0; first && i < slot->span_count; i++) {
            const struct span *span = &slot->spans[i];
            if (span->kind != SPAN_ROWS || r < span->row || r >= span->row + span->count)
                continue;
            n->sequence = slot->sequence;
            n->row = r;
            n->shard = span->shard;
            n->record = span->first_record + (r - span->row);
        }
    }
}

void job_fill_nonfinite(const struct job *job, sl_job_result *r) {
    const struct nonfinite *first = NULL;
    r->nonfinite = 0;
    for (unsigned i = 0; job->workers && i < job->widths.workers_max; i++) {
        const struct nonfinite *n = &job->workers[i].nonfinite;
        if (!n->rows)
            continue;
        r->nonfinite += n->rows;
        if (!first || n->sequence < first->sequence ||
            (n->sequence == first->sequence && n->row < first->row))
            first = n;
    }
    if (first)
        snprintf(r->nonfinite_first, sizeof r->nonfinite_first, "record %llu of '%.160s'",
                 (unsigned long long)first->record, text_quote(job->shards.items[first->shard].name));
}
