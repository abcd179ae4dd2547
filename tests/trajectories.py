#!/usr/bin/env python3
"""Whole runs of 50 steps beside PyTorch: its random numbers, and the networks and samplers of tests/reference.

Needs python3 with torch, numpy and PIL (Debian's python3-torch, python3-numpy, python3-pil), build/libdit.so, build/dit
and build/dit-convert. Each run is done twice: in PyTorch with torch.manual_seed and torch.randn, as the official
sample.py or diffusers' DiTPipeline draw them; and by the library, with numbers of its own generators, and by the program
dit. It fails if the first, middle or last latent differs by a relative L2 error of 1e-4, if more than 2 % of the bytes of
the program's picture differ from those of PyTorch's latent, or one by more than 1; if PyTorch's normal numbers differ by
2e-6, for any number of them up to 400 and calls that follow each other; or if a pass of the transformer, encoder or
decoder over what is not square, or of another size than the model's, is off by 1e-5. One of the longer checks (.ci/run).

    tests/trajectories.py [PART...]     some of PARTS; without one, all of them, side by side

PyTorch's word is not taken at once (see settle): with Debian's libopenblas0-serial, which several threads must not call at
the same time and its PyTorch 1.13 does, one answer in four was wrong, by up to 36 %."""
import concurrent.futures
import ctypes
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "reference"))
import diffusion  # noqa: E402
import dit  # noqa: E402
import image  # noqa: E402
import numerics  # noqa: E402
import vae  # noqa: E402
from numerics import BUILD, F32, I32, LIBRARY, PTR, ForwardParams, U64, Gguf, Params, call, pointer  # noqa: E402

TINY = "dit:hidden=64,depth=3,heads=4,patch=2,latent=8,in=4,classes=20"
SMALL = "S/2:256"
VAE = "vae:blocks=32+64,layers=1,groups=8,in=3,out=3,latent=4"
TORCH = 2
passed = failed = skipped = 0


def check(what, value, limit):
    global passed, failed
    good = value <= limit
    passed, failed = passed + good, failed + (not good)
    print("  %-8s %s: %.2g" % ("" if good else "FAILED", what, value), flush=True)


def skip(what, reason):
    global skipped
    skipped += 1
    print("  skipped: %s: %s" % (what, reason), flush=True)


def relative(ours, truth):
    return float(np.linalg.norm(ours.astype(np.float64) - truth) / np.linalg.norm(truth))


def largest(ours, truth):
    return float(np.abs(ours - truth).max())


# ---- What PyTorch says ----

ASKED = 5  # times at most
UNSETTLED = "of PyTorch's %d answers no two agree" % ASKED


def settle(ours, ask, limit, error=relative):
    """Returns PyTorch's answer, a list of arrays like `ours`, or None if no answer can be trusted.

    ask() computes an answer. It is trusted if a second way leads to the same numbers: the library (`ours`, within the
    limit), or PyTorch itself, asked again with another number of threads (within a tenth of the limit). Wrong answers of
    PyTorch differ from each other, so they neither fail the library nor pass it, and a library that is wrong fails."""
    answers = []
    for turn in range(ASKED):
        torch.set_num_threads(1 if turn % 2 == 0 else max(2, os.cpu_count() or 1))
        answer = ask()
        others = [(ours, limit)] + [(known, limit / 10) for known in answers]
        if any(all(error(a, t) <= most for a, t in zip(other, answer)) for other, most in others):
            return answer
        answers.append(answer)
    return None


def compare(names, ours, ask, limit, error=relative):
    """Checks one array for each name; returns what they were compared with, or None."""
    truth = settle(ours, ask, limit, error)
    for i, name in enumerate(names):
        if truth is None:
            skip(name, UNSETTLED)
        else:
            check(name, error(ours[i], truth[i]), limit)
    return truth


# ---- Random numbers ----


class Stream:
    """dit_rng"""

    def __init__(self, seed):
        self.rng = PTR()
        call("dit_rng_open", TORCH, U64(seed), ctypes.byref(self.rng))

    def normal(self, *shape):
        out = np.empty(shape, np.float32)
        LIBRARY.dit_rng_normal(self.rng, ctypes.c_int64(out.size), pointer(out))
        return out

    def close(self):
        LIBRARY.dit_rng_close(self.rng)


