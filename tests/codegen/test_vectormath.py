"""Vector mathematics against mpmath: errors in units in the last place, special values, the same bits in every lane."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, cast

import mpmath
import numpy as np
import pytest
from llvmlite import ir
from mpmath import mpf
from numba.core.cpu_options import FastMathOptions
from numba.core.fastmathpass import rewrite_module
from numpy.typing import NDArray
from scipy import special

from codegen import Equation, Graph, Index, Variable, compile, functions
from codegen.dtypes import Dtype
from codegen.emit import vectormath
from codegen.emit.lanes import FORMATS, BranchingLanes, Lanes, store_each
from codegen.emit.special_forms import CODE as SPECIAL_CODE
from codegen.emit.vectormath import FORMS
from codegen.emit.vectormath.numbers import COEFFICIENTS, HALF_PI, LIMITS, LN2
from codegen.errors import EmitError
from codegen.functions import SYMPY_FUNCTIONS, Primitive
from codegen.functions import arrays as elementwise_in_numpy
from codegen.runtime.machine import compile_module, load_object
from tests.codegen.networks import S
from tests.sweeps import one_in

Reals = NDArray[Any]
INF, NAN = math.inf, math.nan
DTYPES: tuple[Dtype, ...] = ("float64", "float32")
WIDTHS = (1, 2, 4, 8, 16)
TIES = 1 + 2**-20
"""tanh 18.3684 is 2 + 3e−14 ULP off: where exp(−2x) is 2⁻⁵³, 1 + exp(−2x) and 1 − exp(−2x) are both halfway."""
BITS = 120
"""Precision of the oracle: float64 has 53, and the worst argument of sin loses 60."""

#: Where a function does something; cut at the range of float32.
RANGES: Mapping[str, tuple[float, float]] = {
    "exp": (-750, 715), "expm1": (-45, 715), "log": (0, 10), "log1p": (-1, 10), "tanh": (-21, 21),
    "sigmoid": (-750, 40), "sigmoid_slope": (-750, 750), "softplus": (-750, 40),
    "sin": (-1e3, 1e3), "cos": (-1e3, 1e3), "tan": (-1e3, 1e3),
    "erf": (-7, 7), "erfc": (-6.5, 27.5), "normal_cdf": (-38.7, 9), "sinh": (-715, 715), "cosh": (-715, 715),
    "asin": (-1, 1), "acos": (-1, 1), "atan": (-10, 10), "asinh": (-100, 100), "acosh": (1, 100), "atanh": (-1, 1),
    "erfcx": (-27, 30), "erfcx_rate": (-27, 30), "erfcx_curvature": (-27, 30),
}  # fmt: skip

ORACLE: Mapping[str, Callable[[mpf], mpf]] = {
    **{name: getattr(mpmath, name) for name in RANGES if hasattr(mpmath, name)},
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "sigmoid_slope": lambda x: 1 / (2 + 2 * mpmath.cosh(x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(-abs(x))) + max(x, 0),
    "normal_cdf": lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    **{name: partial(getattr(functions, name).value, mpmath.mp) for name in ("erfcx", "erfcx_rate", "erfcx_curvature")},
}

#: Values at −inf, −largest, −smallest, −0, 0, smallest, largest, inf; "x" is the argument itself, None is not exact.
SPECIALS: Mapping[str, tuple[float | str | None, ...]] = {
    "exp": (0, 0, 1, 1, 1, 1, INF, INF),
    "expm1": (-1, -1, "x", "x", "x", "x", INF, INF),
    "log": (NAN, NAN, NAN, -INF, -INF, None, None, INF),
    "log1p": (NAN, NAN, "x", "x", "x", "x", None, INF),
    "tanh": (-1, -1, "x", "x", "x", "x", 1, 1),
    "sigmoid": (0, 0, 0.5, 0.5, 0.5, 0.5, 1, 1),
    "sigmoid_slope": (0, 0, 0.25, 0.25, 0.25, 0.25, 0, 0),
    "softplus": (0, 0, None, None, None, None, "x", INF),
    "sin": (NAN, None, "x", "x", "x", "x", None, NAN),
    "cos": (NAN, None, 1, 1, 1, 1, None, NAN),
    "tan": (NAN, None, "x", "x", "x", "x", None, NAN),
    "erf": (-1, -1, None, "x", "x", None, 1, 1),
    "erfc": (2, 2, 1, 1, 1, 1, 0, 0),
    "normal_cdf": (0, 0, 0.5, 0.5, 0.5, 0.5, 1, 1),
    "sinh": (-INF, -INF, "x", "x", "x", "x", INF, INF),
    "cosh": (INF, INF, 1, 1, 1, 1, INF, INF),
    "asin": (NAN, NAN, "x", "x", "x", "x", NAN, NAN),
    "acos": (NAN, NAN, None, None, None, None, NAN, NAN),
    "atan": (None, None, "x", "x", "x", "x", None, None),
    "asinh": (-INF, None, "x", "x", "x", "x", None, INF),
    "acosh": (NAN, NAN, NAN, NAN, NAN, NAN, None, INF),
    "atanh": (NAN, NAN, "x", "x", "x", "x", NAN, NAN),
    "erfcx": (INF, INF, None, None, None, None, None, 0),
    "erfcx_rate": (INF, INF, None, None, None, None, None, 0),
    "erfcx_curvature": (2, 2, None, None, None, None, None, 0),
}

#: Exact arguments and values besides the common ones above.
LANDMARKS: Mapping[str, tuple[tuple[float, float], ...]] = {
    "exp": ((1000, INF), (-1000, 0)),
    "log": ((1, 0), (-1, NAN)),
    "log1p": ((-1, -INF), (-2, NAN)),
    "tanh": ((1000, 1), (-1000, -1)),
    "sigmoid": ((1000, 1), (-1000, 0)),
    "softplus": ((1000, 1000), (-1000, 0)),
    "asin": ((1.5, NAN), (-1.5, NAN)),
    "acos": ((1, 0), (1.5, NAN), (-1.5, NAN)),
    "acosh": ((1, 0), (0.5, NAN), (-2, NAN)),
    "atanh": ((1, INF), (-1, -INF), (1.5, NAN)),
}

ULP_BOUNDS = {kind.__name__: bounds for kind, bounds in vectormath.ULP_BOUNDS.items()}
TABLE = {kind.__name__: function for kind, function in FORMS.items()}

#: Functions of several arguments and those with kinks: arguments, value.
CHOICES: Mapping[str, tuple[tuple[tuple[float, ...], float], ...]] = {
    "floor": (((-0.5,), -1), ((-0.0,), -0.0), ((2,), 2), ((INF,), INF), ((NAN,), NAN)),
    "modulo": (
        ((5, 3), 2),
        ((-5, 3), 1),
        ((5, -3), -1),
        ((-6, 3), 0),
        ((-1, INF), INF),
        ((1, 0), NAN),
        ((INF, 1), NAN),
    ),
    "hypot": (
        *(((3 * scale, -4 * scale), 5 * scale) for scale in (1, 2.0**100, 2.0**-100)),
        ((0, 0), 0),
        ((INF, NAN), INF),
        ((-INF, 1), INF),
        ((1, NAN), NAN),
        ((7, 0), 7),
    ),
    "atan2": (((0, 1), 0), ((0, -1), math.pi), ((1, 0), math.pi / 2), ((-0.0, -1), -math.pi)),
    "power": (((2, 10), 1024), ((2, 0.5), math.sqrt(2)), ((NAN, 0), 1), ((-8, 3), -512), ((-8, 0.5), NAN)),
}

#: Those that a row describes as instructions, which are tried inside a compiled function.
WRITTEN: Mapping[str, tuple[tuple[tuple[float, ...], float], ...]] = {
    "absolute": (((-2,), 2), ((-0.0,), 0), ((-INF,), INF)),
    "nought": (((5,), 0), ((-INF,), 0), ((NAN,), NAN)),
    "relu": (((-2,), 0), ((0,), 0), ((3,), 3), ((NAN,), NAN), ((INF,), INF)),
    "step": (((-2,), 0), ((0,), 0), ((3,), 1), ((NAN,), 0)),
    "sign": (((-2,), -1), ((0,), 0), ((-0.0,), -0.0), ((3,), 1), ((NAN,), NAN)),
    "clip": (((-2, 0, 1), 0), ((0.5, 0, 1), 0.5), ((2, 0, 1), 1), ((NAN, 0, 1), NAN)),
    "equal": (((1, 1), 1), ((1, 2), 0), ((0, -0.0), 1), ((NAN, NAN), 0)),
    "select": (((1, 2, 3), 2), ((0, 2, 3), 3), ((-1, 2, 3), 3), ((NAN, 2, 3), 3)),
    "stop_gradient": (((5,), 5),),
    "maximum": (((1, 2, 0), 2), ((3, 2, 1), 3), ((NAN, 1, 2), NAN), ((1, NAN, 2), NAN), ((1, 2, NAN), NAN)),
    "minimum": (((1, 2, 3), 1), ((3, 2, 1), 1), ((NAN, 1, 2), NAN), ((1, NAN, 2), NAN), ((1, 2, NAN), NAN)),
    "ratio": (((0, 0), 0), ((4, 5), 0.8), ((NAN, NAN), NAN)),
}

every_function = pytest.mark.parametrize(
    ("name", "dtype"), [pytest.param(name, dtype, id=f"{name}-{dtype}") for name in RANGES for dtype in DTYPES]
)
one_of_three = pytest.mark.parametrize(
    ("name", "dtype"), one_in(3, ((name, dtype) for name in RANGES for dtype in DTYPES))
)


def machine_code(
    function: Callable[..., Any],
    dtype: Dtype,
    width: int,
    arguments: int = 1,
    fastmath: frozenset[str] = frozenset(),
    kind: type[Lanes] = Lanes,
) -> Callable[..., None]:
    """``apply(x, …, out)`` by LLVM alone, as vector code is compiled: a tenth of the time that Numba takes.

    Bare instructions get the flags that Numba's ``fastmath`` gives them.
    """
    pointers, count = [FORMATS[dtype].real.as_pointer()] * (arguments + 1), ir.IntType(64)
    body = ir.Function(ir.Module(), ir.FunctionType(ir.VoidType(), [*pointers, count]), "apply")
    builder = ir.IRBuilder(body.append_basic_block())
    store_each(function, kind(builder, width, dtype), body.args[:-1], body.args[-1])
    builder.ret_void()
    rewrite_module(body.module, FastMathOptions(set(fastmath)))
    code = load_object(compile_module(str(body.module)), ["apply"])
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (arguments + 1), ctypes.c_int64)(code.addresses["apply"])

    def apply(*arrays: Reals) -> None:
        assert code.addresses
        assert all(array.dtype == dtype and array.flags.c_contiguous for array in arrays)
        call(*[array.ctypes.data for array in arrays], min(array.size for array in arrays))

    return apply


@cache
def compiled(name: str, dtype: Dtype, width: int) -> Callable[..., None]:
    return machine_code(TABLE[name], dtype, width, len(CHOICES[name][0][0]) if name in CHOICES else 1)


def apply(name: str, *arguments: Reals, width: int = 8) -> Reals:
    out = np.empty_like(arguments[0])
    compiled(name, cast(Dtype, out.dtype.name), width)(*arguments, out)
    return out


def points(name: str, dtype: Dtype, count: int, seed: int = 0) -> Reals:
    """Points of every kind where the function is real: every exponent, its range, and beside every switch."""
    generator = np.random.Generator(np.random.PCG64(seed))
    info, limits = np.finfo(dtype), LIMITS[dtype]
    low, high = RANGES[name]
    low, high = max(low, 1.02 * math.log(info.smallest_subnormal)), min(high, 1.02 * math.log(info.max))
    words = generator.integers(0, 2**info.bits, count, dtype=np.dtype(f"u{info.bits // 8}"))
    steps = generator.integers(-1000, 1000, count // 2)
    switches = np.array([*limits, 0.5, 1, 2, math.sqrt(0.5), math.sqrt(2), math.sqrt(2) - 1, math.asinh(1), 3.078125])
    beside = np.concatenate(
        [
            (steps + 0.5) * math.log(2) / generator.choice([1.0, 2.0, 2.02], len(steps)),
            steps * math.pi / 4,
            generator.uniform(-limits.reduction, limits.reduction, count // 2) // math.pi * (math.pi / 2),
            generator.choice(np.concatenate([switches, -switches, switches - 1, [-1 + 1e-6]]), count // 2),
        ]
    ).astype(dtype)
    nearby = beside * (1 + info.eps * generator.integers(-3, 4, beside.size))
    smooth = [generator.uniform(*ends, count) for ends in ((low, high), (max(low, -2), min(high, 2)))]
    tiny = generator.choice([-1, 1], count // 4) * info.smallest_normal * generator.uniform(0, 2, count // 4)
    found = np.concatenate([words.view(dtype), *(part.astype(dtype) for part in (*smooth, nearby, tiny))])
    real = {"log": found > 0, "log1p": found > -1, "acosh": found >= 1}
    inside = abs(found) < 1 if name in ("asin", "acos", "atanh") else real.get(name, np.isfinite(found))
    kept: Reals = found[inside & np.isfinite(found) & (found != 0)]
    return kept


UNBOUNDED = {
    "log", "log1p", "sin", "cos", "tan", "softplus", "asinh", "acosh", "atan", "erfcx",
    "erfcx_rate", "erfcx_curvature",
}  # fmt: skip
"""Functions that change all the way, and whose oracle takes any number."""


def exact(name: str, x: float) -> mpf:
    """The value to BITS bits; far outside the range, a number that rounds to the same as it."""
    low, high = RANGES[name]
    if name not in UNBOUNDED:
        x = min(max(x, 1.5 * low), 1.5 * high)  # exp(1e308) takes gigabytes
    if name == "softplus":
        return mpf(x) if x > 1000 else ORACLE[name](mpf(max(x, 1.5 * low)))
    return ORACLE[name](mpf(x))


def ulp(name: str, x: Reals, found: Reals) -> Reals:
    """|found − exact| in units in the last place of the exact value; inf where only one of them overflows."""
    info = np.finfo(x.dtype)
    smallest, largest = info.minexp - info.nmant, mpf(float(info.max)) * (1 + mpf(2) ** (-info.nmant - 2))
    errors = np.empty(x.size)
    with mpmath.workprec(BITS):
        for place, (argument, value) in enumerate(zip(x.tolist(), found.tolist())):
            wanted = exact(name, argument)
            if abs(wanted) > largest or not math.isfinite(value):
                errors[place] = 0 if value == math.copysign(INF, wanted) and abs(wanted) > largest else INF
            else:
                unit = max(mpmath.frexp(wanted)[1] - 1 - info.nmant if wanted else smallest, smallest)
                errors[place] = abs(mpmath.ldexp(mpf(value) - wanted, -unit))
    return errors


def same_bits(a: Reals, b: Reals) -> bool:
    """Whether two arrays are the same, −0 apart from 0, every nan like every other."""
    word = f"u{a.dtype.itemsize}"
    return bool((np.isnan(a) & np.isnan(b) | (a.view(word) == b.view(word))).all())


def specials(name: str, dtype: Dtype) -> tuple[Reals, Reals]:
    """Arguments and the values that must come out exactly."""
    info = np.finfo(dtype)
    ends = (-INF, -info.max, -info.smallest_subnormal, -0.0, 0.0, info.smallest_subnormal, info.max, INF)
    common = [(x, x if y == "x" else y) for x, y in zip(ends, SPECIALS[name]) if y is not None]
    pairs = [*common, *LANDMARKS.get(name, ()), (NAN, NAN)]
    return np.array([x for x, _ in pairs], dtype), np.array([y for _, y in pairs], dtype)


def test_every_function_of_the_compiler_has_a_translation() -> None:
    # What the compiler itself names, not what other tests derive from its classes.
    named = [getattr(functions, name) for name in functions.__all__]
    primitives = {c.__name__ for c in named if isinstance(c, type) and issubclass(c, Primitive) and c is not Primitive}
    assert len(primitives) > 10
    wanted = primitives | {function.__name__ for function in SYMPY_FUNCTIONS}
    assert wanted - TABLE.keys() - WRITTEN.keys() - {kind.__name__ for kind in SPECIAL_CODE} == set()
    assert SPECIAL_CODE.keys() == {kind for kind, row in functions.operations() if row.calls is not None}
    assert set(RANGES) == set(ULP_BOUNDS) == set(SPECIALS)
    assert set(RANGES) | set(CHOICES) == set(TABLE)


@pytest.mark.parametrize("dtype", DTYPES)
def test_constants_in_parts_add_up(dtype: Dtype) -> None:
    with mpmath.workprec(BITS + 60):
        for parts, constant in ((LN2, mpmath.ln2), (HALF_PI, mpmath.pi / 2)):
            numbers = np.array(parts[dtype], dtype).tolist()
            missing = abs(mpmath.fsum(mpf(number) for number in numbers) / constant - 1)
            # Each part leaves half an ULP of itself, and the next one begins there.
            assert missing < mpf(float(np.finfo(dtype).eps)) ** len(numbers), numbers


@every_function
def test_error_is_within_the_stated_bound(name: str, dtype: Dtype) -> None:
    x = points(name, dtype, 160)
    errors = ulp(name, x, apply(name, x))
    assert errors.max() <= ULP_BOUNDS[name][dtype] * TIES, x[errors.argmax()]


@every_function
def test_special_values_are_exact(name: str, dtype: Dtype) -> None:
    x, expected = specials(name, dtype)
    found = apply(name, x)
    assert same_bits(found, expected), list(zip(x, found, expected))


@one_of_three
def test_width_and_lane_do_not_change_a_bit(name: str, dtype: Dtype) -> None:
    x = np.concatenate([specials(name, dtype)[0], points(name, dtype, 60, seed=1)])
    expected = apply(name, x)
    for width in WIDTHS:
        for shift in (0, 3):
            found = np.roll(apply(name, np.roll(x, shift), width=width), -shift)
            assert same_bits(found, expected), (width, shift)
    assert same_bits(apply(name, x), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["acosh", "asinh", "erfc", "log", "log1p", "normal_cdf", "sigmoid"])
def test_branches_do_not_change_a_bit(name: str, dtype: Dtype) -> None:
    """A vector of usual numbers, one with a number that is none in each place, and what is left of a vector."""
    usual, unusual = points(name, dtype, 64, seed=3), specials(name, dtype)[0]
    x = np.concatenate([np.insert(usual[: 1 + n % 17], n % 7 % (1 + n % 17), value) for n, value in enumerate(unusual)])
    x = np.concatenate([usual, x, points(name, dtype, 500, seed=4)])
    found = np.empty_like(x)
    machine_code(TABLE[name], dtype, 8, kind=BranchingLanes)(x, found)
    assert same_bits(found, apply(name, x))


@pytest.mark.parametrize(
    ("dtype", "width"),
    [
        pytest.param(dtype, width, marks=() if quick else (pytest.mark.slow,))
        for dtype, width, quick in [("float64", 8, 1), ("float64", 1, 0), ("float32", 8, 0), ("float32", 1, 1)]
    ],
)
@pytest.mark.parametrize("name", RANGES)
def test_contraction_does_not_change_a_bit(name: str, dtype: Dtype, width: int) -> None:
    """Numba's fastmath={"contract"} marks bare products and sums; none of them may be there to fuse."""
    x = np.concatenate([specials(name, dtype)[0], points(name, dtype, 60, seed=2)])
    found = np.empty_like(x)
    machine_code(TABLE[name], dtype, width, fastmath=frozenset({"contract"}))(x, found)
    assert same_bits(found, apply(name, x))


