/* Descriptions for people: of a model, of memory, and of where the time went. */
#ifndef CLI_DESCRIBE_H
#define CLI_DESCRIBE_H

#include "dit.h"

/* --info, --list and --memory; these print on the standard output. `job` is in bytes. */
void describe_model(const dit_info *info);
void describe_classes(const dit_model *model, const dit_info *info);
void describe_memory(const dit_info *info, uint64_t job);

/* --profile; prints on the standard error stream. */
void describe_profile(const dit_profile_row *rows, int32_t count);

#endif
