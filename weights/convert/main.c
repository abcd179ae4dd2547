/* dit-convert: makes model files for libdit of trained checkpoints. */
#if !defined(_WIN32) && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L /* isatty and fileno */
#endif

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <io.h>
#define isatty _isatty
#define fileno _fileno
#else
#include <unistd.h>
#endif

#include "internal.h"
#include "weights/convert/options.h"
#include "weights/convert/preview.h"

static volatile sig_atomic_t interrupted;

/* The work stops at its next report, which removes what was written. A second signal ends the program at once. */
static void interrupt(int signal_number) {
  interrupted = 1;
  signal(signal_number, SIG_DFL);
}

static void catch_signals(void) {
  signal(SIGINT, interrupt);
  signal(SIGTERM, interrupt);
#ifndef _WIN32
  signal(SIGHUP, interrupt);
  signal(SIGPIPE, SIG_IGN); /* these two end a write with an error, after which the file is removed */
  signal(SIGXFSZ, SIG_IGN);
#endif
}

/* ---- Progress ---- */

typedef struct display {
  const char *what, *unit; /* "writing", "MB" */
  double per_unit;
  int quiet, terminal, shown;
  int64_t start, last; /* microseconds */
  uint64_t percent;
} display;

static int show_progress(void *user, uint64_t done, uint64_t total) {
  display *d = (display *)user;
  int64_t now = dit__clock();
  uint64_t percent = total ? done * 100 / total : 100;
  double seconds = (double)(now - d->start) / 1e6,
         speed = (double)done / d->per_unit / (seconds > 1e-6 ? seconds : 1e-6);
  if (interrupted) return 1;
  if (d->quiet) return 0;
  if (d->terminal && now - d->last > 100000) {
    fprintf(stderr, "\r%s: %3d %%, %.0f %s/s ", d->what, (int)percent, speed, d->unit);
    fflush(stderr);
  } else if (!d->terminal && now - d->last > 2000000 && percent >= d->percent + 5) {
    fprintf(stderr, "%s: %d %%, %.0f %s/s\n", d->what, (int)percent, speed, d->unit);
  } else {
    return 0;
  }
  d->shown = 1;
  d->last = now;
  d->percent = percent;
  return 0;
}

static progress start_progress(display *d, const char *what, const char *unit, double per_unit, int quiet) {
  memset(d, 0, sizeof *d);
  d->what = what;
  d->unit = unit;
  d->per_unit = per_unit;
  d->quiet = quiet;
  d->terminal = isatty(fileno(stderr));
  d->start = d->last = dit__clock();
  progress watch = {show_progress, d};
  return watch;
}

static void end_progress(const display *d) {
  if (d->terminal && d->shown) fprintf(stderr, "\r%*s\r", 60, "");
}

/* ---- What was found ---- */

/* The types a checkpoint's tensors have: "f16 and f32". */
static void describe_types(const source *s, char out[48]) {
  static const char *const names[] = {"", "f32", "f16", "bf16", "f64"};
  size_t used = 0;
  *out = 0;
  for (int type = SOURCE_F32; type <= SOURCE_F64; type++) {
    size_t i = 0;
    while (i < s->count && s->tensors[i].type != type) i++;
    if (i < s->count) used += (size_t)snprintf(out + used, 48 - used, "%s%s", used ? " and " : "", names[type]);
  }
}

static void describe_dit(const model *m, const model_wishes *wishes) {
  char variant[64];
  const dit_geometry *g = &m->dit;
  int64_t classes = wishes->no_null_class ? g->class_rows : g->class_rows - 1;
  layout_variant(g, variant, sizeof variant);
  printf(
      "  %s: %d blocks of %d channels, %d heads; latents of %dx%dx%d; %d classes %s a null class; %s variance; %.2f M "
      "parameters\n",
      variant, (int)g->depth, (int)g->hidden, (int)g->heads, (int)g->in_channels, (int)g->latent, (int)g->latent,
      (int)classes, wishes->no_null_class ? "without" : "and", g->out_channels != g->in_channels ? "learned" : "fixed",
      (double)model_parameters(m, SYNTHETIC_DIT) / 1e6);
}

static void describe_vae(const model *m) {
  const vae_geometry *g = &m->vae;
  printf("  AutoencoderKL: widths");
  for (int64_t i = 0; i < g->levels; i++) printf("%s %d", i ? "," : "", (int)g->blocks[i]);
  printf("; %d channels at 1/%d of the size for pictures of %d; scaling factor %g; %.2f M parameters\n",
         (int)g->latent_channels, 1 << (g->levels - 1), (int)g->image_channels, g->scaling_factor,
         (double)model_parameters(m, SYNTHETIC_VAE) / 1e6);
}

static void describe(const model *m, const model_wishes *wishes, int kind) {
  if (kind == SYNTHETIC_DIT)
    describe_dit(m, wishes);
  else
    describe_vae(m);
}

/* ---- Converting ---- */

static int fail(const char *what, const dit_error *error) {
  fprintf(stderr, "dit-convert: %s%s%s\n", what, *what ? ": " : "", error->message);
  return 1;
}

/* "FILE: sentence", unless the sentence begins with the file's name already. */
static int fail_on(const char *path, const dit_error *error) {
  return fail(strncmp(error->message, path, strlen(path)) ? path : "", error);
}

