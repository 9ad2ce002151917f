"""C code computes what the graph says, without a warning, whatever names and numbers the graph has."""

from __future__ import annotations

import ctypes
import math
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from sympy import And, Eq, Expr, Idx, IndexedBase, Not, Or, Piecewise, symbols

import codegen
from codegen import EmitError, Equation, Graph, Index, Reduction, Variable, from_expressions, gradient, write_c
from codegen import functions as f
from codegen.compare.functions import FUNCTIONS
from codegen.emit.c.names import Names, comment
from codegen.emit.externals import FUNCTIONS as SPECIAL
from codegen.export import c_texts
from codegen.expression import Extent
from codegen.graph import sample_extent
from tests.codegen.networks import ENDINGS, distance, lecture, mlp, outputs, parameters, random_values
from tests.codegen.test_selection import PRUNED, X, w

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
STRICT = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Werror"]
needs_compiler = pytest.mark.skipif(not COMPILERS, reason="neither gcc nor clang is installed")

S = sample_extent()
s, i, j = Index("s", S), Index("i", 5), Index("j", 7)


# --- graphs -------------------------------------------------------------------------------------------------------


def derived(graph: Graph) -> Graph:
    return gradient(graph, "loss", parameters(graph))


def conditions() -> Graph:
    a, b = symbols("a b")
    k, r, x = Idx("k", symbols("n")), IndexedBase("r"), IndexedBase("x")
    one = Piecewise((a, And(a > 0, b < a)), (b**2, Or(Not(a < b), Eq(b, 3))), (-a, True))
    two = Piecewise((x[k], (x[k] > 0) & (k < 3)), (x[k] * k, x[k] >= -1))
    return gradient(from_expressions({"c": one, r[k]: two, "d": one * a}, [a, b, x]), "d", ["a", "b"]).with_outputs(
        "c", "r", "d", "dd/da", "dd/db"
    )


def extrema() -> Graph:
    """Maxima with ties, over written-out numbers and over an index."""
    a, b, c = symbols("a b c")
    return codegen.partials(from_expressions({"e": sympy.Max(a, b, c) * sympy.Min(a, b)}, [a, b, c]))


def largest() -> Graph:
    x, m, total = Variable("x", (S, 5)), Variable("m", (S,)), Variable("total")
    rows = Equation(m[s], x[s, i], Reduction.MAX, (i,))
    return gradient(Graph((x,), (rows, Equation(total.symbol, m[s] ** 2, Reduction.SUM, (s,))), ("total",)), "total")


def products() -> Graph:
    """Sums of products without samples, along rows and across them."""
    A, B, u, v = Variable("A", (5, 40)), Variable("B", (40, 7)), Variable("u", (40,)), Variable("v", (5,))
    C, r, total, k = Variable("C", (5, 7)), Variable("r", (5,)), Variable("q"), Index("k", 40)
    return Graph(
        (A, B, u),
        (
            Equation(C[i, j], A[i, k] * B[k, j], Reduction.SUM, (k,)),
            Equation(r[i], A[i, k] * u[k], Reduction.SUM, (k,)),
            Equation(v[i], A[i, k] ** 2, Reduction.SUM, (k,)),
            Equation(total.symbol, u[k], Reduction.SUM, (k,)),
        ),
        ("C", "r", "v", "q"),
    )


def empty() -> Graph:
    """An output that is an input, one that is a number, and an input that nobody reads."""
    a, b = Variable("a"), Variable("b", (3,))
    return Graph((a, b), (Equation(Variable("two").symbol, sympy.Integer(2)),), ("a", "two"))


def selected(case: str) -> Graph:
    equations, of = PRUNED[case]
    return Graph((X,) if any("X" in str(e.body) for e in equations) else (w,), tuple(equations), (of,))


HOSTILE = ("*/ int x; /*", "int", "main", "x;}", "δ", "a b", "a/b", "t1", "f_exp", "NAN", "??/", "restrict", "\\", "1")


def hostile() -> Graph:
    inputs = [Variable(name) for name in HOSTILE]
    names = [f"{name}\n" for name in HOSTILE[:-1]] + ["exp"]
    row = Variable('"quoted"', (sample_extent("*/"), 3))
    k, n = Index("*/", sample_extent("*/")), Index("while", 3)
    equations = [Equation(Variable(new).symbol, sympy.exp(v.symbol)) for new, v in zip(names, inputs)]
    equations.append(Equation(Variable("sum")[()], row[k, n], Reduction.SUM, (k, n)))
    return Graph((*inputs, row), tuple(equations), (*names, "sum"))


