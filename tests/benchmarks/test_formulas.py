"""What peers are given is the formula that ours is, and a wrong value is said to be wrong."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import codegen
from codegen.numeric import evaluate_exactly, rounded
from tests.benchmarks import formula_peers, formulas
from tests.benchmarks.formula_peers import Peer, System


def system(name: str, values: dict[str, np.ndarray]) -> System:
    case = formulas.CASES[name]
    return System(case.entries()[0], case.kind, case.of, values, case.wrt or list(values), 300)


def test_peers_are_given_the_same_formula() -> None:
    values = {"c": np.linspace(0.5, 1.5, 10), "T": np.array(1.1)}
    found = system("mass action 10/25", values)
    theirs = found.results(found.point, found.parameters, math)
    graph = formulas.CASES["mass action 10/25"].read()
    ours = codegen.compile(graph, tier="quick", cache=False)(*values.values())
    np.testing.assert_allclose(theirs, ours, rtol=1e-13)


SEVERAL = ("mass action 10/25", "watson 12 gradient", "determinant 6", "written out 300", "geopotential gradient")


@pytest.mark.parametrize("name", SEVERAL)
def test_what_is_timed_has_the_values_of_mpmath(name: str) -> None:
    case = formulas.CASES[name]
    derived = case.derive(case.read())
    draw = np.random.default_rng(0)
    values = {variable.name: np.asarray(draw.uniform(0.5, 1.5, variable.shape)) for variable in derived.inputs}
    found = codegen.compile(derived, cache=False)(*values.values())
    exact = evaluate_exactly(derived, values)
    for output, ours in zip(derived.outputs, found):
        right = rounded(exact[output])
        np.testing.assert_allclose(ours, right, rtol=1e-12, atol=1e-13 * np.abs(right).max())


@pytest.mark.parametrize(("factor", "said"), [(1.0, ""), (1.001, "wrong by 1e-03")])
def test_a_peer_whose_values_are_wrong_is_shown_as_wrong(monkeypatch, factor: float, said: str) -> None:
    ours = np.arange(1.0, 4.0)
    peer = Peer(lambda _: lambda: ours * factor, "numpy", 10)
    monkeypatch.setattr(formula_peers, "PEERS", {"other": peer, "large": Peer(peer.build, "numpy", 5)})
    text = formulas.beside("other", SimpleNamespace(size=7), ours)
    assert text.partition(", ")[2] == said
    assert formulas.beside("large", SimpleNamespace(size=7), ours) == "over 5"


def test_a_peer_that_is_missing_is_named(monkeypatch) -> None:
    monkeypatch.setattr(formula_peers, "PEERS", {"other": Peer(lambda _: np.zeros, "no_such_library", 10)})
    assert formulas.beside("other", SimpleNamespace(size=7), np.zeros(3)) == "not installed"
