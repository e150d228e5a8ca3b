/* option_table.c: every verb and option, once. An option is its row here: what it is called, what it is worth
 * when nobody says, where it applies, what help says of it, and how its value is read. */
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "support/mem.h"
#include "support/text.h"

const struct verb_def verb_table[] = {
    {"run", VERB_RUN, "MODEL INPUT OUTPUT", "score INPUT into OUTPUT; resumes where it stopped",
     "INPUT is a directory, a file, or a manifest ([{\"prefix\": ...}, \"key\", ...]). Each file of it "
     "becomes OUTPUT/<its path>.out, one line for each "
     "record, in order. The same command starts the job, resumes it, or finds it finished.",
     "sluice run model.onnx rows/ scores/ --csv-header"},
    {"plan", VERB_PLAN, "MODEL [INPUT]", "dry run: shapes, batch, memory; writes nothing",
     "Says everything that run would decide before the first record: the transforms in use, every step with "
     "its shape, the batch size and its reason, and the memory of each part.",
     "sluice plan model/ rows/"},
    {"verify", VERB_VERIFY, "MODEL [DIR]", "golden data through the model; exits 0 within tolerance",
     "DIR holds test_data_set_0, test_data_set_1, ... as ONNX's own tests have them, each with input_0.pb, "
     "... and "
     "output_0.pb, ...; without it they are looked for beside the model. Prints the largest absolute error, "
     "that "
     "relative to the output's largest magnitude, and how many rows have their largest score in the same "
     "place. Exits "
     "with 65 where an output is outside its tolerance.",
     "sluice verify model/ --precision bf16"},
    {"inspect", VERB_INSPECT, "MODEL", "its inputs, outputs, operators, cost and devices",
     "Reads the model only: what it takes and gives, what a record costs after the passes, and which steps "
     "each device "
     "can run. Symbols that the cost depends on are bound with --dim.",
     "sluice inspect model.onnx"},
    {"transforms", VERB_TRANSFORMS, "[NAME]", "the transforms there are, and their parameters",
     "Without NAME the list; with it everything about one.", "sluice transforms image.resize"},
    {"help", VERB_HELP, "[VERB|all|exit-codes]", "help on one verb, all options, the exit status",
     "The short help of everything is 'sluice --help'.", "sluice help run"},
    {NULL, 0, NULL, NULL, NULL, NULL}};

static sl_status bad(const struct option_def *o, const char *value, const char *expected, sl_error *err) {
    return error_set(err, SL_E_USAGE, "bad --%s '%s': expected %s", o->name, text_quote(value), expected);
}

/* The field of struct cli that the row names. */
static void *field(const struct option_def *o, struct cli *c) {
    return (char *)c + o->at;
}

static sl_status set_true(const struct option_def *o, struct cli *c, const char *v, sl_error *err) {
    (void)v;
    (void)err;
    *(bool *)field(o, c) = true;
    return SL_OK;
}

/* What it may be is the library's to say. */
static sl_status set_text(const struct option_def *o, struct cli *c, const char *v, sl_error *err) {
    (void)err;
    *(const char **)field(o, c) = v;
    return SL_OK;
}

/* One of the words of the row's argument, "a|b|c". */
static sl_status set_choice(const struct option_def *o, struct cli *c, const char *v, sl_error *err) {
    size_t nbytes = strlen(v);
    for (const char *word = o->argument; *word; word += *word == '|') {
        size_t length = strcspn(word, "|");
        if (length == nbytes && !memcmp(word, v, nbytes))
            return set_text(o, c, v, err);
        word += length;
    }
    return bad(o, v, o->argument, err);
}

static sl_status set_nbytes(const struct option_def *o, struct cli *c, const char *v, sl_error *err) {
    uint64_t *out = field(o, c);
    return text_parse_nbytes(v, out) && *out ? SL_OK : bad(o, v, "a size such as 512M or 4GiB", err);
}

