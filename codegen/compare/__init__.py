"""One derivative computed in every way there is, each held to every oracle that applies.

A :class:`Row` says what: a graph, a derivative of it, a point, a dtype. :func:`compare` derives it, holds what was
derived to the oracles (differences in mpmath, the complex step, finite differences, JAX and PyTorch where they are
installed), and every emitter and schedule to the exact values of what was derived. Adding a derivative, an oracle or a
way to compute is adding a row to :data:`KINDS`, :data:`ORACLES` or :data:`WAYS`.
"""

from codegen.compare.kinds import KINDS, Kind
from codegen.compare.metric import deviation
from codegen.compare.oracles import ORACLES
from codegen.compare.report import Agreement, Comparison, Outcome
from codegen.compare.rows import Row, compare
from codegen.compare.ways import WAYS

__all__ = [
    "KINDS",
    "ORACLES",
    "WAYS",
    "Agreement",
    "Comparison",
    "Kind",
    "Outcome",
    "Row",
    "compare",
    "deviation",
]
