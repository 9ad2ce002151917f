"""PyTorch on the processor: eager autograd, and ``torch.compile`` of the functional gradient."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from tests.benchmarks.cases import Problem, Result
from tests.benchmarks.peers import LeftOut, Prepared


def _loss(parameters: Sequence[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    a = x
    *hidden, last = zip(parameters[::2], parameters[1::2])
    for w, b in hidden:
        a = torch.tanh(functional.linear(a, w, b))
    return functional.cross_entropy(functional.linear(a, *last), y)


def _tensors(problem: Problem) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
    parameters = [torch.tensor(part) for layer in problem.split(problem.theta) for part in layer]
    return parameters, torch.tensor(problem.x), torch.tensor(problem.y)


def _result(value: Any, gradients: Sequence[Any]) -> Result:
    return value.item(), np.concatenate([part.detach().numpy().ravel() for part in gradients])


def eager(problem: Problem) -> Prepared:
    parameters, x, y = _tensors(problem)
    for parameter in parameters:
        parameter.requires_grad_()

    def call() -> Any:
        value = _loss(parameters, x, y)
        return value, torch.autograd.grad(value, parameters)

    return Prepared(call, lambda returned: _result(*returned))


def compiled(problem: Problem) -> Prepared:
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        raise LeftOut("there is no C++ compiler for its code")
    torch._dynamo.reset()  # after eight sizes it would stop compiling
    function = torch.compile(torch.func.grad_and_value(_loss), dynamic=False)
    arguments = _tensors(problem)
    return Prepared(lambda: function(*arguments), lambda returned: _result(returned[1], returned[0]))
