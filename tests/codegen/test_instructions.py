"""Instructions as text: what is known while they are written, and code that is compiled when it is first needed."""

import ctypes
import signal
import time
from collections.abc import Iterator

import numpy as np
import pytest
from llvmlite import ir

from codegen.compiler import _loaded
from codegen.emit.instructions import Builder, Function, begun
from codegen.runtime.machine import compile_module, load_object
from symnn.network import Network, dense

INT = ir.IntType(64)


def written(parameters: int = 2) -> tuple[ir.Module, Builder]:
    module = ir.Module("test")
    return module, begun(Function(module, ir.FunctionType(INT, [INT] * parameters), "f"))


def run(module: ir.Module, *arguments: int) -> int:
    code = load_object(compile_module(str(module)), ["f"])
    return int(ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * len(arguments))(code.addresses["f"])(*arguments))


def test_an_instruction_that_has_run_before_is_not_written_again() -> None:
    module, builder = written()
    a, b = builder.function.args
    once = builder.mul(a, b)
    with builder.if_then(builder.icmp_signed("<", a, b)):
        assert builder.mul(a, b) is once
        builder.ret(builder.mul(a, b))
    builder.ret(builder.sub(once, a))
    assert str(module).count(" mul ") == 1
    assert [run(module, 2, 3), run(module, 3, 2)] == [6, 3]


def test_what_one_branch_computes_the_other_computes_itself() -> None:
    module, builder = written()
    a, b = builder.function.args
    slot = builder.alloca(INT)
    with builder.if_else(builder.icmp_signed("<", a, b)) as branches:
        for branch, more in zip(branches, (1, 2)):
            with branch:
                builder.store(builder.add(builder.mul(a, b), INT(more)), slot)
    builder.ret(builder.add(builder.load(slot), builder.mul(a, b)))
    assert str(module).count(" mul ") == 3
    assert [run(module, 2, 3), run(module, 3, 2)] == [13, 14]


@pytest.mark.parametrize(
    ("operation", "numbers", "expected"),
    [
        ("add", (2, 3), 5),
        ("sub", (2, 3), -1),
        ("mul", (-2, 3), -6),
        ("add", (2**63 - 1, 1), -(2**63)),
        ("mul", (2**62, 4), 0),
    ],
)
def test_whole_numbers_that_are_known_are_computed_as_the_processor_does(
    operation: str, numbers: tuple[int, int], expected: int
) -> None:
    _, builder = written(0)
    assert getattr(builder, operation)(*map(INT, numbers)).constant == expected


def test_neutral_numbers_and_places_are_no_instructions() -> None:
    _, builder = written()
    a, _ = builder.function.args
    place = builder.alloca(INT)
    assert builder.add(a, INT(0)) is a
    assert builder.mul(a, INT(1)) is a
    assert builder.sub(a, INT(0)) is a
    assert builder.gep(place, [INT(0)]) is place
    assert builder.sub(INT(0), a) is not a


# --- code that is compiled when it is first needed -----------------------------------------------------------------


def test_code_for_few_samples_is_compiled_at_the_first_call_with_so_few() -> None:
    network = Network(3, (dense(9, "tanh"), dense(2)), "softmax_cross_entropy")
    function = network.compile(cache=False).value_and_grad
    later = function._code.c_function.prepare.__self__  # type: ignore[attr-defined]
    theta, draw = network.initial_parameters(0), np.random.default_rng(0)
    x, y = draw.normal(size=(8, 3)), draw.integers(0, 2, 8)
    function(theta, x, y)
    assert later._made is None
    found = [function(theta, x[n : n + 1], y[n : n + 1]) for n in range(8)]
    assert later._made is not None
    value, gradient = function(theta, x, y)
    np.testing.assert_allclose(value, np.mean([v for v, _ in found]), rtol=1e-14)
    np.testing.assert_allclose(gradient, np.mean([g for _, g in found], axis=0), rtol=1e-12, atol=1e-15)


@pytest.fixture
def listening() -> Iterator[None]:
    """Ctrl-C raises, also in a process that was started in the background, where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listening")
def test_ctrl_c_while_it_is_compiled_is_raised_and_the_results_are_right() -> None:
    network = Network(3, (dense(10, "tanh"), dense(2)), "softmax_cross_entropy")
    _loaded.clear()
    function = network.compile(cache=False).value_and_grad
    later = function._code.c_function.prepare.__self__  # type: ignore[attr-defined]
    theta = network.initial_parameters(0)
    x, y, out = np.ones((2, 3)), np.array([0, 1]), []
    compiled = later._compiled

    def interrupted() -> None:
        raise KeyboardInterrupt

    later._compiled = interrupted
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - raised between two steps of the interpreter
        out.append(function(theta, x, y)[0])
        for _ in range(1000):  # no interrupt ends a sleep that has begun
            time.sleep(0.01)
    later._compiled = compiled
    again, _ = function(theta, x, y)
    assert all(abs(value - again) < 1e-14 for value in out)
