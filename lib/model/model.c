/* Models: opened from a file, described, closed. Named tensors become the matrices of a transformer and an autoencoder,
 * each checked against the geometry. */
#include "lib/core/numerics.h"

#include <stdio.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/names.h"
#include "lib/core/struct_size.h"
#include "lib/model/model.h"
#include "lib/model/q4.h"
#include "lib/sampling/schedule.h"

enum { MODEL_WINOGRAD = 16 };     /* channels of a convolution, in and out, from which on it is Winograd's */
enum { MODEL_PACKED = 64 << 20 }; /* packed weights of a model that may keep them, bytes */

typedef struct model_loader {
  dit_model *model;
  dit_error *error;
  dit_status status; /* of the first failure */
  int pack;          /* 1: matrices are packed as they are loaded */
  uint64_t packed;   /* bytes that packing takes */
  uint16_t *pairs;   /* of q4 codes, once there are any */
} model_loader;

static void *model_take(model_loader *loader, size_t size) {
  const size_t header = 64; /* keeps what follows aligned */
  dit__allocation *block = (dit__allocation *)dit__allocate(&loader->model->options, size + header, 64);
  if (!block) {
    if (!loader->status)
      loader->status =
          dit__fail(loader->error, DIT_ERROR_MEMORY, "no memory for %zu bytes of the model's tables", size);
    return NULL;
  }
  block->next = loader->model->taken;
  block->size = size + header;
  loader->model->taken = block;
  loader->model->memory += block->size;
  memset((uint8_t *)block + header, 0, size);
  return (uint8_t *)block + header;
}

/* ---- Keys ---- */

static int64_t model_integer(model_loader *loader, const char *key, int64_t low, int64_t high, int64_t otherwise,
                             int needed) {
  int64_t value = otherwise;
  if (loader->status) return value;
  const int found = dit__gguf_integer(loader->model->gguf, key, low, high, &value, loader->error);
  if (found < 0) loader->status = DIT_ERROR_FORMAT;
  if (!found && needed)
    loader->status =
        dit__fail(loader->error, DIT_ERROR_FORMAT, "key %s is missing; was the file made by dit-convert?", key);
  return value;
}

static double model_real(model_loader *loader, const char *key, double otherwise) {
  double value = otherwise;
  if (loader->status) return value;
  if (dit__gguf_real(loader->model->gguf, key, &value, loader->error) < 0)
    loader->status = DIT_ERROR_FORMAT;
  else if (!(value > -1e9 && value < 1e9))
    loader->status = dit__fail(loader->error, DIT_ERROR_FORMAT, "key %s: not a reasonable number", key);
  return value;
}

/* Copies a string key into a fixed array; too long ones are cut between characters. */
static void model_text(model_loader *loader, const char *key, char *to, size_t size) {
  const char *text;
  size_t length;
  if (loader->status) return;
  const int found = dit__gguf_string(loader->model->gguf, key, &text, &length, loader->error);
  if (found < 0) loader->status = DIT_ERROR_FORMAT;
  if (found <= 0) return;
  if (length > size - 1)
    for (length = size - 1; length && ((unsigned char)text[length] & 0xc0) == 0x80;) length--;
  memcpy(to, text, length);
  to[length] = 0;
}

/* Which of `names` (separated by '|', counted from 1) a string key holds; 0: absent. */
static int32_t model_choice(model_loader *loader, const char *key, const char *names) {
  char value[32] = "";
  model_text(loader, key, value, sizeof value);
  if (loader->status || !value[0]) return 0;
  int32_t index = 1;
  for (const char *at = names;; index++) {
    const char *end = strchr(at, '|');
    const size_t length = end ? (size_t)(end - at) : strlen(at);
    if (strlen(value) == length && !memcmp(value, at, length)) return index;
    if (!end) break;
    at = end + 1;
  }
  loader->status = dit__fail(loader->error, DIT_ERROR_UNSUPPORTED, "key %s: '%s' is not one of %s", key, value, names);
  return 0;
}

/* ---- Tensors ---- */

static const dit__gguf_tensor *model_tensor(model_loader *loader, const char *name, uint32_t rank,
                                            const uint64_t *shape) {
  if (loader->status) return NULL;
  const dit__gguf_tensor *tensor = dit__gguf_find(loader->model->gguf, name);
  if (!tensor) {
    loader->status = dit__fail(loader->error, DIT_ERROR_FORMAT, "tensor %s is missing", name);
    return NULL;
  }
  int same = tensor->rank == rank;
  for (uint32_t i = 0; same && i < rank; i++) same = tensor->shape[i] == shape[i];
  if (!same) {
    char text[2][96];
    for (int which = 0; which < 2; which++) {
      size_t at = 0;
      const uint32_t ranks = which ? tensor->rank : rank;
      for (uint32_t i = 0; i < ranks; i++)
        at += (size_t)snprintf(text[which] + at, sizeof text[which] - at, "%s%llu", i ? "," : "",
                               (unsigned long long)(which ? tensor->shape[i] : shape[i]));
    }
    loader->status =
        dit__fail(loader->error, DIT_ERROR_FORMAT, "tensor %s has shape [%s], expected [%s]", name, text[1], text[0]);
    return NULL;
  }
  return tensor;
}

