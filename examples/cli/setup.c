/* From the command line to the parameters of a job: classes and seeds, class B, init images, noise, and the record. */
#include "setup.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "limits.h"
#include "message.h"
#include "pytorch.h"

int library_status(dit_status status) { return status == DIT_ERROR_ARGUMENT ? EXIT_USAGE : EXIT_FAILED; }

static int refuse_count(int64_t count) {
  return fail(EXIT_USAGE, "%lld pictures are too many for one run; the limit is %d", (long long)count, MAX_PICTURES);
}

/* Gives every picture a row of its own: in the batch of a PyTorch program one seed serves all pictures. */
static int repeat_classes(class_list *classes, int32_t each) {
  int64_t count = (int64_t)classes->count * each;
  if (count > MAX_PICTURES) return refuse_count(count);
  int32_t *ids = (int32_t *)malloc((size_t)count * sizeof *ids);
  if (!ids) return fail(EXIT_FAILED, "out of memory");
  for (int64_t i = 0; i < count; i++) ids[i] = classes->ids[i / each];
  classes_free(classes);
  classes->ids = ids;
  classes->count = (int32_t)count;
  return EXIT_OK;
}

static int copy_classes(class_list *classes, const record *from) {
  classes->ids = (int32_t *)malloc((size_t)from->rows * sizeof *classes->ids);
  if (!classes->ids) return fail(EXIT_FAILED, "out of memory");
  memcpy(classes->ids, from->row_classes, (size_t)from->rows * sizeof *classes->ids);
  classes->count = from->rows;
  return EXIT_OK;
}

static int choose_classes(setup *s, const dit_model *model, const dit_info *info, const cli_options *o,
                          const again *again) {
  s->columns = o->count;
  if (again) return copy_classes(&s->classes, &again->original);
  int status = classes_parse(model, info, o->classes ? o->classes : pytorch_classes(o->program, info), &s->classes);
  if (status != EXIT_OK || !o->program) return status;
  s->columns = 1;
  return repeat_classes(&s->classes, o->count);
}

static int list_pictures(setup *s, const cli_options *o) {
  int64_t count = (int64_t)s->classes.count * s->columns;
  if (count > MAX_PICTURES) return refuse_count(count);
  s->picture_classes = (int32_t *)malloc((size_t)count * sizeof *s->picture_classes);
  s->picture_seeds = (uint64_t *)malloc((size_t)count * sizeof *s->picture_seeds);
  if (!s->picture_classes || !s->picture_seeds) return fail(EXIT_FAILED, "out of memory");
  for (int32_t i = 0; i < (int32_t)count; i++) {
    /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): i / columns is less than classes.count. */
    s->picture_classes[i] = s->classes.ids[i / s->columns];
    s->picture_seeds[i] = o->params.seed + (uint64_t)(i % s->columns);
  }
  s->params = o->params;
  s->params.count = (int32_t)count;
  s->params.classes = s->picture_classes;
  s->params.seeds = s->picture_seeds;
  return EXIT_OK;
}

static int choose_class_b(setup *s, const dit_model *model, const dit_info *info, const cli_options *o,
                          const again *again) {
  int32_t class_b = again ? again->original.class_b : -1;
  if (o->mix) {
    int status = class_parse(model, info, "--mix", o->mix, o->mix_length, &class_b);
    if (status != EXIT_OK) return status;
    if (class_b < 0) return fail(EXIT_USAGE, "--mix %s: must name a class, not none", o->mix);
  }
  s->made.has_class_b = again ? again->original.has_class_b : o->mix != NULL;
  s->made.class_b = class_b;
  if (!s->made.has_class_b) return EXIT_OK;
  s->picture_classes_b = (int32_t *)malloc((size_t)s->params.count * sizeof *s->picture_classes_b);
  if (!s->picture_classes_b) return fail(EXIT_FAILED, "out of memory");
  for (int32_t i = 0; i < s->params.count; i++) s->picture_classes_b[i] = class_b;
  s->params.classes_b = s->picture_classes_b;
  return EXIT_OK;
}

/* --fast: DPM-Solver++ down to the last timestep, with 20 steps or 3/5 of the model's, whichever is less, and guidance
 * where it matters most, unless the user says where. docs/fewer-passes.md compares the alternatives. */
static void choose_fast(dit_params *params, const dit_info *info) {
  const int32_t steps = info->steps * 3 / 5;
  params->sampler = DIT_SAMPLER_DPMPP;
  params->timestep_spacing = DIT_SPACING_EVEN;
  params->steps = steps < 1 ? 1 : steps < 20 ? steps : 20;
  if (params->guidance_start > 0 || params->guidance_end > 0) return;
  params->guidance_start = 0.4f;
  params->guidance_end = 0.9f;
}

