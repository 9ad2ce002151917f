#!/bin/bash
# ONNX Runtime 1.32.0: by the text of the standard the clip of an LSTM is applied to the input of activations. The cell is
# the input of the last one, h = o * tanh(c), and is not clipped there; the four inputs of the gates are.
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

limit, units = 0.5, 4
generator = np.random.default_rng(5)
x = 3 * generator.normal(size=(8, 2, 2)).astype(np.float32)
W = 2 * generator.normal(size=(1, 4 * units, 2)).astype(np.float32)
R = generator.normal(size=(1, 4 * units, units)).astype(np.float32)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def by_hand(clipped):
    h = c = np.zeros((2, units))
    for step in x:
        i, o, f, g = np.clip(np.split(step @ W[0].T + h @ R[0].T, 4, axis=1), -limit, limit)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(np.clip(c, -limit, limit) if clipped else c)
    return h


graph = helper.make_graph(
    [helper.make_node("LSTM", ["x", "W", "R"], ["", "h"], hidden_size=units, clip=limit)],
    "graph",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
    [helper.make_tensor_value_info("h", TensorProto.FLOAT, [1, 2, units])],
    [numpy_helper.from_array(W, "W"), numpy_helper.from_array(R, "R")],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
found = session.run(None, {"x": x})[0][0]
away, near = (abs(found - by_hand(clipped)).max() for clipped in (True, False))
print("onnxruntime", onnxruntime.__version__)
print(f"expected: all five inputs of activations clipped; seen: {away:.1e} away from that, {near:.1e} from four of them")
assert near < 1e-5 < 1e-3 < away, "the behaviour has changed"
PYTHON
