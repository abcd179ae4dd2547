/* Writes model files as a stream: keys, then the list of tensors, then their bytes in that order. Everything goes to a
 * temporary file beside PATH, which replaces PATH at the end; on failure nothing is left behind. */
#ifndef DIT_CONVERT_GGUF_WRITE_H
#define DIT_CONVERT_GGUF_WRITE_H

#include "lib/model/gguf.h"

enum { GGUF_ALIGNMENT = 64 };

typedef struct gguf_writer gguf_writer;

/* Creates the temporary file, so that a folder that cannot be written to is reported before any work. */
dit_status gguf_writer_open(const char *path, gguf_writer **writer, dit_error *error);

/* Add keys. Failures (no memory, a name too long) are reported by gguf_writer_begin. The writer adds general.alignment
 * itself. */
void gguf_writer_string(gguf_writer *w, const char *key, const char *text);
void gguf_writer_u32(gguf_writer *w, const char *key, uint32_t value);
void gguf_writer_i32(gguf_writer *w, const char *key, int32_t value);
void gguf_writer_bool(gguf_writer *w, const char *key, int value);
void gguf_writer_f32(gguf_writer *w, const char *key, float value);
void gguf_writer_f64(gguf_writer *w, const char *key, double value);
void gguf_writer_strings(gguf_writer *w, const char *key, const char *const *texts, size_t count);
void gguf_writer_u32s(gguf_writer *w, const char *key, const uint32_t *values, size_t count);
void gguf_writer_f32s(gguf_writer *w, const char *key, const float *values, size_t count);
/* Adds a key of another file, with the bytes that it has there (dit__gguf_key_at). */
void gguf_writer_copy(gguf_writer *w, const uint8_t *record, size_t size);

/* Adds a tensor; the shape has its slowest extent first. */
void gguf_writer_tensor(gguf_writer *w, const char *name, uint32_t type, uint32_t rank, const uint64_t *shape);

/* Writes the header. *bytes, which may be NULL, becomes the size of the whole file to come. */
dit_status gguf_writer_begin(gguf_writer *w, uint64_t *bytes, dit_error *error);
/* Writes the next bytes of the tensors, in chunks of any size that do not cross from one tensor into the next. */
dit_status gguf_writer_data(gguf_writer *w, const void *bytes, size_t size, dit_error *error);
/* Looks at the whole file, under a temporary name, before it gets its own; anything but DIT_OK keeps it from that. */
typedef dit_status gguf_writer_check(const char *path, dit_error *error);

/* Gives the file its name, if every byte came, was written and is on the disk, and if `check`, which may be NULL, has
 * nothing against it. An older file of that name is replaced in one step. Frees the writer in any case. */
dit_status gguf_writer_finish(gguf_writer *w, gguf_writer_check *check, dit_error *error);
/* Removes what was written, and frees the writer, which may be NULL. */
void gguf_writer_abandon(gguf_writer *w);

#endif
