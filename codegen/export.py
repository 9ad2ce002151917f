"""Graphs as source files for other languages, and as object files."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

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
    from codegen.emit.javascript.writer import JavaScriptFunction
    from codegen.emit.vector.table import Table

C_WAYS = tuple(name for name in PORTABLE.ways if name != "blas")
"""C has no BLAS."""

Files = dict[str, str | bytes]
"""What is to be written, by the names of the files."""


def write_c(
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
) -> tuple[Path, ...]:
    """Write a graph as one C99 function, ``name.c`` and ``name.h``; gives the paths of the files.

    The header says formulas, shapes, operations and how it is called: ``int name(extents, inputs, outputs,
    workspace)``, arrays flat, numbers by value, outputs by pointer, labels int64. It needs libm alone and allocates
    nothing. ``pack`` and ``checkpoint`` are as for :func:`codegen.compile`. ``constants`` are inputs whose values
    stand in the file. ``example`` are values of the other inputs: with it come ``name_test.c``, a program that compares
    the function at these values with the compiled one and ends with status 1 if they differ, and a ``CMakeLists.txt``.

    The directory is made if need be. All files are written, or none: what is there under their names stays until all
    texts are made, and so does a ``CMakeLists.txt`` that is somebody else's. ``name`` and the names in the graph are
    turned into identifiers that are safe: what C's libraries or CMake have gets an underscore behind it. Raises
    :class:`EmitError` for what :func:`codegen.compile` raises it for, for functions that are SciPy's (Bessel functions
    and others), and for constants and examples that do not fit.

    >>> from codegen import from_expressions, gradient
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     header, source = write_c(gradient(from_expressions({"e": a * b}, [a, b]), "e"), folder, name="product")
    ...     print(header.read_text().split("*/")[-1])
    int product(
        double a,
        double b,
        double *e,
        double *de_da,
        double *de_db);
    <BLANKLINE>
    #ifdef __cplusplus
    }
    #endif
    <BLANKLINE>
    #endif
    <BLANKLINE>
    """
    return write_together(
        directory, c_files(Request(graph, name, dtype, schedule, pack, constants, example, checkpoint=checkpoint))
    )


def write_object(
    graph: Graph,
    directory: str | os.PathLike[str],
    *,
    name: str = "model",
    dtype: DTypeLike = "float64",
    schedule: ScheduleName = "auto",
    pack: Mapping[str, str | Sequence[str]] | None = None,
    constants: Mapping[str, ArrayLike] | None = None,
    example: Mapping[str, ArrayLike] | None = None,
    triple: str | None = None,
    checkpoint: Checkpoint = None,
) -> tuple[Path, ...]:
    """Write the vector code of a graph as a relocatable object file, ``name.o`` and ``name.h``; no compiler is needed.

    The function has the calling convention of C on that platform and the parameters that :func:`write_c` gives it; only
    its workspace has another size. ``triple`` names another machine than the one at hand, with no more than the
    instructions that every processor of its kind has: ``x86_64-…``, ``aarch64-…``, ``riscv64-…`` or ``wasm32-…``. Where
    these have no fused multiply-add, of x86_64 libm's is called and the code is slow, C is better there; of wasm32 the
    product is rounded too. The code is position-independent and calls at most functions of libm, ``memcpy``,
    ``memset`` and the run-time support of the platform's compilers. Everything else is as for :func:`write_c`.

    Raises :class:`EmitError` for what :func:`write_c` raises it for, for a triple that is not known, and for a graph
    that has no vector form.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = write_object(from_expressions({"e": a * b}, [a, b]), folder, name="product")
    ...     sorted(file.name for file in files)
    ['product.h', 'product.o']
    """
    request = Request(graph, name, dtype, schedule, pack, constants, example, checkpoint=checkpoint)
    return write_together(directory, object_files(request, triple))


def write_javascript(
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
) -> tuple[Path, ...]:
    """Write a graph as a module of JavaScript without dependencies, ``name.mjs``; gives the paths of the files.

    It exports the function ``name(extents, inputs, outputs, workspace)`` over flat typed arrays, outputs that are
    numbers in arrays of one; ``run({input: …})``, which makes the arrays and gives the outputs by name;
    ``ARGUMENTS``, ``RESULTS``, ``workspaceSize``. Arithmetic is in float64; with ``dtype="float32"`` arrays are
    Float32Array, and what is stored in them is rounded. With ``example`` comes a self-test for Node, ``name_test.mjs``.
    Everything else is as for :func:`write_c`, but that special functions other than erf and erfc are refused too.

    >>> from codegen import from_expressions, gradient
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (module,) = write_javascript(gradient(from_expressions({"e": a * b}, [a, b]), "e"), folder, name="product")
    ...     text = module.read_text()
    >>> print(text[text.index("export function product") : text.index("/** Lengths that are sums")])
    export function product(a, b, e, de_da, de_db) {
        // e = a*b
        const t0 = a*b;
        // de/da = b
        const t1 = b;
        // de/db = a
        const t2 = a;
        e[0] = t0;
        de_da[0] = t1;
        de_db[0] = t2;
        return 0;
    }
    <BLANKLINE>
    <BLANKLINE>
    """
    return write_together(
        directory,
        javascript_files(Request(graph, name, dtype, schedule, pack, constants, example, checkpoint=checkpoint)),
    )


def write_webassembly(
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
) -> tuple[Path, ...]:
    """Write the vector code of a graph as WebAssembly, ``name.wasm``, and ``name.mjs``, which is called as the module
    of :func:`write_javascript` is, in browsers and in Node.

    It needs LLVM's linker: ``wasm-ld``, or the package ziglang, ``pip install 'symnn[webassembly]'``. Arrays are copied
    into the memory of the code, which grows with the largest call to at most 1 GiB; a larger call is a RangeError.
    WebAssembly has no fused multiply-add: products are rounded before they are added to. ``example`` and everything
    else are as for :func:`write_javascript`, but that functions without a vector form are refused, and what calls
    functions of libm that JavaScript lacks (Γ).
    """
    return write_together(
        directory,
        webassembly_files(Request(graph, name, dtype, schedule, pack, constants, example, checkpoint=checkpoint)),
    )


@dataclass(frozen=True, eq=False)
class Request:
    """What is to be written: the arguments of :func:`write_c`, and lines for the head of the header.

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
    def optimised(self) -> Graph:
        """The graph after the passes, which has no function that C does not have."""
        from codegen.emit.c.dialect import refused

        return _optimised(self.graph, refused, "C")

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

    def function(self, program: Program, work: tuple[tuple[Extent, ...], ...] | None = None) -> CFunction:
        """The function by its program."""
        from codegen.emit.c.function import CFunction
        from codegen.emit.c.names import file_name

        convention = _without(self.layout, self.fixed)
        return CFunction(program, convention, self.real, file_name(self.name), self.fixed, work)

    def compared(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The values of the example, and the results for them."""
        values = _values(self.graph, self.example or {}, self.real, "example")
        return values, _expected(self.graph, {**self.fixed, **values}, self.packed, self.real)

    def test(self, function: CFunction, cmake: str) -> Files:
        """The self-test and what builds it, if there is an example."""
        from codegen.emit.c import selftest

        if self.example is None:
            return {}
        values, expected = self.compared()
        return {f"{function.name}_test.c": selftest.program(function, values, expected), "CMakeLists.txt": cmake}


def c_files(request: Request) -> Files:
    """The files of :func:`write_c`."""
    from codegen.emit.c import module, selftest

    function = request.function(_for_c(request, request.optimised))
    files: Files = {
        f"{function.name}.h": module.header(function.name, [function], request.notes),
        f"{function.name}.c": module.source(function.name, [function]),
    }
    return files | request.test(function, selftest.cmake(function.name))


def javascript_files(request: Request) -> Files:
    """The files of :func:`write_javascript`."""
    from codegen.emit.javascript.dialect import refused
    from codegen.emit.javascript.module import module, self_test

    program = _for_c(request, _optimised(request.graph, refused, "JavaScript"))
    function = _javascript(request, program, frozenset({"SUMS", "addUp"}))
    files: Files = {f"{function.name}.mjs": module(function, request.notes)}
    if request.example is not None:
        values, expected = request.compared()
        files[f"{function.name}_test.mjs"] = self_test(function, values, expected)
    return files


def webassembly_files(request: Request) -> Files:
    """The files of :func:`write_webassembly`."""
    from codegen.emit.javascript.module import self_test
    from codegen.emit.javascript.webassembly import loader

    function, code = _webassembly(request)
    files: Files = {f"{function.name}.wasm": code(), f"{function.name}.mjs": loader(function, request.notes)}
    if request.example is not None:
        values, expected = request.compared()
        files[f"{function.name}_test.mjs"] = self_test(function, values, expected)
    return files


def webassembly_text(request: Request) -> Callable[[], str]:
    """The module of JavaScript of :func:`write_webassembly` with the code inside, for pages.

    What compiles and links it is given back to be called, in any thread: two thirds of the time, and without SymPy.
    """
    from codegen.emit.javascript.webassembly import loader

    function, code = _webassembly(request)
    return lambda: loader(function, request.notes, code())


def _webassembly(request: Request) -> tuple[JavaScriptFunction, Callable[[], bytes]]:
    """The function as JavaScript calls it, and what makes its module of WebAssembly."""
    from codegen.emit.javascript.webassembly import IMPORTS, LIMIT, NAMES
    from codegen.emit.vector import relocatable
    from codegen.runtime.linker import linked
    from codegen.runtime.machine import Relocatable

    machine = Relocatable("wasm32-unknown-unknown")
    table = _vector_table(request, machine.target)
    function = _javascript(request, table.plan.program, NAMES, relocatable.workspace(table))
    text = relocatable.module(function, table, machine.triple, machine.data_layout, machine.pointer_bytes)
    return function, lambda: linked(machine.compile(text), function.name, IMPORTS, LIMIT)


def _javascript(
    request: Request, program: Program, names: frozenset[str], work: tuple[tuple[Extent, ...], ...] | None = None
) -> JavaScriptFunction:
    """The function of a program under a name that JavaScript has not."""
    from codegen.emit.c.names import file_name
    from codegen.emit.javascript.dialect import KEYWORDS
    from codegen.emit.javascript.library import FUNCTIONS
    from codegen.emit.javascript.writer import JavaScriptFunction

    convention, name, taken = (
        _without(request.layout, request.fixed),
        file_name(request.name),
        KEYWORDS | FUNCTIONS | names,
    )
    if name in taken:
        raise EmitError(f"name: found {request.name!r}, which JavaScript or the module has already")
    return JavaScriptFunction(program, convention, request.real, name, request.fixed, work, taken)


def object_files(request: Request, triple: str | None = None) -> Files:
    """The files of :func:`write_object`."""
    from codegen.emit.c import module, selftest
    from codegen.emit.vector import relocatable
    from codegen.runtime.machine import Relocatable

    machine = Relocatable(triple)
    table = _vector_table(request, machine.target)
    function = request.function(table.plan.program, relocatable.workspace(table))
    text = relocatable.module(function, table, machine.triple, machine.data_layout, machine.pointer_bytes)
    said = f"machine code for {machine.triple}; it calls at most libm, memcpy, memset and what compilers there call"
    files: Files = {
        f"{function.name}.h": module.header(function.name, [function], [said, *request.notes]),
        f"{function.name}.o": machine.compile(text),
    }
    return files | request.test(function, selftest.cmake_object(function.name))


def _vector_table(request: Request, target: Target) -> Table:
    """The vector code of a graph."""
    from codegen.emit.vector.nodes import obstacle
    from codegen.emit.vector.table import table

    found = schedule(request.optimised, request.schedule, replace(target, ways=C_WAYS), request.real)
    program = checkpointed(found, request.checkpoint)
    if (missing := obstacle(program)) is not None:
        raise EmitError(f"{missing} has no vector form; write C instead")
    return table(program, request.layout)


def _for_c(request: Request, graph: Graph) -> Program:
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
