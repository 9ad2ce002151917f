"""Whatever stands anywhere in a spec of either kind, it is read or refused in one sentence of our own."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codegen import CodegenError
from symnn import checkpoint
from symnn.checkpoint import Checkpoint
from symnn.data import Dataset, load_file, load_frame
from symnn.descent import Descent
from symnn.errors import SpecError, SymnnError
from symnn.network import Network, dense
from symnn.physics_spec import PhysicsSpec, load_physics
from symnn.points import sample
from symnn.solving import solve
from symnn.spec import PURPOSES, Spec, TrainingSpec, load_spec
from symnn.training import train
from symnn.verify import check

pytestmark = pytest.mark.values

LAYERS = [{"dense": 3, "activation": {"leaky_relu": {"slope": 0.1}}, "bias": True, "initialiser": "he_normal"}]
NETWORK: dict[str, Any] = {
    "inputs": 2,
    "layers": [*LAYERS, {"dense": 1}],
    "loss": {"huber": {"delta": 1.0}},
    "weight_decay": 0.1,
    "training": {**TrainingSpec().model_dump(), "patience": 3},
    "data": {"file": "a.csv", "target": ["y"], "task": "auto", "test_fraction": 0.2, "seed": 0},
}
EQUATIONS: dict[str, Any] = {
    "inputs": {"x": [0, 1]},
    "unknowns": ["u"],
    "layers": [*LAYERS, {"dense": 1}],
    "residuals": {"inside": {"equation": ["u_x"], "points": 3, "at": {"x": [0.0]}, "weight": 1.0}},
    "solver": {"adam": 0, "learning_rate": 0.1, "iterations": 3, "memory": 5, "seconds": 1.0, "seed": 0},
}
KINDS: dict[str, tuple[Callable[[Any], object], dict[str, Any]]] = {
    "network": (load_spec, NETWORK),
    "equations": (load_physics, EQUATIONS),
}

VALUES: list[Any] = [
    None, True, 0, 3, -1, 2.5, float("nan"), float("inf"), 2**70, "x", "", "a\nb", b"x", object(), 1j, [], [1], ["x"],
    [None], [[1]], [True], {}, {"a": 1}, {"": 1}, {1: 2}, {"x": [1]}, {"x": None}, {"x": "y"}, {"tanh": {}},
]  # fmt: skip


def steps(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to every field, element and part."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in items:
        yield (*path, step)
        yield from steps(inner, (*path, step))


def replaced(source: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    changed = copy.deepcopy(source)
    target: Any = changed
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return changed


PLACES = [(kind, path) for kind, (_, source) in KINDS.items() for path in steps(source)]
SENTENCE = re.compile(r"^spec: .*(expected|unknown|has none of|is not)")


@pytest.mark.parametrize(("kind", "path"), PLACES, ids=lambda value: value if isinstance(value, str) else str(value))
def test_every_value_in_every_place_is_read_or_refused_in_our_own_words(kind: str, path: tuple[Any, ...]) -> None:
    load, source = KINDS[kind]
    for value in VALUES:
        try:
            load(replaced(source, path, value))
        except SpecError as error:
            message = str(error)
            assert "\n" not in message
            assert SENTENCE.match(message), message
            assert "Input" not in message  # pydantic's wording
            assert "another value" not in message  # a kind of error that has no words of ours


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_that_is_not_finite_is_told_with_its_field(kind: str, tmp_path: Path) -> None:
    load, _ = KINDS[kind]
    for name, text in (("a.json", '{"layers": [{"dense": NaN}]}'), ("a.yaml", "layers: [{dense: .nan}]")):
        (tmp_path / name).write_text(text)
        with pytest.raises(SpecError, match=re.escape("layers[0].dense: expected a finite number, found nan")):
            load(tmp_path / name)


@pytest.mark.parametrize("kind", KINDS)
def test_numpy_numbers_are_numbers(kind: str) -> None:
    load, source = KINDS[kind]
    load({**source, "layers": [{"dense": np.int64(1)}]})


def test_a_spec_of_the_other_kind_is_refused_as_a_whole() -> None:
    with pytest.raises(SpecError, match="spec: expected a spec of a network, found one of differential equations, for"):
        load_spec(EQUATIONS)
    with pytest.raises(SpecError, match="spec: expected a spec of differential equations, found one of a network, for"):
        load_physics(NETWORK)


def test_the_kinds_of_specs_are_told_apart_by_what_only_they_have() -> None:
    network, equations = PURPOSES
    assert network.fields == Spec.model_fields.keys() - PhysicsSpec.model_fields.keys()
    assert equations.fields == PhysicsSpec.model_fields.keys() - Spec.model_fields.keys()


# ------------------------------------------------------------------------------------------- in Python

LINEAR = Network(2, (dense(1),), "mean_squared_error")


def descent(theta: Any = (1, 1, 1), optimiser: Any = "gradient_descent", learning_rate: Any = 0.1) -> Descent:
    return Descent(LINEAR.compile(), theta, optimiser, learning_rate=learning_rate)


IN_PYTHON: dict[str, tuple[Callable[[], object], str]] = {
    "a layer in no list": (lambda: Network(4, dense(3), "mse"), "layers: expected a list of layers, such as"),  # type: ignore[arg-type]
    "NumPy's tanh": (lambda: dense(8, np.tanh), "of x that gives a SymPy expression; 'tanh' is the name of one"),
    "a seed in quotes": (
        lambda: LINEAR.initial_parameters("a"),
        "seed: found 'a', expected a whole number of at least 0",
    ),  # type: ignore[arg-type]
    "a negative seed": (lambda: LINEAR.initial_parameters(-1), "seed: found -1, expected a whole number of at least 0"),
    "a function that gives a number": (lambda: dense(8, lambda _: 1), "which gives an int, expected a name or a"),  # type: ignore[arg-type]
    "a loss of one argument": (lambda: Network(2, (dense(1),), lambda u: u), "loss: found the function <lambda>, exp"),
    "units in quotes": (lambda: dense("8"), "dense: found '8', expected a whole number of at least 1"),  # type: ignore[arg-type]
    "no units": (lambda: dense(0), "dense: found 0, expected a whole number of at least 1"),
    "inputs in quotes": (lambda: Network("2", (dense(1),), "mse"), "inputs: found '2', expected a whole number"),  # type: ignore[arg-type]
    "softmax before a loss that has it": (
        lambda: Network(2, [dense(2), dense(3, "softmax")], "softmax_cross_entropy"),
        "layers[1]: found the activation 'softmax' before a loss that is softmax_cross_entropy, of which it is part",
    ),
    "a checkpoint to begin with": (
        lambda: train(LINEAR, POINTS, POINTS[:, 0], initial=Checkpoint(LINEAR, np.zeros(LINEAR.parameter_count))),
        "initial: found a Checkpoint, expected parameters; initial=….theta begins with those that it has",
    ),
    "a file to begin with": (
        lambda: train(LINEAR, POINTS, POINTS[:, 0], initial="a.safetensors"),
        "initial: found 'a.safetensors', expected parameters; those of a file are symnn.load(…).theta",
    ),
    "a misspelt activation": (lambda: dense(3, "tahn"), "unknown activation 'tahn'; did you mean 'tanh'?"),
    "a misspelt parameter": (lambda: dense(3, {"elu": {"alhpa": 1}}), "activation.elu: unknown parameter 'alhpa'"),
    "a misspelt initialiser": (lambda: dense(3, initialiser="he_norml"), "unknown initialiser 'he_norml'; did you"),
    "no loss": (lambda: Network(2, (dense(1),), None), "loss: found None, expected the name of a loss"),  # type: ignore[arg-type]
    "no loss at all": (lambda: Network(4, [dense(3)]), "Network: loss is missing, expected Network(inputs, layers, lo"),  # type: ignore[call-arg]
    "no rows": (lambda: LINEAR.compile().objective(), "objective: x is missing, expected objective(x, y=…)"),  # type: ignore[call-arg]
    "an unknown option": (
        lambda: Dataset.from_arrays(POINTS, POINTS[:, 0], names=["a"]),  # type: ignore[call-arg]
        "from_arrays: unknown argument 'names'; did you mean 'name'? (known: x, y, task, classes, missing, ignore, ",
    ),
    "an argument too many": (
        lambda: sample([], 1, 2, "sobol", {}, 5),  # type: ignore[call-arg]
        "sample: too many positional arguments, expected sample(",
    ),
    "features of another number": (
        lambda: train(LINEAR, load_frame({"size": [*range(20)], "kind": ["a", "b"] * 10, "t": [*range(20)]}, "t")),
        "found 3 features, expected 2, the inputs of the network; they are 'size', 'kind=a', 'kind=b'",
    ),
    "negative decay": (lambda: Network(2, (dense(1),), "mse", -1), "weight_decay: found -1, expected a finite number"),
    "decay that is no number": (lambda: Network(2, (dense(1),), "mse", float("nan")), "weight_decay: found nan"),
    "a misspelt setting": (lambda: TrainingSpec(epoch=3), "TrainingSpec: unknown field 'epoch'; did you mean 'epochs'"),  # type: ignore[call-arg]
    "a setting without a name": (lambda: TrainingSpec(3), "TrainingSpec: expected fields by name, found 3"),  # type: ignore[misc]
    "a schedule that is none": (
        lambda: LINEAR.compile(schedule="fast"),
        "schedule: found 'fast', expected one of 'auto'",
    ),  # type: ignore[arg-type]
    "arrays as a data set": (lambda: Dataset(1, 2), "Dataset: validation, test, feature_names"),  # type: ignore[call-arg, arg-type]
    "no epochs": (lambda: TrainingSpec(epochs=0), "TrainingSpec: epochs: expected a number of at least 1, found 0"),
    "a setting twice": (lambda: TrainingSpec(lr=1.0, learning_rate=1.0), "found 'lr' and 'learning_rate', which are"),  # type: ignore[call-arg]
    "a graph to check": (lambda: check(LINEAR.graph), "network: found a Graph, expected a Network"),  # type: ignore[arg-type]
    "no y": (lambda: train(LINEAR, [[1, 2]]), "data: found a list, expected a Dataset, or arrays: train(network"),  # type: ignore[call-overload]
    "nothing to train on": (lambda: train(LINEAR), "data: found none, expected a Dataset, or arrays: train(network"),  # type: ignore[call-overload]
    "settings beside the data": (
        lambda: train(LINEAR, [[1, 2]], [1], epochs=3),  # type: ignore[call-overload]
        "train: found epochs=3, expected settings together: train(network, x, y, {'epochs': 3})",
    ),
    "a penalty among the settings": (
        lambda: train(LINEAR, [[1, 2]], [1], {"l1": 0.1}),
        "settings: found 'l1', expected it with the network, whose loss it is part of: Network(…, l1=0.01), or l1",
    ),
    "a penalty beside the data": (
        lambda: train(LINEAR, [[1, 2]], [1], weight_decay=0.1),  # type: ignore[call-overload]
        "train: found weight_decay, expected it with the network",
    ),
    "a misspelt argument of train": (lambda: train(LINEAR, [[1, 2]], [1], modle=1), "unknown argument 'modle'; did"),  # type: ignore[call-overload]
    "classes that are a number": (lambda: load_file("a.npz", "y", classes=5), "classes: found 5, expected a list of"),  # type: ignore[arg-type]
    "samples in quotes": (
        lambda: check(LINEAR, samples="x"),
        "samples: found 'x', expected a whole number of",
    ),  # type: ignore[arg-type]
    "a misspelt setting of train": (lambda: train(LINEAR, [[1, 2]], [1], {"epoch": 3}), "settings: unknown field 'epo"),
    "settings that are none": (lambda: train(LINEAR, [[1, 2]], [1], 3), "settings: found an int, expected a Training"),  # type: ignore[call-overload]
    "a file that is a number": (lambda: load_file(5, "y"), "path: found 5, expected the name of a file"),  # type: ignore[arg-type]
    "a target that is a number": (lambda: load_file("a.npz", 5), "target: found 5, expected the names of columns"),  # type: ignore[arg-type]
    "weights in no file": (lambda: checkpoint.load(None), "path: found None, expected the name of a file"),  # type: ignore[arg-type]
    "bytes for a file": (lambda: checkpoint.load(b"a"), "path: found b'a', expected the name of a file"),  # type: ignore[arg-type]
    "a file to save in": (lambda: checkpoint.save(5, LINEAR, np.ones(3)), "path: found 5, expected the name"),  # type: ignore[arg-type]
    "no network to save": (lambda: checkpoint.save("a", 5, np.ones(3)), "network: found 5, expected a Network"),  # type: ignore[arg-type]
    "a spec that is a number": (lambda: Network.from_spec(5), "spec: found 5, expected the name of a file, or a map"),  # type: ignore[arg-type]
    "a network to descend": (
        lambda: Descent(LINEAR, np.ones(3), "gradient_descent", learning_rate=0.1),
        "expected a Model",
    ),  # type: ignore[arg-type]
    "ragged parameters": (
        lambda: descent([[1], [1, 2]]),
        "theta: found [[1], [1, 2]], expected an array of numbers",
    ),
    "an optimiser of no name": (
        lambda: descent(optimiser=["adam"]),
        "optimiser: found ['adam'], expected a name or",
    ),
    "a rate in quotes": (lambda: descent(learning_rate="0.1"), "learning_rate: found '0.1', expected a finite number"),
    "texts to check": (lambda: check(LINEAR, "x"), "'x' must be a numpy array of float64, found an array of <U1"),
    "x of another width": (lambda: check(LINEAR, np.ones((2, 3))), "'x' must have shape (S, 2), found (2, 3)"),
    "ragged x": (lambda: check(LINEAR, [[1], [1, 2]]), "x: found [[1], [1, 2]], expected an array of numbers"),  # type: ignore[list-item]
    "theta of another length": (lambda: check(LINEAR, theta=[1, 2]), "theta: found an array of int64 with shape (2,)"),
    "a change of settings": (lambda: setattr(TrainingSpec(), "epochs", 3), "TrainingSpec: epochs: expected no change"),
    "a setting taken away": (lambda: delattr(TrainingSpec(), "epochs"), "TrainingSpec: epochs: expected no change"),
}


POINTS = np.random.default_rng(0).normal(size=(20, 2))
HOW: dict[str, Any] = {"task": "auto", "classes": None, "missing": "refuse", "ignore": (), "categorical": ()}
SPLIT: dict[str, Any] = {"seed": 0, "validation_fraction": 0.1, "test_fraction": 0.1}
CALLS: dict[str, tuple[Callable[..., object], dict[str, Any]]] = {
    "load_file": (load_file, {"path": "{file}", "target": "t", "separator": ",", "decimal": ".", **HOW, **SPLIT}),
    "load_frame": (load_frame, {"frame": {"a": [*range(20)], "t": [*range(20)]}, "target": "t", **HOW, **SPLIT}),
    "from_arrays": (
        Dataset.from_arrays,
        {"x": POINTS, "y": POINTS.sum(axis=1), "feature_names": ["a", "b"], "name": "n", **HOW, **SPLIT},
    ),
    "train": (
        train,
        {"network": LINEAR, "data": POINTS, "y": POINTS[:, 0], "settings": {"epochs": 1}, "model": None,
         "initial": None, "progress": False, "on_epoch": list[object]().append},
    ),
    "check": (
        check,
        {"network": LINEAR, "x": POINTS[:2], "y": POINTS[:2, :1], "theta": np.ones(3), "methods": ("central",),
         "dtype": "float64", "samples": 2, "seed": 0},
    ),
    "solve": (
        solve,
        {"objective": lambda theta: (float(theta @ theta), 2 * theta), "theta": np.ones(2), "adam": 0, "seconds": 1.0,
         "learning_rate": 0.1, "iterations": 2, "memory": 3, "callback": None, "progress": False},
    ),
    "sample": (sample, {"ranges": [(0.0, 1.0)], "count": 3, "seed": 0}),
    "dense": (dense, {"units": 3, "activation": "tanh", "bias": True, "initialiser": "zeros"}),
    "Network": (Network, {"inputs": 2, "layers": (dense(1),), "loss": "mse", "weight_decay": 0.1}),
    "save": (checkpoint.save, {"path": "{file}.m", "network": LINEAR, "theta": np.ones(3), "dataset": None}),
    "load": (checkpoint.load, {"path": "{file}.m"}),
    "initial_parameters": (LINEAR.initial_parameters, {"seed": 0}),
    "predict": (checkpoint.Checkpoint(LINEAR, np.ones(3)).predict, {"x": POINTS}),
}  # fmt: skip
"""Functions of the public interface, and arguments that are right."""


@pytest.mark.parametrize("name", CALLS)
def test_every_value_in_place_of_every_argument_is_taken_or_refused_in_our_own_words(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # some values are good names of files
    file = tmp_path / "a.csv"
    file.write_text("a,b,t\n" + "".join(f"{i},{i % 5},{i % 2}\n" for i in range(30)))
    checkpoint.save(f"{file}.m", LINEAR, np.ones(3))
    call, right = CALLS[name]
    right = {key: value.format(file=file) if isinstance(value, str) else value for key, value in right.items()}
    call(**right)
    values = [value for value in VALUES if value != "a\nb"]  # the name of a file is told as it is
    for argument in right:
        for value in [*values, np.ones((2, 2)), np.array(["a"])]:
            message = ""
            try:
                call(**{**right, argument: value})
            except (SymnnError, CodegenError) as error:
                message = str(error)
            assert "\n" not in message


@pytest.mark.parametrize("what", IN_PYTHON)
def test_a_mistake_in_python_is_one_sentence(what: str) -> None:
    call, words = IN_PYTHON[what]
    with pytest.raises(SymnnError) as caught:
        call()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_synonyms_are_read_in_specs_and_in_python() -> None:
    found = load_spec(
        {
            "inputs": 2,
            "layers": [{"dense": 3, "activation": "swish", "initializer": "he_normal"}, {"dense": 1}],
            "loss": "mse",
            "training": {"optimizer": "sgd", "lr": 0.5},
        }
    )
    written = Network(2, [dense(3, "swish", initialiser="he_normal"), dense(1)], "mse")
    network = Network.from_spec(found)
    assert network.graph == written.graph == Network(2, (dense(3, "silu"), dense(1)), "mean_squared_error").graph
    assert (found.training.optimiser, found.training.learning_rate) == ("gradient_descent", 0.5)
    assert found.training == TrainingSpec(optimizer="sgd", lr=0.5)  # type: ignore[call-arg]
    assert TrainingSpec(optimizer="sgd", momentum=0.9).optimiser == "momentum"  # type: ignore[call-arg]
    assert load_spec(found.to_dict()) == found
    assert "mse" not in str(found.to_dict())


def test_the_case_of_a_name_does_not_count() -> None:
    spec = {
        "inputs": 2,
        "layers": [{"dense": 3, "activation": "ReLU", "initialiser": "He_Normal"}, {"dense": 1}],
        "loss": "MSE",
        "training": {"optimiser": "Adam"},
    }
    found = load_spec(spec)
    written = Network(2, [dense(3, "relu", initialiser="he_normal"), dense(1)], "mse")
    assert Network.from_spec(found).graph == written.graph
    assert found.training.optimiser == "adam"


def test_an_activation_with_parameters_is_written_as_in_a_spec() -> None:
    layers = [{"dense": 3, "activation": {"leaky_relu": {"slope": 0.1}}}, {"dense": 1}]
    spec = {"inputs": 2, "layers": layers, "loss": {"huber": {"delta": 0.5}}}
    network = Network(2, [dense(3, {"leaky_relu": {"slope": 0.1}}), dense(1)], {"huber": {"delta": 0.5}})
    assert network.graph == Network.from_spec(spec).graph


def test_check_takes_what_numpy_makes_arrays_of() -> None:
    assert check(LINEAR, [[1.0, 2.0]], [[3.0]], [1, 2, 3]).passed


def test_weights_are_saved_in_a_dtype_of_numpy(tmp_path: Path) -> None:
    network = Network.from_spec({"inputs": 2, "layers": [{"dense": 1}], "loss": "mse"})
    checkpoint.save(tmp_path / "a", network, np.ones(3), dtype=np.float32)
    assert checkpoint.load(tmp_path / "a").theta.dtype == np.float32
