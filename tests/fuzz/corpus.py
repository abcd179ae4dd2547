#!/usr/bin/env python3
"""Makes the corpus of the fuzz targets: small sound files of every format, tests/fuzz/corpus/TARGET/NAME.

    make all && tests/fuzz/corpus.py [FOLDER]     (BUILD=dir: where dit and dit-convert are)

It needs nothing but Python. The files are in the repository, so that the tests need not even that; a finding is added
beside them as found-NAME, and stays when the others are made again.
"""
import glob
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import types
import zlib

build = os.environ.get("BUILD", "build")
folder = sys.argv[1] if len(sys.argv) > 1 else "tests/fuzz/corpus"
scratch = os.path.join(folder, "scratch")
TRANSFORMER = "dit:hidden=4,depth=1,heads=1,patch=2,latent=2,in=4,classes=2,sigma=1"
AUTOENCODER = "vae:blocks=4+4,layers=1,groups=4,in=3,out=3,latent=4"


def put(target, name, data):
    os.makedirs(os.path.join(folder, target), exist_ok=True)
    with open(os.path.join(folder, target, name), "wb") as f:
        f.write(data)


def get(path):
    with open(path, "rb") as f:
        return f.read()


def sections(files):
    """Several files in one, as tests/fuzz/sections.c takes them apart."""
    return b"\n".join(b"@@ " + name.encode() + b"\n" + data for name, data in files)


def convert(name, *arguments):
    path = os.path.join(scratch, name)
    subprocess.run([build + "/dit-convert", "--quiet", *arguments, "-o", path], check=True)
    return get(path)


# ---- Tensors, from a model file ----


def gguf_tensors(data):
    """{name: (shape, float16 bytes)} of a model file with f16 weights and f32 vectors, all as f16."""
    at = 24
    tensors, keys = struct.unpack_from("<QQ", data, 8)

    def number(code):
        nonlocal at
        value = struct.unpack_from("<" + code, data, at)[0]
        at += struct.calcsize(code)
        return value

    def text():
        nonlocal at
        length = number("Q")
        at += length
        return data[at - length : at].decode()

    def value(kind):
        return text() if kind == 8 else number("BbHhIif?__QqdQ"[kind])

    for _ in range(keys):
        text()
        kind = number("I")
        if kind == 9:
            kind, count = number("I"), number("Q")
            for _ in range(count):
                value(kind)
        else:
            value(kind)
    entries = []
    for _ in range(tensors):
        name, rank = text(), number("I")
        shape = [number("Q") for _ in range(rank)][::-1]
        entries.append((name, shape, number("I"), number("Q")))
    at = (at + 31) // 32 * 32
    out = {}
    for name, shape, kind, offset in entries:
        count = 1
        for side in shape:
            count *= side
        code = "f" if kind == 0 else "e"
        values = struct.unpack_from(f"<{count}{code}", data, at + offset)
        out[name] = (shape, struct.pack(f"<{count}e", *values))
    return out


def safetensors(tensors, kind="F16"):
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name, (shape, data) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + body


# ---- PyTorch's formats: the names that a pickle mentions are stood in for by functions of these modules ----

torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
sys.modules.update({"torch": torch, "torch._utils": utils})


def stand_in(module, name, what):
    what.__module__, what.__name__, what.__qualname__ = module.__name__, name, name
    setattr(module, name, what)
    return what


rebuild = stand_in(utils, "_rebuild_tensor_v2", lambda *a: None)
parameter = stand_in(utils, "_rebuild_parameter", lambda *a: None)
HalfStorage = stand_in(torch, "HalfStorage", type("HalfStorage", (), {}))


class Storage:
    def __init__(self, key, data):
        self.key, self.data = key, data


class Tensor:
    def __init__(self, key, shape, data):
        self.storage, self.shape = Storage(key, data), tuple(shape)

    def __reduce__(self):
        from collections import OrderedDict

        stride, strides = 1, []
        for side in reversed(self.shape):
            strides.insert(0, stride)
            stride *= side
        return rebuild, (self.storage, 0, self.shape, tuple(strides), False, OrderedDict())


