#!/usr/bin/env python3
"""What the sprite model's pictures must keep of their quality: in int8 (q8 weights), in q4, and with --fast.

512 pictures at the recommended setting, the same seeds throughout; the distance to real sprites is that of features.py.
Two runs in f32 with different seeds show what a distance is worth. Rows as make bench prints them, of which these are the
last; it fails if one falls short. Needs numpy, build/libdit.so and build/dit-convert. One of the longer checks (.ci/run).
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

import features
import fewer_passes
import sprites
from libdit import Model

COUNT, REAL, OTHER_SEEDS, PART = 512, 2048, 1 << 20, 64

passed = failed = 0


def row(name, value, unit="", least=None, most=None):
    global passed, failed
    good = (least is None or value >= least) and (most is None or value <= most)
    asked = "" if least is most else " (asked: at %s %g%s)" % ("least" if most is None else "most", least or most, "" if good else ", SHORT")
    passed, failed = passed + (good and asked != ""), failed + (not good)
    print("%-58s %8.3f %s%s" % (name, value, unit, asked), flush=True)


def narrowed(folder, kind):
    path = os.path.join(folder, kind + ".gguf")
    subprocess.run([os.path.join(sprites.ROOT, "build", "dit-convert"), sprites.model(), "--type", kind, "-o", path, "--quiet"],
                   check=True)
    return path


def narrow_numbers(distance):
    with tempfile.TemporaryDirectory() as folder:
        f32 = Model(sprites.model(), "f32")
        classes = np.arange(COUNT) % f32.classes
        pictures = f32.generate(classes, 0)
        base = distance(pictures)
        row("sprites in f32: distance to real ones", base)
        row("sprites in f32, other seeds: distance, of that", distance(f32.generate(classes, OTHER_SEEDS)) / base)
        int8 = Model(narrowed(folder, "q8"), "int8").generate(classes, 0)
        row("sprites in int8: PSNR to those in f32", features.psnr(pictures, int8), "dB", least=30)
        row("sprites in int8: distance, of f32's", distance(int8) / base, most=1.05)
        q4 = Model(narrowed(folder, "q4"), "int8").generate(classes, 0)
        row("sprites in q4: PSNR to those in f32", features.psnr(pictures, q4), "dB")
        row("sprites in q4: distance, of f32's", distance(q4) / base, most=1.15)


def fast(distance):
    """Takes turns with the recommended setting; processor time of one thread."""
    model = Model(sprites.model(), "int8", threads=1)
    wishes = next(wishes for name, wishes in fewer_passes.SETTINGS if "(--fast)" in name)
    pictures, speeds = ([], []), []
    for first in range(0, COUNT, PART):
        seconds = []
        for part, setting in zip(pictures, ({}, wishes)):
            begin = time.process_time()
            part.append(model.generate(np.arange(first, first + PART) % model.classes, first, **setting))
            seconds.append(time.process_time() - begin)
        speeds.append(seconds[0] / seconds[1])
    recommended, quick = (distance(np.concatenate(part)) for part in pictures)
    row("sprites, --fast: speed, of the recommended setting's", statistics.median(speeds), least=1.8)
    row("sprites, --fast: distance, of the recommended setting's", quick / recommended, most=1.05)


def main():
    distance = features.Distance(sprites.real(REAL))
    narrow_numbers(distance)
    fast(distance)
    if "--bench" not in sys.argv[1:]:
        print("quality: %d passed, %d failed" % (passed, failed))
        sys.exit(failed > 0)


if __name__ == "__main__":
    main()
