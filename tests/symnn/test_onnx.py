"""Files of ONNX: networks of others as graphs, held to ONNX's own node tests; what is refused, and how."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codegen import compile, gradient
from codegen.numeric import evaluate

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from symnn.onnx import OnnxError, load  # noqa: E402
from symnn.onnx.files import parsed_bytes  # noqa: E402
from symnn.onnx.reading import Imported, read  # noqa: E402
from tests.symnn.onnx_nodes import cases, outcome  # noqa: E402

GENERATOR = np.random.Generator(np.random.PCG64(0))


def model_of(
    nodes: list[Any],
    inputs: dict[str, list[Any]],
    weights: dict[str, np.ndarray],
    outputs: list[str],
    version: int = 18,
) -> Any:
    """A model with float32 inputs, but "at", which are integers."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64 if name == "at" else TensorProto.FLOAT, shape)
            for name, shape in inputs.items()
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)])


def dense() -> Any:
    """Two dense layers with names as PyTorch writes them, and samples that each call counts."""
    weights = {
        "0.weight": GENERATOR.normal(size=(4, 3)).astype(np.float32),
        "0.bias": GENERATOR.normal(size=4).astype(np.float32),
        "2.weight": GENERATOR.normal(size=(2, 4)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "0.weight", "0.bias"], ["linear"], "/0/Gemm", transB=1),
        helper.make_node("Tanh", ["linear"], ["tanh"]),
        helper.make_node("Gemm", ["tanh", "2.weight"], ["y"], transB=1),
    ]
    return model_of(nodes, {"x": ["batch", 3]}, weights, ["y"])


@pytest.mark.values
def test_a_file_is_a_graph_with_its_weights(tmp_path: Path) -> None:
    onnx.save(dense(), tmp_path / "dense.onnx")
    found = load(tmp_path / "dense.onnx")
    assert str(found.graph.inputs[-1].shape) == "(batch, 3)"
    assert list(found.parameters) == ["0.weight", "0.bias", "2.weight"]
    x = GENERATOR.normal(size=(5, 3)).astype(np.float32)
    w, b, v = found.parameters.values()
    assert found(x) == pytest.approx(np.tanh(x @ w.T + b) @ v.T, abs=1e-6)
    assert load(tmp_path / "dense.onnx", lengths={"batch": 5}).graph.inputs[-1].shape == (5, 3)


def test_what_is_read_is_differentiated() -> None:
    nodes = [*dense().graph.node, helper.make_node("ReduceSum", ["y"], ["loss"], keepdims=0)]
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in dense().graph.initializer}
    found = read(model_of(nodes, {"x": ["batch", 3]}, weights, ["loss"]))
    graph = gradient(found.graph, "loss", ["2.weight"])
    x = GENERATOR.normal(size=(5, 3))
    at = evaluate(graph, {**found.parameters, "x": x})
    a = np.tanh(x @ found.parameters["0.weight"].T + found.parameters["0.bias"])
    assert at[graph.outputs[1]] == pytest.approx(np.tile(a.sum(0), (2, 1)))


def test_some_of_the_node_tests_of_onnx() -> None:
    for case in cases(
        ["gemm", "softmax", "slice", "lstm", "split", "reducesum", "conv", "einsum", "scan", "loop", "argmax", "cumsum"]
    ):
        assert not outcome(case).startswith("WRONG"), case.name


def test_elements_are_gathered_where_the_indices_say(tmp_path: Path) -> None:
    x, at = np.arange(12, dtype=np.float32).reshape(3, 4), np.array([[3, -1, 0], [2, 2, 1]])
    node = helper.make_node("GatherElements", ["x", "at"], ["y"], axis=1)
    onnx.save(model_of([node], {"x": [3, 4]}, {"at": at}, ["y"]), tmp_path / "a.onnx")
    np.testing.assert_array_equal(load(tmp_path / "a.onnx")(x), np.take_along_axis(x[:2], at, 1))
    for shape in ([1, 4], [3, 1], [1, 2]):  # what is read would be beyond it
        onnx.save(model_of([node], {"x": shape}, {"at": at}, ["y"]), tmp_path / "a.onnx")
        with pytest.raises(OnnxError):
            load(tmp_path / "a.onnx")


