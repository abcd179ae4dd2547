#!/bin/sh
# Other programs' files through ours, and ours through other programs: random checkpoints by safetensors and by PyTorch,
# model files by gguf, pictures by Pillow (tests/strangers/). One of the longer checks (.ci/run):
#   tests/strangers.sh PYTHON [--count N] [--seed N]
# PYTHON has numpy, Pillow, torch, safetensors and gguf. By default there are 1,000 files of each kind, always the same.
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh
interpreter=${1:?}
shift
export BUILD="$build"

compare() { # compare NAME SCRIPT [ARGUMENT...]: in the background
  name=$1
  shift
  "$interpreter" "$@" >"$work/$name" 2>&1 || echo "  FAILED: $name ended with status $?" >>"$work/$name"
}

compare safetensors tests/strangers/checkpoints.py safetensors "$@" &
compare torch tests/strangers/checkpoints.py torch "$@" &
compare pictures tests/strangers/pictures.py "$@" &
wait
for name in safetensors torch pictures; do
  cat "$work/$name"
  line=$(grep -E "^$name: [0-9]+ passed, [0-9]+ failed" "$work/$name")
  check "$name: a closing line" [ -n "$line" ]
  check "$name: its exit status" [ "$(grep -c 'ended with status' "$work/$name")" = 0 ]
  # shellcheck disable=SC2086 # NAME: N passed, N failed[, N skipped]
  set -- ${line:-none 0 - 0 - 0}
  passed=$((passed + $2))
  failed=$((failed + $4))
  skipped=$((skipped + ${6:-0}))
done
finish strangers
