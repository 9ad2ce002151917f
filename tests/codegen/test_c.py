"""C code computes what the graph says, without a warning, whatever names and numbers the graph has."""

from __future__ import annotations

import ctypes
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial, reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import And, Eq, Expr, Idx, IndexedBase, Not, Or, Piecewise, Sum, Symbol, symbols

import codegen
from codegen import (
    EmitError,
    Equation,
    Graph,
    Index,
    Reduction,
    Variable,
    from_expressions,
    gradient,
    write_c,
    write_javascript,
    write_object,
)
from codegen import functions as f
from codegen.compare.functions import FUNCTIONS
from codegen.emit.c.dialect import literal
from codegen.emit.c.names import RESERVED, Names, comment, file_name
from codegen.export import Request, generate
from codegen.functions.special import written_name
from codegen.ir.graph import sample_extent
from codegen.numeric import evaluate_exactly, rounded
from codegen.passes.stable_forms import stable
from codegen.runtime.machine import Relocatable, load_object
from codegen.walk import Extent, postorder, rewrite
from tests.codegen.networks import (
    Lazy,
    distance,
    hinge,
    lecture,
    mlp,
    outputs,
    parameters,
    random_values,
    several_lengths,
)
from tests.codegen.test_affine import full_convolution
from tests.codegen.test_selection import PRUNED, X, w

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
STRICT = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Werror"]
needs_compiler = pytest.mark.skipif(not COMPILERS, reason="neither gcc nor clang is installed")

S = sample_extent()
s, i, j = Index("s", S), Index("i", 5), Index("j", 7)


# --- graphs -------------------------------------------------------------------------------------------------------


def derived(graph: Graph) -> Graph:
    return gradient(graph, "loss", parameters(graph))


def sigmoids() -> Graph:
    return derived(mlp([3, 2, 3], lambda x: reduce(lambda value, _: f.sigmoid(value), range(12), x)))


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


def sums() -> Graph:
    """Sums along rows of products whose factors are no elements, and the gradient of one over pairs."""
    a, (x, y, X, C, r, q) = symbols("a"), map(IndexedBase, "xyXCrq")
    n, m, d, k = Idx("n", symbols("N")), Idx("m", symbols("N")), Idx("d", 16), Idx("k", 3)
    expressions = {
        "e": sympy.Sum((x[n] - y[n]) ** 2, n),
        "b": sympy.Sum((x[n] - a) ** 2, n),
        "c": sympy.Sum((x[n] + 1) * (x[n] - 1), n),
        "p": sympy.Sum(sympy.exp(-((x[n] - x[m]) ** 2)), n, m),
        q[n, k]: sympy.Sum((X[n, d] - C[k, d]) ** 2, (d, 0, 15)),
        r[n]: sympy.Sum(sympy.sin(X[n, d]) ** 2, (d, 0, 15)),
    }
    graph = from_expressions(expressions, [a, x, y, X, C])
    return gradient(graph, "p", ["x"]).with_outputs(*graph.outputs, "dp/dx")


def rows_of_a_table() -> Graph:
    """Steps of rows of a table, and of those that are there at odd places, through a layer, and the gradient of it."""
    V = sample_extent("V")
    E, W, y = Variable("E", (V, 5)), Variable("W", (7, 5)), Variable("y", (S, 3), "integer", V)
    z, loss, t = Variable("z", (S, 3, 7)), Variable("loss"), Index("t", 3)
    odd = Piecewise((E[V - 2 * y[s, t], i], (y[s, t] >= 1) & (2 * y[s, t] <= V)), (2, True))
    equations = (
        Equation(z[s, t, j], W[j, i] * (E[y[s, t], i] + odd), Reduction.SUM, (i,)),
        Equation(loss.symbol, sympy.tanh(z[s, t, j]) * (t + 1), Reduction.SUM, (s, t, j)),
    )
    return derived(Graph((E, W, y), equations, ("loss",)))


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


