"""The same equations without a network, by SciPy and NumPy: what the networks are held to, and what they compete with.

Where there is a formula the reference is the formula; else a spectral or a quadrature method that is converged to
1e-12 or further.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

import symnn

Points = tuple[np.ndarray, np.ndarray]
"""Points, (count, inputs), and the solution there."""

SAID = {
    "burgers": "the formula of Cole and Hopf by quadrature",
    "burgers_smooth": "the formula of Cole and Hopf by quadrature",
    "allen_cahn": "Fourier's method in space with exponential Runge-Kutta steps",
    "korteweg_de_vries": "Fourier's method in space with exponential Runge-Kutta steps",
}


def _square(low: float, high: float, other_low: float, other_high: float, count: int = 60) -> np.ndarray:
    """A grid that no point set of a spec has."""
    first, second = np.linspace(low, high, count), np.linspace(other_low, other_high, count)
    return np.array(np.meshgrid(first, second)).reshape(2, -1).T.copy()


def poisson() -> Points:
    """sin πx·sin πy."""
    at = _square(0, 1, 0, 1)
    return at, np.sin(np.pi * at[:, 0]) * np.sin(np.pi * at[:, 1])


def heat() -> Points:
    """exp(−π²t/10)·sin πx."""
    at = _square(0, 1, 0, 1)
    return at, np.exp(-(np.pi**2) * at[:, 1] / 10) * np.sin(np.pi * at[:, 0])


def wave() -> Points:
    """sin πx·cos πt."""
    at = _square(0, 1, 0, 1)
    return at, np.sin(np.pi * at[:, 0]) * np.cos(np.pi * at[:, 1])


def helmholtz() -> Points:
    """cos(6x + 8y)."""
    at = _square(0, 1, 0, 1)
    return at, np.cos(6 * at[:, 0] + 8 * at[:, 1])


def disc() -> Points:
    """(1 − x² − y²)·exp x, where it is not negative."""
    at = _square(-1, 1, -1, 1)
    at = at[np.hypot(*at.T) <= 1]
    return at, (1 - at[:, 0] ** 2 - at[:, 1] ** 2) * np.exp(at[:, 0])


def l_shape() -> Points:
    """exp x·sin y where x or y is at most 1."""
    at = _square(0, 2, 0, 2)
    at = at[at.min(axis=1) <= 1]
    return at, np.exp(at[:, 0]) * np.sin(at[:, 1])


def _amplitude(nu: float) -> float:
    """A of the steady front −A·tanh(A·x/2ν) between 1 and −1: A·tanh(A/2ν) = 1."""
    from scipy.optimize import brentq

    return float(brentq(lambda a: a * np.tanh(a / (2 * nu)) - 1, 0.5, 3.0, xtol=1e-15))


def steady_burgers() -> Points:
    """−A·tanh(A·x/2ν), ν = 0.1."""
    amplitude, at = _amplitude(0.1), np.linspace(-1, 1, 1001)
    return at[:, None].copy(), -amplitude * np.tanh(5 * amplitude * at)


def family() -> Points:
    """The same for 17 values of ν from 0.1 to 0.5, by x and ν: what ``examples/equations/family.csv`` has."""
    x = np.arange(21) / 20
    rows = [np.column_stack([x, 0 * x + nu, -a * np.tanh(a * x / (2 * nu))])
            for nu in 0.1 + np.arange(17) / 40 for a in [_amplitude(nu)]]  # fmt: skip
    table = np.concatenate(rows)
    return table[:, :2].copy(), table[:, 2]


def cole_hopf(x: np.ndarray, t: np.ndarray, nu: float, order: int = 200) -> np.ndarray:
    """u_t + u·u_x = ν·u_xx with u(x, 0) = −sin πx, by Gauss-Hermite quadrature; see ``examples/burgers.py``."""
    node, weight = np.polynomial.hermite.hermgauss(order)
    y = x[:, None] - 2 * np.sqrt(nu * t)[:, None] * node
    exponent = -np.cos(np.pi * y) / (2 * np.pi * nu)
    f = weight * np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return np.asarray(-np.sum(np.sin(np.pi * y) * f, axis=1) / np.sum(f, axis=1))


@lru_cache(maxsize=2)
def _burgers(nu: float) -> Points:
    at = np.array(np.meshgrid(np.linspace(-1, 1, 201), np.linspace(0.02, 1, 50))).reshape(2, -1).T.copy()
    return at, cole_hopf(*at.T, nu)


def burgers() -> Points:
    """ν = 0.01/π."""
    return _burgers(0.01 / np.pi)


def burgers_smooth() -> Points:
    """ν = 0.01."""
    return _burgers(0.01)


def _etdrk4(linear: np.ndarray, nonlinear: object, start: np.ndarray, steps: int, keep: int) -> np.ndarray:
    """v_t = L·v + N(v) over t from 0 to 1 for Fourier coefficients; every so many steps are kept, the first too.

    Cox, Matthews, Exponential time differencing for stiff systems, 2002, with the contour integrals of Kassam,
    Trefethen, Fourth-order time-stepping for stiff PDEs, 2005.
    """
    h = 1.0 / steps
    whole, half = np.exp(h * linear), np.exp(h * linear / 2)
    roots = np.exp(1j * np.pi * (np.arange(1, 65) - 0.5) / 32)
    z = h * linear[:, None] + roots
    q = h * np.mean((np.exp(z / 2) - 1) / z, axis=1)
    f1 = h * np.mean((-4 - z + np.exp(z) * (4 - 3 * z + z**2)) / z**3, axis=1)
    f2 = h * np.mean((2 + z + np.exp(z) * (-2 + z)) / z**3, axis=1)
    f3 = h * np.mean((-4 - 3 * z - z**2 + np.exp(z) * (4 - z)) / z**3, axis=1)
    v, kept = start, [start]
    for step in range(1, steps + 1):
        n_v = nonlinear(v)  # type: ignore[operator]
        a = half * v + q * n_v
        n_a = nonlinear(a)  # type: ignore[operator]
        b = half * v + q * n_a
        n_b = nonlinear(b)  # type: ignore[operator]
        c = half * a + q * (2 * n_b - n_v)
        n_c = nonlinear(c)  # type: ignore[operator]
        v = whole * v + n_v * f1 + 2 * (n_a + n_b) * f2 + n_c * f3
        if step % keep == 0:
            kept.append(v)
    return np.array(kept)


def _on_grid(kept: np.ndarray, count: int) -> Points:
    """Values on the grid of the method, every so many of its places, at the times that were kept."""
    values = np.fft.ifft(kept, axis=1).real
    places = -1 + 2 * np.arange(values.shape[1]) / values.shape[1]
    every = values.shape[1] // count
    x, t = np.meshgrid(places[::every], np.linspace(0, 1, len(values)))
    return np.array([x, t]).reshape(2, -1).T.copy(), values[:, ::every].ravel()


@lru_cache(maxsize=1)
def allen_cahn(size: int = 4096, steps: int = 2000) -> Points:
    """u_t = 10⁻⁴·u_xx + 5u − 5u³ from x²·cos πx, periodic on [−1, 1].

    The slope at the beginning jumps where the period ends: with 1,024, 2,048 and 4,096 places the solutions differ by
    4.6e-6 and 8.9e-7 from the last. The steps are far within that, 7e-11.
    """
    wave = np.pi * np.fft.fftfreq(size, 1 / size)
    x = -1 + 2 * np.arange(size) / size

    def nonlinear(v: np.ndarray) -> np.ndarray:
        return np.asarray(-5 * np.fft.fft(np.fft.ifft(v).real ** 3))

    start = np.fft.fft(x**2 * np.cos(np.pi * x))
    return _on_grid(_etdrk4((-1e-4 * wave**2 + 5).astype(complex), nonlinear, start, steps, steps // 50), 128)


@lru_cache(maxsize=1)
def korteweg_de_vries(size: int = 512, steps: int = 10_000) -> Points:
    """u_t + u·u_x + 0.0025·u_xxx = 0 from cos πx, periodic on [−1, 1]."""
    wave = np.pi * np.fft.fftfreq(size, 1 / size)
    wave[size // 2] = 0
    x = -1 + 2 * np.arange(size) / size

    def nonlinear(v: np.ndarray) -> np.ndarray:
        return np.asarray(-0.5j * wave * np.fft.fft(np.fft.ifft(v).real ** 2))

    start = np.fft.fft(np.cos(np.pi * x))
    return _on_grid(_etdrk4(0.0025j * wave**3, nonlinear, start, steps, steps // 50), 128)


# --- without a network, although there is a formula ------------------------------------------------------------------


def chebyshev(count: int, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Chebyshev's points of a range, the last first, and the matrix of d/dx there (Trefethen 2000)."""
    angles = np.pi * np.arange(count + 1) / count
    x = np.cos(angles)
    weights = np.hstack([2.0, np.ones(count - 1), 2.0]) * (-1.0) ** np.arange(count + 1)
    # Differences of cosines as products of sines lose no digits.
    half = angles / 2
    apart = -2 * np.sin(half[:, None] + half) * np.sin(half[:, None] - half)
    matrix = np.outer(weights, 1 / weights) / (apart + np.eye(count + 1))
    matrix -= np.diag(matrix.sum(axis=1))
    return low + (high - low) * (x + 1) / 2, matrix * 2 / (high - low)


