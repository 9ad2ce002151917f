"""The page of formulas: exact texts for the lecture's networks, all activations and losses, and what is refused."""

import re
from collections.abc import Callable

import pytest
from sympy import symbols, tanh

import symnn
from codegen import from_expressions, gradient
from symnn.activations import ACTIVATIONS
from symnn.inspect import formulas
from symnn.inspect.errors import InspectError
from symnn.losses import LOSSES
from symnn.network import Network, dense
from tests.codegen.networks import lecture, mlp

DIGITS = Network(64, (dense(32, "tanh"), dense(10)), "softmax_cross_entropy")


def section(page: str, heading: str) -> str:
    """The lines under a heading, without their indentation."""
    block = next(block for block in page.split("\n\n") if block.startswith(heading))
    return "\n".join(line.strip() for line in block.splitlines()[1:])


def line(page: str, target: str) -> str:
    """The equation of a vertex."""
    return next(line.strip() for line in page.splitlines() if line.strip().startswith(target))


# --- whole pages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("style", "ending"), [("text", "txt"), ("latex", "tex")])
def test_digits(style: str, ending: str, golden: Callable[[str, str], None]) -> None:
    golden(f"formulas_digits.{ending}", formulas(DIGITS, style=style) + "\n")


def test_linear_classifier() -> None:
    page = formulas(Network(2, (dense(2),), "softmax_cross_entropy"))
    assert section(page, "Forward pass") == "z1[s,t] = Σ_d W1[t,d]·x[s,d]\noutput[s,t] = z1[s,t] + b1[t]"
    assert section(page, "Loss").splitlines() == [
        "m[s] = max_t const(output[s,t])",
        "e[s,t] = exp(output[s,t] − m[s])",
        "Z[s] = Σ_t e[s,t]",
        "lse[s] = log(Z[s]) + m[s]",
        "score[s] = Σ_t {output[s,t] if y[s] = t, else 0}",
        "loss = 1/S Σ_s (lse[s] − score[s])",
    ]
    assert section(page, "Gradient").splitlines() == [
        "p[s,t] = e[s,t]/Z[s]",
        "δ1[s,t] = ∂loss/∂output[s,t] = (p[s,t] − [y[s] = t])/S",
        "∂loss/∂W1[t,d] = Σ_s δ1[s,t]·x[s,d]",
        "∂loss/∂b1[t] = Σ_s δ1[s,t]",
    ]


def test_lecture_graph_as_latex() -> None:
    assert formulas(lecture(), style="latex").split("\n\n")[:3] == [
        "\\section*{Forward pass}\n\\begin{align*}\n  c &= a + b \\\\\n  d &= b + 1\n\\end{align*}",
        "\\section*{Loss}\n\\begin{align*}\n  e &= c\\,d\n\\end{align*}",
        "\\section*{Gradient (backpropagation)}\n\\begin{align*}\n"
        "  \\frac{\\partial e}{\\partial a} &= d \\\\\n  \\frac{\\partial e}{\\partial b} &= c + d\n\\end{align*}",
    ]


def test_neurons() -> None:
    page = formulas(Network(2, (dense(2, "tanh"), dense(1)), "mean_squared_error"), level="neurons")
    assert section(page, "Forward pass").splitlines() == [
        "z1[s,0] = W1[0,0]·x[s,0] + W1[0,1]·x[s,1]",
        "z1[s,1] = W1[1,0]·x[s,0] + W1[1,1]·x[s,1]",
        "u1[s,0] = z1[s,0] + b1[0]",
        "u1[s,1] = z1[s,1] + b1[1]",
        "a1[s,0] = tanh(u1[s,0])",
        "a1[s,1] = tanh(u1[s,1])",
        "z2[s,0] = W2[0,0]·a1[s,0] + W2[0,1]·a1[s,1]",
        "output[s,0] = z2[s,0] + b2[0]",
    ]
    assert line(page, "δ1[s,1]") == "δ1[s,1] = ∂loss/∂u1[s,1] = ∂loss/∂a1[s,1]·(1 − a1[s,1]²)"
    assert line(page, "∂loss/∂W1[1,0]") == "∂loss/∂W1[1,0] = Σ_s δ1[s,1]·x[s,0]"


