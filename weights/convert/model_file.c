#include "weights/convert/model_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "weights/convert/encode.h"

/* ---- What goes in ---- */

int model_recognise(const source *s, dit_error *error) {
  if (layout_find(s, "x_embedder.proj.weight") || layout_find(s, "blocks.0.attn.qkv.weight")) return SYNTHETIC_DIT;
  if (layout_find(s, "encoder.conv_in.weight") || layout_find(s, "decoder.conv_in.weight")) return SYNTHETIC_VAE;
  if (layout_find(s, "transformer_blocks.0.attn1.to_q.weight"))
    dit__fail(error, DIT_ERROR_UNSUPPORTED,
              "a transformer in the layout of diffusers; only the official one is supported");
  else if (s->count)
    dit__fail(error, DIT_ERROR_FORMAT, "holds neither a DiT nor an AutoencoderKL: %d tensors, the first being %.63s",
              (int)s->count, s->tensors[0].name);
  else
    dit__fail(error, DIT_ERROR_FORMAT, "holds no tensors");
  return 0;
}

/* Makes room for the tensors of a geometry, whose names get `prefix`; all by rule. */
static dit_status append(model *m, const layout *l, const char *prefix, dit_error *error) {
  model_tensor *grown = (model_tensor *)realloc(m->tensors, (m->count + l->count) * sizeof *grown);
  if (!grown) return dit__fail(error, DIT_ERROR_MEMORY, "no memory for the list of tensors");
  m->tensors = grown;
  for (size_t i = 0; i < l->count; i++) {
    model_tensor *t = &m->tensors[m->count++];
    memset(t, 0, sizeof *t);
    t->shape = l->tensors[i];
    if (snprintf(t->shape.name, sizeof t->shape.name, "%s%s", prefix, l->tensors[i].name) >= (int)sizeof t->shape.name)
      return dit__fail(error, DIT_ERROR_UNSUPPORTED, "tensor %s%s: the name is longer than 63 bytes", prefix,
                       l->tensors[i].name);
    t->rule = synthetic_rule_of(&t->shape);
  }
  return DIT_OK;
}

/* The transformer comes first in the file, so it must come first here. */
static dit_status check_order(const model *m, int kind, dit_error *error) {
  if (kind == SYNTHETIC_DIT ? m->has_dit : m->has_vae)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "a second %s; a model file holds one of each",
                     kind == SYNTHETIC_DIT ? "transformer" : "autoencoder");
  if (kind == SYNTHETIC_DIT && m->has_vae)
    return dit__fail(error, DIT_ERROR_STATE, "the transformer must be added before the autoencoder");
  return DIT_OK;
}

static dit_status check_pair(const model *m, dit_error *error) {
  if (m->has_dit && m->has_vae && m->dit.in_channels != m->vae.latent_channels)
    return dit__fail(error, DIT_ERROR_FORMAT,
                     "the transformer's latents have %d channels, the autoencoder's %d: they do not belong together",
                     (int)m->dit.in_channels, (int)m->vae.latent_channels);
  return DIT_OK;
}

/* Appends the tensors of the geometry of `kind`, from a checkpoint or, with s NULL, by rule. */
static dit_status add_part(model *m, int kind, const source *s, char *report, size_t room, dit_error *error) {
  layout l = {NULL, 0, 0};
  size_t start = m->count;
  dit_status status = kind == SYNTHETIC_DIT ? layout_dit(&m->dit, &l, error) : layout_vae(&m->vae, &l, error);
  const source_tensor **found = NULL;
  if (!status && s) {
    found = (const source_tensor **)calloc(l.count, sizeof *found);
    status = found ? layout_match(l.tensors, l.count, s, found, report, room, error)
                   : dit__fail(error, DIT_ERROR_MEMORY, "no memory for the list of tensors");
  }
  if (!status) status = append(m, &l, kind == SYNTHETIC_DIT ? "" : "vae.", error);
  for (size_t i = 0; !status && s && i < l.count; i++) m->tensors[start + i].from = found[i];
  free(found);
  layout_free(&l);
  if (kind == SYNTHETIC_DIT)
    m->has_dit = 1, m->dit_count = m->count;
  else
    m->has_vae = 1;
  return status ? status : check_pair(m, error);
}

dit_status model_add_source(model *m, const source *s, int kind, const model_wishes *wishes, char *note,
                            size_t note_room, char *report, size_t report_room, dit_error *error) {
  *note = *report = 0;
  dit_status status = check_order(m, kind, error);
  if (status) return status;
  status = kind == SYNTHETIC_DIT ? layout_deduce_dit(s, &wishes->hints, &m->dit, note, note_room, error)
                                 : layout_deduce_vae(s, &wishes->hints, &m->vae, note, note_room, error);
  return status ? status : add_part(m, kind, s, report, report_room, error);
}

