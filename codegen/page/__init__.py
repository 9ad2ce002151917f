"""What people see: drawings of graphs, charts, what notebooks show. Nothing is loaded from anywhere."""

from codegen.page.charts import Axis, chart
from codegen.page.drawing import drawing

__all__ = ["Axis", "chart", "drawing"]
