/* test_onnx_import.c: models as they should be, and everything a file can get wrong: each is refused with one
 * clear line, nothing crashes, and memory stays in proportion. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "graph/onnx_import.h"
#include "harness.h"
#include "model_rig.h"

/* A model that loads: y = Relu(x * w). */
static void small(struct model *m) {
    model_begin(m);
    model_input(m, "x", SL_FLOAT, "n,3");
    model_floats(m, "w", "3,2", (float[]){1, 2, 3, 4, 5, 6});
    model_node(m, "MatMul", "x,w", "h");
    model_node(m, "Relu", "h", "y");
    model_node_name(m, "last");
    model_output(m, "y", SL_FLOAT, "n,2");
}

static void refuses(struct model *m, const char *text) {
    sl_error err;
    struct graph *graph = model_load(m, &err);
    ck_assert_msg(graph == NULL, "was loaded, expected: %s", text);
    ck_assert_msg(err.status == SL_E_MODEL, "status %d: %s", (int)err.status, err.text);
    ck_assert_msg(strstr(err.text, text) != NULL, "got '%s', expected '%s'", err.text, text);
    model_end(m);
}

START_TEST(a_small_model_loads) {
    struct model m;
    sl_error err;
    small(&m);
    struct graph *g = model_load(&m, &err);
    ck_assert_msg(g != NULL, "%s", err.text);
    ck_assert_uint_eq(g->node_count, 2);
    ck_assert_uint_eq(g->input_count, 1);
    ck_assert_uint_eq(g->output_count, 1);
    ck_assert_uint_eq(g->parameter_count, 6);
    ck_assert_uint_eq(g->weight_nbytes, 24);
    ck_assert_int_eq(g->opset, 17);
    ck_assert_int_eq(g->ir_version, 8);
    ck_assert_str_eq(g->producer, "model_rig");
    const struct graph_value *x = &g->values[g->inputs[0]];
    ck_assert_int_eq(x->tensor.dims[0], -1);
    ck_assert_str_eq(x->dim_names[0], "n");
    ck_assert_int_eq(x->tensor.dims[1], 3);
    ck_assert_str_eq(g->nodes[0].name, "h"); /* without a name it goes by its output */
    ck_assert_str_eq(g->nodes[1].name, "last");
    graph_close(g);
    model_end(&m);
}
END_TEST

/* Aligned weights are the file's own bytes; others are copied to where they are aligned. */
START_TEST(weights_are_in_place_or_aligned) {
    for (int pad = 0; pad < 8; pad++) {
        struct model m;
        sl_error err;
        char producer[16] = "ppppppppppp";
        small(&m);
        producer[pad] = 0;
        wire_put_text(&m.head, 3, producer); /* moves everything behind it */
        struct graph *g = model_load(&m, &err);
        ck_assert_msg(g != NULL, "%s", err.text);
        for (size_t i = 0; i < g->value_count; i++) {
            if (!g->values[i].constant)
                continue;
            const float *data = g->values[i].tensor.data;
            const char *file = g->file;
            bool inside = (const char *)data >= file && (const char *)data < file + g->file_nbytes;
            ck_assert_uint_eq((uintptr_t)data % sizeof(float), 0);
            ck_assert(data[0] == 1 && data[5] == 6);
            const char *raw = memmem(file, g->file_nbytes, data, 24);
            ck_assert_int_eq(inside, (uintptr_t)raw % sizeof(float) == 0);
        }
        graph_close(g);
        model_end(&m);
    }
}
END_TEST

