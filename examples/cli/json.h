/* --json: one object on the standard output. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include "record.h"

typedef struct json_facts {
  const dit_model *model;
  const dit_info *info;
  const char *path;   /* of the model; NULL: embedded */
  const record *made; /* NULL: nothing was to be made; then only the model is told */
  const char *output; /* one file with all pictures; or NULL, and */
  char *const *names; /* one for each; or NULL: none was written */
  double open_seconds, make_seconds;
  size_t job_memory;
  const dit_profile_row *profile; /* NULL: not asked for */
  int32_t profile_count;
} json_facts;

void json_print(const json_facts *facts);

#endif
