/* Files of other origins and shapes (weights/convert: names, folder, inputs, scheduler, model_source, check): layouts
 * of diffusers and CompVis that PyTorch wrote (tests/golden/checkpoints), prefixes, shards, variants, whole pipelines,
 * model files written again. Fails if one of them is not converted to the file that the synthetic rule gives directly,
 * byte for byte; if a shard is taken from outside of its folder, or from another than the index says; if embedders that
 * differ are taken for one; if a scheduler that the library does not do is not refused by name, or a key of it gets
 * lost; or if what shapes cannot tell is guessed. The program under test is argv[1], or DIT_CONVERT, or
 * build/dit-convert; run from the root of the repository. */
#define _DEFAULT_SOURCE /* mkdtemp, fork */

#include "tests/saved.h"

#include <math.h>

#include "dit.h"
#include "lib/model/metadata.h"
#include "weights/convert/check.h"
#include "weights/convert/shape/content.h"
#include "weights/convert/shape/imagenet.h"
#include "weights/convert/shape/inputs.h"
#include "weights/convert/shape/names.h"

#define DIT_SPEC "dit:hidden=16,depth=2,heads=2,latent=4,classes=3"
#define VAE_SPEC "vae:blocks=8+8,layers=1,groups=4"

/* ---- Layouts that PyTorch wrote ---- */

static void test_written(void) {
  static const struct {
    const char *path, *spec, *option, *value, *found;
  } cases[] = {
      {CHECKPOINTS "dit_diffusers_f16.pt", DIT_SPEC, "--latent", "4", "layout of diffusers"},
      {CHECKPOINTS "vae_former_f16.pt", VAE_SPEC, "--groups", "4", "former names of diffusers"},
      {CHECKPOINTS "vae_compvis_f16.pt", VAE_SPEC, "--groups", "4", "layout of CompVis"},
      {CHECKPOINTS "vae_sd_f16.ckpt", VAE_SPEC, "--groups", "4", "begin with first_stage_model."},
  };
  const char *a = in_folder("a.gguf"), *b = in_folder("b.gguf");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    CHECK(RUN(cases[i].path, "--family", "dit", "--heads", "2", cases[i].option, cases[i].value, "-o", a) == 0,
          "%s: %s", cases[i].path, output);
    CHECK(strstr(output, cases[i].found) != NULL, "%s: does not say %s:\n%s", cases[i].path, cases[i].found, output);
    CHECK(RUN("--synthetic", cases[i].spec, "-o", b) == 0, "%s", output);
    equal_files(cases[i].path, a, b);
  }
  refused("no latent", RUN(CHECKPOINTS "dit_diffusers_f16.pt", "--family", "dit", "--heads", "2", "-o", a),
          "--latent N");
  refused("no heads", RUN(CHECKPOINTS "dit_diffusers_f16.pt", "--latent", "4", "-o", a), "--heads N");
  clear("");
}

/* ---- Prefixes ---- */

static void test_prefixes(void) {
  static const char *const prefixes[] = {"module.", "_orig_mod.", "module._orig_mod.", "ema_model.module.", "net."};
  checkpoint *s = open_golden(CHECKPOINTS "dit_f32.pt");
  const char *file = in_folder("file.safetensors"), *a = in_folder("a.gguf"), *b = in_folder("b.gguf");
  CHECK(RUN(CHECKPOINTS "dit_f32.pt", "--family", "dit", "--heads", "2", "-o", b) == 0, "%s", output);
  for (size_t i = 0; s && i < sizeof prefixes / sizeof *prefixes; i++) {
    saved *list = all_of(s, prefixes[i]);
    save_tensors(file, list, s->count);
    CHECK(RUN(file, "--family", "dit", "--heads", "2", "-o", a) == 0 && strstr(output, prefixes[i]), "%s: %s",
          prefixes[i], output);
    equal_files(prefixes[i], a, b);
    free(list);
  }
  /* The moving average beside the model, whose numbers differ, and what belongs to neither. */
  for (int other = 0; s && other < 2; other++) {
    saved *list = all_of(s, other ? "ema_model." : "model.");
    for (size_t i = 0; i < s->count; i++) {
      list[s->count + i] = list[i];
      snprintf(list[s->count + i].name, sizeof list->name, "%s%s", other ? "online_model." : "model_ema.",
               s->tensors[i].name);
      list[other ? s->count + i : i].change = 1;
    }
    list[2 * s->count] = list[0];
    snprintf(list[2 * s->count].name, sizeof list->name, "step");
    save_tensors(file, list, 2 * s->count + 1);
    CHECK(RUN(file, "--family", "dit", "--heads", "2", "-o", a) == 0 && strstr(output, "other tensors are left out"),
          "%s", output);
    equal_files("a moving average", a, b);
    for (size_t i = 0; i < s->count; i++)
      snprintf(list[s->count + i].name, sizeof list->name, "%s%s", other ? "ema_2." : "net.", s->tensors[i].name);
    if (!other)
      for (size_t i = 0; i < s->count; i++) snprintf(list[i].name, sizeof list->name, "two.%s", s->tensors[i].name);
    save_tensors(file, list, 2 * s->count);
    refused("two models", RUN(file, "--family", "dit", "--heads", "2", "-o", a), "several models in one file");
    free(list);
  }
  checkpoint_close(s);
  clear("");
}

/* ---- diffusers' transformer ---- */

