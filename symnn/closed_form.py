"""A trained network as a formula: its weights as numbers, small ones left out, the rest rounded, each with its price.

standardised, z, u are folded into what reads them; what is left is one line for each unit that is not linear.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from sympy import Add, Expr, Float, Indexed, Integer
from sympy.core.basic import Basic

from codegen import Equation, Graph, Variable
from codegen.functions import stop_gradient
from codegen.notation.code import LANGUAGES, Code
from codegen.notation.latex import Latex
from codegen.notation.script import Script
from codegen.notation.text import Text
from codegen.notation.writing import write
from codegen.numeric.evaluate import evaluate
from codegen.passes import prune
from codegen.passes.lower import lower
from codegen.walk import base_name, is_reference, postorder, rewrite, rewrite_leaves, subscripts
from symnn.checkpoint import Checkpoint
from symnn.errors import SymnnError
from symnn.evaluation import ClassEvaluation, NumberEvaluation
from symnn.export import prediction_request
from symnn.suggest import unknown
from symnn.tables.table import Table

MOST = 2_000
"""Parameters; a formula with more of them is no longer read, nor typed into a cell."""
RANDOM_ROWS = 1_000

Formula: TypeAlias = tuple[Expr, Expr]
"""A vertex, and what it is."""


@dataclass(frozen=True)
class Step:
    """The network after a step of simplification: what was done, its equations, how many numbers are in them."""

    title: str
    graph: Graph
    numbers: int


def simplified(trained: Checkpoint, *, digits: int | None = None, smallest: float = 0.0) -> list[Step]:
    """The network as it was trained; without the weights below ``smallest`` times the largest of their array; and with
    its numbers rounded to so many significant ``digits``. The last is what is printed.

    Raises :class:`SymnnError` for more than 2,000 parameters, and for networks over sequences.
    """
    network = trained.layered
    if network.parameter_count > MOST:
        raise SymnnError(
            f"--numbers: found a network of {network.parameter_count:,} parameters, expected at most {MOST:,}"
        )
    if network.takes_sequences or len(network.input_variables) != 1:
        raise SymnnError("--numbers: found a network of sequences or several inputs, expected one of rows")
    steps = [_step("as trained", _folded(trained))]
    if smallest > 0:
        cut = replace(trained, theta=_cut(trained, smallest))
        steps.append(_step(f"without weights below {smallest:g} of the largest", _folded(cut)))
    if digits is not None:
        graph = steps[-1].graph
        rounded = graph.with_equations([e.with_body(_rounded(e.body, digits)) for e in graph.equations])
        steps.append(_step(f"rounded to {digits} digits", rounded))
    return steps


def _cut(trained: Checkpoint, smallest: float) -> np.ndarray:
    """The parameters with 0 for the small entries of arrays of two and more axes."""
    theta = trained.theta.copy()
    for name, array in trained.network.unmerged(theta).items():
        if array.ndim > 1:
            small = np.abs(array) < smallest * np.abs(array).max()
            where = trained.network.layout[name].where
            theta[where] = np.where(small, 0, array).ravel()
    return theta


def _step(title: str, graph: Graph) -> Step:
    found = 0
    for equation in graph.equations:
        found += sum(1 for leaf in equation.leaves if isinstance(leaf, Float))
    return Step(title, graph, found)


# --- folding ------------------------------------------------------------------------------------------------------


def _folded(trained: Checkpoint) -> Graph:
    """The prediction for raw rows, unit by unit, with numbers for parameters and linear steps put into each other."""
    request = prediction_request(trained, "prediction")
    constants = {name: np.asarray(array, np.float64) for name, array in (request.constants or {}).items()}
    graph = lower(request.graph.unroll())
    uses = Counter(
        part
        for equation in graph.equations
        for part in (equation.body, *(part for node in postorder(equation.body) for part in node.args))
        if is_reference(part)
    )
    inside: dict[Expr, Expr] = {}
    kept: list[Equation] = []

    def rule(node: Basic) -> Basic | None:
        if node in inside:
            return inside[node]
        if is_reference(node) and base_name(node) in constants:
            return Float(float(constants[base_name(node)][tuple(int(i) for i in subscripts(node))]))
        return None

    for equation in graph.equations:
        body = _with_numbers(_collected(rewrite_leaves(equation.body, rule)))
        here = equation.with_body(body)
        linear = _is_affine(body)
        if equation.name not in graph.outputs and linear and (uses[equation.target] == 1 or len(here.references) <= 1):
            inside[equation.target] = body
        else:
            kept.append(here)
    inputs = tuple(variable for variable in graph.inputs if variable.name not in constants)
    return prune(Graph(inputs, tuple(kept), graph.outputs))


def _collected(body: Expr) -> Expr:
    """A sum of numbers times references with one term each; anything else as it is."""
    if not isinstance(body, Add):
        return body
    terms: dict[Expr, Expr] = {}
    for term in body.args:
        number, rest = term.as_coeff_Mul()
        if isinstance(rest, Add):
            for inner in rest.args:
                coefficient, leaf = inner.as_coeff_Mul()
                terms[leaf] = terms.get(leaf, Integer(0)) + number * coefficient
        else:
            terms[rest] = terms.get(rest, Integer(0)) + number
    return Add(*(number * rest for rest, number in terms.items() if number != 0))


def _is_affine(body: Expr) -> bool:
    """Whether this is a sum of numbers and numbers times references."""
    return all(is_reference(rest) or rest.is_number for _, rest in (t.as_coeff_Mul() for t in Add.make_args(body)))


def _rounded(body: Expr, digits: int) -> Expr:
    return _with_numbers(body, lambda value: float(f"{value:.{digits}g}"))


def _with_numbers(body: Expr, change: Callable[[float], float] = float) -> Expr:
    """Other numbers in their places; 1 and 0 vanish where they do nothing."""

    def rule(node: Basic) -> Basic | None:
        if not isinstance(node, Float):
            return None
        value = change(float(node))
        return Integer(value) if value in (-1.0, 0.0, 1.0) else Float(value)

    return rewrite_leaves(body, rule)


# --- what each step costs -----------------------------------------------------------------------------------------


def outputs(step: Step, x: np.ndarray) -> np.ndarray:
    """What the formulas give for raw rows (S, inputs): (S, outputs)."""
    (given,), (name,) = step.graph.inputs, step.graph.outputs
    rows = np.asarray(x, np.float64).reshape(len(x), *(int(n) for n in given.shape[1:]))
    return np.asarray(evaluate(step.graph, {given.name: rows})[name])


def price(trained: Checkpoint, steps: Sequence[Step], table: Table | None = None) -> str:
    """What each step costs: the loss and what else :meth:`Checkpoint.evaluate` says of the rows of a table.

    Without one, by how much the outputs change at most on random rows like those of training.
    """
    if table is not None:
        x = trained.read(table)
        found = [trained.compared(outputs(step, x), table, trained.target_names) for step in steps]
        heads, rows = _figures(found)
    else:
        heads, rows = ["largest change of an output"], [[f"{change:.2g}"] for change in changes(trained, steps)]
    lines = [["step", "numbers", *heads]]
    lines += [[step.title, str(step.numbers), *row] for step, row in zip(steps, rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def _figures(found: Sequence[ClassEvaluation | NumberEvaluation]) -> tuple[list[str], list[list[str]]]:
    rows = []
    for evaluation in found:
        if isinstance(evaluation, ClassEvaluation):
            loss = "–" if evaluation.loss is None else f"{evaluation.loss:.6g}"
            rows.append([loss, f"{evaluation.accuracy:.2%}"])
        else:
            rows.append([f"{value:.6g}" for value in (np.sqrt((evaluation.rmse**2).mean()), evaluation.r2.mean())])
    return (["loss", "accuracy"] if isinstance(found[0], ClassEvaluation) else ["RMSE", "R²"]), rows


def changes(trained: Checkpoint, steps: Sequence[Step]) -> list[float]:
    """By how much the outputs of each step differ from the trained ones at most, on random rows like training's."""
    generator = np.random.Generator(np.random.PCG64(0))
    x = generator.normal(size=(RANDOM_ROWS, trained.layered.features))
    scaling = trained.scaling
    x = x if scaling is None else scaling.restore(x)
    exact = outputs(steps[0], x)
    return [float(np.abs(outputs(step, x) - exact).max()) for step in steps]


