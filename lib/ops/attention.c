/* Attention: cut into units and tasks. Heads go in groups whose keys and values are packed together, in units of their
 * own; a head that is too long goes in chunks of queries. */
#include "lib/core/numerics.h"

#include <math.h>
#include <string.h>

#include "lib/ops/tiling.h"

enum { HEAD_QUERIES = 24 };     /* of a task, in multiples */
enum { HEADS_BYTES = 8 << 20 }; /* of packed keys and values, aimed at */

typedef struct head_cut {
  int64_t heads, queries, head_groups, pack_units, query_chunks; /* heads of a group, queries of a chunk */
  size_t keys_bytes, values_bytes, task_bytes;
} head_cut;

static head_cut attention_cut(const dit__engine *engine, const dit__op *op) {
  const int64_t nr = engine->kernels->nr, all = (int64_t)op->samples * op->heads;
  const double flops = 4.0 * op->tokens * op->tokens * op->dim, packing = 2.0 * FLOPS_PER_MOVE * op->tokens * op->dim;
  head_cut cut;
  cut.keys_bytes = align64((size_t)(ceil_div(op->tokens, nr) * nr * op->dim) * 4);
  cut.values_bytes = align64((size_t)(ceil_div(op->dim, nr) * nr * op->tokens) * 4);
  cut.task_bytes = align64((size_t)dit__attention_scratch(op->dim) * 4);
  int64_t most =
      min64((int64_t)(engine->unit_flops / flops), (int64_t)(HEADS_BYTES / (cut.keys_bytes + cut.values_bytes)));
  most = max64(1, min64(most, all));
  if (most > engine->threads) most = most / engine->threads * engine->threads;
  cut.heads = most;
  cut.head_groups = ceil_div(all, most);
  cut.pack_units = max64(1, (int64_t)ceil(packing * (double)most / engine->unit_flops));
  const int64_t queries = (int64_t)(engine->unit_flops / flops * op->tokens / (double)most);
  cut.query_chunks = ceil_div(op->tokens, max64(1, min64(queries, op->tokens)));
  cut.queries = ceil_div(op->tokens, cut.query_chunks);
  cut.query_chunks = ceil_div(op->tokens, cut.queries);
  return cut;
}

int64_t dit__attention_units(const dit__engine *engine, const dit__op *op) {
  const head_cut cut = attention_cut(engine, op);
  return cut.head_groups * (cut.pack_units + cut.query_chunks);
}

double dit__attention_unit_flops(const dit__engine *engine, const dit__op *op) {
  const head_cut cut = attention_cut(engine, op);
  return 4.0 * (double)cut.heads * (double)cut.queries * op->tokens * op->dim;
}

size_t dit__attention_bytes(const dit__engine *engine, const dit__op *op) {
  const head_cut cut = attention_cut(engine, op);
  return (size_t)cut.heads * (cut.keys_bytes + cut.values_bytes) + (size_t)engine->threads * cut.task_bytes;
}

typedef struct head_run {
  const dit__kernels *kernels;
  const dit__op *op;
  head_cut cut;
  uint8_t *packed, *scratch;
  int64_t head, heads, query, queries, pack_unit;
  int32_t tasks;
} head_run;

static const float *head_rows(const dit__op *op, int64_t head, int32_t part) {
  const int64_t sample = head / op->heads, at = head % op->heads;
  return op->x + sample * op->tokens * op->x_stride + ((int64_t)part * op->heads + at) * op->dim;
}

/* Task i packs keys (even) or values (odd) of a head: this unit's share of the panels. */
static void DIT_CALL head_pack_task(void *context, int32_t index) {
  const head_run *run = (const head_run *)context;
  const dit__op *op = run->op;
  const int32_t units = (int32_t)run->cut.pack_units, unit = (int32_t)run->pack_unit, nr = run->kernels->nr;
  int64_t first, count, begin, panels;
  split_range(run->heads * 2, run->tasks, index, 1, &first, &count);
  for (int64_t i = first; i < first + count; i++) {
    uint8_t *keys = run->packed + (size_t)(i / 2) * (run->cut.keys_bytes + run->cut.values_bytes);
    const float *rows = head_rows(op, run->head + i / 2, i % 2 ? 2 : 1);
    split_range(i % 2 ? op->dim : op->tokens, units, unit, nr, &begin, &panels);
    if (!panels) continue;
    if (i % 2) {
      float *to = (float *)(void *)(keys + run->cut.keys_bytes) + begin * op->tokens;
      run->kernels->pack_columns(rows + begin, op->x_stride, op->tokens, (int32_t)panels, to);
    } else {
      const dit__weights as_weights = {
          (const uint8_t *)rows, NULL, op->x_stride, DIT__F32, op->tokens, op->dim, 1, NULL};
      float *to = (float *)(void *)keys + begin * op->dim;
      run->kernels->pack(&as_weights, (int32_t)begin, (int32_t)panels, to);
    }
  }
}

static void DIT_CALL head_task(void *context, int32_t index) {
  const head_run *run = (const head_run *)context;
  const dit__op *op = run->op;
  int64_t first, count;
  split_range(run->heads * run->queries, run->tasks, index, HEAD_QUERIES, &first, &count);
  while (count > 0) {
    const int64_t head = first / run->queries, query = first % run->queries;
    const int64_t part = min64(count, run->queries - query);
    const uint8_t *keys = run->packed + (size_t)head * (run->cut.keys_bytes + run->cut.values_bytes);
    const int64_t sample = (run->head + head) / op->heads;
    dit__attention a;
    a.tokens = op->tokens;
    a.dim = op->dim;
    a.q = head_rows(op, run->head + head, 0);
    a.q_stride = op->x_stride;
    a.keys = (const float *)(const void *)keys;
    a.values = (const float *)(const void *)(keys + run->cut.keys_bytes);
    a.scale = op->factor;
    a.out = op->out + sample * op->tokens * op->out_stride + (run->head + head) % op->heads * op->dim;
    a.out_stride = op->out_stride;
    run->kernels->attention(&a, (int32_t)(run->query + query), (int32_t)part,
                            (float *)(void *)(run->scratch + (size_t)index * run->cut.task_bytes));
    first += part;
    count -= part;
  }
}

void dit__attention_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  head_run run;
  memset(&run, 0, sizeof run);
  run.kernels = engine->kernels;
  run.op = op;
  run.cut = attention_cut(engine, op);
  run.packed = engine->scratch;
  run.scratch = engine->scratch + (size_t)run.cut.heads * (run.cut.keys_bytes + run.cut.values_bytes);
  const int64_t each = run.cut.pack_units + run.cut.query_chunks, chunk = unit % each - run.cut.pack_units;
  run.head = unit / each * run.cut.heads;
  run.heads = min64(run.cut.heads, (int64_t)op->samples * op->heads - run.head);
  if (chunk < 0) {
    run.pack_unit = unit % each;
    run.tasks = task_count(engine, 2.0 * FLOPS_PER_MOVE * (double)run.heads * op->tokens * op->dim, run.heads * 2);
    dit__parallel(engine, run.tasks, head_pack_task, &run);
    return;
  }
  run.query = chunk * run.cut.queries;
  run.queries = min64(run.cut.queries, op->tokens - run.query);
  if (run.queries <= 0) return;
  const double flops = 4.0 * (double)run.heads * (double)run.queries * op->tokens * op->dim;
  run.tasks = task_count(engine, flops, ceil_div(run.heads * run.queries, HEAD_QUERIES));
  dit__parallel(engine, run.tasks, head_task, &run);
}
