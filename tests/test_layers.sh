#!/bin/sh
# Which file may know which: every #include of ours, and from the objects every symbol that one file takes from another,
# against one list of layers.
# Fails if an arrow points to a layer that is not allowed, if files know each other in a circle, within a layer or across
# layers (x.c and x.h of one layer count as one), if an included file is not there, or if a file belongs to no layer.
cd "$(dirname "$0")/.." || exit 1
. tests/check.sh

# Each line: a layer, its folders and files ("." is the root) and, behind the colon, the layers and single files that it
# may use beside itself. Only layers further up can be used, so the list itself has no circle. Outside lib/, root stands
# for the public functions, which dit.h declares.
cat >"$work/layers" <<'END'
interface     dit.h                       :
pool          dit_pool.h                  : interface
programs      programs/                   : interface pool
core          lib/core/                   : interface
kernels       lib/kernels/                : interface core
sampling      lib/sampling/               : interface core
model         lib/model/                  : interface core kernels sampling
ops           lib/ops/                    : interface core kernels sampling model
nets          lib/nets/                   : interface core kernels sampling model ops
job           lib/job/                    : interface core kernels sampling model ops nets
root          .                           : interface core kernels sampling model ops nets job
sprites.h     weights/sprites/dit_sprites.h : interface
sprites       weights/sprites/            : interface sprites.h root
read          weights/convert/read/       : interface core kernels sampling model programs
shape         weights/convert/shape/      : interface core kernels sampling model read programs
write         weights/convert/write/      : interface core kernels sampling model job read shape root programs
convert       weights/convert/            : interface core kernels sampling model read shape write root pool programs
minimal       examples/minimal.c          : interface root
png_memory    examples/cli/png_memory.c examples/cli/png_memory.h :
lodepng       examples/cli/lodepng/       : png_memory
cli           examples/cli/               : interface root pool programs sprites.h sprites png_memory lodepng lib/core/utf8.h
tests         tests/                      : *
END

# Prints what is wrong, a line for each arrow or circle. Reads the list of layers, the paths of all files, lines
# "PATH:#include ..." and lines "PATH:ADDRESS TYPE SYMBOL" as nm -A prints them, each after a line "== KIND".
cat >"$work/layers.awk" <<'END'
/^== / { kind = $2; next }

