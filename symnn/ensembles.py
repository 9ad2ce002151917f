"""Several networks at once, of other first parameters, learning rates and widths, trained as one graph of all.

Every array that depends on a parameter has a further axis, the member, along which lanes lie; what an epoch costs
beside its arithmetic is paid once for all. See :mod:`symnn.widths` for members of other widths.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf, isfinite
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from sympy import Expr, Indexed
from sympy.core.basic import Basic

from codegen import CompiledFunction, Equation, Graph, Index, Reduction, Variable, compile, sample_extent
from codegen.dtypes import Dtype
from codegen.walk import base_name, rewrite, subscripts
from symnn.arrays import Floats, real
from symnn.checkpoint import Checkpoint
from symnn.descent import Checked, Descent
from symnn.errors import DataError, SpecError, SymnnError
from symnn.evaluation import probabilities
from symnn.given import called, whole_number
from symnn.layers.writing import FIRST, SEED, Parameter
from symnn.network import Network
from symnn.optimisers import OPTIMISERS, Optimiser
from symnn.parametrised import GivenGraph, Model
from symnn.schedules import SCHEDULES
from symnn.shown import shows
from symnn.training import data_and_settings, settings_of
from symnn.training.rows import fitted
from symnn.widths import places as places_in
from symnn.widths import widest

Arrays: TypeAlias = tuple[np.ndarray, ...]

MOST_SEED = 2**64 - 1
"""Random numbers are drawn by so many seeds."""


class Spread(NamedTuple):
    """What the members say, on the average, and their standard deviation."""

    mean: Floats
    spread: Floats


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Trained networks: ``members``, each a :class:`~symnn.Checkpoint` at its own best epoch.

    losses: float64 (epochs, members), those of the validation part, or of the training part where there is none.
    """

    members: tuple[Checkpoint, ...]
    losses: Floats

    def __repr__(self) -> str:
        networks = [*dict.fromkeys(repr(member.network)[1:-1] for member in self.members)]
        named = networks[0] if len(networks) == 1 else f"{len(networks)} networks, the first a {networks[0]}"
        return f"<Ensemble: {len(self.members)} members of {named}>"

    _repr_html_ = shows("ensemble_html")

    def outputs(self, x: Any) -> Floats:
        """The outputs of each member (members, S, outputs), for whatever :meth:`Checkpoint.predict` takes."""
        first = self.members[0]
        (part,) = first.samples(x).parts
        found = np.stack([np.array(m.model.predict(m.theta, *part.arrays), np.float64) for m in self.members])
        return found if first.target_scaling is None else first.target_scaling.restore(found)

    def predict(self, x: Any) -> Spread:
        """The mean of the outputs (S, outputs), in the units of the targets, and how far the members are apart."""
        found = self.outputs(x)
        return Spread(found.mean(axis=0), found.std(axis=0))

    def predict_proba(self, x: Any) -> Spread:
        """The mean of the probabilities of the classes (S, classes), and how far the members are apart.

        Raises :class:`DataError` for networks whose outputs are numbers.
        """
        reading = self.members[0].network.reading
        if reading == "values":
            raise DataError("predict_proba: found networks whose outputs are numbers, expected ones of classes")
        found = np.stack([probabilities(each, reading) for each in self.outputs(x)])
        return Spread(found.mean(axis=0), found.std(axis=0))


