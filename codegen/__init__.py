"""A compiler from systems of SymPy equations to gradients and Numba functions.

What writes C and what speaks to solvers is imported at its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from codegen.uncollected import made_to_stay

with made_to_stay():
    from codegen.cfunctions import CFunc, cfunc
    from codegen.compiler import compile
    from codegen.derive import (
        PathCount,
        RowGradients,
        SparseHessian,
        SparseJacobian,
        SparseRows,
        count_paths,
        gauss_newton,
        gradient,
        hessian,
        hvp,
        jacobian,
        jvp,
        laplacian,
        mixed_partials,
        partials,
        per_sample_gradients,
        row_gradients,
        sparse_hessian,
        sparse_jacobian,
        vjp,
    )
    from codegen.errors import (
        CheckError,
        CodegenError,
        DerivationError,
        EmitError,
        GraphError,
        PrecisionWarning,
        ReadableCodeWarning,
    )
    from codegen.functions.extrema import Maximum, Minimum, argmax, argmin
    from codegen.functions.matrices import cholesky, det_sign, inverse, logdet, solve
    from codegen.functions.random_numbers import random_normal, random_reaches, random_uniform
    from codegen.ir.graph import Equation, Graph, Index, Reduction, Variable, sample_extent
    from codegen.passes import PassReport, optimise
    from codegen.read import from_expressions
    from codegen.read.custom import function
    from codegen.read.padding import padded
    from codegen.runtime.function import CompiledFunction, CompileReport
    from codegen.schedule.target import Target

if TYPE_CHECKING:
    from codegen.export import write_c, write_javascript, write_object, write_webassembly
    from codegen.programs import NonlinearProgram
    from codegen.solvers import FlatFunction, low_level_callable

__all__ = [
    "CFunc",
    "CheckError",
    "CodegenError",
    "CompileReport",
    "CompiledFunction",
    "DerivationError",
    "EmitError",
    "Equation",
    "FlatFunction",
    "Graph",
    "GraphError",
    "Index",
    "Maximum",
    "Minimum",
    "NonlinearProgram",
    "PassReport",
    "PathCount",
    "PrecisionWarning",
    "ReadableCodeWarning",
    "Reduction",
    "RowGradients",
    "SparseHessian",
    "SparseJacobian",
    "SparseRows",
    "Target",
    "Variable",
    "argmax",
    "argmin",
    "cfunc",
    "cholesky",
    "compile",
    "count_paths",
    "det_sign",
    "from_expressions",
    "function",
    "gauss_newton",
    "gradient",
    "hessian",
    "hvp",
    "inverse",
    "jacobian",
    "jvp",
    "laplacian",
    "logdet",
    "low_level_callable",
    "mixed_partials",
    "optimise",
    "padded",
    "partials",
    "per_sample_gradients",
    "random_normal",
    "random_reaches",
    "random_uniform",
    "row_gradients",
    "sample_extent",
    "solve",
    "sparse_hessian",
    "sparse_jacobian",
    "vjp",
    "write_c",
    "write_javascript",
    "write_object",
    "write_webassembly",
]


_HOMES = {
    "FlatFunction": "codegen.solvers",
    "NonlinearProgram": "codegen.programs",
    "low_level_callable": "codegen.solvers",
    **{name: "codegen.export" for name in __all__ if name.startswith("write_")},
}

_MODULES = {"notation", "numeric", "page", "vectormath", *(home.removeprefix("codegen.") for home in _HOMES.values())}
"""Of those that are public what nothing above imports."""

if not TYPE_CHECKING:  # a checker would believe every name

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            return import_module(f"codegen.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
