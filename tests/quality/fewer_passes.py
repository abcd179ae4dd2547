#!/usr/bin/env python3
"""Time and quality of settings that take fewer passes, as a table and a plot: docs/fewer-passes.md.

    tests/quality/fewer_passes.py [--count 512] [--model MODEL.gguf] [--plot docs/fewer-passes.png]

Time is processor seconds of one thread, decoding included, so that other work on the machine counts little; distance is
the Frechet distance of features.py to as many real sprites, of pictures with the same seeds and classes. Needs numpy,
build/libdit.so and, for the plot, PIL.
"""
import argparse
import time

import numpy as np

import features
import sprites
from libdit import SAMPLERS, Model

EVEN, TRAILING = 1, 4  # DIT_SPACING_*
LATE = dict(guidance_from=0.4, guidance_to=0.9)

# Of the sprite model, which takes 10 steps of dpm++ by itself (linspace).
SETTINGS = [
    ("recommended", dict()),
    ("guidance from 0.4 to 0.9", LATE),
    ("guidance up to 0.7", dict(guidance_to=0.7)),
    ("no guidance", dict(guidance=1.0)),
    ("7 steps", dict(steps=7)),
    ("5 steps", dict(steps=5)),
    ("7 steps, trailing", dict(steps=7, spacing=TRAILING)),
    ("10 steps, even", dict(spacing=EVEN)),
    ("7 steps, even", dict(steps=7, spacing=EVEN)),
    ("7 steps, even, guidance from 0.4 to 0.9", dict(steps=7, spacing=EVEN, **LATE)),
    ("6 steps, even, guidance from 0.4 to 0.9 (--fast)", dict(steps=6, spacing=EVEN, **LATE)),
    ("--reuse 2", dict(reuse=2)),
    ("20 steps", dict(steps=20)),
    ("20 steps, even, guidance from 0.4 to 0.9", dict(steps=20, spacing=EVEN, **LATE)),
    ("20 steps, --reuse 2", dict(steps=20, reuse=2)),
    ("DDIM, 50 steps", dict(sampler=SAMPLERS["ddim"], spacing=2, steps=50)),
    ("DDIM, 50 steps, --reuse 2", dict(sampler=SAMPLERS["ddim"], spacing=2, steps=50, reuse=2)),
    ("DDIM, 50 steps, --reuse 3", dict(sampler=SAMPLERS["ddim"], spacing=2, steps=50, reuse=3)),
]


def measure(model, distance, count):
    """Rows of (name, seconds a picture, distance, PSNR to the recommended setting's pictures)."""
    rows, first = [], None
    for name, wishes in SETTINGS:
        begin = time.process_time()
        pictures = model.generate(np.arange(count) % model.classes, 0, **wishes)
        seconds = (time.process_time() - begin) / count
        first = pictures if first is None else first
        rows.append((name, seconds, distance(pictures), features.psnr(first, pictures)))
        name, seconds, own, psnr = rows[-1]
        print("| %d | %s | %.0f ms | %.2f | %.3f | %.3f | %s |" % (len(rows), name, 1000 * seconds, rows[0][1] / seconds, own, own / rows[0][2],
                                                            "" if len(rows) == 1 else "%.1f dB" % psnr), flush=True)
    return rows


def plot(path, rows):
    """A point for each setting: speed to the right, distance upwards, both as multiples of the recommended one's."""
    from PIL import Image, ImageDraw
    width, height, left, right, top, bottom = 960, 460, 60, 350, 30, 50
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    speeds, distances = [rows[0][1] / r[1] for r in rows], [r[2] / rows[0][2] for r in rows]
    low, high = min(distances + [0.95]) - 0.02, max(distances + [1.05]) + 0.02
    px = lambda x: left + (x - 0.8) / (max(speeds) + 0.2 - 0.8) * (width - left - right)
    py = lambda y: height - bottom - (y - low) / (high - low) * (height - top - bottom)
    for y in (1, 1.05):
        draw.line([(left, py(y)), (width - right, py(y))], fill="#999999")
        draw.text((8, py(y) - 6), "x %.2f" % y, fill="black")
    for x in range(1, int(max(speeds)) + 1):
        draw.line([(px(x), top), (px(x), height - bottom)], fill="#dddddd")
        draw.text((px(x) - 6, height - bottom + 6), "x %d" % x, fill="black")
    draw.line([(px(1.8), top), (px(1.8), height - bottom)], fill="#999999")
    draw.text((px(1.8) - 10, height - bottom + 6), "x 1.8", fill="black")
    for number, (x, y) in enumerate(zip(speeds, distances), 1):
        draw.ellipse([px(x) - 4, py(y) - 4, px(x) + 4, py(y) + 4], fill="#1f5fa8")
        draw.text((px(x) + 7, py(y) - 6), str(number), fill="black")
        draw.text((width - right + 12, top + 16 * number), "%2d  %s" % (number, rows[number - 1][0]), fill="black")
    draw.text((left, height - 20), "speed; upwards the Frechet distance to real sprites (lower is better)", fill="black")
    picture.save(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=512)
    parser.add_argument("--model", default=sprites.model())
    parser.add_argument("--plot")
    a = parser.parse_args()
    print("| | setting | time a picture | speed | distance | of the recommended | likeness |\n|---|---|---|---|---|---|---|")
    rows = measure(Model(a.model, "int8", threads=1), features.Distance(sprites.real(2048)), a.count)
    if a.plot:
        plot(a.plot, rows)


if __name__ == "__main__":
    main()
