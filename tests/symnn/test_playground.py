"""The playground: the server refuses what it should, and the page learns, says and gives away what Python computes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import symnn
from codegen.runtime import linker
from symnn.cli import app
from symnn.data import Dataset
from symnn.errors import SpecError
from symnn.network import Network
from symnn.optimisers import OPTIMISERS
from symnn.report import playground as module
from symnn.report.server import MAX_BODY, RequestError, Server, made
from symnn.spec import load_spec
from tests.axe import needs_axe, violations
from tests.browser import Page, browser, executable
from tests.sweeps import one_in

SPEC = {"inputs": 2, "layers": [{"dense": 3, "activation": "tanh"}, {"dense": 2}], "loss": "softmax_cross_entropy"}


MADE = {name: cache(getattr(module, name).__wrapped__) for name in ("embedded", "quick")}
"""The code of few presets, made once for all pages here, and of no other page."""


def few() -> Any:
    """Two presets and one fit are enough of a page."""
    presets = {name: module.PRESETS[name] for name in ("circle", "curve")}
    return patch.multiple(module, PRESETS=presets, CAPACITY=(2,), **MADE)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with few():
        found = Server(module.playground(server=True))
    with found:
        threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True).start()
        yield found
        found.shutdown()


def asked(
    server: Server, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Mapping[str, str], bytes]:
    """The answer to a request."""
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    try:
        given = {"Content-Type": "application/json", **(headers or {})}
        connection.request("GET" if body is None else "POST", path, body, given)
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()
    finally:
        connection.close()


def test_the_page_is_at_the_link_and_its_policy_is_strict(server: Server) -> None:
    status, headers, page = asked(server, f"/{server.token}/")
    assert status == 200
    assert page.startswith(b"<!doctype html>")
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"
    policy = page.split(b'Content-Security-Policy" content="')[1].split(b'"')[0].decode()
    parts = dict(part.split(" ", 1) for part in policy.split("; "))
    assert parts["default-src"] == "'none'"
    assert parts["connect-src"] == "'self'"
    assert all(source.startswith("'sha256-") or source == "blob:" for source in parts["script-src"].split())
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/", None, {}, 404),
        ("/{token}/network", None, {}, 404),
        ("/{token}/../../etc/passwd", None, {}, 404),
        ("/wrong/network", b"{}", {}, 404),
        ("/{token}/", None, {"Host": "example.com"}, 403),
        ("/{token}/network", b"{}", {"Host": "example.com"}, 403),
        ("/{token}/network", b"{}", {"Origin": "http://example.com"}, 403),
        ("/{token}/network", b"{}", {"Content-Type": "text/plain"}, 415),
        ("/{token}/network", b"{}", {"Content-Length": "-1"}, 411),
        ("/{token}/network", b" " * (MAX_BODY + 1), {}, 413),
        ("/{token}/network", b"{", {}, 400),
        ("/{token}/network", b"[" * 16_000, {}, 400),
    ],
)
def test_requests_of_others_are_refused(
    server: Server, path: str, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    found, _, answer = asked(server, path.format(token=server.token), body, headers)
    assert found == status
    assert set(json.loads(answer)) == {"error"}


@pytest.mark.parametrize(("method", "status", "kind"), [("HEAD", 200, "text/html"), ("PUT", 501, "application/json")])
def test_other_methods_are_answered_in_kind(server: Server, method: str, status: int, kind: str) -> None:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.request(method, f"/{server.token}/")
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers.get_content_type() == kind
    assert (body == b"") == (method == "HEAD")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"loss": "nonsense"}, "unknown loss"),
        ({"layers": [{"dense": 2, "activation": {"formula": "__import__('os')"}}, {"dense": 2}]}, "layers[0]"),
        ({"layers": [{"dense": 10**6}, {"dense": 2}]}, "at most 128 units"),
        ({"layers": [{"dense": 3}] * 9}, "at most 8"),
        ({"layers": [{"lstm": 3}, {"dense": 2}]}, "features"),
        ({"inputs": 3}, "expected 1 or 2 numbers"),
        ({"data": {"file": "/etc/passwd", "target": "x"}}, "expected a mapping of inputs, layers, loss"),
    ],
)
def test_specs_are_refused_as_everywhere_and_what_cannot_be_drawn(
    server: Server, changed: dict[str, Any], message: str
) -> None:
    status, _, answer = asked(server, f"/{server.token}/network", json.dumps({**SPEC, **changed}).encode())
    assert status == 422
    said = json.loads(answer)["error"]
    assert message in said
    assert "\n" not in said


def test_a_network_is_made_once() -> None:
    body = json.dumps(SPEC).encode()
    assert made(body) is made(body)


def test_webassembly_without_a_linker_is_refused_by_name() -> None:
    with patch.object(linker, "linker", return_value=None), pytest.raises(RequestError, match="no linker") as caught:
        made(json.dumps({**SPEC, "loss": "binary_cross_entropy", "layers": [{"dense": 1}]}).encode(), "faster")
    assert caught.value.status == 422


def test_the_page_begins_with_a_spec_and_its_rows() -> None:
    x = np.random.default_rng(0).normal(3, 2, (60, 1))
    data = Dataset.from_arrays(x, 5 * x[:, 0] + 1)
    line = Network.from_spec({"inputs": 1, "layers": [{"dense": 2}, {"dense": 1}], "loss": "mean_squared_error"})
    found = module._first(line, data)
    rows, scaling = np.array(found["own"]["rows"]), np.array(found["own"]["scaling"])
    np.testing.assert_allclose(rows[:, 1], 5 * rows[:, 0] + 1, rtol=1e-5)
    np.testing.assert_allclose((rows - scaling[:, 0]) / scaling[:, 1], np.repeat(data.train.x, 2, axis=1), atol=1e-5)
    assert found["layers"] == "2:identity"
    soft = {"inputs": 1, "layers": [{"dense": 2, "activation": "softmax"}, {"dense": 1}], "loss": "huber"}
    assert module._first(Network.from_spec(soft), data)["layers"] == "2:softmax"
    with pytest.raises(SpecError, match="expected a dense layer"):
        module._first(
            Network.from_spec({"inputs": 2, "layers": [{"dense": 2, "bias": False}, {"dense": 2}], "loss": "huber"}),
            None,
        )


def test_the_command_line_refuses_a_port_that_is_taken(server: Server, tmp_path: Path) -> None:
    with few(), patch("symnn.report.playground.playground", return_value=""):
        result = CliRunner().invoke(app, ["playground", "--port", str(server.server_port)])
    assert isinstance(result.exception, SpecError)
    assert "cannot be listened on" in str(result.exception)


@pytest.mark.slow
def test_ctrl_c_ends_it() -> None:
    # What starts the tests in the background may have told them to ignore the signal.
    begin = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{begin}; from symnn.__main__ import main; main()", "playground"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("the playground is at http://127.0.0.1:")
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert (process.stdout.read(), process.stderr.read()) == ("ended\n", "")


# --- in a browser -------------------------------------------------------------------------------------------------

needs_browser = pytest.mark.skipif(executable() is None, reason="there is no Chromium")
HELD = (
    "let held; document.getElementById('play').dispatchEvent(new CustomEvent('state', {detail: (s) => { held = s; }}));"
    "await held.ready;"
)
SETTLED = "document.getElementById('play-tally').dataset.change"
# Two changes may take the same tenth of a millisecond: what is waited for is a figure where there was none.
UNSETTLED = f"delete {SETTLED};"


@pytest.fixture(scope="module")
def window() -> Iterator[Page]:
    with browser() as found:
        yield found


def opened(window: Page, server: Server, fragment: str = "") -> Page:
    """The page at an address, its picture painted."""
    window.events.clear()
    window.open("about:blank#")
    window.open(f"{server.link}#{fragment}")
    window.value(HELD)
    return window


def acted(page: Page, script: str) -> str:
    """Do what changes the network, wait for its picture or what is said instead, and give that."""
    return str(
        page.value(
            f"{UNSETTLED} const said = document.getElementById('play-said'); said.textContent = '';"
            f"{script};"
            "await new Promise((done) => { const look = () => said.textContent || "
            f"{SETTLED} ? done() : setTimeout(look, 5); look(); }}); said.textContent"
        )
    )


def learnt(
    network: Network, x: np.ndarray, y: np.ndarray, steps: int, decay: float = 0.0, rate: float = 0.1
) -> np.ndarray:
    """The parameters after some steps of Nesterov's method, in Python."""
    model, update = network.compile(), OPTIMISERS["nesterov"].compile()
    theta = network.initial_parameters(0)
    velocity = np.zeros_like(theta)
    for step in range(1, steps + 1):
        _, gradient = model.value_and_grad(theta, x, y)
        theta, velocity = update(theta, gradient, velocity, float(step), rate, 0.9)
    return theta