def test_a_bare_product_in_a_sum_would_be_fused() -> None:
    x = np.array([1 + 2.0**-30])
    plain, fused = np.empty_like(x), np.empty_like(x)
    for out, flags in ((plain, frozenset()), (fused, frozenset({"contract"}))):
        machine_code(lambda lanes, x: lanes.builder.fsub(lanes.builder.fmul(x, x), x), "float64", 1, 1, flags)(x, out)
    assert (plain[0], fused[0]) == (x[0] * x[0] - x[0], 2.0**-30 + 2.0**-60)


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_choices_and_functions_of_several_arguments(name: str, dtype: Dtype) -> None:
    rows, values = zip(*CHOICES[name])
    expected = np.array(values, dtype)
    for width in (1, 8):
        found = apply(name, *(np.array(column, dtype) for column in zip(*rows)), width=width)
        assert same_bits(found, expected), (width, found)


@pytest.mark.parametrize("dtype", DTYPES)
def test_choices_inside_a_compiled_function(dtype: Dtype) -> None:
    """Nine samples of each row: a vector and one that is left over."""
    s, inputs, equations, values = Index("s", S), [], [], {}
    for name, rows in WRITTEN.items():
        columns = [Variable(f"{name}{n}", (S,)) for n in range(len(rows[0][0]))]
        inputs += columns
        equations.append(Equation(Variable(name, (S,))[s], getattr(functions, name)(*[c[s] for c in columns])))
        repeated = [rows[n % len(rows)] for n in range(9)]
        values |= {c.name: np.array(column, dtype) for c, column in zip(columns, zip(*[row for row, _ in repeated]))}
    graph = Graph(tuple(inputs), tuple(equations), tuple(WRITTEN))
    found = compile(graph, dtype=dtype, emitter="vector")(**values)
    for array, rows in zip(found, WRITTEN.values()):
        expected = np.array([rows[n % len(rows)][1] for n in range(9)], dtype)
        assert same_bits(array, expected), (rows, array)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_outside_the_arrays_is_touched(dtype: Dtype, width: int) -> None:
    for length in range(2 * width + 2):
        memory = np.full(length + 2 * width, 7, dtype)
        out = memory[width : width + length]
        compiled("exp", dtype, width)(np.zeros(length, dtype), out)
        assert (out == 1).all()
        assert (memory[:width] == 7).all()
        assert (memory[width + length :] == 7).all()


