"""Graphs as source files for other languages, and as object files."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sympy import Symbol
from sympy.core.basic import Basic

from codegen.cached import cached_property
from codegen.dtypes import DTYPES, Dtype, dtype_name
from codegen.emit.layout import Layout, layout
from codegen.errors import EmitError
from codegen.ir.graph import Graph, Variable, require_graph
from codegen.passes import optimise
from codegen.schedule import PORTABLE, ScheduleName, Target, schedule
from codegen.schedule.checkpoint import Checkpoint, checkpoint_of, checkpointed
from codegen.schedule.inward import samples_inside
from codegen.schedule.program import Program
from codegen.walk import Extent, length, lengths_in, postorder

if TYPE_CHECKING:
    from codegen.emit.c.function import CFunction
    from codegen.emit.vector.table import Table

    write_c: Writer
    write_javascript: Writer
    write_object: Writer
    write_webassembly: Writer

C_WAYS = tuple(name for name in PORTABLE.ways if name != "blas")
"""C has no BLAS."""

Files = dict[str, str | bytes]
"""What is to be written, by the names of the files."""


@dataclass(frozen=True)
class Machine:
    """For what machine code is: one that the request names unless it is named here, and whether it is linked."""

    triple: str | None = None
    linked: bool = False


@dataclass(frozen=True)
class Written:
    """What graphs are written as: a row a target.

    Its module has ``ABOUT``, the docstring of the function that writes it, ``function(program, layout, dtype, name,
    constants, work)``, which describes what is written, ``files(function, notes)`` and ``trial(function, values,
    expected)``; of a language besides its name, ``LANGUAGE``, and ``refused(node)``, what a user calls a function that
    it does not have. Of machine code ``files`` gets the code and the machine too, and the module names ``IMPORTS`` and
    the ``LIMIT`` of its memory if it is linked.
    """

    module: str
    machine: Machine | None = None
    """Whether it is vector code, for a machine, and not a text for a compiler."""


TARGETS: Mapping[str, Written] = {
    "c": Written("codegen.emit.c.files"),
    "object": Written("codegen.emit.c.object", Machine()),
    "javascript": Written("codegen.emit.javascript.files"),
    "webassembly": Written("codegen.emit.javascript.webassembly", Machine("wasm32-unknown-unknown", linked=True)),
}
"""By what follows ``write_`` in the name of the function."""


class Writer(Protocol):
    """A function of this module that writes a graph as one of the targets."""

    __name__: str

    def __call__(
        self,
        graph: Graph,
        directory: str | os.PathLike[str],
        *,
        name: str = "model",
        dtype: DTypeLike = "float64",
        schedule: ScheduleName = "auto",
        pack: Mapping[str, str | Sequence[str]] | None = None,
        constants: Mapping[str, ArrayLike] | None = None,
        example: Mapping[str, ArrayLike] | None = None,
        checkpoint: Checkpoint = None,
        triple: str | None = None,
    ) -> tuple[Path, ...]:
        """Write it into a directory; gives the paths of the files."""


def writer(target: str) -> Writer:
    """The function that writes a target."""

    def write(
        graph: Graph,
        directory: str | os.PathLike[str],
        *,
        name: str = "model",
        dtype: DTypeLike = "float64",
        schedule: ScheduleName = "auto",
        pack: Mapping[str, str | Sequence[str]] | None = None,
        constants: Mapping[str, ArrayLike] | None = None,
        example: Mapping[str, ArrayLike] | None = None,
        checkpoint: Checkpoint = None,
        triple: str | None = None,
    ) -> tuple[Path, ...]:
        request = Request(graph, name, dtype, schedule, pack, constants, example, (), checkpoint, triple)
        return write_together(directory, generate(request, target))

    write.__name__ = write.__qualname__ = f"write_{target}"
    write.__doc__ = import_module(TARGETS[target].module).ABOUT
    return write


globals().update({f"write_{target}": writer(target) for target in TARGETS})


@dataclass(frozen=True, eq=False)
class Request:
    """What is to be written: the arguments of a :class:`Writer`, and lines for the head of the header.

    Its properties raise :class:`EmitError` for what is wrong with them.
    """

    graph: Graph
    name: str = "model"
    dtype: DTypeLike = "float64"
    schedule: ScheduleName = "auto"
    pack: Mapping[str, str | Sequence[str]] | None = None
    constants: Mapping[str, ArrayLike] | None = None
    example: Mapping[str, ArrayLike] | None = None
    notes: Sequence[str] = ()
    checkpoint: Checkpoint = None
    triple: str | None = None

    def __post_init__(self) -> None:
        require_graph(self.graph, EmitError)
        checkpoint_of(self.checkpoint)
        if not isinstance(self.name, str):
            raise EmitError(f"name: found {type(self.name).__name__}, expected text")

    @cached_property
    def real(self) -> Dtype:
        """The type of real numbers."""
        return dtype_name(self.dtype)

    @cached_property
    def packed(self) -> Mapping[str, Sequence[str]]:
        return {key: [held] if isinstance(held, str) else list(held) for key, held in (self.pack or {}).items()}

    @cached_property
    def layout(self) -> Layout:
        """What arguments and results hold, constants among them."""
        return layout(self.graph, self.packed)

    @cached_property
    def fixed(self) -> Mapping[str, np.ndarray]:
        """The constants as arrays."""
        return _values(self.graph, self.constants or {}, self.real, "constants")

    def function(self, made: Callable[..., CFunction], program: Program, *work: object) -> CFunction:
        """The function of a program, as the module of a target describes it."""
        from codegen.emit.c.names import file_name

        convention = _without(self.layout, self.fixed)
        return made(program, convention, self.real, file_name(self.name), self.fixed, *work)

    def compared(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The values of the example, and the results for them."""
        values = _values(self.graph, self.example or {}, self.real, "example")
        return values, _expected(self.graph, {**self.fixed, **values}, self.packed, self.real)


