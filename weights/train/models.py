# models.py - the two networks, with the layouts and tensor names of the released ones.
# SPDX-License-Identifier: CC0-1.0
#
# VAE: AutoencoderKL (Rombach et al. 2022; names of diffusers). DiT: Peebles & Xie 2022, with the four kinds of blocks of
# that paper (names of its code, which has adaLN-Zero alone). Norms and softmax run in float32, products in whatever
# torch.autocast says.

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

# ----------------------------------------------------------------- autoencoder


def wide(x):
    """float32 for what needs it; float64, of the reference vectors, stays."""
    return x.float() if x.dtype == torch.bfloat16 else x


def norm_silu(norm, x):
    return F.silu(norm(wide(x)))


class Resnet(nn.Module):
    def __init__(self, cin, cout, groups):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, cin, eps=1e-6)
        self.conv1 = nn.Conv2d(cin, cout, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, cout, eps=1e-6)
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1)
        if cin != cout:
            self.conv_shortcut = nn.Conv2d(cin, cout, 1)

    def forward(self, x):
        h = self.conv1(norm_silu(self.norm1, x))
        h = self.conv2(norm_silu(self.norm2, h))
        return (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x) + h


class MidAttention(nn.Module):
    """Single-head self-attention over the pixels of the coarsest grid."""

    def __init__(self, channels, groups):
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x):
        b, c, h, w = x.shape
        rows = self.group_norm(wide(x)).permute(0, 2, 3, 1).reshape(b * h * w, c)
        q, k, v = (f(rows).reshape(b, h * w, c) for f in (self.to_q, self.to_k, self.to_v))
        a = torch.softmax(wide(q @ k.transpose(1, 2)) / math.sqrt(c), -1)
        rows = self.to_out[0]((a.to(v.dtype) @ v).reshape(b * h * w, c))
        return x + rows.reshape(b, h, w, c).permute(0, 3, 1, 2)


class Mid(nn.Module):
    def __init__(self, channels, groups):
        super().__init__()
        self.resnets = nn.ModuleList([Resnet(channels, channels, groups) for _ in range(2)])
        self.attentions = nn.ModuleList([MidAttention(channels, groups)])

    def forward(self, x):
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class Downsample(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x):
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Stage(nn.Module):
    """The blocks of one resolution, and the step to the next."""

    def __init__(self, cin, cout, layers, groups, down=False, up=False):
        super().__init__()
        self.resnets = nn.ModuleList([Resnet(cin if i == 0 else cout, cout, groups) for i in range(layers)])
        if down:
            self.downsamplers = nn.ModuleList([Downsample(cout)])
        if up:
            self.upsamplers = nn.ModuleList([Upsample(cout)])

    def forward(self, x):
        for r in self.resnets:
            x = r(x)
        for name in ("downsamplers", "upsamplers"):
            if hasattr(self, name):
                x = getattr(self, name)[0](x)
        return x


