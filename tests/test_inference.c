/* What tensors and configurations tell of a network (weights/convert/shape: infer, layout, match, inputs, scheduler; and
 * write/keys). Fails if a checkpoint that lacks a tensor, or has one of another shape, is converted, or refused without
 * its name; if a configuration that disagrees with the tensors is believed, or one that says nothing is refused; if a
 * key of a model file that an option replaces keeps its value. The program under test is argv[1], or DIT_CONVERT, or
 * build/dit-convert; run from the root of the repository. */
#define _DEFAULT_SOURCE /* mkdtemp, fork */

#include "tests/saved.h"

#include "dit.h"
#include "lib/model/metadata.h"
#include "weights/convert/write/gguf_write.h"

static char file[128], out[128];

/* ---- Tensors ---- */

typedef struct damage {
  const char *name;  /* the tensors that begin with it */
  const char *to;    /* get another beginning, or NULL */
  const char *shape; /* get another shape, or NULL */
  const char *words; /* of the refusal */
} damage;

static void apply(const damage *d, saved *list, size_t count) {
  size_t found = 0;
  const size_t length = strlen(d->name);
  for (size_t i = 0; i < count; i++) {
    char rest[sizeof list->name];
    if (strncmp(list[i].name, d->name, length)) continue;
    found++;
    list[i].shape = d->shape;
    snprintf(rest, sizeof rest, "%s", list[i].name + length);
    if (d->to) snprintf(list[i].name, sizeof list->name, "%.60s%.120s", d->to, rest);
  }
  CHECK(found > 0, "%s: there is none", d->name);
}

static void test_damages(const char *golden, const char *option, const char *value, const damage *list, size_t count) {
  checkpoint *s = open_golden(golden);
  for (size_t i = 0; s && i < count; i++) {
    saved *tensors = all_of(s, "");
    apply(&list[i], tensors, s->count);
    save_tensors(file, tensors, s->count);
    refused(list[i].words, RUN(file, "--family", "dit", option, value, "-o", out), list[i].words);
    CHECK(access(out, F_OK) != 0, "%s: a file is written", list[i].words);
    free(tensors);
  }
  checkpoint_close(s);
}

static void test_transformer(void) {
  static const damage list[] = {
      {"x_embedder.proj.weight", "x.w", NULL, "tensor x_embedder.proj.weight is missing"},
      {"y_embedder.embedding_table", "y", NULL, "tensor y_embedder.embedding_table.weight is missing"},
      {"final_layer.linear.weight", "last", NULL, "tensor final_layer.linear.weight is missing"},
      {"blocks.0.mlp.fc1.weight", "fc1", NULL, "tensor blocks.0.mlp.fc1.weight is missing"},
      {"x_embedder.proj.weight", NULL, "16,16", "x_embedder.proj.weight: must have rank 4"},
      {"y_embedder.embedding_table", NULL, "64", "embedding_table.weight: must have rank 2"},
      {"y_embedder.embedding_table", NULL, "1,64", "wrong shape: y_embedder.embedding_table.weight is [1, 64]"},
      {"pos_embed", NULL, "4,16", "pos_embed: must have rank 3"},
      {"pos_embed", NULL, "1,2,32", "2 positions do not form a square grid"},
      {"pos_embed", NULL, "4,1,16", "1 positions do not form a square grid"},
      {"final_layer.linear.weight", NULL, "64,8",
       "final_layer.linear.weight: 64 rows; with 4 channels and patches of 2 there must be 16"},
      {"blocks.0.attn.proj.bias", "blocks.a.bias", NULL,
       "1 missing, 0 of the wrong shape; 1 surplus|surplus: blocks.a.bias"},
      {"blocks.0.attn.proj.bias", "blocks.99999999999.bias", NULL, "1 missing|surplus: blocks.99999999999.bias"},
      {"blocks.0.attn.proj.bias", "blocks.0bias", NULL, "1 missing|surplus: blocks.0bias"},
      {"blocks.0.attn.proj.bias", NULL, "1,2,2,2,2",
       "wrong shape: blocks.0.attn.proj.bias is [1, 2, 2, 2, 2], expected [16]"},
      {"blocks.0.a", "blocks.0.b", NULL, "6 missing, 0 of the wrong shape; 6 surplus|and 2 more"},
  };
  test_damages(CHECKPOINTS "dit_f32.pt", "--heads", "2", list, sizeof list / sizeof *list);
  refused("another latent",
          RUN(CHECKPOINTS "dit_f32.pt", "--family", "dit", "--heads", "2", "--latent", "8", "-o", out),
          "makes the side of the latent 4, not the 8 of --latent");
  refused("three heads", RUN(CHECKPOINTS "dit_f32.pt", "--family", "dit", "--heads", "3", "-o", out),
          "multiple of 4 and of the number");
  save(file, "\2\0\0\0\0\0\0\0{}", 10);
  refused("an empty checkpoint", RUN(file, "-o", out), "holds no floating-point tensor");
}

