/* test_text_tokenize.c: the tokenizers against the ids that Hugging Face's library gave
 * (tests/golden/text/make.py), rows and parts, what is refused, and what a damaged file or text does. */
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/chain_rig.h"

static const char *const cases[] = {
    "bert-uncased", "bert-cased", "words-nfkd", "roberta",         "clip",
    "llama3",       "unigram",    "wordlevel",  "wordlevel-parts", "wordlevel-patterns"};
#define CASES (sizeof cases / sizeof *cases)

static const char *golden(void) {
    static char path[4096];
    const char *tests = getenv("SLUICE_TESTS_DIR");
    snprintf(path, sizeof path, "%s/golden/text", tests ? tests : "tests");
    return path;
}

static struct chain_options in_dir(const char *dir) {
    struct chain_options options = rig_options();
    options.model_dir = dir;
    return options;
}

static sl_spec json_spec(void) {
    return chain_source_spec(SL_RECORD_JSON, NULL, 0, RIG_MAX_RECORD);
}

static char *read_line(FILE *f, char *line, size_t cap) {
    char *text = fgets(line, (int)cap, f);
    if (text)
        text[strcspn(text, "\n")] = 0;
    return text;
}

/* Row `part` as text, where the mask is on (or all of it). */
static void row_text(const struct rig *rig, size_t part, size_t length, bool all, char *text, size_t cap) {
    const int32_t *rows = rig->out.tensor.data;
    size_t n = 0;
    text[0] = 0;
    for (size_t i = 0; i < length && n + 16 < cap; i++)
        if (all || rows[length + i])
            n += (size_t)snprintf(text + n, cap - n, n ? " %d" : "%d", rows[part * length + i]);
}

START_TEST(ids_are_the_library_s) {
    static char line[1 << 16], want[1 << 16], have[1 << 16], types[1 << 16], last[1 << 16], both[1 << 17];
    char dir[8192], path[8300];
    snprintf(dir, sizeof dir, "%s/%s", golden(), cases[_i]);
    struct chain_options options = in_dir(dir);
    struct rig rig;
    snprintf(path, sizeof path, "%s/sample.txt", golden());
    FILE *sample = fopen(path, "r");
    snprintf(path, sizeof path, "%s/ids.txt", dir);
    FILE *ids = fopen(path, "r");
    ck_assert(sample && ids);
    RIG_OK(rig_open_with(&rig, "[{\"text.tokenize\": {\"max_length\": 128}}]", json_spec(), NULL, &options));
    size_t lines = 0;
    for (; read_line(sample, line, sizeof line); lines++) {
        ck_assert(read_line(ids, want, sizeof want));
        RIG_OK(rig_line(&rig, SL_KIND_JSON, line));
        row_text(&rig, 0, 128, false, have, sizeof have);
        ck_assert_msg(strcmp(have, want) == 0, "%s, text %zu %s: got %s, want %s", cases[_i], lines, line,
                      have, want);
    }
    ck_assert_uint_gt(lines, 300);
    rig_close(&rig);
    /* Pairs, cut to 40 and filled up on the left. */
    RIG_OK(
        rig_open_with(&rig,
                      "[{\"text.tokenize\": {\"max_length\": 40, \"padding_side\": \"left\", \"pad_id\": 1, "
                      "\"pad_type_id\": 0}}]",
                      json_spec(), NULL, &options));
    rewind(sample);
    ck_assert(read_line(sample, last, sizeof last));
    for (lines = 0; read_line(sample, line, sizeof line); lines++) {
        ck_assert(read_line(ids, want, sizeof want));
        snprintf(both, sizeof both, "[%s, %s]", line, last);
        RIG_OK(rig_line(&rig, SL_KIND_JSON, both));
        row_text(&rig, 0, 40, true, have, sizeof have);
        row_text(&rig, 2, 40, true, types, sizeof types);
        snprintf(both, sizeof both, "%s | %s", have, types);
        ck_assert_msg(strcmp(both, want) == 0, "%s, pair %zu %s: got %s, want %s", cases[_i], lines, line,
                      both, want);
        memcpy(last, line, sizeof last);
    }
    ck_assert_uint_gt(lines, 300);
    ck_assert_ptr_null(read_line(ids, want, sizeof want));
    rig_close(&rig);
    fclose(sample);
    fclose(ids);
}
END_TEST

