/* The creative controls on the embedded model, with the pictures of docs/controls.md.
 *
 * The test fails if a control at its neutral setting changes a bit; if a kept pixel changes, or the border of a mask
 * shows as an edge; or if strength, class_mix, guidance_scale, size or previews do not do what the page says. With
 * DIT_CONTROLS=FOLDER it takes 20 steps and writes the pictures of the page there; without, ten, and writes nothing. */
#include <math.h>

#include "examples/cli/lodepng/lodepng.h"
#include "tests/test.h"
#include "weights/sprites/dit_sprites.h"

enum { SIDE = 32, PIXELS = SIDE * SIDE, PICTURE = PIXELS * 4, MOST = 8 };
enum { POTION = 0, SWORD = 1, GEM = 3, MUSHROOM = 4, TREE = 6, HOUSE = 7, SLIME = 8, FISH = 9, APPLE = 14 };

static const dit_model *sprites;
static const char *folder; /* where the pictures go, or NULL */
static int32_t steps;

/* ---- Sheets ---- */

enum { SCALE = 4, GAP = 2 };

typedef struct sheet {
  int width, height; /* before the sheet is enlarged SCALE times */
  uint8_t *rgb;
} sheet;

static sheet sheet_new(int width, int height) {
  sheet s = {width, height, (uint8_t *)malloc((size_t)width * (size_t)height * 3)};
  memset(s.rgb, 255, (size_t)width * (size_t)height * 3);
  return s;
}

/* Puts an RGBA picture over white, with its upper left corner at (left, top). */
static void sheet_put(sheet *s, int left, int top, const uint8_t *pixels, int width, int height) {
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      const uint8_t *from = pixels + (y * width + x) * 4;
      uint8_t *to = s->rgb + ((top + y) * s->width + left + x) * 3;
      for (int c = 0; c < 3; c++) to[c] = (uint8_t)((from[c] * from[3] + 255 * (255 - from[3])) / 255);
    }
}

static void sheet_write(sheet *s, const char *name) {
  char path[512];
  uint8_t *large = (uint8_t *)malloc((size_t)s->width * (size_t)s->height * SCALE * SCALE * 3);
  const int width = s->width * SCALE, height = s->height * SCALE;
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      memcpy(large + (y * width + x) * 3, s->rgb + (y / SCALE * s->width + x / SCALE) * 3, 3);
  snprintf(path, sizeof path, "%s/%s.png", folder, name);
  CHECK(lodepng_encode24_file(path, large, (unsigned)width, (unsigned)height) == 0, "%s cannot be written", path);
  free(large);
}

/* Writes rows of pictures of the model's own size. */
static void sheet_rows(const char *name, const uint8_t *pixels, int columns, int rows) {
  if (!folder) return;
  sheet s = sheet_new(columns * (SIDE + GAP) - GAP, rows * (SIDE + GAP) - GAP);
  for (int i = 0; i < columns * rows; i++)
    sheet_put(&s, i % columns * (SIDE + GAP), i / columns * (SIDE + GAP), pixels + i * PICTURE, SIDE, SIDE);
  sheet_write(&s, name);
  free(s.rgb);
}

/* ---- Pictures ---- */

static dit_params one_of(const int32_t *class_id, uint64_t seed) {
  dit_params p = {.struct_size = sizeof p, .classes = class_id, .seed = seed, .steps = steps};
  return p;
}

static void make(const dit_params *p, uint8_t *pixels, size_t size) {
  dit_error error = {0};
  memset(pixels, 0xee, size);
  CHECK(dit_generate(sprites, p, DIT_PIXELS_RGBA, pixels, size, &error) == DIT_OK, "%s", error.message);
}

/* The sum of the differences of the channels, premultiplied by alpha. */
static double colour_step(const uint8_t *a, const uint8_t *b) {
  double sum = fabs((double)a[3] - b[3]);
  for (int c = 0; c < 3; c++) sum += fabs((double)a[c] * a[3] - (double)b[c] * b[3]) / 255;
  return sum;
}

/* The mean over the pixels. */
static double distance(const uint8_t *a, const uint8_t *b) {
  double sum = 0;
  for (int i = 0; i < PIXELS; i++) sum += colour_step(a + i * 4, b + i * 4);
  return sum / PIXELS;
}

static void fill(uint8_t *pixels, int x, int y, uint8_t r, uint8_t g, uint8_t b) {
  const uint8_t colour[4] = {r, g, b, 255};
  memcpy(pixels + (y * SIDE + x) * 4, colour, 4);
}

