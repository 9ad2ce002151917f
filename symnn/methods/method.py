"""What a method of minimising is: settings that a spec may give, steps, and where it stands after each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Protocol

import numpy as np
from pydantic import Field

from symnn.least_squares import LeastSquares
from symnn.linesearch import Iterate
from symnn.models import SpecModel
from symnn.resuming import Expected, Strict


class Standing(Protocol):
    """Where a method stands after a step: an iterate, and whatever else its next step depends on."""

    @property
    def here(self) -> Iterate:
        """The point that it has come to."""


class Problem(Protocol):
    """What a method minimises."""

    def evaluate(self, theta: np.ndarray) -> Iterate:
        """Loss and gradient there, finite or not."""

    def seen(self, found: Iterate) -> Iterate:
        """The same, if the method has worked it out from the rows itself; the best that is seen is kept."""

    def pause(self) -> None:
        """To be called before each evaluation that is not :meth:`evaluate`: the run may end there."""

    @property
    def rows(self) -> LeastSquares:
        """The residuals and their Jacobian. Raises :class:`SpecError` where there is only a loss."""


class Method(SpecModel, ABC):
    """A method with its settings; it ends after so many iterations or seconds, or where it finds no lower loss."""

    iterations: Annotated[int, Field(ge=0)] | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None

    needs_rows: ClassVar[bool] = False
    """Whether it needs the residuals and their Jacobian, not only the loss and its gradient."""
    standing: ClassVar[type]
    """The class of where it stands."""
    numbers: ClassVar[type[Strict]]
    """The numbers of a standing in a file."""

    @abstractmethod
    def steps(self, problem: Problem, start: Any) -> Iterator[Any]:
        """Where it stands after each step, from a finite iterate or from where it stood."""

    @abstractmethod
    def moved(self, at: Any, here: Iterate) -> Any:
        """Where it goes on from after the problem has changed: ``here`` is the same point in the new one."""

    @abstractmethod
    def written(self, at: Any) -> tuple[Strict, Mapping[str, np.ndarray]]:
        """What a file holds of a standing beside its iterate."""

    @abstractmethod
    def expected(self, numbers: Any, size: int) -> Mapping[str, Expected]:
        """The tensors that have to be beside such numbers, for so many parameters.

        Raises ``ValueError`` for numbers that do not fit each other.
        """

    @abstractmethod
    def read(self, here: Iterate, numbers: Any, tensors: Mapping[str, np.ndarray]) -> Any:
        """The standing that was written."""

    def most(self, size: int) -> int:
        """The most numbers that its tensors hold for so many parameters."""
        return 0

    def shown(self, at: Any) -> Mapping[str, float]:
        """Numbers of a standing that a user may want to follow, by name."""
        return {}
