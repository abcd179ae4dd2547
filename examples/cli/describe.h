/* --info and --list: a model in words, on the standard output. */
#ifndef CLI_DESCRIBE_H
#define CLI_DESCRIBE_H

#include "dit.h"

const char *describe_sampler(int32_t sampler);
const char *describe_isa(int32_t isa);
const char *describe_compute(int32_t compute);

void describe_model(const dit_info *info);
void describe_classes(const dit_model *model, const dit_info *info);

#endif