def check_random():
    for seed, counts in ((2022, list(range(1, 400))), (2**40 + 77, [3, 16, 5, 8192, 1, 24, 15, 17]), (0, [16384])):

        def torch_numbers():
            torch.manual_seed(seed % 2**32)
            return [np.concatenate([torch.randn(count).numpy() for count in counts])]

        stream = Stream(seed)
        ours = np.concatenate([stream.normal(count) for count in counts])
        stream.close()
        compare(["normal numbers of seed %d, %d calls" % (seed, len(counts))], [ours], torch_numbers, 2e-6, largest)


# ---- The network in PyTorch ----


class Network:

    def __init__(self, file, dtype):
        keys = file.keys
        channels = keys["dit.in_channels"]
        self.config = dit.DiTConfig(keys["dit.hidden_size"], keys["dit.depth"], keys["dit.heads"], keys["dit.patch"],
                                    keys["dit.latent_size"], channels * (1 + keys["dit.learned_sigma"]), keys["dit.null_class"])
        self.weights, self.dtype, self.channels = file, dtype, channels
        self.flavour = keys.get("dit.forward", "official")

    def __call__(self, x, t, y):
        return dit.forward(self.config, self.weights, x, np.full(len(x), t), y, self.dtype, self.flavour, torch.float64).numpy()

    def guided(self, labels, scale, channels):
        """The model of a sampler: x of the conditional half -> its output, guided."""
        labels = np.array(list(labels) + [self.config.classes] * len(labels))

        def model(x, t):
            out = self(np.concatenate([x, x]), t, labels)
            return diffusion.guide(out, scale, channels)[:len(x)].astype(np.float64)

        return model


# ---- Runs ----


