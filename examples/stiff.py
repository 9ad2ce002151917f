"""A stiff system by an implicit method: Robertson's chemical reaction, whose rates differ by nine orders of magnitude.

The right-hand side is written in SymPy; the implicit method solves a linear system with its Jacobian at every step and
gets the exact one, sparing it the differences.
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp
from sympy import IndexedBase, symbols

import codegen

RATES = {"k1": 0.04, "k2": 3e7, "k3": 1e4}


def main() -> None:
    k1, k2, k3 = symbols("k1 k2 k3")
    y, f = IndexedBase("y", shape=(3,)), IndexedBase("f", shape=(3,))
    graph = codegen.from_expressions(
        {
            f[0]: -k1 * y[0] + k3 * y[1] * y[2],
            f[1]: k1 * y[0] - k3 * y[1] * y[2] - k2 * y[1] ** 2,
            f[2]: k2 * y[1] ** 2,
        },
        [y, k1, k2, k3],
    )
    fun, jac = codegen.FlatFunction(graph, "f", ["y"], RATES).ode()
    calls = 0

    def counted(t: float, state: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        return fun(t, state)

    options = {"method": "Radau", "rtol": 1e-8, "atol": [1e-10, 1e-14, 1e-10]}
    solution = solve_ivp(counted, (0.0, 1e5), [1.0, 0.0, 0.0], jac=jac, t_eval=[40.0, 1e5], **options)
    for t, state in zip(solution.t, solution.y.T):
        print(f"t = {t:g}: y = {', '.join(f'{value:.6e}' for value in state)}, total {np.sum(state):.9f}")
    exact, calls = calls, 0
    solve_ivp(counted, (0.0, 1e5), [1.0, 0.0, 0.0], **options)
    print(f"evaluations: {exact} with the exact Jacobian, {calls} with differences")


if __name__ == "__main__":
    main()
