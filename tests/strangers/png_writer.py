"""A writer of PNG files that makes what Pillow's cannot: interlaced pictures, all depths, every filter, transparent
colours, chunks of all kinds."""
import struct
import zlib

import numpy as np

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def packed_rows(samples, depth):
    """The bytes of each row, of samples [rows, columns, channels]."""
    rows = samples.reshape(samples.shape[0], -1)
    if depth == 16:
        return rows.astype(">u2").view(np.uint8).reshape(len(rows), -1)
    if depth == 8:
        return rows.astype(np.uint8)
    bits = (rows[:, :, None] >> np.arange(depth - 1, -1, -1)) & 1
    return np.packbits(bits.reshape(len(rows), -1).astype(np.uint8), axis=1)


def filtered(rows, step, rng):
    """Rows with a random filter each; `step` bytes are a pixel."""
    out, above = [], np.zeros(rows.shape[1], int)
    for row in rows.astype(int):
        left = np.concatenate([np.zeros(step, int), row])[:len(row)]
        corner = np.concatenate([np.zeros(step, int), above])[:len(row)]
        to = above + left - corner
        a, b, c = abs(to - left), abs(to - above), abs(to - corner)
        paeth = np.where((a <= b) & (a <= c), left, np.where(b <= c, above, corner))
        kind = int(rng.integers(5))
        out.append(bytes([kind]) + ((row - (0, left, above, (left + above) // 2, paeth)[kind]) & 255).astype(np.uint8).tobytes())
        above = row
    return b"".join(out)


def image_data(samples, depth, interlaced, rng):
    step = max(1, samples.shape[2] * depth // 8)
    parts = [samples[y::dy, x::dx] for x, y, dx, dy in PASSES] if interlaced else [samples]
    return b"".join(filtered(packed_rows(part, depth), step, rng) for part in parts if part.size)


def ancillary(color, depth, palette, rng):
    """Random chunks that do not change pixels: (before the palette, behind it, behind the picture)."""
    number = lambda: int(rng.integers(1, 200000))
    early = [chunk(b"gAMA", struct.pack(">I", number())), chunk(b"cHRM", struct.pack(">8I", *[number() for _ in range(8)])),
             chunk(b"sBIT", bytes([min(depth, 8)] * (3 if color in (2, 3) else CHANNELS[color]))),
             chunk(b"sRGB", bytes([int(rng.integers(4))])),
             chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile(b"GRAY" if color in (0, 4) else b"RGB ")))]
    if rng.random() < 0.7:
        del early[3 if rng.random() < 0.5 else 4]
    background = {3: b"\0", 0: b"\0\1", 4: b"\0\1"}.get(color, b"\0\1\0\0\0\1")
    late = [chunk(b"bKGD", background), chunk(b"pHYs", struct.pack(">IIB", number(), number(), 1)),
            chunk(b"sPLT", b"name\0\x08" + bytes(rng.integers(0, 256, 12, dtype=np.uint8).tolist())),
            chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0\0\0\0\0"), chunk(b"prVt", b"private")]
    if palette is not None:
        late.append(chunk(b"hIST", struct.pack(">%dH" % len(palette), *range(1, len(palette) + 1))))
    last = [chunk(b"tEXt", b"Comment\0caf\xe9"), chunk(b"zTXt", b"Title\0\0" + zlib.compress(b"words " * 50)),
            chunk(b"iTXt", "Author\0\0\0en\0\0żółw".encode()), chunk(b"tIME", struct.pack(">H5B", 2024, 2, 29, 23, 59, 60))]
    return [[part for part in parts if rng.random() < 0.25] for parts in (early, late, last)]


def profile(space):
    """The head of an ICC profile, whose table has no tags."""
    body = struct.pack(">I4sI4s4s4s", 132, b"none", 0x04200000, b"mntr", space, b"XYZ ") + bytes(12) + b"acsp"
    return body + bytes(128 - len(body)) + struct.pack(">I", 0)


def write(path, samples, color, depth, palette, transparent, interlaced, rng):
    """samples: [height, width, channels] integers of `depth` bits; palette: [colours, 3]; transparent: what tRNS holds."""
    height, width = samples.shape[:2]
    early, late, last = ancillary(color, depth, palette, rng)
    level = int(rng.choice([0, 1, 6, 9]))
    data = zlib.compress(image_data(samples, depth, interlaced, rng), level)
    cuts = [0] + sorted(rng.integers(0, len(data) + 1, int(rng.integers(0, 4))).tolist()) + [len(data)]
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced))] + early
    if palette is not None:
        parts.append(chunk(b"PLTE", palette.astype(np.uint8).tobytes()))
    if transparent is not None:
        parts.append(chunk(b"tRNS", transparent))
    parts += late + [chunk(b"IDAT", data[a:b]) for a, b in zip(cuts, cuts[1:])] + last + [chunk(b"IEND", b"")]
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def rgba(samples, color, depth, palette, transparent):
    """The pixels that such a file has, in 8 bits: of 16 bits the higher 8, of fewer than 8 the same share of 255."""
    out = np.full(samples.shape[:2] + (4,), 255, np.uint8)
    if color == 3:
        out[..., :3] = palette[samples[..., 0]]
        if transparent is not None:
            alphas = np.concatenate([np.frombuffer(transparent, np.uint8), np.full(256, 255, np.uint8)])
            out[..., 3] = alphas[samples[..., 0]]
        return out
    eight = samples >> 8 if depth == 16 else samples * 255 // (2**depth - 1)
    colors = 3 if color & 2 else 1
    out[..., :3] = eight[..., :colors]
    if color & 4:
        out[..., 3] = eight[..., -1]
    elif transparent is not None:
        out[..., 3] = np.where((samples == np.frombuffer(transparent, ">u2")).all(axis=2), 0, 255)
    return out
