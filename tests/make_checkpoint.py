#!/usr/bin/env python3
"""The f32 tensors of a model file as a checkpoint, where PyTorch is not installed or would need too much memory:

    make_checkpoint.py MODEL.gguf zip|legacy|safetensors|shards|diffusers OUTPUT

zip and legacy are what torch.save writes since version 1.6 and before it; shards and diffusers make a folder, the latter
with the layout of DiTTransformer2DModel. Tensors pass through one at a time.
"""
import collections
import io
import json
import os
import pickle
import re
import struct
import sys
import types
import zipfile

import gguf_index


def size_of(shape):
    count = 1
    for size in shape:
        count *= size
    return count


# ---- Pickles of tensors. The classes they name are never imported from a real torch. ----

for module in ("torch", "torch._utils"):
    sys.modules[module] = types.ModuleType(module)


def rebuild(*_):
    pass


rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
sys.modules["torch._utils"]._rebuild_tensor_v2 = rebuild
FloatStorage = type("FloatStorage", (), {"__module__": "torch", "__qualname__": "FloatStorage"})
sys.modules["torch"].FloatStorage = FloatStorage


class Storage:

    def __init__(self, key, count):
        self.key, self.count = key, count


class Tensor:

    def __init__(self, key, shape):
        self.shape, count, self.stride = tuple(shape), 1, []
        for size in reversed(shape):
            self.stride.insert(0, count)
            count *= size
        self.storage = Storage(key, count)

    def __reduce__(self):
        return rebuild, (self.storage, 0, self.shape, tuple(self.stride), False, collections.OrderedDict())


def pickled(index, legacy):
    """The state dict; storage i is that of tensor i."""
    end = (None,) if legacy else ()

    class Pickler(pickle.Pickler):

        def persistent_id(self, thing):
            return ("storage", FloatStorage, thing.key, "cpu", thing.count) + end if isinstance(thing, Storage) else None

    out = io.BytesIO()
    Pickler(out, 2).dump({name: Tensor(str(i), shape) for i, (name, shape, _) in enumerate(index)})
    return out.getvalue()


def take(file, shape, offset):
    file.seek(offset)
    return file.read(4 * size_of(shape))


def write_zip(file, index, output):
    with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", pickled(index, False))
        for i, (_, shape, offset) in enumerate(index):
            archive.writestr("archive/data/%d" % i, take(file, shape, offset))
        archive.writestr("archive/version", "3\n")


def write_legacy(file, index, output):
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    with open(output, "wb") as out:
        for value in (0x1950A86A20F9469CFC6C, 1001, machine):
            out.write(pickle.dumps(value, 2))
        out.write(pickled(index, True))
        out.write(pickle.dumps([str(i) for i in range(len(index))], 2))
        for _, shape, offset in index:
            out.write(struct.pack("<q", size_of(shape)))
            out.write(take(file, shape, offset))


def write_safetensors(file, index, output):
    header, at = {}, 0
    for name, shape, _ in index:
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * size_of(shape)]}
        at += 4 * size_of(shape)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(output, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for _, shape, offset in index:
            out.write(take(file, shape, offset))


def write_shards(file, index, output):
    os.makedirs(output)
    names = ["model-%d.safetensors" % (i + 1) for i in range(3)]
    weight_map = {}
    for i, name in enumerate(names):
        part = index[i * len(index) // 3:(i + 1) * len(index) // 3]
        write_safetensors(file, part, os.path.join(output, name))
        weight_map.update((tensor, name) for tensor, _, _ in part)
    with open(os.path.join(output, "model.safetensors.index.json"), "w") as out:
        json.dump({"metadata": {}, "weight_map": weight_map}, out)


# ---- The layout of diffusers ----

RENAMED = [
    ("x_embedder.proj", "pos_embed.proj"), ("final_layer.adaLN_modulation.1", "proj_out_1"),
    ("final_layer.linear", "proj_out_2"), (r"blocks\.(\d+)\.adaLN_modulation\.1", r"transformer_blocks.\1.norm1.linear"),
    (r"blocks\.(\d+)\.attn\.proj", r"transformer_blocks.\1.attn1.to_out.0"),
    (r"blocks\.(\d+)\.mlp\.fc1", r"transformer_blocks.\1.ff.net.0.proj"),
    (r"blocks\.(\d+)\.mlp\.fc2", r"transformer_blocks.\1.ff.net.2"),
]
EMBEDDERS = {"t_embedder.mlp.0": "timestep_embedder.linear_1", "t_embedder.mlp.2": "timestep_embedder.linear_2",
             "y_embedder.embedding_table": "class_embedder.embedding_table"}


def diffusers_index(index):
    """Renamed; q, k and v apart; and in every block the embedders once more."""
    depth = 1 + max(int(name.split(".")[1]) for name, _, _ in index if name.startswith("blocks."))
    out = []
    for name, shape, offset in index:
        stem, end = name.rsplit(".", 1) if "." in name else (name, "")
        if stem in EMBEDDERS:
            out += [("transformer_blocks.%d.norm1.emb.%s.%s" % (n, EMBEDDERS[stem], end), shape, offset)
                    for n in range(depth)]
        elif stem.endswith(".attn.qkv"):
            part = [shape[0] // 3] + shape[1:]
            out += [("transformer_blocks.%s.attn1.to_%s.%s" % (stem.split(".")[1], which, end), part,
                     offset + 4 * i * size_of(part)) for i, which in enumerate("qkv")]
        elif stem != "pos_embed":
            for old, new in RENAMED:
                stem = re.sub("^" + old + "$", new, stem)
            out.append((stem + "." + end, shape, offset))
    return out


def write_diffusers(file, index, output):
    sizes = {name: shape for name, shape, _ in index}
    hidden, channels, patch, _ = sizes["x_embedder.proj.weight"]
    os.makedirs(output)
    write_safetensors(file, diffusers_index(index), os.path.join(output, "diffusion_pytorch_model.safetensors"))
    with open(os.path.join(output, "config.json"), "w") as out:
        json.dump({"_class_name": "DiTTransformer2DModel", "in_channels": channels, "patch_size": patch,
                   "num_embeds_ada_norm": sizes["y_embedder.embedding_table.weight"][0] - 1,
                   "sample_size": int(sizes["pos_embed"][1] ** 0.5 + 0.5) * patch}, out)


WRITERS = {"zip": write_zip, "legacy": write_legacy, "safetensors": write_safetensors, "shards": write_shards,
           "diffusers": write_diffusers}

if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[2] not in WRITERS:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as model:
        names = [(re.sub("^vae[.]", "", name), shape, offset) for name, shape, offset in gguf_index.read(model)]
        WRITERS[sys.argv[2]](model, names, sys.argv[3])