def test_neurons_of_every_sample() -> None:
    page = formulas(Network(1, (dense(1),), "mean_squared_error"), level="neurons", samples=2)
    assert line(page, "loss") == "loss = element[0]/2 + element[1]/2"
    assert line(page, "∂loss/∂W1") == "∂loss/∂W1[0,0] = δ1[0,0]·x[0,0] + δ1[1,0]·x[1,0]"
    assert "Operations for 2 samples" in page


def test_weight_decay() -> None:
    page = formulas(Network(2, (dense(1),), "mean_squared_error", weight_decay=0.01))
    assert line(page, "loss") == "loss = mean + 0.005·norm1"
    assert line(page, "∂loss/∂W1[t,d]⟨1⟩") == "∂loss/∂W1[t,d]⟨1⟩ = Σ_s δ1[s,t]·x[s,d]"
    assert line(page, "∂loss/∂W1[t,d] =") == "∂loss/∂W1[t,d] = ∂loss/∂W1[t,d]⟨1⟩ + 0.01·W1[t,d]"


# --- all activations and losses -----------------------------------------------------------------------------------

DELTA = "δ1[s,h] = ∂loss/∂u1[s,h] = "
UPPER = r"\frac{\partial \mathcal{L}}{\partial a^{(1)}_{s,h}}\,"
a, c, u = (rf"{letter}^{{(1)}}_{{s,h}}" for letter in "acu")
BACKWARD = {
    "identity": ("Σ_t δ2[s,t]·W2[t,h]", r"\sum_{t} \delta^{(2)}_{s,t}\,W^{(2)}_{t,h}"),
    "tanh": ("∂loss/∂a1[s,h]·(1 − a1[s,h]²)", rf"{UPPER}\left(1 - \left({a}\right)^{{2}}\right)"),
    "sigmoid": ("∂loss/∂a1[s,h]·a1[s,h]·(1 − a1[s,h])", rf"{UPPER}{a}\,\left(1 - {a}\right)"),
    "relu": ("∂loss/∂a1[s,h]·[u1[s,h] > 0]", rf"{UPPER}\left[{u} > 0\right]"),
    "leaky_relu": (
        "∂loss/∂a1[s,h]·{1 if u1[s,h] > 0, else 0.01}",
        rf"{UPPER}\begin{{cases}} 1 & \text{{if }} {u} > 0 \\ 0.01 & \text{{otherwise}} \end{{cases}}",
    ),
    "elu": (
        "∂loss/∂a1[s,h]·{1 if u1[s,h] > 0, else exp(u1[s,h])}",
        rf"{UPPER}\begin{{cases}} 1 & \text{{if }} {u} > 0 \\ \exp\left({u}\right) & \text{{otherwise}} \end{{cases}}",
    ),
    "relu6": (
        "∂loss/∂a1[s,h]·[u1[s,h] < 6]·[u1[s,h] > 0]",
        rf"{UPPER}\left[{u} < 6\right]\,\left[{u} > 0\right]",
    ),
    "hard_tanh": (
        "∂loss/∂a1[s,h]·[u1[s,h] < 1]·[u1[s,h] > −1]",
        rf"{UPPER}\left[{u} < 1\right]\,\left[{u} > -1\right]",
    ),
    "softplus": ("∂loss/∂a1[s,h]·σ(u1[s,h])", rf"{UPPER}\sigma\left({u}\right)"),
    "silu": (
        "∂loss/∂a1[s,h]·c1[s,h]·(u1[s,h]·(1 − c1[s,h]) + 1)",
        rf"{UPPER}{c}\,\left({u}\,\left(1 - {c}\right) + 1\right)",
    ),
    "gelu": (
        "∂loss/∂a1[s,h]·(c1[s,h] + √2·u1[s,h]·exp(−u1[s,h]²/2)/(2·√π))",
        rf"{UPPER}\left({c} + \frac{{\sqrt{{2}}\,{u}\,\exp\left(-\frac{{\left({u}\right)^{{2}}}}{{2}}\right)}}"
        r"{2\,\sqrt{\pi}}\right)",
    ),
    "gelu_tanh": (
        "∂loss/∂a1[s,h]·(u1[s,h]·(1 − c1[s,h]²)·(√2·(0.044715·u1[s,h]² + 1)/√π + 0.08943·√2·u1[s,h]²/√π)/2 "
        "+ c1[s,h]/2 + 1/2)",
        None,
    ),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_backpropagation_through_every_activation(name: str) -> None:
    network = Network(2, (dense(3, name), dense(2)), "softmax_cross_entropy")
    as_text, as_latex = BACKWARD[name]
    assert line(formulas(network), "δ1") == DELTA + as_text
    if as_latex is not None:
        found = line(formulas(network, style="latex"), r"\delta^{(1)}")
        assert found.removesuffix(r" \\").split(" = ", 1)[1] == as_latex


PAIRS = [
    pytest.param(name, loss, marks=() if name == "tanh" or loss == "huber" else pytest.mark.slow)
    for name in ACTIVATIONS
    for loss in LOSSES
]


@pytest.mark.parametrize(("name", "loss"), PAIRS)
def test_the_gradient_costs_at_most_five_times_the_loss(name: str, loss: str) -> None:
    page = formulas(Network(3, (dense(4, name), dense(4, name), dense(2)), loss))
    ratio = re.search(r"ratio +(\d+\.\d\d)", page)
    assert ratio is not None
    assert 1 < float(ratio[1]) <= 5
    assert page.splitlines() == page.split("\n")


# --- other graphs -------------------------------------------------------------------------------------------------


def test_a_gradient_graph_is_shown_as_it_is() -> None:
    assert formulas(DIGITS.gradient_graph) == formulas(DIGITS)


def test_a_graph_of_ones_own() -> None:
    page = formulas(mlp([2, 3, 2]))
    assert line(page, "δ2[s,t]") == "δ2[s,t] = ∂loss/∂u2[s,t] = (p[s,t] − [y[s] = t])/S"


def test_a_forward_pass_alone() -> None:
    page = formulas(DIGITS.forward_graph)
    assert "Loss" not in page
    assert "Gradient" not in page
    assert not re.search(r"^ +ratio", page, re.MULTILINE)


def test_several_outputs() -> None:
    x = symbols("x")
    page = formulas(from_expressions({"f": tanh(x), "g": x**2}, [x]))
    assert section(page, "Loss") == "f = tanh(x)\ng = x²"
    assert section(page, "Gradient") == "∂f/∂x = 1 − f²\n∂g/∂x = 2·x"


def test_second_derivatives() -> None:
    x, w = symbols("x w")
    first = gradient(from_expressions({"e": tanh(w * x)}, [w, x]), "e", ["x"])
    page = formulas(gradient(first.with_outputs("de/dx"), "de/dx", ["w"]))
    assert "∂²e/∂x∂w = " in page


# --- what is refused ----------------------------------------------------------------------------------------------

REFUSED = [
    ({"level": "neuron"}, "unknown level 'neuron'; did you mean 'neurons'?"),
    ({"style": "html"}, r"unknown style 'html' \(known: text, latex\)"),
    ({"samples": 0}, "samples: found 0, expected a positive whole number or None"),
    ({"samples": 2.5}, "samples: found 2.5, expected a positive whole number or None"),
    (
        {"level": "neurons", "samples": 32},
        r"level 'neurons': found [\d,]+ scalar equations with [\d,]+ names in them, expected at most 5,000 and 200,000",
    ),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InspectError, match=message):
        formulas(DIGITS, **options)


def test_a_name_stands_for_one_derivative_alone() -> None:
    left, right = symnn.inputs(left=2, right=2)
    shared = symnn.dense(3, "tanh")
    twice = Network.of(symnn.dense(1)(shared(left) + shared(right)), "mean_squared_error")
    attending = Network({"time": 3, "features": 2}, (symnn.attention(1), symnn.dense(1)), "mean_squared_error")
    for network in (twice, attending):
        names = [line.split(" = ")[0] for line in formulas(network).splitlines() if " = " in line]
        assert len(set(names)) == len(names)
    assert "δ1'[s,h] = ∂loss/∂u1'[s,h]" in formulas(twice)