/* A crude sketch: a green flask with a brown cork. */
static void draw_sketch(uint8_t *pixels) {
  memset(pixels, 0, PICTURE);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++) {
      const int dx = 2 * x - 31, dy = 2 * y - 39, inside = dx * dx + dy * dy < 19 * 19;
      if (inside || (x > 11 && x < 20 && y > 5 && y < 14)) fill(pixels, x, y, 60, 190, 90);
      if (x > 12 && x < 19 && y > 2 && y < 6) fill(pixels, x, y, 130, 80, 40);
    }
}

/* ---- The controls ---- */

static void test_strength(void) {
  static uint8_t all[6 * PICTURE], plain[PICTURE], own[PICTURE];
  uint8_t *sketch = all;
  double off[6] = {0};
  const int32_t class_id = POTION;
  dit_params p = one_of(&class_id, 4);
  make(&p, plain, sizeof plain);
  draw_sketch(sketch);
  p.init_image = sketch;
  for (int i = 1; i <= 5; i++) {
    p.strength = 0.2f * (float)i;
    make(&p, all + i * PICTURE, PICTURE);
    off[i] = distance(sketch, all + i * PICTURE);
    CHECK(i == 1 || off[i] > 0.9 * off[i - 1], "strength %.1f is nearer to the sketch than %.1f", 0.2 * i,
          0.2 * (i - 1));
  }
  printf("  from the sketch: %.0f levels at strength 0.2, %.0f at 1\n", off[1], off[5]);
  CHECK(off[1] < 0.5 * off[5], "strength 0.2 is %.0f levels from the sketch, 1 is %.0f", off[1], off[5]);
  CHECK(!memcmp(all + 5 * PICTURE, plain, PICTURE), "strength 1 without a mask is not plain sampling");
  p.strength = 0;
  make(&p, own, sizeof own);
  CHECK(!memcmp(own, plain, PICTURE), "strength 0 is not the choice 1");
  sheet_rows("strength", all, 6, 1);
}

/* The mean difference between neighbours of which one is repainted and the other kept. */
static double border_step(const uint8_t *pixels, const uint8_t *mask) {
  double sum = 0;
  int count = 0;
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++) {
      const int at = y * SIDE + x;
      if (x + 1 < SIDE && mask[at] != mask[at + 1]) sum += colour_step(pixels + at * 4, pixels + at * 4 + 4), count++;
      if (y + 1 < SIDE && mask[at] != mask[at + SIDE])
        sum += colour_step(pixels + at * 4, pixels + (at + SIDE) * 4), count++;
    }
  return count ? sum / count : 0;
}

/* A seam shows as larger differences at the border than plain samples have there: this many times as large. */
static const double MAX_SEAM = 1.25;

static void test_mask(void) {
  enum { COUNT = 8 };
  static uint8_t all[3 * COUNT * PICTURE], plain[COUNT * PICTURE], mask[COUNT * PIXELS];
  uint8_t *start = all, *shown = all + COUNT * PICTURE, *out = shown + COUNT * PICTURE;
  static const int32_t classes[COUNT] = {POTION, MUSHROOM, TREE, HOUSE, SLIME, FISH, APPLE, GEM};
  double with = 0, without = 0;
  int kept = 1, changed = 0;
  dit_params p = one_of(classes, 20);
  p.count = COUNT;
  make(&p, start, COUNT * PICTURE);
  p.seed = 40;
  make(&p, plain, sizeof plain);
  for (int i = 0; i < COUNT * PIXELS; i++) {
    const int x = i % SIDE, y = i / SIDE % SIDE, way = i / PIXELS % 4; /* right, lower, a corner, a box */
    mask[i] = (way == 0   ? x > 15
               : way == 1 ? y > 17
               : way == 2 ? x + y > 31
                          : x > 8 && x < 23 && y > 8 && y < 23)
                  ? 255
                  : 0;
  }
  p.init_image = start;
  p.mask = mask;
  make(&p, out, COUNT * PICTURE);
  for (int i = 0; i < COUNT * PIXELS; i++) {
    const uint8_t grey[4] = {150, 150, 150, 255};
    memcpy(shown + i * 4, mask[i] ? grey : start + i * 4, 4);
    if (!mask[i])
      kept &= !memcmp(out + i * 4, start + i * 4, 4);
    else
      changed += memcmp(out + i * 4, start + i * 4, 4) != 0;
  }
  for (int i = 0; i < COUNT; i++) {
    const uint8_t *m = mask + i * PIXELS;
    with += border_step(out + i * PICTURE, m) / COUNT;
    without += (border_step(start + i * PICTURE, m) + border_step(plain + i * PICTURE, m)) / (2 * COUNT);
  }
  printf("  steps across the border of a mask: %.1f levels, %.1f in plain samples\n", with, without);
  CHECK(kept, "pixels whose mask is 0 are not those that went in");
  CHECK(changed > COUNT * PIXELS / 8, "only %d pixels are repainted", changed);
  CHECK(with <= MAX_SEAM * without, "a seam: steps of %.1f levels, %.1f in plain samples", with, without);
  sheet_rows("mask", all, COUNT, 3);
  memset(mask, 255, sizeof mask);
  p.count = 1;
  make(&p, out, PICTURE);
  CHECK(!memcmp(out, plain, PICTURE), "a mask that repaints all is not plain sampling");
}

