"""Drawings and charts: where things stand, that large graphs are folded, and that what is not finite is left out."""

from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sympy import symbols

from codegen import from_expressions
from codegen.page.charts import Axis, chart
from codegen.page.drawing import drawing
from codegen.page.layout import apart, layout

SVG = "{http://www.w3.org/2000/svg}"
a, b = symbols("a b")


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """What each vertex reads, in computing order."""
    count = draw(st.integers(1, 12))
    return {
        str(k): draw(st.lists(st.integers(0, k - 1).map(str), unique=True, max_size=3)) if k else []
        for k in range(count)
    }


@given(graphs())
def test_everything_stands_behind_what_it_reads_and_beside_nothing_else(read: dict[str, list[str]]) -> None:
    found = layout(read)
    for name, sources in read.items():
        assert all(found.places[source][0] < found.places[name][0] for source in sources)
    for column in range(found.columns):
        rows = sorted(row for at, row in found.places.values() if at == column)
        assert all(after - before >= 1 - 1e-9 for before, after in pairwise(rows))
    for (source, name), way in found.ways.items():
        assert [at for at, _ in way] == list(range(found.places[source][0], found.places[name][0] + 1))


def test_sweeps_take_crossings_away() -> None:
    read = {**{f"x{k}": [] for k in range(6)}, **{f"y{k}": [f"x{5 - k}"] for k in range(6)}}
    assert layout(read).crossings == 0


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=6))
def test_rows_keep_their_distance_and_are_the_nearest(wanted: list[float]) -> None:
    found = np.array(apart(wanted, [1.0] * (len(wanted) - 1)))
    assert np.all(np.diff(found) >= 1 - 1e-9)
    # No other rows that keep it are nearer: moving any run of rows as a whole does not help.
    for start in range(len(wanted)):
        for end in range(start + 1, len(wanted) + 1):
            for step in (-1e-3, 1e-3):
                moved = found.copy()
                moved[start:end] += step
                if np.all(np.diff(moved) >= 1 - 1e-9):
                    assert np.sum((moved - wanted) ** 2) >= np.sum((found - wanted) ** 2) - 1e-9


def test_circles_go_back_to_an_earlier_column() -> None:
    found = layout({"x": [], "h": ["x", "v"], "u": ["h"], "v": ["u"]})
    assert [at for at, _ in found.ways["v", "h"]] == [3, 2, 1]
    assert {name: at for name, (at, _) in found.places.items()} == {"x": 0, "h": 1, "u": 2, "v": 3}


def test_a_graph_that_nobody_can_follow_is_folded() -> None:
    many = from_expressions({f"c{k}": a + k for k in range(300)}, [a])
    root = ElementTree.fromstring(drawing(many))
    labels = [text.text for text in root.iter(f"{SVG}text")]
    assert labels == ["a", "c0 … c299 (300 vertices)"]
    assert len(root.findall(f".//{SVG}path")) == 1


def test_curves_leave_out_what_is_not_finite_or_has_no_logarithm() -> None:
    points = [(1, 1.0), (2, None), (3, float("nan")), (4, 0.5), (5, 0.0)]
    for logarithmic, left in ((True, 2), (False, 3)):
        found = chart({"loss": points}, Axis("epoch"), Axis("loss", logarithmic), title="loss")
        (line,) = ElementTree.fromstring(found).findall(f"{SVG}polyline")
        assert len(line.get("points", "").split()) == left
    assert chart({"loss": [(1, None)]}, Axis("epoch"), Axis("loss"), title="loss") == ""


@pytest.mark.parametrize("length", [2, 20, 60])
def test_there_is_room_for_the_longest_name(length: int) -> None:
    found = ElementTree.fromstring(
        chart({"m" * length: [(0, 1), (1, 2)]}, Axis("x"), Axis("y"), title="", points={"n" * 3 * length: [(0, 1)]})
    )
    names = [text for text in found.iter(SVG + "text") if set(text.text or "") <= set("mn")]
    assert len(names) == 2
    assert all(float(text.get("x", "")) + 6.4 * len(text.text or "") < float(found.get("width", "")) for text in names)


@pytest.mark.parametrize("values", [[0.0, 0.0], [1e-300, 1e300], [-5.0, 5.0], [1.0], [1e9, 1e9 + 1]])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_charts_of_any_range_have_ticks(values: list[float], logarithmic: bool) -> None:
    curve = [(float(k), value) for k, value in enumerate(values, 1)]
    found = chart({"<b>": curve}, Axis("x"), Axis("y", logarithmic), title="any")
    if not logarithmic or max(values) > 0:
        root = ElementTree.fromstring(found)
        places = [float(text.get("y", "nan")) for text in root.iter(f"{SVG}text") if text.get("y")]
        assert all(np.isfinite(places))
        assert len(root.findall(f".//{SVG}line")) >= 1
