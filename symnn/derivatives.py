"""A graph with its derivatives of any order as functions, for libraries that differentiate by rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from codegen import CompiledFunction, Graph, Variable, compile, jvp, vjp
from codegen.cached import cached_property
from codegen.dtypes import Dtype
from symnn.errors import SymnnError


def check_count(graph: Graph, arguments: Sequence[object]) -> None:
    """Raise :class:`SymnnError` unless there is an argument for each input.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> check_count(from_expressions({"e": a * b}, [a, b]), [2.0])
    Traceback (most recent call last):
    symnn.errors.SymnnError: found 1 arguments, expected 2: a, b
    """
    if len(arguments) != len(graph.inputs):
        names = ", ".join(v.name for v in graph.inputs)
        raise SymnnError(f"found {len(arguments)} arguments, expected {len(graph.inputs)}: {names}")


# eq=False: two of the same graph are two functions, each compiled when it is first called.
@dataclass(frozen=True, eq=False)
class Differentiable:
    """A function of the graph's inputs that gives its outputs.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> function = Differentiable(from_expressions({"e": a * b}, [a, b]))
    >>> function.pullback("e", ("a", "b")).compiled(2.0, 3.0, 1.0)  # a, b, v_e
    (3.0, 2.0)
    >>> function.pushforward("e", ("a",)).compiled(2.0, 3.0, 1.0)  # a, b, v_a
    3.0
    """

    graph: Graph
    dtype: Dtype = "float64"
    _derived: dict[tuple[str, str, tuple[str, ...]], Differentiable] = field(default_factory=dict, repr=False)

    @cached_property
    def compiled(self) -> CompiledFunction:
        """It, compiled."""
        return compile(self.graph, dtype=self.dtype)

    @property
    def outputs(self) -> tuple[Variable, ...]:
        """The variables that it gives."""
        return tuple(self.graph.variable(name) for name in self.graph.outputs)

    def pullback(self, of: str, wrt: Sequence[str]) -> Differentiable:
        """Of the inputs, and an array of the shape of the output ``of`` behind them: Σ v · ∂of/∂w for each w."""
        return self._found("pullback", of, tuple(wrt))

    def pushforward(self, of: str, wrt: Sequence[str]) -> Differentiable:
        """Of the inputs, and an array of the shape of each w behind them: Σ_w ∂of/∂w · v_w."""
        return self._found("pushforward", of, tuple(wrt))

    def _found(self, kind: str, of: str, wrt: tuple[str, ...]) -> Differentiable:
        if (kind, of, wrt) not in self._derived:
            graph = (vjp if kind == "pullback" else jvp)(self.graph.with_outputs(of), of, list(wrt))
            derived = Differentiable(graph.with_outputs(*graph.outputs[1:]), self.dtype)
            self._derived[kind, of, wrt] = derived
        return self._derived[kind, of, wrt]
