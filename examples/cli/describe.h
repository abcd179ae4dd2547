/* A model, its memory and its work in words. */
#ifndef CLI_DESCRIBE_H
#define CLI_DESCRIBE_H

#include "dit.h"

const char *describe_sampler(int32_t sampler);
const char *describe_isa(int32_t isa);
const char *describe_compute(int32_t compute);
const char *describe_type(int32_t type);

/* --info, --list and --memory, on the standard output. */
void describe_model(const dit_info *info);
void describe_classes(const dit_model *model, const dit_info *info);
void describe_memory(const dit_info *info, uint64_t job);

/* --profile, on the error stream. */
void describe_profile(const dit_profile_row *rows, int32_t count);

#endif
