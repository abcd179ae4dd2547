/* Descriptions for people: of a model, of memory, and of where the time went. */
#include "describe.h"

#include <inttypes.h>

#include "enums.h"
#include "message.h"

static void transformer(const dit_info *i) {
  printf("transformer   %s: hidden size %d, depth %d, heads %d, patch %d, %s\n", i->variant, i->hidden_size, i->depth,
         i->heads, i->patch_size,
         i->flow            ? "flow matching"
         : i->learned_sigma ? "learned variance"
                            : "fixed variance");
  printf("latent        %d x %d x %d, scaling factor %g\n", i->latent_channels, i->latent_size, i->latent_size,
         (double)i->scaling_factor);
  printf("classes       %d, %d with a name, %s\n", i->class_count, i->label_count,
         i->null_class < 0 ? "no null class (so no guidance)" : "and a null class for guidance");
}

static void recommendation(const dit_info *i) {
  printf("recommended   %s, ", enum_name(dit_sampler_name, i->sampler));
  if (i->timestep_spacing && !i->flow) printf("timesteps %s, ", enum_name(dit_spacing_name, i->timestep_spacing));
  printf("%d step%s, ", i->steps, i->steps == 1 ? "" : "s");
  if (i->guidance_scale == 1) {
    printf("no guidance\n");
    return;
  }
  printf("guidance %g on ", (double)i->guidance_scale);
  if (i->guidance_channels < 0 || i->guidance_channels >= i->latent_channels)
    printf("all channels\n");
  else
    printf("the first %d channels\n", i->guidance_channels);
}

static void text_line(const char *title, const char *text) {
  printf("%-13s ", title);
  print_foreign(stdout, *text ? text : "not stated in the file");
  printf("\n");
}

void describe_model(const dit_info *i) {
  text_line("name", i->name);
  text_line("licence", i->license);
  if (i->has_transformer) transformer(i);
  printf("autoencoder   %s\n", i->pixels                          ? "none: the transformer draws pixels"
                               : i->has_decoder && i->has_encoder ? "decoder and encoder"
                               : i->has_decoder                   ? "decoder"
                               : i->has_encoder                   ? "encoder"
                                                                  : "none");
  printf("picture       %d x %d, %s\n", i->width, i->height, i->image_channels == 4 ? "RGBA" : "RGB");
  if (i->has_transformer) recommendation(i);
  printf("weights       %" PRIu64 " parameters, %s, %" PRIu64 " bytes\n", i->parameters,
         enum_name(dit_type_name, i->weight_type), i->file_size);
  printf("runs with     %s, %s, %d thread%s\n", enum_name(dit_compute_name, i->compute),
         enum_name(dit_isa_name, i->isa), i->threads, i->threads == 1 ? "" : "s");
  printf("numerics      %d\n", i->numerics);
}

void describe_classes(const dit_model *model, const dit_info *info) {
  for (int32_t id = 0; id < info->class_count; id++) {
    const char *label = dit_model_class_label(model, id);
    printf("%4d  ", id);
    print_foreign(stdout, label ? label : "");
    printf("\n");
  }
}

static void memory_line(const char *title, uint64_t bytes) {
  printf("%-13s %" PRIu64 " bytes, %.1f MB\n", title, bytes, (double)bytes / 1e6);
}

void describe_memory(const dit_info *info, uint64_t job) {
  memory_line("job", job);
  memory_line("model", info->memory);
  memory_line("model file", info->file_size);
}

void describe_profile(const dit_profile_row *rows, int32_t count) {
  double total = 0;
  for (int32_t i = 0; i < count; i++) total += rows[i].seconds;
  fprintf(stderr, "%-20s %10s %7s %10s\n", "operation", "seconds", "share", "GFLOP/s");
  for (int32_t i = 0; i < count; i++) {
    const dit_profile_row *r = &rows[i];
    if (!r->units) continue;
    fprintf(stderr, "%-20s %10.3f %5.1f %%", r->name, r->seconds, total > 0 ? 100 * r->seconds / total : 0);
    if (r->gflop > 0 && r->seconds > 0) fprintf(stderr, " %10.1f", r->gflop / r->seconds);
    fputc('\n', stderr);
  }
}
