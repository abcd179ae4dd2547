#!/usr/bin/env python3
"""Bombs: small files that ask a reader for much memory or time. Each is made, given to dit or dit-convert, and measured.

    tests/bombs.py [--quick] [NAME...]        VERBOSE=1 prints what each took and said

Work and memory are bounded by what was asked for, never by what a file says: before a reader says yes or no it may take
4 times the file's size and 64 MB of memory, and a second of processor time for each megabyte begun; and what would take
hours, or more memory than the machine has, is not begun, but named. BUILD is the folder of the programs. Needs nothing
but Python.
"""
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import zlib

BUILD = os.environ.get("BUILD", "build")
DIT, CONVERT = os.path.join(BUILD, "dit"), os.path.join(BUILD, "dit-convert")
MB = 1 << 20
BOMBS = {}


def bomb(command, says=None, quick=False, slack=0):
    """Registers a function that returns the bytes of a file, or {name: bytes} of a folder. `command` has FILE in it.
    `says` must be in the answer; None: any answer will do, yes or no. `slack`: bytes that the command asks for itself."""

    def register(make):
        BOMBS[make.__name__] = (make, command, says, quick, slack)
        return make

    return register


READ = [CONVERT, "--quiet", "FILE", "-o", "OUT"]
SHOW = [DIT, "-q", "--info", "-m", "FILE"]
MAKE = [DIT, "-q", "-m", "FILE", "-o", "OUT"]
AGAIN = [DIT, "-q", "--again", "FILE", "-o", "OUT"]
START = [DIT, "-q", "-c", "0", "--steps", "1", "-i", "FILE", "-o", "OUT"]

# ---- JSON: the header of safetensors, configurations ----


def safetensors(header, body=b""):
    return struct.pack("<Q", len(header)) + header + body


def tensors(names, shape="[0]"):
    parts = [b'"%s":{"dtype":"F32","shape":%s,"data_offsets":[0,0]}' % (n.encode(), shape.encode()) for n in names]
    return safetensors(b"{" + b",".join(parts) + b"}")


@bomb(READ)
def json_values():
    return safetensors(b'{"a":[' + b"0," * 500000 + b"0]}")


@bomb(READ, quick=True)
def json_many_values():
    return safetensors(b'{"a":[' + b"1," * 1200000 + b"0]}")


@bomb(READ)
def json_keys():
    return safetensors(b"{" + b",".join(b'"%x":""' % i for i in range(400000)) + b"}")


@bomb(READ)
def json_nested():
    return safetensors(b'{"a":' + b"[" * 60 + b"[],[[],{}]," * 100000)


@bomb(READ)
def json_digits():
    return safetensors(b'{"a":' + b"1" * MB + b"}")


@bomb(READ)
def json_fraction():
    return safetensors(b'{"a":0.' + b"0" * MB + b"1}")


@bomb(READ)
def json_fractions():
    return safetensors(b'{"a":[' + b",".join([b"2.2250738585072014" + b"3" * 800 + b"e-308"] * 1200) + b"]}")


