"""How far two sets of sprites are from each other: a fixed feature space, and the Frechet distance in it.

Nothing in it is trained. A sprite (side x side, straight alpha) becomes premultiplied R, G, B and alpha in 0..1, of which
these 64 numbers are taken. Cells divide the sprite evenly; Y = (R + G + B) / 3.

     0..15  alpha, mean of each of 4 x 4 cells                        where it is
    16..31  Y, mean of each of 4 x 4 cells                            how light it is there
    32..39  R - Y and B - Y, means of 2 x 2 cells                     its colours
    40..47  |difference to the right|, |to below| of Y, means of 2 x 2 cells     edges, by direction
    48..51  |Y - mean of the 4 neighbours|, means of 2 x 2 cells      detail, and stray pixels
    52..55  |difference| of alpha to the right and below, means of the upper and lower half     length of the outline
    56..59  standard deviation of Y, R - Y, B - Y inside (weighted by alpha), and of alpha
    60..61  the same of rows and columns, weighted by alpha           how large it is
    62      sqrt((R - Y)^2 + (B - Y)^2), mean                          how colourful it is
    63      |alpha - its mirror image|, mean                          symmetry

Each is divided by its standard deviation over the real sprites, so that all count alike. The distance of two sets is that
of the normal distributions of the same mean and covariance (Heusel et al. 2017; Dowson & Landau 1982). It is not FID, and
compares with nothing but itself; it grows with fewer pictures, so sets that are compared must be of one size.
"""
import numpy as np

COUNT = 64


def cells(x, n):
    """Means of n x n cells of [count][side][side] -> [count][n * n]."""
    count, side = x.shape[0], x.shape[1] // n * n
    return x[:, :side, :side].reshape(count, n, side // n, n, side // n).mean((2, 4)).reshape(count, -1)


def right(x):
    return np.abs(np.diff(x, axis=2, append=0))


def below(x):
    return np.abs(np.diff(x, axis=1, append=0))


def deviation(x, weight):
    """Standard deviation of [count][..] with weights."""
    axes = tuple(range(1, x.ndim))
    total = weight.sum(axes, keepdims=True) + 1e-6
    mean = (x * weight).sum(axes, keepdims=True) / total
    return np.sqrt((weight * (x - mean)**2 / total).sum(axes))[:, None]


def features(pictures):
    """uint8 [count][side][side][4] -> float64 [count][64], not scaled yet."""
    x = pictures.astype(np.float64) / 255
    alpha = x[..., 3]
    r, g, b = (x[..., c] * alpha for c in range(3))
    y = (r + g + b) / 3
    padded = np.pad(y, ((0, 0), (1, 1), (1, 1)))
    around = (padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]) / 4
    edge = right(alpha), below(alpha)
    half = y.shape[1] // 2
    place = np.broadcast_to(np.linspace(-1, 1, y.shape[1]), y.shape)
    return np.concatenate(
        [cells(alpha, 4), cells(y, 4), cells(r - y, 2), cells(b - y, 2), cells(right(y), 2), cells(below(y), 2),
         cells(np.abs(y - around), 2)] + [e[:, part].mean((1, 2))[:, None] for e in edge
                                          for part in (slice(0, half), slice(half, None))] +
        [deviation(v, alpha) for v in (y, r - y, b - y)] + [deviation(alpha, np.ones_like(alpha))] +
        [deviation(place.transpose(0, 2, 1), alpha), deviation(place, alpha)] +
        [np.hypot(r - y, b - y).mean((1, 2))[:, None], np.abs(alpha - alpha[:, :, ::-1]).mean((1, 2))[:, None]], 1)


def root(m):
    """The square root of a symmetric matrix without negative eigenvalues."""
    w, v = np.linalg.eigh(m)
    return (v * np.sqrt(w.clip(0))) @ v.T


class Distance:
    """The Frechet distance to a set of real sprites."""

    def __init__(self, real):
        self.scale = features(real).std(0)
        self.mean, self.covariance = self.moments(real)
        self.root = root(self.covariance)

    def moments(self, pictures):
        f = features(pictures) / self.scale
        return f.mean(0), np.cov(f.T)

    def __call__(self, pictures):
        mean, covariance = self.moments(pictures)
        mixed = root(self.root @ covariance @ self.root)
        return float(((mean - self.mean)**2).sum() + np.trace(self.covariance + covariance - 2 * mixed))


def psnr(a, b):
    """Of premultiplied RGBA in 0..1, over all pictures, dB."""
    def premultiplied(x):
        x = x.astype(np.float64) / 255
        return np.concatenate([x[..., :3] * x[..., 3:], x[..., 3:]], -1)
    error = ((premultiplied(a) - premultiplied(b))**2).mean()
    return float(-10 * np.log10(error)) if error else float("inf")