def generate(request: Request, target: str) -> Files:
    """The files of a target, a row of :data:`TARGETS`."""
    row = TARGETS[target]
    module: Any = import_module(row.module)
    if row.machine is None:
        if request.triple is not None:
            raise EmitError(f"triple: found {request.triple!r}, expected none: {target} is for every machine")
        program = _for_compilers(request, _optimised(request.graph, module.refused, module.LANGUAGE))
        function = request.function(module.function, program)
        files: Files = module.files(function, request.notes)
    else:
        function, triple, code = _machine_code(request, target)
        files = module.files(function, request.notes, code(), triple)
    return files if request.example is None else files | module.trial(function, *request.compared())


def webassembly_text(request: Request) -> Callable[[], str]:
    """The module of JavaScript of :func:`write_webassembly` with the code inside, for pages.

    What compiles and links it is given back to be called, in any thread: two thirds of the time, and without SymPy.
    """
    from codegen.emit.javascript.webassembly import loader

    function, _, code = _machine_code(request, "webassembly")
    return lambda: loader(function, request.notes, code())


def _machine_code(request: Request, target: str) -> tuple[Any, str, Callable[[], bytes]]:
    """The function as it is called, the machine, and what makes its code."""
    from codegen.emit.vector import relocatable
    from codegen.runtime.linker import linked
    from codegen.runtime.machine import Relocatable

    row = TARGETS[target]
    assert row.machine is not None
    is_linked = row.machine.linked
    if row.machine.triple and request.triple is not None:
        raise EmitError(f"triple: found {request.triple!r}, expected none: {target} is a machine itself")
    module: Any = import_module(row.module)
    machine = Relocatable(row.machine.triple if request.triple is None else request.triple)
    table = _vector_table(request, machine.target)
    function = request.function(module.function, table.plan.program, relocatable.workspace(table))
    text = relocatable.module(function, table, machine.triple, machine.data_layout, machine.pointer_bytes)

    def code() -> bytes:
        found = machine.compile(text)
        return linked(found, function.name, module.IMPORTS, module.LIMIT) if is_linked else found

    return function, machine.triple, code


