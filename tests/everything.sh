#!/bin/sh
# Everything at once, in the sizes that people use: DiT-XL/2 for 256 and 512 pixels with the autoencoder of Stable
# Diffusion (synthetic weights), from a .pt file and from a pipeline folder, to a model file and to a PNG, by the command
# line alone. One of the longer checks (.ci/run); 9 GB in $DIT_TMP or /tmp, some minutes.
#   tests/everything.sh
# Fails if a step fails, if file and folder make different models, or if a picture is not what it should be. Prints time
# and peak memory.
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh
python=$(PATH=/usr/bin:$PATH command -v python3) || { skip "no python3 to make checkpoints with"; finish everything; }
folder=$(mktemp -d "${DIT_TMP:-/tmp}/dit-everything-XXXXXX") || exit 1
trap 'rm -rf "$work" "$folder"' EXIT
vae=$folder/pipe/vae

# measured WHAT COMMAND...: runs it and prints its time, the most memory it held, and how much of that was not mapped.
measured() {
  what=$1 peak=0 anonymous=0 start=$(date +%s%3N)
  shift
  "$@" >"$work/log" 2>&1 &
  pid=$!
  while kill -0 $pid 2>/dev/null; do
    seen=$(awk '/^VmHWM/ { most = $2 } /^RssAnon/ { print int(most / 1024), int($2 / 1024) }' /proc/$pid/status 2>/dev/null)
    [ "${seen% *}" -le "$peak" ] 2>/dev/null || peak=${seen% *}
    [ "${seen#* }" -le "$anonymous" ] 2>/dev/null || anonymous=${seen#* }
    sleep 0.1
  done
  wait $pid
  status=$?
  took=$(($(date +%s%3N) - start))
  echo "  note: $what: $((took / 1000)).$((took / 100 % 10)) s, ${peak:-?} MB, $anonymous MB of them its own"
  check "$what: $(tail -n 1 "$work/log")" [ $status = 0 ]
}

make() { check "$1" "$python" tests/make_checkpoint.py "$2" "$3" "$4"; }
synthetic() { check "synthetic $1" "$build/dit-convert" --quiet --synthetic "$1" --type f32 -o "$folder/f32.gguf"; }

# picture PIXELS MODEL STEPS WHAT: makes one and looks at it.
picture() {
  measured "$4: $3 steps at $1 pixels" "$build/dit" -q -m "$2" -c "golden retriever" --steps "$3" -o "$folder/out.png"
  check "$4: a picture of $1 pixels" "$python" - "$folder/out.png" "$1" <<'PYTHON'
import sys, zlib
data, side, at, packed = open(sys.argv[1], "rb").read(), int(sys.argv[2]), 8, b""
size = [int.from_bytes(data[n:n + 4], "big") for n in (16, 20)]
while at < len(data):
    length = int.from_bytes(data[at:at + 4], "big")
    packed += data[at + 8:at + 8 + length] if data[at + 4:at + 8] == b"IDAT" else b""
    at += 12 + length
raw = zlib.decompress(packed)
sys.exit(size != [side, side] or len(raw) != side * (3 * side + 1) or len(set(raw)) < 100)
PYTHON
  rm -f "$folder/out.png"
}

mkdir -p "$vae" "$folder/pipe/scheduler"
cp tests/scheduler_config.json "$folder/pipe/scheduler/"
echo '{"_class_name": "DiTPipeline"}' >"$folder/pipe/model_index.json"
echo '{"_class_name": "AutoencoderKL", "norm_num_groups": 32, "scaling_factor": 0.18215}' >"$vae/config.json"
synthetic vae
make "the autoencoder's folder" "$folder/f32.gguf" safetensors "$vae/diffusion_pytorch_model.safetensors"
for size in 256 512; do
  steps=$((1024 / size))
  synthetic XL/2:$size
  rm -rf "$folder/pipe/transformer"
  make "a transformer's folder for $size pixels" "$folder/f32.gguf" diffusers "$folder/pipe/transformer"
  make "a .pt file for $size pixels" "$folder/f32.gguf" zip "$folder/model.pt"
  rm "$folder/f32.gguf"
  measured "XL/2 for $size pixels from .pt to q8" "$build/dit-convert" "$folder/model.pt" "$vae" --family dit --type q8 -o "$folder/q8.gguf"
  picture $size "$folder/q8.gguf" $steps q8
  rm "$folder/q8.gguf"
  measured "XL/2 for $size pixels from .pt to f16" "$build/dit-convert" "$folder/model.pt" "$vae" --family dit --guidance-channels all \
    --scheduler tests/scheduler_config.json -o "$folder/pt.gguf"
  rm "$folder/model.pt"
  measured "XL/2 for $size pixels from a folder to f16" "$build/dit-convert" "$folder/pipe" -o "$folder/f16.gguf"
  check "file and folder make the same model of $size pixels" cmp "$folder/pt.gguf" "$folder/f16.gguf"
  rm "$folder/pt.gguf"
  picture $size "$folder/f16.gguf" $steps f16
  rm "$folder/f16.gguf"
done
finish everything
