#!/bin/bash
# ONNX Runtime 1.32.0: Sigmoid of float64 is exactly 0 from about -37 on and, of float32, from about -18, where it is
# exp(x), 10^-17 and 10^-8, far above the least number. Its logarithm, a loss, is then infinite.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

print("onnxruntime", onnxruntime.__version__)
for kind, dtype, point in ((TensorProto.DOUBLE, np.float64, -40.0), (TensorProto.FLOAT, np.float32, -20.0)):
    graph = helper.make_graph(
        [helper.make_node("Sigmoid", ["x"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", kind, [None])],
        [helper.make_tensor_value_info("y", kind, [None])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": np.array([point], dtype)})
    expected = np.exp(dtype(point)) / (1 + np.exp(dtype(point)))
    print(f"{dtype.__name__} at {point}: expected: {expected:.3g}; seen: {found[0]:.3g}")
    assert found[0] == 0 < expected, "the behaviour has changed"
PYTHON
