"""How a run is told, and what Ctrl-C does to it, without a run."""

import io
import json
import os
import signal
from types import SimpleNamespace

import pytest

from kvae.cli import bayes, measure, weight
from kvae.cli.display import SIGNALS, Json, Live, Plain, Silent, display, epoch_line, soft_stop, terms
from kvae.quiet_imports import silence_stderr
from kvae.training.listener import Step

STEP = Step(12, 40.0, 8.0, 0.1, 40.8, 0.25, 900.0, 3.0)
RECORD = {
    "epoch": 3, "step": 12, "distortion": 40.0, "rate": 8.0, "kl_weight": 0.1, "loss": 40.8, "val_distortion": 44.0,
    "val_rate": 7.5, "val_loss": 44.75, "val_psnr": 17.25, "learning_rate": 1e-3, "images_per_second": 900.4,
    "seconds": 3.0,
}  # fmt: skip
PLAIN_RECORD = {**RECORD, "rate": None, "val_rate": None, "kl_weight": 0.0}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("as_json", "quiet", "terminal", "kind"),
    [
        (False, False, False, Plain),
        (False, False, True, Live),
        (False, True, True, Silent),
        (True, False, True, Json),
        (True, True, False, Json),
    ],
)
def test_the_display_fits_the_flags_and_where_the_output_leads(monkeypatch, as_json, quiet, terminal, kind):
    monkeypatch.setattr("sys.stdout", Terminal() if terminal else io.StringIO())
    made = display(as_json=as_json, quiet=quiet)
    made.close()
    assert type(made) is kind


def test_an_epoch_in_a_line_has_every_term_and_its_noise():
    assert epoch_line(RECORD) == (
        "epoch   3  D 40.0  R 8.0  βR 0.8  L 40.8  β 0.1  σ 0.224  "
        "held out: D 44.0  R 7.5  L 44.8  PSNR 17.25 dB  900 images/s  3 s"
    )
    assert epoch_line(PLAIN_RECORD) == "epoch   3  D 40.0  held out: D 44.0  PSNR 17.25 dB  900 images/s  3 s"


SPAN_RECORD = {
    **RECORD, "loss": 1.02, "val_loss_at_1": 79.04, "val_distortion_at_1": 60.3, "val_loss_at_0.01": 13.42,
    "val_loss_at_0.1": 36.0, "gradient_share": 0.5, "gradient_cosine": -0.9,
}  # fmt: skip


def test_an_epoch_of_a_range_tells_held_out_losses_and_no_mean_over_weights():
    assert epoch_line(SPAN_RECORD) == (
        "epoch   3  held out: L 13.4 at 0.01, 36.0 at 0.1, 79.0 at 1  PSNR 17.25 dB at 0.1  900 images/s  "
        "∇βR 50%  cos -0.90  3 s"
    )


def test_a_batch_of_a_range_tells_its_loss_in_units_of_what_is_expected():
    assert terms(STEP, of_range=True) == "step 12  L 40.80 times what is expected at each weight  900 images/s"


def test_json_has_what_was_measured_at_each_weight_of_a_range(capsys):
    Json().on_epoch_end(SPAN_RECORD)
    told = json.loads(capsys.readouterr().out)
    assert {key: told[key] for key in told if "_at_" in key} == {
        key: value for key, value in SPAN_RECORD.items() if "_at_" in key
    }


def test_a_batch_in_a_line_has_every_term_and_its_noise():
    assert terms(STEP) == "step 12  D 40.0  R 8.0  βR 0.8  L 40.8  β 0.1  σ 0.224  900 images/s"
    plain = Step(12, 40.0, None, 0.0, 40.0, 0.25, 900.0, 3.0)
    assert terms(plain) == "step 12  D 40.0  900 images/s"


def test_json_prints_epochs_to_standard_output_and_sentences_to_standard_error(capsys):
    listener = Json(run="first")
    listener.on_message("60 usable")
    listener.on_progress(1, 2, "decoding")
    listener.on_step(STEP)
    listener.on_epoch_end(PLAIN_RECORD)
    captured = capsys.readouterr()
    assert captured.err == "60 usable\n"
    told = json.loads(captured.out)
    assert told == {"run": "first", **{key: PLAIN_RECORD[key] for key in Json.KEYS}}
    assert "learning_rate" not in told
    Json(quiet=True).on_message("60 usable")
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_the_sentences_and_epochs_and_cleans_up_its_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "160")
    listener = Live()
    listener.on_progress(1, 4, "decoding pictures")
    listener.on_progress(2, 4, "varying")
    listener.on_progress(4, 4, "decoding pictures")
    listener.on_message("[1 of 2] KL weight 0.1")
    listener.on_step(STEP)
    listener.on_epoch_end(RECORD)
    listener.close()
    shown = terminal.getvalue()
    assert "[1 of 2] KL weight 0.1" in shown and "epoch   3  D 40.0" in shown
    assert "\x1b[?25h" in shown  # the cursor is back


