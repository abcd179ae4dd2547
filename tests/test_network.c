/* dit_forward, dit_vae_decode and dit_vae_encode against the golden vectors (float64, by another program).
 *
 * It fails if any formula, layout or order of the transformer or the autoencoder is wrong, or if float32 loses more
 * than tests/marks.h allows. Cases whose arrays are not there are skipped: full-size ones want DIT_GOLDEN=FOLDER with
 * all of them, and --full for those that need gigabytes. */
#include <math.h>

#include "dit.h"
#include "tests/forward.h"
#include "tests/marks.h"
#include "tests/npy.h"
#include "tests/synthetic.h"
#include "tests/test.h"
#include "weights/convert/read/json.h"

static int full;
static double worst_transformer, worst_autoencoder;

static double relative_l2(const float *x, const double *truth, int64_t count) {
  double error = 0, size = 0;
  for (int64_t i = 0; i < count; i++) {
    error += (x[i] - truth[i]) * (x[i] - truth[i]);
    size += truth[i] * truth[i];
  }
  return sqrt(error / size);
}

static int64_t number(const json_value *params, const char *key, int64_t otherwise) {
  const json_value *v = json_member(params, key);
  if (v && (v->kind == JSON_TRUE || v->kind == JSON_FALSE)) return v->kind == JSON_TRUE;
  return v && v->kind == JSON_NUMBER ? (int64_t)v->number : otherwise;
}

static json_value *manifest(const char *set) {
  char name[64], path[512];
  size_t size;
  snprintf(name, sizeof name, "%s/manifest.json", set);
  char *text = (char *)npy_load(npy_golden(path, sizeof path, name), &size);
  dit_error error;
  json_value *value = text ? json_parse(text, size, path, &error) : NULL;
  CHECK(value, "%s cannot be read", path);
  free(text);
  return value;
}

/* Arrays of a case; NULL without a word if the file is not there. */
static void *array(const char *set, const char *name, const char *part, int as_float, npy_shape *shape) {
  char path[512], file[256];
  snprintf(file, sizeof file, "%s/%s__%s.npy", set, name, part);
  FILE *there = fopen(npy_golden(path, sizeof path, file), "rb");
  if (!there) return NULL;
  fclose(there);
  return as_float ? (void *)npy_f32(path, shape) : (void *)npy_f64(path, shape);
}

static int open_synthetic(const char *first, int type, int diffusers, dit_model **model) {
  char path[512];
  dit_error error = {0};
  convert_options wishes;
  memset(&wishes, 0, sizeof wishes);
  wishes.type = type;
  wishes.guidance = -1;
  wishes.forward = diffusers ? FORWARD_DIFFUSERS : 0;
  *model = NULL;
  if (!synthetic_write(synthetic_path(path, sizeof path, "network"), first, NULL, &wishes)) return 0;
  const dit_status status = dit_model_open(path, NULL, model, &error);
  CHECK(status == DIT_OK, "%s: %s", first, error.message);
  remove(path); /* the mapping keeps it */
  return status == DIT_OK;
}

static const char *torch_error(const json_value *test, const char *key) {
  const json_value *v = json_member(json_member(test, "torch_float32"), key);
  return v && v->text ? v->text : "-";
}

/* ---- The transformer ---- */

typedef struct pass {
  const char *name;
  npy_shape shape; /* of x */
  float *x;
  float *t;
  int32_t *y;
  float *out;
  int64_t out_count;
} pass;

static int pass_run(dit_model *model, const json_value *params, pass *p) {
  npy_shape ts, ys;
  dit_error error = {0};
  double *t = (double *)array("dit", p->name, "t", 0, &ts), *y = (double *)array("dit", p->name, "y", 0, &ys);
  p->x = (float *)array("dit", p->name, "x", 1, &p->shape);
  const int64_t count = p->shape.size[0], channels = p->shape.size[1], area = p->shape.size[2] * p->shape.size[3];
  const int64_t classes = number(params, "classes", 0);
  p->out_count = count * number(params, "out_channels", 0) * area;
  p->t = (float *)malloc((size_t)count * sizeof(float));
  p->y = (int32_t *)malloc((size_t)count * sizeof(int32_t));
  p->out = (float *)malloc((size_t)p->out_count * sizeof(float));
  for (int64_t i = 0; i < count; i++) {
    p->t[i] = (float)t[i];
    p->y[i] = (int64_t)y[i] == classes ? -1 : (int32_t)y[i];
  }
  if (number(params, "doubled_batch", 0))
    memcpy(p->x + count / 2 * channels * area, p->x, (size_t)(count / 2 * channels * area) * 4);
  const dit_status status = forward(model, (int32_t)count, (int32_t)p->shape.size[2], (int32_t)p->shape.size[3], p->x,
                                    p->t, p->y, p->out, &error);
  free(t);
  free(y);
  return CHECK(status == DIT_OK, "%s: %s", p->name, error.message);
}

