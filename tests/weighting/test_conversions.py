"""The KL weight as noise, and other tools' weights as ours: the published factors."""

import math
from pathlib import Path

import numpy as np
import pytest

import kvae
from kvae.weighting.conversions import calibrated_weight, decoder_noise, kl_weight_from
from kvae.weighting.tools import BAYESIAN, TOOLS, markdown

SHAPE, LATENT = (64, 64, 3), 128


@pytest.mark.parametrize(
    ("weight", "reduction", "ours"),
    [
        (0.4, "sum", 0.4),
        (1.0, "half-sum", 2.0),
        (0.00025, "mean", 3.072),
        (1.0, "mean-mean", 96.0),
        (0.5, "mean-channels", 1.5),
    ],
)
def test_a_weight_of_another_tool_is_the_published_factor_times_it(weight, reduction, ours):
    assert kl_weight_from(weight, reduction=reduction, image_shape=SHAPE, latent_dim=LATENT) == pytest.approx(ours)


# each tool's own loss of one picture, as its source writes it, from errors (h, w, c) of pixels in [0, 1] and the
# latents' mean and log-variance (latent,), and what it is times ours
def kl(mean, log_var):
    return -0.5 * (1 + log_var - mean**2 - np.exp(log_var))


LN2, HEIGHT, WIDTH, CHANNELS = math.log(2), 6, 5, 3
VALUES = HEIGHT * WIDTH * CHANNELS
LOSSES = {
    "sum": lambda error, mean, log_var, w: (error**2).sum() + w * kl(mean, log_var).sum(),
    "half-sum": lambda error, mean, log_var, w: 0.5 * (error**2).sum() + w * kl(mean, log_var).sum(),
    "mean": lambda error, mean, log_var, w: (error**2).mean() + w * kl(mean, log_var).sum(),
    "mean-mean": lambda error, mean, log_var, w: (error**2).mean() + w * kl(mean, log_var).mean(),
    "mean-channels": lambda error, mean, log_var, w: (error**2).mean(-1).sum() + w * kl(mean, log_var).sum(),
    "sigma": lambda error, mean, log_var, w: (error**2).sum() / (2 * w**2) + kl(mean, log_var).sum(),
    "pytorch-vae": lambda error, mean, log_var, w: (error**2).mean() + w * kl(mean, log_var).sum(),
    "pythae": lambda error, mean, log_var, w: 0.5 * (error**2).sum() + w * kl(mean, log_var).sum(),
    "disent": lambda error, mean, log_var, w: (error**2).mean() + w * kl(mean, log_var).mean(),
    "keras-book-mse": lambda error, mean, log_var, w: (
        (error**2).mean() - w * (1 + log_var - mean**2 - np.exp(log_var)).mean()
    ),
    "compressai": lambda error, mean, log_var, w: (
        w * 255**2 * (error**2).mean() + kl(mean, log_var).sum() / (LN2 * HEIGHT * WIDTH)
    ),
    "qarv": lambda error, mean, log_var, w: kl(mean, log_var).sum() / VALUES + w * ((2 * error) ** 2).mean(),
}


def test_every_tool_of_squared_error_is_held_to_its_own_loss():
    assert set(LOSSES) == {
        name for name, tool in TOOLS.items() if tool.convert is not None and tool.likelihood == "squared-error"
    }


@pytest.mark.parametrize("name", LOSSES)
def test_our_loss_at_the_converted_weight_is_a_multiple_of_the_tool_s_own(name):
    random = np.random.default_rng(6)
    ours = kl_weight_from(0.7, reduction=name, image_shape=(HEIGHT, WIDTH, CHANNELS), latent_dim=10)
    factors = []
    for _ in range(3):
        error, mean, log_var = random.random((HEIGHT, WIDTH, CHANNELS)), *random.standard_normal((2, 10))
        own = (error**2).sum() + ours * kl(mean, log_var).sum()
        factors.append(LOSSES[name](error, mean, log_var, 0.7) / own)
    assert factors == pytest.approx([factors[0]] * 3)


def test_a_tool_asks_for_the_sizes_that_it_uses():
    for name, tool in TOOLS.items():
        if tool.convert is not None:
            sizes = {"values": 12288, "channels": 3, "latents": 128}
            needed = {size: sizes[size] for size in tool.needs}
            assert tool.convert(0.5, needed) == tool.convert(0.5, sizes), name
            for size in tool.needs:
                assert tool.convert(0.5, {**sizes, size: 7}) != tool.convert(0.5, sizes), name


