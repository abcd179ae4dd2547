#!/bin/sh
# Every failure once: dit and dit-convert with each allocation, open, read, map, write, flush, close and rename
# failing once and from then on. A run that fails must say so, leave the old file as it was and nothing behind; one that
# ends with status 0 must have written the right bytes. tests/faults/walk.c says what is checked.
#   tests/test_faults.sh           a sample of the calls
#   tests/test_faults.sh --places  the first from each place of the program
#   tests/test_faults.sh --full    each of them
# The variable FAULTS does the same as the argument.
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh
full=${1:-${FAULTS:-}}
root=$(pwd)
case $build in /*) ;; *) build=$root/$build ;; esac

if [ "$(uname -s)" != Linux ] || ! ${CC:-cc} -shared -fPIC -O1 tests/faults/shim.c -o "$work/shim.so" -ldl 2>/dev/null; then
  skip "faults: needs Linux and a shared library of its own"
  finish faults
fi
check "walk.c compiles" ${CC:-cc} -O1 tests/faults/walk.c -o "$work/walk"

# walk STRIDE OUTPUT COMMAND...: plans a run in a folder of its own, with each STRIDE-th call failing. All of them are
# several runs, so that the longest walk keeps all processors busy.
plans=0
walk() {
  stride=$1 output=$2 first=1
  shift 2
  case $full in --full) stride=8 ;; --places) stride=0 ;; esac
  while :; do
    plans=$((plans + 1))
    cat >"$work/plan-$plans.sh" <<END
mkdir "$work/folder-$plans" && cd "$work/folder-$plans" &&
  "$work/walk" "$work/shim.so" $first $stride "$output" 20 $* >"$work/plan-$plans.log" 2>&1
rm -rf "$work/folder-$plans"
END
    first=$((first + 1))
    [ "$full" = --full ] && [ $first -le $stride ] || break
  done
}

# run_plans: side by side, and counts what they found.
run_plans() {
  ls "$work"/plan-*.sh | xargs -n 1 -P "$(getconf _NPROCESSORS_ONLN)" sh
  for log in "$work"/plan-*.log; do
    grep FAILED "$log"
    line=$(tail -n 1 "$log")
    case $line in
      *passed*)
        line=${line#*: }
        passed=$((passed + ${line%% *}))
        line=${line#*passed, }
        failed=$((failed + ${line%% *}))
        ;;
      *) check "$(tail -n 2 "${log%.log}.sh" | head -n 1): walks: $line" false ;;
    esac
  done
}

dit="$build/dit -q --threads 2"
walk 67 a.png $dit -c potion -s 1 -o a.png
[ "$full" = --places ] || walk 97 a.png $dit -c potion,sword -n 2 -s 1 --scale 2 -o a.png # it has the same places
$dit -c potion -s 1 -o "$work/start.png"
walk 97 a.png $dit -c sword -s 2 -i "$work/start.png" --strength 0.5 -o a.png
walk 97 a.png $dit --again "$work/start.png" -o a.png

convert="$build/dit-convert --quiet"
small=dit:hidden=16,depth=1,heads=2,patch=2,latent=4,in=4,classes=3,sigma=1
vae=vae:blocks=8+8,layers=1,groups=4,in=3,out=3,latent=4
$convert --synthetic $small --synthetic $vae -o "$work/small.gguf"
walk 61 a.gguf $convert --synthetic $small --synthetic $vae -o a.gguf
walk 61 a.gguf $convert --type q4 "$work/small.gguf" -o a.gguf
walk 61 a.gguf $convert --fit-preview "$work/small.gguf" -o a.gguf
walk 97 a.gguf $convert --check "$work/small.gguf" "$work/small.gguf"
if [ -n "$full" ]; then
  walk 97 0.png $dit -m "$work/small.gguf" -c 0 --reference -s 2 --mix 1:0.5 -o '%c.png'
  mkdir -p "$work/pipe/transformer"
  cp -r tests/golden/checkpoints/vae_f16 "$work/pipe/vae"
  cp tests/golden/checkpoints/dit_diffusers_f16.pt "$work/pipe/transformer/diffusion_pytorch_model.bin"
  echo '{"num_attention_heads": 2, "sample_size": 4, "num_embeds_ada_norm": 3}' >"$work/pipe/transformer/config.json"
  echo '{"_class_name": "DiTPipeline", "id2label": {"0": "a", "2": "c"}}' >"$work/pipe/model_index.json"
  walk 97 a.gguf $convert "$work/pipe" -o a.gguf
fi
hints="--family dit --heads 2 --groups 4 --latent 4"
for checkpoint in tests/golden/checkpoints/*[!d]; do # but README.md
  [ -n "$full" ] || case $checkpoint in */dit_train*|*/vae_f16|*/vae_sd*) ;; *) continue ;; esac
  walk 61 a.gguf $convert $hints "$root/$checkpoint" -o a.gguf
done
run_plans
finish faults
