# models.py - the two networks, with the layouts and tensor names of the released ones.
# SPDX-License-Identifier: CC0-1.0
#
# VAE: AutoencoderKL (Rombach et al. 2022; names of diffusers). DiT: Peebles & Xie 2022, adaLN-Zero (names of its code).
# Norms and softmax run in float32, products in whatever torch.autocast says.

import math

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


def modulate(x, shift, scale):
    """Layer norm without weights, then scale and shift of each sample; x (n, tokens, d)."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale[:, None]) + shift[:, None]


class Attention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(d, 3 * d)
        self.proj = nn.Linear(d, d)

    def forward(self, x):
        b, t, d = x.shape
        width = d // self.heads
        q, k, v = self.qkv(x).reshape(b, t, 3, self.heads, width).permute(2, 0, 3, 1, 4)
        a = torch.softmax(wide(q @ k.transpose(-2, -1)) * width ** -0.5, -1)
        return self.proj((a.to(v.dtype) @ v).transpose(1, 2).reshape(b, t, d))


class Mlp(nn.Module):
    def __init__(self, d, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(d, hidden), nn.Linear(hidden, d)

    def forward(self, x):
        # In training the exact form: PyTorch has it six times faster, and the two differ by less than 0.0005.
        return self.fc2(F.gelu(self.fc1(x), approximate="none" if self.training else "tanh"))


class Block(nn.Module):
    def __init__(self, d, heads, ratio):
        super().__init__()
        self.attn = Attention(d, heads)
        self.mlp = Mlp(d, int(d * ratio))
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(d, 6 * d))

    def forward(self, x, c):
        s1, k1, g1, s2, k2, g2 = wide(self.adaLN_modulation(c)).chunk(6, 1)
        x = x + g1[:, None] * self.attn(modulate(x, s1, k1))
        return x + g2[:, None] * self.mlp(modulate(x, s2, k2))


class Final(nn.Module):
    def __init__(self, d, out):
        super().__init__()
        self.linear = nn.Linear(d, out)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(d, 2 * d))

    def forward(self, x, c):
        shift, scale = wide(self.adaLN_modulation(c)).chunk(2, 1)
        return self.linear(modulate(x, shift, scale))


class TimestepEmbedding(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(256, d), nn.SiLU(), nn.Linear(d, d))

    def forward(self, t):
        return self.mlp(timestep_features(t, 256, self.mlp[0].weight.dtype))


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
    the noise, and the interpolation of the learned variance."""

    def __init__(self, size, patch, channels, hidden, depth, heads, classes, ratio=4.0):
        super().__init__()
        self.config = dict(size=size, patch=patch, channels=channels, hidden=hidden, depth=depth, heads=heads,
                           classes=classes, ratio=ratio)
        self.size, self.patch, self.channels, self.classes = size, patch, channels, classes
        self.x_embedder = Patches(channels, patch, hidden)
        self.t_embedder = TimestepEmbedding(hidden)
        self.y_embedder = LabelEmbedding(classes, hidden)
        table = torch.from_numpy(sincos_2d(hidden, size // patch)).float()[None]
        self.pos_embed = nn.Parameter(table, requires_grad=False)
        self.blocks = nn.ModuleList([Block(hidden, heads, ratio) for _ in range(depth)])
        self.final_layer = Final(hidden, patch * patch * channels * 2)
        self.initialize()

    def initialize(self):
        """As in the paper's code; what is zeroed last makes every block the identity at first (adaLN-Zero)."""
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)
        nn.init.xavier_uniform_(self.x_embedder.proj.weight.data.flatten(1))
        nn.init.zeros_(self.x_embedder.proj.bias)
        for w in (self.y_embedder.embedding_table.weight, self.t_embedder.mlp[0].weight, self.t_embedder.mlp[2].weight):
            nn.init.normal_(w, std=0.02)
        for b in self.blocks:
            nn.init.zeros_(b.adaLN_modulation[1].weight)
        nn.init.zeros_(self.final_layer.adaLN_modulation[1].weight)
        nn.init.zeros_(self.final_layer.linear.weight)

    def forward(self, x, t, y):
        c = wide(self.t_embedder(t)) + self.y_embedder(y)
        h = wide(self.x_embedder(x)) + self.pos_embed
        for b in self.blocks:
            h = b(h, c)
        h = wide(self.final_layer(h, c))
        n, g, p, o = x.shape[0], self.size // self.patch, self.patch, 2 * self.channels
        return h.reshape(n, g, g, p, p, o).permute(0, 5, 1, 3, 2, 4).reshape(n, o, g * p, g * p)
