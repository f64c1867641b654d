"""Work in steps: each in a turn of its own, in order, and none of what is gone."""

from PyQt6.QtCore import QObject, QTimer

from explorer.widgets.deferred import Turns


def test_no_two_steps_share_a_turn_of_the_event_loop(qtbot):
    turns, first, second, seen = Turns(), QObject(), QObject(), []
    turns.give(first, lambda: seen.append("a"), lambda: seen.append("b"))
    turns.give(second, lambda: seen.append("c"))
    between = QTimer()
    between.timeout.connect(lambda: seen.append("|") if seen[-1:] != ["|"] else None)
    between.start(0)
    qtbot.waitUntil(lambda: "c" in seen)
    between.stop()
    assert "".join(seen).strip("|") == "a|b|c"


def test_what_is_wanted_now_is_done_in_order_with_what_it_leads_to_and_nothing_else(qtbot):
    turns, first, second, seen = Turns(), QObject(), QObject(), []

    def more():
        seen.append("more")
        turns.give(first, lambda: seen.append("last"))

    turns.give(second, lambda: seen.append("other"))
    turns.give(first, lambda: seen.append("one"), more)
    turns.finish(first)
    assert seen == ["one", "more", "last"]
    qtbot.waitUntil(lambda: seen[-1] == "other")
    assert len(seen) == 4


def test_a_step_that_waits_is_not_taken_twice_but_again_once_it_is_done(qtbot):
    turns, owner, seen = Turns(), QObject(), []

    def step():
        seen.append(1)

    turns.give(owner, step, step)
    turns.give(owner, step)
    turns.finish(owner)
    turns.give(owner, step)
    turns.finish(owner)
    assert len(seen) == 2


def test_a_step_of_what_is_gone_is_left_out_and_one_that_fails_stops_no_other(qtbot):
    turns, gone, owner, seen = Turns(), QObject(), QObject(), []
    turns.give(gone, lambda: seen.append("gone"))
    turns.give(owner, lambda: 1 / 0, lambda: seen.append("after"))
    gone.deleteLater()
    with qtbot.captureExceptions() as failed:
        qtbot.waitUntil(lambda: "after" in seen)
    assert seen == ["after"] and [error[0] for error in failed] == [ZeroDivisionError]
