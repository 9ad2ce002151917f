"""Compiled code gives what the graph says: every emitter and schedule against the evaluator, and hostile input."""

from __future__ import annotations

import ast
import copy
import gc
import inspect
import math
import pickle
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from sympy import Expr, Piecewise, Symbol, symbols

import codegen
from codegen import CompiledFunction, EmitError, Equation, Graph, Index, Reduction, Variable, from_expressions, gradient
from codegen import functions as f
from codegen.compiler import Compilation
from codegen.emit.layout import layout
from codegen.emit.numba import emit
from codegen.emit.numpy import numpy_function
from codegen.emit.vector import nodes
from codegen.numeric.evaluate import evaluate
from codegen.passes import optimise
from codegen.runtime.cache import Entry
from codegen.runtime.machine import TIERS, host
from codegen.runtime.native import builtin
from codegen.schedule import SCHEDULES, ScheduleName
from codegen.schedule import schedule as scheduled
from tests.codegen.networks import (
    ENDINGS,
    distance,
    index_graphs,
    linear_classifier,
    mlp,
    outputs,
    parameters,
    random_values,
)
from tests.properties import counted, holds_for

x, y, z = symbols("x y z", real=True)


def run(graph: Graph, values: dict[str, np.ndarray], **options: object) -> list[np.ndarray]:
    """The outputs of the compiled graph, as a list."""
    function = codegen.compile(graph, cache=False, **options)  # type: ignore[arg-type]
    arguments = [values[v.name] if v.shape else values[v.name].item() for v in graph.inputs]
    results = function(*arguments)
    return [np.asarray(r) for r in (results if len(graph.outputs) > 1 else [results])]


# --- every emitter and schedule computes the same -----------------------------------------------------------------

NETWORKS = {
    "linear 4-3": linear_classifier(4, 3),
    "2-5-3": mlp([2, 5, 3]),
    "3-1-3, a single hidden unit": mlp([3, 1, 3]),
    "1-4-3, a single input": mlp([1, 4, 3]),
    "20-17-13-3, large enough for BLAS": mlp([20, 17, 13, 3]),
    "silu": mlp([3, 4, 3], f.silu),
    "gelu": mlp([3, 4, 3], f.gelu),
    "relu": mlp([3, 4, 3], f.relu),
    "elu": mlp([3, 4, 3], lambda u: f.elu(u, sympy.Integer(1))),
    **{f"ending {ending.__name__}": mlp([3, 4, 3], ending=ending) for ending in ENDINGS},
}


@cache
def gradient_of(name: str) -> Graph:
    return gradient(NETWORKS[name], "loss", parameters(NETWORKS[name]))


EVERY_WAY = "2-5-3"
"""The network that the quick suite compiles by every schedule, as readable code in tiles; of readable loops
test_transformations_compiled has one."""
LARGE = "20-17-13-3, large enough for BLAS"
"""It compiles that one as vectors by every schedule, and the others as ``blas`` vectors."""


MUCH_ALIKE = {
    *("silu", "elu"),
    *(f"ending {ending.__name__}" for ending in ENDINGS if ending.__name__ != "hinge"),
}
"""Networks that the quick suite compiles by no schedule: each differs from one that it does in a function."""


def ways() -> list[object]:
    """Every network by every schedule, two of them as readable code too, most of it slow."""
    found: list[object] = []
    for name in NETWORKS:
        for schedule in SCHEDULES:
            for emitter in ("vector", "numba"):
                if (name.startswith("20-"), schedule) == (True, "unrolled"):
                    continue  # two thousand statements of straight-line code take a minute to compile
                if emitter == "numba" and schedule != "loops" and name not in (EVERY_WAY, LARGE):
                    continue  # random graphs go through these too, and most of a network is the same in all of them
                quick = name == EVERY_WAY and (emitter == "vector" or schedule == "tiled")
                quick |= (schedule, emitter) == ("blas", "vector") and name not in MUCH_ALIKE
                quick |= name == LARGE and emitter == "vector"
                of_values = () if name == EVERY_WAY else (pytest.mark.values,)
                marks = of_values if quick else (pytest.mark.slow,)
                found.append(pytest.param(name, schedule, emitter, marks=marks))
    return found


