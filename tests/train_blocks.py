#!/usr/bin/env python3
"""The paper's blocks in weights/train/models.py against the golden vectors of another program, in float64, and libdit
against PyTorch with models that were trained.

    train_blocks.py [FOLDER...]     FOLDER: of train.py export, beside the model file FOLDER.gguf made of it in f16

It fails if a formula or a tensor's name is not that of tests/golden/family/paper_blocks, if a tensor is not used, or if
export, dit-convert or libdit makes another network of a trained one.
"""
import json
import os
import sys
import zlib

import numpy as np
import torch

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "weights", "train"))
from diffusion import guided
from export import load
from libdit import Model
from models import DiT

SET = os.path.join(ROOT, "tests", "golden", "family", "paper_blocks")
M64 = (1 << 64) - 1


def units(name, count):
    """The hash of synthetic weights, in [-1, 1)."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & M64
    with np.errstate(over="ignore"):
        x = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return ((x >> np.uint64(40)).astype(np.int64) - (1 << 23)).astype(np.float32) * np.float32(2.0 ** -23)


def weights(file):
    """The tensors that a list describes."""
    with open(os.path.join(SET, file)) as f:
        salt, *lines = f.read().splitlines()
    out = {}
    for line in lines:
        name, extents, scale, offset, crc = line.split()
        shape = [int(n) for n in extents.split("x")]
        v = units(salt[len("# salt "):] + name, int(np.prod(shape))) * np.float32(scale) + np.float32(offset)
        if zlib.crc32(v.tobytes()) != int(crc, 16):
            raise SystemExit("%s: %s is not the tensor that the list means" % (file, name))
        out[name] = torch.from_numpy(v.reshape(shape)).double()
    return out


def array(name, part):
    return torch.from_numpy(np.load(os.path.join(SET, "%s__%s.npy" % (name, part))))


def golden_cases():
    """Yields the name and the error of each case."""
    with open(os.path.join(SET, "manifest.json")) as f:
        manifest = json.load(f)
    nets = {}
    for name, g in manifest["models"].items():
        nets[name] = DiT(g["latent"], g["patch"], g["in_channels"], g["hidden"], g["depth"], g["heads"], g["classes"],
                         g["mlp_hidden"] / g["hidden"], g["conditioning"], g["out_channels"] > g["in_channels"]).double().eval()
        nets[name].load_state_dict(weights(g["tensors"]))
    for case in manifest["cases"]:
        name, p = case["name"], case["params"]
        net, truth = nets[p["model"]], array(name, "out")
        out = guided(net, array(name, "x").double(), array(name, "t").double(), array(name, "y"), p.get("cfg", 1), p.get("channels"))
        yield name, relative(out, truth[:len(out)])


def trained(folder):
    """The same for a model that was trained, exported to FOLDER, and converted to FOLDER.gguf: libdit and PyTorch."""
    _, net, _ = load(folder)
    rng = np.random.default_rng(3)
    t, y = np.array([0, 17, 500, 999]), np.array([0, net.classes - 1, net.classes, 1])
    x = rng.standard_normal((len(t), net.channels, net.size, net.size)).astype(np.float32)
    ours = Model(folder + ".gguf", "f32", 1).forward(x, t, np.where(y == net.classes, -1, y))
    return relative(torch.from_numpy(ours).double(), net.double()(*(torch.from_numpy(v) for v in (x.astype(np.float64), t, y))))


def relative(out, truth):
    return ((out - truth).norm() / truth.norm()).item()


@torch.no_grad()
def main():
    passed = 0
    cases = [(n, e, 1e-12) for n, e in golden_cases()] + [(f, trained(f), 2e-6) for f in sys.argv[1:]]
    for name, error, most in cases:
        print("  %-30s %.1e%s" % (name, error, "" if error <= most else "  FAILED: at most %.0e" % most))
        passed += error <= most
    print("train_blocks: %d passed, %d failed" % (passed, len(cases) - passed))
    return passed < len(cases)


sys.exit(main())
