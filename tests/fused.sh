#!/bin/sh
# Functions that hold fused multiply-adds, outside those that may:
#   tests/fused.sh OBJDUMP ALLOWED OBJECT...
# ALLOWED is an awk expression for names of functions ("" for none). Prints OBJECT: FUNCTION: INSTRUCTION for the first
# in each; exit status 0 if there is none. x86-64 and aarch64.
objdump=$1 allowed=$2
shift 2
for object in "$@"; do
  "$objdump" -d --no-show-raw-insn "$object" || echo "$object: cannot be disassembled"
done | awk -v allowed="$allowed" '
  /file format/ { object = $1; sub(/:$/, "", object) }
  /^[0-9a-f]+ <.*>:$/ { name = $2; gsub(/[<>:]/, "", name); said = 0 }
  /\tv?fn?m(add|sub)|\tfml[as]/ {
    if (!said && (allowed == "" || name !~ allowed)) { print "    " object ": " name ": " $2; found++; said = 1 }
  }
  /cannot be disassembled/ { print "    " $0; found++ }
  END { exit found > 0 }'
