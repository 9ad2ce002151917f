#!/usr/bin/env bash
# ONNX 1.23.2: onnx.version_converter. Expected: a converted model computes what the model did, or the conversion is refused; Softmax from
# opset 11 to 13 is kept so, by Flatten and Reshape around it. Seen, by ONNX Runtime 1.32.0 before and after, without a word:
# - Hardmax from 11 to 13: the flattening is not kept, and one number in each row is 1 instead of one in the whole;
# - Softmax and LogSoftmax from 13 to 11, over an axis that is not the last: normalised over all axes from there on;
# - Resize (linear) from 10 to 11, and Upsample (linear) from 9 to 13: coordinates that were x/scale become (x + 0.5)/scale - 0.5.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, version_converter

print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
options = onnxruntime.SessionOptions()
options.log_severity_level = 4
SCALES = [numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales")]
CASES = [
    ("Softmax", (2, 3, 4), {"axis": 1}, [], 11, 13, True),
    ("Hardmax", (2, 3, 4), {"axis": 1}, [], 11, 13, False),
    ("Softmax", (2, 3, 4), {"axis": 1}, [], 13, 11, False),
    ("LogSoftmax", (2, 3, 4), {"axis": 0}, [], 13, 11, False),
    ("Resize", (1, 1, 4, 4), {"mode": "linear"}, SCALES, 10, 11, False),
    ("Resize", (1, 1, 4, 4), {"mode": "nearest"}, SCALES, 10, 11, True),
    ("Upsample", (1, 1, 2, 2), {"mode": "linear"}, SCALES, 9, 13, False),
]


def run(model, x):
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


for kind, shape, attributes, constants, before, after, kept in CASES:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    node = helper.make_node(kind, ["x", *(c.name for c in constants)], ["y"], **attributes)
    ends = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape), helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", before)], ir_version=8)
    converted = version_converter.convert_version(model, after)
    off = float(np.abs(run(model, x) - run(converted, x)).max())
    print(f"{kind} {attributes} from {before} to {after}: results differ by {off:.3g}, {[n.op_type for n in converted.graph.node]}")
    assert (off < 1e-6) == kept, "the behaviour has changed"
PYTHON
