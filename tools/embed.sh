#!/bin/sh
# The embedded model as a C array, for compilers without an assembler that includes files:
#   tools/embed.sh [MODEL.gguf [OUTPUT.c]]
# Compile the output beside weights/sprites/sprites.c (with gcc and clang: and -DDIT_SPRITES_ARRAY).
set -eu
cd "$(dirname "$0")/.."
model=${1:-weights/sprites/sprites.gguf}
output=${2:-build/sprites_array.c}
[ -r "$model" ] || { echo "embed.sh: $model: cannot be read" >&2; exit 1; }
part=$output.part
trap 'rm -f "$part"' EXIT
{
  cat <<'C'
/* Made by tools/embed.sh. */
#include <stddef.h>

#if defined(_MSC_VER)
__declspec(align(64))
#elif defined(__GNUC__)
__attribute__((aligned(64)))
#endif
extern const unsigned char dit__sprites_begin[];
extern const size_t dit__sprites_size;

C
  echo "const unsigned char dit__sprites_begin[$(($(wc -c <"$model")))] = {"
  od -An -v -tu1 "$model" | sed 's/  *\([0-9]\)/\1/; s/  */,/g; s/$/,/'
  echo "};"
  echo "const size_t dit__sprites_size = sizeof dit__sprites_begin;"
} >"$part"
mv "$part" "$output"
