"""Model files as the package `gguf` reads them: keys, and tensors with their numbers."""
from fractions import Fraction
from unittest import mock

import gguf
import numpy as np

INTEGERS = (gguf.GGUFValueType.UINT32, gguf.GGUFValueType.INT32, gguf.GGUFValueType.BOOL)


class ModelFile:

    def __init__(self, path):
        with mock.patch.object(np, "memmap", lambda name, mode: np.fromfile(name, np.uint8)):  # whose slices are slow
            self.reader = gguf.GGUFReader(path)
        self.keys = {name: field.contents() for name, field in self.reader.fields.items()}
        self.tensors = {t.name: t for t in self.reader.tensors}

    def names(self):
        """The tensors without their companions."""
        return {n for n in self.tensors if not (n.rsplit(".", 1)[0] in self.tensors and n.endswith((".scale", ".form")))}

    def shape(self, name):
        return tuple(int(n) for n in self.tensors[name].shape[::-1])

    def type(self, name):
        """f32, f16, bf16, q8 or q4."""
        kind = self.tensors[name].tensor_type.name.lower()
        return kind if kind != "i8" else "q4" if name + ".form" in self.tensors else "q8"

    def raw(self, name):
        t = self.tensors[name]
        return np.asarray(gguf.quants.dequantize(t.data, t.tensor_type) if t.tensor_type.name == "BF16" else t.data)

    def integers(self, name):
        """The integers of a q8 or q4 matrix."""
        return codes(self.raw(name), self.raw(name + ".form")) if self.type(name) == "q4" else self.raw(name)

    def scales(self, name):
        return self.raw(name + ".scale")

    def values(self, name):
        """A tensor as float32."""
        if self.type(name) in ("q8", "q4"):
            return self.integers(name).astype(np.float32) * self.scales(name)[:, None]
        return self.raw(name).astype(np.float32)

    def lines(self):
        """What tests/gguf_list.c prints."""
        out = []
        for name, field in self.reader.fields.items():
            if name.startswith("GGUF."):
                continue
            value, kinds = field.contents(), field.types
            out.append("key %s %d%s %s" % (name, kinds[0], " of %d: %d" % (kinds[1], len(value)) if len(kinds) > 1 else "",
                                           " ".join(text(v, kinds[-1]) for v in (value if len(kinds) > 1 else [value]))))
        for t in self.reader.tensors:
            out.append("tensor %s %d %s at %d" % (t.name, t.tensor_type, " ".join(map(str, t.shape.tolist())), t.data_offset))
        return out


def text(value, kind):
    if kind == gguf.GGUFValueType.STRING:
        return "'%s'" % value
    return "%d" % value if kind in INTEGERS else "%016x" % np.float64(value).view(np.uint64)


def grid(form):
    """The integers that the codes of a row stand for, by docs/q4.md."""
    bits, a = int(form) & 15, Fraction(int(form) >> 4, 4)
    if bits == 8:
        return np.arange(256, dtype=np.uint8).view(np.int8)
    us = (Fraction(2 * code + 1, 2**bits) - 1 for code in range(2**bits))
    exact = (127 * ((1 - a) * u + a * u**3) for u in us)
    return np.array([int(abs(x) + Fraction(1, 2)) * (1 if x > 0 else -1) for x in exact], np.int8)


GRIDS = {bits + 16 * book: grid(bits + 16 * book) for bits in (4, 5, 6, 8) for book in range(4) if bits < 8 or not book}


def codes(packed, forms):
    bits = np.unpackbits(packed.view(np.uint8), bitorder="little")
    columns, at, rows = len(bits) // int((forms & 15).sum()), 0, []
    for form in forms.tolist():
        width = form & 15
        numbers = bits[at:at + columns * width].reshape(columns, width) @ (1 << np.arange(width))
        rows.append(GRIDS[form][numbers])
        at += columns * width
    assert at == len(bits), "codes do not fill the tensor"
    return np.array(rows)
