"""From LLVM's language to machine code in this process, and from machine code on disk.

Numba's own pipeline optimises a module twice and looks for loops to vectorise; here vectors are explicit, and it is
enough to simplify each function once. Of the pipelines for whole modules what counts is that small functions become
part of their caller, and that constant arguments are known: with that, 64-32-10 takes 0.22 s instead of 0.35 (and
Numba's way 1.0), and calls take as long.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import llvmlite.binding as llvm
from llvmlite.binding import ffi, newpassmanagers

_lock = threading.RLock()


@lru_cache(maxsize=1)
def free_pass_managers() -> None:
    """Have LLVM's pass managers freed with their objects, Numba's own too.

    llvmlite's inherit an empty ``_dispose`` before the one that frees them (seen in 0.50): 100 kB stay of each module
    that is compiled, 2.4 MB of a readable one, which Numba compiles piece by piece.
    """
    for kind in (newpassmanagers.ModulePassManager, newpassmanagers.FunctionPassManager):
        if kind._dispose is ffi.ObjectRef._dispose:
            kind._dispose = newpassmanagers.NewPassManager._dispose


@lru_cache(maxsize=1)
def _target_machine() -> Any:
    from numba.core import config

    free_pass_managers()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name = getattr(config, "CPU_NAME", None)
    features = getattr(config, "CPU_FEATURES", None)
    if features is None:
        features = llvm.get_host_cpu_features().flatten() if name in (None, "host") else ""
    target = llvm.Target.from_default_triple()
    cpu = llvm.get_host_cpu_name() if name in (None, "host") else name
    return target.create_target_machine(cpu=cpu, features=features, opt=2, codemodel="jitdefault", jit=True)


def compile_module(text: str) -> bytes:
    """The object code of a module in LLVM's language.

    >>> import ctypes
    >>> code = load_object(compile_module("define i64 @three() { ret i64 3 }"), ["three"])
    >>> ctypes.CFUNCTYPE(ctypes.c_int64)(code.addresses["three"])()
    3
    """
    with _lock:
        machine = _target_machine()
        module = llvm.parse_assembly(text)
        module.verify()
        _optimise(module, machine)
        return bytes(machine.emit_object(module))


def _optimise(module: Any, machine: Any) -> None:
    # The second level takes a quarter longer, and calls of 2-16-3 to 64-64-64-10 are from 1 % faster to 5 % slower.
    tuning = llvm.create_pipeline_tuning_options(speed_level=1)
    tuning.loop_vectorization = tuning.slp_vectorization = False
    tuning.loop_interleaving = tuning.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, tuning)
    whole = llvm.create_new_module_pass_manager()
    whole.add_always_inliner_pass()
    whole.add_global_dead_code_eliminate_pass()
    whole.add_ipsccp_pass()
    # Masks have to be constants before it is looked for what was stored a moment ago: 5 % of 2-16-3 with one sample.
    whole.add_sroa_pass()
    whole.add_instruction_combine_pass()
    whole.run(module, builder)
    each = builder.getFunctionPassManager()
    for function in module.functions:
        if not function.is_declaration:
            each.run(function, builder)


class MachineCode:
    """Object code that has been loaded: the addresses of its functions, good as long as this lives."""

    def __init__(self, engine: Any, addresses: Mapping[str, int], facts: Mapping[str, str]) -> None:
        self._engine = engine
        self.addresses = addresses
        self.facts = facts
        """What is known about it besides."""


def load_object(code: bytes, names: Sequence[str], facts: Mapping[str, str] | None = None) -> MachineCode:
    """Load object code; ``names`` are the functions whose addresses are wanted."""
    with _lock:
        _target_machine()
        empty = llvm.parse_assembly("")
        empty.triple = llvm.get_process_triple()
        # An engine owns its machine, and compiles nothing here.
        machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
        engine = llvm.create_mcjit_compiler(empty, machine)
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        return MachineCode(engine, {name: engine.get_function_address(name) for name in names}, facts or {})