def _vector_table(request: Request, target: Target) -> Table:
    """The vector code of a graph."""
    from codegen.emit.c.dialect import refused
    from codegen.emit.vector.nodes import obstacle
    from codegen.emit.vector.table import table

    optimised = _optimised(request.graph, refused, "C")
    found = schedule(optimised, request.schedule, replace(target, ways=C_WAYS), request.real)
    program = checkpointed(found, request.checkpoint)
    if (missing := obstacle(program)) is not None:
        raise EmitError(f"{missing} has no vector form; write C instead")
    return table(program, request.layout)


def _for_compilers(request: Request, graph: Graph) -> Program:
    """The program for a compiler of C, which makes vectors of innermost loops.

    ``auto`` leaves straight-line code to graphs without samples: their sums, added up in the order that is written, are
    no vectors.
    """
    straight = request.schedule == "auto" and bool(graph.extents)
    ways = tuple(chosen for chosen in C_WAYS if not (straight and chosen == "unrolled"))
    program = samples_inside(schedule(graph, request.schedule, replace(PORTABLE, ways=ways), request.real))
    return checkpointed(program, request.checkpoint)


Refused: TypeAlias = Callable[[Basic], str | None]
"""What a user calls a function that a language does not have, or None."""


def _optimised(written: Graph, refused: Refused, language: str) -> Graph:
    """The graph after the passes.

    Functions that the language does not have are named by the equations as they were written where these have them.
    """
    optimised, _ = optimise(written)
    if next(_refused(optimised, refused), None) is not None:
        name, function = next(chain(_refused(written, refused), _refused(optimised, refused)))
        raise EmitError(
            f"{function}, in the equation of {name!r}, has no form in {language}: compiled functions call SciPy's"
        )
    return optimised


def _refused(graph: Graph, refused: Refused) -> Iterator[tuple[str, str]]:
    """Equations by name, with a function of each that has no form."""
    for equation in graph.equations:
        for node in postorder(equation.body):
            if not node.is_number and (function := refused(node)) is not None:
                yield equation.name, function


def _without(convention: Layout, constants: Mapping[str, np.ndarray]) -> Layout:
    """The layout without the inputs that are constants."""
    for slot in convention.arguments:
        inside = [variable.name for variable in slot.variables if variable.name in constants]
        if inside and slot.packed:
            raise EmitError(f"constants: {inside[0]!r} is packed in {slot.name!r}; leave it out of the pack")
    return replace(convention, arguments=tuple(s for s in convention.arguments if s.name not in constants))


def _values(graph: Graph, given: Mapping[str, ArrayLike], dtype: Dtype, what: str) -> dict[str, np.ndarray]:
    """Arrays for inputs by name, of the types that a compiled function takes."""
    inputs = {variable.name: variable for variable in graph.inputs}
    found: dict[str, np.ndarray] = {}
    for name, value in given.items():
        if name not in inputs:
            raise EmitError(f"{what}: found {name!r}, expected inputs of the graph: {', '.join(inputs)}")
        found[name] = _array(inputs[name], value, dtype, what)
    lengths = {n: size for name, array in found.items() for n, size in zip(inputs[name].shape, array.shape)}
    for name, array in found.items():
        _check_integers(inputs[name], array, lengths, what)
    return found


def _array(variable: Variable, value: ArrayLike, dtype: Dtype, what: str) -> np.ndarray:
    array = np.asarray(value)
    integers = variable.kind == "integer"
    if array.dtype.kind not in ("biu" if integers else "biuf"):
        raise EmitError(f"{what}: {variable.name!r} is of {array.dtype}, expected {variable.kind} numbers")
    fits = len(array.shape) == len(variable.shape) and all(
        n == m or (what == "example" and not isinstance(m, int)) for n, m in zip(array.shape, variable.shape)
    )
    if not fits:
        raise EmitError(f"{what}: {variable.name!r} has shape {array.shape}, expected {variable.shape}")
    return np.ascontiguousarray(array, dtype=np.int64 if integers else DTYPES[dtype]).reshape(array.shape)


