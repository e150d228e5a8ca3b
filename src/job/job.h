/* job.h: the conductor. It alone knows every stage.
 *
 * The order of a job: model.c finds the model and its transform.json; prepare.c lists shards, opens chains,
 * makes the plan and the formatter; budget.c adds up the memory and chooses the batch size; conduct.c opens
 * everything that streams, then starts the threads; pipeline.c is what those threads do; balance.c settles
 * the workers; summary.c says how it went. run.c is the order itself. */
#ifndef JOB_JOB_H
#define JOB_JOB_H

#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "archive/archive.h"
#include "decode/chain.h"
#include "feed/ring.h"
#include "feed/tasks.h"
#include "graph/graph.h"
#include "graph/plan.h"
#include "infer/device.h"
#include "infer/executor.h"
#include "output/output.h"
#include "sluice/job.h"
#include "support/json_path.h"
#include "support/machine.h"
#include "support/stats.h"

#define JOB_MAX_DEVICES 16
#define MOST_TOKEN_INPUTS 16

/* What the model is and how its records are prepared. */
struct job_model {
    char path[PATH_MAX]; /* of the .onnx */
    char dir[PATH_MAX];  /* where transform.json and labels are */
    struct graph *graph;
    json_t *config; /* transform.json, or what was derived */
    bool derived;
    bool tokenised; /* derived, and its inputs are what a tokenizer gives */
    bool unbatched; /* its shapes have no batch dim: it takes one record at a time */
    bool csv_header, csv_nonfinite, csv_empty_is_nan;
    char csv_delimiter, csv_quote, csv_comment; /* 0: as usual */
    size_t text_nbytes;                         /* that the string inputs of a record may have */
    char sha256[65], config_sha256[65];         /* of the model file; of the config and the files it names */
};

/* Memory, line by line, before any of it is taken. */
#define BUDGET_LINES 24
enum budget_place { BUDGET_HOST, BUDGET_PINNED, BUDGET_DEVICE }; /* what is pinned is the host's too */
struct budget {
    struct budget_line {
        const char *what;
        uint64_t count, each; /* count * each bytes */
        enum budget_place place;
    } lines[BUDGET_LINES];
    unsigned line_count;
    uint64_t total, limit;  /* of the host, pinned memory among it */
    const char *limit_from; /* "--memory-limit", "cgroup", "machine" */
    uint64_t pinned;
    uint64_t gpu_total, gpu_limit; /* of each device with memory of its own; 0: there is none */
    uint64_t gpu_weights;
    char gpu_limit_from[80];
};

/* How wide every stage is. */
struct job_widths {
    unsigned cores, workers, workers_max, readers, device_threads, slots, blocks;
    size_t block_nbytes;
};

/* The model for texts of one length. */
struct job_bucket {
    int64_t length, rows;
    struct plan *plan;
    struct program *programs[JOB_MAX_DEVICES];
};

/* A pool of blocks that readers fill and workers give back. */
struct block_pool {
    struct block *blocks;
    struct block **free;
    unsigned count, free_count;
    bool stopped;
    pthread_mutex_t mutex;
    pthread_cond_t freed;
};

/* What SageMaker's DataProcessing asks for. */
struct job_processing {
    struct json_path input, output; /* "$" where nothing is asked */
    bool filters, join;             /* InputFilter takes something out; results are joined with inputs */
};

struct job;

struct job_reader {
    struct job *job;
    struct reader *reader;
    pthread_t thread;
    bool runs;
    _Atomic uint64_t offset; /* stored bytes of the shard at hand */
};

/* Rows of outputs with NaN or infinities, and the first of them in the order of the slots. */
struct nonfinite {
    uint64_t rows, sequence, record;
    uint32_t row, shard;
};

struct job_worker {
    struct job *job;
    unsigned number;
    struct worker_ctx *ctx;
    struct format_worker *format;
    struct nonfinite nonfinite;
    char *filtered; /* max_record_nbytes: what InputFilter takes of a record; NULL: there is none */
    pthread_t thread;
    bool runs;
};

struct job {
    const sl_job_options *options;
    sl_job_result *result;
    struct machine machine;
    struct job_model model;

