"""How many steps lie between checkpoints."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import codegen
from codegen import EmitError
from tests.codegen.checkpoint.graphs import LONG

pytestmark = pytest.mark.values


@pytest.mark.parametrize(
    "given", [0, -1, 1.5, "cubic", True, [2], np.array(["sqrt", "sqrt"]), pytest.param(-(10**5000), id="far below 0")]
)
def test_what_is_no_number_of_steps_is_refused(given: Any) -> None:
    with pytest.raises(EmitError, match="checkpoint: found"):
        codegen.compile(LONG["all steps"], checkpoint=given)


def test_code_with_checkpoints_has_a_name_of_its_own() -> None:
    plain = codegen.compile(LONG["all steps"], schedule="loops", emitter="vector", cache=False).report.compilation
    assert plain is not None
    names = {replace(plain, checkpoint=one).key for one in (None, 3, 4, "sqrt")}
    assert len(names) == 4
