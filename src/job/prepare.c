/* prepare.c: everything that can be known before the first byte of a record: shards, containers, chains, the
 * plan. What does not fit together is refused here, in the job's first second. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "archive/filter.h"
#include "job/job.h"
#include "support/mem.h"
#include "support/text.h"

/* Whether --content-type has such a parameter: "text/libsvm; base=1". */
static bool is_parameter(const char *content_type, const char *name, const char *value) {
    size_t n = strlen(name), m = strlen(value);
    for (const char *p = content_type ? strchr(content_type, ';') : NULL; p; p = strchr(p, ';')) {
        p += 1 + strspn(p + 1, " \t");
        if (!strncmp(p, name, n) && p[n] == '=' && !strncmp(p + n + 1, value, m) &&
            (!p[n + 1 + m] || strchr("; \t", p[n + 1 + m])))
            return true;
    }
    return false;
}

static void fill_reader_options(struct job *job) {
    const sl_job_options *o = job->options;
    job->reader_options = (struct reader_options){
        .content_type = o->content_type,
        .txt_is_text = derive_takes_text(job),
        .compression_type = o->compression_type,
        .container = {.csv_header = o->csv_header < 0 ? job->model.csv_header : o->csv_header > 0,
                      .csv_delimiter = o->csv_delimiter ? o->csv_delimiter : job->model.csv_delimiter,
                      .csv_quote = job->model.csv_quote,
                      .csv_comment = job->model.csv_comment,
                      .max_record_nbytes = (size_t)o->max_record_nbytes,
                      .max_expansion = (uint32_t)o->max_expansion,
                      .allow_truncated = o->allow_truncated}};
    job->chain_options =
        (struct chain_options){.model_dir = job->model.dir,
                               .max_pixels = o->max_pixels,
                               .csv_quote = job->model.csv_quote,
                               .csv_nonfinite = job->model.csv_nonfinite,
                               .csv_empty_is_nan = job->model.csv_empty_is_nan,
                               .libsvm_base = is_parameter(o->content_type, "base", "1"),
                               .libsvm_missing_is_nan = is_parameter(o->content_type, "missing", "nan")};
}

/* Room to unpack whole members: five times the largest shard holds what text usually packs to, and no more
 * than 64 MiB or a sixteenth of the memory go to all readers' rooms together. */
#define FILTER_ROOM_NBYTES ((uint64_t)64 << 20)
static void choose_filter_room(struct job *job) {
    uint64_t largest = 0,
             readers = job->shards.count < job->machine.cores ? job->shards.count : job->machine.cores;
    uint64_t memory = job->options->memory_limit ? job->options->memory_limit : job->machine.memory_nbytes;
    if (!job->filter_name || strcmp(job->filter_name, filter_gzip.name))
        return;
    for (size_t i = 0; i < job->shards.count; i++)
        largest = job->shards.items[i].nbytes > largest ? job->shards.items[i].nbytes : largest;
    uint64_t room = 6 * largest + (64u << 10), most = memory / 16 / (readers ? readers : 1);
    most = most < FILTER_ROOM_NBYTES ? most : FILTER_ROOM_NBYTES;
    job->reader_options.filter_room_nbytes = (size_t)(room < most ? room : most);
}

/* One job has one kind of record: the first shard says which, another kind is refused by name. */
static sl_status probe_shards(struct job *job, sl_error *err) {
    size_t first = SIZE_MAX;
    sl_status first_status = SL_OK;
    sl_error first_err = {0};
    for (size_t i = 0; i < job->shards.count; i++) {
        const struct container_ops *container;
        const char *filter;
        sl_error probe_err = {0};
        sl_status st = archive_probe(&job->shards, i, &job->reader_options, &container, &filter, &probe_err);
        if (st != SL_OK) { /* one bad shard fails alone, later; all of them bad is an error now */
            if (first_status == SL_OK)
                first_err = probe_err;
            first_status = first_status == SL_OK ? st : first_status;
            continue;
        }
        if (!job->container) {
            job->container = container;
            job->filter_name = filter;
            first = i;
        } else if (container != job->container) {
            return error_set(
                err, SL_E_DATA,
                "input mixes kinds of records: '%s' is %s, '%s' is %s; run them as two jobs, or say "
                "which with --content-type",
                text_quote(job->shards.items[first].name), job->container->name,
                text_quote(job->shards.items[i].name), container->name);
        }
        if (job->shards.count > 20000 && i > 1000)
            break; /* the readers will find the rest; opening every file twice would cost minutes */
    }
    if (!job->container) {
        if (err)
            *err = first_err;
        return first_status;
    }
    return SL_OK;
}

