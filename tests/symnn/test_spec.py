"""Specs: what is read, what is refused and in which words, and that nothing is lost on the way to a file and back."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from symnn.activations import ACTIVATIONS
from symnn.errors import SpecError
from symnn.initialisers import INITIALISERS
from symnn.layers.dense import Dense
from symnn.layers.layer import Layer
from symnn.losses import LOSSES
from symnn.optimisers import OPTIMISERS
from symnn.spec import MAX_BYTES, Choice, DataSpec, Spec, TrainingSpec, load_spec

DIGITS = """
inputs: 64
layers:
  - {dense: 32, activation: tanh, initialiser: he_normal}
  - {activation: {leaky_relu: {slope: 0.1}}}
  - {dense: 16, bias: false, activation: {formula: "x*sigmoid(1.702*x)"}}
  - {dense: 10}
loss: softmax_cross_entropy
weight_decay: 1e-4
training: {optimiser: adam, learning_rate: 0.01, batch_size: 16, epochs: 5, seed: 7, patience: 3}
data: digits
"""

SMALL: dict[str, Any] = {"inputs": 2, "layers": [{"dense": 3, "activation": "tanh"}, {"dense": 1}], "loss": "huber"}


def write(folder: Path, text: str | bytes, name: str = "net.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(source: Any) -> str:
    with pytest.raises(SpecError) as caught:
        load_spec(source)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    return message


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    """The small spec with values put at paths such as "layers.0.activation"; ... takes a field away."""
    spec = copy.deepcopy(SMALL)
    for path, value in changes.items():
        *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        target: Any = spec
        for step in parents:
            target = target[step] if isinstance(step, int) else target.setdefault(step, {})
        if value is ...:
            del target[last]
        else:
            target[last] = value
    return spec


# --- what is read -------------------------------------------------------------------------------------------------


def test_a_yaml_file_becomes_a_spec(tmp_path: Path) -> None:
    assert load_spec(write(tmp_path, DIGITS)) == Spec(
        inputs=64,
        layers=(
            Layer(dense=32, activation=Choice(name="tanh"), initialiser="he_normal"),
            Layer(activation=Choice(name="leaky_relu", parameters=(("slope", 0.1),))),
            Layer(dense=16, bias=False, activation=Choice(name="formula", formula="x*sigmoid(1.702*x)")),
            Layer(dense=10),
        ),
        loss=Choice(name="softmax_cross_entropy"),
        weight_decay=0.0001,
        training=TrainingSpec(optimiser="adam", learning_rate=0.01, batch_size=16, epochs=5, seed=7, patience=3),
        data=DataSpec(name="digits"),
    )


@pytest.mark.parametrize("name", ["net.yaml", "net.yml", "NET.YAML", "net.json"])
def test_the_same_spec_reads_the_same_from_every_kind_of_file(tmp_path: Path, name: str) -> None:
    assert load_spec(write(tmp_path, json.dumps(SMALL), name)) == load_spec(SMALL)
    assert load_spec(str(tmp_path / name)) == load_spec(SMALL)


def test_training_has_defaults() -> None:
    assert load_spec(SMALL).training == TrainingSpec(
        optimiser="nesterov", learning_rate=0.03, momentum=0.9, beta1=0.9, beta2=0.999, epsilon=1e-8,
        batch_size=32, epochs=30, seed=0, patience=None,
    )  # fmt: skip


ACCEPTED = [
    *({"layers.0.activation": name} for name in ACTIVATIONS),
    *({"layers.0.initialiser": name} for name in INITIALISERS),
    *({"loss": name} for name in LOSSES),
    *({"training.optimiser": name} for name in OPTIMISERS),
    {"loss": {"huber": {"delta": 2}}},
    {"loss": {"huber": {}}},
    {"loss": {"formula": "log(cosh(output - target))"}},
    {"layers.0.activation": None},
    {"training.momentum": 0},
    {"training.patience": None},
    {"data": None},
    {"data": {"name": "digits", "test_fraction": 0.5}},
    {"data": {"file": "iris.csv", "target": "species", "task": "classification", "seed": 3}},
    {"data": {"file": "i.csv", "target": "y", "separator": ";", "decimal": ",", "missing": "mean", "ignore": "id"}},
    {"data": {"file": "robot.npz", "target": ["x", "y"]}},
]


@pytest.mark.parametrize("changes", ACCEPTED, ids=str)
def test_a_valid_spec_is_read_and_written_back(changes: dict[str, Any]) -> None:
    spec = load_spec(changed(changes))
    assert load_spec(spec.to_dict()) == spec


def test_parameters_are_counted() -> None:
    layers = [{"dense": 5, "bias": False}, {"activation": "tanh"}, {"dense": 3}]
    assert load_spec({**SMALL, "inputs": 4, "layers": layers}).parameter_count == 4 * 5 + 5 * 3 + 3


def test_a_spec_cannot_be_changed_and_can_be_a_key() -> None:
    spec = load_spec(SMALL)
    with pytest.raises(SpecError, match="Spec: inputs: expected no change"):
        spec.inputs = 3  # type: ignore[misc]
    assert {spec: 1}[load_spec(SMALL)] == 1


# --- what is refused ----------------------------------------------------------------------------------------------

ACTIVATION = "layers.0.activation"
REFUSED: list[tuple[dict[str, Any], str]] = [
    # names
    ({ACTIVATION: "tahn"}, "spec: layers[0].activation: unknown activation 'tahn'; did you mean 'tanh'?"),
    ({ACTIVATION: "tahn"}, "(known: identity, tanh"),
    ({ACTIVATION: "ReLUs"}, "did you mean 'relu'?"),
    ({"layers.0.initialiser": "he_norml"}, "layers[0].initialiser: unknown initialiser 'he_norml'; did you mean"),
    ({"loss": "msle"}, "spec: loss: unknown loss 'msle'"),
    ({"training.optimiser": "adamv"}, "training.optimiser: unknown optimiser 'adamv'; did you mean 'adam'?"),
    ({"training.schedule": "cosin"}, "training.schedule: unknown schedule 'cosin'; did you mean 'cosine'?"),
    (
        {"training.schedule": {"step": {"every": 0}}},
        "training.schedule.step.every: expected a number of at least 1, found 0",
    ),
    ({"training.class_weights": {"a": 0}}, "training.class_weights.a: expected a number above 0, found 0"),
    ({"data": "digit"}, "data.name: unknown data set 'digit'; did you mean 'digits'?"),
    # fields
    ({"input": 64}, "spec: unknown field 'input'; did you mean 'inputs'?"),
    ({"layers.0.activ": "tanh"}, "layers[0]: unknown field 'activ'; did you mean 'activation'?"),
    ({"training.learning_rat": 1}, "training: unknown field 'learning_rat'; did you mean 'learning_rate'?"),
    ({"training.weight_decay": 0.1}, "training: found 'weight_decay', expected it with the network, whose loss it is"),
    ({"data.nam": 1}, "data: unknown field 'nam'; did you mean 'name'?"),
    ({"inputs": ...}, "spec: missing field 'inputs'; expected the number of features"),
    ({"layers": ...}, "missing field 'layers'"),
    ({"loss": ...}, "missing field 'loss'"),
    ({"inputs": ..., "inpts": 2}, "unknown field 'inpts'; did you mean 'inputs'?"),
    ({"inputs": ..., "inpts": 2, "weight_decay": "no"}, "(and 2 more)"),
    # kinds of values
    ({"inputs": "64"}, "spec: inputs: expected a whole number, found '64'"),
    ({"inputs": True}, "inputs: expected a whole number, found True"),
    ({"inputs": 64.0}, "inputs: expected a whole number, found 64.0"),
    ({"inputs": None}, "inputs: expected a whole number, found None"),
    ({"weight_decay": "0.1"}, "weight_decay: expected a number, found '0.1'"),
    ({"weight_decay": True}, "weight_decay: expected a number, found True"),
    ({"layers.0.bias": 1}, "layers[0].bias: expected true or false, found 1"),
    ({"layers.0.bias": "no"}, "layers[0].bias: expected true or false, found 'no'"),
    ({"layers": {"dense": 3}}, "layers: expected a list, found {'dense': 3}"),
    ({"layers": "tanh"}, "layers: expected a list, found 'tanh'"),
    ({"layers.0": "tanh"}, "layers[0]: unknown layer 'tanh'; did you mean {activation: tanh}?"),
    ({"layers.0": 32}, "layers[0]: expected a layer, such as {dense: 32, activation: tanh}, found 32"),
    ({"training": "adam"}, "training: expected a mapping of fields, found 'adam'"),
    ({"training": None}, "training: expected a mapping of fields, found None"),
    ({"layers.0.initialiser": 1}, "layers[0].initialiser: expected a text, found 1"),
    ({"loss": 3}, "loss: expected the name of a loss, {name: {parameter: number}} or {formula: text}, found 3"),
    ({"loss": None}, "loss: expected"),
    ({ACTIVATION: ["tanh"]}, "layers[0].activation: expected the name of an activation"),
    ({ACTIVATION: {}}, "layers[0].activation: expected the name of an activation"),
    ({ACTIVATION: {"tanh": {}, "relu": {}}}, "layers[0].activation: expected the name of an activation"),
    # ranges
    ({"inputs": 0}, "inputs: expected a number of at least 1, found 0"),
    ({"layers.0.dense": 0}, "layers[0].dense: expected a number of at least 1, found 0"),
    ({"layers.0.dense": 1_000_001}, "layers[0].dense: expected a number of at most 1000000, found 1000001"),
    ({"weight_decay": -1}, "weight_decay: expected a number of at least 0"),
    ({"weight_decay": float("nan")}, "weight_decay: expected a finite number, found nan"),
    ({"training.learning_rate": float("inf")}, "training.learning_rate: expected a finite number, found inf"),
    ({"training.learning_rate": 0}, "training.learning_rate: expected a number above 0"),
    ({"training.momentum": 1}, "training.momentum: expected a number below 1"),
    ({"training.beta2": -0.1}, "training.beta2: expected a number of at least 0"),
    ({"training.epsilon": 0}, "training.epsilon: expected a number above 0"),
    ({"training.batch_size": 0}, "training.batch_size: expected a number of at least 1"),
    ({"training.epochs": 0}, "training.epochs: expected a number of at least 1"),
    ({"training.seed": -1}, "training.seed: expected a number of at least 0"),
    ({"training.seed": 2**63}, "training.seed: expected a whole number below 2**63"),
    ({"training.seed": 10**5000}, "training.seed: expected a whole number below 2**63"),
    ({"training.patience": 0}, "training.patience: expected a number of at least 1"),
    # layers
    ({"layers": []}, "layers: expected at least one layer with weights, such as 'dense', found none"),
    ({"layers": [{"activation": "tanh"}]}, "layers: expected at least one layer with weights, such as 'dense'"),
    ({"layers.0": {}}, "layers[0]: expected a layer, such as {dense: 32, activation: tanh}, found {}"),
    ({"layers.0": {"bias": False}}, "layers[0]: unknown layer 'bias' (known: dense, "),
    ({"layers.0": {"activation": "tanh", "bias": False}}, "layers[0]: unknown field 'bias' (known: name, activation)"),
    ({"layers.0": {"activation": "tanh", "initialiser": "zeros"}}, "layers[0]: unknown field 'initialiser'"),
    ({"layers": [{"dense": 1_000_000}, {"dense": 1_000_000}]}, "layers: expected at most 100,000,000 parameters"),
    ({"layers": [{"dense": 1}] * 1_001}, "layers: expected at most 1,000 layers, found 1,001"),
    (
        {"layers": [{"dense": 1, "activation": {"formula": "x+" * n + "x"}} for n in range(300)]},
        "layers: expected formulas of at most 20,000 characters in all, found 90,000",
    ),
    # choices
    ({ACTIVATION: {"tahn": {}}}, "layers[0].activation: unknown activation 'tahn'"),
    ({ACTIVATION: {"tanh": {"slope": 1}}}, "layers[0].activation.tanh: unknown parameter 'slope' (known: none)"),
    ({ACTIVATION: {"leaky_relu": {"slop": 1}}}, "unknown parameter 'slop'; did you mean 'slope'?"),
    ({ACTIVATION: {"leaky_relu": {"slope": "1"}}}, "leaky_relu.slope: expected a finite number, found '1'"),
    ({ACTIVATION: {"leaky_relu": {"slope": True}}}, "leaky_relu.slope: expected a finite number, found True"),
    ({ACTIVATION: {"leaky_relu": {"slope": float("nan")}}}, "leaky_relu.slope: expected a finite number, found nan"),
    ({ACTIVATION: {"leaky_relu": 0.1}}, "activation.leaky_relu: expected a mapping of parameters, found 0.1"),
    ({"loss": {"huber": None}}, "loss.huber: expected a mapping of parameters, found None"),
    ({"loss": "formula"}, "loss: unknown loss 'formula'"),
    # formulas
    ({ACTIVATION: {"formula": "x*sigmod(x)"}}, "layers[0].activation.formula: column 3: 'sigmod' is not a known"),
    ({ACTIVATION: {"formula": "__import__('os')"}}, "layers[0].activation.formula: column 1: '__import__'"),
    ({ACTIVATION: {"formula": ""}}, "layers[0].activation.formula: the formula is empty"),
    ({ACTIVATION: {"formula": "1"}}, "formula: '1' does not depend on x; expected a formula in x"),
    ({ACTIVATION: {"formula": "target"}}, "'target' is not a known name (known: pi, x)"),
    ({ACTIVATION: {"formula": 1}}, "activation.formula: expected a formula in quotes, found 1"),
    ({"loss": {"formula": "target**2"}}, "loss.formula: 'target**2' does not depend on output"),
    ({"loss": {"formula": "x"}}, "'x' is not a known name (known: pi, output, target)"),
    # data
    ({"data": 3}, "data: expected a mapping of fields, found 3"),
    ({"data": {}}, "data: expected either 'name', of a built-in data set, or 'file', found neither"),
    ({"data": {"name": "digits", "file": "a.csv", "target": "y"}}, "or 'file', found both"),
    ({"data": {"file": "a.csv"}}, "data: expected 'file' and 'target', the column to predict, together"),
    ({"data": {"name": "digits", "target": "y"}}, "data: expected 'file' and 'target'"),
    ({"data": {"name": "digits", "task": "regression"}}, "data: expected no 'task', which 'digits' decides"),
    ({"data": {"file": "a.csv", "target": "y", "task": "clustering"}}, "data.task: expected 'auto', 'classif"),
    ({"data": {"name": "digits", "missing": "drop"}}, "data: expected no 'missing', which is for files"),
    ({"data": {"file": "a.csv", "target": "y", "separator": ":"}}, "data.separator: unknown separator ':'"),
    ({"data": {"file": "a.csv", "target": "y", "separator": ",", "decimal": ","}}, "expected a separator other than"),
    ({"data": {"file": "a.csv", "target": "y", "missing": "zero"}}, "data.missing: expected 'refuse', 'drop' or"),
    ({"data": {"file": "a.csv", "target": []}}, "data.target: expected one column or a list of columns, found []"),
    ({"data": {"file": "a.csv", "target": [1]}}, "data.target: expected one column or a list of columns, found [1]"),
    ({"data": {"file": "a.csv", "target": 3}}, "data.target: expected one column or a list of columns, found 3"),
    ({"data": {"file": "", "target": "y"}}, "data.file: expected a text of printable characters, found ''"),
    ({"data": {"file": "a\0.csv", "target": "y"}}, "data.file: expected a text of printable characters"),
    ({"data": {"name": "digits", "test_fraction": -0.1}}, "data.test_fraction: expected a number of at least 0"),
    ({"data": {"name": "digits", "test_fraction": 1}}, "data.test_fraction: expected a number below 1"),
    ({"data.name": "digits", "data.test_fraction": 0.5, "data.validation_fraction": 0.5}, "below 1, found 1"),
    # what a mapping from Python may hold
    ({"layers.0.dense": 3 + 0j}, "layers[0].dense: expected a plain value, found an object of type complex"),
    ({"layers": {1, 2}}, "layers: expected a plain value, found an object of type set"),
    ({"training": {1: 2}}, "training: expected the name of a field, found 1"),
    ({"inputs": "x" * 10_000}, "inputs: expected a whole number, found 'xxx"),
    ({"x" * 10_000: 1}, "unknown field 'xxx"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), REFUSED, ids=[words[:60] for _, words in REFUSED])
def test_a_mistake_is_told_with_its_field_what_was_found_and_what_was_expected(
    changes: dict[str, Any], words: str
) -> None:
    assert words in refusal(changed(changes))


def test_one_mistake_is_told_alone_and_several_are_counted() -> None:
    assert "more)" not in refusal(changed({"inputs": 0}))
    assert refusal(changed({"inputs": 0, "weight_decay": -1, "training.seed": -1})).endswith("found 0 (and 2 more)")


def test_a_mapping_that_holds_itself_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["training"] = {"a": endless, "b": endless}
    assert "expected at most 16 levels of nesting" in refusal(endless)


def test_a_mapping_of_too_many_values_is_refused() -> None:
    assert "expected at most 20,000 values" in refusal({**SMALL, "layers": [0] * 200_000})


# --- files --------------------------------------------------------------------------------------------------------

BAD_YAML = [
    ("", "expected a mapping of fields, found an empty file"),
    ("# nothing", "expected a mapping of fields, found None"),
    ("- 1", "expected a mapping of fields, found [1]"),
    ("inputs: 2\nlayers: [", "line 2, column 10"),
    ("inputs: 2\n\tlayers: 3", "line 2, column 1"),
    ("inputs: 2\ninputs: 3", "line 2, column 1: found the field 'inputs' twice"),
    ("training: {seed: 1, seed: 2}", "line 1, column 21: found the field 'seed' twice"),
    ("inputs: 1\n---\ninputs: 2", "expected a single document"),
    ("a: &a [1]\nb: *a", "line 2, column 4: expected a value, found an alias"),
    ("a: &a {b: *a}", "found an alias"),
    ("training: &t {seed: 1}\ndata: {<<: *t}", "found an alias"),
    ("inputs: !!python/object/apply:os.system ['true']", "line 1, column 9: expected a plain value, found the tag"),
    ("inputs: !!python/name:os.system", "line 1, column 9: expected a plain value, found the tag"),
    ("inputs: !!binary aGVsbG8=", "line 1, column 9: expected a plain value, found the tag"),
    ("inputs: !!set {a, b}", "line 1, column 9: expected a plain value, found the tag"),
    ("inputs: !!timestamp 2020-01-01", "line 1, column 9: expected a plain value, found the tag"),
    ("inputs: !whatever 3", "expected a plain value, found the tag '!whatever'"),
    ("inputs: !" + "a" * 10_000 + " 3", "line 1, column 9: expected a plain value, found the tag"),
    ("inputs: !!int many", "line 1, column 9: expected a value of kind int, found another one"),
    ("inputs: !!bool many", "line 1, column 9: expected a value of kind bool, found another one"),
    ("inputs: !!int [1]", "line 1, column 9: expected a value of kind int, found another one"),
    ("inputs: !!seq 3", "line 1, column 9: expected a sequence node, but found scalar"),
    ("inputs: !!float " + ":".join(["1"] * 200), "expected a value of kind float"),  # base 60 in YAML 1.1
    ('inputs: "\\UFFFFFFFF"', "cannot be read as YAML"),
    ("inputs: !!map 3", "line 1, column 9: expected a mapping, found a text"),
    ("? [a]\n: 1", "line 1, column 3: expected the name of a field, found a list or a mapping"),
    ("1: 2", "expected the name of a field, found 1"),
    ("true: 2", "expected the name of a field, found True"),
    ("inputs: .nan", "inputs: expected a finite number, found nan"),
    ("inputs: -.inf", "inputs: expected a finite number, found -inf"),
    ("inputs: 1e999", "inputs: expected a finite number, found inf"),
    ("inputs: " + "9" * 10_000, "cannot be read as YAML: Exceeds the limit"),
    ("inputs: 2020-01-01", "inputs: expected a whole number, found '2020-01-01'"),
    ("inputs: 0x10", "inputs: expected a whole number, found '0x10'"),
    ("inputs: 1:30", "inputs: expected a whole number, found '1:30'"),
    ("inputs: 1\nlayers: [{dense: 2, bias: no}]\nloss: huber", "layers[0].bias: expected true or false, found 'no'"),
    ("inputs: 2\0", "cannot be read as YAML"),
    ("[" * 100_000, "expected at most 16 levels of nesting"),
    ("a:\n" + "".join(" " * depth + "a:\n" for depth in range(1, 900)), "expected at most 16 levels of nesting"),
    ("{" * 50 + "}" * 50, "expected at most 16 levels of nesting"),
    ("#" * (MAX_BYTES + 1), "expected at most 1,000,000 bytes, found more"),
    ("inputs: 2\n" + "[]," * 10, "line 2"),
]


@pytest.mark.parametrize(("text", "words"), BAD_YAML, ids=lambda value: ascii(value)[:40])
def test_bad_yaml_is_told_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    message = refusal(path)
    assert message.startswith(f"{path}: ")
    assert words in message


BAD_JSON = [
    ("", "expected a mapping of fields, found an empty file"),
    ("{", "line 1, column 2"),
    ("{\n  'inputs': 2}", "line 2, column 3"),
    ('{"inputs": 2, "inputs": 3}', "found the field 'inputs' twice"),
    ('{"inputs": NaN}', "inputs: expected a finite number, found nan"),
    ('{"inputs": -Infinity}', "inputs: expected a finite number, found -inf"),
    ('{"inputs": 1e999}', "inputs: expected a finite number, found inf"),
    ('{"inputs": ' + "9" * 10_000 + "}", "cannot be read as JSON: Exceeds the limit"),
    ("[" * 100_000, "cannot be read as JSON"),
    ("[" * 50 + "]" * 50, "expected at most 16 levels of nesting"),
    ("[1]", "expected a mapping of fields, found [1]"),
    ("null", "expected a mapping of fields, found None"),
]


@pytest.mark.parametrize(("text", "words"), BAD_JSON, ids=lambda value: ascii(value)[:40])
def test_bad_json_is_told_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(write(tmp_path, text, "net.json"))


NUMBERS = [
    ("1e-3", 1e-3),
    ("1E-3", 1e-3),
    ("1.0e-3", 1e-3),
    ("+.5", 0.5),
    ("5.", 5.0),
    ("010", 10.0),
    ("+3", 3.0),
]


@pytest.mark.parametrize(("text", "value"), NUMBERS)
def test_numbers_in_yaml_are_what_they_look_like(tmp_path: Path, text: str, value: float) -> None:
    path = write(tmp_path, json.dumps(SMALL)[:-1] + f', "weight_decay": {text}}}')
    assert load_spec(path).weight_decay == value


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert load_spec(write(tmp_path, b"\xef\xbb\xbf" + json.dumps(SMALL).encode())) == load_spec(SMALL)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    assert "expected UTF-8 text, found byte 0xff at 8" in refusal(write(tmp_path, b"inputs: \xff"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nothing.yaml", "nothing.yaml: cannot be read: No such file or directory"),
        ("net.toml", "net.toml: expected a file that ends in .yaml, .yml, .json, found '.toml'"),
        ("net", "net: expected a file that ends in .yaml, .yml, .json, found ''"),
        ("null\0.yaml", "cannot be read"),
        (".", "expected a file that ends in"),
    ],
)
def test_a_path_that_is_no_spec_is_refused(name: str, words: str) -> None:
    assert words in refusal(name)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").mkdir()
    assert "cannot be read: found a directory, expected a regular file" in refusal(tmp_path / "net.yaml")


# --- there and back -----------------------------------------------------------------------------------------------

POSITIVE = st.floats(1e-300, 1e300)
BELOW_ONE = st.floats(0, 1, exclude_max=True)
COUNTS = st.integers(1, 1_000)
SEEDS = st.integers(0, 2**63 - 1)
FRACTIONS = st.floats(0.01, 0.49)
NAMES = st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="\ufeff"), min_size=1, max_size=20)


def choices(table: Any, formulas: list[str]) -> st.SearchStrategy[Any]:
    finite = st.floats(allow_nan=False, allow_infinity=False)
    named = [st.just(name) for name in table]
    tuned = [
        st.fixed_dictionaries({name: st.fixed_dictionaries({}, optional=dict.fromkeys(table[name].parameters, finite))})
        for name in table
    ]
    return st.one_of(*named, *tuned, st.sampled_from(formulas).map(lambda text: {"formula": text}))


ACTIVATION_CHOICES = choices(ACTIVATIONS, ["x", "x*tanh(softplus(x))"])
DENSE = st.fixed_dictionaries(
    {"dense": COUNTS},
    optional={
        "bias": st.booleans(),
        "activation": st.none() | ACTIVATION_CHOICES,
        "initialiser": st.none() | st.sampled_from(sorted(INITIALISERS)),
    },
)
SPECS = st.fixed_dictionaries(
    {
        "inputs": COUNTS,
        "layers": st.tuples(
            DENSE, st.lists(DENSE | st.fixed_dictionaries({"activation": ACTIVATION_CHOICES}), max_size=4)
        ).map(lambda layers: [layers[0], *layers[1]]),
        "loss": choices(LOSSES, ["log(cosh(output - target))"]),
    },
    optional={
        "weight_decay": st.just(0) | POSITIVE,
        "training": st.fixed_dictionaries(
            {},
            optional={
                "optimiser": st.sampled_from(sorted(OPTIMISERS)),
                "learning_rate": POSITIVE,
                "momentum": BELOW_ONE,
                "beta1": BELOW_ONE,
                "beta2": BELOW_ONE,
                "epsilon": POSITIVE,
                "batch_size": COUNTS,
                "epochs": COUNTS,
                "seed": SEEDS,
                "patience": st.none() | COUNTS,
            },
        ),
        "data": st.one_of(
            st.none(),
            st.just("digits"),
            st.fixed_dictionaries({"name": st.just("digits")}, optional={"test_fraction": FRACTIONS, "seed": SEEDS}),
            st.fixed_dictionaries(
                {"file": NAMES, "target": NAMES | st.lists(NAMES, min_size=1, max_size=3)},
                optional={
                    "task": st.sampled_from(["auto", "classification", "regression"]),
                    "test_fraction": FRACTIONS,
                    "validation_fraction": FRACTIONS,
                    "seed": SEEDS,
                },
            ),
        ),
    },
)


@given(SPECS)
def test_a_spec_survives_the_way_to_plain_values_and_back(plain: dict[str, Any]) -> None:
    spec = load_spec(plain)
    assert load_spec(spec.to_dict()) == spec


@given(SPECS)
def test_a_spec_survives_the_way_through_a_file(
    tmp_path_factory: pytest.TempPathFactory, plain: dict[str, Any]
) -> None:
    spec, folder = load_spec(plain), tmp_path_factory.getbasetemp()
    as_json = json.dumps(spec.to_dict(), allow_nan=False)
    as_yaml = yaml.safe_dump(spec.to_dict(), allow_unicode=True)
    assert load_spec(write(folder, as_json, "net.json")) == spec
    assert load_spec(write(folder, as_yaml, "net.yaml")) == spec


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([*ACTIVATIONS, *LOSSES]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [*Spec.model_fields, *Dense.model_fields, *DataSpec.model_fields, "formula", "leaky_relu", "slope"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(st.sampled_from([*Spec.model_fields, "layers.0", "layers.0.activation", "training.seed"]), PLAIN)
def test_whatever_stands_in_a_field_it_is_read_or_refused_in_one_line(path: str, value: Any) -> None:
    source = changed({path: value})
    try:
        spec = load_spec(source)
    except SpecError as error:
        message = str(error)
    else:
        message = "spec: "
        assert load_spec(spec.to_dict()) == spec
    assert message.startswith("spec: ")
    assert "\n" not in message


def test_the_learning_rate_is_that_of_the_optimiser_unless_said() -> None:
    for name, row in OPTIMISERS.items():
        assert TrainingSpec(optimiser=name).learning_rate == row.learning_rate
        assert TrainingSpec(optimiser=name, learning_rate=0.3, epochs=np.int64(3)).learning_rate == 0.3
    with pytest.raises(SpecError) as caught:
        TrainingSpec(optimiser="adm")
    assert "did you mean 'adam'" in str(caught.value)
    assert "more" not in str(caught.value)
