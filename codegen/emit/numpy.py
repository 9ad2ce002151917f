"""A graph as plain NumPy, one statement an equation: slow, short, and independent of schedules and storage."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from sympy import Add, Expr, Idx, Indexed, Integer, Mul, Symbol

from codegen.emit import random_numbers
from codegen.emit.scalars import ARRAY, Dialect, ExpressionWriter
from codegen.emit.text import escape
from codegen.ir.affine import affine, data_of
from codegen.ir.graph import Equation, Graph
from codegen.ir.order import Scan
from codegen.ir.ranges import is_natural
from codegen.walk import Extent, base_name, extent, indices, is_plain, is_plain_on, shape, subscripts

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def emit_numpy(graph: Graph, dialect: Dialect = ARRAY) -> str:
    """The source of a module with ``evaluate(*inputs)``, which returns the outputs as a tuple.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> print(emit_numpy(from_expressions({"e": (a + b) * b}, [a, b])))
    import numpy as np
    from scipy import special
    <BLANKLINE>
    <BLANKLINE>
    def evaluate(v0, v1):
        # e = b*(a + b)
        v2 = v1*(v0 + v1)
        return (v2,)
    """
    return "\n".join(_Module(graph, dialect).lines())


def numpy_function(graph: Graph) -> Callable[..., tuple[Any, ...]]:
    """The function of :func:`emit_numpy`, ready to call; its ``source`` attribute is the text."""
    source = emit_numpy(graph)
    namespace: dict[str, Any] = {}
    exec(compile(source, "<symnn numpy>", "exec"), namespace)

    def evaluate(*inputs: Any) -> tuple[Any, ...]:
        with np.errstate(all="ignore"):  # inf and nan are values here, as in compiled code
            return tuple(namespace["evaluate"](*inputs))

    evaluate.source = source  # type: ignore[attr-defined]
    return evaluate


class _Module:
    def __init__(self, graph: Graph, dialect: Dialect) -> None:
        self.graph, self.dialect = graph, dialect
        self.names = {name: f"v{number}" for number, name in enumerate(graph.variables)}
        self.temporaries = 0
        self.counters: list[Symbol] = []

    def lines(self) -> Iterator[str]:
        yield "import numpy as np"
        yield "from scipy import special"
        if random_numbers.draws(self.graph):
            yield random_numbers.NUMPY
        yield ""
        yield ""
        yield f"def evaluate({', '.join(self.names[v.name] for v in self.graph.inputs)}):"
        for number, symbol in enumerate(self.graph.extents):
            source, axis = next((v, v.shape.index(symbol)) for v in self.graph.inputs if symbol in v.shape)
            yield f"    n{number} = {self.names[source.name]}.shape[{axis}]"
        allocated: set[str] = set()
        for step in self.graph.steps:
            for equation in step.equations if isinstance(step, Scan) else (step,):
                whole = self.is_whole(equation) and not isinstance(step, Scan)
                if not whole and equation.name not in allocated:
                    shape = ", ".join(self.extent(n) for n in self.graph.variable(equation.name).shape)
                    yield f"    {self.names[equation.name]} = np.empty(({shape},))"
                    allocated.add(equation.name)
            yield from (f"    {line}" for line in self.step(step))
        yield f"    return ({', '.join(self.names[name] for name in self.graph.outputs)},)"

    def step(self, step: Equation | Scan, inside: tuple[tuple[Scan, Symbol], ...] = ()) -> Iterator[str]:
        """An equation; a recurrence as a loop over the places of an axis."""
        if isinstance(step, Scan):
            place = Symbol(f"p{len(self.counters)}", integer=True, nonnegative=True)
            self.counters.append(place)
            places = f"range({self.extent(step.length)})"
            yield f"for {place} in {places if step.step > 0 else f'reversed({places})'}:"
            for part in step.parts:
                yield from (f"    {line}" for line in self.step(part, (*inside, (step, place))))
            return
        yield f"# {escape(str(step))}"
        conditions = [
            f"{scan.shift(step)} <= {place} < {scan.shift(step)} + {self.extent(extent(scan.index(step)))}"
            for scan, place in inside
        ]
        indent = "    " if conditions else ""
        if conditions:
            yield f"if {' and '.join(conditions)}:"
        for scan, place in inside:
            step = scan.at(step, place)
        yield from (indent + line for line in self.equation(step))

    def extent(self, n: Extent) -> str:
        """A length, or another sum of lengths, places and integers."""
        if isinstance(n, int):
            return str(n)
        number, lengths = n.as_coeff_Add()
        terms = [self.symbol(s) if f == 1 else f"{f}*{self.symbol(s)}" for s, f in _lengths(n)] if lengths else []
        return " + ".join([*terms, *([str(number)] if number or not terms else [])])

    def symbol(self, symbol: Symbol) -> str:
        """A length, or the place of a recurrence."""
        return str(symbol) if symbol in self.counters else f"n{self.graph.extents.index(symbol)}"

    def is_whole(self, equation: Equation) -> bool:
        """Whether the right-hand side is the whole array: it has every axis, and no single element is assigned."""
        plain = is_plain(equation.target) and not any(isinstance(i, Integer) for i in subscripts(equation.target))
        return plain and set(indices(equation.body)) == set(equation.domain)

    def equation(self, equation: Equation) -> Iterator[str]:
        lines: list[str] = []
        value = self.contraction(equation) or self.reduction(equation, lines)
        yield from lines
        target = self.names[equation.name]
        if not self.is_whole(equation):
            target += self.key(equation.target) or "[...]"
        yield f"{target} = {value}"

    def contraction(self, equation: Equation) -> str | None:
        """A sum over a product of references, as ``einsum``."""
        factors = Mul.make_args(equation.body)
        plain = all(
            isinstance(f, Indexed) and is_plain(f) and self.graph.variable(base_name(f)).kind == "real" for f in factors
        )
        if not equation.is_sum or not plain or len(factors) < 2:
            return None
        letters = {index: LETTERS[n] for n, index in enumerate(equation.domain)}
        inputs = ",".join("".join(letters[i] for i in subscripts(f) if isinstance(i, Idx)) for f in factors)
        output = "".join(letters[i] for i in equation.free)
        arrays = ", ".join(self.names[base_name(f)] + self.key(f) for f in factors)
        return f'np.einsum("{inputs}->{output}", {arrays})'

    def reduction(self, equation: Equation, lines: list[str]) -> str:
        domain = equation.domain

        def assign(text: str) -> str:
            self.temporaries += 1
            lines.append(f"t{self.temporaries} = {text}")
            return f"t{self.temporaries}"

        def name_of(node: Expr) -> str:
            if isinstance(node, Idx):
                return self.align(f"np.arange({self.extent(extent(node))})", (node,), domain)
            if isinstance(node, Symbol) and node.is_integer:
                return self.extent(node)
            if not is_plain(node):
                return self.gathered(node, domain)
            free = tuple(i for i in subscripts(node) if isinstance(i, Idx))
            array = self.names[base_name(node)]
            return self.align(array + self.key(node), free, domain)

        def integer(node: Expr) -> str:
            return self.whole(node, domain)

        writer = ExpressionWriter(name_of, lambda _: None, _number, assign, self.dialect, whole=integer)
        text = writer.write(equation.body)
        if not equation.reduced:
            return text
        axes = ", ".join(str(len(equation.free) + n) for n in range(len(equation.reduced)))
        shape = ", ".join(self.extent(extent(i)) for i in domain)
        whole = text if set(indices(equation.body)) == set(domain) else f"np.broadcast_to({text}, ({shape},))"
        return f"np.{equation.monoid.value}({whole}, axis=({axes},))"

    def key(self, reference: Expr) -> str:
        """Integer subscripts; nothing where the whole array is meant."""
        parts = [self.elements(i, n) for i, n in zip(subscripts(reference), shape(reference))]
        return f"[{', '.join(parts)}]" if set(parts) != {":"} and parts else ""

    def elements(self, subscript: Expr, axis: Extent) -> str:
        """The elements along an axis that a target is, or a plain reference."""
        if is_plain_on(subscript, axis):
            return str(int(subscript)) if isinstance(subscript, Integer) else ":"
        form = affine(subscript)
        assert form is not None, subscript
        start = self.extent(form.constant)
        return f"{start}:{start} + {self.extent(extent(form.indices[0]))}" if form.indices else start

    def gathered(self, reference: Expr, domain: Sequence[Idx]) -> str:
        """Elements at sums of indices, with the axes of the domain; one that is not there is not asked for.

        Of an axis of n − 1 elements, where n is 1, that is every one.
        """
        key = [
            f"np.clip({self.places(subscript, domain)}, 0, {self.extent(n)} - 1)"
            for subscript, n in zip(subscripts(reference), shape(reference))
        ]
        array, lengths = self.names[base_name(reference)], shape(reference)
        if not all(isinstance(n, int) or is_natural(n - 1) for n in lengths):
            one = ", ".join(f"max({self.extent(n)}, 1)" for n in lengths)
            array = f"({array} if {array}.size else np.full(({one},), np.nan))"
        return f"{array}[{', '.join(key)}]"

    def places(self, subscript: Expr, domain: Sequence[Idx]) -> str:
        """The values of a sum of indices and lengths."""
        read = data_of(subscript)
        form = affine(subscript) if read is None else read.rest
        assert form is not None
        terms = [f"{factor}*{self.symbol(n)}" for n, factor in _lengths(form.constant)]
        terms += [
            f"{factor}*" + self.align(f"np.arange({self.extent(extent(index))})", (index,), domain)
            for index, factor in form.coefficients
        ]
        if read is not None:
            terms.append(f"{read.factor}*{self.whole_leaf(read.integer, domain)}")
        return " + ".join([str(form.constant.as_coeff_Add()[0]), *terms])

    def whole(self, value: Expr, domain: Sequence[Idx]) -> str:
        """A sum of indices, lengths and integers that are given, with the axes of the domain."""
        terms = []
        for term in Add.make_args(value):
            factor, leaf = term.as_coeff_Mul()
            text = "1" if leaf == 1 else self.whole_leaf(leaf, domain)
            terms.append(f"{factor}*{text}" if factor != 1 else text)
        return " + ".join(terms)

    def whole_leaf(self, leaf: Expr, domain: Sequence[Idx]) -> str:
        if isinstance(leaf, Idx):
            return self.align(f"np.arange({self.extent(extent(leaf))})", (leaf,), domain)
        if isinstance(leaf, Symbol):
            return self.symbol(leaf) if leaf.is_integer else self.names[base_name(leaf)]
        if not is_plain(leaf):
            return self.gathered(leaf, domain)
        free = tuple(i for i in subscripts(leaf) if isinstance(i, Idx))
        return self.align(self.names[base_name(leaf)] + self.key(leaf), free, domain)

    def align(self, text: str, axes: Sequence[Idx], domain: Sequence[Idx]) -> str:
        """An array with these axes, transposed and broadcast to those of the domain."""
        if len(set(axes)) < len(axes):
            letters = {index: LETTERS[n] for n, index in enumerate(dict.fromkeys(axes))}
            text = f'np.einsum("{"".join(letters[i] for i in axes)}->{"".join(letters.values())}", {text})'
            axes = tuple(letters)
        order = sorted(range(len(axes)), key=lambda n: list(domain).index(axes[n]))
        if order != list(range(len(axes))):
            text = f"np.transpose({text}, ({', '.join(map(str, order))}))"
        if axes and len(axes) < len(domain):
            text += "[" + ", ".join(":" if i in axes else "None" for i in domain) + "]"
        return text


def _lengths(constant: Expr) -> list[tuple[Expr, int]]:
    lengths = constant.as_coeff_Add()[1]
    return [(n, int(factor)) for n, factor in lengths.as_coefficients_dict().items()] if lengths else []


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else {"inf": "np.inf", "-inf": "-np.inf"}.get(repr(value), "np.nan")