class Encoder(nn.Module):
    def __init__(self, channels, latent, blocks, layers, groups):
        super().__init__()
        last = len(blocks) - 1
        self.conv_in = nn.Conv2d(channels, blocks[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(
            [Stage(blocks[max(i - 1, 0)], c, layers, groups, down=i < last) for i, c in enumerate(blocks)])
        self.mid_block = Mid(blocks[-1], groups)
        self.conv_norm_out = nn.GroupNorm(groups, blocks[-1], eps=1e-6)
        self.conv_out = nn.Conv2d(blocks[-1], 2 * latent, 3, padding=1)

    def forward(self, x):
        x = self.conv_in(x)
        for b in self.down_blocks:
            x = b(x)
        return self.conv_out(norm_silu(self.conv_norm_out, self.mid_block(x)))


class Decoder(nn.Module):
    def __init__(self, channels, latent, blocks, layers, groups):
        super().__init__()
        blocks, last = blocks[::-1], len(blocks) - 1
        self.conv_in = nn.Conv2d(latent, blocks[0], 3, padding=1)
        self.mid_block = Mid(blocks[0], groups)
        self.up_blocks = nn.ModuleList(
            [Stage(blocks[max(i - 1, 0)], c, layers + 1, groups, up=i < last) for i, c in enumerate(blocks)])
        self.conv_norm_out = nn.GroupNorm(groups, blocks[-1], eps=1e-6)
        self.conv_out = nn.Conv2d(blocks[-1], channels, 3, padding=1)

    def forward(self, z):
        x = self.mid_block(self.conv_in(z))
        for b in self.up_blocks:
            x = b(x)
        return self.conv_out(norm_silu(self.conv_norm_out, x))


class VAE(nn.Module):
    """Pictures (n, channels, s, s) in [-1, 1] to latents (n, latent, s / factor, s / factor) and back."""

    def __init__(self, channels, latent, blocks, layers=1, groups=8):
        super().__init__()
        self.config = dict(channels=channels, latent=latent, blocks=list(blocks), layers=layers, groups=groups)
        self.encoder = Encoder(channels, latent, list(blocks), layers, groups)
        self.decoder = Decoder(channels, latent, list(blocks), layers, groups)
        self.quant_conv = nn.Conv2d(2 * latent, 2 * latent, 1)
        self.post_quant_conv = nn.Conv2d(latent, latent, 1)

    def encode(self, x):
        mean, logvar = wide(self.quant_conv(self.encoder(x))).chunk(2, 1)
        return mean, logvar.clamp(-30, 20)

    def decode(self, z):
        return wide(self.decoder(self.post_quant_conv(z)))

    @torch.no_grad()
    def normalise(self, m, s):
        """Makes the latents (z - m) / s, for m and s of each channel, and decodes them as before."""
        n, q, p = len(m), self.quant_conv, self.post_quant_conv
        p.bias += p.weight[:, :, 0, 0] @ m
        p.weight *= s[None, :, None, None]
        q.bias[:n] = (q.bias[:n] - m) / s
        q.weight[:n] /= s[:, None, None, None]
        q.bias[n:] -= 2 * s.log()


# ----------------------------------------------------------------- transformer


def sincos_2d(dim, grid):
    """(grid * grid, dim) position embedding; x (column) first, as in MAE and DiT."""
    def one(pos):
        w = 1.0 / 10000 ** (np.arange(dim // 4, dtype=np.float64) / (dim / 4.0))
        a = pos.reshape(-1)[:, None] * w[None]
        return np.concatenate([np.sin(a), np.cos(a)], 1)
    ys, xs = np.meshgrid(np.arange(grid, dtype=np.float64), np.arange(grid, dtype=np.float64), indexing="ij")
    return np.concatenate([one(xs), one(ys)], 1)


def timestep_features(t, dim, dtype):
    half = dim // 2
    f = torch.exp(-math.log(10000.0) * torch.arange(half, dtype=dtype, device=t.device) / half)
    a = t.to(dtype)[:, None] * f[None]
    return torch.cat([torch.cos(a), torch.sin(a)], 1)


class Kind(NamedTuple):
    """What distinguishes the kinds of blocks, as lib/model/block_kind.c has it."""
    chunks: int = 0       # what a block computes from timestep and class: shift and scale of its two norms, and the gates
    tokens: bool = False  # timestep and class run through the blocks as two more tokens
    cross: bool = False   # the tokens attend to timestep and class


KINDS = {"adaln_zero": Kind(chunks=6), "adaln": Kind(chunks=4), "in_context": Kind(tokens=True),
         "cross_attention": Kind(cross=True)}


def norm(d, weights):
    return nn.LayerNorm(d, eps=1e-6, elementwise_affine=weights)


def modulate(x, shift, scale):
    """Shift and scale of each sample; x (n, tokens, d)."""
    return x * (1 + scale[:, None]) + shift[:, None]


def attend(q, k, v, heads):
    """Queries (n, queries, d) to keys and values (n, keys, d)."""
    n, _, d = q.shape
    q, k, v = (x.reshape(n, -1, heads, d // heads).transpose(1, 2) for x in (q, k, v))
    a = torch.softmax(wide(q @ k.transpose(-2, -1)) * (d // heads) ** -0.5, -1)
    return (a.to(v.dtype) @ v).transpose(1, 2).reshape(n, -1, d)


class Attention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(d, 3 * d)
        self.proj = nn.Linear(d, d)

    def forward(self, x):
        return self.proj(attend(*self.qkv(x).chunk(3, -1), self.heads))


class CrossAttention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.q_linear = nn.Linear(d, d)
        self.kv_linear = nn.Linear(d, 2 * d)
        self.proj = nn.Linear(d, d)

    def forward(self, x, context):
        return self.proj(attend(self.q_linear(x), *self.kv_linear(context).chunk(2, -1), self.heads))


class Mlp(nn.Module):
    def __init__(self, d, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(d, hidden), nn.Linear(hidden, d)

    def forward(self, x):
        # In training the exact form: PyTorch has it six times faster, and the two differ by less than 0.0005.
        return self.fc2(F.gelu(self.fc1(x), approximate="none" if self.training else "tanh"))


def residual(x, norm, part, shift=None, scale=None, gate=None):
    """x, and what `part` makes of its norm; with shift, scale and gate of each sample where the kind of block has them."""
    h = norm(x)
    h = part(h if shift is None else modulate(h, shift, scale))
    return x + (h if gate is None else gate[:, None] * h)


class Block(nn.Module):
    def __init__(self, d, heads, ratio, kind):
        super().__init__()
        self.kind = kind
        self.norm1, self.norm2 = norm(d, not kind.chunks), norm(d, not kind.chunks)
        self.attn = Attention(d, heads)
        self.mlp = Mlp(d, int(d * ratio))
        if kind.chunks:
            self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(d, kind.chunks * d))
        if kind.cross:
            self.norm_cross, self.cross_attn = norm(d, True), CrossAttention(d, heads)

    def forward(self, x, c):
        """c: the sum of timestep and class (n, d), or, for kinds without modulation, both (n, 2, d)."""
        parts = wide(self.adaLN_modulation(c)).chunk(self.kind.chunks, 1) if self.kind.chunks else ()
        half = len(parts) // 2
        x = residual(x, self.norm1, self.attn, *parts[:half])
        if self.kind.cross:
            x = x + self.cross_attn(self.norm_cross(x), c)
        return residual(x, self.norm2, self.mlp, *parts[half:])


class Final(nn.Module):
    def __init__(self, d, out, kind):
        super().__init__()
        self.norm_final = norm(d, not kind.chunks)
        self.linear = nn.Linear(d, out)
        if kind.chunks:
            self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(d, 2 * d))

    def forward(self, x, c):
        h = self.norm_final(x)
        if hasattr(self, "adaLN_modulation"):
            h = modulate(h, *wide(self.adaLN_modulation(c)).chunk(2, 1))
        return self.linear(h)


class TimestepEmbedding(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(256, d), nn.SiLU(), nn.Linear(d, d))

    def forward(self, t):
        f = timestep_features(t, 256, self.mlp[0].weight.dtype)
        if not t.is_floating_point():
            return self.mlp(f)
        with torch.autocast(t.device.type, enabled=False):  # bfloat16 knows too few times between 0 and 1
            return self.mlp(f)


class LabelEmbedding(nn.Module):
    """One row more than there are classes: the last is the null class of the guidance."""

    def __init__(self, n, d):
        super().__init__()
        self.embedding_table = nn.Embedding(n + 1, d)

    def forward(self, y):
        return self.embedding_table(y)


class Patches(nn.Module):
    def __init__(self, channels, patch, d):
        super().__init__()
        self.proj = nn.Conv2d(channels, d, patch, stride=patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class DiT(nn.Module):
    """Noisy latents (n, channels, size, size), time steps 0..999 and classes to (n, 2 * channels, size, size):
    the noise, and the interpolation of the learned variance. Without `sigma` there is no variance; with `second` there is a
    second time r, whose distance from t is embedded (names of SoFlow)."""

    def __init__(self, size, patch, channels, hidden, depth, heads, classes, ratio=4.0, block="adaln_zero", sigma=True,
                 second=False):
        super().__init__()
        self.config = dict(size=size, patch=patch, channels=channels, hidden=hidden, depth=depth, heads=heads,
                           classes=classes, ratio=ratio, block=block, sigma=sigma, second=second)
        self.size, self.patch, self.channels, self.classes, self.kind = size, patch, channels, classes, KINDS[block]
        self.outputs = channels * (2 if sigma else 1)
        self.x_embedder = Patches(channels, patch, hidden)
        self.t_embedder = TimestepEmbedding(hidden)
        if second:
            self.s_embedder = TimestepEmbedding(hidden)
        self.y_embedder = LabelEmbedding(classes, hidden)
        table = torch.from_numpy(sincos_2d(hidden, size // patch)).float()[None]
        self.pos_embed = nn.Parameter(table, requires_grad=False)
        self.blocks = nn.ModuleList([Block(hidden, heads, ratio, self.kind) for _ in range(depth)])
        self.final_layer = Final(hidden, patch * patch * self.outputs, self.kind)
        self.initialize()

    def initialize(self):
        """As in the paper's code, whose blocks are adaLN-Zero: what is zeroed last makes each of them the identity at
        first, and plain adaLN a layer norm without weights. Norms with weights begin with 1 and 0."""
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)
        nn.init.xavier_uniform_(self.x_embedder.proj.weight.data.flatten(1))
        nn.init.zeros_(self.x_embedder.proj.bias)
        nn.init.normal_(self.y_embedder.embedding_table.weight, std=0.02)
        for m in self.modules():
            if isinstance(m, TimestepEmbedding):
                nn.init.normal_(m.mlp[0].weight, std=0.02)
                nn.init.normal_(m.mlp[2].weight, std=0.02)
        for m in (*self.blocks, self.final_layer):
            if self.kind.chunks:
                nn.init.zeros_(m.adaLN_modulation[1].weight)
        nn.init.zeros_(self.final_layer.linear.weight)

    def forward(self, x, t, y, r=None):
        h = wide(self.x_embedder(x)) + self.pos_embed
        tokens = h.shape[1]
        time = wide(self.t_embedder(t))
        if r is not None:
            time = time + self.s_embedder(t - r)
        c = torch.stack([time, self.y_embedder(y)], 1)
        if self.kind.chunks:
            c = c.sum(1)
        if self.kind.tokens:
            h = torch.cat([h, c], 1)
        for b in self.blocks:
            h = b(h, c)
        h = wide(self.final_layer(h[:, :tokens], c))
        n, g, p, o = x.shape[0], self.size // self.patch, self.patch, self.outputs
        return h.reshape(n, g, g, p, p, o).permute(0, 5, 1, 3, 2, 4).reshape(n, o, g * p, g * p)