dit_status model_add_synthetic(model *m, const char *text, dit_error *error) {
  dit_geometry dit;
  vae_geometry vae;
  int kind;
  dit_status status = synthetic_parse(text, &kind, &dit, &vae, error);
  if (!status) status = check_order(m, kind, error);
  if (status) return status;
  if (kind == SYNTHETIC_DIT)
    m->dit = dit;
  else
    m->vae = vae;
  return add_part(m, kind, NULL, NULL, 0, error);
}

void model_free(model *m) {
  free(m->tensors);
  memset(m, 0, sizeof *m);
}

static uint64_t count_of(const layout_tensor *t) { return t->shape[0] * t->shape[1] * t->shape[2] * t->shape[3]; }

static int is_positions(const model_tensor *t) { return strcmp(t->shape.name, "pos_embed") == 0; }

uint64_t model_parameters(const model *m, int kind) {
  uint64_t sum = 0;
  size_t first = kind == SYNTHETIC_DIT ? 0 : m->dit_count, end = kind == SYNTHETIC_DIT ? m->dit_count : m->count;
  for (size_t i = first; i < end; i++)
    if (!is_positions(&m->tensors[i])) sum += count_of(&m->tensors[i].shape);
  return sum;
}

void model_read(const model *m, const model_tensor *t, uint64_t first, uint64_t count, float *out) {
  if (t->from)
    source_read(t->from, first, count, out);
  else if (is_positions(t))
    position_table(m->dit.hidden, m->dit.latent / m->dit.patch, first, count, out);
  else
    synthetic_read(&t->rule, first, count, out);
}

/* ---- Keys ---- */

const char *model_type_name(int type) {
  return type == DIT_TYPE_F32 ? "f32" : type == DIT_TYPE_BF16 ? "bf16" : type == DIT_TYPE_Q8 ? "q8" : "f16";
}

/* Whether 0, s, 2s, ... below 1000 has `steps` entries for a whole s. */
static int has_ddim_stride(int steps) {
  for (int stride = 1; stride < 1000; stride++)
    if ((999 + stride) / stride == steps) return 1;
  return 0;
}

static dit_status write_recommendations(gguf_writer *w, const model *m, const model_wishes *wishes, int32_t null_class,
                                        dit_error *error) {
  int steps = wishes->steps ? wishes->steps : 250, channels = wishes->guidance_channels;
  const char *sampler = wishes->sampler ? wishes->sampler : "ddpm", *spacing = wishes->spacing;
  double guidance = wishes->guidance >= 0 ? wishes->guidance : null_class < 0 ? 1 : 4;
  if (!spacing) spacing = strcmp(sampler, "ddim") == 0 && has_ddim_stride(steps) ? "ddim" : "even";
  if (strcmp(spacing, "ddim") == 0 && !has_ddim_stride(steps))
    return dit__fail(error, DIT_ERROR_ARGUMENT, "no whole stride makes %d steps, which --spacing ddim needs", steps);
  if (null_class < 0 && guidance != 1)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "a guidance of %g needs a null class, which this model has not",
                     guidance);
  if (channels > m->dit.in_channels)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "--guidance-channels %d: the latent has only %d", channels,
                     (int)m->dit.in_channels);
  if (!channels) channels = m->dit.in_channels <= 3 ? -1 : 3;
  gguf_writer_u32(w, "dit.steps", (uint32_t)steps);
  gguf_writer_string(w, "dit.sampler", sampler);
  gguf_writer_string(w, "dit.spacing", spacing);
  gguf_writer_f32(w, "dit.guidance", (float)guidance);
  gguf_writer_i32(w, "dit.guidance_channels", channels);
  return DIT_OK;
}