static void test_mix(void) {
  enum { COUNT = 8 };
  static uint8_t out[2 * COUNT * PICTURE], ends[PICTURE];
  static const int32_t a[2] = {APPLE, POTION}, b[2] = {GEM, MUSHROOM};
  for (int row = 0; row < 2; row++) {
    uint8_t *first = out + row * COUNT * PICTURE, *last = first + (COUNT - 1) * PICTURE;
    for (int i = 0; i < COUNT; i++) {
      dit_params p = one_of(&a[row], 5);
      p.classes_b = &b[row];
      p.class_mix = (float)i / (COUNT - 1);
      make(&p, first + i * PICTURE, PICTURE);
    }
    for (int i = 0; i < 2; i++) {
      dit_params p = one_of(i ? &b[row] : &a[row], 5);
      make(&p, ends, sizeof ends);
      CHECK(!memcmp(i ? last : first, ends, PICTURE), "mix %d is not that class alone", i);
    }
    CHECK(distance(first + PICTURE, first) < distance(first + PICTURE, last) &&
              distance(last - PICTURE, last) < distance(last - PICTURE, first),
          "a little of the other class is nearer to the other class");
  }
  sheet_rows("mix", out, COUNT, 2);
}

static void test_guidance(void) {
  static const float intervals[7][3] = {{1, 0, 0},       {2, 0, 0}, {5, 0, 0}, {5, 0, 0.3333f}, {5, 0.3333f, 0.6667f},
                                        {5, 0.6667f, 1}, {5, 0, 1}};
  static const int32_t classes[2] = {TREE, FISH};
  static uint8_t out[2 * 7 * PICTURE];
  for (int i = 0; i < 14; i++) {
    dit_params p = one_of(&classes[i / 7], 9);
    p.guidance_scale = intervals[i % 7][0];
    p.guidance_start = intervals[i % 7][1];
    p.guidance_end = intervals[i % 7][2];
    make(&p, out + i * PICTURE, PICTURE);
  }
  for (int row = 0; row < 2; row++) {
    const uint8_t *first = out + row * 7 * PICTURE;
    CHECK(!memcmp(first + 2 * PICTURE, first + 6 * PICTURE, PICTURE), "the interval 0..1 is not all of the schedule");
    for (int i = 3; i < 6; i++)
      CHECK(distance(first + i * PICTURE, first) > 0 && distance(first + i * PICTURE, first + 2 * PICTURE) > 0,
            "guidance from %.2f to %.2f is like none, or like all", (double)intervals[i][1], (double)intervals[i][2]);
    static uint8_t none[PICTURE];
    dit_params p = one_of(&classes[row], 9);
    p.guidance_scale = 5;
    p.guidance_start = p.guidance_end = 1.0f / (float)steps; /* the border between the first and the second step */
    make(&p, none, sizeof none);
    CHECK(!memcmp(none, first, PICTURE), "an interval without a step is not guidance 1");
  }
  /* The sheet leaves out the last one, which is equal to the third. */
  memmove(out + 6 * PICTURE, out + 7 * PICTURE, 6 * PICTURE);
  sheet_rows("guidance", out, 6, 2);
}

static void test_channels(void) {
  enum { COUNT = 8 };
  static uint8_t out[2 * COUNT * PICTURE], own[COUNT * PICTURE];
  static const int32_t classes[COUNT] = {POTION, SWORD, GEM, MUSHROOM, TREE, HOUSE, SLIME, FISH};
  static const int32_t channels[4] = {3, -1, 8, 0}; /* the last three all mean 8; 0, because the file says so */
  for (int i = 0; i < 4; i++) {
    dit_params p = one_of(classes, 60);
    p.count = COUNT;
    p.guidance_scale = 4;
    p.guidance_channels = channels[i];
    make(&p, i < 2 ? out + i * COUNT * PICTURE : own, sizeof own);
    CHECK(i < 2 || !memcmp(own, out + COUNT * PICTURE, sizeof own), "guidance_channels %d is not all", channels[i]);
  }
  CHECK(memcmp(out, own, sizeof own) != 0, "guiding all channels is guiding three");
  sheet_rows("channels", out, COUNT, 2);
}

