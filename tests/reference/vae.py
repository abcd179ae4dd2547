"""AutoencoderKL (the Stable Diffusion autoencoder) with PyTorch's own layers, in float64.

`weights` is a callable: diffusers tensor name -> float32 array.  `decode` takes the latent as given to the autoencoder,
that is AFTER division by the scaling factor.
"""
from dataclasses import dataclass
from typing import Callable, Tuple

import numpy as np
import torch
import torch.nn.functional as F

EPS = 1e-6


@dataclass(frozen=True)
class Autoencoder:
    blocks: Tuple[int, ...]
    layers: int
    groups: int
    weights: Callable[[str], np.ndarray]

    def tensor(self, name: str) -> torch.Tensor:
        return torch.from_numpy(np.array(self.weights(name))).double()

    def conv(self, x: torch.Tensor, name: str, **how) -> torch.Tensor:
        return F.conv2d(x, self.tensor(name + ".weight"), self.tensor(name + ".bias"), **how)

    def norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return F.group_norm(x, self.groups, self.tensor(name + ".weight"), self.tensor(name + ".bias"), EPS)

    def resnet(self, x: torch.Tensor, name: str, width: int) -> torch.Tensor:
        h = self.conv(F.silu(self.norm(x, name + ".norm1")), name + ".conv1", padding=1)
        h = self.conv(F.silu(self.norm(h, name + ".norm2")), name + ".conv2", padding=1)
        return h + (x if x.shape[1] == width else self.conv(x, name + ".conv_shortcut"))

    def attention(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """One head over all pixels."""
        n, c, h, w = x.shape
        tokens = self.norm(x, name + ".group_norm").reshape(n, c, h * w).transpose(1, 2)
        linear = lambda z, part: F.linear(z, self.tensor(f"{name}.{part}.weight"), self.tensor(f"{name}.{part}.bias"))
        q, k, v = (linear(tokens, part) for part in ("to_q", "to_k", "to_v"))
        mixed = torch.softmax(q @ k.transpose(1, 2) * c ** -0.5, dim=2) @ v
        return x + linear(mixed, "to_out.0").transpose(1, 2).reshape(n, c, h, w)

    def middle(self, x: torch.Tensor, name: str) -> torch.Tensor:
        x = self.resnet(x, name + ".resnets.0", x.shape[1])
        return self.resnet(self.attention(x, name + ".attentions.0"), name + ".resnets.1", x.shape[1])

    def decode(self, latent: np.ndarray) -> np.ndarray:
        """[N, C, h, w] -> [N, image channels, h*s, w*s], s = 2^(levels - 1)."""
        with torch.no_grad():
            x = self.conv(self.conv(torch.from_numpy(latent).double(), "post_quant_conv"), "decoder.conv_in", padding=1)
            x = self.middle(x, "decoder.mid_block")
            for i, width in enumerate(reversed(self.blocks)):
                for j in range(self.layers + 1):
                    x = self.resnet(x, f"decoder.up_blocks.{i}.resnets.{j}", width)
                if i + 1 < len(self.blocks):
                    x = self.conv(F.interpolate(x, scale_factor=2), f"decoder.up_blocks.{i}.upsamplers.0.conv", padding=1)
            return self.conv(F.silu(self.norm(x, "decoder.conv_norm_out")), "decoder.conv_out", padding=1).numpy()

    def encode(self, image: np.ndarray) -> np.ndarray:
        """[N, image channels, H, W] in [-1, 1] -> mean and log-variance, [N, 2C, H/s, W/s]."""
        with torch.no_grad():
            x = self.conv(torch.from_numpy(image).double(), "encoder.conv_in", padding=1)
            for i, width in enumerate(self.blocks):
                for j in range(self.layers):
                    x = self.resnet(x, f"encoder.down_blocks.{i}.resnets.{j}", width)
                if i + 1 < len(self.blocks):               # one zero column right, one zero row below
                    x = self.conv(F.pad(x, (0, 1, 0, 1)), f"encoder.down_blocks.{i}.downsamplers.0.conv", stride=2)
            x = self.middle(x, "encoder.mid_block")
            x = self.conv(F.silu(self.norm(x, "encoder.conv_norm_out")), "encoder.conv_out", padding=1)
            return self.conv(x, "quant_conv").numpy()