static void test_autoencoder(void) {
  static const damage list[] = {
      {"encoder.conv_in.weight", "encoder.in", NULL, "tensor encoder.conv_in.weight is missing"},
      {"decoder.conv_in.weight", "decoder.in", NULL, "tensor decoder.conv_in.weight is missing"},
      {"encoder.conv_in.weight", NULL, "8,27", "encoder.conv_in.weight: must have rank 4"},
      {"encoder.down_blocks.", "encoder.downs.", NULL, "encoder.down_blocks.0.resnets.0.conv1.weight is missing"},
      {"encoder.down_blocks.0.resnets", "encoder.down_blocks.0.nets", NULL, "resnets.0.conv1.weight is missing"},
      {"encoder.down_blocks.1.resnets.0.conv1", "encoder.down_blocks.1.x", NULL,
       "down_blocks.1.resnets.0.conv1.weight is missing"},
      {"encoder.conv_in.weight", NULL, "8,1,9,3", "image channels is 1; it must be 3 to 4"},
  };
  test_damages(CHECKPOINTS "vae_f32.safetensors", "--groups", "4", list, sizeof list / sizeof *list);
  refused("three groups", RUN(CHECKPOINTS "vae_f32.safetensors", "--groups", "3", "-o", out),
          "multiple of the number of groups, 3");
  CHECK(RUN(CHECKPOINTS "vae_f32.safetensors", "--groups", "4", "--scaling-factor", "1e9", "-o", out) == 2 &&
            strstr(output, "--scaling-factor 1e9"),
        "a large factor: %s", output);
}

/* A value that a type cannot hold is named, with the tensor. */
static void test_numbers(void) {
  static const struct {
    const char *type;
    float value;
    const char *words;
  } cases[] = {
      {"f16", 1e5f, "too large for f16; use --type bf16 or f32"},
      {"bf16", 3.4e38f, "too large for bf16; use --type f32"},
      {"q8", 3.4028235e38f * 2, "holds inf, which is not a finite number"},
      {"f32", -3.4028235e38f * 2, "holds -inf, which is not a finite number"},
  };
  checkpoint *s = open_golden(CHECKPOINTS "dit_f32.pt");
  for (size_t i = 0; s && i < sizeof cases / sizeof *cases; i++) {
    saved *list = all_of(s, "");
    for (size_t k = 0; k < s->count; k++)
      if (!strcmp(list[k].name, "blocks.0.mlp.fc1.weight")) list[k].change = cases[i].value;
    save_tensors(file, list, s->count);
    char words[160];
    snprintf(words, sizeof words, "tensor blocks.0.mlp.fc1.weight: holds|%s", cases[i].words);
    refused(cases[i].type, RUN(file, "--family", "dit", "--heads", "2", "--type", cases[i].type, "-o", out), words);
    free(list);
  }
  checkpoint_close(s);
}

/* ---- Configurations ---- */

/* Writes a text with `from` replaced by `to`. */
static void save_changed(const char *name, const char *text, const char *from, const char *to) {
  char changed[2000];
  const char *at = strstr(text, from);
  if (!CHECK(at != NULL, "%s: is not in the text", from)) return;
  snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
  save_text(name, changed);
}

typedef struct change {
  const char *from, *to;
  const char *words; /* NULL: it is accepted */
} change;

