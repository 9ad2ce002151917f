"""A loss over more samples than one machine holds: partitions stay with the workers of a Dask cluster.

Each partition gives its loss and derivatives by the same compiled function, and what they give is added up in pairs, in
an order that the partitions alone decide: any number of workers gives the same bits, if their processors are alike. A
partition whose worker has died is loaded again by another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, combinations_with_replacement
from typing import Any, cast

import numpy as np

from codegen import CompiledFunction, compile, gauss_newton, hvp
from codegen.cached import cached_property
from codegen.dtypes import Dtype, dtype_name
from symnn.arrays import Floats, read_vector
from symnn.errors import DataError, SymnnError
from symnn.extras import extra
from symnn.lbfgs import lbfgs
from symnn.least_squares import Normal
from symnn.linesearch import Iterate
from symnn.methods.levenberg_marquardt import LevenbergMarquardt
from symnn.methods.method import Problem
from symnn.network import Network
from symnn.parametrised import Parametrised
from symnn.suggest import quote, unknown

Client = extra("distributed", "dask", "Dask").Client


@dataclass(frozen=True)
class _Programs:
    """The compiled functions of a network, on the worker that needs them."""

    network: Parametrised
    dtype: Dtype

    @property
    def names(self) -> list[str]:
        return list(self.network.layout)

    @cached_property
    def gradient(self) -> CompiledFunction:
        return self.network.compile(self.dtype).value_and_grad

    @cached_property
    def product(self) -> CompiledFunction:
        graph = hvp(self.network.training_graph, "loss", self.names)
        known = {variable.name for variable in self.network.training_graph.inputs}
        along = [variable.name for variable in graph.inputs if variable.name not in known]
        graph = graph.with_outputs(*graph.outputs[-len(self.names) :])
        pack = {"theta": self.names, "v": along, "product": list(graph.outputs)}
        return compile(graph, dtype=self.dtype, pack=pack)

    @cached_property
    def curvature(self) -> CompiledFunction:
        assert isinstance(self.network, Network)
        plain = replace(self.network, weight_decay=0.0, l1=0.0).training_graph
        graph = gauss_newton(plain, "loss", self.names, through="output")
        return compile(graph.with_outputs(*graph.outputs[1:]), dtype=self.dtype, pack={"theta": self.names})


@lru_cache(maxsize=8)
def _programs(network: Parametrised, dtype: Dtype) -> _Programs:
    return _Programs(network, dtype)


# --- what runs on workers -------------------------------------------------------------------------------------------

Arrays = tuple[np.ndarray, ...]
Parts = tuple[Any, ...]


def _given(*arrays: np.ndarray) -> Arrays:
    return arrays


def _samples(network: Parametrised, dtype: Dtype, number: int, arrays: Arrays) -> float:
    """How much the samples of a partition count, 0 of none. Raises :class:`DataError` for what the loss cannot take."""
    where = f"parts[{number}]"
    if len(arrays) != len(network.data):
        names = ", ".join(variable.name for variable in network.data)
        raise DataError(f"{where}: found {len(arrays)} arrays, expected {len(network.data)}: {names}")
    lengths: dict[Any, int] = {}
    for variable, array in zip(network.data, arrays):
        wanted, found = variable.shape, np.shape(array)
        fits = len(found) == len(wanted) and all(
            # the first array says what a length is that each call decides
            n == (m if isinstance(m, int) else lengths.setdefault(m, n))
            for n, m in zip(found, wanted)
        )
        if not fits:
            expected = ", ".join(str(lengths.get(n, n)) for n in wanted)
            raise DataError(f"{where}: {variable.name}: found shape {found}, expected ({expected})")
        kind = np.dtype(np.int64 if variable.kind == "integer" else dtype)
        if not (isinstance(array, np.ndarray) and array.dtype == kind and array.flags.c_contiguous):
            given = getattr(array, "dtype", type(array).__name__)
            raise DataError(f"{where}: {variable.name}: found {given}, expected a C-contiguous array of {kind}")
    if not len(arrays[0]):
        return 0.0
    return float(arrays[-1].sum()) if getattr(network, "weighted", False) else float(len(arrays[0]))


def _gradient(network: Parametrised, dtype: Dtype, share: float, theta: np.ndarray, arrays: Arrays) -> Parts:
    loss, gradient = _programs(network, dtype).gradient(theta, *arrays)
    return share * np.float64(loss), share * np.asarray(gradient, np.float64)


def _product(
    network: Parametrised, dtype: Dtype, share: float, theta: np.ndarray, arrays: Arrays, v: np.ndarray
) -> Parts:
    found = _programs(network, dtype).product(*_in_order(_programs(network, dtype).product, theta, v, arrays))
    return (share * np.asarray(found, np.float64),)


def _curvature(network: Parametrised, dtype: Dtype, share: float, theta: np.ndarray, arrays: Arrays) -> Parts:
    """The matrix, put together of the blocks on and above its diagonal."""
    found = _programs(network, dtype).curvature(theta, *arrays)
    places = [slot.where for slot in network.layout.values()]
    matrix = np.empty((network.parameter_count,) * 2)
    blocks = found if isinstance(found, tuple) else (found,)
    for (one, other), block in zip(combinations_with_replacement(places, 2), blocks):
        matrix[one, other] = np.reshape(block, matrix[one, other].shape)
        matrix[other, one] = matrix[one, other].T
    return (share * matrix,)


def _several(
    function: Callable[..., Parts], shares: Sequence[float], parts: Sequence[Arrays], *given: Any
) -> list[Parts]:
    """What each of some partitions gives; ``given``: the network, the dtype, theta and what stands behind the data."""
    network, dtype, theta, *more = given
    return [function(network, dtype, share, theta, part, *more) for share, part in zip(shares, parts)]


def _in_order(function: CompiledFunction, theta: np.ndarray, v: np.ndarray, arrays: Arrays) -> Iterator[np.ndarray]:
    """The arguments as they stand in the function, whose direction may come before or behind the data."""
    rest = iter(arrays)
    for slot in function.layout.arguments:
        yield theta if slot.name == "theta" else v if slot.name == "v" else next(rest)


# --- the objective --------------------------------------------------------------------------------------------------


class Objective:
    """The loss of a network over all partitions, with its gradient, for whatever minimises.

    parts: of each partition the arrays that the loss takes (x, y, …), or a function that loads them on a worker, alone
    or in a tuple with its arguments. Arrays are C-contiguous, in the dtype, as :meth:`symnn.Descent.epoch` takes them;
    those that are given here go with the task, so that they too survive a worker.

    ``objective(theta)`` gives loss and gradient in float64, as SciPy's ``minimize(…, jac=True)`` takes them. The loss
    is the mean over all samples, with the penalties of the network.

    A task goes through all partitions that lie with a worker, or its part of them where that has several threads.

    A partition without samples adds nothing. Raises :class:`SymnnError` for networks with dropout, noise or batch_norm
    and for what is no client; :class:`DataError`, as soon as it is made, without samples and for a partition whose
    arrays the loss cannot take, by its number.

    >>> from symnn.network import dense
    >>> network = Network(1, (dense(1),), "mean_squared_error")
    >>> x = np.linspace(-1, 1, 90)[:, None]
    >>> parts = [(x[n : n + 30], 3 * x[n : n + 30]) for n in (0, 30, 60)]
    >>> with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
    ...     theta, losses = Objective(client, network, parts).minimise(np.zeros(2))
    >>> round(float(theta[0]), 6), losses[-1] < 1e-12
    (3.0, True)
    """

    def __init__(self, client: Any, network: Parametrised, parts: Sequence[Any], *, dtype: Any = "float64") -> None:
        if not isinstance(client, Client):
            raise SymnnError(f"client: found {quote(client)}, expected a Client of dask.distributed")
        if network.differs or network.numbers:
            raise SymnnError("network: found dropout, noise, batch_norm or numbers of each call, expected none of them")
        if not len(parts):
            raise DataError("parts: found none, expected at least one partition")
        self.client, self.network, self.dtype = client, network, dtype_name(dtype)
        self._parts = [client.submit(*_loading(part), pure=False) for part in parts]
        counts = client.gather(
            [client.submit(_samples, network, self.dtype, n, part, pure=False) for n, part in enumerate(self._parts)]
        )
        self.samples = float(sum(counts))
        if not self.samples > 0:
            raise DataError("parts: found no samples in any of them, expected at least one")
        kept = [number for number, count in enumerate(counts) if count > 0]
        self._parts = [self._parts[number] for number in kept]
        self._shares = [counts[number] / self.samples for number in kept]
        self._groups = _groups(client.who_has(self._parts), [part.key for part in self._parts], client.nthreads())

    def __call__(self, theta: np.ndarray) -> tuple[float, Floats]:
        """The loss and its gradient at these parameters."""
        loss, gradient = self._sum(_gradient, theta)
        return float(loss), gradient

    def hessian_product(self, theta: np.ndarray, v: np.ndarray) -> Floats:
        """The Hessian of the loss times a vector."""
        found: Floats = self._sum(_product, theta, self._vector("v", v))[0]
        return found

    def gauss_newton(self, theta: np.ndarray) -> Floats:
        """The Gauss-Newton matrix (P, P) of a network's mean loss, without penalties: Jᵀ·H·J with J = ∂output/∂theta.

        Of mean_squared_error it is 2·JᵀJ over the number of samples.
        """
        if not isinstance(self.network, Network):
            raise SymnnError("gauss_newton: found a graph, expected a network of layers")
        found: Floats = self._sum(_curvature, theta)[0]
        return found

    def minimise(self, theta: np.ndarray, steps: int = 100, method: str = "lbfgs") -> tuple[np.ndarray, list[float]]:
        """So many steps at most: the parameters, and the loss after each step.

        method: ``"lbfgs"``, or ``"levenberg_marquardt"`` by :meth:`gauss_newton`, for networks without ``l1``.
        """
        if method not in METHODS:
            raise SymnnError(unknown("method", method, METHODS))
        here = self._evaluate(np.array(self._vector("theta", theta), np.float64))
        losses = [here.loss]
        for found, _ in zip(METHODS[method](self, here), range(steps)):
            here = found
            losses.append(here.loss)
        return here.theta, losses

    def _evaluate(self, theta: np.ndarray) -> Iterate:
        return Iterate(theta, *self(theta))

    def _vector(self, name: str, given: np.ndarray) -> np.ndarray:
        return read_vector(name, given, self.network.parameter_count, DataError).astype(self.dtype)

    def _sum(self, function: Callable[..., Parts], theta: np.ndarray, *more: np.ndarray) -> Parts:
        """What all partitions give, added up."""
        at = self._vector("theta", theta)
        given = self.network, self.dtype, at, *more
        futures = [
            self.client.submit(
                _several,
                function,
                [self._shares[n] for n in group],
                [self._parts[n] for n in group],
                *given,
                pure=False,
            )
            for group in self._groups
        ]
        found = dict(zip(chain(*self._groups), chain(*self.client.gather(futures))))
        return in_pairs([found[number] for number in range(len(found))])


def _by_lbfgs(objective: Objective, start: Iterate) -> Iterator[Iterate]:
    return (at.here for at in lbfgs(objective._evaluate, start))


def _by_damped_steps(objective: Objective, start: Iterate) -> Iterator[Iterate]:
    if getattr(objective.network, "l1", 0.0):
        raise SymnnError("levenberg_marquardt: found l1, which no squares make, expected a network without")
    problem = _Squares(objective)
    return (at.here for at in LevenbergMarquardt(acceleration=0.0).steps(cast(Problem, problem), start))


METHODS: Mapping[str, Callable[[Objective, Iterate], Iterator[Iterate]]] = {
    "lbfgs": _by_lbfgs,
    "levenberg_marquardt": _by_damped_steps,
}


@dataclass(frozen=True)
class _Squares:
    """The loss as the squares that :mod:`symnn.methods` takes: half of its gradient is Jᵀr, half of its matrix JᵀJ."""

    objective: Objective

    @property
    def rows(self) -> _Squares:
        return self

    def loss(self, theta: np.ndarray) -> float:
        return self.objective(theta)[0]

    def normal(self, theta: np.ndarray) -> Normal:
        (loss, gradient), matrix = self.objective(theta), self.objective.gauss_newton(theta)
        decay = getattr(self.objective.network, "weight_decay", 0.0) or 0.0
        for parameter, slot in zip(self.objective.network._parameters.values(), self.objective.network.layout.values()):
            if parameter.decays:
                places = np.arange(slot.where.start, slot.where.stop)
                matrix[places, places] += decay
        return Normal(loss, gradient / 2, matrix / 2)

    def evaluate(self, theta: np.ndarray) -> Iterate:
        return self.objective._evaluate(theta)

    def seen(self, found: Iterate) -> Iterate:
        return found

    def pause(self) -> None:
        """Nobody asks it to end."""


def _groups(
    places: Mapping[str, Sequence[str]], keys: Sequence[str], threads: Mapping[str, int]
) -> tuple[tuple[int, ...], ...]:
    """The numbers of the partitions that one task goes through: those that lie with a worker, a part for each thread.

    A task costs some milliseconds whatever it does, and on a busy machine many times that.

    >>> _groups({"a": ["w"], "b": ["v"], "c": ["w"], "d": ["w"]}, ["a", "b", "c", "d"], {"v": 1, "w": 2})
    ((0, 3), (2,), (1,))
    """
    lying: dict[str, list[int]] = {}
    for number, key in enumerate(keys):
        lying.setdefault(next(iter(places.get(key, ())), ""), []).append(number)
    shared = ((numbers, threads.get(worker, 1)) for worker, numbers in lying.items())
    return tuple(tuple(numbers[n::count]) for numbers, count in shared for n in range(min(count, len(numbers))))


def in_pairs(parts: Sequence[Parts]) -> Parts:
    """The sum of each of several results: neighbours first, then the sums of neighbours, and so on.

    >>> in_pairs([(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)])
    (9.0, 12.0)
    """
    sums = list(parts)
    while len(sums) > 1:
        pairs = zip(sums[::2], sums[1::2])
        left = sums[len(sums) // 2 * 2 :]
        sums = [tuple(a + b for a, b in zip(one, other)) for one, other in pairs] + left
    return sums[0]


def _loading(part: Any) -> tuple[Any, ...]:
    if callable(part):
        return (part,)
    if isinstance(part, Mapping) or not isinstance(part, (tuple, list)):
        raise DataError("parts: expected a tuple of arrays for each, or a function that loads them")
    return tuple(part) if callable(part[0]) else (_given, *part)
