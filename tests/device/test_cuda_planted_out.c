/* Planted: the outputs are copied out before they are computed. */
#define PLANTED "s->computed"
#include "planted.h"