X, NAN = np.arange(1, 7, dtype=np.float32).reshape(2, 3), float("nan")
AT_DATA = [
    # what is read at integers of a call: these may be counted from the end, and beyond both ends there is nan
    ("Gather", {"axis": 1}, {"x": ["n", 3], "at": ["m"]}, (X, [0, -1, 3]), [[1, 3, NAN], [4, 6, NAN]]),
    ("Gather", {}, {"x": ["n", 3], "at": ["m"]}, (X, [-1, -3]), [[4, 5, 6], [NAN] * 3]),
    ("GatherElements", {"axis": 1}, {"x": ["n", 3], "at": ["n", 1]}, (X, [[2], [-3]]), [[3], [4]]),
    ("GatherND", {}, {"x": ["n", 3], "at": ["m", 2]}, (X, [[0, 2], [-1, -2], [2, 0]]), [3, 5, NAN]),
    ("GatherND", {"batch_dims": 1}, {"x": ["n", 3], "at": ["n", 1]}, (X, [[1], [-1]]), [2, 6]),
    (
        "ScatterElements",
        {"axis": 1, "reduction": "add"},
        {"x": ["n", 3], "at": ["n", 2], "u": ["n", 2]},
        (X, [[0, -1], [1, 1]], [[10, 20], [30, 40]]),
        [[11, 2, 23], [4, 75, 6]],
    ),
    (
        "ScatterElements",  # two updates of one place, and one of none
        {"axis": 1},
        {"x": ["n", 3], "at": ["n", 2], "u": ["n", 2]},
        (X, [[0, 1], [1, 1]], [[10, 20], [30, 40]]),
        [[10, 20, 3], [4, NAN, 6]],
    ),
    (
        "ScatterND",
        {"reduction": "max"},
        {"x": [2, 3], "at": ["m", 1], "u": ["m", 3]},
        (X, [[-1], [1]], [[9, 0, 0], [0, 9, 0]]),
        [[1, 2, 3], [9, 9, 6]],
    ),
]


@pytest.mark.parametrize(("operator", "attributes", "shapes", "given", "expected"), AT_DATA)
def test_integers_of_a_call_say_where(operator: str, attributes: Any, shapes: Any, given: Any, expected: Any) -> None:
    node = helper.make_node(operator, [*shapes], ["y"], **attributes)
    np.testing.assert_array_equal(read(model_of([node], shapes, {}, ["y"]))(*map(np.array, given)), expected)


def test_what_is_read_at_integers_is_differentiated() -> None:
    nodes = [
        helper.make_node("Gather", ["x", "at"], ["part"], axis=1),
        helper.make_node("ReduceSumSquare", ["part"], ["loss"], keepdims=0),
    ]
    graph = gradient(read(model_of(nodes, {"x": ["n", 3], "at": [3]}, {}, ["loss"])).graph, "loss", ["x"])
    slopes = compile(graph)(X, np.array([0, -1, -1]))[1]
    np.testing.assert_array_equal(slopes, [[2, 0, 12], [8, 0, 24]])


def test_rows_of_a_table_are_checked() -> None:
    nodes = [helper.make_node("Gather", ["W", "at"], ["y"])]
    found = read(model_of(nodes, {"at": ["m"]}, {"W": X}, ["y"]))
    np.testing.assert_array_equal(found(np.array([1, 0])), X[::-1])
    with pytest.raises(ValueError, match="'at' must hold integers from 0 to 1, found -1"):
        found(np.array([0, -1]))


OTHERWISE = [
    ("Concat", {"axis": 0}, ["x", "x"], {}, 18, np.vstack([X, X])),
    ("OneHot", {}, ["at", "depth", "pair"], {"at": np.array([2, -3]), "depth": np.array(3), "pair": np.array([5, 7])},
     18, [[5, 5, 7], [7, 5, 5]]),
    ("TopK", {"axis": 1}, ["x", "k"], {"k": np.array([2])}, 18, [[3, 2], [6, 5]]),
    ("TopK", {"axis": 1, "largest": 0}, ["x", "k"], {"k": np.array([1])}, 18, [[1], [4]]),
    ("Resize", {}, ["x", "", "s"], {"s": np.array([1, 2], np.float32)}, 18, np.repeat(X, 2, 1)),
    ("Resize", {"mode": "linear"}, ["x", "", "s"], {"s": np.array([1, 2], np.float32)}, 18,
     [[1, 1.25, 1.75, 2.25, 2.75, 3], [4, 4.25, 4.75, 5.25, 5.75, 6]]),
    ("Resize", {"mode": "cubic"}, ["x", "", "s"], {"s": np.array([1, 1 / 3], np.float32)}, 18, [[2], [5]]),
    ("Resize", {"mode": "nearest"}, ["x", "s"], {"s": np.array([1, 0.7], np.float32)}, 10, X[:, [0, 2]]),
    ("Pad", {"mode": "wrap"}, ["x", "p"], {"p": np.array([0, 1, 0, 2])}, 19, X[:, [2, 0, 1, 2, 0, 1]]),
    ("Add", {"axis": 0, "broadcast": 1}, ["x", "b"], {"b": np.array([10, 20], np.float32)}, 6,
     [[11, 12, 13], [24, 25, 26]]),
    ("PRelu", {}, ["x", "slope"], {"slope": np.array([2, 3, 4], np.float32)}, 6, X),
    ("IsNaN", {}, ["x"], {}, 13, np.zeros((2, 3))),
    ("GridSample", {"mode": "cubic", "padding_mode": "reflection"}, ["image", "g"],
     {"image": X.reshape(1, 1, 2, 3), "g": np.array([[[[-2 / 3, -0.5], [0.0, 1.5]]]], np.float32)}, 20, [[[[1, 5]]]]),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "attributes", "inputs", "weights", "version", "expected"), OTHERWISE)
