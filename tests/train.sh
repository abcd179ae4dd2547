#!/bin/bash
# The road of docs/train-your-own.md, command by command, with few steps: from an emoji font to pictures in a C program.
# Needs Debian's python3-torch, python3-pil and fonts-noto-color-emoji, and the built programs. Fails if a command on
# that page does not run, if nothing is learned, if --resume does not go on, or if a picture that cannot be used passes.
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh
root=$PWD
if ! /usr/bin/python3 -c 'import torch, PIL; print(open("/proc/self/maps").read())' >"$work/maps" ||
  [ ! -e /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf ]; then
  skip "python3-torch, python3-pil or fonts-noto-color-emoji is not there"
  finish train
fi
if grep -q openblas-serial "$work/maps"; then
  echo "  note: one thread, for several make libopenblas0-serial multiply wrongly (libopenblas0-pthread knows better)"
  one_thread='s/train.py [a-z]+/& --threads 1/'
fi
mkdir "$work/road" && cd "$work/road" || exit 1
ln -s "$root/weights" "$root/dit.h" .
ln -s "$build" build
export PATH=/usr/bin:$PATH OMP_WAIT_POLICY=passive PYTHONDONTWRITEBYTECODE=1

# The commands of the page, one a line; the trainings shorter and smaller.
awk '/^```/ { on = $0 == "```sh"; next } on' "$root/docs/train-your-own.md" | sed -z 's/\\\n//g' |
  sed -E '/train.py vae/s/--steps [0-9]+/--steps 200 --every 100 --blocks 16,16,32/
    /train.py dit/s/--steps 8[0-9]+/--steps 160 --every 80 --hidden 96 --depth 3/
    /train.py dit/s/--steps 3[0-9]+/--steps 200 --every 80 --hidden 96 --depth 3/'"
    ${one_thread:-}" >commands
check "the page has eight commands" [ "$(wc -l <commands)" = 8 ]
n=0
while read -r line; do
  n=$((n + 1))
  check "$line" bash -c "$line" >log$n 2>&1
  tail -n 3 log$n
done <commands

# What has been learned: the autoencoder beats grey, the transformer beats predicting nothing (an error of 1).
decibels=$(sed -n 's/^vae 200: held-out \([0-9]*\).*/\1/p' log2)
check "the autoencoder: ${decibels:-no} dB" [ "${decibels:-0}" -ge 12 ]
error=$(sed -n 's/^dit 100.*mse 0\.\([0-9]\).*/\1/p' log3)
check "the transformer's error after 100 steps: 0.${error:-9}" [ "${error:-9}" -lt 9 ]
check "--resume goes on at step 160" [ "$(grep -c '^dit' log4)" = 1 ]
check "the losses are plotted" pngcheck -q work/vae_loss.png work/dit_loss.png
check "pictures to look at" pngcheck -q work/vae.png work/dit.png work/nearest.png work/settings.png emoji.png
check "a table of two settings" [ "$(grep -c '^| D[DP].* [12]0 |' log8)" = 2 ]
cp emoji.png "$root/build/emoji.png"

awk '/^```/ { on = $0 == "```c"; next } on' "$root/docs/train-your-own.md" >moon.c
check "the C program builds" gcc -O2 -Wall -Wextra -Werror -I. moon.c build/libdit.a -lm -o moon
./moon >moon.rgba
check "and makes a picture" [ "$(wc -c <moon.rgba)" = 4096 ]

# The paper's other blocks, on the latents of the model that was just made.
folders=
for block in adaln_zero adaln in_context cross_attention; do
  check "training with $block" python3 weights/train/train.py dit --work "$block" --vae emoji.gguf --images emoji --flip \
    --block "$block" --steps 50 --warm-up 10 --batch 32 --hidden 96 --depth 3 --threads 1 >$block.log 2>&1
  check "something is learned with $block" grep -q 'held out: 0\.[0-8]' $block.log
  check "export of $block" python3 weights/train/train.py export --work "$block" --out "$block.out" >>$block.log 2>&1
  check "conversion of $block" build/dit-convert "$block.out/dit.pt" "$block.out/vae" --family dit --heads 3 --guidance-channels all --type f16 -o "$block.out.gguf" >>$block.log 2>&1
  folders="$folders $block.out"
done
# shellcheck disable=SC2086
check "the four blocks agree with the golden vectors, and libdit with PyTorch" python3 "$root/tests/train_blocks.py" $folders

# Flow matching and MeanFlow, as far as PyTorch goes.
for objective in flow meanflow; do
  check "training with --objective $objective" python3 weights/train/train.py dit --work $objective --vae emoji.gguf \
    --images emoji --flip --objective $objective --look-steps 4 --steps 50 --warm-up 10 --batch 32 --hidden 96 --depth 3 \
    --threads 1 >$objective.log 2>&1
  check "something is learned with $objective: the error falls from 2.5, the velocity's variance" \
    awk '/held out/ && $3 < 2.3 { ok = 1 } END { exit !ok }' $objective.log
done

# What cannot be used is named.
refused() { # refused WORDS ARGUMENT...
  words=$1
  shift
  ! python3 weights/train/train.py ${command:-vae} --work other --steps 1 "$@" >out 2>&1 && tail -n 1 out | grep -q "$words" && ! grep -q Traceback out
}
cp -r emoji bad
echo no picture >bad/moon/zero.png
check "a file that is no picture" refused 'zero.png: cannot be used' --images bad
python3 -c 'from PIL import Image; Image.new("RGBA", (200, 10)).save("bad/moon/zero.png")'
check "a picture that is too large" refused 'zero.png: cannot be used: 200 x 10' --images bad
rm bad/moon/zero.png
check "pictures that do not fit" refused 'does not fit into 32 x 32' --images bad --size 32 --fit pad
mkdir bad/zero
check "a class without pictures" refused 'zero: 0 PNG files' --images bad
check "no classes" refused 'no sub-folders' --images bad/moon
check "a size that cannot be halved" refused 'cannot be halved' --images emoji --size 30 --blocks 16,16,16
rm -rf other bad/zero bad/moon/zero.png
command=dit
python3 weights/train/train.py vae --images emoji --work other --steps 1 --blocks 16,16 >out 2>&1
check "an autoencoder of one's own is not overwritten" refused 'was trained here' --vae emoji.gguf
rm other/vae.pt
build/dit-convert adaln.out/dit.pt --family dit --heads 3 --guidance-channels all -o bare.gguf >out 2>&1
check "a model file without autoencoder" refused 'there is no autoencoder in it' --vae bare.gguf
check "latents that cannot be cut into patches" refused 'cannot be cut into patches' --vae emoji.gguf --patch 3
cd "$root" || exit 1
finish train
