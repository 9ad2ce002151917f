"""Variables, and equations between them in index notation."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Literal, NamedTuple

from sympy import Derivative, Expr, Idx, Indexed, IndexedBase, Lambda, Limit, Piecewise, Subs, Symbol, sympify
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.core.basic import Basic

from codegen.cached import Fields, cached_property
from codegen.errors import GraphError, of_type
from codegen.functions.eliminations import Elimination
from codegen.ir.cells import Cell, Pattern, cell_of, overlap, target_cell
from codegen.ir.constants import faulty_constant
from codegen.ir.ranges import defined, elements_read, occurrences, part_read
from codegen.ir.reduction import Reduction
from codegen.ir.summation import Summand, over_present
from codegen.markup import shown_by
from codegen.walk import (
    Extent,
    annotate,
    as_extent,
    base_name,
    extent,
    indices,
    is_reference,
    leaf_indices,
    leaves,
    lengths_in,
    moved,
    postorder,
    shape,
    subscripts,
    symbol_of,
)

Kind = Literal["real", "integer"]

BINDERS = (ExprWithLimits, Derivative, Subs, Limit, Lambda)
"""Nodes with variables of their own, which a body cannot have."""


SHORT = 200
"""Characters of an equation in its repr."""


class Access(NamedTuple):
    """One reference that an equation makes, taken apart."""

    reference: Expr
    cell: Cell
    symbol: Expr
    """What the references of that variable are made of."""
    shape: tuple[Extent, ...]


@dataclass(frozen=True)
class Variable(Fields):
    """A named array: its shape has positive integers and at most symbols for the number of samples.

    >>> S = sample_extent()
    >>> x = Variable("x", (S, 2))
    >>> x[Idx("s", S), 1]
    x[s, 1]
    """

    name: str
    shape: tuple[Extent, ...] = ()
    kind: Kind = "real"
    below: Extent | None = None
    """Integers of an input are from 0 to one less than this, a number or the length of an axis of another input;
    compiled functions check it. None: any integer."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(as_extent(n) for n in self.shape))
        for n in self.shape:
            if not (n >= 1 if isinstance(n, int) else lengths_in(n)):
                raise GraphError(
                    f"the variable {self.name!r} has shape {self.shape}: {n} is neither a positive integer nor an "
                    "integer symbol"
                )

    @classmethod
    def of(cls, reference: Expr) -> Variable:
        """The variable that a reference belongs to; its other references are made of the same SymPy object."""
        variable = cls(base_name(reference), shape(reference))
        variable.__dict__["symbol"] = symbol_of(reference)
        key = subscripts(reference)
        variable._references[*key, *map(type, key)] = reference
        return variable

    @property
    def declaration(self) -> str:
        """Its name and the lengths of its axes.

        >>> Variable("x", (3, 2)).declaration, Variable("b").declaration
        ('x[3, 2]', 'b')
        """
        return f"{self.name}[{', '.join(map(str, self.shape))}]" if self.shape else self.name

    @cached_property
    def symbol(self) -> Expr:
        """The SymPy object that references are made of: a symbol, or an ``IndexedBase``."""
        return IndexedBase(self.name, shape=self.shape, real=True) if self.shape else Symbol(self.name, real=True)

    @cached_property
    def _references(self) -> dict[Hashable, Expr]:
        """Those that were made: SymPy takes 0.2 ms for one, and compares two at the price of all they consist of.

        By their subscripts and the types of those: v[1.0] is not v[1].
        """
        return {}

    def __getitem__(self, key: Expr | int | tuple[Expr | int, ...]) -> Expr:
        """The reference with these subscripts; ``v[()]`` is the scalar itself."""
        key = key if isinstance(key, tuple) else (key,)
        if len(key) != len(self.shape):
            raise GraphError(f"{self.name} has {len(self.shape)} axes, found {len(key)} subscripts {list(key)}")
        if not key:
            return self.symbol
        typed = (*key, *map(type, key))
        found = self._references.get(typed)
        if found is None:
            found = self._references[typed] = self.symbol[key]
        return found


def over(name: str, order: Iterable[Idx]) -> Expr:
    """The variable of this name with an axis for each of these indices, at them.

    >>> over("z", [Idx("h", 3)])
    z[h]
    """
    key = tuple(order)
    return Variable(name, tuple(map(extent, key)))[key]


def called(name: str, reference: Expr) -> Expr:
    """The same elements of a variable of the same shape and another name."""
    return Variable(name, shape(reference))[subscripts(reference)]


