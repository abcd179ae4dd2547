"""Diffusion Transformer forward pass, written for reading, in float64.

`weights` is a callable: official tensor name -> float32 numpy array (or torch
tensor).  It is called when the tensor is needed, so a large model never has to
be in memory whole.  `dtype` is the arithmetic; torch.float64 is the truth.

`flavour` chooses between two published forward passes over the same weights:
  "official"   frequencies exp(-ln(10000) * j / 128), eps 1e-6 in every LayerNorm
  "diffusers"  frequencies exp(-ln(10000) * j / 127), eps 1e-5 (config norm_eps)
               in the LayerNorm before the MLP, 1e-6 in the others
"""
import math
from dataclasses import dataclass
from typing import Callable

import numpy as np
import torch

FREQUENCY_DIM = 256
EPS = 1e-6


@dataclass(frozen=True)
class DiTConfig:
    hidden: int
    depth: int
    heads: int
    patch: int
    latent: int          # side the stored position table is for
    out_channels: int
    classes: int         # the null label


def position_table(hidden: int, rows: int, columns: int) -> np.ndarray:
    """[rows * columns, hidden] float32: sin and cos of the column, then of the row."""
    omega = 10000.0 ** (-np.arange(hidden // 4) / (hidden // 4))
    row, column = (a.reshape(-1, 1) * omega for a in np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"))
    return np.concatenate([np.sin(column), np.cos(column), np.sin(row), np.cos(row)], axis=1).astype(np.float32)


def timestep_features(t: torch.Tensor, dtype=torch.float64, flavour: str = "official") -> torch.Tensor:
    """[N] timesteps -> [N, 256]: 128 cosines, then 128 sines."""
    half = FREQUENCY_DIM // 2
    divisor = half if flavour == "official" else half - 1
    frequency = torch.exp(-math.log(10000.0) * torch.arange(half, dtype=dtype) / divisor)
    angle = t.to(dtype)[:, None] * frequency[None]
    return torch.cat([torch.cos(angle), torch.sin(angle)], dim=1)


def silu(x: torch.Tensor) -> torch.Tensor:
    return x / (1.0 + torch.exp(-x))


def gelu_tanh(x: torch.Tensor) -> torch.Tensor:
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x ** 3)))


def layer_norm(x: torch.Tensor, eps: float = EPS) -> torch.Tensor:
    """Over the last axis, biased variance, no learned scale or shift."""
    centred = x - x.mean(dim=-1, keepdim=True)
    variance = (centred * centred).mean(dim=-1, keepdim=True)
    return centred / torch.sqrt(variance + eps)


