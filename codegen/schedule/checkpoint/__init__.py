"""Keep what the steps of a scan leave at every so many of them alone, and compute the rest again where it is read.

What is read at all steps of a scan, as on the way back, is kept for all of them. With checkpoints every scan goes in
blocks of k steps. What it computes lies in windows, of the places that one block knows; the places that a block takes
over from the one before it are kept block by block, and what reads a scan runs its block again from there, just before
its own. So T/k checkpoints and k steps are in memory instead of T steps, for the time of a second way forward (Griewank
1992; Chen, Xu, Zhang and Guestrin 2016: k = √T). The same statements run in the same order, in the same lanes: results
are the same to the bit.
"""

from __future__ import annotations

from dataclasses import replace

from codegen.errors import EmitError
from codegen.schedule.checkpoint.again import parts_of
from codegen.schedule.checkpoint.blocks import Blocks
from codegen.schedule.checkpoint.interval import Checkpoint, checkpoint_of
from codegen.schedule.checkpoint.places import Places
from codegen.schedule.checkpoint.runs import Runs
from codegen.schedule.checkpoint.windows import Windows
from codegen.schedule.lanes import kept
from codegen.schedule.program import Program
from codegen.schedule.storage import shared

__all__ = ["Checkpoint", "checkpoint_of", "checkpointed"]


def checkpointed(program: Program, checkpoint: Checkpoint) -> Program:
    """The program whose scans keep what they leave every so many steps; itself where none is kept for all of them.

    What is an output, or read at all steps by what is no scan, stays as it is. Raises :class:`EmitError` where a scan
    reads another at all steps and none of it can be computed again.
    """
    if checkpoint is None:
        return program
    few = None if program.few is None else checkpointed(program.few, checkpoint)
    runs = Runs(program)
    windows = Windows(runs)
    parts = {run: parts_of(windows, run) for run in runs.all}
    if not windows.by_key:
        if windows.fault is not None:
            raise EmitError(f"checkpoint: {windows.fault}")
        return program if few is program.few else replace(program, few=few)
    places = Places(windows, parts, checkpoint)
    statements = Blocks(parts, places).of(program.statements, {})
    storage = {**program.storage, **places.storage}
    made = replace(program, statements=statements, storage=storage)
    vectors = {key for key, of_vectors in kept(made) if of_vectors}
    found, sizes = shared(program.graph, statements, storage, vectors)
    return replace(program, statements=statements, storage=found, work=sizes, few=few)
