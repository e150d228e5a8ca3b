/* Planted: kernels begin before the batch is copied in. */
#define PLANTED "s->copied"
#include "planted.h"
