/* inspect_print.c: what `inspect` says of a model, for people and as JSON. */
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"
#include "support/json.h"
#include "support/mem.h"
#include "support/text.h"

/* "float [N, 3, 224, 224]" */
static void put_type(struct buf *out, const struct graph_value *value) {
    if (!value->has_shape) {
        buf_puts(out, sl_dtype_name(value->tensor.dtype));
        return;
    }
    buf_printf(out, "%s [", sl_dtype_name(value->tensor.dtype));
    for (int i = 0; i < value->tensor.rank; i++) {
        buf_puts(out, i ? ", " : "");
        if (value->tensor.dims[i] >= 0)
            buf_printf(out, "%lld", (long long)value->tensor.dims[i]);
        else
            buf_puts(out, value->dim_names[i] ? text_quote(value->dim_names[i]) : "?");
    }
    buf_putc(out, ']');
}

static int name_width(const struct graph *g) {
    size_t width = 4;
    for (size_t i = 0; i < g->input_count + g->output_count; i++) {
        uint32_t v = i < g->input_count ? g->inputs[i] : g->outputs[i - g->input_count];
        size_t nbytes = strlen(text_quote(g->values[v].name));
        width = nbytes > width ? nbytes : width;
    }
    return width > 40 ? 40 : (int)width;
}

static void put_ports(struct buf *out, const struct graph *g, const char *title, const uint32_t *ports,
                      size_t count) {
    int width = name_width(g);
    buf_printf(out, "%s\n", title);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "  %-*s  ", width, text_quote(g->values[ports[i]].name));
        put_type(out, &g->values[ports[i]]);
        buf_putc(out, '\n');
    }
}

/* Operators with their counts, by name. */
struct tally {
    const char *domain, *name;
    size_t count;
};

static int compare_tallies(const void *a, const void *b) {
    const struct tally *x = a, *y = b;
    int order = strcmp(x->domain, y->domain);
    return order ? order : strcmp(x->name, y->name);
}

size_t graph_node_total(const struct graph *g) {
    size_t total = 0;
    for (; g; g = g->next)
        total += g->node_count;
    return total;
}

/* NULL when out of memory; free with mem_free. */
static struct tally *count_operators(const struct graph *g, size_t *count) {
    size_t total = graph_node_total(g), at = 0;
    struct tally *tallies = mem_alloc(total + 1, sizeof *tallies);
    *count = 0;
    if (!tallies)
        return NULL;
    for (const struct graph *each = g; each; each = each->next)
        for (size_t i = 0; i < each->node_count; i++)
            tallies[at++] = (struct tally){each->nodes[i].domain, each->nodes[i].op_type, 1};
    qsort(tallies, total, sizeof *tallies, compare_tallies);
    for (size_t i = 0; i < total; i++) {
        if (*count && !compare_tallies(&tallies[*count - 1], &tallies[i]))
            tallies[*count - 1].count++;
        else
            tallies[(*count)++] = tallies[i];
    }
    return tallies;
}

void graph_print(const struct graph *g, struct buf *out) {
    char count[32], size[32];
    size_t kinds;
    buf_printf(out, "model '%s': IR %lld, opset %lld", text_quote(g->path), (long long)g->ir_version,
               (long long)g->opset);
    if (g->opset_ml)
        buf_printf(out, ", ai.onnx.ml %lld", (long long)g->opset_ml);
    if (*g->producer)
        buf_printf(out, ", by %s%s%s", text_quote(g->producer), *g->producer_version ? " " : "",
                   text_quote(g->producer_version));
    buf_putc(out, '\n');
    put_ports(out, g, "inputs", g->inputs, g->input_count);
    put_ports(out, g, "outputs", g->outputs, g->output_count);
    size_t total = graph_node_total(g);
    buf_printf(out, "operators, %zu nodes", total);
    if (total > g->node_count)
        buf_printf(out, ", %zu of them inside others", total - g->node_count);
    buf_putc(out, '\n');
    struct tally *tallies = count_operators(g, &kinds);
    for (size_t i = 0; tallies && i < kinds; i++)
        buf_printf(out, "  %-28s %6zu%s%s\n", text_quote(tallies[i].name), tallies[i].count,
                   *tallies[i].domain ? "  " : "", text_quote(tallies[i].domain));
    mem_free(tallies);
    buf_printf(out, "parameters\n  %s (%s)\n", text_count(count, sizeof count, g->parameter_count),
               text_nbytes(size, sizeof size, g->weight_nbytes));
}

static void put_string(struct buf *out, const char *key, const char *text) {
    json_put_key(out, key);
    json_put_string(out, text, strlen(text));
}

static void put_json_ports(struct buf *out, const struct graph *g, const char *key, const uint32_t *ports,
                           size_t count) {
    json_put_key(out, key);
    buf_putc(out, '[');
    for (size_t i = 0; i < count; i++) {
        const struct graph_value *value = &g->values[ports[i]];
        buf_puts(out, i ? ", {" : "{");
        put_string(out, "name", value->name);
        buf_puts(out, ", ");
        put_string(out, "dtype", sl_dtype_name(value->tensor.dtype));
        if (value->has_shape) {
            buf_puts(out, ", ");
            json_put_key(out, "shape");
            buf_putc(out, '[');
            for (int d = 0; d < value->tensor.rank; d++) {
                buf_puts(out, d ? ", " : "");
                if (value->tensor.dims[d] >= 0)
                    buf_printf(out, "%lld", (long long)value->tensor.dims[d]);
                else if (value->dim_names[d])
                    json_put_string(out, value->dim_names[d], strlen(value->dim_names[d]));
                else
                    buf_puts(out, "null");
            }
            buf_putc(out, ']');
        }
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

static void put_number(struct buf *out, const char *key, uint64_t x) {
    buf_puts(out, ", ");
    json_put_key(out, key);
    json_put_u64(out, x);
}

void graph_print_json(const struct graph *g, struct buf *out) {
    size_t kinds;
    buf_putc(out, '{');
    put_string(out, "model", g->path);
    put_number(out, "ir_version", (uint64_t)g->ir_version);
    put_number(out, "opset", (uint64_t)g->opset);
    put_number(out, "opset_ml", (uint64_t)g->opset_ml);
    buf_puts(out, ", ");
    put_string(out, "producer", g->producer);
    buf_puts(out, ", ");
    put_string(out, "producer_version", g->producer_version);
    buf_puts(out, ", ");
    put_json_ports(out, g, "inputs", g->inputs, g->input_count);
    buf_puts(out, ", ");
    put_json_ports(out, g, "outputs", g->outputs, g->output_count);
    buf_puts(out, ", ");
    json_put_key(out, "operators");
    buf_putc(out, '[');
    struct tally *tallies = count_operators(g, &kinds);
    for (size_t i = 0; tallies && i < kinds; i++) {
        buf_puts(out, i ? ", {" : "{");
        put_string(out, "name", tallies[i].name);
        buf_puts(out, ", ");
        put_string(out, "domain", *tallies[i].domain ? tallies[i].domain : "ai.onnx");
        put_number(out, "count", tallies[i].count);
        buf_putc(out, '}');
    }
    mem_free(tallies);
    buf_putc(out, ']');
    put_number(out, "nodes", graph_node_total(g));
    put_number(out, "parameters", g->parameter_count);
    put_number(out, "weight_nbytes", g->weight_nbytes);
}
