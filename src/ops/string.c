/* string.c: StringConcat and StringSplit. Pieces of a split are parts of the input's bytes; joined texts are
 * written into the room that the call brings. */
#include <string.h>

#include "ops/broadcast.h"
#include "ops/lookup.h"
#include "ops/ops.h"
#include "ops/rules.h"

static sl_status infer_concat(const struct op_call *call, sl_error *err) {
    sl_status st = rule_dtype(call, 0, OPS_BIT(SL_STRING), err);
    if (st == SL_OK)
        st = rule_dtype(call, 1, OPS_BIT(SL_STRING), err);
    return st == SL_OK ? rule_broadcast_all(call, 0, SL_STRING, err) : st;
}

/* Broadcasting repeats every element of an input equally often. */
static size_t text_concat(const struct op_call *call, const struct op_text *in, struct op_text *out) {
    int64_t n = rule_count(call->out[0]);
    for (size_t i = 0; i < 2; i++) {
        int64_t have = rule_count(call->in[i]);
        out->longest += in[i].longest;
        out->total += have ? in[i].total * (size_t)(n / have) : 0;
    }
    return out->total;
}

static void put(char **text, sl_string part) {
    if (part.nbytes)
        memcpy(*text, part.data, part.nbytes);
    *text += part.nbytes;
}

static void run_concat(const struct op_call *call) {
    const sl_string *a = call->in[0]->data, *b = call->in[1]->data;
    sl_string *out = call->out[0]->data;
    char *text = call->text;
    struct broadcast walk;
    broadcast_begin(&walk, call->out[0], call->in, 2);
    while (broadcast_next(&walk))
        for (int64_t i = 0; i < walk.inner; i++) {
            char *start = text;
            put(&text, a[walk.base[0] + i * walk.inner_strides[0]]);
            put(&text, b[walk.base[1] + i * walk.inner_strides[1]]);
            out[walk.out_base + i] = (sl_string){start, (size_t)(text - start)};
        }
}

const struct op op_string_concat = {.domain = "",
                                    .name = "StringConcat",
                                    .since = 20,
                                    .min_in = 2,
                                    .max_in = 2,
                                    .min_out = 1,
                                    .max_out = 1,
                                    .infer = infer_concat,
                                    .run = run_concat,
                                    .text = text_concat};

/* StringSplit. How many pieces there are is up to the text: with maxsplit that is the bound, and rows are
 * filled with empty texts, as they are to the longest row of any batch; a known input is counted. */
struct splitter {
    sl_string delimiter; /* empty: runs of whitespace */
    int64_t most;        /* splits; -1: any number */
};

static struct splitter read_splitter(const struct op_call *call) {
    const struct attr *delimiter = op_attr(call, "delimiter");
    return (struct splitter){.delimiter =
                                 delimiter && delimiter->type == ATTR_STRING ? delimiter->s : (sl_string){0},
                             .most = op_attr_int(call, "maxsplit", -1)};
}

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_blanks(sl_string *rest) {
    while (rest->nbytes && is_blank(*rest->data)) {
        rest->data++;
        rest->nbytes--;
    }
}

/* Where the delimiter begins in the rest, or its end. */
static size_t find_delimiter(sl_string rest, sl_string delimiter) {
    if (delimiter.nbytes) {
        const char *hit =
            rest.nbytes ? memmem(rest.data, rest.nbytes, delimiter.data, delimiter.nbytes) : NULL;
        return hit ? (size_t)(hit - rest.data) : rest.nbytes;
    }
    size_t i = 0;
    while (i < rest.nbytes && !is_blank(rest.data[i]))
        i++;
    return i;
}

/* The pieces of one text; returns their number, writes at most `room`. */
static int64_t split(const struct splitter *s, sl_string text, sl_string *pieces, int64_t room) {
    bool blanks = !s->delimiter.nbytes;
    int64_t count = 0;
    sl_string rest = text;
    if (blanks)
        skip_blanks(&rest);
    while (rest.nbytes || (!blanks && rest.data)) {
        size_t at = s->most >= 0 && count >= s->most ? rest.nbytes : find_delimiter(rest, s->delimiter);
        bool last = at == rest.nbytes;
        sl_string piece = {rest.data, at};
        if (last && blanks) /* what is left over keeps its inner blanks, not those at its end */
            while (piece.nbytes && is_blank(piece.data[piece.nbytes - 1]))
                piece.nbytes--;
        if (count < room)
            pieces[count] = piece;
        count++;
        if (last)
            break;
        size_t used = at + (blanks ? 0 : s->delimiter.nbytes);
        rest = (sl_string){rest.data + used, rest.nbytes - used};
        if (blanks)
            skip_blanks(&rest);
    }
    return count;
}

static sl_status infer_split(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0];
    sl_status st = rule_dtype(call, 0, OPS_BIT(SL_STRING), err);
    struct splitter s = read_splitter(call);
    int64_t most = 0;
    if (st == SL_OK && x->rank == SL_MAX_RANK)
        st = error_set(err, SL_E_MODEL, "the output would have more than %d dims", SL_MAX_RANK);
    if (st != SL_OK)
        return st;
    for (int64_t i = 0; x->data && i < rule_count(x); i++) {
        int64_t count = split(&s, ((const sl_string *)x->data)[i], NULL, 0);
        most = count > most ? count : most;
    }
    if (!x->data && s.most < 0)
        return error_set(err, SL_E_MODEL,
                         "how many pieces there are depends on the records; 'maxsplit' would bound them");
    rule_set(call->out[0], SL_STRING, x->rank, x->dims);
    call->out[0]->dims[call->out[0]->rank++] = x->data ? most : s.most + 1;
    if (op_has_out(call, 1))
        rule_set(call->out[1], SL_INT64, x->rank, x->dims);
    return SL_OK;
}

static void run_split(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    struct splitter s = read_splitter(call);
    int64_t room = call->out[0]->dims[call->out[0]->rank - 1];
    sl_string *pieces = call->out[0]->data;
    for (int64_t i = 0, n = rule_count(x); i < n; i++, pieces += room) {
        sl_string text = ((const sl_string *)x->data)[i];
        int64_t count = split(&s, text.data ? text : (sl_string){"", 0}, pieces, room);
        for (int64_t k = count; k < room; k++)
            pieces[k] = (sl_string){"", 0};
        if (op_has_out(call, 1))
            ((int64_t *)call->out[1]->data)[i] = count;
    }
}

const struct op op_string_split = {.domain = "",
                                   .name = "StringSplit",
                                   .since = 20,
                                   .min_in = 1,
                                   .max_in = 1,
                                   .min_out = 1,
                                   .max_out = 2,
                                   .attrs = "delimiter maxsplit",
                                   .infer = infer_split,
                                   .run = run_split};