# --- writing ------------------------------------------------------------------------------------------------------


def closed_form(trained: Checkpoint, step: Step, style: str = "text") -> str:
    """The formulas of a step as ``text``, ``latex``, ``sympy``, ``python``, ``c`` or ``spreadsheet``.

    Inputs are called x0, x1 … and explained above; in a spreadsheet they are A2, B2 … and each output is one formula.

    >>> from symnn.network import Network, dense
    >>> network = Network(1, (dense(1, "tanh"), dense(1)), "mean_squared_error")
    >>> trained = Checkpoint(network, np.array([2.0, 0.5, 3.0, -1.0]))
    >>> print(closed_form(trained, simplified(trained, digits=3)[-1]))
    a1[0] = tanh(2·x[0] + 0.5)
    output[0] = 3·a1[0] − 1
    >>> print(closed_form(trained, simplified(trained, digits=3)[-1], "spreadsheet"))
    =LET(a1_0, TANH(2*A2 + 0.5), 3*a1_0 - 1)
    """
    if style not in STYLES:
        raise SymnnError(unknown("format", style, STYLES))
    formulas = [
        (_without_samples(e.target), rewrite_leaves(rewrite(e.body, _valued), _rule)) for e in step.graph.equations
    ]
    return STYLES[style](_Written(trained, formulas, step))