static int read_init_image(setup *s, const dit_info *info, const cli_options *o, const again *again) {
  const int32_t width = s->params.width ? s->params.width : info->width;
  const int32_t height = s->params.height ? s->params.height : info->height;
  /* A size that the model recommends, or the PNG of --again, was not asked for by the user. */
  const int asked = o->allow_long || (o->params.width && o->params.height && !again);
  const double bytes = (double)width * height * (info->image_channels + 1) * s->params.count;
  int status = EXIT_OK;
  if (o->init_image) status = limits_check_memory(o->allow_long, bytes < (double)SIZE_MAX ? (size_t)bytes : SIZE_MAX);
  if (status == EXIT_OK)
    status =
        init_image_read(&s->init, o->init_image, o->mask, s->params.count, width, height, info->image_channels, asked);
  s->params.init_image = s->init.images;
  s->params.mask = s->init.masks;
  if (status != EXIT_OK || !again) return status;
  return again_check_inputs(again, s->init.image_hash, s->init.mask_hash);
}

/* Draws the noise of --reference and --diffusers. A file made with a pattern holds one picture of a larger batch. */
static int draw_noise(setup *s, const dit_info *info, const cli_options *o, const again *again) {
  pytorch_batch batch = {.seed = o->params.seed, .size = s->params.count};
  if (again) batch.size = again->original.batch_size, batch.first = again->original.batch_index;
  int status = pytorch_draw(o->program, &batch, info, &s->params, &s->noise, &s->step_noise);
  s->params.noise = s->noise;
  s->params.step_noise = s->step_noise;
  s->made.has_program = 1;
  s->made.program = o->program;
  s->made.batch_size = batch.size;
  s->made.batch_index = batch.first;
  return status;
}

static int fill_record(setup *s, const dit_info *info, const cli_options *o, const again *again) {
  record *r = &s->made;
  uint32_t version = dit_version();
  const char *slash = o->model ? strrchr(o->model, '/') : NULL;
  const char *file = slash ? slash + 1 : o->model ? o->model : "embedded";
  snprintf(r->software, sizeof r->software, "libdit %u.%u.%u", version >> 16, version >> 8 & 255, version & 255);
  snprintf(r->model, sizeof r->model, "%s", *info->name ? info->name : file);
  r->numerics = info->numerics;
  r->compute = info->compute;
  r->params = s->params;
  r->has_shift = s->params.timestep_shift != 1;
  r->has_cache = s->params.cache_interval > 1;
  r->has_init_image = s->init.images != NULL;
  r->has_mask = s->init.masks != NULL;
  r->init_image_hash = s->init.image_hash;
  r->mask_hash = s->init.mask_hash;
  r->scale = o->scale;
  r->seed = o->params.seed;
  r->columns = s->columns;
  r->rows = s->classes.count;
  r->row_classes = s->classes.ids;
  if (!again) return hash_model(o->model, &r->model_hash);
  r->model_hash = again->original.model_hash; /* again_check_model has found them equal */
  return EXIT_OK;
}

int setup_params(setup *s, const dit_model *model, const dit_info *info, const cli_options *o, const again *again) {
  dit_error error = {0};
  memset(s, 0, sizeof *s);
  int status = choose_classes(s, model, info, o, again);
  if (status == EXIT_OK) status = list_pictures(s, o);
  if (status == EXIT_OK) status = choose_class_b(s, model, info, o, again);
  if (o->fast) choose_fast(&s->params, info);
  if (status == EXIT_OK) status = read_init_image(s, info, o, again);
  if (status == EXIT_OK && o->program && !again) status = pytorch_defaults(o->program, info, &s->params);
  if (status != EXIT_OK) return status;
  dit_status resolved = dit_params_resolve(model, &s->params, &s->params, &error);
  return resolved == DIT_OK ? EXIT_OK : fail(library_status(resolved), "%s", error.message);
}

/* Tells what a job with these parameters takes, and whether that may be. */
static int find_memory(setup *s, const dit_model *model, int allow_long) {
  dit_error error = {0};
  dit_status told = dit_job_memory(model, &s->params, &s->memory, &error);
  if (told != DIT_OK) return fail(library_status(told), "%s", error.message);
  return limits_check_memory(allow_long, s->memory);
}

int setup_job(setup *s, const dit_model *model, const dit_info *info, const cli_options *o, const again *again) {
  const int allow_long = o->allow_long || o->memory;
  int status = find_memory(s, model, allow_long);
  if (status == EXIT_OK && o->program) {
    status = draw_noise(s, info, o, again);
    if (status == EXIT_OK) status = find_memory(s, model, allow_long); /* the job copies the noise */
  }
  return status == EXIT_OK ? fill_record(s, info, o, again) : status;
}

void setup_free(setup *s) {
  classes_free(&s->classes);
  free(s->picture_classes);
  free(s->picture_classes_b);
  free(s->picture_seeds);
  free(s->noise);
  free(s->step_noise);
  init_image_free(&s->init);
}