@needs_browser
def test_a_network_that_is_built_by_clicking_learns_as_in_python(window: Page, server: Server) -> None:
    page = opened(window, server, "data=circle&decay=0.01")
    assert acted(page, "document.querySelector('[data-play=deeper]').click()") == ""
    assert acted(page, "document.querySelector('[aria-label=\"More units in hidden layer 2\"]').click()") == ""
    choose = "a = document.getElementById('play-activation-0'); a.value = '='; a.dispatchEvent(new Event('change'))"
    assert acted(page, f"let {choose}") == ""
    typed = "const f = document.getElementById('play-formula-0'); f.value = '{}'; f.dispatchEvent(new Event('change'))"
    assert "not a known function" in acted(page, typed.format("blah(x)"))
    # It stands beside the field, and belongs to it.
    assert page.value(
        "const wrong = document.getElementById('play-formula-0'), note = wrong.nextElementSibling;"
        "[wrong.getAttribute('aria-invalid'), wrong.getAttribute('aria-describedby') === note.id,"
        "note.textContent === document.getElementById('play-said').textContent]"
    ) == ["true", True, True]
    assert acted(page, typed.format("sin(x) + x/3")) == ""
    page.value("for (let k = 0; k < 100; k++) document.querySelector('[data-play=one]').click()")
    theta, x, y, address = page.value(
        f"{HELD} [[...held.run.theta], [...held.data.x], [...held.data.y], location.hash]"
    )
    layers = [{"dense": 4, "activation": {"formula": "sin(x)+x/3"}}, {"dense": 5, "activation": "tanh"}, {"dense": 2}]
    network = Network.from_spec({**SPEC, "layers": layers, "weight_decay": 0.01})
    rows = np.reshape(x, (-1, 2)), np.array(y, np.int64)
    np.testing.assert_allclose(theta, learnt(network, *rows, steps=100), rtol=1e-10, atol=1e-10)
    # The address alone leads to the same network at the same step.
    again = opened(window, server, address.removeprefix("#")).value(f"{HELD} [[...held.run.theta], location.hash]")
    assert again == [theta, address]


