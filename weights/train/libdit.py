# libdit.py - the library through ctypes, as far as evaluate.py and tests/quality/ need it.
# SPDX-License-Identifier: CC0-1.0

import ctypes
import os

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LIBRARY = os.path.join(ROOT, "build", "libdit.so")
COMPUTE = {"f32": 1, "int8": 2}
SAMPLERS = {"ddpm": 1, "ddim": 2, "dpm++": 3}


class Params(ctypes.Structure):
    """struct dit_params of dit.h."""
    _fields_ = ([("struct_size", ctypes.c_uint32), ("count", ctypes.c_int32)] +
                [(n, ctypes.c_void_p) for n in ("classes", "classes_b", "seeds", "noise", "step_noise", "init_image", "mask")] +
                [("seed", ctypes.c_uint64)] +
                [(n, ctypes.c_int32) for n in ("width", "height", "steps", "sampler", "timestep_spacing", "generator", "variance_type",
                                               "clip_sample", "guidance_channels", "threads")] +
                [(n, ctypes.c_float) for n in ("guidance_scale", "guidance_start", "guidance_end", "eta", "class_mix", "strength",
                                               "timestep_shift", "reserved")] +
                [("cache_interval", ctypes.c_int32), ("reserved3", ctypes.c_int32)])


class ForwardParams(ctypes.Structure):
    """struct dit_forward_params of dit.h."""
    _fields_ = ([("struct_size", ctypes.c_uint32)] + [(n, ctypes.c_int32) for n in ("count", "height", "width")] +
                [(n, ctypes.c_void_p) for n in ("latent", "timesteps", "second_timesteps", "classes")])

    @classmethod
    def of(cls, latent, timesteps, classes):
        """Of arrays, which must outlive it: float32 [n][channels][height][width], float32 [n], int32 [n]."""
        count, _, height, width = latent.shape
        return cls(ctypes.sizeof(cls), count, height, width, latent.ctypes.data, timesteps.ctypes.data, None, classes.ctypes.data)


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int32), ("message", ctypes.c_char * 508)]


def pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


class Model:
    """A model file, opened by libdit. Without `compute`, int8 for q8 and q4 weights, else f32."""

    def __init__(self, path, compute=None, threads=0, library=LIBRARY):
        options = (ctypes.c_int32 * 16)(64, threads, 0, COMPUTE.get(compute, 0))  # struct dit_options
        self.lib, self.error, self.handle = ctypes.CDLL(os.path.abspath(library)), Error(), ctypes.c_void_p()
        self.call("dit_model_open", os.fsencode(path), options, ctypes.byref(self.handle))
        info = (ctypes.c_int32 * 18)(72)  # struct dit_info, up to the factor
        if self.lib.dit_model_info(self.handle, info):
            raise SystemExit("dit_model_info failed")
        self.latent_channels, self.out_channels = info[10], info[11]
        self.classes, self.channels, self.factor = info[13], info[16], info[17]

    def call(self, name, *arguments):
        if getattr(self.lib, name)(*arguments, ctypes.byref(self.error)):
            raise SystemExit(self.error.message.decode())

    def resolved(self, **wishes):
        """What is made if only this is wished for."""
        p = Params(struct_size=ctypes.sizeof(Params), **wishes)
        self.call("dit_params_resolve", self.handle, ctypes.byref(p), ctypes.byref(p))
        return p

    def generate(self, classes, seed, **wishes):
        """uint8 [len(classes)][height][width][channels], alpha straight: picture i is of classes[i] and of seed + i."""
        p = self.resolved(**wishes)
        out = np.empty((len(classes), p.height, p.width, self.channels), np.uint8)
        for i in range(0, len(classes), 32):
            part, y = out[i:i + 32], np.ascontiguousarray(classes[i:i + 32], np.int32)
            p = Params(struct_size=ctypes.sizeof(Params), count=len(y), classes=y.ctypes.data, seed=seed + i, **wishes)
            self.call("dit_generate", self.handle, ctypes.byref(p), 0, pointer(part), ctypes.c_size_t(part.nbytes))
        return out

    def forward(self, x, t, y):
        """Latents float32 [n][channels][height][width] at timesteps t, with classes y (-1: without), through the transformer."""
        x, t, y = (np.ascontiguousarray(v, k) for v, k in ((x, np.float32), (t, np.float32), (y, np.int32)))
        out = np.empty((len(x), self.out_channels, *x.shape[2:]), np.float32)
        self.call("dit_forward", self.handle, ctypes.byref(ForwardParams.of(x, t, y)), pointer(out))
        return out

    def reconstruct(self, x):
        """Pictures float32 [n][channels][height][width] in [-1, 1] through encoder and decoder."""
        x = np.ascontiguousarray(x)
        out, (height, width) = np.empty_like(x), x.shape[2:]
        h, w = height // self.factor, width // self.factor
        for i in range(0, len(x), 32):
            part, n = x[i:i + 32], len(x[i:i + 32])
            mean = np.empty((n, self.latent_channels, h, w), np.float32)
            self.call("dit_vae_encode", self.handle, n, height, width, pointer(part), pointer(mean), None)
            self.call("dit_vae_decode", self.handle, n, h, w, pointer(mean), pointer(out[i:i + 32]))
        return out
