"""The derivation made visible: formulas, forward and backward pass with numbers, drawings."""

from symnn.inspect.drawing import draw
from symnn.inspect.formulas import formulas
from symnn.inspect.steps import Steps, steps

__all__ = ["Steps", "draw", "formulas", "steps"]
