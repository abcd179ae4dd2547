/* Makes pictures, and writes, shows and reports them. */
#ifndef CLI_MAKE_H
#define CLI_MAKE_H

#include "again.h"
#include "options.h"

/* `again` is NULL without --again. `open_seconds` is the time that opening the model took, for --json. Returns the
 * program's exit status, after a message if it is not EXIT_OK. */
int make_pictures(const dit_model *model, const dit_info *info, const cli_options *options, again *again,
                  double open_seconds);

#endif
