/* JSON texts, and the readers of configurations that take them. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/json.h"
#include "tests/fuzz/target.h"
#include "weights/convert/read/json.h"
#include "weights/convert/shape/scheduler.h"

static size_t walk(const json_value *v) {
  size_t sum = 0;
  int64_t whole;
  for (; v; v = v->next) {
    sum += v->key ? strlen(v->key) : 0;
    sum += v->text ? strlen(v->text) : 0;
    sum += (size_t)json_integer(v, -1000, 1000, &whole) + walk(v->child);
  }
  return sum;
}

static void run(const uint8_t *data, size_t size) {
  char *copy = (char *)malloc(size + !size); /* of the exact size, so that a byte too far is seen */
  dit_error error;
  schedule s;
  if (!copy) abort();
  if (size) memcpy(copy, data, size);
  json_value *v = json_parse(copy, size, "text", &error);
  if (v && walk(v) > 2 * size) abort();
  if (v) scheduler_read(v, "text", &s, &error);
  json_free(v);
  free(copy);
}

const fuzz_target fuzz_json = {"json", run, fuzz_mutate_json, NULL};
