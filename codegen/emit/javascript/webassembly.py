"""The module of JavaScript that calls a function of WebAssembly as one of JavaScript is called.

Arrays are copied into the memory of the function and back. That memory has the size of the largest call so far, and at
most :data:`LIMIT` bytes; its stack lies before all else, so that what outgrows it traps.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from functools import partial
from zlib import compress

from codegen.emit.javascript.dialect import MATH
from codegen.emit.javascript.files import named
from codegen.emit.javascript.files import trial as trial
from codegen.emit.javascript.module import head, run, safe
from codegen.emit.javascript.writer import JavaScriptFunction

ABOUT = """\
Write the vector code of a graph as WebAssembly, ``name.wasm``, and ``name.mjs``, which is called as the module
of :func:`write_javascript` is, in browsers and in Node.

It needs LLVM's linker: ``wasm-ld``, or the package ziglang, ``pip install 'symnn[webassembly]'``. Arrays are copied
into the memory of the code, which grows with the largest call to at most 1 GiB; a larger call is a RangeError.
WebAssembly has no fused multiply-add: products are rounded before they are added to. ``example`` and everything
else are as for :func:`write_javascript`, but that functions without a vector form are refused, and what calls
functions of libm that JavaScript lacks (Γ).
"""

LIMIT = 2**30
"""Bytes of memory."""

LIBM = {**{name: f"Math.{name}" for name in (*MATH, "pow")}, "fmod": "(x, y) => x % y"}
"""What the code may call of libm, as JavaScript has it; in float32 too, with an f behind the name."""
IMPORTS = frozenset(name + behind for name in LIBM for behind in ("", "f"))

function = partial(named, frozenset({"LIMIT", "SUMS", "URL", "WebAssembly", "addUp", "compiled", "whole"}))

FILE = """\
const source = new URL('./NAME.wasm', import.meta.url);
if (source.protocol === 'file:') return (await import('node:fs')).readFileSync(source);
return (await fetch(source)).arrayBuffer();"""
INSIDE = """\
const deflated = new Blob([Uint8Array.from(atob('BYTES'), (letter) => letter.charCodeAt(0))]);
return new Response(deflated.stream().pipeThrough(new DecompressionStream('deflate'))).arrayBuffer();"""
"""Where the code is: in a file beside the module, or in its text."""

CALL = """\
const LIMIT = BOUND;
const whole = (values) => Array.from(values, BigInt);
const compiled = await (async () => {
  const bytes = async () => {
    SOURCE
  };
  const libm = {LIBM};
  const env = Object.fromEntries(Object.entries(libm).flatMap(([name, call]) => [[name, call], [`${name}f`, call]]));
  return (await WebAssembly.instantiate(await bytes(), {env})).instance.exports;
})();

/** The numbers in the workspace, which lies in the memory of the code. */
export function workspaceSize() {
  return 0;
}

/** As the function of the module of JavaScript; a RangeError names an array of another length than its shape says. */
export function FUNCTION(...given) {
  const lengths = given.slice(0, EXTENTS.length), extents = Object.create(null);
  EXTENTS.forEach((n, k) => { extents[n] = lengths[k]; });
  addUp(extents);
  const slots = [...ARGUMENTS, ...RESULTS.map((slot) => ({...slot, written: true}))];
  let end = compiled.__heap_base.value;
  const placed = (bytes) => { const at = 64*Math.ceil(end/64); end = at + bytes; return at; };
  const parameters = slots.map(({name, shape, kind, written}, k) => {
    const value = given[EXTENTS.length + k];
    if (!shape.length && !written) return kind === 'integer' ? BigInt(value) : Number(value);
    const size = shape.reduce((product, n) => product*(extents[n] ?? n), 1);
    if (value.length !== size) throw new RangeError(`${name}: found ${value.length} numbers, expected ${size}`);
    return placed(size*(kind === 'integer' ? 8 : Real.BYTES_PER_ELEMENT));
  });
  const workspace = placed(Real.BYTES_PER_ELEMENT*(WORK(...lengths) + 16));
  if (!(end <= LIMIT)) throw new RangeError(`workspace: found ${end} bytes for all arrays, expected at most ${LIMIT}`);
  const missing = end - compiled.memory.buffer.byteLength;
  if (missing > 0) compiled.memory.grow(Math.ceil(missing/65536));
  const {buffer} = compiled.memory;
  ARGUMENTS.forEach(({shape, kind}, k) => {
    const value = given[EXTENTS.length + k], Kind = kind === 'real' ? Real : BigInt64Array;
    if (!shape.length) return;
    new Kind(buffer, parameters[k], value.length).set(kind === 'real' || value instanceof Kind ? value : whole(value));
  });
  const fault = compiled.FUNCTION(...lengths, ...parameters, workspace);
  if (fault === 0) RESULTS.forEach((_, k) => {
    const at = ARGUMENTS.length + k, result = given[EXTENTS.length + at];
    result.set(new Real(buffer, parameters[at], result.length));
  });
  return fault;
}
"""


def loader(function: JavaScriptFunction, notes: Sequence[str] = (), code: bytes | None = None) -> str:
    """The text of ``name.mjs``, which has the code in ``name.wasm`` beside it unless it is given."""
    said = (
        "Calls a function of WebAssembly that was generated from equations; every array is flat, in row-major order.",
        "The function returns 0, or the number of the first parameter that is out of its range.",
    )
    inside = "" if code is None else b64encode(compress(code, 9)).decode()
    source = INSIDE.replace("BYTES", inside) if inside else FILE.replace("NAME", function.name)
    parts = {
        "BOUND": str(LIMIT),
        "FUNCTION": function.name,
        "LIBM": ", ".join(f"{name}: {call}" for name, call in LIBM.items()),
        "SOURCE": source.replace("\n", "\n    "),
        "WORK": f"(({', '.join(function.extents.values())}) => {function.workspace_text})",
    }
    call = re.sub("|".join(rf"\b{part}\b" for part in parts), lambda found: parts[found[0]], CALL)
    return safe(*head(function, [*said, *notes]), call, run(function))


def files(found: JavaScriptFunction, notes: Sequence[str], code: bytes, triple: str) -> dict[str, str | bytes]:
    return {f"{found.name}.wasm": code, f"{found.name}.mjs": loader(found, notes)}
