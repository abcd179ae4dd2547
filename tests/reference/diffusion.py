"""Noise schedules, DDPM and DDIM samplers, in float64 numpy.

Part 1 follows the official DiT repository (and its ancestors ADM / GLIDE): a
1000-step process, respaced; the sampler works on RESPACED indices and shows the
model `timestep_map[index]`.
Part 2 follows diffusers' DDIMScheduler and DDPMScheduler: tables of all 1000
steps, and a descending list of timesteps.
Part 3 is DPM-Solver++ (2M), written from the paper alone (Lu, Zhou, Bao, Chen,
Li and Zhu 2022, "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion
Probabilistic Models", equation 14 and algorithm 2), over part 2's tables.

A model is a callable model(x, t) -> output, x [N, C, ...], t one int (all
samples share it), output [N, C or 2C, ...].  Noise is always passed in.
"""
from typing import Callable, Dict, List, Optional

import numpy as np

# ---------------------------------------------------------------- part 1: official


def linear_betas(steps: int = 1000) -> np.ndarray:
    scale = 1000 / steps
    return np.linspace(scale * 0.0001, scale * 0.02, steps, dtype=np.float64)


def space_timesteps(total: int, spec: str) -> List[int]:
    """Which of `total` steps are kept, ascending.

    "ddimN": the smallest integer stride s in 1..total-1 with ceil(total / s) == N, then 0, s, 2s, ...
    "a,b,c": `total` is cut into as many sections as there are numbers (the first
    total % sections get one more step); a section of `size` steps keeps
    start + round(k * stride), stride = (size - 1) / (count - 1) or 1 if count <= 1.
    The running position is ACCUMULATED in float64 (not k * stride), and round() is
    half-to-even.
    """
    if spec.startswith("ddim"):
        wanted = int(spec[4:])
        for stride in range(1, total):
            if (total + stride - 1) // stride == wanted:
                return list(range(0, total, stride))
        raise ValueError(f"no integer stride keeps {wanted} of {total} steps")
    counts = [int(part) for part in spec.split(",")]
    kept, start = [], 0
    for section, count in enumerate(counts):
        size = total // len(counts) + (1 if section < total % len(counts) else 0)
        if size < count:
            raise ValueError(f"a section of {size} steps cannot keep {count}")
        stride = 1 if count <= 1 else (size - 1) / (count - 1)
        position = 0.0
        for _ in range(count):
            kept.append(start + round(position))
            position += stride
        start += size
    return sorted(set(kept))


class Schedule:
    """Tables of a respaced process; index 0 is the last step of sampling."""

    def __init__(self, spec: str = "", total: int = 1000):
        full = np.cumprod(1.0 - linear_betas(total))
        self.timestep_map = np.array(space_timesteps(total, spec or str(total)), dtype=np.int64)
        previous = 1.0
        betas = []
        for t in self.timestep_map:
            betas.append(1 - full[t] / previous)
            previous = full[t]
        self.betas = np.array(betas)
        self.steps = len(betas)
        alphas = 1.0 - self.betas
        self.alphas_cumprod = np.cumprod(alphas)
        self.alphas_cumprod_prev = np.append(1.0, self.alphas_cumprod[:-1])
        remaining = 1.0 - self.alphas_cumprod
        self.posterior_variance = self.betas * (1.0 - self.alphas_cumprod_prev) / remaining
        # entry 0 would be log(0): it takes entry 1's value; a one-step process has no such table
        self.posterior_log_variance_clipped = (
            np.log(np.append(self.posterior_variance[1], self.posterior_variance[1:])) if self.steps > 1 else np.array([]))
        self.posterior_mean_coef1 = self.betas * np.sqrt(self.alphas_cumprod_prev) / remaining
        self.posterior_mean_coef2 = (1.0 - self.alphas_cumprod_prev) * np.sqrt(alphas) / remaining
        self.sqrt_recip_alphas_cumprod = np.sqrt(1.0 / self.alphas_cumprod)
        self.sqrt_recipm1_alphas_cumprod = np.sqrt(1.0 / self.alphas_cumprod - 1)

    def ddim_sigma(self, eta: float) -> np.ndarray:
        a, b = self.alphas_cumprod, self.alphas_cumprod_prev
        return eta * np.sqrt((1 - b) / (1 - a)) * np.sqrt(1 - a / b)


