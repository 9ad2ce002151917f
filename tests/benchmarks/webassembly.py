"""WebAssembly beside JavaScript in Node: ``python -m tests.benchmarks.webassembly``.

Functions of the playground and loss and gradient of the digits, as ``write_javascript`` and ``write_webassembly`` write
them: what is timed has the copies into the memory of WebAssembly and back in it. Blocks of calls that take equally
long take turns, and of each the fastest counts: interruptions by other work only ever add. The largest relative
difference from the results of JavaScript is said.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from codegen.export import Request, generate
from symnn.export import gradient_request
from symnn.network import Network, dense
from symnn.report.parts import units
from symnn.report.playground import spec_of

BLOCK, SECONDS = 2, 8
"""Milliseconds of a block, and seconds of a case."""

SCRIPT = """
const S = SAMPLES;
const modules = {};
for (const name of ['JavaScript', 'WebAssembly']) modules[name] = await import(`./${name}/model.mjs`);
const {ARGUMENTS, RESULTS, Real} = modules.JavaScript;
const values = (length, kind) => kind === 'integer'
  ? BigInt64Array.from({length}, (_, k) => BigInt(k % 2))
  : Real.from({length}, (_, k) => .4*Math.sin(k*k + length));
const sized = (shape) => shape.reduce((product, n) => product*(typeof n === 'string' ? S : n), 1);
const given = ARGUMENTS.map(({shape, kind}) => values(sized(shape), kind));
const results = {}, called = {}, times = {};
for (const [name, {model, workspaceSize}] of Object.entries(modules)) {
  const found = results[name] = RESULTS.map(({shape}) => new Real(sized(shape)));
  const workspace = new Real(workspaceSize(S));
  called[name] = () => model(S, ...given, ...found, workspace);
  times[name] = [];
}
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
const worst = results.WebAssembly.reduce((most, array, k) => array.reduce((most, value, n) => {
  const difference = off(value, results.JavaScript[k][n]);
  return difference <= most ? most : difference;
}, most), 0);
console.log(JSON.stringify([Math.min(...times.JavaScript), Math.min(...times.WebAssembly), worst]));
"""


def cases() -> Mapping[str, tuple[int, Request]]:
    """By name the rows and the function, with the schedule that a page takes."""
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
            Request(maps, "model", "float32", "tiled", pack={"theta": list(play.layout)}),
        ),
        "64-32-10, value and gradient, 32 rows, float64": (
            32,
            replace(gradient_request(digits, "model"), example=None),
        ),
    }


def measured(rows: int, request: Request) -> tuple[float, float, float]:
    """Milliseconds of a call of JavaScript and of WebAssembly, and the largest relative difference."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("JavaScript", "WebAssembly"):
            Path(folder, name).mkdir()
            for file, content in generate(request, name.lower()).items():
                Path(folder, name, file).write_bytes(content.encode() if isinstance(content, str) else content)
        text = SCRIPT.replace("SAMPLES", str(rows)).replace("BLOCK", str(BLOCK)).replace("SECONDS", str(SECONDS))
        script = Path(folder, "run.mjs")
        script.write_text(text, encoding="utf-8")
        done = subprocess.run(["node", script], check=True, capture_output=True, text=True)
    javascript, webassembly, worst = json.loads(done.stdout)
    return javascript, webassembly, worst


def main() -> None:
    """Print times and ratios."""
    for name, (rows, request) in cases().items():
        javascript, webassembly, worst = measured(rows, request)
        print(name)
        print(f"  JavaScript  {1e3 * javascript:>8.0f} µs")
        print(f"  WebAssembly {1e3 * webassembly:>8.0f} µs  {javascript / webassembly:.2f} × as fast, {worst:.0e} off")


if __name__ == "__main__":
    main()
