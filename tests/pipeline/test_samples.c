/* Every sample through the whole job, its raw model outputs against those of ONNX Runtime
 * (samples/make_golden.py), within 1e-5 of the row's largest value. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "graph/graph.h"
#include "harness.h"
#include "ops/tree.h"
#include "sluice/job.h"

static char work[64];

static const char *root(void) {
    const char *tests = getenv("SLUICE_TESTS_DIR");
    return tests ? tests : "tests";
}

static void remove_work(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", work);
    ck_assert_int_eq(system(command), 0);
}

static void make_work(void) {
    strcpy(work, "/tmp/sluice-samples-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(work));
}

/* The sample's model with transform.json's "outputs" taken away: raw numbers come out. */
static void raw_model(const char *sample, const char *output, char *dir, size_t cap) {
    char path[4096], command[8192];
    snprintf(dir, cap, "%s/model-%s", work, sample);
    snprintf(command, sizeof command, "cp -r %s/../samples/%s/model %s", root(), sample, dir);
    ck_assert_int_eq(system(command), 0);
    snprintf(path, sizeof path, "%s/transform.json", dir);
    json_t *config = json_load_file(path, 0, NULL);
    ck_assert_ptr_nonnull(config);
    json_object_del(config, "outputs");
    if (output)
        json_object_set_new(config, "outputs", json_pack("[{s:s}]", "from", output));
    ck_assert_int_eq(json_dump_file(config, path, 0), 0);
    json_decref(config);
}

static void run_sample(const char *sample, const char *output_name, char *output, size_t cap) {
    char model[4096], input[4096];
    sl_job_options options;
    sl_job_result result;
    sl_error err = {0};
    raw_model(sample, output_name, model, sizeof model);
    snprintf(input, sizeof input, "%s/../samples/%s/input", root(), sample);
    snprintf(output, cap, "%s/out-%s", work, sample);
    sl_job_defaults(&options);
    options.model = model;
    options.input = input;
    options.output = output;
    ck_assert_msg(sl_job_run(&options, &result, &err) == SL_OK, "%s", err.text);
    ck_assert_uint_eq(result.rejected, 0);
    ck_assert_uint_eq(result.records, result.scored);
    ck_assert_uint_eq(result.shards_done, result.shard_count);
}

/* Numbers of a line, separated by `separator`; stops at what is none. */
static size_t numbers(char *line, char separator, double *out, size_t cap) {
    size_t n = 0;
    for (char *p = line, *end; n < cap; p = end + 1) {
        out[n] = strtod(p, &end);
        if (end == p)
            break;
        n++;
        if (*end != separator)
            break;
    }
    return n;
}

/* Compares every golden line of a sample; returns how many there were. */
static unsigned compare(const char *sample, const char *output, size_t width) {
    char path[4096], golden[8192], line[8192], shard[1024] = "";
    FILE *out = NULL;
    unsigned count = 0;
    snprintf(path, sizeof path, "%s/golden/samples/%s.txt", root(), sample);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(golden, sizeof golden, f)) {
        if (!strncmp(golden, "leaf\t", 5))
            continue;
        char *index = strchr(golden, '\t'), *values = strchr(index + 1, '\t');
        *index = 0;
        if (strcmp(shard, golden)) { /* the next shard's output, from its first line */
            snprintf(shard, sizeof shard, "%s", golden);
            if (out) {
                ck_assert_msg(!fgets(line, sizeof line, out), "more lines than records");
                fclose(out);
            }
            snprintf(path, sizeof path, "%s/%s.out", output, shard);
            out = fopen(path, "r");
            ck_assert_msg(out != NULL, "no output '%s'", path);
        }
        double want[64], got[64], most = 0;
        ck_assert_msg(fgets(line, sizeof line, out) != NULL, "fewer lines than records in '%s'", shard);
        ck_assert_uint_eq(numbers(line, ',', got, 64), width);
        ck_assert_uint_ge(numbers(values + 1, '\t', want, width), width);
        for (size_t i = 0; i < width; i++)
            most = fmax(most, fabs(want[i]));
        for (size_t i = 0; i < width; i++)
            ck_assert_msg(fabs(got[i] - want[i]) <= 1e-5 * most, "%s record %s: output %zu is %.9g, not %.9g",
                          shard, index + 1, i, got[i], want[i]);
        count++;
    }
    if (out)
        fclose(out);
    fclose(f);
    return count;
}

