#!/usr/bin/env python3
"""make_pt.py MODEL.gguf OUTPUT.pt: the f32 tensors of a model file as a PyTorch checkpoint.

A zip of a pickled dict of tensors and their stored bytes, as torch.save writes it; for files of gigabytes where PyTorch
is not installed. Tensors pass through one at a time.
"""
import collections
import io
import pickle
import struct
import sys
import types
import zipfile

KINDS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def read(file, form):
    return struct.unpack("<" + form, file.read(struct.calcsize("<" + form)))[0]


def read_string(file):
    return file.read(read(file, "Q")).decode()


def read_value(file, kind):
    if kind == 8:
        return read_string(file)
    if kind == 9:
        kind, count = read(file, "I"), read(file, "Q")
        return [read_value(file, kind) for _ in range(count)]
    return read(file, KINDS[kind])


def read_index(file):
    """[(name, shape, offset in the file)]; all tensors must be f32."""
    file.seek(8)
    tensors, keys = read(file, "Q"), read(file, "Q")
    found = {}
    for _ in range(keys):
        name = read_string(file)
        found[name] = read_value(file, read(file, "I"))
    index = []
    for _ in range(tensors):
        name = read_string(file)
        shape = [read(file, "Q") for _ in range(read(file, "I"))][::-1]
        if read(file, "I") != 0:
            sys.exit("%s is not f32" % name)
        index.append((name, shape, read(file, "Q")))
    align = found.get("general.alignment", 32)
    base = (file.tell() + align - 1) // align * align
    return [(name, shape, base + offset) for name, shape, offset in index]


# What the pickle names. The classes are never imported from a real torch.
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


class Pickler(pickle.Pickler):

    def persistent_id(self, thing):
        return ("storage", FloatStorage, thing.key, "cpu", thing.count) if isinstance(thing, Storage) else None


def main(source, output):
    with open(source, "rb") as file, zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as archive:
        index = read_index(file)
        pickled = io.BytesIO()
        Pickler(pickled, 2).dump({name: Tensor(str(i), shape) for i, (name, shape, _) in enumerate(index)})
        archive.writestr("archive/data.pkl", pickled.getvalue())
        for i, (name, shape, offset) in enumerate(index):
            count = 4
            for size in shape:
                count *= size
            file.seek(offset)
            archive.writestr("archive/data/%d" % i, file.read(count))
        archive.writestr("archive/version", "3\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
