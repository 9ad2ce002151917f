#!/usr/bin/env bash
# Forward-mode derivatives of a torch.library.custom_op that has a backward (register_autograd) and no formula for jvp.
# Expected: an error, as torch.autograd.Function without a jvp raises NotImplementedError, or the right tangent.
# Seen: torch.func.jvp and jacfwd of x**3 at 2 give the tangent 0 without a word, where it is 12; within forward_ad's
# dual_level the tangent is None.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys

import torch

print("torch", torch.__version__)


@torch.library.custom_op("example::cube", mutates_args=())
def cube(x: torch.Tensor) -> torch.Tensor:
    return x.detach() ** 3


def setup_context(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def backward(ctx, gradient):
    (x,) = ctx.saved_tensors
    return gradient * 3 * x**2


cube.register_fake(lambda x: torch.empty_like(x))
cube.register_autograd(backward, setup_context=setup_context)


class Cube(torch.autograd.Function):
    forward = staticmethod(lambda x: x.detach() ** 3)
    setup_context = staticmethod(lambda ctx, inputs, output: ctx.save_for_backward(*inputs))
    backward = staticmethod(backward)


x = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
print("backward:", torch.autograd.grad(cube(x).sum(), x)[0].item())
x = x.detach()
_, tangent = torch.func.jvp(cube, (x,), (torch.ones_like(x),))
print("torch.func.jvp:", tangent.item(), " jacfwd:", torch.func.jacfwd(cube)(x).item())
with torch.autograd.forward_ad.dual_level():
    dual = torch.autograd.forward_ad.unpack_dual(cube(torch.autograd.forward_ad.make_dual(x, torch.ones_like(x))))
print("dual_level:", dual.tangent)
try:
    torch.func.jvp(Cube.apply, (x,), (torch.ones_like(x),))
    refused = False
except NotImplementedError as error:
    refused = True
    print("autograd.Function:", error)
sys.exit(0 if tangent.item() == 0 and dual.tangent is None and refused else 1)
PYTHON
