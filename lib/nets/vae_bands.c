/* Levels of the decoder in less memory than their two largest activations take, with the same bits.
 *
 * A level is a chain of 3x3 convolutions, each of which reads the activation before it. Only some activations are kept
 * whole. The others are recomputed in bands of rows whenever they are needed: once for the sums of each group norm that
 * follows, and once for the activation that is kept.
 *
 * A sweep moves a band through all convolutions at once, and keeps enough rows of each activation that no row is computed
 * twice in a sweep: a convolution follows the one before it at a distance of one row, or of up to four, because Winograd
 * tiles begin at multiples of four. An activation that is kept overwrites the one it is computed from, row by row. */
#include "lib/core/numerics.h"

#include <string.h>

#include "lib/nets/vae_bands.h"

/* Which activations of a level are kept whole; the fastest way comes first. */
enum {
  KEEP_ALL,    /* two at a time, as dit__vae_decoder_level does: there are no bands */
  KEEP_LARGE,  /* one at a time: the level's input at its full size, then the sum after each resnet */
  KEEP_BLOCKS, /* the sum after each resnet */
  KEEP_NOTHING /* only the input of the level, which must be the last */
};
enum { MAX_BAND_TILES = 256, BAND_SIZES = 3 }; /* bands have about 256, 128 or 64 tiles */
enum { WAYS = 1 + KEEP_NOTHING * BAND_SIZES };

/* The nodes of a level: its input, that at full size, two for each resnet, and the image. */
enum { MAX_NODES = 2 * DIT__MAX_VAE_LAYERS + 3 };

/* An activation. */
typedef struct band_node {
  const dit__matrix *matrix; /* the convolution that computes it from the node before */
  const dit__norm *norm;     /* applied when the next convolution reads it, or NULL */
  const dit__resnet
      *resnet; /* not NULL for the last node of a resnet: the node two before, or its shortcut, is added */
  int32_t height, width, channels, upsample, whole;
  int32_t begin, end; /* the rows that are present */
  int32_t max_rows;   /* the max rows that are present at a time */
  float *rows;        /* from `begin` on */
  float *scale, *shift;
} band_node;

typedef struct bands {
  dit__vae_run *run;
  band_node node[MAX_NODES];
  int32_t count;
  int32_t band;         /* rows of a band of the first node */
  int32_t from, target; /* the sweep under way: the node that is present, and the one that is computed */
  int32_t dry;          /* 1: the sweep only finds out max_rows and lead */
  int64_t lead;         /* how many numbers `from` must lie behind a target that overwrites it, so that none is lost */
  double *sums;         /* of the target's norm */
} bands;

static int64_t bands_line(const band_node *node) { return (int64_t)node->width * node->channels; }

static float *bands_row(const band_node *node, int32_t row) {
  return node->rows + (row - node->begin) * bands_line(node);
}

/* ---- The chain ---- */

static band_node *bands_add(bands *b, const dit__matrix *matrix, int32_t upsample, int32_t whole) {
  band_node *node = &b->node[b->count];
  memset(node, 0, sizeof *node);
  node->matrix = matrix;
  node->height = b->run->height;
  node->width = b->run->width;
  node->upsample = upsample;
  node->whole = whole;
  if (matrix) node->channels = matrix->weights.rows;
  node->scale = b->run->scale + (ptrdiff_t)b->count * b->run->max_channels;
  node->shift = b->run->shift + (ptrdiff_t)b->count * b->run->max_channels;
  b->count++;
  return node;
}

static void bands_chain(bands *b, dit__vae_run *run, int32_t level, int32_t keep) {
  const dit__vae_coder *coder = run->vae->decoder;
  const dit__resnet *resnet = coder->level[level];
  memset(b, 0, sizeof *b);
  b->run = run;
  band_node *node = bands_add(b, NULL, 0, 1);
  node->channels = level ? coder->resample[level - 1].weights.k / 9 : resnet->in;
  if (level) {
    run->height *= 2;
    run->width *= 2;
    node = bands_add(b, &coder->resample[level - 1], 1, keep == KEEP_LARGE);
  }
  for (int32_t i = 0; i < coder->resnets; i++, resnet++) {
    node->norm = &resnet->norm1;
    node = bands_add(b, &resnet->conv1, 0, 0);
    node->norm = &resnet->norm2;
    node = bands_add(b, &resnet->conv2, 0, keep != KEEP_NOTHING);
    node->resnet = resnet;
  }
  if (level + 1 < run->vae->levels) return;
  node->norm = &coder->norm_out;
  bands_add(b, &coder->conv_out, 0, 0);
}