/* Three inputs, one tokenisation: the later chains take over the first one's steps, and write the same. */
START_TEST(chains_share_what_they_begin_with) {
    static const char *const names[] = {"input_ids", "attention_mask", "token_type_ids"};
    char dir[8192];
    snprintf(dir, sizeof dir, "%s/bert-uncased", golden());
    struct chain_options options = in_dir(dir);
    struct chain *chains[3] = {NULL};
    struct worker_ctx *ctx = NULL;
    sl_error err = {.status = SL_OK};
    json_t *steps = json_loads("[{\"columns\": [\"a\", \"b\"]}, \"text.wordpiece\"]", 0, NULL);
    sl_spec in = json_spec(), target = {.kind = SL_KIND_TENSOR, .dtype = SL_INT64, .rank = 1, .dims = {12}};
    options.siblings = chains;
    for (size_t i = 0; i < 3; i++) {
        options.sibling_count = i;
        ck_assert_msg(chain_open(&chains[i], steps, &in, &target, names[i], &options, &err) == SL_OK, "%s",
                      err.text);
        ck_assert_uint_eq(chains[i]->shared_count, i ? 2 : 0);
        ck_assert_ptr_eq(chains[i]->steps[1].state, chains[0]->steps[1].state);
    }
    ck_assert_uint_lt(chain_nbytes(chains[1]) + chain_nbytes(chains[2]), 4096);
    ck_assert_int_eq(worker_ctx_open(&ctx, chains, 3, &options, &err), SL_OK);
    for (int round = 0; round < 2; round++) {
        sl_value value =
            rig_text(SL_KIND_JSON, round ? "{\"b\": \"c\", \"a\": \"a, b\"}" : "{\"a\":\"x\",\"b\":\"\"}");
        int64_t rows[3][12], tokens = 0;
        for (size_t i = 0; i < 3; i++) {
            struct chain_reject why;
            sl_value out = {.tensor.data = rows[i]};
            ck_assert_int_eq(chain_apply(ctx, i, &value, &out, &why), SL_OK);
        }
        for (int i = 0; i < 12; i++)
            tokens += rows[1][i];
        ck_assert_int_eq(tokens, round ? 7 : 4);
        ck_assert_int_eq(rows[0][0], 2);
        ck_assert_int_eq(rows[0][tokens - 1], 3);
        ck_assert_int_eq(rows[0][tokens], 0);
        ck_assert_int_eq(rows[2][tokens - 1], 1);
        ck_assert_int_eq(rows[2][0], 0);
    }
    worker_ctx_close(ctx);
    for (size_t i = 3; i-- > 0;)
        chain_close(chains[i]);
    json_decref(steps);
}
END_TEST

/* --- files of one's own --- */

static char dir[64];

