"""What a call makes of its arguments: conversions without loss, refusals with what to write instead, names."""

from __future__ import annotations

import array
import inspect
import warnings
from decimal import Decimal
from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from sympy import Idx, IndexedBase, Rational, Symbol, symbols

import codegen
from codegen import CompiledFunction, Equation, Graph, Index, PrecisionWarning, Reduction, Variable, from_expressions

pytestmark = pytest.mark.values

S = codegen.sample_extent()
s, d = Index("s", S), Index("d", 2)
X, Y, K, A, E, R = (
    Variable("x", (S, 2)),
    Variable("y", (S,), "integer", 4),
    Variable("k", (), "integer", 3),
    Variable("a"),
    Variable("e"),
    Variable("r", (S,)),
)
GRAPH = Graph(
    (X, Y, K, A),
    (
        Equation(R[s], (d + 1) * X[s, d] * A.symbol + 10 * Y[s] + 100 * K.symbol, Reduction.SUM, (d,)),
        Equation(E.symbol, R[s], Reduction.SUM, (s,)),
    ),
    ("e", "r"),
)
"""e is the sum of r[s] = a (x[s, 0] + 2 x[s, 1]) + 20 y[s] + 200 k."""
x, y = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([0, 3, 1])
EXPECTED = (33 * 0.5 + 20 * 4 + 600, [202.5, 265.5, 228.5])


@pytest.fixture(scope="module", params=["vector", "numba", "threads", "float32"])
def function(request: pytest.FixtureRequest) -> CompiledFunction:
    options = {"threads": {"threads": 2}, "float32": {"dtype": np.float32}}
    return codegen.compile(GRAPH, cache=False, **options.get(request.param, {"emitter": request.param}))  # type: ignore[arg-type]


class Foreign:
    """An array of another library, which says itself by ``__array__`` …"""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return self.values