def _off(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def _plane(square: float, exact: np.ndarray, right: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """u_xx + u_yy + square·u = right on a square, u as in ``exact`` around it: by the eigenvectors of d²/dx² inside."""
    second = matrix @ matrix
    inside = slice(1, -1)
    around = np.array(exact)
    around[inside, inside] = 0.0
    missing = (right - second @ around - around @ second.T - square * around)[inside, inside]
    values, vectors = np.linalg.eig(second[inside, inside])
    back = np.linalg.inv(vectors)
    middle = (back @ missing @ back.T) / (values[:, None] + values + square)
    around[inside, inside] = (vectors @ middle @ vectors.T).real
    return around


def poisson_without() -> float:
    """Chebyshev's collocation, 20 points a side."""
    x, matrix = chebyshev(20, 0, 1)
    exact = np.outer(np.sin(np.pi * x), np.sin(np.pi * x))
    return _off(_plane(0.0, np.zeros_like(exact), -2 * np.pi**2 * exact, matrix), exact)


def helmholtz_without() -> float:
    """Chebyshev's collocation, 26 points a side."""
    x, matrix = chebyshev(26, 0, 1)
    exact = np.cos(6 * x[:, None] + 8 * x)
    return _off(_plane(100.0, exact, np.zeros_like(exact), matrix), exact)


def _modes(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points inside of 0 to 1, and eigenvalues and eigenvectors of d²/dx² with 0 at both ends."""
    x, matrix = chebyshev(count, 0, 1)
    values, vectors = np.linalg.eig((matrix @ matrix)[1:-1, 1:-1])
    return x[1:-1], values, vectors


def heat_without() -> float:
    """Chebyshev's collocation in space, exact in time, at t = 1."""
    x, values, vectors = _modes(20)
    found = vectors @ (np.exp(values / 10) * np.linalg.solve(vectors, np.sin(np.pi * x)))
    return _off(found.real, np.exp(-(np.pi**2) / 10) * np.sin(np.pi * x))


def wave_without() -> float:
    """Chebyshev's collocation in space, exact in time, at t = 1."""
    x, values, vectors = _modes(20)
    found = vectors @ (np.cos(np.sqrt(-values + 0j)) * np.linalg.solve(vectors, np.sin(np.pi * x)))
    return _off(found.real, -np.sin(np.pi * x))


def steady_burgers_without() -> float:
    """Chebyshev's collocation and Newton's method from u = −x, 70 points."""
    from scipy.optimize import brentq

    x, matrix = chebyshev(70, -1, 1)
    second, u, inside = matrix @ matrix, -x, slice(1, -1)
    for _ in range(30):
        slope = matrix @ u
        left = u * slope - second @ u / 10
        jacobian = np.diag(slope) + u[:, None] * matrix - second / 10
        step = np.linalg.solve(jacobian[inside, inside], -left[inside])
        u[inside] += step
        if np.abs(step).max() < 1e-13:
            break
    amplitude = brentq(lambda a: a * np.tanh(5 * a) - 1, 0.5, 1.5, xtol=1e-15)
    return _off(u, -amplitude * np.tanh(5 * amplitude * x))


def disc_without() -> float:
    """(1 − x² − y²) times polynomials of degree 16, least squares at 400 points."""
    x, y = symnn.sample([symnn.Ball((0, 0), 1)], 400, kind="sobol").T
    degrees = [(a, b) for a in range(17) for b in range(17 - a)]

    def second(more: int, other: int) -> np.ndarray:
        """The Laplacian of the monomials times x^more·y^other."""
        terms = [
            n * (n - 1) * x ** max(n - 2, 0) * y**m + m * (m - 1) * x**n * y ** max(m - 2, 0)
            for n, m in ((a + more, b + other) for a, b in degrees)
        ]
        return np.column_stack(terms)

    right = (-3 - 4 * x - x**2 - y**2) * np.exp(x)
    found = np.linalg.lstsq(second(0, 0) - second(2, 0) - second(0, 2), right, rcond=None)[0]
    at, exact = disc()
    monomials = np.column_stack([at[:, 0] ** a * at[:, 1] ** b for a, b in degrees])
    return _off((1 - (at**2).sum(axis=1)) * (monomials @ found), exact)


def l_shape_without() -> float:
    """Harmonic polynomials of degree 24, least squares at 400 points of the walls."""
    corners = [(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]
    walls, normals = symnn.sample_boundary([symnn.Polygon(corners)], 400, kind="sobol")
    degrees = np.arange(1, 25)

    def powers(at: np.ndarray, degrees: np.ndarray) -> np.ndarray:
        return ((at[:, 0] + 1j * at[:, 1])[:, None] / 2) ** degrees

    # With f′ = u_x − i·u_y the flow through a wall is Re (f′·n), n = nx + i·ny; u(0, 0) = 0 as no degree is 0.
    flows = degrees / 2 * powers(walls, degrees - 1) * (normals[:, :1] + 1j * normals[:, 1:])
    right = np.exp(walls[:, 0]) * (normals[:, 0] * np.sin(walls[:, 1]) + normals[:, 1] * np.cos(walls[:, 1]))
    found = np.linalg.lstsq(np.hstack([flows.real, flows.imag]), right, rcond=None)[0]
    at, exact = l_shape()
    inside = powers(at, degrees)
    return _off(np.hstack([inside.real, inside.imag]) @ found, exact)


WITHOUT = {
    "poisson": poisson_without,
    "disc": disc_without,
    "l_shape": l_shape_without,
    "helmholtz": helmholtz_without,
    "heat": heat_without,
    "wave": wave_without,
    "steady_burgers": steady_burgers_without,
}
"""By the name of a spec, the relative L2 error of a spectral method."""
