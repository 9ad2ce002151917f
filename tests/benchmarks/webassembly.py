"""WebAssembly beside JavaScript in Node: ``python -m tests.benchmarks.webassembly [--linker wasm-ld]``.

Functions of the playground and loss and gradient of the digits, as a module of JavaScript and as an object of LLVM's
back end, with vectors of 128 bits, that the linker makes a module of. WebAssembly has no fused multiply-add:
``write_object`` calls libm's, for which JavaScript stands here, that rounds twice; "multiply and add" has the two
instructions instead. The package ziglang has the linker, ``python -m ziglang wasm-ld``. Blocks of calls that take
equally long take turns, and of each the fastest counts: interruptions by other work only ever add. The largest
relative difference from the results of JavaScript is said.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path

from codegen.emit.vector import relocatable
from codegen.export import Request, _vector_table, javascript_files
from codegen.runtime.machine import Relocatable
from symnn.export import gradient_request
from symnn.network import Network, dense
from symnn.report.parts import units
from symnn.report.playground import spec_of

TRIPLE = "wasm32-unknown-unknown"
CALLED = {"write_object's": "llvm.fma.", "multiply and add": "llvm.fmuladd."}
"""What stands for a fused multiply-add in LLVM's language."""
BLOCK, SECONDS = 2, 8
"""Milliseconds of a block, and seconds of a case."""

SCRIPT = """
import {readFileSync} from 'node:fs';
const S = SAMPLES;
const module = await import('./model.mjs');
const values = (name, length, kind) => kind === 'integer'
  ? BigInt64Array.from({length}, (_, k) => BigInt(k % 2))
  : module.Real.from({length}, (_, k) => .4*Math.sin(k*k + length));
const sized = (shape) => shape.reduce((product, n) => product*(typeof n === 'string' ? S : n), 1);
const given = module.ARGUMENTS.map(({name, shape, kind}) => values(name, sized(shape), kind));
const results = module.RESULTS.map(({shape}) => new module.Real(sized(shape)));
const work = module.workspaceSize(S);
const workspace = work ? [new module.Real(work)] : [];
const called = {JavaScript: () => module.model(S, ...given, ...results, ...workspace)};
const found = {};
for (const file of FILES) {
  let memory;
  const bytes = () => new Uint8Array(memory.buffer);
  const rounded = (a, b, c) => a*b + c;
  const env = {
    fma: rounded, fmaf: rounded,
    memcpy: (to, from, n) => { bytes().copyWithin(to, from, from + n); return to; },
    memset: (to, v, n) => { bytes().fill(v, to, to + n); return to; },
  };
  const {instance} = await WebAssembly.instantiate(readFileSync(new URL(file + '.wasm', import.meta.url)), {env});
  memory = instance.exports.memory;
  let end = instance.exports.__heap_base.value;
  const place = (size) => { const at = (end + 63) & -64; end = at + size; return at; };
  const places = [...given, ...results].map((array) => place(array.byteLength)), scratch = place(8*WORK);
  memory.grow(Math.ceil(end/65536) + 1);
  const there = (array, k) => new array.constructor(memory.buffer, places[k], array.length);
  given.forEach((array, k) => there(array, k).set(array));
  called[file] = () => instance.exports.model(S, ...places, scratch);
  found[file] = () => results.map((array, k) => there(array, given.length + k));
}
const times = Object.fromEntries(Object.keys(called).map((name) => [name, []]));
const turn = ([name, call]) => {
  const begun = performance.now();
  let count = 0, lasted = 0;
  for (; lasted < BLOCK; count++) {
    if (call() !== 0) throw new Error(name);
    lasted = performance.now() - begun;
  }
  times[name].push(lasted/count);
};
for (const end = performance.now() + 1e3*SECONDS; performance.now() < end;) Object.entries(called).forEach(turn);
const off = (value, right) => Math.abs(value - right)/Math.max(1, Math.abs(right));
const worst = (read) => read().reduce((most, array, k) => array.reduce((most, value, n) => {
  const difference = off(value, results[k][n]);
  return difference <= most ? most : difference;
}, most), 0);
const each = (table, change) => Object.fromEntries(Object.entries(table).map(([name, held]) => [name, change(held)]));
console.log(JSON.stringify({times: each(times, (list) => Math.min(...list)), differences: each(found, worst)}));
"""


def cases() -> Mapping[str, tuple[int, Request]]:
    """By name the rows and the function, with the schedule that a page takes for JavaScript."""
    play = Network.from_spec(spec_of(2, (8, 8, 8), 2))
    digits = Network(64, (dense(32, "tanh"), dense(10)), "softmax_cross_entropy")
    forward = play.forward_graph
    maps = forward.with_outputs(*units(play), *forward.outputs)
    return {
        "2-8-8-8-2, value and gradient, 240 rows, float64": (
            240,
            replace(gradient_request(play, "model"), schedule="loops", example=None),
        ),
        "2-8-8-8-2, all units, 16,384 points, float32": (
            16384,
            Request(maps, "model", "float32", pack={"theta": list(play.layout)}),
        ),
        "64-32-10, value and gradient, 32 rows, float64": (
            32,
            replace(gradient_request(digits, "model"), example=None),
        ),
    }


def objects(request: Request, rows: int) -> tuple[dict[str, bytes], int]:
    """The objects by name, and the numbers in their workspace."""
    machine = Relocatable(TRIPLE)
    table = _vector_table(request, machine.target)
    work = relocatable.workspace(table)
    function = request.function(table.plan.program, work)
    text = relocatable.module(function, table, machine.triple, machine.data_layout, machine.pointer_bytes)
    numbers = sum(prod(n if isinstance(n, int) else rows for n in shape) for shape in work)
    return {name: machine.compile(text.replace("llvm.fma.", called)) for name, called in CALLED.items()}, numbers


def measured(rows: int, request: Request, linker: str) -> dict[str, dict[str, float]]:
    """Milliseconds of a call and the largest relative difference from JavaScript."""
    (module,) = javascript_files(request).values()
    found, numbers = objects(replace(request, schedule="auto"), rows)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "model.mjs").write_text(str(module), encoding="utf-8")
        for name, code in found.items():
            path = Path(folder, f"{name}.o")
            path.write_bytes(code)
            made = ["--no-entry", "--allow-undefined", "--export=model", "--export=__heap_base", "-o"]
            subprocess.run([*shlex.split(linker), *made, path.with_suffix(".wasm"), path], check=True)
        text = SCRIPT.replace("SAMPLES", str(rows)).replace("BLOCK", str(BLOCK)).replace("SECONDS", str(SECONDS))
        text = text.replace("FILES", json.dumps(list(found))).replace("WORK", str(numbers))
        script = Path(folder, "run.mjs")
        script.write_text(text, encoding="utf-8")
        done = subprocess.run(["node", script], check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    """Print times and ratios."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--linker", default="wasm-ld", help="the command that links objects of WebAssembly")
    linker = options.parse_args().linker
    for name, (rows, request) in cases().items():
        found = measured(rows, request, linker)
        print(name)
        javascript = found["times"]["JavaScript"]
        print(f"  {'JavaScript':<17} {1e3 * javascript:>8.0f} µs")
        for variant, time in found["times"].items():
            if variant != "JavaScript":
                difference = found["differences"][variant]
                print(
                    f"  {variant:<17} {1e3 * time:>8.0f} µs  {javascript / time:>5.2f} × as fast, {difference:.0e} off"
                )


if __name__ == "__main__":
    main()
