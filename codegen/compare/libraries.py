"""Derivatives by libraries that know nothing of this one: a graph as the plain emitter writes it, on their arrays.

The plain emitter's text names some functions of NumPy and SciPy; a library is a table from these names to its own
functions, and its two transformations, which JAX and PyTorch both call ``jacrev`` and ``jacfwd``.
"""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.compare.problem import Problem
from codegen.emit.numpy import emit_numpy
from codegen.emit.scalars import LIBRARY
from codegen.ir.graph import Graph
from codegen.numeric.branches import ancestors_only
from codegen.numeric.inputs import bind

Array = NDArray[Any]
Functions = Mapping[str, Callable[..., Any]]

_SAME_NAME = (
    "exp", "log", "expm1", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh",
    "arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh", "arctan2", "abs", "sqrt", "where",
)  # fmt: skip
_OF_ARRAYS = ("arange", "broadcast_to", "einsum", "max", "sum", "transpose")


@dataclass(frozen=True)
class Library:
    """A library that differentiates programs over its own arrays."""

    module: str
    functions: Callable[[], Functions]
    """What the plain emitter's names mean: ``np.exp`` as ``exp``."""
    array: Callable[[Array], Any]
    derivatives: Callable[[], Any]
    """Where ``jacrev`` and ``jacfwd`` are."""
    put: Callable[[Any, NDArray[np.intp], Any], Any]
    """``put(vector, entries, values)``: the vector with some entries replaced."""
    double: Callable[[], AbstractContextManager[Any]] = nullcontext
    """A context in which numbers have 64 bits."""
    compiled: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda function: function
    """What makes a function quicker to call once."""


# --- the tables ---------------------------------------------------------------------------------------------------


def _jax_functions() -> Functions:
    import jax.numpy as jnp
    from jax import nn
    from jax.scipy import special

    return {
        **{name: getattr(nn, name) for name in ("sigmoid", "softplus", "log_sigmoid")},
        "log_cosh": lambda x: jnp.logaddexp(x, -x) - np.log(2),
        **{name: getattr(jnp, name) for name in (*_SAME_NAME, *_OF_ARRAYS)},
        **{name: getattr(special, name) for name in ("erf", "erfc", "gamma")},
        "loggamma": special.gammaln,
        "polygamma": lambda order, x: special.polygamma(int(order), x),
    }


@contextmanager
def _jax_double() -> Iterator[None]:
    import jax

    with jax.enable_x64(True):
        yield


def _jax_compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    import jax

    # As a whole it takes a quarter of the time that JAX needs to compile one operation after the other.
    return jax.jit(function)


def _jax_array(array: Array) -> Any:
    import jax.numpy as jnp

    return jnp.asarray(array)


def _torch_functions() -> Functions:
    import torch

    def of_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
        # PyTorch's functions take no Python numbers, and would take them for numbers of 32 bits.
        return lambda *arguments: function(*map(tensor, arguments))

    def tensor(value: Any) -> Any:
        plain = isinstance(value, (int, float)) and not isinstance(value, bool)
        return torch.tensor(value, dtype=torch.float64) if plain else torch.as_tensor(value)

    return {
        **{name: of_numbers(getattr(torch, name)) for name in _SAME_NAME},
        **{name: of_numbers(getattr(torch.special, name)) for name in ("erf", "erfc")},
        "sigmoid": of_numbers(torch.sigmoid),
        # Its own softplus is x from 20 on, which is 2·10⁻⁹ off.
        "softplus": of_numbers(lambda x: torch.logaddexp(x, torch.zeros_like(x))),
        "log_sigmoid": of_numbers(torch.nn.functional.logsigmoid),
        "log_cosh": of_numbers(lambda x: torch.logaddexp(x, -x) - float(np.log(2))),
        # Not Γ and its kin: the derivatives of digamma that PyTorch has are right to 10⁻⁹ only.
        "arange": torch.arange,
        "broadcast_to": lambda x, shape: torch.broadcast_to(tensor(x), shape),
        "einsum": torch.einsum,
        "max": lambda x, axis: torch.amax(x, axis),
        "sum": lambda x, axis: torch.sum(x, axis),
        "transpose": torch.permute,
    }


def _torch_array(array: Array) -> Any:
    import torch

    return torch.as_tensor(np.array(array))


def _torch_put(vector: Any, entries: NDArray[np.intp], values: Any) -> Any:
    return vector.index_put((_torch_array(entries),), values)


LIBRARIES: Mapping[str, Library] = {
    "JAX": Library(
        "jax",
        _jax_functions,
        _jax_array,
        lambda: importlib.import_module("jax"),
        lambda vector, entries, values: vector.at[entries].set(values),
        _jax_double,
        _jax_compiled,
    ),
    "PyTorch": Library(
        "torch", _torch_functions, _torch_array, lambda: importlib.import_module("torch.func"), _torch_put
    ),
}
"""Every library by name."""


# --- derivatives --------------------------------------------------------------------------------------------------


@cache
def _known(library: str) -> Functions:
    return LIBRARIES[library].functions()


@cache
def is_installed(library: str) -> bool:
    """Whether the library can be imported here."""
    return importlib.util.find_spec(LIBRARIES[library].module) is not None


def translates(library: str, graph: Graph, of: str) -> bool:
    """Whether the library is installed and has all functions of the vertex.

    None of them writes into arrays while it differentiates, as the plain emitter does where a body lacks an axis.
    """
    used = re.findall(r"\b(?:np|special)\.(\w+)", _body(ancestors_only(graph, of)))
    return is_installed(library) and set(used) <= set(_known(library))


def derivative(library: str, order: int, problem: Problem) -> Array:
    """The first or second derivatives of the vertex by the entries that are moved, these on the last axes."""
    graph, lib = ancestors_only(problem.graph, problem.of), LIBRARIES[library]
    inputs = bind(graph, {v.name: problem.values[v.name] for v in graph.inputs}, np.dtype(np.float64)).arrays
    functions = SimpleNamespace(**_known(library))
    namespace: dict[str, Any] = {"np": functions, "special": functions}
    exec(compile(_body(graph), f"<symnn {library}>", "exec"), namespace)
    with lib.double(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is slow
        fixed = {name: lib.array(array) for name, array in inputs.items()}
        flat, transform = lib.array(problem.flat(problem.values)), lib.derivatives()

        def value(moved: Any) -> Any:
            given = {**fixed, **problem.split(lib.put(flat, problem.entries, moved))}
            return namespace["evaluate"](*[given[v.name] for v in graph.inputs])[0]

        slope = transform.jacrev(value)
        taken = lib.compiled(slope if order == 1 else transform.jacfwd(slope))
        return np.asarray(taken(lib.array(problem.flat(problem.values)[problem.entries])))


def _body(graph: Graph) -> str:
    """The text without its imports."""
    text = emit_numpy(graph, LIBRARY)
    return text[text.index("def evaluate") :]
