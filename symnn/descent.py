"""Descent: parameters and an optimiser's state on their way down a loss, moved by compiled code alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite, nan
from os import PathLike
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sympy import Symbol

from codegen.emit.layout import Slot
from codegen.errors import of_type
from codegen.runtime.minibatches import Minibatches
from codegen.walk import Extent, is_symbolic, length
from symnn.arrays import read_array, read_vector
from symnn.errors import DataError, SymnnError
from symnn.given import constructed, whole_number
from symnn.layers.writing import FIRST
from symnn.network import Model
from symnn.optimisers import OPTIMISERS, Optimiser, averaging
from symnn.suggest import canonical, quote, suggest, unknown

AVERAGED = 0.1
"""By what part of the difference a running average moves towards that of a batch."""

CALL_SECONDS = 0.05
"""About how long one call of compiled code may last: Ctrl-C has no effect, and no progress is told, before it ends."""


class Passed(NamedTuple):
    """How far a pass over rows has come: the rows done, and the sum of loss · rows over their batches."""

    rows: int = 0
    total: float = 0.0


class Checked(NamedTuple):
    """Arrays of rows that a descent takes as they are, and what the lengths are that each call decides."""

    data: tuple[np.ndarray, ...]
    lengths: Mapping[Extent, int]

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.data[0])


@constructed(SymnnError)
class Descent:
    """Minibatch descent from ``theta``: for each batch θ, state ← update(θ, ∇loss(θ), state).

    Between updates nothing returns to Python. ``theta`` is copied; ``optimiser`` is a name of ``OPTIMISERS`` or an
    :class:`~symnn.optimisers.Optimiser`, and ``numbers`` are its settings, all of them, and those that the loss takes
    (:attr:`~symnn.network.Network.numbers`). ``seed`` is that of dropout and noise. One thread at a time may use it.

    Running averages, which batch_norm has, move by a tenth towards those of each batch, whatever the optimiser.

    Raises :class:`SymnnError` for parameters of another network, and for an optimiser or numbers that do not exist or
    are missing.

    >>> from symnn.network import Network, dense
    >>> model = Network(1, (dense(1),), "mean_squared_error").compile()
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> y = 3 * x - 2
    >>> descent = Descent(model, np.zeros(2), "nesterov", learning_rate=0.1, momentum=0.9)
    >>> generator = np.random.default_rng(0)
    >>> losses = [descent.epoch(x, y, generator.permutation(50), batch_size=8) for _ in range(30)]
    >>> descent.theta.round(4), descent.steps
    (array([ 3., -2.]), 210)
    >>> descent.numbers["learning_rate"] = 0.01
    >>> loss = descent.epoch(x, y)  # one step on all rows
    >>> loss < 1e-6 < losses[0], descent.steps
    (True, 211)
    """

    def __init__(
        self, model: Model, theta: np.ndarray, optimiser: str | Optimiser, *, seed: int = 0, **numbers: float
    ) -> None:
        if not isinstance(model, Model):
            raise SymnnError(f"model: found {of_type(model)}, expected a Model, as network.compile() gives it")
        model.network.require_samples()
        self.model = model
        self.optimiser = _resolved(optimiser)
        settings = (*self.optimiser.settings, *model.network.numbers)
        if set(numbers) != set(settings):
            found, expected = (", ".join(names) or "none" for names in (numbers, settings))
            hint = suggest(next((name for name in numbers if name not in settings), ""), settings)
            raise SymnnError(f"{self.optimiser.name}: found the numbers {found}, expected {expected}{hint}")
        for name, number in numbers.items():
            if isinstance(number, bool) or not isinstance(number, (int, float, np.number)) or not isfinite(number):
                raise SymnnError(f"{name}: found {quote(number)}, expected a finite number")
        self.numbers: dict[str, float] = dict(numbers)
        """The settings; a change counts from the next call on."""
        self.theta = checked_parameters(model, theta, "theta")
        """The parameters now, in the dtype of the model: always this array, changed in place."""
        self.state: Mapping[str, np.ndarray] = dict(
            zip(self.optimiser.state, self.optimiser.initial_state(self.theta), strict=True)
        )
        """The optimiser's vectors by name, changed in place."""
        # In an array that compiled code counts in: with the parameters it is right whenever Ctrl-C comes.
        self._counters = np.zeros(2, np.int64)
        # Compiled code has signed integers: of the seed it takes the same 64 bits.
        key = int(np.uint64(whole_number("seed", seed, 0, 2**64 - 1)).view(np.int64))
        self._seed = (key,) if model.network.draws else ()
        vectors, update = (self.theta, *self.state.values()), self.optimiser
        if len(self.theta[model.network.averages]):
            share = np.zeros_like(self.theta)
            share[model.network.averages] = AVERAGED
            vectors, update = (*vectors, share), averaging(update)
        self._batches = Minibatches(
            model.step, update.compile(model.dtype), vectors, self._counters, model.cache, counted=FIRST.name
        )
        self._allocated: tuple[int, Mapping[Symbol, int]] = (0, {})
        self._batches_a_call = 1

    @property
    def steps(self) -> int:
        """The updates made so far."""
        return int(self._counters[0])

    @property
    def samples(self) -> int:
        """The rows they were made on, each counted as often as it was used."""
        return int(self._counters[1])

    def resume(self, state: Mapping[str, np.ndarray], steps: int, samples: int) -> None:
        """Go on where another descent of the same optimiser stood: its ``state``, ``steps`` and ``samples``."""
        for name, vector in self.state.items():
            vector[...] = state[name]
        self._counters[:] = steps, samples

    def epoch(
        self,
        x: np.ndarray | tuple[np.ndarray, ...],
        y: np.ndarray | tuple[np.ndarray, ...],
        order: np.ndarray | None = None,
        batch_size: int | None = None,
        *,
        weights: np.ndarray | None = None,
        advance: Callable[[int], object] | None = None,
    ) -> float:
        """One pass over the rows ``order`` of x and y (all rows as they stand unless given), an update for each batch.

        x: (S, inputs), or a tuple of arrays where there are several inputs, and y: int64 (S,) or (S, outputs), or a
        tuple of what the loss takes, all C-contiguous in the dtype of the model; sequences of one length, where each
        call decides it. order: row numbers, in any number and
        order. batch_size: rows an update, all at once unless given; the last batch may be smaller.
        weights: (S,), for a :attr:`~symnn.network.Model.weighted` model: no batch may have weights of 0 alone.
        advance: called about every 50 ms with the number of rows done since the last time.

        Returns the mean over the rows of the loss before each update. At a loss that is not finite it stops, makes no
        update, and returns no finite number: ``theta`` after ``steps`` updates is where it happened. If the last update
        leaves parameters that are not finite, it returns nan. Ctrl-C takes effect between updates.

        Raises :class:`DataError` for arrays, row numbers or a batch size that do not fit.
        """
        before = 0
        for passed in self.pieces(x, y, order, batch_size, weights=weights):
            if advance is not None and isfinite(passed.total):
                advance(passed.rows - before)
            before = passed.rows
        # The last update may have overflowed, and no batch comes after it to notice.
        return self.mean(passed)

    def pieces(
        self,
        x: np.ndarray | tuple[np.ndarray, ...],
        y: np.ndarray | tuple[np.ndarray, ...],
        order: np.ndarray | None = None,
        batch_size: int | None = None,
        begun: Passed = Passed(),  # noqa: B008 - immutable
        *,
        weights: np.ndarray | None = None,
    ) -> Iterator[Passed]:
        """The same pass piece by piece, each about 50 ms: how far it is after each.

        Between two pieces it can be broken off and gone on with, by this descent or by another one that resumes where
        this one stood: with the same arguments and the last that was given here as ``begun`` the bits are the same.
        It ends after the last piece, and after one whose total is not finite. ``mean`` of the last is what
        :meth:`epoch` returns.
        """
        yield from self.over(self.checked(x, y, weights), order, batch_size, begun)

    def checked(
        self,
        x: np.ndarray | tuple[np.ndarray, ...],
        y: np.ndarray | tuple[np.ndarray, ...],
        weights: np.ndarray | None = None,
    ) -> Checked:
        """Rows that many passes go over: views of the arrays, checked once. Their contents may change.

        Raises :class:`DataError` for arrays that do not fit.
        """
        data = (*_several(x), *_several(y), *(() if weights is None else (weights,)))
        self._check_rows(*data)
        return Checked(tuple(array[...] for array in data), self._lengths(data))

    def over(
        self,
        rows: Checked,
        order: np.ndarray | None = None,
        batch_size: int | None = None,
        begun: Passed = Passed(),  # noqa: B008 - immutable
    ) -> Iterator[Passed]:
        """:meth:`pieces` over rows that have been checked."""
        data, lengths = rows
        order = _checked_order(order, len(data[0]))
        batch_size = len(order) if batch_size is None else whole_number("batch_size", batch_size, 1, refused=DataError)
        batch_size = min(batch_size, len(order))
        if (batch_size, lengths) != self._allocated:
            self._batches.allocate(data, batch_size)
            self._allocated, self._batches_a_call = (batch_size, lengths), 1  # how long they take is not known
        names = self.optimiser.settings, self.model.network.numbers
        numbers, scalars = ([self.numbers[name] for name in part] for part in names)
        done, total = begun
        while done < len(order):
            piece = order[done : done + self._batches_a_call * batch_size]
            started = perf_counter()
            # One sum from the first batch to the last: its bits do not depend on where pieces end.
            total = self._batches.run(data, piece, numbers, total, (*self._seed, *scalars))
            if isfinite(total):
                batches = -(-len(piece) // batch_size)
                self._batches_a_call = max(1, int(CALL_SECONDS * batches / (perf_counter() - started)))
            done += len(piece)
            yield Passed(done, total)
            if not isfinite(total):
                return

    def _lengths(self, data: Sequence[np.ndarray]) -> Mapping[Symbol, int]:
        """What the lengths are that each call decides, but for the number of samples."""
        found: dict[Symbol, int] = {}
        for slot, array in zip(self.model.step.layout.arguments[1:], data):
            for extent, n in zip(slot.shape[1:], getattr(array, "shape", ())[1:]):
                if is_symbolic(extent):
                    found.setdefault(extent, n)
        return found

    def mean(self, passed: Passed) -> float:
        """The mean loss of a pass that has ended, nan if the last update left parameters that are not finite."""
        finite = not isfinite(passed.total) or np.isfinite(self.theta).all()
        return passed.total / passed.rows if finite else nan

    def _check_rows(self, *data: np.ndarray) -> None:
        x = data[0]
        slots = [slot for slot in self.model.step.layout.arguments[1:] if slot.shape]
        network, lengths = self.model.network, self._lengths(data)
        if len(slots) != len(data) and len(network.input_variables) == len(network.target_variables) == 1:
            found, expected = ("weights" if count == 3 else "no weights" for count in (len(data), len(slots)))
            raise DataError(f"weights: found {found}, expected {expected}, as the model takes them")
        if len(slots) != len(data):
            names = ", ".join(slot.name for slot in slots)
            raise DataError(f"found {len(data)} arrays of rows, expected {len(slots)}, which the model takes: {names}")
        for slot, rows in zip(slots, data):
            wanted = np.dtype(np.int64 if slot.kind == "integer" else self.model.dtype)
            if (
                not isinstance(rows, np.ndarray)
                or (rows.dtype, rows.shape[:1], rows.shape[1:]) != (wanted, x.shape[:1], _shape(slot, lengths))
                or not (rows.flags.c_contiguous and rows.flags.aligned and len(rows))
            ):
                raise DataError(f"{slot.name}: found {_described(rows)}, expected {_expected(slot, wanted, x)}")
            below = slot.variables[0].below
            limit = None if below is None else length(below, lengths)
            if limit is not None and (rows.min() < 0 or rows.max() >= limit):
                row = int(np.argmax((rows < 0) | (rows >= limit)))
                raise DataError(f"{slot.name}, row {row}: found label {rows[row]}, expected 0 to {limit - 1}")


def _shape(slot: Slot, lengths: Mapping[Symbol, int]) -> tuple[Extent, ...]:
    """The shape of a sample."""
    return tuple(lengths.get(n, n) if is_symbolic(n) else n for n in slot.shape[1:])


def checked_parameters(model: Model, given: ArrayLike, name: str) -> np.ndarray:
    """Parameters in the dtype of the model, in memory of their own.

    Raises :class:`SymnnError` for an array of another shape, and for numbers that the dtype cannot hold.
    """
    if hasattr(given, "theta"):
        kind = type(given).__name__
        raise SymnnError(f"{name}: found a {kind}, expected parameters; {name}=….theta begins with those that it has")
    if isinstance(given, (str, PathLike)):
        raise SymnnError(f"{name}: found {quote(given)}, expected parameters; those of a file are symnn.load(…).theta")
    array = read_vector(name, given, model.network.parameter_count, SymnnError)
    with np.errstate(over="ignore"):  # reported below
        theta = array.astype(model.dtype)
    if not np.isfinite(theta).all():
        entry = int(np.argmin(np.isfinite(theta)))
        raise SymnnError(
            f"{name}: entry {entry}: found {array[entry]:g}, expected a number that {model.dtype} can hold"
        )
    return theta


def _several(given: np.ndarray | tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    return given if isinstance(given, tuple) else (given,)


def _resolved(optimiser: str | Optimiser) -> Optimiser:
    if isinstance(optimiser, Optimiser):
        return optimiser
    if not isinstance(optimiser, str):
        raise SymnnError(f"optimiser: found {quote(optimiser)}, expected a name or an Optimiser")
    known = canonical("optimiser", optimiser, OPTIMISERS)
    if known not in OPTIMISERS:
        raise SymnnError(unknown("optimiser", optimiser, OPTIMISERS))
    return OPTIMISERS[known]


def _checked_order(order: np.ndarray | None, rows: int) -> np.ndarray:
    if order is None:
        return np.arange(rows)
    order = read_array("order", order, DataError)
    if order.dtype.kind not in "iu" or order.ndim != 1 or not len(order):
        raise DataError(f"order: found {_described(order)}, expected at least one row number")
    found = np.array(order, dtype=np.int64)  # its own: what is checked stays what is read
    unsigned = found.view(np.uint64)  # negative numbers are the largest there
    if unsigned.max() >= rows:
        place = int(np.argmax(unsigned >= rows))
        raise DataError(f"order, entry {place}: found {order[place]}, expected a row from 0 to {rows - 1}")
    return found


def _described(value: object) -> str:
    if not isinstance(value, np.ndarray):
        return of_type(value)
    contiguous = "" if value.flags.c_contiguous else ", not C-contiguous"
    return f"an array of {value.dtype} with shape {value.shape}{contiguous}"


def _expected(slot: Slot, wanted: np.dtype, x: object) -> str:
    first = "S" if slot.name == "x" or not isinstance(x, np.ndarray) else str(len(x))
    shape = ", ".join([first, *map(str, slot.shape[1:])])
    return f"a C-contiguous array of {wanted} with shape ({shape}{',' if len(slot.shape) == 1 else ''})" + (
        ", S ≥ 1" if first == "S" else ""
    )
