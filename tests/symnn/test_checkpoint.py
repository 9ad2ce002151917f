"""Checkpoints: what comes back is what was saved, and a file that is anything else is one clear error."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file
from sympy import Abs, Max, Piecewise, Rational, besselj, cosh, erf, exp, log, sqrt, tanh

from codegen import functions as real
from symnn.checkpoint import Checkpoint, load, save
from symnn.data import Dataset, Split, load_frame
from symnn.errors import CheckpointError, DataError, SpecError
from symnn.layers.embedding import embedding
from symnn.network import Network, dense
from symnn.portable import spec_of
from symnn.scaling import Scaling
from symnn.tables import Column, Features

pytestmark = pytest.mark.values

Array = NDArray[Any]
Tensors = dict[str, Array]
Metadata = dict[str, str]

SPEC: dict[str, Any] = {
    "inputs": 2,
    "layers": [{"dense": 3, "activation": {"formula": "x / (1 + x**2)"}}, {"dense": 2, "bias": False}],
    "loss": "softmax_cross_entropy",
    "weight_decay": 0.25,
    "training": {"epochs": 7, "seed": 3},
    "data": {"file": "points.csv", "target": "kind"},
}
NETWORK = Network.from_spec(SPEC)
THETA = NETWORK.initial_parameters(1)
ROWS = Split(np.zeros((1, 2)), np.zeros(1, dtype=np.int64))
DATASET = Dataset(
    "points", ROWS, ROWS, ROWS, ("a", "b"), ("café", "tea"), np.array([100.0, -3.0]), np.array([10.0, 0.25])
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that no test changes."""
    path = tmp_path_factory.mktemp("checkpoint") / "points.safetensors"
    save(path, NETWORK, THETA, dataset=DATASET)
    return path


def contents(path: Path) -> tuple[Tensors, Metadata]:
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118 - no mapping


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < 400
    return message


# ------------------------------------------------------------------------------------------- round trip


def test_a_network_of_sequences_comes_back(tmp_path: Path) -> None:
    """Also where outputs have a row for each step."""
    network = Network({"time": 3}, (embedding(2, vocabulary=4), dense(2)), "softmax_cross_entropy")
    theta, x = network.initial_parameters(1), np.array([[0, 3, 1]])
    save(tmp_path / "steps.safetensors", network, theta)
    expected = Checkpoint(network, theta).evaluated(x)
    assert expected.shape == (1, 3, 2)
    np.testing.assert_array_equal(load(tmp_path / "steps.safetensors").evaluated(x), expected)


def test_everything_comes_back(saved: Path) -> None:
    found = load(saved)
    assert found.network == NETWORK
    assert found.network.spec == NETWORK.spec
    assert found.theta.dtype == np.float64
    np.testing.assert_array_equal(found.theta, THETA)
    np.testing.assert_array_equal(found.mean, DATASET.mean)
    np.testing.assert_array_equal(found.scale, DATASET.scale)
    assert found.classes == ("café", "tea")


def test_predictions_are_those_of_standardised_inputs(saved: Path) -> None:
    raw = np.array([[110.0, -3.0], [95.0, -2.75], [100.0, -3.5]])
    expected = NETWORK.compile().predict(THETA, np.array([[1.0, 0], [-0.5, 1], [0, -2]]))
    np.testing.assert_array_equal(load(saved).predict(raw), expected)
    np.testing.assert_array_equal(load(saved).predict(np.asfortranarray(raw.astype(np.float32))), expected)


def test_a_network_can_take_its_inputs_as_they_are(tmp_path: Path) -> None:
    save(tmp_path / "plain", NETWORK, THETA)
    found = load(tmp_path / "plain")
    assert (found.mean, found.scale, found.classes) == (None, None, None)
    x = np.array([[0.5, -1.0]])
    np.testing.assert_array_equal(found.predict(x), NETWORK.compile().predict(THETA, x))


REGRESSION = Network.from_spec(
    {"inputs": 2, "layers": [{"dense": 3, "activation": "tanh"}, {"dense": 2}], "loss": "mean_squared_error"}
)
PRICES = replace(DATASET, classes=None, target_scaling=Scaling(np.array([3e5, -1.0]), np.array([1e5, 0.5])))


