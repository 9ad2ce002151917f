#!/usr/bin/env bash
# ONNX 1.23.2: before opset 13, Softmax and LogSoftmax flatten their input to a matrix at `axis` (1 unless said) and normalise each
# row of it, over all axes from there on. Expected: the reference evaluator computes a model of opset 9 or 11 so, as ONNX Runtime
# 1.32.0 does. Seen: it normalises over the one axis, as of opset 13, and says nothing: for an input of 2 x 3 x 4 and axis 1, sums
# over the last two axes are 4 instead of 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
wrong = []
for kind in ("Softmax", "LogSoftmax"):
    for opset in (9, 11, 13):
        tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape) for name in "xy"]
        graph = helper.make_graph([helper.make_node(kind, ["x"], ["y"], axis=1)], "g", tensors[:1], tensors[1:])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        seen = ReferenceEvaluator(model).run(None, {"x": x})[0]
        (runtime,) = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": x})
        sums = [(np.exp(y) if kind == "LogSoftmax" else y).sum(axis=(1, 2) if opset < 13 else 1).ravel()[0] for y in (seen, runtime)]
        print(f"{kind} of opset {opset}: what should be 1 is {sums[0]:.6f} by the reference, {sums[1]:.6f} by ONNX Runtime")
        assert abs(sums[1] - 1) < 1e-5, "the behaviour has changed"
        wrong.append((opset, abs(sums[0] - 4) < 1e-5))
assert all(off == (opset < 13) for opset, off in wrong), "the behaviour has changed"
PYTHON