static dit_status write_dit_keys(gguf_writer *w, const model *m, const model_wishes *wishes, dit_error *error) {
  const dit_geometry *g = &m->dit;
  int64_t classes = wishes->no_null_class ? g->class_rows : g->class_rows - 1;
  int32_t null_class = wishes->no_null_class ? -1 : (int32_t)classes;
  if (classes < 1)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "a label table of one row is the null class alone, or --no-null-class");
  gguf_writer_u32(w, "dit.hidden_size", (uint32_t)g->hidden);
  gguf_writer_u32(w, "dit.depth", (uint32_t)g->depth);
  gguf_writer_u32(w, "dit.heads", (uint32_t)g->heads);
  gguf_writer_u32(w, "dit.mlp_size", (uint32_t)g->mlp);
  gguf_writer_u32(w, "dit.patch", (uint32_t)g->patch);
  gguf_writer_u32(w, "dit.latent_size", (uint32_t)g->latent);
  gguf_writer_u32(w, "dit.in_channels", (uint32_t)g->in_channels);
  gguf_writer_bool(w, "dit.learned_sigma", g->out_channels != g->in_channels);
  gguf_writer_u32(w, "dit.class_count", (uint32_t)classes);
  gguf_writer_i32(w, "dit.null_class", null_class);
  gguf_writer_string(w, "dit.forward", wishes->diffusers ? "diffusers" : "official");
  if (wishes->diffusers) gguf_writer_f64(w, "dit.norm_eps", g->norm_eps > 0 ? g->norm_eps : 1e-5);
  gguf_writer_string(w, "dit.beta_schedule", "linear");
  gguf_writer_f64(w, "dit.beta_start", 0.0001);
  gguf_writer_f64(w, "dit.beta_end", 0.02);
  gguf_writer_u32(w, "dit.timesteps", 1000);
  if (wishes->labels) {
    if ((int64_t)wishes->label_count != classes)
      return dit__fail(error, DIT_ERROR_ARGUMENT, "%d labels for %d classes", (int)wishes->label_count, (int)classes);
    gguf_writer_strings(w, "dit.labels", wishes->labels, wishes->label_count);
  }
  return write_recommendations(w, m, wishes, null_class, error);
}

static void write_vae_keys(gguf_writer *w, const vae_geometry *g) {
  uint32_t blocks[LAYOUT_LEVELS];
  for (int64_t i = 0; i < g->levels; i++) blocks[i] = (uint32_t)g->blocks[i];
  gguf_writer_u32s(w, "vae.block_channels", blocks, (size_t)g->levels);
  gguf_writer_u32(w, "vae.layers", (uint32_t)g->layers);
  gguf_writer_u32(w, "vae.groups", (uint32_t)g->groups);
  gguf_writer_u32(w, "vae.image_channels", (uint32_t)g->image_channels);
  gguf_writer_u32(w, "vae.latent_channels", (uint32_t)g->latent_channels);
  gguf_writer_f64(w, "vae.scaling_factor", g->scaling_factor);
}

static dit_status write_keys(gguf_writer *w, const model *m, const model_wishes *wishes, dit_error *error) {
  char variant[64] = "AutoencoderKL";
  if (m->has_dit) layout_variant(&m->dit, variant, sizeof variant);
  gguf_writer_string(w, "general.architecture", "dit");
  gguf_writer_string(w, "general.name", wishes->name ? wishes->name : variant);
  if (wishes->license) gguf_writer_string(w, "general.license", wishes->license);
  gguf_writer_u32(w, "dit.format", 1);
  dit_status status = m->has_dit ? write_dit_keys(w, m, wishes, error) : DIT_OK;
  if (!status && !m->has_dit && wishes->labels)
    status = dit__fail(error, DIT_ERROR_ARGUMENT, "labels belong to a transformer, and there is none");
  if (!status && m->has_vae) write_vae_keys(w, &m->vae);
  return status;
}

/* ---- Tensors ---- */

enum { CHUNK = 1 << 20 }; /* elements read at a time */

static int ends_with(const char *name, const char *end) {
  size_t a = strlen(name), b = strlen(end);
  return a >= b && strcmp(name + a - b, end) == 0;
}

/* The large matrices of the transformer: all that q8 makes int8. */
static int is_large(const char *name) {
  static const char *const ends[] = {".attn.qkv.weight", ".attn.proj.weight", ".mlp.fc1.weight", ".mlp.fc2.weight",
                                     ".adaLN_modulation.1.weight"};
  if (strncmp(name, "vae.", 4) == 0) return 0;
  for (int i = 0; i < 5; i++)
    if (ends_with(name, ends[i])) return 1;
  return 0;
}

/* The type of a tensor in the file. */
static uint32_t type_of(const layout_tensor *t, int type) {
  switch (type) {
    case DIT_TYPE_F32: return DIT__GGUF_F32;
    case DIT_TYPE_BF16: return DIT__GGUF_BF16;
    case DIT_TYPE_Q8: return is_large(t->name) ? DIT__GGUF_I8 : t->rank == 1 ? DIT__GGUF_F32 : DIT__GGUF_F16;
    default: return DIT__GGUF_F16;
  }
}

