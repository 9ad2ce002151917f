"""Every transformation compiles, and the compiled function gives what the graph says."""

from __future__ import annotations

import numpy as np
import pytest

import codegen
from codegen import (
    gauss_newton,
    hessian,
    hvp,
    jacobian,
    jvp,
    mixed_partials,
    per_sample_gradients,
    vjp,
)
from codegen.compiler import EmitterName
from codegen.schedule import ScheduleName
from tests.codegen.derivatives import (
    TX,
    of_two_inputs,
)
from tests.codegen.networks import (
    distance,
    mlp,
    outputs,
    random_values,
)

pytestmark = pytest.mark.values

COMPILED = {
    "jacobian": lambda: jacobian(mlp([3, 4, 3]), "u2", ["x", "W1"]),
    "jacobian per sample": lambda: jacobian(mlp([3, 4, 3]), "u2", ["x"], samples=True),
    "hessian": lambda: hessian(mlp([2, 3, 2]), "loss", ["W1", "b2"]),
    "hvp": lambda: hvp(mlp([2, 3, 2]), "loss", ["W1", "b1", "W2", "b2"]),
    "jvp": lambda: jvp(mlp([2, 3, 2]), "u2"),
    "vjp": lambda: vjp(mlp([2, 3, 2]), "u2"),
    "gauss_newton": lambda: gauss_newton(mlp([2, 3, 2]), "loss", ["W1", "b1"], through="u2"),
    "per_sample_gradients": lambda: per_sample_gradients(mlp([2, 3, 2]), "loss", ["W1", "b1"]),
    "mixed_partials": lambda: mixed_partials(of_two_inputs([4, 4]), "u", ["t", "x", "xx"], TX),
}


READABLE = ("jacobian",)
"""What the quick suite compiles as readable code, which takes seconds; it has no other form."""
RUNS = [
    *((case, "loops", "vector") for case in COMPILED if case != "jacobian"),
    *(pytest.param(case, "loops", "numba", marks=() if case in READABLE else pytest.mark.slow) for case in COMPILED),
    *(
        pytest.param(case, "unrolled", "numba", marks=pytest.mark.slow)
        for case in ("jvp", "jacobian per sample", "mixed_partials")
    ),
]


@pytest.mark.parametrize(("case", "schedule", "emitter"), RUNS)
def test_every_transformation_compiles(case: str, schedule: ScheduleName, emitter: EmitterName) -> None:
    derived = COMPILED[case]()
    values = random_values(derived)
    function = codegen.compile(derived, emitter=emitter, schedule=schedule)
    found = function(*(values[variable.name] for variable in derived.inputs))
    assert distance([np.asarray(one) for one in found], outputs(derived, values)) <= 1e-12