def _check_integers(variable: Variable, array: np.ndarray, lengths: Mapping[Extent, int], what: str) -> None:
    """Integers are from 0 to what they are below, where the lengths in that are given; code looks at all others."""
    below = variable.below
    if below is None or not array.size:
        return
    given = set(lengths_in(below)) <= lengths.keys()
    limit = length(below, {n: size for n, size in lengths.items() if isinstance(n, Symbol)}) if given else None
    if array.min() < 0 or (limit is not None and array.max() >= limit):
        last = below - 1 if limit is None else limit - 1
        raise EmitError(f"{what}: {variable.name!r} has integers outside 0 … {last}")


def _expected(
    graph: Graph, values: Mapping[str, np.ndarray], pack: Mapping[str, Sequence[str]], dtype: Dtype
) -> dict[str, np.ndarray]:
    """The results of the compiled function, by the names of the slots."""
    from codegen.compiler import compile

    missing = [variable.name for variable in graph.inputs if variable.name not in values]
    if missing:
        raise EmitError(f"example: {missing[0]!r} is missing, expected a value for every input that is no constant")
    results = {key: held for key, held in pack.items() if held[0] in graph.outputs}
    function = compile(graph, dtype=dtype, pack=results)
    found = function(*[values[v.name] if v.shape else values[v.name].item() for v in graph.inputs])
    names = [slot.name for slot in function.layout.results]
    return {name: np.asarray(value) for name, value in zip(names, found if len(names) > 1 else [found])}


def write_together(directory: str | os.PathLike[str], files: Mapping[str, str | bytes]) -> tuple[Path, ...]:
    """Write several files into a directory, made if need be: none is replaced before all are written beside them.

    Raises :class:`OSError`, with the path in question, where one of them cannot be written, and :class:`EmitError` for
    a ``CMakeLists.txt`` that is there and somebody else's.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.read_text() for path in write_together(folder, {"a": "one", "b": "two"})]
    ['one', 'two']
    """
    if not isinstance(directory, (str, os.PathLike)):
        raise EmitError(f"directory: found {type(directory).__name__}, expected a path")
    folder = Path(directory)
    _require_writable(folder, files)
    written: list[tuple[str, Path]] = []
    path = folder
    try:
        for name, text in files.items():
            path = folder / name
            descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}-", suffix=".part")
            written.append((temporary, path))
            with os.fdopen(descriptor, "wb") as handle:
                handle.write(text.encode() if isinstance(text, str) else text)
                handle.flush()
                os.fsync(handle.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
        for temporary, path in written:
            os.replace(temporary, path)
    except BaseException as error:
        for temporary, _ in written:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, OSError):
            raise _os_error(error.errno or errno.EIO, path) from None
        raise
    return tuple(path for _, path in written)


def _require_writable(folder: Path, files: Mapping[str, str | bytes]) -> None:
    from codegen.emit.c.selftest import MARK

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        # Python has "file exists" where a file is in the place of the directory.
        raise _os_error(errno.ENOTDIR if folder.exists() else error.errno or errno.EIO, folder) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _os_error(errno.EACCES, folder)
    for name in files:
        if (folder / name).is_dir():
            raise _os_error(errno.EISDIR, folder / name)
    path = folder / "CMakeLists.txt"
    if path.name in files and path.exists():
        with path.open("rb") as handle:
            if handle.readline(1000).rstrip() != MARK.encode():
                raise EmitError(
                    f"found {str(path)!r}, which was not generated: remove it, or write to another directory"
                )


def _os_error(number: int, path: Path) -> OSError:
    """The error of the system about a path."""
    return OSError(number, os.strerror(number), str(path))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