def p_mean_variance(schedule: Schedule, output: np.ndarray, x: np.ndarray, index: int, variance: str, clip: bool):
    """variance: "learned_range", "fixed_large" or "fixed_small".  Returns mean, log-variance, x0."""
    channels = x.shape[1]
    log_variance: Optional[np.ndarray]
    if variance == "learned_range":
        eps, v = output[:, :channels], output[:, channels:]
        fraction = (v + 1) / 2
        low = schedule.posterior_log_variance_clipped[index] if schedule.steps > 1 else 0.0     # unused at index 0
        log_variance = fraction * np.log(schedule.betas[index]) + (1 - fraction) * low
    else:
        eps = output
        if variance == "fixed_large":
            value = schedule.betas[index] if index or schedule.steps == 1 else schedule.posterior_variance[1]
            log_variance = np.full_like(x, np.log(value))
        else:
            value = schedule.posterior_log_variance_clipped[index] if schedule.steps > 1 else 0.0
            log_variance = np.full_like(x, value)
    x0 = schedule.sqrt_recip_alphas_cumprod[index] * x - schedule.sqrt_recipm1_alphas_cumprod[index] * eps
    if clip:
        x0 = np.clip(x0, -1, 1)
    mean = schedule.posterior_mean_coef1[index] * x0 + schedule.posterior_mean_coef2[index] * x
    return mean, log_variance, x0


def ddpm_step(schedule, output, x, index, noise, variance="learned_range", clip=False):
    mean, log_variance, x0 = p_mean_variance(schedule, output, x, index, variance, clip)
    if index == 0:
        return mean, x0
    return mean + np.exp(0.5 * log_variance) * noise, x0


def ddim_step(schedule, output, x, index, noise, eta=0.0, variance="learned_range", clip=False):
    _, _, x0 = p_mean_variance(schedule, output, x, index, variance, clip)
    eps = (schedule.sqrt_recip_alphas_cumprod[index] * x - x0) / schedule.sqrt_recipm1_alphas_cumprod[index]
    before = schedule.alphas_cumprod_prev[index]
    sigma = schedule.ddim_sigma(eta)[index]
    mean = np.sqrt(before) * x0 + np.sqrt(1 - before - sigma ** 2) * eps
    return (mean if index == 0 else mean + sigma * noise), x0


def sample(schedule: Schedule, model: Callable, x: np.ndarray, noises: np.ndarray, method: str = "ddpm", eta: float = 0.0,
           variance: str = "learned_range", clip: bool = False) -> List[np.ndarray]:
    """All states: x_T first, the sample last.  noises[k] belongs to the k-th step taken
    (the official code draws one also for the last step, where it is not used)."""
    states = [np.asarray(x, np.float64)]
    for k, index in enumerate(reversed(range(schedule.steps))):
        output = model(states[-1], int(schedule.timestep_map[index]))
        if method == "ddpm":
            new, _ = ddpm_step(schedule, output, states[-1], index, noises[k], variance, clip)
        else:
            new, _ = ddim_step(schedule, output, states[-1], index, noises[k], eta, variance, clip)
        states.append(new)
    return states


# ---------------------------------------------------------------- part 2: diffusers

def scaled_linear_betas(start: float, end: float, total: int = 1000) -> np.ndarray:
    """The roots of the betas rise evenly (the Stable Diffusion autoencoder's companions: 0.00085 to 0.012)."""
    return np.linspace(start ** 0.5, end ** 0.5, total, dtype=np.float64) ** 2