static sl_status set_number(const struct option_def *o, struct cli *c, const char *v, sl_error *err) {
    uint64_t *out = field(o, c);
    return text_parse_u64(v, out) && *out ? SL_OK : bad(o, v, "a number, at least 1", err);
}

static sl_status set_batch_size(const struct option_def *o, struct cli *c, const char *v, sl_error *err) {
    uint64_t n = 0;
    if (strcmp(v, "auto") && (!text_parse_u64(v, &n) || n < 1 || n > 1u << 20))
        return bad(o, v, "auto, or rows from 1 to 1048576", err);
    c->job.batch_size = (int64_t)n;
    return SL_OK;
}

static sl_status set_workers(const struct option_def *o, struct cli *c, const char *v, sl_error *err) {
    uint64_t n = 0;
    if (strcmp(v, "auto") && (!text_parse_u64(v, &n) || n < 1 || n > 4096))
        return bad(o, v, "auto, or a number from 1 to 4096", err);
    c->job.workers = (unsigned)n;
    return SL_OK;
}

static sl_status set_csv_header(const struct option_def *o, struct cli *c, const char *v, sl_error *err) {
    (void)o;
    (void)v;
    (void)err;
    c->job.csv_header = 1;
    return SL_OK;
}

static sl_status set_csv_delimiter(const struct option_def *o, struct cli *c, const char *v, sl_error *err) {
    if (!strcmp(v, "tab") || !strcmp(v, "\\t"))
        v = "\t";
    if (strlen(v) != 1 || strchr("\"\r\n", *v))
        return bad(o, v, "one character, or tab", err);
    c->job.csv_delimiter = *v;
    return SL_OK;
}

/* A name given twice keeps its last value, so that a flag beats the environment here too. */
static sl_status set_dim(const struct option_def *o, struct cli *c, const char *v, sl_error *err) {
    const char *equals = strchr(v, '=');
    uint64_t value;
    size_t i = 0;
    if (!equals || equals == v || !text_parse_u64(equals + 1, &value) || value < 1 || value > INT32_MAX)
        return bad(o, v, "NAME=VALUE, the value from 1 to 2147483647", err);
    size_t nbytes = (size_t)(equals - v);
    while (i < c->job.dim_count && (strlen(c->dim_names[i]) != nbytes || memcmp(c->dim_names[i], v, nbytes)))
        i++;
    if (i == CLI_DIMS)
        return error_set(err, SL_E_USAGE, "more than %d of --dim", CLI_DIMS);
    if (i == c->job.dim_count) {
        c->dim_texts[i] = mem_strndup(v, nbytes);
        if (!c->dim_texts[i])
            return error_set(err, SL_E_MEMORY, "out of memory for the command line");
        c->dim_names[i] = c->dim_texts[i];
        c->job.dim_count++;
    }
    c->dim_values[i] = (int64_t)value;
    return SL_OK;
}

static sl_status set_s3_root(const struct option_def *o, struct cli *c, const char *v, sl_error *err) {
    const char *equals = strrchr(v, '=');
    if (strncmp(v, "s3://", 5) || !equals || equals == v + 5 || !equals[1])
        return bad(o, v, "s3://bucket/prefix=DIR", err);
    if (c->job.s3_root_count == CLI_ROOTS)
        return error_set(err, SL_E_USAGE, "more than %d of --s3-root", CLI_ROOTS);
    c->s3_roots[c->job.s3_root_count++] = v;
    return SL_OK;
}

/* A number of records, or a percentage. */
static sl_status set_max_rejects(const struct option_def *o, struct cli *c, const char *v, sl_error *err) {
    char *end;
    size_t n = strlen(v);
    if (n > 1 && v[n - 1] == '%' && strspn(v, "0123456789.") == n - 1) {
        double percent = strtod(v, &end);
        if (end == v + n - 1 && percent <= 100) {
            c->job.max_rejects_percent = percent;
            c->job.max_rejects = UINT64_MAX;
            return SL_OK;
        }
    }
    if (!text_parse_u64(v, &c->job.max_rejects))
        return bad(o, v, "a number of records, or 0% to 100%", err);
    c->job.max_rejects_percent = -1;
    return SL_OK;
}

