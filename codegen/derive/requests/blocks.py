"""Derivatives as blocks of nonzero values, and the three forms in which they are put out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sympy import Add, Expr, Idx, Mul

from codegen.derive.forward import Tangents
from codegen.derive.reverse import adjoints
from codegen.derive.seeds import Direction, bracket_seed, seed_indices
from codegen.derive.system import System
from codegen.errors import DerivationError
from codegen.functions import equal
from codegen.ir.equation import called
from codegen.ir.graph import Equation, Graph, Variable
from codegen.walk import base_name, fresh_name, indices, is_reference, is_symbolic, reindex, subscripts, substitute


@dataclass(frozen=True)
class Block:
    """The derivatives of the elements ``rows`` of one vertex by the elements ``columns`` of another, a sum of terms."""

    rows: tuple[Expr, ...]
    columns: tuple[Expr, ...]
    terms: tuple[Expr, ...]

    @property
    def row_indices(self) -> tuple[Idx, ...]:
        """The indices of the rows: that of t + 1 is t."""
        return tuple(index for subscript in self.rows for index in indices(subscript))

    @property
    def indices(self) -> tuple[Idx, ...]:
        """The indices of rows and columns."""
        return (*self.row_indices, *(index for subscript in self.columns for index in indices(subscript)))


@dataclass(frozen=True)
class Blocks:
    """All derivatives of ``of`` by ``wrt``."""

    of: Variable
    wrt: Variable
    blocks: tuple[Block, ...]
    name: str


def forward_blocks(graph: Graph, pairs: Sequence[tuple[str, str]]) -> tuple[System, list[Blocks]]:
    """The derivatives of (of, wrt) pairs, one forward sweep for each ``wrt``."""
    tangents = Tangents(graph, keep=[wrt for _, wrt in pairs])
    found: dict[tuple[str, str], Blocks] = {}
    for wrt in dict.fromkeys(wrt for _, wrt in pairs):
        results = [of for of, other in pairs if other == wrt]
        direction = axes_of(graph, wrt)
        tangents.sweep_to(results, direction)
        found.update({(of, wrt): blocks_along(tangents, of, graph.variable(wrt), direction) for of in results})
    return tangents.system, [found[pair] for pair in pairs]


def axes_of(graph: Graph, wrt: str) -> Direction:
    """All elements of a variable at once, an index for each of its axes."""
    seeds = seed_indices(graph, graph.variable(wrt))
    return Direction({wrt: bracket_seed(seeds)}, seeds, lambda name: f"d{name}/d{wrt}")


def blocks_along(tangents: Tangents, of: str, wrt: Variable, direction: Direction) -> Blocks:
    """The derivative of a vertex along a direction, after the sweep."""
    graph = tangents.graph
    target = graph.variable(of)
    rows = [graph.keys[cell] for cell in graph.cells[of]]
    blocks = [Block(key, direction.indices, tuple(tangents.at(target[key], direction))) for key in rows]
    return Blocks(target, wrt, tuple(blocks), direction.label(of))


def reverse_blocks(graph: Graph, of: str, wrt: Sequence[str]) -> tuple[System, list[Blocks]]:
    """The derivatives of ``of`` by each of ``wrt``, one backward sweep."""
    target = graph.variable(of)
    seeds = seed_indices(graph, target)
    direction = Direction({of: bracket_seed(seeds)}, seeds, lambda name: f"d{of}/d{name}")
    system, found = adjoints(graph, of, wrt, direction)
    return system, [
        Blocks(
            target,
            graph.variable(name),
            tuple(Block(seeds, graph.keys[cell], found[cell]) for cell in graph.cells[name]),
            direction.label(name),
        )
        for name in wrt
    ]


# --- forms --------------------------------------------------------------------------------------------------------

Form = Callable[[Blocks], tuple[Variable, list[tuple[tuple[Expr, ...], tuple[Expr, ...]]]]]
"""From blocks to an array and, for its elements with some subscripts, the terms that add up to them."""


def dense(blocks: Blocks) -> tuple[Variable, list[tuple[tuple[Expr, ...], tuple[Expr, ...]]]]:
    """The whole array, zeros included: the shape of ``of`` followed by that of ``wrt``."""
    variable = Variable(blocks.name, blocks.of.shape + blocks.wrt.shape)
    return variable, [(block.rows + block.columns, block.terms) for block in blocks.blocks]


def per_sample(blocks: Blocks) -> tuple[Variable, list[tuple[tuple[Expr, ...], tuple[Expr, ...]]]]:
    """Without the symbolic axes of ``wrt`` that ``of`` has too, where all is 0 but on their diagonal.

    Of several such lengths those are left out for which that is so. Raises :class:`DerivationError` if there is none.
    """
    symbolic = set(filter(is_symbolic, blocks.of.shape))
    samples = [axis for axis, n in enumerate(blocks.wrt.shape) if n in symbolic]
    apart = [a for a in samples if all(_bracket(t, b.columns[a], b.rows) for b in blocks.blocks for t in b.terms)]
    dropped = apart or samples
    kept = [axis for axis in range(len(blocks.wrt.shape)) if axis not in dropped]
    variable = Variable(blocks.name, blocks.of.shape + tuple(blocks.wrt.shape[axis] for axis in kept))
    entries = []
    for block in blocks.blocks:
        samples = [block.columns[axis] for axis in dropped]
        terms = tuple(_on_diagonal(term, samples, block.rows, blocks) for term in block.terms)
        entries.append((block.rows + tuple(block.columns[axis] for axis in kept), terms))
    return variable, entries


def _on_diagonal(term: Expr, samples: Sequence[Expr], rows: Sequence[Expr], blocks: Blocks) -> Expr:
    """The term without its brackets between samples, written with those of the rows."""
    factors = list(Mul.make_args(term))
    renaming: dict[Idx, Expr] = {}
    for index in samples:
        bracket = _bracket(Mul(*factors), index, rows)
        if bracket is None:
            raise DerivationError(
                f"{blocks.of.name!r} of one sample depends on {blocks.wrt.name!r} of others: it has no derivative per "
                "sample"
            )
        factors.remove(bracket)
        renaming[index] = next(a for a in bracket.args if a != index)
    return reindex(Mul(*factors), renaming)


def _bracket(term: Expr, index: Expr, rows: Sequence[Expr]) -> Expr | None:
    """The factor that is 0 but where an index is one of the rows'."""
    brackets = (f for f in Mul.make_args(term) if isinstance(f, equal) and index in f.args and set(rows) & {*f.args})
    return next(brackets, None)


