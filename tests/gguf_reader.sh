#!/bin/sh
# Whether another program's reader finds in our model files what ours does: every key with type and value, every tensor
# with type, shape and place. One of the longer checks (.ci/run); needs node and, in the folder that is given, the npm
# package @huggingface/gguf:
#   tests/gguf_reader.sh FOLDER
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh
modules=${1:?}
[ -d "$modules/node_modules/@huggingface/gguf" ] || { skip "no @huggingface/gguf in $modules"; finish gguf-reader; }

# agree FILE: both readers print the same lines.
agree() {
  "$build/tests/gguf_list" "$1" >"$work/ours" && (cd "$modules" && node "$tests/gguf_list.mjs" "$1") >"$work/theirs" &&
    diff "$work/ours" "$work/theirs" >"$work/diff" || { head -n 5 "$work/diff"; return 1; }
}
tests=$PWD/tests

check "the embedded model" agree "$PWD/weights/sprites/sprites.gguf"
lines=$(wc -l <"$work/ours")
check "it has keys and tensors, not $lines lines" [ "$lines" -gt 100 ]
for type in f32 f16 bf16 q8; do
  file=$work/$type.gguf
  check "$type" "$build/dit-convert" --quiet --synthetic S/8:256 --synthetic vae:blocks=32+64,layers=1,groups=8 --type $type \
    --license MIT --scheduler tests/scheduler_config.json -o "$file"
  check "$type: both readers agree" agree "$file"
done
check "1000 names" has "key dit.labels 9 of 8: 1000 'tench, Tinca tinca'" "$work/theirs"
check "q8 is I8 with scales" has "tensor blocks.0.attn.qkv.weight 24 384 1152 at" "$work/theirs"
finish gguf-reader
