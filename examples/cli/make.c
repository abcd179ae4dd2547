/* Making the pictures: the job, and what becomes of its pictures. */
#include "make.h"

#include <stdlib.h>
#include <string.h>

#include "classes.h"
#include "interrupt.h"
#include "message.h"
#include "output.h"
#include "pattern.h"
#include "progress.h"
#include "sheet.h"
#include "texts.h"

enum { SLICE_MICROSECONDS = 100000, COUNT_LIMIT = 65536 };

typedef struct making {
  const dit_model *model;
  const dit_info *info;
  const cli_options *options;
  class_list classes;
  int32_t *picture_classes; /* [params.count], those of one class together */
  uint64_t *picture_seeds;
  dit_params params; /* resolved */
  char **names;      /* with a pattern: one for each picture; else NULL */
  sheet page;        /* all pictures, or with a pattern one */
  uint8_t *pixels;   /* one picture as the library makes it */
  int32_t saved;     /* pictures */
} making;

static int library_status(dit_status status) { return status == DIT_ERROR_ARGUMENT ? EXIT_USAGE : EXIT_FAILED; }

/* Picture i of each class has seed + i, so a row shows a class and a column a seed. */
static int list_pictures(making *m) {
  int32_t each = m->options->count;
  int64_t count = (int64_t)m->classes.count * each;
  if (count > COUNT_LIMIT) {
    return fail(EXIT_USAGE, "%lld pictures are too many for one run; %d is the most", (long long)count, COUNT_LIMIT);
  }
  m->picture_classes = (int32_t *)malloc((size_t)count * sizeof *m->picture_classes);
  m->picture_seeds = (uint64_t *)malloc((size_t)count * sizeof *m->picture_seeds);
  if (!m->picture_classes || !m->picture_seeds) return fail(EXIT_FAILED, "out of memory");
  for (int32_t i = 0; i < (int32_t)count; i++) {
    m->picture_classes[i] = m->classes.ids[i / each];
    m->picture_seeds[i] = m->options->make.seed + (uint64_t)(i % each);
  }
  m->params = m->options->make;
  m->params.count = (int32_t)count;
  m->params.classes = m->picture_classes;
  m->params.seeds = m->picture_seeds;
  return EXIT_OK;
}

/* Everything that can be wrong is found before the work begins. */
static int prepare(making *m) {
  const cli_options *o = m->options;
  dit_error error = {0};
  int status = classes_parse(m->model, m->info, o->classes, &m->classes);
  if (status == EXIT_OK) status = list_pictures(m);
  if (status != EXIT_OK) return status;
  dit_status resolved = dit_params_resolve(m->model, &m->params, &m->params, &error);
  if (resolved != DIT_OK) return fail(library_status(resolved), "%s", error.message);
  int one_each = strchr(o->output, '%') != NULL;
  if (one_each) {
    status = pattern_expand(o->output, m->model, m->params.count, m->picture_classes, m->picture_seeds, &m->names);
  }
  if (status == EXIT_OK) {
    status = sheet_create(&m->page, one_each ? 1 : o->count, one_each ? 1 : m->classes.count, m->params.width,
                          m->params.height, m->info->image_channels, o->scale);
  }
  if (status == EXIT_OK) status = output_check(one_each ? m->names[0] : o->output);
  if (status != EXIT_OK) return status;
  m->pixels = (uint8_t *)malloc((size_t)m->params.width * (size_t)m->params.height * (size_t)m->page.channels);
  return m->pixels ? EXIT_OK : fail(EXIT_FAILED, "out of memory");
}

/* Writes the page with what pictures first..first+count-1 say about themselves. */
static int write_page(const making *m, const char *path, int32_t first, int32_t count) {
  texts said;
  unsigned char *bytes = NULL;
  size_t size = 0;
  int status = texts_make(&said, m->model, m->info, &m->params, m->options->model, first, count);
  if (status != EXIT_OK) return status;
  status = png_encode(&m->page, said.items, said.count, &bytes, &size);
  texts_free(&said);
  if (status == EXIT_OK) status = output_write(path, bytes, size);
  free(bytes);
  return status;
}

/* Takes over the pictures that are ready; with a pattern, they are written at once. */
static int save_ready(making *m, dit_job *job, int32_t ready) {
  int32_t each = m->options->count, scale = m->options->scale;
  dit_error error = {0};
  int status = EXIT_OK;
  for (; m->saved < ready && status == EXIT_OK; m->saved++) {
    int32_t column = m->names ? 0 : m->saved % each, row = m->names ? 0 : m->saved / each;
    dit_status got = dit_job_pixels(job, m->saved, DIT_PIXELS_NATIVE, m->pixels, 0, &error);
    if (got != DIT_OK) return fail(EXIT_FAILED, "%s", error.message);
    sheet_put(&m->page, column, row, m->params.width, m->params.height, scale, m->pixels);
    if (m->names) status = write_page(m, m->names[m->saved], m->saved, 1);
  }
  if (status == EXIT_OK && !m->names && m->saved == m->params.count) {
    status = write_page(m, m->options->output, 0, m->params.count);
  }
  return status;
}

static int run_job(making *m, dit_job *job, progress *shown) {
  dit_error error = {0};
  dit_status state = DIT_MORE;
  int status = EXIT_OK;
  while (state == DIT_MORE && status == EXIT_OK) {
    dit_progress now = {.struct_size = sizeof now};
    state = dit_job_advance(job, SLICE_MICROSECONDS, &error);
    dit_job_progress(job, &now);
    progress_show(shown, &now);
    if (state >= 0 && now.pictures_ready > m->saved) status = save_ready(m, job, now.pictures_ready);
  }
  if (state < 0 && state != DIT_CANCELLED) return fail(EXIT_FAILED, "%s", error.message);
  return status != EXIT_OK ? status : interrupt_status();
}

static void say_done(const making *m, double seconds) {
  if (m->options->quiet) return;
  if (m->names) {
    fprintf(stderr, "%d file%s, %s", m->saved, m->saved == 1 ? "" : "s", m->names[0]);
    if (m->saved > 1) fprintf(stderr, " to %s", m->names[m->saved - 1]);
  } else {
    const char *output = strcmp(m->options->output, "-") == 0 ? "standard output" : m->options->output;
    fprintf(stderr, "%s: %d picture%s, %d x %d pixels", output, m->saved, m->saved == 1 ? "" : "s", m->page.width,
            m->page.height);
  }
  fprintf(stderr, ", %.1f s\n", seconds);
}

static int make_prepared(making *m) {
  dit_error error = {0};
  dit_job *job = NULL;
  dit_status started = dit_job_start(m->model, &m->params, &job, &error);
  if (started != DIT_OK) return fail(library_status(started), "%s", error.message);
  progress shown;
  progress_begin(&shown, m->options->quiet);
  interrupt_watch(job);
  int status = run_job(m, job, &shown);
  interrupt_watch(NULL);
  dit_job_end(job);
  double seconds = progress_end(&shown);
  if (status == EXIT_OK)
    say_done(m, seconds);
  else if (interrupt_status())
    fail(status, "stopped; %d file%s written", m->names ? m->saved : 0, m->names && m->saved == 1 ? " was" : "s were");
  return status;
}

int make_pictures(const dit_model *model, const dit_info *info, const cli_options *options) {
  making m = {.model = model, .info = info, .options = options};
  int status = prepare(&m);
  if (status == EXIT_OK) status = make_prepared(&m);
  classes_free(&m.classes);
  free(m.picture_classes);
  free(m.picture_seeds);
  pattern_free(m.names, m.params.count);
  sheet_free(&m.page);
  free(m.pixels);
  return status;
}
