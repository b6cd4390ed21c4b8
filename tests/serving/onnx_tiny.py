"""A linear network with softmax as ONNX, and the same without the softmax: argv[1] and argv[2]."""

import sys

import numpy
from onnx import TensorProto, checker, helper, numpy_helper, save

rng = numpy.random.default_rng(7)
weight = numpy_helper.from_array(rng.normal(0, 0.5, (36, 6)).astype(numpy.float32), "w")
bias = numpy_helper.from_array(rng.normal(0, 0.1, 6).astype(numpy.float32), "b")
shape = numpy_helper.from_array(numpy.array([-1, 2, 3], dtype=numpy.int64), "s")
given = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 36])
told = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2, 3])
nodes = [helper.make_node("Gemm", ["features", "w", "b"], ["y"]), helper.make_node("Reshape", ["y", "s"], ["z"])]
for path, last in ((sys.argv[1], "Softmax"), (sys.argv[2], "Identity")):
    more = {"axis": -1} if last == "Softmax" else {}
    graph = helper.make_graph([*nodes, helper.make_node(last, ["z"], ["probabilities"], **more)], "tiny", [given], [told], [weight, bias, shape])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    save(model, path)
