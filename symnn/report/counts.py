"""How many paths there are, and over how few edges: what backpropagation spares."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from codegen.derive.paths import PathCount, count_paths
from codegen.ir.graph import Graph
from codegen.page.charts import Axis, chart
from symnn.inspect.graphs import unrolled_size, with_sizes
from symnn.network import Network, dense
from symnn.report.document import Section, figure

DEPTHS, WIDTHS = (1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 6)
WIDTH, DEPTH = 4, 3
"""Of the networks whose other size grows."""
LARGEST = 2_000
"""Scalar equations up to which the paths of the network itself are counted."""


def counts(network: Network) -> Section:
    """The paths of this network neuron by neuron, and of networks that grow in depth and in width."""
    depth = {depth: _dense(depth, WIDTH) for depth in DEPTHS}
    width = {width: _dense(DEPTH, width) for width in WIDTHS}
    own = with_sizes(network.graph, dict.fromkeys(network.graph.extents, 1))
    said = ""
    if unrolled_size(own)[0] <= LARGEST and not own.scans:
        found = paths_of(network)
        said = f"This network has {found}, one sample and every neuron a vertex of its own. "
    pictures = [
        figure(_picture(list(found), list(found.values()), along), f"Networks 2-{shape}-1 of tanh, one sample, {fixed}")
        for found, along, shape, fixed in (
            (depth, "hidden layers", "4-…-4", f"{WIDTH} neurons a layer"),
            (width, "neurons a layer", "w-w-w", f"{DEPTH} hidden layers"),
        )
    ]
    return Section(
        "paths",
        "Paths and edges",
        f"{said}A derivative is the sum over all paths of the product of the local derivatives on each. The paths grow "
        "exponentially with depth; backpropagation touches each edge once.",
        f'<div class="pair">{"".join(pictures)}</div>',
        {
            "depth": {str(n): [found.paths, found.edges] for n, found in depth.items()},
            "width": {str(n): [found.paths, found.edges] for n, found in width.items()},
        },
    )


def _picture(sizes: Sequence[int], found: Sequence[PathCount], along: str) -> str:
    curves = {
        "paths": [(float(n), float(count.paths)) for n, count in zip(sizes, found)],
        "edges": [(float(n), float(count.edges)) for n, count in zip(sizes, found)],
    }
    return chart(curves, Axis(along), Axis("count", True), title=f"Paths and edges by {along}")


def paths_of(network: Network) -> PathCount:
    """Paths from all parameters to the loss, of one sample, neuron by neuron."""
    graph = network.graph
    return count_paths(scalars(graph), graph.outputs[0], list(network.layout))


def scalars(graph: Graph) -> Graph:
    """The graph of one sample, neuron by neuron."""
    return with_sizes(graph, dict.fromkeys(graph.extents, 1)).unroll()


@cache
def _dense(depth: int, width: int) -> PathCount:
    return paths_of(Network(2, (*[dense(width, "tanh")] * depth, dense(1)), "mean_squared_error"))