static void declare(gguf_writer *w, const layout_tensor *t, uint32_t type) {
  char scale[80];
  gguf_writer_tensor(w, t->name, type, (uint32_t)t->rank, t->shape);
  if (type != DIT__GGUF_I8) return;
  snprintf(scale, sizeof scale, "%s.scale", t->name);
  gguf_writer_tensor(w, scale, DIT__GGUF_F32, 1, t->shape);
}

/* What the writing of tensors shares. */
typedef struct writing {
  const model *m;
  gguf_writer *w;
  const progress *watch;
  uint64_t done, total; /* bytes */
  float *values;        /* CHUNK of them, or a row if that is more */
  float *scales;        /* as many as a large matrix has rows */
} writing;

static dit_status put(writing *run, const void *bytes, size_t size, dit_error *error) {
  dit_status status = gguf_writer_data(run->w, bytes, size, error);
  run->done += size;
  if (!status && run->watch && run->watch->report(run->watch->user, run->done, run->total))
    return dit__fail(error, DIT_CANCELLED, "interrupted");
  return status;
}

static dit_status write_plain(writing *run, const model_tensor *t, uint32_t type, dit_error *error) {
  uint64_t count = count_of(&t->shape);
  dit_status status = DIT_OK;
  for (uint64_t first = 0; !status && first < count; first += CHUNK) {
    size_t n = count - first < CHUNK ? (size_t)(count - first) : CHUNK;
    model_read(run->m, t, first, n, run->values);
    status = encode_values(t->shape.name, type, run->values, n, run->values, error);
    if (!status) status = put(run, run->values, n * dit__gguf_type_size(type), error);
  }
  return status;
}

/* The rows as int8, and after the last one their scales. */
static dit_status write_q8(writing *run, const model_tensor *t, int8_t *quantised, dit_error *error) {
  size_t rows = (size_t)t->shape.shape[0], columns = (size_t)t->shape.shape[1];
  size_t most = columns < CHUNK ? CHUNK / columns : 1;
  dit_status status = DIT_OK;
  for (size_t row = 0; !status && row < rows; row += most) {
    size_t n = rows - row < most ? rows - row : most;
    model_read(run->m, t, (uint64_t)row * columns, (uint64_t)n * columns, run->values);
    status = encode_q8(t->shape.name, run->values, n, columns, quantised, run->scales + row, error);
    if (!status) status = put(run, quantised, n * columns, error);
  }
  return status ? status : put(run, run->scales, rows * sizeof(float), error);
}

static dit_status write_tensors(writing *run, int type, dit_error *error) {
  size_t widest = CHUNK, tallest = 1;
  for (size_t i = 0; i < run->m->count; i++) {
    const layout_tensor *t = &run->m->tensors[i].shape;
    if (type_of(t, type) != DIT__GGUF_I8) continue;
    if (t->shape[1] > widest) widest = (size_t)t->shape[1];
    if (t->shape[0] > tallest) tallest = (size_t)t->shape[0];
  }
  run->values = (float *)malloc(widest * sizeof(float));
  run->scales = (float *)malloc(tallest * sizeof(float));
  int8_t *quantised = (int8_t *)malloc(widest);
  dit_status status = DIT_OK;
  if (!run->values || !run->scales || !quantised) status = dit__fail(error, DIT_ERROR_MEMORY, "no memory for a few MB");
  for (size_t i = 0; !status && i < run->m->count; i++) {
    const model_tensor *t = &run->m->tensors[i];
    uint32_t kind = type_of(&t->shape, type);
    status = kind == DIT__GGUF_I8 ? write_q8(run, t, quantised, error) : write_plain(run, t, kind, error);
  }
  free(run->values);
  free(run->scales);
  free(quantised);
  return status;
}

dit_status model_write(const model *m, const model_wishes *wishes, const char *path, const progress *watch,
                       uint64_t *bytes, dit_error *error) {
  writing run;
  uint64_t size = 0;
  memset(&run, 0, sizeof run);
  run.m = m;
  run.watch = watch;
  if (!m->count) return dit__fail(error, DIT_ERROR_ARGUMENT, "nothing to write");
  dit_status status = gguf_writer_open(path, &run.w, error);
  if (status) return status;
  status = write_keys(run.w, m, wishes, error);
  for (size_t i = 0; i < m->count; i++)
    declare(run.w, &m->tensors[i].shape, type_of(&m->tensors[i].shape, wishes->type));
  if (!status) status = gguf_writer_begin(run.w, &size, error);
  run.total = size;
  if (!status) status = write_tensors(&run, wishes->type, error);
  if (status) {
    gguf_writer_abandon(run.w);
    return status;
  }
  if (bytes) *bytes = size;
  return gguf_writer_finish(run.w, error);
}
