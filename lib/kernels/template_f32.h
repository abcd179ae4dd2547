/* The f32 kernels of an instruction set, all of them; see template.h. */

#include "lib/kernels/pack.h"
#include "lib/kernels/gemm_f32.h"
#include "lib/kernels/attention.h"
#include "lib/kernels/norm.h"
#include "lib/kernels/winograd.h"

/* Fills all entries of the table except those of low precision. */
static void FN(fill_f32)(dit__kernels *table) {
  table->nr = NR;
  table->pack = FN(pack_weights);
  table->pack_columns = FN(pack_columns);
  table->pack_rows = FN(pack_rows);
  table->gemm = FN(gemm_f32);
  table->attention = FN(attention);
  table->norm = FN(norm);
  table->rotate = FN(rotate);
  table->silu = FN(silu);
  table->affine = FN(affine);
  table->channel_sums = FN(channel_sums);
  table->convert = FN(convert);
  table->winograd_filter = FN(winograd_filter);
  table->winograd_input = FN(winograd_input);
  table->winograd_output = FN(winograd_output);
}
