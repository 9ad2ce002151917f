"""Layers, a table of kinds: each is one module of this package and one row of ``KINDS``.

The module has the layer's model, whose fields are what a spec may say of it, with the rule for its shape, its
parameters with their initialisers and its equations; and the function of the kind's name that builds one in Python.
"""

KINDS = (
    "dense",
    "convolution",
    "max_pool",
    "average_pool",
    "embedding",
    "recurrent",
    "lstm",
    "gru",
    "attention",
    "concatenate",
    "residual",
    "flatten",
    "layer_norm",
    "batch_norm",
    "dropout",
    "noise",
    "scale",
    "take",
    "again",
    "activation",
)
"""In the order in which the entry of a spec is searched for its kind: an activation stands beside others."""
