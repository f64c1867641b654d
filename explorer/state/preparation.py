"""What a run does before it trains, and after: one share from 0 to 1 that never falls, and words that need no course in
machine learning. No Qt."""

from dataclasses import dataclass, field

from explorer.messages import Began, PicturesReady, RunMessage, Working
from explorer.safe_text import line

# what kvae says of its work, in the words of somebody who paints, and the share of the preparation at its end
_PARTS = {
    "painting": ("painting the sample pictures", 0.5),
    "reading pictures": ("reading the pictures", 0.5),
    "decoding pictures": ("looking through the pictures", 0.5),
    "varying": ("looking at varied copies of the pictures", 0.65),
    "measuring the Gaussian limit": ("finding what the pictures have in common", 0.95),
    "measuring and saving the model": ("measuring and saving the model", 1.0),
}
_ONCE = ("painting", "reading pictures", "decoding pictures", "varying")  # what is done and done with
_READY = 0.95
_AGAIN = 0.5  # of what is left of a part, for each time that it begins again: nobody says how often it will
_PATIENCE = 4.0  # seconds until there is something to guess from
_CALM = 0.1  # how far a new guess of the time left pulls at the one before


@dataclass
class Preparation:
    """`take` is given each message of a run with the time it came at, in seconds of any clock."""

    share: float = 0.0
    words: str = "getting ready"
    seconds_left: float | None = None
    _what: str = field(default="", repr=False)
    _fraction: float = field(default=0.0, repr=False)  # of this part, this time
    _leg: tuple[float, float] = field(default=(0.0, 0.0), repr=False)  # the shares from which and to which it leads
    _began: float | None = field(default=None, repr=False)
    _last: float = field(default=0.0, repr=False)

    def take(self, message: RunMessage, now: float) -> None:
        """Learn from one message; other kinds change nothing."""
        if isinstance(message, Working):
            self._work(message)
        elif isinstance(message, PicturesReady):
            self.share, self.words = max(self.share, _READY), "building the network"
        elif isinstance(message, Began):
            self.share, self.words = 1.0, "painting the first pictures"
        else:
            return
        self._guess(now)

    def _work(self, message: Working) -> None:
        self.words, end = _PARTS.get(message.what, (line(message.what, 80), _READY))
        fraction = min(max(message.done / message.total, 0.0), 1.0) if message.total > 0 else 0.0
        again = message.what == self._what and fraction < self._fraction
        if message.what != self._what or again:
            repeats = again or message.what not in _ONCE
            self._leg = self.share, self.share + (max(end, self.share) - self.share) * (_AGAIN if repeats else 1.0)
        self._what, self._fraction = message.what, fraction
        start, to = self._leg
        self.share = max(self.share, start + (to - start) * fraction)

    def _guess(self, now: float) -> None:
        """The time left by the share that is done; each guess moves the one before only a little."""
        self._began = now if self._began is None else self._began
        passed = now - self._began
        if passed < _PATIENCE or self.share < 0.05:
            return
        guess = passed * (1.0 - self.share) / self.share
        before = guess if self.seconds_left is None else max(self.seconds_left - (now - self._last), 0.0)
        self.seconds_left, self._last = before + _CALM * (guess - before), now


def time_left(seconds: float | None) -> str:
    """A guess in words: "3 min left", "" where there is none."""
    if seconds is None:
        return ""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute left"
    return f"{minutes} min left" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min left"