@pytest.mark.parametrize("name", [name for name, tool in TOOLS.items() if tool.likelihood == "bernoulli"])
def test_cross_entropy_has_no_factor_and_the_error_says_what_to_do(name):
    with pytest.raises(ValueError, match="no factor exists. Train with likelihood='bernoulli' instead. Received"):
        kl_weight_from(1.0, reduction=name, image_shape=SHAPE, latent_dim=LATENT)


def test_the_cross_entropy_tools_are_multiples_of_ours_under_the_likelihood_bernoulli():
    random = np.random.default_rng(7)
    entropy, mean, log_var = random.random((HEIGHT, WIDTH, CHANNELS)), *random.standard_normal((2, 10))
    sizes, rate = {"values": VALUES, "channels": CHANNELS, "latents": 10}, kl(mean, log_var).sum()
    own = {
        "bce": entropy.sum() + 0.7 * rate,
        "keras-example": entropy.mean(-1).sum() + 0.7 * rate,
        "keras-book": entropy.mean() - 0.7 * (1 + log_var - mean**2 - np.exp(log_var)).mean(),
    }
    scale = {"bce": 1, "keras-example": CHANNELS, "keras-book": VALUES}
    for name, loss in own.items():
        ours = entropy.sum() + TOOLS[name].convert(0.7, sizes) * rate
        assert scale[name] * loss == pytest.approx(ours), name


def test_a_weight_that_divides_must_not_be_0():
    with pytest.raises(ValueError, match="`weight` must be above 0 here. Received: weight=0"):
        kl_weight_from(0.0, reduction="qarv", image_shape=SHAPE, latent_dim=LATENT)


def test_the_page_of_weights_has_the_table_of_the_tools():
    page = Path(kvae.__file__).parents[1] / "docs" / "weights.md"
    text = page.read_text(encoding="utf-8")
    assert markdown() in text and markdown(BAYESIAN, "λ") in text


def test_an_unknown_reduction_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"one of sum, half-sum, mean.*Received: reduction='mse'"):
        kl_weight_from(1.0, reduction="mse", image_shape=SHAPE, latent_dim=LATENT)


def test_the_weight_is_twice_the_squared_noise():
    assert decoder_noise(1.0) == pytest.approx(0.7071, abs=1e-4)
    assert decoder_noise(0.1) == pytest.approx(0.2236, abs=1e-4)
    assert decoder_noise(0.0) == 0.0
    for weight in (1e-4, 0.3, 7.0):
        assert 2 * decoder_noise(weight) ** 2 == pytest.approx(weight)


def test_the_calibrated_weight_is_twice_the_error_per_value():
    assert calibrated_weight(0.015 * 12288, 12288) == pytest.approx(0.03)
    # its noise is the root mean squared error
    assert decoder_noise(calibrated_weight(300.0, 12288)) == pytest.approx(math.sqrt(300.0 / 12288))


def test_the_calibrated_noise_makes_the_reconstructions_most_likely():
    distortion, values = 40.0, 768

    def nll(weight: float) -> float:
        variance = decoder_noise(weight) ** 2
        return distortion / (2 * variance) + values / 2 * math.log(2 * math.pi * variance)

    best = calibrated_weight(distortion, values)
    assert all(nll(best) < nll(best * factor) for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0))


@pytest.mark.parametrize("name", BAYESIAN)
def test_a_bayesian_networks_loss_is_ours_at_the_weight_that_is_told(name):
    # ours is NLL + λ·KL/M
    nll, kl, w = 1.7, 340.0, 0.3
    sizes = {"examples": 500, "batch": 20, "weights": 64}
    theirs = {
        "tfp": nll + w * kl,
        "blitz": nll + w * kl,
        "torchbnn": nll + w * kl / sizes["weights"],
        "bayesian-torch": nll + w * kl / (sizes["batch"] * sizes["weights"]),
        "laplace-torch": nll + w * kl / sizes["examples"],
    }
    assert nll + BAYESIAN[name].convert(w, sizes) * kl / sizes["examples"] == pytest.approx(theirs[name])