/* Many bytes are copied at the end, by several threads. */
START_TEST(large_weights_are_copied_too) {
    enum { TENSORS = 9, COUNT = 40000 };
    static float data[TENSORS][COUNT];
    struct model m;
    sl_error err;
    small(&m);
    for (int i = 0; i < TENSORS; i++) {
        char name[16] = "wwwwwwwwwwwww";
        name[i + 2] = 0; /* each begins at another distance from the file's begin */
        for (int k = 0; k < COUNT; k++)
            data[i][k] = (float)(i * COUNT + k);
        model_floats(&m, name, "40000", data[i]);
    }
    struct graph *g = model_load(&m, &err);
    ck_assert_msg(g != NULL, "%s", err.text);
    int seen = 0, copied = 0;
    for (size_t i = 0; i < g->value_count; i++) {
        const struct graph_value *v = &g->values[i];
        if (!v->constant || v->tensor.dims[0] != COUNT)
            continue;
        bool inside = (const char *)v->tensor.data >= (const char *)g->file &&
                      (const char *)v->tensor.data < (const char *)g->file + g->file_nbytes;
        ck_assert_mem_eq(v->tensor.data, data[strlen(v->name) - 2], sizeof data[0]);
        seen++;
        copied += !inside;
    }
    ck_assert_int_eq(seen, TENSORS);
    ck_assert_int_ge(copied, 2);
    graph_close(g);
    model_end(&m);
}
END_TEST

