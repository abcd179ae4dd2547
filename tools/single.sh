#!/bin/sh
# The library as one header, dist/dit.h: tools/single.sh [OUTPUT]
# It holds dit.h, and behind DIT_IMPLEMENTATION every source file. A header of ours, which guards itself, stands where
# it is first included; inside an #if it stands before that #if, because later files may need it where the condition does
# not hold. Templates, which have no guard, stand wherever they are included. Nothing is left defined behind the end:
# what a source file defines as a macro ends with that file, and what headers define ends with the implementation. Only
# macros that belong to the system, which are defined under their own #ifndef, stay.
set -eu
cd "$(dirname "$0")/.."
output=${1:-dist/dit.h}
mkdir -p "$(dirname "$output")"
trap 'rm -f "$output.part"' EXIT
awk '
  function fail(sentence) {
    print "single.sh: " sentence > "/dev/stderr"
    failed = 1
    exit 1
  }

  # The path of a local include, or "" if it is not a file of ours. Looked for as the compiler does with -I. .
  function find(name, from,    folder, path, line) {
    folder = from
    if (!sub(/[^\/]*$/, "", folder)) folder = ""
    path = folder name
    if ((getline line < path) > 0) { close(path); return path }
    if ((getline line < name) > 0) { close(name); return name }
    return ""
  }

  # The file that a line includes, or "".
  function included(line, from,    name, file) {
    if (line !~ /^ *# *include *"/) return ""
    name = line
    sub(/^[^"]*"/, "", name)
    sub(/".*/, "", name)
    file = find(name, from)
    if (file == "") fail(from ": cannot find " name)
    return file
  }

  # Whether a header guards itself against being included twice: its first directive is #ifndef.
  function guarded(path,    line, found) {
    while ((getline line < path) > 0) if (line ~ /^ *#/) { found = line ~ /^ *# *ifndef/; break }
    close(path)
    return found
  }

  # The name that a directive defines or tests, or "".
  function name_in(line, directive) {
    if (!match(line, "^ *# *" directive " +[A-Za-z_][A-Za-z0-9_]*")) return ""
    line = substr(line, RSTART, RLENGTH)
    sub(/.* /, "", line)
    return line
  }

  # Whether a file, or one that it includes, mentions a macro.
  function mentions(path, macro,    line, file, found) {
    while (!found && (getline line < path) > 0) {
      file = included(line, path)
      if (file != "") found = mentions(file, macro)
      else found = (" " line " ") ~ ("[^A-Za-z0-9_]" macro "[^A-Za-z0-9_]")
    }
    close(path)
    return found
  }

  # Each header that is being written has a level. depth[level] counts the #ifs that are open in it, without its guard;
  # held[level] is the text since the outermost of them, which waits for headers that must stand before it.
  function put(line) {
    if (depth[level] > 0) held[level] = held[level] line "\n"
    else print line
  }

  # A header of ours inside an #if moves before it: not if the macros between the #if and the include would change it.
  function check_move(file, from,    i, at, macro) {
    for (i = level; i >= 0; i--)
      for (at in held_macros) {
        macro = at
        if (!sub("^" i " ", "", macro) || !mentions(file, macro)) continue
        fail(from ": includes " file " inside an #if and behind the definition of " macro ", which it uses; " \
             "include it before the #if")
      }
  }

  # Writes a header of ours at the present place, or before the #ifs that are open there.
  function write_header(file,    macro) {
    done[file] = 1
    level++
    depth[level] = -1 # its guard
    held[level] = ""
    write_file(file, 0)
    level--
  }

  function end_if(    at) {
    depth[level]--
    if (depth[level] != 0) return
    printf "%s", held[level]
    held[level] = ""
    for (at in held_macros) if (at ~ ("^" level " ")) delete held_macros[at]
  }

  # Writes a file with its includes. `source`: its macros end with the source file that it belongs to.
  function write_file(path, source,    line, file, macro, tested) {
    while ((getline line < path) > 0) {
      file = included(line, path)
      if (file != "") {
        if (!guarded(file)) write_file(file, source)
        else if (!(file in done)) {
          if (depth[level] > 0) check_move(file, path)
          write_header(file)
        }
        continue
      }
      macro = name_in(line, "define")
      if (macro != "") {
        if (depth[level] > 0) held_macros[level " " macro] = 1
        if (macro == tested && depth[level] > 0) system_macros[macro] = 1 # perhaps the host defined it
        else if (source) macros[macro] = 1
        else header_macros[macro] = 1
      }
      if (line ~ /^ *#/) tested = name_in(line, "ifndef")
      if (line ~ /^ *# *if/) depth[level]++
      put(line)
      if (line ~ /^ *# *endif/) end_if()
    }
    close(path)
  }

  function undefine(names,    macro) {
    for (macro in names) print "#undef " macro | "sort"
    close("sort")
  }

  BEGIN {
    print "/* Made by tools/single.sh: libdit in one file. Include it as a header anywhere. In one C file, behind any"
    print " * other headers, write"
    print " *     #define DIT_IMPLEMENTATION"
    print " *     #include \"dit.h\""
    print " * and link with -lm. A file of its own is best: what follows sees the names of static functions. With a 32-bit"
    print " * glibc, compile it with -D_FILE_OFFSET_BITS=64. */"
    level = 0
    write_header("dit.h")
    split("", header_macros) # those are for the host
    print "\n#if defined(DIT_IMPLEMENTATION) && !defined(DIT_IMPLEMENTED)\n#define DIT_IMPLEMENTED"
    print "#ifdef __cplusplus\n#error \"the implementation of libdit is C: define DIT_IMPLEMENTATION in a .c file\"\n#endif"
    print "#if defined(__GNUC__) && !defined(__clang__)\n#pragma GCC push_options\n#endif"
    for (i = 1; i < ARGC; i++) {
      print "\n/* ======== " ARGV[i] " ======== */"
      write_file(ARGV[i], 1)
      if (depth[0]) fail(ARGV[i] ": an #if without its #endif")
      undefine(macros)
      split("", macros)
    }
    print ""
    undefine(header_macros)
    print "#if defined(__clang__)\n#pragma STDC FP_CONTRACT DEFAULT\n#elif defined(__GNUC__)\n#pragma GCC pop_options\n#endif"
    print "\n#endif /* DIT_IMPLEMENTATION */"
  }
  END { exit failed }
' *.c lib/*/*.c >"$output.part"
mv "$output.part" "$output"
