"""Tiles of samples that go through the whole graph and back while they are in cache.

Inside a tile every vertex has its samples last, so that lanes read neighbours. Sums of products become kernels: over a
feature, with the samples in lanes; over the samples, with a feature in lanes, for which one operand is kept with its
samples first, as inputs are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sympy import Add, Expr, Idx, Indexed, Mul, true
from sympy.core.basic import Basic

from codegen.ir.affine import Affine
from codegen.ir.equation import over
from codegen.ir.graph import Cell, Equation, Graph, Variable, cell_of
from codegen.ir.lookups import looks_up
from codegen.ir.order import Scan
from codegen.ir.ranges import conjuncts, guard_of, guarded
from codegen.schedule.cut import sums_of
from codegen.schedule.factors import parted, uses
from codegen.schedule.program import Kernel, KernelKind, Loop
from codegen.schedule.samples import phases
from codegen.schedule.sums import merge_sums
from codegen.walk import (
    Extent,
    base_name,
    elements,
    extent,
    fresh_name,
    fresh_names,
    indices,
    is_fixed,
    is_sample,
    is_symbolic,
    references,
    shape,
    size,
    subscripts,
    substitute,
)

DEPTH = 6
"""A sum of this many products is worth a kernel; below, a fused loop saves a pass over its result."""
LONG = 8
"""An input with so many columns for each unit of a layer is read as it lies, by products whose lanes are summed. With
fewer it is turned round: 784-32-10 takes 5 to 6 % longer for that, 64-32-10 up to 4 % less."""
ROWS, COLUMNS = 3, 4
"""A gradient with this many rows and columns is worth a kernel; below, it is summed in the loop over its samples."""
TRANSPOSING = 12
"""A gradient of one product with more rows has its columns in lanes, for which an operand is transposed; elsewhere
lanes hold samples and are summed at the end of each tile, which is the more work the more rows there are."""
WIDE = 8
"""A gradient that each step of a scan adds to has its columns in lanes from so many on."""
SMALL = 256
"""One with narrower rows and no more numbers is kept as so many vectors, one for each, whose lanes are samples."""


def tile_graph(graph: Graph, samples: Extent) -> tuple[Graph, Mapping[Cell, Kernel]] | None:
    """The graph with the layout of tiles and the kernels in it by vertex; None if its samples cannot be tiled.

    ``samples`` is their number.

    >>> from codegen.ir.graph import Index, Reduction, sample_extent
    >>> S = sample_extent()
    >>> s, h, d = Index("s", S), Index("h", 8), Index("d", 8)
    >>> x, W, z, L = Variable("x", (S, 8)), Variable("W", (8, 8)), Variable("z", (S, 8)), Variable("L")
    >>> z_equation = Equation(z[s, h], W[h, d] * x[s, d], Reduction.SUM, (d,))
    >>> L_equation = Equation(L.symbol, z[s, h] ** 2, Reduction.SUM, (s, h))
    >>> graph, kernels = tile_graph(Graph((x, W), (z_equation, L_equation), ("L",)), S)
    >>> print(graph)
    inputs x[S, 8], W[8, 8]
    xᵀ[d, s] = x[s, d]
    z[h, s] = Σ_d W[h, d]*xᵀ[d, s]
    L = Σ_s,h z[h, s]**2
    outputs L
    >>> [kernel.kind.name for kernel in kernels.values()]
    ['TRANSPOSE', 'OVER_LANES']
    """
    found = phases(graph, samples)
    if found is None or any(not _has_layout(graph, e) or _has_diagonal(e, found.index) for e in found.inside):
        return None
    apart = [equation.cell for equation in graph.equations if _factors(equation, found.index) is None]
    graph = merge_sums(graph, keep=apart)
    found = phases(graph, samples)
    assert found is not None
    turning = _SamplesLast(graph, found.index)
    inside = [equation for given in found.inside for equation in turning.equations(given)]
    equations = [*found.before, *turning.before, *turning.copies.values(), *inside, *found.after]
    return graph.with_equations(equations), turning.kernels


def _has_layout(graph: Graph, equation: Equation) -> bool:
    """Whether an equation, or another of the same variable, assigns a range along every axis."""
    definitions = graph.definitions[equation.name]
    return any(not any(i.is_Integer for i in subscripts(one.target)) for one in definitions)


def _has_diagonal(equation: Equation, index: Idx) -> bool:
    """Whether an equation reads an array along the diagonal of two sample axes."""
    return any(subscripts(reference).count(index) > 1 for reference in equation.references)


@dataclass
class _SamplesLast:
    """Turns equations so that samples come last, and recognises kernels on the way."""

    graph: Graph
    index: Idx
    copies: dict[str, Equation] = field(default_factory=dict)
    """Inputs with their samples last, by the name of the input."""
    before: list[Equation] = field(default_factory=list)
    """Operands that no sample changes."""
    kernels: dict[Cell, Kernel] = field(default_factory=dict)
    samples_first_of: dict[Cell | Expr, Variable] = field(default_factory=dict)
    """Copies with their samples first, by the vertex that has them last, or the place in it that a step reads."""

    def __post_init__(self) -> None:
        self.names = fresh_names("factor", self.graph.variables)

    # --- where samples are the last axis ------------------------------------------------------------------------------

    def equations(self, equation: Equation) -> Iterator[Equation]:
        """What one equation becomes: operands that need a vertex of their own, itself, a copy if it is an output."""
        apart = looks_up(equation, self.graph.whole) or not self.has_known_steps(equation)
        scan = self.graph.scans.get(equation.cell)
        apart = apart or (scan is not None and any(isinstance(part, Scan) for part in scan.parts))
        kernel = None if apart else self.along_rows(equation) or self.over_lanes(equation) or self.summed(equation)
        if kernel is not None:
            yield from kernel
        else:
            yield Equation.over(
                self.turned(equation.target), self.lanes(equation.body), equation.reduction, equation.reduced
            )
        target = equation.target
        if self.turned(target) != target and equation.name in self.graph.outputs:
            yield self.transpose(target, self.turned(target))

    def has_known_steps(self, equation: Equation) -> bool:
        """Whether neighbours along axes of known length are so many numbers apart: what calls decide stands before."""
        for access in equation.accesses:
            lengths = [is_symbolic(n) for n in access.shape if n != extent(self.index)]
            if lengths != sorted(lengths, reverse=True):
                return False
        return True

    def lanes(self, body: Expr) -> Expr:
        """A body that reads everything with its samples last."""
        return substitute(body, {r: self.turned(r) for r in references(body)})

    def turned(self, reference: Expr) -> Expr:
        """A reference to the same value where samples come last; inputs and outputs have a copy for that."""
        key = subscripts(reference)
        variable = self.graph.variable(base_name(reference))
        if self.index not in key or len(key) < 2 or variable.kind != "real":
            return reference
        is_input = not self.graph.definitions[variable.name]
        given = is_input or variable.name in self.graph.outputs
        axis = key.index(self.index)
        if not given and axis == len(key) - 1:
            return reference
        order = [*(a for a in range(len(key)) if a != axis), axis]
        name = fresh_name(f"{variable.name}ᵀ", self.graph.variables) if given else variable.name
        turned = Variable(name, tuple(variable.shape[a] for a in order))
        if is_input and name not in self.copies:
            # An index of its own for each axis: the reference at hand may read a diagonal, one column, or some of them.
            distinct = len(set(key)) == len(key) and all(
                isinstance(i, Idx) and extent(i) == n for i, n in zip(key, variable.shape)
            )
            free = [self.index if i == self.index else Idx(f"i{a}", variable.shape[a]) for a, i in enumerate(key)]
            whole = key if distinct else tuple(free)
            self.copies[name] = self.transpose(turned[tuple(whole[a] for a in order)], variable[tuple(whole)])
        return turned[tuple(key[a] for a in order)]

    def transpose(self, target: Expr, source: Expr) -> Equation:
        equation = Equation(target, source)
        *outer, i, j = subscripts(target)
        if list(subscripts(source)) == [*outer, j, i] and i != j and isinstance(i, Idx) and isinstance(j, Idx):
            self.kernels[equation.cell] = Kernel(KernelKind.TRANSPOSE, equation, (source,), outer=tuple(outer))
        return equation

    # --- sums of products ---------------------------------------------------------------------------------------------

    def along_rows(self, equation: Equation) -> list[Equation] | None:
        """``target[i, s] = Σ_k left[i, k]·right[s, k]`` of an input whose rows are long, with k in lanes."""
        factors, domain = Mul.make_args(equation.body), (*equation.free, *equation.reduced)
        if not equation.is_sum or len(factors) != 2 or len(domain) != 3 or self.index not in equation.free:
            return None
        i, k = (index for index in domain if index != self.index)
        if len(equation.reduced) != 1 or is_sample(i) or is_sample(k) or size([k]) < LONG * size([i]):
            return None
        for left, right in (factors, factors[::-1]):
            if self.is_given([right], (self.index, k)) and self.is_placed(left) and subscripts(left) == (i, k):
                target, sums = self.turned(equation.target), (Loop(k, ()),)
                kind, along = KernelKind.ALONG_ROWS, (self.index,)
                return [self.kernel(kind, equation, target, (left, right), rows=(i,), columns=along, sums=sums)]
        return None

    def over_lanes(self, equation: Equation) -> list[Equation] | None:
        """``target[j, s] = Σ_k left[j, k]·right[k, s]``, at places that depend on the indices of loops around."""
        body, condition = guard_of(equation.body) or (equation.body, true)
        key = indices(equation.target)
        if not equation.is_sum or self.index not in key or size(equation.reduced) < DEPTH:
            return None
        sides: tuple[list[Expr], list[Expr]] = ([], [])
        for factor in Mul.make_args(body):
            sides[self.index in indices(factor)].append(factor)
        left, right = (uses(side) for side in sides)
        if not {*equation.reduced} <= left & right:
            return None
        rows = [i for i in key if i not in right]
        outer = (*(i for i in key if i in right and i != self.index), *rows[:-1])
        found = sums_of(equation.reduced, condition, outer)
        if any(map(is_sample, (*equation.reduced, *rows[-1:]))):
            return None
        if found is None or (found[1] and equation.cell not in self.graph.scans):
            return None
        orders = (
            tuple(i for i in (*key, *equation.reduced) if i in left),
            (*(i for i in (*outer, *equation.reduced) if i in right), self.index),
        )
        if not all(self.is_compact(side, order, condition) for side, order in zip(sides, orders)):
            return None
        new: list[Equation] = []
        operands = (
            self.operand([self.lanes(f) for f in sides[0]], orders[0], self.before),
            self.operand([self.lanes(f) for f in sides[1]], orders[1], new),
        )
        kernel = self.kernel(
            KernelKind.OVER_LANES,
            equation,
            self.turned(equation.target),
            operands,
            condition,
            rows=tuple(rows[-1:]),
            columns=(self.index,),
            sums=found[0],
            outer=outer,
            when=found[1],
        )
        return [*new, kernel]

    def summed(self, equation: Equation) -> list[Equation] | None:
        """``target[i, j] += Σ_s (left[i, s]·right[j, s] + …)``, samples in lanes; for many rows columns in lanes."""
        products = _factors(equation, self.index)
        if products is None:
            sides = self.at_steps(equation)
            return self.summed_over_more(equation) if sides is None else self.summed_at_steps(equation, *sides)
        i, j = equation.free
        new: list[Equation] = []
        given = all(self.is_given(right, (self.index, j)) for _, right in products)
        columns_in_lanes = len(products) == 1 and (given or int(extent(i)) > TRANSPOSING)
        operands: list[Expr] = []
        for left, right in products:
            operands.append(self.operand([self.lanes(f) for f in left], (i, self.index), new))
            if columns_in_lanes:
                operands.append(self.samples_first(right, j, new))
            else:
                operands.append(self.operand([self.lanes(f) for f in right], (j, self.index), new))
        kind = KernelKind.OVER_SAMPLES if columns_in_lanes else KernelKind.ACROSS_LANES
        return [*new, self.kernel(kind, equation, equation.target, operands, rows=(i,), columns=(j,))]

    def at_steps(self, equation: Equation) -> tuple[Expr, Expr] | None:
        """The factors of ``target[i, j] = Σ_t,s left[t, i, s]·right[t, j, s]`` of what the steps t of a scan compute.

        None for a sum of another form, or one that each step adds to no faster than all of them at once.
        """
        factors, free = Mul.make_args(equation.body), equation.free
        if not equation.is_sum or len(factors) != 2 or len(free) != 2 or len(equation.reduced) != 2:
            return None
        if not any(cell in self.graph.scans for _, cells in self.graph.read_by(equation) for cell in cells):
            return None
        if not all(isinstance(f, Indexed) and self.graph.variable(base_name(f)).kind == "real" for f in factors):
            return None
        i, j = free
        if any(map(is_sample, free)):
            return None
        for left, right in (factors, factors[::-1]):
            if all({*subscripts(f)} == {*equation.reduced, own} for f, own in ((left, i), (right, j))):
                small = size(free) <= SMALL
                return (left, right) if small or self.is_wide(left, right, equation) else None
        return None

    def is_wide(self, left: Expr, right: Expr, equation: Equation) -> bool:
        """Whether the columns of a sum that steps add to are better in lanes than its samples."""
        i, j = equation.free
        return int(extent(j)) >= WIDE and (self.has_rows(right, j) or int(extent(i)) > TRANSPOSING)

    def has_rows(self, operand: Expr, j: Idx) -> bool:
        """Whether an operand is an input of which each sample has the values of an index side by side."""
        given = not self.graph.definitions[base_name(operand)] and is_fixed(shape(operand)[1:])
        return given and subscripts(operand)[0] == self.index and subscripts(operand)[-1] == j

    def summed_at_steps(self, equation: Equation, left: Expr, right: Expr) -> list[Equation] | None:
        """``target[i, j] += Σ_s left[i, s]·right[s, j]`` at each step; None where lanes hold samples."""
        if not self.is_wide(left, right, equation):
            return None
        i, j = equation.free
        (t,) = (index for index in equation.reduced if index != self.index)
        new: list[Equation] = []
        if not self.has_rows(right, j):
            source = self.lanes(right)
            if source not in self.samples_first_of:
                copy = Variable(next(self.names), (extent(t), extent(self.index), extent(j)))
                self.samples_first_of[source] = copy
                new.append(self.transpose(copy[t, self.index, j], source))
            right = self.samples_first_of[source][t, self.index, j]
        operands = (self.lanes(left), right)
        kind = KernelKind.OVER_SAMPLES
        return [*new, self.kernel(kind, equation, equation.target, operands, rows=(i,), columns=(j,), outer=(t,))]

    def summed_over_more(self, equation: Equation) -> list[Equation] | None:
        """``target[i, j] += Σ_k,s left[i, k, s]·right[j, k, s]``, at places that depend on indices of loops around."""
        body, condition = guard_of(equation.body) or (equation.body, true)
        if not equation.is_sum or self.index not in equation.reduced:
            return None
        key, reduced = indices(equation.target), tuple(i for i in equation.reduced if i != self.index)
        factors = Mul.make_args(body)
        if len(factors) != 2 or not all(self.index in indices(factor) for factor in factors):
            return None
        if not all(isinstance(f, Indexed) and self.graph.variable(base_name(f)).kind == "real" for f in factors):
            return None
        alone = [[i for i in key if i in indices(f) and i not in indices(g)] for f, g in (factors, factors[::-1])]
        (rows, left), (columns, right) = sorted(zip(alone, factors), key=lambda side: len(side[0]))
        outer = [*(i for i in key if i not in rows and i not in columns), *rows[:-1]]
        bounding = {i for part in conjuncts(condition) for i in indices(part)}
        outer += [i for i in (*rows[-1:], *columns) if i in bounding]
        columns = [i for i in columns if i not in bounding]
        found = sums_of(reduced, condition, outer) if columns else None
        if any(map(is_sample, (*reduced, *rows[-1:], *columns))):
            return None
        if found is None or found[1] or not rows or rows[-1] in outer or size((rows[-1], *columns)) < ROWS * COLUMNS:
            return None
        kernel = self.kernel(
            KernelKind.ACROSS_LANES,
            equation,
            equation.target,
            (self.lanes(left), self.lanes(right)),
            condition,
            rows=(rows[-1],),
            columns=tuple(columns),
            sums=found[0],
            outer=tuple(outer),
        )
        return [kernel]

    def kernel(
        self,
        kind: KernelKind,
        equation: Equation,
        target: Expr,
        operands: Sequence[Expr],
        condition: Basic = true,
        *,
        rows: tuple[Idx, ...],
        columns: tuple[Idx, ...],
        sums: tuple[Loop, ...] = (),
        outer: tuple[Idx, ...] = (),
        when: tuple[Affine, ...] = (),
    ) -> Equation:
        """The equation with products of operands for its body, where a condition holds, which a kernel computes."""
        products = [Mul(left, right) for left, right in zip(operands[::2], operands[1::2])]
        new = Equation(target, guarded(Add(*products), condition), equation.reduction, equation.reduced)
        self.kernels[new.cell] = Kernel(
            kind, new, tuple(operands), rows=rows, columns=columns, sums=sums, outer=outer, when=when
        )
        return new

    def operand(self, factors: Sequence[Expr], order: tuple[Idx, ...], new: list[Equation]) -> Expr:
        """One array for a product of factors: a factor itself, or a vertex for their product."""
        if len(factors) == 1 and self.is_placed(factors[0]):
            return factors[0]
        vertex = over(next(self.names), order)
        new.append(Equation(vertex, Mul(*factors)))
        return vertex

    def is_placed(self, factor: Expr) -> bool:
        """Whether a factor is an element of an array of real numbers, the samples as they are last if it has any."""
        key = subscripts(factor)
        if not isinstance(factor, Indexed):
            return False
        across = self.index in indices(factor)
        if across and (key[-1] != self.index or any(self.index in indices(subscript) for subscript in key[:-1])):
            return False
        variable = self.graph.variables.get(base_name(factor))
        if variable is None:
            return True  # an input that has been turned
        return variable.kind == "real" and not (across and not self.graph.definitions[variable.name])

    def is_compact(self, factors: Sequence[Expr], order: Sequence[Idx], condition: Basic) -> bool:
        """Whether the product of factors is one array, or can be one that is no larger than those it is made of."""
        if len(factors) == 1 and self.is_placed(self.lanes(factors[0])):
            return True
        largest = max((elements(shape(r)) for factor in factors for r in references(factor)), default=1)
        return condition == True and size(order) <= largest  # noqa: E712 - a SymPy boolean

    def is_given(self, factors: Sequence[Expr], key: tuple[Idx, ...]) -> bool:
        """Whether a product is one input of real numbers over these indices in this order."""
        if len(factors) != 1 or subscripts(factors[0]) != key:
            return False
        variable = self.graph.variables.get(base_name(factors[0]))
        return variable is not None and variable.kind == "real" and not self.graph.definitions[variable.name]

    def samples_first(self, factors: Sequence[Expr], j: Idx, new: list[Equation]) -> Expr:
        """An array of the product of factors whose rows are samples: an input as it is, or a copy."""
        wanted = (self.index, j)
        if self.is_given(factors, wanted):
            return factors[0]
        source = self.operand([self.lanes(f) for f in factors], (j, self.index), new)
        cell = cell_of(source)
        if cell not in self.samples_first_of:
            self.samples_first_of[cell] = Variable(next(self.names), (extent(self.index), extent(j)))
            new.append(self.transpose(self.samples_first_of[cell][wanted], source))
        return self.samples_first_of[cell][wanted]


def _factors(equation: Equation, index: Idx) -> list[tuple[list[Expr], list[Expr]]] | None:
    """The left and right factors of each product of ``target[i, j] = Σ_s (left[i, s]·right[s, j] + …)``."""
    if not equation.is_sum or len(equation.reduced) != 1 or len(equation.free) != 2:
        return None
    (s,), (i, j) = equation.reduced, equation.free
    if extent(s) != extent(index) or any(is_sample(n) for n in (i, j)):
        return None
    if int(extent(i)) < ROWS or int(extent(j)) < COLUMNS:
        return None
    return parted(Add.make_args(equation.body), lambda own: j in own, (i, s), (s, j))
