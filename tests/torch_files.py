#!/usr/bin/env python3
"""Checkpoints of every kind, written by PyTorch itself, go through dit-convert: each must become the file that the
synthetic rule gives directly, byte for byte. One of the longer checks (.ci/run); needs PyTorch (Debian's python3-torch).

    tests/torch_files.py [DIT-CONVERT]

Weights come from `dit-convert --synthetic --type f32` (whose numbers tests/test_convert.c compares with the reference's).
"""
import argparse
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import gguf_index  # noqa: E402
from strangers.layouts import compvis_layout, diffusers_layout, former_layout  # noqa: E402

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else "build/dit-convert"
FOLDER = tempfile.mkdtemp(prefix="dit-torch-", dir=os.environ.get("DIT_TMP"))
KINDS = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "f64": torch.float64}
DIT = "dit:hidden=48,depth=2,heads=3,patch=2,latent=8,in=4,classes=7"
VAE = "vae:blocks=32+64,layers=1,groups=8"
counts = collections.Counter()


def path(name):
    return os.path.join(FOLDER, name)


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True)


def state_of(spec):
    """The tensors of a synthetic model, by their names in the model file."""
    name = path("state.gguf")
    done = run("--synthetic", spec, "--type", "f32", "--no-labels", "-o", name)
    assert done.returncode == 0, done.stderr
    with open(name, "rb") as file:
        data = file.read()
        index = gguf_index.read(file)
    state = collections.OrderedDict()
    for tensor, shape, offset in index:
        values = np.frombuffer(data, "<f4", int(np.prod(shape)), offset).reshape(shape)
        state[tensor[4:] if tensor.startswith("vae.") else tensor] = torch.from_numpy(values.copy())
    return state


def check(what, inputs, specs, options=(), kind="f32"):
    """`inputs` convert to what the specifications give."""
    ours, wanted = path("ours.gguf"), path("wanted.gguf")
    converted = run(*inputs, "--family", "dit", *options, "--type", kind, "-o", ours)
    made = run(*[word for spec in specs for word in ("--synthetic", spec)],
               *[o for o in options if o in ("--no-labels",)], "--type", kind, "-o", wanted)
    assert made.returncode == 0, made.stderr
    fine = converted.returncode == 0
    if fine:
        with open(ours, "rb") as a, open(wanted, "rb") as b:
            fine = a.read() == b.read()
    counts[fine] += 1
    if not fine:
        print("  FAILED: %s: %s" % (what, converted.stderr.strip() or "another file"))


def cast(state, kind):
    return collections.OrderedDict((name, t.to(KINDS[kind])) for name, t in state.items())


# ---- Files ----


