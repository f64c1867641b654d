"""What the window waits for, and which training run is on screen: what to open or refresh as snapshots arrive.
No Qt."""

from collections.abc import Callable
from dataclasses import dataclass, field

from explorer.messages import Snapshot


@dataclass
class Expected:
    """What was asked for and is not there yet; None where nothing of the kind is."""

    by_hand: str | None = None  # the path of the model that a person opened
    landing: str = "explore"  # the page to show then
    first_run: int | None = None  # the run that was begun on the welcome page and has no picture yet
    data: str | None = None  # what to train on once the engine has said what can be set
    reread: str | None = None  # the open file, read anew because it changed on disk
    delivered: str | None = None  # the model that the last run left


@dataclass
class FollowedRun:
    """A run is followed while its page says so and until somebody opens another model by hand.

    `shown` is the run whose model is on screen, None for a model from a file.
    """

    shown: int | None = None
    _first: dict[int, str] = field(default_factory=dict)  # the model file of each run
    _left: set[int] = field(default_factory=set)  # runs that somebody turned away from

    def learn(self, message: Snapshot) -> None:
        """Keep the model file of a run: the run may be followed later."""
        if message.first:
            self._first[message.run] = message.path

    def snapshot(
        self, message: Snapshot, follows: bool, open_model: Callable[[str], None], refresh: Callable[[str], None]
    ) -> None:
        """Open the run's model, or take its newer weights, where the run is followed."""
        self.learn(message)
        if not follows:
            self._left.discard(message.run)  # following it again is a new wish
            self.shown = None if self.shown == message.run else self.shown
        elif message.run in self._left:
            return
        elif self.shown == message.run and not message.first:
            refresh(message.path)
        elif message.run in self._first:
            self.shown = message.run
            open_model(self._first[message.run])
            if not message.first:  # that file is as old as the run
                refresh(message.path)

    def turned_away(self) -> None:
        """Another model was opened by hand."""
        if self.shown is not None:
            self._left.add(self.shown)
        self.shown = None

    def ended(self, run: int) -> bool:
        """The run is over; whether its model is on screen."""
        self._first.pop(run, None)
        was_shown, self.shown = self.shown == run, None if self.shown == run else self.shown
        return was_shown