/* Between fields, where nobody says: a tab in a .tsv, else a comma. */
static void settle_delimiter(struct job *job) {
    char *delimiter = &job->reader_options.container.csv_delimiter;
    const char *type = job->options->content_type;
    if (!*delimiter) {
        bool tabs = type ? !strncasecmp(type, "text/tab-separated-values", 25)
                         : job->has_input && archive_is_tsv(job->shards.items[0].name);
        *delimiter = tabs ? '\t' : ',';
    }
    job->chain_options.csv_delimiter = *delimiter;
}

static sl_status open_input(struct job *job, sl_error *err) {
    sl_status st = job_open_shards(job, err);
    if (st != SL_OK)
        return st;
    job->has_input = true;
    st = probe_shards(job, err);
    settle_delimiter(job);
    if (st == SL_OK)
        choose_filter_room(job);
    if (st == SL_OK && job->reader_options.container.csv_header && job->container->kind == SL_RECORD_CSV) {
        for (size_t i = 0; st == SL_OK && !job->columns && i < job->shards.count; i++)
            if (job->shards.items[i].nbytes) /* an empty shard has no header */
                st = archive_csv_header(&job->shards, i, &job->reader_options, &job->columns,
                                        &job->column_count, err);
    }
    if (st == SL_OK)
        st = job_filter_columns(job, err);
    return st == SL_OK ? job_processing_check(job, err) : st;
}

sl_status job_input_target(const struct job *job, size_t i, sl_spec *target, sl_error *err) {
    const struct graph_value *value = &job->model.graph->values[job->model.graph->inputs[i]];
    const sl_tensor *t = &value->tensor;
    int first = job->model.unbatched ? 0 : 1; /* of the dims that are a record's */
    *target = (sl_spec){.kind = SL_KIND_TENSOR, .dtype = t->dtype, .rank = t->rank - first};
    if (!value->has_shape || t->rank < first)
        return error_set(err, SL_E_MODEL, "model input '%s' has no batch dimension%s",
                         text_quote(value->name),
                         value->has_shape ? ": say \"batch\": false in transform.json" : "");
    for (int d = first; d < t->rank; d++) {
        target->dims[d - first] = t->dims[d];
        for (size_t k = 0; value->dim_names[d] && k < job->options->dim_count; k++)
            if (t->dims[d] < 0 && !strcmp(value->dim_names[d], job->options->dim_names[k]))
                target->dims[d - first] = job->options->dim_values[k];
    }
    return SL_OK;
}

static sl_status open_chains(struct job *job, sl_error *err) {
    const struct graph *graph = job->model.graph;
    sl_record_kind kind = job->container ? job->container->kind : SL_RECORD_CSV;
    sl_status split = derive_columns(job, kind, err);
    const json_t *inputs = json_object_get(job->model.config, "inputs");
    if (split != SL_OK)
        return split;
    sl_spec source = chain_source_spec(kind, (const char *const *)job->columns, job->column_count,
                                       (size_t)job->options->max_record_nbytes);
    job->chains = mem_alloc(graph->input_count ? graph->input_count : 1, sizeof *job->chains);
    job->prologues = mem_alloc(graph->input_count ? graph->input_count : 1, sizeof *job->prologues);
    if (!job->chains || !job->prologues)
        return error_set(err, SL_E_MEMORY, "out of memory for the chains");
    struct chain_options options = job->chain_options;
    for (size_t i = 0; i < graph->input_count; i++) {
        const char *name = graph->values[graph->inputs[i]].name;
        sl_spec target;
        sl_status st = job_input_target(job, i, &target, err);
        options.siblings = job->chains;
        options.sibling_count = i;
        if (st == SL_OK)
            st = chain_open(&job->chains[i], json_object_get(inputs, name), &source, &target, name, &options,
                            err);
        if (st != SL_OK)
            return st;
        struct plan_prologue *prologue = &job->prologues[i];
        prologue->staged = *chain_spec(job->chains[i]);
        prologue->used = chain_affine(job->chains[i], &prologue->affine);
    }
    return SL_OK;
}