static int add_source(model *m, const options *o, int index, const source *s, int kind) {
  char note[256], report[4096], types[48];
  dit_error error;
  const char *path = o->inputs[index];
  dit_status status = model_add_source(m, s, kind, &o->wishes, note, sizeof note, report, sizeof report, &error);
  if (status) {
    fputs(report, stderr);
    return fail_on(path, &error);
  }
  if (o->quiet) return 0;
  describe_types(s, types);
  printf("%s: %s, %d tensors, %s\n", path, s->kind, (int)s->count, types);
  describe(m, &o->wishes, kind);
  if (*note) printf("  %s\n", note);
  return 0;
}

static int add_synthetic(model *m, const options *o, const char *text) {
  dit_error error;
  int had_dit = m->has_dit;
  if (model_add_synthetic(m, text, &error)) return fail("", &error);
  if (o->quiet) return 0;
  printf("%s: synthetic weights\n", text);
  describe(m, &o->wishes, m->has_dit && !had_dit ? SYNTHETIC_DIT : SYNTHETIC_VAE);
  return 0;
}

/* Whether a specification is an autoencoder's; a wrong one is reported when it is added. */
static int is_vae_text(const char *text) { return strncmp(text, "vae", 3) == 0; }

/* Opens all inputs and gathers their tensors, the transformer's first. */
static int gather(const options *o, source **sources, model *m) {
  int kinds[OPTIONS_INPUTS] = {0}, failed = 0;
  dit_error error;
  for (int i = 0; i < o->input_count; i++) {
    if (source_open(o->inputs[i], &sources[i], &error)) return fail_on(o->inputs[i], &error);
    kinds[i] = model_recognise(sources[i], &error);
    if (!kinds[i]) return fail_on(o->inputs[i], &error);
    if (o->kinds[i] && o->kinds[i] != kinds[i]) {
      fprintf(stderr, "dit-convert: %s: is no %s\n", o->inputs[i],
              o->kinds[i] == SYNTHETIC_DIT ? "transformer" : "autoencoder");
      return 1;
    }
  }
  for (int kind = SYNTHETIC_DIT; kind <= SYNTHETIC_VAE; kind++) {
    for (int i = 0; i < o->input_count && !failed; i++)
      if (kinds[i] == kind) failed = add_source(m, o, i, sources[i], kind);
    for (int i = 0; i < o->synthetic_count && !failed; i++)
      if (is_vae_text(o->synthetic[i]) == (kind == SYNTHETIC_VAE)) failed = add_synthetic(m, o, o->synthetic[i]);
  }
  return failed;
}

static int write_model(const options *o, const model *m) {
  display shown;
  progress watch = start_progress(&shown, "writing", "MB", 1e6, o->quiet);
  uint64_t bytes = 0;
  dit_error error;
  dit_status status = model_write(m, &o->wishes, o->out, &watch, &bytes, &error);
  end_progress(&shown);
  if (status) return fail_on(o->out, &error);
  if (o->quiet) return 0;
  double seconds = (double)(dit__clock() - shown.start) / 1e6;
  if (o->wishes.license)
    printf("licence of the weights: %s\n", o->wishes.license);
  else
    printf("licence of the weights: not stated (--license says it)\n");
  printf("wrote %s: %s, %.2f MB in %.1f s\n", o->out, model_type_name(o->wishes.type), (double)bytes / 1e6, seconds);
  return 0;
}

static int fit_preview(const char *path, const char *out, int quiet) {
  display shown;
  progress watch = start_progress(&shown, "decoding random latents", "pictures", 1, quiet);
  double rms = 0;
  dit_error error;
  dit_status status = preview_fit(path, out, &watch, &rms, &error);
  end_progress(&shown);
  if (status) return fail_on(path, &error);
  if (!quiet) printf("fitted the preview of %s: a linear map is off by %.3f of -1..1 (root mean square)\n", out, rms);
  return 0;
}

static int convert(options *o) {
  source *sources[OPTIONS_INPUTS] = {NULL};
  model m;
  dit_error error;
  memset(&m, 0, sizeof m);
  int failed = gather(o, sources, &m);
  if (!failed && options_read_labels(o, &error)) failed = fail("", &error);
  if (!failed && o->fit_preview && !m.has_vae) {
    fprintf(stderr, "dit-convert: --fit-preview needs an autoencoder\n");
    failed = 1;
  }
  if (!failed) failed = write_model(o, &m);
  model_free(&m);
  for (int i = 0; i < o->input_count; i++) source_close(sources[i]);
  return failed;
}

/* Whether the only input is a model file already. */
static int is_model_file(const options *o) {
  char magic[4];
  if (o->input_count != 1 || o->synthetic_count) return 0;
  FILE *f = fopen(o->inputs[0], "rb");
  int is = f && fread(magic, 1, 4, f) == 4 && memcmp(magic, "GGUF", 4) == 0;
  if (f) fclose(f);
  return is;
}

int main(int count, char **arguments) {
  options o;
  dit_error error;
  if (options_read(count, arguments, &o, &error)) {
    fail("", &error);
    return 2;
  }
  if (o.help || o.version) {
    if (o.help)
      fputs(options_help, stdout);
    else
      printf("dit-convert %d.%d.%d\n", DIT_VERSION >> 16, DIT_VERSION >> 8 & 255, DIT_VERSION & 255);
    return fflush(stdout) != 0;
  }
  catch_signals();
  int failed;
  if (o.fit_preview && is_model_file(&o)) {
    failed = fit_preview(o.inputs[0], o.out ? o.out : o.inputs[0], o.quiet);
  } else if (!o.out) {
    fprintf(stderr, "dit-convert: %s: not a model file; -o FILE says where to convert it to\n", o.inputs[0]);
    failed = 2;
  } else {
    failed = convert(&o);
    if (!failed && o.fit_preview) failed = fit_preview(o.out, o.out, o.quiet);
  }
  options_free(&o);
  return failed;
}