kind == "layers" && NF {
  name = $1
  order[name] = ++layers
  behind = 0
  for (i = 2; i <= NF; i++) {
    if ($i == ":") behind = 1
    else if (!behind) layer_at[$i] = name
    else if ($i == "*" || $i in order || $i ~ /\//) allowed[name, $i] = 1
    else print "the list: " name " stands above " $i ", which it uses"
  }
}

# The layer of a file: of the longest path in the list that leads to it.
function layer_of(path,    at) {
  if (path in layer_at) return layer_at[path]
  at = path
  while (match(at, /[^\/]*\/?$/) && RSTART > 1) {
    at = substr(at, 1, RSTART - 1)
    if (at in layer_at) return layer_at[at]
    at = substr(at, 1, length(at) - 1)
  }
  return path !~ /\// && ("." in layer_at) ? layer_at["."] : ""
}

kind == "files" {
  files[$0] = 1
  layer[$0] = layer_of($0)
  if (layer[$0] == "") print $0 " belongs to no layer: add its folder to the list in tests/test_layers.sh"
  stem = $0
  sub(/\.[ch]$/, "", stem)
  node[$0] = layer[$0] " " stem
  if (node[$0] in title) title[node[$0]] = stem ".[ch]"
  else title[node[$0]] = $0
}

# An arrow from one file to another; reason: "", or the symbol.
function arrow(from, to, reason,    a, b, text) {
  a = node[from]
  b = node[to]
  if (a == b) return
  text = from " -> " to (reason == "" ? "" : " (symbol " reason ")")
  if (!((a, b) in why)) {
    why[a, b] = text
    next_count[a]++
    nexts[a, next_count[a]] = b
    arrows++
  }
  if (layer[from] == layer[to] || (layer[from], "*") in allowed) return
  if ((layer[from], layer[to]) in allowed || (layer[from], to) in allowed) return
  if ((from, to) in told) return
  told[from, to] = 1
  print text ": " layer[from] " must not know " layer[to]
}

kind == "includes" {
  from = $0
  sub(/:.*/, "", from)
  to = $0
  sub(/^[^"]*"/, "", to)
  sub(/".*/, "", to)
  beside = from
  if (!sub(/[^\/]*$/, "", beside)) beside = ""
  if ((beside to) in files) arrow(from, beside to, "")
  else if (to in files) arrow(from, to, "")
  else print from " -> " to ": no such file"
}

kind == "symbols" && NF > 1 {
  from = $0
  sub(/:.*/, "", from)
  sub(/\.o$/, ".c", from)
  type = $(NF - 1)
  if (type == "U") { users++; user[users] = from; wanted[users] = $NF }
  else if (type ~ /^[A-Z]$/) home[$NF] = from
}

# Marks what cannot lie on a circle: what knows, or is known by, nothing that is left.
function strip(    changed, a, i, knows, known) {
  do {
    changed = 0
    split("", knows)
    split("", known)
    for (a in title)
      for (i = 1; i <= next_count[a]; i++)
        if (!(a in gone) && !(nexts[a, i] in gone) && !((a, i) in cut)) { knows[a] = 1; known[nexts[a, i]] = 1 }
    for (a in title)
      if (!(a in gone) && (!(a in knows) || !(a in known))) { gone[a] = 1; changed = 1 }
  } while (changed)
}

# Prints a circle among what is left and cuts it; 0 if there is none.
function circle(    a, i, start, text, count, path, via, seen) {
  start = ""
  for (a in title) if (!(a in gone) && (start == "" || a < start)) start = a
  if (start == "") return 0
  for (a = start; !(a in seen); a = nexts[a, i]) {
    seen[a] = ++count
    path[count] = a
    for (i = 1; nexts[a, i] in gone || (a, i) in cut; i++) ;
    via[count] = i
  }
  text = "circle: "
  for (i = seen[a]; i <= count; i++) text = text title[path[i]] " -> "
  print text title[a]
  for (i = seen[a]; i <= count; i++) print "    " why[path[i], nexts[path[i], via[i]]]
  cut[path[count], via[count]] = 1
  return 1
}

END {
  for (i = 1; i <= users; i++) if (wanted[i] in home) arrow(user[i], home[wanted[i]], wanted[i])
  for (strip(); circle() && ++circles < 20; strip()) ;
  if (!arrows) print "there is no arrow at all"
}
END

# layers LAYERS OBJECTS FOLDER...: for the tree in the current folder; FOLDER... are those with files of ours.
layers() {
  list=$1 objects=$2
  shift 2
  {
    echo "== layers"
    cat "$list"
    echo "== files"
    { ls ./*.[ch] 2>/dev/null; find "$@" -name '*.[ch]'; } | sed 's|^\./||' | sort | tee "$work/files"
    echo "== includes"
    # shellcheck disable=SC2046
    grep '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' /dev/null $(cat "$work/files")
    echo "== symbols"
    if have nm; then
      # The objects of today's files, not of files that are gone.
      grep '\.c$' "$work/files" | grep -v '^tests/' | sed 's/c$/o/' |
        (cd "$objects" 2>/dev/null && while read -r file; do [ ! -e "$file" ] || echo "$file"; done | xargs nm -A -g)
    fi
  } >"$work/facts" 2>"$work/complaints"
  awk -f "$work/layers.awk" "$work/facts"
}

# ---- The library ----

layers "$work/layers" "$build/obj" lib weights programs examples tests >"$work/wrong"
cat "$work/wrong"
check "every arrow is allowed, and none is part of a circle: $(wc -l <"$work/wrong") lines above" [ ! -s "$work/wrong" ]
if ! have nm; then
  skip "no nm: the symbols that files take from each other"
elif [ ! -d "$build/obj" ]; then
  skip "no objects in $build (make all): the symbols that files take from each other"
else
  grep '\.c$' "$work/files" | grep -v '^tests/' | while read -r file; do
    [ -e "$build/obj/${file%.c}.o" ] || echo "$file"
  done >"$work/missing"
  check "each file has its object, as after make all; not $(head -n 3 "$work/missing" | tr '\n' ' ')" [ ! -s "$work/missing" ]
  check "symbols are found" grep -q ' U _*dit_params_resolve$' "$work/facts"
fi

# ---- Small trees that are wrong ----

cat >"$work/list" <<'END'
low   low/  :
high  high/ : low
END
cc=${CC:-cc}

# tree: a new tree that is right: high/top.c uses low/base.c.
tree() {
  rm -rf "$work/tree"
  mkdir -p "$work/tree/low" "$work/tree/high" "$work/tree/obj/low" "$work/tree/obj/high"
  cd "$work/tree" || exit 1
  echo 'int base(void);' >low/base.h
  echo 'int side(void);' >low/side.h
  echo 'int top(void);' >high/top.h
  printf '#include "low/base.h"\nint base(void) { return 1; }\n' >low/base.c
  printf '  #  include "side.h" /* beside */\n#include "low/base.h"\nint side(void) { return base(); }\n' >low/side.c
  printf '#include <stdio.h>\n#include "high/top.h"\n#include "low/side.h"\nint top(void) { return side(); }\n' >high/top.c
}

# compiled: its objects.
compiled() { for file in */*.c; do $cc -I. -c "$file" -o "obj/${file%.c}.o" 2>/dev/null; done; }

# found "what" [PATTERN]: the line that is printed, or none.
found() {
  layers "$work/list" obj low high >"$work/wrong"
  if [ $# = 1 ]; then check "$1: $(head -n 1 "$work/wrong")" [ ! -s "$work/wrong" ]
  else check "$1: '$2' is reported, not: $(head -n 2 "$work/wrong")" has "$2" "$work/wrong"; fi
}

tree
compiled
found "nothing wrong with a good tree"
tree
echo '#include "high/top.h"' >>low/base.h
found "an include that points back" '^low/base\.h -> high/top\.h: low must not know high$'
found "the circle that it makes" '^circle: .*low/base\.\[ch] -> '
tree
printf 'int top(void);\nint lift(void) { return top(); }\n' >>low/base.c
if have nm && have "${cc%% *}"; then
  compiled
  found "a symbol that points back" '^low/base\.c -> high/top\.c (symbol top): low must not know high$'
else
  skip "no nm or no compiler: symbols of a tree that is wrong"
fi
tree
echo '#include "low/side.h"' >>low/base.h
found "a circle inside a layer" '^circle: low/base\.\[ch] -> low/side\.\[ch] -> low/base\.\[ch]$'
found "the arrows of the circle" '^    low/side\.c -> low/base\.h$'
tree
printf '#include "low/absent.h"\n' >>low/base.c
found "an include of nothing" '^low/base\.c -> low/absent\.h: no such file$'
tree
echo >astray.h
found "a file outside of all layers" '^astray\.h belongs to no layer'
tree
echo 'lowest lowest/ : highest' >>"$work/list"
found "a layer that uses one further down" '^the list: lowest stands above highest'
finish layers
