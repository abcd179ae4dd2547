/* How operations are cut into units: what `tile` stores, for the kinds that need more than a number of units. */
#ifndef DIT_TILING_H
#define DIT_TILING_H

#include <stddef.h>
#include <stdint.h>

/* A GEMM is cut into chunks of rows and of columns, a unit each, and units that pack. */
typedef struct dit__gemm_tiling {
  int32_t nr;            /* columns of a panel */
  int32_t rows, columns; /* of a chunk */
  int32_t row_chunks, column_chunks;
  int32_t panels_per_take;         /* panels that a task takes from its queue, packs and multiplies; 0: no queues */
  int32_t pack_rows, pack_columns; /* 1: units of their own pack rows (of each chunk), or columns */
  size_t panel_bytes;
  size_t packed_bytes;                /* of packed rows (with queues) or columns (without) */
  size_t panels_bytes, partial_bytes; /* of what a task takes; without queues, partial_bytes of a unit */
  size_t q4_bytes;                    /* of a task's scratch for unpacked q4 rows */
} dit__gemm_tiling;

/* Bands of output rows are gathered with their border before they are multiplied, in chunks of output channels; a row
 * for which one panel is too much is cut along itself. */
typedef struct dit__conv_gemm_tiling {
  int32_t rows, bands;           /* output rows of a band */
  int32_t across, across_chunks; /* pixels of a row at a time */
  int32_t columns, column_chunks;
  int32_t in_rows, in_width; /* gathered */
  int32_t pack_units;        /* 1: the first unit packs all panels */
  size_t panel_bytes, pack_bytes, band_bytes, partial_bytes;
} dit__conv_gemm_tiling;

/* Transformed tiles and transformed filters may both be larger than what they are made of. The smaller of the two stays
 * whole, prepared in units of its own; the other is made chunk by chunk, and each chunk meets all of the first. */
typedef struct dit__winograd_tiling {
  int32_t across, tiles;             /* tiles of a row of tiles, and of the operation's rows */
  int32_t chunk, chunks;             /* tiles of a chunk */
  int32_t columns, column_chunks;    /* columns of a chunk */
  int32_t tiles_stay, prepare_units; /* 1: the tiles stay; units that prepare what stays */
  size_t panel_bytes, panels_bytes, tiles_bytes, task_bytes;
} dit__winograd_tiling;

/* Heads go in groups whose keys and values are packed together, in units of their own; a head that is too long goes in
 * chunks of queries. */
typedef struct dit__attention_tiling {
  int64_t heads, head_groups; /* heads of a group */
  int64_t pack_units;         /* of a group */
  int64_t queries, query_chunks;
  size_t keys_bytes, values_bytes, task_bytes;
} dit__attention_tiling;

#endif
