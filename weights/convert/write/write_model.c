#include "weights/convert/write/check_written.h"
#include "weights/convert/write/write_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/core/error.h"
#include "lib/core/little_endian.h"
#include "weights/convert/write/encode.h"
#include "weights/convert/write/encode_q4.h"
#include "weights/convert/write/gguf_write.h"
#include "weights/convert/write/keys.h"

enum { CHUNK = 1 << 20 }; /* elements read at a time */

/* Returns the type of a tensor in the file to be written. With `type` 0 it is the one that the tensor has. */
static uint32_t type_of(const content_tensor *t, int type) {
  switch (type) {
    case 0:
      switch (t->from ? t->from->type : CHECKPOINT_F16) {
        case CHECKPOINT_F32:
        case CHECKPOINT_F64: return DIT__GGUF_F32;
        case CHECKPOINT_BF16: return DIT__GGUF_BF16;
        case CHECKPOINT_Q8:
        case CHECKPOINT_Q4: return DIT__GGUF_I8;
        default: return DIT__GGUF_F16;
      }
    case DIT_TYPE_F32: return DIT__GGUF_F32;
    case DIT_TYPE_BF16: return DIT__GGUF_BF16;
    case DIT_TYPE_Q8:
    case DIT_TYPE_Q4:
      return t->tensor.flags & DIT__LARGE ? DIT__GGUF_I8 : t->tensor.rank == 1 ? DIT__GGUF_F32 : DIT__GGUF_F16;
    default: return DIT__GGUF_F16;
  }
}

static int was_q4(const content_tensor *t) { return t->from && t->from->type == CHECKPOINT_Q4; }

/* Returns whether a matrix is written as q4. Rows whose length is not a multiple of 8 are written as q8 instead. */
static int is_q4(const content_tensor *t, int type) {
  if (type == 0) return was_q4(t);
  return type == DIT_TYPE_Q4 && t->tensor.flags & DIT__LARGE && t->tensor.shape[1] % 8 == 0;
}

static uint64_t code_bytes(const content_tensor *t, int depth) {
  return was_q4(t) ? t->from->q4->row_offsets[t->tensor.shape[0]] : q4_bytes(&t->tensor, depth);
}

static void declare(gguf_writer *w, const content_tensor *from, int type, int depth) {
  const dit__tensor *t = &from->tensor;
  const uint32_t kind = type_of(from, type);
  char companion[80];
  if (is_q4(from, type)) {
    const uint64_t bytes[1] = {code_bytes(from, depth)};
    gguf_writer_tensor(w, t->name, kind, 1, bytes);
    snprintf(companion, sizeof companion, "%s.form", t->name);
    gguf_writer_tensor(w, companion, kind, 1, t->shape);
  } else {
    gguf_writer_tensor(w, t->name, kind, t->rank, t->shape);
    if (kind != DIT__GGUF_I8) return;
  }
  snprintf(companion, sizeof companion, "%s.scale", t->name);
  gguf_writer_tensor(w, companion, DIT__GGUF_F32, 1, t->shape);
}

