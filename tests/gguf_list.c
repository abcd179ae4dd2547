/* gguf_list FILE: what our reader finds in a model file, a line for each key (name, type, value) and tensor (name,
 * type, shape with the fastest extent first, offset in the file). tests/strangers/model_file.py prints the same with
 * another reader. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/core/platform.h"
#include "lib/model/gguf.h"

/* The type stands behind the name in a key's record, and an array's type of elements behind that. */
static uint32_t type_at(const uint8_t *record, size_t at) {
  uint32_t type;
  memcpy(&type, record + at, sizeof type);
  return type;
}

static void print_real(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  printf("%016" PRIx64, bits);
}

static int print_array(const dit__gguf *file, const char *name, uint32_t element) {
  uint64_t count = 0, cursor = 0;
  if (dit__gguf_array(file, name, &count, NULL) != 1) return 0;
  printf(" of %u: %" PRIu64, element, count);
  for (uint64_t i = 0; i < count; i++) {
    const char *text;
    size_t length;
    double real;
    int64_t integer;
    if (element == DIT__KEY_STRING && dit__gguf_array_string(file, name, &cursor, &text, &length))
      printf(" '%.*s'", (int)length, text);
    else if ((element == DIT__KEY_F32 || element == DIT__KEY_F64) && dit__gguf_array_real(file, name, i, &real))
      printf(" "), print_real(real);
    else if (dit__gguf_array_integer(file, name, i, &integer))
      printf(" %" PRId64, integer);
    else
      return 0;
  }
  return 1;
}

static int print_value(const dit__gguf *file, const char *name, uint32_t type, const uint8_t *record, size_t after) {
  const char *text;
  size_t length;
  double real;
  int64_t integer;
  switch (type) {
    case DIT__KEY_STRING:
      if (dit__gguf_string(file, name, &text, &length, NULL) != 1) return 0;
      return printf(" '%.*s'", (int)length, text) > 0;
    case DIT__KEY_F32:
    case DIT__KEY_F64:
      if (dit__gguf_real(file, name, &real, NULL) != 1) return 0;
      printf(" ");
      print_real(real);
      return 1;
    case DIT__KEY_ARRAY: return print_array(file, name, type_at(record, after));
    default:
      if (dit__gguf_integer(file, name, INT64_MIN, INT64_MAX, &integer, NULL) != 1) return 0;
      return printf(" %" PRId64, integer) > 0;
  }
}

static int print_all(const dit__gguf *file, const uint8_t *bytes) {
  const char *name;
  const uint8_t *record;
  size_t length, size;
  for (uint64_t i = 0; (record = dit__gguf_key_at(file, i, &name, &length, &size)) != NULL; i++) {
    char key[128] = "";
    snprintf(key, sizeof key, "%.*s", (int)length, name);
    uint32_t type = type_at(record, 8 + length);
    printf("key %s %u", key, type);
    if (!print_value(file, key, type, record, 12 + length)) return 1;
    printf("\n");
  }
  for (uint64_t i = 0; i < dit__gguf_tensor_count(file); i++) {
    const dit__gguf_tensor *t = dit__gguf_tensor_at(file, i);
    printf("tensor %s %u", t->name, t->type);
    for (uint32_t k = t->rank; k-- > 0;) printf(" %" PRIu64, t->shape[k]);
    printf(" at %zu\n", (size_t)(t->data - bytes));
  }
  return 0;
}

int main(int count, char **arguments) {
  dit__file bytes;
  dit__gguf *file;
  dit_error error = {0, ""};
  if (count != 2) return 2;
  if (dit__file_open(arguments[1], DIT_LOAD_MAP, NULL, &bytes, &error) ||
      dit__gguf_open(bytes.bytes, bytes.size, NULL, &file, &error)) {
    fprintf(stderr, "gguf_list: %s\n", error.message);
    return 1;
  }
  int status = print_all(file, bytes.bytes);
  dit__gguf_close(file, NULL);
  dit__file_close(&bytes, NULL);
  return status;
}