GRAPHS: Mapping[str, Graph] = {
    "the lecture's": gradient(lecture(), "e"),
    "2-5-3": derived(mlp([2, 5, 3])),
    "20-17-13-3": derived(mlp([20, 17, 13, 3])),
    "relu": derived(mlp([3, 4, 3], f.relu)),
    "gelu": derived(mlp([3, 4, 3], f.gelu)),
    **{ending.__name__: derived(mlp([3, 4, 3], ending=ending)) for ending in ENDINGS},
    "conditions": conditions(),
    "extrema": extrema(),
    "the largest of a row": largest(),
    "products": products(),
    "empty": empty(),
    "hostile": hostile(),
    **{f"selected: {case}": selected(case) for case in PRUNED},
}
SCHEDULES = {"2-5-3": ("unrolled", "loops", "tiled"), "20-17-13-3": ("loops", "tiled")}
"""By which schedules beside ``auto`` a graph is written too."""
SAMPLES = 70


# --- calling C ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Built:
    """A function in a library."""

    graph: Graph
    dtype: str
    function: Any

    def __call__(self, values: Mapping[str, np.ndarray]) -> tuple[int, list[np.ndarray]]:
        real = ctypes.c_double if self.dtype == "float64" else ctypes.c_float
        extents: dict[Extent, int] = {}
        given: list[Any] = []
        held: list[np.ndarray] = []
        for variable in self.graph.inputs:
            value = values[variable.name]
            extents.update(zip(variable.shape, value.shape))
            integers = variable.kind == "integer"
            if variable.shape:
                held.append(np.ascontiguousarray(value, np.int64 if integers else self.dtype))
                given.append(ctypes.c_void_p(held[-1].ctypes.data))
            else:
                given.append(ctypes.c_int64(int(value)) if integers else real(value))
        shapes = [self.graph.variable(name).shape for name in self.graph.outputs]
        found = [np.full([extents.get(n, n) for n in shape], np.nan, self.dtype) for shape in shapes]
        lengths = [ctypes.c_ssize_t(extents[n]) for n in self.graph.extents]
        results = [ctypes.c_void_p(array.ctypes.data) for array in (*found, np.empty(200_000, self.dtype))]
        return self.function(*lengths, *given, *results), found


def built(folder: Path, rows: Sequence[tuple[Graph, str, str]], compiler: str, *flags: str) -> list[Built]:
    """Graphs by dtype and schedule as functions of one library, compiled by one call."""
    sources = []
    for number, (graph, dtype, schedule) in enumerate(rows):
        texts = c_texts(graph, name=f"g{number}", dtype=dtype, schedule=schedule)  # type: ignore[arg-type]
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        sources.append(str(folder / f"g{number}.c"))
    library = folder / f"{compiler}.so"
    command = [compiler, *STRICT, *flags, "-shared", "-fPIC", "-o", str(library), *sources, "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = ctypes.CDLL(str(library))
    return [Built(graph, dtype, loaded[f"g{number}"]) for number, (graph, dtype, _) in enumerate(rows)]


@needs_compiler
@pytest.mark.parametrize("compiler", COMPILERS)
def test_c_code_computes_what_the_graph_says(tmp_path: Path, compiler: str) -> None:
    rows = [(graph, "float64", "auto") for graph in GRAPHS.values()]
    rows += [(GRAPHS[name], "float64", chosen) for name, found in SCHEDULES.items() for chosen in found]
    rows += [(GRAPHS[name], "float32", "auto") for name in ("2-5-3", "20-17-13-3", "relu", "products", "conditions")]
    for function in built(tmp_path, rows, compiler, "-O1"):
        values = random_values(function.graph, samples=SAMPLES)
        if function.dtype == "float32":
            values = {k: v.astype(np.float32) if v.dtype == float else v for k, v in values.items()}
        status, found = function(values)
        assert status == 0
        tolerance = 1e-13 if function.dtype == "float64" else 1e-5
        expected = outputs(function.graph, {k: np.asarray(v, float if v.dtype.kind == "f" else int) for k, v in values.items()})
        assert distance([a.astype(float) for a in found], expected) <= tolerance, function.graph
