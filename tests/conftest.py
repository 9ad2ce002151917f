"""What every test shares: golden files, the markers, a cache of its own, hypothesis settings."""

import difflib
import gc
import os
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import settings

import codegen

GOLDEN = Path(__file__).parent / "golden"

# No deadline: the first call of a compiled function takes seconds, the next microseconds.
# Derandomised: the same tests run for everyone, so a failure is a change in the code.
# A quarter of the usual examples take a quarter of the time; --slow has them all.
settings.register_profile("symnn", deadline=None, derandomize=True, max_examples=25)
settings.register_profile("all", deadline=None, derandomize=True)
settings.load_profile("symnn")

_cache = pytest.StashKey["tempfile.TemporaryDirectory[str]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden to what is found")


def pytest_configure(config: pytest.Config) -> None:
    """No test touches the user's cache; garbage is looked for less often.

    Set here and not in a fixture, because the fixtures of tests/conftest.py do not reach the doctests
    in codegen/ and symnn/. Parallel workers inherit the directory of the process that started them.
    """
    gc.set_threshold(50_000, 20, 20)
    if config.getoption("--slow"):
        settings.load_profile("all")
    if hasattr(config, "workerinput"):
        return
    config.stash[_cache] = tempfile.TemporaryDirectory(prefix="symnn-tests-", ignore_cleanup_errors=True)
    os.environ["SYMNN_CACHE_DIR"] = config.stash[_cache].name


def pytest_unconfigure(config: pytest.Config) -> None:
    if _cache in config.stash:
        config.stash[_cache].cleanup()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves the slow tests out, unless --slow or a marker expression asks for them."""
    if config.getoption("--slow") or "slow" in config.getoption("-m"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if not item.get_closest_marker("slow")]


def pytest_collection_finish() -> None:
    """Look for garbage less often: among a million objects that stay it takes a tenth of the time of all tests."""
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The worst of what the tests in tests/comparison have recorded, in one line."""
    recorded = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "comparison"
    ]
    if recorded:
        ulp, row = max(recorded)
        terminalreporter.write_line(f"comparison: {len(recorded)} tables, worst {ulp:.3g} ULP, {row}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Has tests that are marked ``values``, and their fixtures, compiled in the quick tier, unless they are slow.

    The bits are the same, as test_nodes tells, and LLVM takes a third of the time. The slow suite, and all that is not
    marked, has the full tier.
    """
    quick = item.get_closest_marker("values") and not item.get_closest_marker("slow")
    with patch.dict(codegen.compile.__kwdefaults__, {"tier": "quick"} if quick else {}):
        return (yield)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """golden(name, text): the text is what tests/golden/<name> holds; --update-golden writes it there."""
    update = request.config.getoption("--update-golden")

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            return
        how = "pytest --update-golden writes it; then read its diff."
        if not path.exists():
            pytest.fail(f"tests/golden/{name} is missing: {how}", pytrace=False)
        expected = path.read_text(encoding="utf-8")
        if text != expected:
            diff = difflib.unified_diff(
                expected.splitlines(), text.splitlines(), f"tests/golden/{name}", "found", lineterm=""
            )
            pytest.fail("\n".join([*diff, "", f"If the change is meant: {how}"]), pytrace=False)

    return compare
