"""Products and sums of whole rows as C functions, each defined in the file that calls it.

Eight terms at a time go through a row of the target, so that the inner loop, over neighbours in memory, has eight
multiply-adds to a load and a store of the target (gcc 12, 64 × 64 × 64 in float64: 30 GFLOP/s where register blocks,
which gcc keeps in memory, reach from 2 to 38). A sum along a row has eight totals, in a fixed order, because C adds in
the order that is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from codegen.dtypes import Dtype
from codegen.emit.c.dialect import C_TYPES

BLOCK = 64
"""Columns of a block that :func:`add_dots` turns."""

_TERMS = "\n".join(f"                t = FUSED(p[{n}*pk], q[{n}*qk + l], t);" for n in range(8))

TEXTS: Mapping[str, str] = {
    "add_product": f"""\
/* target[i][l] += sum over k of left[i][k]*right[k][l]; the strides are those of i and k */
static void add_product(ptrdiff_t rows, ptrdiff_t terms, ptrdiff_t columns, const REAL *left, ptrdiff_t pi,
                        ptrdiff_t pk, const REAL *right, ptrdiff_t qk, REAL *target, ptrdiff_t ti)
{{
    const ptrdiff_t whole = terms - terms % 8;
    for (ptrdiff_t i = 0; i < rows; ++i) {{
        REAL *row = target + i*ti;
        for (ptrdiff_t k = 0; k < whole; k += 8) {{
            const REAL *p = left + i*pi + k*pk;
            const REAL *q = right + k*qk;
            INDEPENDENT
            for (ptrdiff_t l = 0; l < columns; ++l) {{
                REAL t = row[l];
{_TERMS}
                row[l] = t;
            }}
        }}
        for (ptrdiff_t k = whole; k < terms; ++k) {{
            const REAL p = left[i*pi + k*pk];
            const REAL *q = right + k*qk;
            INDEPENDENT
            for (ptrdiff_t l = 0; l < columns; ++l)
                row[l] = FUSED(p, q[l], row[l]);
        }}
    }}
}}
""",
    "add_dots": f"""\
/* target[i][j] += sum over l of left[i][l]*right[j][l], through blocks of the right factor turned round */
static void add_dots(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t terms, const REAL *left, ptrdiff_t pi,
                     const REAL *right, ptrdiff_t qj, REAL *target, ptrdiff_t ti)
{{
    REAL block[8*{BLOCK}];
    for (ptrdiff_t j = 0; j < columns; j += {BLOCK}) {{
        const ptrdiff_t width = columns - j < {BLOCK} ? columns - j : {BLOCK};
        for (ptrdiff_t l = 0; l < terms; l += 8) {{
            const ptrdiff_t depth = terms - l < 8 ? terms - l : 8;
            for (ptrdiff_t b = 0; b < width; ++b)
                for (ptrdiff_t a = 0; a < depth; ++a)
                    block[a*{BLOCK} + b] = right[(j + b)*qj + l + a];
            add_product(rows, depth, width, left + l, pi, 1, block, {BLOCK}, target + j, ti);
        }}
    }}
}}
""",
    "transpose": """\
/* target[i][j] = source[j][i] */
static void transpose(ptrdiff_t rows, ptrdiff_t columns, const REAL *source, ptrdiff_t sj, REAL *target, ptrdiff_t ti)
{
    for (ptrdiff_t i = 0; i < rows; ++i) {
        INDEPENDENT
        for (ptrdiff_t j = 0; j < columns; ++j)
            target[i*ti + j] = source[j*sj + i];
    }
}
""",
    "sum": """\
/* the sum of a row, eight totals at a time */
static REAL sum(ptrdiff_t n, const REAL *x)
{
    REAL total[8] = {0};
    const ptrdiff_t whole = n - n % 8;
    for (ptrdiff_t i = 0; i < whole; i += 8)
        for (ptrdiff_t l = 0; l < 8; ++l)
            total[l] += x[i + l];
    for (ptrdiff_t i = whole; i < n; ++i)
        total[i - whole] += x[i];
    for (ptrdiff_t half = 4; half > 0; half /= 2)
        for (ptrdiff_t l = 0; l < half; ++l)
            total[l] += total[l + half];
    return total[0];
}
""",
    "dot": """\
/* the sum of the products of two rows, eight totals at a time */
static REAL dot(ptrdiff_t n, const REAL *x, const REAL *y)
{
    REAL total[8] = {0};
    const ptrdiff_t whole = n - n % 8;
    for (ptrdiff_t i = 0; i < whole; i += 8)
        for (ptrdiff_t l = 0; l < 8; ++l)
            total[l] += x[i + l]*y[i + l];
    for (ptrdiff_t i = whole; i < n; ++i)
        total[i - whole] += x[i]*y[i];
    for (ptrdiff_t half = 4; half > 0; half /= 2)
        for (ptrdiff_t l = 0; l < half; ++l)
            total[l] += total[l + half];
    return total[0];
}
""",
}
"""In an order in which each may call those before it."""

FUSED = """\
#ifdef {fast}
#define FUSED fma{suffix}
#else
#define FUSED(x, y, z) ((x)*(y) + (z))
#endif
"""
"""A product and a sum, rounded once where that is as fast."""

INDEPENDENT = """\
#if defined(__GNUC__) && !defined(__clang__)
#define INDEPENDENT _Pragma("GCC ivdep")
#else
#define INDEPENDENT
#endif
"""
"""Before a loop whose passes read nothing that another pass writes."""


def definitions(text: str, dtype: Dtype) -> list[str]:
    """The lines that define the functions and macros which a text calls.

    >>> definitions("x = sum(3, y);", "float64")[1]
    'static double sum(ptrdiff_t n, const double *x)'
    """
    needed: list[str] = []
    for name, definition in reversed(list(TEXTS.items())):
        if any(re.search(rf"\b{name}\(", part) for part in (text, *needed)):
            needed.insert(0, definition.replace("REAL", C_TYPES[dtype].name))
    everything = "\n".join([text, *needed])
    if re.search(r"\bFUSED\(", everything):
        needed.insert(0, FUSED.format(fast=C_TYPES[dtype].fast, suffix=C_TYPES[dtype].suffix))
    if re.search(r"\bINDEPENDENT\b", everything):
        needed.insert(0, INDEPENDENT)
    return "\n".join(needed).splitlines()