WALKED = (
    f"{HELD.removesuffix('await held.ready;')}"
    "for (let k = 0; k < 100; k++) held.run.step();"
    "const grid = held.data.grids[32], theta = Float32Array.from(held.run.theta);"
    "const {output} = held.network.code.look.run({theta, x: grid});"
    "[[...held.run.theta], [...held.data.x], [...held.data.y], held.network.fast ?? null, [...output], [...grid]]"
)


@needs_browser
@pytest.mark.skipif(linker.linker() is None, reason="there is no linker for WebAssembly")
@pytest.mark.parametrize("served", [True, False])
def test_webassembly_takes_over_and_goes_the_same_way(window: Page, tmp_path: Path, served: bool) -> None:
    with few():
        text = module.playground(server=served, webassembly=True)
    (tmp_path / "play.html").write_text(text, encoding="utf-8")
    with Server(text) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        window.events.clear()
        address = server.link if served else (tmp_path / "play.html").as_uri()
        until = "await new Promise((done) => setTimeout(done, 5));"
        first = f"while (!{SETTLED}) {until}"
        second = f"await held.ready; {UNSETTLED} document.querySelector('[data-play=again]').click(); {first}"
        for _ in range(5):  # on a busy machine the page may have rested before it is asked
            window.open("about:blank#")
            window.open(f"{address}#data=circle&layers={'3' if served else '4'}:tanh")
            ways = [window.value(f"{wait} {WALKED}") for wait in (first, second)]
            if ways[0][3] is None:
                break
        assert not [e for e in window.events if e["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")]
        server.shutdown()
    assert [way[3] for way in ways] == [None, True], "WebAssembly is to come after the first picture"
    network = Network.from_spec({**SPEC, "layers": [{"dense": 3 if served else 4, "activation": "tanh"}, {"dense": 2}]})
    theta, x, y, _, _, grid = ways[0]
    expected = learnt(network, np.reshape(x, (-1, 2)), np.array(y, np.int64), steps=100)
    np.testing.assert_allclose(theta, expected, rtol=1e-10, atol=1e-10)
    assert ways[1][0] == theta, "an address is to lead to the same network"
    scores = np.ravel(network.compile().predict(np.array(theta), np.reshape(grid, (-1, 2))))
    for way in ways:
        np.testing.assert_allclose(way[4], scores, rtol=1e-4, atol=1e-4)
    assert ways[0][4] != ways[1][4], "WebAssembly was not called"


