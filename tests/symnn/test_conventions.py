"""docs/conventions.md says what is measured: every cell of its tables, where the library is installed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sympy

from codegen.functions import absolute
from symnn.activations import ACTIVATIONS
from symnn.descent import AVERAGED
from symnn.layers.batch_norm import batch_norm
from symnn.layers.layer_norm import layer_norm
from symnn.network import Network, dense
from symnn.optimisers import OPTIMISERS
from symnn.spec import TrainingSpec

PAGE = Path(__file__).parents[2] / "docs" / "conventions.md"
LIBRARIES = ("here", "PyTorch", "Keras", "JAX")
BATCH = np.array([[0.0], [1.0], [2.0], [5.0]])


def cells() -> dict[tuple[str, str], str]:
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        parts = [part.strip() for part in line.strip("|").split("|")]
        if line.startswith("|") and len(parts) == 5 and parts[0] not in ("line", "---"):
            found |= {(parts[0], library): cell for library, cell in zip(LIBRARIES, parts[1:]) if cell}
    return found


CELLS = cells()


# --- the same questions to each ---------------------------------------------------------------------------------------


def here() -> Any:
    x = sympy.Symbol("x", real=True)
    functions = {name: row(x) for name, row in ACTIVATIONS.items()} | {"abs": absolute(x)}

    def value(name: str, at: float, order: int = 0) -> float:
        return float(functions[name].diff(x, order).subs(x, at).evalf(30))

    def step(name: str, **numbers: float) -> float:
        letters = {"theta": 0, "mean": 0, "square": 0, "step": 1, "decay": 0}
        given = {k: sympy.Float(v, 30) for k, v in {**letters, **numbers}.items()}
        return -float(OPTIMISERS[name].rule(**given)["theta"])

    return SimpleNamespace(value=value, step=step)


def pytorch() -> Any:
    torch = pytest.importorskip("torch")
    names = {"abs": torch.abs, "hard_sigmoid": torch.nn.functional.hardsigmoid}

    def value(name: str, at: float, order: int = 0) -> float:
        x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
        y = names.get(name, getattr(torch.nn.functional, name, None))(x)
        return float(torch.autograd.grad(y, x)[0] if order else y.detach())

    def step(make: Any, **settings: float) -> float:
        theta = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        theta.grad = torch.full_like(theta, 1e-7)
        make([theta], **settings).step()
        return -float(theta.detach())

    return SimpleNamespace(value=value, step=step, torch=torch)


def keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("keras")
    torch = pytest.importorskip("torch")
    import keras

    def value(name: str, at: float, order: int = 0) -> float:
        x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
        y = keras.ops.absolute(x) if name == "abs" else keras.activations.get(name)(x)
        return float(torch.autograd.grad(y, x)[0] if order else y.detach())

    def step(optimiser: Any) -> float:
        theta = keras.Variable(np.zeros(1), dtype="float64")
        optimiser.apply([keras.ops.convert_to_tensor(np.array([1e-7]))], [theta])
        return -float(theta.numpy()[0])

    return SimpleNamespace(value=value, step=step, keras=keras)


def jax_() -> Any:
    jax = pytest.importorskip("jax")
    names = {"abs": jax.numpy.abs}

    def value(name: str, at: float, order: int = 0) -> float:
        with jax.enable_x64(True):
            function = names.get(name, getattr(jax.nn, name, None))
            return float((jax.grad(function) if order else function)(np.float64(at)))

    return SimpleNamespace(value=value)


OPEN: Mapping[str, Callable[[], Any]] = {"here": here, "PyTorch": pytorch, "Keras": keras, "JAX": jax_}


# --- the lines --------------------------------------------------------------------------------------------------------


def gelu(it: Any) -> str:
    return {-0.15865525: "exact", -0.15880801: "tanh"}[round(it.value("gelu", -1.0), 8)]


def at(name: str, x: float, order: int = 0) -> Callable[[Any], float]:
    return lambda it: it.value(name, x, order)


ADAM, RMSPROP = {"eps": 1e-7, "lr": 1.0}, {"eps": 1e-7, "lr": 1.0, "alpha": 0.9}
ONE = {"learning_rate": 1.0, "epsilon": 1e-7, "g": 1e-7}


def trained(layer: Any) -> float:
    """What became of a running variance of 0 in one batch, in 4 parts of the unbiased variance."""
    layer(BATCH.astype(np.float32), training=True)
    return float(layer.moving_variance.numpy()[0])


def keras_variance(it: Any) -> str:
    layer = it.keras.layers.BatchNormalization(momentum=0.0)
    return f"{round(4 * trained(layer) / BATCH.var(ddof=1))}/4"


def torch_variance(it: Any) -> str:
    layer = it.torch.nn.BatchNorm1d(1, momentum=1.0)
    layer(it.torch.tensor(BATCH, dtype=it.torch.float32))
    return f"{round(4 * float(layer.running_var) / BATCH.var(ddof=1))}/4"


def our_variance(_: Any) -> str:
    """The running average takes the vertex v, which the equations say."""
    graph = Network(1, (batch_norm(), dense(1)), "huber").training_graph
    (v,) = (e for e in graph.equations if str(e.target).startswith("v1"))
    return "3/4" if "/S" in str(v).replace(" ", "") else str(v)


LINES: Mapping[str, Mapping[str, Callable[[Any], Any]]] = {
    "gelu, unless said": dict.fromkeys(LIBRARIES, gelu),
    "slope of leaky_relu, unless said": dict.fromkeys(LIBRARIES, lambda it: -it.value("leaky_relu", -1.0)),
    "slope of the layer LeakyReLU, unless said": {
        "PyTorch": lambda it: it.torch.nn.LeakyReLU().negative_slope,
        "Keras": lambda it: it.keras.layers.LeakyReLU().negative_slope,
    },
    "hard_sigmoid at 1": dict.fromkeys(LIBRARIES[1:], at("hard_sigmoid", 1.0)),
    "elu(−1), unless said": dict.fromkeys(LIBRARIES, at("elu", -1.0)),
    "softplus(21) − 21": dict.fromkeys(LIBRARIES, lambda it: it.value("softplus", 21.0) - 21),
    "derivative of relu at 0": dict.fromkeys(LIBRARIES, at("relu", 0.0, 1)),
    "derivative of leaky_relu at 0": dict.fromkeys(LIBRARIES, at("leaky_relu", 0.0, 1)),
    "derivative of elu at 0": dict.fromkeys(LIBRARIES, at("elu", 0.0, 1)),
    "derivative of abs at 0": dict.fromkeys(LIBRARIES, at("abs", 0.0, 1)),
    "ε of layer_norm, unless said": {
        "here": lambda it: layer_norm().epsilon,
        "PyTorch": lambda it: it.torch.nn.LayerNorm(1).eps,
        "Keras": lambda it: it.keras.layers.LayerNormalization().epsilon,
    },
    "ε of batch_norm, unless said": {
        "here": lambda it: batch_norm().epsilon,
        "PyTorch": lambda it: it.torch.nn.BatchNorm1d(1).eps,
        "Keras": lambda it: it.keras.layers.BatchNormalization().epsilon,
    },
    "weight of a new batch in the running averages": {
        "here": lambda it: AVERAGED,
        "PyTorch": lambda it: it.torch.nn.BatchNorm1d(1).momentum,
        "Keras": lambda it: 1 - it.keras.layers.BatchNormalization().momentum,
    },
    "running variance of a batch of 4": {
        "here": our_variance,
        "PyTorch": torch_variance,
        "Keras": keras_variance,
    },
    "ε of adam, unless said": {
        "here": lambda it: TrainingSpec(optimiser="adam").epsilon,
        "PyTorch": lambda it: it.torch.optim.Adam([it.torch.zeros(1)]).defaults["eps"],
        "Keras": lambda it: it.keras.optimizers.Adam().epsilon,
    },
    "first step of adam, ε = 1e-7, gradient 1e-7, rate 1": {
        "here": lambda it: it.step("adam", **ONE, beta1=0.9, beta2=0.999),
        "PyTorch": lambda it: it.step(it.torch.optim.Adam, **ADAM),
        "Keras": lambda it: it.step(it.keras.optimizers.Adam(1.0, epsilon=1e-7)),
    },
    "first step of rmsprop, ε = 1e-7, ρ = 0.9, gradient 1e-7, rate 1": {
        "here": lambda it: it.step("rmsprop", **ONE, rho=0.9),
        "PyTorch": lambda it: it.step(it.torch.optim.RMSprop, **RMSPROP),
        "Keras": lambda it: it.step(it.keras.optimizers.RMSprop(1.0, rho=0.9, epsilon=1e-7)),
    },
}


def test_every_cell_has_a_measurement() -> None:
    assert {(line, library) for line, asked in LINES.items() for library in asked} == {*CELLS}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_cell_is_what_is_measured(library: str) -> None:
    it = OPEN[library]()
    found = {line: asked[library](it) for line, asked in LINES.items() if library in asked}
    for line, value in found.items():
        cell = CELLS[line, library].replace("−", "-")
        assert value == (cell if isinstance(value, str) else pytest.approx(float(cell), rel=2e-3, abs=1e-12)), line
