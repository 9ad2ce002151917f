#!/usr/bin/env bash
# PyTorch 2.13.0: forward-mode derivatives of torch.linalg.det of a singular matrix. The determinant is a polynomial, and its
# derivative there is the adjugate, as for any matrix: ((4, -2), (-2, 1)) for ((1, 2), (2, 4)). Expected: torch.func.jvp and jacfwd give
# that, as backpropagation does, or refuse. Seen: 0 in every entry without a word (det(A)*tr(A^-1*dA), with det(A) = 0), so that a search for
# where a determinant vanishes, as for a critical parameter, has no slope at the place that it looks for. Beside a singular matrix
# both modes agree.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import torch

print("torch", torch.__version__)
torch.set_default_dtype(torch.float64)
det, jacfwd, jacrev, jvp = torch.linalg.det, torch.func.jacfwd, torch.func.jacrev, torch.func.jvp


def adjugate(a):
    return torch.tensor([[a[1, 1], -a[1, 0]], [-a[0, 1], a[0, 0]]])


for a in (torch.tensor([[1.0, 2.0], [2.0, 4.0]]), torch.tensor([[3.0, 0.0], [5.0, 0.0]]), torch.tensor([[1.0, 2.0], [2.0, 5.0]])):
    forward, backward, right = jacfwd(det)(a), jacrev(det)(a), adjugate(a)
    print(f"{a.tolist()}: forward {forward.tolist()}, backward {backward.tolist()}, right {right.tolist()}")
    assert torch.allclose(backward, right), "the behaviour has changed"
    assert torch.allclose(forward, right) if det(a) != 0 else not forward.any(), "the behaviour has changed"
line = lambda t: det(torch.stack([torch.stack([t, 2 + 0 * t]), torch.stack([2 + 0 * t, 4 + 0 * t])]))  # 4·t − 4
for at in (0.5, 1.0, 2.0):
    value, slope = jvp(line, (torch.tensor(at),), (torch.tensor(1.0),))
    print(f"4*t - 4 as a determinant at {at}: {value.item():g}, slope {slope.item():g}, right 4")
    assert abs(slope.item() - (0 if at == 1 else 4)) < 1e-12, "the behaviour has changed"
PYTHON
