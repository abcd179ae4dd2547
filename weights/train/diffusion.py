# diffusion.py - the process of the paper: schedule, training loss, DDPM and DDIM sampling with guidance.
# SPDX-License-Identifier: CC0-1.0
#
# Ho et al. 2020 (linear betas 1e-4 .. 0.02, 1000 steps), Nichol & Dhariwal 2021 (learned variance), Song et al. 2021
# (DDIM), Ho & Salimans 2022 (guidance). Schedules in float64.

import math

import numpy as np
import torch

BASE = np.cumprod(1.0 - np.linspace(1e-4, 0.02, 1000, dtype=np.float64))  # alpha_bar of the 1000 time steps


def respace(sampler, steps):
    """The time steps kept: for DDIM an even stride from 0 on, for DDPM evenly from 0 to 999."""
    if sampler == "ddim":
        stride = next((s for s in range(1, 1000) if len(range(0, 1000, s)) == steps), None)
        if not stride:
            raise ValueError("no stride gives %d steps" % steps)
        return list(range(0, 1000, stride))
    stride, now, kept = 999 / max(steps - 1, 1), 0.0, []
    for _ in range(steps):
        kept.append(round(now))
        now += stride
    return sorted(set(kept))


class Schedule:
    def __init__(self, kept):
        self.ts = kept
        ab = BASE[kept]
        prev = np.append(1.0, ab[:-1])
        beta = 1.0 - ab / prev
        var = beta * (1 - prev) / (1 - ab)
        self.ab, self.prev, self.log_beta = ab, prev, np.log(beta)
        self.log_var = np.log(np.append(var[1] if len(var) > 1 else beta[0], var[1:]))  # posterior, clipped at the first
        self.c_x0 = beta * np.sqrt(prev) / (1 - ab)  # posterior mean = c_x0 x0 + c_xt xt
        self.c_xt = (1 - prev) * np.sqrt(1 - beta) / (1 - ab)


# ----------------------------------------------------------------- training


class Diffusion:
    """The losses of a batch of latents, to be added: the mean squared error of the noise, and the variational bound for
    the variance alone (its mean is detached) in bits per value, as in the code of the paper."""
    names = ("mse", "bits")

    def __init__(self, device):
        s = Schedule(list(range(1000)))
        table = np.stack([np.sqrt(s.ab), np.sqrt(1 - s.ab), s.c_x0, s.c_xt, s.log_beta, s.log_var])
        self.table = torch.from_numpy(table).float().to(device)

    def times(self, n, rng):
        """Time steps of a batch: half uniform, half where pictures take shape (1000 x logistic of N(-0.35, 0.9))."""
        t = rng.integers(0, 1000, n)
        t[n // 2:] = 1000 / (1 + np.exp(0.35 - 0.9 * rng.standard_normal(n - n // 2)))
        return torch.from_numpy(t.clip(0, 999))

    def grid(self, n):
        """Time steps at which held-out pictures are compared."""
        return torch.arange(n) * 1000 // n

    def sample(self, net, x, y, steps, guidance):
        return sample(net, x, y, "ddim", steps, guidance)

    def __call__(self, net, x0, t, y, noise):
        a, b, c_x0, c_xt, log_beta, log_var = self.table[:, t, None, None, None]
        x = a * x0 + b * noise
        eps, v = net(x, t, y).chunk(2, 1)
        mse = ((eps - noise) ** 2).mean()
        e, f = eps.detach(), (v + 1) / 2
        mean, true = c_x0 * (x - b * e) / a + c_xt * x, c_x0 * x0 + c_xt * x
        model_log = f * log_beta + (1 - f) * log_var
        kl = 0.5 * (model_log - log_var - 1 + torch.exp(log_var - model_log) + (true - mean) ** 2 * torch.exp(-model_log))
        first = 0.5 * (math.log(2 * math.pi) + model_log + (x0 - mean) ** 2 * torch.exp(-model_log))  # t = 0: density
        bits = torch.where((t == 0)[:, None, None, None], first, kl).mean() / math.log(2)
        return mse, bits


# ----------------------------------------------------------------- sampling


def guided(net, x, t, y, guidance, channels=None):
    """Classifier-free guidance on the leading channels, or all, of the noise; the rest, as the variance, is that of the
    class."""
    if guidance == 1:
        return net(x, t, y)
    n, c = len(x), channels or x.shape[1]
    out = net(torch.cat([x, x]), torch.cat([t, t]), torch.cat([y, torch.full_like(y, net.classes)]))
    cond, null = out[:n], out[n:]
    return torch.cat([null[:, :c] + guidance * (cond[:, :c] - null[:, :c]), cond[:, c:]], 1)


@torch.no_grad()
def sample(net, x, y, sampler, steps, guidance, noise=None):
    """From noise x to latents. DDIM with eta 0, or DDPM with the learned variance; noise[k] is for the k-th step
    taken (the first is the noisiest, the last uses none), drawn here if it is not given."""
    s, c = Schedule(respace(sampler, steps)), x.shape[1]
    for k, i in enumerate(reversed(range(len(s.ts)))):
        t = torch.full((len(x),), s.ts[i], dtype=torch.long, device=x.device)
        out = guided(net, x, t, y, guidance)
        eps, v = out[:, :c], out[:, c:]
        x0 = (x - math.sqrt(1 - s.ab[i]) * eps) / math.sqrt(s.ab[i])
        if sampler == "ddim":
            x = math.sqrt(s.prev[i]) * x0 + math.sqrt(1 - s.prev[i]) * eps
            continue
        x = s.c_x0[i] * x0 + s.c_xt[i] * x
        if i > 0:
            f = (v + 1) / 2
            log_var = f * s.log_beta[i] + (1 - f) * s.log_var[i]
            x = x + torch.exp(0.5 * log_var) * (noise[k] if noise is not None else torch.randn_like(x))
    return x