def test_arrays_of_other_sizes_and_of_old_versions(
    operator: str, attributes: Any, inputs: Any, weights: Any, version: int, expected: Any
) -> None:
    node = helper.make_node(operator, inputs, ["y"], **attributes)
    found = read(model_of([node], {"x": [2 if version < 7 else "n", 3]}, weights, ["y"], version))
    np.testing.assert_allclose(found(X), expected, rtol=1e-6)


def test_places_of_the_largest_and_running_sums_are_compiled(tmp_path: Path) -> None:
    x = np.array([[1, 5, 2, 5], [3, 3, 3, 3], [0, -1, -2, 7]], np.float32)
    axis = {"axis": np.array(1)}
    sums = np.cumsum(x[:, ::-1], 1)[:, ::-1]
    for node, weights, expected in (
        (helper.make_node("ArgMax", ["x"], ["y"], axis=1, keepdims=0), {}, x.argmax(1)),
        (helper.make_node("ArgMin", ["x"], ["y"], axis=-1, select_last_index=1), {}, [[0], [3], [2]]),
        (helper.make_node("Hardmax", ["x"], ["y"]), {}, np.eye(4)[x.argmax(1)]),
        (helper.make_node("CumSum", ["x", "axis"], ["y"], reverse=1), axis, sums),
        (helper.make_node("CumSum", ["x", "axis"], ["y"], reverse=1, exclusive=1), axis, sums - x),
    ):
        onnx.save(model_of([node], {"x": ["batch", 4]}, weights, ["y"]), tmp_path / "a.onnx")
        np.testing.assert_array_equal(load(tmp_path / "a.onnx")(x), expected)


def test_the_region_of_a_crop_is_in_float32() -> None:
    way = {"coordinate_transformation_mode": "tf_crop_and_resize", "nearest_mode": "ceil", "mode": "nearest"}
    node = helper.make_node("Resize", ["x", "roi", "", "sizes"], ["y"], **way)
    weights = {"roi": np.array([0, 0.2, 1, 1.3], np.float32), "sizes": np.array([1, 5])}
    found = read(model_of([node], {"x": [1, 6]}, weights, ["y"], 19))
    np.testing.assert_array_equal(found(np.arange(1.0, 7)[None]), [[2, 4, 5, 0, 0]])  # 0.2·5 is the place 1


@pytest.mark.parametrize("largest", [1, 0])
def test_nan_is_above_all_numbers(largest: int) -> None:
    x = np.array([[0.5, np.nan, -2, 3, np.nan], [np.nan, np.inf, 1, -np.inf, np.inf]], np.float32)
    expected = [[[1, 4, 3, 0], [0, 1, 4, 2]], [[2, 0, 3, 1], [3, 2, 1, 4]]][1 - largest]
    node = helper.make_node("TopK", ["x", "k"], ["values", "places"], largest=largest)
    values, places = read(model_of([node], {"x": ["n", 5]}, {"k": np.array([4])}, ["values", "places"]))(x)
    np.testing.assert_array_equal(places, expected)
    np.testing.assert_array_equal(values, np.take_along_axis(x, np.array(expected), 1))


@pytest.mark.slow
def test_all_node_tests_of_onnx(golden: Callable[[str, str], None]) -> None:
    counts: dict[str, Counter[str]] = {}
    for case in cases():
        found = outcome(case)
        assert not found.startswith("WRONG"), (case.name, found)
        operator = case.name.removeprefix("test_").partition("_")[0]
        counts.setdefault(operator, Counter())["passed" if found == "passed" else "refused"] += 1
    whole = Counter[str]()
    for each in counts.values():
        whole.update(each)
    lines = [f"{'':22}passed refused", f"{'all':22}{whole['passed']:6} {whole['refused']:7}"]
    lines += [f"{name:22}{each['passed']:6} {each['refused']:7}" for name, each in sorted(counts.items())]
    if onnx.__version__ == "1.23.2":  # others have other tests
        golden("onnx_nodes.txt", "\n".join(lines) + "\n")


