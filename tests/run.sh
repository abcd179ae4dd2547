#!/bin/sh
# Runs tests one after the other and adds up their closing lines "NAME: N passed, N failed[, N skipped]":
#   tests/run.sh TEST...
# A test without a closing line, or with a bad exit status without a failure, counts as one failure.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}" # threads that wait by spinning crawl on a busy machine
log=$(mktemp) || exit 1
trap 'rm -f "$log" "$log.status" "$log.sum"' EXIT
: >"$log.sum"
began=$(date +%s)
for test in "$@"; do
  start=$(date +%s)
  { "$test" 2>&1; echo $? >"$log.status"; } | tee "$log"
  read -r status <"$log.status"
  line=$(tail -n 1 "$log" | grep '^[A-Za-z0-9_ -]*: [0-9][0-9]* passed, [0-9][0-9]* failed')
  problem=
  case $status:$line in
    *:) problem="ended with status $status and without a closing line" ;;
    0:* | *:*" 0 failed"*) [ "$status" = 0 ] || problem="exit status $status" ;;
  esac
  if [ -n "$problem" ]; then
    line="$test: 0 passed, 1 failed"
    echo "  FAILED: $problem"
    echo "$line"
  fi
  took=$(($(date +%s) - start))
  [ "$took" -lt 5 ] || echo "  ($took s)"
  echo "$line" >>"$log.sum"
done
awk -v seconds=$(($(date +%s) - began)) '
  {
    sub(/^.*: /, "")
    gsub(/,/, "")
    for (i = 1; i < NF; i += 2) sum[$(i + 1)] += $i
  }
  END {
    printf "%d tests, %d s\n", NR, seconds
    printf "%d passed, %d failed", sum["passed"], sum["failed"]
    if (sum["skipped"]) printf ", %d skipped", sum["skipped"]
    printf "\n"
    exit sum["failed"] > 0 || NR == 0
  }' "$log.sum"
