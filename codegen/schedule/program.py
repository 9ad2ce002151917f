"""A scheduled graph: loops, assignments and contractions over named storage, ready to be written in any language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain

from sympy import Add, Expr, Idx, Integer, Mul, Symbol, ceiling, expand

from codegen.cached import cached_property
from codegen.dtypes import Dtype
from codegen.functions.eliminations import Elimination, substituted
from codegen.ir.affine import Affine, affine
from codegen.ir.cells import Pattern
from codegen.ir.graph import Equation, Graph, cell_of
from codegen.ir.ranges import NOTHING
from codegen.schedule.target import PORTABLE, Target
from codegen.walk import Extent, extent, is_fixed, is_sum, leaves, postorder, references, size, substitute

StorageKey = tuple[str, Pattern]
"""A variable, or one of the vertices that are stored singly: its name and a pattern; the empty pattern is the whole."""


UNKNOWN_EXTENT = 64
"""What a symbolic extent is taken for."""


class Place(Enum):
    """Where values live."""

    INPUT = "input"
    OUTPUT = "output"
    WORK = "work"
    TILE = "tile"
    """A work array of one pass over samples: along them it holds a tile, and several passes have one each."""
    LOCAL = "local"


@dataclass(frozen=True)
class Storage:
    """What a vertex is kept in: the array or scalar ``number`` of its place, over some axes of the variable."""

    place: Place
    number: int
    axes: tuple[int, ...]
    shape: tuple[Extent, ...]

    @property
    def row(self) -> Storage:
        """All but the first of the axes."""
        return replace(self, axes=self.axes[1:], shape=self.shape[1:])


@dataclass(frozen=True)
class Set:
    """``target = value``."""

    equation: Equation
    target: Expr
    value: Expr


@dataclass(frozen=True)
class Accumulate:
    """``target += value``, or the larger of the two."""

    equation: Equation
    target: Expr
    value: Expr


@dataclass(frozen=True)
class Fill:
    """The neutral element of the reduction into ``target``, over the axes that ``over`` runs along."""

    equation: Equation
    target: Expr
    over: tuple[Idx, ...]


@dataclass(frozen=True)
class Store:
    """Copy an element that was accumulated in a local to the output array it belongs to."""

    equation: Equation
    target: Expr


@dataclass(frozen=True)
class Serial:
    """One value after the other."""

    counted: bool = True
    """Whether by a loop, or with the body for each value."""


@dataclass(frozen=True)
class Vector:
    """So many values at once, one a lane of a vector."""

    width: int
    copied: tuple[str, ...] = ()
    """The inputs that the body reads across their rows: so many rows are copied to vectors first."""


@dataclass(frozen=True)
class One:
    """The one value at which the body does something, if it is in the range: the others are left out."""

    value: Expr


@dataclass(frozen=True)
class Scan:
    """One value after the other, each from what those before it have left, backward for a ``step`` of −1."""

    step: int


Mode = Serial | Vector | One | Scan
SERIAL = Serial()


@dataclass(frozen=True)
class Bound:
    """An integer that a loop begins or ends at: a sum of indices outside it over a number, rounded towards 0."""

    over: Expr
    divisor: int = 1


@dataclass(frozen=True)
class Loop:
    """``for index: body``, from the largest of ``start`` to before the smallest of ``stop``, and within the range."""

    index: Idx
    body: tuple[Statement, ...]
    mode: Mode = SERIAL
    start: tuple[Bound, ...] = ()
    stop: tuple[Bound, ...] = ()
    follows: bool = False
    """Whether it is a further part of the range that the loop before it has begun."""

    @cached_property
    def starts(self) -> tuple[Bound, ...]:
        """The bounds below, with 0 where they may be less.

        >>> i, j = Idx("i", 5), Idx("j", 9)
        >>> Loop(j, (), start=(Bound(i + 1),)).starts, Loop(j, (), start=(Bound(i - 1),)).starts
        ((Bound(over=i + 1, divisor=1),), (Bound(over=0, divisor=1), Bound(over=i - 1, divisor=1)))
        """
        inside = any(_is_natural(bound.over) for bound in self.start)
        return self.start if inside else (Bound(Integer(0)), *self.start)

    @cached_property
    def stops(self) -> tuple[Bound, ...]:
        """The bounds above, with the extent where they may be more."""
        n = self.index.upper + 1
        inside = any(_is_natural(bound.divisor * n + bound.divisor - 1 - bound.over) for bound in self.stop)
        return self.stop if inside else (*self.stop, Bound(n))

    @property
    def is_whole(self) -> bool:
        """Whether it runs over all values of its index."""
        return not self.start and not self.stop

    @property
    def is_known(self) -> bool:
        """Whether its first and its last value are numbers."""
        ends = (*self.starts, *self.stops)
        return all(isinstance(bound.over, Integer) for bound in ends)

    def passes(self, samples: int) -> int:
        """How often it runs, a symbolic extent taken for so many, every index outside in the middle of its range."""
        if self.is_whole:
            return size([self.index], samples)
        first, last = (max(_middle(b, samples) for b in self.starts), min(_middle(b, samples) for b in self.stops))
        return max(last - first, 1)

    @property
    def certain(self) -> bool:
        """Whether the one value is in the range whatever the indices around are.

        >>> i, j, k = Idx("i", 5), Idx("j", 5), Idx("k", 9)
        >>> [Loop(index, (), One(value)).certain for index, value in ((j, 4 - i), (j, i + 1), (k, i + 1))]
        [True, False, True]
        """
        form = affine(self.mode.value) if isinstance(self.mode, One) else None
        if form is None:
            return False
        lowest, highest = form.ends()
        return bool(lowest.is_nonnegative and expand(self.index.upper - highest).is_nonnegative)


@dataclass(frozen=True)
class Contract:
    """``target = Σ left·right`` as a matrix product of whole arrays."""

    equation: Equation
    left: Expr
    right: Expr

    @property
    def target(self) -> Expr:
        """What it writes."""
        return self.equation.target

    @property
    def operands(self) -> tuple[Expr, ...]:
        """What it reads."""
        return self.left, self.right


class KernelKind(Enum):
    """What a :class:`Kernel` does with the samples ``s`` of a tile; the letters name axes in the order of memory.

    ``k`` are any number of indices, and so are the ``j`` of what is summed across lanes; the operands' places depend on
    them as sums do, and on the indices of the loops around.
    """

    OVER_LANES = "target[j, s] = Σ_k left[j, k]·right[k, s]"
    ALONG_ROWS = "target[i, s] = Σ_k left[i, k]·right[s, k]"
    OVER_SAMPLES = "target[i, j] += Σ_s left[i, s]·right[s, j]"
    ACROSS_LANES = "target[i, j] += Σ_k,s (left[i, k, s]·right[j, k, s] + …)"
    TRANSPOSE = "target[j, s] = operand[s, j], or the other way round"

    @property
    def adds(self) -> bool:
        """Whether it adds to its target, which is filled with zeros before the samples."""
        return self in (KernelKind.OVER_SAMPLES, KernelKind.ACROSS_LANES)


@dataclass(frozen=True)
class Kernel:
    """A step on one tile of samples for which an emitter may have code of its own; ``loops`` say the same."""

    kind: KernelKind
    equation: Equation
    operands: tuple[Expr, ...]
    """What it reads: of products the left and the right factor, one product after the other."""
    loops: tuple[Statement, ...] = ()
    rows: tuple[Idx, ...] = ()
    """The index of the target's rows, if it has any."""
    columns: tuple[Idx, ...] = ()
    sums: tuple[Loop, ...] = ()
    """The loops over what is summed, but for the samples in lanes, with their bounds and without bodies."""
    outer: tuple[Idx, ...] = ()
    """The indices of the target whose loops are around it."""
    when: tuple[Affine, ...] = ()
    """What is at least 0 where its sum has any terms: sums of indices of the loops around."""
    begins: bool = False
    """Whether an emitter's own code may set what it adds to in the first tile, which nothing else adds to."""

    @property
    def target(self) -> Expr:
        """What it writes, or adds to."""
        return self.equation.target