@pytest.mark.parametrize(("dtype", "within"), [("float64", 1e-15), ("float32", 1e-6)])
def test_a_regression_predicts_in_the_units_of_its_targets(dtype: Any, within: float, tmp_path: Path) -> None:
    theta = REGRESSION.initial_parameters(3)
    save(tmp_path / "r", REGRESSION, theta, dataset=PRICES, dtype=dtype)
    found = load(tmp_path / "r")
    x = np.array([[110.0, -3.0], [95.0, -2.75]])
    output = REGRESSION.compile().predict(theta, np.array([[1.0, 0], [-0.5, 1]]))
    predicted = found.predict(x)
    assert predicted.dtype == dtype
    np.testing.assert_allclose(predicted, [3e5, -1.0] + np.array([1e5, 0.5]) * output, rtol=within)
    np.testing.assert_allclose(found.standardise_targets(predicted), output, atol=1e6 * within)


LIMITED = [
    {"layers": [{"dense": 2, "activation": "sigmoid"}]},  # outputs from 0 to 1
    {"loss": {"formula": "exp(output) - target*output"}},  # counts
    {"loss": "binary_cross_entropy"},
]


@pytest.mark.parametrize("change", LIMITED)
def test_targets_that_the_loss_takes_as_they_are_stay_so(change: dict[str, Any], tmp_path: Path) -> None:
    assert REGRESSION.spec is not None
    network = Network.from_spec({**REGRESSION.spec.to_dict(), **change})
    save(tmp_path / "r", network, network.initial_parameters(), dataset=PRICES)
    assert load(tmp_path / "r").target_scaling is None


def test_a_checkpoint_of_before_targets_were_standardised_is_read(tmp_path: Path) -> None:
    theta = REGRESSION.initial_parameters(3)
    save(tmp_path / "r", REGRESSION, theta, dataset=replace(PRICES, target_scaling=None))
    tensors, _ = contents(tmp_path / "r")
    assert "standardisation.target_mean" not in tensors
    expected = REGRESSION.compile().predict(theta, np.array([[1.0, 0]]))
    np.testing.assert_array_equal(load(tmp_path / "r").predict(np.array([[110.0, -3.0]])), expected)


def test_single_precision_is_half_the_size_and_as_near_as_it_can_be(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "single"
    save(path, NETWORK, THETA, dataset=DATASET, dtype="float32")
    found = load(path)
    assert found.theta.dtype == np.float32
    assert found.mean is not None
    assert found.mean.dtype == np.float64  # a raw feature of 1e9 ± 1 has to survive its standardisation
    np.testing.assert_array_equal(found.theta, THETA.astype(np.float32))
    raw = np.array([[110.0, -3.0]])
    assert found.predict(raw).dtype == np.float32
    np.testing.assert_allclose(found.predict(raw), load(saved).predict(raw), rtol=1e-5)


def test_the_file_holds_what_others_can_read(saved: Path) -> None:
    tensors, metadata = contents(saved)
    assert {name: values.shape for name, values in tensors.items()} == {
        "W1": (3, 2),
        "b1": (3,),
        "W2": (2, 3),
        "standardisation.mean": (2,),
        "standardisation.scale": (2,),
        "check.x": (4, 2),
        "check.output": (4, 2),
    }
    np.testing.assert_array_equal(tensors["W2"], NETWORK.split(THETA)["W2"])
    assert NETWORK.spec is not None
    assert metadata["format"] == "symnn 1"
    assert json.loads(metadata["spec"]) == NETWORK.spec.to_dict()
    assert json.loads(metadata["classes"]) == ["café", "tea"]


def test_the_same_checkpoint_is_the_same_file(saved: Path, tmp_path: Path) -> None:
    again = load(saved)
    save(tmp_path / "again", again.network, again.theta, dataset=DATASET)
    assert contents(tmp_path / "again")[1] == contents(saved)[1]
    for name, values in contents(saved)[0].items():
        np.testing.assert_array_equal(contents(tmp_path / "again")[0][name], values)


def save_classifier(path: Path) -> None:
    spec = {"inputs": 3, "layers": [{"dense": 2, "activation": "tanh"}, {"dense": 2}], "loss": "softmax_cross_entropy"}
    data = load_frame({"a": range(20), "b": ["x", "y"] * 10, "kind": ["cat", "dog"] * 10}, "kind")
    network = Network.from_spec(spec)
    save(path, network, network.initial_parameters(), dataset=data)


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    """Neither the seed of Python's hashes, here a random one, nor that of the library's decides about any order."""
    program = "import sys; from tests.symnn.test_checkpoint import save_classifier; save_classifier(sys.argv[1])"
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "there")], env=environment, check=True)
    save_classifier(tmp_path / "here")
    assert (tmp_path / "there").read_bytes() == (tmp_path / "here").read_bytes()


