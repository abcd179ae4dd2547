# The test harness of the scripts, to be read with ". tests/check.sh" from the root of the repository.
set -u
build=${BUILD:-build}
case $build in /*) ;; *) build=$PWD/$build ;; esac
# The system's own where there is one: what version managers put in front of it takes ten times as long to start.
python=$(PATH=/usr/bin:$PATH command -v python3)
passed=0 failed=0 skipped=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# check "what should hold" COMMAND...: counts whether the command succeeds.
check() {
  what=$1
  shift
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "  FAILED: $what"; fi
}

skip() {
  skipped=$((skipped + 1))
  echo "  skipped: $1"
}

have() { command -v "$1" >/dev/null 2>&1; }
absent() { [ ! -e "$1" ]; }
differ() { ! cmp -s "$1" "$2"; }
has() { grep -a -q -e "$1" "$2"; } # has PATTERN FILE

# Prints the closing line and ends the script.
finish() {
  line="$1: $passed passed, $failed failed"
  [ "$skipped" = 0 ] || line="$line, $skipped skipped"
  echo "$line"
  [ "$failed" = 0 ]
  exit
}
