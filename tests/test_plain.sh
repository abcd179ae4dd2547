#!/bin/sh
# The library without the Makefile: one plain command, gcc and clang, gnu17 and strict C11.
# Fails if the command of the README warns, if two of the builds make different bytes, if the README's program is not
# examples/minimal.c, or if the headers are not C99 and C++11.
#
# Each compiler optimises once, gcc as the README does. Strict C11 is about the language, so it is only parsed here;
# tests/machines.sh compares its bytes, at all levels.
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

first=
plain() { # plain COMPILER FLAG...: runs what was compiled, and compares with the first build
  folder="$work/$(echo "$*" | tr ' ' _)"
  if ! have "$1"; then
    skip "no $1: the plain build with $*"
    return
  fi
  check "$*: the plain command compiles without a warning: $(head -n 3 "$folder/log")" \
    [ -x "$folder/minimal" ]
  "$folder/minimal" weights/sprites/sprites.gguf "$folder/picture.pam"
  check "$*: makes a picture" [ -s "$folder/picture.pam" ]
  [ -n "$first" ] || first=$folder/picture.pam
  check "$*: the same bytes as the first build" cmp -s "$first" "$folder/picture.pam"
}

parse() { # parse COMPILER: strict C11, without a warning
  if ! have "$1"; then
    skip "no $1: strict C11"
    return
  fi
  check "$1: strict C11 without a warning" \
    "$1" -fsyntax-only -std=c11 -pedantic -Wall -Wextra -Werror -I. ./*.c lib/*/*.c examples/minimal.c
}

compile gcc -O2 &
compile clang -O1 &
wait
plain gcc -O2
plain clang -O1
parse gcc
parse clang

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