@bomb(READ)
def json_escapes():
    return safetensors(b'{"' + b"\\u0041" * (MB // 6) + b'":1}')


@bomb(READ)
def json_same_keys():
    return safetensors(b"{" + b",".join(b'"%s%d":0' % (b"k" * 990, i) for i in range(1000)) + b"}")


@bomb(READ)
def safetensors_many():
    return tensors("%x" % i for i in range(18000))


@bomb(READ)
def safetensors_more():
    return tensors("%x" % i for i in range(160000))


@bomb(READ)
def safetensors_blocks():
    return tensors("blocks.%d.attn.qkv.weight" % i for i in range(28000))


@bomb(READ)
def safetensors_prefixes():
    return tensors("m%d.x_embedder.proj.weight" % i for i in range(28000))


@bomb(READ)
def safetensors_diffusers():
    names = ["pos_embed.proj.weight"] + ["transformer_blocks.%d.attn1.to_q.weight" % i for i in range(26000)]
    return tensors(names)


@bomb(READ)
def safetensors_vae():
    names = ["decoder.conv_in.weight", "encoder.conv_in.weight"]
    return tensors(names + ["decoder.up_blocks.%d.resnets.0.conv1.weight" % i for i in range(26000)])


@bomb(READ)
def safetensors_compvis():
    names = ["decoder.conv_in.weight", "encoder.conv_in.weight", "encoder.down.0.block.0.norm1.weight"]
    return tensors(names + ["decoder.up.%d.block.0.conv1.weight" % i for i in range(26000)])


@bomb(READ)
def folder_index():
    index = {"weight_map": {"%x" % i: "a%d.safetensors" % (i % 9) for i in range(300000)}}
    return {"config.json": b"{}", "diffusion_pytorch_model.safetensors.index.json": json.dumps(index).encode()}


@bomb(READ)
def folder_config():
    return {"config.json": b'{"a":[' + b"0," * 520000 + b"0]}", "diffusion_pytorch_model.bin": b""}


@bomb(READ)
def folder_labels():
    index = b'{"_class_name":"DiTPipeline","id2label":{"1048575":"x"}}'
    return {"model_index.json": index, "transformer/config.json": b"{}"}


@bomb([CONVERT, "--quiet", "--labels", "FILE", "--synthetic", "dit:hidden=4,depth=1,heads=1", "-o", "OUT"])
def labels_lines():
    return b"a\n" * (24 * MB)


# ---- PyTorch ----


def archive(files):
    body, directory = bytearray(), bytearray()
    for name, data in files:
        entry = struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 0, zlib.crc32(data), len(data), len(data), len(name), 0)
        directory += b"PK\1\2" + struct.pack("<H", 20) + entry + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name
        body += b"PK\3\4" + entry + name + data
    end = struct.pack("<HHHHIIH", 0, 0, len(files) & 65535, len(files) & 65535, len(directory), len(body), 0)
    return bytes(body + directory + b"PK\5\6" + end)


def torch(pickle, storages=()):
    return archive([(b"m/data.pkl", pickle), (b"m/version", b"3\n")] + [(b"m/data/" + k, d) for k, d in storages])


def legacy(state, keys=b"\x80\2].", rest=b""):
    head = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\2M\xe9\3.\x80\2}."
    return head + state + keys + rest


def text(s):
    return b"X" + struct.pack("<I", len(s)) + s


def storage(key, count, kind=b"FloatStorage"):
    where = text(b"storage") + b"ctorch\n" + kind + b"\n" + text(key) + text(b"cpu") + b"J" + struct.pack("<i", count)
    return b"(" + where + b"tQ"


def tensor(key, count, shape, stride, offset=0):
    numbers = [b"(" + b"".join(b"J" + struct.pack("<i", n) for n in part) + b"t" for part in (shape, stride)]
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage(key, count) + b"J" + struct.pack("<i", offset) + b"".join(numbers) + b"\x89}tR"


@bomb(READ)
def pickle_values():
    return torch(b"\x80\2]" + b"(" + b"}" * 600000 + b"e.")


@bomb(READ)
def pickle_ones():
    return torch(b"\x80\2](" + b"K\1\x85" * 260000 + b"e.")


@bomb(READ)
def pickle_nested():
    return torch(b"\x80\2)" + b"\x85" * 500000 + b".")


@bomb(READ)
def pickle_memo():
    return torch(b"\x80\2}q\0r\xff\xff\7\0(" + b"h\0" * 500000 + b"1.")


@bomb(READ)
def pickle_lists():
    return torch(b"\x80\2(" + b"]K\1a" * 130000 + b"t.")


@bomb(READ)
def pickle_growing():
    return torch(b"\x80\2(" + b"".join(b"]" + b"(NNNNNe" + b"Na" for _ in range(60000)) + b"t.")


@bomb(READ)
def pickle_everything():
    return torch(b"\x80\2]q\0r\xff\xff\7\0(" + b"K\1\x85" * 120000 + b"e" + b"(" + b"h\0" * 400000 + b"t.")


@bomb(READ, quick=True)
def legacy_storages():
    one = storage(b"0", 1)
    return legacy(b"\x80\2}(" + b"".join(text(b"%x" % i) + one for i in range(20000)) + b"u.")


@bomb(READ)
def legacy_identifiers():
    identifier = b"(" + text(b"storage") + b"ctorch\nFloatStorage\n" + text(b"0") + text(b"cpu") + b"K\1tq\0"
    return legacy(b"\x80\2](" + identifier + b"Q" + b"h\0Q" * 255000 + b"e.", b"\x80\2](" + b"K\1\x85" * 120000 + b"e.")


@bomb(READ)
def legacy_keys():
    keys = b"\x80\2](" + b"".join(b"X\1\0\0\0a" for _ in range(250000)) + b"e."
    return legacy(b"\x80\2](" + b"K\1\x85" * 120000 + b"e.", keys)


@bomb(READ)
def zip_entries():
    return archive([(b"m/%d" % i, b"") for i in range(60000)] + [(b"m/data.pkl", b"\x80\2}."), (b"m/version", b"3\n")])


@bomb(READ)
def zip_long_names():
    return archive([(b"m" * 60000 + b"%d" % i, b"") for i in range(64)])


