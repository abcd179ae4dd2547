/* Every f32 kernel, written once over a vector layer. An instruction set's file defines the layer and includes this:
 *
 *   LAYER(name)      name with the instruction set's suffix
 *   TARGET           attribute of its functions
 *   VL, NV, MR       floats of a vector; vectors of a panel; rows of a tile
 *   vf and v_*       f32 vectors; vd and d_*: the same number of doubles
 *
 * What the results are is defined by docs/numerics.md; how the loops are cut is free. No include guard: each instruction
 * set has its own. */

#include "lib/kernels/vec_math.h"

#define NR (NV * VL)

#include "lib/kernels/pack.h"
#include "lib/kernels/gemm_f32.h"
#include "lib/kernels/attention.h"
#include "lib/kernels/norm.h"
#include "lib/kernels/winograd.h"

/* ---- The table ---- */

static void LAYER(fill)(dit__kernels *table) {
  table->nr = NR;
  table->pack = LAYER(pack);
  table->pack_columns = LAYER(pack_columns);
  table->winograd_filter = LAYER(winograd_filter);
  table->winograd_input = LAYER(winograd_input);
  table->winograd_output = LAYER(winograd);
  table->pack_rows = LAYER(pack_all_rows);
  table->gemm = LAYER(product);
  table->attention = LAYER(attention);
  table->norm_modulate = LAYER(norm_modulate);
  table->silu = LAYER(silu);
  table->affine = LAYER(affine);
  table->channel_sums = LAYER(channel_sums);
  table->convert = LAYER(convert);
}
