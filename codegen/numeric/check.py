"""Is this gradient right? Every entry, or a sample and random directions, held to numerical derivatives.

The policy: difference methods must agree within ten times their own estimated error, the precise ones (complex step,
mpmath, float64 for float32) within a fixed tolerance on the metric |a − b|/max(1, |a|, |b|). An estimate too coarse to
find a mistake decides nothing, nor does a point on a kink; next to a kink the difference is taken on the other side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codegen.derive import gradient as derive
from codegen.derive.requests.request import Wrt, names_of
from codegen.errors import CheckError
from codegen.ir.graph import Graph
from codegen.numeric.branches import branches
from codegen.numeric.differences import differentiable, problem
from codegen.numeric.evaluate import evaluate
from codegen.numeric.lines import (
    Array,
    Floats,
    Lines,
    Objective,
    UserFunction,
    direction_lines,
    entry_lines,
    same_branches,
)
from codegen.numeric.oracle import rounded
from codegen.numeric.report import DOUBLE, CheckReport, Outcome, Verdict, summary
from codegen.numeric.schemes import CENTRAL_STEP, FORWARD_STEP, RICHARDSON_STEP, SCHEMES, Estimate, Problem

ALL_ENTRIES = 2_000
"""Up to this many parameters every entry is checked."""
SAMPLED_ENTRIES, DIRECTIONS = 64, 8
"""What is checked above that."""
TOLERANCE = 1e-12
"""On the metric, in float64 between methods that are accurate to rounding."""
TOLERANCE_FLOAT32 = 5e-4
"""On the metric, of a float32 gradient against the float64 one."""


@dataclass(frozen=True)
class Judge:
    """How far a method is trusted: within ``safety``·(its estimated error), if that is below ``limit`` on the metric.

    ``reach``·scale is how far the method looks, and so how near a kink must be to matter.
    """

    reach: float
    safety: float
    limit: float
    one_sided: bool = False


#: The methods of :data:`~codegen.numeric.schemes.SCHEMES` as judges.
JUDGES: Mapping[str, Judge] = {
    "forward": Judge(FORWARD_STEP, 10, 1e-4, one_sided=True),
    "central": Judge(CENTRAL_STEP, 10, 1e-4, one_sided=True),
    "richardson": Judge(RICHARDSON_STEP, 10, 1e-4, one_sided=True),
    "complex": Judge(FORWARD_STEP, 1, TOLERANCE),
    "exact": Judge(FORWARD_STEP, 1, TOLERANCE),
}


def check_gradient(
    graph: Graph,
    of: str,
    values: Mapping[str, ArrayLike],
    wrt: Wrt | None = None,
    *,
    gradient: Mapping[str, ArrayLike] | None = None,
    function: UserFunction | None = None,
    methods: Sequence[str] = ("central", "complex"),
    seed: int = 0,
    dtype: Literal["float64", "float32"] = "float64",
) -> CheckReport:
    """Hold the gradient of the scalar ``of`` at ``values`` to numerical derivatives.

    ``gradient`` is the claim, an array for each input of ``wrt``; by default it is derived and evaluated. ``function``
    is evaluated in place of the graph by the difference methods. Up to 2,000 parameters every entry is checked, above
    that 64 entries and 8 random directions drawn with ``seed``; a direction that fails is halved until the wrong entry
    is found. With ``dtype="float32"`` the claim is held to the derived gradient in float64, and that to the methods.

    What ``stop_gradient`` holds constant moves here like anything else: a result that depends on it is reported. A
    derivative that is nan where the numeric one is nan too agrees with it; the method ``exact``, in which nothing
    overflows, tells whether it has to be (it is slow: for small graphs). Raises :class:`CheckError` for a method, a
    dtype, a claim or values that do not fit.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> graph = from_expressions({"e": (a + b) * (b + 1)}, [a, b])
    >>> check_gradient(graph, "e", {"a": 2, "b": 1}).passed
    True
    >>> check_gradient(graph, "e", {"a": 2, "b": 1}, gradient={"a": 2, "b": 4}, methods=["complex"]).raise_if_failed()
    Traceback (most recent call last):
    codegen.errors.CheckError: the gradient of 'e' is wrong at b: analytic 4, numeric 5 by complex, ...
    """
    _check_options(methods, dtype)
    here = problem(graph, of, values, function)
    names = _names(graph, wrt, gradient)
    claim = None if gradient is None else _claimed(here, names, gradient)
    verdicts: dict[str, list[Verdict]] = {}
    if dtype == "float32":
        here = Problem(graph, of, {n: _single(array) for n, array in here.point.items()}, function)
        reference = _derived(here, names, np.float64)
        verdicts[DOUBLE] = _against_double(here, claim or _derived(here, names, np.float32), reference)
        claim = reference
    claim = claim or _derived(here, names, np.float64)
    same = same_branches(graph, of, here.point)
    generator = np.random.Generator(np.random.PCG64(seed))
    entries, directions = _sample(here, names, generator)
    for method in methods:
        compare = _comparison(here, method, same)
        verdicts[method] = [
            *(verdict for name in names for verdict in _entries(compare, here, claim, name, entries[name])),
            *_directions(compare, here, claim, directions),
        ]
    return summary(of, verdicts)


def _check_options(methods: Sequence[str], dtype: str) -> None:
    for method in methods:
        if method not in JUDGES:
            raise CheckError(f"methods: found {method!r}, expected some of {', '.join(JUDGES)}")
    if dtype not in ("float64", "float32"):
        raise CheckError(f"dtype: found {dtype!r}, expected 'float64' or 'float32'")


def _names(graph: Graph, wrt: Wrt | None, gradient: Mapping[str, ArrayLike] | None) -> list[str]:
    """The parameters to check: those asked for, those of the claim, or all real inputs."""
    if wrt is None and gradient is None:
        return [variable.name for variable in graph.inputs if variable.kind == "real"]
    names = list(gradient or ()) if wrt is None else names_of(wrt)
    for name in names:
        differentiable(graph, name)
    if not names:
        raise CheckError("wrt: found no parameter, expected at least one")
    return names


def _single(array: Array) -> Array:
    return array if array.dtype.kind == "i" else array.astype(np.float32).astype(np.float64)


def _claimed(here: Problem, names: Sequence[str], gradient: Mapping[str, ArrayLike]) -> dict[str, Floats]:
    claim: dict[str, Floats] = {}
    for name in names:
        if name not in gradient:
            raise CheckError(
                f"gradient: found nothing for {name!r}, expected an array of shape {here.point[name].shape}"
            )
        claim[name] = np.asarray(gradient[name], np.float64)
        if claim[name].shape != here.point[name].shape:
            raise CheckError(
                f"gradient of {name!r}: found shape {claim[name].shape}, expected {here.point[name].shape}"
            )
    return claim


def _derived(here: Problem, names: Sequence[str], dtype: type[np.floating]) -> dict[str, Floats]:
    graph = derive(here.graph, here.of, names)
    found = evaluate(graph, here.point, dtype)
    return {name: found[output].astype(np.float64) for name, output in zip(names, graph.outputs[1:])}


def _sample(
    here: Problem, names: Sequence[str], generator: np.random.Generator
) -> tuple[dict[str, NDArray[np.intp]], list[dict[str, Floats]]]:
    """The flat indices to check of each parameter, and the directions."""
    sizes = [here.point[name].size for name in names]
    ends = np.cumsum(sizes)
    few = ends[-1] <= ALL_ENTRIES
    chosen = np.arange(ends[-1]) if few else np.sort(generator.choice(ends[-1], SAMPLED_ENTRIES, replace=False))
    entries = {
        name: chosen[(chosen >= end - size) & (chosen < end)] - (end - size)
        for name, size, end in zip(names, sizes, ends)
    }
    directions = [
        {name: generator.standard_normal(here.point[name].shape) for name in names}
        for _ in range(0 if few else DIRECTIONS)
    ]
    return entries, directions


# --- comparing ----------------------------------------------------------------------------------------------------


Comparison = Callable[[Lines, Floats], tuple[Estimate, Floats, list[Outcome]]]
"""From lines and the claimed derivatives along them to the estimates, the metric and the outcomes."""


def _comparison(here: Problem, method: str, same: Objective) -> Comparison:
    judge = JUDGES[method]
    # A compiled function takes real numbers only.
    source = here if judge.one_sided else replace(here, function=None)

    def compare(lines: Lines, analytic: Floats) -> tuple[Estimate, Floats, list[Outcome]]:
        reach = judge.reach * lines.scale
        above, below = same(lines, reach), same(lines, -reach)
        estimate = _as_floats(SCHEMES[method](source, lines, None))
        if judge.one_sided:
            estimate = _beside_the_cut(here, lines, estimate, above, below)
        error, metric = judge.safety * estimate.error, _metric(analytic, estimate.value)
        tolerance = np.maximum(error / _size(analytic, estimate.value), TOLERANCE)
        # On the scale of the numeric value alone: next to a wild claim any estimate would look sharp.
        useful = error / _size(estimate.value) <= judge.limit
        outcomes = _outcomes(analytic, estimate.value, metric, tolerance, useful)
        return estimate, metric, [o if a or b else Outcome.KINK for o, a, b in zip(outcomes, above, below)]

    return compare


def _as_floats(estimate: Estimate) -> Estimate:
    if estimate.value.dtype == object:
        return Estimate(rounded(estimate.value), rounded(estimate.error))
    return estimate


def _beside_the_cut(here: Problem, lines: Lines, estimate: Estimate, above: Array, below: Array) -> Estimate:
    """One-sided differences where a branch flips, or the function ends, on one side of the point only."""
    value, error = estimate.value.copy(), estimate.error.copy()
    ended = above & below & ~np.isfinite(value)
    for side, usable, other in ((1, above, below), (-1, below, above)):
        chosen = np.flatnonzero(usable & (~other | (ended & ~np.isfinite(value))))
        if len(chosen):
            part = lines.take(chosen)
            step = side * FORWARD_STEP * part.scale
            found = SCHEMES["forward"](here, part, step)
            value[chosen], error[chosen] = found.value, found.error
    return Estimate(value, error)


def _size(*numbers: Floats) -> Floats:
    """max(1, |a|, |b|) of what is finite."""
    sizes = [np.where(np.isfinite(v), np.abs(v), 0) for v in numbers]
    return np.asarray(np.max(sizes, axis=0, initial=1.0))


def _metric(analytic: Floats, numeric: Floats) -> Floats:
    """|a − b|/max(1, |a|, |b|); 0 if neither is finite, inf if one is."""
    finite = np.isfinite(analytic) & np.isfinite(numeric)
    neither = ~np.isfinite(analytic) & ~np.isfinite(numeric)
    with np.errstate(invalid="ignore"):
        distance = np.abs(analytic - numeric) / _size(analytic, numeric)
    return np.where(finite, distance, np.where(neither, 0.0, np.inf))


def _outcomes(
    analytic: Floats, numeric: Floats, metric: Floats, tolerance: Floats, useful: NDArray[np.bool_]
) -> list[Outcome]:
    """What each pair says. A numeric value that is not finite can confirm one that is not, and refute nothing."""
    conditions = [
        (~np.isfinite(numeric) & ~np.isfinite(analytic), Outcome.PASSED),
        (~np.isfinite(numeric) | ~useful, Outcome.UNDECIDED),
        (metric <= tolerance, Outcome.PASSED),
    ]
    return [next((o for holds, o in conditions if holds[k]), Outcome.FAILED) for k in range(len(metric))]


def _entries(
    compare: Comparison, here: Problem, claim: Mapping[str, Floats], name: str, entries: NDArray[np.intp]
) -> list[Verdict]:
    if not len(entries):
        return []
    analytic = claim[name].reshape(-1)[entries]
    estimate, metric, outcomes = compare(entry_lines(here.point, name, entries), analytic)
    shape = claim[name].shape
    places = [tuple(map(int, np.unravel_index(entry, shape))) if shape else () for entry in entries]
    return _verdicts(name, places, analytic, estimate, metric, outcomes)


def _verdicts(
    parameter: str,
    places: Sequence[tuple[int, ...]],
    analytic: Floats,
    estimate: Estimate,
    metric: Floats,
    outcomes: Sequence[Outcome],
) -> list[Verdict]:
    columns = analytic.tolist(), estimate.value.tolist(), estimate.error.tolist(), metric.tolist()
    return [Verdict(parameter, *row) for row in zip(places, *columns, outcomes)]


def _directions(
    compare: Comparison, here: Problem, claim: Mapping[str, Floats], directions: Sequence[Mapping[str, Floats]]
) -> list[Verdict]:
    if not directions:
        return []
    analytic = np.array([_along(claim, direction) for direction in directions])
    estimate, metric, outcomes = compare(direction_lines(here.point, directions), analytic)
    found = _verdicts("direction", [(k,) for k in range(len(directions))], analytic, estimate, metric, outcomes)
    wrong = [k for k, outcome in enumerate(outcomes) if outcome is Outcome.FAILED]
    if wrong:
        worst = directions[max(wrong, key=lambda k: metric[k])]
        name, entry = _locate(compare, here, claim, worst)
        found += _entries(compare, here, claim, name, np.array([entry]))
    return found


def _along(claim: Mapping[str, Floats], direction: Mapping[str, Floats]) -> float:
    return float(sum(np.sum(claim[name] * part) for name, part in direction.items()))


def _locate(
    compare: Comparison, here: Problem, claim: Mapping[str, Floats], direction: Mapping[str, Floats]
) -> tuple[str, int]:
    """The wrong entry, by halving: of the two halves of a direction the one that is farther off has it."""
    places = [(name, entry) for name, part in direction.items() for entry in range(part.size)]
    while len(places) > 1:
        halves = places[: len(places) // 2], places[len(places) // 2 :]
        parts = [_restricted(direction, half) for half in halves]
        analytic = np.array([_along(claim, part) for part in parts])
        estimate, _, _ = compare(direction_lines(here.point, parts), analytic)
        with np.errstate(invalid="ignore"):
            off = np.abs(analytic - estimate.value)
        places = halves[int(np.argmax(np.where(np.isnan(off), np.inf, off)))]
    return places[0]


def _restricted(direction: Mapping[str, Floats], places: Iterable[tuple[str, int]]) -> dict[str, Floats]:
    """The direction with all other entries 0."""
    result = {name: np.zeros(part.shape) for name, part in direction.items()}
    for name, entry in places:
        result[name].flat[entry] = direction[name].flat[entry]
    return result


def _against_double(here: Problem, claim: Mapping[str, Floats], reference: Mapping[str, Floats]) -> list[Verdict]:
    """Every entry of a float32 gradient against the float64 one; a branch that falls differently decides nothing."""
    wrong = Outcome.UNDECIDED if _decided_differently(here) else Outcome.FAILED
    found = []
    for name, expected in reference.items():
        metric = _metric(claim[name], expected)
        for index in np.ndindex(expected.shape):
            numbers = float(claim[name][index]), float(expected[index]), 0.0, float(metric[index])
            outcome = Outcome.PASSED if metric[index] <= TOLERANCE_FLOAT32 else wrong
            found.append(Verdict(name, index, *numbers, outcome))
    return found


def _decided_differently(here: Problem) -> bool:
    decisions = branches(here.graph, here.of)
    if decisions is None:
        return False
    single, double = evaluate(decisions, here.point, np.float32), evaluate(decisions, here.point)
    return any(not np.array_equal(single[n], double[n], equal_nan=True) for n in decisions.outputs)
