#!/bin/sh
# The program dit: every option, every kind of error, what is written and what is not.
# Fails if a wrong command line is not refused with status 2 and a sentence on the error stream, if an option has no
# effect or the wrong one, if a PNG is not what another decoder expects or has other pixels than the library made, if
# --again makes another picture or believes a text it should not, if a failure or a signal leaves a file behind, or if
# the README or the man page does not know an option.
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh
root=$PWD
dit=$build/dit
cd "$work" || exit 1

# run STATUS ARGUMENT...: runs dit, checks the exit status; output is left in "out" and "err".
run() {
  expected=$1
  shift
  "$dit" "$@" >out 2>err
  status=$?
  check "dit $*: status $expected, not $status: $(head -n 1 err)" [ "$status" = "$expected" ]
}

nothing_written() { [ -z "$(ls -A | grep -v -e '^out$' -e '^err$')" ]; }

# refused STATUS PATTERN ARGUMENT...: fails with a sentence that has the pattern, and writes nothing.
refused() {
  expected=$1 pattern=$2
  shift 2
  run "$expected" "$@"
  check "dit $*: says '$pattern', not: $(cat err)" has "$pattern" err
  check "dit $*: the message begins with dit:" has '^dit: ' err
  check "dit $*: nothing on the standard output" [ ! -s out ]
  check "dit $*: nothing written" nothing_written
}

# ---- Command lines that are refused ----

refused 2 '1 to 1000' -s 0
refused 2 '1 to 1000' -s 1001
refused 2 '1 to 1000' -s 5x
refused 2 '1 to 1000' -s ' 5'
refused 2 '1 to 1000' -s +5
refused 2 '1 to 1000' --steps=
refused 2 '1 to 1000' --steps -5
refused 2 'integer' -n 99999999999999999999
refused 2 'integer' -n 0
refused 2 'integer' -S -1
refused 2 '18446744073709551615' -S 18446744073709551616
refused 2 'number from' -g nan
refused 2 'number from' -g inf
refused 2 'number from' -g 0x2
refused 2 'number from' -g 0
refused 2 'number from' -g ''
refused 2 'number from' -g 1.5.2
refused 2 '0 to 1' --eta 1.5
refused 2 '0 to 1' --eta -1
refused 2 'integer' --guidance-channels none
refused 2 'integer' --scale 0
refused 2 'integer' --scale 65
refused 2 'integer' --threads 0
refused 2 'integer' --memory-limit 0
refused 1 'this job needs at least' --memory-limit 1 -c all
refused 2 'integer' --width 0
refused 2 'integer' --height 1e3
refused 2 'ddpm, ddim or dpm++' --sampler euler
refused 2 'trailing or linspace' --timestep-spacing karras
refused 2 'avx512vnni or neondot' --isa mmx
refused 2 'did you mean --threads' --treads 2
refused 2 'ambiguous between --guidance-scale, --guidance-channels' --guid 2
refused 2 '1 to 1024' --thre 0 # an abbreviation
refused 2 'did you mean --guidance-scale' --guidence-scale 2
refused 2 'no such option' -Z
refused 2 'no such option' --frobnicate
refused 2 'value is missing' -s
refused 2 'value is missing' --seed
refused 2 'takes no value' --list=3
refused 2 'not an option' potion
refused 2 'not an option' --
refused 2 'did you mean potion' -c potin
refused 2 'did you mean sword' -c swrod
refused 2 'did you mean mushroom' -c mush
refused 2 'did you mean shield or' -c 'shild,x' # the first mistake is reported
refused 2 'no such class' -c xylophone
refused 2 '0 to 15' -c 16
refused 2 '0 to 15' -c 99999999999999999999
refused 2 'missing' -c potion,
refused 2 'missing' -c ''
refused 2 'too many' -c all -n 65536 -o '%i.png'
refused 2 'too large' -c all -n 4000 --scale 64
refused 2 'after %' -o '%d.png'
refused 2 'after %' -o 'x%'
refused 2 'several pictures' -c potion -n 2 -o '%c.png'
refused 2 'several pictures' -c potion,potion -o '%c-%s.png'
refused 2 'several pictures' -c potion,sword -o '%s.png'
refused 2 'width' --width 33
refused 2 'height' --height 33

