#!/usr/bin/env python3
"""Writes the trajectories of tests/golden/sampler that are not of the first set: DPM-Solver++ and scaled linear betas.

    /usr/bin/python3 tests/reference/golden_sampler.py

float64, with the closed-form model of diffusion.py, from the same start and noise as the others (shared__*.npy).
states[m] is the state after the m-th number of AFTER steps."""
import os

import numpy as np

import diffusion

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "sampler")
LABELS = [3, 8]
AFTER = {6: [0, 1, 2, 3, 4, 5, 6], 20: [0, 1, 2, 5, 10, 18, 19, 20], 50: [0, 1, 2, 12, 25, 48, 49, 50]}
SCALED = diffusion.scaled_linear_betas(0.00085, 0.012)
DPMPP = [("linspace", 20, 0, None), ("leading", 20, 1, None), ("trailing", 20, 0, None), ("linspace", 6, 0, None),
         ("linspace", 50, 0, SCALED)]


def write(name, states, steps):
    np.save(os.path.join(FOLDER, name + "__states.npy"), np.stack([states[k] for k in AFTER[steps]]))


def main():
    start = np.load(os.path.join(FOLDER, "shared__x_start.npy")).astype(np.float64)
    noise = np.load(os.path.join(FOLDER, "shared__noise.npy")).astype(np.float64)
    model = diffusion.mock_model(LABELS, False)
    for spacing, steps, offset, betas in DPMPP:
        name = "dpmpp_%d_%s%s%s" % (steps, spacing, "_offset%d" % offset if offset else "", "_scaled" if betas is not None else "")
        write(name, diffusion.DPMSolverPP(steps, spacing, offset, betas=betas).run(model, start), steps)
    ddim = diffusion.DiffusersDDIM(50, "leading", 1, set_alpha_to_one=False, betas=SCALED)
    ddpm = diffusion.DiffusersDDPM(50, "leading", 1, "fixed_large", clip=False, betas=SCALED)
    for name, scheduler in (("ddim", ddim), ("ddpm", ddpm)):
        states = [start]
        for k, t in enumerate(scheduler.timesteps):
            states.append(scheduler.step(model(states[-1], int(t)), int(t), states[-1], noise[k]))
        write("diffusers_%s_50_leading_offset1_scaled" % name, states, 50)


if __name__ == "__main__":
    main()