/* What writing one tensor after the other shares. */
typedef struct writing {
  const model_content *m;
  gguf_writer *w;
  const progress *watch;
  uint64_t done, total; /* bytes */
  float *values;        /* CHUNK, or a row if that is more */
  float *scales;        /* for each row of the tallest matrix */
  int8_t *narrow;       /* int8 or codes of `values` */
  int8_t *row_formats;  /* of q4, for each row */
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

static dit_status put_scales(writing *run, size_t count, dit_error *error) {
  uint8_t bytes[1024];
  const size_t most = sizeof bytes / sizeof(float);
  dit_status status = DIT_OK;
  for (size_t first = 0; !status && first < count; first += most) {
    const size_t n = count - first < most ? count - first : most;
    copy_le(bytes, run->scales + first, sizeof(float), n);
    status = put(run, bytes, n * sizeof(float), error);
  }
  return status;
}

static dit_status write_plain(writing *run, const content_tensor *t, uint32_t type, dit_error *error) {
  uint64_t count = dit__tensor_elements(&t->tensor);
  dit_status status = DIT_OK;
  for (uint64_t first = 0; !status && first < count; first += CHUNK) {
    size_t n = count - first < CHUNK ? (size_t)(count - first) : CHUNK;
    content_read(run->m, t, first, n, run->values);
    status = encode_values(t->tensor.name, type, run->values, n, run->values, error);
    if (!status) status = put(run, run->values, n * dit__gguf_type_size(type), error);
  }
  return status;
}

/* Copies q8 that stays q8. */
static dit_status copy_q8(writing *run, const checkpoint_tensor *from, dit_error *error) {
  uint64_t count = checkpoint_elements(from);
  dit_status status = DIT_OK;
  for (uint64_t first = 0; !status && first < count; first += CHUNK)
    status = put(run, from->data + first, count - first < CHUNK ? (size_t)(count - first) : CHUNK, error);
  return status ? status : put(run, from->scale, (size_t)from->shape[0] * sizeof(float), error);
}

/* Copies q4 that stays q4. */
static dit_status copy_q4(writing *run, const checkpoint_tensor *from, dit_error *error) {
  const size_t rows = (size_t)from->shape[0];
  const uint64_t count = from->q4->row_offsets[rows];
  dit_status status = DIT_OK;
  for (uint64_t first = 0; !status && first < count; first += CHUNK)
    status = put(run, from->data + first, count - first < CHUNK ? (size_t)(count - first) : CHUNK, error);
  if (!status) status = put(run, from->q4->rows.row_formats, rows, error);
  return status ? status : put(run, from->scale, rows * sizeof(float), error);
}

/* Writes the rows as codes, and after the last one their formats and scales. */
static dit_status write_q4(writing *run, const content_tensor *t, dit_error *error) {
  const size_t rows = (size_t)t->tensor.shape[0], columns = (size_t)t->tensor.shape[1];
  const size_t most = columns < CHUNK ? CHUNK / columns : 1;
  q4_inputs inputs;
  dit_status status = q4_inputs_make(run->m, &run->conditions, t, &inputs, error);
  for (size_t row = 0; !status && row < rows; row += most) {
    const q4_rows part = {.first = row,
                          .count = rows - row < most ? rows - row : most,
                          .values = run->values,
                          .codes = (uint8_t *)run->narrow,
                          .row_formats = run->row_formats + row,
                          .scales = run->scales + row};
    size_t size = 0;
    content_read(run->m, t, part.first * columns, part.count * columns, run->values);
    status = q4_encode(run->encoder, &t->tensor, run->depth, &inputs, &part, &size, error);
    if (!status) status = put(run, run->narrow, size, error);
  }
  q4_inputs_free(&inputs);
  if (!status) status = put(run, run->row_formats, rows, error);
  return status ? status : put_scales(run, rows, error);
}

/* Writes the rows as int8, and after the last one their scales. */
static dit_status write_q8(writing *run, const content_tensor *t, dit_error *error) {
  size_t rows = (size_t)t->tensor.shape[0], columns = (size_t)t->tensor.shape[1];
  size_t most = columns < CHUNK ? CHUNK / columns : 1;
  dit_status status = DIT_OK;
  for (size_t row = 0; !status && row < rows; row += most) {
    size_t n = rows - row < most ? rows - row : most;
    content_read(run->m, t, (uint64_t)row * columns, (uint64_t)n * columns, run->values);
    status = encode_q8(t->tensor.name, run->values, n, columns, run->narrow, run->scales + row, error);
    if (!status) status = put(run, run->narrow, n * columns, error);
  }
  return status ? status : put_scales(run, rows, error);
}

static dit_status write_tensor(writing *run, const content_tensor *t, int type, dit_error *error) {
  const uint32_t kind = type_of(t, type);
  if (is_q4(t, type)) return was_q4(t) ? copy_q4(run, t->from, error) : write_q4(run, t, error);
  if (kind != DIT__GGUF_I8) return write_plain(run, t, kind, error);
  return t->from && t->from->type == CHECKPOINT_Q8 ? copy_q8(run, t->from, error) : write_q8(run, t, error);
}

static dit_status write_tensors(writing *run, int type, dit_error *error) {
  size_t widest = CHUNK, tallest = 1;
  for (size_t i = 0; i < run->m->count; i++) {
    const content_tensor *t = &run->m->tensors[i];
    if (type_of(t, type) != DIT__GGUF_I8) continue;
    if (t->tensor.shape[1] > widest) widest = (size_t)t->tensor.shape[1];
    if (t->tensor.shape[0] > tallest) tallest = (size_t)t->tensor.shape[0];
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

/* Gathers what rounding to q4 goes by. */
static dit_status prepare_q4(writing *run, const convert_options *options, dit_error *error) {
  const int diffusers = options->forward ? options->forward == FORWARD_DIFFUSERS : run->m->diffusers;
  for (size_t i = 0; i < run->m->count; i++)
    if (run->depth <= run->m->tensors[i].tensor.block) run->depth = run->m->tensors[i].tensor.block + 1;
  dit_status status = q4_encoder_open(&run->encoder, error);
  return status ? status : q4_conditions_make(run->m, diffusers, &run->conditions, error);
}

dit_status model_write(const model_content *m, const convert_options *options, const char *path, const progress *watch,
                       uint64_t *bytes, dit_error *error) {
  writing run;
  uint64_t size = 0;
  int type = options->type || m->file ? options->type : DIT_TYPE_F16;
  memset(&run, 0, sizeof run);
  run.m = m;
  run.watch = watch;
  if (!m->count) return dit__fail(error, DIT_ERROR_ARGUMENT, "nothing to write");
  dit_status status = gguf_writer_open(path, &run.w, error);
  if (status) return status;
  status = keys_write(run.w, m, options, error);
  if (!status && type == DIT_TYPE_Q4) status = prepare_q4(&run, options, error);
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
  return gguf_writer_finish(run.w, check_written, error);
}