START_TEST(typed_lists_are_read) {
    struct model m;
    struct buf tensor;
    sl_error err;
    small(&m);
    static const struct {
        sl_dtype dtype;
        unsigned field;
    } lists[] = {{SL_INT64, 7}, {SL_INT32, 5}, {SL_UINT8, 5}, {SL_UINT64, 11}, {SL_BOOL, 5}, {SL_FLOAT16, 5}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (int packed = 0; packed < 2; packed++) {
            char name[32];
            buf_init(&tensor);
            snprintf(name, sizeof name, "c%zu_%d", i, packed);
            wire_put_int(&tensor, 1, 3);
            wire_put_int(&tensor, 2, lists[i].dtype);
            wire_put_text(&tensor, 8, name);
            if (packed)
                wire_put_bytes(&tensor, lists[i].field, "\x01\x00\x01", 3);
            for (int k = 0; !packed && k < 3; k++)
                wire_put_int(&tensor, lists[i].field, k != 1);
            wire_put_bytes(&m.graph, 5, tensor.data, tensor.size);
            buf_clear(&tensor);
        }
    struct graph *g = model_load(&m, &err);
    ck_assert_msg(g != NULL, "%s", err.text);
    size_t seen = 0;
    for (size_t i = 0; i < g->value_count; i++) {
        const struct graph_value *v = &g->values[i];
        if (v->name[0] != 'c')
            continue;
        unsigned nbytes = sl_dtype_nbits(v->tensor.dtype) / 8;
        const unsigned char *bytes = v->tensor.data;
        ck_assert(bytes[0] == 1 && bytes[nbytes] == 0 && bytes[2 * nbytes] == 1);
        seen++;
    }
    ck_assert_uint_eq(seen, 12);
    graph_close(g);
    model_end(&m);
}
END_TEST

static struct model with_tensor(uint64_t dim0, uint64_t dim1, sl_dtype dtype, size_t nbytes) {
    struct model m;
    struct buf tensor;
    static char zeros[4096];
    small(&m);
    buf_init(&tensor);
    wire_put_int(&tensor, 1, dim0);
    wire_put_int(&tensor, 1, dim1);
    wire_put_int(&tensor, 2, dtype);
    wire_put_text(&tensor, 8, "extra");
    wire_put_bytes(&tensor, 9, zeros, nbytes);
    wire_put_bytes(&m.graph, 5, tensor.data, tensor.size);
    buf_clear(&tensor);
    return m;
}

START_TEST(wrong_weights_are_refused) {
    struct model m = with_tensor(2, 3, SL_FLOAT, 12);
    refuses(&m, "tensor 'extra' holds 12 bytes, its shape needs 24");
    m = with_tensor(2, 3, SL_FLOAT, 25);
    refuses(&m, "tensor 'extra' holds 25 bytes, its shape needs 24");
    m = with_tensor((uint64_t)1 << 62, 8, SL_FLOAT, 12);
    refuses(&m, "tensor 'extra' has an impossible shape");
    m = with_tensor((uint64_t)1 << 40, (uint64_t)1 << 22, SL_FLOAT, 12);
    refuses(&m, "tensor 'extra' has an impossible shape");
    m = with_tensor(UINT64_MAX, 3, SL_FLOAT, 12);
    refuses(&m, "tensor 'extra' has an impossible shape");
    m = with_tensor(1000000, 1000000, SL_FLOAT, 12);
    refuses(&m, "tensor 'extra' holds 12 bytes, its shape needs 4000000000000");
    m = with_tensor(1, 1, (sl_dtype)99, 4);
    refuses(&m, "tensor 'extra' has an unknown dtype");
    m = with_tensor(1, 1, SL_STRING, 16);
    refuses(&m, "tensor 'extra' holds text as raw bytes");
}
END_TEST

START_TEST(an_empty_tensor_is_fine) {
    struct model m = with_tensor(0, (uint64_t)1 << 40, SL_FLOAT, 0);
    sl_error err;
    struct graph *g = model_load(&m, &err);
    ck_assert_msg(g != NULL, "%s", err.text);
    for (size_t i = 0; i < g->value_count; i++)
        ck_assert(!g->values[i].constant || g->values[i].tensor.data);
    graph_close(g);
    model_end(&m);
}
END_TEST

START_TEST(too_many_dims_are_refused) {
    struct model m;
    small(&m);
    model_constant(&m, "deep", SL_FLOAT, "1,1,1,1,1,1,1,1,1", "", 0);
    refuses(&m, "has more than 8 dims");
}
END_TEST

START_TEST(wrong_graphs_are_refused) {
    struct model m;
    small(&m);
    model_node(&m, "Relu", "x", "y");
    refuses(&m, "value 'y' is made twice");
    small(&m);
    model_node(&m, "Relu", "x", "x");
    refuses(&m, "value 'x' is made twice");
    small(&m);
    model_floats(&m, "w", "1", (float[]){1});
    refuses(&m, "value 'w' is made twice");
    small(&m);
    model_node(&m, "Relu", "nowhere", "z");
    refuses(&m, "node 'z' reads 'nowhere', which nothing makes");
    small(&m);
    model_output(&m, "nothing", SL_FLOAT, "n");
    refuses(&m, "output 'nothing' is made by nothing");
    small(&m);
    model_node(&m, "Add", "x,b", "a");
    model_node(&m, "Relu", "a", "b");
    refuses(&m, "the graph has a cycle through node 'a'");
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n");
    refuses(&m, "it has no outputs");
    small(&m);
    model_input(&m, "bad", SL_FLOAT, "-5");
    refuses(&m, "dim 0 is impossible");
}
END_TEST

/* Nodes in the wrong order are sorted; those that are right stay. */
START_TEST(unsorted_nodes_are_sorted) {
    struct model m;
    sl_error err;
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,3");
    model_node(&m, "Relu", "b", "y");
    model_node(&m, "Abs", "a", "b");
    model_node(&m, "Neg", "x", "a");
    model_output(&m, "y", SL_FLOAT, "n,3");
    struct graph *g = model_load(&m, &err);
    ck_assert_msg(g != NULL, "%s", err.text);
    ck_assert_str_eq(g->nodes[0].op_type, "Neg");
    ck_assert_str_eq(g->nodes[1].op_type, "Abs");
    ck_assert_str_eq(g->nodes[2].op_type, "Relu");
    graph_close(g);
    model_end(&m);
}
END_TEST

START_TEST(operators_that_are_missing_are_all_told) {
    struct model m;
    sl_error err;
    small(&m);
    model_node(&m, "Foo", "x", "f");
    model_node_name(&m, "the foo");
    model_node(&m, "Bar", "x", "b");
    model_node_domain(&m, "example.com");
    model_node(&m, "Foo", "x", "f2");
    model_node(&m, "Foo", "x", "f3");
    model_node(&m, "Foo", "x", "f4");
    model_node(&m, "Foo", "x", "f5");
    ck_assert(model_load(&m, &err) == NULL);
    ck_assert_int_eq(err.status, SL_E_MODEL);
    const char *lines = strchr(err.text, ':');
    ck_assert_ptr_nonnull(lines);
    ck_assert_str_eq(
        lines,
        ": 6 nodes cannot run here\n"
        "  cannot run operator 'Foo' (nodes 'the foo', 'f2', 'f3' and 2 more, domain 'ai.onnx', opset 17)\n"
        "  cannot run operator 'Bar' (node 'b', domain 'example.com', opset 0)");
    model_end(&m);
}
END_TEST

START_TEST(a_thousand_missing_operators_fit_in_a_message) {
    struct model m;
    sl_error err;
    char op[64], out[16];
    small(&m);
    for (int i = 0; i < 1000; i++) {
        snprintf(op, sizeof op, "Operator%048d", i);
        snprintf(out, sizeof out, "o%d", i);
        model_node(&m, op, "x", out);
    }
    ck_assert(model_load(&m, &err) == NULL);
    ck_assert_ptr_nonnull(strstr(err.text, "1000 nodes cannot run here"));
    ck_assert_ptr_nonnull(strstr(err.text, "and 988 more nodes with other operators"));
    model_end(&m);
}
END_TEST

START_TEST(wrong_nodes_are_refused) {
    struct model m;
    small(&m);
    model_node(&m, "Relu", "x", "r");
    model_attr_int(&m, "speed", 1);
    refuses(&m, "unknown attribute 'speed' of operator 'Relu' (node 'r')");
    small(&m);
    model_node(&m, "Relu", "x,w", "r");
    refuses(&m, "operator 'Relu' has 2 inputs (node 'r')");
    small(&m);
    model_node(&m, "Add", "x,", "r");
    refuses(&m, "operator 'Add' lacks input 1 (node 'r')");
    small(&m);
    model_node(&m, "Relu", "x", "r,s");
    refuses(&m, "operator 'Relu' has 2 outputs (node 'r')");
}
END_TEST

START_TEST(opsets_are_checked) {
    struct model m;
    small(&m);
    model_opset(&m, "", ONNX_OPSET + 1);
    refuses(&m, "it needs opset 29 of domain 'ai.onnx', the newest known here is 28");
    small(&m);
    model_opset(&m, "", 17);
    model_opset(&m, "ai.onnx.ml", 6);
    refuses(&m, "it needs opset 6 of domain 'ai.onnx.ml', the newest known here is 5");
    small(&m);
    model_opset(&m, "", 0);
    refuses(&m, "opset of domain '' is damaged");
}
END_TEST

static void file_refused(const void *data, size_t nbytes, const char *text) {
    struct graph *graph;
    sl_error err = {0};
    const char *path = model_write(data, nbytes);
    ck_assert_int_eq(graph_load(&graph, path, &err), SL_E_MODEL);
    ck_assert_msg(strstr(err.text, text) != NULL, "got '%s', expected '%s'", err.text, text);
    remove(path);
}

START_TEST(other_files_are_named) {
    static const char lfs[] = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n";
    file_refused(lfs, sizeof lfs - 1, "is a Git-LFS pointer, not the model: run 'git lfs pull'");
    file_refused("", 0, "the file is empty");
    file_refused("PK\3\4xxxx", 8, "looks like a zip archive");
    file_refused("\x89HDF\r\n\x1a\nxx", 10, "looks like an HDF5 file");
    file_refused("\x80\4\x95", 3, "looks like a Python pickle");
    file_refused("GGUFxxxx", 8, "looks like a GGUF file");
    file_refused("\x40\0\0\0\0\0\0\0{\"a\":1}", 15, "looks like a safetensors file");
    file_refused("\x1f\x8b\x08xxxx", 7, "looks like a gzip file");
    file_refused("{\"a\": 1}", 8, "looks like a JSON file");
    file_refused("hello, model\n", 13, "looks like text");
    file_refused("\x08\x08\xff\xff\xff", 5, "it is damaged or not an ONNX model");
    file_refused("\0\0\0\0\0\0", 6, "it is damaged or not an ONNX model");
    file_refused("\x08\x08", 2, "it is damaged or not an ONNX model");
}
END_TEST

START_TEST(paths_are_checked) {
    struct graph *graph;
    sl_error err = {0};
    ck_assert_int_eq(graph_load(&graph, "/no/such/model.onnx", &err), SL_E_NOINPUT);
    ck_assert_int_eq(graph_load(&graph, "/tmp", &err), SL_E_MODEL);
    ck_assert_ptr_nonnull(strstr(err.text, "it is a directory"));
}
END_TEST

/* A good model cut anywhere, and with any one byte changed, is loaded or refused, never anything else. */
START_TEST(damaged_models_never_crash) {
    struct model m;
    struct buf bytes;
    struct graph *graph;
    small(&m);
    model_bytes(&m, &bytes);
    for (size_t n = 0; n < bytes.size; n++) {
        sl_error err = {0};
        const char *path = model_write(bytes.data, n);
        sl_status st = graph_load(&graph, path, &err);
        ck_assert_msg(st == SL_E_MODEL && *err.text, "cut at %zu: status %d", n, (int)st);
    }
    for (size_t n = 0; n < bytes.size; n++)
        for (int bit = 0; bit < 8; bit++) {
            sl_error err = {0};
            bytes.data[n] = (char)(bytes.data[n] ^ (1 << bit));
            const char *path = model_write(bytes.data, bytes.size);
            sl_status st = graph_load(&graph, path, &err);
            ck_assert(st == SL_OK || (st == SL_E_MODEL && *err.text));
            if (st == SL_OK)
                graph_close(graph);
            bytes.data[n] = (char)(bytes.data[n] ^ (1 << bit));
        }
    remove(model_write("", 0));
    buf_clear(&bytes);
    model_end(&m);
}
END_TEST

/* Graphs in graphs: only so many are read. */
START_TEST(deep_nesting_is_harmless) {
    struct model m;
    struct buf inner, outer, attr, node;
    sl_error err;
    buf_init(&inner);
    for (int depth = 0; depth < 3000; depth++) {
        buf_init(&attr);
        buf_init(&node);
        buf_init(&outer);
        wire_put_text(&attr, 1, "then_branch");
        wire_put_bytes(&attr, 6, inner.data ? inner.data : "", inner.size);
        wire_put_text(&node, 4, "If");
        wire_put_bytes(&node, 5, attr.data, attr.size);
        wire_put_bytes(&outer, 1, node.data, node.size);
        buf_clear(&inner);
        buf_clear(&attr);
        buf_clear(&node);
        inner = outer;
    }
    small(&m);
    buf_append(&m.graph, inner.data, inner.size);
    ck_assert(model_load(&m, &err) == NULL);
    ck_assert_ptr_nonnull(strstr(err.text, "its graphs are nested deeper than 24"));
    buf_clear(&inner);
    model_end(&m);
}
END_TEST

/* A file of empty nodes: 2 bytes each in the file. */
START_TEST(too_many_nodes_are_refused) {
    struct model m;
    small(&m);
    model_node(&m, "Relu", "x", "r");
    struct buf bytes;
    model_bytes(&m, &bytes);
    buf_clear(&bytes);
    for (unsigned i = 0; i < ONNX_MAX_NODES; i++)
        wire_put_bytes(&m.graph, 1, "", 0);
    refuses(&m, "nodes, at most 100000 are read");
}
END_TEST

START_TEST(memory_is_in_proportion_to_the_file) {
    struct model m;
    struct graph *graph = NULL;
    sl_error err;
    char out[16];
    small(&m);
    for (int i = 0; i < 20000; i++) {
        snprintf(out, sizeof out, "v%d", i);
        model_node(&m, "Relu", "x", out);
    }
    graph = model_load(&m, &err);
    ck_assert_msg(graph != NULL, "%s", err.text);
    ck_assert_uint_lt(graph->arena.used_nbytes, 40 * graph->file_nbytes);
    graph_close(graph);
    model_end(&m);
}
END_TEST

START_TEST(old_initializers_are_inputs_too) {
    struct model m;
    sl_error err;
    small(&m);
    model_input(&m, "w", SL_FLOAT, "3,2");
    struct graph *g = model_load(&m, &err);
    ck_assert_msg(g != NULL, "%s", err.text);
    ck_assert_uint_eq(g->input_count, 1);
    graph_close(g);
    model_end(&m);
}
END_TEST

START_TEST(constants_are_no_nodes) {
    struct model m;
    sl_error err;
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,3");
    model_node(&m, "Constant", "", "k");
    model_attr_floats(&m, "value_floats", 3, (float[]){1, 2, 3});
    model_node(&m, "Constant", "", "unused");
    model_attr_int(&m, "value_int", 7);
    model_node(&m, "Add", "x,k", "y");
    model_output(&m, "y", SL_FLOAT, "n,3");
    struct graph *g = model_load(&m, &err);
    ck_assert_msg(g != NULL, "%s", err.text);
    ck_assert_uint_eq(g->node_count, 1);
    ck_assert_uint_eq(g->parameter_count, 4);
    graph_close(g);
    model_end(&m);
}
END_TEST

/* External data. */
static char dir[64];

static void put_file(const char *name, size_t nbytes) {
    char path[160];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    for (size_t i = 0; i < nbytes; i++)
        fputc((int)(i % 4 == 2 ? 0x80 : i % 4 == 3 ? 0x3f : 0), f); /* 1.0f again and again */
    fclose(f);
}

static sl_status load_external(const char *location, const char *offset, const char *length, const char *key,
                               sl_error *err) {
    struct model m;
    struct buf tensor, entry, bytes;
    struct graph *graph;
    char path[128];
    static const char *const keys[] = {"location", "offset", "length"};
    const char *values[] = {location, offset, length};
    small(&m);
    buf_init(&tensor);
    wire_put_int(&tensor, 1, 4);
    wire_put_int(&tensor, 2, SL_FLOAT);
    wire_put_text(&tensor, 8, "big");
    wire_put_int(&tensor, 14, 1);
    for (int i = 0; i < 4; i++) {
        const char *name = i < 3 ? keys[i] : key, *value = i < 3 ? values[i] : "1";
        if (!name || !value)
            continue;
        buf_init(&entry);
        wire_put_text(&entry, 1, name);
        wire_put_text(&entry, 2, value);
        wire_put_bytes(&tensor, 13, entry.data, entry.size);
        buf_clear(&entry);
    }
    wire_put_bytes(&m.graph, 5, tensor.data, tensor.size);
    buf_clear(&tensor);
    model_bytes(&m, &bytes);
    snprintf(path, sizeof path, "%s/model.onnx", dir);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    fwrite(bytes.data, 1, bytes.size, f);
    fclose(f);
    *err = (sl_error){0};
    sl_status st = graph_load(&graph, path, err);
    for (size_t i = 0; st == SL_OK && i < graph->value_count; i++)
        if (!strcmp(graph->values[i].name, "big"))
            for (int k = 0; k < 4; k++)
                ck_assert(((const float *)graph->values[i].tensor.data)[k] == 1);
    if (st == SL_OK)
        graph_close(graph);
    buf_clear(&bytes);
    model_end(&m);
    return st;
}

START_TEST(external_data_is_opened_safely) {
    sl_error err;
    char path[160], other[160];
    snprintf(dir, sizeof dir, "/tmp/sluice-external-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    put_file("weights", 64);
    snprintf(path, sizeof path, "%s/sub", dir);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    put_file("sub/weights", 64);
    put_file("linked", 64);
    snprintf(path, sizeof path, "%s/linked", dir);
    snprintf(other, sizeof other, "%s/second", dir);
    ck_assert_int_eq(link(path, other), 0);
    snprintf(other, sizeof other, "%s/symbolic", dir);
    ck_assert_int_eq(symlink("weights", other), 0);
    snprintf(other, sizeof other, "%s/elsewhere", dir);
    ck_assert_int_eq(symlink("sub", other), 0);
    snprintf(other, sizeof other, "%s/pipe", dir);
    ck_assert_int_eq(mkfifo(other, 0600), 0);
    ck_assert_msg(load_external("weights", NULL, NULL, NULL, &err) == SL_OK, "%s", err.text);
    ck_assert_msg(load_external("sub/weights", "16", "16", "checksum", &err) == SL_OK, "%s", err.text);
    ck_assert_msg(load_external("weights", "48", "16", NULL, &err) == SL_OK, "%s", err.text);
    static const struct {
        const char *location, *offset, *length, *key, *text;
    } wrong[] = {
        {"weights", "52", "16", NULL, "has 64 bytes, bytes 52 to 68 are wanted"},
        {"weights", "18446744073709551608", "16", NULL, "has 64 bytes"},
        {"weights", "-16", "16", NULL, "has the key 'offset' with value '-16'"},
        {"weights", NULL, "12", NULL, "has 12 bytes of external data, its shape needs 16"},
        {"weights", NULL, NULL, "setattr", "has the key 'setattr'"},
        {"/etc/passwd", NULL, NULL, NULL, "is not a plain path below"},
        {"../weights", NULL, NULL, NULL, "is not a plain path below"},
        {"sub/../../weights", NULL, NULL, NULL, "is not a plain path below"},
        {"sub//weights", NULL, NULL, NULL, "is not a plain path below"},
        {"", NULL, NULL, NULL, "is not a plain path below"},
        {"symbolic", NULL, NULL, NULL, "is reached through a link"},
        {"elsewhere/weights", NULL, NULL, NULL, "is reached through a link"},
        {"linked", NULL, NULL, NULL, "has 2 names, expected 1"},
        {"pipe", NULL, NULL, NULL, "is not a regular file"},
        {"sub", NULL, NULL, NULL, "is not a regular file"},
        {"missing", NULL, NULL, NULL, "cannot open external data 'missing'"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        sl_status st = load_external(wrong[i].location, wrong[i].offset, wrong[i].length, wrong[i].key, &err);
        ck_assert_msg(st == SL_E_MODEL, "'%s': %s", wrong[i].location, err.text);
        ck_assert_msg(strstr(err.text, wrong[i].text) != NULL, "got '%s', expected '%s'", err.text,
                      wrong[i].text);
    }
    snprintf(path, sizeof path, "rm -r %s", dir);
    ck_assert_int_eq(system(path), 0);
}
END_TEST

START_TEST(inspect_says_what_it_is) {
    struct model m;
    sl_error err;
    struct buf out;
    buf_init(&out);
    small(&m);
    struct graph *g = model_load(&m, &err);
    ck_assert_msg(g != NULL, "%s", err.text);
    graph_print(g, &out);
    ck_assert_ptr_nonnull(strstr(out.data, "IR 8, opset 17, ai.onnx.ml 3, by model_rig\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "inputs\n  x     float [n, 3]\noutputs\n  y     float [n, 2]\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "operators, 2 nodes\n"));
    ck_assert_ptr_nonnull(strstr(out.data, "parameters\n  6 (24 B)\n"));
    buf_reset(&out);
    graph_print_json(g, &out);
    ck_assert_ptr_nonnull(strstr(out.data, "\"inputs\": [{\"name\": \"x\", \"dtype\": \"float\", \"shape\": "
                                           "[\"n\", 3]}]"));
    graph_close(g);
    model_end(&m);
    buf_clear(&out);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("onnx_import");
    TCase *t = tcase_create("import");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_small_model_loads);
    tcase_add_test(t, weights_are_in_place_or_aligned);
    tcase_add_test(t, large_weights_are_copied_too);
    tcase_add_test(t, typed_lists_are_read);
    tcase_add_test(t, wrong_weights_are_refused);
    tcase_add_test(t, an_empty_tensor_is_fine);
    tcase_add_test(t, too_many_dims_are_refused);
    tcase_add_test(t, wrong_graphs_are_refused);
    tcase_add_test(t, unsorted_nodes_are_sorted);
    tcase_add_test(t, operators_that_are_missing_are_all_told);
    tcase_add_test(t, a_thousand_missing_operators_fit_in_a_message);
    tcase_add_test(t, wrong_nodes_are_refused);
    tcase_add_test(t, opsets_are_checked);
    tcase_add_test(t, other_files_are_named);
    tcase_add_test(t, paths_are_checked);
    tcase_add_test(t, damaged_models_never_crash);
    tcase_add_test(t, deep_nesting_is_harmless);
    tcase_add_test(t, too_many_nodes_are_refused);
    tcase_add_test(t, memory_is_in_proportion_to_the_file);
    tcase_add_test(t, old_initializers_are_inputs_too);
    tcase_add_test(t, constants_are_no_nodes);
    tcase_add_test(t, external_data_is_opened_safely);
    tcase_add_test(t, inspect_says_what_it_is);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
