/* A model, its memory and its work in words. */
#ifndef CLI_DESCRIBE_H
#define CLI_DESCRIBE_H

#include "dit.h"

/* --info, --list and --memory, on the standard output. */
void describe_model(const dit_info *info);
void describe_classes(const dit_model *model, const dit_info *info);
void describe_memory(const dit_info *info, uint64_t job);

/* --profile, on the error stream. */
void describe_profile(const dit_profile_row *rows, int32_t count);

#endif
