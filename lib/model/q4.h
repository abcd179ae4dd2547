/* Weights of type q4: rows of codes of 4, 5, 6 or 8 bits, each of which stands for an integer of -127 to 127
 * (docs/q4.md). */
#ifndef DIT_Q4_H
#define DIT_Q4_H

#include "lib/kernels/kernels.h"

enum { DIT__Q4_CODEBOOKS = 4 }; /* 0 has uniform steps, 3 the finest steps near 0 */
enum { DIT__Q4_TABLE_SIZE = DIT__Q4_CODEBOOKS * ((1 << 8) + (1 << 10) + (1 << 12)) }; /* entries of a decode table */

/* How the rows of a q4 matrix are stored; its other members are in dit__weights. */
struct dit__q4 {
  const int8_t *row_formats;    /* [rows] */
  const uint32_t *row_offsets;  /* [rows + 1], bytes */
  const uint16_t *decode_table; /* dit__q4_decode_table */
};

/* A row's format says how many bits its codes have, and which codebook they index. */
int8_t dit__q4_row_format(int32_t bits, int32_t codebook);
int32_t dit__q4_bits(int8_t row_format); /* returns 0 for a format that does not exist */

/* Returns the sum of the bits of a code over all rows, or 0 if a row's format does not exist. */
uint64_t dit__q4_sum_bits(const int8_t *row_formats, uint64_t rows);
/* Fills row_offsets[rows + 1] for rows of k codes. All rows together must have less than 4 GB. */
void dit__q4_row_offsets(const int8_t *row_formats, uint64_t rows, uint64_t k, uint32_t *row_offsets);

/* Returns the integer that a code of 4 to 6 bits stands for. */
int32_t dit__q4_value(int32_t bits, int32_t codebook, int32_t code);

/* Fills table[DIT__Q4_TABLE_SIZE]: for every format, the two bytes that each pair of neighbouring codes stands for. */
void dit__q4_decode_table(uint16_t *table);

/* Decodes rows first..first+count-1 to `to`, [count][k]; k is a multiple of 8. */
void dit__q4_rows(const dit__weights *w, int32_t first, int32_t count, int8_t *to);

#endif
