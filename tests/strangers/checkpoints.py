#!/usr/bin/env python3
"""Random checkpoints, written by the package safetensors or by PyTorch, go through dit-convert; the package gguf opens the
model file and must find the numbers that were saved, in the type that was asked for, and the right keys. Fails if a
number or a key differs, if a sound file is refused, if one that cannot be converted is not, if a refusal has no sentence
or leaves a file behind, or if our own reader lists the model file otherwise.

    tests/strangers/checkpoints.py safetensors|torch [--count N] [--seed N] [--only CASE]

One of the longer checks (.ci/run). Needs numpy, PyTorch, safetensors and gguf; less than a minute for 1,000 files.
"""
import argparse
import collections
import json
import os
import pathlib
import sys

import numpy as np
import safetensors
import safetensors.torch
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common  # noqa: E402
import layouts  # noqa: E402
import networks  # noqa: E402
from model_file import ModelFile  # noqa: E402

WRITER = sys.argv.pop(1) if len(sys.argv) > 1 else ""
bench = common.Bench(WRITER, __doc__.split("\n")[0])
check = bench.report.check
FLOAT8 = {"f8_e4m3": "float8_e4m3fn", "f8_e5m2": "float8_e5m2"}
KINDS = ["f32", "f16", "bf16", "f64"] + [kind for kind in FLOAT8 if hasattr(torch, FLOAT8[kind])]
TYPES = ("f32", "f16", "bf16", "q8", "q4")
LARGE = tuple(end + ".weight" for end in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2", "adaLN_modulation.1"))
WHOLE = "dit:hidden=48,depth=2,heads=3,patch=2,latent=8,in=4,classes=1000"
IS_2 = int(torch.__version__.split(".")[0]) >= 2


# ---- Random state dicts ----


def as_tensor(kind, numbers):
    if kind == "bf16":
        return torch.from_numpy(numbers.view(np.int16)).view(torch.bfloat16)
    if kind in FLOAT8:
        return torch.from_numpy(numbers).view(getattr(torch, FLOAT8[kind]))
    return torch.from_numpy(numbers)


def random_state(shapes, rng):
    """(tensors, the same as float32, whether they are finite)."""
    main, mixed, wild = str(rng.choice(KINDS)), rng.random() < 0.3, rng.random() < 0.06
    tensors, values = collections.OrderedDict(), {}
    for name, shape in shapes.items():
        kind = str(rng.choice(KINDS)) if mixed else main
        numbers = networks.random_numbers(kind, shape, wild, rng)
        if rng.random() < 0.003 / 8 and kind in ("f32", "f16", "f64"):
            numbers.flat[rng.integers(numbers.size)] = rng.choice([np.nan, np.inf, -np.inf])
        tensors[name], values[name] = as_tensor(kind, numbers), networks.as_float(kind, numbers)
    return tensors, values


class Case:
    """What is converted, and what must come of it."""

    def __init__(self, rng):
        self.rng, self.words, self.values, self.keys = rng, [], {}, {"general.architecture": "dit", "general.alignment": 64}
        self.arguments, self.inputs = [], []
        self.must = True  # a refusal would be a failure
        self.approximate = None  # the name of a tensor that was not in the file
        self.networks = []
        with_dit, with_vae = ((True, False), (True, False), (False, True), (True, True))[int(rng.integers(4))]
        latent = 4
        if with_dit:
            geometry = networks.random_transformer(rng)
            latent = geometry["in"]
            self.add_transformer(geometry)
        if with_vae:
            self.add_autoencoder(networks.random_autoencoder(rng, latent))
        self.add_texts()

    def add_transformer(self, g):
        rng, shapes = self.rng, networks.transformer_shapes(g)
        tensors, values = random_state(shapes, rng)
        layout = str(rng.choice(["official", "official", "diffusers"]))
        if layout == "diffusers":
            tensors = layouts.diffusers_layout(tensors, g["depth"], bool(rng.random() < 0.5))
        elif rng.random() < 0.2:
            del tensors["pos_embed"]
            layout = "official without pos_embed"
        if layout != "official":
            self.approximate, values["pos_embed"] = "pos_embed", positions(g["hidden"], g["latent"] // g["patch"])
            self.arguments += ["--latent", str(g["latent"])]
        self.arguments += ["--family", "dit", "--heads", str(g["heads"]), "--guidance-channels", "all", "--null-class" if g["null"] else "--no-null-class"]
        classes = g["rows"] - g["null"]
        self.keys.update({"dit.hidden_size": g["hidden"], "dit.depth": g["depth"], "dit.heads": g["heads"], "dit.mlp_size": g["mlp"],
                          "dit.patch": g["patch"], "dit.latent_size": g["latent"], "dit.in_channels": g["in"],
                          "dit.learned_sigma": g["out"] != g["in"], "dit.class_count": classes, "dit.guidance_channels": -1,
                          "dit.null_class": classes if g["null"] else -1, "dit.timesteps": 1000, "dit.beta_end": 0.02})
        if rng.random() < 0.4:
            self.keys["dit.labels"] = ["%d %s" % (i, random_text(rng)) for i in range(classes)]
            with open(bench.path("labels.txt"), "w", encoding="utf-8") as file:
                file.write("".join(label + "\n" for label in self.keys["dit.labels"]))
            self.arguments += ["--labels", bench.path("labels.txt")]
        self.add(tensors, values, "", "DiT, %s" % layout)

    def add_autoencoder(self, g):
        tensors, values = random_state(networks.autoencoder_shapes(g), self.rng)
        layout = str(self.rng.choice(["new", "former", "CompVis"]))
        if layout == "former":
            tensors = layouts.former_layout(tensors)
        elif layout == "CompVis":
            tensors = layouts.compvis_layout(tensors, len(g["blocks"]), str(self.rng.choice(["", "first_stage_model."])))
        self.arguments += ["--groups", str(g["groups"]), "--scaling-factor", repr(g["scale"])]
        self.keys.update({"vae.block_channels": g["blocks"], "vae.layers": g["layers"], "vae.groups": g["groups"],
                          "vae.image_channels": g["image"], "vae.latent_channels": g["latent"], "vae.scaling_factor": g["scale"]})
        self.add(tensors, values, "vae.", "autoencoder, %s" % layout)

    def add(self, tensors, values, prefix, what):
        self.words.append(what)
        self.values.update((prefix + name, v) for name, v in values.items())
        path = bench.path("input-%d" % len(self.inputs))
        self.inputs.append(save_safetensors(self, path, tensors) if WRITER == "safetensors" else save_torch(self, path, tensors))

    def add_texts(self):
        for key, option in (("general.name", "--name"), ("general.license", "--license")):
            if self.rng.random() < 0.3:
                self.keys[key] = random_text(self.rng)
                self.arguments += [option, self.keys[key]]


def random_text(rng):
    letters = list("aZ09 .,:;'\"\\%/-_é€漢字ß😀\u0301")
    return "x" + "".join(rng.choice(letters, int(rng.integers(1, 20)))) + "x"


def positions(hidden, grid):
    """The position table of the official code."""
    omega = 1.0 / 10000 ** (np.arange(hidden // 4) / (hidden / 4.0))
    rows, columns = (n.reshape(-1) for n in np.indices((grid, grid)))
    parts = [f(np.outer(place, omega)) for place in (columns, rows) for f in (np.sin, np.cos)]
    return np.concatenate(parts, axis=1)[None].astype(np.float32)


# ---- Files ----


def plain_extras(rng):
    """Tensors that are no weights, and are left out."""
    out = {}
    for name, t in (("position_ids", torch.arange(7)), ("steps", torch.tensor(5)), ("flags", torch.tensor([True, False])),
                    ("bytes", torch.zeros(0, 3, dtype=torch.uint8)), ("small", torch.ones(2, dtype=torch.int16))):
        if rng.random() < 0.1:
            out[name] = t
    return out


def save_safetensors(case, path, tensors):
    rng, items = case.rng, [(name, t.contiguous().clone()) for name, t in tensors.items()]
    items += plain_extras(rng).items()
    rng.shuffle(items)
    metadata = {"format": "pt", random_text(rng): random_text(rng)} if rng.random() < 0.5 else None
    if rng.random() < 0.8:
        safetensors.torch.save_file(dict(items), path + ".safetensors", metadata)
        case.words.append("safetensors")
        return path + ".safetensors"
    count, weight_map = int(rng.integers(1, 4)), {}
    for i in range(count):
        name = "%s-%05d-of-%05d.safetensors" % (path, i + 1, count)
        part = dict(items[i * len(items) // count:(i + 1) * len(items) // count])
        safetensors.torch.save_file(part, name, metadata)
        weight_map.update((key, os.path.basename(name)) for key in part)
    with open(path + ".safetensors.index.json", "w") as file:
        json.dump({"metadata": {"total_size": 1}, "weight_map": weight_map}, file, indent=rng.choice([None, 2]))
    case.words.append("%d shards" % count)
    return path + ".safetensors.index.json"


def arranged(t, rng):
    """The same numbers in a storage of another order."""
    way = int(rng.integers(6))
    other = t.new_empty(t.shape).zero_() if t.element_size() == 1 else t.new_zeros(t.shape)
    if way == 0 and t.dim():
        order = rng.permutation(t.dim()).tolist()
        return t.permute(order).contiguous().permute(np.argsort(order).tolist())
    if way == 1:
        return torch.stack([t, other], dim=-1)[..., 0]
    if way == 2 and t.dim():
        along = int(rng.integers(t.dim()))
        return torch.cat([other, t, other], dim=along).narrow(along, t.shape[along], t.shape[along])
    if way == 3:
        return torch.nn.Parameter(t, requires_grad=bool(rng.random() < 0.5))
    return t


def in_one_storage(tensors, rng):
    """Those of a type in one storage, in another order, with gaps."""
    out = collections.OrderedDict(tensors)
    for kind in {t.dtype for t in tensors.values()}:
        names = [name for name, t in tensors.items() if t.dtype == kind]
        rng.shuffle(names)
        gap = torch.zeros(int(rng.integers(1, 4))).to(kind)
        whole = torch.cat([part for name in names for part in (gap, tensors[name].reshape(-1))])
        at = 0
        for name in names:
            at += gap.numel()
            out[name] = whole[at:at + tensors[name].numel()].view(tensors[name].shape)
            at += tensors[name].numel()
    return out


def repeated(case, tensors):
    """One tensor whose numbers are all one that is stored once (PyTorch's expand), which dit-convert may refuse."""
    name = str(case.rng.choice([n for n in tensors if n in case.values]))
    case.values[name] = np.full_like(case.values[name], case.values[name].flat[0])
    tensors[name] = tensors[name].reshape(-1)[:1].expand(tensors[name].numel()).view(tensors[name].shape)
    case.must = False
    case.words.append("repeated " + name)


def negated(case, tensors):
    """One tensor of which PyTorch stores the opposite numbers, with a note: what it does to parts of complex numbers."""
    names = [n for n, t in tensors.items() if t.dtype in (torch.float32, torch.float64)]
    if names:
        name = str(case.rng.choice(names))
        tensors[name] = torch._neg_view(-tensors[name])
        case.must = False
        case.words.append("negated " + name)


def beside(rng):
    """What training programs keep beside the weights."""
    every = {"epoch": 3, "loss": 0.25, "best": float("nan"), "step": torch.tensor(7), "names": ["a", None, (1, 2.5)], "done": True,
             "args": argparse.Namespace(lr=1e-4, model="DiT-S/2"), "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}},
             "numpy": np.float64(0.5), "size": torch.Size([1, 2]), "device": torch.device("cpu"), "type": torch.float32,
             "text": "漢字", "big": 2**70, "negative": -1, "set": {1, 2}, "bytes": b"abc"}
    return {key: every[key] for key in every if rng.random() < 0.2}


def wrapped(case, tensors):
    rng = case.rng
    way = int(rng.integers(6))
    if way == 0 and not any(name.startswith("first_stage_model.") for name in tensors):
        prefix = str(rng.choice(["module.", "_orig_mod.", "ema_model.", "model.", "module._orig_mod."]))
        tensors = type(tensors)((prefix + name, t) for name, t in tensors.items())
        case.words.append(prefix)
    if way in (1, 2):
        key = str(rng.choice(["state_dict", "model", "ema", "model_ema", "params", "weights", "module"]))
        case.words.append("in " + key)
        return {**beside(rng), key: tensors}
    return tensors


def save_torch(case, path, tensors):
    rng = case.rng
    tensors = collections.OrderedDict(tensors)
    official = all(name in case.values for name in tensors)
    if official and rng.random() < 0.03:
        repeated(case, tensors)
    elif official and IS_2 and rng.random() < 0.05:
        negated(case, tensors)
    elif rng.random() < 0.15:
        tensors = in_one_storage(tensors, rng)
        case.words.append("one storage")
    elif rng.random() < 0.6:
        tensors = collections.OrderedDict((name, arranged(t, rng)) for name, t in tensors.items())
        case.words.append("views")
    tensors.update(plain_extras(rng))
    content = wrapped(case, dict(tensors) if rng.random() < 0.3 else tensors)
    new, protocol = bool(rng.random() < 0.7), int(rng.integers(2, 6))
    case.words.append("%s, protocol %d" % ("zip" if new else "before 1.6", protocol))
    target = pathlib.Path(path + ".pt") if rng.random() < 0.5 else path + ".pt"
    torch.save(content, target, pickle_protocol=protocol, _use_new_zipfile_serialization=new)
    return path + ".pt"


# ---- What dit-convert makes of them ----


def kind_in_file(kind, name, shape):
    if kind in ("f32", "f16", "bf16"):
        return kind
    if not name.endswith(LARGE) or name.startswith("vae."):
        return "f32" if len(shape) == 1 else "f16"
    return "q4" if kind == "q4" and shape[1] % 8 == 0 else "q8"


def fits(kind, name, values):
    kept = kind_in_file(kind, name, values.shape)
    return bool(np.isfinite(networks.rounded(kept, values) if kept in ("f32", "f16", "bf16") else values).all())


def same_numbers(file, name, values, kept, near, copied):
    """near: the numbers are not from the checkpoint. copied: they had their type already."""
    ours = file.values(name)
    if copied:
        return np.array_equal(ours, values)
    if kept == "q8":
        scales = file.scales(name)[:, None].astype(np.float64)
        most = np.abs(values).max(axis=1)
        return bool((np.abs(ours.astype(np.float64) - values) <= scales * 0.50001 + 2e-43).all()
                    and np.array_equal(file.scales(name), most / np.float32(127)))
    if kept == "q4":  # how near is the subject of tests/test_q4.c: errors of weights may be large where inputs are small
        most, exact = np.abs(values).max(axis=1).astype(np.float64), values.astype(np.float64)
        share = file.scales(name)[most > 1e-30] * 127 / most[most > 1e-30]
        near = most.max() > 1e3 or np.linalg.norm(ours - exact) <= np.linalg.norm(exact)
        return bool(near and (share > 0.5624).all() and (share < 1.0001).all())
    wanted = networks.rounded(kept, values)
    if near:
        return bool((np.abs(ours - wanted) <= {"f32": 1e-6, "f16": 1e-3, "bf16": 8e-3}[kept]).all())
    return np.array_equal(ours.view(np.uint32), wanted.view(np.uint32))


def check_file(what, path, values, kind, keys, approximate, before=None):
    """before: the model file that this one was made from."""
    file = ModelFile(path)
    check(file.names() == set(values), "%s: other tensors" % what)
    for key, wanted in keys.items():
        check(file.keys.get(key) == wanted, "%s: %s is %r, not %r" % (what, key, file.keys.get(key), wanted))
    check(all(t.data_offset % 64 == 0 for t in file.tensors.values()), "%s: a tensor is not aligned" % what)
    for name, numbers in values.items():
        kept = kind_in_file(kind, name, numbers.shape)
        copied = before is not None and before.type(name) == kept
        check(file.type(name) == kept and (kept == "q4" or file.shape(name) == numbers.shape) and
              same_numbers(file, name, numbers, kept, name == approximate, copied), "%s: %s" % (what, name))
    return file


def check_list(what, path, file):
    """Our own reader finds the same keys and tensors, with the same types and places."""
    ours = bench.run("tests/gguf_list", path)
    theirs = file.lines()
    check(ours.returncode == 0 and ours.stdout.rstrip("\n").split("\n") == theirs, "%s: our reader lists another file" % what)


def check_again(what, path, file, keys, rng):
    """The model file converted to another type has the numbers of the first."""
    kind, other = str(rng.choice(TYPES)) if rng.random() < 0.5 else "f32", bench.path("again.gguf")
    values = {name: file.values(name) for name in file.names()}
    done = bench.run("dit-convert", "--quiet", path, "--type", kind, "-o", other)
    if not all(fits(kind, name, v) for name, v in values.items()):
        check(common.is_clear_no(done, "dit-convert"), "%s, then %s: %d: %s" % (what, kind, done.returncode, done.stderr))
    elif check(done.returncode == 0, "%s, then %s: %s" % (what, kind, done.stderr)):
        check_file("%s, then %s" % (what, kind), other, values, kind, keys, None, file)
        os.remove(other)


def check_whole():
    """The embedded model, and models with every key that there is."""
    path = bench.path("whole.gguf")
    embedded = "weights/sprites/sprites.gguf"
    check_list("the embedded model", embedded, ModelFile(embedded))
    for kind in TYPES:
        done = bench.run("dit-convert", "--quiet", "--synthetic", WHOLE, "--synthetic", "vae:blocks=32+64,layers=1,groups=8",
                         "--license", "MIT", "--scheduler", "tests/scheduler_config.json", "--type", kind, "-o", path)
        check(done.returncode == 0, "%s with all keys: %s" % (kind, done.stderr))
        file = ModelFile(path)
        check_list("%s with all keys" % kind, path, file)
        check(len(file.keys["dit.labels"]) == 1000 and file.keys["dit.labels"][0] == "tench, Tinca tinca", "%s: other names" % kind)


def check_one(number, rng):
    case = Case(rng)
    kind, out = str(rng.choice(TYPES)), bench.path("out.gguf")
    what = "case %d: %s to %s" % (number, "; ".join(case.words), kind)
    done = bench.run("dit-convert", "--quiet", *case.inputs, *case.arguments, "--type", kind, "-o", out)
    possible = all(fits(kind, name, v) for name, v in case.values.items())
    if done.returncode or not possible:
        bench.report.refused += 1
        check(common.is_clear_no(done, "dit-convert") and not (possible and case.must), "%s: status %d: %s" % (what, done.returncode, done.stderr))
        check(not os.path.exists(out), "%s: a file is left behind" % what)
    else:
        file = check_file(what, out, case.values, kind, case.keys, case.approximate)
        if number % 10 == 0:
            check_list(what, out, file)
        if number % 5 == 0 or kind == "q4":
            check_again(what, out, file, case.keys, rng)
    for name in os.listdir(bench.folder):
        if bench.options.only is None:
            os.remove(bench.path(name))


def main():
    torch.set_num_threads(1)
    if WRITER == "safetensors" and bench.options.only is None:
        check_whole()
    for number, rng in bench.cases():
        check_one(number, rng)
    print("  note: %s of PyTorch %s, safetensors %s: %d of %d files refused, as they must or may be" % (
        WRITER, torch.__version__, safetensors.__version__, bench.report.refused, bench.options.count))
    if "f8_e5m2" not in KINDS:
        bench.report.skip("float8: this PyTorch does not have it")
    return bench.close()


if __name__ == "__main__":
    sys.exit(main())