    /* prepare: set once */
    struct shard_list shards;
    bool has_input;
    const struct container_ops *container;
    const char *filter_name;
    char **header; /* of the shards, or NULL */
    size_t header_count;
    char **columns; /* what InputFilter leaves of it */
    size_t column_count;
    struct job_processing processing;
    struct reader_options reader_options;
    struct chain_options chain_options;
    struct chain **chains; /* one per model input */
    struct plan_prologue *prologues;
    struct plan_epilogue *epilogues; /* or NULL */
    json_t *outputs;                 /* the config's, without what the epilogues do */
    /* texts: */
    bool tokens[MOST_TOKEN_INPUTS]; /* inputs that are rows of tokens */
    int64_t token_length;
    size_t token_mask;                       /* the input that says which of them count */
    struct job_bucket buckets[MOST_BUCKETS]; /* by length; with any, `plan` is only how a slot lies */
    unsigned bucket_count;
    struct bucket bucket_list[MOST_BUCKETS]; /* the same for the executor */
    struct composer_options compose;
    char bucket_line[160];
    struct plan *plan;
    struct formatter *formatter;
    const struct device_ops *device_ops;
    struct device *devices[JOB_MAX_DEVICES];
    unsigned device_count;
    char device_line[512], batch_line[512];
    char output_path[PATH_MAX];
    struct job_widths widths;
    struct budget budget;
    uint64_t base_nbytes; /* resident before anything was reserved */

    /* stream: opened by conduct.c */
    struct program *programs[JOB_MAX_DEVICES];
    struct ring *ring;
    bool slot_refused; /* the device did not pin memory for a slot */
    struct tasks *tasks;
    struct executor *executor;
    struct block_pool pool;
    struct job_reader *readers;
    struct job_worker *workers;
    struct output *output;
    struct output_shard *output_shards;
    char (*shard_errors)[512]; /* per shard, touched only for those that fail */
    pthread_t writer;
    bool writer_runs;
    struct stage_stats stats[STAGE_COUNT];
    uint64_t started_ns;

    _Atomic size_t next_shard;
    _Atomic unsigned readers_at_work;
    _Atomic uint64_t shard_nbytes_done; /* stored bytes of shards that were read to the end */
    _Atomic bool stopping;              /* read no more, finish what is on its way */
    uint64_t nbytes_resumed, limit_left;

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* under mutex */
    bool failed, writer_done;
    sl_error error;
};

/* model.c */
bool job_is_file(const char *path); /* a regular file, or a link to one */
sl_status job_model_open(struct job_model *model, const char *path, sl_error *err);
sl_status job_model_hash(struct job_model *model, sl_error *err);
void job_model_close(struct job_model *model);

/* device.c: opens what --device asks for, and says which and why in job->device_line. */
sl_status job_devices_open(struct job *job, sl_error *err);
/* The devices cannot run the model, as `why` says: where --device is auto the CPU is opened in their place.
 */
sl_status job_devices_leave(struct job *job, const sl_error *why, sl_error *err);
void job_devices_close(struct job *job);

/* prepare.c: everything that can be known before the first byte of a record. Opens, reserves little. */
sl_status job_prepare(struct job *job, sl_error *err);
void job_unprepare(struct job *job);
/* What model input i wants from its chain: its shape without the batch dim, where it has one. */
sl_status job_input_target(const struct job *job, size_t i, sl_spec *target, sl_error *err);
/* derive.c: chains for a model of several inputs without transform.json. */
sl_status derive_columns(struct job *job, sl_record_kind kind, sl_error *err);
/* An empty number of a csv row is NaN where the model says what becomes of it. */
sl_status derive_missing(struct job_model *model, sl_error *err);
/* Whether all inputs are made of one text, and nothing is said of rows: a .txt is a text a line then. */
bool derive_takes_text(const struct job *job);
/* derive_image.c: the chain of a picture from preprocessor_config.json or timm's pretrained_cfg, where the
 * model directory has one; into model->config. SL_E_MODEL names what it asks for that no step does. */
sl_status derive_image(struct job_model *model, sl_error *err);
/* derive_text.c: the same for a model of language, from its tokenizer's files, config.json and modules.json.
 */
sl_status derive_text(struct job_model *model, sl_error *err);
/* processing.c: SplitType, BatchStrategy, AssembleWith, JoinSource and the filters. Reads what the options
 * say; then, when the container is known, whether it can be. */
sl_status job_processing_read(struct job *job, sl_error *err);
sl_status job_processing_check(struct job *job, sl_error *err);
sl_status job_filter_columns(struct job *job, sl_error *err); /* header to columns */
const char *job_accept(const struct job *job);                /* what --accept and --assemble-with come to */
/* The record as it came, kept for the join; false: it is too long. */
bool job_keep_input(const struct job *job, const struct slot *slot, uint32_t row, const sl_record *record);
/* What InputFilter takes becomes the record's bytes, in `room` (max_record_nbytes). */
bool job_filter_input(const struct job *job, char *room, sl_record *record, struct json_path_miss *miss);