static const char *const dit_config =
    "{\"_class_name\":\"%s\",\"num_attention_heads\":%d,\"attention_head_dim\":%d,\"sample_size\":4,\"in_channels\":4,"
    "\"out_channels\":8,\"patch_size\":2,\"num_layers\":2,\"num_embeds_ada_norm\":%d,\"norm_eps\":%s,\"norm_type\":\"%"
    "s\","
    "\"activation_fn\":\"gelu-approximate\",\"attention_bias\":true,\"norm_elementwise_affine\":false}";

static void save_dit_config(const char *name, const char *class_name, int heads, int dim, int classes, const char *eps,
                            const char *norm) {
  char text[1000];
  snprintf(text, sizeof text, dit_config, class_name, heads, dim, classes, eps, norm);
  save_text(name, text);
}

static void test_transformer_folder(void) {
  char config[32] = "t/config.json";
  const char *t = in_folder("t"), *a = in_folder("a.gguf"), *b = in_folder("b.gguf");
  make_folder("t");
  copy(CHECKPOINTS "dit_diffusers_f16.pt", "t/diffusion_pytorch_model.bin");
  CHECK(RUN("--synthetic", DIT_SPEC, "-o", b) == 0, "%s", output);
  static const char *const classes[] = {"DiTTransformer2DModel", "Transformer2DModel"};
  for (int i = 0; i < 2; i++) {
    save_dit_config(config, classes[i], 2, 8, 3, "1e-5", "ada_norm_zero");
    CHECK(RUN(t, "-o", a) == 0, "%s", output);
    equal_files("a transformer's folder", a, b);
  }
  save_dit_config(config, "DiTTransformer2DModel", 2, 8, 3, "0.125", "ada_norm_zero");
  CHECK(RUN(t, "--forward", "diffusers", "-o", a) == 0, "%s", output);
  size_t size;
  dit__gguf *g = NULL;
  const char *forward = "";
  double eps = 0;
  uint8_t *bytes = load(a, &size);
  if (CHECK(bytes && !dit__gguf_open(bytes, size, NULL, &g, NULL), "a.gguf")) {
    CHECK(
        dit__gguf_string(g, "dit.forward", &forward, &size, NULL) == 1 && size == 9 && !memcmp(forward, "diffusers", 9),
        "dit.forward");
    CHECK(dit__gguf_real(g, "dit.norm_eps", &eps, NULL) == 1 && eps == 0.125, "dit.norm_eps is %g", eps);
  }
  dit__gguf_close(g, NULL);
  free(bytes);
  CHECK(RUN("--synthetic", DIT_SPEC, "--forward", "diffusers", "-o", b) == 0, "%s", output);
  CHECK(RUN("--check", a, b) == 0 && strstr(output, "all equal"), "%s", output);

  save_dit_config(config, "DiTTransformer2DModel", 3, 8, 3, "1e-5", "ada_norm_zero");
  refused("heads", RUN(t, "-o", a), "3 heads of 8 channels");
  save_dit_config(config, "DiTTransformer2DModel", 2, 8, 4, "1e-5", "ada_norm_zero");
  refused("classes", RUN(t, "-o", a), "num_embeds_ada_norm is 4");
  save_dit_config(config, "DiTTransformer2DModel", 2, 8, 3, "2", "ada_norm_zero");
  refused("an epsilon", RUN(t, "-o", a), "norm_eps");
  save_dit_config(config, "DiTTransformer2DModel", 2, 8, 3, "1e-5", "layer_norm");
  refused("another norm", RUN(t, "-o", a), "norm_type must be \"ada_norm_zero\"");
  save_dit_config(config, "PixArtTransformer2DModel", 2, 8, 3, "1e-5", "ada_norm_zero");
  refused("another class", RUN(t, "-o", a), "class PixArtTransformer2DModel");
  clear("");
}

/* Every block has its embedders: they must be equal; and q, k and v must fit together. */
static void test_embedders(void) {
  checkpoint *s = open_golden(CHECKPOINTS "dit_diffusers_f16.pt");
  const char *file = in_folder("file.safetensors"), *a = in_folder("a.gguf");
  saved *list = all_of(s, "");
  save_tensors(file, list, s->count);
  CHECK(RUN(file, "--family", "dit", "--heads", "2", "--latent", "4", "-o", a) == 0, "%s", output);
  int changed = 0;
  for (size_t i = 0; i < s->count; i++) {
    int copied = strstr(list[i].name, "transformer_blocks.1.norm1.emb") != NULL;
    if (!copied && !strstr(list[i].name, "transformer_blocks.1.attn1.to_k")) continue;
    char kept[sizeof list->name];
    if (copied) {
      list[i].change = 0.001f;
      save_tensors(file, list, s->count);
      refused(list[i].name, RUN(file, "--family", "dit", "--heads", "2", "--latent", "4", "-o", a),
              "not equal|block 0");
      list[i].change = 0;
      changed++;
    }
    memcpy(kept, list[i].name, sizeof kept);
    snprintf(list[i].name, sizeof list->name, "x%.100s", kept);
    save_tensors(file, list, s->count);
    refused(list[i].name, RUN(file, "--family", "dit", "--heads", "2", "--latent", "4", "-o", a), "surplus: x");
    memcpy(list[i].name, kept, sizeof kept);
  }
  CHECK(changed == 5, "%d embedders of block 1", changed);
  free(list);
  checkpoint_close(s);
  clear("");
}

/* ---- Shards and variants ---- */

