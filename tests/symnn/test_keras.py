"""Keras 3: models that Keras saves predict the same here, and weights go there and back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")  # TensorFlow's size is needed by nobody here
pytest.importorskip("keras")
pytest.importorskip(os.environ["KERAS_BACKEND"])
pytest.importorskip("h5py")

import keras
from keras import layers as L  # noqa: N812 - as everyone writes it

from symnn.errors import CheckpointError, SymnnError
from symnn.keras import channels_first, load, load_weights, save_weights
from symnn.shapes import CHANNEL

pytestmark = [pytest.mark.values, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def sequential(*parts: Any) -> Callable[[], Any]:
    return lambda: keras.Sequential([keras.Input(parts[0]), *(part() for part in parts[1:])])


def residual() -> Any:
    x = keras.Input((4,))
    y = L.Dense(5, activation="tanh", name="dense_7")(x)
    return keras.Model(x, L.Dense(2)(L.Add()([y, L.Dense(5)(y)])))


def attending(heads: int, size: int, causal: bool = False, chain: bool = False, **settings: Any) -> Any:
    x = keras.Input((5, 6))
    y = L.LayerNormalization()(x)
    y = L.MultiHeadAttention(heads, size, **settings)(y, y, use_causal_mask=causal)
    return keras.Model(x, L.Dense(2)(y if chain else L.Add()([x, y])))


def image_beside_numbers() -> Any:
    """What is flattened stands beside other features: the order of the features of both has to be known."""
    image, numbers = keras.Input((4, 5, 2), name="image"), keras.Input((3,), name="numbers")
    flat = L.Flatten()(L.Conv2D(3, 2, activation="relu")(image))
    both = L.BatchNormalization()(L.Concatenate()([L.Dense(2)(numbers), flat]))
    return keras.Model([image, numbers], L.Dense(2)(both))


def images_added() -> Any:
    """What is added up has been flattened: the weights behind it are in the order of its places."""
    image = keras.Input((4, 3, 2), name="image")
    both = L.Add()([L.Flatten()(L.Conv2D(2, 3, padding="same")(image)), L.Flatten()(image)])
    return keras.Model(image, L.Dense(3)(L.BatchNormalization()(L.LayerNormalization()(both))))


MODELS = {
    "dense": sequential((3,), lambda: L.Dense(4, activation="gelu"), lambda: L.Dense(2, use_bias=False)),
    "batch": sequential((3,), lambda: L.Dense(4), L.BatchNormalization, lambda: L.Dense(2, activation="softmax")),
    "norms": sequential((6,), lambda: L.LayerNormalization(scale=False),
                        lambda: L.BatchNormalization(center=False), lambda: L.Dense(2)),
    "images": sequential((9, 7, 2), lambda: L.Conv2D(4, (3, 2), strides=2, padding="same", activation="relu"),
                         L.BatchNormalization, lambda: L.MaxPooling2D(2), L.Flatten, L.LayerNormalization,
                         lambda: L.Dropout(0.5), lambda: L.Dense(5, activation="selu"), lambda: L.Dense(3)),
    "all of an image": sequential((4, 5, 3), lambda: L.LayerNormalization(axis=[1, 2, 3]),
                                  lambda: L.Conv2D(6, 3, groups=3), L.Flatten, lambda: L.Dense(2)),
    "signals": sequential((12, 3), lambda: L.Conv1D(5, 3, dilation_rate=2, activation="mish"),
                          lambda: L.AveragePooling1D(2), L.Flatten, lambda: L.Dense(2)),
    "global": sequential((6, 5, 2), lambda: L.Rescaling(1 / 255), lambda: L.Conv2D(4, 3), L.GlobalAveragePooling2D,
                         lambda: L.Dense(2)),
    "largest of a signal": sequential((9, 2), lambda: L.Conv1D(3, 2), L.GlobalMaxPooling1D, lambda: L.Dense(2)),
    "recurrent": sequential((6, 3), lambda: L.LSTM(4, return_sequences=True), L.LayerNormalization,
                            lambda: L.GRU(3, return_sequences=True), lambda: L.SimpleRNN(2), lambda: L.Dense(1)),
    "no bias": sequential((6, 3), lambda: L.LSTM(4, return_sequences=True, use_bias=False),
                          lambda: L.GRU(3, use_bias=False)),
    "reset before": sequential((6, 3), lambda: L.GRU(4, reset_after=False, return_sequences=True),
                               lambda: L.Bidirectional(L.GRU(3, reset_after=False, return_sequences=True)),
                               lambda: L.GRU(2, reset_after=False, go_backwards=True)),
    "reset before, no bias": sequential((6, 3), lambda: L.GRU(4, reset_after=False, use_bias=False)),
    "steps flattened": sequential((4, 3), lambda: L.GRU(2, return_sequences=True), L.Flatten, lambda: L.Dense(2)),
    "any length": sequential((None, 3), lambda: L.SimpleRNN(4, activation="relu"), lambda: L.Dense(2)),
    "inside": sequential((3,), lambda: keras.Sequential([L.Dense(4), L.LeakyReLU(0.3)]),
                         lambda: L.Dense(3), lambda: L.ELU(0.5), lambda: L.ReLU(6.0), lambda: L.Activation("softmax")),
    "residual": residual,
    "both ways": sequential((6, 3), lambda: L.Bidirectional(L.LSTM(4, return_sequences=True)),
                            lambda: L.Bidirectional(L.GRU(3, return_sequences=True)),
                            lambda: L.Bidirectional(L.SimpleRNN(2)), lambda: L.Dense(2)),
    "sum of both ways": sequential((6, 3), lambda: L.Bidirectional(L.GRU(3), merge_mode="sum"), lambda: L.Dense(2)),
    "backwards": sequential((6, 3), lambda: L.LSTM(4, go_backwards=True), lambda: L.Dense(2)),
    "depthwise": sequential((8, 7, 3), lambda: L.DepthwiseConv2D((3, 2), strides=2, depth_multiplier=2, padding="same",
                                                                 activation="relu"), L.Flatten, lambda: L.Dense(2)),
    "separable": sequential((9, 7, 3), lambda: L.SeparableConv2D(5, 3, depth_multiplier=2, activation="tanh"),
                            L.LayerNormalization, lambda: L.SeparableConv2D(2, 2, use_bias=False), L.Flatten,
                            lambda: L.Dense(2)),
    "separable signals": sequential((9, 3), lambda: L.SeparableConv1D(5, 3, dilation_rate=2),
                                    lambda: L.DepthwiseConv1D(2), L.Flatten, lambda: L.Dense(2)),
    "attention": lambda: attending(2, 3),
    "chain with attention": lambda: attending(3, 5, causal=True, chain=True),
    "attention without bias": lambda: attending(2, 3, use_bias=False),
}  # fmt: skip


def randomised(model: Any, seed: int = 0) -> Any:
    """Every variable another number, so that none is where it was by chance."""
    generator = np.random.default_rng(seed)
    model.set_weights([generator.uniform(0.1, 1.0, w.shape).astype(w.dtype) - 0.4 * (w.ndim > 1)
                       for w in model.get_weights()])  # fmt: skip
    return model


@pytest.mark.parametrize("name", MODELS)
def test_a_model_predicts_the_same_here(name: str, tmp_path: Path) -> None:
    model = randomised(MODELS[name]())
    model.save(tmp_path / "a.keras")
    shape = [5 if n is None else n for n in model.input_shape[1:]]
    x = np.random.default_rng(1).normal(size=(4, *shape)).astype(np.float32)
    expected = keras.ops.convert_to_numpy(model(x))
    trained = load(tmp_path / "a.keras")
    given = channels_first(x) if CHANNEL in (axis.name for axis in trained.network.input_shape) else x
    found = trained.evaluated(given)
    assert (abs(found - expected) <= 1e-6 * np.maximum(1, abs(expected))).all()


def test_several_inputs_predict_the_same_here(tmp_path: Path) -> None:
    model = randomised(image_beside_numbers())
    model.save(tmp_path / "a.keras")
    generator = np.random.default_rng(1)
    image, numbers = generator.normal(size=(4, 4, 5, 2)), generator.normal(size=(4, 3))
    expected = keras.ops.convert_to_numpy(model([image.astype(np.float32), numbers.astype(np.float32)]))
    found = load(tmp_path / "a.keras").evaluated({"image": channels_first(image), "numbers": numbers})
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


def test_flattened_images_are_added(tmp_path: Path) -> None:
    model = randomised(images_added())
    model.save(tmp_path / "a.keras")
    image = np.random.default_rng(1).normal(size=(4, 4, 3, 2)).astype(np.float32)
    found = load(tmp_path / "a.keras").evaluated({"image": channels_first(image)})
    np.testing.assert_allclose(found, keras.ops.convert_to_numpy(model(image)), rtol=2e-5, atol=2e-6)


def files(model: Any, folder: Path) -> Path:
    """All that Keras writes of a model: it, its weights, its description; where the latter is."""
    model.save(folder / "a.keras")
    model.save_weights(folder / "a.weights.h5")
    described = folder / "a.json"
    described.write_text(model.to_json())
    return described


@pytest.mark.parametrize("name", MODELS)
def test_weights_go_there_and_back_by_what_describes_the_model(name: str, tmp_path: Path) -> None:
    model, other = randomised(MODELS[name]()), randomised(MODELS[name](), seed=1)
    config = files(model, tmp_path)
    trained = load(tmp_path / "a.keras")
    weights = tmp_path / "a.weights.h5"
    for theta in (
        load(weights, config=config).theta,
        load_weights(weights, trained.network, config=config),
        load_weights(tmp_path / "a.keras", trained.network),
    ):
        np.testing.assert_array_equal(theta, trained.theta)
    save_weights(tmp_path / "b.weights.h5", trained.network, trained.theta, config=config)
    other.load_weights(tmp_path / "b.weights.h5")
    for one, two in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


NO_CHAINS = ("inside", "residual", "sum of both ways", "attention", "attention without bias")
LEFT_OPEN = ("norms",)
"""What the weights alone do not say: which of its two arrays a normalisation does without."""
NOT_WRITTEN = ("no bias", "reset before, no bias", "depthwise", "separable", "separable signals")
"""What has other arrays in Keras than its layers have here unless they are told."""


@pytest.mark.parametrize("name", [name for name in MODELS if name not in (*NO_CHAINS, *LEFT_OPEN)])
def test_weights_of_a_chain_are_found_by_their_classes(name: str, tmp_path: Path) -> None:
    """The file has neither the layers without weights nor anybody's names: Keras counts classes."""
    model, other = randomised(MODELS[name]()), randomised(MODELS[name](), seed=1)
    files(model, tmp_path)
    trained = load(tmp_path / "a.keras")
    np.testing.assert_array_equal(load_weights(tmp_path / "a.weights.h5", trained.network), trained.theta)
    if name not in NOT_WRITTEN:
        save_weights(tmp_path / "b.weights.h5", trained.network, trained.theta)
        other.load_weights(tmp_path / "b.weights.h5")
        for one, two in zip(other.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)


