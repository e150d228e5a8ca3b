/* processing.c: SageMaker's words about how records are cut, filtered and joined (--split-type,
 * --input-filter,
 * ...): what they mean here, and what they cannot mean. */
#include <string.h>
#include <strings.h>

#include "job/job.h"
#include "support/mem.h"
#include "support/text.h"

/* One of the words that the service knows, in any case; or nothing said. */
static sl_status check_word(const char *what, const char *value, const char *const *words, sl_error *err) {
    if (!value)
        return SL_OK;
    for (const char *const *word = words; *word; word++)
        if (!strcasecmp(*word, value))
            return SL_OK;
    error_set(err, SL_E_USAGE,
              "value '%s' at '%s' failed to satisfy constraint: member must satisfy enum value set: [",
              text_quote(value), what);
    for (const char *const *word = words; *word; word++)
        error_append(err, "%s%s", word == words ? "" : ", ", *word);
    error_append(err, "]");
    return SL_E_USAGE;
}

static bool is(const char *value, const char *word) {
    return value && !strcasecmp(value, word);
}

sl_status job_processing_read(struct job *job, sl_error *err) {
    static const char *const splits[] = {"None", "Line", "RecordIO", "TFRecord", NULL};
    static const char *const strategies[] = {"MultiRecord", "SingleRecord", NULL};
    static const char *const assemblies[] = {"None", "Line", NULL}, *const joins[] = {"Input", "None", NULL};
    static const char *const types[] = {"ManifestFile", "S3Prefix", NULL};
    const sl_job_options *o = job->options;
    struct job_processing *p = &job->processing;
    sl_status st = check_word("SplitType", o->split_type, splits, err);
    if (st == SL_OK)
        st = check_word("BatchStrategy", o->batch_strategy, strategies, err);
    if (st == SL_OK)
        st = check_word("AssembleWith", o->assemble_with, assemblies, err);
    if (st == SL_OK)
        st = check_word("JoinSource", o->join_source, joins, err);
    if (st == SL_OK)
        st = check_word("S3DataType", o->s3_data_type, types, err);
    if (st == SL_OK)
        st = json_path_parse(&p->input, o->input_filter ? o->input_filter : "$", "InputFilter", err);
    if (st == SL_OK)
        st = json_path_parse(&p->output, o->output_filter ? o->output_filter : "$", "OutputFilter", err);
    if (st != SL_OK)
        return st;
    p->join = is(o->join_source, "Input");
    p->filters = p->input.step_count > 0;
    job->reader_options.container.split_lines = is(o->split_type, "Line");
    /* the service's splitters say what a record is; its type only what is in it */
    if (is(o->split_type, "TFRecord"))
        job->reader_options.content_type = "application/x-tfrecord";
    else if (is(o->split_type, "RecordIO") &&
             (!o->content_type || strncasecmp(o->content_type, "application/x-recordio", 22)))
        job->reader_options.content_type =
            o->content_type ? "application/x-recordio" : "application/x-recordio-protobuf";
    if (o->batch_strategy && is(o->batch_strategy, "SingleRecord") && is(o->split_type, "None"))
        return error_set(err, SL_E_USAGE,
                         "BatchStrategy SingleRecord needs a SplitType of Line, RecordIO or TFRecord");
    return SL_OK;
}

const char *job_accept(const struct job *job) {
    const sl_job_options *o = job->options;
    if (is(o->accept, "application/json") && is(o->assemble_with, "Line"))
        return "application/jsonlines"; /* a document a line */
    return o->accept;
}

static bool is_lines(const struct container_ops *c) {
    return c == &container_csv || c == &container_jsonl || c == &container_text || c == &container_libsvm;
}

static sl_status check_split(const struct job *job, sl_error *err) {
    const char *split = job->options->split_type;
    if (is(split, "Line") && !is_lines(job->container))
        return error_set(err, SL_E_USAGE, "SplitType Line needs lines, the input is %s",
                         job->container->name);
    if (is(split, "Line") && is(job->options->assemble_with, "None") && job->processing.join)
        return error_set(err, SL_E_USAGE, "JoinSource Input: SplitType and AssembleWith must be equal");
    return SL_OK;
}