def transformer_names(depth):
    names = {"x_embedder.proj.weight": (0, 4, 2, 2), "x_embedder.proj.bias": (0,)}
    names.update({"t_embedder.mlp.0.weight": (0, 256), "t_embedder.mlp.0.bias": (0,), "t_embedder.mlp.2.weight": (0, 0)})
    names.update({"t_embedder.mlp.2.bias": (0,), "y_embedder.embedding_table.weight": (3, 0)})
    for i in range(depth):
        b = "blocks.%d." % i
        names.update({b + "attn.qkv.weight": (-3, 0), b + "attn.qkv.bias": (-3,), b + "attn.proj.weight": (0, 0)})
        names.update({b + "attn.proj.bias": (0,), b + "mlp.fc1.weight": (-4, 0), b + "mlp.fc1.bias": (-4,)})
        names.update({b + "mlp.fc2.weight": (0, -4), b + "mlp.fc2.bias": (0,)})
        names.update({b + "adaLN_modulation.1.weight": (-6, 0), b + "adaLN_modulation.1.bias": (-6,)})
    names.update({"final_layer.linear.weight": (32, 0), "final_layer.linear.bias": (32,)})
    names.update({"final_layer.adaLN_modulation.1.weight": (-2, 0), "final_layer.adaLN_modulation.1.bias": (-2,)})
    return names


@bomb([CONVERT, "--quiet", "--family", "dit", "--heads", "4", "--latent", "8", "FILE", "-o", "OUT"], says="4 times", quick=True)
def torch_one_storage_for_all():
    """512 blocks, all of whose tensors are views of one storage of 200 KB: 250 MB of weights."""
    hidden, parts = 96, []
    room = 6 * hidden * hidden
    for name, shape in transformer_names(512).items():
        sides = [hidden if s == 0 else -s * hidden if s < 0 else s for s in shape]
        strides = [1] * len(sides)
        for k in range(len(sides) - 2, -1, -1):
            strides[k] = strides[k + 1] * sides[k + 1]
        parts.append(text(name.encode()) + tensor(b"0", room, sides, strides))
    return torch(b"\x80\2}(" + b"".join(parts) + b"u.", [(b"0", bytes(4 * room))])


# ---- Model files ----


def key(name, kind, value):
    return struct.pack("<Q", len(name)) + name + struct.pack("<I", kind) + value


def string(s):
    return struct.pack("<Q", len(s)) + s


def number(name, n):
    return key(name, 4, struct.pack("<I", n))


def gguf(keys, entries=(), data=b""):
    head = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(entries), len(keys)) + b"".join(keys))
    for name, kind, shape, offset in entries:
        head += string(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", s) for s in shape[::-1])
        head += struct.pack("<IQ", kind, offset)
    return bytes(head + bytes(-len(head) % 32) + data)


@bomb(SHOW, quick=True)
def gguf_keys():
    return gguf([key(b"%x" % i, 0, b"\0") for i in range(65536)])


@bomb(SHOW)
def gguf_long_keys():
    return gguf([key(b"k" * 65000 + b"%d" % i, 0, b"\0") for i in range(64)])


@bomb(SHOW)
def gguf_strings():
    return gguf([key(b"dit.labels", 9, struct.pack("<IQ", 8, 500000) + bytes(8 * 500000))])


@bomb(READ)
def gguf_tensors():
    return gguf([key(b"general.architecture", 8, string(b"dit"))], [(b"%x" % i, 24, (1,), 0) for i in range(65536)])


@bomb(READ)
def gguf_empty_q4():
    entries = []
    for i in range(6000):
        entries += [(b"%x" % i, 24, (2,), 96 * i), (b"%x.form" % i, 24, (1,), 96 * i + 32), (b"%x.scale" % i, 0, (1,), 96 * i + 64)]
    return gguf([key(b"general.architecture", 8, string(b"dit"))], entries, (bytes([0x11]) * 32 + bytes([2]) * 32 + bytes(32)) * 6000)


# What dit-convert makes, with a geometry that costs few bytes and asks for much work.
def synthetic(*arguments):
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "m.gguf")
        subprocess.run([CONVERT, "--quiet", "--type", "q8", *arguments, "-o", path], check=True)
        with open(path, "rb") as f:
            return f.read()


VAE = ["--synthetic", "vae:blocks=4+4+4+4,layers=1,groups=4,in=4,out=4,latent=4"]


def dit(**geometry):
    values = dict(hidden=4, depth=1, heads=1, patch=2, latent=8, classes=2, sigma=0)
    values["in"] = 4
    values.update(geometry)
    return ["--synthetic", "dit:" + ",".join("%s=%s" % item for item in values.items())]


