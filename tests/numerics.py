#!/usr/bin/env python3
"""docs/numerics.md as a program: an independent implementation in numpy, compared bit for bit with the library.

Written from that page alone; it needs python3 and numpy, and of the library only build/libdit.so (called through the
ctypes structs of weights/train/libdit.py) and build/dit-convert (which makes the small models). It fails if a result of the library is not the one that the page
defines, be it a single bit. One of the longer checks (.ci/run); about a minute.
"""
import ctypes
import os
import struct
import subprocess
import sys
import tempfile
from fractions import Fraction

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "weights", "train"))
from libdit import Error, ForwardParams, Params, pointer  # noqa: E402

F = np.float32
D = np.float64
hexf = lambda text: F(float.fromhex(text))

# ---- Single precision: fma, exp, silu, gelu ----


def fma(a, b, c):
    """a * b + c, rounded once: the product is exact in double, the sum is rounded to odd."""
    product = np.multiply(a, b, dtype=D)
    addend = np.asarray(c, dtype=D)
    total = product + addend
    part = total - product
    error = (product - (total - part)) + (addend - part)
    bits = np.array(total).view(np.int64)
    step = np.where(((error < 0) | (error > 0)) & (bits & 1 == 0), np.where((error > 0) == (total > 0), 1, -1), 0)
    return (bits + step).view(D).astype(F)


EXP = [hexf(c) for c in ("0x1.6a9952p-10", "0x1.120c32p-7", "0x1.5558fap-5", "0x1.555410p-3", "0x1.fffffcp-2", "1", "1")]


def exp32(x):
    x = np.minimum(np.maximum(x, F(-87)), F(88))
    magic = hexf("0x1.8p+23")
    n = fma(x, hexf("0x1.715476p+0"), magic) - magic
    r = fma(n, hexf("-0x1.62e4p-1"), x)
    r = fma(n, hexf("-0x1.7f7d1cp-20"), r)
    p = EXP[0]
    for c in EXP[1:]:
        p = fma(p, r, c)
    return np.ldexp(p, n.astype(np.int32))


def silu(x):
    return x / (F(1) + exp32(F(0) - x))


def gelu(x):
    u = fma(x * x, hexf("-0x1.2444f2p-4"), hexf("-0x1.988454p+0"))
    return x / (F(1) + exp32(x * u))


# ---- Single precision: products, sums, norms, attention ----


def product(a, w):
    """a [m][k] times w [n][k]: chains of fma over blocks of 256 k, block sums added in order."""
    total = None
    for k0 in range(0, a.shape[1], 256):
        block = np.zeros((len(a), len(w)), F)
        for k in range(k0, min(k0 + 256, a.shape[1])):
            block = fma(a[:, k, None], w[None, :, k], block)
        total = block if total is None else total + block
    return total


def tree(chains):
    """[..][16] -> [..]"""
    for half in (8, 4, 2, 1):
        chains = chains[..., :half] + chains[..., half:2 * half]
    return chains[..., 0]


def sixteens(x):
    """[..][n] -> [..][groups][16], zeros at the end."""
    pad = -x.shape[-1] % 16
    x = np.concatenate([x, np.zeros(x.shape[:-1] + (pad,), F)], -1)
    return x.reshape(x.shape[:-1] + (-1, 16))


def sum16(x):
    x = sixteens(x)
    chains = np.zeros(x.shape[:-2] + (16,), F)
    for i in range(x.shape[-2]):
        chains = chains + x[..., i, :]
    return tree(chains)


def squares16(x):
    x = sixteens(x)
    chains = np.zeros(x.shape[:-2] + (16,), F)
    for i in range(x.shape[-2]):
        chains = fma(x[..., i, :], x[..., i, :], chains)
    return tree(chains)


def layer_norm(x, shift, scale, eps=1e-6):
    width = F(x.shape[-1])
    d = x - (sum16(x) / width)[..., None]
    factor = F(1) / np.sqrt(squares16(d) / width + F(eps))
    return fma(d * factor[..., None], F(1) + scale, shift)


def attention(q, k, v):
    """One head: [tokens][dim] each."""
    tokens, dim = q.shape
    q = q * F(1.0 / np.sqrt(D(dim)))
    for k0 in range(0, tokens, 256):
        s = product(q, k[k0:k0 + 256])
        top = s.max(1)
        if k0:
            top = np.maximum(before, top)
            factor = exp32(before - top)
        p = exp32(s - top[:, None])
        block = product(p, v[k0:k0 + 256].T)
        total = fma(total, factor, sum16(p)) if k0 else sum16(p)
        sums = fma(sums, factor[:, None], block) if k0 else block
        before = top
    return sums / total[:, None]


def quantize(x):
    low, high = x.min(1), x.max(1)
    scale = (high - low) / F(127)
    with np.errstate(divide="ignore"):
        inverse = np.where(high - low > F(2.0 ** -120), F(127) / (high - low), F(0))
    magic = hexf("0x1.8p+23")
    q = ((x - low[:, None]) * inverse[:, None] + magic) - magic
    return q.astype(np.int64), scale, low


def product_i8(x, w):
    """x [m][k], w a q8 matrix (integers, scale of each row)."""
    integers, weight_scale = w
    q, scale, low = quantize(x)
    dot = (q @ integers.T).astype(F)
    sums = integers.sum(1).astype(F)
    return (dot * scale[:, None] + sums * low[:, None]) * weight_scale


# ---- Double precision: exp, log, sin, cos ----

LN2_HIGH, LN2_LOW = float.fromhex("0x1.62e42fefa3800p-1"), float.fromhex("0x1.ef35793c76730p-45")
INVERSE_LN2, SQRT2 = float.fromhex("0x1.71547652b82fep+0"), float.fromhex("0x1.6a09e667f3bcdp+0")
HALF_PI = [float.fromhex(c) for c in ("0x1.921fb544p+0", "0x1.0b4611a6p-34", "0x1.3198a2ep-69", "0x1.b839a252049c1p-104")]
TWO_BY_PI, TWO_PI = float.fromhex("0x1.45f306dc9c883p-1"), float.fromhex("0x1.921fb54442d18p+2")


def factorial(n):
    return 1 if n < 2 else n * factorial(n - 1)


EXP_TERMS = [1.0 / factorial(k) for k in range(2, 14)]
LOG_TERMS = [2.0 / k for k in range(3, 24, 2)]
SIN_TERMS = [(-1.0)**k / factorial(2 * k + 1) for k in range(1, 9)]
COS_TERMS = [(-1.0)**k / factorial(2 * k) for k in range(2, 9)]


def poly(x, terms):
    p = terms[-1]
    for c in terms[-2::-1]:
        p = p * x + c
    return p


