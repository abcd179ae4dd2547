#!/usr/bin/env python3
"""Writes the checkpoints of this folder with PyTorch, and what they hold.

    python3 make.py [--out FOLDER] [--newer]

NAME.pt is what torch.save wrote. NAME.txt lists the floating-point tensors of its state dict in order, a line each:
name, f32 f16 bf16 f64 e4m3 or e5m2, the extents. NAME.f32 has their elements as float32, row-major, one tensor after the other,
as numpy has them.
"""
import argparse
import collections
import os

import numpy as np
import torch

KINDS = {torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16", torch.float64: "f64"}
FLOAT8 = {getattr(torch, "float8_" + name, name): kind for name, kind in (("e4m3fn", "e4m3"), ("e5m2", "e5m2"))}


def values(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def tensor(seed, kind, *shape):
    return torch.from_numpy(values(seed, *shape)).to(kind)


def as_float32(t):
    if t.dtype == torch.bfloat16:  # numpy has none: its bits are the upper half of a float32's
        bits = t.detach().clone(memory_format=torch.contiguous_format).view(torch.int16).numpy().view(np.uint16)
        return (bits.reshape(-1).astype(np.uint32) << 16).view(np.float32)
    if t.dtype in FLOAT8:
        t = t.to(torch.float32)
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(t.detach().numpy().astype(np.float32))


def write(name, content, state, **options):
    torch.save(content, name + ".pt", **options)
    listed = [(key, t) for key, t in state.items() if torch.is_tensor(t) and (t.dtype in KINDS or t.dtype in FLOAT8)]
    with open(name + ".txt", "w") as f:
        for key, t in listed:
            print(key, (KINDS | FLOAT8)[t.dtype], *t.shape, file=f)
    with open(name + ".f32", "wb") as f:
        for _, t in listed:
            f.write(as_float32(t).astype("<f4").tobytes())


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.proj = torch.nn.Conv2d(2, 3, 2)
        self.norm = torch.nn.BatchNorm1d(3)  # with a counter, an integer
        self.half = torch.nn.Linear(4, 3).half()


def kinds():
    """Every element type, and the numbers at the ends of each."""
    extremes = [0.0, -0.0, 1.0, -1.5, float("inf"), -float("inf"), 1 / 3, 65504.0, 65520.0, 6e-8, 5.96e-8, 1e-45, 3.4e38,
                1e39, -1e300, 1 + 2.0 ** -24, 1 + 3 * 2.0 ** -24, 2.0 ** -149, 2.0 ** -150, 1.5 * 2.0 ** -149]
    state = collections.OrderedDict()
    for kind, name in KINDS.items():
        state["extremes." + name] = torch.tensor(extremes, dtype=torch.float64).to(kind)
        state["matrix." + name] = tensor(1, kind, 3, 5)
        state["scalar." + name] = tensor(2, kind)
        state["empty." + name] = torch.zeros(0, 3, dtype=kind)
    for kind in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool, torch.complex64):
        state["skipped." + str(kind)] = torch.ones(3, dtype=kind)
    return state


def views():
    """Tensors that share storages, begin inside them, and run through them in other orders."""
    base = tensor(3, torch.float32, 6, 8)
    half = tensor(4, torch.float16, 4, 3, 5)
    state = collections.OrderedDict()
    state["whole"] = base
    state["again"] = base
    state["rows"] = base[2:4]
    state["columns"] = base[:, 3:6]
    state["transposed"] = base.t()
    state["every_other"] = base[1::2, ::3]
    state["diagonal"] = base.diagonal()
    state["last"] = base[5, 7]
    state["middle_extent_of_one"] = base[:, None, :]
    state["permuted"] = half.permute(2, 0, 1)
    state["pairs"] = half.transpose(1, 2)[1:3]
    state["overlapping_windows"] = base.view(-1).as_strided((4, 6), (3, 1), 2)
    state["channels_last"] = tensor(5, torch.float32, 2, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    state["parameter"] = torch.nn.Parameter(tensor(6, torch.float64, 2, 2).t())
    state["eight.dimensions"] = tensor(7, torch.bfloat16, 1, 2, 1, 2, 1, 1, 3, 1)
    return state


def train():
    """What a training run saves: model, moving average, a real optimizer's state and the options."""
    net, ema = Net(), collections.OrderedDict()
    for key, t in net.state_dict().items():
        ema[key] = t.clone() * 2
    optimizer = torch.optim.AdamW([p for p in net.parameters() if p.dtype == torch.float32], lr=1e-4)
    net.norm(net.proj(torch.ones(4, 2, 2, 2)).flatten(1)).sum().backward()
    optimizer.step()
    options = argparse.Namespace(model="DiT-S/2", image_size=256, lr=1e-4, resume=None, flags=[True, False], raw=b"\0\1",
                                 ids={1, 2}, big=1 << 80, small=-(1 << 40), device=torch.device("cpu"),
                                 shape=torch.Size([2, 3]), kind=torch.float16, unicode="\u00e9\u4e2d\U0001f600")
    return {"model": net.state_dict(), "ema": ema, "opt": optimizer.state_dict(), "args": options, "epoch": 3}


def newer():
    """What came with PyTorch 2: float8, and parameters with attributes; and a view that is refused."""
    state = collections.OrderedDict()
    every = torch.arange(256, dtype=torch.uint8)
    for kind, name in FLOAT8.items():
        state["every." + name] = every[~every.view(kind).float().isnan()].view(kind)
        state["rows." + name] = every.view(16, 16).t()[3:5].view(kind)
    state["half"] = torch.nn.Parameter(tensor(9, torch.float16, 3))
    state["half"].no_weight_decay = True
    write("newer", state, state)
    x = tensor(10, torch.float32, 2, 3)
    torch.save({"a": x, "negated": torch.complex(x, x).conj().imag}, "negated.pt")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--newer", action="store_true", help="only what needs PyTorch 2")
    options = parser.parse_args()
    os.chdir(options.out)
    if options.newer:
        return newer()

    for protocol in (2, 3, 4, 5):
        state = Net().state_dict()
        write(f"protocol{protocol}", state, state, pickle_protocol=protocol)
        content = train()
        write(f"train{protocol}", content, content["ema"], pickle_protocol=protocol)
    write("kinds", kinds(), kinds())
    write("views", views(), views())
    small = {"a": tensor(8, torch.float32, 2, 2)}
    write("smallest", small, small)
    write("state_dict", {"state_dict": small, "model": {"wrong": torch.zeros(1)}, "epoch": 1}, small)
    write("model", {"ema": None, "model": small, "loss": 0.5}, small)
    old = {"_use_new_zipfile_serialization": False}                           # the format before version 1.6
    write("legacy", small, small, **old)
    write("legacy_views", views(), views(), **old)
    for protocol in (2, 4):
        content = train()
        write(f"legacy_train{protocol}", content, content["ema"], pickle_protocol=protocol, **old)
    net = torch.nn.Linear(2, 2)
    torch.save(net, "module.pt")                                              # refused: a whole module
    torch.jit.save(torch.jit.script(net), "script.pt")                        # refused: a program
    torch.save([1, 2.5, "no tensors"], "plain.pt")                            # refused: no state dict


if __name__ == "__main__":
    main()
