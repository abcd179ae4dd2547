/* --preview: the pictures grow in the terminal. */
#ifndef CLI_PREVIEW_H
#define CLI_PREVIEW_H

#include "dit.h"
#include "sheet.h"

typedef struct preview {
  int shown;             /* 0: nothing is */
  int32_t columns, rows; /* pictures that fit */
  int32_t all_columns;   /* pictures in a row of the whole sheet */
  int32_t width, height; /* of a preview, latent pixels */
  int32_t scale;         /* how much it is enlarged */
  int32_t factor;        /* how much a finished picture is larger than a preview */
  sheet page;
  uint8_t *pixels; /* one preview, or one finished picture */
  int32_t lines;   /* on the screen */
  int32_t step;    /* that is shown */
} preview;

/* `params` are resolved; the sheet has columns x rows pictures. Nothing is shown unless `wanted` and the error stream
 * is a terminal. EXIT_OK, or another exit status after a message. */
int preview_begin(preview *p, int wanted, const dit_info *info, const dit_params *params, int32_t columns,
                  int32_t rows);
void preview_end(preview *p);

/* Takes over a finished picture, as the library makes it. */
void preview_finished(preview *p, int32_t index, const uint8_t *pixels);

/* Draws what the unfinished pictures, from `first` on, look like, if there was a step since the last time. Returns 1 if
 * something was drawn. */
int preview_update(preview *p, dit_job *job, int32_t first, int32_t step);

#endif
