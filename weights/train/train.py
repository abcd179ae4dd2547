#!/usr/bin/env python3
# train.py - from pictures to a model for libdit: autoencoder, transformer, export, samples, figures.
# SPDX-License-Identifier: CC0-1.0
#
#   train.py vae [--images FOLDER]     the autoencoder: pictures to latents and back  -> work/vae.pt
#   train.py dit                       the transformer, on these latents              -> work/dit.pt
#   train.py dit --vae MODEL.gguf      the same, on the latents of a model file's autoencoder
#   train.py export --out FOLDER       both as checkpoints that dit-convert reads
#   train.py sample --out FOLDER       a sheet of pictures from the exported files, by PyTorch
#   train.py evaluate MODEL.gguf       figures of the converted model, by libdit
#   train.py golden MODEL.gguf         reference vectors in float64 of the converted model, for tests
#
# Without --images the data are drawn by make_sprites.py. Both trainings keep their state in the work folder every so
# often, with a picture to look at and a plot of the losses; with --resume they go on from there.

import argparse
import os

import numpy as np
import torch
import torch.nn.functional as F

import data
import evaluate
import export
from diffusion import Diffusion, sample
from flow import Flow, MeanFlow
from models import KINDS, DiT, VAE
from muon import Muon
from progress import Run, save
from sheet import sheet


OBJECTIVES = {"ddpm": Diffusion, "flow": Flow, "meanflow": MeanFlow}


def products(a):
    """bfloat16 for products of matrices and convolutions, where the processor has it; float32 for all else."""
    kind = "cuda" if a.device.startswith("cuda") else "cpu"
    return torch.autocast(kind, torch.bfloat16, enabled=a.bfloat16)


# ----------------------------------------------------------------- autoencoder


def overshoot_is_fine(r, x):
    """r - x, but nothing where x is saturated and r lies beyond it: rounding to 8 bits clamps. So the network may be
    as steep as it likes (a hinge loss), which is what makes the edges of alpha crisp."""
    d = r - x
    return torch.where(x >= 1, d.clamp(max=0), torch.where(x <= -1, d.clamp(min=0), d))


def reconstruction_loss(r, x):
    """L1 + L2 on colour, alpha and differences of neighbours. Colour counts almost nothing where the picture is
    transparent, and up to three times more where it has fine detail inside (eyes, emblems)."""
    weight = torch.ones_like(x[:, :1])
    detail = (x[:, :3] - F.avg_pool2d(x[:, :3], 5, 1, 2, count_include_pad=False)).abs().mean(1, keepdim=True)
    if x.shape[1] == 4:
        opaque = (x[:, 3:] + 1) / 2
        weight = 0.02 + 0.98 * opaque
        detail = detail * (F.avg_pool2d(opaque, 5, 1, 2, count_include_pad=False) > 0.999)
    weight = (weight * (1 + 4 * detail).clamp(max=3)).expand(-1, 3, -1, -1)
    if x.shape[1] == 4:
        weight = torch.cat([weight, torch.ones_like(x[:, 3:])], 1)
    d = overshoot_is_fine(r, x)
    loss = (weight * (d.abs() + d * d)).mean()
    across, down = (d[..., 1:] - d[..., :-1]).abs(), (d[..., 1:, :] - d[..., :-1, :]).abs()
    return loss + 0.3 * ((across * weight[..., 1:]).mean() + (down * weight[..., 1:, :]).mean())


@torch.no_grad()
def reconstruct(vae, x):
    return torch.cat([vae.decode(vae.encode(b)[0]) for b in x.split(100)])


def show_reconstructions(path, images, r):
    """Rows of held-out pictures, each with what became of it below."""
    columns = min(len(images), 12)
    n = len(images) // columns * columns
    pairs = np.stack([p[:n].reshape(-1, columns, *p.shape[1:]) for p in (images, data.to_u8(r))], 1)
    sheet(pairs.reshape(-1, *images.shape[1:]), columns).save(path)