def modulate(x: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return x * (1.0 + scale[:, None, :]) + shift[:, None, :]


def patchify(x: torch.Tensor, patch: int) -> torch.Tensor:
    """[N, C, H, W] -> [N, (H/p)*(W/p), C*p*p].  Token = row-major patch position;
    inside a patch: channel, then row, then column (the order of the conv weight)."""
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // patch, patch, w // patch, patch)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(n, (h // patch) * (w // patch), c * patch * patch)


def unpatchify(x: torch.Tensor, patch: int, channels: int, rows: int, columns: int) -> torch.Tensor:
    """[N, T, p*p*C] -> [N, C, H, W].  Inside a token: row, column, then CHANNEL last
    (not the order of patchify)."""
    n = x.shape[0]
    x = x.reshape(n, rows, columns, patch, patch, channels)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(n, channels, rows * patch, columns * patch)


class _Weights:
    def __init__(self, lookup: Callable[[str], np.ndarray], dtype):
        self.lookup, self.dtype = lookup, dtype

    def __call__(self, name: str) -> torch.Tensor:
        value = self.lookup(name)
        if not torch.is_tensor(value):
            value = torch.from_numpy(np.asarray(value))
        return value.to(self.dtype)

    def linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return torch.matmul(x, self(name + ".weight").t()) + self(name + ".bias")


def attention(x: torch.Tensor, w: _Weights, name: str, heads: int) -> torch.Tensor:
    """qkv rows: all of q, then all of k, then all of v; in each, head h owns rows h*d .. h*d+d-1."""
    n, tokens, hidden = x.shape
    d = hidden // heads
    qkv = w.linear(x, name + ".qkv").reshape(n, tokens, 3, heads, d).permute(2, 0, 3, 1, 4)
    q, k, v = qkv[0], qkv[1], qkv[2]                       # [N, heads, T, d]
    mixed = torch.empty_like(q)
    for i in range(n):                                     # one sample at a time: bounded memory
        logits = torch.matmul(q[i], k[i].transpose(-1, -2)) * d ** -0.5
        logits -= logits.max(dim=-1, keepdim=True).values
        torch.exp_(logits)
        logits /= logits.sum(dim=-1, keepdim=True)
        mixed[i] = torch.matmul(logits, v[i])
    mixed = mixed.permute(0, 2, 1, 3).reshape(n, tokens, hidden)
    return w.linear(mixed, name + ".proj")


def block(x: torch.Tensor, c: torch.Tensor, w: _Weights, name: str, heads: int, mlp_eps: float) -> torch.Tensor:
    modulation = w.linear(silu(c), name + ".adaLN_modulation.1")
    shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = modulation.chunk(6, dim=1)
    h = attention(modulate(layer_norm(x), shift_a, scale_a), w, name + ".attn", heads)
    x = x + gate_a[:, None, :] * h
    h = w.linear(modulate(layer_norm(x, mlp_eps), shift_m, scale_m), name + ".mlp.fc1")
    h = w.linear(gelu_tanh(h), name + ".mlp.fc2")
    return x + gate_m[:, None, :] * h


def forward(config: DiTConfig, weights: Callable[[str], np.ndarray], x, t, y, dtype=torch.float64,
            flavour: str = "official", feature_dtype=None) -> torch.Tensor:
    """x [N, C, H, W], t [N] timesteps (0..999, may be fractional), y [N] labels
    (config.classes is the null label).  Returns [N, out_channels, H, W].
    `feature_dtype` is the arithmetic of the timestep sinusoids alone (default: `dtype`)."""
    with torch.no_grad():
        w = _Weights(weights, dtype)
        x = torch.as_tensor(np.asarray(x)).to(dtype)
        t = torch.as_tensor(np.asarray(t))
        y = torch.as_tensor(np.asarray(y)).long()

        mlp_eps = EPS if flavour == "official" else 1e-5
        projection = w("x_embedder.proj.weight").reshape(config.hidden, -1)
        rows, columns = x.shape[2] // config.patch, x.shape[3] // config.patch
        trained = rows == columns == config.latent // config.patch
        positions = w("pos_embed") if trained else torch.from_numpy(position_table(config.hidden, rows, columns)).to(dtype)
        x = torch.matmul(patchify(x, config.patch), projection.t()) + w("x_embedder.proj.bias") + positions

        features = timestep_features(t, feature_dtype or dtype, flavour).to(dtype)
        t_embedding = w.linear(silu(w.linear(features, "t_embedder.mlp.0")), "t_embedder.mlp.2")
        table = weights("y_embedder.embedding_table.weight")
        table = torch.from_numpy(np.ascontiguousarray(np.asarray(table)[y.numpy()])).to(dtype)
        c = t_embedding + table

        for n in range(config.depth):
            x = block(x, c, w, f"blocks.{n}", config.heads, mlp_eps)

        shift, scale = w.linear(silu(c), "final_layer.adaLN_modulation.1").chunk(2, dim=1)
        x = w.linear(modulate(layer_norm(x), shift, scale), "final_layer.linear")
        return unpatchify(x, config.patch, config.out_channels, rows, columns)


def guide(output: torch.Tensor, cfg_scale: float, channels: int) -> torch.Tensor:
    """Classifier-free guidance of a doubled batch [conditional; unconditional] on the first
    `channels` channels; both halves get the guided value there, the rest passes through."""
    eps, rest = output[:, :channels], output[:, channels:]
    half = len(eps) // 2
    guided = eps[half:] + cfg_scale * (eps[:half] - eps[half:])
    return torch.cat([torch.cat([guided, guided], dim=0), rest], dim=1)


def forward_with_cfg(config: DiTConfig, weights, x, t, y, cfg_scale: float, channels: int = 3, **kwargs) -> torch.Tensor:
    """x holds 2N samples; only the first N are read (they are fed to both halves).
    The official code guides channels=3 by default; diffusers guides all in_channels."""
    x = torch.as_tensor(np.asarray(x))
    first = x[:len(x) // 2]
    return guide(forward(config, weights, torch.cat([first, first], dim=0), t, y, **kwargs), cfg_scale, channels)
