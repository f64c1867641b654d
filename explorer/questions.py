"""What was asked of the engine and is not answered yet. No Qt."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from explorer.messages import Answer, Failed, Question, Reply, Request

# In these lanes an answer is also shown when a newer question waits, as long as no newer answer came: otherwise a
# slider that moves faster than the machine decodes would show nothing until the hand rests.
FLOWING = ("picture", "other")


@dataclass
class Pending:
    """A question that waits for its answer."""

    content: Question
    then: Callable[[Answer], None]
    failed: Callable[[str], None] | None
    lane: str


class Questions:
    """By their tickets; and those that are held back, because the model they are about is still being looked at."""

    def __init__(self) -> None:
        self._tickets = itertools.count(1)
        self._pending: dict[int, Pending] = {}
        self._held: list[Request] = []

    def add(
        self, content: Question, then: Callable[[Answer], None], failed: Callable[[str], None] | None, lane: str
    ) -> Request:
        """One more; an older one in its lane is forgotten, but for the lanes that flow."""
        if lane and lane not in FLOWING:
            self.forget(lambda old: old.lane == lane)
        ticket = next(self._tickets)
        self._pending[ticket] = Pending(content, then, failed, lane)
        return Request(ticket, lane, content)

    def hold(self, request: Request) -> None:
        """Keep `request` back until `release`."""
        self._held.append(request)

    def release(self, drop: bool = False) -> list[Request]:
        """Those that were held back and are still wanted, to be sent now; none where they are dropped."""
        held, self._held = self._held, []
        if drop:
            for request in held:
                self._pending.pop(request.ticket, None)
        return [request for request in held if request.ticket in self._pending]

    def cancel(self, ticket: int) -> bool:
        """Forget one. Whether it was waiting."""
        self._held = [request for request in self._held if request.ticket != ticket]
        return self._pending.pop(ticket, None) is not None

    def forget(self, which: Callable[[Pending], bool]) -> list[int]:
        """Forget those of which this holds; their tickets."""
        found = [ticket for ticket, old in self._pending.items() if which(old)]
        for ticket in found:
            self.cancel(ticket)
        return found

    def clear(self) -> list[Pending]:
        """Forget all; what was waiting."""
        waiting = list(self._pending.values())
        self._pending, self._held = {}, []
        return waiting

    def contents(self) -> list[Question]:
        """What is being asked."""
        return [one.content for one in self._pending.values()]

    def take(self, reply: Reply) -> None:
        """Hand an answer to whoever asked; one that nobody waits for is dropped."""
        pending = self._pending.get(reply.ticket)
        if pending is None:
            return
        if pending.lane in FLOWING:
            self._pending = {
                ticket: old
                for ticket, old in self._pending.items()
                if old.lane != pending.lane or ticket >= reply.ticket
            }
        if reply.last:
            self._pending.pop(reply.ticket, None)
        if not isinstance(reply.content, Failed):
            pending.then(reply.content)
        elif pending.failed is not None:
            pending.failed(reply.content.sentence)