static void test_changes(const char *folder_name, const char *name, const char *text, const change *list,
                         size_t count) {
  char path[128];
  snprintf(path, sizeof path, "%s", in_folder(folder_name));
  for (size_t i = 0; i < count; i++) {
    save_changed(name, text, list[i].from, list[i].to);
    const int status = RUN(path, "-o", out);
    if (list[i].words)
      refused(list[i].to, status, list[i].words);
    else
      CHECK(status == 0, "%s: %s", list[i].to, output);
  }
}

static const char transformer_config[] =
    "{\"_class_name\":\"DiTTransformer2DModel\",\"num_attention_heads\":2,\"attention_head_dim\":8,\"sample_size\":4,"
    "\"in_channels\":4,\"out_channels\":8,\"patch_size\":2,\"num_layers\":2,\"num_embeds_ada_norm\":3,\"norm_eps\":1e-"
    "5,"
    "\"norm_type\":\"ada_norm_zero\",\"activation_fn\":\"gelu-approximate\",\"attention_bias\":true,"
    "\"norm_elementwise_affine\":false}";

static void test_transformer_config(void) {
  static const change list[] = {
      {"bias\":true", "bias\":false", "attention_bias must be true"},
      {"affine\":false", "affine\":true", "norm_elementwise_affine must be false"},
      {"affine\":false", "affine\":null", "norm_elementwise_affine must be false"},
      {"\"in_channels\":4", "\"in_channels\":5", "in_channels is 5, but the tensors' shapes say 4"},
      {"\"in_channels\":4", "\"in_channels\":4.5", "in_channels is 4.5, but"},
      {"out_channels\":8", "out_channels\":4", "out_channels is 4, but the tensors' shapes say 8"},
      {"patch_size\":2", "patch_size\":\"2\"", "patch_size is not a number, but the tensors' shapes say 2"},
      {"num_layers\":2", "num_layers\":28", "num_layers is 28, but the tensors' shapes say 2"},
      {"norm_eps\":1e-5", "norm_eps\":\"a\"", "norm_eps is not a number"},
      {"norm_eps\":1e-5", "norm_eps\":-1", "norm_eps must be 0 to 1"},
      {"gelu-approximate", "gelu", "activation_fn must be \"gelu-approximate\""},
      {"\"ada_norm_zero\"", "3", "norm_type must be \"ada_norm_zero\""},
      {"\"num_attention_heads\":2", "\"heads\":2", "give --heads N"},
      {"\"sample_size\":4", "\"sample_size\":0", "--latent N"},
      {"\"attention_head_dim\":8,", "", NULL},
      {"\"out_channels\":8,", "", NULL},
      {"out_channels\":8", "out_channels\":null", NULL},
      {"norm_eps\":1e-5", "norm_eps\":null", NULL},
      {"\"norm_type\":\"ada_norm_zero\",", "", NULL},
      {"{\"_class_name\":\"DiTTransformer2DModel\",", "{", NULL},
      {"\"DiTTransformer2DModel\"", "7", "class ?"},
      {"{\"_class", "[\"_class", "config.json"},
  };
  make_folder("t");
  copy(CHECKPOINTS "dit_diffusers_f16.pt", "t/diffusion_pytorch_model.bin");
  test_changes("t", "t/config.json", transformer_config, list, sizeof list / sizeof *list);
}