class Run:

    def __init__(self, name, options, seed, labels, program, sampler, spacing, steps=50, guidance=4.0, eta=0.0, variance=1):
        self.__dict__.update(locals())

    def torch_states(self, network):
        """What the program makes, with PyTorch's own numbers."""
        size, n = network.config.latent, len(self.labels)
        shape = (network.channels, size, size)
        official = self.program == "official"
        torch.manual_seed(self.seed)
        x = torch.randn(n, *shape).numpy().astype(np.float64)
        model = network.guided(self.labels, self.guidance, 3 if official else network.channels)
        draw = lambda: torch.randn(2 * n, *shape).numpy()[:n].astype(np.float64)
        if official:
            schedule = diffusion.Schedule(("ddim%d" if self.spacing == 2 else "%d") % self.steps)
            noises = [draw() for _ in range(schedule.steps)]
            return diffusion.sample(schedule, model, x, noises, "ddpm" if self.sampler == 1 else "ddim", self.eta)
        eps = lambda x, t: model(x, t)[:, :network.channels]
        spacing = {3: "leading", 4: "trailing", 5: "linspace"}[self.spacing]
        if self.sampler == 3:
            return diffusion.DPMSolverPP(self.steps, spacing).run(eps, x)
        kind = diffusion.DiffusersDDIM if self.sampler == 2 else diffusion.DiffusersDDPM
        scheduler, states = kind(self.steps, spacing, clip=False), [x]
        for t in scheduler.timesteps:
            noise = draw() if self.sampler == 1 and t > 0 else None
            states.append(scheduler.step(eps(states[-1], int(t)), int(t), states[-1], noise))
        return states

    def library_states(self, model, network):
        """The same with the library's generator: the latents after some steps."""
        n, size, channels = len(self.labels), network.config.latent, network.channels
        stream = Stream(self.seed)
        noise = stream.normal(n, channels, size, size)
        steps = np.stack([stream.normal(2 * n, channels, size, size)[:n] for _ in range(self.steps)])
        stream.close()
        labels = np.array(self.labels, np.int32)
        given = Params(struct_size=ctypes.sizeof(Params), count=n, classes=labels.ctypes.data, noise=noise.ctypes.data,
                       step_noise=steps.ctypes.data, steps=self.steps, sampler=self.sampler,
                       timestep_spacing=self.spacing, variance_type=self.variance, guidance_scale=self.guidance, eta=self.eta,
                       guidance_channels=3 if self.program == "official" else -1)
        job, states, progress = PTR(), {0: noise}, numerics_progress()
        call("dit_job_start", model, ctypes.byref(given), ctypes.byref(job))
        while call("dit_job_advance", job, ctypes.c_int64(0)) or progress.step < self.steps:
            LIBRARY.dit_job_progress(job, ctypes.byref(progress))
            if progress.step in states or progress.step not in (1, self.steps // 2, self.steps):
                continue
            out = np.empty_like(noise)
            for i in range(n):
                call("dit_job_latent", job, i, ctypes.c_void_p(out.ctypes.data + i * out[0].nbytes))
            states[progress.step] = out
        LIBRARY.dit_job_end(job)
        return states

    def check(self, path, model, network, file):
        after, ours = (0, 1, self.steps // 2, self.steps), self.library_states(model, network)

        def torch_latents():
            states = self.torch_states(network)
            return [states[k] for k in after]

        names = ["%s: latents after %d steps" % (self.name, k) for k in after]
        truth = compare(names, [ours[k] for k in after], torch_latents, 1e-4)
        if "vae.groups" not in file.keys:
            return
        if truth is None:
            skip("%s: the picture of dit" % self.name, "PyTorch has no latent for it")
            return
        png = path + ".png"
        command = [os.path.join(BUILD, "dit"), "-q", "-m", path, "-o", png, "-S", str(self.seed), "-s", str(self.steps), "-c",
                   ",".join(str(c) for c in self.labels)] + self.options.split()
        subprocess.run(command, check=True)
        pictures = []
        for z in truth[-1]:
            latent = np.ascontiguousarray((z / file.keys["vae.scaling_factor"])).astype(np.float32)
            out = np.empty((3, 2 * latent.shape[1], 2 * latent.shape[2]), np.float32)
            call("dit_vae_decode", model, 1, latent.shape[1], latent.shape[2], pointer(latent), pointer(out))
            pictures.append(image.save_image_bytes(out) if self.program == "official" else image.diffusers_bytes(out))
        wanted = image.make_grid(np.stack(pictures), 4).transpose(1, 2, 0).astype(int)
        away = np.abs(np.asarray(Image.open(png)).astype(int) - wanted)
        check("%s: bytes of dit that differ by more than 1" % self.name, int((away > 1).sum()), 0)
        check("%s: share of bytes of dit that differ" % self.name, float((away > 0).mean()), 0.02)


def numerics_progress():
    class Progress(ctypes.Structure):
        _fields_ = [("struct_size", ctypes.c_uint32)] + [(n, I32) for n in ("status", "step", "steps")] + [
            (n, ctypes.c_int64) for n in ("units", "units_total", "microseconds_left")] + [("fraction", F32), ("ready", I32)]

    return Progress(struct_size=ctypes.sizeof(Progress))


OFFICIAL = [
    Run("official DDPM", "--reference", 7, [7, 3, 19], "official", 1, 1),
    Run("official DDIM with noise", "--reference --sampler ddim --timestep-spacing ddim --eta 0.5", 8, [1, 0], "official", 2, 2, eta=0.5),
]
PIPELINE = [
    Run("diffusers DDIM", "--diffusers", 33, [5, 12], "diffusers", 2, 3),
    Run("diffusers DDPM", "--diffusers --sampler ddpm", 34, [5, 12, 12, 4, 2], "diffusers", 1, 3, variance=3),
    Run("diffusers DDPM, trailing", "--diffusers --sampler ddpm --timestep-spacing trailing", 35, [6], "diffusers", 1, 4, variance=3),
    Run("DPM-Solver++, 20 steps", "--diffusers --sampler dpm++", 36, [5, 12], "diffusers", 3, 5, steps=20),
]
LARGE_OFFICIAL = [Run("S/2, official DDPM", "--reference", 9, [207], "official", 1, 1)]
LARGE_PIPELINE = [Run("S/2, diffusers DDIM", "--diffusers", 10, [360], "diffusers", 2, 3)]


def with_model(specs, forward, dtype, action):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.gguf")
        command = [os.path.join(BUILD, "dit-convert"), "-o", path, "--type", "f32", "--quiet"] + forward
        subprocess.run(command + [word for s in specs for word in ("--synthetic", s)], check=True)
        model, file = PTR(), Gguf(path)
        call("dit_model_open", path.encode(), None, ctypes.byref(model))
        action(path, model, Network(file, dtype), file)
        LIBRARY.dit_model_close(model)


def check_sizes(path, model, network, file):
    """A pass over latents of every shape, and batches of 1 to 64."""
    for count, height, width in ((1, 8, 8), (2, 2, 2), (3, 4, 22), (2, 34, 6), (64, 2, 10), (1, 48, 40), (33, 6, 6)):
        torch.manual_seed(height)
        x = torch.randn(count, network.channels, height, width).numpy()
        times = np.linspace(0, 999, count).astype(np.float32)
        labels = np.arange(count, dtype=np.int32) % (network.config.classes + 1)
        out = np.empty((count, network.config.out_channels, height, width), np.float32)
        call("dit_forward", model, ctypes.byref(ForwardParams.of(x, times, labels)), pointer(out))
        ask = lambda: [dit.forward(network.config, network.weights, x, times, labels, torch.float64, network.flavour).numpy()]
        compare(["%d latents of %d x %d" % (count, height, width)], [out], ask, 1e-5)


def check_pictures(path, model, network, file):
    """The autoencoder, both ways."""
    keys = file.keys
    net = vae.Autoencoder(tuple(keys["vae.block_channels"]), keys["vae.layers"], keys["vae.groups"],
                          lambda name: file("vae." + name))
    channels = keys["vae.latent_channels"]
    for count, height, width in ((1, 2, 2), (2, 4, 26), (1, 18, 6), (1, 50, 34), (3, 2, 128)):
        torch.manual_seed(width)
        picture, latent = (torch.randn(count, c, height, width).numpy() for c in (3, channels))
        mean = np.empty((count, channels, height // 2, width // 2), np.float32)
        logvar, out = np.empty_like(mean), np.empty((count, 3, 2 * height, 2 * width), np.float32)
        call("dit_vae_encode", model, count, height, width, pointer(picture), pointer(mean), pointer(logvar))
        call("dit_vae_decode", model, count, height, width, pointer(latent), pointer(out))
        what = "%d pictures of %d x %d, encoded, " % (count, height, width)

        def moments():
            mean, logvar = np.split(net.encode(picture), 2, 1)
            return [mean, np.clip(logvar, -30, 20)]

        truth = settle([mean, logvar], moments, 1e-5)
        if truth is None:
            skip(what + "mean and log-variance", UNSETTLED)
        else:
            check(what + "mean", relative(mean, truth[0]), 1e-5)
            check(what + "log-variance", largest(logvar, truth[1]), 1e-4)
        compare(["%d latents of %d x %d, decoded" % (count, height, width)], [out], lambda: [net.decode(latent)], 1e-5)


# ---- Parts, side by side ----


def runs(all_runs):
    return lambda *known: [run.check(*known) for run in all_runs]


DIFFUSERS = ["--forward", "diffusers"]
PARTS = {  # those that take long come first
    "large-official": lambda: with_model([SMALL], [], torch.float32, runs(LARGE_OFFICIAL)),
    "large-pipeline": lambda: with_model([SMALL], DIFFUSERS, torch.float32, runs(LARGE_PIPELINE)),
    "pictures": lambda: with_model([TINY, VAE], [], torch.float64, check_pictures),
    "pipeline": lambda: with_model([TINY, VAE], DIFFUSERS, torch.float64, runs(PIPELINE)),
    "official": lambda: with_model([TINY, VAE], [], torch.float64, runs(OFFICIAL)),
    "sizes": lambda: with_model([TINY, VAE], [], torch.float64, check_sizes),
    "random": check_random,
}


def alone(part):
    """A part in a process of its own; returns its three counts. Prints all but its closing line."""
    done = subprocess.run([sys.executable, __file__, part], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})  # a thread for each part
    *lines, last = done.stdout.splitlines() or [""]
    counts = re.fullmatch(r"trajectories: (\d+) passed, (\d+) failed(?:, (\d+) skipped)?", last)
    print("\n".join([part] + lines + ([] if counts else [last, "  FAILED   %s: exit status %d" % (part, done.returncode)])), flush=True)
    return [int(n or 0) for n in counts.groups()] if counts else [0, 1, 0]


def main():
    global passed, failed, skipped
    chosen = sys.argv[1:] or list(PARTS)
    if len(chosen) == 1:
        PARTS[chosen[0]]()
    else:
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            passed, failed, skipped = (sum(n) for n in zip(*pool.map(alone, chosen)))
    print("trajectories: %d passed, %d failed%s" % (passed, failed, ", %d skipped" % skipped if skipped else ""))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
