#!/usr/bin/env python3
"""Compares weights/convert/shape/imagenet.c with WordNet (Debian's wordnet-base): each name must be all words of a set of
synonyms, and the numbers of these sets must rise, as the classes of ImageNet are counted.

    tests/imagenet_names.py [/usr/share/wordnet/data.noun]
"""
import re
import sys

path = sys.argv[1] if len(sys.argv) > 1 else "/usr/share/wordnet/data.noun"
sets = {}
with open(path, encoding="latin-1") as file:
    for line in file:
        if line.startswith("  "):
            continue
        fields = line.split(" | ")[0].split(" ")
        words = [fields[4 + 2 * k].replace("_", " ") for k in range(int(fields[3], 16))]
        sets.setdefault(", ".join(words), []).append(int(fields[0]))
with open("weights/convert/shape/imagenet.c") as file:
    names = re.findall(r'^    "(.*)",$', file.read(), re.M)

last, wrong = 0, []
for index, name in enumerate(names):
    later = [number for number in sets.get(name, []) if number > last]
    if later:
        last = later[0]
    else:
        wrong.append("%d %s" % (index, name))
for line in wrong[:10]:
    print("  FAILED: no set of synonyms, or not in order: " + line)
if len(names) != 1000:
    print("  FAILED: %d names" % len(names))
print("imagenet_names: %d passed, %d failed" % (len(names) - len(wrong), len(wrong) + (len(names) != 1000)))
sys.exit(bool(wrong) or len(names) != 1000)
