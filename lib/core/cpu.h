/* Which instruction sets the processor has. */
#ifndef DIT_CPU_H
#define DIT_CPU_H

#include "dit.h"

enum { DIT__CPU_BF16 = 31 }; /* the bit of AVX-512 BF16, which is not a DIT_ISA_* of its own */

/* Returns a bit, 1 << DIT_ISA_*, for each instruction set that the processor, the operating system and the compiler all
 * support. */
uint32_t dit__cpu_isas(void);

#endif