@pytest.mark.parametrize(("name", "schedule", "emitter"), ways())
def test_a_compiled_gradient_is_the_evaluated_gradient(name: str, schedule: str, emitter: str) -> None:
    graph = gradient_of(name)
    values = random_values(graph, samples=7)
    emitter = "auto" if name == "ending hinge" and emitter == "vector" else emitter  # the derivative of a maximum
    assert distance(run(graph, values, schedule=schedule, emitter=emitter), outputs(graph, values)) <= 1e-12


@pytest.mark.parametrize("name", NETWORKS)
def test_the_numpy_emitter_agrees(name: str) -> None:
    graph = gradient_of(name)
    values = random_values(graph, samples=5)
    found = numpy_function(graph)(*[values[v.name] for v in graph.inputs])
    assert distance(found, outputs(graph, values)) <= 1e-12


@pytest.mark.parametrize("name", ["2-5-3", LARGE, pytest.param("gelu", marks=pytest.mark.slow)])
def test_float32_is_within_rounding_of_float64(name: str) -> None:
    graph = gradient_of(name)
    values = random_values(graph, samples=7)
    single = {k: v.astype(np.float32) if v.dtype == np.float64 else v for k, v in values.items()}
    found = run(graph, single, dtype="float32")
    assert all(array.dtype == np.float32 for array in found[1:])
    assert distance([a.astype(float) for a in found], outputs(graph, values)) <= 5e-4


@holds_for(index_graphs(), quick=8, slow=25)
def test_random_index_graphs_through_numpy(graph: Graph) -> None:
    derived = gradient(graph, "L")
    values = random_values(derived, samples=3)
    found = numpy_function(derived)(*[values[v.name] for v in derived.inputs])
    assert distance(found, outputs(derived, values)) <= 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("emitter", ["auto", "numba"])
@pytest.mark.parametrize("schedule", SCHEDULES)
@settings(max_examples=15)
@given(graph=index_graphs(), samples=st.sampled_from([1, 3, 8, 19]))
def test_random_index_graphs_compiled(graph: Graph, samples: int, schedule: str, emitter: str) -> None:
    derived = gradient(graph, "L")
    values = random_values(derived, samples=samples)
    try:
        found = run(derived, values, schedule=schedule, emitter=emitter)
    except EmitError:
        if schedule != "tiled":  # which refuses pairs of samples
            raise
        return
    assert distance(found, outputs(derived, values)) <= 1e-12


# --- scalar functions ---------------------------------------------------------------------------------------------

POINTS = [0.0, -0.0, 0.3, -0.7, 1.0, -1.0, 6.0, 40.0, -40.0, 1000.0, -1000.0, 5e-324, math.inf, -math.inf, math.nan]
FUNCTIONS: dict[str, Expr] = {
    "sigmoid": f.sigmoid(x),
    "softplus": f.softplus(x),
    "log_sigmoid": f.log_sigmoid(x),
    "tanh": sympy.tanh(x),
    "relu": f.relu(x),
    "leaky_relu": f.leaky_relu(x, sympy.Rational(1, 10)),
    "elu": f.elu(x, sympy.Rational(3, 2)),
    "relu6": f.relu6(x),
    "hard_tanh": f.hard_tanh(x),
    "absolute": f.absolute(x),
    "sign": f.sign(x),
    "step": f.step(x),
    "expm1": f.expm1(x),
    "exp": sympy.exp(x),
    "normal_cdf": f.normal_cdf(x),
    "erf": sympy.erf(x),
    "atan": sympy.atan(x),
    "maximum": f.maximum(x, sympy.Rational(1, 3), -x),
    "minimum": f.minimum(x, sympy.Rational(1, 3), -x),
    "x**3": x**3,
    "x**7": x**7,
    "1/(1 + x**2)": 1 / (1 + x**2),
    "Piecewise": Piecewise((x**2, x > 1), (sympy.sqrt(1 - x), x < 0), (x, True)),
    "three-way and": Piecewise((1, sympy.And(x > 0, x < 2)), (2, sympy.Or(x > 5, x < -5)), (3, True)),
}


def derivatives(names: Sequence[str]) -> Graph:
    """Functions with their derivatives as one graph: what a module costs is paid once."""
    graphs = [gradient(from_expressions({name: FUNCTIONS[name]}, [x]), name) for name in names]
    equations = tuple(equation for graph in graphs for equation in graph.equations)
    return Graph(graphs[0].inputs, equations, tuple(output for graph in graphs for output in graph.outputs))


