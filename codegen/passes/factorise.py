"""Elimination as it is carried out: each matrix is factorised once, and products with an inverse are substitutions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sympy import Expr, Idx, Integer, Mul, log

from codegen.cached import once
from codegen.errors import EmitError
from codegen.functions import absolute, equal
from codegen.functions.eliminations import (
    Elimination,
    by_cholesky,
    by_factors,
    by_factors_transposed,
    by_lower,
    by_lower_transposed,
    cholesky_factor,
    cholesky_inverse,
    determinant_sign,
    inverted,
    log_determinant,
    solved,
    substituted,
    triangular_factors,
)
from codegen.ir.equation import Equation, Variable, over
from codegen.ir.graph import Graph
from codegen.ir.names import Names
from codegen.ir.reduction import Reduction
from codegen.ir.summation import Summand
from codegen.passes.prune import prune
from codegen.walk import (
    base_name,
    extent,
    fresh_index,
    indices,
    is_plain,
    is_reference,
    reindex,
    samples_first,
    subscripts,
)


@once
def factorise(graph: Graph) -> Graph:
    """The graph with factors of matrices and substitutions by them in the place of inverses and solutions.

    A product Σ_p V[i, p]·b[p] with an inverse V = A⁻¹ is the solution of A·x = b, computed with the factors of A, which
    are backward stable; V itself is computed only where it is read otherwise.

    >>> from codegen.ir.graph import Index
    >>> p, q, i = (Index(name, 3) for name in "pqi")
    >>> A, b, x = Variable("A", (3, 3)), Variable("b", (3,)), Variable("x", (3,))
    >>> print(factorise(Graph((A, b), (Equation.eliminating(x[i], solved(A[p, q], b[p], p, q, i)),), ("x",))))
    inputs A[3, 3], b[3]
    factors of A[u, v] = triangular_factors(A[p, q], p, q, u, v)
    x[i] = by_factors(factors of A[u, v], b[p], u, v, p, i)
    outputs x
    """
    if not any(equation.eliminates for equation in graph.equations):
        return graph
    writer = _Writer(graph)
    for equation in graph.equations:
        writer.write(equation)
    return prune(graph.with_equations(writer.equations))


class _Factors(NamedTuple):
    """The factors of a matrix, an element of theirs, and what substitutes with them and with the transposed ones."""

    element: Expr
    rows: Idx
    columns: Idx
    batch: tuple[Expr, ...]
    forward: type[substituted]
    transposed: type[substituted]

    def substitution(self, right: Expr, p: Idx, i: Idx, transposed: bool) -> substituted:
        """An element of the solution."""
        kind = self.transposed if transposed else self.forward
        return kind(self.element, right, self.rows, self.columns, p, i)


@dataclass
class _Writer:
    graph: Graph
    equations: list[Equation] = field(default_factory=list)
    _factors: dict[object, Expr] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = Names(self.graph.variables)
        whole = (e for e in self.graph.equations if len(self.graph.definitions[e.name]) == 1)
        self.inverses = {e.name: e for e in whole if isinstance(e.body, (inverted, cholesky_inverse))}

    def write(self, equation: Equation) -> None:
        """Append what an equation becomes."""
        if not equation.eliminates:
            self.equations += self.product(equation)
            return
        body = equation.elimination
        match body:
            case solved():
                (i,) = body.own
                self.solve(equation.target, Integer(1), body, body.read[1], body.rows, i, False)
            case inverted() | cholesky_inverse():
                i, j = body.own
                p = _apart(body.columns, equation)
                one = self.vertex("identity", equal(i, p), (i, p))
                self.solve(equation.target, Integer(1), body, one, p, j, True)
            case determinant_sign():
                element = self.factors(body, body.matrix).element
                n = extent(body.rows)
                last = dict.fromkeys(subscripts(element)[-2:], n)
                self.equations.append(Equation(equation.target, reindex(element, last)))
            case log_determinant():
                factors, k = self.factors(body, body.matrix), _apart(body.rows, equation)
                pivot = reindex(factors.element, {factors.rows: k, factors.columns: k})
                term = log(absolute(pivot)) if factors.forward is by_factors else 2 * log(pivot)
                self.equations.append(Equation(equation.target, term, Reduction.SUM, (k,)))
            case cholesky_factor():
                i, j = body.own
                factors = self.factors(body, body.matrix)
                read = reindex(factors.element, {factors.rows: i, factors.columns: j})
                self.equations.append(Equation(equation.target, read))
            case _:
                raise EmitError(f"{type(body).__name__} is made by the schedules alone")

    # --- factors --------------------------------------------------------------------------------------------------

    def factors(self, body: Elimination, matrix: Expr) -> _Factors:
        """The factors of the matrix that a body eliminates, computed once."""
        p, q, batch = body.rows, body.columns, body.batch
        turned = body.structure == "upper"  # what is kept is the lower triangle of the transposed matrix
        p, q = (q, p) if turned else (p, q)
        places = subscripts(matrix) if is_reference(matrix) else ()
        apart = (
            is_reference(matrix) and is_plain(matrix) and all(isinstance(i, Integer) or i in batch for i in places[:-2])
        )
        if apart and places[-2:] == (q, p) and body.structure == "general":
            turned, p, q = True, q, p
        elif not apart or places[-2:] != (p, q):
            matrix = self.vertex("matrix", matrix, (*samples_first(batch), p, q))
            places = subscripts(matrix)
        element, rows, columns = self.factor(body, matrix, p, q)
        forward, transposed = _SUBSTITUTION["lower" if isinstance(body, cholesky_inverse) else body.structure]
        if turned:
            forward, transposed = transposed, forward
        return _Factors(element, rows, columns, places[:-2], forward, transposed)

    def factor(self, body: Elimination, matrix: Expr, p: Idx, q: Idx) -> tuple[Expr, Idx, Idx]:
        """An element of the factors, and its indices."""
        batch = [i for i in subscripts(matrix)[:-2] if isinstance(i, Idx)]
        n, general = extent(p), body.structure == "general"
        u, v = (fresh_index(Idx(name, n + 1 if general else n), self.graph.index_names) for name in "uv")
        if body.structure in ("lower", "upper"):
            return reindex(matrix, {p: u, q: v}), u, v
        fixed = tuple(None if isinstance(i, Idx) else i for i in subscripts(matrix)[:-2])
        key = base_name(matrix), fixed, body.structure
        axes = (*batch, u, v)
        if key not in self._factors:
            m = fresh_index(Idx("m", n), {u.name, v.name, *(i.name for i in (*batch, p, q))})
            target = over(self.names.new(f"factors of {base_name(matrix)}"), axes)
            made = triangular_factors(matrix, p, q, u, v) if general else cholesky_factor(matrix, p, q, m, u, v)
            self.equations.append(Equation.eliminating(target, made))
            self._factors[key] = target
        found = Variable.of(self._factors[key])
        return found[axes], u, v

    # --- substitutions --------------------------------------------------------------------------------------------

    def product(self, equation: Equation) -> Iterator[Equation]:
        """A sum of products with an inverse as a substitution; any other equation as it is."""
        found = self.inverse_in(equation) if equation.is_sum else None
        if found is None:
            yield equation
            return
        inverse, body = found
        i, p = subscripts(inverse)[-2:]
        transposed = i in equation.reduced
        if transposed:
            i, p = p, i
        number, rest = Mul(*[f for f in Mul.make_args(equation.body) if f != inverse]).as_coeff_Mul()
        batch = [k for k in body.batch if k in equation.reduced]
        others = tuple(k for k in equation.reduced if k not in (p, *batch))
        if others:
            rest = self.vertex("right side", rest, samples_first(k for k in indices(rest) if k not in others), others)
        if not batch:
            self.solve(equation.target, number, body, rest, p, i, transposed)
            return
        own = [k for k in indices(rest) if k != p and k not in body.batch]
        part = over(self.names.new("solution"), (*samples_first(body.batch), *own, i))
        self.solve(part, Integer(1), body, rest, p, i, transposed)
        yield Equation.total(equation.target, Summand(number * part, tuple(batch)))

    def inverse_in(self, equation: Equation) -> tuple[Expr, Elimination] | None:
        """The inverse that a product is made with, and what it is the inverse of, in the indices of the equation."""
        factors = Mul.make_args(equation.body)
        for factor in factors:
            definition = self.inverses.get(base_name(factor)) if is_reference(factor) else None
            if definition is None or not is_plain(factor) or len(set(subscripts(factor))) < len(subscripts(factor)):
                continue
            rest = Mul(*[f for f in factors if f is not factor])
            pair, read = subscripts(factor)[-2:], indices(rest)
            if definition.free[-2:] != definition.elimination.own or not all(isinstance(k, Idx) for k in pair):
                continue
            summed = [k for k in pair if k in equation.reduced]
            other = [k for k in pair if k not in equation.reduced]
            if len(summed) == 1 and summed[0] in read and other[0] not in read:
                at = dict(zip(definition.free, subscripts(factor)))
                if all(isinstance(k, Idx) for k in at.values()):
                    return factor, _with_indices(definition, at, equation)
        return None

    def solve(
        self, target: Expr, number: Expr, body: Elimination, right: Expr, p: Idx, i: Idx, transposed: bool
    ) -> None:
        """Append ``target[i] = number · solution[i]``, right sides one after the other in memory."""
        factors = self.factors(body, body.matrix)
        batch = [k for k in factors.batch if isinstance(k, Idx)]
        columns = tuple(k for k in indices(target) if k not in (*batch, i) and k in indices(right))
        places = subscripts(right) if is_reference(right) else ()
        lead = places[: len(places) - len(columns) - 1]
        fits = is_reference(right) and is_plain(right) and places[len(lead) :] == (*columns, p)
        if not fits or not all(isinstance(k, Integer) or k in batch for k in lead):
            right = self.vertex("right side", right, (*(k for k in batch if k in indices(right)), *columns, p))
        order = (*factors.batch, *columns, i)
        direct = number == 1 and subscripts(target) == order and is_plain(target)
        to = target if direct else over(self.names.new("solution"), (*batch, *columns, i))
        self.equations.append(Equation.eliminating(to, factors.substitution(right, p, i, transposed)))
        if not direct:
            self.equations.append(Equation(target, number * to))

    def vertex(self, name: str, body: Expr, order: Sequence[Idx], reduced: Sequence[Idx] = ()) -> Expr:
        """A vertex with an axis for each of these indices."""
        target = over(self.names.new(name), order)
        self.equations.append(Equation.total(target, Summand(body, tuple(reduced))))
        return target


_SUBSTITUTION: Mapping[str, tuple[type[substituted], type[substituted]]] = {
    "general": (by_factors, by_factors_transposed),
    "symmetric": (by_cholesky, by_cholesky),
    "lower": (by_lower, by_lower_transposed),
    "upper": (by_lower, by_lower_transposed),
}


def _apart(index: Idx, equation: Equation) -> Idx:
    """An index of the same range that the equation does not have."""
    return fresh_index(Idx("k", extent(index)), {i.name for i in equation.domain})


def _with_indices(definition: Equation, at: Mapping[Idx, Expr], equation: Equation) -> Elimination:
    """What a vertex is the inverse of, where it is read: what it binds steps aside."""
    body = definition.elimination
    taken = {i.name for i in equation.domain}
    renaming: dict[Idx, Expr] = dict(at)
    for index in body.binds:
        renaming[index] = fresh_index(index, taken)
        taken.add(renaming[index].name)
    found = reindex(body, renaming)
    assert isinstance(found, Elimination)
    return found
