"""The graphs that attacks on compiled code compile, and what tells whether two processes make the same of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import codegen
import symnn
from codegen import Graph
from symnn.inspect import formulas
from tests.codegen.networks import hinge, linear_classifier, logistic, mlp, parameters, squared_error


def _graphs() -> Iterator[tuple[str, Graph]]:
    networks = {
        "linear": linear_classifier(5, 3),
        "mlp": mlp([3, 7, 2]),
        "deep": mlp([2, 9, 5, 4]),
        "wide": mlp([11, 33, 3]),
        "squares": mlp([3, 5, 2], ending=squared_error),
        "logistic": mlp([4, 6, 1], ending=logistic),
        "hinge": mlp([3, 5, 4], ending=hinge),
    }
    for name, network in networks.items():
        yield name, codegen.gradient(network, "loss", parameters(network))
        if name in ("linear", "mlp"):
            yield name + ", Hessian-vector", codegen.hvp(network, "loss", parameters(network))


def some_graphs(tries: int) -> list[tuple[str, Graph]]:
    """Gradients of networks. Compiling takes longer than calling, so a small sample has one of them."""
    return [(name, graph) for name, graph in _graphs() if tries >= 500 or name == "mlp"]


def digests(tries: int) -> dict[str, list[str]]:
    """Of the generated code and of the graph, by its name, and of the formulas of a network."""
    texts = {"formulas": [str(formulas(_network()))]}
    for name, graph in some_graphs(tries):
        texts[name] = [codegen.compile(graph, cache=False).source, str(graph)]
    return {name: [hashlib.sha256(text.encode()).hexdigest() for text in found] for name, found in texts.items()}


def _network() -> symnn.Network:
    return symnn.Network(3, (symnn.dense(4, "gelu"), symnn.dense(2)), "softmax_cross_entropy")