@dataclass(frozen=True)
class Routine:
    """Elimination on one whole matrix; the loops around are over matrices."""

    equation: Equation
    target: Expr
    body: Elimination
    columns: tuple[Idx, ...]
    """The indices of right sides, which lie one after the other."""

    @property
    def name(self) -> str:
        """What is done."""
        return type(self.body).__name__

    @property
    def operands(self) -> tuple[Expr, ...]:
        """What it reads: the matrix, or its factors, and right sides."""
        return self.body.read

    @property
    def order(self) -> Extent:
        """The number of rows of the matrix."""
        return extent(self.body.binds[2] if isinstance(self.body, substituted) else self.body.columns)

    @property
    def along(self) -> tuple[Idx, ...]:
        """The indices that it runs over itself."""
        return (*self.body.binds, *self.body.own, *self.columns)


@dataclass(frozen=True)
class Chunk:
    """How many samples a chunk has: ``least``, or a multiple of it where it depends on the lengths of a call.

    Then it is the first whose work, ``each`` nanoseconds for every sample and every value ``along`` other lengths, is
    ``worth`` nanoseconds, and ``combining`` for each number of sums of these shapes.
    """

    least: int
    each: float = 1.0
    along: tuple[Extent, ...] = ()
    sums: tuple[tuple[Extent, ...], ...] = ()
    worth: float = 0.0
    combining: float = 0.0

    @property
    def is_fixed(self) -> bool:
        """Whether it is the same for all calls."""
        return not self.along and is_fixed([n for shape in self.sums for n in shape])


@dataclass(frozen=True)
class Samples:
    """Everything that runs over the samples: ``fills``, then ``body`` for each tile of them, then ``stores``.

    Loops over ``index`` inside run over the samples of one tile; without a tile size there is one, of all samples. Only
    sums that ``fills`` begin, and outputs, are carried out of it: samples can be cut into chunks, whole tiles, which
    may run at once; their sums are added in their order.
    """

    index: Idx
    tile: int | None
    chunk: Chunk
    fills: tuple[Fill, ...]
    body: tuple[Statement, ...]
    stores: tuple[Store, ...] = ()
    most: int | None = None
    """The most samples that it is run for, if not any number."""


