/* From the command line to the parameters of a job. */
#ifndef CLI_SETUP_H
#define CLI_SETUP_H

#include "again.h"
#include "classes.h"
#include "init_image.h"
#include "options.h"
#include "record.h"

/* The pictures of a sheet, row by row. Picture i of a row has the seed of the first one plus i, so that a row shows a
 * class and a column shows a seed. */
typedef struct setup {
  class_list classes;         /* of the rows */
  int32_t columns;            /* pictures in a row */
  int32_t *picture_classes;   /* [params.count] */
  int32_t *picture_classes_b; /* [params.count], all equal; NULL without --mix */
  uint64_t *picture_seeds;    /* [params.count] */
  float *noise, *step_noise;  /* drawn as a PyTorch program draws it; NULL: the library draws */
  init_image init;
  dit_params params; /* resolved; its arrays are those above */
  size_t memory;     /* bytes that the job will allocate */
  record made;       /* what the PNG will say; row_classes are those of `classes` */
} setup;

/* Finds the parameters of a job, and everything that can be wrong with them. `again` is NULL without --again. Returns
 * EXIT_OK, or another exit status after a message; in either case setup_free must be called. */
int setup_params(setup *s, const dit_model *model, const dit_info *info, const cli_options *options,
                 const again *again);

/* Prepares the rest: what memory the job takes, its noise, and the record of it. */
int setup_job(setup *s, const dit_model *model, const dit_info *info, const cli_options *options, const again *again);
void setup_free(setup *s);

/* Returns the exit status for an error of the library. */
int library_status(dit_status status);

#endif
