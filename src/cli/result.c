/* result.c: how a job went: ten lines for people, one JSON object for programs. */
#include <string.h>

#include "cli/progress.h"
#include "support/json.h"
#include "support/text.h"

static double records_per_second(const sl_job_result *r) {
    return r->seconds > 0 ? (double)(r->records - r->records_resumed) / r->seconds : 0;
}

static void put_stages(struct buf *out, const sl_job_result *r) {
    double cpu = 0;
    for (int i = 0; i < SL_STAGE_COUNT; i++)
        cpu += r->stages[i].cpu_seconds;
    buf_puts(out, "  cpu time    ");
    for (int i = 0; i < SL_STAGE_COUNT && r->stages[i].name; i++)
        buf_printf(out, "%s%s %.2f s (%.0f %%)", i ? ", " : "", r->stages[i].name, r->stages[i].cpu_seconds,
                   cpu > 0 ? 100 * r->stages[i].cpu_seconds / cpu : 0);
    buf_puts(out, "\n");
}

static void put_counts(struct buf *out, const sl_job_result *r) {
    char a[32], b[32], c[32];
    buf_printf(out, "  records     %s = %s scored + %s rejected", text_count(a, sizeof a, r->records),
               text_count(b, sizeof b, r->scored), text_count(c, sizeof c, r->rejected));
    if (r->records_resumed)
        buf_printf(out, " (%s of them by earlier runs)", text_count(a, sizeof a, r->records_resumed));
    if (r->nonfinite)
        buf_printf(out,
                   "\n  not finite  %s records have NaN or infinities among their outputs, the first is %s",
                   text_count(a, sizeof a, r->nonfinite), r->nonfinite_first);
    buf_printf(out, "\n  shards      %s of %s done", text_count(a, sizeof a, r->shards_done),
               text_count(b, sizeof b, r->shard_count));
    if (r->shards_broken)
        buf_printf(out, ", %s broken", text_count(a, sizeof a, r->shards_broken));
    buf_printf(out, "\n  time        %s, after %s to load; %s records/s\n",
               text_seconds(a, sizeof a, r->seconds), text_seconds(b, sizeof b, r->load_seconds),
               text_count(c, sizeof c, (uint64_t)records_per_second(r)));
}

void result_text(struct buf *out, const sl_job_result *r) {
    char a[32], b[32];
    if (r->already_finished) {
        buf_printf(out, "already finished: %s records in '%s', nothing to do\n",
                   text_count(a, sizeof a, r->records), text_quote(r->output));
        return;
    }
    put_counts(out, r);
    put_stages(out, r);
    buf_printf(out, "  bottleneck  %s\n", r->bottleneck);
    buf_printf(out, "  workers     %u: %s\n", r->workers, r->workers_reason);
    buf_printf(out, "  device      %s, batch size %lld\n", r->device, (long long)r->batch_size);
    buf_printf(out, "  memory      %s at most, %s planned\n", text_nbytes(a, sizeof a, r->memory_peak),
               text_nbytes(b, sizeof b, r->memory_planned));
    buf_printf(out, "  output      %s (%s)\n", text_quote(r->output),
               text_nbytes(a, sizeof a, r->out_nbytes));
    buf_printf(out, "  status      %d: %s\n", (int)r->status, sl_status_meaning(r->status));
}

static void put_text(struct buf *out, const char *key, const char *text) {
    buf_puts(out, ", ");
    json_put_key(out, key);
    json_put_string(out, text, strlen(text));
}

static void put_u64(struct buf *out, const char *key, uint64_t value) {
    buf_puts(out, ", ");
    json_put_key(out, key);
    json_put_u64(out, value);
}

void result_json(struct buf *out, const sl_job_result *r, const char *error) {
    buf_printf(out, "{\"status\": %d", (int)r->status);
    put_text(out, "meaning", sl_status_meaning(r->status));
    if (error)
        put_text(out, "error", error);
    buf_printf(out, ", \"already_finished\": %s", r->already_finished ? "true" : "false");
    put_u64(out, "records", r->records);
    put_u64(out, "scored", r->scored);
    put_u64(out, "rejected", r->rejected);
    put_u64(out, "records_resumed", r->records_resumed);
    put_u64(out, "nonfinite", r->nonfinite);
    put_u64(out, "shards", r->shard_count);
    put_u64(out, "shards_done", r->shards_done);
    put_u64(out, "shards_broken", r->shards_broken);
    put_u64(out, "input_bytes", r->in_nbytes);
    put_u64(out, "output_bytes", r->out_nbytes);
    buf_printf(out, ", \"seconds\": %.6f, \"load_seconds\": %.6f, \"records_per_second\": %.3f", r->seconds,
               r->load_seconds, records_per_second(r));
    put_text(out, "device", r->device);
    put_u64(out, "batch_size", (uint64_t)r->batch_size);
    put_u64(out, "workers", r->workers);
    put_text(out, "workers_reason", r->workers_reason);
    put_text(out, "bottleneck", r->bottleneck);
    put_u64(out, "memory_planned_bytes", r->memory_planned);
    put_u64(out, "memory_peak_bytes", r->memory_peak);
    put_text(out, "output", r->output);
    buf_puts(out, ", \"stages\": [");
    for (int i = 0; i < SL_STAGE_COUNT && r->stages[i].name; i++) {
        const sl_job_stage *s = &r->stages[i];
        buf_printf(out, "%s{\"name\": \"%s\", \"threads\": %u, \"records\": %llu", i ? ", " : "", s->name,
                   s->threads, (unsigned long long)s->records);
        buf_printf(out, ", \"bytes\": %llu, \"cpu_seconds\": %.6f, \"busy_seconds\": %.6f",
                   (unsigned long long)s->nbytes, s->cpu_seconds, s->busy_seconds);
        buf_printf(out, ", \"wait_seconds\": %.6f}", s->wait_seconds);
    }
    buf_puts(out, "]}\n");
}
