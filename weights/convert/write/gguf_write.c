/* Writes the model file. */
#if !defined(_WIN32) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L /* large files and stat under -std=c11 */
#endif
#define _FILE_OFFSET_BITS 64
#include "lib/core/numerics.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifndef _WIN32
#include <sys/stat.h>
#endif

#include "lib/core/error.h"
#include "lib/core/little_endian.h"
#include "weights/convert/write/gguf_write.h"
#include "programs/new_file.h"

typedef struct gguf_bytes {
  uint8_t *data;
  size_t size, room;
} gguf_bytes;

struct gguf_writer {
  new_file out;
  char *path;               /* as the caller named it */
  gguf_bytes keys, tensors; /* the two lists of the header */
  uint64_t *sizes;          /* bytes of each tensor */
  uint64_t key_count, tensor_count;
  uint64_t offset;  /* of the next tensor's data */
  uint64_t current; /* tensor whose bytes are being written ... */
  uint64_t done;    /* ... and how many of them are */
  dit_error failure;
};

/* ---- Growing the header ---- */

/* Keeps the first failure. */
static void writer_fail(gguf_writer *w, dit_status status, const char *format, ...) {
  va_list arguments;
  if (w->failure.status) return;
  w->failure.status = status;
  va_start(arguments, format);
  vsnprintf(w->failure.message, sizeof w->failure.message, format, arguments);
  va_end(arguments);
}

static void writer_append(gguf_writer *w, gguf_bytes *bytes, const void *data, size_t size) {
  if (w->failure.status || !size) return;
  if (bytes->room - bytes->size < size) {
    size_t room = bytes->room * 2 > bytes->size + size ? bytes->room * 2 : bytes->size + size + 4096;
    uint8_t *grown = (uint8_t *)realloc(bytes->data, room);
    if (!grown) {
      writer_fail(w, DIT_ERROR_MEMORY, "%s: no memory for the header", w->path);
      return;
    }
    bytes->data = grown;
    bytes->room = room;
  }
  memcpy(bytes->data + bytes->size, data, size);
  bytes->size += size;
}

/* Appends numbers of `size` bytes each. */
static void writer_append_numbers(gguf_writer *w, gguf_bytes *bytes, const void *numbers, size_t size, size_t count) {
  const uint8_t *from = (const uint8_t *)numbers;
  for (; count; count--, from += size) {
    uint8_t number[8];
    copy_le(number, from, size, 1);
    writer_append(w, bytes, number, size);
  }
}

static void writer_append_u32(gguf_writer *w, gguf_bytes *bytes, uint32_t value) {
  writer_append_numbers(w, bytes, &value, sizeof value, 1);
}

static void writer_append_u64(gguf_writer *w, gguf_bytes *bytes, uint64_t value) {
  writer_append_numbers(w, bytes, &value, sizeof value, 1);
}

static void writer_append_string(gguf_writer *w, gguf_bytes *bytes, const char *text) {
  const size_t length = strlen(text);
  writer_append_u64(w, bytes, length);
  writer_append(w, bytes, text, length);
}

static void writer_key(gguf_writer *w, const char *key, uint32_t type) {
  w->key_count++;
  writer_append_string(w, &w->keys, key);
  writer_append_u32(w, &w->keys, type);
}

static void writer_number(gguf_writer *w, const char *key, uint32_t type, const void *value, size_t size) {
  writer_key(w, key, type);
  writer_append_numbers(w, &w->keys, value, size, 1);
}

static void writer_array(gguf_writer *w, const char *key, uint32_t type, uint64_t count) {
  writer_key(w, key, DIT__KEY_ARRAY);
  writer_append_u32(w, &w->keys, type);
  writer_append_u64(w, &w->keys, count);
}

void gguf_writer_string(gguf_writer *w, const char *key, const char *text) {
  writer_key(w, key, DIT__KEY_STRING);
  writer_append_string(w, &w->keys, text);
}

void gguf_writer_u32(gguf_writer *w, const char *key, uint32_t value) {
  writer_number(w, key, DIT__KEY_U32, &value, sizeof value);
}

