"""`kvae-weight`: another tool's weight in ours, what it implies, and whether it means collapse."""

import json

import numpy as np
import pytest

from kvae.cli.weight import main
from kvae.images.pca import fit_pca
from kvae.weighting.tools import BAYESIAN, TOOLS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("0.00025 --from pytorch-vae --size 64 --channels 3", ["--kl-weight 3.072", "σ 1.24: ", "12,288 in ours"]),
        ("4 --from pythae", ["--kl-weight 8", "σ 2: "]),
        ("0.003 --from disent --latent-dim 9", ["--kl-weight 4.096"]),
        ("0.013 --from compressai", ["--kl-weight 0.00512002", "a larger weight is a smaller β"]),
        ("2048 --from qarv", ["--kl-weight 0.00012207"]),
        ("0.2 --from sigma", ["--kl-weight 0.08", "off by 20% of"]),
        ("5e-4 --from keras-book --latent-dim 2 --size 28 --channels 1", ["--likelihood bernoulli --kl-weight 0.392"]),
        ("1 --from keras-example", ["no factor turns cross-entropy into squared error", "--kl-weight 3, the evidence"]),
        ("0 --from sum", ["--kl-weight 0", "off by 0% of"]),
        ("1 --from tfp --examples 50000", ["kl_weight=50000), a warm posterior", "Bayes is weight 2e-05 there"]),
        ("2e-5 --from tfp --examples 50000", ["kl_weight=1), Bayes."]),
        ("1 --from bayesian-torch --examples 500 --batch 10 --weights 100", ["kl_weight=0.5), a cold posterior"]),
    ],
)
def test_a_weight_is_told_in_ours_with_what_it_implies(arguments, said, capsys):
    assert main(arguments.split()) == 0
    printed = capsys.readouterr().out
    assert [text for text in said if text not in printed] == []


def test_a_weight_that_kills_every_latent_of_the_pictures_at_hand_is_warned_of(folder, capsys):
    flags = ["--data", str(folder), "--size", "16", "--json"]
    assert main(["1", *flags]) == 0
    found = json.loads(capsys.readouterr().out)
    import kvae

    pictures = kvae.open_collection(folder, size=16)
    largest = fit_pca(lambda: [pictures.read(range(60))], 1).eigenvalues[0]
    assert found["collapse"] == pytest.approx(2 * largest, rel=1e-4) and not found["collapses"]
    assert 0 < found["active"] < 768 and found["kl_weight"] == 1.0 and found["count"] == 60
    for weight, dies in ((0.99 * found["collapse"], False), (1.01 * found["collapse"], True)):
        assert main([str(weight), *flags[:-1]]) == 0
        printed = capsys.readouterr().out
        assert ("WARNING: this weight means collapse" in printed) == dies
        assert f"every latent dies at β ≥ {found['collapse']:.3g} on these" in printed


def test_a_rate_in_bits_is_the_weight_at_which_the_gaussian_limit_has_it(folder, capsys):
    flags = ["--from", "bits-per-dim", "--data", str(folder), "--size", "16", "--json"]
    for bits in (0.05, 0.5):
        assert main([str(bits), *flags]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["rate"] == pytest.approx(bits * 768 * np.log(2), rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("", "the weight is missing, such as kvae-weight 0.00025"),
        ("x", "WEIGHT must be a number from 0 to 1e+15. Received: 'x'"),
        ("-1", "-1"),
        ("nan", "WEIGHT must be a number from 0"),
        ("3 --from disent", "--latent-dim is needed, as disent takes a mean over the latents"),
        ("0 --from qarv", "the weight must be above 0 for qarv. Received: 0."),
        ("0.5 --from bits-per-dim", "--data is needed, as a weight bits-per-dim depends on the pictures"),
        ("0 --from bits-per-dim --data {folder} --size 16", "the rate must be a number above 0"),
        ("1 --from tensorflow", "invalid choice"),
        ("1 --from tfp", "--examples is needed, as tfp divides by it or leaves it out"),
        (
            "1 --from torchbnn --examples 5 --weights 0",
            "--weights must be a whole number from 1 to 1e+15. Received: '0'",
        ),
        ("1 --data {folder}/nowhere", "There is no file or folder"),
        ("1 --from tfp --examples 9" + 400 * "9", "--examples must be a whole number from 1 to 1e+15."),
        ("1 --examples 5", "--examples has no effect with sum. Leave it out"),
        ("1 --from tfp --examples 5 --data {folder}", "--data has no effect with tfp"),
        ("1 --from pytorch-vae --latent-dim 3", "--latent-dim has no effect with pytorch-vae"),
        ("1 --data {folder} --channels 1", "--channels has no effect: the pictures of --data have theirs"),
        ("1e300 --from pytorch-vae", "WEIGHT must be a number from 0 to"),
        ("1 --size 5000", "--size must be a whole number from 16 to 512"),
    ],
)
def test_bad_input_ends_in_one_sentence(folder, capsys, arguments, sentence):
    try:
        code = main(arguments.format(folder=folder).split())
    except SystemExit as end:
        code = end.code
    captured = capsys.readouterr()
    assert code == 2 and captured.out == ""
    (error,) = [row for row in captured.err.splitlines() if row.startswith("kvae-weight: error: ")]
    assert sentence in error and "Traceback" not in captured.err


def test_every_tool_is_in_the_list(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["--list"]) == 0
    printed = capsys.readouterr().out
    assert [name for name in {**TOOLS, **BAYESIAN} if f"\n{name} " not in printed] == []
