#!/usr/bin/env bash
# llvmlite's pass managers have a _dispose that frees LLVM's object, as all its references have. Expected: a pass manager
# that is dropped, or closed, gives its memory back. Seen: ModulePassManager and FunctionPassManager inherit the empty
# _dispose of ObjectRef before the one that frees (ObjectRef comes first among their bases), so that each one made for a
# pipeline stays, some 30 kB of a module's; the pass builder and the tuning options, with one base, are freed. Numba
# makes several for each function that it compiles.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet llvmlite==0.50.0
"$folder/venv/bin/python" - <<'PYTHON'
import gc
import resource
import sys

import llvmlite
import llvmlite.binding as llvm
from llvmlite.binding import ffi, newpassmanagers

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()
machine = llvm.Target.from_default_triple().create_target_machine()
COUNT = 300


def kilobytes():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1024


def kept(make):
    """What stays of a pass builder, its options, and what else is made of it."""
    for _ in range(30):
        make(llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    before = kilobytes()
    for _ in range(COUNT):
        make(llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    return (kilobytes() - before) / COUNT


print("llvmlite", llvmlite.__version__)
empty = {
    kind.__name__: kind._dispose is ffi.ObjectRef._dispose
    for kind in (newpassmanagers.ModulePassManager, newpassmanagers.FunctionPassManager, newpassmanagers.PassBuilder)
}
print("whose _dispose is the empty one:", empty)
alone = kept(lambda builder: None)
managers = kept(lambda builder: builder.getModulePassManager().close())
newpassmanagers.ModulePassManager._dispose = newpassmanagers.NewPassManager._dispose
mended = kept(lambda builder: builder.getModulePassManager().close())
print(f"stays of a builder alone: {alone:.1f} kB; with a pass manager that was closed: {managers:.1f} kB")
print(f"the same with the _dispose of NewPassManager: {mended:.1f} kB")
expected = {"ModulePassManager": True, "FunctionPassManager": True, "PassBuilder": False}
sys.exit(0 if empty == expected and managers > 20 and alone < 5 and mended < 5 else 1)
PYTHON