static void test_autoencoder_config(void) {
  static const change list[] = {
      {"    8,\n    8\n", "8", "block_out_channels must have 2 numbers"},
      {"    8,\n    8\n", "8,9", "block_out_channels is 9, but the tensors' shapes say 8"},
      {"    8,\n    8\n", "\"8\",8", "block_out_channels is not a number"},
      {"\"layers_per_block\": 1", "\"layers_per_block\": 2", "layers_per_block is 2, but"},
      {"\"in_channels\": 3", "\"in_channels\": 4", "in_channels is 4, but the tensors' shapes say 3"},
      {"\"out_channels\": 3", "\"out_channels\": 4", "out_channels is 4, but the tensors' shapes say 3"},
      {"\"latent_channels\": 4", "\"latent_channels\": 8", "latent_channels is 8, but"},
      {"silu", "relu", "act_fn must be \"silu\""},
      {"DownEncoderBlock2D", "AttnDownEncoderBlock2D", "down_block_types must be \"DownEncoderBlock2D\""},
      {"\"UpDecoderBlock2D\"", "null", "up_block_types must be \"UpDecoderBlock2D\""},
      {"\"scaling_factor\": 0.18215", "\"scaling_factor\": []", "scaling_factor is not a number"},
      {"\"scaling_factor\": 0.18215", "\"scaling_factor\": 1e9", "scaling factor is 1e+09; it must be 1e-6 to 1e6"},
      {"\"scaling_factor\"", "\"shift_factor\": 0.1, \"scaling_factor\"", "shift_factor is not supported"},
      {"\"scaling_factor\"", "\"latents_mean\": [0], \"scaling_factor\"", "latents_mean is not supported"},
      {"\"norm_num_groups\": 4", "\"norm_num_groups\": 4.5", "norm_num_groups must be an integer"},
      {"\"norm_num_groups\": 4", "\"norm_num_groups\": 3", "not a multiple of the number of groups, 3"},
      {"\"norm_num_groups\": 4", "\"x\": 4", "give --groups N"},
      {"\"scaling_factor\"", "\"shift_factor\": 0, \"latents_std\": null, \"scaling_factor\"", NULL},
      {"\"scaling_factor\": 0.18215", "\"x\": 0", NULL},
      {"\"block_out_channels\"", "\"x\"", NULL},
  };
  size_t size;
  char *text = (char *)load(CHECKPOINTS "vae_f16/config.json", &size);
  make_folder("v");
  copy(CHECKPOINTS "vae_f16/diffusion_pytorch_model.safetensors", "v/diffusion_pytorch_model.safetensors");
  test_changes("v", "v/config.json", text, list, sizeof list / sizeof *list);
  save_text("v/config.json", text);
  refused("other groups", RUN(in_folder("v"), "--groups", "2", "-o", out), "norm_num_groups is 4, but --groups says 2");
  CHECK(RUN(in_folder("v"), "--groups", "4", "-o", out) == 0, "the same groups: %s", output);
  refused("not a transformer", RUN("--dit", in_folder("v"), "-o", out), "is not a transformer");
  free(text);
}

/* ---- Pipelines ---- */

#define PIPELINE "{\"_class_name\":\"DiTPipeline\""