@pytest.mark.parametrize("width", WIDTHS)
def test_sums_and_maxima_across_lanes_follow_a_fixed_tree(width: int) -> None:
    """Lane 0 of the result of each vector holds it: halves are added until one lane is left."""

    def across(reduction: str) -> Callable[..., Any]:
        return lambda lanes, x: lanes.broadcast(getattr(lanes, reduction)(x))

    def tree(values: list[float]) -> float:
        half = len(values) // 2
        return values[0] if half == 0 else tree([a + b for a, b in zip(values[:half], values[half:])])

    x = np.random.Generator(np.random.PCG64(3)).normal(size=3 * width) * 10.0 ** np.arange(3 * width)
    out = np.empty_like(x)
    machine_code(across("sum"), "float64", width)(x, out)
    assert out.reshape(3, width).T.tolist() == [[tree(row.tolist()) for row in x.reshape(3, width)]] * width
    machine_code(across("max"), "float64", width)(x, out)
    assert out.reshape(3, width)[:, 0].tolist() == x.reshape(3, width).max(axis=1).tolist()
    x[width // 2] = NAN
    machine_code(across("max"), "float64", width)(x, out)
    assert np.isnan(out.reshape(3, width)[:, 0]).tolist() == [True, False, False]


def test_a_width_that_is_no_power_of_two_is_refused() -> None:
    with pytest.raises(EmitError, match="a vector of 3 lanes, expected a power of two"):
        Lanes(ir.IRBuilder(), 3, "float64")


# --- exhaustive ---------------------------------------------------------------------------------------------------

FLOAT64: Mapping[str, Callable[[Reals], Any]] = {
    **{name: getattr(np, name) for name in RANGES if hasattr(np, name)},
    "sigmoid": lambda x: np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x))),
    "sigmoid_slope": elementwise_in_numpy.sigmoid_slope,
    "softplus": lambda x: np.log1p(np.exp(-abs(x))) + np.maximum(x, 0),
    "normal_cdf": lambda x: special.erfc(-x / math.sqrt(2)) / 2,
    "erf": special.erf,
    "erfc": special.erfc,
    "erfcx": special.erfcx,
    "erfcx_rate": elementwise_in_numpy.erfcx_rate,
    "erfcx_curvature": elementwise_in_numpy.erfcx_curvature,
}
"""The functions in float64, 2⁻²⁹ of a float32 ULP away from exact."""


