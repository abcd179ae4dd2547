#!/bin/sh
# The library without the Makefile: one plain command, gcc and clang, gnu17 and strict C11.
# Fails if the command of the README warns, if two of the builds make different bytes, if the README's program is not
# examples/minimal.c, or if the headers are not C99 and C++11.
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh

first=
plain() { # plain COMPILER FLAG...: builds, runs, compares with the first build
  if ! have "$1"; then
    skip "no $1: the plain build with $*"
    return
  fi
  "$@" -Wall -Wextra -Werror -O2 -I. ./*.c kernels/*.c weights/gguf.c examples/minimal.c -lm -o "$work/minimal" >"$work/log" 2>&1
  status=$?
  check "$*: the plain command compiles without a warning: $(head -n 3 "$work/log")" [ "$status" = 0 ]
  "$work/minimal" weights/sprites/sprites.gguf "$work/picture.pam"
  check "$*: makes a picture" [ -s "$work/picture.pam" ]
  if [ -z "$first" ]; then
    first=$work/first.pam
    mv "$work/picture.pam" "$first"
  else
    check "$*: the same bytes as the first build" cmp -s "$first" "$work/picture.pam"
  fi
  rm -f "$work/minimal" "$work/picture.pam"
}
plain gcc
plain gcc -std=c11 -pedantic
plain clang
plain clang -std=c11 -pedantic

awk '/^```c$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' README.md >"$work/readme.c"
check "the README's program is examples/minimal.c" cmp -s "$work/readme.c" examples/minimal.c
check "the README has the plain command" has 'cc -O2 -I. \*.c kernels/\*.c weights/gguf.c examples/minimal.c -lm' README.md

header() { # header COMPILER FLAG...
  if ! have "$1"; then
    skip "no $1: the headers with $*"
    return
  fi
  for file in dit.h weights/sprites/dit_sprites.h; do
    echo "#include \"$file\"" >"$work/header.c"
    check "$*: $file" "$@" -pedantic -Wall -Wextra -Werror -I. -fsyntax-only "$work/header.c"
  done
}
header gcc -std=c99
header clang -std=c99
header g++ -std=c++11 -x c++
header clang++ -std=c++11 -x c++
finish plain
