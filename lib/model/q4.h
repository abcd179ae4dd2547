/* Weights of type q4: rows of codes of 4, 5, 6 or 8 bits, each standing for a whole number -127..127 (docs/q4.md). */
#ifndef DIT_Q4_H
#define DIT_Q4_H

#include "lib/kernels/kernels.h"

enum { DIT__Q4_CODEBOOKS = 4 }; /* of a grid: 0 is uniform, 3 the densest at 0 */
enum { DIT__Q4_TABLE_SIZE = DIT__Q4_CODEBOOKS * ((1 << 8) + (1 << 10) + (1 << 12)) }; /* entries of a table of pairs */

/* A matrix of such rows; its other facts are in dit__weights. */
struct dit__q4 {
  const int8_t *forms;    /* [rows]: what each is made of */
  const uint32_t *starts; /* [rows + 1]: its first byte */
  const uint16_t *pairs;  /* dit__q4_decode_table */
};

/* The form of a row whose codes have `width` bits on the grid of `shape`. */
int8_t dit__q4_row_format(int32_t width, int32_t shape);
int32_t dit__q4_bits(int8_t form); /* bits of a code; 0: there is no such form */

/* Bits of a number of each row, added up; 0: a row is of no known form. */
uint64_t dit__q4_sum_bits(const int8_t *forms, uint64_t rows);
/* Where rows of k numbers begin: [rows + 1]. They have at most 4 GB. */
void dit__q4_row_offsets(const int8_t *forms, uint64_t rows, uint64_t k, uint32_t *starts);

/* What a code stands for; width 4..6. */
int32_t dit__q4_value(int32_t width, int32_t shape, int32_t code);

/* The bytes of all pairs of neighbouring codes, for all forms: [DIT__Q4_TABLE_SIZE]. */
void dit__q4_decode_table(uint16_t *pairs);

/* Rows first..first+count-1 as whole numbers, one behind the other; k is a multiple of 8. */
void dit__q4_rows(const dit__weights *w, int32_t first, int32_t count, int8_t *to);

#endif