sl_status job_processing_check(struct job *job, sl_error *err) {
    const struct job_processing *p = &job->processing;
    const struct container_ops *c = job->container;
    sl_status st = check_split(job, err);
    if (st != SL_OK || (!p->join && !p->filters))
        return st;
    if (c->kind != SL_RECORD_CSV && c->kind != SL_RECORD_JSON)
        return error_set(
            err, SL_E_USAGE,
            "InputFilter and JoinSource need text/csv, application/json or application/jsonlines, "
            "the input is %s",
            c->name);
    if (p->filters && c->kind == SL_RECORD_CSV && !json_path_fits_rows(&p->input))
        return error_set(err, SL_E_USAGE,
                         "bad InputFilter '%s': a text/csv row has no names, only indexes such as $[1:]",
                         text_quote(p->input.text));
    const char *accept = job_accept(job);
    const char *need = c == &container_csv    ? "text/csv"
                       : c == &container_json ? "application/json"
                                              : "application/jsonlines";
    bool same = !strcasecmp(accept ? accept : "text/csv", need) ||
                (c->kind == SL_RECORD_JSON && accept && !strncasecmp(accept, "application/json", 16));
    if (p->join && !same)
        return error_set(
            err, SL_E_USAGE,
            "JoinSource Input: ContentType and Accept must be the same: the input is %s, accept is '%s'",
            c->name, text_quote(accept ? accept : "text/csv"));
    if (p->join && c->kind == SL_RECORD_CSV &&
        (job->reader_options.container.csv_delimiter != ',' ||
         (job->reader_options.container.csv_quote && job->reader_options.container.csv_quote != '"')))
        return error_set(err, SL_E_USAGE,
                         "JoinSource Input: csv rows are joined only where ',' is between fields "
                         "and '\"' around them");
    return SL_OK;
}

sl_status job_filter_columns(struct job *job, sl_error *err) {
    uint32_t picked[4096];
    size_t count;
    job->header = job->columns;
    job->header_count = job->column_count;
    if (!job->columns || !job->processing.filters)
        return SL_OK;
    if (!json_path_pick(&job->processing.input, job->column_count, picked, 4096, &count) || !count)
        return error_set(err, SL_E_USAGE, "InputFilter '%s' takes columns that a header of %zu does not have",
                         job->processing.input.text, job->column_count);
    job->columns = mem_alloc(count, sizeof *job->columns);
    if (!job->columns)
        return error_set(err, SL_E_MEMORY, "out of memory for the columns");
    for (size_t i = 0; i < count; i++)
        job->columns[i] = job->header[picked[i]];
    job->column_count = count;
    return SL_OK;
}

bool job_keep_input(const struct job *job, const struct slot *slot, uint32_t row, const sl_record *record) {
    if (record->bytes.nbytes > job->options->max_join_nbytes)
        return false;
    memcpy(slot->text + (size_t)row * slot->text_row_nbytes, record->bytes.data, record->bytes.nbytes);
    slot->rows[row].text_nbytes = (uint32_t)record->bytes.nbytes;
    return true;
}

bool job_filter_input(const struct job *job, char *room, sl_record *record, struct json_path_miss *miss) {
    const struct container_options *c = &job->reader_options.container;
    struct buf out;
    buf_init_fixed(&out, room, (size_t)job->options->max_record_nbytes);
    bool taken = record->kind == SL_RECORD_CSV
                     ? json_path_take_row(&job->processing.input, record->bytes, c->csv_delimiter,
                                          c->csv_quote ? c->csv_quote : '"', &out, miss)
                     : json_path_take(&job->processing.input, record->bytes, &out, miss);
    record->bytes = (sl_slice){room, out.size};
    return taken;
}
