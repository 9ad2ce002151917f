"""A compiled graph: checked calls from Python, kernels for a user's own jitted code, and a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from sympy import Symbol

from codegen.dtypes import DTYPES
from codegen.emit.layout import Layout, Slot
from codegen.functions.random_numbers import drawn_from
from codegen.markup import shown_by
from codegen.passes import PassReport
from codegen.runtime.arguments import NUMBERS, Converter, describe, is_rounded, ordered, signature
from codegen.runtime.code import CFunction, Code, Prepared
from codegen.runtime.jitted import with_care
from codegen.walk import is_fixed, is_sum, length, lengths_in, parts


@dataclass(frozen=True)
class CompileReport:
    """What was compiled and what it took.

    >>> from codegen import compile, from_expressions
    >>> from sympy import symbols
    >>> x = symbols("x")
    >>> report = compile(from_expressions({"f": x**2}, [x]), tier="quick").report
    >>> report.schedule, report.dtype
    ('unrolled', 'float64')
    """

    schedule: str
    emitter: str
    dtype: str
    workspace: str
    """Numbers of scratch memory that a call uses at most, as a formula of the symbolic extents."""
    seconds: float
    """What compiling took, or loading from the cache."""
    cache_hit: bool
    compilation: Prepared = field(repr=False)
    """What was worked out about the graph; nothing yet if its code came from the cache."""
    reason: str = ""
    """What has no vector form, if that is why readable code runs."""
    stages: Mapping[str, float] = field(default_factory=dict, repr=False, compare=False)
    """Seconds of each stage on the way here: the key in the cache, and unless it was there the passes, the schedule,
    the writing and LLVM; then loading. Readable code is compiled and loaded by Numba."""

    @property
    def passes(self) -> PassReport:
        """Operations for one sample after each pass."""
        return self.compilation.optimised[1]

    def __str__(self) -> str:
        why = f" ({self.reason} has no vector form)" if self.reason else ""
        origin = "loaded from the cache" if self.cache_hit else "compiled"
        rest = max(self.seconds - sum(self.stages.values()), 0.0)
        taken = {**self.stages, "what is between them": rest}
        stages = ", ".join(f"{name} {seconds * 1e3:.0f} ms" for name, seconds in taken.items())
        return (
            f"schedule {self.schedule}, {self.emitter} code{why}, {self.dtype}, workspace {self.workspace} numbers\n"
            f"{origin} in {self.seconds * 1e3:.0f} ms: {stages}\n"
            f"operations for one sample, after each pass:\n{self.passes}"
        )


class CompiledFunction:
    """A graph as machine code.

    Calling it checks the arguments, given by position or by name, and returns the results in the order of the graph's
    outputs: scalars as numbers, arrays newly allocated, a single result by itself. ``out`` takes one array for each
    array result, to be filled and returned instead; then nothing is allocated. Calls release the GIL and may run in
    several threads at once.

    Arrays of the right dtype that are C-contiguous are used as they are. Others, and whatever NumPy reads as an array
    (lists, frames, arrays of other libraries), are converted where nothing is lost: whole numbers and bools to floats,
    floats that are whole numbers to integers. Of floats that are rounded a :class:`~codegen.PrecisionWarning` says so,
    once an argument. Other arguments raise ``TypeError`` or ``ValueError`` that say which, what was found and what was
    expected; an array for ``out`` is never converted, nor is what :meth:`bind` gets unless :meth:`convert` made it.

    >>> from codegen import compile, from_expressions
    >>> from sympy import Idx, IndexedBase, Sum, symbols
    >>> a, i, x = symbols("a"), Idx("i", symbols("n")), IndexedBase("x")
    >>> f = compile(from_expressions({"e": Sum(a * x[i], i)}, [a, x[i]]))
    >>> f(2, [1, 2, 3]), f(x=np.arange(6)[::2], a=True)
    (12.0, 6.0)
    """

    def __init__(
        self, code: Code, layout: Layout, report: CompileReport, threads: int, again: Callable[[], CompiledFunction]
    ) -> None:
        self.layout = layout
        self.report = report
        self._code = code
        self._again = again
        self.threads = threads
        self.__signature__ = signature(layout)
        self._call = code.call if threads == 1 else self._in_threads
        dtype = DTYPES[report.dtype]
        self._converted = Converter(
            layout, np.dtype(dtype), lambda: drawn_from(e.body for e in report.compilation.graph.equations)
        )
        self._fixed = tuple((slot.shape, dtype) for slot in layout.arrays)
        self._symbolic = not all(is_fixed(slot.shape) for slot in layout.arrays)
        self._where = {
            n: (number, axis)
            for number, slot in enumerate(layout.arguments)
            for axis, n in enumerate(slot.shape)
            if isinstance(n, Symbol)
        }
        self._sums = {n: parts(n) for slot in layout.arrays for n in slot.shape if is_sum(n)}
        if threads == 1:
            # Python looks up what a call means in the type: one of its own saves half of 0.6 µs a call.
            plain, any_ = partial(CompiledFunction._by_position, self), partial(CompiledFunction.__call__, self)
            direct = code.with_keyword(plain, any_)
            members = {"__call__": direct, "__slots__": (), "__doc__": self.__doc__, "__module__": __name__}
            self.__class__ = type("CompiledFunction", (CompiledFunction,), members)

    @property
    def source(self) -> str:
        """The program as readable Numba code."""
        return self.report.compilation.source

    @property
    def kernel(self) -> Callable[..., Any]:
        """The jitted function with the same arguments as a call, for use in jitted code."""
        return with_care(self._code.jitted.kernel, self._again)

    @property
    def fill(self) -> Callable[..., Any]:
        """Jitted: the arguments, then an array for each array result; returns the scalar results."""
        return with_care(self._code.jitted.fill, self._again)

    @property
    def c_function(self) -> CFunction:
        """The machine code by its address, for other compiled code."""
        return self._code.c_function

    def __call__(self, /, *arguments: Any, out: np.ndarray | Sequence[np.ndarray] | None = None, **named: Any) -> Any:
        return self._by_position(*(ordered(self.layout, arguments, named) if named else arguments), out=out)

    def _by_position(self, *arguments: Any, out: np.ndarray | Sequence[np.ndarray] | None = None) -> Any:
        arrays = self._results(arguments, out)
        if arrays is not None and (results := self._call(*arguments, *arrays)) is not False:
            return results
        given = self._converted(arguments)
        return self._call_again(given, self._known_results(given, out))

    def _in_threads(self, *everything: Any) -> Any:
        count = len(self.layout.arguments)
        return self._code.in_threads(self.threads, everything[:count], everything[count:])

    def convert(self, /, *arguments: Any, **named: Any) -> tuple[Any, ...]:
        """The arguments as a call converts them, for :meth:`bind`; what it takes as it is stays itself.

        >>> from codegen import compile, from_expressions
        >>> from sympy import IndexedBase, symbols
        >>> i, x = symbols("i", integer=True), IndexedBase("x", shape=(3,))
        >>> f = compile(from_expressions({"e": x[0] * x[1] + x[2]}, [x]))
        >>> f.bind(*f.convert([1, 2, 3]))()
        5.0
        """
        given = ordered(self.layout, arguments, named) if named else arguments
        if len(given) != len(self.layout.arguments):
            self._check(given)
        return tuple(self._converted(given))

    def bind(
        self, /, *arguments: Any, out: np.ndarray | Sequence[np.ndarray] | None = None, **named: Any
    ) -> Callable[[], Any]:
        """A function without arguments that computes on these very arrays and returns what a call with ``out`` does.

        The contents of the arrays may change between calls, their memory may not; numbers are those of now. Without
        ``out``, arrays for the results are allocated once. Nothing is converted: what is not as the compiled code takes
        it raises what a call raises.

        The results of a call are overwritten by the next: copy what has to last. SciPy's minimisers and ``solve_ivp``
        keep what a function gave them before, and go astray if it changes; for them there are
        :class:`codegen.FlatFunction` and the ``objective`` of :mod:`symnn`'s models, whose results are new arrays.
        Pickled, it is bound to copies of the arrays, which are those of the same pickle if they are in it.

        >>> from codegen import compile, from_expressions, gradient
        >>> from sympy import IndexedBase, symbols
        >>> from codegen.ir.graph import Equation, Graph, Index, Reduction, Variable
        >>> i, x = Index("i", 3), Variable("x", (3,))
        >>> graph = Graph((x,), (Equation(Variable("e").symbol, x[i] ** 2, Reduction.SUM, (i,)),), ("e",))
        >>> x = np.ones(3)
        >>> energy = compile(gradient(graph, "e")).bind(x)
        >>> x[0] = 2.0
        >>> loss, slope = energy()
        >>> loss, slope
        (6.0, array([4., 2., 2.]))
        >>> energy()[1] is slope  # the same array every time
        True
        """
        arguments = ordered(self.layout, arguments, named) if named else arguments
        arrays = self._known_results(arguments, out)
        if self.threads > 1:
            self._call_again(arguments, arrays)
            return Bound(self, arguments, arrays)
        bound = self._code.bind(arguments, arrays, Bound(self, arguments, arrays))
        if bound is None:
            given, written = self._plain(arguments, arrays)
            bound = self._code.bind(given, written, Bound(self, given, written))
            if bound is None:
                raise TypeError(f"{self!r} cannot be bound to these arguments")
        return bound

    def _results(self, arguments: Sequence[Any], out: Any) -> tuple[np.ndarray, ...] | None:
        """The arrays for the results, new unless some are given; None if the arguments do not show their shapes."""
        if len(arguments) != len(self.layout.arguments):
            self._check(arguments)
        if out is None:
            return self._new_arrays(arguments)
        if isinstance(out, np.ndarray):
            return (out,)
        if not isinstance(out, (tuple, list)):
            raise TypeError(f"out must be an array or a tuple of arrays, found {describe(out)}")
        return tuple(out)

    def _new_arrays(self, arguments: Sequence[Any]) -> tuple[np.ndarray, ...] | None:
        if not self._symbolic:
            return tuple([np.empty(shape, dtype) for shape, dtype in self._fixed])
        try:
            extents: dict[Any, int] = {n: arguments[number].shape[axis] for n, (number, axis) in self._where.items()}
            for n, (constant, lengths) in self._sums.items():
                extents[n] = constant + sum([factor * extents[symbol] for symbol, factor in lengths])
            return tuple([np.empty([extents.get(n, n) for n in shape], dtype) for shape, dtype in self._fixed])
        except (AttributeError, IndexError, TypeError, ValueError):  # the last where a length is below 0
            return None

    def _known_results(self, arguments: Sequence[Any], out: Any) -> tuple[np.ndarray, ...]:
        """The arrays for the results. Raises what is wrong with arguments that do not show their shapes."""
        arrays = self._results(arguments, out)
        if arrays is None:
            self._check(arguments)
            raise TypeError(f"{self!r} cannot take these arguments")
        return arrays

    def _call_again(self, arguments: Sequence[Any], arrays: Sequence[np.ndarray]) -> Any:
        """Say what is wrong with the arguments; if nothing is, call with the plain arrays and numbers in them."""
        given, written = self._plain(arguments, arrays)
        results = self._call(*given, *written)
        if results is False:
            # Refused, found to be right, and refused again.
            names = ", ".join(slot.name for slot in self.layout.arguments if slot.shape)
            raise ValueError(f"the arrays ({names}) changed while they were checked: another thread writes to them")
        filled = iter(arrays)
        values = results if len(self.layout.results) > 1 else (results,)
        returned = tuple(next(filled) if slot.shape else v for slot, v in zip(self.layout.results, values))
        return returned if len(returned) > 1 else returned[0]

    def _plain(self, arguments: Sequence[Any], arrays: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Arguments and results that have been checked, as plain arrays and numbers."""
        self._check(arguments)
        self._check_out(arguments, arrays)
        real = np.dtype(DTYPES[self.report.dtype])

        def plain(slot: Slot, value: Any) -> Any:
            integer = slot.kind == "integer"
            if not slot.shape:
                return int(value) if integer else float(value)
            # An equal dtype may be another object.
            return value.view(np.ndarray).view(np.dtype(np.int64) if integer else real)

        return (
            [plain(slot, value) for slot, value in zip(self.layout.arguments, arguments)],
            [plain(slot, value) for slot, value in zip(self.layout.arrays, arrays)],
        )

    def _check(self, arguments: Sequence[Any]) -> None:
        """Raise the error that says what is wrong with the arguments, if anything is."""
        slots = self.layout.arguments
        if len(arguments) != len(slots):
            names = ", ".join(slot.name for slot in slots)
            raise TypeError(f"expected {len(slots)} arguments ({names}), found {len(arguments)}")
        extents: dict[Any, tuple[int, str]] = {}
        for slot, value in zip(slots, arguments):
            self._check_array(slot, value, extents)
        self._check_lengths([*zip(slots, arguments)], extents)

    def _check_lengths(self, given: Sequence[tuple[Slot, Any]], extents: Mapping[Any, tuple[int, str]]) -> None:
        """Axes whose lengths follow from others have them, none is below 0; integers keep to those they are below."""
        known = {n: found for n, (found, _) in extents.items()}
        for slot in self.layout.arrays:
            for n in filter(is_sum, slot.shape):
                if length(n, known) < 0:
                    lengths = ", ".join(f"{symbol} = {known[symbol]}" for symbol in lengths_in(n))
                    raise ValueError(f"{slot.name!r} has shape {_shape(slot)}, which is none for {lengths}")
        for slot, value in given:
            for found, n in zip(np.shape(value), slot.shape):
                if is_sum(n) and found != (expected := length(n, known)):
                    raise ValueError(
                        f"{slot.name!r} must have shape {_shape(slot)} with {n} = {expected}, found {value.shape}"
                    )
            _check_integers(slot, value, known)

    def _check_out(self, arguments: Sequence[Any], arrays: Sequence[Any]) -> None:
        slots = self.layout.arrays
        if len(arrays) != len(slots):
            names = ", ".join(slot.name for slot in slots)
            raise TypeError(f"out needs {len(slots)} arrays ({names}), found {len(arrays)}")
        for slot, array in zip(slots, arrays):
            if not isinstance(array, np.ndarray) or not array.flags.writeable:
                raise TypeError(f"out for {slot.name!r} must be a writable numpy array, found {describe(array)}")
            for argument in arguments:
                if isinstance(argument, np.ndarray) and np.may_share_memory(array, argument):
                    raise ValueError(f"out for {slot.name!r} shares memory with an argument")
        for n, array in enumerate(arrays):
            if any(np.may_share_memory(array, other) for other in arrays[:n]):
                raise ValueError(f"out for {slots[n].name!r} shares memory with another out array")
        extents: dict[Any, tuple[int, str]] = {}
        everything = [*zip(self.layout.arguments, arguments), *zip(slots, arrays)]
        for slot, value in everything:
            self._check_array(slot, value, extents)
        self._check_lengths(everything, extents)

    def _check_array(self, slot: Slot, value: Any, extents: dict[Any, tuple[int, str]]) -> None:
        wanted = np.dtype(np.int64 if slot.kind == "integer" else DTYPES[self.report.dtype])
        if not slot.shape:
            number = value[()] if isinstance(value, np.ndarray) and not value.shape else value
            if not isinstance(number, (int, np.integer) if slot.kind == "integer" else NUMBERS):
                raise TypeError(f"{slot.name!r} must be a number ({wanted}), found {describe(value)}")
            if slot.kind != "integer" and is_rounded(number, wanted):
                digits = f"found {describe(number)} with more digits than it has; write float({slot.name})"
                raise ValueError(f"{slot.name!r} must be a number ({wanted}), {digits}")
            return
        if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
            raise TypeError(f"{slot.name!r} must be a numpy array of {wanted}, found {describe(value)}")
        if value.dtype != wanted:
            raise TypeError(f"{slot.name!r} must have dtype {wanted}, found {value.dtype}")
        if value.ndim != len(slot.shape):
            raise ValueError(f"{slot.name!r} must have shape {_shape(slot)}, found {value.shape}")
        if not (value.flags.c_contiguous and value.flags.aligned):
            raise ValueError(f"{slot.name!r} must be C-contiguous and aligned; use numpy.ascontiguousarray")
        for found, expected in zip(value.shape, slot.shape):
            if is_sum(expected):
                continue
            if isinstance(expected, int):
                if found != expected:
                    raise ValueError(f"{slot.name!r} must have shape {_shape(slot)}, found {value.shape}")
            elif found < 1:
                wanted_shape = f"{_shape(slot)} with {expected} ≥ 1"
                raise ValueError(f"{slot.name!r} must have shape {wanted_shape}, found {value.shape}")
            else:
                first, owner = extents.setdefault(expected, (found, slot.name))
                if first != found:
                    raise ValueError(
                        f"{slot.name!r} has {expected} = {found} by its shape {value.shape}, "
                        f"but {owner!r} has {expected} = {first}"
                    )

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, in another process too, is compiled from the same graph, or loaded from the cache."""
        return self._again, ()

    def __repr__(self) -> str:
        arguments = ", ".join(slot.name for slot in self.layout.arguments)
        results = ", ".join(slot.name for slot in self.layout.results)
        return f"<CompiledFunction ({arguments}) -> ({results}), {self.report.schedule}, {self.report.dtype}>"

    _repr_html_ = shown_by("function_html")
    _repr_latex_ = shown_by("function_latex")
    _repr_svg_ = shown_by("function_svg")


class Bound:
    """A function on its arguments and the arrays for its results, as :meth:`CompiledFunction.bind` gives it."""

    __slots__ = ("_arguments", "_arrays", "_function")

    def __init__(self, function: CompiledFunction, arguments: Sequence[Any], arrays: Sequence[np.ndarray]) -> None:
        self._function, self._arguments, self._arrays = function, arguments, arrays

    def __call__(self, /, *more: Any) -> Any:
        if more:
            raise TypeError(f"a bound function takes no arguments, found {len(more)}")
        results = self._function._call(*self._arguments, *self._arrays)
        return self._function._call_again(self._arguments, self._arrays) if results is False else results

    @property
    def bound(self) -> Callable[[], Any]:
        """The same, bound anew."""
        return self._function.bind(*self._arguments, out=self._arrays)

    def __reduce__(self) -> tuple[Any, ...]:
        return Bound, (self._function, self._arguments, self._arrays)

    def __deepcopy__(self, memo: object) -> Bound:
        """Itself, as every function."""
        return self


def _shape(slot: Slot) -> str:
    return f"({', '.join(map(str, slot.shape))}{',' if len(slot.shape) == 1 else ''})"


def _check_integers(slot: Slot, value: Any, lengths: Mapping[Symbol, int]) -> None:
    """Integers keep to their range."""
    if slot.kind != "integer":
        return
    below = slot.variables[0].below
    limit = None if below is None else length(below, lengths)
    said = "" if below is None or isinstance(below, int) else f", as {below} is {limit}"
    if not slot.shape:
        if not (-(2**63) <= value < 2**63 if limit is None else 0 <= value < limit):
            allowed = (
                "an integer from -2**63 to 2**63 - 1" if limit is None else f"an integer from 0 to {limit - 1}{said}"
            )
            raise ValueError(f"{slot.name!r} must be {allowed}, found {value}")
    elif limit is not None and value.size and (value.min() < 0 or value.max() >= limit):
        worst = value.min() if value.min() < 0 else value.max()
        raise ValueError(f"{slot.name!r} must hold integers from 0 to {limit - 1}{said}, found {worst}")
