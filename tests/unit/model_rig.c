/* model_rig.c: a small writer of ONNX, and a way to run what it wrote. */
#include "model_rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "graph/run_reference.h"
#include "support/mem.h"
#include "support/wire.h"

void wire_put_varint(struct buf *b, uint64_t x) {
    for (; x >= 128; x >>= 7)
        buf_putc(b, (char)(x | 128));
    buf_putc(b, (char)x);
}

void wire_put_int(struct buf *b, unsigned field, uint64_t x) {
    wire_put_varint(b, field << 3);
    wire_put_varint(b, x);
}

void wire_put_bytes(struct buf *b, unsigned field, const void *data, size_t nbytes) {
    wire_put_varint(b, field << 3 | 2);
    wire_put_varint(b, nbytes);
    buf_append(b, data, nbytes);
}

void wire_put_text(struct buf *b, unsigned field, const char *text) {
    wire_put_bytes(b, field, text, strlen(text));
}

static void put_message(struct buf *b, unsigned field, struct buf *message) {
    wire_put_bytes(b, field, message->data ? message->data : "", message->size);
    buf_clear(message);
}

void model_begin(struct model *m) {
    *m = (struct model){.in_node = false};
    buf_init(&m->graph);
    buf_init(&m->node);
    buf_init(&m->head);
    wire_put_int(&m->head, 1, 8); /* ir_version */
    wire_put_text(&m->head, 2, "model_rig");
}

void model_end(struct model *m) {
    buf_clear(&m->graph);
    buf_clear(&m->node);
    buf_clear(&m->head);
}

void model_opset(struct model *m, const char *domain, int64_t version) {
    struct buf opset;
    buf_init(&opset);
    wire_put_text(&opset, 1, domain);
    wire_put_int(&opset, 2, (uint64_t)version);
    put_message(&m->head, 8, &opset);
    m->own_opsets = true;
}

/* Calls `each` for every part of a list separated by commas; an empty list has no parts. */
static void split(const char *list, void (*each)(void *ctx, const char *part), void *ctx) {
    char part[128];
    while (*list) {
        size_t n = strcspn(list, ",");
        memcpy(part, list, n);
        part[n] = 0;
        each(ctx, part);
        if (!list[n])
            break;
        list += n + 1;
        if (!*list)
            each(ctx, "");
    }
}

static void put_dim(void *ctx, const char *part) {
    struct buf dim;
    buf_init(&dim);
    if (*part == '-' || (*part >= '0' && *part <= '9'))
        wire_put_int(&dim, 1, (uint64_t)atoll(part));
    else if (*part != '?')
        wire_put_text(&dim, 2, part);
    put_message(ctx, 1, &dim);
}

static void put_value(struct model *m, unsigned field, const char *name, sl_dtype dtype, const char *dims) {
    struct buf shape, tensor, type, value;
    buf_init(&shape);
    buf_init(&tensor);
    buf_init(&type);
    buf_init(&value);
    split(dims, put_dim, &shape);
    wire_put_int(&tensor, 1, dtype);
    put_message(&tensor, 2, &shape);
    put_message(&type, 1, &tensor);
    wire_put_text(&value, 1, name);
    put_message(&value, 2, &type);
    put_message(&m->graph, field, &value);
}

void model_input(struct model *m, const char *name, sl_dtype dtype, const char *dims) {
    put_value(m, 11, name, dtype, dims);
}

void model_output(struct model *m, const char *name, sl_dtype dtype, const char *dims) {
    put_value(m, 12, name, dtype, dims);
}

static void put_size(void *ctx, const char *part) {
    wire_put_int(ctx, 1, (uint64_t)atoll(part));
}

void model_constant(struct model *m, const char *name, sl_dtype dtype, const char *dims, const void *data,
                    size_t nbytes) {
    struct buf tensor;
    buf_init(&tensor);
    split(dims, put_size, &tensor);
    wire_put_int(&tensor, 2, dtype);
    wire_put_text(&tensor, 8, name);
    wire_put_bytes(&tensor, 9, data, nbytes);
    put_message(&m->graph, 5, &tensor);
}