UNORDERED = ("maximum", "minimum")
"""Their derivatives compare real numbers, which the vector emitter leaves to the readable code."""
BY_FORM = ("1/(1 + x**2)",)
"""Their derivatives at infinity are those of stable forms, which NumPy's code does not have."""
WRITERS: dict[str, tuple[list[str], Callable[[Graph], Callable[..., tuple[float, ...]]]]] = {
    "vector": (
        [name for name in FUNCTIONS if name not in UNORDERED],
        lambda graph: codegen.compile(graph, cache=False, emitter="vector"),
    ),
    "auto": ([*UNORDERED], lambda graph: codegen.compile(graph, cache=False)),
    "numba": ([*FUNCTIONS], lambda graph: codegen.compile(graph, cache=False, emitter="numba")),
    "numpy": ([name for name in FUNCTIONS if name not in BY_FORM], numpy_function),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_functions_and_their_derivatives_at_ordinary_and_special_points(writer: str) -> None:
    names, write = WRITERS[writer]
    graph = derivatives(names)
    function = write(graph)
    for point in POINTS:
        expected = evaluate(graph, {"x": np.array(point)})
        for output, found in zip(graph.outputs, function(point), strict=True):
            assert np.allclose(found, expected[output], rtol=1e-14, atol=1e-14, equal_nan=True), (output, point)


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_and_its_derivative_alone(name: str) -> None:
    graph = derivatives([name])
    first = "auto" if name in UNORDERED else "vector"
    vector, scalar = (codegen.compile(graph, cache=False, emitter=emitter) for emitter in (first, "numba"))
    for point in POINTS:
        expected = [float(v) for v in evaluated(graph, point)]
        for found in (vector(point), scalar(point)):
            assert np.allclose([float(v) for v in found], expected, rtol=1e-14, atol=1e-14, equal_nan=True), point


def evaluated(graph: Graph, point: float) -> list[np.ndarray]:
    values = evaluate(graph, {"x": np.array(point)})
    return [values[name] for name in graph.outputs]


@pytest.mark.parametrize(
    ("function", "point", "value"),
    [
        (f.sigmoid(x), -800.0, 0.0),
        (f.softplus(x), 800.0, 800.0),
        (f.log_sigmoid(x), -800.0, -800.0),
        (f.sigmoid(x).diff(x), 800.0, 0.0),
        (f.sigmoid(x).diff(x), -800.0, 0.0),
        (f.relu(x).diff(x), 0.0, 0.0),
        (f.absolute(x).diff(x), 0.0, 0.0),
        (f.leaky_relu(x, sympy.Rational(1, 4)).diff(x), 0.0, 0.25),
        (f.relu6(x).diff(x), 6.0, 0.0),
        (f.hard_tanh(x).diff(x), -1.0, 0.0),
        (f.maximum(x, sympy.Integer(2)).diff(x), 2.0, 0.5),
        (sympy.Rational(1, 3) + 0 * x + x, 0.0, 1 / 3),
        (x + sympy.Float("0.1"), 0.0, 0.1),
        (x * sympy.pi, 1.0, math.pi),
        (x + sympy.Rational(10**17 + 1, 10**17), 0.0, 1.0),
    ],
)
def test_a_stated_value_is_met_exactly(function: Expr, point: float, value: float) -> None:
    assert codegen.compile(from_expressions({"f": function}, [x]), cache=False)(point) == value


def test_extreme_logits_have_a_finite_loss_and_gradient() -> None:
    S, s, t = codegen.sample_extent(), Index("s", codegen.sample_extent()), Index("t", 3)
    from tests.codegen.networks import cross_entropy

    u, labels = Variable("u", (S, 3)), Variable("y", (S,), "integer")
    graph = gradient(Graph((u, labels), cross_entropy(u, t), ("loss",)), "loss", ["u"])
    loss, derivative = codegen.compile(graph, cache=False)(np.array([[0.0, 1000.0, 0.0]]), np.array([0]))
    assert loss == 1000.0
    assert derivative.tolist() == [[-1.0, 1.0, 0.0]]
    assert s.upper == S - 1


# --- the generated source -----------------------------------------------------------------------------------------

HOSTILE = [
    '"""\nraise SystemExit',
    "a\nimport os",
    "');__import__('os').system('true')#",
    "\\",
    "#",
    "{0}",
    "a b",
    "λ",
    "\u2028x",
    "lambda",
    "a0",
    "np",
    "n" * 500,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_users_name_never_becomes_code(name: str) -> None:
    a, b = Symbol(name), Symbol(name + "'")
    graph = gradient(from_expressions({name + "=": a * b}, [a, b]), name + "=")
    function = codegen.compile(graph, cache=False, pack={name + "pack": [name]})
    assert function(np.array([3.0]), 4.0) == (12.0, 4.0, 3.0)
    identifiers = {node.id for node in ast.walk(ast.parse(function.source)) if isinstance(node, ast.Name)}
    assert not identifiers & {name, name + "'"} - {"a0", "np"}
    assert numpy_function(graph)(3.0, 4.0) == (12.0, 4.0, 3.0)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_source_of_a_small_network(schedule: ScheduleName, golden) -> None:  # type: ignore[no-untyped-def]
    network = mlp([2, 3, 2])
    names = parameters(network)
    graph = gradient(network, "loss", names)
    packs = {"theta": names, "gradient": [f"dloss/d{n}" for n in names]}
    source = emit(scheduled(optimise(graph)[0], schedule), layout(graph, packs), "float64")
    golden(f"numba_{schedule}.txt", source)


def test_the_source_of_the_plain_reference(golden) -> None:  # type: ignore[no-untyped-def]
    network = mlp([2, 3, 2])
    golden("numpy.txt", numpy_function(gradient(network, "loss", parameters(network))).source)


def test_generating_does_not_depend_on_the_width() -> None:
    wide = gradient(mlp([784, 512, 256, 3]), "loss")
    narrow = gradient(mlp([100, 90, 95, 3]), "loss")
    lines = [codegen.compile(g, schedule="blas", cache=False).source.count("\n") for g in (narrow, wide)]
    assert lines[0] == lines[1]


# --- calling ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network() -> CompiledFunction:
    graph = mlp([4, 5, 3])
    names = parameters(graph)
    packs = {"theta": names, "gradient": [f"dloss/d{n}" for n in names]}
    return codegen.compile(gradient(graph, "loss", names), cache=False, pack=packs)


@pytest.fixture(scope="module")
def arguments() -> tuple[np.ndarray, ...]:
    r = np.random.Generator(np.random.PCG64(0))
    return r.normal(size=(6, 4)), r.integers(0, 3, 6), r.normal(size=43)


def test_results_can_be_written_into_given_arrays(network: CompiledFunction, arguments: tuple[np.ndarray, ...]) -> None:
    loss, expected = network(*arguments)
    out = np.empty(43)
    again, returned = network(*arguments, out=out)
    assert again == loss
    assert returned is out
    assert (out == expected).all()


def test_read_only_arguments_are_accepted(network: CompiledFunction, arguments: tuple[np.ndarray, ...]) -> None:
    expected = network(*arguments)
    frozen = [a.copy() for a in arguments]
    for a in frozen:
        a.flags.writeable = False
    assert network(*frozen)[0] == expected[0]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda a: a[:2], TypeError, "expected 3 arguments (x, y, theta), found 2"),
        (lambda a: (a[0].tolist(), *a[1:]), TypeError, "'x' must be a numpy array of float64, found a list"),
        (lambda a: (a[0].astype(np.float32), *a[1:]), TypeError, "'x' must have dtype float64, found float32"),
        (lambda a: (a[0].T.copy().T, *a[1:]), ValueError, "'x' must be C-contiguous"),
        (lambda a: (a[0][:, :3].copy(), *a[1:]), ValueError, "'x' must have shape (S, 4), found (6, 3)"),
        (lambda a: (a[0].ravel(), *a[1:]), ValueError, "'x' must have shape (S, 4), found (24,)"),
        (lambda a: (a[0][:0], a[1][:0], a[2]), ValueError, "S ≥ 1"),
        (lambda a: (a[0], a[1][:5].copy(), a[2]), ValueError, "'y' has S = 5 by its shape (5,), but 'x' has S = 6"),
        (lambda a: (a[0], a[1].astype(float), a[2]), TypeError, "'y' must have dtype int64, found float64"),
        (lambda a: (a[0], a[1], a[2][:-1].copy()), ValueError, "'theta' must have shape (43,), found (42,)"),
        (lambda a: (a[0], a[1], None), TypeError, "'theta' must be a numpy array of float64, found a NoneType"),
    ],
)
def test_wrong_arguments_of_bind_say_what_was_expected(network, arguments, change, error, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error) as caught:
        network.bind(*change(arguments))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("out", "error", "words"),
    [
        (lambda a: np.empty(42), ValueError, "'gradient' must have shape (43,), found (42,)"),
        (lambda a: np.empty(43, np.float32), TypeError, "'gradient' must have dtype float64"),
        (lambda a: a[2], ValueError, "shares memory with an argument"),
        (lambda a: (np.empty(43), np.empty(43)), TypeError, "out needs 1 arrays (gradient), found 2"),
        (lambda a: [None], TypeError, "must be a writable numpy array, found a NoneType"),
    ],
)
def test_wrong_out_says_what_was_expected(network, arguments, out, error, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error) as caught:
        network(*arguments, out=out(arguments))
    assert words in str(caught.value)


