"""Rewrite formulas that overflow or cancel in floating point into equal ones that do not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sympy import Add, Expr, Idx, Indexed, Integer, Mul, Pow, exp, log
from sympy.core.basic import Basic

from codegen.expression import extent, is_variable, postorder, references, reindex, rewrite, subscripts
from codegen.functions import expm1, log1p, log_sigmoid, sigmoid, softplus, stop_gradient
from codegen.graph import Cell, Equation, Graph, Reduction, Variable, cell_of


def stabilise(graph: Graph, keep: Collection[str] = ()) -> Graph:
    """Replace log(1 + exp(x)), 1/(1 + exp(−x)), log σ(x), exp(x) − 1, log(1 + x), and shift log Σ exp by its maximum.

    The shift is an equation of its own, held constant under differentiation: log Σ exp does not depend on it.

    >>> from codegen import from_expressions
    >>> from sympy import exp, log, symbols
    >>> x = symbols("x")
    >>> print(stabilise(from_expressions({"a": log(1 + exp(x)), "b": 1 / (1 + exp(-x))}, [x])))
    inputs x
    a = softplus(x)
    b = sigmoid(x)
    outputs a, b
    """
    equations = [
        e.with_body(rewrite(e.body, _stable))
        if any(isinstance(n, (exp, log, sigmoid)) for n in postorder(e.body))
        else e
        for e in graph.equations
    ]
    return _shift_exponentials(graph.with_equations(equations), keep)


# --- scalar patterns ----------------------------------------------------------------------------------------------


def _stable(node: Basic) -> Basic | None:
    for rule in (_log_rule, _reciprocal_rule, _product_rule, _difference_rule):
        if (replacement := rule(node)) is not None:
            return replacement
    return None


def _log_rule(node: Basic) -> Basic | None:
    if not isinstance(node, log):
        return None
    (argument,) = node.args
    if isinstance(argument, sigmoid):
        return log_sigmoid(argument.args[0])
    if isinstance(argument, Add) and Integer(1) in argument.args:
        rest = Add(*[a for a in argument.args if a != 1])
        if isinstance(rest, exp):
            return softplus(rest.args[0])
        if isinstance(-rest, sigmoid):
            return log_sigmoid(-(-rest).args[0])
        return log1p(rest)
    return None


def _reciprocal_rule(node: Basic) -> Basic | None:
    """1/(1 + exp(a)) = σ(−a)."""
    if isinstance(node, Pow) and node.exp == -1 and isinstance(node.base, Add):
        rest = node.base - 1
        if isinstance(rest, exp):
            return sigmoid(-rest.args[0])
    return None


def _product_rule(node: Basic) -> Basic | None:
    """exp(a)·σ(−a) = σ(a), which the reciprocal rule leaves of exp(a)/(1 + exp(a))."""
    if isinstance(node, Mul):
        for factor in node.args:
            if isinstance(factor, exp):
                opposite = sigmoid(-factor.args[0])
                if opposite in node.args:
                    rest = [a for a in node.args if a not in (factor, opposite)]
                    return Mul(sigmoid(factor.args[0]), *rest)
    return None


def _difference_rule(node: Basic) -> Basic | None:
    """exp(x) − 1 = expm1(x), and its negative."""
    if isinstance(node, Add) and len(node.args) == 2:
        number, other = node.args
        if number == -1 and isinstance(other, exp):
            return expm1(other.args[0])
        if number == 1 and isinstance(-other, exp):
            return -expm1((-other).args[0])
    return None


# --- log Σ exp and softmax ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shifted:
    """Z = Σ exp(g) rewritten as exp(shift)·total."""

    equation: Equation
    shift: Expr
    total: Expr

    def at(self, reference: Expr) -> tuple[Expr, Expr]:
        """Shift and total with the subscripts of a reference to Z."""
        to = dict(zip(subscripts(self.equation.target), subscripts(reference)))
        return reindex(self.shift, to), reindex(self.total, to)


def _shift_exponentials(graph: Graph, keep: Collection[str]) -> Graph:
    exponentials = {
        e.cell: e for e in graph.equations if e.reduction is None and isinstance(e.body, exp) and e.name not in keep
    }
    maxima = {e.cell for e in graph.equations if e.reduction is Reduction.MAX}
    wanted = {cell_of(r) for e in graph.equations for r in _logged_or_divided(e.body)}
    taken = set(graph.variables)
    shifted: dict[Cell, _Shifted] = {}
    equations: list[Equation] = []
    for equation in graph.equations:
        exponent = _exponent(equation, exponentials) if equation.cell in wanted and equation.name not in keep else None
        if exponent is None or any(cell_of(r) in maxima for r in references(exponent)):
            equations.append(_with_shift(equation, shifted, exponentials) if shifted else equation)
            continue
        sizes = tuple(extent(i) for i in equation.free)
        found = _Shifted(
            equation,
            Variable(_fresh(f"{equation.name} shift", taken), sizes)[equation.free],
            Variable(_fresh(f"{equation.name} shifted", taken), sizes)[equation.free],
        )
        shifted[equation.cell] = found
        equations += [
            Equation(found.shift, stop_gradient(exponent), Reduction.MAX, equation.reduced),
            Equation(found.total, exp(exponent - found.shift), Reduction.SUM, equation.reduced),
            Equation(equation.target, exp(found.shift) * found.total),
        ]
    return graph.with_equations(equations) if shifted else graph


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "'"
    taken.add(name)
    return name


def _logged_or_divided(body: Expr) -> list[Expr]:
    """The references that occur as log(Z) or 1/Z."""
    arguments = [n.args[0] for n in postorder(body) if isinstance(n, log) or (isinstance(n, Pow) and n.exp == -1)]
    return [a for a in arguments if isinstance(a, Indexed) or is_variable(a)]


def _exponent(equation: Equation, exponentials: Mapping[Cell, Equation]) -> Expr | None:
    """The g of Z = Σ exp(g), the exponential written in place or a vertex of its own; None for any other equation."""
    if equation.reduction is not Reduction.SUM or not all(isinstance(i, Idx) for i in subscripts(equation.target)):
        return None
    body = _expand(equation.body, exponentials)
    return body.args[0] if isinstance(body, exp) else None


def _expand(body: Expr, exponentials: Mapping[Cell, Equation]) -> Expr:
    """Write the vertices that are exponentials out."""

    def rule(node: Basic) -> Basic | None:
        if isinstance(node, Indexed) and (source := exponentials.get(cell_of(node))) is not None:
            return reindex(source.body, dict(zip(subscripts(source.target), subscripts(node))))
        return None

    return rewrite(body, rule)


def _with_shift(
    equation: Equation, shifted: Mapping[Cell, _Shifted], exponentials: Mapping[Cell, Equation]
) -> Equation:
    """log Z becomes shift + log total, and exp(g)/Z becomes exp(g − shift)/total."""
    if not any(cell_of(r) in shifted for r in _logged_or_divided(equation.body)):
        return equation

    def rule(node: Basic) -> Basic | None:
        if isinstance(node, log) and (found := _find(node.args[0], shifted)):
            return found[0] + log(found[1])
        if isinstance(node, Pow) and node.exp == -1 and (found := _find(node.base, shifted)):
            return exp(-found[0]) / found[1]
        return _add_exponents(node)

    return equation.with_body(rewrite(_expand(equation.body, exponentials), rule))


def _add_exponents(node: Basic) -> Basic | None:
    """exp(a)·exp(b) = exp(a + b), which SymPy leaves alone."""
    powers = [f for f in node.args if isinstance(f, exp)] if isinstance(node, Mul) else []
    if len(powers) < 2:
        return None
    return Mul(exp(Add(*[p.args[0] for p in powers])), *[f for f in node.args if not isinstance(f, exp)])


def _find(node: Basic, shifted: Mapping[Cell, _Shifted]) -> tuple[Expr, Expr] | None:
    if (isinstance(node, Indexed) or is_variable(node)) and cell_of(node) in shifted:
        return shifted[cell_of(node)].at(node)
    return None