/* Chains give rows of the longest texts, of which a shorter plan takes the beginning. */
static sl_status shorten(const struct job *job, int64_t length, struct plan_prologue **prologues,
                         sl_error *err) {
    size_t count = job->model.graph->input_count;
    if (!length)
        return SL_OK;
    *prologues = mem_alloc(count, sizeof **prologues);
    if (!*prologues)
        return error_set(err, SL_E_MEMORY, "out of memory for the plan");
    for (size_t i = 0; i < count; i++) {
        (*prologues)[i] = job->prologues[i];
        if (i < MOST_TOKEN_INPUTS && job->tokens[i])
            (*prologues)[i].staged.dims[0] = length;
    }
    return SL_OK;
}

sl_status job_make_plan_of(struct job *job, int64_t batch, int64_t length, struct plan **plan,
                           sl_error *err) {
    struct plan_prologue *shorter = NULL;
    sl_status st = shorten(job, length, &shorter, err);
    struct plan_options options = {.batch = batch,
                                   .unbatched = job->model.unbatched,
                                   .int8 = !strcmp(job->options->precision, "int8"),
                                   .text_row_nbytes = job->model.text_nbytes,
                                   .prologues = shorter ? shorter : job->prologues,
                                   .epilogues = job->epilogues,
                                   .dim_names = job->options->dim_names,
                                   .dim_values = job->options->dim_values,
                                   .dim_count = job->options->dim_count};
    if (st == SL_OK)
        st = plan_make(plan, job->model.graph, &options, err);
    mem_free(shorter);
    return st;
}

/* What no kernel here can run, all of it at once. */
static sl_status check_support(struct job *job, sl_error *err) {
    struct buf text;
    buf_init(&text);
    for (size_t i = 0; i < job->plan->step_count; i++) {
        char why[160];
        const struct plan_step *step = &job->plan->steps[i];
        if (!job->device_ops->supports(job->devices[0], job->plan, i, why, sizeof why))
            buf_printf(&text, "\n  operator '%s' (node '%s'): %s", step->op->name, text_quote(step->name),
                       why);
    }
    sl_status st = SL_OK;
    if (text.size)
        st = error_set(err, SL_E_MODEL, "device '%s' cannot run this model:%s", job->device_ops->name,
                       text.data);
    buf_clear(&text);
    return st;
}

/* The device that was opened has to run the model: where nobody asked for it, the CPU takes its place. */
static sl_status settle_device(struct job *job, sl_error *err) {
    sl_error why = {0};
    int64_t rows = job->options->batch_size
                       ? job->options->batch_size
                       : (job->model.unbatched ? 1 : graph_fixed_batch(job->model.graph));
    job->base_nbytes = machine_rss();
    job_fit_widths(job);
    sl_status st = job_try_batch(job, rows ? rows : 1, err);
    if (st == SL_OK && check_support(job, &why) != SL_OK)
        st = job_devices_leave(job, &why, err);
    return st;
}

sl_status job_prepare(struct job *job, sl_error *err) {
    machine_read(&job->machine);
    char path[PATH_MAX];
    sl_status st = job_place(job->options, job->options->model, path, err);
    if (st == SL_OK)
        st = job_model_open(&job->model, path, err);
    if (st != SL_OK)
        return st;
    if (!job->model.graph->input_count)
        return error_set(err, SL_E_MODEL, "model '%s' has no inputs", text_quote(job->model.path));
    fill_reader_options(job);
    if ((st = job_processing_read(job, err)) != SL_OK)
        return st;
    if (job->options->input && (st = open_input(job, err)) != SL_OK)
        return st;
    settle_delimiter(job);
    job_choose_widths(job);
    if ((st = open_chains(job, err)) != SL_OK || (st = job_lower(job, err)) != SL_OK ||
        (st = job_devices_open(job, err)) != SL_OK || (st = settle_device(job, err)) != SL_OK)
        return st;
    st = job_choose_batch(job, err);
    return st == SL_OK ? job_settle_buckets(job, err) : st;
}

void job_unprepare(struct job *job) {
    if (job->formatter)
        formatter_close(job->formatter);
    if (job->plan)
        plan_close(job->plan);
    job_close_buckets(job);
    job_devices_close(job);
    for (size_t i = 0; job->chains && i < job->model.graph->input_count; i++)
        chain_close(job->chains[i]);
    mem_free(job->chains);
    mem_free(job->prologues);
    mem_free(job->epilogues);
    json_decref(job->outputs);
    if (job->columns != job->header)
        mem_free(job->columns);
    mem_free(job->header);
    if (job->has_input)
        shard_list_close(&job->shards);
    job_model_close(&job->model);
}