/* The part of the pixels that are at least half opaque. */
static double covered(const uint8_t *pixels, int count) {
  int opaque = 0;
  for (int i = 0; i < count; i++) opaque += pixels[i * 4 + 3] > 127;
  return (double)opaque / count;
}

static void test_sizes(void) {
  static const int32_t sizes[5][2] = {{32, 32}, {48, 32}, {32, 64}, {24, 24}, {64, 64}};
  static const int32_t classes[5] = {TREE, FISH, SWORD, GEM, MUSHROOM};
  static uint8_t out[64 * 64 * 4];
  sheet s = sheet_new(32 + 48 + 32 + 24 + 64 + 4 * GAP, 64);
  for (int i = 0, left = 0; i < 5; left += sizes[i++][0] + GAP) {
    const int32_t width = sizes[i][0], height = sizes[i][1];
    dit_params p = one_of(&classes[i], 3);
    p.width = width;
    p.height = height;
    make(&p, out, (size_t)(width * height * 4));
    const double part = covered(out, width * height);
    CHECK(part > 0.02 && part < 0.98, "%d x %d: %.0f %% of the picture is covered", width, height, 100 * part);
    sheet_put(&s, left, 64 - height, out, width, height);
  }
  if (folder) sheet_write(&s, "sizes");
  free(s.rgb);
}

/* Previews have the size of latents; here each of their pixels is enlarged to what it covers in the picture. */
static void test_previews(void) {
  enum { COUNT = 6, SMALL = 8, ROW = (COUNT + 1) * PICTURE };
  static const int32_t classes[2] = {HOUSE, SLIME}, percent[COUNT] = {2, 6, 12, 24, 50, 100};
  static uint8_t all[2 * ROW], preview[SMALL * SMALL * 4];
  for (int row = 0; row < 2; row++) {
    uint8_t *out = all + row * ROW;
    dit_params p = one_of(&classes[row], 1);
    dit_progress progress = {.struct_size = sizeof progress};
    dit_job *job;
    if (!CHECK(dit_job_start(sprites, &p, &job, NULL) == DIT_OK, "dit_job_start")) return;
    for (int i = 0; i < COUNT; i++, out += PICTURE) {
      while (progress.step * 100 < percent[i] * steps && dit_job_advance(job, 0, NULL) == DIT_MORE)
        dit_job_progress(job, &progress);
      CHECK(dit_job_preview(job, 0, DIT_PIXELS_RGBA, preview, 0, NULL) == DIT_OK, "dit_job_preview");
      for (int k = 0; k < PIXELS; k++) memcpy(out + k * 4, preview + (k / SIDE / 4 * SMALL + k % SIDE / 4) * 4, 4);
      CHECK(covered(preview, SMALL * SMALL) < 1, "a preview without transparent pixels");
    }
    CHECK(dit_job_advance(job, -1, NULL) == DIT_OK, "dit_job_advance");
    CHECK(dit_job_pixels(job, 0, DIT_PIXELS_RGBA, out, 0, NULL) == DIT_OK, "dit_job_pixels");
    dit_job_end(job);
  }
  for (int row = 0; row < 2; row++) {
    const uint8_t *last = all + row * ROW + (COUNT - 1) * PICTURE;
    const double own = distance(last, last + PICTURE), other = distance(last, all + (1 - row) * ROW + COUNT * PICTURE);
    printf("  the last preview is %.0f levels from its picture, %.0f from the other\n", own, other);
    CHECK(own < other, "the last preview is %.0f levels from its picture, %.0f from the other", own, other);
  }
  sheet_rows("previews", all, COUNT + 1, 2);
}

int main(void) {
  const dit_options options = {.struct_size = sizeof options, .threads = 1};
  dit_model *model;
  folder = getenv("DIT_CONTROLS");
  if (folder && !*folder) folder = NULL;
  steps = folder ? 20 : 10;
  if (!CHECK(dit_sprites_open(&options, &model, NULL) == DIT_OK, "dit_sprites_open")) return test_end("test_controls");
  sprites = model;
  test_strength();
  test_mask();
  test_mix();
  test_guidance();
  test_channels();
  test_sizes();
  test_previews();
  dit_model_close(model);
  return test_end("test_controls");
}
