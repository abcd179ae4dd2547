#!/bin/sh
# The same bits from every build: compilers, optimisation levels, dialects, OpenMP or a plain loop, 32 bits, aarch64, and
# x86-64 without fma. One of the longer checks (.ci/run); a minute or two on two processors.
#   tests/bits_builds.sh [PATTERN]     only builds whose name matches
# Fails if a build makes other hashes than tests/golden/bits.txt, if a fused multiply-add stands where nobody asked for
# one, or if an element is written in a way that gcc miscompiles. What is not installed is skipped with the reason.
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh
pattern=${1:-.}
export OMP_WAIT_POLICY=passive

library="$(ls ./*.c lib/*/*.c)"
others="$(ls weights/convert/*.c weights/convert/*/*.c | grep -v /main.c) weights/sprites/sprites.c tests/bits.c"
few=$(grep -v '^#' tests/golden/bits.txt | grep -c -v '^sprite')
all=$(grep -c -v '^#' tests/golden/bits.txt)

wanted() { echo "$1" | grep -q -e "$pattern"; }

# objects FILES COMPILER FLAG...: each file as $work/objects/NAME.o, on all processors
objects() {
  rm -rf "$work/objects"
  mkdir "$work/objects"
  files=$1
  shift
  # shellcheck disable=SC2016,SC2086
  printf '%s\n' $files | xargs -P "$(getconf _NPROCESSORS_ONLN)" -I '{}' sh -c '
    folder=$1 file=$2
    shift 2
    exec "$@" -w -I. -c "$file" -o "$folder/$(echo "$file" | sed "s|^\./||; s|/|-|g").o"' sh "$work/objects" '{}' "$@"
}

