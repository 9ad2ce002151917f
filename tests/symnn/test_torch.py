"""PyTorch: our functions under its differentiation, and its dense networks as ours."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from symnn.checkpoint import Checkpoint
from symnn.errors import SpecError, SymnnError
from symnn.layers.batch_norm import batch_norm
from symnn.layers.gru import gru
from symnn.layers.lstm import lstm
from symnn.network import Network, dense
from symnn.torch import from_module, function, graph_of, load_state_dict, to_state_dict

pytestmark = pytest.mark.values

NETWORK = Network(3, (dense(4, "tanh"), dense(2)), "softmax_cross_entropy")
FUNCTION = function(NETWORK.graph)


def reference(w1: Any, b1: Any, w2: Any, b2: Any, x: Any, y: Any) -> Any:
    return torch.nn.functional.cross_entropy(torch.tanh(x @ w1.T + b1) @ w2.T + b2, y)


def arguments(dtype: Any = torch.float64) -> list[Any]:
    torch.manual_seed(0)
    shapes = [(4, 3), (4,), (2, 4), (2,), (7, 3)]
    return [*(torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes), torch.randint(0, 2, (7,))]


def test_gradients_of_gradients_are_pytorchs() -> None:
    *real, y = arguments()
    assert torch.autograd.gradcheck(lambda *given: FUNCTION(*given, y), real)
    assert torch.autograd.gradgradcheck(lambda *given: FUNCTION(*given, y), real)


def test_a_penalty_on_the_gradient_is_differentiated_where_the_input_is_read_elsewhere_too() -> None:
    """A backward that calls the kernel by itself loses ∂(gradient)/∂x here, without a word."""

    def loss(f: Any) -> Any:
        *real, y = arguments()
        (slope,) = torch.autograd.grad(f(*real, y), real[4], create_graph=True)
        return torch.autograd.grad((slope**2).sum() * (real[4] ** 2).sum(), real)

    for one, other in zip(loss(FUNCTION), loss(reference)):
        torch.testing.assert_close(one, other)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch about itself
def test_func_transformations_are_pytorchs() -> None:
    *real, y = (t.detach() for t in arguments())

    def of(f: Any) -> Any:
        return lambda b: f(real[0], b, *real[2:], y)

    direction = torch.randn(4, dtype=torch.float64)
    many = torch.randn(3, 4, dtype=torch.float64)
    for transform in (
        lambda f: torch.func.grad(f)(real[1]),
        lambda f: torch.func.jvp(f, (real[1],), (direction,))[1],
        lambda f: torch.func.jvp(torch.func.grad(f), (real[1],), (direction,))[1],
        lambda f: torch.func.vmap(f)(many),
        lambda f: torch.func.vmap(torch.func.grad(f))(many),
        lambda f: torch.func.jacrev(torch.func.grad(f))(real[1]),
    ):
        torch.testing.assert_close(transform(of(FUNCTION)), transform(of(reference)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_torch_compile_takes_it_whole_with_every_derivative(backend: str) -> None:
    if backend == "inductor" and shutil.which("c++") is None:
        pytest.skip("inductor needs a C++ compiler")
    torch._dynamo.reset()
    *real, y = arguments()
    eager = lambda b: FUNCTION(real[0], b, *real[2:], y) ** 2  # noqa: E731
    compiled = torch.compile(eager, backend=backend, fullgraph=True)
    torch.testing.assert_close(compiled(real[1]), eager(real[1]))
    slopes = [torch.autograd.grad(f(real[1]), real) for f in (compiled, eager)]
    torch.testing.assert_close(*slopes)
    detached = real[1].detach()
    for transform in (
        lambda f: torch.compile(torch.func.grad(f), backend=backend)(detached),
        lambda f: torch.compile(lambda b: torch.func.jvp(f, (b,), (b,))[1], backend=backend)(detached),
    ):
        torch.testing.assert_close(transform(eager), transform(lambda b: reference(real[0], b, *real[2:], y) ** 2))
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(detached, detached)
        found = [torch.autograd.forward_ad.unpack_dual(f(dual)).tangent for f in (compiled, eager)]
        assert found[0] is not None
        torch.testing.assert_close(*found)


def test_float32_stays_float32_and_types_are_not_mixed() -> None:
    *real, y = arguments(torch.float32)
    assert FUNCTION(*real, y).dtype == torch.float32
    with pytest.raises(SymnnError, match="all alike"):
        FUNCTION(*real[:4], real[4].double(), y)
    with pytest.raises(SymnnError, match="found 1 arguments, expected 6"):
        FUNCTION(y)


MODULES = {
    "tanh": torch.nn.Tanh(),
    "leaky": torch.nn.LeakyReLU(0.2),
    "elu": torch.nn.ELU(0.7),
    "gelu": torch.nn.GELU(),
    "gelu_tanh": torch.nn.GELU(approximate="tanh"),
    "softplus": torch.nn.Softplus(),
    "hard_tanh": torch.nn.Hardtanh(),
    "relu6": torch.nn.ReLU6(),
    "silu": torch.nn.SiLU(),
    "sigmoid": torch.nn.Sigmoid(),
}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_predicts_the_same_here(name: str) -> None:
    torch.manual_seed(0)
    inside = torch.nn.Sequential(torch.nn.Linear(3, 5, bias=False), MODULES[name], torch.nn.Dropout(0.5))
    module = torch.nn.Sequential(torch.nn.Flatten(), inside, torch.nn.Linear(5, 2)).double().eval()
    trained = from_module(module)
    x = 10 * torch.randn(6, 3, dtype=torch.float64)
    np.testing.assert_allclose(trained.evaluated(x.numpy()), module(x).detach().numpy(), rtol=1e-12, atol=1e-12)
    state = to_state_dict(trained.network, trained.theta, list(module.state_dict()))
    module.load_state_dict(state)
    np.testing.assert_array_equal(load_state_dict(trained.network, module.state_dict()), trained.theta)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (torch.nn.Conv1d(1, 1, 1), "1: found Conv1d"),
        (torch.nn.Softplus(beta=2), "1: found Softplus"),
        (torch.nn.Dropout(0.5), "1: found Dropout in training mode"),
    ],
)
def test_what_has_no_counterpart_is_named(layer: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        from_module(torch.nn.Sequential(torch.nn.Linear(2, 2), layer))


def test_weights_of_recurrent_and_normalising_modules_predict_the_same_here() -> None:
    """Two layers in one LSTM, its two biases added, GRU's kept apart, running averages where they belong."""
    torch.manual_seed(0)
    rnn, norm = torch.nn.LSTM(3, 4, num_layers=2, batch_first=True), torch.nn.BatchNorm1d(4)
    gru_, plain = torch.nn.GRU(4, 2, batch_first=True), torch.nn.Linear(2, 1)
    module = torch.nn.ModuleDict({"rnn": rnn, "norm": norm, "gru": gru_, "plain": plain}).double()
    norm(torch.randn(50, 4, 3, dtype=torch.float64))  # running averages
    module.eval()
    layers = (lstm(4, output="all"), lstm(4, output="all"), batch_norm(), gru(2), dense(1))
    network = Network({"time": 5, "features": 3}, layers, "mean_squared_error")
    theta = load_state_dict(network, module.state_dict())
    x = torch.randn(6, 5, 3, dtype=torch.float64)
    steps = norm(rnn(x)[0].transpose(1, 2)).transpose(1, 2)
    expected = plain(gru_(steps)[0][:, -1]).detach().numpy()
    np.testing.assert_allclose(Checkpoint(network, theta).evaluated(x.numpy()), expected, rtol=1e-12, atol=1e-14)
    module.load_state_dict(to_state_dict(network, theta, list(module.state_dict())))
    np.testing.assert_array_equal(load_state_dict(network, module.state_dict()), theta)


