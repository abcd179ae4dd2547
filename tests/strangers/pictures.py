#!/usr/bin/env python3
"""Random PNG files, by Pillow and by a writer of our own (png_writer.py), go through dit as init images that a black mask
keeps: what Pillow finds in the picture that dit writes must be what it finds in the file that dit read. Fails if a pixel
differs, if dit refuses a sound file, if it takes a damaged one for something else, or says no without a sentence.

    tests/strangers/pictures.py [--count N] [--seed N] [--only CASE]

One of the longer checks (.ci/run). Needs numpy and Pillow; about 15 s for 1,000 files.
"""
import os
import sys

import numpy as np
from PIL import Image, PngImagePlugin

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common  # noqa: E402
import png_writer  # noqa: E402

bench = common.Bench("pictures", __doc__.split("\n")[0])
check = bench.report.check


def make_models():
    """Models of the smallest kind, of 3 and of 4 channels, which make pictures of any size."""
    for channels in (3, 4):
        done = bench.run("dit-convert", "--quiet", "--synthetic", "dit:hidden=4,depth=1,heads=1,patch=1,latent=4,in=1,classes=3,sigma=0",
                         "--synthetic", "vae:blocks=2,layers=1,groups=1,in=%d,out=%d,latent=1" % (channels, channels),
                         "--type", "f32", "--guidance-channels", "all", "-o", bench.path("%d.gguf" % channels))
        assert done.returncode == 0, done.stderr


# ---- Random files ----


def own_file(path, height, width, rng):
    """A file by our writer: what it is, and its pixels."""
    color = int(rng.choice([0, 2, 3, 4, 6]))
    depth = int(rng.choice(png_writer.DEPTHS[color]))
    palette = transparent = None
    most = 2**depth
    if color == 3:
        most = int(rng.integers(1, most + 1))
        palette = rng.integers(0, 256, (most, 3))
    few = rng.integers(0, most, 3)  # so that transparent colours occur
    samples = rng.integers(0, most, (height, width, png_writer.CHANNELS[color]))
    if rng.random() < 0.5:
        samples = few[rng.integers(0, 3, samples.shape)]
    if rng.random() < 0.4 and color == 3:
        transparent = rng.integers(0, 256, int(rng.integers(1, most + 1)), dtype=np.uint8).tobytes()
    elif rng.random() < 0.4 and color in (0, 2):
        transparent = samples[rng.integers(height), rng.integers(width)].astype(">u2").tobytes()
    interlaced = int(rng.random() < 0.4)
    png_writer.write(path, samples, color, depth, palette, transparent, interlaced, rng)
    what = "colour type %d, %d bits%s%s" % (color, depth, ", tRNS" * (transparent is not None), ", interlaced" * interlaced)
    return what, png_writer.rgba(samples, color, depth, palette, transparent), transparent is not None and color != 3 and depth != 8