def _valued(node: Basic) -> Basic | None:
    """What is held constant under differentiation, by its value: the largest number inside of a softmax."""
    return node.args[0] if isinstance(node, stop_gradient) else None


@dataclass(frozen=True)
class _Written:
    """What is written: the formulas, and the names of inputs and outputs."""

    trained: Checkpoint
    formulas: Sequence[Formula]
    step: Step

    @property
    def outputs(self) -> list[Formula]:
        """Those that are predicted, in their order."""
        (name,) = self.step.graph.outputs
        return [formula for formula in self.formulas if base_name(formula[0]) == name]

    @property
    def inputs(self) -> list[Expr]:
        """All of them, also those that nothing reads any more."""
        (given,) = self.step.graph.inputs
        variable = Variable(given.name, given.shape[1:])
        return [variable[place] for place in np.ndindex(*(int(n) for n in variable.shape))]

    def identifiers(self, inputs: Sequence[str]) -> dict[Expr, str]:
        """A name of letters, digits and bars for each vertex."""
        found: dict[Expr, str] = dict(zip(self.inputs, inputs))
        taken = set(inputs)
        for number, (target, _) in enumerate(self.formulas):
            places = [str(place) for place in subscripts(target)]
            name = base_name(target)
            stem = name if re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name) else f"v{number}"
            word = "_".join([stem, *places]) if places else f"{stem}_"
            while word in taken:
                word += "_"
            taken.add(word)
            found[target] = word
        return found

    def notes(self) -> list[str]:
        """What inputs and outputs are called where they were trained."""
        features, classes = self.trained.features, self.trained.classes
        lines = [] if features is None else [f"x{k}: {name}" for k, name in enumerate(features.inputs)]
        named = [] if classes is None else list(zip(self.outputs, classes))
        texts = Text()
        lines += [f"{write(target, texts).text}: {name}" for (target, _), name in named]
        return ["".join(c if c.isprintable() else " " for c in line) for line in lines]


def _rule(node: Basic) -> Basic | None:
    return _without_samples(node) if isinstance(node, Indexed) else None


def _without_samples(reference: Expr) -> Expr:
    """x[s, 3] as x[3]."""
    variable = Variable.of(reference)
    rest = Variable(variable.name, variable.shape[1:])
    places = subscripts(reference)[1:]
    return rest[tuple(places)] if places else rest.symbol


def _lines(written: _Written, script: Script) -> list[str]:
    return [write(t, script).text + script.equals + write(body, script).text for t, body in written.formulas]