refused 2 'a class and a number' --mix 0.5
refused 2 'a class and a number' --mix :0.5
refused 2 '0 to 1' --mix sword:2
refused 2 '0 to 1' --mix sword:
refused 2 'did you mean sword' --mix swrod:0.5
refused 2 'must name a class' --mix none:0.5
refused 2 'number from 0.001' -i x.png --strength 0
refused 2 'requires an init image' --strength 0.5
refused 2 'requires an init image' --mask x.png
refused 2 'must not be greater' --guidance-start 0.6 --guidance-end 0.4
refused 2 '0 to 1' --guidance-start -1
refused 2 'f32, int8 or bf16' --compute f16
refused 2 'would write to the standard output' --json -o -
refused 2 'from the PNG' --again x.png -s 5
refused 2 'from the PNG' --again x.png --compute f32
refused 2 'a single file' --again x.png -o '%i.png'
refused 2 'cannot be used with --steps' --fast -s 10
refused 2 'from the PNG' --again x.png --fast
refused 2 'the topics are' --help=me
refused 1 'absent.png' --again absent.png
refused 1 'absent.png' -i absent.png
refused 1 'not a PNG' -i "$root/README.md"
refused 1 'not a PNG' --again "$root/README.md"
refused 1 'no record' --again "$root/weights/sprites/losses.png"

# ---- What cannot be read or written ----

refused 1 'absent.gguf' -m absent.gguf
refused 1 'absent/picture.png' -c potion -s 1 -o absent/picture.png
refused 1 'directory' -c potion -s 1 -o .
refused 1 '/dev/full' -c potion -s 1 -o /dev/full
refused 1 'absent/0.png' -c potion -s 1 -o 'absent/%i.png'
echo "not a model" >broken.gguf
run 1 -m broken.gguf -s 1
check "broken.gguf: the message names it" has broken.gguf err
check "broken.gguf: no picture" absent dit.png
run 1 -c potion -s 1 -o broken.gguf/picture.png
rm broken.gguf
"$dit" --help >/dev/full 2>err
check "--help to a full device: status 1" [ $? = 1 ]
"$dit" -c potion -s 1 -o - >/dev/full 2>err
check "-o - to a full device: status 1" [ $? = 1 ]
# Signals about the size limit ignored, writing ends with an error. The counters of gcov, if there are any, must not be
# cut off as well: they go to a folder that nobody reads.
counters=$(mktemp -d)
for output in dit.png '%c.png'; do
  (trap '' XFSZ; ulimit -f 1; GCOV_PREFIX=$counters "$dit" -c potion -s 1 --scale 8 -o "$output" >out 2>err)
  check "a picture over the limit of file sizes, -o $output: status 1" [ $? = 1 ]
  check "a picture over the limit of file sizes, -o $output: nothing is left" nothing_written
done
case $(uname -m) in
  x86_64) refused 1 '--isa neon' --isa neon ;;
  *) refused 1 '--isa avx2' --isa avx2 ;;
esac

# ---- What is told ----

run 0 --help=all
check "--help=all: on the standard output" has '^usage: dit' out
check "--help: nothing on the error stream" [ ! -s err ]
for name in $(sed -n 's/^  .*\(--[a-z][a-z-]*\).*/\1/p' out); do
  check "README.md has the option $name" has "$name" "$root/README.md"
done
for name in $(grep -o '^| `[^|]*' "$root/README.md" | grep -o -e '--[a-z-]*'); do
  check "--help has the README's option $name" has "$name" out
done
for name in $(sed -n 's/^  .*--\([a-z][a-z-]*\).*/\1/p' out); do
  check "docs/dit.1 has the option --$name" grep -q -e "Fl -$name" "$root/docs/dit.1"
done
for topic in '' =basics =sampling =editing =running; do
  run 0 --help$topic
  check "--help$topic fits a screen" [ "$(wc -l <out)" -le 24 ]
  check "--help$topic fits 80 columns" sh -c '! grep -q "^.\{81\}" out'
