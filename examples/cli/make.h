/* Making the pictures: the job, and what becomes of its pictures. */
#ifndef CLI_MAKE_H
#define CLI_MAKE_H

#include "again.h"
#include "options.h"

/* `old` is the picture to be made again, or NULL. Returns the program's exit status, after a message if it is not
 * EXIT_OK. */
int make_pictures(const dit_model *model, const dit_info *info, const cli_options *options, const again *old,
                  double open_seconds);

#endif
