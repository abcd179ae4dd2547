#!/bin/sh
# The library as one header, dist/dit.h: tools/single.sh [OUTPUT]
# dit.h, and behind DIT_IMPLEMENTATION every source file. Headers of our own stand where they are first included;
# templates, which have no include guard, stand wherever they are included. What a source file defines as a macro ends
# with that file.
set -eu
cd "$(dirname "$0")/.."
output=${1:-dist/dit.h}
mkdir -p "$(dirname "$output")"
trap 'rm -f "$output.part"' EXIT
awk '
  # The path of a local include, or "" if it is not a file of ours. Looked for as the compiler does with -I. .
  function find(name, from,    folder, path, line) {
    folder = from
    if (!sub(/[^\/]*$/, "", folder)) folder = ""
    path = folder name
    if ((getline line < path) > 0) { close(path); return path }
    if ((getline line < name) > 0) { close(name); return name }
    return ""
  }

  # Whether a header guards itself against being included twice: its first directive is #ifndef.
  function guarded(path,    line, found) {
    while ((getline line < path) > 0) if (line ~ /^ *#/) { found = line ~ /^ *#ifndef/; break }
    close(path)
    return found
  }

  # Prints a file with its includes; remembers its macros if they are to end with the source file.
  function inline(path, temporary,    line, name, file, macro) {
    while ((getline line < path) > 0) {
      if (line ~ /^ *# *include *"/) {
        name = line
        sub(/^[^"]*"/, "", name)
        sub(/".*/, "", name)
        file = find(name, path)
        if (file == "") { print "single.sh: " path ": cannot find " name > "/dev/stderr"; failed = 1; exit 1 }
        if (!guarded(file)) inline(file, temporary)
        else if (!(file in done)) { done[file] = 1; inline(file, 0) }
        continue
      }
      if (temporary && match(line, /^ *# *define +[A-Za-z][A-Za-z0-9_]*/)) {
        macro = substr(line, RSTART, RLENGTH)
        sub(/.* /, "", macro)
        macros[macro] = 1
      }
      print line
    }
    close(path)
  }

  BEGIN {
    print "/* Made by tools/single.sh: libdit in one file. Include it as a header anywhere, and in one C file of its own"
    print " * (which includes nothing else before it) write"
    print " *     #define DIT_IMPLEMENTATION"
    print " *     #include \"dit.h\""
    print " * Link with -lm. */"
    print "#if defined(DIT_IMPLEMENTATION) && !defined(_WIN32)"
    print "#ifndef _GNU_SOURCE"
    print "#define _GNU_SOURCE"
    print "#endif"
    print "#ifndef _FILE_OFFSET_BITS"
    print "#define _FILE_OFFSET_BITS 64"
    print "#endif"
    print "#endif"
    done["dit.h"] = 1
    inline("dit.h", 0)
    print "\n#if defined(DIT_IMPLEMENTATION) && !defined(DIT_IMPLEMENTED)\n#define DIT_IMPLEMENTED"
    print "#ifdef __cplusplus\n#error \"the implementation of libdit is C: define DIT_IMPLEMENTATION in a .c file\"\n#endif"
    for (i = 1; i < ARGC; i++) {
      print "\n/* ======== " ARGV[i] " ======== */"
      inline(ARGV[i], 1)
      for (macro in macros) print "#undef " macro | "sort"
      close("sort")
      split("", macros)
    }
    print "\n#endif /* DIT_IMPLEMENTATION */"
    exit failed
  }
' *.c lib/*/*.c >"$output.part"
mv "$output.part" "$output"
