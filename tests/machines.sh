#!/bin/sh
# One list of hashes on every machine: tests/golden/bits.txt from builds for ten kinds of processors, most of them
# emulated, with glibc and musl, by compilers at all levels, for hosts that flush denormals and round upwards. One of the
# longer checks (.ci/run); some minutes on two processors. Prints a table, which docs/numerics.md shows.
#   tests/machines.sh [PATTERN]     only builds whose machine, compiler and flags match
# Fails if a build makes other hashes, if a fused multiply-add stands where nobody asked for one, or if an element is
# written in a way that gcc miscompiles. What is not installed is skipped with the reason.
#
# Three steps, each on all processors: every object is compiled, once for each compiler and set of flags, whichever
# program or search needs it; programs are linked; programs are run. Programs for other machines are static, so that they
# need no system of that machine, and make the smaller list. 32 bits at -O2 are .ci/run m32's.
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

# program COMPILER FLAG...: plans one, $program, that prints hashes. $machine: the flags that say for which machine;
# $static: -static, or nothing.
program() {
  program=$work/$(echo "$* $static" | tr ' /' __).bits
  objects "$library $computing" "$@"
  mine=$objects logs=$folder/log
  # shellcheck disable=SC2086
  objects "$rest" "$1" -O1 $machine
  echo "cat $folder/log $logs >$program.log; $* $static $mine $objects -lm -o $program 2>>$program.log" >>"$work/link"
}

# label COMPILER: its name and version.
label() {
  case $1 in
    *clang) echo "clang $(clang -dumpversion)" ;;
    *) echo "gcc $("$1" -dumpfullversion)" ;;
  esac
}

# run KERNELS LEAST-LINES COMMAND...: plans a run of $program, whose hashes must be those of tests/golden/bits.txt.
# $about: machine, compiler and flags, as three columns of the table.
run() {
  runs=$((runs + 1))
  echo "$runs $2 $program $about | $1" >>"$work/plan"
  shift 2
  mkdir "$work/runs/$runs.tmp" # emulated programs would choose the same name for a temporary file
  echo "start=\$(date +%s); export DIT_TMP=$work/runs/$runs.tmp; $* >$work/runs/$runs 2>$work/runs/$runs.errors; echo \$? \$((\$(date +%s) - start)) >$work/runs/$runs.status" >>"$work/run"
}

row() { echo "  | $1 | $2 | $3 |"; }

# judge NUMBER LEAST-LINES PROGRAM COLUMNS: whether a run made the right hashes.
judge() {
  if [ ! -x "$3" ]; then
    row "$4" "" "**does not compile**"
    check "$4: compiles and links: $(head -n 3 "$3.log")" false
    return
  fi
  read -r status seconds <"$work/runs/$1.status"
  [ "$status" != 3 ] || { row "$4" "" "skipped: not in this processor"; skipped=$((skipped + 1)); return; }
  cat "$work/runs/$1" "$work/runs/$1.errors" >"$work/lines"
  if [ "$status" = 0 ] && awk -v least="$2" -f tests/bits_compare.awk tests/golden/bits.txt "$work/lines" >"$work/log"; then
    passed=$((passed + 1))
    row "$4" "$seconds" same
  else
    failed=$((failed + 1))
    row "$4" "$seconds" "**different**"
    { echo "  FAILED: $4 (exit status $status)"; head -n 5 "$work/log"; } >>"$work/wrong" # behind the table
  fi
}

# absent_tools TOOL...: skips what $about says if one of them is not installed.
absent_tools() {
  for tool in "$@"; do
    have "$tool" && continue
    echo "0 0 - $about | | | skipped: $tool is not installed" >>"$work/plan"
    return 0
  done
  return 1
}

# native COMPILER FLAG...: plans a native build, run on scalar and on the best instruction set.
native() {
  about="$native_machine | $1 | $(shift; echo "$*")" machine='' static=''
  wanted "$about" || return
  absent_tools "$1" && return
  about="$native_machine | $(label "$1") | $(shift; echo "$*")"
  program "$@"
  run scalar "$few" "$program" scalar 1
  run "best, 2 threads" "$all" "$program" best 2 all
}

# vectors: plans runs of the last native build on each instruction set, and for a careless host.
vectors() {
  wanted "$about" || return
  for isa in avx2 avxvnni avx512 avx512vnni; do run $isa "$all" "$program" $isa 1 all; done
  run "scalar, host flushes and rounds up" "$few" "$program" scalar 1 small hostile
  run "best, host flushes and rounds up" "$all" "$program" best 3 all hostile
}

# emulated MACHINE COMPILER EMULATOR KERNELS FLAG...: plans a static build for another machine, run on each of the kernels.
emulated() {
  about="$1 | $2 | $(shift 4; echo "$*")" machine='' name=$1 cc=$2 emulator=$3 kernels=$4
  shift 4
  wanted "$about" || return
  absent_tools "$cc" "${emulator%% *}" && return
  about="$name | $(label "$cc") | $*"
  static=-static
  program "$cc" "$@"
  for isa in $kernels; do run "$isa" "$few" "$emulator $program" "$isa" 1; done
}

# careless KERNELS: plans a run of the last emulated build for a host that flushes denormals and rounds upwards.
careless() {
  wanted "$about" || return
  absent_tools "$cc" "${emulator%% *}" || run "$1, host flushes and rounds up" "$few" "$emulator $program" "$1" 1 small hostile
}