static void test_pipeline(void) {
  static const change indexes[] = {
      {"}", "", "model_index.json"},
      {"}", ",\"id2label\":null}", NULL},
      {"}", ",\"id2label\":[]}", NULL},
      {"}", ",\"id2label\":{}}", NULL},
      {"}", ",\"id2label\":{\"2\":\"c\",\"0\":\"a\"}}", NULL}, /* class 1 has no name */
      {"}", ",\"id2label\":{\"0\":\"a\",\"1x\":\"b\"}}", "id2label must map class numbers to names"},
      {"}", ",\"id2label\":{\"\":\"a\"}}", "id2label must map class numbers to names"},
      {"\"DiTPipeline\"", "1", "class ?"},
  };
  static const change schedulers[] = {
      {"{", "", "scheduler_config.json"},
      {"{}", "[]", "not an object"},
      {"{}", "{\"_class_name\":\"DDIMScheduler\",\"num_train_timesteps\":20}", NULL},
      {"{}", "{\"_class_name\":\"DDPMScheduler\",\"variance_type\":\"fixed_large\"}", NULL},
      {"{}", "{\"_class_name\":\"DDIMScheduler\",\"trained_betas\":{}}",
       "unsupported value an object for trained_betas"},
      {"{}", "{\"_class_name\":\"DDIMScheduler\",\"beta_start\":null}", "unsupported value null for beta_start"},
      {"{}", "{\"_class_name\":\"DDIMScheduler\",\"beta_start\":true}", "unsupported value true for beta_start"},
      {"{}", "{\"_class_name\":\"DDIMScheduler\",\"clip_sample\":[]}", "unsupported value a list for clip_sample"},
      {"{}", "{\"_class_name\":\"DDIMScheduler\",\"clip_sample_range\":\"1\"}",
       "unsupported value 1 for clip_sample_range"},
      {"{}", "{\"_class_name\":\"DDIMScheduler\",\"clip_sample_range\":1.0}", NULL},
      {"{}", "{\"_class_name\":\"DDIMScheduler\",\"beta_start\":0.5}", "unsupported value 0.02 for beta_end"},
      {"{}", "{\"_class_name\":\"DDIMScheduler\",\"beta_start\":2}",
       "unsupported value 2 for beta_start"}, /* the first of two */
  };
  char p[128];
  snprintf(p, sizeof p, "%s", in_folder("p"));
  make_folder("p");
  make_folder("p/transformer");
  make_folder("p/vae");
  copy(CHECKPOINTS "dit_diffusers_f16.pt", "p/transformer/diffusion_pytorch_model.bin");
  save_text("p/transformer/config.json", transformer_config);
  copy(CHECKPOINTS "vae_f16/config.json", "p/vae/config.json");
  copy(CHECKPOINTS "vae_f16/diffusion_pytorch_model.safetensors", "p/vae/diffusion_pytorch_model.safetensors");
  save_text("p/model_index.json", PIPELINE "}");
  CHECK(RUN(p, "-o", out) == 0, "a pipeline without a scheduler: %s", output);
  test_changes("p", "p/model_index.json", PIPELINE "}", indexes, sizeof indexes / sizeof *indexes);
  save_text("p/model_index.json", PIPELINE "}");
  make_folder("p/scheduler");
  test_changes("p", "p/scheduler/scheduler_config.json", "{}", schedulers, sizeof schedulers / sizeof *schedulers);
}

/* ---- Keys ---- */

static const char *key(const char *name) { /* the value in the file that was written */
  static char text[80];
  size_t size, length = 0;
  int64_t integer = 0;
  double real = 0;
  const char *word = "";
  dit__gguf *g = NULL;
  uint8_t *bytes = load(out, &size);
  strcpy(text, "absent");
  if (!CHECK(bytes && !dit__gguf_open(bytes, size, NULL, &g, NULL), "%s cannot be read", out)) return text;
  if (dit__gguf_string(g, name, &word, &length, NULL) == 1)
    snprintf(text, sizeof text, "%.*s", (int)length, word);
  else if (dit__gguf_integer(g, name, INT32_MIN, INT32_MAX, &integer, NULL) == 1)
    snprintf(text, sizeof text, "%d", (int)integer);
  else if (dit__gguf_real(g, name, &real, NULL) == 1)
    snprintf(text, sizeof text, "%g", real);
  dit__gguf_close(g, NULL);
  free(bytes);
  return text;
}

static void has_key(const char *name, const char *value) {
  CHECK(!strcmp(key(name), value), "%s is %s, not %s", name, key(name), value);
}

#define SMALL "dit:hidden=16,depth=1,heads=2,latent=4,classes=3"

