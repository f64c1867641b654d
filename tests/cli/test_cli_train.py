"""`kvae-train`, as people and programs call it."""

import json
import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import kvae
from kvae.cli.train import main
from kvae.images.pipeline import training_batches
from kvae.settings import checked
from kvae.training.folder import RunFolder
from kvae.training.resume import noted_settings

LINE = {
    "epoch", "step", "distortion", "rate", "kl_weight", "loss", "val_distortion", "val_rate", "val_loss", "val_psnr",
    "images_per_second", "seconds",
    "gradient_distortion", "gradient_rate", "gradient_cosine", "gradient_share", "gradient_decoder",
}  # fmt: skip


@pytest.fixture
def undrawn(monkeypatch):
    monkeypatch.setattr("kvae.training.artifacts.draw_run", lambda *arguments, **options: None)


def lines(capsys) -> list[dict]:
    """What was printed on standard output, every line of which must be JSON without NaN."""
    output = capsys.readouterr().out.splitlines()

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in output]


# ---------------------------------------------------------------------- what it leaves and what it says


def test_a_folder_of_pictures_becomes_a_model_and_a_figure_told_in_json(small, tmp_path, capsys):
    path = tmp_path / "models" / "art.keras"
    assert main([*small, "--epochs", "2", "--output", str(path), "--json"]) == 0
    captured = capsys.readouterr()
    told = [json.loads(line) for line in captured.out.splitlines()]
    assert [set(line) for line in told[:-1]] == [LINE, LINE]
    assert [(line["epoch"], line["step"], line["kl_weight"]) for line in told[:-1]] == [(1, 4, 0.1), (2, 8, 0.1)]
    assert '"kl_weight": 0.1,' in captured.out
    for line in told[:-1]:
        assert line["loss"] == pytest.approx(line["distortion"] + 0.1 * line["rate"], rel=1e-5)
        assert line["val_loss"] == pytest.approx(line["val_distortion"] + 0.1 * line["val_rate"], rel=1e-5)
    assert told[-1]["model"] == str(path) and told[-1]["device"].startswith("cpu (")

    # the broken picture is left out, and it is said where the reason stands
    assert "mine: 60 usable, 1 skipped (reasons: " in captured.err
    report = captured.err.split("reasons: ")[1].split(")")[0]
    with open(report, encoding="utf-8") as text:
        assert "skipped\tbroken.png\t" in text.read()

    with Image.open(path.with_suffix(".png")) as figure:
        assert figure.format == "PNG"
    for opened in (kvae.load(path), keras.models.load_model(path)):
        assert opened.beta == 0.1 and opened.card["settings"]["epochs"] == 2
        assert opened.sample(2).shape == (2, 16, 16, 3)


def test_training_the_built_in_paintings_is_told_in_plain_lines_and_replaces_no_model(few_paintings, tmp_path, capsys):
    path = tmp_path / "art.keras"
    path.write_bytes(b"my model")
    flags = ["--size", "16", "--widths", "8", "--latent-dim", "4", "--batch-size", "32", "--epochs", "1"]
    assert main([*flags, "--output", str(path)]) == 0
    captured = capsys.readouterr()
    printed = captured.out.splitlines()
    assert printed[0] == "paintings: 96 usable" and "\x1b" not in captured.out
    epochs = [line for line in printed if line.startswith("epoch")]
    assert len(epochs) == 1
    for part in ("epoch   1  D ", "  R ", "  βR ", "  L ", "  β 0.1  σ 0.224  held out: D ", " dB  ", " images/s  "):
        assert part in epochs[0]
    assert printed[-2:] == [f"model {tmp_path / 'art-2.keras'}", f"figure {tmp_path / 'art-2.png'}"]
    assert printed[-3].startswith("held out: D ") and "Gaussian limit L " in printed[-3]
    assert path.read_bytes() == b"my model"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["art-2.keras", "art-2.png", "art.keras"]


