#!/bin/sh
# What the library defines and what it calls; one of the longer checks (.ci/run).
# Fails if a symbol does not begin with dit_, if the shared library shows an internal one, if the library calls anything
# that prints, exits, aborts or waits (or just is not in the list below), or if it has a variable that can be written.
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh

# Memory and strings; the operating system (platform*.c); arithmetic that is exact; what compilers put in. Nothing that
# starts threads, takes locks or waits for them.
allowed='memcpy memmove memset memcmp strlen strcmp strncmp strchr strspn strcspn snprintf vsnprintf strerror
free posix_memalign malloc aligned_alloc
open open64 close read fstat fstat64 mmap mmap64 munmap madvise clock_gettime sysconf syscall
sqrt sqrtf ceil
_GLOBAL_OFFSET_TABLE_ __errno_location __stack_chk_fail __memcpy_chk __memset_chk __snprintf_chk __vsnprintf_chk'

if ! have nm || ! have objdump; then
  skip "no nm or objdump"
  finish symbols
fi
nm "$build/libdit.a" "$build/libdit_sprites.a" >"$work/all"
awk 'NF == 3 && $2 ~ /[A-Z]/ { print $3 }' "$work/all" | sort -u >"$work/defined"
awk 'NF == 2 && $1 == "U" { print $2 }' "$work/all" | sort -u >"$work/called"
echo "$allowed" | tr ' ' '\n' | sort -u >"$work/allowed"
comm -23 "$work/called" "$work/defined" | comm -23 - "$work/allowed" >"$work/strange"
check "there are symbols" [ -s "$work/defined" ]
check "all begin with dit_: $(grep -v '^dit_' "$work/defined" | head -n 3)" sh -c "! grep -v '^dit_' $work/defined"
check "nothing else is called: $(head -n 5 "$work/strange" | tr '\n' ' ')" [ ! -s "$work/strange" ]

nm -D --defined-only "$build/libdit.so" | awk '{ print $NF }' >"$work/shown"
check "libdit.so shows dit_*, and nothing internal: $(grep -v '^dit_[a-z]' "$work/shown" | head -n 3)" \
  sh -c "[ -s $work/shown ] && ! grep -v '^dit_[a-z]' $work/shown"

# dit__nowhere is a place to measure from, which nobody writes.
objdump -t "$build/libdit.a" "$build/libdit_sprites.a" | grep -E ' O (\.data|\.bss|\.tdata|\.tbss)[[:space:]]' |
  grep -v 'dit__nowhere$' >"$work/variables"
check "no variable can be written: $(head -n 3 "$work/variables")" [ ! -s "$work/variables" ]
finish symbols
