"""A scheduled graph as one function of JavaScript: what C's writer writes, with other declarations and no pointers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from codegen.emit.c.function import CFunction, elements_text
from codegen.emit.c.writer import Words, Writer
from codegen.emit.integers import Integers
from codegen.emit.javascript.dialect import DIALECT, SINGLE, literal
from codegen.emit.scalars import Dialect


@dataclass
class JavaScriptFunction(CFunction):
    """One function: its program, what its arguments hold, and its names."""

    @property
    def array_type(self) -> str:
        """The type of arrays of real numbers."""
        return "Float64Array" if self.dtype == "float64" else "Float32Array"

    @property
    def workspace_text(self) -> str:
        """The numbers in the workspace, as an expression of the extents."""
        texts = (elements_text(w, lambda n: f"({INTEGERS.text(n, self.extents.get)})") for w in self.work or ())
        return " + ".join(texts) or "0"

    def constant_arrays(self, text: str) -> Iterator[str]:
        for name, values in self.constants.items():
            if not re.search(rf"\b{self.arrays[name]}\b", text):
                continue
            texts = [str(v) if values.dtype.kind == "i" else literal(v) for v in values.ravel().tolist()]
            if not values.shape:
                yield f"const {self.arrays[name]} = {texts[0]};"
            else:
                yield f"const {self.arrays[name]} = [  // {list(values.shape)}"
                yield from (f"  {', '.join(texts[n : n + 4])}," for n in range(0, len(texts), 4))
                yield "];"
            yield ""


INTEGERS = Integers(
    "Math.trunc({0}/{1})",
    "Math.ceil(Math.sqrt({0}))",
    "({0} < {1} ? {0} : {1})",
    # A number has 53 bits.
    lambda value: str(value) if abs(value) < 2**53 else f"{value}n",
)


@dataclass
class JavaScriptWriter(Writer):
    """The text of one function."""

    integers = INTEGERS
    independent = ""

    def language(self) -> Dialect:
        return DIALECT if self.function.dtype == "float64" else SINGLE

    def vocabulary(self) -> Words:
        return Words("let", "const", "let", "const", "{}[0]")

    def lines(self) -> Iterator[str]:
        f = self.function
        body, used = self.body()
        yield f"export function {f.name}({', '.join(name for _, name, _ in f.parameters)}) {{"
        yield from (f"    {line}" for line in self.needed(used))
        yield from body
        yield "    return 0;"
        yield "}"

    def views(self) -> Iterator[tuple[str, str]]:
        f = self.function
        for slots, names in ((f.layout.arguments, f.arguments), (f.layout.results, f.results)):
            for slot, name in zip(slots, names):
                for variable, start, stop in zip(slot.variables, slot.offsets, slot.offsets[1:]) if slot.packed else ():
                    part = f.arrays[variable.name]
                    if variable.shape:
                        yield part, f"const {part} = {name}.subarray({start}, {stop});"
                    elif slots is f.layout.arguments:
                        yield part, f"const {part} = {name}[{start}];"
        end = "0"
        for work, extents in enumerate(self.program.work):
            begin, end = end, self.size(extents) if end == "0" else f"{end} + {self.size(extents)}"
            yield f"w{work}", f"const w{work} = {f.workspace}.subarray({begin}, {end});"

    def pointer(self, array: str, start: str) -> str:
        return f"{array}, {start}"

    def number(self, value: float) -> str:
        return literal(value)

    def as_real(self, integer: str) -> str:
        return f"({integer})" if " " in integer else integer

    def as_whole(self, real: str) -> str:
        return real
