"""The phases of the model on screen: each arrow of the diagram in `explorer.bridge`."""

from dataclasses import replace

import pytest

from explorer.state.open_model import OpenModel, Phase


@pytest.fixture
def loaded(model_info) -> OpenModel:
    """A model that was opened from a file, and whose weights were renewed since."""
    made = OpenModel()
    made.begin(model_info.path, same=False)
    made.complete(model_info)
    made.take_weights("newer.weights", model_info)
    assert made.phase is Phase.LOADED and made.newest
    return made


def test_a_file_goes_from_its_name_over_its_card_to_a_loaded_model(model_info):
    made = OpenModel()
    assert made.phase is Phase.IDLE
    made.begin(model_info.path, same=True)
    assert made.phase is Phase.OPENING and made.shown is None
    assert not made.glimpse(model_info) and made.phase is Phase.GLIMPSED
    whole = replace(model_info)
    assert made.complete(whole) and made.phase is Phase.LOADED  # the same as what was glimpsed
    assert made.shown is made.loaded is whole


@pytest.mark.parametrize("glimpsed", [False, True])
def test_a_file_that_fails_leads_back_to_the_model_before_it(loaded, model_info, glimpsed):
    before, other = loaded.shown, replace(model_info, path="/other.keras", latent_dim=5)
    loaded.begin(other.path, same=False)
    if glimpsed:
        assert not loaded.glimpse(other)
    assert loaded.give_up() is glimpsed
    assert loaded.shown is before and loaded.phase is Phase.LOADED


def test_a_newer_file_of_the_same_model_is_opened_aside(loaded, model_info):
    loaded.begin(model_info.path, same=False)
    assert loaded.phase is Phase.ASIDE
    assert loaded.complete(replace(model_info, kl_weight=2.0)) and loaded.newest == ""
    loaded.begin("/delivered.keras", same=True)
    assert loaded.phase is Phase.ASIDE
    assert not loaded.complete(replace(model_info, latent_dim=5)) and loaded.phase is Phase.LOADED


def test_an_opening_that_is_overtaken_goes_back_to_the_same_model(loaded, model_info):
    before = loaded.shown
    loaded.begin("/one.keras", same=False)
    loaded.glimpse(replace(model_info, path="/one.keras"))
    loaded.begin("/two.keras", same=False)
    assert loaded.phase is Phase.OPENING and loaded.give_up()
    assert loaded.shown is before and loaded.phase is Phase.LOST  # the engine may hold /one.keras by now


def test_weights_that_come_while_another_file_is_opened_are_what_a_failure_goes_back_to(loaded, model_info):
    loaded.begin("/other.keras", same=False)
    newer = replace(model_info, kl_weight=2.0)
    loaded.take_weights("newest.weights", newer)
    assert not loaded.give_up() and loaded.shown is newer


def test_a_model_that_the_engine_lost_is_opened_again(loaded, model_info):
    assert loaded.lose() == "" and loaded.phase is Phase.LOST
    again = replace(model_info)
    loaded.reopen(again)
    assert loaded.phase is Phase.LOADED and loaded.newest == "newer.weights"
    loaded.begin("/delivered.keras", same=True)
    assert loaded.lose() == "/delivered.keras"  # nobody opened it by hand: it is tried once more
    loaded.give_up()
    assert loaded.shown is again and loaded.phase is Phase.LOST
