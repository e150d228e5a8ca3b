/* Planted: a batch is handed back, and its slot reused, before it has ended. */
#define PLANTED "s->ended"
#include "planted.h"
