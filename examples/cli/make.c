/* Making the pictures: the job, and what becomes of its pictures. */
#include "make.h"

#include <stdlib.h>
#include <string.h>

#include "classes.h"
#include "describe.h"
#include "hash.h"
#include "interrupt.h"
#include "json.h"
#include "message.h"
#include "output.h"
#include "pattern.h"
#include "preview.h"
#include "program.h"
#include "progress.h"
#include "sheet.h"
#include "show.h"
#include "start.h"
#include "texts.h"

enum { SLICE_MICROSECONDS = 100000, PREVIEW_MICROSECONDS = 2000, COUNT_LIMIT = 65536, PROFILE_LIMIT = 64 };

typedef struct making {
  const dit_model *model;
  const dit_info *info;
  const cli_options *options;
  const again *old; /* NULL: a new picture */
  class_list classes;
  int32_t each;              /* pictures of each class, of seeds that follow each other */
  int32_t columns, rows;     /* of the sheet */
  float *noise, *step_noise; /* of a program of PyTorch's; or NULL */
  int32_t *picture_classes;  /* [params.count], those of one class together */
  int32_t *mix_classes;      /* [params.count], all the same; or NULL */
  uint64_t *picture_seeds;
  start_pictures start;
  dit_params params; /* resolved */
  record made;       /* the whole sheet */
  size_t memory;
  double open_seconds, seconds;
  dit_profile_row profile[PROFILE_LIMIT];
  int32_t profile_count;
  char **names;    /* with a pattern: one for each picture; else NULL */
  sheet page;      /* all pictures, or with a pattern one */
  uint8_t *pixels; /* one picture as the library makes it */
  int32_t saved;   /* pictures */
} making;

static int library_status(dit_status status) { return status == DIT_ERROR_ARGUMENT ? EXIT_USAGE : EXIT_FAILED; }

static int too_many(int64_t count) {
  return fail(EXIT_USAGE, "%lld pictures are too many for one run; %d is the most", (long long)count, COUNT_LIMIT);
}