def put_out(graph: Graph, system: System, of: str, found: Sequence[Blocks], form: Form) -> Graph:
    """The graph with outputs ``of`` and one array for each of the blocks, in a form, under the name of the blocks.

    A vertex that is the whole array already is put out itself. One that has the name and is not is called its nonzeros.
    """
    derived = system.equations[len(graph.equations) :]
    assembled: list[Equation] = []
    outputs, renaming = [of], dict[str, str]()
    for variable, entries in map(form, found):
        name = fresh_name(variable.name, {*graph.variables, *outputs})
        outputs.append(name)
        (key, terms), *others = entries
        whole = terms[0] if len(terms) == 1 and not others and is_reference(terms[0]) else None
        if whole is not None and subscripts(whole) == key and base_name(whole) not in {*graph.variables, *renaming}:
            renaming[base_name(whole)] = name
        else:
            assembled += [Equation(Variable(name, variable.shape)[key], Add(*terms)) for key, terms in entries]
    taken = {*graph.variables, *outputs, *(equation.name for equation in derived)}
    for name in ({*outputs[1:]} & {equation.name for equation in derived}) - {*renaming}:
        renaming[name] = fresh_name(f"nonzeros of {name}", taken)

    def renamed(reference: Expr) -> Expr:
        name = renaming.get(base_name(reference))
        return reference if name is None else called(name, reference)

    equations = [
        *graph.equations,
        *(_rewritten(equation, renamed, renamed(equation.target)) for equation in derived),
        *(_rewritten(equation, renamed, equation.target) for equation in assembled),
    ]
    return graph.with_equations(equations, outputs)


def _rewritten(equation: Equation, renamed: Callable[[Expr], Expr], target: Expr) -> Equation:
    """The equation of this target, with other names for some of what it reads."""
    hits = {reference: new for reference in equation.references if (new := renamed(reference)) != reference}
    if not hits and target == equation.target:
        return equation
    return Equation(target, substitute(equation.body, hits), equation.reduction, equation.reduced)
