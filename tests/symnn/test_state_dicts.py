"""Weights by PyTorch's names: there and back, in any order of the file, and nothing lacking or left over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symnn import state_dicts
from symnn.errors import CheckpointError, DataError, SpecError
from symnn.layers.attention import attention
from symnn.layers.batch_norm import batch_norm
from symnn.layers.convolution import convolution
from symnn.layers.embedding import embedding
from symnn.layers.flatten import flatten
from symnn.layers.gru import gru
from symnn.layers.layer_norm import layer_norm
from symnn.layers.lstm import lstm
from symnn.layers.recurrent import recurrent
from symnn.layers.scale import scale
from symnn.network import Network, dense

SEQUENCE = {"time": 4, "features": 2}
NETWORKS: dict[str, Any] = {
    "image": Network((2, 6, 5), (convolution(3, 2, "relu"), batch_norm(), flatten(), dense(4)), "huber"),
    "sequence": Network(SEQUENCE, (lstm(4, output="all"), layer_norm(), gru(2, output="all"), recurrent(3)), "huber"),
    "attention": Network(SEQUENCE, (attention(2), flatten(), dense(1, bias=False)), "huber"),
    "embedding": Network({"time": 3}, (embedding(2, 5), flatten(), dense(1)), "huber"),
}
DENSE = Network(2, tuple(dense(n) for n in range(1, 12)), "huber")


def random_theta(network: Any) -> np.ndarray:
    return np.random.default_rng(0).normal(size=network.parameter_count)


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_go_there_and_back(name: str, tmp_path: Path) -> None:
    network = NETWORKS[name]
    theta = random_theta(network)
    modules = [
        f"module{n}" for n in range(len({name.lstrip("abcdefghijklmnopqrstuvwxyzWUEV") for name in network.layout}))
    ][::-1]
    arrays = state_dicts.to_arrays(network, theta, modules)
    np.testing.assert_array_equal(state_dicts.from_arrays(network, arrays), theta)
    shuffled = dict(sorted(arrays.items()))
    np.testing.assert_array_equal(state_dicts.from_arrays(network, shuffled, modules), theta)
    state_dicts.write(tmp_path / "a.safetensors", network, theta, modules)
    np.testing.assert_array_equal(state_dicts.load(tmp_path / "a.safetensors", network, modules), theta)
    assert state_dicts.by_names(network, theta, arrays).keys() == arrays.keys()


def test_files_of_a_sequential_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """A file has its tensors sorted, 10 before 2."""
    theta = random_theta(DENSE).astype(np.float32)
    state_dicts.write(tmp_path / "a", DENSE, theta, [str(n) for n in range(11)])
    found = state_dicts.load(tmp_path / "a", DENSE)
    np.testing.assert_array_equal(found, theta)
    assert found.dtype == np.float32
    state_dicts.write(tmp_path / "b", DENSE, theta, [f"fc{n}" for n in range(11)])
    with pytest.raises(DataError, match=r"modules: expected the names of the modules .*fc0, fc1, fc10, fc2"):
        state_dicts.load(tmp_path / "b", DENSE)


def test_what_does_not_fit_is_named() -> None:
    network = NETWORKS["sequence"]
    arrays = state_dicts.to_arrays(network, random_theta(network), ["a", "b", "c", "d"])
    without = {name: array for name, array in arrays.items() if name != "c.weight_hh_l0"}
    with pytest.raises(DataError, match=r"none of them c.weight_hh_l0 for U3"):
        state_dicts.from_arrays(network, without)
    with pytest.raises(DataError, match=r"found 'a.weight_ih_l0_reverse', expected no more"):
        state_dicts.from_arrays(network, {**arrays, "a.weight_ih_l0_reverse": np.ones(1)})
    with pytest.raises(DataError, match=r"a.weight_ih_l0: found shape \(2, 16\), expected \(16, 2\) for W1"):
        state_dicts.from_arrays(network, {**arrays, "a.weight_ih_l0": arrays["a.weight_ih_l0"].T})
    with pytest.raises(DataError, match=r"a.weight_ih_l0: found int64"):
        state_dicts.from_arrays(network, {**arrays, "a.weight_ih_l0": np.ones((16, 2), np.int64)})
    with pytest.raises(DataError, match="modules: found 1, expected 4"):
        state_dicts.to_arrays(network, random_theta(network), ["a"])
    other = Network(2, (scale(1.0, learned=True),), "huber")
    with pytest.raises(SpecError, match="found a layer 'scale'"):
        state_dicts.to_arrays(other, np.ones(2), ["a"])
    before = Network(SEQUENCE, (gru(1, reset="before"),), "huber")
    with pytest.raises(SpecError, match="found a layer 'gru with reset before'"):
        state_dicts.to_arrays(before, random_theta(before), ["a"])
    arrays = {"a.weight_ih_l0": before.split(random_theta(before))["W1"], "a.weight_hh_l0": np.ones((3, 1))}
    with pytest.raises(DataError, match="found 2 tensors, none of them a further tensor for b1"):
        state_dicts.from_arrays(before, arrays)


def test_recurrent_modules_without_biases_have_biases_of_zero() -> None:
    network = NETWORKS["sequence"]
    arrays = state_dicts.to_arrays(network, random_theta(network), ["a", "b", "c", "d"])
    found = state_dicts.from_arrays(network, {n: a for n, a in arrays.items() if "bias_" not in n})
    assert not network.split(found)["b1"].any()
    with pytest.raises(DataError, match=r"found no a.bias_ih_l0, expected it: b1 is not 0"):
        state_dicts.by_names(network, random_theta(network), [n for n in arrays if "bias_" not in n])


def test_no_safetensors_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot be read"):
        state_dicts.load(tmp_path / "a", DENSE)
