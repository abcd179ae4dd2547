#!/bin/sh
# The same bits from every build: compilers, optimisation levels, dialects, OpenMP or a plain loop, 32 bits, aarch64, and
# x86-64 without fma. One of the longer checks (.ci/run); some minutes on two processors.
#   tests/bits_builds.sh [PATTERN]     only builds whose name matches
# Fails if a build makes other hashes than tests/golden/bits.txt, if a fused multiply-add stands where nobody asked for
# one, or if an element is written in a way that gcc miscompiles. What is not installed is skipped with the reason.
#
# Three steps, each on all processors: every object is compiled, once for each compiler and set of flags, whichever
# program or search needs it; programs are linked; programs are run. 32 bits at -O2 are .ci/run m32's.
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh
pattern=${1:-.}
export OMP_WAIT_POLICY=passive

library="$(ls ./*.c lib/*/*.c)"
converter="$(ls weights/convert/*.c weights/convert/*/*.c programs/*.c | grep -v /main.c)"
# What of the converter computes is compiled with the flags of each build, the rest once for each compiler.
# shellcheck disable=SC2086
computing="$(grep -l -w -E 'float|double' $converter | grep '/.*/.*/') tests/bits.c"
rest="$(for file in $converter; do case " $computing " in *"$file"*) ;; *) echo "$file" ;; esac; done) weights/sprites/sprites.c"
few=$(grep -v '^#' tests/golden/bits.txt | grep -c -v '^sprite')
all=$(grep -c -v '^#' tests/golden/bits.txt)

wanted() { echo "$1" | grep -q -e "$pattern"; }

# side_by_side FILE: runs its lines, each a command of the shell, on all processors.
side_by_side() { tr '\n' '\0' <"$1" | xargs -0 -r -n 1 -P "$(getconf _NPROCESSORS_ONLN)" sh -c; }

# ---- What is compiled, linked and run ----

mkdir "$work/runs"
: >"$work/compile" >"$work/link" >"$work/run" >"$work/plan"
runs=0

