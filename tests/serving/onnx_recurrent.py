"""Recurrent networks over windows as ONNX, and what ONNX's reference says about one window: argv[1] is the folder.

`gru.onnx` and `lstm.onnx` have the graphs that PyTorch exports for `nn.GRU` and `nn.LSTM` with `batch_first`.
"""

import json
import pathlib
import sys

import numpy
from onnx import TensorProto, checker, helper, numpy_helper, save
from onnx.reference import ReferenceEvaluator

WINDOW, FEATURES, UNITS = 16, 36, 8
folder, rng = pathlib.Path(sys.argv[1]), numpy.random.default_rng(7)
rows = [[(place * 7 + row * 5) % 11 / 8 - 0.6 for place in range(FEATURES)] for row in range(WINDOW)]
said = {}
for name, gates in (("GRU", 3), ("LSTM", 4)):
    draw = lambda *shape: rng.normal(0, 0.3, shape).astype(numpy.float32)
    tensors = {
        "W": draw(1, gates * UNITS, FEATURES),
        "R": draw(1, gates * UNITS, UNITS),
        "B": draw(1, 2 * gates * UNITS),
        "w": draw(UNITS, 3),
        "b": draw(3),
        "first": numpy.array(0, dtype=numpy.int64),
        "shape": numpy.array([-1, 1, 3], dtype=numpy.int64),
    }
    more = {"linear_before_reset": 1} if name == "GRU" else {}
    nodes = [
        helper.make_node("Transpose", ["features"], ["rows"], perm=[1, 0, 2]),
        helper.make_node(name, ["rows", "W", "R", "B"], ["", "state"], hidden_size=UNITS, **more),
        helper.make_node("Gather", ["state", "first"], ["newest"], axis=0),
        helper.make_node("Gemm", ["newest", "w", "b"], ["logits"]),
        helper.make_node("Reshape", ["logits", "shape"], ["parts"]),
        helper.make_node("Softmax", ["parts"], ["probabilities"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", WINDOW, FEATURES])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 1, 3])],
        [numpy_helper.from_array(values, of) for of, values in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    save(model, folder / f"{name.lower()}.onnx")
    told = ReferenceEvaluator(model).run(None, {"features": numpy.array([rows], numpy.float32)})[0]
    said[name.lower()] = told.reshape(3).tolist()
(folder / "said.json").write_text(json.dumps(said))
