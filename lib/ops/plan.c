/* Plans, and the table of the kinds of operations. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/ops/plan.h"

const dit__op_type dit__op_types[DIT__OP_KINDS] = {
    [DIT__OP_GEMM] = {"gemm", dit__gemm_tile, dit__gemm_unit, dit__gemm_unit_size},
    [DIT__OP_QUANTIZE] = {"quantize", dit__quantize_tile, dit__quantize_unit, NULL},
    [DIT__OP_CONV_GEMM] = {"convolution", dit__conv_gemm_tile, dit__conv_gemm_unit, NULL},
    [DIT__OP_CONV_WINOGRAD] = {"winograd convolution", dit__winograd_tile, dit__winograd_unit, NULL},
    [DIT__OP_ATTENTION] = {"attention", dit__attention_tile, dit__attention_unit, NULL},
    [DIT__OP_LAYER_NORM] = {"layer norm", dit__layer_norm_tile, dit__layer_norm_unit, NULL},
    [DIT__OP_GROUP_NORM] = {"group norm", dit__group_norm_tile, dit__group_norm_unit, NULL},
    [DIT__OP_AFFINE] = {"affine", dit__affine_tile, dit__affine_unit, NULL},
    [DIT__OP_ELEMENTWISE] = {"elementwise", dit__elementwise_tile, dit__elementwise_unit, NULL},
    [DIT__OP_PATCHIFY] = {"patchify", dit__patch_tile, dit__patchify_unit, NULL},
    [DIT__OP_UNPATCHIFY] = {"unpatchify", dit__patch_tile, dit__unpatchify_unit, NULL},
    [DIT__OP_APPEND] = {"append tokens", dit__append_tile, dit__append_unit, NULL},
    [DIT__OP_HEADS] = {"norms of heads", dit__heads_tile, dit__heads_unit, NULL},
    [DIT__OP_ANGLES] = {"rotary angles", dit__angles_tile, dit__angles_unit, NULL},
    [DIT__OP_POSITIONS] = {"position embedding", dit__positions_tile, dit__positions_unit, NULL},
    [DIT__OP_TIMESTEPS] = {"timestep embedding", dit__timesteps_tile, dit__timesteps_unit, NULL},
    [DIT__OP_CONDITIONS] = {"label embedding", dit__conditions_tile, dit__conditions_unit, NULL},
    [DIT__OP_TO_PIXELS] = {"planes to pixels", dit__planes_tile, dit__to_pixels_unit, NULL},
    [DIT__OP_TO_PLANES] = {"pixels to planes", dit__planes_tile, dit__to_planes_unit, NULL},
};

const char *dit__unit_name(int32_t kind) {
  return kind == DIT__UNIT_PACKING ? "packing" : kind == DIT__UNIT_SAMPLING ? "sampling" : dit__op_types[kind].name;
}

/* ---- Making ---- */

void dit__plan_open(dit__plan *plan, const dit__engine *engine, dit__op *ops, uint8_t *workspace) {
  memset(plan, 0, sizeof *plan);
  plan->engine = engine;
  plan->ops = ops;
  dit__arena_open(&plan->workspace, workspace);
}

void dit__plan_add(dit__plan *plan, const dit__op *op) {
  dit__op added = *op;
  dit__op_types[op->kind].tile(plan->engine, &added);
  added.scratch = (uint8_t *)dit__arena_alloc(&plan->workspace, added.scratch_bytes, 1);
  dit__arena_free(&plan->workspace, added.scratch); /* of this operation alone */
  if (plan->ops) plan->ops[plan->count] = added;
  plan->count++;
  plan->units += added.units;
  plan->flops += added.useful_flops > 0 ? added.useful_flops : added.unit_flops * (double)added.units;
}

void *dit__plan_alloc(dit__plan *plan, uint64_t count, size_t size) {
  return dit__arena_alloc(&plan->workspace, count, size);
}

void dit__plan_resize(dit__plan *plan, const void *block, uint64_t count, size_t size) {
  dit__arena_resize(&plan->workspace, block, count, size);
}

void dit__plan_free(dit__plan *plan, const void *block) { dit__arena_free(&plan->workspace, block); }

/* ---- Running ---- */

dit__unit dit__plan_next(const dit__plan *plan) {
  const dit__op *op = &plan->ops[plan->at];
  const dit__op_type *type = &dit__op_types[op->kind];
  const dit__unit alike = {(int32_t)op->kind, op->unit_flops, op->useful_flops / (double)op->units};
  return type->unit ? type->unit(op, plan->unit) : alike;
}

int32_t dit__plan_step(dit__plan *plan) {
  if (plan->at >= plan->count) return 0;
  const dit__op *op = &plan->ops[plan->at];
  dit__op_types[op->kind].run(plan->engine, op, plan->unit++);
  if (plan->unit >= op->units) {
    plan->unit = 0;
    plan->at++;
  }
  return plan->at < plan->count;
}
