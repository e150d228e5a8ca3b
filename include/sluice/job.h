/* sluice/job.h: the library's door to a job: fill the options, run it, look at the result.
 *
 * One job at a time in a process. The calling thread conducts; the job starts and joins all its other
 * threads. */
#ifndef SLUICE_JOB_H
#define SLUICE_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SL_STAGE_COUNT 5 /* read, decode, model, format, write: in the order of the data's way */

/* A look at a running job. */
typedef struct sl_job_progress {
    double seconds;                     /* since the first shard was opened */
    uint64_t records, scored, rejected; /* written; earlier runs included */
    uint64_t records_resumed;           /* of these, written by earlier runs */
    uint64_t nbytes, total_nbytes;      /* stored input bytes: done, and all; earlier runs included */
    uint64_t nbytes_resumed;
    uint64_t shards, total_shards;
    unsigned slots_full, slot_count; /* slots that hold a whole batch, of all */
    unsigned workers;                /* at work now */
    bool last;                       /* the job has ended; no more calls */
} sl_job_progress;

typedef struct sl_job_options {
    size_t nbytes; /* sizeof(sl_job_options), set by sl_job_defaults */
    const char *model, *input, *output;

    const char *device;    /* "auto", "cpu", "cuda", "cuda:0,1" */
    const char *precision; /* "fp32" */
    int64_t batch_size;    /* rows; 0: auto */
    unsigned workers;      /* 0: auto */
    uint64_t memory_limit; /* bytes of host memory; 0: what the machine and its cgroup leave */
    uint64_t gpu_memory;   /* bytes of each GPU's memory; 0: what it has free */
    const char *kernels;   /* on a GPU: "ours" (NULL too), "cudnn", "auto" */

    const char *content_type;     /* NULL: by name and content */
    const char *compression_type; /* NULL: by content; "None", "Gzip", "Zstd" */
    const char *accept;           /* NULL: text/csv */
    /* SageMaker's, with its values; NULL: nothing said */
    const char *split_type;                   /* "None", "Line", "RecordIO", "TFRecord" */
    const char *batch_strategy;               /* "SingleRecord", "MultiRecord": results do not depend on it */
    const char *assemble_with;                /* "None", "Line" */
    const char *join_source;                  /* "None", "Input" */
    const char *input_filter, *output_filter; /* JSONPath, at most 63 characters */
    bool inference_ids;       /* an id and the job's time behind every result: GenerateInferenceId */
    const char *s3_data_type; /* "S3Prefix", "ManifestFile"; NULL: by content */
    uint64_t max_join_nbytes; /* a longer record cannot be joined and is rejected */
    const char *const
        *s3_roots; /* "s3://bucket/prefix=DIR": where input, output and model are meant by URI */
    size_t s3_root_count;
    int csv_header;     /* 1, 0, or -1: as transform.json says, else none */
    char csv_delimiter; /* 0: as transform.json says, else ',' */
    bool allow_truncated;
    uint64_t max_record_nbytes;
    uint64_t max_expansion; /* of compressed input: unpacked bytes to stored ones; 0: any */
    uint64_t max_pixels;
    const char *const *dim_names; /* --dim NAME=VALUE */
    const int64_t *dim_values;
    size_t dim_count;

    bool overwrite;
    bool rejects_ok; /* a finished job with rejects is SL_OK */
    double
        max_rejects_percent; /* of the records, looked at from the 1,000th on and at the end; < 0: no limit */
    uint64_t max_rejects;    /* records; UINT64_MAX: no limit */
    uint64_t limit;          /* score only the first N records; 0: all */
    double checkpoint_seconds; /* at most this long between checkpoints */

    /* Called from the conducting thread about every progress_ms; may be NULL. */
    void (*on_progress)(void *ctx, const sl_job_progress *progress);
    /* One line of notice ("device cpu: ...", "resuming: ..."); may be NULL. Any thread of the job. */
    void (*on_note)(void *ctx, const char *line);
    void *ctx;
    unsigned progress_ms;
} sl_job_options;

