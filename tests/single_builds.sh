#!/bin/sh
# The single header as hosts compile it: in a file of its own and behind other headers, in gnu and strict C11, for
# 32 bits, aarch64 and Windows; tests/test_tools.sh also runs it. One of the longer checks (.ci/run); 45 s of one
# processor.
# Fails if a compiler warns, or if a macro of the library is still defined behind the implementation. Compilers that are
# not installed are skipped with the reason.
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh

tools/single.sh "$work/dit.h" || exit 1
end='#define DIT_IMPLEMENTATION\n#include "dit.h"\n'
printf "$end" >"$work/alone.c"
printf '#include <stdio.h>\n#include <stdlib.h>\n#include <time.h>\n#include <math.h>\n'"$end" >"$work/behind.c"
printf '#include <windows.h>\n#include <stdio.h>\n'"$end" >"$work/windows.c"

# Lines of: FILE, COMPILER FLAG...
x86_32="clang -m32 -msse2 -mfpmath=sse -idirafter /usr/include/$(uname -m)-linux-gnu" # where Debian has asm/
cat >"$work/ways" <<WAYS
alone gcc -O1 -std=c11 -pedantic
behind gcc -std=c11 -pedantic
behind gcc
alone clang
behind clang -std=c11 -pedantic
alone aarch64-linux-gnu-gcc -std=c11 -pedantic
behind aarch64-linux-gnu-gcc
alone x86_64-w64-mingw32-gcc
windows x86_64-w64-mingw32-gcc -std=c11 -pedantic
alone $x86_32
behind $x86_32 -std=c11 -pedantic
WAYS

# Each way as $work/NUMBER.o, on all processors; what the compiler says goes to $work/NUMBER.log.
# shellcheck disable=SC2016
awk '{ print NR, $0 }' "$work/ways" | xargs -P "$(getconf _NPROCESSORS_ONLN)" -L 1 sh -c '
  folder=$1 number=$2 file=$3
  shift 3
  command -v "$1" >/dev/null || exit 0
  "$@" -Wall -Wextra -Werror -I"$folder" -c "$folder/$file.c" -o "$folder/$number.o" >"$folder/$number.log" 2>&1
  echo $? >"$folder/$number.status"' sh "$work"

small=yes # whether there is a C library of 32 bits
echo 'int main(void) { return 0; }' | $x86_32 -x c - -o "$work/small" 2>/dev/null || small=no
number=0
while read -r file compiler flags; do
  number=$((number + 1))
  case $small$flags in
    no-m32*) skip "$compiler -m32: no 32-bit C library" && continue ;;
  esac
  if have "$compiler"; then
    check "$file.c, $compiler $flags: $(head -n 3 "$work/$number.log")" [ "$(cat "$work/$number.status")" = 0 ]
  else
    skip "$file.c, $compiler $flags: not installed"
  fi
done <"$work/ways"

# Names that the sources define, without those of dit.h, which are for the host, and of the system.
macros() { grep -hoE '^ *# *define +[A-Za-z][A-Za-z0-9_]*' "$@" | awk '{ print $NF }' | sort -u; }
macros dit.c vae.c sampler.c lib/*/*.[ch] | grep -v WIN32_LEAN_AND_MEAN >"$work/library"
macros dit.h >"$work/public"
gcc -E -dM -I"$work" "$work/behind.c" | awk '{ sub(/\(.*/, "", $2); print $2 }' | sort -u >"$work/left"
comm -12 "$work/library" "$work/left" | comm -23 - "$work/public" >"$work/leaked"
check "there are macros to look for" grep -q '^FORCE_INLINE$' "$work/library"
check "no macro is left: $(head -n 5 "$work/leaked" | tr '\n' ' ')" [ ! -s "$work/leaked" ]
finish single-builds