@bomb(MAKE, says="--long", slack=1 << 30)
def work_tokens():
    """A million tokens: attention over all of them, 250 steps."""
    return synthetic(*dit(latent=1024, patch=1), *VAE)


@bomb(MAKE, says="--long", slack=1 << 30)
def work_tokens_and_steps():
    return synthetic("--steps", "1000", *dit(latent=512, patch=1, depth=64), *VAE)


@bomb(MAKE + ["--steps", "1", "-c", "0"], says="--long", slack=4 << 30)
def work_depth():
    return synthetic(*dit(latent=1024, patch=2, depth=512), *VAE)


@bomb(MAKE + ["--steps", "1", "-c", "0"], says="--long", slack=16 << 30)
def work_autoencoder():
    """131 GB, which few machines have; on those it would take hours."""
    wide = "vae:blocks=32+64+64+64+64,layers=7,groups=4,in=4,out=4,latent=4"
    return synthetic(*dit(latent=1024, patch=16), "--synthetic", wide)


FIT = [CONVERT, "--quiet", "--fit-preview", "FILE"]


@bomb(FIT, says="--long")
def work_preview():
    """Sixteen pictures of 2048 pixels, whose latents have 16."""
    return synthetic(*dit(latent=16), "--synthetic", "vae:blocks=" + "64+" * 7 + "64,layers=7,groups=4,in=4,out=4,latent=4")


@bomb(MAKE, says="--long", slack=1 << 30)
def work_classes():
    """As many classes as fit: with -c all they would all be made."""
    return synthetic(*dit(latent=64, patch=1, depth=16, classes=32), "--steps", "1000", *VAE)


# ---- PNG ----


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, extra=b"", tail=b"", rows=None):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    if rows is None:
        row = bytes((width * depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] + 7) // 8 + 1)
        packer = zlib.compressobj(9)
        rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", rows) + tail + chunk(b"IEND", b"")


def packed(byte, size):
    return zlib.compress(byte * size, 9)


@bomb(START, says="pixels")
def png_pixels():
    return png(32768, 16384, 1, 0)


@bomb(START)
def png_rows():
    """The right size, and far more rows than it has."""
    return png(32, 32, 8, 6, rows=packed(b"\0", 200 * MB))


@bomb(START)
def png_texts_of_image():
    return png(32, 32, 8, 6, extra=chunk(b"zTXt", b"k\0\0" + packed(b"A", MB - 64)) * 900)


@bomb(AGAIN)
def png_texts():
    return png(1, 1, 8, 6, extra=chunk(b"zTXt", b"k\0\0" + packed(b"A", MB - 64)) * 60)


@bomb(AGAIN)
def png_more_texts():
    return png(1, 1, 8, 6, extra=chunk(b"zTXt", b"k\0\0" + packed(b"A", MB - 64)) * 4000)


@bomb(AGAIN)
def png_international():
    return png(1, 1, 8, 6, extra=chunk(b"iTXt", b"k\0\1\0\0\0" + packed(b"A", MB - 64)) * 900)


@bomb(AGAIN)
def png_texts_too_long():
    return png(1, 1, 8, 6, extra=chunk(b"zTXt", b"k\0\0" + packed(b"A", 50 * MB)) * 20)


@bomb(AGAIN)
def png_small_texts():
    return png(1, 1, 8, 6, extra=chunk(b"tEXt", b"k\0v") * 80000)


@bomb(AGAIN)
def png_chunks():
    return png(1, 1, 8, 6, extra=chunk(b"aaAa", b"") * 90000)


@bomb(START, quick=True)
def png_profiles():
    return png(32, 32, 8, 6, extra=chunk(b"iCCP", b"k\0\0" + packed(b"A", 15 * MB)) * 60)


@bomb(AGAIN)
def png_profiles_again():
    return png(32, 32, 8, 6, extra=chunk(b"iCCP", b"k\0\0" + packed(b"A", 15 * MB)) * 60)


@bomb([DIT, "-q", "-c", "0", "-m", "FILE/model.gguf", "-i", "FILE/image.png", "-o", "OUT"], says="--long", quick=True)
def png_of_models_size():
    """A model whose pictures have 8192 x 8192 pixels, and an image of that size, all in one colour."""
    return {"model.gguf": synthetic(*dit(latent=1024, patch=16), *VAE), "image.png": png(8192, 8192, 1, 0)}