def test_a_kernel_checks_shapes_in_jitted_code_too(network, arguments) -> None:  # type: ignore[no-untyped-def]
    kernel = network.kernel

    @njit
    def call(inputs, labels, theta):  # type: ignore[no-untyped-def]
        return kernel(inputs, labels, theta)[0]

    with pytest.raises(ValueError, match=r"theta\) of shape \(43\)"):
        call(arguments[0], arguments[1], arguments[2][:-1].copy())


def test_readable_code_writes_to_no_argument_and_no_result_twice() -> None:
    d = Index("d", 3)
    v, e, h = Variable("v", (3,)), Variable("e", (3,)), Variable("h", (3,))
    graph = Graph((v,), (Equation(e[d], 2 * v[d]), Equation(h[d], 3 * v[d])), ("e", "h"))
    fill, arrays = codegen.compile(graph, emitter="numba").fill, np.ones(9).reshape(3, 3)
    fill(*arrays)
    assert arrays.tolist() == [[1] * 3, [2] * 3, [3] * 3]
    for rows in ((0, 0, 1), (0, 1, 0), (0, 1, 1)):
        with pytest.raises(ValueError, match="shares memory with an argument or another result"):
            fill(*[arrays[n] for n in rows])
    with pytest.raises(ValueError, match="o1 shares memory"):
        fill(arrays[0], arrays[1], arrays.ravel()[5:8])