class Pickler(pickle.Pickler):
    legacy = False

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        identifier = ("storage", HalfStorage, value.key, "cpu", len(value.data) // 2)
        return identifier + ((None,) if self.legacy else ())


def pickled(value, protocol, legacy):
    out = io.BytesIO()
    pickler = Pickler(out, protocol)
    pickler.legacy = legacy
    pickler.dump(value)
    return out.getvalue()


def state_dict(tensors):
    return {name: Tensor(str(i), shape, data) for i, (name, (shape, data)) in enumerate(tensors.items())}


def torch_files(tensors, protocol=2, wrap=lambda v: v):
    """The files in an archive of torch.save: the pickle first."""
    values = state_dict(tensors)
    files = [("m/data.pkl", pickled(wrap(values), protocol, False)), ("m/version", b"3\n"), ("m/byteorder", b"little")]
    return files + [("m/data/" + t.storage.key, t.storage.data) for t in values.values()]


def archive(files):
    """A zip archive like torch.save's, without its padding."""
    body = directory = b""
    for name, data in files:
        entry = struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 0, zlib.crc32(data), len(data), len(data), len(name), 0)
        directory += b"PK\1\2" + struct.pack("<H", 20) + entry + struct.pack("<HHHII", 0, 0, 0, 0, len(body))
        directory += name.encode()
        body += b"PK\3\4" + entry + name.encode() + data
    return body + directory + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, len(files), len(files), len(directory), len(body), 0)


def legacy_file(tensors, protocol=2, wrap=lambda v: v):
    values = state_dict(tensors)
    out = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + pickle.dumps(1001, 2)
    out += pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}, 2)
    out += pickled(wrap(values), protocol, True) + pickle.dumps([t.storage.key for t in values.values()], 2)
    for t in values.values():
        out += struct.pack("<q", len(t.storage.data) // 2) + t.storage.data
    return out


# ---- PNG ----


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows, extra=b"", interlaced=0):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    data = zlib.compress(rows, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def make_pngs():
    subprocess.run([build + "/dit", "-q", "-c", "0", "--steps", "1", "-o", scratch + "/dit.png"], check=True)
    data = get(scratch + "/dit.png")
    put("png", "dit", data)
    texts, at = [], 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"tEXt":
            key, value = data[at + 8 : at + 8 + length].split(b"\0", 1)
            texts.append((key.decode(), value))
        at += 12 + length
    put("texts", "plain", sections(texts))
    more = dict(texts)
    more.update({"Seed": b"7 to 9", "Class numbers": b"3,none,4", "Class B number": b"2", "Class mix": b"0.25"})
    more.update({"Init image": b"fnv1a64:0123456789abcdef", "Strength": b"0.5", "Mask": b"fnv1a64:0123456789abcdef"})
    more.update({"Cache interval": b"3"})
    put("texts", "all", sections(more.items()))
    program = dict(texts)
    program.update({"Program": b"official", "Batch size": b"8", "Batch index": b"3"})
    put("texts", "program", sections(program.items()))
    packed = chunk(b"zTXt", b"Software\0\0" + zlib.compress(b"libdit" * 20))
    international = chunk(b"iTXt", b"Model\0\0\0\0\0" + "modèle".encode())
    palette = chunk(b"PLTE", bytes(range(12))) + chunk(b"tRNS", b"\0\x80")
    put("png", "palette", png(5, 3, 2, 3, b"\0\x1b\x40" * 3, palette))
    put("png", "grey1", png(9, 2, 1, 0, b"\0\xaa\x80" * 2, packed + international))
    put("png", "rgb16", png(2, 2, 16, 2, b"".join(bytes([f]) + bytes(range(12)) for f in (1, 2))))
    put("png", "rgba", png(3, 4, 8, 6, b"".join(bytes([f]) + bytes(range(12)) for f in (1, 2, 3, 4))))
    put("png", "interlaced", png(3, 3, 8, 0, b"\0\1\0\2\0\3\4\0\5\6\7", interlaced=1))
    profile = chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(132)))
    colour = chunk(b"gAMA", struct.pack(">I", 45455)) + chunk(b"pHYs", struct.pack(">IIB", 1, 1, 1)) + profile
    put("png", "colour", png(2, 1, 8, 4, b"\0\1\2\3\4", colour + chunk(b"bKGD", b"\0\1") + chunk(b"tIME", b"\7\xd0\1\1\1\1\1")))


# ---- All ----


def make_params():
    """Bytes that choose: not random, so that the files are the same each time."""
    state = 1
    for name in range(24):
        data = bytearray()
        for _ in range(160):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            data.append(state >> 56)
        put("params", f"{name:02}", bytes(data))


