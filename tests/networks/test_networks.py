"""What the builders make: sizes, starting points, and the linear path as a function of the weight."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kvae.networks import NETWORKS
from kvae.networks.blocks import Plan, check_widths, default_widths, layer_seed
from kvae.networks.principal import LinearPath

EIGENVALUES = np.array([3.0, 1.0, 0.25, 0.01])


def plan(network: str = "conv", **settings) -> Plan:
    widths = () if network in ("principal", "linear") else (4, 8)
    chosen = {"image_shape": (8, 16, 3), "latent_dim": 4, "widths": widths, "depth": 1, "dtype": "float32", "seed": 0}
    return Plan(**{**chosen, **settings})


@pytest.fixture(scope="module")
def path() -> LinearPath:
    made = LinearPath((3, 4, 1), 4)
    made.assign_pca(np.linspace(0, 1, 12), EIGENVALUES, basis())
    return made


def basis() -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(0).standard_normal((12, 4)))[0]


# ---------------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("size", "widths"),
    [(16, (32, 64)), (28, (32, 64)), (32, (32, 64, 128)), (48, (32, 64, 128, 256)), (64, (32, 64, 128, 256)),
     (128, (32, 64, 128, 256, 256)), (512, (32, 64, 128, 256, 256, 256, 256))],
)  # fmt: skip
def test_default_widths_double_up_to_256_until_the_picture_is_small(size, widths):
    assert default_widths((size, size, 3)) == widths
    check_widths(widths, (size, size, 3))


def test_a_size_is_small_at_the_bottom_or_is_refused_with_one_near_by_that_works():
    for size in range(16, 513):
        try:
            bottom = size // 2 ** len(default_widths((size, size, 1)))
        except ValueError as error:
            good = int(str(error).rstrip(".").split()[-1])
            assert default_widths((good, good, 1)) and abs(good - size) <= size / 8
        else:
            assert 3 <= bottom <= 8


def test_a_plan_hands_out_a_new_seed_each_time_and_the_same_ones_again():
    def seeds(seed: int) -> list[int]:
        made = plan(seed=seed)
        return [made.initializer().seed for _ in range(20)]

    assert seeds(1) == seeds(1)
    assert len({*seeds(0), *seeds(1), *seeds(2)}) == 60
    # JAX refuses all others
    assert all(0 <= number < 2**32 for seed in (0, 2**31 - 1) for number in [*seeds(seed), layer_seed(seed, -2)])


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_has_the_shapes_of_its_plan_also_where_the_picture_is_not_square(network):
    parts = NETWORKS[network].build(plan(network))
    pictures = parts.encoder.inputs[0].shape
    assert pictures == (None, 8, 16, 3)
    assert parts.decoder.output_shape == (None, 8, 16, 3)
    assert (parts.path is not None) == (network in ("spectral", "linear", "hybrid"))
    if network in ("spectral", "linear"):
        assert parts.encoder.output_shape == pictures
    elif network != "principal":
        assert parts.encoder.output_shape == (None, 2, 4, 8)


@pytest.mark.parametrize("network", ["conv", "residual", "hybrid"])
def test_inner_layers_take_the_precision_of_the_plan_and_the_picture_is_float32(network):
    parts = NETWORKS[network].build(plan(network, dtype="mixed_bfloat16"))
    inner = [layer.compute_dtype for layer in parts.encoder.layers + parts.decoder.layers if layer.weights]
    assert inner.count("float32") <= 1 and set(inner[:-1]) == {"bfloat16"}
    assert parts.decoder.outputs[0].dtype == "float32"


# ---------------------------------------------------------------------- where networks start


def test_residual_blocks_start_as_nothing():
    # with the same seeds for its other layers, a network of depth 2 would start as one of depth 0
    parts = NETWORKS["residual"].build(plan("residual", depth=2))
    features = keras.Model(parts.encoder.inputs, [layer.output for layer in parts.encoder.layers])
    images = np.random.default_rng(1).random((2, 8, 16, 3), dtype="float32")
    outputs = dict(zip([layer.name for layer in parts.encoder.layers], features([images]), strict=True))
    sums = [layer for layer in parts.encoder.layers if isinstance(layer, layers.Add)]
    assert len(sums) == 4
    for layer in sums:
        before = layer.input[0]._keras_history.operation.name
        np.testing.assert_array_equal(outputs[layer.name], outputs[before])
        assert np.any(ops.convert_to_numpy(outputs[before]) != 0)


def test_a_deeper_network_has_more_weights():
    counts = {
        (network, depth): sum(part.count_params() for part in (parts.encoder, parts.decoder))
        for network in ("conv", "residual", "hybrid")
        for depth in (0, 1, 3)
        for parts in [NETWORKS[network].build(plan(network, depth=depth))]
    }
    assert counts["conv", 0] == counts["conv", 3] == counts["residual", 0]
    for network in ("residual", "hybrid"):
        assert counts[network, 0] < counts[network, 1] < counts[network, 3]


def test_the_correction_of_the_hybrid_starts_as_nothing_and_sees_latents_and_base():
    decoder = NETWORKS["hybrid"].build(plan("hybrid")).decoder
    random = np.random.default_rng(2)
    latents, base = (
        ops.convert_to_tensor(random.random((3, 4)), "float32"),
        ops.convert_to_tensor(random.random((3, 8, 16, 3)), "float32"),
    )
    np.testing.assert_array_equal(decoder([latents, base]), np.zeros((3, 8, 16, 3)))
    last = decoder.layers[-1]
    last.set_weights([random.standard_normal(weight.shape) for weight in last.get_weights()])
    corrected = ops.convert_to_numpy(decoder([latents, base]))
    for inputs in ([latents + 1.0, base], [latents, base + 1.0]):
        assert np.abs(ops.convert_to_numpy(decoder(inputs)) - corrected).max() > 1e-3


def test_the_network_of_principal_components_is_affine():
    parts = NETWORKS["principal"].build(plan("principal"))
    one, other = np.random.default_rng(3).standard_normal((2, 1, 4)).astype("float32")
    middle = ops.convert_to_numpy(parts.decoder((one + other) / 2))
    ends = ops.convert_to_numpy(parts.decoder(one)) + ops.convert_to_numpy(parts.decoder(other))
    np.testing.assert_allclose(middle, ends / 2, atol=1e-6)


# ---------------------------------------------------------------------- the linear path


@pytest.mark.parametrize("kl_weight", [0.01, 0.4, 1.9, 2.1, 10.0])
def test_the_linear_path_is_its_closed_form(path, kl_weight):
    images = np.random.default_rng(4).random((5, 3, 4, 1), dtype="float32")
    mean, log_var = (ops.convert_to_numpy(part) for part in path.encode(images, kl_weight))
    level, coefficients = kl_weight / 2, (images.reshape(5, 12) - np.linspace(0, 1, 12)) @ basis()
    np.testing.assert_allclose(
        mean, coefficients * np.sqrt(np.maximum(EIGENVALUES - level, 0)) / EIGENVALUES, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(np.exp(log_var), np.tile(np.minimum(1, level / EIGENVALUES), (5, 1)), rtol=1e-5)
    # decoder singular value² = λ − s
    axes = ops.convert_to_numpy(path.decode(np.eye(4, dtype="float32"), kl_weight)).reshape(4, 12) - np.linspace(
        0, 1, 12
    )
    np.testing.assert_allclose(axes @ axes.T, np.diag(np.maximum(EIGENVALUES - level, 0)), atol=1e-5)


def test_the_aggregate_posterior_of_the_linear_path_is_the_prior():
    # Var(mean) + variance = (λ − s)/λ + s/λ = 1 in every active dimension, and 0 + 1 in the others
    made = LinearPath((3, 4, 1), 4)
    made.assign_pca(np.zeros(12), EIGENVALUES, basis())
    images = (np.sqrt(12) * np.eye(12)[:4] @ np.zeros((12, 12)) + (basis() * np.sqrt(EIGENVALUES)).T).reshape(
        4, 3, 4, 1
    )
    for kl_weight in (0.001, 0.3, 1.0, 5.0):
        mean, log_var = (ops.convert_to_numpy(part) for part in made.encode(images.astype("float32"), kl_weight))
        np.testing.assert_allclose(np.diag(mean) ** 2 + np.exp(log_var[0]), 1, rtol=1e-4)
        np.testing.assert_allclose(mean - np.diag(np.diag(mean)), 0, atol=1e-5)


def test_without_a_weight_the_linear_path_stays_finite_and_returns_what_it_can_see(path):
    images = np.random.default_rng(5).random((5, 3, 4, 1), dtype="float32")
    mean, log_var = path.encode(images, 0.0)
    assert np.all(np.isfinite(ops.convert_to_numpy(log_var)))
    again, _ = path.encode(path.decode(mean, 0.0), 0.0)
    np.testing.assert_allclose(again, mean, rtol=1e-4, atol=1e-5)


def test_before_any_pca_the_linear_path_says_nothing():
    made = LinearPath((3, 4, 1), 4)
    mean, log_var = made.encode(np.ones((2, 3, 4, 1), "float32"), 0.1)
    assert not np.any(mean) and not np.any(log_var)
    assert not np.any(made.decode(np.ones((2, 4), "float32"), 0.1))
