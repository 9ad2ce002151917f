"""The module of the vector emitter for calls from Python, and the program to read.

What Python calls is LLVM IR, whole, matrix products included, with entry points of Python's C interface; Numba has no
part in it.
"""

from __future__ import annotations

from llvmlite import binding, ir

from codegen.emit.numba import describe, functions, preamble
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
    "What runs is a line of scalar instructions, functions of one kind side by side. It adds and multiplies in an",
    "order of its own, so that its last bits may be others than those of this program.",
)


def readable_source(table: Table) -> str:
    """The program as Numba code, to read: what runs is the same as vector instructions, or, of a large formula, a line
    of instructions in another order."""
    plan, layout = table.plan, table.layout
    program, dtype = plan.program, plan.dtype
    texts = [functions(program, layout, dtype)]
    if table.few is not None and (few := table.few.samples) is not None:
        texts.append(f"# For up to {few.most} samples, with features in lanes:\n")
        texts.append(functions(table.few.program, layout, dtype, "few_"))
    head = [
        '"""' + describe(program, layout, dtype),
        "",
        *(LINE if isinstance(plan, StraightPlan) else [said.format(width=plan.width) for said in LOOPS]),
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
