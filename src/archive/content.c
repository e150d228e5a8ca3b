/* content.c: signatures of what people also keep in input directories. */
#include "archive/content.h"

#include <string.h>

struct signature {
    const char *magic;
    unsigned char nbytes, at;
    const char *what;
};

static const char *find(const struct signature *table, const unsigned char *head, size_t nbytes) {
    for (; table->magic; table++)
        if (nbytes >= (size_t)table->at + table->nbytes &&
            !memcmp(head + table->at, table->magic, table->nbytes))
            return table->what;
    return NULL;
}

/* Every one holds a byte that text does not, or a word that no row of numbers begins with. */
static const struct signature refused[] = {
    {"\x1f\x8b\x08", 3, 0, "compressed twice with gzip: unpack it once"},
    {"\x28\xb5\x2f\xfd", 4, 0, "compressed twice, with zstd inside: unpack it once"},
    {"\xfd"
     "7zXZ",
     5, 0, "compressed twice, with xz inside: unpack it once"},
    {"BZh91AY&SY", 10, 0, "compressed twice, with bzip2 inside: unpack it once"},
    {"\x04\x22\x4d\x18", 4, 0, "compressed twice, with lz4 inside: unpack it once"},
    {"LZIP\x01", 5, 0, "compressed with lzip: unpack it, or use gzip or zstd"},
    {"\x1f\x9d", 2, 0, "compressed with compress: unpack it, or use gzip or zstd"},
    {"PK\x03\x04", 4, 0, "a zip archive"},
    {"PK\x05\x06", 4, 0, "an empty zip archive"},
    {"7z\xbc\xaf\x27\x1c", 6, 0, "a 7z archive: unpack it, or use tar"},
    {"Rar!\x1a\x07", 6, 0, "a RAR archive: unpack it, or use tar"},
    {"PAR1\x15", 5, 0, "a Parquet file: write it as CSV or JSON Lines first"},
    {"ARROW1\0\0", 8, 0, "an Arrow file: write it as CSV or JSON Lines first"},
    {"ORC\x0a\x0b", 5, 0, "an ORC file: write it as CSV or JSON Lines first"},
    {"Obj\x01", 4, 0, "an Avro file: write it as CSV or JSON Lines first"},
    {"\x93NUMPY", 6, 0, "a NumPy array"},
    {"\x89HDF\r\n\x1a\n", 8, 0, "an HDF5 file: write it as CSV or JSON Lines first"},
    {"\x0a\x23\xd7\xce", 4, 0, "a RecordIO file"},
    {"\x80\x04\x95", 3, 0, "a Python pickle, which is never read"},
    {"SQLite format 3", 16, 0, "an SQLite database"},
    {"\x7f"
     "ELF",
     4, 0, "a program"},
    {"%PDF-", 5, 0, "a PDF"},
    {"\xff\xfe", 2, 0, "UTF-16 text: write it as UTF-8 first"},
    {"\xfe\xff", 2, 0, "UTF-16 text: write it as UTF-8 first"},
    {"version https://git-lfs.github.com/spec/", 40, 0,
     "a Git LFS pointer, not the data itself: fetch it with 'git lfs pull'"},
    {"<!DOCTYPE", 9, 0, "an HTML or XML page, perhaps the error of a download"},
    {"<!doctype", 9, 0, "an HTML page, perhaps the error of a download"},
    {"<html", 5, 0, "an HTML page, perhaps the error of a download"},
    {"<?xml", 5, 0, "XML, perhaps the error of a download"},
    {NULL, 0, 0, NULL},
};

static const struct signature images[] = {
    {"\xff\xd8\xff", 3, 0, "a JPEG image"},
    {"\x89PNG\r\n\x1a\n", 8, 0, "a PNG image"},
    {"GIF87a", 6, 0, "a GIF image"},
    {"GIF89a", 6, 0, "a GIF image"},
    {"WEBPVP8", 7, 8, "a WebP image"},
    {"II*\0", 4, 0, "a TIFF image"},
    {"MM\0*", 4, 0, "a TIFF image"},
    {"ftypavif", 8, 4, "an AVIF image"},
    {"ftypheic", 8, 4, "a HEIC image"},
    {"\0\0\x01\0", 4, 0, "an icon"},
    {NULL, 0, 0, NULL},
};

/* ModelProto begins with ir_version (field 1, varint) and goes on with a known field. */
static bool is_onnx(const unsigned char *head, size_t nbytes) {
    return nbytes >= 16 && head[0] == 0x08 && head[1] >= 3 && head[1] < 16 &&
           (head[2] == 0x12 || head[2] == 0x1a || head[2] == 0x3a || head[2] == 0x42);
}

const char *content_image(const unsigned char *head, size_t nbytes) {
    return find(images, head, nbytes);
}

const char *content_refused(const unsigned char *head, size_t nbytes) {
    const char *what = find(refused, head, nbytes);
    if (!what && is_onnx(head, nbytes))
        what = "an ONNX model, not data";
    if (!what)
        what = content_image(head, nbytes);
    if (!what && nbytes >= 262 && !memcmp(head + 257, "ustar", 5) && memchr(head, 0, 257))
        what = "a tar archive";
    return what;
}

bool content_is_text(const unsigned char *head, size_t nbytes) {
    for (size_t i = 0; i < nbytes; i++)
        if (head[i] < 0x20 ? head[i] != '\t' && head[i] != '\n' && head[i] != '\r' : head[i] == 0x7f)
            return false;
    return true;
}
