"""The node tests that come with ONNX, built in memory: what reading and evaluating each of them gives.

``python -m tests.symnn.onnx_nodes`` prints how many pass, and how many are refused for which reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

import numpy as np
import onnx

from codegen.numeric import evaluate
from symnn.onnx.files import parsed_bytes
from symnn.onnx.reading import Imported, read
from symnn.onnx.writing import OnnxError

CASES = "onnx.backend.test.case.node"


def cases(operators: Iterable[str] = ()) -> list[Any]:
    """Those of some modules, without which building all takes half a minute, or all."""
    node = import_module(CASES)
    with np.errstate(all="ignore"):
        for name in operators:
            import_module(f"{CASES}.{name}")
        return list(node.collect_testcases(None)) if not operators else _of(node, operators)


def _of(node: Any, operators: Iterable[str]) -> list[Any]:
    wanted = {name.replace("_", "").lower() for name in operators}
    return [case for case in node._NodeTestCases if {n.op_type.lower() for n in case.model.graph.node} & wanted]


def outcome(case: Any) -> str:
    """``passed``, the reason of a refusal, or what is wrong."""
    try:
        for given, expected in case.data_sets:
            graph = case.model.graph
            held = {tensor.name for tensor in graph.initializer}
            arrays = map(_array, given)
            values = dict(zip((value.name for value in graph.input if value.name not in held), arrays))
            found = _evaluated(case, values)
            for want, have in zip(expected, found):
                if (fault := _fault(case, np.asarray(_array(want)), have)) is not None:
                    return fault
    except OnnxError as error:
        return re.sub(r"^node .*? \((.*?)\): ", "", str(error))
    return "passed"


def _array(value: Any) -> Any:
    """Some tests have messages of ONNX for arrays."""
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _evaluated(case: Any, values: dict[str, Any]) -> list[np.ndarray]:
    model = _read(case, values)
    at = {name: values[name] for name in model.inputs} | dict(model.parameters)
    found = evaluate(model.graph, {name: v.astype(float) if v.dtype == bool else v for name, v in at.items()})
    return [found[name] for name in model.outputs]


def _read(case: Any, values: dict[str, Any]) -> Imported:
    """With data as data; where these are shapes as constants."""
    arrays = {name: value for name, value in values.items() if isinstance(value, (np.ndarray, np.generic))}
    integers = {name: value for name, value in arrays.items() if value.dtype.kind in "iub"}
    small = {name: v for name, v in arrays.items() if name in integers or v.size == 1 or name in ("roi", "scales")}
    model = parsed_bytes(case.model.SerializeToString(), case.name)
    for constants in _ways(integers, small):
        try:
            return read(model, constants=constants)
        except OnnxError as error:
            found = error
    raise found


def _ways(integers: dict[str, Any], small: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {}
    yield integers
    yield small


def _fault(case: Any, want: np.ndarray, have: np.ndarray) -> str | None:
    if want.shape != have.shape:
        return f"WRONG: shape {have.shape} for {want.shape}"
    # The expected values are float32's; what is computed here is float64.
    relative = max(case.rtol, 1e-3) if want.dtype != np.float64 else 1e-6
    size = np.abs(want[np.isfinite(want)]).max(initial=0) if want.dtype == np.float32 else 0
    # Some were computed before their inputs were rounded: an ULP of the largest.
    absolute = max(case.atol, float(np.spacing(np.float32(size)))) if size else case.atol
    with np.errstate(all="ignore"):
        close = np.allclose(have.astype(float), want.astype(float), rtol=relative, atol=absolute, equal_nan=True)
    return None if close else f"WRONG: {have.ravel()[:3]} for {want.ravel()[:3]}"


def main() -> None:
    """Prints how often each outcome is there; names, lengths and proposals are left out of the reasons."""
    reasons = (re.sub(r"'[^']*'", "…", outcome(case)) for case in cases())
    counts = Counter(re.sub(r"; did you mean.*| \(known:.*|(?<![A-Z])\b\d+\b", "", reason) for reason in reasons)
    for reason, count in counts.most_common():
        print(f"{count:5} {reason}")


if __name__ == "__main__":
    main()