def test_two_threads_may_call_one_function(network: CompiledFunction, arguments: tuple[np.ndarray, ...]) -> None:
    expected = network(*arguments)[1]
    wrong: list[int] = []

    def work() -> None:
        for _ in range(300):
            if not (network(*arguments)[1] == expected).all():
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dtype": "float16"}, "unknown dtype 'float16'"),
        ({"dtype": None}, "unknown dtype None, expected one of float64, float32"),
        ({"dtype": ">f8"}, "unknown dtype '>f8'"),
        ({"dtype": 3}, "unknown dtype 3"),
        ({"schedule": "fast"}, "unknown schedule 'fast', expected one of auto"),
        ({"pack": {"theta": ["W9"]}}, "pack 'theta' names 'W9'"),
        ({"pack": {"theta": ["W1", "loss"]}}, "mixes inputs and outputs"),
        ({"pack": {"theta": ["y"]}}, "holds integers"),
        ({"pack": {"theta": ["x"]}}, "symbolic extent"),
        ({"pack": {"x": ["W1"]}}, "has the name of an input or output"),
        ({"pack": {"theta": ["W1", "W1"]}}, "'W1' is packed twice"),
        ({"pack": {"theta": []}}, "pack 'theta' is empty"),
    ],
)
def test_bad_options_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(codegen.EmitError) as caught:
        codegen.compile(mlp([2, 2, 2]), **options)  # type: ignore[arg-type]
    assert words in str(caught.value)


STAGES = {"vector": ["passes", "schedule", "write", "LLVM", "load"], "numba": ["passes", "schedule", "write", "Numba"]}


@pytest.mark.parametrize("emitter", STAGES)
def test_the_report_tells_what_each_stage_took(emitter: Any) -> None:
    a, b = symbols("a b")
    graph = codegen.gradient(codegen.from_expressions({"e": (a + b) * (b + 1)}, [a, b]), "e")
    function = codegen.compile(graph, emitter=emitter, cache=False)
    report = function.report
    assert list(report.stages) == ["key", *STAGES[emitter]]
    said = str(report)
    assert function.source
    assert str(function.report) == said
    assert all(seconds >= 0 for seconds in report.stages.values())
    assert sum(report.stages.values()) <= report.seconds
    assert f"compiled in {report.seconds * 1e3:.0f} ms: key " in str(report)


@pytest.mark.parametrize("dtype", [np.float32, np.dtype("f4"), "float32", "f4"])
def test_a_dtype_is_numpys_or_its_name(dtype: object) -> None:
    function = codegen.compile(from_expressions({"e": x * y}, [x, y]), dtype=dtype, pack={"in": "x"})  # type: ignore[arg-type]
    assert function.report.dtype == "float32"
    assert function([0.5], 3) == 1.5


