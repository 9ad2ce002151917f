#!/bin/bash
# ONNX Runtime 1.32.0: MatMul of a transposed matrix and a vector gives other numbers with its usual optimisations than
# without: Transpose and MatMul become a FusedMatMul, which reads the matrix as if it were not transposed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

matrix = np.arange(8.0).reshape(2, 4)
vector = np.array([1.0, 10.0])
graph = helper.make_graph(
    [helper.make_node("Transpose", ["A"], ["T"], perm=[1, 0]), helper.make_node("MatMul", ["T", "v"], ["y"])],
    "graph",
    [helper.make_tensor_value_info("A", TensorProto.DOUBLE, [2, 4])],
    [helper.make_tensor_value_info("y", TensorProto.DOUBLE, [4])],
    [numpy_helper.from_array(vector, "v")],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
levels = onnxruntime.GraphOptimizationLevel
found = {}
for level in (levels.ORT_DISABLE_ALL, levels.ORT_ENABLE_ALL):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found[level] = session.run(None, {"A": matrix})[0]
expected = matrix.T @ vector
print("onnxruntime", onnxruntime.__version__)
print(f"expected: {expected}; seen: {found[levels.ORT_ENABLE_ALL]}, without optimisations {found[levels.ORT_DISABLE_ALL]}")
assert np.array_equal(found[levels.ORT_DISABLE_ALL], expected), "the behaviour has changed"
assert abs(found[levels.ORT_ENABLE_ALL] - expected).max() > 1, "the behaviour has changed"
PYTHON
