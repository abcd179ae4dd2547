/* Attention: how it is cut into units and tasks. Heads go in groups whose keys and values are packed together, in units
 * of their own; a head that is too long for a unit goes in chunks of queries. */
#include "lib/core/numerics.h"

#include <math.h>
#include <string.h>

#include "lib/ops/op.h"

enum { TASK_QUERIES = 24 };     /* tasks have multiples of so many queries */
enum { GROUP_BYTES = 8 << 20 }; /* of packed keys and values of a group, aimed at */

/* ---- Tiling ---- */

/* Flops of packing a head's keys and values, and of one of its queries. */
static double head_pack_flops(const dit__attention_op *op) { return 2.0 * FLOPS_PER_MOVE * op->keys * op->dim; }
static double query_flops(const dit__attention_op *op) { return 4.0 * op->keys * op->dim; }

void dit__attention_tile(const dit__engine *engine, dit__op *op) {
  dit__attention_op *a = &op->attention;
  dit__attention_tiling *t = &a->tiling;
  const int64_t nr = engine->kernels->nr, all = (int64_t)a->samples * a->heads;
  const double unit = engine->unit_flops, head_flops = query_flops(a) * a->queries;
  t->keys_bytes = align64((size_t)(ceil_div(a->keys, nr) * nr * a->dim) * 4);
  t->values_bytes = align64((size_t)(ceil_div(a->dim, nr) * nr * a->keys) * 4);
  t->task_bytes = align64((size_t)dit__attention_scratch(a->dim) * 4);
  int64_t heads = min64((int64_t)(unit / head_flops), (int64_t)(GROUP_BYTES / (t->keys_bytes + t->values_bytes)));
  heads = max64(1, min64(heads, all));
  if (heads > engine->threads) heads = heads / engine->threads * engine->threads;
  t->heads = heads;
  t->head_groups = ceil_div(all, heads);
  t->pack_units = max64(1, (int64_t)ceil(head_pack_flops(a) * (double)heads / unit));
  const int64_t queries = (int64_t)(unit / head_flops * a->queries / (double)heads);
  t->query_chunks = ceil_div(a->queries, max64(1, min64(queries, a->queries)));
  t->queries = ceil_div(a->queries, t->query_chunks);
  t->query_chunks = ceil_div(a->queries, t->queries);
  op->units = t->head_groups * (t->pack_units + t->query_chunks);
  op->unit_flops = query_flops(a) * (double)t->heads * (double)t->queries;
  op->useful_flops = query_flops(a) * a->queries * (double)all;
  op->scratch_bytes = (size_t)t->heads * (t->keys_bytes + t->values_bytes) + (size_t)engine->threads * t->task_bytes;
}

/* ---- Running ---- */

typedef struct attention_run {
  const dit__kernels *kernels;
  const dit__attention_op *op;
  uint8_t *packed, *scratch;
  int64_t head, heads, query, queries, pack_unit;
  int32_t tasks;
} attention_run;

/* Where the rows of a head begin, in an array whose samples have `rows` rows each. */
static const float *head_rows(const dit__attention_op *op, const float *x, int64_t rows, ptrdiff_t stride,
                              int64_t head) {
  return x + head / op->heads * rows * stride + head % op->heads * op->dim;
}

/* How many keys a head's sample has, and where a head's keys or values begin. */
static int32_t head_keys(const dit__attention_op *op, int64_t head) {
  return op->lengths ? op->lengths[head / op->heads] : op->keys;
}

static const float *head_keys_rows(const dit__attention_op *op, const float *x, int64_t head) {
  const int64_t sample = head / op->heads;
  return x + (op->kv_index ? op->kv_index[sample] : sample) * op->kv_sample_stride + head % op->heads * op->dim;
}

static uint8_t *packed_head(const attention_run *run, int64_t head) {
  return run->packed + (size_t)head * (run->op->tiling.keys_bytes + run->op->tiling.values_bytes);
}

