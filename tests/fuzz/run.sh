#!/bin/sh
# Runs the fuzzers side by side for a while: tests/fuzz/run.sh [SECONDS [FOLDER]]. Needs clang and its fuzzer library. A
# crash is kept in FOLDER and is a failure.
seconds=${1:-30} folder=${2:-build/fuzz} failed=0 passed=0
mkdir -p "$folder/model-seeds" "$folder/checkpoint-seeds" "$folder/objects" || exit 1
compile="clang -g -O1 -std=gnu17 -fsanitize=address,undefined -fno-sanitize-recover=undefined -I."
build=${BUILD:-build}
for type in f32 q8 q4; do
  "$build/dit-convert" --quiet --type $type --synthetic dit:hidden=16,depth=1,heads=2,patch=2,latent=4,in=4,classes=3,sigma=1 \
    --synthetic vae:blocks=8+8,layers=1,groups=4,in=4,out=4,latent=4 -o "$folder/model-seeds/$type.gguf" || exit 1
done
cp tests/golden/torch/*.pt tests/golden/checkpoints/*.pt tests/golden/checkpoints/*.safetensors tests/golden/checkpoints/*.ckpt "$folder/model-seeds/q8.gguf" \
  "$folder/checkpoint-seeds/"
echo '{"weight_map": {"a": "b"}}' >"$folder/checkpoint-seeds/model.safetensors.index.json"

# Everything is compiled once, on all processors, and linked twice.
rm -f "$folder"/objects/*.o "$folder"/fuzz_model "$folder"/fuzz_checkpoint
for file in ./*.c lib/*/*.c weights/convert/*.c weights/convert/*/*.c programs/*.c tests/fuzz/*.c; do
  [ "$file" = weights/convert/main.c ] || echo "$file $folder/objects/$(echo "${file#./}" | tr / -).o"
done | xargs -n 2 -P "$(getconf _NPROCESSORS_ONLN)" sh -c "$compile -fsanitize=fuzzer-no-link -c \"\$1\" -o \"\$2\"" sh || exit 1
for name in model checkpoint; do
  ls "$folder"/objects/*.o | grep -v /tests-fuzz- | xargs $compile -fsanitize=fuzzer -o "$folder/fuzz_$name" \
    "$folder/objects/tests-fuzz-fuzz_$name.c.o" -lm || exit 1
done

fuzz() {
  mkdir -p "$folder/$1-corpus"
  "$folder/fuzz_$1" -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=20 -max_len=65536 -close_fd_mask=1 \
    -artifact_prefix="$folder/$1-" "$folder/$1-corpus" "$folder/$1-seeds" 2>"$folder/$1.log"
  echo $? >"$folder/$1.status"
}
fuzz model &
fuzz checkpoint &
wait
for name in model checkpoint; do
  read -r status <"$folder/$name.status"
  if [ "$status" = 0 ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    tail -n 30 "$folder/$name.log"
  fi
  grep -E 'Done [0-9]+ runs|stat::number_of_executed_units' "$folder/$name.log" | sed "s/^/  note: $name: /"
done
echo "fuzz: $passed passed, $failed failed"
[ $failed = 0 ]
