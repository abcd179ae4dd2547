#!/usr/bin/env python3
"""What narrow numbers cost the sprite model: its pictures in int8 (q8 weights) and in q4 beside those in f32.

512 pictures at the recommended setting, the same seeds throughout; the distance to real sprites is that of features.py.
Beside it two runs in f32 with different seeds show what a distance is worth. It fails if int8 is too far from real
sprites or from f32, or q4 from real sprites. Needs numpy, build/libdit.so and build/dit-convert. One of the longer checks (.ci/run).
"""
import os
import subprocess
import sys
import tempfile

import numpy as np

import features
import sprites
from libdit import Model

COUNT, REAL, OTHER_SEEDS = 512, 2048, 1 << 20
PSNR_INT8, DISTANCE_INT8, DISTANCE_Q4 = 30, 1.05, 1.15

passed = failed = 0


def check(what, good):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print("  FAILED: " + what)


def narrowed(folder, kind):
    path = os.path.join(folder, kind + ".gguf")
    subprocess.run([os.path.join(sprites.ROOT, "build", "dit-convert"), sprites.model(), "--type", kind, "-o", path, "--quiet"],
                   check=True)
    return path


def main():
    distance = features.Distance(sprites.real(REAL))
    with tempfile.TemporaryDirectory() as folder:
        f32 = Model(sprites.model(), "f32")
        classes = np.arange(COUNT) % f32.classes
        pictures = {"f32": f32.generate(classes, 0), "f32, other seeds": f32.generate(classes, OTHER_SEEDS),
                    "int8": Model(narrowed(folder, "q8"), "int8").generate(classes, 0),
                    "q4 as int8": Model(narrowed(folder, "q4"), "int8").generate(classes, 0)}
    base = distance(pictures["f32"])
    table = {name: (distance(p), features.psnr(pictures["f32"], p)) for name, p in pictures.items()}
    print("  note: %d pictures against %d real sprites" % (COUNT, REAL))
    for name, (own, psnr) in table.items():
        print("  note: %-17s distance %.3f (%.3f of f32's), PSNR to f32 %.1f dB" % (name, own, own / base, psnr))
    check("int8 is %.1f dB from f32" % table["int8"][1], PSNR_INT8 <= table["int8"][1] < float("inf"))
    check("int8 is too far from real sprites", table["int8"][0] <= DISTANCE_INT8 * base)
    check("q4 is too far from real sprites", table["q4 as int8"][0] <= DISTANCE_Q4 * base)
    print("quality: %d passed, %d failed" % (passed, failed))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
