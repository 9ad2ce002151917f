"""A module of JavaScript from a function: formulas, what it takes and gives, and a way to call it by names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from codegen.emit.c.names import comment
from codegen.emit.javascript.dialect import literal
from codegen.emit.javascript.library import definitions
from codegen.emit.javascript.writer import JavaScriptFunction, JavaScriptWriter
from codegen.emit.layout import Slot
from codegen.ir.operations import count_operations, summary
from codegen.walk import is_sum, is_symbolic, parts

SHOWN = 200
"""Of so many equations at most the module shows the formulas."""

RUN = """\
/** Lengths that are sums of others: a number and [symbol, factor] for each. */
const SUMS = Object.assign(Object.create(null), SUMS_OF_LENGTHS);
const addUp = (extents) => {
  for (const [n, [constant, ...lengths]] of Object.entries(SUMS)) {
    extents[n] = lengths.reduce((sum, [symbol, factor]) => sum + factor*extents[symbol], constant);
  }
};

/**
 * The results by name, for arguments by name: flat arrays in row-major order, and numbers. Extents follow from the
 * lengths of the arrays; those that no other argument says are given beside, {symbol: length}.
 * Throws a RangeError that names the argument which does not fit.
 */
export function run(inputs, lengths = {}) {
  const extents = Object.assign(Object.create(null), lengths);
  const made = ({shape}) => shape.some((n) => n in SUMS);
  const unknown = ({shape}) => [...new Set(shape)].filter((n) => typeof n === 'string' && !(n in extents));
  const left = [...ARGUMENTS.filter((slot) => !made(slot)), ...ARGUMENTS.filter(made)];
  while (left.length) {
    const next = left.findIndex((slot) => !made(slot) && unknown(slot).length < 2);
    const [{name, shape}] = left.splice(Math.max(next, 0), 1);
    if (made({shape})) addUp(extents);
    if (!(name in inputs)) throw new RangeError(`${name}: found nothing, expected a value`);
    const symbols = shape.filter((n) => typeof n === 'string');
    const fixed = shape.reduce((product, n) => typeof n === 'string' ? product : product*n, 1);
    const length = shape.length ? inputs[name].length : 1;
    const open = unknown({shape});
    if (open.length > 1) {
      const given = `run(inputs, {${open.map((n) => `${n}: …`).join(', ')}})`;
      throw new RangeError(`${name}: no other argument says its lengths ${open.join(', ')}, expected ${given}`);
    }
    if (open.length === 1) {
      const [axes, others] = [symbols.filter((n) => n === open[0]), symbols.filter((n) => n !== open[0])];
      const rest = length/others.reduce((product, n) => product*extents[n], fixed);
      extents[open[0]] = axes.length > 1 ? Math.round(rest**(1/axes.length)) : rest;
    }
    const size = symbols.reduce((product, n) => product*extents[n], fixed);
    const whole = symbols.every((n) => Number.isInteger(extents[n]) && extents[n] >= (n in SUMS ? 0 : 1));
    if (!whole || length !== size) {
      throw new RangeError(`${name}: found ${length} numbers, expected an array of shape [${shape.join(', ')}]`);
    }
  }
  addUp(extents);
  const sizes = EXTENTS.map((n) => extents[n]);
  const results = RESULTS.map(({shape}) => new Real(shape.reduce((product, n) => product*(extents[n] ?? n), 1)));
  const workspace = WORKSPACE(...sizes) ? [new Real(WORKSPACE(...sizes))] : [];
  const given = ARGUMENTS.map(({name, kind}) => {
    return Array.isArray(inputs[name]) && kind === 'real' ? Real.from(inputs[name]) : inputs[name];
  });
  const fault = FUNCTION(...sizes, ...given, ...results, ...workspace);
  if (fault) throw new RangeError(`${ARGUMENTS[fault - 1 - sizes.length].name}: found an integer outside its range`);
  return Object.fromEntries(RESULTS.map(({name, shape}, k) => [name, shape.length ? results[k] : results[k][0]]));
}
"""


def module(function: JavaScriptFunction, notes: Sequence[str] = ()) -> str:
    """The text of ``name.mjs``."""
    body = "\n".join(JavaScriptWriter.definition(function))
    said = (
        "Generated from equations; every array is flat, in row-major order, and overlaps no other. The function",
        "returns 0, or the number of the first parameter that is out of its range; it allocates nothing.",
    )
    return safe(
        *head(function, [*said, *notes]),
        "/** The numbers in the workspace. */",
        f"export function workspaceSize({', '.join(function.extents.values())}) {{",
        f"    return {function.workspace_text};",
        "}",
        "",
        *definitions(body),
        *function.constant_arrays(body),
        body,
        "",
        run(function),
    )


def head(function: JavaScriptFunction, notes: Iterable[str]) -> list[str]:
    """The lines before the function: its formulas, and what it takes and gives."""
    graph = function.program.graph
    return [
        *(f"// {comment(note)}" for note in notes),
        "//",
        *(f"//     {comment(str(equation))}" for equation in graph.equations[:SHOWN]),
        *([f"//     ... and {len(graph.equations) - SHOWN} more"] if len(graph.equations) > SHOWN else []),
        "//",
        f"// {function.dtype}; operations for one sample: {summary(count_operations(graph))}",
        "",
        f"export const Real = {function.array_type};",
        f"export const EXTENTS = {_json(list(map(str, function.extents)))};",
        f"export const ARGUMENTS = {_slots(function.layout.arguments)};",
        f"export const RESULTS = {_slots(function.layout.results)};",
        "",
    ]


def run(function: JavaScriptFunction) -> str:
    """The function that is called by names."""
    sums = _json(_sums((*function.layout.arguments, *function.layout.results)))
    named = re.sub(r"\bFUNCTION\b", function.name, RUN.replace("WORKSPACE", "workspaceSize"))
    return named.replace("SUMS_OF_LENGTHS", sums)


def safe(*lines: str) -> str:
    """The text of a module that may stand in a page."""
    return re.sub("[\u2028\u2029]", " ", "\n".join(lines)).replace("</", "<\\/")


TEST = """\
import {run} from './NAME.mjs';

