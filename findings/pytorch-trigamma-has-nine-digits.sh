#!/usr/bin/env bash
# PyTorch 2.13.0: the second derivative of torch.lgamma, which is polygamma(1, x), in float64: Hessians of likelihoods with gamma
# functions, gradients of entropies of gamma and beta distributions. Expected: about the fifteen digits that the first derivative,
# digamma, and the third, polygamma(2, x), have. Seen: nine from 0.5 to 3, ten at 5, eleven at 12; pi^2/6 is 1.64493406763834 instead of
# 1.64493406684823. Order 1 alone has an asymptotic series of its own, cut short; the same number by torch.special.zeta(2, x) is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 mpmath==1.3.0
"$folder/venv/bin/python" - <<'PYTHON'
import mpmath
import torch

print("torch", torch.__version__)
mpmath.mp.dps = 30


def derivatives(x):
    """The first three derivatives of log Γ by backpropagation, and the second as ζ(2, x)."""
    at = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(torch.lgamma(at), at, create_graph=True)
    (second,) = torch.autograd.grad(first, at, create_graph=True)
    (third,) = torch.autograd.grad(second, at)
    beside = torch.special.zeta(torch.tensor(2.0, dtype=torch.float64), at)
    return first.item(), second.item(), third.item(), beside.item()


seen = {}
for x in (0.5, 1.0, 2.0, 3.0, 5.0, 12.0):
    right = [mpmath.psi(order, mpmath.mpf(x)) for order in (0, 1, 2, 1)]
    found = derivatives(x)
    seen[x] = [float(abs(a / b - 1)) for a, b in zip(found, right, strict=True)]
    first, second, third, beside = seen[x]
    print(f"x = {x}: second derivative {found[1]:.15g}, right {mpmath.nstr(right[1], 15)}, error {second:.1e}", end="")
    print(f" (first {first:.1e}, third {third:.1e}, zeta {beside:.1e})")
    assert max(first, third, beside) < 1e-14, "the behaviour has changed"
assert all(2e-10 < seen[x][1] < 1e-9 for x in (0.5, 1.0, 2.0, 3.0)) and 1e-12 < seen[12.0][1] < 1e-11, "the behaviour has changed"
PYTHON