static int32_t model_type(uint32_t type) {
  switch (type) {
    case DIT__GGUF_F32: return DIT__F32;
    case DIT__GGUF_F16: return DIT__F16;
    case DIT__GGUF_BF16: return DIT__BF16;
    default: return DIT__I8;
  }
}

/* A vector, as f32. */
static const float *model_vector(model_loader *loader, const char *name, int64_t count) {
  const uint64_t shape[1] = {(uint64_t)count};
  const dit__gguf_tensor *tensor = model_tensor(loader, name, 1, shape);
  if (!tensor) return NULL;
  if (tensor->type == DIT__GGUF_I8) {
    loader->status = dit__fail(loader->error, DIT_ERROR_FORMAT, "tensor %s: a vector cannot be q8 or q4", name);
    return NULL;
  }
  if (!loader->pack) return NULL; /* first pass: only sizes are of interest */
  float *values = (float *)model_take(loader, (size_t)count * sizeof(float));
  if (values) loader->model->kernels.convert(model_type(tensor->type), tensor->data, count, 0, values);
  return values;
}

/* How the rows of a q4 matrix lie; the table of pairs of codes is made with the first of them. */
static void model_q4_rows(model_loader *loader, const int8_t *forms, dit__weights *out) {
  uint32_t *starts = (uint32_t *)model_take(loader, ((size_t)out->rows + 1) * sizeof *starts);
  dit__q4 *q4 = (dit__q4 *)model_take(loader, sizeof *q4);
  if (!loader->pairs && (loader->pairs = (uint16_t *)model_take(loader, DIT__Q4_TABLE_SIZE * sizeof *loader->pairs)))
    dit__q4_decode_table(loader->pairs);
  if (!starts || !q4 || !loader->pairs) return;
  dit__q4_row_offsets(forms, (uint64_t)out->rows, (uint64_t)out->k, starts);
  q4->forms = forms;
  q4->starts = starts;
  q4->pairs = loader->pairs;
  out->q4 = q4;
}

/* A q4 matrix: its codes are one run of bytes, and NAME.form says what each row is made of. */
static void model_q4(model_loader *loader, const char *name, const dit__gguf_tensor *codes, const uint64_t *shape,
                     dit__weights *out) {
  char full[80];
  snprintf(full, sizeof full, "%s.form", name);
  const dit__gguf_tensor *form = model_tensor(loader, full, 1, shape);
  if (!form) return;
  const int8_t *forms = (const int8_t *)form->data;
  const uint64_t widths = form->type == DIT__GGUF_I8 ? dit__q4_sum_bits(forms, shape[0]) : 0;
  const uint64_t size = shape[1] / 8 * widths; /* 2^26 rows of 2^16 numbers at most, in any geometry */
  if (!widths)
    loader->status = dit__fail(loader->error, DIT_ERROR_FORMAT, "tensor %s: must be int8 and name known forms", full);
  else if (shape[1] % 8 || size != codes->count || size > UINT32_MAX)
    loader->status = dit__fail(loader->error, DIT_ERROR_FORMAT,
                               "tensor %s has %llu bytes, but by %s %llu rows of %llu numbers need %llu", name,
                               (unsigned long long)codes->count, full, (unsigned long long)shape[0],
                               (unsigned long long)shape[1], (unsigned long long)size);
  if (loader->status) return;
  out->data = codes->data;
  out->type = DIT__Q4;
  out->rows = (int32_t)shape[0];
  out->stride = out->k = (int32_t)shape[1];
  out->taps = 1;
  loader->model->info.parameters += shape[0] * shape[1];
  snprintf(full, sizeof full, "%s.scale", name);
  out->scale = model_vector(loader, full, (int64_t)shape[0]);
  if (loader->pack && !loader->status) model_q4_rows(loader, forms, out);
}

/* Rows of any type as they lie in the file. */
static void model_weights(model_loader *loader, const char *name, uint32_t rank, const uint64_t *shape, int32_t taps,
                          dit__weights *out) {
  const dit__gguf_tensor *codes = rank == 2 && taps == 1 ? dit__gguf_find(loader->model->gguf, name) : NULL;
  if (codes && codes->type == DIT__GGUF_I8 && codes->rank == 1 && !loader->status) {
    model_q4(loader, name, codes, shape, out);
    return;
  }
  const dit__gguf_tensor *tensor = model_tensor(loader, name, rank, shape);
  if (!tensor) return;
  out->data = tensor->data;
  out->type = model_type(tensor->type);
  out->rows = (int32_t)shape[0];
  out->k = (int32_t)(tensor->count / shape[0]);
  out->stride = out->k;
  out->taps = taps;
  loader->model->info.parameters += tensor->count;
  if (out->type != DIT__I8) return;
  char scale[80];
  snprintf(scale, sizeof scale, "%s.scale", name);
  if (taps > 1 || rank != 2) {
    loader->status =
        dit__fail(loader->error, DIT_ERROR_FORMAT, "tensor %s: only matrices of the transformer can be q8", name);
    return;
  }
  out->scale = model_vector(loader, scale, (int64_t)shape[0]);
}

typedef enum model_use { MODEL_F32, MODEL_F32_ONCE, MODEL_ANY } model_use;

