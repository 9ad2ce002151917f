"""Tables of columns, from files and frames: read, checked, and turned into the inputs of a network.

Files are untrusted: nothing is unpickled or evaluated, and whatever is wrong with one ends as a
:class:`~symnn.errors.DataError` of one line that names the file, the row and the column.
"""

from symnn.tables.arrays import from_arrays
from symnn.tables.features import Column, Features, Missing, is_missing, missing_rows, number_columns
from symnn.tables.files import read_table
from symnn.tables.frames import from_frame, is_frame
from symnn.tables.table import Table
from symnn.tables.text import SEPARATORS, Layout

__all__ = [
    "SEPARATORS",
    "Column",
    "Features",
    "Layout",
    "Missing",
    "Table",
    "from_arrays",
    "from_frame",
    "is_frame",
    "is_missing",
    "missing_rows",
    "number_columns",
    "read_table",
]