def test_one_process_writes_the_same_bytes_every_time(saved: Path, tmp_path: Path) -> None:
    for number in range(8):  # of the six orders of three entries the library takes one at random
        save(tmp_path / str(number), NETWORK, THETA, dataset=DATASET)
        assert (tmp_path / str(number)).read_bytes() == saved.read_bytes()


# ------------------------------------------------------------------------------------------- columns

FEATURES = Features((Column("width"), Column("colour", ("blue", "red"))))
NAMED = Network.from_spec({"inputs": 3, "layers": [{"dense": 2}], "loss": "mean_squared_error"})
NAMED_DATASET = replace(
    DATASET,
    feature_names=FEATURES.inputs,
    classes=None,
    mean=np.array([1.0, 0.5, 0.5]),
    scale=np.array([2.0, 0.5, 0.5]),
    columns=FEATURES,
)


def named(path: Path, fills: bool = False) -> Checkpoint:
    dataset = replace(NAMED_DATASET, columns=replace(FEATURES, fills=fills))
    save(path, NAMED, NAMED.initial_parameters(), dataset=dataset)
    return load(path)


def test_columns_in_another_order_are_put_right(tmp_path: Path) -> None:
    found = named(tmp_path / "named")
    assert found.features == FEATURES
    expected = found.predict(np.array([[3.0, 0.0, 1.0], [5.0, 1.0, 0.0]]))
    (tmp_path / "rows.csv").write_text("id;colour;width\n7;red;3\n8;blue;5\n")
    for rows in (tmp_path / "rows.csv", {"colour": ["red", "blue"], "width": [3, 5], "id": ["a", "b"]}):
        np.testing.assert_array_equal(found.predict(rows), expected)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"colour": ["red"]}, r"no column 'width'; the table has 'colour'"),
        (
            {"colour": ["green"], "width": [1]},
            r"\(from 0\) 0, column 'colour': found 'green', expected one of 'blue'",
        ),
        ({"colour": ["red"], "width": ["wide"]}, r"column 'width': found 'wide', expected a number"),
        ({"colour": [None], "width": [1]}, r"column 'colour': found nan, expected one of"),
        ({"colour": ["red"], "width": [None]}, r"column 'width': found nan, expected a finite number"),
    ],
)
def test_columns_that_do_not_fit_are_refused_by_name(tmp_path: Path, rows: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        named(tmp_path / "named").predict(rows)


UNNAMED = Checkpoint(NAMED, np.zeros(8), features=Features(tuple(Column(f"x[{k}]") for k in range(3))))
UNNAMED.theta[[0, 4]] = 1.0
THREE = {"p": [1.0, 2.0], "q": [3.0, 5.0], "r": [0.0, 0.0]}


def test_columns_are_taken_in_their_order_after_an_array_without_names() -> None:
    with pytest.warns(UserWarning, match=r"taking 'p', 'q', 'r' for 'x\[0\]', 'x\[1\]', 'x\[2\]', in this order"):
        np.testing.assert_array_equal(UNNAMED.predict(THREE), [[1, 3], [2, 5]])
    with pytest.warns(UserWarning, match="taking"):
        found = UNNAMED.evaluate({"t": [1.0, 4.0], **THREE, "u": [3.0, 5.0]}, targets=("t", "u"))
    assert found.mae.tolist() == [1, 0]  # type: ignore[union-attr]
    named = {f"x[{k}]": values for k, values in enumerate(THREE.values())}
    turned = dict(reversed(named.items()))
    np.testing.assert_array_equal(UNNAMED.read({**turned, "id": [7, 8]}), UNNAMED.read(named))  # by name: no warning


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"id": [1, 2], **THREE}, r"found 4 columns, 'id', 'p', 'q', 'r', expected 3 columns in the order of training"),
        ({"p": [1], "q": [2]}, r"found 2 columns, 'p', 'q', expected 3 columns .* or 'x\[0\]', 'x\[1\]', 'x\[2\]'"),
        ({"p": [1], "x[1]": [2], "x[2]": [3]}, r"found no column 'x\[0\]'"),
        ({"0.1": [1], "-2": [2], "3e5": [3]}, r"found numbers, '0.1', '-2', '3e5', for names of columns"),
    ],
)
def test_columns_without_the_names_have_to_be_as_many_as_there_were(table: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        UNNAMED.predict(table)


def test_an_evaluation_needs_targets() -> None:
    with pytest.raises(
        DataError,
        match=r"found no y, and a network that does not know .*; expected y, or targets among the columns of x",
    ):
        UNNAMED.evaluate(np.ones((2, 3)))


def test_what_is_loaded_is_saved_again_with_all_that_predicting_needs(tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    named(first.with_suffix(""), fills=True).save(first)
    load(first).save(second)
    assert first.read_bytes() == second.read_bytes()
    rows = {"width": [None, 3.0], "colour": ["red", ""]}
    np.testing.assert_array_equal(load(second).predict(rows), load(first).predict(rows))


def test_a_missing_cell_is_taken_for_the_mean_of_the_training_part(tmp_path: Path) -> None:
    found = named(tmp_path / "named", fills=True)
    rows = {"width": [None, 3.0], "colour": ["red", ""]}
    expected = found.predict(np.array([[1.0, 0.0, 1.0], [3.0, 0.5, 0.5]]))
    np.testing.assert_array_equal(found.predict(rows), expected)


def test_columns_need_names_that_are_known(saved: Path) -> None:
    with pytest.raises(DataError, match="this checkpoint knows no names"):
        load(saved).predict({"a": [1.0], "b": [2.0]})


# ------------------------------------------------------------------------------------------- networks built in Python

ACTIVATIONS: dict[str, Any] = {
    "x*tanh(softplus(x))": lambda x: x * tanh(real.softplus(x)),
    "x*(erf(sqrt(2)*x/2) + 1)/2": lambda x: x * (1 + erf(x / sqrt(2))) / 2,
    "0.1*x + abs(x)": lambda x: Abs(x) + 0.1 * x,
    "maximum(0, x)": lambda x: Max(x, 0),
    "leaky_relu(x, 1/5)": lambda x: real.leaky_relu(x, Rational(1, 5)),
    "exp(-x**2)": lambda x: exp(-(x**2)),
}


@pytest.mark.parametrize("text", ACTIVATIONS)
def test_formulas_written_in_python_are_text_of_a_spec(text: str) -> None:
    network = Network(2, (dense(3, ACTIVATIONS[text], bias=False), dense(1, initialiser="zeros")), "huber", 0.5)
    spec = spec_of(network)
    assert spec.layers[0].activation is not None
    assert spec.layers[0].activation.formula == text
    found = Network.from_spec(spec)
    assert (found.layout, found.weight_decay) == (network.layout, 0.5)
    np.testing.assert_array_equal(found.initial_parameters(3), network.initial_parameters(3))


def test_a_network_built_in_python_comes_back(tmp_path: Path) -> None:
    network = Network(
        2, (dense(3, lambda x: x * tanh(x)), dense(1)), lambda output, target: log(cosh(output - target)) / sqrt(2)
    )
    save(tmp_path / "own", network, network.initial_parameters())
    found = load(tmp_path / "own")
    x, y = np.array([[0.5, -2.0]]), np.array([[0.25]])
    theta = network.initial_parameters()
    np.testing.assert_array_equal(found.predict(x), network.compile().predict(theta, x))
    assert found.network.compile().loss(theta, x, y) == pytest.approx(network.compile().loss(theta, x, y), rel=1e-15)


def test_a_loss_that_is_another_one_at_every_call_has_no_spec() -> None:
    calls = count(1)
    network = Network(2, (dense(1),), lambda output, target: next(calls) * (output - target) ** 2)
    with pytest.raises(SpecError, match=r"loss: found \d.* by its formula, expected \d.* as the function gives"):
        spec_of(network)


def test_outputs_need_not_be_finite(tmp_path: Path) -> None:
    """A logarithm of negative inputs is nan, when it is saved and when it is loaded."""
    layers = [{"dense": 1, "activation": {"formula": "log(x)"}}]
    network = Network.from_spec({"inputs": 1, "layers": layers, "loss": "mean_squared_error"})
    save(tmp_path / "log", network, np.array([1.0, 0.0]))
    assert np.isnan(contents(tmp_path / "log")[0]["check.output"]).any()
    assert load(tmp_path / "log").predict(np.array([[1.0]])) == 0


@pytest.mark.parametrize(
    "x", [np.zeros(2), np.zeros((1, 3)), np.zeros((0, 2)), np.zeros((1, 2, 1)), [["a", "b"]], [[1j, 0]]]
)
def test_inputs_of_another_shape_or_kind_are_refused(saved: Path, x: Any) -> None:
    with pytest.raises(DataError, match=r"x: found an array of .*, expected real numbers with shape \(rows, 2\)"):
        load(saved).predict(x)


# ------------------------------------------------------------------------------------------- saving


@pytest.mark.parametrize(
    ("network", "changes", "message"),
    [
        (
            Network(2, (dense(2), dense(2, lambda x: Piecewise((x, x > 0), (0, True)))), "huber"),
            {},
            r"found a network that no spec describes: layers\[1\].activation: found Piecewise\(…\), which formulas",
        ),
        (
            Network(2, (dense(2),), lambda output, target: besselj(0, output - target)),
            {},
            r"found a network that no spec describes: loss: found besselj\(…\), which formulas of a spec do not have",
        ),
        (replace(NETWORK, weight_decay=0.5), {}, "found a network that differs from its spec"),
        (NETWORK, {"theta": np.zeros(3)}, r"theta: found .* shape \(3,\), expected numbers with shape \(15,\)"),
        (NETWORK, {"theta": np.full(15, np.nan)}, r"tensor 'W1', entry \(0, 0\): found nan, expected a finite"),
        (NETWORK, {"theta": np.full(15, 1e300), "dtype": "float32"}, r"tensor 'W1', entry \(0, 0\): found inf"),
        (
            NETWORK,
            {"dataset": replace(DATASET, feature_names=("a",))},
            "dataset: found 1 features, expected 2, the inputs",
        ),
        (
            NETWORK,
            {"dataset": replace(DATASET, classes=("a", "b", "c"))},
            r"metadata 'classes': found \['a', 'b', 'c'\], expected 2 names",
        ),
        (NETWORK, {"dataset": replace(DATASET, scale=np.zeros(2))}, r"'standardisation.scale', entry \(0,\): found 0"),
    ],
)
def test_what_cannot_be_loaded_again_is_not_saved(
    tmp_path: Path, network: Network, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "network"
    with pytest.raises(CheckpointError, match=message) as caught:
        save(path, network, **{"theta": THETA, **changes})
    assert str(caught.value).startswith(str(path))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_dtype_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="dtype: found 'float16', expected one of float64, float32"):
        save(tmp_path / "half", NETWORK, THETA, dtype="float16")  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["missing/network", "directory", "a-file/network"])
def test_a_path_that_cannot_be_written_is_an_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "a-file").touch()
    with pytest.raises(CheckpointError, match=r"cannot be written: [A-Z].* (directory|a directory)"):
        save(tmp_path / place, NETWORK, THETA)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a-file", "directory"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_save_that_fails_leaves_the_old_file(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    path = tmp_path / "network"
    save(path, NETWORK, THETA)
    before = path.read_bytes()

    def fail(descriptor: int) -> None:
        raise failure

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((CheckpointError, KeyboardInterrupt)):
        save(path, NETWORK, 2 * THETA)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_save_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "network"
    path.write_text("something else")
    save(path, NETWORK, THETA)
    np.testing.assert_array_equal(load(path).theta, THETA)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX knows them")
