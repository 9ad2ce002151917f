"""The module of the vector emitter for calls from Python, and the program to read.

What Python calls is LLVM IR, whole, matrix products included, with entry points of Python's C interface; Numba has no
part in it.
"""

from __future__ import annotations

from llvmlite import binding, ir

from codegen.emit.line import LineWriter
from codegen.emit.numba import FunctionWriter, describe, functions, preamble
from codegen.emit.vector import functions as program_functions
from codegen.emit.vector.entry import Entries
from codegen.emit.vector.interface import FEW_RUN, NATIVE
from codegen.emit.vector.plan import StraightPlan
from codegen.emit.vector.table import Table

LOOPS = (
    "What runs are these loops as vector instructions, those in lanes {width} numbers at a time, and kernels",
    "for steps on tiles and matrix products.",
)
LINE = (
    "What runs is this line of scalar instructions, functions of one kind side by side; a product that is added to",
    "something in one statement is rounded once.",
)


def readable_source(table: Table) -> str:
    """The program as Numba code, to read: what runs is the same as vector instructions, or as a line of them."""
    plan, layout = table.plan, table.layout
    program, dtype = plan.program, plan.dtype
    if isinstance(plan, StraightPlan):
        written, said = LineWriter(plan.line, program, layout, dtype).lines(), LINE
    else:
        written, said = FunctionWriter(program, layout, dtype).lines(), LOOPS
    texts = ["\n".join(written) + "\n"]
    if table.few is not None and (few := table.few.samples) is not None:
        texts.append(f"# For up to {few.most} samples, with features in lanes:\n")
        texts.append(functions(table.few.program, layout, dtype, "few_"))
    head = [
        '"""' + describe(program, layout, dtype),
        "",
        *(text.format(width=plan.width) for text in said),
    ]
    return "\n".join([*head, '"""', "", preamble(program.graph, dtype) + "\n\n".join(texts)])


def native_module(table: Table, parted: bool) -> str:
    """The entry points for Python, in LLVM's language; ``parted``: also those by which threads share a call."""
    module = ir.Module("symnn")
    module.triple = binding.get_process_triple()
    Entries(module, table, NATIVE, parted).define()
    return str(module)


def few_module(table: Table) -> str:
    """The program for few samples, in LLVM's language, as a function that is called by its address."""
    module = ir.Module("symnn")
    module.triple = binding.get_process_triple()
    assert table.few is not None
    run = program_functions.ProgramFunctions(module, Table(table.few, table.layout), f"{NATIVE}_few").run()
    assert run.name == FEW_RUN
    run.linkage = ""
    return str(module)