/* Whether and how a matrix is kept packed. ONCE: it is used so seldom that packing it would be waste. */
static void model_pack(model_loader *loader, dit__matrix *matrix, model_use use) {
  const dit__kernels *kernels = &loader->model->kernels;
  const dit__weights *w = &matrix->weights;
  if (use == MODEL_ANY && loader->model->info.compute == DIT_COMPUTE_INT8 && w->type >= DIT__I8)
    matrix->qgemm = &kernels->i8;
  if (use == MODEL_ANY && loader->model->info.compute == DIT_COMPUTE_BF16) matrix->qgemm = &kernels->bf16;
  if (use == MODEL_F32_ONCE) return;
  const size_t nr = (size_t)(matrix->qgemm ? matrix->qgemm->nr : kernels->nr), panels = ((size_t)w->rows + nr - 1) / nr;
  const size_t size = dit__panel_bytes(matrix, kernels) * panels;
  if (!loader->pack) {
    loader->packed += size;
  } else if (loader->packed <= MODEL_PACKED) {
    uint8_t *to = (uint8_t *)model_take(loader, size);
    if (!to) return;
    const size_t rows_bytes = dit__rows_bytes(matrix, kernels);
    int8_t *rows = rows_bytes ? (int8_t *)dit__allocate(&loader->model->options, rows_bytes, 64) : NULL;
    if (rows_bytes && !rows) {
      loader->status = dit__fail(loader->error, DIT_ERROR_MEMORY, "no memory for %zu bytes", rows_bytes);
      return;
    }
    dit__pack(kernels, matrix, 0, w->rows, rows, to);
    if (rows) dit__release(&loader->model->options, rows, rows_bytes);
    if (matrix->qgemm)
      matrix->packed_q = to;
    else
      matrix->panels = (const float *)(const void *)to;
  }
}

/* A linear layer: NAME.weight [rows][k] and NAME.bias [rows]. */
static void model_linear(model_loader *loader, const char *name, int64_t rows, int64_t k, model_use use,
                         dit__matrix *out) {
  char full[96];
  const uint64_t shape[2] = {(uint64_t)rows, (uint64_t)k};
  memset(out, 0, sizeof *out);
  snprintf(full, sizeof full, "%s.weight", name);
  model_weights(loader, full, 2, shape, 1, &out->weights);
  snprintf(full, sizeof full, "%s.bias", name);
  out->bias = model_vector(loader, full, rows);
  loader->model->info.parameters += (uint64_t)rows;
  if (!loader->status) model_pack(loader, out, use);
}

/* A convolution: NAME.weight [rows][channels][side][side] and NAME.bias. With one tap its k are in the file's order. */
static void model_kernel(model_loader *loader, const char *name, int64_t rows, int64_t channels, int64_t side,
                         int32_t taps, int32_t winograd, dit__matrix *out) {
  char full[96];
  const uint64_t shape[4] = {(uint64_t)rows, (uint64_t)channels, (uint64_t)side, (uint64_t)side};
  memset(out, 0, sizeof *out);
  out->winograd = winograd;
  snprintf(full, sizeof full, "%s.weight", name);
  model_weights(loader, full, 4, shape, taps, &out->weights);
  snprintf(full, sizeof full, "%s.bias", name);
  out->bias = model_vector(loader, full, rows);
  loader->model->info.parameters += (uint64_t)rows;
  if (!loader->status) model_pack(loader, out, MODEL_F32);
}

/* A convolution of the autoencoder. 3x3 ones of stride 1 with enough channels are Winograd's: a rule that decides bits
 * (docs/numerics.md). */
static void model_convolution(model_loader *loader, const char *name, int64_t rows, int64_t channels, int64_t side,
                              int32_t stride, dit__matrix *out) {
  const int32_t winograd = side == 3 && stride == 1 && channels >= MODEL_WINOGRAD && rows >= MODEL_WINOGRAD;
  model_kernel(loader, name, rows, channels, side, (int32_t)(side * side), winograd, out);
}

/* ---- The transformer ---- */

static void model_transformer_geometry(model_loader *loader) {
  dit__transformer *dit = &loader->model->dit;
  dit->hidden = (int32_t)model_integer(loader, "dit.hidden_size", 4, 16384, 0, 1);
  dit->depth = (int32_t)model_integer(loader, "dit.depth", 1, 512, 0, 1);
  dit->heads = (int32_t)model_integer(loader, "dit.heads", 1, 256, 0, 1);
  dit->patch = (int32_t)model_integer(loader, "dit.patch", 1, 16, 0, 1);
  dit->latent_size = (int32_t)model_integer(loader, "dit.latent_size", 1, 1024, 0, 1);
  dit->channels = (int32_t)model_integer(loader, "dit.in_channels", 1, 64, 0, 1);
  dit->classes = (int32_t)model_integer(loader, "dit.class_count", 1, 1000000, 0, 1);
  dit->null_class = (int32_t)model_integer(loader, "dit.null_class", -1, dit->classes, -1, 1);
  dit->mlp = (int32_t)model_integer(loader, "dit.mlp_size", 4, 65536, 4 * (int64_t)dit->hidden, 0);
  dit->out_channels = dit->channels * (model_integer(loader, "dit.learned_sigma", 0, 1, 1, 1) ? 2 : 1);
  dit->diffusers = model_choice(loader, "dit.forward", "official|diffusers") == 2;
  dit->mlp_eps = (float)(dit->diffusers ? model_real(loader, "dit.norm_eps", 1e-5) : 1e-6);
  if (loader->status) return;
  if (dit->hidden % dit->heads || dit->hidden % 4 || dit->latent_size % dit->patch)
    loader->status =
        dit__fail(loader->error, DIT_ERROR_FORMAT,
                  "geometry: hidden_size %d must be a multiple of heads %d and of 4, latent_size %d of patch %d",
                  dit->hidden, dit->heads, dit->latent_size, dit->patch);
  else if (!(dit->mlp_eps > 0 && dit->mlp_eps <= 1))
    loader->status = dit__fail(loader->error, DIT_ERROR_FORMAT, "key dit.norm_eps must be above 0 and at most 1");
}

