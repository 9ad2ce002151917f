"""What a function of C takes and gives: its parameters, their names and sizes, the inputs that stand in the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from codegen.dtypes import Dtype
from codegen.emit.c.dialect import C_TYPES, literal
from codegen.emit.c.names import Names, comment
from codegen.emit.integers import Integers
from codegen.emit.layout import Layout, Slot
from codegen.schedule.program import Program
from codegen.walk import Extent, elements, is_fixed, is_symbolic


@dataclass
class CFunction:
    """One function: its program, what its arguments hold, and its names in C.

    ``constants`` are inputs whose values stand in the file.
    """

    program: Program
    layout: Layout
    dtype: Dtype
    name: str
    constants: Mapping[str, np.ndarray] = field(default_factory=dict)
    work: tuple[tuple[Extent, ...], ...] | None = None
    """The shapes of what the workspace holds, where it is not the program's own."""
    keywords: frozenset[str] = frozenset()
    """Names that are taken besides those of C."""

    def __post_init__(self) -> None:
        self.work = self.program.work if self.work is None else self.work
        names = Names({self.name, *self.keywords})
        self.extents = dict(zip(self.program.extents, names.all(map(str, self.program.extents))))
        self.arguments = names.all(slot.name for slot in self.layout.arguments)
        self.results = names.all(slot.name for slot in self.layout.results)
        self.workspace = names.new("workspace")
        self.arrays: dict[str, str] = {}
        """What holds each variable that is an input or an output: an array, or a number."""
        for slots, given in ((self.layout.arguments, self.arguments), (self.layout.results, self.results)):
            for slot, name in zip(slots, given):
                for variable in slot.variables:
                    # An output that is an input is read where the input is.
                    if slot.packed:
                        self.arrays.setdefault(variable.name, names.new(variable.name))
                    self.arrays.setdefault(variable.name, name)
        for constant in self.constants:
            self.arrays[constant] = names.new(f"{self.name}_{constant}")
        self.roots = dict(zip(self.program.roots, names.all("root" for _ in self.program.roots)))
        self.names = names

    @property
    def real(self) -> str:
        """The type of real numbers in C."""
        return C_TYPES[self.dtype].name

    @property
    def workspace_size(self) -> str:
        """Numbers in the workspace, as the text of a macro."""
        shapes = self.work or ()
        fixed = sum(elements(w) for w in shapes if is_fixed(w))
        # The arguments of a macro are of any type of integers.
        varying = [
            elements_text(w, lambda n: f"(size_t)({INTEGERS.text(n, self.extents.get)})")
            for w in shapes
            if not is_fixed(w)
        ]
        return " + ".join([str(fixed)] * (fixed > 0 or not varying) + varying)

    @property
    def parameters(self) -> list[tuple[str, str, str]]:
        """The parameters in order: how each is declared without and with its name, and what it is."""
        found = [("ptrdiff_t ", name, "an extent, at least 1") for name in self.extents.values()]
        for slot, name in zip(self.layout.arguments, self.arguments):
            kind = "int64_t" if slot.kind == "integer" else self.real
            found.append((f"const {kind} *" if slot.shape else f"{kind} ", name, describe(slot)))
        for slot, name in zip(self.layout.results, self.results):
            found.append((f"{self.real} *", name, f"result: {describe(slot)}"))
        if self.work:
            found.append((f"{self.real} *", self.workspace, "workspace, its contents before and after do not matter"))
        return found

    @property
    def varies(self) -> bool:
        """Whether the size of the workspace depends on an extent."""
        return not all(map(is_fixed, self.work or ()))

    def constant_arrays(self, text: str) -> Iterator[str]:
        """Definitions of the inputs whose values stand in the file, of those that a text reads."""
        for name, values in self.constants.items():
            if not re.search(rf"\b{self.arrays[name]}\b", text):
                continue
            integers = values.dtype.kind == "i"
            kind = "int64_t" if integers else self.real
            texts = [f"INT64_C({v})" if integers else literal(v, self.dtype) for v in values.ravel().tolist()]
            shape = f"[{values.size}]" if values.shape else ""
            yield f"/* {comment(name)}{list(values.shape) if values.shape else ''} */"
            if not values.shape:
                yield f"static const {kind} {self.arrays[name]} = {texts[0]};"
            else:
                yield f"static const {kind} {self.arrays[name]}{shape} = {{"
                yield from (f"    {', '.join(texts[n : n + 4])}," for n in range(0, len(texts), 4))
                yield "};"
            yield ""


INTEGERS = Integers(
    "{0}/{1}",
    "(ptrdiff_t)ceil(sqrt((double)({0})))",
    "({0} < {1} ? {0} : {1})",
    # A constant has no sign, so the least integer has none.
    lambda value: str(value) if value > -(2**63) else "INT64_MIN",
)


def elements_text(shape: Iterable[Extent], length: Callable[[Extent], str]) -> str:
    """The number of elements of an array."""
    extents = list(shape)
    number = elements(extents)
    symbols = [length(n) for n in extents if is_symbolic(n)]
    return "*".join([str(number)] * (number != 1 or not symbols) + symbols)


def describe(slot: Slot) -> str:
    """What an argument or result holds, for a comment."""
    limit = slot.variables[0].below
    integers = ", integers" * (slot.kind == "integer")
    if limit is not None:
        integers += f" from 0 to {comment(str(limit - 1))}"
    return comment(slot.contents, 1000) if slot.packed else comment(slot.contents) + integers