@called(SymnnError)
def ensemble(
    network: Network | Sequence[Network],
    data: Any,
    y: Any = None,
    settings: Any = None,
    *,
    members: int | None = None,
    seeds: Sequence[int] | None = None,
    learning_rates: Sequence[float] | None = None,
    weights: ArrayLike | None = None,
    dtype: Dtype = "float64",
) -> Ensemble:
    """Train so many networks together, as :func:`symnn.train` trains one, on the same rows in the same order.

    network: one for all ``members``, of which there are 8 unless given; or a sequence, a network for each member, with
    the same inputs, outputs and loss. Those that differ in the widths of their layers alone share lanes: see
    :func:`symnn.widths.widest`. Others are trained in the same epochs beside them.

    data, y, settings, weights: as for :func:`symnn.train`. seeds: those of the first parameters, from the settings'
    seed on unless given; learning_rates: one for each, that of the settings unless given. Each member keeps the
    parameters of the epoch that was best for it; with ``patience`` training ends when none has become better for so
    long.

    A member's dropout and noise are those of its seed, and its running averages its own. Rows are shuffled by the
    settings' seed for all members alike, so that only the member of that seed sees them as if it was trained alone.

    Raises :class:`SymnnError` for sequences whose length each call decides, several inputs, a clipped gradient, L-BFGS,
    and a schedule that looks at losses.

    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> from symnn.layers.dense import dense
    >>> line = Network(1, (dense(1),), "mean_squared_error")
    >>> found = ensemble(line, x, 2 * x, {"epochs": 5}, members=3, learning_rates=[0.1, 0.01, 0.001])
    >>> found.members[0].predict([[0.5]]).round(2), found.losses.shape
    (array([[1.]]), (5, 3))
    >>> wide = [Network(1, (dense(width, "tanh"), dense(1)), "mean_squared_error") for width in (2, 3, 5)]
    >>> [member.network.parameter_count for member in ensemble(wide, x, x**2, {"epochs": 5}).members]
    [7, 10, 16]
    """
    networks = _networks(network, members)
    count, first = len(networks), networks[0]
    dataset, given = data_and_settings(first, data, y, settings, weights)
    chosen = settings_of(first, given)
    firsts = range(chosen.seed, chosen.seed + count) if seeds is None else seeds
    rates = np.full(count, chosen.learning_rate) if learning_rates is None else real("learning_rates", learning_rates)
    for name, values in (("seeds", firsts), ("learning_rates", rates)):
        if (shape := np.shape(values)) != (count,):
            found = shape[0] if len(shape) == 1 else f"the shape {shape}"
            raise SymnnError(f"{name}: found {found}, expected {count}, one for each member")
    firsts = [whole_number(f"seeds[{n}]", seed, 0, MOST_SEED) for n, seed in enumerate(firsts)]
    for n, rate in enumerate(rates):
        if not 0 < rate < inf:
            raise SymnnError(f"learning_rates[{n}]: found {rate}, expected a number above 0")
    _check(networks, chosen)
    rows, held, _ = (part.arrays for (part,) in fitted(first.compile(dtype), dataset, chosen.class_weights))
    is_weighted = len(rows) > 1 + len(first.target_variables)
    groups: dict[Network, list[int]] = {}
    for number, each in enumerate(widest(networks)):
        groups.setdefault(each.with_weights if is_weighted else each, []).append(number)
    lanes = [
        lanes_of(wide, [networks[n] for n in places], places, [firsts[n] for n in places], rates, rows, chosen, dtype)
        for wide, places in groups.items()
    ]
    losses = _trained(chosen, lanes, len(rows[0]), held if len(held[0]) else rows)
    best = {n: theta for group in lanes for n, theta in zip(group.places, group.thetas)}
    members_found = tuple(Checkpoint.of(networks[n], best[n], dataset) for n in range(count))
    return Ensemble(members_found, losses)


def _networks(given: Network | Sequence[Network], members: int | None) -> tuple[Network, ...]:
    """A network for each member."""
    if isinstance(given, Sequence):
        networks = tuple(given)
        if not networks or members not in (None, len(networks)):
            raise SymnnError(f"network: found {len(networks)}, expected one for each member: {members or 'some'}")
    else:
        networks = (given,) * whole_number("members", 8 if members is None else members, 1)
    for network in networks:
        if not isinstance(network, Network):
            raise SymnnError(f"network: found {type(network).__name__}, expected a network of layers")
    return networks


def _check(networks: Sequence[Network], settings: Any) -> None:
    for network in networks:
        if network.takes_sequences or len(network.input_variables) != 1 or network.steps != "all":
            raise SpecError(
                "network: found several inputs or sequences of any length, expected neither for an ensemble"
            )
        for shared in ("inputs", "outputs", "loss"):
            found, expected = getattr(network, shared), getattr(networks[0], shared)
            if found != expected:
                raise SpecError(f"network: found {shared} {expected} and {found}, expected the same for all members")
    if settings.optimiser not in OPTIMISERS or settings.gradient_clip is not None:
        raise SpecError("settings: found lbfgs or gradient_clip, expected neither for an ensemble")
    if settings.schedule.name == "plateau":
        raise SpecError("settings: found the schedule 'plateau', expected one that does not look at losses")


