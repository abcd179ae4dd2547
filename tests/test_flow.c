/* Flow matching with DiT's tensors: SiT, REPA, DMF and SoFlow, from the checkpoints of their programs to predictions and
 * sampled latents, against the golden vectors (the published programs in float64).
 *
 * It fails if a checkpoint is taken for another family's, if a time runs the wrong way or is embedded in another way, if a
 * step, its guidance or its noise is not that of the program, or if float32 loses more than tests/marks.h allows. */
#include <math.h>

#include "tests/family.h"
#include "tests/marks.h"

enum { MAX_STEPS_HERE = 16 };

typedef struct model_case {
  const char *set, *checkpoint, *forward; /* forward: its case, and what its arrays begin with */
  const char *family;                     /* NULL: the file tells */
  const char *second;                     /* the name of the array of second times, or NULL */
  int64_t heads, second_block;
} model_case;

static const model_case models[] = {
    {"sit", "sit_a.pt", "forward_a", "sit", NULL, 3, 0},
    {"sit", "sit_b.pt", "forward_b", "sit", NULL, 2, 0},
    {"repa", "repa_plain.pt", "forward_plain", NULL, NULL, 2, 0},
    {"repa", "repa_legacy.pt", "forward_legacy", NULL, NULL, 2, 0},
    {"repa", "repa_qknorm.pt", "forward_qknorm", NULL, NULL, 3, 0},
    {"repa", "repa_qktiny.pt", "forward_qktiny", NULL, NULL, 2, 0},
    {"dmf", "dmf_a.pt", "forward_a", NULL, "r", 3, 2},
    {"dmf", "dmf_qknorm.pt", "forward_qknorm", "dmf", "r", 2, 3},
    {"soflow", "soflow_a.pt", "forward_a", NULL, "s", 2, 0},
    {"soflow", "soflow_b.pt", "forward_b", NULL, "s", 2, 0},
    {"lightningdit", "lightningdit_a.pt", "forward_a", "lightningdit", NULL, 3, 0},
    {"lightningdit", "lightningdit_qknorm.pt", "forward_qknorm", "lightningdit", NULL, 2, 0},
    {"facm", "facm_a.pt", "forward_a", "facm", NULL, 3, 0},
    {"facm", "facm_b.pt", "forward_b", "facm", NULL, 2, 0},
};

typedef struct trajectory {
  const char *set, *checkpoint, *name, *shared; /* shared: what the arrays of start, noise and labels begin with */
  int32_t sampler, steps;
  float guidance_scale;
  int32_t guidance_channels;
  float guidance_start, guidance_end, shift;
} trajectory;