static void test_keys(void) {
  char scheduler[128], labels[128], model[128];
  snprintf(scheduler, sizeof scheduler, "%s", in_folder("scheduler.json"));
  snprintf(labels, sizeof labels, "%s", in_folder("labels.txt"));
  snprintf(model, sizeof model, "%s", in_folder("model.gguf"));
  save_text("scheduler.json",
            "{\"_class_name\":\"DDPMScheduler\",\"num_train_timesteps\":20,\"variance_type\":\"fixed_large\"}");
  CHECK(RUN("--synthetic", SMALL, "--scheduler", scheduler, "-o", out) == 0, "%s", output);
  has_key("dit.steps", "20");
  has_key("dit.variance", "fixed_large");
  has_key("dit.clip", "on");
  refused("steps", RUN("--synthetic", SMALL, "--scheduler", scheduler, "--steps", "21", "-o", out),
          "the scheduler has only 20 timesteps");
  save_text("scheduler.json", "{\"_class_name\":\"DDPMScheduler\",\"variance_type\":\"learned_range\"}");
  CHECK(RUN("--synthetic", SMALL, "--scheduler", scheduler, "-o", out) == 0, "%s", output);
  refused("a variance", RUN("--synthetic", SMALL ",sigma=0", "--scheduler", scheduler, "-o", out),
          "the transformer gives no variance");

  save_text("labels.txt", "a\r\nb\r\nc\r\nd\r\n");
  refused("a label too many", RUN("--synthetic", SMALL, "--labels", labels, "-o", out),
          "4 labels for 3 classes; was the model trained without a null class");
  refused("labels of nothing", RUN("--synthetic", "vae:blocks=8,groups=4", "--labels", labels, "-o", out),
          "labels belong to a transformer");
  save(labels, "a\n\0\n", 4);
  refused("a zero", RUN("--synthetic", SMALL, "--labels", labels, "-o", out), "must be UTF-8 text");

  CHECK(RUN("--synthetic", SMALL, "-o", model) == 0, "%s", output);
  save_text("labels.txt", "x\ny\nz");
  CHECK(RUN(model, "--labels", labels, "--sampler", "ddim", "--timestep-spacing", "trailing", "--guidance-scale", "2.5",
            "--license", "MIT", "-o", out) == 0,
        "%s", output);
  has_key("dit.sampler", "ddim");
  has_key("dit.spacing", "trailing");
  has_key("dit.guidance", "2.5");
  has_key("general.license", "MIT");
  has_key("dit.steps", "250");
  refused("channels", RUN(model, "--guidance-channels", "9", "-o", out),
          "--guidance-channels 9: the latent has only 4");
  CHECK(RUN(out, "--no-labels", "-o", out) == 0, "%s", output);
  dit_model *opened = NULL;
  dit_error error = {0, ""};
  dit_info info = {.struct_size = sizeof info};
  if (CHECK(!dit_model_open(out, NULL, &opened, &error) && !dit_model_info(opened, &info), "%s", error.message))
    CHECK(info.label_count == 0 && info.guidance_scale == 2.5f, "%d labels, guidance %g", info.label_count,
          (double)info.guidance_scale);
  dit_model_close(opened);
  CHECK(RUN("--synthetic", SMALL, "--no-null-class", "-o", model) == 0, "%s", output);
  refused("guidance", RUN(model, "--guidance-scale", "2", "-o", out), "a guidance of 2 needs a null class");
}

/* ---- Tensors that no network has ---- */

/* Copies a model file, and adds a matrix and a vector. */
static void save_with_others(const char *from, const char *to, const float values[16]) {
  static const uint64_t shape[4] = {2, 8, 1, 1};
  dit__gguf *g = NULL;
  gguf_writer *w = NULL;
  const char *name;
  const uint8_t *record;
  size_t size, length, bytes;
  dit_error error = {0, ""};
  uint8_t *all = load(from, &size);
  if (!CHECK(all && !dit__gguf_open(all, size, NULL, &g, &error) && !gguf_writer_open(to, &w, &error), "%s",
             error.message))
    return;
  for (uint64_t i = 0; (record = dit__gguf_key_at(g, i, &name, &length, &bytes)) != NULL; i++)
    if (strncmp(name, "general.alignment", length)) gguf_writer_copy(w, record, bytes);
  const uint64_t count = dit__gguf_tensor_count(g);
  for (uint64_t i = 0; i < count; i++) {
    const dit__gguf_tensor *t = dit__gguf_tensor_at(g, i);
    gguf_writer_tensor(w, t->name, t->type, t->rank, t->shape);
  }
  gguf_writer_tensor(w, "other.matrix", DIT__GGUF_F32, 2, shape);
  gguf_writer_tensor(w, "other.vector", DIT__GGUF_F32, 1, shape + 1);
  dit_status status = gguf_writer_begin(w, NULL, &error);
  for (uint64_t i = 0; i < count && !status; i++) {
    const dit__gguf_tensor *t = dit__gguf_tensor_at(g, i);
    status = gguf_writer_data(w, t->data, (size_t)t->count * dit__gguf_type_size(t->type), &error);
  }
  if (!status) status = gguf_writer_data(w, values, 64, &error);
  if (!status) status = gguf_writer_data(w, values + 8, 32, &error);
  if (!status) status = gguf_writer_finish(w, NULL, &error);
  CHECK(!status, "%s", error.message);
  dit__gguf_close(g, NULL);
  free(all);
}