@pytest.mark.slow
@pytest.mark.parametrize("name", RANGES)
def test_error_of_float32_over_millions_of_points(name: str) -> None:
    x = points(name, "float32", 2**21, seed=4)
    found = apply(name, x).astype(np.float64)
    with np.errstate(all="ignore"):
        wanted = FLOAT64[name](x.astype(np.float64))
        # From half an ULP above the largest number on, inf is right.
        overflow = abs(wanted) >= 2.0**128 - 2.0**103
        assert (found[overflow] == np.copysign(INF, wanted[overflow])).all()
        _, exponents = np.frexp(wanted)
        errors = np.where(overflow, 0, abs(found - wanted) * np.exp2(np.minimum(24 - exponents, 149)))
    assert errors.max() <= ULP_BOUNDS[name]["float32"] * TIES, x[errors.argmax()]


@pytest.mark.slow
@pytest.mark.parametrize("name", RANGES)
def test_error_of_float64_over_many_points(name: str) -> None:
    x = points(name, "float64", 20_000, seed=5)
    errors = ulp(name, x, apply(name, x))
    assert errors.max() <= ULP_BOUNDS[name]["float64"] * TIES, x[errors.argmax()]


SHORT = 13
"""Longer polynomials take up to half a minute to be rounded: of these the first coefficient is found again, by a fit of
the whole polynomial; ``python -m tests.benchmarks.coefficients`` prints them all."""


@pytest.mark.parametrize(
    "name", ["sinh", *(pytest.param(n, marks=pytest.mark.slow) for n in COEFFICIENTS if n != "sinh")]
)
def test_coefficients_are_those_of_the_script(name: str) -> None:
    with mpmath.workdps(70):  # the digits of the script, which sets them for everyone
        from tests.benchmarks.coefficients import FITS, first, rounded

        assert FITS.keys() == COEFFICIENTS.keys()
        fit = FITS[name]
        assert fit.counts == {dtype: len(found) for dtype, found in COEFFICIENTS[name].items()}
        for dtype, count in fit.counts.items():
            texts = rounded(fit, dtype) if count <= SHORT else first(fit, dtype)
            assert tuple(map(float, texts)) == tuple(COEFFICIENTS[name][dtype])[: len(texts)], dtype