/* Picture i of each class has seed + i, so a row shows a class and a column a seed. */
static int list_pictures(making *m) {
  int32_t each = m->each;
  int64_t count = (int64_t)m->classes.count * each;
  if (count > COUNT_LIMIT) return too_many(count);
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

/* A program's batch has one seed, and a place of its own for each picture. */
static int repeat_classes(making *m) {
  size_t each = (size_t)m->options->count, count = (size_t)m->classes.count;
  if (count * each > COUNT_LIMIT) return too_many((int64_t)(count * each));
  int32_t *ids = (int32_t *)malloc(count * each * sizeof *ids);
  if (!ids) return fail(EXIT_FAILED, "out of memory");
  for (size_t i = 0; i < count * each; i++) ids[i] = m->classes.ids[i / each];
  classes_free(&m->classes);
  m->classes.ids = ids;
  m->classes.count = (int32_t)(count * each);
  m->each = 1;
  return EXIT_OK;
}

/* The rows of the sheet: a class each. */
static int choose_classes(making *m) {
  const cli_options *o = m->options;
  m->each = o->count;
  if (!m->old) {
    const char *chosen = o->classes ? o->classes : program_classes(o->program, m->info);
    int status = classes_parse(m->model, m->info, chosen, &m->classes);
    return status == EXIT_OK && o->program ? repeat_classes(m) : status;
  }
  size_t size = (size_t)m->old->said.rows * sizeof *m->classes.ids;
  m->classes.ids = (int32_t *)malloc(size);
  if (!m->classes.ids) return fail(EXIT_FAILED, "out of memory");
  memcpy(m->classes.ids, m->old->said.row_classes, size);
  m->classes.count = m->old->said.rows;
  return EXIT_OK;
}

static int choose_mix(making *m) {
  const cli_options *o = m->options;
  int status = EXIT_OK;
  if (m->old) {
    m->made.has_mix = m->old->said.has_mix;
    m->made.mix_class = m->old->said.mix_class;
  } else if (o->mix) {
    m->made.has_mix = 1;
    status = class_parse(m->model, m->info, "--mix", o->mix, o->mix_length, &m->made.mix_class);
    if (status == EXIT_OK && m->made.mix_class < 0) return fail(EXIT_USAGE, "--mix %s: a class is needed", o->mix);
  }
  if (status != EXIT_OK || !m->made.has_mix) return status;
  m->mix_classes = (int32_t *)malloc((size_t)m->params.count * sizeof *m->mix_classes);
  if (!m->mix_classes) return fail(EXIT_FAILED, "out of memory");
  for (int32_t i = 0; i < m->params.count; i++) m->mix_classes[i] = m->made.mix_class;
  m->params.classes_b = m->mix_classes;
  return EXIT_OK;
}

static int read_start(making *m) {
  const dit_params *p = &m->params;
  int32_t width = p->width ? p->width : m->info->width, height = p->height ? p->height : m->info->height;
  int status =
      start_read(&m->start, m->options->start, m->options->mask, p->count, width, height, m->info->image_channels);
  m->params.init_image = m->start.images;
  m->params.mask = m->start.masks;
  if (status == EXIT_OK && m->old) status = again_check_start(m->old, m->start.image_hash, m->start.mask_hash);
  return status;
}

/* What the program draws for its batch. */
static int draw_noise(making *m) {
  record *r = &m->made;
  program_batch batch = {.seed = m->options->make.seed, .size = m->params.count};
  if (!m->options->program) return EXIT_OK;
  if (m->old) batch.size = m->old->said.batch, batch.first = m->old->said.batch_first;
  int status = program_draw(m->options->program, &batch, m->info, &m->params, &m->noise, &m->step_noise);
  m->params.noise = m->noise;
  m->params.step_noise = m->step_noise;
  r->has_program = 1;
  r->program = m->options->program;
  r->batch = batch.size;
  r->batch_first = batch.first;
  return status;
}

/* Fills in what the picture says about itself. */
static int describe_made(making *m) {
  record *r = &m->made;
  uint32_t version = dit_version();
  const char *path = m->options->model, *slash = path ? strrchr(path, '/') : NULL;
  const char *file = slash ? slash + 1 : path ? path : "embedded";
  snprintf(r->software, sizeof r->software, "libdit %u.%u.%u", version >> 16, version >> 8 & 255, version & 255);
  snprintf(r->model, sizeof r->model, "%s", *m->info->name ? m->info->name : file);
  r->numerics = m->info->numerics;
  r->compute = m->info->compute;
  r->params = m->params;
  r->has_cache = m->params.cache_interval > 1;
  r->has_start = m->start.images != NULL;
  r->has_mask = m->start.masks != NULL;
  r->start_hash = m->start.image_hash;
  r->mask_hash = m->start.mask_hash;
  r->scale = m->options->scale;
  r->seed = m->options->make.seed;
  r->columns = m->each;
  r->rows = m->classes.count;
  r->row_classes = m->classes.ids;
  if (!m->old) return hash_model(path, &r->model_hash);
  r->model_hash = m->old->said.model_hash; /* found to be the model's */
  return EXIT_OK;
}

/* --fast: DPM-Solver++ down to the last timestep, with 20 steps or 3/5 of the model's, and guidance only where it
 * counts, unless the user says where. docs/fewer-passes.md has what this was chosen from. */
static void choose_fast(making *m) {
  const int32_t most = m->info->steps * 3 / 5;
  if (!m->options->fast) return;
  m->params.sampler = DIT_SAMPLER_DPMPP;
  m->params.timestep_spacing = DIT_SPACING_EVEN;
  m->params.steps = most < 1 ? 1 : most < 20 ? most : 20;
  if (m->params.guidance_start > 0 || m->params.guidance_end > 0) return;
  m->params.guidance_start = 0.4f;
  m->params.guidance_end = 0.9f;
}

/* What is to be made. Everything that can be wrong is found before the work begins. */
static int prepare(making *m) {
  dit_error error = {0};
  int status = choose_classes(m);
  if (status == EXIT_OK) status = list_pictures(m);
  if (status == EXIT_OK) status = choose_mix(m);
  choose_fast(m);
  if (status == EXIT_OK) status = read_start(m);
  if (status == EXIT_OK && m->options->program && !m->old)
    status = program_defaults(m->options->program, m->info, &m->params);
  if (status != EXIT_OK) return status;
  dit_status resolved = dit_params_resolve(m->model, &m->params, &m->params, &error);
  if (resolved == DIT_OK && (status = draw_noise(m)) != EXIT_OK) return status;
  if (resolved == DIT_OK) resolved = dit_job_memory(m->model, &m->params, &m->memory, &error);
  if (resolved != DIT_OK) return fail(library_status(resolved), "%s", error.message);
  return describe_made(m);
}

/* Where it goes. */
static int prepare_output(making *m) {
  const cli_options *o = m->options;
  int one_each = strchr(o->output, '%') != NULL, status = EXIT_OK;
  int32_t count = m->params.count, grid = o->program != PROGRAM_NONE;
  m->columns = !grid ? m->each : count < PROGRAM_COLUMNS ? count : PROGRAM_COLUMNS;
  m->rows = (count + m->columns - 1) / m->columns;
  if (one_each) {
    status = pattern_expand(o->output, m->model, m->params.count, m->picture_classes, m->picture_seeds, &m->names);
  }
  if (status == EXIT_OK) {
    status =
        sheet_create(&m->page, one_each ? 1 : m->columns, one_each ? 1 : m->rows, m->params.width, m->params.height,
                     m->info->image_channels, o->scale, grid && count > 1 && !one_each ? PROGRAM_GAP : 0);
  }
  if (status == EXIT_OK) status = output_check(one_each ? m->names[0] : o->output);
  if (status != EXIT_OK) return status;
  m->pixels = (uint8_t *)malloc((size_t)m->params.width * (size_t)m->params.height * (size_t)m->page.channels);
  return m->pixels ? EXIT_OK : fail(EXIT_FAILED, "out of memory");
}

/* Pictures are shown where the PNG and JSON do not go. */
static int show_page(const making *m) {
  const cli_options *o = m->options;
  return o->show ? show_picture(o->json || strcmp(o->output, "-") == 0 ? stderr : stdout, &m->page, o->scale) : EXIT_OK;
}

/* Writes the page with what it says about itself. */
static int write_page(const making *m, const char *path, const record *r) {
  texts said;
  unsigned char *bytes = NULL;
  size_t size = 0;
  int status = texts_make(&said, m->model, m->info, r);
  if (status != EXIT_OK) return status;
  status = png_encode(&m->page, said.items, said.count, &bytes, &size);
  texts_free(&said);
  if (status == EXIT_OK) status = output_write(path, bytes, size);
  free(bytes);
  return status;
}

/* With a pattern: a page with one picture. */
static int write_single(const making *m, int32_t index) {
  record r = m->made;
  r.rows = r.columns = 1;
  if (r.has_program) r.batch_first += index;
  r.row_classes = &m->picture_classes[index];
  r.seed = m->picture_seeds[index];
  return write_page(m, m->names[index], &r);
}

/* Takes over the pictures that are ready; with a pattern, they are written at once. */
static int save_ready(making *m, dit_job *job, preview *grown, int32_t ready) {
  int32_t scale = m->options->scale;
  dit_error error = {0};
  int status = EXIT_OK;
  for (; m->saved < ready && status == EXIT_OK; m->saved++) {
    int32_t column = m->names ? 0 : m->saved % m->columns, row = m->names ? 0 : m->saved / m->columns;
    dit_status got = dit_job_pixels(job, m->saved, DIT_PIXELS_NATIVE, m->pixels, 0, &error);
    if (got != DIT_OK) return fail(EXIT_FAILED, "%s", error.message);
    sheet_put(&m->page, column, row, m->params.width, m->params.height, scale, m->pixels);
    preview_finished(grown, m->saved, m->pixels);
    if (m->names) status = write_single(m, m->saved);
    if (m->names && status == EXIT_OK) status = show_page(m);
  }
  if (status == EXIT_OK && !m->names && m->saved == m->params.count) {
    status = write_page(m, m->options->output, &m->made);
  }
  return status;
}

static int run_job(making *m, dit_job *job, preview *grown, progress *shown) {
  dit_error error = {0};
  dit_status state = DIT_MORE;
  int status = EXIT_OK;
  while (state == DIT_MORE && status == EXIT_OK) {
    dit_progress now = {.struct_size = sizeof now};
    state = dit_job_advance(job, grown->shown ? PREVIEW_MICROSECONDS : SLICE_MICROSECONDS, &error);
    dit_job_progress(job, &now);
    int32_t saved = m->saved;
    if (state >= 0 && now.pictures_ready > m->saved) status = save_ready(m, job, grown, now.pictures_ready);
    if (saved != m->saved) grown->step = -1; /* finished pictures are drawn as well */
    if (state >= 0) preview_update(grown, job, m->saved, now.step);
    progress_show(shown, &now);
  }
  if (state < 0 && state != DIT_CANCELLED) return fail(EXIT_FAILED, "%s", error.message);
  return status != EXIT_OK ? status : interrupt_status();
}

static void say_done(const making *m) {
  if (m->options->quiet) return;
  if (m->names) {
    fprintf(stderr, "%d file%s, %s", m->saved, m->saved == 1 ? "" : "s", m->names[0]);
    if (m->saved > 1) fprintf(stderr, " to %s", m->names[m->saved - 1]);
  } else {
    const char *output = strcmp(m->options->output, "-") == 0 ? "standard output" : m->options->output;
    fprintf(stderr, "%s: %d picture%s, %d x %d pixels", output, m->saved, m->saved == 1 ? "" : "s", m->page.width,
            m->page.height);
  }
  fprintf(stderr, ", %.1f s\n", m->seconds);
}

/* What was made, or only its memory, for programs. */
static void tell_json(const making *m, int written) {
  json_facts facts = {.model = m->model,
                      .info = m->info,
                      .path = m->options->model,
                      .made = &m->made,
                      .output = written ? m->options->output : NULL,
                      .names = written ? m->names : NULL,
                      .open_seconds = m->open_seconds,
                      .make_seconds = m->seconds,
                      .job_memory = m->memory,
                      .profile = written && m->options->profile ? m->profile : NULL,
                      .profile_count = m->profile_count};
  json_print(&facts);
}

static int tell(const making *m) {
  int status = EXIT_OK;
  say_done(m);
  if (!m->names) status = show_page(m);
  if (m->options->profile) describe_profile(m->profile, m->profile_count);
  if (m->options->json) tell_json(m, 1);
  if (status == EXIT_OK && m->old) status = again_check_pixels(m->old, &m->page);
  return status;
}

static int make_prepared(making *m) {
  dit_error error = {0};
  dit_job *job = NULL;
  preview grown;
  progress shown;
  int status = preview_begin(&grown, m->options->preview, m->info, &m->params, m->columns, m->rows);
  if (status != EXIT_OK) return preview_end(&grown), status;
  dit_status started = dit_job_start(m->model, &m->params, &job, &error);
  if (started != DIT_OK) return preview_end(&grown), fail(library_status(started), "%s", error.message);
  progress_begin(&shown, m->options->quiet);
  interrupt_watch(job);
  status = run_job(m, job, &grown, &shown);
  interrupt_watch(NULL);
  if (m->options->profile) {
    dit_job_profile(job, PROFILE_LIMIT, m->profile, &m->profile_count, NULL);
    if (m->profile_count > PROFILE_LIMIT) m->profile_count = PROFILE_LIMIT;
  }
  dit_job_end(job);
  preview_end(&grown);
  m->seconds = progress_end(&shown);
  if (status == EXIT_OK)
    status = tell(m);
  else if (interrupt_status())
    fail(status, "stopped; %d file%s written", m->names ? m->saved : 0, m->names && m->saved == 1 ? " was" : "s were");
  return status;
}

static int tell_memory(const making *m) {
  if (m->options->json)
    tell_json(m, 0);
  else
    describe_memory(m->info, m->memory);
  return EXIT_OK;
}

int make_pictures(const dit_model *model, const dit_info *info, const cli_options *options, const again *old,
                  double open_seconds) {
  making m = {.model = model, .info = info, .options = options, .old = old, .open_seconds = open_seconds};
  int status = prepare(&m);
  if (status == EXIT_OK && options->memory) {
    status = tell_memory(&m);
  } else if (status == EXIT_OK) {
    status = prepare_output(&m);
    if (status == EXIT_OK) status = make_prepared(&m);
  }
  classes_free(&m.classes);
  free(m.picture_classes);
  free(m.picture_seeds);
  free(m.mix_classes);
  free(m.noise);
  free(m.step_noise);
  start_free(&m.start);
  pattern_free(m.names, m.params.count);
  sheet_free(&m.page);
  free(m.pixels);
  return status;
}
