#!/usr/bin/env python3
# compare.py - several trained transformers side by side: a table, a plot of their losses, a row of pictures of each.
# SPDX-License-Identifier: CC0-1.0
#
#   compare.py WORK... --out FOLDER
#
# WORK: a work folder in which train.py dit and train.py evaluate have run; the model file is WORK/model.gguf. Needs matplotlib.

import argparse
import json
import os

import matplotlib
import numpy as np
import torch

from libdit import LIBRARY, Model
from models import KINDS
from sheet import sheet

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

COLOURS = ["#1f5fa8", "#c0392b", "#27864a", "#8e44ad", "#b9770e", "#333333"]


def multiply_adds(size, patch, channels, hidden, depth, ratio, block, sigma=True, **_):
    """Of a pass of one picture, as the paper counts them ("Gflops")."""
    kind, d, values = KINDS[block], hidden, patch * patch * channels
    tokens = (size // patch) ** 2
    rows = tokens + 2 * kind.tokens
    each = rows * (4 + 2 * ratio) * d * d + 2 * rows * rows * d + kind.chunks * d * d
    if kind.cross:
        each += tokens * 2 * d * d + 2 * 2 * d * d + 2 * tokens * 2 * d
    last = tokens * d * values * (3 if sigma else 2) + (2 * d * d if kind.chunks else 0)
    return depth * each + last + 256 * d + d * d


def read(work):
    c = torch.load(os.path.join(work, "dit.pt"), map_location="cpu")
    with open(os.path.join(work, "figures.json")) as f:
        figures = json.load(f)
    return dict(name=c["config"]["block"], config=c["config"], steps=c["step"], history=np.array(c["held_out"]),
                parameters=sum(w.numel() for k, w in c["ema"].items() if k != "pos_embed"), figures=figures)


def settings(figures):
    """Pairs of the words of a setting and (multiple of the Frechet distance between real sets, share recognised)."""
    s = figures["settings"]
    return [("%s %d, guidance %g" % (*row, g), cell) for row, cells in zip(s["rows"], s["cells"])
            for g, cell in zip(s["guidances"], cells)]


def table(runs):
    head = [name for name, _ in settings(runs[0]["figures"])]
    print("| block | parameters | GFLOP a pass | held-out error | " + " | ".join(head) + " |")
    print("|---" * (4 + len(head)) + "|")
    for r in runs:
        cells = ["%.2f x, %.1f %%" % tuple(c) for _, c in settings(r["figures"])]
        print("| %s | %.2f M | %.4f | %.4f | %s |" % (r["name"], r["parameters"] / 1e6, 2e-9 * multiply_adds(**r["config"]),
                                                     r["history"][-1, 1], " | ".join(cells)))


def plot(path, runs):
    """Left the error on held-out pictures over the steps, right the Frechet distance of each setting."""
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.6), gridspec_kw=dict(width_ratios=[3, 2]))
    for r, colour in zip(runs, COLOURS):
        h = r["history"][1:]
        left.plot(h[:, 0], h[:, 1], color=colour, label=r["name"])
    left.set(xlabel="steps", ylabel="error of the noise, held out", xscale="log", yscale="log")
    ticks = [t for t in (100, 200, 300, 500, 1000, 2000, 5000) if h[0, 0] <= t <= h[-1, 0]]
    left.set_xticks(ticks, map(str, ticks))
    left.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    left.yaxis.set_minor_formatter(matplotlib.ticker.FormatStrFormatter("%.2f"))
    left.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%.2f"))
    left.legend(frameon=False)
    names = [n for n, _ in settings(runs[0]["figures"])]
    for i, (r, colour) in enumerate(zip(runs, COLOURS)):
        y = [cell[0] for _, cell in settings(r["figures"])]
        right.bar(np.arange(len(y)) + (i - (len(runs) - 1) / 2) * 0.8 / len(runs), y, 0.8 / len(runs), color=colour)
    right.set_xticks(range(len(names)), [n.split(", ")[1] for n in names])
    right.set(ylabel="Fréchet distance, multiple of real")
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def main():
    ap = argparse.ArgumentParser(description="Several trained transformers side by side.")
    ap.add_argument("work", nargs="+", help="work folders")
    ap.add_argument("--out", default=".", help="folder for conditioning.png and conditioning_samples.png")
    ap.add_argument("--library", default=LIBRARY)
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    runs = [read(w) for w in a.work]
    table(runs)
    plot(os.path.join(a.out, "conditioning.png"), runs)
    pictures = []
    for w in a.work:
        model = Model(os.path.join(w, "model.gguf"), threads=1, library=a.library)
        pictures.append(model.generate(np.arange(model.classes), a.seed))
    sheet(np.concatenate(pictures), len(pictures[0]), 2).save(os.path.join(a.out, "conditioning_samples.png"))


if __name__ == "__main__":
    main()
