"""What is said of grids, seeds and numbers of latents is true of the numbers."""

import math

import numpy as np
import pytest

from kvae.figures import LatentLimit, Part, SweepRun, draw_sweep, mean_of
from kvae.figures.grid_wording import (
    TOLERANCE,
    enough_latents,
    grid_conclusion,
    grid_findings,
    grid_heading,
    latent_sentences,
    latent_series,
)
from kvae.figures.wording import row


def made(weight, distortion, rate, latents=8, *, calibrated=0.02, limit=False, axes=None, **more):
    settings = {"latent_dim": f"{latents} latents"} if axes is None else axes
    name = ", ".join([f"KL weight {weight:g}", *settings.values()])
    return SweepRun(
        name, weight, distortion, rate, distortion + weight * rate, 20.0, 3, latents, math.sqrt(weight / 2), calibrated,
        gaussian_limit=limit, settings={} if limit else settings, **more,
    )  # fmt: skip


def counts(weight, losses):
    """Runs at `weight` whose loss is that of each number of latents."""
    return [made(weight, loss - weight * 5.0, 5.0, count) for count, loss in losses.items()]


def limit(weight, eigenvalues, latents):
    places = np.array(latents)
    return LatentLimit(
        weight, places, 1.0 / places, 1.0 * places, int(np.sum(np.array(eigenvalues) > weight / 2)),
        2.0 * np.array(eigenvalues)[places - 1],
    )  # fmt: skip


EIGENVALUES = [4.0 / place**2 for place in range(1, 65)]


def test_the_least_number_of_latents_is_named_from_which_more_help_by_a_hundredth_at_most():
    runs = counts(1.0, {2: 100.0, 8: 80.0, 32: 79.5, 64: 79.4})
    (said,) = latent_sentences(runs, [limit(1.0, EIGENVALUES, [2, 8, 32, 64])])
    assert said.startswith(
        "At weight 1, 8 latents are enough: L is 80, against 100 with 2, and with more it is at most 0.8% lower."
    )
    assert "The Gaussian limit uses 2 at this weight" in said, "4 and 1 are above β/2 = 0.5, 4/9 is not"
    opening = 2 * 4.0 / 64**2
    assert said.endswith(f"Further ones stay unused; 64 are all in use only below weight {opening:.3g}.")


def test_where_the_most_latents_still_help_it_is_said():
    runs = counts(0.01, {2: 100.0, 8: 80.0, 32: 60.0})
    (said,) = latent_sentences(runs, [limit(0.01, EIGENVALUES, [2, 8, 16])])
    assert said.startswith("At weight 0.01, L still falls with the most latents tried: 80 with 8, 60 with 32.")
    assert "uses 28 at this weight" in said and "unused" not in said


@pytest.mark.parametrize("losses", [{2: 50.0, 8: 50.0}, {2: 50.0, 8: 51.0, 32: 60.0}])
def test_more_latents_that_do_not_help_are_said_to_be_no_help(losses):
    (said,) = latent_sentences(counts(1.0, losses), [])
    assert said == "At weight 1, 2 latents are enough: L is 50, and with more it is no lower."


@pytest.mark.parametrize("seed", range(5))
def test_enough_is_the_first_number_that_none_beats_by_more_than_the_tolerance(seed):
    losses = np.random.default_rng(seed).uniform(95, 105, 7)
    row_of = counts(1.0, dict(zip((1, 2, 4, 8, 16, 32, 64), losses, strict=True)))
    place = enough_latents(row_of)
    beaten = [any(later < (1 - TOLERANCE) * loss for later in losses[at:]) for at, loss in enumerate(losses)]
    assert not beaten[place] and all(beaten[:place])


def test_numbers_of_latents_are_compared_at_one_weight_and_with_all_else_equal():
    runs = counts(1.0, {2: 100.0, 8: 80.0}) + counts(0.1, {8: 50.0}) + [made(1.0, 9.0, 1.0, axes={"depth": "depth 2"})]
    assert {key: [run.latent_dim for run in found] for key, found in latent_series(runs).items()} == {(1.0, ""): [2, 8]}
    geco = [
        made(1.0, 9.0 - count, 1.0, count, axes={"latent_dim": f"{count} latents", "weighting": "weighting geco"})
        for count in (2, 4)
    ]
    assert set(latent_series([*runs, *geco])) == {(1.0, ""), (1.0, "weighting geco")}
    assert any(said.startswith("At weight 1 with weighting geco, L still falls") for said in latent_sentences(geco, []))


