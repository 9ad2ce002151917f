#!/bin/bash
# CasADi 3.8.2: its importer of ONNX keeps the row that Gather takes out of a matrix a row, where ONNX makes a vector of it,
# and adds a vector to it in a way that gives wrong numbers; ReduceSum along one axis adds up the whole matrix. No error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet casadi==3.8.2 onnx==1.23.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import casadi
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator


def both(nodes, shape, result, held, value):
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, shape)],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, result)],
        [numpy_helper.from_array(array, name) for name, array in held.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, "f.onnx")
    function = casadi.GraphBuilder("f.onnx").create("f", {"symbolic": True})
    return ReferenceEvaluator(model).run(None, {"x": value})[0].ravel(), np.array(function(value)).ravel()


print("casadi", casadi.__version__)
row = [
    helper.make_node("MatMul", ["x", "W"], ["r"]),
    helper.make_node("Gather", ["r", "zero"], ["v"], axis=0),
    helper.make_node("Add", ["v", "b"], ["y"]),
]
held = {"W": np.arange(6.0).reshape(2, 3), "zero": np.array(0), "b": np.array([10.0, 20.0, 30.0])}
expected, seen = both(row, [1, 2], [3], held, np.array([[1.0, 2.0]]))
print(f"x W as a vector, and b: expected: {expected}; seen: {seen}")
assert abs(expected - seen).max() > 1, "the behaviour has changed"
rows = [helper.make_node("ReduceSum", ["x", "one"], ["y"], keepdims=0)]
expected, seen = both(rows, [2, 3], [2], {"one": np.array([1])}, np.arange(6.0).reshape(2, 3))
print(f"sums of rows: expected: {expected}; seen: {seen}")
assert seen.tolist() == [15.0], "the behaviour has changed"
PYTHON