/* What the model was trained with: it predicts the noise of this process. */
static void model_process(model_loader *loader) {
  dit__diffusion *process = &loader->model->dit.diffusion;
  *process = dit__diffusion_default;
  model_choice(loader, "dit.prediction_type", "epsilon");
  process->scaled = model_choice(loader, "dit.beta_schedule", "linear|scaled_linear") == 2;
  process->beta_start = model_real(loader, "dit.beta_start", process->beta_start);
  process->beta_end = model_real(loader, "dit.beta_end", process->beta_end);
  process->timesteps = (int32_t)model_integer(loader, "dit.timesteps", 2, DIT__MAX_TIMESTEPS, process->timesteps, 0);
  process->offset = (int32_t)model_integer(loader, "dit.steps_offset", 0, process->timesteps - 1, 0, 0);
  process->set_alpha_to_one = (int32_t)model_integer(loader, "dit.set_alpha_to_one", 0, 1, 1, 0);
  if (!loader->status) loader->status = dit__diffusion_check(process, loader->error);
}

static void model_transformer(model_loader *loader) {
  dit__transformer *dit = &loader->model->dit;
  const int64_t hidden = dit->hidden, grid = dit->latent_size / dit->patch, patch = dit->patch;
  model_kernel(loader, "x_embedder.proj", hidden, dit->channels, patch, 1, 0, &dit->embed);
  const uint64_t positions[3] = {1, (uint64_t)(grid * grid), (uint64_t)hidden};
  model_weights(loader, "pos_embed", 3, positions, 1, &dit->positions);
  dit->positions.rows = (int32_t)(grid * grid);
  dit->positions.k = (int32_t)hidden;
  dit->positions.stride = hidden;
  model_linear(loader, "t_embedder.mlp.0", hidden, 256, MODEL_F32_ONCE, &dit->t_mlp0);
  model_linear(loader, "t_embedder.mlp.2", hidden, hidden, MODEL_F32_ONCE, &dit->t_mlp2);
  const uint64_t labels[2] = {(uint64_t)dit->classes + (dit->null_class == dit->classes), (uint64_t)hidden};
  model_weights(loader, "y_embedder.embedding_table.weight", 2, labels, 1, &dit->labels);
  if (!loader->status && dit->labels.type == DIT__Q4)
    loader->status =
        dit__fail(loader->error, DIT_ERROR_FORMAT, "tensor y_embedder.embedding_table.weight: cannot be q4");
  for (int32_t i = 0; i < dit->depth && !loader->status; i++) {
    dit__block *block = &dit->blocks[i];
    char name[64];
    snprintf(name, sizeof name, "blocks.%d.attn.qkv", i);
    model_linear(loader, name, 3 * hidden, hidden, MODEL_ANY, &block->qkv);
    snprintf(name, sizeof name, "blocks.%d.attn.proj", i);
    model_linear(loader, name, hidden, hidden, MODEL_ANY, &block->proj);
    snprintf(name, sizeof name, "blocks.%d.mlp.fc1", i);
    model_linear(loader, name, dit->mlp, hidden, MODEL_ANY, &block->fc1);
    snprintf(name, sizeof name, "blocks.%d.mlp.fc2", i);
    model_linear(loader, name, hidden, dit->mlp, MODEL_ANY, &block->fc2);
    snprintf(name, sizeof name, "blocks.%d.adaLN_modulation.1", i);
    model_linear(loader, name, 6 * hidden, hidden, MODEL_F32_ONCE, &block->modulation);
  }
  model_linear(loader, "final_layer.linear", patch * patch * dit->out_channels, hidden, MODEL_F32, &dit->final_linear);
  model_linear(loader, "final_layer.adaLN_modulation.1", 2 * hidden, hidden, MODEL_F32_ONCE, &dit->final_modulation);
}

/* ---- The autoencoder ---- */

static void model_norm(model_loader *loader, const char *prefix, const char *part, int64_t channels, dit__norm *out) {
  char name[96];
  snprintf(name, sizeof name, "%s%s.weight", prefix, part);
  out->gamma = model_vector(loader, name, channels);
  snprintf(name, sizeof name, "%s%s.bias", prefix, part);
  out->beta = model_vector(loader, name, channels);
  loader->model->info.parameters += 2 * (uint64_t)channels;
}