static void make_dir(void) {
    snprintf(dir, sizeof dir, "/tmp/test_text.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void put_file(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
}

static void drop_dir(void) {
    static const char *const names[] = {"tokenizer.json", "vocab.txt", "vocab.json", "merges.txt",
                                        "tokenizer_config.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

static void expect_ids(struct rig *rig, const char *json, const char *want) {
    char have[512];
    sl_status status = rig_line(rig, SL_KIND_JSON, json);
    ck_assert_msg(status == SL_OK, "%s", rig->reject.reason);
    row_text(rig, 0, 8, true, have, sizeof have);
    ck_assert_str_eq(have, want);
}

#define LENGTH_8 "[{\"text.tokenize\": {\"max_length\": 8}}]"

START_TEST(older_files) {
    struct rig rig;
    struct chain_options options = in_dir(dir);
    make_dir();
    put_file("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nab\n##c\r\n\"\n\\\nAb\n");
    RIG_OK(rig_open_with(&rig, LENGTH_8, json_spec(), NULL, &options));
    expect_ids(&rig, "\"Abc \\\" z\"", "2 4 5 6 1 3 0 0");
    expect_ids(&rig, "{\"inputs\": \"ab [SEP]\"}", "2 4 3 3 0 0 0 0");
    rig_close(&rig);
    put_file("tokenizer_config.json", "{\"do_lower_case\": false, \"padding_side\": \"left\"}");
    RIG_OK(rig_open_with(&rig, LENGTH_8, json_spec(), NULL, &options));
    expect_ids(&rig, "\"Abc\"", "0 0 0 0 2 8 5 3");
    rig_close(&rig);
    char path[128];
    snprintf(path, sizeof path, "%s/vocab.txt", dir);
    unlink(path);
    put_file("vocab.json",
             "{\"<s>\":0,\"</s>\":1,\"<pad>\":2,\"a\":3,\"b\":4,\"ab\":5,\"\\u0120\":6,\"\\u0120ab\":7}");
    put_file("merges.txt", "#version: 0.2\na b\n\xc4\xa0 ab\n");
    put_file("tokenizer_config.json", "{\"tokenizer_class\": \"RobertaTokenizer\"}");
    RIG_OK(rig_open_with(&rig, LENGTH_8, json_spec(), NULL, &options));
    expect_ids(&rig, "\"ab ab ba\"", "0 5 7 6 4 3 1 2");
    rig_close(&rig);
    drop_dir();
}
END_TEST

/* Metaspace's "first" asks where in the original text a piece begins. */
START_TEST(first_is_where_the_text_began) {
    struct rig rig;
    struct chain_options options = in_dir(dir);
    make_dir();
    put_file("tokenizer.json",
             "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"StripAccents\"},{\"type\":"
             "\"Replace\","
             "\"pattern\":{\"String\":\"xx\"},\"content\":\"b\"}]},\"pre_tokenizer\":{\"type\":\"Metaspace\","
             "\"prepend_scheme\":\"first\"},\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"u\",0]"
             ",[\"a\",-1],"
             "[\"b\",-1],[\"\\u2581\",-1]]}}");
    RIG_OK(rig_open_with(&rig, LENGTH_8, json_spec(), NULL, &options));
    expect_ids(&rig, "\"ab\"", "3 1 2 0 0 0 0 0");
    expect_ids(&rig, "\"\\u0301ab\"", "1 2 0 0 0 0 0 0"); /* as the library has it */
    expect_ids(&rig, "\"xxa\"", "2 1 0 0 0 0 0 0");
    expect_ids(&rig, "\"axx\"", "3 1 2 0 0 0 0 0");
    rig_close(&rig);
    drop_dir();
}
END_TEST

#define MODEL "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"u\",\"vocab\":{\"u\":0,\"a\":1}}"
#define BPE(merges)                                                                                          \
    "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[" merges "]}}"

START_TEST(refused_by_name) {
    static const struct {
        const char *json, *why;
    } refused[] = {
        {"{" MODEL ",\"normalizer\":{\"type\":\"Nmt\"}}",
         "cannot use the tokenizer: its normalizer 'Nmt' is not supported"},
        {"{" MODEL ",\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}}",
         "cannot use the tokenizer: its pre_tokenizer 'UnicodeScripts' is not supported"},
        {"{" MODEL ",\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a|b)*\"},\"behavior\":"
         "\"Removed\"}}",
         "cannot use the tokenizer: its pre_tokenizer Split with the regular expression '(a|b)*' is not "
         "supported"},
        {"{" MODEL ",\"post_processor\":{\"type\":\"Other\"}}",
         "cannot use the tokenizer: its post_processor 'Other' is not supported"},
        {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{}}}",
         "cannot use the tokenizer: its model has no 'vocab' of tokens and their ids"},
        {"{\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"x\",\"vocab\":{\"a\":0}}}",
         "cannot use the tokenizer: its vocabulary has no unknown token 'x'"},
        {"{\"model\":{\"type\":\"Words\",\"vocab\":{}}}",
         "cannot use the tokenizer: its model 'Words' is not supported"},
        {"{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"x\",\"vocab\":{\"a\":0}}}",
         "cannot use the tokenizer: its vocabulary has no unknown token 'x'"},
        {"{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"a\",\"vocab\":{\"a\":99999999999}}}",
         "cannot use the tokenizer: the id of token 'a' is no number of 0 to 2147483647"},
        {BPE("\"a c\""),
         "cannot use the tokenizer: merge 0 ('a c') is of tokens, or makes one, that the vocabulary does not "
         "have"},
        {BPE("\"ab\""), "cannot use the tokenizer: merge 0 is not of two tokens"},
        {"{\"a\":1", "cannot read 'tokenizer.json' as JSON: an object does not end at byte 6"},
        {"{\"a\":\"\\ud800\"}", "cannot read 'tokenizer.json' as JSON: half of a surrogate pair at byte 12"},
        {"{\"a\":\"\xff\"}", "cannot read 'tokenizer.json' as JSON: a text is not UTF-8 at byte 6"},
        {"[]", "cannot use the tokenizer: it is no JSON object"},
        {"{}", "cannot use the tokenizer: it has no 'model'"},
    };
    struct chain_options options = in_dir(dir);
    char want[512];
    make_dir();
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct rig rig;
        put_file("tokenizer.json", refused[i].json);
        snprintf(want, sizeof want, "%s (step 1, which gets a json value)", refused[i].why);
        RIG_REFUSED(rig_open_with(&rig, LENGTH_8, json_spec(), NULL, &options), want);
    }
    struct rig rig;
    static char deep[400]; /* deeper than 64 */
    memset(deep, '[', 200);
    put_file("tokenizer.json", deep);
    ck_assert_int_eq(rig_open_with(&rig, LENGTH_8, json_spec(), NULL, &options), SL_E_MODEL);
    put_file("tokenizer.json", "{" MODEL "}");
    RIG_REFUSED(rig_open_with(&rig, "[\"text.bpe\"]", json_spec(), NULL, &options),
                "cannot use transform 'text.bpe': the tokenizer's model is wordpiece (step 1, which gets a "
                "json value)");
    drop_dir();
    RIG_REFUSED(rig_open_with(&rig, "[\"text.tokenize\"]", json_spec(), NULL, &options),
                "cannot find a tokenizer: the model directory has no 'tokenizer.json', 'vocab.txt' or "
                "'vocab.json' (step 1, "
                "which gets a json value)");
}
END_TEST