def test_a_terminal_shows_how_far_each_trial_of_a_sweep_is_and_another_display_hears_that_it_runs(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "160")
    listener = Live()
    listener.on_trials(1, 3, {"KL weight 1": 0.5, "KL weight 0.1": 0.0})
    assert listener.running and set(listener._trials) == {"1 of 3 trials", "KL weight 1", "KL weight 0.1"}
    listener.on_step(STEP)
    listener.on_trials(2, 3, {"KL weight 0.1": 0.25})
    assert set(listener._trials) == {"2 of 3 trials", "KL weight 0.1"}, "what has ended has no bar any more"
    listener.close()
    assert "KL weight 0.1" in terminal.getvalue() and "of 3 trials" in terminal.getvalue()
    silent = Silent()
    silent.on_trials(0, 3, {"KL weight 1": 0.0})
    assert not silent.running
    silent.on_trials(0, 3, {"KL weight 1": 0.1})
    assert silent.running, "a wish to stop is a soft one from now on"


def test_an_epoch_of_one_trial_among_others_says_of_which(capsys):
    record = {**RECORD, "trial": "KL weight 1"}
    assert epoch_line(record).startswith("KL weight 1: epoch   3  D 40.0")
    Json().on_epoch_end(record)
    told = Json()
    told.on_trial("KL weight 0.1")
    told.on_epoch_end(RECORD)
    lines = [json.loads(line)["trial"] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["KL weight 1", "KL weight 0.1"]


NUMBERS = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]  # Windows has two of them


@pytest.fixture
def clock(monkeypatch):
    """The time, which passes only when told to."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("kvae.cli.display.time.monotonic", lambda: clock.now)
    return clock


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_before_training_ends_at_once(number):
    listener = Silent()
    with pytest.raises(KeyboardInterrupt), soft_stop(listener):
        signal.raise_signal(number)
    assert not listener.should_stop() and listener.exit_code == 128 + number


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("second", NUMBERS)
def test_the_first_signal_while_training_ends_softly_and_the_second_at_once(capsys, clock, number, second):
    listener = Plain()
    with pytest.raises(KeyboardInterrupt), soft_stop(listener):
        assert not listener.should_stop()
        listener.on_step(STEP)
        signal.raise_signal(number)
        assert capsys.readouterr().out == "", "it may have come in the middle of printing"
        assert listener.should_stop() and listener.should_stop()
        assert capsys.readouterr().out.count("stopping after this batch") == 1
        assert listener.exit_code == 128 + number
        clock.now += 2.0
        signal.raise_signal(second)
        pytest.fail("the second one went unheard")


@pytest.mark.parametrize("number", [number for number in NUMBERS if number != signal.SIGINT])
def test_a_closing_terminal_and_a_timeout_send_their_signal_twice_and_mean_it_once(clock, number):
    listener = Silent()
    with soft_stop(listener):
        listener.on_step(STEP)
        for _ in range(3):
            signal.raise_signal(number)
        assert listener.should_stop()


def test_what_nohup_ignores_stays_ignored():
    for number in NUMBERS:
        if number == signal.SIGINT:  # a shell ignores it for what runs in the background; Ctrl-C is answered always
            continue
        before = signal.signal(number, signal.SIG_IGN)
        try:
            listener = Silent()
            with soft_stop(listener):
                listener.on_step(STEP)
                signal.raise_signal(number)
                assert not listener.should_stop()
            assert signal.getsignal(number) == signal.SIG_IGN
        finally:
            signal.signal(number, before)


@pytest.mark.parametrize("error", [None, ValueError])
def test_afterwards_signals_are_what_they_were_and_the_display_is_closed(error):
    closed = []
    listener = Silent()
    listener.close = lambda: closed.append(True)
    before = [signal.getsignal(number) for number in NUMBERS]
    try:
        with soft_stop(listener):
            assert not set(before) & {signal.getsignal(number) for number in NUMBERS}
            if error:
                raise error
    except ValueError:
        pass
    assert [signal.getsignal(number) for number in NUMBERS] == before and closed == [True]


def test_chatter_of_native_libraries_is_held_back_unless_they_fail(capfd):
    with silence_stderr():
        os.write(2, b"oneDNN custom operations are on\n")
    assert capfd.readouterr().err == ""
    with pytest.raises(ImportError), silence_stderr():
        os.write(2, b"libcuda is missing\n")
        raise ImportError
    assert "libcuda is missing" in capfd.readouterr().err
    with pytest.raises(KeyboardInterrupt), silence_stderr():  # which is no failure
        os.write(2, b"oneDNN custom operations are on\n")
        raise KeyboardInterrupt
    assert capfd.readouterr().err == ""
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    ("command", "work", "flags"),
    [
        (measure, "kvae.training.measured_files.measure_files", ["a.keras", "--data", "paintings"]),
        (weight, "kvae.cli.weight.translated", ["1"]),
        (bayes, "kvae.cli.bayes._study", []),
    ],
)
def test_commands_that_keep_nothing_end_at_once_with_the_signals_code(
    command, work, flags, number, monkeypatch, capsys
):
    monkeypatch.setattr(work, lambda *arguments, **options: os.kill(os.getpid(), number))
    assert command.main(flags) == 128 + number
    assert ": interrupted" in capsys.readouterr().err
