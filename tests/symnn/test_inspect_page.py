"""Notebooks: what objects show of themselves is whole, escaped, and short in a terminal."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from sympy import symbols

import codegen
from symnn.data import Dataset
from symnn.inspect.errors import InspectError
from symnn.inspect.layered import drawing
from symnn.inspect.page import curves
from symnn.network import Network, dense
from symnn.training import TrainingResult, train

NETWORK = Network(2, (dense(3, "tanh"), dense(2)), "softmax_cross_entropy")
X = np.random.default_rng(0).normal(size=(60, 2))
DATA = Dataset.from_arrays(X, np.where(X[:, 0] > 0, "<b>", "&"), task="classification")
a, b = symbols("a b")
GRAPH = codegen.from_expressions({"c": a * b, "d": a + 1}, [a, b])


@cache
def trained() -> TrainingResult:
    return train(NETWORK, DATA, {"epochs": 4}, progress=False)


@cache
def compiled() -> codegen.CompiledFunction:
    return codegen.compile(GRAPH)


SHOWN: dict[str, Callable[[], Any]] = {
    "network": lambda: NETWORK,
    "data": lambda: DATA,
    "training": trained,
    "graph": lambda: GRAPH,
    "function": compiled,
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_shown_is_well_formed_and_what_is_printed_is_short(name: str) -> None:
    ElementTree.fromstring(f"<div>{SHOWN[name]()._repr_html_()}</div>")
    assert len(repr(SHOWN[name]())) < 120


def test_networks_show_their_formulas_and_trainings_their_curves() -> None:
    shown = NETWORK._repr_html_()
    assert "∂loss/∂W1[h,d]" in shown
    assert shown.count("<rect") == len(NETWORK.forward_graph.variables)
    assert "align*" in NETWORK._repr_latex_()
    assert trained()._repr_svg_().count("<polyline") == 2  # training and validation
    assert "source" in compiled()._repr_html_()
    assert GRAPH.equations[0]._repr_latex_() == "$\\displaystyle c = a b$"


def test_a_drawing_puts_everything_behind_what_it_reads() -> None:
    boxes = ElementTree.fromstring(drawing(NETWORK.graph)).findall("{http://www.w3.org/2000/svg}rect")
    names = list(NETWORK.graph.variables)
    left = {name: float(box.get("x", "nan")) for name, box in zip(names, boxes)}
    assert len(boxes) == len(names)
    for equation in NETWORK.graph.equations:
        assert all(
            left[cell.name] < left[equation.name] for r in equation.references for cell in NETWORK.graph.resolve(r)
        )


def test_a_graph_that_nobody_can_follow_is_not_drawn() -> None:
    many = codegen.from_expressions({f"c{k}": a + k for k in range(300)}, [a])
    with pytest.raises(InspectError, match="found 301 variables, expected at most 300 to be drawn"):
        drawing(many)


def test_curves_leave_out_what_is_not_finite() -> None:
    shown = ElementTree.fromstring(curves({"loss": [1.0, None, float("nan"), 0.5]}, "epoch"))
    (line,) = shown.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(line.get("points", "").split()) == 2
    assert curves({"loss": [None]}, "epoch") == ""
