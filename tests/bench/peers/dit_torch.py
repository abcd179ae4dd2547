"""A DiT in PyTorch, as its users run it: the peer that tests/bench/peers/compare.py times. Peebles & Xie 2022, figure 3;
written from the paper. Weights are random: only time is of interest."""
import math

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, hidden, heads):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(hidden, elementwise_affine=False, eps=1e-6)
        self.qkv, self.proj = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.fc1, self.fc2 = nn.Linear(hidden, 4 * hidden), nn.Linear(4 * hidden, hidden)
        self.modulation = nn.Linear(hidden, 6 * hidden)

    def attention(self, x):
        batch, tokens, hidden = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, hidden // self.heads).permute(2, 0, 3, 1, 4)
        weights = ((q @ k.transpose(-2, -1)) / math.sqrt(hidden // self.heads)).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(batch, tokens, hidden))

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(nn.functional.silu(c)).unsqueeze(1).chunk(6, -1)
        x = x + gate1 * self.attention(self.norm(x) * (1 + scale1) + shift1)
        h = nn.functional.gelu(self.fc1(self.norm(x) * (1 + scale2) + shift2), approximate="tanh")
        return x + gate2 * self.fc2(h)


class Blocks(nn.Module):
    """Everything that takes time: the blocks, over tokens [batch][tokens][hidden] and conditions [batch][hidden]."""

    def __init__(self, hidden=1152, depth=28, heads=16):
        super().__init__()
        self.blocks = nn.ModuleList(Block(hidden, heads) for _ in range(depth))

    def forward(self, x, c):
        for block in self.blocks:
            x = block(x, c)
        return x