@lru_cache(maxsize=1024)
def sample_extent(name: str = "S") -> Symbol:
    """The symbolic number of samples, a positive integer.

    The same object each time, whatever else SymPy's cache has had to keep since: two would be compared part by part.

    >>> sample_extent(), sample_extent() is sample_extent()
    (S, True)
    """
    return Symbol(name, integer=True, positive=True)


@dataclass(frozen=True)
class Equation(Fields):
    """``target = body``, or ``target = Σ body`` / ``max body`` over the reduced indices.

    >>> h, d = Idx("h", 3), Idx("d", 2)
    >>> W, x, z = Variable("W", (3, 2)), Variable("x", (2,)), Variable("z", (3,))
    >>> print(Equation(z[h], W[h, d] * x[d], Reduction.SUM, (d,)))
    z[h] = Σ_d W[h, d]*x[d]
    """

    target: Expr
    body: Expr
    reduction: Reduction | None = None
    reduced: tuple[Idx, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "body", sympify(self.body))
        if not isinstance(self.target, (Symbol, Indexed)):
            raise GraphError(f"the target {self.target} is neither a scalar nor an indexed variable")
        if not isinstance(self.body, Expr):
            raise GraphError(f"the body of {self.target} is {of_type(self.body)}, expected a scalar expression")

    @staticmethod
    def vertex(name: str, body: Expr, order: Iterable[Idx]) -> Equation:
        """A vertex of its own for an expression, with an axis for each index of ``order`` that it depends on.

        Where the expression stood under conditions that say that what it reads is there, so does the vertex.
        """
        used = indices(body)
        return Equation(over(name, [i for i in order if i in used]), defined(body))

    def at(self, reference: Expr) -> Expr:
        """The body with the subscripts of a reference to the target."""
        return moved(self.body, subscripts(self.target), subscripts(reference))

    @cached_property
    def name(self) -> str:
        """The name of the variable that is assigned."""
        return base_name(self.target)

    @cached_property
    def variable(self) -> Variable:
        """The variable that is assigned, or of which an element is."""
        return Variable.of(self.target)

    @cached_property
    def cell(self) -> Cell:
        """The vertex that is assigned."""
        return self.accesses[0].cell

    @property
    def is_map(self) -> bool:
        """Whether nothing is reduced."""
        return self.reduction is None

    @property
    def is_sum(self) -> bool:
        """Whether it adds up, so that it can be split, and factors be taken out."""
        return self.reduction is not None and self.reduction.linear

    @property
    def is_linear(self) -> bool:
        """Whether it is linear in its body: a map or a sum."""
        return self.reduction is None or self.reduction.linear

    @property
    def selects(self) -> bool:
        """Whether it takes one of the values that its body has."""
        return self.reduction is not None and self.reduction.selects

    @property
    def eliminates(self) -> bool:
        """Whether its body is what elimination makes of a matrix."""
        return self.reduction is Reduction.ELIMINATION

    @property
    def elimination(self) -> Elimination:
        """The body of an equation that eliminates."""
        assert isinstance(self.body, Elimination)
        return self.body

    @staticmethod
    def eliminating(target: Expr, body: Elimination) -> Equation:
        """The equation of what elimination makes of a matrix."""
        return Equation(target, body, Reduction.ELIMINATION, body.binds)

    def domain_of(self, reference: Expr, local: Expr) -> tuple[Idx, ...]:
        """The indices over which the derivative by a reference is taken: of a matrix only those that it depends on."""
        if not self.eliminates:
            return self.domain
        present = {*indices(reference), *indices(local)}
        return (*self.free, *(index for index in self.reduced if index in present))

    @property
    def monoid(self) -> Reduction:
        """How an equation that reduces combines values."""
        assert self.reduction is not None
        return self.reduction

    @cached_property
    def free(self) -> tuple[Idx, ...]:
        """The indices of the target."""
        return leaf_indices(self.target)

    @cached_property
    def domain(self) -> tuple[Idx, ...]:
        """All indices the equation runs over: the target's, then the reduced ones."""
        return self.free + self.reduced

    @cached_property
    def leaves(self) -> tuple[Basic, ...]:
        """The leaves of the body, in order of first occurrence."""
        return leaves(self.body)

    @cached_property
    def indices(self) -> tuple[Idx, ...]:
        """The indices of the body, in order of first occurrence."""
        return tuple(dict.fromkeys([index for leaf in self.leaves for index in leaf_indices(leaf)]))

    @cached_property
    def node_indices(self) -> Mapping[int, tuple[Idx, ...]]:
        """The indices of every node of the body, in order of first occurrence, by the node's identity."""

        def step(node: Basic, arguments: list[tuple[Idx, ...]]) -> tuple[Idx, ...]:
            if len(arguments) == 1:
                return arguments[0]
            return tuple(dict.fromkeys(chain.from_iterable(arguments) if arguments else leaf_indices(node)))

        return annotate(self.body, step)

    @cached_property
    def lengths(self) -> tuple[Symbol, ...]:
        """The symbolic extents in the body."""
        found = [leaf for leaf in self.leaves if isinstance(leaf, Symbol) and leaf.is_integer]
        sums = [i for r in self.references for i in subscripts(r) if not isinstance(i, Idx) and i.args]
        inside = [leaf for i in sums for leaf in leaves(i) if isinstance(leaf, Symbol) and leaf.is_integer]
        return tuple(dict.fromkeys([*found, *inside])) if inside else tuple(found)

    @cached_property
    def references(self) -> tuple[Expr, ...]:
        """The vertices that the body reads, in order of first occurrence."""
        return tuple(leaf for leaf in self.leaves if is_reference(leaf))

    @cached_property
    def accesses(self) -> tuple[Access, ...]:
        """The target, then the references."""
        target = Access(self.target, target_cell(self.target), symbol_of(self.target), shape(self.target))
        return target, *[Access(r, cell_of(r), symbol_of(r), shape(r)) for r in self.references]

    @property
    def reads(self) -> tuple[Access, ...]:
        """The references, taken apart."""
        return self.accesses[1:]

    def reads_of(self, reference: Expr, pattern: Pattern) -> bool:
        """Whether a reference reads some of these elements of its variable where its conditions hold.

        >>> t, h = Idx("t", 4), Variable("h", (5,))
        >>> later = Equation(Variable("g", (4,))[t], Piecewise((h[t], t >= 1), (0, True)))
        >>> later.reads_of(h[t], (0,)), later.reads_of(h[t], (1,))
        (False, True)
        """
        return any(overlap(part, pattern) for part in self._parts.get(reference, (elements_read(reference),)))

    @cached_property
    def _parts(self) -> Mapping[Expr, Collection[Pattern]]:
        """The elements that each reference reads, by the conditions under which it does."""
        found: dict[Expr, dict[Pattern, None]] = {}
        for reference, known in occurrences(self.body, lambda _: True):
            found.setdefault(reference, {})[part_read(reference, known)] = None
        return found

    @cached_property
    def branches(self) -> bool:
        """Whether the body has branches."""
        return any(isinstance(node, Piecewise) for node in postorder(self.body))

    @cached_property
    def fault(self) -> str | None:
        """What in the body is no real formula of its leaves, for a message; None if all of it is.

        A body that is the maximum of no value, -oo, is none: a branch may leave it alone.
        """
        if self.body is Reduction.MAX.neutral:
            return None
        binder = next((node for node in postorder(self.body) if isinstance(node, (*BINDERS, Elimination))), None)
        if binder is not None and not (binder is self.body and isinstance(binder, Elimination)):
            return f"sympy's {type(binder).__name__}, which has no translation into real scalar code"
        # Most equations of a network have no number at all.
        return faulty_constant(self.body) if any(not n.args and n.is_number for n in self.leaves) else None

    def with_body(self, body: Expr) -> Equation:
        """The same target and reduction with another body; what it no longer has is no longer reduced."""
        return self if body is self.body else Equation.over(self.target, body, self.reduction, self.reduced)

    @staticmethod
    def over(target: Expr, body: Expr, reduction: Reduction | None, reduced: tuple[Idx, ...]) -> Equation:
        """Reduce over the indices that the body has: over another one, a sum is a multiple and a maximum nothing."""
        if reduction is not None and reduction.linear:
            return Equation.total(target, over_present(body, reduced))
        present = indices(body)
        remaining = tuple(index for index in reduced if index in present)
        return Equation(target, body, reduction if remaining else None, remaining)

    @staticmethod
    def total(target: Expr, term: Summand) -> Equation:
        """The sum, or a map if nothing is summed over."""
        return Equation(target, term.body, Reduction.SUM if term.reduced else None, term.reduced)

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        signed = self.reduction is not None and not self.eliminates
        over = f"{self.monoid.sign}_{','.join(str(i) for i in self.reduced)} " if signed else ""
        return f"{self.target} = {over}{self.body}"

    def __repr__(self) -> str:
        written = str(self)
        return f"<Equation {written if len(written) <= SHORT else written[:SHORT] + '…'}>"

    _repr_html_ = shown_by("equation_html")
    _repr_latex_ = shown_by("equation_latex")