static void pass_free(pass *p) {
  free(p->x);
  free(p->t);
  free(p->y);
  free(p->out);
}

static void compare(const char *name, const float *out, const double *truth, int64_t count, double mark, double *worst,
                    const char *torch, const char *torch_sinusoids) {
  const double error = relative_l2(out, truth, count);
  printf("  %-34s %.2e (PyTorch float32 %s%s%s)\n", name, error, torch,
         torch_sinusoids ? ", with double sinusoids " : "", torch_sinusoids ? torch_sinusoids : "");
  CHECK(error <= mark, "%s: relative L2 error %.3e, at most %.0e", name, error, mark);
  if (error > *worst) *worst = error;
}

/* The golden guided outputs: eps = uncond + scale * (cond - uncond) on some channels, in the test's own arithmetic. */
static void compare_guided(const json_value *test, const pass *p) {
  const json_value *scales = json_member(json_member(test, "params"), "cfg_scales");
  const int64_t half = p->out_count / 2, area = p->shape.size[2] * p->shape.size[3];
  float *guided = (float *)malloc((size_t)p->out_count * sizeof(float));
  const int64_t per_sample = p->out_count / p->shape.size[0];
  for (const json_value *scale = scales ? scales->child : NULL; scale; scale = scale->next)
    for (int all = 0; all < 2; all++) {
      char part[64], name[128];
      npy_shape shape;
      snprintf(part, sizeof part, "out_cfg%g_%s", scale->number, all ? "all" : "3ch");
      snprintf(name, sizeof name, "%s %s", p->name, part);
      double *truth = (double *)array("dit", p->name, part, 0, &shape);
      if (!truth) continue;
      memcpy(guided, p->out, (size_t)p->out_count * sizeof(float));
      const int64_t channels = all ? p->shape.size[1] : 3;
      for (int64_t i = 0; i < half; i++) {
        if (i % per_sample >= channels * area) continue;
        const double u = p->out[half + i], c = p->out[i];
        guided[i] = guided[half + i] = (float)(u + scale->number * (c - u));
      }
      compare(name, guided, truth, p->out_count, MARK_TRANSFORMER, &worst_transformer, torch_error(test, "all"),
              torch_error(test, "float64_sinusoids"));
      free(truth);
    }
  free(guided);
}

static void transformer_case(const json_value *test) {
  const json_value *params = json_member(test, "params"), *name = json_member(test, "name");
  const json_value *flavour = json_member(params, "flavour"), *dtype = json_member(params, "weight_dtype");
  char specification[256];
  pass p;
  memset(&p, 0, sizeof p);
  p.name = name->text;
  float *x = (float *)array("dit", p.name, "x", 1, NULL);
  free(x);
  const int64_t hidden = number(params, "hidden", 0);
  if (!x || (hidden > 512 && !full)) {
    SKIP(x ? "full-size transformers run with --full" : "arrays of a full-size case: set DIT_GOLDEN");
    return;
  }
  snprintf(specification, sizeof specification,
           "dit:hidden=%d,depth=%d,heads=%d,patch=%d,latent=%d,in=%d,classes=%d,sigma=%d", (int)hidden,
           (int)number(params, "depth", 0), (int)number(params, "heads", 0), (int)number(params, "patch", 0),
           (int)number(params, "latent", 0), (int)number(params, "in_channels", 0), (int)number(params, "classes", 0),
           (int)number(params, "learn_sigma", 1));
  const int type = !strcmp(dtype->text, "f16")    ? DIT_TYPE_F16
                   : !strcmp(dtype->text, "bf16") ? DIT_TYPE_BF16
                                                  : DIT_TYPE_F32;
  dit_model *model;
  if (open_synthetic(specification, type, !strcmp(flavour->text, "diffusers"), &model) && pass_run(model, params, &p)) {
    double *truth = (double *)array("dit", p.name, "out", 0, NULL);
    if (truth)
      compare(p.name, p.out, truth, p.out_count, MARK_TRANSFORMER, &worst_transformer, torch_error(test, "all"),
              torch_error(test, "float64_sinusoids"));
    free(truth);
    compare_guided(test, &p);
  }
  pass_free(&p);
  dit_model_close(model);
}

