/* What clang's analyzer cannot see from one file: a function that reports an error returns the status it was given, which
 * is not 0. .ci/run tidy includes this before everything else, and nothing that is built does. */
#include "lib/core/error.h"
#define dit__fail(error, status, ...) (dit__fail(error, status, __VA_ARGS__), (dit_status)(status))

#ifdef ANALYZE_CLI
#include "examples/cli/message.h"
#define fail(status, ...) (fail(status, __VA_ARGS__), (int)(status))
#endif
