/* Plans: lists of operations that networks make and jobs run, unit by unit. */
#ifndef DIT_PLAN_H
#define DIT_PLAN_H

#include "lib/core/arena.h"
#include "lib/ops/op.h"

/* Made by a network: dit__plan_open, then dit__plan_alloc, dit__plan_add and dit__plan_free. Without room for operations
 * it is only measured: `count` says how many operations it needs, and workspace.peak how many bytes. */
typedef struct dit__plan {
  const dit__engine *engine;
  dit__op *ops; /* NULL: measuring */
  int32_t count;
  int32_t at;           /* the operation under way, */
  int64_t unit;         /* and its next unit */
  int64_t units;        /* of all operations, */
  double flops;         /* and about how much work they are */
  dit__arena workspace; /* while the plan is made */
} dit__plan;

/* ops has room for all operations, or is NULL. workspace: where buffers lie; dit__nowhere while measuring. */
void dit__plan_open(dit__plan *plan, const dit__engine *engine, dit__op *ops, uint8_t *workspace);

/* Tiles an operation (kind and arguments are set) and adds it. What it points to must live until the plan has run. */
void dit__plan_add(dit__plan *plan, const dit__op *op);

/* Buffers in the workspace. One that is freed may be used by operations that were added before, not by later ones. */
void *dit__plan_alloc(dit__plan *plan, uint64_t count, size_t size);
void dit__plan_resize(dit__plan *plan, const void *block, uint64_t count, size_t size); /* see dit__arena_resize */
void dit__plan_free(dit__plan *plan, const void *block);

dit__unit dit__plan_next(const dit__plan *plan); /* what the next unit is */
int32_t dit__plan_step(dit__plan *plan);         /* runs it, and returns 1 while there are more */

/* The name of a kind of unit, 0..DIT__UNIT_KINDS-1. */
const char *dit__unit_name(int32_t kind);

#endif
