/* Words of the command line: lists of classes, and patterns of file names. */
#include <stdlib.h>
#include <string.h>

#include "examples/cli/classes.h"
#include "examples/cli/message.h"
#include "examples/cli/number.h"
#include "examples/cli/pattern.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/tiny.h"

static const dit_model *model(dit_info *info) {
  static dit_model *opened;
  size_t size;
  const uint8_t *data = tiny_model(1, &size);
  const dit_options options = {.struct_size = sizeof options, .threads = 1};
  if (!opened && dit_model_open_memory(data, size, &options, &opened, NULL)) abort();
  info->struct_size = sizeof *info;
  dit_model_info(opened, info);
  return opened;
}

static void run(const uint8_t *data, size_t size) {
  static const int32_t ids[] = {0, 2, -1};
  static const uint64_t seeds[] = {1, 2, UINT64_MAX};
  dit_info info;
  class_list list;
  char **names, *text = (char *)calloc(1, size + 1);
  float real;
  if (!text) abort();
  for (size_t i = 0; i < size; i++) text[i] = data[i] ? (char)data[i] : ' ';
  const dit_model *m = model(&info);
  if (classes_parse(m, &info, text, &list) == EXIT_OK) classes_free(&list);
  if (pattern_expand(text, m, 3, ids, seeds, &names) == EXIT_OK) {
    for (int i = 0; i < 3; i++)
      if (strlen(names[i]) > 100 * size) abort();
    pattern_free(names, 3);
  }
  number_float("--eta", text, 0, 1, &real);
  free(text);
}

const fuzz_target fuzz_words = {"words", run, NULL, NULL};