class Packed:
    """… or by DLPack."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __dlpack__(self, **options: object) -> object:
        return self.values.__dlpack__(**options)  # type: ignore[arg-type]

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.values.__dlpack_device__()


def frozen(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values.flags.writeable = False
    return values


def misaligned(values: np.ndarray) -> np.ndarray:
    memory = np.empty(values.nbytes + 1, np.uint8)[1:]
    found = memory.view(values.dtype).reshape(values.shape)
    found[...] = values
    return found


WITHOUT_LOSS = {
    "as they are": {},
    "lists": {"x": x.tolist(), "y": y.tolist()},
    "tuples": {"x": tuple(map(tuple, x.tolist())), "y": tuple(y.tolist())},
    "rows in a list": {"x": list(x)},
    "whole numbers for floats": {"x": x.astype(int)},
    "bytes for floats": {"x": x.astype(np.uint8), "y": y.astype(np.uint8)},
    "float32": {"x": x.astype(np.float32)},
    "float16": {"x": x.astype(np.float16), "y": y.astype(np.float16)},
    "Fortran's order": {"x": np.asfortranarray(x)},
    "strided": {"x": np.repeat(x, 2, axis=0)[::2], "y": np.repeat(y, 2)[::2]},
    "backwards": {"x": x[::-1].copy()[::-1], "y": y[::-1].copy()[::-1]},
    "read-only": {"x": frozen(x), "y": frozen(y)},
    "misaligned": {"x": misaligned(x), "y": misaligned(y)},
    "another byte order": {"x": x.astype(">f4"), "y": y.astype(">i8")},
    "floats for whole numbers": {"y": y.astype(float), "k": 1.0},
    "unsigned": {"y": y.astype(np.uint64), "k": np.uint8(1)},
    "JAX": {"x": jnp.asarray(x), "y": jnp.asarray(y), "k": jnp.asarray(1), "a": jnp.asarray(0.5)},
    "bfloat16": {"x": jnp.asarray(x, jnp.bfloat16), "y": jnp.asarray(y, jnp.int8)},
    "__array__": {"x": Foreign(x.astype(np.float32)), "y": Foreign(y), "k": Foreign(np.array(1))},
    "DLPack": {"x": Packed(x.astype(np.float32)), "y": Packed(y), "a": Packed(np.array(0.5, np.float32))},
    "buffers": {"y": array.array("b", y.tolist())},
    "numbers of NumPy": {"k": np.int32(1), "a": np.float16(0.5)},
    "arrays without axes": {"k": np.array(1), "a": np.array(0.5, np.float32)},
    "fractions": {"k": True, "a": Fraction(1, 2)},
    "arrays of fractions": {"x": np.array([[Fraction(v) for v in row] for row in x.tolist()]), "y": y.astype(object)},
    "decimal numbers": {"x": [[Decimal(v) for v in row] for row in x.tolist()], "y": list(map(Decimal, y.tolist()))},
    "numbers of SymPy": {"k": Rational(1), "a": Rational(1, 2)},
}


@pytest.mark.parametrize("name", WITHOUT_LOSS)
def test_what_loses_nothing_is_converted(function: CompiledFunction, name: str) -> None:
    real = np.dtype(function.report.dtype)
    given = {"x": x.astype(real), "y": y, "k": 1, "a": 0.5, **WITHOUT_LOSS[name]}
    if real == np.float32 and getattr(WITHOUT_LOSS[name].get("x"), "dtype", None) == np.float64:
        pytest.skip("this would lose digits")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for found in (function(*given.values()), function(**given), function(given.pop("x"), **given)):
            assert (found[0], found[1].tolist()) == EXPECTED


def test_nullable_frames_are_numbers_unless_something_is_missing(function: CompiledFunction) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"u": pandas.array([1, 3, 5], "Int64"), "v": pandas.array([2.0, 4.0, 6.0], "Float64")})
    assert function(frame, pandas.Series(y, dtype="Int64"), 1, 0.5)[0] == EXPECTED[0]
    frame.loc[1, "u"] = None
    with pytest.raises(
        TypeError, match=r"found (<NA>|nothing) at \[1, 0\], which is no number; leave such rows out, x.dropna"
    ):
        function(frame, y, 1, 0.5)


class Column(Foreign):
    """A column of pandas with missing numbers, of which NumPy makes nan."""

    dtypes = "Int64"

    def dropna(self) -> None: ...
    def fillna(self) -> None: ...


def test_nan_that_stands_for_nothing_is_refused_and_nan_is_a_number(function: CompiledFunction) -> None:
    gap = np.array([[1, np.nan]], function.report.dtype)
    assert np.isnan(function(gap, [0], 0, 0.5)[0])
    with pytest.raises(TypeError, match=r"found nothing at \[0, 1\], which is no number; .* x.dropna\(\), or fill"):
        function(Column(gap), [0], 0, 0.5)


def test_bools_are_numbers(function: CompiledFunction) -> None:
    assert function([[True, False]], [True], False, True)[0] == 21
    assert function(np.array([[True, False]]), np.array([True]), np.False_, np.True_)[0] == 21


UNFIT = [
    ("x", x + 1j, TypeError, "'x' must be a numpy array of float.., found .* complex128.*; write x.real"),
    ("x", [["1", "2"]], TypeError, "found a list of <U1; write np.asarray.x, dtype=float. if it says numbers"),
    ("x", [[1, None]], TypeError, r"found None at \[0, 1\], which is no number; leave such rows out, or fill them"),
    ("y", np.array(["a", "b"], object), TypeError, "number the classes by np.unique.y, return_inverse=True.*1"),
    ("x", [[1, {}]], TypeError, "found a list of Python objects; write np.asarray.x, dtype=float. if all"),
    ("x", np.array([[Fraction(10**400), 1]]), ValueError, "'x' holds a number beyond the range of float64"),
    ("y", [0, Fraction(3, 2), 1], ValueError, r"'y' must hold whole numbers of 64 bits, found 1.5 at \[1\]"),
    ("x", [[1], [2, 3]], TypeError, "found a list that cannot be read as one: .*inhomogeneous"),
    ("x", None, TypeError, "'x' must be a numpy array of float.., found a NoneType"),
    ("x", (row for row in x), TypeError, "found a generator"),
    ("x", scipy.sparse.csr_array(x), TypeError, "found a csr_array; write x.toarray"),
    ("x", np.ma.masked_array(x), TypeError, "found a masked array; fill what is masked by x.filled"),
    ("x", x.astype("M8[s]"), TypeError, "datetime64.*write it in a unit: .x - x.0.. / np.timedelta64"),
    ("x", np.zeros(3, [("u", float), ("v", float)]), TypeError, "write its columns side by side"),
    ("x", x[:, :1], ValueError, r"'x' must have shape \(S, 2\), found \(3, 1\)"),
    ("x", x.ravel().tolist(), ValueError, r"'x' must have shape \(S, 2\), found \(6,\)"),
    ("x", [], ValueError, r"'x' must have shape \(S, 2\), found \(0,\)"),
    ("x", 1.0, ValueError, r"'x' must have shape \(S, 2\), found \(\)"),
    ("y", [0, 1.5, 1], ValueError, r"'y' must hold whole numbers of 64 bits, found 1.5 at \[1\]"),
    ("y", [0, 1, np.nan], ValueError, r"'y' must hold whole numbers of 64 bits, found nan at \[2\]"),
    ("y", [0, 2.0**63, 1], ValueError, r"'y' must hold whole numbers of 64 bits, found 9.2.* at \[1\]"),
    ("y", np.array([2**63, 0, 0], np.uint64), ValueError, r"found 9223372036854775808 at \[0\]"),
    ("y", ["cat", "dog", "cat"], TypeError, "number the classes by np.unique.y, return_inverse=True..1."),
    ("y", [0.0, 4.0, 1.0], ValueError, "'y' must hold integers from 0 to 3, found 4"),
    ("y", [0, -1, 1], ValueError, "'y' must hold integers from 0 to 3, found -1"),
    ("y", [0, 1], ValueError, r"'y' has S = 2 by its shape \(2,\), but 'x' has S = 3"),
    ("k", 1.5, TypeError, "'k' must be a whole number .int64., found 1.5"),
    ("k", 3.0, ValueError, "'k' must be an integer from 0 to 2, found 3"),
    ("k", "1", TypeError, "'k' must be a whole number, found a str"),
    ("a", 1j, TypeError, "'a' must be a number, found a complex"),
    ("a", np.complex64(1), TypeError, "complex64.*; write a.real"),
    ("a", "0.5", TypeError, "'a' must be a number, found a str"),
    ("a", np.str_("0.5"), TypeError, "found a str_ of <U3"),
    ("a", [0.5], TypeError, "'a' must be a number, found a list"),
    ("a", np.array([0.5]), TypeError, r"'a' must be a number, found .* shape \(1,\).*; write a.item"),
    ("a", 10**400, TypeError, "'a' must be a number .float64., found an int: int too large"),
    ("a", Symbol("q"), TypeError, "'a' must be a number"),
]


@pytest.mark.filterwarnings("ignore::codegen.PrecisionWarning")
@pytest.mark.parametrize(("name", "value", "error", "words"), UNFIT)
def test_what_does_not_fit_is_refused_with_what_to_write(
    function: CompiledFunction, name: str, value: object, error: type[Exception], words: str
) -> None:
    given = {"x": x.astype(function.report.dtype), "y": y, "k": 1, "a": 0.5, name: value}
    with pytest.raises(error, match=words):
        function(*given.values())


def test_losing_digits_is_said_once_an_argument() -> None:
    function = codegen.compile(GRAPH, dtype="float32", cache=False)
    with pytest.warns(PrecisionWarning, match=r"'x' is rounded from float64 to float32; convert it once") as said:
        assert function(x, y, 1, 0.5)[0] == EXPECTED[0]
    assert said[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function(x, y, 1, 0.5)
        function(x.tolist(), y, 1, 0.1)  # numbers of Python have no dtype to lose
    with pytest.raises(ValueError, match="'x' holds 1e\\+300, which is beyond the range of float32"):
        function(x * 1e300, y, 1, 0.5)
    with pytest.warns(PrecisionWarning, match="'x' is rounded from object to float64"):
        codegen.compile(GRAPH)(np.array([[Fraction(1, 3), 1]]), [0], 0, 0)
    with pytest.warns(PrecisionWarning, match="'x' is rounded from int64 to float64"):
        codegen.compile(GRAPH)(np.full((1, 2), 2**53 + 1), [0], 0, 0)


@pytest.mark.parametrize("emitter", ["vector", "numba"])
def test_whole_numbers_with_more_digits_than_the_dtype_are_said_once(emitter: Any) -> None:
    a, v = Symbol("a"), IndexedBase("v", shape=(2,))
    function = codegen.compile(from_expressions({"e": a + v[0] + v[1]}, [a, v]), emitter=emitter, cache=False)
    zeros, large = np.zeros(2), 2**53 + 1
    for name, given in {"a": (large, zeros), "v": (0, [0.5, -large])}.items():
        with pytest.warns(PrecisionWarning, match=f"'{name}' is rounded from -?{large} to float64; write .*float"):
            function(*given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert function(large, [1, large]) == 2.0**54
        assert function(2**60, [0, -(2**60)]) == 0
        assert function(float(large), np.array([0, 1.0])) == 2.0**53
    with pytest.raises(ValueError, match=r"found an int with more digits than it has; write float\(a\)"):
        function.bind(large, zeros)
    assert function.bind(2**60, zeros)() == 2.0**60


def test_a_converted_array_is_a_copy_and_out_never_is_one(function: CompiledFunction) -> None:
    dtype = np.dtype(function.report.dtype)
    wide = np.zeros((3, 4), dtype)
    wide[:, ::2] = x
    out = np.empty(3, dtype)
    assert function(wide[:, ::2], y.tolist(), 1, 0.5, out=out)[1] is out
    assert out.tolist() == EXPECTED[1]
    other = np.float32 if dtype == np.float64 else np.float64
    wrong: Any
    for wrong, words in ((np.empty(3, other), "dtype"), (np.empty(6, dtype)[::2], "C-contiguous"), ([0.0] * 3, "out")):
        with pytest.raises((TypeError, ValueError), match=words):
            function(x.tolist(), y, 1, 0.5, out=wrong)
    with pytest.raises(ValueError, match="out for 'r' shares memory with an argument"):
        function(Foreign(wide[:2].reshape(4, 2)), [0] * 4, 1, 0.5, out=wide[0])


NAMED = [
    ({"y": y, "k": 1}, "missing 'a', expected x, y, k, a"),
    ({"x": x, "y": y, "k": 1, "a": 1}, "the argument 'x' is given twice"),
    ({"y": y, "k": 1, "b": 1}, "unknown argument 'b', expected x, y, k, a"),
]


@pytest.mark.parametrize(("named", "words"), NAMED)
def test_names_are_those_of_the_inputs(function: CompiledFunction, named: dict[str, Any], words: str) -> None:
    for call in (function, function.bind):
        with pytest.raises(TypeError, match=words):
            call(x, **named)


KEYWORDS = [
    ("lambda", "argument0"),
    ("x y", "argument0"),
    ("out", "argument0"),
    ("self", "self"),
    ("\N{MICRO SIGN}", "\N{GREEK SMALL LETTER MU}"),
]


@pytest.mark.parametrize(("name", "keyword"), KEYWORDS)
def test_an_argument_is_called_by_what_python_can_write(name: str, keyword: str) -> None:
    function: Any = codegen.compile(from_expressions({"e": 2 * Symbol(name)}, [Symbol(name)]))
    assert function(**{keyword: 1.5}) == function.bind(**{keyword: 1.5})() == 3.0
    if name != "out":
        assert function(**{name: 1.5}) == 3.0


def test_numbers_stand_for_names_that_are_free() -> None:
    a, b = symbols("lambda argument0")
    function = codegen.compile(from_expressions({"e": a - b}, [a, b]))
    assert str(inspect.signature(function)) == "(argument0_, argument0, *, out=None)"
    assert function(argument0=1, argument0_=3) == 2.0


def test_a_bound_function_converts_nothing(function: CompiledFunction) -> None:
    own = x.astype(function.report.dtype)
    for given in ((own.tolist(), y, 1, 0.5), (own, y.astype(float), 1, 0.5), (own, y, 1.0, 0.5), (own[::2], y, 1, 0.5)):
        with pytest.raises((TypeError, ValueError), match="must"):
            function.bind(*given)
    bound = function.bind(own, y=y, a=np.array(0.5, own.dtype), k=1)
    assert (bound()[0], bound()[1].tolist()) == EXPECTED


@pytest.mark.parametrize("way", ["kernel", "fill"])
@pytest.mark.parametrize("emitter", ["vector", "numba"])
def test_the_ways_for_compiled_code_take_no_masked_array(emitter: str, way: str) -> None:
    i, v = Index("i", 3), Variable("v", (3,))
    graph = Graph((v,), (Equation(Variable("e").symbol, v[i] ** 2, Reduction.SUM, (i,)),), ("e",))
    function = codegen.compile(graph, emitter=emitter)  # type: ignore[arg-type]
    # Numba knows the types after this, and would ask no more.
    assert getattr(function, way)(np.ones(3)) == 3
    with pytest.raises(TypeError, match="MaskedArray"):
        getattr(function, way)(np.ma.masked_array(np.ones(3), [0, 1, 0]))


# --- lengths that follow from others ------------------------------------------------------------------------------

LENGTH = Symbol("n", integer=True)
U, C, I = IndexedBase("u", shape=(LENGTH,)), IndexedBase("c"), Idx("i", LENGTH - 2)
PRODUCTS = from_expressions({C[I]: U[I] * U[I + 1]}, [U])


@pytest.mark.parametrize("emitter", ["vector", "numba"])
def test_an_axis_may_have_a_length_that_follows_from_others(emitter: str) -> None:
    values = np.arange(5.0)
    f = codegen.compile(PRODUCTS, emitter=emitter, cache=False)  # type: ignore[arg-type]
    for found in (f(values), f.bind(values)(), f.kernel(values)):
        assert found.tolist() == [0.0, 2.0, 6.0]
    assert f(values[:2]).shape == (0,)
    with pytest.raises(ValueError, match=r"'c' has shape \(n - 2,\), which is none for n = 1"):
        f(values[:1])
    with pytest.raises(ValueError, match=r"'c' must have shape \(n - 2,\) with n - 2 = 3, found \(4,\)"):
        f(values, out=np.zeros(4))
    back = codegen.compile(codegen.vjp(PRODUCTS, "c"), emitter=emitter, cache=False)  # type: ignore[arg-type]
    assert back(values, np.ones(3))[1].tolist() == [1.0, 2.0, 4.0, 2.0, 0.0]
    for length in (2, 4):
        with pytest.raises(ValueError, match=rf"'v_c' must have shape \(n - 2,\) with n - 2 = 3, found \({length},\)"):
            back(values, np.ones(length))
        with pytest.raises(ValueError, match="expected"):
            back.kernel(values, np.ones(length))
