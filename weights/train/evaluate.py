# evaluate.py - how good a model file is: figures, a table of settings, and pictures to look at.
# SPDX-License-Identifier: CC0-1.0
#
# The file is run by libdit itself, so that the figures are of what a program will get. "Real" pictures are the held-out
# ones; a small classifier, trained once on the training pictures, says what is recognised, and its 64 features are
# what the Frechet distance (Heusel et al. 2017) compares.

import json
import os

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import data
from libdit import SAMPLERS, Model
from sheet import sheet

SPACINGS = {"ddpm": 1, "ddim": 2, "dpm++": 5}  # the official ones, and linspace


def generate(model, labels, sampler, steps, guidance):
    return model.generate(labels, 1000, sampler=SAMPLERS[sampler], timestep_spacing=SPACINGS[sampler], steps=steps, guidance_scale=guidance)


# ----------------------------------------------------------------- classifier and Frechet distance


class Classifier(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, 24, 3, 2, 1), nn.ReLU(), nn.Conv2d(24, 48, 3, 2, 1), nn.ReLU(),
                                  nn.Conv2d(48, 64, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
                                  nn.Linear(1024, 64))
        self.head = nn.Linear(64, classes)

    def forward(self, x):
        return self.head(F.relu(self.body(x)))


def look(images):
    return data.premultiply(data.to_x(images))


def classifier(a, d):
    """Trained on the training pictures with a fixed seed, and kept in the work folder."""
    net = Classifier(d["images"].shape[3], len(d["names"]))
    path = os.path.join(a.work, "classifier.pt")
    if os.path.exists(path):
        net.load_state_dict(torch.load(path))
        return net.eval()
    torch.manual_seed(1)
    net.apply(lambda m: m.reset_parameters() if hasattr(m, "reset_parameters") else None)
    rng, steps = np.random.default_rng(1), min(2500, len(d["labels"]))
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=1e-2)
    for step in range(steps):
        for g in optimizer.param_groups:
            g["lr"] = 2e-3 * min(1, 2 * (1 - step / steps))
        j = rng.integers(len(d["labels"]), size=128)
        x = look(d["images"][j])
        x = torch.roll(x, tuple(rng.integers(-1, 2, 2)), (2, 3)) + 0.05 * torch.randn(x.shape)
        loss = F.cross_entropy(net(x), torch.from_numpy(d["labels"][j]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.save(net.state_dict(), path)
    return net.eval()


@torch.no_grad()
def features(net, images):
    return torch.cat([net.body(look(images[i:i + 200])) for i in range(0, len(images), 200)])


@torch.no_grad()
def recognised(net, images, labels):
    return float((net.head(F.relu(features(net, images))).argmax(1).numpy() == labels).mean())


def root(m):
    """The square root of a symmetric matrix without negative eigenvalues."""
    w, v = np.linalg.eigh(m)
    return (v * np.sqrt(w.clip(0))) @ v.T


def frechet(a, b):
    """Between the normal distributions fitted to two sets of features."""
    a, b = a.double().numpy(), b.double().numpy()
    ca, cb = np.cov(a.T), np.cov(b.T)
    r = root(ca)
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * root(r @ cb @ r)))


# ----------------------------------------------------------------- nearest neighbours


def nearest(images, training, count):
    """For each picture the `count` nearest training pictures and their distances (root mean square, premultiplied)."""
    flat = lambda im: look(im).flatten(1)
    x = flat(images)
    best, index = torch.full((len(x), count), 1e9), torch.zeros((len(x), count), dtype=torch.long)
    for i in range(0, len(training), 2000):
        part = flat(training[i:i + 2000])
        distance = ((x ** 2).sum(1)[:, None] + (part ** 2).sum(1)[None] - 2 * x @ part.T).clamp(min=0)
        distance = (distance / x.shape[1]).sqrt()
        best, order = torch.cat([best, distance], 1).topk(count, largest=False)
        index = torch.cat([index, torch.arange(i, i + len(part)).expand(len(x), -1)], 1).gather(1, order)
    return best.numpy(), index.numpy()


# ----------------------------------------------------------------- the plot of settings