static void model_resnet(model_loader *loader, const char *prefix, int32_t in, int32_t out, dit__resnet *resnet) {
  char name[96];
  resnet->in = in;
  resnet->out = out;
  model_norm(loader, prefix, ".norm1", in, &resnet->norm1);
  model_norm(loader, prefix, ".norm2", out, &resnet->norm2);
  snprintf(name, sizeof name, "%s.conv1", prefix);
  model_convolution(loader, name, out, in, 3, 1, &resnet->conv1);
  snprintf(name, sizeof name, "%s.conv2", prefix);
  model_convolution(loader, name, out, out, 3, 1, &resnet->conv2);
  snprintf(name, sizeof name, "%s.conv_shortcut", prefix);
  if (in != out) model_convolution(loader, name, out, in, 1, 1, &resnet->shortcut);
}

static void model_middle(model_loader *loader, const char *side, int32_t width, dit__vae_mid_block *middle) {
  static const char *const parts[4] = {"to_q", "to_k", "to_v", "to_out.0"};
  dit__matrix *const matrices[4] = {&middle->q, &middle->k, &middle->v, &middle->out};
  char name[96];
  for (int i = 0; i < 2; i++) {
    snprintf(name, sizeof name, "vae.%s.mid_block.resnets.%d", side, i);
    model_resnet(loader, name, width, width, &middle->resnet[i]);
  }
  snprintf(name, sizeof name, "vae.%s.mid_block.attentions.0", side);
  model_norm(loader, name, ".group_norm", width, &middle->norm);
  for (int i = 0; i < 4; i++) {
    snprintf(name, sizeof name, "vae.%s.mid_block.attentions.0.%s", side, parts[i]);
    model_linear(loader, name, width, width, MODEL_F32, matrices[i]);
  }
}

/* Both halves have the same parts: the decoder's levels have one resnet more, upsamplers, and the widths reversed. */
static void model_half(model_loader *loader, int decoder, const int32_t *widths, int32_t layers, dit__vae_coder *half) {
  const dit__vae *vae = &loader->model->vae;
  const char *side = decoder ? "decoder" : "encoder";
  const int32_t last = vae->levels - 1, moments = decoder ? vae->channels : 2 * vae->channels;
  char name[96];
  half->present = 1;
  half->resnets = layers + decoder;
  for (int32_t i = 0; i <= last; i++) half->width[i] = widths[decoder ? last - i : i];
  const int32_t first = half->width[0];
  model_convolution(loader, decoder ? "vae.post_quant_conv" : "vae.quant_conv", moments, moments, 1, 1, &half->quant);
  snprintf(name, sizeof name, "vae.%s.conv_in", side);
  model_convolution(loader, name, first, decoder ? vae->channels : vae->image_channels, 3, 1, &half->conv_in);
  model_middle(loader, side, widths[last], &half->mid_block);
  for (int32_t i = 0, in = first; i <= last && !loader->status; i++) {
    for (int32_t j = 0; j < half->resnets; j++, in = half->width[i]) {
      snprintf(name, sizeof name, "vae.%s.%s_blocks.%d.resnets.%d", side, decoder ? "up" : "down", i, j);
      model_resnet(loader, name, in, half->width[i], &half->level[i][j]);
    }
    snprintf(name, sizeof name, "vae.%s.%s_blocks.%d.%ssamplers.0.conv", side, decoder ? "up" : "down", i,
             decoder ? "up" : "down");
    if (i < last)
      model_convolution(loader, name, half->width[i], half->width[i], 3, decoder ? 1 : 2, &half->resample[i]);
  }
  snprintf(name, sizeof name, "vae.%s", side);
  model_norm(loader, name, ".conv_norm_out", half->width[last], &half->norm_out);
  snprintf(name, sizeof name, "vae.%s.conv_out", side);
  model_convolution(loader, name, decoder ? vae->image_channels : 2 * vae->channels, half->width[last], 3, 1,
                    &half->conv_out);
}

/* Whether the file has a part: by its first tensor or its last, so that a file that lacks one of them is refused. */
static int model_has(const dit__gguf *gguf, const char *first, const char *last) {
  return dit__gguf_find(gguf, first) || dit__gguf_find(gguf, last);
}