def test_scalars_may_be_packed_on_both_sides() -> None:
    graph = gradient(from_expressions({"e": x * y + z}, [x, y, z]), "e")
    packs = {"in": ["x", "z"], "out": ["de/dx", "de/dy", "de/dz"]}
    value, derivatives = codegen.compile(graph, cache=False, pack=packs)(np.array([2.0, 5.0]), 3.0)
    assert value == 11.0
    assert derivatives.tolist() == [3.0, 2.0, 1.0]


def test_a_graph_without_inputs_is_a_constant() -> None:
    assert codegen.compile(from_expressions({"c": sympy.Integer(3)}, []), cache=False)() == 3.0


def test_a_maximum_over_all_samples() -> None:
    S = codegen.sample_extent()
    s, a = Index("s", S), Variable("a", (S,))
    graph = Graph((a,), (Equation(Variable("m").symbol, a[s], Reduction.MAX, (s,)),), ("m",))
    function = codegen.compile(gradient(graph, "m"), cache=False)
    value, derivative = function(np.array([1.0, 3.0, 3.0, 2.0]))
    assert value == 3.0
    assert derivative.tolist() == [0.0, 0.5, 0.5, 0.0]


def chain(levels: int) -> Graph:
    """Each vertex read twice by the next."""
    bodies: dict[str, Expr] = {}
    previous: Expr = x
    for level in range(levels):
        bodies[f"e{level}"] = previous / 2 + sympy.tanh(previous) / 3
        previous = Symbol(f"e{level}")
    return from_expressions(bodies, [x]).with_outputs(f"e{levels - 1}")