static void multiply(void *ctx, const char *part) {
    *(size_t *)ctx *= (size_t)atoll(part);
}

void model_floats(struct model *m, const char *name, const char *dims, const float *data) {
    size_t count = 1;
    split(dims, multiply, &count);
    model_constant(m, name, SL_FLOAT, dims, data, count * sizeof *data);
}

void model_ints(struct model *m, const char *name, const char *dims, const int64_t *data) {
    size_t count = 1;
    split(dims, multiply, &count);
    model_constant(m, name, SL_INT64, dims, data, count * sizeof *data);
}

static void finish_node(struct model *m) {
    if (m->in_node)
        put_message(&m->graph, 1, &m->node);
    m->in_node = false;
}

static void put_in(void *ctx, const char *part) {
    wire_put_text(ctx, 1, part);
}

static void put_out(void *ctx, const char *part) {
    wire_put_text(ctx, 2, part);
}

void model_node(struct model *m, const char *op, const char *inputs, const char *outputs) {
    finish_node(m);
    buf_init(&m->node);
    split(inputs, put_in, &m->node);
    split(outputs, put_out, &m->node);
    wire_put_text(&m->node, 4, op);
    m->in_node = true;
}

void model_node_name(struct model *m, const char *name) {
    wire_put_text(&m->node, 3, name);
}

void model_node_domain(struct model *m, const char *domain) {
    wire_put_text(&m->node, 7, domain);
}

static struct buf attr_begin(const char *name, enum attr_type type) {
    struct buf attr;
    buf_init(&attr);
    wire_put_text(&attr, 1, name);
    wire_put_int(&attr, 20, type);
    return attr;
}

static void put_float(struct buf *b, unsigned field, float x) {
    wire_put_varint(b, field << 3 | 5);
    buf_append(b, &x, sizeof x);
}

void model_attr_int(struct model *m, const char *name, int64_t x) {
    struct buf attr = attr_begin(name, ATTR_INT);
    wire_put_int(&attr, 3, (uint64_t)x);
    put_message(&m->node, 5, &attr);
}

void model_attr_float(struct model *m, const char *name, float x) {
    struct buf attr = attr_begin(name, ATTR_FLOAT);
    put_float(&attr, 2, x);
    put_message(&m->node, 5, &attr);
}

void model_attr_text(struct model *m, const char *name, const char *text) {
    struct buf attr = attr_begin(name, ATTR_STRING);
    wire_put_text(&attr, 4, text);
    put_message(&m->node, 5, &attr);
}

void model_attr_ints(struct model *m, const char *name, size_t count, const int64_t *x) {
    struct buf attr = attr_begin(name, ATTR_INTS), packed;
    buf_init(&packed);
    for (size_t i = 0; i < count; i++)
        wire_put_varint(&packed, (uint64_t)x[i]);
    put_message(&attr, 8, &packed);
    put_message(&m->node, 5, &attr);
}

void model_attr_floats(struct model *m, const char *name, size_t count, const float *x) {
    struct buf attr = attr_begin(name, ATTR_FLOATS);
    for (size_t i = 0; i < count; i++)
        put_float(&attr, 7, x[i]); /* not packed, as onnx's Python writes them */
    put_message(&m->node, 5, &attr);
}

static void put_string(void *ctx, const char *part) {
    wire_put_text(ctx, 9, part);
}

void model_attr_texts(struct model *m, const char *name, const char *texts) {
    struct buf attr = attr_begin(name, ATTR_STRINGS);
    split(texts, put_string, &attr);
    put_message(&m->node, 5, &attr);
}

void model_attr_graph(struct model *m, const char *name, struct model *body) {
    struct buf attr = attr_begin(name, ATTR_GRAPH);
    finish_node(body);
    wire_put_bytes(&attr, 6, body->graph.data ? body->graph.data : "", body->graph.size);
    put_message(&m->node, 5, &attr);
    model_end(body);
}

void model_attr_ref(struct model *m, const char *name, enum attr_type type, const char *ref) {
    struct buf attr = attr_begin(name, type);
    wire_put_text(&attr, 21, ref);
    put_message(&m->node, 5, &attr);
}

