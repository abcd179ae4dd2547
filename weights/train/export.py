# export.py - the trained networks as files: what dit-convert reads, and reference vectors for tests.
# SPDX-License-Identifier: CC0-1.0

import json
import os
import struct

import numpy as np
import torch

import data
from diffusion import respace, sample
from models import DiT, VAE


def write_safetensors(path, tensors):
    """All in f16. The format: a length, a JSON header with types, shapes and offsets, the bytes."""
    header, offset = {}, 0
    for name, v in tensors.items():
        size = v.numel() * 2
        header[name] = {"dtype": "F16", "shape": list(v.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for v in tensors.values():
            f.write(v.half().contiguous().cpu().numpy().astype("<f2").tobytes())


def read_safetensors(path):
    with open(path, "rb") as f:
        raw = f.read()
    n, = struct.unpack("<Q", raw[:8])
    header, out = json.loads(raw[8:8 + n]), {}
    for name, h in header.items():
        begin, end = h["data_offsets"]
        values = np.frombuffer(raw[8 + n + begin:8 + n + end], "<f2").astype(np.float32)
        out[name] = torch.from_numpy(values.reshape(h["shape"]))
    return out


def export(a, vae):
    """OUT/dit.pt, OUT/vae/ and OUT/labels.txt; every weight is rounded to f16, so that converting loses nothing."""
    c = torch.load(os.path.join(a.work, "dit.pt"), map_location="cpu")
    if c.get("objective", "ddpm") != "ddpm":
        raise SystemExit("%s/dit.pt: was trained with --objective %s, which cannot be exported yet" % (a.work, c["objective"]))
    folder = os.path.join(a.out, "vae")
    os.makedirs(folder, exist_ok=True)
    write_safetensors(os.path.join(folder, "diffusion_pytorch_model.safetensors"), vae.state_dict())
    v, g = vae.config, c["config"]
    n = len(v["blocks"])
    side = g["size"] << (n - 1)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump({
            "_class_name": "AutoencoderKL", "act_fn": "silu", "block_out_channels": v["blocks"],
            "down_block_types": ["DownEncoderBlock2D"] * n, "up_block_types": ["UpDecoderBlock2D"] * n,
            "in_channels": v["channels"], "out_channels": v["channels"], "latent_channels": v["latent"],
            "layers_per_block": v["layers"], "norm_num_groups": v["groups"], "sample_size": side, "scaling_factor": 1.0,
            "force_upcast": False, "use_quant_conv": True, "use_post_quant_conv": True, "mid_block_add_attention": True,
        }, f, indent=2)
    weights = {k: w.half().float() for k, w in c["ema"].items()}
    torch.save({"ema": weights, "args": {
        "model": "DiT", "input_size": g["size"], "patch_size": g["patch"], "in_channels": g["channels"],
        "hidden_size": g["hidden"], "depth": g["depth"], "num_heads": g["heads"], "mlp_ratio": g["ratio"],
        "class_dropout_prob": 0.1, "num_classes": g["classes"], "learn_sigma": g.get("sigma", True), "image_size": side, "block": g.get("block", "adaln_zero"),
    }}, os.path.join(a.out, "dit.pt"))
    with open(os.path.join(a.out, "labels.txt"), "w") as f:
        f.write("".join(name + "\n" for name in c["labels"]))
    print("dit-convert %s/dit.pt %s/vae --family dit --labels %s/labels.txt --heads %d --steps 10 --sampler dpm++ --timestep-spacing linspace --guidance-scale 1.5 "
          "--guidance-channels all --fit-preview -o MODEL.gguf" % (a.out, a.out, a.out, g["heads"]))


def load(folder):
    """The exported files again: autoencoder, transformer, labels."""
    with open(os.path.join(folder, "vae", "config.json")) as f:
        c = json.load(f)
    vae = VAE(c["in_channels"], c["latent_channels"], c["block_out_channels"], c["layers_per_block"], c["norm_num_groups"])
    vae.load_state_dict(read_safetensors(os.path.join(folder, "vae", "diffusion_pytorch_model.safetensors")))
    k = torch.load(os.path.join(folder, "dit.pt"), map_location="cpu")
    g = k["args"]
    dit = DiT(g["input_size"], g["patch_size"], g["in_channels"], g["hidden_size"], g["depth"], g["num_heads"],
              g["num_classes"], g["mlp_ratio"], g.get("block", "adaln_zero"), g["learn_sigma"])
    dit.load_state_dict(k["ema"])
    with open(os.path.join(folder, "labels.txt")) as f:
        labels = f.read().split("\n")[:-1]
    return vae.eval(), dit.eval(), labels


# ----------------------------------------------------------------- model files


def read_gguf(path):
    """Keys of a model file, and its tensors as float64, q8 with its scales applied. The format: docs of GGUF, version 3."""
    with open(path, "rb") as f:
        raw = f.read()
    at = 0

    def number(form):
        nonlocal at
        value, = struct.unpack_from("<" + form, raw, at)
        at += struct.calcsize(form)
        return value

    def text():
        nonlocal at
        n = number("Q")
        at += n
        return raw[at - n:at].decode()

    def value(kind):
        if kind == 8:
            return text()
        if kind == 9:
            kind, n = number("I"), number("Q")
            return [value(kind) for _ in range(n)]
        return number("BbHhIif?  Qqd"[kind])

    if raw[:4] != b"GGUF" or struct.unpack_from("<I", raw, 4)[0] != 3:
        raise SystemExit("%s: not a GGUF file of version 3" % path)
    at = 8
    tensors, count, keys = number("Q"), number("Q"), {}
    for _ in range(count):
        name = text()
        keys[name] = value(number("I"))
    align = keys.get("general.alignment", 32)
    table = [(text(), [number("Q") for _ in range(number("I"))], number("I"), number("Q")) for _ in range(tensors)]
    start, out = (at + align - 1) // align * align, {}
    for name, shape, kind, offset in table:
        kind = {0: "<f4", 1: "<f2", 24: "<i1"}.get(kind)
        if not kind:
            raise SystemExit("%s: %s is neither f32, f16 nor q8; write the file anew with dit-convert --type f16" % (path, name))
        flat = np.frombuffer(raw, kind, int(np.prod(shape)), start + offset)
        out[name] = torch.from_numpy(flat.astype(np.float64).reshape(shape[::-1]))
    for name in [n for n in out if n.endswith(".scale") and n[:-6] in out]:
        out[name[:-6]] *= out.pop(name)[:, None]
    return keys, out


def read_vae(path):
    """The autoencoder of a model file, with latents that have the deviation for which its transformer was made."""
    keys, tensors = read_gguf(path)
    weights = {k[4:]: v.float() for k, v in tensors.items() if k.startswith("vae.")}
    if not weights:
        raise SystemExit("%s: there is no autoencoder in it" % path)
    vae = VAE(*(keys["vae." + k] for k in ("image_channels", "latent_channels", "block_channels", "layers", "groups")))
    vae.load_state_dict(weights)
    if keys["vae.scaling_factor"] != 1:
        n = vae.config["latent"]
        vae.normalise(torch.zeros(n), torch.full((n,), 1 / keys["vae.scaling_factor"]))
    return vae.eval()


# ----------------------------------------------------------------- reference vectors


def golden(a):
    """Everything in float64 with the weights of the model file; noise is float32, and stored."""
    os.makedirs(a.golden, exist_ok=True)
    vae, dit, _ = load(a.out)
    vae, dit, (_, weights) = vae.double(), dit.double(), read_gguf(a.model)
    vae.load_state_dict({k[4:]: v for k, v in weights.items() if k.startswith("vae.")})
    dit.load_state_dict({k: v for k, v in weights.items() if not k.startswith("vae.")})
    c, h = dit.channels, dit.size
    manifest = {
        "precision": "float64 evaluation by PyTorch (weights/train/train.py golden) of the weights in the model file",
        "guidance": a.guidance,
        "conventions": {
            "layout": "C-contiguous NumPy files; pictures and latents are NCHW, channels R, G, B, A",
            "image_range": "-1..1 for all channels, straight alpha; not clipped",
            "uint8": "clip(floor((v + 1) * 127.5 + 0.5), 0, 255), stored NHWC",
            "latent": "scaling_factor is 1; logvar is clamped to -30..20",
            "guidance": "eps = null + guidance * (class - null) on all channels; the variance channels are those of the class",
            "null_class": dit.classes,
            "noise": "noise[k] belongs to the k-th step taken (k = 0 is the largest time step); the last is not used; DDIM "
                     "has eta = 0 and no noise",
            "clip": "x0 is not clipped",
            "timestep_embedding": "float64, cosines first, 128 frequencies exp(-ln(10000) * i / 128)",
        },
        "files": {}}

    def put(name, array, what):
        array = np.ascontiguousarray(array.detach().numpy() if torch.is_tensor(array) else array)
        np.save(os.path.join(a.golden, name + ".npy"), array)
        manifest["files"][name + ".npy"] = {"shape": list(array.shape), "dtype": str(array.dtype), "what": what}

    d = data.load(a)
    classes = np.arange(4) * (dit.classes - 1) // 3
    pictures = np.stack([d["test_images"][d["test_labels"] == k][0] for k in classes])
    with torch.no_grad():
        x = data.to_x(pictures)
        mean, logvar = vae.encode(x.double())
        put("vae_encode_in", x.numpy(), "held-out pictures of classes %s, network input" % classes.tolist())
        put("vae_encode_mean", mean, "posterior mean")
        put("vae_encode_logvar", logvar, "posterior log variance, clamped")
        z = mean.float()
        z[2:] += torch.from_numpy(0.3 * np.random.default_rng(11).standard_normal(tuple(z[2:].shape))).float()
        put("vae_decode_in", z.numpy(), "latents: two encoded means, two of them with noise added")
        put("vae_decode_out", vae.decode(z.double()), "decoded")
        x = np.random.default_rng(21).standard_normal((4, c, h, h)).astype(np.float32)
        t, y = np.array([0, 17, 500, 999], np.int64), np.array([3 % dit.classes, classes[2], dit.classes, classes[3]], np.int64)
        put("dit_x", x, "noisy latents, default_rng(21)")
        put("dit_t", t, "time steps")
        put("dit_y", y, "classes; %d is the null class" % dit.classes)
        put("dit_out", dit(torch.from_numpy(x).double(), torch.from_numpy(t), torch.from_numpy(y)), "noise, then variance")
        y = classes[1:3]  # two are enough: their noise is most of what is stored
        put("traj_y", y, "classes of the trajectories")
        for sampler, steps, seed in (("ddim", 20, 31), ("ddpm", 50, 32), ("ddpm", 250, 33)):
            name, rng = "%s%d" % (sampler, steps), np.random.default_rng(seed)
            init = rng.standard_normal((2, c, h, h)).astype(np.float32)
            kept, noise = respace(sampler, steps), None
            put(name + "_init", init, "initial noise, first draw of default_rng(%d), as float32" % seed)
            put(name + "_timesteps", np.array(kept[::-1], np.int64), "time steps in the order taken")
            if sampler == "ddpm":
                noise = rng.standard_normal((len(kept), *init.shape)).astype(np.float32)
                put(name + "_noise", noise, "noise of the steps, second draw")
                noise = torch.from_numpy(noise).double()
            x = sample(dit, torch.from_numpy(init).double(), torch.from_numpy(y), sampler, steps, a.guidance, noise)
            put(name + "_latent", x, "last latents")
            put(name + "_rgba", data.to_u8(vae.decode(x)), "decoded, 8 bits")
    with open(os.path.join(a.golden, "manifest.json"), "w") as f:
        json.dump(manifest, f, indent=1)
