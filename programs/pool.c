/* The threads of the programs. */
#define DIT_POOL_IMPLEMENTATION
#include "dit_pool.h"
