"""libdit.so through ctypes, as far as the scripts beside this file need it."""
import ctypes
import os

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
COMPUTE = {"f32": 1, "int8": 2}
SAMPLERS = {"ddpm": 1, "ddim": 2, "dpm++": 3}


class Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int32), ("message", ctypes.c_char * 508)]


class Options(ctypes.Structure):
    _fields_ = ([("struct_size", ctypes.c_uint32)] +
                [(n, ctypes.c_int32) for n in ("threads", "isa", "compute", "load", "reserved")] +
                [("memory_limit", ctypes.c_uint64)] +
                [(n, ctypes.c_void_p) for n in ("user", "allocate", "release", "parallel_for")])


class Params(ctypes.Structure):
    _fields_ = ([("struct_size", ctypes.c_uint32), ("count", ctypes.c_int32)] +
                [(n, ctypes.c_void_p) for n in ("classes", "classes_b", "seeds", "noise", "step_noise", "init_image", "mask")] +
                [("seed", ctypes.c_uint64)] +
                [(n, ctypes.c_int32) for n in ("width", "height", "steps", "sampler", "spacing", "generator", "variance",
                                               "clip", "guidance_channels", "threads")] +
                [(n, ctypes.c_float) for n in ("guidance", "guidance_from", "guidance_to", "eta", "mix", "strength",
                                               "reserved", "reserved2")] +
                [("reuse", ctypes.c_int32), ("reserved3", ctypes.c_int32)])


class Model:
    """A model file, opened by libdit."""

    def __init__(self, path, compute="f32", threads=0, library=os.path.join(ROOT, "build", "libdit.so")):
        self.lib, self.error, self.handle = ctypes.CDLL(library), Error(), ctypes.c_void_p()
        self.lib.dit_model_label.restype = ctypes.c_char_p
        options = Options(struct_size=ctypes.sizeof(Options), compute=COMPUTE[compute], threads=threads)
        self.call("dit_model_open", os.fsencode(path), ctypes.byref(options), ctypes.byref(self.handle))

    def call(self, name, *arguments):
        if getattr(self.lib, name)(*arguments, ctypes.byref(self.error)):
            raise SystemExit(self.error.message.decode())

    def resolved(self, **wishes):
        p = Params(struct_size=ctypes.sizeof(Params), **wishes)
        self.call("dit_params_resolve", self.handle, ctypes.byref(p), ctypes.byref(p))
        return p

    def labels(self):
        names = []
        while (name := self.lib.dit_model_label(self.handle, len(names))) is not None:
            names.append(name.decode())
        return names

    def generate(self, count, seed=0, batch=32, **wishes):
        """uint8 [count][side][side][4] with straight alpha: picture i is of class i mod classes, and of seed + i."""
        p, classes = self.resolved(**wishes), len(self.labels())
        out = np.empty((count, p.height, p.width, 4), np.uint8)
        for i in range(0, count, batch):
            part = out[i:i + batch]
            chosen = np.arange(i, i + len(part), dtype=np.int32) % classes
            p = Params(struct_size=ctypes.sizeof(Params), count=len(part), classes=chosen.ctypes.data, seed=seed + i, **wishes)
            self.call("dit_generate", self.handle, ctypes.byref(p), 2, ctypes.c_void_p(part.ctypes.data),
                      ctypes.c_size_t(part.nbytes))
        return out