GRAPHS = Lazy(
    {
        "the lecture's": lambda: gradient(lecture(), "e"),
        "2-5-3": lambda: derived(mlp([2, 5, 3])),
        "43-5-3": lambda: derived(mlp([43, 5, 3])),
        "20-17-13-3": lambda: derived(mlp([20, 17, 13, 3])),
        "gelu": lambda: derived(mlp([3, 4, 3], f.gelu)),
        "hinge": lambda: derived(mlp([3, 4, 3], f.relu, hinge)),
        "sigmoids of sigmoids": sigmoids,
        "conditions": conditions,
        "extrema": extrema,
        "the largest of a row": largest,
        "products": products,
        "sums": sums,
        "rows of a table": rows_of_a_table,
        "several lengths": lambda: several_lengths()["points"],
        "a full convolution": lambda: full_convolution().with_outputs("L", "dL/dx", "dL/dh"),
        "empty": empty,
        "hostile": hostile,
        **{f"selected: {case}": partial(selected, case) for case in PRUNED},
    }
)
SCHEDULES = {
    "2-5-3": ("unrolled", "loops"),
    "gelu": ("loops",),
    "sums": ("loops",),
    "rows of a table": ("tiled", "loops"),
    "a full convolution": ("loops",),
    "conditions": ("loops", "unrolled"),
    "selected: one sample": ("loops",),
}
"""By which schedules a graph is written; others in tiles if they have samples, else as loops."""
SAMPLES = 70
OF_SEVERAL = 19
"""Of several lengths: two orders of a sum of 70 × 70 terms alone may differ by more than 1e-13."""


def values_of(graph: Graph) -> dict[str, Any]:
    """Random inputs of a graph, more than fill a tile."""
    return random_values(graph, samples=OF_SEVERAL if len(graph.extents) > 1 else SAMPLES)


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
        workspace = np.empty(200_000, self.dtype)  # held while the function runs
        results = [ctypes.c_void_p(array.ctypes.data) for array in (*found, workspace)]
        status = self.function(*lengths, *given, *results)
        return status, found


def sources(folder: Path, rows: Sequence[tuple[Graph, str, str]]) -> list[Path]:
    """Graphs by dtype and schedule as C files."""
    for number, (graph, dtype, schedule) in enumerate(rows):
        for name, text in generate(Request(graph, f"g{number}", dtype, schedule), "c").items():  # type: ignore[arg-type]
            (folder / name).write_text(str(text), encoding="utf-8")
    return [folder / f"g{number}.c" for number in range(len(rows))]