/* The library ignores them; a model file that is written again keeps them as they are. */
static void test_other_tensors(void) {
  char model[128];
  float values[16];
  size_t size;
  dit__gguf *g = NULL;
  snprintf(model, sizeof model, "%s", in_folder("model.gguf"));
  for (int i = 0; i < 16; i++) values[i] = (float)(i - 5) / 4;
  CHECK(RUN("--synthetic", SMALL, "--type", "f32", "-o", model) == 0, "%s", output);
  save_with_others(model, file, values);
  CHECK(RUN(file, "-o", out) == 0, "%s", output);
  uint8_t *bytes = load(out, &size);
  if (CHECK(bytes && !dit__gguf_open(bytes, size, NULL, &g, NULL), "%s", out)) {
    const dit__gguf_tensor *matrix = dit__gguf_find(g, "other.matrix"), *vector = dit__gguf_find(g, "other.vector");
    CHECK(matrix && matrix->type == DIT__GGUF_F32 && matrix->shape[0] == 2 && !memcmp(matrix->data, values, 64),
          "the matrix is not kept");
    CHECK(vector && vector->rank == 1 && !memcmp(vector->data, values + 8, 32), "the vector is not kept");
  }
  dit__gguf_close(g, NULL);
  free(bytes);
}

/* ---- The command line ---- */

static void test_command_line(void) {
  static const char *const wrong[][3] = {
      {"--steps", "", "must be an integer"},          {"--steps", "99999999999999999999", "must be an integer"},
      {"--guidance-scale", "", "must be a number"},   {"--guidance-scale", "1x", "must be a number"},
      {"--name", "", "must be UTF-8 text"},           {"--forward", "other", "must be official|diffusers"},
      {"--quiet=1", SMALL, "--quiet takes no value"}, {"--scaling-factor", "nan", "must be a number"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    CHECK(RUN("--synthetic", SMALL, wrong[i][0], wrong[i][1], "-o", out) == 2 && strstr(output, wrong[i][2]),
          "%s %s: %s", wrong[i][0], wrong[i][1], output);
  CHECK(RUN("a", "b", "c", "d", "e", "f", "g", "h", "i", "-o", out) == 2 && strstr(output, "i: too many inputs"), "%s",
        output);
#define NINE(x) x, x, x, x, x, x, x, x, x
  CHECK(RUN(NINE("--synthetic=" SMALL), "-o", out) == 2 && strstr(output, "too many inputs"), "%s", output);
  CHECK(RUN("--check", "a", "b", "-o", out) == 2 && RUN("--check", "a", "--synthetic", SMALL) == 2, "%s", output);
  CHECK(RUN("a", "--synthetic", SMALL, "--fit-preview") == 2 && strstr(output, "give -o FILE"), "%s", output);
  refused("a name that begins with a hyphen", RUN("-o", out, "--", "--nowhere", "--"), "--nowhere");
  CHECK(RUN("/nowhere/x.gguf", "--fit-preview") == 2 && strstr(output, "give -o FILE"), "%s", output);
  CHECK(RUN(CHECKPOINTS "dit_f32.pt", "--fit-preview") == 2 && strstr(output, "give -o FILE"), "%s", output);
}

int main(int count, char **arguments) {
  if (getenv("DIT_CONVERT")) program = getenv("DIT_CONVERT");
  if (count > 1) program = arguments[1];
  snprintf(folder, sizeof folder, "/tmp/dit-test-inference-XXXXXX");
  if (!mkdtemp(folder)) return 1;
  snprintf(file, sizeof file, "%s/file", folder);
  snprintf(out, sizeof out, "%s/out.gguf", folder);
  test_transformer();
  test_autoencoder();
  test_numbers();
  test_transformer_config();
  test_autoencoder_config();
  test_pipeline();
  test_keys();
  test_other_tensors();
  test_command_line();
  clear("");
  CHECK(rmdir(folder) == 0, "files are left in %s", folder);
  return test_end("inference");
}