def test_a_checkpoint_can_be_read_by_whoever_may_read_new_files(tmp_path: Path) -> None:
    save(tmp_path / "network", NETWORK, THETA)
    (tmp_path / "other").touch()
    assert (tmp_path / "network").stat().st_mode == (tmp_path / "other").stat().st_mode


# ------------------------------------------------------------------------------------------- damage


Damage = Callable[[Tensors, Metadata], object]


def in_spec(**changes: Any) -> Damage:
    def damage(_: Tensors, metadata: Metadata) -> None:
        metadata["spec"] = json.dumps({**json.loads(metadata["spec"]), **changes})

    return damage


def entry(name: str, value: float) -> Damage:
    def damage(tensors: Tensors, _: Metadata) -> None:
        tensors[name].flat[-1] = value

    return damage


def put(name: str, values: Array) -> Damage:
    return lambda tensors, _: tensors.update({name: values})


def note(key: str, value: str) -> Damage:
    return lambda _, metadata: metadata.update({key: value})


DAMAGES: dict[str, tuple[Damage, str]] = {
    "another format": (note("format", "symnn 2"), "metadata 'format': found 'symnn 2', expected 'symnn 1'"),
    "no format": (lambda _, metadata: metadata.pop("format"), "metadata 'format': found None"),
    "no spec": (lambda _, metadata: metadata.pop("spec"), "metadata 'spec': found nothing, expected JSON"),
    "a spec that is no JSON": (note("spec", "{inputs: 2}"), "metadata 'spec': found '{inputs: 2}', expected JSON"),
    "a spec that is a path": (note("spec", '"/etc/passwd"'), "metadata 'spec': found '/etc/passwd', expected the"),
    "a spec of brackets": (note("spec", "[" * 100_000), "metadata 'spec': found '[[[["),
    "a spec that is huge": (note("spec", " " * 1_000_001), "metadata 'spec': found 1,000,001 characters"),
    "a spec with a slip": (in_spec(loss="hubert"), "metadata 'spec': loss: unknown loss 'hubert'"),
    "a formula that does harm": (
        in_spec(layers=[{"dense": 3, "activation": {"formula": "__import__('os').abort()"}}, {"dense": 2}]),
        "metadata 'spec': layers[0].activation.formula: column 1",
    ),
    "classes that are no JSON": (note("classes", "cat"), "metadata 'classes': found 'cat', expected JSON"),
    "classes that are no names": (note("classes", "[0, 1]"), "metadata 'classes': found [0, 1], expected 2 names"),
    "too few classes": (note("classes", '["cat"]'), "metadata 'classes': found ['cat'], expected 2 names"),
    "features that are no JSON": (note("features", "a, b"), "metadata 'features': found 'a, b', expected JSON"),
    "features without a flag": (note("features", '{"columns": []}'), "expected 'columns' and 'fills'"),
    "features that are no columns": (
        note("features", '{"columns": [["a", null], ["b", [1]]], "fills": false}'),
        "metadata 'features': found ['b', [1]], expected a column's name",
    ),
    "a feature twice": (
        note("features", '{"columns": [["a", null], ["a", null]], "fills": false}'),
        "metadata 'features': found 2 inputs in 1 columns, expected 2 in 2 of different names",
    ),
    "too many features": (
        note("features", '{"columns": [["a", null], ["b", ["x", "y"]]], "fills": false}'),
        "metadata 'features': found 3 inputs in 2 columns, expected 2",
    ),
    "a missing parameter": (
        lambda tensors, _: tensors.pop("b1"),
        "tensor 'b1' is missing, expected F64 with shape (3,)",
    ),
    "no parameters": (lambda tensors, _: tensors.clear(), "tensor 'W1' is missing, expected F64 with shape (3, 2)"),
    "half a standardisation": (
        lambda tensors, _: tensors.pop("standardisation.mean"),
        "tensor 'standardisation.mean' is missing, expected F64 with shape (2,)",
    ),
    "no stored outputs": (lambda tensors, _: tensors.pop("check.output"), "tensor 'check.output' is missing"),
    "a surplus tensor": (put("b2", np.zeros(2)), "found an unexpected tensor 'b2' (known: W1, b1, W2, "),
    "another shape": (
        put("W2", np.zeros((3, 2))),
        "tensor 'W2': found F64 with shape (3, 2), expected F64 with shape (2, 3)",
    ),
    "another network": (
        in_spec(layers=[{"dense": 4}, {"dense": 2, "bias": False}]),
        "tensor 'W1': found F64 with shape (3, 2), expected F64 with shape (4, 2)",
    ),
    "mixed dtypes": (
        put("b1", np.zeros(3, dtype=np.float32)),
        "tensor 'b1': found F32 with shape (3,), expected F64 with shape (3,)",
    ),
    "integers": (put("W1", np.zeros((3, 2), dtype=np.int64)), "tensor 'W1': found dtype I64, expected one of F64"),
    "nan": (entry("W1", np.nan), "tensor 'W1', entry (2, 1): found nan, expected a finite number"),
    "an infinite mean": (entry("standardisation.mean", -np.inf), "'standardisation.mean', entry (1,): found -inf"),
    "a scale of zero": (entry("standardisation.scale", 0), "entry (1,): found 0.0, expected a number above 0"),
    "another parameter": (entry("b1", 0.5), "tensor 'check.output', entry (0, 0): found "),
    "another mean": (entry("standardisation.mean", -2.9), "tensor 'check.output', entry (0, 0): found "),
    "another activation": (
        in_spec(layers=[{"dense": 3, "activation": "tanh"}, {"dense": 2, "bias": False}]),
        "as the network gives, within 1e-12",
    ),
    "another stored output": (entry("check.output", 1e9), "entry (3, 1): found 1000000000.0, expected "),
    "a stored output that is nan": (entry("check.output", np.nan), "entry (3, 1): found nan, expected "),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named(saved: Path, tmp_path: Path, name: str) -> None:
    damage, message = DAMAGES[name]
    tensors, metadata = contents(saved)
    tensors = {name: values.copy() for name, values in tensors.items()}
    damage(tensors, metadata)
    path = tmp_path / "damaged"
    save_file(tensors, path, metadata)
    assert message in refusal(path)


@pytest.mark.parametrize(
    ("name", "message"), [("W1", "found dtype BF16, expected one of F64, F32"), ("W2", "found BF16 with shape (3, 8)")]
)
def test_dtypes_that_numpy_does_not_know_are_refused(saved: Path, tmp_path: Path, name: str, message: str) -> None:
    data = saved.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header[name] |= {"dtype": "BF16", "shape": [3, 8]}  # as many bytes
    text = json.dumps(header).encode()
    path = tmp_path / "bfloat"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[end:])
    assert f"tensor {name!r}: {message}" in refusal(path)


