"""Where windows, what blocks leave to each other, and places that are read by themselves are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from sympy import Expr, Idx, Integer, Min, expand

from codegen.ir.affine import affine
from codegen.ir.equation import Variable
from codegen.ir.names import Names
from codegen.schedule.checkpoint.accesses import Values, along
from codegen.schedule.checkpoint.again import Part, together
from codegen.schedule.checkpoint.lengths import blocks_of, longest, steps_of
from codegen.schedule.checkpoint.runs import Run
from codegen.schedule.checkpoint.windows import Window, Windows
from codegen.schedule.program import Loop, Storage, StorageKey, walk
from codegen.walk import Extent, as_extent, fresh_index, subscripts, symbol_of


class Places:
    """What is stored where: ``storage`` of all that has windows, and of what is copied from and to them."""

    def __init__(
        self, windows: Windows, parts: Mapping[Run, Sequence[Part]], checkpoint: int | Literal["sqrt"]
    ) -> None:
        self.windows, self.program = windows, windows.runs.program
        graph, runs = self.program.graph, windows.runs
        self.names = Names(graph.variables)
        loops = [s.index.name for s, _ in walk(self.program.statements) if isinstance(s, Loop)]
        self.taken = {*graph.index_names, *loops}
        self.storage: dict[StorageKey, Storage] = {}
        self.steps: dict[Run, Extent] = {}
        """The steps of a block."""
        self.longest: dict[Run, Extent] = {}
        """The most steps that loops have, and those that have the same blocks."""
        for group in together(parts):
            if any(windows.of(run) for run in group):
                n = longest(runs, [loops for run in group for loops in run.members])
                self.steps |= dict.fromkeys(group, steps_of(runs, checkpoint, n))
                self.longest |= dict.fromkeys(group, n)
        self.kept = {key: self.checkpoint(window) for key, window in windows.by_key.items() if window.back}
        self.alone = {key: self.single(window) for key, window in windows.by_key.items()}
        for window in windows.by_key.values():
            self.storage[window.key] = self.stored(window, self.places_of(window))

    def stored(self, window: Window, places: Extent) -> Storage:
        """So many places along the axis of a window, everything else as it is."""
        old = self.program.storage[window.key]
        shape = dict(zip(old.axes, old.shape))
        shape[window.axis] = places
        axes = tuple(sorted(shape))
        return replace(old, axes=axes, shape=tuple(shape[axis] for axis in axes))

    def places_of(self, window: Window) -> Extent:
        """The places of a window: no more than all steps need, where blocks are longer."""
        steps = self.size(window)
        if isinstance(steps, int):
            steps = Min(steps, self.longest[window.run])
        return as_extent(steps + window.last - window.first)

    def checkpoint(self, window: Window) -> Variable:
        """What each block takes over: for all blocks where some are run again."""
        again = window.run in self.windows.again
        blocks = as_extent(blocks_of(self.longest[window.run], self.size(window)) + 1) if again else 1
        row = self.stored(window, window.back)
        variable = self.named(f"{window.key[0]} kept", (blocks, *self.shape(window)))
        axes = (0, *(axis + 1 for axis in row.axes))
        self.storage[variable.name, ()] = replace(row, axes=axes, shape=(blocks, *row.shape))
        return variable

    def single(self, window: Window) -> Mapping[Expr, Variable]:
        """The places that are read or written by themselves."""
        found = {}
        for place in sorted(window.single, key=str):
            found[place] = self.named(f"{window.key[0]} at {place}", self.shape(window))
            self.storage[found[place].name, ()] = self.stored(window, 1)
        return found

    def named(self, name: str, shape: tuple[Extent, ...]) -> Variable:
        return Variable(self.names.new(name), shape)

    def shape(self, window: Window) -> tuple[Extent, ...]:
        return self.program.graph.variable(window.key[0]).shape

    def index(self, name: str, n: Extent) -> Idx:
        """An index of a name that no other has."""
        return fresh_index(Idx(name, n), self.taken)

    def there(self, reference: Expr, values: Values, start: Expr | None) -> Expr:
        """Where a vertex is: in its window, or by itself."""
        window = self.windows.by_key.get(self.program.key_of(reference))
        if window is None:
            return reference
        key = list(subscripts(reference))
        form = affine(along(reference, window.axis, values))
        assert form is not None
        if not form.coefficients:
            key[window.axis] = Integer(0)
            return self.alone[window.key][form.constant][tuple(key)]
        assert start is not None
        key[window.axis] = expand(key[window.axis] - start - window.first)
        return symbol_of(reference)[tuple(key)]

    def most(self, window: Window) -> Extent:
        """The most steps of a block that there may be: all, where blocks are longer."""
        size = self.size(window)
        return self.longest[window.run] if isinstance(size, int) else size

    def size(self, window: Window) -> Extent:
        """The steps of a block."""
        return self.steps[window.run]
