"""Slabs of time one after the other: each begins with the values and slopes that the last one ended with."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import symnn
from symnn.cli import app
from symnn.errors import DataError
from symnn.marching import DONE, March, march
from symnn.methods.levenberg_marquardt import LevenbergMarquardt
from symnn.physics_spec import SolverSpec, load_physics
from symnn.solving import Solution, solve

pytestmark = pytest.mark.values

# u = cos t, driven by a force that depends on the time since the very beginning
SPEC: dict[str, Any] = {
    "inputs": {"t": [0, 6]},
    "unknowns": "u",
    "layers": [{"dense": 8, "activation": "tanh"}, {"dense": 1}],
    "residuals": {
        "motion": {"equation": "u_tt = -4*u + 3*cos(t)", "points": 24, "sampling": "sobol"},
        "start": {"equation": ["2*u = 2", "u_t = 0"], "at": {"t": 0}, "points": 1, "weight": 10},
    },
    "slabs": {"t": 3},
    "solution": {"u": "cos(t)"},
    "solver": [{"levenberg_marquardt": 60}],
}


@pytest.fixture(scope="module")
def marched() -> March:
    return march(symnn.Physics.from_spec(SPEC), progress=False)


def test_slabs_are_solved_one_after_the_other(marched: March) -> None:
    assert marched.starts.tolist() == [0, 2, 4]
    assert marched.theta.shape == (3, 8 + 8 + 8 + 1)
    times = np.linspace(0, 6, 61)[:, None]
    assert marched.predict(times)[:, 0] == pytest.approx(np.cos(times[:, 0]), abs=1e-3)
    assert marched.errors()["u"] < 1e-3


def test_ctrl_c_ends_with_the_slab_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def second_interrupted(*arguments: Any, **options: Any) -> Solution:
        found = solve(*arguments, **options)
        return replace(found, stopped="interrupted" if next(calls) == 2 else found.stopped)

    calls = count(1)
    monkeypatch.setattr("symnn.marching.solve", second_interrupted)
    found = march(symnn.Physics.from_spec(SPEC), SolverSpec(methods=[{"levenberg_marquardt": 5}]), progress=False)
    assert (found.starts.tolist(), found.until, len(found.theta)) == ([0, 2], 4, 2)
    assert np.isfinite(found.predict(np.array([[3.9]]))).all()
    with pytest.raises(DataError, match=r"found t = 4\.1, expected at most 4: Ctrl-C came then"):
        found.predict(np.array([[4.1]]))


BUILT_IN = {**SPEC["residuals"], "start": {"equation": ["2*u = 2", "u_t = 0"], "at": {"t": 0}, "hard": True}}


def test_values_and_slopes_that_are_built_in_are_those_that_the_last_slab_ended_with() -> None:
    found = march(symnn.Physics.from_spec({**SPEC, "residuals": BUILT_IN}), progress=False)
    h, begun = 1e-6, np.array([0.0, 2.0, 4.0])
    after, later = (found.predict((begun + shift)[:, None])[:, 0] for shift in (0.0, h))
    before, sooner = (found.predict((begun[1:] - shift)[:, None])[:, 0] for shift in (1e-12, h))
    assert found.predict(np.array([[0.0]]))[0, 0] == 1.0
    assert after[1:] == pytest.approx(before, abs=1e-11)
    assert (later - after)[1:] / h == pytest.approx((before - sooner) / h, abs=1e-4)
    assert found.errors()["u"] < 1e-4
    times = np.array([[0.7], [2.9], [5.1]])
    second = np.diff([found.predict(times + shift)[:, 0] for shift in (-1e-3, 0, 1e-3)], 2, 0)[0] / 1e-6
    left = second + 4 * found.predict(times)[:, 0] - 3 * np.cos(times[:, 0])
    assert found.left("motion", times)[:, 0] == pytest.approx(left, abs=1e-4)


HEAT: dict[str, Any] = {
    "inputs": {"x": [0, 1], "y": [0, 1], "t": [0, 0.2]},
    "unknowns": "u",
    "layers": [{"dense": 4, "activation": "tanh"}, {"dense": 1}],
    "residuals": {
        "inside": {"equation": "u_t = 0.1*laplacian(u, x, y)", "points": 30, "sampling": "sobol"},
        "begin": {"equation": "u = sin(pi*x)*sin(pi*y) + x", "at": {"t": 0}, "hard": True},
        "sides": {"equation": "u = x", "at": {"x": [0, 1]}, "hard": True},
        "ends": {"equation": "u = x", "at": {"y": [0, 1]}, "hard": True},
    },
    "slabs": {"t": 2},
    "solution": {"u": "exp(-pi**2*t/5)*sin(pi*x)*sin(pi*y) + x"},
    "solver": [{"levenberg_marquardt": 15}],
}


@pytest.mark.parametrize(
    "changes",
    [
        {"resampling": {"every": 4}, "balance": {"attention": {"every": 5}}},
        pytest.param({}, marks=pytest.mark.slow),
    ],
    ids=["points and weights that change", "fixed ones"],
)
def test_built_in_beginnings_and_sides_hold_together(changes: dict[str, Any]) -> None:
    found = march(symnn.Physics.from_spec({**HEAT, **changes}), progress=False)
    sides = np.array([[0.0, 0.3, 0.15], [1.0, 0.3, 0.05], [0.7, 1.0, 0.2]])
    assert found.predict(sides)[:, 0] == pytest.approx([0.0, 1.0, 0.7], abs=1e-13)
    assert found.errors()["u"] < 1e-2


def test_values_and_slopes_go_on_where_a_slab_ends(marched: March) -> None:
    h = 1e-5
    before, after = (
        marched.predict(np.array([[2 - h], [2 - 2 * h]])),
        marched.predict(np.array([[2 + h], [2 + 2 * h]])),
    )
    residual = 10 * marched.solutions[1].loss ** 0.5 + 1e-4
    assert before[0] == pytest.approx(after[0], abs=residual)
    assert before[0] - before[1] == pytest.approx(after[1] - after[0], abs=h * residual)


def test_the_network_gets_the_time_since_its_slab_began() -> None:
    physics = symnn.Physics.from_spec(SPEC)
    predict, theta = physics.compile().predict, physics.initial_parameters(0)
    early, late = (predict(theta, np.array([[begun + 0.3, begun]])) for begun in (0.0, 4.0))
    assert early == pytest.approx(late, abs=1e-14)


def test_solve_says_how_far_each_slab_came_and_saves_all(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump({**SPEC, "solver": [{"levenberg_marquardt": 2}]}))
    result = CliRunner().invoke(app, ["solve", str(tmp_path / "spec.yaml"), "--out", str(tmp_path / "u.npz")])
    assert result.exit_code == 0
    assert re.findall(r"slab (\d): loss", result.output) == ["1", "2", "3"]
    assert "u: relative L2 error" in result.output
    with np.load(tmp_path / "u.npz") as found:
        assert {name: found[name].shape for name in found} == {
            "W1": (3, 8, 1), "b1": (3, 8), "W2": (3, 1, 8), "b2": (3, 1),
        }  # fmt: skip


@pytest.mark.parametrize(("content", "message"), [(None, "No such file"), ("x,u\n0,1\n", "column 't'")])
def test_a_reference_that_cannot_be_used_is_found_before_the_first_slab(
    tmp_path: Path, content: str | None, message: str
) -> None:
    spec = {name: value for name, value in SPEC.items() if name != "solution"}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump({**spec, "reference": "u.csv"}))
    if content is not None:
        (tmp_path / "u.csv").write_text(content)
    result = CliRunner().invoke(app, ["solve", str(tmp_path / "spec.yaml")])
    assert isinstance(result.exception, DataError)
    assert message in str(result.exception)
    assert "slab 1" not in result.output


def test_slabs_that_are_done_are_not_solved_again(marched: March, tmp_path: Path) -> None:
    state, seen = tmp_path / "u.state", list[int]()

    def breaks_off(number: int, found: symnn.Solution) -> None:
        seen.append(number)
        if number == 2:
            raise RuntimeError("killed")

    physics = symnn.Physics.from_spec(SPEC)
    with pytest.raises(RuntimeError):
        march(physics, progress=False, each=breaks_off, state=state)
    with pytest.raises(symnn.CheckpointError, match="expected resume to go on with it"):
        march(physics, progress=False, state=state)
    other = symnn.Physics.from_spec(changed(motion={"equation": "u_tt = -u", "points": 24, "sampling": "sobol"}))
    with pytest.raises(symnn.CheckpointError, match="a run with other equations"):
        march(other, progress=False, state=state, resume=True)
    resumed = march(physics, progress=False, state=state, resume=True)
    assert seen == [0, 1, 2]
    assert [one.stopped == DONE for one in resumed.solutions] == [True, True, False]
    assert resumed.theta.tobytes() == marched.theta.tobytes()
    assert not state.exists()


@pytest.mark.parametrize("changes", [pytest.param({}, marks=pytest.mark.slow), {"resampling": {"every": 3}}])
def test_a_slab_that_was_broken_off_goes_on_to_the_same_bits(tmp_path: Path, changes: dict[str, Any]) -> None:
    state = tmp_path / "u.state"
    physics = symnn.Physics.from_spec(
        {**SPEC, **changes, "residuals": BUILT_IN, "solver": [{"levenberg_marquardt": 8}]}
    )
    whole = march(physics, progress=False)
    trial = LevenbergMarquardt.trial

    def interrupted(*arguments: Any) -> Any:
        if next(calls) == 12:
            raise KeyboardInterrupt
        return trial(*arguments)

    for _ in range(2):
        calls = count(1)
        with patch.object(LevenbergMarquardt, "trial", interrupted):
            found = march(physics, progress=False, state=state, resume=True)
        assert found.solutions[-1].stopped == "interrupted"
    resumed = march(physics, progress=False, state=state, resume=True)
    assert resumed.theta.tobytes() == whole.theta.tobytes()
    assert [one.iterations for one in resumed.solutions] == [8, 8, 8]


def test_slabs_after_ctrl_c_are_left_and_those_before_are_kept(tmp_path: Path) -> None:
    state, interrupted = tmp_path / "u.state", patch.object(LevenbergMarquardt, "trial", side_effect=KeyboardInterrupt)
    try:
        begun = symnn.Physics.from_spec(SPEC)
        found = march(begun, progress=False, each=lambda number, _: interrupted.start(), state=state)
    finally:
        interrupted.stop()
    assert [one.stopped for one in found.solutions][1:] == ["interrupted"]
    assert found.whole.stopped == "interrupted"
    assert state.exists()


def test_the_page_of_slabs_has_all_of_their_time(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump({**SPEC, "solver": [{"levenberg_marquardt": 2}]}))
    command = ["solve", str(tmp_path / "spec.yaml"), "--report", str(tmp_path / "u.html")]
    with patch("symnn.report.solved.PLACES", 9):
        result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "u.html").read_text()
    sections = ("solution", "error", "residual", "course", "points")
    assert all(f'<section id="{name}"' in page for name in sections)
    assert "motion, first slab" in page


def test_what_is_left_is_that_of_each_slab(marched: March) -> None:
    h, times = 1e-3, np.array([[0.7], [2.9], [5.1]])
    before, here, after = (marched.predict(times + shift)[:, 0] for shift in (-h, 0, h))
    second = (before - 2 * here + after) / h**2
    assert marched.left("motion", times)[:, 0] == pytest.approx(second + 4 * here - 3 * np.cos(times[:, 0]), abs=1e-4)
    whole = marched.whole
    assert whole.iterations == sum(one.iterations for one in marched.solutions)
    assert [mark.iterations for mark in whole.history] == sorted(mark.iterations for mark in whole.history)


def test_equations_have_other_places_at_the_same_time() -> None:
    spec = {
        "inputs": {"x": [-1, 1], "t": [0, 0.4]},
        "unknowns": "u",
        "layers": [{"dense": 6, "activation": "tanh"}, {"dense": 1}],
        "residuals": {
            "inside": {"equation": "u_t + u_x = 0", "points": 40, "sampling": "sobol"},
            "start": {"equation": "u = sin(pi*x)", "at": {"t": 0}, "points": 20},
            "round": {"equation": ["u(-1, t) = u(1, t)", "integral(u(s, t), s, -1, 1, 4) = 0"], "points": 6},
        },
        "slabs": {"t": 2},
        "solver": [{"levenberg_marquardt": 60}],
    }
    found = march(symnn.Physics.from_spec(spec), progress=False)
    times = np.array([0.05, 0.15, 0.25, 0.35])
    left, right = (found.predict(np.column_stack([np.full(4, x), times]))[:, 0] for x in (-1.0, 1.0))
    assert left == pytest.approx(np.sin(np.pi * (-1 - times)), abs=0.05)
    places = np.column_stack([np.zeros(4), times])
    assert found.left("round", places)[:, 0] == pytest.approx(left - right, abs=1e-13)


@pytest.mark.parametrize("points", [[[0.5, 1.0]], [0.5], 0.5, [["a"]], [[0.5j]], [[0.5], [1.0, 2.0]], [[np.nan]]])
def test_points_that_are_none_are_refused(marched: March, points: Any) -> None:
    for given in (marched.predict, lambda points: marched.left("motion", points)):
        with pytest.raises(DataError, match=r"^points: "):
            given(points)


def test_points_may_be_a_list(marched: March) -> None:
    assert marched.predict([[1], [3]]).tolist() == marched.predict(np.array([[1.0], [3.0]])).tolist()


def changed(**residuals: Any) -> dict[str, Any]:
    return {**SPEC, "residuals": {**SPEC["residuals"], **residuals}}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an input": ({**SPEC, "slabs": {"x": 3}}, "slabs: expected one of the inputs, found x"),
    "a count": ({**SPEC, "slabs": {"t": 1}}, "slabs.t: expected a number of at least 2, found 1"),
    "a hard end": (
        changed(end={"equation": "u = 1", "at": {"t": 6}, "hard": True}),
        "residuals.end.at: expected {t: 0} alone in at, where the first slab begins, found t: [6.0]",
    ),
    "a value within a slab": (
        changed(known={"equation": "u = 1", "at": {"t": 0.5}, "points": 1}),
        "residuals.known.at: expected {t: 0} alone in at, where the first slab begins, found t: [0.5]",
    ),
    "both ends": (
        changed(ends={"equation": "u = 1", "boundary": ["t"], "points": 2}),
        "residuals.ends.boundary: expected {t: 0} alone in at, where the first slab begins, found t",
    ),
    "a place at the beginning": (
        {
            **HEAT,
            "residuals": {**HEAT["residuals"], "corner": {"equation": "u = 0", "at": {"x": 0, "t": 0}, "points": 1}},
        },
        "residuals.corner.at: expected {t: 0} alone in at, where the first slab begins, found t: [0.0]",
    ),
    "a beginning that differs from what the sides have": (
        {
            **HEAT,
            "residuals": {**HEAT["residuals"], "ends": {"equation": "u = y*x**2", "at": {"y": [0, 1]}, "hard": True}},
        },
        "residuals.begin.hard: found u = 0.37 at x = 0.37, t = 0, y = 0, where 'ends' has u = 0",
    ),
    "a beginning of both kinds": (
        changed(first={"equation": "u = 1", "at": {"t": 0}, "hard": True}),
        "slabs: found initial values of u that are hard beside such that are not",
    ),
    "another place": (
        {**HEAT, "residuals": {**HEAT["residuals"], "again": {"equation": "u = u(x, 0, t)", "points": 3}}},
        "residuals.again.equation: found u at another place, expected what is at the point itself",
    ),
    "another time": (
        changed(again={"equation": "u = u(0)", "points": 3}),
        "residuals.again.equation: found u at another t, expected it at the t of the point itself, in slabs",
    ),
    "an integral over the time": (
        changed(again={"equation": "integral(u(s), s, 0, t) = u", "points": 3}),
        "residuals.again.equation: found u at another t, expected it at the t of the point itself, in slabs",
    ),
    "a laplacian with the time": (
        changed(motion={"equation": "laplacian(u) = u", "points": 3}),
        "residuals.motion.equation: found a laplacian with t, expected one by the other inputs, in slabs",
    ),
    "a slope alone": (
        {**SPEC, "residuals": {**BUILT_IN, "start": {"equation": "u_t = 1", "at": {"t": 0}, "hard": True}}},
        "residuals: found a derivative without those below it at 't = 0'",
    ),
    "no beginning": (
        {**SPEC, "residuals": {"motion": SPEC["residuals"]["motion"]}},
        "slabs: expected a residual at t: 0, which each slab begins with",
    ),
    "two values": (
        changed(start={"equation": "u + u_t = 1", "at": {"t": 0}, "points": 1}),
        "slabs: expected an equation of one value, such as 'u = sin(pi*x)', found",
    ),
    "coefficients": ({**SPEC, "coefficients": {"k": 1}}, "coefficients: found coefficients beside slabs"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_cut_into_slabs_is_refused(name: str) -> None:
    given, message = REFUSED[name]
    with pytest.raises(symnn.SpecError, match=re.escape(message)):
        load_physics(given)


def test_a_spec_without_slabs_does_not_march() -> None:
    with pytest.raises(symnn.SpecError, match="expected a spec with slabs"):
        march(symnn.Physics.from_spec({**SPEC, "slabs": {}}))
