"""CasADi: its generated C, compiled by gcc -O3 -march=native, called over bound buffers."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import casadi
import numpy as np

from tests.benchmarks.cases import Case, Problem
from tests.benchmarks.peers import LeftOut, Prepared

SCALAR_INSTRUCTIONS = 5_000
"""Up to this many scalar instructions a sample, straight-line code over a loop of samples is as fast as whole-batch
matrices or faster; 13,000 of them take gcc two seconds, 55,000 half a minute."""

MAX_FLOPS = 100_000_000
"""Its matrix products are plain loops of some 2 GFLOP/s."""


def compiled(problem: Problem) -> Prepared:
    if problem.dtype != "float64":
        raise LeftOut("functions called from Python are float64")
    if problem.case.flops > MAX_FLOPS:
        raise LeftOut(f"above its limit here, {MAX_FLOPS:,} floating-point operations a call")
    call, (loss, gradient) = bound(in_c(_function(problem)), [problem.theta, problem.x, problem.y.astype(float)])
    return Prepared(call, lambda _: (float(loss[0]), gradient))


def bound(function: casadi.Function, arguments: Sequence[np.ndarray]) -> tuple[Callable[[], Any], list[np.ndarray]]:
    """A call over these arrays, and the flat arrays it writes: what a result stores, column by column."""
    results = [np.empty(function.nnz_out(position)) for position in range(function.n_out())]
    buffers, call = function.buffer()
    for position, array in enumerate(arguments):
        buffers.set_arg(position, memoryview(array.reshape(-1)))
    for position, array in enumerate(results):
        buffers.set_res(position, memoryview(array))

    # The call holds addresses alone; what they point to has to live as long.
    call.keeps = function, buffers, arguments, results
    return call, results


def _function(problem: Problem) -> casadi.Function:
    """``(theta, x, y) -> (loss, gradient)``; x has a column for each sample, which is x's memory in NumPy."""
    case = problem.case
    if case.parameters <= SCALAR_INSTRUCTIONS:
        sample = _function_of(casadi.SX, problem, 1)
        if sample.n_instructions() <= SCALAR_INSTRUCTIONS:
            return sample if case.samples == 1 else sample.map("f", "serial", case.samples, [0], [0, 1])
    return _function_of(casadi.MX, problem, case.samples)


def _function_of(kind: type, problem: Problem, samples: int) -> casadi.Function:
    """The share of so many samples in the loss, and its gradient, in scalars (SX) or matrices (MX)."""
    arguments, loss = loss_of(kind, problem, samples)
    return casadi.Function("f", arguments, [loss, casadi.gradient(loss, arguments[0])])


def loss_of(kind: type, problem: Problem, samples: int) -> tuple[list[Any], Any]:
    """Symbols theta, x and y, and the share of so many samples in the loss."""
    case = problem.case
    theta, x, y = kind.sym("theta", case.parameters), kind.sym("x", case.sizes[0], samples), kind.sym("y", 1, samples)
    a = outputs(case, theta, x)
    labels = casadi.repmat(casadi.DM(range(case.sizes[-1])), 1, samples)
    score = casadi.dot(casadi.repmat(y, case.sizes[-1], 1) == labels, a)
    return [theta, x, y], (casadi.sum2(casadi.log(casadi.sum1(casadi.exp(a)))) - score) / case.samples


def outputs(case: Case, theta: Any, x: Any) -> Any:
    """What the network makes of the columns of x."""
    a, start = x, 0
    for layer, (units, width) in enumerate(case.shapes):
        w = casadi.reshape(theta[start : start + units * width], width, units).T
        start += units * width
        a = casadi.mtimes(w, a) + casadi.repmat(theta[start : start + units], 1, x.shape[1])
        start += units
        if layer < len(case.shapes) - 1:
            a = casadi.tanh(a)
    return a


def in_c(function: casadi.Function) -> casadi.Function:
    """The same function from its generated C. What is loaded outlives its file.

    Raises :class:`LeftOut` without a compiler.
    """
    if shutil.which("gcc") is None:
        raise LeftOut("there is no gcc to compile its C")
    with tempfile.TemporaryDirectory() as directory:
        source, library = Path(directory, "generated.c"), Path(directory, "generated.so")
        generator = casadi.CodeGenerator(source.name)
        generator.add(function)
        generator.generate(f"{directory}/")
        subprocess.run(
            ["gcc", "-O3", "-march=native", "-shared", "-fPIC", source, "-o", library, "-lm"], check=True, text=True
        )
        return casadi.external(function.name(), str(library))
