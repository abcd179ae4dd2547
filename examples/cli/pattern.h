/* Output names with placeholders: one file for each picture. */
#ifndef CLI_PATTERN_H
#define CLI_PATTERN_H

#include "dit.h"

/* The names of `count` pictures: %i is the number, %c the class, %s the seed, %% a percent sign. EXIT_OK and the names,
 * all different, or another exit status after a message. */
int pattern_expand(const char *pattern, const dit_model *model, int32_t count, const int32_t *classes,
                   const uint64_t *seeds, char ***names);
void pattern_free(char **names, int32_t count);

#endif