def _text(written: _Written) -> str:
    return "\n".join([*(f"# {note}" for note in written.notes()), *_lines(written, Text())])


def _latex(written: _Written) -> str:
    lines = " \\\\\n".join(f"  {line}" for line in _lines(written, Latex()))
    return f"\\begin{{align*}}\n{lines}\n\\end{{align*}}"


def _names(written: _Written) -> list[str]:
    return [f"x{number}" for number in range(len(written.inputs))]


def _code(written: _Written, language: str, identifiers: Mapping[Expr, str]) -> list[tuple[str, str]]:
    script = Code(LANGUAGES[language], identifiers)
    return [(identifiers[target], write(body, script).text) for target, body in written.formulas]


def _sympy(written: _Written) -> str:
    names = _names(written)
    identifiers = written.identifiers(names)
    head = [f"# {note}" for note in written.notes()]
    head += ["from sympy import *", "", f"{', '.join(names)}, = symbols({' '.join(names)!r}, real=True, seq=True)"]
    return "\n".join([*head, *(f"{name} = {body}" for name, body in _code(written, "sympy", identifiers))])


def _python(written: _Written) -> str:
    names = _names(written)
    identifiers = written.identifiers(names)
    lines = [f"    {name} = {body}" for name, body in _code(written, "python", identifiers)]
    results = ", ".join(identifiers[target] for target, _ in written.outputs)
    notes = [f"# {note}" for note in written.notes()]
    head = ["import math", "", "", *notes, f"def predict({', '.join(names)}):"]
    return "\n".join([*head, *lines, f"    return [{results}]"])


def _c(written: _Written) -> str:
    identifiers = written.identifiers([f"x[{number}]" for number in range(len(written.inputs))])
    lines = [f"    const double {name} = {body};" for name, body in _code(written, "c", identifiers)]
    results = [f"    y[{n}] = {identifiers[target]};" for n, (target, _) in enumerate(written.outputs)]
    notes = [f"/* {note.replace('*/', '* /')} */" for note in written.notes()]
    head = [
        "#include <math.h>",
        "",
        *LANGUAGES["c"].defined("\n".join(lines)),
        *notes,
        "void predict(const double *x, double *y) {",
    ]
    return "\n".join([*head, *lines, *results, "}"])


def column(number: int) -> str:
    """The letters of a column of a spreadsheet.

    >>> [column(n) for n in (0, 25, 26, 701, 702)]
    ['A', 'Z', 'AA', 'ZZ', 'AAA']
    """
    letters = ""
    number += 1
    while number:
        number, place = divmod(number - 1, 26)
        letters = chr(ord("A") + place) + letters
    return letters


def _spreadsheet(written: _Written) -> str:
    """One formula for each output, which names the units before it by LET."""
    cells = [f"{column(number)}2" for number in range(len(written.inputs))]
    identifiers = written.identifiers(cells)
    bodies = dict(_code(written, "spreadsheet", identifiers))
    reads = {identifiers[t]: {identifiers[r] for r in _references(body)} for t, body in written.formulas}
    lines = []
    for target, _ in written.outputs:
        wanted = identifiers[target]
        needed, stack = set(), [wanted]
        while stack:
            name = stack.pop()
            if name in bodies and name not in needed:
                needed.add(name)
                stack.extend(reads[name])
        parts = [f"{name}, {body}" for name, body in bodies.items() if name in needed and name != wanted]
        lines.append(f"=LET({', '.join([*parts, bodies[wanted]])})" if parts else f"={bodies[wanted]}")
    return "\n".join(lines)


def _references(body: Expr) -> set[Expr]:
    found: set[Expr] = set()

    def rule(node: Basic) -> Basic | None:
        if is_reference(node):
            found.add(node)
        return None

    rewrite_leaves(body, rule)
    return found


STYLES: Mapping[str, Callable[[Any], str]] = {
    "text": _text,
    "latex": _latex,
    "sympy": _sympy,
    "python": _python,
    "c": _c,
    "spreadsheet": _spreadsheet,
}
