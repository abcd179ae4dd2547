# flow.py - flow matching and MeanFlow: training losses and Euler steps.
# SPDX-License-Identifier: CC0-1.0
#
# Time t runs from 0, the data, to 1, the noise: x_t = (1 - t) x + t e, and the network predicts the velocity e - x (the
# linear path of Lipman et al. 2023 and Liu et al. 2023, in the direction of REPA). MeanFlow (Geng et al. 2025): the network
# predicts the mean velocity u between an earlier time r and t, so that x_r = x_t - (t - r) u in one pass. Its timestep is t,
# and a second embedder has t - r. Times are not multiplied by 1000.

import numpy as np
import torch

try:
    from torch.func import jvp
except ImportError:  # before PyTorch 2
    from functorch import jvp


def interpolate(x0, t, noise):
    """x_t, and the velocity there."""
    t = t[:, None, None, None]
    return (1 - t) * x0 + t * noise, noise - x0


def logistic(mean, deviation, n, rng):
    return 1 / (1 + np.exp(-mean - deviation * rng.standard_normal(n)))


class Flow:
    """The mean squared error of the velocity."""
    names = ("mse",)

    def __init__(self, device):
        pass

    def times(self, n, rng):
        """Half uniform, half logistic(N(0, 1)), as for ddpm."""
        t = rng.random(n)
        t[n // 2:] = logistic(0, 1, n - n // 2, rng)
        return torch.from_numpy(t).float()

    def grid(self, n):
        """Times at which held-out pictures are compared."""
        return (torch.arange(n) + 0.5) / n

    def __call__(self, net, x0, t, y, noise):
        x, v = interpolate(x0, t, noise)
        return (((net(x, t, y) - v) ** 2).mean(),)

    @torch.no_grad()
    def sample(self, net, x, y, steps, guidance):
        """Euler steps from 1 to 0, with guidance on all channels."""
        for k in range(steps):
            t = torch.full((len(x),), 1 - k / steps, dtype=x.dtype, device=x.device)
            v = net(x, t, y)
            if guidance != 1:
                free = net(x, t, torch.full_like(y, net.classes))
                v = free + guidance * (v - free)
            x = x - v / steps
        return x


class MeanFlow(Flow):
    """The mean velocity, by its own derivative along the path: u = v - (t - r) du/dt, where the right side is a constant
    and du/dt = v du/dx + du/dt is one forward derivative. Errors are weighted by 1 / (their square + 0.001). Of a batch,
    three quarters have r = t, which is flow matching. Guidance is baked in (section 4.2, with kappa = 1 - 1 / GUIDANCE):
    the velocity of a class becomes v + kappa (u with the class - u without), both for r = t."""
    GUIDANCE, APART = 1.5, 0.25

    def times(self, n, rng):
        """(n, 2): t, and r of which a quarter is before it."""
        t, r = np.sort(logistic(-0.4, 1, (2, n), rng), 0)[::-1]
        r = np.where(np.arange(n) < self.APART * n, r, t)
        return torch.from_numpy(np.stack([t, r], 1)).float()

    def velocity(self, net, x, t, y, v):
        """What the path of guided pictures has in the place of v; without class, v itself."""
        kappa, null = 1 - 1 / self.GUIDANCE, torch.full_like(y, net.classes)
        with torch.no_grad():
            apart = net(x, t, y, t) - net(x, t, null, t)
        return torch.where((y == net.classes)[:, None, None, None], v, v + kappa * apart)

    def __call__(self, net, x0, t, y, noise):
        if t.ndim == 1:  # held out: as flow matching
            x, v = interpolate(x0, t, noise)
            return (((net(x, t, y, t) - v) ** 2).mean(),)
        t, r = t.T
        x, v = interpolate(x0, t, noise)
        v = self.velocity(net, x, t, y, v)
        u, change = jvp(lambda x, t, r: net(x, t, y, r), (x, t, r), (v, torch.ones_like(t), torch.zeros_like(r)))
        error = (u - (v - (t - r)[:, None, None, None] * change).detach()) ** 2
        weight = 1 / (error.detach().flatten(1).sum(1) + 1e-3)
        return ((weight * error.flatten(1).sum(1)).mean(),)

    @torch.no_grad()
    def sample(self, net, x, y, steps, guidance):
        """Jumps from 1 to 0; guidance is baked in."""
        for k in range(steps):
            t = torch.full((len(x),), 1 - k / steps, dtype=x.dtype, device=x.device)
            x = x - net(x, t, y, t - 1 / steps) / steps
        return x
