#!/bin/bash
# JAX 0.10.2: jax.nn.dot_product_attention takes float64 and gives float64, but its softmax is computed in float32.
# So values and gradients have seven digits, where the formula written out with jax.nn.softmax has sixteen.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 numpy==2.3.5
JAX_ENABLE_X64=1 "$folder/venv/bin/python" - <<'PYTHON'
import jax
import jax.numpy as jnp
import numpy as np

print("jax", jax.__version__)
generator = np.random.default_rng(0)
q, k, v = (jnp.asarray(generator.normal(size=(1, 5, 2, 4))) for _ in range(3))
found = jax.nn.dot_product_attention(q, k, v)
weight = jax.nn.softmax(jnp.einsum("bthe,buhe->bhtu", q, k) / 2.0)
written_out = jnp.einsum("bhtu,buhe->bthe", weight, v)
error = float(abs(found - written_out).max())
print(f"expected: float64 and an error below 1e-14; seen: {found.dtype} and an error of {error:.1e}")
assert found.dtype == jnp.float64 and 1e-9 < error < 1e-6, "the behaviour has changed"
PYTHON