def diffusers_timesteps(steps: int, spacing: str, offset: int = 0, total: int = 1000) -> np.ndarray:
    """Descending timesteps.  Rounding is half to even; `offset` counts for "leading" only.

    In "trailing" arange's k-th value is total + k * delta, delta = (total - total / steps) - total in float64
    (not total - k * total / steps: they differ at halves, e.g. 48 steps).  For some counts (61, 103, ...) arange
    yields one value too many and diffusers' list ends in -1; that is not to be imitated.
    """
    if spacing == "leading":
        return np.arange(steps)[::-1] * (total // steps) + offset
    if spacing == "trailing":
        return np.round(np.arange(total, 0, -(total / steps))).astype(np.int64) - 1
    if spacing == "linspace":
        return np.round(np.linspace(0, total - 1, steps))[::-1].astype(np.int64)
    raise ValueError(spacing)


class DiffusersDDIM:
    """The previous timestep is t - total // steps WHATEVER the spacing (for linspace and for
    trailing with a non-divisor it is not the next element of the list)."""

    def __init__(self, steps, spacing="leading", offset=0, set_alpha_to_one=True, clip=False, clip_range=1.0, total=1000,
                 betas=None):
        self.alphas_cumprod = np.cumprod(1.0 - (linear_betas(total) if betas is None else betas))
        self.final_alpha = 1.0 if set_alpha_to_one else self.alphas_cumprod[0]
        self.timesteps = diffusers_timesteps(steps, spacing, offset, total)
        self.jump, self.clip, self.clip_range = total // steps, clip, clip_range

    def step(self, eps, t, x, noise=None, eta=0.0, use_clipped_model_output=False):
        a = self.alphas_cumprod[t]
        before = self.alphas_cumprod[t - self.jump] if t - self.jump >= 0 else self.final_alpha
        x0 = (x - np.sqrt(1 - a) * eps) / np.sqrt(a)
        if self.clip:
            x0 = np.clip(x0, -self.clip_range, self.clip_range)
        sigma = eta * np.sqrt((1 - before) / (1 - a) * (1 - a / before))
        if use_clipped_model_output:                       # otherwise eps stays the model's, even when x0 was clipped
            eps = (x - np.sqrt(a) * x0) / np.sqrt(1 - a)
        mean = np.sqrt(before) * x0 + np.sqrt(1 - before - sigma ** 2) * eps
        return mean + sigma * noise if eta > 0 else mean   # noise is added at the last step too, if sigma > 0


class DiffusersDDPM:
    """The previous timestep is the NEXT ELEMENT of the list (none after the last: alpha 1)."""

    def __init__(self, steps, spacing="leading", offset=0, variance="fixed_small", clip=True, clip_range=1.0, total=1000,
                 betas=None):
        self.alphas_cumprod = np.cumprod(1.0 - (linear_betas(total) if betas is None else betas))
        self.timesteps = diffusers_timesteps(steps, spacing, offset, total)
        self.variance, self.clip, self.clip_range = variance, clip, clip_range

    def step(self, output, t, x, noise=None):
        position = int(np.nonzero(self.timesteps == t)[0][0])
        a = self.alphas_cumprod[t]
        before = self.alphas_cumprod[self.timesteps[position + 1]] if position + 1 < len(self.timesteps) else 1.0
        beta = 1 - a / before
        eps, v = output, None
        if self.variance == "learned_range":
            eps, v = output[:, :x.shape[1]], output[:, x.shape[1]:]
        x0 = (x - np.sqrt(1 - a) * eps) / np.sqrt(a)
        if self.clip:
            x0 = np.clip(x0, -self.clip_range, self.clip_range)
        mean = np.sqrt(before) * beta / (1 - a) * x0 + np.sqrt(a / before) * (1 - before) / (1 - a) * x
        if t == 0:                                         # noise is left out only at timestep 0, not at the last step as such
            return mean
        small = max((1 - before) / (1 - a) * beta, 1e-20)
        if self.variance == "fixed_small":
            return mean + np.sqrt(small) * noise
        if self.variance == "fixed_large":
            return mean + np.sqrt(beta) * noise
        fraction = (v + 1) / 2
        return mean + np.exp(0.5 * (fraction * np.log(beta) + (1 - fraction) * np.log(small))) * noise


# ---------------------------------------------------------------- part 3: DPM-Solver++

def dpmpp_timesteps(steps: int, spacing: str, offset: int = 0, total: int = 1000) -> np.ndarray:
    """Descending; for leading and linspace those of one step more, without the last, from which nothing is left to do."""
    if spacing == "trailing":
        return diffusers_timesteps(steps, spacing, offset, total)[:steps]
    return diffusers_timesteps(steps + 1, spacing, offset, total)[:-1]


class DPMSolverPP:
    """Multistep, second order, data prediction.  The paper's t_0 .. t_M are the timesteps and then a clean picture
    (alpha 1, sigma 0, lambda infinite), which only the first order can reach: x = x0.  Algorithm 2 begins with the
    first order as well."""

    def __init__(self, steps, spacing="linspace", offset=0, total=1000, betas=None):
        acp = np.cumprod(1.0 - (linear_betas(total) if betas is None else betas))
        self.timesteps = dpmpp_timesteps(steps, spacing, offset, total)
        self.alpha = np.append(np.sqrt(acp[self.timesteps]), 1.0)
        self.sigma = np.append(np.sqrt(1 - acp[self.timesteps]), 0.0)
        with np.errstate(divide="ignore"):
            self.lam = np.log(self.alpha) - np.log(self.sigma)

    def run(self, model, x):
        """All states: x_T first, the sample last."""
        states, predictions = [np.asarray(x, np.float64)], []
        for i in range(1, len(self.timesteps) + 1):
            output = model(states[-1], int(self.timesteps[i - 1]))[:, :x.shape[1]]
            predictions.append((states[-1] - self.sigma[i - 1] * output) / self.alpha[i - 1])
            h = self.lam[i] - self.lam[i - 1]
            data = predictions[-1]
            if 1 < i < len(self.timesteps):
                r = (self.lam[i - 1] - self.lam[i - 2]) / h
                data = (1 + 1 / (2 * r)) * predictions[-1] - 1 / (2 * r) * predictions[-2]
            states.append(self.sigma[i] / self.sigma[i - 1] * states[-1] - self.alpha[i] * (np.exp(-h) - 1) * data)
        return states


# ---------------------------------------------------------------- guidance and a closed-form model

def guide(output: np.ndarray, cfg_scale: float, channels: int) -> np.ndarray:
    """output of a doubled batch [conditional; unconditional]; `channels` leading channels are guided."""
    half = len(output) // 2
    guided = output.copy()
    mix = output[half:, :channels] + cfg_scale * (output[:half, :channels] - output[half:, :channels])
    guided[:half, :channels] = mix
    guided[half:, :channels] = mix
    return guided


def mock_model(labels: np.ndarray, learn_sigma: bool) -> Callable:
    """A stand-in for the network: x [N, C, H, W], t -> [N, C or 2C, H, W].

    eps[n,c,i,j] = tanh(t / 300) * x + 0.25 * sin(0.013 t + 0.5 i - 0.25 j + 0.4 c + 0.8 x)
                   + 0.03 * cos(0.9 y_n + 0.3 i + x)
    v  [n,c,i,j] = sin(1.7 x + 0.005 t + 0.3 c + 0.1 y_n)            (only with learn_sigma)
    """
    def model(x: np.ndarray, t: int) -> np.ndarray:
        _, channels, height, width = x.shape
        c = np.arange(channels)[None, :, None, None]
        i = np.arange(height)[None, None, :, None]
        j = np.arange(width)[None, None, None, :]
        y = np.asarray(labels, np.float64)[:, None, None, None]
        eps = np.tanh(t / 300.0) * x + 0.25 * np.sin(0.013 * t + 0.5 * i - 0.25 * j + 0.4 * c + 0.8 * x)
        eps = eps + 0.03 * np.cos(0.9 * y + 0.3 * i + x)
        if not learn_sigma:
            return eps
        v = np.sin(1.7 * x + 0.005 * t + 0.3 * c + 0.1 * y)
        return np.concatenate([eps, v], axis=1)
    return model


def with_guidance(model: Callable, cfg_scale: float, channels: int) -> Callable:
    """The official forward_with_cfg around a model: only the first half of x is read."""
    def guided(x: np.ndarray, t: int) -> np.ndarray:
        first = x[:len(x) // 2]
        return guide(model(np.concatenate([first, first]), t), cfg_scale, channels)
    return guided


def tables(schedule: Schedule) -> Dict[str, np.ndarray]:
    names = ("timestep_map", "betas", "alphas_cumprod", "posterior_variance", "posterior_log_variance_clipped",
             "posterior_mean_coef1", "posterior_mean_coef2")
    return {name: getattr(schedule, name) for name in names}
