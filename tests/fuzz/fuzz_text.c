/* fuzz_text.c: tokenizers, chosen by the first byte: 'j' the rest is a tokenizer.json, which is refused with
 * words or then tokenises a text; 'v' it is a vocab.txt; 'w', 'b', 'u' it is a text for a WordPiece, BPE or
 * Unigram tokenizer. Then a known good text must still give its ids. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode/chain_steps.h"
#include "support/mem.h"
#include "transforms/text/text_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

#define MAX_TEXT 4096
#define MAX_IDS 64

static const struct door {
    char letter;
    const char *json;
    int32_t good[6]; /* of "Ab b\u00e9 ", ended by -1 */
} doors[] = {
    {'w',
     "{\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
     "\"model\":{\"type\":"
     "\"WordPiece\",\"unk_token\":\"[U]\",\"vocab\":{\"[U]\":0,\"a\":1,\"##b\":2,\"b\":3,\"##e\":4}},\"added_"
     "tokens\":[{"
     "\"id\":9,\"content\":\"[X]\",\"lstrip\":true,\"special\":true}]}",
     {1, 2, 3, 4, -1}},
    {'b',
     "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true},\"model\":{\"type\":\"BPE\","
     "\"unk_token\":\"u\","
     "\"vocab\":{\"u\":0,\"A\":1,\"b\":2,\"Ab\":3,\"\\u0120\":4,\"\\u0120Ab\":5},\"merges\":[\"A "
     "b\",\"\\u0120 Ab\"]}}",
     {5, 4, 2, 0, 0, 4}},
    {'u',
     "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKD\"},{\"type\":\"StripAccents\"}"
     ",{\"type\":"
     "\"Lowercase\"}]},\"pre_tokenizer\":{\"type\":\"Metaspace\",\"prepend_scheme\":\"first\"},\"model\":{"
     "\"type\":\"Unigram\","
     "\"unk_id\":0,\"vocab\":[[\"u\",0],[\"a\",-1],[\"b\",-2.5],[\"\\u2581\",-1],[\"\\u2581a\",-1.5]]}}",
     {4, 2, 3, 2, 0, 3}},
};
#define DOORS (sizeof doors / sizeof *doors)

static struct text_tokenizer *tokenizers[DOORS];
static sl_host host;
static const char *file_name;
static struct sl_slice_file {
    const uint8_t *data;
    size_t nbytes;
} file;

static void need(bool ok, const char *what) {
    if (ok)
        return;
    fprintf(stderr, "fuzz_text: %s\n", what);
    abort();
}

/* The one file there is. */
static sl_status give_file(const sl_params *params, const char *path, char **bytes, size_t *nbytes,
                           sl_error *err) {
    (void)params;
    *bytes = NULL;
    if (strcmp(path, file_name) != 0)
        return host.fail(err, SL_E_NOINPUT, "no '%s'", path);
    *nbytes = file.nbytes;
    *bytes = mem_alloc(file.nbytes + 1, 1);
    need(*bytes != NULL, "out of memory");
    memcpy(*bytes, file.data, file.nbytes);
    return SL_OK;
}

static struct text_tokenizer *open_one(const char *name, const void *data, size_t nbytes, sl_error *err) {
    struct text_tokenizer *t = NULL;
    file_name = name;
    file = (struct sl_slice_file){data, nbytes};
    return text_tokenizer_open(&t, &host, NULL, NULL, err) == SL_OK ? t : NULL;
}

static size_t encode(const struct text_tokenizer *t, const char *text, size_t nbytes, int32_t *ids) {
    struct text_run run = {.t = t};
    struct text_ids out = {.ids = ids, .cap = MAX_IDS};
    void *memory = mem_alloc(text_room_nbytes(t, MAX_TEXT), 1);
    size_t bad_at;
    need(memory != NULL, "out of memory");
    text_room_lay(&run.room, t, MAX_TEXT, memory);
    bool ok = text_encode(&run, text, nbytes, &out, &bad_at);
    need(ok || bad_at == SIZE_MAX || bad_at < nbytes, "a bad byte behind the text");
    mem_free(memory);
    return ok ? out.count < MAX_IDS ? out.count : MAX_IDS : 0;
}

static void one_text(size_t door, const uint8_t *data, size_t nbytes) {
    static const char good[] = "Ab b\xc3\xa9 ";
    int32_t ids[MAX_IDS];
    if (nbytes > MAX_TEXT)
        return;
    char *copy = malloc(nbytes + 1); /* of its size, so that a read past it is seen */
    need(copy != NULL, "out of memory");
    memcpy(copy, data, nbytes);
    size_t count = encode(tokenizers[door], copy, nbytes, ids);
    for (size_t i = 0; i < count; i++)
        need(ids[i] >= 0 && ids[i] < 10, "an id that the vocabulary does not have");
    free(copy);
    count = encode(tokenizers[door], good, sizeof good - 1, ids);
    for (size_t i = 0; i < 6 && doors[door].good[i] >= 0; i++)
        need(i < count && ids[i] == doors[door].good[i], "a good text gives other ids after a bad one");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes) {
    int32_t ids[MAX_IDS];
    if (!tokenizers[0]) {
        host = chain_host;
        host.read_file = give_file;
        for (size_t i = 0; i < DOORS; i++) {
            sl_error err = {.status = SL_OK};
            tokenizers[i] = open_one("tokenizer.json", doors[i].json, strlen(doors[i].json), &err);
            need(tokenizers[i] != NULL, err.text);
        }
    }
    if (nbytes == 0)
        return 0;
    for (size_t i = 0; i < DOORS; i++)
        if ((char)data[0] == doors[i].letter)
            one_text(i, data + 1, nbytes - 1);
    if ((data[0] != 'j' && data[0] != 'v') || nbytes > 1 << 20)
        return 0;
    sl_error err = {.status = SL_OK};
    struct text_tokenizer *t =
        open_one(data[0] == 'j' ? "tokenizer.json" : "vocab.txt", data + 1, nbytes - 1, &err);
    need(t || err.text[0], "refused without words");
    if (t)
        encode(t, "a b, \xe4\xb8\xad <s> 12 caf\xc3\xa9", 21, ids);
    text_tokenizer_close(t);
    return 0;
}
