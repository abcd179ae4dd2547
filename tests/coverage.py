#!/usr/bin/env python3
"""Counts the branches that tests took, in a build with gcc's --coverage whose tests have run.

    tests/coverage.py BUILD [LIST]

Prints branches and lines for the library and for the programs, and fails if they took fewer branches than BARS asks
for. A branch of a kernel counts once for each set of instructions that this machine has; any other one counts once,
however many files include it. Branches that tests/unreached.txt names are not counted; an entry there that names
nothing, or only what was reached, is an error. LIST is a file that gets the line of each branch that
was not taken.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict

BARS = {"library": 95.0, "programs": 90.0}  # per cent
PARTS = {  # of the second column, which is added up to the first
    "library": {"library": r"lib/.*|[a-z]*\.c"},
    "programs": {"converter": r"weights/convert/.*", "dit": r"examples/cli/[a-z0-9_]*\.[ch]", "shared": r"programs/.*"},
}
UNREACHED = "tests/unreached.txt"


def part_of(path):
    for total, parts in PARTS.items():
        for part, pattern in parts.items():
            if re.fullmatch(pattern, path):
                return total, part
    return None


def counters(build):
    """The objects with counters, and what gcov says of each."""
    objects = []
    for folder, folders, names in os.walk(os.path.join(build, "obj")):
        if "tests" in folders:
            folders.remove("tests")  # kernels_reference.c includes kernels to compare with
        objects += [os.path.abspath(os.path.join(folder, n)) for n in names if n.endswith(".gcno")]
    with tempfile.TemporaryDirectory() as work:  # gcov leaves nothing here with -t, older ones may
        done = subprocess.run(["gcov", "-b", "-i", "-t", *sorted(objects)], cwd=work, capture_output=True, text=True)
    for line in done.stderr.splitlines():
        if not re.search("cannot open data file|no functions found", line):  # nothing ran, or there is nothing to run
            sys.exit(f"  FAILED: gcov: {line}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def gather(objects):
    """How often each branch was taken, and each line run: {(file, line, which...): count}."""
    branches, lines = defaultdict(int), defaultdict(int)
    for o in objects:
        own = os.path.basename(o["data_file"])
        is_kernel = any(f["file"] == "lib/kernels/" + own.split(".")[0] + ".c" for f in o["files"])
        was_run = any(line["count"] > 0 for f in o["files"] for line in f["lines"])
        if is_kernel and not was_run and own.split(".")[0] not in ("scalar", "dispatch"):
            continue  # this machine lacks the instructions
        for f in o["files"]:
            if not part_of(f["file"]):
                continue
            for line in f["lines"]:
                place = (f["file"], line["line_number"])
                lines[place] += line["count"]
                for i, branch in enumerate(line["branches"]):
                    if branch["count"] < 0:
                        sys.exit(f"  FAILED: {f['file']}:{line['line_number']}: a negative count")
                    key = (*place, own if is_kernel else "", line.get("function_name", ""), i)
                    branches[key] += branch["count"]
    return branches, lines


def entries():
    """(file, text or function, reason) of each entry of the list of unreached branches."""
    with open(UNREACHED, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip() or line.startswith("#"):
                continue
            parts = [p.strip() for p in line.split(" | ")]
            if len(parts) != 3 or not all(parts):
                sys.exit(f"  FAILED: {UNREACHED}:{number}: FILE | TEXT | REASON are needed")
            yield parts


def unreached(branches, sources):
    """The branches that the list excuses, and what is wrong with the list."""
    by_file = defaultdict(list)
    for key in branches:
        by_file[key[0]].append(key)
    excused, wrong = set(), []
    for path, text, _ in entries():
        if text.endswith("()"):
            here = [key for key in by_file[path] if key[3] == text[:-2]]
            known = any(text[:-1] in line for line in sources(path))
        else:
            lines = {i for i, line in enumerate(sources(path), 1) if text in line}
            here = [key for key in by_file[path] if key[1] in lines]
            known = bool(lines)
        missed = {key for key in here if branches[key] == 0}
        if not known:
            wrong.append(f"{path}: there is no '{text}'")
        elif here and not missed:  # without branches it was compiled for another machine
            wrong.append(f"{path}: '{text}' is reached; its entry must go")
        excused |= missed
    return excused, wrong


def main():
    branches, lines = gather(counters(sys.argv[1]))
    texts = {}

    def sources(path):
        if path not in texts:
            with open(path, encoding="utf-8") as file:
                texts[path] = file.read().splitlines()
        return texts[path]

    excused, wrong = unreached(branches, sources)
    failed = len(wrong)
    for text in wrong:
        print(f"  FAILED: {UNREACHED}: {text}")
    count = defaultdict(lambda: [0, 0, 0])  # taken, counted, excused
    for key, times in branches.items():
        for name in set(part_of(key[0])):
            if key in excused:
                count[name][2] += 1
            else:
                count[name][0] += times > 0
                count[name][1] += 1
    ran = defaultdict(lambda: [0, 0])
    for key, times in lines.items():
        for name in set(part_of(key[0])):
            ran[name][0] += times > 0
            ran[name][1] += 1
    for total, parts in PARTS.items():
        for name in dict.fromkeys([*parts, total]):
            taken, whole, left = count[name]
            if not whole:
                continue
            print(f"  note: {name}: {100 * taken / whole:.1f} % of {whole} branches ({left} more are listed), "
                  f"{100 * ran[name][0] / ran[name][1]:.1f} % of {ran[name][1]} lines")
        taken, whole = count[total][:2]
        if 100 * taken < BARS[total] * whole:
            print(f"  FAILED: {total}: {100 * taken / whole:.2f} % of the branches; {BARS[total]} % are asked for")
            failed += 1
    if len(sys.argv) > 2:
        with open(sys.argv[2], "w", encoding="utf-8") as out:
            missed = defaultdict(list)
            for key in sorted(k for k, times in branches.items() if times == 0 and k not in excused):
                missed[key[:4]].append(str(key[4]))
            for (path, line, own, function), which in missed.items():
                print(f"{path}:{line}: {own} {function} {','.join(which)}: {sources(path)[line - 1].strip()}", file=out)
    print(f"coverage: {len(BARS) + len(list(entries())) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
