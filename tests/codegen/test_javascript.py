"""Modules of JavaScript compute what the graph says, whatever names and numbers the graph has."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from sympy import Idx, IndexedBase, Sum, Symbol, symbols

import codegen
from codegen import EmitError, Equation, Graph, Variable, from_expressions, vjp, write_javascript
from codegen import functions as f
from codegen.compare.functions import FUNCTIONS
from codegen.emit.javascript.dialect import calls, literal, refused
from codegen.ir.graph import Index, Reduction, sample_extent
from codegen.numeric import evaluate_exactly, rounded
from codegen.walk import postorder
from tests.codegen.networks import distance, mlp, outputs, random_values
from tests.codegen.test_c import GRAPHS, SCHEDULES, derived, settled, values_of

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")

S = sample_extent()
s, i = Index("s", S), Index("i", 5)

DRIVER = """\
import {readFileSync} from 'node:fs';
const real = (x) => typeof x === 'string' ? Number(x) : x;
const text = (x) => Number.isFinite(x) ? (Object.is(x, -0) ? '-0' : x) : String(x);
const found = [];
for (const [path, inputs] of JSON.parse(readFileSync(process.argv[2]))) {
  const {run} = await import(path);
  for (const name in inputs) inputs[name] = Array.isArray(inputs[name]) ? inputs[name].map(real) : real(inputs[name]);
  try {
    const results = run(inputs);
    found.push(Object.values(results).map((r) => typeof r === 'number' ? text(r) : Array.from(r, text)));
  } catch (error) {
    found.push(`${error.name}: ${error.message}`);
  }
}
console.log(JSON.stringify(found));
"""
Values = Mapping[str, np.ndarray]


def ran(folder: Path, calls: Sequence[tuple[Path, Values]]) -> list[Any]:
    """What ``run`` of each module gives: flat arrays in the order of the results, or the text of an error."""

    def plain(value: np.ndarray) -> Any:
        flat = [x if math.isfinite(x) else str(x).replace("inf", "Infinity") for x in np.ravel(value).tolist()]
        return flat if np.ndim(value) else flat[0]

    given = [[str(path), {name: plain(np.asarray(v)) for name, v in values.items()}] for path, values in calls]
    (folder / "given.json").write_text(json.dumps(given))
    (folder / "driver.mjs").write_text(DRIVER)
    done = subprocess.run(["node", folder / "driver.mjs", folder / "given.json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return [row if isinstance(row, str) else [np.array(r, float) for r in row] for row in found]


def test_modules_compute_what_the_graph_says(tmp_path: Path) -> None:
    usual = {name: ("tiled",) if graph.extents else ("loops",) for name, graph in GRAPHS.items()}
    rows = [(GRAPHS[name], "float64", chosen) for name, ways in {**usual, **SCHEDULES}.items() for chosen in ways]
    rows += [(GRAPHS["20-17-13-3"], "float32", "tiled")]
    calls = []
    for number, (graph, dtype, schedule) in enumerate(rows):
        options: Any = {"name": f"g{number}", "dtype": dtype, "schedule": schedule}
        calls.append((*write_javascript(graph, tmp_path, **options), values_of(graph)))
    for (graph, dtype, _), (_, values), found in zip(rows, calls, ran(tmp_path, calls)):
        assert not isinstance(found, str), (graph, found)
        expected = [np.ravel(e) for e in outputs(graph, dict(values))]
        assert distance([np.ravel(a) for a in found], expected) <= (1e-13 if dtype == "float64" else 1e-5), graph


def test_functions_at_ordinary_and_special_points(tmp_path: Path) -> None:
    x = sympy.Symbol("x", real=True)
    formulas = [(row, settled(row.formula(x))) for row in FUNCTIONS.values()]
    tested = [row for row, formula in formulas if calls(type(formula)) and not any(map(refused, postorder(formula)))]
    assert len(tested) > 15
    inputs, equations, values = [], [], {}
    for number, row in enumerate(tested):
        points = np.array([*row.points.ordinary, *row.points.special])
        argument, result = Variable(f"x{number}", points.shape), Variable(f"r{number}", points.shape)
        at = Index("p", len(points))
        inputs.append(argument)
        equations.append(Equation(result[at], f.canonical(row.formula(argument[at]))))
        values[argument.name] = points
    graph = Graph(tuple(inputs), tuple(equations), tuple(e.name for e in equations))
    exact = evaluate_exactly(codegen.optimise(graph)[0], values)
    (found,) = ran(tmp_path, [(*write_javascript(graph, tmp_path), values)])
    with np.errstate(invalid="ignore"):
        for row, result, output in zip(tested, found, graph.outputs):
            expected = np.asarray(rounded(exact[output]), float)
            assert distance([result], [expected]) <= 1e-14, (row, result, expected)


def test_tanh_of_float32_is_as_good_as_its_type(tmp_path: Path) -> None:
    x = np.array([0.0, -0.0, 1e-30, -1e-4, *np.linspace(-20, 20, 1001), np.inf, -np.inf, np.nan], np.float32)
    argument = Variable("x", x.shape)
    at = Index("p", len(x))
    graph = Graph((argument,), (Equation(Variable("y", x.shape)[at], sympy.tanh(argument[at])),), ("y",))
    ((found,),) = ran(tmp_path, [(*write_javascript(graph, tmp_path, dtype="float32"), {"x": x})])
    np.testing.assert_allclose(found, np.tanh(x.astype(float)), rtol=1.2e-7)


def test_parts_of_packed_arrays_and_constants(tmp_path: Path) -> None:
    graph = derived(mlp([2, 5, 3]))
    weights = [v.name for v in graph.inputs if v.name not in ("x", "y")]
    values = random_values(graph, samples=3)
    expected = outputs(graph, values)
    pack: dict[str, list[str]] = {"theta": weights, "gradient": [f"dloss/d{name}" for name in weights]}
    (packed,) = write_javascript(graph, tmp_path, name="packed", pack=pack)
    theta = np.concatenate([np.ravel(values[name]) for name in weights])
    others = {name: value for name, value in values.items() if name not in weights}
    constants: Any = {name: values[name] for name in weights}
    (fixed,) = write_javascript(graph, tmp_path, name="fixed", constants=constants)
    slopes = np.concatenate([np.ravel(e) for e in expected[1:]])
    first, second = found = ran(tmp_path, [(packed, {"theta": theta, **others}), (fixed, others)])
    assert not any(isinstance(row, str) for row in found), found
    assert distance(list(map(np.ravel, first)), [np.ravel(expected[0]), slopes]) < 1e-14
    assert distance(list(map(np.ravel, second)), [np.ravel(e) for e in expected]) < 1e-14


def test_what_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    graph = derived(mlp([2, 5, 3]))
    values = random_values(graph, samples=3)
    (path,) = write_javascript(graph, tmp_path)
    wrong = [
        {**values, "W1": np.ones(9)},
        {**values, "x": np.ones(5)},
        {name: value for name, value in values.items() if name != "b1"},
    ]
    assert ran(tmp_path, [(path, v) for v in wrong]) == [
        "RangeError: W1: found 9 numbers, expected an array of shape [5, 2]",
        "RangeError: x: found 5 numbers, expected an array of shape [S, 2]",
        "RangeError: b1: found nothing, expected a value",
    ]


@pytest.mark.parametrize("name", ["n", "constructor"])
def test_lengths_may_follow_from_others(tmp_path: Path, name: str) -> None:
    n = Symbol(name, integer=True)
    k, u, c = Idx("k", n - 2), IndexedBase("u", shape=(n,)), IndexedBase("c")
    (path,) = write_javascript(vjp(from_expressions({c[k]: u[k] * u[k + 1]}, [u]), "c"), tmp_path)
    right, wrong = ran(tmp_path, [(path, {"v_c": np.ones(m), "u": np.arange(5.0)}) for m in (3, 4)])
    assert [list(r) for r in right] == [[0.0, 2.0, 6.0], [1.0, 2.0, 4.0, 2.0, 0.0]]
    assert wrong == f"RangeError: v_c: found 4 numbers, expected an array of shape [{name} - 2]"


def test_lengths_are_read_where_an_argument_has_one_unknown(tmp_path: Path) -> None:
    a, b = Idx("a", Symbol("A")), Idx("b", Symbol("B"))
    x, w = IndexedBase("x"), IndexedBase("w")
    (path,) = write_javascript(from_expressions({"y": Sum(x[a, b] * w[b], a, b)}, [x, w]), tmp_path)
    (other,) = write_javascript(from_expressions({"z": Sum(x[a, b], a, b)}, [x]), tmp_path, name="other")
    values = {"x": np.arange(6.0), "w": np.array([1.0, 10, 100])}
    right, wrong = ran(tmp_path, [(path, values), (other, {"x": values["x"]})])
    assert [float(r) for r in right] == [753.0]
    assert wrong == "RangeError: x: no other argument says its lengths A, B, expected run(inputs, {A: …, B: …})"


def test_lengths_that_no_argument_says_are_given(tmp_path: Path) -> None:
    a, b, x = Idx("a", Symbol("A")), Idx("b", Symbol("B")), IndexedBase("x")
    graph = from_expressions({"z": Sum(x[a, b] * (b + 1), a, b)}, [x])
    _, trial = write_javascript(graph, tmp_path, name="other", example={"x": np.arange(6.0).reshape(2, 3)})
    assert "run(inputs, {" in trial.read_text()
    found = subprocess.run(["node", trial], capture_output=True, text=True)
    assert found.stdout == "ok   z: largest deviation 0.0e+0\n", found.stderr
    other = trial.read_text().replace('"B": 3', '"B": 2')
    trial.write_text(other)
    found = subprocess.run(["node", trial], capture_output=True, text=True)
    assert "RangeError: x: found 6 numbers, expected an array of shape [A, B]" in found.stderr


def test_the_length_of_a_square_is_the_root_of_how_many_numbers_it_has(tmp_path: Path) -> None:
    a, b, x = Idx("a", Symbol("A")), Idx("b", Symbol("A")), IndexedBase("x", shape=(Symbol("A"),) * 2)
    (path,) = write_javascript(from_expressions({"y": Sum(x[a, b] * (b + 1), a, b)}, [x]), tmp_path)
    right, wrong = ran(tmp_path, [(path, {"x": np.arange(9.0)}), (path, {"x": np.arange(8.0)})])
    assert [float(r) for r in right] == [78.0]
    assert wrong == "RangeError: x: found 8 numbers, expected an array of shape [A, A]"


def test_labels_out_of_range_are_reported_before_anything_is_written(tmp_path: Path) -> None:
    label, x, picked = Variable("label", (S,), "integer", 5), Variable("x", (S, 5)), Variable("picked", (S,))
    graph = Graph((x, label), (Equation(picked[s], f.equal(label[s], i) * x[s, i], Reduction.SUM, (i,)),), ("picked",))
    (path,) = write_javascript(graph, tmp_path)
    rows = np.arange(10.0).reshape(2, 5)
    right, wrong = ran(tmp_path, [(path, {"x": rows, "label": np.array(at)}) for at in ([1, 4], [1, 5])])
    assert [list(r) for r in right] == [[1.0, 9.0]]
    assert wrong == "RangeError: label: found an integer outside its range"


def test_functions_that_javascript_lacks_are_refused(tmp_path: Path) -> None:
    x = symbols("x")
    with pytest.raises(EmitError, match=r"^gamma, in the equation of 'e', has no form in JavaScript"):
        write_javascript(from_expressions({"e": sympy.gamma(x)}, [x]), tmp_path)
    with pytest.raises(EmitError, match=r"^name: found 'function', which JavaScript or the module has already$"):
        write_javascript(from_expressions({"e": x**2}, [x]), tmp_path, name="function")
    assert list(tmp_path.iterdir()) == []


def test_nothing_in_a_module_ends_a_script(tmp_path: Path) -> None:
    names = ["</script><script>", "\u2028alert(1)//", "`${x}`"]
    graph = Graph(tuple(map(Variable, names)), (Equation(Variable("e").symbol, Variable(names[0]).symbol),), ("e",))
    (path,) = write_javascript(graph, tmp_path)
    text = path.read_text(encoding="utf-8")
    assert "</" not in text
    assert "\u2028" not in text
    assert ran(tmp_path, [(path, dict.fromkeys(names, np.float64(2.5)))]) == [[2.5]]


def test_constants_read_back_as_they_were() -> None:
    assert [float(literal(x)) for x in (0.1, 5e-324, -1e300)] == [0.1, 5e-324, -1e300]
