#!/usr/bin/env python3
"""Does a GPU learn what the processor learns? Needs tickdeck-train-cuda (docs/models.md), an NVIDIA GPU and recordings.

Usage: gpu_parity.py WORKER EPOCHS FILE... Trains every architecture twice with the same options, compares the weights
and the forecasts of the built-in probes, prints the times; exit code 1 beyond the tolerance. Without a GPU it says so and
passes.
"""

import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import tomllib

# Of the largest weight of its tensor; of a probability or a basis point.
WEIGHTS, FORECASTS = 1e-3, 1e-4


def tensors(path):
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    head, body = json.loads(raw[8 : 8 + size]), raw[8 + size :]
    for name, tensor in sorted(head.items()):
        if name != "__metadata__":
            begin, end = tensor["data_offsets"]
            yield name, struct.unpack(f"<{(end - begin) // 4}f", body[begin:end])


def trained(worker, out, arch, device, epochs, files):
    command = [worker, "--out", out, "--name", device, "--arch", arch, "--epochs", epochs, "--device", device, *files]
    since = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{arch} on {device}: {done.stderr[-600:]}")
    return time.monotonic() - since


def main():
    if shutil.which("nvidia-smi") is None or subprocess.run(["nvidia-smi"], capture_output=True).returncode != 0:
        print("no NVIDIA GPU here: nothing was compared")
        return 0
    worker, epochs, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    worst = 0
    for arch in ("logistic", "mlp", "tcn", "gru"):
        with tempfile.TemporaryDirectory() as out:
            times = {device: trained(worker, out, arch, device, epochs, files) for device in ("cpu", "cuda")}
            here = pathlib.Path(out)
            apart = 0.0
            for (name, a), (_, b) in zip(tensors(here / "cpu.safetensors"), tensors(here / "cuda.safetensors"), strict=True):
                scale = max(map(abs, a)) or 1.0
                apart = max(apart, max(abs(x - y) for x, y in zip(a, b, strict=True)) / scale)
            cards = [tomllib.loads((here / f"{device}.toml").read_text()) for device in ("cpu", "cuda")]
            flat = [[x for probe in card["golden"] for row in probe for x in row] for card in cards]
            said = max(abs(x - y) for x, y in zip(*flat, strict=True))
            epochs_used = [card["about"].rsplit("; ", 1)[-1] for card in cards]
            auc = [sum(s["auc"] for s in card["out_of_sample"]) / len(card["out_of_sample"]) for card in cards]
            print(
                f"{arch:9} cpu {times['cpu']:6.1f} s, cuda {times['cuda']:6.1f} s; {' and '.join(epochs_used)}; weights apart by"
                f" {apart:.1e} of the largest, forecasts by {said:.1e}; mean AUC {auc[0]:.5f} and {auc[1]:.5f}",
                flush=True,
            )
            worst |= apart > WEIGHTS or said > FORECASTS
    return int(worst)


sys.exit(main())
