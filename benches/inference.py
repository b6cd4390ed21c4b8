"""onnxruntime's side of benches/inference.rs: the same networks from the same files, checked, then timed on demand.

Usage: inference.py MODELS [OTHERS]. Reads `NAME BATCH` lines, answers with median microseconds of a run with bound buffers.
"""

import json
import pathlib
import sys
import time
import tomllib

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper


def weights(path):
    """Tensors of a safetensors file."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    head, body = json.loads(raw[8 : 8 + size]), raw[8 + size :]
    take = lambda t: np.frombuffer(body[slice(*t["data_offsets"])], np.float32).reshape(t["shape"])
    return {name: take(t) for name, t in head.items() if name != "__metadata__"}


def graph(arch, w, batch):
    """The network as ONNX: logits of normalised rows. A window is [batch, 16, features]."""
    nodes, consts = [], dict(w)

    def node(op, inputs, **attrs):
        nodes.append(helper.make_node(op, inputs, [f"t{len(nodes)}"], **attrs))
        return f"t{len(nodes) - 1}"

    def dense(x, name, bias=None):
        return node("Gemm", [x, f"{name}.weight"] + ([bias] if bias else []), transB=1)

    window = arch in ("tcn", "gru")
    features = w["line.weight" if window else "hidden.weight" if arch == "mlp" else "out.weight"].shape[1]
    if window:
        consts["last"] = np.array(15, np.int64)
        newest = node("Gather", ["x", "last"], axis=1)
    if arch == "logistic":
        y = dense("x", "out", "out.bias")
    elif arch == "mlp":
        y = dense(node("Tanh", [dense("x", "hidden", "hidden.bias")]), "out", "out.bias")
    elif arch == "tcn":
        now = node("Transpose", ["x"], perm=[0, 2, 1])
        for n, d in enumerate((1, 2, 4, 8)):
            conv = node("Conv", [now, f"conv{n}.weight", f"conv{n}.bias"], dilations=[d], kernel_shape=[2], pads=[d, 0])
            now = node("Tanh", [conv])
        y = node("Add", [dense(newest, "line"), dense(node("Gather", [now, "last"], axis=2), "out", "out.bias")])
    else:
        # PyTorch: reset, update, new. ONNX: update, reset, new.
        swap = lambda t: np.concatenate([t[16:32], t[:16], t[32:]])[None]
        consts["W"], consts["R"] = swap(w["gru.weight_ih_l0"]), swap(w["gru.weight_hh_l0"])
        consts["B"] = np.concatenate([swap(w["gru.bias_ih_l0"]), swap(w["gru.bias_hh_l0"])], axis=1)
        rows = node("Transpose", ["x"], perm=[1, 0, 2])
        nodes.append(helper.make_node("GRU", [rows, "W", "R", "B"], ["", "h"], hidden_size=16, linear_before_reset=1))
        consts["first"] = np.array(0, np.int64)
        y = node("Add", [dense(newest, "line"), dense(node("Gather", ["h", "first"], axis=0), "out", "out.bias")])
    shape = [batch, 16, features] if window else [batch, features]
    used = {name for n in nodes for name in n.input}
    g = helper.make_graph(
        nodes,
        arch,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(y, TensorProto.FLOAT, [batch, w["out.bias"].shape[0]])],
        [numpy_helper.from_array(np.array(t), name) for name, t in consts.items() if name in used],
    )
    made = helper.make_model(g, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def session(made):
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    return ort.InferenceSession(made, options, providers=["CPUExecutionProvider"])


def bound(s, x):
    """A run with its buffers bound: least of Python in the way."""
    binding, out = s.io_binding(), s.get_outputs()[0]
    binding.bind_ortvalue_input(s.get_inputs()[0].name, ort.OrtValue.ortvalue_from_numpy(x))
    binding.bind_ortvalue_output(out.name, ort.OrtValue.ortvalue_from_numpy(np.zeros(out.shape, np.float32)))
    return lambda: s.run_with_iobinding(binding)


def main():
    models = pathlib.Path(sys.argv[1])
    expected = json.loads((models / "expected.json").read_text())
    runs, worst = {}, 0.0
    for arch, said in expected["said"].items():
        card = tomllib.loads((models / f"{arch}.toml").read_text())
        rows = np.array(expected["rows"], np.float32)
        rows = (rows - np.array(card["mean"], np.float32)) / np.array(card["std"], np.float32)
        rows = np.clip(rows, -card["clip"], card["clip"]).astype(np.float32)
        for batch in (1, 16):
            x = np.repeat((rows if arch in ("tcn", "gru") else rows[-1])[None], batch, axis=0)
            s = session(graph(arch, weights(models / f"{arch}.safetensors"), batch))
            logits = s.run(None, {"x": x})[0].reshape(batch, -1, 3).astype(np.float64)
            scaled = logits / np.array([h["temperature"] for h in card["horizon"]])[None, :, None]
            p = np.exp(scaled - scaled.max(axis=2, keepdims=True))
            p /= p.sum(axis=2, keepdims=True)
            worst = max(worst, np.abs(p - np.array(said)[None]).max())
            runs[(arch, batch)] = bound(s, x)
    assert worst < 1e-5, f"the networks differ by {worst}"
    if len(sys.argv) > 2 and sys.argv[2]:
        folder = pathlib.Path(sys.argv[2])
        io = weights(folder / "io.safetensors")
        for path in sorted(folder.glob("*_1.onnx")):
            s, x, y = session(str(path)), io[f"{path.stem}_x"], io[f"{path.stem}_y"]
            apart = np.abs(s.run(None, {s.get_inputs()[0].name: x})[0] - y).max()
            assert apart < 1e-5, f"{path.stem} differs from PyTorch by {apart}"
            runs[(path.stem, 1)] = bound(s, x)
    print(f"onnxruntime {ort.__version__}, one thread; largest difference of a probability {worst:.1e}", flush=True)
    for line in sys.stdin:
        name, batch = line.split()
        run = runs[(name, int(batch))]
        for _ in range(50):
            run()
        times = []
        for _ in range(400):
            since = time.perf_counter_ns()
            for _ in range(5):
                run()
            times.append((time.perf_counter_ns() - since) / 5e3)
        print(f"{np.median(times):.4f}", flush=True)


main()