def test_quiet_prints_nothing_at_all(small, undrawn, tmp_path, capfd):
    assert main([*small, "--output", str(tmp_path / "art"), "--quiet"]) == 0
    captured = capfd.readouterr()
    assert captured.out == "" and "kvae" not in captured.err and "epoch" not in captured.err
    assert (tmp_path / "art.keras").is_file()


def test_an_autoencoder_has_null_for_a_rate_in_json(small, undrawn, tmp_path, capsys):
    assert main([*small, "--output", str(tmp_path / "plain"), "--autoencoder", "--json"]) == 0
    epoch, last = lines(capsys)
    assert set(epoch) == LINE and epoch["rate"] is None and epoch["val_rate"] is None
    assert epoch["kl_weight"] == 0.0 and epoch["loss"] == pytest.approx(epoch["distortion"])
    assert kvae.load(last["model"]).autoencoder


def test_an_autoencoder_is_told_in_plain_lines_without_rate_and_weight(small, undrawn, tmp_path, capsys):
    assert main([*small, "--output", str(tmp_path / "plain"), "--autoencoder"]) == 0
    epoch = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch"))
    assert "held out: D " in epoch and not any(sign in epoch for sign in ("  R ", "β", "σ"))


def test_the_same_flags_twice_print_the_same_numbers(small, undrawn, tmp_path, capsys):
    told, weights = [], []
    for seed in ("7", "7", "8"):
        assert main([*small, "--output", str(tmp_path / "art"), "--seed", seed, "--json"]) == 0
        *epochs, last = lines(capsys)
        told.append([{k: v for k, v in line.items() if k not in ("seconds", "images_per_second")} for line in epochs])
        weights.append(kvae.load(last["model"]).get_weights())
    assert told[0] == told[1] != told[2]
    same = [all(np.array_equal(a, b) for a, b in zip(weights[0], other, strict=True)) for other in weights[1:]]
    assert same == [True, False]


# ---------------------------------------------------------------------- Ctrl-C, and going on


