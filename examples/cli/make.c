/* Makes pictures: runs the job, and writes, shows and reports its pictures. */
#include "make.h"

#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "interrupt.h"
#include "json.h"
#include "limits.h"
#include "message.h"
#include "output.h"
#include "pattern.h"
#include "preview.h"
#include "programs/mapped_file.h"
#include "progress.h"
#include "pytorch.h"
#include "setup.h"
#include "sheet.h"
#include "show.h"
#include "texts.h"

/* Microseconds between looks at signals and the progress, and between steps that a preview shows. */
enum { SLICE_MICROSECONDS = 100000, PREVIEW_MICROSECONDS = 2000, MAX_PROFILE = 64 };
enum { PROBE_SECONDS = 3 }; /* of work, after which it is known how long the rest takes */

typedef struct making {
  const dit_model *model;
  const dit_info *info;
  const cli_options *options;
  again *again; /* NULL without --again */
  setup setup;
  int32_t columns, rows; /* of the sheet, in pictures */
  char **names;          /* [count]: with a pattern, the file of each picture; else NULL */
  sheet sheet;           /* all pictures; with a pattern, the present one */
  uint8_t *pixels;       /* one picture as the library makes it */
  int32_t saved;         /* pictures that are in the sheet, or with a pattern in their files */
  preview preview;
  double open_seconds, seconds;
  dit_profile_row profile[MAX_PROFILE];
  int32_t profile_count;
} making;

/* ---- Output ---- */

/* Makes the empty sheet. */
static int lay_out(making *m) {
  const cli_options *o = m->options;
  const dit_params *p = &m->setup.params;
  const int grid = o->program != PYTORCH_NONE, single = strchr(o->output, '%') != NULL;
  const int32_t gap = grid && p->count > 1 && !single ? PYTORCH_GAP : 0;
  m->columns = !grid ? m->setup.columns : p->count < PYTORCH_COLUMNS ? p->count : PYTORCH_COLUMNS;
  m->rows = (p->count + m->columns - 1) / m->columns;
  int status = sheet_create(&m->sheet, single ? 1 : m->columns, single ? 1 : m->rows, p->width, p->height,
                            m->info->image_channels, o->scale, gap);
  if (status != EXIT_OK || !m->again) return status;
  return again_check_size(m->again, m->sheet.width, m->sheet.height, o->allow_long);
}

static int prepare_output(making *m) {
  const cli_options *o = m->options;
  const dit_params *p = &m->setup.params;
  int status = EXIT_OK;
  if (strchr(o->output, '%'))
    status = pattern_expand(o->output, m->model, p->count, m->setup.picture_classes, m->setup.picture_seeds, &m->names);
  if (status == EXIT_OK) status = output_check(m->names ? m->names[0] : o->output);
  if (status != EXIT_OK) return status;
  m->pixels = (uint8_t *)malloc((size_t)p->width * (size_t)p->height * (size_t)m->sheet.channels);
  return m->pixels ? EXIT_OK : fail(EXIT_FAILED, "out of memory");
}

/* Shows the sheet on the standard output, or on the error stream if the PNG or JSON goes to the standard output. */
static int show_sheet(const making *m) {
  const cli_options *o = m->options;
  if (!o->show) return EXIT_OK;
  return show_picture(o->json || strcmp(o->output, "-") == 0 ? stderr : stdout, &m->sheet, o->scale);
}

static int write_sheet(const making *m, const char *path, const record *r) {
  texts texts;
  unsigned char *bytes = NULL;
  size_t size = 0;
  const char *changed = mapped_file_changed();
  if (changed)
    return fail(EXIT_FAILED, "%s: was changed while it was read; run it again when nobody writes to the file", changed);
  int status = texts_make(&texts, m->model, m->info, r);
  if (status != EXIT_OK) return status;
  status = png_encode(&m->sheet, texts.items, texts.count, &bytes, &size);
  texts_free(&texts);
  if (status == EXIT_OK) status = output_write(path, bytes, size);
  free(bytes);
  return status;
}

/* With a pattern: writes the sheet, which has one picture, with a record of that picture alone. */
static int write_single(const making *m, int32_t index) {
  record r = m->setup.made;
  r.rows = r.columns = 1;
  r.row_classes = &m->setup.picture_classes[index];
  r.seed = m->setup.picture_seeds[index];
  if (r.has_program) r.batch_index += index;
  return write_sheet(m, m->names[index], &r);
}

/* Puts pictures that are ready into the sheet. With a pattern each is written at once, else all after the last one. */
static int save_ready(making *m, dit_job *job, int32_t ready) {
  const dit_params *p = &m->setup.params;
  dit_error error = {0};
  int status = EXIT_OK;
  for (; m->saved < ready && status == EXIT_OK; m->saved++) {
    int32_t column = m->names ? 0 : m->saved % m->columns, row = m->names ? 0 : m->saved / m->columns;
    dit_status got = dit_job_pixels(job, m->saved, DIT_PIXELS_NATIVE, m->pixels, 0, &error);
    if (got != DIT_OK) return fail(EXIT_FAILED, "%s", error.message);
    sheet_put(&m->sheet, column, row, p->width, p->height, m->options->scale, m->pixels);
    preview_finished(&m->preview, m->saved, m->pixels);
    if (m->names) status = write_single(m, m->saved);
    if (m->names && status == EXIT_OK) status = show_sheet(m);
  }
  if (status != EXIT_OK || m->names || m->saved < p->count) return status;
  return write_sheet(m, m->options->output, &m->setup.made);
}

