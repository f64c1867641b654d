"""The study of Bayesian networks: its data, its measures, and what its page says of its numbers."""

from dataclasses import dataclass
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from kvae.bayes import study
from kvae.figures.bayes import bayes_findings, draw_bayes


@dataclass
class Found:
    weight: float
    seed: int
    log_likelihood: float
    kl: float
    covered: float = 0.9
    augmented: bool = False
    accuracy: float = 0.5
    calibration_error: float = 0.1
    mean: np.ndarray | None = None
    spread: np.ndarray | None = None
    scales: np.ndarray | None = None


def found(likelihoods: dict[float, tuple[float, float]], **more) -> list[Found]:
    return [
        Found(weight, seed, value, 100 / weight, **more)
        for weight, values in likelihoods.items()
        for seed, value in enumerate(values)
    ]


def test_the_line_has_its_noise_and_its_gap():
    line = study.wavy_line(seed=3)
    for inputs, targets in ((line.inputs, line.targets), (line.test_inputs, line.test_targets)):
        assert np.all((inputs < study.GAP[0]) | (inputs > study.GAP[1])) and np.abs(inputs).max() <= 1.0
        errors = targets - np.interp(inputs, line.grid, line.truth)
        assert errors.std() == pytest.approx(study.NOISE, rel=0.35)
    assert len(line.inputs) == study.EXAMPLES and len(line.test_inputs) == study.TESTED


def test_the_calibration_error_is_the_gap_of_confidence_and_accuracy():
    # always 80% sure of the first class, right in 5 of 10
    sure = np.tile([0.8, 0.2], (10, 1))
    assert study.calibration_error(sure, np.array([0, 1] * 5)) == pytest.approx(0.3)
    random = np.random.default_rng(0)
    shares = random.dirichlet(np.ones(4), 20_000)
    labels = (random.random((20_000, 1)) < shares.cumsum(1)).argmax(1)
    assert study.calibration_error(shares, labels) < 0.02


def test_a_low_weight_fits_the_line_whatever_was_fitted_before():
    line = study.wavy_line()
    first, again = study.fit_line(line, (0.05,), (1, 1), steps=400)
    np.testing.assert_allclose(first.mean, again.mean, atol=0.15)  # the noise of training goes on
    inside = (line.grid > -0.9) & (line.grid < study.GAP[0])
    assert np.sqrt(np.square(first.mean - line.truth)[inside].mean()) < 0.25 < np.std(line.truth[inside])
    assert first.kl > 0 and 0 < first.covered <= 1 and np.all(first.scales > 0)


@pytest.mark.slow
def test_the_classifier_learns_manners_that_it_never_saw(monkeypatch):
    monkeypatch.setattr(study, "PICTURES", 240)
    monkeypatch.setattr(study, "HELD_OUT", 80)
    plain, varied = study.classify((0.01,), (0,), epochs=40)
    assert (plain.augmented, varied.augmented) == (False, True)
    assert plain.accuracy > 2.5 / len(study.MANNERS) and plain.log_likelihood > -np.log(len(study.MANNERS))


def test_what_is_said_is_true_of_the_numbers():
    cold = found({0.1: (0.7, 0.8), 1.0: (0.1, 0.2), 10.0: (0.0, 0.0)})
    said = bayes_findings(cold, [])
    assert said[0] == (
        "On the wavy line the test log-likelihood is highest at weight 0.1, 0.75 nats, 0.60 above weight 1: "
        "a cold posterior is better here."
    )
    assert "From weight 0.1 to 10 the KL of the line's network falls from 1,000 to 10 nats" in said[1]
    unclear = bayes_findings(found({0.1: (0.1, 0.9), 1.0: (0.2, 0.3)}), [])
    assert "which these seeds cannot tell from weight 1 (0.25)" in unclear[0]
    bayes = bayes_findings(found({0.1: (0.1, 0.2), 1.0: (0.6, 0.7)}), [])
    assert bayes[0].endswith("at weight 1, 0.65 nats: Bayes, as it stands.")
    warm = bayes_findings(found({1.0: (0.1, 0.2), 10.0: (0.6, 0.7)}), found({1.0: (0.0,)}, augmented=True))
    assert "a warm posterior is better here" in warm[0] and "with varied pictures" in warm[1]


class Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attributes if name in ("src", "srcset", "href")]


def test_the_page_needs_nothing_else_and_holds_every_number(tmp_path):
    line = study.wavy_line()
    flat = np.zeros_like(line.grid)
    parts = {"mean": flat, "spread": flat + 0.1, "scales": np.array([0.2, 0.6, 1.0])}
    draw_bayes(
        tmp_path / "a.png", tmp_path / "a.html", line, found({0.1: (0.7, 0.8), 1.0: (0.1, 0.1)}, **parts),
        found({0.1: (-1.234, -1.234), 1.0: (-2.0, -2.1)}), noise=0.1, scale=1,
    )  # fmt: skip
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size[0] > 1000
    page = Reader((tmp_path / "a.html").read_text("utf-8"))
    assert page.addresses and all(address.startswith("data:image/png;base64,") for address in page.addresses)
    text = " ".join(page.words)
    assert "0.75 (0.70 to 0.80)" in text and "−1.23" in text.replace("-", "−") and "a cold posterior" in text
