"""Whatever stands anywhere in a spec of either kind, it is read or refused in one sentence of our own."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symnn.errors import SpecError
from symnn.physics_spec import PhysicsSpec, load_physics
from symnn.spec import PURPOSES, Spec, TrainingSpec, load_spec

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