static void model_autoencoder(model_loader *loader) {
  dit__vae *vae = &loader->model->vae;
  const dit__gguf *gguf = loader->model->gguf;
  int32_t widths[DIT__MAX_VAE_LEVELS];
  uint64_t levels = 0;
  const int found = dit__gguf_array(gguf, "vae.block_channels", &levels, loader->error);
  const int decoder = model_has(gguf, "vae.decoder.conv_in.weight", "vae.decoder.conv_out.weight");
  const int encoder = model_has(gguf, "vae.encoder.conv_in.weight", "vae.encoder.conv_out.weight");
  if (found < 0) loader->status = DIT_ERROR_FORMAT;
  if (!found && (decoder || encoder))
    loader->status = dit__fail(loader->error, DIT_ERROR_FORMAT,
                               "key vae.block_channels is missing; was the file made by dit-convert?");
  if (!found || loader->status) return;
  vae->groups = (int32_t)model_integer(loader, "vae.groups", 1, 256, 0, 1);
  if (!loader->status && (levels < 1 || levels > DIT__MAX_VAE_LEVELS))
    loader->status = dit__fail(loader->error, DIT_ERROR_FORMAT, "key vae.block_channels: %llu levels, expected 1 to %d",
                               (unsigned long long)levels, DIT__MAX_VAE_LEVELS);
  for (uint64_t i = 0; i < levels && !loader->status; i++) {
    int64_t width = 0;
    if (!dit__gguf_array_integer(gguf, "vae.block_channels", i, &width) || width < 1 || width > 4096 ||
        width % vae->groups)
      loader->status =
          dit__fail(loader->error, DIT_ERROR_FORMAT,
                    "key vae.block_channels: each must be a number of 1 to 4096 and a multiple of vae.groups");
    widths[i] = (int32_t)width;
  }
  const int32_t layers = (int32_t)model_integer(loader, "vae.layers", 1, DIT__MAX_VAE_LAYERS - 1, 0, 1);
  vae->levels = (int32_t)levels;
  vae->factor = 1 << (levels ? levels - 1 : 0);
  vae->image_channels = (int32_t)model_integer(loader, "vae.image_channels", 3, 4, 0, 1);
  vae->channels = (int32_t)model_integer(loader, "vae.latent_channels", 1, 64, 0, 1);
  vae->scaling = model_real(loader, "vae.scaling_factor", 0.18215);
  if (loader->status) return;
  if (!(vae->scaling >= 1e-6 && vae->scaling <= 1e6)) {
    loader->status =
        dit__fail(loader->error, DIT_ERROR_FORMAT, "key vae.scaling_factor must be one millionth to one million");
    return;
  }
  if (decoder) {
    if (!vae->decoder) vae->decoder = (dit__vae_coder *)model_take(loader, sizeof *vae->decoder);
    if (vae->decoder) model_half(loader, 1, widths, layers, vae->decoder);
  }
  if (encoder && !loader->status) {
    if (!vae->encoder) vae->encoder = (dit__vae_coder *)model_take(loader, sizeof *vae->encoder);
    if (vae->encoder) model_half(loader, 0, widths, layers, vae->encoder);
  }
}

/* ---- What the file recommends and says ---- */

static void model_recommendation(model_loader *loader) {
  dit_info *info = &loader->model->info;
  const dit__transformer *dit = &loader->model->dit;
  const int32_t most = dit->diffusion.timesteps < DIT__MAX_STEPS ? dit->diffusion.timesteps : DIT__MAX_STEPS;
  info->steps = (int32_t)model_integer(loader, "dit.steps", 1, most, most < 250 ? most : 250, 0);
  info->sampler = model_choice(loader, "dit.sampler", "ddpm|ddim|dpm++");
  if (!info->sampler) info->sampler = DIT_SAMPLER_DDPM;
  info->timestep_spacing = model_choice(loader, "dit.spacing", "even|ddim|leading|trailing|linspace");
  info->guidance_scale = (float)model_real(loader, "dit.guidance", dit->null_class >= 0 ? 4.0 : 1.0);
  info->guidance_channels =
      (int32_t)model_integer(loader, "dit.guidance_channels", -1, dit->channels, dit->channels > 3 ? 3 : -1, 0);
  if (!loader->status && !(info->guidance_scale >= 0 && info->guidance_scale <= 1000))
    loader->status = dit__fail(loader->error, DIT_ERROR_FORMAT, "key dit.guidance must be 0 to 1000");
  if (!loader->status && info->guidance_channels == 0)
    loader->status =
        dit__fail(loader->error, DIT_ERROR_FORMAT, "key dit.guidance_channels must be 1 to %d, or -1", dit->channels);
  if (info->guidance_channels < 0) info->guidance_channels = dit->channels;
  if (dit->null_class < 0) info->guidance_scale = 1;
  info->variance_type = model_choice(loader, "dit.variance", "learned|fixed_large|fixed_small");
  if (!loader->status && info->variance_type == DIT_VARIANCE_LEARNED_RANGE && dit->out_channels == dit->channels)
    loader->status = dit__fail(loader->error, DIT_ERROR_FORMAT,
                               "key dit.variance is 'learned', but by dit.learned_sigma the model does not predict it");
  if (!info->variance_type)
    info->variance_type = dit->out_channels > dit->channels ? DIT_VARIANCE_LEARNED_RANGE : DIT_VARIANCE_FIXED_LARGE;
  info->clip_sample = model_choice(loader, "dit.clip", "off|on");
  if (!info->clip_sample) info->clip_sample = DIT_CLIP_OFF;
}

static void model_labels(model_loader *loader) {
  uint64_t count = 0, cursor = 0, bytes = 0;
  const dit__gguf *gguf = loader->model->gguf;
  const char *text;
  size_t length;
  const int found = dit__gguf_array(gguf, "dit.labels", &count, loader->error);
  if (found < 0) loader->status = DIT_ERROR_FORMAT;
  if (found <= 0 || loader->status) return;
  if (count > (uint64_t)loader->model->dit.classes) {
    loader->status = dit__fail(loader->error, DIT_ERROR_FORMAT, "key dit.labels: %llu labels for %d classes",
                               (unsigned long long)count, loader->model->dit.classes);
    return;
  }
  for (uint64_t i = 0; i < count; i++) {
    if (!dit__gguf_array_string(gguf, "dit.labels", &cursor, &text, &length)) {
      loader->status = dit__fail(loader->error, DIT_ERROR_FORMAT, "key dit.labels: not an array of strings");
      return;
    }
    bytes += length + 1;
  }
  loader->model->labels = (const char **)model_take(loader, (size_t)count * sizeof(char *));
  char *to = (char *)model_take(loader, (size_t)bytes + 1);
  if (loader->status) return;
  cursor = 0;
  for (uint64_t i = 0; i < count && dit__gguf_array_string(gguf, "dit.labels", &cursor, &text, &length); i++) {
    memcpy(to, text, length);
    loader->model->labels[i] = to;
    to += length + 1;
  }
  loader->model->info.label_count = (int32_t)count;
}

