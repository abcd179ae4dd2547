#!/usr/bin/env python3
"""Time and quality of settings that take fewer passes, as a table and a plot: docs/fewer-passes.md.

    tests/quality/fewer_passes.py [--count 512] [--model MODEL.gguf] [--plot docs/fewer-passes.png]

Time is processor seconds of one thread, decoding included, so that other work on the machine counts little; distance is
the Frechet distance of features.py to as many real sprites, of pictures with the same seeds and classes. Needs numpy,
build/libdit.so and, for the plot, matplotlib.
"""
import argparse
import time

import numpy as np

import features
import sprites
from libdit import SAMPLERS, Model

EVEN, TRAILING = 1, 4  # DIT_SPACING_*
LATE = dict(guidance_start=0.4, guidance_end=0.9)

# Of the sprite model, which takes 10 steps of dpm++ by itself (linspace).
SETTINGS = [
    ("recommended", dict()),
    ("guidance from 0.4 to 0.9", LATE),
    ("guidance up to 0.7", dict(guidance_end=0.7)),
    ("no guidance", dict(guidance_scale=1.0)),
    ("7 steps", dict(steps=7)),
    ("5 steps", dict(steps=5)),
    ("7 steps, trailing", dict(steps=7, timestep_spacing=TRAILING)),
    ("10 steps, even", dict(timestep_spacing=EVEN)),
    ("7 steps, even", dict(steps=7, timestep_spacing=EVEN)),
    ("7 steps, even, guidance from 0.4 to 0.9", dict(steps=7, timestep_spacing=EVEN, **LATE)),
    ("6 steps, even, guidance from 0.4 to 0.9 (--fast)", dict(steps=6, timestep_spacing=EVEN, **LATE)),
    ("--cache-interval 2", dict(cache_interval=2)),
    ("20 steps", dict(steps=20)),
    ("20 steps, even, guidance from 0.4 to 0.9", dict(steps=20, timestep_spacing=EVEN, **LATE)),
    ("20 steps, --cache-interval 2", dict(steps=20, cache_interval=2)),
    ("DDIM, 50 steps", dict(sampler=SAMPLERS["ddim"], timestep_spacing=2, steps=50)),
    ("DDIM, 50 steps, --cache-interval 2", dict(sampler=SAMPLERS["ddim"], timestep_spacing=2, steps=50, cache_interval=2)),
    ("DDIM, 50 steps, --cache-interval 3", dict(sampler=SAMPLERS["ddim"], timestep_spacing=2, steps=50, cache_interval=3)),
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
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    figure, axis = plt.subplots(figsize=(10, 5), constrained_layout=True)
    for number, (name, seconds, distance, _) in enumerate(rows, 1):
        x, y = rows[0][1] / seconds, distance / rows[0][2]
        axis.plot(x, y, "o", color="tab:blue", label="%d  %s" % (number, name))
        axis.annotate(str(number), (x, y), xytext=(4, 4), textcoords="offset points")
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xticks([0.25, 0.5, 1, 1.8, 2.5], ["0.25", "0.5", "1", "1.8", "2.5"])
    axis.set_yticks([0.8, 1, 1.05, 2, 4], ["0.8", "1", "1.05", "2", "4"])
    axis.minorticks_off()
    axis.grid(True, alpha=0.4)
    axis.set_xlabel("speed, of the recommended setting's")
    axis.set_ylabel("Frechet distance to real sprites, of the recommended setting's")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), handlelength=0, handletextpad=0, markerscale=0, frameon=False)
    figure.savefig(path, dpi=80)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=512)
    parser.add_argument("--model", default=sprites.model())
    parser.add_argument("--plot")
    a = parser.parse_args()
    print("| | setting | time per picture | speed | distance | relative distance | similarity |\n|---|---|---|---|---|---|---|")
    rows = measure(Model(a.model, "int8", threads=1), features.Distance(sprites.real(2048)), a.count)
    if a.plot:
        plot(a.plot, rows)


if __name__ == "__main__":
    main()
