"""Notebooks: what objects show of themselves is whole, escaped, and short in a terminal."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from sympy import Symbol, symbols

import codegen
import codegen.numeric
from codegen.compare.report import Agreement, Comparison, Outcome
from symnn.checkpoint import Checkpoint
from symnn.data import Dataset
from symnn.ensembles import Ensemble
from symnn.evaluation import ClassEvaluation, NumberEvaluation
from symnn.network import Network, dense
from symnn.physics import Physics, Residual
from symnn.solving import Solution
from symnn.training import TrainingResult, train

NETWORK = Network(2, (dense(3, "tanh"), dense(2)), "softmax_cross_entropy")
X = np.random.default_rng(0).normal(size=(60, 2))
DATA = Dataset.from_arrays(X, np.where(X[:, 0] > 0, "<b>", "&"), task="classification")
SVG = "{http://www.w3.org/2000/svg}"
a, b = symbols("a b")
GRAPH = codegen.from_expressions({"c": a * b, "d": a + 1}, [a, b])


@cache
def trained() -> TrainingResult:
    return train(NETWORK, DATA, {"epochs": 4}, progress=False)


@cache
def compiled() -> codegen.CompiledFunction:
    return codegen.compile(GRAPH)


PHYSICS = Physics("x t", "u", (dense(3, "tanh"), dense(1)), (Residual("<i>&", "u_t - u_xx"),))

SHOWN: dict[str, Callable[[], Any]] = {
    "network": lambda: NETWORK,
    "data": lambda: DATA,
    "training": trained,
    "graph": lambda: GRAPH,
    "equation": lambda: GRAPH.equations[0],
    "function": compiled,
    "check": lambda: codegen.numeric.check_gradient(GRAPH.with_outputs("c"), "c", {"a": 2.0, "b": 3.0}),
    "comparison": lambda: Comparison((Agreement("<b>", "JAX", Outcome.AGREES, 1e-16),)),
    "classes": lambda: ClassEvaluation.of(["<b>", "&"], np.array([0, 1, 1]), np.array([0, 1, 0])),
    "numbers": lambda: NumberEvaluation.of(["<y>"], X[:3, :1], X[1:4, :1]),
    "ensemble": lambda: Ensemble((Checkpoint(NETWORK, np.zeros(17)),), np.ones((2, 1))),
    "physics": lambda: PHYSICS,
    "solution": lambda: Solution(np.zeros(3), 0.5, 7, 0.1, "out of <time>"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_shown_is_well_formed_and_what_is_printed_is_short(name: str) -> None:
    ElementTree.fromstring(SHOWN[name]()._repr_html_())
    assert len(repr(SHOWN[name]())) < 120


def test_networks_show_their_formulas_and_trainings_their_curves() -> None:
    shown = NETWORK._repr_html_()
    assert 'data-v="dloss/dW1"' in shown
    assert shown.count('<g class="vertex') == len(NETWORK.forward_graph.variables)
    assert "align*" in NETWORK._repr_latex_()
    assert trained()._repr_svg_().count("<polyline") == 2  # training and validation
    assert "source" in compiled()._repr_html_()
    assert GRAPH.equations[0]._repr_latex_() == "$\\displaystyle c = a\\,b$"


@pytest.mark.parametrize("name", ["graph", "function", "network", "training"])
def test_pictures_stand_alone(name: str) -> None:
    root = ElementTree.fromstring(SHOWN[name]()._repr_svg_())
    assert root.tag == f"{SVG}svg"
    assert root.get("aria-label")
    assert root.find(f"{SVG}style") is not None


def test_names_never_become_markup() -> None:
    hostile = Symbol("<script>alert(1)</script>\"'&", real=True)
    graph = codegen.from_expressions({"</style><img src=x>": hostile**2 + a}, [hostile, a])
    for written in (graph._repr_html_(), graph._repr_svg_(), graph.equations[0]._repr_html_()):
        tags = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(written).iter()}
        assert not tags & {"script", "img"}


def test_a_notebook_takes_what_is_shown() -> None:
    formatter = pytest.importorskip("IPython.core.formatters").DisplayFormatter()
    for make in SHOWN.values():
        formats, _ = formatter.format(make())
        assert {"text/plain", "text/html"} <= set(formats)
