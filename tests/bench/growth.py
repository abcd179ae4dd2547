#!/usr/bin/python3
"""Draws how cost grows, docs/growth.png, from what build/bench measures on one thread:

    apt-get install python3-matplotlib
    make bench && tests/bench/growth.py [--plot docs/growth.png]

Time against steps, pictures of a batch, size and model, on logarithmic axes, beside the time that the same arithmetic
takes at the f32 limit of the same minute: a cliff would show as a step between the two lines."""
import argparse
import json
import os
import re
import subprocess

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

BENCH = os.path.dirname(os.path.abspath(__file__)) + "/../../build/bench"
PANELS = [("S/2, steps", "steps"), ("S/2, pictures", "pictures of a batch, one step"),
          ("S/2, side of the latent", "side of the latent, one step"),
          ("models, million parameters", "million parameters (S/2, B/2, L/2, XL/2), one step")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--plot", default="docs/growth.png")
    arguments = parser.parse_args()
    output = subprocess.run([BENCH, "--json", "--threads", "1", "--full", "--only", "growth"], capture_output=True,
                            text=True, check=True).stdout
    rows = json.loads(output)["rows"]
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.4), constrained_layout=True)
    for (what, label), axis in zip(PANELS, axes.flat):
        found = [(int(m[1]), r) for r in rows if (m := re.fullmatch(re.escape("growth: " + what) + r" (\d+)", r["name"]))]
        x = [value for value, _ in found]
        axis.loglog(x, [r["seconds"] for _, r in found], "o-", label="libdit, f32 from f16 weights")
        axis.loglog(x, [r["gflop"] / r["limit_gflops"] for _, r in found], "--", label="its arithmetic at the limit")
        axis.set_xticks(x, [str(value) for value in x])
        axis.minorticks_off()
        axis.set_xlabel(label)
        axis.set_ylabel("seconds")
        axis.grid(True, alpha=0.3)
        print("%s: %s of the limit" % (label, ", ".join("%d %.2f" % (v, r["value"]) for v, r in found)))
    axes[0][0].legend()
    figure.savefig(arguments.plot, dpi=80)


if __name__ == "__main__":
    main()
