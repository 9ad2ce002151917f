"""From LLVM's language to machine code in this process, and from machine code on disk.

Numba's own pipeline optimises a module twice and looks for loops to vectorise; here vectors are explicit, and it is
enough to simplify each function once. Of the pipelines for whole modules what counts is that small functions become
part of their caller, and that constant arguments are known: with that, 64-32-10 takes 0.22 s instead of 0.35 (and
Numba's way 1.0), and calls take as long.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
from llvmlite.binding import ffi, newpassmanagers

from codegen.errors import EmitError
from codegen.schedule.target import Target

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


def _processor() -> tuple[str | None, str | None]:
    """The name and the features of the processor that the user names, as for Numba; None for the one at hand."""
    name = os.environ.get("NUMBA_CPU_NAME")
    return None if name == "host" else name, os.environ.get("NUMBA_CPU_FEATURES")


@lru_cache(maxsize=3)
def _target_machine(level: int = 2) -> Any:
    free_pass_managers()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    name, features = _processor()
    if features is None:
        features = llvm.get_host_cpu_features().flatten() if name is None else ""
    target = llvm.Target.from_default_triple()
    cpu = llvm.get_host_cpu_name() if name is None else name
    return target.create_target_machine(cpu=cpu, features=features, opt=level, codemodel="jitdefault", jit=True)


@lru_cache(maxsize=1)
def host() -> Target:
    """The machine at hand; what cannot be read of it is as :class:`Target` has it."""
    name, features = _processor()
    if features is None and name is None:
        features = llvm.get_host_cpu_features().flatten()
    register = next((size for size, name in ((64, "+avx512f"), (32, "+avx2")) if name in (features or "")), 16)
    wanted = ("+avx2", "+fma", *(("+avx512dq", "+avx512vl") if register == 64 else ()))
    linux = platform.system() == "Linux" and platform.machine() == "x86_64"
    assembly = linux and all(name in (features or "") for name in wanted)
    many = register == 64 or platform.machine().lower() not in ("x86_64", "amd64", "i386", "i686")
    return Target(register, 32 if many else 16, cache_of_a_core() or Target.cache, assembly=assembly)


def feasible(target: Target) -> Target:
    """A target, with assembly language only if this machine has its registers."""
    here = host()
    fits = here.assembly and 32 <= target.register <= here.register and target.registers <= here.registers
    return replace(target, assembly=target.assembly and fits)


FOLDER = Path("/sys/devices/system/cpu/cpu0")
"""What Linux says of the first processor."""
PLAUSIBLE = range(2**17, 2**24)
"""Bytes of a second-level cache; a virtual machine may say anything."""


def cache_of_a_core(folder: Path = FOLDER) -> int | None:
    """The bytes of the second-level cache that one core has, its part of one that cores share; None if nobody says."""
    for place in sorted((folder / "cache").glob("index*")):
        size = re.fullmatch(r"(\d{1,9})([KM])", _line(place / "size"))
        if _line(place / "level") == "2" and _line(place / "type") != "Instruction" and size is not None:
            threads = _count(_line(folder / "topology" / "thread_siblings_list"))
            cores = max(_count(_line(place / "shared_cpu_list")) // threads, 1)
            found = int(size[1]) * {"K": 2**10, "M": 2**20}[size[2]] // cores
            return found if found in PLAUSIBLE else None
    return None


def _line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return ""


def _count(numbers: str) -> int:
    """How many there are in a list as Linux writes it; 1 if it says nothing.

    >>> _count("0-3,8"), _count("")
    (5, 1)
    """
    ranges = re.findall(r"(\d+)(?:-(\d+))?", numbers)
    return sum(int(last or first) - int(first) + 1 for first, last in ranges) or 1


def compile_module(text: str) -> bytes:
    """The object code of a module in LLVM's language.

    >>> import ctypes
    >>> code = load_object(compile_module("define i64 @three() { ret i64 3 }"), ["three"])
    >>> ctypes.CFUNCTYPE(ctypes.c_int64)(code.addresses["three"])()
    3
    """
    return _compiled(_target_machine(), text)


def compile_line(text: str) -> bytes:
    """The object code of a module of straight lines, whose order LLVM changes once and not again at the end.

    That is a sixth of the time; calls of arms with five and six joints take 3 to 5 % less.
    """
    return _compiled(_target_machine(1), text)


def compile_lightly(text: str) -> bytes:
    """The object code of a module whose stack slots have become registers, no loop of which is looked at.

    The passes take a third of the time. A forward pass on 270 rows takes as long (62 µs of 64-32-10), a gradient on
    32 rows a tenth longer. Entry points, which run once a call, are left as they are written.
    """
    with _lock:
        module, machine = llvm.parse_assembly(text), _target_machine(1)
        module.verify()
        _optimise_whole(module, llvm.create_pass_builder(machine, _tuning()))
        for function in module.functions:
            if not function.is_declaration and function.linkage == llvm.Linkage.external:
                for attribute in ("noinline", "optnone"):
                    function.add_function_attribute(attribute)
        return bytes(machine.emit_object(module))


def compile_quickly(text: str) -> bytes:
    """The object code of a module as it is written: of a straight line in a fifth of the time, a tenth slower."""
    with _lock:
        module = llvm.parse_assembly(text)
        module.verify()
        return bytes(_target_machine(0).emit_object(module))


TIERS: Mapping[str, Callable[[str], bytes]] = {
    "full": compile_module,
    "light": compile_lightly,
    "quick": compile_quickly,
}
"""From a module to object code, by how much time that may take."""
LINE_TIERS: Mapping[str, Callable[[str], bytes]] = {**TIERS, "full": compile_line}
"""The same of straight lines."""


def _compiled(machine: Any, text: str) -> bytes:
    with _lock:
        module = llvm.parse_assembly(text)
        module.verify()
        _optimise(module, machine)
        return bytes(machine.emit_object(module))


def _optimise(module: Any, machine: Any) -> None:
    builder = llvm.create_pass_builder(machine, _tuning())
    _optimise_whole(module, builder)
    each = builder.getFunctionPassManager()
    for function in _simplified(module):
        if not _is(function, "settled"):
            each.run(function, builder)


def _simplified(module: Any) -> list[Any]:
    """The functions in which there may be something to simplify."""
    return [f for f in module.functions if not f.is_declaration and not _is(f, "plain")]


def _is(function: Any, kind: str) -> bool:
    """Whether a function has an attribute of ours."""
    return any(f'"{kind}"'.encode() in attribute for attribute in function.attributes)


def _tuning() -> Any:
    # The second level takes a quarter longer, and calls of 2-16-3 to 64-64-64-10 are from 1 % faster to 5 % slower.
    tuning = llvm.create_pipeline_tuning_options(speed_level=1)
    tuning.loop_vectorization = tuning.slp_vectorization = False
    tuning.loop_interleaving = tuning.loop_unrolling = False
    return tuning


def _optimise_whole(module: Any, builder: Any) -> None:
    whole = llvm.create_new_module_pass_manager()
    whole.add_always_inliner_pass()
    whole.add_global_dead_code_eliminate_pass()
    whole.add_ipsccp_pass()
    whole.run(module, builder)
    # Masks have to be constants before it is looked for what was stored a moment ago: 5 % of 2-16-3 with one sample.
    first = llvm.create_new_function_pass_manager()
    first.add_sroa_pass()
    first.add_instruction_combine_pass()
    slots = llvm.create_new_function_pass_manager()
    slots.add_sroa_pass()
    for function in _simplified(module):
        (slots if _is(function, "settled") else first).run(function, builder)


@dataclass(frozen=True)
class Architecture:
    """What is taken for granted of a processor that is named, but not at hand."""

    features: str
    target: Target
    """Where there are no registers of vectors, pairs of others stand for them."""
    convention: str = ""
    """How functions are called, where the name of the machine leaves it open."""
    fused: bool = True
    """Whether a·b + c is rounded once, by an instruction or by libm, and not after the product too."""


ARCHITECTURES: Mapping[str, Architecture] = {
    "x86_64": Architecture("", Target(register=16, registers=16)),
    "aarch64": Architecture("", Target(register=16, registers=32)),
    "arm64": Architecture("", Target(register=16, registers=32)),
    "riscv64": Architecture("+m,+a,+f,+d,+c", Target(register=16, registers=16), "lp64d"),
    "wasm32": Architecture("+simd128,+bulk-memory", Target(register=16, registers=16), fused=False),
}
"""By the first part of a triple."""


SYSTEMS: Mapping[str, str] = {
    "linux": "linux",
    "darwin": "darwin",
    "macos": "macosx",
    "macosx": "macosx",
    "windows": "windows",
    "mingw32": "windows-gnu",
    "mingw64": "windows-gnu",
    "win32": "windows",
    "wasi": "wasi",
    "wasip": "wasip",
    "none": "none",
    "unknown": "unknown",
}
"""The operating systems that a triple may name, without their versions, and what LLVM calls them."""
_WEB_ASSEMBLY = ("unknown", "wasi", "wasip")
_SYSTEM = re.compile(r"(mingw32|mingw64|win32|[a-z]+)([0-9.]*)")
_ENVIRONMENT = re.compile("(gnu|musl|elf|eabi|msvc|macho|threads)[A-Za-z0-9_]*")


def _normalised(triple: str) -> tuple[Architecture, str]:
    """What is known of the processor of a triple, and the triple as LLVM writes it.

    LLVM takes what it does not know for nothing at all, and writes ELF.

    >>> _normalised("x86_64-w64-mingw32")[1], _normalised("arm64-apple-macos14.0")[1]
    ('x86_64-w64-windows-gnu', 'arm64-apple-macosx14.0')
    """
    if not isinstance(triple, str):
        raise EmitError(f"triple: found {type(triple).__name__}, expected text such as 'aarch64-unknown-linux-gnu'")
    shown = repr(" ".join(triple.split())[:60])
    name, *rest = triple.split("-")
    if name not in ARCHITECTURES:
        raise EmitError(f"triple: found {shown}, expected one that begins with {', '.join(ARCHITECTURES)}")
    # The third part, or the second where the vendor is left out.
    for place in (1, 0):
        found = _SYSTEM.fullmatch(rest[place]) if place < len(rest) else None
        if found and found[1] in SYSTEMS and all(map(_ENVIRONMENT.fullmatch, rest[place + 1 :])):
            break
    else:
        known = f"expected an operating system among {', '.join(SYSTEMS)}"
        raise EmitError(f"triple: found {shown}, {known}, as in '{name}-unknown-linux-gnu'")
    if found[1] != "none" and (found[1] in _WEB_ASSEMBLY) != (name == "wasm32"):
        raise EmitError(f"triple: found {shown}, expected an operating system that there is for {name}")
    written = [name, *rest[:place], SYSTEMS[found[1]] + found[2], *rest[place + 1 :]]
    return ARCHITECTURES[name], "-".join(written)


class Relocatable:
    """The machine that object files are for: the one at hand, or a named triple such as ``aarch64-unknown-linux-gnu``.

    Raises :class:`EmitError` for an architecture that is not in :data:`ARCHITECTURES`, a system that is not in
    :data:`SYSTEMS`, and a triple that LLVM does not know.

    >>> Relocatable("aarch64-unknown-linux-gnu").pointer_bytes
    8
    """

    triple: str
    target: Target
    fused: bool = True

    def __init__(self, triple: str | None = None) -> None:
        free_pass_managers()
        if triple is None:
            llvm.initialize_native_target()
            llvm.initialize_native_asmprinter()
            self.triple, self.target = llvm.get_process_triple(), replace(host(), lapack=False, assembly=False)
            features = llvm.get_host_cpu_features().flatten()
            options = {"cpu": llvm.get_host_cpu_name(), "features": features}
        else:
            known, self.triple = _normalised(triple)
            llvm.initialize_all_targets()
            llvm.initialize_all_asmprinters()
            self.target, self.fused = replace(known.target, lapack=False), known.fused
            options = {"features": known.features, "abiname": known.convention}
        try:
            target = llvm.Target.from_triple(self.triple)
        except RuntimeError as error:
            raise EmitError(f"triple: found {self.triple!r}, which LLVM does not know: {error}") from None
        self._machine = target.create_target_machine(opt=2, reloc="pic", codemodel="default", **options)

    @property
    def data_layout(self) -> str:
        """How data lie in memory, in LLVM's language."""
        return str(self._machine.target_data)

    @property
    def pointer_bytes(self) -> int:
        """The size of an address."""
        with llvm.parse_assembly("@p = global ptr null") as module:
            return int(self._machine.target_data.get_abi_size(module.get_global_variable("p").global_value_type))

    def compile(self, text: str) -> bytes:
        """The object file of a module in LLVM's language."""
        if not self.fused:  # libm's fma would take ten times as long as all else
            text = text.replace("llvm.fma.", "llvm.fmuladd.")
        return _compiled(self._machine, text)


class MachineCode:
    """Object code that has been loaded: the addresses of its functions, good as long as this lives."""

    def __init__(self, engine: Any, addresses: Mapping[str, int], facts: Mapping[str, str]) -> None:
        self._engine = engine
        self.addresses = addresses
        self.facts = facts
        """What is known about it besides."""
        self.later: Any = None
        """What compiles code that it lacks, if any."""

    def variable(self, name: str) -> ctypes.c_int64:
        """A variable of 64 bits, good as long as this lives."""
        return ctypes.c_int64.from_address(self._engine.get_global_value_address(name))


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