done
run 0 -h
run 0 --version
check "--version: $(cat out)" has '^dit [0-9]*\.[0-9]*\.[0-9]*, numerics [0-9]' out
run 0 --list
check "--list: 16 classes" [ "$(wc -l <out)" -eq 16 ]
check "--list: the labels in order" [ "$(sed 's/^ *[0-9]*  //' out | tr '\n' ,)" = "$(tr '\n' , <"$root/weights/sprites/labels.txt")" ]
run 0 --info
for word in 'classes  *16,' 'recommended  *dpm++, timesteps linspace, 10 steps, guidance 1.25 ' '32 x 32, RGBA' 'licence  *CC0' 'hidden size 192, depth 7, heads 3'; do
  check "--info: $word" has "$word" out
done
cp out info
run 0 -m "$root/weights/sprites/sprites.gguf" --info
check "--info: the embedded model is weights/sprites/sprites.gguf" cmp -s out info
rm info
check "telling things writes no file" nothing_written

# ---- Pictures ----

run 0 -c potion -s 2
check "the default output is dit.png" [ -s dit.png ]
check "the result is told" has '^dit.png: 1 picture, 32 x 32 pixels' err
mv dit.png base.png
same() { # same ARGUMENT...: the picture is base.png to the byte
  run 0 -s 2 -o other.png "$@"
  check "dit $*: the same file" cmp -s base.png other.png
}
other() { # other ARGUMENT...: the picture is not base.png
  run 0 -c potion -s 2 -o other.png "$@"
  check "dit $*: another file" differ base.png other.png
}
same -c 0
same -c ' Potion '
same -cpotion
same --classes=potion -n1
same -c potion -S 0 --scale 1 --threads 1
same -c potion --isa scalar
same -c potion --sampler dpm++ -g 1.25 --guidance-channels all --width 32 --height 32
same -c potion -s 7 --step 2 # the last one counts; names may be abbreviated
other -c sword
other -c none
other -S 1
other -s 3
other --sampler ddpm
other --sampler ddim
other --timestep-spacing leading
other --generator torch
other --generator philox
other --reference
other --diffusers
other --sampler ddim --eta 1
other -g 3
other -g 1
other --guidance-channels 3
other --width 64
other --scale 2
other --mix sword:0.5
other --guidance-end 0.5
other --guidance-start 0.5
same -c potion --guidance-start 0 --guidance-end 1 --compute int8
other --compute f32
run 0 -q -c potion -s 2 -o other.png
check "--quiet: silent" [ ! -s err ]
run 0 -c potion -s 2 -o -
check "-o -: the same bytes on the standard output" cmp -s out base.png
ln -s base.png link.png
cp base.png kept.png
run 0 -c sword -s 2 -o link.png
check "a link stays a link" [ -L link.png ]
check "the file behind the link is written" differ base.png kept.png
mv kept.png base.png
run 0 -c potion -s 2 -o /dev/null
check "/dev/null stays a device" [ -c /dev/null ]
for word in Software Model License Class.potion Seed.0 Steps.2 Sampler.dpm.. Guidance.scale.1.25 Guidance.channels.8 Width.32 Height.32 \
  Compute.int8 DIT_NUMERICS.[1-9]; do
  check "the PNG says $word" has "$word" base.png
