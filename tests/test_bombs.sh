#!/bin/sh
# Small files that ask for much memory or time (tests/bombs.py). Fails if a reader takes more than 4 times the file's size
# and 64 MB of memory, or a second of processor time for each megabyte, before it says yes or no; or if dit begins work
# of hours, or for more memory than the machine has, that only the file asks for.
#   tests/test_bombs.sh           some of the bombs
#   tests/test_bombs.sh --full    all of them
cd "$(dirname "$0")/.." || exit 1
python=${PYTHON:-python3}
if ! "$python" -c 'import os; os.wait4' 2>/dev/null; then
  echo "  skipped: no $python that measures programs"
  echo "bombs: 0 passed, 0 failed, 1 skipped"
elif grep -q -e __asan_init -e __tsan_init -e __msan_init "${BUILD:-build}/dit"; then
  echo "  skipped: a sanitizer needs more memory than the limits"
  echo "bombs: 0 passed, 0 failed, 1 skipped"
elif [ "${1:-}" = --full ]; then
  exec "$python" tests/bombs.py
else
  exec "$python" tests/bombs.py --quick
fi