void gguf_writer_i32(gguf_writer *w, const char *key, int32_t value) {
  writer_number(w, key, DIT__KEY_I32, &value, sizeof value);
}

void gguf_writer_bool(gguf_writer *w, const char *key, int value) {
  uint8_t byte = value != 0;
  writer_number(w, key, DIT__KEY_BOOL, &byte, sizeof byte);
}

void gguf_writer_f32(gguf_writer *w, const char *key, float value) {
  writer_number(w, key, DIT__KEY_F32, &value, sizeof value);
}

void gguf_writer_f64(gguf_writer *w, const char *key, double value) {
  writer_number(w, key, DIT__KEY_F64, &value, sizeof value);
}

void gguf_writer_strings(gguf_writer *w, const char *key, const char *const *texts, size_t count) {
  writer_array(w, key, DIT__KEY_STRING, count);
  for (size_t i = 0; i < count; i++) writer_append_string(w, &w->keys, texts[i]);
}

void gguf_writer_u32s(gguf_writer *w, const char *key, const uint32_t *values, size_t count) {
  writer_array(w, key, DIT__KEY_U32, count);
  writer_append_numbers(w, &w->keys, values, sizeof *values, count);
}

void gguf_writer_f32s(gguf_writer *w, const char *key, const float *values, size_t count) {
  writer_array(w, key, DIT__KEY_F32, count);
  writer_append_numbers(w, &w->keys, values, sizeof *values, count);
}

void gguf_writer_copy(gguf_writer *w, const uint8_t *record, size_t size) {
  w->key_count++;
  writer_append(w, &w->keys, record, size);
}

void gguf_writer_tensor(gguf_writer *w, const char *name, uint32_t type, uint32_t rank, const uint64_t *shape) {
  uint64_t size = dit__gguf_type_size(type);
  uint64_t *sizes = (uint64_t *)realloc(w->sizes, ((size_t)w->tensor_count + 1) * sizeof *sizes);
  if (!sizes) {
    writer_fail(w, DIT_ERROR_MEMORY, "%s: no memory for the header", w->path);
    return;
  }
  w->sizes = sizes;
  if (strlen(name) > 63) writer_fail(w, DIT_ERROR_UNSUPPORTED, "tensor %s: the name is longer than 63 bytes", name);
  if (!size || rank < 1 || rank > 4) {
    writer_fail(w, DIT_ERROR_ARGUMENT, "tensor %s: type %u of rank %u cannot be written", name, (unsigned)type,
                (unsigned)rank);
    return;
  }
  writer_append_string(w, &w->tensors, name);
  writer_append_u32(w, &w->tensors, rank);
  for (uint32_t i = rank; i-- > 0;) { /* the file has the fastest extent first */
    writer_append_u64(w, &w->tensors, shape[i]);
    if (shape[i] == 0 || size > (UINT64_MAX >> 2) / shape[i]) {
      writer_fail(w, DIT_ERROR_ARGUMENT, "tensor %s: an impossible extent of %llu", name, (unsigned long long)shape[i]);
      return;
    }
    size *= shape[i];
  }
  writer_append_u32(w, &w->tensors, type);
  writer_append_u64(w, &w->tensors, w->offset);
  w->sizes[w->tensor_count++] = size;
  w->offset += (size + GGUF_ALIGNMENT - 1) / GGUF_ALIGNMENT * GGUF_ALIGNMENT;
}

/* ---- The file ---- */

/* Returns whether a path may be replaced: only a regular file may, no folder, and never /dev/null. */
static int writer_may_replace(const char *path) {
#ifdef _WIN32
  (void)path;
  return 1;
#else
  struct stat about;
  return stat(path, &about) || S_ISREG(about.st_mode);
#endif
}

static void writer_release(gguf_writer *w) {
  new_file_end(&w->out);
  free(w->path);
  free(w->keys.data);
  free(w->tensors.data);
  free(w->sizes);
  free(w);
}

void gguf_writer_abandon(gguf_writer *w) {
  if (w) writer_release(w);
}

