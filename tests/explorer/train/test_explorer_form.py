"""The form that starts a run: made from the settings, held to their bounds."""

from dataclasses import replace

import pytest
from PyQt6.QtCore import QMimeData, QSettings, Qt, QUrl
from PyQt6.QtWidgets import QFileDialog, QLabel

from explorer.messages import SettingInfo
from explorer.train.data import dropped_data
from explorer.train.form import METHODS, MORE, SettingsForm
from explorer.widgets.fields import ChoiceField, EntryField, SwitchField
from explorer.widgets.preferences import Preferences


@pytest.fixture
def form(qtbot, fake_bridge, tmp_path):
    made = SettingsForm(Preferences(QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat)))
    qtbot.addWidget(made)
    made.build(fake_bridge.settings)
    made.resize(320, 660)
    made.show()
    made.chosen = []
    made.started.connect(made.chosen.append)
    return made


def press(qtbot, form):
    qtbot.mouseClick(form.button, Qt.MouseButton.LeftButton)


def test_every_setting_has_a_field(form, fake_bridge):
    names = {info.name for info in fake_bridge.settings}
    assert set(form.fields) | set(form.length.infos) == names


def test_a_setting_nobody_has_heard_of_appears_by_itself(form, fake_bridge):
    method = SettingInfo("target_rate", 200.0, "nats", "float", "weighting", 0.0, 9e9, "nats", (), False)
    fresh = SettingInfo("free_bits", 0.5, "nats that cost nothing", "float", "model", 0.0, 9.0, "nats", (), False)
    policy = SettingInfo("policy", "constant", "how", "str", "model", None, None, "", ("constant", "warm-up"), False)
    switch = SettingInfo("mirror", True, "whether", "bool", "training", None, None, "", (), False)
    form.build((*fake_bridge.settings, fresh, policy, switch, method))
    assert form.folds[METHODS].isAncestorOf(form.fields["target_rate"])
    assert isinstance(form.fields["free_bits"], EntryField)
    assert isinstance(form.fields["policy"], ChoiceField)
    assert isinstance(form.fields["mirror"], SwitchField)
    assert form.folds[MORE].isAncestorOf(form.fields["free_bits"])
    assert "Nats that cost nothing." in form.fields["free_bits"].toolTip()
    assert (form.values()["free_bits"], form.values()["policy"], form.values()["mirror"]) == (0.5, "constant", True)


def test_untouched_it_starts_with_the_defaults_and_leaves_the_rest_to_kvae(qtbot, form, fake_bridge):
    press(qtbot, form)
    assert form.chosen == [{i.name: i.default for i in fake_bridge.settings if i.default is not None}]


def test_it_starts_with_exactly_what_was_chosen(qtbot, form, fake_bridge):
    form.fields["size"].entry.setText("32")
    form.fields["network"].box.setCurrentIndex(form.fields["network"].box.findData("conv"))
    form.fields["kl_weight"].knob.set_value(2.5)
    form.fields["augment"].box.setChecked(False)
    form.fields["widths"].entry.setText("16, 32 64")
    form.length.unit.setCurrentIndex(form.length.unit.findData("minutes"))
    form.length.entry.setText("1,5")
    press(qtbot, form)
    defaults = {i.name: i.default for i in fake_bridge.settings if i.default is not None}
    chosen = {"size": 32, "network": "conv", "kl_weight": 2.5, "augment": False, "widths": (16, 32, 64), "minutes": 1.5}
    assert form.chosen == [{**defaults, **chosen}]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("size", "7", "Picture size must be a whole number from 16 to 512 pixels; 7 is not."),
        (
            "latent_dim",
            "12.5",
            "Number of sliders (latent dimensions) must be a whole number from 1 to 4,096; 12.5 is not.",
        ),
        ("validation", "0.9", "Share of pictures kept for measuring must be a number from 0.01 to 0.5; 0.9 is not."),
        ("batch_size", "many", "Pictures per step (batch size) must be a whole number from 1 to 4,096; many is not."),
        ("learning_rate", "nan", "Size of each step (learning rate) must be a number from 1e-08 to 1; nan is not."),
        ("widths", "16 0", "Channels of each level must be whole numbers from 1 to 2,048; 0 is not."),
    ],
)
def test_a_broken_bound_is_said_and_starts_nothing(qtbot, form, name, text, sentence):
    form.fields[name].entry.setText(text)
    press(qtbot, form)
    assert form.complaint.isVisible() and form.complaint.text() == sentence
    assert form.chosen == []
    assert all(fold.isExpanded() for fold in form.folds.values() if fold.isAncestorOf(form.fields[name]))
    form.fields[name].entry.setText("64" if name != "validation" else "0.1")
    assert not form.complaint.isVisible()


def test_the_length_is_held_to_its_bounds_too(qtbot, form):
    form.length.entry.setText("0")
    press(qtbot, form)
    assert form.complaint.text().startswith("Passes over the pictures (epochs) must be a whole number from 1")
    assert form.chosen == []


def test_filling_shows_given_settings_over_the_defaults(form):
    form.fields["size"].entry.setText("128")
    form.fill({"kl_weight": 1.0, "minutes": 3.0, "widths": (8, 16), "seed": 7})
    values = form.values()
    assert (values["size"], values["kl_weight"], values["minutes"], values["seed"]) == (64, 1.0, 3.0, 7)
    assert values["widths"] == (8, 16) and "epochs" not in values


@pytest.mark.parametrize("word", ["", "auto", "automatic"])
def test_what_is_worked_out_can_be_left_empty_or_asked_for_by_word(form, word):
    form.fields["batch_size"].entry.setText(word)
    assert "batch_size" not in form.values()


def test_filling_with_what_nobody_offers_says_so(form):
    assert not form.fill({"network": "dense"})
    assert form.complaint.text() == "Kind of network must be one of spectral, conv, residual, linear; dense is not."


def test_the_weight_rests_for_a_plain_autoencoder(form):
    form.fields["autoencoder"].box.setChecked(True)
    assert not form.fields["kl_weight"].isEnabled() and "kl_weight" not in form.values()
    form.fields["autoencoder"].box.setChecked(False)
    assert form.fields["kl_weight"].isEnabled() and form.values()["kl_weight"] == 0.1


def test_a_folder_is_chosen_and_one_that_went_away_is_said(qtbot, form, tmp_path, monkeypatch):
    folder = tmp_path / "art"
    folder.mkdir()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    form.fields["data"]._ask_folder()
    press(qtbot, form)
    assert form.chosen[-1]["data"] == str(folder)
    folder.rmdir()
    press(qtbot, form)
    assert len(form.chosen) == 1 and "is not there any more" in form.complaint.text()


def test_folders_and_array_files_can_be_dropped_and_nothing_else(tmp_path):
    for name, expected in (("a.h5", True), ("a.npz", True), ("a.txt", False), ("a.png", False)):
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(tmp_path / name))])
        assert bool(dropped_data(data)) is expected
    data.setUrls([QUrl.fromLocalFile(str(tmp_path))])
    assert dropped_data(data) == str(tmp_path)


def test_before_the_engine_has_spoken_it_says_so_and_cannot_start(qtbot, form):
    form.build(())
    assert any("engine is starting" in label.text() for label in form.findChildren(QLabel))
    assert not form.button.isEnabled()


def test_new_settings_keep_what_was_typed(form, fake_bridge):
    form.fields["size"].entry.setText("96")
    form.build(tuple(replace(info, help="other") for info in fake_bridge.settings))
    assert form.values()["size"] == 96
