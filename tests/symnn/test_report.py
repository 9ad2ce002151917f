"""The page of a network: whole by itself, what it shows is what Python computes, and everybody can use it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from symnn.data import Dataset
from symnn.errors import DataError
from symnn.inspect import steps
from symnn.network import Network, dense
from symnn.optimisers import OPTIMISERS
from symnn.report import report
from symnn.report.differences import errors
from symnn.report.document import as_json, document
from symnn.report.example import samples
from symnn.report.learning import followed, mistakes, read_history
from symnn.report.worked import worked
from symnn.spec import TrainingSpec
from symnn.training import targets_for, train
from tests.axe import needs_axe, violations
from tests.browser import Page, browser, executable

HOSTILE = "</script><img src=x onerror=alert(1)>"
NETWORK = Network(2, (dense(2, "tanh"), dense(2)), "softmax_cross_entropy")
X = np.random.default_rng(0).normal(size=(80, 2))
DATA = Dataset.from_arrays(X, np.where(X[:, 0] * X[:, 1] > 0, HOSTILE, "plain"), task="classification")


@cache
def page() -> str:
    with patch.multiple("symnn.report.counts", DEPTHS=(1, 2), WIDTHS=(1, 2)):  # all of them take a second
        return report(NETWORK, HOSTILE, dataset=DATA)


class Elements(HTMLParser):
    """The elements of a page, and the texts of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside in ("script", "style"):
            self.texts.append((self.inside, data))


def test_misread_rows_that_are_no_pictures_have_their_values() -> None:
    x = np.random.default_rng(0).normal(3.0, 2.0, (60, 8))
    kinds = np.where(x[:, 0] > 3, "a", "b")
    data = Dataset.from_arrays(x, kinds, task="classification", feature_names=list("stuvwxyz"))
    wrong = np.array([-9.0, *[0.0] * 7, 9.0, *[0.0] * 7, 0.0, 0.0])  # every row for the other class
    found = mistakes(Network(8, (dense(2),), "softmax_cross_entropy"), wrong, data)
    assert found is not None
    assert not found.data["accuracy"]
    rows = data.mean + data.scale * data.test.x
    cards = found.body.split('<div class="card">')[1:]
    assert cards
    for card in cards:
        values = re.findall(r"<dt>(\w)</dt><dd>(\S+?)</dd>", card)
        assert len(values) == 6
        shown = {"stuvwxyz".index(name): float(text.replace("−", "-")) for name, text in values}
        assert any(all(abs(row[k] - v) <= 1e-3 * abs(v) for k, v in shown.items()) for row in rows)


def test_the_page_loads_nothing_and_forbids_itself_to() -> None:
    elements = Elements(page())
    loading = {"src", "srcset", "data", "action", "poster", "background", "xlink:href", "style", "onload", "onclick"}
    for tag, attributes in elements.found:
        assert not loading & set(attributes), (tag, attributes)
        assert tag not in ("link", "iframe", "object", "embed", "img", "image", "base"), tag
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"url\(|@import|\bfetch\(|XMLHttpRequest|\beval\(|innerHTML", page())
    outside = set(re.findall(r"https?://[^\s\"'<>]*", page()))
    assert outside <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"}, outside
    (policy,) = [a["content"] for _, a in elements.found if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    allowed = dict(part.split(" ", 1) for part in policy.split("; "))
    assert allowed["default-src"] == "'none'"
    for kind, text in elements.texts:
        if not text.startswith("{"):  # data are no script
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in allowed[f"{kind}-src"]
    assert len(page()) < 500_000


def test_names_never_become_markup() -> None:
    assert "<img" not in page()
    assert page().count("<script") == page().count("</script>") == 3


def test_numbers_in_json_are_finite_or_nothing() -> None:
    assert json.loads(as_json({"a": [np.inf, np.float64(1), np.int64(2)]})) == {"a": [None, 1.0, 2]}


def test_errors_of_differences_are_a_v_and_the_complex_step_has_none() -> None:
    found = errors(NETWORK, NETWORK.initial_parameters(0), samples(NETWORK, DATA)[0], "W1")
    for method, foot in (("forward", 1.5e-8), ("central", 6e-6)):
        steps_, away = (np.array(side) for side in zip(*found[method]))
        steps_, away = steps_[np.isfinite(away)], away[np.isfinite(away)]  # too small a step moves nothing
        best = steps_[np.argmin(away)]
        assert foot / 1e2 <= best <= foot * 1e2
        assert away[np.argmax(steps_)] > 1e3 * away.min()
        assert away[np.argmin(steps_)] > 1e3 * away.min()
    assert max(away for step, away in found["complex"] if step < 1e-9) < 1e-14


def test_a_training_in_pieces_is_the_same_to_the_bit() -> None:
    settings = TrainingSpec(epochs=7, batch_size=8, learning_rate=0.05)
    result, snapshots = followed(NETWORK, DATA, settings)
    whole = train(NETWORK, DATA, settings, progress=False)
    assert np.array_equal(result.theta, whole.theta)
    assert [epoch.training_loss for epoch in result.history] == [epoch.training_loss for epoch in whole.history]
    assert [snapshot.epoch for snapshot in snapshots] == list(range(8))


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "number,training_loss,validation_loss,validation_accuracy,seconds\nx"]
)
def test_a_history_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "history.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=r"history\.csv"):
        read_history(path)