def test_the_heading_of_a_grid_names_the_setting_of_the_best_bound():
    runs = [made(1.0, 50.0, 10.0, 8), made(0.1, 20.0, 30.0, 8), made(0.1, 19.0, 400.0, 64)]
    best = min(runs, key=lambda run: run.bits)
    assert grid_heading(runs).startswith(f"Of 3 settings, {best.name} describes the pictures best: {best.bits:.2f}")
    assert "level" not in grid_heading(runs)
    assert grid_heading([*runs, made(0.1, best.distortion, best.rate, 2)]).endswith("dimension, level with 1 other")
    alike = [made(1.0, 50.0, 10.0, 8), made(1.0, 50.0, 10.0, 16)]
    assert grid_heading(alike).startswith("These 2 settings describe the pictures equally well")
    assert grid_heading([made(0.1, math.nan, math.nan, 2), made(1.0, math.nan, 1.0, 4)]).startswith("No run")


def test_settings_are_compared_where_all_else_is_equal():
    def at(weight, distortion, network, limit=False):
        return made(weight, distortion, 10.0, axes={"network": f"network {network}"}, limit=limit)

    runs = [
        at(1, 90, "conv"),
        at(1, 81, "residual"),
        at(0.1, 39, "conv"),
        at(0.1, 37, "residual"),
        at(9, 1, "residual"),
    ]
    told = " ".join(grid_findings([*runs, made(1, 80, 10.0, limit=True)]))
    # of D 81/90 and 37/39, of L 91/100 and 38/40; R is the same; the weight 9 has no pair
    assert "With network residual instead of network conv, all else equal (2 pairs of runs): " in told
    assert "D −10% to −5%, R level, L −9% to −5%" in told
    assert "L ended between +1% (KL weight 1, network residual) and +11% (KL weight 1, network conv)." in told
    assert told.count("Scaling the KL term") == 1 and "β = 9 is" in told and told.count("β = 1 is") == 1


def seeds(weight, distortions):
    return mean_of([made(weight, one, 5.0, axes={}) for one in distortions], f"KL weight {weight:g}")


def test_a_mean_over_seeds_has_its_standard_deviation_in_the_table():
    mean = seeds(1.0, [10.0, 12.0, 14.0])
    assert (mean.distortion, mean.seeds, mean.kl_weight) == (12.0, 3, 1.0)
    assert mean.spread["distortion"] == pytest.approx(2.0) and mean.spread["rate"] == 0.0
    assert row(mean)["D"] == "12.0 ± 2" and row(mean)["R"] == "5.0 ± 0"
    alone = mean_of([made(1.0, 10.0, 5.0)], "one")
    assert (alone.name, alone.seeds, alone.spread) == ("one", 1, {}) and row(alone)["D"] == "10.0"


def test_seeds_are_said_and_whether_weights_differ_by_more_than_they_do():
    apart = [seeds(1.0, [99.0, 101.0]), seeds(0.1, [49.0, 51.0])]
    told = grid_findings(apart)
    assert "over 2 seeds" in " ".join(told) and "KL weight 0.1: 50.5 ± 1.4." in " ".join(told)
    assert told[-1] == "Neighbouring weights differ by more than chance: D at weights 1 and 0.1, the closest, by 50."
    close = [seeds(1.0, [99.0, 101.0]), seeds(0.1, [97.0, 103.0])]
    assert (
        grid_findings(close)[-1] == "D at weights 1 and 0.1 differs by 0, which is no more than seeds make it differ."
    )


def test_a_sweep_over_weights_alone_is_told_as_ever():
    runs = [made(1.0, 200, 10, axes={}), made(0.1, 100, 60, axes={})]
    assert grid_heading(runs).startswith("KL weight 0.1 rebuilds the pictures best: 50% less distortion")
    assert len(grid_conclusion(runs, [])) == 2


def test_a_grid_with_seeds_latents_and_a_lost_trial_draws(tmp_path):
    weights, latents = (1.0, 0.1), (2, 8, 32)
    runs = [
        mean_of([made(w, 100 / n + 20 * w + seed, 3.0 * n, n) for seed in (0, 1)], f"KL weight {w:g}, {n} latents")
        for w in weights
        for n in latents
    ]
    lost = made(3.0, math.nan, math.nan, 2, failure="it <b>diverged</b>")
    part = Part(
        "sixty pictures", [*runs, lost], latents=[limit(w, EIGENVALUES, [2, 8, 32]) for w in weights],
        trials=[(run, "done") for run in runs] + [(lost, "diverged")],
    )  # fmt: skip
    draw_sweep(tmp_path / "a.png", tmp_path / "a.html", [part, part], scale=1)
    page = (tmp_path / "a.html").read_text("utf-8")
    assert page.count("How many latents help") == 2 and "it &lt;b&gt;diverged&lt;/b&gt;" in page
    assert "<td>diverged</td>" in page and "± 0.71" in page and ">nan" not in page.lower()
