#!/bin/sh
# tools/single.sh (the library as one header), tools/embed.sh (the embedded model as an array) and the shared library.
# Fails if the single header does not compile without a warning or makes other bytes than build/minimal, if the array is
# not the file, or if the shared library shows a symbol that dit.h does not declare, or hides one.
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh
cc=${CC:-cc}
model=weights/sprites/sprites.gguf

check "single.sh writes the header" tools/single.sh "$work/single/dit.h"
printf '#define DIT_IMPLEMENTATION\n#include "dit.h"\n' >"$work/single/dit.c"
# Each file has been optimised elsewhere (test_plain.sh): what is new here is that all of them are one.
$cc -O0 -Wall -Wextra -Werror -I"$work/single" "$work/single/dit.c" examples/minimal.c -lm -o "$work/minimal" >"$work/log" 2>&1
status=$?
check "the single header compiles: $(head -n 3 "$work/log")" [ "$status" = 0 ]
"$work/minimal" "$model" "$work/single.pam"
"$build/minimal" "$model" "$work/library.pam"
check "the single header makes the same bytes" cmp -s "$work/single.pam" "$work/library.pam"

# A small file stands for the model, so that the compiler is done soon.
head -c 100003 "$model" >"$work/small.gguf"
check "embed.sh writes the array" tools/embed.sh "$work/small.gguf" "$work/array.c"
cat >"$work/dump.c" <<'C'
#include <stdio.h>
#include "dit.h"
#include "weights/sprites/dit_sprites.h"
dit_status dit_model_open_memory(const void *data, size_t size, const dit_options *o, dit_model **m, dit_error *e) {
  (void)o, (void)m, (void)e;
  fwrite(data, 1, size, stdout);
  return (dit_status)((uintptr_t)data % 64);
}
int main(void) { return dit_sprites_open(NULL, NULL, NULL); }
C
for way in "-DDIT_SPRITES_ARRAY $work/array.c" "-DDIT_SPRITES_PATH=\"$work/small.gguf\""; do
  $cc -Wall -Wextra -Werror -I. $way weights/sprites/sprites.c "$work/dump.c" -o "$work/dump" && "$work/dump" >"$work/dumped"
  check "$way: aligned to 64" [ $? = 0 ]
  check "$way: the bytes of the file" cmp -s "$work/small.gguf" "$work/dumped"
done

if have nm; then
  nm -D --defined-only "$build/libdit.so" | sed -n 's/.* [A-Z] //p' | sort >"$work/visible"
  sed -n 's/^DIT_API.*[ *]\(dit_[a-z_]*\)(.*/\1/p' dit.h | sort >"$work/declared"
  check "libdit.so shows what dit.h declares: $(diff "$work/declared" "$work/visible" | head -n 3)" cmp -s "$work/declared" "$work/visible"
else
  skip "no nm: the symbols of libdit.so"
fi
finish tools