# --- in a browser -------------------------------------------------------------------------------------------------

needs_browser = pytest.mark.skipif(executable() is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    path = tmp_path_factory.mktemp("report") / "page.html"
    path.write_text(page(), encoding="utf-8")
    with browser() as found:
        found.open(path)
        yield found


def script(name: str) -> str:
    """A script of the tests whose value is a list of faults."""
    return (Path(__file__).parents[1] / f"{name}.js").read_text()


def close(text: str, value: float) -> bool:
    """Whether a number that the page shows is this one, to the digits that it has."""
    return float(text.replace("−", "-")) == pytest.approx(value, rel=1e-3, abs=1e-12)


def theta_of() -> np.ndarray:
    settings = TrainingSpec()
    return np.asarray(train(NETWORK, DATA, settings, progress=False).theta)


@cache
def computed() -> Any:
    sample = samples(NETWORK, DATA)[0]
    return steps(NETWORK, {**NETWORK.unmerged(theta_of()), **sample.values}, of="loss")


@needs_browser
def test_the_browser_has_nothing_to_complain_of_and_requests_nothing(shown: Page) -> None:
    told = [e for e in shown.events if e["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")]
    assert not told, told
    asked = {e["params"]["request"]["url"] for e in shown.events if e["method"] == "Network.requestWillBeSent"}
    assert all(url.startswith(("file:", "data:")) for url in asked), asked


@needs_browser
def test_both_passes_show_the_numbers_of_python(shown: Page) -> None:
    last = "const s = document.getElementById('step'); s.value = s.max; s.dispatchEvent(new Event('input'));"
    shown.value(last)
    boxes = shown.value(
        "[...document.querySelectorAll('#steps .vertex')].map((v) => "
        "[v.dataset.v, v.querySelector('.value').textContent, v.querySelector('.gradient').textContent])"
    )
    assert len(boxes) == len(computed().vertices)
    for name, value, gradient in boxes:
        vertex = computed()[name]
        assert close(value, vertex.value)
        assert gradient == "" if vertex.gradient is None else close(gradient, vertex.gradient)


@needs_browser
def test_arrow_keys_step(shown: Page) -> None:
    shown.value("document.querySelector('[data-do=first]').click(); document.querySelector('.canvas').focus()")
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        shown.press(key)
    assert shown.value("document.getElementById('step').value") == "1"
    assert shown.value("document.querySelector('#step-panel small').textContent").startswith("Forward, 1 of")


@needs_browser
def test_an_edge_shows_the_product_that_flows_back_over_it(shown: Page) -> None:
    shown.value(
        'document.querySelector(\'.edge[data-from="u1[0,0]"][data-to="a1[0,0]"]\')'
        ".dispatchEvent(new MouseEvent('click', {bubbles: true}))"
    )
    (term,) = computed()["u1[0,0]"].contributions
    found = shown.value("[...document.querySelectorAll('#step-panel b')].map((b) => b.textContent)")
    assert close(found[-1].removeprefix("= "), term.value)


@needs_browser
def test_the_sum_over_paths_is_the_gradient(shown: Page) -> None:
    shown.value("document.querySelector('[data-do=walk]').click()")
    shown.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    shown.value("document.querySelector('[data-do=walk]').click()")
    said = shown.value("document.getElementById('path-sum').textContent")
    total, _, reverse = said.rpartition("; backpropagation has ")
    assert close(total.rpartition(" = ")[2], computed()["W1[0,0]"].gradient)
    assert close(reverse, computed()["W1[0,0]"].gradient)


@needs_browser
def test_formulas_take_the_numbers_of_the_sample(shown: Page) -> None:
    shown.value("const n = document.getElementById('numbers'); n.checked = true; n.dispatchEvent(new Event('change'))")
    row = shown.value(
        "[...document.querySelectorAll('#by-neurons .formula')].find((f) => f.dataset.row === 'a1[0,0]')"
        ".querySelector('math').textContent"
    )
    assert close(row.rpartition("=")[2], computed()["a1[0,0]"].value)
    shown.value("const n = document.getElementById('numbers'); n.checked = false; n.dispatchEvent(new Event('change'))")


@needs_browser
def test_the_browser_learns_as_python_does(shown: Page) -> None:
    shown.value("const one = document.querySelector('[data-do=one]'); for (let k = 0; k < 100; k++) one.click()")
    found = shown.value(
        "let got; const tell = {detail: (state) => { got = state; }};"
        "document.getElementById('live').dispatchEvent(new CustomEvent('state', tell)); [[...got.theta], got.losses]"
    )
    model, optimiser = NETWORK.compile(), OPTIMISERS["nesterov"]
    update = optimiser.compile()
    rows = targets_for(NETWORK, DATA).train
    theta = NETWORK.initial_parameters(0)
    velocity, losses = np.zeros_like(theta), []
    for step in range(1, 101):
        loss, gradient = model.value_and_grad(theta, rows.x, rows.y)
        losses.append(loss)
        theta, velocity = update(theta, gradient, velocity, float(step), 0.1, 0.9)
    np.testing.assert_allclose(found[0], theta, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found[1], losses, rtol=1e-10)


@needs_browser
def test_terms_and_lines_of_one_vertex_light_up_together(shown: Page) -> None:
    shown.value(
        "document.querySelector('#by-layers mrow[data-v=\"u1\"]')"
        ".dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))"
    )
    lit = shown.value("[...document.querySelectorAll('.lit')].map((e) => [e.localName, e.dataset.v])")
    assert {name for _, name in lit} == {"u1"}
    assert {"mrow", "g", "code"} <= {tag for tag, _ in lit}


@needs_browser
def test_formulas_and_lines_light_up_by_keys(shown: Page) -> None:
    lit = "[...new Set([...document.querySelectorAll('.lit')].map((e) => e.dataset.v))]"
    shown.value(
        "const l = document.getElementById('level'); l.value = 'by-layers'; l.dispatchEvent(new Event('change'));"
        "document.querySelector('.formula[data-row=\"a1\"] button').focus()"
    )
    assert shown.value(lit) == ["a1"]
    lines = "[...document.querySelectorAll('#code-python [data-v]')].map((e) => e.dataset.v)"
    names = list(dict.fromkeys(shown.value(lines)))
    shown.value("document.querySelector('.listings').focus()")
    for key, name in (("ArrowDown", names[names.index("a1") + 1]), ("ArrowUp", "a1")):
        shown.press(key)
        assert shown.value(lit) == [name]
        seen = shown.value(
            "['.sources', '.listings'].map((name) => { const frame = document.querySelector(name);"
            " const [a, b] = [frame, frame.querySelector('.lit')].map((e) => e.getBoundingClientRect());"
            " return b.top >= a.top && b.bottom <= a.bottom; })"
        )
        assert seen == [True, True]


@needs_browser
@pytest.mark.parametrize("width", [360, 1600])
def test_the_page_fits_every_window(shown: Page, width: int) -> None:
    shown.size(width, 800)
    assert shown.value("document.documentElement.scrollWidth") <= width
    shown.size(1200, 900)


@needs_browser
def test_long_names_of_classes_are_broken_into_lines(shown: Page, tmp_path: Path) -> None:
    names = np.where(X[:, 0] > 0, "a" * 90, "b_" * 45)
    section = mistakes(NETWORK, NETWORK.initial_parameters(0), Dataset.from_arrays(X, names, task="classification"))
    assert section is not None
    path, before = tmp_path / "long.html", shown.value("location.href")
    path.write_text(document("long", "", {}, [section], ""), encoding="utf-8")
    shown.open(path, 1200, 900)
    for width in (360, 1200):
        shown.size(width, 900)
        assert shown.value("document.querySelectorAll('.card').length") > 3
        assert shown.value("document.documentElement.scrollWidth") <= width
    shown.open(before, 1200, 900)


@needs_browser
def test_charts_and_the_graph_are_whole_in_a_window_of_usual_width(shown: Page) -> None:
    cut = (
        "[...document.querySelectorAll('figure svg')].flatMap((picture) => {"
        " const end = Math.min(picture.getBoundingClientRect().right, picture.closest('.scroll').getBoundingClientRect().right);"  # noqa: E501
        " return [...picture.querySelectorAll('text.s0, text.s1, text.s2, text.s3, .vertex rect')]"
        ".filter((part) => part.getBoundingClientRect().right > end + .5).map((part) => part.textContent); })"
    )
    assert shown.value(cut) == []
    beyond = (
        "const all = [...document.querySelectorAll('.canvas .vertex')], last = document.getElementById('step');"
        "last.value = last.max; last.dispatchEvent(new Event('input'));"
        "all.flatMap((box) => { const edge = box.querySelector('rect').getBoundingClientRect();"
        " return [...box.querySelectorAll('text:not(:empty)')]"
        ".map((text) => [text.textContent, text.getBoundingClientRect()])"
        ".filter(([_, {left, right}]) => left < edge.left + 1 || right > edge.right - 1).map(([text]) => text); })"
    )
    assert shown.value(beyond) == []


@needs_browser
def test_everything_has_a_name_a_place_in_the_order_of_keys_and_contrast(shown: Page) -> None:
    assert shown.value(script("audit")) == []
    shown.value("document.activeElement.blur(); document.querySelector('.skip').focus()")
    for _ in range(3):
        shown.press("Tab")
    assert shown.value("document.activeElement.closest('.bar') !== null")


@needs_axe
def test_axe_finds_nothing_wrong(shown: Page) -> None:
    assert violations(shown) == []


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_are_readable(shown: Page, dark: bool) -> None:
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    shown.send("Emulation.setEmulatedMedia", features=scheme)
    faint = shown.value(script("contrast"))
    assert faint == [], faint[:5]


@needs_browser
def test_the_first_picture_is_there_at_once_and_nothing_moves(shown: Page) -> None:
    first = shown.value(
        "await new Promise((done) => { new PerformanceObserver((list) => { const [found] = "
        "list.getEntriesByName('first-contentful-paint'); if (found) done(found.startTime); })"
        ".observe({type: 'paint', buffered: true}); })"
    )
    assert first < 5_000  # on a machine that does much else; by itself it takes a tenth of a second
    moved = shown.value(
        "await new Promise((done) => { new PerformanceObserver((list) => done(list.getEntries().reduce("
        "(sum, e) => sum + (e.hadRecentInput ? 0 : e.value), 0))).observe({type: 'layout-shift', buffered: true});"
        " setTimeout(() => done(0), 300); })"
    )
    assert moved < 0.05


@needs_browser
def test_every_vertex_of_a_long_recurrence_is_in_the_drawing_and_scrolled_to(tmp_path: Path) -> None:
    inputs = {"time": 35, "features": 1}
    network = Network.from_spec({"inputs": inputs, "layers": [{"recurrent": 1}, {"dense": 1}], "loss": "huber"})
    path = tmp_path / "long.html"
    theta = network.initial_parameters(0)
    chosen = samples(network, None)[:1]
    path.write_text(document("long", "", {}, [worked(network, theta, chosen)], ""), encoding="utf-8")
    with browser() as found:
        found.open(path)
        drawn, steps, seen = found.value(
            "const {vertices} = JSON.parse(document.getElementById('data').textContent).steps;"
            "const boxes = new Set([...document.querySelectorAll('.canvas .vertex')].map((box) => box.dataset.v));"
            "const slider = document.getElementById('step'), canvas = document.querySelector('.canvas');"
            "slider.value = 75; slider.dispatchEvent(new Event('input'));"
            "const now = document.querySelector('.vertex.now-forward').getBoundingClientRect();"
            "const frame = canvas.getBoundingClientRect();"
            "[vertices.filter(({name}) => boxes.has(name)).length, vertices.length,"
            " now.left >= frame.left && now.right <= frame.right && now.top >= frame.top && now.bottom <= frame.bottom]"
        )
    assert drawn == steps > 100
    assert seen
