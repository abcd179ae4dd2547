#!/bin/sh
# What hosts and bindings are compiled and linked with: the functions of libdit.so and the layout of the public structs.
# Fails if one is gone, new, moved or of another size than tests/golden/abi.txt says, or if a struct has bytes that
# belong to no member. When a function or a member at the end is added: tests/test_abi.sh --write.
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh

"$build/tests/abi" >"$work/structs" 2>"$work/holes"
status=$?
check "structs have no holes: $(head -n 3 "$work/holes")" [ "$status" = 0 ]
if ! have nm || [ "$(uname -s)" != Linux ]; then
  skip "no list of the functions in libdit.so here"
  grep -v '^function ' tests/golden/abi.txt >"$work/expected"
  cp "$work/structs" "$work/now"
else
  nm -D --defined-only "$build/libdit.so" | awk '{ print "function " $NF }' | LC_ALL=C sort >"$work/functions"
  cat "$work/functions" "$work/structs" >"$work/now"
  [ "${1:-}" != --write ] || cp "$work/now" tests/golden/abi.txt
  cp tests/golden/abi.txt "$work/expected"
  grep '^DIT_API' dit.h | grep -o 'dit_[a-z_]*(' | tr -d '(' | sed 's/^/function /' | LC_ALL=C sort >"$work/header"
  check "libdit.so has the functions of dit.h" cmp -s "$work/header" "$work/functions"
fi
if "$build/tests/abi" | grep -q '^dit_options user 32 8'; then
  diff "$work/expected" "$work/now" >"$work/difference"
  status=$?
  check "the same as tests/golden/abi.txt: $(head -n 8 "$work/difference")" [ "$status" = 0 ]
else
  skip "tests/golden/abi.txt is for pointers of 64 bits"
fi
finish abi
