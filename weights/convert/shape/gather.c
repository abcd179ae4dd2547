#include "weights/convert/shape/gather.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "weights/convert/write/encode.h"
#include "weights/convert/write/encode_q4.h"
#include "weights/convert/write/keys.h"

/* ---- What goes in ---- */

int model_recognise(const source *s, dit_error *error) {
  if (layout_find(s, "x_embedder.proj.weight") || layout_find(s, "blocks.0.attn.qkv.weight")) return SYNTHETIC_DIT;
  if (layout_find(s, "encoder.conv_in.weight") || layout_find(s, "decoder.conv_in.weight")) return SYNTHETIC_VAE;
  if (s->count)
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

dit_status model_add_file(model *m, const source *s, dit_error *error) {
  if (m->count)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "a model file is written again alone; give checkpoints to join");
  m->tensors = (model_tensor *)calloc(s->count + 1, sizeof *m->tensors);
  if (!m->tensors) return dit__fail(error, DIT_ERROR_MEMORY, "no memory for the list of tensors");
  for (size_t i = 0; i < s->count; i++) {
    model_tensor *t = &m->tensors[m->count++];
    t->from = &s->tensors[i];
    snprintf(t->shape.name, sizeof t->shape.name, "%s", t->from->name);
    t->shape.rank = t->from->rank;
    for (int k = 0; k < 4; k++) t->shape.shape[k] = k < t->from->rank ? t->from->shape[k] : 1;
    if (strncmp(t->shape.name, "vae.", 4) == 0) m->has_vae = 1;
  }
  m->file = s->model_file;
  return DIT_OK;
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
  m->synthetic_dit |= kind == SYNTHETIC_DIT;
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

const char *model_type_name(int type) {
  return type == DIT_TYPE_F32    ? "f32"
         : type == DIT_TYPE_BF16 ? "bf16"
         : type == DIT_TYPE_Q8   ? "q8"
         : type == DIT_TYPE_Q4   ? "q4"
                                 : "f16";
}

/* ---- Tensors ---- */

enum { CHUNK = 1 << 20 }; /* elements read at a time */

static int ends_with(const char *name, const char *end) {
  size_t a = strlen(name), b = strlen(end);
  return a >= b && strcmp(name + a - b, end) == 0;
}

/* The large matrices of the transformer: all that q8 and q4 make narrow. */
static int is_large(const char *name) {
  static const char *const ends[] = {".attn.qkv.weight", ".attn.proj.weight", ".mlp.fc1.weight", ".mlp.fc2.weight",
                                     ".adaLN_modulation.1.weight"};
  if (strncmp(name, "vae.", 4) == 0) return 0;
  for (int i = 0; i < 5; i++)
    if (ends_with(name, ends[i])) return 1;
  return 0;
}

/* The type of a tensor in the file; with type 0 that which it has. */
static uint32_t type_of(const model_tensor *tensor, int type) {
  static const uint32_t own[] = {0,           DIT__GGUF_F32, DIT__GGUF_F16, DIT__GGUF_BF16, DIT__GGUF_F32, DIT__GGUF_I8,
                                 DIT__GGUF_I8};
  const layout_tensor *t = &tensor->shape;
  switch (type) {
    case 0: return tensor->from ? own[tensor->from->type] : DIT__GGUF_F16;
    case DIT_TYPE_F32: return DIT__GGUF_F32;
    case DIT_TYPE_BF16: return DIT__GGUF_BF16;
    case DIT_TYPE_Q8:
    case DIT_TYPE_Q4: return is_large(t->name) ? DIT__GGUF_I8 : t->rank == 1 ? DIT__GGUF_F32 : DIT__GGUF_F16;
    default: return DIT__GGUF_F16;
  }
}

/* Whether a matrix is written as q4: wished, or what it is and stays. Rows of other lengths than multiples of 8 become
 * q8. */
static int is_q4(const model_tensor *tensor, int type) {
  if (type == 0) return tensor->from && tensor->from->type == SOURCE_Q4;
  return type == DIT_TYPE_Q4 && is_large(tensor->shape.name) && tensor->shape.shape[1] % 8 == 0;
}

static int stays_q4(const model_tensor *tensor) { return tensor->from && tensor->from->type == SOURCE_Q4; }

static uint64_t code_bytes(const model_tensor *tensor, int depth) {
  const uint64_t rows = tensor->shape.shape[0];
  return stays_q4(tensor) ? tensor->from->q4->row_offsets[rows]
                          : q4_bytes(tensor->shape.name, rows, tensor->shape.shape[1], depth);
}

static void declare(gguf_writer *w, const model_tensor *tensor, int type, int depth) {
  const layout_tensor *t = &tensor->shape;
  const uint32_t kind = type_of(tensor, type);
  char companion[80];
  if (is_q4(tensor, type)) {
    const uint64_t bytes[1] = {code_bytes(tensor, depth)};
    gguf_writer_tensor(w, t->name, kind, 1, bytes);
    snprintf(companion, sizeof companion, "%s.form", t->name);
    gguf_writer_tensor(w, companion, kind, 1, t->shape);
  } else {
    gguf_writer_tensor(w, t->name, kind, (uint32_t)t->rank, t->shape);
    if (kind != DIT__GGUF_I8) return;
  }
  snprintf(companion, sizeof companion, "%s.scale", t->name);
  gguf_writer_tensor(w, companion, DIT__GGUF_F32, 1, t->shape);
}

/* What the writing of tensors shares. */
typedef struct writing {
  const model *m;
  gguf_writer *w;
  const progress *watch;
  uint64_t done, total; /* bytes */
  float *values;        /* CHUNK of them, or a row if that is more */
  float *scales;        /* as many as a large matrix has rows */
  int8_t *narrow;       /* as many bytes as there are values */
  int8_t *row_formats;  /* q4: one for each scale */
  int depth;            /* blocks */
  q4_encoder *encoder;
  q4_conditions conditions;
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

/* int8 that stays int8 keeps its bytes. */
static dit_status copy_q8(writing *run, const source_tensor *from, dit_error *error) {
  uint64_t count = source_elements(from);
  dit_status status = DIT_OK;
  for (uint64_t first = 0; !status && first < count; first += CHUNK)
    status = put(run, from->data + first, count - first < CHUNK ? (size_t)(count - first) : CHUNK, error);
  return status ? status : put(run, from->scale, (size_t)from->shape[0] * sizeof(float), error);
}

/* q4 that stays q4, likewise. */
static dit_status copy_q4(writing *run, const source_tensor *from, dit_error *error) {
  const size_t rows = (size_t)from->shape[0];
  const uint64_t count = from->q4->row_offsets[rows];
  dit_status status = DIT_OK;
  for (uint64_t first = 0; !status && first < count; first += CHUNK)
    status = put(run, from->data + first, count - first < CHUNK ? (size_t)(count - first) : CHUNK, error);
  if (!status) status = put(run, from->q4->rows.row_formats, rows, error);
  return status ? status : put(run, from->scale, rows * sizeof(float), error);
}

/* The rows as codes, and after the last one their formats and scales. */
static dit_status write_q4(writing *run, const model_tensor *t, dit_error *error) {
  const size_t rows = (size_t)t->shape.shape[0], columns = (size_t)t->shape.shape[1];
  const size_t most = columns < CHUNK ? CHUNK / columns : 1;
  q4_inputs inputs;
  dit_status status = q4_inputs_make(run->m, &run->conditions, t, &inputs, error);
  for (size_t row = 0, size; !status && row < rows; row += most) {
    const size_t n = rows - row < most ? rows - row : most;
    model_read(run->m, t, (uint64_t)row * columns, (uint64_t)n * columns, run->values);
    status = q4_encode(run->encoder, t->shape.name, &inputs, run->depth, run->values, row, n, rows,
                       (uint8_t *)run->narrow, &size, run->row_formats + row, run->scales + row, error);
    if (!status) status = put(run, run->narrow, size, error);
  }
  q4_inputs_free(&inputs);
  if (!status) status = put(run, run->row_formats, rows, error);
  return status ? status : put(run, run->scales, rows * sizeof(float), error);
}

/* The rows as int8, and after the last one their scales. */
static dit_status write_q8(writing *run, const model_tensor *t, dit_error *error) {
  size_t rows = (size_t)t->shape.shape[0], columns = (size_t)t->shape.shape[1];
  size_t most = columns < CHUNK ? CHUNK / columns : 1;
  dit_status status = DIT_OK;
  for (size_t row = 0; !status && row < rows; row += most) {
    size_t n = rows - row < most ? rows - row : most;
    model_read(run->m, t, (uint64_t)row * columns, (uint64_t)n * columns, run->values);
    status = encode_q8(t->shape.name, run->values, n, columns, run->narrow, run->scales + row, error);
    if (!status) status = put(run, run->narrow, n * columns, error);
  }
  return status ? status : put(run, run->scales, rows * sizeof(float), error);
}

static dit_status write_tensor(writing *run, const model_tensor *t, int type, dit_error *error) {
  const uint32_t kind = type_of(t, type);
  if (is_q4(t, type)) return stays_q4(t) ? copy_q4(run, t->from, error) : write_q4(run, t, error);
  if (kind != DIT__GGUF_I8) return write_plain(run, t, kind, error);
  return t->from && t->from->type == SOURCE_Q8 ? copy_q8(run, t->from, error) : write_q8(run, t, error);
}

static dit_status write_tensors(writing *run, int type, dit_error *error) {
  size_t widest = CHUNK, tallest = 1;
  for (size_t i = 0; i < run->m->count; i++) {
    const model_tensor *t = &run->m->tensors[i];
    if (type_of(t, type) != DIT__GGUF_I8) continue;
    if (t->shape.shape[1] > widest) widest = (size_t)t->shape.shape[1];
    if (t->shape.shape[0] > tallest) tallest = (size_t)t->shape.shape[0];
  }
  run->values = (float *)malloc(widest * sizeof(float));
  run->scales = (float *)malloc(tallest * sizeof(float));
  run->narrow = (int8_t *)malloc(widest);
  run->row_formats = (int8_t *)malloc(tallest);
  dit_status status = DIT_OK;
  if (!run->values || !run->scales || !run->narrow || !run->row_formats)
    status = dit__fail(error, DIT_ERROR_MEMORY, "no memory for a few MB");
  for (size_t i = 0; !status && i < run->m->count; i++) status = write_tensor(run, &run->m->tensors[i], type, error);
  free(run->values);
  free(run->scales);
  free(run->narrow);
  free(run->row_formats);
  return status;
}

/* What rounding to q4 wants to know. */
static dit_status prepare_q4(writing *run, const model_wishes *wishes, dit_error *error) {
  const char *forward = "";
  size_t length = 0;
  int diffusers = wishes->forward == MODEL_FORWARD_DIFFUSERS;
  if (run->m->file && !wishes->forward && dit__gguf_string(run->m->file, "dit.forward", &forward, &length, NULL) == 1)
    diffusers = length == 9 && memcmp(forward, "diffusers", length) == 0;
  for (size_t i = 0; i < run->m->count; i++) {
    const char *name = run->m->tensors[i].shape.name;
    const int block = strncmp(name, "blocks.", 7) ? 0 : atoi(name + 7);
    if (run->depth < block + 1) run->depth = block + 1;
  }
  dit_status status = q4_encoder_open(&run->encoder, error);
  return status ? status : q4_conditions_make(run->m, diffusers, &run->conditions, error);
}

dit_status model_write(const model *m, const model_wishes *wishes, const char *path, const progress *watch,
                       uint64_t *bytes, dit_error *error) {
  writing run;
  uint64_t size = 0;
  int type = wishes->type || m->file ? wishes->type : DIT_TYPE_F16;
  memset(&run, 0, sizeof run);
  run.m = m;
  run.watch = watch;
  if (!m->count) return dit__fail(error, DIT_ERROR_ARGUMENT, "nothing to write");
  dit_status status = gguf_writer_open(path, &run.w, error);
  if (status) return status;
  status = keys_write(run.w, m, wishes, error);
  if (!status && type == DIT_TYPE_Q4) status = prepare_q4(&run, wishes, error);
  for (size_t i = 0; !status && i < m->count; i++) declare(run.w, &m->tensors[i], type, run.depth);
  if (!status) status = gguf_writer_begin(run.w, &size, error);
  run.total = size;
  if (!status) status = write_tensors(&run, type, error);
  q4_encoder_close(run.encoder);
  q4_conditions_free(&run.conditions);
  if (status) {
    gguf_writer_abandon(run.w);
    return status;
  }
  if (bytes) *bytes = size;
  return gguf_writer_finish(run.w, error);
}