static const struct {
    const char *sample, *output;
    size_t width;
    unsigned records;
} cases[] = {{"01-tabular-mlp", NULL, 2, 229},
             {"02-tabular-trees", "probabilities", 2, 229},
             {"03-digits-cnn", NULL, 10, 597},
             {"04-photos-upright", NULL, 4, 72}};

START_TEST(sample_equals_the_independent_runtime) {
    char output[4096];
    run_sample(cases[_i].sample, cases[_i].output, output, sizeof output);
    ck_assert_uint_eq(compare(cases[_i].sample, output, cases[_i].width), cases[_i].records);
}
END_TEST

/* The features of row `index` of a CSV file (columns 1 to 30), as floats. */
static void read_row(const char *path, unsigned index, float row[30]) {
    char line[8192];
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    for (unsigned i = 0; i <= index; i++)
        ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
    fclose(f);
    char *p = strchr(line, ',');
    for (int i = 0; i < 30; i++)
        row[i] = strtof(p + 1, &p);
}

/* Every record ends in the leaf, tree by tree, that a walk by hand through the ONNX attributes finds. */
START_TEST(trees_reach_the_same_leaves) {
    char path[4096], line[8192], shard[1024] = "";
    sl_error err = {0};
    struct graph *graph = NULL;
    struct arena arena;
    struct tree_ensemble *trees = NULL;
    unsigned compared = 0, index = 0;
    snprintf(path, sizeof path, "%s/../samples/02-tabular-trees/model/model.onnx", root());
    ck_assert_msg(graph_load(&graph, path, &err) == SL_OK, "%s", err.text);
    const struct graph_node *node = NULL;
    for (size_t i = 0; i < graph->node_count; i++)
        if (!strcmp(graph->nodes[i].op_type, "TreeEnsembleClassifier"))
            node = &graph->nodes[i];
    ck_assert_ptr_nonnull(node);
    sl_tensor features = {.dtype = SL_FLOAT, .rank = 2, .dims = {1, 30}};
    const sl_tensor *in[] = {&features};
    struct op_call call = {
        .attrs = node->attrs, .attr_count = node->attr_count, .opset = node->opset, .in = in, .in_count = 1};
    arena_init(&arena);
    ck_assert_msg(tree_build(&call, "class", 1, &arena, &trees, &err) == SL_OK ||
                      tree_build(&call, "class", 2, &arena, &trees, &err) == SL_OK,
                  "%s", err.text);
    snprintf(path, sizeof path, "%s/golden/samples/02-tabular-trees.txt", root());
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        float row[30];
        char *p = strchr(line, '\t');
        if (strncmp(line, "leaf\t", 5)) { /* the record whose leaves the next line has */
            *p = 0;
            snprintf(shard, sizeof shard, "%s/../samples/02-tabular-trees/input/%.200s", root(), line);
            index = (unsigned)strtoul(p + 1, NULL, 10);
            continue;
        }
        read_row(shard, index, row);
        strtoul(p + 1, &p, 10);
        for (size_t t = 0; t < trees->tree_count; t++, compared++) {
            unsigned long want = strtoul(p + 1, &p, 10);
            ck_assert_uint_eq(trees->node_ids[tree_leaf(trees, t, row)], want);
        }
    }
    fclose(f);
    ck_assert_uint_eq(compared, 229 * 80);
    arena_clear(&arena);
    graph_close(graph);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("samples");
    TCase *tc = tcase_create("samples");
    tcase_set_timeout(tc, 120);
    tcase_add_unchecked_fixture(tc, make_work, remove_work);
    tcase_add_test(tc, trees_reach_the_same_leaves);
    tcase_add_loop_test(tc, sample_equals_the_independent_runtime, 0, 4);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
