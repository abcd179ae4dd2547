/* Products whose tasks pack the weights that they multiply, as those of large models do: the numbers are those of
 * weights that lie packed, bit for bit, however small units are, whatever the number of tasks, and in whichever order
 * or side by side they take their shares and help each other.
 *
 * A model that is small enough to be packed when it is opened makes the numbers that are right; then its panels are
 * taken away. It fails if a task leaves panels of its share, or of another's, out, takes some twice while others read
 * them, or if panels, sums or rows lie in another's place; under ThreadSanitizer also if tasks disturb each other. */
#include "lib/model/model.h"
#include "tests/forward.h"
#include "tests/host.h"
#include "tests/synthetic.h"
#include "tests/test.h"

enum { SAMPLES = 9, SIDE = 16, IN = SAMPLES * 4 * SIDE * SIDE, OUT = 2 * IN }; /* 576 rows */

static float latent[IN], right[OUT], got[OUT];

static dit_status pass(const dit_model *model, float *out) {
  static const float t[SAMPLES] = {999, 700, 500, 300, 200, 100, 50, 20, 0};
  static const int32_t classes[SAMPLES] = {0, 1, 2, 3, 4, 5, 6, 7, -1};
  return forward(model, SAMPLES, SIDE, SIDE, latent, t, classes, out, NULL);
}

static void forget(dit__matrix *matrix) {
  CHECK(matrix->panels || matrix->packed_q, "a matrix is not packed");
  matrix->panels = NULL;
  matrix->packed_q = NULL;
}

static void forget_panels(dit__transformer *dit) {
  forget(&dit->embed);
  forget(&dit->final_linear);
  for (int32_t i = 0; i < dit->depth; i++) {
    dit__block *b = &dit->blocks[i];
    forget(&b->qkv);
    forget(&b->proj);
    forget(&b->fc1);
    forget(&b->fc2);
  }
}

static void test_type(int type, int32_t compute, const char *name) {
  static const struct {
    void(DIT_CALL *run)(void *user, int32_t count, void(DIT_CALL *task)(void *, int32_t), void *context);
    const char *name;
  } hosts[] = {{host_serial, "one after the other"}, {host_reversed, "backwards"}, {host_threads, "side by side"}};
  static const int32_t threads[] = {1, 2, 3, 8};
  static const double units[] = {1e9, 3e7, 3e6};
  static host h;
  char path[512];
  dit_options options = {.struct_size = sizeof options, .threads = 8, .compute = compute, .user = &h};
  options.parallel_for = host_serial;
  dit_model *model = NULL;
  dit_error error = {0};
  const int made = synthetic_file(synthetic_path(path, sizeof path, "shares"),
                                  "dit:hidden=192,depth=2,heads=3,patch=2,latent=16,in=4,classes=9", NULL, type);
  if (CHECK(made && !dit_model_open(path, &options, &model, &error), "%s: %s", name, error.message)) {
    CHECK(pass(model, right) == DIT_OK, "%s: a pass", name);
    forget_panels(&model->dit);
    for (size_t i = 0; i < 3 * 4 * 3; i++) {
      model->options.parallel_for = hosts[i % 3].run;
      model->options.threads = threads[i / 3 % 4];
      model->unit_flops = units[i / 12];
      memset(got, 0, sizeof got);
      CHECK(pass(model, got) == DIT_OK && !memcmp(got, right, sizeof got),
            "%s: other numbers with %d tasks %s, units of %g", name, (int)threads[i / 3 % 4], hosts[i % 3].name,
            units[i / 12]);
    }
  }
  dit_model_close(model);
  remove(path);
}

int main(void) {
  dit_rng *rng = NULL;
  CHECK(dit_rng_open(0, 11, &rng, NULL) == DIT_OK && dit_rng_normal(rng, IN, latent) == DIT_OK, "noise");
  dit_rng_close(rng);
  test_type(DIT_TYPE_F32, 0, "f32");
  test_type(DIT_TYPE_F16, 0, "f16");
  test_type(DIT_TYPE_Q8, 0, "q8 in int8");
  test_type(DIT_TYPE_Q8, DIT_COMPUTE_F32, "q8 in f32");
  test_type(DIT_TYPE_Q4, 0, "q4 in int8");
  test_type(DIT_TYPE_Q4, DIT_COMPUTE_F32, "q4 in f32");
  return test_end("test_shares");
}