def inside(nodes: list[Any], inputs: list[str], outputs: list[str], types: dict[str, int] | None = None) -> Any:
    """A graph of a node, whose values are float32 unless it is said."""
    of = {name: (types or {}).get(name, TensorProto.FLOAT) for name in (*inputs, *outputs)}
    given, found = ([helper.make_tensor_value_info(n, of[n], None) for n in names] for names in (inputs, outputs))
    return helper.make_graph(nodes, "inside", given, found)


STEP = inside(
    [
        helper.make_node("MatMul", ["h", "W"], ["product"]),
        helper.make_node("Add", ["product", "a"], ["u"]),
        helper.make_node("Tanh", ["u"], ["next"]),
        helper.make_node("Mul", ["next", "b"], ["y"]),
    ],
    ["h", "a", "b"],
    ["next", "y"],
)


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("fixed", [True, False])
def test_a_scan_is_a_recurrence(steps: int, fixed: bool) -> None:
    along = {"scan_input_axes": [1, 0], "scan_output_axes": [-1]}
    ways = {"scan_input_directions": [0, 1], "scan_output_directions": [1]}
    node = helper.make_node("Scan", ["h0", "A", "B"], ["end", "Y"], body=STEP, num_scan_inputs=2, **along, **ways)
    shapes: dict[str, list[Any]] = {"h0": ["N", 3], "A": ["N", "T", 3], "B": ["T", 3], "W": [3, 3]}
    found = read(model_of([node], shapes, {}, ["end", "Y"]), lengths={"T": steps} if fixed else {})
    lengths = {"N": 2, "T": steps}
    at = {name: GENERATOR.normal(size=[lengths.get(n, n) for n in shape]) for name, shape in shapes.items()}
    h, collected = at["h0"], []
    for t in range(steps):
        h = np.tanh(h @ at["W"] + at["A"][:, t])
        collected.append(h * at["B"][steps - 1 - t])
    given = evaluate(found.graph, at)
    assert given["end"] == pytest.approx(h)
    assert given["Y"] == pytest.approx(np.stack(collected[::-1], axis=-1))


def loop(condition: str, *, count: int = 3) -> Any:
    nodes = [
        helper.make_node("Gather", ["x", "place"], ["here"], axis=1),
        helper.make_node("Add", ["y", "here"], ["next"]),
        helper.make_node("Identity", [condition], ["going"]),
        helper.make_node("Identity", ["next"], ["sum"]),
    ]
    kinds = {"place": TensorProto.INT64, "on": TensorProto.BOOL, "going": TensorProto.BOOL}
    body = inside(nodes, ["place", "on", "y"], ["going", "next", "sum"], kinds)
    weights = {"count": np.array(count), "y0": np.float32(0.5), "off": np.array(False)}
    node = helper.make_node("Loop", ["count", "", "y0"], ["end", "sums"], "around", body=body)
    return model_of([node], {"x": ["batch", 3]}, weights, ["end", "sums"])


def test_a_loop_of_a_number_of_steps_is_a_recurrence() -> None:
    node = loop("on").graph.node[0]
    node.attribute[0].g.node[1].input[1] = "here_of_one"
    one_ = helper.make_node("ReduceSum", ["here"], ["here_of_one"], keepdims=0)
    node.attribute[0].g.node.insert(1, one_)
    weights = {"count": np.array(3), "y0": np.float32(0.5)}
    found = read(model_of([node], {"x": ["batch", 3]}, weights, ["end", "sums"]))
    x = GENERATOR.normal(size=(2, 3))
    given = evaluate(found.graph, {**found.parameters, "x": x})
    assert given["sums"] == pytest.approx(0.5 + np.cumsum(x.sum(0)))
    assert given["end"] == pytest.approx(0.5 + x.sum())


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: loop("off"), r"^node 'around' \(Loop\): found a loop that ends by a condition"),
        (lambda: loop("on", count=0), r"^node 'around' \(Loop\): found 0 steps"),
        (lambda: loop("on"), r"^node 'around' \(Loop\): found a state of shape \(\) that becomes \(batch\)"),
        (
            lambda: model_of(
                [helper.make_node("Scan", ["x"], ["y"], body=inside([], ["a"], ["x"]), num_scan_inputs=2)],
                {"x": ["batch", 3]},
                {},
                ["y"],
            ),
            r"\(Scan\): found num_scan_inputs 2 of 1 inputs",
        ),
    ],
)
def test_loops_that_are_refused(made: Callable[[], Any], message: str) -> None:
    with pytest.raises(OnnxError, match=message):
        read(made())


