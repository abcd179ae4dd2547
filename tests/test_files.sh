#!/bin/sh
# What dit and dit-convert do to files, and what others do to theirs meanwhile.
# Fails if a symbolic link at the output is replaced, if what an earlier run left behind blocks one, if a full disk, a
# device, a folder or a limit makes a program fail without a sentence, succeed without its file, or leave something
# behind, or if a signal or a changed input at a random moment does (tests/faults/strike.c says what may be then).
#   tests/test_files.sh           a few moments
#   tests/test_files.sh --full    60 for each kind
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh
rounds=1
[ "${1:-}" != --full ] || rounds=60
root=$PWD
case $build in /*) ;; *) build=$PWD/$build ;; esac
small=dit:hidden=16,depth=1,heads=2,patch=2,latent=4,in=4,classes=3
vae=vae:blocks=8+8,layers=1,groups=4,in=3,out=3,latent=4
cd "$work" || exit 1
"$build/dit-convert" --quiet --synthetic $small --synthetic $vae -o model.gguf
check "a model to work with" [ -s model.gguf ]

# The two programs, each with the output $1.
picture() { "$build/dit" -q -m model.gguf -c 1 -s 2 -o "$1"; }
model() { "$build/dit-convert" --quiet --type q8 model.gguf -o "$1"; }
picture right.picture
model right.model
# The same with more bytes than some places have.
limited_picture() { (ulimit -f 8 && "$build/dit" -q -c all -s 2 --scale 16 -o "$1"); }
limited_model() { (ulimit -f 8 && "$build/dit-convert" --quiet --type f32 model.gguf -o "$1"); }
check "both programs work" [ -s right.picture ] && [ -s right.model ]

# in_folder COMMAND...: in a new folder, with the programs, the model and the right files.
in_folder() {
  rm -rf folder
  mkdir folder
  cp model.gguf right.* folder
  cd folder || exit 1
  "$@"
  cd ..
}

# fails WHAT PROGRAM OUTPUT: with status 1 and a sentence; nothing is left beside $kept.
kept=
fails() {
  "$2" "$3" 2>err
  status=$?
  check "$2, $1: status 1, not $status" [ $status = 1 ]
  check "$2, $1: a sentence: $(cat err)" has '^dit[a-z-]*: .*[a-z]' err
  rm -f err
  left=$(ls -A | grep -v -x -e model.gguf -e 'right\..*' -e "$kept" | head -n 3 | tr '\n' ' ')
  check "$2, $1: leaves nothing: $left" [ -z "$left" ]
}

# ---- Links ----

links() {
  program=$1
  mkdir deep deep/er
  echo old >deep/er/file
  ln -s deep/er/file link
  ln -s ./link chain
  ln -s ../gone deep/dangling
  ln -s loop loop
  $program chain
  check "$program: a chain of links leads to the file" cmp -s right.$program deep/er/file
  check "$program: the links stay" [ "$(readlink chain) $(readlink link)" = "./link deep/er/file" ]
  $program deep/dangling
  check "$program: a link to nothing makes the file" cmp -s right.$program gone
  check "$program: that link stays" [ "$(readlink deep/dangling)" = ../gone ]
  check "$program: nothing is left: $(ls deep deep/er)" [ "$(ls deep deep/er | wc -l)" = 6 ]
  rm -r deep link chain gone
  kept=loop
  fails "a link to itself" $program loop
  kept=
}
in_folder links picture
in_folder links model

# ---- What earlier runs left ----

stale() {
  program=$1
  i=0
  while [ $i -lt 100 ]; do
    echo stale >out.$i.part
    echo stale >out.tmp-$(printf %08x $i)
    i=$((i + 1))
  done
  $program out
  check "$program: 200 stale files block nothing" cmp -s right.$program out
  check "$program: and are left alone" [ "$(cat out.*.part out.tmp-* | grep -c stale)" = 200 ]
  name=$(printf %0250d 7)
  $program $name
  check "$program: a name of 250 bytes" cmp -s right.$program $name
  name=$(printf 'é%.0s' $(seq 125))
  $program $name
  check "$program: a name of 125 letters of two bytes" cmp -s right.$program "$name"
}
in_folder stale picture
in_folder stale model

# ---- Places that take no file ----

places() {
  program=$1
  fails "a folder that is not there" $program none/out
  kept=sub
  mkdir sub
  fails "a folder" $program sub
  fails "a name that is too long" $program "$(printf %0300d 7)"
  kept=
  rmdir sub
  fails "a limit of a file's size" limited_$program out
  (trap '' XFSZ 2>/dev/null && fails "that limit, its signal ignored" limited_$program out && echo "$passed $failed" >../counts)
  read -r passed failed <../counts
  rm -f err
}
in_folder places picture
in_folder places model
if [ -c /dev/full ]; then
  in_folder fails "/dev/full" picture /dev/full
  in_folder fails "/dev/full" model /dev/full
  "$build/dit-convert" --type q8 model.gguf -o printed >/dev/full 2>err
  check "dit-convert: a full standard output is told" has '^dit-convert: standard output' err
  "$build/dit-convert" --help >/dev/full 2>err
  check "dit-convert --help: likewise" has '^dit-convert: standard output' err
else
  skip "no /dev/full"
fi

# as_somebody COMMAND: with the rights of a user who is not root.
as_somebody() {
  if [ "$(id -u)" != 0 ]; then sh -c "$1"; else setpriv --reuid 65534 --regid 65534 --clear-groups sh -c "$1"; fi
}
rm -rf shut
mkdir shut
echo old >shut/out
chmod 555 shut
chmod 755 "$work"
if as_somebody "[ -r '$PWD/model.gguf' ] && [ ! -w '$PWD/shut' ] && '$build/dit' --version" >/dev/null 2>&1; then
  for program in "dit -q -c 1 -s 2 -m" "dit-convert --quiet --type q8"; do
    as_somebody "'$build'/$program model.gguf -o shut/out" 2>err
    check "$program, a folder that is read-only: status 1" [ $? = 1 ]
    check "$program, a folder that is read-only: $(cat err)" has 'Permission denied' err
    check "$program, a folder that is read-only: the old file" [ "$(cat shut/*)" = old ]
  done
else
  skip "a folder that is read-only: nobody but root can run the programs here"
fi
chmod 755 shut

# A disk of 64 KB, which 48 KB fill; in a name space of its own, where mounting disturbs nobody.
cat >disk.sh <<'END'
mkdir disk && mount -t tmpfs -o size=64k none disk 2>/dev/null || exit 77
cp "$3" disk/old || exit 77
head -c 49152 /dev/zero >disk/fill
"$1" "$2" disk/old >/dev/null 2>err
status=$?
[ $status = 1 ] && grep -q 'No space left' err && cmp -s disk/old "$3" && [ "$(ls disk | wc -l)" = 2 ] && exit 0
echo "status $status, $(cat err), $(ls disk | tr '\n' ' ')"
exit 1
END
printf '#!/bin/sh\nexec %s -q -c all -s 2 --scale 16 -o "$2"\n' "$build/dit" >large-picture
printf '#!/bin/sh\nexec %s --quiet --type f32 model.gguf -o "$2"\n' "$build/dit-convert" >large-model
chmod +x large-*
for program in picture model; do
  rm -rf disk
  said=$(unshare -m sh disk.sh ./large-$program - right.$program 2>/dev/null)
  status=$?
  case $status:$said in
    0: | 1:?*) check "$program, a full disk: $said" [ $status = 0 ] ;;
    *) skip "$program, a full disk: cannot mount one here" ;;
  esac
done

# ---- Signals and changes at random moments ----

if ! ${CC:-cc} -O1 "$root/tests/faults/strike.c" -o strike 2>/dev/null; then
  skip "moments: strike.c does not compile here"
  finish files
fi
seed=$(date +%s)
echo "  note: the seed of the moments is $seed"
: >strikes
for action in int term hup twice kill cut overwrite replace remove; do
  echo "$action picture $build/dit -q -m in.gguf -c 1 -s 8 -o out"
  echo "$action model $build/dit-convert --quiet --type q4 in.gguf -o out"
  echo "$action preview $build/dit-convert --quiet --fit-preview in.gguf -o out"
done >strikes
one() { # one ACTION NAME COMMAND...
  folder=strike-$1-$2
  mkdir "$folder"
  cp model.gguf "$folder/in.gguf"
  action=$1
  shift 2
  (cd "$folder" && ../strike "$action" "$rounds" "$seed" in.gguf out "$@") >"$folder.log" 2>&1
}
if [ "$rounds" = 1 ]; then grep -e 'term picture' -e 'cut model' strikes >some; else cp strikes some; fi
jobs=$(nproc 2>/dev/null || echo 2)
running=0
while read -r line; do
  # shellcheck disable=SC2086
  one $line &
  running=$((running + 1))
  [ $((running % jobs)) != 0 ] || wait
done <some
wait
for log in strike-*.log; do
  grep FAILED "$log"
  line=$(tail -n 1 "$log")
  case $line in
    *passed*)
      line=${line#*: }
      passed=$((passed + ${line%% *}))
      line=${line#*passed, }
      failed=$((failed + ${line%% *}))
      ;;
    *) check "$log: $line" false ;;
  esac
done
finish files
