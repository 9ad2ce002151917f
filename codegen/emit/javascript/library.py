"""The functions that modules call, each defined in the module that needs it.

An array that a function goes through is given as the array and the place of its first element.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from codegen.emit import random_numbers
from codegen.emit.routines import ROUTINES, Braces, parameters
from codegen.emit.vectormath.numbers import COEFFICIENTS, ERFC_CENTRE, LIMITS

_LIMITS = LIMITS["float64"]


def _table(name: str) -> str:
    return ", ".join(repr(float(c)) for c in COEFFICIENTS[name]["float64"])


TEXTS: Mapping[str, str] = {
    "polynomial": """\
/** c[0] + x*(c[1] + x*(c[2] + ...)) */
function polynomial(x, c) {
  let value = c[c.length - 1];
  for (let k = c.length - 2; k >= 0; --k) value = x*value + c[k];
  return value;
}
""",
    "erf": f"""\
const ERF = [{_table("erf")}];
const ERF_TAIL = [{_table("erf_tail")}];
/** x + x*p(x*x) for |x| < 1, else 1 - exp(-p(|x|)) with the sign of x */
function erf(x) {{
  const size = Math.abs(x);
  if (size < 1) return x + x*polynomial(x*x, ERF);
  const outer = -Math.expm1(-polynomial(Math.min(size, {_LIMITS.erf_saturation!r}), ERF_TAIL));
  return x < 0 ? -outer : outer;
}}
""",
    "erfc": f"""\
const ERFC = [{_table("erfc")}];
const ERFC_INNER = [{_table("erf")}];
/** 1 - erf(x) for |x| < 1, else exp(-x*x)*p(t)/(|x| + K), t = (|x| - K)/(|x| + K), or 2 minus it */
function erfc(x) {{
  const size = Math.min(Math.abs(x), {_LIMITS.erfc_vanishing!r});
  if (size < 1) return 1 - x - x*polynomial(x*x, ERFC_INNER);
  const t = (size - {ERFC_CENTRE!r})/(size + {ERFC_CENTRE!r});
  const near = Math.fround(size);  // its square is exact
  const decay = Math.exp(-near*near)*Math.exp((near - size)*(near + size));
  const tail = decay*polynomial(t, ERFC)/(size + {ERFC_CENTRE!r});
  return x < 0 ? 2 - tail : tail;
}}
""",
    "single_tanh": """\
/** tanh within 1e-8, for float32: 2*t/(1 + t*t), t = tanh(x/2) = y*p/q the continued fraction of Lambert to y*y/13 */
function single_tanh(x) {
  const y = Math.min(9, Math.max(-9, x))/2, z = y*y;
  const p = y*(135135 + z*(17325 + z*(378 + z))), q = 135135 + z*(62370 + z*(3150 + 28*z));
  return 2*p*q/(p*p + q*q);
}
""",
    "power": """\
/** x to the power of y; what C and IEEE 754 have where JavaScript has NaN */
function power(x, y) {
  return x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : Math.pow(x, y);
}
""",
    "modulo": """\
/** The remainder of a division rounded down: it has the sign of y. */
function modulo(x, y) {
  const rest = x % y;
  return rest !== 0 && rest < 0 !== y < 0 ? rest + y : rest;
}
""",
    "add_product": """\
/** target[i][l] += sum over k of left[i][k]*right[k][l]; the steps are those of i and k */
function add_product(rows, terms, columns, left, p, pi, pk, right, q, qk, target, r, ti) {
  const whole = terms - terms % 4;
  for (let i = 0; i < rows; ++i) {
    const row = r + i*ti;
    let k = 0;
    for (; k < whole; k += 4) {
      const a = p + i*pi + k*pk, b = q + k*qk;
      const a0 = left[a], a1 = left[a + pk], a2 = left[a + 2*pk], a3 = left[a + 3*pk];
      for (let l = 0; l < columns; ++l) {
        const c = b + l;
        target[row + l] += a0*right[c] + a1*right[c + qk] + a2*right[c + 2*qk] + a3*right[c + 3*qk];
      }
    }
    for (; k < terms; ++k) {
      const a0 = left[p + i*pi + k*pk], b = q + k*qk;
      for (let l = 0; l < columns; ++l) target[row + l] += a0*right[b + l];
    }
  }
}
""",
    "add_dots": """\
/** target[i][j] += sum over l of left[i][l]*right[j][l] */
function add_dots(rows, columns, terms, left, p, pi, right, q, qj, target, r, ti) {
  for (let i = 0; i < rows; ++i) {
    for (let j = 0; j < columns; ++j) target[r + i*ti + j] += dot(terms, left, p + i*pi, right, q + j*qj);
  }
}
""",
    "transpose": """\
/** target[i][j] = source[j][i] */
function transpose(rows, columns, source, q, sj, target, r, ti) {
  for (let i = 0; i < rows; ++i) {
    for (let j = 0; j < columns; ++j) target[r + i*ti + j] = source[q + j*sj + i];
  }
}
""",
    "sum": """\
/** The sum of a row. */
function sum(n, x, p) {
  let total = 0;
  for (let i = 0; i < n; ++i) total += x[p + i];
  return total;
}
""",
    "dot": """\
/** The sum of the products of two rows, four totals at a time. */
function dot(n, x, p, y, q) {
  let a = 0, b = 0, c = 0, d = 0, i = 0;
  for (; i + 3 < n; i += 4) {
    a += x[p + i]*y[q + i];
    b += x[p + i + 1]*y[q + i + 1];
    c += x[p + i + 2]*y[q + i + 2];
    d += x[p + i + 3]*y[q + i + 3];
  }
  for (; i < n; ++i) a += x[p + i]*y[q + i];
  return a + c + (b + d);
}
""",
    **random_numbers.JAVASCRIPT,
}

BRACES = Braces("let", "let", "Math.abs", "Math.sqrt", "", "")


def _routine(name: str) -> str:
    """The function that eliminates one matrix."""
    given = ", ".join(parameter for parameter, _ in parameters(name))
    return "\n".join([f"function {name}({given}) {{", *BRACES.body(name), "}", ""])


FUNCTIONS = (
    frozenset(TEXTS) | frozenset(ROUTINES) | {"ERF", "ERF_TAIL", "ERFC", "ERFC_INNER", "halves", "upper", "wide"}
)
"""The names that these definitions take."""


def definitions(text: str) -> list[str]:
    """The lines that define the functions which a text calls.

    >>> definitions("x = modulo(x, y);")[1]
    'function modulo(x, y) {'
    """
    needed = {name for name in TEXTS if re.search(rf"\b{name}\(", text)}
    while more := {n for n in TEXTS for d in needed if re.search(rf"\b{n}\(", TEXTS[d])} - needed:
        needed |= more
    routines = [_routine(name) for name in ROUTINES if re.search(rf"\b{name}\(", text)]
    return "\n".join([*(TEXTS[name] for name in TEXTS if name in needed), *routines]).splitlines()