#define EULER DIT_SAMPLER_EULER
#define HEUN DIT_SAMPLER_HEUN
#define SDE DIT_SAMPLER_EULER_MARUYAMA
#define JUMPS DIT_SAMPLER_CONSISTENCY
static const trajectory trajectories[] = {
    {"sit", "sit_a.pt", "ode_euler", "shared", EULER, 10, 1, 3, 0, 1, 1},
    {"sit", "sit_a.pt", "ode_euler_cfg4", "shared", EULER, 10, 4, 3, 0, 1, 1},
    {"sit", "sit_a.pt", "sde_euler_sigma_mean", "shared", SDE, 10, 1, 3, 0, 1, 1},
    {"sit", "sit_a.pt", "sde_euler_sigma_mean_cfg4", "shared", SDE, 10, 4, 3, 0, 1, 1},
    {"sit", "sit_a.pt", "sde_euler_sigma_mean_cfg1.5", "shared", SDE, 10, 1.5f, 3, 0, 1, 1},
    {"repa", "repa_plain.pt", "ode_euler", "shared", EULER, 10, 1, -1, 0, 1, 1},
    {"repa", "repa_plain.pt", "ode_euler_cfg1.8", "shared", EULER, 10, 1.8f, -1, 0, 1, 1},
    {"repa", "repa_plain.pt", "ode_euler_cfg1.8_interval", "shared", EULER, 10, 1.8f, -1, 0.3f, 0.8f, 1},
    {"repa", "repa_plain.pt", "ode_heun", "shared", HEUN, 6, 1, -1, 0, 1, 1},
    {"repa", "repa_plain.pt", "ode_heun_cfg2.5_interval", "shared", HEUN, 8, 2.5f, -1, 0.25f, 0.75f, 1},
    {"repa", "repa_plain.pt", "sde", "shared", SDE, 10, 1, -1, 0, 1, 1},
    {"repa", "repa_plain.pt", "sde_cfg1.8_high0.7", "shared", SDE, 10, 1.8f, -1, 0.3f, 1, 1},
    {"repa", "repa_plain.pt", "sde_cfg1.8_low0.3_high0.65", "shared", SDE, 9, 1.8f, -1, 0.35f, 0.7f, 1},
    {"dmf", "dmf_a.pt", "euler_1_a", "shared_a", EULER, 1, 1, -1, 0, 1, 1},
    {"dmf", "dmf_a.pt", "euler_2_a", "shared_a", EULER, 2, 1, -1, 0, 1, 1},
    {"dmf", "dmf_a.pt", "euler_4_a", "shared_a", EULER, 4, 1, -1, 0, 1, 1},
    {"dmf", "dmf_a.pt", "euler_4_shift1.5_a", "shared_a", EULER, 4, 1, -1, 0, 1, 1.5f},
    {"dmf", "dmf_a.pt", "restart_2_a", "shared_a", JUMPS, 2, 1, -1, 0, 1, 1},
    {"dmf", "dmf_a.pt", "restart_4_a", "shared_a", JUMPS, 4, 1, -1, 0, 1, 1.5f},
    {"dmf", "dmf_a.pt", "euler_4_cfg2_interval_a", "shared_a", EULER, 4, 2, -1, 0.3f, 1, 1},
    {"dmf", "dmf_qknorm.pt", "euler_2_shift1.5_qknorm", "shared_qknorm", EULER, 2, 1, -1, 0, 1, 1.5f},
    {"dmf", "dmf_qknorm.pt", "euler_4_qknorm", "shared_qknorm", EULER, 4, 1, -1, 0, 1, 1},
    {"lightningdit", "lightningdit_a.pt", "euler_a", "euler_a", EULER, 8, 1, 3, 0, 1, 1},
    {"lightningdit", "lightningdit_a.pt", "euler_shift0.3_a", "euler_shift0.3_a", EULER, 10, 1, 3, 0, 1, 1 / 0.3f},
    {"lightningdit", "lightningdit_a.pt", "euler_shift0.3_cfg6.7_start0.125_a", "euler_shift0.3_cfg6.7_start0.125_a",
     EULER, 10, 6.7f, 3, 0.125f, 1, 1 / 0.3f},
    {"lightningdit", "lightningdit_a.pt", "euler_cfg10_start0.11_a", "euler_cfg10_start0.11_a", EULER, 9, 10, 3, 0.11f,
     1, 1},
    {"facm", "facm_a.pt", "consistency_1_a", "shared_a", JUMPS, 1, 1, -1, 0, 1, 1},
    {"facm", "facm_a.pt", "consistency_2_a", "shared_a", JUMPS, 2, 1, -1, 0, 1, 1},
    {"facm", "facm_a.pt", "consistency_4_a", "shared_a", JUMPS, 4, 1, -1, 0, 1, 1},
    {"facm", "facm_a.pt", "euler_8_a", "shared_a", EULER, 8, 1, -1, 0, 1, 1},
    {"facm", "facm_a.pt", "euler_8_shift0.3_a", "shared_a", EULER, 8, 1, -1, 0, 1, 1 / 0.3f},
    {"soflow", "soflow_a.pt", "sample_1_a", "sample_1_a", JUMPS, 1, 1, -1, 0, 1, 1},
    {"soflow", "soflow_a.pt", "sample_2_a", "sample_2_a", JUMPS, 2, 1, -1, 0, 1, 1},
    {"soflow", "soflow_a.pt", "sample_4_a", "sample_4_a", JUMPS, 4, 1, -1, 0, 1, 1},
    {"soflow", "soflow_b.pt", "sample_2_b", "sample_2_b", JUMPS, 2, 1, -1, 0, 1, 1},
};

static double worst_forward, worst_trajectory;

static double relative_l2(const float *x, const double *truth, int64_t count) {
  double error = 0, size = 0;
  for (int64_t i = 0; i < count; i++) {
    error += (x[i] - truth[i]) * (x[i] - truth[i]);
    size += truth[i] * truth[i];
  }
  return sqrt(error / size);
}

static float *to_floats(double *from, int64_t count) {
  float *to = (float *)malloc((size_t)(count ? count : 1) * sizeof(float));
  for (int64_t i = 0; from && i < count; i++) to[i] = (float)from[i];
  free(from);
  return to;
}

static int32_t *to_classes(const dit_model *model, double *from, int64_t count) {
  dit_info info = {.struct_size = sizeof info};
  int32_t *to = (int32_t *)malloc((size_t)count * sizeof(int32_t));
  dit_model_info(model, &info);
  for (int64_t i = 0; from && i < count; i++)
    to[i] = (int32_t)from[i] == info.null_class ? DIT_NO_CLASS : (int32_t)from[i];
  free(from);
  return to;
}

static dit_model *open_model(const model_case *m) {
  char path[512], file[160];
  convert_options options;
  memset(&options, 0, sizeof options);
  options.type = DIT_TYPE_F32;
  options.guidance = -1;
  if (strcmp(m->set, "facm")) options.null_class = NULL_CLASS_LAST_ROW;
  options.hints.heads = m->heads;
  options.hints.family = m->family;
  options.hints.second_block = m->second_block ? m->second_block + 1 : 0;
  snprintf(file, sizeof file, "family/%s/%s", m->set, m->checkpoint);
  return family_open(npy_golden(path, sizeof path, file), &options);
}