def plot(path, rows, guidances, ratios):
    """Frechet distances over the guidance, a line for each sampler and number of steps; logarithmic."""
    from PIL import Image, ImageDraw
    width, height, left, bottom = 640, 400, 50, 40
    colours = ["#1f5fa8", "#c0392b", "#27864a", "#8e44ad", "#b9770e", "#333333"]
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    low, high = np.log(min(1.0, np.min(ratios))), np.log(np.max(ratios) * 1.1)
    px = lambda g: left + (g - min(guidances)) / max(max(guidances) - min(guidances), 1e-9) * (width - left - 130)
    py = lambda r: 20 + (high - np.log(r)) / (high - low) * (height - bottom - 20)
    for r in (1, 2, 5, 10, 20, 50, 100, 200):
        if low <= np.log(r) <= high:
            draw.line([(left, py(r)), (width - 130, py(r))], fill="#dddddd")
            draw.text((10, py(r) - 6), "%d x" % r, fill="black")
    for g in guidances:
        draw.text((px(g) - 8, height - bottom + 6), "%g" % g, fill="black")
    draw.text((left, height - 18), "guidance; Frechet distance as a multiple of that between two real sets", fill="black")
    below = 0
    for i in sorted(range(len(ratios)), key=lambda i: -ratios[i][-1]):  # from above, so that names do not overlap
        points = [(px(g), py(r)) for g, r in zip(guidances, ratios[i])]
        draw.line(points, fill=colours[i % 6], width=2)
        below = max(below + 12, points[-1][1] - 6)
        draw.text((points[-1][0] + 6, below), "%s %d" % (rows[i][0].upper(), rows[i][1]), fill=colours[i % 6])
    picture.save(path)


# ----------------------------------------------------------------- the command


def save(a, result):
    with open(os.path.join(a.work, "figures.json"), "w") as f:
        json.dump(result, f, indent=1)


def evaluate(a):
    d, model = data.load(a), Model(a.model, threads=a.threads, library=a.library)
    half = min(a.count, len(d["test_labels"]) // 2)
    real, other = d["test_images"][:half], d["test_images"][half:2 * half]
    net = classifier(a, d)
    real_features = features(net, real)
    floor = frechet(real_features, features(net, other))
    recommended = model.resolved()
    sampler, steps, guidance = {v: k for k, v in SAMPLERS.items()}[recommended.sampler], recommended.steps, recommended.guidance_scale
    report, result = (lambda text: print(text, flush=True)), {}

    x = data.to_x(d["test_images"][:2000])
    r = torch.from_numpy(model.reconstruct(x.numpy()))
    labels = np.arange(half) % len(d["names"])
    pictures = generate(model, labels, sampler, steps, guidance)
    worst = {str(n): recognised(net, pictures[labels == k], labels[labels == k]) for k, n in enumerate(d["names"])}
    result["main"] = main = {
        "autoencoder, dB": data.psnr(r, x),
        "soft alpha, reconstructed, %": 100 * data.soft_alpha(r, x),
        "soft alpha, generated, %": 100 * float(((pictures[..., 3] >= 32) & (pictures[..., 3] <= 223)).mean()),
        "recognised, real held-out, %": 100 * recognised(net, d["test_images"], d["test_labels"]),
        "recognised, generated, %": 100 * recognised(net, pictures, labels),
        "Frechet distance, two real sets": floor,
        "Frechet distance, generated": frechet(real_features, features(net, pictures)),
    }
    main["the second as a multiple of the first"] = main["Frechet distance, generated"] / floor
    report("%s: %s, %d steps, guidance %g; %d generated and %d real pictures" % (a.model, sampler, steps, guidance, half, half))
    for k, v in main.items():
        report("| %s | %.4g |" % (k, v))
    report("least recognised: " + ", ".join("%s %.1f %%" % (k, 100 * v) for k, v in sorted(worst.items(), key=lambda p: p[1])[:4]))
    save(a, result)

    ours, index = nearest(pictures[:256], d["images"], 7)
    theirs, _ = nearest(real[:256], d["images"], 1)
    result["nearest"] = [float(np.median(ours[:, 0])), float(ours[:, 0].min()), float(np.median(theirs)), float(theirs.min())]
    report("distance to the nearest training picture (256 pictures): generated median %.3f, least %.3f; held-out median %.3f, "
           "least %.3f" % tuple(result["nearest"]))
    k = min(16, len(d["names"]))
    shown = np.concatenate([np.concatenate([pictures[i:i + 1], d["images"][index[i]]]) for i in range(k)])
    sheet(shown, 8, 3).save(os.path.join(a.work, "nearest.png"))
    save(a, result)

    rows = [(s.split(":")[0], int(s.split(":")[1])) for s in a.settings.split(",")] if a.settings else []
    guidances = [float(g) for g in a.guidances.split(",")]
    table = []
    if rows:
        report("| | " + " | ".join("guidance %g" % g for g in guidances) + " |\n|---|" + "---|" * len(guidances))
    for sampler, steps in rows:
        cells = []
        for g in guidances:
            pictures = generate(model, labels, sampler, steps, g)
            cells.append((frechet(real_features, features(net, pictures)) / floor, 100 * recognised(net, pictures, labels)))
        table.append(cells)
        report("| %s %d | " % (sampler.upper(), steps) + " | ".join("%.2f x, %.1f %%" % c for c in cells) + " |")
        result["settings"] = dict(rows=rows[:len(table)], guidances=guidances, cells=table)
        save(a, result)
        plot(os.path.join(a.work, "settings.png"), rows, guidances, [[c[0] for c in row] for row in table])
