/* --json: one object on the standard output. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include "record.h"

typedef struct json_report {
  const dit_model *model;
  const dit_info *info;
  const char *path;   /* of the model file; NULL: the embedded model */
  const record *made; /* NULL after --info and --list, which report the model alone */
  const char *output; /* the file with all pictures; or NULL, and */
  char *const *names; /* one file for each picture; or both NULL: nothing was written */
  double open_seconds, make_seconds;
  size_t job_memory;
  const dit_profile_row *profile; /* NULL without --profile */
  int32_t profile_count;
} json_report;

void json_print(const json_report *report);

#endif
