#!/bin/bash
# ONNX Runtime 1.32.0: ReduceMax drops nan, or keeps it, by its place and the type of the elements, where Max of the same
# numbers always is nan, as NumPy and the reference of ONNX have it.
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

rows = np.array([[1.0, np.nan, 3.0], [np.nan, 1.0, 2.0], [1.0, 2.0, np.nan]])
print("onnxruntime", onnxruntime.__version__)
for kind, dtype in ((TensorProto.DOUBLE, np.float64), (TensorProto.FLOAT, np.float32)):
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMax", ["x", "axes"], ["reduced"], keepdims=0),
            helper.make_node("Split", ["x"], ["a", "b", "c"], axis=1, num_outputs=3),
            helper.make_node("Max", ["a", "b", "c"], ["one"]),
        ],
        "graph",
        [helper.make_tensor_value_info("x", kind, [3, 3])],
        [helper.make_tensor_value_info("reduced", kind, [3]), helper.make_tensor_value_info("one", kind, [3, 1])],
        [numpy_helper.from_array(np.array([1]), "axes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    reduced, one = session.run(None, {"x": rows.astype(dtype)})
    print(f"{dtype.__name__}: expected: [nan nan nan], as Max gives {one.ravel()}; seen: {reduced}")
    assert np.isnan(one).all() and not np.isnan(reduced).all(), "the behaviour has changed"
PYTHON
