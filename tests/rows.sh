#!/bin/sh
# Elements of arrays of arrays of float that are read or written as *(row[i] + j):
#   tests/rows.sh FILE...
# gcc (11 and 12 were tried) joins the two offsets and takes that for element 0 of a row that begins there, so for
# another element than row[i][j]. From -O2 on it may then drop row[0][1] = x although *(row[0] + j), j = 1, is read later.
# The first dump of gcc shows such an element whether or not this build was harmed. Prints FILE: FUNCTION: STATEMENT for
# each; exit status 0 if there is none.
dump=$(mktemp) || exit 1
trap 'rm -f "$dump"' EXIT
found=0
for file in "$@"; do
  if ! gcc -w -I. -c "$file" -o /dev/null -fdump-tree-gimple="$dump"; then found=1; continue; fi
  awk -v file="$file" '
    /^[^ ].*\)$/ { name = $0; split("", elements); split("", moved) }
    $2 == "=" && $4 == "*" && $5 == "4;" { elements[$1] = 1 } # an offset in elements, not in rows
    $2 == "=" && $4 == "+" && (substr($5, 1, length($5) - 1) in elements) { moved[$1] = 1 }
    match($0, /\(\*[^()*]+\)\[0\]/) && (substr($0, RSTART + 2, RLENGTH - 6) in moved) {
      print "    " file ": " name ": " $0
      found = 1
    }
    END { exit found }' "$dump" || found=1
done
exit $found
