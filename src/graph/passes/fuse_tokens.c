/* fuse_tokens.c: Tokenizer, Flatten and TfIdfVectorizer, as skl2onnx writes every text vectorizer, become
 * sluice.TokenCounts: the row of cells between them has room for the longest text there may be, and filling
 * it costs more than the text itself. */
#include <string.h>

#include "graph/passes/match.h"
#include "graph/passes/passes.h"
#include "ops/rules.h"

static bool rewrite(struct match *m, struct work_node *node) {
    const sl_tensor *cells = match_tensor(m, node->in[0]);
    const struct work_node *flatten = match_single(m, node->in[0], "Flatten");
    const struct work_node *tokenizer = match_single(m, flatten ? flatten->in[0] : node->in[0], NULL);
    if (!tokenizer || strcmp(tokenizer->op->domain, "com.microsoft") != 0 ||
        strcmp(tokenizer->op->name, "Tokenizer") != 0)
        return false;
    uint32_t texts = tokenizer->in[0];
    const sl_tensor *tokens = match_tensor(m, tokenizer->out[0]);
    if (cells->rank != 2 || cells->dims[0] != rule_count(match_tensor(m, texts)) ||
        cells->dims[1] != tokens->dims[tokens->rank - 1] || tokenizer->attr_count > 15)
        return false;
    struct attr more[16];
    size_t count = tokenizer->attr_count;
    if (count)
        memcpy(more, tokenizer->attrs, count * sizeof *more);
    more[count++] = match_int("room", cells->dims[1]);
    return match_set_attrs(m, node, node, more, count) &&
           match_rewrite(m, node, "sluice", "TokenCounts", 1, &texts, 1);
}

sl_status pass_fuse_tokens(struct work *w, sl_error *err) {
    struct match m;
    if (match_open(&m, w, err))
        for (size_t i = w->node_count; i-- > 0 && m.status == SL_OK;)
            if (match_is(&w->nodes[i], "TfIdfVectorizer"))
                rewrite(&m, &w->nodes[i]);
    return match_close(&m);
}