/* ---- Reports ---- */

static void report_done(const making *m) {
  if (m->options->quiet) return;
  if (m->names) {
    fprintf(stderr, "%d file%s, %s", m->saved, m->saved == 1 ? "" : "s", m->names[0]);
    if (m->saved > 1) fprintf(stderr, " to %s", m->names[m->saved - 1]);
  } else {
    const char *output = strcmp(m->options->output, "-") == 0 ? "standard output" : m->options->output;
    fprintf(stderr, "%s: %d picture%s, %d x %d pixels", output, m->saved, m->saved == 1 ? "" : "s", m->sheet.width,
            m->sheet.height);
  }
  fprintf(stderr, ", %.1f s\n", m->seconds);
}

/* `written` is 0 after --memory, which makes no pictures. */
static void report_json(const making *m, int written) {
  json_report report = {.model = m->model,
                        .info = m->info,
                        .path = m->options->model,
                        .made = &m->setup.made,
                        .output = written ? m->options->output : NULL,
                        .names = written ? m->names : NULL,
                        .open_seconds = m->open_seconds,
                        .make_seconds = m->seconds,
                        .job_memory = m->setup.memory,
                        .profile = written && m->options->profile ? m->profile : NULL,
                        .profile_count = m->profile_count};
  json_print(&report);
}

static int report(const making *m) {
  int status = EXIT_OK;
  report_done(m);
  if (!m->names) status = show_sheet(m);
  if (m->options->profile) describe_profile(m->profile, m->profile_count);
  if (m->options->json) report_json(m, 1);
  if (status == EXIT_OK && m->again) status = again_check_pixels(m->again, &m->sheet);
  return status;
}

static int report_memory(const making *m) {
  if (m->options->json)
    report_json(m, 0);
  else
    describe_memory(m->info, m->setup.memory);
  return EXIT_OK;
}

/* ---- The job ---- */

/* Returns how many pictures the user asked for. Those of --again were chosen by its PNG, and all classes by the model. */
static int32_t asked_pictures(const making *m) {
  if (m->again) return 1;
  return m->options->classes ? m->setup.params.count : m->options->count;
}

static int advance(making *m, dit_job *job, progress *shown) {
  const int64_t microseconds = m->preview.shown ? PREVIEW_MICROSECONDS : SLICE_MICROSECONDS;
  dit_error error = {0};
  dit_status state = DIT_MORE;
  int status = EXIT_OK, checked = 0;
  while (state == DIT_MORE && status == EXIT_OK) {
    dit_progress now = {.struct_size = sizeof now};
    state = dit_job_advance(job, microseconds, &error);
    dit_job_progress(job, &now);
    if (state >= 0 && now.pictures_ready > m->saved) {
      status = save_ready(m, job, now.pictures_ready);
      m->preview.step = -1; /* draws finished pictures too, even if the step is the same */
    }
    if (state >= 0) preview_update(&m->preview, job, m->saved, now.step);
    progress_show(shown, &now);
    if (status == EXIT_OK && state == DIT_MORE && !checked && now.microseconds_left >= 0 &&
        clock_seconds() - shown->started > PROBE_SECONDS) {
      checked = 1;
      status = limits_check_time(m->options->allow_long, now.microseconds_left, asked_pictures(m));
    }
  }
  if (state < 0 && state != DIT_CANCELLED) return fail(EXIT_FAILED, "%s", error.message);
  if (status == EXIT_OK && m->saved < m->setup.params.count) status = interrupt_status(); /* else all is done */
  return status;
}

static int run_job(making *m) {
  dit_error error = {0};
  dit_job *job = NULL;
  progress shown;
  dit_status started = dit_job_start(m->model, &m->setup.params, &job, &error);
  if (started != DIT_OK) return fail(library_status(started), "%s", error.message);
  progress_begin(&shown, m->options->quiet);
  interrupt_watch(job);
  int status = advance(m, job, &shown);
  interrupt_watch(NULL);
  if (m->options->profile) {
    dit_job_profile(job, MAX_PROFILE, m->profile, &m->profile_count, NULL);
    if (m->profile_count > MAX_PROFILE) m->profile_count = MAX_PROFILE;
  }
  dit_job_end(job);
  m->seconds = progress_end(&shown);
  return status;
}

static int make_prepared(making *m) {
  int status = prepare_output(m);
  if (status != EXIT_OK) return status;
  status = preview_begin(&m->preview, m->options->preview, m->info, &m->setup.params, m->columns, m->rows);
  if (status == EXIT_OK) status = run_job(m);
  preview_end(&m->preview);
  if (status == EXIT_OK) return report(m);
  if (!interrupt_status()) return status;
  int32_t files = m->names ? m->saved : 0;
  return fail(status, "stopped; %d file%s written", files, files == 1 ? " was" : "s were");
}

int make_pictures(const dit_model *model, const dit_info *info, const cli_options *options, again *again,
                  double open_seconds) {
  making m = {.model = model, .info = info, .options = options, .again = again, .open_seconds = open_seconds};
  int status = setup_params(&m.setup, model, info, options, again);
  if (status == EXIT_OK) status = lay_out(&m);
  if (status == EXIT_OK) status = setup_job(&m.setup, model, info, options, again);
  if (status == EXIT_OK) status = options->memory ? report_memory(&m) : make_prepared(&m);
  pattern_free(m.names, m.setup.params.count);
  setup_free(&m.setup);
  sheet_free(&m.sheet);
  free(m.pixels);
  return status;
}
