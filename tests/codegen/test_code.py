"""A formula as it is printed has the value that it stands for, in every language: random trees, evaluated as text."""

from __future__ import annotations

import ctypes
import math
import random
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sympy
from sympy import Expr, Float, Integer, Rational, symbols

from codegen import from_expressions
from codegen import functions as f
from codegen.errors import GraphError
from codegen.functions import special
from codegen.notation.code import LANGUAGES, PYTHON, SPREADSHEET, SYMPY, C, Code, Language
from codegen.notation.text import Text
from codegen.notation.writing import write
from codegen.numeric import evaluate
from codegen.passes.lower import lower
from tests.spreadsheet import evaluated

A, B = symbols("a b", real=True)
POINT = {"a": 0.83, "b": -1.37}
UNARY: tuple[Callable[[Expr], Expr], ...] = (
    sympy.exp, sympy.log, sympy.sqrt, sympy.tanh, sympy.sin, sympy.cos, sympy.tan, sympy.atan, sympy.asin, sympy.erf,
    sympy.erfc, sympy.asinh, sympy.sinh, sympy.cosh, sympy.loggamma, special.sinc, f.expm1, f.log1p, f.absolute,
    f.floor, f.ceiling, f.sign, f.sigmoid, f.softplus, f.relu, f.normal_cdf, f.step,
    lambda x: f.elu(x, 1), lambda x: f.leaky_relu(x, Rational(1, 100)),
)  # fmt: skip
BINARY: tuple[Callable[[Expr, Expr], Expr], ...] = (f.maximum, f.minimum, lambda x, y: f.clip(x, -1, y), f.equal)


def tree(draw: random.Random, depth: int) -> Expr:
    """A random formula of + − * / ^ and functions."""
    if depth == 0:
        return draw.choice([A, B, A, B, Integer(2), Rational(-1, 3), Float(-0.25), Float(1.5e-7), sympy.pi])
    left, right = (tree(draw, depth - draw.choice([1, 1, 2]) if depth > 1 else 0) for _ in range(2))
    how = draw.randrange(8)
    if how < 4:
        return (left + right, left - right, left * right, left / right)[how]
    if how == 4:
        return left ** draw.choice([2, 3, -1, -2, Rational(1, 3), Float(-1.5), right])
    return draw.choice(UNARY)(left) if how < 7 else draw.choice(BINARY)(left, right)


@cache
def trees(count: int = 150) -> list[tuple[Expr, float]]:
    """Random formulas that have a finite value at the point, with it."""
    draw, found = random.Random(0), []
    while len(found) < count:
        try:
            graph = lower(from_expressions({"value": tree(draw, draw.choice([2, 3, 4]))}, [A, B]))
            value = float(evaluate(graph, POINT)["value"])
        except (GraphError, ValueError, TypeError):  # complex, infinite or not a function of anything
            continue
        (equation,) = graph.equations
        if 1e-6 < abs(value) < 1e6 and equation.body.free_symbols:
            found.append((equation.body, value))
    return found


def written(language: Language, names: Mapping[Expr, str]) -> list[tuple[str, float]]:
    return [(write(expression, Code(language, names)).text, value) for expression, value in trees()]


def by_python(text: str) -> float:
    return float(eval(text, {"math": math}, POINT))


def by_spreadsheet(text: str) -> float:
    return evaluated(f"={text}", POINT)


def by_sympy(text: str) -> float:
    space: dict[str, Any] = {name: getattr(sympy, name) for name in sympy.__all__}
    at = {name: Float(value) for name, value in POINT.items()}
    return float(eval(text, space, at))


@pytest.mark.parametrize(("language", "value"), [(PYTHON, by_python), (SPREADSHEET, by_spreadsheet), (SYMPY, by_sympy)])
def test_a_printed_formula_has_its_value(language: Language, value: Callable[[str], float]) -> None:
    for text, expected in written(language, {A: "a", B: "b"}):
        assert value(text) == pytest.approx(expected, rel=1e-7), text


SPELLED = {"−": "-", "·": "*", "^": "**", "σ": "sigmoid", "Φ": "normal_cdf", "logΓ": "lgamma", "π": "pi"}


def by_text(text: str) -> float:
    """Unicode text, read back: powers, roots and the signs of functions."""
    for sign, word in SPELLED.items():
        text = text.replace(sign, word)
    text = re.sub("[⁻⁰¹²³⁴-⁹]+", lambda m: "**" + unicodedata.normalize("NFKC", m[0]).replace("−", "-"), text)
    text = re.sub(r"√(\w+)", r"sqrt(\1)", text).replace("√", "sqrt")
    space = {**vars(math), **POINT, "sigmoid": lambda x: 1 / (1 + math.exp(-x)), "relu": lambda x: max(x, 0), **TEXT}
    return float(eval(text, space))


TEXT = {
    "max": max,
    "min": min,
    "sign": lambda x: (x > 0) - (x < 0),
    "softplus": lambda x: math.log1p(math.exp(x)),
    "normal_cdf": lambda x: math.erfc(-x / math.sqrt(2)) / 2,
    "sinc": lambda x: math.sin(x) / x,
    "clip": lambda x, low, high: min(max(x, low), high),
}


def test_text_has_its_value() -> None:
    pairs = [(write(expression, Text()).text, value) for expression, value in trees()]
    read = [(text, value) for text, value in pairs if not set("|⌊[{") & set(text)]  # these are no calls
    assert len(read) > 50
    for text, expected in read:
        assert by_text(text) == pytest.approx(expected, rel=1e-7), text


def test_what_no_language_has_says_what_has_it() -> None:
    (expression,) = from_expressions({"value": sympy.digamma(A)}, [A]).equations
    assert write(expression.body, Code(LANGUAGES["sympy"], {A: "a"})).text == "polygamma(0, a)"
    for language in (PYTHON, C, SPREADSHEET):
        with pytest.raises(GraphError, match=f"of {language.name}, expected .*; as text and in LaTeX"):
            write(expression.body, Code(language, {A: "a"}))


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc")
def test_c_has_its_value(tmp_path: Path) -> None:
    pairs = written(C, {A: "a", B: "b"})
    lines = [f"y[{n}] = {text};" for n, (text, _) in enumerate(pairs)]
    head = (
        "\n".join(["#include <math.h>", *C.defined("".join(lines))]) + "\nvoid all(double a, double b, double *y) {\n"
    )
    (tmp_path / "f.c").write_text(head + "\n".join(lines) + "\n}\n")
    command = ["gcc", "-std=c99", "-Wall", "-Werror", "-shared", "-fPIC", "-o", tmp_path / "f.so", tmp_path / "f.c"]
    subprocess.run([*command, "-lm"], check=True)
    found = (ctypes.c_double * len(pairs))()
    ctypes.CDLL(str(tmp_path / "f.so")).all(ctypes.c_double(POINT["a"]), ctypes.c_double(POINT["b"]), found)
    for (text, expected), value in zip(pairs, found):
        assert value == pytest.approx(expected, rel=1e-7), text