dit_status gguf_writer_open(const char *path, gguf_writer **writer, dit_error *error) {
  *writer = NULL;
  if (!*path) return dit__fail(error, DIT_ERROR_ARGUMENT, "the name of the file to write is empty");
  if (!writer_may_replace(path)) return dit__fail(error, DIT_ERROR_IO, "%s: not a regular file", path);
  size_t length = strlen(path);
  gguf_writer *w = (gguf_writer *)calloc(1, sizeof *w);
  if (w) w->path = (char *)malloc(length + 1);
  if (!w || !w->path) {
    gguf_writer_abandon(w);
    return dit__fail(error, DIT_ERROR_MEMORY, "%s: out of memory", path);
  }
  memcpy(w->path, path, length + 1);
  if (new_file_open(&w->out, path)) {
    dit_status status = dit__fail(error, DIT_ERROR_IO, "%s: cannot be written: %s", path, strerror(errno));
    gguf_writer_abandon(w);
    return status;
  }
  gguf_writer_u32(w, "general.alignment", GGUF_ALIGNMENT);
  *writer = w;
  return DIT_OK;
}

static dit_status writer_put(gguf_writer *w, const void *bytes, size_t size, dit_error *error) {
  errno = 0;
  if (size && fwrite(bytes, 1, size, w->out.file) != size)
    return dit__fail(error, DIT_ERROR_IO, "%s: cannot be written: %s", w->path, strerror(errno));
  return DIT_OK;
}

static dit_status writer_pad(gguf_writer *w, uint64_t position, dit_error *error) {
  static const uint8_t zeroes[GGUF_ALIGNMENT];
  return writer_put(w, zeroes, (size_t)((GGUF_ALIGNMENT - position % GGUF_ALIGNMENT) % GGUF_ALIGNMENT), error);
}

dit_status gguf_writer_begin(gguf_writer *w, uint64_t *bytes, dit_error *error) {
  const uint64_t counts[2] = {w->tensor_count, w->key_count};
  uint8_t start[24] = {'G', 'G', 'U', 'F', 3};
  if (w->failure.status) return dit__fail(error, w->failure.status, "%s", w->failure.message);
  copy_le(start + 8, counts, sizeof counts[0], 2);
  uint64_t header = sizeof start + w->keys.size + w->tensors.size;
  dit_status status = writer_put(w, start, sizeof start, error);
  if (!status) status = writer_put(w, w->keys.data, w->keys.size, error);
  if (!status) status = writer_put(w, w->tensors.data, w->tensors.size, error);
  if (!status) status = writer_pad(w, header, error);
  if (bytes) *bytes = (header + GGUF_ALIGNMENT - 1) / GGUF_ALIGNMENT * GGUF_ALIGNMENT + w->offset;
  return status;
}

dit_status gguf_writer_data(gguf_writer *w, const void *bytes, size_t size, dit_error *error) {
  if (w->current >= w->tensor_count || size > w->sizes[w->current] - w->done)
    return dit__fail(error, DIT_ERROR_STATE, "%s: more bytes than tensor %llu has", w->path,
                     (unsigned long long)w->current);
  dit_status status = writer_put(w, bytes, size, error);
  w->done += size;
  if (status || w->done < w->sizes[w->current]) return status;
  w->current++;
  w->done = 0;
  return writer_pad(w, w->sizes[w->current - 1], error);
}

/* The bytes of the file are on the disk afterwards. */
static dit_status writer_close(gguf_writer *w, dit_error *error) {
  errno = 0;
  if (!new_file_close(&w->out)) return DIT_OK;
  return dit__fail(error, DIT_ERROR_IO, "%s: cannot be written: %s", w->path, strerror(errno));
}

dit_status gguf_writer_finish(gguf_writer *w, gguf_writer_check *check, dit_error *error) {
  dit_status status = DIT_OK;
  if (w->current != w->tensor_count)
    status = dit__fail(error, DIT_ERROR_STATE, "%s: the bytes of tensor %llu are missing", w->path,
                       (unsigned long long)w->current);
  if (!status) status = writer_close(w, error);
  if (!status && check) status = check(w->out.temporary, error);
  errno = 0;
  if (!status && new_file_publish(&w->out))
    status = dit__fail(error, DIT_ERROR_IO, "%s: cannot be replaced: %s", w->path, strerror(errno));
  writer_release(w);
  return status;
}
