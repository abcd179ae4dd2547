#!/bin/sh
# tools/single.sh (the library as one header), tools/embed.sh (the embedded model as an array) and the shared library.
# Fails if the single header does not compile without a warning or makes other bytes than build/minimal, if single.sh
# leaves a header inside an #if or moves one that it must not, if the array is not the file, or if the shared library
# shows a symbol that dit.h does not declare, or hides one.
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

# A library of three files: what one includes inside an #if that does not hold, the other one needs.
mkdir -p "$work/tree/tools" "$work/tree/lib/a"
cp tools/single.sh "$work/tree/tools"
printf '#ifndef DIT_H\n#define DIT_H\nint dit_three(void);\n#endif\n' >"$work/tree/dit.h"
printf '#ifndef DIT_ONE_H\n#define DIT_ONE_H\n#define ONE 1\n#endif\n' >"$work/tree/lib/a/one.h"
printf '#ifndef DIT_TWO_H\n#define DIT_TWO_H\n#if 0\n#include "lib/a/one.h"\n#endif\nenum { TWO = 2 };\n#endif\n' >"$work/tree/lib/a/two.h"
printf '#include "dit.h"\n#if defined(NEVER)\n#define FN(name) x_##name\n#if 1\n#include "lib/a/two.h"\n#endif\n#endif\n' >"$work/tree/a.c"
printf '#include "lib/a/one.h"\n#include "lib/a/two.h"\nint dit_three(void) { return ONE + TWO; }\n' >"$work/tree/lib/a/b.c"
printf '#define DIT_IMPLEMENTATION\n#include "dit.h"\n#if defined(ONE) || defined(DIT_TWO_H)\n#error left\n#endif\nint main(void) { return dit_three() != 3; }\n' >"$work/three.c"
check "single.sh takes a small library" "$work/tree/tools/single.sh" dist/dit.h
$cc -Wall -Wextra -Werror -I"$work/tree/dist" "$work/three.c" -o "$work/three" >"$work/log" 2>&1
check "headers stand before an #if that does not hold: $(head -n 3 "$work/log")" "$work/three"
refused() { # refused WHAT: single.sh must refuse the tree with a sentence that has WHAT in it
  ! "$work/tree/tools/single.sh" dist/dit.h 2>"$work/log" && has "$1" "$work/log"
}
printf 'enum { FOUR = FN(4) };\n' >>"$work/tree/lib/a/one.h"
check "a header that uses a macro from inside the #if is refused" refused "a.c: includes lib/a/two.h inside an #if"
printf '#include "lib/a/three.h"\n' >"$work/tree/a.c"
check "a header that is not there is refused" refused "a.c: cannot find lib/a/three.h"

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