# files_of_little_endian_machines: plans tests of all readers on the last emulated machine, and dit, whose PNGs are compared.
big=
files_of_little_endian_machines() {
  wanted "$about" || return
  have "$cc" && have "$emulator" || return
  big="$about" all_objects="$mine $objects"
  # shellcheck disable=SC2086
  linked=$(echo $all_objects | tr ' ' '\n' | grep -v /tests-bits.c.o | tr '\n' ' ')
  for test in gguf checkpoints; do
    objects "tests/test_$test.c" "$cc" -O1
    echo "$cc -static $linked $objects -lm -o $work/big_$test 2>$work/big_$test.log" >>"$work/link"
    echo "$emulator $work/big_$test >$work/big_$test.log 2>&1; echo \$? >$work/big_$test.status" >>"$work/run"
  done
  objects "$(ls examples/cli/*.c examples/cli/lodepng/lodepng.c)" "$cc" -O1 -DLODEPNG_NO_COMPILE_ALLOCATORS
  echo "$cc -static $linked $objects -lm -pthread -o $work/big_dit 2>$work/big_dit.log" >>"$work/link"
  for dit in "big $emulator $work/big_dit" "small $build/dit"; do
    to=$work/${dit%% *}-
    dit=${dit#* }
    echo "$dit -q -c potion -s 2 -o ${to}1.png && $dit -q --again ${to}1.png -o ${to}2.png &&
      $dit -q -c sword -s 2 -i ${to}1.png -o ${to}3.png" | tr '\n' ' ' >>"$work/run"
    echo >>"$work/run"
  done
}

# big_endian: judges them.
big_endian() {
  [ -n "$big" ] || return
  for test in gguf checkpoints; do
    [ "$(cat "$work/big_$test.status")" = 0 ] || head -n 5 "$work/big_$test.log"
    check "$big: test_$test: $(tail -n 1 "$work/big_$test.log")" [ "$(cat "$work/big_$test.status")" = 0 ]
  done
  [ -x "$build/dit" ] || { skip "$big: $build/dit is not there to compare PNGs with"; return; }
  check "$big: dit makes a PNG with the same bytes" cmp "$work/big-1.png" "$work/small-1.png"
  check "$big: dit --again reads it, and makes its pixels" cmp "$work/big-1.png" "$work/big-2.png"
  check "$big: dit -i reads it, and makes the same bytes of it" cmp "$work/big-3.png" "$work/small-3.png"
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
native_machine=$(uname -m | sed 's/x86_64/x86-64/')
emulated "s390x, big-endian" s390x-linux-gnu-gcc qemu-s390x scalar -O2
files_of_little_endian_machines
emulated ppc64le powerpc64le-linux-gnu-gcc qemu-ppc64le scalar -O3
emulated "x86-64 without AVX and fma" gcc "qemu-x86_64 -cpu Nehalem" scalar -O2
emulated "armhf (ARMv7)" arm-linux-gnueabihf-gcc qemu-arm "" -O2
careless scalar
emulated riscv64 riscv64-linux-gnu-gcc qemu-riscv64 scalar -O3
emulated aarch64 aarch64-linux-gnu-gcc qemu-aarch64 "scalar neon neondot" -O2
careless neondot

native gcc -O2
vectors
native gcc -O1 -std=c11 -pedantic
native gcc -O2 -flto
native gcc -Os -march=native -ffp-contract=fast # overruled by numerics.h; clang's cannot be
native clang -O1 -flto
native clang -O2
native clang -Os
for cc in gcc clang; do
  native $cc -O0
  native $cc -O3 -march=native
  if [ -n "$(tools/openmp.sh $cc 2>/dev/null)" ]; then native $cc -O2 -fopenmp
  else skip "$cc -fopenmp: no OpenMP library for it"; fi
done
native_machine="$native_machine, musl"
native musl-gcc -O2

m32="-m32 -msse2 -mfpmath=sse -idirafter /usr/include/$(uname -m)-linux-gnu" # where Debian has asm/
native_machine=i386 machine=$m32
for each in "clang -O0" "gcc -O3"; do
  about="i386 | $each"
  wanted "$about" || continue
  if ! echo 'int main(void) { return 0; }' | ${each% *} -m32 -x c - -lm -o "$work/small" 2>/dev/null; then
    echo "0 0 - i386 | $each | | | | skipped: needs ${each% *}, libc6-dev-i386 and lib32gcc-12-dev" >>"$work/plan"
    continue
  fi
  about="i386 | $(label "${each% *}") | ${each#* } -m32"
  # shellcheck disable=SC2086
  program $each $m32
  run "scalar, host flushes and rounds up" "$few" "$program" scalar 1 small hostile
  check "x87 arithmetic is refused" sh -c "! ${each% *} $m32 -mno-sse -fsyntax-only -I. lib/core/elementary.c 2>/dev/null"
done

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
echo
row "machine | compiler | flags | kernels" "seconds" hashes
row "--- | --- | --- | ---" "--:" ---
while read -r number least program name; do
  if [ "$number" = 0 ]; then echo "  | $name |"; skipped=$((skipped + 1))
  else judge "$number" "$least" "$program" "$name"; fi
done <"$work/plan"
echo
[ ! -e "$work/wrong" ] || cat "$work/wrong"
big_endian
while IFS="$(printf '\t')" read -r name objdump allowed objects; do search "$name" "$objdump" "$allowed" "$objects"; done <"$work/fused"

# ---- Elements that gcc takes for others ----

if wanted "rows" && have gcc; then
  # shellcheck disable=SC2086
  check "rows: no element is *(row[i] + j)" tests/rows.sh $library $converter weights/sprites/sprites.c tests/bits.c
  echo 'float f(float (*row)[8], int i, int j) { return *(row[i] + j); }' >"$work/rows.c"
  check "rows: and one would be found" sh -c "! tests/rows.sh '$work/rows.c' >/dev/null"
fi
finish machines