def exp64(x):
    x = float(x)
    n = int(x * INVERSE_LN2 + (-0.5 if x < 0 else 0.5))
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    y = 1 + (r + (r * r) * poly(r, EXP_TERMS))
    half = int(n / 2)
    return (y * 2.0**half) * 2.0**(n - half)


def log64(x):
    m, n = np.frexp(D(x))
    m, n = float(m) * 2, int(n) - 1
    if m > SQRT2:
        m, n = m * 0.5, n + 1
    f = m - 1
    s = f / (2 + f)
    z = s * s
    q = z * poly(z, LOG_TERMS)
    return n * LN2_HIGH - ((s * (f - q) - n * LN2_LOW) - f)


def sincos64(x):
    x = float(x)
    n = int(x * TWO_BY_PI + (-0.5 if x < 0 else 0.5))
    a, b, c, d = HALF_PI
    x0 = x - n * a
    x1 = x0 - n * b
    t = n * c - ((x0 - x1) - n * b)
    x2 = x1 - t
    t = n * d - ((x1 - x2) - t)
    r = x2 - t
    rest = (x2 - r) - t
    z = r * r
    h = 0.5 * z
    w = 1 - h
    s = r + ((r * z) * poly(z, SIN_TERMS) + rest * w)
    k = w + (((1 - w) - h) + ((z * z) * poly(z, COS_TERMS) - r * rest))
    return ((s, k), (k, -s), (-s, -k), (-k, s))[n % 4]


# ---- Random numbers ----

MASK = 0xFFFFFFFF


def philox(block, seed, third=0):
    c0, c1, c2, c3 = block & MASK, block >> 32, third, 0
    k0, k1 = seed & MASK, seed >> 32
    for _ in range(10):
        p, q = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (q >> 32) ^ c1 ^ k0, q & MASK, (p >> 32) ^ c3 ^ k1, p & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c0, c1, c2, c3


def pair(u, v):
    """Box and Muller's rule."""
    radius = float(np.sqrt(D(-2 * log64(u))))
    sine, cosine = sincos64(TWO_PI * v)
    return radius * cosine, radius * sine


