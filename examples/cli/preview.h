/* --preview: shows the pictures in the terminal while they are made. */
#ifndef CLI_PREVIEW_H
#define CLI_PREVIEW_H

#include "dit.h"
#include "sheet.h"

typedef struct preview {
  int shown;             /* 0: nothing is shown */
  int32_t columns, rows; /* pictures that fit on the screen */
  int32_t all_columns;   /* pictures in a row of the sheet */
  int32_t width, height; /* of one preview, latent pixels */
  int32_t scale;         /* each preview is enlarged this many times */
  int32_t factor;        /* pixels of a picture per pixel of a preview, along one side */
  sheet page;
  uint8_t *pixels; /* one preview, or one finished picture */
  int32_t lines;   /* of text on the screen */
  int32_t step;    /* the one that is shown; -1: none */
} preview;

/* `params` must be resolved; the sheet has columns x rows pictures. Nothing is shown unless `wanted` is 1 and the error
 * stream is a terminal. Returns EXIT_OK, or another exit status after a message. */
int preview_begin(preview *p, int wanted, const dit_info *info, const dit_params *params, int32_t columns,
                  int32_t rows);
void preview_end(preview *p);

/* Puts a finished picture, as dit_job_pixels gives it, into the preview. */
void preview_finished(preview *p, int32_t index, const uint8_t *pixels);

/* Draws the preview anew if the job is at another step than the one shown. Pictures from `first` on are unfinished. */
void preview_update(preview *p, dit_job *job, int32_t first, int32_t step);

#endif