@pytest.mark.slow
def test_the_stages_of_a_chain_take_time_in_proportion_to_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in calls of functions, of which LLVM has none: for it the chain is cut into functions of one length."""
    by_llvm = replace(host(), assembly=False)
    monkeypatch.setattr("codegen.compiler.LINE_TIERS", dict.fromkeys(TIERS, str.encode))

    def built(graph: Graph) -> Entry:
        compilation = Compilation(graph, layout(graph, {}), "float64", "auto", "auto", target=by_llvm)
        assert compilation.key
        return compilation.build()

    (few, _), (many, entry) = (counted(built, chain(levels)) for levels in (300, 1200))
    assert many < 6 * few  # 16 if it were quadratic
    assert entry.facts["emitter"] == "vector"
    lengths = [part.count("\n") for part in entry.code.decode().split("\ndefine ")]
    assert max(lengths) < sum(lengths) / 5


@pytest.mark.slow
def test_a_chain_beyond_the_limit_of_recursion_goes_through_every_stage() -> None:
    graph = chain(1200)
    value, derivative = numpy_function(gradient(graph, "e1199"))(1.0)
    assert codegen.compile(graph, cache=False)(1.0) == pytest.approx(float(value), rel=1e-14, abs=0)
    assert math.isfinite(float(derivative))


def test_a_body_nested_150_deep_goes_through_every_stage() -> None:
    nested: Expr = x
    for _ in range(150):
        nested = sympy.sin(nested) * sympy.cos(nested)
    graph = gradient(from_expressions({"e": nested}, [x]), "e")
    found = codegen.compile(graph, cache=False)(0.5)
    assert distance([np.asarray(v) for v in found], evaluated(graph, 0.5)) <= 1e-12


def test_the_derivative_of_a_maximum_of_products_is_not_lost() -> None:
    x_, m, c = Variable("x", (4,)), Variable("m"), Variable("c")
    i, j = Index("i", 4), Index("j", 4)
    graph = Graph((x_, c), (Equation(m.symbol, c.symbol * x_[i] * x_[j], Reduction.MAX, (i, j)),), ("m",))
    derived = gradient(graph, "m", ["x"])
    generator = np.random.Generator(np.random.PCG64(0))
    for _ in range(40):
        point = {"x": generator.normal(size=4), "c": np.array(1.3)}
        found = evaluate(derived, point)[derived.outputs[1]]
        assert np.abs(found).sum() == pytest.approx(2 * 1.3 * np.abs(point["x"]).max())


def test_pairs_of_samples_are_not_tiled() -> None:
    S = codegen.sample_extent()
    s, r, h = Index("s", S), Index("r", S), Index("h", 3)
    x_, K, loss = Variable("x", (S, 3)), Variable("K", (S, S)), Variable("loss")
    equations = (
        Equation(K[s, r], x_[s, h] * x_[r, h], Reduction.SUM, (h,)),
        Equation(loss.symbol, sympy.tanh(K[s, s]), Reduction.SUM, (s,)),
    )
    graph = gradient(Graph((x_,), equations, ("loss",)), "loss")
    values = random_values(graph, samples=21)
    for schedule in ("unrolled", "loops", "blas"):
        assert distance(run(graph, values, schedule=schedule, emitter="vector"), outputs(graph, values)) <= 1e-12
    with pytest.raises(EmitError, match="over which the samples are independent"):
        codegen.compile(graph, schedule="tiled")


def test_an_integer_argument_is_not_truncated() -> None:
    k, a = Variable("k", (), "integer", 3), Variable("a")
    graph = Graph((k, a), (Equation(Variable("o").symbol, k.symbol * a.symbol),), ("o",))
    function = codegen.compile(graph, cache=False)
    assert function(2, 2.5) == 5.0
    with pytest.raises(TypeError, match=r"'k' must be a whole number \(int64\), found 1\.9"):
        function(1.9, 2.5)
    with pytest.raises(TypeError, match="'k' must be a number \\(int64\\), found a float"):
        function.bind(2.0, 2.5)


def test_an_array_that_is_an_input_and_an_output_is_refused() -> None:
    d = Index("d", 3)
    v, e = Variable("v", (3,)), Variable("e", (3,))
    with pytest.raises(EmitError, match="the output 'v' is an input"):
        codegen.compile(Graph((v,), (Equation(e[d], 2 * v[d]),), ("v", "e")))


def test_converting_a_number_cannot_change_an_array_behind_the_checks() -> None:
    """Numbers are converted before arrays are looked at."""
    S = codegen.sample_extent()
    s = Index("s", S)
    v, a, e = Variable("v", (S,)), Variable("a"), Variable("e", (S,))
    function = codegen.compile(Graph((v, a), (Equation(e[s], a.symbol * v[s]),), ("e",)), cache=False)
    values, out = np.ones(1000), np.empty(1000)

    class Number:
        def __float__(self) -> float:
            values.resize(0, refcheck=False)
            return 1.0

    with pytest.raises((TypeError, ValueError), match="must"):
        function(values, Number(), out=out)


@pytest.mark.parametrize(
    ("arguments", "out", "message"),
    [
        ((np.ones(3),), 5, "out must be an array or a tuple of arrays, found an int"),
        ((np.ones(3), np.ones(3)), np.empty(3), "expected 1 arguments .v., found 2"),
        ((np.ma.masked_array(np.ones(3)),), None, "'v' must be a numpy array of float64, found a masked array"),
    ],
)
def test_what_does_not_fit_is_named(arguments: tuple[object, ...], out: object, message: str) -> None:
    d = Index("d", 3)
    v, e = Variable("v", (3,)), Variable("e", (3,))
    function = codegen.compile(Graph((v,), (Equation(e[d], 2 * v[d]),), ("e",)))
    with pytest.raises(TypeError, match=message):
        function(*arguments, out=out)


def test_an_integer_out_of_range_is_named() -> None:
    k, a = Variable("k", (), "integer", 3), Variable("a")
    function = codegen.compile(Graph((k, a), (Equation(Variable("o").symbol, k.symbol * a.symbol),), ("o",)))
    for wrong in (3, -1, 2**70):
        with pytest.raises(ValueError, match=f"'k' must be an integer from 0 to 2, found {wrong}"):
            function(wrong, 1.0)


def test_the_diagonal_of_two_sample_axes_is_not_tiled() -> None:
    S = codegen.sample_extent()
    s = Index("s", S)
    M, r = Variable("M", (S, S)), Variable("r", (S,))
    function = codegen.compile(Graph((M,), (Equation(r[s], 2 * M[s, s]),), ("r",)))
    values = np.random.default_rng(0).normal(size=(19, 19))
    assert (function(values) == 2 * np.diag(values)).all()


@pytest.mark.parametrize("again", [copy.deepcopy, lambda f: pickle.loads(pickle.dumps(f))], ids=["copied", "pickled"])
def test_a_function_can_go_elsewhere(again: Callable[[CompiledFunction], CompiledFunction]) -> None:
    network = mlp([3, 5, 2])
    names = parameters(network)
    function = codegen.compile(gradient(network, "loss", names), dtype="float32", pack={"theta": names})
    found = again(function)
    assert repr(found) == repr(function)
    generator = np.random.Generator(np.random.PCG64(0))
    arguments = [
        generator.integers(0, 2, 4) if slot.kind == "integer" else generator.normal(size=shape).astype(np.float32)
        for slot in function.layout.arguments
        for shape in [[n if isinstance(n, int) else 4 for n in slot.shape]]
    ]
    for value, expected in zip(found(*arguments), function(*arguments)):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("chosen", [{}, {"emitter": "numba"}, {"threads": 2}], ids=["native", "numba", "threads"])
def test_a_bound_function_can_go_elsewhere(chosen: dict[str, Any]) -> None:
    values, slope = np.array([1.0, 2.0]), np.empty(2)
    i, u = sympy.Idx("i", symbols("n", integer=True)), sympy.IndexedBase("u")
    graph = from_expressions({"e": sympy.Sum(u[i] ** 3, i)}, [u[i]])
    bound = codegen.compile(gradient(graph, "e"), **chosen).bind(values, out=slope)
    assert copy.deepcopy(bound) is bound
    again, others, result = pickle.loads(pickle.dumps((bound, values, slope)))
    others[0] = 3.0
    assert again()[0] == 35.0
    assert result.tolist() == [27.0, 12.0]
    assert bound()[0] == 9.0
    with pytest.raises(TypeError, match="a bound function takes no arguments, found 1"):
        again(values)


def test_machine_code_is_pickled_as_what_it_was_made_from() -> None:
    function = codegen.compile(from_expressions({"e": x**2}, [x]))
    for jitted in (function.kernel, function.fill):
        assert pickle.loads(pickle.dumps(jitted))(3.0) == 9.0
    with pytest.raises(TypeError, match="good in its own process only; pickle the compiled function"):
        pickle.dumps(function.c_function)


def test_a_function_has_a_signature() -> None:
    lam, rate = symbols("lambda rate")
    function = codegen.compile(from_expressions({"e": lam * rate}, [lam, rate]))
    assert str(inspect.signature(function)) == "(argument0, rate, *, out=None)"


def test_readable_code_says_why_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "is_mixed", lambda _: True)
    reason = "an array that holds vectors in one loop and numbers in another"
    graph = from_expressions({"e": x**2 + x}, [x])
    with pytest.warns(codegen.ReadableCodeWarning, match=f"{reason} has no vector form"):
        function = codegen.compile(graph, cache=False)
    assert function.report.reason == reason
    assert f"numba code ({reason} has no vector form)" in str(function.report)


def test_a_length_that_no_array_has_is_refused() -> None:
    n = codegen.sample_extent("n")
    i, W = Index("i", n), Variable("W", (2 * n,))
    graph = Graph((W,), (Equation(Variable("e").symbol, W[i + n] * W[i], Reduction.SUM, (i,)),), ("e",))
    with pytest.raises(EmitError, match=r"no axis of an input has the length n that W\[2\*n\] is made of"):
        codegen.compile(graph)


@pytest.mark.parametrize("samples", [1, 5, 37])
def test_two_symbolic_extents_and_pairs_are_vector_code(samples: int) -> None:
    n, m = codegen.sample_extent("n"), codegen.sample_extent("m")
    s, r, t = codegen.Index("s", n), codegen.Index("r", n), codegen.Index("t", m - 1)
    X, h, e = codegen.Variable("X", (n, m)), codegen.Variable("h", (n, m)), codegen.Variable("e")
    equations = (
        codegen.Equation(h[s, 0], X[s, 0]),
        codegen.Equation(h[s, t + 1], sympy.tanh(h[s, t] + X[s, t + 1])),
        codegen.Equation(e.symbol, (h[s, t] - h[r, t]) ** 2, codegen.Reduction.SUM, (s, r, t)),
    )
    graph = gradient(codegen.Graph((X,), equations, ("e",)), "e")
    values = {"X": np.random.default_rng(samples).normal(size=(samples, 6))}
    found = codegen.compile(graph, emitter="vector")(**values)
    assert distance([np.asarray(part) for part in found], outputs(graph, values)) <= 1e-13


def test_no_garbage_collector_clears_what_a_built_in_function_is_read_from() -> None:
    """Its definition would be freed before it where both are in a circle, as a function and its fallback are."""
    assert not any(map(gc.is_tracked, builtin("call", 1, ()).__self__))  # type: ignore[attr-defined]