def built(rows: Sequence[tuple[Graph, str, str]], written: Sequence[Path], compiler: str, *flags: str) -> list[Built]:
    """What was written as functions of one library, compiled by one call."""
    library = written[0].parent / f"{'_'.join([compiler, *flags])}.so"
    command = [compiler, *STRICT, *flags, "-shared", "-fPIC", "-o", library, *written, "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = ctypes.CDLL(str(library))
    return [Built(graph, dtype, loaded[f"g{number}"]) for number, (graph, dtype, _) in enumerate(rows)]


@needs_compiler
@pytest.mark.parametrize("compiler", COMPILERS)
def test_c_code_computes_what_the_graph_says(tmp_path: Path, compiler: str) -> None:
    usual = {name: ("tiled",) if graph.extents else ("loops",) for name, graph in GRAPHS.items()}
    rows = [(GRAPHS[name], "float64", chosen) for name, ways in {**usual, **SCHEDULES}.items() for chosen in ways]
    rows += [(GRAPHS["20-17-13-3"], "float32", "tiled"), (GRAPHS["conditions"], "float32", "loops")]
    for function in built(rows, sources(tmp_path, rows), compiler, "-O1"):
        values = values_of(function.graph)
        if function.dtype == "float32":
            values = {k: v.astype(np.float32) if v.dtype == float else v for k, v in values.items()}
        status, found = function(values)
        assert status == 0
        tolerance = 1e-13 if function.dtype == "float64" else 1e-5
        expected = outputs(
            function.graph, {k: np.asarray(v, float if v.dtype.kind == "f" else int) for k, v in values.items()}
        )
        assert distance([a.astype(float) for a in found], expected) <= tolerance, function.graph


# --- functions ----------------------------------------------------------------------------------------------------


def every_function() -> tuple[Graph, dict[str, np.ndarray]]:
    """A row for each function that is not SciPy's, at ordinary and special points."""
    inputs, equations, values = [], [], {}
    for number, (_, tested) in enumerate(written()):
        points = np.array([*tested.points.ordinary, *tested.points.special])
        x, r, at = Variable(f"x{number}", points.shape), Variable(f"r{number}", points.shape), Index("p", len(points))
        inputs.append(x)
        equations.append(Equation(r[at], f.canonical(tested.formula(x[at]))))
        values[x.name] = points
    return Graph(tuple(inputs), tuple(equations), tuple(e.name for e in equations)), values


def kinds(expression: Expr) -> Iterator[type]:
    """The functions in an expression, and in the formulas that they are."""
    for node in postorder(expression):
        yield type(node)
        if isinstance(node, f.Composite):
            yield from kinds(node.definition())


def settled(formula: Expr) -> Expr:
    """A formula in the form in which it is computed."""
    return rewrite(f.canonical(formula), stable)


@lru_cache(maxsize=1)
def written() -> list[tuple[str, Any]]:
    """The functions of the comparison that C has: all that do not call SciPy's."""
    x = sympy.Symbol("x", real=True)
    refused = {kind for kind, row in f.operations() if row.calls}
    return [(name, row) for name, row in FUNCTIONS.items() if refused.isdisjoint(kinds(settled(row.formula(x))))]


@needs_compiler
def test_every_function_by_libm_and_by_its_own_code(tmp_path: Path) -> None:
    graph, values = every_function()
    exact = evaluate_exactly(codegen.optimise(graph)[0], values)
    rows = [(graph, "float64", "loops")]
    files = sources(tmp_path, rows)
    for flags in (["-O0"], ["-O0", "-march=native"]):
        (function,) = built(rows, files, COMPILERS[0], *flags)
        status, found = function(values)
        assert status == 0
        with np.errstate(invalid="ignore"):
            for (name, _), result, output in zip(written(), found, graph.outputs):
                assert distance([result], [np.asarray(rounded(exact[output]), float)]) <= 1e-13, (flags, name, result)


@pytest.mark.parametrize("kind", [kind for kind, row in f.operations() if row.calls])
def test_functions_of_scipy_are_refused_by_name(kind: type[Expr]) -> None:
    x = Variable("x").symbol
    body = kind(sympy.Integer(2), x) if 2 in kind.nargs else kind(x)
    expected = f"^{written_name(body)}, in the equation of 'e', has no form in C: compiled functions call SciPy's$"
    with pytest.raises(EmitError, match=expected):
        generate(Request(Graph((Variable("x"),), (Equation(Variable("e").symbol, body),), ("e",))), "c")


def test_a_refusal_says_what_was_written() -> None:
    a, x = symbols("a x")
    graph = from_expressions({"g": a * x, "e": 2 * sympy.lowergamma(a, x)}, [a, x])
    with pytest.raises(EmitError, match=r"^lowergamma, in the equation of 'e', has no form in C"):
        generate(Request(graph), "c")


# --- what is refused, and what is written ---------------------------------------------------------------------------


@needs_compiler
def test_labels_out_of_range_are_reported_before_anything_is_written(tmp_path: Path) -> None:
    y, x, picked = Variable("i", (S,), "integer", 5), Variable("x", (S, 5)), Variable("picked", (S,))
    graph = Graph((x, y), (Equation(picked[s], f.equal(y[s], i) * x[s, i], Reduction.SUM, (i,)),), ("picked",))
    rows = [(graph, "float64", "auto")]
    (function,) = built(rows, sources(tmp_path, rows), COMPILERS[0])
    values = random_values(graph)
    assert function(values)[0] == 0
    for wrong in (-1, 5, 2**62):
        status, (found,) = function({**values, "i": np.array([0, 1, wrong, 2])})
        assert (status, np.isnan(found).all()) == (3, True)  # the third parameter, after S and x


@needs_compiler
def test_the_self_test_ends_with_status_1_where_a_result_is_wrong(tmp_path: Path) -> None:
    graph = GRAPHS["the lecture's"]
    options: dict[str, Any] = {"name": "net", "constants": {"a": 2.0}, "example": {"b": 1.0}, "schedule": "unrolled"}
    header, source, test, cmake = write_c(graph, tmp_path, **options)
    assert [path.name for path in (header, source, test, cmake)] == ["net.h", "net.c", "net_test.c", "CMakeLists.txt"]

    def status() -> int:
        command = [COMPILERS[0], *STRICT, "-O2", str(source), str(test), "-o", str(tmp_path / "test"), "-lm"]
        subprocess.run(command, check=True)
        return subprocess.run([tmp_path / "test"], capture_output=True).returncode

    assert status() == 0
    source.write_text(source.read_text().replace("*e = t", "*e = 1.000001*t"))
    assert status() == 1


REFUSED: Mapping[str, tuple[dict[str, Any], str]] = {
    "BLAS": ({"schedule": "blas"}, "unknown schedule 'blas', expected one of auto, unrolled, loops, tiled"),
    "a dtype": ({"dtype": "int8"}, "unknown dtype 'int8'"),
    "a constant by another name": ({"constants": {"c": 1}}, "constants: found 'c', expected inputs of the graph: a, b"),
    "a constant of another shape": ({"constants": {"a": [1, 2]}}, r"constants: 'a' has shape \(2,\), expected \(\)"),
    "a constant that is text": ({"constants": {"a": "one"}}, "constants: 'a' is of <U3, expected real numbers"),
    "a packed constant": ({"constants": {"a": 1}, "pack": {"p": ["a", "b"]}}, "constants: 'a' is packed in 'p'"),
    "an example that lacks an input": ({"example": {"a": 1.0}}, "example: 'b' is missing"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_written_leaves_no_file(what: str, tmp_path: Path) -> None:
    options, message = REFUSED[what]
    with pytest.raises(EmitError, match=message):
        write_c(lecture(), tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=25)
@given(st.lists(st.text(max_size=60), max_size=8))
def test_names_are_identifiers_that_nothing_else_has(names: list[str]) -> None:
    found = Names().all(names)
    assert len(set(found)) == len(names)
    for name in found:
        assert re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name)
        assert name not in RESERVED


@pytest.mark.parametrize("write", [write_c, codegen.write_javascript])
def test_an_example_says_how_long_a_table_is(write: Any, tmp_path: Path) -> None:
    rows, s = Symbol("V", integer=True), Idx("s", 2)
    table, y = IndexedBase("E", shape=(rows,)), IndexedBase("y", shape=(2,), integer=True)
    graph = codegen.gradient(codegen.from_expressions({"e": Sum(table[y[s]] ** 2, (s, 0, 1))}, [table, y]), "e")
    write(graph, tmp_path, name="net", example={"E": np.ones(7), "y": [0, 6]})
    write(graph, tmp_path, name="net", constants={"y": [0, 6]})
    with pytest.raises(EmitError, match="example: 'y' has integers outside 0 … 6"):
        write(graph, tmp_path, name="net", example={"E": np.ones(7), "y": [0, 7]})
    with pytest.raises(EmitError, match="constants: 'y' has integers outside 0 … V - 1"):
        write(graph, tmp_path, name="net", constants={"y": [0, -1]})


@pytest.mark.parametrize("in_the_way", ["net.c", "CMakeLists.txt"])
def test_a_directory_in_the_way_leaves_every_file_as_it_was(in_the_way: str, tmp_path: Path) -> None:
    (tmp_path / in_the_way).mkdir()
    (tmp_path / "net.h").write_text("old")
    with pytest.raises(IsADirectoryError) as caught:
        write_c(lecture(), tmp_path, name="net", example={"a": 1.0, "b": 2.0})
    assert caught.value.filename == str(tmp_path / in_the_way)
    assert (tmp_path / "net.h").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([in_the_way, "net.h"])


def test_a_directory_is_made_and_what_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for write in (write_c, write_object, write_javascript):
        folder = tmp_path / write.__name__ / "inside"
        assert all(path.parent == folder and path.exists() for path in write(lecture(), folder))
        with pytest.raises(NotADirectoryError) as caught:
            write(lecture(), tmp_path / "file")
        assert caught.value.filename == str(tmp_path / "file")


def test_the_build_file_of_somebody_else_stays(tmp_path: Path) -> None:
    options: dict[str, Any] = {"name": "net", "example": {"a": 1.0, "b": 2.0}}
    for _ in range(2):  # one of ours is replaced
        *_, cmake = write_c(lecture(), tmp_path, **options)
    cmake.write_text("project(mine)")
    (tmp_path / "net.c").unlink()
    with pytest.raises(EmitError, match=r"^found '.*CMakeLists\.txt', which was not generated: .*$"):
        write_c(lecture(), tmp_path, **options)
    assert (cmake.read_text(), (tmp_path / "net.c").exists()) == ("project(mine)", False)


TAKEN = """
    remove stdin strlen finite INT8_MAX INT64_MAX M_2_PI M_LOG2E PRId64 NAN read FILE size_t y1 B50 pthread_create
"""
FILE_NAMES = "test m math Math string stdio stdint features all clean install help package debug remove"


def test_names_of_libraries_and_tools_get_an_ending() -> None:
    assert Names().all(TAKEN.split()) == [f"{name}_" for name in TAKEN.split()]
    assert [file_name(name) for name in FILE_NAMES.split()] == [f"{name}_" for name in FILE_NAMES.split()]
    assert Names().all(["W1", "x", "b2", "loss"]) == ["W1", "x", "b2", "loss"]


def test_names_that_differ_in_case_have_headers_of_their_own() -> None:
    texts = [str(generate(Request(lecture(), name), "c")[f"{name}.h"]) for name in ("model", "Model", "mOdel")]
    assert len({re.findall("#ifndef (.*)", text)[0] for text in texts}) == 3


@settings(max_examples=25)
@given(st.text(alphabet='*/?\\\n"a ', max_size=20))
def test_no_comment_ends_early(text: str) -> None:
    found = comment(text)
    assert not any(part in found for part in ("*/", "/*", "??", "\n", "\\"))


def test_constants_read_back_as_the_same_numbers() -> None:
    for value in (0.1, -1e-310, 5e-324, 1.7976931348623157e308, 2.0, 1e22):
        assert float(literal(value, "float64")) == value
        with np.errstate(over="ignore"):
            single = np.float32(value)
        assert np.isinf(single) or np.float32(literal(value, "float32").removesuffix("f")) == single


def test_the_c_of_a_small_network(golden: Callable[[str, str], None]) -> None:
    graph = mlp([2, 3, 2])
    pack = {"theta": parameters(graph), "gradient": [f"dloss/d{name}" for name in parameters(graph)]}
    request = Request(gradient(graph, "loss", parameters(graph)), "network", schedule="tiled", pack=pack)
    for name, text in generate(request, "c").items():
        golden(f"c_{name}.txt", str(text))


# --- object files ---------------------------------------------------------------------------------------------------


@needs_compiler
@pytest.mark.parametrize(("triple", "name"), [(None, "gelu"), ("x86_64-unknown-linux-gnu", "the largest of a row")])
def test_an_object_file_computes_what_the_graph_says(triple: str | None, name: str, tmp_path: Path) -> None:
    if triple is not None and (platform.machine(), platform.system()) != ("x86_64", "Linux"):
        pytest.skip("machine code of another machine")
    values = values_of(GRAPHS[name])
    theta = {name: value for name, value in values.items() if name not in ("x", "y")}
    rest = {name: value for name, value in values.items() if name not in theta}
    options: dict[str, Any] = {"name": "net", "constants": theta, "example": rest, "schedule": "loops"}
    _, code, test, _ = write_object(GRAPHS[name], tmp_path, triple=triple, **options)
    program = tmp_path / "test"
    subprocess.run([COMPILERS[0], *STRICT, str(test), str(code), "-o", str(program), "-lm"], check=True)
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_an_object_refuses_labels_and_lengths_out_of_range(tmp_path: Path) -> None:
    y, x, picked = Variable("y", (S,), "integer", 5), Variable("x", (S, 5)), Variable("picked", (S,))
    graph = Graph((x, y), (Equation(picked[s], f.equal(y[s], i) * x[s, i], Reduction.SUM, (i,)),), ("picked",))
    loaded = load_object(bytes(generate(Request(graph, "pick"), "object")["pick.o"]), ["pick"])
    call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_ssize_t, *[ctypes.c_void_p] * 4)(loaded.addresses["pick"])
    rows, found, workspace = np.arange(15.0).reshape(3, 5), np.full(3, np.nan), np.empty(10_000)

    def called(length: int, *labels: int) -> int:
        arrays = (rows, np.array(labels, np.int64), found, workspace)
        return int(call(length, *[array.ctypes.data for array in arrays]))

    assert called(0, 1, 2, 3) == 1
    assert (called(3, 1, 5, 3), called(3, 1, -1, 3), np.isnan(found).all()) == (3, 3, True)
    assert (called(3, 1, 0, 4), found.tolist()) == (0, [1.0, 5.0, 14.0])


OTHERS = {
    "aarch64-unknown-linux-gnu": b"\x7fELF\x02\x01",
    "riscv64-unknown-linux-gnu": b"\x7fELF\x02\x01",
    "arm64-apple-darwin": b"\xcf\xfa\xed\xfe",
    "x86_64-w64-windows-gnu": b"\x64\x86",
    "wasm32-unknown-unknown": b"\x00asm",
}


@pytest.mark.parametrize("triple", OTHERS)
def test_object_files_for_other_machines(triple: str) -> None:
    files = generate(Request(GRAPHS["the lecture's"], "net", triple=triple), "object")
    assert bytes(files["net.o"]).startswith(OTHERS[triple])
    assert f"machine code for {triple}" in str(files["net.h"])


@pytest.mark.parametrize(
    ("given", "same"),
    {"x86_64-w64-mingw32": "x86_64-w64-windows-gnu", "arm64-apple-macos": "arm64-apple-macosx"}.items(),
)
def test_the_other_names_of_systems(given: str, same: str) -> None:
    assert Relocatable(given).triple == same


@pytest.mark.parametrize(
    "triple", ["x86_64", "x86_64-unknown-plan10", "x86_64-pc-linus-gnu", "wasm32-unknown-linux", "x86_64-a-unknown"]
)
def test_a_system_that_is_not_known_is_refused(triple: str) -> None:
    with pytest.raises(EmitError, match=f"^triple: found '{triple}', expected an operating system "):
        generate(Request(lecture(), "net", triple=triple), "object")


@pytest.mark.parametrize("option", ["name", "triple"])
def test_what_is_no_text_is_refused(option: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {option: 3}
    with pytest.raises(EmitError, match=f"^{option}: found int, expected text"):
        write_object(lecture(), tmp_path, **options)


@pytest.mark.parametrize("triple", ["", "z80-unknown-none", "/etc/passwd", "x86_64\n"])
def test_a_triple_that_is_not_known_is_refused(triple: str) -> None:
    with pytest.raises(EmitError, match=r"^triple: found [^\n]*, (expected one that begins with|which LLVM)"):
        generate(Request(lecture(), "net", triple=triple), "object")
