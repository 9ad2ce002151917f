"""SymPy expressions in, a graph of equations out: scalars, arrays in index notation, and matrices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

import sympy
from sympy import Derivative, Expr, Indexed, IndexedBase, Integer, MatrixSymbol, Symbol
from sympy.core.function import AppliedUndef
from sympy.logic.boolalg import Boolean

from codegen.errors import GraphError, of_type
from codegen.ir.equation import Variable
from codegen.ir.graph import Graph
from codegen.read import straight
from codegen.read.build import BODY_DEPTH, Reader
from codegen.read.declare import (
    Entries,
    GivenKey,
    Key,
    branches,
    by_name,
    entries_of,
    input_variable,
    is_branch,
    key_scope,
    output_variables,
)
from codegen.read.matrices import axis, entry, is_matrix, is_written_out
from codegen.read.motions import is_motion, motion_name
from codegen.read.running import with_running_sums
from codegen.read.scope import Scope, axis_length
from codegen.walk import Extent, base_name

INPUTS = (Symbol, IndexedBase, Indexed, MatrixSymbol, Variable, AppliedUndef, Derivative)
Input: TypeAlias = "Symbol | IndexedBase | Indexed | MatrixSymbol | Variable | AppliedUndef | Derivative"


def from_expressions(
    outputs: Mapping[GivenKey, object], inputs: Input | Iterable[Input], *, decompose: bool = False
) -> Graph:
    """A graph with the equations of each entry; an entry may refer to an earlier one by the symbol of its name.

    A key is a name or the symbol of it, or the elements that it assigns: ``r[i]`` with ``i = Idx("i", n)``, n an
    integer or a symbol. The value under a name may be a matrix, whose shape is that of the array it becomes (1 × 1 is a
    scalar). Inputs are symbols, arrays (``IndexedBase`` with a shape or without, ``x[i]``), ``MatrixSymbol``, or
    variables of a graph; subscripts count from 0. Functions q(t) and their derivatives by t are inputs too, the
    variables q, q_t, q_tt. ``Sum``, ``Product`` and ``codegen.Maximum`` and ``Minimum`` take any limits that are sums
    of numbers, lengths and indices outside them. Subscripts are such sums as well: ``x[i + 1]``, ``x[n - 1]``; where an
    axis is of symbolic length, that the element is there has to follow from the limits or a condition around it; in a
    branch of a ``Piecewise`` the earlier ones are conditions too. For an index what holds on long axes is enough:
    elements that a shorter one lacks, such as ``x[i + 1]`` for ``i < 1`` on an axis of one, count as 0. There a sum up
    to another index goes over the whole axis. An entry may read its own array at earlier, or later, places of an axis,
    ``h[t, i]`` at ``h[t - 1, j]``: an element that has an entry of its own, ``h[0, i]``, is left out of the general
    one, and a key may be shifted, ``h[t + 1, i]``. One that a symbolic axis may lack, ``h[1, i]``, or that is counted
    from its end, ``h[T - 1, i]``, becomes a branch of the general entry.

    Larger subexpressions that are used twice, all nested deeper than 24 levels, and sums become vertices ``v1``,
    ``v2``, … of their own, so that no later stage meets a body that is exponential or deep. ``decompose=True`` cuts
    everything to one operation a vertex, the lecture's scalar graph (a sum or product of several terms counts as one).
    Branches of a ``Piecewise`` stay inside their vertex, and sums in them are taken under their condition, so that one
    that is not taken leaks nothing. All symbols become real ones; an input that is an integer symbol holds integers,
    and has no derivative.

    Raises :class:`GraphError` for a symbol that is neither an input nor an entry, an entry that refers to itself, and
    a construct that is not a real function, each with the output in which it stands.

    >>> from sympy import Idx, IndexedBase, Sum, exp, symbols
    >>> a, b = symbols("a b")
    >>> print(from_expressions({"e": (a + b) * (b + 1)}, [a, b], decompose=True))
    inputs a, b
    v1 = b + 1
    v2 = a + b
    e = v1*v2
    outputs e
    >>> i, r, x, y = Idx("i", symbols("n")), *(IndexedBase(name) for name in "rxy")
    >>> print(from_expressions({r[i]: y[i] - a * (1 - exp(-b * x[i])), "loss": Sum(r[i] ** 2, i)}, [a, b, x, y]))
    inputs a, b, x[n], y[n]
    r[i] = -a*(1 - exp(-b*x[i])) + y[i]
    loss = Σ_i r[i]**2
    outputs r, loss
    """
    entries, listed = by_name(outputs), _listed(inputs)
    arrays = _checked_outputs(entries)
    variables = tuple(input_variable(given, entries) for given in listed)
    names = [variable.name for variable in variables]
    if len(set(names)) != len(names):
        motions = ", ".join(f"{motion_name(given)!r} is {given}" for given in listed if is_motion(given))
        raise GraphError(f"an input is named twice: {', '.join(names)}{f' ({motions})' if motions else ''}")
    assigned = list(dict.fromkeys(key if isinstance(key, str) else base_name(key) for key in entries))
    for name in assigned:
        if name in names:
            raise GraphError(f"the output {name!r} has the name of an input")
    written: dict[str, Expr] = {given.name: given for given in listed if isinstance(given, Symbol)}
    written |= {motion_name(given): given for given in (*listed, *outputs) if is_motion(given)}

    def graph() -> Graph:
        return _graph(Reader(variables, arrays, assigned, decompose, written), entries)

    formulas = None if decompose else straight.formulas(variables, written, entries, arrays)
    if formulas is None:
        return graph()
    return Graph.of_formulas(variables, formulas, assigned, lambda: graph().equations)


def _graph(reader: Reader, entries: Mapping[Key, object]) -> Graph:
    """The graph of the equations of entries."""
    inputs = tuple(reader.known.values())
    of_arrays = entries_of(reader.arrays, entries)
    for key, value in entries.items():
        if isinstance(key, Indexed):
            _add_elements(reader, key, entries, of_arrays[base_name(key)])
        else:
            _add(reader, key, value)
    reader.check_places()
    equations = tuple(with_running_sums(reader.equations, reader.fresh))
    return Graph(tuple(_limited(v, reader.limits) for v in inputs), equations, reader.names)


def _limited(variable: Variable, limits: Mapping[str, Extent]) -> Variable:
    """The variable with the limit of its integers that is known."""
    limit = limits.get(variable.name)
    return variable if limit is None else replace(variable, below=limit)


def _listed(inputs: Input | Iterable[Input]) -> list[Input]:
    """Several inputs, or one."""
    if isinstance(inputs, INPUTS):
        return [inputs]
    if isinstance(inputs, str) or not isinstance(inputs, Iterable):
        raise GraphError(f"inputs is {inputs!r}, {of_type(inputs)}, expected symbols or arrays")
    return list(inputs)


def _checked_outputs(outputs: Mapping[Key, object]) -> dict[str, Variable]:
    """The arrays among the outputs, of which none has the name of another entry."""
    arrays = output_variables(outputs)
    for key in outputs:
        if isinstance(key, str) and key in arrays:
            raise GraphError(f"the output {key!r} is also a key with indices")
    return arrays


def _add_elements(reader: Reader, key: Indexed, values: Mapping[Key, object], entries: Entries) -> None:
    scope, variable = key_scope(key, entries), entries.variable
    if scope is None or is_branch(key, variable):
        return  # all its elements have entries of their own, or it is a branch of the one that is general on that axis
    target = variable[tuple(scope.value(i) for i in key.indices)]
    parts = [(_scalar(inner, values[other]), inner) for other, inner in branches(key, scope, entries)]
    if parts:
        reader.assign_by_parts(target, [*parts, (_scalar(scope, values[key]), scope)])
    else:
        reader.assign(target, _scalar(scope, values[key]), scope)


def _add(reader: Reader, name: str, value: object) -> None:
    scope = Scope(f"the output {name!r}")
    if is_matrix(value):
        _add_matrix(reader, name, value, scope)
    else:
        variable = Variable(name)
        reader.assign(variable.symbol, _scalar(scope, value), scope)
        reader.known[name] = variable


def _scalar(scope: Scope, value: object) -> Expr:
    try:
        expression = sympy.sympify(value, strict=True)
    except sympy.SympifyError:
        expression = None
    if not isinstance(expression, Expr) or is_matrix(expression):
        hint = "; a choice is Piecewise((a, condition), (b, True))" if isinstance(expression, Boolean) else ""
        raise GraphError(f"{scope.place} is {of_type(value)}, expected a scalar SymPy expression{hint}")
    return expression


def _add_matrix(reader: Reader, name: str, value: Expr, scope: Scope) -> None:
    """The equations of a matrix: one for each element that is written out, one for all where it is symbolic."""
    shape = tuple(axis_length(n) for n in value.shape)
    variable = Variable(name, () if shape == (1, 1) else shape)
    if is_written_out(value):
        places = [(Integer(i), Integer(j)) for i in range(shape[0]) for j in range(shape[1])]
    else:
        i = axis(shape[0], "i", scope)
        places = [(i, axis(shape[1], "j", scope, i))]
    for place in places:
        target = variable[place if variable.shape else ()]
        if isinstance(value, sympy.MatrixBase):
            reader.assign(target, value[place], scope)
        else:
            reader.define(target, entry(reader, value, *place, scope))
    reader.known[name] = variable


__all__ = ["BODY_DEPTH", "from_expressions"]
