"""The spectral network: closed form before its first step, at every KL weight, and sound while it learns."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from kvae.images.spectrum import Spectrum, cosine_matrix, fit_spectrum
from kvae.images.texture import fit_texture
from kvae.measures.gaussian_limit import HeldOut, water_filling
from kvae.networks.blocks import Plan
from kvae.networks.spectral import (
    GridFilter,
    SpectralPath,
    corrected,
    decoder_correction,
    encoder_correction,
    weight_coordinate,
)

WEIGHTS = [0.001, 0.01, 0.1, 1.0, 5.0]
SHAPES = [(16, 16, 3), (8, 24, 1), (24, 16, 4)]


def busy_and_smooth(shape: tuple[int, int, int], count: int, seed: int = 0) -> np.ndarray:
    """Pictures in [0, 1] whose fine detail is strong in some and weak in others."""
    height, width, channels = shape
    random = np.random.default_rng(seed)
    frequency = 1 + np.hypot(*np.meshgrid(np.arange(height), np.arange(width), indexing="ij"))
    busy = np.exp(random.standard_normal((count, 1, 1, 1)))
    spread = np.where(frequency > 4, busy, 1.0) * frequency**-1.2
    planes = random.standard_normal((count, channels, height, width)) * spread * 0.4
    return (0.5 + np.moveaxis(cosine_matrix(height).T @ planes @ cosine_matrix(width), 1, -1)).astype("float32")


def fitted(shape: tuple[int, int, int], latent_dim: int | None = None, scales: int = 0, lead: int = 20) -> SpectralPath:
    path, spectrum, texture = _parts(shape, latent_dim, scales, lead)
    path.assign_spectrum(spectrum)
    if scales:
        path.assign_texture(texture)
    return path


def _parts(shape, latent_dim, scales, lead):
    pictures = busy_and_smooth(shape, 80)
    spectrum = spectrum_of(shape, lead)
    texture = fit_texture(spectrum, lambda: [pictures], scales) if scales else None
    return SpectralPath(shape, latent_dim or scales + int(np.prod(shape)), lead, scales), spectrum, texture


def spectrum_of(shape: tuple[int, int, int], lead: int = 20) -> Spectrum:
    return fit_spectrum(lambda: [busy_and_smooth(shape, 80)], lead=lead)


def array(value) -> np.ndarray:
    return ops.convert_to_numpy(value)


def plan(shape: tuple[int, int, int] = (16, 16, 3), **settings) -> Plan:
    chosen = {"image_shape": shape, "latent_dim": 4, "widths": (8, 16), "depth": 1, "dtype": "float32", "seed": 0}
    return Plan(**{**chosen, **settings})


# ---------------------------------------------------------------------- the path is the closed form


@pytest.mark.parametrize("shape", SHAPES)
def test_the_path_and_the_spectrum_know_the_same_basis(shape):
    path, spectrum, pictures = fitted(shape), spectrum_of(shape), busy_and_smooth(shape, 5, seed=1)
    np.testing.assert_allclose(array(path.analysis(pictures)), spectrum.analysis(pictures), atol=1e-5)
    np.testing.assert_allclose(array(path.synthesis(path.analysis(pictures))), pictures, atol=1e-5)


@pytest.mark.parametrize("latent_dim", [1, 50, 16 * 16 * 3])
@pytest.mark.parametrize("kl_weight", WEIGHTS)
def test_distortion_and_rate_of_the_path_are_the_closed_form(kl_weight, latent_dim):
    path, spectrum = fitted((16, 16, 3), latent_dim), spectrum_of((16, 16, 3))
    pictures = busy_and_smooth((16, 16, 3), 40, seed=1)
    limit = HeldOut(spectrum.eigenvalues, *spectrum.moments([pictures])).at(kl_weight, latent_dim)
    mean, log_var = (array(part).astype("float64") for part in path.encode(pictures, kl_weight))
    rate = 0.5 * np.sum(mean**2 + np.exp(log_var) - 1 - log_var, axis=1).mean()
    assert rate == pytest.approx(limit.rate, rel=1e-4, abs=1e-5)
    random = np.random.default_rng(2)
    drawn = [mean + random.standard_normal(mean.shape) * np.exp(log_var / 2) for _ in range(30)]
    errors = [np.sum((array(path.decode(z.astype("float32"), kl_weight)) - pictures) ** 2) / 40 for z in drawn]
    assert np.mean(errors) == pytest.approx(limit.distortion, rel=0.01)


@pytest.mark.parametrize("kl_weight", WEIGHTS)
def test_the_path_is_the_formula_of_water_filling(kl_weight):
    path, spectrum, level = fitted((8, 24, 1)), spectrum_of((8, 24, 1)), kl_weight / 2
    pictures, variances = busy_and_smooth((8, 24, 1), 5, seed=1), spectrum_of((8, 24, 1)).eigenvalues
    amplitude = np.sqrt(np.maximum(variances - level, 0)) * (variances > 1.0001 * level)
    mean, log_var = path.encode(pictures, kl_weight)
    expected = spectrum.analysis(pictures) * amplitude / np.maximum(variances, 1e-7)
    np.testing.assert_allclose(array(mean), expected, rtol=1e-3, atol=1e-4)
    noise = np.minimum(1, level / np.maximum(variances, 1e-7))
    np.testing.assert_allclose(np.exp(array(log_var)), np.tile(noise, (5, 1)), rtol=1e-3)
    axes = array(path.decode(np.eye(192, dtype="float32"), kl_weight)) - spectrum.mean
    np.testing.assert_allclose(np.sum(axes**2, axis=(1, 2, 3)), amplitude**2, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("scales", [0, 3])
def test_a_weight_for_each_picture_is_each_picture_at_its_weight(scales):
    path, pictures = fitted((16, 16, 3), scales=scales), busy_and_smooth((16, 16, 3), len(WEIGHTS), seed=1)
    together = path.encode(pictures, np.array(WEIGHTS, "float32"))
    decoded = array(path.decode(together[0], np.array(WEIGHTS, "float32")))
    for place, weight in enumerate(WEIGHTS):
        alone = path.encode(pictures[place : place + 1], weight)
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_allclose(array(one)[0], array(other)[place], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(array(path.decode(alone[0], weight))[0], decoded[place], atol=1e-5)


def test_fewer_latents_keep_the_strongest_directions():
    few, all_, pictures = fitted((8, 24, 1), 30), fitted((8, 24, 1)), busy_and_smooth((8, 24, 1), 4, seed=1)
    mean, log_var = all_.encode(pictures, 0.01)
    for one, other in zip(few.encode(pictures, 0.01), (mean, log_var), strict=True):
        np.testing.assert_allclose(array(one), array(other)[:, :30], atol=1e-5)
    kept = np.where(np.arange(192) < 30, array(mean), 0.0)
    np.testing.assert_allclose(array(few.decode(kept[:, :30], 0.01)), array(all_.decode(kept, 0.01)), atol=1e-5)


def test_without_a_weight_the_path_is_finite_and_returns_the_picture():
    path, pictures = fitted((16, 16, 3)), busy_and_smooth((16, 16, 3), 3, seed=1)
    mean, log_var = path.encode(pictures, 0.0)
    assert np.all(np.isfinite(array(log_var)))
    np.testing.assert_allclose(array(path.decode(mean, 0.0)), pictures, atol=1e-3)


def test_before_any_spectrum_the_path_knows_pictures_at_large():
    path = SpectralPath((4, 6, 3), 72, 5)
    assert float(array(path.measured)) == 0
    images = np.random.default_rng(0).random((2, 4, 6, 3)).astype("float32")
    mean, _ = path.encode(images, 1e-6)
    np.testing.assert_allclose(array(path.decode(mean, 1e-6)), images, atol=1e-3)
    assert 0 < int(np.sum(array(path.encode(images, 0.1)[1])[0] < 0)) < 72  # coarse directions alone


@pytest.mark.parametrize("other", [(8, 24, 1), (4, 6, 3)])
def test_a_spectrum_of_other_pictures_or_of_more_turned_directions_is_refused(other):
    with pytest.raises(ValueError, match=r"must be of pictures \(4, 6, 3\) with at most 5 leading"):
        SpectralPath((4, 6, 3), 72, 5).assign_spectrum(spectrum_of(other))


def test_a_spectrum_that_turns_fewer_directions_leaves_the_others_as_they_are():
    images = np.random.default_rng(0).random((2, 8, 24, 1)).astype("float32")
    spectrum = spectrum_of((8, 24, 1))
    path = SpectralPath((8, 24, 1), 192, 60)
    path.assign_spectrum(spectrum)
    assert len(spectrum.rotation) < 60
    np.testing.assert_allclose(array(path.analysis(images)), spectrum.analysis(images), atol=1e-4)


def test_places_survive_float16():
    path = fitted((16, 16, 3), 700)
    for name in ("order", "ranks"):
        stored = array(getattr(path, name))
        np.testing.assert_array_equal(stored.astype("float16").astype("float32"), stored)
    places = array(path.order[0] * 2048 + path.order[1])
    assert sorted(places) == list(range(768))


# ---------------------------------------------------------------------- scales


def loss(path: SpectralPath, pictures: np.ndarray, kl_weight: float) -> float:
    mean, log_var = (array(part).astype("float64") for part in path.encode(pictures, kl_weight))
    rate = 0.5 * np.sum(mean**2 + np.exp(log_var) - 1 - log_var) / len(pictures)
    random = np.random.default_rng(2)
    drawn = [mean + random.standard_normal(mean.shape) * np.exp(log_var / 2) for _ in range(8)]
    errors = [np.sum((array(path.decode(z.astype("float32"), kl_weight)) - pictures) ** 2) for z in drawn]
    return float(np.mean(errors)) / len(pictures) + kl_weight * rate


def test_scales_lower_the_loss_of_pictures_that_differ_in_texture_and_never_cost_much():
    pictures = busy_and_smooth((16, 16, 3), 60, seed=1)
    plain, scaled = fitted((16, 16, 3)), fitted((16, 16, 3), scales=3)
    gains = [loss(scaled, pictures, weight) / loss(plain, pictures, weight) for weight in (0.001, 0.01, 0.1, 1.0, 5.0)]
    assert gains[0] < 0.95 and gains[1] < 0.95
    assert max(gains) < 1.01


def test_scales_that_are_not_worth_their_nats_are_silent():
    path, pictures = fitted((16, 16, 3), scales=3), busy_and_smooth((16, 16, 3), 4, seed=1)
    mean, log_var = (array(part) for part in path.encode(pictures, 50.0))
    assert not np.any(mean[:, :3]) and not np.any(log_var[:, :3])
    latents = array(path.encode(pictures, 50.0)[0])
    turned = latents + np.where(np.arange(latents.shape[1]) < 3, 2.0, 0.0)
    np.testing.assert_allclose(array(path.decode(turned, 50.0)), array(path.decode(latents, 50.0)), atol=1e-5)


def test_before_any_texture_scales_change_nothing():
    path, plain = SpectralPath((16, 16, 3), 771, 20, scales=3), fitted((16, 16, 3))
    path.assign_spectrum(spectrum_of((16, 16, 3)))
    pictures = busy_and_smooth((16, 16, 3), 4, seed=1)
    for one, other in zip(path.encode(pictures, 0.01), plain.encode(pictures, 0.01), strict=True):
        assert not np.any(array(one)[:, :3])
        np.testing.assert_array_equal(array(one)[:, 3:], array(other))


def test_a_busy_picture_and_a_smooth_one_differ_in_their_scales():
    path, pictures = fitted((16, 16, 3), scales=1), busy_and_smooth((16, 16, 3), 100, seed=1)
    detail = np.log(np.var(np.diff(pictures, axis=1), axis=(1, 2, 3)))
    scale = array(path.encode(pictures, 0.001)[0])[:, 0]
    assert abs(np.corrcoef(detail, scale)[0, 1]) > 0.9


# ---------------------------------------------------------------------- learning


@pytest.mark.parametrize("scales", [0, 3])
def test_gradients_are_finite_at_every_weight_and_where_a_direction_goes_out(scales):
    import tensorflow as tf

    path, pictures = fitted((8, 24, 1), scales=scales), busy_and_smooth((8, 24, 1), 6, seed=1)
    values = array(path.eigenvalues)
    for weight in [0.0, *WEIGHTS, *(2.0 * values[[0, 5, 100]]), *(2.0 * values[[3, 60]] * 1.0001)]:
        with tf.GradientTape() as tape:
            images = tf.convert_to_tensor(pictures)
            tape.watch(images)
            mean, log_var = path.encode(images, weight)
            image = path.decode(mean + ops.exp(0.5 * log_var), weight)
            value = ops.sum((image - images) ** 2) + weight * ops.sum(mean**2 + ops.exp(log_var) - log_var)
        for gradient in tape.gradient(value, [images, *(one.value for one in path.trainable_variables)]):
            assert np.all(np.isfinite(array(gradient)))


def test_only_offsets_and_scales_learn():
    assert {one.name for one in fitted((8, 24, 1), scales=3).trainable_variables} == {
        "log_var_offset", "levels", "readout", "loadings"
    }  # fmt: skip
    assert {one.name for one in fitted((8, 24, 1)).trainable_variables} == {"log_var_offset"}


def test_offsets_of_log_variances_follow_the_weight_and_leave_inactive_directions():
    path, pictures = fitted((8, 24, 1)), busy_and_smooth((8, 24, 1), 2, seed=1)
    before = [array(path.encode(pictures, weight)[1]) for weight in (0.01, 0.1)]
    offset = np.zeros((2, 192), "float32")
    offset[0], offset[1] = 0.1, 0.2
    path.log_var_offset.assign(offset)
    active = before[1] < -1e-4
    for weight, old, moved in ((0.01, before[0], -0.1), (0.1, before[1], 0.1)):
        change = array(path.encode(pictures, weight)[1]) - old
        np.testing.assert_allclose(change[active], moved, atol=2e-3)
    assert not np.any(change[before[1] == 0])


@pytest.mark.parametrize("shape", [(16, 16, 3), (8, 24, 1), (32, 8, 4)])
@pytest.mark.parametrize("build", [encoder_correction, decoder_correction])
def test_corrections_start_as_nothing_at_every_weight_and_then_see_picture_and_weight(build, shape):
    network = build(plan(shape))
    pictures = ops.convert_to_tensor(busy_and_smooth(shape, len(WEIGHTS)))
    coordinate = weight_coordinate(np.array(WEIGHTS, "float32"))
    assert not np.any(array(network([pictures, coordinate])))
    random = np.random.default_rng(3)
    for weight in network.trainable_variables:
        weight.assign(array(weight) + 0.1 * random.standard_normal(weight.shape))
    corrected = array(network([pictures, coordinate]))
    assert corrected.shape == (len(WEIGHTS), *shape)
    for inputs in ([pictures + 0.1, coordinate], [pictures, coordinate + 0.5]):
        assert np.abs(array(network(inputs)) - corrected).max() > 1e-4


@pytest.mark.parametrize("kl_weight", WEIGHTS)
@pytest.mark.parametrize("latent_dim", [40, 192])
def test_the_error_of_the_path_is_the_distortion_of_the_closed_form(kl_weight, latent_dim):
    limit = water_filling(spectrum_of((8, 24, 1)).eigenvalues, kl_weight, latent_dim)
    assert 192 * array(fitted((8, 24, 1), latent_dim).error(kl_weight)) ** 2 == pytest.approx(
        limit.distortion, rel=1e-3
    )


@pytest.mark.parametrize("scales", [0, 3])
def test_a_model_before_its_first_step_is_the_path_at_every_weight(scales):
    path, pictures = fitted((16, 16, 3), scales=scales), busy_and_smooth((16, 16, 3), 4, seed=1)
    encoder, decoder = encoder_correction(plan()), decoder_correction(plan())
    for weight in [0.0, *WEIGHTS]:
        images = ops.convert_to_tensor(pictures)
        for one, other in zip(
            path.encode(corrected(path, encoder, images, weight), weight), path.encode(pictures, weight), strict=True
        ):
            np.testing.assert_array_equal(array(one), array(other))
        image = path.decode(path.encode(pictures, weight)[0], weight)
        np.testing.assert_array_equal(array(corrected(path, decoder, image, weight)), array(image))


def test_a_correction_is_measured_in_what_the_path_leaves_at_each_weight():
    path, decoder = fitted((16, 16, 3)), decoder_correction(plan())
    decoder.get_layer("change").bias.assign([1.0, 1.0, 1.0])
    images = ops.zeros((2, 16, 16, 3))
    small, large = array(corrected(path, decoder, images, np.array([0.01, 1.0], "float32")))
    np.testing.assert_allclose(large / small, array(path.error(1.0) / path.error(0.01))[0] * np.ones((16, 16, 3)), 1e-4)


def test_no_correction_is_many_times_what_the_path_leaves():
    path, decoder = fitted((16, 16, 3)), decoder_correction(plan())
    decoder.get_layer("change").bias.assign([1e6, -1e6, 0.0])
    change = array(corrected(path, decoder, ops.zeros((1, 16, 16, 3)), 0.1))
    np.testing.assert_allclose(change[0, 0, 0] / array(path.error(0.1)).item(), [6.4, -6.4, 0.0], rtol=1e-4)


@pytest.mark.parametrize("shape", [(16, 16, 3), (8, 24, 1), (2, 4, 4)])
def test_no_grid_of_two_pixels_passes_and_what_is_smooth_does(shape):
    row, column = np.indices(shape[:2])[..., None]
    for pattern in (row % 2, column % 2, (row + column) % 2):
        image = np.float32(np.broadcast_to(0.3 + 0.1 * pattern, shape))[None]
        np.testing.assert_allclose(array(GridFilter()(image)), 0.35, atol=1e-6)
    smooth = np.float32(np.broadcast_to(0.3 + row // 2 * 0.01, shape))[None]
    np.testing.assert_allclose(array(GridFilter()(smooth)), smooth, atol=1e-6)


def test_the_decoders_correction_has_no_grid_of_two_pixels_whatever_it_learned():
    network, random = decoder_correction(plan()), np.random.default_rng(3)
    for weight in network.trainable_variables:
        weight.assign(array(weight) + 0.1 * random.standard_normal(weight.shape))
    change = array(network([ops.convert_to_tensor(busy_and_smooth((16, 16, 3), 4)), ops.zeros((4, 1))]))
    spectrum = np.abs(np.fft.fft2(change, axes=(1, 2)))
    assert max(spectrum[:, 8, 0].max(), spectrum[:, 0, 8].max(), spectrum[:, 8, 8].max()) < 1e-3 < spectrum.max()


@pytest.mark.parametrize("build", [encoder_correction, decoder_correction])
def test_no_correction_grows_with_the_picture(build):
    sizes = [build(plan((side, 2 * side, 3))).count_params() for side in (16, 64)]
    assert sizes[0] == sizes[1]


def test_the_encoders_correction_is_the_smaller_one():
    assert encoder_correction(plan()).count_params() < 0.5 * decoder_correction(plan()).count_params()


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_path_and_corrections_are_float32_outside_the_convolutions(policy):
    path = SpectralPath((16, 16, 3), 100, 5, scales=2, dtype=policy)
    assert path.compute_dtype == "float32" and {one.dtype for one in path.variables} == {"float32"}
    for build in (encoder_correction, decoder_correction):
        network = build(plan(dtype=policy))
        assert network.outputs[0].dtype == "float32"
        convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
        assert {layer.compute_dtype for layer in convolutions} == {policy.removeprefix("mixed_")}


@pytest.mark.parametrize(("weight", "coordinate"), [(0.01, -1), (0.1, 0), (1.0, 1), (0.0, -2), (1e9, 2)])
def test_the_coordinate_of_a_weight_is_its_logarithm_within_bounds(weight, coordinate):
    assert array(weight_coordinate(weight)) == pytest.approx(np.array([[coordinate]]), abs=1e-5)


# ---------------------------------------------------------------------- JAX

ON_JAX = """
import json, sys
from pathlib import Path
import numpy as np

