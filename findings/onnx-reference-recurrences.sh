#!/bin/bash
# ONNX 1.23.2: the reference evaluator reads neither the activations nor the clip nor the sequence_lens of an LSTM, and says
# nothing; ONNX Runtime does as the standard has it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

generator = np.random.default_rng(0)
units, features = 3, 2
x = generator.normal(size=(4, 2, features)).astype(np.float32)
held = {
    "W": generator.normal(size=(1, 4 * units, features)).astype(np.float32),
    "R": generator.normal(size=(1, 4 * units, units)).astype(np.float32),
    "lengths": np.array([4, 2], np.int32),
}


def last(inputs, **said):
    graph = helper.make_graph(
        [helper.make_node("LSTM", inputs, ["", "h"], hidden_size=units, **said)],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("h", TensorProto.FLOAT, [1, 2, units])],
        [numpy_helper.from_array(held[name], name) for name in inputs if name in held],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return ReferenceEvaluator(model).run(None, {"x": x})[0], session.run(None, {"x": x})[0]


print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
plain, same = last(["x", "W", "R"])
assert abs(plain - same).max() < 1e-5
for what, inputs, said in (
    ("activations", ["x", "W", "R"], {"activations": ["HardSigmoid", "Softsign", "Relu"]}),
    ("clip", ["x", "W", "R"], {"clip": 0.1}),
    ("sequence_lens", ["x", "W", "R", "", "lengths"], {}),
):
    reference, runtime = last(inputs, **said)
    print(f"{what}: expected: another result than without; seen: the same by {abs(reference - plain).max():.1e}, "
          f"in ONNX Runtime another by {abs(runtime - same).max():.1e}")
    assert abs(reference - plain).max() < 1e-6 < 1e-3 < abs(runtime - same).max(), "the behaviour has changed"
PYTHON
