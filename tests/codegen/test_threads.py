"""Several threads, chunks of samples, and bound calls: the same bits by every way in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest

import codegen
from codegen import CompiledFunction, Equation, Graph, Index, Reduction, Variable, gradient, sample_extent
from codegen.functions import equal
from codegen.runtime.threads import distribute
from tests.codegen.networks import cut, distance, mlp, outputs, parameters, several_lengths

pytestmark = pytest.mark.values


@lru_cache(maxsize=16)
def compiled(threads: int, schedule: str = "tiled", dtype: str = "float64") -> CompiledFunction:
    network = mlp([5, 10, 3])
    names = parameters(network)
    packs = {"theta": names, "gradient": [f"dloss/d{n}" for n in names]}
    graph = gradient(network, "loss", names)
    return codegen.compile(graph, schedule=schedule, threads=threads, dtype=dtype, pack=packs)  # type: ignore[arg-type]


def arguments(samples: int, dtype: str = "float64") -> tuple[np.ndarray, ...]:
    generator = np.random.Generator(np.random.PCG64(samples))
    theta = generator.normal(size=compiled(1).layout.arguments[2].shape[0])  # type: ignore[arg-type]
    return generator.normal(size=(samples, 5)).astype(dtype), generator.integers(0, 3, samples), theta.astype(dtype)


def at_once(threads: int, work: Callable[[], None]) -> None:
    """Have several threads do the same, and wait for them."""
    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


@pytest.mark.parametrize(
    ("schedule", "dtype"),
    [
        *((schedule, "float64") for schedule in ("loops", "tiled", "unrolled")),
        ("tiled", "float32"),
        pytest.param("loops", "float32", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("samples", [1, 700, 5000])
def test_any_number_of_threads_gives_the_same_bits(schedule: str, samples: int, dtype: str) -> None:
    given = arguments(samples, dtype)
    loss, slope = compiled(1, schedule, dtype)(*given)
    for threads in (2, 3):
        found = compiled(threads, schedule, dtype)(*given)
        assert found[0] == loss
        assert (found[1] == slope).all()


@pytest.mark.parametrize("name", ["rows", "points", "steps"])
def test_several_lengths_are_cut_at_one_of_them(name: str) -> None:
    graph = several_lengths()[name]
    sizes = {"S": 300, "n": 2000 if name == "rows" else 3}
    generator = np.random.default_rng(1)
    values = {v.name: generator.normal(size=[sizes.get(str(n), n) for n in v.shape]) for v in graph.inputs}
    one, *others = (codegen.compile(graph, threads=threads) for threads in (1, 3))
    program = one.report.compilation.program  # type: ignore[union-attr]
    assert program.samples is not None
    assert str(program.samples.index.upper + 1) == "S"
    assert (program.samples.tile is None) == (name == "rows")
    found = one(**values)
    assert distance([np.asarray(part) for part in found], outputs(graph, values)) <= 1e-12
    for function in others:
        assert all(np.array_equal(a, b) for a, b in zip(function(**values), found, strict=True))


def test_a_bound_call_gives_the_same_bits() -> None:
    given = arguments(3000)
    function = compiled(1)
    loss, slope = function(*given)
    out = np.empty_like(slope)
    bound = function.bind(*given, out=out)
    assert bound()[0] == loss
    assert bound()[1] is out
    assert (out == slope).all()


def picked(emitter: str = "auto") -> CompiledFunction:
    """total = Σ_s x[s, y[s]], with three columns."""
    S = sample_extent()
    s, h = Index("s", S), Index("h", 3)
    x, y, total = Variable("x", (S, 3)), Variable("y", (S,), "integer", 3), Variable("total")
    equation = Equation(total.symbol, equal(y[s], h) * x[s, h], Reduction.SUM, (s, h))
    return codegen.compile(Graph((x, y), (equation,), ("total",)), emitter=emitter)  # type: ignore[arg-type]


@pytest.mark.parametrize("emitter", ["vector", "numba"])
def test_a_bound_call_sees_new_contents_and_checks_new_labels(emitter: str) -> None:
    function = picked(emitter)
    values, labels = np.arange(12.0).reshape(4, 3), np.array([0, 1, 2, 0])
    bound = function.bind(values, labels)
    assert bound() == 0 + 4 + 8 + 9
    values += 1
    assert bound() == 1 + 5 + 9 + 10
    labels[3] = 3
    with pytest.raises(ValueError, match="'y' must hold integers from 0 to 2, found 3"):
        bound()
    labels[3] = 2
    assert bound() == 1 + 5 + 9 + 12


def test_bound_arrays_live_as_long_as_the_function() -> None:
    bound = compiled(1).bind(*(a.copy() for a in arguments(10)))
    expected = bound()[0]
    junk = [np.random.default_rng(n).normal(size=50) for n in range(200)]
    assert bound()[0] == expected
    assert len(junk) == 200


def test_wrong_arguments_cannot_be_bound() -> None:
    x, y, theta = arguments(10)
    with pytest.raises(ValueError, match="'theta' must have shape"):
        compiled(1).bind(x, y, theta[:-1].copy())
    with pytest.raises(ValueError, match="shares memory"):
        compiled(1).bind(x, y, theta, out=theta)


def test_many_results_are_kept_apart_from_everything_else() -> None:
    """So many that a loop compares them, in a function of its own."""
    n, i = sample_extent("n"), Index("i", sample_extent("n"))
    given, found = ([Variable(f"{name}{number}", (n,)) for number in range(9)] for name in "xy")
    graph = Graph(
        tuple(given), tuple(Equation(y[i], 2 * x[i]) for x, y in zip(given, found)), tuple(y.name for y in found)
    )
    function = codegen.compile(graph)
    values = [np.full(5, float(number)) for number in range(9)]
    out = tuple(np.empty(5) for _ in range(9))
    assert [part.tolist() for part in function(*values, out=out)] == [(2 * value).tolist() for value in values]
    for wrong in ((*out[:8], values[3]), (*out[:8], out[2]), (*out[:8], np.empty(4))):
        with pytest.raises(ValueError, match=r"shares memory|must have shape|has n = "):
            function(*values, out=wrong)
        with pytest.raises(ValueError, match=r"shares memory|must have shape|has n = "):
            function.bind(*values, out=wrong)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True])
def test_threads_are_a_whole_number(threads: object) -> None:
    with pytest.raises(codegen.EmitError, match="threads: found"):
        codegen.compile(gradient(mlp([2, 2]), "loss"), threads=threads)  # type: ignore[arg-type]


def test_several_python_threads_may_call_a_function_with_threads() -> None:
    given = arguments(5000)
    expected = compiled(2)(*given)[1]
    wrong: list[int] = []

    def work() -> None:
        for _ in range(30):
            if not (compiled(2)(*given)[1] == expected).all():
                wrong.append(1)

    at_once(4, work)
    assert not wrong


def test_little_work_starts_no_thread() -> None:
    before = threading.active_count()
    compiled(7)(*arguments(100))
    assert threading.active_count() == before


def test_parts_are_shared_and_each_is_run_once() -> None:
    found: list[int] = []
    distribute(100, 3, found.append)
    assert sorted(found) == list(range(100))


def test_a_maximum_over_samples_is_combined_over_chunks() -> None:
    S = sample_extent()
    s, h = Index("s", S), Index("h", 3)
    x, m = Variable("x", (S, 3)), Variable("m", (3,))
    graph = Graph((x,), (Equation(m[h], x[s, h] ** 2, Reduction.MAX, (s,)),), ("m",))
    values = np.random.default_rng(0).normal(size=(200_000, 3))
    for threads in (1, 2):
        function = codegen.compile(graph, threads=threads)
        assert (function(values) == (values**2).max(axis=0)).all()


@pytest.mark.parametrize("samples", [1, 2, 3, 4, 5, 63, 64, 65, 127, 129])
def test_few_samples_agree_with_the_evaluator(samples: int) -> None:
    """Up to three run with features in lanes, more with samples in lanes."""
    x, y, theta = arguments(200)
    network = mlp([5, 10, 3])
    values = {**cut(theta, network), "x": x[:samples], "y": y[:samples]}
    expected = outputs(gradient(network, "loss", parameters(network)), values)
    loss, slope = compiled(1)(x[:samples].copy(), y[:samples].copy(), theta)
    flat = np.concatenate([np.ravel(a) for a in expected[1:]])
    assert distance([np.asarray(loss), slope], [expected[0], flat]) <= 1e-12


def test_one_bound_function_may_be_called_by_several_threads() -> None:
    """Each call has a table and a workspace of its own; only the arrays are shared."""
    x, y, theta = arguments(3000)
    bound = compiled(1).bind(x, y, theta)
    expected, wrong = bound()[0], []

    def work() -> None:
        for _ in range(300):
            if bound()[0] != expected:
                wrong.append(1)

    at_once(6, work)
    assert not wrong


def test_labels_that_change_while_they_are_checked_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    function = picked()
    # As if the label were right whenever the checks that explain a refusal look at it.
    monkeypatch.setattr(function, "_converted", lambda arguments: arguments)
    monkeypatch.setattr(function, "_plain", lambda arguments, arrays: (arguments, arrays))
    with pytest.raises(ValueError, match=r"the arrays \(x, y\) changed while they were checked: another thread"):
        function(np.zeros((2, 3)), np.array([0, 3]))


def test_a_bound_array_that_was_resized_is_noticed() -> None:
    x, y, theta = arguments(10)
    bound = compiled(1).bind(x, y, theta)
    x.resize((0, 5), refcheck=False)
    with pytest.raises(ValueError, match="'x' must have shape"):
        bound()


def test_a_bound_function_takes_no_arguments() -> None:
    with pytest.raises(TypeError, match="a bound function takes no arguments, found 1"):
        compiled(1).bind(*arguments(10))(1)


def test_an_exception_in_a_part_is_raised_when_nobody_is_at_work_any_more() -> None:
    at_work: list[int] = []

    def run(number: int) -> None:
        at_work.append(number)
        try:
            if number == 3:
                raise KeyboardInterrupt
        finally:
            at_work.remove(number)

    with pytest.raises(KeyboardInterrupt):
        distribute(50, 2, run)
    assert not at_work
    found: list[int] = []
    distribute(20, 2, found.append)
    assert sorted(found) == list(range(20))