CLIP = (
    "(({x, y, width, height}) => ({x, y: y + scrollY, width, height}))"
    "(document.querySelector('.board').getBoundingClientRect())"
)


@needs_browser
def test_an_address_is_the_same_picture_and_its_map_what_python_predicts(
    window: Page, server: Server, tmp_path: Path
) -> None:
    pictures = []
    for name in ("first", "again"):
        page = opened(window, server, "data=circle&steps=60")
        page.picture(tmp_path / name, page.value(CLIP))
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1]
    theta, ranges = page.value(f"{HELD} [[...held.run.theta], held.data.ranges]")
    network = Network.from_spec({**SPEC, "layers": [{"dense": 4, "activation": "tanh"}, {"dense": 2}]})
    places = np.random.default_rng(0).integers(0, 128, (200, 2))
    x = np.array([[low + (high - low) * (k + 0.5) / 128 for k, (low, high) in zip(p, ranges)] for p in places])
    scores = np.asarray(network.compile().predict(np.array(theta), x))
    # Rows are painted over the map: at most every tenth place is covered by one.
    seen = page.value(
        "const c = document.getElementById('play-map').getContext('2d');"
        f"{places.tolist()}.map(([a, b]) => [...c.getImageData(4*a + 2, 4*(127 - b) + 2, 1, 1).data])"
    )
    sure = np.abs(scores[:, 0] - scores[:, 1]) > 0.5
    blue = np.array([pixel[2] > pixel[0] for pixel in seen])
    assert np.mean((scores[:, 0] > scores[:, 1])[sure] == blue[sure]) > 0.9


@needs_browser
def test_rows_are_those_of_the_seed_and_epochs_take_each_row_once(window: Page, server: Server) -> None:
    fragment = "data=circle&noise=0&sample=3&batch=60"
    x = opened(window, server, fragment).value(f"{HELD} [...held.data.x]")
    words = np.random.Generator(np.random.Philox(key=[3, 0])).random(480)
    np.testing.assert_array_equal(x, 2 * words - 1)
    losses = window.value(f"{HELD} for (let k = 0; k < 8; k++) held.run.step(); held.run.losses")
    assert len(set(losses)) == 8
    assert window.value("held.run.rows") == 60


@needs_browser
def test_what_is_exported_is_read_by_python(window: Page, server: Server, tmp_path: Path) -> None:
    csv = "width,height,kind\n" + "".join(f"{20 + k % 7},{300 - k},{'ab'[k % 2]}\n" for k in range(40))
    page = opened(window, server, "data=circle")
    assert acted(page, dropped(csv)) == ""
    page.value("for (let k = 0; k < 20; k++) document.querySelector('[data-play=one]').click()")
    weights, text, theta, x = page.value(
        f"{HELD} [[...held.safetensors()], held.yaml(), [...held.run.theta], [...held.data.x]]"
    )
    path = tmp_path / "model.safetensors"
    path.write_bytes(bytes(weights))
    model = symnn.load(path)
    assert model.classes == ("a", "b")
    assert [column.name for column in model.features.columns] == ["width", "height"]
    assert model.target_names == ("kind",)
    again = opened(window, server, page.value("location.hash").removeprefix("#"))
    assert again.value(f"{HELD} held.state.own.columns") == ["width", "height", "kind"]
    assert model.theta.tolist() == theta
    raw = np.array([[20 + k % 7, 300 - k] for k in range(40)], float)
    np.testing.assert_allclose(np.ravel(model.standardise(raw)), x, rtol=1e-4, atol=1e-4)
    spec = load_spec(yaml.safe_load(text))
    assert spec.layers[0].to_plain() == {"dense": 4, "activation": "tanh"}
    assert spec.training.optimiser == "nesterov"
    assert spec.training.batch_size == 40
    svg = page.value("held.drawing()")
    assert svg.startswith("<svg")
    assert svg.count("<image") == 2 + 4 + 2 + 1
    assert svg.count("<path") == 2 * 4 + 4 * 2
    assert page.value("held.picture().toDataURL()").startswith("data:image/png")