static void run_forward(const dit_model *model, const model_case *m) {
  npy_shape shape, out_shape;
  dit_error error = {0};
  double *x = family_array(m->set, m->forward, "x", &shape),
         *truth = family_array(m->set, m->forward, "out", &out_shape);
  if (!x || !truth) {
    free(x);
    free(truth);
    return;
  }
  const int64_t samples = shape.size[0], area = shape.size[2] * shape.size[3];
  float *latent = to_floats(x, shape.count), *t = to_floats(family_array(m->set, m->forward, "t", NULL), samples);
  float *second = m->second ? to_floats(family_array(m->set, m->forward, m->second, NULL), samples) : NULL;
  int32_t *classes = to_classes(model, family_array(m->set, m->forward, "y", NULL), samples);
  dit_info info = {.struct_size = sizeof info};
  dit_model_info(model, &info);
  /* SoFlow's program takes s, and embeds t - s. */
  for (int64_t i = 0; second && m->second[0] == 's' && i < samples; i++) second[i] = t[i] - second[i];
  float *out = (float *)malloc((size_t)(samples * info.out_channels * area) * sizeof(float));
  const dit_forward_params params = {.struct_size = sizeof params,
                                     .count = (int32_t)samples,
                                     .height = (int32_t)shape.size[2],
                                     .width = (int32_t)shape.size[3],
                                     .latent = latent,
                                     .timesteps = t,
                                     .second_timesteps = second,
                                     .classes = classes};
  const dit_status status = dit_forward(model, &params, out, &error);
  /* The programs drop what their networks say of a variance. */
  const int64_t given = info.out_channels * area, kept = out_shape.count / samples;
  for (int64_t i = 1; i < samples; i++) memmove(out + i * kept, out + i * given, (size_t)kept * sizeof(float));
  const double off = status ? 1 : relative_l2(out, truth, out_shape.count);
  printf("  %-8s %-28s %.2e\n", m->set, m->forward, off);
  CHECK(off <= MARK_TRANSFORMER, "%s: relative L2 error %.3e %s", m->checkpoint, off, error.message);
  worst_forward = fmax(worst_forward, off);
  free(latent);
  free(t);
  free(second);
  free(classes);
  free(out);
  free(truth);
}

static void run_trajectory(const dit_model *model, const trajectory *run) {
  npy_shape shape, states_shape, noise_shape = {0};
  dit_error error = {0};
  double *start = family_array(run->set, run->shared, "x_start", &shape);
  double *states = family_array(run->set, run->name, "states", &states_shape);
  double *noises = (run->sampler == SDE || run->sampler == JUMPS) && run->steps > 1
                       ? family_array(run->set, run->shared, "noise", &noise_shape)
                       : NULL;
  if (!start || !states) {
    free(start);
    free(states);
    free(noises);
    return;
  }
  const int64_t count = shape.size[0], latent = shape.count / count;
  float *noise = to_floats(start, shape.count);
  /* There are fewer of them than steps where the last one reads none. */
  float *step_noise = (float *)calloc((size_t)(MAX_STEPS_HERE * shape.count), sizeof(float));
  for (int64_t i = 0; i < noise_shape.count; i++) step_noise[i] = (float)noises[i];
  int32_t *classes = to_classes(model, family_array(run->set, run->shared, "labels", NULL), count);
  const dit_params params = {.struct_size = sizeof params,
                             .count = (int32_t)count,
                             .classes = classes,
                             .noise = noise,
                             .step_noise = step_noise,
                             .width = (int32_t)shape.size[3],
                             .height = (int32_t)shape.size[2],
                             .steps = run->steps,
                             .sampler = run->sampler,
                             .guidance_scale = run->guidance_scale,
                             .guidance_channels = run->guidance_channels,
                             .guidance_start = run->guidance_start,
                             .guidance_end = run->guidance_end,
                             .timestep_shift = run->shift};
  dit_job *job = NULL;
  dit_status status = dit_job_start(model, &params, &job, &error);
  while (!status && (status = dit_job_advance(job, -1, &error)) == DIT_MORE) continue;
  float *out = (float *)malloc((size_t)shape.count * sizeof(float));
  for (int32_t i = 0; !status && i < count; i++) status = dit_job_latent(job, i, out + i * latent, &error);
  dit_job_end(job);
  const double off = status ? 1 : relative_l2(out, states + states_shape.count - shape.count, shape.count);
  printf("  %-8s %-28s %.2e\n", run->set, run->name, off);
  CHECK(off <= MARK_TRANSFORMER, "%s %s: relative L2 error %.3e %s", run->set, run->name, off, error.message);
  worst_trajectory = fmax(worst_trajectory, off);
  free(noise);
  free(step_noise);
  free(noises);
  free(states);
  free(classes);
  free(out);
}

int main(void) {
  for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
    dit_model *model = open_model(&models[i]);
    if (!model) continue;
    run_forward(model, &models[i]);
    for (size_t k = 0; k < sizeof trajectories / sizeof trajectories[0]; k++)
      if (!strcmp(trajectories[k].set, models[i].set) && !strcmp(trajectories[k].checkpoint, models[i].checkpoint))
        run_trajectory(model, &trajectories[k]);
    dit_model_close(model);
  }
  printf("  worst: forward %.2e, trajectories %.2e (at most %.0e)\n", worst_forward, worst_trajectory,
         MARK_TRANSFORMER);
  return test_end("test_flow");
}
