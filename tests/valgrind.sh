#!/bin/sh
# What valgrind's memcheck says to the programs as users have them: reads of memory that nobody wrote, reads and writes
# outside, and what is never freed. Fails if a run has another exit status than it should, or if memcheck has a word to say.
# Part of `make check-long`; some minutes. BUILD is the build under test, best with CFLAGS="-O3 -g" and OPENMP=0.
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh
have valgrind || { skip "no valgrind"; finish valgrind; }

# clean STATUS WHAT COMMAND...
clean() {
  expected=$1 what=$2
  shift 2
  OMP_NUM_THREADS=2 valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect --log-file="$work/memcheck" \
    "$@" >"$work/log" 2>&1
  status=$?
  check "$what: status $status: $(tail -n 1 "$work/log")" [ "$status" = "$expected" ]
  check "$what: $(head -n 12 "$work/memcheck")" [ ! -s "$work/memcheck" ]
}

dit=$build/dit convert=$build/dit-convert golden=tests/golden
clean 0 "a sprite" "$dit" -q --threads 2 -c potion -s 2 -o "$work/one.png"
clean 0 "two sprites, scalar" "$dit" -q --threads 1 --isa scalar -c potion,sword -s 1 -o "$work/two.png"
clean 0 "int8" "$dit" -q --compute int8 -c star -s 1 -o "$work/three.png"
clean 0 "an init image, and a mask" "$dit" -q -c sword -s 2 -i "$work/one.png" --mask "$work/one.png" -o "$work/four.png"
clean 0 "again" "$dit" -q --again "$work/one.png" -o "$work/five.png"
check "again: the same picture" cmp "$work/one.png" "$work/five.png"
clean 0 "the list of classes" "$dit" --list
clean 1 "a file that is no picture" "$dit" -q -c potion -s 1 -i "$build/dit" -o "$work/six.png"

clean 0 "synthetic, with a preview" "$convert" --quiet --synthetic dit:hidden=48,depth=2,heads=3,patch=2,latent=8,in=4,classes=7 \
  --synthetic vae:blocks=8+16,layers=1,groups=4 --fit-preview -o "$work/a.gguf"
for type in f32 bf16 q8 q4; do
  clean 0 "a model file to $type" "$convert" --quiet "$work/a.gguf" --type $type -o "$work/$type.gguf"
  clean 0 "a picture of $type" "$dit" -q -m "$work/$type.gguf" -c 3 -s 2 -o "$work/$type.png"
done
clean 0 "the difference of two" "$convert" --check "$work/f32.gguf" "$work/q4.gguf"
for input in "$golden"/torch/*.pt "$golden"/checkpoints/*.pt "$golden"/checkpoints/*.ckpt "$golden"/checkpoints/*.safetensors; do
  status=1
  "$convert" --quiet "$input" -o "$work/plain.gguf" >"$work/log" 2>&1 && status=0
  clean $status "$input" "$convert" --quiet "$input" -o "$work/b.gguf"
done
finish valgrind
