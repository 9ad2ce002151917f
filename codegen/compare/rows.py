"""A row of the comparison: one derivative of one graph at one point, held to everything that applies."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.cached import cached_property
from codegen.compare.conditioning import sizes_of_terms
from codegen.compare.kinds import KINDS, Size
from codegen.compare.metric import deviation
from codegen.compare.oracles import ORACLES, TELLING, Slopes, finite
from codegen.compare.oracles import Method as OracleMethod
from codegen.compare.problem import Problem
from codegen.compare.report import Agreement, Comparison, Outcome
from codegen.compare.ways import PLAIN, WAYS
from codegen.dtypes import DTYPES, Dtype
from codegen.errors import CheckError, EmitError
from codegen.ir.graph import Graph
from codegen.ir.operations import count_operations
from codegen.numeric import evaluate, evaluate_exactly
from codegen.passes import optimise
from codegen.walk import elements, is_symbolic

Array = NDArray[Any]

TOLERANCE: Mapping[Dtype, float] = {"float64": 1e-12, "float32": 5e-4}
"""On the metric |a − b|/max(1, |a|, |b|)."""
EXACT_WORK = 60_000
"""Up to so many operations mpmath is what ways are held to; above, which takes seconds, the evaluator is."""
COUNTED_SAMPLES = 16
"""For so many samples operations are held to their bound."""
ENTRIES = 64
"""Derivatives by up to so many entries are all held to the oracles; above that, those by so many random ones."""


@dataclass(frozen=True, eq=False)
class Row:
    """A derivative of ``of`` by ``wrt`` at ``values``, computed in ``dtype`` by some ways.

    Raises :class:`CheckError` for a kind, an oracle or a way that is unknown.
    """

    name: str
    graph: Graph
    kind: str
    of: str
    wrt: Sequence[str]
    values: Mapping[str, Array]
    dtype: Dtype = "float64"
    tolerance: float | None = None
    """The largest metric between ways; that of the dtype by default."""
    oracles: Sequence[str] = tuple(ORACLES)
    ways: Sequence[str] = (*PLAIN, "auto auto")
    bounded: bool = False
    """Whether the operations of what is derived are held to the bound of its kind."""
    elementwise: bool = False
    """Whether units in the last place are those of each entry, not of the largest one of its array."""
    conditioned: bool = False
    """Whether the error of ways is told by the size of the terms too: :mod:`codegen.compare.conditioning`."""
    convention: Array | None = None
    """First derivatives by all entries of ``wrt``, laid end to end on the last axis, which are not a limit but agreed
    upon, at a kink; nan where nothing is."""
    elsewhere: Mapping[str, Mapping[float, float]] = field(default_factory=dict)
    """By library what it has agreed upon instead, point by point: named in the report, for it cannot judge there."""
    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        for what, names, known in (
            ("kind", [self.kind], KINDS),
            ("oracle", self.oracles, ORACLES),
            ("way", self.ways, WAYS),
        ):
            for name in names:
                if name not in known:
                    raise CheckError(f"{what}: found {name!r}, expected one of {', '.join(known)}")

    @property
    def title(self) -> str:
        """What the row is called in a report."""
        return f"{self.name}, {self.kind}{'' if self.dtype == 'float64' else ', ' + self.dtype}"

    @cached_property
    def derived(self) -> Graph:
        """The graph of the derivative."""
        return KINDS[self.kind].derive(self.graph, self.of, tuple(self.wrt))

    @cached_property
    def problem(self) -> Problem:
        """What is differentiated."""
        return Problem(self.graph, self.of, tuple(self.wrt), self.values, ENTRIES, self.seed)


def applies(row: Row) -> bool:
    """Whether the kind of derivative exists for the vertex: a gradient needs a scalar, others samples."""
    kind = KINDS[row.kind]
    fits = not (kind.scalar and row.graph.variable(row.of).shape)
    return fits and kind.applies(row.graph, row.of, tuple(row.wrt))


def compare(rows: Iterable[Row]) -> Comparison:
    """Hold every row to every oracle, its operations to their bound, and every way to exact values.

    Oracles judge the graph that was derived, as the evaluator computes it, entry by entry; an entry that an oracle
    cannot tell at this point (a kink, a value that is not finite) is left to the others. Ways are judged as a whole.

    >>> from codegen import from_expressions
    >>> from sympy import symbols, tanh
    >>> a, b = symbols("a b")
    >>> graph = from_expressions({"e": tanh(a * b) + b}, [a, b])
    >>> row = Row("tanh", graph, "gradient", "e", ["a", "b"], {"a": np.array(0.5), "b": np.array(2.0)})
    >>> compare([row]).passed
    True
    """
    known: Known = {}
    return Comparison(tuple(agreement for row in rows for agreement in _agreements(row, known)))


Known = dict[tuple[object, ...], tuple[Row, Slopes]]
"""What oracles have said, which rows of one graph at one point share; with the row, whose parts the key names by id."""


def _agreements(row: Row, known: Known) -> Iterator[Agreement]:
    judgements = [_oracle(row, ORACLES[name], known) for name in row.oracles]
    if row.convention is not None:
        judgements.append(_judged(row, row.problem, CONVENTION, finite(row.convention, np.zeros_like(row.convention))))
    found = [judgement for judgement in judgements if judgement is not None]
    for judgement in found:
        yield judgement.agreement
    for library, slopes in row.elsewhere.items():
        told = ", ".join(f"{slope:g} at {point:g}" for point, slope in slopes.items())
        yield Agreement(row.title, f"{library}: {told}", Outcome.ELSEWHERE)
    yield from _undecided(row, found)
    if row.bounded and KINDS[row.kind].bound is not None:
        yield _bound(row)
    yield from _ways(row)


# --- oracles ------------------------------------------------------------------------------------------------------

CONVENTION = "convention"
"""What agreements call the derivatives that are agreed upon."""


class Told(enum.IntEnum):
    """What an oracle says of an entry."""

    NOT_ASKED = 0
    UNDECIDED = 1
    DECIDED = 2


@dataclass(frozen=True, eq=False)
class Judgement:
    """What one oracle says: of the worst entry, and how much of each, as :class:`Told`, output by output."""

    agreement: Agreement
    told: Sequence[NDArray[np.int8]]


def _oracle(row: Row, oracle: OracleMethod, known: Known) -> Judgement | None:
    """What an oracle says of what was derived; None if it does not apply."""
    order = KINDS[row.kind].order
    problem = replace(row.problem, limit=min(row.problem.limit, oracle.limits[order - 1]))
    if not oracle.applies(problem):
        return None
    key = (id(row.graph), id(row.values), row.of, *row.wrt, row.seed, oracle.name, order)
    if key not in known:
        known[key] = row, (oracle.first, oracle.second)[order - 1](problem)
    return _judged(row, problem, oracle.name, known[key][1])


def _judged(row: Row, problem: Problem, what: str, slopes: Slopes) -> Judgement:
    """Every part of what was derived, where the evaluator computes it."""
    kind = KINDS[row.kind]
    found = evaluate(row.derived, _completed(row.derived, problem))
    outputs = kind.read(problem, [(name, found[name]) for name in row.derived.outputs[1:]])
    told = [np.zeros(np.shape(whole), np.int8) for _, whole in outputs]
    worst, where, wrong = 0.0, "", False
    for part in kind.expect(problem, slopes.value, slopes.error):
        name, whole = outputs[part.output]
        given = whole[part.place]
        with np.errstate(all="ignore"):
            scale = np.maximum(1.0, np.maximum(np.abs(given), np.abs(part.value)))
            apart, doubt = np.abs(given - part.value) / scale, part.error / scale
        # Known to be infinite or nan.
        special = ~np.isfinite(part.value) & (part.error == 0)
        same = (given == part.value) | (np.isnan(given) & np.isnan(part.value))
        doubt = np.where(special, 0.0, doubt)
        telling = special | (np.isfinite(doubt) & np.isfinite(part.value) & (doubt < TELLING))
        told[part.output][part.place] = np.where(telling, Told.DECIDED, Told.UNDECIDED)
        apart = np.where(special, np.where(same, 0.0, np.inf), np.where(np.isfinite(given), apart, np.inf))
        apart = np.where(telling, apart, 0.0)
        wrong |= bool((apart > TOLERANCE["float64"] + SAFETY * doubt)[telling].any())
        if apart.size and apart.max() >= worst:
            worst, where = float(apart.max()), name
    decided = any((one == Told.DECIDED).any() for one in told)
    outcome = Outcome.DISAGREES if wrong else Outcome.AGREES if decided else Outcome.UNDECIDED
    return Judgement(Agreement(row.title, what, outcome, worst, None, where), told)


def _undecided(row: Row, judgements: Sequence[Judgement]) -> Iterator[Agreement]:
    """The number of entries of which oracles were asked and none could tell."""
    best = [np.maximum.reduce(arrays) for arrays in zip(*(judgement.told for judgement in judgements))]
    undecided, asked = (sum(int(test(array).sum()) for array in best) for test in (_is_undecided, _is_asked))
    if undecided:
        yield Agreement(row.title, f"{undecided} of {asked} entries", Outcome.UNDECIDED)


def _is_undecided(told: NDArray[np.int8]) -> Any:
    return told == Told.UNDECIDED


def _is_asked(told: NDArray[np.int8]) -> Any:
    return told != Told.NOT_ASKED


SAFETY = 10
"""An estimated error is trusted up to this factor, as the gradient check does: it is itself an estimate."""


def _completed(derived: Graph, problem: Problem) -> dict[str, Array]:
    """The values of the inputs of a derivative: those of the graph, a direction, a cotangent."""
    vectors = problem.split(problem.direction)
    added = {f"v_{problem.of}": problem.cotangent, **{f"v_{name}": vector for name, vector in vectors.items()}}
    known = {**added, **problem.values}
    return {v.name: known[v.name] for v in derived.inputs}


# --- operations ---------------------------------------------------------------------------------------------------


def _bound(row: Row) -> Agreement:
    """The operations of the derivative by those of the vertex."""
    bound = KINDS[row.kind].bound
    assert bound is not None
    elements, own_elements = (_count(row.graph, [row.of], samples) for samples in (COUNTED_SAMPLES, 1))
    entries, own_entries = (_count(row.graph, row.wrt, samples) for samples in (COUNTED_SAMPLES, 1))
    value = max(_work(row.graph.with_outputs(row.of)), 1)
    work, most = _work(row.derived), bound(Size(value, elements, entries, own_elements, own_entries))
    outcome = Outcome.AGREES if work <= most else Outcome.DISAGREES
    place = f"{work / value:.2f} times those of the value, bound {most / value:.2f}"
    return Agreement(row.title, "operations", outcome, 0.0, None, place)


def _count(graph: Graph, names: Iterable[str], samples: int) -> int:
    """Elements of some vertices."""
    shapes = [graph.variable(name).shape for name in names]
    return sum(elements(shape, samples) for shape in shapes)


def _work(graph: Graph) -> int:
    return count_operations(optimise(graph)[0], COUNTED_SAMPLES).total()


# --- ways ---------------------------------------------------------------------------------------------------------


def _ways(row: Row) -> Iterator[Agreement]:
    if not row.ways:
        return
    real = DTYPES[row.dtype]
    values = {
        name: np.asarray(value).astype(real) if np.asarray(value).dtype.kind == "f" else np.asarray(value)
        for name, value in _completed(row.derived, row.problem).items()
    }
    samples = max(
        (np.shape(values[v.name])[a] for v in row.derived.inputs if (a := _axis(v.shape)) is not None), default=1
    )
    exact = count_operations(row.derived, samples).total() <= EXACT_WORK
    known: Mapping[str, Array] = evaluate_exactly(row.derived, values) if exact else evaluate(row.derived, values)
    expected = [known[name] for name in row.derived.outputs]
    terms = sizes_of_terms(row.derived, values, row.seed) if row.conditioned else None
    sizes = None if terms is None else [terms[name] for name in row.derived.outputs]
    tolerance = TOLERANCE[row.dtype] if row.tolerance is None else row.tolerance
    for name in row.ways:
        try:
            found = WAYS[name](row.derived, values, row.dtype)
        except EmitError as error:
            yield Agreement(row.title, name, Outcome.REFUSED, place=str(error))
            continue
        worst = deviation(found, expected, np.dtype(real), row.elementwise, sizes)
        outcome = Outcome.AGREES if worst.metric <= tolerance else Outcome.DISAGREES
        place = f"{row.derived.outputs[worst.array]}{list(worst.place)}"
        yield Agreement(row.title, name, outcome, worst.metric, worst.ulp, place)


def _axis(shape: Sequence[Any]) -> int | None:
    return next((axis for axis, n in enumerate(shape) if is_symbolic(n)), None)
