/* file_kind.c: what people give instead of an ONNX model, recognised by its first bytes. */
#include <string.h>

#include "graph/onnx_import.h"
#include "support/text.h"

static const struct {
    size_t offset;
    const char *magic;
    size_t nbytes;
    const char *kind;
} kinds[] = {
    {0, "PK\3\4", 4, "a zip archive (a PyTorch, Keras or NumPy file?)"},
    {0, "\x89HDF\r\n\x1a\n", 8, "an HDF5 file (a Keras model?)"},
    {0, "\x80\2", 2, "a Python pickle (a PyTorch or scikit-learn model?)"},
    {0, "\x80\3", 2, "a Python pickle (a scikit-learn model?)"},
    {0, "\x80\4", 2, "a Python pickle (a scikit-learn model?)"},
    {0, "\x80\5", 2, "a Python pickle (a scikit-learn model?)"},
    {0, "GGUF", 4, "a GGUF file (a llama.cpp model)"},
    {4, "TFL3", 4, "a TensorFlow Lite model"},
    {4, "ORTM", 4, "a model in ONNX Runtime's own format"},
    {8, "{\"", 2, "a safetensors file (weights without a graph)"},
    {0, "\x1f\x8b", 2, "a gzip file (a model.tar.gz to unpack?)"},
    {0, "\x28\xb5\x2f\xfd", 4, "a zstd file"},
    {0,
     "\x7f"
     "ELF",
     4, "a program or shared library"},
    {0, "\x93NUMPY", 6, "a NumPy array"},
    {257, "ustar", 5, "a tar archive (a model.tar to unpack?)"},
    {0, "tree\n", 5, "a LightGBM text model"},
    {0, "<!DOCTYPE", 9, "a web page (a failed download?)"},
    {0, "<html", 5, "a web page (a failed download?)"},
    {0, "binf", 4, "an XGBoost model"},
};

/* Nothing but printable text in the first bytes. A model starts with its IR version: the bytes 8 and a small
 * number, which are no text. */
static bool is_text(const char *data, size_t nbytes) {
    for (size_t i = 0; i < nbytes; i++) {
        unsigned char c = (unsigned char)data[i];
        if (c == 127 || (c < 32 && c != '\n' && c != '\r' && c != '\t'))
            return false;
    }
    return true;
}

const char *file_kind(const void *data, size_t nbytes, bool *lfs) {
    static const char pointer[] = "version https://git-lfs.github.com/spec/";
    const char *text = data;
    *lfs = nbytes >= sizeof pointer - 1 && !memcmp(text, pointer, sizeof pointer - 1);
    if (*lfs)
        return "a Git-LFS pointer";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (nbytes >= kinds[i].offset + kinds[i].nbytes &&
            !memcmp(text + kinds[i].offset, kinds[i].magic, kinds[i].nbytes))
            return kinds[i].kind;
    if (!is_text(text, nbytes < 512 ? nbytes : 512))
        return NULL;
    return *text == '{' ? "a JSON file" : "text";
}
