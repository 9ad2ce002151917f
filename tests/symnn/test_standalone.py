"""A module of its own checks its gradient, whatever the network takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from symnn import Network, dense, embedding
from symnn.standalone import standalone


def test_steps_of_integers_and_a_label_for_each_pass_the_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba.config.DISABLE_JIT", True)  # compiling takes 3 s
    layers = (embedding(1, vocabulary=2), dense(2))
    module: dict[str, Callable[..., Any]] = {}
    exec(standalone(Network({"time": 2}, layers, "softmax_cross_entropy")), module)
    worst, count = module["self_test"]()
    assert (worst < 1e-8, count) == (True, 6)