@pytest.fixture(scope="module", params=["SIGINT", "SIGTERM"])
def interrupted(request, folder, tmp_path_factory):
    """A run of very many epochs that gets a Ctrl-C, or is ended politely: its exit code, what it printed,
    its folder."""
    number = getattr(signal, request.param)
    place = tmp_path_factory.mktemp("interrupted")
    flags = [
        *("--data", str(folder), "--size", "16", "--network", "linear", "--latent-dim", "4", "--batch-size", "16"),
        *("--epochs", "100000", "--output", str(place / "art.keras"), "--no-augment"),
    ]
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(kvae.__file__))}
    process = subprocess.Popen(
        [sys.executable, "-m", "kvae.cli.train", *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        encoding="utf-8", env={**environment, "PYTHONIOENCODING": "utf-8"}, cwd=place,
    )  # fmt: skip
    try:
        printed = []
        while not printed or not printed[-1].startswith("epoch"):
            printed.append(process.stdout.readline())
            assert printed[-1], process.stderr.read()
        process.send_signal(number)
        rest, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    return process.returncode, "".join(printed) + rest, errors, place


def test_a_signal_saves_the_model_and_says_how_to_go_on(interrupted):
    code, printed, errors, place = interrupted
    assert code in (130, 143) and "Traceback" not in errors
    assert "stopping after this batch; the model is saved." in printed
    assert f"stopped early; to go on: kvae-train --resume {place / 'art.keras'}\n" in printed
    assert sorted(one.name for one in place.iterdir()) == ["art.keras", "art.png"]
    card = kvae.load(place / "art.keras").card
    assert card["step"] == card["steps"]["step"][-1] or len(card["steps"]["step"]) > 1000
    assert card["step"] == card["history"]["step"][-1]


def test_resume_goes_on_from_where_ctrl_c_ended(interrupted, undrawn, tmp_path, capsys):
    path = interrupted[3] / "art.keras"
    before = kvae.load(path)
    step = before.card["step"]
    epochs = step // 4 + 2
    assert main(["--resume", str(path), "--epochs", str(epochs), "--kl-weight", "5", "--json",
                 "--output", str(tmp_path / "on.keras")]) == 0  # fmt: skip
    *told, last = lines(capsys)
    assert told[0]["step"] == 4 * (step // 4) + 4 and told[-1]["step"] == 4 * epochs
    assert {line["kl_weight"] for line in told} == {5.0}
    after = kvae.load(last["model"])
    assert after.beta == 5.0 and int(after.optimizer.iterations) == 4 * epochs
    earlier = len(before.card["history"]["step"])
    assert after.card["history"]["loss"][:earlier] == before.card["history"]["loss"]
    assert after.card["history"]["step"][earlier:] == [line["step"] for line in told]
    kept = {**before.card["settings"], "epochs": epochs, "kl_weight": 5.0}
    assert after.card["settings"] == kept

    # once it is finished, there is nothing to go on with
    assert main(["--resume", last["model"], "--output", str(tmp_path / "more.keras")]) == 2
    error = capsys.readouterr().err
    assert f"already been trained for {epochs} epochs. Ask for more, such as --epochs {2 * epochs}." in error
    assert not (tmp_path / "more.keras").exists()


def test_a_changed_network_is_refused_on_resuming(interrupted, tmp_path, capsys):
    path = str(interrupted[3] / "art.keras")
    for flags, name in (
        (["--network", "conv"], "network"),
        (["--latent-dim", "5"], "latent_dim"),
        (["--size", "32"], "size"),
    ):
        assert main(["--resume", path, *flags, "--output", str(tmp_path / "on.keras")]) == 2
        expected = (
            f"kvae-train: error: resume: `{name}` is part of the model and cannot change. Train a new one for that."
        )
        assert capsys.readouterr().err.splitlines()[-1] == expected
    assert main(["--resume", path, "--epochs", "9", "--from", "starter", "--output", str(tmp_path / "on.keras")]) == 2
    assert "`from` has no effect: a run that goes on has its networks" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("began", [False, True])
def test_an_end_at_once_says_what_is_left(small, tmp_path, capsys, monkeypatch, began):
    def ended(*arguments, listener, **options):
        listener.running = began
        raise KeyboardInterrupt

    monkeypatch.setattr("kvae.training.run.train", ended)
    assert main([*small, "--output", str(tmp_path / "art")]) == 130
    captured = capsys.readouterr()
    nothing = "kvae-train: interrupted before training began; nothing was written.\n"
    assert (captured.err == nothing) == (not began)
    assert captured.err.startswith("kvae-train: interrupted") and captured.err.count("\n") == 1


# ---------------------------------------------------------------------- an end without a model


@pytest.fixture
def every_step(monkeypatch):
    """Every step has its checkpoint."""
    monkeypatch.setattr("kvae.training.checkpoint.SPACING", 0.0)
    monkeypatch.setattr("kvae.training.checkpoint.BUDGET", 1e9)


@pytest.fixture
def full(monkeypatch):
    """`full(True)`: no model can be written any more."""

    def save(*arguments, **options):
        raise OSError(28, "No space left on device")

    def turn(on):
        if on:
            monkeypatch.setattr("kvae.training.artifacts.save", save)
        else:
            monkeypatch.setattr("kvae.training.artifacts.save", kvae.save)

    return turn


def test_a_full_disk_at_the_end_keeps_the_run_and_says_how_to_go_on(small, undrawn, tmp_path, capsys, full):
    path = tmp_path / "art.keras"
    full(True)
    assert main([*small, "--epochs", "2", "--output", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"kvae-train: error: output: {path} could not be written: the disk is full. Free some space or choose "
        f"another folder. The run is kept up to step 8: kvae-train --resume {path} goes on.\n"
    )
    assert sorted(one.name for one in tmp_path.rglob("*")) == [".art.run", "checkpoint-000000008", "lock", "settings"]

    # a new run of that name leaves it alone
    full(False)
    assert main([*small, "--output", str(path)]) == 0
    printed = capsys.readouterr().out
    assert (
        f"{path} was interrupted at step 8; kvae-train --resume {path} goes on with it. This run takes the next name\n"
    ) in printed and f"model {tmp_path / 'art-2.keras'}" in printed

    # the folder of the run names it as well as its model does
    assert main(["--resume", str(tmp_path / ".art.run")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("going on from step 8 of the run that was interrupted\n")
    assert f"model {path}\n" in printed
    assert sorted(one.name for one in tmp_path.iterdir()) == ["art-2.keras", "art.keras"]
    card = kvae.load(path).card
    assert card["step"] == 8 and card["history"]["step"] == [4, 8]


def test_a_disk_that_is_full_for_a_while_costs_a_sentence_and_the_run_goes_on(
    small, undrawn, tmp_path, capsys, every_step, monkeypatch
):
    import kvae.training.folder as folder

    steps, write = [], folder.write_arrays

    def failing(path, about, arrays, **options):
        steps.append(int(path.name[-9:]))
        if 3 <= steps[-1] <= 5:
            raise OSError(28, "No space left on device")
        write(path, about, arrays, **options)

    monkeypatch.setattr(folder, "write_arrays", failing)
    assert main([*small, "--epochs", "3", "--output", str(tmp_path / "art.keras"), "--json"]) == 0
    assert steps == [*range(1, 11)] or steps == [*range(1, 12)]
    told = [line for line in capsys.readouterr().err.splitlines() if "checkpoint" in line]
    assert told == [
        f"{tmp_path / '.art.run' / 'checkpoint-000000003'} could not be written: the disk is full. "
        "Free some space or choose another folder. That of step 2 is still there, and the run goes on."
    ]


def test_ctrl_c_twice_ends_at_once_and_keeps_the_run(small, tmp_path, capsys, monkeypatch):
    def interrupting(*arguments, **options):
        raise KeyboardInterrupt

    path = tmp_path / "art.keras"
    monkeypatch.setattr("kvae.training.artifacts.draw_run", interrupting)
    monkeypatch.setattr("kvae.training.artifacts.save", interrupting)
    assert main([*small, "--output", str(path)]) == 130
    assert capsys.readouterr().err == (
        "kvae-train: interrupted while a model was being measured and saved; what was complete before is kept. "
        f"kvae-train --resume {path} goes on from step 4.\n"
    )
    assert [one.name for one in tmp_path.iterdir()] == [".art.run"]


def test_pictures_that_changed_since_are_said_and_networks_cannot_change(
    small, undrawn, folder, tmp_path, capsys, full
):
    path = tmp_path / "art.keras"
    full(True)
    assert main([*small, "--epochs", "2", "--output", str(path)]) == 2
    full(False)
    for number, name in enumerate(("00", "01", "02")):
        Image.new("RGB", (20, 20), (number, 200, 9)).save(tmp_path / f"{name}.png")
    more = tmp_path / "more"
    more.mkdir()
    for one in [*sorted(folder.glob("*.png"))[:50], *tmp_path.glob("*.png")]:
        (more / one.name).write_bytes(one.read_bytes())
    assert main(["--resume", str(path), "--latent-dim", "9"]) == 2
    assert "`latent_dim` is part of the model and cannot change" in capsys.readouterr().err
    assert main(["--resume", str(path), "--data", str(more), "--epochs", "4"]) == 0
    assert "the pictures are not those that this model was trained on before\n" in capsys.readouterr().out
    assert path.is_file() and not (tmp_path / ".art.run").exists()


def test_a_run_that_another_process_trains_is_refused_and_its_name_left_to_it(small, undrawn, tmp_path, capsys, full):
    path = tmp_path / "art.keras"
    full(True)
    assert main([*small, "--output", str(path)]) == 2
    full(False)
    capsys.readouterr()
    code = (
        "import sys; from kvae.training.folder import RunFolder; assert RunFolder(sys.argv[1]).take(); "
        "print(1, flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(kvae.__file__))}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / ".art.run")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=environment,
    ) as other:  # fmt: skip
        assert other.stdout.readline() == b"1\n"
        assert main(["--resume", str(path)]) == 2
        assert capsys.readouterr().err == (
            f"kvae-train: error: resume: process {other.pid} is training {path}. Wait until it ends, or end it first.\n"
        )
        assert main([*small, "--output", str(path)]) == 0
        printed = capsys.readouterr().out
        assert f"{path} is being trained by process {other.pid}; this run takes the next name\n" in printed
        other.stdin.close()
    assert main(["--resume", str(path)]) == 0 and path.is_file()


def test_no_checkpoint_that_is_whole_is_said(small, undrawn, tmp_path, capsys, full):
    path = tmp_path / "art.keras"
    full(True)
    assert main([*small, "--output", str(path)]) == 2
    capsys.readouterr()
    (checkpoint,) = (tmp_path / ".art.run").glob("checkpoint-*")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    assert main(["--resume", str(path)]) == 2
    captured = capsys.readouterr()
    assert f"{checkpoint} is left out: {checkpoint.name} is torn: its end is missing.\n" in captured.out
    assert captured.err == (
        "kvae-train: error: resume: .art.run holds no checkpoint that is whole. Remove that folder and train anew.\n"
    )


# ------------------------------------------------------------ an end before the first checkpoint, or after the model


def cut_off_early(path, **settings) -> None:
    """What `kill -9` leaves of a run that has no checkpoint yet."""
    folder = RunFolder.beside(path)
    assert folder.take()
    small = {"size": 16, "network": "conv", "widths": [8, 16], "latent_dim": 4, "batch_size": 16, "augment": False}
    folder.begin(noted_settings(checked({**small, **settings}), custom=False))
    os.close(folder._handle)


def test_a_run_that_was_cut_off_before_its_first_checkpoint_begins_anew(folder, undrawn, tmp_path, capsys):
    path = tmp_path / "art.keras"
    cut_off_early(path, data=str(folder), epochs=5)
    assert main(["--resume", str(path), "--epochs", "1"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{path} was cut off before its first checkpoint; it begins anew with its settings\n")
    assert [one.name for one in tmp_path.iterdir()] == ["art.keras"]
    settings = kvae.load(path).card["settings"]
    assert (settings["data"], settings["epochs"], settings["latent_dim"]) == (str(folder), 1, 4)


@pytest.mark.parametrize("data", ["/nowhere/pictures", "array"])
def test_pictures_that_are_gone_are_said_with_the_flag_that_names_others(folder, undrawn, tmp_path, capsys, data):
    path = tmp_path / "art.keras"
    cut_off_early(path, data=data, epochs=1)
    assert main(["--resume", str(path)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("kvae-train: error: resume: there are no pictures ") and told.count("\n") == 1
    assert told.endswith(" Name those that it was trained on with --data.\n")
    assert main(["--resume", str(path), "--data", str(folder)]) == 0


def test_resume_finds_relative_pictures_and_models_from_another_working_directory(
    folder, small, undrawn, tmp_path, capsys, monkeypatch
):
    (tmp_path / "here").symlink_to(folder)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main([*small, "--data", "here", "--output", "art.keras"]) == 0
    assert f"model {tmp_path / 'art.keras'}\n" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["--resume", "../art.keras", "--epochs", "2", "--output", "more"]) == 0
    card = kvae.load(tmp_path / "elsewhere" / "more.keras").card
    assert card["settings"]["data"] == str(tmp_path / "here") and card["step"] == 8


def test_the_built_in_paintings_stay_a_word(few_paintings, undrawn, tmp_path):
    path = tmp_path / "art.keras"
    flags = ["--size", "16", "--network", "linear", "--latent-dim", "4", "--output", str(path)]
    assert main(flags) == 0
    assert kvae.load(path).card["settings"]["data"] == "paintings"


def test_a_disk_that_is_full_for_the_figure_leaves_the_model_and_resume_draws_it(small, tmp_path, capsys, monkeypatch):
    from kvae.training import artifacts

    path, figure, draw = tmp_path / "art.keras", tmp_path / "art.png", artifacts.draw_run

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artifacts, "draw_run", full)
    told = (
        f"kvae-train: error: output: the model {path} is there, but its figure {figure} could not be written: the disk "
        f"is full. Free some space or choose another folder. Then kvae-train --resume {path} draws it.\n"
    )
    for flags in ([*small, "--output", str(path)], ["--resume", str(path)]):
        assert main(flags) == 2
        assert capsys.readouterr().err == told
        assert sorted(one.name for one in tmp_path.iterdir()) == [".art.run", "art.keras"]
    written = path.read_bytes()
    monkeypatch.setattr(artifacts, "draw_run", draw)
    assert main(["--resume", str(path), "--epochs", "9"]) == 2
    assert "Leave `epochs` out to draw it, and go on with training after that." in capsys.readouterr().err
    assert main(["--resume", str(path)]) == 0
    printed = capsys.readouterr().out
    assert f"{path} was written, and its run cut off before all else was; that is made up for\n" in printed
    assert printed.endswith(f"model {path}\nfigure {figure}\n") and path.read_bytes() == written
    assert sorted(one.name for one in tmp_path.iterdir()) == ["art.keras", "art.png"]
    with Image.open(figure) as drawn:
        assert drawn.format == "PNG"
    assert main(["--resume", str(path)]) == 2 and "has already been trained" in capsys.readouterr().err


def test_ctrl_c_while_the_figure_is_drawn_says_what_is_there(small, tmp_path, capsys, monkeypatch):
    def interrupting(*arguments, **options):
        raise KeyboardInterrupt

    path = tmp_path / "art.keras"
    monkeypatch.setattr("kvae.training.artifacts.draw_run", interrupting)
    assert main([*small, "--output", str(path)]) == 130
    assert capsys.readouterr().err.endswith(
        f" The model {path} is there; kvae-train --resume {path} draws its figure.\n"
    )
    assert sorted(one.name for one in tmp_path.iterdir()) == [".art.run", "art.keras"]


@pytest.mark.parametrize("place", ["/proc/nope", "{a file}", "{a file}/below"])
def test_a_cache_that_cannot_be_written_is_said_and_the_cure(small, tmp_path, capsys, monkeypatch, place):
    (tmp_path / "file").touch()
    place = place.replace("{a file}", str(tmp_path / "file"))
    monkeypatch.setenv("KVAE_CACHE", place)
    assert main([*small, "--output", str(tmp_path / "art.keras")]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"kvae-train: error: The cache folder {place} cannot be made (") and told.count("\n") == 1
    assert told.endswith(" Set KVAE_CACHE to a folder you may write to.\n")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("number", [13, 28, 30])
def test_a_cache_whose_disk_takes_nothing_is_said_and_the_cure(small, tmp_path, capsys, monkeypatch, number):
    def refused(*arguments, dir, **options):
        raise OSError(number, os.strerror(number), str(dir / ".x.part"))

    monkeypatch.setenv("KVAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("kvae.files.atomic.tempfile.mkstemp", refused)
    monkeypatch.setattr("kvae.training.run._begin", lambda *arguments, **options: None)
    assert main([*small, "--output", str(tmp_path / "art.keras")]) == 2
    assert capsys.readouterr().err == (
        f"kvae-train: error: The cache folder {tmp_path / 'cache'} could not be written to ({os.strerror(number)}). "
        "Set KVAE_CACHE to another folder, which you may write to and which has room.\n"
    )


# ---------------------------------------------------------------------- bad input


@pytest.fixture
def bad(tmp_path):
    """Things that are not what they are taken for."""
    place = tmp_path / "bad"
    (place / "empty").mkdir(parents=True)
    (place / "few").mkdir()
    for number in range(7):
        Image.new("RGB", (20, 20), (20 * number, 9, 9)).save(place / "few" / f"{number}.png")
    (place / "text.keras").write_text("a letter to my aunt")
    (place / "letter.txt").write_text("a letter to my aunt")
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(place / "custom.keras")
    whole = (place / "custom.keras").read_bytes()
    (place / "cut.keras").write_bytes(whole[: len(whole) // 2])
    return place


CASES = {
    "no such folder": (["--data", "{bad}/nowhere"], "There is no file or folder"),
    "an empty folder": (["--data", "{bad}/empty"], "No pictures found in"),
    "a file of no known kind": (["--data", "{bad}/letter.txt"], "is of no kind kvae reads"),
    "too few pictures": (["--data", "{bad}/few"], "few: there are 7 pictures to learn from, and at least 8 are needed"),
    "a negative weight": (["--kl-weight", "-1"], "--kl-weight must be a number from 0"),
    "a weight that is no number": (["--kl-weight", "nan"], "--kl-weight must be a number from 0"),
    "a weight that is a word": (["--kl-weight", "x"], "--kl-weight must be a number from 0"),
    "a size that cannot be halved": (["--size", "50"], "height and width must be multiples of 4"),
    "an odd size": (["--size", "17"], "height and width must be multiples of 4"),
    "an odd size and no widths": (
        ["--size", "50", "--network", "conv", "--widths-left-out"],
        "cannot be halved down",
    ),
    "a size that is too small": (["--size", "8"], "--size must be a whole number from 16 to 512 pixels"),
    "too many levels": (["--widths", "8", "8", "8", "8", "8"], "Choose such a size, or fewer `widths`."),
    "a width of nothing": (["--widths", "0"], "--widths must be a whole number from 1"),
    "endless digits": (["--epochs", "9" * 400], "--epochs must be a whole number"),
    "a file as the folder": (["--output", "{bad}/letter.txt/art.keras"], "cannot be written to"),
    "a file as the folder above": (["--output", "{bad}/letter.txt/deep/art.keras"], "cannot be written to"),
    "a folder as the file": (["--output", "{bad}/empty"], "is a folder. Name the file"),
    "another ending": (["--output", "{bad}/art.h5"], "a model's name ends in .keras"),
    "a name that is too long": (["--output", "{bad}/" + "x" * 300], "cannot be written to (File name too long)"),
    "a device as the file": (["--output", "/dev/null"], "/dev/null is nothing that a model can be kept in"),
    "a gpu that is not there": (["--device", "gpu"], "finds no GPU here. Use --device cpu"),
    "resuming from nothing": (["--resume", "{bad}/none.keras"], "There is no model file"),
    "resuming from a folder": (["--resume", "{bad}/empty"], "There is no model file"),
    "resuming from a text": (["--resume", "{bad}/text.keras"], "text.keras is damaged or not of this kind"),
    "resuming from half a file": (["--resume", "{bad}/cut.keras"], "cut.keras is damaged or cut off"),
    "resuming from another model": (["--resume", "{bad}/custom.keras"], "custom.keras was not made by kvae"),
    "an unknown flag": (["--beta", "3"], "there is no flag --beta. Did you mean --kl-weight?"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_ends_in_one_sentence_and_writes_nothing(case, small, bad, tmp_path, capsys, monkeypatch):
    flags, sentence = CASES[case]
    if case == "a gpu that is not there":
        monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [])
    if "--widths-left-out" in flags:
        flags, at = [flag for flag in flags if flag != "--widths-left-out"], small.index("--widths")
        small = small[:at] + small[at + 3 :]
    before = sorted(tmp_path.rglob("*"))
    flags = [*small, "--output", str(tmp_path / "new" / "art.keras"), *(flag.format(bad=bad) for flag in flags)]
    try:
        code = main(flags)
    except SystemExit as end:  # how argparse refuses
        code = end.code
    captured = capsys.readouterr()
    assert code == 2
    (error,) = [line for line in captured.err.splitlines() if line.startswith("kvae-train: error: ")]
    assert sentence in error and captured.err.endswith(error + "\n") and "Traceback" not in captured.err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture
def infinite_from(monkeypatch):
    """`infinite_from(step)`: pictures of a run are infinitely bright from that step on, `count` of them."""

    def patch(first, count=10**6):
        def broken(*arguments, start_step, **options):
            def one(step, pictures):
                wrong = (step + start_step >= first) & (step + start_step < first + count)
                return pictures / tf.cast(~wrong, tf.float32)

            return training_batches(*arguments, start_step=start_step, **options).enumerate().map(one)

        monkeypatch.setattr("kvae.training.loop.training_batches", broken)

    return patch


def test_a_step_that_leaves_the_finite_numbers_changes_nothing_and_the_run_goes_on(
    small, undrawn, tmp_path, capsys, infinite_from
):
    infinite_from(2, 1)
    assert main([*small, "--epochs", "2", "--output", str(tmp_path / "art.keras"), "--json"]) == 0
    captured = capsys.readouterr()
    assert "the distortion was no finite number at step 3; such a step changes nothing\n" in captured.err
    assert "1 of 8 steps were left out, as they were no finite numbers\n" in captured.err
    first, second, _ = (json.loads(line) for line in captured.out.splitlines())
    assert np.isfinite([first["loss"], second["loss"]]).all() and first["step"] == 4
    card = kvae.load(tmp_path / "art.keras").card
    assert card["steps"]["step"] == [1, 2, 4, 5, 6, 7, 8]


def test_a_run_that_leaves_the_finite_numbers_for_good_ends_with_the_last_good_model(
    small, undrawn, tmp_path, capsys, infinite_from, monkeypatch
):
    monkeypatch.setattr("kvae.training.checkpoint.SPACING", 0.0)
    monkeypatch.setattr("kvae.training.checkpoint.BUDGET", 1e9)
    infinite_from(6)
    path = tmp_path / "art.keras"
    assert main([*small, "--epochs", "20", "--output", str(path), "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1] == (
        "kvae-train: error: training: the distortion was no finite number at step 7, nor was a step after it finite up "
        f"to 26. Try a smaller --learning-rate; the last good model, that of step 5, is {path}."
    )
    assert len(captured.out.splitlines()) == 1
    model = kvae.load(path)
    assert model.card["step"] == 5 and model.card["steps"]["step"] == [1, 2, 3, 4, 5]
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert [one.name for one in tmp_path.iterdir()] == ["art.keras"]
    monkeypatch.undo()
    monkeypatch.setattr("kvae.training.artifacts.draw_run", lambda *arguments, **options: None)
    assert main(["--resume", str(path), "--epochs", "2", "--output", str(tmp_path / "on"), "--quiet"]) == 0


def test_an_absurd_learning_rate_leaves_a_model_of_finite_numbers(small, undrawn, tmp_path, capsys):
    path = tmp_path / "art.keras"
    code = main([*small, "--epochs", "30", "--learning-rate", "1", "--output", str(path), "--quiet"])
    assert code in (0, 2) and "Traceback" not in capsys.readouterr().err
    model = kvae.load(path)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert np.isfinite(model.card["evaluated"]["loss"])


# ---------------------------------------------------------------------- help


def test_help_comes_without_tensorflow(python):
    code = """
import contextlib, io, sys
from kvae.cli import sweep, train
for command in (train, sweep):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        try:
            command.main(["--help"])
        except SystemExit as end:
            assert end.code == 0
    assert "--kl-weight" in text.getvalue()
heavy = {"tensorflow", "keras", "numpy", "matplotlib", "PIL"} & set(sys.modules)
print("HEAVY", sorted(heavy))
"""
    assert python(code).endswith("HEAVY []\n")


def test_the_last_lines_show_a_name_that_holds_codes_as_signs(linear, undrawn, tmp_path, capsys):
    assert main([*linear, "--output", str(tmp_path / "a\x1b[2Jb.keras")]) == 0
    printed = capsys.readouterr().out
    assert "\x1b[2J" not in printed and f"model {tmp_path}/a\u241b[2Jb.keras" in printed
    assert (tmp_path / "a\x1b[2Jb.keras").exists()