def dropped(text: str) -> str:
    """A script that gives the page a file of rows."""
    return (
        f"const t = new DataTransfer(); t.items.add(new File([{json.dumps(text)}], 'rows.csv'));"
        "const i = document.getElementById('play-file'); i.files = t.files; i.dispatchEvent(new Event('change'))"
    )


RESTING = "['learn', 'one', 'surface', 'capacity', 'link', 'spec', 'weights', 'svg', 'png'].map((name) => document.querySelector(`[data-play=${name}]`).disabled)"  # noqa: E501


@needs_browser
@pytest.mark.parametrize(
    ("text", "rows"),
    one_in(
        2,
        [
            ("1,5;a\n2,5;b\n", [[1.5, 0], [2.5, 1]]),
            ("x;y;n\n1;-0,5;,25\n2;3;1,5e3\n", [[1, -0.5, 0.25], [2, 3, 1500]]),
            ('"1","2","x"\n"3","4","say ""y"""\n\n \n', [[1, 2, 1], [3, 4, 0]]),
            ("1\t2\ta;b\n3\t4\tc\n", [[1, 2, 0], [3, 4, 1]]),
            ("year,1\n1,2\n3,4.5\n", [[1, 2], [3, 4.5]]),
            ("1,2,target\n1,2,3\n4,5,6.5\n", [[1, 2, 3], [4, 5, 6.5]]),
            ("1;2;a,b\n3;4;c\n", [[1, 2, 0], [3, 4, 1]]),
        ],
    ),
)
def test_rows_of_a_file_are_those_that_it_has(window: Page, server: Server, text: str, rows: list[list[float]]) -> None:
    page = opened(window, server, "data=circle&layers=")
    assert acted(page, dropped(text)) == ""
    assert page.value(f"{HELD} held.data.rows") == rows


@needs_browser
def test_rows_that_are_none_are_refused_where_they_stand(window: Page, server: Server) -> None:
    page = opened(window, server, "data=circle")
    for text, message in (
        ("abc,2,a\n3,4,b\n5,6,a\n", "Row 1, cell 1: “abc” is no number."),
        ("1,,a\n3,4,b\n5,6,a\n", "Row 1, cell 2: “” is no number."),
        ("x,y,kind\n3,4,a\n5,6,\n", "Row 3, cell 3 is empty; expected a class or a number."),
        ("1,2,a\n\n3,4,b\n", "Row 2 has 1 cell; expected 3."),
        ('1,2,"a\n3,4,b\n', "Row 1: a quotation mark has no other in the same row."),
        ("1,0x10,a\n3,4,b\n5,6,a\n", "Row 1, cell 2: “0x10” is no number."),
        ("1,2,5\n3,4,5\n", "The last column is 5 in every row; expected numbers that differ, or 2 to 4 classes."),
        (
            "1,2,class\n" + "3,4,a\n5,6,b\n" * 2,
            "Row 1: “class” is the class of no other row, so that it may be a header; "
            "expected one whose first names are no numbers.",
        ),
        (f"1,{'a' * 201}\n2,b\n", "Row 1, cell 2 has 201 letters; expected a class of at most 200."),
        (
            "1e200,a\n-1e200,b\n",
            "Column 1: the squares of its numbers are too large to be added; expected smaller ones.",
        ),
    ):
        assert acted(page, f"{{ {dropped(text)} }}") == message
    assert page.value(f"{HELD} [held.state.data, held.run.steps]") == ["circle", 0]
    assert not any(page.value(RESTING))


