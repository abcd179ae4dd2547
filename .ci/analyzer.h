/* What clang's analyzer cannot see from one file: functions that report an error return the status they are given, which
 * is not that of success. Included before everything else by .ci/run tidy, and by nothing that is built. */
#include "examples/cli/message.h"
#include "lib/core/error.h"

#define dit__fail(error, status, ...) (dit__fail(error, status, __VA_ARGS__), (dit_status)(status))
#define fail(status, ...) (fail(status, __VA_ARGS__), (int)(status))
