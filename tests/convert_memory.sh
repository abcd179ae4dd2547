#!/bin/sh
# How much memory dit-convert takes for a checkpoint of 2.7 GB, and whether it arrives whole. One of the longer checks
# (.ci/run); 6 GB in $DIT_TMP or /tmp, about a minute.
#   tests/convert_memory.sh [SPECIFICATION]     another synthetic model than XL/2:256
# Fails if dit-convert needs more than 200 MB of anonymous memory, or if the model made of the checkpoint is not the one
# made of the synthetic weights directly.
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh
spec=${1:-XL/2:256} limit=200
python=$(PATH=/usr/bin:$PATH command -v python3) || { skip "no python3 to make a checkpoint with"; finish convert-memory; }
folder=$(mktemp -d "${DIT_TMP:-/tmp}/dit-memory-XXXXXX") || exit 1
trap 'rm -rf "$work" "$folder"' EXIT

# measured NAME COMMAND...: runs it; $peak is the most anonymous memory it was seen with, MB.
measured() {
  name=$1 peak=0
  shift
  "$@" >"$work/log" 2>&1 &
  pid=$!
  while kill -0 $pid 2>/dev/null; do
    now=$(awk '/^RssAnon/ { print int($2 / 1024) }' /proc/$pid/status 2>/dev/null)
    [ "${now:-0}" -le "$peak" ] || peak=$now
    sleep 0.05
  done
  wait $pid
  status=$?
  check "$name: $(tail -n 1 "$work/log")" [ $status = 0 ]
  echo "  $name: at most $peak MB of anonymous memory"
  check "$name: seen with 1 to $limit MB, $peak" [ "$peak" -ge 1 -a "$peak" -le $limit ]
}

measured "synthetic weights to f32" "$build/dit-convert" --synthetic "$spec" --type f32 -o "$folder/f32.gguf"
check "a checkpoint can be made" "$python" tests/make_pt.py "$folder/f32.gguf" "$folder/model.pt"
rm -f "$folder/f32.gguf"
echo "  the checkpoint has $(($(wc -c <"$folder/model.pt") / 1000000)) MB"
measured "a checkpoint to q8" "$build/dit-convert" "$folder/model.pt" --type q8 -o "$folder/q8.gguf"
rm -f "$folder/q8.gguf"
measured "a checkpoint to f16" "$build/dit-convert" "$folder/model.pt" --type f16 -o "$folder/pt.gguf"
rm -f "$folder/model.pt"
measured "synthetic weights to f16" "$build/dit-convert" --synthetic "$spec" --type f16 -o "$folder/f16.gguf"
check "both ways give the same file" cmp "$folder/pt.gguf" "$folder/f16.gguf"
finish convert-memory