def normals(seed, first, count):
    out = []
    for block in range(first // 4, (first + count + 3) // 4):
        w = philox(block, seed)
        for i in (0, 2):
            out += pair((w[i] + 0.5) * 2.0**-32, (w[i + 1] + 0.5) * 2.0**-32)
    return np.array(out, D).astype(F)[first % 4:][:count]


class Stream:
    """A stream that is called: 1 ours, 2 TORCH, 3 PHILOX."""

    def __init__(self, generator, seed):
        self.generator, self.seed, self.calls, self.place, self.kept = generator, seed, 0, 0, None
        self.state = [seed & MASK]
        for i in range(1, 624):
            self.state.append((1812433253 * (self.state[-1] ^ self.state[-1] >> 30) + i) & MASK)
        self.next = 624

    def word(self):
        s = self.state
        if self.next == 624:
            for i in range(624):
                y = s[i] & 0x80000000 | s[(i + 1) % 624] & 0x7fffffff
                s[i] = s[(i + 397) % 624] ^ y >> 1 ^ (0x9908b0df if y & 1 else 0)
            self.next = 0
        y = s[self.next]
        self.next += 1
        y ^= y >> 11
        y ^= y << 7 & 0x9d2c5680
        y ^= y << 15 & 0xefc60000
        return y ^ y >> 18

    def few(self):
        if self.kept is not None:
            number, self.kept = self.kept, None
            return number
        s, t = (((self.word() << 32 | self.word()) & (1 << 53) - 1) * 2.0**-53 for _ in range(2))
        number, self.kept = pair(1 - t, s)
        return number

    def block(self, uniforms):
        pairs = [pair(1 - uniforms[j], uniforms[j + 8]) for j in range(8)]
        return [p[0] for p in pairs] + [p[1] for p in pairs]

    def call(self, n):
        self.calls += 1
        if self.generator == 1:
            self.place += n
            return normals(self.seed, self.place - n, n)
        if self.generator == 3:
            words = [philox(self.calls - 1, self.seed, i) for i in range(n)]
            return np.array([pair((w[0] + 0.5) * 2.0**-32, (w[1] + 0.5) * 2.0**-32)[1] for w in words], D).astype(F)
        if n < 16:
            return np.array([self.few() for _ in range(n)], D).astype(F)
        uniforms, out = [(self.word() & 0xffffff) * 2.0**-24 for _ in range(n)], []
        for i in range(0, n - 15, 16):
            out += self.block(uniforms[i:i + 16])
        if n % 16:
            out = (out + [0] * 16)[:n - 16] + self.block([(self.word() & 0xffffff) * 2.0**-24 for _ in range(16)])
        return np.array(out, D).astype(F)


# ---- The model file ----


class Gguf:

    def __init__(self, path):
        self.bytes = open(path, "rb").read()
        self.at = 8
        tensors, keys = self.number("<Q"), self.number("<Q")
        self.keys = {}
        for _ in range(keys):
            name = self.string()
            self.keys[name] = self.value(self.number("<I"))
        found = [(self.string(), self.shape(), self.number("<I"), self.number("<Q")) for _ in range(tensors)]
        align = self.keys.get("general.alignment", 32)
        base = (self.at + align - 1) // align * align
        self.whole = {}
        self.raw = {name: self.tensor(shape, kind, base + offset) for name, shape, kind, offset in found}

    def number(self, form):
        value, = struct.unpack_from(form, self.bytes, self.at)
        self.at += struct.calcsize(form)
        return value

    def string(self):
        length = self.number("<Q")
        self.at += length
        return self.bytes[self.at - length:self.at].decode()

    def shape(self):
        return [self.number("<Q") for _ in range(self.number("<I"))][::-1]

    def value(self, kind):
        if kind == 8:
            return self.string()
        if kind == 9:
            kind, count = self.number("<I"), self.number("<Q")
            return [self.value(kind) for _ in range(count)]
        return self.number("<" + {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}[kind])

    def tensor(self, shape, kind, offset):
        form = {0: "<f4", 1: "<f2", 24: "i1", 30: "<u2"}[kind]
        values = np.frombuffer(self.bytes, form, int(np.prod(shape)), offset).reshape(shape)
        if kind == 30:
            return (values.astype(np.uint32) << 16).view(F)
        return values if kind == 24 else values.astype(F)

    def codes(self, name):
        """The integers of a q4 matrix."""
        rows, at, forms = [], 0, self.raw[name + ".form"]
        k = 8 * self.raw[name].size // int((forms & 15).sum())
        for form in forms:
            width, a = int(form) & 15, Fraction(int(form) >> 4, 4)
            bits = np.unpackbits(self.raw[name][at:at + k * width // 8].view(np.uint8), bitorder="little")
            at += k * width // 8
            numbers = (bits.reshape(k, width) << np.arange(width)).sum(1)
            grid = [code if code < 128 else code - 256 for code in range(256)]
            if width < 8:
                u = [Fraction(2 * code + 1, 2**width) - 1 for code in range(2**width)]
                grid = [int(abs(g) + Fraction(1, 2)) * (1 if g > 0 else -1) for g in (127 * ((1 - a) * x + a * x**3) for x in u)]
            rows.append(np.array(grid)[numbers])
        return np.array(rows)

    def narrow(self, name):
        return self.raw[name].dtype == np.int8

    def integers(self, name):
        if name not in self.whole:
            self.whole[name] = self.codes(name) if name + ".form" in self.raw else self.raw[name]
        return self.whole[name].astype(np.int64), self.raw[name + ".scale"]

    def __call__(self, name):
        """A tensor as f32."""
        if self.narrow(name):
            integers, scale = self.integers(name)
            return integers.astype(F) * scale[:, None]
        return self.raw[name]


# ---- The transformer ----


def positions(hidden, rows, columns, own=None):
    """own: the side of the grid that others are squeezed onto (diffusers' forward pass)."""
    quarter = hidden // 4

    def half(place):
        pairs = [sincos64(place * exp64(-9.210340371976184 * j / quarter)) for j in range(quarter)]
        return np.array([p[0] for p in pairs] + [p[1] for p in pairs], D).astype(F)

    across, down = ([half(D(i) / (D(n) / D(own)) if own else i) for i in range(n)] for n in (columns, rows))
    return np.array([np.concatenate([across[c], down[r]]) for r in range(rows) for c in range(columns)])


class Transformer:

    def __init__(self, file, int8):
        self.file, self.int8 = file, int8
        for key in ("hidden_size", "depth", "heads", "patch", "latent_size", "in_channels", "null_class"):
            setattr(self, key, file.keys["dit." + key])
        self.out_channels = self.in_channels * (1 + file.keys["dit.learned_sigma"])
        self.diffusers = file.keys["dit.forward"] == "diffusers"
        self.eps = file.keys["dit.norm_eps"] if self.diffusers else 1e-6

    def linear(self, name, x):
        return product(x, self.file(name + ".weight")) + self.file(name + ".bias")

    def layer(self, name, x):
        """A layer of a block, which may be int8."""
        if self.int8:
            return product_i8(x, self.file.integers(name + ".weight")) + self.file(name + ".bias")
        return self.linear(name, x)

    def modulation(self, timestep, label):
        last = 127 if self.diffusers else 128
        pairs = [sincos64(timestep * exp64(-9.210340371976184 * j / last)) for j in range(128)]
        features = np.array([p[1] for p in pairs] + [p[0] for p in pairs], D).astype(F)[None]
        time = self.linear("t_embedder.mlp.2", silu(self.linear("t_embedder.mlp.0", features)))
        condition = silu(time + label)
        names = ["blocks.%d" % i for i in range(self.depth)] + ["final_layer"]
        return [self.linear(n + ".adaLN_modulation.1", condition)[0].reshape(-1, self.hidden_size) for n in names]

    def label(self, a, b=None, mix=0):
        table = self.file("y_embedder.embedding_table.weight")
        if b is None or b == a:
            return table[a]
        return (F(1) - F(mix)) * table[a] + F(mix) * table[b]

    def block(self, name, x, m):
        hidden, heads = self.hidden_size, self.heads
        dim = hidden // heads
        qkv = self.layer(name + ".attn.qkv", layer_norm(x, m[0], m[1]))
        parts = [qkv[:, i * hidden:(i + 1) * hidden] for i in range(3)]
        mixed = [attention(*(p[:, h * dim:(h + 1) * dim] for p in parts)) for h in range(heads)]
        x = fma(m[2], self.layer(name + ".attn.proj", np.concatenate(mixed, 1)), x)
        inner = gelu(self.layer(name + ".mlp.fc1", layer_norm(x, m[3], m[4], self.eps)))
        return fma(m[5], self.layer(name + ".mlp.fc2", inner), x)

    def denoise(self, latent, timestep, label, kept=None, whole=True):
        """latent [C][height][width] -> [C or 2C][height][width]; kept: what blocks added, by label."""
        c, height, width = latent.shape
        p, own = self.patch, self.latent_size // self.patch
        rows, columns = height // p, width // p
        patches = latent.reshape(c, rows, p, columns, p).transpose(1, 3, 0, 2, 4).reshape(rows * columns, c * p * p)
        embed = self.file("x_embedder.proj.weight").reshape(self.hidden_size, -1)
        place = self.file("pos_embed")[0]
        if not rows == columns == own:
            place = positions(self.hidden_size, rows, columns, own if self.diffusers else None)
        x = place + (product(patches, embed) + self.file("x_embedder.proj.bias"))
        m = self.modulation(D(timestep), label)
        key, before = label.tobytes(), x
        for i in range(self.depth if whole else 0):
            x = self.block("blocks.%d" % i, x, m[i])
        if kept is not None and whole:
            kept[key] = x - before
        elif not whole:
            x = x + kept[key]
        out = self.linear("final_layer.linear", layer_norm(x, m[-1][0], m[-1][1]))
        out = out.reshape(rows, columns, p, p, self.out_channels).transpose(4, 0, 2, 1, 3)
        return out.reshape(self.out_channels, height, width)


# ---- Winograd ----


def winograd_kernel(w):
    """[3]..[] in double -> six"""
    e, o, e2, o2 = w[0] + w[2] * D(25 / 64), w[1] * D(5 / 8), w[0] + w[2] * D(9 / 4), w[1] * D(3 / 2)
    small, large = D(-2048) / D(2975), D(128) / D(1071)
    return [w[0] * (D(256) / D(225)), (e + o) * small, (e - o) * small, (e2 + o2) * large, (e2 - o2) * large, w[2]]


def winograd_picture(d):
    e, o = fma(F(-9 / 4), d[2], d[4]), fma(F(-9 / 4), d[1], d[3])
    e2, o2 = fma(F(-25 / 64), d[2], d[4]), fma(F(-25 / 64), d[1], d[3])
    ends = [fma(F(225 / 256), d[i], fma(F(-169 / 64), d[i + 2], d[i + 4])) for i in range(2)]
    return [ends[0], fma(F(5 / 8), o, e), fma(F(-5 / 8), o, e), fma(F(3 / 2), o2, e2), fma(F(-3 / 2), o2, e2), ends[1]]


def winograd_pixels(m):
    p, q, r, s = m[1] + m[2], m[1] - m[2], m[3] + m[4], m[3] - m[4]
    return [m[0] + (p + r), fma(F(3 / 2), s, F(5 / 8) * q), fma(F(9 / 4), r, F(25 / 64) * p),
            fma(F(27 / 8), s, fma(F(125 / 512), q, m[5]))]


def winograd(x, weight):
    """x [height][width][channels], weight [out][channels][3][3] -> [height][width][out]"""
    height, width, channels = x.shape
    rows, columns = -(-height // 4), -(-width // 4)
    down = winograd_kernel(list(weight.astype(D).transpose(2, 3, 1, 0)))
    kernels = [[u.astype(F) for u in winograd_kernel(list(line))] for line in down]
    padded = np.zeros((4 * rows + 2, 4 * columns + 2, channels), F)
    padded[1:height + 1, 1:width + 1] = x
    down = winograd_picture([padded[i:i + 4 * rows:4] for i in range(6)])
    points = [winograd_picture([line[:, i:i + 4 * columns:4] for i in range(6)]) for line in down]
    sums = [[product(points[i][j].reshape(rows * columns, -1), kernels[i][j].T) for j in range(6)] for i in range(6)]
    out = np.zeros((rows, 4, columns, 4, len(weight)), F)
    down = [winograd_pixels([sums[i][j] for i in range(6)]) for j in range(6)]
    for i in range(4):
        for j, pixel in enumerate(winograd_pixels([down[k][i] for k in range(6)])):
            out[:, i, :, j] = pixel.reshape(rows, columns, -1)
    return out.reshape(4 * rows, 4 * columns, -1)[:height, :width]


# ---- The autoencoder ----


class Autoencoder:
    """Pictures are [height][width][channels] inside."""

    def __init__(self, file):
        self.file = file
        self.groups, self.layers = file.keys["vae.groups"], file.keys["vae.layers"]
        self.widths, self.scaling = file.keys["vae.block_channels"], file.keys["vae.scaling_factor"]

    def norm(self, name, x, activate):
        height, width, channels = x.shape
        each = channels // self.groups
        sums = np.zeros((2, self.groups))
        for row in x.astype(D):
            channel = np.zeros((2, channels))
            for pixel in row:
                channel[0] += pixel
                channel[1] += pixel * pixel
            part = np.zeros((2, self.groups))
            for c in range(each):
                part += channel.reshape(2, self.groups, each)[:, :, c]
            sums += part
        count = D(height * width * each)
        mean = sums[0] / count
        variance = np.maximum(sums[1] / count - mean * mean, 0)
        factor = np.repeat(1.0 / np.sqrt(variance + D(F(1e-6))), each)
        scale = factor * self.file("vae." + name + ".weight").astype(D)
        shift = self.file("vae." + name + ".bias").astype(D) - np.repeat(mean, each) * scale
        y = fma(x, scale.astype(F), shift.astype(F))
        return silu(y) if activate else y

    def convolution(self, name, x, stride=1):
        weight = self.file("vae." + name + ".weight")
        height, width, channels = x.shape
        if weight.shape[2] == 3 and stride == 1 and min(weight.shape[:2]) >= 16:
            return winograd(x, weight) + self.file("vae." + name + ".bias")
        if weight.shape[2] == 1:
            k = x.reshape(-1, channels)
            out = product(k, weight.reshape(len(weight), -1))
        else:
            border = ((0, 1), (0, 1)) if stride == 2 else ((1, 1), (1, 1))
            x = np.pad(x, border + ((0, 0),))
            height, width = height // stride, width // stride
            taps = [x[r:r + height * stride:stride, c:c + width * stride:stride] for r in range(3) for c in range(3)]
            k = np.stack([t[:height, :width] for t in taps], 2).reshape(height * width, 9 * channels)
            out = product(k, weight.transpose(0, 2, 3, 1).reshape(len(weight), -1))
        return (out + self.file("vae." + name + ".bias")).reshape(height, width, -1)

    def linear(self, name, x):
        return product(x, self.file("vae." + name + ".weight")) + self.file("vae." + name + ".bias")

    def resnet(self, name, x):
        h = self.convolution(name + ".conv1", self.norm(name + ".norm1", x, True))
        h = self.convolution(name + ".conv2", self.norm(name + ".norm2", h, True))
        if "vae." + name + ".conv_shortcut.weight" in self.file.raw:
            x = self.convolution(name + ".conv_shortcut", x)
        return x + h

    def middle(self, side, x):
        x = self.resnet(side + ".mid_block.resnets.0", x)
        name = side + ".mid_block.attentions.0"
        h = self.norm(name + ".group_norm", x, False).reshape(-1, x.shape[2])
        h = attention(*(self.linear(name + part, h) for part in (".to_q", ".to_k", ".to_v")))
        x = x + self.linear(name + ".to_out.0", h).reshape(x.shape)
        return self.resnet(side + ".mid_block.resnets.1", x)

    def decode(self, latent, factor=1.0):
        """[C][height][width] -> [channels][..][..]"""
        x = self.convolution("post_quant_conv", (latent * F(factor)).transpose(1, 2, 0))
        x = self.middle("decoder", self.convolution("decoder.conv_in", x))
        for i in range(len(self.widths)):
            for j in range(self.layers + 1):
                x = self.resnet("decoder.up_blocks.%d.resnets.%d" % (i, j), x)
            if i + 1 < len(self.widths):
                x = self.convolution("decoder.up_blocks.%d.upsamplers.0.conv" % i, x.repeat(2, 0).repeat(2, 1))
        x = self.convolution("decoder.conv_out", self.norm("decoder.conv_norm_out", x, True))
        return x.transpose(2, 0, 1)

    def encode(self, image):
        x = self.convolution("encoder.conv_in", image.transpose(1, 2, 0))
        for i in range(len(self.widths)):
            for j in range(self.layers):
                x = self.resnet("encoder.down_blocks.%d.resnets.%d" % (i, j), x)
            if i + 1 < len(self.widths):
                x = self.convolution("encoder.down_blocks.%d.downsamplers.0.conv" % i, x, 2)
        x = self.middle("encoder", x)
        x = self.convolution("encoder.conv_out", self.norm("encoder.conv_norm_out", x, True))
        x = self.convolution("quant_conv", x).transpose(2, 0, 1)
        mean, logvar = np.split(x, 2)
        return mean, np.minimum(np.maximum(logvar, F(-30)), F(20))


def to_bytes(x):
    return np.floor(np.clip(127.5 * x.astype(D) + 128, 0, 255)).astype(np.uint8)


# ---- Start pictures and masks ----


def load_picture(picture):
    """[height][width][channels] bytes -> [channels][height][width]"""
    image = (picture.astype(D) / 127.5 - 1).astype(F)
    if picture.shape[2] == 4:
        image[picture[:, :, 3] == 0, :3] = 0
    return image.transpose(2, 0, 1)


def mask_weights(mask, factor):
    height, width = mask.shape[0] // factor, mask.shape[1] // factor
    sums = mask.reshape(height, factor, width, factor).astype(np.int64).sum((1, 3))
    return (sums.astype(D) / (255.0 * factor * factor)).astype(F)


def compose(new, old, mask, factor):
    depth = np.where(mask == 0, 0, factor)
    for row, column in np.argwhere(mask > 0):
        away = np.abs(np.argwhere(mask == 0) - (row, column)).max(1)
        depth[row, column] = min([factor] + list(away))
    weight, whole = (mask.astype(np.int64) * depth)[:, :, None], 255 * factor
    return ((new.astype(np.int64) * weight + old * (whole - weight) + whole // 2) // whole).astype(np.uint8)


# ---- Schedules and jobs ----

EVEN, DDIM, LEADING, TRAILING, LINSPACE = 1, 2, 3, 4, 5  # spacings
DIFFUSERS = (LEADING, TRAILING, LINSPACE)  # which have the rules of its schedulers
DDPM_SAMPLER, DDIM_SAMPLER, DPMPP = 1, 2, 3
LEARNED, FIXED_LARGE, FIXED_SMALL, DIRECT = 1, 2, 3, 4
DERIVED = 3  # clip
USUAL = {"dit.timesteps": 1000, "dit.beta_start": 0.0001, "dit.beta_end": 0.02}


def root(x):
    return float(np.sqrt(D(x)))


def kept_timesteps(keys, steps, spacing, sampler):
    total = keys["dit.timesteps"]
    more = sampler == DPMPP and spacing in (LEADING, LINSPACE)
    if spacing == DDIM:
        stride = next(s for s in range(1, total) if len(range(0, total, s)) == steps)
        return list(range(0, total, stride))
    if spacing == LEADING:
        n = steps + more
        return [k * (total // n) + keys.get("dit.steps_offset", 0) for k in range(n)][more:]
    if spacing == TRAILING:
        d = (total - total / steps) - total
        return [round(total + k * d) - 1 for k in range(steps)][::-1]  # Python's round takes halves to the even neighbour
    if spacing == LINSPACE:
        n = steps + more
        return [(round(k * ((total - 1) / (n - 1))) if k < n - 1 else total - 1) if n > 1 else 0 for k in range(n)][more:]
    stride, position, kept = (total - 1.0) / (steps - 1) if steps > 1 else 1.0, 0.0, []
    for _ in range(steps):
        kept.append(round(position))
        position += stride
    return kept


def products(keys):
    """full(t)"""
    total, first, last = keys["dit.timesteps"], keys["dit.beta_start"], keys["dit.beta_end"]
    scaled = keys.get("dit.beta_schedule", "linear") == "scaled_linear"
    if scaled:
        first, last = root(first), root(last)
    step, full, value = (last - first) / (total - 1), [], 1.0
    for t in range(total):
        beta = last if t == total - 1 else first + t * step
        value *= 1 - (beta * beta if scaled else beta)
        full.append(value)
    return full


def schedule(keys, steps, spacing, sampler, eta):
    """Rows in the order in which they are taken."""
    full, kept = products(keys), kept_timesteps(keys, steps, spacing, sampler)
    before, product_, rows = 1.0, 1.0, []
    for i, t in enumerate(kept):
        if spacing in (EVEN, DDIM):
            beta = 1 - full[t] / before
            before, previous = full[t], product_
            product_ *= 1 - beta
            rows.append({"t": float(t), "a": product_, "b": previous, "beta": beta})
            continue
        b = full[kept[i - 1]] if i > 0 else 1.0
        if sampler == DDIM_SAMPLER:
            to = t - keys["dit.timesteps"] // steps
            b = full[to] if to >= 0 else 1.0 if keys.get("dit.set_alpha_to_one", 1) else full[0]
        rows.append({"t": float(t), "a": full[t], "b": b, "beta": 1 - full[t] / b})
    for r in rows:
        rest = 1 - r["a"]
        r["variance"] = r["beta"] * (1 - r["b"]) / rest
        r["mean_x0"] = r["beta"] * root(r["b"]) / rest
        r["mean_x"] = (1 - r["b"]) * root(1 - r["beta"]) / rest
        r["sigma"] = float(F(eta)) * root((1 - r["b"]) / rest) * root(1 - r["a"] / r["b"])
    for i, r in enumerate(rows):
        if spacing in (EVEN, DDIM):
            r["log_variance"] = log64(rows[max(i, 1)]["variance"]) if steps > 1 else 0.0
        else:
            r["log_variance"] = log64(max(r["variance"], 1e-20))
    return rows[::-1]


def needs_noise(rows, k, p):
    last, diffusers = k == len(rows) - 1, p["spacing"] in DIFFUSERS
    if p["sampler"] == DPMPP:
        return False
    if p["sampler"] == DDIM_SAMPLER:
        return rows[k]["sigma"] > 0 and (diffusers or not last)
    return rows[k]["t"] > 0 if diffusers else not last


def sampler_step(rows, k, first, p, x, eps, v, noise, held):
    """The new x and the clean latent; held: that of the step before."""
    row, clip, diffusers = rows[k], p.get("clip", 1), p["spacing"] in DIFFUSERS
    x, eps = x.astype(D), eps.astype(D)
    to_x0, to_eps = np.sqrt(1 / D(row["a"])), np.sqrt(1 / D(row["a"]) - 1)
    cut = (lambda y: np.clip(y, -1, 1)) if clip > 1 else (lambda y: y)
    x0 = to_x0 * x - to_eps * eps
    clean, x0 = x0.astype(F), cut(x0)
    if p["sampler"] == DPMPP:
        a, b = D(row["a"]), D(row["b"])
        w, data = np.sqrt(1 - b) / np.sqrt(1 - a), x0
        if first < k < len(rows) - 1:
            ratio = lambda z: log64(z / (1 - z))
            ahead = 0.5 * (ratio(row["b"]) - ratio(row["a"])) / (ratio(row["a"]) - ratio(rows[k - 1]["a"]))
            data = x0 + ahead * (x0 - cut(held.astype(D)))
        return (w * x + (np.sqrt(b) - w * np.sqrt(a)) * data).astype(F), clean
    if p["sampler"] == DDIM_SAMPLER:
        left = 1 - row["b"] - row["sigma"] * row["sigma"]
        e = eps if diffusers and clip != DERIVED else (to_x0 * x - x0) / to_eps
        mean = np.sqrt(D(row["b"])) * x0 + (np.sqrt(D(left)) if left > 0 else 0.0) * e
        return (mean + row["sigma"] * noise if needs_noise(rows, k, p) else mean).astype(F), clean
    mean = row["mean_x0"] * x0 + row["mean_x"] * x
    if not needs_noise(rows, k, p):
        return mean.astype(F), clean
    large, small, variance = log64(row["beta"]), row["log_variance"], p.get("variance")
    if variance == LEARNED or (variance == DIRECT and not diffusers):
        g = (v.astype(D) + 1.0) / 2
        log = g * large + (1 - g) * small if variance == LEARNED else v.astype(D)
        deviation = np.array([exp64(0.5 * l) for l in log.ravel()]).reshape(log.shape)
    elif variance == DIRECT:
        deviation = np.sqrt(np.maximum(v.astype(D), 0))
    else:
        deviation = exp64(0.5 * (large if variance == FIXED_LARGE else small))
    return (mean + deviation * noise).astype(F), clean


def job(dit, vae, p, picture):
    """The final latent of a picture, and the clean latent of its last step."""
    channels = dit.in_channels
    shape = (channels,) + p.get("size", (dit.latent_size, dit.latent_size))
    count = int(np.prod(shape))
    seed, steps = p["seed"] + picture, p["steps"]
    stream = Stream(p.get("generator", 1), seed)
    x = noise0 = stream.call(count).reshape(shape)
    rows, first, clean = schedule(dit.file.keys, steps, p["spacing"], p["sampler"], p.get("eta", 0)), 0, None
    if "init_image" in p:
        first = steps - max(1, int(float(F(p["strength"])) * steps + 0.5))
        init = (vae.encode(load_picture(p["init_image"][picture]))[0].astype(D) * vae.scaling).astype(F)
        mixed = lambda a: np.sqrt(D(a)) * init.astype(D) + np.sqrt(1 - D(a)) * noise0.astype(D)
        if first:
            x = mixed(rows[first]["a"]).astype(F)
    null = dit.null_class
    row_of = lambda c: null if c < 0 else c
    a = row_of(p["classes"][picture])
    label = dit.label(a, row_of(p["classes_b"][picture]), p["mix"]) if p.get("classes_b") else dit.label(a)
    guided = [p["guidance"] != 1 and p.get("from", 0) <= (k + 0.5) / steps <= p.get("to", 1) for k in range(steps)]
    kept, begin = {}, first
    for k, row in list(enumerate(rows))[first:]:
        if guided[k] and not any(guided[first:k]):
            begin = k
        reuse = dict(kept=kept, whole=(k - begin) % p.get("reuse", 1) == 0)
        out = dit.denoise(x, row["t"], label, **reuse)
        if guided[k]:
            n = p["guided"]
            base = dit.denoise(x, row["t"], dit.label(null), **reuse).astype(D)[:n]
            out = out.copy()
            out[:n] = (base + float(F(p["guidance"])) * (out[:n].astype(D) - base)).astype(F)
        eps, v = out[:channels], out[channels:]
        noise = None
        if needs_noise(rows, k, p):
            noise = (normals(seed, (k + 1) * count, count) if stream.generator == 1 else stream.call(count)).reshape(shape).astype(D)
        x, clean = sampler_step(rows, k, first, p, x, eps, v, noise, clean)
        if "mask" in p:
            weight = mask_weights(p["mask"][picture], 2**(len(vae.widths) - 1)).astype(D)
            x = np.where(weight < 1, (weight * x.astype(D) + (1 - weight) * mixed(row["b"])).astype(F), x)
    return x, clean


# ---- The library ----

I32, U64, F32, PTR = ctypes.c_int32, ctypes.c_uint64, ctypes.c_float, ctypes.c_void_p


class Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32)] + [(n, I32) for n in ("threads", "isa", "compute", "load", "reserved")] + [
        ("memory_limit", U64)] + [(n, PTR) for n in ("user", "allocate", "release", "parallel_for")]


BUILD = os.environ.get("BUILD", "build")
LIBRARY = ctypes.CDLL(os.path.join(os.getcwd(), BUILD, "libdit.so"))
ERROR = Error()


def call(name, *arguments):
    """A function of the library whose last argument is a dit_error."""
    status = getattr(LIBRARY, name)(*arguments, ctypes.byref(ERROR))
    if status < 0:
        sys.exit("%s: %s" % (name, ERROR.message.decode()))
    return status


class Model:

    def __init__(self, folder, *specs, kind="f32", compute=0, preview=False, forward="official"):
        path = os.path.join(folder, "model.gguf")
        command = [os.path.join(BUILD, "dit-convert"), "-o", path, "--type", kind, "--quiet", "--forward", forward]
        subprocess.run(command + [word for s in specs for word in ("--synthetic", s)], check=True)
        if preview:
            subprocess.run([command[0], "--fit-preview", path, "--quiet"], check=True)
        self.file = Gguf(path)
        self.model = PTR()
        options = Options(struct_size=ctypes.sizeof(Options), compute=compute)
        call("dit_model_open", path.encode(), ctypes.byref(options), ctypes.byref(self.model))
        self.int8 = compute == 2

    def denoise(self, latent, timesteps, classes, out_channels):
        count, _, height, width = latent.shape
        out = np.empty((count, out_channels, height, width), F)
        times, classes = np.array(timesteps, F), np.array(classes, np.int32)
        call("dit_forward", self.model, ctypes.byref(ForwardParams.of(latent, times, classes)), pointer(out))
        return out

    def decode(self, latent, channels, factor):
        out = np.empty((channels, latent.shape[1] * factor, latent.shape[2] * factor), F)
        call("dit_vae_decode", self.model, 1, latent.shape[1], latent.shape[2], pointer(latent), pointer(out))
        return out

    def encode(self, image, channels, factor):
        mean = np.empty((channels, image.shape[1] // factor, image.shape[2] // factor), F)
        logvar = np.empty_like(mean)
        call("dit_vae_encode", self.model, 1, image.shape[1], image.shape[2], pointer(image), pointer(mean), pointer(logvar))
        return mean, logvar

    def job(self, p, dit, image):
        """Latents, pixels and previews of all pictures; image: channels and pixels per latent pixel."""
        count = len(p["classes"])
        arrays = {n: np.array(p[n], np.int32) for n in ("classes", "classes_b") if p.get(n)}
        arrays.update({n: np.ascontiguousarray(p[n]) for n in ("init_image", "mask") if n in p})
        height, width = p.get("size", (dit.latent_size, dit.latent_size))
        factor = image[1] if image else 1
        given = Params(struct_size=ctypes.sizeof(Params), count=count, height=height * factor, width=width * factor,
                       seed=p["seed"], steps=p["steps"], sampler=p["sampler"], timestep_spacing=p["spacing"],
                       generator=p.get("generator", 0), variance_type=p.get("variance") or 0, clip_sample=p.get("clip", 1),
                       eta=p.get("eta", 0), guidance_scale=p["guidance"], guidance_channels=p["guided"],
                       guidance_start=p.get("from", 0), guidance_end=p.get("to", 1), class_mix=p.get("mix", 0),
                       strength=p.get("strength", 0), cache_interval=p.get("reuse", 0),
                       **{n: a.ctypes.data for n, a in arrays.items()})
        handle = PTR()
        call("dit_job_start", self.model, ctypes.byref(given), ctypes.byref(handle))
        call("dit_job_advance", handle, ctypes.c_int64(-1))
        results = []
        for i in range(count):
            latent = np.empty((dit.in_channels, height, width), F)
            call("dit_job_latent", handle, i, pointer(latent))
            pixels = preview = None
            if image:
                pixels = np.empty((height * factor, width * factor, image[0]), np.uint8)
                preview = np.empty((height, width, image[0]), np.uint8)
                call("dit_job_pixels", handle, i, 0, pointer(pixels), ctypes.c_size_t(0))
                call("dit_job_preview", handle, i, 0, pointer(preview), ctypes.c_size_t(0))
            results.append((latent, pixels, preview))
        LIBRARY.dit_job_end(handle)
        return results

    def close(self):
        LIBRARY.dit_model_close(self.model)


# ---- Comparing ----

passed = failed = 0


def same(what, ours, theirs):
    global passed, failed
    ours, theirs = np.ascontiguousarray(ours), np.ascontiguousarray(theirs)
    unit = {1: np.uint8, 4: np.uint32, 8: np.uint64}[theirs.itemsize]
    wrong = np.count_nonzero(ours.view(unit) != theirs.view(unit)) if ours.dtype == theirs.dtype else theirs.size
    passed, failed = passed + (not wrong), failed + bool(wrong)
    print("  %-9s %s%s" % ("equal" if not wrong else "DIFFERENT", what, ", %d of %d" % (wrong, theirs.size) if wrong else ""))


def check_random():
    for seed, first, count in ((0, 0, 1001), (0xFEDCBA9876543210, 0, 402)):
        rng, theirs = PTR(), np.empty(count, F)
        call("dit_rng_open", 0, U64(seed), ctypes.byref(rng))
        LIBRARY.dit_rng_normal(rng, ctypes.c_int64(count), pointer(theirs))
        LIBRARY.dit_rng_close(rng)
        same("normal numbers of seed %#x" % seed, normals(seed, first, count), theirs)
    for generator, seed in ((2, 2022), (2, 2**63 + 5), (3, 2**40 + 3)):
        rng, stream = PTR(), Stream(generator, seed)
        call("dit_rng_open", generator, U64(seed), ctypes.byref(rng))
        for count in (3, 400, 2, 16, 8, 1001, 31, 1):
            theirs = np.empty(count, F)
            LIBRARY.dit_rng_normal(rng, ctypes.c_int64(count), pointer(theirs))
            same("a call for %d of generator %d, seed %#x" % (count, generator, seed), stream.call(count), theirs)
        LIBRARY.dit_rng_close(rng)


def check_schedules():
    names = ("t", "a", "b", "beta", "variance", "log_variance", "mean_x0", "mean_x", "sigma")
    every = [(steps, spacing, sampler, 0.4) for steps in (1, 7, 48, 250) for spacing in (LEADING, TRAILING, LINSPACE)
             for sampler in (DDPM_SAMPLER, DDIM_SAMPLER, DPMPP)]
    official = [(1, EVEN, 1), (2, EVEN, 0.25), (50, EVEN, 0), (250, EVEN, 1), (50, DDIM, 0.3), (1000, DDIM, 0.7)]
    for steps, spacing, sampler, eta in [(n, s, DDPM_SAMPLER, e) for n, s, e in official] + every:
        theirs, count = np.empty((steps, len(names) + 3)), I32()  # dit_schedule_row has three more, of flow matching
        given = Params(struct_size=ctypes.sizeof(Params), steps=steps, timestep_spacing=spacing, sampler=sampler, eta=eta)
        call("dit_schedule", ctypes.byref(given), steps, pointer(theirs), ctypes.byref(count))
        ours = np.array([[row[n] for n in names] for row in schedule(USUAL, steps, spacing, sampler, eta)])
        theirs = theirs[:, :len(names)]
        same("schedule of %d steps, spacing %d, sampler %d, eta %g" % (steps, spacing, sampler, eta), ours, theirs)


def check_transformer(folder, spec, kind, compute, sizes, forward="official"):
    model = Model(folder, spec, kind=kind, compute=compute, forward=forward)
    dit = Transformer(model.file, model.int8)
    for height, width in sizes:
        times, classes = [999, 317.25], [2, -1]
        latent = normals(height, 0, 2 * dit.in_channels * height * width).reshape(2, -1, height, width)
        theirs = model.denoise(latent, times, classes, dit.out_channels)
        ours = [dit.denoise(x, t, dit.label(c if c >= 0 else dit.null_class)) for x, t, c in zip(latent, times, classes)]
        what = (spec, kind, ", int8" if model.int8 else "", forward, height, width)
        same("%s, %s%s, %s, %d x %d" % what, np.array(ours), theirs)
    model.close()


def check_autoencoder(folder, spec, height, width):
    model = Model(folder, spec, kind="f16")
    vae, keys = Autoencoder(model.file), model.file.keys
    factor, channels = 2**(len(vae.widths) - 1), keys["vae.latent_channels"]
    latent = normals(3, 0, channels * height * width).reshape(-1, height, width)
    same(spec + ", decoded", vae.decode(latent), model.decode(latent, keys["vae.image_channels"], factor))
    image = normals(4, 0, keys["vae.image_channels"] * height * width * factor**2).reshape(-1, height * factor, width * factor)
    ours, theirs = vae.encode(image), model.encode(image, channels, factor)
    same(spec + ", encoded, mean", ours[0], theirs[0])
    same(spec + ", encoded, log-variance", ours[1], theirs[1])
    model.close()


def check_jobs(folder):
    vae_spec = "vae:blocks=8+12,layers=1,groups=4,in=4,out=4,latent=4"
    learned = Model(folder, "dit:hidden=48,depth=2,heads=3,patch=2,latent=4,in=4,classes=3", vae_spec, preview=True)
    jobs = [("DDPM, guidance on three channels", learned,
             dict(sampler=DDPM_SAMPLER, spacing=EVEN, steps=3, variance=LEARNED, guidance=3.5, guided=3, classes=[1, -1], seed=8)),
            ("DDIM with noise, clipped, guidance on all, in an interval, mixed classes", learned,
             dict(sampler=DDIM_SAMPLER, spacing=DDIM, steps=4, eta=0.6, clip=2, guidance=1.7, guided=4, classes=[0, 2], seed=2**40,
                  classes_b=[1, -1], mix=0.3, **{"from": 0.25, "to": 0.7}))]
    pictures = (np.abs(normals(77, 0, 2 * 8 * 8 * 4)) * 100).clip(0, 255).astype(np.uint8).reshape(2, 8, 8, 4)
    pictures[:, ::3, ::2, 3] = 0
    masks = np.zeros((2, 8, 8), np.uint8)
    masks[0, 2:7, 1:7], masks[1, :, 3:], masks[1, 4, 4:6] = 255, 200, 0
    start = dict(spacing=EVEN, steps=4, guidance=2, guided=3, classes=[1, 0], seed=31, init_image=pictures)
    jobs += [("DDIM from pictures", learned, dict(start, sampler=DDIM_SAMPLER, strength=0.6)),
             ("DDPM within masks", learned, dict(start, sampler=DDPM_SAMPLER, strength=0.75, mask=masks, variance=LEARNED)),
             ("DDIM within masks, whole strength", learned, dict(start, sampler=DDIM_SAMPLER, strength=1, mask=masks))]
    wide, wide_masks = np.tile(pictures, (1, 2, 1, 1))[:, :12].copy(), np.tile(masks, (1, 2, 1))[:, 3:15].copy()
    jobs += [("12 x 8 pixels within masks", learned, dict(start, size=(6, 4), init_image=wide, mask=wide_masks,
                                                           sampler=DDIM_SAMPLER, strength=0.6)),
             ("4 x 28 pixels, DPM-Solver++", learned, dict(start, size=(2, 14), init_image=pictures[:, :4].repeat(4, 2)[:, :, :28].copy(),
                                                          sampler=DPMPP, strength=1)),
             ("24 x 4 pixels", learned, dict(sampler=DDPM_SAMPLER, spacing=EVEN, variance=LEARNED, size=(12, 2), steps=3, guidance=2,
                                            guided=4, classes=[1], seed=4, generator=2))]
    more = dict(steps=4, guidance=2, guided=3, classes=[1, -1], seed=12)
    jobs += [("DPM-Solver++, Philox", learned, dict(more, sampler=DPMPP, spacing=LINSPACE, generator=3)),
             ("DPM-Solver++ from pictures, clipped", learned,
              dict(start, steps=5, sampler=DPMPP, spacing=EVEN, strength=0.8, clip=2, mask=masks, generator=2)),
             ("diffusers' DDIM with noise, clipped", learned,
              dict(more, sampler=DDIM_SAMPLER, spacing=LEADING, eta=0.7, clip=2, generator=2)),
             ("diffusers' DDIM with noise, clipped, eps derived", learned,
              dict(more, sampler=DDIM_SAMPLER, spacing=LINSPACE, eta=1, clip=3, generator=3)),
             ("diffusers' DDPM, learned variance", learned,
              dict(more, sampler=DDPM_SAMPLER, spacing=TRAILING, variance=LEARNED, generator=2)),
             ("diffusers' DDPM, direct variance", learned,
              dict(more, sampler=DDPM_SAMPLER, spacing=LEADING, variance=DIRECT)),
             ("DDIM, blocks at every third step, guidance sets in later", learned,
              dict(more, steps=8, sampler=DDIM_SAMPLER, spacing=DDIM, reuse=3, **{"from": 0.2, "to": 0.8})),
             ("DDPM from pictures, blocks at every second step", learned,
              dict(start, steps=6, sampler=DDPM_SAMPLER, strength=0.9, variance=LEARNED, reuse=2)),
             ("DDPM, direct variance", learned, dict(more, sampler=DDPM_SAMPLER, spacing=EVEN, variance=DIRECT))]
    for name, model, p in jobs:
        compare_job(name, model, p)
    learned.close()
    fixed = Model(folder, "dit:hidden=16,depth=1,heads=2,patch=1,latent=4,in=3,classes=3,sigma=0")
    for name, variance in (("fixed large", FIXED_LARGE), ("fixed small", FIXED_SMALL)):
        compare_job("DDPM, variance " + name, fixed,
                    dict(sampler=DDPM_SAMPLER, spacing=EVEN, steps=3, variance=variance, guidance=1, guided=3, classes=[2], seed=3))
    fixed.close()


def compare_job(name, model, p):
    dit = Transformer(model.file, False)
    vae = Autoencoder(model.file) if "vae.groups" in model.file.keys else None
    results = model.job(p, dit, (4, 2) if vae else None)
    for i, (latent, pixels, preview) in enumerate(results):
        x, clean = job(dit, vae, p, i)
        same("%s: latent %d" % (name, i), x, latent)
        if not vae:
            continue
        ours = to_bytes(vae.decode(x, 1.0 / vae.scaling)).transpose(1, 2, 0)
        if "mask" in p:
            ours = compose(ours, p["init_image"][i], p["mask"][i], 2)
        same("%s: pixels %d" % (name, i), ours, pixels)
        table = np.array(model.file.keys["dit.preview"], D).astype(F).reshape(4, -1)
        values = np.broadcast_to(table[:, -1, None, None], (4,) + clean.shape[1:])
        for k in range(len(clean)):
            values = values + table[:, k, None, None] * clean[k]
        same("%s: preview %d" % (name, i), to_bytes(values).transpose(1, 2, 0), preview)


def main():
    with tempfile.TemporaryDirectory() as folder:
        check_random()
        check_schedules()
        odd = "dit:hidden=84,depth=2,heads=3,patch=2,latent=6,in=3,classes=7"
        for kind in ("f32", "f16", "bf16"):
            check_transformer(folder, odd, kind, 0, [(6, 6)])
        wide = "dit:hidden=128,depth=1,heads=2,patch=2,latent=8,in=4,classes=4"
        check_transformer(folder, wide, "q8", 2, [(8, 8)])
        check_transformer(folder, wide, "q8", 1, [(8, 8)])
        check_transformer(folder, odd, "q8", 2, [(6, 6)])
        check_transformer(folder, odd, "f32", 0, [(6, 6), (8, 4)], "diffusers")
        for compute in (2, 1):
            check_transformer(folder, "dit:hidden=120,depth=4,heads=2,patch=2,latent=4,in=4,classes=4", "q4", compute, [(4, 4)])
        many = "dit:hidden=16,depth=1,heads=2,patch=2,latent=34,in=4,classes=4,sigma=0"  # 289 tokens: two blocks of keys
        check_transformer(folder, many, "f32", 0, [(34, 34), (36, 34), (4, 6)])
        check_autoencoder(folder, "vae:blocks=8+16+12,layers=2,groups=4,in=4,out=4,latent=3", 3, 5)
        check_autoencoder(folder, "vae:blocks=8+264,layers=1,groups=8,in=3,out=3,latent=4", 2, 3)
        check_autoencoder(folder, "vae:blocks=24+16+264,layers=1,groups=8,in=3,out=3,latent=4", 3, 2)
        check_autoencoder(folder, "vae:blocks=16,layers=1,groups=2,in=3,out=3,latent=4", 17, 16)
        check_jobs(folder)
    print("numerics: %d passed, %d failed" % (passed, failed))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