FOREIGN = {
    "nothing": b"",
    "a text": b"hello, world\n" * 10,
    "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07weights\x94.",
    "a zip": b"PK\x03\x04" + bytes(100),
    "a header of 2**40 bytes": (2**40).to_bytes(8, "little") + b"{}",
    "control characters": (9).to_bytes(8, "little") + b'{"\x1b[2J\n"',
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "foreign"
    path.write_bytes(FOREIGN[name])
    message = refusal(path)
    assert "damaged, or not a safetensors file: " in message
    assert message.isprintable()


def test_a_safetensors_file_of_others_is_refused(tmp_path: Path) -> None:
    save_file({"weight": np.zeros(3)}, tmp_path / "model.safetensors", {"format": "pt"})
    assert "metadata 'format': found 'pt', expected 'symnn 1'" in refusal(tmp_path / "model.safetensors")
    save_file({"weight": np.zeros(3)}, tmp_path / "bare.safetensors")
    assert "metadata 'format': found None" in refusal(tmp_path / "bare.safetensors")


NO_FILES = {
    "": "found a directory, expected a regular file",
    "missing": "cannot be read: No such file",
    "pipe": "found a pipe, expected a regular file",
    "a\0b": "expected the name of a file",
}


@pytest.mark.parametrize(("place", "words"), NO_FILES.items())
def test_what_is_no_file_is_refused(tmp_path: Path, place: str, words: str) -> None:
    if place == "pipe":
        os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match=words):
        load(tmp_path / place)


@given(st.data())
def test_a_file_that_was_cut_short_is_refused(saved: Path, tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    whole = saved.read_bytes()
    path = tmp_path_factory.getbasetemp() / "cut"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert "damaged, or not a safetensors file" in refusal(path)


@given(st.data())
def test_a_changed_byte_is_an_error_or_does_no_harm(
    saved: Path, tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    """Some bytes do not matter, such as the seed of the training; what is loaded still predicts as it did."""
    whole = bytearray(saved.read_bytes())
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.getbasetemp() / "changed"
    path.write_bytes(whole)
    try:
        found = load(path)
    except CheckpointError:
        return
    assert isinstance(found, Checkpoint)
    x = np.array([[101.0, -3.25]])
    np.testing.assert_allclose(found.predict(x), load(saved).predict(x), rtol=1e-9, atol=1e-9)
