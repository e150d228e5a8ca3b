/* npy.h: the header of NumPy's .npy format, versions 1 to 3 (NEP 1). The header is a Python literal; ours
 * reads exactly the grammar that NumPy writes, and no more: never Python objects. Any thread. */
#ifndef SUPPORT_NPY_H
#define SUPPORT_NPY_H

#include <stdbool.h>

#include "sluice/tensor.h"

#define NPY_MAX_HEADER (64u << 10) /* bytes, magic included */

struct npy_header {
    sl_dtype dtype; /* bool, an integer or a float */
    bool big_endian;
    bool fortran; /* the first index varies fastest; false where that makes no difference */
    int rank;
    int64_t dims[SL_MAX_RANK];
    size_t nbytes; /* where the elements begin */
};

bool npy_matches(const void *data, size_t nbytes);
/* Bytes of the whole header as its first 12 say (10 for version 1); 0 when that cannot be told of so few, or
 * it is no npy, with *why then set. */
size_t npy_header_nbytes(const void *data, size_t nbytes, const char **why);
/* False with *why, static text, when it is not an npy header that we read. */
bool npy_read_header(const void *data, size_t nbytes, struct npy_header *header, const char **why);

#endif
