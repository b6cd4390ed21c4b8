"""Train tickdeck's small network (`mlp`) in PyTorch and export it: two files that tickdeck loads as they are.

    pip install torch numpy safetensors
    tickdeck train --rows rows.safetensors ~/tapes/            # the very features and moves that tickdeck learns from
    python train_torch.py rows.safetensors models/mine         # writes models/mine.safetensors and models/mine.toml
    tickdeck model check                                       # tickdeck computes what PyTorch computed, within 1e-6

The last fifth of the time is held out: it gives the classes' moves and how far the expected move may be believed.
"""

import hashlib
import json
import pathlib
import sys

import numpy
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file

DEAD_ZONE, CLIP, PROBES, GAP_MS = 0.2, 5.0, 4, 136_000


class Mlp(torch.nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.hidden, self.out = torch.nn.Linear(inputs, 32), torch.nn.Linear(32, outputs)

    def forward(self, rows):
        return self.out(torch.tanh(self.hidden(rows)))


def usual_move(rows, names, horizons):
    """The usual move over each horizon in basis points, as a row's own volatility says it."""
    return numpy.exp(rows[:, names.index("vol_64s")].astype(float) * 4)[:, None] * numpy.sqrt(horizons)


def probabilities(logits, horizons):
    logits = logits.reshape(-1, len(horizons), 3).astype(float)
    weights = numpy.exp(logits - logits.max(axis=2, keepdims=True))
    return weights / weights.sum(axis=2, keepdims=True)


def trained(rows, labels, known, epochs=30):
    torch.manual_seed(7)
    net = Mlp(rows.shape[1], 3 * labels.shape[1])
    adam = torch.optim.Adam(net.parameters(), lr=3e-3, weight_decay=1e-3)
    rows, labels, known = torch.from_numpy(rows), torch.from_numpy(labels), torch.from_numpy(known)
    for _ in range(epochs):
        for batch in torch.randperm(len(rows)).split(256):
            loss = torch.nn.functional.cross_entropy(net(rows[batch]).reshape(-1, 3), labels[batch].reshape(-1), reduction="none")
            loss = (loss * known[batch].reshape(-1)).mean()
            adam.zero_grad(), loss.backward(), adam.step()
    return net.eval()


def toml(card):
    """TOML writes numbers, texts and lists of them as JSON does; `horizon` is a list of tables."""
    plain = [f"{key} = {json.dumps(value)}" for key, value in card.items() if key != "horizon"]
    tables = ["[[horizon]]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in one.items()) for one in card["horizon"]]
    return "\n".join(plain + tables) + "\n"


data, out = load_file(sys.argv[1]), pathlib.Path(sys.argv[2])
names, hash_of_features = bytes(data["feature_names"]).decode().split("\n"), bytes(data["features_hash"]).decode()
horizons = data["horizons_s"]
rows = data["frames"][data["windows"][:, -1]]
scaled = data["moves_bps"] / usual_move(rows, names, horizons)
known = numpy.isfinite(scaled)
labels = numpy.where(scaled > DEAD_ZONE, 0, numpy.where(scaled < -DEAD_ZONE, 2, 1))
at = data["at_ms"]
cut = numpy.quantile(at, 0.8)
learn, held = at < cut - GAP_MS, at >= cut
mean, std = rows[learn].mean(axis=0), numpy.maximum(rows[learn].std(axis=0), 1e-3)
normal = lambda rows: numpy.clip((rows - mean) / std, -CLIP, CLIP).astype(numpy.float32)
net = trained(normal(rows[learn]), labels[learn], known[learn].astype(numpy.float32))
logits = lambda rows: net(torch.from_numpy(normal(rows))).detach().numpy()

said, cards = probabilities(logits(rows[held]), horizons), []
for place, seconds in enumerate(horizons):
    there = known[held][:, place]
    moves, classes = scaled[held][there, place], labels[held][there, place]
    worth = [float(moves[classes == one].mean()) if (classes == one).any() else 0.0 for one in range(3)]
    expected = said[there, place] @ worth
    slope = (expected @ moves) / max(expected @ expected, 1e-12)
    error = numpy.sqrt(((moves - slope * expected) ** 2).sum() / max(len(moves) - 1, 1) / max(expected @ expected, 1e-12))
    gain = float(numpy.clip(slope - 2 * error, 0, 1))
    hit = (said[there, place].argmax(axis=1) == classes).sum() / max(there.sum(), 1)
    print(f"{seconds:>3} s: {there.sum()} rows held out, right {hit:.3f}, slope {slope:.2f} +- {2 * error:.2f}, believed {gain:.2f}")
    cards.append({"seconds": int(seconds), "dead_zone": DEAD_ZONE, "temperature": 1.0, "class_move": worth, "move_gain": gain})

probes = numpy.array([[((place * 7 + number * 5) % 11) / 8 - 0.6 for place in range(len(names))] for number in range(PROBES)], dtype=numpy.float32)
chances, golden = probabilities(logits(probes), horizons), []
for row, usual in zip(chances, usual_move(probes, names, horizons)):
    moves = [u * (p @ card["class_move"]) * card["move_gain"] for p, u, card in zip(row, usual, cards)]
    golden.append([[*map(float, p), float(m)] for p, m in zip(row, moves)])

save_file({name: tensor.contiguous() for name, tensor in net.state_dict().items()}, out.with_suffix(".safetensors"))
card = {
    "name": out.name, "arch": "mlp", "about": "trained in PyTorch",
    "weights_sha256": hashlib.sha256(out.with_suffix(".safetensors").read_bytes()).hexdigest(),
    "features_hash": hash_of_features, "inputs": len(names), "step_ms": 0, "seed": 7, "members": 1,
    "recipe": "python train_torch.py", "trained": "PyTorch", "sources": [], "confidence": 0.95, "tried": 1, "compared": [],
    "costs": "", "clip": CLIP, "mean": mean.tolist(), "std": std.tolist(), "golden": golden, "out_of_sample": [], "horizon": cards,
}
out.with_suffix(".toml").write_text(toml(card))
