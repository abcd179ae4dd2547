/* PNG files of dit: what its header says, its texts as a record, its pixels. */
#include "examples/cli/png.h"

#include "examples/cli/message.h"
#include "examples/cli/texts.h"
#include "tests/fuzz/png.h"
#include "tests/fuzz/target.h"

static void run(const uint8_t *data, size_t size) {
  const char *path = fuzz_save("in.png", data, size);
  png_file file;
  record r;
  if (png_open(path, &file) != EXIT_OK) return;
  if (png_read_texts(path, &file) == EXIT_OK && texts_read(path, &file, &r) == EXIT_OK) {
    char text[MAX_RECORD_TEXT];
    for (const record_field *f = record_fields; f->key; f++)
      if (record_has(&r, f)) record_print(&r, f, text);
    record_free(&r);
  }
  if ((uint64_t)file.width * file.height <= 1 << 16) png_decode(path, &file);
  png_free(&file);
}

const fuzz_target fuzz_png = {"png", run, NULL, fuzz_mend_png};
