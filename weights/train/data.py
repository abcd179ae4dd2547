# data.py - what is trained on: sprites of make_sprites.py, or a folder of pictures.
# SPDX-License-Identifier: CC0-1.0
#
# A data set is a file of NumPy arrays: images (n, s, s, c) uint8 and labels (n), for training and held out
# (test_images, test_labels), and the names of the classes. Straight alpha; c is 3 if no picture has any transparency.

import os
import sys

import numpy as np
import torch

import make_sprites


def options(p):
    """What `train.py vae`, and `train.py dit --vae`, may say about the data."""
    p.add_argument("--images", metavar="FOLDER", help="PNG files up to 128 x 128, in a sub-folder for each class; without "
                   "it, sprites are drawn")
    p.add_argument("--size", type=int, default=32, help="side of the pictures that are trained, for --images")
    p.add_argument("--fit", choices=["resize", "pad"], default="resize", help="how other sizes become this one, for --images")
    p.add_argument("--flip", action="store_true", help="train on mirrored copies too, for --images")
    p.add_argument("--held-out", type=int, default=10, help="of each class, every N-th picture is not trained on but kept "
                   "for the figures, for --images")
    p.add_argument("--count", type=int, default=48000, help="sprites to draw, without --images")


def load(a):
    """The data set, made by the first training and kept in the work folder."""
    path = os.path.join(a.work, "data.npz")
    if not os.path.exists(path):
        if a.command != "vae" and not getattr(a, "vae", None):
            sys.exit("%s: there are no data yet; train.py vae makes them" % path)
        made = folder(a.images, a.size, a.fit, a.flip, a.held_out) if a.images else sprites(a.count)
        with open(path + ".part", "wb") as f:
            np.savez(f, **made)
        os.replace(path + ".part", path)
    with np.load(path) as d:
        return {k: d[k] for k in d.files}


def sprites(count):
    print("drawing %d sprites" % (count + 3200), flush=True)
    images, labels = make_sprites.dataset(count, 1)
    test_images, test_labels = make_sprites.dataset(3200, 2)
    return dict(images=images, labels=labels, test_images=test_images, test_labels=test_labels,
                names=np.array(make_sprites.LABELS))


def fitted(picture, size, fit):
    """A PIL picture as (size, size, 4). "resize" scales it to fit, keeping its shape; "pad" leaves its pixels alone."""
    from PIL import Image
    picture = picture.convert("RGBA")
    w, h = picture.size
    if fit == "pad" and max(w, h) > size:
        raise ValueError("%d x %d does not fit into %d x %d: use --fit resize or a larger --size" % (w, h, size, size))
    if fit == "resize" and max(w, h) != size:
        k = size / max(w, h)
        w, h = max(1, round(w * k)), max(1, round(h * k))
        small = picture.convert("RGBa").resize((w, h), Image.BOX if k < 1 else Image.NEAREST)  # RGBa: premultiplied
        picture = small.convert("RGBA")
    out = Image.new("RGBA", (size, size))
    out.paste(picture, ((size - w) // 2, (size - h) // 2))
    return np.asarray(out)


def folder(path, size, fit, flip, held_out):
    """Every sub-folder of `path` is a class. One picture in `held_out` of each class is kept for the test."""
    from PIL import Image
    names = sorted(d.name for d in os.scandir(path) if d.is_dir())
    if not names:
        sys.exit("%s: no sub-folders; put the pictures of each class into a folder with the class's name" % path)
    images, labels = [], []
    for k, name in enumerate(names):
        files = sorted(f for f in os.listdir(os.path.join(path, name)) if f.lower().endswith(".png"))
        if len(files) < 2:
            sys.exit("%s: %d PNG files; a class needs two or more" % (os.path.join(path, name), len(files)))
        for file in files:
            full = os.path.join(path, name, file)
            try:
                with Image.open(full) as picture:
                    if max(picture.size) > 128:
                        raise ValueError("%d x %d is more than 128 x 128" % picture.size)
                    images.append(fitted(picture, size, fit))
            except (OSError, ValueError, SyntaxError) as e:
                sys.exit("%s: cannot be used: %s" % (full, e))
            labels.append(k)
    images, labels = np.stack(images), np.array(labels, np.int64)
    if (images[..., 3] == 255).all():
        images = images[..., :3]
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = images[order], labels[order]
    seen, test = np.zeros(len(names), int), np.zeros(len(labels), bool)
    for i, k in enumerate(labels):
        test[i] = seen[k] % held_out == 0
        seen[k] += 1
    train = images[~test], labels[~test]
    if flip:
        train = np.concatenate([train[0], train[0][:, :, ::-1]]), np.concatenate([train[1], train[1]])
    print("%d pictures for training and %d held out, in %d classes" % (len(train[1]), test.sum(), len(names)), flush=True)
    return dict(images=train[0], labels=train[1], test_images=images[test], test_labels=labels[test],
                names=np.array(names))


def to_x(images):
    """uint8 (n, s, s, c) to float (n, c, s, s) in [-1, 1]; colour is 0 (mid grey) where alpha is 0."""
    x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    if x.shape[1] == 4:
        x[:, :3] *= (x[:, 3:] > -1).float()
    return x


def to_u8(x):
    x = x.permute(0, 2, 3, 1).double().cpu().numpy()
    return np.clip(np.floor((x + 1) * 127.5 + 0.5), 0, 255).astype(np.uint8)


def premultiply(x):
    """[-1, 1] straight to [0, 1] premultiplied; what is seen on a black ground."""
    x = (x.clamp(-1, 1) + 1) / 2
    return x if x.shape[1] == 3 else torch.cat([x[:, :3] * x[:, 3:], x[:, 3:]], 1)


def psnr(r, x):
    """Decibels, from the mean squared error of premultiplied colour and alpha over all pictures."""
    return -10 * torch.log10(((premultiply(r) - premultiply(x)) ** 2).mean()).item()


def soft_alpha(r, x):
    """The part of pixels with an alpha of 32 to 223 where the data have none."""
    if x.shape[1] == 3:
        return 0.0
    a, b = to_u8(r[:, 3:]), to_u8(x[:, 3:])
    return float(((a >= 32) & (a <= 223) & ((b < 32) | (b > 223))).mean())