/* ---- One band of one activation ---- */

/* Adds rows first .. first + rows - 1, which x begins with, to the sums of the node's norm. */
static void bands_sums(const bands *b, const band_node *node, const float *x, int32_t first, int32_t rows) {
  dit__group_norm_op norm = dit__vae_norm(b->run, x, node->channels, node->norm);
  norm.height = node->height;
  norm.width = node->width;
  norm.first_row = first;
  norm.rows = rows;
  norm.scale = node->scale;
  norm.shift = node->shift;
  norm.sums = b->sums;
  dit__vae_add_norm(b->run, &norm);
}

/* Computes the rows of a node from its end to `to`. */
static void bands_make(const bands *b, const band_node *node, int32_t to) {
  const band_node *before = node - 1;
  const int32_t first = node->end, rows = to - first;
  float *out = bands_row(node, first), *aside = NULL;
  const float *residual = node->resnet ? bands_row(node - 2, first) : NULL;
  if (node->resnet && node->resnet->in != node->resnet->out) {
    if (node->whole && node[-2].whole) aside = dit__vae_alloc(b->run, rows, node->width, node->channels);
    float *shortcut = aside ? aside : out; /* not over rows that it is computed from */
    dit__vae_linear(b->run, &node->resnet->shortcut, rows * node->width, residual, shortcut, node->channels, NULL);
    residual = shortcut;
  }
  dit__conv_op conv = dit__vae_conv(b->run, node->matrix, before->rows, before->norm != NULL, residual, out);
  conv.height = node->height;
  conv.width = node->width;
  conv.first_row = first;
  conv.rows = rows;
  conv.x_row = before->begin;
  conv.upsample = node->upsample;
  if (before->norm) {
    conv.scale = before->scale;
    conv.shift = before->shift;
  }
  dit__vae_add_conv(b->run, &conv);
  if (aside) dit__plan_free(b->run->plan, aside);
}

/* ---- Sweeps ---- */

/* Returns up to which row a node can be computed in this band, from the rows of the node before that are present. */
static int32_t bands_ready(const bands *b, int32_t i) {
  const band_node *node = &b->node[i], *before = node - 1;
  int32_t to = node->height;
  if (before->end < before->height) to = ((before->end << node->upsample) - 1) / 4 * 4;
  return to - node->end < b->band ? to : node->end + b->band;
}

/* Returns the first row of a node that will still be read. */
static int32_t bands_wanted(const bands *b, int32_t i) {
  const band_node *node = &b->node[i], *next = node + 1;
  int32_t row = next->end == next->height ? node->height : next->end ? (next->end - 1) >> next->upsample : 0;
  if (i + 2 <= b->target && next[1].resnet && next[1].end < row) row = next[1].end;
  return row < node->end ? row : node->end;
}

/* Computes as many rows of a node as can be. */
static void bands_step(bands *b, int32_t i) {
  band_node *node = &b->node[i];
  const band_node *from = &b->node[b->from];
  const int32_t first = node->end, to = bands_ready(b, i);
  const int32_t begin = node->whole ? 0 : i == b->target ? first : bands_wanted(b, i);
  if (to <= first) return;
  if (b->dry) {
    int32_t wanted = bands_wanted(b, b->from);
    node->end = to;
    if (i > b->from + 1)
      wanted = bands_wanted(b, b->from); /* a sum may overwrite its own summand, which is read first */
    const int64_t lead = to * bands_line(node) - wanted * bands_line(from);
    if (i == b->target && lead > b->lead) b->lead = lead;
    if (to - begin > node->max_rows) node->max_rows = to - begin;
    return;
  }
  if (begin > node->begin && begin < first)
    dit__vae_copy(b->run, bands_row(node, begin), (first - begin) * node->width, node->channels, node->rows);
  node->begin = begin;
  bands_make(b, node, to);
  if (node->norm && i == b->target) bands_sums(b, node, bands_row(node, first), first, to - first);
  if (i + 1 == b->count && !node->whole) dit__vae_image_rows(b->run, bands_row(node, first), first, to - first);
  node->end = to;
}

