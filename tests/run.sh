#!/bin/sh
# Runs tests side by side, prints each as it ends, and adds up their closing lines
# "NAME: N passed, N failed[, N skipped]":
#   tests/run.sh TEST...
#   JOBS=N    so many at a time (default: one for each processor, at most 8)
#   BUILD     the folder of the build under test (default: build)
# Of a test that passes, only what it skipped and noted is shown; of one that fails, everything. A test without a closing
# line, or with a bad exit status without a failure, counts as one failure. Each test has a temporary folder of its own
# (TMPDIR, DIT_TMP), and what none of them removed is removed at the end.

# run.sh --one TEST: runs it, leaves log, status and seconds in $DIT_RUN/NAME, and prints NAME.
if [ "${1:-}" = --one ]; then
  name=$(basename "$2" .sh)
  own=$DIT_RUN/$name
  mkdir -p "$own/tmp" || exit 1
  start=$(date +%s)
  TMPDIR=$own/tmp DIT_TMP=$own/tmp "$2" >"$own/log" 2>&1 </dev/null
  echo $? $(($(date +%s) - start)) >"$own/status"
  echo "$name"
  exit 0
fi

export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}" # threads that wait by spinning crawl on a busy machine
export DIT_CONVERT="${DIT_CONVERT:-${BUILD:-build}/dit-convert}" # which C tests run
jobs=${JOBS:-$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}
[ -n "${JOBS:-}" ] || [ "$jobs" -le 8 ] || jobs=8
DIT_RUN=$(mktemp -d "${DIT_TMP:-${TMPDIR:-/tmp}}/dit-tests-XXXXXX") || exit 1
export DIT_RUN
trap 'rm -rf "$DIT_RUN"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
began=$(date +%s)
: >"$DIT_RUN/sums"

# The longest first, so that none of them is left alone at the end.
longest='faults plain kernels_winograd cli tools bits bands units memory shares q4 terminal job'
# What a test prints at its end is gathered by the loop, so that no two outputs are mixed.
printf '%s\n' "$@" |
  awk -v longest="$longest" '
    BEGIN { count = split(longest, names, " "); for (i in names) place[names[i]] = i }
    {
      name = $0
      sub(/.*test_/, "", name)
      sub(/\.sh$/, "", name)
      print (name in place ? place[name] : count + NR), $0
    }' | sort -n | cut -d ' ' -f 2- |
  xargs -n 1 -P "$jobs" "$0" --one |
  while read -r name; do
    read -r status seconds <"$DIT_RUN/$name/status"
    log=$DIT_RUN/$name/log
    line=$(tail -n 1 "$log" | grep '^[A-Za-z0-9_ -]*: [0-9][0-9]* passed, [0-9][0-9]* failed')
    problem=
    case $status:$line in
      *:) problem="ended with status $status and without a closing line" ;;
      0:* | *:*" 0 failed"*) [ "$status" = 0 ] || problem="exit status $status" ;;
    esac
    if [ -n "$problem" ]; then
      cat "$log"
      echo "  FAILED: $problem"
      line="$name: 0 passed, 1 failed"
    elif [ "$status" = 0 ]; then
      grep -E '^  (skipped|note):' "$log"
    else
      sed '$d' "$log"
    fi
    echo "$line ($seconds s)"
    echo "$line" >>"$DIT_RUN/sums"
    rm -rf "${DIT_RUN:?}/$name"
  done

awk -v expected=$# -v seconds=$(($(date +%s) - began)) '
  {
    sub(/^.*: /, "")
    gsub(/,/, "")
    for (i = 1; i < NF; i += 2) sum[$(i + 1)] += $i
  }
  END {
    if (NR != expected) {
      printf "  FAILED: %d of %d tests did not end\n", expected - NR, expected
      sum["failed"] += expected - NR
    }
    printf "%d tests, %d s\n", NR, seconds
    printf "%d passed, %d failed", sum["passed"], sum["failed"]
    if (sum["skipped"]) printf ", %d skipped", sum["skipped"]
    printf "\n"
    exit sum["failed"] > 0 || NR == 0
  }' "$DIT_RUN/sums"