# compile OUTPUT COMPILER FLAG...
compile() {
  output=$1
  shift
  objects "$library $others" "$@" >"$work/log" 2>&1 && "$@" "$work"/objects/*.o -lm -o "$output" >"$work/log" 2>&1
}

# compare NAME LEAST-LINES COMMAND...: runs, and says whether the hashes are those of tests/golden/bits.txt.
compare() {
  name=$1 least=$2
  shift 2
  "$@" >"$work/lines" 2>"$work/errors"
  status=$?
  if [ "$status" = 3 ]; then skip "$name: no such instruction set here"; return; fi
  cat "$work/errors" >>"$work/lines"
  if [ "$status" = 0 ] && awk -v least="$least" -f tests/bits_compare.awk tests/golden/bits.txt "$work/lines" >"$work/log"; then
    passed=$((passed + 1))
    echo "  equal      $name"
  else
    failed=$((failed + 1))
    echo "  different  $name (exit status $status)"
    head -n 5 "$work/log"
  fi
}

# build COMPILER FLAG...: a native build, scalar and the best instruction set.
build() {
  flags="$*"
  wanted "$flags" || return
  if ! have "$1"; then skip "$flags: not installed"; return; fi
  if ! compile "$work/bits" "$@"; then
    check "$flags compiles: $(head -n 3 "$work/log")" false
    return
  fi
  compare "$flags, scalar" "$few" "$work/bits" scalar 1
  compare "$flags, best, 2 threads" "$all" "$work/bits" best 2 all
}

# ---- Compilers and flags ----

for cc in gcc clang; do
  build $cc -O0
  build $cc -O2
  build $cc -O2 -std=c11 -pedantic
  build $cc -O3 -march=native
  build $cc -O2 -flto
  if [ -n "$(tools/openmp.sh $cc 2>/dev/null)" ]; then build $cc -O2 -fopenmp
  else skip "$cc -fopenmp: no OpenMP library for it"; fi
done
build gcc -Os -march=native -ffp-contract=fast # overruled by numerics.h; clang's cannot be

# ---- Other machines ----

# emulated NAME COMPILER RUNNER FLAG...: builds with flags; runs scalar through a program.
emulated() {
  name=$1 emulation=$1 cc=$2 runner=$3
  shift 3
  wanted "$name" || return
  if ! have "$cc" || ! have "${runner%% *}"; then skip "$name: needs $cc and ${runner%% *}"; return; fi
  if ! compile "$work/bits" "$cc" "$@"; then
    check "$name: $cc $* compiles: $(head -n 3 "$work/log")" false
    return
  fi
  # shellcheck disable=SC2086
  compare "$name" "$few" $runner "$work/bits" scalar 1
  for isa in $vectors; do compare "$emulation, $isa" "$few" $runner "$work/bits" "$isa" 1; done
}

m32="-m32 -msse2 -mfpmath=sse -idirafter /usr/include/$(uname -m)-linux-gnu" # where Debian has asm/
if wanted "32 bits"; then
  # shellcheck disable=SC2086
  if have clang && echo 'int main(void) { return 0; }' | clang -m32 -x c - -lm -o "$work/small" 2>/dev/null; then
    if compile "$work/bits" clang -O2 $m32; then
      compare "32 bits, scalar" "$few" "$work/bits" scalar 1
      compare "32 bits, avx2" "$all" "$work/bits" avx2 2 all
    else
      check "clang -m32 compiles: $(head -n 3 "$work/log")" false
    fi
    compile "$work/bits" clang -O0 $m32 && compare "32 bits, -O0, scalar" "$few" "$work/bits" scalar 1
    check "x87 arithmetic is refused" sh -c "! clang $m32 -mno-sse -fsyntax-only -I. lib/core/elementary.c 2>/dev/null"
  else
    skip "32 bits: needs clang, libc6-dev-i386 and lib32gcc-12-dev"
  fi
fi
vectors="neon neondot"
emulated "aarch64, scalar with its own fma" aarch64-linux-gnu-gcc "qemu-aarch64 -L /usr/aarch64-linux-gnu" -O2
emulated "aarch64, -O3" aarch64-linux-gnu-gcc "qemu-aarch64 -L /usr/aarch64-linux-gnu" -O3
vectors=
emulated "x86-64 without AVX and fma" gcc "qemu-x86_64 -cpu Nehalem" -O2

# ---- Where fused instructions are ----

# fused NAME OBJDUMP ALLOWED COMPILER FLAG...
fused() {
  name=$1 objdump=$2 allowed=$3
  shift 3
  wanted "$name" || return
  if ! have "$1" || ! have "$objdump"; then skip "$name: needs $1 and $objdump"; return; fi
  check "$name: compiles" objects "$library" "$@"
  check "$name: fused instructions only in $allowed" tests/fused.sh "$objdump" "$allowed" "$work"/objects/*.o
  check "$name: and there, so that the search finds them" sh -c "! tests/fused.sh $objdump '' $work/objects/lib-kernels-*.o >/dev/null"
}
if [ "$(uname -m)" = x86_64 ]; then
  for cc in gcc clang; do
    fused "fused: $cc -O2" objdump '^avx(2|vnni|512|512vnni|512bf16)_' $cc -O2
    fused "fused: $cc -O3 -march=native" objdump '^(avx2|avxvnni|avx512|avx512vnni|avx512bf16|scalar)_' $cc -O3 -march=native
  done
else
  skip "fused instructions of x86-64: this is another machine"
fi
fused "fused: aarch64 -O2" aarch64-linux-gnu-objdump '^(scalar|neon|neondot)_' aarch64-linux-gnu-gcc -O2

# ---- Elements that gcc takes for others ----

if wanted "rows" && have gcc; then
  # shellcheck disable=SC2086
  check "rows: no element is *(row[i] + j)" tests/rows.sh $library $others
  echo 'float f(float (*row)[8], int i, int j) { return *(row[i] + j); }' >"$work/rows.c"
  check "rows: and one would be found" sh -c "! tests/rows.sh '$work/rows.c' >/dev/null"
fi
finish bits-builds
