"""Rewrite formulas that overflow or cancel in floating point into equal ones that do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from sympy import Add, Expr, Integer, Mul, Pow, exp, log
from sympy.core.basic import Basic

from codegen.cached import once
from codegen.functions import (
    damped_power,
    log1p,
    logistic,
    maximum,
    select,
    sigmoid,
    sigmoid_slope,
    stop_gradient,
    tempered_weight,
)
from codegen.functions.densities import by_logarithm, gamma_density
from codegen.functions.exponentials import part_of_weighted_sum
from codegen.ir.equation import Equation, over
from codegen.ir.graph import Cell, Graph, Reduction, cell_of
from codegen.ir.names import Names
from codegen.passes import tails
from codegen.passes.logged_powers import is_long
from codegen.passes.norms import directed, is_norm
from codegen.passes.parts_of_sums import with_parts_of_sums
from codegen.passes.stable_forms import (
    GROWING,
    exponents,
    is_whole_reciprocal,
    merge_exponentials,
    stable,
    tempered,
    undivided,
)
from codegen.walk import (
    is_reference,
    moved,
    postorder,
    references,
    replace,
    rewrite,
    subscripts,
)


def stabilise(graph: Graph, keep: Collection[str] = ()) -> Graph:
    """Replace log(1 + exp(x)), 1/(1 + exp(−x)), 1/cosh(x), log σ(x), exp(x) − 1, …, and shift Σ exp by its maximum.

    The shift is an equation of its own, held constant under differentiation: neither log Σ exp nor softmax depends on
    it. A logarithm looks through the vertex that it is taken of, so that −log p is finite where p is 0. Vertices named
    in ``keep`` are neither rewritten as a sum of exponentials nor looked through: what reads them goes on reading them.

    >>> from codegen import from_expressions
    >>> from sympy import exp, log, symbols
    >>> x = symbols("x")
    >>> print(stabilise(from_expressions({"a": log(1 + exp(x)), "b": 1 / (1 + exp(-x))}, [x])))
    inputs x
    a = softplus(x)
    b = sigmoid(x)
    outputs a, b
    """
    return graph.with_equations(stable_equations(graph.equations, keep, graph.outputs, Names(graph.variables)))


def stable_equations(
    equations: Sequence[Equation], keep: Collection[str], outputs: Collection[str], names: Names
) -> list[Equation]:
    """The same of the equations of a graph, some of them outputs, with names for further ones."""
    equations = _complemented([_stable(equation) for equation in equations])
    equations = _without_activations(equations, {*keep, *outputs})
    equations = _look_through(_shift(equations, keep, names), keep)
    return [with_parts_of_sums(equation) for equation in equations]


@once
def _stable(equation: Equation) -> Equation:
    """An equation on its own."""
    body = rewrite(equation.body, stable)
    return equation.with_body(sigmoid(*body.args) if _is_activation(equation, body) else body)


def _is_activation(equation: Equation, body: Expr) -> bool:
    """Whether 1/(1 + exp(a)) is all of an equation, and is computed at an index or of one variable.

    Then it is an activation, whose slope is made of its value, σ' = σ·(1 − σ).
    """
    written = equation.body
    plain = isinstance(written, Pow) and all(term == 1 or isinstance(term, exp) for term in Add.make_args(written.base))
    if not (plain and isinstance(body, logistic)):
        return False
    return bool(equation.free) or is_reference(body.args[0].as_coeff_Mul()[1])


# --- 1 − σ and 1 ± tanh -------------------------------------------------------------------------------------------


def _complemented(equations: Sequence[Equation]) -> list[Equation]:
    """1 − σ(x) = σ(−x), 1 ± tanh(x) = 2·σ(±2x), 1 − tanh²(x) = 4·σ′(2x) where all of σ(x) and tanh(x) goes into them.

    Otherwise it would be a function more, for the gradient of every network.
    """
    present = [_activations(e.body) for e in equations]
    uses = Counter(node for nodes in present for node in nodes)
    return [_with_complements(e, nodes, uses) if nodes else e for e, nodes in zip(equations, present)]


def _with_complements(equation: Equation, nodes: Set[Expr], uses: Mapping[Expr, int]) -> Equation:
    rewritten = equation.with_body(rewrite(rewrite(equation.body, _complement), stable))
    found = _activations(rewritten.body)
    gone = {node for node in nodes - found if uses[node] == 1}
    return rewritten if len({node for node in found if node not in uses}) <= len(gone) else equation


def _activations(body: Expr) -> Set[Expr]:
    return {node for node in postorder(body) if node.func in ACTIVATIONS}


ACTIVATIONS = frozenset({*tails.COMPLEMENTS_OF_ACTIVATIONS, damped_power, sigmoid_slope})


def _complement(node: Basic) -> Basic | None:
    if not isinstance(node, Add):
        return None
    return tails.complemented(node, tails.COMPLEMENTS_OF_ACTIVATIONS) or tails.complemented_square(node)


def _without_activations(equations: Sequence[Equation], keep: Collection[str]) -> list[Equation]:
    """The same of vertices: where one is read in such forms alone, and these are one function, it is written for it."""
    sources = [e for e in equations if e.is_map and e.body.func in tails.COMPLEMENTS_OF_ACTIVATIONS]
    readers: dict[Cell, list[Cell]] = {e.cell: [] for e in sources if e.name not in keep}
    for equation in equations if readers else ():
        for cell in {access.cell for access in equation.reads} & readers.keys():
            readers[cell].append(equation.cell)
    found = {e.cell: e for e in equations}
    for cell, its_readers in readers.items():
        found |= _with_vertex_complemented(found[cell], [found[reader] for reader in its_readers])
    return [*found.values()]


def _with_vertex_complemented(source: Equation, readers: Sequence[Equation]) -> dict[Cell, Equation]:
    """All readers of a vertex without it; none if one still needs it."""
    new: dict[Cell, Equation] = {}
    functions: set[Expr] = set()
    for reader in readers:
        if not any(isinstance(node, Add) for node in postorder(reader.body)):
            return {}
        before, written = _activations(reader.body), _written_out(reader.body, {source.cell: source})
        body = rewrite(rewrite(written, _complement), stable)
        functions |= _activations(body) - before
        if len(functions) > 1 or not functions.isdisjoint(_activations(written) - before):
            return {}
        new[reader.cell] = reader.with_body(body)
    return new


# --- Σ exp in a logarithm or a denominator ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shifted:
    """Z = Σ exp(g) rewritten as exp(shift/temperature)·total."""

    target: Expr
    shift: Expr
    temperature: Expr
    total: Expr

    def at(self, reference: Expr) -> tuple[Expr, Expr, Expr]:
        """Shift, temperature and total with the subscripts of a reference to Z."""
        old, new = subscripts(self.target), subscripts(reference)
        shift, temperature, total = (moved(part, old, new) for part in (self.shift, self.temperature, self.total))
        return shift, temperature, total


def _shift(equations: Sequence[Equation], keep: Collection[str], names: Names) -> list[Equation]:
    exponentials, maxima = _exponentials(equations, keep), _maxima(equations)
    wanted = {cell for e in equations for r in _logged_or_divided(e) if (cell := cell_of(r)).name not in keep}
    multiplied = {cell_of(r) for e in equations for r in _multiplied_logarithms(e)}
    shifted: dict[Cell, _Shifted] = {}
    rewritten: list[Equation] = []
    for equation in equations:
        powers = _powers(equation, exponentials) if equation.cell in wanted else ()
        if powers and not any(cell_of(r) in maxima for power in powers for r in references(power)):
            shifted[equation.cell], its_equations = _split(equation, powers, names, equation.cell in multiplied)
            rewritten += its_equations
        else:
            rewritten.append(_with_shift(equation, shifted, exponentials))
    return rewritten


def _exponentials(equations: Iterable[Equation], keep: Collection[str]) -> dict[Cell, Equation]:
    """The vertices that are an exponential and may be written out."""
    return {e.cell: e for e in equations if e.is_map and isinstance(e.body, exp) and e.name not in keep}


def _maxima(equations: Iterable[Equation]) -> set[Cell]:
    """The vertices that shift others: an exponent that reads one cannot overflow."""
    return {e.cell for e in equations if e.reduction is Reduction.MAX or isinstance(e.body, (maximum, stop_gradient))}


@once
def _logged_or_divided(equation: Equation) -> list[Expr]:
    """The references that occur as log(Z) or 1/Zⁿ."""
    arguments = (n.args[0] for n in postorder(equation.body) if isinstance(n, log) or is_whole_reciprocal(n))
    return [argument for argument in arguments if is_reference(argument)]


def _multiplied_logarithms(equation: Equation) -> list[Expr]:
    """The Z of products log(Z)·x."""
    if not _logged_or_divided(equation):
        return []
    factors = (f for n in postorder(equation.body) if isinstance(n, Mul) for f in n.args if isinstance(f, log))
    return [factor.args[0] for factor in factors if is_reference(factor.args[0])]


def _powers(equation: Equation, exponentials: Mapping[Cell, Equation]) -> tuple[Expr, ...]:
    """The g of Z = Σ exp(g), the exponentials written in place or vertices of their own; none for other equations."""
    if equation.is_sum:
        return exponents(_written_out(equation.body, exponentials))
    return exponents(equation.body) if equation.is_map and isinstance(equation.body, Add) else ()


def _split(equation: Equation, powers: Sequence[Expr], names: Names, cooled: bool) -> tuple[_Shifted, list[Equation]]:
    """Z = exp(shift)·total with the largest exponent as the shift; of a logarithm times T the T·shift, for small T."""
    shift, total = (over(names.new(f"{equation.name} {word}"), equation.free) for word in ("shift", "shifted"))
    temperature, levels = tempered(powers, equation.reduced) if cooled else (Integer(1), powers)
    if temperature == 1:
        largest, terms = powers, [exp(power - shift) for power in powers]
        level = shift
    else:
        sense = select(temperature, 1, -1)
        largest, level = [sense * x for x in levels], sense * shift
        terms = [tempered_weight(x - level, temperature) for x in levels]
    of = stop_gradient(maximum(*largest) if len(largest) > 1 else largest[0])
    return _Shifted(equation.target, level, temperature, total), [
        Equation(shift, of, equation.reduction and Reduction.MAX, equation.reduced),
        Equation(total, Add(*terms), equation.reduction, equation.reduced),
        Equation(equation.target, exp(level / temperature) * total),
    ]


def _with_shift(
    equation: Equation, shifted: Mapping[Cell, _Shifted], exponentials: Mapping[Cell, Equation]
) -> Equation:
    """log Z becomes shift + log total, and exp(g)/Z becomes exp(g − shift)/total."""

    def rule(node: Basic) -> Basic | None:
        if isinstance(node, Mul):
            return _merged(node, exponentials) or undivided(node)
        if not isinstance(node, log) and not is_whole_reciprocal(node):
            return None
        argument = node.args[0]
        if not is_reference(argument) or cell_of(argument) not in shifted:
            return None
        shift, temperature, total = shifted[cell_of(argument)].at(argument)
        power = shift / temperature
        return power + log(total) if isinstance(node, log) else exp(node.exp * power) * total**node.exp

    touched = any(cell_of(r) in shifted for r in _logged_or_divided(equation))
    return equation.with_body(rewrite(equation.body, rule)) if touched else equation


def _merged(product: Mul, exponentials: Mapping[Cell, Equation]) -> Expr | None:
    """One exponential instead of several, of which some are vertices."""
    written = Mul(*[_written_out(f, exponentials) if is_reference(f) else f for f in product.args])
    several = isinstance(written, Mul) and sum(isinstance(f, exp) for f in written.args) > 1
    return merge_exponentials(written) if several else None


def _written_out(body: Expr, definitions: Mapping[Cell, Equation]) -> Expr:
    """The body with these vertices replaced by what they are."""
    hits = {
        reference: source.at(reference)
        for reference in references(body)
        if (source := definitions.get(cell_of(reference))) is not None
    }
    return replace(body, hits) if hits else body


# --- logarithms of what saturates, quotients of what grows --------------------------------------------------------


def _look_through(equations: list[Equation], keep: Collection[str]) -> list[Equation]:
    """A vertex is written out where that makes a form stable.

    log p, where p is exp(u − shift)/total or σ(u), becomes u − shift − log total or log σ(u); log c, 1/c and s/c,
    where c is cosh(u) and s is sinh(u), become log_cosh(u), sech(u) and tanh(u); d/e, where d is exp(−u²) and e is
    erfc(u), becomes 1/erfcx(u); √n and x/√n, where n is x² + y², become hypot(x, y) and the cosine of its direction.
    """
    vertices = [e for e in equations if e.is_map and e.name not in keep]
    maxima = _maxima(equations)
    norms = {e.cell: e for e in vertices if is_norm(e.body)}
    decaying = {e.cell: e for e in vertices if _decays(e.body)}
    growing = {e.cell: e for e in vertices if e.body.func in GROWING and not _reads(e.body, maxima)}
    logistics = {e.cell: e for e in vertices if isinstance(e.body, logistic)}
    bases = {**growing, **norms}
    saturating = {**_saturating(equations, keep), **bases}
    factors = {**growing, **logistics}

    def rule(node: Basic) -> Basic | None:
        if isinstance(node, (log, log1p)):
            written = node.func(_written_out(node.args[0], saturating))
        elif isinstance(node, Pow):
            written = Pow(_written_out(node.base, bases if is_reference(node.base) else growing), node.exp)
        elif isinstance(node, Mul):
            written = _with(factors, node)
            found = None if written == node else stable(written)
            return found or tails.without_decay(_with(decaying, node)) or directed(_with(norms, node))
        elif isinstance(node, Add):
            written = _written_out(node, logistics)
        else:
            return None
        return None if written == node else stable(written)

    known = {**saturating, **decaying, **logistics}
    readers = [any(access.cell in known for access in equation.reads) for equation in equations]
    return [e.with_body(rewrite(e.body, rule)) if reads else e for e, reads in zip(equations, readers)]


def _decays(body: Expr) -> bool:
    """Whether a vertex is a product that decays as exp(−u²)."""
    return any(isinstance(f, exp) or f.func in tails.DECAY_OF_TAILS for f in Mul.make_args(body))


def _with(definitions: Mapping[Cell, Equation], product: Mul) -> Expr:
    """The product with those of its factors that are powers of these vertices written out."""
    return Mul(*[_written_out(f, definitions) if _is_power(f) else f for f in product.args])


def _is_power(factor: Expr) -> bool:
    return is_reference(factor.as_base_exp()[0])


def _saturating(equations: Sequence[Equation], keep: Collection[str]) -> dict[Cell, Equation]:
    """The vertices that round to 0 or 1 long before their logarithm is out of range."""
    exponentials, maxima = _exponentials(equations, keep), _maxima(equations)
    found: dict[Cell, Equation] = {}
    for equation in equations:
        body = _written_out(equation.body, exponentials) if isinstance(equation.body, Mul) else equation.body
        if equation.is_map and equation.name not in keep and _saturates(body, maxima):
            found[equation.cell] = equation.with_body(body)
    return found


OUT_OF_RANGE = frozenset({*tails.LOGARITHMS_OF_TAILS, by_logarithm, gamma_density, logistic, part_of_weighted_sum})
"""What vanishes or overflows long before its logarithm is out of range."""


def _saturates(body: Expr, maxima: Set[Cell]) -> bool:
    if any(factor.func in OUT_OF_RANGE for factor in Mul.make_args(body)) or is_long(body):
        return True
    if isinstance(body, Mul):
        return any(_reads(f, maxima) for f in body.args if isinstance(f, exp))
    return isinstance(body, sigmoid)


def _reads(part: Expr, cells: Set[Cell]) -> bool:
    return any(cell_of(reference) in cells for reference in references(part))