def make_json(configs):
    put("json", "kinds", rb'{"a":[null,true,false,-1.5e3,0],"b":{"c":"\u00e9\ud83d\ude00\n"},"d":""}')
    for name, text in configs.items():
        put("json", name, text)


def make_folders(dit, vae, configs):
    weights = "diffusion_pytorch_model.safetensors"
    put("folder", "vae", sections([("config.json", configs["vae"]), (weights, safetensors(vae))]))
    names = list(vae)
    half = len(names) // 2
    shards = {"a.safetensors": names[:half], "b.safetensors": names[half:]}
    index = {"metadata": {}, "weight_map": {name: shard for shard, own in shards.items() for name in own}}
    files = [(shard, safetensors({name: vae[name] for name in own})) for shard, own in shards.items()]
    files += [("config.json", configs["vae"]), (weights + ".index.json", json.dumps(index).encode())]
    put("folder", "shards", sections(files))
    pipeline = {"_class_name": "DiTPipeline", "id2label": {"0": "potion", "1": "key"}}
    files = [("model_index.json", json.dumps(pipeline).encode()), ("scheduler/scheduler_config.json", configs["ddim"])]
    files += [("transformer/" + weights, safetensors(dit)), ("transformer/config.json", b"{}")]
    put("folder", "pipeline", sections(files + [("vae/config.json", configs["vae"]), ("vae/" + weights, safetensors(vae))]))


def main():
    for path in glob.glob(folder + "/*/*"):
        if not os.path.basename(path).startswith("found-"):
            os.remove(path)
    os.makedirs(scratch, exist_ok=True)
    both = ["--synthetic", TRANSFORMER, "--synthetic", AUTOENCODER]
    for kind in ("f32", "f16", "bf16", "q8", "q4"):
        put("model", kind, convert(kind, "--type", kind, *both))
        put("gguf", kind, convert(kind, "--type", kind, *both))
    put("gguf", "vae", convert("vae", "--type", "q8", *both[2:]))
    put("model", "transformer", convert("transformer", "--type", "q8", *both[:2]))
    put("model", "preview", convert("preview", "--type", "q8", "--fit-preview", *both))
    tensors = gguf_tensors(convert("f16", "--type", "f16", *both))
    vae = {name[4:]: t for name, t in tensors.items() if name.startswith("vae.")}
    dit = {name: t for name, t in tensors.items() if not name.startswith("vae.")}
    put("safetensors", "transformer", safetensors(dit))
    put("safetensors", "autoencoder", safetensors(vae, "BF16"))
    put("safetensors", "ema", safetensors({"ema." + name: t for name, t in dit.items()}))
    few = dict(list(dit.items())[:3])
    put("zip", "few", archive(torch_files(few)))
    put("zip", "more", archive(torch_files(dict(list(vae.items())[:9]), 4)))
    put("pickle", "protocol2", torch_files(few)[0][1])
    put("pickle", "protocol5", torch_files(few, 5, lambda v: {"ema": v, "step": 1 << 70, "lr": 1e-4, "s": {1, 2}})[0][1])
    put("torch", "transformer", sections(torch_files(dit)))
    put("torch", "autoencoder", sections(torch_files(vae, 4, lambda v: {"state_dict": v})))
    put("legacy", "transformer", legacy_file(dit))
    put("legacy", "autoencoder", legacy_file(vae, 3, lambda v: {"model": v, "epoch": 3}))
    configs = {
        "ddim": b'{"_class_name":"DDIMScheduler","beta_schedule":"linear","num_train_timesteps":1000,"clip_sample":false}',
        "ddpm": b'{"_class_name":"DDPMScheduler","variance_type":"learned_range","beta_start":0.001,"clip_sample":true}',
        "dpm": b'{"_class_name":"DPMSolverMultistepScheduler","solver_order":2,"algorithm_type":"dpmsolver++"}',
        "vae": b'{"_class_name":"AutoencoderKL","block_out_channels":[4,4],"norm_num_groups":4,"scaling_factor":0.2}',
    }
    make_json(configs)
    make_folders(dit, vae, configs)
    make_pngs()
    make_params()
    for name, text in {"list": b"potion, key,2 ,none", "all": b"all", "wrong": b"poton", "pattern": b"a/%c-%i-%s%%.png", "number": b"0.25"}.items():
        put("words", name, text)
    for path in glob.glob(scratch + "/*"):
        os.remove(path)
    os.rmdir(scratch)


main()
