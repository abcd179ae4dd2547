#!/bin/sh
# Builds and runs the fuzz targets. Needs clang and its fuzzer library.
#   tests/fuzz/run.sh [SECONDS [FOLDER]]     each target so long, two at a time (.ci/run: 20)
#   tests/fuzz/run.sh --long [FOLDER]        one after the other, to RUNS executions each (20,000,000), the fastest first
#   TARGETS="json png" ...                   some of them
#   OWN=FOLDER ...                           where the programs are built (FOLDER/build)
#   FUZZ_BUILD_ONLY=1, FUZZ_BUILT=1          only builds; only runs
#   LIMIT=3600 ... --long                    stops after so many seconds; called again, it goes on where it stopped
# FOLDER (build/fuzz) keeps what was built, the corpora that grew, what was found, and with --long how many executions
# each target has had. A target's line, as docs/reliability.md has it, is in FOLDER/NAME.table. A finding is a failure.
mode=short seconds=20
if [ "${1:-}" = --long ]; then
  mode=long
elif [ -n "${1:-}" ]; then
  seconds=$1
fi
folder=${2:-build/fuzz}
RUNS=${RUNS:-20000000}
LIMIT=${LIMIT:-0}
all="json words texts pickle zip png model legacy safetensors torch gguf folder params"
TARGETS=${TARGETS:-$all}
cd "$(dirname "$0")/../.." || exit 1
flags="-g1 -O2 -fsanitize=address,undefined -fno-sanitize-recover=undefined"
own=${OWN:-$folder/build}
mkdir -p "$own" || exit 1

# ---- Building: everything once, and one program for each target, which holds only what the target uses ----

objects() {
  for file in "$@"; do echo "$own/obj/${file%.c}.o"; done
}

# shellcheck disable=SC2046
build() {
  # shellcheck disable=SC2010
  command_line=$(ls examples/cli/*.c | grep -v -e '/main\.c$' -e '/message\.c$')
  make -s -j"$(nproc 2>/dev/null || echo 2)" BUILD="$own" CC=clang OPENMP=0 CFLAGS="$flags -fsanitize=fuzzer-no-link -fsanitize-coverage-ignorelist=tests/fuzz/no-coverage.txt" \
    "$own/libdit.a" "$own/libdit_sprites.a" "$own/libconvert.a" "$own/libprograms.a" "$own/libfuzz.a" \
    $(objects $command_line examples/cli/lodepng/lodepng.c) || return
  rm -f "$own/libcli.a"
  ar rcs "$own/libcli.a" $(objects $command_line examples/cli/lodepng/lodepng.c) || return
  for name in $TARGETS; do
    # shellcheck disable=SC2086
    clang $flags -std=gnu17 -I. -DFUZZ_TARGET=fuzz_"$name" -fsanitize=fuzzer -o "$own/$name" tests/fuzz/engine.c \
      -Wl,--start-group "$own"/lib*.a -Wl,--end-group -lm || return
  done
}

# ---- Running ----

# fuzz NAME OPTION...: runs a target, with its grown corpus and that of the tree; the status is in NAME.status.
fuzz() {
  name=$1
  shift
  mkdir -p "$folder/corpus/$name"
  "$own/$name" "$@" -rss_limit_mb=2048 -timeout=20 -max_len=49152 -close_fd_mask=3 -print_final_stats=1 \
    -artifact_prefix="$folder/$name-" "$folder/corpus/$name" "tests/fuzz/corpus/$name" 2>"$folder/$name.log"
  echo $? >"$folder/$name.status"
}

executions() { sed -n 's/^stat::number_of_executed_units: *//p' "$folder/$1.log" | tail -n 1; }

# report NAME: prints what a target did, and returns 1 if it found something.
report() {
  read -r status <"$folder/$1.status"
  if [ "$status" = 0 ]; then
    echo "  note: $1: $(executions "$1") executions"
    return 0
  fi
  echo "  FAILED: $1: status $status"
  tail -n 40 "$folder/$1.log"
  return 1
}

short() {
  passed=0 failed=0
  for name in $TARGETS; do echo "$name"; done |
    xargs -n 1 -P 2 env FUZZ_ONE=1 tests/fuzz/run.sh "$seconds" "$folder"
  for name in $TARGETS; do
    if report "$name"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  done
  echo "fuzz: $passed passed, $failed failed"
  [ $failed = 0 ]
}

# long_one NAME: up to RUNS executions, in runs of at most ten minutes, after each of which is noted how far it came.
long_one() {
  name=$1 done=0 spent=0
  [ -s "$folder/$name.done" ] && read -r done spent <"$folder/$name.done"
  while [ "$done" -lt "$RUNS" ]; do
    now=$(date +%s)
    most=600
    if [ "$LIMIT" != 0 ]; then
      [ $((now - began)) -lt "$LIMIT" ] || return 0
      [ $((LIMIT - (now - began))) -ge $most ] || most=$((LIMIT - (now - began)))
    fi
    fuzz "$name" -runs=$((RUNS - done)) -max_total_time=$most
    more=$(executions "$name")
    done=$((done + ${more:-0}))
    spent=$((spent + $(date +%s) - now))
    echo "$done $spent" >"$folder/$name.done"
    read -r status <"$folder/$name.status"
    cpu=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
    echo "| \`$name\` | $(date +%Y-%m-%d) | ${cpu:-unknown} | $done | $spent | $([ "$status" = 0 ] && echo 0 || echo "status $status") |" \
      >"$folder/$name.table"
    cat "$folder/$name.table"
    [ "$status" = 0 ] || return 1
  done
}

if [ -n "${FUZZ_ONE:-}" ]; then # by xargs: run.sh SECONDS FOLDER NAME
  fuzz "$3" -max_total_time="$seconds"
  exit 0
fi
[ -n "${FUZZ_BUILT:-}" ] || build || exit 1
[ -z "${FUZZ_BUILD_ONLY:-}" ] || exit 0
began=$(date +%s)
if [ $mode = short ]; then
  short
else
  failed=0
  for name in $TARGETS; do long_one "$name" || failed=$((failed + 1)); done
  [ $failed = 0 ]
fi