static sl_status set_checkpoint(const struct option_def *o, struct cli *c, const char *v, sl_error *err) {
    char *end;
    double seconds = strtod(v, &end);
    if (!*v || v[strspn(v, "0123456789.")] || *end || !(seconds > 0 && seconds <= 3600))
        return bad(o, v, "seconds, at most 3600", err);
    c->job.checkpoint_seconds = seconds;
    return SL_OK;
}

static sl_status set_tolerance(const struct option_def *o, struct cli *c, const char *v, sl_error *err) {
    char *end;
    double x = strtod(v, &end);
    if (!*v || v[strspn(v, "0123456789.eE-")] || *end || !(x > 0 && x <= 1))
        return bad(o, v, "a number above 0, at most 1, such as 1e-4", err);
    c->tolerance = x;
    return SL_OK;
}

static sl_status set_quiet(const struct option_def *o, struct cli *c, const char *v, sl_error *err) {
    (void)o;
    (void)v;
    (void)err;
    c->verbosity = -1;
    return SL_OK;
}

static sl_status set_verbose(const struct option_def *o, struct cli *c, const char *v, sl_error *err) {
    (void)o;
    (void)v;
    (void)err;
    c->verbosity = c->verbosity < 0 ? 1 : c->verbosity + 1;
    return SL_OK;
}

static sl_status set_help(const struct option_def *o, struct cli *c, const char *v, sl_error *err) {
    (void)o;
    (void)err;
    c->help = v ? v : "";
    return SL_OK;
}

#define JOB (VERB_RUN | VERB_PLAN)
#define RUNS (JOB | VERB_VERIFY) /* those that open a device */
#define AT(member) offsetof(struct cli, member)

