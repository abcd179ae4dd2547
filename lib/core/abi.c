/* The layout of the structs of dit.h, which every host and every binding is compiled with. A struct may grow at its
 * end, and nothing else may change: if an assertion below fails, so do they all.
 *
 * There are three kinds of ABI: pointers of 64 bits; of 32 bits, with 64-bit members at multiples of 4 (i386 except on
 * Windows); of 32 bits, with 64-bit members at multiples of 8 (ARM, Windows). Each member begins where the one before
 * it ends, so that no byte is undefined; only the third kind leaves 4 bytes before dit_params.seed and
 * dit_profile_row.seconds, which follow an odd number of pointers. tests/abi.c checks that. */
#include "lib/core/numerics.h"

#include "dit.h"

typedef struct dit__abi_probe {
  char first;
  uint64_t second;
} dit__abi_probe;

#define DIT__ABI_CHOICE(wide, narrow, aligned) \
  (sizeof(void *) == 8 ? (wide) : offsetof(dit__abi_probe, second) == 4 ? (narrow) : (aligned))
#define DIT__ABI_AT(type, member, wide, narrow, aligned) \
  _Static_assert(offsetof(type, member) == DIT__ABI_CHOICE(wide, narrow, aligned), #type "." #member " has moved")
#define DIT__ABI_SIZE(type, wide, narrow, aligned) \
  _Static_assert(sizeof(type) == DIT__ABI_CHOICE(wide, narrow, aligned), #type " has another size")

DIT__ABI_AT(dit_error, status, 0, 0, 0);
DIT__ABI_AT(dit_error, message, 4, 4, 4);
DIT__ABI_SIZE(dit_error, 512, 512, 512);

DIT__ABI_AT(dit_options, struct_size, 0, 0, 0);
DIT__ABI_AT(dit_options, threads, 4, 4, 4);
DIT__ABI_AT(dit_options, isa, 8, 8, 8);
DIT__ABI_AT(dit_options, compute, 12, 12, 12);
DIT__ABI_AT(dit_options, load, 16, 16, 16);
DIT__ABI_AT(dit_options, reserved, 20, 20, 20);
DIT__ABI_AT(dit_options, memory_limit, 24, 24, 24);
DIT__ABI_AT(dit_options, user, 32, 32, 32);
DIT__ABI_AT(dit_options, allocate, 40, 36, 36);
DIT__ABI_AT(dit_options, release, 48, 40, 40);
DIT__ABI_AT(dit_options, parallel_for, 56, 44, 44);
DIT__ABI_SIZE(dit_options, 64, 48, 48);

DIT__ABI_AT(dit_info, struct_size, 0, 0, 0);
DIT__ABI_AT(dit_info, numerics, 4, 4, 4);
DIT__ABI_AT(dit_info, has_transformer, 8, 8, 8);
DIT__ABI_AT(dit_info, has_decoder, 12, 12, 12);
DIT__ABI_AT(dit_info, has_encoder, 16, 16, 16);
DIT__ABI_AT(dit_info, hidden_size, 20, 20, 20);
DIT__ABI_AT(dit_info, depth, 24, 24, 24);
DIT__ABI_AT(dit_info, heads, 28, 28, 28);
DIT__ABI_AT(dit_info, patch_size, 32, 32, 32);
DIT__ABI_AT(dit_info, latent_size, 36, 36, 36);
DIT__ABI_AT(dit_info, latent_channels, 40, 40, 40);
DIT__ABI_AT(dit_info, out_channels, 44, 44, 44);
DIT__ABI_AT(dit_info, learned_sigma, 48, 48, 48);
DIT__ABI_AT(dit_info, class_count, 52, 52, 52);
DIT__ABI_AT(dit_info, null_class, 56, 56, 56);
DIT__ABI_AT(dit_info, label_count, 60, 60, 60);
DIT__ABI_AT(dit_info, image_channels, 64, 64, 64);
DIT__ABI_AT(dit_info, vae_scale_factor, 68, 68, 68);
DIT__ABI_AT(dit_info, width, 72, 72, 72);
DIT__ABI_AT(dit_info, height, 76, 76, 76);
DIT__ABI_AT(dit_info, weight_type, 80, 80, 80);
DIT__ABI_AT(dit_info, isa, 84, 84, 84);
DIT__ABI_AT(dit_info, compute, 88, 88, 88);
DIT__ABI_AT(dit_info, load, 92, 92, 92);
DIT__ABI_AT(dit_info, threads, 96, 96, 96);
DIT__ABI_AT(dit_info, steps, 100, 100, 100);
DIT__ABI_AT(dit_info, sampler, 104, 104, 104);
DIT__ABI_AT(dit_info, timestep_spacing, 108, 108, 108);
DIT__ABI_AT(dit_info, guidance_channels, 112, 112, 112);
DIT__ABI_AT(dit_info, variance_type, 116, 116, 116);
DIT__ABI_AT(dit_info, clip_sample, 120, 120, 120);
DIT__ABI_AT(dit_info, guidance_scale, 124, 124, 124);
DIT__ABI_AT(dit_info, scaling_factor, 128, 128, 128);
DIT__ABI_AT(dit_info, has_preview, 132, 132, 132);
DIT__ABI_AT(dit_info, flow, 136, 136, 136);
DIT__ABI_AT(dit_info, second_timestep, 140, 140, 140);
DIT__ABI_AT(dit_info, guidance_start, 144, 144, 144);
DIT__ABI_AT(dit_info, guidance_end, 148, 148, 148);
DIT__ABI_AT(dit_info, timestep_shift, 152, 152, 152);
DIT__ABI_AT(dit_info, pixels, 156, 156, 156);
DIT__ABI_AT(dit_info, parameters, 160, 160, 160);
DIT__ABI_AT(dit_info, file_size, 168, 168, 168);
DIT__ABI_AT(dit_info, memory, 176, 176, 176);
DIT__ABI_AT(dit_info, variant, 184, 184, 184);
DIT__ABI_AT(dit_info, name, 216, 216, 216);
DIT__ABI_AT(dit_info, license, 312, 312, 312);
DIT__ABI_SIZE(dit_info, 408, 408, 408);

DIT__ABI_AT(dit_params, struct_size, 0, 0, 0);
DIT__ABI_AT(dit_params, count, 4, 4, 4);
DIT__ABI_AT(dit_params, classes, 8, 8, 8);
DIT__ABI_AT(dit_params, classes_b, 16, 12, 12);
DIT__ABI_AT(dit_params, seeds, 24, 16, 16);
DIT__ABI_AT(dit_params, noise, 32, 20, 20);
DIT__ABI_AT(dit_params, step_noise, 40, 24, 24);
DIT__ABI_AT(dit_params, init_image, 48, 28, 28);
DIT__ABI_AT(dit_params, mask, 56, 32, 32);
DIT__ABI_AT(dit_params, seed, 64, 36, 40);
DIT__ABI_AT(dit_params, width, 72, 44, 48);
DIT__ABI_AT(dit_params, height, 76, 48, 52);
DIT__ABI_AT(dit_params, steps, 80, 52, 56);
DIT__ABI_AT(dit_params, sampler, 84, 56, 60);
DIT__ABI_AT(dit_params, timestep_spacing, 88, 60, 64);
DIT__ABI_AT(dit_params, generator, 92, 64, 68);
DIT__ABI_AT(dit_params, variance_type, 96, 68, 72);
DIT__ABI_AT(dit_params, clip_sample, 100, 72, 76);
DIT__ABI_AT(dit_params, guidance_channels, 104, 76, 80);
DIT__ABI_AT(dit_params, threads, 108, 80, 84);
DIT__ABI_AT(dit_params, guidance_scale, 112, 84, 88);
DIT__ABI_AT(dit_params, guidance_start, 116, 88, 92);
DIT__ABI_AT(dit_params, guidance_end, 120, 92, 96);
DIT__ABI_AT(dit_params, eta, 124, 96, 100);
DIT__ABI_AT(dit_params, class_mix, 128, 100, 104);
DIT__ABI_AT(dit_params, strength, 132, 104, 108);
DIT__ABI_AT(dit_params, timestep_shift, 136, 108, 112);
DIT__ABI_AT(dit_params, reserved, 140, 112, 116);
DIT__ABI_AT(dit_params, cache_interval, 144, 116, 120);
DIT__ABI_AT(dit_params, reserved3, 148, 120, 124);
DIT__ABI_SIZE(dit_params, 152, 124, 128);

DIT__ABI_AT(dit_progress, struct_size, 0, 0, 0);
DIT__ABI_AT(dit_progress, status, 4, 4, 4);
DIT__ABI_AT(dit_progress, step, 8, 8, 8);
DIT__ABI_AT(dit_progress, steps, 12, 12, 12);
DIT__ABI_AT(dit_progress, units, 16, 16, 16);
DIT__ABI_AT(dit_progress, units_total, 24, 24, 24);
DIT__ABI_AT(dit_progress, microseconds_left, 32, 32, 32);
DIT__ABI_AT(dit_progress, fraction, 40, 40, 40);
DIT__ABI_AT(dit_progress, pictures_ready, 44, 44, 44);
DIT__ABI_SIZE(dit_progress, 48, 48, 48);

DIT__ABI_AT(dit_profile_row, name, 0, 0, 0);
DIT__ABI_AT(dit_profile_row, seconds, 8, 4, 8);
DIT__ABI_AT(dit_profile_row, gflop, 16, 12, 16);
DIT__ABI_AT(dit_profile_row, units, 24, 20, 24);
DIT__ABI_SIZE(dit_profile_row, 32, 28, 32);

DIT__ABI_AT(dit_schedule_row, timestep, 0, 0, 0);
DIT__ABI_AT(dit_schedule_row, alpha_cumprod, 8, 8, 8);
DIT__ABI_AT(dit_schedule_row, alpha_cumprod_prev, 16, 16, 16);
DIT__ABI_AT(dit_schedule_row, beta, 24, 24, 24);
DIT__ABI_AT(dit_schedule_row, posterior_variance, 32, 32, 32);
DIT__ABI_AT(dit_schedule_row, posterior_log_variance, 40, 40, 40);
DIT__ABI_AT(dit_schedule_row, posterior_mean_x0, 48, 48, 48);
DIT__ABI_AT(dit_schedule_row, posterior_mean_x, 56, 56, 56);
DIT__ABI_AT(dit_schedule_row, ddim_sigma, 64, 64, 64);
DIT__ABI_AT(dit_schedule_row, second_timestep, 72, 72, 72);
DIT__ABI_AT(dit_schedule_row, sigma, 80, 80, 80);
DIT__ABI_AT(dit_schedule_row, sigma_next, 88, 88, 88);
DIT__ABI_SIZE(dit_schedule_row, 96, 96, 96);

DIT__ABI_AT(dit_forward_params, struct_size, 0, 0, 0);
DIT__ABI_AT(dit_forward_params, count, 4, 4, 4);
DIT__ABI_AT(dit_forward_params, height, 8, 8, 8);
DIT__ABI_AT(dit_forward_params, width, 12, 12, 12);
DIT__ABI_AT(dit_forward_params, latent, 16, 16, 16);
DIT__ABI_AT(dit_forward_params, timesteps, 24, 20, 20);
DIT__ABI_AT(dit_forward_params, second_timesteps, 32, 24, 24);
DIT__ABI_AT(dit_forward_params, classes, 40, 28, 28);
DIT__ABI_SIZE(dit_forward_params, 48, 32, 32);