/* ---- The autoencoder ---- */

static void autoencoder_decode(dit_model *model, const char *name, const char *torch) {
  npy_shape in, shape;
  dit_error error = {0};
  float *latent = (float *)array("vae", name, "latent", 1, &in);
  double *truth = (double *)array("vae", name, "image", 0, &shape);
  float *image = (float *)malloc((size_t)shape.count * sizeof(float));
  const dit_status status =
      dit_vae_decode(model, (int32_t)in.size[0], (int32_t)in.size[2], (int32_t)in.size[3], latent, image, &error);
  if (CHECK(status == DIT_OK, "%s: %s", name, error.message))
    compare(name, image, truth, shape.count, MARK_AUTOENCODER, &worst_autoencoder, torch, NULL);
  free(latent);
  free(truth);
  free(image);
}

static void autoencoder_encode(dit_model *model, const char *name, const char *torch) {
  npy_shape in, shape;
  dit_error error = {0};
  float *image = (float *)array("vae", name, "image", 1, &in);
  double *mean = (double *)array("vae", name, "mean", 0, &shape),
         *logvar = (double *)array("vae", name, "logvar", 0, NULL);
  float *out = (float *)malloc(2 * (size_t)shape.count * sizeof(float)), *log_out = out + shape.count;
  const dit_status status =
      dit_vae_encode(model, (int32_t)in.size[0], (int32_t)in.size[2], (int32_t)in.size[3], image, out, log_out, &error);
  if (CHECK(status == DIT_OK, "%s: %s", name, error.message)) {
    compare(name, out, mean, shape.count, MARK_AUTOENCODER, &worst_autoencoder, torch, NULL);
    double most = 0;
    for (int64_t i = 0; i < shape.count; i++) most = fmax(most, fabs(log_out[i] - logvar[i]));
    printf("  %-34s %.2e (largest error of log-variances)\n", name, most);
    CHECK(most <= MARK_LOGVAR, "%s: log-variances are %.2e off", name, most);
  }
  free(image);
  free(mean);
  free(logvar);
  free(out);
}

static void autoencoder_case(const json_value *test) {
  const json_value *params = json_member(test, "params"), *name = json_member(test, "name");
  const json_value *direction = json_member(params, "direction"), *blocks = json_member(params, "blocks");
  if (!direction) return; /* the posterior alone is no function of ours */
  const int decode = !strcmp(direction->text, "decode");
  void *there = array("vae", name->text, decode ? "latent" : "image", 1, NULL);
  free(there);
  if (!there || (number(params, "layers", 0) > 1 && !full)) {
    SKIP(there ? "the full-size autoencoder runs with --full" : "arrays of a full-size case: set DIT_GOLDEN");
    return;
  }
  char specification[256] = "vae:blocks=";
  for (const json_value *b = blocks->child; b; b = b->next)
    sprintf(specification + strlen(specification), "%s%d", b == blocks->child ? "" : "+", (int)b->number);
  sprintf(specification + strlen(specification), ",layers=%d,groups=%d,in=%d,out=%d,latent=%d",
          (int)number(params, "layers", 0), (int)number(params, "groups", 0), (int)number(params, "image_channels", 0),
          (int)number(params, "image_channels", 0), (int)number(params, "latent_channels", 0));
  dit_model *model;
  if (open_synthetic(specification, DIT_TYPE_F32, 0, &model)) {
    if (decode)
      autoencoder_decode(model, name->text, torch_error(test, "rel_l2"));
    else
      autoencoder_encode(model, name->text, torch_error(test, "rel_l2"));
  }
  dit_model_close(model);
}

int main(int count, char **arguments) {
  full = count > 1 && !strcmp(arguments[1], "--full");
  json_value *dit = manifest("dit"), *vae = manifest("vae");
  for (const json_value *test = dit ? json_member(dit, "cases")->child : NULL; test; test = test->next)
    if (strcmp(json_member(test, "name")->text, "tables")) transformer_case(test);
  for (const json_value *test = vae ? json_member(vae, "cases")->child : NULL; test; test = test->next)
    autoencoder_case(test);
  printf("  worst: transformer %.2e (at most %.0e), autoencoder %.2e (at most %.0e)\n", worst_transformer,
         MARK_TRANSFORMER, worst_autoencoder, MARK_AUTOENCODER);
  json_free(dit);
  json_free(vae);
  return test_end("test_network");
}