static void bands_walk(bands *b, int32_t dry) {
  b->dry = dry;
  b->lead = 0;
  for (int32_t i = b->from + 1; i <= b->target; i++) b->node[i].begin = b->node[i].end = 0;
  while (b->node[b->target].end < b->node[b->target].height)
    for (int32_t i = b->from + 1; i <= b->target; i++) bands_step(b, i);
}

/* Puts the target where `from` lies, and moves `from` behind it as far as is needed. */
static void bands_replace(bands *b, band_node *from, band_node *target) {
  dit__vae_run *run = b->run;
  const int64_t old = from->height * bands_line(from) + b->lead, size = target->height * bands_line(target);
  dit__plan_resize(run->plan, run->x, (uint64_t)(old > size ? old : size), sizeof(float));
  target->rows = run->x;
  from->rows = run->x + b->lead;
  if (b->lead) dit__vae_copy(run, run->x, from->height * from->width, from->channels, from->rows);
}

static void bands_sweep(bands *b, int32_t target) {
  band_node *to = &b->node[target];
  dit__plan *plan = b->run->plan;
  b->target = target;
  bands_walk(b, 1);
  if (to->whole) bands_replace(b, &b->node[b->from], to);
  for (int32_t i = b->from + 1; i <= target; i++) {
    band_node *node = &b->node[i];
    if (!node->whole) node->rows = dit__vae_alloc(b->run, node->max_rows, node->width, node->channels);
  }
  if (to->norm)
    b->sums = (double *)dit__plan_alloc(plan, (uint64_t)to->height * (uint64_t)b->run->vae->groups, 2 * sizeof(double));
  bands_walk(b, 0);
  if (to->norm) dit__plan_free(plan, b->sums);
  for (int32_t i = b->from + 1; i <= target; i++)
    if (!b->node[i].whole) dit__plan_free(plan, b->node[i].rows);
  if (!to->whole) return;
  dit__plan_resize(plan, b->run->x, (uint64_t)(to->height * bands_line(to)), sizeof(float));
  b->from = target;
}

static void bands_level(dit__vae_run *run, int32_t level, int32_t way) {
  bands b;
  if (!way) {
    dit__vae_decoder_level(run, level);
    return;
  }
  bands_chain(&b, run, level, 1 + (way - 1) / BAND_SIZES);
  const int32_t across = (run->width + 3) / 4, tiles = MAX_BAND_TILES >> (way - 1) % BAND_SIZES;
  b.band = 4 * ((tiles + across - 1) / across);
  b.node[0].rows = run->x;
  b.node[0].end = b.node[0].height;
  if (b.node[0].norm) bands_sums(&b, b.node, run->x, 0, b.node[0].height);
  for (int32_t i = 1; i < b.count; i++) bands_sweep(&b, i);
}

/* ---- Which way ---- */

static size_t bands_peak(const dit__vae_run *run, int32_t level, int32_t way) {
  dit__plan plan = *run->plan;
  dit__vae_run trial = *run;
  plan.ops = NULL;
  plan.workspace.peak = 0;
  trial.plan = &plan;
  bands_level(&trial, level, way);
  return plan.workspace.overflow ? SIZE_MAX : plan.workspace.peak;
}

void dit__vae_banded_level(dit__vae_run *run, int32_t level, size_t budget) {
  const int32_t last = level + 1 == run->vae->levels;
  const int32_t ways = last ? WAYS : WAYS - BAND_SIZES;
  size_t least = SIZE_MAX;
  int32_t best = 0;
  for (int32_t way = 0; way < ways && least > budget; way++) {
    const size_t peak = bands_peak(run, level, way);
    if (peak >= least) continue;
    least = peak;
    best = way;
  }
  bands_level(run, level, best);
}
