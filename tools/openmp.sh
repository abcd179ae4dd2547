#!/bin/sh
# Prints -fopenmp if the compiler given can compile and link with it, else nothing.
program=$(mktemp) || exit 0
trap 'rm -f "$program"' EXIT
if echo '#include <omp.h>
int main(void) { return omp_get_max_threads() < 1; }' | "$@" -fopenmp -x c - -o "$program" 2>/dev/null; then
  echo -fopenmp
fi
