# sheet.py - many small pictures as one.
# SPDX-License-Identifier: CC0-1.0

import numpy as np


def sheet(images, columns, zoom=4, gap=2):
    """uint8 (n, s, s, 3 or 4), row by row, on a checkerboard: one RGB picture (PIL)."""
    from PIL import Image
    n, s = len(images), images[0].shape[0] * zoom
    rows = (n + columns - 1) // columns
    h, w = rows * (s + gap) + gap, columns * (s + gap) + gap
    yy, xx = np.mgrid[0:h, 0:w]
    out = np.where(((yy // 8 + xx // 8) % 2)[..., None] == 0, 236, 208).astype(np.float32).repeat(3, 2)
    for i, image in enumerate(images):
        big = image.repeat(zoom, 0).repeat(zoom, 1).astype(np.float32)
        y, x = (i // columns) * (s + gap) + gap, (i % columns) * (s + gap) + gap
        a = big[..., 3:] / 255 if big.shape[2] == 4 else 1
        out[y:y + s, x:x + s] = big[..., :3] * a + out[y:y + s, x:x + s] * (1 - a)
    return Image.fromarray(np.clip(out + .5, 0, 255).astype(np.uint8))
