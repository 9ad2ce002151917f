"""Modules of WebAssembly are called as those of JavaScript are, and compute what these compute."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy

import codegen
from codegen import EmitError, Equation, Graph, Variable, from_expressions, write_javascript, write_webassembly
from codegen import functions as f
from codegen.compare.functions import FUNCTIONS
from codegen.emit.javascript.dialect import calls, refused
from codegen.export import Request, webassembly_text
from codegen.ir.graph import Index, Reduction, sample_extent
from codegen.numeric import evaluate_exactly, rounded
from codegen.runtime import linker
from codegen.walk import postorder
from tests.codegen.networks import distance, mlp, outputs, random_values
from tests.codegen.test_c import GRAPHS, derived, lecture, settled, values_of
from tests.codegen.test_javascript import ran

linked = pytest.mark.skipif(
    shutil.which("node") is None or linker.linker() is None, reason="Node, or a linker for WebAssembly, is missing"
)

S = sample_extent()
s, i = Index("s", S), Index("i", 5)
LARGE = 100.0
"""Without a fused multiply-add the sine of x is 1e-16·|x| off."""


@linked
@pytest.mark.parametrize(("name", "dtype"), {"the lecture's": "float64", "20-17-13-3": "float32"}.items())
def test_modules_compute_what_the_graph_says(name: str, dtype: str, tmp_path: Path) -> None:
    graph, values = GRAPHS[name], values_of(GRAPHS[name])
    _, module = write_webassembly(graph, tmp_path, dtype=dtype)
    ((found, expected),) = zip(ran(tmp_path, [(module, values)]), [outputs(graph, dict(values))])
    assert distance(list(map(np.ravel, found)), list(map(np.ravel, expected))) <= (
        1e-14 if dtype == "float64" else 1e-5
    )


@linked
def test_functions_at_ordinary_and_special_points(tmp_path: Path) -> None:
    x = sympy.Symbol("x", real=True)
    formulas = [(row, settled(row.formula(x))) for row in FUNCTIONS.values()]
    tested = [row for row, formula in formulas if calls(type(formula)) and not any(map(refused, postorder(formula)))]
    inputs, equations, values = [], [], {}
    for number, row in enumerate(tested):
        points = np.array([*row.points.ordinary, *row.points.special])
        points = points[~((np.abs(points) > LARGE) & np.isfinite(points) & (row.formula in (sympy.sin, sympy.cos)))]
        argument, result = Variable(f"x{number}", points.shape), Variable(f"r{number}", points.shape)
        at = Index("p", len(points))
        inputs.append(argument)
        equations.append(Equation(result[at], f.canonical(row.formula(argument[at]))))
        values[argument.name] = points
    graph = Graph(tuple(inputs), tuple(equations), tuple(e.name for e in equations))
    exact = evaluate_exactly(codegen.optimise(graph)[0], values)
    _, module = write_webassembly(graph, tmp_path)
    (found,) = ran(tmp_path, [(module, values)])
    assert len(tested) == len(found) > 15
    with np.errstate(invalid="ignore"):
        for row, result, output in zip(tested, found, graph.outputs):
            expected = np.asarray(rounded(exact[output]), float)
            assert distance([result], [expected]) <= 2e-14, (row, result, expected)


DESCENT = """
const [first, second] = [await import('./java/net.mjs'), await import('./web/net.mjs')];
const x = Float64Array.from({length: 2*ROWS}, (_, k) => Math.sin(k*k));
const y = BigInt64Array.from({length: ROWS}, (_, k) => BigInt(+(x[2*k]*x[2*k + 1] > 0)));
const went = ({run}) => {
  let theta = Float64Array.from({length: PARAMETERS}, (_, k) => Math.cos(3*k)), losses = [];
  for (let step = 0; step < 100; step++) {
    const {loss, gradient} = run({theta, x, y});
    losses.push(loss);
    theta = theta.map((value, k) => value - .5*gradient[k]);
  }
  return [losses, [...theta]];
};
console.log(JSON.stringify([went(first), went(second)]));
"""


@linked
def test_a_training_goes_the_same_way(tmp_path: Path) -> None:
    graph = derived(mlp([2, 5, 3]))
    weights = [v.name for v in graph.inputs if v.name not in ("x", "y")]
    pack: dict[str, list[str]] = {"theta": weights, "gradient": [f"dloss/d{name}" for name in weights]}
    options: dict[str, Any] = {"name": "net", "pack": pack}
    write_javascript(graph, tmp_path / "java", **options)
    write_webassembly(graph, tmp_path / "web", **options)
    script = tmp_path / "descent.mjs"
    script.write_text(DESCENT.replace("ROWS", "40").replace("PARAMETERS", str(10 + 5 + 15 + 3)))
    done = subprocess.run(["node", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    java, web = json.loads(done.stdout)
    assert java[0][-1] < 0.8 * java[0][0]
    assert distance([np.array(v) for v in web], [np.array(v) for v in java]) <= 1e-12


@linked
def test_a_self_test_and_constants(tmp_path: Path) -> None:
    graph = derived(mlp([2, 5, 3]))
    values = random_values(graph, samples=3)
    theta = {name: value for name, value in values.items() if name not in ("x", "y")}
    rest = {name: value for name, value in values.items() if name not in theta}
    options: dict[str, Any] = {"constants": theta, "example": rest}
    paths = write_webassembly(graph, tmp_path, name="code", **options)
    assert [path.name for path in paths] == ["code.wasm", "code.mjs", "code_test.mjs"]
    done = subprocess.run(["node", paths[2]], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok  ") == len(graph.outputs)


CALLED = """
import {pick} from './inside.mjs';
const rows = Float64Array.from({length: 15}, (_, k) => k), found = new Float64Array(3);
const said = (length, x, labels, result) => {
  try {
    return [pick(length, x, labels, result), [...result]];
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
};
console.log(JSON.stringify([
  said(3, rows, [1, 0, 5], found), said(3, rows, [1, 0, -1], found), said(3, rows, [1, 0, 4], found),
  said(2, rows, [1, 0], found), said(0, [], [], []), said(-1, [], [], []),
  said(2**27, {length: 5*2**27}, {length: 2**27}, {length: 2**27}),
]));
"""


@linked
def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    y, x, picked = Variable("y", (S,), "integer", 5), Variable("x", (S, 5)), Variable("picked", (S,))
    graph = Graph((x, y), (Equation(picked[s], f.equal(y[s], i) * x[s, i], Reduction.SUM, (i,)),), ("picked",))
    text = webassembly_text(Request(graph, "pick"))()
    assert "</" not in text
    (tmp_path / "inside.mjs").write_text(text)
    (tmp_path / "called.mjs").write_text(CALLED)
    done = subprocess.run(["node", tmp_path / "called.mjs"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *known, large = json.loads(done.stdout)
    assert known == [
        [3, [0, 0, 0]],
        [3, [0, 0, 0]],
        [0, [1, 5, 14]],
        "RangeError: x: found 15 numbers, expected 10",
        [1, []],
        "RangeError: x: found 0 numbers, expected -5",
    ]
    assert large.startswith("RangeError: workspace: found 7516")
    assert large.endswith(" bytes for all arrays, expected at most 1073741824")


@linked
def test_functions_that_javascript_lacks_are_refused(tmp_path: Path) -> None:
    x = sympy.Symbol("x")
    with pytest.raises(EmitError, match=r"^tgamma, a function of libm, has no form in WebAssembly"):
        write_webassembly(from_expressions({"e": sympy.gamma(x)}, [x]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_linker_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linker, "linker", lambda: None)
    with pytest.raises(
        EmitError, match=r"^there is no linker for WebAssembly, expected wasm-ld or: pip install 'symnn"
    ):
        write_webassembly(lecture(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_linker_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linker, "linker", lambda: ("/bin/sh", "-c", "echo 'it is broken' >&2; exit 3", "wasm-ld"))
    with pytest.raises(EmitError, match=r": cannot link WebAssembly: it is broken$"):
        write_webassembly(lecture(), tmp_path)