def one(operator: str, **attributes: Any) -> Any:
    return model_of([helper.make_node(operator, ["x"], ["y"], "here", **attributes)], {"x": ["batch", 3]}, {}, ["y"])


REFUSED = [
    (lambda: one("Tahn"), r"^node 'here' \(Tahn\): unknown operator 'Tahn'; did you mean 'Tanh'"),
    (lambda: one("Tanh", slope=1.0), r"^node 'here' \(Tanh\): unknown attribute 'slope'"),
    (lambda: one("Transpose", perm=[0, 2]), r"^node 'here' \(Transpose\): found axis 2 of an array of 2 axes"),
    (
        lambda: one("Gelu", approximate="best"),
        r"^node 'here' \(Gelu\): found approximate 'best', expected none",
    ),
    (lambda: one("Flatten", axis=0), r"^outputs y: found an axis of 3\*batch elements .* each call decides"),
    (
        lambda: model_of(
            [helper.make_node("Expand", ["x", "s"], ["y"])], {"x": ["batch", 3]}, {"s": np.array([2, 2])}, ["y"]
        ),
        r"^node number 0 \(Expand\): found shapes \(batch, 3\) and \(2, 2\), which do not fit",
    ),
    (
        lambda: model_of([helper.make_node("Add", ["x", "z"], ["y"])], {"x": ["batch", 3]}, {}, ["y"]),
        r"found the input 'z', which nothing before it computes",
    ),
]


@pytest.mark.parametrize(("made", "message"), REFUSED)
def test_what_is_refused_is_named(made: Callable[[], Any], message: str) -> None:
    with pytest.raises(OnnxError, match=message):
        read(made())


def external(tmp_path: Path, location: str, **more: str) -> Path:
    model = dense()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    folder = tmp_path / "folder"
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder / "model.onnx"


def test_arrays_beside_the_file(tmp_path: Path) -> None:
    values = GENERATOR.normal(size=(4, 3)).astype(np.float32)
    path = external(tmp_path, "weights.bin", offset="4", length="48")
    (path.parent / "weights.bin").write_bytes(b"1234" + values.tobytes())
    assert (load(path).parameters["0.weight"] == values).all()


@pytest.mark.parametrize("location", ["../outside", "/etc/passwd", "", ".", "link", "inside/../../outside"])
def test_no_array_comes_from_elsewhere(tmp_path: Path, location: str) -> None:
    (tmp_path / "outside").write_bytes(bytes(48))
    path = external(tmp_path, location)
    (path.parent / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(OnnxError, match=r"initialiser '0\.weight'.*expected a file in the folder of the model"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"no model", b"\x00" * 100, bytes(range(256))])
def test_files_that_are_no_models(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.onnx").write_bytes(content)
    with pytest.raises(OnnxError, match=r"file\.onnx: found no"):
        load(tmp_path / "file.onnx")


def test_numbers_of_inputs_are_counted() -> None:
    found: Imported = read(dense())
    with pytest.raises(OnnxError, match="found 0 inputs, expected x"):
        found()


def test_damaged_files_are_read_or_refused() -> None:
    content, damaged = dense().SerializeToString(), np.random.Generator(np.random.PCG64(1))
    for _ in range(200):
        found = bytearray(content[: damaged.integers(1, len(content) + 1)])
        for place in damaged.integers(0, len(found), 4):
            found[place] = damaged.integers(256)
        with contextlib.suppress(OnnxError):
            read(parsed_bytes(bytes(found), "damaged.onnx"))


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("Pow", ["c", "e"], ["p8"])],
        [helper.make_node("Exp", ["c" if k == 0 else f"p{k}"], [f"p{k + 1}"]) for k in range(8)],
    ],
)
def test_numbers_of_a_file_grow_no_further_than_float64(nodes: list[Any]) -> None:
    weights = {"c": np.array(10, np.float32), "e": np.array(1e9, np.float32)}
    model = model_of([*nodes, helper.make_node("Mul", ["x", "p8"], ["y"])], {"x": ["batch", 3]}, weights, ["y"])
    with pytest.raises(OnnxError, match=r"node number \d \((Pow|Exp)\): found a constant that is inf"):
        read(model)
