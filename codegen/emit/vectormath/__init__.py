"""Elementary functions in SIMD lanes: range reduction, a minimax polynomial, scaling by a power of two.

Each function takes :class:`~codegen.emit.lanes.Lanes` and vectors, and emits straight-line code without memory access;
only sin, cos and tan branch, for arguments beyond their reduction. A lane's bits depend on its own argument alone.
±0, inf, nan, overflow and gradual underflow are as in IEEE 754 and C; nan in, nan out. Each names the function of which
it is the vector form and its largest error over the whole range, which tests/codegen/test_vectormath.py holds them to
against mpmath; the figure in each docstring is the largest that a sweep of ten million points found.

The polynomials come from ``python -m tests.benchmarks.coefficients``. The methods are those of the literature: Muller,
Elementary Functions (3rd ed., 2016) for the reductions of Cody and Waite, fdlibm for log, Shepherd and Laframboise 1981
(Chebyshev approximation of (1 + 2x) exp(x²) erfc x) for the variable of erfc.
"""

from codegen.emit.vectormath import circular, elementary, error_function, exponential, logarithm
from codegen.emit.vectormath.elementary import power
from codegen.emit.vectormath.forms import FORMS, ULP_BOUNDS, Function, form, form_of

__all__ = [
    "FORMS",
    "ULP_BOUNDS",
    "Function",
    "circular",
    "elementary",
    "error_function",
    "exponential",
    "form",
    "form_of",
    "logarithm",
    "power",
]