def again(change, *size):
    """A PNG of dit whose texts were changed."""
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "a.png")
        subprocess.run([DIT, "-q", "-c", "0", "--steps", "1", "-o", path], check=True)
        with open(path, "rb") as f:
            data = f.read()
    texts, at = b"", 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"tEXt":
            name, value = data[at + 8 : at + 8 + length].split(b"\0", 1)
            texts += chunk(b"tEXt", name + b"\0" + change.get(name.decode(), value))
        at += 12 + length
    return png(*size, 8, 6, texts)


@bomb(AGAIN, quick=True)
def again_small_picture():
    return again({"Width": b"4096", "Height": b"4096", "Steps": b"999"}, 1, 1)


@bomb(AGAIN, says="--long", quick=True)
def again_scaled():
    """A sheet of 4096 x 4096 pixels, in 65 KB of file."""
    return again({"Width": b"64", "Height": b"64", "Scale": b"64"}, 4096, 4096)


@bomb(AGAIN, says="--long")
def again_sheet():
    return again({"Seed": b"0 to 511", "Class numbers": b",".join([b"1"] * 128), "Scale": b"1"}, 16384, 4096)


@bomb(AGAIN, says="--long")
def again_steps():
    return again({"Width": b"2048", "Height": b"2048", "Steps": b"1000", "Sampler": b"ddpm", "Timestep spacing": b"even"}, 2048, 2048)


# ---- Measuring ----


def write(folder, name, data):
    path = os.path.join(folder, name)
    if not isinstance(data, dict):
        with open(path, "wb") as f:
            f.write(data)
        return path, len(data)
    for inside, content in data.items():
        os.makedirs(os.path.dirname(os.path.join(path, inside)), exist_ok=True)
        with open(os.path.join(path, inside), "wb") as f:
            f.write(content)
    return path, sum(map(len, data.values()))


def make_in_child(folder, name):
    """The largest memory of a process counts that of the one it came from, so this one stays small."""
    if os.fork() == 0:
        try:
            path, size = write(folder, name, BOMBS[name][0]())
            with open(os.path.join(folder, name + ".size"), "w") as f:
                f.write(f"{size}")
            os._exit(0)
        except BaseException as e:
            print(f"  {name}: {e}", flush=True)
            os._exit(1)
    if os.wait()[1]:
        return None
    with open(os.path.join(folder, name + ".size")) as f:
        return int(f.read())


def measure(folder, name, seconds):
    """The answer, status, processor seconds and bytes of memory of a command."""
    out = os.path.join(folder, "OUT")
    words = [out if w == "OUT" else w.replace("FILE", os.path.join(folder, name)) for w in BOMBS[name][1]]
    log = os.open(os.path.join(folder, "log"), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    child = os.fork()
    if child == 0:
        for stream in (1, 2):
            os.dup2(log, stream)
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 20, int(seconds) + 30))
        os.environ["OMP_NUM_THREADS"] = "1"
        os.execv(words[0], words)
    _, status, usage = os.wait4(child, 0)
    os.lseek(log, 0, 0)
    answer = os.read(log, 4000).decode(errors="replace").strip()
    os.close(log)
    if os.path.exists(out):
        os.remove(out)
    return answer, status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def check(folder, name):
    _, _, says, _, slack = BOMBS[name]
    size = make_in_child(folder, name)
    if size is None:
        return f"{name}: could not be made"
    most_seconds = max(1, -(-size // MB)) + (10 if slack else 0)  # what works for a while is stopped after 3 s of work
    most_bytes = 4 * size + 64 * MB + slack
    answer, status, seconds, memory = measure(folder, name, most_seconds)
    first = answer.splitlines()[0] if answer else ""
    if os.environ.get("VERBOSE"):
        print(f"  note: {name}: {size} bytes, {seconds:.2f} s, {memory / 1e6:.0f} MB: {first[:160]}")
    if os.WIFSIGNALED(status):
        return f"{name}: ended by signal {signal.Signals(os.WTERMSIG(status)).name} after {seconds:.1f} s: {first}"
    if seconds > most_seconds:
        return f"{name}: {seconds:.2f} s for {size} bytes; at most {most_seconds} s: {first}"
    if memory > most_bytes:
        return f"{name}: {memory / 1e6:.0f} MB of memory for {size} bytes; at most {most_bytes / 1e6:.0f} MB: {first}"
    if says is not None and (says not in answer or os.WEXITSTATUS(status) == 0):
        return f"{name}: does not say '{says}', but: {first}"
    return None


def main():
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    quick = "--quick" in sys.argv
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in names or [n for n in BOMBS if not quick or BOMBS[n][3]]:
            problem = check(folder, name)
            if problem:
                print("  FAILED:", problem)
            passed, failed = passed + (not problem), failed + bool(problem)
    print(f"bombs: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
