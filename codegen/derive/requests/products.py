"""Products of a derivative with a given array, without the derivative itself."""

from __future__ import annotations

from collections.abc import Sequence

from codegen.derive.forward import Tangents
from codegen.derive.requests import straight
from codegen.derive.requests.blocks import Block, Blocks, blocks_along, dense, put_out
from codegen.derive.requests.request import Named, Wrt, asked, prepare, require_scalar
from codegen.derive.requests.straight import Straight
from codegen.derive.reverse import adjoints, reverse
from codegen.derive.seeds import Direction, array_seed
from codegen.ir.graph import Graph, Variable
from codegen.ir.names import Names


def jvp(graph: Graph, of: Named, wrt: Wrt | None = None) -> Graph:
    """The derivative of ``of`` along a direction, Σ_w ∂of/∂w · v_w: forward accumulation, one sweep.

    Adds an input ``v_NAME`` of its shape for each w of ``wrt``. Outputs are ``of`` and ``d of/dv``.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> print(jvp(from_expressions({"e": a * b}, [a, b]), "e"))
    inputs a, b, v_a, v_b
    e = a*b
    de/dv = a*v_b + b*v_a
    outputs e, de/dv
    """
    prepared, of, names = prepare(graph, of, wrt)
    return along(prepared, of, [of], names)


def vjp(graph: Graph, of: Named, wrt: Wrt | None = None) -> Graph:
    """The product of an array with the derivative of ``of``, Σ v_of · ∂of/∂w: backpropagation from any vertex.

    Adds an input ``v_OF`` of the shape of ``of``. Outputs are ``of`` and ``d(v·of)/dw`` for each w of ``wrt``, of the
    shape of w.

    >>> from codegen import Equation, Index, Variable
    >>> i, x, y = Index("i", 3), Variable("x", (3,)), Variable("y", (3,))
    >>> print(vjp(Graph((x,), (Equation(y[i], x[i] ** 2),), ("y",)), "y"))
    inputs x[3], v_y[3]
    y[i] = x[i]**2
    d(v·y)/dx[i] = 2*v_y[i]*x[i]
    outputs y, d(v·y)/dx
    """
    prepared, of, names = prepare(graph, of, wrt)
    extended, (cotangent,) = _with_inputs(prepared, [of])
    scalar = Variable(f"v·{of}")
    direction = Direction({of: array_seed(cotangent)}, (), lambda name: f"d({scalar.name})/d{name}")
    system, found = adjoints(extended, of, names, direction)
    blocks = [
        Blocks(
            scalar,
            extended.variable(name),
            tuple(Block((), extended.keys[cell], found[cell]) for cell in extended.cells[name]),
            direction.label(name),
        )
        for name in names
    ]
    return put_out(extended, system, of, blocks, dense)


def hvp(graph: Graph, of: Named, wrt: Wrt | None = None) -> Graph:
    """The product of the Hessian of the scalar ``of`` with a direction, for each w Σ_u ∂²of/∂w∂u · v_u.

    Forward over reverse, of large formulas reverse over reverse: the Hessian itself is never formed, and it is about
    twice the work of the gradient. Adds an input ``v_NAME`` of its shape for each w of ``wrt``. Outputs are ``of`` and
    one array of the shape of w for each.

    Raises :class:`DerivationError` if ``of`` has axes.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> print(hvp(from_expressions({"e": a**2 * b}, [a, b]), "e"))
    inputs a, b, v_a, v_b
    e = a**2*b
    de/de = 1
    de/da = 2*a*b*de/de
    de/db = a**2*de/de
    ∂de/da/∂a = b*de/de
    ∂de/da/∂b = a*de/de
    dde/da/dv = 2*v_a*∂de/da/∂a + 2*v_b*∂de/da/∂b
    dde/db/dv = 2*v_a*∂de/da/∂b
    outputs e, dde/da/dv, dde/db/dv
    """
    vertex, names = asked(graph, of, wrt)
    require_scalar(graph, vertex, "Hessian-vector product")
    formulas = Straight.of(graph, vertex, names)
    if formulas is not None and (derived := straight.hessian_product(formulas, vertex, names)) is not None:
        return derived
    prepared, of, names = prepare(graph, of, wrt)
    slopes = reverse(prepared, of, names)
    return along(slopes, of, slopes.outputs[1:], names)


def along(graph: Graph, value: str, of: Sequence[str], wrt: Sequence[str]) -> Graph:
    """The outputs ``value`` and the derivative of each of ``of`` along one direction in ``wrt``."""
    extended, vectors = _with_inputs(graph, wrt)
    direction = Direction(
        {name: array_seed(vector) for name, vector in zip(wrt, vectors)}, (), lambda name: f"d{name}/dv"
    )
    tangents = Tangents(extended)
    tangents.sweep_to(of, direction)
    blocks = [blocks_along(tangents, name, Variable("v"), direction) for name in of]
    return put_out(extended, tangents.system, value, blocks, dense)


def _with_inputs(graph: Graph, names: Sequence[str]) -> tuple[Graph, list[Variable]]:
    """The graph with an input ``v_NAME`` for each of these variables."""
    given = Names(graph.variables)
    vectors = [Variable(given.new(f"v_{name}"), graph.variable(name).shape) for name in names]
    return Graph((*graph.inputs, *vectors), graph.equations, graph.outputs), vectors
