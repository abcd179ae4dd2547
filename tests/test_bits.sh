#!/bin/sh
# Every result has the same bits as ever: hashes of build/tests/bits against tests/golden/bits.txt, for each instruction
# set that is present, for 1, 2 and 5 threads, and for hosts with another floating-point mode.
# Fails if any bit of any kernel, the network, the autoencoder, the samplers, the schedules or the random numbers depends
# on one of them, or changes without DIT_NUMERICS. tests/machines.sh does the same for compilers and flags.
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh
export OMP_WAIT_POLICY=passive # waiting threads leave the processors to the others

# bits LEAST-LINES ARGUMENT...
bits() {
  least=$1
  shift
  "$build/tests/bits" "$@" >"$work/lines"
  status=$?
  [ "$status" != 3 ] || { skip "no $1 on this processor"; return; }
  check "bits $*: runs, status $status" [ "$status" = 0 ]
  check "bits $*: the hashes of tests/golden/bits.txt" \
    awk -v least="$least" -f tests/bits_compare.awk tests/golden/bits.txt "$work/lines"
}

few=$(grep -v '^#' tests/golden/bits.txt | grep -c -v '^sprite')
all=$(grep -c -v '^#' tests/golden/bits.txt)
bits "$few" scalar 1
bits $((few + 3)) scalar 2 sprite # a sprite takes seconds: without fma it is emulated
bits "$few" scalar 5 small hostile
for isa in avx2 avxvnni avx512 avx512vnni; do
  for threads in 1 2 5; do bits "$all" $isa $threads all; done
  bits "$all" $isa 3 all hostile
done
finish bits
