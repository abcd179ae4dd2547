#!/bin/sh
# Memory and speed of dit-convert with checkpoints of 2.7 GB, one for each format, and whether they arrive whole. One of
# the longer checks (.ci/run); 8 GB in $DIT_TMP or /tmp, one to two minutes.
#   tests/convert_large.sh [SPECIFICATION]     another synthetic model than XL/2:256
# Fails if dit-convert needs more than 200 MB of anonymous memory, if it is less than half as fast as copying as many
# bytes (the better of two tries counts), or if the model made of a checkpoint is not the one made of the synthetic
# weights directly.
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh
spec=${1:-XL/2:256} limit=200
python=$(PATH=/usr/bin:$PATH command -v python3) || { skip "no python3 to make a checkpoint with"; finish convert-large; }
folder=$(mktemp -d "${DIT_TMP:-/tmp}/dit-large-XXXXXX") || exit 1
trap 'rm -rf "$work" "$folder"' EXIT

now() { date +%s%3N; } # milliseconds

# measured COMMAND...: runs it; $peak is the most anonymous memory it was seen with, MB, $took its milliseconds.
measured() {
  peak=0 start=$(now)
  "$@" >"$work/log" 2>&1 &
  pid=$!
  while kill -0 $pid 2>/dev/null; do
    seen=$(awk '/^RssAnon/ { print int($2 / 1024) }' /proc/$pid/status 2>/dev/null)
    [ "${seen:-0}" -le "$peak" ] || peak=$seen
    sleep 0.05
  done
  wait $pid
  status=$?
  took=$(($(now) - start))
}

# convert NAME TYPE INPUT: to $folder/out.gguf.
convert() {
  rm -f "$folder/out.gguf"
  measured "$build/dit-convert" "$3" --family dit --type "$2" -o "$folder/out.gguf"
  if [ $took -gt $((2 * copied)) ]; then
    first=$peak
    measured "$build/dit-convert" "$3" --family dit --type "$2" -o "$folder/out.gguf"
    [ "$peak" -gt "$first" ] || peak=$first
  fi
  check "$1 to $2: $(tail -n 1 "$work/log")" [ $status = 0 ]
  echo "  note: $1 to $2: $peak MB of anonymous memory, $took ms; copying $copied ms"
  check "$1 to $2: seen with 1 to $limit MB, $peak" [ "$peak" -ge 1 -a "$peak" -le $limit ]
  check "$1 to $2: $took ms, copying $copied" [ $took -le $((2 * copied)) ]
}

same() { "$build/dit-convert" --quiet --check "$1" "$2" && cmp "$1" "$2"; }

measured "$build/dit-convert" --synthetic "$spec" --type f32 -o "$folder/f32.gguf"
check "synthetic weights to f32: $peak MB" [ $status = 0 -a "$peak" -le $limit ]
check "synthetic weights to f16" "$build/dit-convert" --quiet --synthetic "$spec" --type f16 -o "$folder/f16.gguf"
start=$(now)
cp "$folder/f32.gguf" "$folder/copy"
copied=$(($(now) - start))
rm "$folder/copy"
for format in zip legacy safetensors shards diffusers; do
  input=$folder/model
  check "$format: a checkpoint can be made" "$python" tests/make_checkpoint.py "$folder/f32.gguf" $format "$input"
  [ $format != shards ] || input=$folder/model/model.safetensors.index.json
  convert $format f16 "$input"
  check "$format: the file that the rule gives" same "$folder/out.gguf" "$folder/f16.gguf"
  if [ $format = zip ]; then
    for type in bf16 q8 f32; do convert $format $type "$input"; done
    check "as f32, the file that the rule gives" same "$folder/out.gguf" "$folder/f32.gguf"
  fi
  rm -rf "$folder/model"
done
convert "a model file" q8 "$folder/f32.gguf"
finish convert-large
