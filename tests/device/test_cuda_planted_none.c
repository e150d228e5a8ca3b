/* Planted: nothing: the same test must see nothing. */
#define PLANTED ""
#include "planted.h"
