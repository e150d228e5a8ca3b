/* fuzz_onnx.c: a model's bytes through the importer, and where it loads, through planning and the references.
 * Whatever comes, the answer is a graph or an error with words; a plan's values lie inside their blocks; and
 * two runs give the same bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "graph/run_reference.h"
#include "support/buf.h"
#include "support/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

#define MAX_MODEL ((size_t)1 << 20)
#define MAX_MEMORY ((size_t)64 << 20) /* larger plans are not run */
#define MAX_ELEMENTS ((uint64_t)1 << 22)

static void require(bool holds, const char *what) {
    if (holds)
        return;
    fprintf(stderr, "fuzz_onnx: %s\n", what);
    abort();
}

static void check_values(const struct plan *plan) {
    for (size_t i = 0; i < plan->value_count; i++) {
        const struct plan_value *v = &plan->values[i];
        size_t room = v->place == PLAN_INPUT    ? plan->input_nbytes
                      : v->place == PLAN_OUTPUT ? plan->output_nbytes
                                                : plan->arena_nbytes;
        require(v->place == PLAN_CONST ? v->tensor.data != NULL
                                       : v->nbytes <= room && v->offset <= room - v->nbytes,
                "a value lies outside its block");
    }
}

/* How much work the references would have: a file of a few bytes can ask for days. */
static bool is_small(const struct plan *plan) {
    uint64_t elements = 0, inner;
    if (!plan_inner_cost(plan, &inner) || inner > MAX_ELEMENTS)
        return false;
    for (size_t i = 0; i < plan->value_count; i++)
        elements += plan->values[i].nbytes;
    return plan->input_nbytes <= MAX_MEMORY && plan->output_nbytes <= MAX_MEMORY &&
           plan->arena_nbytes <= MAX_MEMORY && plan->flops <= MAX_ELEMENTS && elements <= MAX_ELEMENTS;
}

static void run(const struct plan *plan) {
    struct reference *reference;
    sl_error err = {0};
    if (reference_open(&reference, plan, &err) != SL_OK) {
        require(*err.text != 0, "refused without a word");
        return;
    }
    char *in = mem_map(plan->input_nbytes), *out = mem_map(plan->output_nbytes),
         *again = mem_map(plan->output_nbytes);
    bool strings = false; /* an input of strings would need pointers; others may be any bytes */
    for (size_t i = 0; i < plan->input_count; i++)
        strings = strings || plan->values[plan->inputs[i].value].tensor.dtype == SL_STRING;
    for (size_t i = 0; !strings && i < plan->input_nbytes; i++)
        in[i] = (char)(i * 37 % 64);
    if (in && out && again) {
        sl_status one = reference_run(reference, in, out, &err),
                  two = reference_run(reference, in, again, &err);
        require(one == two && (one == SL_OK || *err.text), "a failure without a word, or not each time");
        require(one != SL_E_INTERNAL || strstr(err.text, "operator 'Squeeze'"), "a size is beyond its bound");
        require(!memcmp(out, again, plan->output_nbytes), "two runs differ");
    }
    mem_unmap(in, plan->input_nbytes);
    mem_unmap(out, plan->output_nbytes);
    mem_unmap(again, plan->output_nbytes);
    reference_close(reference);
}

static void plan_graph(const struct graph *graph, int64_t batch) {
    struct plan *plan;
    sl_error err = {0};
    struct buf text;
    const char *names[] = {"sequence", "height", "width"};
    const int64_t sizes[] = {3, 5, 5};
    struct plan_options options = {
        .batch = batch, .free_rows = batch == 0, .dim_names = names, .dim_values = sizes, .dim_count = 3};
    if (plan_make(&plan, graph, &options, &err) != SL_OK) {
        require(*err.text != 0, "refused without a word");
        return;
    }
    buf_init(&text);
    plan_print_steps(plan, &text);
    buf_clear(&text);
    check_values(plan);
    if (is_small(plan))
        run(plan);
    plan_close(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes) {
    char path[64];
    struct graph *graph;
    struct buf text;
    sl_error err = {0};
    int fd = nbytes > MAX_MODEL ? -1 : memfd_create("model", MFD_CLOEXEC);
    if (fd < 0)
        return 0;
    if (write(fd, data, nbytes) != (ssize_t)nbytes) {
        close(fd);
        return 0;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (graph_load(&graph, path, &err) == SL_OK) {
        require(graph->arena.used_nbytes <= 400 * (nbytes + graph->expanded_nbytes) + 65536,
                "memory is out of proportion");
        buf_init(&text);
        graph_print(graph, &text);
        graph_print_json(graph, &text);
        buf_clear(&text);
        plan_graph(graph, 0);
        plan_graph(graph, 1); /* outputs as long as the record makes them */
        plan_graph(graph, 3);
        graph_close(graph);
    } else {
        require(*err.text != 0, "refused without a word");
    }
    close(fd);
    return 0;
}