def save_safetensors(name, state):
    """By the format's description; PyTorch has no writer of its own."""
    names = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64"}
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for key, t in state.items():
        size = t.numel() * t.element_size()
        header[key] = {"dtype": names[t.dtype], "shape": list(t.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(name, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for t in state.values():
            t = t.contiguous()
            file.write((t.view(torch.int16) if t.dtype == torch.bfloat16 else t).numpy().tobytes())


def save_json(name, value):
    with open(name, "w") as file:
        json.dump(value, file)


def save_shards(folder, state, count, variant=""):
    names = list(state)
    weight_map = {}
    for i in range(count):
        part = names[i * len(names) // count:(i + 1) * len(names) // count]
        file = "diffusion_pytorch_model%s-%05d-of-%05d.safetensors" % (variant, i + 1, count)
        save_safetensors(os.path.join(folder, file), {name: state[name] for name in part})
        weight_map.update((name, file) for name in part)
    save_json(os.path.join(folder, "diffusion_pytorch_model.safetensors.index%s.json" % variant),
              {"metadata": {"total_size": 1}, "weight_map": weight_map})


# ---- What is checked ----


class Tree(torch.nn.Module):
    """A module whose state dict has the given names."""

    def __init__(self, state):
        super().__init__()
        for name, t in state.items():
            *folders, leaf = name.split(".")
            at = self
            for folder in folders:
                if folder not in at._modules:
                    at.add_module(folder, torch.nn.Module())
                at = at._modules[folder]
            at.register_parameter(leaf, torch.nn.Parameter(t.clone()))


def check_byte_order(state):
    """PyTorch 2.1 and later record the order of bytes, and a big-endian machine has its own."""
    file, other, heads = path("file.pt"), path("other.pt"), ("--family", "dit", "--heads", "3")
    for order, kind in (("little", "f32"), ("big", "f64"), ("big", "f32"), ("big", "f16"), ("big", "bf16")):
        torch.save(cast(state, kind), file)
        width = torch.zeros(1, dtype=KINDS[kind]).element_size()
        with zipfile.ZipFile(file) as source, zipfile.ZipFile(other, "w", zipfile.ZIP_STORED) as target:
            for entry in source.infolist():
                data = source.read(entry)
                if order == "big" and "/data/" in entry.filename:
                    data = np.frombuffer(data, np.uint8).reshape(-1, width)[:, ::-1].tobytes()
                if not entry.filename.endswith("byteorder"):
                    target.writestr(entry.filename, data)
            target.writestr("file/byteorder", order)
        check("%s-endian %s" % (order, kind), [other], [DIT], heads, "f32" if kind == "f64" else kind)


def check_wrapped(state):
    file, heads = path("file.pt"), ("--family", "dit", "--heads", "3")
    net = Tree(state)
    torch.save(torch.nn.DataParallel(net).state_dict(), file)
    check("DataParallel", [file], [DIT], heads)
    for prefix in ("_orig_mod.", "module._orig_mod.", "ema_model.", "model."):
        torch.save({prefix + name: t for name, t in state.items()}, file)
        check(prefix, [file], [DIT], heads)
    negated = {name: -t for name, t in state.items()}
    for name in ("ema", "ema_state_dict", "state_dict_ema", "model_ema", "ema_model", "params_ema"):
        torch.save({"model": negated, "state_dict": negated, "epoch": 3, name: state}, file)
        check(name, [file], [DIT], heads)
    torch.save({"model_ema." + name: t for name, t in state.items()} |
               {"model." + name: t for name, t in negated.items()}, file)
    check("a moving average beside the model", [file], [DIT], heads)
    for name in ("state_dict", "model_state_dict", "model", "module"):
        torch.save({name: state, "epoch": 3}, file)
        check(name, [file], [DIT], heads)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)
    sum((p * p).sum() for p in net.parameters()).backward()
    optimizer.step()
    torch.save({"model": net.state_dict(), "ema": state, "opt": optimizer.state_dict(), "loss": np.float64(0.5),
                "args": argparse.Namespace(model="DiT-S/2", image_size=256)}, file)
    check("a training checkpoint", [file], [DIT], heads)


def check_diffusers(state, vae):
    latent = ("--family", "dit", "--heads", "3", "--latent", "8")
    for shared in (True, False):
        layout = diffusers_layout(state, 2, shared)
        torch.save(layout, path("file.pt"))
        check("diffusers' layout, shared %s" % shared, [path("file.pt")], [DIT], latent)
    config = {"_class_name": "DiTTransformer2DModel", "attention_head_dim": 16, "num_attention_heads": 3,
              "in_channels": 4, "out_channels": 8, "num_layers": 2, "num_embeds_ada_norm": 7, "patch_size": 2,
              "sample_size": 8, "norm_type": "ada_norm_zero", "activation_fn": "gelu-approximate",
              "attention_bias": True, "norm_elementwise_affine": False, "norm_eps": 1e-5}
    pipeline, transformer, autoencoder = path("p"), path("p/transformer"), path("p/vae")
    for folder in (pipeline, transformer, autoencoder, path("p/scheduler")):
        os.makedirs(folder)
    save_json(os.path.join(transformer, "config.json"), config)
    save_json(os.path.join(autoencoder, "config.json"),
              {"_class_name": "AutoencoderKL", "block_out_channels": [32, 64], "layers_per_block": 1,
               "norm_num_groups": 8, "latent_channels": 4, "in_channels": 3, "out_channels": 3, "act_fn": "silu",
               "scaling_factor": 0.18215, "sample_size": 16})
    save_json(path("p/model_index.json"), {"_class_name": "DiTPipeline", "id2label": {str(i): "c%d" % i for i in range(7)}})
    shutil.copy("tests/scheduler_config.json", path("p/scheduler"))
    save_shards(transformer, layout, 3)
    check("a transformer in shards", [transformer], [DIT])
    for name in os.listdir(transformer):
        if name != "config.json":
            os.remove(os.path.join(transformer, name))
    save_shards(transformer, cast(layout, "f16"), 2, ".fp16")
    check("a variant in shards", [transformer], [DIT], (), "f16")
    torch.save(cast(layout, "bf16"), os.path.join(transformer, "diffusion_pytorch_model.bin"))
    check("a folder with a .bin", [transformer], [DIT], (), "bf16")
    check("a chosen variant", [transformer, "--variant", "fp16"], [DIT], (), "f16")
    save_safetensors(os.path.join(transformer, "diffusion_pytorch_model.safetensors"), layout)
    save_safetensors(os.path.join(autoencoder, "diffusion_pytorch_model.safetensors"), vae)
    check("an autoencoder's folder", [autoencoder], [VAE])
    with open(path("labels.txt"), "w") as file:
        file.write("".join("c%d\n" % i for i in range(7)))
    one = run(pipeline, "--type", "f16", "-o", path("ours.gguf"))
    two = run("--synthetic", DIT, "--synthetic", VAE, "--labels", path("labels.txt"), "--scheduler",
              "tests/scheduler_config.json", "--guidance-channels", "all", "--type", "f16", "-o", path("wanted.gguf"))
    with open(path("ours.gguf"), "rb") as a, open(path("wanted.gguf"), "rb") as b:
        fine = one.returncode == two.returncode == 0 and a.read() == b.read()
    counts[fine] += 1
    if not fine:
        print("  FAILED: a pipeline: %s%s" % (one.stderr, two.stderr))


def check_autoencoders():
    for spec, levels, groups in ((VAE, 2, 8), ("vae:blocks=32,layers=2,groups=32", 1, 32),
                                 ("vae:blocks=16+32+32+48,layers=2,groups=16,in=4,latent=8", 4, 16),
                                 ("vae:blocks=128+256+512+512", 4, 32)):
        state, given = state_of(spec), ("--groups", str(groups))
        layouts = (("new", state), ("former", former_layout(state)), ("CompVis", compvis_layout(state, levels)),
                   ("Stable Diffusion", compvis_layout(state, levels, "first_stage_model.")))
        for what, layout in layouts[3 if "128" in spec else 0:]:
            content = dict(layout)
            if what == "CompVis":
                content = {"state_dict": dict(content, **{"loss.logvar": torch.zeros(())}), "global_step": 3}
            if what == "Stable Diffusion":  # with the other models of such a file
                content = {"state_dict": dict(content, **{
                    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight": torch.zeros(4, 4),
                    "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.zeros(1, 77)})}
            torch.save(content, path("file.ckpt"))
            check("%s, %s" % (spec, what), [path("file.ckpt")], [spec], given)


def check_sizes():
    """Every geometry of the paper's kind."""
    specs = [("S/2:256", "f16"), ("S/8:384", "f32"), ("B/4:512", "bf16"), ("L/8:256", "f16"),
             ("dit:hidden=384,depth=12,heads=6,patch=4,latent=32,classes=10,sigma=0", "f32"),
             ("dit:hidden=384,depth=12,heads=6,patch=8,latent=48,classes=20", "bf16"),
             ("dit:hidden=80,depth=3,heads=5,patch=4,latent=20,in=3,classes=1", "f32")]
    for spec, kind in specs:
        state = cast(state_of(spec), kind)
        options = ("--heads", "5") if "hidden=80" in spec else ()
        torch.save(state, path("file.pt"))
        check(spec, [path("file.pt")], [spec], options, kind)
        depth = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks."))
        side = int(state["pos_embed"].shape[1] ** 0.5 + 0.5) * state["x_embedder.proj.weight"].shape[2]
        torch.save(diffusers_layout(state, depth, True), path("file.pt"))
        if kind == "f32":  # a position table of another type would have to be rounded
            check(spec + ", diffusers' layout", [path("file.pt")], [spec], options + ("--latent", str(side)), kind)


def main():
    torch.set_num_threads(2)
    state, vae = state_of(DIT), state_of(VAE)
    check_byte_order(state)
    check_wrapped(state)
    check_diffusers(state, vae)
    check_autoencoders()
    check_sizes()
    print("torch_files (PyTorch %s): %d passed, %d failed" % (torch.__version__, counts[True], counts[False]))
    return counts[False] > 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        shutil.rmtree(FOLDER)