/* Expressions that would mean something else to us than to Oniguruma, or can match nothing. */
START_TEST(expressions_are_known_or_refused) {
    static const struct {
        const char *regex;
        bool known;
    } expressions[] = {{"[a-c]+|x", true},
                       {"(?i:'s)|\\\\p{N}", true},
                       {"( ?\\\\p{L}+)?a", true},
                       {"a*", false},
                       {"a|", false},
                       {"(?i:ss)", false},
                       {"(?<=a)b", false},
                       {"\\\\bfoo", false},
                       {"^a", false},
                       {"[a&&b]", false},
                       {"[[:alpha:]]", false},
                       {"\\\\p{Han}", false},
                       {"(?i)a", false},
                       {"(?>a)", false},
                       {"a**", false},
                       {"[a", false},
                       {"(a", false},
                       {"a)", false},
                       {"a{3,1}", false},
                       {"(?i:é)", false},
                       {"[^", false},
                       {"\\\\", false},
                       {"[b-a]", false},
                       {"((((((((((a))))))))))", false}};
    struct chain_options options = in_dir(dir);
    char json[512];
    make_dir();
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
        struct rig rig;
        snprintf(json, sizeof json,
                 "{" MODEL ",\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"%s\"},"
                 "\"behavior\":\"Isolated\"}}",
                 expressions[i].regex);
        put_file("tokenizer.json", json);
        sl_status st = rig_open_with(&rig, LENGTH_8, json_spec(), NULL, &options);
        ck_assert_msg(st == (expressions[i].known ? SL_OK : SL_E_MODEL), "'%s'", expressions[i].regex);
        if (st == SL_OK)
            rig_close(&rig);
    }
    drop_dir();
}
END_TEST