def test_normalisations_without_both_arrays_are_read_by_their_classes(tmp_path: Path) -> None:
    none = {"scale": False, "center": False}
    build = sequential(
        (6,), lambda: L.LayerNormalization(**none), lambda: L.BatchNormalization(**none), lambda: L.Dense(2)
    )
    files(randomised(build()), tmp_path)
    trained = load(tmp_path / "a.keras")
    np.testing.assert_array_equal(load_weights(tmp_path / "a.weights.h5", trained.network), trained.theta)


def branched(*, swapped: bool = False) -> Any:
    """Two layers with parameters of the same shapes side by side."""
    x = keras.Input((4,))
    both = [L.Dense(4, activation="tanh")(x), L.Dense(4)(x)]
    return keras.Model(x, L.Dense(2)(L.Concatenate()(both[::-1] if swapped else both)))


def test_what_is_left_open_or_of_another_model_is_refused(tmp_path: Path) -> None:
    for name in ("norms", "residual"):
        config = files(randomised(MODELS[name]()), tmp_path)
        network = load(tmp_path / "a.keras").network
        with pytest.raises(SymnnError, match=r"config=, the path of a file of what model.to_json\(\) gives"):
            load_weights(tmp_path / "a.weights.h5", network)
    with pytest.raises(CheckpointError, match=r"a.keras: found a .keras file and a config, expected one"):
        load(tmp_path / "a.keras", config=config)
    with pytest.raises(CheckpointError, match=r"a.weights.h5: found no zip archive, .* weights alone take config="):
        load(tmp_path / "a.weights.h5")
    files(randomised(MODELS["dense"]()), tmp_path)
    with pytest.raises(
        CheckpointError, match=r"layer 1 of .*: found dense W \(4, 3\) b \(4,\), expected dense W \(5, 4\)"
    ):
        load_weights(tmp_path / "a.keras", network)
    files(randomised(branched()), tmp_path)
    network = load(tmp_path / "a.keras").network
    files(randomised(branched(swapped=True)), tmp_path)
    with pytest.raises(CheckpointError, match="put together otherwise than those of the network"):
        load_weights(tmp_path / "a.keras", network)