def pillow_file(path, height, width, rng):
    """A file by Pillow: what it is, and its pixels."""
    mode = str(rng.choice(["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "APNG"]))
    options = {"compress_level": int(rng.integers(10)), "optimize": bool(rng.random() < 0.3), "pnginfo": PngImagePlugin.PngInfo()}
    for kind in (b"gAMA", b"cHRM"):
        if rng.random() < 0.3:
            options["pnginfo"].add(kind, rng.integers(0, 256, 4 if kind == b"gAMA" else 32, dtype=np.uint8).tobytes())
    if rng.random() < 0.2:
        options["dpi"] = (float(rng.integers(1, 600)),) * 2
    pixels = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
    rgba = pixels.copy()
    if mode == "I;16":
        grey = rng.integers(0, 65536, (height, width), dtype=np.uint16)
        picture = Image.frombytes("I;16", (width, height), grey.astype("<u2").tobytes())
        rgba[..., :3], rgba[..., 3] = (grey >> 8)[..., None], 255
    elif mode == "P":
        colors = int(rng.integers(2, 257))
        indices = rng.integers(0, colors, (height, width), dtype=np.uint8)
        palette = rng.integers(0, 256, (256, 3), dtype=np.uint8)
        picture = Image.fromarray(indices, "P")
        picture.putpalette(palette[:colors].tobytes())
        rgba[..., :3], rgba[..., 3] = palette[indices], 255
        if rng.random() < 0.5:
            alphas = rng.integers(0, 256, 256, dtype=np.uint8)
            options["transparency"], rgba[..., 3] = alphas[:colors].tobytes(), alphas[indices]
        options["optimize"] = False  # which may number colours anew
    elif mode == "1":
        picture = Image.fromarray((pixels[..., 0] > 127).astype(np.uint8) * 255).convert("1", dither=0)
        rgba[..., :3], rgba[..., 3] = (pixels[..., :1] > 127) * 255, 255
    elif mode == "APNG":
        picture = Image.fromarray(pixels)
        options.update(save_all=True, append_images=[Image.fromarray(255 - pixels)], duration=10)
    else:
        bands = {"L": 1, "LA": 2}.get(mode, len(mode))
        picture = Image.fromarray(pixels[..., :bands].squeeze(2) if bands == 1 else pixels[..., :bands], mode)
        if bands < 3:
            rgba[..., :3] = pixels[..., :1]
        rgba[..., 3] = pixels[..., bands - 1] if bands in (2, 4) else 255
        if bands in (1, 3) and rng.random() < 0.4:
            of = pixels[rng.integers(height), rng.integers(width), :bands]
            options["transparency"] = tuple(of.tolist()) if bands == 3 else int(of[0])
            rgba[..., 3] = np.where((pixels[..., :bands] == of).all(axis=2), 0, 255)
    picture.save(path, "PNG", **options)
    return "Pillow's %s" % mode + ", tRNS" * ("transparency" in options), rgba, False


def pillow_reads(path, alpha):
    """The pixels as Pillow finds them. `alpha` stands for its own where it compares a transparent colour with pixels of
    another depth, as the versions in use do."""
    with Image.open(path) as picture:
        picture.load()
        if picture.mode.startswith("I"):
            grey = (np.asarray(picture.convert("I")) >> 8).astype(np.uint8)
            pixels = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
        else:
            pixels = np.array(picture.convert("RGBA"))
    if alpha is not None:
        pixels[..., 3] = alpha
    return pixels


def damage(path, rng):
    """Changes a byte behind the head, or cuts the file short."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    at = int(rng.integers(33, len(data)))
    if rng.random() < 0.5:
        data[at] ^= 1 << int(rng.integers(8))
    else:
        del data[at:]
    with open(path, "wb") as file:
        file.write(data)


# ---- What dit makes of them ----


def fnv1a(data):
    value = 0xcbf29ce484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return "fnv1a64:%016x" % value


def as_mask(rgba):
    """Rec. 601 luma, 0 where the picture is transparent."""
    red, green, blue, alpha = np.moveaxis(rgba.astype(int), 2, 0)
    return (((red * 299 + green * 587 + blue * 114 + 500) // 1000 * alpha + 127) // 255).astype(np.uint8)


def run_dit(what, path, mask, rgba, channels, scale, damaged):
    height, width = rgba.shape[:2]
    done = bench.run("dit", "-q", "--threads", "1", "-m", bench.path("%d.gguf" % channels), "-c", "0", "-s", "1",
                     "--width", str(width), "--height", str(height), "--scale", str(scale), "-i", path, "--mask", mask,
                     "-o", bench.path("out.png"))
    if damaged and done.returncode:
        return bench.report.check(common.is_clear_no(done, "dit"), "%s: status %d: %s" % (what, done.returncode, done.stderr)) and None
    if not check(done.returncode == 0, "%s: %s" % (what, done.stderr)):
        return None
    with Image.open(bench.path("out.png")) as picture:
        picture.load()
        check(picture.mode == ("RGBA" if channels == 4 else "RGB"), "%s: dit writes %s" % (what, picture.mode))
        return np.array(picture), dict(picture.text)


def check_one(number, rng):
    height, width = (int(n) for n in rng.integers(1, 41, 2))
    path, mask = bench.path("in.png"), bench.path("mask.png")
    maker = own_file if rng.random() < 0.6 else pillow_file
    what, rgba, odd = maker(path, height, width, rng)
    what = "case %d: %d x %d, %s" % (number, width, height, what)
    theirs = pillow_reads(path, rgba[..., 3] if odd else None)
    check(np.array_equal(theirs, rgba), "%s: Pillow finds other pixels than were written" % what)
    damaged = rng.random() < 0.1
    if damaged:
        damage(path, rng)
        what += ", damaged"
    grey = np.zeros((height, width), np.uint8)
    as_itself = not damaged and rng.random() < 0.2
    if not as_itself:
        Image.fromarray(grey).save(mask)
    channels, scale = int(rng.choice([3, 4])), int(rng.choice([1, 1, 2, 3]))
    made = run_dit(what, path, path if as_itself else mask, theirs, channels, scale, damaged)
    if made is None:
        return
    pixels, texts = made
    received = theirs if channels == 4 else ((theirs[..., :3].astype(int) * theirs[..., 3:] + 127) // 255).astype(np.uint8)
    check(texts.get("Init image") == fnv1a(received.tobytes()), "%s: dit receives other pixels" % what)
    if as_itself:
        check(texts.get("Mask") == fnv1a(as_mask(theirs).tobytes()), "%s: dit receives another mask" % what)
    else:
        wanted = np.repeat(np.repeat(received, scale, 0), scale, 1)
        check(np.array_equal(pixels, wanted), "%s: dit writes other pixels" % what)


def main():
    make_models()
    for number, rng in bench.cases():
        check_one(number, rng)
    return bench.close()


if __name__ == "__main__":
    sys.exit(main())