/* Four repeats that go back into each other: the fourth power of the text's length. */
START_TEST(expression_that_takes_for_ever) {
    struct chain_options options = in_dir(dir);
    struct rig rig;
    static char text[4000];
    make_dir();
    put_file("tokenizer.json",
             "{" MODEL ",\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a*a*a*a*b\"},"
             "\"behavior\":\"Isolated\"}}");
    sl_spec file = chain_source_spec(SL_RECORD_BYTES, NULL, 0, RIG_MAX_RECORD);
    RIG_OK(rig_open_with(&rig, LENGTH_8, file, NULL, &options));
    memset(text, 'a', sizeof text - 1);
    RIG_REJECT(rig_line(&rig, SL_KIND_BYTES, text), "pattern-too-slow",
               "the tokenizer's regular expression found no way through the text in 67108864 steps");
    RIG_OK(rig_line(&rig, SL_KIND_BYTES, "aab a"));
    rig_close(&rig);
    drop_dir();
}
END_TEST

START_TEST(rejected_texts) {
    struct rig rig;
    char path[8192];
    static char text[3000];
    snprintf(path, sizeof path, "%s/roberta", golden());
    struct chain_options options = in_dir(path);
    sl_spec file = chain_source_spec(SL_RECORD_BYTES, NULL, 0, RIG_MAX_RECORD);
    RIG_OK(rig_open_with(
        &rig, "[{\"text.bpe\": {\"max_length\": 8, \"max_bytes\": 100, \"truncation\": \"none\"}}]", file,
        NULL, &options));
    RIG_REJECT(rig_line(&rig, SL_KIND_BYTES, "ab\xff"), "invalid-utf8",
               "the text is not UTF-8 at its byte 2");
    RIG_REJECT(rig_line(&rig, SL_KIND_BYTES, "\xed\xa0\x80"), "invalid-utf8",
               "the text is not UTF-8 at its byte 0");
    memset(text, 'q', 101);
    RIG_REJECT(rig_line(&rig, SL_KIND_BYTES, text), "text-too-long",
               "the text has 101 bytes, \"max_bytes\" allows 100");
    RIG_REJECT(rig_line(&rig, SL_KIND_BYTES, "q x j z q w k v b"), "text-too-long",
               "more than the 8 tokens that \"max_length\" allows, and \"truncation\" cannot cut them");
    RIG_OK(rig_line(&rig, SL_KIND_BYTES, "q"));
    rig_close(&rig);
}
END_TEST

/* Left truncation keeps the last tokens: the ends of both must agree. */
START_TEST(left_truncation) {
    struct rig rig;
    char path[8192];
    snprintf(path, sizeof path, "%s/bert-uncased", golden());
    struct chain_options options = in_dir(path);
    const char *text = "\"1 2 3 4 5 6 7 8 9\"";
    int32_t all[16];
    RIG_OK(rig_open_with(&rig, "[{\"text.tokenize\": {\"max_length\": 16}}]", json_spec(), NULL, &options));
    RIG_OK(rig_line(&rig, SL_KIND_JSON, text));
    memcpy(all, rig.out.tensor.data, sizeof all);
    rig_close(&rig);
    RIG_OK(rig_open_with(&rig, "[{\"text.tokenize\": {\"max_length\": 6, \"truncation_side\": \"left\"}}]",
                         json_spec(), NULL, &options));
    RIG_OK(rig_line(&rig, SL_KIND_JSON, text));
    const int32_t *ids = rig.out.tensor.data;
    ck_assert_int_eq(ids[0], all[0]);
    ck_assert_mem_eq(ids + 1, all + 6, 5 * sizeof *ids); /* 6 7 8 9 and the end */
    rig_close(&rig);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("text_tokenize");
    TCase *tc = tcase_create("text_tokenize");
    tcase_add_loop_test(tc, ids_are_the_library_s, 0, (int)CASES);
    tcase_add_test(tc, chains_share_what_they_begin_with);
    tcase_add_test(tc, older_files);
    tcase_add_test(tc, first_is_where_the_text_began);
    tcase_add_test(tc, refused_by_name);
    tcase_add_test(tc, expressions_are_known_or_refused);
    tcase_add_test(tc, expression_that_takes_for_ever);
    tcase_add_test(tc, rejected_texts);
    tcase_add_test(tc, left_truncation);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