@needs_browser
def test_numbers_far_from_0_keep_what_they_differ_by(window: Page, server: Server) -> None:
    given = [[1_700_000_000 + k, 13.4051 + 1e-5 * (k % 7), 1_000_000 + k * k] for k in range(30)]
    page = opened(window, server, "data=curve&layers=")
    assert acted(page, dropped("".join(f"{a},{b:.5f},{c}\n" for a, b, c in given))) == ""
    learnt = f"{HELD} [[...held.data.x], [...held.data.y], held.data.rows, location.hash]"
    x, y, rows, address = page.value(learnt)
    found = np.column_stack([np.reshape(x, (-1, 2)), y])
    exact = np.array([[a, round(b, 5), c] for a, b, c in given])
    expected = (exact - exact.mean(axis=0)) / exact.std(axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert rows == exact.tolist()
    assert opened(window, server, address.removeprefix("#")).value(learnt) == [x, y, rows, address]


@needs_browser
def test_a_page_of_a_spec_and_its_link_are_the_same_state(window: Page, server: Server) -> None:
    generator = np.random.default_rng(0)
    x, names = generator.normal(1e6, 3, (200, 2)), np.array(["a,b", "[c", "a" * 60, "a" * 60 + "b"])
    data = Dataset.from_arrays(x, names[generator.integers(0, 4, 200)], task="classification")
    spec = {**SPEC, "layers": [{"dense": 3, "activation": "tanh"}, {"dense": 4}]}
    with few():
        text = module.playground(Network.from_spec(spec), data, server=True)
    state = f"{HELD} [held.state, [...held.data.x], [...held.data.y], [...held.run.theta]]"
    with Server(text) as own:
        threading.Thread(target=own.serve_forever, args=(0.02,), daemon=True).start()
        first = opened(window, own).value(f"document.querySelector('[data-play=one]').click(); {state}")
        address = window.value("location.hash")
        own.shutdown()
    assert first[0]["own"]["classes"] == sorted(names)
    np.testing.assert_allclose(np.reshape(first[1], (-1, 2)), data.train.x, atol=5e-5)
    assert opened(window, server, address.removeprefix("#")).value(state) == first
    assert len(address) < 6_000


@needs_browser
@pytest.mark.parametrize(
    ("fragment", "loss"),
    [
        ("data=gaussians&loss=binary_cross_entropy", "softmax_cross_entropy"),
        ("data=circle&loss=huber", "softmax_cross_entropy"),
        ("data=circle&loss=%3Doutput-target", "softmax_cross_entropy"),
        ("data=curve&loss=binary_cross_entropy", "mean_squared_error"),
        ("data=curve&loss=huber", "huber"),
    ],
)
def test_a_loss_that_does_not_fit_is_as_usual(window: Page, server: Server, fragment: str, loss: str) -> None:
    assert opened(window, server, fragment).value("held.state.loss") == loss


@needs_browser
def test_what_is_refused_is_neither_learnt_nor_written(window: Page, server: Server) -> None:
    page = opened(window, server, "data=circle&steps=5")
    address = page.value("location.hash")
    page.value("document.querySelector('[data-play=learn]').click()")
    typed = "held.state.layers[0].activation = '=blah(x)'; document.querySelector('[data-play=again]').click()"
    assert "not a known function" in acted(page, typed)
    assert all(page.value(RESTING))
    changed = (
        "const e = document.getElementById('play-edges'); e.value = 'weights'; e.dispatchEvent(new Event('change'))"
    )
    page.value(f"{changed}; document.getElementById('play-map').click()")
    assert "blah" not in page.value("location.hash")
    assert "not a known function" in page.value("document.getElementById('play-said').textContent")
    # What was there before is there again.
    assert acted(page, f"location.hash = 'data=curve'; location.hash = {json.dumps(address)}") == ""
    assert page.value(f"{HELD} [held.run.steps, location.hash]") == [5, address]
    assert not any(page.value(RESTING))
    # The same holds while the server works.
    waiting = page.value(
        "const real = fetch; let free; window.fetch = (...all) => new Promise((done) => { free = () => done(real(...all)); });"  # noqa: E501
        f"document.querySelector('[data-play=deeper]').click(); const now = {RESTING}; window.fetch = real; now"
    )
    assert all(waiting)
    assert acted(page, "free()") == ""
    assert not any(page.value(RESTING))
    assert not [e for e in page.events if e["method"] == "Runtime.exceptionThrown"]


@needs_browser
def test_points_are_set_and_erased_by_the_mouse(window: Page, server: Server) -> None:
    page = opened(window, server, "data=circle")
    box = page.value("(({x, y, width}) => [x, y, width])(document.getElementById('play-map').getBoundingClientRect())")
    at = {"clientX": box[0] + box[2] / 4, "clientY": box[1] + box[2] / 4}
    click = f"document.getElementById('play-map').dispatchEvent(new MouseEvent('click', {json.dumps(at)}))"
    assert acted(page, click) == ""
    rows = page.value(f"{HELD} held.data.rows")
    ranges = page.value("held.data.ranges")
    assert len(rows) == 241
    assert rows[-1][2] == 0
    expected = [ranges[0][0] + (ranges[0][1] - ranges[0][0]) / 4, ranges[1][1] - (ranges[1][1] - ranges[1][0]) / 4]
    np.testing.assert_allclose(rows[-1][:2], expected, atol=0.05)
    acted(page, f"document.getElementById('play-brush').value = 'erase'; {click}")
    assert len(page.value(f"{HELD} held.data.rows")) == 240
    # The same by keys: a cross goes from the middle by a 32nd of the width and of the height.
    page.value("document.getElementById('play-brush').value = '1'; document.getElementById('play-map').focus()")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.press(key)
    said = page.value("document.getElementById('play-said').textContent")
    page.value(UNSETTLED)
    page.press("Enter")
    page.value(f"while (!{SETTLED}) await new Promise((done) => setTimeout(done, 5))")
    rows, ranges = page.value(f"{HELD} [held.data.rows, held.data.ranges]")
    assert [float(part) for part in said.split(", ")] == rows[-1][:2]
    places = [low + (high - low) * part for (low, high), part in zip(ranges, (0.5 + 2 / 32, 0.5 + 1 / 32))]
    np.testing.assert_allclose(rows[-1][:2], places, atol=0.05)
    assert (len(rows), rows[-1][2]) == (241, 1)


@needs_browser
@pytest.mark.parametrize(
    "fragment",
    [
        "data=nothing&layers=x:y;;&rate=no&seed=99&steps=-1&loss=%00",
        "data=own&rows=1,2;3",
        "layers=" + "9:tanh;" * 50,
        "data=constructor&optimiser=__proto__",
    ],
)
def test_addresses_are_read_with_care(window: Page, server: Server, fragment: str) -> None:
    page = opened(window, server, fragment)
    assert page.value("held.state.layers.length <= 7 && held.state.data in {circle: 0} && held.state.seed <= 4")
    assert not [e for e in page.events if e["method"] == "Runtime.exceptionThrown"]


@needs_browser
def test_the_surface_has_the_loss_that_the_ways_end_with(window: Page, server: Server) -> None:
    page = opened(window, server, "data=circle")
    page.value(
        "document.querySelector('[data-play=surface]').click(); document.querySelector('[data-play=capacity]').click();"
        "await new Promise((done) => { const look = () => document.getElementById('play-surface').dataset.done && "
        "document.getElementById('play-capacity').dataset.done ? done() : setTimeout(look, 20); look(); })"
    )
    x, y = page.value(f"{HELD} [[...held.data.x], [...held.data.y]]")
    said = page.value("document.getElementById('play-surface-nesterov-said').textContent")
    network = Network.from_spec({**SPEC, "layers": [{"dense": 4, "activation": "tanh"}, {"dense": 2}]})
    rows = np.reshape(x, (-1, 2)), np.array(y, np.int64)
    loss = network.compile().loss(learnt(network, *rows, steps=200), *rows)
    assert f"loss {float(f'{loss:.3g}'):g} after 200 steps" in said
    assert "2 units: error 0." in page.value("document.getElementById('play-capacity-2-said').textContent")
    # A loss below 0 has a surface too: every step of the scale is on it.
    page = opened(window, server, "data=curve&layers=2:tanh&loss=" + quote("=(output - target)**2 - 9"))
    colours = page.value(
        "const shown = document.getElementById('play-surface'), map = document.getElementById('play-surface-momentum');"
        "document.querySelector('[data-play=surface]').click();"
        "await new Promise((done) => { const look = () => shown.dataset.done ? done() : setTimeout(look, 20); look(); });"  # noqa: E501
        "const {buffer} = map.getContext('2d').getImageData(0, 0, 400, 400).data; new Set(new Uint32Array(buffer)).size"
    )
    assert colours >= 14


@needs_axe
def test_axe_finds_nothing_wrong(window: Page, server: Server) -> None:
    page = opened(window, server, "layers=4:=x**2;3:relu")
    assert violations(page) == []
    page.value("document.getElementById('play-formula-0').value = 'b(x)'")
    wrong = "document.getElementById('play-formula-0').dispatchEvent(new Event('change'))"
    assert "not a known function" in acted(page, wrong)
    assert violations(page) == []


@needs_browser
def test_everybody_can_use_it(window: Page, server: Server) -> None:
    page = opened(window, server)
    script = Path(__file__).parents[1]
    assert page.value((script / "audit.js").read_text()) == []
    for dark in (False, True):
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        page.send("Emulation.setEmulatedMedia", features=scheme)
        assert page.value((script / "contrast.js").read_text()) == []
    for width in (360, 1600):
        page.size(width, 800)
        assert page.value("document.documentElement.scrollWidth") <= width
    moved = page.value(
        "await new Promise((done) => { new PerformanceObserver((list) => done(list.getEntries().reduce("
        "(sum, e) => sum + (e.hadRecentInput ? 0 : e.value), 0))).observe({type: 'layout-shift', buffered: true});"
        " setTimeout(() => done(0), 300); })"
    )
    assert moved < 0.05


@needs_browser
def test_paper_is_light_and_so_are_the_maps_on_it(window: Page, server: Server) -> None:
    page = opened(window, server, "data=circle&steps=20")
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    lightness = []
    for media in ("screen", "print"):
        page.send("Emulation.setEmulatedMedia", media=media, features=[dark])
        lightness += page.value(
            "await new Promise((done) => setTimeout(done, 200)); const c = document.getElementById('play-map');"
            "const {data} = c.getContext('2d').getImageData(0, 0, c.width, c.height);"
            "[data.reduce((sum, value) => sum + value, 0)/data.length]"
        )
    assert page.value("getComputedStyle(document.body).getPropertyValue('--paper')") == "#ffffff"
    assert lightness[1] > lightness[0] + 40
    page.send("Emulation.setEmulatedMedia", media="", features=[])


@needs_browser
def test_a_page_without_a_server_asks_for_nothing_and_says_so(window: Page, tmp_path: Path) -> None:
    path = tmp_path / "play.html"
    with few():
        path.write_text(module.playground(), encoding="utf-8")
    window.events.clear()
    window.open(path)
    assert "connect-src" not in path.read_text()
    assert "blob:" not in path.read_text().split("Policy")[1].split(">")[0]
    window.value(HELD)
    assert window.value("document.querySelector('[data-play=deeper]').disabled")
    four = "".join(f"{k},{k % 3},{'abcd'[k % 4]}\n" for k in range(8))
    for script in ("location.hash = 'data=circle&layers=3:relu'", dropped(four)):
        assert acted(window, "location.hash = 'data=circle&layers=4:tanh&steps=9'") == ""
        window.value("document.querySelector('[data-play=learn]').click()")
        assert "symnn playground" in acted(window, f"{{ {script} }}")
        assert all(window.value(RESTING))
        assert window.value("document.getElementById('play-tally').textContent") == ""
    assert not [e for e in window.events if e["method"] == "Runtime.exceptionThrown"]
    assert "symnn playground" in acted(
        window,
        "held.state.layers = [{units: 77, activation: 'tanh'}]; document.querySelector('[data-play=again]').click()",
    )
    asked = {e["params"]["request"]["url"] for e in window.events if e["method"] == "Network.requestWillBeSent"}
    assert all(url.startswith(("file:", "data:")) for url in asked), asked
