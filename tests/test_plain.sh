#!/bin/sh
# The library without the Makefile: the one command of the README, gcc and clang, gnu17 and strict C11.
# Fails if the command warns, if a build makes other bytes than the Makefile's, if the README's program is not
# examples/minimal.c, or if the headers are not C99 and C++11.
#
# Each compiler compiles all of it once: the README's -O2 is the Makefile's, whose warnings .ci/run makes errors, so that
# gcc takes -O1 and strict C11 here. tests/machines.sh compares bytes at all levels.
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh

# compile COMPILER FLAG...: the plain command, into a folder of its own; several at once
compile() {
  folder="$work/$(echo "$*" | tr ' ' _)"
  mkdir "$folder"
  have "$1" || return
  "$@" -Wall -Wextra -Werror -I. ./*.c lib/*/*.c examples/minimal.c -lm -o "$folder/minimal" \
    >"$folder/log" 2>&1
}

"$build/minimal" weights/sprites/sprites.gguf "$work/picture.pam"
check "the Makefile's build makes a picture" [ -s "$work/picture.pam" ]
plain() { # plain COMPILER FLAG...: runs what was compiled
  folder="$work/$(echo "$*" | tr ' ' _)"
  if ! have "$1"; then
    skip "no $1: the plain build with $*"
    return
  fi
  check "$*: the plain command compiles without a warning: $(head -n 3 "$folder/log")" \
    [ -x "$folder/minimal" ]
  "$folder/minimal" weights/sprites/sprites.gguf "$folder/picture.pam"
  check "$*: the same bytes as the Makefile's build" cmp -s "$work/picture.pam" "$folder/picture.pam"
}

compile gcc -O1 -std=c11 -pedantic &
compile clang -O1 &
wait
plain gcc -O1 -std=c11 -pedantic
plain clang -O1
if have clang; then
  check "clang: strict C11 without a warning" \
    clang -fsyntax-only -std=c11 -pedantic -Wall -Wextra -Werror -I. ./*.c lib/*/*.c examples/minimal.c
else
  skip "no clang: strict C11"
fi

awk '/^```c$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' README.md >"$work/readme.c"
check "the README's program is examples/minimal.c" cmp -s "$work/readme.c" examples/minimal.c
check "the README has the plain command" has 'cc -O2 -I. \*.c lib/\*/\*.c examples/minimal.c -lm' README.md

header() { # header COMPILER FLAG...
  if ! have "$1"; then
    skip "no $1: the headers with $*"
    return
  fi
  for file in dit.h weights/sprites/dit_sprites.h dit_pool.h; do
    printf '#define DIT_POOL_IMPLEMENTATION\n#include "%s"\n' "$file" >"$work/header.c"
    check "$*: $file" "$@" -pedantic -Wall -Wextra -Werror -I. -fsyntax-only "$work/header.c"
  done
}
header gcc -std=c99
header clang -std=c99
header g++ -std=c++11 -x c++
header clang++ -std=c++11 -x c++
finish plain
