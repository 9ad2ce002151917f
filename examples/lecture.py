"""The lecture from its first graph to its first network: derivatives in graphs three ways, then the networks.

Run it: python examples/lecture.py
"""

from sympy import symbols

import codegen
from codegen.numeric import central_difference, evaluate, forward_difference
from symnn.inspect import formulas, steps
from symnn.network import Network, dense
from symnn.terminal import printing
from symnn.verify import check


def scalar_graph() -> None:
    """e = (a + b)·(b + 1) at a = 2, b = 1: local derivatives, then the derivative by every method."""
    a, b, c, d = symbols("a b c d")
    graph = codegen.from_expressions({"c": a + b, "d": b + 1, "e": c * d}, [a, b])
    point = {"a": 2.0, "b": 1.0}
    print("THE SCALAR GRAPH, at a = 2, b = 1\n")
    print(steps(graph, point, of="e"))
    print("\nlocal derivatives, one an edge:")
    local = codegen.partials(graph)
    values = evaluate(local, point)
    for name in local.outputs:
        print(f"    {name} = {values[name]:g}")
    print(f"\n{codegen.count_paths(graph, 'e')}")
    for method in ("paths", "forward", "reverse"):
        derived = codegen.gradient(graph, "e", method=method)
        e, de_da, de_db = codegen.compile(derived)(2.0, 1.0)
        print(f"{method:>8}: e = {e:g}, ∂e/∂a = {de_da:g}, ∂e/∂b = {de_db:g}   ({len(derived.equations)} equations)")
    print("\nnumerical derivatives of e with respect to b, the exact one being 5:")
    for difference in (forward_difference, central_difference):
        estimate = difference(graph, "e", "b", point)
        print(f"{difference.__name__:>20}: {estimate.value:.12f} ± {estimate.error:.0e}")


def growth_of_paths() -> None:
    """A chain of vertices that each use the one before twice: 2ⁿ paths over n edges."""
    x = symbols("x")
    print("\n\nTHE SUM OVER ALL PATHS IS EXPONENTIAL, backpropagation is not\n")
    for depth in (5, 10, 20, 40):
        chain, previous = {}, x
        for level in range(depth):
            chain[f"p{level}"] = previous**2
            chain[f"q{level}"] = previous / 2
            chain[f"r{level}"] = symbols(f"p{level}") + symbols(f"q{level}")
            previous = symbols(f"r{level}")
        graph = codegen.from_expressions(chain, [x])
        print(f"depth {depth:>2}: {codegen.count_paths(graph, f'r{depth - 1}')}")


def linear_classifier() -> None:
    """Two inputs, two classes: softmax and cross-entropy on scores that are linear in x."""
    print("\n\nTHE LINEAR CLASSIFIER, two inputs and two classes\n")
    network = Network(2, (dense(2),), "softmax_cross_entropy")
    print(formulas(network))
    print(f"\nits gradient against numerical derivatives:\n{check(network)}")


def multi_layer_perceptron() -> None:
    """Two inputs, a hidden layer of three tanh neurons, two classes; by layers and by neurons."""
    print("\n\nTHE MULTI-LAYER PERCEPTRON, two inputs, three hidden neurons, two classes\n")
    network = Network(2, (dense(3, "tanh"), dense(2)), "softmax_cross_entropy")
    print(formulas(network))
    print(f"\nneuron by neuron:\n\n{formulas(network, level='neurons')}")
    print(f"\nits gradient against numerical derivatives:\n{check(network)}")


if __name__ == "__main__":
    with printing():  # also where symbols cannot be shown
        scalar_graph()
        growth_of_paths()
        linear_classifier()
        multi_layer_perceptron()
