#!/bin/sh
# Runs the fuzzers for a while each: tests/fuzz/run.sh [SECONDS [FOLDER]]. Needs clang and its fuzzer library. A crash is
# kept in FOLDER and is a failure.
seconds=${1:-30} folder=${2:-build/fuzz} failed=0 passed=0
mkdir -p "$folder/model-seeds" "$folder/checkpoint-seeds" || exit 1
flags="-g -O1 -std=gnu17 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -I."
converter=$(ls weights/convert/*.c weights/convert/*/*.c | grep -v /main.c)
build=${BUILD:-build}
for type in f32 q8 q4; do
  "$build/dit-convert" --quiet --type $type --synthetic dit:hidden=16,depth=1,heads=2,patch=2,latent=4,in=4,classes=3,sigma=1 \
    --synthetic vae:blocks=8+8,layers=1,groups=4,in=4,out=4,latent=4 -o "$folder/model-seeds/$type.gguf" || exit 1
done
cp tests/golden/torch/*.pt tests/golden/checkpoints/*.pt tests/golden/checkpoints/*.safetensors tests/golden/checkpoints/*.ckpt "$folder/model-seeds/q8.gguf" \
  "$folder/checkpoint-seeds/"
echo '{"weight_map": {"a": "b"}}' >"$folder/checkpoint-seeds/model.safetensors.index.json"
clang $flags tests/fuzz/fuzz_model.c *.c lib/*/*.c -lm -o "$folder/fuzz_model" || exit 1
clang $flags tests/fuzz/fuzz_checkpoint.c $converter *.c lib/*/*.c -lm \
  -o "$folder/fuzz_checkpoint" || exit 1
for name in model checkpoint; do
  mkdir -p "$folder/$name-corpus"
  if "$folder/fuzz_$name" -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=20 -max_len=65536 -close_fd_mask=1 \
    -artifact_prefix="$folder/$name-" "$folder/$name-corpus" "$folder/$name-seeds" 2>"$folder/$name.log"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    tail -n 30 "$folder/$name.log"
  fi
  grep -E 'Done [0-9]+ runs|stat::number_of_executed_units' "$folder/$name.log" | sed "s/^/  note: $name: /"
done
echo "fuzz: $passed passed, $failed failed"
[ $failed = 0 ]