EXPORTED = {
    "convolution": (
        torch.nn.Sequential(
            torch.nn.Conv2d(1, 2, 3, padding=1),
            torch.nn.BatchNorm2d(2),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Flatten(),
            torch.nn.Linear(8, 3),
            torch.nn.LogSoftmax(1),
        ),
        (1, 4, 4),
    ),
    "transformer": (torch.nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True), (3, 4)),
    "softplus": (torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Softplus(), torch.nn.GroupNorm(1, 3)), (2,)),
}


@pytest.mark.filterwarnings("ignore")  # of PyTorch about itself
@pytest.mark.parametrize("name", EXPORTED)
def test_any_module_is_a_graph(name: str) -> None:
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    module, shape = EXPORTED[name]
    module = module.eval()
    found = graph_of(module, torch.randn(2, *shape))
    x = torch.randn(5, *shape)
    np.testing.assert_allclose(found(x.numpy()), module(x).detach().numpy(), rtol=1e-5, atol=1e-5)


def test_inputs_have_as_many_samples() -> None:
    pytest.importorskip("onnxscript")
    with pytest.raises(SpecError, match=r"found inputs\[0\] of 3, inputs\[1\] of 2, expected as many samples"):
        graph_of(torch.nn.Bilinear(4, 4, 1), torch.zeros(3, 4), torch.zeros(2, 4))


def test_a_module_in_training_mode_is_no_graph() -> None:
    pytest.importorskip("onnxscript")
    with pytest.raises(SpecError, match=r"1: found BatchNorm1d in training mode, expected module\.eval"):
        graph_of(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)), torch.zeros(2, 2))