const struct option_def option_table[] = {
    {"device", 0, "auto|cpu|cuda[:N,...]", "auto", RUNS, "what computes",
     "auto takes a GPU where one works, else the CPU, and says which and why; an explicit cuda never falls "
     "back.",
     set_text, AT(job.device), false},
    {"precision", 0, "fp32|tf32|fp16|bf16|int8", "fp32", RUNS, "arithmetic of the model",
     "On a GPU tf32 rounds the factors of products, fp16 and bf16 keep all floats in halves, but for trees "
     "and "
     "linear models; sums are fp32. On the CPU "
     "bf16 keeps images and the operands of products in bfloat16 and sums in fp32; it needs a CPU with "
     "AVX-512 BF16. int8 computes in levels what a quantiser put between DequantizeLinear and "
     "QuantizeLinear; "
     "the rest stays in fp32.",
     set_text, AT(job.precision), false},
    {"batch-size", 'b', "N|auto", "auto", JOB, "rows that go through the model together",
     "In fp32 a record's score does not depend on it. auto takes what fits the caches and the memory; on a "
     "GPU it tries sizes there and takes the smallest that is as fast as any. plan says why.",
     set_batch_size, 0, false},
    {"workers", 'j', "N|auto", "auto", JOB, "threads that decode and format",
     "auto begins with the cores that cgroup and affinity allow and settles in the first seconds, by who "
     "waits "
     "for whom.",
     set_workers, 0, false},
    {"memory-limit", 0, "SIZE", "all that is free", JOB, "host memory; what needs more does not start",
     "Free is what the machine and its cgroup leave. All memory is reserved before the first record is read.",
     set_nbytes, AT(job.memory_limit), false},
    {"gpu-memory", 0, "SIZE", "all that is free", JOB, "memory of each GPU; what needs more does not start",
     "Weights, activations and the batches in flight are reserved before the first record is read.",
     set_nbytes, AT(job.gpu_memory), false},
    {"kernels", 0, "ours|cudnn|auto", "ours", RUNS, "whose kernels run on a GPU",
     "cudnn takes NVIDIA's library for the convolutions it has, where it is installed; auto measures both "
     "when "
     "the "
     "model is loaded, so two runs may choose differently and differ in their last digits.",
     set_text, AT(job.kernels), false},
    {"content-type", 0, "TYPE", "by name and content", JOB, "what the input is",
     "text/csv, text/plain (a text a line), application/jsonlines, application/json, application/x-tar, "
     "application/zip, application/x-npy, application/x-npz, application/x-tfrecord, "
     "application/x-recordio-protobuf, text/libsvm (;base=1 ;missing=nan), or application/x-image for one "
     "file a record.",
     set_text, AT(job.content_type), false},
    {"compression-type", 0, "None|Gzip|Zstd|Bzip2|Xz|Lz4", "by content", JOB, "how the input is compressed",
     "One layer, several members of it; bytes behind the last one are damage.", set_text,
     AT(job.compression_type), false},
    {"split-type", 0, "None|Line|RecordIO|TFRecord", "by content", JOB, "how the input is cut into records",
     "Line: every line end ends a record, inside quotes too.", set_text, AT(job.split_type), false},
    {"batch-strategy", 0, "MultiRecord|SingleRecord", NULL, JOB, "taken for SageMaker's sake",
     "What is scored together never changes a result here.", set_text, AT(job.batch_strategy), false},
    {"assemble-with", 0, "None|Line", NULL, JOB, "how the results of one input are put together",
     "Every result has a line of its own in any case; Line makes lines of --accept application/json too.",
     set_text, AT(job.assemble_with), false},
    {"input-filter", 0, "JSONPATH", "$", JOB, "what of a CSV row or JSON value the model gets",
     "$[1:], $.features, $['id','age'], $[0,2,-1]; at most 63 characters.", set_text, AT(job.input_filter),
     false},
    {"join-source", 0, "None|Input", "None", JOB, "puts every result beside its input",
     "CSV: the input's columns, then the result's. JSON: the member SageMakerOutput of the input. The input "
     "and "
     "--accept must be of the same kind.",
     set_text, AT(job.join_source), false},
    {"output-filter", 0, "JSONPATH", "$", JOB, "what of the result, or of the joined record, is written",
     NULL, set_text, AT(job.output_filter), false},
    {"inference-id", 0, NULL, NULL, JOB, "an id and the job's time behind every result",
     "CSV: two columns. JSON: SageMakerInferenceId and SageMakerInferenceTime. They stay what they are when "
     "the job goes on.",
     set_true, AT(job.inference_ids), false},
    {"max-join-size", 0, "SIZE", "16K", JOB, "a longer record cannot be joined and is rejected",
     "Every row of a batch has so much memory for it.", set_nbytes, AT(job.max_join_nbytes), false},
    {"job", 0, "FILE", NULL, JOB, "SageMaker's CreateTransformJob request as options and arguments",
     "MODEL, INPUT and OUTPUT may be left out then: ModelName, S3Uri and S3OutputPath stand for them. The "
     "environment and other options go before it.",
     set_text, AT(job_file), false},
    {"s3-data-type", 0, "S3Prefix|ManifestFile", "by content", JOB,
     "what INPUT is: a place, or a list of names", NULL, set_text, AT(job.s3_data_type), false},
    {"s3-root", 0, "s3://BUCKET/PREFIX=DIR", NULL, JOB, "where that part of S3 lies here; may be repeated",
     "Then INPUT, OUTPUT, MODEL and the prefix of a manifest may be such URIs.", set_s3_root, 0, false},
    {"accept", 0, "TYPE", "text/csv", JOB, "what the output is: text/csv, application/jsonlines, ...",
     "Also application/json, an array of records, and application/x-npy, the rows of the only result; a "
     "rejected row of "
     "it is NaN, of integers 0.",
     set_text, AT(job.accept), false},
    {"csv-header", 0, NULL, NULL, JOB, "the first row of every CSV input names the columns",
     "Without it, and without \"csv\": {\"header\": true} in transform.json, the first row is a record.",
     set_csv_header, 0, false},
    {"csv-delimiter", 0, "CHAR", ", or a tab in .tsv", JOB, "between fields; tab for a tab",
     "\"csv\": {\"delimiter\", \"quote\", \"comment\"} in transform.json says more of a dialect.",
     set_csv_delimiter, 0, false},
    {"dim", 0, "NAME=VALUE", NULL, JOB | VERB_INSPECT,
     "binds a symbolic dimension of the model; may be repeated", NULL, set_dim, 0, false},
    {"tolerance", 0, "X", "by dtype and precision", VERB_VERIFY,
     "how far an output may be off, relative to its largest magnitude",
     "1e-4 for float, 1e-9 for double, 2e-3 for float16, 1.6e-2 for bfloat16 outputs; 3e-2 where bf16 and "
     "1e-1 where int8 "
     "computes. Integers and text must be equal.",
     set_tolerance, 0, false},
    {"max-record-size", 0, "SIZE", "16M", JOB, "a longer record is rejected", NULL, set_nbytes,
     AT(job.max_record_nbytes), false},
    {"max-expansion", 0, "N", "200", JOB, "an input that unpacks to more than N times its size is a bomb",
     "Looked at from 10 MiB on; such an input is not published and the job ends with 65. 0 allows any.",
     set_number, AT(job.max_expansion), false},
    {"max-pixels", 0, "N", "100000000", JOB, "a larger image is rejected before it is decoded", NULL,
     set_number, AT(job.max_pixels), false},
    {"allow-truncated", 0, NULL, NULL, VERB_RUN, "publish what an input that is cut off holds",
     "Without it such an input is not published at all, and the job ends with 65. A torn last record is "
     "rejected.",
     set_true, AT(job.allow_truncated), false},
    {"max-rejects", 0, "N|P%", "5%", VERB_RUN, "more rejected records end the job",
     "Looked at from the 1,000th record on, and at the end.", set_max_rejects, 0, false},
    {"rejects-ok", 0, NULL, NULL, VERB_RUN, "finished with rejects exits with 0, not 3", NULL, set_true,
     AT(job.rejects_ok), false},
    {"limit", 'n', "N", "all", VERB_RUN, "score the first N records", "Inputs after them get empty outputs.",
     set_number, AT(job.limit), false},
    {"overwrite", 0, NULL, NULL, VERB_RUN, "begin anew, whatever OUTPUT holds", NULL, set_true,
     AT(job.overwrite), false},
    {"checkpoint", 0, "SECONDS", "5", VERB_RUN, "at most this much work is done again after a crash", NULL,
     set_checkpoint, 0, false},
    {"progress", 0, "auto|bar|plain|json|none", "auto", VERB_RUN, "how progress is shown, on stderr",
     "auto is a bar on a terminal, after a second; else a key=value line every 30 s and every 10 %.",
     set_choice, AT(progress), false},
    {"color", 0, "auto|always|never", "auto", VERB_RUN, "colours on stderr",
     "auto needs a terminal, no NO_COLOR, and a TERM other than dumb.", set_choice, AT(color), false},
    {"json", 0, NULL, NULL, RUNS | VERB_INSPECT | VERB_TRANSFORMS, "the result as JSON on stdout", NULL,
     set_true, AT(json), false},
    {"quiet", 'q', NULL, NULL, VERB_ANY, "only errors", NULL, set_quiet, 0, false},
    {"verbose", 'v', NULL, NULL, VERB_ANY, "more words", NULL, set_verbose, 0, false},
    {"help", 'h', "=TOPIC", NULL, VERB_ANY, "short help, or of TOPIC: a verb, all, exit-codes", NULL,
     set_help, 0, false},
    {"version", 'V', NULL, NULL, VERB_ANY, "with --verbose: commit, libraries, CPU features", NULL, set_true,
     AT(version), false},
    {"man", 0, NULL, NULL, VERB_ANY, "the man page", NULL, set_true, AT(man), true},
    {"completion", 0, "bash|zsh|fish", NULL, VERB_ANY, "shell completion", NULL, set_choice, AT(completion),
     true},
    {NULL, 0, NULL, NULL, 0, NULL, NULL, NULL, 0, false}};
