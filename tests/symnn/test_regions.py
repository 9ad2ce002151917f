"""Balls and polygons: points inside in equal measure, points on the boundary with normals, and equations on them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from sympy import lambdify, symbols

import symnn
from symnn.distances import distance
from symnn.physics_spec import load_physics
from symnn.points import KINDS
from symnn.references import reference_of
from symnn.solving import solve_spec

pytestmark = pytest.mark.values

BEND = [[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]]
FRAME = symnn.Polygon([(0, 0), (0, 3), (3, 3), (3, 0)], [[(1, 1), (2, 1), (2, 2), (1, 2)]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dimension", [2, 3, 7])
def test_points_of_a_ball_are_as_many_in_equal_volumes(kind: str, dimension: int) -> None:
    points = symnn.sample([symnn.Ball([1.0] * dimension, 2.0)], 2048, kind=kind) - 1.0
    radius = np.linalg.norm(points, axis=1) / 2.0
    assert radius.max() <= 1
    volume = np.sort(radius**dimension)
    assert volume == pytest.approx((np.arange(2048) + 0.5) / 2048, abs=0.04)
    assert points.mean(axis=0) == pytest.approx(0.0, abs=0.06)


@pytest.mark.parametrize("kind", KINDS)
def test_points_of_a_polygon_are_as_many_in_equal_areas_and_none_in_its_holes(kind: str) -> None:
    points = symnn.sample([FRAME], 800, kind=kind)
    counts, *_ = np.histogram2d(*points.T, bins=3, range=[(0, 3), (0, 3)])
    assert counts[1, 1] == 0
    assert np.delete(counts.ravel(), 4) == pytest.approx(100, abs=32 if kind == "uniform" else 22)


def test_edges_that_lie_on_each_other_end_in_an_error_and_not_never() -> None:
    twice = symnn.Polygon([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0.5), (0, 0), (1, 0), (1, 1), (0, 1)])
    with pytest.raises(symnn.DataError, match=r"found 0 of .* points inside; expected edges that do not overlap"):
        symnn.sample([twice], 4)


def test_lists_beside_a_region_go_in_turn() -> None:
    assert symnn.sample([(0, 1), symnn.Polygon(BEND), [7.0, 8.0]], 5)[:, 3].tolist() == [7, 8, 7, 8, 7]


CURVES: dict[str, tuple[Any, float]] = {
    "disc": (symnn.Ball((0.0, 1.0), 2.0), 2 * np.pi * 2.0),
    "ball": (symnn.Ball((0.0, 1.0, 0.5), 2.0), 4 * np.pi * 2.0**2),
    "ball of five": (symnn.Ball([0.3] * 5, 2.0), 8 / 3 * np.pi**2 * 2.0**4),
    "bend": (symnn.Polygon(BEND), 8.0),
    "frame": (FRAME, 16.0),
}
MEASURES = {"disc": np.pi * 4, "ball": 4 / 3 * np.pi * 8, "ball of five": 8 / 15 * np.pi**2 * 32, "bend": 3, "frame": 8}


@pytest.mark.parametrize("name", CURVES)
def test_the_boundary_obeys_the_divergence_theorem(name: str) -> None:
    region, size = CURVES[name]
    points, normals = symnn.sample_boundary([region], 4096, kind="sobol")
    assert np.linalg.norm(normals, axis=1) == pytest.approx(1.0)
    for column in range(region.dimension):  # ∮ n = 0, ∮ x·n = volume
        assert size * normals[:, column].mean() == pytest.approx(0.0, abs=0.01 * size)
        assert size * np.mean(points[:, column] * normals[:, column]) == pytest.approx(MEASURES[name], rel=0.02)
    assert region.contains(points - 1e-9 * normals).all()
    assert not region.contains(points + 1e-9 * normals).any()


REFUSED = {
    "no radius": (lambda: symnn.Ball((0, 0), 0), "ball: radius: expected a number above 0, found 0"),
    "a line": (lambda: symnn.Ball((0,), 1), "ball: centre: expected two numbers or more, found (0,)"),
    "nan": (lambda: symnn.Ball((0, np.nan), 1), "ball: centre: expected finite numbers, found (0, nan)"),
    "two corners": (lambda: symnn.Polygon([(0, 0), (1, 1)]), "polygon: corners: expected three corners [x, y] or more"),
    "a knot": (
        lambda: symnn.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]),
        "expected edges that do not cross, found those that begin at [0.0, 1.0] and [1.0, 1.0]",
    ),
    "a sliver": (
        lambda: symnn.Polygon([(0, 0), (1, 1), (1, 1.001)]),
        "polygon: expected a polygon that fills at least",
    ),
    "a hole outside": (
        lambda: symnn.Polygon(BEND, [np.array(BEND[:3]) + 5]),
        "polygon: holes[0]: expected a hole inside",
    ),
    "no shape": (lambda: symnn.Polygon.of(5), "polygon: expected a shape that is one Polygon, found 'int'"),
    "no region": (
        lambda: symnn.sample_boundary([(0, 1)], 3),
        "sample_boundary: ranges: expected one region among them",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_region_is_refused(name: str) -> None:
    build, message = REFUSED[name]
    with pytest.raises(symnn.DataError, match=re.escape(message)):
        build()


def test_a_shape_of_shapely_is_the_polygon_of_its_corners() -> None:
    shapely = pytest.importorskip("shapely")
    shape = shapely.Polygon([(0, 0), (3, 0), (3, 3), (0, 3)], [[(1, 1), (2, 1), (2, 2), (1, 2)]])
    found = symnn.Polygon.of(shape)
    assert (found.area, found.box) == (shape.area, FRAME.box)


# --- in specs -----------------------------------------------------------------------------------------------------

DISC = {"disc": {"centre": {"y": 1, "x": 1}, "radius": 0.5}}


def spec(domain: object, **residuals: Any) -> dict[str, Any]:
    return {
        "inputs": {"x": [0, 2], "t": [0, 1], "y": [0, 2]},
        "domain": domain,
        "unknowns": "u",
        "layers": [{"dense": 4, "activation": "tanh"}, {"dense": 1}],
        "residuals": {"inside": {"equation": "u_t = u_xx + u_yy", "points": 40, "sampling": "sobol"}, **residuals},
    }


def test_points_lie_in_the_domain_or_on_its_rim_whatever_the_order_of_the_inputs() -> None:
    found = load_physics(spec(
        DISC,
        rim={"equation": "nx*u_x + ny*u_y", "boundary": ["x", "y"], "points": 20},
        start={"equation": "u", "at": {"t": 0}, "points": 20},
        all={"equation": "u", "boundary": ["x", "t", "y"], "points": 30},
    ))  # fmt: skip
    x, t, y = found.points("inside", 40, 0).T
    assert np.hypot(x - 1, y - 1).max() <= 0.5
    assert np.ptp(t) > 0.9
    x, t, y, nx, ny = found.points("rim", 20, 0).T
    assert np.column_stack([x - 1, y - 1]) == pytest.approx(0.5 * np.column_stack([nx, ny]))
    x, t, y = found.points("start", 20, 0).T
    assert not t.any() and np.hypot(x - 1, y - 1).max() < 0.5  # noqa: PT018
    x, t, y = found.points("all", 30, 0).T
    on_rim = np.isclose(np.hypot(x - 1, y - 1), 0.5)
    assert [on_rim.sum(), (t == 0).sum(), (t == 1).sum()] == [10, 10, 10]
    assert found.contains(found.elsewhere(50, 0)).all()


def test_a_box_has_normals_too() -> None:
    plain = spec(None, ends={"equation": "nx*u_x", "boundary": "x", "points": 4})
    x, _, _, nx = load_physics(plain).points("ends", 4, 0).T
    assert (x.tolist(), nx.tolist()) == ([0, 0, 2, 2], [-1, -1, 1, 1])


def test_a_value_on_the_rim_of_a_disc_may_be_hard() -> None:
    physics = symnn.Physics.from_spec(spec(
        DISC,
        rim={"equation": "2*u = 2*x*(1 + t)", "boundary": ["x", "y"], "hard": True},
        start={"equation": "u = x + 3*((x - 1)**2 + (y - 1)**2 - 0.25)", "at": {"t": 0}, "hard": True},
    ))  # fmt: skip
    (predict, theta), angle = (physics.compile().predict, physics.initial_parameters() + 0.3), np.linspace(0, 6, 9)
    x, t, y = 1 + np.cos(angle) / 2, angle / 6, 1 + np.sin(angle) / 2
    assert predict(theta, np.column_stack([x, t, y]))[:, 0] == pytest.approx(x * (1 + t), abs=1e-14)
    x, y = 1 + np.cos(angle) / 3, 1 + np.sin(angle) / 4
    expected = x + 3 * ((x - 1) ** 2 + (y - 1) ** 2 - 0.25)
    assert predict(theta, np.column_stack([x, 0 * t, y]))[:, 0] == pytest.approx(expected, abs=1e-14)
    assert abs(predict(theta, np.array([[1.0, 0.5, 1.0]])) - predict(-theta, np.array([[1.0, 0.5, 1.0]]))) > 1e-3


SPIRAL = [(0, 0), (6, 0), (6, 5), (1, 5), (1, 2), (4, 2), (4, 3), (2, 3), (2, 4), (5, 4), (5, 1), (0, 1)]
SHAPES: dict[str, symnn.Polygon] = {
    "triangle": symnn.Polygon([(0, 0), (2, 0), (0, 2)]),
    "bend": symnn.Polygon(BEND),
    "frame": FRAME,
    "spiral": symnn.Polygon(SPIRAL),
    "corners in a line": symnn.Polygon([(0, 0), (1, 0), (2, 0), (2, 2), (1.5, 1), (1, 0.5), (0.5, 1), (0, 2), (0, 1)]),
    "a hole with a notch": symnn.Polygon(
        [(0, 0), (0, 4), (4, 4), (4, 0)], [[(1, 1), (3, 1), (3, 3), (2, 1.5), (1, 3)]]
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_distance_of_a_polygon_is_0_on_its_edges_and_nowhere_inside(name: str) -> None:
    shape = SHAPES[name]
    d = lambdify(symbols("x y", real=True), distance(shape, "xy"), "numpy")
    inside, (rim, normals) = symnn.sample([shape], 500), symnn.sample_boundary([shape], 500)
    assert d(*inside.T).min() > 0
    assert 0.9 < d(*symnn.sample([shape], 5000).T).max() < 1.2
    assert np.abs(d(*rim.T)).max() < 1e-14
    near, nearer = (d(*(rim - step * normals).T) for step in (1e-3, 5e-4))
    assert np.median(nearer / near) == pytest.approx(0.5, abs=1e-2)  # of first order


def test_a_value_on_the_rim_of_a_polygon_may_be_hard() -> None:
    given = spec(
        {"polygon": {"inputs": ["x", "y"], "corners": BEND}},
        rim={"equation": "u = x*y*(1 + t)", "boundary": ["x", "y"], "hard": True},
        start={"equation": "u = x*y", "at": {"t": 0}, "hard": True},
    )
    physics = symnn.Physics.from_spec(given)
    predict, theta = physics.compile().predict, physics.initial_parameters() + 0.3
    rim, _ = symnn.sample_boundary([symnn.Polygon(BEND)], 40)
    (x, y), t = rim.T, np.linspace(0, 1, 40)
    assert predict(theta, np.column_stack([x, t, y]))[:, 0] == pytest.approx(x * y * (1 + t), abs=1e-14)
    at = np.array([[0.5, 0.0, 0.7], [0.5, 0.5, 0.7]])
    assert predict(theta, at)[0, 0] == pytest.approx(0.35, abs=1e-15)
    assert abs(predict(theta, at) - predict(-theta, at))[1, 0] > 1e-3


def test_neumann_conditions_hold_on_a_slanted_wall() -> None:
    physics = symnn.Physics.from_spec({
        "inputs": {"x": [0, 1], "y": [0, 1]}, "unknowns": "u",
        "layers": [{"dense": 8, "activation": "tanh"}, {"dense": 1}],
        "domain": {"polygon": {"inputs": ["x", "y"], "corners": [[0, 0], [1, 0], [0, 1]]}},
        "residuals": {
            "inside": {"equation": "u_xx + u_yy = 2", "points": 40, "sampling": "sobol"},
            "walls": {"equation": "nx*u_x + ny*u_y = nx*(2*x + y) + ny*x", "boundary": ["x", "y"], "points": 40},
            "level": {"equation": "u(0, 0)", "points": 1},
        },
        "solution": {"u": "x**2 + x*y"}, "solver": [{"levenberg_marquardt": 60}],
    })  # fmt: skip
    found, _ = solve_spec(physics, progress=False)
    reference = reference_of(physics)
    assert reference is not None
    assert reference.errors(physics.compile(), found.theta)["u"] < 1e-3


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "outside": (
        spec({"disc": {"centre": {"x": 1, "y": 1}, "radius": 1.5}}),
        "domain.disc: expected values of x from 0 to 2, its range, found -0.5 to 2.5",
    ),
    "an input": (
        spec({"disc": {"centre": {"x": 1, "z": 1}, "radius": 0.5}}),
        "domain.disc: unknown input 'z'",
    ),
    "a kind": (spec({"disk": {}}), "domain: unknown domain 'disk'; did you mean 'disc'?"),
    "a number": (spec(5), "domain: expected {disc: …}, {ball: …} or {polygon: …}, found 5"),
    "a corner": (
        spec({"polygon": {"inputs": ["x", "y"], "corners": [[0, 0], [1, 1]]}}),
        "domain.polygon: corners: expected three corners [x, y] or more",
    ),
    "inputs": (
        spec({"polygon": {"inputs": "x", "corners": BEND}}),
        "domain.polygon: inputs: expected two of them, found x",
    ),
    "at": (
        spec(DISC, rim={"equation": "u", "at": {"x": 0}, "points": 3}),
        "residuals.rim.at: expected inputs that the domain has not, or boundary: [y, x], found x",
    ),
    "half a rim": (
        spec(DISC, rim={"equation": "u", "boundary": "x", "points": 3}),
        "residuals.rim.boundary: expected inputs that the domain has not, or boundary: [y, x], found x",
    ),
    "a hard slope": (
        spec(DISC, rim={"equation": "u_x", "boundary": ["x", "y"], "hard": True}),
        "residuals.rim.hard: expected u, found u_x",
    ),
    "a hard polygon of many corners": (
        spec(
            {"polygon": {"inputs": ["x", "y"], "corners": [[1 + n / 99, (n / 99) ** 2] for n in range(65)]}},
            rim={"equation": "u", "boundary": ["x", "y"], "hard": True},
        ),
        "residuals.rim.hard: expected a polygon of at most 64 corners, found one of 65",
    ),
    "a hard face": (
        spec(None, rim={"equation": "u", "boundary": ["x", "y"], "hard": True}),
        "residuals.rim.hard: found boundary, expected that of the domain, or values of an input in at",
    ),
    "a normal inside": (
        spec(DISC, more={"equation": "u*nx", "points": 3}),
        "residuals.more.equation: column 3: 'nx' is not a known name",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_domain_is_refused_by_its_field(name: str) -> None:
    given, message = WRONG[name]
    with pytest.raises(symnn.SpecError, match=re.escape(message)):
        load_physics(given)


@pytest.mark.parametrize("region", [symnn.Ball((1.0, 1.0), 1.0), symnn.Polygon(BEND)], ids=["disc", "polygon"])
def test_points_of_a_region_gather_at_a_place(region: Any) -> None:
    towards = {0: symnn.Towards(1.0, 4.0), 1: symnn.Towards(1.0, 4.0)}
    points = symnn.sample([region, (5.0, 6.0)], 400, kind="sobol", towards=towards)
    assert points.shape == (400, 3)
    assert region.contains(points[:, :2]).all()
    evenly = symnn.sample([region], 400, kind="sobol")
    near, far = (np.median(np.abs(given[:, :2] - 1.0)) for given in (points, evenly))
    assert near < far / 2
    assert np.histogram(points[:, 2], 4, (5.0, 6.0))[0] == pytest.approx(100, abs=25)


def test_points_of_a_ball_of_many_inputs_do_not_gather() -> None:
    with pytest.raises(symnn.DataError, match=r"towards: expected a region that fills 0\.001 of the box around it"):
        symnn.sample([symnn.Ball([0.0] * 20, 1.0)], 9, towards={0: symnn.Towards(0.0, 4.0)})


def test_points_inside_a_domain_gather_and_those_of_its_rim_do_not() -> None:
    towards = {"x": {"at": 1, "strength": 4}, "y": {"at": 1, "strength": 4}}
    spec: dict[str, Any] = {
        "inputs": {"y": [0, 2], "x": [0, 2]},
        "unknowns": "u",
        "layers": [{"dense": 2, "activation": "tanh"}, {"dense": 1}],
        "domain": {"polygon": {"inputs": ["x", "y"], "corners": BEND}},
        "residuals": {"inside": {"equation": "u_xx + u_yy", "points": 200, "towards": {"x": towards["x"]}}},
    }
    points = load_physics(spec).points("inside", 200, 0)
    assert np.median(np.abs(points[:, 1] - 1)) < 0.2 < np.median(np.abs(points[:, 0] - 1))
    rim = {**spec["residuals"]["inside"], "boundary": ["x", "y"]}
    with pytest.raises(symnn.SpecError, match=r"rim\.towards: found towards x, expected none on the boundary"):
        load_physics({**spec, "residuals": {**spec["residuals"], "rim": rim}})
