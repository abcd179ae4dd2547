# progress.py - what both trainings share: checkpoints that survive being cut off, time left, learning rate, plot.
# SPDX-License-Identifier: CC0-1.0

import os
import time

import numpy as np
import torch


def save(path, what):
    """Never leaves half a file."""
    torch.save(what, path + ".part")
    os.replace(path + ".part", path)


class Run:
    """The state of a training beside the network: optimizer, moving average of the weights, losses, time."""

    def __init__(self, a, name, net, optimizer, average, **extra):
        self.a, self.name, self.net, self.optimizer, self.average, self.extra = a, name, net, optimizer, average, extra
        self.path = os.path.join(a.work, name + ".pt")
        self.step, self.seconds, self.history, self.held_out, self.recent = 0, 0.0, [], [], []
        self.ema = {k: v.detach().clone() for k, v in net.state_dict().items()}
        if a.resume and os.path.exists(self.path):
            c = torch.load(self.path, map_location=a.device)
            net.load_state_dict(c["model"])
            optimizer.load_state_dict(c["optimizer"])
            self.ema, self.step, self.seconds, self.history = c["ema"], c["step"], c["seconds"], c["history"]
            self.held_out = c.get("held_out", [])
        self.last, self.typical = time.perf_counter(), None

    def rate(self):
        """The part of the peak learning rate of this step: warm-up, flat, and a straight line to zero over the last third."""
        left = (self.a.steps - self.step) / self.a.steps
        return min(1.0, (self.step + 1) / self.a.warm_up, 3 * left)

    def descend(self, loss):
        """One step of the optimizer."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        for g in self.optimizer.param_groups:
            g["lr"] = self.rate() * g["peak"]
        self.optimizer.step()

    def advance(self, losses):
        """After an optimizer step. Losses: a dict of numbers. Returns whether it is time to look."""
        # Early on the average forgets faster, or it would keep the initial weights for long.
        beta = min(self.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for k, v in self.net.state_dict().items():
                self.ema[k].lerp_(v, 1 - beta)
        now = time.perf_counter()
        took, self.last = now - self.last, now
        self.typical = took if self.typical is None else 0.98 * self.typical + 0.02 * min(took, 5 * self.typical)
        self.seconds += min(took, 5 * self.typical)  # a process that was paused has not trained
        self.step += 1
        self.recent.append(list(losses.values()))
        if self.step % 100 == 0:
            mean = np.mean(self.recent, 0)
            self.recent = []
            self.history.append([self.step, *mean])
            left = (self.a.steps - self.step) * self.typical / 60
            print("%s %d/%d  %s  %.0f min, %.0f left" % (self.name, self.step, self.a.steps, "  ".join(
                "%s %.4f" % p for p in zip(losses, mean)), self.seconds / 60, left), flush=True)
            self.plot(list(losses))
        return self.step % self.a.every == 0 or self.step == self.a.steps

    def record(self, loss):
        """Keeps a loss on held-out pictures."""
        self.held_out.append([self.step, loss])
        print("  held out: %.4f" % loss, flush=True)
        self.last = time.perf_counter()

    def checkpoint(self):
        save(self.path, dict(model=self.net.state_dict(), ema=self.ema, optimizer=self.optimizer.state_dict(),
                             config=self.net.config, step=self.step, seconds=self.seconds, history=self.history,
                             held_out=self.held_out, **self.extra))
        self.last = time.perf_counter()  # looking and saving is not training

    def plot(self, names):
        """work/NAME_loss.png: the losses over the steps, without a plotting library. Logarithmic, but for a loss that
        has been negative."""
        from PIL import Image, ImageDraw
        h = np.array(self.history)
        width, height, left, colours = 640, 360, 60, ["#1f5fa8", "#c0392b"]
        x = np.log(h[:, 0])
        picture = Image.new("RGB", (width, height), "white")
        draw = ImageDraw.Draw(picture)
        x = left + (x - x[0]) / max(x[-1] - x[0], 1e-9) * (width - left - 10)
        band = (height - 30) / len(names)
        for i, name in enumerate(names):
            y = h[:, i + 1]
            written = "%.3g" % y.min(), "%.3g" % y.max()
            y = np.log(y) if y.min() > 0 else y
            low, high = y.min(), max(y.max(), y.min() + 1e-3)
            top = 10 + i * band
            py = top + (high - y) / (high - low) * (band - 20)
            draw.line(list(zip(x, py)), fill=colours[i], width=2)
            draw.text((4, top - 4), written[1], fill="black")
            draw.text((4, top + band - 28), written[0], fill="black")
            draw.text((width - 100, top), name, fill=colours[i])
        draw.text((left, height - 14), "steps %d .. %d, %.0f minutes" % (h[0, 0], h[-1, 0], self.seconds / 60), fill="black")
        picture.save(os.path.join(self.a.work, self.name + "_loss.png"))