# --- the graph ------------------------------------------------------------------------------------------------------


def of_members(graph: Graph, parameters: Collection[str], count: int, apart: Collection[str] = ()) -> Graph:
    """The graph of so many networks alike, each with parameters of its own: ``loss`` of each, and ``total``, their sum.

    apart: vertices that have a value for each member, though they may depend on no parameter.

    Where random numbers are drawn their seeds are integers of samples and members, the same for all samples.

    >>> from symnn.layers.dense import dense
    >>> network = Network(2, (dense(1),), "mean_squared_error")
    >>> print(of_members(network.graph, network.layout, 3))
    inputs W1[1, 2, 3], b1[1, 3], x[S, 2], y[S, 1]
    z1[s, t, member] = Σ_d W1[t, d, member]*x[s, d]
    output[s, t, member] = b1[t, member] + z1[s, t, member]
    element[s, member] = Σ_t (output[s, t, member] - y[s, t])**2
    loss[member] = Σ_s element[s, member]/S
    total = Σ_member loss[member]
    outputs loss, total
    """
    member = Index("member", count)
    wide = {v.name: Variable(v.name, (*v.shape, count)) for v in graph.inputs if v.name in parameters}
    wide |= {e.name: Variable(e.name, (*e.variable.shape, count)) for e in graph.equations if e.name in apart}
    if SEED in graph.inputs:
        wide[SEED.name] = Variable(SEED.name, (sample_extent(), count), "integer")
    known = 0
    while known < len(wide):  # once more where a step reads what stands further down
        known = len(wide)
        for equation in graph.equations:
            if wide.keys() & {base_name(reference) for reference in equation.references}:
                wide.setdefault(equation.name, Variable(equation.name, (*equation.variable.shape, count)))
    equations = []
    for equation in graph.equations:
        samples = subscripts(equation.target)[:1]  # the first axis of what layers draw

        def rule(node: Basic, samples: tuple[Expr, ...] = samples) -> Basic | None:
            is_reference = isinstance(node, Indexed) or (node.is_Symbol and not node.is_Integer)
            if not is_reference or base_name(node) not in wide:
                return None
            place = samples if base_name(node) == SEED.name else subscripts(node)
            return wide[base_name(node)][(*place, member)]

        if equation.name in wide:
            target, body = rewrite(equation.target, rule), rewrite(equation.body, rule)
            equations.append(Equation(target, body, equation.reduction, equation.reduced))
        else:
            equations.append(equation)
    (loss,) = graph.outputs
    total = Equation(Variable("total").symbol, wide[loss][(member,)], Reduction.SUM, (member,))
    inputs = tuple(wide.get(variable.name, variable) for variable in graph.inputs)
    return Graph(inputs, (*equations, total), (loss, "total"))


@dataclass(frozen=True)
class _Members(GivenGraph):
    """Such a graph as what training works at."""

    network: Network | None = None

    @property
    def _parameters(self) -> Mapping[str, Parameter]:
        assert self.network is not None
        flat = zip(super()._parameters.items(), self.network._parameters.values(), strict=True)
        return {name: replace(found, averages=alone.averages) for (name, found), alone in flat}

    @property
    def averaged(self) -> Mapping[str, str]:
        assert self.network is not None
        return self.network.averaged

    @property
    def numbers(self) -> tuple[str, ...]:
        return tuple(name for name in super().numbers if name != FIRST.name)


@lru_cache(maxsize=32)
def _compiled(network: Network, count: int, dtype: Dtype) -> tuple[Model, CompiledFunction]:
    """The model that is trained, and the function of the losses of its members."""
    batch = network.averaged.values()
    trained = of_members(network.training_graph, network.layout, count, batch)
    judged = of_members(network.graph, network.layout, count)
    given = GivenGraph.of(trained.with_outputs("total"), [*network.layout], [network.input_variables[0].name], "total")
    members = _Members(given.stated, given.initial, given.inputs, None, network=network)
    pack = {"theta": [*network.layout]}
    return members.compile(dtype), compile(judged.with_outputs("loss"), dtype=dtype, pack=pack, tier="light")


