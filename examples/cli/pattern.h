/* Patterns: output names with placeholders, for one file per picture. */
#ifndef CLI_PATTERN_H
#define CLI_PATTERN_H

#include "dit.h"

/* Expands the pattern for `count` pictures: %i becomes the number of the picture, %c its class, %s its seed, and %% a
 * percent sign. Returns EXIT_OK and `count` different names for pattern_free, or another exit status after a message. */
int pattern_expand(const char *pattern, const dit_model *model, int32_t count, const int32_t *classes,
                   const uint64_t *seeds, char ***names);
void pattern_free(char **names, int32_t count);

#endif