static void model_preview(model_loader *loader) {
  dit_model *model = loader->model;
  const int64_t wanted = (int64_t)model->vae.image_channels * (model->vae.channels + 1);
  uint64_t count = 0;
  const int found = dit__gguf_array(model->gguf, "dit.preview", &count, loader->error);
  if (found < 0) loader->status = DIT_ERROR_FORMAT;
  if (found <= 0 || loader->status || !model->vae.decoder) return;
  float *map = (float *)model_take(loader, (size_t)wanted * sizeof(float));
  for (int64_t i = 0; i < wanted && map; i++) {
    double value = 0;
    if ((uint64_t)wanted != count || !dit__gguf_array_real(model->gguf, "dit.preview", (uint64_t)i, &value)) {
      loader->status =
          dit__fail(loader->error, DIT_ERROR_FORMAT, "key dit.preview: expected %lld numbers", (long long)wanted);
      return;
    }
    map[i] = (float)value;
  }
  model->preview = map;
}

static void model_variant(dit_info *info) {
  static const struct {
    const char *name;
    int32_t depth, hidden, heads;
  } sizes[] = {{"S", 12, 384, 6}, {"B", 12, 768, 12}, {"L", 24, 1024, 16}, {"XL", 28, 1152, 16}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
    if (info->depth == sizes[i].depth && info->hidden_size == sizes[i].hidden && info->heads == sizes[i].heads) {
      snprintf(info->variant, sizeof info->variant, "DiT-%s/%d", sizes[i].name, info->patch_size);
      return;
    }
  if (info->has_transformer)
    snprintf(info->variant, sizeof info->variant, "DiT %dx%dx%d/%d", info->hidden_size, info->depth, info->heads,
             info->patch_size);
  else
    snprintf(info->variant, sizeof info->variant, "AutoencoderKL");
}

static void model_describe(model_loader *loader) {
  dit_model *model = loader->model;
  dit_info *info = &model->info;
  const dit__transformer *dit = &model->dit;
  const dit__vae *vae = &model->vae;
  info->has_transformer = dit->present;
  info->has_decoder = vae->decoder != NULL;
  info->has_encoder = vae->encoder != NULL;
  info->image_channels = vae->image_channels;
  info->latent_channels = vae->channels;
  info->scaling_factor = (float)vae->scaling;
  info->vae_scale_factor = vae->factor;
  info->null_class = -1;
  if (dit->present) {
    info->hidden_size = dit->hidden;
    info->depth = dit->depth;
    info->heads = dit->heads;
    info->patch_size = dit->patch;
    info->latent_size = dit->latent_size;
    info->latent_channels = dit->channels;
    info->out_channels = dit->out_channels;
    info->learned_sigma = dit->out_channels > dit->channels;
    info->class_count = dit->classes;
    info->null_class = dit->null_class;
    info->width = info->height = dit->latent_size * (vae->levels ? vae->factor : 1);
    model_recommendation(loader);
    model_labels(loader);
  }
  model_preview(loader);
  info->has_preview = model->preview != NULL;
  const dit__weights *sample = dit->present   ? &dit->blocks[0].qkv.weights
                               : vae->decoder ? &vae->decoder->conv_in.weights
                                              : &vae->encoder->conv_in.weights;
  info->weight_type = sample->type + DIT_TYPE_F32;
  model_text(loader, "general.name", info->name, sizeof info->name);
  model_text(loader, "general.license", info->license, sizeof info->license);
  model_variant(info);
}

/* ---- Opening and closing ---- */

static dit_status model_options(dit_model *model, const dit_options *options, dit_error *error) {
  dit_options *o = &model->options;
  dit_status status = dit__struct_read(o, sizeof *o, options, "dit_options", error);
  if (!status) status = dit__check_enum("dit_options", "isa", DIT__ENUM_ISA, o->isa, error);
  if (!status) status = dit__check_enum("dit_options", "compute", DIT__ENUM_COMPUTE, o->compute, error);
  if (!status) status = dit__check_enum("dit_options", "load", DIT__ENUM_LOAD, o->load, error);
  if (status) return status;
  if (o->threads < 0 || o->threads > 1024)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_options: threads is %d; it must be 0 to 1024", o->threads);
  if (o->reserved) return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_options: reserved must be 0");
  if (!o->allocate != !o->release)
    return dit__fail(error, DIT_ERROR_ARGUMENT, "dit_options: allocate and release must be given together");
  if (!dit__kernels_get(o->isa, &model->kernels))
    return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                     "dit_options: isa is %s, which this build or processor does not have",
                     dit__name(DIT__ENUM_ISA, o->isa));
  if (o->compute == DIT_COMPUTE_BF16 && !model->kernels.bf16.nr)
    return dit__fail(error, DIT_ERROR_UNSUPPORTED,
                     "dit_options: this processor or instruction set does not multiply bf16; use f32 or int8");
  if (!o->load) o->load = DIT_LOAD_MAP;
  if (!o->threads) {
#ifdef _OPENMP
    o->threads = o->parallel_for ? 8 : dit__processors();
#else
    o->threads = o->parallel_for ? 8 : 1;
#endif
  }
  return DIT_OK;
}

