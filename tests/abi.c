/* Prints the layout of the structs of dit.h, "STRUCT MEMBER OFFSET SIZE", and fails if a byte lies between two members.
 * (With pointers of 32 bits, and 64-bit members at multiples of 8, there are two such places; see lib/core/abi.c.) */
#include <stdio.h>

#include "dit.h"

static size_t end; /* where the member before ends */
static int holes;

static void member(const char *type, const char *name, size_t offset, size_t size) {
  if (offset == 0) end = 0;
  printf("%s %s %u %u\n", type, name, (unsigned)offset, (unsigned)size);
  if (offset != end)
    holes += fprintf(stderr, "%s: bytes %u to %u belong to no member\n", type, (unsigned)end, (unsigned)offset);
  end = offset + size;
}

static void whole(const char *type, size_t size) {
  printf("%s sizeof %u\n", type, (unsigned)size);
  if (size != end)
    holes += fprintf(stderr, "%s: bytes %u to %u belong to no member\n", type, (unsigned)end, (unsigned)size);
}

#define MEMBER(type, name) member(#type, #name, offsetof(type, name), sizeof((type *)0)->name)
#define WHOLE(type) whole(#type, sizeof(type))

int main(void) {
  MEMBER(dit_error, status);
  MEMBER(dit_error, message);
  WHOLE(dit_error);
  MEMBER(dit_options, struct_size);
  MEMBER(dit_options, threads);
  MEMBER(dit_options, isa);
  MEMBER(dit_options, compute);
  MEMBER(dit_options, load);
  MEMBER(dit_options, reserved);
  MEMBER(dit_options, memory_limit);
  MEMBER(dit_options, user);
  MEMBER(dit_options, allocate);
  MEMBER(dit_options, release);
  MEMBER(dit_options, parallel_for);
  WHOLE(dit_options);
  MEMBER(dit_info, struct_size);
  MEMBER(dit_info, numerics);
  MEMBER(dit_info, has_transformer);
  MEMBER(dit_info, has_decoder);
  MEMBER(dit_info, has_encoder);
  MEMBER(dit_info, hidden_size);
  MEMBER(dit_info, depth);
  MEMBER(dit_info, heads);
  MEMBER(dit_info, patch_size);
  MEMBER(dit_info, latent_size);
  MEMBER(dit_info, latent_channels);
  MEMBER(dit_info, out_channels);
  MEMBER(dit_info, learned_sigma);
  MEMBER(dit_info, class_count);
  MEMBER(dit_info, null_class);
  MEMBER(dit_info, label_count);
  MEMBER(dit_info, image_channels);
  MEMBER(dit_info, vae_scale_factor);
  MEMBER(dit_info, width);
  MEMBER(dit_info, height);
  MEMBER(dit_info, weight_type);
  MEMBER(dit_info, isa);
  MEMBER(dit_info, compute);
  MEMBER(dit_info, load);
  MEMBER(dit_info, threads);
  MEMBER(dit_info, steps);
  MEMBER(dit_info, sampler);
  MEMBER(dit_info, timestep_spacing);
  MEMBER(dit_info, guidance_channels);
  MEMBER(dit_info, variance_type);
  MEMBER(dit_info, clip_sample);
  MEMBER(dit_info, guidance_scale);
  MEMBER(dit_info, scaling_factor);
  MEMBER(dit_info, has_preview);
  MEMBER(dit_info, flow);
  MEMBER(dit_info, second_timestep);
  MEMBER(dit_info, guidance_start);
  MEMBER(dit_info, guidance_end);
  MEMBER(dit_info, timestep_shift);
  MEMBER(dit_info, pixels);
  MEMBER(dit_info, parameters);
  MEMBER(dit_info, file_size);
  MEMBER(dit_info, memory);
  MEMBER(dit_info, variant);
  MEMBER(dit_info, name);
  MEMBER(dit_info, license);
  WHOLE(dit_info);
  MEMBER(dit_params, struct_size);
  MEMBER(dit_params, count);
  MEMBER(dit_params, classes);
  MEMBER(dit_params, classes_b);
  MEMBER(dit_params, seeds);
  MEMBER(dit_params, noise);
  MEMBER(dit_params, step_noise);
  MEMBER(dit_params, init_image);
  MEMBER(dit_params, mask);
  MEMBER(dit_params, seed);
  MEMBER(dit_params, width);
  MEMBER(dit_params, height);
  MEMBER(dit_params, steps);
  MEMBER(dit_params, sampler);
  MEMBER(dit_params, timestep_spacing);
  MEMBER(dit_params, generator);
  MEMBER(dit_params, variance_type);
  MEMBER(dit_params, clip_sample);
  MEMBER(dit_params, guidance_channels);
  MEMBER(dit_params, threads);
  MEMBER(dit_params, guidance_scale);
  MEMBER(dit_params, guidance_start);
  MEMBER(dit_params, guidance_end);
  MEMBER(dit_params, eta);
  MEMBER(dit_params, class_mix);
  MEMBER(dit_params, strength);
  MEMBER(dit_params, timestep_shift);
  MEMBER(dit_params, reserved);
  MEMBER(dit_params, cache_interval);
  MEMBER(dit_params, reserved3);
  WHOLE(dit_params);
  MEMBER(dit_progress, struct_size);
  MEMBER(dit_progress, status);
  MEMBER(dit_progress, step);
  MEMBER(dit_progress, steps);
  MEMBER(dit_progress, units);
  MEMBER(dit_progress, units_total);
  MEMBER(dit_progress, microseconds_left);
  MEMBER(dit_progress, fraction);
  MEMBER(dit_progress, pictures_ready);
  WHOLE(dit_progress);
  MEMBER(dit_profile_row, name);
  MEMBER(dit_profile_row, seconds);
  MEMBER(dit_profile_row, gflop);
  MEMBER(dit_profile_row, units);
  WHOLE(dit_profile_row);
  MEMBER(dit_schedule_row, timestep);
  MEMBER(dit_schedule_row, alpha_cumprod);
  MEMBER(dit_schedule_row, alpha_cumprod_prev);
  MEMBER(dit_schedule_row, beta);
  MEMBER(dit_schedule_row, posterior_variance);
  MEMBER(dit_schedule_row, posterior_log_variance);
  MEMBER(dit_schedule_row, posterior_mean_x0);
  MEMBER(dit_schedule_row, posterior_mean_x);
  MEMBER(dit_schedule_row, ddim_sigma);
  MEMBER(dit_schedule_row, second_timestep);
  MEMBER(dit_schedule_row, sigma);
  MEMBER(dit_schedule_row, sigma_next);
  WHOLE(dit_schedule_row);
  MEMBER(dit_forward_params, struct_size);
  MEMBER(dit_forward_params, count);
  MEMBER(dit_forward_params, height);
  MEMBER(dit_forward_params, width);
  MEMBER(dit_forward_params, latent);
  MEMBER(dit_forward_params, timesteps);
  MEMBER(dit_forward_params, second_timesteps);
  MEMBER(dit_forward_params, classes);
  WHOLE(dit_forward_params);
  return holes != 0;
}
