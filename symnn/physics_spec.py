"""The spec of a physics-informed network: its inputs and their ranges, its equations, the points where they hold."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, islice, product
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BeforeValidator, Field, PlainValidator, ValidationError, model_validator
from sympy import Expr, Symbol

from symnn.conditions import NOTHING, Form, Given, differing, forms_of, read_condition, read_value
from symnn.distances import distance
from symnn.errors import DataError, FieldError, SpecError
from symnn.formula import FUNCTIONS, parse_formula
from symnn.layers.layer import shape_after
from symnn.methods import METHODS, Method, MethodField
from symnn.methods.adam import Adam
from symnn.methods.limited_memory import Lbfgs
from symnn.models import PartError, SpecModel, one_of
from symnn.points import KINDS, Towards, checked_range, checked_values, few_values, sample, sample_boundary
from symnn.regions import Ball, Polygon, Region
from symnn.renewal import BALANCES, Balance, Resampling
from symnn.residuals import LAPLACIAN, Language, Value, checked_name
from symnn.shapes import features, numbers
from symnn.spec import Layers, checked_parameters, read_spec
from symnn.suggest import quote, unknown

MAX_INPUTS = 32
MAX_UNKNOWNS = 16
MAX_FEATURES = 64
MAX_RESIDUALS = 64
MAX_POINTS = 10_000_000
MOST_SLABS = 10_000
MOST_CORNERS = 27
"""The places at which two hard conditions are compared."""
PART = 0.37
"""Where, between the ends of a range: not where a sine has its zeros."""


def _texts(value: object) -> object:
    texts = value if isinstance(value, (list, tuple)) else [value]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise FieldError(f"expected an equation in quotes or a list of them, found {quote(value)}")
    return tuple(texts)


def _names(value: object) -> object:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not names or not all(isinstance(name, str) for name in names):
        raise FieldError(f"expected a name or a list of names, found {quote(value)}")
    return tuple(names)


def _balance(value: object) -> object:
    given = {value: {}} if isinstance(value, str) else value
    if value is None or isinstance(value, Balance):
        return value
    if not isinstance(given, Mapping) or len(given) != 1:
        raise FieldError(f"expected {', '.join(BALANCES)}, or {{name: settings}}, found {quote(value)}")
    ((name, settings),) = given.items()
    if name not in BALANCES:
        raise FieldError(unknown("balance", str(name), BALANCES))
    try:
        return BALANCES[name].model_validate({} if settings is None else settings)
    except ValidationError as error:
        raise PartError(BALANCES[name], error, (name,)) from None


BalanceField = Annotated[Balance, PlainValidator(_balance)]


@dataclass(frozen=True)
class Domain:
    """A region of some inputs, which the equations hold in; ``kind`` is its name in specs."""

    kind: str
    of: tuple[str, ...]
    region: Region


class DomainSpec(SpecModel, ABC):
    """What a spec says of a domain."""

    @abstractmethod
    def domain(self, kind: str) -> Domain:
        """The domain. Raises :class:`DataError` for a region that is none."""


class BallSpec(DomainSpec):
    """A ball, with two inputs a disc: ``centre: {x: 0, y: 0}`` says of which inputs."""

    centre: Mapping[str, float] = Field(description="its place, such as {x: 0, y: 0}")
    radius: float = Field(description="a number above 0")

    def domain(self, kind: str) -> Domain:
        """The ball."""
        return Domain(kind, tuple(self.centre), Ball(tuple(self.centre.values()), self.radius))


class PolygonSpec(DomainSpec):
    """A polygon of two inputs, by its ``corners`` in either direction, and those of its ``holes``."""

    inputs: Annotated[tuple[str, ...], BeforeValidator(_names)] = Field(description="two inputs, such as [x, y]")
    corners: list[list[float]] = Field(description="a list of corners [x, y]")
    holes: tuple[list[list[float]], ...] = Field((), strict=False)

    def domain(self, kind: str) -> Domain:
        """The polygon."""
        if len(set(self.inputs)) != 2 or len(self.inputs) != 2:
            raise DataError(f"polygon: inputs: expected two of them, found {', '.join(self.inputs)}")
        return Domain(kind, self.inputs, Polygon(self.corners, self.holes))


DOMAINS: Mapping[str, type[DomainSpec]] = {"ball": BallSpec, "disc": BallSpec, "polygon": PolygonSpec}
"""By the names that specs give them."""


def _domain(value: object) -> object:
    if value is None or isinstance(value, Domain):
        return value
    if not isinstance(value, Mapping) or len(value) != 1:
        raise FieldError(f"expected {{disc: …}}, {{ball: …}} or {{polygon: …}}, found {quote(value)}")
    ((name, settings),) = value.items()
    if name not in DOMAINS:
        raise FieldError(unknown("domain", str(name), DOMAINS))
    try:
        return DOMAINS[name].model_validate(settings).domain(name)
    except ValidationError as error:
        raise PartError(DOMAINS[name], error, (name,)) from None
    except DataError as error:
        raise FieldError(str(error).partition(": ")[2], (name,)) from None


DomainField = Annotated[Domain, PlainValidator(_domain)]


def _listed(value: object) -> object:
    methods = [value] if isinstance(value, (str, Mapping, Method)) else value
    if not isinstance(methods, (list, tuple)) or not 1 <= len(methods) <= MOST_METHODS:
        raise FieldError(f"expected a list of 1 to {MOST_METHODS} methods, found {quote(value)}")
    return tuple(methods)


_Range = Annotated[tuple[float, float], Field(strict=False), BeforeValidator(checked_range)]
_Values = Annotated[list[float], BeforeValidator(checked_values)]


class TowardsSpec(SpecModel):
    """Points gather ``at`` a place: with a strength of 4 about 27 times as many as far from it."""

    at: float = Field(description="the place")
    strength: Annotated[float, Field(ge=0, le=20)] = 4.0


class MeasuredSpec(SpecModel):
    """Measured values: a file with a column for each input and for each of the ``values``; its rows are the points."""

    file: Annotated[str, Field(min_length=1)] = Field(description="a file of columns, such as measured.csv")
    values: Annotated[tuple[str, ...], BeforeValidator(_names)] = Field(description="the columns that equations name")


class ResidualSpec(SpecModel):
    """Equations, or formulas that should be 0, on ``points`` random points.

    The points are all over the inputs' ranges, but where ``at`` gives values.
    """

    equations: Annotated[tuple[str, ...], BeforeValidator(_texts)] = Field(
        alias="equation", description="an equation, such as 'u_t = u_xx', or a list of them"
    )
    points: Annotated[int, Field(ge=1, le=MAX_POINTS)] | None = Field(None, description="the number of points")
    at: Mapping[str, _Values] = {}
    boundary: Annotated[tuple[str, ...], BeforeValidator(_names)] = ()
    """The inputs at whose ends the points lie, as many at each end of each; all those of the domain stand for its rim.

    ``nx`` in an equation is the x of the unit normal there, which points outward.
    """
    weight: Annotated[float, Field(gt=0)] = 1.0
    sampling: Annotated[str, one_of("sampling", KINDS)] = "latin_hypercube"
    """How points are spread: latin_hypercube, sobol, halton, uniform."""
    towards: Mapping[str, TowardsSpec] = {}
    """By input, a place where its points gather."""
    measured: MeasuredSpec | None = None
    hard: bool = False
    """Whether the unknown is built so that it holds everywhere, for every network: see :mod:`symnn.conditions`."""

    @model_validator(mode="after")
    def _has_points(self) -> ResidualSpec:
        if self.measured is not None:
            beside = self.model_fields_set & {"points", "at", "boundary", "hard", "sampling", "towards"}
            if beside:
                raise FieldError(
                    f"found {min(beside)} beside measured, whose rows are the points; expected one of them"
                )
        elif self.points is None and not self.hard:
            raise FieldError("missing field 'points'; expected the number of points")
        if self.boundary and self.at:
            raise FieldError("found at beside boundary, expected one of them")
        return self


MOST_METHODS = 32
ITERATIONS = 5000
"""The iterations of a method where nothing says when it ends."""


class SolverSpec(SpecModel):
    """How the equations are solved: by ``methods`` one after the other, each from the best point of those before.

    Without a list of them these are ``adam`` steps of Adam, then ``iterations`` of L-BFGS, which remembers the last
    ``memory`` steps. All of it takes at most so many ``seconds``. A list alone is one of methods.

    >>> [type(method).__name__ for method in SolverSpec(adam=100).schedule]
    ['Adam', 'Lbfgs']
    """

    methods: Annotated[tuple[MethodField, ...], BeforeValidator(_listed), Field(strict=False)] = ()
    adam: Annotated[int, Field(ge=0)] = 0
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    iterations: Annotated[int, Field(ge=0)] = ITERATIONS
    memory: Annotated[int, Field(ge=1)] = 50
    seconds: Annotated[float, Field(gt=0)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="before")
    @classmethod
    def _may_be_a_list(cls, value: object) -> object:
        if isinstance(value, (list, tuple)):
            return {"methods": value}
        names = [name for name in value if name not in cls.model_fields] if isinstance(value, Mapping) else [value]
        for name in names:
            if isinstance(name, str) and name in METHODS:
                expected = f"a list of methods, such as solver: [{{{name}: 300}}]"
                raise FieldError(f"expected {expected}, found {quote(value)}")
        return value

    @model_validator(mode="after")
    def _says_it_once(self) -> SolverSpec:
        alone = {"adam", "learning_rate", "iterations", "memory"} & self.model_fields_set
        if self.methods and alone:
            raise FieldError(f"found {min(alone)} beside methods, expected it among the settings of one of them")
        return self

    def changed(self, iterations: int | None, seed: int | None) -> SolverSpec:
        """With other iterations of the last method, or another seed, where they are not None."""
        changes: dict[str, Any] = {} if seed is None else {"seed": seed}
        if iterations is not None and self.methods:
            *first, last = self.methods
            changes["methods"] = (*first, last.model_copy(update={"iterations": iterations}))
        elif iterations is not None:
            changes["iterations"] = iterations
        return self.model_copy(update=changes)

    @property
    def schedule(self) -> tuple[Method, ...]:
        """The methods, each with a number of iterations or seconds, or with the seconds of all."""
        if not self.methods:
            adam = Adam(iterations=self.adam, learning_rate=self.learning_rate)
            return adam, Lbfgs(iterations=self.iterations, memory=self.memory)
        return tuple(
            one if one.iterations is not None or (one.seconds or self.seconds) is not None
            else one.model_copy(update={"iterations": ITERATIONS})
            for one in self.methods
        )  # fmt: skip


class TangentSpec(SpecModel):
    """A second stage by the network made linear, see :mod:`symnn.stages`, on so many times as many ``points``."""

    points: Annotated[float, Field(ge=1, le=100)] = 2.0


class PhysicsSpec(SpecModel):
    """A network that solves differential equations.

    >>> spec = load_physics({
    ...     "inputs": {"x": [0, 1]}, "unknowns": "u", "layers": [{"dense": 8, "activation": "tanh"}, {"dense": 1}],
    ...     "residuals": {"inside": {"equation": "u_xx + 1", "points": 50},
    ...                   "ends": {"equation": "u", "at": {"x": [0, 1]}, "points": 2}}})
    >>> spec.unknowns, spec.residuals["ends"].at
    (('u',), {'x': [0.0, 1.0]})
    """

    models: ClassVar = {
        "residuals": ResidualSpec,
        "solver": SolverSpec,
        "resampling": Resampling,
        "tangent": TangentSpec,
    }

    inputs: Mapping[str, _Range] = Field(description="the range of each input, such as {x: [-1, 1]}")
    unknowns: Annotated[tuple[str, ...], BeforeValidator(_names)] = Field(description="the names of the unknowns")
    layers: Layers = Field(description="a list of layers")
    residuals: Mapping[str, ResidualSpec] = Field(description="equations by name, each with its points")
    coefficients: Mapping[str, float] = {}
    """Numbers in the equations that are to be found, each with a first guess."""
    domain: DomainField | None = None
    """A disc, a ball or a polygon of some inputs: the points lie in it, and not everywhere in their ranges."""
    periodic: Annotated[tuple[str, ...], BeforeValidator(_names)] = ()
    """The inputs along which every unknown is periodic, with their range as the period."""
    features: Annotated[tuple[str, ...], Field(strict=False, max_length=MAX_FEATURES)] = ()
    """Formulas of the inputs that the network gets in place of them."""
    slabs: Mapping[str, Annotated[int, Field(ge=2, le=MOST_SLABS)]] = {}
    """An input, such as a time, and the number of equal parts of its range that are solved one after the other."""
    solution: Mapping[str, str] = {}
    """By unknown, a formula of the inputs that the error is measured by."""
    reference: Annotated[str, Field(min_length=1)] | None = None
    """Or a file with a column for each input and for unknowns: .csv, or .npz of arrays (N,)."""
    solver: SolverSpec = SolverSpec()
    resampling: Resampling | None = None
    balance: BalanceField | None = None
    tangent: TangentSpec | None = None
    """A second stage, after the solver: what is left over is learnt by the network made linear."""

    @model_validator(mode="after")
    def _is_consistent(self) -> PhysicsSpec:
        for field, most in (("inputs", MAX_INPUTS), ("unknowns", MAX_UNKNOWNS), ("residuals", MAX_RESIDUALS)):
            if not 1 <= (number := len(getattr(self, field))) <= most:
                raise FieldError(f"expected 1 to {most} of them, found {number}", (field,))
        try:
            Language(tuple(self.inputs), self.unknowns, tuple(self.coefficients))
        except SpecError as error:
            field, _, message = str(error).partition(": ")
            raise FieldError(message, (field,)) from None
        given = features(len(self.inputs))
        count = checked_parameters(self.layers, given)
        found = numbers(shape_after(self.layers, given)) if count else "none"
        if found != len(self.unknowns):
            raise FieldError(f"expected {len(self.unknowns)} units last, one an unknown, found {found}", ("layers",))
        self._check_domain()
        for name, residual in self.residuals.items():
            self._check(name, residual, self._language(name))
        if not self.on_points:
            raise FieldError("expected at least one that is not hard", ("residuals",))
        if self.slabs:
            self._check_slabs()
        if self.tangent is not None:
            self._check_tangent()
        for name in self.periodic:
            if name not in self.inputs:
                raise FieldError(unknown("input", name, self.inputs), ("periodic",))
        if self.features and self.periodic:
            raise FieldError("found features beside periodic, expected one of them", ("features",))
        for number, text in enumerate(self.features):
            self._check_formula(text, "features", number)
        if self.solution and self.reference is not None:
            raise FieldError("found a solution beside a reference, expected one of them", ("reference",))
        for name, text in self.solution.items():
            if name not in self.unknowns:
                raise FieldError(unknown("unknown", name, self.unknowns), ("solution",))
            self._check_formula(text, "solution", name)
        _ = self.forms
        self._check_corners()
        return self

    def _check_formula(self, text: str, *where: str | int) -> None:
        try:
            parse_formula(text, {name: Symbol(name, real=True) for name in self.inputs}, FUNCTIONS, "")
        except SpecError as error:
            raise FieldError(str(error).removeprefix(": "), where) from None

    def _language(self, name: str) -> Language:
        """What the equations of a residual may name."""
        try:
            return Language(tuple(self.inputs), self.unknowns, (*self.coefficients, *self.data(name)))
        except SpecError as error:
            raise FieldError(str(error), ("residuals", name, "measured")) from None

    def data(self, name: str) -> tuple[str, ...]:
        """The names of the numbers that belong to each point of a residual: what was measured, normals."""
        part = self.residuals[name]
        if part.measured is not None:
            return part.measured.values
        taken = {*self.inputs, *self.unknowns, *self.coefficients}
        words = {word for text in part.equations for word in re.findall(r"\w+", text)}
        normals = () if part.hard else tuple(f"n{given}" for given in part.boundary)
        return tuple(normal for normal in normals if normal in words - taken)

    @property
    def on_points(self) -> Mapping[str, ResidualSpec]:
        """The residuals that are left to be brought to 0: all but the hard ones."""
        return {name: part for name, part in self.residuals.items() if not part.hard}

    def points(self, name: str, count: int, seed: int) -> np.ndarray:
        """Random points of a residual, and beside them the normals that its equations name, (count, inputs + data)."""
        part, rim = self.residuals[name], self._rim(name)
        towards = {given: Towards(place.at, place.strength) for given, place in part.towards.items()}
        along = [given for given in part.boundary if given not in rim]
        faces: list[Mapping[str, list[float]]] = [{g: [end]} for g in along for end in self.inputs[g]]
        places = [*([part.at] if not part.boundary else faces), *([None] if rim else [])]
        drawn = []
        for number, at in enumerate(places):
            here, kind = (count + number) // len(places), part.sampling
            if not here:
                continue
            if at is None:
                points, normals = sample_boundary(self._pieces({}), here, seed + number, kind)
            else:
                order = {given: place for place, given in enumerate(self._order)}
                gathering = {order[given]: place for given, place in towards.items()}
                points = sample(self._pieces(at), here, seed + number, kind, gathering)
                normals = np.zeros_like(points)
                for given, (end,) in at.items() if part.boundary else ():
                    normals[:, order[given]] = 1.0 if end == self.inputs[given][1] else -1.0
            every = dict(zip(self._order, points.T)) | {f"n{g}": column for g, column in zip(self._order, normals.T)}
            drawn.append(np.column_stack([every[given] for given in (*self.inputs, *self.data(name))]))
        return np.concatenate(drawn)

    def elsewhere(self, count: int, seed: int) -> np.ndarray:
        """Random points all over the ranges, or the domain, (count, inputs)."""
        columns = dict(zip(self._order, sample(self._pieces({}), count, seed).T))
        return np.column_stack([columns[given] for given in self.inputs])

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Which of the points, (N, inputs), lie in the domain; all if there is none."""
        if self.domain is None:
            return np.ones(len(points), dtype=bool)
        names = list(self.inputs)
        return self.domain.region.contains(points[:, [names.index(given) for given in self.domain.of]])

    @property
    def _order(self) -> tuple[str, ...]:
        """The inputs, those of the domain first."""
        first = self.domain.of if self.domain is not None else ()
        return (*first, *(given for given in self.inputs if given not in first))

    def _pieces(self, at: Mapping[str, list[float]]) -> list[Any]:
        """What the inputs in that order are drawn from."""
        first = self.domain.of if self.domain is not None else ()
        region = [self.domain.region] if self.domain is not None else []
        return [*region, *(at.get(given, self.inputs[given]) for given in self._order if given not in first)]

    def _rim(self, name: str) -> tuple[str, ...]:
        """The inputs of the domain, if the boundary of a residual is that of the domain."""
        inside = self.domain.of if self.domain is not None else ()
        return inside if inside and set(inside) <= set(self.residuals[name].boundary) else ()

    def _check_domain(self) -> None:
        if self.domain is None:
            return
        where = ("domain", self.domain.kind)
        for given, (low, high) in zip(self.domain.of, self.domain.region.box):
            if given not in self.inputs:
                raise FieldError(unknown("input", given, self.inputs), where)
            least, most = self.inputs[given]
            if not (least <= low and high <= most):
                expected = f"values of {given} from {least:.15g} to {most:.15g}, its range"
                raise FieldError(f"expected {expected}, found {low:.15g} to {high:.15g}", where)
        for name, residual in self.residuals.items():
            if residual.towards and self._rim(name):
                found = f"found towards {next(iter(residual.towards))}, expected none on the boundary of the domain"
                raise FieldError(found, ("residuals", name, "towards"))
            for field, givens in {"at": residual.at, "boundary": residual.boundary}.items():
                inside = [given for given in givens if given in self.domain.of]
                if inside and not (field == "boundary" and self._rim(name)):
                    expected = f"inputs that the domain has not, or boundary: [{', '.join(self.domain.of)}]"
                    raise FieldError(f"expected {expected}, found {inside[0]}", ("residuals", name, field))

    @property
    def forms(self) -> dict[str, Form]:
        """The unknowns that hard residuals say something of, as g + d·N."""
        language = Language(tuple(self.inputs), self.unknowns)
        conditions, rims = [], {}
        for name, part in self.residuals.items():
            for text in part.equations if part.hard and not self._begins(part) else ():
                try:
                    equation = language.parse(text, "")
                    if part.boundary:
                        given, rim = self._on_rim(name, equation, language)
                        rims[given] = rim
                    else:
                        conditions.append(read_condition(equation, language, part.at))
                except SpecError as error:
                    raise FieldError(str(error).removeprefix(": "), ("residuals", name, "equation")) from None
                except FieldError as error:
                    raise error.within("residuals", name, "hard") from None
        try:
            found = forms_of(conditions, self.inputs, rims)
            for about, initial in self.begun.items():
                form, origin = found.get(about, NOTHING), self.origins[initial[0].variable]
                found[about] = form.beginning_with(initial, origin, self.slab_length)
        except FieldError as error:
            raise error.within("residuals") from None
        return found

    @property
    def origins(self) -> dict[str, str]:
        """The input that is cut into slabs, and the name of the one that says where its slab begins."""
        return {along: f"{along}origin" for along in self.slabs}

    @property
    def slab_length(self) -> float:
        """How long a slab is."""
        ((along, count),) = self.slabs.items()
        low, high = self.inputs[along]
        return (high - low) / count

    def _begins(self, part: ResidualSpec) -> bool:
        """Whether a residual is about the beginning of the first slab."""
        return any(dict(part.at) == {along: [self.inputs[along][0]]} for along in self.slabs)

    def initial(self, name: str) -> list[Given]:
        """What a residual that is not hard says of the beginning of the first slab; nothing if it is about another."""
        part = self.residuals[name]
        return [] if part.hard or not self._begins(part) else [one for _, one in self._read(name)]

    @property
    def begun(self) -> dict[str, list[Given]]:
        """By unknown, what hard residuals say of the beginning of the first slab."""
        found: dict[str, list[Given]] = {}
        for name, part in self.residuals.items():
            for about, given in self._read(name) if part.hard and self._begins(part) else ():
                found.setdefault(about, []).append(given)
        return found

    def _read(self, name: str) -> list[tuple[str, Given]]:
        """What a residual says of unknowns at values of one input."""
        language, part = self._language(name), self.residuals[name]
        read = (read_condition(language.parse(text, ""), language, part.at) for text in part.equations)
        return [(unknown, one) for unknown, given in read for one in given]

    def begun_data(self, name: str) -> tuple[str, ...]:
        """The names of what a residual needs to know of what its unknowns begin with."""
        forms = self.forms if self.begun else {}
        pairs = ((forms[unknown].beginning, unknown, letters) for unknown, letters in self.begun_values(name))
        return tuple(data for one, unknown, letters in pairs if one is not None for data in one.data(unknown, letters))

    def begun_values(self, name: str) -> list[tuple[str, tuple[str, ...]]]:
        """Of which unknowns that is, and of their derivatives by which inputs other than the time."""
        begun = self.begun
        values = [one for one in self.values(name) if one.unknown in begun] if begun else []
        return list(dict.fromkeys((v.unknown, tuple(a for a in v.letters if a not in self.slabs)) for v in values))

    def values(self, name: str) -> list[Value]:
        """The unknowns and derivatives that the equations of a residual have."""
        language = self._language(name)
        equations = [language.parse(text, "") for text in self.residuals[name].equations]
        return [one for equation in equations for one in language.values(equation).values()]

    def first_slab(self) -> PhysicsSpec:
        """The same with the range of the first slab alone."""
        (along,) = self.slabs
        low = self.inputs[along][0]
        return self.model_copy(update={"inputs": {**self.inputs, along: (low, low + self.slab_length)}})

    def _check_slabs(self) -> None:
        if len(self.slabs) != 1 or next(iter(self.slabs)) not in self.inputs:
            raise FieldError(f"expected one of the inputs, found {', '.join(self.slabs)}", ("slabs",))
        ((along, _),) = self.slabs.items()
        if self.coefficients:
            raise FieldError("found coefficients beside slabs, expected one of them", ("coefficients",))
        if along in self.periodic or (self.domain is not None and along in self.domain.of):
            raise FieldError(f"expected an input that is not periodic and not of the domain, found {along}", ("slabs",))
        for name, part in self.residuals.items():
            if part.measured:
                raise FieldError("found measured, expected points, in slabs", ("residuals", name, "measured"))
            fixed = [field for field in ("at", "boundary") if along in getattr(part, field)]
            if fixed and not self._begins(part):
                expected = f"{{{along}: {self.inputs[along][0]:.15g}}} alone in at, where the first slab begins"
                found = f"{along}: {part.at[along]}" if part.at else along
                raise FieldError(f"expected {expected}, found {found}, in slabs", ("residuals", name, *fixed))
        try:
            begun = self.begun
            soft = [u for name, part in self.residuals.items() if self.initial(name) for u, _ in self._read(name)]
        except FieldError as error:
            raise error.within("slabs") from None
        if not begun and not soft:
            expected = f"a residual at {along}: {self.inputs[along][0]:.15g}, which each slab begins with"
            raise FieldError(f"expected {expected}, found none", ("slabs",))
        if twice := sorted(begun.keys() & set(soft)):
            raise FieldError(f"found initial values of {twice[0]} that are hard beside such that are not", ("slabs",))
        home, column = Language(tuple(self.inputs), self.unknowns).home, list(self.inputs).index(along)
        for name in self.on_points:
            for one in self.values(name):
                where = ("residuals", name, "equation")
                if LAPLACIAN in one.letters and along in one.letters:
                    expected = "one by the other inputs, in slabs"
                    raise FieldError(f"found a laplacian with {along}, expected {expected}", where)
                if one.place[column] != home[column]:
                    found, expected = f"{one.unknown} at another {along}", f"it at the {along} of the point itself"
                    raise FieldError(f"found {found}, expected {expected}, in slabs", where)
                if one.unknown in begun and one.place != home:
                    found = f"found {one.unknown} at another place"
                    expected = "what is at the point itself, with hard initial values in slabs"
                    raise FieldError(f"{found}, expected {expected}", where)

    def _check_corners(self) -> None:
        """Hard conditions at values of two inputs say the same of an unknown where both have theirs."""
        hard = [name for name, part in self.residuals.items() if part.hard and not part.boundary]
        given = [(name, about, one) for name in hard for about, one in self._read(name)]
        for (name, about, one), (beside, same, other) in combinations(given, 2):
            if about != same or one.variable == other.variable:
                continue
            rest = {n: (low, low + (high - low) * PART, high) for n, (low, high) in self.inputs.items()}
            rest = {n: ends for n, ends in rest.items() if n not in (one.variable, other.variable)}
            places = (dict(zip(rest, values)) for values in islice(product(*rest.values()), MOST_CORNERS))
            if (found := differing(one, other, places)) is not None:
                corner, value, instead = found
                letters = [one.variable] * one.order + [other.variable] * other.order
                written = Language(tuple(self.inputs), self.unknowns).symbol(about, letters).name
                where = ", ".join(f"{n} = {at:.6g}" for n, at in corner.items())
                raise FieldError(
                    f"found {written} = {value:.6g} at {where}, where {quote(beside)} has {written} = {instead:.6g}; "
                    "expected hard conditions that agree where they meet",
                    ("residuals", name, "hard"),
                )

    def _check_tangent(self) -> None:
        beside = [name for name in ("coefficients", "slabs") if getattr(self, name)]
        beside += ["measured values" for part in self.residuals.values() if part.measured is not None]
        if beside:
            raise FieldError(f"found {beside[0]} beside it, expected a problem without them", ("tangent",))

    def _on_rim(self, name: str, equation: Expr, language: Language) -> tuple[str, Form]:
        """The unknown whose value on the rim of the domain an equation gives, and u = value + d·N."""
        if self.domain is None or not self._rim(name):
            raise FieldError("found boundary, expected that of the domain, or values of an input in at")
        given, value = read_value(equation, language)
        return given, Form(value, distance(self.domain.region, self.domain.of))

    def _check(self, name: str, residual: ResidualSpec, language: Language) -> None:
        try:
            checked_name(name)
        except FieldError as error:
            raise error.within("residuals") from None
        for text in residual.equations:
            try:
                language.parse(text, "")
            except SpecError as error:
                raise FieldError(str(error).removeprefix(": "), ("residuals", name, "equation")) from None
        for given in residual.boundary:
            if given not in self.inputs:
                raise FieldError(unknown("input", given, self.inputs), ("residuals", name, "boundary"))
        for given, place in residual.towards.items():
            try:
                self._check_values(given, [place.at], MAX_POINTS)
            except FieldError as error:
                raise error.within("residuals", name, "towards") from None
        for given, values in residual.at.items():
            try:
                self._check_values(given, values, MAX_POINTS if residual.points is None else residual.points)
            except FieldError as error:
                raise error.within("residuals", name, "at") from None

    def _check_values(self, given: str, values: list[float], points: int) -> None:
        if given not in self.inputs:
            raise FieldError(unknown("input", given, self.inputs))
        low, high = self.inputs[given]
        outside = [value for value in values if not low <= value <= high]
        if outside:
            expected = f"values from {low:.15g} to {high:.15g}, the range of {given}"
            raise FieldError(f"expected {expected}, found {outside[0]:.15g}", (given,))
        try:
            few_values(values, points)
        except FieldError as error:
            raise error.within(given) from None


def load_physics(source: str | Path | Mapping[str, Any]) -> PhysicsSpec:
    """The spec in a ``.yaml``, ``.yml`` or ``.json`` file, or in a mapping of plain values.

    Raises :class:`SpecError`: one line that names file and field, what was found and what was expected.

    >>> load_physics({"inputs": {"x": [0, 1]}, "unknowns": "u", "layers": [{"dense": 1}],
    ...               "residuals": {"inside": {"equation": "u_xy", "points": 9}}})
    Traceback (most recent call last):
    symnn.errors.SpecError: spec: residuals.inside.equation: column 1: 'u_xy' is not a known name; did you mean ...
    """
    return read_spec(PhysicsSpec, source)
