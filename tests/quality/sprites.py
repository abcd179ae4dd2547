"""Real sprites, drawn by the generator of the sprite model's training data with a seed that was not trained on."""
import os
import sys

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "weights", "train"))  # also for those that import libdit after this

HELD_OUT = 2 # the model was trained on seed 1


def model():
    return os.path.join(ROOT, "weights", "sprites", "sprites.gguf")


def real(count):
    """uint8 [count][32][32][4], the classes in turn; kept in build/, for drawing takes a while."""
    path = os.path.join(ROOT, "build", "quality-real-%d.npy" % count)
    if not os.path.exists(path):
        import make_sprites
        pictures, _ = make_sprites.dataset(count, HELD_OUT)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        np.save(path + ".part.npy", pictures)
        os.replace(path + ".part.npy", path)
    return np.load(path)
