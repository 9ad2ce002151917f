"""Drawings as DOT text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sympy import Symbol

from codegen import from_expressions
from symnn.inspect import draw
from symnn.inspect.drawing import LABEL, quoted
from symnn.network import Network, dense
from tests.codegen.networks import hinge, lecture, mlp

STATEMENT = re.compile(
    r'  (?:v\d+ -> v\d+ \[(?:label="(?:[^"\\\n]|\\.)*"|style=dashed)\]'
    r'|v\d+ \[label="(?:[^"\\\n]|\\.)*"(?: shape=ellipse| peripheries=2)?\]'
    r"|rankdir=LR|node \[shape=box\])"
)


def is_dot(text: str) -> bool:
    """Whether every line is one of the statements that drawings consist of."""
    first, *statements, last = text.split("\n")
    return (first, last) == ("digraph {", "}") and all(STATEMENT.fullmatch(line) for line in statements)


def test_lecture_graph() -> None:
    assert draw(lecture().with_outputs("e")).splitlines() == [
        "digraph {",
        "  rankdir=LR",
        "  node [shape=box]",
        '  v0 [label="a" shape=ellipse]',
        '  v1 [label="b" shape=ellipse]',
        '  v2 [label="c = a + b"]',
        '  v3 [label="d = b + 1"]',
        '  v4 [label="e = c·d" peripheries=2]',
        '  v0 -> v2 [label="∂c/∂a = 1"]',
        '  v1 -> v2 [label="∂c/∂b = 1"]',
        '  v1 -> v3 [label="∂d/∂b = 1"]',
        '  v2 -> v4 [label="∂e/∂c = d"]',
        '  v3 -> v4 [label="∂e/∂d = c"]',
        "}",
    ]


def test_layers() -> None:
    found = draw(Network(2, (dense(3, "tanh"), dense(2)), "softmax_cross_entropy"))
    assert is_dot(found)
    assert '[label="z1[s,h] = Σ_d W1[h,d]·x[s,d]"]' in found
    assert '[label="∂a1[s,h]/∂u1[s,h] = 1 − tanh(u1[s,h])²"]' in found
    assert found.count("style=dashed") == 2  # the labels, and the maximum that is held constant


def test_neurons() -> None:
    graph = Network(2, (dense(2, "tanh"), dense(1)), "mean_squared_error").graph.unroll()
    found = draw(graph)
    assert is_dot(found)
    assert '[label="W1[0,1]" shape=ellipse]' in found
    assert '[label="∂z1[s,0]/∂W1[0,1] = x[s,1]"]' in found


def test_a_maximum_shares_its_derivative_among_ties() -> None:
    found = draw(mlp([2, 3], ending=hinge))
    assert '[label="∂m[s]/∂u1[s,t] = [u1[s,t] = m[s]]/ties(m[s])"]' in found


@given(st.text(min_size=1, max_size=6).filter(lambda name: name != "e"))
def test_any_name(name: str) -> None:
    x = Symbol(name, real=True)
    assert is_dot(draw(from_expressions({"e": x**2}, [x])))


@pytest.mark.parametrize("label", ['"', "\\", '\\"', "\\N\\G\\l", "]; v0 -> v1 [", "a" * 1_000], ids=ascii)
def test_labels_cannot_end_early(label: str) -> None:
    found = quoted(label)
    assert re.fullmatch(r'"(?:[^"\\]|\\.)*"', found)
    assert len(found) <= 2 * LABEL + 2
    assert found[1:-1].replace('\\"', '"').replace("\\\\", "\\") in (label, label[: LABEL - 1] + "…")