def test_what_a_model_does_without_is_not_dropped(tmp_path: Path) -> None:
    config = files(MODELS["no bias"](), tmp_path)
    trained = load(tmp_path / "a.keras")
    with pytest.raises(CheckpointError, match="found values of bias, which the model of the config does without"):
        save_weights(tmp_path / "b.weights.h5", trained.network, trained.theta + 1, config=config)


@pytest.fixture
def doubles(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keras in float64. On PyTorch and JAX it rounds what it multiplies to float32, by a row of a table.

    See findings/keras-layers-of-doubles-compute-in-single.sh.
    """
    from keras.src.backend.common import dtypes

    monkeypatch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, "float64", "float64")
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


@pytest.mark.usefixtures("doubles")
@pytest.mark.parametrize("name", MODELS)
def test_a_model_in_float64_predicts_the_same_to_twelve_digits(name: str, tmp_path: Path) -> None:
    model = randomised(MODELS[name]())
    model.save(tmp_path / "a.keras")
    shape = [5 if n is None else n for n in model.input_shape[1:]]
    x = np.random.default_rng(1).normal(size=(4, *shape))
    expected = keras.ops.convert_to_numpy(model(x))
    trained = load(tmp_path / "a.keras")
    given = channels_first(x) if CHANNEL in (axis.name for axis in trained.network.input_shape) else x
    found = trained.evaluated(given)
    assert found.dtype == expected.dtype == np.float64
    assert (abs(found - expected) <= 1e-12 * np.maximum(1, abs(expected))).all()


@pytest.mark.usefixtures("doubles")
@pytest.mark.skipif(keras.backend.backend() != "torch", reason="Keras leaves gradients to its backend")
def test_the_gradient_of_a_gru_that_resets_before_is_keras(tmp_path: Path) -> None:
    model = randomised(keras.Sequential([keras.Input((5, 3)), L.GRU(2, reset_after=False)]))
    model.save(tmp_path / "a.keras")
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(4, 5, 3)), generator.normal(size=(4, 2))
    loss = keras.ops.mean((model(x) - keras.ops.convert_to_tensor(y)) ** 2)
    loss.backward()
    expected = [v.value.grad.numpy() for v in model.trainable_variables]
    trained = load(tmp_path / "a.keras")
    found, gradient = trained.network.compile().value_and_grad(trained.theta, x, y)
    save_weights(tmp_path / "b.weights.h5", trained.network, gradient)
    model.load_weights(tmp_path / "b.weights.h5")
    assert abs(float(found) - loss.item()) <= 1e-12
    for one, two in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-11, atol=1e-13)


ACTIVATIONS = (
    "linear relu leaky_relu relu6 elu celu selu gelu silu hard_silu mish sigmoid hard_sigmoid log_sigmoid tanh "
    "hard_tanh tanh_shrink softplus softsign exponential squareplus softmax"
)


@pytest.mark.parametrize("name", ACTIVATIONS.split())
def test_an_activation_is_keras(name: str, tmp_path: Path) -> None:
    model = randomised(keras.Sequential([keras.Input((3,)), L.Dense(5, activation=name)]))
    model.save(tmp_path / "a.keras")
    x = (4 * np.random.default_rng(1).normal(size=(16, 3))).astype(np.float32)
    np.testing.assert_allclose(
        load(tmp_path / "a.keras").evaluated(x), keras.ops.convert_to_numpy(model(x)), rtol=1e-5, atol=1e-6
    )


def test_a_softmax_that_the_loss_has_is_left_to_it(tmp_path: Path) -> None:
    model = randomised(MODELS["batch"]())
    model.save(tmp_path / "a.keras")
    x = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    trained = load(tmp_path / "a.keras", "softmax_cross_entropy")
    np.testing.assert_allclose(trained.predict_proba(x), keras.ops.convert_to_numpy(model(x)), rtol=1e-5)


@keras.saving.register_keras_serializable("ours")
class Double(L.Layer):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        return 2 * x


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (((4,), lambda: L.Lambda(lambda x: x)), r"layer 'lambda.*' \(Lambda\): unknown layer 'Lambda'"),
        (((4,), Double), "found the class 'ours>Double'"),
        (((4, 3), lambda: L.LSTM(2, go_backwards=True, return_sequences=True)), "found go_backwards True with"),
        (((4, 3), lambda: L.Bidirectional(L.LSTM(2), merge_mode="mul")), "found merge_mode 'mul', expected concat or"),
        (((4, 4, 3), lambda: L.LayerNormalization(axis=[1, 2])), r"found axis \[1, 2\], expected \[1, 2, 3\] or the"),
        (((4,), lambda: L.Dense(2, activation="sparsemax")), "unknown activation 'sparsemax'"),
        (((4,), lambda: L.Dense(2, activation="log_softmax")), "unknown activation 'log_softmax'"),
        (((4, 4, 3), lambda: L.Conv2DTranspose(2, 2)), "unknown layer 'Conv2DTranspose'"),
        (((4, 4, 3), lambda: L.Conv2D(2, 3), L.Flatten), "outputs in the order of Flatten.*expected a Dense behind"),
        (((4, 4, 3), L.Flatten, L.Softmax), "outputs in the order of Flatten.*expected a Dense behind"),
    ],
)
def test_what_has_no_counterpart_is_named(parts: Any, message: str, tmp_path: Path) -> None:
    sequential(*parts)().save(tmp_path / "a.keras")
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path / "a.keras")
