# muon.py - the optimizer: Muon (Jordan et al. 2024) for the matrices inside a network, AdamW for the rest.
# SPDX-License-Identifier: CC0-1.0

import torch


def orthogonal(g, steps=5):
    """About the nearest semi-orthogonal matrices to g (n, rows, columns): Newton-Schulz steps with the published
    coefficients, which bring all singular values to 0.7 .. 1.2."""
    x = g.bfloat16()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2).contiguous()
    x = x / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-7).bfloat16()
    for _ in range(steps):
        s = x @ x.transpose(1, 2).contiguous()
        x = 3.4445 * x + (-4.7750 * s + 2.0315 * (s @ s)) @ x
    return (x.transpose(1, 2) if tall else x).to(g.dtype)


class Muon(torch.optim.AdamW):
    """matrices: pairs of a parameter that Muon moves and the number of matrices in it, one above the other; convolutions
    (out, in, h, w) count as (out, in * h * w)."""

    def __init__(self, parameters, matrices, rate, matrix_rate, decay=0.01):
        self.parts = {id(p): n for p, n in matrices}
        matrices = [p for p, _ in matrices]
        rest = [p for p in parameters if id(p) not in self.parts and p.requires_grad]
        super().__init__([dict(params=rest, lr=rate), dict(params=matrices, lr=matrix_rate)],
                         betas=(0.9, 0.99), weight_decay=decay)
        for g in self.param_groups:
            g["peak"] = g["lr"]

    @torch.no_grad()
    def step(self):
        adam, muon = self.param_groups
        self.param_groups = [adam]
        super().step()
        self.param_groups = [adam, muon]
        shapes = {}
        for p in muon["params"]:
            shapes.setdefault((self.parts[id(p)], *p.shape), []).append(p)
        for (parts, *shape), params in shapes.items():
            rows, columns = shape[0], params[0][0].numel()
            g = []
            for p in params:
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                m = state["momentum"].lerp_(p.grad, 0.05)
                g.append(p.grad.lerp(m, 0.95).reshape(parts, rows // parts, columns))
            o = orthogonal(torch.cat(g)).reshape(len(params), *shape)
            size = muon["lr"] * max(1.0, rows / parts / columns) ** 0.5
            for p, d in zip(params, o):
                p.mul_(1 - muon["lr"] * muon["weight_decay"])
                p.add_(d, alpha=-size)
