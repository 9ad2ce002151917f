"""What elimination makes of a matrix: inverses, solutions, determinants, factors, as bodies of equations.

The axes of the matrix are indices that the equation binds: of ``solved(A[p, q], b[p], p, q, i)`` p counts the rows, q
the columns, and i, which counts as q does, is the target's. Transposing is an exchange of p and q, and a further index
of A or b is a batch or a column. Symmetric matrices are positive definite and given symmetric in all their elements,
lower triangular ones with zeros above: the reader of formulas sees to it, so that no derivative has to.

A body may name the inverse that its derivative is written with; its value does not depend on it.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from sympy import Expr, Idx

from codegen.functions.operation import Operation
from codegen.functions.primitive import RealFunction
from codegen.walk import indices

Structure = Literal["general", "symmetric", "lower", "upper"]


class Elimination(RealFunction):
    """The body of an equation that eliminates; the first argument is the matrix, then come what is bound and free."""

    row: ClassVar[Operation] = Operation()
    structure: ClassVar[Structure] = "general"
    operands: ClassVar[int] = 1
    """How many arguments are read for the value; the indices follow them."""
    bound: ClassVar[int] = 2
    """How many of the indices that follow are bound."""
    outer: ClassVar[int] = 0
    """How many free ones follow those."""

    @property
    def matrix(self) -> Expr:
        """The matrix that is eliminated."""
        return self.args[0]

    @property
    def read(self) -> tuple[Expr, ...]:
        """What the value depends on."""
        return tuple(self.args[: self.operands])

    @property
    def rows(self) -> Idx:
        """The index of the matrix's rows."""
        return self.args[self.operands]

    @property
    def columns(self) -> Idx:
        """The index of its columns."""
        return self.args[self.operands + 1]

    @property
    def binds(self) -> tuple[Idx, ...]:
        """The indices that the equation binds."""
        return tuple(self.args[self.operands : self.operands + self.bound])

    @property
    def own(self) -> tuple[Idx, ...]:
        """The indices of the target that are axes of a matrix."""
        start = self.operands + self.bound
        return tuple(self.args[start : start + self.outer])

    @property
    def batch(self) -> tuple[Idx, ...]:
        """The indices that say which matrix it is."""
        return tuple(i for i in indices(self.matrix) if i not in (self.rows, self.columns))

    @property
    def companion(self) -> Expr | None:
        """The inverse that the derivative is written with, if it is there."""
        rest = self.args[self.operands + self.bound + self.outer :]
        return rest[0] if rest else None

    def with_companion(self, inverse: Expr) -> Elimination:
        """The same with the inverse that its derivative is written with."""
        return self.func(*self.args[: self.operands + self.bound + self.outer], inverse)  # type: ignore[no-any-return]

    def with_read(self, *read: Expr) -> Elimination:
        """The same of other operands."""
        return self.func(*read, *self.args[self.operands :])  # type: ignore[no-any-return]


class inverted(Elimination):  # noqa: N801
    """``inverted(A[p, q], p, q, i, j)``: the element i, j of the inverse of A."""

    outer = 2


class inverted_symmetric(inverted):  # noqa: N801
    """The inverse of a symmetric positive definite matrix."""

    structure = "symmetric"


class inverted_lower(inverted):  # noqa: N801
    """The inverse of a lower triangular matrix."""

    structure = "lower"


class inverted_upper(inverted):  # noqa: N801
    """The inverse of an upper triangular matrix."""

    structure = "upper"


class solved(Elimination):  # noqa: N801
    """``solved(A[p, q], b[p], p, q, i)``: the element i of the x with Σ_q A[p, q]·x[q] = b[p]."""

    operands, outer = 2, 1


class solved_symmetric(solved):  # noqa: N801
    """The solution for a symmetric positive definite matrix."""

    structure = "symmetric"


class solved_lower(solved):  # noqa: N801
    """The solution for a lower triangular matrix."""

    structure = "lower"


class solved_upper(solved):  # noqa: N801
    """The solution for an upper triangular matrix."""

    structure = "upper"


class log_determinant(Elimination):  # noqa: N801
    """``log_determinant(A[p, q], p, q)``: log |det A|; −∞ of a singular matrix."""


class log_determinant_symmetric(log_determinant):  # noqa: N801
    """log det A of a symmetric positive definite matrix."""

    structure = "symmetric"


class determinant_sign(Elimination):  # noqa: N801
    """``determinant_sign(A[p, q], p, q)``: 1, −1, or 0 of a singular matrix."""


class cholesky_factor(Elimination):  # noqa: N801
    """``cholesky_factor(A[p, q], p, q, m, i, j)``: the element i, j of the lower triangular L with A = L·Lᵀ.

    m is an index that the derivative sums over.
    """

    structure, bound, outer = "symmetric", 3, 2


class cholesky_inverse(Elimination):  # noqa: N801
    """``cholesky_inverse(A[p, q], p, q, m, i, j)``: the element i, j of the inverse of that L."""

    structure, bound, outer = "symmetric", 3, 2


INVERSE: dict[str, type[inverted]] = {
    "general": inverted, "symmetric": inverted_symmetric, "lower": inverted_lower, "upper": inverted_upper
}  # fmt: skip
"""The inverse of a matrix of each structure."""
SOLUTION: dict[str, type[solved]] = {
    "general": solved, "symmetric": solved_symmetric, "lower": solved_lower, "upper": solved_upper
}  # fmt: skip
LOG_DETERMINANT: dict[str, type[log_determinant]] = {
    "general": log_determinant, "symmetric": log_determinant_symmetric
}  # fmt: skip


# --- what the schedules make of these: factors, and substitution with them --------------------------------------------


class triangular_factors(Elimination):  # noqa: N801
    """``triangular_factors(A[p, q], p, q, u, v)``: L below, U on and above the diagonal of the first n rows.

    P·A = L·U with the largest element of a column for its pivot. Row n has the rows that were exchanged, one a column,
    and behind them the sign of the determinant.
    """

    outer = 2


class substituted(Elimination):  # noqa: N801
    """``substituted(F[u, v], b[p], u, v, p, i)``: the solution by factors, or by a triangular matrix."""

    operands, bound, outer = 2, 3, 1


class by_factors(substituted):  # noqa: N801
    """A·x = b by the factors of A."""


class by_factors_transposed(substituted):  # noqa: N801
    """Aᵀ·x = b by the factors of A."""


class by_cholesky(substituted):  # noqa: N801
    """L·Lᵀ·x = b."""


class by_lower(substituted):  # noqa: N801
    """L·x = b."""


class by_lower_transposed(substituted):  # noqa: N801
    """Lᵀ·x = b."""
