#!/usr/bin/python3
"""A guidance step of DiT-XL/2 at 256 px: libdit, PyTorch and ONNX Runtime on the same processor in one run.

    apt-get install python3-torch nodejs npm
    npm install --prefix DIR --ignore-scripts onnxruntime-node    # for ONNX Runtime, without its GPU part; DIR: your own
    make && tests/bench/peers/compare.py [--threads N] [--node DIR]

PyTorch runs all 28 blocks in f32 with whichever of its two ways of using threads is faster; ONNX Runtime runs 7 of them
(a file of 28 is above the 2 GB that its format holds), times four. Rounds alternate, so that what else the machine does
falls on all; medians are printed, and their ratio to libdit's. Only times are compared: what PyTorch computes is not looked
at here (tests/trajectories.py does, and asks twice)."""
import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import torch

ROOT = os.path.dirname(os.path.abspath(__file__)) + "/../../.."
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dit_torch import Blocks  # noqa: E402

NODE = """
const ort = require('onnxruntime-node'), fs = require('fs');
(async () => {
  const [file, threads, rounds] = process.argv.slice(1);
  const session = await ort.InferenceSession.create(file, {intraOpNumThreads: +threads, executionMode: 'sequential'});
  const feeds = {x: new ort.Tensor('float32', new Float32Array(2 * 256 * 1152).map(Math.random), [2, 256, 1152]),
                 c: new ort.Tensor('float32', new Float32Array(2 * 1152).map(Math.random), [2, 1152])};
  await session.run(feeds);
  const times = [];
  for (let i = 0; i < +rounds; i++) {
    const start = process.hrtime.bigint();
    await session.run(feeds);
    times.push(Number(process.hrtime.bigint() - start) / 1e9);
  }
  console.log(JSON.stringify(times));
})();
"""


def ours(kind, threads):
    """Seconds of a step, from build/bench."""
    output = subprocess.run([ROOT + "/build/bench", "--json", "--threads", str(threads), "--repeats", "1", "--only", kind],
                            capture_output=True, text=True, check=True).stdout
    rows = {row["name"]: row for row in json.loads(output)["rows"]}
    return {name: row["seconds"] for name, row in rows.items() if "seconds" in row}


def torch_step(model, inputs):
    with torch.inference_mode():
        start = time.perf_counter()
        model(*inputs)
        return time.perf_counter() - start


def blas_threads(threads):
    """OpenBLAS has a pool of its own beside PyTorch's."""
    for name in ("libopenblas.so.0", "libblas.so.3"):
        try:
            ctypes.CDLL(name).openblas_set_num_threads(threads)
            return
        except (OSError, AttributeError):
            continue


def onnx_times(folder, threads, rounds):
    with tempfile.TemporaryDirectory() as work:
        path = work + "/blocks.onnx"
        torch.onnx.export(Blocks(depth=7).eval(), (torch.randn(2, 256, 1152), torch.randn(2, 1152)), path,
                          input_names=["x", "c"], output_names=["y"], opset_version=14)
        run = subprocess.run(["node", "-e", NODE, path, str(threads), str(rounds)], capture_output=True, text=True,
                             env={**os.environ, "NODE_PATH": folder + "/node_modules"}, check=True)
    return [4 * t for t in json.loads(run.stdout)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--node", help="folder with node_modules/onnxruntime-node")
    arguments = parser.parse_args()
    times = {}
    torch.manual_seed(0)
    model, inputs = Blocks().eval(), (torch.randn(2, 256, 1152), torch.randn(2, 1152))
    for _ in range(arguments.rounds):
        for name, seconds in ours("DiT-XL/2 step", arguments.threads).items():
            times.setdefault("libdit: " + name, []).append(seconds)
        for pools in ((arguments.threads, arguments.threads), (1, arguments.threads)):
            torch.set_num_threads(pools[0])
            blas_threads(pools[1])
            torch_step(model, inputs)
            times.setdefault("PyTorch %s f32, %d + %d threads" % ((torch.__version__,) + pools), []).append(
                torch_step(model, inputs))
    if arguments.node:
        times["ONNX Runtime f32, 7 of 28 blocks times 4"] = onnx_times(arguments.node, arguments.threads, arguments.rounds)
    base = statistics.median(times["libdit: DiT-XL/2 256 px step, f32, avx2"])
    print("a guidance step of DiT-XL/2 at 256 px, %d threads" % arguments.threads)
    for name, values in times.items():
        seconds = statistics.median(values)
        print("  %-62s %7.3f s  %5.2f times libdit's f32 on AVX2" % (name, seconds, seconds / base))


if __name__ == "__main__":
    main()