/* One stage over the whole run. */
typedef struct sl_job_stage {
    const char *name;
    double cpu_seconds;  /* of all its threads */
    double busy_seconds; /* wall time at work, all its threads */
    double wait_seconds; /* read: for a free slot; decode and format: workers for something to do (told at
                          * decode); model: for a full batch; write: for a formatted one */
    unsigned threads;
    uint64_t records, nbytes;
} sl_job_stage;

typedef struct sl_job_result {
    sl_status status;
    bool already_finished;                               /* nothing was to do */
    uint64_t records, scored, rejected, records_resumed; /* records = scored + rejected */
    uint64_t nonfinite;        /* records, of this run, with NaN or infinities among their outputs */
    char nonfinite_first[200]; /* "record 3 of 'part-0.csv'"; empty without any */
    uint64_t shards_done, shards_broken, shard_count;
    uint64_t in_nbytes, out_nbytes;
    double seconds, load_seconds; /* the streaming itself; everything before it */
    sl_job_stage stages[SL_STAGE_COUNT];
    char bottleneck[256]; /* one sentence */
    int64_t batch_size;
    unsigned workers, workers_start;
    char workers_reason[160];
    char device[256];                     /* which and why */
    uint64_t memory_planned, memory_peak; /* bytes of resident memory */
    char output[1024];
} sl_job_result;

void sl_job_defaults(sl_job_options *options);

/* A CreateTransformJob request in a file: fills the options that its keys mean, and keeps the texts until
 * _close. SL_E_MODEL: not such a request; an unknown key, or a value outside of what the service takes, is
 * named. */
typedef struct sl_job_request sl_job_request;
sl_status sl_job_request_open(sl_job_request **request, const char *path, sl_job_options *options,
                              sl_error *err);
/* Keys that are there and mean nothing on one machine, with ", " between; "" where there are none. */
const char *sl_job_request_ignored(const sl_job_request *request);
void sl_job_request_close(sl_job_request *request);

/* Runs, resumes, or finds the job finished. Returns SL_OK; SL_REJECTS; or an error, with *err filled: then
 * *result says how far it came. Records that were committed stay so, and the same call resumes. */
sl_status sl_job_run(const sl_job_options *options, sl_job_result *result, sl_error *err);

/* Asks the running job to stop soon, resumable (SL_E_INTERRUPTED). Async-signal-safe. */
void sl_job_stop(void);

/* The plan as text for people, or as JSON: transform.json in use, chains, steps, batch size and why, memory
 * table. `input` may be NULL. Writes nothing to disk. *text is freed with sl_text_free. */
sl_status sl_job_plan(const sl_job_options *options, bool json, char **text, sl_error *err);

/* A readable summary of options->model: inputs, outputs, operators, parameters, what a record costs and what
 * each device can run; dims of `options` bind symbols. */
sl_status sl_model_inspect(const sl_job_options *options, bool json, char **text, sl_error *err);

typedef struct sl_verify_options {
    const char *dir;  /* with test_data_set_N folders, or one of them; NULL: beside the model */
    double tolerance; /* relative to an output's largest magnitude; 0: by dtype and precision */
    bool json;
} sl_verify_options;

/* Runs golden data in ONNX's form (test_data_set_N/{input,output}_I.pb) on the device and precision of
 * `options`, and compares. SL_OK also where outputs are outside: *within says. SL_E_NOINPUT: no golden data.
 * *text is freed with sl_text_free. */
sl_status sl_model_verify(const sl_job_options *options, const sl_verify_options *how, char **text,
                          bool *within, sl_error *err);

/* The transforms there are, or one of them with its parameters. SL_E_USAGE when there is no such. */
sl_status sl_transforms_text(const char *name, bool json, char **text, sl_error *err);

void sl_text_free(char *text);

const char *sl_version(void); /* "0.1.0" */

#ifdef __cplusplus
}
#endif
#endif
