/* --preview: shows the pictures in the terminal while they are made, as half blocks. */
#include "preview.h"

#include <stdlib.h>
#include <string.h>

#include "half_blocks.h"
#include "message.h"
#include "terminal.h"

/* Returns how many of `count` items fit, at least 1. */
static int32_t fitting(int32_t room, int32_t size, int32_t count) {
  int32_t fit = room / size;
  return fit < 1 ? 1 : fit > count ? count : fit;
}

int preview_begin(preview *p, int wanted, const dit_info *info, const dit_params *params, int32_t columns,
                  int32_t rows) {
  int screen_columns, screen_rows;
  memset(p, 0, sizeof *p);
  if (!wanted || !is_terminal(stderr)) return EXIT_OK;
  if (!info->has_preview)
    return fail(EXIT_FAILED, "--preview: the model has no preview map; dit-convert --fit-preview makes one");
  terminal_size(stderr, &screen_columns, &screen_rows);
  int32_t room = 2 * (screen_rows - 2); /* pixels; one line is left for the progress, one for the cursor */
  p->factor = info->vae_scale_factor;
  p->width = params->width / p->factor;
  p->height = params->height / p->factor;
  p->scale = p->factor; /* the size of the sheet, or the largest part of it that fits the screen */
  while (p->scale > 1 && (p->factor % p->scale != 0 || columns * p->width * p->scale > screen_columns ||
                          rows * p->height * p->scale > room))
    p->scale--;
  p->all_columns = columns;
  p->columns = fitting(screen_columns, p->width * p->scale, columns);
  p->rows = fitting(room, p->height * p->scale, rows);
  p->step = -1;
  p->pixels = (uint8_t *)malloc((size_t)p->width * (size_t)p->height * (size_t)info->image_channels);
  if (!p->pixels) return fail(EXIT_FAILED, "out of memory");
  p->shown = 1;
  return sheet_create(&p->page, p->columns, p->rows, p->width, p->height, info->image_channels, p->scale, 0);
}

void preview_end(preview *p) {
  sheet_free(&p->page);
  free(p->pixels);
  p->pixels = NULL;
}

/* Finds the place of a picture in the sheet. Returns 0 if it is not on the screen. */
static int place(const preview *p, int32_t index, int32_t *column, int32_t *row) {
  *column = index % p->all_columns;
  *row = index / p->all_columns;
  return *column < p->columns && *row < p->rows;
}

void preview_finished(preview *p, int32_t index, const uint8_t *pixels) {
  int32_t column, row, stride = p->shown ? p->factor / p->scale : 1;
  if (!p->shown || !place(p, index, &column, &row)) return;
  size_t channels = (size_t)p->page.channels, wide = (size_t)p->width * (size_t)p->factor;
  for (int32_t y = 0; y < p->height * p->scale; y++) {
    uint8_t *to = p->page.pixels + ((size_t)(row * p->height * p->scale + y) * (size_t)p->page.width +
                                    (size_t)(column * p->width * p->scale)) *
                                       channels;
    for (int32_t x = 0; x < p->width * p->scale; x++) {
      memcpy(to + (size_t)x * channels, pixels + ((size_t)(y * stride) * wide + (size_t)(x * stride)) * channels,
             channels);
    }
  }
}

void preview_update(preview *p, dit_job *job, int32_t first, int32_t step) {
  int32_t column, row, last = p->all_columns * p->rows;
  if (!p->shown || step == p->step) return;
  for (int32_t i = first; i < last; i++) {
    if (!place(p, i, &column, &row)) continue;
    if (dit_job_preview(job, i, DIT_PIXELS_NATIVE, p->pixels, 0, NULL) != DIT_OK)
      break; /* there are no more pictures */
    sheet_put(&p->page, column, row, p->width, p->height, p->scale, p->pixels);
  }
  if (p->lines) fprintf(stderr, "\r\033[%dA", (int)p->lines);
  half_blocks_print(stderr, &p->page, 1);
  p->lines = half_blocks_lines(&p->page, 1);
  p->step = step;
}