/* An index of the tensors of `s`; the first `split` are in `first`, the others in `second`. */
static void save_index(const char *name, const checkpoint *s, size_t split, const char *first, const char *second) {
  char *text = (char *)malloc(300 * s->count + 100);
  size_t used = (size_t)sprintf(text, "{\"metadata\":{\"total_size\":1},\"weight_map\":{");
  for (size_t i = 0; i < s->count; i++)
    used +=
        (size_t)sprintf(text + used, "%s\"%s\":\"%s\"", i ? "," : "", s->tensors[i].name, i < split ? first : second);
  sprintf(text + used, "}}");
  save_text(name, text);
  free(text);
}

static void test_shards(void) {
  static const char *const outside[] = {"../two.safetensors",
                                        "/tmp/two.safetensors",
                                        "a/../two.safetensors",
                                        "..\\\\two.safetensors",
                                        "C:two.safetensors",
                                        "./two.safetensors",
                                        "..",
                                        "",
                                        "a//two.safetensors",
                                        "two.safetensors/"};
  static const char *const index = "v/diffusion_pytorch_model.safetensors.index.json";
  checkpoint *s = open_golden(CHECKPOINTS "vae_f16");
  size_t split = s->count / 3;
  char v[128], a[128], b[128];
  snprintf(v, sizeof v, "%s", in_folder("v"));
  snprintf(a, sizeof a, "%s", in_folder("a.gguf"));
  snprintf(b, sizeof b, "%s", in_folder("b.gguf"));
  make_folder("v");
  make_folder("v/part");
  copy(CHECKPOINTS "vae_f16/config.json", "v/config.json");
  saved *list = all_of(s, "");
  save_tensors(in_folder("v/one.safetensors"), list, split);
  save_tensors(in_folder("v/part/two.safetensors"), list + split, s->count - split);
  save_index(index, s, split, "one.safetensors", "part/two.safetensors");
  CHECK(RUN(CHECKPOINTS "vae_f16", "-o", b) == 0, "%s", output);
  CHECK(RUN(v, "-o", a) == 0 && strstr(output, "2 shards"), "%s", output);
  equal_files("shards", a, b);
  CHECK(RUN(in_folder(index), "--groups", "4", "-o", a) == 0, "an index alone: %s", output);
  equal_files("an index alone", a, b);

  for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
    save_index(index, s, split, "one.safetensors", outside[i]);
    refused(outside[i], RUN(v, "-o", a), "absolute paths and '..' are refused");
  }
  save_index(index, s, split + 1, "one.safetensors", "part/two.safetensors");
  refused("in another shard", RUN(v, "-o", a), "but the index has it in another");
  save_index(index, s, split, "one.safetensors", "gone.safetensors");
  refused("a shard that is not there", RUN(v, "-o", a), "gone.safetensors|No such file");
  save_tensors(in_folder("v/part/two.safetensors"), list + split - 1, s->count - split + 1);
  save_index(index, s, split, "one.safetensors", "part/two.safetensors");
  refused("a tensor in two shards", RUN(v, "-o", a), "in another");
  save_tensors(in_folder("v/part/two.safetensors"), list + split, s->count - split - 1);
  refused("a tensor in no shard", RUN(v, "-o", a), "1 missing");
  save_text(index, "{\"weight_map\":{\"a\":1}}");
  refused("a number for a file", RUN(v, "-o", a), "must be a file in the folder");
  save_text(index, "{\"weight_map\":{}}");
  refused("an empty map", RUN(v, "-o", a), "weight_map");
  save_text(index, "{\"weight_map\":{\"a\":\"config.json\"}}");
  refused("a text for a shard", RUN(v, "-o", a), "JSON text");
  save_index(index, s, s->count, "diffusion_pytorch_model.safetensors.index.json", "");
  refused("an index of itself", RUN(v, "-o", a), "JSON text");
  free(list);
  checkpoint_close(s);
  clear("");
}

static void test_variants(void) {
  char v[128], a[128], b[128];
  checkpoint *s = open_golden(CHECKPOINTS "vae_f16");
  saved *list = all_of(s, "");
  snprintf(v, sizeof v, "%s", in_folder("v"));
  snprintf(a, sizeof a, "%s", in_folder("a.gguf"));
  snprintf(b, sizeof b, "%s", in_folder("b.gguf"));
  make_folder("v");
  copy(CHECKPOINTS "vae_f16/config.json", "v/config.json");
  save_tensors(in_folder("v/diffusion_pytorch_model.fp16.safetensors"), list, s->count);
  CHECK(RUN(CHECKPOINTS "vae_f16", "-o", b) == 0, "%s", output);
  CHECK(RUN(v, "-o", a) == 0 && strstr(output, "fp16"), "%s", output);
  equal_files("the only variant", a, b);
  list[3].change = 1;
  save_tensors(in_folder("v/diffusion_pytorch_model.safetensors"), list, s->count);
  CHECK(RUN(v, "-o", a) == 0 && differ(a, b), "the plain weights go first: %s", output);
  CHECK(RUN(v, "--variant", "fp16", "-o", a) == 0, "%s", output);
  equal_files("a chosen variant", a, b);
  refused("no such variant", RUN(v, "--variant", "bf16", "-o", a), "without the variant bf16");
  save_index("v/diffusion_pytorch_model.safetensors.index.int8.json", s, s->count,
             "diffusion_pytorch_model.fp16.safetensors", "");
  CHECK(RUN(v, "--variant", "int8", "-o", a) == 0, "%s", output);
  equal_files("a variant in shards", a, b);
  CHECK(RUN(v, "--variant", "../x", "-o", a) == 1 && strstr(output, "a word"), "%s", output);
  free(list);
  checkpoint_close(s);
  clear("");
}

