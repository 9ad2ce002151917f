"""The calling convention of a compiled graph: which variables its arguments and results hold, several packed in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from codegen.cached import cached_property
from codegen.errors import EmitError
from codegen.ir.graph import Graph, Kind, Variable
from codegen.walk import Extent, is_fixed, lengths_in


@dataclass(frozen=True)
class Slot:
    """One argument or result: a variable as it is, or several flattened and laid end to end."""

    name: str
    variables: tuple[Variable, ...]
    packed: bool

    @cached_property  # asked for in every call
    def shape(self) -> tuple[Extent, ...]:
        """The shape of the array that is passed."""
        return (self.offsets[-1],) if self.packed else self.variables[0].shape

    @property
    def contents(self) -> str:
        """Its name and shape, and what it holds if that is several variables."""
        if not self.packed:
            return self.variables[0].declaration
        return f"{self.name}[{self.shape[0]}] = {', '.join(variable.declaration for variable in self.variables)}"

    @property
    def kind(self) -> Kind:
        """Real or integer."""
        return self.variables[0].kind

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where each variable begins in a packed array, and the total size."""
        found = [0]
        for variable in self.variables:
            found.append(found[-1] + prod(int(n) for n in variable.shape))
        return tuple(found)


@dataclass(frozen=True)
class Layout:
    """Arguments in the order of the inputs and results in the order of the outputs, packs at their first member."""

    arguments: tuple[Slot, ...]
    results: tuple[Slot, ...]

    @property
    def scalars(self) -> tuple[Slot, ...]:
        """The results that are returned by value."""
        return tuple(slot for slot in self.results if not slot.shape)

    @property
    def arrays(self) -> tuple[Slot, ...]:
        """The results that are written into arrays."""
        return tuple(slot for slot in self.results if slot.shape)


def layout(graph: Graph, pack: Mapping[str, Sequence[str]]) -> Layout:
    """The layout of a graph; ``pack`` maps the name of a flat array to the inputs or outputs it holds.

    Raises :class:`EmitError` for a pack of unknown, mixed, integer or sample-sized variables, for an array that is
    an input and an output, and for a symbolic extent that is in the lengths of axes but is that of none.

    >>> from codegen.ir.graph import Equation
    >>> a, b, c = Variable("a", (2,)), Variable("b"), Variable("c")
    >>> graph = Graph((a, b), (Equation(c.symbol, a[0] * a[1] * b.symbol),), ("c",))
    >>> [slot.shape for slot in layout(graph, {"theta": ["a", "b"]}).arguments]
    [(3,)]
    """
    outputs = tuple(graph.variable(name) for name in graph.outputs)
    for variable in outputs:
        if variable in graph.inputs and (variable.shape or variable.kind == "integer"):
            raise EmitError(
                f"the output {variable.name!r} is an input: give the copy a name and an equation of its own"
            )
    for extent in graph.extents:
        if not any(extent in variable.shape for variable in graph.inputs):
            named = next(v for v in graph.inputs if any(extent in lengths_in(n) for n in v.shape))
            lengths = ", ".join(map(str, named.shape))
            raise EmitError(f"no axis of an input has the length {extent} that {named.name}[{lengths}] is made of")
    _validate(pack, [v.name for v in (*graph.inputs, *outputs)])
    claimed: set[str] = set()
    slots: list[dict[str, Slot]] = [{}, {}]
    for side, variables in enumerate((graph.inputs, outputs)):
        names = [v.name for v in variables]
        member = {name: pack_name for pack_name, members in pack.items() for name in members if name in names}
        claimed.update(member)
        for variable in variables:
            if variable.name not in member:
                slots[side][variable.name] = Slot(variable.name, (variable,), False)
            elif (pack_name := member[variable.name]) not in slots[side]:
                slots[side][pack_name] = _packed(pack_name, pack[pack_name], {v.name: v for v in variables})
    for pack_name, members in pack.items():
        for name in members:
            if name not in claimed:
                raise EmitError(f"pack {pack_name!r} names {name!r}, which is neither an input nor an output")
    return Layout(tuple(slots[0].values()), tuple(slots[1].values()))


def _validate(pack: Mapping[str, Sequence[str]], names: Sequence[str]) -> None:
    members = [name for packed in pack.values() for name in packed]
    for name in members:
        if members.count(name) > 1:
            raise EmitError(f"{name!r} is packed twice")
    for name, packed in pack.items():
        if not packed:
            raise EmitError(f"pack {name!r} is empty")
        if name in names and name not in packed:
            raise EmitError(f"pack {name!r} has the name of an input or output that it does not hold")


def _packed(name: str, members: Sequence[str], variables: Mapping[str, Variable]) -> Slot:
    for member in members:
        if member not in variables:
            raise EmitError(f"pack {name!r} mixes inputs and outputs, or names the unknown {member!r}")
        variable = variables[member]
        if variable.kind != "real" or not is_fixed(variable.shape):
            raise EmitError(f"pack {name!r}: {member!r} holds integers or has a symbolic extent and cannot be packed")
    return Slot(name, tuple(variables[m] for m in members), True)
