/* --json: one object on the standard output. Its keys are those of dit.h. Later versions may add keys, but keep these. */
#include "json.h"

#include <inttypes.h>
#include <stdio.h>

#include "enums.h"
#include "lib/core/utf8.h"

/* Strings may come from files, so whatever is not UTF-8 is replaced by U+FFFD. */
static void print_string(const char *text) {
  putchar('"');
  while (*text) {
    const size_t size = utf8_size(text, 4);
    if (*text == '"' || *text == '\\')
      printf("\\%c", *text);
    else if ((unsigned char)*text < 32 || *text == 127)
      printf("\\u%04x", (unsigned)*text);
    else if (size == 0)
      printf("\\ufffd");
    else
      printf("%.*s", (int)size, text);
    text += size ? size : 1;
  }
  putchar('"');
}

static void print_text(const char *key, const char *value) {
  printf("\"%s\":", key);
  if (value)
    print_string(value);
  else
    printf("null");
}

static void print_model(const json_report *f) {
  const dit_info *i = f->info;
  printf("\"model\":{");
  print_text("name", i->name);
  putchar(',');
  print_text("file", f->path);
  putchar(',');
  print_text("license", i->license);
  putchar(',');
  print_text("variant", i->variant);
  printf(",\"weight_type\":\"%s\",\"parameters\":%" PRIu64 ",\"file_size\":%" PRIu64,
         enum_name(dit_type_name, i->weight_type), i->parameters, i->file_size);
  printf(",\"width\":%d,\"height\":%d,\"image_channels\":%d,\"class_count\":%d", i->width, i->height, i->image_channels,
         i->class_count);
  printf(",\"isa\":\"%s\",\"threads\":%d}", enum_name(dit_isa_name, i->isa), i->threads);
}

static void print_class(const json_report *f, int32_t id) {
  printf("{\"class\":");
  if (id < 0)
    printf("null");
  else
    printf("%d", id);
  putchar(',');
  print_text("label", id < 0 ? NULL : dit_model_class_label(f->model, id));
  putchar('}');
}

static void print_parameters(const json_report *f) {
  const record *r = f->made;
  printf(",\"parameters\":{");
  for (const record_field *field = record_fields; field->key; field++) {
    char text[MAX_RECORD_TEXT];
    if (!record_has(r, field)) continue;
    record_print(r, field, text);
    const char *quote = field->kind == FIELD_WORD || field->kind == FIELD_HASH ? "\"" : "";
    printf("\"%s\":%s%s%s,", field->name, quote, text, quote);
  }
  printf("\"seed\":%" PRIu64 ",\"columns\":%d,\"rows\":[", r->seed, r->columns);
  for (int32_t i = 0; i < r->rows; i++) {
    if (i) putchar(',');
    print_class(f, r->row_classes[i]);
  }
  printf("]}");
}

static void print_files(const json_report *f) {
  int32_t count = f->names ? f->made->rows * f->made->columns : f->output ? 1 : 0;
  printf(",\"files\":[");
  for (int32_t i = 0; i < count; i++) {
    if (i) putchar(',');
    print_string(f->names ? f->names[i] : f->output);
  }
  printf("]");
}

static void print_profile(const json_report *f) {
  printf(",\"profile\":[");
  for (int32_t i = 0; i < f->profile_count; i++) {
    const dit_profile_row *row = &f->profile[i];
    printf("%s{\"name\":\"%s\",\"seconds\":%.6f,\"gflop\":%.6f,\"units\":%" PRId64 "}", i ? "," : "", row->name,
           row->seconds, row->gflop, row->units);
  }
  printf("]");
}

static void print_classes(const json_report *f) {
  printf(",\"classes\":[");
  for (int32_t i = 0; i < f->info->class_count; i++) {
    if (i) putchar(',');
    print_class(f, i);
  }
  printf("]");
}

void json_print(const json_report *f) {
  uint32_t version = dit_version();
  printf("{\"dit\":\"%u.%u.%u\",\"numerics\":%d,", version >> 16, version >> 8 & 255, version & 255, f->info->numerics);
  print_model(f);
  if (f->made) {
    print_parameters(f);
    print_files(f);
    printf(",\"seconds\":{\"open\":%.6f,\"make\":%.6f}", f->open_seconds, f->make_seconds);
    printf(",\"memory\":{\"model\":%" PRIu64 ",\"file\":%" PRIu64 ",\"job\":%zu}", f->info->memory, f->info->file_size,
           f->job_memory);
  } else {
    print_classes(f);
  }
  if (f->profile) print_profile(f);
  printf("}\n");
}