/* The compute mode, and whether the file suits it. */
static void model_compute(model_loader *loader) {
  dit_model *model = loader->model;
  const dit__gguf_tensor *sample = dit__gguf_find(model->gguf, "blocks.0.attn.qkv.weight");
  const int q8 = sample && sample->type == DIT__GGUF_I8;
  model->info.compute = model->options.compute;
  if (!model->info.compute) model->info.compute = q8 ? DIT_COMPUTE_INT8 : DIT_COMPUTE_F32;
  if (model->info.compute == DIT_COMPUTE_INT8 && !q8)
    loader->status =
        dit__fail(loader->error, DIT_ERROR_UNSUPPORTED,
                  "dit_options: computing in int8 needs q8 or q4 weights; convert the model with --type q8");
}

static void model_load(model_loader *loader) {
  dit_model *model = loader->model;
  char architecture[16] = "";
  model_text(loader, "general.architecture", architecture, sizeof architecture);
  if (!loader->status && strcmp(architecture, "dit"))
    loader->status =
        dit__fail(loader->error, DIT_ERROR_FORMAT,
                  "general.architecture is '%s', not 'dit': the file holds another kind of model", architecture);
  if (!loader->status && model_integer(loader, "dit.format", 1, 1 << 20, 1, 0) != 1)
    loader->status = dit__fail(loader->error, DIT_ERROR_UNSUPPORTED, "dit.format: the file needs a newer libdit");
  model_compute(loader);
  model->dit.present = model_has(model->gguf, "x_embedder.proj.weight", "final_layer.linear.weight");
  if (model->dit.present && !loader->status) {
    model_transformer_geometry(loader);
    model_process(loader);
    if (!loader->status)
      model->dit.blocks = (dit__block *)model_take(loader, (size_t)model->dit.depth * sizeof(dit__block));
  }
  for (loader->pack = 0; loader->pack < 2 && !loader->status;
       loader->pack++) { /* first checked and measured, then loaded */
    model->info.parameters = 0;
    if (model->dit.present) model_transformer(loader);
    if (!loader->status) model_autoencoder(loader);
  }
  if (loader->status) return;
  const int vae = model->vae.decoder || model->vae.encoder;
  if (!model->dit.present && !vae)
    loader->status =
        dit__fail(loader->error, DIT_ERROR_FORMAT, "the file holds neither a transformer nor an autoencoder");
  else if (model->dit.present && vae && model->dit.channels != model->vae.channels)
    loader->status =
        dit__fail(loader->error, DIT_ERROR_FORMAT, "the transformer has %d latent channels, the autoencoder %d",
                  model->dit.channels, model->vae.channels);
  else
    model_describe(loader);
  model->unit_flops = loader->packed <= MODEL_PACKED ? 0.05e9 : 1e9;
}

static void model_free(dit_model *model) {
  const dit_options options = model->options;
  for (dit__allocation *block = model->taken; block;) {
    dit__allocation *next = block->next;
    dit__release(&options, block, block->size);
    block = next;
  }
  if (model->gguf) dit__gguf_close(model->gguf, &options);
  dit__file_close(&model->file, &options);
  dit__release(&options, model, sizeof *model);
}

dit_status dit__model_open(const char *path, const void *data, size_t size, const dit_options *options, dit_model **out,
                           dit_error *error) {
  dit_model start;
  memset(&start, 0, sizeof start);
  *out = NULL;
  dit_status status = model_options(&start, options, error);
  if (status) return status;
  dit_model *model = (dit_model *)dit__allocate(&start.options, sizeof *model, 64);
  if (!model) return dit__fail(error, DIT_ERROR_MEMORY, "no memory for a model");
  *model = start;
  model->references = 1;
  model_loader loader = {model, error, DIT_OK, 0, 0, NULL};
  if (path) {
    loader.status = dit__file_open(path, model->options.load, &model->options, &model->file, error);
  } else {
    model->file.bytes = (const uint8_t *)data;
    model->file.size = size;
  }
  if (!loader.status)
    loader.status = dit__gguf_open(model->file.bytes, model->file.size, &model->options, &model->gguf, error);
  if (!loader.status) model_load(&loader);
  if (loader.status) {
    if (path && error && error->status == loader.status && strncmp(error->message, path, strlen(path))) {
      char message[sizeof error->message];
      memcpy(message, error->message, sizeof message);
      dit__fail(error, loader.status, "%.180s: %.320s", path, message);
    }
    model_free(model);
    return loader.status;
  }
  dit_info *info = &model->info;
  info->numerics = DIT_NUMERICS;
  info->isa = model->kernels.isa;
  info->load = path ? model->options.load : DIT_LOAD_MAP;
  info->threads = model->options.threads;
  info->file_size = model->file.size;
  model->memory += sizeof *model + dit__gguf_memory(model->gguf);
  info->memory = model->memory + (path && model->options.load == DIT_LOAD_READ ? model->file.size : 0);
  *out = model;
  return DIT_OK;
}

void dit__model_hold(const dit_model *model) { dit__atomic_add(&((dit_model *)(uintptr_t)model)->references, 1); }

void dit__model_release(dit_model *model) {
  if (dit__atomic_add(&model->references, -1) == 0) model_free(model);
}
