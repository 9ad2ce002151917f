"""What slabs of time begin with where it is built in: u = g + Σ τᵐ/m!·wₘ + d·N, with τ the time since the slab began.

wₘ is what g lacks of ∂ᵐu/∂tᵐ at the beginning. That of the next slab is Σ_{j≥m} Lʲ⁻ᵐ/(j−m)!·wⱼ + ∂ᵐ(d·N)/∂tᵐ at the end
of this one, L its length: all that came before is summed up in numbers at each point, however many slabs there were. So
are the derivatives of w by the other inputs, which the equations have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import factorial
from typing import TypeAlias

import numpy as np
from sympy import Add, Expr, Integer, Symbol, diff

from codegen import CompiledFunction
from codegen.cached import cached_property
from symnn.conditions import Form, differentiated
from symnn.physics import Physics, PhysicsModel, Residual
from symnn.physics_spec import PhysicsSpec
from symnn.residuals import LAPLACIAN

Wanted: TypeAlias = tuple[str, tuple[str, ...]]
"""An unknown, and the inputs that its w is derived by."""

ALL = "all unknowns"


@dataclass(frozen=True, eq=False)
class Beginnings:
    """The numbers w of a problem in slabs, by the names of its residuals, and those of the unknowns themselves."""

    physics: Physics
    spec: PhysicsSpec

    @cached_property
    def forms(self) -> Mapping[str, Form]:
        """Of the unknowns that begin with what is built in."""
        return {unknown: form for unknown, form in self.physics.forms.items() if form.beginning is not None}

    @cached_property
    def along(self) -> str:
        """The input that is cut into slabs."""
        (along,) = self.spec.slabs
        return along

    @cached_property
    def wanted(self) -> Mapping[str, Sequence[Wanted]]:
        """What each residual needs, and the unknowns themselves; nothing where that is nothing."""
        found: dict[str, list[Wanted]] = {name: self.spec.begun_values(name) for name in self.spec.on_points}
        found[ALL] = [(unknown, ()) for unknown in self.forms]
        return {name: pairs for name, pairs in found.items() if pairs}

    def orders(self, unknown: str) -> int:
        """The number of its w."""
        beginning = self.forms[unknown].beginning
        assert beginning is not None
        return beginning.orders

    def first(self, name: str, points: np.ndarray) -> np.ndarray:
        """Those of the first slab at some points, (S, numbers)."""
        if name not in self.wanted:
            return np.empty((len(points), 0))
        at = np.array(points[:, : len(self.spec.inputs)], order="C")
        at[:, self._column] = self.spec.inputs[self.along][0]
        return np.asarray(self._first[name](at)).reshape(len(points), -1)

    def after(self, name: str, begun: np.ndarray, theta: np.ndarray, points: np.ndarray, start: float) -> np.ndarray:
        """Those of the slab after one that began at ``start`` with ``begun`` and has the parameters ``theta``."""
        if name not in self.wanted:
            return begun
        end = np.array(points)
        end[:, self._column], end[:, -1] = start + self.spec.slab_length, start
        found: np.ndarray = np.asarray(self._ends.rows[name](theta, end)).reshape(len(points), -1)
        found += begun @ self._onward[name]
        return found

    def at(self, name: str, points: np.ndarray, thetas: Iterable[np.ndarray], starts: Iterable[float]) -> np.ndarray:
        """Those of the slab after all that have these parameters."""
        found = self.first(name, points)
        for theta, start in zip(thetas, starts):
            found = self.after(name, found, theta, points, start)
        return found

    def unknowns(self, begun: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Σ τᵐ/m!·wₘ of every unknown at some points, (S, unknowns), from the numbers of :data:`ALL`."""
        elapsed, found, column = points[:, self._column] - points[:, -1], np.zeros((len(points), len(self._names))), 0
        for unknown in self.forms:
            for order in range(self.orders(unknown)):
                found[:, self._names.index(unknown)] += elapsed**order / factorial(order) * begun[:, column]
                column += 1
        return found

    @property
    def _names(self) -> tuple[str, ...]:
        names: tuple[str, ...] = self.physics.unknowns
        return names

    @cached_property
    def _column(self) -> int:
        return list(self.spec.inputs).index(self.along)

    @cached_property
    def _first(self) -> Mapping[str, CompiledFunction]:
        return {
            name: self.physics.formulas([one for unknown, by in pairs for one in self._lacking(unknown, by)])
            for name, pairs in self.wanted.items()
        }

    def _lacking(self, unknown: str, by: Sequence[str]) -> list[Expr]:
        """∂wₘ by some inputs in the first slab, one formula an order."""
        given = sorted(self.spec.begun[unknown], key=lambda one: one.order)
        values, time = self.forms[unknown].values, Symbol(self.along, real=True)
        lacking = [one.value - diff(values, time, one.order) for one in given]
        return [Add(*[differentiated(body, letters) for letters in terms(by)]) for body in lacking]

    @cached_property
    def _ends(self) -> PhysicsModel:
        """∂(d·N) by the same inputs and m times by the time."""
        physics, residuals = self.physics, []
        for name, pairs in self.wanted.items():
            written = []
            for unknown, by in pairs:
                for order in range(self.orders(unknown)):
                    every = [(*letters, *[self.along] * order) for letters in terms(by)]
                    language = physics.language(physics.residuals[0])
                    written.append(" + ".join(language.symbol(unknown, letters).name for letters in every))
            residuals.append(Residual(name, written))
        forms = {unknown: Form(Integer(0), form.multiplier) for unknown, form in self.forms.items()}
        return Physics(
            physics.inputs, physics.unknowns, physics.layers, tuple(residuals), forms=forms, periods=physics.periods,
            origins=physics.origins, features=physics.features,
        ).compile()  # fmt: skip

    @cached_property
    def _onward(self) -> Mapping[str, np.ndarray]:
        """What the numbers of one slab are multiplied by for those of the next, (numbers, numbers)."""
        from scipy.linalg import block_diag

        length = self.spec.slab_length

        def block(unknown: str) -> np.ndarray:
            orders = range(self.orders(unknown))
            return np.array([[length ** (j - m) / factorial(j - m) if j >= m else 0.0 for m in orders] for j in orders])

        return {name: block_diag(*[block(unknown) for unknown, _ in pairs]) for name, pairs in self.wanted.items()}


def terms(by: Sequence[str]) -> list[tuple[str, ...]]:
    """The derivatives whose sum one by some inputs is: two by each for a Laplacian.

    >>> terms(("x", "y")), terms(("laplacian", "x", "y"))
    ([('x', 'y')], [('x', 'x'), ('y', 'y')])
    """
    return [(name, name) for name in by[1:]] if by and by[0] == LAPLACIAN else [tuple(by)]
