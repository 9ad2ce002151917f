"""The same equations without a network, by SciPy and NumPy: what the networks are held to, and what they compete with.

Where there is a formula the reference is the formula; else a spectral or a quadrature method that is converged to
1e-12 or further.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

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


def steady_burgers() -> Points:
    """−A·tanh(A·x/2ν), where A·tanh(A/2ν) = 1."""
    from scipy.optimize import brentq

    amplitude = brentq(lambda a: a * np.tanh(5 * a) - 1, 0.5, 1.5, xtol=1e-15)
    at = np.linspace(-1, 1, 1001)
    return at[:, None].copy(), -amplitude * np.tanh(5 * amplitude * at)


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