/* ---- Pipelines ---- */

#define INDEX_HEAD "{\"_class_name\":\"DiTPipeline\",\"transformer\":[\"diffusers\",\"DiTTransformer2DModel\"]"

static void make_pipeline(void) {
  make_folder("p");
  make_folder("p/transformer");
  make_folder("p/vae");
  make_folder("p/scheduler");
  copy(CHECKPOINTS "dit_diffusers_f16.pt", "p/transformer/diffusion_pytorch_model.bin");
  save_dit_config("p/transformer/config.json", "DiTTransformer2DModel", 2, 8, 3, "1e-5", "ada_norm_zero");
  copy(CHECKPOINTS "vae_f16/config.json", "p/vae/config.json");
  copy(CHECKPOINTS "vae_f16/diffusion_pytorch_model.safetensors", "p/vae/diffusion_pytorch_model.safetensors");
  save_text("p/scheduler/scheduler_config.json", "{\"_class_name\":\"DDIMScheduler\",\"clip_sample\":false}");
  save_text("p/model_index.json", INDEX_HEAD ",\"id2label\":{\"2\":\"three\",\"0\":\"one, first\",\"1\":\"two\"}}");
}

static void test_pipeline(void) {
  char p[128], a[128], b[128], labels[128], config[128];
  snprintf(p, sizeof p, "%s", in_folder("p"));
  snprintf(a, sizeof a, "%s", in_folder("a.gguf"));
  snprintf(b, sizeof b, "%s", in_folder("b.gguf"));
  snprintf(labels, sizeof labels, "%s", in_folder("labels.txt"));
  snprintf(config, sizeof config, "%s", in_folder("p/scheduler/scheduler_config.json"));
  make_pipeline();
  save_text("labels.txt", "one, first\ntwo\nthree\n");
  CHECK(RUN(p, "-o", a) == 0, "%s", output);
  CHECK(RUN("--synthetic", DIT_SPEC, "--synthetic", VAE_SPEC, "--labels", labels, "--scheduler", config,
            "--guidance-channels", "all", "-o", b) == 0,
        "%s", output);
  equal_files("a pipeline", a, b);
  dit_model *model = NULL;
  dit_error error = {0, ""};
  dit_info info = {.struct_size = sizeof info};
  if (CHECK(!dit_model_open(a, NULL, &model, &error) && !dit_model_info(model, &info), "%s", error.message))
    CHECK(info.sampler == DIT_SAMPLER_DDIM && info.timestep_spacing == DIT_SPACING_LEADING && info.steps == 50 &&
              info.guidance_channels == 4 && dit_model_find_class(model, "first") == 0 && info.label_count == 3,
          "sampler %d, spacing %d, %d steps, %d channels", info.sampler, info.timestep_spacing, info.steps,
          info.guidance_channels);
  dit_model_close(model);
  CHECK(RUN("--check", p, a) == 0 && strstr(output, "all equal"), "%s", output);
  CHECK(RUN("--dit", p, "--synthetic", VAE_SPEC, "-o", a) == 0, "the transformer alone: %s", output);
  equal_files("half a pipeline", a, b);
  CHECK(RUN("--vae", p, "-o", a) == 0 && RUN("--synthetic", VAE_SPEC, "-o", b) == 0, "%s", output);
  equal_files("the autoencoder alone", a, b);

  save_text("p/scheduler/scheduler_config.json", "{\"_class_name\":\"PNDMScheduler\"}");
  refused("another scheduler", RUN(p, "-o", a),
          "scheduler_config.json: unsupported value PNDMScheduler for _class_name");
  save_text("p/scheduler/scheduler_config.json", "{\"_class_name\":\"DDIMScheduler\"}");

  static const struct {
    const char *index, *words;
  } cases[] = {
      {"{\"_class_name\":\"StableDiffusionPipeline\"}", "class StableDiffusionPipeline|give its vae folder"},
      {"[]", "class ?"},
      {INDEX_HEAD ",\"id2label\":{\"0\":\"a\",\"1\":\"b\"}}", "2 labels for 3 classes"},
      {INDEX_HEAD ",\"id2label\":{\"0\":\"a\",\"x\":\"b\"}}", "id2label"},
      {INDEX_HEAD ",\"id2label\":{\"0\":\"a\",\"1\":2}}", "id2label"},
      {INDEX_HEAD ",\"id2label\":{\"0\":\"a\",\"-1\":\"b\"}}", "id2label"},
      {INDEX_HEAD ",\"id2label\":{\"0\":\"a\",\"00\":\"b\"}}", "twice"},
      {INDEX_HEAD ",\"id2label\":{\"99999999999999999999\":\"a\"}}", "id2label"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    save_text("p/model_index.json", cases[i].index);
    refused(cases[i].index, RUN(p, "-o", a), cases[i].words);
  }
  clear("");
}

/* ---- Schedulers ---- */

static dit_status read_scheduler(const char *text, schedule *out, dit_error *error) {
  json_value *v = json_parse(text, strlen(text), "s", error);
  if (!CHECK(v != NULL, "%s: %s", text, error->message)) return DIT_ERROR_FORMAT;
  dit_status status = scheduler_read(v, "s", out, error);
  json_free(v);
  return status;
}

#define DDIM "{\"_class_name\":\"DDIMScheduler\""
#define DDPM "{\"_class_name\":\"DDPMScheduler\""
#define DPM "{\"_class_name\":\"DPMSolverMultistepScheduler\""

/* What configurations leave out is as in diffusers (its classes' defaults). */
static void test_schedulers(void) {
  static const struct {
    const char *text, *sampler, *spacing, *betas, *variance;
    double start, end;
    int timesteps, offset, alpha, clip;
  } cases[] = {
      {DDIM "}", "ddim", "leading", "linear", NULL, 0.0001, 0.02, 1000, 0, 1, 1},
      {DDPM "}", "ddpm", "leading", "linear", "fixed_small", 0.0001, 0.02, 1000, 0, 1, 1},
      {DPM "}", "dpm++", "linspace", "linear", NULL, 0.0001, 0.02, 1000, 0, 1, 0},
      {DDIM ",\"beta_schedule\":\"scaled_linear\",\"beta_start\":0.00085,\"beta_end\":0.012,\"clip_sample\":false,"
            "\"steps_offset\":1,\"set_alpha_to_one\":false,\"timestep_spacing\":\"trailing\",\"trained_betas\":null,"
            "\"num_train_timesteps\":500,\"prediction_type\":\"epsilon\",\"thresholding\":false}",
       "ddim", "trailing", "scaled_linear", NULL, 0.00085, 0.012, 500, 1, 0, 0},
      {DDPM ",\"variance_type\":\"learned_range\",\"clip_sample\":false,\"timestep_spacing\":\"linspace\"}", "ddpm",
       "linspace", "linear", "learned_range", 0.0001, 0.02, 1000, 0, 1, 0},
      {DDPM ",\"variance_type\":\"fixed_large\"}", "ddpm", "leading", "linear", "fixed_large", 0.0001, 0.02, 1000, 0, 1,
       1},
      {DDPM ",\"variance_type\":\"fixed_small_log\"}", "ddpm", "leading", "linear", "fixed_small", 0.0001, 0.02, 1000,
       0, 1, 1},
      {DPM
       ",\"solver_order\":2,\"algorithm_type\":\"dpmsolver++\",\"use_karras_sigmas\":false,\"lower_order_final\":true,"
       "\"timestep_spacing\":\"leading\",\"steps_offset\":1}",
       "dpm++", "leading", "linear", NULL, 0.0001, 0.02, 1000, 1, 1, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    schedule s;
    dit_error error = {0, ""};
    if (!CHECK(!read_scheduler(cases[i].text, &s, &error), "%s: %s", cases[i].text, error.message)) continue;
    const char *betas = dit__beta_schedule_words[s.betas];
    CHECK(!strcmp(dit_sampler_name(s.sampler), cases[i].sampler) &&
              !strcmp(dit_spacing_name(s.spacing), cases[i].spacing) && !strcmp(betas, cases[i].betas),
          "%s: %s %s %s", cases[i].text, dit_sampler_name(s.sampler), dit_spacing_name(s.spacing), betas);
    CHECK(cases[i].variance ? !strcmp(dit_variance_name(s.variance), cases[i].variance) : !s.variance, "%s: variance",
          cases[i].text);
    CHECK(s.beta_start == cases[i].start && s.beta_end == cases[i].end && s.timesteps == cases[i].timesteps &&
              s.steps_offset == cases[i].offset && s.set_alpha_to_one == cases[i].alpha && s.clip == cases[i].clip,
          "%s: %g %g %d %d %d %d", cases[i].text, s.beta_start, s.beta_end, s.timesteps, s.steps_offset,
          s.set_alpha_to_one, s.clip);
  }
}

static void test_schedulers_refused(void) {
  static const struct {
    const char *text, *words;
  } cases[] = {
      {"{}", "_class_name is missing"},
      {"{\"_class_name\":\"PNDMScheduler\"}", "unsupported value PNDMScheduler for _class_name"},
      {"{\"_class_name\":\"EulerDiscreteScheduler\\u001b\"}", "EulerDiscreteScheduler?"},
      {DDIM ",\"prediction_type\":\"v_prediction\"}", "unsupported value v_prediction for prediction_type"},
      {DDIM ",\"prediction_type\":\"sample\"}", "unsupported value sample for prediction_type"},
      {DDIM ",\"beta_schedule\":\"squaredcos_cap_v2\"}", "unsupported value squaredcos_cap_v2 for beta_schedule"},
      {DDPM ",\"beta_schedule\":\"sigmoid\"}", "unsupported value sigmoid for beta_schedule"},
      {DDIM ",\"beta_schedule\":3}", "unsupported value 3 for beta_schedule"},
      {DDIM ",\"trained_betas\":[0.1,0.2]}", "unsupported value a list for trained_betas"},
      {DDIM ",\"thresholding\":true}", "unsupported value true for thresholding"},
      {DDIM ",\"rescale_betas_zero_snr\":true}", "unsupported value true for rescale_betas_zero_snr"},
      {DDIM ",\"clip_sample_range\":2.0}", "unsupported value 2.0 for clip_sample_range"},
      {DDIM ",\"timestep_spacing\":\"other\"}", "unsupported value other for timestep_spacing"},
      {DDIM ",\"num_train_timesteps\":0}", "unsupported value 0 for num_train_timesteps"},
      {DDIM ",\"num_train_timesteps\":1e9}", "unsupported value 1e9 for num_train_timesteps"},
      {DDIM ",\"steps_offset\":-1}", "unsupported value -1 for steps_offset"},
      {DDIM ",\"beta_start\":-0.1}", "unsupported value -0.1 for beta_start"},
      {DDIM ",\"beta_end\":\"a\"}", "unsupported value a for beta_end"},
      {DDIM ",\"beta_end\":0.00005}", "unsupported value 0.00005 for beta_end (must be at least beta_start)"},
      {DDIM ",\"num_train_timesteps\":10,\"steps_offset\":10}", "unsupported value 10 for steps_offset"},
      {DDIM ",\"set_alpha_to_one\":1}", "unsupported value 1 for set_alpha_to_one"},
      {DDPM ",\"variance_type\":\"learned\"}", "unsupported value learned for variance_type"},
      {DDPM ",\"variance_type\":\"fixed_large_log\"}", "unsupported value fixed_large_log for variance_type"},
      {DPM ",\"solver_order\":3}", "unsupported value 3 for solver_order"},
      {DPM ",\"algorithm_type\":\"sde-dpmsolver++\"}", "unsupported value sde-dpmsolver++ for algorithm_type"},
      {DPM ",\"use_karras_sigmas\":true}", "unsupported value true for use_karras_sigmas"},
      {DPM ",\"solver_type\":\"heun\"}", "unsupported value heun for solver_type"},
      {DPM ",\"lower_order_final\":false}", "unsupported value false for lower_order_final"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    schedule s;
    dit_error error = {0, ""};
    dit_status status = read_scheduler(cases[i].text, &s, &error);
    CHECK(status == DIT_ERROR_UNSUPPORTED && strstr(error.message, cases[i].words), "%s: %d %s", cases[i].text, status,
          error.message);
  }
}

/* ---- Model files, written again ---- */

static void test_rewriting(void) {
  static const char *const types[] = {"f32", "f16", "bf16", "q8", "q4"};
  char a[128], b[128], full[128];
  snprintf(a, sizeof a, "%s", in_folder("a.gguf"));
  snprintf(b, sizeof b, "%s", in_folder("b.gguf"));
  snprintf(full, sizeof full, "%s", in_folder("full.gguf"));
  CHECK(RUN("--synthetic", DIT_SPEC, "--synthetic", VAE_SPEC, "--type", "f32", "-o", full) == 0, "%s", output);
  for (int i = 0; i < 5; i++) {
    CHECK(RUN("--synthetic", DIT_SPEC, "--synthetic", VAE_SPEC, "--type", types[i], "-o", b) == 0, "%s", output);
    CHECK(RUN(full, "--type", types[i], "-o", a) == 0, "%s", output);
    equal_files(types[i], a, b);
    CHECK(RUN(b, "-o", a) == 0, "%s", output);
    equal_files("types as they are", a, b);
    CHECK(RUN(b, "-o", b) == 0, "onto itself: %s", output);
    equal_files("onto itself", a, b);
  }
  CHECK(RUN(b, "--type", "f32", "-o", a) == 0 && RUN("--check", a, b) == 0 && strstr(output, "all equal"),
        "q4 as f32: %s", output);
  refused("another null class", RUN(full, "--no-null-class", "-o", a), "convert the checkpoint again");
  refused("together", RUN(full, "--synthetic", VAE_SPEC, "-o", a), "alone");
  save_text("labels.txt", "a\nb\n");
  save_text("none.txt", "\xef\xbb\xbf");
  refused("no labels", RUN(full, "--labels", in_folder("none.txt"), "-o", a), "holds no names");
  refused("labels", RUN(full, "--labels", in_folder("labels.txt"), "-o", a), "2 labels for 3 classes");
  clear("");
}

/* A model file is written again only if the library opens it: with a changed byte of a tensor's name or of a key, it is
 * refused, and the sentence names the tensor or the key. */
static void test_damaged(void) {
  static const struct {
    const char *name;
    int at;
    char to;
    const char *words;
  } cases[] = {
      {"blocks.0.mlp.fc1.weight", 7, '9', "blocks.0.mlp.fc1.weight is missing"},
      {"vae.decoder.conv_out.bias", 20, 'B', "vae.decoder.conv_out.bias is missing"},
      {"dit.hidden_size", 4, 'H', "dit.hidden_size is missing"},
      {"general.architecture", 20 + 4 + 8, 'D', "another kind of model"},
  };
  char a[128], b[128];
  size_t size;
  snprintf(a, sizeof a, "%s", in_folder("a.gguf"));
  snprintf(b, sizeof b, "%s", in_folder("b.gguf"));
  CHECK(RUN("--synthetic", DIT_SPEC, "--synthetic", VAE_SPEC, "-o", a) == 0, "%s", output);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint8_t *bytes = load(a, &size), *at = bytes;
    const size_t length = strlen(cases[i].name);
    while (at < bytes + size - length && memcmp(at, cases[i].name, length)) at++;
    at[cases[i].at] = (uint8_t)cases[i].to;
    save(b, bytes, size);
    free(bytes);
    remove(in_folder("c.gguf"));
    refused(cases[i].name, RUN(b, "--type", "q4", "-o", in_folder("c.gguf")), cases[i].words);
    CHECK(access(in_folder("c.gguf"), F_OK) != 0, "%s: a file is left behind", cases[i].name);
  }
  clear("");
}

static int64_t integer_key(const char *path, const char *key) {
  size_t size;
  int64_t value = -99;
  dit__gguf *g = NULL;
  uint8_t *bytes = load(path, &size);
  if (CHECK(bytes && !dit__gguf_open(bytes, size, NULL, &g, NULL), "%s", path))
    dit__gguf_integer(g, key, INT32_MIN, INT32_MAX, &value, NULL);
  dit__gguf_close(g, NULL);
  free(bytes);
  return value;
}

static void test_overrides(void) {
  char a[128], b[128];
  snprintf(a, sizeof a, "%s", in_folder("a.gguf"));
  snprintf(b, sizeof b, "%s", in_folder("b.gguf"));
  CHECK(RUN("--synthetic", DIT_SPEC, "-o", a) == 0, "%s", output);
  CHECK(RUN(a, "--steps", "20", "--guidance-channels", "all", "--forward", "diffusers", "-o", b) == 0, "%s", output);
  CHECK(integer_key(b, "dit.steps") == 20 && integer_key(b, "dit.guidance_channels") == -1, "keys");
  CHECK(RUN(b, "--name", "Other", "--license", "MIT", "-o", b) == 0, "%s", output);
  dit_model *model = NULL;
  dit_info info = {.struct_size = sizeof info};
  if (CHECK(!dit_model_open(b, NULL, &model, NULL) && !dit_model_info(model, &info), "%s", b))
    CHECK(!strcmp(info.name, "Other") && !strcmp(info.license, "MIT") && info.steps == 20, "%s %s %d", info.name,
          info.license, info.steps);
  dit_model_close(model);
  CHECK(integer_key(a, "dit.steps") == 250 && integer_key(a, "dit.guidance_channels") == 3, "keys");
  CHECK(RUN(b, "--steps", "250", "--guidance-channels", "3", "--forward", "official", "-o", b) == 0, "%s", output);
  CHECK(RUN("--check", a, b) == 0 && strstr(output, "all equal"), "%s", output);
  refused("shift", RUN(a, "--timestep-shift", "3", "-o", b), "--timestep-shift 3: only models of flow matching");
  refused("shift", RUN("--synthetic", DIT_SPEC, "--timestep-shift", "3", "-o", b), "--timestep-shift 3");
  clear("");
}

static float shift_of(const char *path) {
  dit_model *model = NULL;
  dit_info info = {.struct_size = sizeof info};
  CHECK(!dit_model_open(path, NULL, &model, NULL) && !dit_model_info(model, &info), "%s", path);
  dit_model_close(model);
  return info.timestep_shift;
}

static void test_shift(void) {
  char a[128], b[128];
  snprintf(a, sizeof a, "%s", in_folder("a.gguf"));
  snprintf(b, sizeof b, "%s", in_folder("b.gguf"));
  CHECK(RUN("--synthetic", "dmf-" DIT_SPEC, "-o", a) == 0 && shift_of(a) == 1, "%s", output);
  CHECK(RUN("--synthetic", "dmf-" DIT_SPEC, "--timestep-shift", "1.5", "-o", a) == 0 && shift_of(a) == 1.5, "%s",
        output);
  CHECK(RUN(a, "--timestep-shift=0.25", "-o", b) == 0 && shift_of(b) == 0.25, "%s", output);
  clear("");
}

/* ---- Comparing ---- */

static void test_comparing(void) {
  char a[128], b[128], file[128];
  snprintf(a, sizeof a, "%s", in_folder("a.gguf"));
  snprintf(b, sizeof b, "%s", in_folder("b.gguf"));
  snprintf(file, sizeof file, "%s", in_folder("file.safetensors"));
  checkpoint *s = open_golden(CHECKPOINTS "dit_f32.pt");
  saved *list = all_of(s, "");
  CHECK(RUN("--check", CHECKPOINTS "dit_f32.pt", CHECKPOINTS "dit_train_f16.pt") == 0, "%s", output);
  CHECK(strstr(output, "largest relative error") && !strstr(output, "all equal"), "%s", output);
  /* One element of a tensor of n, all others equal: the error is known. */
  size_t which = 1;
  uint64_t n = checkpoint_elements(&s->tensors[which]);
  float *values = (float *)malloc((size_t)n * 4);
  double sum = 0;
  checkpoint_read(&s->tensors[which], 0, n, values);
  for (uint64_t i = 0; i < n; i++) sum += (double)values[i] * values[i];
  list[which].change = 0.5f;
  double change = (double)(float)(values[0] + 0.5f) - (double)values[0];
  char expected[160];
  snprintf(expected, sizeof expected, "%zu tensors, %zu equal; largest relative error %.3g, of %s", s->count,
           s->count - 1, sqrt(change * change / sum), s->tensors[which].name);
  save_tensors(file, list, s->count);
  CHECK(RUN("--check", CHECKPOINTS "dit_f32.pt", file) == 0 && strstr(output, expected), "%s: %s", expected, output);
  list[which].change = NAN;
  save_tensors(file, list, s->count);
  CHECK(RUN("--check", CHECKPOINTS "dit_f32.pt", file) == 0 && strstr(output, "error inf"), "NaN: %s", output);
  save_tensors(file, list + 2, s->count - 2);
  refused("missing", RUN("--check", CHECKPOINTS "dit_f32.pt", file), "1 are only in|x_embedder.proj.weight");
  refused("another model", RUN("--check", CHECKPOINTS "dit_f32.pt", CHECKPOINTS "vae_f32.safetensors"), "only in");
  CHECK(RUN("--check", file) == 2 && RUN("--check", file, file, "-o", a) == 2, "wrong usage");
  free(values);
  free(list);
  checkpoint_close(s);
  clear("");
}

/* ---- What shapes cannot tell ---- */

/* A file of the small transformer with `rows` labels and `channels` in the latent. */
static void save_dit(const char *path, int classes, int channels) {
  char spec[128], full[128];
  checkpoint *s;
  dit_error error = {0, ""};
  snprintf(full, sizeof full, "%s", in_folder("full.gguf"));
  snprintf(spec, sizeof spec, "dit:hidden=16,depth=1,heads=2,latent=4,classes=%d,in=%d", classes, channels);
  CHECK(RUN("--synthetic", spec, "--type", "f32", "-o", full) == 0, "%s", output);
  if (!CHECK(!checkpoint_open(full, NULL, &s, &error), "%s", error.message)) return;
  saved *list = all_of(s, "");
  save_tensors(path, list, s->count);
  free(list);
  checkpoint_close(s);
}

static void test_questions(void) {
  char a[128], file[128];
  snprintf(a, sizeof a, "%s", in_folder("a.gguf"));
  snprintf(file, sizeof file, "%s", in_folder("file.safetensors"));
  save_dit(file, 99, 4);
  refused("100 rows", RUN(file, "--family", "dit", "--heads", "2", "-o", a),
          "99 classes and a null class, or 100 classes|--no-null-class");
  CHECK(RUN(file, "--family", "dit", "--heads", "2", "--null-class", "-o", a) == 0, "%s", output);
  CHECK(integer_key(a, "dit.class_count") == 99 && integer_key(a, "dit.null_class") == 99, "a null class");
  CHECK(RUN(file, "--family", "dit", "--heads", "2", "--no-null-class", "-o", a) == 0, "%s", output);
  CHECK(integer_key(a, "dit.class_count") == 100 && integer_key(a, "dit.null_class") == -1, "no null class");
  CHECK(RUN(file, "--family", "dit", "--heads", "2", "--no-null-class", "--null-class", "-o", a) == 2, "both: %s",
        output);
  save_dit(file, 100, 4);
  CHECK(RUN(file, "--family", "dit", "--heads", "2", "-o", a) == 0 && integer_key(a, "dit.class_count") == 100,
        "101 rows: %s", output);
  save_dit(file, 3, 16);
  refused("16 channels", RUN(file, "--family", "dit", "--heads", "2", "-o", a),
          "16 channels|--guidance-channels N or all");
  CHECK(RUN(file, "--family", "dit", "--heads", "2", "--guidance-channels", "all", "-o", a) == 0, "%s", output);
  CHECK(integer_key(a, "dit.guidance_channels") == -1, "all channels");
  clear("");
}

/* ---- Names of classes ---- */

static void test_labels(void) {
  char a[128];
  snprintf(a, sizeof a, "%s", in_folder("a.gguf"));
  static const struct {
    int32_t id;
    const char *name;
  } known[] = {{0, "tench"},         {207, "golden retriever"}, {281, "tabby cat"},
               {388, "giant panda"}, {963, "pizza pie"},        {999, "toilet tissue"}};
  dit_model *model = NULL;
  dit_error error = {0, ""};
  CHECK(RUN("--synthetic", "dit:hidden=16,depth=1,heads=2,latent=4,classes=1000", "-o", a) == 0, "%s", output);
  if (CHECK(!dit_model_open(a, NULL, &model, &error), "%s", error.message))
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
      CHECK(dit_model_find_class(model, known[i].name) == known[i].id, "%s is class %d", known[i].name,
            dit_model_find_class(model, known[i].name));
  dit_model_close(model);
  for (int i = 0; i < IMAGENET_CLASSES; i++) CHECK(imagenet_names[i] && *imagenet_names[i], "class %d has no name", i);
  static const char *const without[][2] = {{"1000", "--no-labels"}, {"999", "--quiet"}};
  for (int i = 0; i < 2; i++) {
    char spec[80];
    dit_info info = {.struct_size = sizeof info};
    snprintf(spec, sizeof spec, "dit:hidden=16,depth=1,heads=2,latent=4,classes=%s", without[i][0]);
    CHECK(RUN("--synthetic", spec, without[i][1], "-o", a) == 0, "%s", output);
    if (!CHECK(!dit_model_open(a, NULL, &model, &error), "%s", error.message)) continue;
    dit_model_info(model, &info);
    CHECK(info.label_count == 0, "%s classes: %d labels", without[i][0], info.label_count);
    dit_model_close(model);
  }
  clear("");
}

int main(int count, char **arguments) {
  if (getenv("DIT_CONVERT")) program = getenv("DIT_CONVERT");
  if (count > 1) program = arguments[1];
  snprintf(folder, sizeof folder, "/tmp/dit-test-layouts-XXXXXX");
  if (!mkdtemp(folder)) return 1;
  test_schedulers();
  test_schedulers_refused();
  test_written();
  test_prefixes();
  test_transformer_folder();
  test_embedders();
  test_shards();
  test_variants();
  test_pipeline();
  test_rewriting();
  test_damaged();
  test_overrides();
  test_shift();
  test_comparing();
  test_questions();
  test_labels();
  CHECK(rmdir(folder) == 0, "files are left in %s", folder);
  return test_end("layouts");
}