static void put_fn_input(void *ctx, const char *part) {
    wire_put_text(ctx, 4, part);
}

static void put_fn_output(void *ctx, const char *part) {
    wire_put_text(ctx, 5, part);
}

static void put_fn_attr(void *ctx, const char *part) {
    wire_put_text(ctx, 6, part);
}

void model_function(struct model *m, const char *domain, const char *name, const char *inputs,
                    const char *outputs, const char *attrs, const struct buf *more, struct model *body) {
    struct buf function;
    struct wire_field f;
    buf_init(&function);
    wire_put_text(&function, 1, name);
    wire_put_text(&function, 10, domain);
    split(inputs, put_fn_input, &function);
    split(outputs, put_fn_output, &function);
    split(attrs, put_fn_attr, &function);
    finish_node(body);
    struct wire w = wire_over(body->graph.data ? body->graph.data : "", body->graph.size);
    while (wire_next(&w, &f))
        if (f.number == 1)
            wire_put_bytes(&function, 7, f.data, f.nbytes);
    if (more)
        buf_append(&function, more->data, more->size);
    put_message(&m->head, 25, &function);
    model_end(body);
}

void model_bytes(struct model *m, struct buf *out) {
    finish_node(m);
    if (!m->own_opsets) {
        model_opset(m, "", 17);
        model_opset(m, "ai.onnx.ml", 3);
    }
    buf_init(out);
    buf_append(out, m->head.data, m->head.size);
    wire_put_bytes(out, 7, m->graph.data ? m->graph.data : "", m->graph.size);
}

const char *model_write(const void *data, size_t nbytes) {
    static char path[64];
    snprintf(path, sizeof path, "/tmp/sluice-model-%ld.onnx", (long)getpid());
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, nbytes, f), nbytes);
    ck_assert_int_eq(fclose(f), 0);
    return path;
}

struct graph *model_load(struct model *m, sl_error *err) {
    struct buf bytes;
    struct graph *graph = NULL;
    *err = (sl_error){0};
    model_bytes(m, &bytes);
    const char *path = model_write(bytes.data, bytes.size);
    if (graph_load(&graph, path, err) != SL_OK)
        graph = NULL;
    remove(path);
    buf_clear(&bytes);
    return graph;
}

void rig_run(const struct plan *plan, const void *const *inputs, void **outputs) {
    struct reference *reference;
    sl_error err = {0};
    char *in = mem_map(plan->input_nbytes), *out = mem_map(plan->output_nbytes);
    ck_assert(in && out);
    ck_assert_msg(reference_open(&reference, plan, &err) == SL_OK, "%s", err.text);
    for (size_t i = 0; i < plan->input_count; i++) {
        const struct plan_value *value = &plan->values[plan->inputs[i].value];
        memcpy(in + value->offset, inputs[i], value->nbytes);
    }
    ck_assert_msg(reference_run(reference, in, out, &err) == SL_OK, "%s", err.text);
    for (size_t i = 0; i < plan->output_count; i++) {
        const struct plan_value *value = &plan->values[plan->outputs[i].value];
        outputs[i] = mem_alloc(1, value->nbytes);
        memcpy(outputs[i], out + value->offset, value->nbytes);
    }
    reference_close(reference);
    mem_unmap(in, plan->input_nbytes);
    mem_unmap(out, plan->output_nbytes);
}

float *rig_run_model(struct model *m, int64_t batch, const float *input) {
    sl_error err;
    struct plan *plan;
    struct plan_options options = {.batch = batch};
    struct graph *graph = model_load(m, &err);
    ck_assert_msg(graph != NULL, "%s", err.text);
    ck_assert_msg(plan_make(&plan, graph, &options, &err) == SL_OK, "%s", err.text);
    void *outputs[8];
    rig_run(plan, (const void *[]){input}, outputs);
    for (size_t i = 1; i < plan->output_count; i++)
        mem_free(outputs[i]);
    plan_close(plan);
    graph_close(graph);
    return outputs[0];
}