done
rm -f ./*.png

run 0 -c potion,key -n 2 -S 7 -s 2 -o '%c-%s.png'
run 0 -c potion,key -n 2 -S 7 -s 2 -o 'p%i-100%%.png'
check "%c-%s: names" [ "$(echo [a-z]*-[78].png)" = "key-7.png key-8.png potion-7.png potion-8.png" ]
check "%i and %%: names" [ "$(echo p[0-9]*)" = "p0-100%.png p1-100%.png p2-100%.png p3-100%.png" ]
check "number 2 is key, seed 7" cmp -s p2-100%.png key-7.png
check "the names are told" has '^4 files, p0-100%.png to p3-100%.png' err
check "no parts are left" [ -z "$(ls | grep part)" ]
run 0 -c potion,key -n 2 -S 7 -s 2 --scale 3 -o sheet.png
check "the sheet says its classes" has 'Class.potion, key' sheet.png
check "the sheet says its seeds" has 'Seed.7 to 8' sheet.png

if [ -n "$python" ] && "$python" -c 'import zlib' 2>/dev/null; then
  png() { "$python" "$root/tests/png.py" "$@"; }
  check "another decoder opens the sheet" png sheet.png >sheet.pam
  check "the sheet has 2 x 2 pictures, 3 times enlarged" has '^WIDTH 192$' sheet.pam
  check "the sheet has alpha" has '^DEPTH 4$' sheet.pam
  for cell in potion-7,0,0 potion-8,96,0 key-7,0,96 key-8,96,96; do
    name=${cell%%,*} x=${cell#*,} y=${cell##*,}
    x=${x%,*}
    png "$name.png" >single.pam
    for corner in 0 1 2; do # each pixel is a square of 3 x 3: every third one, from any corner, is the picture
      png sheet.png $((x + corner)) $((y + corner)) $((96 - corner)) $((96 - corner)) 3 >part.pam
      sed -n '/ENDHDR/,$p' part.pam >part.raw
      sed -n '/ENDHDR/,$p' single.pam >single.raw
      check "the sheet has $name at $x $y" cmp -s part.raw single.raw
    done
  done
  run 0 -c potion -S 7 -o seven.png
  png seven.png >seven.pam
  OMP_WAIT_POLICY=passive "$build/minimal" "$root/weights/sprites/sprites.gguf" minimal.pam
  check "examples/minimal.c makes the same pixels" cmp -s seven.pam minimal.pam
  run 0 -c star -S 7 --scale 4 -o star.png
  png star.png >star.pam
  png "$root/docs/sprites.png" 896 1920 128 128 >corner.pam
  check "docs/sprites.png is what make demo makes (its last picture)" cmp -s star.pam corner.pam

  # A PNG of ours with texts that lie; each file's name begins with the status it deserves.
  run 0 -q -c potion -s 1 -o base.png
  mkdir hostile
  clean() { ! LC_ALL=C grep -a -q '[^[:print:]]' "$1"; }
  refusal() { has '^dit: ' err && absent "$1"; } # says why, and there is no such file
  "$python" "$root/tests/png_hostile.py" base.png hostile
  check "there are hostile files" [ "$(ls hostile | wc -l)" -gt 150 ]
  for file in hostile/*; do
    expected=${file#hostile/}
    rm -f new.png
    "$dit" -q --threads 1 --again "$file" -o new.png >out 2>err
    status=$?
    check "$file: status ${expected%%-*}, not $status" [ "$status" = "${expected%%-*}" ]
    [ "$status" = "${expected%%-*}" ] || head -n 1 err
    check "$file: no control characters in the message" clean err
    check "$file: a short message" [ "$(wc -c <err)" -lt 1000 ]
    case $status in
      0) check "$file: the same picture" [ "$(png new.png | cksum)" = "$(png base.png | cksum)" ] ;;
      1 | 2) check "$file: says why, and makes nothing" refusal new.png ;;
    esac
  done
  rm -r hostile
else
  skip "no python3 with zlib: PNGs are not opened by another decoder"
fi
rm -f ./*

# ---- Init images, masks, and the same again ----

# again FILE ARGUMENT...: --again makes the file again, to the byte.
again() {
  file=$1
  shift
  run 0 --again "$file" "$@"
  check "--again $file $*: the same file" cmp -s "$file" again.png
}
run 0 -c potion -S 3 -s 2 -o one.png
again one.png
again one.png --threads 1 --isa scalar -m "$root/weights/sprites/sprites.gguf"
run 0 -c potion,none,sword,sword -n 2 -S 18446744073709551615 -s 2 --scale 3 --sampler ddpm -g 3.3 --guidance-channels all \
  --guidance-start 0.1 --guidance-end 0.7 --mix key:0.3 --width 64 -o sheet.png
again sheet.png
run 0 -c potion,key -n 2 -s 4 --sampler dpm++ --timestep-spacing trailing --generator philox -o solver.png
again solver.png
run 0 -c potion,key -n 3 -s 3 --reference --sampler ddim --eta 0.5 --scale 2 -o reference.png
check "a grid of six, four in a row, with a border of two pixels" has '276 x 140 pixels' err
again reference.png
run 0 -c potion -s 3 --diffusers --sampler ddpm -o diffusers.png
again diffusers.png
run 0 -c key -s 3 --eta 0.123456789 -o eta.png
again eta.png
run 0 -c 1 -s 4 --cache-interval 2 -o reuse.png
check "--cache-interval is told in the PNG" has 'Cache.interval.2' reuse.png
again reuse.png
run 0 -c 1 --fast -o fast.png
check "--fast: dpm++" has 'Sampler.dpm' fast.png
again fast.png
run 0 -c 1 -s 6 --sampler dpm++ --timestep-spacing even --guidance-start 0.4 --guidance-end 0.9 -o kept.png
check "--fast is 6 steps of dpm++, of a model that takes 10" cmp -s fast.png kept.png
run 0 -c 1 --fast --guidance-end 1 -o guided.png
run 0 -c 1 -s 6 --sampler dpm++ --timestep-spacing even --guidance-end 1 -o kept.png
check "--fast leaves guidance where it is asked for" cmp -s guided.png kept.png
check "reals have all their digits" has 'Eta.0\.123456791' eta.png
run 0 -c potion,key -n 2 -s 2 --scale 2 -o '%c-%s.png'
again key-1.png
run 0 -c sword -i one.png -s 4 --strength 0.5 -o edited.png
check "an init image has an effect" differ one.png edited.png
again edited.png -i one.png
"$build/dit-convert" --synthetic dit:hidden=64,depth=2,heads=2,patch=2,latent=8,in=4,classes=9,sigma=1 \
  --synthetic vae:blocks=32+64,layers=1,groups=8,in=3,out=3,latent=4 --type q8 -o q8.gguf >out 2>&1 # 16 x 16, RGB
run 0 -m q8.gguf -c 3,none -n 2 -s 2 -o int8.png
check "q8 weights: int8 is the default" has 'Compute.int8' int8.png
again int8.png -m q8.gguf
run 0 -m q8.gguf -c 3,none -n 2 -s 2 --compute f32 -o f32.png
check "--compute f32: another picture" differ int8.png f32.png
again f32.png -m q8.gguf
# A terminal obeys C1 control characters (U+009B begins a sequence), and bidi overrides turn text around.
printf 'a\302\233b\nc\342\200\256d\ne\nf\ng\nh\ni\nj\nk\n' >labels.txt
"$build/dit-convert" --quiet q8.gguf --labels labels.txt --name "$(printf 'x\302\2339y')" -o hostile.gguf >out 2>&1
run 0 --list -m hostile.gguf
check "--list: no control characters" sh -c "LC_ALL=C grep -a -q '0  a?b\$' out && LC_ALL=C grep -a -q '1  c?d\$' out"
run 0 --info -m hostile.gguf
check "--info: no control characters" sh -c "LC_ALL=C grep -a -q 'x?9y' out"
run 0 -m hostile.gguf -c 0 -s 1 --width 16 --height 16 -o '%c.png'
check "a file named by a label has no control characters" [ -s a-b.png ]

"$build/dit-convert" q8.gguf --type f16 -o f16.gguf >out 2>&1
run 1 -m f16.gguf -c 3 -s 2 --compute int8 -o none.png
check "--compute int8 of f16 weights: refused" has 'int8' err
run 0 -m q8.gguf -c 3 -i one.png --width 32 --height 32 --strength 0.4 -s 4 -o rgb.png
again rgb.png -m q8.gguf -i one.png
again edited.png -i one.png
cp again.png kept.png
refused_here() { # refused_here STATUS PATTERN ARGUMENT...
  expected=$1 pattern=$2
  shift 2
  run "$expected" "$@"
  check "dit $*: says '$pattern', not: $(cat err)" has "$pattern" err
  check "dit $*: nothing is written" cmp -s again.png kept.png
}
refused_here 2 'give it with -i' --again edited.png
refused_here 3 'another init image' --again edited.png -i edited.png
refused_here 2 'without an init image' --again one.png -i one.png
refused_here 2 'without a mask' --again edited.png -i one.png --mask one.png
printf foobar >small.gguf # a test vector of FNV-1a's authors
refused_here 3 'fnv1a64:85944171f73967e8' --again one.png -m small.gguf
refused_here 2 'make have 32 x 32' -i sheet.png -o again.png
if [ -n "$python" ] && "$python" -c 'import zlib' 2>/dev/null; then
  "$python" - <<'END'
import struct, zlib
def png(name, kind, rows):
    def chunk(k, b): return struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b))
    head = struct.pack(">IIBBBBB", 32, 32, 8, kind, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    open(name, "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b""))
png("mask.png", 0, [bytes(255 if x >= 16 else 0 for x in range(32)) for y in range(32)])
png("alpha.png", 6, [b"".join(bytes([255, 255, 255, 255 if x >= 16 else 0]) for x in range(32)) for y in range(32)])
png("rgb.png", 2, [b"".join(bytes([x * 8, y * 8, 99]) for x in range(32)) for y in range(32)])
END
  run 0 -c sword -i one.png --mask mask.png -s 3 -o masked.png
  "$python" "$root/tests/png.py" one.png 0 0 16 32 >old.pam
  "$python" "$root/tests/png.py" masked.png 0 0 16 32 >new.pam
  check "what the mask keeps comes back" cmp -s old.pam new.pam
  check "what it does not is new" differ one.png masked.png
  again masked.png -i one.png --mask mask.png
  again masked.png -i one.png --mask alpha.png
  cp again.png kept.png
  refused_here 2 'give it with --mask' --again masked.png -i one.png
  refused_here 3 'another mask' --again masked.png -i one.png --mask rgb.png
  run 0 -c sword -i rgb.png --mask mask.png -s 3 -o masked.png
  "$python" "$root/tests/png.py" masked.png 5 7 1 1 | tail -c 4 | od -An -tu1 | tr -s ' ' >pixel
  check "RGB becomes opaque RGBA: $(cat pixel)" [ "$(cat pixel)" = " 40 56 99 255" ]

  # ---- For programs ----
  run 0 -c potion,key -n 2 -s 2 --json --profile -o sheet.png
  check "--json: one object with its keys" "$python" - <<'END'
import json
o = json.load(open("out"))
assert set(o) >= {"dit", "numerics", "model", "parameters", "files", "seconds", "memory", "profile"}, o
assert o["files"] == ["sheet.png"] and o["parameters"]["steps"] == 2 and o["parameters"]["columns"] == 2, o
assert [r["label"] for r in o["parameters"]["rows"]] == ["potion", "key"], o
assert o["seconds"]["make"] > 0 and o["memory"]["job"] > 0 and sum(r["gflop"] for r in o["profile"]) > 0.1, o
END
  run 0 -c potion -n 2 -s 1 --json -q -o '%s.png'
  check "--json: a file for each" "$python" -c 'import json; assert json.load(open("out"))["files"] == ["0.png", "1.png"]'
  check "--json -q: silent otherwise" [ ! -s err ]
  run 0 --memory --json
  check "--memory --json" "$python" -c 'import json; o = json.load(open("out")); assert o["memory"]["job"] > 0 and not o["files"]'
  run 0 --info --json
  check "--info --json" "$python" -c 'import json; o = json.load(open("out")); assert o["model"]["name"] and len(o["classes"]) == 16'
  run 2 --json -c nobody
  check "--json: nothing on the standard output after a mistake" [ ! -s out ]
else
  skip "no python3 with zlib: masks and JSON are not tested"
fi
run 0 --memory -c all
check "--memory tells the job's bytes" has '^job  *[0-9]* bytes' out
run 0 --memory --memory-limit 2 -c all
check "--memory-limit is kept to" has '^job  *1[0-9]* bytes, [12].. MB' out
run 0 -q -s 1 -c all -o plenty.png
run 0 -q -s 1 -c all -o little.png --memory-limit 2
check "--memory-limit: the same file" cmp -s plenty.png little.png
run 0 -c potion -s 1 --profile
check "--profile: a table" has '^gemm  *[0-9.]*  *[0-9.]* %  *[0-9.]*$' err
run 0 -q -c potion -s 1 --show -o shown.png
check "--show: half blocks where there is no terminal" has "$(printf '\342\226\200')" out
check "--show: 16 lines" [ "$(wc -l <out)" -eq 16 ]
COLUMNS=10 "$dit" -q -c potion -s 1 --show -o shown.png >narrow
check "--show: 10 columns, 4 pixels in one" [ "$(wc -l <narrow)" -eq 4 ]
run 0 -q -c potion -s 1 --preview --json -o shown.png
check "--preview: silent where there is no terminal" [ ! -s err ]
rm -f ./*

# ---- Other models ----

convert() { "$build/dit-convert" --quiet "$@" >out 2>&1 || cat out; }
tiny=dit:hidden=16,depth=1,heads=2,patch=2,latent=4,in=4,classes
decoder=vae:blocks=8+8,layers=1,groups=4,in=3,out=3,latent=4 # 8 x 8 pixels
convert --synthetic $tiny=3,sigma=0 -o dit.gguf
convert --synthetic $decoder -o vae.gguf
convert --synthetic $tiny=3,sigma=0 --synthetic $decoder --no-null-class -o plain.gguf
convert --synthetic $tiny=1000,sigma=1 --synthetic $decoder --guidance-channels 2 -o thousand.gguf
refused_model() { # refused_model STATUS PATTERN ARGUMENT...
  expected=$1 pattern=$2
  shift 2
  run "$expected" -o never.png "$@" # a second -o counts
  check "dit $*: says '$pattern', not: $(cat err)" has "$pattern" err
  check "dit $*: no picture" absent never.png
  rm -f never.png
}
refused_model 1 'dit.gguf: the model has no autoencoder' -m dit.gguf -c 0
refused_model 1 'vae.gguf: the model has no transformer' -m vae.gguf -c 0
run 0 --info -m dit.gguf
check "--info: no autoencoder, and no licence" sh -c "grep -q '^autoencoder  *none' out && grep -q '^licence  *not stated' out"
run 0 --info -m vae.gguf
check "--info: an autoencoder alone" sh -c "grep -q '^autoencoder  *decoder and encoder' out && ! grep -q '^transformer' out"
run 0 --info -m plain.gguf
check "--info: fixed variance, no null class" sh -c "grep -q 'fixed variance' out && grep -q '4, 0 with a name, no null class' out"
run 0 --info -m thousand.gguf
check "--info: the channels that guidance has" has 'guidance .* on the first 2 channels' out
run 0 --list -m plain.gguf
check "--list: numbers without names" [ "$(tr -d ' \n' <out)" = 0123 ]
refused_model 2 'have no names; give their numbers' -m plain.gguf -c potion
refused_model 2 'has classes 0 to 3' -m plain.gguf -c 4
refused_model 2 'has 1000 classes; choose some' -m thousand.gguf
refused_model 2 'is longer than the name of any class' -c "$(printf '%0300d' 0)x"
refused_model 2 'did you mean' -c 'PO-TI on_s'
refused_model 2 'no such class; dit --list' -c z
refused_model 2 'did you mean sword' -c swor
refused_model 2 'pictures are too many' -c all -n 60000
refused_model 2 'pictures are too many' --reference -c all -n 60000
refused_model 2 'the name is too long' -c potion -o "%i$(printf '%05000d' 0)"
refused_model 2 'after % must come' -c potion -o 'a%'
refused_model 2 'must be even or ddim with --reference' --reference --timestep-spacing leading
refused_model 2 'must be ddpm or ddim with --reference' --reference --sampler dpm++
refused_model 2 'must be leading, trailing or linspace with --diffusers' --diffusers --timestep-spacing even
refused_model 1 'this would take .* GB of memory' -m plain.gguf --width 2048 --height 2048 -c 0 -n 60000 -o '%i.png'
run 0 -m plain.gguf --width 2048 --height 2048 -c 0 -n 60000 -o '%i.png' --memory
check "--memory tells what a job takes that is not started" has '^job  *[0-9]\{11,\} bytes' out

# What the PyTorch programs take where nothing else is asked for.
run 0 -m thousand.gguf --reference -s 1 -o eight.png
check "--reference makes eight classes of 1000" has '^eight.png: 8 pictures' err
run 0 -m thousand.gguf --reference -c 1 -o reference.png
for word in Steps.250 Sampler.ddpm Guidance.scale.4 Guidance.channels.3; do
  check "--reference: the PNG says $word" has "$word" reference.png
done
run 0 -m thousand.gguf --diffusers -c 1 -o diffusers.png
for word in Steps.50 Sampler.ddim Timestep.spacing.leading Guidance.channels.4; do
  check "--diffusers: the PNG says $word" has "$word" diffusers.png
done
run 0 -m thousand.gguf --diffusers -c 1 -g 0.5 -s 2 --sampler dpm++ --guidance-channels 2 -o diffusers.png
for word in Sampler.dpm Timestep.spacing.linspace Guidance.scale.1 Guidance.channels.2; do
  check "--diffusers -g 0.5 --sampler dpm++: the PNG says $word" has "$word" diffusers.png
done
run 0 -m plain.gguf --reference -c 0 -s 2 --guidance-channels 1 -o reference.png
check "--reference without a null class: no guidance" has 'Guidance.scale.1' reference.png

# Names of files, and texts for programs.
printf 'Zebra_.9\n.hidden\n\303\204rger/x\n' >labels.txt
convert --synthetic $tiny=3,sigma=1 --synthetic $decoder --labels labels.txt --name 'a "quoted\ name' -o named.gguf
run 0 -q -m named.gguf -c all -s 1 -o '%c.png'
for name in Zebra_.9 -hidden "$(printf '\303\204rger-x')"; do
  check "a file is named $name" [ -s "./$name.png" ]
done
rm -f ./*.png
run 0 -q -m named.gguf -c none -n 11 -s 1 -o 'p%i-%c.png'
check "numbers have as many digits as the last one" [ "$(ls p*.png | wc -l)$(ls p0[0-9]-none.png | wc -l)" = 1110 ]
rm -f ./p*.png
run 0 -q -m named.gguf -c 1 -s 1 --show --json -o shown.png
check "--show --json: the picture goes to the error stream" [ "$(wc -l <err)" -eq 4 ]
run 0 -q -m named.gguf -c 1 -s 1 --show -o - --scale 2
check "--show -o -: so it does" [ "$(wc -l <err)" -eq 4 ]
run 0 -q -m named.gguf -c none,0 -s 1 --json -o sheet.png
if [ -n "$python" ]; then
  check "--json: quotes and backslashes, and a row without a class" "$python" - <<'END'
import json
o = json.load(open("out"))
assert o["model"]["name"] == 'a "quoted\\ name', o["model"]
assert [r["label"] for r in o["parameters"]["rows"]] == [None, "Zebra_.9"], o["parameters"]["rows"]
END
fi
rm -f ./*

# ---- Signals ----

if have timeout; then
  for signal in INT:130 TERM:143; do
    timeout -k 20 -s "${signal%:*}" --preserve-status 0.5 "$dit" -c all -n 64 -s 999 -o stopped.png >out 2>err
    status=$?
    check "SIG${signal%:*}: status ${signal#*:}, not $status" [ "$status" = "${signal#*:}" ]
    check "SIG${signal%:*}: says so" has 'stopped' err
    check "SIG${signal%:*}: nothing is left" nothing_written
  done
  timeout -s INT --preserve-status 0.2 sh -c 'trap "" INT; exec "$@"' sh "$dit" -c potion -n 8 -s 40 -o ignored.png >out 2>err
  check "a signal that was ignored stays ignored" [ -s ignored.png ]
else
  skip "no timeout: signals are not tested"
fi

# ---- Terminals ----

if have script && script -qec true /dev/null </dev/null >/dev/null 2>&1; then
  script -qec "'$dit' -c potion -n 8 -s 100 -o sheet.png" /dev/null </dev/null >out 2>&1
  check "on a terminal one line is redrawn" has "$(printf '\r')step [0-9]* of [0-9]*, [0-9]* %" out
  check "on a terminal the result stays" has 'sheet.png: 8 pictures' out
  rm -f sheet.png
  script -qec "'$dit' -c potion -s 1 -o -; echo status \$?" /dev/null </dev/null >out 2>&1
  check "-o - on a terminal: refused" has 'status 2' out
else
  skip "no script: terminals are not tested"
fi
finish cli
