"""A scheduled graph as one C function: a second printer of the program, beside the Numba module; it decides nothing.

Arrays are flat, in row-major order, and indexed by ``ptrdiff_t``. Local numbers are declared where they are first
assigned, in the innermost block that holds all of their uses: the program is written twice, the first time to find out
where these are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from sympy import Expr, Idx, Integer

from codegen.emit.c.dialect import dialect, literal
from codegen.emit.c.function import INTEGERS, CFunction, elements_text
from codegen.emit.c.names import Names, comment
from codegen.emit.scalars import Dialect, product_factors
from codegen.emit.values import Scope, ValueWriter
from codegen.errors import EmitError
from codegen.ir.graph import Reduction
from codegen.schedule.lanes import steps_of
from codegen.schedule.program import (
    Accumulate,
    Bound,
    Contract,
    Fill,
    Kernel,
    KernelKind,
    Loop,
    One,
    Place,
    Routine,
    Samples,
    Scan,
    Set,
    Statement,
    Store,
    walk,
)
from codegen.walk import (
    Extent,
    base_name,
    elements,
    extent,
    indices,
    is_fixed,
    is_reference,
    subscripts,
    under_root,
)

Path = tuple[tuple[int, int], ...]
"""Where the writer stands: each block around, from the outside in, and the number of the statement in it."""

SHORT = 8
"""A sum of fewer products is a loop; functions for longer ones have so many totals."""


@dataclass(frozen=True)
class Words:
    """How the language of a writer declares what it names."""

    counter: str
    """The index of a loop."""
    position: str
    """An integer that is set once."""
    variable: str
    """A number that changes."""
    constant: str
    """One that is set once."""
    result: str
    """Around the name of a result that is a number: what is assigned."""


@dataclass
class Writer(ValueWriter):
    """The text of one function.

    ``declared`` says which local numbers begin at which statement of which block, ``assignments`` how often each is
    assigned in the text.
    """

    function: CFunction
    declared: Mapping[tuple[int, int], list[int]]
    assignments: Counter[int]
    temporaries: int = 0
    tile: Idx | None = None
    """The index of the samples inside a tile: there it counts from ``first``, and so do work arrays of the tile."""
    blocks: list[list[int]] = field(default_factory=lambda: [[0, 0]])
    """The blocks around, each with the number of the statement that is being written."""
    opened: int = 0
    touched: dict[int, list[Path]] = field(default_factory=dict)
    """Where each local number is written or read."""
    assigned: Counter[int] = field(default_factory=Counter)
    labels: dict[tuple[str, int], str] = field(default_factory=dict)
    """The names of indices, by how many of the loops around have the same."""

    def __post_init__(self) -> None:
        self.program = self.function.program
        self.names = Names(set(self.function.names.taken))
        self.dialect = self.language()
        self.words = self.vocabulary()

    integers = INTEGERS
    independent = "INDEPENDENT"
    """What stands before a loop whose passes read nothing that another pass writes, if anything does."""

    @classmethod
    def definition(cls, function: CFunction) -> list[str]:
        """The lines of a function."""
        first = cls(function, {}, Counter())
        list(first.lines())
        return list(cls(function, first.declarations(), first.assigned).lines())

    def language(self) -> Dialect:
        """How expressions are written."""
        return dialect(self.function.dtype)

    def vocabulary(self) -> Words:
        """How names are declared."""
        real = self.function.real
        return Words("ptrdiff_t", "const ptrdiff_t", real, f"const {real}", "*{}")

    def declarations(self) -> Mapping[tuple[int, int], list[int]]:
        """Each local number at the first of the statements that know it, in the innermost block around them all."""
        found: dict[tuple[int, int], list[int]] = {}
        for local, paths in self.touched.items():
            shared = [level for level in zip(*paths) if len({block for block, _ in level}) == 1]
            depth = len(shared) - 1
            found.setdefault((paths[0][depth][0], min(path[depth][1] for path in paths)), []).append(local)
        return found

    # --- the function ---------------------------------------------------------------------------------------------

    def lines(self) -> Iterator[str]:
        f = self.function
        body, used = self.body()
        views = self.needed(used)
        yield f"int {f.name}("
        ends = [","] * (len(f.parameters) - 1) + [")"]
        for (kind, name, _), end in zip(f.parameters, ends):
            yield f"    {kind}{'restrict ' if kind.endswith('*') else ''}{name}{end}"
        yield "{"
        yield from (f"    (void){name};" for _, name, _ in f.parameters if name not in used)
        yield from (f"    {line}" for line in views)
        yield from body
        yield "    return 0;"
        yield "}"

    def needed(self, used: set[str]) -> list[str]:
        """The definitions of names that are used, those last that use others."""
        found = []
        for name, line in reversed([*self.lengths(), *self.views()]):
            if name in used:
                found.append(line)
                used.update(re.findall(r"\w+", line))
        return found[::-1]

    def lengths(self) -> Iterator[tuple[str, str]]:
        """Lengths that are computed once."""
        for root, name in self.function.roots.items():
            inner = self.integers.text(under_root(root), self.length_name)
            yield name, f"{self.words.position} {name} = {self.integers.square_root.format(inner)};"

    def body(self) -> tuple[list[str], set[str]]:
        """What stands between the declarations and the end, and the words in it."""
        lines = [*self.checks(), *self.block(self.program.statements, 1, {}), *self.scalars()]
        code = "\n".join(line for line in lines if not line.lstrip().startswith("//"))
        return lines, set(re.findall(r"\w+", code))

    def checks(self) -> Iterator[str]:
        """Parameters out of range end the function before it has written anything."""
        f = self.function
        number = {name: position for position, (_, name, _) in enumerate(f.parameters, 1)}
        for name in f.extents.values():
            yield f"    if ({name} < 1)"
            yield f"        return {number[name]};"
        for slot, name in zip(f.layout.arguments, f.arguments):
            limit = slot.variables[0].below
            if limit is not None:
                element = f"{name}[place]" if slot.shape else name
                pad = "        " if slot.shape else "    "
                if slot.shape:
                    yield f"    for ({self.words.counter} place = 0; place < {self.size(slot.shape)}; ++place)"
                yield f"{pad}if ({element} < 0 || {element} >= {self.extent_name(limit)})"
                yield f"{pad}    return {number[name]};"

    def views(self) -> Iterator[tuple[str, str]]:
        """Names for the parts of packed arrays and of the workspace."""
        f = self.function
        for slots, names, const in ((f.layout.arguments, f.arguments, "const "), (f.layout.results, f.results, "")):
            for slot, name in zip(slots, names):
                for variable, start in zip(slot.variables, slot.offsets) if slot.packed else ():
                    part = f.arrays[variable.name]
                    if variable.shape:
                        yield part, f"{const}{f.real} *{part} = {name} + {start};"
                    elif const:
                        yield part, f"const {f.real} {part} = {name}[{start}];"
        offset = 0
        symbols: list[str] = []
        for work, shape in enumerate(self.program.work):
            place = " + ".join([str(offset)] * (offset > 0 or not symbols) + symbols)
            yield f"w{work}", f"{f.real} *w{work} = {f.workspace} + {place};"
            if is_fixed(shape):
                offset += elements(shape)
            else:
                symbols.append(self.size(shape))

    def scalars(self) -> Iterator[str]:
        """Results that are numbers, stored at the end."""
        f = self.function
        self.step()
        for slot, name in zip(f.layout.results, f.results):
            if not slot.packed and not slot.shape:
                value = self.text_of(self.program.graph.variable(slot.name).symbol, {})
                yield f"    {self.words.result.format(name)} = {value};"
            for variable, start in zip(slot.variables, slot.offsets) if slot.packed else ():
                if not variable.shape:
                    yield f"    // {comment(variable.name)}"
                    yield f"    {name}[{start}] = {self.text_of(variable.symbol, {})};"

    # --- statements -----------------------------------------------------------------------------------------------

    def step(self) -> list[int]:
        """Go to the next statement of the block; gives the local numbers that are declared there."""
        self.blocks[-1][1] += 1
        block, number = self.blocks[-1]
        return list(self.declared.get((block, number), ()))

    def braced(self, statements: Iterable[Statement], indent: int, scope: Scope) -> Iterator[str]:
        """Statements in a block of their own, which has been opened, and its end."""
        self.opened += 1
        self.blocks.append([self.opened, 0])
        yield from self.block(statements, indent + 1, scope)
        self.blocks.pop()
        yield f"{'    ' * indent}}}"

    def block(self, statements: Iterable[Statement], indent: int, scope: Scope) -> Iterator[str]:
        pad = "    " * indent
        for statement in statements:
            if isinstance(statement, Samples):
                yield from self.samples(statement, indent, scope)
                continue
            begun = self.step()
            if isinstance(statement, (Loop, Kernel)):
                yield from (f"{pad}{self.words.variable} t{local};" for local in begun)
                if isinstance(statement, Loop):
                    yield from self.loop(statement, indent, scope)
                else:
                    yield from self.kernel(statement, indent, scope)
            else:
                if not isinstance(statement, (Fill, Store)):
                    yield f"{pad}// {comment(str(statement.equation))}"
                yield from (f"{pad}{line}" for line in self.statement(statement, scope, begun))

    def loop(self, loop: Loop, indent: int, scope: Scope) -> Iterator[str]:
        pad = "    " * indent
        name = self.index_name(loop.index, scope)
        inner = {**scope, loop.index: name}
        if isinstance(loop.mode, One):
            in_tile = loop.index == self.tile
            value = self.integer_text(loop.mode.value, scope) + (" - first" if in_tile else "")
            if loop.certain and not in_tile:
                yield f"{pad}{{"
                yield f"{pad}    {self.words.position} {name} = {value};"
                yield from self.braced(loop.body, indent, inner)
                return
            yield f"{pad}{{"
            yield f"{pad}    {self.words.position} {name} = {value};"
            yield f"{pad}    if (0 <= {name} && {name} < {self.stop(loop.index)}) {{"
            yield from self.braced(loop.body, indent + 1, inner)
            yield f"{pad}}}"
            return
        total = self.total(loop, scope)
        if total is not None:
            yield f"{pad}// {comment(str(loop.body[0].equation))}"  # type: ignore[union-attr]
            yield f"{pad}{total}"
            return
        first = self.bounds(loop.starts, ">", scope)
        stop = self.stop(loop.index) if loop.is_whole else self.bounds(loop.stops, "<", scope)
        if self.independent and not isinstance(loop.mode, Scan) and self.is_independent(loop):
            if "?" in stop:  # gcc ignores annotations of loops whose conditions branch
                bound, stop = stop, self.names.new("stop")
                yield f"{pad}{self.words.position} {stop} = {bound};"
            yield f"{pad}{self.independent}"
        if isinstance(loop.mode, Scan) and loop.mode.step < 0:
            yield f"{pad}for ({self.words.counter} {name} = {stop} - 1; {name} >= {first}; --{name}) {{"
        else:
            yield f"{pad}for ({self.words.counter} {name} = {first}; {name} < {stop}; ++{name}) {{"
        yield from self.braced(loop.body, indent, inner)

    def bounds(self, bounds: Iterable[Bound], relation: str, scope: Scope) -> str:
        """The largest or the smallest of some bounds."""
        texts = (self.bound_text(bound, scope) for bound in bounds)
        return reduce(lambda a, b: f"({a} {relation} {b} ? {a} : {b})", texts)

    def stop(self, index: Idx) -> str:
        return "size" if index == self.tile else self.extent_name(extent(index))

    def index_name(self, index: Idx, scope: Scope) -> str:
        """The index as the equations call it; another name where a loop around has taken that."""
        label = str(index.label)
        key = label, sum(str(other.label) == label for other in scope)
        if key not in self.labels:
            self.labels[key] = self.names.new(label)
        return self.labels[key]

    def is_independent(self, loop: Loop) -> bool:
        """Whether no pass of a loop reads or writes what another pass writes, other loops in it being short sums."""
        for statement, around in walk(loop.body):
            if isinstance(statement, Loop):
                if not isinstance(n := extent(statement.index), int) or n > SHORT:
                    return False
            elif not isinstance(statement, (Set, Accumulate, Fill)):
                return False
            elif self.is_local(statement.target):
                if isinstance(statement, Accumulate) and not around:
                    return False
            elif not any(loop.index in indices(subscript) for subscript in self.key(statement.target)):
                return False
        return True

    def total(self, loop: Loop, scope: Scope) -> str | None:
        """A sum along rows as a call; None where it has to be a loop."""
        if isinstance(loop.mode, Scan) or len(loop.body) != 1 or not isinstance(statement := loop.body[0], Accumulate):
            return None
        n = extent(loop.index)
        short = isinstance(n, int) and n < SHORT and loop.index != self.tile
        along = loop.index in indices(statement.target)
        if short or not loop.is_whole or not statement.equation.is_sum or along:
            return None
        value = statement.value
        factors = (value,) if is_reference(value) else product_factors(value) or ()
        if len(factors) not in (1, 2) or not all(is_reference(f) and self.is_row(f, loop.index) for f in factors):
            return None
        rows = [self.address(factor, scope, (loop.index,)) for factor in factors]
        call = "sum" if len(rows) == 1 else "dot"
        return f"{self.text_of(statement.target, scope)} += {call}({', '.join([self.stop(loop.index), *rows])});"

    def samples(self, samples: Samples, indent: int, scope: Scope) -> Iterator[str]:
        """The pass over the samples, in tiles if it has any."""
        pad = "    " * indent
        yield from self.block(samples.fills, indent, scope)
        if samples.tile is None:
            yield f"{pad}// samples"
            yield from self.block(samples.body, indent, scope)
        else:
            n = self.extent_name(extent(samples.index))
            yield from (f"{pad}{self.words.variable} t{local};" for local in self.step())
            yield f"{pad}// tiles of samples"
            yield f"{pad}for ({self.words.counter} first = 0; first < {n}; first += {samples.tile}) {{"
            yield f"{pad}    {self.words.position} size = {n} - first < {samples.tile} ? {n} - first : {samples.tile};"
            self.tile = samples.index
            yield from self.braced(samples.body, indent, scope)
            self.tile = None
        yield from self.block(samples.stores, indent, scope)

    def kernel(self, kernel: Kernel, indent: int, scope: Scope) -> Iterator[str]:
        """A product as calls of functions, where rows lie as these want them, and otherwise as loops."""
        calls = self.calls(kernel, scope)
        if calls is None:
            yield from self.block(kernel.loops, indent, scope)
            return
        pad = "    " * indent
        yield f"{pad}// {comment(str(kernel.equation))}"
        yield from (f"{pad}{line}" for line in calls)

    def calls(self, kernel: Kernel, scope: Scope) -> list[str] | None:
        target, operands = kernel.equation.target, kernel.operands
        if kernel.kind is KernelKind.TRANSPOSE:
            if len(subscripts(target)) > 2:
                return None
            rows, columns = subscripts(target)
            if not (self.is_row(target, columns) and self.is_row(operands[0], rows)):
                return None
            parts = [
                *(self.stop(rows), self.stop(columns)),
                *(self.address(operands[0], scope, (rows, columns)), self.stride(operands[0], columns)),
                *(self.address(target, scope, (rows, columns)), self.stride(target, rows)),
            ]
            return [f"transpose({', '.join(parts)});"]
        free = kernel.equation.free
        if scope or len(kernel.equation.reduced) > 1 or len(free) > 2:
            return None
        (k,) = kernel.equation.reduced
        i, j = free if len(free) == 2 else (None, free[0])
        across = kernel.kind in (KernelKind.ACROSS_LANES, KernelKind.ALONG_ROWS)
        everything = tuple(index for index in (i, j, k) if index is not None)
        lines = []
        if not kernel.kind.adds:
            lines += self.zeros(target, [index for index in (i, j) if index is not None], scope)
        for left, right in zip(operands[::2], operands[1::2]):
            if not self.is_row(target, j) or not self.is_row(right, k if across else j):
                return None
            if across and not self.is_row(left, k):
                return None
            rows = "1" if i is None else self.stop(i)
            first = self.address(left, scope, everything), "0" if i is None else self.stride(left, i)
            last = self.address(target, scope, everything), "0" if i is None else self.stride(target, i)
            second = self.address(right, scope, everything)
            if across:
                parts = [rows, self.stop(j), self.stop(k), *first, second, self.stride(right, j), *last]
                lines.append(f"add_dots({', '.join(parts)});")
            else:
                parts = [rows, self.stop(k), self.stop(j), *first, self.stride(left, k)]
                parts += [second, self.stride(right, k), *last]
                lines.append(f"add_product({', '.join(parts)});")
        return lines

    def routine(self, routine: Routine, scope: Scope) -> str:
        """The call that eliminates one matrix: each array, and where it begins."""
        inside = {**scope, **dict.fromkeys(routine.along, "0")}
        parts: list[str] = []
        for reference in (*routine.operands, routine.target):
            storage = self.program.storage_of(reference)
            place = self.index_text(self.key(reference), storage.shape, inside, storage.place)
            parts += [self.array_of(reference), place]
        sizes = [self.extent_name(routine.order)]
        if len(routine.operands) > 1:
            sizes.append(self.size([extent(i) for i in routine.columns]))
        return f"{routine.name}({', '.join([*parts, *sizes])});"

    def zeros(self, target: Expr, over: Iterable[Idx], scope: Scope) -> list[str]:
        """Loops that fill a target with zeros."""
        heads, inner = self.heads(over, scope)
        return [*heads, f"{'    ' * len(heads)}{self.text_of(target, inner)} = {self.number(0.0)};"]

    def heads(self, over: Iterable[Idx], scope: Scope) -> tuple[list[str], Scope]:
        """Loops over indices, each inside the one before and without braces, and the names inside them."""
        heads, inner = list[str](), dict(scope)
        for depth, index in enumerate(over):
            name = inner[index] = self.index_name(index, inner)
            head = f"for ({self.words.counter} {name} = 0; {name} < {self.stop(index)}; ++{name})"
            heads.append("    " * depth + head)
        return heads, inner

    def statement(self, statement: Statement, scope: Scope, begun: list[int]) -> Iterator[str]:
        if isinstance(statement, Routine):
            yield self.routine(statement, scope)
        if isinstance(statement, Contract):
            raise EmitError("the schedule blas calls BLAS, which C code does without: choose another")
        if isinstance(statement, Store):
            variable = self.program.graph.variable(base_name(statement.target))
            place = self.index_text(subscripts(statement.target), variable.shape, scope, Place.OUTPUT)
            yield f"{self.function.arrays[variable.name]}[{place}] = {self.text_of(statement.target, scope)};"
        elif isinstance(statement, Fill):
            value = self.number(float(statement.equation.monoid.neutral))
            yield from self.fill(statement, value, scope, begun)
        elif isinstance(statement, (Set, Accumulate)):
            lines, value = self.expression(statement.value, scope)
            target = self.text_of(statement.target, scope)
            yield from self.declaring(statement, begun)
            yield from lines
            if isinstance(statement, Set):
                yield f"{self.assigning(statement.target, begun)}{target} = {value};"
            else:
                yield from ACCUMULATE[statement.equation.monoid](self, target, value)

    def fill(self, statement: Fill, value: str, scope: Scope, begun: list[int]) -> Iterator[str]:
        yield from self.declaring(statement, begun)
        heads, inner = self.heads(statement.over, scope)
        yield from heads
        target = self.text_of(statement.target, inner)
        yield f"{'    ' * len(heads)}{self.assigning(statement.target, begun, True)}{target} = {value};"

    def declaring(self, statement: Set | Accumulate | Fill, begun: list[int]) -> Iterator[str]:
        """Local numbers that begin here and are not what the statement assigns."""
        own = None if isinstance(statement, Accumulate) else self.local(statement.target)
        yield from (f"{self.words.variable} t{local};" for local in begun if local != own)

    def assigning(self, target: Expr, begun: list[int], again: bool = False) -> str:
        """The type of a local number that begins with its assignment."""
        local = self.local(target)
        if local is None:
            return ""
        self.assigned[local] += 2 if again else 1
        if local not in begun:
            return ""
        return f"{self.words.constant if self.assignments[local] == 1 else self.words.variable} "

    # --- references and expressions -------------------------------------------------------------------------------

    def number(self, value: float) -> str:
        return literal(value, self.function.dtype)

    def length_name(self, n: Expr) -> str | None:
        return self.function.extents.get(n) or self.function.roots.get(n)

    def size(self, shape: Iterable[Extent]) -> str:
        """The number of elements of an array."""
        return elements_text(shape, self.extent_name)

    def setting(self, name: str, text: str) -> str:
        return f"{self.words.constant} {name} = {text};"

    def beginning(self, name: str) -> list[str]:
        return [f"{self.words.variable} {name};"]

    def changing(self, name: str, text: str) -> str:
        return f"{name} = {text};"

    def choosing(self, condition: str, then: Sequence[str], otherwise: Sequence[str]) -> list[str]:
        inside = [*(f"    {line}" for line in then), "} else {", *(f"    {line}" for line in otherwise)]
        return [f"if ({condition}) {{", *inside, "}"]

    def as_real(self, integer: str) -> str:
        return f"({self.function.real}){f'({integer})' if ' ' in integer else integer}"

    def as_whole(self, real: str) -> str:
        return f"(ptrdiff_t){real}"

    def local(self, reference: Expr) -> int | None:
        """The number of a local, where a reference is one."""
        storage = self.program.storage_of(reference)
        return storage.number if storage.place is Place.LOCAL else None

    def is_local(self, reference: Expr) -> bool:
        return self.local(reference) is not None

    def text_of(self, reference: Expr, scope: Scope) -> str:
        """A reference or target as it is stored."""
        local = self.local(reference)
        if local is not None:
            self.touched.setdefault(local, []).append(tuple((block, step) for block, step in self.blocks))
            return f"t{local}"
        storage = self.program.storage_of(reference)
        if not storage.axes:
            return self.array_of(reference)
        place = self.index_text(self.key(reference), storage.shape, scope, storage.place)
        return f"{self.array_of(reference)}[{place}]"

    def array_of(self, reference: Expr) -> str:
        storage = self.program.storage_of(reference)
        if storage.place in (Place.WORK, Place.TILE):
            return f"w{storage.number}"
        return self.function.arrays[base_name(reference)]

    def strides(self, shape: Iterable[Extent]) -> list[str]:
        """How far neighbours along each axis are from each other."""
        extents = list(shape)
        return [self.size(extents[axis + 1 :]) for axis in range(len(extents))]

    def index_text(self, key: Iterable[Expr], shape: Iterable[Extent], scope: Scope, place: Place) -> str:
        """The place of an element in a flat array."""
        terms: list[str] = []
        offset = 0
        for subscript, stride in zip(key, self.strides(shape)):
            position = self.position(subscript, scope, place)
            if position.isdecimal() and stride.isdecimal():
                offset += int(position) * int(stride)
            elif position != "0":
                factor = f"({position})" if " " in position else position
                terms.append(position if stride == "1" else f"{stride}*{factor}")
        return " + ".join([*terms, *[str(offset)] * (offset > 0 or not terms)])

    def address(self, reference: Expr, scope: Scope, along: Iterable[Idx]) -> str:
        """Where the elements along some indices begin."""
        storage = self.program.storage_of(reference)
        start = self.index_text(
            self.key(reference), storage.shape, {**scope, **dict.fromkeys(along, "0")}, storage.place
        )
        return self.pointer(self.array_of(reference), start)

    def pointer(self, array: str, start: str) -> str:
        """What a function is given that goes through an array from some element on."""
        return array if start == "0" else f"{array} + {start}"

    def stride(self, reference: Expr, index: Idx) -> str:
        """How far elements are from each other along an index."""
        shape = self.program.storage_of(reference).shape
        steps = steps_of(self.key(reference), {index: Integer(1)})
        found = [s if step == 1 else f"{step}*{s}" for step, s in zip(steps, self.strides(shape)) if step != 0]
        return " + ".join(found) or "0"

    def is_row(self, reference: Expr, index: Idx) -> bool:
        """Whether the elements of an array of real numbers along an index are neighbours."""
        if self.is_local(reference) or base_name(reference) in self.program.graph.integers:
            return False
        key = self.key(reference)
        return bool(key) and key[-1] == index and not any(index in indices(other) for other in key[:-1])


def _add(writer: Writer, target: str, value: str) -> Iterator[str]:
    yield f"{target} += {value};"


def _keep_larger(writer: Writer, target: str, value: str) -> Iterator[str]:
    name = writer.temporary()
    yield f"{writer.words.constant} {name} = {value};"
    # `x != x` keeps nan; once the maximum is nan no comparison replaces it.
    yield f"{target} = (({name} > {target}) | ({name} != {name})) ? {name} : {target};"


ACCUMULATE: Mapping[Reduction, Callable[[Writer, str, str], Iterator[str]]] = {
    Reduction.SUM: _add,
    Reduction.MAX: _keep_larger,
}
"""The lines that combine a target with one more value."""
