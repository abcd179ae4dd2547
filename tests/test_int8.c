/* How much int8 loses: one pass with q8 weights in int8 against f32, for the sprite model (against the same weights,
 * since there are no others), DiT-S/2 and, with --full, DiT-XL/2 (synthetic weights).
 *
 * It fails if quantising activations or weights, or the finishing formula of int8 products, loses more than MARK_INT8,
 * and if int8 gave just what f32 gives (then it was not int8). That all instruction sets agree is in test_kernels_int8 and
 * test_bits. */
#include "dit.h"
#include "tests/difference.h"
#include "tests/marks.h"
#include "tests/synthetic.h"
#include "tests/test.h"
#include "weights/sprites/dit_sprites.h"

static dit_model *open_with(const char *path, int32_t compute) {
  const dit_options options = {.struct_size = sizeof options, .compute = compute};
  dit_error error = {0};
  dit_model *model = NULL;
  const dit_status status =
      path ? dit_model_open(path, &options, &model, &error) : dit_sprites_open(&options, &model, &error);
  CHECK(status == DIT_OK, "%s", error.message);
  return model;
}

/* Without paths the sprite model. */
static void compare(const char *name, const char *f32_path, const char *q8_path) {
  dit_model *f32 = open_with(f32_path, DIT_COMPUTE_F32), *weights = open_with(q8_path, DIT_COMPUTE_F32),
            *int8 = open_with(q8_path, 0);
  if (f32 && weights && int8) {
    dit_info info = {.struct_size = sizeof info};
    dit_model_info(int8, &info);
    CHECK(info.compute == DIT_COMPUTE_INT8, "%s: q8 weights are computed as %d by default", name, info.compute);
    const double rounded = pass_difference(f32, weights), all = pass_difference(f32, int8);
    printf("  %-12s a pass in int8 is %.4f from f32 (%.4f of it from the weights)\n", name, all, rounded);
    CHECK(all <= MARK_INT8, "%s: int8 is %.4f from f32, at most %.2f", name, all, MARK_INT8);
    CHECK((rounded > 0) == !!f32_path && all > rounded, "%s: int8 does not differ from f32 as it should", name);
  }
  dit_model_close(f32);
  dit_model_close(weights);
  dit_model_close(int8);
}

static void compare_synthetic(const char *name) {
  char path[2][512];
  const int made = synthetic_file(synthetic_path(path[0], sizeof path[0], "f32"), name, NULL, DIT_TYPE_F32) &&
                   synthetic_file(synthetic_path(path[1], sizeof path[1], "q8"), name, NULL, DIT_TYPE_Q8);
  if (CHECK(made, "%s cannot be written", name)) compare(name, path[0], path[1]);
  remove(path[0]);
  remove(path[1]);
}

int main(int count, char **arguments) {
  compare("sprites", NULL, NULL);
  compare_synthetic("S/2:256");
  if (count > 1 && !strcmp(arguments[1], "--full")) compare_synthetic("XL/2:256");
  return test_end("test_int8");
}
