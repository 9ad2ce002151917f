"""What follows from the sizes of a machine's registers and caches: lanes, blocks, tiles; how they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import codegen
from codegen import EmitError, Graph, Target, gradient, optimise
from codegen.dtypes import Dtype
from codegen.emit.layout import layout
from codegen.emit.vector.module import native_module
from codegen.emit.vector.table import table
from codegen.runtime.machine import cache_of_a_core, host
from codegen.schedule import schedule
from codegen.schedule.lanes import in_turn
from tests.codegen.networks import distance, mlp, outputs, parameters, random_values

AMD = Target(register=32, registers=16, cache=512 << 10)
"""Of the kind with 512 KB a core and AVX2."""
INTEL = Target(register=64, registers=32, cache=2 << 20)
"""Of the kind with 2 MB a core and AVX-512."""


def derived(*sizes: int) -> Graph:
    network = mlp(list(sizes))
    return optimise(gradient(network, "loss", parameters(network)))[0]


@pytest.mark.parametrize(
    ("target", "lanes", "block"),
    [
        (AMD, (4, 8), (12, 3, 4)),
        (INTEL, (8, 16), (24, 4, 6)),
        (Target(register=16, registers=32), (2, 4), (24, 4, 6)),
    ],
)
def test_lanes_fill_a_register_and_blocks_three_quarters_of_them(
    target: Target, lanes: tuple[int, int], block: tuple[int, int, int]
) -> None:
    assert (target.lanes("float64"), target.lanes("float32")) == lanes
    assert (target.accumulators, target.vectors_a_row, target.rows(target.vectors_a_row)) == block


SIZES: dict[str, tuple[int, ...]] = {"F": (784, 128, 10), "G": (784, 512, 256, 10), "wide": (20, 1000, 5)}
TILES: dict[tuple[str, Dtype], tuple[int, int]] = {
    ("F", "float64"): (32, 64),  # its tile of 64 has 538 KB
    ("F", "float32"): (64, 64),
    ("G", "float64"): (64, 64),  # sums of 4.3 MB: passed over as seldom as may be
    ("G", "float32"): (64, 64),
    ("wide", "float64"): (32, 64),
    ("wide", "float32"): (64, 64),
}
"""Samples a tile on the first and the second of the machines."""


@pytest.mark.parametrize(("case", "dtype"), TILES)
def test_tiles_lie_in_the_second_level_cache(case: str, dtype: Dtype) -> None:
    graph = derived(*SIZES[case])
    programs = [schedule(graph, "tiled", target, dtype) for target in (AMD, INTEL)]
    assert tuple(program.samples.tile for program in programs if program.samples) == TILES[case, dtype]
    assert [program.width for program in programs] == [2 * target.lanes(dtype) for target in (AMD, INTEL)]
    assert all(p.samples.chunk.least % p.samples.tile == 0 for p in programs if p.samples and p.samples.tile)


def test_sums_that_leave_the_cache_are_fetched_before_they_are_needed() -> None:
    """64·7 sums in float64 are 3584 bytes."""
    graph = derived(64, 7, 3)
    for cache, far in ((4 * 3584 - 1, True), (4 * 3584, False)):
        program = schedule(graph, "tiled", Target(cache=cache))
        assert ("llvm.prefetch" in native_module(table(program, layout(graph, {})), parted=False)) == far


def test_readable_code_has_no_lanes_and_the_same_loops() -> None:
    graph = derived(7, 6, 3)
    for name in ("loops", "tiled", "blas"):
        in_lanes = schedule(graph, name, Target())  # type: ignore[arg-type]
        plain = schedule(graph, name, Target(vectors=False))  # type: ignore[arg-type]
        assert plain.statements == in_turn(in_lanes).statements
        assert plain.few is None
        assert (in_lanes.few is not None) == in_lanes.samples_in_lanes


def test_a_program_for_another_machine_computes_the_same() -> None:
    graph = gradient(mlp([9, 5, 3]), "loss")
    values = random_values(graph, samples=70)
    arguments = [values[v.name] if v.shape else values[v.name].item() for v in graph.inputs]
    expected = outputs(graph, values)
    keys = set()
    for target in (None, AMD, INTEL):
        function = codegen.compile(graph, target=target, tier="quick")
        found = function(*arguments)
        assert distance([np.asarray(value) for value in found], expected) <= 1e-12
        keys.add(function.report.compilation.key)  # type: ignore[attr-defined]
    assert len(keys) >= 2  # one of them may be the machine at hand


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"register": 48}, "register=48, expected a power of two"),
        ({"register": 8}, "register=8, expected a whole number of at least 16"),
        ({"cache": 0}, "cache=0, expected a whole number"),
        ({"cache": 3.5e4}, "cache=35000.0, expected a whole number"),
        ({"ways": ("gpu",)}, r"ways=\('gpu',\), expected some of unrolled, loops"),
    ],
)
def test_sizes_that_no_machine_has_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(EmitError, match=f"^target: found {said}"):
        Target(**given)  # type: ignore[arg-type]


def test_a_target_is_asked_for_as_one() -> None:
    with pytest.raises(EmitError, match=r"^target: found a str, expected a codegen\.Target"):
        codegen.compile(mlp([2, 3, 2]), target="skylake")  # type: ignore[arg-type]


# --- reading them -----------------------------------------------------------------------------------------------------


def processor(folder: Path, levels: list[tuple[str, str, str, str]], siblings: str) -> Path:
    """A processor as Linux describes it: of each cache the level, the type, the size and who shares it."""
    (folder / "topology").mkdir()
    (folder / "topology" / "thread_siblings_list").write_text(siblings)
    for number, values in enumerate(levels):
        place = folder / "cache" / f"index{number}"
        place.mkdir(parents=True)
        for name, value in zip(("level", "type", "size", "shared_cpu_list"), values):
            (place / name).write_text(value + "\n")
    return folder


@pytest.mark.parametrize(
    ("levels", "siblings", "expected"),
    [
        (
            [("1", "Data", "48K", "0,56"), ("1", "Instruction", "32K", "0,56"), ("2", "Unified", "2048K", "0,56")],
            "0,56",
            2 << 20,
        ),
        ([("1", "Data", "64K", "0"), ("2", "Unified", "4M", "0-3")], "0", 1 << 20),
        ([("1", "Data", "0K", "0"), ("2", "Unified", "", "0"), ("3", "Unified", "32M", "0-7")], "0", None),
        ([("2", "Unified", "99999999M", "0")], "", None),
        ([], "", None),
    ],
)
def test_the_cache_is_read_as_one_core_has_it(
    levels: list[tuple[str, str, str, str]], siblings: str, expected: int | None, tmp_path: Path
) -> None:
    assert cache_of_a_core(processor(tmp_path, levels, siblings)) == expected


def test_the_machine_at_hand_is_read_once() -> None:
    assert host() is host()
    assert host().lanes("float32") == 2 * host().lanes("float64") >= 4