def cmd_vae(a):
    d = data.load(a)
    side, factor = d["images"].shape[1], 1 << (len(a.blocks) - 1)
    if side % factor:
        raise SystemExit("pictures of %d pixels cannot be halved %d times: use another --size or fewer --blocks" %
                         (side, len(a.blocks) - 1))
    shown = d["test_images"][:48]
    test = data.to_x(d["test_images"][:512]).to(a.device)
    torch.manual_seed(0)
    net = VAE(d["images"].shape[3], a.latent, a.blocks).to(a.device)
    frozen = VAE(**net.config).to(a.device).eval()
    convolutions = [p for n, p in net.named_parameters() if p.ndim == 4 and "block" in n and p.shape[2] == 3]
    run = Run(a, "vae", net, Muon(net.parameters(), [(p, 1) for p in convolutions], 2e-3, 0.02), 0.998)
    while run.step < a.steps:
        rng = np.random.default_rng([1, run.step])  # so a resumed run draws what an unbroken one does
        torch.manual_seed(run.step)
        x = data.to_x(d["images"][rng.integers(len(d["images"]), size=a.batch)]).to(a.device)
        with products(a):
            mean, logvar = net.encode(x)
            r = net.decode(mean + torch.exp(0.5 * logvar) * torch.randn_like(mean))
        loss = reconstruction_loss(r, x)
        kl = 0.5 * (mean ** 2 + logvar.exp() - 1 - logvar).mean()
        run.descend(loss + a.kl * kl)
        if run.advance(dict(reconstruction=loss.item(), kl=kl.item())):
            frozen.load_state_dict(run.ema)
            r = reconstruct(frozen, test)
            print("vae %d: held-out %.2f dB, soft alpha %.2f %%" % (run.step, data.psnr(r, test), 100 * data.soft_alpha(r, test)), flush=True)
            show_reconstructions(os.path.join(a.work, "vae.png"), shown, r[:48])
            run.checkpoint()


# ----------------------------------------------------------------- transformer


def moments(vae, a, images):
    """Mean and log variance of the latents of pictures."""
    parts = []
    with torch.no_grad(), products(a):
        for i in range(0, len(images), 250):
            parts.append(torch.cat(vae.encode(data.to_x(images[i:i + 250]).to(a.device)), 1))
    return torch.cat(parts).chunk(2, 1)


def load_vae(a, d):
    """The autoencoder as it is exported: the moving average, and every latent channel brought to mean 0 and deviation 1
    over 4,000 training pictures, folded into the 1x1 convolutions on both sides of the latent (scaling_factor 1). That of
    a model file has its factor folded in already, and is taken as it is."""
    c = torch.load(os.path.join(a.work, "vae.pt"), map_location=a.device)
    vae = VAE(**c["config"]).to(a.device).eval()
    vae.load_state_dict(c["ema"])
    if "taken" not in c:
        mean, logvar = moments(vae, a, d["images"][:4000])
        m = mean.mean((0, 2, 3))
        vae.normalise(m, (mean.var((0, 2, 3)) + logvar.exp().mean((0, 2, 3))).sqrt())
    return vae


def take_vae(a, d):
    """Puts the autoencoder of the model file --vae into the work folder, where the other commands find it."""
    path = os.path.join(a.work, "vae.pt")
    if os.path.exists(path) and "taken" not in torch.load(path, map_location="cpu"):
        raise SystemExit("%s was trained here: leave out --vae, or choose another --work" % path)
    vae = export.read_vae(a.vae)
    side, channels = d["images"].shape[1], d["images"].shape[3]
    if channels != vae.config["channels"]:
        raise SystemExit("%s: its pictures have %d channels, and those of the data %d" % (a.vae, vae.config["channels"], channels))
    if side % (a.patch << (len(vae.config["blocks"]) - 1)):
        raise SystemExit("pictures of %d pixels give latents that cannot be cut into patches of %d: use another --size or "
                         "--patch" % (side, a.patch))
    save(path, dict(config=vae.config, ema=vae.state_dict(), taken=os.path.basename(a.vae)))