/* Packs this unit's share of a head's keys. */
static void pack_keys(const attention_run *run, int64_t head) {
  const dit__attention_op *op = run->op;
  const float *rows = head_keys_rows(op, op->k, run->head + head);
  const int32_t keys = head_keys(op, run->head + head);
  const dit__weights as_weights = {
      .data = (const uint8_t *)rows, .stride = op->kv_stride, .type = DIT__F32, .rows = keys, .k = op->dim, .taps = 1};
  int64_t first, count;
  split_range(keys, (int32_t)op->tiling.pack_units, (int32_t)run->pack_unit, run->kernels->nr, &first, &count);
  if (count)
    run->kernels->pack(&as_weights, (int32_t)first, (int32_t)count,
                       (float *)(void *)packed_head(run, head) + first * op->dim);
}

static void pack_values(const attention_run *run, int64_t head) {
  const dit__attention_op *op = run->op;
  const float *rows = head_keys_rows(op, op->v, run->head + head);
  const int32_t keys = head_keys(op, run->head + head);
  float *to = (float *)(void *)(packed_head(run, head) + op->tiling.keys_bytes);
  int64_t first, count;
  split_range(op->dim, (int32_t)op->tiling.pack_units, (int32_t)run->pack_unit, run->kernels->nr, &first, &count);
  if (count) run->kernels->pack_columns(rows + first, op->kv_stride, keys, (int32_t)count, to + first * keys);
}

/* Items 2 i and 2 i + 1 are the keys and the values of head i. */
static void DIT_CALL attention_pack_task(void *context, int32_t index) {
  const attention_run *run = (const attention_run *)context;
  int64_t first, count;
  split_range(run->heads * 2, run->tasks, index, 1, &first, &count);
  for (int64_t i = first; i < first + count; i++) (i % 2 ? pack_values : pack_keys)(run, i / 2);
}

static void DIT_CALL attention_task(void *context, int32_t index) {
  const attention_run *run = (const attention_run *)context;
  const dit__attention_op *op = run->op;
  float *scratch = (float *)(void *)(run->scratch + (size_t)index * op->tiling.task_bytes);
  int64_t first, count;
  split_range(run->heads * run->queries, run->tasks, index, TASK_QUERIES, &first, &count);
  while (count > 0) {
    const int64_t head = first / run->queries, query = first % run->queries;
    const int64_t part = min64(count, run->queries - query);
    const uint8_t *packed = packed_head(run, head);
    dit__attention a;
    a.tokens = head_keys(op, run->head + head);
    a.dim = op->dim;
    a.q = head_rows(op, op->q, op->queries, op->q_stride, run->head + head);
    a.q_stride = op->q_stride;
    a.keys = (const float *)(const void *)packed;
    a.values = (const float *)(const void *)(packed + op->tiling.keys_bytes);
    a.scale = op->scale;
    a.out = (float *)(uintptr_t)head_rows(op, op->out, op->queries, op->out_stride, run->head + head);
    a.out_stride = op->out_stride;
    run->kernels->attention(&a, (int32_t)(run->query + query), (int32_t)part, scratch);
    first += part;
    count -= part;
  }
}

void dit__attention_unit(const dit__engine *engine, const dit__op *op, int64_t unit) {
  const dit__attention_op *a = &op->attention;
  const dit__attention_tiling *t = &a->tiling;
  const int64_t each = t->pack_units + t->query_chunks, chunk = unit % each - t->pack_units;
  attention_run run;
  memset(&run, 0, sizeof run);
  run.kernels = engine->kernels;
  run.op = a;
  run.packed = op->scratch;
  run.scratch = op->scratch + (size_t)t->heads * (t->keys_bytes + t->values_bytes);
  run.head = unit / each * t->heads;
  run.heads = min64(t->heads, (int64_t)a->samples * a->heads - run.head);
  if (chunk < 0) {
    run.pack_unit = unit % each;
    run.tasks = task_count(engine, head_pack_flops(a) * (double)run.heads, run.heads * 2);
    dit__parallel(engine, run.tasks, attention_pack_task, &run);
    return;
  }
  run.query = chunk * t->queries;
  run.queries = min64(t->queries, a->queries - run.query);
  const double flops = query_flops(a) * (double)run.heads * (double)run.queries;
  run.tasks = task_count(engine, flops, ceil_div(run.heads * run.queries, TASK_QUERIES));
  dit__parallel(engine, run.tasks, attention_task, &run);
}