/* places.c: paths, and s3:// URIs by --s3-root. */
sl_status job_place(const sl_job_options *options, const char *place, char path[PATH_MAX], sl_error *err);
sl_status job_open_shards(struct job *job, sl_error *err);

/* The model for batches of that many rows, and for texts of `length` tokens (0: of the longest). */
sl_status job_make_plan_of(struct job *job, int64_t batch, int64_t length, struct plan **plan, sl_error *err);

/* lower.c: what the device does of the chains of results: epilogues and outputs. */
sl_status job_lower(struct job *job, sl_error *err);

/* buckets.c: from the batch that was chosen for the longest texts to plans for all lengths, where
 * transform.json wants them. */
bool job_wants_buckets(const struct job_model *model);
sl_status job_settle_buckets(struct job *job, sl_error *err);
void job_close_buckets(struct job *job);
/* Of the longest texts; with buckets the job's own plan is none that runs. */
const struct plan *job_longest_plan(const struct job *job);
/* `buckets` has room for MOST_BUCKETS; how to get memory is left open. */
void job_composer_options(const struct job *job, struct bucket *buckets, struct composer_options *options);
unsigned job_row_bucket(const struct job *job, const void *mask); /* of a row that was decoded */

/* budget.c */
void job_choose_widths(struct job *job);
void job_fit_widths(struct job *job);                                   /* to the devices that were opened */
sl_status job_try_batch(struct job *job, int64_t batch, sl_error *err); /* sets plan, formatter and budget */
void budget_add_up(struct job *job);
bool budget_fits(const struct budget *budget);
void budget_print(const struct budget *budget, struct buf *out);
unsigned job_slots(const struct job *job); /* of the ring */
void job_ring_options(const struct job *job, struct ring_options *options);
void job_tasks_options(const struct job *job, struct tasks_options *options);
void job_output_options(const struct job *job, struct output_options *options);

/* batch.c: sets plan, formatter and budget; says why in job->batch_line. */
sl_status job_choose_batch(struct job *job, sl_error *err);

/* describe.c: the text is the caller's from here on. */
sl_status job_give_text(struct buf *out, char **text, sl_error *err);

/* conduct.c: opens and closes what streams; starts, watches and joins the threads. */
sl_status job_open_streams(struct job *job, sl_error *err);
void job_close_streams(struct job *job);
sl_status job_stream(struct job *job, sl_error *err);
void job_fail(struct job *job, const sl_error *err); /* any thread; the first one wins */
bool job_stop_requested(void);
void job_note(const struct job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* pipeline.c: what the threads do. */
void *job_reader_run(void *reader);
void *job_worker_run(void *worker);
void *job_writer_run(void *job);
void job_slot_computed(void *job, struct slot *slot);

/* block_pool.c */
sl_status block_pool_open(struct block_pool *pool, const struct job_widths *widths,
                          uint64_t max_record_nbytes, sl_error *err);
void block_pool_close(struct block_pool *pool);
struct block *block_pool_take(struct block_pool *pool); /* waits; NULL when stopped */
void block_pool_give(struct block_pool *pool, struct block *block);
void block_pool_stop(struct block_pool *pool);
size_t block_pool_block_nbytes(const struct job_widths *widths);

/* balance.c: settles the number of workers within the first seconds. Called by the conducting thread. */
struct balance {
    uint64_t begun_ns, sampled_ns;
    struct ring_look ring;
    unsigned active, steady;
    bool settled;
};
void balance_begin(struct balance *balance, struct job *job);
void balance_step(struct balance *balance, struct job *job);

/* finite.c: whether none of the floats is NaN or infinite; the same of rows that were formatted; what all
 * workers found. */
bool job_is_finite(sl_dtype dtype, const void *data, size_t nbytes);
void job_look_for_nonfinite(struct job_worker *worker, const struct slot *slot, uint32_t row, uint32_t count);
void job_fill_nonfinite(const struct job *job, sl_job_result *result);

/* summary.c */
void job_fill_result(struct job *job, double seconds);
void job_summary_json(const struct job *job, struct buf *out);
void job_progress_now(struct job *job, sl_job_progress *progress);

#endif