class HeldOut:
    """The error of the prediction over held-out pictures, each at its own time, with noise that stays the same."""

    def __init__(self, vae, a, d, loss, count=480):
        seed = torch.Generator().manual_seed(6)
        mean, _ = moments(vae, a, d["test_images"][:count])
        self.x0, self.y = mean, torch.from_numpy(d["test_labels"][:count]).to(a.device)
        self.t = loss.grid(len(mean)).to(a.device)
        self.noise = torch.randn(mean.shape, generator=seed).to(a.device)

    @torch.no_grad()
    def error(self, net, a, loss):
        parts = zip(*(v.split(240) for v in (self.x0, self.t, self.y, self.noise)))
        with products(a):
            return float(np.average([loss(net, *p)[0].item() for p in parts], weights=[len(v) for v in self.t.split(240)]))


def matrices(net):
    """What Muon moves: the matrices of the blocks, of which some are several square ones."""
    parts = {"attn.qkv": 3, "cross_attn.kv_linear": 2, "adaLN_modulation.1": net.kind.chunks}
    of = lambda name: next((n for end, n in parts.items() if name.endswith(end + ".weight")), 1)
    return [(p, of(n)) for n, p in net.named_parameters() if p.ndim == 2 and n.startswith("blocks.")]


def cmd_dit(a):
    d = data.load(a)
    if a.vae:
        take_vae(a, d)
    vae = load_vae(a, d)
    mean, logvar = moments(vae, a, d["images"])
    labels, classes = torch.from_numpy(d["labels"]).to(a.device), len(d["names"])
    torch.manual_seed(0)
    net = DiT(mean.shape[2], a.patch, mean.shape[1], a.hidden, a.depth, a.heads, classes, block=a.block,
              sigma=a.objective == "ddpm", second=a.objective == "meanflow").to(a.device)
    loss = OBJECTIVES[a.objective](a.device)
    frozen, held_out = DiT(**net.config).to(a.device).eval(), HeldOut(vae, a, d, loss)
    run = Run(a, "dit", net, Muon(net.parameters(), matrices(net), 1e-3, 0.02), 0.999, labels=[str(n) for n in d["names"]],
              objective=a.objective)
    seed = torch.Generator().manual_seed(5)
    shown = torch.arange(min(16, classes)).repeat_interleave(12).to(a.device)
    start = torch.randn(len(shown), *mean.shape[1:], generator=seed).to(a.device)
    while run.step < a.steps:
        rng = np.random.default_rng([2, run.step])
        torch.manual_seed(run.step)
        j = torch.from_numpy(rng.integers(len(labels), size=a.batch)).to(a.device)
        x0 = mean[j] + torch.exp(0.5 * logvar[j]) * torch.randn_like(mean[j])
        y = torch.where(torch.rand(len(j), device=a.device) < 0.1, classes, labels[j])
        with products(a):
            losses = loss(net, x0, loss.times(len(j), rng).to(a.device), y, torch.randn_like(x0))
        run.descend(sum(losses))
        look = run.advance({n: v.item() for n, v in zip(loss.names, losses)})
        if look or run.step % 50 == 0:
            frozen.load_state_dict(run.ema)
            run.record(held_out.error(frozen, a, loss))
        if look:
            with products(a), torch.no_grad():
                r = vae.decode(loss.sample(frozen, start, shown, a.look_steps, 2.0))
            sheet(data.to_u8(r), 12).save(os.path.join(a.work, "dit.png"))
            run.checkpoint()


# ----------------------------------------------------------------- command line


def cmd_export(a):
    export.export(a, load_vae(a, data.load(a)))


def cmd_sample(a):
    vae, dit, _ = export.load(a.out)
    y = torch.arange(dit.classes).repeat_interleave(a.columns)
    x = torch.randn(len(y), dit.channels, dit.size, dit.size, generator=torch.Generator().manual_seed(a.seed))
    with torch.no_grad():
        r = torch.cat([vae.decode(sample(dit, z, k, a.sampler, a.steps, a.guidance)) for z, k in zip(x.split(64), y.split(64))])
    sheet(data.to_u8(r), a.columns).save(a.file)


def cmd_evaluate(a):
    evaluate.evaluate(a)


def cmd_golden(a):
    export.golden(a)


def has_bfloat16():
    try:
        with open("/proc/cpuinfo") as f:
            return "avx512_bf16" in f.read()
    except OSError:
        return False