const inputs = INPUTS;
const expected = EXPECTED;
const tolerance = TOLERANCE;
const found = run(inputsLENGTHS);
let failed = false;
for (const [name, wanted] of Object.entries(expected)) {
  const values = typeof found[name] === 'number' ? [found[name]] : found[name];
  const worst = wanted.reduce((most, value, k) => {
    const difference = Math.abs(values[k] - value)/Math.max(1, Math.abs(value));
    return Object.is(values[k], value) || difference <= most ? most : difference;
  }, 0);
  const right = values.length === wanted.length && worst <= tolerance;
  failed ||= !right;
  console.log(`${right ? 'ok  ' : 'FAIL'} ${name}: largest deviation ${worst.toExponential(1)}`);
}
process.exit(failed ? 1 : 0);
"""


def self_test(
    function: JavaScriptFunction, values: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]
) -> str:
    """The text of ``name_test.mjs``: the function at some values beside the results of the compiled one."""
    inputs = []
    for slot in function.layout.arguments:
        text = _numbers(np.concatenate([np.ravel(values[variable.name]) for variable in slot.variables]))
        inputs.append(f"  {_json(slot.name)}: {text if slot.shape else text[1:-1]},")
    results = [f"  {_json(name)}: {_numbers(np.ravel(value))}," for name, value in expected.items()]
    lengths = _open_lengths(function, values)
    parts = {
        "LENGTHS": f", {_json(lengths)}" if lengths else "",
        "NAME": function.name,
        "INPUTS": "\n".join(["{", *inputs, "}"]),
        "EXPECTED": "\n".join(["{", *results, "}"]),
        "TOLERANCE": "1e-10" if function.dtype == "float64" else "1e-4",
    }
    return re.sub("|".join(parts), lambda found: parts[found[0]], TEST)


def _open_lengths(function: JavaScriptFunction, values: Mapping[str, np.ndarray]) -> dict[str, int]:
    """The lengths of an argument that has several: others may say them, or not."""
    shapes = [(v.shape, values[v.name].shape) for slot in function.layout.arguments for v in slot.variables]
    several = [pair for pair in shapes if len({n for n in pair[0] if is_symbolic(n)}) > 1]
    return {str(n): m for shape, found in several for n, m in zip(shape, found) if is_symbolic(n) and not is_sum(n)}


def _numbers(values: np.ndarray) -> str:
    return f"[{', '.join(str(v) if isinstance(v, int) else literal(v) for v in values.tolist())}]"


def _slots(slots: Iterable[Slot]) -> str:
    rows = [
        {
            "name": slot.name,
            "shape": [str(n) if is_symbolic(n) else n for n in slot.shape],
            "kind": slot.kind,
            "parts": [
                {"name": variable.name, "shape": list(variable.shape), "start": start}
                for variable, start in zip(slot.variables, slot.offsets)
            ]
            if slot.packed
            else [],
        }
        for slot in slots
    ]
    return "[\n" + "".join(f"  {_json(row)},\n" for row in rows) + "]"


def _sums(slots: Iterable[Slot]) -> dict[str, list[object]]:
    found = ((n, *parts(n)) for slot in slots for n in slot.shape if is_sum(n))
    return {str(n): [constant, *([str(symbol), factor] for symbol, factor in added)] for n, constant, added in found}


def _json(value: object) -> str:
    return json.dumps(value).replace("<", "\\u003c")