def _is_natural(value: Expr) -> bool:
    form = affine(value)
    return form is not None and NOTHING.says(form)


def _middle(bound: Bound, samples: int) -> int:
    form = affine(bound.over)
    assert form is not None
    lengths = {leaf: samples for leaf in leaves(form.constant) if isinstance(leaf, Symbol)}
    indices = sum(factor * ((size([index], samples) - 1) // 2) for index, factor in form.coefficients)
    return int((int(substitute(form.constant, lengths)) + indices) / bound.divisor)


Statement = Set | Accumulate | Fill | Store | Loop | Contract | Kernel | Routine | Samples


class Use(Enum):
    """What a statement does with a vertex."""

    READ = "read"
    WRITE = "write"
    ADD = "add"
    """Read, and write again with something added, or the larger of the two."""


def uses(statement: Statement) -> Iterator[tuple[Expr, Use]]:
    """What a statement itself reads and writes, as it is named there: of a loop, the value that it runs at alone."""
    match statement:
        case Loop(mode=One(value)):
            yield from ((reference, Use.READ) for reference in references(value))
        case Set() | Accumulate():
            yield from ((reference, Use.READ) for reference in references(statement.value))
            yield statement.target, Use.WRITE if isinstance(statement, Set) else Use.ADD
        case Contract() | Kernel() | Routine():
            yield from ((operand, Use.READ) for operand in statement.operands)
            adds = isinstance(statement, Kernel) and statement.kind.adds
            yield statement.target, Use.ADD if adds else Use.WRITE
        case Fill():
            yield statement.target, Use.WRITE
        case Store():
            yield statement.target, Use.READ


def nested(outer: Sequence[Idx], statement: Statement) -> Statement:
    """A statement inside loops over indices, the first of them outermost."""
    for index in reversed(outer):
        statement = Loop(index, (statement,))
    return statement


def walk(
    statements: Sequence[Statement], around: tuple[Loop, ...] = ()
) -> Iterator[tuple[Statement, tuple[Loop, ...]]]:
    """Every statement with the loops around it, in the order of the text."""
    for statement in statements:
        yield statement, around
        if isinstance(statement, Loop):
            yield from walk(statement.body, (*around, statement))
        elif isinstance(statement, Samples):
            yield from walk((*statement.fills, *statement.body, *statement.stores), around)


@dataclass(frozen=True)
class Program:
    """Statements in order, where each vertex is stored, and the sizes of the work arrays."""

    graph: Graph
    schedule: str
    statements: tuple[Statement, ...]
    storage: Mapping[StorageKey, Storage]
    work: tuple[tuple[Extent, ...], ...]
    """The shapes of the work arrays; vertices whose lives do not overlap share one."""
    locals: int
    """The number of local scalars."""
    target: Target = PORTABLE
    dtype: Dtype = "float64"
    width: int = 1
    """Lanes of a loop in lanes."""
    few: Program | None = None
    """The same for so few samples, at most those of its ``most``, that lanes of them would be empty."""

    def storage_of(self, reference: Expr) -> Storage:
        """Where the vertex that a reference or target names is kept."""
        return self.storage[self.key_of(reference)]

    def key_of(self, reference: Expr) -> StorageKey:
        """Under which name that is found: of the vertex alone, if it is stored singly, else of the whole variable."""
        name, pattern = cell_of(reference)
        return (name, pattern) if (name, pattern) in self.storage else (name, ())

    @property
    def workspace(self) -> str:
        """The number of elements of the work arrays, as a formula of the symbolic extents."""
        return str(Add(*[Mul(*shape) for shape in self.work]))

    @property
    def extents(self) -> tuple[Symbol, ...]:
        """The symbolic extents."""
        return self.graph.extents

    @cached_property
    def roots(self) -> tuple[Expr, ...]:
        """The square roots of lengths that loops run to and work arrays have, each after those in it.

        They are computed once, before all statements: compilers take no loop up to a square root for independent.
        """
        loops = (extent(loop.index) for loop, _ in walk(self.statements) if isinstance(loop, Loop))
        lengths = (n for n in (*loops, *chain(*self.work)) if is_sum(n))
        return tuple(dict.fromkeys(node for n in lengths for node in postorder(n) if isinstance(node, ceiling)))

    @property
    def native(self) -> int:
        """Lanes of a register."""
        return self.target.lanes(self.dtype)

    @property
    def samples(self) -> Samples | None:
        """The statement over the samples, if the program has one."""
        return next((s for s in self.statements if isinstance(s, Samples)), None)

    @property
    def samples_in_lanes(self) -> bool:
        """Whether a loop over the samples runs in lanes, of which few samples fill few."""
        over = self.samples
        inside = () if over is None else walk(over.body)
        loops = (statement for statement, _ in inside if isinstance(statement, Loop))
        return any(over is not None and s.index == over.index and isinstance(s.mode, Vector) for s in loops)