def main():
    ap = argparse.ArgumentParser(description="From pictures to a model for libdit.",
                                 formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    commands = ap.add_subparsers(dest="command", required=True)

    def command(name, text):
        p = commands.add_parser(name, help=text, description=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        p.add_argument("--work", default="work", help="folder of the data, the checkpoints and the pictures")
        p.add_argument("--device", default="cpu", help="cpu, or cuda")
        p.add_argument("--threads", type=int, default=os.cpu_count())
        return p

    def training(p, steps, batch):
        p.add_argument("--steps", type=int, default=steps, help="the learning rate falls over the last third of them")
        p.add_argument("--warm-up", type=int, default=300, help="steps until the learning rate is at its peak")
        p.add_argument("--batch", type=int, default=batch)
        p.add_argument("--every", type=int, default=500, help="steps between checkpoints with a picture")
        p.add_argument("--resume", action="store_true", help="go on from the last checkpoint, if there is one")
        p.add_argument("--float32", dest="bfloat16", action="store_false", help="no bfloat16 products, which are used if the "
                       "processor or GPU has them")

    p = command("vae", "train the autoencoder")
    data.options(p)
    training(p, 9000, 16)
    p.add_argument("--blocks", type=lambda s: [int(v) for v in s.split(",")], default=[32, 32, 64],
                   help="channels from full size down, halving the side between them; multiples of 8")
    p.add_argument("--latent", type=int, default=8, help="channels of the latent")
    p.add_argument("--kl", type=float, default=5e-4, help="weight of the KL term")

    p = command("dit", "train the transformer")
    p.add_argument("--vae", metavar="MODEL.gguf", help="take the autoencoder of a model file; without it, train.py vae has "
                   "trained one")
    data.options(p)
    training(p, 6000, 192)
    p.add_argument("--block", choices=list(KINDS), default="adaln_zero", help="how timestep and class enter: Peebles & Xie "
                   "2022, section 3.2")
    p.add_argument("--objective", choices=list(OBJECTIVES), default="ddpm", help="what is predicted: noise, velocity, or mean "
                   "velocity")
    p.add_argument("--look-steps", type=int, default=20, help="passes of the picture to look at (DDIM or Euler)")
    p.add_argument("--patch", type=int, default=2)
    p.add_argument("--hidden", type=int, default=192)
    p.add_argument("--depth", type=int, default=7)
    p.add_argument("--heads", type=int, default=3)

    p = command("export", "write checkpoints for dit-convert")
    p.add_argument("--out", required=True, help="folder for dit.pt, vae/ and labels.txt")

    p = command("sample", "draw a sheet of the exported model with PyTorch")
    p.add_argument("--out", required=True, help="folder of the exported files")
    p.add_argument("--file", default="samples.png")
    p.add_argument("--columns", type=int, default=12)
    p.add_argument("--seed", type=int, default=5)
    p.add_argument("--sampler", choices=["ddim", "ddpm"], default="ddim")
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--guidance", type=float, default=2.0)

    p = command("evaluate", "measure a converted model")
    p.add_argument("model", help="the GGUF file")
    p.add_argument("--library", default="build/libdit.so")
    p.add_argument("--count", type=int, default=1600, help="generated and real pictures, at most half of the held-out ones")
    p.add_argument("--settings", default="ddim:10,ddim:20,ddim:50,dpm++:10,dpm++:20,ddpm:250", help="rows of the table")
    p.add_argument("--guidances", default="1,1.5,2", help="columns of the table")

    p = command("golden", "write reference vectors in float64")
    p.add_argument("model", help="the GGUF file")
    p.add_argument("--out", required=True, help="folder of the exported files")
    p.add_argument("--golden", required=True, help="folder for the vectors")
    p.add_argument("--guidance", type=float, default=2.0)

    a = ap.parse_args()
    a.bfloat16 = getattr(a, "bfloat16", True) and (a.device != "cpu" or has_bfloat16())
    torch.set_num_threads(a.threads)
    os.makedirs(a.work, exist_ok=True)
    globals()["cmd_" + a.command](a)


if __name__ == "__main__":
    main()