@lru_cache(maxsize=16)
def _with_rates(optimiser: Optimiser) -> Optimiser:
    """The same with a learning rate of its own for each parameter, which is carried along."""

    def rule(learning_rate: Any, **given: Any) -> Any:
        return {**optimiser.rule(learning_rate=learning_rate, **given), "learning_rate": learning_rate}

    settings = tuple(name for name in optimiser.settings if name != "learning_rate")
    return Optimiser(optimiser.name, rule, settings, (*optimiser.state, "learning_rate"))


# --- training -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Lanes:
    """Members that are trained as one graph, each a part of the widest of them."""

    places: Sequence[int]
    """Which of all members they are."""
    parts: Sequence[np.ndarray]
    """Where the parameters of each stand among those of the widest."""
    descent: Descent
    checked: Checked
    losses_of: CompiledFunction
    rates: Floats
    """How fast each parameter of each moves (P, members); 0 for what a member lacks."""
    best: np.ndarray

    @property
    def thetas(self) -> list[np.ndarray]:
        """The best parameters of each."""
        return [self.best[part, n] for n, part in enumerate(self.parts)]

    def epoch(self, factor: float, order: np.ndarray, batch_size: int) -> bool:
        """Whether the losses were finite on the way through all rows."""
        np.multiply(self.rates, factor, out=self.descent.state["learning_rate"].reshape(self.rates.shape))
        *_, passed = self.descent.over(self.checked, order, batch_size)
        return isfinite(self.descent.mean(passed))

    def keep(self, better: np.ndarray) -> None:
        """The parameters of those that became better are their best."""
        theta = self.descent.theta.reshape(self.best.shape)
        np.copyto(self.best, theta, where=better[list(self.places)])


def lanes_of(
    wide: Network,
    networks: Sequence[Network],
    places: Sequence[int],
    seeds: Sequence[int],
    rates: Floats,
    rows: Arrays,
    settings: Any,
    dtype: Dtype,
) -> Lanes:
    parts = [places_in(network, wide) for network in networks]
    thetas, speeds = np.zeros((2, wide.parameter_count, len(networks)))
    for n, (network, part, seed) in enumerate(zip(networks, parts, seeds)):
        thetas[part, n], speeds[part, n] = network.initial_parameters(seed), rates[places[n]]
    model, losses_of = _compiled(wide, len(networks), dtype)
    if wide.draws:
        rows = (*rows, np.tile(np.array(seeds, np.uint64).view(np.int64), (len(rows[0]), 1)))
    optimiser = OPTIMISERS[settings.optimiser]
    numbers = {name: getattr(settings, name) for name in optimiser.settings if name != "learning_rate"}
    descent = Descent(model, thetas.ravel(), _with_rates(optimiser), **numbers)
    best = descent.theta.reshape(thetas.shape).copy()
    return Lanes(places, parts, descent, descent.checked(*rows), losses_of, speeds, best)


def _trained(settings: Any, lanes: Sequence[Lanes], rows: int, judged: Arrays) -> Floats:
    """The losses of every epoch (epochs, members), after which each member's best parameters are known."""
    count = sum(len(group.places) for group in lanes)
    generator = np.random.Generator(np.random.PCG64(settings.seed))
    schedule = SCHEDULES[settings.schedule.name]
    factor, factors = schedule.start(1.0, settings.epochs, [], **dict(settings.schedule.parameters))
    found: list[Floats] = []
    least, idle = np.full(count, inf), 0
    for _ in range(settings.epochs):
        order = generator.permutation(rows)
        is_finite = all(group.epoch(factor, order, settings.batch_size) for group in lanes)
        losses = np.empty(count)
        for group in lanes:
            losses[list(group.places)] = group.losses_of(group.descent.theta, *judged)
        if not is_finite:
            worst = int(np.nan_to_num(losses, nan=inf).argmax())
            raise SymnnError(
                f"the loss of members[{worst}] is not finite in epoch {len(found) + 1}; "
                "expected a smaller learning rate"
            )
        found.append(losses)
        better = losses < least
        least[better] = losses[better]
        for group in lanes:
            group.keep(better)
        idle = 0 if better.any() else idle + 1
        if settings.patience is not None and idle >= settings.patience:
            break
        factor = factors.send(0.0)
    return np.array(found)