# objects FILES COMPILER FLAG...: plans them, and lists them in $objects. With OpenMP those are the same that do not know it.
knows_openmp() { grep -q -E '_OPENMP|#pragma omp' "$1" lib/*/*.h weights/convert/*/*.h tests/*.h; }
objects() {
  files=$1 objects=
  shift
  for file in $files; do
    flags="$*"
    case $flags in
      *" -fopenmp") knows_openmp "$file" || flags=${flags% -fopenmp} ;;
    esac
    folder=$work/$(echo "$flags" | tr ' /' __)
    mkdir -p "$folder"
    o=$folder/$(echo "${file#./}" | tr / -).o
    objects="$objects $o"
    echo "$flags -w -I. -c $file -o $o 2>>$folder/log" >>"$work/compile"
  done
}

# program COMPILER FLAG...: plans one, $program, that prints hashes. $machine: the flags that say for which machine.
program() {
  program=$work/$(echo "$*" | tr ' /' __).bits
  objects "$library $computing" "$@"
  mine=$objects
  # shellcheck disable=SC2086
  objects "$rest" "$1" -O1 $machine
  echo "cat $folder/log ${program%.bits}/log >$program.log; $* $mine $objects -lm -o $program 2>>$program.log" >>"$work/link"
}

# run NAME LEAST-LINES COMMAND...: plans a run of $program, whose hashes must be those of tests/golden/bits.txt.
run() {
  runs=$((runs + 1))
  echo "$runs $2 $program $1" >>"$work/plan"
  shift 2
  echo "start=\$(date +%s); $* >$work/runs/$runs 2>$work/runs/$runs.errors; echo \$? \$((\$(date +%s) - start)) >$work/runs/$runs.status" >>"$work/run"
}

# judge NUMBER LEAST-LINES PROGRAM NAME: whether a run made the right hashes.
judge() {
  if [ ! -x "$3" ]; then
    check "$4: compiles and links: $(cat "$3.log" | head -n 3)" false
    return
  fi
  read -r status seconds <"$work/runs/$1.status"
  [ "$status" != 3 ] || { skip "$4: no such instruction set here"; return; }
  cat "$work/runs/$1" "$work/runs/$1.errors" >"$work/lines"
  if [ "$status" = 0 ] && awk -v least="$2" -f tests/bits_compare.awk tests/golden/bits.txt "$work/lines" >"$work/log"; then
    passed=$((passed + 1))
    echo "  equal      $4 ($seconds s)"
  else
    failed=$((failed + 1))
    echo "  different  $4 (exit status $status)"
    head -n 5 "$work/log"
  fi
}

# native COMPILER FLAG...: plans a native build, run on scalar and on the best instruction set.
native() {
  what="$*" machine=
  wanted "$what" || return
  if ! have "$1"; then skip "$what: not installed"; return; fi
  program "$@"
  run "$what, scalar" "$few" "$program" scalar 1
  run "$what, best, 2 threads" "$all" "$program" best 2 all
}

# emulated NAME COMPILER RUNNER FLAG...: plans a build for another machine, run through a program on scalar and $vectors.
emulated() {
  name=$1 cc=$2 runner=$3 machine=
  shift 3
  wanted "$name" || return
  if ! have "$cc" || ! have "${runner%% *}"; then skip "$name: needs $cc and ${runner%% *}"; return; fi
  program "$cc" "$@"
  run "$name, scalar" "$few" "$runner $program" scalar 1
  for isa in $vectors; do run "$name, $isa" "$few" "$runner $program" "$isa" 1; done
}

# fused NAME OBJDUMP ALLOWED COMPILER FLAG...: plans the objects for a search for fused instructions.
fused() {
  name="fused: $1" objdump=$2 allowed=$3
  shift 3
  wanted "$name" || return
  if ! have "$1" || ! have "$objdump"; then skip "$name: needs $1 and $objdump"; return; fi
  objects "$library" "$@"
  printf '%s\t' "$name" "$objdump" "$allowed" "$objects" >>"$work/fused"
  echo >>"$work/fused"
}

# search NAME OBJDUMP ALLOWED OBJECTS
search() {
  # shellcheck disable=SC2086
  check "$1: fused instructions only in $3" tests/fused.sh "$2" "$3" $4
  kernels=$(echo "$4" | tr ' ' '\n' | grep /lib-kernels-)
  # shellcheck disable=SC2086
  check "$1: and there, so that the search finds them" sh -c '! tests/fused.sh "$@" >/dev/null' sh "$2" '' $kernels
}

# ---- Plans ----

# Those that run longest come first.
qemu_arm="qemu-aarch64 -L /usr/aarch64-linux-gnu"
vectors=
emulated "x86-64 without AVX and fma" gcc "qemu-x86_64 -cpu Nehalem" -O2
vectors="neon neondot"
emulated "aarch64 with its own fma, -O2" aarch64-linux-gnu-gcc "$qemu_arm" -O2
emulated "aarch64 with its own fma, -O3" aarch64-linux-gnu-gcc "$qemu_arm" -O3

for cc in gcc clang; do
  native $cc -O0
  native $cc -O2 -flto
  native $cc -O2
  native $cc -O2 -std=c11 -pedantic
  native $cc -O3 -march=native
  if [ -n "$(tools/openmp.sh $cc 2>/dev/null)" ]; then native $cc -O2 -fopenmp
  else skip "$cc -fopenmp: no OpenMP library for it"; fi
done
native gcc -Os -march=native -ffp-contract=fast # overruled by numerics.h; clang's cannot be

m32="-m32 -msse2 -mfpmath=sse -idirafter /usr/include/$(uname -m)-linux-gnu" # where Debian has asm/
if wanted "32 bits"; then
  if have clang && echo 'int main(void) { return 0; }' | clang -m32 -x c - -lm -o "$work/small" 2>/dev/null; then
    machine=$m32
    # shellcheck disable=SC2086
    program clang -O0 $m32
    run "32 bits, -O0, scalar" "$few" "$program" scalar 1
    check "x87 arithmetic is refused" sh -c "! clang $m32 -mno-sse -fsyntax-only -I. lib/core/elementary.c 2>/dev/null"
  else
    skip "32 bits: needs clang, libc6-dev-i386 and lib32gcc-12-dev"
  fi
fi

: >"$work/fused"
if [ "$(uname -m)" = x86_64 ]; then
  for cc in gcc clang; do
    fused "$cc -O2" objdump '^avx(2|vnni|512|512vnni|512bf16)_' $cc -O2
    fused "$cc -O3 -march=native" objdump '^(avx2|avxvnni|avx512|avx512vnni|avx512bf16|scalar)_' $cc -O3 -march=native
  done
else
  skip "fused instructions of x86-64: this is another machine"
fi
fused "aarch64 -O2" aarch64-linux-gnu-objdump '^(scalar|neon|neondot)_' aarch64-linux-gnu-gcc -O2

# ---- Doing it ----

# step NAME FILE: runs the commands in FILE, each once, and says how long that took.
step() {
  start=$(date +%s)
  side_by_side "$2"
  echo "  note: $1: $(wc -l <"$2") in $(($(date +%s) - start)) s"
}
for name in compile link; do sort -u "$work/$name" -o "$work/$name"; done
step "objects compiled" "$work/compile"
step "programs linked" "$work/link"
step "programs run" "$work/run"
while read -r number least program name; do judge "$number" "$least" "$program" "$name"; done <"$work/plan"
while IFS="$(printf '\t')" read -r name objdump allowed objects; do search "$name" "$objdump" "$allowed" "$objects"; done <"$work/fused"

# ---- Elements that gcc takes for others ----

if wanted "rows" && have gcc; then
  # shellcheck disable=SC2086
  check "rows: no element is *(row[i] + j)" tests/rows.sh $library $converter weights/sprites/sprites.c tests/bits.c
  echo 'float f(float (*row)[8], int i, int j) { return *(row[i] + j); }' >"$work/rows.c"
  check "rows: and one would be found" sh -c "! tests/rows.sh '$work/rows.c' >/dev/null"
fi
finish bits-builds