class NoTensorFlow:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tensorflow":
            raise ImportError("kvae must not need TensorFlow here")

sys.meta_path.insert(0, NoTensorFlow())
import jax, keras
from kvae.networks.blocks import Plan
from kvae.networks.spectral import SpectralPath, decoder_correction, weight_coordinate
stored = np.load(Path(sys.argv[1]) / "path.npz")
path = SpectralPath((16, 16, 3), 771, 20, scales=3)
for weight in path.variables:
    weight.assign(stored[weight.name])
pictures, weights = stored["pictures"], stored["weights"]
network = decoder_correction(Plan((16, 16, 3), 4, (8, 16), 1, "mixed_bfloat16", 0))

@jax.jit
def both(pictures):
    mean, log_var = path.encode(pictures, weights)
    image = path.decode(mean, weights)
    return mean, log_var, image + network([image, weight_coordinate(weights)])

gradient = jax.grad(lambda images: sum((part**2).sum() for part in both(images)))(pictures)
found = [np.asarray(part).tolist() for part in both(pictures)]
print("FOUND" + json.dumps([found, bool(np.all(np.isfinite(gradient)))]))
"""


def test_the_path_is_the_same_on_jax(python, tmp_path):
    pytest.importorskip("jax")
    path, pictures = fitted((16, 16, 3), scales=3), busy_and_smooth((16, 16, 3), len(WEIGHTS), seed=1)
    weights = np.array(WEIGHTS, "float32")
    stored = {one.name: array(one) for one in path.variables}
    np.savez(tmp_path / "path.npz", pictures=pictures, weights=weights, **stored)
    found, finite = json.loads(python(ON_JAX, tmp_path, KERAS_BACKEND="jax").rpartition("FOUND")[2])
    mean, log_var = path.encode(pictures, weights)
    for one, other in zip(found, (mean, log_var, path.decode(mean, weights)), strict=True):
        np.testing.assert_allclose(one, array(other), rtol=1e-3, atol=1e-4)
    assert finite


# ---------------------------------------------------------------------- all of it together


def rectangles(count: int, seed: int) -> np.ndarray:
    """Pictures (count, 16, 16, 3) of one bright rectangle each: sharp edges, which no linear model can know of."""
    random = np.random.default_rng(seed)
    row, column = np.indices((16, 16))
    top, left = random.integers(1, 8, (2, count, 1, 1))
    inside = (row >= top) & (row < top + 6) & (column >= left) & (column < left + 6)
    return np.float32(0.2 + 0.6 * inside[..., None] * random.random((count, 1, 1, 3)))


def test_one_model_learns_at_every_weight_at_once_in_a_few_steps():
    import tensorflow as tf

    from kvae.training.muon import Muon

    pictures, others = rectangles(200, 0), rectangles(40, 1)
    spectrum = fit_spectrum(lambda: [pictures], lead=60)
    path = SpectralPath((16, 16, 3), 2 + 16 * 16 * 3, 60, scales=2)
    path.assign_spectrum(spectrum)
    path.assign_texture(fit_texture(spectrum, lambda: [pictures], 2))
    encoder, decoder = encoder_correction(plan()), decoder_correction(plan())
    weights = [*encoder.trainable_variables, *decoder.trainable_variables, *path.trainable_variables]
    optimizer, noise = Muon(2e-3), tf.random.Generator.from_seed(0)
    optimizer.build(weights)

    def losses(images, kl_weight):
        mean, log_var = path.encode(corrected(path, encoder, images, kl_weight), kl_weight)
        latents = mean + ops.exp(0.5 * log_var) * noise.normal(ops.shape(mean))
        image = corrected(path, decoder, path.decode(latents, kl_weight), kl_weight)
        rate = 0.5 * ops.sum(mean**2 + ops.exp(log_var) - 1 - log_var, axis=1)
        return ops.sum((image - images) ** 2, axis=(1, 2, 3)) + kl_weight * rate

    def at(kl_weight):
        return float(np.mean([array(losses(others, np.full(40, kl_weight, "float32"))).mean() for _ in range(4)]))

    @tf.function
    def step(images):
        kl_weight = tf.exp(noise.uniform((20,), np.log(0.01), 0.0))
        with tf.GradientTape() as tape:
            value = tf.reduce_mean(losses(images, kl_weight) / path.error(kl_weight)[:, 0, 0, 0])
        optimizer.apply(tape.gradient(value, [one.value for one in weights]))

    before = [at(weight) for weight in (0.01, 0.1, 1.0)]
    for number in range(80):
        step(ops.convert_to_tensor(pictures[20 * (number % 10) :][:20]))
    after = [at(weight) for weight in (0.01, 0.1, 1.0)]
    assert all(new < 0.97 * old for new, old in zip(after, before, strict=True)), (before, after)
